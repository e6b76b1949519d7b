/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A reactor's decisions in virtual time: the allocator itself, consumers that are only
 * numbers, and a referee that checks every step. <weir/sim.h> is what users see of it; here
 * is the seam for what decides beside the allocator.
 *
 * A part is told before each poll what time it is, and after it what it cost; it may then
 * make consumers ready, weigh them anew, or take them out. So timers are a part that makes
 * ready, and tiers are one that weighs.
 */
#ifndef WR_SCHEDULER_SIM_H
#define WR_SCHEDULER_SIM_H

#include <weir/sim.h>

#include "scheduler/referee.h"

struct wr_sim_part {
	/* Either may be NULL. */
	void (*step)(struct wr_sim_part *part, struct weir_sim *sim, uint64_t now_ns);
	void (*polled)(struct wr_sim_part *part, struct weir_sim *sim,
		uint32_t consumer, uint64_t cost_ns);
	struct wr_sim_part *next;
};

/* From now on, before those that were attached earlier. The part outlives the simulation. */
void wr_sim_attach(struct weir_sim *sim, struct wr_sim_part *part);

/* It has something to do, or not: it is found idle at its turn. */
void wr_sim_ready(struct weir_sim *sim, uint32_t consumer, bool ready);
void wr_sim_weigh(struct weir_sim *sim, uint32_t consumer, unsigned weight,
	enum wr_factor factor);
/* Out of the queue at once, and not ready. */
void wr_sim_remove(struct weir_sim *sim, uint32_t consumer);

/* The next number of the simulation's own, 0 to below - 1; below > 0. */
uint64_t wr_sim_random(struct weir_sim *sim, uint64_t below);

uint64_t wr_sim_now(const struct weir_sim *sim);
const struct wr_referee *wr_sim_referee(const struct weir_sim *sim);

#endif
