/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/rest.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <weir/weir.h>

#include "bus/mutant.h"
#include "bus/os/clock.h"
#include "scheduler/relief.h"

enum {
	SPINS_MAX = 2000,           /* looks with a pause: some tens of microseconds */
	CROWD_NS = 5 * 1000 * 1000, /* how long an answer about the cores is believed */
	FLOW_MIN = 32,      /* work since the last sleep that counts as a flow */
	NAP_NS = 50 * 1000, /* in a flow: let a batch gather instead of being rung for one */
	NAPS_MAX = 16,      /* that find nothing, before it parks: about 2 ms */
	SLEEP_MS_MAX = 1000 /* no sleep is longer without a look */
};

bool
wr_reactor_arm(struct wr_reactor *r)
{
	bool heavy = WR_MUTANT(WAKE_MODEFIRST) && wr_reactor_any_heavy(r);

	if (WR_MUTANT(WAKE_CHECKFIRST) && wr_reactor_any_ready(r))
		return false;
	r->epoch |= 1;
	wr_store_release(sleep_raise, r->flag, r->epoch); /* -> wake_look, relay_look */
	/* Dekker with wake_fence; a publisher that does not fence is fenced by us. */
	if (!WR_MUTANT(WAKE_NORFENCE))
		wr_fence_sc(sleep_fence);
	if (!WR_MUTANT(WAKE_MODEFIRST))
		heavy = wr_reactor_any_heavy(r);
	if (heavy && !WR_MUTANT(WAKE_NORFENCE))
		wr_fence_heavy(sleep_heavy);
	if (WR_MUTANT(WAKE_DRAINBEFORE)) {
		void *tasks[8];

		(void)wr_poller_wait(&r->poller, tasks, 8, 0);
	}
	if (!WR_MUTANT(WAKE_CHECKFIRST) && wr_reactor_any_ready(r)) {
		wr_reactor_disarm(r);
		return false;
	}
	wr_clockwork_stand_in(&r->clockwork);
	if (r->post)
		wr_post_sleeps(r->post);
	return true;
}

void
wr_reactor_disarm(struct wr_reactor *r)
{
	if ((r->epoch & 1) == 0)
		return;
	r->epoch++;
	wr_store_release(sleep_lower, r->flag, r->epoch);
	if (r->post)
		wr_post_wakes(r->post);
}

void
wr_reactor_rise(struct wr_reactor *r)
{
	if ((r->epoch & 1) == 0)
		return;
	/* While they are left there the descriptor stays readable, and whoever waits on it
	 * comes back at once, for ever. */
	wr_reactor_hear(r, 0);
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

/* So long at most; the alarm's descriptor ends it sooner, if there could be one. */
static int
sleep_ms(const struct wr_reactor *r, int timeout_ms)
{
	uint64_t next_ns = wr_clockwork_next_ns(&r->clockwork);
	uint64_t now_ns = next_ns != WR_TIMER_NEVER ? wr_now_ns() : 0;
	uint64_t left_ms = (next_ns > now_ns ? next_ns - now_ns : 0) / 1000000 + 1;
	int most =
		timeout_ms < 0 || timeout_ms > SLEEP_MS_MAX ? SLEEP_MS_MAX : timeout_ms;

	return left_ms < (uint64_t)most ? (int)left_ms : most;
}

/* The time, for who notes how long it slept. */
static uint64_t
noted_ns(struct wr_reactor *r)
{
	return WEIR_METRICS || WEIR_TRACE ? wr_clock_now(&r->meter.clock) : 0;
}

/* The wait takes the bells' tokens; nothing else drains them. */
void
wr_reactor_park(struct wr_reactor *r, int timeout_ms)
{
	uint64_t began_ns, slept_ns;
	int most_ms;

	if (!wr_reactor_arm(r))
		return;
	r->flow = 0;
	most_ms = sleep_ms(r, timeout_ms);
	wr_trace(&r->trace, WEIR_TRACE_SLEEP, 0, 0, (int64_t)most_ms * 1000000);
	began_ns = noted_ns(r);
	wr_reactor_hear(r, most_ms);
	wr_reactor_disarm(r);
	slept_ns = noted_ns(r) - began_ns;
	WR_COUNT(&r->stats->sleeps, 1);
	WR_COUNT(&r->stats->idle_ns, slept_ns);
	wr_trace(&r->trace, WEIR_TRACE_WAKE, 0, 0, (int64_t)slept_ns);
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
		return wr_reactor_any_ready(r);
	for (uint32_t i = 0; i < r->spins; i++) {
		if (wr_reactor_any_ready(r)) {
			if (r->spins < SPINS_MAX)
				r->spins *= 2;
			return true;
		}
		wr_pause();
	}
	if (r->spins > WR_SPINS_MIN)
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
		if (wr_reactor_any_ready(r))
			return true;
	}
	return false;
}

static bool
idle_round(struct wr_reactor *r, int timeout_ms)
{
	switch (r->idling) {
	case WEIR_IDLE_SPIN:
		wr_pause();
		return wr_reactor_any_ready(r);
	case WEIR_IDLE_YIELD:
		sched_yield();
		return wr_reactor_any_ready(r);
	case WEIR_IDLE_ADAPTIVE:
		if (spin(r) || nap(r))
			return true;
		break;
	default:
		break;
	}
	wr_reactor_park(r, timeout_ms);
	return wr_reactor_any_ready(r);
}

bool
wr_reactor_linger(struct wr_reactor *r)
{
	wr_meter_pause(&r->meter);
	if (r->idling == WEIR_IDLE_SPIN || r->idling == WEIR_IDLE_YIELD) {
		(void)idle_round(r, 0);
		return true;
	}
	return r->idling == WEIR_IDLE_ADAPTIVE ? spin(r) || nap(r)
					       : wr_reactor_any_ready(r);
}

bool
wr_reactor_idle(struct wr_reactor *r, int timeout_ms)
{
	uint64_t deadline =
		timeout_ms > 0 ? wr_now_ns() + (uint64_t)timeout_ms * 1000000 : 0;
	uint32_t rounds = 0;

	wr_meter_pause(&r->meter);
	if (timeout_ms == 0 || wr_load_acquire(loop_stopped, &r->stopped) || was_woken(r))
		return false;
	if (idle_round(r, timeout_ms))
		return true;
	if (r->idling == WEIR_IDLE_ADAPTIVE || r->idling == WEIR_IDLE_PARK) {
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
