/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * How many instructions does it take? A child does the operation under a tracer that lets it
 * do one instruction at a time. So what grows with the number of things is seen as a number,
 * on any machine, however busy that is, where a time would say nothing.
 */
#ifndef WR_TESTS_LIB_STEPS_H
#define WR_TESTS_LIB_STEPS_H

#include <stdint.h>

/*
 * Does the operation so many times in a child, which has a copy of all memory, and fills in the
 * instructions of each, with a few for the calls. 0, or -1 where nobody may be traced or the
 * child ended otherwise. Some microseconds for each instruction.
 */
int wr_steps_count(
	void (*operation)(void *ctx), void *ctx, unsigned times, uint32_t *steps);

/* The most of them. */
uint32_t wr_steps_most(const uint32_t *steps, unsigned times);

#endif
