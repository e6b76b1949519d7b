/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What runs of healthy readers beside slow ones say together: medians, ratios and rows of
 * their results. Runs that could not be made hold NaN, and are left out.
 */
#ifndef BENCH_LIB_BESIDE_H
#define BENCH_LIB_BESIDE_H

#include "bench/lib/row.h"
#include "bench/lib/slow.h"

/* One figure of a run. */
typedef double (*beside_fn)(const struct slow_result *);
double beside_rate(const struct slow_result *r);
double beside_delivered(const struct slow_result *r);
double beside_p99(const struct slow_result *r);
double beside_p99_after(const struct slow_result *r);
double beside_blocked(const struct slow_result *r);

/* The median of it over the runs. */
double beside_median(const struct slow_result *results, int runs, beside_fn figure);
/* Of the ratios of it in each pair. */
struct stat_median beside_ratio(const struct slow_result *with,
	const struct slow_result *without, int runs, beside_fn figure);

/* Marks a result as that of a run that could not be made. */
void beside_nothing(struct slow_result *result);
/* How many runs have been made. */
int beside_made(const struct slow_result *results, int runs);

/* Lost by the healthy: all together, and the mean share of what each should have had, for one
 * lost in one run is not nothing. NaN: no run. */
double beside_lost(const struct slow_result *results, int runs);
double beside_lost_share(const struct slow_result *results, int runs);

/* A row of messages of `size` bytes to so many readers of a bus. */
struct bench_row beside_row(const char *name, const struct gen_bus *bus,
	const char *work, double size, int readers, int runs);
void beside_latencies(struct bench_row *row, const struct slow_result *results, int runs);
/* The same of what was due after the pause. */
void beside_latencies_after(
	struct bench_row *row, const struct slow_result *results, int runs);

/* Says when each one was put out, who and why, at what cost; and who was not put out `turns`
 * times, and why not. */
void beside_say_stalls(const char *who, const struct slow_result *with, int runs,
	int healthy, int slow, int turns);

#endif
