/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/reactor.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>
#include <weir/weir.h>

#include "bus/mutant.h"
#include "bus/os/clock.h"

enum {
	SPINS_MAX = 2000, /* looks with a pause: some tens of microseconds */
	SPINS_MIN = 16,
	CROWD_NS = 5 * 1000 * 1000, /* how long an answer about the cores is believed */
	FLOW_MIN = 32,      /* work since the last sleep that counts as a flow */
	NAP_NS = 50 * 1000, /* in a flow: let a batch gather instead of being rung for one */
	NAPS_MAX = 16,      /* that find nothing, before it parks: about 2 ms */
	SLEEP_MS_MAX = 1000 /* no sleep is longer without a look */
};

int
wr_reactor_init(struct wr_reactor *r, wr_a64 *flag, uint32_t idle)
{
	*r = (struct wr_reactor){
		.flag = flag, .epoch = wr_stat_get(flag), .idle = idle, .spins = SPINS_MIN};
	r->load_fd = -1;
	r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return r->epoll_fd < 0 ? -WEIR_E_ENV_FILES : 0;
}

void
wr_reactor_fini(struct wr_reactor *r)
{
	if (r->epoll_fd >= 0)
		close(r->epoll_fd);
	if (r->load_fd >= 0)
		close(r->load_fd);
	r->epoll_fd = r->load_fd = -1;
}

void
wr_reactor_add(struct wr_reactor *r, struct wr_task *task)
{
	r->task_count++;
	if (!r->tasks) {
		task->next = task;
		r->tasks = task;
		return;
	}
	task->next = r->tasks->next;
	r->tasks->next = task;
}

void
wr_reactor_remove(struct wr_reactor *r, struct wr_task *task)
{
	struct wr_task *before = r->tasks;

	if (!before)
		return;
	while (before->next != task) {
		before = before->next;
		if (before == r->tasks)
			return;
	}
	before->next = task->next;
	r->task_count--;
	if (r->tasks == task)
		r->tasks = before == task ? NULL : task->next;
}

int
wr_reactor_poll(struct wr_reactor *r, int *verdict)
{
	int work = 0;

	*verdict = 0;
	/* The circle turns with every poll, so that a task may leave it meanwhile. */
	for (uint32_t left = r->task_count; left > 0 && r->tasks && *verdict == 0;
		left--) {
		struct wr_task *task = r->tasks;

		r->tasks = task->next;
		work += task->poll(task, verdict);
	}
	if (r->tasks && *verdict == 0)
		r->tasks = r->tasks->next; /* the next turn begins one further */
	r->flow += (uint32_t)work;
	return work;
}

static bool
any_ready(const struct wr_reactor *r)
{
	struct wr_task *task = r->tasks;

	if (r->only)
		return r->only->ready(r->only);
	if (!task)
		return false;
	do {
		if (task->ready(task))
			return true;
		task = task->next;
	} while (task != r->tasks);
	return false;
}

static bool
any_heavy(const struct wr_reactor *r)
{
	struct wr_task *task = r->tasks;

	if (!task)
		return false;
	do {
		if (task->heavy(task))
			return true;
		task = task->next;
	} while (task != r->tasks);
	return false;
}

bool
wr_reactor_arm(struct wr_reactor *r)
{
	bool heavy = WR_MUTANT(WAKE_MODEFIRST) && any_heavy(r);

	if (WR_MUTANT(WAKE_CHECKFIRST) && any_ready(r))
		return false;
	r->epoch |= 1;
	wr_store_release(sleep_raise, r->flag, r->epoch); /* -> wake_look, relay_look */
	/* Dekker with wake_fence; a publisher that does not fence is fenced by us. */
	if (!WR_MUTANT(WAKE_NORFENCE))
		wr_fence_sc(sleep_fence);
	if (!WR_MUTANT(WAKE_MODEFIRST))
		heavy = any_heavy(r);
	if (heavy && !WR_MUTANT(WAKE_NORFENCE))
		wr_fence_heavy(sleep_heavy);
	if (WR_MUTANT(WAKE_DRAINBEFORE)) {
		struct epoll_event events[8];

		(void)epoll_wait(r->epoll_fd, events, 8, 0);
	}
	if (!WR_MUTANT(WAKE_CHECKFIRST) && any_ready(r)) {
		wr_reactor_disarm(r);
		return false;
	}
	return true;
}

void
wr_reactor_disarm(struct wr_reactor *r)
{
	if ((r->epoch & 1) == 0)
		return;
	r->epoch++;
	wr_store_release(sleep_lower, r->flag, r->epoch);
}

void
wr_reactor_rise(struct wr_reactor *r)
{
	struct epoll_event events[16];

	if ((r->epoch & 1) == 0)
		return;
	/* While they are left there the descriptor stays readable, and whoever waits on it
	 * comes back at once, for ever. */
	(void)epoll_wait(r->epoll_fd, events, 16, 0);
	wr_reactor_disarm(r);
}

void
wr_reactor_wake(struct wr_reactor *r)
{
	wr_store_release(loop_woken, &r->woken, 1);
}

/* True if a wake-up was asked for; it is answered then. */
static bool
was_woken(struct wr_reactor *r)
{
	if (wr_load_acquire(loop_woken, &r->woken) == 0)
		return false;
	wr_store_relaxed(loop_woken, &r->woken, 0);
	return true;
}

/* Sleeps until rung. The wait takes the bells' tokens; nothing else drains them. */
static void
park(struct wr_reactor *r, int timeout_ms)
{
	struct epoll_event events[16];

	if (timeout_ms < 0 || timeout_ms > SLEEP_MS_MAX)
		timeout_ms = SLEEP_MS_MAX;
	if (!wr_reactor_arm(r))
		return;
	r->sleeps++;
	r->flow = 0;
	(void)epoll_wait(r->epoll_fd, events, 16, timeout_ms);
	wr_reactor_disarm(r);
}

/* Threads that could run now, of the whole machine; 0 where the kernel does not say. */
static int
runnable(struct wr_reactor *r)
{
	char text[64];
	const char *at;
	ssize_t size;

	if (r->load_fd < 0)
		r->load_fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
	size = r->load_fd < 0 ? -1 : pread(r->load_fd, text, sizeof(text) - 1, 0);
	if (size <= 0)
		return 0;
	text[size] = 0; /* "0.52 0.58 0.59 3/841 12345": three could run */
	at = strchr(text, '/');
	while (at && at > text && at[-1] != ' ')
		at--;
	return at ? atoi(at) : 0;
}

/* True if a spin would take a core from somebody who has work for it. */
static bool
crowded(struct wr_reactor *r)
{
	uint64_t now = wr_now_ns();

	if (now - r->crowd_ns > CROWD_NS) {
		r->crowd_ns = now;
		r->crowded = runnable(r) > sysconf(_SC_NPROCESSORS_ONLN);
	}
	return r->crowded;
}

/* Looks again for a while; pays attention to whether that has paid lately. */
static bool
spin(struct wr_reactor *r)
{
	if (crowded(r))
		return any_ready(r);
	for (uint32_t i = 0; i < r->spins; i++) {
		if (any_ready(r)) {
			if (r->spins < SPINS_MAX)
				r->spins *= 2;
			return true;
		}
		wr_pause();
	}
	if (r->spins > SPINS_MIN)
		r->spins /= 2;
	return false;
}

/*
 * In the middle of a flow a short sleep without the flag lets messages gather, and costs
 * the publisher nothing. A flow that pauses is waited for a few times more: to park means
 * to be rung, and where cores are few a publisher that rings everybody is the bottleneck.
 */
static bool
nap(struct wr_reactor *r)
{
	static const struct timespec rest = {.tv_nsec = NAP_NS};

	if (r->flow >= FLOW_MIN)
		r->naps_left = NAPS_MAX;
	r->flow = 0;
	while (r->naps_left > 0) {
		r->naps_left--;
		r->naps++;
		nanosleep(&rest, NULL);
		if (any_ready(r))
			return true;
	}
	return false;
}

static bool
idle_round(struct wr_reactor *r, int timeout_ms)
{
	switch (r->idle) {
	case WEIR_IDLE_SPIN:
		wr_pause();
		return any_ready(r);
	case WEIR_IDLE_YIELD:
		sched_yield();
		return any_ready(r);
	case WEIR_IDLE_ADAPTIVE:
		if (spin(r) || nap(r))
			return true;
		break;
	default:
		break;
	}
	park(r, timeout_ms);
	return any_ready(r);
}

bool
wr_reactor_idle(struct wr_reactor *r, int timeout_ms)
{
	uint64_t deadline =
		timeout_ms > 0 ? wr_now_ns() + (uint64_t)timeout_ms * 1000000 : 0;
	uint32_t rounds = 0;

	if (timeout_ms == 0 || wr_load_acquire(loop_stopped, &r->stopped) || was_woken(r))
		return false;
	if (idle_round(r, timeout_ms))
		return true;
	if (r->idle == WEIR_IDLE_ADAPTIVE || r->idle == WEIR_IDLE_PARK) {
		(void)was_woken(r);
		return false; /* it was rung or is due: the caller looks */
	}
	/* Who never sleeps reads the clock now and then. */
	while (!idle_round(r, timeout_ms)) {
		if (wr_load_relaxed(loop_stopped, &r->stopped) || was_woken(r))
			return false;
		if (deadline && (++rounds & 63) == 0 && wr_now_ns() >= deadline)
			return false;
		if (!deadline && (++rounds & 0xfffff) == 0)
			return false;
	}
	return true;
}
