/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What several runs say together. A machine that is shared drifts by more than the
 * differences we look for, so two things are compared by runs in turns, and the ratio is
 * taken within each pair.
 */
#ifndef BENCH_LIB_STAT_H
#define BENCH_LIB_STAT_H

/* So many values have an interval that holds their median with 95 %. */
enum { STAT_RUNS_MIN = 6 };

/* A median with the interval that holds it with 95 % probability or more, taken from the
 * order of the values alone. Fewer than STAT_RUNS_MIN values have no such interval: then lo
 * and hi are the smallest and the largest. */
struct stat_median {
	double median, lo, hi;
	int runs;
};

/* Values that are NaN are left out. None left: everything is NaN. */
struct stat_median stat_median_of(const double *values, int count);

/* The median of over[i] / under[i]. */
struct stat_median stat_ratio_of(const double *over, const double *under, int count);

#endif
