/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A lossy stream of a queue: one producer, who never waits and writes over the oldest item,
 * and any number of consumers, each of whom is told exactly how much it has missed. Within
 * one process; no locks.
 *
 * Each place has a number before its item: the position that is in it plus 1, or 0 while it
 * is being written. A reader copies the item and then looks at the number again (a sequence
 * lock, as in H.-J. Boehm, Can seqlocks get along with programming language memory models?,
 * 2012): if it is another one, the copy is thrown away. So items are copied in and out word
 * by word, and nobody keeps a place from being written.
 *
 * The newest `capacity` items are there, but for the oldest of them while the next one is
 * written over it: who comes for that one just then has missed it, and what comes after it may
 * go as soon. So it goes on a little further ahead, each time that it fails.
 */
#ifndef WR_SCHEDULER_LOSSY_H
#define WR_SCHEDULER_LOSSY_H

#include "scheduler/fifo.h"

struct wr_lossy {
	/* Fixed once it is made. */
	uint32_t words; /* of an item */
	uint64_t mask;
	wr_a64 *places; /* each a number and the words */

	_Alignas(WR_APART) wr_a64 head; /* writer: the producer */
};

_Static_assert(offsetof(struct wr_lossy, head) == WR_APART, "the producer's own line");

/* Items of so many bytes, rounded up as wr_fifo_stride does; capacity is a power of two.
 * ENV_MEMORY. */
int wr_lossy_init(struct wr_lossy *l, uint32_t item, uint64_t capacity);
/* Also of one that is all zero. */
void wr_lossy_fini(struct wr_lossy *l);

uint64_t wr_lossy_bytes(const struct wr_lossy *l);

/* Items that this cursor has not passed and that can be read; *lost: that cannot any more.
 * Any thread; a moment's truth. */
uint64_t wr_lossy_waiting(
	const struct wr_lossy *l, const struct wr_cursor *c, uint64_t *lost);

/* The producer: puts a copy of the item, which is aligned to 8 and whole words long. */
void wr_lossy_put(struct wr_lossy *l, const void *item);

/* A consumer begins with what is put from now on. */
void wr_lossy_join(struct wr_lossy *l, struct wr_cursor *c);

/* A consumer: copies its next item, without passing it; what was written over before is passed
 * and added to *lost. False: there is none, or none that stays for as long as the copy takes.
 * Whoever has read may pass it at any time (wr_fifo_pass). */
bool wr_lossy_read(
	const struct wr_lossy *l, struct wr_cursor *c, void *item, uint64_t *lost);

#endif
