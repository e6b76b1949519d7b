/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What if: the allocator of a reactor, the same code, over consumers that are only numbers,
 * in virtual time. It says who would be polled in what order, how long a round is, whether
 * everybody fits, and checks at every step that what the discipline promises is kept. The
 * same options and the same seed give the same run, on any machine.
 *
 * Nothing here touches a bus. A simulation belongs to one thread at a time.
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

typedef struct weir_sim weir_sim;

/* So many consumers that are alike. */
typedef struct weir_sim_class {
	uint32_t consumers;
	uint64_t weight;  /* polls a round; see weir_sim_open */
	uint64_t cost_ns; /* of a poll; 0: 1 microsecond */
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
} weir_sim_options;

/* What became of a class. */
typedef struct weir_sim_result {
	size_t size; /* set to sizeof before the call */
	uint32_t consumers;
	uint32_t weight;  /* as it counts, after a common divisor */
	uint64_t polls;   /* of all its consumers */
	uint64_t time_ns; /* that they took */
	uint64_t gap_most; /* polls from one of a consumer to its next, while it was ready */
} weir_sim_result;

/* What became of all. */
typedef struct weir_sim_summary {
	size_t size; /* set to sizeof before the call */
	uint64_t polls;
	uint64_t time_ns;
	uint64_t round; /* polls of a round in which everybody is ready */
	uint64_t over;  /* by which it is longer than the limit */
	uint64_t flips;
	uint64_t checks; /* of promises, */
	uint64_t broken; /* and how many were not kept; the first of them: */
	char text[200];
	double ahead_most; /* rounds that one was ahead of another, since both were in;
			       where the discipline promises something about it */
	double jain; /* index of the polls by weight, of those that were always ready:
			       1 is exactly even */
} weir_sim_summary;

/* The name and one line about the i-th discipline; NULL beyond the last. Any thread. */
const char *weir_sim_discipline(size_t i, const char **about);

/*
 * Begins one. Weights above 64 are all divided by what they have in common. That everybody
 * together is more than the limit is no error, but in the summary. NULL if it could not
 * begin, for the reason in *err, which may be NULL.
 */
weir_sim *weir_sim_open(const weir_sim_options *options, weir_error *err);
void weir_sim_close(weir_sim *sim);

/* One poll. Returns the number of its consumer, counted through the classes in their order
 * from 0; -WEIR_E_AGAIN_EMPTY: nobody is ready now, and some time has passed. */
int64_t weir_sim_poll(weir_sim *sim);

/* So far. -WEIR_E_USAGE_INVAL: there is no such class; -WEIR_E_USAGE_SIZE. */
int weir_sim_class_result(const weir_sim *sim, size_t number, weir_sim_result *result);
int weir_sim_summarize(weir_sim *sim, weir_sim_summary *summary);

#ifdef __cplusplus
}
#endif
#endif
