/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What does a forked child let go of? It holds copies of our descriptors, and would keep
 * our death from being seen: it closes them before it does anything else.
 */
#ifndef WR_BUS_FORK_H
#define WR_BUS_FORK_H

#include "bus/steward.h"

/* What this steward's node, peers and door have open is closed in a child, from here on or
 * no longer. Any thread, without the lock. */
void wr_fork_watch(struct wr_steward *s);
void wr_fork_unwatch(struct wr_steward *s);

#endif
