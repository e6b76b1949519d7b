/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A fifo is one stream of a queue: items of one size, from one producer to one consumer, or
 * to several of whom each is given every item. Within one process; no locks.
 *
 * Positions count items and never wrap. The producer says up to where items are there (the
 * head), each consumer up to where it has passed (its cursor), and each keeps a copy of what
 * the other said and looks again only when that is used up: so a message costs the line that
 * it lies in and little else (Lamport 1977; Giacomoni et al. 2008; Torquati 2010). With
 * several consumers the slowest gates; the producer's copy is then the least cursor.
 *
 * Items lie in segments that a table finds by position. A bounded fifo has one segment, which
 * is always there. A growable one begins segments as it comes to them: the last one that all
 * consumers have left, or a new one; an item is never moved. The table needs no atomics of its
 * own: an entry is written before the head that leads to it, and is written again only when
 * the cursors say that nobody is there.
 */
#ifndef WR_SCHEDULER_FIFO_H
#define WR_SCHEDULER_FIFO_H

#include <stddef.h>
#include <weir/error.h>

#include "bus/atomic.h"
#include "bus/layout.h"

/* Two lines: processors fetch them in pairs. */
enum { WR_APART = 2 * WR_LINE };

/* Where a consumer stands. */
struct wr_cursor {
	_Alignas(WR_APART) wr_a64 pos;    /* items passed; writer: the consumer */
	_Alignas(WR_APART) uint64_t head; /* the consumer's own: the head, when last asked;
					     of a lossy stream: lost, and not told yet */
};

struct wr_fifo {
	/* Fixed once it is made. */
	size_t stride;
	uint64_t capacity;
	uint64_t table_mask;
	uint64_t item_mask; /* of a place within its segment */
	uint32_t segment_bits;
	uint32_t consumers; /* cursors: that many */
	bool fenced;        /* nobody runs a heavy fence for us */
	void **table;
	struct wr_cursor *cursors;
	const wr_a64 *members; /* whose cursors count, a bit each; NULL: the first's does */

	/* The producer's own, and what it says. */
	_Alignas(WR_APART) wr_a64 head;
	uint64_t gate;   /* what counts of the cursors, when last asked */
	uint64_t begun;  /* segments; UINT64_MAX: the only one is always there */
	uint64_t oldest; /* segment that somebody may be in */
	void **spare;    /* segments that nobody is in */
	uint32_t spares;
	wr_a64 segments; /* that there are; writer: the producer */
};

_Static_assert(offsetof(struct wr_fifo, head) % WR_APART == 0, "the producer's own line");
_Static_assert(offsetof(struct wr_cursor, head) == WR_APART, "a consumer's own line");
_Static_assert(sizeof(struct wr_cursor) == 2 * WR_APART, "no two cursors share one");

/* What a fifo is to be. */
struct wr_fifo_shape {
	uint32_t item;     /* bytes */
	uint64_t capacity; /* items */
	bool growable;
	uint32_t consumers; /* at most 64 */
	const wr_a64 *members;
	bool fenced;
};

/* Bytes from one item to the next: a multiple of 8, of 16 for what is that large. */
size_t wr_fifo_stride(uint32_t item);

/* cursors are the caller's, one for each consumer, and are set to 0. ENV_MEMORY. */
int wr_fifo_init(struct wr_fifo *f, const struct wr_fifo_shape *shape,
	struct wr_cursor *cursors);
/* Also of one that is all zero, or that could not be made. */
void wr_fifo_fini(struct wr_fifo *f);

/* Bytes that its items have now. Any thread. */
uint64_t wr_fifo_bytes(const struct wr_fifo *f);

/* Items that this cursor has not passed. Any thread; a moment's truth. */
uint64_t wr_fifo_waiting(const struct wr_fifo *f, const struct wr_cursor *c);

/* ---- the producer ---------------------------------------------------------------------------- */

/* Asks where the cursors are. True if there is room. */
bool wr_fifo_look(struct wr_fifo *f);
/* Begins the segment that position `at` is the first of. 0, ENV_MEMORY. */
int wr_fifo_begin(struct wr_fifo *f, uint64_t at);

static inline void *
wr_fifo_at(const struct wr_fifo *f, uint64_t pos)
{
	char *segment = f->table[pos >> f->segment_bits & f->table_mask];

	return segment + (pos & f->item_mask) * f->stride;
}

/* Room for the next item; the same one until it is put. 0, AGAIN_FULL, ENV_MEMORY. */
static inline int
wr_fifo_claim(struct wr_fifo *f, void **item)
{
	uint64_t at = wr_stat_get(&f->head);
	int rc;

	if (__builtin_expect(at - f->gate >= f->capacity, 0) && !wr_fifo_look(f))
		return -WEIR_E_AGAIN_FULL;
	if (__builtin_expect(at >> f->segment_bits == f->begun, 0)) {
		rc = wr_fifo_begin(f, at);
		if (rc < 0)
			return rc;
	}
	*item = wr_fifo_at(f, at);
	return 0;
}

/* Puts what was claimed. */
static inline void
wr_fifo_put(struct wr_fifo *f)
{
	wr_store_release(fifo_head, &f->head, wr_stat_get(&f->head) + 1);
}

/* ---- a consumer --------------------------------------------------------------------------------- */

/* It begins with what is put from now on. Its cursor counts from the moment that its bit is
 * set, which is between `at` and `from`. */
void wr_fifo_join_at(struct wr_fifo *f, struct wr_cursor *c);
void wr_fifo_join_from(struct wr_fifo *f, struct wr_cursor *c);

/* The next item, NULL if there is none; the same one until it is passed. */
static inline const void *
wr_fifo_peek(const struct wr_fifo *f, struct wr_cursor *c)
{
	uint64_t pos = wr_stat_get(&c->pos);

	if (pos == c->head) {
		c->head = wr_load_acquire(fifo_look, &f->head);
		if (pos == c->head)
			return NULL;
	}
	return wr_fifo_at(f, pos);
}

/* Passes it. */
static inline void
wr_fifo_pass(struct wr_cursor *c)
{
	wr_store_release(fifo_pass, &c->pos, wr_stat_get(&c->pos) + 1);
}

#endif
