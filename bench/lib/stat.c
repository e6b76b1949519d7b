/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/lib/stat.h"

#include <math.h>
#include <stdlib.h>

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/*
 * The rank r so that [r-th smallest, r-th largest] holds the median with 95 %: each value
 * lies below the median with probability 1/2, so the number of those that do is binomial.
 */
static int
rank_of_interval(int count)
{
	double term = pow(0.5, count), below = 0;
	int rank = 0;
	for (int k = 0; k < count / 2; k++) {
		below += term;
		if (below > 0.025)
			break;
		rank = k + 1;
		term *= (double)(count - k) / (k + 1);
	}
	return rank;
}

struct stat_median
stat_median_of(const double *values, int count)
{
	struct stat_median m = {NAN, NAN, NAN, 0};
	double *sorted = malloc((size_t)(count > 0 ? count : 1) * sizeof *sorted);
	if (!sorted)
		return m;
	int n = 0;
	for (int i = 0; i < count; i++)
		if (!isnan(values[i]))
			sorted[n++] = values[i];
	if (n > 0) {
		qsort(sorted, (size_t)n, sizeof *sorted, by_value);
		int rank = rank_of_interval(n);
		int skip = rank > 0 ? rank - 1 : 0;
		m.median =
			n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
		m.lo = sorted[skip];
		m.hi = sorted[n - 1 - skip];
		m.runs = n;
	}
	free(sorted);
	return m;
}

struct stat_median
stat_ratio_of(const double *over, const double *under, int count)
{
	double *ratios = malloc((size_t)(count > 0 ? count : 1) * sizeof *ratios);
	if (!ratios)
		return (struct stat_median){NAN, NAN, NAN, 0};
	for (int i = 0; i < count; i++)
		ratios[i] = over[i] / under[i];
	struct stat_median m = stat_median_of(ratios, count);
	free(ratios);
	return m;
}
