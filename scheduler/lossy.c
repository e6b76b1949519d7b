/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/lossy.h"

#include <stdlib.h>
#include <string.h>

enum { TRIES = 32 };

int
wr_lossy_init(struct wr_lossy *l, uint32_t item, uint64_t capacity)
{
	*l = (struct wr_lossy){
		.words = (uint32_t)(wr_fifo_stride(item) / 8), .mask = capacity - 1};
	l->places = calloc(capacity, (1 + (size_t)l->words) * sizeof(*l->places));
	return l->places ? 0 : -WEIR_E_ENV_MEMORY;
}

void
wr_lossy_fini(struct wr_lossy *l)
{
	free(l->places);
	l->places = NULL;
}

uint64_t
wr_lossy_bytes(const struct wr_lossy *l)
{
	return (l->mask + 1) * (1 + (uint64_t)l->words) * sizeof(*l->places);
}

static wr_a64 *
place_of(const struct wr_lossy *l, uint64_t pos)
{
	return l->places + (pos & l->mask) * (1 + (size_t)l->words);
}

uint64_t
wr_lossy_waiting(const struct wr_lossy *l, const struct wr_cursor *c, uint64_t *lost)
{
	uint64_t pos = wr_stat_get(&c->pos), head = wr_stat_get(&l->head);
	uint64_t behind = head > pos ? head - pos : 0;

	*lost = behind > l->mask + 1 ? behind - (l->mask + 1) : 0;
	return behind - *lost;
}

void
wr_lossy_put(struct wr_lossy *l, const void *item)
{
	uint64_t at = wr_stat_get(&l->head), word;
	wr_a64 *place = place_of(l, at);

	wr_store_relaxed(lossy_clear, place, 0);
	wr_fence_release(lossy_fence);
	for (uint32_t i = 0; i < l->words; i++) {
		memcpy(&word, (const char *)item + 8 * (size_t)i, sizeof(word));
		wr_stat_set(&place[1 + i], word);
	}
	wr_store_release(lossy_number, place, at + 1);
	wr_store_release(lossy_head, &l->head, at + 1);
}

void
wr_lossy_join(struct wr_lossy *l, struct wr_cursor *c)
{
	wr_stat_set(&c->pos, wr_load_acquire(lossy_look, &l->head));
}

/* True if item is a whole copy of what is at pos. */
static bool
copy_item(const struct wr_lossy *l, uint64_t pos, void *item)
{
	const wr_a64 *place = place_of(l, pos);

	if (wr_load_acquire(lossy_read, place) != pos + 1)
		return false;
	for (uint32_t i = 0; i < l->words; i++) {
		uint64_t word = wr_stat_get(&place[1 + i]);

		memcpy((char *)item + 8 * (size_t)i, &word, sizeof(word));
	}
	wr_fence_acquire(lossy_read_fence);
	return wr_load_relaxed(lossy_check, place) == pos + 1;
}

/* Who was overtaken goes on with the oldest item that can be there; if that is written over
 * before it is copied, with one that has a little more time, then with twice as much more. */
bool
wr_lossy_read(const struct wr_lossy *l, struct wr_cursor *c, void *item, uint64_t *lost)
{
	uint64_t pos = wr_stat_get(&c->pos);
	uint64_t keep = l->mask + 1, margin = 1 + keep / 16;

	for (int i = 0; i < TRIES; i++) {
		uint64_t head;

		if (copy_item(l, pos, item))
			return true;
		head = wr_load_acquire(lossy_look, &l->head);
		/* An item is seen before the head that announces it; so it may have been
		 * passed, too. */
		if ((int64_t)(head - pos) <= 0)
			return false;
		if (head - pos > keep) {
			*lost += head - pos - keep;
			pos = head - keep;
			wr_stat_set(&c->pos, pos);
		}
		keep = keep > margin ? keep - margin : 1;
		margin *= 2;
	}
	return false;
}
