/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The composition root: opens and closes a bus out of the rooms, and runs its loop.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/look.h>
#include <weir/loop.h>

#include "bindings/c/hooks.h"
#include "bindings/c/signals.h"
#include "bindings/c/tiers.h"
#include "bindings/c/tune.h"
#include "bindings/c/turn.h"
#include "bus/error.h"
#include "bus/hub.h"
#include "bus/lines.h"
#include "bus/meeting.h"
#include "bus/topic.h"
#include "protocols/bus.h"
#include "scheduler/rest.h"

#define INPROC "inproc:"

static int turn_once(struct weir_bus *bus, int timeout_ms, int *verdict);

/* ---- opening ------------------------------------------------------------------------------- */

static const char *
node_name(const weir_bus_opts *opts)
{
	if (opts->node)
		return opts->node;
	return program_invocation_short_name && *program_invocation_short_name
		? program_invocation_short_name
		: "weir";
}

static int
check_options(const weir_bus_opts *opts, struct weir_error *err)
{
	if (opts->size != sizeof(*opts))
		return wr_error_set(err, WEIR_E_USAGE_SIZE, 0,
			"weir_bus_opts of %zu bytes, this library knows %zu",
			opts->size, sizeof(*opts));
	if (!opts->name || wr_name_check(opts->name) < 0)
		return wr_error_set(err, WEIR_E_USAGE_NAME, 0, "'%s' is not a bus name",
			opts->name ? opts->name : "(null)");
	if (opts->node && wr_name_check(opts->node) < 0)
		return wr_error_set(err, WEIR_E_USAGE_NAME, 0,
			"'%s' is not a node name", opts->node);
	if (opts->idle > WEIR_IDLE_SPIN)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"idle %u is not a choice", opts->idle);
	if (opts->io > WEIR_IO_POLL)
		return wr_error_set(
			err, WEIR_E_USAGE_INVAL, 0, "io %u is not a choice", opts->io);
	if ((opts->flags &
		    ~(uint32_t)(WEIR_BUS_NO_THREAD | WEIR_BUS_NO_SIGNALS |
			    WEIR_BUS_QUIET | WEIR_BUS_PINNED)) != 0)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"flags %#x are not all known", opts->flags);
	if (opts->loops > WEIR_LOOPS_MAX)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"%u loops are more than the %d that a bus may have",
			opts->loops, WEIR_LOOPS_MAX);
	if (opts->tick_us > WEIR_TICK_US_MAX)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"tick_us %u is above the limit of %d", opts->tick_us,
			WEIR_TICK_US_MAX);
	if (opts->lane > WEIR_LANE_SAME)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"lane %u is not a choice", opts->lane);
	return wr_tune_check(opts, err);
}

static int
meet(struct weir_bus *bus, const weir_bus_opts *opts, struct weir_error *err)
{
	struct wr_meeting_opts mopts = {.dir = opts->dir,
		.group = opts->group,
		.users = opts->users,
		.deadline_ns = wr_deadline_ns(bus->attach_ms),
		.thread = (opts->flags & WEIR_BUS_NO_THREAD) == 0};

	if (bus->node.in_process)
		return wr_hub_open(&bus->node, err);
	return wr_meeting_open(&bus->node, &mopts, err);
}

/* ---- events, a task among the subscriptions --------------------------------------------------- */

static struct weir_bus *
of_events(struct wr_task *task)
{
	return (struct weir_bus *)(void *)((uint8_t *)task -
		offsetof(struct weir_bus, events));
}

/* Only where there is a callback for them; else they wait to be pulled. */
static int
events_poll(struct wr_task *task, int *verdict)
{
	struct weir_bus *bus = of_events(task);
	weir_event event;
	int count = 0;

	(void)verdict;
	while (wr_node_event_take(&bus->node, &event)) {
		bus->on_event(bus->ctx, &event);
		count++;
	}
	return count;
}

static bool
events_ready(struct wr_task *task)
{
	return wr_load_acquire(event_pending, &of_events(task)->node.event_pending) != 0;
}

static bool
events_heavy(struct wr_task *task)
{
	(void)task;
	return false; /* who queues one fences for itself */
}

/* Whose turn it will be, how long a round may become, and how consumers are watched. */
static int
plan_loop(struct weir_bus *bus, const weir_bus_opts *opts, struct weir_error *err)
{
	if (opts->discipline && wr_reactor_discipline(&bus->reactor, opts->discipline) < 0)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"discipline '%s' is none of priority, time, classes and robin",
			opts->discipline);
	if (wr_bus_bind(bus, opts, err) < 0)
		return -err->code;
	wr_bus_enlarge(bus, opts);
	return wr_bus_tiers_init(bus, opts->tiers, err);
}

static int
turn_for_another(void *ctx)
{
	int verdict = 0;

	(void)turn_once(ctx, WEIR_FOREVER, &verdict);
	return verdict;
}

#if WEIR_METRICS

/* Where there is no room for a roster the bus does its work all the same: nobody is shown. */
static void
show_loop(struct weir_bus *bus)
{
	struct wr_node *node = &bus->node;

	if (wr_roster_open(&bus->roster, node->id, node->name, !node->in_process, NULL) < 0)
		return;
	wr_roster_thread(&bus->roster);
	wr_reactor_show(&bus->reactor, &bus->roster);
	if (!node->in_process)
		node->roster = &bus->roster.region;
}

static void
show_thread(struct weir_bus *bus)
{
	wr_roster_thread(&bus->roster);
}

static void
hide_loop(struct weir_bus *bus)
{
	wr_roster_close(&bus->roster);
}

#else

#define show_loop(bus)   ((void)0)
#define hide_loop(bus)   ((void)0)
#define show_thread(bus) ((void)0)

#endif

static void
arrive_on_thread(void *ctx)
{
	struct weir_bus *bus = ctx;

	wr_ties_adopt(bus);
	show_thread(bus);
}

/* Handlers that do not return are found by a thread of the library's. */
static uint64_t
hard_ns(const weir_bus_opts *opts)
{
	if ((opts->flags & (WEIR_BUS_NO_THREAD | WEIR_BUS_PINNED)) != 0)
		return WR_HARD_OFF;
	return (opts->hard_us ? opts->hard_us : WEIR_HARD_US) * 1000ull;
}

/* The further loops; what is the library's own is not held against the limit of a round. */
static int
gather_crew(struct weir_bus *bus, const weir_bus_opts *opts, struct weir_error *err)
{
	struct wr_crew_plan plan = {.loops = opts->loops,
		.idle = opts->idle,
		.lane = opts->lane,
		.core = opts->core,
		.discipline = opts->discipline,
		.hard_ns = hard_ns(opts),
		.tick_ns = (opts->tick_us ? opts->tick_us : WEIR_TICK_US) * 1000ull,
		.turn = turn_for_another,
		.arrives = arrive_on_thread,
		.ctx = bus};

	bus->events = (struct wr_task){.poll = events_poll,
		.ready = events_ready,
		.heavy = events_heavy,
		.kind = WEIR_KIND_EVENTS};
	if (bus->on_event)
		(void)wr_reactor_add(&bus->reactor, &bus->events, 0, NULL);
	wr_rounds_init(&bus->reactor.rounds, opts->round_limit);
	return wr_crew_init(&bus->crew, &bus->reactor, &plan, err);
}

/* Before anything is there to be heard. */
static int
listen_up(struct weir_bus *bus, struct weir_error *err)
{
	enum wr_io io = (enum wr_io)wr_settings_get(&bus->settings, WR_SETTING_IO);
	int rc = wr_reactor_listen(&bus->reactor, io);

	bus->node.io = bus->reactor.poller.epoll ? WR_IO_EPOLL : WR_IO_POLL;
	if (rc < 0)
		wr_error_set(err, -rc, errno, "no descriptor for the loop, by %s",
			io == WR_IO_EPOLL ? "epoll" : "epoll or poll");
	return rc;
}

static int
bus_open(struct weir_bus *bus, const weir_bus_opts *opts)
{
	struct weir_error *err = &bus->handle.err;
	int rc = check_options(opts, err);

	if (rc < 0)
		return rc;
	rc = wr_node_init(&bus->node, opts->name, node_name(opts),
		strncmp(opts->name, INPROC, sizeof(INPROC) - 1) == 0,
		opts->idle == WEIR_IDLE_ADAPTIVE || opts->idle == WEIR_IDLE_PARK, err);
	if (rc < 0)
		return rc;
	rc = wr_reactor_init(&bus->reactor, bus->node.flag, bus->node.bell, opts->idle);
	if (rc < 0) {
		wr_error_set(err, -rc, errno, "no descriptor for the loop");
		goto fail_node;
	}
	show_loop(bus);
	rc = plan_loop(bus, opts, err);
	if (rc == 0)
		rc = listen_up(bus, err);
	if (rc < 0)
		goto fail_reactor;
	rc = wr_bus_hooks_init(bus);
	if (rc < 0) {
		wr_error_set(err, -rc, 0, "no memory for a loop");
		goto fail_reactor;
	}
	rc = meet(bus, opts, err);
	if (rc < 0)
		goto fail_hooks;
	if (bus->node.ops->watch(&bus->node, &bus->reactor.poller) < 0) {
		rc = wr_error_set(err, WEIR_E_ENV_OS, errno, "a bell cannot be heard");
		goto fail_meeting;
	}
	rc = gather_crew(bus, opts, err);
	if (rc < 0)
		goto fail_meeting;
	wr_bus_rank(bus, opts);
	bus->opened = true;
	return 0;

fail_meeting:
	bus->node.ops->close(&bus->node, 0);
fail_hooks:
	wr_bus_untune(bus);
	wr_reactor_fini(&bus->reactor);
	hide_loop(bus);
	wr_hooks_fini(&bus->hooks);
	wr_node_fini(&bus->node);
	return rc;
fail_reactor:
	wr_bus_untune(bus);
	wr_reactor_fini(&bus->reactor);
	hide_loop(bus);
fail_node:
	wr_node_fini(&bus->node);
	return rc;
}

weir_bus *
weir_open_(const weir_bus_opts *opts)
{
	static struct weir_bus none = {.handle = WR_HANDLE_NONE};
	struct weir_bus *bus;

	/* The words that other threads touch have lines of their own. */
	bus = wr_lines_alloc(sizeof(*bus));
	if (!bus)
		return &none;
	wr_handle_init(&bus->handle);
	wr_list_init(&bus->watches);
	if (!opts) {
		wr_error_set(&bus->handle.err, WEIR_E_USAGE_INVAL, 0,
			"no options are given");
		wr_error_where(&bus->handle.err, "weir_open");
		(void)wr_handle_fail(&bus->handle);
		return bus;
	}
	bus->attach_ms = opts->attach_ms ? opts->attach_ms : WEIR_ATTACH_MS;
	bus->close_ms = opts->close_ms ? opts->close_ms : WEIR_CLOSE_MS;
	bus->flags = opts->flags;
	bus->io = opts->io;
	bus->on_event = opts->on_event;
	bus->ctx = opts->ctx;
	if (bus_open(bus, opts) < 0) {
		wr_error_where(&bus->handle.err, "weir_open '%s'",
			opts->name ? opts->name : "");
		(void)wr_handle_fail(&bus->handle);
	}
	return bus;
}

/* ---- errors ----------------------------------------------------------------------------------- */

const weir_error *
weir_why(const weir_bus *bus)
{
	return &bus->handle.err;
}

/* Says once on stderr what has failed, and what a program should exit with. */
static int
answer_for(struct weir_bus *bus)
{
	char text[1024];

	if (bus->handle.err.code == 0)
		return 0;
	if ((bus->flags & WEIR_BUS_QUIET) == 0 && !bus->answered) {
		(void)weir_error_format(&bus->handle.err, "weir", text, sizeof(text));
		(void)fputs(text, stderr);
		bus->answered = true;
	}
	return weir_err_exit(bus->handle.err.code) ? weir_err_exit(bus->handle.err.code)
						   : 1;
}

/* ---- closing ------------------------------------------------------------------------------------ */

int
weir_close(weir_bus *bus)
{
	int rc;

	if (!bus)
		return 0;
	if (bus->handle.pid == 0)
		return answer_for(bus); /* there was no memory for a handle */
	rc = wr_handle_enter(&bus->handle);
	if (rc == -WEIR_E_USAGE_THREAD || rc == -WEIR_E_GONE_FORKED)
		return rc;
	if (bus->in_turn)
		return -WEIR_E_USAGE_STATE; /* from a callback of its own */
	if (bus->signals)
		wr_signals_release(bus);
	bus->close_by_ns = wr_deadline_ns(bus->close_ms);
	wr_ties_close(bus, WR_TIE_ON_THE_LOOP);
	wr_bus_untune(bus);
	wr_actors_close(bus);
	if (!wr_crew_gather(&bus->crew, bus->close_by_ns))
		return -WEIR_E_AGAIN_TIMEOUT;
	wr_ties_close(bus, WR_TIE_READS);
	wr_ties_close(bus, WR_TIE_WRITES);
	if (bus->opened) {
		bus->node.ops->close(&bus->node, bus->close_by_ns);
		wr_crew_fini(&bus->crew);
		wr_reactor_fini(&bus->reactor);
		hide_loop(bus);
		wr_hooks_fini(&bus->hooks);
		wr_node_fini(&bus->node);
	}
	rc = answer_for(bus);
	free(bus);
	return rc;
}

int
weir_adopt(weir_bus *bus)
{
	int rc = wr_handle_adopt(&bus->handle);

	if (rc < 0)
		return rc;
	wr_ties_adopt(bus);
	if (bus->opened) {
		show_thread(bus);
		wr_post_adopt(&bus->crew.home.post);
	}
	return 0;
}

/* ---- the loop ------------------------------------------------------------------------------------- */

static bool
stopped(const struct weir_bus *bus)
{
	return wr_load_acquire(loop_stopped, &bus->reactor.stopped) != 0;
}

static int
turn_once(struct weir_bus *bus, int timeout_ms, int *verdict)
{
	int work;

	if ((bus->flags & WEIR_BUS_NO_THREAD) != 0)
		(void)bus->node.ops->turn(&bus->node, 0);
	work = wr_reactor_poll(&bus->reactor, verdict);
	wr_crew_turned(&bus->crew.home);
	if (work > 0 || *verdict != 0 || timeout_ms == 0)
		return work;
	wr_crew_rests(&bus->crew.home);
	(void)wr_reactor_idle(&bus->reactor, timeout_ms);
	if ((bus->flags & WEIR_BUS_NO_THREAD) != 0)
		(void)bus->node.ops->turn(&bus->node, 0);
	return wr_reactor_poll(&bus->reactor, verdict);
}

int
wr_bus_turn(struct weir_bus *bus, int timeout_ms, int *verdict)
{
	bool within = bus->in_turn; /* called by a callback of an outer turn */
	int work;

	bus->in_turn = true;
	work = turn_once(bus, timeout_ms, verdict);
	if (*verdict == 0)
		*verdict = wr_post_turned(&bus->crew.home.post);
	bus->in_turn = within;
	return work;
}

int
weir_turn(weir_bus *bus, int timeout_ms)
{
	int rc = wr_handle_enter(&bus->handle);
	int verdict = 0;

	if (rc < 0)
		return rc;
	if (stopped(bus))
		return -WEIR_E_GONE_STOPPED;
	wr_reactor_rise(&bus->reactor);
	rc = wr_bus_turn(bus, timeout_ms, &verdict);
	return verdict != 0 ? verdict : rc;
}

static void
watch_signals(struct weir_bus *bus)
{
	if (!bus->signals && (bus->flags & WEIR_BUS_NO_SIGNALS) == 0)
		bus->signals = wr_signals_watch(bus) == 0;
}

int
weir_run(weir_bus *bus)
{
	bool watched = bus->signals;
	int verdict = 0;
	int rc = wr_handle_enter(&bus->handle);

	if (rc == -WEIR_E_USAGE_THREAD || rc == -WEIR_E_GONE_FORKED)
		return rc;
	if (bus->handle.err.code != 0)
		return answer_for(bus);
	watch_signals(bus);
	bus->in_run = true;
	while (!stopped(bus) && verdict == 0)
		(void)wr_bus_turn(bus, WEIR_FOREVER, &verdict);
	bus->in_run = false;
	(void)wr_crew_gather(&bus->crew, wr_deadline_ns(bus->close_ms));
	if (!watched && bus->signals) {
		wr_signals_release(bus);
		bus->signals = false;
	}
	return verdict;
}

int
weir_fd(weir_bus *bus)
{
	int rc = wr_handle_enter(&bus->handle);

	if (rc < 0)
		return rc;
	/* poll(2) has no descriptor that would stand for those that it waits for. */
	return bus->reactor.poller.epoll ? bus->reactor.poller.fd : -WEIR_E_ENV_NOSYS;
}

int
weir_arm(weir_bus *bus)
{
	int rc = wr_handle_enter(&bus->handle);

	if (rc < 0)
		return rc;
	return stopped(bus) || !bus->node.sleeps || !wr_reactor_arm(&bus->reactor);
}

int
weir_ok(weir_bus *bus)
{
	if (wr_handle_enter(&bus->handle) < 0)
		return 0;
	watch_signals(bus);
	return bus->handle.err.code == 0 && !stopped(bus);
}

int
weir_sleep(weir_bus *bus, int ms)
{
	uint64_t deadline = wr_deadline_ns(ms < 0 ? 0 : (uint32_t)ms);
	int rc = wr_handle_enter(&bus->handle);
	int verdict = 0;

	if (rc < 0)
		return rc;
	while (!stopped(bus)) {
		uint64_t now = wr_now_ns();

		if (ms >= 0 && now >= deadline)
			return 0;
		(void)wr_bus_turn(bus,
			ms < 0 ? WEIR_FOREVER : (int)((deadline - now) / 1000000) + 1,
			&verdict);
		if (verdict != 0)
			return verdict;
	}
	return -WEIR_E_GONE_STOPPED;
}

/* Async-signal-safe; a full counter still leaves its token. */
int
weir_wake(weir_bus *bus)
{
	static const uint64_t one = 1;
	int saved = errno;

	if (!bus->opened)
		return -bus->handle.code;
	if (bus->handle.pid != getpid())
		return -WEIR_E_GONE_FORKED; /* the descriptor may be somebody else's here */
	wr_reactor_wake(&bus->reactor);
	if (write(bus->node.bell_fd, &one, sizeof(one)) < 0)
		errno = saved;
	return 0;
}

int
weir_stop(weir_bus *bus)
{
	if (bus->handle.pid == getpid())
		wr_store_release(loop_stopped, &bus->reactor.stopped, 1);
	return weir_wake(bus);
}

/* ---- being a good consumer ---------------------------------------------------------------------- */

/* Of the poll that runs on this thread: its loop may have been taken meanwhile. */
static struct wr_allowance *
allowance_here(struct weir_bus *bus)
{
	return wr_lease_here ? &wr_lease_here->allowance
			     : &wr_bus_reactor_here(bus)->allowance;
}

int
weir_consume(weir_bus *bus, uint32_t units)
{
	struct wr_allowance *allowance = allowance_here(bus);

	allowance->overdrawn |= allowance->budget.left == 0 && units > 0;
	allowance->yields |= wr_budget_consume(&allowance->budget, units);
	return allowance->budget.left == 0;
}

/* The first question of a poll begins its time: until then nothing had to read a clock. The
 * loop's clock is the loop's. */
int
weir_should_yield(weir_bus *bus)
{
	struct wr_lease *lease = wr_lease_here;
	struct wr_allowance *allowance = allowance_here(bus);
	uint64_t now_ns = lease ? wr_now_ns()
				: wr_clock_now(&wr_bus_reactor_here(bus)->meter.clock);
	bool over;

	if (allowance->budget.until_ns == 0)
		allowance->budget.until_ns = now_ns + WR_REACTOR_POLL_NS;
	over = wr_budget_is_over(&allowance->budget, now_ns) ||
		(lease && wr_lease_hurries(lease));
	allowance->yields |= over;
	return over;
}

int
weir_round(weir_bus *bus)
{
	int rc = wr_handle_enter(&bus->handle);

	return rc < 0 ? rc : (int)((wr_select_round(&bus->reactor.queue.select) + 3) / 4);
}

int
weir_loop_handoffs(weir_bus *bus, uint32_t loop, weir_handoffs *handoffs)
{
	struct wr_relief_stats *stats;

	if (!bus->opened)
		return -bus->handle.code;
	if (!handoffs || loop > bus->crew.plan.loops)
		return -WEIR_E_USAGE_INVAL;
	if (handoffs->size != sizeof(*handoffs))
		return -WEIR_E_USAGE_SIZE;
	stats = &wr_crew_post(&bus->crew, loop)->stats;
	*handoffs = (weir_handoffs){.size = sizeof(*handoffs),
		.handoffs = wr_stat_get(&stats->handoffs),
		.stuck = wr_stat_get(&stats->stuck),
		.excused = wr_stat_get(&stats->excused),
		.saturated = wr_stat_get(&stats->saturated),
		.found_ns = wr_stat_get(&stats->found_ns),
		.found_most_ns = wr_stat_get(&stats->found_most_ns),
		.passed_ns = wr_stat_get(&stats->passed_ns),
		.passed_most_ns = wr_stat_get(&stats->passed_most_ns)};
	return 0;
}

/* ---- events ----------------------------------------------------------------------------------------- */

int
weir_next_event(weir_bus *bus, weir_event *event)
{
	int rc = wr_handle_enter(&bus->handle);

	if (rc == 0 && !event)
		rc = -WEIR_E_USAGE_INVAL;
	return rc < 0 ? rc : wr_node_event_take(&bus->node, event);
}

int
weir_pending(weir_bus *bus, char *names, size_t size)
{
	int rc = wr_handle_enter(&bus->handle);

	if (rc == 0 && !names && size > 0)
		rc = -WEIR_E_USAGE_INVAL;
	return rc < 0 ? rc : bus->node.ops->pending(&bus->node, names, size);
}
