/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * How long did things take, all of them? A log-linear histogram of nanoseconds: exact up to
 * 31, then 16 cells to each doubling, up to 2^40 (18 minutes; what is longer is counted
 * there, and the maximum is exact). So a quantile that is read from it is never less than the
 * true one, and more by less than 1/16 of it.
 *
 * Switched off it is a NULL pointer: one branch, and no clock is read for it. One writer;
 * anybody may read meanwhile, each word on its own.
 */
#ifndef WR_SCHEDULER_HIST_H
#define WR_SCHEDULER_HIST_H

#include "bus/atomic.h"

#include <stddef.h>

enum {
	WR_HIST_BITS = 4,
	WR_HIST_MOST_BITS = 40,
	WR_HIST_CELLS = (WR_HIST_MOST_BITS - WR_HIST_BITS + 1) << WR_HIST_BITS
};

struct wr_hist {
	_Alignas(64) wr_a64 sum; /* writer: the owner, as of all of it */
	wr_a64 max;
	wr_a64 cells[WR_HIST_CELLS];
};

/* What is measured of a consumer, where that is asked for. */
struct wr_latency {
	struct wr_hist delivery; /* from commit to handler */
	struct wr_hist wait;     /* from ready to polled */
	struct wr_hist handler;  /* in a call of the handler */
};

static inline uint32_t
wr_hist_cell(uint64_t ns)
{
	uint32_t shift;

	if (ns < 2u << WR_HIST_BITS)
		return (uint32_t)ns;
	if (ns >= 1ull << WR_HIST_MOST_BITS)
		return WR_HIST_CELLS - 1;
	shift = 63u - (uint32_t)__builtin_clzll(ns) - WR_HIST_BITS;
	return (shift << WR_HIST_BITS) + (uint32_t)(ns >> shift);
}

/* The owner. NULL: switched off. */
static inline void
wr_hist_add(struct wr_hist *hist, uint64_t ns)
{
	if (__builtin_expect(hist == NULL, 1))
		return;
	wr_stat_add(&hist->cells[wr_hist_cell(ns)], 1);
	wr_stat_add(&hist->sum, ns);
	if (ns > wr_stat_get(&hist->max))
		wr_stat_set(&hist->max, ns);
}

/* Any thread. */
uint64_t wr_hist_count(const struct wr_hist *hist);
uint64_t wr_hist_max(const struct wr_hist *hist);

/* A value below or at which the share `q` of all lies; q from 0 to 1, else the nearest of
 * them. 0 while there are none. Any thread. */
uint64_t wr_hist_quantile(const struct wr_hist *hist, double q);

/* Adds what `from` counted to `into`, whose owner calls. */
void wr_hist_merge(struct wr_hist *into, const struct wr_hist *from);

/* The owner: as if nothing had been counted. */
void wr_latency_clear(struct wr_latency *latency);

#endif
