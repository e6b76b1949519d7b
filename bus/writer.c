/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/writer.h"

#include <errno.h>
#include <string.h>

#include "bus/error.h"
#include "bus/mutant.h"

enum {
	PINS_MIN = 32 * (1 + WEIR_HOLDS_DEFAULT), /* readers that a first region serves */
	PACE_COMMITS = 64,        /* commits between two looks at the pace */
	PACE_FAST_NS = 64 * 1000, /* above a million a second: sleepers fence for us */
	PACE_SLOW_NS = 64 * 2000, /* below half of it: we fence for ourselves */
	RINGS_OWN = 8             /* sleepers that a commit rings itself */
};

static const wr_a64 nobody; /* the flag of a place that is not taken: never asleep */

static struct wr_frame *
frame_at(const struct wr_writer *w, uint32_t off)
{
	return (struct wr_frame *)(void *)(w->seg_mem + off);
}

static struct wr_frame *
frame_of(const struct wr_seg *seg, uint32_t off)
{
	return (struct wr_frame *)(void *)(wr_store_seg(seg->zone->store, seg->index) +
		off);
}

static struct wr_stream_hdr *
header(const struct wr_writer *w)
{
	return w->pool.zone->store->hdr;
}

/* Readers may still stand in the regions that the stream has left. */
#define FOR_EACH_HEADER(hdr, w) \
	for (struct wr_zone *zone_ = (w)->pool.zone; zone_; zone_ = zone_->older) \
		for (struct wr_stream_hdr *hdr = zone_->store->hdr; hdr; hdr = NULL)

/* The data path works on the head segment from here on. */
static void
stand_in_head(struct wr_writer *w)
{
	const struct wr_seg *head = w->pool.head;
	const struct wr_store *store = head->zone->store;

	w->seg_mem = wr_store_seg(store, head->index);
	w->off = store->first;
	w->end = store->seg_bytes - WR_FRAME;
}

/* ---- lifecycle ------------------------------------------------------------------------- */

int
wr_writer_init(
	struct wr_writer *w, const struct wr_writer_opts *opts, struct weir_error *err)
{
	struct wr_store *store;
	int rc;

	memset(w, 0, sizeof(*w));
	w->plan = opts->plan;
	wr_name_copy(w->topic, opts->plan.topic);
	wr_name_copy(w->type, opts->plan.type ? opts->plan.type : "");
	w->plan.topic = w->topic;
	w->plan.type = w->type;
	w->plan.first_ord = 1;
	if (w->plan.pins == 0)
		w->plan.pins = PINS_MIN;
	w->ops = opts->ops;
	w->stamp = opts->stamp;
	w->align = w->plan.geo.align;
	w->max_message = w->plan.geo.max_message;
	w->open_free = UINT64_MAX;
	w->heavy_ready = wr_heavy_register();
	w->fences = true;
	for (int i = 0; i < WR_WAKES_MAX; i++)
		wr_store_relaxed(wake_list, &w->wake_flag[i], &nobody);
	wr_clock_init(&w->clock);
	w->pace_ns = wr_clock_now(&w->clock);

	rc = wr_store_create(&store, &w->plan, err);
	if (rc < 0)
		return rc;
	wr_store_relaxed(mode_fence, &store->hdr->fences, 1);
	rc = wr_pool_init(&w->pool, store, &w->plan.geo, err);
	if (rc < 0) {
		wr_store_unref(store);
		return rc;
	}
	pthread_mutex_init(&w->lock, NULL);
	wr_room_init(&w->room, opts->cap_ns ? opts->cap_ns : WR_STALL_CAP_NS);
	stand_in_head(w);
	return 0;
}

void
wr_writer_fini(struct wr_writer *w)
{
	wr_room_fini(w);
	wr_pool_fini(&w->pool);
	wr_store_unref(w->next);
	wr_gate_fini(&w->gate);
	pthread_mutex_destroy(&w->lock);
}

/* ---- waking ---------------------------------------------------------------------------- */

/* The bell that belongs to a flag that was looked at; NULL if the place has gone to another
 * node since. Whoever is new there looks for itself when it begins. */
static struct wr_bell *
bell_of(struct wr_writer *w, uint64_t i, const wr_a64 *flag)
{
	struct wr_bell *bell = wr_load_acquire(wake_list, &w->wake_bell[i]);

	return wr_load_relaxed(wake_list, &w->wake_flag[i]) == flag ? bell : NULL;
}

/* The epoch in which a node sleeps and was not rung for it, or 0; *bell rings it. */
static uint64_t
due(struct wr_writer *w, uint64_t i, struct wr_bell **bell)
{
	const wr_a64 *flag = wr_load_acquire(wake_list, &w->wake_flag[i]);
	uint64_t epoch = wr_load_relaxed(wake_look, flag);

	*bell = bell_of(w, i, flag);
	if (!*bell)
		return 0;
	if ((epoch & 1) == 0) {
		if (WR_MUTANT(WAKE_BOOLRUNG))
			wr_store_relaxed(wake_rung, &(*bell)->rung, 0);
		return 0;
	}
	return wr_load_relaxed(wake_rung, &(*bell)->rung) == epoch ? 0 : epoch;
}

/*
 * A few sleepers are rung here, one after the other: by way of the steward they would
 * wake half as late again. Of many only the first, and the steward rings the rest: what a
 * message costs its publisher does not grow with them.
 */
static WR_COLD void
wake_sleepers(struct wr_writer *w, uint64_t count)
{
	struct wr_bell *bell;
	uint64_t sleepers = 0;
	bool many;

	for (uint64_t i = 0; i < count; i++)
		sleepers += due(w, i, &bell) != 0;
	many = sleepers > RINGS_OWN && w->ops.relay;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t epoch = due(w, i, &bell);

		if (epoch == 0 || !wr_bell_ring_epoch(bell, epoch))
			continue;
		w->rings++;
		if (many || WR_MUTANT(WAKE_TREE))
			break;
	}
	if (many)
		w->ops.relay(w->ops.ctx);
}

/* After every store that can make a frame visible. */
static void
look_at_flags(struct wr_writer *w)
{
	uint64_t count, any = 0;

	/* Dekker with sleep_fence: either the sleeper sees the frame, or we see its flag. */
	if (!WR_MUTANT(WAKE_NOPFENCE)) {
		if (w->fences)
			wr_fence_sc(wake_fence);
		else
			wr_fence_light(wake_light); /* <-> sleep_heavy */
	}
	/* The list too is read behind the fence: who joins enters it, then looks. */
	count = wr_load_acquire(wake_list, &w->wake_count);
	for (uint64_t i = 0; i < count; i++) {
		const wr_a64 *flag = wr_load_acquire(wake_list, &w->wake_flag[i]);

		any |= wr_load_relaxed(wake_look, flag);
	}
	if (__builtin_expect((any & 1) != 0, 0))
		wake_sleepers(w, count);
}

unsigned
wr_writer_relay(struct wr_writer *w)
{
	uint64_t count = wr_load_acquire(wake_list, &w->wake_count);
	unsigned rang = 0;

	for (uint64_t i = 0; i < count; i++) {
		const wr_a64 *flag = wr_load_acquire(wake_list, &w->wake_flag[i]);
		uint64_t epoch = wr_load_relaxed(relay_look, flag);
		struct wr_bell *bell = bell_of(w, i, flag);

		if (bell && (epoch & 1) != 0)
			rang += wr_bell_ring_epoch(bell, epoch);
	}
	return rang;
}

int
wr_writer_wake_add(struct wr_writer *w, const wr_a64 *flag, struct wr_bell *bell)
{
	uint64_t count = wr_load_relaxed(wake_list, &w->wake_count);
	uint64_t place = count;

	for (uint64_t i = 0; i < count; i++) {
		const wr_a64 *there = wr_load_relaxed(wake_list, &w->wake_flag[i]);

		if (there == flag)
			return 0;
		if (there == &nobody && place == count)
			place = i;
	}
	if (place == WR_WAKES_MAX)
		return -WEIR_E_AGAIN_QUOTA;
	wr_store_release(wake_list, &w->wake_bell[place], bell);
	wr_store_release(wake_list, &w->wake_flag[place], flag);
	if (place == count)
		wr_store_release(wake_list, &w->wake_count, count + 1);
	return 0;
}

void
wr_writer_wake_remove(struct wr_writer *w, struct wr_bell *bell)
{
	uint64_t count = wr_load_relaxed(wake_list, &w->wake_count);

	for (uint64_t i = 0; i < count; i++)
		if (wr_load_relaxed(wake_list, &w->wake_bell[i]) == bell)
			wr_store_release(wake_list, &w->wake_flag[i], &nobody);
}

/*
 * Who pays for the Dekker pair of sleeping: at a slow pace the publisher's fence costs
 * little and saves each sleeper a system call; at a fast pace nobody sleeps, and a fence
 * per message would stall on the store buffer. Readers ask the word before they sleep.
 */
static WR_COLD void
keep_pace(struct wr_writer *w, uint64_t now)
{
	uint64_t took = now - w->pace_ns;

	w->pace_count = 0;
	w->pace_ns = now;
	if (w->fences && w->heavy_ready && took < PACE_FAST_NS) {
		FOR_EACH_HEADER(hdr, w)
		wr_store_relaxed(mode_light, &hdr->fences, 0);
		/* Who read 1 before this fence has raised its flag before it too. */
		if (!WR_MUTANT(WAKE_MODENOFENCE))
			wr_fence_sc(mode_full);
		w->fences = false;
	} else if (!w->fences && took > PACE_SLOW_NS) {
		/* Release: who reads 1 sees what was committed without a fence. */
		FOR_EACH_HEADER(hdr, w)
		wr_store_release(mode_fence, &hdr->fences, 1);
		w->fences = true;
	}
}

/* ---- rollover --------------------------------------------------------------------------- */

/* A region that has room for what the readers may pin. */
static int
make_next(struct wr_writer *w, struct weir_error *err)
{
	if (w->gate.pins * 2 > w->plan.pins)
		w->plan.pins = w->gate.pins * 2;
	w->plan.first_ord = w->pool.head_ord + 1;
	return wr_store_create(&w->next, &w->plan, err);
}

static bool
tell_next(struct wr_writer *w)
{
	w->untold = w->ops.moving && w->ops.moving(w->ops.ctx, w, w->next) < 0;
	return !w->untold;
}

/* Perhaps who was not told of the next region can be told by now. */
void
wr_writer_tell_again(struct wr_writer *w)
{
	pthread_mutex_lock(&w->lock);
	if (w->untold)
		(void)tell_next(w);
	pthread_mutex_unlock(&w->lock);
}

/* A fresh region would have room for a segment: to move into a full window is no help. And
 * one move after the other: whoever found no memory behind the last one goes on there. */
static bool
worth_moving(const struct wr_writer *w)
{
	return w->pool.head_ord - w->pool.oldest + 1 < wr_geometry_live(&w->plan.geo) &&
		w->pool.zone == w->pool.head->zone;
}

/*
 * Goes on in a fresh region. AGAIN_FULL: not now, or not yet, since somebody that is waited
 * for has not got its descriptor. Every such reader has it before it can need it, even if
 * we die with the next store: what a socket would not take would die with us. That reader
 * may be stopped for long, and is waited for only when the window is full, as ever.
 *
 * The region that some were told of is the one that they expect: it is never another.
 */
static int
move(struct wr_writer *w, struct weir_error *err)
{
	struct wr_store *left = w->pool.zone->store;
	int rc = 0;

	if (!worth_moving(w))
		return -WEIR_E_AGAIN_FULL;
	if (!w->next)
		rc = make_next(w, err);
	if (rc < 0)
		return rc;
	if (!WR_MUTANT(MOVE_LINKFIRST) && !tell_next(w))
		return -WEIR_E_AGAIN_FULL;
	rc = wr_pool_move(&w->pool, w->next, &w->plan.geo);
	if (rc < 0)
		return wr_error_set(
			err, -rc, 0, "no memory for the books of a larger region");
	wr_store_relaxed(mode_fence, &w->next->hdr->fences, w->fences);
	wr_room_say_charges(w);
	wr_store_follow(left, wr_store_ref(w->next));
	w->next = NULL;
	return 0;
}

/* The present region was made for fewer pins than the rows were granted, or for a smaller
 * window than was asked for since. */
static bool
outgrown(const struct wr_writer *w)
{
	const struct wr_store *store = w->pool.zone->store;

	return w->pool.geo.window_segs < w->plan.geo.window_segs ||
		store->seg_count <
		wr_geometry_segs(&w->plan.geo, w->gate.pins < 1 ? 1 : w->gate.pins);
}

static int
roll_locked(struct wr_writer *w, struct weir_error *err)
{
	uint64_t needed = wr_room_read(w);
	struct wr_seg *seg = NULL;
	bool moved;
	int rc = 0;

	needed = wr_room_admit(w, needed);
	if (w->gate.blockers > 0)
		return -WEIR_E_AGAIN_FULL;
	/* Late and detached readers live from what is not retired yet. */
	wr_pool_reclaim(&w->pool, &w->gate, needed, w->gate.detached == 0);
	if (outgrown(w))
		rc = move(w, err);
	if (rc == 0 || rc == -WEIR_E_AGAIN_FULL)
		seg = wr_pool_take(&w->pool, &rc, err);
	if (!seg && rc == -WEIR_E_AGAIN_QUOTA) {
		rc = move(w, err);
		if (rc == 0)
			seg = wr_pool_take(&w->pool, &rc, err);
	}
	if (!seg)
		return rc;
	/* Maybe since an earlier try, which found no memory for the segment. */
	moved = seg->zone != w->pool.head->zone;

	wr_stat_set(&header(w)->stat_published, w->published);
	wr_stat_set(&header(w)->stat_aborted, w->aborted);
	wr_pool_advance(&w->pool, seg, w->seq, w->off);
	if (moved && w->ops.moving && WR_MUTANT(MOVE_LINKFIRST))
		(void)w->ops.moving(w->ops.ctx, w, seg->zone->store);
	stand_in_head(w);
	wr_room_over(w);
	return 0;
}

static WR_COLD int
roll(struct wr_writer *w, struct weir_error *err)
{
	int rc;

	pthread_mutex_lock(&w->lock);
	rc = roll_locked(w, err);
	if (rc == -WEIR_E_AGAIN_FULL && wr_room_kept_by_claim(w))
		rc = -WEIR_E_AGAIN_CLAIMS;
	pthread_mutex_unlock(&w->lock);
	/* The roll frame too is something that a sleeper waits for: its cursor gates. */
	if (rc == 0)
		look_at_flags(w);
	return rc;
}

/* ---- claims ------------------------------------------------------------------------------ */

static uint64_t
claim_name(uint32_t place, uint32_t use)
{
	return (uint64_t)use << 8 | place;
}

static struct wr_open *
claim_find(struct wr_writer *w, const weir_claim_t *claim)
{
	uint32_t place = (uint32_t)(claim->opaque & 0xff);
	struct wr_open *open = &w->open[place % WEIR_CLAIMS_MAX];

	if (place >= WEIR_CLAIMS_MAX || (w->open_free >> place & 1) != 0 ||
		open->use != (uint32_t)(claim->opaque >> 8) || claim->len > open->len)
		return NULL;
	return open;
}

/* Puts one frame at the frontier. There is room and a free place. */
static void
claim_place(struct wr_writer *w, uint32_t len, uint32_t extent, weir_claim_t *claim)
{
	uint32_t place = (uint32_t)__builtin_ctzll(w->open_free);
	struct wr_open *open = &w->open[place];
	struct wr_frame *frame = frame_at(w, w->off);

	/* The next frontier first: a reader always stops at an uncommitted frame, and what
	 * lies behind is old. Then the mark, which lets readers step over us if we die. */
	if (!WR_MUTANT(FRAMES_NOZERO) && !WR_MUTANT(FRAMES_ZEROATCOMMIT)) {
		if (WR_MUTANT(FRAMES_NOMARKZERO))
			wr_store_relaxed(claim_zero,
				(wr_a32 *)(void *)frame_at(w, w->off + extent), 0);
		else
			wr_store_relaxed(
				claim_zero, &frame_at(w, w->off + extent)->word, 0);
	}
	wr_order_compiler();
	wr_store_relaxed(claim_mark, &frame->word, wr_word(WR_OPEN, len, 0));

	w->open_free &= w->open_free - 1;
	open->seg = w->pool.head;
	open->frame = frame;
	wr_stat_add(&open->seg->open, 1);
	open->off = w->off;
	open->extent = extent;
	open->len = len;
	open->use++;
	open->seq = w->seq++;
	w->off += extent;
	claim->data = frame + 1;
	claim->len = len;
	claim->seq = open->seq;
	claim->opaque = claim_name(place, open->use);
}

int
wr_writer_claim(
	struct wr_writer *w, size_t len, weir_claim_t *claim, struct weir_error *err)
{
	uint32_t extent;

	if (len > w->max_message)
		return -WEIR_E_USAGE_TOOBIG;
	if (w->open_free == 0)
		return -WEIR_E_AGAIN_CLAIMS;
	extent = wr_extent((uint32_t)len, w->align);
	if (__builtin_expect(w->off + extent > w->end, 0)) {
		int rc = roll(w, err);

		if (rc < 0)
			return rc;
	}
	claim_place(w, (uint32_t)len, extent, claim);
	return 0;
}

int
wr_writer_claim_n(struct wr_writer *w, size_t len, weir_claim_t *claims, size_t count,
	struct weir_error *err)
{
	size_t got = 0;
	int rc = 0;

	if (count > (size_t)__builtin_popcountll(w->open_free))
		return -WEIR_E_AGAIN_CLAIMS;
	while (got < count) {
		rc = wr_writer_claim(w, len, &claims[got], err);
		if (rc < 0)
			break;
		got++;
	}
	if (rc < 0)
		while (got > 0)
			(void)wr_writer_abort(w, &claims[--got]);
	return rc;
}

static void
claim_done(struct wr_writer *w, struct wr_open *open)
{
	wr_stat_set(&open->seg->open, wr_stat_get(&open->seg->open) - 1);
	w->open_free |= 1ull << (open - w->open);
}

/* True if nothing was claimed behind it. */
static bool
is_last(const struct wr_writer *w, const struct wr_open *open)
{
	return open->seg == w->pool.head && open->off + open->extent == w->off;
}

/* Gives the tail of a claim back: to the frontier if nothing is behind, else as filling,
 * complete before the frame that it follows can be seen. */
static WR_COLD void
shrink(struct wr_writer *w, struct wr_open *open, uint32_t extent)
{
	struct wr_frame *rest = frame_of(open->seg, open->off + extent);
	bool last = is_last(w, open);

	if (WR_MUTANT(FRAMES_SHRINKZERO) || last) {
		if (!WR_MUTANT(FRAMES_SHRINK))
			wr_store_relaxed(shrink_zero, &rest->word, 0);
		if (last)
			w->off = open->off + extent;
	} else if (!WR_MUTANT(FRAMES_SHRINK)) {
		wr_store_relaxed(shrink_fill, &rest->word,
			wr_word(WR_FILL, 0, open->extent - extent));
	}
	open->extent = extent;
}

/* Makes one frame visible, without looking at flags. */
static void
commit_place(struct wr_writer *w, struct wr_open *open, uint32_t len, uint64_t now)
{
	struct wr_frame *frame = open->frame;

	if (__builtin_expect(len != open->len, 0) &&
		wr_extent(len, w->align) < open->extent)
		shrink(w, open, wr_extent(len, w->align));
	if (WR_MUTANT(FRAMES_ZEROATCOMMIT))
		wr_store_relaxed(claim_zero,
			&frame_of(open->seg, open->off + open->extent)->word, 0);
	wr_store_relaxed(commit_stamp, &frame->stamp, now);
	wr_store_release(commit_len, &frame->word, /* -> read_len */
		wr_word(WR_DATA, len, open->extent));
	claim_done(w, open);
	wr_stat_add(&open->seg->messages, 1);
	w->published++;
	w->bytes += len;
}

static uint64_t
stamp_now(struct wr_writer *w, uint32_t commits)
{
	uint64_t now = 0;

	w->pace_count += commits;
	if (w->stamp != WEIR_STAMP_OFF || w->pace_count >= PACE_COMMITS)
		now = wr_clock_now(&w->clock);
	if (w->pace_count >= PACE_COMMITS)
		keep_pace(w, now);
	return w->stamp == WEIR_STAMP_OFF ? 0 : now;
}

int
wr_writer_commit(struct wr_writer *w, weir_claim_t *claim)
{
	struct wr_open *open = claim_find(w, claim);

	if (!open)
		return -WEIR_E_USAGE_CLAIM;
	commit_place(w, open, (uint32_t)claim->len, stamp_now(w, 1));
	look_at_flags(w);
	claim->data = NULL;
	return 0;
}

int
wr_writer_commit_n(struct wr_writer *w, weir_claim_t *claims, size_t count)
{
	uint64_t named = 0, now = 0;

	/* Each is open and named once, or nothing changes. */
	for (size_t i = 0; i < count; i++) {
		const struct wr_open *open = claim_find(w, &claims[i]);
		uint64_t bit = open ? 1ull << (open - w->open) : 0;

		if (!open || (named & bit) != 0)
			return -WEIR_E_USAGE_CLAIM;
		named |= bit;
	}
	for (size_t i = 0; i < count; i++) {
		struct wr_open *open = claim_find(w, &claims[i]);

		if (i == 0 || w->stamp == WEIR_STAMP_EACH)
			now = stamp_now(w, i == 0 ? 1 : 0);
		commit_place(w, open, (uint32_t)claims[i].len, now);
		claims[i].data = NULL;
	}
	w->pace_count += (uint32_t)count;
	if (count > 0)
		look_at_flags(w);
	return 0;
}

int
wr_writer_abort(struct wr_writer *w, weir_claim_t *claim)
{
	struct wr_open *open;
	struct wr_frame *frame;

	claim->len = 0;
	open = claim_find(w, claim);
	if (!open)
		return -WEIR_E_USAGE_CLAIM;
	frame = frame_of(open->seg, open->off);
	if (is_last(w, open) || WR_MUTANT(FRAMES_REWIND)) {
		/* As if it had never been: the mark goes, and the number is used again. */
		wr_store_relaxed(abort_zero, &frame->word, 0);
		w->off = open->off;
		w->seq--;
	} else {
		wr_store_release(abort_fill, &frame->word,
			wr_word(WR_ABORTED, open->len, open->extent));
		w->aborted++;
	}
	claim_done(w, open);
	/* What was committed behind it may be visible only now. */
	look_at_flags(w);
	claim->data = NULL;
	return 0;
}

void
wr_writer_end(struct wr_writer *w)
{
	if (w->closed)
		return;
	w->closed = true;
	for (int i = WEIR_CLAIMS_MAX - 1; i >= 0; i--) {
		weir_claim_t claim = {.opaque = claim_name((uint32_t)i, w->open[i].use)};

		if ((w->open_free >> i & 1) == 0)
			(void)wr_writer_abort(w, &claim);
	}
	pthread_mutex_lock(&w->lock);
	wr_stat_set(&header(w)->stat_published, w->published);
	wr_stat_set(&header(w)->stat_aborted, w->aborted);
	FOR_EACH_HEADER(hdr, w)
	wr_store_release(end_close, &hdr->closed, 1); /* -> end_look */
	pthread_mutex_unlock(&w->lock);
	wr_fence_sc(wake_fence);
	(void)wr_writer_relay(w);
}

int
wr_writer_grow(struct wr_writer *w, uint64_t window_bytes)
{
	uint64_t seg_bytes = w->plan.geo.seg_bytes;
	uint64_t segs = window_bytes / seg_bytes + (window_bytes % seg_bytes != 0);

	if (segs >= 1u << (WR_PLACE_SEG_BITS - 1))
		return -WEIR_E_USAGE_INVAL;
	pthread_mutex_lock(&w->lock);
	if (segs > w->plan.geo.window_segs) {
		w->plan.geo.window_segs = (uint32_t)segs;
		w->plan.geo.window_bytes = segs * seg_bytes;
	}
	pthread_mutex_unlock(&w->lock);
	return 0;
}
