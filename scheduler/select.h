/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Whose turn it is: the one interface behind which the disciplines stand.
 *
 *	wr_select_add(s, turn)               it has something to do: it waits for its turn
 *	turn = wr_select_next(s)             the one whose turn it is, taken out
 *	wr_select_put(s, turn, cost)         it was polled: back it goes, charged
 *	wr_select_rest(s, turn)              it had nothing to do: it leaves, uncharged
 *
 * A consumer that runs out of work is not looked for: it is found idle when its turn comes,
 * and rests. That costs a look for each time that it falls idle, whoever is idle is in no
 * list, and it cannot gain a turn by going and coming: until its next turn was due it was
 * still there. For the same reason do not remove a turn because its consumer is idle.
 *
 * A turn is added when its consumer is made, with work or without: the first time it gets
 * a place that is spread evenly among its like, later it is served at once.
 *
 * Everything here is of one thread, the one that runs the reactor. Nothing allocates,
 * blocks or reads a clock; nothing on the way from next to put divides. The queue is the
 * caller's memory, a struct of its discipline that begins with struct wr_select.
 */
#ifndef WR_SCHEDULER_SELECT_H
#define WR_SCHEDULER_SELECT_H

#include "scheduler/turn.h"

struct wr_select;

/* How a discipline does it. State and sums are kept by the callers of these. */
struct wr_discipline {
	const char *name;  /* as an option has it */
	const char *about; /* one line, no full stop */
	void (*add)(struct wr_select *s, struct wr_turn *turn);
	struct wr_turn *(*next)(struct wr_select *s);
	void (*put)(struct wr_select *s, struct wr_turn *turn, uint64_t cost);
	/* It was out, and does not come back. */
	void (*rest)(struct wr_select *s, struct wr_turn *turn);
	/* It was waiting, and leaves. */
	void (*remove)(struct wr_select *s, struct wr_turn *turn);
	/* It is in (waiting or out) and has a new pace; it had `was`. */
	void (*weigh)(struct wr_select *s, struct wr_turn *turn, uint8_t was);
};

struct wr_select {
	const struct wr_discipline *by;
	uint32_t count;    /* turns in it, waiting or out */
	uint32_t quarters; /* of a poll, that they have of each round together */
};

void wr_select_init(struct wr_select *s, const struct wr_discipline *by);

/* Enters, unless it is in. */
void wr_select_add(struct wr_select *s, struct wr_turn *turn);

/* Leaves for good, wherever it is: waiting, out, or away already. */
void wr_select_remove(struct wr_select *s, struct wr_turn *turn);

/* Another weight or factor, which counts from its next charge on; in it or not. */
void wr_select_weigh(struct wr_select *s, struct wr_turn *turn, unsigned weight,
	enum wr_factor factor);

/* The next one, out; NULL if nobody waits. Several may be out at a time. */
static inline struct wr_turn *
wr_select_next(struct wr_select *s)
{
	struct wr_turn *turn = s->by->next(s);

	if (turn)
		turn->state = WR_TURN_OUT;
	return turn;
}

/* Back, after a poll that has cost so much: nanoseconds where time is what is shared, or
 * anything where polls are. Only for one that is out. */
static inline void
wr_select_put(struct wr_select *s, struct wr_turn *turn, uint64_t cost)
{
	turn->state = WR_TURN_WAITING;
	s->by->put(s, turn, cost);
}

/* Away, after a turn at which there was nothing to do. Only for one that is out. */
void wr_select_rest(struct wr_select *s, struct wr_turn *turn);

/* Takes up to n out, in their order. Returns how many. */
size_t wr_select_many(struct wr_select *s, struct wr_turn **turns, size_t n);

/* Quarters of a poll that a round has, if all that are in it stay. */
static inline uint32_t
wr_select_round(const struct wr_select *s)
{
	return s->quarters;
}

#endif
