/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/reader.h"

#include <stdlib.h>
#include <string.h>

#include "bus/mutant.h"
#include "bus/os/clock.h"
#include "bus/os/sched.h"

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

/* ---- books ------------------------------------------------------------------------------- */

static void
miss(struct wr_reader *r, enum wr_lost why, uint64_t count)
{
	r->lost_now += count;
	r->lost[why] += count;
	r->unsaid = true;
}

uint64_t
wr_reader_lost(const struct wr_reader *r)
{
	uint64_t sum = 0;

	for (int why = 0; why < WR_LOSTS; why++)
		sum += r->lost[why];
	return sum;
}

/* From here on the books of a slot change, until the number that this returns is told. */
static uint64_t
open_books(struct wr_slot *slot)
{
	uint64_t steps = wr_stat_get(&slot->steps);

	/* A looker that saw anything of this sees the odd number too, and looks again. */
	wr_store_relaxed(books_odd, &slot->steps, steps + 1);
	wr_fence_release(books_fence);
	return steps + 2;
}

void
wr_reader_say(struct wr_reader *r)
{
	struct wr_slot *slot = r->slot;
	uint64_t steps = open_books(slot);

	wr_stat_set(&slot->delivered, r->delivered);
	wr_stat_set(&slot->held, r->kept_passed);
	wr_stat_set(&slot->aborted, r->aborted);
	wr_stat_set(&slot->bytes, r->bytes);
	wr_stat_set(&slot->at, r->astray ? 0 : r->place);
	wr_stat_set(&slot->at_off, r->off);
	for (int why = 0; why < WR_LOSTS && r->unsaid; why++)
		wr_stat_set(&slot->lost[why], r->lost[why]);
	wr_store_release(books_even, &slot->steps, steps);
	r->unsaid = false;
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
	r->place = wr_place(ord, index);
	r->astray = false;
	r->unsaid = true; /* the segment that the slot names may be taken now */
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
	/* That a newer one is there is known of a topic, not of each key. */
	if (base > r->seq && !WR_MUTANT(BOOKS_FORGET))
		miss(r,
			r->policy == WEIR_LATEST && !r->newest ? WR_LOST_CONFLATED
							       : WR_LOST_BEHIND,
			base - r->seq);
	r->seq = base;
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

	/* Only who leaves a segment that the publisher waits for can make room. Both words are
	 * read behind the fence of enter, so that a publisher that missed our step is not
	 * missed by us. */
	if (rc == 1 && left_ord <= wr_load_relaxed(room_asked, &left->hdr->room_up_to))
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
	r->unsaid = true;
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
			r->unsaid = true;
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

/* ---- what is not wanted ------------------------------------------------------------------------ */

static bool
is_expired(const struct wr_reader *r, uint32_t off, uint64_t now)
{
	uint64_t stamp = wr_load_relaxed(read_stamp, &frame_at(r, off)->stamp);

	return r->ttl_ns != 0 && stamp != 0 && now > stamp && now - stamp > r->ttl_ns;
}

/* Where we stand, for a look ahead from there. */
static struct wr_walk
walk_from(const struct wr_reader *r, uint32_t off, uint64_t seq)
{
	return (struct wr_walk){.store = r->store,
		.index = (uint32_t)((uint64_t)(r->seg - r->store->segs) / r->seg_bytes),
		.ord = r->ord,
		.off = off,
		.seq = seq,
		.ours = true};
}

/* True if a message is visible behind the one at our place, or was: what follows has been
 * taken already. */
static bool
newer_behind(const struct wr_reader *r, uint64_t word)
{
	struct wr_walk walk = walk_from(r, r->off + wr_word_extent(word), r->seq + 1);

	return wr_walk_to_message(&walk, &word) != 0;
}

/* Straight to the newest segment, if it has a message and lies further than the next. */
static void
jump_ahead(struct wr_reader *r)
{
	uint64_t head = wr_load_acquire(overrun_oldest, &r->store->hdr->head);
	struct wr_walk walk;
	uint64_t word;

	if (r->astray || wr_place_ord(head) <= r->ord + 1 ||
		!wr_walk_stand(&walk, r->store, head) ||
		wr_walk_to_message(&walk, &word) != 1)
		return;
	if (!enter_place(r, head))
		r->astray = true; /* it is far ahead: the next look enters another */
	else if (!settle(r))
		r->over = true;
}

/* Why the message at an offset is passed over, or WR_LOSTS: it is wanted. */
static enum wr_lost
unwanted(const struct wr_reader *r, uint32_t off, uint64_t seq, uint64_t word, uint64_t now)
{
	if (r->ttl_ns != 0 && is_expired(r, off, now))
		return WR_LOST_EXPIRED;
	if (r->newest &&
		!wr_conflate_is_newest(
			r->newest, frame_at(r, off) + 1, wr_word_len(word), seq))
		return WR_LOST_CONFLATED;
	if (r->policy == WEIR_LATEST && !r->newest && newer_behind(r, word))
		return WR_LOST_CONFLATED;
	return WR_LOSTS;
}

/* As advance, to a message that is wanted. */
static int
advance_to_wanted(struct wr_reader *r, uint64_t *word, uint64_t now)
{
	if (r->policy == WEIR_LATEST && !r->newest)
		jump_ahead(r);
	for (int steps = 0; steps < STEPS_MAX && !r->over; steps++) {
		enum wr_lost why;
		int rc = advance(r, word);

		if (rc <= 0)
			return rc;
		if (r->newest && (steps == 0 || r->newest->ahead.seq <= r->seq)) {
			struct wr_walk here = walk_from(r, r->off, r->seq);

			wr_conflate_look_ahead(r->newest, &here);
		}
		why = unwanted(r, r->off, r->seq, *word, now);
		if (why == WR_LOSTS)
			return 1;
		miss(r, why, 1);
		r->off += wr_word_extent(*word);
		r->seq++;
	}
	return r->over ? -WEIR_E_PEER_PROTOCOL : 0;
}

/* ---- peek and pass ------------------------------------------------------------------------------- */

static int
peek(struct wr_reader *r, struct wr_view *views, int count)
{
	bool picky = r->ttl_ns != 0 || r->policy == WEIR_LATEST;
	uint64_t now = r->ttl_ns ? wr_now_ns() : 0;
	uint64_t word, seq;
	uint32_t off;
	int got;
	/* What was shown is not passed over, whatever has come meanwhile. */
	int rc = picky && r->shown != r->seq ? advance_to_wanted(r, &word, now)
					     : advance(r, &word);

	if (rc <= 0)
		return rc;
	off = r->off;
	seq = r->shown = r->seq;
	if (r->policy == WEIR_LATEST && !r->newest)
		count = 1; /* what comes behind it now is newer */
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
		if (picky && unwanted(r, off, seq, word, now) != WR_LOSTS)
			break;
		view_at(r, off, seq, word, &views[got]);
	}
	return got;
}

int
wr_reader_peek(struct wr_reader *r, struct wr_view *views, int count)
{
	int rc;

	if (r->over)
		return -WEIR_E_AGAIN_EMPTY;
	if (__builtin_expect(wr_load_relaxed(gone_look, &r->gone) != 0, 0))
		rc = -WEIR_E_GONE_EVICTED;
	else
		rc = peek(r, views, count);
	r->over = rc < 0;
	if (__builtin_expect(r->unsaid, 0))
		wr_reader_say(r);
	return rc;
}

/* A held message is delivered when it is let go. */
static bool
is_kept(const struct wr_reader *r, uint64_t seq)
{
	for (uint32_t i = r->kept_count; i-- > 0;)
		if (r->kept[i].seq == seq)
			return true;
	return false;
}

void
wr_reader_pass(struct wr_reader *r, const struct wr_view *views, int count)
{
	r->off = views[count - 1].end;
	r->seq = views[count - 1].seq + 1;
	r->lost_now = 0;
	r->passed += (uint64_t)count;
	for (int i = 0; i < count; i++) {
		bool kept = r->kept_count > 0 && is_kept(r, views[i].seq);

		r->bytes += views[i].len;
		r->kept_passed += kept;
		r->delivered += !kept;
	}
	wr_stat_set(&r->slot->passed, r->passed);
}

uint64_t
wr_reader_waiting(const struct wr_reader *r, uint64_t most)
{
	struct wr_walk walk = walk_from(r, r->off, r->seq);
	uint64_t count = 0, word;

	if (r->over || r->astray)
		return 0;
	while (count < most && wr_walk_to_message(&walk, &word) == 1) {
		wr_walk_pass(&walk, word);
		count++;
	}
	return count;
}

/* What comes meanwhile is not passed over: it might never end. */
uint64_t
wr_reader_skip(struct wr_reader *r)
{
	uint64_t left = wr_reader_waiting(r, UINT64_MAX);
	uint64_t before = wr_reader_lost(r), word;

	r->shown = UINT64_MAX;
	/* Whatever else it meets, the next peek finds again, and says so. */
	while (left-- > 0 && advance(r, &word) == 1) {
		miss(r, WR_LOST_BEHIND, 1);
		r->off += wr_word_extent(word);
		r->seq++;
	}
	wr_reader_say(r);
	return wr_reader_lost(r) - before;
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
	return wr_reader_is_over(r);
}

uint32_t
wr_reader_lag(const struct wr_reader *r, uint64_t quota)
{
	const struct wr_stream_hdr *hdr = r->store->hdr;
	uint64_t head = wr_place_ord(wr_load_acquire(overrun_head, &hdr->head));
	uint64_t behind = head > r->ord ? head - r->ord : 0;
	uint64_t all = (quota ? quota : hdr->window_bytes) / r->seg_bytes;

	if (r->over || r->astray)
		return 0;
	return behind < all ? (uint32_t)(behind * 1000 / all) : behind > 0 ? 1000 : 0;
}

uint64_t
wr_reader_age_ns(const struct wr_reader *r, uint64_t now_ns)
{
	const struct wr_frame *frame = frame_at(r, r->off);
	uint64_t word, time_ns;

	if (r->over || r->astray)
		return 0;
	word = wr_load_acquire(sleep_look, &frame->word);
	time_ns = wr_load_relaxed(read_stamp, &frame->stamp);
	if (wr_word_extent(word) == 0 || wr_word_kind(word) != WR_DATA || time_ns == 0)
		return 0;
	return now_ns > time_ns ? now_ns - time_ns : 0;
}

uint64_t
wr_reader_charged_ns(struct wr_reader *r)
{
	uint64_t now_ns =
		wr_stat_get(&wr_stream_told(r->store->hdr, r->seat)->charged_ns);
	uint64_t more_ns = now_ns > r->charged_ns ? now_ns - r->charged_ns : 0;

	r->charged_ns += more_ns;
	return more_ns;
}

bool
wr_reader_overspent(const struct wr_reader *r)
{
	return wr_stat_get(&wr_stream_told(r->store->hdr, r->seat)->overspent) != 0;
}

void
wr_reader_hindered(struct wr_reader *r, uint64_t ns)
{
	wr_stat_add(&r->slot->hindered_ns, ns);
}

bool
wr_reader_is_over(const struct wr_reader *r)
{
	return is_bereaved(r) || wr_load_acquire(end_look, &r->store->hdr->closed) != 0;
}

bool
wr_reader_heavy(const struct wr_reader *r)
{
	/* mode_fence -> sleep_fences */
	return !r->over && wr_load_acquire(sleep_fences, &r->store->hdr->fences) == 0;
}

/* ---- lifecycle -------------------------------------------------------------------------------- */

/* Walks over what was committed before `begin`. A publisher that stays ahead of that is
 * read from where we are: what is too much is not missed. */
static int
walk_to(struct wr_reader *r, uint64_t begin)
{
	uint64_t word;
	int rc = 1;

	for (uint64_t walked = 0; walked < WALK_MAX && rc == 1; walked++) {
		if (r->seq >= begin)
			return 0;
		rc = advance(r, &word);
		if (rc == 1 && r->seq < begin) {
			r->off += wr_word_extent(word);
			r->seq++;
		}
	}
	return rc == -WEIR_E_GONE_END || rc == 1 ? 0 : rc;
}

/* The books begin with what was asked for. */
static void
begin_books(struct wr_reader *r, const struct wr_reader_opts *opts)
{
	uint64_t asked = r->seq;

	memset(r->lost, 0, sizeof(r->lost));
	r->lost_now = r->aborted = 0;
	/* A number that does not exist yet is one to come. */
	if (opts->begin <= r->seq) {
		asked = opts->asked;
		miss(r, WR_LOST_GONE, opts->begin - opts->asked);
		miss(r, WR_LOST_BEHIND, r->seq - opts->begin);
	}
	r->unsaid = true;
	wr_stat_set(&r->slot->from, asked);
	wr_reader_say(r);
}

static int
reserve(struct wr_reader *r, const struct wr_reader_opts *opts)
{
	if (wr_store_is_foreign(r->store)) {
		r->populated = calloc(1, r->store->seg_count / 8 + 1);
		if (!r->populated)
			return -WEIR_E_ENV_MEMORY;
	}
	if (opts->policy == WEIR_LATEST && opts->key_size > 0) {
		r->newest = wr_conflate_new(opts->key_offset, opts->key_size);
		if (!r->newest)
			return -WEIR_E_ENV_MEMORY;
	}
	return 0;
}

/* Enters at place and walks to where it is to begin. Who is not waited for may come too
 * late for the place: it begins with what is left. */
static int
stand(struct wr_reader *r, uint64_t place, const struct wr_reader_opts *opts)
{
	const struct wr_segment *seg;
	bool past = opts->begin != UINT64_MAX;

	if (wr_place_seg(place) >= r->store->seg_count)
		return -WEIR_E_PEER_PROTOCOL;
	if (!enter_place(r, place)) {
		if (!past && opts->policy != WEIR_LATEST)
			return -WEIR_E_PEER_PROTOCOL;
		r->seq = past ? opts->begin : 0;
		return overrun(r);
	}
	seg = (const struct wr_segment *)(const void *)r->seg;
	r->seq = wr_load_relaxed(read_base, &seg->base);
	return walk_to(r, opts->begin);
}

/* The shorter of what the topic and the subscription ask for. */
static uint64_t
shorter(uint64_t a, uint64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

int
wr_reader_init(struct wr_reader *r, struct wr_store *store, struct wr_slot *slot,
	uint64_t place, const struct wr_reader_opts *opts)
{
	int rc;

	memset(r, 0, sizeof(*r));
	/* Ours before the walk, which may lead into the stream's next region. */
	r->store = wr_store_ref(store);
	r->slot = slot;
	r->holds = opts->holds;
	r->room_bell = opts->room_bell;
	r->policy = opts->policy;
	r->shown = UINT64_MAX;
	r->ttl_ns = shorter(opts->ttl_ns, store->hdr->ttl_ns);
	r->seg_bytes = store->seg_bytes;
	r->seat = opts->seat;
	(void)wr_reader_charged_ns(r); /* a row that stood was told of that before */
	rc = reserve(r, opts);
	if (rc < 0)
		goto fail;
	rc = stand(r, place, opts);
	if (rc < 0)
		goto fail;
	begin_books(r, opts);
	return 0;

fail:
	wr_reader_fini(r);
	r->over = false;
	return rc;
}

void
wr_reader_fini(struct wr_reader *r)
{
	for (uint32_t k = 0; k < r->holds; k++)
		wr_store_unref(r->held[k].store);
	wr_store_unref(r->store);
	wr_conflate_free(r->newest);
	free(r->kept);
	free(r->populated);
	memset(r, 0, sizeof(*r));
	r->over = true;
}

void
wr_reader_adopt(struct wr_reader *r)
{
	wr_stat_set(&r->slot->tid, wr_sched_self());
}

void
wr_reader_slot_clear(struct wr_slot *slot)
{
	uint64_t steps = open_books(slot);

	for (uint32_t k = 0; k < WEIR_HOLDS_MAX; k++)
		wr_store_release(hold_clear, &slot->hold[k], 0);
	wr_store_release(detach_cur, &slot->cur, 0);
	wr_stat_set(&slot->passed, 0);
	wr_stat_set(&slot->delivered, 0);
	wr_stat_set(&slot->held, 0);
	wr_stat_set(&slot->aborted, 0);
	wr_stat_set(&slot->bytes, 0);
	wr_stat_set(&slot->at, 0);
	wr_stat_set(&slot->at_off, 0);
	for (int why = 0; why < WR_LOSTS; why++)
		wr_stat_set(&slot->lost[why], 0);
	wr_stat_set(&slot->from, 0);
	wr_stat_set(&slot->tid, 0);
	wr_stat_set(&slot->hindered_ns, 0);
	wr_stat_set(&slot->stream, 0);
	wr_store_release(books_even, &slot->steps, steps);
}

void
wr_reader_bereave(struct wr_reader *r)
{
	wr_store_release(end_dead, &r->dead, 1);
}

void
wr_reader_put_off(struct wr_reader *r)
{
	wr_store_relaxed(gone_say, &r->gone, 1);
}

/* ---- holds -------------------------------------------------------------------------------------- */

/* Notes that a message is held once more. */
static int
keep(struct wr_reader *r, uint64_t seq)
{
	for (uint32_t i = r->kept_count; i-- > 0;)
		if (r->kept[i].seq == seq) {
			r->kept[i].count++;
			return 0;
		}
	if (r->kept_count == r->kept_size) {
		uint32_t size = r->kept_size ? r->kept_size * 2 : 16;
		struct wr_kept *kept = realloc(r->kept, size * sizeof(*kept));

		if (!kept)
			return -WEIR_E_ENV_MEMORY;
		r->kept = kept;
		r->kept_size = size;
	}
	r->kept[r->kept_count++] = (struct wr_kept){seq, 1};
	return 0;
}

/* And once less; false if it is not held. */
static bool
unkeep(struct wr_reader *r, uint64_t seq)
{
	uint32_t i = r->kept_count;

	while (i > 0 && r->kept[i - 1].seq != seq)
		i--;
	if (i == 0)
		return false;
	if (--r->kept[i - 1].count > 0)
		return true;
	r->kept[i - 1] = r->kept[--r->kept_count];
	if (seq < r->seq) {
		r->kept_passed--;
		r->delivered++;
	}
	return true;
}

/* The place of a hold on the present segment, or one that is free; NULL: neither. */
static struct wr_held *
place_of_hold(struct wr_reader *r)
{
	struct wr_held *spare = NULL;

	for (uint32_t k = 0; k < r->holds; k++) {
		if (r->held[k].count > 0 && r->held[k].ord == r->ord)
			return &r->held[k];
		if (r->held[k].count == 0 && !spare)
			spare = &r->held[k];
	}
	return spare;
}

int
wr_reader_hold(struct wr_reader *r, uint64_t seq, uint64_t *ord)
{
	struct wr_held *held = place_of_hold(r);
	int rc;

	if (!held)
		return -WEIR_E_AGAIN_HOLDS;
	rc = keep(r, seq);
	if (rc < 0)
		return rc;
	*ord = r->ord;
	if (held->count++ > 0)
		return 0;
	held->ord = r->ord;
	held->store = wr_store_ref(r->store);
	/* Before the cursor moves on (enter_cur, release): who no longer sees us announce
	 * the segment sees that we hold it. */
	if (!WR_MUTANT(REUSE_CURBEFOREHOLD))
		wr_store_release(hold_set, &r->slot->hold[held - r->held], r->ord);
	return 0;
}

int
wr_reader_release(struct wr_reader *r, uint64_t seq, uint64_t ord)
{
	for (uint32_t k = 0; k < r->holds; k++) {
		struct wr_held *held = &r->held[k];

		if (held->count == 0 || held->ord != ord)
			continue;
		if (!unkeep(r, seq))
			break;
		wr_reader_say(r);
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
