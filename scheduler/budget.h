/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * How much of its turn has a consumer left? Sixteen bytes: units that it may still take,
 * with how many it begins, and until when; who takes the last one is told that it is over.
 *
 * Taking stops at nothing. A counter that is merely lowered wraps below zero, and whoever
 * goes on after its end is given four thousand million units more.
 *
 * There are two forms. The owner's is plain memory of one thread. The shared one counts
 * exactly under any number of threads: of a budget of n, exactly n - 1 takings of one unit
 * are told to go on, whoever makes them. It looks before it takes, so an exhausted budget is
 * not written any more, and what threads take between their look and their step is less
 * than could wrap. No loop: a thread is never made to try again.
 */
#ifndef WR_SCHEDULER_BUDGET_H
#define WR_SCHEDULER_BUDGET_H

#include "bus/atomic.h"

enum {
	WR_BUDGET_MIN = 100,
	WR_BUDGET_DEFAULT = 2000,
	WR_BUDGET_MAX = 10000,
	WR_BUDGET_TIER_MAX = 3
};

struct wr_budget {
	uint64_t until_ns; /* 0: no time is set */
	uint32_t left;
	uint16_t full; /* what it is filled up to */
	uint8_t tier;
	uint8_t generation; /* one more with each new owner */
};

struct wr_budget_shared {
	wr_a64 until_ns;
	wr_a32 left;  /* below zero, by what came at its end: nothing */
	wr_a32 about; /* its size and generation; writer: who fills it */
};

/* What one poll has, and what it made of it. */
struct wr_allowance {
	struct wr_budget budget;
	bool overdrawn; /* it took from it when nothing was left, */
	bool yields;    /* or was told that it should stop */
};

_Static_assert(sizeof(struct wr_budget) == 16, "four to a cache line");
_Static_assert(_Alignof(struct wr_budget) == 8, "as its longest word");
_Static_assert(sizeof(struct wr_budget_shared) == 16, "as the owner's form");
_Static_assert(WR_BUDGET_MAX <= UINT16_MAX, "full holds it");

/* ---- the owner's form -------------------------------------------------------------------- */

/* A new budget, full. USAGE_INVAL, and nothing is touched, unless units are WR_BUDGET_MIN to
 * WR_BUDGET_MAX. */
int wr_budget_init(struct wr_budget *b, uint32_t units);

/* From here on it is filled up to so many, and it is full; time and tier stay. USAGE_INVAL
 * as above. */
int wr_budget_resize(struct wr_budget *b, uint32_t units);

/* Full, without time, tier 0, a generation on: as for somebody else. */
void wr_budget_renew(struct wr_budget *b);

/* One tier up, the third at most. */
void wr_budget_escalate(struct wr_budget *b);

/* `percent` of units, within WR_BUDGET_MIN and WR_BUDGET_MAX: what a tier leaves of it. */
uint32_t wr_budget_part(uint32_t units, uint32_t percent);

/* Full again. */
static inline void
wr_budget_fill(struct wr_budget *b)
{
	b->left = b->full;
}

/* Takes units, as far as there are any. True when there are none left. */
static inline bool
wr_budget_consume(struct wr_budget *b, uint32_t units)
{
	uint32_t left = b->left;

	/* A branch that is foreseen: a choice between two values would be one more step from
	 * one taking to the next. */
	if (__builtin_expect(left > units, 1)) {
		b->left = left - units;
		return false;
	}
	b->left = 0;
	return true;
}

/* True if it should stop: nothing is left, or its time is over. */
static inline bool
wr_budget_is_over(const struct wr_budget *b, uint64_t now_ns)
{
	return b->left == 0 || (b->until_ns != 0 && now_ns >= b->until_ns);
}

/* A poll begins: all that it is filled up to, without time. */
static inline void
wr_allowance_begin(struct wr_allowance *a)
{
	wr_budget_fill(&a->budget);
	a->budget.until_ns = 0;
	a->overdrawn = a->yields = false;
}

/* ---- the shared form ----------------------------------------------------------------------- */

/* As above. Before anybody takes from it. */
int wr_budget_shared_init(struct wr_budget_shared *b, uint32_t units);

/* Full again. One thread at a time; others may be taking. */
void wr_budget_shared_fill(struct wr_budget_shared *b);

/* Full, without time, a generation on. As above. */
void wr_budget_shared_renew(struct wr_budget_shared *b);

/* From when on it is over, whatever is left; 0: never. Any thread. */
void wr_budget_shared_until(struct wr_budget_shared *b, uint64_t until_ns);

/* True if it should stop: nothing is left, or its time is over. Any thread. */
bool wr_budget_shared_is_over(struct wr_budget_shared *b, uint64_t now_ns);

/* What is left, never less than 0. Any thread. */
uint32_t wr_budget_shared_left(struct wr_budget_shared *b);

/* How often it was renewed, modulo 256. Any thread. */
uint8_t wr_budget_shared_generation(struct wr_budget_shared *b);

/* Takes units, WR_BUDGET_MAX at most, as far as there are any. True when there are none
 * left. Any thread. */
static inline bool
wr_budget_shared_consume(struct wr_budget_shared *b, uint32_t units)
{
	uint32_t take = units < WR_BUDGET_MAX ? units : WR_BUDGET_MAX;
	int32_t left = (int32_t)wr_load_relaxed(budget_look, &b->left);

	if (left <= 0)
		return true;
	left = (int32_t)wr_fetch_add(budget_take, &b->left, 0 - take);
	return left <= (int32_t)take;
}

#endif
