/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Subscriptions on several loops of a bus, and in lanes (FEATURES K53, P2, P32; issue row
 * "migration of a consumer between reactors"): they move between two polls, and nothing of
 * that can be seen in what they read.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <weir/look.h>
#include <weir/loop.h>

#include "tests/conform/rig.h"
#include "tests/lib/refuse.h"

enum { THREADS = 8 };

/* Tiers that change within milliseconds. */
#define QUICK \
	"balanced promotion_ms=1 demotion_ms=1 monitor.good_polls=3 warn.good_polls=3 " \
	"yield.good_polls=3 isolate.good_polls=3 warn.min_ms=1 yield.min_ms=1 isolate.min_ms=1"

/* A consumer that sees to it that its messages come in their order, one by one. */
struct reader {
	atomic_ullong next; /* the number that is to come */
	atomic_bool inside;
	atomic_int threads; /* different ones that it was called by */
	pthread_t thread[THREADS];
	weir_sub *sub;
	sem_t *gate;      /* each call waits for a token; NULL: none does */
	atomic_bool slow; /* each call works for longer than it may */
	int verdict;      /* that a call gives, once */
};

static void
note_thread(struct reader *reader)
{
	int count = atomic_load(&reader->threads);

	for (int i = 0; i < count; i++)
		if (pthread_equal(reader->thread[i], pthread_self()))
			return;
	REQUIRE(count < THREADS);
	reader->thread[count] = pthread_self();
	atomic_store(&reader->threads, count + 1);
}

static int
read_one(void *ctx, const weir_msg *msg)
{
	struct reader *reader = ctx;
	uint64_t number, until_ns = weir_now_ns() + 2000000;
	int verdict = reader->verdict;
	sem_t *gate = reader->gate;

	CHECK(!atomic_exchange(&reader->inside, true));
	memcpy(&number, msg->data, sizeof(number));
	CHECK_EQ(number, atomic_load(&reader->next));
	CHECK_EQ(msg->lost, 0);
	note_thread(reader);
	while (gate && sem_wait(gate) != 0)
		;
	while (atomic_load(&reader->slow) && weir_now_ns() < until_ns)
		;
	atomic_store(&reader->inside, false);
	reader->verdict = 0;
	atomic_store(&reader->next, number + 1);
	return verdict;
}

static unsigned long long
seen(struct reader *reader)
{
	return atomic_load(&reader->next);
}

/* Whoever returns within a second is good. */
#define PATIENT \
	"threshold_ns=4000000000 warn.good_us=1000000 yield.good_us=1000000 " \
	"isolate.good_us=1000000"

static weir_bus *
bus_with(const char *name, uint32_t loops, const char *tiers)
{
	weir_bus *bus = weir_open(name, .attach_ms = 600000, .loops = loops,
		.tiers = tiers, .hard_us = UINT32_MAX,
		.flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET);

	REQUIRE_EQ(weir_why(bus)->code, 0);
	return bus;
}

/* Publishes number n, as soon as there is room: our subscriptions make it. */
static void
send_number(weir_bus *turned, weir_pub *pub, uint64_t n)
{
	int rc;

	while ((rc = weir_send(pub, &n, sizeof(n))) == -WEIR_E_AGAIN_FULL)
		CHECK(weir_turn(turned, 0) >= 0);
	REQUIRE_EQ(rc, 0);
}

static weir_pub *
advertise(weir_bus *bus, const char *topic)
{
	weir_pub *pub = weir_advertise(bus, topic, .wait_ms = WEIR_NEVER);

	REQUIRE_EQ(weir_pub_why(pub)->code, 0);
	return pub;
}

static weir_sub *
subscribe(weir_bus *bus, const char *topic, struct reader *reader, uint32_t moves)
{
	/* It is never left behind: each number has to come. */
	reader->sub = weir_subscribe(bus, topic, .on_msg = read_one, .ctx = reader,
		.policy = WEIR_BLOCK, .moves = moves);
	REQUIRE_EQ(weir_sub_why(reader->sub)->code, 0);
	return reader->sub;
}

/* ---- from loop to loop ------------------------------------------------------------------- */

static void
K53_a_consumer_moves_under_load_and_loses_nothing(const char *name)
{
	enum { MESSAGES = 60000, EACH = 200 };
	weir_bus *a = rig_bus(name), *b = bus_with(name, 2, "off");
	struct reader reader = {0};
	weir_pub *pub = advertise(a, "t");
	uint64_t n;

	(void)subscribe(b, "t", &reader, WEIR_MOVE_LOOPS);
	REQUIRE_EQ(weir_wait_subscribers(pub, 1, WEIR_FOREVER), 1);
	/* Each of the three has had it, and it had no rest. */
	for (n = 0; n < MESSAGES || reader.threads < 3; n++) {
		send_number(b, pub, n);
		if (n % EACH == 0) {
			CHECK_EQ(weir_sub_move(reader.sub, (uint32_t)(n / EACH % 3)), 0);
			CHECK_EQ(weir_sub_loop(reader.sub), (int)(n / EACH % 3));
			CHECK(weir_turn(b, 0) >= 0);
		}
	}
	while (seen(&reader) < n)
		CHECK(weir_turn(b, 1) >= 0);
	CHECK_EQ(rig_sub_stats(reader.sub).delivered, n);
	CHECK_EQ(rig_sub_stats(reader.sub).lost, 0);
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), 0);
}

/* Idle, it is looked at by the home loop, whatever loop it belongs to; asleep or not. */
static void
K53_an_idle_one_is_woken_where_it_belongs(const char *name)
{
	weir_bus *a = rig_bus(name), *b = bus_with(name, 1, "off");
	struct reader reader = {0};
	weir_pub *pub = advertise(a, "t");

	(void)subscribe(b, "t", &reader, WEIR_MOVE_LOOPS);
	CHECK_EQ(weir_sub_move(reader.sub, 1), 0);
	REQUIRE_EQ(weir_wait_subscribers(pub, 1, WEIR_FOREVER), 1);
	for (uint64_t n = 0; n < 50; n++) {
		send_number(b, pub, n);
		while (seen(&reader) <= n)
			CHECK(weir_turn(b, 1) >= 0);
		/* Long enough for the loop to have let go of it, now and then. */
		CHECK_EQ(weir_sleep(b, n % 10 == 0 ? 10 : 0), 0);
	}
	CHECK_EQ(reader.threads, 1);
	CHECK(!pthread_equal(reader.thread[0], pthread_self()));
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), 0);
}

static void
consumers_are_placed_where_there_is_least(const char *name)
{
	weir_bus *b = bus_with(name, 2, "off");
	struct reader readers[6] = {0}, fixed = {0}, heavy = {0};
	int at[3] = {0};

	for (int i = 0; i < 6; i++)
		at[weir_sub_loop(subscribe(b, "t", &readers[i], WEIR_MOVE_LOOPS))]++;
	for (int i = 0; i < 3; i++)
		CHECK_EQ(at[i], 2);
	/* One that weighs as much as all others leaves the rest to the others. */
	heavy.sub = weir_subscribe(b, "t", .on_msg = read_one, .ctx = &heavy,
		.moves = WEIR_MOVE_LOOPS, .weight = 64);
	at[0] = weir_sub_loop(heavy.sub);
	CHECK(weir_sub_loop(subscribe(b, "t", &readers[0], WEIR_MOVE_LOOPS)) != at[0]);
	/* Who may not move is on the bus's own. */
	CHECK_EQ(weir_sub_loop(subscribe(b, "t", &fixed, 0)), 0);
	CHECK_EQ(weir_sub_move(fixed.sub, 1), -WEIR_E_USAGE_STATE);
	CHECK_EQ(weir_sub_move(heavy.sub, 3), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_close(b), 0);
}

/* All have been put on one loop, and always have something to do: that gives some away. */
static void
a_loop_with_too_much_gives_some_away(const char *name)
{
	enum { COUNT = 6 };
	weir_bus *a = rig_bus(name), *b = bus_with(name, 1, "off");
	struct reader readers[COUNT] = {0};
	weir_pub *pub = advertise(a, "t");
	int elsewhere = 0;

	for (int i = 0; i < COUNT; i++) {
		(void)subscribe(b, "t", &readers[i], WEIR_MOVE_LOOPS);
		CHECK_EQ(weir_sub_move(readers[i].sub, 1), 0);
	}
	REQUIRE_EQ(weir_wait_subscribers(pub, COUNT, WEIR_FOREVER), COUNT);
	for (uint64_t n = 0; elsewhere < 2; n++) {
		send_number(b, pub, n);
		if (n % 64 != 0)
			continue;
		CHECK(weir_turn(b, 0) >= 0);
		elsewhere = 0;
		for (int i = 0; i < COUNT; i++)
			elsewhere += weir_sub_loop(readers[i].sub) == 0;
	}
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), 0);
}

/* ---- lanes ---------------------------------------------------------------------------------- */

/* It has a few messages to read, and never many; turns. */
static void
feed(weir_bus *turned, weir_pub *pub, struct reader *reader, uint64_t *sent)
{
	if (*sent < seen(reader) + 4)
		send_number(turned, pub, (*sent)++);
	CHECK(weir_turn(turned, 0) >= 0);
}

struct rank {
	atomic_bool noted;
	int policy, nice, own;
};

static int
note_rank(void *ctx, const weir_msg *msg)
{
	struct rank *rank = ctx;

	(void)msg;
	rank->policy = sched_getscheduler(0);
	rank->nice = getpriority(PRIO_PROCESS, (id_t)gettid());
	rank->noted = true;
	return 0;
}

/* How it is shown: in a lane no tier takes anything of its turns, and why it came there stands
 * there. */
static void
is_shown_in_a_lane(weir_bus *bus, const char *pattern)
{
	weir_look *look = weir_look_at(bus, NULL);
	const weir_look_consumer *all;
	weir_look_change change;
	size_t count, found = 0;

	REQUIRE(look != NULL);
	REQUIRE(weir_look_roster(look, 0) >= 0);
	all = weir_look_consumers(look, &count);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(all[i].name, pattern) != 0)
			continue;
		found++;
		CHECK_EQ(all[i].tier, 3);
		CHECK_EQ(all[i].percent, 0);
		CHECK(all[i].violations > 0);
		CHECK(weir_look_changes(look, &all[i], &change, 1) >= 3);
		CHECK_EQ(change.to, 3);
		CHECK_STR(change.reason, "overrun");
	}
	CHECK_EQ(found, 1);
	weir_look_close(look);
}

/* Isolated, it goes to a thread of its own: while its callback does not return, its neighbour
 * misses nothing. When it behaves it comes back. */
static void
P2_an_isolated_consumer_has_a_lane_and_comes_back(const char *name)
{
	weir_bus *a = rig_bus(name), *b = bus_with(name, 0, QUICK);
	struct reader slow = {0}, healthy = {0};
	weir_pub *pubs[2] = {advertise(a, "slow"), advertise(a, "healthy")};
	uint64_t sent[2] = {0};
	sem_t gate;

	CHECK_EQ(sem_init(&gate, 0, 0), 0);
	slow.slow = true;
	(void)subscribe(b, "slow", &slow, WEIR_MOVE_LANE);
	(void)subscribe(b, "healthy", &healthy, 0);
	for (int i = 0; i < 2; i++)
		REQUIRE_EQ(weir_wait_subscribers(pubs[i], 1, WEIR_FOREVER), 1);
	while (weir_sub_loop(slow.sub) != WEIR_LOOP_LANE)
		feed(b, pubs[0], &slow, &sent[0]);
	CHECK_EQ(weir_sub_tier(slow.sub), 3);
	/* From its next call on it is in the lane. There it does not return. */
	slow.gate = &gate;
	while (!slow.inside || slow.threads < 2)
		feed(b, pubs[0], &slow, &sent[0]);
	is_shown_in_a_lane(b, "slow");
	while (sent[1] < 1000)
		feed(b, pubs[1], &healthy, &sent[1]);
	while (seen(&healthy) < sent[1])
		CHECK(weir_turn(b, 0) >= 0);
	CHECK(slow.inside);
	CHECK_EQ(healthy.threads, 1);
	CHECK(pthread_equal(healthy.thread[0], pthread_self()));
	/* It behaves, and what a busy machine does to it is not held against it: the rules of
	 * all loops are others from here on. */
	slow.slow = false;
	slow.gate = NULL;
	CHECK_EQ(weir_tiers(b, PATIENT, NULL), 0);
	CHECK_EQ(sem_post(&gate), 0);
	while (weir_sub_loop(slow.sub) == WEIR_LOOP_LANE || weir_sub_tier(slow.sub) != 0)
		feed(b, pubs[0], &slow, &sent[0]);
	while (seen(&slow) < sent[0])
		CHECK(weir_turn(b, 1) >= 0);
	CHECK_EQ(weir_sub_loop(slow.sub), 0);
	CHECK_EQ(slow.threads, 2);
	CHECK_EQ(rig_sub_stats(slow.sub).lost, 0);
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), 0);
}

/* Where there is no thread for its lane, it is refused, and not called. */
static void
who_blocks_and_gets_no_lane_is_refused(const char *name)
{
	weir_bus *b = bus_with(name, 0, "balanced");
	struct reader reader = {0};
	weir_pub *pub = advertise(b, "t");

	refuse_call(SYS_clone3, EAGAIN);
	reader.sub = weir_subscribe(b, "t", .on_msg = read_one, .ctx = &reader,
		.moves = WEIR_MOVE_BLOCKING);
	CHECK_EQ(weir_sub_why(reader.sub)->code, WEIR_E_ENV_THREADS);
	for (uint64_t n = 0; n < 10; n++) {
		send_number(b, pub, n);
		CHECK(weir_turn(b, 0) >= 0);
	}
	CHECK_EQ(seen(&reader), 0);
	CHECK_EQ(weir_subscribers(pub), 0);
	CHECK_EQ(weir_unsubscribe(reader.sub), 0);
	(void)weir_close(b);
}

/* ---- beside a slow one ------------------------------------------------------------------- */

struct pourer {
	const char *name;
	int readers;
	pthread_t thread;
	atomic_bool over;
};

/* As fast as its `readers` let it. */
static void *
pour(void *arg)
{
	struct pourer *pourer = arg;
	weir_bus *bus = rig_bus(pourer->name);
	weir_pub *pub = weir_advertise(bus, "t", .window = 4 << 20);
	char message[256] = {0};

	CHECK_EQ(weir_wait_subscribers(pub, pourer->readers, WEIR_FOREVER),
		pourer->readers);
	while (!atomic_load(&pourer->over))
		CHECK_EQ(weir_send(pub, message, sizeof(message)), 0);
	CHECK_EQ(weir_close(bus), 0);
	return NULL;
}

/* 64 of them take less than a poll may. */
static int
take_slowly(void *ctx, const weir_msg *msg)
{
	uint64_t until_ns = weir_now_ns() + 5000;

	(void)ctx;
	(void)msg;
	while (weir_now_ns() < until_ns)
		;
	return 0;
}

static int
take(void *ctx, const weir_msg *msg)
{
	(void)msg;
	++*(uint64_t *)ctx;
	return 0;
}

/* It has as many turns as the slow one, so it lags as far: that is not its fault. Its publisher
 * outruns both, and waits for it. */
static void
N1_who_shares_a_loop_with_a_slow_one_is_not_isolated(const char *name)
{
	struct pourer pourer = {.name = name, .readers = 2};
	weir_bus *b = bus_with(name, 0, "balanced");
	weir_sub *slow = weir_subscribe(
		b, "t", .on_msg = take_slowly, .batch = 64, .moves = WEIR_MOVE_LANE);
	uint64_t taken = 0, enough;
	weir_sub *mate =
		weir_subscribe(b, "t", .on_msg = take, .ctx = &taken, .batch = 64);
	int worst = 0;

	REQUIRE_EQ(pthread_create(&pourer.thread, NULL, pour, &pourer), 0);
	while (weir_sub_tier(slow) < 3) {
		CHECK(weir_turn(b, 0) >= 0);
		worst = weir_sub_tier(mate) > worst ? weir_sub_tier(mate) : worst;
	}
	enough = taken + 20000;
	while (taken < enough) {
		CHECK(weir_turn(b, 1) >= 0);
		worst = weir_sub_tier(mate) > worst ? weir_sub_tier(mate) : worst;
	}
	wr_test_note("its worst tier: %d, lost %llu", worst,
		(unsigned long long)rig_sub_stats(mate).lost);
	CHECK(worst < 3);
	CHECK_EQ(rig_sub_stats(mate).lost, 0);
	atomic_store(&pourer.over, true);
	CHECK_EQ(weir_close(b), 0);
	CHECK_EQ(pthread_join(pourer.thread, NULL), 0);
}

/*
 * Others keep up on a loop of their own, so the publisher charges those that hold it up: the
 * slow one, and who has to wait for that one's polls. The slow one is left behind and leaves
 * the loop at once; its mate is excused until then.
 */
static void
N1_who_shares_a_loop_with_a_slow_one_loses_nothing(const char *name)
{
	struct pourer pourer = {.name = name, .readers = 4};
	weir_bus *b = bus_with(name, 1, "balanced");
	uint64_t taken[3] = {0}, enough;
	weir_sub *slow = weir_subscribe(
		b, "t", .on_msg = take_slowly, .batch = 64, .moves = WEIR_MOVE_LANE);
	weir_sub *mates[3];

	for (int i = 0; i < 3; i++) {
		mates[i] = weir_subscribe(b, "t", .on_msg = take, .ctx = &taken[i],
			.batch = 64, .moves = i > 0 ? WEIR_MOVE_LOOPS : 0);
		if (i > 0)
			REQUIRE_EQ(weir_sub_move(mates[i], 1), 0);
	}
	REQUIRE_EQ(pthread_create(&pourer.thread, NULL, pour, &pourer), 0);
	while (weir_sub_tier(slow) < 3)
		CHECK(weir_turn(b, 0) >= 0);
	enough = taken[0] + 20000;
	while (taken[0] < enough)
		CHECK(weir_turn(b, 1) >= 0);
	wr_test_note(
		"the slow one lost %llu", (unsigned long long)rig_sub_stats(slow).lost);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(rig_sub_stats(mates[i]).lost, 0);
		CHECK(weir_sub_tier(mates[i]) < 3);
	}
	atomic_store(&pourer.over, true);
	CHECK_EQ(weir_close(b), 0);
	CHECK_EQ(pthread_join(pourer.thread, NULL), 0);
}

/* The lane's thread has a low priority, as the bus says. */
static void
P32_a_lane_has_the_priority_that_was_asked_for(const char *name)
{
	static const struct {
		uint32_t lane;
		int policy, nice;
	} all[] = {{WEIR_LANE_NICE, SCHED_OTHER, 10}, {WEIR_LANE_IDLE, SCHED_IDLE, 0},
		{WEIR_LANE_SAME, SCHED_OTHER, 0}};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct rank rank = {0};
		weir_bus *b = weir_open(name, .attach_ms = 600000, .lane = all[i].lane,
			.flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET);
		weir_pub *pub = advertise(b, "t");

		errno = 0;
		rank.own = getpriority(PRIO_PROCESS, 0);
		(void)weir_subscribe(b, "t", .on_msg = note_rank, .ctx = &rank,
			.moves = WEIR_MOVE_BLOCKING);
		send_number(b, pub, 0);
		while (!rank.noted)
			CHECK(weir_turn(b, 1) >= 0);
		CHECK_EQ(rank.policy, all[i].policy);
		/* Nobody becomes more important without the right to it. */
		CHECK_EQ(rank.nice, all[i].nice > rank.own ? all[i].nice : rank.own);
		CHECK_EQ(weir_close(b), 0);
	}
}

/* Without the leave to move it stays where it is, with a part of its turns. */
static void
P2_who_may_not_move_is_isolated_in_place(const char *name)
{
	weir_bus *a = rig_bus(name), *b = bus_with(name, 0, "aggressive");
	struct reader slow = {0};
	weir_pub *pub = advertise(a, "t");

	slow.slow = true;
	(void)subscribe(b, "t", &slow, 0);
	REQUIRE_EQ(weir_wait_subscribers(pub, 1, WEIR_FOREVER), 1);
	for (uint64_t n = 0; weir_sub_tier(slow.sub) != 3; n++) {
		send_number(b, pub, n);
		CHECK(weir_turn(b, 0) >= 0);
	}
	CHECK_EQ(weir_sub_loop(slow.sub), 0);
	CHECK_EQ(slow.threads, 1);
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), 0);
}

/* Those that block have a lane each: one does not wait for the other, and nobody for them. */
static void
P32_who_blocks_has_a_lane_from_the_start(const char *name)
{
	weir_bus *a = rig_bus(name), *b = bus_with(name, 0, "balanced");
	struct reader blocked[2] = {0}, healthy = {0};
	weir_pub *pub = advertise(a, "t");
	sem_t gates[2];

	for (int i = 0; i < 2; i++) {
		CHECK_EQ(sem_init(&gates[i], 0, 0), 0);
		blocked[i].gate = &gates[i];
		CHECK_EQ(weir_sub_loop(subscribe(b, "t", &blocked[i], WEIR_MOVE_BLOCKING)),
			WEIR_LOOP_LANE);
		CHECK_EQ(weir_sub_move(blocked[i].sub, 0), -WEIR_E_USAGE_STATE);
	}
	(void)subscribe(b, "t", &healthy, 0);
	REQUIRE_EQ(weir_wait_subscribers(pub, 3, WEIR_FOREVER), 3);
	for (uint64_t n = 0; n < 100; n++)
		send_number(b, pub, n);
	while (seen(&healthy) < 100)
		CHECK(weir_turn(b, 1) >= 0);
	CHECK_EQ(seen(&blocked[0]), 0);
	CHECK_EQ(seen(&blocked[1]), 0);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(sem_post(&gates[1]), 0);
	while (seen(&blocked[1]) < 100)
		CHECK(weir_turn(b, 1) >= 0);
	CHECK_EQ(seen(&blocked[0]), 0);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(sem_post(&gates[0]), 0);
	while (seen(&blocked[0]) < 100)
		CHECK(weir_turn(b, 1) >= 0);
	CHECK(!pthread_equal(blocked[0].thread[0], blocked[1].thread[0]));
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), 0);
}

/* ---- calls across threads --------------------------------------------------------------------- */

static void
each_verdict_from_elsewhere_ends_a_run(const char *name)
{
	enum { COUNT = 3 };
	weir_bus *a = rig_bus(name), *b = bus_with(name, 2, "off");
	struct reader readers[COUNT] = {{.verdict = 7}, {.verdict = 8}, {.verdict = 9}};
	weir_pub *pub = advertise(a, "t");
	int sum = 0;

	for (uint32_t i = 0; i < COUNT; i++) {
		(void)subscribe(b, "t", &readers[i], WEIR_MOVE_LOOPS);
		CHECK_EQ(weir_sub_move(readers[i].sub, 1 + i % 2), 0);
	}
	REQUIRE_EQ(weir_wait_subscribers(pub, COUNT, WEIR_FOREVER), COUNT);
	for (uint64_t n = 0; n < 1000; n++)
		send_number(b, pub, n);
	for (int i = 0; i < COUNT; i++) {
		sum += weir_run(b);
		/* None is running, and none begins. */
		for (int k = 0; k < COUNT; k++)
			CHECK(!readers[k].inside);
	}
	CHECK_EQ(sum, 7 + 8 + 9);
	for (int k = 0; k < COUNT; k++) {
		while (seen(&readers[k]) < 1000)
			CHECK_EQ(weir_turn(b, 1) < 0, 0);
		CHECK(!pthread_equal(readers[k].thread[0], pthread_self()));
	}
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), 0);
}

struct caller {
	atomic_int calls;
	weir_bus *bus;
	weir_sub *sub;
	weir_pub *pub;
	weir_msg held;
	int rc[6];
};

static int
call_back(void *ctx, const weir_msg *msg)
{
	struct caller *caller = ctx;

	caller->rc[0] = weir_hold(caller->sub, msg);
	caller->rc[1] = weir_release(caller->sub, msg);
	caller->rc[2] = weir_consume(caller->bus, WEIR_BUDGET_DEFAULT);
	caller->rc[3] = weir_should_yield(caller->bus);
	caller->rc[4] = weir_send(caller->pub, "x", 1);
	caller->rc[5] = weir_unsubscribe(caller->sub);
	CHECK_EQ(weir_hold(caller->sub, msg), 0);
	caller->held = *msg;
	(void)atomic_fetch_add(&caller->calls, 1);
	return 0;
}

static void
what_a_callback_may_call_elsewhere(const char *name)
{
	weir_bus *a = rig_bus(name), *b = bus_with(name, 1, "balanced");
	struct caller caller = {.bus = b};
	weir_pub *pub = advertise(a, "t");

	caller.pub = advertise(b, "other");
	caller.sub = weir_subscribe(
		b, "t", .on_msg = call_back, .ctx = &caller, .moves = WEIR_MOVE_LOOPS);
	CHECK_EQ(weir_sub_move(caller.sub, 1), 0);
	REQUIRE_EQ(weir_wait_subscribers(pub, 1, WEIR_FOREVER), 1);
	send_number(b, pub, 0);
	while (caller.calls == 0)
		CHECK(weir_turn(b, 1) >= 0);
	CHECK_EQ(caller.rc[0], 0);
	CHECK_EQ(caller.rc[1], 0);
	CHECK_EQ(caller.rc[2], 1);
	CHECK_EQ(caller.rc[3], 1);
	CHECK_EQ(caller.rc[4], -WEIR_E_USAGE_THREAD);
	CHECK_EQ(caller.rc[5], -WEIR_E_USAGE_STATE);
	/* What it held the bus's own thread lets go. */
	CHECK_EQ(weir_release(caller.sub, &caller.held), 0);
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), 0);
}

/* The bus's own thread asks, weighs and closes it as if it had never left. */
static void
calls_from_home_reach_it_wherever_it_is(const char *name)
{
	weir_consumer_stats turns = {.size = sizeof(turns)};
	weir_loop_stats loop = {.size = sizeof(loop)};
	weir_bus *a = rig_bus(name), *b = bus_with(name, 1, "balanced");
	struct reader readers[2] = {0};
	weir_pub *pub = advertise(a, "t");
	weir_consumer consumer;
	uint64_t n = 0;

	for (int i = 0; i < 2; i++) {
		(void)subscribe(b, "t", &readers[i], WEIR_MOVE_LOOPS);
		CHECK_EQ(weir_sub_move(readers[i].sub, 1), 0);
	}
	REQUIRE_EQ(weir_wait_subscribers(pub, 2, WEIR_FOREVER), 2);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 500; i++)
			send_number(b, pub, n++);
		CHECK(weir_turn(b, 0) >= 0);
		CHECK_EQ(weir_publishers(readers[0].sub), 1);
		CHECK(rig_sub_stats(readers[0].sub).delivered <= n);
		CHECK_EQ(weir_sub_weigh(readers[0].sub, 1 + (unsigned)round), 0);
		CHECK_EQ(weir_sub_consumer(readers[0].sub, &consumer), 0);
		CHECK_EQ(consumer.weight, 1 + (unsigned)round);
		CHECK_EQ(weir_sub_get_turns(readers[1].sub, &turns), 0);
	}
	CHECK_EQ(weir_adopt(b), 0);
	CHECK_EQ(weir_unsubscribe(readers[0].sub), 0);
	while (seen(&readers[1]) < n)
		CHECK(weir_turn(b, 1) >= 0);
	CHECK_EQ(weir_sub_get_turns(readers[1].sub, &turns), 0);
	CHECK_EQ(turns.messages, n);
	CHECK_EQ(weir_loop_get_stats_of(b, 1, &loop), 0);
	CHECK(loop.messages > 0);
	CHECK_EQ(weir_loop_get_stats_of(b, 2, &loop), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), 0);
}

/* In the middle of it all; what is not read is not lost to anybody else. */
static void
a_bus_closes_while_others_work(const char *name)
{
	weir_bus *a = rig_bus(name);
	weir_pub *pub = advertise(a, "t");

	for (int round = 0; round < 20; round++) {
		weir_bus *b = bus_with(name, 2, "balanced");
		struct reader readers[4] = {0};

		for (int i = 0; i < 4; i++)
			readers[i].sub = weir_subscribe(b, "t", .on_msg = read_one,
				.ctx = &readers[i], .policy = WEIR_BLOCK,
				.moves = i == 3 ? WEIR_MOVE_BLOCKING : WEIR_MOVE_LOOPS);
		REQUIRE_EQ(weir_wait_subscribers(pub, 4, WEIR_FOREVER), 4);
		for (int i = 0; i < 4; i++)
			readers[i].next = rig_pub_stats(pub).published;
		for (int i = 0; i < 200; i++) {
			uint64_t number = rig_pub_stats(pub).published;

			send_number(b, pub, number);
			CHECK(weir_turn(b, 0) >= 0);
		}
		CHECK_EQ(weir_close(b), 0);
		for (int i = 0; i < 4; i++)
			CHECK(!readers[i].inside);
	}
	CHECK_EQ(weir_close(a), 0);
}

static void
what_cannot_be_is_refused_by_name(const char *name)
{
	weir_bus *bus = weir_open(name, .loops = 65, .flags = WEIR_BUS_QUIET);
	weir_sub *sub;

	CHECK_EQ(weir_why(bus)->code, WEIR_E_USAGE_INVAL);
	CHECK(strstr(weir_why(bus)->text, "65 loops") != NULL);
	(void)weir_close(bus);
	bus = weir_open(name, .lane = 3, .flags = WEIR_BUS_QUIET);
	CHECK_EQ(weir_why(bus)->code, WEIR_E_USAGE_INVAL);
	CHECK(strstr(weir_why(bus)->text, "lane 3") != NULL);
	(void)weir_close(bus);
	bus = weir_open(name, .tick_us = 100001, .flags = WEIR_BUS_QUIET);
	CHECK_EQ(weir_why(bus)->code, WEIR_E_USAGE_INVAL);
	CHECK(strstr(weir_why(bus)->text, "tick_us 100001") != NULL);
	(void)weir_close(bus);
	bus = bus_with(name, 0, NULL);
	sub = weir_subscribe(bus, "t", .moves = WEIR_MOVE_LANE);
	CHECK_EQ(weir_sub_why(sub)->code, WEIR_E_USAGE_INVAL);
	CHECK(strstr(weir_sub_why(sub)->text, "callback") != NULL);
	CHECK_EQ(weir_sub_move(sub, 0), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_sub_loop(sub), -WEIR_E_USAGE_INVAL);
	sub = weir_subscribe(bus, "t", .on_msg = read_one, .moves = 8);
	CHECK_EQ(weir_sub_why(sub)->code, WEIR_E_USAGE_INVAL);
	CHECK(strstr(weir_sub_why(sub)->text, "0x8") != NULL);
	(void)weir_close(bus);
}

/* clang-format off */
#define TESTS(X) \
	X(K53_a_consumer_moves_under_load_and_loses_nothing) \
	X(K53_an_idle_one_is_woken_where_it_belongs) \
	X(consumers_are_placed_where_there_is_least) X(a_loop_with_too_much_gives_some_away) \
	X(P2_an_isolated_consumer_has_a_lane_and_comes_back) \
	X(N1_who_shares_a_loop_with_a_slow_one_is_not_isolated) \
	X(N1_who_shares_a_loop_with_a_slow_one_loses_nothing) \
	X(P32_a_lane_has_the_priority_that_was_asked_for) X(who_blocks_and_gets_no_lane_is_refused) X(P2_who_may_not_move_is_isolated_in_place) X(P32_who_blocks_has_a_lane_from_the_start) \
	X(each_verdict_from_elsewhere_ends_a_run) X(what_a_callback_may_call_elsewhere) \
	X(calls_from_home_reach_it_wherever_it_is) X(a_bus_closes_while_others_work) \
	X(what_cannot_be_is_refused_by_name)
/* clang-format on */

TESTS(CONFORM_STAMP)

static const struct wr_test tests[] = {TESTS(CONFORM_ENTRY) TEST_END};
const struct wr_suite wr_suite_crew = {
	.name = "crew", .tests = tests, .labels = "concurrency", .watchdog_s = 180};
