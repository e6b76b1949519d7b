/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * P17: what a poll needs of the scheduler takes as many instructions among 100,000 consumers
 * as among ten: the decision whose turn it is, the look at the budget, the look at the tier,
 * a promotion. Instructions are counted, not timed.
 */
#include "scheduler/rest.h"

#include "bus/bell.h"
#include "bus/lines.h"
#include "tests/lib/steps.h"
#include "tests/lib/test.h"

#include <string.h>
#include <weir/weir.h>

enum { TIMES = 30, SIZES = 3, MOST = 100000 };

static const unsigned sizes[SIZES] = {10, 1000, MOST};
static const unsigned weights[] = {10, 6, 3, 1};

static struct wr_reactor reactor;
static struct wr_tier_rules rules;
static struct wr_task *tasks;
static wr_a64 flag;
static struct wr_bell bell;
static uint32_t steps[TIMES];
static unsigned next_one;

static int
poll_nothing(struct wr_task *task, int *verdict)
{
	(void)task, (void)verdict;
	return 1;
}

/* So many tasks in a reactor, all with something to do; a violation promotes. */
static void
make(unsigned count, const char *discipline)
{
	struct wr_tier_config config = *wr_tier_profile("balanced");

	REQUIRE_EQ(wr_tier_config_read(&config,
			   "monitor.violations=1 warn.violations=1 promotion_ms=0", NULL),
		0);
	REQUIRE_EQ(wr_tier_rules_of(&rules, &config, NULL), 0);
	wr_bell_init(&bell);
	REQUIRE_EQ(wr_reactor_init(&reactor, &flag, &bell, WEIR_IDLE_PARK), 0);
	REQUIRE_EQ(wr_reactor_discipline(&reactor, discipline), 0);
	wr_reactor_watch_over(&reactor, &rules);
	free(tasks);
	tasks = wr_lines_alloc(count * sizeof(*tasks));
	REQUIRE(tasks != NULL);
	for (unsigned i = 0; i < count; i++) {
		tasks[i].poll = poll_nothing;
		REQUIRE_EQ(wr_reactor_add(
				   &reactor, &tasks[i], weights[i * 4 / count], NULL),
			0);
		wr_reactor_tell(&reactor, &tasks[i]);
	}
	next_one = 0;
}

static void
do_nothing(void *ctx)
{
	(void)ctx;
}

static void
decide(void *ctx)
{
	(void)ctx;
	wr_select_put(&reactor.queue.select, wr_select_next(&reactor.queue.select), 1000);
}

static void
look_at_budget(void *ctx)
{
	(void)ctx;
	wr_budget_fill(&reactor.allowance.budget);
	(void)wr_budget_consume(&reactor.allowance.budget, 7);
	if (wr_budget_is_over(&reactor.allowance.budget, 1))
		wr_budget_fill(&reactor.allowance.budget);
}

static void
look(uint64_t poll_ns)
{
	struct wr_task *task = &tasks[next_one++ % 10];
	struct wr_tier_signs signs = {
		.now_ns = task->tier.changed_ns + 1000, .poll_ns = poll_ns};
	struct wr_tier_change change;

	if (wr_tier_look(&task->tier, &rules, &signs, &change))
		wr_select_weigh(&reactor.queue.select, &task->turn,
			wr_turn_weight(&task->turn), wr_tier_factor(change.to));
}

static void
look_at_tier(void *ctx)
{
	(void)ctx;
	look(1000);
}

/* Ten of them, twice each. */
static void
promote(void *ctx)
{
	(void)ctx;
	look(2000000);
}

static unsigned
count(void (*operation)(void *ctx), unsigned times)
{
	if (wr_steps_count(operation, NULL, times, steps) < 0)
		TEST_SKIP("no process may be traced here");
	return wr_steps_most(steps, times);
}

/* The most instructions of an operation, at each size; where it is not the same for each time,
 * a few more or less are nothing that grows. */
static void
check_growth(const char *what, const char *discipline, void (*operation)(void *ctx),
	unsigned times)
{
	unsigned most[SIZES];

	for (int s = 0; s < SIZES; s++) {
		make(sizes[s], discipline);
		most[s] = count(operation, times);
		wr_reactor_fini(&reactor);
	}
	wr_test_note("%s, %s: %u, %u, %u instructions at most among 10, 1,000 and 100,000",
		discipline, what, most[0], most[1], most[2]);
	CHECK(most[1] <= most[0] + 16);
	CHECK(most[2] <= most[0] + 16);
}

/* The counter counts: a loop of more rounds has more instructions, one for one. */
static void
count_to(void *ctx)
{
	for (volatile unsigned i = 0; i < *(unsigned *)ctx; i++)
		;
}

static void
instructions_are_counted(void)
{
	unsigned rounds[] = {100, 200, 400}, most[3];

	for (int i = 0; i < 3; i++) {
		if (wr_steps_count(count_to, &rounds[i], 1, steps) < 0)
			TEST_SKIP("no process may be traced here");
		most[i] = steps[0];
	}
	CHECK(most[0] > 100);
	CHECK_EQ(most[2] - most[1], 2 * (most[1] - most[0]));
	CHECK(count(do_nothing, TIMES) < 30);
}

static void
P17_a_decision_does_not_grow(void)
{
	static const char *const disciplines[] = {"priority", "time", "classes", "robin"};

	for (int d = 0; d < 4; d++)
		check_growth("a decision", disciplines[d], decide, TIMES);
}

static void
P17_a_look_at_the_budget_does_not_grow(void)
{
	check_growth("a look at the budget", "priority", look_at_budget, TIMES);
}

static void
P17_a_promotion_does_not_grow(void)
{
	static const char *const disciplines[] = {"priority", "classes"};

	for (int d = 0; d < 2; d++) {
		check_growth("a look at the tier", disciplines[d], look_at_tier, TIMES);
		check_growth("a promotion", disciplines[d], promote, 20);
	}
}

static void
decide_for_all(void *ctx)
{
	for (unsigned i = 0; i < *(unsigned *)ctx; i++)
		decide(NULL);
}

/* The stride of who is left a quarter of weight 1 is four rounds, more than the circle of the
 * wheel: it is passed over on the way, once or twice. A decision may so have to pass over
 * several, but all of them together do it no oftener than that. */
static void
P17_long_strides_cost_no_more_in_the_mean(void)
{
	static const unsigned counts[] = {8, 64};
	double mean[2];

	for (int s = 0; s < 2; s++) {
		unsigned decisions = 2 * counts[s];

		make(counts[s], "priority");
		for (unsigned i = 0; i < counts[s]; i++)
			wr_select_weigh(
				&reactor.queue.select, &tasks[i].turn, 1, WR_FACTOR_25);
		decide_for_all(&decisions);
		if (wr_steps_count(decide_for_all, &decisions, 1, steps) < 0)
			TEST_SKIP("no process may be traced here");
		mean[s] = (double)steps[0] / decisions;
		wr_reactor_fini(&reactor);
	}
	wr_test_note("all at a quarter of weight 1: %.0f and %.0f instructions of a decision "
		     "in the mean, among 8 and 64",
		mean[0], mean[1]);
	CHECK(mean[1] <= mean[0] + 16);
}

static void
take_turn(void *ctx)
{
	int verdict;

	(void)ctx;
	(void)wr_reactor_poll(&reactor, &verdict);
}

/* All of it together: a turn is as many polls as there are consumers. Each look at the clock is
 * one at the kernel's here, since so much time passes under the tracer. */
static void
P17_a_whole_poll_does_not_grow(void)
{
	static const unsigned counts[] = {16, 512};
	double mean[2];

	for (int s = 0; s < 2; s++) {
		make(counts[s], "priority");
		/* To who is traced all polls take too long: nobody is suspected of it. */
		reactor.meter.limit_ns = UINT64_MAX;
		for (int i = 0; i < 100; i++)
			take_turn(NULL);
		if (wr_steps_count(take_turn, NULL, 1, steps) < 0)
			TEST_SKIP("no process may be traced here");
		mean[s] = (double)steps[0] / counts[s];
		wr_reactor_fini(&reactor);
	}
	wr_test_note(
		"a whole poll: %.0f and %.0f instructions in the mean, among 16 and 512",
		mean[0], mean[1]);
	CHECK(mean[1] <= mean[0] + 16);
}

static const struct wr_test tests[] = {
	TEST(instructions_are_counted),
	TEST(P17_a_decision_does_not_grow),
	TEST(P17_a_look_at_the_budget_does_not_grow),
	TEST(P17_a_promotion_does_not_grow),
	TEST(P17_long_strides_cost_no_more_in_the_mean),
	TEST(P17_a_whole_poll_does_not_grow),
	TEST_END,
};

const struct wr_suite wr_suite_select_growth = {.name = "select_growth", .tests = tests};
