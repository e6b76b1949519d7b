/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Round robin: everybody once, in the order in which they came. Weights do not count; what
 * a turn carries of one is kept for the day when the discipline is another one.
 */
#ifndef WR_SCHEDULER_ROBIN_H
#define WR_SCHEDULER_ROBIN_H

#include "scheduler/select.h"

struct wr_robin {
	struct wr_select select;
	struct wr_ring line;
};

extern const struct wr_discipline wr_robin;

void wr_robin_init(struct wr_robin *robin);

#endif
