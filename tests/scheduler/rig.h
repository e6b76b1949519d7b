/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Consumers by class under a discipline, and the polls that they get: what the tests of the
 * allocator share. */
#ifndef WR_TESTS_SCHEDULER_RIG_H
#define WR_TESTS_SCHEDULER_RIG_H

#include "scheduler/disciplines.h"

enum { RIG_MAX = 64, RIG_CLASSES = 4 };

enum rig_kind {
	RIG_WHEEL,
	RIG_CLASS,
	RIG_TIME,
	RIG_ROBIN,
	RIG_TABLE,
	RIG_TREE,
	RIG_KINDS
};

struct rig {
	enum rig_kind kind;
	struct wr_select *select;
	union wr_turns is;
	struct wr_turn *places[RIG_MAX * WR_WEIGHT_MAX];
	struct wr_group groups[4];
	struct wr_turn turns[RIG_MAX];
	unsigned class[RIG_MAX];
	bool ready[RIG_MAX];
	unsigned n;
	uint64_t random;
};

/* The table of 48: 9 consumers of weight 10, 18 of 6, 10 of 3, 11 of 1. */
extern const unsigned rig_weights[RIG_CLASSES];
extern const unsigned rig_table[RIG_CLASSES];
/* And the 16 heights of the chart, in hundredths. */
extern const unsigned rig_chart[16];

/* So many of each class, of these weights, all ready and added. */
void rig_make(struct rig *rig, enum rig_kind kind, const unsigned *counts,
	const unsigned *weights, unsigned classes);

/* The next that is ready, out; those that are not rest on the way. -1: nobody is. */
int rig_next(struct rig *rig);
/* The same, and back at once at this cost. */
int rig_poll(struct rig *rig, uint64_t cost);

void rig_ready(struct rig *rig, unsigned i, bool ready);

static inline unsigned
rig_weight(const struct rig *rig, unsigned i)
{
	return wr_turn_weight(&rig->turns[i]);
}

/* The next number of the rig's own, 0 to below - 1 (splitmix64, Steele et al. 2014). */
uint64_t rig_random(struct rig *rig, uint64_t below);

#endif
