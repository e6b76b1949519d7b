/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/os/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bus/os/core.h"
#include "bus/os/sched.h"

int
wr_thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *arg)
{
	sigset_t all, before;
	int rc;

	/* It inherits the mask, so that there is no moment in which one could come. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc == 0)
		(void)pthread_setname_np(*thread, name);
	return rc;
}

/* ---- looking at others ------------------------------------------------------------------- */

void
wr_thread_look_init(struct wr_thread_look *look)
{
	look->tid = wr_sched_self();
	look->policy = -1;
	if (pthread_getcpuclockid(pthread_self(), &look->clock) != 0)
		look->clock = CLOCK_MONOTONIC; /* then it runs all the time */
}

uint64_t
wr_thread_ran_ns(const struct wr_thread_look *look)
{
	struct timespec ran;

	if (clock_gettime(look->clock, &ran) < 0)
		return 0;
	return (uint64_t)ran.tv_sec * 1000000000u + (uint64_t)ran.tv_nsec;
}

bool
wr_thread_waits(const struct wr_thread_look *look)
{
	char state = wr_sched_state((uint32_t)getpid(), look->tid);

	return state == 'S' || state == 'D';
}

bool
wr_thread_waits_there(const struct wr_thread_look *look)
{
	int core = wr_sched_core((uint32_t)getpid(), look->tid);

	if (core >= 0)
		(void)wr_core_visit((unsigned)core);
	return wr_thread_waits(look);
}

/* ---- lower, and back --------------------------------------------------------------------- */

int
wr_thread_lower(struct wr_thread_look *look, bool idle, int nice)
{
	static const struct sched_param none = {.sched_priority = 0};
	int policy = sched_getscheduler((pid_t)look->tid);
	int rc;

	/* Who was given a real-time priority by its program keeps it. */
	if (policy != SCHED_OTHER && policy != SCHED_BATCH)
		return EPERM;
	look->nice = getpriority(PRIO_PROCESS, look->tid);
	rc = idle ? sched_setscheduler((pid_t)look->tid, SCHED_IDLE, &none)
		  : setpriority(PRIO_PROCESS, look->tid, nice);
	if (rc < 0)
		return errno;
	look->policy = policy;
	return 0;
}

void
wr_thread_raise(struct wr_thread_look *look)
{
	static const struct sched_param none = {.sched_priority = 0};

	if (look->policy < 0)
		return;
	(void)sched_setscheduler((pid_t)look->tid, look->policy, &none);
	(void)setpriority(PRIO_PROCESS, look->tid, look->nice);
	look->policy = -1;
}

static void *
try_to_rise(void *answer)
{
	struct wr_thread_look look;

	wr_thread_look_init(&look);
	if (wr_thread_lower(&look, true, 0) == 0) {
		wr_thread_raise(&look);
		*(bool *)answer = sched_getscheduler(0) != SCHED_IDLE;
	}
	return NULL;
}

bool
wr_thread_can_rise(void)
{
	bool answer = false;
	pthread_t thread;

	if (wr_thread_start(&thread, "weir-rank", try_to_rise, &answer) != 0)
		return false;
	(void)pthread_join(thread, NULL);
	return answer;
}
