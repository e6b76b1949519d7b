/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Which streams of other processes do our subscriptions read? A publisher announces a
 * stream; our side asks for each subscription that wants it, and answers the announcement
 * when the rows stand. Only this side asks.
 *
 * With the node's lock held.
 */
#ifndef WR_BUS_REMOTE_H
#define WR_BUS_REMOTE_H

#include "bus/peer.h"

/* Asks a peer to admit a subscription to one of its streams, if it wants it. */
void wr_remote_attach(
	struct wr_peer *peer, struct wr_remote *remote, struct wr_subscription *sub);

/* Ends a link; the peer's answer frees its slot. The reader is gone already. */
void wr_remote_leave(struct wr_node *node, struct wr_link *link);

/*
 * What a peer says: I have this stream; you are admitted to it (the region is taken); you
 * are not; it goes on in another region (which is taken too); you are waited for, or not
 * any more; it has ended; your slot is yours again. 0, or < 0 if the peer is to be put out for it.
 */
int wr_remote_announced(
	struct wr_node *node, struct wr_peer *peer, const struct wr_wire *msg);
void wr_remote_attached(
	struct wr_node *node, struct wr_peer *peer, const struct wr_wire *msg, int fd);
void wr_remote_refused(
	struct wr_node *node, struct wr_peer *peer, const struct wr_wire *msg);
int wr_remote_moved(
	struct wr_node *node, struct wr_peer *peer, const struct wr_wire *msg, int fd);
void wr_remote_verdict(
	struct wr_node *node, struct wr_peer *peer, const struct wr_wire *msg);
void wr_remote_ended(
	struct wr_node *node, struct wr_peer *peer, const struct wr_wire *msg);
void wr_remote_detached(
	struct wr_node *node, struct wr_peer *peer, const struct wr_wire *msg);

/* The peer is no more: our links to it drain and end. How it went (WEIR_EV_NODE_LEFT or
 * _DIED) is told. */
void wr_remote_bereave(
	struct wr_node *node, struct wr_peer *peer, enum weir_event_kind how);

#endif
