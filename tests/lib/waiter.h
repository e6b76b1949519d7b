/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * For what has to come while another thread of this process waits.
 *
 *	static struct wr_thread_look waiter;
 *	wr_thread_look_init(&waiter);         by who will wait, then it starts the other one
 *	await_waiter(&waiter);                by the other one
 */
#ifndef WR_TESTS_LIB_WAITER_H
#define WR_TESTS_LIB_WAITER_H

#include "bus/os/thread.h"

#include <sched.h>

enum { WAITER_RUNS_NS = 1000000 };

/* It sleeps in the kernel; or has run for a millisecond since, if it waits without sleeping. */
static inline void
await_waiter(const struct wr_thread_look *waiter)
{
	uint64_t from_ns = wr_thread_ran_ns(waiter);

	while (!wr_thread_waits(waiter) &&
		wr_thread_ran_ns(waiter) - from_ns < WAITER_RUNS_NS)
		(void)sched_yield();
}

#endif
