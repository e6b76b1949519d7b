/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The other ends of a steward's connections: nodes of the same bus, and lookers.
 */
#ifndef WR_BUS_PEER_H
#define WR_BUS_PEER_H

#include <pthread.h>

#include "bus/node.h"
#include "bus/wire.h"

/* Messages that wait for a peer to read. Nobody honest leaves so many unread. */
enum { WR_PEER_UNSENT_MAX = 3 * WR_NODE_SLOTS };

enum wr_peer_state {
	WR_PEER_FREE = 0,
	WR_PEER_GUEST,      /* connected to us and has not said who it is */
	WR_PEER_CONNECTING, /* a node that we know of and that has not answered */
	WR_PEER_UP,         /* a node; hello was exchanged */
	WR_PEER_LOST,       /* it hung up without bye; is it dead? */
	WR_PEER_LOOKER
};

/* A stream that a peer announced. */
struct wr_remote {
	uint64_t stream;
	uint64_t type_hash;
	bool left;       /* its publisher is gone: the peer keeps its history */
	bool unanswered; /* the announcement waits for our links to stand */
	uint32_t attaching;
	char topic[WR_NAME_BYTES];
	char type[WR_NAME_BYTES];
	struct wr_remote *next;
};

/* A message that the socket would not take. */
struct wr_unsent {
	struct wr_wire msg;
	int fd; /* ours, -1 = none */
	struct wr_unsent *next;
};

struct wr_peers;

struct wr_peer {
	enum wr_peer_state state;
	int index; /* in the table */
	struct wr_peers *table;
	uint64_t node;
	uint32_t pid, uid;
	char name[WR_NAME_BYTES];
	struct wr_creds creds;
	bool ours;   /* we connected */
	bool synced; /* it has told us all its streams */
	bool silent; /* it missed a deadline: nobody waits for it until it speaks */
	bool bye;
	uint64_t since_ns; /* of the present state */
	uint64_t retry_ns; /* when to connect again, 0 = not */
	uint32_t retry_ms; /* and how long after the last time */

	int pidfd;
	int bell_in;         /* by which it rings us */
	struct wr_bell bell; /* by which we ring it */
	uint8_t *window;     /* its words */
	const wr_a64 *flag;  /* NULL: it never sleeps */
	const struct wr_slot *slots;

	struct wr_remote *remotes;
	uint32_t remote_count;
	struct wr_link *links; /* ours on its streams, in every state, by peer_next */
	uint64_t *announced;   /* our announcements that it has not answered */
	uint32_t announced_count, announced_size;

	pthread_mutex_t send_lock; /* guards fd and the queue; taken last */
	int fd;
	struct wr_unsent *unsent, **unsent_end;
	uint32_t unsent_count;
	uint32_t watched; /* events that the steward waits for; 0: to be read */
};

void wr_peer_init(struct wr_peer *peer, int index, struct wr_peers *table);

/* Lets go of everything but the struct: rows and links must be gone. State FREE. */
void wr_peer_reset(struct wr_peer *peer);

/* Takes over a connected socket; the former one is closed. */
void wr_peer_take_socket(struct wr_peer *peer, int fd);

/*
 * Sends, or queues what the socket does not take now. The descriptors stay the caller's.
 * Any thread. 0, or -PEER_DIED.
 */
int wr_peer_send(struct wr_peer *peer, struct wr_wire *msg, const int *fds);

/* The same without the queue: -AGAIN_FULL if the kernel does not take it now, in its turn.
 * What it took outlives us. */
int wr_peer_send_now(struct wr_peer *peer, struct wr_wire *msg, const int *fds);

/* Sends what is queued. */
void wr_peer_flush(struct wr_peer *peer);

/* How many messages are queued. */
uint32_t wr_peer_unsent(struct wr_peer *peer);

/* Remembers that a stream was announced and is unanswered; forgets it; asks. */
int wr_peer_expect(struct wr_peer *peer, uint64_t stream);
bool wr_peer_answered(struct wr_peer *peer, uint64_t stream);
bool wr_peer_owes(const struct wr_peer *peer, uint64_t stream);

/* True if the peer owes us something that a call would wait for. */
bool wr_peer_busy(const struct wr_peer *peer);

/* Tells the node's application of something that this peer did, or that befell it. Any
 * thread. */
void wr_peer_event(struct wr_node *node, const struct wr_peer *peer,
	enum weir_event_kind kind, int code, const char *topic, uint64_t stream);

struct wr_remote *wr_peer_find_remote(struct wr_peer *peer, uint64_t stream);
void wr_peer_forget_remote(struct wr_peer *peer, uint64_t stream);
struct wr_link *wr_peer_find_link(struct wr_peer *peer, uint64_t stream, uint64_t sub);
void wr_peer_unlist_link(struct wr_peer *peer, struct wr_link *link);

#endif
