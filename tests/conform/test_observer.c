/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Who is on a loop, as the API says: of a bus of this process (weir_look_at), and where there
 * is another way (weir_look_open), the same. Rows K54, K12, P2, P31, N7.
 */
#include "tests/conform/rig.h"
#include "bus/atomic.h"
#include "tests/lib/child.h"

#include <pthread.h>
#include <stdio.h>
#include <weir/look.h>
#include <weir/loop.h>

enum { CROWD = 100000 };

/* A look from within, or, of a bus that others can see, from outside. */
static weir_look *
look_at(const char *name, weir_bus *bus, int outside)
{
	weir_look *look =
		outside ? weir_look_open(name, NULL, NULL) : weir_look_at(bus, NULL);

	REQUIRE(look != NULL);
	return look;
}

/* From how many sides it can be looked at. */
static int
sides(const char *name)
{
	return rig_is_inproc(name) ? 1 : 2;
}

static void
look_again(weir_look *look)
{
	CHECK(weir_look_refresh(look, 600000) >= 1);
	REQUIRE(weir_look_roster(look, 600000) >= 0);
}

/* The loop of that bus; there may be others. */
static weir_look_loop
loop_of(weir_look *look, const char *node)
{
	size_t count;
	const weir_look_loop *loops = weir_look_loops(look, &count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(loops[i].name, node) == 0)
			return loops[i];
	FAIL("no loop of %s", node);
	return (weir_look_loop){0};
}

/* The one of that kind and name on that loop; NULL if there is none. */
static const weir_look_consumer *
find(weir_look *look, const char *node, uint32_t kind, const char *name)
{
	weir_look_loop loop = loop_of(look, node);
	size_t count;
	const weir_look_consumer *all = weir_look_consumers(look, &count);

	for (size_t i = 0; i < count; i++)
		if (all[i].node == loop.node && all[i].kind == kind &&
			strcmp(all[i].name, name) == 0)
			return &all[i];
	return NULL;
}

static weir_bus *
watched_bus(const char *name, weir_event_fn on_event, void *ctx)
{
	weir_bus *bus = weir_open(name, .node = "watched", .attach_ms = 600000,
		.on_event = on_event, .ctx = ctx,
		.flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET,
		.tiers = "balanced promotion_ms=1 demotion_ms=1 monitor.good_polls=3 "
			 "warn.good_polls=3 warn.min_ms=1 yield.good_polls=3 yield.min_ms=1 "
			 "isolate.good_polls=3 isolate.min_ms=1");

	REQUIRE_EQ(weir_why(bus)->code, 0);
	return bus;
}

/* ---- who is there ---------------------------------------------------------------------------- */

static int
count_message(void *ctx, const weir_msg *msg)
{
	(void)msg;
	++*(int *)ctx;
	return 0;
}

static int
count_tick(void *ctx, const weir_tick *tick)
{
	(void)tick;
	++*(int *)ctx;
	return 0;
}

static int
rest_at_once(void *ctx)
{
	++*(int *)ctx;
	return WEIR_STEP_IDLE;
}

static int
never_ready(void *ctx, int fd)
{
	(void)ctx, (void)fd;
	return 0;
}

static void
no_event(void *ctx, const weir_event *event)
{
	(void)ctx, (void)event;
}

/* Each kind of consumer, what it is called, its weight, and what it has done. */
static void
K54_every_kind_is_shown(const char *name)
{
	weir_bus *a = rig_bus(name), *b = watched_bus(name, no_event, NULL);
	int messages = 0, ticks = 0, steps = 0;
	weir_pub *pub = weir_advertise(a, "imu.left");
	weir_sub *sub = weir_subscribe(
		b, "imu.*", .on_msg = count_message, .ctx = &messages, .weight = 10);

	(void)weir_subscribe(b, "pulled");
	(void)weir_timer_start(
		b, .after_ns = 1, .on_tick = count_tick, .ctx = &ticks, .weight = 6);
	(void)weir_watch_fd(b, weir_fd(a), .on_ready = never_ready, .weight = 1);
	CHECK(weir_spawn(b, rest_at_once, .ctx = &steps) != 0);
	REQUIRE_EQ(weir_wait_subscribers(pub, 1, WEIR_FOREVER), 1);
	for (int i = 0; i < 5; i++)
		rig_send(pub, 8, 0);
	while (messages < 5 || ticks < 1 || steps < 1)
		CHECK(weir_turn(b, 0) >= 0);
	(void)weir_turn(b, 0); /* finds nothing: they lie down */
	for (int side = 0; side < sides(name); side++) {
		weir_look *look = look_at(name, b, side);
		const weir_look_consumer *c;
		weir_look_loop loop;

		look_again(look);
		loop = loop_of(look, "watched");
		CHECK(loop.seen && !loop.silent);
		CHECK_EQ(loop.consumers, 6);
		CHECK_EQ(loop.unseen, 0);
		CHECK(loop.turns >= 2 && loop.polls >= 3 && loop.messages >= 7);
		CHECK_EQ(loop.timers, 1);
		c = find(look, "watched", WEIR_KIND_SUBSCRIPTION, "imu.*");
		REQUIRE(c != NULL);
		CHECK_EQ(c->messages, 5);
		CHECK_EQ(c->weight, side == 0 ? 10 : 20);
		CHECK_EQ(c->percent, 100);
		CHECK_EQ(c->tier, 0);
		CHECK_EQ(c->active, 0);
		CHECK(c->polls >= 1 && c->subscription != 0 && c->since_ns != 0);
		c = find(look, "watched", WEIR_KIND_TIMER, "");
		REQUIRE(c != NULL);
		CHECK_EQ(c->messages, 1);
		CHECK_EQ(c->weight, 6);
		CHECK(find(look, "watched", WEIR_KIND_PULLED, "pulled") != NULL);
		CHECK(find(look, "watched", WEIR_KIND_TASK, "") != NULL);
		CHECK(find(look, "watched", WEIR_KIND_WATCH, "") != NULL);
		CHECK(find(look, "watched", WEIR_KIND_EVENTS, "") != NULL);
		CHECK(find(look, "watched", WEIR_KIND_QUEUE, "") == NULL);
		/* Another weight is seen; who has gone is not. */
		REQUIRE_EQ(weir_sub_weigh(sub, 20 + (unsigned)side), 0);
		look_again(look);
		c = find(look, "watched", WEIR_KIND_SUBSCRIPTION, "imu.*");
		CHECK_EQ(c ? c->weight : 0, 20 + side);
		weir_look_close(look);
	}
	REQUIRE_EQ(weir_unsubscribe(sub), 0);
	for (int side = 0; side < sides(name); side++) {
		weir_look *look = look_at(name, b, side);

		look_again(look);
		CHECK(find(look, "watched", WEIR_KIND_SUBSCRIPTION, "imu.*") == NULL);
		CHECK_EQ(loop_of(look, "watched").consumers, 5);
		weir_look_close(look);
	}
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), 0);
}

/* ---- one active, 100,000 idle ------------------------------------------------------------------ */

static int
go_on(void *ctx)
{
	++*(int *)ctx;
	return WEIR_STEP_MORE;
}

static void
K54_one_active_and_100000_idle(const char *name)
{
	weir_bus *bus = watched_bus(name, NULL, NULL);
	int rests = 0, steps = 0;

	for (int i = 0; i < CROWD; i++)
		REQUIRE(weir_spawn(bus, rest_at_once, .ctx = &rests) != 0);
	CHECK(weir_spawn(bus, go_on, .ctx = &steps) != 0);
	while (rests < CROWD || steps < 100)
		CHECK(weir_turn(bus, 0) >= 0);
	for (int side = 0; side < sides(name); side++) {
		weir_look *look = look_at(name, bus, side);
		const weir_look_consumer *all;
		weir_look_loop loop;
		size_t count, active = 0;

		look_again(look);
		loop = loop_of(look, "watched");
		CHECK_EQ(loop.consumers, CROWD + 1);
		CHECK_EQ(loop.active, 1);
		CHECK_EQ(loop.unseen, 0);
		CHECK_EQ(loop.round, 3);
		all = weir_look_consumers(look, &count);
		REQUIRE_EQ(count, CROWD + 1);
		for (size_t i = 0; i < count; i++) {
			active += all[i].active;
			if (all[i].active) /* seen every 64th time */
				CHECK_EQ(all[i].polls, (uint64_t)steps / 64 * 64);
			else
				CHECK_EQ(all[i].polls, 1);
			CHECK_EQ(all[i].kind, WEIR_KIND_TASK);
		}
		CHECK_EQ(active, 1);
		weir_look_close(look);
	}
	CHECK_EQ(weir_close(bus), 0);
}

/* ---- tiers --------------------------------------------------------------------------------------- */

/* A handler that is slow, as long as it is to be. */
static int
take_long(void *ctx, const weir_msg *msg)
{
	uint64_t until_ns = weir_now_ns() + *(uint64_t *)ctx;

	(void)msg;
	while (weir_now_ns() < until_ns)
		;
	return 0;
}

/* Until the subscription is at that tier. */
static void
feed(weir_bus *b, weir_pub *pub, weir_sub *sub, int tier)
{
	while (weir_sub_tier(sub) != tier) {
		rig_send(pub, 8, 0);
		CHECK(weir_turn(b, 0) >= 0);
	}
}

/* Who climbs, and comes back, is seen there, with what led to it and when. */
static void
P2_a_change_of_tier_is_seen_with_its_reason(const char *name)
{
	uint64_t ns = 2000000, began_ns = weir_now_ns();
	weir_bus *a = rig_bus(name), *b = watched_bus(name, NULL, NULL);
	weir_pub *pub = weir_advertise(a, "slow", .wait_ms = WEIR_NEVER);
	weir_sub *sub = weir_subscribe(b, "slow", .on_msg = take_long, .ctx = &ns);
	static const uint32_t percents[] = {100, 75, 50, 25};

	REQUIRE_EQ(weir_wait_subscribers(pub, 1, WEIR_FOREVER), 1);
	for (int step = 1; step <= 5; step++) {
		static const uint32_t way[] = {0, 1, 0, 1, 2, 3};
		uint32_t tier = way[step];

		ns = step != 2 ? 2000000 : 1;
		feed(b, pub, sub, (int)tier);
		for (int side = 0; side < sides(name); side++) {
			weir_look *look = look_at(name, b, side);
			const weir_look_consumer *c;
			weir_look_change changes[4];
			int kept = step < 4 ? step : 4;

			look_again(look);
			c = find(look, "watched", WEIR_KIND_SUBSCRIPTION, "slow");
			REQUIRE(c != NULL);
			CHECK_EQ(c->tier, tier);
			CHECK_EQ(c->percent, percents[tier]);
			CHECK_EQ(c->promotions, step < 2 ? 1 : step - 1);
			CHECK_EQ(c->demotions, step < 2 ? 0 : 1);
			CHECK(c->busy_ns > 0 && c->violations >= 5);
			REQUIRE_EQ(weir_look_changes(look, c, changes, 4), kept);
			CHECK_EQ(changes[0].to, tier);
			CHECK_EQ(changes[0].when_ns, c->since_ns);
			CHECK_STR(changes[0].reason, step != 2 ? "overrun" : "good");
			for (int i = 0; i < kept; i++) {
				CHECK(changes[i].when_ns >= began_ns);
				CHECK(i == 0 || changes[i].to == changes[i - 1].from);
				CHECK(i == 0 ||
					changes[i].when_ns <= changes[i - 1].when_ns);
			}
			if (step == 1)
				CHECK(strncmp(changes[0].text,
					      "monitor -> warn: a poll took ", 29) == 0);
			/* Less room: as many as fit, and how many there are. */
			CHECK_EQ(weir_look_changes(look, c, changes, 1), kept);
			CHECK_EQ(weir_look_changes(look, c, NULL, 0), kept);
			weir_look_close(look);
		}
	}
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), 0);
}

/* Who has left says nothing any more, whoever stands in its place. */
static void
P31_who_has_left_is_gone(const char *name)
{
	uint64_t ns = 1;
	weir_bus *bus = watched_bus(name, NULL, NULL);
	weir_sub *sub = weir_subscribe(bus, "x", .on_msg = take_long, .ctx = &ns);

	for (int side = 0; side < sides(name); side++) {
		weir_look *look = look_at(name, bus, side);
		const weir_look_consumer *c;
		weir_look_latencies latencies;
		weir_look_change change;

		look_again(look);
		c = find(look, "watched", WEIR_KIND_SUBSCRIPTION, "x");
		REQUIRE(c != NULL);
		CHECK_EQ(weir_look_changes(look, c, &change, 1), 0);
		CHECK_EQ(weir_look_latency(look, c, &latencies), -WEIR_E_AGAIN_EMPTY);
		REQUIRE_EQ(weir_unsubscribe(sub), 0);
		CHECK_EQ(weir_look_changes(look, c, &change, 1), -WEIR_E_GONE_END);
		sub = weir_subscribe(bus, "x", .on_msg = take_long, .ctx = &ns);
		CHECK_EQ(weir_look_changes(look, c, &change, 1), -WEIR_E_GONE_END);
		CHECK_EQ(weir_look_latency(look, c, &latencies), -WEIR_E_GONE_END);
		weir_look_close(look);
	}
	CHECK_EQ(weir_close(bus), 0);
}

/* ---- times ------------------------------------------------------------------------------------------ */

static weir_look_latencies
latencies_of(const char *name, weir_bus *bus, int side, uint32_t kind, const char *topic)
{
	weir_look *look = look_at(name, bus, side);
	weir_look_latencies latencies = {0};
	const weir_look_consumer *c;

	look_again(look);
	c = find(look, "watched", kind, topic);
	REQUIRE(c != NULL);
	if (weir_look_latency(look, c, &latencies) == 0)
		CHECK_EQ(c->measured, 1);
	weir_look_close(look);
	return latencies;
}

static void
check_times(const weir_look_times *times, uint64_t count, uint64_t least_ns)
{
	CHECK_EQ(times->count, count);
	CHECK(times->p50_ns >= least_ns);
	CHECK(times->p50_ns <= times->p99_ns && times->p99_ns <= times->p999_ns);
	CHECK(times->p999_ns <= times->max_ns);
}

/* Delivery from the commit, waiting for the poll, and the handler, of each message or poll;
 * off there is nothing, and on again it begins with none. */
static void
K12_times_of_delivery_wait_and_handler(const char *name)
{
	enum { MESSAGES = 20, SLOW_NS = 300000 };
	uint64_t ns = SLOW_NS;
	int steps = 0;
	weir_bus *a = rig_bus(name), *b = watched_bus(name, NULL, NULL);
	weir_pub *pub = weir_advertise(a, "t");
	weir_task_id id;

	(void)weir_subscribe(b, "t", .on_msg = take_long, .ctx = &ns);
	id = weir_spawn(b, rest_at_once, .ctx = &steps);
	REQUIRE_EQ(weir_wait_subscribers(pub, 1, WEIR_FOREVER), 1);
	while (steps < 1)
		CHECK(weir_turn(b, 0) >= 0);
	CHECK_EQ(weir_measure(b, 2), -WEIR_E_USAGE_INVAL);
	for (int round = 0; round < 2; round++) {
		CHECK_EQ(weir_measure(b, 1), 2);
		CHECK_EQ(weir_measure(b, 1), 2);
		for (int i = 0; i < MESSAGES; i++)
			rig_send(pub, 8, 0);
		for (int turned = 0; turned < MESSAGES; turned += weir_turn(b, 0))
			;
		REQUIRE_EQ(weir_task_wake(b, id), 0);
		while (steps < 2 + round)
			CHECK(weir_turn(b, 0) >= 0);
		for (int side = 0; side < sides(name); side++) {
			weir_look_latencies l =
				latencies_of(name, b, side, WEIR_KIND_SUBSCRIPTION, "t");

			/* All were sent before the first was taken. */
			check_times(&l.delivery, MESSAGES, SLOW_NS);
			CHECK(l.delivery.max_ns >= (MESSAGES - 1) * SLOW_NS);
			check_times(&l.handler, MESSAGES, SLOW_NS);
			CHECK(l.wait.count >= 1);
			l = latencies_of(name, b, side, WEIR_KIND_TASK, "");
			check_times(&l.wait, 1, 0);
			check_times(&l.handler, 1, 0);
			CHECK_EQ(l.delivery.count, 0);
		}
		CHECK_EQ(weir_measure(b, 0), 0);
		CHECK_EQ(latencies_of(name, b, 0, WEIR_KIND_SUBSCRIPTION, "t").handler.count,
			0);
	}
	/* Who comes while it is on is measured too. */
	CHECK_EQ(weir_measure(b, 1), 2);
	(void)weir_subscribe(b, "u", .on_msg = take_long, .ctx = &ns);
	CHECK_EQ(weir_measure(b, 1), 3);
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), 0);
}

static int
step_long(void *ctx)
{
	(void)take_long(&(uint64_t){1000000}, NULL);
	++*(int *)ctx;
	return WEIR_STEP_IDLE;
}

/* Of three that are woken together, the last one to be polled has waited for two others. */
static void
K12_waiting_for_a_poll_is_seen(const char *name)
{
	enum { STEP_NS = 1000000 };
	weir_bus *bus = watched_bus(name, NULL, NULL);
	const weir_look_consumer *all;
	weir_task_id ids[3];
	uint64_t most_ns = 0;
	weir_look *look;
	size_t count;
	int steps = 0;

	for (int i = 0; i < 3; i++)
		ids[i] = weir_spawn(bus, step_long, .ctx = &steps);
	while (steps < 3)
		CHECK(weir_turn(bus, 0) >= 0);
	CHECK_EQ(weir_measure(bus, 1), 3);
	for (int i = 0; i < 3; i++)
		REQUIRE_EQ(weir_task_wake(bus, ids[i]), 0);
	while (steps < 6)
		CHECK(weir_turn(bus, 0) >= 0);
	look = look_at(name, bus, sides(name) - 1);
	look_again(look);
	all = weir_look_consumers(look, &count);
	REQUIRE_EQ(count, 3);
	for (size_t i = 0; i < count; i++) {
		weir_look_latencies l;

		REQUIRE_EQ(weir_look_latency(look, &all[i], &l), 0);
		check_times(&l.wait, 1, 0);
		check_times(&l.handler, 1, STEP_NS);
		most_ns = l.wait.max_ns > most_ns ? l.wait.max_ns : most_ns;
	}
	CHECK(most_ns >= 2 * STEP_NS);
	weir_look_close(look);
	CHECK_EQ(weir_close(bus), 0);
}

/* ---- looking touches nothing -------------------------------------------------------------------------- */

static void
N7_looking_at_a_loop_changes_nothing(const char *name)
{
	int messages = 0;
	weir_bus *a = rig_bus(name), *b = watched_bus(name, NULL, NULL);
	weir_pub *pub = weir_advertise(a, "t");
	weir_look_loop before, after;

	(void)weir_subscribe(b, "t", .on_msg = count_message, .ctx = &messages);
	REQUIRE_EQ(weir_wait_subscribers(pub, 1, WEIR_FOREVER), 1);
	for (int side = 0; side < sides(name); side++) {
		weir_look *look = look_at(name, b, side);

		look_again(look);
		before = loop_of(look, "watched");
		for (int i = 0; i < 10; i++)
			look_again(look);
		after = loop_of(look, "watched");
		CHECK_EQ(after.turns, before.turns);
		CHECK_EQ(after.consumers, before.consumers);
		CHECK_EQ(weir_subscribers(pub), 1);
		weir_look_close(look);
	}
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), 0);
}

/* Looks until it is told that there is nothing more to see. */
struct onlooker {
	weir_bus *bus;
	wr_a64 over;
	uint64_t seen; /* consumers, in all */
};

static void *
look_on(void *arg)
{
	struct onlooker *o = arg;
	weir_look *look = weir_look_at(o->bus, NULL);

	while (wr_load_acquire(test_over, &o->over) == 0 || o->seen == 0) {
		size_t count;
		const weir_look_consumer *all;

		CHECK(weir_look_roster(look, 0) >= 0);
		all = weir_look_consumers(look, &count);
		o->seen += count;
		for (size_t i = 0; i < count; i++) {
			int is_sub = all[i].kind == WEIR_KIND_SUBSCRIPTION;
			weir_look_latencies latencies;

			CHECK(is_sub || all[i].kind == WEIR_KIND_TASK);
			CHECK_STR(all[i].name, is_sub ? "x" : "");
			CHECK_EQ(all[i].weight, is_sub ? 7 : 3);
			(void)weir_look_latency(look, &all[i], &latencies);
		}
	}
	weir_look_close(look);
	return NULL;
}

static int
end_at_once(void *ctx)
{
	(void)ctx;
	return WEIR_STEP_DONE;
}

/* Consumers come and go, and their times are taken, while another thread looks. */
static void
K54_another_thread_looks_on(const char *name)
{
	struct onlooker onlooker = {.bus = watched_bus(name, NULL, NULL)};
	weir_bus *bus = onlooker.bus;
	pthread_t thread;

	REQUIRE_EQ(pthread_create(&thread, NULL, look_on, &onlooker), 0);
	for (int i = 0; i < 300; i++) {
		uint64_t ns = 1;
		weir_sub *sub = weir_subscribe(
			bus, "x", .on_msg = take_long, .ctx = &ns, .weight = 7);
		weir_task_id id = weir_spawn(bus, end_at_once);

		CHECK(weir_measure(bus, i % 2) >= 0);
		CHECK_EQ(weir_join(bus, id, WEIR_FOREVER), 0);
		CHECK_EQ(weir_unsubscribe(sub), 0);
	}
	(void)weir_spawn(bus, rest_at_once, .ctx = &(int){0});
	wr_store_release(test_over, &onlooker.over, 1);
	REQUIRE_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(weir_close(bus), 0);
}

/* A forked child has not the memory that is counted in, and is told so. */
static void
ask_in_child(struct wr_outcome *out, void *arg)
{
	weir_loop_stats stats = {.size = sizeof(stats)};

	out->rc = weir_loop_get_stats(arg, &stats);
	out->value[0] = weir_look_at(arg, &out->err) != NULL;
	out->value[1] = weir_measure(arg, 1);
}

static void
P31_a_forked_child_is_refused(const char *name)
{
	weir_bus *bus = watched_bus(name, NULL, NULL);
	struct wr_outcome out = wr_in_child(ask_in_child, bus);

	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.rc, -WEIR_E_GONE_FORKED);
	CHECK_EQ(out.value[0], 0);
	CHECK_EQ(out.err.code, WEIR_E_GONE_FORKED);
	CHECK_EQ(out.value[1], -WEIR_E_GONE_FORKED);
	CHECK_EQ(weir_close(bus), 0);
}

/* As it was opened, and as it is set later. */
static void
P24_how_long_a_poll_may_take_is_seen(const char *name)
{
	weir_bus *a = rig_bus(name), *b = watched_bus(name, NULL, NULL);

	for (int side = 0; side < sides(name); side++) {
		weir_look *look = look_at(name, b, side);

		REQUIRE_EQ(weir_tiers(b, "threshold_ns=1000000", NULL), 0);
		look_again(look);
		CHECK_EQ(loop_of(look, "watched").threshold_ns, 1000000);
		REQUIRE_EQ(weir_tiers(b, "threshold_ns=2500000", NULL), 0);
		look_again(look);
		CHECK_EQ(loop_of(look, "watched").threshold_ns, 2500000);
		weir_look_close(look);
	}
	CHECK_EQ(weir_close(b), 0);
	CHECK_EQ(weir_close(a), 0);
}

static void
P31_there_has_to_be_a_bus(void)
{
	weir_error err = {0};

	CHECK(weir_look_at(NULL, &err) == NULL);
	CHECK_EQ(err.code, WEIR_E_USAGE_INVAL);
	CHECK(weir_look_at(NULL, NULL) == NULL);
	CHECK_STR(weir_look_kind_name(WEIR_KIND_TIMER), "timer");
	CHECK_STR(weir_look_kind_name(1000), "?");
}

#define TESTS(X) \
	X(K54_every_kind_is_shown) \
	X(K54_one_active_and_100000_idle) \
	X(P2_a_change_of_tier_is_seen_with_its_reason) \
	X(P31_who_has_left_is_gone) \
	X(K12_times_of_delivery_wait_and_handler) \
	X(K12_waiting_for_a_poll_is_seen) \
	X(N7_looking_at_a_loop_changes_nothing) \
	X(P24_how_long_a_poll_may_take_is_seen) \
	X(P31_a_forked_child_is_refused) \
	X(K54_another_thread_looks_on)

TESTS(CONFORM_STAMP)
static const struct wr_test tests[] = {
	TESTS(CONFORM_ENTRY) TEST(P31_there_has_to_be_a_bus), TEST_END};
const struct wr_suite wr_suite_observer = {.name = "observer", .tests = tests};
