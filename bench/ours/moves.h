/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What it costs to move a subscription from loop to loop while it is busy. */
#ifndef BENCH_OURS_MOVES_H
#define BENCH_OURS_MOVES_H

struct moves_result {
	double msgs_per_s;
	double misses; /* of the last cache, a message; NaN where they are not counted */
};

/* One run: a bus with one further loop, and a subscription that goes from the one to the
 * other and back after so many messages; 0: it stays. 0 or -1. */
int moves_run(int every, struct moves_result *result);

#endif
