/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A stream moves to a fresh region, whose descriptor its readers need: those that do not
 * read what is said to them, and those that come meanwhile; and then its publisher dies.
 */
#include "bus/wire.h"
#include "tests/lib/proc.h"
#include "tests/lib/test.h"
#include "tests/steward/puppet.h"
#include "tests/steward/stranger.h"

#include <stdio.h>
#include <string.h>

enum { ROLLS = 30000 }; /* messages of a puppet, which fill three segments */

static const char *const threads[4][2] = {
	{"", ""}, {"nothread", ""}, {"", "nothread"}, {"nothread", "nothread"}};

/* So many that may hold so much that the region which a stream begins with is too small:
 * it moves at its next rollover, if it can. */
enum { CROWD = 2, CROWD_SUBS = 12 };

static void
crowd_in(struct wr_proc crowd[CROWD], const char *bus)
{
	for (int i = 0; i < CROWD; i++) {
		puppet_start(&crowd[i], "open 0 %s", bus);
		for (int s = 0; s < CROWD_SUBS; s++)
			puppet_ok(&crowd[i], "sub %d 0 imu holds=7", s);
	}
}

/* Each reads so many; what they never read, they wait for room with. */
static void
crowd_reads(struct wr_proc crowd[CROWD], long long messages)
{
	char expected[60];

	snprintf(expected, sizeof(expected), "%lld in order", messages);
	for (int i = 0; i < CROWD; i++)
		for (int s = 0; s < CROWD_SUBS; s++)
			CHECK_STR(puppet_ask(&crowd[i], "recv %d %lld", s, messages),
				expected);
}

static void
crowd_out(struct wr_proc crowd[CROWD])
{
	for (int i = 0; i < CROWD; i++)
		puppet_end(&crowd[i]);
}

/* What a socket takes from one side. */
static int
socket_bytes(void)
{
	FILE *file = fopen("/proc/sys/net/core/wmem_default", "r");
	int bytes = 0;

	REQUIRE(file != NULL);
	REQUIRE_EQ(fscanf(file, "%d", &bytes), 1);
	(void)fclose(file);
	return bytes;
}

/* B stops, and what A says to it fills its socket and more: topics come and go. */
static void
stop_with_full_socket(struct wr_proc *b, struct wr_proc *a)
{
	int rounds = socket_bytes() / (int)sizeof(struct wr_wire) / 2 + 8;

	REQUIRE(wr_proc_stop(b));
	for (int i = 0; i < rounds; i++) {
		puppet_ok(a, "pub 15 0 noise");
		CHECK_EQ(puppet_number(a, "unpub 15"), 0);
	}
}

/*
 * While the socket of a reader takes nothing, the stream stays where it is: what is
 * committed then outlives its publisher.
 */
static void
death_with_a_full_socket(void)
{
	for (int i = 0; i < 4; i++) {
		struct wr_proc a, b, crowd[CROWD];
		char bus[8];

		snprintf(bus, sizeof(bus), "bus%d", i);
		puppet_start(&a, "open 0 %s attach=50 %s", bus, threads[i][0]);
		puppet_start(&b, "open 0 %s %s", bus, threads[i][1]);
		puppet_ok(&b, "sub 0 0 imu whole");
		puppet_ok(&a, "pub 0 0 imu");
		CHECK_EQ(puppet_number(&a, "send 0 10"), 10);
		stop_with_full_socket(&b, &a);
		crowd_in(crowd, bus);
		CHECK_EQ(puppet_number(&a, "send 0 %d", ROLLS), 10 + ROLLS);
		CHECK_EQ(puppet_number(&a, "moves 0"), 0);
		wr_proc_kill(&a);
		wr_proc_continue(&b);
		CHECK_STR(puppet_ask(&b, "drain 0"), "30010 in order");
		puppet_end(&b);
		crowd_out(crowd);
	}
}

/* When the reader goes on, so does the move; and then a death costs nothing either. */
static void
death_after_the_move(void)
{
	for (int i = 0; i < 4; i++) {
		struct wr_proc a, b, crowd[CROWD];
		long long sent;
		char bus[8], expected[60];

		snprintf(bus, sizeof(bus), "bus%d", i);
		puppet_start(&a, "open 0 %s attach=50 %s", bus, threads[i][0]);
		puppet_start(&b, "open 0 %s %s", bus, threads[i][1]);
		puppet_ok(&b, "sub 0 0 imu whole");
		puppet_ok(&a, "pub 0 0 imu");
		stop_with_full_socket(&b, &a);
		crowd_in(crowd, bus);
		sent = puppet_number(&a, "send 0 %d", ROLLS);
		CHECK_EQ(puppet_number(&a, "moves 0"), 0);
		wr_proc_continue(&b);
		/* Its steward reads what waits for it; more is published until all is told. */
		while (puppet_number(&a, "moves 0") == 0) {
			CHECK_EQ(puppet_number(&b, "events 0") >= 0, 1);
			sent = puppet_number(&a, "send 0 100");
		}
		REQUIRE(wr_proc_stop(&b));
		sent = puppet_number(&a, "send 0 %d", ROLLS);
		CHECK_EQ(puppet_number(&a, "moves 0"), 1);
		wr_proc_kill(&a);
		wr_proc_continue(&b);
		snprintf(expected, sizeof(expected), "%lld in order", sent);
		CHECK_STR(puppet_ask(&b, "drain 0"), expected);
		puppet_end(&b);
		crowd_out(crowd);
	}
}

/* A publisher that cannot move waits for room as ever, and goes on when it can. */
static void
full_window_and_full_socket(void)
{
	for (int i = 0; i < 2; i++) {
		struct wr_proc a, b, crowd[CROWD];
		long long sent, more = 0;
		char bus[8], expected[60];

		snprintf(bus, sizeof(bus), "bus%d", i);
		puppet_start(&a, "open 0 %s attach=50 %s", bus, threads[i][0]);
		puppet_start(&b, "open 0 %s node=sleeper", bus);
		puppet_ok(&b, "sub 0 0 imu whole");
		puppet_ok(&a, "pub 0 0 imu window=1 wait=200");
		stop_with_full_socket(&b, &a);
		crowd_in(crowd, bus);
		CHECK_STR(puppet_ask(&a, "send 0 1000000"), "AGAIN_FULL");
		CHECK_EQ(puppet_number(&a, "moves 0"), 0);
		sent = puppet_number(&a, "stats 0");
		CHECK(sent > ROLLS / 2);
		crowd_reads(crowd, sent);
		/* It alone is waited for now. */
		CHECK_STR(puppet_ask(&a, "send 0 1"), "AGAIN_FULL");
		CHECK(strstr(puppet_ask(&a, "why p 0"),
			      "1 of 25 subscribers block: sleeper") != NULL);
		wr_proc_continue(&b);
		puppet_tell(&b, "recv 0 %lld", sent);
		while (puppet_number(&a, "moves 0") == 0)
			if (strcmp(puppet_ask(&a, "send 0 100"), "AGAIN_FULL") != 0)
				more += 100;
		snprintf(expected, sizeof(expected), "%lld in order", sent);
		CHECK_STR(puppet_hear(&b), expected);
		wr_proc_kill(&a);
		snprintf(expected, sizeof(expected), "%lld in order", more);
		CHECK_STR(puppet_ask(&b, "drain 0"), expected);
		puppet_end(&b);
		crowd_out(crowd);
	}
}

/* ---- who comes meanwhile ------------------------------------------------------------------ */

/*
 * A claim that is open in the region that the stream has left: who comes then begins there.
 * What it needs later is said before it is admitted, so that it has all or is not there.
 */
static void
joining_behind_a_move(void)
{
	struct wr_wire announced, msg = {.kind = WR_WIRE_ATTACH};
	struct wr_proc a, b, crowd[CROWD];
	struct stranger st;

	puppet_start(&a, "open 0 bus");
	puppet_ok(&a, "pub 0 0 imu");
	CHECK_EQ(puppet_number(&a, "claim 0 0"), 0);
	CHECK_EQ(stranger_meet(&st, &announced), 1);
	crowd_in(crowd, "bus");
	CHECK_EQ(puppet_number(&a, "send 0 %d", ROLLS), 1 + ROLLS);
	CHECK_EQ(puppet_number(&a, "moves 0"), 1);

	msg.stream = announced.stream;
	msg.sub = 7;
	CHECK_EQ(stranger_say(&st, msg, NULL), 0);
	REQUIRE_EQ(stranger_hear(&st, &msg, NULL), WR_WIRE_MOVED);
	CHECK_EQ(msg.sub, 7);
	REQUIRE_EQ(stranger_hear(&st, &msg, NULL), WR_WIRE_ATTACHED);
	CHECK_EQ(msg.sub, 7);
	stranger_leave(&st);

	puppet_start(&b, "open 0 bus");
	puppet_ok(&b, "sub 0 0 imu whole");
	CHECK_EQ(puppet_number(&a, "commit 0 0"), 0);
	wr_proc_kill(&a);
	CHECK_STR(puppet_ask(&b, "drain 0"), "30001 in order");
	puppet_end(&b);
	crowd_out(crowd);
}

/* ---- where it cannot be helped ------------------------------------------------------------- */

/*
 * A reader that may open nothing more cannot take the descriptor, and lets its publisher
 * go for that: what it cannot reach is named, and the stream has an end all the same.
 */
static void
no_descriptor_for_the_region(void)
{
	struct wr_proc a, b, crowd[CROWD];
	long long got;

	puppet_start(&a, "open 0 bus node=maker");
	puppet_start(&b, "open 0 bus");
	puppet_ok(&b, "sub 0 0 imu whole");
	puppet_ok(&a, "pub 0 0 imu");
	crowd_in(crowd, "bus");
	CHECK_EQ(puppet_number(&b, "events 0") > 0, 1);
	puppet_ok(&b, "spare 0");
	CHECK_EQ(puppet_number(&a, "send 0 %d", ROLLS), ROLLS);
	CHECK_EQ(puppet_number(&a, "moves 0"), 1);
	CHECK(strncmp(puppet_ask(&b, "event 0 REFUSED"), "REFUSED ENV_FILES", 17) == 0);
	got = puppet_number(&b, "drain 0");
	CHECK(got > 0 && got < ROLLS);
	CHECK(strncmp(puppet_ask(&b, "event 0 CUT"), "CUT DATA_GAP", 12) == 0);
	CHECK_EQ(puppet_number(&b, "pubs 0"), 0);
	puppet_ok(&b, "spare -1");
	puppet_end(&b);
	puppet_end(&a);
	crowd_out(crowd);
}

static const struct wr_test tests[] = {
	TEST(death_with_a_full_socket),
	TEST(death_after_the_move),
	TEST(full_window_and_full_socket),
	TEST(joining_behind_a_move),
	TEST(no_descriptor_for_the_region),
	TEST_END,
};

const struct wr_suite wr_suite_move = {
	.name = "move", .tests = tests, .labels = "concurrency"};
