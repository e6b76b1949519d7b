/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A bus within one process: the nodes of one name share a table, and threads are nodes
 * without a handshake. The log is the same, over private memory.
 */
#ifndef WR_BUS_HUB_H
#define WR_BUS_HUB_H

#include "bus/node.h"

/* Attaches an initialised node to the hub of its bus name. AGAIN_QUOTA, ENV_MEMORY. */
int wr_hub_open(struct wr_node *node, struct weir_error *err);

/* In a forked child: the buses within the parent are the parent's. */
void wr_hub_forget(void);

#endif
