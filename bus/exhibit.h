/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a steward shows to lookers: who its node is, its streams and subscriptions, the
 * regions of its streams and who reads them, its own words and the roster of its loop. A
 * looker has no row, no cursor and no bell here.
 *
 * Of a stream it learns what it may read, and nothing of others. Words and roster are shown
 * to whoever was let in, as the words are to each node that says hello.
 */
#ifndef WR_BUS_EXHIBIT_H
#define WR_BUS_EXHIBIT_H

#include "bus/peer.h"

/* Answers one message of a looker (WR_WIRE_LOOK, SHOW, READERS, CALL or ASK). 0 or PEER_PROTOCOL.
 * With the node's lock held. What the looker may not read, it is not told of. */
int wr_exhibit(struct wr_node *node, struct wr_peer *looker, const struct wr_wire *msg);

#endif
