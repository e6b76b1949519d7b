/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The steward of a node's meeting: it hears what peers say, learns of deaths, and rings
 * sleepers that the publisher left to it. It never touches a message, and never waits for
 * a peer. It has a thread, or whoever owns the node turns it.
 */
#ifndef WR_BUS_STEWARD_H
#define WR_BUS_STEWARD_H

#include <poll.h>

#include "bus/door.h"

struct wr_steward {
	struct wr_node *node;
	struct wr_peers peers;
	struct wr_door door;
	struct wr_ear ear;
	wr_a64 relay_pending;
	wr_a64 stopping;
	bool has_thread;
	pthread_t thread;
	pthread_cond_t changed;  /* something that a caller may wait for has happened */
	struct wr_steward *next; /* of this process: bus/fork.h */
};

/* Makes what it hears with; node, peers and door are there. ENV_FILES, ENV_NOSYS. */
int wr_steward_init(struct wr_steward *s, struct weir_error *err);
void wr_steward_fini(struct wr_steward *s);

/* Its thread, if it is to have one. ENV_THREADS. Stopping one that never started is
 * harmless. */
int wr_steward_start(struct wr_steward *s, struct weir_error *err);
void wr_steward_stop(struct wr_steward *s);

/* One turn, without the lock: waits at most timeout_ms. Returns how many events there
 * were; *next_ms is when the next turn is due. */
int wr_steward_turn(struct wr_steward *s, int timeout_ms, int *next_ms);

/* Where there is no epoll: the descriptors that it hears, and what each is about; up to `room`
 * of them. marks NULL: not wanted. Without the lock. Returns how many. */
unsigned wr_steward_hears(
	struct wr_steward *s, struct pollfd *fds, uint64_t *marks, unsigned room);

/* Waits for a change, at most until the deadline; with the lock held, which is given up
 * meanwhile. Turns the steward itself where no thread does. False: the deadline has
 * passed. */
bool wr_steward_wait(struct wr_steward *s, uint64_t deadline_ns);

/* Wakes its thread. Any thread. */
void wr_steward_poke(struct wr_steward *s);

/* Asks it to ring the sleepers of our streams that have not been rung. Any thread. */
void wr_steward_relay(struct wr_steward *s);

#endif
