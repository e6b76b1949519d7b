/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a publisher waits for a consumer, the consumer's own loop counts against it: threads
 * over inproc, processes over shared memory.
 */
#include "tests/conform/rig.h"

#include "tests/lib/await.h"
#include "tests/lib/proc.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

enum {
	LEN = 60000,        /* sixteen of them fill the window, in 4 ms or more */
	PACE_NS = 200000,   /* between two messages */
	PAUSE_NS = 8000000, /* of the one that holds the publisher up, */
	PAUSE_EVERY = 64    /* messages */
};

static void
nap(long ns)
{
	nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

struct reading {
	bool pauses;
	bool over;
	unsigned seen, climbs, for_stalls;
};

static int
take(void *ctx, const weir_msg *msg)
{
	struct reading *r = ctx;

	if (r->pauses && ++r->seen % PAUSE_EVERY == 0)
		nap(PAUSE_NS);
	r->over |= msg->len == 1;
	return 0;
}

static void
note_tier(void *ctx, const weir_event *event)
{
	struct reading *r = ctx;

	if (event->kind != WEIR_EV_TIER || event->tier < event->was_tier)
		return;
	r->climbs++;
	r->for_stalls += strstr(event->why, "others waited ") != NULL;
	r->over |= r->pauses;
}

/*
 * The one that pauses reads until it climbs, which must be for that; the other one until the
 * end, and does not climb. However long a poll takes is all right here.
 */
static int
read_until_it_is_over(const char *name, bool pauses)
{
	struct reading r = {.pauses = pauses};
	weir_bus *bus = weir_open(name, .attach_ms = 600000, .on_event = note_tier,
		.ctx = &r, .flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET,
		.tiers = "balanced threshold_ns=4000000000");

	(void)weir_subscribe(
		bus, "t", .on_msg = take, .ctx = &r, .batch = 1, .stall_us = 20000);
	AWAIT_ON(bus, r.over);
	CHECK_EQ(weir_close(bus), 0);
	return r.climbs != pauses || r.for_stalls != pauses;
}

static int
charge_reader(int argc, char **argv)
{
	REQUIRE_EQ(argc, 3);
	return read_until_it_is_over(argv[1], atoi(argv[2]) != 0);
}

struct reader {
	const char *bus;
	bool pauses;
	pthread_t thread;
	struct wr_proc proc;
	int answer;
};

static void *
reader_thread(void *arg)
{
	struct reader *reader = arg;

	reader->answer = read_until_it_is_over(reader->bus, reader->pauses);
	return NULL;
}

static void
reader_start(struct reader *reader)
{
	if (rig_is_inproc(reader->bus))
		REQUIRE_EQ(pthread_create(&reader->thread, NULL, reader_thread, reader),
			0);
	else
		wr_proc_start(&reader->proc, "charge_reader", reader->bus,
			reader->pauses ? "1" : "0", NULL);
}

static int
reader_end(struct reader *reader)
{
	if (!rig_is_inproc(reader->bus))
		return wr_proc_wait(&reader->proc);
	REQUIRE_EQ(pthread_join(reader->thread, NULL), 0);
	return reader->answer;
}

/* A publisher at a steady pace; of two that read it one pauses now and then, for as long as
 * it may. */
static void
P2_who_holds_its_publisher_up_climbs(const char *name)
{
	static const char text[LEN];
	struct reader readers[2] = {{.bus = name, .pauses = true}, {.bus = name}};
	weir_bus *bus = rig_bus(name);
	weir_pub *pub =
		weir_advertise(bus, "t", .window = RIG_WINDOW, .wait_ms = WEIR_FOREVER);

	for (int i = 0; i < 2; i++)
		reader_start(&readers[i]);
	REQUIRE_EQ(weir_wait_subscribers(pub, 2, WEIR_FOREVER), 2);
	while (weir_subscribers(pub) == 2) {
		REQUIRE_EQ(weir_send(pub, text, LEN), 0);
		nap(PACE_NS);
	}
	CHECK_EQ(reader_end(&readers[0]), 0);
	CHECK(rig_pub_stats(pub).stalled_ns > 0);
	REQUIRE_EQ(weir_send(pub, text, 1), 0);
	CHECK_EQ(reader_end(&readers[1]), 0);
	CHECK_EQ(weir_close(bus), 0);
}

#define TESTS(X) X(P2_who_holds_its_publisher_up_climbs)

TESTS(CONFORM_STAMP)

static const struct wr_test tests[] = {TESTS(CONFORM_ENTRY) TEST_END};
static const struct wr_helper helpers[] = {HELPER(charge_reader), HELPER_END};
const struct wr_suite wr_suite_charge = {
	.name = "charge", .tests = tests, .helpers = helpers, .labels = "concurrency"};
