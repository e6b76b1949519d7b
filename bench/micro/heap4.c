/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/micro/heap4.h"

enum { ARITY = 4 };

static void
set(struct heap4 *heap, uint32_t place, struct heap4_entry entry)
{
	heap->entries[place] = entry;
	heap->places[entry.timer] = place;
}

static void
rise(struct heap4 *heap, uint32_t place, struct heap4_entry entry)
{
	while (place > 0) {
		uint32_t above = (place - 1) / ARITY;

		if (heap->entries[above].at_ns <= entry.at_ns)
			break;
		set(heap, place, heap->entries[above]);
		place = above;
	}
	set(heap, place, entry);
}

static void
sink(struct heap4 *heap, uint32_t place, struct heap4_entry entry)
{
	for (;;) {
		uint32_t first = place * ARITY + 1, least = first;

		if (first >= heap->count)
			break;
		for (uint32_t i = first + 1; i < heap->count && i < first + ARITY; i++)
			if (heap->entries[i].at_ns < heap->entries[least].at_ns)
				least = i;
		if (heap->entries[least].at_ns >= entry.at_ns)
			break;
		set(heap, place, heap->entries[least]);
		place = least;
	}
	set(heap, place, entry);
}

static void
move(struct heap4 *heap, uint32_t place, struct heap4_entry entry)
{
	if (place > 0 && entry.at_ns < heap->entries[(place - 1) / ARITY].at_ns)
		rise(heap, place, entry);
	else
		sink(heap, place, entry);
}

size_t
heap4_bytes(uint32_t most)
{
	return most * (sizeof(struct heap4_entry) + sizeof(uint32_t));
}

void
heap4_init(struct heap4 *heap, void *memory, uint32_t most)
{
	*heap = (struct heap4){.entries = memory,
		.places = (uint32_t *)(void *)((struct heap4_entry *)memory + most)};
}

void
heap4_arm(struct heap4 *heap, uint32_t timer, uint64_t at_ns)
{
	rise(heap, heap->count++, (struct heap4_entry){at_ns, timer});
}

void
heap4_rearm(struct heap4 *heap, uint32_t timer, uint64_t at_ns)
{
	move(heap, heap->places[timer], (struct heap4_entry){at_ns, timer});
}

void
heap4_cancel(struct heap4 *heap, uint32_t timer)
{
	uint32_t place = heap->places[timer];
	struct heap4_entry last = heap->entries[--heap->count];

	if (place < heap->count)
		move(heap, place, last);
}

uint32_t
heap4_expire(struct heap4 *heap, uint64_t now_ns)
{
	uint32_t fired = 0;

	for (; heap->count > 0 && heap->entries[0].at_ns <= now_ns; fired++) {
		struct heap4_entry last = heap->entries[--heap->count];

		if (heap->count > 0)
			sink(heap, 0, last);
	}
	return fired;
}
