/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * How do connections come about? A node has a door: its socket in the directory of the
 * bus. Who knocks there is let in or turned away, and whom we find in the directory we
 * reach for, again and again while it does not open. Both ends then say hello
 * (bus/hello.h).
 *
 * With the node's lock held, but for opening and closing.
 */
#ifndef WR_BUS_DOOR_H
#define WR_BUS_DOOR_H

#include "bus/access.h"
#include "bus/ear.h"
#include "bus/peers.h"
#include "bus/rundir.h"

struct wr_door {
	struct wr_peers *peers;
	struct wr_access access; /* who may attach, besides our own user */
	mode_t mode;             /* of our socket */
	int dirfd;
	int listen_fd;
	const struct wr_ear *ear; /* hears the door and the sockets of peers */
	uint64_t deaf_until_ns; /* no descriptor for a guest: nobody is accepted so long */
};

/* Opens the directory, before anybody can find us. As wr_rundir_open. */
int wr_door_open(struct wr_door *door, struct wr_peers *peers,
	const struct wr_rundir_opts *where, struct weir_error *err);

/* Is there for others from here on, and reaches for all that were there before. ENV_*,
 * AGAIN_QUOTA. */
int wr_door_arrive(struct wr_door *door, const struct wr_ear *ear, struct weir_error *err);

/* True if whoever knocks is to be heard. */
bool wr_door_listens(const struct wr_door *door);

/* Takes our socket from the directory. */
void wr_door_leave(struct wr_door *door);
void wr_door_close(struct wr_door *door);

/* Somebody has knocked. */
void wr_door_answer(struct wr_door *door);

/* Does what is due by the clock; returns in how many milliseconds it is due again, at most
 * next_ms. */
int wr_door_tend(struct wr_door *door, int next_ms);

/* Reaches for a node again later, less and less often. */
void wr_door_retry(struct wr_peer *peer);

/* A node has died and cannot do it itself: its socket goes from the directory. */
void wr_door_bury(struct wr_door *door, uint64_t node);

/* Tells the application that a peer was turned away, and why. */
void wr_door_turned_away(struct wr_node *node, const struct wr_peer *peer, int code);

#endif
