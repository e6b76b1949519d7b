/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The books of one reader, held against its stream, by somebody who is neither.
 *
 * What the reader says of itself (delivered, held, lost, given back) is taken from its
 * slot, together. Where it stands, and what lies ahead of it, is counted by walking over
 * frames; nothing is worked out as the rest of something else. So two sums that have
 * nothing in common must agree: the number of the claim at which it stands, by the
 * publisher's numbers and frames, and what the reader has counted up to there.
 *
 * Slot and stream are somebody else's: each word is loaded once and checked. Nothing is
 * written. Any thread; waits for nobody.
 */
#ifndef WR_BUS_AUDIT_H
#define WR_BUS_AUDIT_H

#include "bus/layout.h"

struct wr_store;

/* What a slot shows, all of one moment. */
struct wr_books {
	uint64_t stream;
	uint64_t cur;     /* the ordinal that the reader announces */
	uint64_t at, off; /* a place and an offset in it; 0: it stands nowhere now */
	uint64_t from;
	uint64_t delivered, held, aborted, bytes;
	uint64_t lost[WR_LOSTS];
};

/* Takes them. False if they changed all the while, or their writer stands still in the
 * middle of it. */
bool wr_books_take(const struct wr_slot *slot, struct wr_books *books);

/* The number of the claim at which the reader stands, as it counts itself. */
uint64_t wr_books_number(const struct wr_books *books);

/* What walking finds. */
struct wr_audit {
	uint64_t number;  /* of the claim at which the reader stands */
	uint64_t waiting; /* messages ahead of it that are there, */
	uint64_t bytes;   /* their payload, */
	uint64_t aborted; /* claims that were given back, */
	uint64_t passed;  /* and claims that were written over before it came to them */
	uint64_t segments; /* entered ahead of it */
	bool borrowed; /* its segment lives for its sake alone: the result stands only if the
			  reader still announces it afterwards (wr_audit_stands) */
};

/* The regions of a stream, the oldest first, each followed by the next. */
struct wr_regions {
	struct wr_store *const *at;
	size_t count;
};

/*
 * Walks from where the books say that the reader stands to the last claim that is visible.
 * 1; 0: it moved, or was written over, meanwhile: take the books again; -PEER_PROTOCOL:
 * there is no frame where it says that it stands, or the stream contradicts itself.
 */
int wr_audit_walk(struct wr_audit *audit, const struct wr_books *books,
	const struct wr_regions *in);

/* The walk is over. True if the reader announces the segment still, in which it began. */
bool wr_audit_stands(const struct wr_slot *slot, const struct wr_books *books);

/* How many claims of the stream are visible, by walking to the last one. False: its
 * publisher was faster. */
bool wr_audit_visible(const struct wr_regions *in, uint64_t *number);

#endif
