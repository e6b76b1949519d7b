/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What has a loop done last, and when? A flight recorder: each loop has a ring of records of
 * what is rare and tells something, as enum weir_trace_kind has it. The newest
 * WEIR_TRACE_RECORDS are kept. The loop's thread writes, over the oldest; any thread reads by copying, and finds
 * out exactly what it has missed (scheduler/lossy.h). Records are numbered from the first one
 * of the loop on, also across a stop and another start.
 *
 * Switched off, it costs a load and a branch where something would be noted. That is never on
 * the way of every poll, but for one branch on whether it gave a verdict. Built without traces
 * nothing is left of it.
 */
#ifndef WR_SCHEDULER_TRACE_H
#define WR_SCHEDULER_TRACE_H

#include <weir/loop.h>

#if WEIR_TRACE

#include "scheduler/lossy.h"

struct wr_trace {
	_Atomic(struct wr_lossy *) on;   /* where it is written; NULL: it is not */
	_Atomic(struct wr_lossy *) ring; /* where it is read, from the first start on */
};

/* From now on; 0, also if it was on, or ENV_MEMORY. Not by two threads at once. */
int wr_trace_start(struct wr_trace *t);
/* Not any more; a record that is being written still comes. What there is can be read. */
void wr_trace_stop(struct wr_trace *t);
/* Nobody writes or reads. Also of one that is all zero. */
void wr_trace_fini(struct wr_trace *t);

/* Copies up to count records from number `from` on, or from the oldest that is left. Returns
 * how many. They follow each other: what was written over is between `from` and the first
 * one's number. Any thread. */
size_t wr_trace_read(
	struct wr_trace *t, uint64_t from, weir_trace_record *records, size_t count);

/* Notes it: the tier or loop that was left, in those that leave one; the consumer's number, 0
 * for the loop itself; and the value. */
void wr_trace_put(struct wr_lossy *ring, enum weir_trace_kind kind, uint32_t from,
	uint64_t consumer, int64_t value);

/* The loop's thread. */
static inline void
wr_trace(struct wr_trace *t, enum weir_trace_kind kind, uint32_t from,
	uint64_t consumer, int64_t value)
{
	struct wr_lossy *ring = wr_load_acquire(trace_on, &t->on);

	if (__builtin_expect(ring != NULL, 0))
		wr_trace_put(ring, kind, from, consumer, value);
}

#else

#define wr_trace(trace, kind, from, consumer, value) \
	((void)sizeof((consumer) + (value)))

#endif
#endif
