/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Who is at the other end of a connection? Both say hello: who they are, where their words
 * stand, and by which bell they are rung. Of two nodes that found each other at the same
 * time one connection stays. With the node's lock held.
 */
#ifndef WR_BUS_HELLO_H
#define WR_BUS_HELLO_H

#include "bus/peers.h"

/* Says hello on a fresh connection. 0 or < 0: it is of no use. */
int wr_hello_say(struct wr_peers *peers, struct wr_peer *peer);

/*
 * The other end has said hello; its two descriptors are taken, and it is answered if it
 * spoke first. Returns the peer that it is from, now UP (a guest may turn out to be one
 * that was known), or NULL with *wrong as wr_parley_hear has it.
 */
struct wr_peer *wr_hello_hear(struct wr_peers *peers, struct wr_peer *peer,
	const struct wr_wire *msg, const int *fds, int *wrong);

#endif
