/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Leaving, in order and by death: what was committed arrives, then the end; the others are
 * told who left; nothing stays behind.
 */
#include <weir/look.h>
#include <weir/weir.h>

#include "tests/lib/await.h"
#include "tests/lib/fdleak.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"
#include "tests/steward/puppet.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A sanitizer maps memory for itself, so mappings cannot be counted under one. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static const char *const threads[4][2] = {
	{"", ""}, {"nothread", ""}, {"", "nothread"}, {"nothread", "nothread"}};

/* How many sockets there are in the directory of a bus. */
static int
sockets(const char *bus)
{
	char path[600];

	return wr_tmpdir_count(wr_tmpdir_path(path, sizeof(path), bus));
}

/* ---- what was committed arrives ------------------------------------------------------- */

static void
close_drains(void)
{
	for (int i = 0; i < 4; i++) {
		struct wr_proc a, b;

		puppet_start(&a, "open 0 bus%d %s", i, threads[i][0]);
		puppet_start(&b, "open 0 bus%d %s", i, threads[i][1]);
		puppet_ok(&b, "sub 0 0 imu whole");
		puppet_ok(&a, "pub 0 0 imu");
		CHECK_EQ(puppet_number(&a, "send 0 5000"), 5000);
		CHECK_STR(puppet_ask(&a, "close 0"), "closed 0");
		puppet_end(&a);
		CHECK_STR(puppet_ask(&b, "drain 0"), "5000 in order");
		/* The end is told once, and another publisher may follow. */
		puppet_start(&a, "open 0 bus%d %s", i, threads[i][0]);
		puppet_ok(&a, "pub 0 0 imu");
		CHECK_EQ(puppet_number(&a, "subs 0"), 1);
		CHECK_EQ(puppet_number(&a, "send 0 7"), 7);
		CHECK_EQ(puppet_number(&a, "unpub 0"), 0);
		CHECK_STR(puppet_ask(&b, "drain 0"), "7 in order");
		CHECK(strncmp(puppet_ask(&b, "seen 0"),
			      "5007 delivered 0 lost 0 aborted 0 streams 2 ended 0",
			      50) == 0);
		puppet_end(&a);
		puppet_end(&b);
	}
}

static void
death_drains(void)
{
	for (int i = 0; i < 4; i++) {
		struct wr_proc a, b;

		puppet_start(&a, "open 0 bus%d %s", i, threads[i][0]);
		puppet_start(&b, "open 0 bus%d %s", i, threads[i][1]);
		puppet_ok(&b, "sub 0 0 imu whole");
		puppet_ok(&a, "pub 0 0 imu");
		CHECK_EQ(puppet_number(&a, "send 0 5000"), 5000);
		wr_proc_kill(&a);
		CHECK_STR(puppet_ask(&b, "drain 0"), "5000 in order");
		puppet_end(&b);
	}
}

/* Also when the reader is waiting for more at that moment. */
static void
death_is_seen_by_who_waits(void)
{
	for (int i = 0; i < 4; i++) {
		struct wr_proc a, b;

		puppet_start(&a, "open 0 bus%d %s", i, threads[i][0]);
		puppet_start(&b, "open 0 bus%d %s", i, threads[i][1]);
		puppet_ok(&b, "sub 0 0 imu whole");
		puppet_ok(&a, "pub 0 0 imu");
		CHECK_EQ(puppet_number(&a, "send 0 3"), 3);
		puppet_tell(&b, "drain 0");
		wr_proc_kill(&a);
		CHECK_STR(puppet_hear(&b), "3 in order");
		puppet_end(&b);
	}
}

static void
death_with_open_claims(void)
{
	struct wr_proc a, b;

	puppet_start(&a, "open 0 bus");
	puppet_start(&b, "open 0 bus");
	puppet_ok(&b, "sub 0 0 imu whole gaps");
	puppet_ok(&b, "sub 1 0 imu whole gaps");
	puppet_ok(&a, "pub 0 0 imu");
	CHECK_EQ(puppet_number(&a, "send 0 10"), 10);
	CHECK_EQ(puppet_number(&a, "claim 0 0"), 10);
	CHECK_EQ(puppet_number(&a, "send 0 20"), 31);
	CHECK_EQ(puppet_number(&a, "claim 0 1"), 31);
	CHECK_EQ(puppet_number(&a, "claim 0 2"), 32);
	CHECK_EQ(puppet_number(&a, "send 0 5"), 38);
	CHECK_EQ(puppet_number(&a, "commit 0 2"), 0);
	CHECK_EQ(puppet_number(&a, "claim 0 3"), 38);
	/* While it lives, nothing behind the first open claim is seen. */
	CHECK_STR(puppet_ask(&b, "recv 0 10"), "10 in order, 0 left out");
	wr_proc_kill(&a);
	CHECK_STR(puppet_ask(&b, "drain 0"), "26 in order, 2 left out");
	CHECK_STR(puppet_ask(&b, "drain 1"), "36 in order, 2 left out");
	CHECK(strncmp(puppet_ask(&b, "seen 1"), "36 delivered 0 lost 3 aborted", 29) == 0);
	puppet_end(&b);
}

static void
close_gives_open_claims_back(void)
{
	struct wr_proc a, b;

	puppet_start(&a, "open 0 bus");
	puppet_start(&b, "open 0 bus");
	puppet_ok(&b, "sub 0 0 imu whole gaps");
	puppet_ok(&a, "pub 0 0 imu");
	CHECK_EQ(puppet_number(&a, "claim 0 0"), 0);
	CHECK_EQ(puppet_number(&a, "send 0 20"), 21);
	CHECK_EQ(puppet_number(&a, "claim 0 1"), 21);
	puppet_end(&a);
	CHECK_STR(puppet_ask(&b, "drain 0"), "20 in order, 1 left out");
	puppet_end(&b);
}

/*
 * B's subscription is admitted while B is stopped: A was stopped first, so that it finds
 * B's request when it goes on, and answers to somebody who does not listen.
 */
static void
admit_a_sleeper(struct wr_proc *a, struct wr_proc *b)
{
	puppet_ok(a, "pub 0 0 imu");
	puppet_start(b, "open 0 bus attach=50");
	REQUIRE(wr_proc_stop(a));
	puppet_ok(b, "sub 0 0 imu");
	CHECK_EQ(puppet_number(b, "pending 0"), 1);
	REQUIRE(wr_proc_stop(b));
	wr_proc_continue(a);
	while (!strstr(puppet_ask(a, "stats 0"), " 1 subscribers"))
		;
}

static void
close_waits_for_a_late_attacher(void)
{
	struct wr_proc a, b;

	puppet_start(&a, "open 0 bus close=600000");
	admit_a_sleeper(&a, &b);
	puppet_tell(&a, "close 0");
	wr_proc_continue(&b);
	CHECK_STR(puppet_hear(&a), "closed 0");
	puppet_end(&a);
	CHECK_STR(puppet_ask(&b, "drain 0"), "0 in order");
	puppet_end(&b);
}

/* ... but not for ever. */
static void
close_ends_at_its_deadline(void)
{
	struct wr_proc a, b;

	puppet_start(&a, "open 0 bus close=100");
	admit_a_sleeper(&a, &b);
	CHECK_STR(puppet_ask(&a, "close 0"), "closed 0");
	puppet_end(&a);
	/* The descriptor was on its way: there is an end to it all the same. */
	wr_proc_continue(&b);
	CHECK_STR(puppet_ask(&b, "drain 0"), "0 in order");
	puppet_end(&b);
}

/*
 * Who is pending was promised nothing, and closing waits once, not once per publisher: at
 * four seconds each this would not end before the watchdog.
 */
static void
close_waits_once(void)
{
	struct wr_proc a, b;

	/* Pending: its answers to the announcements are owed. */
	puppet_start(&b, "open 0 bus");
	puppet_ok(&b, "sub 0 0 >");
	puppet_start(&a, "open 0 bus attach=50 close=4000");
	REQUIRE(wr_proc_stop(&b));
	for (int i = 0; i < 16; i++)
		puppet_ok(&a, "pub %d 0 t.%d", i, i);
	for (int i = 0; i < 16; i++)
		CHECK_EQ(puppet_number(&a, "unpub %d", i), 0);
	puppet_end(&a);
	wr_proc_kill(&b);

	/* Admitted: its rows stand and nobody is there. */
	puppet_start(&a, "open 0 bus close=4000");
	for (int i = 0; i < 16; i++)
		puppet_ok(&a, "pub %d 0 t.%d", i, i);
	puppet_start(&b, "open 0 bus attach=50");
	REQUIRE(wr_proc_stop(&a));
	puppet_ok(&b, "sub 0 0 >");
	REQUIRE(wr_proc_stop(&b));
	wr_proc_continue(&a);
	for (int i = 0; i < 16; i++)
		while (!strstr(puppet_ask(&a, "stats %d", i), " 1 subscribers"))
			;
	CHECK_STR(puppet_ask(&a, "close 0"), "closed 0");
	puppet_end(&a);
	wr_proc_kill(&b);
}

/* ---- who is told ------------------------------------------------------------------------ */

static void
events_name_who_came_and_left(void)
{
	struct wr_proc a, b;
	char expected[200];
	int pid;

	puppet_start(&a, "open 0 bus node=alice");
	puppet_ok(&a, "pub 0 0 imu");
	puppet_ok(&a, "sub 0 0 odo");
	for (int died = 0; died < 2; died++) {
		puppet_start(&b, "open 0 bus node=bob");
		pid = (int)b.pid;
		snprintf(expected, sizeof(expected), "NODE_JOINED - %d 0 bob -", pid);
		CHECK_STR(puppet_ask(&a, "event 0"), expected);
		snprintf(expected, sizeof(expected), "NODE_JOINED - %d 0 alice -",
			(int)a.pid);
		CHECK_STR(puppet_ask(&b, "event 0"), expected);
		puppet_ok(&b, "sub 0 0 >");
		snprintf(expected, sizeof(expected), "SUB_JOINED - %d 0 bob imu", pid);
		CHECK_STR(puppet_ask(&a, "event 0"), expected);
		snprintf(expected, sizeof(expected), "PUB_JOINED - %d 0 alice imu",
			(int)a.pid);
		CHECK_STR(puppet_ask(&b, "event 0"), expected);
		puppet_ok(&b, "pub 0 0 odo");
		snprintf(expected, sizeof(expected), "PUB_JOINED - %d 0 bob odo", pid);
		CHECK_STR(puppet_ask(&a, "event 0"), expected);
		if (died) {
			wr_proc_kill(&b);
			snprintf(expected, sizeof(expected), "SUB_DIED - %d 0 bob imu",
				pid);
			CHECK_STR(puppet_ask(&a, "event 0"), expected);
			snprintf(expected, sizeof(expected), "PUB_DIED - %d 0 bob odo",
				pid);
			CHECK_STR(puppet_ask(&a, "event 0"), expected);
			snprintf(expected, sizeof(expected), "NODE_DIED - %d 0 bob -",
				pid);
			CHECK_STR(puppet_ask(&a, "event 0"), expected);
		} else {
			CHECK_EQ(puppet_number(&b, "unsub 0"), 0);
			snprintf(expected, sizeof(expected), "SUB_LEFT - %d 0 bob imu",
				pid);
			CHECK_STR(puppet_ask(&a, "event 0"), expected);
			CHECK_EQ(puppet_number(&b, "unpub 0"), 0);
			snprintf(expected, sizeof(expected), "PUB_LEFT - %d 0 bob odo",
				pid);
			CHECK_STR(puppet_ask(&a, "event 0"), expected);
			puppet_end(&b);
			snprintf(expected, sizeof(expected), "NODE_LEFT - %d 0 bob -",
				pid);
			CHECK_STR(puppet_ask(&a, "event 0"), expected);
		}
		CHECK_EQ(puppet_number(&a, "events 0"), 0);
		CHECK_EQ(puppet_number(&a, "subs 0"), 0);
		CHECK_STR(puppet_ask(&a, "drain 0"), "0 in order");
		CHECK_EQ(puppet_number(&a, "pubs 0"), 0);
	}
	puppet_end(&a);
}

/* Whoever exits without closing has died, as far as the others know. */
static int
exits_without_closing(int argc, char **argv)
{
	weir_bus *bus = weir_open("bus", .node = "hasty");
	weir_pub *pub = weir_advertise(bus, "imu");

	(void)argc;
	(void)argv;
	if (weir_wait_subscribers(pub, 1, WEIR_FOREVER) < 1 || weir_send(pub, "x", 1) < 0)
		return 1;
	_exit(0);
}

static void
exit_without_close_is_death(void)
{
	struct wr_proc a, b;
	char buf[8];
	weir_msg msg;
	weir_bus *bus = weir_open("bus", .flags = WEIR_BUS_NO_SIGNALS);
	weir_sub *sub = weir_subscribe(bus, "imu");
	weir_event event = {0};

	(void)a;
	wr_proc_start(&b, "exits_without_closing", NULL);
	CHECK_EQ(weir_recv(sub, buf, sizeof(buf), WEIR_FOREVER, &msg), 1);
	CHECK_EQ(wr_proc_wait(&b), 0);
	CHECK_EQ(weir_recv(sub, buf, sizeof(buf), WEIR_FOREVER, &msg), -WEIR_E_GONE_END);
	event = await_event(bus, WEIR_EV_NODE_DIED);
	CHECK_STR(event.node, "hasty");
	CHECK_EQ(weir_close(bus), 0);
	CHECK_EQ(sockets("bus"), 0);
}

static void
waiting_for_subscribers(void)
{
	for (int i = 0; i < 4; i++) {
		struct wr_proc a, b, c;

		puppet_start(&a, "open 0 bus%d %s", i, threads[i][0]);
		puppet_start(&b, "open 0 bus%d %s", i, threads[i][1]);
		puppet_start(&c, "open 0 bus%d %s", i, threads[i][1]);
		puppet_ok(&a, "pub 0 0 imu");
		CHECK_EQ(puppet_number(&a, "wait 0 0 0"), 0);
		CHECK_STR(puppet_ask(&a, "wait 0 1 0"), "AGAIN_TIMEOUT");
		CHECK_STR(puppet_ask(&a, "wait 0 1 30"), "AGAIN_TIMEOUT");
		CHECK(strstr(puppet_ask(&a, "why p 0"),
			      "0 of 1 subscribers came to 'imu' in 30 ms") != NULL);
		puppet_tell(&a, "wait 0 2 -1");
		puppet_ok(&b, "sub 0 0 imu");
		puppet_ok(&c, "sub 0 0 *");
		CHECK_STR(puppet_hear(&a), "2");
		wr_proc_kill(&c);
		CHECK(strncmp(puppet_ask(&a, "event 0 SUB_DIED"), "SUB_DIED", 8) == 0);
		CHECK_EQ(puppet_number(&a, "subs 0"), 1);
		CHECK_EQ(puppet_number(&b, "unsub 0"), 0);
		CHECK(strncmp(puppet_ask(&a, "event 0 SUB_LEFT"), "SUB_LEFT", 8) == 0);
		CHECK_EQ(puppet_number(&a, "subs 0"), 0);
		puppet_end(&a);
		puppet_end(&b);
	}
}

/* ---- a publisher that waits for room ------------------------------------------------------ */

/* Far more than the window holds: without the reader's end this never returns. */
static void
blocked_publisher_goes_on(void)
{
	static const char *const how[] = {"kill", "stop and kill", "unsub 0", "close 0"};

	for (int i = 0; i < 4; i++) {
		for (int k = 0; k < 4; k++) {
			struct wr_proc a, b;

			puppet_start(&a, "open 0 bus%d %s", i, threads[i][0]);
			puppet_start(&b, "open 0 bus%d %s", i, threads[i][1]);
			puppet_ok(&b, "sub 0 0 imu");
			puppet_ok(&a, "pub 0 0 imu max=1024 window=65536 wait=-2");
			/* Never waiting, it finds the place where it would wait. */
			CHECK_STR(puppet_ask(&a, "send 0 1000000"), "AGAIN_FULL");
			CHECK(strstr(puppet_ask(&a, "why p 0"), "imu") != NULL);
			puppet_ok(&a, "pub 1 0 odo max=1024 window=65536 wait=-1");
			puppet_ok(&b, "sub 1 0 odo");
			puppet_tell(&a, "send 1 200000");
			CHECK(strncmp(puppet_ask(&b, "seen 1"), "0 delivered", 11) == 0);
			if (k == 1)
				REQUIRE(wr_proc_stop(&b));
			if (k < 2) {
				wr_proc_kill(&b);
			} else if (k == 2) {
				CHECK_EQ(puppet_number(&b, "unsub 1"), 0);
			} else {
				CHECK_STR(puppet_ask(&b, "%s", how[k]), "closed 0");
			}
			CHECK_STR(puppet_hear(&a), "200000");
			if (k == 2)
				CHECK_EQ(puppet_number(&b, "unsub 0"), 0);
			puppet_end(&a);
			if (k >= 2)
				puppet_end(&b);
		}
	}
}

/* ---- nothing is left ------------------------------------------------------------------------ */

static void
cycle(int i)
{
	static const char *const bus_names[] = {"bus", "inproc:bus"};
	weir_bus *bus = weir_open(bus_names[i % 4 == 3],
		.flags = WEIR_BUS_NO_SIGNALS | (i % 3 == 2 ? WEIR_BUS_NO_THREAD : 0));
	weir_sub *sub = weir_subscribe(bus, "a.*");
	weir_pub *pub = weir_advertise(bus, "a.b");
	const uint64_t load[2] = {0, ~(uint64_t)0}; /* as a puppet expects it */
	char buf[16];

	CHECK_EQ(weir_send(pub, load, sizeof(load)), 0);
	CHECK_EQ(weir_recv(sub, buf, sizeof(buf), WEIR_FOREVER, NULL), sizeof(load));
	CHECK_EQ(weir_close(bus), 0);
}

static void
nothing_is_left(void)
{
	struct wr_fds *fds = malloc(sizeof(*fds));
	struct wr_proc b;
	int maps, b_fds, b_maps;

	REQUIRE(fds);
	/* A peer that stays, so that there is somebody to leave things with. */
	puppet_start(&b, "open 0 bus");
	puppet_ok(&b, "sub 0 0 >");
	puppet_ok(&b, "pub 0 0 a.c");
	for (int i = 0; i < 24; i++)
		cycle(i);
	wr_fds_take(fds);
	maps = wr_maps_count("");
	CHECK_EQ(wr_maps_count("memfd:weir"), 0);
	/* Its streams end there when they are read; then nothing of ours is left there. */
	CHECK_STR(puppet_ask(&b, "ends 0 18"), "18 in order");
	b_fds = (int)puppet_number(&b, "fds");
	b_maps = (int)puppet_number(&b, "maps");
	for (int i = 0; i < 120; i++)
		cycle(i);
	CHECK_EQ(wr_fds_new(fds), 0);
	if (!SANITIZED)
		CHECK_EQ(wr_maps_count(""), maps);
	CHECK_EQ(wr_maps_count("memfd:weir"), 0);
	CHECK_STR(puppet_ask(&b, "ends 0 90"), "90 in order");
	CHECK_EQ(puppet_number(&b, "fds"), b_fds);
	if (!SANITIZED)
		CHECK_EQ(puppet_number(&b, "maps"), b_maps);
	CHECK_EQ(sockets("bus"), 1);
	puppet_end(&b);
	CHECK_EQ(sockets("bus"), 0);
	free(fds);
}

static void
deaths_leave_nothing_with_the_living(void)
{
	struct wr_proc a, b;
	int fds = 0, maps = 0;

	puppet_start(&a, "open 0 bus");
	puppet_ok(&a, "sub 0 0 > whole");
	puppet_ok(&a, "pub 0 0 back");
	for (int i = 0; i < 30; i++) {
		puppet_start(&b, "open 0 bus %s", i % 2 ? "nothread" : "");
		puppet_ok(&b, "pub 0 0 imu");
		puppet_ok(&b, "sub 0 0 back");
		CHECK_EQ(puppet_number(&b, "send 0 10"), 10);
		wr_proc_kill(&b);
		CHECK_STR(puppet_ask(&a, "drain 0"), "10 in order");
		CHECK(strncmp(puppet_ask(&a, "event 0 NODE_DIED"), "NODE_DIED", 9) == 0);
		CHECK_EQ(sockets("bus"), 1);
		if (i == 5) {
			fds = (int)puppet_number(&a, "fds");
			maps = (int)puppet_number(&a, "maps");
		}
	}
	/* The last one's go a moment after its death was told; and it may have had to wait for
	 * the first time since then, for which it opens a descriptor. */
	while (puppet_number(&a, "fds") > fds + 1)
		;
	while (!SANITIZED && puppet_number(&a, "maps") > maps)
		;
	puppet_end(&a);
	CHECK_EQ(sockets("bus"), 0);
}

static void
left_over_sockets_disturb_nobody(void)
{
	struct wr_proc dead[5], a, b;
	weir_error err;

	/* All at once, so that nobody is there to bury the others. */
	for (int i = 0; i < 5; i++)
		puppet_start(&dead[i], "open 0 bus");
	for (int i = 0; i < 5; i++)
		REQUIRE(wr_proc_stop(&dead[i]));
	for (int i = 0; i < 5; i++)
		wr_proc_kill(&dead[i]);
	CHECK_EQ(sockets("bus"), 5);

	puppet_start(&a, "open 0 bus attach=600000");
	CHECK_EQ(puppet_number(&a, "pending 0"), 0);
	CHECK_EQ(puppet_number(&a, "events 0"), 0);
	puppet_start(&b, "open 0 bus attach=600000");
	puppet_ok(&a, "pub 0 0 imu");
	puppet_ok(&b, "sub 0 0 imu");
	CHECK_EQ(puppet_number(&a, "send 0 3"), 3);
	CHECK_STR(puppet_ask(&b, "recv 0 3"), "3 in order");
	CHECK_EQ(sockets("bus"), 2);
	CHECK_EQ(weir_look_clean("bus", NULL, 1, &err), 0);
	CHECK_EQ(sockets("bus"), 2);
	puppet_end(&a);
	puppet_end(&b);
	CHECK_EQ(sockets("bus"), 0);
}

static void
clean_takes_what_the_dead_left(void)
{
	struct wr_proc dead[3], a;
	weir_error err = {0};

	for (int i = 0; i < 3; i++)
		puppet_start(&dead[i], "open 0 bus");
	for (int i = 0; i < 3; i++)
		REQUIRE(wr_proc_stop(&dead[i]));
	for (int i = 1; i < 3; i++)
		wr_proc_kill(&dead[i]);
	/* The stopped one lives. */
	CHECK_EQ(weir_look_clean("bus", NULL, 0, &err), 2);
	CHECK_EQ(weir_look_clean("bus", NULL, 0, &err), 2);
	CHECK_EQ(sockets("bus"), 3);
	CHECK_EQ(weir_look_clean("bus", NULL, 1, &err), 2);
	CHECK_EQ(sockets("bus"), 1);
	CHECK_EQ(weir_look_clean("bus", NULL, 1, &err), 0);
	CHECK_EQ(sockets("bus"), 1);
	wr_proc_continue(&dead[0]);
	puppet_start(&a, "open 0 bus");
	puppet_ok(&a, "pub 0 0 imu");
	puppet_ok(&dead[0], "sub 0 0 imu");
	CHECK_EQ(puppet_number(&a, "wait 0 1 -1"), 1);
	puppet_end(&a);
	wr_proc_kill(&dead[0]);
	CHECK_EQ(weir_look_clean("bus", NULL, 1, &err), 1);
	CHECK_EQ(sockets("bus"), 0);
	CHECK_EQ(weir_look_clean("nobus", NULL, 1, &err), -WEIR_E_ENV_NOTFOUND);
	CHECK_EQ(err.code, WEIR_E_ENV_NOTFOUND);
}

static const struct wr_test tests[] = {
	TEST(close_drains),
	TEST(death_drains),
	TEST(death_is_seen_by_who_waits),
	TEST(death_with_open_claims),
	TEST(close_gives_open_claims_back),
	TEST(close_waits_for_a_late_attacher),
	TEST(close_ends_at_its_deadline),
	TEST(close_waits_once),
	TEST(events_name_who_came_and_left),
	TEST(exit_without_close_is_death),
	TEST(waiting_for_subscribers),
	TEST(blocked_publisher_goes_on, .watchdog_s = 120),
	TEST(nothing_is_left),
	TEST(deaths_leave_nothing_with_the_living),
	TEST(left_over_sockets_disturb_nobody),
	TEST(clean_takes_what_the_dead_left),
	TEST_END,
};
static const struct wr_helper helpers[] = {HELPER(exits_without_closing), HELPER_END};

const struct wr_suite wr_suite_leave = {
	.name = "leave", .tests = tests, .helpers = helpers, .labels = "concurrency"};
