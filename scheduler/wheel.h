/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The wheel: priority by virtual time, the discipline that a reactor has unless it asks for
 * another one.
 *
 * It is stride scheduling (Waldspurger and Weihl 1995) on a calendar. Virtual time is
 * counted in buckets, 64 to a round. A consumer of weight w has a place in virtual time,
 * is polled when that is reached, and then moves on by its stride of 64/w buckets. Each
 * bucket is a list, 128 of them a circle, and a bit for each says whether anybody is in it;
 * so a decision is a step along a list, or one search for a bit, for any number of
 * consumers. Nothing is sorted.
 *
 * What follows from that:
 *
 *   exact       whoever is in it through 64 buckets is polled exactly w times in them,
 *               whatever the others do, for each w that divides 64 * 27720: 1 to 12, and
 *               24 of the larger ones; the rest are a poll off after 1,200 rounds at the
 *               soonest;
 *   even        polls of one consumer are a stride apart: in a round of C polls, with first
 *               places spread evenly, C/w polls and at most those of one bucket;
 *   fair        since two came in, their polls by weight differ by at most one round, for
 *               those w, however the others come and go. For both have w polls in any 64
 *               buckets, and in the bucket that such a time begins and ends in, who has the
 *               longer stride stands in front at both ends, or was not there at the first;
 *   no waste    empty buckets are skipped, and who is idle is in none.
 *
 * A consumer that has something to do again is served at once, in front of the present
 * bucket and charged from it on; or in the next, if a heavier one was served in this.
 *
 * By time: the stride is multiplied by what the poll cost, in units of a quantum that
 * follows the mean cost by powers of two, so what is shared by weight is time. A stride
 * beyond the circle is counted in laps: the turn is passed over that many times, and when
 * the quantum has changed the laps that are left change with it.
 */
#ifndef WR_SCHEDULER_WHEEL_H
#define WR_SCHEDULER_WHEEL_H

#include "scheduler/select.h"

enum {
	WR_WHEEL_BUCKETS = 128,
	WR_WHEEL_ROUND = 64,    /* buckets of it are a round */
	WR_WHEEL_PARTS = 27720, /* of a bucket: what 1 to 12 divide */
	WR_WHEEL_COST_BITS = 40 /* a poll is charged for 18 minutes at most */
};

struct wr_wheel {
	struct wr_select select;
	uint64_t now;          /* bucket that is being served, counted since ever */
	uint64_t full[2];      /* a bit for each bucket that may have somebody in it */
	struct wr_ring *woken; /* the last in front of those with that stride, or NULL */
	uint32_t shortest; /* stride of those served in this bucket, or woken in it */
	uint8_t quantum_shift;          /* the quantum is this power of two */
	uint64_t cost_sum;              /* 64 times the mean cost */
	uint16_t joined[WR_WEIGHT_MAX]; /* first places given, of each weight */
	struct wr_ring buckets[WR_WHEEL_BUCKETS];
};

/* Polls are what is shared: a cost counts for nothing. */
extern const struct wr_discipline wr_wheel_polls;
/* Time is: the cost of each poll, in nanoseconds. */
extern const struct wr_discipline wr_wheel_times;

void wr_wheel_init(struct wr_wheel *wheel, const struct wr_discipline *by);

/* Back to the front, uncharged: its turn has not been used. For one that is out. */
void wr_wheel_back(struct wr_wheel *wheel, struct wr_turn *turn);

#endif
