/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A window is a piece of address space that shows the words of one node: its sleep flag,
 * its cursors. Publishers look through it at every commit, without a lock, so a window is
 * never taken away: when the node is gone it shows zeroes (nobody sleeps, nobody reads),
 * and later another node.
 */
#ifndef WR_BUS_WINDOW_H
#define WR_BUS_WINDOW_H

#include "bus/layout.h"

/* A window that shows zeroes. NULL with errno set. Any thread. */
uint8_t *wr_window_take(void);

/* Shows WR_NODE_BYTES of a node's region, read-only; or fresh memory of our own that we
 * may write. 0 or -1 with errno set. */
int wr_window_show(uint8_t *window, int fd);
int wr_window_own(uint8_t *window);

/* Shows zeroes again and gives the window back. */
void wr_window_give(uint8_t *window);

/* In a forked child: windows of the parent are gone, and so is who held the lock. */
void wr_window_forget(void);

#endif
