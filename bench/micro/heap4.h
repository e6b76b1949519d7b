/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Timers in a 4-ary heap, as event loops have them: what the wheel is held against. Each
 * timer knows its place, so it can be moved and taken out.
 */
#ifndef BENCH_MICRO_HEAP4_H
#define BENCH_MICRO_HEAP4_H

#include <stddef.h>
#include <stdint.h>

struct heap4_entry {
	uint64_t at_ns;
	uint32_t timer;
};

struct heap4 {
	struct heap4_entry *entries;
	uint32_t *places; /* of each timer */
	uint32_t count;
};

/* Bytes that so many timers need, at a multiple of 64. */
size_t heap4_bytes(uint32_t most);
/* The memory is the caller's. */
void heap4_init(struct heap4 *heap, void *memory, uint32_t most);

void heap4_arm(struct heap4 *heap, uint32_t timer, uint64_t at_ns);
void heap4_rearm(struct heap4 *heap, uint32_t timer, uint64_t at_ns);
void heap4_cancel(struct heap4 *heap, uint32_t timer);
/* Takes out what is due; returns how many. */
uint32_t heap4_expire(struct heap4 *heap, uint64_t now_ns);

#endif
