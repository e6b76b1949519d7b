/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Waiting for what others do. Nothing here has a deadline: the watchdog of the test ends what
 * lasts for ever, and names the line that waited.
 *
 *	AWAIT(take(&ended) == 3);             looks, and gives way in between
 *	AWAIT_ON(bus, weir_publishers(sub) == 2);   turns the bus in between
 *	event = await_event(bus, WEIR_EV_SUB_LEFT);
 */
#ifndef WR_TESTS_LIB_AWAIT_H
#define WR_TESTS_LIB_AWAIT_H

#include "tests/lib/test.h"

#include <sched.h>
#include <unistd.h>
#include <weir/weir.h>

enum { AWAIT_YIELDS = 1000, AWAIT_PAUSE_US = 1000, AWAIT_TURN_MS = 20 };

/* Between two looks: at first no more than the core. */
static inline void
await_pause(unsigned looks)
{
	if (looks < AWAIT_YIELDS)
		(void)sched_yield();
	else
		(void)usleep(AWAIT_PAUSE_US);
}

#define AWAIT(x) \
	do { \
		wr_test_here(__FILE__, __LINE__); \
		for (unsigned looks_ = 0; !(x); looks_++) \
			await_pause(looks_); \
	} while (0)

#define AWAIT_ON(bus, x) \
	do { \
		wr_test_here(__FILE__, __LINE__); \
		while (!(x) && CHECK(weir_turn((bus), AWAIT_TURN_MS) >= 0)) \
			; \
	} while (0)

/* The next event of this kind; those before it are taken and forgotten. */
static inline weir_event
await_event(weir_bus *bus, enum weir_event_kind kind)
{
	weir_event event = {0};

	do
		AWAIT_ON(bus, weir_next_event(bus, &event) == 1);
	while (event.kind != kind);
	return event;
}

#endif
