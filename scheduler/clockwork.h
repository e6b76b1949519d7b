/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The timers of a reactor: an alarm is a told task that time tells. What fires waits for its
 * turn like any other task, with its own weight, so a storm of timers delays nobody for
 * longer than their weights say; and a turn takes out a bounded number of them.
 *
 * The wheel's memory comes with the first alarm. While the reactor sleeps, a descriptor of
 * the kernel stands for the next alarm, among what wakes it: so it also wakes a program
 * that waits for the reactor in a loop of its own.
 */
#ifndef WR_SCHEDULER_CLOCKWORK_H
#define WR_SCHEDULER_CLOCKWORK_H

#include "bus/os/poller.h"
#include "scheduler/interval.h"
#include "scheduler/task.h"
#include "scheduler/timers.h"

struct wr_alarm {
	struct wr_task task; /* told; its poll reads what stands below */
	wr_timer_id id;      /* of a one-shot that is armed, or 0 */
	struct wr_interval interval;
	uint64_t fired;  /* times that its poll has not seen yet, */
	uint64_t due_ns; /* when the first of them was due, */
	uint64_t missed; /* and those that were left out behind it */
	bool out;        /* a keeper has sent it, see scheduler/keeper.h */
};

static inline struct wr_alarm *
wr_alarm_of(struct wr_task *task)
{
	return (struct wr_alarm *)(void *)((uint8_t *)task -
		offsetof(struct wr_alarm, task));
}

struct wr_clockwork {
	struct wr_timers *wheel; /* and what it hangs on; NULL until there is a one-shot */
	struct wr_intervals intervals;
	struct wr_poller *poller;
	int alarm_fd; /* -1 until it has to wake somebody */
};

void wr_clockwork_init(struct wr_clockwork *cw, struct wr_poller *poller);
void wr_clockwork_fini(struct wr_clockwork *cw);

/* Once, at at_ns. Arms anew if it is armed. -WEIR_E_ENV_MEMORY, -WEIR_E_AGAIN_QUOTA if there
 * are 2^20 already. */
int wr_clockwork_once(struct wr_clockwork *cw, struct wr_alarm *alarm, uint64_t at_ns);
/* At first_ns, and every period from there on. Arms anew if it is armed. As
 * wr_intervals_arm. */
int wr_clockwork_every(struct wr_clockwork *cw, struct wr_alarm *alarm,
	uint64_t first_ns, uint64_t period_ns, enum wr_interval_rule rule);
/* It does not fire again. False if it was not armed. */
bool wr_clockwork_cancel(struct wr_clockwork *cw, struct wr_alarm *alarm);

/* When the next one is due; WR_TIMER_NEVER if none is armed. */
uint64_t wr_clockwork_next_ns(const struct wr_clockwork *cw);

/* Fills tasks with those of the alarms that are due, at most WR_TIMERS_FIRE. Returns how many.
 */
unsigned wr_clockwork_due(struct wr_clockwork *cw, uint64_t now_ns,
	struct wr_task *tasks[WR_TIMERS_FIRE]);

/* From here on the next alarm ends a wait of the poller. */
void wr_clockwork_stand_in(struct wr_clockwork *cw);

#endif
