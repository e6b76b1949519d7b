/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/hist.h"

/* The largest value that a cell counts. */
static uint64_t
end_of(uint32_t cell)
{
	uint32_t shift;

	if (cell < 2u << WR_HIST_BITS)
		return cell;
	shift = (cell >> WR_HIST_BITS) - 1;
	return ((uint64_t)(cell - (shift << WR_HIST_BITS)) << shift) + (1ull << shift) - 1;
}

uint64_t
wr_hist_count(const struct wr_hist *hist)
{
	uint64_t count = 0;

	for (uint32_t cell = 0; cell < WR_HIST_CELLS; cell++)
		count += wr_stat_get(&hist->cells[cell]);
	return count;
}

uint64_t
wr_hist_max(const struct wr_hist *hist)
{
	return wr_stat_get(&hist->max);
}

/* Which of `count` values, in order, from 1. */
static uint64_t
rank_of(double q, uint64_t count)
{
	double rank = q * (double)count;

	if (!(rank > 1))
		return 1;
	return rank < (double)count ? (uint64_t)(rank + 0.999999) : count;
}

uint64_t
wr_hist_quantile(const struct wr_hist *hist, double q)
{
	uint64_t count = wr_hist_count(hist), before = 0, max = wr_hist_max(hist), rank;

	if (count == 0)
		return 0;
	rank = rank_of(q, count);
	/* Cells only grow, so that many are found the second time, too. */
	for (uint32_t cell = 0; cell < WR_HIST_CELLS - 1; cell++) {
		before += wr_stat_get(&hist->cells[cell]);
		if (before >= rank)
			return end_of(cell) < max ? end_of(cell) : max;
	}
	return max;
}

void
wr_hist_merge(struct wr_hist *into, const struct wr_hist *from)
{
	uint64_t max = wr_hist_max(from);

	for (uint32_t cell = 0; cell < WR_HIST_CELLS; cell++)
		wr_stat_add(&into->cells[cell], wr_stat_get(&from->cells[cell]));
	wr_stat_add(&into->sum, wr_stat_get(&from->sum));
	if (max > wr_hist_max(into))
		wr_stat_set(&into->max, max);
}

static void
clear(struct wr_hist *hist)
{
	wr_stat_set(&hist->sum, 0);
	wr_stat_set(&hist->max, 0);
	for (uint32_t cell = 0; cell < WR_HIST_CELLS; cell++)
		wr_stat_set(&hist->cells[cell], 0);
}

void
wr_latency_clear(struct wr_latency *latency)
{
	clear(&latency->delivery);
	clear(&latency->wait);
	clear(&latency->handler);
}
