/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Joining: who subscribed gets what is published afterwards, who advertised has its readers,
 * whichever came first, and nobody waits long for who does not answer.
 */
#include <weir/weir.h>

#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"
#include "tests/steward/puppet.h"

#include <stdio.h>
#include <string.h>

/* Who has a thread of ours, and who serves the bus from its own loop: A's, B's. */
static const char *const threads[4][2] = {
	{"", ""}, {"nothread", ""}, {"", "nothread"}, {"nothread", "nothread"}};

/* ---- one publisher, one subscriber ---------------------------------------------------- */

static void
publisher_first(void)
{
	for (int i = 0; i < 4; i++) {
		struct wr_proc a, b;

		puppet_start(&a, "open 0 bus%d %s", i, threads[i][0]);
		puppet_start(&b, "open 0 bus%d %s", i, threads[i][1]);
		puppet_ok(&a, "pub 0 0 imu");
		CHECK_EQ(puppet_number(&a, "send 0 10"), 10);
		puppet_ok(&b, "sub 0 0 imu");
		CHECK_EQ(puppet_number(&b, "pubs 0"), 1);
		CHECK_EQ(puppet_number(&a, "send 0 100"), 110);
		CHECK_STR(puppet_ask(&b, "recv 0 100"), "100 in order");
		CHECK_EQ(puppet_number(&b, "first 0"), 10);
		puppet_end(&a);
		puppet_end(&b);
	}
}

static void
subscriber_first(void)
{
	for (int i = 0; i < 4; i++) {
		struct wr_proc a, b;

		puppet_start(&a, "open 0 bus%d %s", i, threads[i][0]);
		puppet_start(&b, "open 0 bus%d %s", i, threads[i][1]);
		puppet_ok(&b, "sub 0 0 imu whole");
		puppet_ok(&a, "pub 0 0 imu");
		CHECK_EQ(puppet_number(&a, "subs 0"), 1);
		CHECK_EQ(puppet_number(&a, "send 0 100"), 100);
		CHECK_STR(puppet_ask(&b, "recv 0 100"), "100 in order");
		puppet_end(&a);
		puppet_end(&b);
	}
}

static void
joins_a_bus_that_lives(void)
{
	for (int i = 0; i < 4; i++) {
		struct wr_proc a, b;

		/* The subscriber opens after the publisher has advertised and the other way. */
		puppet_start(&a, "open 0 bus%d %s", i, threads[i][0]);
		puppet_ok(&a, "pub 0 0 to.b");
		puppet_ok(&a, "sub 0 0 to.a whole");
		puppet_start(&b, "open 0 bus%d %s", i, threads[i][1]);
		puppet_ok(&b, "sub 0 0 to.b");
		puppet_ok(&b, "pub 0 0 to.a");
		CHECK_EQ(puppet_number(&a, "send 0 5"), 5);
		CHECK_EQ(puppet_number(&b, "send 0 5"), 5);
		CHECK_STR(puppet_ask(&b, "recv 0 5"), "5 in order");
		CHECK_STR(puppet_ask(&a, "recv 0 5"), "5 in order");
		puppet_end(&b);
		puppet_end(&a);
	}
}

/* Nobody is first: both calls run at the same time. */
static void
both_at_once(void)
{
	for (int i = 0; i < 4; i++) {
		struct wr_proc a, b;

		puppet_start(&a, "open 0 bus%d %s", i, threads[i][0]);
		puppet_start(&b, "open 0 bus%d %s", i, threads[i][1]);
		for (int round = 0; round < 25; round++) {
			puppet_tell(&a, "pub 0 0 imu");
			puppet_tell(&b, "sub 0 0 imu whole");
			CHECK_STR(puppet_hear(&a), "ok");
			CHECK_STR(puppet_hear(&b), "ok");
			/* One of them was first, and both have returned. */
			CHECK_EQ(puppet_number(&a, "send 0 20"), 20);
			CHECK_STR(puppet_ask(&b, "recv 0 20"), "20 in order");
			CHECK_EQ(puppet_number(&a, "unpub 0"), 0);
			CHECK_STR(puppet_ask(&b, "drain 0"), "0 in order");
			CHECK_EQ(puppet_number(&b, "unsub 0"), 0);
		}
		puppet_end(&a);
		puppet_end(&b);
	}
}

/* Also the bus itself is opened at the same time, again and again. */
static void
opens_at_once(void)
{
	enum { MANY = 6 };
	struct wr_proc p[MANY];

	for (int i = 0; i < MANY; i++)
		puppet_start(&p[i], NULL);
	for (int round = 0; round < 12; round++) {
		for (int i = 0; i < MANY; i++) {
			puppet_tell(&p[i], "open 0 bus %s",
				(round + i) % 3 ? "" : "nothread");
			puppet_tell(&p[i], "sub 0 0 >");
			puppet_tell(&p[i], "pub 0 0 from.%d", i);
		}
		for (int i = 0; i < MANY * 3; i++)
			CHECK_STR(puppet_hear(&p[i / 3]), "ok");
		for (int i = 0; i < MANY; i++) {
			CHECK_EQ(puppet_number(&p[i], "send 0 10"), 10);
			CHECK_EQ(puppet_number(&p[i], "wait 0 %d -1", MANY), MANY);
		}
		for (int i = 0; i < MANY; i++)
			CHECK_STR(puppet_ask(&p[i], "recv 0 60"), "60 in order");
		for (int i = 0; i < MANY; i++)
			puppet_tell(&p[i], "close 0");
		for (int i = 0; i < MANY; i++)
			CHECK_STR(puppet_hear(&p[i]), "closed 0");
	}
	for (int i = 0; i < MANY; i++)
		puppet_end(&p[i]);
}

/*
 * A publisher that waited for its subscriber may count on it: what it sends from then on
 * arrives, although the subscriber's own call may not have returned yet.
 */
static void
who_was_waited_for_gets_the_first(void)
{
	for (int i = 0; i < 4; i++) {
		struct wr_proc a, b;

		puppet_start(&a, "open 0 bus%d %s", i, threads[i][0]);
		puppet_start(&b, "open 0 bus%d %s", i, threads[i][1]);
		for (int round = 0; round < 100; round++) {
			puppet_ok(&a, "pub 0 0 imu");
			puppet_tell(&a, "wait 0 1 -1");
			puppet_tell(&a, "send 0 1");
			puppet_tell(&a, "unpub 0");
			puppet_ok(&b, "sub 0 0 imu whole");
			CHECK_STR(puppet_ask(&b, "drain 0"), "1 in order");
			CHECK_EQ(puppet_number(&b, "unsub 0"), 0);
			CHECK_STR(puppet_hear(&a), "1");
			CHECK_STR(puppet_hear(&a), "1");
			CHECK_STR(puppet_hear(&a), "0");
		}
		puppet_end(&a);
		puppet_end(&b);
	}
}

/* ---- under load ------------------------------------------------------------------------ */

static int
joins(void)
{
	return wr_test_long() ? 10000 : 400;
}

static void
subscribers_come_under_load(void)
{
	struct wr_proc flood, others, joiner;

	puppet_start(&flood, "open 0 bus");
	puppet_ok(&flood, "pub 0 0 imu");
	/* Somebody reads all the time, so that the publisher is held to a pace. */
	puppet_start(&others, "open 0 bus");
	puppet_ok(&others, "sub 0 0 imu");
	puppet_tell(&others, "drain 0");
	puppet_start(&joiner, "open 0 bus");
	puppet_tell(&flood, "flood 0");
	CHECK_EQ(puppet_number(&joiner, "churn 0 0 imu %d", joins()), joins());
	puppet_end(&joiner);
	puppet_tell(&flood, "close 0");
	wr_test_note("%s messages beside %d joins", puppet_hear(&flood), joins());
	CHECK_STR(puppet_hear(&flood), "closed 0");
	CHECK(strstr(puppet_hear(&others), " in order") != NULL);
	puppet_end(&others);
	puppet_end(&flood);
}

static void
publishers_come_under_load(void)
{
	int rounds = joins();
	struct wr_proc flood, sink, comer, reader;
	char line[64];

	puppet_start(&flood, "open 0 bus");
	puppet_ok(&flood, "pub 0 0 load");
	puppet_start(&sink, "open 0 bus");
	puppet_ok(&sink, "sub 0 0 load");
	puppet_tell(&sink, "drain 0");
	puppet_tell(&flood, "flood 0");

	puppet_start(&reader, "open 0 bus");
	puppet_ok(&reader, "sub 0 0 imu whole");
	puppet_tell(&reader, "ends 0 %d", rounds);
	puppet_start(&comer, "open 0 bus");
	CHECK_EQ(puppet_number(&comer, "burst 0 imu %d 20", rounds), rounds);
	snprintf(line, sizeof(line), "%d in order", rounds * 20);
	CHECK_STR(puppet_hear(&reader), line);

	puppet_tell(&flood, "close 0");
	wr_test_note("%s messages beside %d streams", puppet_hear(&flood), rounds);
	CHECK_STR(puppet_hear(&flood), "closed 0");
	CHECK(strstr(puppet_hear(&sink), " in order") != NULL);
	puppet_end(&comer);
	puppet_end(&reader);
	puppet_end(&sink);
	puppet_end(&flood);
}

/* ---- many ------------------------------------------------------------------------------ */

static void
several_publishers_of_one_topic(void)
{
	struct wr_proc p[4], reader;

	puppet_start(&reader, "open 0 bus");
	puppet_ok(&reader, "sub 0 0 imu whole");
	for (int i = 0; i < 4; i++) {
		puppet_start(&p[i], "open 0 bus %s", i % 2 ? "nothread" : "");
		puppet_ok(&p[i], "pub 0 0 imu");
		puppet_ok(&p[i], "pub 1 0 imu");
	}
	CHECK_EQ(puppet_number(&reader, "pubs 0"), 8);
	for (int i = 0; i < 4; i++) {
		puppet_tell(&p[i], "send 0 500");
		puppet_tell(&p[i], "send 1 500");
	}
	for (int i = 0; i < 8; i++)
		CHECK_STR(puppet_hear(&p[i / 2]), "500");
	CHECK_STR(puppet_ask(&reader, "recv 0 4000"), "4000 in order");
	/* One of them dies, one closes, the others go on. */
	wr_proc_kill(&p[0]);
	puppet_end(&p[1]);
	CHECK_EQ(puppet_number(&p[2], "send 1 500"), 1000);
	CHECK_EQ(puppet_number(&p[3], "send 0 500"), 1000);
	puppet_end(&p[2]);
	puppet_end(&p[3]);
	CHECK_STR(puppet_ask(&reader, "ends 0 8"), "1000 in order");
	puppet_end(&reader);
}

static void
patterns_across_processes(void)
{
	static const struct {
		const char *pattern;
		int topics; /* of those below */
	} subs[] = {{"a.b", 1}, {"a.*", 2}, {"*.b", 2}, {"a.>", 3}, {">", 5},
		{"*.*", 3}, {"c.>", 0}, {"*", 1}};
	static const char *const topics[] = {"a.b", "a.c", "a.b.c", "b.b", "solo"};
	struct wr_proc before, p[2], after;
	char line[64];

	puppet_start(&before, "open 0 bus");
	puppet_start(&p[0], "open 0 bus");
	puppet_start(&p[1], "open 0 bus");
	puppet_start(&after, "open 0 bus nothread");
	for (int i = 0; i < 8; i++)
		puppet_ok(&before, "sub %d 0 %s whole", i, subs[i].pattern);
	for (int i = 0; i < 5; i++)
		puppet_ok(&p[i % 2], "pub %d 0 %s", i, topics[i]);
	for (int i = 0; i < 8; i++)
		puppet_ok(&after, "sub %d 0 %s whole", i, subs[i].pattern);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(puppet_number(&p[i % 2], "send %d 7", i), 7);
	for (int i = 0; i < 8; i++) {
		snprintf(line, sizeof(line), "%d in order", subs[i].topics * 7);
		CHECK_EQ(puppet_number(&before, "pubs %d", i), subs[i].topics);
		CHECK_STR(puppet_ask(&before, "recv %d %d", i, subs[i].topics * 7), line);
		CHECK_EQ(puppet_number(&after, "pubs %d", i), subs[i].topics);
		CHECK_STR(puppet_ask(&after, "recv %d %d", i, subs[i].topics * 7), line);
	}
	puppet_end(&p[0]);
	puppet_end(&p[1]);
	puppet_end(&before);
	puppet_end(&after);
}

static void
type_is_compared(void)
{
	struct wr_proc a, b, c;

	puppet_start(&a, "open 0 bus node=maker");
	puppet_start(&b, "open 0 bus");
	puppet_start(&c, "open 0 bus");
	puppet_ok(&a, "pub 0 0 imu type=imu.v1 hash=0x1111");
	puppet_ok(&b, "sub 0 0 imu type=imu.v1 hash=0x1111");
	puppet_ok(&b, "sub 1 0 imu");
	puppet_ok(&b, "sub 2 0 > type=imu.v2 hash=0x2222");
	CHECK_STR(puppet_ask(&c, "sub 0 0 imu type=imu.v2 hash=0x2222"), "USAGE_TYPE");
	{
		const char *why = puppet_ask(&c, "why s 0");

		CHECK(strstr(why, "topic 'imu' carries another type than 'imu.v2'") !=
			NULL);
		CHECK(strstr(why,
			      "published as 'imu.v1' 0000000000001111, subscribed as "
			      "0000000000002222") != NULL);
		CHECK(strstr(why, "weir_subscribe 'imu' on bus 'bus'") != NULL);
	}
	CHECK(strncmp(puppet_ask(&c, "event 0 REFUSED"), "REFUSED USAGE_TYPE ", 19) == 0);
	CHECK_EQ(puppet_number(&a, "wait 0 2 -1"), 2);
	CHECK_EQ(puppet_number(&a, "send 0 3"), 3);
	CHECK_STR(puppet_ask(&b, "recv 0 3"), "3 in order");
	CHECK_STR(puppet_ask(&b, "recv 1 3"), "3 in order");
	CHECK_EQ(puppet_number(&b, "pubs 2"), 0);
	CHECK(strstr(puppet_ask(&b, "seen 2"), " 1 refused") != NULL);
	/* A publisher that comes later with another type is refused and told about. */
	puppet_ok(&c, "pub 0 0 imu type=imu.v3 hash=0x3333");
	CHECK_EQ(puppet_number(&c, "subs 0"), 1);
	CHECK(strncmp(puppet_ask(&b, "event 0 REFUSED"), "REFUSED USAGE_TYPE ", 19) == 0);
	puppet_end(&a);
	puppet_end(&b);
	puppet_end(&c);
}

/* ---- who does not answer ----------------------------------------------------------------- */

/*
 * The deadline is so long, and the calls are so many, that waiting for the silent peer at
 * each of them would not end before the watchdog.
 */
static void
stopped_subscriber_is_pending(void)
{
	struct wr_proc a, b;
	const char *names;

	puppet_start(&b, "open 0 bus node=sleepy");
	puppet_ok(&b, "sub 0 0 >");
	puppet_start(&a, "open 0 bus attach=4000");
	CHECK_EQ(puppet_number(&a, "pending 0"), 0);
	REQUIRE(wr_proc_stop(&b));

	puppet_ok(&a, "pub 0 0 t.0");
	CHECK_EQ(puppet_number(&a, "subs 0"), 0);
	names = puppet_ask(&a, "pending 0");
	CHECK(strncmp(names, "1 sleepy", 8) == 0);
	CHECK(strncmp(puppet_ask(&a, "event 0 PENDING"), "PENDING PEER_PENDING ", 21) ==
		0);
	for (int i = 1; i < 16; i++)
		puppet_ok(&a, "pub %d 0 t.%d", i, i);
	puppet_ok(&a, "sub 0 0 back");
	CHECK_EQ(puppet_number(&a, "events 0"), 0);
	/* Nothing is promised until then: what goes to nobody is gone. */
	CHECK_EQ(puppet_number(&a, "send 0 5"), 5);

	wr_proc_continue(&b);
	CHECK(strncmp(puppet_ask(&a, "event 0 ADMITTED"), "ADMITTED - ", 11) == 0);
	CHECK_EQ(puppet_number(&a, "pending 0"), 0);
	CHECK_EQ(puppet_number(&a, "wait 0 1 -1"), 1);
	CHECK_EQ(puppet_number(&a, "wait 15 1 -1"), 1);
	CHECK_EQ(puppet_number(&a, "send 0 10"), 15);
	CHECK_STR(puppet_ask(&b, "recv 0 10"), "10 in order");
	CHECK_EQ(puppet_number(&b, "first 0"), 5);
	/* It is a peer like any other again, and waited for. */
	puppet_ok(&b, "pub 0 0 back");
	CHECK_EQ(puppet_number(&b, "subs 0"), 2);
	puppet_end(&a);
	puppet_end(&b);
}

static void
stopped_publisher_is_pending(void)
{
	struct wr_proc a, b;

	puppet_start(&b, "open 0 bus node=sleepy");
	puppet_ok(&b, "pub 0 0 imu");
	puppet_start(&a, "open 0 bus attach=4000");
	REQUIRE(wr_proc_stop(&b));
	puppet_ok(&a, "sub 0 0 imu");
	CHECK_EQ(puppet_number(&a, "pubs 0"), 0);
	CHECK(strncmp(puppet_ask(&a, "pending 0"), "1 sleepy", 8) == 0);
	CHECK(strncmp(puppet_ask(&a, "event 0 PENDING"), "PENDING PEER_PENDING ", 21) ==
		0);
	for (int i = 1; i < 16; i++)
		puppet_ok(&a, "sub %d 0 imu", i);
	CHECK_EQ(puppet_number(&a, "events 0"), 0);
	wr_proc_continue(&b);
	CHECK(strncmp(puppet_ask(&a, "event 0 ADMITTED"), "ADMITTED - ", 11) == 0);
	CHECK_EQ(puppet_number(&b, "wait 0 16 -1"), 16);
	CHECK_EQ(puppet_number(&b, "send 0 10"), 10);
	for (int i = 0; i < 16; i++)
		CHECK_STR(puppet_ask(&a, "recv %d 10", i), "10 in order");
	puppet_end(&a);
	puppet_end(&b);
}

/* It was stopped before we came: not even hello is answered. */
static void
stopped_before_we_came(void)
{
	for (int i = 0; i < 4; i++) {
		struct wr_proc a, b, c;

		puppet_start(&b, "open 0 bus%d node=sleepy %s", i, threads[i][1]);
		puppet_ok(&b, "pub 0 0 imu");
		puppet_ok(&b, "sub 0 0 odo whole");
		REQUIRE(wr_proc_stop(&b));
		puppet_start(&a, "open 0 bus%d attach=2000 %s", i, threads[i][0]);
		CHECK_EQ(puppet_number(&a, "pending 0"), 1);
		CHECK(strncmp(puppet_ask(&a, "event 0 PENDING"),
			      "PENDING PEER_PENDING ", 21) == 0);
		puppet_ok(&a, "sub 0 0 imu");
		puppet_ok(&a, "pub 0 0 odo");
		/* Others are not held up by it, nor by us. */
		puppet_start(&c, "open 0 bus%d attach=2000", i);
		puppet_ok(&c, "sub 0 0 odo");
		CHECK_EQ(puppet_number(&a, "send 0 3"), 3);
		CHECK_STR(puppet_ask(&c, "recv 0 3"), "3 in order");

		wr_proc_continue(&b);
		CHECK(strncmp(puppet_ask(&a, "event 0 ADMITTED"), "ADMITTED - ", 11) == 0);
		CHECK_EQ(puppet_number(&b, "wait 0 1 -1"), 1);
		CHECK_EQ(puppet_number(&b, "send 0 4"), 4);
		CHECK_STR(puppet_ask(&a, "recv 0 4"), "4 in order");
		CHECK_EQ(puppet_number(&a, "wait 0 2 -1"), 2);
		puppet_end(&a);
		puppet_end(&b);
		puppet_end(&c);
	}
}

/* A pending peer that dies is pending no more. */
static void
stopped_and_killed(void)
{
	struct wr_proc a, b;

	puppet_start(&b, "open 0 bus node=sleepy");
	puppet_ok(&b, "sub 0 0 >");
	puppet_start(&a, "open 0 bus attach=50");
	REQUIRE(wr_proc_stop(&b));
	puppet_ok(&a, "pub 0 0 imu");
	CHECK_EQ(puppet_number(&a, "pending 0"), 1);
	wr_proc_kill(&b);
	CHECK(strncmp(puppet_ask(&a, "event 0 NODE_DIED"), "NODE_DIED - ", 12) == 0);
	CHECK_EQ(puppet_number(&a, "pending 0"), 0);
	CHECK_EQ(puppet_number(&a, "send 0 5"), 5);
	puppet_end(&a);
}

static const struct wr_test tests[] = {
	TEST(publisher_first),
	TEST(subscriber_first),
	TEST(joins_a_bus_that_lives),
	TEST(both_at_once),
	TEST(opens_at_once),
	TEST(who_was_waited_for_gets_the_first),
	TEST(subscribers_come_under_load, .watchdog_s = 120),
	TEST(publishers_come_under_load, .watchdog_s = 120),
	TEST(several_publishers_of_one_topic),
	TEST(patterns_across_processes),
	TEST(type_is_compared),
	TEST(stopped_subscriber_is_pending),
	TEST(stopped_publisher_is_pending),
	TEST(stopped_before_we_came, .watchdog_s = 120),
	TEST(stopped_and_killed),
	TEST_END,
};

const struct wr_suite wr_suite_join = {
	.name = "join", .tests = tests, .labels = "concurrency"};
