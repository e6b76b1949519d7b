/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A reactor is a thread's loop: it polls its tasks, each as often as its weight says, and
 * sleeps when none has anything to do. It knows nothing of messages or topics.
 *
 * One turn: what was sent from elsewhere, timers that are due, a look at who was idle; then
 * as many polls as there are tasks with something to do, in the order that the discipline
 * gives (scheduler/select.h). The order goes on in the next turn where this one ended.
 * Before each poll: what was sent meanwhile, and whoever is urgent.
 *
 * A reactor and what is in it belong to one thread. Only wr_reactor_send, wr_reactor_wake
 * and the words `stopped` and `woken` are for others.
 */
#ifndef WR_SCHEDULER_REACTOR_H
#define WR_SCHEDULER_REACTOR_H

#include "bus/bell.h"
#include "bus/layout.h"
#include "bus/os/poller.h"
#include "scheduler/budget.h"
#include "scheduler/clockwork.h"
#include "scheduler/disciplines.h"
#include "scheduler/hooks.h"
#include "scheduler/meter.h"
#include "scheduler/task.h"
#include "scheduler/rounds.h"
#include "scheduler/trace.h"

enum { WR_REACTOR_POLL_NS = 1000000 }; /* what a poll should not last longer than */

/* A poll that is running, and the one within which it was made. */
struct wr_polling {
	struct wr_task *task; /* NULL: it has left, */
	struct wr_tier left;  /* from this tier */
	bool abroad; /* its thread was left behind with it: it is not what runs */
	struct wr_polling *outer;
};

struct wr_post;

struct wr_reactor {
	union wr_turns queue;
	struct wr_post *post; /* by which another thread may take it over; NULL: none may */
	enum wr_where where; /* what it is to its bus, and so where its consumers are */
	bool timed; /* what is shared is time: each poll is charged what it took */
	struct wr_rounds rounds;
	struct wr_ring idle; /* that are looked at: those that had nothing to do, */
	struct wr_ring busy; /* and those that wait for their turn */
	struct wr_ring pulled;
	struct wr_ring urgent; /* told tasks that come before all others, once they are told */
	struct wr_ring tasks; /* all of them */
	uint32_t idle_count;
	uint32_t told_count; /* told tasks that wait for their turn */
	uint32_t task_count; /* of all kinds */
	struct wr_polling *polling;
	struct wr_allowance allowance; /* of the poll that is running */
	struct wr_clockwork clockwork;
	struct wr_meter meter;

	const struct wr_tier_rules *rules; /* by which consumers climb; NULL: none do */
	/* A consumer is at another tier, and has another part of its turns. */
	void (*changed)(
		void *ctx, struct wr_task *task, const struct wr_tier_change *change);
	void *ctx;
	struct wr_hooks *hooks; /* told of each poll; NULL: nobody may be */
	struct wr_epoch_reader *inside;
	bool hooked;      /* in this turn somebody is told */
	uint64_t held_ns; /* charged to those of its consumers that others held up, */
	uint64_t kept_ns; /* and what counts of the time that others kept them far behind, */
	uint64_t held_from_ns; /* since then */
	uint64_t tasks_ever;

	struct wr_task *only;    /* the one task that sleeping is about, NULL = all */
	wr_a64 *flag;            /* our sleep flag, which feeders look at */
	struct wr_bell *bell;    /* what ends our sleep */
	uint64_t epoch;          /* the flag's value: odd = asleep or about to be */
	struct wr_poller poller; /* everything that wakes us; bells leave tokens */
	uint32_t fd_count;       /* descriptors of tasks in it */
	uint32_t idling;         /* enum weir_idle */
	uint32_t spins;     /* looks that an idle turn may spend before it sleeps */
	uint32_t flow;      /* work done since it last slept */
	uint32_t naps_left; /* before it parks */
	int load_fd;        /* where the kernel tells how many threads could run, -1 */
	bool crowded;       /* more of them than cores, when last asked */
	uint64_t crowd_ns;  /* when that was */
	uint64_t naps;
#if WEIR_TRACE
	struct wr_trace trace;
#endif
#if WEIR_METRICS
	struct wr_roster *roster; /* where its consumers are shown; NULL: nowhere */
	struct wr_reactor_stats *stats; /* on the roster, or what follows */
	struct wr_reactor_stats own;
#endif

	_Alignas(WR_LINE) wr_a64 stopped; /* writers: any thread */
	wr_a64 woken; /* somebody asked that a wait end; until one has */
	_Atomic(struct wr_task *) inbox; /* tasks that were sent, the last one first */
};

/* flag and bell are the node's, the flag even; ENV_FILES if there is no descriptor to sleep
 * on. */
int wr_reactor_init(
	struct wr_reactor *r, wr_a64 *flag, struct wr_bell *bell, uint32_t idle);
void wr_reactor_fini(struct wr_reactor *r);

/* By which back end it hears descriptors, before there are any: WR_IO_AUTO unless somebody
 * says otherwise. ENV_FILES, ENV_NOSYS (epoll was asked for by name and is refused), with
 * errno; then it hears none. */
int wr_reactor_listen(struct wr_reactor *r, enum wr_io io);

/* "priority" (what it is unless somebody says otherwise), "time", "classes" or "robin"; before
 * there are tasks. USAGE_INVAL for any other name. */
int wr_reactor_discipline(struct wr_reactor *r, const char *name);

/* The task's kind is what it has been given; its weight 1 to 64, 0 for the
 * default. AGAIN_QUOTA, and it is not there, if the round would be longer than it may be; err
 * (NULL: not wanted) says by how much. */
int wr_reactor_add(struct wr_reactor *r, struct wr_task *task, unsigned weight,
	struct weir_error *err);
/* It is not polled any more; from anywhere, its own poll too. One that is not there: nothing
 * happens. Nobody may be sending it. */
void wr_reactor_remove(struct wr_reactor *r, struct wr_task *task);

/*
 * The task goes to another reactor, or comes from one, between two of its polls (its own poll
 * may give it away): each on its reactor's thread, first the one, then the other. What was
 * counted of it, its weight, its tier and what is held against it go with it. The round of the
 * reactor that it was added to keeps its place, so it can always come back.
 */
void wr_reactor_lend(struct wr_reactor *r, struct wr_task *task);
void wr_reactor_take(struct wr_reactor *r, struct wr_task *task);

/* The handler of that task does not return: it is isolated, and lent. Who has the reactor; the task's
 * poll is still running, on a thread that does not touch the reactor any more. */
void wr_reactor_give_up(struct wr_reactor *r, struct wr_task *task, uint64_t now_ns,
	uint64_t took_ns, uint64_t limit_ns);

/* Another weight, from its next turn on. AGAIN_QUOTA, as above, and it has the old one. */
int wr_reactor_weigh(struct wr_reactor *r, struct wr_task *task, unsigned weight);

#if WEIR_METRICS
/* From here on consumers are shown there; before there are any. It stays the caller's, until
 * the last consumer has left. */
void wr_reactor_show(struct wr_reactor *r, struct wr_roster *roster);

/* The times of each consumer that has its place on the roster are taken from now on, or not
 * any more. Returns how many are. */
uint32_t wr_reactor_measure(struct wr_reactor *r, bool on);
#endif

/* From here on consumers climb by these rules, which stay the caller's; NULL: nobody is
 * measured, and who had climbed has all of its weight again with its next poll. */
void wr_reactor_watch_over(struct wr_reactor *r, const struct wr_tier_rules *rules);

/* The hooks stay the caller's, until wr_reactor_fini. ENV_MEMORY. Hooks are told of consumers
 * by the address of their tasks. */
int wr_reactor_hook(struct wr_reactor *r, struct wr_hooks *hooks);

/* There is work for a told task. The reactor's thread; costs what a place in the queue does. */
void wr_reactor_tell(struct wr_reactor *r, struct wr_task *task);
/* The same, from any thread: it wakes the reactor too. A task that was sent and not polled
 * since is not sent again, so this costs an atomic exchange then. */
void wr_reactor_send(struct wr_reactor *r, struct wr_task *task);

/* Of wr_reactor_watch: nobody can wait for it, it is always ready. */
enum { WR_WATCH_ALWAYS = 1 };

/* The task is told when the descriptor can be read or written, as events (WR_CAN_READ,
 * WR_CAN_WRITE) say, and again as long as it can. 0; WR_WATCH_ALWAYS for a file, whose task is
 * told once; -WEIR_E_ENV_OS with errno. The descriptor stays the caller's. */
int wr_reactor_watch(struct wr_reactor *r, struct wr_task *task, int fd, uint32_t events);
/* Before the descriptor is closed. */
void wr_reactor_unwatch(struct wr_reactor *r, int fd);

/* A turn, up to the first verdict. Returns the work done; *verdict as the task said. */
int wr_reactor_poll(struct wr_reactor *r, int *verdict);

/* Ends the present or the next wait, under every idle policy. Any thread; for a sleeper
 * the caller rings its bell too. */
void wr_reactor_wake(struct wr_reactor *r);

/* Tells the tasks that were sent. */
void wr_reactor_take_inbox(struct wr_reactor *r);

/* Takes the bells' tokens, and tells the tasks whose descriptors are ready; waits for the
 * first of them so long. */
void wr_reactor_hear(struct wr_reactor *r, int timeout_ms);

/* True if a turn would find something, or something is there to be pulled. */
bool wr_reactor_any_ready(struct wr_reactor *r);
/* True if somebody who feeds one of ours leaves the fence of the sleeping pair to us. */
bool wr_reactor_any_heavy(struct wr_reactor *r);

#endif
