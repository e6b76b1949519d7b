/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The publishing end of a stream: the only writer of its memory.
 *
 * The data path is claim, write in place, commit. It looks at no reader; it looks at the
 * sleep flags of the nodes that read the stream, and once per segment it rolls over:
 * reads the gating cursors, retires what everybody has passed, and takes a segment that
 * nobody reads in. Rows, cursors and segments are books in private memory (bus/gate.h,
 * bus/pool.h), guarded by one lock that the steward shares and that the data path takes
 * only at rollover and never holds while it waits for room.
 *
 * Unless it says otherwise a call belongs to the publisher's thread.
 */
#ifndef WR_BUS_WRITER_H
#define WR_BUS_WRITER_H

#include <pthread.h>

#include "bus/bell.h"
#include "bus/gate.h"
#include "bus/os/clock.h"
#include "bus/pool.h"
#include "bus/room.h"
#include "bus/store.h"

struct wr_writer;

enum { WR_WAKES_MAX = WEIR_PROCESSES_MAX + 1 };

/* What the writer asks of whoever runs it. NULL members are allowed. */
struct wr_writer_ops {
	/* The stream is to go on in this fresh region: hands its descriptor to the readers of
	 * other processes. AGAIN_FULL: one that is waited for could not take it yet; the
	 * stream stays where it is, and asks again, for those that were not told. Else 0.
	 * Called with the lock held. */
	int (*moving)(void *ctx, struct wr_writer *w, const struct wr_store *store);
	/* More than one node sleeps: ring the others from another thread. */
	void (*relay)(void *ctx);
	/* The poller hears the descriptors that ring this node, from here on. Without
	 * the lock, as are the rest. */
	int (*watch)(void *ctx, struct wr_poller *poller);
	void (*unwatch)(void *ctx, struct wr_poller *poller);
	/* A row was detached, or is waited for again (row->gate says which): tells both
	 * sides. With the lock held, from the publisher's thread. */
	void (*verdict)(void *ctx, struct wr_writer *w, struct wr_row *row);
	/* Called now and then while the publisher waits for room: the steward's work, where
	 * no thread does it. */
	void (*meanwhile)(void *ctx);
	void *ctx;
};

/* A claim that is open. */
struct wr_open {
	struct wr_seg *seg;
	struct wr_frame *frame;
	uint32_t off;
	uint32_t extent;
	uint32_t len;
	uint32_t use; /* tells a claim from the next one in the same place */
	uint64_t seq;
};

struct wr_writer {
	/* ---- the data path ---- */
	uint8_t *seg_mem; /* the head segment */
	uint32_t off;     /* its frontier: where the next frame goes */
	uint32_t end;     /* the roll frame must still fit behind this */
	uint32_t align;
	uint32_t max_message;
	uint64_t seq;       /* of the next claim */
	uint64_t open_free; /* bit i: open[i] is free */
	struct wr_open open[WEIR_CLAIMS_MAX];
	uint32_t stamp;   /* enum weir_stamp */
	bool fences;      /* our own fence after commit, or the sleeper's */
	bool heavy_ready; /* leaving it to the sleeper is possible */
	uint32_t pace_count;
	uint64_t pace_ns;
	struct wr_clock clock;
	uint64_t published, bytes, aborted, rings;

	/* sleep flags to look at; entries come and go under the lock, a place never moves */
	_Alignas(WR_LINE) wr_a64 wake_count;
	_Atomic(const wr_a64 *) wake_flag[WR_WAKES_MAX];
	_Atomic(struct wr_bell *) wake_bell[WR_WAKES_MAX];

	/* ---- the books ---- */
	_Alignas(WR_LINE) pthread_mutex_t lock;
	struct wr_gate gate; /* under lock */
	struct wr_pool pool; /* under lock, but for the publisher's own reads */
	struct wr_store_plan plan;
	struct wr_store *next; /* where the stream will go on, once who must know does */
	bool untold;           /* somebody does not yet */
	char topic[WR_NAME_BYTES];
	char type[WR_NAME_BYTES];
	bool closed;

	struct wr_room room; /* waiting for it, and who pays */

	struct wr_writer_ops ops;
};

struct wr_writer_opts {
	struct wr_store_plan plan; /* topic and type are copied */
	uint32_t stamp;
	uint64_t cap_ns; /* of all stalls in any 100 ms; 0: WR_STALL_CAP_NS */
	struct wr_writer_ops ops;
};

/* Opens the stream with its first segment live. ENV_*. */
int wr_writer_init(
	struct wr_writer *w, const struct wr_writer_opts *opts, struct weir_error *err);

/* Ends the stream: aborts open claims, says so to readers, wakes them. Idempotent. */
void wr_writer_end(struct wr_writer *w);

/* Gives up the memory. No row may stand that could still be asked for. */
void wr_writer_fini(struct wr_writer *w);

/*
 * Room for len bytes. USAGE_TOOBIG, AGAIN_CLAIMS, AGAIN_FULL (never waits), ENV_*; err is
 * filled for ENV_* only and may be NULL.
 */
int wr_writer_claim(
	struct wr_writer *w, size_t len, weir_claim_t *claim, struct weir_error *err);
int wr_writer_claim_n(struct wr_writer *w, size_t len, weir_claim_t *claims,
	size_t count, struct weir_error *err);

/* USAGE_CLAIM unless the claim is open and claim->len has not grown. */
int wr_writer_commit(struct wr_writer *w, weir_claim_t *claim);
int wr_writer_commit_n(struct wr_writer *w, weir_claim_t *claims, size_t count);
int wr_writer_abort(struct wr_writer *w, weir_claim_t *claim);

/* While waiting for room: a stream that could not move yet asks again. */
void wr_writer_tell_again(struct wr_writer *w);

/* Rings the sleepers that have not been rung for their present sleep. The steward, when
 * the publisher asked it to (ops.relay). Any thread. Returns how many. */
unsigned wr_writer_relay(struct wr_writer *w);

/* Puts a node's sleep flag on the list, or takes it off. Under the lock; any thread.
 * 0, or AGAIN_QUOTA. */
int wr_writer_wake_add(struct wr_writer *w, const wr_a64 *flag, struct wr_bell *bell);
void wr_writer_wake_remove(struct wr_writer *w, struct wr_bell *bell);

/*
 * Asks for a window of at least so many bytes; the stream moves to a fresh region at its
 * next rollover. 0 or USAGE_INVAL.
 */
int wr_writer_grow(struct wr_writer *w, uint64_t window_bytes);

#endif
