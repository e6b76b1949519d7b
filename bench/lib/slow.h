/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The generator's other half: healthy readers beside slow ones, on any bus. The healthy
 * read as fast as it goes; the publisher goes on until the time is over, whatever became
 * of the slow ones, and then they too read on to the end. So a bus that stands still for
 * a slow reader is measured like one that does not. Where it is paced, a message is late
 * from the time that it was due on, and all that were due are sent in the end: what a
 * publisher could not send while it stood still counts as late, and is not left out.
 */
#ifndef BENCH_LIB_SLOW_H
#define BENCH_LIB_SLOW_H

#include "bench/lib/gen.h"

enum slow_way {
	/* A process of its own is stopped in its handler, each 20 ms after the one before.
	 * Once it is not waited for any more it goes on when its rest is over, and is
	 * stopped again when it is waited for again, as often as the plan says. Among others
	 * in a process its handler waits in the kernel until the time is over. */
	SLOW_STALLED,
	SLOW_LATE, /* each message takes it 10 ms */
	SLOW_TENTH, /* it reads a tenth of what the healthy ones read, or would have to */
	SLOW_SPIN   /* its handler spins until the time is over */
};

/* Where the handlers are. */
enum slow_shape {
	SLOW_PROCESSES, /* each in a process of its own */
	SLOW_ONE,       /* all in one process, on one loop */
	SLOW_SEVERAL    /* all in one process, on SLOW_LOOPS of them */
};
enum { SLOW_LOOPS = 4 };

/* The worst latency of the healthy ones of each millisecond in which messages were due, from
 * the begin on, the healthy time before the slow ones are slow in it. */
enum { SLOW_LINE_MS = 4000 };
struct slow_line {
	double worst_ns[SLOW_LINE_MS]; /* 0: none was due, or none came */
	double slow_from_ms;
};

struct slow_plan {
	struct gen_plan plan; /* size, wait, window, dir; the rest is filled in */
	enum slow_shape shape;
	int healthy, slow;
	int hogs; /* processes that spin instead of the slow one, and read nothing */
	enum slow_way way;
	int turns;       /* so often a stalled one is put out */
	double gap_ns;   /* between messages; 0 = flat out */
	double before_s; /* so long all are healthy; measured is what comes then, */
	double seconds;  /* at least, */
	double seconds_max; /* and until each slow one was put out in all its turns, or will
			       not be, at most so long */
	struct slow_line *line; /* to be filled; NULL: not wanted */
};

enum { SLOW_STALLS_MAX = 32, SLOW_MAX = 8 };

/* From the time that a message was due to its handler. */
struct slow_latency {
	double p50_ns, p99_ns, p999_ns, max_ns;
};

/* Once a reader was not waited for any more. */
struct slow_stall {
	int reader; /* its number; the healthy ones come first; -1: one of several in a
		       process, and it is not said which */
	double at_ms;
	double cost_ms; /* that it cost the publisher since the last time */
	double back_ms; /* when it was waited for again; NaN: never */
	char why[32];
};

struct slow_result {
	/* Until the time was over; lost and the latencies are of the healthy alone. */
	struct gen_result figures;
	struct slow_latency after; /* of what was due SLOW_PAUSE_MS after they became slow */
	double lost_share;
	double blocked; /* share of the time in claims and commits longer than 100 us */
	double slow_lost,
		slow_told; /* messages that the slow ones lost; and were told of */
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

/* By then the slow one has been found, and its window has been full. */
enum { SLOW_PAUSE_MS = 400 };

/* 0, or -1 if it could not be run. */
int slow_run(const struct gen_bus *bus, struct slow_plan plan, struct slow_result *result);

#endif
