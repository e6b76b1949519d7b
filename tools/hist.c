/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tools/hist.h"

#include <string.h>

enum { STEPS = 1 << HIST_STEP_BITS };

/* Values below STEPS have a bucket each; above, each power of two has STEPS of them. */
static unsigned
index_of(uint64_t value)
{
	if (value < STEPS)
		return (unsigned)value;
	unsigned power = 63 - (unsigned)__builtin_clzll(value) - HIST_STEP_BITS;
	if (power >= HIST_POWERS)
		return HIST_BUCKETS - 1;
	return (power << HIST_STEP_BITS) + (unsigned)(value >> power);
}

/* The largest value of a bucket. */
static uint64_t
top_of(unsigned index)
{
	if (index < STEPS)
		return index;
	unsigned power = (index >> HIST_STEP_BITS) - 1;
	uint64_t step = index - (power << HIST_STEP_BITS);
	return ((step + 1) << power) - 1;
}

void
hist_clear(struct hist *h)
{
	memset(h, 0, sizeof(*h));
}

void
hist_add(struct hist *h, uint64_t value)
{
	h->bucket[index_of(value)]++;
	h->count++;
	if (value > h->max)
		h->max = value;
}

uint64_t
hist_at(const struct hist *h, double share)
{
	uint64_t rank = (uint64_t)(share * (double)h->count);
	if ((double)rank < share * (double)h->count)
		rank++;
	uint64_t seen = 0;
	/* The last bucket has no top: what is in it is known by the maximum only. */
	for (unsigned i = 0; i + 1 < HIST_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen && seen >= rank)
			return top_of(i) < h->max ? top_of(i) : h->max;
	}
	return h->max;
}
