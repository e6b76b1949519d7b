/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The segments of a stream, in the publisher's private books.
 *
 *   untouched -> live -> limbo -> free -> live ...
 *
 * Live segments are one piece of ordinals, oldest..head. They are retired strictly in
 * that order: the ordinal is cleared, then a fence, and only then are the readers' words
 * looked at; a segment that somebody announces or holds stays in limbo. Of the free ones
 * the hottest is used first, so a stream whose readers keep up lives in the cache.
 *
 * Everything here is done under the writer's lock.
 */
#ifndef WR_BUS_POOL_H
#define WR_BUS_POOL_H

#include "bus/gate.h"
#include "bus/store.h"

/* One segment. */
struct wr_seg {
	struct wr_zone *zone;
	uint32_t index;
	wr_a64 open; /* the publisher's own open claims in it; admission reads it too */
	uint64_t ord;    /* while live or in limbo */
	uint64_t base;   /* sequence number of its first claim */
	wr_a64 messages; /* committed in it; admission reads it too */
	uint32_t bytes;  /* of log, once it was left */
};

/* The segments of one region. */
struct wr_zone {
	struct wr_store *store;
	struct wr_seg *segs;
	uint32_t touched; /* segments below this have memory */
	uint32_t used;    /* live or in limbo */
	struct wr_zone *older;
};

struct wr_pool {
	struct wr_zone *zone; /* where new segments come from, then the older ones */
	struct wr_seg *head;
	uint64_t head_ord;
	uint64_t oldest;      /* ordinal of the oldest live segment */
	struct wr_seg **live; /* a circle: ord % live_size */
	uint32_t live_size;
	struct wr_geometry geo; /* of the newest region */
	struct wr_seg **limbo;
	struct wr_pin *pins; /* as many: what is asked of the gate about them */
	uint32_t limbo_count, limbo_size;
	struct wr_seg **free; /* a stack */
	uint32_t free_count, free_size;
	uint64_t rolls, moves;
};

/* Starts with segment 0 of the store live under ordinal first_ord. Takes the store. */
int wr_pool_init(struct wr_pool *pool, struct wr_store *store,
	const struct wr_geometry *geo, struct weir_error *err);
void wr_pool_fini(struct wr_pool *pool);

/*
 * Retires what lies below `needed` and is no history that is to be kept, and collects what
 * nobody pins. Without `eager` only as much as makes room. The head always stays.
 */
void wr_pool_reclaim(
	struct wr_pool *pool, struct wr_gate *gate, uint64_t needed, bool eager);

/* Where the history that is to be kept begins: from here on the segments have as many
 * messages and bytes as the topic asked for, and the last message in any case. */
uint64_t wr_pool_kept(const struct wr_pool *pool);

/* As many segments are live as may be. */
bool wr_pool_full(const struct wr_pool *pool);

/*
 * The next segment: a free one, else one that was never used.
 * NULL with *why: AGAIN_FULL (the window is full), ENV_* (no memory for another one; err
 * is filled), or AGAIN_QUOTA: the window has room but pins have eaten the region, so the
 * stream must move.
 */
struct wr_seg *wr_pool_take(struct wr_pool *pool, int *why, struct weir_error *err);

/* True if wr_pool_take would find one, memory permitting. */
bool wr_pool_has_room(const struct wr_pool *pool);

/*
 * The oldest live segment in which something may still be committed: where a reader must
 * begin to miss nothing that is published from now on.
 */
struct wr_seg *wr_pool_unsettled(const struct wr_pool *pool);

/* Makes seg the head under the next ordinal and links the old head to it. base is the
 * sequence number of its first claim; frontier is where the roll frame goes. */
void wr_pool_advance(
	struct wr_pool *pool, struct wr_seg *seg, uint64_t base, uint32_t frontier);

/* Goes on in a fresh region from the next wr_pool_take. Takes the store. ENV_MEMORY. */
int wr_pool_move(
	struct wr_pool *pool, struct wr_store *store, const struct wr_geometry *geo);

#endif
