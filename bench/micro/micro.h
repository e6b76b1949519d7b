/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What is timed one operation at a time lies below <weir/...>: these see the library's own
 * headers, and nothing else in bench does. Each gives subjects: something made once, and run
 * in batches.
 */
#ifndef BENCH_MICRO_MICRO_H
#define BENCH_MICRO_MICRO_H

#include <stddef.h>
#include <stdint.h>

struct micro {
	const char *peer; /* who is measured */
	const char *work; /* what an operation is */
	int count; /* how many consumers, timers or the like; 0: does not apply */
	/* Makes what run needs, for so many. NULL: no memory. */
	void *(*make)(int count);
	void (*run)(void *subject, uint64_t operations);
	void (*discard)(void *subject);
};

/* The weight of consumer i of so many: in the proportions of the table of 48, 9 of 10, 18 of
 * 6, 10 of 3 and 11 of 1. */
static inline unsigned
micro_weight(size_t i, size_t count)
{
	size_t at = i * 48 / count;

	return at < 9 ? 10 : at < 27 ? 6 : at < 37 ? 3 : 1;
}

/* bench/micro/turn.c: the allocator. A bare call goes through a pointer in each consumer,
 * from one to the next of an array. */
extern const struct micro micro_call_48, micro_call_4096;
extern const struct micro micro_turn_48, micro_turn_4096;
extern const struct micro micro_poll_48, micro_poll_4096;
extern const struct micro micro_turn_time, micro_turn_classes, micro_turn_robin;
/* The 48 among 100,000 that have nothing to do. */
extern const struct micro micro_turn_idle;

/* bench/micro/reactor.c: the loop with everything on, and the same calls without one. */
extern const struct micro micro_loop_48, micro_loop_4096, micro_loop_batch;
extern const struct micro micro_bare_48, micro_bare_4096, micro_bare_batch;
extern const struct micro micro_loop_among_idle;
/* Of 64 equally ready, so that 64 polls are one turn: with hooks and a trace beside the tiers,
 * and without any of them. What is counted is counted in both. */
extern const struct micro micro_all_on_64, micro_all_off_64, micro_bare_64;
/* How many polls of others pass from when one of three consumers of weight 10, of 48, is told
 * that there is work to when it is polled, while the other 45 always have some; so many times,
 * at random moments. 0, or -1 for lack of memory. */
int micro_wake_polls(double *polls, int count);
/* What it costs to read a clock around each poll. */
extern const struct micro micro_cpu_clock, micro_clock;

#endif
