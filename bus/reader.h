/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The reading end of one stream for one subscription.
 *
 * The same code serves every reader, waited for or not: it announces the segment that it
 * enters, fences, and checks that the segment is still the one it meant; from then on
 * nothing in it can change under it. A reader that was overrun finds another ordinal,
 * jumps to the oldest live segment, and says how many claims it missed.
 *
 * The stream's memory is somebody else's: every word is loaded once and checked, and
 * whatever is wrong ends this stream with PEER_PROTOCOL and nothing else.
 *
 * A call belongs to the subscription's thread, unless it says otherwise.
 */
#ifndef WR_BUS_READER_H
#define WR_BUS_READER_H

#include "bus/bell.h"
#include "bus/store.h"

/* One message, where it lies. */
struct wr_view {
	const void *data;
	uint32_t len;
	uint32_t end; /* offset of the next frame */
	uint64_t seq;
	uint64_t time_ns;
	uint64_t lost; /* claims missed just before it */
};

/* A segment kept past its turn. */
struct wr_held {
	uint64_t ord;
	uint32_t count; /* messages held in it */
	struct wr_store *store;
};

struct wr_reader {
	/* where it stands */
	const uint8_t *seg;
	uint32_t off;
	uint32_t seg_bytes;
	uint64_t ord;
	uint64_t said; /* the ordinal announced last: it only grows */
	bool astray;   /* overrun, and not yet in another segment: seg is not ours */
	uint64_t seq;  /* of the next claim */
	uint64_t lost_now; /* missed before the next message */
	struct wr_store *store;
	struct wr_slot *slot;
	uint64_t passed, bytes, lost, aborted;

	/* holds; the shared words are slot->hold[k] */
	uint32_t holds;
	struct wr_held held[WEIR_HOLDS_MAX];

	/* ringing a publisher that waits for room */
	struct wr_bell *room_bell;
	uint64_t room_rung;

	uint8_t *populated; /* a bit a segment: faulted in by us */
	bool over;          /* END or an error was reported */

	wr_a64 dead; /* set by the steward: its publisher has died */
};

/*
 * Enters the stream at `place`, an ordinal that is live and gates for us, and walks to
 * the first frame that is not committed: what is published from now on is read. Takes a
 * reference of the store. Any thread, before the reader is handed to its own.
 * PEER_PROTOCOL, ENV_MEMORY.
 */
int wr_reader_init(struct wr_reader *r, struct wr_store *store, struct wr_slot *slot,
	uint64_t place, uint32_t holds, struct wr_bell *room_bell);

/* Forgets the stream. The slot's words stay until the publisher has dropped the row. */
void wr_reader_fini(struct wr_reader *r);

/* Clears the slot for its next use, after the publisher acknowledged. Any thread. */
void wr_reader_slot_clear(struct wr_slot *slot);

/*
 * Up to count messages from where it stands, in order, within one segment; nothing is
 * passed. Returns how many, 0 = nothing now, -GONE_END once when the stream is drained,
 * -DATA_GAP once when its publisher is dead and the region that it went on in never came,
 * -PEER_PROTOCOL once when it is given up, and -AGAIN_EMPTY ever after those three.
 */
int wr_reader_peek(struct wr_reader *r, struct wr_view *views, int count);

/* Passes the first count of the views that were peeked, count > 0. */
void wr_reader_pass(struct wr_reader *r, const struct wr_view *views, int count);

/* True if a peek would answer with something: a look without steps. */
bool wr_reader_ready(struct wr_reader *r);

/* True if the publisher leaves the fence of the sleeping pair to us. */
bool wr_reader_heavy(const struct wr_reader *r);

/* Keeps the segment of the present position past its turn. 0, AGAIN_HOLDS. *ord names it. */
int wr_reader_hold(struct wr_reader *r, uint64_t *ord);
/* Lets one message of that segment go. 0, USAGE_STATE. */
int wr_reader_release(struct wr_reader *r, uint64_t ord);

/* The publisher is dead: what is visible is all there is. Steward's thread. */
void wr_reader_bereave(struct wr_reader *r);

#endif
