/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A histogram of ticks: exact up to 256, then 128 steps to each doubling (0.8 %). Plain
 * memory without pointers, so it can lie in memory that processes share; one writer.
 */
#ifndef BENCH_LIB_HIST_H
#define BENCH_LIB_HIST_H

#include <stdint.h>

enum { HIST_STEP_BITS = 7, HIST_CELLS = (64 - HIST_STEP_BITS + 1) << HIST_STEP_BITS };

struct hist {
	uint64_t count;
	uint64_t max;
	uint32_t cells[HIST_CELLS];
};

static inline uint32_t
hist_cell(uint64_t value)
{
	if (value < (2u << HIST_STEP_BITS))
		return (uint32_t)value;
	uint32_t shift = 63u - (uint32_t)__builtin_clzll(value) - HIST_STEP_BITS;
	return (shift << HIST_STEP_BITS) + (uint32_t)(value >> shift);
}

static inline void
hist_add(struct hist *h, uint64_t value)
{
	h->count++;
	h->cells[hist_cell(value)]++;
	if (value > h->max)
		h->max = value;
}

/* The value below which the share `q` (0 to 1) lies; 0 for an empty histogram. */
double hist_quantile(const struct hist *h, double q);

/* Adds what `from` counted to `into`. */
void hist_merge(struct hist *into, const struct hist *from);

#endif
