/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What stewards say to each other, and what follows from it: the handshake by which two
 * nodes meet, and the admission of readers. bus/steward.c runs the sockets and threads;
 * here is what each message does to the tables. Everything with the node's lock held.
 *
 * Who asks: only the subscriber's side attaches. A publisher announces; the subscriber's
 * steward attaches what wants the stream, and answers the announcement when the rows
 * stand. Both sides do both at any time; everything is keyed, so saying it twice does no
 * harm.
 */
#ifndef WR_BUS_PARLEY_H
#define WR_BUS_PARLEY_H

#include "bus/peer.h"

enum {
	WR_PEERS = WEIR_PROCESSES_MAX + 64, /* nodes, and guests and lookers */
	WR_LOST_MAX = 8 /* of one process, that hung up and live on */
};

struct wr_steward {
	struct wr_node *node;
	struct wr_access access; /* who may attach, besides our own user */
	int dirfd;
	int listen_fd;
	int epoll_fd;
	int relay_fd; /* an eventfd: the publisher or a caller wants something */
	int watch_count;
	int *watches; /* epoll sets that hear every peer's bell */
	int watch_size;
	uint64_t deaf_until_ns; /* no descriptor for a guest: nobody is accepted so long */
	wr_a64 relay_pending;
	wr_a64 stopping;
	bool has_thread;
	pthread_t thread;
	pthread_cond_t changed;  /* something that a caller may wait for has happened */
	struct wr_steward *next; /* of this process, for fork */
	struct wr_peer *peers[WR_PEERS]; /* made as needed, freed with the steward: a bell
					    may be rung at any time */
};

struct wr_peer *wr_parley_find(struct wr_steward *s, uint64_t node);
struct wr_peer *wr_parley_free(struct wr_steward *s);

/* Says hello on a fresh connection. 0 or < 0: it is of no use. */
int wr_parley_hello(struct wr_steward *s, struct wr_peer *peer);

/*
 * One message has arrived; its descriptors are taken. Returns the peer that it is from
 * (a guest may turn out to be one that was known), or NULL with *wrong = 0 if the
 * connection has ended in order, < 0 if the peer is to be put out for that.
 */
struct wr_peer *wr_parley_message(struct wr_steward *s, struct wr_peer *peer,
	const struct wr_wire *msg, int *fds, int *wrong);

/* Announces one of our streams to a peer, if it may know of it. */
void wr_parley_announce(struct wr_peer *peer, struct wr_stream *stream);

/* Asks a peer to admit a subscription to one of its streams, if it wants it. */
void wr_parley_attach(struct wr_steward *s, struct wr_peer *peer,
	struct wr_remote *remote, struct wr_subscription *sub);

/* Ends a link; the peer's answer frees its slot. The reader is gone already. */
void wr_parley_leave(struct wr_steward *s, struct wr_link *link);

/*
 * The peer is no more: its rows go, our links to it drain and end, its place is free.
 * How it went (WEIR_EV_NODE_LEFT or _DIED) is told.
 */
void wr_parley_gone(struct wr_steward *s, struct wr_peer *peer, enum weir_event_kind how);

/* It hung up and may live on: nobody waits for its cursors, its pins stand. */
void wr_parley_lost(struct wr_steward *s, struct wr_peer *peer);

/* True if something of ours is with the peer, or of it with us: then it is remembered. */
bool wr_parley_bound(struct wr_steward *s, const struct wr_peer *peer);

/* True if the peer owes us something that a call would wait for. */
bool wr_parley_busy(const struct wr_peer *peer);

/* Adds a descriptor to an epoll set, edge-triggered. 0 or -1. */
int wr_parley_watch_bell(int epoll_fd, int bell_fd);

#endif
