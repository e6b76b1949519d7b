/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A histogram of durations with the same relative precision (1.6 %) everywhere. */
#ifndef TOOLS_HIST_H
#define TOOLS_HIST_H

#include <stdint.h>

enum {
	HIST_STEP_BITS = 6, /* steps per power of two: 64 */
	HIST_POWERS = 36,   /* up to about 73 minutes in ns */
	HIST_BUCKETS = (HIST_POWERS + 1) << HIST_STEP_BITS
};

struct hist {
	uint64_t count;
	uint64_t max;
	uint64_t bucket[HIST_BUCKETS];
};

void hist_clear(struct hist *h);
void hist_add(struct hist *h, uint64_t value);
/* The value that share (0 to 1) of all values do not exceed; 0 if there are none. */
uint64_t hist_at(const struct hist *h, double share);

#endif
