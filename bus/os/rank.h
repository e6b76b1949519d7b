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

/* Its sleeps may end so much later than they should; the kernel's own is some 50,000. */
int wr_rank_slack(uint64_t slack_ns);

#endif
