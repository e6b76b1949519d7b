/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a steward shows to lookers: who its node is, its streams and subscriptions, and
 * the regions of its streams. A looker has no row, no cursor and no bell here.
 */
#ifndef WR_BUS_EXHIBIT_H
#define WR_BUS_EXHIBIT_H

#include "bus/peer.h"

/* Answers one message of a looker (WR_WIRE_LOOK or WR_WIRE_SHOW). 0 or PEER_PROTOCOL.
 * With the node's lock held. What the looker may not read, it is not told of. */
int wr_exhibit(struct wr_node *node, struct wr_peer *looker, const struct wr_wire *msg);

#endif
