/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A reactor's decisions in virtual time: the allocator itself, consumers that are only
 * numbers, and a referee that checks every step. <weir/sim.h> is what users see of it; here
 * is the seam for what decides beside the allocator.
 *
 * A part is told before each poll what time it is, and after it what it cost; it may then
 * make consumers ready, weigh them anew, or take them out. So timers are a part that makes
 * ready (scheduler/sim_load.h), and tiers are one that weighs (scheduler/sim_tiers.h). After
 * a poll its consumer is still out, as it is in a reactor when that judges it: a new factor
 * counts from the charge for this poll on.
 */
#ifndef WR_SCHEDULER_SIM_H
#define WR_SCHEDULER_SIM_H

#include <weir/sim.h>

#include "scheduler/referee.h"

struct wr_sim_part {
	/* Each may be NULL. */
	void (*step)(struct wr_sim_part *part, struct weir_sim *sim, uint64_t now_ns);
	void (*polled)(struct wr_sim_part *part, struct weir_sim *sim,
		uint32_t consumer, uint64_t cost_ns);
	/* Nobody was ready, and time is about to pass. */
	void (*slept)(struct wr_sim_part *part, struct weir_sim *sim);
	struct wr_sim_part *next;
};

/* From now on, before those that were attached earlier. The part outlives the simulation. */
void wr_sim_attach(struct weir_sim *sim, struct wr_sim_part *part);

/* It has something to do, or not: it is found idle at its turn. */
void wr_sim_ready(struct weir_sim *sim, uint32_t consumer, bool ready);
void wr_sim_weigh(struct weir_sim *sim, uint32_t consumer, unsigned weight,
	enum wr_factor factor);
/* The same weight, of which another part is left. */
void wr_sim_factor(struct weir_sim *sim, uint32_t consumer, enum wr_factor factor);
/* Out of the queue at once, and not ready. */
void wr_sim_remove(struct weir_sim *sim, uint32_t consumer);

/* The next number of the simulation's own, 0 to below - 1; below > 0. */
uint64_t wr_sim_random(struct weir_sim *sim, uint64_t below);

struct wr_referee *wr_sim_referee(struct weir_sim *sim);
/* NULL: nobody climbs. */
struct wr_sim_tiers *wr_sim_tiers_in(struct weir_sim *sim);

/* Its class, counted from 0. */
unsigned wr_sim_class_of(const struct weir_sim *sim, uint32_t consumer);

#endif
