/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a reactor does when it has nothing to do: it spins, yields, naps or sleeps, as its
 * idle policy says.
 *
 * Falling asleep: raise the flag, fence, look at every task once more, wait on the bells.
 */
#ifndef WR_SCHEDULER_REST_H
#define WR_SCHEDULER_REST_H

#include "scheduler/reactor.h"

enum { WR_SPINS_MIN = 16 };

/*
 * Waits until a task may have something, the bell rings, or timeout_ms (-1 = ever) have
 * passed. Spins, yields or parks as the idle policy says. Returns true if there is work.
 */
bool wr_reactor_idle(struct wr_reactor *r, int timeout_ms);

/* True if it should look again rather than sleep: there may be work, or its idle policy says
 * that it never sleeps. Spins, yields or naps before it says that there is none. */
bool wr_reactor_linger(struct wr_reactor *r);

/* Sleeps, whatever the idle policy says, until it is rung, an alarm is due, or timeout_ms (-1:
 * about a second) have passed; not at all if there is work. */
void wr_reactor_park(struct wr_reactor *r, int timeout_ms);

/* Raises the flag and looks: true = nothing is there, sleep on the poller, then disarm. */
bool wr_reactor_arm(struct wr_reactor *r);
void wr_reactor_disarm(struct wr_reactor *r);

/* For who was armed and waited on its descriptor elsewhere: takes the tokens, lowers the flag.
 * Look at the tasks afterwards, not before. */
void wr_reactor_rise(struct wr_reactor *r);

#endif
