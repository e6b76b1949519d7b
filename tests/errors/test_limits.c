/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The limits that are stated, reached for real: the last one fits, one beyond is refused by
 * name, and when one goes another fits again.
 */
#include <weir/look.h>
#include <weir/weir.h>

#include "bus/node.h"
#include "bus/rundir.h"
#include "tests/lib/proc.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"
#include "tests/steward/puppet.h"
#include "tests/steward/stranger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FLAGS = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET };

static void
need_files(rlim_t files)
{
	struct rlimit limit;

	REQUIRE_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max < files && geteuid() == 0)
		limit.rlim_max = files;
	limit.rlim_cur = limit.rlim_max;
	if (limit.rlim_max < files || setrlimit(RLIMIT_NOFILE, &limit) != 0)
		TEST_SKIP("only %d descriptors may be opened here", (int)limit.rlim_max);
}

/* ---- processes ---------------------------------------------------------------------------- */

/* 256 sockets that listen; behind them might as well be processes. */
static void
seats_of_a_bus(void)
{
	static int fds[WEIR_PROCESSES_MAX];
	struct wr_rundir_opts opts = {.bus = "bus"};
	char path[600];
	weir_bus *bus;
	int dirfd;

	REQUIRE_EQ(wr_rundir_open(&opts, &dirfd, path, sizeof(path), NULL), 0);
	for (int i = 0; i < WEIR_PROCESSES_MAX; i++)
		REQUIRE_EQ(wr_rundir_bind(dirfd, (uint64_t)i + 1, 0600, &fds[i], NULL), 0);
	bus = weir_open("bus", .attach_ms = 1, .flags = FLAGS);
	CHECK_EQ(weir_why(bus)->code, WEIR_E_AGAIN_QUOTA);
	CHECK_STR(weir_why(bus)->text, "256 processes are on the bus already");
	CHECK_STR(weir_why(bus)->where, "weir_open 'bus'");
	CHECK(strstr(weir_why(bus)->hint, "docs/guarantees.md") != NULL);
	CHECK_EQ(weir_close(bus), weir_err_exit(WEIR_E_AGAIN_QUOTA));
	CHECK_EQ(wr_tmpdir_count(path), WEIR_PROCESSES_MAX);

	/* A seat is free when its owner has gone, also by death. */
	close(fds[7]);
	bus = weir_open("bus", .attach_ms = 1, .flags = FLAGS);
	CHECK_EQ(weir_why(bus)->code, 0);
	CHECK_EQ(weir_pending(bus, NULL, 0), WEIR_PROCESSES_MAX - 1);
	CHECK_EQ(weir_close(bus), 0);
	for (int i = 0; i < WEIR_PROCESSES_MAX; i++)
		if (i != 7)
			close(fds[i]);
	close(dirfd);
}

/* So many processes, all of them on one bus, and all of them read one topic. */
static void
processes_of_a_bus(void)
{
	static struct wr_proc p[WEIR_PROCESSES_MAX];
	int count = wr_test_long() ? WEIR_PROCESSES_MAX : 24;
	weir_look *look;

	need_files(8192);
	for (int i = 0; i < count; i++) {
		puppet_start(&p[i], "open 0 bus attach=600000");
		puppet_ok(&p[i], "sub 0 0 imu whole");
	}
	look = weir_look_open("bus", NULL, NULL);
	REQUIRE(look != NULL);
	CHECK_EQ(weir_look_refresh(look, 60000), count);
	weir_look_close(look);
	puppet_ok(&p[0], "pub 0 0 imu");
	CHECK_EQ(puppet_number(&p[0], "subs 0"), count);
	CHECK_EQ(puppet_number(&p[0], "send 0 100"), 100);
	for (int i = 0; i < count; i++)
		CHECK_STR(puppet_ask(&p[i], "recv 0 100"), "100 in order");
	if (count == WEIR_PROCESSES_MAX) {
		weir_bus *bus = weir_open("bus", .flags = FLAGS);

		CHECK_EQ(weir_why(bus)->code, WEIR_E_AGAIN_QUOTA);
		CHECK_EQ(weir_close(bus), weir_err_exit(WEIR_E_AGAIN_QUOTA));
	}
	for (int i = 0; i < count; i++)
		puppet_end(&p[i]);
}

/* ---- topics --------------------------------------------------------------------------------- */

static void
fill_with_topics(const char *name)
{
	weir_pub **pubs = calloc(WEIR_TOPICS_MAX, sizeof(weir_pub *));
	weir_bus *bus = weir_open(name, .flags = FLAGS);
	weir_pub *more;
	char topic[32];
	int made = 0;

	REQUIRE(pubs != NULL);
	for (int i = 0; i < WEIR_TOPICS_MAX; i++) {
		snprintf(topic, sizeof(topic), "t.%d", i);
		pubs[i] = weir_advertise(bus, topic, .max_message = 64, .window = 1);
		made += weir_pub_why(pubs[i])->code == 0;
	}
	if (made != WEIR_TOPICS_MAX)
		FAIL("%s after %d", weir_why(bus)->text, made);
	CHECK_EQ(made, WEIR_TOPICS_MAX);
	CHECK_EQ(weir_why(bus)->code, 0);
	more = weir_advertise(bus, "one.more");
	CHECK_EQ(weir_pub_why(more)->code, WEIR_E_AGAIN_QUOTA);
	CHECK(strstr(weir_pub_why(more)->text, "10000 topics") != NULL);
	CHECK(strstr(weir_pub_why(more)->where, "weir_advertise 'one.more' on bus '") !=
		NULL);
	CHECK_EQ(weir_pub_close(more), 0);
	CHECK_EQ(weir_send(pubs[WEIR_TOPICS_MAX - 1], "x", 1), 0);
	CHECK_EQ(weir_pub_close(pubs[5000]), 0);
	more = weir_advertise(bus, "one.more");
	CHECK_EQ(weir_pub_why(more)->code, 0);
	CHECK_EQ(weir_close(bus), weir_err_exit(WEIR_E_AGAIN_QUOTA));
	free(pubs);
}

static void
topics_within_a_process(void)
{
	fill_with_topics("inproc:bus");
}

static void
topics_of_one_process(void)
{
	need_files(WEIR_TOPICS_MAX + 64);
	fill_with_topics("bus");
}

/* The topics of others count too. */
static void
topics_of_several_processes(void)
{
	struct wr_wire msg = {.kind = WR_WIRE_ANNOUNCE, .max_message = 100};
	struct wr_proc node;
	struct stranger st;

	puppet_start(&node, "open 0 bus attach=600000");
	CHECK_EQ(stranger_meet(&st, NULL), 0);
	for (uint64_t i = 1; i < WEIR_TOPICS_MAX; i++) {
		char buf[1024];

		msg.stream = i;
		snprintf(msg.topic, sizeof(msg.topic), "t.%d", (int)i);
		REQUIRE_EQ(stranger_say(&st, msg, NULL), 0);
		while (recv(st.fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
			;
	}
	while (stranger_hear(&st, &msg, NULL) && msg.stream != WEIR_TOPICS_MAX - 1)
		;
	puppet_tell(&node, "pub 0 0 last");
	REQUIRE_EQ(stranger_hear(&st, &msg, NULL), WR_WIRE_ANNOUNCE);
	msg = (struct wr_wire){.kind = WR_WIRE_ANNOUNCED, .stream = msg.stream};
	CHECK_EQ(stranger_say(&st, msg, NULL), 0);
	CHECK_STR(puppet_hear(&node), "ok");
	CHECK_STR(puppet_ask(&node, "pub 1 0 one.more"), "AGAIN_QUOTA");
	msg = (struct wr_wire){.kind = WR_WIRE_ENDED, .stream = 17};
	CHECK_EQ(stranger_say(&st, msg, NULL), 0);
	/* What was said is heard before what is asked next. */
	msg = (struct wr_wire){.kind = WR_WIRE_DETACH, .stream = 1};
	CHECK_EQ(stranger_say(&st, msg, NULL), 0);
	REQUIRE_EQ(stranger_hear(&st, &msg, NULL), WR_WIRE_DETACHED);
	puppet_tell(&node, "pub 2 0 one.more");
	REQUIRE_EQ(stranger_hear(&st, &msg, NULL), WR_WIRE_ANNOUNCE);
	msg = (struct wr_wire){.kind = WR_WIRE_ANNOUNCED, .stream = msg.stream};
	CHECK_EQ(stranger_say(&st, msg, NULL), 0);
	CHECK_STR(puppet_hear(&node), "ok");
	stranger_leave(&st);
	puppet_end(&node);
}

/* ---- subscriptions ------------------------------------------------------------------------------ */

static void
fill_with_subscriptions(const char *name)
{
	static weir_sub *subs[WEIR_SUBSCRIBERS_MAX];
	weir_bus *bus = weir_open(name, .flags = FLAGS);
	weir_pub *pub = weir_advertise(bus, "imu"), *late;
	char buf[8];
	weir_sub *more;
	int good = 0;

	for (int i = 0; i < WEIR_SUBSCRIBERS_MAX; i++) {
		subs[i] = weir_subscribe(bus, i % 2 ? "imu" : "*");
		good += weir_sub_why(subs[i])->code == 0;
	}
	CHECK_EQ(good, WEIR_SUBSCRIBERS_MAX);
	CHECK_EQ(weir_subscribers(pub), WEIR_SUBSCRIBERS_MAX);
	more = weir_subscribe(bus, "imu");
	CHECK_EQ(weir_sub_why(more)->code, WEIR_E_AGAIN_QUOTA);
	CHECK_STR(weir_sub_why(more)->text, "topic 'imu' has 1024 subscriptions");
	CHECK(strstr(weir_sub_why(more)->where, "weir_subscribe 'imu' on bus '") != NULL);
	CHECK_EQ(weir_unsubscribe(more), 0);
	CHECK_EQ(weir_send(pub, "hello", 5), 0);
	good = 0;
	for (int i = 0; i < WEIR_SUBSCRIBERS_MAX; i++)
		good += weir_recv(subs[i], buf, sizeof(buf), 0, NULL) == 5;
	CHECK_EQ(good, WEIR_SUBSCRIBERS_MAX);
	CHECK_EQ(weir_unsubscribe(subs[100]), 0);
	more = weir_subscribe(bus, "imu");
	CHECK_EQ(weir_sub_why(more)->code, 0);
	/* Who comes after all of them may have no more either. */
	CHECK_EQ(weir_unsubscribe(more), 0);
	more = weir_subscribe(bus, "*");
	late = weir_advertise(bus, "odo");
	CHECK_EQ(weir_subscribers(late),
		WEIR_SUBSCRIBERS_MAX / 2 + (100 % 2 == 0 ? 0 : 1));
	CHECK_EQ(weir_close(bus), weir_err_exit(WEIR_E_AGAIN_QUOTA));
}

static void
subscriptions_within_a_process(void)
{
	fill_with_subscriptions("inproc:bus");
	fill_with_subscriptions("bus");
}

static void
subscriptions_of_several_processes(void)
{
	struct wr_wire announced, msg;
	struct wr_proc node, b;
	struct stranger st;

	puppet_start(&node, "open 0 bus");
	puppet_ok(&node, "pub 0 0 imu");
	CHECK_EQ(stranger_meet(&st, &announced), 1);
	for (uint32_t i = 0; i <= WEIR_SUBSCRIBERS_MAX; i++) {
		msg = (struct wr_wire){.kind = WR_WIRE_ATTACH,
			.stream = announced.stream,
			.sub = i + 1,
			.slot = i};
		REQUIRE_EQ(stranger_say(&st, msg, NULL), 0);
		REQUIRE_EQ(stranger_hear(&st, &msg, NULL),
			i < WEIR_SUBSCRIBERS_MAX ? WR_WIRE_ATTACHED : WR_WIRE_REFUSED);
	}
	CHECK_EQ(msg.code, WEIR_E_AGAIN_QUOTA);
	puppet_start(&b, "open 0 bus");
	puppet_ok(&b, "sub 0 0 imu");
	CHECK(strncmp(puppet_ask(&b, "event 0 REFUSED"), "REFUSED AGAIN_QUOTA ", 20) == 0);
	CHECK_EQ(puppet_number(&b, "pubs 0"), 0);
	msg = (struct wr_wire){
		.kind = WR_WIRE_DETACH, .stream = announced.stream, .sub = 99};
	CHECK_EQ(stranger_say(&st, msg, NULL), 0);
	REQUIRE_EQ(stranger_hear(&st, &msg, NULL), WR_WIRE_DETACHED);
	puppet_ok(&b, "sub 1 0 imu whole");
	CHECK_EQ(puppet_number(&node, "send 0 5"), 5);
	CHECK_STR(puppet_ask(&b, "recv 1 5"), "5 in order");
	stranger_leave(&st);
	puppet_end(&node);
	puppet_end(&b);
}

/* ---- many at once ---------------------------------------------------------------------------------- */

/* A pattern that follows more streams than a socket takes messages. */
static void
many_streams_of_one_pattern(void)
{
	enum { MANY = 1500 };
	struct wr_proc node, b;
	char expected[32];

	need_files(4 * MANY);
	puppet_start(&node, "open 0 bus attach=600000");
	CHECK_EQ(puppet_number(&node, "pubs-of 0 t %d", MANY), MANY);
	puppet_start(&b, "open 0 bus attach=600000");
	puppet_ok(&b, "sub 0 0 t.*");
	CHECK_EQ(puppet_number(&b, "pubs 0"), MANY);
	CHECK_EQ(puppet_number(&node, "tell-all 0"), MANY);
	snprintf(expected, sizeof(expected), "%d heard", MANY);
	CHECK_STR(puppet_ask(&b, "hear 0 %d", MANY), expected);
	puppet_end(&node);
	puppet_end(&b);
}

static const struct wr_test tests[] = {
	TEST(seats_of_a_bus),
	TEST(processes_of_a_bus, .watchdog_s = 120),
	TEST(topics_within_a_process, .watchdog_s = 300),
	TEST(topics_of_one_process, .watchdog_s = 300),
	TEST(topics_of_several_processes),
	TEST(subscriptions_within_a_process),
	TEST(subscriptions_of_several_processes),
	TEST(many_streams_of_one_pattern),
	TEST_END,
};

const struct wr_suite wr_suite_limits = {.name = "limits", .tests = tests};
