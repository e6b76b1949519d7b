/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/lib/hist.h"

#include "bench/lib/clock.h"

static double
middle_of(uint32_t cell)
{
	if (cell < (2u << HIST_STEP_BITS))
		return cell;
	uint32_t shift = (cell >> HIST_STEP_BITS) - 1;
	uint64_t low = (uint64_t)(cell - (shift << HIST_STEP_BITS)) << shift;
	return (double)low + (double)((UINT64_C(1) << shift) - 1) / 2;
}

static double
width_of(uint32_t cell)
{
	uint32_t shift = cell < (2u << HIST_STEP_BITS) ? 0 : (cell >> HIST_STEP_BITS) - 1;
	double width = (double)(UINT64_C(1) << shift);
	return width > (double)bench_tick_step ? width : (double)bench_tick_step;
}

/* A counter that moves in steps spreads what lies between two steps over both, so the
 * place within the cell is interpolated. */
double
hist_quantile(const struct hist *h, double q)
{
	double wanted = q * (double)h->count;
	uint64_t before = 0;
	for (uint32_t cell = 0; cell < HIST_CELLS; cell++) {
		uint64_t in = h->cells[cell];
		if (in == 0 || (double)(before + in) < wanted) {
			before += in;
			continue;
		}
		double share = (wanted - (double)before) / (double)in;
		double value = middle_of(cell) + width_of(cell) * (share - 0.5);
		return value < (double)h->max ? value : (double)h->max;
	}
	return 0;
}

void
hist_merge(struct hist *into, const struct hist *from)
{
	into->count += from->count;
	if (from->max > into->max)
		into->max = from->max;
	for (uint32_t cell = 0; cell < HIST_CELLS; cell++)
		into->cells[cell] += from->cells[cell];
}
