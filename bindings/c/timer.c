/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Timers of a bus's loop: weir_timer_*.
 */
#include <stdlib.h>
#include <weir/look.h>
#include <weir/loop.h>

#include "bus/error.h"
#include "bus/lines.h"
#include "protocols/hung.h"

struct weir_timer {
	struct wr_hung hung;
	struct wr_alarm alarm;
	uint64_t every_ns;
	enum wr_interval_rule rule;
	weir_timer_fn on_tick;
	void *ctx;
};

static struct weir_timer *
of_task(struct wr_task *task)
{
	return (struct weir_timer *)(void *)((uint8_t *)task -
		offsetof(struct weir_timer, alarm.task));
}

/* ---- in the hands of the loop, or of a keeper ------------------------------------------------- */

static struct wr_keeper *
keeper_of(const struct weir_timer *timer)
{
	return timer->hung.bus->keeper;
}

/* Takes what the next call is about. False: nothing. */
static bool
take_tick(struct weir_timer *timer, weir_tick *tick)
{
	struct wr_alarm *alarm = &timer->alarm;

	if (alarm->fired == 0)
		return false;
	*tick = (weir_tick){.due_ns = alarm->due_ns, .missed = alarm->missed};
	if (timer->rule == WR_INTERVAL_BURST) {
		alarm->fired--;
		alarm->due_ns += timer->every_ns;
	} else {
		tick->missed += alarm->fired - 1;
		alarm->fired = alarm->missed = 0;
	}
	return true;
}

static bool
take_kept_tick(struct weir_timer *timer, weir_tick *tick)
{
	bool took;

	wr_keeper_enter(keeper_of(timer));
	took = take_tick(timer, tick);
	wr_keeper_leave(keeper_of(timer), &timer->alarm);
	if (took) {
		WR_COUNT(&timer->hung.bus->reactor.stats->timers, 1);
		wr_trace(&timer->hung.bus->reactor.trace, WEIR_TRACE_TIMERS, 0, 0, 1);
	}
	return took;
}

static void
cancel(struct weir_timer *timer)
{
	if (keeper_of(timer)) {
		(void)wr_keeper_cancel(keeper_of(timer), &timer->alarm);
		return;
	}
	(void)wr_clockwork_cancel(&timer->hung.bus->reactor.clockwork, &timer->alarm);
	timer->alarm.fired = timer->alarm.missed = 0;
}

static int
arm_at(struct weir_timer *timer, uint64_t at_ns)
{
	struct wr_clockwork *clockwork = &timer->hung.bus->reactor.clockwork;
	struct wr_keeper *keeper = keeper_of(timer);
	struct wr_alarm *alarm = &timer->alarm;

	if (timer->every_ns > 0)
		return keeper ? wr_keeper_every(keeper, alarm, at_ns, timer->every_ns,
					timer->rule)
			      : wr_clockwork_every(clockwork, alarm, at_ns,
					timer->every_ns, timer->rule);
	return keeper ? wr_keeper_once(keeper, alarm, at_ns)
		      : wr_clockwork_once(clockwork, alarm, at_ns);
}

/* ---- on the loop ------------------------------------------------------------------------------- */

/* One call a poll: who bursts takes its turns like everybody else, and who does not is
 * called once for all that came while it waited for its own. */
static int
timer_poll(struct wr_task *task, int *verdict)
{
	struct weir_timer *timer = of_task(task);
	weir_tick tick;

	if (!(keeper_of(timer) ? take_kept_tick(timer, &tick) : take_tick(timer, &tick)))
		return 0;
	*verdict = timer->on_tick(timer->ctx, &tick);
	return 1;
}

static void
leave(struct wr_hung *hung)
{
	struct weir_timer *timer = (struct weir_timer *)hung;

	cancel(timer);
	wr_reactor_remove(&hung->bus->reactor, &timer->alarm.task);
}

static int
check_options(const weir_timer_opts *opts, struct weir_error *err)
{
	if (opts->size != sizeof(*opts))
		return wr_error_set(err, WEIR_E_USAGE_SIZE, 0,
			"weir_timer_opts of %zu bytes, this library knows %zu",
			opts->size, sizeof(*opts));
	if (!opts->on_tick)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0, "no on_tick is given");
	if (opts->after_ns == 0 && opts->every_ns == 0)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"neither after_ns nor every_ns is given");
	if (opts->late > WEIR_LATE_BURST)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"late %u is not a choice", opts->late);
	if (opts->weight > WEIR_WEIGHT_MAX)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0, "weight %u is above %d",
			opts->weight, WEIR_WEIGHT_MAX);
	return 0;
}

static int
arm(struct weir_timer *timer, uint64_t after_ns)
{
	uint64_t now_ns = wr_now_ns();

	return arm_at(timer,
		after_ns < UINT64_MAX - now_ns ? now_ns + after_ns : UINT64_MAX - 1);
}

static int
timer_open(struct weir_timer *timer, const weir_timer_opts *opts, struct weir_error *err)
{
	struct wr_reactor *reactor = &timer->hung.bus->reactor;
	int rc = check_options(opts, err);

	if (rc < 0)
		return rc;
	timer->on_tick = opts->on_tick;
	timer->ctx = opts->ctx;
	timer->every_ns = opts->every_ns;
	timer->rule = (enum wr_interval_rule)opts->late;
	timer->alarm.task.poll = timer_poll;
	timer->alarm.task.kind = WEIR_KIND_TIMER;
	timer->hung.leave = leave;
	rc = wr_reactor_add(reactor, &timer->alarm.task, opts->weight, err);
	if (rc < 0)
		return rc;
	rc = arm(timer, opts->after_ns ? opts->after_ns : opts->every_ns);
	if (rc == 0)
		return 0;
	wr_reactor_remove(reactor, &timer->alarm.task);
	return wr_error_set(err, -rc, 0,
		rc == -WEIR_E_ENV_MEMORY
			? "no memory for timers"
			: "as many timers, or different periods, as a loop can have");
}

weir_timer *
weir_timer_start_(weir_bus *bus, const weir_timer_opts *opts)
{
	static struct weir_timer none = {.hung.handle = WR_HANDLE_NONE};
	struct weir_timer *timer = wr_lines_alloc(sizeof(*timer));
	int rc;

	if (!timer)
		return &none;
	rc = wr_hung_enter(&timer->hung, bus, opts);
	if (rc == 0)
		rc = timer_open(timer, opts, &timer->hung.handle.err);
	if (rc < 0)
		wr_bus_blame(bus, &timer->hung.handle, "weir_timer_start", NULL);
	return timer;
}

int
weir_timer_again(weir_timer *timer, uint64_t after_ns)
{
	int rc = wr_handle_enter(&timer->hung.handle);

	return rc < 0 ? rc : arm(timer, after_ns);
}

int
weir_timer_cancel(weir_timer *timer)
{
	int rc = wr_handle_enter(&timer->hung.handle);

	if (rc < 0)
		return rc;
	cancel(timer);
	return 0;
}

int
weir_timer_close(weir_timer *timer)
{
	return wr_hung_close(timer ? &timer->hung : NULL);
}

const weir_error *
weir_timer_why(const weir_timer *timer)
{
	return &timer->hung.handle.err;
}
