/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/lib/clock.h"

#include <sched.h>
#include <sys/prctl.h>

double bench_ns_per_tick = 1.0;
uint64_t bench_tick_step = 1;

static cpu_set_t cores_allowed;
static int core_ids[2] = {-1, -1};
static int core_count;

/* The smallest distance of several short ones is the one that nobody interrupted. */
static double
rate_of_ticks(void)
{
	double best = 0;
	uint64_t narrowest = UINT64_MAX;
	for (int i = 0; i < 5; i++) {
		uint64_t ns[2], ticks[2], width = 0;
		for (int end = 0; end < 2; end++) {
			uint64_t before = bench_ticks();
			ns[end] = bench_clock_ns(CLOCK_MONOTONIC);
			uint64_t after = bench_ticks();
			ticks[end] = before + (after - before) / 2;
			width += after - before;
			if (end == 0)
				while (bench_clock_ns(CLOCK_MONOTONIC) - ns[0] < 10000000u)
					bench_pause();
		}
		if (width < narrowest) {
			narrowest = width;
			best = (double)(ns[1] - ns[0]) / (double)(ticks[1] - ticks[0]);
		}
	}
	return best;
}

/*
 * The largest step of which nearly all differences are multiples. A hypervisor that scales
 * the counter makes them uneven by one.
 */
static uint64_t
step_of_ticks(void)
{
	enum { READS = 4000, STEP_MIN = 8, STEP_MAX = 64 };
	static uint64_t apart[READS];
	for (int i = 0; i < READS; i++) {
		uint64_t begin = bench_ticks();
		for (volatile int spin = i % 32; spin > 0; spin--)
			;
		apart[i] = bench_ticks() - begin;
	}
	for (uint64_t step = STEP_MAX; step >= STEP_MIN; step--) {
		int near = 0, seen = 0;
		for (int i = 0; i < READS; i++) {
			uint64_t rest = apart[i] % step;
			if (apart[i] == 0 || apart[i] > 6 * step)
				continue;
			seen++;
			near += rest <= 1 || rest >= step - 1;
		}
		if (seen > READS / 20 && near * 50 >= seen * 49)
			return step;
	}
	return 1;
}

void
bench_clock_init(void)
{
	sched_getaffinity(0, sizeof cores_allowed, &cores_allowed);
	core_count = CPU_COUNT(&cores_allowed);
	for (int id = 0, found = 0; id < CPU_SETSIZE && found < 2; id++)
		if (CPU_ISSET((size_t)id, &cores_allowed))
			core_ids[found++] = id;
	bench_ns_per_tick = rate_of_ticks();
	bench_tick_step = step_of_ticks();
}

int
bench_cores(void)
{
	return core_count;
}

int
bench_pin(int which)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	for (int i = 0; i < 2; i++)
		if (core_ids[i] >= 0 && (which < 0 || which == i))
			CPU_SET((size_t)core_ids[i], &set);
	return sched_setaffinity(0, sizeof set, &set);
}

void
bench_sleep_sharply(void)
{
	prctl(PR_SET_TIMERSLACK, 1UL);
}

uint64_t
bench_process_cpu_ns(pid_t pid)
{
	clockid_t id;
	return clock_getcpuclockid(pid, &id) == 0 ? bench_clock_ns(id) : 0;
}
