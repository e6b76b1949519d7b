/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/trace.h"

#include <stdlib.h>
#include <string.h>
#include <weir/weir.h>

#include "bus/os/clock.h"
#include "scheduler/tiers.h"

/* As it lies in the ring; of a change of tier `from` has the reason in its upper half. */
struct item {
	uint64_t when_ns;
	uint32_t kind, from;
	uint64_t consumer;
	int64_t value;
};

_Static_assert(sizeof(struct item) == 32, "four words");

static struct wr_lossy *
ring_new(void)
{
	struct wr_lossy *ring = aligned_alloc(WR_APART, sizeof(*ring));

	if (ring && wr_lossy_init(ring, sizeof(struct item), WEIR_TRACE_RECORDS) < 0) {
		free(ring);
		ring = NULL;
	}
	return ring;
}

int
wr_trace_start(struct wr_trace *t)
{
	struct wr_lossy *ring = wr_load_relaxed(trace_ring, &t->ring);

	if (!ring) {
		ring = ring_new();
		if (!ring)
			return -WEIR_E_ENV_MEMORY;
		wr_store_release(trace_ring, &t->ring, ring);
	}
	wr_store_release(trace_on, &t->on, ring);
	return 0;
}

void
wr_trace_stop(struct wr_trace *t)
{
	wr_store_release(trace_on, &t->on, NULL);
}

void
wr_trace_fini(struct wr_trace *t)
{
	struct wr_lossy *ring = wr_load_relaxed(trace_ring, &t->ring);

	if (ring)
		wr_lossy_fini(ring);
	free(ring);
}

void
wr_trace_put(struct wr_lossy *ring, enum weir_trace_kind kind, uint32_t from,
	uint64_t consumer, int64_t value)
{
	struct item item = {.when_ns = wr_now_ns(),
		.kind = kind,
		.from = from,
		.consumer = consumer,
		.value = value};

	wr_lossy_put(ring, &item);
}

static weir_trace_record
record_of(const struct item *item, uint64_t at)
{
	return (weir_trace_record){.at = at,
		.when_ns = item->when_ns,
		.consumer = item->consumer,
		.value = item->value,
		.kind = item->kind,
		.from = item->from & 0xffff,
		.reason = item->kind == WEIR_TRACE_TIER
			? wr_tier_why_name(item->from >> 16)
			: ""};
}

size_t
wr_trace_read(struct wr_trace *t, uint64_t from, weir_trace_record *records, size_t count)
{
	struct wr_lossy *ring = wr_load_acquire(trace_ring, &t->ring);
	struct wr_cursor cursor = {.pos = from};
	size_t copied = 0;

	if (!ring || from > wr_load_acquire(lossy_look, &ring->head))
		return 0;
	while (copied < count) {
		uint64_t lost = 0, at;
		struct item item;

		if (!wr_lossy_read(ring, &cursor, &item, &lost))
			break;
		/* There is a gap: the next call tells of it. */
		if (lost > 0 && copied > 0)
			break;
		at = wr_stat_get(&cursor.pos);
		records[copied++] = record_of(&item, at);
		wr_fifo_pass(&cursor);
	}
	return copied;
}
