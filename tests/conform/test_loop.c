/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The loop: ours or theirs, what ends it, signals, callbacks and events. */
#include "tests/conform/rig.h"

#include "tests/lib/await.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

/* ---- a loop of their own ----------------------------------------------------------------- */

/* Waits as libuv would: armed, then in poll(2) without a deadline. Returns when the
 * descriptor was readable, or when arming says that there is something already. */
static void
wait_on_fd(weir_bus *bus)
{
	struct pollfd fd = {.fd = weir_fd(bus), .events = POLLIN};
	int rc = weir_arm(bus);

	REQUIRE(fd.fd >= 0);
	REQUIRE(rc == 0 || rc == 1);
	if (rc == 0)
		while (poll(&fd, 1, -1) != 1)
			;
}

/* One who does something to a bus of another thread, each time that it is told to. */
struct other {
	const char *name;
	pthread_t thread;
	int count;
};

static void *
sends_one_by_one(void *arg)
{
	struct other *other = arg;
	weir_bus *bus = rig_bus(other->name);
	weir_pub *pub = weir_advertise(bus, "t");
	weir_sub *next = weir_subscribe(bus, "next");
	char buf[8];

	CHECK_EQ(weir_wait_subscribers(pub, 1, WEIR_FOREVER), 1);
	for (int n = 0; n < other->count; n++) {
		CHECK_EQ(weir_send(pub, &n, sizeof(n)), 0);
		CHECK_EQ(weir_recv(next, buf, sizeof(buf), WEIR_FOREVER, NULL), 1);
	}
	CHECK_EQ(weir_close(bus), 0);
	return NULL;
}

static int
take_number(void *ctx, const weir_msg *msg)
{
	CHECK_EQ(*(const int *)msg->data, *(int *)ctx);
	(*(int *)ctx)++;
	return 0;
}

/* Each message comes alone, and only after the one before it was handled: were one ring
 * lost, this would hang. */
static void
messages_ring_the_descriptor(const char *name)
{
	struct other other = {.name = name, .count = 500 / (int)wr_test_slowness()};
	weir_bus *bus = rig_bus(name);
	weir_pub *next = weir_advertise(bus, "next");
	int got = 0, before;
	weir_sub *sub = weir_subscribe(bus, "t", .on_msg = take_number, .ctx = &got);

	REQUIRE_EQ(pthread_create(&other.thread, NULL, sends_one_by_one, &other), 0);
	CHECK_EQ(weir_wait_subscribers(next, 1, WEIR_FOREVER), 1);
	while (got < other.count) {
		before = got;
		wait_on_fd(bus);
		REQUIRE(weir_turn(bus, 0) >= 0);
		CHECK(got <= before + 1);
		if (got > before)
			CHECK_EQ(weir_send(next, "n", 1), 0);
	}
	pthread_join(other.thread, NULL);
	CHECK_EQ(rig_sub_stats(sub).delivered, other.count);
	CHECK_EQ(weir_close(bus), 0);
}

static void *
wakes(void *arg)
{
	CHECK_EQ(weir_wake(arg), 0);
	return NULL;
}

static void *
stops(void *arg)
{
	CHECK_EQ(weir_stop(arg), 0);
	return NULL;
}

/* Until nothing is there to do. */
static void
settle(weir_bus *bus)
{
	weir_event event;

	while (weir_arm(bus) != 0)
		(void)weir_turn(bus, 0);
	while (weir_next_event(bus, &event) == 1)
		;
}

static void
wake_and_stop_from_another_thread(const char *name)
{
	weir_bus *bus = rig_bus(name);
	pthread_t thread;

	for (int i = 0; i < 100; i++) {
		settle(bus);
		REQUIRE_EQ(pthread_create(&thread, NULL, wakes, bus), 0);
		wait_on_fd(bus);
		pthread_join(thread, NULL);
		CHECK(weir_turn(bus, 0) >= 0);
		CHECK_EQ(weir_ok(bus), 1);
	}
	settle(bus);
	REQUIRE_EQ(pthread_create(&thread, NULL, stops, bus), 0);
	wait_on_fd(bus);
	pthread_join(thread, NULL);
	CHECK_EQ(weir_arm(bus), 1);
	CHECK_EQ(weir_turn(bus, WEIR_FOREVER), -WEIR_E_GONE_STOPPED);
	CHECK_EQ(weir_sleep(bus, 1000000), -WEIR_E_GONE_STOPPED);
	CHECK_EQ(weir_ok(bus), 0);
	CHECK_EQ(weir_run(bus), 0);
	CHECK_EQ(weir_close(bus), 0);

	bus = rig_bus(name);
	REQUIRE_EQ(pthread_create(&thread, NULL, stops, bus), 0);
	CHECK_EQ(weir_run(bus), 0);
	pthread_join(thread, NULL);
	CHECK_EQ(weir_close(bus), 0);
}

static weir_bus *volatile handled;

static void
wake_it(int number)
{
	(void)number;
	(void)weir_wake(handled);
}

static void
stop_it(int number)
{
	(void)number;
	(void)weir_stop(handled);
}

static void
wake_and_stop_from_a_signal_handler(const char *name)
{
	struct sigaction wake = {.sa_handler = wake_it}, stop = {.sa_handler = stop_it};
	weir_bus *bus = rig_bus(name);

	handled = bus;
	REQUIRE_EQ(sigaction(SIGUSR1, &wake, NULL), 0);
	REQUIRE_EQ(sigaction(SIGUSR2, &stop, NULL), 0);
	for (int i = 0; i < 100; i++) {
		struct pollfd fd = {.fd = weir_fd(bus), .events = POLLIN};

		settle(bus);
		CHECK_EQ(poll(&fd, 1, 0), 0);
		CHECK_EQ(raise(SIGUSR1), 0);
		CHECK_EQ(poll(&fd, 1, 0), 1);
		CHECK(weir_turn(bus, 20) >= 0);
	}
	CHECK_EQ(weir_ok(bus), 1);
	CHECK_EQ(raise(SIGUSR2), 0);
	CHECK_EQ(weir_ok(bus), 0);
	CHECK_EQ(weir_run(bus), 0);
	CHECK_EQ(weir_close(bus), 0);
}

/* ---- signals ------------------------------------------------------------------------------- */

static void (*disposition(int number))(int)
{
	struct sigaction now;

	REQUIRE_EQ(sigaction(number, NULL, &now), 0);
	return now.sa_handler;
}

static volatile sig_atomic_t ours_came;

static void
ours(int number)
{
	(void)number;
	ours_came++;
}

struct scene {
	int raised; /* the signal to raise, 0 = none */
	int answer; /* of the callback */
	int called;
	void (*during[2])(int); /* SIGINT, SIGTERM */
};

static int
within_run(void *ctx, const weir_msg *msg)
{
	struct scene *scene = ctx;

	(void)msg;
	scene->called++;
	scene->during[0] = disposition(SIGINT);
	scene->during[1] = disposition(SIGTERM);
	if (scene->raised)
		CHECK_EQ(raise(scene->raised), 0);
	return scene->answer;
}

/* One message, handled within weir_run. */
static int
run_once(const char *name, uint32_t flags, struct scene *scene)
{
	weir_bus *bus = weir_open(name, .flags = flags | WEIR_BUS_QUIET);
	weir_pub *pub = weir_advertise(bus, "t");
	int rc;

	(void)weir_subscribe(bus, "t", .on_msg = within_run, .ctx = scene);
	CHECK_EQ(weir_send(pub, "x", 1), 0);
	rc = weir_run(bus);
	CHECK_EQ(scene->called, 1);
	CHECK_EQ(weir_close(bus), 0);
	return rc;
}

static void
signals_end_the_loop_and_are_given_back(const char *name)
{
	static const int both[] = {SIGINT, SIGTERM};

	for (int i = 0; i < 2; i++) {
		struct scene scene = {.raised = both[i]};

		CHECK(disposition(both[i]) == SIG_DFL);
		CHECK_EQ(run_once(name, 0, &scene), 0);
		CHECK(scene.during[0] != SIG_DFL && scene.during[1] != SIG_DFL);
		CHECK(disposition(SIGINT) == SIG_DFL);
		CHECK(disposition(SIGTERM) == SIG_DFL);
	}
	/* weir_ok holds them until the bus is closed. */
	{
		weir_bus *bus = weir_open(name, .flags = WEIR_BUS_QUIET);

		CHECK(disposition(SIGTERM) == SIG_DFL);
		CHECK_EQ(weir_ok(bus), 1);
		CHECK(disposition(SIGTERM) != SIG_DFL);
		CHECK_EQ(raise(SIGTERM), 0);
		CHECK_EQ(weir_ok(bus), 0);
		CHECK(disposition(SIGTERM) != SIG_DFL);
		CHECK_EQ(weir_close(bus), 0);
		CHECK(disposition(SIGTERM) == SIG_DFL);
	}
}

static void
signals_of_others_are_left_alone(const char *name)
{
	struct sigaction mine = {.sa_handler = ours}, ignore = {.sa_handler = SIG_IGN};
	struct scene scene = {.answer = 7};

	CHECK_EQ(run_once(name, WEIR_BUS_NO_SIGNALS, &scene), 7);
	CHECK(scene.during[0] == SIG_DFL && scene.during[1] == SIG_DFL);

	REQUIRE_EQ(sigaction(SIGINT, &ignore, NULL), 0);
	REQUIRE_EQ(sigaction(SIGTERM, &mine, NULL), 0);
	scene = (struct scene){.answer = 8, .raised = SIGTERM};
	CHECK_EQ(run_once(name, 0, &scene), 8);
	CHECK(scene.during[0] == SIG_IGN && scene.during[1] == ours);
	CHECK_EQ(ours_came, 1);
	scene = (struct scene){.answer = 9, .raised = SIGINT};
	CHECK_EQ(run_once(name, 0, &scene), 9);
	CHECK(disposition(SIGINT) == SIG_IGN && disposition(SIGTERM) == ours);
}

/* ---- callbacks -------------------------------------------------------------------------------- */

struct call {
	weir_bus *bus;
	weir_sub *sub;
	weir_pub *pub;
	int calls, end_at;
};

static int
ends_at(void *ctx, const weir_msg *msg)
{
	struct call *call = ctx;

	CHECK_EQ(msg->seq, call->calls);
	return ++call->calls % call->end_at == 0 ? -call->calls : 0;
}

/* The value comes out, the message that it was for is passed, the rest is still there. */
static void
a_value_of_a_callback_ends_the_turn(const char *name)
{
	struct call call = {.end_at = 3};
	weir_bus *bus = rig_bus(name);
	weir_pub *pub = weir_advertise(bus, "t");
	weir_sub *sub = weir_subscribe(bus, "t", .on_msg = ends_at, .ctx = &call);

	for (int n = 0; n < 10; n++)
		CHECK_EQ(weir_send(pub, "x", 1), 0);
	/* A turn looks at a growing number at once, so some have to be repeated. */
	for (int end = 3; end <= 9; end += 3) {
		int rc;

		while ((rc = weir_turn(bus, 0)) >= 0)
			;
		CHECK_EQ(rc, -end);
		CHECK_EQ(call.calls, end);
		CHECK_EQ(rig_sub_stats(sub).delivered, end);
	}
	while (weir_turn(bus, 0) > 0)
		;
	CHECK_EQ(call.calls, 10);
	call.end_at = 1;
	CHECK_EQ(weir_send(pub, "x", 1), 0);
	CHECK_EQ(weir_run(bus), -11);
	CHECK_EQ(weir_send(pub, "x", 1), 0);
	CHECK_EQ(weir_sleep(bus, 1000000), -12);
	CHECK_EQ(weir_close(bus), 0);
}

static int
closes(void *ctx, const weir_msg *msg)
{
	struct call *call = ctx;

	(void)msg;
	call->calls++;
	CHECK_EQ(weir_unsubscribe(call->sub), -WEIR_E_USAGE_STATE);
	CHECK_EQ(weir_close(call->bus), -WEIR_E_USAGE_STATE);
	/* Publishing is allowed. */
	CHECK_EQ(weir_send(call->pub, "y", 1), 0);
	return 0;
}

static void
closing_within_a_callback_is_refused(const char *name)
{
	struct call call = {.bus = rig_bus(name)};
	weir_sub *other = weir_subscribe(call.bus, "other");
	char buf[4];

	call.pub = weir_advertise(call.bus, "other");
	call.sub = weir_subscribe(call.bus, "t", .on_msg = closes, .ctx = &call);
	for (int i = 1; i < 4; i++) {
		weir_pub *pub = weir_advertise(call.bus, "t");

		CHECK_EQ(weir_send(pub, "x", 1), 0);
		AWAIT_ON(call.bus, call.calls >= i);
		CHECK_EQ(weir_recv(other, buf, sizeof(buf), WEIR_FOREVER, NULL), 1);
	}
	/* Outside it is allowed. */
	CHECK_EQ(weir_unsubscribe(call.sub), 0);
	CHECK_EQ(weir_close(call.bus), 0);
}

static int
turns_within(void *ctx, const weir_msg *msg)
{
	struct call *call = ctx;

	weir_msg again;
	char buf[4];

	/* It is in the hands of the callback, and nothing else passes it. */
	CHECK_EQ(weir_peek(call->sub, &again), -WEIR_E_USAGE_STATE);
	CHECK_EQ(weir_next(call->sub), -WEIR_E_USAGE_STATE);
	CHECK_EQ(weir_recv(call->sub, buf, sizeof(buf), 0, NULL), -WEIR_E_USAGE_STATE);
	CHECK_EQ(msg->seq, call->calls);
	call->calls++;
	if (call->calls <= 1000)
		(void)weir_turn(call->bus, 0);
	/* The bus is still within its own turn. */
	CHECK_EQ(weir_close(call->bus), -WEIR_E_USAGE_STATE);
	return 0;
}

/* A turn within a callback handles no message twice, and ends nothing too early. */
static void
a_turn_within_a_callback_disturbs_nothing(const char *name)
{
	struct call call = {.bus = rig_bus(name)};

	call.pub = weir_advertise(call.bus, "t");
	call.sub = weir_subscribe(call.bus, "t", .on_msg = turns_within, .ctx = &call);
	for (int n = 0; n < 100; n++)
		CHECK_EQ(weir_send(call.pub, "x", 1), 0);
	AWAIT_ON(call.bus, call.calls >= 100);
	CHECK_EQ(call.calls, 100);
	CHECK_EQ(rig_sub_stats(call.sub).delivered, 100);
	CHECK_EQ(weir_close(call.bus), 0);
}

static void
all_subscriptions_get_their_turn(const char *name)
{
	int got[8] = {0};
	weir_bus *bus = rig_bus(name);
	weir_pub *pub = weir_advertise(bus, "t");

	for (int i = 0; i < 8; i++)
		(void)weir_subscribe(bus, "t", .on_msg = take_number, .ctx = &got[i]);
	CHECK_EQ(weir_wait_subscribers(pub, 8, WEIR_FOREVER), 8);
	for (int n = 0; n < 1000; n++)
		CHECK_EQ(weir_send(pub, &n, sizeof(n)), 0);
	for (int turns = 0; turns < 30; turns++) {
		CHECK(weir_turn(bus, 0) >= 0);
		for (int i = 1; i < 8; i++)
			CHECK(got[i] <= got[0] + 64 && got[0] <= got[i] + 64);
	}
	while (weir_turn(bus, 0) > 0)
		;
	for (int i = 0; i < 8; i++)
		CHECK_EQ(got[i], 1000);
	CHECK_EQ(weir_close(bus), 0);
}

/* ---- events --------------------------------------------------------------------------------------- */

static void
events_are_the_same(const char *name)
{
	weir_bus *a = rig_bus(name);
	weir_bus *b = weir_open(name, .node = "bob", .attach_ms = 600000,
		.flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET);
	weir_event event = await_event(a, WEIR_EV_NODE_JOINED);
	weir_pub *pub = weir_advertise(a, "t");

	CHECK_STR(event.node, "bob");
	CHECK_STR(event.topic, "");
	(void)weir_subscribe(b, "*");
	event = await_event(a, WEIR_EV_SUB_JOINED);
	CHECK_STR(event.node, "bob");
	CHECK_STR(event.topic, "t");
	CHECK_EQ(event.publisher, rig_pub_stats(pub).publisher);
	event = await_event(b, WEIR_EV_PUB_JOINED);
	CHECK_STR(event.topic, "t");
	CHECK_EQ(event.publisher, rig_pub_stats(pub).publisher);
	CHECK_EQ(weir_pub_close(pub), 0);
	event = await_event(b, WEIR_EV_PUB_LEFT);
	CHECK_STR(event.topic, "t");
	CHECK_EQ(weir_close(b), 0);
	event = await_event(a, WEIR_EV_NODE_LEFT);
	CHECK_STR(event.node, "bob");
	CHECK_EQ(weir_close(a), 0);
}

static void
event_of_a_subscription_that_left(const char *name)
{
	struct rig rig = rig_open(name);
	weir_event event = {0};
	int taken = 0;

	(void)await_event(rig.a, WEIR_EV_SUB_JOINED);
	CHECK_EQ(weir_unsubscribe(rig.sub), 0);
	/* Over inproc it is there at once or never. */
	while (event.kind != WEIR_EV_SUB_LEFT) {
		taken = weir_next_event(rig.a, &event);
		if (taken == 0 && rig_is_inproc(name))
			break;
		if (taken == 0)
			(void)weir_turn(rig.a, 20);
	}
	CHECK_EQ(weir_subscribers(rig.pub), 0);
	CHECK(taken > 0);
	CHECK_STR(event.topic, "t");
	CHECK_EQ(event.publisher, rig_pub_stats(rig.pub).publisher);
	rig_close(&rig);
}

static void
on_event(void *ctx, const weir_event *event)
{
	((int *)ctx)[event->kind == WEIR_EV_NODE_JOINED]++;
}

static void
events_by_callback(const char *name)
{
	int count[2] = {0, 0};
	weir_bus *a = weir_open(name, .on_event = on_event, .ctx = count,
		.attach_ms = 600000, .flags = WEIR_BUS_NO_SIGNALS);
	weir_bus *b = rig_bus(name);
	weir_event event;

	AWAIT_ON(a, count[1] > 0);
	CHECK_EQ(count[1], 1);
	CHECK_EQ(weir_next_event(a, &event), 0);
	CHECK_EQ(weir_close(b), 0);
	AWAIT_ON(a, count[0] > 0);
	CHECK_EQ(weir_close(a), 0);
}

/* Of more than are kept the oldest go, and the next one says how many: none is lost in
 * silence. The publishers that joined are counted by their topics. */
static void
events_that_nobody_pulls_are_counted(const char *name)
{
	enum { COUNT = 1500, KEPT = 1024 };
	weir_bus *a = rig_bus(name);
	weir_sub *sub = weir_subscribe(a, ">");
	uint64_t dropped = 0;
	int kept = 0, joined = 0;
	weir_event event;
	char topic[16];
	weir_pub *pub;

	for (int i = 0; i < COUNT; i++) {
		snprintf(topic, sizeof(topic), "t%d", i);
		pub = weir_advertise(a, topic);
		REQUIRE_EQ(weir_pub_why(pub)->code, 0);
		CHECK_EQ(weir_wait_subscribers(pub, 1, WEIR_FOREVER), 1);
		CHECK_EQ(weir_pub_close(pub), 0);
	}
	while (weir_next_event(a, &event) == 1) {
		CHECK(kept == 0 || event.dropped == 0);
		dropped += event.dropped;
		kept++;
		joined += event.kind == WEIR_EV_PUB_JOINED;
	}
	CHECK_EQ(kept, KEPT);
	CHECK(joined > 0);
	/* Two at least for each of them, one that it joined and one that it left. */
	CHECK(dropped + KEPT >= 2 * COUNT);
	CHECK_EQ(weir_next_event(a, &event), 0);
	CHECK(rig_sub_stats(sub).streams + rig_sub_stats(sub).ended == COUNT);
	CHECK_EQ(weir_close(a), 0);
}

#define TESTS(X) \
	X(messages_ring_the_descriptor) \
	X(wake_and_stop_from_another_thread) \
	X(wake_and_stop_from_a_signal_handler) \
	X(signals_end_the_loop_and_are_given_back) \
	X(signals_of_others_are_left_alone) \
	X(a_value_of_a_callback_ends_the_turn) \
	X(closing_within_a_callback_is_refused) \
	X(a_turn_within_a_callback_disturbs_nothing) \
	X(all_subscriptions_get_their_turn) \
	X(events_are_the_same) \
	X(event_of_a_subscription_that_left) \
	X(events_by_callback) \
	X(events_that_nobody_pulls_are_counted)

TESTS(CONFORM_STAMP)
static const struct wr_test tests[] = {TESTS(CONFORM_ENTRY) TEST_END};

const struct wr_suite wr_suite_loop = {
	.name = "loop", .tests = tests, .labels = "concurrency", .watchdog_s = 20};
