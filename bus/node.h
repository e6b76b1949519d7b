/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A node is this process's attachment to one bus: its words (sleep flag and slots, in one
 * region that others read), its streams, its subscriptions, and what happened to it.
 *
 * The tables are guarded by one lock, which the data path never takes: in one process all
 * nodes of a bus share it (bus/hub.h); across processes it is the node's own and its
 * steward takes it too (bus/meeting.h). Both kinds of meeting use the tables here and
 * differ in how they reach the nodes of others.
 */
#ifndef WR_BUS_NODE_H
#define WR_BUS_NODE_H

#include "bus/access.h"
#include "bus/reader.h"
#include "bus/terms.h"
#include "bus/writer.h"

struct wr_node;
struct wr_stream;
struct wr_subscription;
struct wr_link;
struct wr_legacy;
struct wr_peer;
struct wr_errand;
struct wr_command;

/* How a node meets the others. Every call but turn waits at most until deadline_ns, is
 * made without the lock, and returns 0 or < 0 with err filled. */
struct wr_meeting_ops {
	/* Every subscription that exists is admitted when this returns. */
	int (*advertise)(struct wr_node *node, struct wr_stream *stream,
		uint64_t deadline_ns, struct weir_error *err);
	/* The stream has ended: waits until admitted readers have what they need. */
	void (*unadvertise)(
		struct wr_node *node, struct wr_stream *stream, uint64_t deadline_ns);
	/* Every stream that exists and matches is attached when this returns. */
	int (*subscribe)(struct wr_node *node, struct wr_subscription *sub,
		uint64_t deadline_ns, struct weir_error *err);
	/* A link to another process ends: with the lock held. Its slot is free for others
	 * when the publisher has acknowledged; the link is the meeting's from here on. */
	void (*leave)(struct wr_node *node, struct wr_link *link);
	/* One of our streams is to go on in a fresh region: as in struct wr_writer_ops. With
	 * the writer's lock held, from the publisher's thread. NULL: everybody has it. */
	int (*moving)(struct wr_node *node, struct wr_writer *w,
		const struct wr_store *store);
	/* A reader of another process is not waited for any more, or is again: tells it.
	 * With the writer's lock held, from the publisher's thread. NULL: there is none. */
	void (*verdict)(struct wr_node *node, uint64_t stream, const struct wr_row *row,
		int code);
	/* The subscription goes: what is still being attached for it is given up. With the
	 * lock held. NULL: nothing ever is. */
	void (*withdraw)(struct wr_node *node, struct wr_subscription *sub);
	/* Some sleepers are still to be rung. Any thread, without the lock. NULL: the
	 * publisher rings them all itself. */
	void (*relay)(struct wr_node *node);
	/* The steward's work, where there is no thread for it. Returns what it did. */
	int (*turn)(struct wr_node *node, int timeout_ms);
	/* Leaves the bus; the streams and subscriptions are gone already. */
	void (*close)(struct wr_node *node, uint64_t deadline_ns);
	/* Names of the peers that have not answered; returns how many. */
	int (*pending)(struct wr_node *node, char *names, size_t size);
	/* The poller hears whatever rings this node, from here on. 0 or -1. */
	int (*watch)(struct wr_node *node, struct wr_poller *poller);
	/* Before that poller ends. NULL: nothing to forget. */
	void (*unwatch)(struct wr_node *node, struct wr_poller *poller);
};

/* One of our publishers: a stream and who may read it. */
struct wr_stream {
	struct wr_node *node;
	uint64_t id;
	uint64_t denied;
	struct wr_writer writer;
	pthread_cond_t joined; /* with the writer's lock: a row's reader stands */
	struct wr_access readers;
	bool open_to_all; /* no list was given */
	struct wr_stream *next;
};

static inline struct wr_stream *
wr_stream_of(struct wr_writer *w)
{
	return (struct wr_stream *)(void *)((uint8_t *)w -
		offsetof(struct wr_stream, writer));
}

enum wr_link_state {
	WR_LINK_ATTACHED = 0,
	WR_LINK_ATTACHING, /* the publisher was asked; sub is NULL if nobody wants it now */
	WR_LINK_LEAVING /* the publisher was told; its answer frees the slot */
};

/* One stream as one subscription reads it. */
struct wr_link {
	struct wr_reader reader; /* the subscription's thread, once it is out of the inbox */
	struct wr_subscription *sub;
	struct wr_stream *local; /* in this process and not yet ended; under the lock */
	struct wr_peer *peer;    /* in another one; under the lock */
	uint64_t stream;
	uint64_t sub_id;
	uint64_t node;
	uint32_t pid;
	uint32_t slot;
	enum wr_link_state state;
	struct wr_store *newest; /* the last region known here; the reader's chain keeps it */
	struct wr_store *ahead; /* known before the one it begins in: holds a reference */
	char name[WR_NAME_BYTES]; /* of the publishing node */
	char topic[WR_NAME_BYTES];
	const char *said;     /* the topic, as the subscription's thread hands it out */
	struct wr_link *next; /* of the subscription, under the lock */
	struct wr_link *inbox;     /* on its way to the subscription's thread */
	struct wr_link *peer_next; /* of the peer, under the lock */
};

struct wr_subscription {
	struct wr_node *node;
	uint64_t id;
	uint64_t type_hash;
	struct wr_terms terms;         /* that it asks of each stream */
	uint64_t ttl_ns;               /* messages older than that are passed over */
	uint32_t key_offset, key_size; /* of WEIR_LATEST */
	struct wr_access writers;
	bool open_to_all;
	bool pulled; /* its owner reads it; no loop does */
	char pattern[WR_NAME_BYTES];
	char type[WR_NAME_BYTES];
	uint64_t refused;  /* under the lock, as are the next three */
	bool type_refused; /* the last one for its type: */
	uint64_t refused_hash;
	char refused_type[WR_NAME_BYTES];
	struct wr_link *links; /* under the lock */
	uint64_t *had;         /* streams with a history that it was attached to */
	uint32_t had_count, had_size;
	struct wr_subscription *next;

	pthread_mutex_t inbox_lock;
	struct wr_link *inbox; /* attached, not yet seen by the subscription's thread */
	struct wr_errand *box; /* asked of it, and not yet seen either; see bus/errand.h */
	wr_a64 inbox_count;    /* 1: something is in one of them */
};

enum { WR_EVENTS = 1024 };

struct wr_node {
	uint64_t id;
	char bus[WR_NAME_BYTES];
	char name[WR_NAME_BYTES];
	uint32_t pid;
	uint32_t uid;
	bool in_process; /* the bus lives in this process alone */

	/* our words */
	uint8_t *words;
	struct wr_region region;        /* behind the words, where others map them */
	wr_a64 *flag;                   /* writer: the reactor's thread */
	bool sleeps;                    /* false: it never raises the flag */
	const struct wr_region *roster; /* of its loop, for lookers; NULL: none is shown */
	struct wr_slot *slots;
	uint32_t *slot_free; /* a stack, under the lock */
	uint32_t slot_free_count;
	uint32_t slot_next; /* slots from here on were never used */

	struct wr_bell *bell; /* rings this node from within the process */
	int bell_fd;
	uint64_t large; /* bytes of the pages that its streams ask for; 0: any */
	enum wr_io io; /* by which it hears; WR_IO_AUTO unless somebody says otherwise */

	pthread_mutex_t *lock;
	pthread_mutex_t own_lock;
	struct wr_stream *streams;
	struct wr_subscription *subs;
	struct wr_legacy *legacies; /* streams that are over, for who comes late */
	uint32_t stream_count;
	uint64_t next_id;
	uint64_t denied;
	struct wr_errand *errands; /* that are not answered */
	uint32_t errand_count;
	struct wr_command *commands; /* that others may give to the program */

	pthread_mutex_t event_lock;
	weir_event *events;
	uint32_t event_first, event_count;
	uint64_t event_dropped;
	wr_a64 event_pending;

	const struct wr_meeting_ops *ops;
	void *meeting;
	struct wr_node *next; /* of a bus within the process */
};

/* Makes the node and its words; ops and meeting come from whoever opens the bus. A node
 * that never sleeps costs publishers no look at its flag. ENV_*. */
int wr_node_init(struct wr_node *node, const char *bus, const char *name,
	bool in_process, bool sleeps, struct weir_error *err);
void wr_node_fini(struct wr_node *node);

/* In a forked child: what nodes of the parent left for others to use is not ours. */
void wr_node_forget(void);

/* A random 64-bit number that is not 0. */
uint64_t wr_node_random(void);

/* Wakes the node's reactor if it sleeps. Any thread. */
void wr_node_nudge(struct wr_node *node);

/* ---- events ---------------------------------------------------------------------------- */

/* Queues an event; the strings may be NULL. Any thread. */
void wr_node_event(struct wr_node *node, enum weir_event_kind kind, int code,
	const char *peer, uint32_t pid, uint32_t uid, const char *topic,
	uint64_t publisher);
/* The same, as it is. */
void wr_node_tell(struct wr_node *node, const weir_event *event);
bool wr_node_event_take(struct wr_node *node, weir_event *event);

/* ---- tables: all with the lock held ------------------------------------------------------ */

/* A slot of our own, with memory behind it. 0.. or < 0: AGAIN_QUOTA, ENV_MEMORY. */
int wr_node_slot_take(struct wr_node *node, struct weir_error *err);
void wr_node_slot_give(struct wr_node *node, uint32_t slot);

void wr_node_add_stream(struct wr_node *node, struct wr_stream *stream);
void wr_node_remove_stream(struct wr_node *node, struct wr_stream *stream);
struct wr_stream *wr_node_find_stream(struct wr_node *node, uint64_t id);
void wr_node_add_sub(struct wr_node *node, struct wr_subscription *sub);
void wr_node_remove_sub(struct wr_node *node, struct wr_subscription *sub);
struct wr_subscription *wr_node_find_sub(struct wr_node *node, uint64_t id);

/* True if the subscription wants a topic of that type from a writer with these
 * credentials (NULL = ourselves); counts and reports a refusal. */
bool wr_sub_wants(struct wr_subscription *sub, const char *topic, const char *type,
	uint64_t type_hash, const struct wr_creds *creds, const char *peer);

/* A link that is not yet anywhere, with a slot that names the stream. */
struct wr_link *wr_link_new(struct wr_subscription *sub, uint64_t stream,
	const char *topic, struct weir_error *err);
/* Puts an attached link into the subscription's list and inbox, and wakes its reactor. */
void wr_link_attach(struct wr_link *link);
/* True if the subscription was attached to a stream with a history before. */
bool wr_sub_had(const struct wr_subscription *sub, uint64_t stream);
/* Takes it from the list. Its memory and slot stay. */
void wr_link_unlist(struct wr_link *link);
struct wr_link *wr_sub_find_link(struct wr_subscription *sub, uint64_t stream);

/*
 * Admits a reader to one of our streams (flag NULL: it never sleeps), on terms that it
 * asks for: the row stands, and gates unless it asked for a history that is far behind,
 * when `admitted` is called, still under the writer's lock, with where the reader begins,
 * the store that this place is in (no reference), and the seat of the row. Idempotent by node and sub.
 * AGAIN_QUOTA, ENV_MEMORY, or what `admitted` returned: then there is no row.
 */
typedef int (*wr_admitted_fn)(
	void *ctx, const struct wr_begin *begin, struct wr_store *store, uint32_t seat);
int wr_stream_admit(struct wr_stream *stream, const struct wr_row *row,
	const struct wr_terms *terms, const wr_a64 *flag, wr_admitted_fn admitted,
	void *ctx);

/* How a subscription reads a stream that it was admitted to, in this seat; bell rings the
 * publisher. */
struct wr_reader_opts wr_sub_reader_opts(const struct wr_subscription *sub,
	const struct wr_begin *begin, uint32_t seat, struct wr_bell *bell);
/* The reader of a row has found where it begins: it misses nothing from here on. True if
 * that is new. */
bool wr_stream_mapped(struct wr_stream *stream, uint64_t node, uint64_t sub);
/* Waits until count readers are so far, at most until deadline_ns; returns how many are. */
int wr_stream_await_rows(struct wr_stream *stream, int count, uint64_t deadline_ns);
/*
 * A row was detached, or is waited for again (row->gate): tells both sides, and whose
 * policy it is that its stream is over. With the writer's lock held, from the publisher's
 * thread.
 */
void wr_stream_verdict(struct wr_stream *stream, struct wr_row *row);
/* Why a row is not waited for: WEIR_E_PEER_..., or 0. */
int wr_row_code(const struct wr_row *row);
/* The reader's side of it. Any thread. */
void wr_link_verdict(struct wr_link *link, struct wr_node *node, bool gates, bool over,
	int code, uint64_t stalled_ns);
/* Removes a row; true if it stood. A publisher that waits for room goes on. */
bool wr_stream_dismiss(struct wr_stream *stream, uint64_t node, uint64_t sub);

/* Joins a subscription and a stream of this process. 0, or < 0 with err. */
int wr_join_local(
	struct wr_subscription *sub, struct wr_stream *stream, struct weir_error *err);

/* ---- the subscription's thread, without the lock ------------------------------------------ */

/* Takes what was attached since the last call: a list through ->inbox; and appends what was
 * asked to *errands. */
struct wr_link *wr_sub_take_inbox(struct wr_subscription *sub, struct wr_errand **errands);
/* Ends a link and frees it, whoever publishes it. */
void wr_link_leave(struct wr_link *link);

#endif
