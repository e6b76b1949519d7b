/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/walk.h"

static const struct wr_segment *
segment_of(const struct wr_walk *walk)
{
	return wr_store_seg_hdr(walk->store, walk->index);
}

bool
wr_walk_is_there(const struct wr_walk *walk)
{
	wr_fence_acquire(look_fence); /* roll_dirty -> look_check */
	return walk->ours ||
		wr_load_relaxed(look_check, &segment_of(walk)->ord) == walk->ord;
}

bool
wr_walk_stand(struct wr_walk *walk, const struct wr_store *store, uint64_t place)
{
	struct wr_walk there = {.store = store,
		.index = wr_place_seg(place),
		.ord = wr_place_ord(place),
		.off = store->first};

	/* roll_ord -> look_ord: who sees the ordinal sees the empty segment behind it */
	if (there.index >= store->seg_count || there.ord == 0 ||
		wr_load_acquire(look_ord, &segment_of(&there)->ord) != there.ord)
		return false;
	there.seq = wr_load_relaxed(read_base, &segment_of(&there)->base);
	if (!wr_walk_is_there(&there))
		return false;
	*walk = there;
	return true;
}

bool
wr_walk_look(const struct wr_walk *walk, uint64_t *word)
{
	const struct wr_store *store = walk->store;
	uint32_t extent;

	wr_unkept_begin();
	*word = wr_load_acquire(look_len, &wr_walk_frame(walk)->word);
	wr_unkept_end();
	extent = wr_word_extent(*word);
	return extent != 0 && extent % WR_FRAME == 0 &&
		extent <= store->seg_bytes - walk->off &&
		wr_word_len(*word) <= extent - WR_FRAME &&
		(wr_word_kind(*word) >= WR_ROLL ||
			extent <= store->seg_bytes - WR_FRAME - walk->off);
}

/* From a roll frame into the segment that it names. */
static bool
follow(struct wr_walk *walk, enum wr_kind kind)
{
	const struct wr_store *store = walk->store;
	uint64_t place;

	wr_unkept_begin();
	place = wr_load_relaxed(read_place, &wr_walk_frame(walk)->stamp);
	wr_unkept_end();
	if (kind == WR_MOVE) {
		store = wr_load_acquire(move_adopt, &walk->store->following);
		if (!store)
			return false;
	}
	return wr_walk_is_there(walk) && wr_place_ord(place) > walk->ord &&
		wr_walk_stand(walk, store, place);
}

int
wr_walk_to_message(struct wr_walk *walk, uint64_t *word)
{
	while (wr_walk_look(walk, word)) {
		enum wr_kind kind = wr_word_kind(*word);

		if (kind == WR_DATA)
			return wr_walk_is_there(walk) ? 1 : -1;
		if (kind == WR_MOVE &&
			!wr_load_acquire(move_adopt, &walk->store->following))
			return 0;
		if (kind == WR_ABORTED || kind == WR_FILL)
			wr_walk_pass(walk, *word);
		else if (!follow(walk, kind))
			return -1;
	}
	return wr_walk_is_there(walk) ? 0 : -1;
}
