/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Counters of consumers and reactors. Rows P14, P18, P31. */
#include "scheduler/reactor.h"
#include "scheduler/stats.h"

#include "tests/lib/test.h"

#include <pthread.h>
#include <string.h>

static void
P14_a_line_each_and_of_its_own(void)
{
	static struct wr_consumer_stats consumers[3];
	static struct wr_reactor_stats reactors[3];

	CHECK_EQ(sizeof(struct wr_consumer_stats), 64);
	CHECK_EQ(sizeof(struct wr_reactor_stats), 64);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ((uintptr_t)&consumers[i] % 64, 0);
		CHECK_EQ((uintptr_t)&reactors[i] % 64, 0);
	}
}

/* No line has two writers: what a loop counts lies apart from what other threads write to it,
 * and one thing in a row of many apart from its neighbour. */
static void
P14_what_others_write_lies_apart(void)
{
	enum { LINE = 64 };

	CHECK_EQ(offsetof(struct wr_reactor, own) % LINE, 0);
	CHECK_EQ(offsetof(struct wr_reactor, stopped) % LINE, 0);
	CHECK(offsetof(struct wr_reactor, stopped) >=
		offsetof(struct wr_reactor, own) + LINE);
	CHECK_EQ(offsetof(struct wr_task, stats) % LINE, 0);
	CHECK(offsetof(struct wr_task, sent) / LINE !=
		offsetof(struct wr_task, stats) / LINE);
	CHECK_EQ(sizeof(struct wr_reactor) % LINE, 0);
	CHECK_EQ(sizeof(struct wr_task) % LINE, 0);
}

static void
P14_a_poll_is_counted_for_both(void)
{
	struct wr_consumer_stats consumer = {0}, other = {0};
	struct wr_reactor_stats reactor = {0};
	struct wr_stats_read c, r;

	wr_stats_poll(&consumer, &reactor, 32, 0);
	wr_stats_poll(&consumer, &reactor, 1, 700);
	wr_stats_poll(&other, &reactor, 0, 50);
	c = wr_stats_of_consumer(&consumer);
	r = wr_stats_of_reactor(&reactor);
	CHECK_EQ(c.words[0], 2);
	CHECK_EQ(c.words[1], 33);
	CHECK_EQ(c.words[2], 700);
	CHECK_EQ(r.words[1], 3);
	CHECK_EQ(r.words[2], 33);
	CHECK_EQ(r.words[3], 750);
	CHECK_EQ(wr_stats_of_consumer(&other).words[0], 1);
}

/* Each word is found under its name, in both. */
static void
P31_words_have_names(void)
{
	struct wr_consumer_stats consumer = {.polls = 1, .demotions = 8, .yields = 5};
	struct wr_reactor_stats reactor = {.turns = 1, .violations = 8, .sleeps = 6};

	for (unsigned i = 0; i < WR_STATS_WORDS; i++) {
		uint64_t c = wr_stats_of_consumer(&consumer).words[i];
		uint64_t r = wr_stats_of_reactor(&reactor).words[i];

		CHECK_EQ(c != 0,
			strcmp(wr_stats_consumer_name(i), "polls") == 0 ||
				strcmp(wr_stats_consumer_name(i), "demotions") == 0 ||
				strcmp(wr_stats_consumer_name(i), "yields") == 0);
		CHECK_EQ(r != 0,
			strcmp(wr_stats_reactor_name(i), "turns") == 0 ||
				strcmp(wr_stats_reactor_name(i), "violations") == 0 ||
				strcmp(wr_stats_reactor_name(i), "sleeps") == 0);
		CHECK(c == 0 || c == i + 1);
		CHECK(r == 0 || r == i + 1);
		CHECK(strlen(wr_stats_consumer_what(i)) > 4);
		CHECK(strlen(wr_stats_reactor_what(i)) > 4);
	}
	CHECK_STR(wr_stats_consumer_name(WR_STATS_WORDS), "");
	CHECK_STR(wr_stats_reactor_what(99), "");
}

/* To begin anew as often as one likes takes nothing away from anybody else. */
static void
P31_beginning_anew_is_the_readers_own(void)
{
	struct wr_consumer_stats consumer = {0};
	struct wr_reactor_stats reactor = {0};
	struct wr_stats_read then;

	wr_stats_poll(&consumer, &reactor, 5, 100);
	then = wr_stats_of_consumer(&consumer);
	then = wr_stats_of_consumer(&consumer);
	CHECK_EQ(wr_stats_since(wr_stats_of_consumer(&consumer), then).words[0], 0);
	wr_stats_poll(&consumer, &reactor, 7, 100);
	CHECK_EQ(wr_stats_since(wr_stats_of_consumer(&consumer), then).words[0], 1);
	CHECK_EQ(wr_stats_since(wr_stats_of_consumer(&consumer), then).words[1], 7);
	CHECK_EQ(wr_stats_of_consumer(&consumer).words[1], 12);
}

enum { OWNERS = 2, POLLS = 200000 };

struct owner {
	struct wr_consumer_stats consumer;
	struct wr_reactor_stats reactor;
	pthread_t thread;
};

static struct owner owners[OWNERS];
static wr_a64 done;

static void *
poll_often(void *arg)
{
	struct owner *owner = arg;

	for (int i = 0; i < POLLS; i++)
		wr_stats_poll(&owner->consumer, &owner->reactor, 3, 1);
	(void)wr_fetch_add(test_done, &done, 1);
	return NULL;
}

/* Read while they are written: words only grow, and in the end nothing is missing. */
static void
P14_readers_see_words_that_only_grow(void)
{
	struct wr_stats_read last[OWNERS] = {0};

	for (int i = 0; i < OWNERS; i++)
		REQUIRE_EQ(pthread_create(&owners[i].thread, NULL, poll_often, &owners[i]),
			0);
	while (wr_load_relaxed(test_done, &done) < OWNERS)
		for (int i = 0; i < OWNERS; i++) {
			struct wr_stats_read now =
				wr_stats_of_consumer(&owners[i].consumer);

			for (int word = 0; word < WR_STATS_WORDS; word++)
				CHECK(now.words[word] >= last[i].words[word]);
			last[i] = now;
		}
	for (int i = 0; i < OWNERS; i++) {
		pthread_join(owners[i].thread, NULL);
		CHECK_EQ(wr_stats_of_consumer(&owners[i].consumer).words[0], POLLS);
		CHECK_EQ(wr_stats_of_reactor(&owners[i].reactor).words[2], 3 * POLLS);
	}
}

static const struct wr_test tests[] = {TEST(P14_a_line_each_and_of_its_own),
	TEST(P14_what_others_write_lies_apart), TEST(P14_a_poll_is_counted_for_both),
	TEST(P31_words_have_names), TEST(P31_beginning_anew_is_the_readers_own),
	TEST(P14_readers_see_words_that_only_grow, .labels = "concurrency"), TEST_END};
const struct wr_suite wr_suite_stats = {.name = "stats", .tests = tests};
