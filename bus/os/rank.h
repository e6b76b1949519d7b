/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * How the kernel ranks the calling thread among others that want its core. Each returns 0, or
 * the errno with which it was refused; then nothing has changed.
 */
#ifndef WR_BUS_OS_RANK_H
#define WR_BUS_OS_RANK_H

#include <stdint.h>

/* SCHED_FIFO with that priority, 1 to 99: it runs until it waits, before all that are not
 * real-time. Threads that it starts later do not. EPERM without the right to it. */
int wr_rank_realtime(int priority);

/* -20, which is the most important, to 19. EACCES or EPERM without the right to be more
 * important. */
int wr_rank_nice(int nice);

/* SCHED_IDLE: it runs where a core has nothing else to do. Needs no right. */
int wr_rank_idle(void);

/* Into the control group of that directory, alone of its process: a threaded group of version 2,
 * or one of the controller cpu of version 1. What the group may use is its owner's to say. ENOENT
 * if there is none that takes single threads; EACCES if it is not delegated; EOPNOTSUPP if it
 * is of version 2 and not threaded, or not below the process's own. */
int wr_rank_group(const char *dir);

/* Its sleeps may end so much later than they should; the kernel's own is some 50,000. */
int wr_rank_slack(uint64_t slack_ns);

#endif
