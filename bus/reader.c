/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/reader.h"

#include <stdlib.h>
#include <string.h>

#include "bus/mutant.h"

enum {
	OVERRUN_TRIES = 8, /* at the oldest segment, then the newest is taken */
	STEPS_MAX = 1 << 16, /* frames that one peek steps over: the memory is a stranger's */
	WALK_MAX = 1 << 20 /* messages that a join walks over */
};

static const struct wr_frame *
frame_at(const struct wr_reader *r, uint32_t off)
{
	return (const struct wr_frame *)(const void *)(r->seg + off);
}

static uint64_t
word_at(const struct wr_reader *r, uint32_t off)
{
	/* commit_len, roll_link -> read_len: the frame before its word */
	return wr_load_acquire(read_len, &frame_at(r, off)->word);
}

/* ---- entering a segment ------------------------------------------------------------------ */

/* A publisher that waits for room hears of every step that may have made some. */
static void
look_for_waiter(struct wr_reader *r, const struct wr_store *store)
{
	uint64_t epoch = wr_load_relaxed(room_look, &store->hdr->room_wanted);

	if ((epoch & 1) == 0 || epoch == r->room_rung || WR_MUTANT(ROOM_NORING))
		return;
	r->room_rung = epoch;
	if (r->room_bell)
		wr_bell_ring(r->room_bell);
}

static void
populate(struct wr_reader *r, uint32_t index)
{
	if (!r->populated || (r->populated[index / 8] >> index % 8 & 1) != 0)
		return;
	r->populated[index / 8] |= (uint8_t)(1u << index % 8);
	wr_region_populate(&r->store->region,
		(uint64_t)(wr_store_seg(r->store, index) - r->store->region.mem),
		r->seg_bytes);
}

/*
 * Announces ord, then checks that segment index still is ord. From a successful check
 * until the announcement moves on, the publisher keeps the segment as it is.
 */
static bool
enter(struct wr_reader *r, uint32_t index, uint64_t ord)
{
	const struct wr_segment *seg = wr_store_seg_hdr(r->store, index);

	r->said = ord;
	wr_store_release(enter_cur, &r->slot->cur, ord); /* -> roll_cur, roll_scan_cur */
	if (WR_MUTANT(REUSE_CURBEFOREHOLD))
		for (uint32_t k = 0; k < r->holds; k++)
			wr_store_release(hold_set, &r->slot->hold[k], r->held[k].ord);
	if (!WR_MUTANT(REUSE_NORFENCE))
		wr_fence_sc(enter_fence); /* <-> roll_fence, room_fence */
	if (wr_load_acquire(enter_check, &seg->ord) != ord && !WR_MUTANT(REUSE_NOVALID))
		return false;
	r->seg = (const uint8_t *)seg;
	r->off = r->store->first;
	r->ord = ord;
	r->astray = false;
	populate(r, index);
	return true;
}

/* The sequence number at the start of the entered segment; what lies between it and the
 * expected one was missed. */
static bool
settle(struct wr_reader *r)
{
	const struct wr_segment *seg = (const struct wr_segment *)(const void *)r->seg;
	uint64_t base = wr_load_relaxed(read_base, &seg->base);

	if (base < r->seq)
		return false;
	r->lost_now += base - r->seq;
	r->lost += base - r->seq;
	r->seq = base;
	wr_stat_set(&r->slot->lost, r->lost);
	return true;
}

static bool
enter_place(struct wr_reader *r, uint64_t place)
{
	uint32_t index = wr_place_seg(place);
	uint64_t ord = wr_place_ord(place);

	return index < r->store->seg_count && ord > r->ord && ord >= r->said &&
		enter(r, index, ord);
}

/* Goes on in the stream's next region, if it is known here already. */
static bool
adopt_following(struct wr_reader *r)
{
	struct wr_store *next = wr_load_acquire(move_adopt, &r->store->following);

	if (!next)
		return false;
	wr_store_ref(next);
	wr_store_unref(r->store);
	r->store = next;
	r->seg_bytes = next->seg_bytes;
	free(r->populated);
	r->populated =
		wr_store_is_foreign(next) ? calloc(1, next->seg_count / 8 + 1) : NULL;
	return true;
}

/* The stream's next region has been announced and begun. */
static bool
following_begun(const struct wr_reader *r)
{
	const struct wr_store *next = wr_load_acquire(move_adopt, &r->store->following);

	return next && wr_load_acquire(overrun_oldest, &next->hdr->head) != 0;
}

/* What has not come by now, comes no more. */
static bool
is_bereaved(const struct wr_reader *r)
{
	return wr_load_acquire(end_dead, &r->dead) != 0;
}

/*
 * We were too late for the segment that we wanted: the oldest live one it is. Until we
 * are in it we are nowhere: the segment that we left may be anything by now.
 */
static int
overrun(struct wr_reader *r)
{
	bool dead = is_bereaved(r);

	r->astray = true;
	for (int tries = 0; tries < OVERRUN_TRIES * 2; tries++) {
		const wr_a64 *hint = tries < OVERRUN_TRIES ? &r->store->hdr->oldest
							   : &r->store->hdr->head;

		if (enter_place(r, wr_load_acquire(overrun_oldest, hint)))
			return settle(r) ? 0 : -WEIR_E_PEER_PROTOCOL;
		if (following_begun(r) && adopt_following(r))
			tries = 0;
	}
	/* The publisher is faster than this loop: the next poll tries again. */
	return dead ? -WEIR_E_DATA_GAP : 0;
}

/* ---- frames --------------------------------------------------------------------------------- */

/* A committed frame whose word makes sense where it lies. */
static bool
frame_fits(const struct wr_reader *r, uint32_t off, uint64_t word)
{
	uint32_t extent = wr_word_extent(word);

	return extent % WR_FRAME == 0 && extent >= WR_FRAME &&
		extent <= r->seg_bytes - off && wr_word_len(word) <= extent - WR_FRAME &&
		wr_word_len(word) <= r->store->max_message;
}

/* Follows a roll frame. 1 = in the next segment, 0 = not yet possible. */
static int
follow(struct wr_reader *r, uint64_t word)
{
	uint64_t place = wr_load_relaxed(read_place, &frame_at(r, r->off)->stamp);
	uint64_t ord = wr_place_ord(place);
	uint64_t left_ord = r->ord;
	bool dead = is_bereaved(r);
	struct wr_store *left;
	int rc;

	if (ord != left_ord + 1)
		return -WEIR_E_PEER_PROTOCOL;
	left = wr_store_ref(r->store);
	if (wr_word_kind(word) == WR_MOVE && !adopt_following(r))
		rc = dead ? -WEIR_E_DATA_GAP : 0; /* it was sent before this frame: soon */
	else if (wr_place_seg(place) >= r->store->seg_count)
		rc = -WEIR_E_PEER_PROTOCOL;
	else if (!enter(r, wr_place_seg(place), ord))
		rc = (rc = overrun(r)) < 0 ? rc : !r->astray;
	else
		rc = settle(r) ? 1 : -WEIR_E_PEER_PROTOCOL;

	/* Only who leaves the oldest segment can make room. Both words are read behind the
	 * fence of enter, so that a publisher that missed our step is not missed by us. */
	if (rc == 1 &&
		left_ord <= wr_place_ord(wr_load_relaxed(room_oldest, &left->hdr->oldest)))
		look_for_waiter(r, left);
	wr_store_unref(left);
	return rc;
}

/* At an uncommitted frame of a stream that may have ended. 1 = go on behind it. */
static int
at_uncommitted(struct wr_reader *r)
{
	bool dead = is_bereaved(r);
	uint64_t word;

	/* end_close -> end_look: closed means that nothing follows what is visible now */
	if (!dead && wr_load_acquire(end_look, &r->store->hdr->closed) == 0)
		return 0;
	word = word_at(r, r->off);
	if (wr_word_extent(word) != 0)
		return 1;
	if (word == 0)
		return -WEIR_E_GONE_END;
	if (!dead)
		return 0;
	/* It died with a claim open here; what it committed behind it is good. */
	if (wr_word_kind(word) != WR_OPEN || wr_word_len(word) > r->store->max_message ||
		wr_extent(wr_word_len(word), r->store->align) + WR_FRAME >
			r->seg_bytes - r->off)
		return -WEIR_E_PEER_PROTOCOL;
	r->off += wr_extent(wr_word_len(word), r->store->align);
	r->seq++;
	r->aborted++;
	return 1;
}

/*
 * Steps over everything that is no message. Returns 1 at a message, whose word is *word,
 * 0 where nothing more is visible.
 */
static int
advance(struct wr_reader *r, uint64_t *word)
{
	if (r->astray) {
		int rc = overrun(r);

		if (rc < 0)
			return rc;
	}
	/* Whoever has more than that in front of its next message is asked again. */
	for (int steps = 0; !r->astray && steps < STEPS_MAX; steps++) {
		uint64_t w = word_at(r, r->off);
		int rc;

		if (wr_word_extent(w) == 0) {
			rc = at_uncommitted(r);
			if (rc <= 0)
				return rc;
			continue;
		}
		if (!frame_fits(r, r->off, w))
			return -WEIR_E_PEER_PROTOCOL;
		switch (wr_word_kind(w)) {
		case WR_DATA:
			if (wr_word_extent(w) > r->seg_bytes - WR_FRAME - r->off)
				return -WEIR_E_PEER_PROTOCOL;
			*word = w;
			return 1;
		case WR_ABORTED:
			r->seq++;
			r->aborted++;
			wr_stat_set(&r->slot->aborted, r->aborted);
			/* fall through */
		case WR_FILL:
			if (wr_word_extent(w) > r->seg_bytes - WR_FRAME - r->off)
				return -WEIR_E_PEER_PROTOCOL;
			r->off += wr_word_extent(w);
			break;
		case WR_ROLL:
		case WR_MOVE:
			rc = follow(r, w);
			if (rc <= 0)
				return rc;
			break;
		default:
			return -WEIR_E_PEER_PROTOCOL;
		}
	}
	return 0;
}

static void
view_at(const struct wr_reader *r, uint32_t off, uint64_t seq, uint64_t word,
	struct wr_view *view)
{
	const struct wr_frame *frame = frame_at(r, off);

	view->data = frame + 1;
	view->len = wr_word_len(word);
	view->end = off + wr_word_extent(word);
	view->seq = seq;
	view->time_ns = wr_load_relaxed(read_stamp, &frame->stamp);
	view->lost = 0;
}

int
wr_reader_peek(struct wr_reader *r, struct wr_view *views, int count)
{
	uint64_t word, seq;
	uint32_t off;
	int got, rc;

	if (r->over)
		return -WEIR_E_AGAIN_EMPTY;
	rc = advance(r, &word);
	if (rc <= 0) {
		r->over = rc < 0;
		return rc;
	}
	off = r->off;
	seq = r->seq;
	view_at(r, off, seq, word, &views[0]);
	views[0].lost = r->lost_now;

	for (got = 1; got < count; got++) {
		off = views[got - 1].end;
		seq++;
		word = word_at(r, off);
		/* Whatever is no plain message ends the batch; the next peek sorts it out. */
		if (wr_word_extent(word) == 0 || wr_word_kind(word) != WR_DATA ||
			!frame_fits(r, off, word) ||
			wr_word_extent(word) > r->seg_bytes - WR_FRAME - off)
			break;
		view_at(r, off, seq, word, &views[got]);
	}
	return got;
}

void
wr_reader_pass(struct wr_reader *r, const struct wr_view *views, int count)
{
	r->off = views[count - 1].end;
	r->seq = views[count - 1].seq + 1;
	r->lost_now = 0;
	r->passed += (uint64_t)count;
	for (int i = 0; i < count; i++)
		r->bytes += views[i].len;
	wr_stat_set(&r->slot->passed, r->passed);
	wr_stat_set(&r->slot->bytes, r->bytes);
}

bool
wr_reader_ready(struct wr_reader *r)
{
	uint64_t word;

	if (r->over)
		return false;
	if (r->astray)
		return true;
	word = wr_load_acquire(sleep_look, &frame_at(r, r->off)->word);
	if (wr_word_extent(word) != 0)
		return wr_word_kind(word) != WR_MOVE || is_bereaved(r) ||
			wr_load_acquire(move_adopt, &r->store->following);
	return is_bereaved(r) || wr_load_acquire(end_look, &r->store->hdr->closed) != 0;
}

bool
wr_reader_heavy(const struct wr_reader *r)
{
	/* mode_fence -> sleep_fences */
	return !r->over && wr_load_acquire(sleep_fences, &r->store->hdr->fences) == 0;
}

/* ---- lifecycle -------------------------------------------------------------------------------- */

/* Walks over what was committed before we came. A publisher that stays ahead of that is
 * read from where we are: what is too much is not missed. */
static int
walk_to_end(struct wr_reader *r)
{
	uint64_t word;
	int rc = 1;

	for (int walked = 0; walked < WALK_MAX && rc == 1; walked++) {
		rc = advance(r, &word);
		if (rc == 1) {
			r->off += wr_word_extent(word);
			r->seq++;
		}
	}
	return rc == -WEIR_E_GONE_END || rc == 1 ? 0 : rc;
}

int
wr_reader_init(struct wr_reader *r, struct wr_store *store, struct wr_slot *slot,
	uint64_t place, uint32_t holds, struct wr_bell *room_bell)
{
	const struct wr_segment *seg;
	int rc;

	memset(r, 0, sizeof(*r));
	r->store = store;
	r->slot = slot;
	r->holds = holds;
	r->room_bell = room_bell;
	r->seg_bytes = store->seg_bytes;
	if (wr_place_seg(place) >= store->seg_count)
		return -WEIR_E_PEER_PROTOCOL;
	if (wr_store_is_foreign(store)) {
		r->populated = calloc(1, store->seg_count / 8 + 1);
		if (!r->populated)
			return -WEIR_E_ENV_MEMORY;
	}
	/* Ours before the walk, which may lead into the stream's next region. */
	wr_store_ref(store);
	rc = -WEIR_E_PEER_PROTOCOL;
	if (!enter_place(r, place))
		goto fail;
	seg = (const struct wr_segment *)(const void *)r->seg;
	r->seq = wr_load_relaxed(read_base, &seg->base);
	rc = walk_to_end(r);
	if (rc < 0)
		goto fail;
	r->lost = r->lost_now = r->aborted = 0;
	wr_stat_set(&slot->lost, 0);
	wr_stat_set(&slot->aborted, 0);
	return 0;

fail:
	wr_store_unref(r->store);
	r->store = NULL;
	free(r->populated);
	r->populated = NULL;
	return rc;
}

void
wr_reader_fini(struct wr_reader *r)
{
	for (uint32_t k = 0; k < r->holds; k++)
		wr_store_unref(r->held[k].store);
	wr_store_unref(r->store);
	free(r->populated);
	memset(r, 0, sizeof(*r));
	r->over = true;
}

void
wr_reader_slot_clear(struct wr_slot *slot)
{
	for (uint32_t k = 0; k < WEIR_HOLDS_MAX; k++)
		wr_store_release(hold_clear, &slot->hold[k], 0);
	wr_store_release(detach_cur, &slot->cur, 0);
	wr_stat_set(&slot->passed, 0);
	wr_stat_set(&slot->lost, 0);
	wr_stat_set(&slot->aborted, 0);
	wr_stat_set(&slot->bytes, 0);
	wr_stat_set(&slot->stream, 0);
}

void
wr_reader_bereave(struct wr_reader *r)
{
	wr_store_release(end_dead, &r->dead, 1);
}

/* ---- holds -------------------------------------------------------------------------------------- */

int
wr_reader_hold(struct wr_reader *r, uint64_t *ord)
{
	struct wr_held *spare = NULL;

	for (uint32_t k = 0; k < r->holds; k++) {
		if (r->held[k].count > 0 && r->held[k].ord == r->ord) {
			r->held[k].count++;
			*ord = r->ord;
			return 0;
		}
		if (r->held[k].count == 0 && !spare)
			spare = &r->held[k];
	}
	if (!spare)
		return -WEIR_E_AGAIN_HOLDS;
	*spare = (struct wr_held){r->ord, 1, wr_store_ref(r->store)};
	*ord = r->ord;
	/* Before the cursor moves on (enter_cur, release): who no longer sees us announce
	 * the segment sees that we hold it. */
	if (!WR_MUTANT(REUSE_CURBEFOREHOLD))
		wr_store_release(hold_set, &r->slot->hold[spare - r->held], r->ord);
	return 0;
}

int
wr_reader_release(struct wr_reader *r, uint64_t ord)
{
	for (uint32_t k = 0; k < r->holds; k++) {
		struct wr_held *held = &r->held[k];

		if (held->count == 0 || held->ord != ord)
			continue;
		if (--held->count > 0)
			return 0;
		wr_store_release(hold_clear, &r->slot->hold[k], 0); /* -> roll_scan_hold */
		if (!WR_MUTANT(ROOM_NORFENCE))
			wr_fence_sc(hold_fence); /* <-> room_fence */
		look_for_waiter(r, held->store);
		wr_store_unref(held->store);
		held->store = NULL;
		return 0;
	}
	return -WEIR_E_USAGE_STATE;
}
