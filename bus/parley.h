/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What stewards say to each other, message by message, and how they part. bus/steward.c
 * runs the sockets and threads; here each message finds what it does to the tables: the
 * handshake (bus/hello.h), our streams (bus/admission.h), those of others (bus/remote.h),
 * and what lookers are shown (bus/exhibit.h). Everything with the node's lock held.
 *
 * Who asks: only the subscriber's side attaches. A publisher announces; the subscriber's
 * steward attaches what wants the stream, and answers the announcement when the rows
 * stand. Both sides do both at any time; everything is keyed, so saying it twice does no
 * harm.
 */
#ifndef WR_BUS_PARLEY_H
#define WR_BUS_PARLEY_H

#include "bus/peers.h"

/*
 * One message has arrived; its descriptors are taken. Returns the peer that it is from
 * (a guest may turn out to be one that was known), or NULL with *wrong = 0 if the
 * connection has ended in order, < 0 if the peer is to be put out for that.
 */
struct wr_peer *wr_parley_hear(struct wr_peers *peers, struct wr_peer *peer,
	const struct wr_wire *msg, const int *fds, int *wrong);

/*
 * The peer is no more: its rows go, our links to it drain and end, its place is free.
 * How it went (WEIR_EV_NODE_LEFT or _DIED) is told.
 */
void wr_parley_gone(struct wr_node *node, struct wr_peer *peer, enum weir_event_kind how);

/* Tells the peers of streams that are over since, and that we keep for who comes late. */
void wr_parley_tell_left(struct wr_peers *peers);

/* It hung up and may live on: nobody waits for its cursors, its pins stand. */
void wr_parley_lost(struct wr_node *node, struct wr_peer *peer);

/* True if something of ours is with the peer, or of it with us: then it is remembered. */
bool wr_parley_bound(struct wr_node *node, const struct wr_peer *peer);

#endif
