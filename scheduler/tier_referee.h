/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The second referee: it watches consumers climb the tiers and come back, from outside, and
 * says when a rule was not followed. It knows the configuration, in the units that a person
 * counts in, and what was seen of each poll; of how scheduler/tiers.c decides it looks at
 * nothing. At every look it checks:
 *
 *   one step   a change goes from where the consumer was to the tier beside it;
 *   the k-th   of violations in a row the k-th promotes, if the least time since the last
 *              change is over, and fewer than k in all never do. Who came back from warn
 *              may have two fifths of the way behind it already;
 *   back       nobody comes back without the good polls, the time at the tier, the time
 *              without a violation, the decay of its penalty or, of an isolation, the dwell
 *              that the rules ask for; and who has all of them does;
 *   factor     what a consumer is left of its turns is what its tier says, at each poll;
 *   absolved   where tiers are switched off everybody has all of its turns again.
 *
 * The penalty is kept here in real numbers, without the steps of a half-life that tiers.c
 * decays in; between the two a change is neither asked for nor refused.
 */
#ifndef WR_SCHEDULER_TIER_REFEREE_H
#define WR_SCHEDULER_TIER_REFEREE_H

#include "scheduler/referee.h"
#include "scheduler/tiers.h"

/* What it knows of one consumer. */
struct wr_tier_player {
	double penalty; /* points, as of penalty_ns */
	uint64_t penalty_ns;
	uint64_t changed_ns; /* when it came to its tier */
	uint64_t bad_ns;     /* its last violation */
	uint64_t returned_ns;
	uint64_t dwell_ns;
	uint32_t row, good; /* violations, good polls in a row */
	uint32_t bad;       /* violations since it came to its tier, */
	uint32_t least; /* of which it takes so many at least to climb, in tenths of k */
	uint8_t tier;
	bool moved, in_row, returned;
};

struct wr_tier_referee {
	struct wr_referee *books; /* that it counts in */
	struct wr_tier_config config;
	struct wr_tier_player *players;
	const struct wr_turn *const *turns;
};

/* All consumers of the books, none of which has done anything yet. players is the caller's
 * memory for so many. */
void wr_tier_referee_init(struct wr_tier_referee *referee, struct wr_referee *books,
	const struct wr_tier_config *config, struct wr_tier_player *players,
	uint64_t now_ns);

/* It has been polled: its factor. */
void wr_tier_referee_polled(struct wr_tier_referee *referee, uint32_t i);

/* A poll of it was measured and looked at; change is what came of it, NULL for none. */
void wr_tier_referee_looked(struct wr_tier_referee *referee, uint32_t i,
	uint64_t now_ns, uint64_t poll_ns, const struct wr_tier_change *change);

/* Somebody said that it is at this tier; or that all is forgotten. */
void wr_tier_referee_moved(
	struct wr_tier_referee *referee, uint32_t i, unsigned tier, uint64_t now_ns);
void wr_tier_referee_absolved(
	struct wr_tier_referee *referee, uint32_t i, uint64_t now_ns);

#endif
