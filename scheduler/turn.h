/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A turn is what a consumer has in the queue of its reactor: its place, its weight, and
 * what it has been charged. It lies in the consumer's own memory, on the line that only the
 * reactor's thread writes, and is small so that the rest of that line is left for the
 * consumer.
 *
 * A weight is how many polls of a round a consumer gets, 1 to 64; a factor is what a tier
 * leaves of it. Both together are its pace, counted in quarters of a poll, so that each of
 * them is a whole number.
 */
#ifndef WR_SCHEDULER_TURN_H
#define WR_SCHEDULER_TURN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WR_WEIGHT_MAX = 64, WR_WEIGHT_DEFAULT = 3, WR_PACES = 4 * WR_WEIGHT_MAX };

/* What is left of a weight. */
enum wr_factor { WR_FACTOR_100 = 0, WR_FACTOR_75, WR_FACTOR_50, WR_FACTOR_25 };

enum wr_turn_state {
	WR_TURN_AWAY = 0, /* nothing to do: in no list, costs nothing */
	WR_TURN_WAITING,  /* in its queue */
	WR_TURN_OUT       /* taken out, and neither put back nor gone yet */
};

/* Of laps: it was in no queue yet. */
enum { WR_TURN_FRESH = UINT16_MAX };

struct wr_ring {
	struct wr_ring *next, *prev;
};

struct wr_turn {
	struct wr_ring link;
	uint16_t part; /* wheel: how far into its bucket, WR_WHEEL_PARTS to each */
	uint16_t laps; /* wheel: passes over it before it is due; classes: its credit */
	uint8_t at;    /* wheel: the bucket that it is charged from */
	uint8_t pace;  /* weight and factor */
	uint8_t state; /* enum wr_turn_state */
	uint8_t seat;  /* tree: the group it is in; table: 1 = it has a place there;
			  time: the quantum that its laps are counted in */
};

_Static_assert(sizeof(struct wr_turn) <= 24, "a turn shares a line with its consumer");

/* Not in any queue; again, before it goes to another one. weight is 1 to WR_WEIGHT_MAX:
 * what lies beyond is taken for the nearest that does not. */
void wr_turn_init(struct wr_turn *turn, unsigned weight);

static inline unsigned
wr_turn_weight(const struct wr_turn *turn)
{
	return turn->pace / 4u + 1;
}

static inline enum wr_factor
wr_turn_factor(const struct wr_turn *turn)
{
	return (enum wr_factor)(turn->pace % 4u);
}

/* Quarters of a poll that it gets of each round. */
static inline unsigned
wr_turn_quarters(const struct wr_turn *turn)
{
	return wr_turn_weight(turn) * (4u - (unsigned)wr_turn_factor(turn));
}

/* ---- lists of turns: circles with a link of their own as their head ---------------------- */

static inline void
wr_list_init(struct wr_ring *head)
{
	head->next = head->prev = head;
}

static inline bool
wr_list_is_empty(const struct wr_ring *head)
{
	return head->next == head;
}

/* Behind `before`: the head for the front, head->prev for the end. */
static inline void
wr_list_insert(struct wr_ring *before, struct wr_ring *link)
{
	link->prev = before;
	link->next = before->next;
	before->next->prev = link;
	before->next = link;
}

static inline void
wr_list_append(struct wr_ring *head, struct wr_ring *link)
{
	wr_list_insert(head->prev, link);
}

static inline void
wr_list_unlink(struct wr_ring *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
}

/* The first, taken out; NULL if there is none. */
static inline struct wr_turn *
wr_list_take(struct wr_ring *head)
{
	struct wr_ring *link = head->next;

	if (link == head)
		return NULL;
	head->next = link->next;
	link->next->prev = head;
	return (struct wr_turn *)(void *)link;
}

#endif
