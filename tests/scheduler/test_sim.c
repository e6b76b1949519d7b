/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The allocator in virtual time, under seeds, with a referee that checks each step (K2, K27,
 * N9, and P33: what would starve somebody is seen). And the referee itself, which has to
 * see what is wrong.
 */
#include "scheduler/sim.h"

#include <stdlib.h>
#include <string.h>

#include "scheduler/robin.h"
#include "scheduler/wheel.h"
#include "tests/lib/test.h"

static weir_sim *
open_sim(const char *discipline, const weir_sim_class *classes, size_t count,
	uint32_t flips_ppm, uint64_t seed)
{
	weir_sim_options options = {.size = sizeof(options),
		.discipline = discipline,
		.classes = classes,
		.class_count = count,
		.flips_ppm = flips_ppm,
		.seed = seed};
	weir_error err;
	weir_sim *sim = weir_sim_open(&options, &err);

	if (!sim)
		FAIL("%s: %s", discipline, err.text);
	REQUIRE(sim != NULL);
	return sim;
}

static void
check_unbroken(weir_sim *sim, const char *what, uint64_t seed)
{
	weir_sim_summary summary = {.size = sizeof(summary)};

	REQUIRE_EQ(weir_sim_summarize(sim, &summary), 0);
	if (summary.broken > 0)
		FAIL("%s, seed %llu: %llu promises broken, the first at %s", what,
			(unsigned long long)seed, (unsigned long long)summary.broken,
			summary.text);
	CHECK(summary.checks > summary.polls);
}

/* K2, K27: each discipline, thousands of consumers, all rates of coming and going. */
static void
K2_promises_are_kept_under_every_seed(void)
{
	static const uint32_t flips[] = {0, 20000, 100000, 500000};
	const char *name;
	unsigned seeds = wr_test_long() ? 400 : 24;

	for (size_t d = 0; (name = weir_sim_discipline(d, NULL)); d++)
		for (uint64_t seed = 0; seed < seeds; seed++) {
			weir_sim_class classes[4] = {{.consumers = 1, .weight = 10},
				{.consumers = 1, .weight = 6},
				{.consumers = 1, .weight = 3},
				{.consumers = 1 + (uint32_t)seed, .weight = 1}};
			weir_sim *sim;

			classes[0].consumers = 1 + (uint32_t)(seed * 7919 % 60);
			classes[1].consumers = 1 + (uint32_t)(seed * 104729 % 400);
			sim = open_sim(name, classes, 4, flips[seed % 4], seed);
			for (int p = 0; p < 40000; p++)
				(void)weir_sim_poll(sim);
			check_unbroken(sim, name, seed);
			weir_sim_close(sim);
		}
}

static void
five_thousand_consumers(void)
{
	static const weir_sim_class classes[] = {{.consumers = 500, .weight = 10},
		{.consumers = 1500, .weight = 6}, {.consumers = 1000, .weight = 3},
		{.consumers = 2000, .weight = 1}};
	weir_sim *sim = open_sim("priority", classes, 4, 50000, 7);

	for (int p = 0; p < 600000; p++)
		(void)weir_sim_poll(sim);
	check_unbroken(sim, "priority", 7);
	weir_sim_close(sim);
}

/* A part that does what tiers and a closing program do: it weighs, and takes out. */
static void
disturb(struct wr_sim_part *part, struct weir_sim *sim, uint64_t now_ns)
{
	uint32_t i;

	(void)part, (void)now_ns;
	if (wr_sim_random(sim, 50) > 0)
		return;
	i = (uint32_t)wr_sim_random(sim, 48);
	switch (wr_sim_random(sim, 4)) {
	case 0:
		wr_sim_remove(sim, i);
		break;
	case 1:
		wr_sim_weigh(sim, i, 1 + (unsigned)wr_sim_random(sim, 64),
			(enum wr_factor)wr_sim_random(sim, 4));
		break;
	default:
		wr_sim_ready(sim, i, true);
	}
}

/* K27: what is removed, comes back or weighs something else disturbs nobody's books. */
static void
parts_may_weigh_and_take_out(void)
{
	const char *name;

	for (size_t d = 0; (name = weir_sim_discipline(d, NULL)); d++)
		for (uint64_t seed = 0; seed < 8; seed++) {
			struct wr_sim_part part = {.step = disturb};
			weir_sim *sim = open_sim(name, NULL, 0, 20000, seed);

			wr_sim_attach(sim, &part);
			for (int p = 0; p < 40000; p++)
				(void)weir_sim_poll(sim);
			check_unbroken(sim, name, seed);
			weir_sim_close(sim);
		}
}

/* A part hears of each poll, and virtual time is the sum of their costs. */
struct listener {
	struct wr_sim_part part;
	uint64_t polls, time_ns;
};

static void
listen(struct wr_sim_part *part, struct weir_sim *sim, uint32_t consumer, uint64_t cost_ns)
{
	struct listener *listener = (struct listener *)(void *)part;

	CHECK(consumer < 48);
	listener->polls++;
	listener->time_ns += cost_ns;
	CHECK_EQ(weir_sim_now(sim), listener->time_ns);
}

static void
a_part_hears_of_each_poll(void)
{
	struct listener listener = {.part = {.polled = listen}};
	weir_sim *sim = open_sim(NULL, NULL, 0, 0, 1);

	wr_sim_attach(sim, &listener.part);
	for (int p = 0; p < 1000; p++)
		CHECK(weir_sim_poll(sim) >= 0);
	CHECK_EQ(listener.polls, 1000);
	CHECK_EQ(listener.time_ns, 1000 * 1000);
	weir_sim_close(sim);
}

/* N9: a seed is the whole of a run. */
static void
N9_a_seed_replays(void)
{
	weir_sim *a = open_sim("priority", NULL, 0, 200000, 42);
	weir_sim *b = open_sim("priority", NULL, 0, 200000, 42);
	weir_sim *c = open_sim("priority", NULL, 0, 200000, 43);
	int differ = 0;

	for (int p = 0; p < 10000; p++) {
		int64_t polled = weir_sim_poll(a);

		CHECK_EQ(weir_sim_poll(b), polled);
		differ += weir_sim_poll(c) != polled;
	}
	CHECK(differ > 1000);
	weir_sim_close(a);
	weir_sim_close(b);
	weir_sim_close(c);
}

/* N9: what it says of the table of 48. */
static void
N9_the_summary_of_the_table(void)
{
	static const uint64_t polls[] = {90, 108, 30, 11}, gaps[] = {28, 42, 82, 239};
	weir_sim_options options = {.size = sizeof(options), .limit = 200};
	weir_sim_summary summary = {.size = sizeof(summary)};
	weir_sim *sim = weir_sim_open(&options, NULL);

	REQUIRE(sim != NULL);
	for (int p = 0; p < 100 * 239; p++)
		CHECK(weir_sim_poll(sim) >= 0);
	for (size_t c = 0; c < 4; c++) {
		weir_sim_result result = {.size = sizeof(result)};

		REQUIRE_EQ(weir_sim_class_result(sim, c, &result), 0);
		CHECK_EQ(result.polls, 100 * polls[c]);
		CHECK_EQ(result.time_ns, 100000 * polls[c]);
		CHECK(result.gap_most <= gaps[c]);
	}
	REQUIRE_EQ(weir_sim_summarize(sim, &summary), 0);
	CHECK_EQ(summary.round, 239);
	CHECK_EQ(summary.over, 39);
	CHECK_EQ(summary.broken, 0);
	CHECK(summary.jain > 0.999999);
	CHECK(summary.ahead_most <= 1);
	weir_sim_close(sim);
}

/* ---- the referee ----------------------------------------------------------------------- */

enum { PLAYERS = 3 };

static struct wr_wheel wheel;
static struct wr_turn turns[PLAYERS];
static struct wr_player players[PLAYERS];
static struct wr_referee referee;

static void
begin_match(void)
{
	static const struct wr_turn *const all[PLAYERS] = {
		&turns[0], &turns[1], &turns[2]};

	wr_wheel_init(&wheel, &wr_wheel_polls);
	wr_referee_init(&referee, &wheel.select, &wheel.now, all, players, PLAYERS, 0);
	for (uint32_t i = 0; i < PLAYERS; i++) {
		wr_turn_init(&turns[i], i == 2 ? 1 : 10);
		wr_select_add(&wheel.select, &turns[i]);
		wr_referee_added(&referee, i);
		wr_referee_bound(&referee, i, 50);
	}
}

static uint32_t
play(void)
{
	struct wr_turn *turn = wr_select_next(&wheel.select);
	uint32_t i = (uint32_t)(turn - turns);

	wr_referee_taken(&referee, i);
	wr_select_put(&wheel.select, turn, 1);
	wr_referee_polled(&referee, i);
	return i;
}

static void
check_seen(const char *part)
{
	CHECK(referee.broken > 0);
	if (!strstr(referee.text, part))
		FAIL("'%s' does not say '%s'", referee.text, part);
}

static void
the_referee_sees_a_stranger(void)
{
	begin_match();
	wr_select_remove(&wheel.select, &turns[1]);
	(void)play();
	check_seen("3 consumers are in, the queue counts 2");
	begin_match();
	(void)wr_select_next(&wheel.select);
	wr_referee_taken(&referee, 0);
	wr_referee_taken(&referee, 0);
	check_seen("was out");
	begin_match();
	wr_referee_removed(&referee, 1);
	check_seen("2 consumers are in, the queue counts 3");
}

static void
the_referee_sees_who_is_lost(void)
{
	begin_match();
	referee.now = NULL;
	wr_list_unlink(&turns[2].link);
	for (int p = 0; p < 49; p++)
		(void)play();
	wr_referee_sweep(&referee);
	CHECK_EQ(referee.broken, 0);
	for (int p = 0; p < 2; p++)
		(void)play();
	wr_referee_sweep(&referee);
	check_seen("consumer 2 is in, and has waited 51 polls");
}

static void
the_referee_sees_waste(void)
{
	begin_match();
	wr_referee_nobody(&referee, 0);
	CHECK_EQ(referee.broken, 0);
	wr_referee_nobody(&referee, 1);
	check_seen("nobody is found, and 1 are ready");
}

/* One has a weight that it did not tell. */
static void
the_referee_sees_favour(void)
{
	begin_match();
	for (int p = 0; p < 200; p++)
		(void)play();
	CHECK_EQ(referee.broken, 0);
	for (int p = 0; p < 200 && referee.broken == 0; p++) {
		turns[0].pace = 19 * 4;
		uint32_t i = (uint32_t)(wr_select_next(&wheel.select) - turns);
		wr_select_put(&wheel.select, &turns[i], 1);
		turns[0].pace = 9 * 4;
		wr_referee_taken(&referee, i);
		wr_referee_polled(&referee, i);
	}
	check_seen("polls in a round, its weight is 10");
	CHECK(referee.more_most > 0);
	for (int p = 0; p < 60; p++) {
		wr_referee_taken(&referee, 0);
		wr_referee_polled(&referee, 0);
	}
	CHECK(referee.more_most > WR_WHEEL_ROUND * WR_WHEEL_PARTS);
}

/* ---- what cannot be -------------------------------------------------------------------- */

static void
check_refused(weir_sim_options options, int code, const char *part)
{
	weir_error err;

	if (options.size == 0)
		options.size = sizeof(options);
	CHECK(weir_sim_open(&options, NULL) == NULL);
	CHECK(weir_sim_open(&options, &err) == NULL);
	CHECK_EQ(err.code, code);
	if (!strstr(err.text, part))
		FAIL("'%s' does not say '%s'", err.text, part);
}

static void
garbage_is_refused_by_name(void)
{
	static const weir_sim_class heavy[] = {
		{.consumers = 1, .weight = 100}, {.consumers = 1, .weight = 7}};
	static const weir_sim_class none[] = {{.consumers = 0, .weight = 1}};
	static const weir_sim_class many[] = {{.consumers = 1000000, .weight = 1},
		{.consumers = UINT32_MAX, .weight = 1}};
	static const weir_sim_class long_table[] = {{.consumers = 300, .weight = 60}};
	weir_sim_result result = {.size = sizeof(result)};
	weir_sim_summary summary = {.size = 1};
	weir_sim *sim;

	check_refused((weir_sim_options){.size = 1}, WEIR_E_USAGE_SIZE, "size");
	check_refused((weir_sim_options){.discipline = "lottery"}, WEIR_E_USAGE_INVAL,
		"no discipline 'lottery'");
	check_refused((weir_sim_options){.classes = heavy, .class_count = 2},
		WEIR_E_USAGE_INVAL, "100, is more than 64");
	check_refused((weir_sim_options){.classes = heavy, .class_count = 0},
		WEIR_E_USAGE_INVAL, "0 classes");
	check_refused((weir_sim_options){.classes = heavy, .class_count = 99},
		WEIR_E_USAGE_INVAL, "99 classes");
	check_refused((weir_sim_options){.classes = none, .class_count = 1},
		WEIR_E_USAGE_INVAL, "no consumer");
	check_refused((weir_sim_options){.classes = many, .class_count = 2},
		WEIR_E_USAGE_INVAL, "more than 1000000");
	check_refused(
		(weir_sim_options){
			.discipline = "table", .classes = long_table, .class_count = 1},
		WEIR_E_AGAIN_QUOTA, "18000 places");
	CHECK(weir_sim_open(NULL, NULL) == NULL);
	weir_sim_close(NULL);
	sim = open_sim(NULL, NULL, 0, 0, 0);
	CHECK_EQ(weir_sim_class_result(sim, 4, &result), -WEIR_E_USAGE_INVAL);
	result.size = 0;
	CHECK_EQ(weir_sim_class_result(sim, 0, &result), -WEIR_E_USAGE_SIZE);
	CHECK_EQ(weir_sim_summarize(sim, &summary), -WEIR_E_USAGE_SIZE);
	weir_sim_close(sim);
}

static const struct wr_test tests[] = {
	TEST(K2_promises_are_kept_under_every_seed, .watchdog_s = 600),
	TEST(five_thousand_consumers),
	TEST(parts_may_weigh_and_take_out),
	TEST(a_part_hears_of_each_poll),
	TEST(N9_a_seed_replays),
	TEST(N9_the_summary_of_the_table),
	TEST(the_referee_sees_a_stranger),
	TEST(the_referee_sees_who_is_lost),
	TEST(the_referee_sees_waste),
	TEST(the_referee_sees_favour),
	TEST(garbage_is_refused_by_name, .labels = "input"),
	TEST_END,
};

const struct wr_suite wr_suite_sim = {.name = "sim", .tests = tests};
