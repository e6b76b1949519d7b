/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Whose is a loop while a handler runs? A thread that turns a loop lets go of it for the time
 * of a handler, and takes it again when the handler returns; while it is let go of, a sentinel
 * may take it for somebody else. One of the two has it, whatever they do at the same time.
 *
 * It costs the thread two plain stores and a load for each poll. What makes them enough is
 * paid by the sentinel, which almost never comes: it says what it wants, makes every thread
 * pass a full fence (membarrier), and looks again. If the poll is still the same one then, its
 * thread has not yet stored that it is over, so it will see what the sentinel wants when it
 * has; and it waits for the sentinel's word. This is Dekker's algorithm with both fences on
 * one side (asymmetric, as in Dice, Huang, Yang 2001); tests/model/lease.pml goes through it.
 *
 * Where there is no such fence, and under the thread sanitizer, which cannot see it, both
 * sides exchange one word instead: some 5 ns a poll.
 *
 * The handler's own budget lies here too: whatever it does after its loop was taken, it does
 * not touch the loop.
 */
#ifndef WR_SCHEDULER_LEASE_H
#define WR_SCHEDULER_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "bus/atomic.h"
#include "bus/lines.h"
#include "bus/mutant.h"
#include "bus/os/thread.h"
#include "scheduler/budget.h"

struct wr_task;

/* In the two low bits of a lease's words; the number of the poll is above them. */
enum wr_lease_state {
	WR_LEASE_HELD = 0, /* the loop is its thread's */
	WR_LEASE_HANDLER,  /* a handler runs */
	WR_LEASE_ASLEEP,   /* the loop sleeps */
	WR_LEASE_TAKEN,    /* of the form that exchanges: the sentinel took it */
	WR_LEASE_BITS = 2,
	WR_LEASE_MASK = 3
};

/* The same of what the sentinel wants of that poll. */
enum wr_lease_want {
	WR_WANT_NOTHING = 0,
	WR_WANT_END,  /* that it comes to an end */
	WR_WANT_LOOP, /* it is about to take the loop: a moment, */
	WR_WANT_TAKEN /* and it has */
};

struct wr_lease {
	_Alignas(WR_LINE) wr_a64 run; /* writer: the thread; by exchange also the sentinel */
	uint64_t number;              /* of the present poll */
	struct wr_task *task;         /* whose handler runs */
	bool exchanges;               /* the form without the heavy fence */
	struct wr_allowance allowance; /* of this poll */
	struct wr_thread_look thread;  /* by which the sentinel looks at it */

	_Alignas(WR_LINE) wr_a64 want; /* writer: the sentinel */
};

/* The calling thread's. exchanges: the form without the heavy fence is wanted; it is used too
 * where the heavy one is refused. */
void wr_lease_init(struct wr_lease *lease, bool exchanges);

/* Where wr_lease_end found that something is wanted: waits for the sentinel's word, which comes
 * at once. True if the loop has been taken. */
bool wr_lease_resolve(struct wr_lease *lease, uint64_t want);

/* The calling thread's poll in which its loop is let go of; NULL: none. */
extern _Thread_local struct wr_lease *wr_lease_here
	__attribute__((tls_model("initial-exec")));

/* The handler of that task runs from now on, with so many units, and the loop may be taken. */
static inline void
wr_lease_begin(struct wr_lease *lease, struct wr_task *task, uint16_t units)
{
	lease->task = task;
	lease->allowance.budget.full = units;
	wr_allowance_begin(&lease->allowance);
	lease->number++;
	wr_store_release(lease_begin, &lease->run,
		lease->number << WR_LEASE_BITS | WR_LEASE_HANDLER);
	wr_lease_here = lease;
}

/* It has returned. False: the loop was taken meanwhile, and is not to be touched. */
static inline bool
wr_lease_end(struct wr_lease *lease)
{
	uint64_t held = lease->number << WR_LEASE_BITS | WR_LEASE_HELD;
	uint64_t want;

	wr_lease_here = NULL;
	if (lease->exchanges)
		return (wr_exchange(lease_swap, &lease->run, held) & WR_LEASE_MASK) !=
			WR_LEASE_TAKEN;
	wr_store_relaxed(lease_end, &lease->run, held);
	wr_fence_light(lease_light);
	want = wr_load_relaxed(lease_look, &lease->want);
	if (__builtin_expect(want >> WR_LEASE_BITS != lease->number, 1) ||
		WR_MUTANT(LEASE_NOLOOK))
		return true;
	return !wr_lease_resolve(lease, want);
}

/* Between two messages of one poll: the sentinel would like it to end here. */
static inline bool
wr_lease_hurries(const struct wr_lease *lease)
{
	return wr_load_relaxed(lease_hint, &lease->want) ==
		(lease->number << WR_LEASE_BITS | WR_WANT_END);
}

/* The loop goes to sleep, or has woken; its thread. */
void wr_lease_sleeps(struct wr_lease *lease, bool sleeps);

/* ---- the sentinel's side: one thread ---------------------------------------------------- */

/* What the thread is at. */
uint64_t wr_lease_seen(struct wr_lease *lease);

/* The poll that was seen should end. */
void wr_lease_hint(struct wr_lease *lease, uint64_t seen);

/* Takes the loop, if the thread is still in the handler that was seen. True: what the thread did
 * to the loop before is done and seen, it will not touch the loop again, and lease->task is
 * whose handler it is in. */
bool wr_lease_take(struct wr_lease *lease, uint64_t seen);

#endif
