/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A task is what a reactor polls: a subscription, a timer, a descriptor, whatever has work
 * to do bit by bit. There are three kinds, by how the reactor learns that there is some:
 *
 *   looked at   has `ready`: while it is idle the reactor looks at it now and then, and at
 *               all of them before it sleeps. For what other processes feed through shared
 *               memory, who would otherwise have to tell each reader about each message;
 *   told        has no `ready`: somebody says that there is work, see wr_reactor_tell and
 *               wr_reactor_send. Idle, it costs nothing, however many there are;
 *   pulled      has no `poll`: its owner reads it. The reactor only does not sleep while it
 *               is ready.
 *
 * It lies in the memory of whoever made it, and may leave the reactor, and be freed, from
 * within its own poll.
 */
#ifndef WR_SCHEDULER_TASK_H
#define WR_SCHEDULER_TASK_H

#include <weir/loop.h>

#include "bus/atomic.h"
#include "scheduler/roster.h"
#include "scheduler/tiers.h"
#include "scheduler/turn.h"

struct wr_reactor;

struct wr_task {
	/* what each poll looks at is one line */
	struct wr_turn turn;
	/* Does at most one budget of work. Returns how much it did: 0, and it is idle. A
	 * verdict other than 0 ends the turn and is handed to the caller. */
	int (*poll)(struct wr_task *task, int *verdict);
	bool urgent; /* a told one that is polled before all others, whatever their weight */
	bool once;  /* a told one that is idle after each poll, whatever it did */
	bool again; /* it was told within its own poll */
	bool added;
	bool unseen;      /* the library's own: on no roster */
	bool clocked;     /* takes the times of its handler itself */
	uint8_t kind;     /* enum weir_kind */
	uint8_t measured; /* polls that are still to be measured, see scheduler/meter.h */
#if WEIR_METRICS
	struct wr_entry entry; /* where others see it */
#endif

	/* True if poll would find something: a look without steps. */
	bool (*ready)(struct wr_task *task);
	/* True if somebody who feeds it leaves the fence of the sleeping pair to us. */
	bool (*heavy)(struct wr_task *task);
	/* Fills in how far it is behind and how old what it has not read is. NULL: neither. */
	void (*signs)(struct wr_task *task, struct wr_tier_signs *signs);
	/* It is at another tier. NULL: nothing follows from that. */
	void (*tiered)(struct wr_task *task, const struct wr_tier_change *change);
	const char *name;      /* for people; NULL: it has none */
	uint64_t subscription; /* its number in its node, of who is one; 0 */
	struct wr_ring looks;  /* among those that are looked at, or pulled */
	struct wr_ring all;    /* among all of the reactor */
	struct wr_task *inbox; /* the next one that was sent */
	wr_a64 sent;           /* 1: it is in the inbox */
	uint64_t number;       /* no other one of its reactor has had it */
	struct wr_tier tier;
	wr_a64 shown; /* weight and tier, for other threads; see wr_task_show */
#if WEIR_METRICS
	/* While its times are taken: its own poll, and whose clock is read. */
	int (*unclocked)(struct wr_task *task, int *verdict);
	struct wr_reactor *reactor;
	struct wr_consumer_stats stats; /* writer: the reactor */
#endif
};
#if WEIR_METRICS
_Static_assert(offsetof(struct wr_task, entry.place) + sizeof(void *) <= WR_LINE,
	"what each poll looks at is one line");
#endif

static inline struct wr_task *
wr_task_of(struct wr_turn *turn)
{
	return (struct wr_task *)(void *)((uint8_t *)turn -
		offsetof(struct wr_task, turn));
}

/* After its weight or its tier has changed; whoever has it. */
static inline void
wr_task_show(struct wr_task *task)
{
	wr_stat_set(&task->shown,
		(uint64_t)wr_turn_weight(&task->turn) << 8 | task->tier.tier);
}

/* As it is shown to others. Any thread. */
static inline weir_consumer
wr_task_shown(const struct wr_task *task)
{
	uint64_t shown = wr_stat_get(&task->shown);

	return (weir_consumer){.number = task->number,
		.name = task->name ? task->name : "",
		.weight = (uint32_t)(shown >> 8),
		.tier = (uint32_t)(shown & 0xff)};
}

#endif
