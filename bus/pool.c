/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/pool.h"

#include <stdlib.h>

#include "bus/error.h"
#include "bus/mutant.h"

static struct wr_segment *
shared(const struct wr_seg *seg)
{
	return wr_store_seg_hdr(seg->zone->store, seg->index);
}

static struct wr_frame *
frame_at(const struct wr_seg *seg, uint32_t offset)
{
	return (struct wr_frame *)(void *)(wr_store_seg(seg->zone->store, seg->index) +
		offset);
}

/* ---- zones --------------------------------------------------------------------------- */

static struct wr_zone *
zone_new(struct wr_store *store)
{
	struct wr_zone *zone = calloc(1, sizeof(*zone));

	if (!zone)
		return NULL;
	zone->segs = calloc(store->seg_count, sizeof(*zone->segs));
	if (!zone->segs) {
		free(zone);
		return NULL;
	}
	for (uint32_t i = 0; i < store->seg_count; i++) {
		zone->segs[i].zone = zone;
		zone->segs[i].index = i;
	}
	zone->store = store;
	return zone;
}

static void
zone_free(struct wr_zone *zone)
{
	wr_store_unref(zone->store);
	free(zone->segs);
	free(zone);
}

/* One segment fewer in use; the last one of a region that the stream has left frees it. */
static void
zone_drop(struct wr_pool *pool, struct wr_zone *zone)
{
	zone->used--;
	if (zone->used > 0)
		return;
	for (struct wr_zone *newer = pool->zone; newer; newer = newer->older) {
		if (newer->older != zone)
			continue;
		newer->older = zone->older;
		zone_free(zone);
		return;
	}
}

/* ---- lifecycle ------------------------------------------------------------------------ */

/* Grows the circle of live segments and the two lists to hold what a zone can have. */
static int
lists_fit(struct wr_pool *pool, uint32_t segs)
{
	uint32_t want = pool->limbo_size + segs;
	struct wr_seg **live = calloc(want + 2, sizeof(*live));
	struct wr_seg **limbo = realloc(pool->limbo, want * sizeof(*limbo));
	struct wr_pin *pins = realloc(pool->pins, want * sizeof(*pins));
	struct wr_seg **spare;

	if (pins)
		pool->pins = pins;
	if (limbo)
		pool->limbo = limbo;
	spare = realloc(pool->free, want * sizeof(*spare));
	if (spare)
		pool->free = spare;
	if (!live || !limbo || !pins || !spare) {
		free(live);
		return -WEIR_E_ENV_MEMORY;
	}
	for (uint64_t ord = pool->oldest; pool->head && ord <= pool->head_ord; ord++)
		live[ord % (want + 2)] = pool->live[ord % pool->live_size];
	free(pool->live);
	pool->live = live;
	pool->live_size = want + 2;
	pool->limbo_size = pool->free_size = want;
	return 0;
}

/* Tells the readers of its region where the live log begins. */
static void
hint_oldest(const struct wr_seg *oldest)
{
	wr_store_release(roll_oldest, &oldest->zone->store->hdr->oldest,
		wr_place(oldest->ord, oldest->index));
}

int
wr_pool_init(struct wr_pool *pool, struct wr_store *store,
	const struct wr_geometry *geo, struct weir_error *err)
{
	struct wr_seg *first;
	int rc;

	*pool = (struct wr_pool){.geo = *geo};
	rc = wr_region_reserve(&store->region,
		(uint64_t)(store->segs - store->region.mem), store->seg_bytes, err);
	if (rc < 0)
		return rc;
	pool->zone = zone_new(store);
	if (!pool->zone || lists_fit(pool, store->seg_count) < 0) {
		if (pool->zone) {
			free(pool->zone->segs);
			free(pool->zone);
			pool->zone = NULL;
		}
		return wr_error_set(
			err, WEIR_E_ENV_MEMORY, 0, "no memory for a stream's books");
	}
	first = &pool->zone->segs[0];
	first->ord = store->first_ord;
	pool->zone->touched = 1;
	pool->zone->used = 1;
	pool->head = first;
	pool->head_ord = pool->oldest = first->ord;
	pool->live[first->ord % pool->live_size] = first;

	wr_store_relaxed(roll_zero, &frame_at(first, store->first)->word, 0);
	wr_store_relaxed(roll_base, &shared(first)->base, 0);
	wr_store_release(roll_ord, &shared(first)->ord, first->ord);
	wr_store_release(roll_head, &store->hdr->head, wr_place(first->ord, 0));
	hint_oldest(first);
	return 0;
}

void
wr_pool_fini(struct wr_pool *pool)
{
	struct wr_zone *zone = pool->zone;

	if (!zone)
		return;
	while (zone) {
		struct wr_zone *older = zone->older;

		zone_free(zone);
		zone = older;
	}
	free(pool->live);
	free(pool->limbo);
	free(pool->pins);
	free(pool->free);
	*pool = (struct wr_pool){0};
}

/* ---- reuse ----------------------------------------------------------------------------- */

/* Clears the ordinal of the oldest live segment: from here on nobody can enter it. */
static void
retire_oldest(struct wr_pool *pool)
{
	struct wr_seg *seg = pool->live[pool->oldest % pool->live_size];

	/* The hint first: if we die between the two it names a live segment, and whoever is
	 * overrun finds what is left instead of taking it for lost. */
	pool->oldest++;
	hint_oldest(pool->live[pool->oldest % pool->live_size]);
	if (!WR_MUTANT(REUSE_LATECLEAR))
		wr_store_relaxed(roll_retire, &shared(seg)->ord, 0); /* -> enter_check */
	pool->limbo[pool->limbo_count++] = seg;
}

static void
collect(struct wr_pool *pool, struct wr_gate *gate)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < pool->limbo_count; i++)
		pool->pins[i] = (struct wr_pin){.ord = pool->limbo[i]->ord};
	wr_gate_mark(gate, pool->pins, pool->limbo_count);
	for (uint32_t i = 0; i < pool->limbo_count; i++) {
		struct wr_seg *seg = pool->limbo[i];

		if (pool->pins[i].pinned) {
			pool->limbo[kept++] = seg;
			continue;
		}
		seg->ord = 0;
		if (seg->zone == pool->zone)
			pool->free[pool->free_count++] = seg;
		zone_drop(pool, seg->zone);
	}
	pool->limbo_count = kept;
}

static uint64_t
live_segs(const struct wr_pool *pool)
{
	return pool->head_ord - pool->oldest + 1;
}

bool
wr_pool_full(const struct wr_pool *pool)
{
	return live_segs(pool) >= wr_geometry_live(&pool->geo);
}

uint64_t
wr_pool_kept(const struct wr_pool *pool)
{
	uint64_t wanted = pool->geo.keep_messages ? pool->geo.keep_messages : 1;
	uint64_t messages = 0, bytes = 0;
	uint64_t ord = pool->head_ord;

	for (; ord > pool->oldest; ord--) {
		const struct wr_seg *seg = pool->live[ord % pool->live_size];

		messages += wr_stat_get(&seg->messages);
		bytes += seg->bytes;
		if (messages >= wanted && bytes >= pool->geo.keep_bytes)
			break;
	}
	return ord;
}

void
wr_pool_reclaim(struct wr_pool *pool, struct wr_gate *gate, uint64_t needed, bool eager)
{
	uint64_t kept = wr_pool_kept(pool);

	/* The head stays: the publisher writes in it. History yields where there is no other
	 * room, and without `eager` what nobody waits for is left to who reads it late. */
	if (needed > pool->head_ord)
		needed = pool->head_ord;
	while (pool->oldest < needed) {
		bool spare = pool->oldest < kept &&
			(eager || live_segs(pool) >= pool->geo.window_segs);

		if (!spare && !wr_pool_full(pool))
			break;
		if (wr_stat_get(&pool->live[pool->oldest % pool->live_size]->open) > 0 &&
			!WR_MUTANT(REUSE_NOOPEN))
			break; /* our own claim is being written in it */
		retire_oldest(pool);
	}
	if (pool->limbo_count == 0)
		return;
	/* Dekker with enter_fence: either the reader's check sees the cleared ordinal, or
	 * the scan sees its announcement. One fence for the whole batch; pins of limbo
	 * segments only go away, so a later scan needs none. */
	if (!WR_MUTANT(REUSE_NOPFENCE))
		wr_fence_sc(roll_fence);
	collect(pool, gate);
}

bool
wr_pool_has_room(const struct wr_pool *pool)
{
	return !wr_pool_full(pool) &&
		(pool->free_count > 0 ||
			pool->zone->touched < pool->zone->store->seg_count);
}

struct wr_seg *
wr_pool_take(struct wr_pool *pool, int *why, struct weir_error *err)
{
	struct wr_zone *zone = pool->zone;
	struct wr_store *store = zone->store;
	struct wr_seg *seg;

	if (wr_pool_full(pool)) {
		*why = -WEIR_E_AGAIN_FULL;
		return NULL;
	}
	if (pool->free_count > 0)
		return pool->free[--pool->free_count];
	if (zone->touched == store->seg_count) {
		*why = -WEIR_E_AGAIN_QUOTA;
		return NULL;
	}
	seg = &zone->segs[zone->touched];
	*why = wr_region_reserve(&store->region,
		(uint64_t)(wr_store_seg(store, seg->index) - store->region.mem),
		store->seg_bytes, err);
	if (*why < 0)
		return NULL;
	zone->touched++;
	return seg;
}

struct wr_seg *
wr_pool_unsettled(const struct wr_pool *pool)
{
	/* Claims are made in the head alone, and it was made under the lock: elsewhere the
	 * count only falls, so a late look errs towards the older segment. */
	for (uint64_t ord = pool->oldest; ord < pool->head_ord; ord++) {
		struct wr_seg *seg = pool->live[ord % pool->live_size];

		if (wr_stat_get(&seg->open) > 0)
			return seg;
	}
	return pool->head;
}

void
wr_pool_advance(struct wr_pool *pool, struct wr_seg *seg, uint64_t base, uint32_t frontier)
{
	struct wr_store *store = seg->zone->store;
	struct wr_frame *roll = frame_at(pool->head, frontier);
	bool moved = pool->head->zone != seg->zone;
	uint64_t ord = pool->head_ord + 1;

	if (WR_MUTANT(REUSE_LATECLEAR))
		wr_store_relaxed(roll_retire, &shared(seg)->ord, 0);
	if (WR_MUTANT(REUSE_HDRFIRST))
		wr_store_release(roll_ord, &shared(seg)->ord, ord);

	/* The ordinal last: who sees it sees an empty segment (look_check). The fence keeps
	 * these stores behind the clearing of the old ordinal for lookers that do not pin. */
	wr_fence_release(roll_dirty);
	wr_store_relaxed(roll_zero, &frame_at(seg, store->first)->word, 0);
	wr_store_relaxed(roll_base, &shared(seg)->base, base);
	wr_store_release(roll_ord, &shared(seg)->ord, ord); /* -> enter_check */

	pool->head->bytes = frontier - pool->head->zone->store->first;
	seg->ord = ord;
	seg->base = base;
	wr_stat_set(&seg->messages, 0);
	seg->bytes = 0;
	seg->zone->used++;
	pool->live[ord % pool->live_size] = seg;
	pool->head = seg;
	pool->head_ord = ord;
	pool->rolls++;
	wr_store_release(roll_head, &store->hdr->head, wr_place(ord, seg->index));
	if (moved)
		hint_oldest(seg);

	wr_store_relaxed(roll_place, &roll->stamp, wr_place(ord, seg->index));
	wr_store_release(roll_link, &roll->word, /* -> read_len */
		wr_word(moved ? WR_MOVE : WR_ROLL, 0, WR_FRAME));
}

int
wr_pool_move(struct wr_pool *pool, struct wr_store *store, const struct wr_geometry *geo)
{
	struct wr_zone *zone = zone_new(store);

	if (!zone)
		return -WEIR_E_ENV_MEMORY;
	if (lists_fit(pool, store->seg_count) < 0) {
		free(zone->segs);
		free(zone);
		return -WEIR_E_ENV_MEMORY;
	}
	zone->older = pool->zone;
	pool->zone = zone;
	pool->free_count = 0; /* what was free stays behind with its region */
	pool->geo = *geo;
	pool->moves++;
	return 0;
}
