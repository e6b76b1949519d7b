/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What if: the allocator, the timers and the tiers of a reactor, the same code, over
 * consumers that are only numbers, in virtual time. It says who would be polled in what
 * order, how long a round is, whether everybody fits, who would climb the tiers and what its
 * share is then; and it checks at every step that what is promised is kept. The same options
 * and the same seed give the same run, on any machine.
 *
 * Nothing here touches a bus, or looks at the environment. A simulation belongs to one thread at a time.
 */
#ifndef WEIR_SIM_H
#define WEIR_SIM_H

#include <stddef.h>
#include <stdint.h>
#include <weir/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_SIM_CLASSES_MAX   16
#define WEIR_SIM_CONSUMERS_MAX 1000000
#define WEIR_SIM_CHANGES_MAX   4096 /* of tiers, that are kept with their reasons */

typedef struct weir_sim weir_sim;

/* So many consumers that are alike. What is 0 after the weight is not so. A poll costs, and a
 * timer lasts, a minute at most. Times are virtual, from the begin of the run. */
typedef struct weir_sim_class {
	uint32_t consumers;
	uint64_t weight;  /* polls a round; see weir_sim_open */
	uint64_t cost_ns; /* of a poll; 0: 1 microsecond */
	uint64_t every_ns; /* a timer gives each of them a poll to do so often, one after the
			      other; 0: they always have something to do */
	/* The last burst_polls of every burst_every polls of each cost this. */
	uint64_t burst_ns;
	uint32_t burst_polls, burst_every;
	/* From then until then (0: the end) every poll costs this. */
	uint64_t bad_ns;
	uint64_t bad_from_ns, bad_until_ns;
} weir_sim_class;

typedef struct weir_sim_options {
	size_t size;                   /* sizeof this */
	const char *discipline;        /* NULL: "priority" */
	const weir_sim_class *classes; /* NULL: 9 of 10, 18 of 6, 10 of 3, 11 of 1 */
	size_t class_count;
	uint32_t limit;     /* polls that a round may have; 0: any number */
	uint32_t flips_ppm; /* in so many of a million polls somebody falls idle, or has
				  something to do again */
	uint32_t random_costs; /* 1: a poll costs anything up to twice as much */
	uint64_t seed;
	const char *tiers; /* as weir_tiers has them, "aggressive age_ms=100"; NULL or "off":
			      nobody climbs */
} weir_sim_options;

/* What became of a class. */
typedef struct weir_sim_result {
	size_t size; /* set to sizeof before the call */
	uint32_t consumers;
	uint32_t weight;  /* as it counts, after a common divisor */
	uint64_t polls;   /* of all its consumers */
	uint64_t time_ns; /* that they took */
	uint64_t gap_most; /* polls from one of a consumer to its next, while it was ready */
	uint64_t waiting; /* polls that timers have given it, and that it has not had yet */
	uint64_t violations; /* polls over the threshold, as far as they were measured */
	uint64_t promotions, demotions;
	/* By tier, 0 monitor to 3 isolate: */
	uint32_t at_tier[4];    /* how many of its consumers are there, */
	uint64_t tier_ns[4];    /* time that they were there, of all of them, */
	uint64_t tier_polls[4]; /* and polls that they had there */
} weir_sim_result;

/* What became of all. */
typedef struct weir_sim_summary {
	size_t size; /* set to sizeof before the call */
	uint64_t polls;
	uint64_t time_ns;
	uint64_t round; /* polls of a round in which everybody is ready, at the first tier */
	uint64_t over; /* by which it is longer than the limit */
	uint64_t flips;
	uint64_t timers;  /* that fired */
	uint64_t changes; /* of tiers */
	uint64_t checks;  /* of promises, */
	uint64_t broken;  /* and how many were not kept; the first of them: */
	char text[200];
	double ahead_most; /* rounds that one was ahead of another, since both were in;
			       where the discipline promises something about it */
	double jain; /* index of the polls by weight, of those that were always ready and
			       at the first tier: 1 is exactly even */
} weir_sim_summary;

/* A consumer came to another tier. */
typedef struct weir_sim_change {
	size_t size; /* set to sizeof before the call */
	uint64_t when_ns;
	uint32_t consumer; /* as weir_sim_poll counts them, */
	uint32_t of_class; /* and its class, from 0 */
	uint32_t from, to; /* 0 monitor to 3 isolate */
	char why[200];     /* as the event of it has it, WEIR_EV_TIER */
} weir_sim_change;

/* The name and one line about the i-th discipline; NULL beyond the last. Any thread. */
const char *weir_sim_discipline(size_t i, const char **about);

/*
 * Begins one. Weights above 64 are all divided by what they have in common. That everybody
 * together is more than the limit is no error, but in the summary. NULL if it could not
 * begin, for the reason in *err, which may be NULL: USAGE_INVAL names what is wrong,
 * AGAIN_QUOTA a table that is too long, ENV_MEMORY. Cost: about 100 bytes for each consumer,
 * and 400 more where there are tiers.
 */
weir_sim *weir_sim_open(const weir_sim_options *options, weir_error *err);
void weir_sim_close(weir_sim *sim);

/* One poll. Returns the number of its consumer, counted through the classes in their order
 * from 0; -WEIR_E_AGAIN_EMPTY: nobody is ready now, and time has passed, until the next timer
 * where there is one. */
int64_t weir_sim_poll(weir_sim *sim);

/* The time that it is in the simulation. */
uint64_t weir_sim_now(const weir_sim *sim);

/* So far. -WEIR_E_USAGE_INVAL: there is no such class; -WEIR_E_USAGE_SIZE. */
int weir_sim_class_result(const weir_sim *sim, size_t number, weir_sim_result *result);
int weir_sim_summarize(weir_sim *sim, weir_sim_summary *summary);

/* The changes of tiers in their order, the first of them number 0; of more than
 * WEIR_SIM_CHANGES_MAX the first are kept. 0; -WEIR_E_AGAIN_EMPTY: no such one is kept;
 * -WEIR_E_USAGE_SIZE. */
int weir_sim_get_change(const weir_sim *sim, size_t number, weir_sim_change *change);

#ifdef __cplusplus
}
#endif
#endif
