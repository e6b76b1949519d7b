/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the machine can do at best: the limits that figures are held against. */
#ifndef BENCH_LIMIT_LIMIT_H
#define BENCH_LIMIT_LIMIT_H

#include <stddef.h>

#include "bench/lib/gen.h"

/* One cache line passed back and forth between the two cores: nanoseconds of a round
 * trip, as the median over batches. 0 or -1. */
int limit_line(int trips, double *round_trip_ns);

/* From just before a futex wake on one core to the return of the sleeper on the other,
 * with `gap_ns` between wakes. What nobody slept for is not counted. */
int limit_futex(double gap_ns, int count, struct gen_result *result);

/* Copies of `size` bytes that stay in the cache, in bytes a second. */
double limit_copy(size_t size);

/* Nanoseconds of small things that are done alone on one core. */
struct limit_cost {
	const char *name;
	double (*ns)(void);
};
extern const struct limit_cost limit_costs[];
extern const size_t limit_cost_count;

#endif
