/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * bench-sched: what scheduling costs, an operation at a time, beside what it is held
 * against. Each figure is the median over batches of 200,000 operations; two that are
 * compared take turns. Exit 0: measured, whatever came out. Exit 2: could not measure.
 */
#include <math.h>
#include <stdio.h>

#include "bench/lib/cases.h"
#include "bench/lib/clock.h"
#include "bench/lib/row.h"
#include "bench/lib/stat.h"
#ifdef BENCH_OURS
#include "bench/micro/micro.h"
#endif

static struct bench_options options;

#ifdef BENCH_OURS

enum { OPERATIONS = 200000 };

static double
batch_ns(const struct micro *micro, void *subject)
{
	uint64_t begin = bench_ticks();
	micro->run(subject, OPERATIONS);
	return bench_ns(bench_ticks() - begin) / OPERATIONS;
}

struct batches {
	double over[BENCH_RUNS_MAX], under[BENCH_RUNS_MAX];
	int runs;
};

/* Batches of the one and of the other by turns, after one of each that does not count.
 * under may be NULL. 0 or -1. */
static int
run_batches(const struct micro *over, const struct micro *under, struct batches *b)
{
	void *upper = over->make(over->count);
	void *lower = under ? under->make(under->count) : NULL;
	int rc = upper && (lower || !under) ? 0 : -1;
	(void)bench_pin(0);
	for (b->runs = -1; rc == 0 && b->runs < options.runs; b->runs++) {
		int at = b->runs < 0 ? 0 : b->runs;
		b->under[at] = under ? batch_ns(under, lower) : 0;
		b->over[at] = batch_ns(over, upper);
	}
	if (upper)
		over->discard(upper);
	if (lower)
		under->discard(lower);
	return rc;
}

static struct bench_row
row_of(const char *name, const struct micro *micro, const char *work)
{
	struct bench_row row = bench_row_of(name, micro->peer, work);
	row.unit = "ns";
	if (micro->count)
		row.subscribers = micro->count;
	return row;
}

/* One figure, and how far apart the batches were. */
static void
print_value(struct bench_row row, const double *values, int runs, double goal)
{
	struct stat_median m = stat_median_of(values, runs);
	row.value = m.median;
	row.runs = m.runs;
	bench_row_print(&row,
		(struct bench_goal){goal > 0 ? GOAL_AT_MOST : GOAL_NONE, goal, 0});
	bench_row_note("%s, %s: %.2f to %.2f ns", row.peer, row.work, m.lo, m.hi);
}

static int
measure(const char *name, const struct micro *micro, double goal)
{
	struct batches b;
	if (run_batches(micro, NULL, &b) < 0)
		return BENCH_UNMEASURED;
	print_value(row_of(name, micro, micro->work), b.over, b.runs, goal);
	return BENCH_GOOD;
}

/* What the one costs more than the other, and that other. */
static int
measure_more(const char *name, const struct micro *over, const struct micro *under,
	const char *work, double goal)
{
	struct batches b;
	if (run_batches(over, under, &b) < 0)
		return BENCH_UNMEASURED;
	print_value(row_of(name, under, under->work), b.under, b.runs, 0);
	for (int i = 0; i < b.runs; i++)
		b.over[i] -= b.under[i];
	print_value(row_of(name, over, work), b.over, b.runs, goal);
	return BENCH_GOOD;
}

/* The ratio of the two. */
static int
measure_ratio(const char *name, const struct micro *over, const struct micro *under,
	const char *of, double goal)
{
	struct batches b;
	if (run_batches(over, under, &b) < 0)
		return BENCH_UNMEASURED;
	struct bench_row row = row_of(name, over, over->work);
	row.value = stat_median_of(b.over, b.runs).median;
	bench_row_ratio(&row, of, stat_ratio_of(b.over, b.under, b.runs));
	bench_row_print(&row, (struct bench_goal){GOAL_AT_MOST, goal, 0});
	return BENCH_GOOD;
}

/* ---- the cases ----------------------------------------------------------------------- */

static int
case_decision(void)
{
	int rc = measure("decision", &micro_turn_48, 8);
	rc = bench_worse(rc, measure("decision", &micro_turn_4096, 8));
	rc = bench_worse(rc,
		measure_more("decision", &micro_poll_48, &micro_call_48,
			"allocator decision over a bare call, of 48", 8));
	return bench_worse(rc,
		measure_more("decision", &micro_poll_4096, &micro_call_4096,
			"allocator decision over a bare call, of 4,096", 8));
}

static int
case_disciplines(void)
{
	int rc = measure("disciplines", &micro_turn_time, 0);
	rc = bench_worse(rc, measure("disciplines", &micro_turn_classes, 0));
	return bench_worse(rc, measure("disciplines", &micro_turn_robin, 0));
}

static int
case_idle(void)
{
	return measure_ratio("idle", &micro_turn_idle, &micro_turn_48, "ours", 1.01);
}

#endif

static const struct bench_case cases[] = {
#ifdef BENCH_OURS
	{"decision", case_decision, "whose turn it is, beside a bare indirect call"},
	{"disciplines", case_disciplines, "the same of the other disciplines"},
	{"idle", case_idle, "the same among 100,000 consumers that are idle"},
#endif
	{NULL, NULL, NULL}};

int
main(int argc, char **argv)
{
	static const struct bench_program program = {.name = "bench-sched",
		.cases = cases,
		.options = &options,
		.runs = 61,
		.runs_quick = 11,
		.few = 7,
		.failed = "something could not be"};

	return bench_main(&program, argc, argv);
}
