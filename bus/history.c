/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/history.h"

static uint64_t
place_of(const struct wr_seg *seg)
{
	return wr_place(seg->ord, seg->index);
}

static const struct wr_seg *
live(const struct wr_pool *pool, uint64_t ord)
{
	return pool->live[ord % pool->live_size];
}

static struct wr_begin
from_now_on(const struct wr_pool *pool)
{
	return (struct wr_begin){
		place_of(wr_pool_unsettled(pool)), UINT64_MAX, UINT64_MAX};
}

static struct wr_begin
from_oldest(const struct wr_pool *pool)
{
	const struct wr_seg *seg = live(pool, pool->oldest);

	return (struct wr_begin){place_of(seg), seg->base, seg->base};
}

/* Steps over so many messages, or to the end; returns how many there were. */
static uint64_t
walk_over(struct wr_walk *walk, uint64_t most)
{
	uint64_t count = 0, word;

	while (count < most && wr_walk_to_message(walk, &word) == 1) {
		wr_walk_pass(walk, word);
		count++;
	}
	return count;
}

/* Over so many messages of a segment; the number behind them. */
static uint64_t
step_over(const struct wr_seg *seg, uint64_t count)
{
	struct wr_walk walk;

	if (!wr_walk_stand(&walk, seg->zone->store, place_of(seg)))
		return seg->base;
	(void)walk_over(&walk, count);
	return walk.seq;
}

/* Fewer are there than were asked for: what else was published has gone. */
static struct wr_begin
from_oldest_of(const struct wr_pool *pool, uint64_t missing)
{
	struct wr_begin begin = from_oldest(pool);

	begin.asked -= missing < begin.asked ? missing : begin.asked;
	return begin;
}

static struct wr_begin
from_last(const struct wr_pool *pool, uint64_t count)
{
	uint64_t there = 0;

	for (uint64_t ord = pool->head_ord; ord >= pool->oldest && count > 0; ord--) {
		const struct wr_seg *seg = live(pool, ord);
		uint64_t seq;

		there += wr_stat_get(&seg->messages);
		if (there < count)
			continue;
		seq = step_over(seg, there - count);
		return (struct wr_begin){place_of(seg), seq, seq};
	}
	return count == 0 ? from_now_on(pool) : from_oldest_of(pool, count - there);
}

static struct wr_begin
from_seq(const struct wr_pool *pool, uint64_t seq)
{
	const struct wr_seg *seg = live(pool, pool->head_ord);

	while (seg->ord > pool->oldest && seg->base > seq)
		seg = live(pool, seg->ord - 1);
	return (struct wr_begin){place_of(seg), seg->base > seq ? seg->base : seq, seq};
}

/* Whoever begins behind a claim that is open would miss what is published from now on. */
static struct wr_begin
not_behind_claims(const struct wr_pool *pool, struct wr_begin begin)
{
	return wr_place_ord(begin.place) > wr_pool_unsettled(pool)->ord
		? from_now_on(pool)
		: begin;
}

struct wr_begin
wr_history_begin(const struct wr_pool *pool, uint64_t stream, const struct wr_terms *terms)
{
	switch (terms->from) {
	case WEIR_FROM_OLDEST:
		return from_oldest(pool);
	case WEIR_FROM_LAST:
		return not_behind_claims(pool, from_last(pool, terms->from_count));
	case WEIR_FROM_SEQ:
		if (terms->from_stream == stream)
			return not_behind_claims(pool, from_seq(pool, terms->from_count));
		return from_now_on(pool);
	default:
		return from_now_on(pool);
	}
}

/* ---- what a publisher left ------------------------------------------------------------------- */

/* Steps to the segment in which a number lies, or to the last one. */
static void
walk_to_seq(struct wr_walk *walk, uint64_t seq)
{
	uint64_t word;

	while (walk->seq < seq && wr_walk_to_message(walk, &word) == 1 && walk->seq < seq)
		wr_walk_pass(walk, word);
}

bool
wr_history_left(const struct wr_store *store, uint64_t stream,
	const struct wr_terms *terms, struct wr_begin *begin)
{
	struct wr_walk oldest, at;
	uint64_t count;

	if (!wr_walk_stand(&oldest, store,
		    wr_load_acquire(overrun_oldest, &store->hdr->oldest)))
		return false;
	at = oldest;
	switch (terms->from) {
	case WEIR_FROM_OLDEST:
		break;
	case WEIR_FROM_LAST:
		count = walk_over(&at, UINT64_MAX);
		at = oldest;
		if (count > terms->from_count)
			(void)walk_over(&at, count - terms->from_count);
		break;
	case WEIR_FROM_SEQ:
		if (terms->from_stream != stream)
			return false;
		walk_to_seq(&at, terms->from_count);
		break;
	default:
		return false;
	}
	/* The reader walks from a segment's start: it is told the number. */
	*begin = (struct wr_begin){
		.place = wr_place(at.ord, at.index), .seq = at.seq, .asked = at.seq};
	if (terms->from == WEIR_FROM_SEQ && terms->from_count < at.seq)
		begin->asked = terms->from_count;
	return true;
}
