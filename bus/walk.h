/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Walking over a stream without standing in it: what lookers do, and a reader that looks
 * ahead of itself. Nothing is announced, so the segment may be taken and written again at
 * any moment: whoever copies from it checks afterwards that it still is what it was
 * (wr_walk_is_there), and throws the copy away if not.
 *
 * A walk borrows its store. Any thread; it waits for nobody and writes nothing shared.
 */
#ifndef WR_BUS_WALK_H
#define WR_BUS_WALK_H

#include "bus/store.h"

struct wr_walk {
	const struct wr_store *store;
	uint32_t index; /* segment; valid while its ordinal is ord */
	uint32_t off;
	uint64_t ord;
	uint64_t seq; /* of the claim at off */
	bool ours;    /* who walks has announced this segment: it cannot be taken */
};

/* Stands at the start of a segment; false, and where it was, if that has gone or is none. */
bool wr_walk_stand(struct wr_walk *walk, const struct wr_store *store, uint64_t place);

/* Still the segment that we began to read, after what we have read of it. */
bool wr_walk_is_there(const struct wr_walk *walk);

static inline const struct wr_frame *
wr_walk_frame(const struct wr_walk *walk)
{
	return (const struct wr_frame *)(const void *)(wr_store_seg(walk->store,
							       walk->index) +
		walk->off);
}

/* The word of the frame at its place: true if that is visible and makes sense there. */
bool wr_walk_look(const struct wr_walk *walk, uint64_t *word);

/*
 * Steps to the next message, over what is none and into the next segments. 1 = at one, of
 * this word; 0 = nothing more is visible, or it goes on in a region that is not known here;
 * -1 = the segment was taken from under us.
 */
int wr_walk_to_message(struct wr_walk *walk, uint64_t *word);

/* Steps over the frame of this word. */
static inline void
wr_walk_pass(struct wr_walk *walk, uint64_t word)
{
	walk->seq += wr_word_kind(word) != WR_FILL;
	walk->off += wr_word_extent(word);
}

#endif
