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
#include "bus/conflate.h"
#include "bus/store.h"
#include "bus/walk.h"

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
	uint32_t count; /* messages held in it, as often as each is held */
	struct wr_store *store;
};

/* A message that is held. */
struct wr_kept {
	uint64_t seq;
	uint64_t count; /* how often */
};

/* How a subscription wants to read its streams. */
struct wr_reader_opts {
	uint64_t begin; /* number of the first claim to read; UINT64_MAX: those to come */
	uint64_t asked;  /* the number that was asked for, at most `begin` */
	uint64_t ttl_ns; /* messages older than that are passed over, 0 = none */
	uint32_t holds;
	uint32_t policy;               /* enum weir_policy */
	uint32_t key_offset, key_size; /* of WEIR_LATEST; size 0: one value in all */
	uint32_t seat; /* of its row: where it is told what it was charged */
	struct wr_bell *room_bell; /* rings the publisher */
};

struct wr_reader {
	/* where it stands */
	const uint8_t *seg;
	uint32_t off;
	uint32_t seg_bytes;
	uint64_t ord;
	uint64_t place; /* of the segment, for lookers */
	uint64_t said;  /* the ordinal announced last: it only grows */
	bool astray;    /* overrun, and not yet in another segment: seg is not ours */
	uint64_t seq;   /* of the next claim */
	uint64_t lost_now; /* missed before the next message */
	uint64_t shown; /* the message that was peeked last: it stays until it is passed */
	struct wr_store *store;
	struct wr_slot *slot;

	/* the books, which slot shows to others */
	uint64_t passed, delivered, bytes, aborted;
	uint64_t lost[WR_LOSTS];
	uint64_t kept_passed; /* messages that were passed and are held */
	bool unsaid;          /* the slot does not show them all */
	uint64_t charged_ns;  /* that its publisher had said when last asked */
	uint32_t seat;

	/* how it reads */
	uint32_t policy;
	uint64_t ttl_ns;
	struct wr_conflate *newest; /* by key; NULL: not asked for */

	/* holds; the shared words are slot->hold[k] */
	uint32_t holds;
	struct wr_held held[WEIR_HOLDS_MAX];
	struct wr_kept *kept; /* the messages */
	uint32_t kept_count, kept_size;

	/* ringing a publisher that waits for room */
	struct wr_bell *room_bell;
	uint64_t room_rung;

	uint8_t *populated; /* a bit a segment: faulted in by us */
	bool over;          /* END or an error was reported */

	wr_a64 dead; /* set by the steward: its publisher has died */
	wr_a64 gone; /* set by the steward: its publisher has put it off */
};

/*
 * Enters the stream at `place`, an ordinal that is live and gates for us, and walks to
 * where it is to begin: the first frame that is not committed, so that what is published
 * from now on is read, or a number in the history. What of that is gone already is missed.
 * Takes a reference of the store. Any thread, before the reader is handed to its own.
 * PEER_PROTOCOL, ENV_MEMORY.
 */
int wr_reader_init(struct wr_reader *r, struct wr_store *store, struct wr_slot *slot,
	uint64_t place, const struct wr_reader_opts *opts);

/* Forgets the stream. The slot's words stay until the publisher has dropped the row. */
void wr_reader_fini(struct wr_reader *r);

/* The calling thread reads from here on: said to publishers, who want to know whether it
 * could run. */
void wr_reader_adopt(struct wr_reader *r);

/* Clears the slot for its next use, after the publisher acknowledged. Any thread. */
void wr_reader_slot_clear(struct wr_slot *slot);

/*
 * Up to count messages from where it stands, in order, within one segment; nothing is
 * passed. Returns how many, 0 = nothing now, -GONE_END once when the stream is drained,
 * -GONE_EVICTED once when the publisher has put this reader off, -DATA_GAP once when its
 * publisher is dead and the region that it went on in never came, -PEER_PROTOCOL once when
 * it is given up, and -AGAIN_EMPTY ever after those.
 */
int wr_reader_peek(struct wr_reader *r, struct wr_view *views, int count);

/* Passes the first count of the views that were peeked, count > 0. */
void wr_reader_pass(struct wr_reader *r, const struct wr_view *views, int count);

/* Passes over every message that is visible now: lost behind, as the next one says. Returns how
 * many that were; it costs a look at each. */
uint64_t wr_reader_skip(struct wr_reader *r);

/* True if nothing more is published in its stream. */
bool wr_reader_is_over(const struct wr_reader *r);

/* Shows the books to others: after what was passed last of a batch. */
void wr_reader_say(struct wr_reader *r);

/* Missed so far, for whatever reason. */
uint64_t wr_reader_lost(const struct wr_reader *r);

/* Messages that are visible and not passed, by walking over them; at most `most`. */
uint64_t wr_reader_waiting(const struct wr_reader *r, uint64_t most);

/* True if a peek would answer with something: a look without steps. */
bool wr_reader_ready(struct wr_reader *r);

/* How far it is behind, in thousandths of so many bytes (0: of the window), and how long ago
 * the oldest message was committed that it has not read, 0 if there is none or it carries no
 * time. Two looks at the publisher's words; what a hostile one says is only ever believed
 * here. */
uint32_t wr_reader_lag(const struct wr_reader *r, uint64_t quota);
uint64_t wr_reader_age_ns(const struct wr_reader *r, uint64_t now_ns);

/* What it was charged for the waiting of others since the last call, in nanoseconds: as its
 * publisher says, so that a hostile one can say anything here. */
uint64_t wr_reader_charged_ns(struct wr_reader *r);

/* True while it is left behind because it had spent its budget: as its publisher says, too. */
bool wr_reader_overspent(const struct wr_reader *r);

/* So much more time its thread was with others while it had something to read: its publisher
 * may excuse it for that. */
void wr_reader_hindered(struct wr_reader *r, uint64_t ns);

/* True if the publisher leaves the fence of the sleeping pair to us. */
bool wr_reader_heavy(const struct wr_reader *r);

/* Keeps message seq, which was peeked, past its turn, and with it the segment of the
 * present position, *ord. 0, AGAIN_HOLDS, ENV_MEMORY. */
int wr_reader_hold(struct wr_reader *r, uint64_t seq, uint64_t *ord);
/* Lets it go, once for each time it was held. 0, USAGE_STATE. */
int wr_reader_release(struct wr_reader *r, uint64_t seq, uint64_t ord);

/* The publisher is dead: what is visible is all there is. Steward's thread. */
void wr_reader_bereave(struct wr_reader *r);

/* The publisher has ended the stream for this reader alone: it is told GONE_EVICTED at its
 * next peek. Steward's thread. */
void wr_reader_put_off(struct wr_reader *r);

#endif
