/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Who of a crowd is slow, and why: two looks at everybody, and between them glances at the
 * loops, whether they are in a turn. What it means says tools/cause.h.
 */
#ifndef TOOLS_SLOW_H
#define TOOLS_SLOW_H

#include "tools/cause.h"
#include "tools/consumer.h"
#include "tools/finding.h"
#include "tools/vitals.h"

/* A loop between the looks. */
struct slow_loop {
	uint64_t node;
	uint64_t glances, inside;
};

/* The first look. */
struct slow_before {
	weir_look_consumer *consumers;
	struct cause_look *looks; /* at_ns is 0 of those for whom nothing waits */
	size_t count;
	struct slow_loop *loops;
	size_t loop_count;
	size_t next;             /* whom we look for next, most likely */
	struct vitals_last last; /* of the second look */
};

/* Without memory for them nobody was there. */
void slow_keep(struct slow_before *before, const struct crowd *crowd);
void slow_drop(struct slow_before *before);

/* Takes a glance at the loops of that look, which is refreshed for it. */
void slow_glance(struct slow_before *before, struct crowd *crowd);

/* What it had done at the first look, and its cause_look; NULL: it was not there. They are
 * found fastest in the order in which they were kept. */
const weir_look_consumer *slow_before_of(struct slow_before *before,
	const weir_look_consumer *c, const struct cause_look **then);

/* Why it is slow since that look, from `now`, which is filled; of CAUSE_NONE it is not. */
struct cause_found slow_why(struct slow_before *before, const struct crowd *crowd,
	const weir_look_consumer *c, const struct cause_look *then,
	struct cause_look *now);

/* Says so, with the numbers that show it. */
void slow_tell(struct findings *all, const struct cause_found *found,
	const struct cause_look *now, const char *who);

#endif
