/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The gate of a stream: who reads it, and who is waited for. Private to the publishing
 * process; everything here is done under the writer's lock.
 *
 * Flow control and memory safety are two things. A gating cursor says "please wait for
 * me": a policy, and the publisher may stop counting it at any time. An announced segment
 * or a hold says "I am reading this": it is respected, gating or not, while its owner
 * lives, and therefore bounded by what the row was granted.
 */
#ifndef WR_BUS_GATE_H
#define WR_BUS_GATE_H

#include "bus/layout.h"
#include "bus/os/sched.h"
#include "bus/stall.h"

struct wr_bell;
struct wr_link;

/* One reader of the stream. */
struct wr_row {
	uint64_t node;
	uint64_t sub;
	const struct wr_slot *slot; /* its words, in its node's region */
	uint32_t slot_index;        /* the place of the slot there */
	uint32_t seat; /* its place among what readers are told, in the stream's region */
	struct wr_bell *bell;  /* of its node */
	struct wr_link *local; /* its reader, where that is in this process */
	uint64_t from;         /* gates here until it has set its cursor */
	uint64_t seen;         /* its cursor when last read: it runs forward only */
	uint64_t progress; /* what it had passed when last asked, while somebody waits */
	uint32_t holds;    /* distinct ordinals it may hold */
	uint32_t quota;  /* segments that it may lag before it is waited for; 0: all */
	uint32_t policy; /* enum weir_policy: what becomes of it past its budget */
	bool gate;       /* it is waited for */
	bool blocks;   /* it gates, and the next segment cannot be had because of it */
	bool gone;     /* it was told that its stream has ended for it */
	bool mapped;   /* it has said that it has the region */
	uint64_t told; /* first ordinal of the newest region that its node was told of */
	bool evicted; /* it broke the protocol: no service, and its pins count no more */
	enum wr_blame blame; /* by the last look while waiting: it is to be detached */
	struct wr_account account;
	struct wr_sched_probe probe; /* of its thread, */
	uint64_t asked_ns;           /* when that was asked last, 0: never, */
	uint64_t said_ns; /* and how long others kept it, by its loop, as far as it counted */
	uint32_t pid;
	uint32_t uid;
	char name[WR_NAME_BYTES];
};

struct wr_gate {
	struct wr_row *rows;
	uint32_t count;
	uint32_t capacity;
	uint32_t detached;      /* rows that are not waited for */
	uint32_t blockers;      /* rows that blocked when the cursors were last read */
	uint64_t blocked_up_to; /* the newest ordinal in which one of them stood */
	uint64_t pins;          /* segments that all rows together may hold back */
	uint64_t evicted;
	uint64_t left; /* bumped when a row goes: a waiting publisher looks again */
	uint64_t seats[WEIR_SUBSCRIBERS_MAX / 64]; /* that are taken, a bit each */
};

/* Adds a row or finds the one that stands: keyed by node and sub. A new one is given a seat,
 * which it keeps. AGAIN_QUOTA beyond WEIR_SUBSCRIBERS_MAX, ENV_MEMORY. Returns 1 if it is
 * new, 0 if it stood. */
int wr_gate_add(struct wr_gate *gate, const struct wr_row *row);

/* Removes one row; true if it stood. */
bool wr_gate_remove(struct wr_gate *gate, uint64_t node, uint64_t sub);
struct wr_row *wr_gate_find(struct wr_gate *gate, uint64_t node, uint64_t sub);

/* Stops waiting for a row, or waits for it again. Again is possible only while the row's
 * cursor names a live segment, oldest..head; false if not. */
void wr_gate_detach(struct wr_gate *gate, struct wr_row *row);
bool wr_gate_attach(
	struct wr_gate *gate, struct wr_row *row, uint64_t oldest, uint64_t head);

/*
 * Reads every cursor once, checks it against the books, puts out who lies, and returns
 * the smallest ordinal that a gating row still needs (head if none). Says which rows
 * block: with one segment more, they would be more than their quota behind, `window`
 * segments where they have none of their own.
 */
uint64_t wr_gate_read(struct wr_gate *gate, uint64_t head, uint32_t window);

/* Reads how far the rows have come within their segments: for who waits for them. */
void wr_gate_read_progress(struct wr_gate *gate);

/* A retired ordinal, and whether somebody still reads in it. */
struct wr_pin {
	uint64_t ord;
	bool pinned;
};

/*
 * Sets pinned where any row announces or holds the ordinal. Each row's words are loaded
 * once, announcement first, however many ordinals are asked about: they are the cache
 * lines of other cores. Puts out who holds more than granted.
 */
void wr_gate_mark(struct wr_gate *gate, struct wr_pin *pins, uint32_t count);
/* The same for one ordinal. */
bool wr_gate_pins(struct wr_gate *gate, uint64_t ord);

void wr_gate_fini(struct wr_gate *gate);

#endif
