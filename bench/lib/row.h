/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * One line per result: JSON for programs, a table for people. The fields are the same for
 * every line; what does not apply is null.
 */
#ifndef BENCH_LIB_ROW_H
#define BENCH_LIB_ROW_H

#include <stddef.h>

#include "bench/lib/stat.h"

struct bench_row {
	const char *name; /* "case" in JSON */
	const char *peer; /* who was measured */
	const char *work; /* what it did */
	double size;      /* bytes of a message */
	double publishers, subscribers;
	const char *wait; /* how the reader waited; NULL: not applicable */
	double msgs_per_s, delivered_per_s, lost;
	double p50_ns, p99_ns, p999_ns, max_ns;
	double value;         /* of a result that is none of those, */
	const char *unit;     /* in this unit */
	const char *ratio_of; /* whose figure the ratio is taken to; NULL: no ratio */
	double ratio, lo, hi;
	int runs;
};

enum goal_kind { GOAL_NONE = 0, GOAL_AT_MOST, GOAL_AT_LEAST };

/* What the figure is held against; `aim` 0 = none. For the ratio, or for the value of a
 * row without one. */
struct bench_goal {
	enum goal_kind kind;
	double limit;
	double aim;
};

/* All figures NaN, all names NULL but these. */
struct bench_row bench_row_of(const char *name, const char *peer, const char *work);
void bench_row_ratio(struct bench_row *row, const char *of, struct stat_median ratio);

/* Chooses the form, and learns machine and commit. Once, before the first row. */
void bench_row_begin(int json);
/* Prints the row on stdout; in the JSON form the goal goes to stderr as a sentence.
 * Returns 1 if the goal is met or there is none, else 0. */
int bench_row_print(const struct bench_row *row, struct bench_goal goal);
/* Prints the row with that median as its value, and how far apart the values were as a remark.
 * at_most: the goal, 0 = none. */
void bench_row_median(struct bench_row row, struct stat_median m, double at_most);
/* A remark between rows: with the table on stdout, else on stderr. */
void bench_row_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* 12345678 as "12.35 M". Returns buf. */
const char *bench_row_number(double value, char *buf, size_t size);

const char *bench_machine(void);
const char *bench_commit(void);

#endif
