/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Time and place for measurements: a tick counter that is cheap to read, its rate, CPU
 * time, and the two cores that a run is pinned to.
 */
#ifndef BENCH_LIB_CLOCK_H
#define BENCH_LIB_CLOCK_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

extern double bench_ns_per_tick;
/* The counter moves by about this many ticks at a time: 1 on most processors. */
extern uint64_t bench_tick_step;

/* Finds the rate of the ticks and the cores that this process may use. Once, first. */
void bench_clock_init(void);

static inline uint64_t
bench_clock_ns(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t
bench_ticks(void)
{
#if defined(__x86_64__)
	return __rdtsc();
#elif defined(__aarch64__)
	uint64_t ticks;
	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
	return ticks;
#else
	return bench_clock_ns(CLOCK_MONOTONIC);
#endif
}

static inline double
bench_ns(uint64_t ticks)
{
	return (double)ticks * bench_ns_per_tick;
}

static inline uint64_t
bench_ticks_of(double ns)
{
	return (uint64_t)(ns / bench_ns_per_tick);
}

static inline void
bench_pause(void)
{
#if defined(__x86_64__)
	_mm_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* Spins until the tick counter has reached `due`. */
static inline void
bench_spin_until(uint64_t due)
{
	while ((int64_t)(bench_ticks() - due) < 0)
		bench_pause();
}

/* How many cores a run may use; the limits and pairs need two. */
int bench_cores(void);

/* Pins the calling thread, and every thread that it starts, to the first (0) or second
 * (1) core that is allowed; -1 allows both of them and no other. 0 or -1. */
int bench_pin(int which);

/* Makes sleeps of the calling thread end on time (no timer slack). */
void bench_sleep_sharply(void);

/* CPU nanoseconds of all threads of a process so far; 0 if it is gone. */
uint64_t bench_process_cpu_ns(pid_t pid);

/* What the machine has done so far, in all and for us: seconds of CPU on all cores. */
struct bench_load {
	uint64_t at_ns;
	double busy_s, own_s;
};
struct bench_load bench_load_now(void);
/* The share of the allowed cores' time that others took since then, 0 to 1; NaN where
 * /proc/stat says nothing. */
double bench_load_of_others(const struct bench_load *since);

#endif
