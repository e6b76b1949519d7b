/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Waiting for room: what a publisher does when some reader lags by its whole quota.
 *
 * It spins a moment, then parks, and is rung by readers that move on. Meanwhile it decides
 * who pays for the waiting (bus/stall.h) and detaches who has paid all it could. At each
 * rollover it looks whether one of those can be waited for again.
 *
 * The lock is not held while it sleeps. The publisher's thread.
 */
#ifndef WR_BUS_ROOM_H
#define WR_BUS_ROOM_H

#include "bus/os/poller.h"
#include "bus/stall.h"

struct wr_row;
struct wr_writer;
struct weir_error;

struct wr_room {
	struct wr_poller poller; /* not open until the first wait */
	uint64_t epoch;          /* odd: parked, and readers are to ring */
	uint64_t waits, wait_ns;
	uint64_t last_ns;  /* of the last look at who pays, 0 = not waiting */
	uint64_t asked_ns; /* the most that was to pass until the next one */
	struct wr_stall stall;
	uint64_t detaches, returns;
};

void wr_room_init(struct wr_room *room, uint64_t cap_ns);
void wr_room_fini(struct wr_writer *w);

/*
 * Waits until a claim of the size that failed may succeed, or until deadline_ns (0 = do
 * not wait). 0 = try again; AGAIN_FULL = the deadline passed, err (may be NULL) names who
 * blocks.
 */
int wr_room_wait(struct wr_writer *w, uint64_t deadline_ns, struct weir_error *err);

/* A claim has succeeded: nobody is waited for. */
void wr_room_over(struct wr_writer *w);

/* Reads the cursors, and who blocks. Returns the smallest ordinal that is needed. With the
 * lock. */
uint64_t wr_room_read(struct wr_writer *w);

/*
 * At a rollover, with the lock, when the cursors have been read: readers that may be waited
 * for again are, and those for which nobody ever waits are not. Returns the smallest
 * ordinal that is needed now, `needed` without them.
 */
uint64_t wr_room_admit(struct wr_writer *w, uint64_t needed);

/* Says in every region that its reader may stand in what a row was charged, as far as its
 * loop is to be told (account.told_ns), and whether it is left behind for it; of all rows.
 * With the lock. */
void wr_room_say_charge(struct wr_writer *w, const struct wr_row *row);
void wr_room_say_charges(struct wr_writer *w);

/* True if a row lags by no more than a quarter of what it may: it has caught up. With the
 * lock. */
bool wr_room_is_near(const struct wr_writer *w, const struct wr_row *row);

/* True if it is one of our own open claims that keeps everybody: no reader can pass it.
 * With the lock, when the cursors have been read. */
bool wr_room_kept_by_claim(const struct wr_writer *w);

#endif
