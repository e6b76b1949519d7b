/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A reactor is a thread's loop: it polls its tasks in turn, and sleeps when none has
 * anything to do. It knows nothing of messages or topics.
 *
 * One turn: every task once, beginning behind the one that began last time. Falling
 * asleep: raise the flag, fence, look at every task once more, wait on the bells.
 */
#ifndef WR_SCHEDULER_REACTOR_H
#define WR_SCHEDULER_REACTOR_H

#include "bus/atomic.h"

struct wr_task {
	/* Does at most one budget of work. Returns how much it did; a verdict other than 0
	 * ends the turn and is handed to the caller. */
	int (*poll)(struct wr_task *task, int *verdict);
	/* True if poll would find something: a look without steps. */
	bool (*ready)(struct wr_task *task);
	/* True if somebody who feeds it leaves the fence of the sleeping pair to us. */
	bool (*heavy)(struct wr_task *task);
	struct wr_task *next;
};

struct wr_reactor {
	struct wr_task *tasks; /* a circle; begins with the next turn's first task */
	uint32_t task_count;
	struct wr_task *only; /* the one task that sleeping is about, NULL = all */
	wr_a64 *flag;         /* our sleep flag, which feeders look at */
	uint64_t epoch;       /* its value: odd = asleep or about to be */
	int epoll_fd;         /* everything that wakes us, edge-triggered */
	uint32_t idle;        /* enum weir_idle */
	uint32_t spins;       /* looks that an idle turn may spend before it sleeps */
	uint32_t flow;        /* work done since it last slept */
	uint32_t naps_left;   /* before it parks */
	int load_fd;       /* where the kernel tells how many threads could run, -1 */
	bool crowded;      /* more of them than cores, when last asked */
	uint64_t crowd_ns; /* when that was */
	uint64_t naps, sleeps;
	wr_a64 stopped;
	wr_a64 woken; /* somebody asked that a wait end; until one has */
};

/* flag is the node's, and even; ENV_FILES if there is no descriptor to sleep on. */
int wr_reactor_init(struct wr_reactor *r, wr_a64 *flag, uint32_t idle);
void wr_reactor_fini(struct wr_reactor *r);

void wr_reactor_add(struct wr_reactor *r, struct wr_task *task);
void wr_reactor_remove(struct wr_reactor *r, struct wr_task *task);

/* Polls every task once, up to the first verdict. Returns the work done; *verdict as the
 * task said. The next turn begins behind the one that began this, or that ended it. */
int wr_reactor_poll(struct wr_reactor *r, int *verdict);

/*
 * Waits until a task may have something, the bell rings, or timeout_ms (-1 = ever) have
 * passed. Spins, yields or parks as the idle policy says. Returns true if there is work.
 */
bool wr_reactor_idle(struct wr_reactor *r, int timeout_ms);

/* Ends the present or the next wait, under every idle policy. Any thread; for a sleeper
 * the caller rings its bell too. */
void wr_reactor_wake(struct wr_reactor *r);

/* Raises the flag and looks: true = nothing is there, sleep on epoll_fd, then disarm. */
bool wr_reactor_arm(struct wr_reactor *r);
void wr_reactor_disarm(struct wr_reactor *r);

/* For who was armed and waited on epoll_fd elsewhere: takes the tokens, lowers the flag.
 * Look at the tasks afterwards, not before. */
void wr_reactor_rise(struct wr_reactor *r);

#endif
