/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a reactor does so that others see its consumers, on the roster (scheduler/roster.h),
 * and takes the times of those that are measured. Without metrics (WEIR_METRICS) none of it
 * is there. The thread whose reactor has the consumer.
 */
#ifndef WR_SCHEDULER_SHOWN_H
#define WR_SCHEDULER_SHOWN_H

#include "scheduler/reactor.h"

#if WEIR_METRICS

enum {
	WR_SHOWN_POLLS = 64 /* after so many, others see what a busy one has counted */
};

/* A reactor of whose consumers nobody is shown, until wr_reactor_show. */
void wr_shown_init(struct wr_reactor *r);

/* It comes onto the loop that shows it, and leaves it for good. */
void wr_shown_seat(struct wr_reactor *r, struct wr_task *task);
void wr_shown_unseat(struct wr_reactor *r, struct wr_task *task);
/* It has come to this reactor: its times are taken here, if they are. */
void wr_shown_choose(struct wr_reactor *r, struct wr_task *task);

/* How long a poll may take is another time. */
void wr_shown_limit(struct wr_reactor *r);

/* Its weight is another one, or what is left of it; it has changed its tier. */
void wr_shown_say(struct wr_reactor *r, struct wr_task *task);
void wr_shown_note(struct wr_reactor *r, struct wr_task *task,
	const struct wr_tier_change *change);

/* A turn begins. */
static inline void
wr_shown_turn(const struct wr_reactor *r)
{
	wr_roster_turn(r->roster);
}

static inline void
wr_shown_counts(struct wr_task *task)
{
	wr_roster_count(&task->entry, &task->stats);
}

/* After a poll: seldom enough to cost nothing, for one that always has something to do. */
static inline void
wr_shown_now_and_then(struct wr_task *task)
{
	if (__builtin_expect(wr_stat_get(&task->stats.polls) % WR_SHOWN_POLLS == 0, 0))
		wr_shown_counts(task);
}

/* It has something to do; while it is measured it waits for its poll from now on. */
static inline void
wr_shown_roused(struct wr_reactor *r, struct wr_task *task)
{
	wr_entry_rouse(&task->entry);
	if (__builtin_expect(task->entry.latency != NULL, 0))
		task->entry.ready_ns = wr_clock_now(&r->meter.clock);
}

static inline void
wr_shown_laid_down(struct wr_task *task)
{
	wr_entry_lay_down(&task->entry, &task->stats);
}

#else

#define wr_shown_init(r)               ((void)0)
#define wr_shown_limit(r)              ((void)0)
#define wr_shown_seat(r, task)         ((void)0)
#define wr_shown_unseat(r, task)       ((void)0)
#define wr_shown_choose(r, task)       ((void)0)
#define wr_shown_say(r, task)          wr_task_show(task)
#define wr_shown_note(r, task, change) ((void)0)
#define wr_shown_turn(r)               ((void)0)
#define wr_shown_counts(task)          ((void)0)
#define wr_shown_now_and_then(task)    ((void)0)
#define wr_shown_roused(r, task)       ((void)0)
#define wr_shown_laid_down(task)       ((void)0)

#endif

#endif
