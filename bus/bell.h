/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A bell wakes one other node: an eventfd of that pair alone, made by who sleeps and
 * given to who rings. A ring leaves a token that only the sleeper's wait takes
 * (bus/os/poller.h), so nobody drains it for others.
 *
 * Sleeping is announced by an epoch, odd while asleep or about to be. The ringer rings an
 * epoch at most once: a boolean would lose wakes, since the ringer need not have seen the
 * sleeper awake in between.
 */
#ifndef WR_BUS_BELL_H
#define WR_BUS_BELL_H

#include <pthread.h>

#include "bus/atomic.h"
#include "bus/os/poller.h"

struct wr_bell {
	pthread_mutex_t lock; /* guards fd: a ring must not meet a reused descriptor */
	int fd;
	wr_a64 rung; /* last epoch rung; shared by the threads of this process */
};

void wr_bell_init(struct wr_bell *bell);

/* Gives the bell its descriptor, which it owns from then on; -1 silences it. */
void wr_bell_set(struct wr_bell *bell, int fd);

/* One system call. Any thread. Silent without a descriptor. */
void wr_bell_ring(struct wr_bell *bell);

/* Rings unless this epoch was rung before; true if it rang. Any thread. */
bool wr_bell_ring_epoch(struct wr_bell *bell, uint64_t epoch);

/* An eventfd for the sleeper's end; -1 with errno set. */
int wr_bell_make(void);

/* The poller hears the sleeper's end. 0, or -1 with errno set. */
int wr_bell_watch(struct wr_poller *poller, int bell_fd);

#endif
