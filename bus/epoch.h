/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * When may memory be freed that other threads may still be reading? When each of them has
 * left the section in which it could have found it. Epochs after Fraser ("Practical
 * lock-freedom", 2004), by Concurrency Kit, which this file and its other half hide: it is
 * the only place that knows the library.
 *
 * A reader enters, follows what it finds, and leaves; that is a few nanoseconds, once for a
 * reactor's turn. Whoever takes something out of reach defers what is to be done with it.
 * Nobody waits for anybody: what cannot be done yet is tried again by the next that defers
 * or asks.
 *
 * A build without the library keeps what is deferred until the end. That is as safe, and
 * costs the memory.
 */
#ifndef WR_BUS_EPOCH_H
#define WR_BUS_EPOCH_H

#include <stdbool.h>
#include <stdint.h>

struct wr_epoch;
struct wr_epoch_reader;

/* Embedded in what is deferred; ours until its function runs. */
struct wr_epoch_deferred {
	struct wr_epoch_deferred *next;
	void (*run)(struct wr_epoch_deferred *deferred);
	uintptr_t room[2];
};

/* NULL: no memory. */
struct wr_epoch *wr_epoch_new(void);

/* Runs everything that is deferred still. Nobody is inside, or will be; readers are gone with
 * it. NULL is fine. */
void wr_epoch_free(struct wr_epoch *epoch);

/* A reader for one thread at a time; NULL: no memory. Parting makes it free for the next who
 * joins. Any thread; a lock. */
struct wr_epoch_reader *wr_epoch_join(struct wr_epoch *epoch);
void wr_epoch_part(struct wr_epoch_reader *reader);

/* What is in reach between these stays. They nest. The reader's thread. */
void wr_epoch_enter(struct wr_epoch_reader *reader);
void wr_epoch_leave(struct wr_epoch_reader *reader);

/* Runs `run` once everybody has left who was inside when this was called; it is out of reach
 * for others already. Any thread, inside or not; a lock, which is not held while something
 * runs. Returns how much waits by now. */
unsigned wr_epoch_defer(struct wr_epoch *epoch, struct wr_epoch_deferred *deferred,
	void (*run)(struct wr_epoch_deferred *deferred));

/* Runs what can be run by now, on this thread. Returns how much waits still. Any thread. */
unsigned wr_epoch_try(struct wr_epoch *epoch);

/* False in a build that keeps everything until the end. */
bool wr_epoch_can(void);

#endif
