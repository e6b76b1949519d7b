/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * How long do polls take, without a clock in each of them? Eight are timed together; only
 * if they took longer than one may, each of them is measured by itself for a while (group
 * testing, Dorfman 1943). So a culprit is known within sixteen of its polls, and all others
 * cost an eighth of a look at the clock.
 *
 * A poll that is measured is not only timed. Time in which the thread wanted to run and had
 * no core is not its handler's: where the kernel says that it was never put to sleep, what
 * counts is the time that it ran. Time in which it slept or blocked in its handler counts,
 * since its neighbours waited for that.
 *
 * A reactor that sleeps between its polls begins a group at every eighth wake-up.
 *
 * One thread, the reactor's.
 */
#ifndef WR_SCHEDULER_METER_H
#define WR_SCHEDULER_METER_H

#include "bus/os/clock.h"
#include "scheduler/task.h"

enum {
	WR_METER_GROUP = 8,
	WR_METER_MEASURED = 64 /* polls of who was in a group that took too long */
};

struct wr_meter {
	struct wr_clock clock;
	uint64_t limit_ns; /* for one poll; what a group may take too */
	uint64_t began_ns; /* of the group; 0: none is open */
	uint64_t apart_ns; /* of it, polls that were measured by themselves */
	struct wr_task *group[WR_METER_GROUP];
	uint32_t count;
	uint32_t wakes;
};

/* What the thread has used, before a poll that is measured. */
struct wr_meter_start {
	uint64_t wall_ns, cpu_ns;
	long blocked; /* times that it gave its core away */
};

void wr_meter_init(struct wr_meter *m, uint64_t limit_ns);

/* Around a poll that is measured: how long its handler took, as above. Two system calls,
 * 600 ns, and as much again if it took too long. */
void wr_meter_begin(struct wr_meter *m, struct wr_meter_start *start);
uint64_t wr_meter_end(struct wr_meter *m, const struct wr_meter_start *start);

/* The group is over: whoever was in it is measured from now on, if it took too long. Returns
 * the time. */
uint64_t wr_meter_close(struct wr_meter *m);
/* The same where the caller says what time it is. */
void wr_meter_close_at(struct wr_meter *m, uint64_t now_ns);

/* A poll that was not measured. True if the group is full: then close it. */
static inline bool
wr_meter_count(struct wr_meter *m, struct wr_task *task)
{
	if (m->began_ns == 0)
		return false;
	m->group[m->count++] = task;
	return m->count == WR_METER_GROUP;
}

/* Before a poll: opens a group, if one is due. */
static inline void
wr_meter_open(struct wr_meter *m)
{
	if (m->began_ns == 0 && (++m->wakes & (WR_METER_GROUP - 1)) == 0) {
		m->began_ns = wr_clock_now(&m->clock);
		m->apart_ns = 0;
	}
}

static inline void
wr_meter_open_at(struct wr_meter *m, uint64_t now_ns)
{
	if (m->began_ns == 0 && (++m->wakes & (WR_METER_GROUP - 1)) == 0) {
		m->began_ns = now_ns;
		m->apart_ns = 0;
	}
}

/* The reactor waits: what comes now is nobody's time. */
void wr_meter_pause(struct wr_meter *m);
void wr_meter_pause_at(struct wr_meter *m, uint64_t now_ns);

/* The task has left: it is not looked at any more. */
void wr_meter_forget(struct wr_meter *m, const struct wr_task *task);

#endif
