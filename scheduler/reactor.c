/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/reactor.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <weir/weir.h>

#include "scheduler/rest.h"
#include "scheduler/shown.h"

enum {
	LOOKS_A_TURN = 64, /* at idle tasks, before a turn */
	EVENTS = 64,       /* of descriptors, that one call takes */
	HELD_MOST_NS = 1500000, /* that one may cost its neighbours: less than they may spend, */
	HELD_FOR_NS = 100000000 /* in so long */
};

int
wr_reactor_init(struct wr_reactor *r, wr_a64 *flag, struct wr_bell *bell, uint32_t idle)
{
	*r = (struct wr_reactor){.flag = flag,
		.bell = bell,
		.epoch = wr_stat_get(flag),
		.idling = idle,
		.spins = WR_SPINS_MIN,
		.load_fd = -1};
	wr_shown_init(r);
	wr_wheel_init(&r->queue.wheel, &wr_wheel_polls);
	wr_rounds_init(&r->rounds, 0);
	wr_list_init(&r->idle);
	wr_list_init(&r->busy);
	wr_list_init(&r->pulled);
	wr_list_init(&r->urgent);
	wr_list_init(&r->tasks);
	wr_meter_init(&r->meter, WR_REACTOR_POLL_NS);
	(void)wr_budget_init(&r->allowance.budget, WR_BUDGET_DEFAULT);
	wr_clockwork_init(&r->clockwork, &r->poller);
	return wr_poller_init(&r->poller, WR_IO_AUTO) < 0 ? -WEIR_E_ENV_FILES : 0;
}

int
wr_reactor_listen(struct wr_reactor *r, enum wr_io io)
{
	wr_poller_fini(&r->poller);
	if (wr_poller_init(&r->poller, io) == 0)
		return 0;
	return wr_poller_refused(errno) ? -WEIR_E_ENV_NOSYS : -WEIR_E_ENV_FILES;
}

void
wr_reactor_fini(struct wr_reactor *r)
{
	if (r->inside)
		wr_hooks_part(r->inside);
	r->inside = NULL;
	wr_clockwork_fini(&r->clockwork);
	wr_poller_fini(&r->poller);
	if (r->load_fd >= 0)
		close(r->load_fd);
#if WEIR_TRACE
	wr_trace_fini(&r->trace);
#endif
	r->load_fd = -1;
}

int
wr_reactor_discipline(struct wr_reactor *r, const char *name)
{
	r->timed = strcmp(name, wr_wheel_times.name) == 0;
	if (r->timed)
		wr_wheel_init(&r->queue.wheel, &wr_wheel_times);
	else if (strcmp(name, wr_wheel_polls.name) == 0)
		wr_wheel_init(&r->queue.wheel, &wr_wheel_polls);
	else if (strcmp(name, wr_classes.name) == 0)
		wr_classes_init(&r->queue.classes);
	else if (strcmp(name, wr_robin.name) == 0)
		wr_robin_init(&r->queue.robin);
	else
		return -WEIR_E_USAGE_INVAL;
	return 0;
}

/* ---- tasks come and go ---------------------------------------------------------------------- */

static struct wr_task *
of_looks(struct wr_ring *link)
{
	return (struct wr_task *)(void *)((uint8_t *)link -
		offsetof(struct wr_task, looks));
}

/* Among those that come before all others. */
static void
line_up(struct wr_reactor *r, struct wr_task *task)
{
	task->turn.state = WR_TURN_WAITING;
	wr_list_append(&r->urgent, &task->turn.link);
}

/* It has something to do: from here on it waits for its turn. */
static void
rouse(struct wr_reactor *r, struct wr_task *task)
{
	wr_shown_roused(r, task);
	if (task->ready) {
		wr_list_unlink(&task->looks);
		wr_list_append(&r->busy, &task->looks);
		r->idle_count--;
	} else {
		r->told_count++;
	}
	if (task->urgent)
		line_up(r, task);
	else
		wr_select_add(&r->queue.select, &task->turn);
}

/* Found without work when its turn came. */
static void
lay_down(struct wr_reactor *r, struct wr_task *task)
{
	wr_shown_laid_down(task);
	if (task->urgent)
		task->turn.state = WR_TURN_AWAY;
	else
		wr_select_rest(&r->queue.select, &task->turn);
	if (!task->ready) {
		r->told_count--;
		return;
	}
	wr_list_unlink(&task->looks);
	wr_list_append(&r->idle, &task->looks);
	r->idle_count++;
}

/* True if it is one of those among whom a round is shared out. */
static bool
has_turns(const struct wr_task *task)
{
	return task->poll && !task->urgent;
}

/* What its tier leaves of its turns: all of them in a lane; who is urgent has none that could
 * become fewer. */
static void
leave_turns(struct wr_reactor *r, struct wr_task *task)
{
	enum wr_factor factor =
		r->where == WR_IN_LANE ? WR_FACTOR_100 : wr_tier_factor(task->tier.tier);

	if (has_turns(task))
		wr_select_weigh(&r->queue.select, &task->turn,
			wr_turn_weight(&task->turn), factor);
}

/* It is at another tier: everybody who wants to know is told. From here on its polls are
 * measured, however it came there. */
static void
tell_change(
	struct wr_reactor *r, struct wr_task *task, const struct wr_tier_change *change)
{
	leave_turns(r, task);
	task->measured = WR_METER_MEASURED;
	wr_task_show(task);
	wr_shown_note(r, task, change);
	wr_trace(&r->trace, WEIR_TRACE_TIER, change->from | (uint32_t)change->why << 16,
		task->number, change->to);
	if (r->changed)
		r->changed(r->ctx, task, change);
}

/* Who is made within a poll begins at the tier of whose poll that is. */
static void
inherit(struct wr_reactor *r, struct wr_task *task)
{
	const struct wr_polling *maker = r->polling;
	struct wr_tier_change change;

	while (maker && maker->abroad)
		maker = maker->outer;
	if (!maker || !r->rules || !task->poll ||
		!wr_tier_inherit(&task->tier,
			maker->task ? &maker->task->tier : &maker->left, wr_now_ns(),
			&change))
		return;
	WR_COUNT(&task->stats.promotions, 1);
	tell_change(r, task, &change);
}

/* From here on it is looked at, told or pulled. */
static void
enter(struct wr_reactor *r, struct wr_task *task)
{
	wr_shown_choose(r, task);
	wr_list_append(&r->tasks, &task->all);
	task->added = true;
	r->task_count++;
	wr_task_show(task);
	if (!task->poll) {
		wr_list_append(&r->pulled, &task->looks);
	} else if (task->ready) {
		wr_list_append(&r->idle, &task->looks);
		r->idle_count++;
		rouse(r, task);
	}
}

int
wr_reactor_add(struct wr_reactor *r, struct wr_task *task, unsigned weight,
	struct weir_error *err)
{
	int rc;

	weight = weight ? weight : WR_WEIGHT_DEFAULT;
	rc = has_turns(task) ? wr_rounds_admit(&r->rounds, weight, err) : 0;
	if (rc < 0)
		return rc;
	wr_turn_init(&task->turn, weight);
	wr_tier_init(&task->tier, wr_now_ns());
	task->measured = 0;
	task->number = task->unseen ? 0 : ++r->tasks_ever;
	wr_stats_clear(&task->stats);
	wr_shown_seat(r, task);
	inherit(r, task);
	enter(r, task);
	return 0;
}

void
wr_reactor_take(struct wr_reactor *r, struct wr_task *task)
{
	unsigned weight = wr_turn_weight(&task->turn);

	wr_turn_init(&task->turn, weight);
	task->measured = task->tier.tier == WR_TIER_MONITOR ? 0 : WR_METER_MEASURED;
	wr_tier_measured(&task->tier, false);
	enter(r, task);
	if (r->rules)
		leave_turns(r, task);
	wr_shown_say(r, task);
}

/* Out of the inbox, if it is there; the others stay in their order. */
static void
unsend(struct wr_reactor *r, struct wr_task *task)
{
	if (wr_load_acquire(send_mark, &task->sent) != 0)
		wr_reactor_take_inbox(r);
}

void
wr_reactor_lend(struct wr_reactor *r, struct wr_task *task)
{
	unsend(r, task);
	task->added = false;
	r->task_count--;
	for (struct wr_polling *frame = r->polling; frame; frame = frame->outer)
		if (frame->task == task) {
			frame->task = NULL;
			frame->left = task->tier;
		}
	if (task->poll && !task->ready && task->turn.state != WR_TURN_AWAY)
		r->told_count--;
	if (task->poll && task->ready && task->turn.state == WR_TURN_AWAY)
		r->idle_count--;
	if (!task->poll || task->ready)
		wr_list_unlink(&task->looks);
	if (!task->urgent)
		wr_select_remove(&r->queue.select, &task->turn);
	else if (task->turn.state == WR_TURN_WAITING)
		wr_list_unlink(&task->turn.link);
	task->turn.state = WR_TURN_AWAY;
	wr_list_unlink(&task->all);
	wr_meter_forget(&r->meter, task);
}

void
wr_reactor_remove(struct wr_reactor *r, struct wr_task *task)
{
	if (!task->added)
		return;
	wr_reactor_lend(r, task);
	if (has_turns(task))
		wr_rounds_release(&r->rounds, wr_turn_weight(&task->turn));
	if (r->hooked)
		wr_hook_on_completion(wr_hooks_look(r->hooks), (uintptr_t)task);
	wr_shown_unseat(r, task);
}

int
wr_reactor_weigh(struct wr_reactor *r, struct wr_task *task, unsigned weight)
{
	unsigned was = wr_turn_weight(&task->turn);
	int rc;

	wr_rounds_release(&r->rounds, was);
	rc = wr_rounds_admit(&r->rounds, weight, NULL);
	if (rc < 0) {
		(void)wr_rounds_admit(&r->rounds, was, NULL);
		return rc;
	}
	wr_select_weigh(
		&r->queue.select, &task->turn, weight, wr_turn_factor(&task->turn));
	wr_shown_say(r, task);
	return 0;
}

void
wr_reactor_watch_over(struct wr_reactor *r, const struct wr_tier_rules *rules)
{
	r->rules = rules;
	r->meter.limit_ns = rules ? rules->threshold_ns : WR_REACTOR_POLL_NS;
	wr_shown_limit(r);
	if (rules)
		(void)wr_budget_resize(&r->allowance.budget, rules->poll_budget);
}

int
wr_reactor_hook(struct wr_reactor *r, struct wr_hooks *hooks)
{
	r->inside = wr_hooks_join(hooks);
	if (!r->inside)
		return -WEIR_E_ENV_MEMORY;
	r->hooks = hooks;
	return 0;
}

/* ---- who has something to do ---------------------------------------------------------------- */

void
wr_reactor_tell(struct wr_reactor *r, struct wr_task *task)
{
	if (!task->added)
		return;
	if (task->turn.state == WR_TURN_AWAY)
		rouse(r, task);
	else
		task->again = true;
}

void
wr_reactor_send(struct wr_reactor *r, struct wr_task *task)
{
	struct wr_task *first;
	uint64_t epoch;

	/* Not a look first: that could be earlier than what the caller has just put, and what
	 * is then in the inbox may be polled without it. */
	if (wr_exchange(send_mark, &task->sent, 1) != 0)
		return;
	first = wr_load_relaxed(send_head, &r->inbox);
	do
		task->inbox = first;
	while (!wr_compare_exchange(send_push, &r->inbox, &first, task));
	/* Dekker with sleep_fence: either we see that it sleeps, or it sees the inbox. */
	wr_fence_sc(send_fence);
	epoch = wr_load_relaxed(send_look, r->flag);
	if ((epoch & 1) != 0)
		(void)wr_bell_ring_epoch(r->bell, epoch);
}

void
wr_reactor_take_inbox(struct wr_reactor *r)
{
	struct wr_task *last, *first = NULL;

	if (!wr_load_relaxed(send_head, &r->inbox))
		return;
	last = wr_exchange(send_take, &r->inbox, NULL);
	while (last) {
		struct wr_task *next = last->inbox;

		last->inbox = first;
		first = last;
		last = next;
	}
	while (first) {
		struct wr_task *task = first;

		first = task->inbox;
		/* From here on it may be sent again: whatever was there before, its next
		 * poll sees. */
		(void)wr_exchange(send_mark, &task->sent, 0);
		wr_reactor_tell(r, task);
	}
}

static void
fire_alarms(struct wr_reactor *r)
{
	struct wr_task *due[WR_TIMERS_FIRE];
	unsigned count;

	if (wr_clockwork_next_ns(&r->clockwork) == WR_TIMER_NEVER)
		return;
	count = wr_clockwork_due(&r->clockwork, wr_clock_now(&r->meter.clock), due);
	WR_COUNT(&r->stats->timers, count);
	if (count > 0)
		wr_trace(&r->trace, WEIR_TRACE_TIMERS, 0, 0, count);
	for (unsigned i = 0; i < count; i++)
		wr_reactor_tell(r, due[i]);
}

/* Looks at so many of the idle ones, each in its turn. */
static void
look(struct wr_reactor *r, uint32_t most)
{
	uint32_t left = most < r->idle_count ? most : r->idle_count;

	for (; left > 0; left--) {
		struct wr_ring *link = r->idle.next;
		struct wr_task *task = of_looks(link);

		if (task->ready(task)) {
			rouse(r, task);
		} else {
			wr_list_unlink(link);
			wr_list_append(&r->idle, link);
		}
	}
}

/* ---- descriptors ------------------------------------------------------------------------------ */

int
wr_reactor_watch(struct wr_reactor *r, struct wr_task *task, int fd, uint32_t events)
{
	int rc = wr_poller_add(&r->poller, fd, events, task);

	if (rc < 0)
		return -WEIR_E_ENV_OS;
	if (rc == WR_POLLER_ALWAYS) {
		wr_reactor_tell(r, task);
		return WR_WATCH_ALWAYS;
	}
	r->fd_count++;
	return 0;
}

void
wr_reactor_unwatch(struct wr_reactor *r, int fd)
{
	if (wr_poller_remove(&r->poller, fd))
		r->fd_count--;
}

void
wr_reactor_hear(struct wr_reactor *r, int timeout_ms)
{
	void *tasks[EVENTS];
	int count = wr_poller_wait(&r->poller, tasks, EVENTS, timeout_ms);

	for (int i = 0; i < count; i++)
		wr_reactor_tell(r, tasks[i]);
}

/* ---- a turn ------------------------------------------------------------------------------------- */

/*
 * A publisher sees that it has to wait for a consumer, not that the loop of that one is with
 * another. Here that is known: what the one was charged is held against the other. So is what
 * keeps the one far behind: all on a loop have as many turns, so where one slow one is among
 * them all come forward at its pace, and its publisher sees nothing but that it has to wait.
 */
static void
pass_charge_on(
	struct wr_reactor *r, const struct wr_task *task, struct wr_tier_signs *signs)
{
	if (signs->now_ns - r->held_from_ns > HELD_FOR_NS) {
		r->held_ns = r->kept_ns = 0;
		r->held_from_ns = signs->now_ns;
	}
	if (signs->stall_ns > 0 && wr_tier_is_hindered(&task->tier)) {
		r->held_ns += signs->stall_ns;
		signs->stall_ns = 0;
	}
	r->kept_ns += wr_tier_kept_behind_ns(signs);
	signs->overspent |= r->held_ns >= HELD_MOST_NS;
	signs->keeps_behind = r->held_ns + r->kept_ns >= HELD_MOST_NS;
}

/* Looks whether the consumer is at the right tier; poll_ns: what its poll took, 0: unknown. */
static void
judge(struct wr_reactor *r, struct wr_task *task, uint64_t poll_ns, uint64_t now_ns)
{
	struct wr_tier_signs signs = {.now_ns = now_ns,
		.poll_ns = poll_ns,
		.part = wr_turn_quarters(&task->turn),
		.round = wr_select_round(&r->queue.select),
		.overdrawn = r->allowance.overdrawn};
	struct wr_tier_change change;

	if (task->signs) {
		signs.hindered_ns = wr_tier_hindered_ns(&task->tier, &signs);
		task->signs(task, &signs);
	}
	if (poll_ns > r->rules->threshold_ns || signs.overdrawn) {
		WR_COUNT(&task->stats.violations, 1);
		WR_COUNT(&r->stats->violations, 1);
	}
	if (wr_tier_asks_for_measures(&signs))
		task->measured = WR_METER_MEASURED;
	pass_charge_on(r, task, &signs);
	if (!wr_tier_look(&task->tier, r->rules, &signs, &change))
		return;
	if (change.why == WR_TIER_WHY_LEFT)
		r->held_ns = r->kept_ns = 0;
	if (change.to > change.from)
		WR_COUNT(&task->stats.promotions, 1);
	else
		WR_COUNT(&task->stats.demotions, 1);
	tell_change(r, task, &change);
	if (task->tiered)
		task->tiered(task, &change);
}

/* The frames of that poll, and of what was polled within it, are another thread's. */
static void
leave_frames(struct wr_reactor *r, const struct wr_task *task)
{
	struct wr_polling *polling = r->polling;

	for (; polling && polling->task != task; polling = polling->outer)
		polling->abroad = true;
	if (polling)
		polling->abroad = true;
}

void
wr_reactor_give_up(struct wr_reactor *r, struct wr_task *task, uint64_t now_ns,
	uint64_t took_ns, uint64_t limit_ns)
{
	struct wr_tier_change change;

	leave_frames(r, task);
	wr_meter_pause(&r->meter);
	if (r->rules &&
		wr_tier_move(&task->tier, r->rules, WR_TIER_ISOLATE, WR_TIER_WHY_HARD,
			now_ns, &change)) {
		change.poll_ns = took_ns;
		change.limit_ns = limit_ns;
		WR_COUNT(&task->stats.promotions, 1);
		tell_change(r, task, &change);
	}
	wr_reactor_lend(r, task);
}

/* The group's time is over. Who has more to tell than a time is looked at now and then. */
static void
close_group(struct wr_reactor *r)
{
	struct wr_task *group[WR_METER_GROUP];
	uint32_t count = r->meter.count;
	uint64_t now_ns;

	memcpy(group, r->meter.group, sizeof(group));
	now_ns = wr_meter_close(&r->meter);
	for (uint32_t i = 0; i < count; i++)
		if (group[i] && group[i]->signs &&
			now_ns - group[i]->tier.looked_ns > WR_TIER_LAG_LOOK_NS) {
			judge(r, group[i], 0, now_ns);
			wr_tier_measured(&group[i]->tier, group[i]->measured > 0);
		}
}

/* The books of a poll. Of one that has left nothing is to be told but that. */
static bool
done(struct wr_reactor *r, const struct wr_hook_table *told, struct wr_task *task, int work)
{
	if (!task) {
		WR_COUNT(&r->stats->polls, 1);
		WR_COUNT(&r->stats->messages, (uint64_t)work);
		return false;
	}
	wr_stats_poll(&task->stats, r->stats, (uint64_t)work, 0);
	wr_shown_now_and_then(task);
	wr_hook_after_poll(told, (uintptr_t)task, (uint64_t)work, 0);
	if (r->allowance.yields) {
		WR_COUNT(&task->stats.yields, 1);
		wr_shown_counts(task);
		wr_hook_on_yield(told, (uintptr_t)task);
	}
	return true;
}

/* Not the innermost one: polls of others who were left behind are within it. */
static WR_COLD void
unlink_polling(struct wr_reactor *r, const struct wr_polling *polling)
{
	struct wr_polling **at = &r->polling;

	while (*at != polling)
		at = &(*at)->outer;
	*at = polling->outer;
}

static inline void
enter_polling(struct wr_reactor *r, struct wr_polling *polling)
{
	polling->abroad = false;
	polling->outer = r->polling;
	r->polling = polling;
}

/* This poll is over. */
static inline void
leave_polling(struct wr_reactor *r, const struct wr_polling *polling)
{
	if (__builtin_expect(r->polling == polling, 1))
		r->polling = polling->outer;
	else
		unlink_polling(r, polling);
}

/* Polls it. False if it has left meanwhile. */
static bool
run(struct wr_reactor *r, struct wr_task *task, int *work, int *verdict)
{
	const struct wr_hook_table *told = r->hooked ? wr_hooks_look(r->hooks) : NULL;
	struct wr_polling here; /* `left` is written when it is needed: 64 bytes a poll */

	here.task = task;
	task->again = false;
	enter_polling(r, &here);
	wr_allowance_begin(&r->allowance);
	wr_hook_before_poll(told, (uintptr_t)task);
	*work = task->poll(task, verdict);
	leave_polling(r, &here);
	return done(r, told, here.task, *work);
}

/* Suspects stay suspects as long as they are not at the first tier. Not inline, as
 * poll_urgent. */
static __attribute__((noinline)) bool
run_suspect(struct wr_reactor *r, struct wr_task *task, int *work, int *verdict)
{
	struct wr_meter_start start;
	uint64_t took_ns;

	wr_meter_begin(&r->meter, &start);
	if (!run(r, task, work, verdict))
		return false;
	took_ns = wr_meter_end(&r->meter, &start);
	WR_COUNT(&task->stats.busy_ns, took_ns);
	WR_COUNT(&r->stats->busy_ns, took_ns);
	wr_trace(&r->trace, WEIR_TRACE_POLL, 0, task->number, (int64_t)took_ns);
	if (task->tier.tier == WR_TIER_MONITOR)
		task->measured--;
	judge(r, task, took_ns, start.wall_ns + took_ns);
	if (task->measured == 0)
		wr_tier_measured(&task->tier, false);
	wr_shown_counts(task);
	return true;
}

/* Nobody is watched any more: what was held against it is forgotten. */
static void
absolve(struct wr_reactor *r, struct wr_task *task)
{
	task->measured = 0;
	wr_tier_init(&task->tier, wr_clock_now(&r->meter.clock));
	leave_turns(r, task);
	wr_shown_say(r, task);
}

static bool
run_unmeasured(struct wr_reactor *r, struct wr_task *task, int *work, int *verdict)
{
	if (task->measured > 0)
		absolve(r, task);
	if (!run(r, task, work, verdict))
		return false;
	if (r->allowance.overdrawn && r->rules)
		judge(r, task, 0, wr_clock_now(&r->meter.clock));
	if (wr_meter_count(&r->meter, task))
		close_group(r);
	return true;
}

/* Polls it, and measures it if it is suspect. False if it has left meanwhile. */
static bool
poll_one(struct wr_reactor *r, struct wr_task *task, int *work, int *verdict)
{
	if (task->measured > 0 && r->rules)
		return run_suspect(r, task, work, verdict);
	return run_unmeasured(r, task, work, verdict);
}

/* task is NULL if it has left. */
static WR_COLD void
note_verdict(struct wr_reactor *r, const struct wr_task *task, int verdict)
{
	(void)r;
	wr_trace(&r->trace, WEIR_TRACE_VERDICT, 0, task ? task->number : 0, verdict);
}

/* The clock is read for the charge only where time is what is shared. */
static int
poll_task(struct wr_reactor *r, struct wr_task *task, int *verdict)
{
	uint64_t began_ns = r->timed ? wr_clock_now(&r->meter.clock) : 0;
	int work;
	bool stays = poll_one(r, task, &work, verdict);

	if (__builtin_expect(*verdict != 0, 0))
		note_verdict(r, stays ? task : NULL, *verdict);
	if (!stays)
		return work;
	if (!task->again && (task->once || (work == 0 && *verdict == 0)))
		lay_down(r, task);
	else if (task->urgent)
		line_up(r, task);
	else
		wr_select_put(&r->queue.select, &task->turn,
			r->timed ? wr_clock_now(&r->meter.clock) - began_ns : 1);
	return work;
}

/* Whoever is urgent has one poll each before anybody else has one. Not inline: the way of most
 * polls is shorter without it. */
static __attribute__((noinline)) int
poll_urgent(struct wr_reactor *r, int *verdict)
{
	struct wr_ring *last = r->urgent.prev;
	bool more = !wr_list_is_empty(&r->urgent);
	int work = 0;

	while (more && *verdict == 0) {
		struct wr_turn *turn = wr_list_take(&r->urgent);

		more = &turn->link != last && !wr_list_is_empty(&r->urgent);
		turn->state = WR_TURN_OUT;
		work += poll_task(r, wr_task_of(turn), verdict);
	}
	return work;
}

/* What has come up since the last poll, and does not wait for a turn. */
static inline int
heed(struct wr_reactor *r, int *verdict)
{
	if (__builtin_expect(wr_load_relaxed(send_head, &r->inbox) != NULL, 0))
		wr_reactor_take_inbox(r);
	if (__builtin_expect(wr_list_is_empty(&r->urgent), 1))
		return 0;
	return poll_urgent(r, verdict);
}

/* As many polls as there are tasks with something to do. */
static int
poll_all(struct wr_reactor *r, int *verdict)
{
	struct wr_turn *turn;
	int work = heed(r, verdict);
	uint32_t left = r->queue.select.count;

	if (r->rules && left > 0)
		wr_meter_open(&r->meter);
	while (left > 0 && *verdict == 0 && (turn = wr_select_next(&r->queue.select))) {
		left--;
		work += poll_task(r, wr_task_of(turn), verdict);
		if (r->idle_count > 0)
			look(r, 1);
		work += heed(r, verdict);
	}
	return work;
}

/* Who wants to be told of polls has what it is called by kept for the turn. */
static int
poll_hooked(struct wr_reactor *r, int *verdict)
{
	bool outer = r->hooked;
	int work;

	wr_hooks_enter(r->inside);
	r->hooked = true;
	work = poll_all(r, verdict);
	r->hooked = outer;
	wr_hooks_leave(r->inside);
	return work;
}

int
wr_reactor_poll(struct wr_reactor *r, int *verdict)
{
	const struct wr_budget outer =
		r->allowance.budget; /* of the poll that this is called by */
	int work;

	*verdict = 0;
	wr_shown_turn(r);
	fire_alarms(r);
	if (r->fd_count > 0)
		wr_reactor_hear(r, 0);
	look(r, LOOKS_A_TURN);
	work = r->hooks && wr_hooks_has(r->hooks) ? poll_hooked(r, verdict)
						  : poll_all(r, verdict);
	WR_COUNT(&r->stats->turns, 1);
	r->flow += (uint32_t)work;
	r->allowance.budget = outer;
	return work;
}

/* ---- before it sleeps --------------------------------------------------------------------------- */

static bool
any_is_ready(struct wr_ring *list)
{
	for (struct wr_ring *link = list->next; link != list; link = link->next)
		if (of_looks(link)->ready(of_looks(link)))
			return true;
	return false;
}

static bool
any_is_heavy(struct wr_ring *list)
{
	for (struct wr_ring *link = list->next; link != list; link = link->next)
		if (of_looks(link)->heavy && of_looks(link)->heavy(of_looks(link)))
			return true;
	return false;
}

/* Reads the clock only where there are alarms. */
static bool
alarm_due(struct wr_reactor *r)
{
	uint64_t next_ns = wr_clockwork_next_ns(&r->clockwork);

	return next_ns != WR_TIMER_NEVER && next_ns <= wr_clock_now(&r->meter.clock);
}

bool
wr_reactor_any_ready(struct wr_reactor *r)
{
	if (r->only)
		return r->only->ready(r->only);
	return r->told_count > 0 || wr_load_acquire(send_head, &r->inbox) ||
		any_is_ready(&r->busy) || any_is_ready(&r->pulled) ||
		any_is_ready(&r->idle) || alarm_due(r);
}

bool
wr_reactor_any_heavy(struct wr_reactor *r)
{
	return any_is_heavy(&r->busy) || any_is_heavy(&r->pulled) ||
		any_is_heavy(&r->idle);
}
