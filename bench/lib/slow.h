/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The generator's other half: healthy readers beside slow ones, on any bus. The healthy
 * read as fast as it goes; the publisher goes on until the time is over, whatever became
 * of the slow ones, and then they too read on to the end. So a bus that stands still for
 * a slow reader is measured like one that does not.
 */
#ifndef BENCH_LIB_SLOW_H
#define BENCH_LIB_SLOW_H

#include "bench/lib/gen.h"

enum slow_way {
	/* Its process is stopped in its handler, each 20 ms after the one before. Once it
	 * is not waited for any more it goes on when its rest is over, and is stopped once
	 * more when it is waited for again. */
	SLOW_STALLED,
	SLOW_LATE, /* each message takes it 10 ms */
	SLOW_TENTH /* it reads a tenth of what the healthy ones read, or would have to */
};

struct slow_plan {
	struct gen_plan plan; /* size, wait, dir; the rest is filled in */
	int healthy, slow;
	enum slow_way way;
	double gap_ns;      /* between messages; 0 = flat out */
	double seconds;     /* at least, */
	double seconds_max; /* and until each slow one was put out twice, or will not be,
			       at most so long */
};

enum { SLOW_STALLS_MAX = 32, SLOW_MAX = 8 };

/* Once a reader was not waited for any more. */
struct slow_stall {
	int reader; /* its number; the healthy ones come first */
	double at_ms;
	double cost_ms; /* that it cost the publisher since the last time */
	double back_ms; /* when it was waited for again; NaN: never */
	char why[32];
};

struct slow_result {
	/* Until the time was over; lost and the latencies are of the healthy alone. */
	struct gen_result figures;
	double lost_share;
	double seconds;
	struct slow_stall stalls[SLOW_STALLS_MAX];
	int stall_count;
	int slow_out, healthy_out; /* how many were put out at least once */
	/* Of each slow one, when the time was over. */
	struct slow_end {
		int out, back;         /* how often */
		int broken;            /* the bus broke with it */
		double behind, missed; /* messages: not read yet, and lost to it */
	} ends[SLOW_MAX];
};

/* 0, or -1 if it could not be run. */
int slow_run(const struct gen_bus *bus, struct slow_plan plan, struct slow_result *result);

#endif
