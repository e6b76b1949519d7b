/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Row N20: what a publisher leaves is handed on by whoever has it mapped. */
#include "tests/lib/test.h"
#include "tests/steward/puppet.h"

#include <stdlib.h>
#include <string.h>
#include <weir/weir.h>

enum { COUNT = 100, OLDEST = 1, LAST = 2 };

/* One that published, and a reader that has it all. */
static void
publish_to(struct wr_proc *a, struct wr_proc *b, const char *how)
{
	puppet_start(a, "open 0 bus node=author");
	puppet_ok(a, "pub 0 0 imu %s", how);
	puppet_start(b, "open 0 bus node=keeper");
	puppet_ok(b, "sub 0 0 imu whole");
	CHECK_EQ(puppet_number(a, "wait 0 1 -1"), 1);
	CHECK_EQ(puppet_number(a, "send 0 %d", COUNT), COUNT);
	CHECK_STR(puppet_ask(b, "recv 0 %d", COUNT), "100 in order");
}

static void
kill_author(struct wr_proc *a, struct wr_proc *b)
{
	wr_proc_kill(a);
	CHECK(strncmp(puppet_ask(b, "event 0 NODE_DIED"), "NODE_DIED", 9) == 0);
	CHECK_STR(puppet_ask(b, "drain 0"), "0 in order");
}

static void
N20_history_outlives_its_publisher(void)
{
	struct wr_proc a, b, c;

	publish_to(&a, &b, "keep=1000");
	kill_author(&a, &b);

	puppet_start(&c, "open 0 bus");
	puppet_ok(&c, "sub 0 0 imu from=%d whole", OLDEST);
	CHECK_STR(puppet_ask(&c, "drain 0"), "100 in order");
	puppet_ok(&c, "sub 1 0 imu from=%d count=10", LAST);
	CHECK_STR(puppet_ask(&c, "drain 1"), "10 in order");
	CHECK_EQ(puppet_number(&c, "first 1"), COUNT - 10);
	/* Who asks for what is to come gets nothing of it. */
	puppet_ok(&c, "sub 2 0 imu");
	CHECK_EQ(puppet_number(&c, "pubs 2"), 0);
	puppet_end(&b);
	puppet_end(&c);
}

static void
N20_it_is_handed_from_keeper_to_keeper(void)
{
	struct wr_proc a, b, c, d;

	publish_to(&a, &b, "keep=1000");
	kill_author(&a, &b);
	puppet_start(&c, "open 0 bus");
	puppet_ok(&c, "sub 0 0 imu from=%d whole", OLDEST);
	CHECK_STR(puppet_ask(&c, "drain 0"), "100 in order");
	wr_proc_kill(&b);
	CHECK(strncmp(puppet_ask(&c, "event 0 NODE_DIED"), "NODE_DIED", 9) == 0);
	puppet_start(&d, "open 0 bus");
	puppet_ok(&d, "sub 0 0 imu from=%d whole", OLDEST);
	CHECK_STR(puppet_ask(&d, "drain 0"), "100 in order");
	puppet_end(&c);
	puppet_end(&d);
}

static void
N20_of_two_keepers_it_comes_once(void)
{
	struct wr_proc a, b, c, d;

	publish_to(&a, &b, "keep=1000");
	puppet_start(&c, "open 0 bus");
	puppet_ok(&c, "sub 0 0 imu from=%d whole", OLDEST);
	CHECK_STR(puppet_ask(&c, "recv 0 %d", COUNT), "100 in order");
	kill_author(&a, &b);
	CHECK(strncmp(puppet_ask(&c, "event 0 NODE_DIED"), "NODE_DIED", 9) == 0);
	CHECK_STR(puppet_ask(&c, "drain 0"), "0 in order");
	puppet_start(&d, "open 0 bus");
	puppet_ok(&d, "sub 0 0 imu from=%d whole", OLDEST);
	CHECK_STR(puppet_ask(&d, "drain 0"), "100 in order");
	CHECK_EQ(puppet_number(&d, "pubs 0"), 0);
	/* The keepers do not give each other what they have had. */
	CHECK_EQ(puppet_number(&b, "pubs 0"), 0);
	CHECK_EQ(puppet_number(&c, "pubs 0"), 0);
	puppet_end(&b);
	puppet_end(&c);
	puppet_end(&d);
}

static void
N20_so_it_is_when_the_publisher_closes(void)
{
	struct wr_proc a, b, c;

	publish_to(&a, &b, "keep=1000");
	CHECK_EQ(puppet_number(&a, "unpub 0"), 0);
	CHECK_STR(puppet_ask(&b, "drain 0"), "0 in order");
	/* Another subscription of the keeper itself; then of another process. */
	puppet_ok(&b, "sub 1 0 imu from=%d whole", OLDEST);
	CHECK_STR(puppet_ask(&b, "drain 1"), "100 in order");
	puppet_start(&c, "open 0 bus");
	puppet_ok(&c, "sub 0 0 imu from=%d whole", OLDEST);
	CHECK_STR(puppet_ask(&c, "drain 0"), "100 in order");
	puppet_end(&a);
	puppet_end(&b);
	puppet_end(&c);
}

/* A topic that did not ask for history, or not everybody's, is not handed on. */
static void
what_is_not_kept(void)
{
	static const char *const how[] = {"", "keep=1000 readers=root"};

	for (int i = 0; i < 2; i++) {
		struct wr_proc a, b, c;

		publish_to(&a, &b, how[i]);
		kill_author(&a, &b);
		puppet_start(&c, "open 0 bus");
		puppet_ok(&c, "sub 0 0 imu from=%d", OLDEST);
		CHECK_EQ(puppet_number(&c, "pubs 0"), 0);
		puppet_end(&b);
		puppet_end(&c);
	}
}

/* Of many that came and went, the latest eight. */
static void
the_latest_are_kept(void)
{
	struct wr_proc a, b, c;

	puppet_start(&b, "open 0 bus node=keeper");
	puppet_ok(&b, "sub 0 0 imu whole");
	for (int i = 0; i < 12; i++) {
		puppet_start(&a, "open 0 bus");
		puppet_ok(&a, "pub 0 0 imu keep=10");
		CHECK_EQ(puppet_number(&a, "send 0 %d", i + 1), i + 1);
		puppet_end(&a);
		CHECK_EQ(atoi(puppet_ask(&b, "drain 0")), i + 1);
	}
	puppet_start(&c, "open 0 bus");
	puppet_ok(&c, "sub 0 0 imu from=%d whole", OLDEST);
	CHECK_EQ(puppet_number(&c, "pubs 0"), 8);
	puppet_end(&b);
	puppet_end(&c);
}

/* ---- within one process ---------------------------------------------------------------------- */

/* Reads to the end; how many there were, each with its number. */
static int
drain(weir_sub *sub)
{
	weir_msg msg;
	int count = 0, rc;

	while ((rc = weir_peek(sub, &msg)) == 1) {
		int number;

		memcpy(&number, msg.data, sizeof(number));
		CHECK_EQ(number, (int)msg.seq);
		CHECK_EQ(weir_next(sub), 0);
		count++;
	}
	CHECK_EQ(rc, -WEIR_E_GONE_END);
	return count;
}

static void
N20_and_so_it_is_within_one_process(void)
{
	weir_bus *a = weir_open("inproc:left"), *b = weir_open("inproc:left");
	weir_bus *c = weir_open("inproc:left");
	weir_pub *pub = weir_advertise(a, "t", .keep_messages = 1000);
	weir_sub *sub = weir_subscribe(b, "t"), *late;

	for (int i = 0; i < COUNT; i++)
		CHECK_EQ(weir_send(pub, &i, sizeof(i)), 0);
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(drain(sub), COUNT);
	late = weir_subscribe(c, "t", .from = WEIR_FROM_OLDEST);
	CHECK_EQ(weir_publishers(late), 1);
	CHECK_EQ(drain(late), COUNT);
	late = weir_subscribe(b, "t", .from = WEIR_FROM_LAST, .from_count = 7);
	CHECK_EQ(drain(late), 7);
	CHECK_EQ(weir_publishers(weir_subscribe(c, "t")), 0);
	CHECK_EQ(weir_close(b), 0);
	CHECK_EQ(weir_close(c), 0);
}

static const struct wr_test tests[] = {TEST(N20_history_outlives_its_publisher),
	TEST(N20_it_is_handed_from_keeper_to_keeper),
	TEST(N20_of_two_keepers_it_comes_once),
	TEST(N20_so_it_is_when_the_publisher_closes), TEST(what_is_not_kept),
	TEST(the_latest_are_kept), TEST(N20_and_so_it_is_within_one_process), TEST_END};

const struct wr_suite wr_suite_left = {
	.name = "left", .tests = tests, .labels = "concurrency", .watchdog_s = 120};
