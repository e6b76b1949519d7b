/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What hangs on a bus beside publishers and subscriptions: a handle whose task is on the
 * loop. Embedded as the first member of such a handle.
 */
#ifndef WR_PROTOCOLS_HUNG_H
#define WR_PROTOCOLS_HUNG_H

#include "protocols/bus.h"

struct wr_hung {
	struct wr_handle handle;
	struct weir_bus *bus; /* NULL if it is another thread's */
	struct wr_tie tie;
	/* Takes it off the loop; not called for a handle that has failed. */
	void (*leave)(struct wr_hung *hung);
};

/* Begins on the bus, as wr_bus_enter. */
int wr_hung_enter(struct wr_hung *hung, struct weir_bus *bus, const void *opts);

/* Takes it off the loop and the bus and frees it. 0, USAGE_THREAD, GONE_FORKED. */
int wr_hung_close(struct wr_hung *hung);

#endif
