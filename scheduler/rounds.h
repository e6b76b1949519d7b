/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * How long a round is, and whether one more consumer still fits: every consumer of weight w
 * has w polls of each round, so the round of all that were admitted is the sum of their
 * weights, and the slot that each can count on is one in so many.
 *
 * A reactor that a program declares has a limit, 400 polls unless it says otherwise: with
 * at most 10 microseconds to a poll that is a round of 4 ms, and whoever would break that
 * promise to the others is refused. One without a limit refuses nobody, and tells how long
 * its round has become.
 *
 * Here also: weights as people write them. They may be any whole numbers that a common
 * divisor brings down to 64.
 */
#ifndef WR_SCHEDULER_ROUNDS_H
#define WR_SCHEDULER_ROUNDS_H

#include <stdint.h>
#include <weir/error.h>

enum { WR_ROUNDS_LIMIT = 400, WR_ROUNDS_CLASSES_MAX = 16 };

struct wr_rounds {
	uint32_t limit; /* polls that a round may have; 0: any number */
	uint32_t polls; /* that it has: the sum of the weights of all consumers */
	uint32_t consumers;
};

void wr_rounds_init(struct wr_rounds *rounds, uint32_t limit);

/* One more of this weight: 0, or -WEIR_E_AGAIN_QUOTA, with the text saying by how much the
 * round would be too long; then nothing has changed. err may be NULL. */
int wr_rounds_admit(struct wr_rounds *rounds, unsigned weight, struct weir_error *err);

/* Takes back what was admitted; a weight that changes is taken back and admitted. */
void wr_rounds_release(struct wr_rounds *rounds, unsigned weight);

/* Weights by class, the first the heaviest as a rule. */
struct wr_weights {
	uint32_t count;
	uint8_t of[WR_ROUNDS_CLASSES_MAX];
};

/* 10, 6, 3 and 1. */
extern const struct wr_weights wr_weights_default;

/* Brings the values down by their common divisor, if one of them is more than 64. Returns 0,
 * or -WEIR_E_USAGE_INVAL with a text that names the value that cannot be; then *weights is
 * as it was. err may be NULL. */
int wr_weights_set(struct wr_weights *weights, const uint64_t *values, uint32_t count,
	struct weir_error *err);

#endif
