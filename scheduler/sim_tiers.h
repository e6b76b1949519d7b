/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The tiers of a simulation: what a reactor does around a poll so that a slow consumer
 * climbs, under virtual time. Polls are timed in the same groups (scheduler/meter.h), looked
 * at by the same rules (scheduler/tiers.h) and taken from by the same factors; a second
 * referee checks every look (scheduler/tier_referee.h).
 *
 * What a simulation has to hold against a consumer is how long its polls take. Lag, and the
 * waiting of publishers, are of messages, and there are none.
 */
#ifndef WR_SCHEDULER_SIM_TIERS_H
#define WR_SCHEDULER_SIM_TIERS_H

#include "scheduler/meter.h"
#include "scheduler/sim.h"
#include "scheduler/tier_referee.h"

/* Of a class, by tier. */
struct wr_sim_tally {
	uint64_t polls[WR_TIERS];
	uint64_t time_ns[WR_TIERS]; /* less the time at which those came who are there */
	uint32_t at[WR_TIERS];
	uint64_t violations, promotions, demotions;
};

/* A change that is kept. */
struct wr_sim_kept {
	uint32_t consumer;
	struct wr_tier_change change;
};

struct wr_sim_tiers {
	struct wr_sim_part part;
	struct wr_tier_rules rules;
	bool off;
	struct wr_meter meter;
	uint32_t left;         /* polls of this turn */
	struct wr_task *tasks; /* one for each consumer, which nobody polls */
	struct wr_tier_player *players;
	struct wr_tier_referee referee;
	struct wr_sim_tally tallies[WEIR_SIM_CLASSES_MAX];
	struct wr_sim_kept *kept;
	uint64_t changes; /* that there were, kept or not */
};

/* By these settings, as weir_tiers has them. USAGE_INVAL names what is wrong; ENV_MEMORY. */
int wr_sim_tiers_init(struct wr_sim_tiers *tiers, const char *settings,
	uint32_t consumers, struct weir_error *err);
/* All consumers are there, and in the books of their referee. */
void wr_sim_tiers_begin(struct wr_sim_tiers *tiers, struct weir_sim *sim);
void wr_sim_tiers_fini(struct wr_sim_tiers *tiers);

/* From here on nobody is watched, and from its next poll on everybody has all of its turns;
 * or they are again. */
void wr_sim_tiers_switch(struct wr_sim_tiers *tiers, bool on);
/* As an operator says. False if it is there, or there is no such tier. */
bool wr_sim_tiers_move(
	struct wr_sim_tiers *tiers, struct weir_sim *sim, uint32_t i, unsigned tier);

/* Fills in what there is about tiers. */
void wr_sim_tiers_result(const struct wr_sim_tiers *tiers, const struct weir_sim *sim,
	unsigned class, weir_sim_result *result);

static inline unsigned
wr_sim_tiers_of(const struct wr_sim_tiers *tiers, uint32_t i)
{
	return tiers->tasks[i].tier.tier;
}

#endif
