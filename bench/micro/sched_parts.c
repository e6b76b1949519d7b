/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/micro/sched_parts.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench/lib/cases.h"
#include "bench/lib/clock.h"
#include "bench/lib/row.h"
#include "bench/lib/stat.h"
#include "bench/micro/heap4.h"
#include "scheduler/budget.h"
#include "scheduler/hooks.h"
#include "scheduler/lease.h"
#include "scheduler/tiers.h"
#include "scheduler/timers.h"

enum { OPERATIONS = 200000 };

/* Everything is in memory again, and may have changed. */
#define FORGET() __asm__ volatile("" ::: "memory")
/* The value is wanted. */
#define WANT(value) __asm__ volatile("" : : "r"(value))

static double
batch_ns(void (*run)(void))
{
	uint64_t begin = bench_ticks();

	run();
	return bench_ns(bench_ticks() - begin) / OPERATIONS;
}

/* ---- rows ---------------------------------------------------------------------------- */

static struct bench_row
row_of(const char *name, const char *peer, const char *work)
{
	struct bench_row row = bench_row_of(name, peer, work);

	row.unit = "ns";
	return row;
}

static void
measure(const char *name, const char *work, void (*run)(void), int runs, double goal)
{
	double values[BENCH_RUNS_MAX];

	run();
	for (int i = 0; i < runs; i++)
		values[i] = batch_ns(run);
	bench_row_median(row_of(name, "ours", work), stat_median_of(values, runs), goal);
}

/* By turns: what ours costs of the other's. */
static void
measure_beside(const char *name, const char *work, void (*ours)(void),
	const char *other, void (*under)(void), int runs, double goal)
{
	double over[BENCH_RUNS_MAX], low[BENCH_RUNS_MAX];
	struct bench_row row;

	ours();
	under();
	for (int i = 0; i < runs; i++) {
		low[i] = batch_ns(under);
		over[i] = batch_ns(ours);
	}
	bench_row_median(row_of(name, other, other), stat_median_of(low, runs), 0);
	row = row_of(name, "ours", work);
	row.value = stat_median_of(over, runs).median;
	bench_row_ratio(&row, other, stat_ratio_of(over, low, runs));
	bench_row_print(&row, (struct bench_goal){GOAL_AT_MOST, goal, 0});
}

/* ---- budgets --------------------------------------------------------------------------- */

static struct wr_budget budget;
static struct wr_budget_shared shared;
static uint32_t word;
static _Atomic uint32_t counter;

static void
load_and_store(void)
{
	for (int i = 0; i < OPERATIONS; i++) {
		word -= 1;
		FORGET();
	}
}

/* As a handler does: until it is told to stop, which here it never is. */
static void
consume(void)
{
	budget.left = UINT32_MAX;
	for (int i = 0; i < OPERATIONS; i++) {
		if (wr_budget_consume(&budget, 1))
			break;
		FORGET();
	}
}

static void
fetch_sub(void)
{
	for (int i = 0; i < OPERATIONS; i++)
		WANT(atomic_fetch_sub_explicit(&counter, 1, memory_order_relaxed));
}

static void
consume_shared(void)
{
	atomic_store_explicit(&shared.left, INT32_MAX, memory_order_relaxed);
	for (int i = 0; i < OPERATIONS; i++)
		if (wr_budget_shared_consume(&shared, 1))
			break;
}

static void
measure_budgets(int runs)
{
	measure_beside("budget", "consume, the owner's form", consume,
		"a dependent load and store", load_and_store, runs, 1.5);
	measure_beside("budget", "consume, the shared form", consume_shared,
		"an uncontended fetch_sub", fetch_sub, runs, 2);
}

/* ---- tiers ------------------------------------------------------------------------------ */

enum { SIGNS = 1024 };

static struct wr_tier_rules rules;
static struct wr_tier tier;
static struct wr_tier_signs signs[SIGNS];
static uint64_t now_ns;

static uint64_t seed = 88172645463325252ull;

static uint64_t
rnd(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static void
look_at_all(void)
{
	struct wr_tier_change change;

	for (int i = 0; i < OPERATIONS; i++) {
		struct wr_tier_signs *s = &signs[i % SIGNS];

		now_ns += 300000;
		s->now_ns = now_ns;
		WANT(wr_tier_look(&tier, &rules, s, &change));
	}
}

static void
measure_tiers(int runs)
{
	(void)wr_tier_rules_of(&rules, wr_tier_profile("balanced"), NULL);
	wr_tier_init(&tier, now_ns);
	memset(signs, 0, sizeof(signs));
	measure("tier", "decision, nothing against it", look_at_all, runs, 45);
	/* A bit of everything, in no order that could be learned. */
	for (int i = 0; i < SIGNS; i++)
		signs[i] = (struct wr_tier_signs){
			.poll_ns = rnd(4) ? rnd(300000) : 900000 + rnd(300000),
			.stall_ns = rnd(16) ? 0 : rnd(200000),
			.lag = (uint32_t)rnd(900)};
	rules.age_ns = 1;
	measure("tier", "decision, of everything a bit", look_at_all, runs, 45);
}

/* ---- hooks ------------------------------------------------------------------------------- */

enum { TABLES = 32 };

static struct wr_hooks hooks;
static struct wr_hook_table tables[TABLES];

static void
do_nothing(void *ctx, uint64_t consumer)
{
	(void)ctx;
	(void)consumer;
}

static void
exchange(void)
{
	for (int i = 0; i < OPERATIONS; i++)
		WANT(wr_hooks_swap(&hooks, &tables[i % TABLES], NULL));
}

/* What there is without a loop around it is less than the loop. */
static void
look_and_call(void)
{
	for (int i = 0; i < OPERATIONS; i++) {
		const struct wr_hook_table *table = wr_hooks_look(&hooks);

		wr_hook_before_poll(table, (uint64_t)i);
		FORGET();
	}
}

static int
measure_hooks(int runs)
{
	if (wr_hooks_init(&hooks) < 0)
		return BENCH_UNMEASURED;
	for (int i = 0; i < TABLES; i++)
		tables[i] = (struct wr_hook_table){.before_poll = do_nothing};
	measure("hooks", "no table: look and branch", look_and_call, runs, 2);
	(void)wr_hooks_swap(&hooks, &tables[0], NULL);
	measure("hooks", "an empty hook: look and call", look_and_call, runs, 2);
	if (wr_epoch_can()) {
		(void)wr_hooks_swap(&hooks, NULL, NULL);
		(void)wr_hooks_reclaim(&hooks);
		measure("hooks", "exchange, with giving back", exchange, runs, 70);
	}
	wr_hooks_fini(&hooks);
	return BENCH_GOOD;
}

/* ---- being watched ---------------------------------------------------------------------- */

static struct wr_lease lease;

/* A small handler, as a poll calls it. */
static __attribute__((noinline)) void
handle(void)
{
	for (int i = 0; i < 16; i++)
		FORGET();
}

static void
call_only(void)
{
	for (int i = 0; i < OPERATIONS; i++) {
		handle();
		FORGET();
	}
}

/* And all that the poll does more where its loop may be taken meanwhile. */
static void
call_watched(void)
{
	struct wr_lease *here = &lease;

	WANT(here);
	for (int i = 0; i < OPERATIONS; i++) {
		wr_lease_begin(here, NULL, WR_BUDGET_DEFAULT);
		handle();
		WANT(wr_lease_end(here));
	}
}

/* By turns: what it costs more. */
static void
measure_watched(const char *work, int runs, double goal)
{
	double more[BENCH_RUNS_MAX];

	call_only();
	call_watched();
	for (int i = 0; i < runs; i++) {
		double without = batch_ns(call_only);

		more[i] = batch_ns(call_watched) - without;
	}
	bench_row_median(
		row_of("watched", "ours", work), stat_median_of(more, runs), goal);
}

static void
measure_leases(int runs)
{
	wr_lease_init(&lease, false);
	if (!lease.exchanges)
		measure_watched(
			"a poll more, by the heavy fence of the sentinel", runs, 2);
	wr_lease_init(&lease, true);
	measure_watched("a poll more, by exchange", runs, 0);
}

/* ---- timers --------------------------------------------------------------------------------- */

enum { TIMERS = 1000000 };

#define SPREAD_NS 59000000000ull /* deadlines lie within it */
#define LATER_NS  2000000000ull  /* re-armed by up to this */
#define STEP_NS   1000000ull     /* what is due is asked for so often */

enum step { INSERT, REARM, CANCEL, EXPIRE, CHANGED, STEPS };

static const char *const step_names[STEPS] = {"insert", "re-arm to later", "cancel",
	"expire", "expire, all re-armed, half cancelled"};
static const double step_goals[STEPS] = {15, 20, 10, 300, 0};

static struct wr_timers wheel;
static struct heap4 heap;
static void *wheel_memory, *heap_memory;
static wr_timer_id *ids;      /* of each timer, and */
static wr_timer_id *shuffled; /* as their owners come */
static uint64_t *deadlines;
static uint32_t *order; /* every timer once, in no order */
static uint64_t *later; /* deadlines in that order, later */

static double
ns_each(uint64_t begin, uint64_t count)
{
	return bench_ns(bench_ticks() - begin) / (double)count;
}

static double
expire_wheel(void)
{
	struct wr_timer_due due[WR_TIMERS_FIRE];
	uint64_t begin = bench_ticks(), fired = 0;

	for (uint64_t now = 0; now < SPREAD_NS + LATER_NS; now += STEP_NS)
		do
			fired += wr_timers_expire(&wheel, now, due, WR_TIMERS_FIRE);
		while (wr_timers_next_ns(&wheel) <= now);
	return ns_each(begin, fired);
}

static void
run_wheel(double *ns)
{
	uint64_t begin = bench_ticks();

	for (uint32_t i = 0; i < TIMERS; i++)
		ids[i] = wr_timers_arm(&wheel, deadlines[i], i);
	ns[INSERT] = ns_each(begin, TIMERS);
	ns[EXPIRE] = expire_wheel();
	(void)wr_timers_init(&wheel, wheel_memory, TIMERS, 0);
	for (uint32_t i = 0; i < TIMERS; i++)
		ids[i] = wr_timers_arm(&wheel, deadlines[i], i);
	for (uint32_t i = 0; i < TIMERS; i++)
		shuffled[i] = ids[order[i]];
	begin = bench_ticks();
	for (uint32_t i = 0; i < TIMERS; i++)
		(void)wr_timers_rearm(&wheel, shuffled[i], later[i]);
	ns[REARM] = ns_each(begin, TIMERS);
	begin = bench_ticks();
	for (uint32_t i = 0; i < TIMERS / 2; i++)
		(void)wr_timers_cancel(&wheel, shuffled[i]);
	ns[CANCEL] = ns_each(begin, TIMERS / 2);
	ns[CHANGED] = expire_wheel();
}

static double
expire_heap(void)
{
	uint64_t begin = bench_ticks(), fired = 0;

	for (uint64_t now = 0; now < SPREAD_NS + LATER_NS; now += STEP_NS)
		fired += heap4_expire(&heap, now);
	return ns_each(begin, fired);
}

static void
run_heap(double *ns)
{
	uint64_t begin = bench_ticks();

	for (uint32_t i = 0; i < TIMERS; i++)
		heap4_arm(&heap, i, deadlines[i]);
	ns[INSERT] = ns_each(begin, TIMERS);
	ns[EXPIRE] = expire_heap();
	for (uint32_t i = 0; i < TIMERS; i++)
		heap4_arm(&heap, i, deadlines[i]);
	begin = bench_ticks();
	for (uint32_t i = 0; i < TIMERS; i++)
		heap4_rearm(&heap, order[i], later[i]);
	ns[REARM] = ns_each(begin, TIMERS);
	begin = bench_ticks();
	for (uint32_t i = 0; i < TIMERS / 2; i++)
		heap4_cancel(&heap, order[i]);
	ns[CANCEL] = ns_each(begin, TIMERS / 2);
	ns[CHANGED] = expire_heap();
}

static void
choose_deadlines(void)
{
	for (uint32_t i = 0; i < TIMERS; i++) {
		deadlines[i] = 1 + rnd(SPREAD_NS);
		order[i] = i;
	}
	for (uint32_t i = TIMERS - 1; i > 0; i--) {
		uint32_t other = (uint32_t)rnd(i + 1), was = order[i];

		order[i] = order[other];
		order[other] = was;
	}
	for (uint32_t i = 0; i < TIMERS; i++)
		later[i] = deadlines[order[i]] + rnd(LATER_NS);
}

/* Memory that was touched before, so that the kernel's part is not measured; in large pages
 * where there are any, as one would give to so many timers. */
static void *
large_memory(size_t bytes)
{
	enum { LARGE_PAGE = 2 << 20 };
	size_t whole = (bytes + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
	void *memory = aligned_alloc(LARGE_PAGE, whole);

	if (!memory)
		return NULL;
	(void)madvise(memory, whole, MADV_HUGEPAGE);
	memset(memory, 0, whole);
	return memory;
}

static int
make_timers(void)
{
	wheel_memory = large_memory(wr_timers_bytes(TIMERS));
	heap_memory = large_memory(heap4_bytes(TIMERS));
	ids = large_memory(TIMERS * sizeof(*ids));
	shuffled = large_memory(TIMERS * sizeof(*shuffled));
	deadlines = large_memory(TIMERS * sizeof(*deadlines));
	later = large_memory(TIMERS * sizeof(*later));
	order = large_memory(TIMERS * sizeof(*order));
	return wheel_memory && heap_memory && ids && shuffled && deadlines && later && order
		? 0
		: -1;
}

static void
discard_timers(void)
{
	free(wheel_memory);
	free(heap_memory);
	free(ids);
	free(shuffled);
	free(deadlines);
	free(later);
	free(order);
}

static int
measure_timers(int runs)
{
	double wheel_ns[STEPS][BENCH_RUNS_MAX], heap_ns[STEPS][BENCH_RUNS_MAX];

	if (make_timers() < 0) {
		discard_timers();
		return BENCH_UNMEASURED;
	}
	/* The first one of each does not count. */
	for (int run = -1; run < runs; run++) {
		double over[STEPS], under[STEPS];

		choose_deadlines();
		(void)wr_timers_init(&wheel, wheel_memory, TIMERS, 0);
		heap4_init(&heap, heap_memory, TIMERS);
		run_wheel(over);
		run_heap(under);
		for (int step = 0; step < STEPS; step++) {
			wheel_ns[step][run < 0 ? 0 : run] = over[step];
			heap_ns[step][run < 0 ? 0 : run] = under[step];
		}
	}
	for (int step = 0; step < STEPS; step++) {
		bench_row_median(row_of("timers", "4-ary heap", step_names[step]),
			stat_median_of(heap_ns[step], runs), 0);
		bench_row_median(row_of("timers", "ours", step_names[step]),
			stat_median_of(wheel_ns[step], runs), step_goals[step]);
	}
	discard_timers();
	return BENCH_GOOD;
}

int
sched_parts(int runs, int few)
{
	int rc;

	(void)bench_pin(0);
	measure_budgets(runs);
	measure_tiers(runs);
	rc = measure_hooks(runs);
	measure_leases(runs);
	return bench_worse(rc, measure_timers(few));
}
