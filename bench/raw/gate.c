/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/raw/gate.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench/lib/crew.h"

enum { SLOTS = 4096, LINE = 64, READERS_MAX = 64, DRAIN_MAX = 64 };
enum { YIELDS = 16, NAP_NS = 50000 };

struct slot {
	_Atomic uint64_t seq; /* number of the message in it plus 1; writer: publisher */
	unsigned char data[];
};

struct cursor {
	_Alignas(2 * LINE) _Atomic uint64_t taken; /* writer: its reader */
};

struct ring {
	_Atomic int readers; /* that have come */
	struct cursor cursors[READERS_MAX];
	_Alignas(2 * LINE) unsigned char slots[];
};

struct gen_side {
	struct ring *ring;
	size_t size, stride;
	int readers;
	uint64_t head; /* next to fill */
	uint64_t room; /* head may go up to here without looking */
	uint64_t tail; /* next to read */
	_Atomic uint64_t *taken;
	int idle; /* looks in vain */
};

static size_t
stride_of(size_t size)
{
	return (sizeof(struct slot) + size + LINE - 1) / LINE * LINE;
}

static size_t
ring_bytes(size_t size)
{
	return sizeof(struct ring) + SLOTS * stride_of(size);
}

static int
gate_prepare(struct gen_plan *plan)
{
	plan->bus = crew_shared(ring_bytes(plan->size));
	return plan->bus ? 0 : -1;
}

static void
gate_discard(struct gen_plan *plan)
{
	crew_shared_free(plan->bus, ring_bytes(plan->size));
}

static struct gen_side *
gate_open(const struct gen_plan *plan, int out, int in, char *why, size_t size)
{
	struct gen_side *side = calloc(1, sizeof *side);
	if (!side || plan->subscribers > READERS_MAX || out > 0 || in > 0) {
		snprintf(why, size, "one way only, to %d readers", READERS_MAX);
		free(side);
		return NULL;
	}
	side->ring = plan->bus;
	side->size = plan->size;
	side->stride = stride_of(plan->size);
	side->readers = plan->subscribers;
	if (in >= 0)
		side->taken =
			&side->ring->cursors[atomic_fetch_add(&side->ring->readers, 1)].taken;
	return side;
}

static void
be_idle(struct gen_side *side)
{
	if (side->idle++ < YIELDS)
		sched_yield();
	else
		nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
}

static inline struct slot *
slot_at(const struct gen_side *side, uint64_t at)
{
	return (struct slot *)(side->ring->slots + (at & (SLOTS - 1)) * side->stride);
}

static uint64_t
slowest(const struct gen_side *side)
{
	uint64_t least = UINT64_MAX;
	for (int i = 0; i < side->readers; i++) {
		uint64_t taken = atomic_load_explicit(
			&side->ring->cursors[i].taken, memory_order_acquire);
		least = taken < least ? taken : least;
	}
	return least;
}

static void *
gate_claim(struct gen_side *side)
{
	side->idle = 0;
	while (side->head == side->room) {
		side->room = slowest(side) + SLOTS;
		if (side->head == side->room)
			be_idle(side);
	}
	return slot_at(side, side->head)->data;
}

static int
gate_commit(struct gen_side *side)
{
	struct slot *slot = slot_at(side, side->head);
	atomic_store_explicit(&slot->seq, ++side->head, memory_order_release);
	return 0;
}

static int
gate_take(struct gen_side *side, gen_read_fn fn, void *ctx)
{
	int count = 0, ended = 0;
	while (count < DRAIN_MAX && !ended) {
		struct slot *slot = slot_at(side, side->tail);
		if (atomic_load_explicit(&slot->seq, memory_order_acquire) !=
			side->tail + 1)
			break;
		ended = fn(ctx, slot->data, side->size);
		atomic_store_explicit(side->taken, ++side->tail, memory_order_release);
		count++;
	}
	return count;
}

static int
gate_drain(struct gen_side *side, gen_read_fn fn, void *ctx)
{
	int count = gate_take(side, fn, ctx);
	if (count)
		side->idle = 0;
	else
		be_idle(side);
	return count;
}

static void
gate_close(struct gen_side *side)
{
	free(side);
}

const struct gen_bus raw_gate = {.name = "gate",
	.settings = "sequence in the slot, 4096 slots, the publisher waits for the slowest "
		    "reader; who finds nothing yields 16 times, then sleeps 50 us",
	.idle = GEN_YIELD,
	.prepare = gate_prepare,
	.discard = gate_discard,
	.open = gate_open,
	.claim = gate_claim,
	.commit = gate_commit,
	.drain = gate_drain,
	.drain_now = gate_take,
	.close = gate_close};
