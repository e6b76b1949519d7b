/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/raw/ring.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/lib/crew.h"

enum { SLOTS_SMALL = 1024, SLOTS_LARGE = 64, LARGE = 64 << 10, LINE = 64 };
enum { DRAIN_MAX = 64 };

struct slot {
	_Atomic uint64_t seq; /* number of the message in it plus 1; writer: producer */
	unsigned char data[];
};

/* The memory of one direction. */
struct ring {
	_Alignas(2 * LINE) _Atomic uint64_t taken; /* writer: consumer */
	_Alignas(2 * LINE) unsigned char slots[];
};

struct gen_side {
	struct ring *out, *in;
	size_t size, stride;
	uint64_t slots;    /* a power of two */
	uint64_t head;     /* of out: next to fill */
	uint64_t room;     /* of out: head may go up to here without looking */
	uint64_t tail;     /* of in: next to read */
	struct slot *open; /* claimed */
};

static uint64_t
slots_of(size_t size)
{
	return size < LARGE ? SLOTS_SMALL : SLOTS_LARGE;
}

static size_t
stride_of(size_t size)
{
	return (sizeof(struct slot) + size + LINE - 1) / LINE * LINE;
}

static size_t
ring_bytes(size_t size)
{
	return sizeof(struct ring) + slots_of(size) * stride_of(size);
}

static int
raw_prepare(struct gen_plan *plan)
{
	plan->bus = crew_shared(2 * ring_bytes(plan->size));
	return plan->bus ? 0 : -1;
}

static void
raw_discard(struct gen_plan *plan)
{
	crew_shared_free(plan->bus, 2 * ring_bytes(plan->size));
}

static struct gen_side *
raw_open(const struct gen_plan *plan, int out, int in, char *why, size_t size)
{
	struct gen_side *side = calloc(1, sizeof *side);
	if (!side || plan->subscribers > 1) {
		snprintf(why, size, "one reader only");
		free(side);
		return NULL;
	}
	unsigned char *memory = plan->bus;
	side->size = plan->size;
	side->stride = stride_of(plan->size);
	side->slots = slots_of(plan->size);
	side->room = side->slots;
	if (out >= 0)
		side->out =
			(struct ring *)(memory + (size_t)out * ring_bytes(plan->size));
	if (in >= 0)
		side->in = (struct ring *)(memory + (size_t)in * ring_bytes(plan->size));
	return side;
}

static inline struct slot *
slot_at(struct ring *ring, const struct gen_side *side, uint64_t at)
{
	return (struct slot *)(ring->slots + (at & (side->slots - 1)) * side->stride);
}

static void *
raw_claim(struct gen_side *side)
{
	while (side->head == side->room)
		side->room = side->slots +
			atomic_load_explicit(&side->out->taken, memory_order_acquire);
	side->open = slot_at(side->out, side, side->head);
	return side->open->data;
}

static int
raw_commit(struct gen_side *side)
{
	atomic_store_explicit(&side->open->seq, ++side->head, memory_order_release);
	return 0;
}

static int
raw_drain(struct gen_side *side, gen_read_fn fn, void *ctx)
{
	int count = 0, ended = 0;
	while (count < DRAIN_MAX && !ended) {
		struct slot *slot = slot_at(side->in, side, side->tail);
		if (atomic_load_explicit(&slot->seq, memory_order_acquire) !=
			side->tail + 1)
			break;
		ended = fn(ctx, slot->data, side->size);
		atomic_store_explicit(
			&side->in->taken, ++side->tail, memory_order_release);
		count++;
	}
	return count;
}

static void
raw_close(struct gen_side *side)
{
	free(side);
}

const struct gen_bus raw_ring = {.name = "raw",
	.settings = "sequence in the slot, 1024 slots (64 of 64 KiB), cached indices",
	.idle = GEN_SPIN,
	.prepare = raw_prepare,
	.discard = raw_discard,
	.open = raw_open,
	.claim = raw_claim,
	.commit = raw_commit,
	.drain = raw_drain,
	.close = raw_close};
