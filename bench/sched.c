/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * bench-sched: what scheduling costs, an operation at a time, beside what it is held
 * against. Each figure is the median over batches of 200,000 operations; two that are
 * compared take turns. Exit 0: measured, whatever came out. Exit 2: could not measure.
 */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/lib/cases.h"
#include "bench/lib/clock.h"
#include "bench/lib/row.h"
#include "bench/lib/stat.h"
#ifdef BENCH_OURS
#include "bench/micro/micro.h"
#include "bench/micro/sched_parts.h"
#include "bench/ours/moves.h"
#include "bench/ours/queue.h"
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

static int
measure(const char *name, const struct micro *micro, double goal)
{
	struct batches b;
	if (run_batches(micro, NULL, &b) < 0)
		return BENCH_UNMEASURED;
	bench_row_median(
		row_of(name, micro, micro->work), stat_median_of(b.over, b.runs), goal);
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
	bench_row_median(
		row_of(name, under, under->work), stat_median_of(b.under, b.runs), 0);
	for (int i = 0; i < b.runs; i++)
		b.over[i] -= b.under[i];
	bench_row_median(row_of(name, over, work), stat_median_of(b.over, b.runs), goal);
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
	int rc = measure_ratio("idle", &micro_turn_idle, &micro_turn_48, "ours", 1.01);
	return bench_worse(rc,
		measure_ratio(
			"idle", &micro_loop_among_idle, &micro_loop_48, "ours", 1.01));
}

/* How a poll's cost is spread: batches that are small enough to show what seldom happens, and
 * large enough for a look at the tick counter to be lost in them. */
enum { POLLS = 64, AT_ONCE = 100, SPREAD = BENCH_RUNS_MAX * AT_ONCE };

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void
show_spread(const struct micro *micro, double *polls_ns, int count, double goal)
{
	struct bench_row row = row_of("poll", micro, micro->work);
	qsort(polls_ns, (size_t)count, sizeof *polls_ns, by_size);
	row.p50_ns = row.value = polls_ns[count / 2];
	row.p99_ns = polls_ns[count * 99 / 100];
	row.p999_ns = polls_ns[count * 999 / 1000];
	row.max_ns = polls_ns[count - 1];
	row.runs = count;
	bench_row_print(&row,
		(struct bench_goal){goal > 0 ? GOAL_AT_MOST : GOAL_NONE, goal, 0});
}

static void
run_spread(const struct micro *micro, void *subject, double *polls_ns)
{
	for (int i = 0; i < AT_ONCE; i++) {
		uint64_t begin = bench_ticks();
		micro->run(subject, POLLS);
		polls_ns[i] = bench_ns(bench_ticks() - begin) / POLLS;
	}
}

/* A hundred batches of each by turns, after as many that do not count. */
static int
measure_spread(void)
{
	static const struct micro *const all[] = {
		&micro_bare_64, &micro_all_off_64, &micro_all_on_64};
	enum { ALL = sizeof all / sizeof *all };
	static double polls_ns[ALL][SPREAD];
	void *subjects[ALL];
	int rc = BENCH_GOOD;
	for (int i = 0; i < ALL; i++) {
		subjects[i] = all[i]->make(all[i]->count);
		rc = subjects[i] ? rc : BENCH_UNMEASURED;
	}
	(void)bench_pin(0);
	for (int run = -1; rc == BENCH_GOOD && run < options.runs; run++)
		for (int i = 0; i < ALL; i++)
			run_spread(all[i], subjects[i],
				polls_ns[i] + (run < 0 ? 0 : run * AT_ONCE));
	for (int i = 0; i < ALL; i++) {
		if (rc == BENCH_GOOD)
			show_spread(all[i], polls_ns[i], options.runs * AT_ONCE,
				all[i] == &micro_all_on_64 ? 100 : 0);
		if (subjects[i])
			all[i]->discard(subjects[i]);
	}
	return rc;
}

/* What stands in seed P for the same: 48 ns. */
static int
case_poll(void)
{
	int rc = measure_more("poll", &micro_loop_48, &micro_bare_48,
		"the loop's part of a poll, everything on, of 48", 12);
	rc = bench_worse(rc,
		measure_more("poll", &micro_loop_4096, &micro_bare_4096,
			"the loop's part of a poll, everything on, of 4,096", 12));
	rc = bench_worse(rc,
		measure_more("poll", &micro_loop_batch, &micro_bare_batch,
			"the loop's part of a message, 32 to a poll, of 48", 1));
	rc = bench_worse(rc, measure_spread());
	rc = bench_worse(rc, measure("poll", &micro_cpu_clock, 0));
	return bench_worse(rc, measure("poll", &micro_clock, 0));
}

enum { WAKES = 20000, WAKES_MORE = 64 };

static void
show_wakes(const char *work, double polls, double goal)
{
	struct bench_row row = bench_row_of("wake", "ours", work);
	row.subscribers = 48;
	row.unit = "polls";
	row.value = polls;
	row.runs = WAKES;
	bench_row_print(&row, (struct bench_goal){GOAL_AT_MOST, goal, 0});
}

/* Counted, not timed: the same on every machine. */
static int
case_wake(void)
{
	static double polls[WAKES + WAKES_MORE];
	if (micro_wake_polls(polls, WAKES) < 0)
		return BENCH_UNMEASURED;
	qsort(polls, WAKES, sizeof(*polls), by_size);
	show_wakes("until who wakes is polled, weight 10, 45 others at work: p50",
		polls[WAKES / 2], 0);
	show_wakes("until who wakes is polled, weight 10, 45 others at work: p99",
		polls[WAKES * 99 / 100], 20);
	return BENCH_GOOD;
}

/* A loop for each core, in threads of their own. */
struct worker {
	pthread_t thread;
	pthread_barrier_t *start;
	int core;
	double begin_ns, end_ns;
};

static void *
work_on_core(void *arg)
{
	struct worker *worker = arg;
	void *subject = micro_loop_48.make(micro_loop_48.count);
	(void)bench_pin(worker->core);
	if (subject)
		micro_loop_48.run(subject, OPERATIONS);
	pthread_barrier_wait(worker->start);
	worker->begin_ns = bench_ns(bench_ticks());
	if (subject)
		micro_loop_48.run(subject, OPERATIONS * 10);
	worker->end_ns = bench_ns(bench_ticks());
	if (subject)
		micro_loop_48.discard(subject);
	return NULL;
}

/* Polls a second of so many loops together. */
static double
rate_of(int loops)
{
	struct worker workers[2];
	pthread_barrier_t start;
	double begin = INFINITY, end = 0;
	if (pthread_barrier_init(&start, NULL, (unsigned)loops) != 0)
		return NAN;
	for (int i = 0; i < loops; i++) {
		workers[i] = (struct worker){.start = &start, .core = i};
		if (pthread_create(
			    &workers[i].thread, NULL, work_on_core, &workers[i]) != 0)
			return NAN;
	}
	for (int i = 0; i < loops; i++) {
		pthread_join(workers[i].thread, NULL);
		begin = fmin(begin, workers[i].begin_ns);
		end = fmax(end, workers[i].end_ns);
	}
	pthread_barrier_destroy(&start);
	return loops * OPERATIONS * 10.0 / (end - begin) * 1e9;
}

static int
case_cores(void)
{
	double one[BENCH_RUNS_MAX], two[BENCH_RUNS_MAX];
	int runs = options.quick ? 5 : 21;
	if (bench_cores() < 2)
		return BENCH_UNMEASURED;
	for (int i = 0; i < runs; i++) {
		two[i] = rate_of(2);
		one[i] = rate_of(1);
	}
	struct bench_row row =
		bench_row_of("cores", "ours", "polls of two loops on two cores");
	row.subscribers = 48;
	row.unit = "polls/s";
	row.value = stat_median_of(two, runs).median;
	row.runs = runs;
	bench_row_ratio(&row, "one loop", stat_ratio_of(two, one, runs));
	bench_row_print(&row, (struct bench_goal){GOAL_AT_LEAST, 1.8, 0});
	return BENCH_GOOD;
}

/* A busy subscription that goes from loop to loop, beside one that stays where it is. */
static int
case_moves(void)
{
	enum { EVERY = 1000 };
	double moving[BENCH_RUNS_MAX], staying[BENCH_RUNS_MAX], misses[BENCH_RUNS_MAX];
	int runs = options.quick ? 5 : 21;
	for (int i = 0; i < runs; i++) {
		struct moves_result with, without;
		if (moves_run(EVERY, &with) < 0 || moves_run(0, &without) < 0)
			return BENCH_UNMEASURED;
		moving[i] = with.msgs_per_s;
		staying[i] = without.msgs_per_s;
		misses[i] = with.misses - without.misses;
	}
	struct bench_row row = bench_row_of("moves", "ours",
		"a subscription that changes its loop every 1,000 messages");
	row.size = 64;
	row.msgs_per_s = stat_median_of(moving, runs).median;
	row.runs = runs;
	bench_row_ratio(&row, "one that stays", stat_ratio_of(moving, staying, runs));
	bench_row_print(&row, (struct bench_goal){GOAL_NONE, 0, 0});
	row = bench_row_of(
		"moves", "ours", "misses of the cache that moving adds to a message");
	row.unit = "misses";
	row.value = stat_median_of(misses, runs).median;
	row.runs = runs;
	bench_row_print(&row, (struct bench_goal){GOAL_NONE, 0, 0});
	if (isnan(row.value))
		bench_row_note("this machine does not count misses of the cache");
	return BENCH_GOOD;
}

static int
case_parts(void)
{
	return sched_parts(options.runs, options.few);
}
/* The one and the other, and how much of the other's time the one takes. */
static int
measure_beside(const struct micro *ours, const struct micro *other)
{
	if (!other)
		return BENCH_GOOD;
	int rc = measure("queue", other, 0);
	return bench_worse(rc, measure_ratio("queue", ours, other, other->peer, 1));
}

static int
case_queue(void)
{
	static const struct micro *const pairs[][2] = {
		{&queue_alone, &queue_locked_alone}, {&queue_link, &queue_locked_link},
		{&queue_sub, &queue_locked_sub}, {&queue_pub, &queue_locked_pub}};
	int rc = measure("queue", &queue_link_large, 0);
	rc = bench_worse(rc, measure("queue", &queue_round, 0));
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
		rc = bench_worse(rc, measure_beside(pairs[i][0], pairs[i][1]));
	rc = bench_worse(rc, measure_beside(&queue_alone, queue_ck_alone));
	return bench_worse(rc, measure_beside(&queue_link, queue_ck_link));
}

#endif

static const struct bench_case cases[] = {
#ifdef BENCH_OURS
	{"decision", case_decision, "whose turn it is, beside a bare indirect call"},
	{"disciplines", case_disciplines, "the same of the other disciplines"},
	{"idle", case_idle, "the same among 100,000 consumers that are idle"},
	{"wake", case_wake, "how soon who has something to do again is served"},
	{"cores", case_cores, "two loops on two cores, beside one"},
	{"moves", case_moves, "a subscription that moves from loop to loop"},
	{"parts", case_parts, "budgets, tiers, hooks, and a million timers"},
	{"poll", case_poll, "what a loop adds to a poll, beside two readings of a clock"},
	{"queue", case_queue, "an item between threads, beside a mutex and ck_ring"},
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
