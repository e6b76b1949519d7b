/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * How is a consumer treated that costs others too much? It climbs, and comes back:
 *
 *   monitor   nothing is done
 *   warn      its polls are measured, it has 75 % of its turns
 *   yield     50 %
 *   isolate   a lane of its own, off the wheel; 25 % where there is no lane
 *
 * A penalty says when, as for routes that flap (RFC 2439): violations add to it, and it
 * decays by half in 500 ms. Each tier has a floor (0, 1000, 2500, 5000 points) and whoever
 * reaches the next one enters that tier. What a violation is:
 *
 *   a poll longer than the threshold, or one that went on after its budget was used up;
 *   half a millisecond for which others waited and which it was charged with, so a whole
 *   stall budget of 5 ms leads from monitor to isolate where 5, 3 and 2 violations do;
 *   8 ms of lag beyond three quarters of its quota, or 32 ms beyond half of it;
 *   8 ms in which its oldest unread message is older than it may be.
 *
 * Lag and age count against who causes them. Who has neighbours, and whose polls took less than
 * half of its part of the time since they were looked at last, is held up by those: then neither
 * counts. Lag, besides, counts only against who took four times what they did, by weight: who
 * takes less lags because its publisher is faster than its loop, as somebody always does where
 * nothing is lost, and fewer turns would make it lag more. It takes twice as long as they do
 * just because what it reads has left the caches. Who has no neighbours is warned.
 * All of that is known of who is measured, so who lags is. Who takes so much and is left behind
 * by a publisher besides, its stall budget spent, is isolated at once, for each of its polls
 * makes its neighbours as slow as it is. So it is where publishers charged its neighbours
 * instead, which a loop knows to be held up: those are told, and do not pay for it here.
 *
 * How many are too many is given for each tier, as k violations in a row, and that is exact:
 *
 *   one violation is worth 1/k of the way from this tier's floor to the next;
 *   it counts from the floor at least, whatever has decayed;
 *   the penalty stands still between two of a row: no good poll and no half-life between.
 *
 * So of violations in a row the k-th promotes, however far apart they are within that. Where
 * good polls lie between them it takes more, by what decays meanwhile; who did wrong a moment
 * before needs fewer. A promotion begins at the new tier's floor, and comes no sooner after
 * another change than a least time.
 *
 * Back, one tier at a time, comes who has enough good polls in a row, has been at the tier
 * long enough, did nothing wrong for a while, is not far behind, and whose penalty has
 * decayed below 400, 1000 and 400 points. An isolated one has caught up besides, to a tenth of its quota, and serves
 * a dwell: 250 ms, twice that for each relapse within ten minutes, a minute at most.
 *
 * Polls between good and too long are neither: they break no row and begin none. Priority has
 * no part in it: that is a weight, and a tier is a factor on it.
 *
 * Pure: time and what was seen come in. One thread for each consumer; rules are read only. A
 * look costs some ten nanoseconds, and two for who has nothing against it.
 */
#ifndef WR_SCHEDULER_TIERS_H
#define WR_SCHEDULER_TIERS_H

#include "scheduler/tier_rules.h"
#include "scheduler/turn.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	WR_TIER_HALF_LIFE_NS = 500000000,
	WR_TIER_LAG_LOOK_NS = 1 << 20, /* lag and age are looked at so often at most, */
	WR_TIER_LAG_GAP_NS = 1 << 24   /* and what passes between counts so far */
};

#define WR_TIER_DWELL_MOST_NS 60000000000ull
#define WR_TIER_RELAPSE_NS    600000000000ull

/* ---- a consumer ------------------------------------------------------------------------------ */

enum wr_tier_why {
	WR_TIER_WHY_NONE = 0,
	WR_TIER_WHY_GOOD,      /* it has behaved: back */
	WR_TIER_WHY_OVERRUN,   /* its poll took too long */
	WR_TIER_WHY_OVERDRAWN, /* it went on after its budget */
	WR_TIER_WHY_STALL,     /* others waited for it */
	WR_TIER_WHY_LAG,       /* it is far behind */
	WR_TIER_WHY_AGE,       /* what it has not read is old */
	WR_TIER_WHY_HARD,      /* its handler did not return */
	WR_TIER_WHY_OVERLOAD,  /* the whole system is overloaded */
	WR_TIER_WHY_OPERATOR,  /* somebody said so */
	WR_TIER_WHY_LINEAGE,   /* who made it is there */
	WR_TIER_WHY_LEFT, /* publishers waited for it, and it takes the time of others */
	WR_TIER_WHYS
};

struct wr_tier {
	uint64_t changed_ns;  /* when it came to this tier */
	uint64_t looked_ns;   /* the last look at lag and age */
	uint64_t decayed_ns;  /* the penalty is as of then */
	uint64_t bad_ns;      /* the last violation */
	uint64_t returned_ns; /* from the last isolation */
	uint64_t dwell_ns;    /* of that, or of this one */
	uint32_t penalty;     /* in points, times 2^16 */
	uint16_t good;        /* polls in a row */
	uint16_t row;         /* violations in a row */
	uint8_t tier;
	uint8_t flags;
	uint8_t isolations;
	uint8_t unused;
	uint32_t own_ns; /* that its polls took since the last look at lag and age */
};

_Static_assert(sizeof(struct wr_tier) == 64, "a cache line for each consumer");

/* What was seen of a consumer since the last look. */
struct wr_tier_signs {
	uint64_t now_ns;
	uint64_t poll_ns;     /* 0: not measured, and no reason to */
	uint64_t stall_ns;    /* charged for the waiting of others */
	uint64_t hindered_ns; /* wr_tier_hindered_ns of the rest; 0 of who cannot lag */
	uint64_t age_ns;      /* of its oldest unread message */
	uint32_t lag;         /* of its quota, in thousandths */
	uint32_t part,
		round; /* of a round, its polls and those of all that have something to do,
				 itself among them, in the same unit; 0: it has no neighbours */
	bool overdrawn; /* it went on after its budget was used up */
	bool overspent; /* a publisher leaves it behind, its stall budget spent; or others of
			     its loop were charged so much for what neighbours took */
	bool keeps_behind; /* that, and for how long others of its loop were kept far behind,
			      together come to so much */
};

/* A transition, with what led to it. */
struct wr_tier_change {
	uint64_t when_ns;
	uint64_t poll_ns, stall_ns, age_ns; /* of the look that decided */
	uint64_t limit_ns;  /* what poll_ns or age_ns was held against */
	uint64_t stayed_ns; /* at the tier that it left */
	uint64_t dwell_ns;  /* isolated at least so long; else 0 */
	uint32_t penalty;   /* points, before the change */
	uint32_t lag;
	uint32_t row, good; /* violations, good polls in a row */
	uint8_t from, to;
	uint8_t why; /* enum wr_tier_why */
};

void wr_tier_init(struct wr_tier *t, uint64_t now_ns);

/* After a poll, or when something was charged. True if the tier has changed: then *change
 * says how and why. By one tier, but for who is isolated because it was left behind. */
bool wr_tier_look(struct wr_tier *t, const struct wr_tier_rules *rules,
	const struct wr_tier_signs *signs, struct wr_tier_change *change);

/* Of the time since the last look at lag and age, what its neighbours took beyond their part:
 * what it needed itself would have taken the rest, had all kept to their weights. 0 where that
 * is less than half of the time, or not known: it has none, or not all polls were measured. Of
 * more than 2^24 ns, so much. */
uint64_t wr_tier_hindered_ns(const struct wr_tier *t, const struct wr_tier_signs *signs);

/* Of who is far behind: what that counts as, in the waiting of others, against the neighbours
 * that kept it from its part of the loop; else 0. */
uint64_t wr_tier_kept_behind_ns(const struct wr_tier_signs *signs);

/* True if it is to be known how much of the time is its own: from then on it is to be measured
 * for a while. */
bool wr_tier_asks_for_measures(const struct wr_tier_signs *signs);

/* True if its neighbours kept it from its part of the loop when that was looked at last. */
bool wr_tier_is_hindered(const struct wr_tier *t);

/* From now on its polls are measured, right after a look at lag and age, or they are not. */
void wr_tier_measured(struct wr_tier *t, bool measured);

/* To this tier at once: a handler that does not return (which costs it no points, so that it
 * comes back after its dwell), an overload, an operator. False if
 * it is there already, or there is no such tier. */
bool wr_tier_move(struct wr_tier *t, const struct wr_tier_rules *rules, unsigned tier,
	enum wr_tier_why why, uint64_t now_ns, struct wr_tier_change *change);

/* It was made by that one within its poll, and begins where that one is: nobody sheds what is
 * held against it by having its work done by another. True if that is not the first tier:
 * then *change says so. */
bool wr_tier_inherit(struct wr_tier *t, const struct wr_tier *maker, uint64_t now_ns,
	struct wr_tier_change *change);

/* Points, decayed to now; what `weir top` shows. */
uint32_t wr_tier_penalty(const struct wr_tier *t, uint64_t now_ns);

/* The factor on the weight: 100, 75, 50, 25; 0 with a lane, for then it is off the wheel. */
unsigned wr_tier_percent(unsigned tier, bool has_lane);

/* The same as a factor, of one that has no lane. */
enum wr_factor wr_tier_factor(unsigned tier);

const char *wr_tier_why_name(unsigned why);

/* The change as one line without an end, "prices: monitor -> warn: ..."; name may be NULL.
 * Always ended. Returns the length that the whole would need, as snprintf does. */
int wr_tier_change_format(
	const struct wr_tier_change *change, const char *name, char *buf, size_t size);

#endif
