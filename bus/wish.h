/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Whom does a call wait for, and how long? A call has a wish; the peers that keep it
 * waiting are given until its deadline. Who has not answered by then is pending: it is
 * named, no later call waits for it, and it is admitted when it answers.
 */
#ifndef WR_BUS_WISH_H
#define WR_BUS_WISH_H

#include "bus/steward.h"

/* At most one of them is set; none: that the peers here are met. */
struct wr_wish {
	const struct wr_stream *stream;    /* everybody has answered its announcement */
	const struct wr_subscription *sub; /* it is attached to all that is known */
};

/* Waits until nobody keeps the wish waiting, or until the deadline. With the node's lock
 * held, which is given up meanwhile. */
void wr_wish_await(struct wr_steward *s, const struct wr_wish *wish, uint64_t deadline_ns);

/* Names those that are pending; returns how many. With the node's lock held. */
int wr_wish_pending(const struct wr_peers *peers, char *names, size_t size);

#endif
