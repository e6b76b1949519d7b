/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/audit.h"

#include "bus/store.h"
#include "bus/walk.h"

enum {
	TAKES = 64,    /* at books that change */
	STANDS = 16,   /* at the oldest segment of a stream that moves on */
	SEGS_MORE = 64 /* beyond all that there are: the publisher goes on meanwhile */
};

/* ---- the reader's words -------------------------------------------------------------- */

bool
wr_books_take(const struct wr_slot *slot, struct wr_books *books)
{
	for (int tries = 0; tries < TAKES; tries++) {
		uint64_t steps = wr_load_acquire(look_books, &slot->steps);

		if ((steps & 1) != 0) {
			wr_pause();
			continue;
		}
		books->stream = wr_stat_get(&slot->stream);
		books->cur = wr_stat_get(&slot->cur);
		books->at = wr_stat_get(&slot->at);
		books->off = wr_stat_get(&slot->at_off);
		books->from = wr_stat_get(&slot->from);
		books->delivered = wr_stat_get(&slot->delivered);
		books->held = wr_stat_get(&slot->held);
		books->aborted = wr_stat_get(&slot->aborted);
		books->bytes = wr_stat_get(&slot->bytes);
		for (int why = 0; why < WR_LOSTS; why++)
			books->lost[why] = wr_stat_get(&slot->lost[why]);
		wr_fence_acquire(look_books_fence); /* books_fence -> */
		if (wr_stat_get(&slot->steps) == steps)
			return true;
	}
	return false;
}

uint64_t
wr_books_number(const struct wr_books *books)
{
	uint64_t sum = books->from + books->delivered + books->held + books->aborted;

	for (int why = 0; why < WR_LOSTS; why++)
		sum += books->lost[why];
	return sum;
}

bool
wr_audit_stands(const struct wr_slot *slot, const struct wr_books *books)
{
	/* enter_cur -> the publisher, who then writes -> what we have read */
	wr_fence_acquire(look_fence);
	return wr_load_relaxed(look_cur, &slot->cur) == wr_place_ord(books->at);
}

/* ---- the stream ------------------------------------------------------------------------ */

static uint64_t
ord_of(const struct wr_walk *walk)
{
	return wr_load_acquire(look_ord, &wr_store_seg_hdr(walk->store, walk->index)->ord);
}

/* Nothing else is written in the segment than what was when we came. A segment that was
 * retired shows no ordinal, and stays as it is while its reader announces it. */
static bool
is_there(const struct wr_walk *walk, struct wr_audit *audit)
{
	uint64_t ord;

	wr_fence_acquire(look_fence);
	ord = wr_load_relaxed(
		look_check, &wr_store_seg_hdr(walk->store, walk->index)->ord);
	audit->borrowed |= ord == 0;
	return ord == walk->ord || ord == 0;
}

/* At the start of the reader's segment, live or not. */
static bool
stand_in(struct wr_walk *walk, struct wr_audit *audit, const struct wr_store *store,
	uint64_t place)
{
	uint64_t ord;

	*walk = (struct wr_walk){.store = store,
		.index = wr_place_seg(place),
		.ord = wr_place_ord(place),
		.off = store->first};
	if (walk->index >= store->seg_count)
		return false;
	ord = ord_of(walk);
	if (ord != walk->ord && ord != 0)
		return false;
	walk->seq =
		wr_load_relaxed(read_base, &wr_store_seg_hdr(store, walk->index)->base);
	return is_there(walk, audit);
}

/* From the start of the segment to the reader's place in it. */
static int
walk_to(struct wr_walk *walk, struct wr_audit *audit, uint64_t off)
{
	uint64_t word;

	while (walk->off < off && wr_walk_look(walk, &word) &&
		wr_word_kind(word) > WR_OPEN && wr_word_kind(word) < WR_ROLL)
		wr_walk_pass(walk, word);
	if (!is_there(walk, audit))
		return 0;
	return walk->off == off ? 1 : -WEIR_E_PEER_PROTOCOL;
}

/* What one segment holds from here on. 1: it ends with a roll frame, whose word that is;
 * 0: nothing more is visible. */
static int
count_rest(struct wr_walk *walk, struct wr_audit *audit, uint64_t *word)
{
	while (wr_walk_look(walk, word)) {
		switch (wr_word_kind(*word)) {
		case WR_DATA:
			audit->waiting++;
			audit->bytes += wr_word_len(*word);
			break;
		case WR_ABORTED:
			audit->aborted++;
			break;
		case WR_FILL:
			break;
		case WR_ROLL:
		case WR_MOVE:
			return 1;
		default:
			return -WEIR_E_PEER_PROTOCOL;
		}
		wr_walk_pass(walk, *word);
	}
	return wr_word_extent(*word) == 0 ? 0 : -WEIR_E_PEER_PROTOCOL;
}

/* The oldest segment that lives, if it lies behind this one; no hint is believed. What is
 * between the two has been written over. */
static int
leap(struct wr_walk *walk, struct wr_audit *audit, const struct wr_regions *in)
{
	for (int tries = 0; tries < STANDS; tries++)
		for (size_t i = 0; i < in->count; i++) {
			struct wr_walk next;

			if (!wr_walk_stand(&next, in->at[i],
				    wr_load_acquire(
					    overrun_oldest, &in->at[i]->hdr->oldest)) ||
				next.ord <= walk->ord)
				continue;
			if (next.seq < walk->seq)
				return -WEIR_E_PEER_PROTOCOL;
			audit->passed += next.seq - walk->seq;
			*walk = next;
			return 1;
		}
	return 0;
}

/* Into the segment behind the roll frame at which the walk stands, or, where that has been
 * written over, into the oldest that is there. */
static int
go_on(struct wr_walk *walk, struct wr_audit *audit, uint64_t word,
	const struct wr_regions *in)
{
	uint64_t place = wr_load_relaxed(read_place, &wr_walk_frame(walk)->stamp);
	const struct wr_store *store = walk->store;
	struct wr_walk next;

	audit->segments++;
	if (wr_word_kind(word) == WR_MOVE)
		store = wr_load_acquire(move_adopt, &store->following);
	if (!store)
		return 0; /* a region that is not known here yet */
	if (wr_place_ord(place) != walk->ord + 1 || !wr_walk_stand(&next, store, place))
		return leap(walk, audit, in);
	if (next.seq != walk->seq)
		return -WEIR_E_PEER_PROTOCOL;
	*walk = next;
	return 1;
}

/* Everything ahead of the reader. */
static int
count_ahead(struct wr_walk *walk, struct wr_audit *audit, const struct wr_regions *in)
{
	uint64_t left = SEGS_MORE, word;
	bool first = true;

	for (size_t i = 0; i < in->count; i++)
		left += 2 * (uint64_t)in->at[i]->seg_count;
	for (; left > 0; left--) {
		struct wr_audit before = *audit;
		struct wr_walk begun = *walk;
		int rc = count_rest(walk, audit, &word);
		bool there = first ? is_there(walk, audit) : wr_walk_is_there(walk);

		if (!there && first)
			return 0;
		if (there && rc <= 0)
			return rc < 0 ? rc : 1;
		/* What is counted in a segment counts if it was there to the end. */
		if (!there) {
			*audit = before;
			*walk = begun;
		}
		rc = there ? go_on(walk, audit, word, in) : leap(walk, audit, in);
		if (rc <= 0)
			return rc;
		first = false;
	}
	return -WEIR_E_PEER_PROTOCOL; /* it goes on for ever */
}

int
wr_audit_walk(struct wr_audit *audit, const struct wr_books *books,
	const struct wr_regions *in)
{
	struct wr_walk walk;
	size_t i = in->count;
	int rc;

	*audit = (struct wr_audit){0};
	if (books->at == 0)
		return 0;
	while (i > 0 && in->at[i - 1]->first_ord > wr_place_ord(books->at))
		i--;
	if (i == 0 || !stand_in(&walk, audit, in->at[i - 1], books->at))
		return 0;
	rc = walk_to(&walk, audit, books->off);
	if (rc <= 0)
		return rc;
	audit->number = walk.seq;
	return count_ahead(&walk, audit, in);
}

bool
wr_audit_visible(const struct wr_regions *in, uint64_t *number)
{
	for (int tries = 0; tries < STANDS; tries++)
		for (size_t i = in->count; i-- > 0;) {
			struct wr_walk walk;
			uint64_t word;

			if (!wr_walk_stand(&walk, in->at[i],
				    wr_load_acquire(overrun_head, &in->at[i]->hdr->head)))
				continue;
			while (wr_walk_to_message(&walk, &word) == 1)
				wr_walk_pass(&walk, word);
			if (!wr_walk_is_there(&walk))
				break;
			*number = walk.seq;
			return true;
		}
	return false;
}
