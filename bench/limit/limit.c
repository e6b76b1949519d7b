/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/limit/limit.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench/lib/clock.h"
#include "bench/lib/crew.h"
#include "bench/lib/stat.h"

enum { BATCH = 1000, BATCHES_MAX = 1000, WATCHDOG_S = 20 };

struct line_run {
	_Alignas(128) _Atomic uint64_t line;
	_Alignas(128) int batches;
	double ns[BATCHES_MAX]; /* of one trip, per batch; writer: worker 0 */
};

static int
work_line(struct crew *crew, int index, void *arg)
{
	struct line_run *run = arg;
	uint64_t trips = (uint64_t)run->batches * BATCH;
	bench_pin(index);
	if (crew_meet(crew, 2, 1) < 0)
		return -1;
	uint64_t begin = bench_ticks();
	for (uint64_t trip = 0; trip < trips; trip++) {
		uint64_t mine = 2 * trip + (uint64_t)index;
		while (atomic_load_explicit(&run->line, memory_order_acquire) != mine)
			;
		atomic_store_explicit(&run->line, mine + 1, memory_order_release);
		if (index == 0 && (trip + 1) % BATCH == 0) {
			uint64_t end = bench_ticks();
			run->ns[trip / BATCH] = bench_ns(end - begin) / BATCH;
			begin = end;
		}
	}
	return 0;
}

int
limit_line(int trips, double *round_trip_ns)
{
	struct crew crew;
	struct line_run *run = crew_shared(sizeof *run);
	int rc = -1;
	*round_trip_ns = NAN;
	if (run && crew_init(&crew) == 0) {
		run->batches = trips / BATCH < BATCHES_MAX ? trips / BATCH : BATCHES_MAX;
		for (int i = 0; i < 2; i++)
			crew_spawn(&crew, work_line, run);
		rc = crew_wait(&crew, "cache line", WATCHDOG_S);
	}
	if (rc == 0)
		*round_trip_ns = stat_median_of(run->ns, run->batches).median;
	crew_shared_free(run, sizeof *run);
	return rc;
}

struct futex_run {
	_Alignas(128) _Atomic uint32_t word;
	_Alignas(128) _Atomic uint64_t rung; /* ticks before the wake */
	_Alignas(128) double gap_ns;
	int count;
	struct hist hist; /* writer: worker 1 */
};

static long
futex(_Atomic uint32_t *word, int op, uint32_t value)
{
	return syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

static int
work_futex(struct crew *crew, int index, void *arg)
{
	struct futex_run *run = arg;
	bench_pin(index);
	if (crew_meet(crew, 2, 1) < 0)
		return -1;
	for (uint32_t turn = 0; turn < (uint32_t)run->count; turn++) {
		if (index == 0) {
			bench_spin_until(bench_ticks() + bench_ticks_of(run->gap_ns));
			atomic_store(&run->rung, bench_ticks());
			atomic_store(&run->word, turn + 1);
			futex(&run->word, FUTEX_WAKE, INT_MAX);
			continue;
		}
		int slept = 0;
		while (atomic_load(&run->word) == turn)
			slept = futex(&run->word, FUTEX_WAIT, turn) == 0;
		uint64_t now = bench_ticks();
		if (slept && atomic_load(&run->word) == turn + 1)
			hist_add(&run->hist, now - atomic_load(&run->rung));
	}
	return 0;
}

int
limit_futex(double gap_ns, int count, struct gen_result *result)
{
	struct crew crew;
	struct futex_run *run = crew_shared(sizeof *run);
	int rc = -1;
	*result = gen_nothing;
	if (run && crew_init(&crew) == 0) {
		run->gap_ns = gap_ns;
		run->count = count;
		for (int i = 0; i < 2; i++)
			crew_spawn(&crew, work_futex, run);
		rc = crew_wait(&crew, "futex wake", WATCHDOG_S);
	}
	if (rc == 0 && run->hist.count > 0) {
		result->p50_ns = bench_ns_per_tick * hist_quantile(&run->hist, 0.5);
		result->p99_ns = bench_ns_per_tick * hist_quantile(&run->hist, 0.99);
		result->p999_ns = bench_ns_per_tick * hist_quantile(&run->hist, 0.999);
		result->max_ns = bench_ns(run->hist.max);
	} else {
		rc = -1;
	}
	crew_shared_free(run, sizeof *run);
	return rc;
}

/* The best of some rounds: what disturbs only ever adds time. */
static double
best_ns(void (*once)(void), int times)
{
	double best = INFINITY;
	for (int round = 0; round < 20; round++) {
		uint64_t begin = bench_ticks();
		for (int i = 0; i < times; i++)
			once();
		double ns = bench_ns(bench_ticks() - begin) / times;
		best = ns < best ? ns : best;
	}
	return best;
}

double
limit_copy(size_t size)
{
	enum { BYTES = 32 << 20 };
	unsigned char *from = aligned_alloc(64, size), *to = aligned_alloc(64, size);
	double best = INFINITY;
	if (!from || !to)
		goto out;
	memset(from, 7, size);
	memset(to, 0, size);
	for (int round = 0; round < 5; round++) {
		size_t times = BYTES / size;
		uint64_t begin = bench_ticks();
		for (size_t i = 0; i < times; i++) {
			memcpy(to, from, size);
			__asm__ volatile("" : : "r"(to), "r"(from) : "memory");
		}
		double ns = bench_ns(bench_ticks() - begin) / (double)times;
		best = ns < best ? ns : best;
	}
out:
	free(from);
	free(to);
	return isfinite(best) ? (double)size / best * 1e9 : NAN;
}

static volatile uint64_t sink;

static void
once_ticks(void)
{
	sink = bench_ticks();
}

static void
once_clock(void)
{
	sink = bench_clock_ns(CLOCK_MONOTONIC);
}

static void
once_thread_clock(void)
{
	sink = bench_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static void
once_syscall(void)
{
	sink = (uint64_t)syscall(SYS_getppid);
}

static void
once_wake(void)
{
	static _Atomic uint32_t word;
	futex(&word, FUTEX_WAKE, 1);
}

static double
cost_ticks(void)
{
	return best_ns(once_ticks, 10000);
}

static double
cost_clock(void)
{
	return best_ns(once_clock, 10000);
}

static double
cost_thread_clock(void)
{
	return best_ns(once_thread_clock, 2000);
}

static double
cost_syscall(void)
{
	return best_ns(once_syscall, 2000);
}

static double
cost_wake(void)
{
	return best_ns(once_wake, 2000);
}

const struct limit_cost limit_costs[] = {{"tick counter", cost_ticks},
	{"CLOCK_MONOTONIC", cost_clock}, {"CLOCK_THREAD_CPUTIME_ID", cost_thread_clock},
	{"system call", cost_syscall}, {"futex wake, nobody there", cost_wake}};
const size_t limit_cost_count = sizeof limit_costs / sizeof *limit_costs;
