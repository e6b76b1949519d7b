/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A crew is the loops of one bus: its own, which its thread turns, further ones with a
 * thread each, and lanes, where a consumer is that has been isolated.
 *
 * A consumer that may roam belongs to one of them, its place, and is in the hands of one of
 * them: only that one looks at it and polls it, and hands it on between two of its polls. So
 * nothing of it needs a lock, its messages stay in their order, and none is lost or read
 * twice: what moves is the consumer, with all that it knows, and no message.
 *
 * Whoever has nothing to do is handed to the home loop before its own sleeps. Publishers ring
 * a bus at one place only; the home loop looks at the idle ones, and hands each that has
 * something to do to the loop that it belongs to.
 *
 * Where several loops share the work, each looks at its own load about every 10 ms: the parts
 * of a round that were ready, on average. One that has had a fifth more than the least loaded
 * in two of three looks gives it the consumer that comes closest to half of what is between
 * them, and none that has moved within the last 100 ms. Equal weights of what is ready make a
 * share of a round mean the same on each loop. (The rule of sender-initiated load sharing:
 * Eager, Lazowska, Zahorjan 1986.)
 */
#ifndef WR_SCHEDULER_CREW_H
#define WR_SCHEDULER_CREW_H

#include <pthread.h>

#include "scheduler/reactor.h"
#include "scheduler/relief.h"

enum {
	WR_LOOPS_MAX = 64,
	WR_LANES_MAX = 16,
	WR_CREW_MAX = 1 + WR_LOOPS_MAX + WR_LANES_MAX
};

struct wr_crew;

/* One loop of a crew. */
struct wr_loop {
	struct wr_crew *crew;
	uint32_t index; /* 0: the home loop, then further ones, then lanes */
	struct wr_reactor *reactor;
	struct wr_ring tenants; /* that are in its hands */
	struct wr_post post;    /* by which another thread takes it over */

	/* The desk, where consumers arrive; a told task that comes before all others. */
	struct wr_task desk;
	pthread_mutex_t lock;
	pthread_cond_t came;
	struct wr_roamer *arrived, **arrived_end;

	/* how much it has had to do */
	uint64_t window_ns; /* when the present look began */
	uint64_t load_sum, load_turns;
	unsigned uneven; /* one bit a look */
	wr_a64 load;     /* quarters of polls that were ready; for the others */
};

/* A loop with a thread of its own. */
struct wr_worker {
	struct wr_loop loop;
	struct wr_reactor reactor;
	struct wr_tier_rules rules; /* as it has them */
	uint64_t rules_seen;
	wr_a64 flag;
	struct wr_bell bell;
	pthread_t thread;
	uint32_t core; /* that it is bound to, + 1; 0: none */
	bool lane;
	bool runs; /* there is a thread */
};

struct wr_crew_plan {
	uint32_t loops; /* beside the home loop */
	uint32_t idle;  /* enum weir_idle */
	uint32_t lane;  /* enum weir_lane */
	uint32_t core;  /* of the home loop, + 1; 0: no loop is bound to one */
	const char *discipline;
	uint64_t hard_ns; /* a handler that may leave should return by then, or WR_HARD_OFF */
	uint64_t tick_ns; /* of the sentinel */
	/* A turn of the home loop, which sleeps if there is nothing to do; returns a verdict or
	 * 0. By another thread than its own, while that is stuck. */
	int (*turn)(void *ctx);
	/* The home loop is the calling thread's from now on, and all that it reads. */
	void (*arrives)(void *ctx);
	void *ctx;
};

struct wr_crew {
	struct wr_crew_plan plan;
	struct wr_loop home;
	pthread_mutex_t lock;                   /* guards what follows */
	struct wr_worker *workers[WR_CREW_MAX]; /* by index; NULL: the home loop, or none */
	uint32_t count; /* of all loops; lanes come last, when they are needed */
	uint64_t weights[WR_CREW_MAX]; /* of those that belong there */
	uint32_t belongs[WR_CREW_MAX]; /* how many those are */
	wr_a64 gathered;               /* nobody is to be kept elsewhere: all go home */
	uint32_t away;                 /* how many are; the home loop's */
	bool traced;                   /* they write down what they do */
	char *lane_group; /* control group that threads of lanes go into; NULL: none */
	struct wr_tier_rules rules; /* by which consumers are watched, */
	bool watched;               /* if they are */
	uint64_t rules_number;
	struct wr_roamer *told; /* whose verdicts the home loop has not given; its own */
};

/* A consumer that may be on any of them. */
struct wr_roamer {
	struct wr_task *task;
	struct wr_crew *crew;
	uint32_t moves;     /* enum weir_moves; 0: it never leaves the home loop */
	struct wr_loop *at; /* in whose hands it is; only there it may be asked */
	bool away;          /* as the home loop knows it: it is in other hands */
	wr_a64 place;       /* index of the loop that it belongs to */
	wr_a64 recalled;    /* the home loop waits for it */
	uint32_t from; /* its place before it was isolated; this and the next with the lock */
	uint32_t counted; /* its weight, where it belongs */
	uint64_t moved_ns;
	struct wr_ring tenant;
	struct wr_roamer *next; /* at a desk, or among those told */
	int verdict;            /* that its poll gave elsewhere */
	/* It has arrived at another thread: this one. */
	void (*arrives)(struct wr_roamer *roamer);
};

/* The home loop is there, and has no tasks yet that count: the desk is the first. Starts the
 * further loops. 0, or < 0 with err filled: ENV_MEMORY, ENV_FILES, ENV_THREADS.
 */
int wr_crew_init(struct wr_crew *crew, struct wr_reactor *home,
	const struct wr_crew_plan *plan, struct weir_error *err);
/* The control group of that directory is for lanes that are made from now on, if a thread is
 * let into it (wr_rank_group): that is tried with one that is made for it. 0, or the errno of
 * what was refused, and there is none. The home loop's thread, before there are lanes. */
int wr_crew_group(struct wr_crew *crew, const char *dir);
/* Ends all other threads. Every roamer has left before. */
void wr_crew_fini(struct wr_crew *crew);

/* A consumer that has just been added to the home loop's reactor. It belongs to where there
 * is least to do, or to a lane, if it may; else where it is. ENV_THREADS if there is no thread for
 * one that must have a lane. */
int wr_roamer_init(struct wr_roamer *roamer, struct wr_crew *crew, struct wr_task *task,
	uint32_t moves);
/* Before it is removed from the home loop's reactor, to which it has been recalled. */
void wr_roamer_fini(struct wr_roamer *roamer);

/* In its poll, before anything else: true if it does not belong here; then it has been
 * handed on, and is not to be touched any more. */
bool wr_roamer_hands_on(struct wr_roamer *roamer);

/* Its poll has given a verdict. Elsewhere than at home that is taken home, and the consumer with
 * it: then *verdict is 0, and it is not to be touched any more. */
void wr_roamer_tells(struct wr_roamer *roamer, int *verdict);

/* In its poll elsewhere than at home: it goes there for its next poll, where it is to say that it
 * does not belong there only when it has done what it came for. Not to be touched any more. */
void wr_roamer_goes_home(struct wr_roamer *roamer);

/* It is at another tier: isolated, it belongs to a lane, if it may and there is one. In its
 * own loop. */
void wr_roamer_tiered(struct wr_roamer *roamer, const struct wr_tier_change *change);

/* From its next poll on it belongs to another loop; if it is in a lane, from when it leaves
 * that. The home loop's thread. USAGE_INVAL if there is no such loop, USAGE_STATE if it may not
 * be on any. */
int wr_roamer_move(struct wr_roamer *roamer, uint32_t index);

/* Its poll has come to an end on a thread whose loop was taken meanwhile, and it is off that
 * (wr_post_await_left): it goes where it belongs, and is not to be touched any more; a verdict
 * is taken home with it. */
void wr_roamer_returns(struct wr_roamer *roamer, int verdict);

/* It has been given another weight, in the home loop's hands. */
void wr_roamer_weighed(struct wr_roamer *roamer);

/* It is in our hands when this returns: waits for the poll that is running, if one is. The
 * home loop's thread. It goes back where it belongs when it has something to do. */
void wr_roamer_recall(struct wr_roamer *roamer);
/* All of them. False if that took until then (a time of CLOCK_MONOTONIC; 0: no limit): a
 * handler has not returned, and its consumer is still away. */
bool wr_crew_gather(struct wr_crew *crew, uint64_t deadline_ns);

/* Consumers are watched by these rules on all loops; NULL: they are not. They are copied. The
 * home loop's thread; its own reactor has them already. */
void wr_crew_watch_over(struct wr_crew *crew, const struct wr_tier_rules *rules);

#if WEIR_TRACE
/* All loops write down what they do, those that are made later too; or none does any more.
 * The home loop's thread. 0; ENV_MEMORY, and none does. */
int wr_crew_trace(struct wr_crew *crew, bool on);
/* What that loop has written; NULL if there is none. Any thread. */
struct wr_trace *wr_crew_trace_of(struct wr_crew *crew, uint32_t index);
#endif

/* The reactor of loop 0 to plan.loops; they are the same as long as the crew is. Any thread. */
static inline struct wr_reactor *
wr_crew_reactor(struct wr_crew *crew, uint32_t index)
{
	return index == 0 ? crew->home.reactor : &crew->workers[index]->reactor;
}

/* And what it is to those who take it over. */
static inline struct wr_post *
wr_crew_post(struct wr_crew *crew, uint32_t index)
{
	return index == 0 ? &crew->home.post : &crew->workers[index]->loop.post;
}

/* After a turn of one of its loops, by that loop's thread. */
void wr_crew_turned(struct wr_loop *loop);

/* Before a loop that found nothing sleeps. */
void wr_crew_rests(struct wr_loop *loop);

/* The further loop that the calling thread runs; NULL: none. */
struct wr_loop *wr_loop_here(void);

#endif
