/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Class round robin: consumers of one weight are a class; between classes smooth weighted
 * round robin decides (nginx 2012: {5,1,1} gives a a b a c a a), with the weights of all
 * members of a class as its weight; within a class, each in turn.
 *
 * With all ready it is the most even order of all: on 9 consumers of weight 10, 18 of 6, 10
 * of 3 and 11 of 1 the polls of one are 23 to 25, 39 or 40, 77 to 82 and 239 apart. When
 * consumers come and go it is less fair than the wheel, because what is kept is the balance
 * of classes, not of consumers. A decision looks at each class that has somebody in it.
 *
 * A tier's factor counts within the class: at half its weight a consumer is passed over
 * every other time, and the class weighs less by as much.
 */
#ifndef WR_SCHEDULER_CLASSES_H
#define WR_SCHEDULER_CLASSES_H

#include "scheduler/select.h"

struct wr_class {
	struct wr_ring line;
	int64_t credit;    /* in quarters of a poll, times those of a round */
	uint32_t count;    /* its turns, waiting or out */
	uint32_t quarters; /* and what they have of a round */
};

struct wr_classes {
	struct wr_select select;
	uint64_t busy; /* a bit for each weight, less 1, that has anybody in */
	struct wr_class classes[WR_WEIGHT_MAX];
};

extern const struct wr_discipline wr_classes;

void wr_classes_init(struct wr_classes *classes);

#endif
