/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/fifo.h"

#include <stdlib.h>

enum { SEGMENT_BYTES = 16 << 10, SEGMENT_ITEMS_MIN = 16 };

size_t
wr_fifo_stride(uint32_t item)
{
	size_t grain = item >= 16 ? 16 : 8;

	return (item + grain - 1) / grain * grain;
}

/* Of the power of two that is n, or the next one above it. */
static uint32_t
bits_of(uint64_t n)
{
	return n <= 1 ? 0 : 64 - (uint32_t)__builtin_clzll(n - 1);
}

static uint64_t
segment_bytes(const struct wr_fifo *f)
{
	uint64_t bytes = (f->item_mask + 1) * f->stride;

	return (bytes + WR_APART - 1) / WR_APART * WR_APART;
}

static void *
make_segment(struct wr_fifo *f)
{
	void *segment = aligned_alloc(WR_APART, segment_bytes(f));

	if (segment)
		wr_stat_add(&f->segments, 1);
	return segment;
}

/* How large segments are, and how many there can be: those that the items of a full fifo lie
 * in, of which the first and the last may be begun only, and the one that is to come. */
static uint64_t
set_shape(struct wr_fifo *f, const struct wr_fifo_shape *shape)
{
	uint64_t most = 1;

	f->segment_bits = bits_of(shape->capacity);
	if (shape->growable) {
		uint32_t bits = bits_of(SEGMENT_BYTES / f->stride + 1);

		if (bits < bits_of(SEGMENT_ITEMS_MIN))
			bits = bits_of(SEGMENT_ITEMS_MIN);
		if (bits < f->segment_bits)
			f->segment_bits = bits;
		most = (shape->capacity >> f->segment_bits) + 3;
	}
	f->item_mask = (1ull << f->segment_bits) - 1;
	f->table_mask = (1ull << bits_of(most)) - 1;
	return f->table_mask + 1;
}

int
wr_fifo_init(
	struct wr_fifo *f, const struct wr_fifo_shape *shape, struct wr_cursor *cursors)
{
	uint64_t entries;

	*f = (struct wr_fifo){.stride = wr_fifo_stride(shape->item),
		.capacity = shape->capacity,
		.consumers = shape->consumers,
		.fenced = shape->fenced,
		.cursors = cursors,
		.members = shape->members};
	for (uint32_t i = 0; i < shape->consumers; i++) {
		wr_stat_set(&cursors[i].pos, 0);
		cursors[i].head = 0;
	}
	entries = set_shape(f, shape);
	f->table = calloc(2 * entries, sizeof(*f->table));
	if (!f->table)
		return -WEIR_E_ENV_MEMORY;
	f->spare = f->table + entries;
	if (shape->growable)
		return 0;
	f->begun = UINT64_MAX;
	f->table[0] = make_segment(f);
	return f->table[0] ? 0 : -WEIR_E_ENV_MEMORY;
}

void
wr_fifo_fini(struct wr_fifo *f)
{
	uint64_t begun = f->begun == UINT64_MAX ? 1 : f->begun;

	if (!f->table)
		return;
	for (uint64_t i = f->oldest; i < begun; i++)
		free(f->table[i & f->table_mask]);
	for (uint32_t i = 0; i < f->spares; i++)
		free(f->spare[i]);
	free(f->table);
	f->table = NULL;
}

uint64_t
wr_fifo_bytes(const struct wr_fifo *f)
{
	return wr_stat_get(&f->segments) * segment_bytes(f);
}

uint64_t
wr_fifo_waiting(const struct wr_fifo *f, const struct wr_cursor *c)
{
	uint64_t pos = wr_stat_get(&c->pos), head = wr_stat_get(&f->head);

	return head > pos ? head - pos : 0;
}

/* ---- the producer ---------------------------------------------------------------------------- */

/* The least cursor that counts; the head if none does. */
static uint64_t
least_of(const struct wr_fifo *f, uint64_t head)
{
	uint64_t members, least = head;

	if (!f->members)
		return wr_load_acquire(fifo_gate, &f->cursors[0].pos);
	/* Dekker with join_fence: who joins sees our head, or we see that it has. */
	if (f->fenced)
		wr_fence_sc(fifo_fence);
	else
		wr_fence_light(fifo_light);
	members = wr_load_acquire(fifo_members, f->members);
	for (; members; members &= members - 1) {
		const struct wr_cursor *c = &f->cursors[__builtin_ctzll(members)];
		uint64_t pos = wr_load_acquire(fifo_gate, &c->pos);

		if (pos < least)
			least = pos;
	}
	return least;
}

bool
wr_fifo_look(struct wr_fifo *f)
{
	uint64_t head = wr_stat_get(&f->head);

	f->gate = least_of(f, head);
	return head - f->gate < f->capacity;
}

int
wr_fifo_begin(struct wr_fifo *f, uint64_t at)
{
	void *segment;

	if (f->spares == 0) {
		(void)wr_fifo_look(f);
		for (; (f->oldest + 1) << f->segment_bits <= f->gate; f->oldest++)
			f->spare[f->spares++] = f->table[f->oldest & f->table_mask];
	}
	segment = f->spares > 0 ? f->spare[--f->spares] : make_segment(f);
	if (!segment)
		return -WEIR_E_ENV_MEMORY;
	f->table[at >> f->segment_bits & f->table_mask] = segment;
	f->begun++;
	return 0;
}

/* ---- a consumer ------------------------------------------------------------------------------- */

void
wr_fifo_join_at(struct wr_fifo *f, struct wr_cursor *c)
{
	wr_store_release(fifo_pass, &c->pos, wr_load_acquire(fifo_look, &f->head));
}

void
wr_fifo_join_from(struct wr_fifo *f, struct wr_cursor *c)
{
	c->head = wr_load_acquire(fifo_look, &f->head);
	wr_store_release(fifo_pass, &c->pos, c->head);
}
