/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A timekeeper is a thread that does nothing but keep the timers of one reactor: it sleeps
 * until the next is due, and sends the reactor the tasks of those that are (wr_reactor_send).
 * It may have a core of its own, so that whatever the reactor polls, timers are taken out
 * when they are due, and the reactor spends no time on the wheel. They are polled by the
 * reactor as ever, each in its turn.
 *
 * Both sides meet under a lock that is held for a bounded piece of work: an alarm is armed,
 * cancelled, or read by its reactor's thread, or some of them fire and are sent. So a cancelled
 * alarm is neither in the wheel nor on its way, and its memory may go once its task has left
 * the reactor. The keeper is woken only by an alarm that is due sooner than it sleeps.
 *
 * A storm is bounded as it is in a reactor that keeps its timers itself: while the reactor has
 * WR_TIMERS_FIRE of them still to poll, no more are sent.
 */
#ifndef WR_SCHEDULER_KEEPER_H
#define WR_SCHEDULER_KEEPER_H

#include <pthread.h>

#include "scheduler/reactor.h"

struct wr_keeper {
	struct wr_reactor *reactor; /* whose timers they are */
	pthread_t thread;
	pthread_mutex_t lock; /* guards all that follows, and what the alarms have to say */
	pthread_cond_t change; /* something is due sooner, may be sent again, or it is over */
	struct wr_clockwork clockwork;
	uint64_t until_ns; /* it sleeps so long */
	uint32_t out;      /* alarms that were sent and not polled since */
	bool full;         /* it waits for those to become fewer */
	bool over;
};

/* Of wr_keeper_start: on whichever core. */
enum { WR_CORE_ANY = -1 };

/* Starts it, bound to that core; the reactor outlives it. ENV_THREADS, ENV_OS (there is no
 * such core for us), with errno; then it is as if stopped. */
int wr_keeper_start(struct wr_keeper *keeper, struct wr_reactor *reactor, int core);
/* No alarm is armed any more. Returns when it sends nothing any more. */
void wr_keeper_stop(struct wr_keeper *keeper);

/* The next three: the reactor's thread. As wr_clockwork_once, _every and _cancel; of one that
 * was cancelled nothing is told any more, not even what has fired. */
int wr_keeper_once(struct wr_keeper *keeper, struct wr_alarm *alarm, uint64_t at_ns);
int wr_keeper_every(struct wr_keeper *keeper, struct wr_alarm *alarm, uint64_t first_ns,
	uint64_t period_ns, enum wr_interval_rule rule);
bool wr_keeper_cancel(struct wr_keeper *keeper, struct wr_alarm *alarm);

/* In the poll of an alarm, around whatever reads or changes what it has to say (its `fired`
 * and what stands beside it). A few instructions and an uncontended lock, mostly. */
void wr_keeper_enter(struct wr_keeper *keeper);
void wr_keeper_leave(struct wr_keeper *keeper, struct wr_alarm *alarm);

#endif
