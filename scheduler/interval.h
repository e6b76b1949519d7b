/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Which intervals are due? Timers that come again and again share few periods, so they are
 * kept as one list for each period and rule, in the order of their next times: who has
 * fired is due one period later, which is behind all others of its list. One move for each
 * firing, no tree, and no drift: the next time is reckoned from the last one that was due,
 * not from when somebody looked.
 *
 * Who comes late, by a period or more, follows its list's rule:
 *
 *   SKIP      fires once; what was missed is gone, and is only counted;
 *   COALESCE  fires once, for all that was missed;
 *   BURST     fires for each, one after the other.
 *
 * The phase stays: next = last + period * (floor(late / period) + 1). When all of a list are
 * that late, those that lie before the present in the period end up before those behind it:
 * that is the only time a place is looked for, once, and the rest go beside it.
 *
 * Pure: the time comes in, the intervals are the caller's. One thread; a division only for
 * who is late by a period.
 */
#ifndef WR_SCHEDULER_INTERVAL_H
#define WR_SCHEDULER_INTERVAL_H

#include <stdbool.h>
#include <stdint.h>

enum { WR_INTERVAL_LISTS = 32 };

enum wr_interval_rule {
	WR_INTERVAL_SKIP = 0,
	WR_INTERVAL_COALESCE,
	WR_INTERVAL_BURST,
	WR_INTERVAL_RULES
};

/* Embedded in what is to be polled again and again; the caller's memory while it is armed. */
struct wr_interval {
	struct wr_interval *next, *prev;
	uint64_t at_ns; /* when it is due next */
	uint64_t user;
	uint8_t list;
	bool armed;
};

struct wr_interval_list {
	struct wr_interval *first, *last;
	struct wr_interval *beside; /* the last one that had to look for its place */
	uint64_t period_ns;
	uint32_t count;
	uint8_t rule;
};

struct wr_intervals {
	uint64_t first_ns[WR_INTERVAL_LISTS]; /* of each list; NEVER if it is empty */
	struct wr_interval_list lists[WR_INTERVAL_LISTS];
	uint32_t lists_used;
	uint64_t steps; /* that looking for a place took, ever */
};

struct wr_interval_due {
	struct wr_interval *interval;
	uint64_t at_ns;  /* the time that it was due at */
	uint64_t missed; /* how many more were due by now: left out, or told of here */
};

void wr_intervals_init(struct wr_intervals *t);

/*
 * Arms an interval: due at first_ns, and then every period. AGAIN_QUOTA if there are lists
 * for WR_INTERVAL_LISTS other periods and rules; a list that has become empty makes room.
 * USAGE_INVAL for a period of 0, an unknown rule, or an interval that is armed.
 */
int wr_intervals_arm(struct wr_intervals *t, struct wr_interval *interval,
	uint64_t first_ns, uint64_t period_ns, enum wr_interval_rule rule);

/* It will not fire again. False: it was not armed. */
bool wr_intervals_cancel(struct wr_intervals *t, struct wr_interval *interval);

/* Hands out what is due, at most `most`, ordered by the time at which it was due. Returns
 * how many. There may be more: then wr_intervals_next_ns is not later than now. */
unsigned wr_intervals_expire(struct wr_intervals *t, uint64_t now_ns,
	struct wr_interval_due *due, unsigned most);

/* The earliest time at which one is due; UINT64_MAX if none is armed. */
uint64_t wr_intervals_next_ns(const struct wr_intervals *t);

/*
 * The first time after now that is whole periods after last, which was due, and how many
 * were missed between the two. False, and nothing is told, for 2^32 missed ones or more:
 * then the phase means nothing any more, and the period begins anew. Nor for a period of 0.
 */
bool wr_interval_after(uint64_t last_ns, uint64_t now_ns, uint64_t period_ns,
	uint64_t *next_ns, uint64_t *missed);

#endif
