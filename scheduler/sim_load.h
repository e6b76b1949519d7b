/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What do the consumers of a simulation have to do, and what does a poll of one cost? Most
 * always have something; others are given a poll to do by a timer, by the same intervals that
 * a reactor has. A cost is a constant, but for bursts, and for a stretch of time in which
 * they misbehave.
 */
#ifndef WR_SCHEDULER_SIM_LOAD_H
#define WR_SCHEDULER_SIM_LOAD_H

#include "scheduler/interval.h"
#include "scheduler/sim.h"

struct wr_sim_load {
	struct wr_sim_part part;
	struct wr_intervals intervals;
	struct wr_interval *timers; /* of each consumer; NULL: nobody has one */
	uint32_t *owed;             /* polls that it was given and has not had */
	uint64_t fired;
};

/* Refuses, by name, what cannot be: USAGE_INVAL. nth is the class's number, from 1. */
int wr_sim_load_check(const weir_sim_class *class, size_t nth, struct weir_error *err);

/* Of the nth poll of a consumer, counted from 0, which begins now. */
uint64_t wr_sim_load_cost(const weir_sim_class *class, uint64_t nth, uint64_t now_ns);

/* Consumers first to first + count - 1 have this class's timer, if it has one; once memory was
 * got for all of the simulation. */
int wr_sim_load_init(struct wr_sim_load *load, uint32_t consumers, struct weir_error *err);
void wr_sim_load_arm(
	struct wr_sim_load *load, const weir_sim_class *class, uint32_t first);
void wr_sim_load_fini(struct wr_sim_load *load);

/* True if a timer says when it has something to do. */
static inline bool
wr_sim_load_is_timed(const struct wr_sim_load *load, uint32_t i)
{
	return load->timers && load->timers[i].armed;
}

/* When the next timer is due; UINT64_MAX: there is none. */
uint64_t wr_sim_load_next_ns(const struct wr_sim_load *load);

#endif
