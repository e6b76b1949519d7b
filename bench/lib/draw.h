/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Pictures of a benchmark: its figures as files of a directory, in lines that any program
 * reads, and gnuplot, if it is installed, with the script that lies beside the benchmark.
 * Without it there are the files, and a remark.
 */
#ifndef BENCH_LIB_DRAW_H
#define BENCH_LIB_DRAW_H

#include "bench/lib/slow.h"
#include "bench/lib/stat.h"

/* From now on figures go to files in dir, which is made, and files of an earlier run in it are
 * written over. NULL: nowhere. 0, or -1 with a message. */
int draw_begin(const char *dir);

/* A line of DIR/NAME.dat: who, and of each value median, lo and hi. */
void draw_bars(
	const char *name, const char *who, const struct stat_median *values, int count);
/* DIR/NAME.dat: of each millisecond, counted from when one became slow, the worst latency in
 * microseconds; none where none was due. */
void draw_line(const char *name, const struct slow_line *line);

/* Runs gnuplot with the script, which is looked for beside the program. Once, last. */
void draw_end(const char *script);

#endif
