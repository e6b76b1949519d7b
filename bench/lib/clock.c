/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/lib/clock.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

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

static double
cpu_of(int who)
{
	struct rusage usage;
	getrusage(who, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* user, nice, system, idle, iowait, irq, softirq, steal of the core's line */
static double
busy_of(const char *line)
{
	double v[8] = {0};
	if (sscanf(line, "%*s %lf %lf %lf %lf %lf %lf %lf %lf", &v[0], &v[1], &v[2],
		    &v[3], &v[4], &v[5], &v[6], &v[7]) < 4)
		return 0;
	return (v[0] + v[1] + v[2] + v[5] + v[6] + v[7]) / (double)sysconf(_SC_CLK_TCK);
}

struct bench_load
bench_load_now(void)
{
	struct bench_load load = {bench_clock_ns(CLOCK_MONOTONIC), NAN,
		cpu_of(RUSAGE_SELF) + cpu_of(RUSAGE_CHILDREN)};
	FILE *file = fopen("/proc/stat", "re");
	char line[512];
	int id;
	while (file && fgets(line, sizeof line, file)) {
		if (sscanf(line, "cpu%d ", &id) != 1 ||
			(id != core_ids[0] && id != core_ids[1]))
			continue;
		load.busy_s = (isnan(load.busy_s) ? 0 : load.busy_s) + busy_of(line);
	}
	if (file)
		fclose(file);
	return load;
}

double
bench_load_of_others(const struct bench_load *since)
{
	struct bench_load now = bench_load_now();
	double cores = core_count < 2 ? core_count : 2;
	double time = (double)(now.at_ns - since->at_ns) / 1e9 * cores;
	double others = (now.busy_s - since->busy_s) - (now.own_s - since->own_s);
	return isnan(others) ? NAN : others < 0 ? 0 : others / time;
}
