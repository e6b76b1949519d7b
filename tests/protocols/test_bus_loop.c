/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The loop of a bus, ours and theirs: what wakes it, and what it then finds. */
#include "protocols/bus.h"

#include "tests/lib/test.h"
#include "tests/lib/waiter.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static weir_bus *
bus_of(uint32_t idle, weir_event_fn on_event, void *ctx)
{
	weir_bus *bus = weir_open("inproc:loop", .idle = idle, .on_event = on_event,
		.ctx = ctx, .flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET);

	REQUIRE_EQ(weir_why(bus)->code, 0);
	return bus;
}

static void
count_event(void *ctx, const weir_event *event)
{
	(void)event;
	++*(unsigned *)ctx;
}

static int
count_msg(void *ctx, const weir_msg *msg)
{
	(void)msg;
	++*(unsigned *)ctx;
	return 0;
}

static int
count_and_say(void *ctx, const weir_msg *msg)
{
	(void)count_msg(ctx, msg);
	return 7;
}

static bool
readable(weir_bus *bus)
{
	struct pollfd probe = {.fd = weir_fd(bus), .events = POLLIN};

	return poll(&probe, 1, 0) == 1;
}

/* An event that came before the flag went up rang nobody: arming must see it. */
static void
who_has_an_event_does_not_fall_asleep(void)
{
	unsigned events = 0;
	weir_bus *bus = bus_of(WEIR_IDLE_PARK, count_event, &events), *other;

	CHECK_EQ(weir_arm(bus), 0);
	CHECK(weir_turn(bus, 0) == 0);
	other = bus_of(WEIR_IDLE_PARK, NULL, NULL);
	CHECK_EQ(weir_arm(bus), 1);
	CHECK_EQ(weir_turn(bus, 0), 1);
	CHECK_EQ(events, 1);
	CHECK_EQ(weir_arm(bus), 0);
	/* And one that comes while it sleeps rings. */
	weir_close(other);
	CHECK(readable(bus));
	CHECK_EQ(weir_turn(bus, 0), 1);
	CHECK_EQ(events, 2);
	weir_close(bus);
}

/* Events without a callback wait to be pulled, and keep nobody awake. */
static void
events_to_be_pulled_keep_nobody_awake(void)
{
	weir_bus *bus = bus_of(WEIR_IDLE_PARK, NULL, NULL);
	weir_bus *other = bus_of(WEIR_IDLE_PARK, NULL, NULL);
	weir_event event;

	CHECK_EQ(weir_arm(bus), 0);
	CHECK_EQ(weir_turn(bus, 0), 0);
	CHECK_EQ(weir_next_event(bus, &event), 1);
	CHECK_EQ(event.kind, WEIR_EV_NODE_JOINED);
	CHECK_EQ(weir_next_event(bus, &event), 0);
	weir_close(other);
	weir_close(bus);
}

/* Their loop: arm, wait on the descriptor, turn. After the turn the descriptor is quiet
 * again, or it would be called for ever. */
static void
the_descriptor_is_quiet_after_a_turn(void)
{
	unsigned got = 0;
	weir_bus *bus = bus_of(WEIR_IDLE_PARK, NULL, NULL);
	weir_bus *other = bus_of(WEIR_IDLE_PARK, NULL, NULL);
	weir_sub *sub = weir_subscribe(bus, "t", .on_msg = count_msg, .ctx = &got);
	weir_pub *pub = weir_advertise(other, "t");

	while (weir_arm(bus) == 1 || readable(bus))
		(void)weir_turn(bus, 0);
	for (unsigned i = 1; i <= 5; i++) {
		CHECK_EQ(weir_arm(bus), 0);
		CHECK(!readable(bus));
		CHECK_EQ(weir_send(pub, "x", 1), 0);
		CHECK(readable(bus));
		CHECK_EQ(weir_turn(bus, 0), 1);
		CHECK_EQ(got, i);
		CHECK_EQ(weir_arm(bus), 0);
		CHECK(!readable(bus));
		CHECK_EQ(weir_turn(bus, 0), 0);
	}
	CHECK_EQ(weir_sub_why(sub)->code, 0);
	weir_close(other);
	weir_close(bus);
}

static struct wr_thread_look waiter;

static void *
wake_later(void *arg)
{
	await_waiter(&waiter);
	(void)weir_wake(arg);
	return NULL;
}

static void *
join_later(void *arg)
{
	(void)arg;
	await_waiter(&waiter);
	return bus_of(WEIR_IDLE_PARK, NULL, NULL);
}

static void
every_policy_wakes(void)
{
	for (uint32_t idle = WEIR_IDLE_ADAPTIVE; idle <= WEIR_IDLE_SPIN; idle++) {
		unsigned events = 0;
		weir_bus *bus = bus_of(idle, count_event, &events);
		pthread_t thread;
		void *other;

		wr_thread_look_init(&waiter);
		REQUIRE_EQ(pthread_create(&thread, NULL, wake_later, bus), 0);
		CHECK_EQ(weir_turn(bus, 3600 * 1000), 0);
		pthread_join(thread, NULL);
		/* One that comes before the wait ends the next one. */
		CHECK_EQ(weir_wake(bus), 0);
		CHECK_EQ(weir_turn(bus, 3600 * 1000), 0);
		/* An event ends it as well, and is handled. */
		REQUIRE_EQ(pthread_create(&thread, NULL, join_later, NULL), 0);
		while (events == 0)
			CHECK(weir_turn(bus, 3600 * 1000) >= 0);
		pthread_join(thread, &other);
		weir_close(other);
		weir_close(bus);
	}
}

static void
a_verdict_starves_no_other_subscription(void)
{
	unsigned got[3] = {0};
	weir_bus *bus = bus_of(WEIR_IDLE_PARK, NULL, NULL);
	weir_pub *pub = weir_advertise(bus, "t");

	for (int i = 0; i < 3; i++)
		(void)weir_subscribe(bus, "t", .on_msg = count_and_say, .ctx = &got[i]);
	for (int i = 0; i < 30; i++)
		CHECK_EQ(weir_send(pub, "x", 1), 0);
	for (int i = 0; i < 30; i++)
		CHECK_EQ(weir_turn(bus, 0), 7);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(got[i], 10);
	weir_close(bus);
}

static const struct wr_test tests[] = {TEST(who_has_an_event_does_not_fall_asleep),
	TEST(events_to_be_pulled_keep_nobody_awake),
	TEST(the_descriptor_is_quiet_after_a_turn),
	TEST(every_policy_wakes, .labels = "concurrency"),
	TEST(a_verdict_starves_no_other_subscription), TEST_END};
const struct wr_suite wr_suite_bus_loop = {.name = "bus_loop", .tests = tests};
