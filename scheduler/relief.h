/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Who takes over a loop whose thread is stuck in a handler? A post is a loop that can be
 * taken over. One sentinel thread for the whole process looks at all posts, finds who has been
 * in the same handler for longer than the hard budget, takes the loop away from that thread
 * (scheduler/lease.h), and gives it to a spare thread. Nothing is done to the handler: it
 * keeps its thread, its stack and its messages.
 *
 * For the thread that was left behind this looks like a poll that took very long: when its
 * handler has returned it waits until it has the loop again, which whoever has it gives back
 * between two turns. So a loop comes home to its own thread, and no frame of a thread that
 * was left behind ever touches a loop that others have. A spare that was left behind itself
 * needs the loop only to come out of its frames, and goes on with it until somebody else
 * wants it.
 *
 * What is shared here lies under one lock of the process. The threads of loops take it only
 * when a loop changes hands. The sentinel sleeps for a tick between two looks, and until it is
 * woken while all loops sleep.
 */
#ifndef WR_SCHEDULER_RELIEF_H
#define WR_SCHEDULER_RELIEF_H

#include "scheduler/lease.h"
#include "scheduler/reactor.h"
#include "scheduler/suspect.h"

#define WR_HARD_OFF UINT64_MAX /* nothing is ever taken */

enum {
	WR_LANE_NICE = 10, /* of who is in a lane, or left behind while it waits */
	WR_SPARES = 2      /* threads that are kept ready */
};

struct wr_post;

/* What a loop is to those who take it over. */
struct wr_post_kind {
	/* A turn, which sleeps if there is nothing to do. By whoever has it. */
	void (*turn)(struct wr_post *post);
	/* True if there will be no turn any more. By whoever has it. */
	bool (*over)(struct wr_post *post);
	/* The task is off the loop: its handler does not return. By the sentinel, while nobody
	 * else has the loop; it is not to wait for anything. */
	void (*left)(struct wr_post *post, struct wr_task *task, uint64_t now_ns);
	/* The calling thread has it from now on. */
	void (*arrives)(struct wr_post *post);
};

/* Somebody who was left behind, and waits to have it again. */
struct wr_claimant {
	struct wr_claimant *next;
	struct wr_lease *lease;
	bool granted;
};

/* How it went; each is written by one thread at a time. Times are the last one's, and the longest. */
struct wr_relief_stats {
	wr_a64 handoffs;
	wr_a64 stuck;                     /* handlers that have not returned */
	wr_a64 excused;                   /* looks at who had no core */
	wr_a64 saturated;                 /* looks at which no thread was free for it */
	wr_a64 found_ns, found_most_ns;   /* from when the handler was first seen */
	wr_a64 passed_ns, passed_most_ns; /* from that verdict to the first turn */
};

struct wr_post {
	const struct wr_post_kind *kind;
	struct wr_reactor *reactor;
	uint64_t self; /* the number of the thread whose loop it is; whoever has it bears that */
	struct wr_lease own;
	struct wr_lease *lease; /* of who has it: written by the lock's holder */
	uint64_t hard_ns, tick_ns;
	uint32_t lane; /* enum weir_lane: how who is left behind is ranked */
	uint32_t core; /* that its thread is bound to, + 1; 0: none */
	int verdict;   /* that a turn of another thread gave; whoever has it */

	/* with the lock */
	struct wr_post *next;
	struct wr_claimant *claimants;
	uint32_t abroad; /* threads whose frames are in it, without their having it */
	bool watched;
	uint64_t decided_ns; /* of the last verdict */
	struct wr_suspect suspect;
	struct wr_relief_stats stats;

	_Alignas(WR_LINE) wr_a64 wanted; /* how many claimants there are */
};

/* By the thread whose loop it is. */
void wr_post_init(struct wr_post *post, const struct wr_post_kind *kind,
	struct wr_reactor *reactor);
/* The loop is another thread's from now on: the calling one's. */
void wr_post_adopt(struct wr_post *post);

/* From here on the sentinel looks at it. Starts what is missing of the process's threads. 0,
 * or ENV_THREADS, and it does not. */
int wr_post_watch(struct wr_post *post);

/* Not any more: waits until nobody else is in its frames. Its own thread, which has it, and
 * all its handlers have returned. */
void wr_post_unwatch(struct wr_post *post);

/* A thread whose loop was taken waits until its task is off that: before this has returned the
 * sentinel may have it in its hands. */
void wr_post_await_left(void);

/* The thread that has been left behind has handed on what it had in its hands: it has the loop
 * again when this returns. `lease` is the one that it was left with. Returns a verdict that was
 * given meanwhile, which ends the turn that the calling thread is in; it remains the loop's
 * until its own thread is told. */
int wr_post_regain(struct wr_post *post, struct wr_lease *lease);

/* Between two turns: gives it to those who need it, and has it again when it returns. Its own
 * thread. Returns a verdict that was given meanwhile. */
int wr_post_serve(struct wr_post *post);

static inline int
wr_post_turned(struct wr_post *post)
{
	if (__builtin_expect(wr_load_relaxed(relief_look, &post->wanted) != 0, 0))
		return wr_post_serve(post);
	return 0;
}

/* The loop sleeps from now on, after its last look, or has woken. */
void wr_post_sleeps(struct wr_post *post);
void wr_post_wakes(struct wr_post *post);

#endif
