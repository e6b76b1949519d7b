/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Which one-shot timers are due? A hierarchical wheel (Varghese and Lauck, scheme 7): ticks
 * of 2^16 ns, eight levels of 64 slots, which together are all 64 bits of time, so nothing
 * is too far away for it. A timer lies at the level of the highest digit in which its tick
 * differs from the present one, and moves down when the present reaches that slot.
 *
 * What makes it fast at a million timers is that slots do not hold timers but entries, in
 * chunks that are read from one end to the other; moving down reads entries only. The timer
 * itself is looked at when it is due. So
 *
 *   cancel     makes the entry stale and leaves it where it is;
 *   re-arm     to a later time writes that time down, and the entry is put there when it
 *              comes up; to an earlier one it makes a new entry and the old one stale.
 *
 * There are at most twice as many entries as there are timers, and a little: from there on
 * each call that makes an entry sorts one chunk of them out.
 *
 * Entries of the present tick lie in a heap by their exact time, so timers come out ordered
 * by deadline to the nanosecond, equal ones in the order in which they were armed, and none
 * before its time. The ticks are only how they are found.
 *
 * Pure: the time comes in, the memory is the caller's. One thread, no allocation, no
 * division, nothing that grows with the number of timers but moving down, and that is
 * bounded for each call.
 */
#ifndef WR_SCHEDULER_TIMERS_H
#define WR_SCHEDULER_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	WR_TIMER_TICK_BITS = 16,
	WR_TIMER_LEVELS = 8,
	WR_TIMER_SLOTS = 64,
	WR_TIMER_CHUNK = 15, /* entries, and a head, in four cache lines */
	WR_TIMERS_MOST = 1 << 24,
	WR_TIMERS_FIRE = 256, /* what a turn of a reactor hands out, at most */
	WR_TIMERS_MOVE = 4096, /* entries that one call moves, and a chunk's at most more */
	WR_TIMER_PLACES = WR_TIMER_LEVELS * WR_TIMER_SLOTS
};

#define WR_TIMER_NEVER UINT64_MAX

/* A timer's name: a place in the table, and how often that has been used. Never 0, and not
 * the name of another one before that place was used 2^31 times more. */
typedef uint64_t wr_timer_id;

struct wr_timer_entry {
	uint64_t at_ns; /* when it is looked at: the deadline, or before */
	uint32_t timer;
	uint32_t stamp; /* it counts while the timer has the same */
};

struct wr_timer_chunk {
	uint32_t next; /* of the slot, the oldest first */
	uint32_t count;
	uint64_t unused;
	struct wr_timer_entry entries[WR_TIMER_CHUNK];
};

_Static_assert(sizeof(struct wr_timer_chunk) == 256, "four cache lines");

/* As small as can be: cancelling and re-arming is finding it in memory, and little else. */
struct wr_timer {
	uint64_t at_ns; /* the deadline; while it is free, which one is free next */
	uint32_t stamp; /* of its entry */
	uint32_t use;   /* odd while it is armed */
};

_Static_assert(sizeof(struct wr_timer) == 16, "four in a cache line");

/* A slot: chunks from the oldest to the one that is being filled. */
struct wr_timer_slot {
	uint32_t first, last;
	uint32_t entries;
};

struct wr_timers {
	uint64_t tick; /* the present one: what is later lies in the slots */
	uint64_t occupied[WR_TIMER_LEVELS];
	struct wr_timer_slot slots[WR_TIMER_PLACES];
	uint32_t entries;   /* in all slots */
	uint32_t hand;      /* the slot that is being sorted out, */
	uint32_t hand_left; /* and how much of it */
	struct wr_timer *timers;
	uint64_t *users; /* of each timer, what its owner gave */
	struct wr_timer_chunk *chunks;
	struct wr_timer_entry *heap; /* of the present tick and before */
	uint32_t heap_count, heap_most;
	uint32_t timers_most, timers_used, timer_free;
	uint32_t chunks_most, chunks_used, chunk_free;
	uint32_t armed; /* how many there are */
	uint32_t stamp; /* the next entry's */
};

struct wr_timer_due {
	wr_timer_id id; /* its last use: it names nothing any more */
	uint64_t user;
	uint64_t at_ns; /* the deadline that it had */
};

/* Bytes that `most` timers need, 1 to WR_TIMERS_MOST; 0 for any other number. Memory that
 * is not touched is not used: about 45 bytes for each timer that is armed. */
size_t wr_timers_bytes(uint32_t most);

/* memory: wr_timers_bytes(most) of it, aligned to a cache line, the caller's until the
 * wheel is no longer used. USAGE_INVAL for a number that is out of bounds. */
int wr_timers_init(struct wr_timers *t, void *memory, uint32_t most, uint64_t now_ns);

/* Arms a timer; user comes back when it fires. Returns its name, 0 if all are in use. A
 * deadline that has passed is due at once. */
wr_timer_id wr_timers_arm(struct wr_timers *t, uint64_t at_ns, uint64_t user);

/* Another deadline for a timer that has not fired. False: it has, or was cancelled. */
bool wr_timers_rearm(struct wr_timers *t, wr_timer_id id, uint64_t at_ns);

/* It will not fire. False: it has, or was cancelled before. */
bool wr_timers_cancel(struct wr_timers *t, wr_timer_id id);

/*
 * Takes out what is due, at most `most`, ordered by deadline. Returns how many. There may be
 * more: then wr_timers_next_ns is not later than now. Where the time goes back, nothing
 * fires before its deadline all the same.
 */
unsigned wr_timers_expire(
	struct wr_timers *t, uint64_t now_ns, struct wr_timer_due *due, unsigned most);

/* When to call next: never after the earliest deadline. It is when the slot of that begins,
 * so who sleeps as long as it says wakes early at most once for each level, and less than a
 * tick early the last time. WR_TIMER_NEVER if no timer is armed. */
uint64_t wr_timers_next_ns(const struct wr_timers *t);

/* Chunks in use: what stale entries cost, for tests. */
uint32_t wr_timers_chunks(const struct wr_timers *t);

#endif
