/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The referee watches a queue from outside and says when it breaks a promise. It is told
 * what happens to each consumer, keeps books of its own, and looks at nothing of the
 * discipline but its virtual time. At every step it checks, for all disciplines:
 *
 *   members   who is taken out was in, and not out; count and sum of weights are right;
 *   no waste  nobody is found missing while somebody is ready;
 *   no loss   whoever is in is taken out within its bound: a round by the least share that
 *             it can have, and one poll of everybody;
 *
 * and for the wheel, where polls are counted:
 *
 *   exact     whoever was in for a whole round has had its weight in it; where a tier
 *             leaves no whole number of it, the one below or above;
 *   fair      since two were both in, their polls by weight differ by at most one round;
 *             where a tier leaves no whole number, by the strides of both, and a bucket at
 *             either end. Of more than 64 consumers so many are compared, evenly spaced
 *             from where the seed says.
 */
#ifndef WR_SCHEDULER_REFEREE_H
#define WR_SCHEDULER_REFEREE_H

#include "scheduler/select.h"

enum { WR_REFEREE_WATCHED = 64 };

/* What it knows of one consumer. */
struct wr_player {
	uint64_t seen;     /* step of its last turn, or of its coming */
	uint64_t entered;  /* round in which it came, or its weight changed */
	uint64_t round;    /* of its last poll */
	uint32_t polls;    /* in that round */
	uint32_t bound;    /* steps after which it is lost */
	uint16_t quarters; /* that it is counted with */
	uint8_t watched;   /* its number among those compared, and one; 0: it is not */
	uint8_t settling;  /* polls until its new weight is all that counts */
	bool in, out;
};

struct wr_referee {
	const struct wr_select *select;
	const uint64_t *now; /* the wheel's; NULL: a round says nothing here */
	struct wr_player *players;
	const struct wr_turn *const *turns;
	uint32_t count;
	uint64_t step;
	uint32_t in_count, in_quarters;
	uint32_t watched[WR_REFEREE_WATCHED], watched_count;
	/* What the one has had more than the other, in parts of a bucket. */
	int64_t more[WR_REFEREE_WATCHED][WR_REFEREE_WATCHED];
	uint64_t checks;
	int64_t more_most; /* parts */
	uint64_t broken;   /* promises; the first in words: */
	char text[200];
};

/* Over these consumers, none of which is in yet. players is the caller's memory for so many.
 * now is the wheel's where polls are counted, else NULL. */
void wr_referee_init(struct wr_referee *referee, const struct wr_select *select,
	const uint64_t *now, const struct wr_turn *const *turns,
	struct wr_player *players, uint32_t count, uint64_t seed);

/* Within how many steps it has to have its turn, whoever else is in; 0: any number. */
void wr_referee_bound(struct wr_referee *referee, uint32_t i, uint32_t steps);

/* It was added; it was removed where it waited; its pace is another one now. */
void wr_referee_added(struct wr_referee *referee, uint32_t i);
void wr_referee_removed(struct wr_referee *referee, uint32_t i);
void wr_referee_weighed(struct wr_referee *referee, uint32_t i);

/* It was taken out; then it was put back after a poll, or found idle. Nobody: none was
 * taken out though `ready` of them were ready. */
void wr_referee_taken(struct wr_referee *referee, uint32_t i);
void wr_referee_polled(struct wr_referee *referee, uint32_t i);
void wr_referee_rested(struct wr_referee *referee, uint32_t i);
void wr_referee_nobody(struct wr_referee *referee, uint32_t ready);

/* A promise was broken that somebody else watches over: it is counted here too, and told if
 * it is the first. */
void wr_referee_breaks(struct wr_referee *referee, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Looks for consumers that are in and never come: at the end, and now and then. */
void wr_referee_sweep(struct wr_referee *referee);

#endif
