/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/keeper.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "bus/os/clock.h"
#include "bus/os/core.h"
#include "bus/os/thread.h"

/* ---- the keeper's thread, with the lock ------------------------------------------------------- */

/* Takes out what is due and sends it, a bounded number. True if there may be more. */
static bool
send_due(struct wr_keeper *keeper)
{
	struct wr_task *due[WR_TIMERS_FIRE];
	unsigned count = wr_clockwork_due(&keeper->clockwork, wr_now_ns(), due);

	for (unsigned i = 0; i < count; i++) {
		struct wr_alarm *alarm = wr_alarm_of(due[i]);

		if (alarm->out)
			continue;
		alarm->out = true;
		keeper->out++;
		/* With the lock: whoever cancels it finds it sent, or not at all. */
		wr_reactor_send(keeper->reactor, &alarm->task);
	}
	return count > 0;
}

static void
sleep_until_next(struct wr_keeper *keeper)
{
	uint64_t next_ns = wr_clockwork_next_ns(&keeper->clockwork);
	struct timespec at = {.tv_sec = (time_t)(next_ns / 1000000000),
		.tv_nsec = (long)(next_ns % 1000000000)};

	keeper->until_ns = next_ns;
	if (next_ns == WR_TIMER_NEVER)
		pthread_cond_wait(&keeper->change, &keeper->lock);
	else
		(void)pthread_cond_timedwait(&keeper->change, &keeper->lock, &at);
	keeper->until_ns = 0; /* awake, it looks by itself */
}

/* The lock is free for others now and then. */
static void
give_way(struct wr_keeper *keeper)
{
	pthread_mutex_unlock(&keeper->lock);
	sched_yield();
	pthread_mutex_lock(&keeper->lock);
}

static void *
keep(void *arg)
{
	struct wr_keeper *keeper = arg;

	pthread_mutex_lock(&keeper->lock);
	while (!keeper->over) {
		keeper->full = keeper->out >= WR_TIMERS_FIRE;
		if (keeper->full)
			pthread_cond_wait(&keeper->change, &keeper->lock);
		else if (send_due(keeper))
			give_way(keeper);
		else
			sleep_until_next(keeper);
	}
	pthread_mutex_unlock(&keeper->lock);
	return NULL;
}

/* ---- its life --------------------------------------------------------------------------------- */

static void
make(struct wr_keeper *keeper, struct wr_reactor *reactor)
{
	pthread_condattr_t attr;

	memset(keeper, 0, sizeof(*keeper));
	keeper->reactor = reactor;
	pthread_mutex_init(&keeper->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&keeper->change, &attr);
	pthread_condattr_destroy(&attr);
	wr_clockwork_init(&keeper->clockwork, NULL);
}

static void
unmake(struct wr_keeper *keeper)
{
	wr_clockwork_fini(&keeper->clockwork);
	pthread_cond_destroy(&keeper->change);
	pthread_mutex_destroy(&keeper->lock);
}

int
wr_keeper_start(struct wr_keeper *keeper, struct wr_reactor *reactor, int core)
{
	int rc;

	make(keeper, reactor);
	rc = wr_thread_start(&keeper->thread, "weir-timers", keep, keeper);
	if (rc != 0) {
		unmake(keeper);
		errno = rc;
		return -WEIR_E_ENV_THREADS;
	}
	rc = core == WR_CORE_ANY ? 0 : wr_core_bind(keeper->thread, (unsigned)core);
	if (rc == 0)
		return 0;
	wr_keeper_stop(keeper);
	errno = rc;
	return -WEIR_E_ENV_OS;
}

void
wr_keeper_stop(struct wr_keeper *keeper)
{
	pthread_mutex_lock(&keeper->lock);
	keeper->over = true;
	pthread_cond_signal(&keeper->change);
	pthread_mutex_unlock(&keeper->lock);
	pthread_join(keeper->thread, NULL);
	unmake(keeper);
}

/* ---- the reactor's thread --------------------------------------------------------------------- */

/* Nothing of it is to be told any more. With the lock. */
static void
forget(struct wr_keeper *keeper, struct wr_alarm *alarm)
{
	alarm->fired = alarm->missed = 0;
	if (!alarm->out)
		return;
	alarm->out = false;
	keeper->out--;
	if (keeper->full && keeper->out < WR_TIMERS_FIRE / 2)
		pthread_cond_signal(&keeper->change);
}

/* Ends what began with a lock; wakes the keeper if something is due sooner than it sleeps. */
static int
done(struct wr_keeper *keeper, int rc)
{
	if (wr_clockwork_next_ns(&keeper->clockwork) < keeper->until_ns)
		pthread_cond_signal(&keeper->change);
	pthread_mutex_unlock(&keeper->lock);
	return rc;
}

int
wr_keeper_once(struct wr_keeper *keeper, struct wr_alarm *alarm, uint64_t at_ns)
{
	pthread_mutex_lock(&keeper->lock);
	return done(keeper, wr_clockwork_once(&keeper->clockwork, alarm, at_ns));
}

int
wr_keeper_every(struct wr_keeper *keeper, struct wr_alarm *alarm, uint64_t first_ns,
	uint64_t period_ns, enum wr_interval_rule rule)
{
	pthread_mutex_lock(&keeper->lock);
	return done(keeper,
		wr_clockwork_every(&keeper->clockwork, alarm, first_ns, period_ns, rule));
}

bool
wr_keeper_cancel(struct wr_keeper *keeper, struct wr_alarm *alarm)
{
	bool was;

	pthread_mutex_lock(&keeper->lock);
	forget(keeper, alarm);
	was = wr_clockwork_cancel(&keeper->clockwork, alarm);
	pthread_mutex_unlock(&keeper->lock);
	return was;
}

void
wr_keeper_enter(struct wr_keeper *keeper)
{
	pthread_mutex_lock(&keeper->lock);
}

void
wr_keeper_leave(struct wr_keeper *keeper, struct wr_alarm *alarm)
{
	if (alarm->fired == 0)
		forget(keeper, alarm);
	pthread_mutex_unlock(&keeper->lock);
}
