/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Who of other processes reads our streams? A publisher announces; the subscriber's side
 * asks, and is admitted. Every message is keyed, so hearing it twice does no harm.
 *
 * With the node's lock held, unless it says otherwise.
 */
#ifndef WR_BUS_ADMISSION_H
#define WR_BUS_ADMISSION_H

#include "bus/peer.h"

bool wr_admission_permits(const struct wr_stream *stream, const struct wr_peer *peer);

/* Announces one of our streams to a peer, if it may know of it. */
void wr_admission_announce(struct wr_peer *peer, struct wr_stream *stream);

/* Streams first, then the mark that these were all. */
/* A stream that is over, and that we keep for who asks for the past. */
void wr_admission_announce_left(struct wr_peer *peer, const struct wr_legacy *left);
void wr_admission_announce_all(struct wr_node *node, struct wr_peer *peer);

/* What a peer asks: admit me (answered in any case); I have the region; I read no more
 * (answered too, when the row is gone). */
void wr_admission_attach(
	struct wr_node *node, struct wr_peer *peer, const struct wr_wire *msg);
void wr_admission_mapped(
	struct wr_node *node, struct wr_peer *peer, const struct wr_wire *msg);
void wr_admission_detach(
	struct wr_node *node, struct wr_peer *peer, const struct wr_wire *msg);

/*
 * A stream is to go on in a fresh region: tells every reader of another process that has
 * not been told. What goes to one that is waited for is with the kernel when this returns,
 * where it outlives us; AGAIN_FULL if the kernel would not take it, else 0. Who is not
 * waited for may miss messages anyway, and is told when it reads. From the publisher's
 * thread, with the writer's lock and without the node's.
 */
int wr_admission_tell(
	struct wr_node *node, struct wr_writer *w, const struct wr_store *store);

/* Tells a reader of another process how its stream's publisher deals with it from now on
 * (row->gate, row->gone). From the publisher's thread, with the writer's lock. */
void wr_admission_verdict(uint64_t stream, const struct wr_row *row, int code);

/* True if a peer has a row in any of our streams. */
bool wr_admission_stands(struct wr_node *node, const struct wr_peer *peer);

/* Nobody waits for the peer's cursors any more; what it announces and holds stands. */
void wr_admission_suspend(struct wr_node *node, const struct wr_peer *peer);

/* All rows of a peer go; how it went (WEIR_EV_NODE_LEFT or _DIED) is told. */
void wr_admission_revoke(
	struct wr_node *node, const struct wr_peer *peer, enum weir_event_kind how);

#endif
