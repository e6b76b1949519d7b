/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the parts of a reactor beside its allocator cost, one operation at a time: budgets,
 * tiers, hooks and timers, each beside what it is held against. Below <weir/...>, so in here.
 */
#ifndef BENCH_MICRO_SCHED_PARTS_H
#define BENCH_MICRO_SCHED_PARTS_H

/* Prints the rows, medians over so many batches of 200,000 operations; timers a million at a
 * time, `few` of them. BENCH_GOOD or BENCH_UNMEASURED. */
int sched_parts(int runs, int few);

#endif
