/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The table of a node's peers: who is connected, and which pollers hear their bells.
 * With the node's lock held.
 */
#ifndef WR_BUS_PEERS_H
#define WR_BUS_PEERS_H

#include "bus/peer.h"

enum { WR_PEERS = WEIR_PROCESSES_MAX + 64 }; /* nodes, and guests and lookers */

struct wr_peers {
	struct wr_node *node; /* whose peers they are */
	/* Up to the first NULL. Made as needed, freed with the table: a bell may be rung at
	 * any time. */
	struct wr_peer *at[WR_PEERS + 1];
	struct wr_poller **pollers; /* that hear every peer's bell */
	int poller_count, poller_size;
};

void wr_peers_init(struct wr_peers *peers, struct wr_node *node);
void wr_peers_fini(struct wr_peers *peers);

struct wr_peer *wr_peers_find(struct wr_peers *peers, uint64_t node);

/* A place for one more, in state FREE; NULL: there is none. */
struct wr_peer *wr_peers_place(struct wr_peers *peers);

/* Makes the bell by which a peer rings us, unless it has one. 0, ENV_FILES. */
int wr_peers_bell(struct wr_peers *peers, struct wr_peer *peer);

/* The poller hears the bells of all peers, present and future, or no more from here on. 0 or
 * -1. */
int wr_peers_watch(struct wr_peers *peers, struct wr_poller *poller);
void wr_peers_unwatch(struct wr_peers *peers, struct wr_poller *poller);

/* Before a peer's bell is closed. */
void wr_peers_unhear(struct wr_peers *peers, int bell_fd);

#endif
