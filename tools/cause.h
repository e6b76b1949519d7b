/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Why is a consumer slow? Two looks at it, at the loop that polls it and at the thread below
 * are compared, and the time between them is divided among the things that may have taken
 * it: its handler, the handlers of its neighbours, the kernel's other threads, a quota of a
 * control group, page faults, or an owner who does not turn the loop. The one with the
 * largest part is the cause, so there is exactly one.
 *
 * What a loop measures it says itself. The rest of its turns is divided by how often each was
 * polled; how much of the time it was in a turn is known by glances between the two looks,
 * for a loop reads no clock to say so.
 *
 * Pure: no clock, no memory, no file; what is compared is the caller's.
 */
#ifndef TOOLS_CAUSE_H
#define TOOLS_CAUSE_H

#include <stdint.h>

enum cause {
	CAUSE_NONE = 0, /* it is not slow, or nothing seen explains it */
	CAUSE_SLOW_HANDLER,
	CAUSE_POLLED_LATE,
	CAUSE_NOT_POLLING,
	CAUSE_STOPPED,
	CAUSE_THROTTLED,
	CAUSE_DESCHEDULED,
	CAUSE_PAGE_FAULTS,
	CAUSE_COUNT
};

/* A thread, or all threads of a process, as the kernel counts. All but state only grow. */
struct cause_vitals {
	char state; /* as in /proc/PID/stat; 0: nothing is known */
	uint64_t ran_ns;
	uint64_t delayed_ns;              /* that it was ready to run and had no core */
	uint64_t system_ns;               /* that it ran in the kernel, by the tick */
	uint64_t minor, major;            /* page faults */
	uint64_t throttles, throttled_ns; /* of its control groups */
};

/* One look. What counts only grows. */
struct cause_look {
	uint64_t at_ns;

	/* what it reads, in all its streams */
	uint64_t waiting; /* messages that it has not come to */
	uint64_t passed; /* that it has been handed, or passed over by its own choice */

	/* the consumer on its loop */
	uint64_t polls;
	uint64_t busy_ns;    /* where it was measured */
	uint64_t violations; /* polls over the limit */
	uint64_t stuck_ns;   /* that its handler has not returned for; 0: it has */
	int pulled;          /* it has no polls: its owner reads it */
	int apart;           /* it has a lane */
	int further;         /* it is on a loop of its bus that is not shown */
	int hard; /* its handler has been taken off the loop: it did not return */

	/* the loop */
	uint64_t turns, begun; /* that have ended, and begun */
	uint64_t glances,
		inside; /* since the look before, and those that found it in one */
	uint64_t loop_polls, loop_busy_ns;
	uint64_t idle_ns;
	uint64_t limit_ns; /* for a poll; 0: nobody is measured */

	uint32_t thread;            /* that polls it; 0: not known */
	struct cause_vitals vitals; /* of it; */
	struct cause_vitals whole;  /* of its process, if it is another thread by now */
};

/* What was found, and the numbers that show it: all of the time between the looks. */
struct cause_found {
	enum cause cause;
	uint64_t time_ns; /* between the looks */
	uint64_t part_ns; /* of it, that the cause explains */
	uint64_t polls;
	uint64_t violations;
	uint64_t turns;
	uint64_t poll_ns; /* of one of its polls, where they were measured; else 0 */
	uint64_t gap_ns;  /* from one of its polls to the next; 0: there were none */
	uint64_t delayed_ns;
	uint64_t throttles, throttled_ns;
	uint64_t minor, major;
	uint64_t stuck_ns;
	uint64_t limit_ns;
};

/* True if it is behind: messages waited for it at both looks, and at the rate at which it
 * reads it needs so long for what waits now that a person would say that it is slow. */
int cause_is_slow(const struct cause_look *then, const struct cause_look *now);

/* Why, of one that is slow. `now` is not before `then`. */
struct cause_found cause_of(const struct cause_look *then, const struct cause_look *now);

/* "slow handler", ...; and what whoever wrote or runs it can try. */
const char *cause_name(enum cause cause);
const char *cause_advice(enum cause cause);

#endif
