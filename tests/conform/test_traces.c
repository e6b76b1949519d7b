/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* P24: the trace of a bus's loops: what it has, who may read it, and how it reads. */
#include "tests/conform/rig.h"

#include <pthread.h>
#include <weir/loop.h>

enum { KINDS = WEIR_TRACE_VERDICT + 1, RECORDS = 256, VERDICT = 42 };

static int seen, ticks, ends;
static uint64_t work_ns;

/* Works for as long as it should, and now and then ends the turn. */
static int
work(void *ctx, const weir_msg *msg)
{
	uint64_t until_ns = weir_now_ns() + work_ns;

	(void)ctx, (void)msg;
	__atomic_fetch_add(&seen, 1, __ATOMIC_RELEASE);
	while (weir_now_ns() < until_ns)
		;
	return __atomic_exchange_n(&ends, 0, __ATOMIC_ACQ_REL) ? VERDICT : 0;
}

static int
tick(void *ctx, const weir_tick *t)
{
	(void)ctx, (void)t;
	ticks++;
	return 0;
}

/* All that a loop has written from *next on, by kind; the last of each kind in `last`. */
struct seen_records {
	uint64_t next, lost;
	int count[KINDS];
	weir_trace_record last[KINDS];
};

static void
read_on(weir_bus *bus, uint32_t loop, struct seen_records *all)
{
	weir_trace_record records[RECORDS];
	int count;

	while ((count = weir_trace_read(bus, loop, all->next, records, RECORDS)) > 0) {
		CHECK(records[0].at >= all->next);
		all->lost += records[0].at - all->next;
		all->next = records[count - 1].at + 1;
		for (int i = 0; i < count; i++) {
			REQUIRE(records[i].kind > 0 && records[i].kind < KINDS);
			CHECK_EQ(records[i].loop, loop);
			CHECK_EQ(records[i].at, records[0].at + (uint64_t)i);
			all->count[records[i].kind]++;
			all->last[records[i].kind] = records[i];
		}
	}
	CHECK_EQ(count, 0);
}

static weir_bus *
bus_of(const char *name, uint32_t loops)
{
	weir_bus *bus = weir_open(name, .attach_ms = 600000, .loops = loops,
		.flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET,
		.tiers = "balanced promotion_ms=1 demotion_ms=1");

	REQUIRE_EQ(weir_why(bus)->code, 0);
	return bus;
}

static void
check_text(const weir_trace_record *record, const char *part)
{
	char text[160];
	int length = weir_trace_format(record, text, sizeof(text));

	CHECK(length > 0 && length < (int)sizeof(text));
	CHECK_EQ(strlen(text), length);
	if (!strstr(text, part))
		FAIL("'%s' says nothing of '%s'", text, part);
}

/* Each kind of a single loop is written when that happens, with what it says; and not a word
 * before it is switched on. */
static void
P24_each_kind_is_written(const char *name)
{
	struct seen_records all = {0};
	weir_bus *a = rig_bus(name), *b = bus_of(name, 0);
	weir_pub *pub = weir_advertise(a, "t");
	weir_sub *sub = weir_subscribe(b, "t", .on_msg = work, .batch = 1);
	weir_timer *timer = weir_timer_start(b, .after_ns = 1000000, .on_tick = tick);
	weir_consumer consumer;
	int verdict = 0;

	seen = ticks = ends = 0;
	work_ns = 2000000;
	CHECK_EQ(weir_sub_consumer(sub, &consumer), 0);
	REQUIRE_EQ(weir_wait_subscribers(pub, 1, WEIR_FOREVER), 1);
	while (ticks == 0)
		CHECK(weir_turn(b, 10) >= 0);
	CHECK_EQ(weir_trace_read(b, 0, 0, &all.last[0], 1), 0);
	CHECK_EQ(weir_trace_start(b), 0);
	CHECK_EQ(weir_timer_again(timer, 1000000), 0);
	while (ticks == 1 || all.count[WEIR_TRACE_WAKE] == 0) {
		CHECK(weir_turn(b, 10) >= 0);
		read_on(b, 0, &all);
	}
	for (uint64_t n = 0; weir_sub_tier(sub) == 0; n++) {
		rig_send(pub, 8, n);
		CHECK(weir_turn(b, 10) >= 0);
	}
	read_on(b, 0, &all);
	CHECK_EQ(all.last[WEIR_TRACE_TIER].consumer, consumer.number);
	CHECK_EQ(all.last[WEIR_TRACE_TIER].from, 0);
	CHECK_EQ(all.last[WEIR_TRACE_TIER].value, 1);
	CHECK_STR(all.last[WEIR_TRACE_TIER].reason, "overrun");
	check_text(&all.last[WEIR_TRACE_TIER], "monitor -> warn, overrun");
	__atomic_store_n(&ends, 1, __ATOMIC_RELEASE);
	rig_send(pub, 8, 0);
	while (verdict != VERDICT)
		verdict = weir_turn(b, 10);
	read_on(b, 0, &all);
	for (int kind = 1; kind < KINDS; kind++)
		CHECK_EQ(all.count[kind] > 0, kind != WEIR_TRACE_MOVE);
	CHECK_EQ(all.lost, 0);
	CHECK_EQ(all.last[WEIR_TRACE_POLL].consumer, consumer.number);
	CHECK_EQ(all.last[WEIR_TRACE_TIMERS].value, 1);
	CHECK_EQ(all.last[WEIR_TRACE_VERDICT].consumer, consumer.number);
	CHECK_EQ(all.last[WEIR_TRACE_VERDICT].value, VERDICT);
	check_text(&all.last[WEIR_TRACE_POLL], " took ");
	check_text(&all.last[WEIR_TRACE_SLEEP], "sleeps");
	check_text(&all.last[WEIR_TRACE_WAKE], "awake");
	check_text(&all.last[WEIR_TRACE_TIMERS], "fired: 1");
	check_text(&all.last[WEIR_TRACE_VERDICT], "verdict 42");
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), 0);
}

/* A move is written by who gives the consumer away; the other loop has a trace of its own. */
static void
P24_a_move_is_written(const char *name)
{
	struct seen_records home = {0}, other = {0};
	weir_bus *a = rig_bus(name), *b = bus_of(name, 1);
	weir_pub *pub = weir_advertise(a, "t");
	weir_sub *sub = weir_subscribe(b, "t", .on_msg = work, .moves = WEIR_MOVE_LOOPS);
	weir_consumer consumer;

	seen = ends = 0;
	work_ns = 0;
	CHECK_EQ(weir_sub_consumer(sub, &consumer), 0);
	REQUIRE_EQ(weir_wait_subscribers(pub, 1, WEIR_FOREVER), 1);
	CHECK_EQ(weir_trace_start(b), 0);
	CHECK_EQ(weir_sub_move(sub, 1), 0);
	rig_send(pub, 8, 0);
	while (__atomic_load_n(&seen, __ATOMIC_ACQUIRE) == 0 ||
		home.count[WEIR_TRACE_MOVE] == 0) {
		CHECK(weir_turn(b, 10) >= 0);
		read_on(b, 0, &home);
	}
	CHECK_EQ(home.last[WEIR_TRACE_MOVE].consumer, consumer.number);
	CHECK_EQ(home.last[WEIR_TRACE_MOVE].from, 0);
	CHECK_EQ(home.last[WEIR_TRACE_MOVE].value, 1);
	check_text(&home.last[WEIR_TRACE_MOVE], "from loop 0 to 1");
	/* It goes home before that loop sleeps. */
	while (other.count[WEIR_TRACE_MOVE] == 0 || other.count[WEIR_TRACE_SLEEP] == 0) {
		CHECK(weir_turn(b, 1) >= 0);
		read_on(b, 1, &other);
	}
	CHECK_EQ(other.last[WEIR_TRACE_MOVE].consumer, consumer.number);
	CHECK_EQ(other.last[WEIR_TRACE_MOVE].from, 1);
	CHECK_EQ(other.last[WEIR_TRACE_MOVE].value, 0);
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), 0);
}

static void
P24_after_a_stop_nothing_is_written(const char *name)
{
	struct seen_records all = {0};
	weir_bus *bus = bus_of(name, 0);

	CHECK_EQ(weir_trace_start(bus), 0);
	while (all.count[WEIR_TRACE_WAKE] == 0) {
		CHECK(weir_turn(bus, 1) >= 0);
		read_on(bus, 0, &all);
	}
	CHECK_EQ(weir_trace_stop(bus), 0);
	for (int i = 0; i < 5; i++)
		CHECK(weir_turn(bus, 1) >= 0);
	CHECK_EQ(weir_trace_read(bus, 0, all.next, &all.last[0], 1), 0);
	/* What was written is there, and what comes has the numbers that follow. */
	CHECK_EQ(weir_trace_read(bus, 0, 0, &all.last[0], 1), 1);
	CHECK_EQ(all.last[0].at, 0);
	CHECK_EQ(weir_trace_start(bus), 0);
	while (weir_trace_read(bus, 0, all.next, &all.last[0], 1) == 0)
		CHECK(weir_turn(bus, 1) >= 0);
	CHECK_EQ(all.last[0].at, all.next);
	CHECK_EQ(weir_close(bus), 0);
}

/* ---- from another thread ----------------------------------------------------------------------- */

struct reading {
	weir_bus *bus;
	struct seen_records of[2];
	int started;
	int over;
};

static void *
read_beside(void *arg)
{
	struct reading *reading = arg;

	CHECK_EQ(weir_trace_start(reading->bus), -WEIR_E_USAGE_THREAD);
	CHECK_EQ(weir_trace_stop(reading->bus), -WEIR_E_USAGE_THREAD);
	while (!__atomic_load_n(&reading->over, __ATOMIC_ACQUIRE))
		for (uint32_t loop = 0; loop < 2; loop++)
			read_on(reading->bus, loop, &reading->of[loop]);
	return NULL;
}

/* A thread reads both loops while they work and sleep, and a trace is switched off and on. */
static void
P24_others_read_while_the_loops_work(const char *name)
{
	enum { ROUNDS = 300 };
	weir_bus *a = rig_bus(name), *b = bus_of(name, 1);
	struct reading reading = {.bus = b};
	weir_pub *pub = weir_advertise(a, "t");
	weir_sub *sub = weir_subscribe(b, "t", .on_msg = work, .moves = WEIR_MOVE_LOOPS);
	pthread_t thread;

	seen = ends = 0;
	work_ns = 0;
	REQUIRE_EQ(weir_wait_subscribers(pub, 1, WEIR_FOREVER), 1);
	CHECK_EQ(weir_trace_start(b), 0);
	REQUIRE_EQ(pthread_create(&thread, NULL, read_beside, &reading), 0);
	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(weir_sub_move(sub, (uint32_t)i % 2), 0);
		rig_send(pub, 8, (uint64_t)i);
		while (__atomic_load_n(&seen, __ATOMIC_ACQUIRE) <= i)
			CHECK(weir_turn(b, 1) >= 0);
		if (i % 16 == 0)
			CHECK_EQ(weir_trace_stop(b), 0);
		if (i % 16 == 1)
			CHECK_EQ(weir_trace_start(b), 0);
	}
	__atomic_store_n(&reading.over, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	CHECK_EQ(weir_trace_stop(b), 0);
	CHECK_EQ(weir_adopt(b), 0);
	for (uint32_t loop = 0; loop < 2; loop++)
		read_on(b, loop, &reading.of[loop]);
	CHECK(reading.of[0].count[WEIR_TRACE_MOVE] > 0);
	CHECK(reading.of[1].count[WEIR_TRACE_MOVE] > 0);
	CHECK(reading.of[1].count[WEIR_TRACE_SLEEP] > 0);
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), 0);
}

static void
what_cannot_be_read_is_refused(const char *name)
{
	weir_trace_record record = {.kind = 99, .value = -5};
	weir_bus *bus = rig_bus(name);
	char text[8];

	CHECK_EQ(weir_trace_start(bus), 0);
	CHECK_EQ(weir_trace_read(bus, 1, 0, &record, 1), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_trace_read(bus, UINT32_MAX, 0, &record, 1), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_trace_read(bus, 0, 0, NULL, 1), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_trace_read(NULL, 0, 0, &record, 1), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_trace_read(bus, 0, 0, NULL, 0), 0);
	CHECK_EQ(weir_trace_read(bus, 0, UINT64_MAX, &record, 1), 0);
	CHECK(weir_trace_format(&record, text, sizeof(text)) > (int)sizeof(text));
	CHECK_EQ(strlen(text), sizeof(text) - 1);
	check_text(&record, "kind 99, value -5");
	CHECK_EQ(weir_close(bus), 0);
	bus = weir_open("not/a//name", .flags = WEIR_BUS_QUIET);
	CHECK(weir_trace_start(bus) < 0);
	CHECK(weir_trace_stop(bus) < 0);
	CHECK_EQ(weir_trace_read(bus, 0, 0, &record, 1), -WEIR_E_USAGE_INVAL);
	(void)weir_close(bus);
}

/* clang-format off */
#define TESTS(X) \
	X(P24_each_kind_is_written) X(P24_a_move_is_written) \
	X(P24_after_a_stop_nothing_is_written) X(P24_others_read_while_the_loops_work) \
	X(what_cannot_be_read_is_refused)
/* clang-format on */

TESTS(CONFORM_STAMP)

static const struct wr_test tests[] = {TESTS(CONFORM_ENTRY) TEST_END};
const struct wr_suite wr_suite_traces = {
	.name = "traces", .tests = tests, .labels = "concurrency,input"};
