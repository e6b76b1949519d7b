/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A bus across processes (within one: bus/hub.h): a directory of sockets, one per node,
 * and a steward thread per attachment that answers on it. The steward passes descriptors,
 * checks who asks, admits readers to our streams, attaches our subscriptions to the streams
 * of others, learns of deaths, and rings sleepers that the publisher left to it. It never
 * touches a message.
 */
#ifndef WR_BUS_MEETING_H
#define WR_BUS_MEETING_H

#include "bus/node.h"

struct wr_meeting_opts {
	const char *dir; /* runtime directory, NULL = the default */
	const char *group;
	const char *users;
	uint64_t deadline_ns; /* for the peers that are there already */
	bool thread;          /* false: whoever owns the node calls ops->turn */
};

/* Attaches an initialised node to the bus of its name. ENV_*, AGAIN_QUOTA. */
int wr_meeting_open(struct wr_node *node, const struct wr_meeting_opts *opts,
	struct weir_error *err);

#endif
