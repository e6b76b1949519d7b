/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/shown.h"

void
wr_shown_init(struct wr_reactor *r)
{
	r->stats = &r->own;
}

void
wr_reactor_show(struct wr_reactor *r, struct wr_roster *roster)
{
	r->roster = roster;
	r->stats = &roster->hdr->stats;
	wr_shown_limit(r);
}

void
wr_shown_limit(struct wr_reactor *r)
{
	if (r->roster)
		wr_roster_limit(r->roster, r->meter.limit_ns);
}

/* In a lane it has no turns that it would share with others. */
static struct wr_about
about(const struct wr_reactor *r, const struct wr_task *task)
{
	return (struct wr_about){.number = task->number,
		.subscription = task->subscription,
		.since_ns = task->tier.changed_ns,
		.name = task->name,
		.kind = task->kind,
		.tier = task->tier.tier,
		.weight = (uint16_t)wr_turn_weight(&task->turn),
		.percent = r->where == WR_IN_LANE
			? 0
			: (uint8_t)(100 - 25 * (unsigned)wr_turn_factor(&task->turn)),
		.where = (uint8_t)r->where};
}

void
wr_shown_say(struct wr_reactor *r, struct wr_task *task)
{
	struct wr_about now = about(r, task);

	wr_task_show(task);
	wr_roster_say(&task->entry, &now);
}

void
wr_shown_note(
	struct wr_reactor *r, struct wr_task *task, const struct wr_tier_change *change)
{
	struct wr_about now = about(r, task);

	wr_roster_note(r->roster, &task->entry, &now, change);
}

void
wr_shown_seat(struct wr_reactor *r, struct wr_task *task)
{
	struct wr_about now = about(r, task);

	task->entry = (struct wr_entry){.place = NULL};
	if (!task->unseen)
		wr_roster_enter(r->roster, &task->entry, &now);
}

void
wr_shown_unseat(struct wr_reactor *r, struct wr_task *task)
{
	if (!task->unseen)
		wr_roster_leave(r->roster, &task->entry);
	wr_shown_choose(r, task);
}

/* ---- with its times taken ----------------------------------------------------------------- */

/*
 * Who is measured is polled through this instead of its own poll, so that it costs others
 * nothing, not even the question.
 */
static int
poll_clocked(struct wr_task *task, int *verdict)
{
	struct wr_reactor *r = task->reactor;
	struct wr_entry *entry = &task->entry;
	uint64_t began_ns = wr_clock_now(&r->meter.clock), ended_ns;
	bool whole = !task->clocked;
	int work;

	if (entry->latency && entry->ready_ns != 0)
		wr_hist_add(&entry->latency->wait, began_ns - entry->ready_ns);
	entry->ready_ns = 0;
	work = task->unclocked(task, verdict);
	if (!r->polling->task || !entry->latency)
		return work; /* it has left, or nobody wants to know any more */
	ended_ns = wr_clock_now(&r->meter.clock);
	if (whole && work > 0)
		wr_hist_add(&entry->latency->handler, ended_ns - began_ns);
	entry->ready_ns = ended_ns; /* if it has more to do, it waits from here */
	return work;
}

void
wr_shown_choose(struct wr_reactor *r, struct wr_task *task)
{
	bool clocked = task->poll == poll_clocked;

	task->reactor = r;
	if (task->entry.latency && task->poll && !clocked) {
		task->unclocked = task->poll;
		task->poll = poll_clocked;
	} else if (!task->entry.latency && clocked) {
		task->poll = task->unclocked;
	}
}

uint32_t
wr_reactor_measure(struct wr_reactor *r, bool on)
{
	uint32_t measured = 0;

	if (!r->roster)
		return 0;
	r->roster->measuring = on;
	for (struct wr_ring *link = r->tasks.next; link != &r->tasks; link = link->next) {
		struct wr_task *task = (struct wr_task *)(void *)((uint8_t *)link -
			offsetof(struct wr_task, all));

		measured += wr_roster_measure(r->roster, &task->entry, on);
		wr_shown_choose(r, task);
	}
	return measured;
}
