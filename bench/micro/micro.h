/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What is timed one operation at a time lies below <weir/...>: these see the library's own
 * headers, and nothing else in bench does. Each gives subjects: something made once, and run
 * in batches.
 */
#ifndef BENCH_MICRO_MICRO_H
#define BENCH_MICRO_MICRO_H

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

/* bench/micro/turn.c: the allocator. A bare call goes through a pointer in each consumer,
 * from one to the next of an array. */
extern const struct micro micro_call_48, micro_call_4096;
extern const struct micro micro_turn_48, micro_turn_4096;
extern const struct micro micro_poll_48, micro_poll_4096;
extern const struct micro micro_turn_time, micro_turn_classes, micro_turn_robin;
/* The 48 among 100,000 that have nothing to do. */
extern const struct micro micro_turn_idle;

#endif
