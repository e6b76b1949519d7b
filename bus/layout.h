/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The bytes that processes share: what a stream's region and a node's region look like.
 *
 * Every byte has one writer process, named beside it; everybody else maps it read-only.
 * Shared memory holds numbers and offsets, never pointers, and whatever another process
 * wrote is input: loaded once, checked, then used.
 */
#ifndef WR_BUS_LAYOUT_H
#define WR_BUS_LAYOUT_H

#include <stddef.h>
#include <string.h>
#include <weir/weir.h>

#include "bus/atomic.h"

enum {
	WR_LAYOUT = 4, /* changes with every incompatible change of this file */
	WR_LINE = 64,  /* what two cores pass to each other at once */
	WR_PAGE = 4096,
	WR_FRAME = 16,        /* bytes of a frame header */
	WR_SEG_FIRST = 64,    /* bytes of a segment header */
	WR_NAME_BYTES = 208,  /* WEIR_NAME_MAX, its end, rounded */
	WR_NODE_SLOTS = 16384 /* streams that one node can read at once */
};

#define WR_STREAM_MAGIC 0x314d525453524957ull /* "WIRSTRM1" */
#define WR_NODE_MAGIC   0x3145444f4e524957ull /* "WIRNODE1" */

/* Copies a name that was checked, or as much of one as fits; the rest is zeroes. */
static inline void
wr_name_copy(char to[WR_NAME_BYTES], const char *from)
{
	size_t size = strnlen(from, WEIR_NAME_MAX);

	memcpy(to, from, size);
	memset(to + size, 0, WR_NAME_BYTES - size);
}

/* ---- a place in the log: ordinal and segment in one word --------------------------- */

enum { WR_PLACE_SEG_BITS = 20 };

static inline uint64_t
wr_place(uint64_t ord, uint32_t seg)
{
	return ord << WR_PLACE_SEG_BITS | seg;
}

static inline uint64_t
wr_place_ord(uint64_t place)
{
	return place >> WR_PLACE_SEG_BITS;
}

static inline uint32_t
wr_place_seg(uint64_t place)
{
	return (uint32_t)(place & ((1u << WR_PLACE_SEG_BITS) - 1));
}

/* ---- frames -------------------------------------------------------------------------- */

/*
 * One word says all: the extent (bytes to the next frame, 0 = not committed) in the low
 * half, kind and payload length in the high half. So a frame becomes visible by one
 * release store, and a reader loads and checks one word.
 *
 *   0                          the frontier: nothing was ever claimed here
 *   WR_OPEN, len, extent 0     claimed, not yet committed: the mark
 *   WR_DATA, len, extent       a message
 *   WR_ABORTED, len, extent    a claim that was given back: counts in the sequence
 *   WR_FILL, 0, extent         the rest of a claim that was committed shorter
 *   WR_ROLL, 0, 16             the log goes on at `stamp`, a place
 *   WR_MOVE, 0, 16             as WR_ROLL, in the stream's next region
 *
 * The mark lets readers step over a claim whose publisher died with it open, so that
 * what was committed behind it is not lost.
 */
enum wr_kind {
	WR_OPEN = 1,
	WR_DATA = 2,
	WR_ABORTED = 3,
	WR_FILL = 4,
	WR_ROLL = 5,
	WR_MOVE = 6
};

struct wr_frame {
	wr_a64 word;  /* writer: publisher */
	wr_a64 stamp; /* writer: publisher; commit time, or the place of WR_ROLL */
};

static inline uint64_t
wr_word(enum wr_kind kind, uint32_t len, uint32_t extent)
{
	return (uint64_t)kind << 60 | (uint64_t)len << 32 | extent;
}

static inline uint32_t
wr_word_extent(uint64_t word)
{
	return (uint32_t)word;
}

static inline enum wr_kind
wr_word_kind(uint64_t word)
{
	return (enum wr_kind)(word >> 60);
}

static inline uint32_t
wr_word_len(uint64_t word)
{
	return (uint32_t)(word >> 32) & 0x0fffffffu;
}

_Static_assert(sizeof(struct wr_frame) == WR_FRAME, "frame header");
_Static_assert(WEIR_MESSAGE_MAX <= 0x0fffffffu, "a length fits its bits");

/* Bytes from one frame to the next for a payload of len. */
static inline uint32_t
wr_extent(uint32_t len, uint32_t align)
{
	return (WR_FRAME + len + align - 1) & ~(align - 1);
}

/* ---- segments ------------------------------------------------------------------------ */

struct wr_segment {
	/* writer: publisher, at rollover */
	wr_a64 ord;  /* ordinal while live, 0 = retired; never repeats */
	wr_a64 base; /* sequence number of its first claim */
	uint8_t rest[WR_SEG_FIRST - 16];
};
_Static_assert(sizeof(struct wr_segment) == WR_SEG_FIRST, "segment header");

/* ---- a stream's region ---------------------------------------------------------------- */

struct wr_stream_hdr {
	/* written once, before the region is handed out */
	uint64_t magic;
	uint32_t layout;
	uint32_t header_bytes; /* offset of segment 0 */
	uint64_t stream;       /* id of the publisher on this topic */
	uint64_t node;
	uint64_t region_bytes;
	uint64_t window_bytes;
	uint64_t type_hash;
	uint64_t first_ord; /* no segment of this region has a smaller ordinal */
	uint64_t ttl_ns;    /* how long its messages are worth reading, 0 = for ever */
	uint64_t keep_messages; /* of history that the topic asked for, */
	uint64_t keep_bytes;    /* 0 and 0: the last message */
	uint32_t seg_bytes;
	uint32_t seg_count;
	uint32_t first; /* offset of a segment's first frame */
	uint32_t align;
	uint32_t max_message;
	uint32_t pid;
	uint32_t open_to_all; /* 1: whoever may attach to the bus may read it */
	char topic[WR_NAME_BYTES];
	char type[WR_NAME_BYTES];

	/* writer: publisher, at rollover; hints: always validated, never believed */
	_Alignas(WR_LINE) wr_a64 head;
	wr_a64 oldest;

	/* writer: publisher, when it waits for room: odd = parked */
	_Alignas(WR_LINE) wr_a64 room_wanted;
	wr_a64 room_up_to; /* who leaves a segment up to this ordinal may have made some */

	/* writer: publisher, rarely */
	_Alignas(WR_LINE) wr_a64 closed; /* 1: nothing follows */
	wr_a64 fences; /* 1: the publisher fences after commit; 0: sleepers must */

	/* writer: publisher, at rollover and close; statistics */
	_Alignas(WR_LINE) wr_a64 stat_published;
	wr_a64 stat_aborted;
	wr_a64 stat_subscribers;
};
_Static_assert(sizeof(struct wr_stream_hdr) <= WR_PAGE, "stream header");
_Static_assert(offsetof(struct wr_stream_hdr, head) % WR_LINE == 0, "own line");

/*
 * On pages behind the header: what the loop of each reader is told, in the place that the
 * reader was given with its row.
 * writer: publisher, while it waits for room; its steward, before a reader has the place
 */
struct wr_told {
	wr_a64 charged_ns; /* for the waiting of others */
	wr_a64 overspent; /* 1: it is left behind, for it had spent its budget; else 0 */
};

enum {
	WR_STREAM_HEADER = WR_PAGE + WEIR_SUBSCRIBERS_MAX * (int)sizeof(struct wr_told)
};
_Static_assert(WR_STREAM_HEADER % WR_PAGE == 0, "segments begin with a page");

static inline struct wr_told *
wr_stream_told(struct wr_stream_hdr *hdr, uint32_t seat)
{
	return (struct wr_told *)(void *)((uint8_t *)hdr + WR_PAGE) + seat;
}

/* ---- a node's region ------------------------------------------------------------------ */

/* Why a claim was not delivered. */
enum wr_lost {
	WR_LOST_BEHIND,    /* the reader was left behind, and it was written over */
	WR_LOST_CONFLATED, /* a newer one was there, and the reader wants the latest */
	WR_LOST_EXPIRED,   /* it was older than it may be */
	WR_LOST_GONE,      /* asked for at the join, and no longer there */
	WR_LOSTS
};

/*
 * What one subscription of the node says to one publisher about one stream. Each word is
 * written by the subscription's thread, unless it says otherwise.
 *
 * The books are each counted on their own, so that they can be held against each other:
 * claims since the join = delivered + held + lost + aborted + waiting, where waiting is
 * what lies from (at, at_off) on. `steps` is odd while they change, so that a looker
 * takes them together.
 */
struct wr_slot {
	/* all that a rollover looks at is one line */
	wr_a64 cur; /* announcement and cursor in one: ordinal it reads in, 0 = nowhere */
	wr_a64 hold[WEIR_HOLDS_MAX]; /* ordinals kept past their turn, 0 = none */

	/* how far it is, at each handler's return; and the books, at each batch's end */
	_Alignas(WR_LINE) wr_a64 passed;
	wr_a64 steps;
	wr_a64 delivered;
	wr_a64 held; /* passed, and not let go */
	wr_a64 aborted;
	wr_a64 bytes;      /* passed */
	wr_a64 at, at_off; /* where it stands: a place, 0 = nowhere now */

	/* rarely */
	_Alignas(WR_LINE) wr_a64 lost[WR_LOSTS];
	wr_a64 from; /* number of the claim that it began with */
	wr_a64 tid;  /* of its thread */
	wr_a64 hindered_ns; /* that its thread was with others while it had something to read */
	/* writer: the node, between two uses of the slot */
	wr_a64 stream; /* whose stream it is about, 0 = free; for lookers */
	uint64_t rest[8];
};
_Static_assert(sizeof(struct wr_slot) == 256, "slot");
_Static_assert(offsetof(struct wr_slot, passed) == WR_LINE, "what gates is one line");
_Static_assert(offsetof(struct wr_slot, lost) == 2 * WR_LINE, "so is what moves");

struct wr_node_hdr {
	/* written once */
	uint64_t magic;
	uint32_t layout;
	uint32_t header_bytes; /* offset of slot 0 */
	uint64_t node;
	uint64_t region_bytes;
	uint32_t slots;
	uint32_t flag_offset; /* of the sleep flag: nodes differ, so that a publisher that
				 looks at many of them does not meet one cache set */
	uint32_t pid;
	uint32_t uid;
	uint32_t sleeps; /* 0: its reactor never does, and nobody looks at its flag */
	char name[WR_NAME_BYTES];
};
_Static_assert(sizeof(struct wr_node_hdr) <= 512, "node header");

#define WR_NODE_BYTES (WR_PAGE + (uint64_t)WR_NODE_SLOTS * sizeof(struct wr_slot))

/* writer: the reactor's thread; odd = asleep or about to be */
static inline uint32_t
wr_node_flag_offset(uint64_t node)
{
	return 512 + (uint32_t)(node % ((WR_PAGE - 512) / WR_LINE)) * WR_LINE;
}

#endif
