/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What else runs on a bus's loop beside its subscriptions: timers, descriptors and tasks.
 * All of them, and the subscriptions, are consumers: each is polled in its turn, as often
 * as its weight says, 1 to 64 times in a round; who has nothing to do costs no poll.
 *
 * As everywhere, a handle is never NULL, carries its error, belongs to the thread that made
 * it (weir_adopt of the bus moves them all), and is closed with its bus. A callback that
 * returns non-zero ends weir_turn and weir_run with that value. A handle may be closed from
 * within its own callback.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC (weir_now_ns).
 */
#ifndef WEIR_LOOP_H
#define WEIR_LOOP_H

#include <weir/options.h>
#include <weir/weir.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- weights ------------------------------------------------------------------------- */

enum {
	WEIR_WEIGHT_MAX = 64,
	WEIR_WEIGHT_DEFAULT = 3, /* the third of the four usual classes: 10, 6, 3, 1 */
	WEIR_BUDGET_DEFAULT = 2000 /* units of weir_consume in a poll */
};

/* Another weight, from its next turn on. 0, USAGE_INVAL, or why the handle cannot be used. */
int weir_sub_weigh(weir_sub *sub, unsigned weight);

/* Polls that a round has now: the sum of the weights of all that have something to do. One
 * that is tiered down counts with what it is left. < 0: why the bus cannot be used. */
int weir_round(weir_bus *bus);

/* ---- several loops ------------------------------------------------------------------------ */

enum {
	WEIR_LOOPS_MAX = 64,  /* further loops of a bus */
	WEIR_LANES_MAX = 16,  /* and lanes, made when they are needed; then shared */
	WEIR_LOOP_LANE = 1000 /* answered by weir_sub_loop: it is in a lane */
};

/*
 * A bus with .loops has further loops, each with a thread of its own. A subscription with
 * WEIR_MOVE_LOOPS belongs to the one with the least to do when it is made, and goes to another
 * one when that is even less loaded for a while. Only whole subscriptions move, between two
 * polls: nothing is lost, read twice, or out of order. One that has nothing to do is looked at by the bus's own
 * loop, which must be turned for it. A callback's verdict ends weir_turn and weir_run wherever
 * it was given; when weir_run returns, none is running, unless one has not returned for .close_ms.
 *
 * weir_sub_move: from its next poll on the subscription belongs to that loop, 0 for the bus's
 * own, until balance or another call moves it; from a lane it goes there afterwards. The bus's
 * own thread. 0; USAGE_INVAL: there is no such loop; USAGE_STATE: it has no WEIR_MOVE_LOOPS, or is
 * WEIR_MOVE_BLOCKING; or why the handle cannot be used.
 */
int weir_sub_move(weir_sub *sub, uint32_t loop);

/* The loop that it belongs to: 0 for the bus's own, WEIR_LOOP_LANE for a lane; < 0: why the
 * handle cannot be used. */
int weir_sub_loop(weir_sub *sub);

/* ---- callbacks that do not return --------------------------------------------------------- */

enum {
	WEIR_HARD_US = 1000,       /* of weir_open's .hard_us */
	WEIR_TICK_US = 4000,       /* and .tick_us, */
	WEIR_TICK_US_MAX = 100000, /* which is at most that */
	WEIR_STUCK_MAX = 16 /* callbacks of a process that can be left behind at a time */
};

/*
 * A callback of a subscription with WEIR_MOVE_LANE that spins, or waits in the kernel, for
 * longer than .hard_us of weir_open is left behind: its loop goes on in another thread of the
 * library's, at most two ticks and some 50 us later, where a core is free. The callback keeps
 * its thread, and its messages stay valid until it returns. Then its subscription is isolated
 * (a tier change for the reason "hard"; with .tiers = "off" it only changes nothing), so it is
 * in a lane from then on until it behaves, and the loop goes back to its own thread. One that
 * was ready to run and had no core is not held to have taken that time.
 *
 * So while a callback is left behind, and only then, the other callbacks of its loop are called
 * by another thread, still one at a time, as if it were the loop's: what belongs to the bus may
 * be used. What a callback keeps in thread-local variables, or has locked for its own thread, is
 * not there then. A program whose callbacks need that opens its bus with WEIR_BUS_PINNED: then
 * no loop is given away, and a callback that does not return holds all up; so does one of a
 * subscription that may not leave, of a timer, a descriptor or a task. A callback does not leave
 * by longjmp or pthread_exit.
 *
 * Who is left behind runs at the rank that .lane says, if the process may give it back its
 * own afterwards (CAP_SYS_NICE, or RLIMIT_NICE); else as before. One that spins only has what
 * cores have left (SCHED_IDLE), unless that is WEIR_LANE_SAME: so a lock of the program's that
 * it holds may be held for long while all cores are busy. With WEIR_STUCK_MAX of them the next
 * one is waited for. weir_close answers -AGAIN_TIMEOUT when a callback has not
 * returned after .close_ms; then the bus is still there, what was not read is still held, and
 * the call may be repeated.
 */
typedef struct weir_handoffs {
	size_t size;
	uint64_t handoffs;  /* loops that were given away */
	uint64_t stuck;     /* callbacks left behind that have not returned yet */
	uint64_t excused;   /* looks at one whose time was over, but that had no core */
	uint64_t saturated; /* looks at one whose loop could be given to nobody */
	uint64_t found_ns,
		found_most_ns; /* from when it was seen first until it was held to
					       be stuck: the last, the longest */
	uint64_t passed_ns, passed_most_ns; /* and until another thread had the loop */
} weir_handoffs;

/* Of one loop, 0 for the bus's own. Any thread. 0; USAGE_SIZE; USAGE_INVAL: no such loop; or why
 * the bus cannot be used. */
int weir_loop_handoffs(weir_bus *bus, uint32_t loop, weir_handoffs *handoffs);

/* ---- being a good consumer -------------------------------------------------------------- */

/*
 * Within a callback: units of work were done, of the WEIR_BUDGET_DEFAULT that a poll has. A
 * unit is what the program says it is. Returns 1 when none are left: then the callback
 * should return soon, and a subscription hands it no further message in this poll. A few
 * instructions.
 */
int weir_consume(weir_bus *bus, uint32_t units);

/*
 * Within a callback that works for long: 1 if it should return now, because the units are
 * used up or the poll has lasted for as long as it may (1 ms from the first question on).
 * What it has not done it keeps for its next turn. Reads a clock: some 20 ns.
 */
int weir_should_yield(weir_bus *bus);

/* ---- tiers ------------------------------------------------------------------------------- */

/*
 * Every consumer is watched, and one that costs its neighbours too much climbs: monitor,
 * warn (75 % of its weight), yield (50 %), isolate (25 %). What counts against it: polls
 * that take longer than a threshold, time for which publishers waited for it, lag, and the
 * age of what it has not read. It comes back, one tier at a time, when it behaves. Each
 * change is an event, WEIR_EV_TIER, which says why. See docs/scheduling.md for the rules.
 *
 * weir_tiers sets them, from the next look on: a profile ("balanced", "aggressive",
 * "permissive", "readme", "off") and fields, "aggressive warn.violations=4 age_ms=100", or
 * fields alone, which change what is in force. All of it, or nothing: USAGE_INVAL with the
 * name of what is wrong, and its bounds, in err (NULL: not wanted). What the operator says in
 * a file or in the environment (WEIR_BUDGET, WEIR_CPU_THRESHOLD_NS, WEIR_TIER_ESCALATION) stays
 * in force, and is read anew: see <weir/conf.h>. ENV_OS: that file cannot be read.
 */
int weir_tiers(weir_bus *bus, const char *settings, weir_error *err);

/* 0 monitor to 3 isolate; < 0: why the handle cannot be used. */
int weir_sub_tier(weir_sub *sub);

/* ---- looking ------------------------------------------------------------------------------- */

/* A consumer of a bus's loop, as it is shown to others. */
typedef struct weir_consumer {
	uint64_t number;  /* no other one of its bus has had it */
	const char *name; /* what a subscription subscribes; "" for the others */
	uint32_t weight;
	uint32_t tier; /* 0 monitor to 3 isolate */
} weir_consumer;

/* The consumer that a subscription is, valid until the next call on it. 0, USAGE_INVAL, or why
 * the handle cannot be used. */
int weir_sub_consumer(weir_sub *sub, weir_consumer *consumer);

#if WEIR_METRICS

typedef struct weir_consumer_stats {
	size_t size; /* set to sizeof before the call */
	uint64_t polls;
	uint64_t messages;   /* or what its poll counts: times, steps */
	uint64_t busy_ns;    /* in its handler, where that was measured */
	uint64_t violations; /* polls over a limit */
	uint64_t yields;     /* polls in which it was told that it should stop */
	uint64_t promotions; /* times that it came to a higher tier */
	uint64_t demotions;  /* and back */
} weir_consumer_stats;

typedef struct weir_loop_stats {
	size_t size; /* set to sizeof before the call */
	uint64_t turns;
	uint64_t polls;
	uint64_t messages;
	uint64_t busy_ns; /* in handlers, where that was measured */
	uint64_t idle_ns; /* asleep */
	uint64_t sleeps;
	uint64_t timers; /* that fired */
	uint64_t violations;
	uint64_t io; /* what it waits for descriptors with: WEIR_IO_EPOLL or WEIR_IO_POLL */
} weir_loop_stats;

/* What it has done so far. 0, USAGE_INVAL, USAGE_SIZE, or why the handle cannot be used. */
int weir_sub_get_turns(weir_sub *sub, weir_consumer_stats *stats);

/* What the loop has done so far. Any thread; each number is one of that moment. 0, USAGE_INVAL,
 * USAGE_SIZE, GONE_FORKED. */
int weir_loop_get_stats(weir_bus *bus, weir_loop_stats *stats);

/* The same of loop 1 to .loops of the bus; 0 is its own. USAGE_INVAL if there is no such one. */
int weir_loop_get_stats_of(weir_bus *bus, uint32_t loop, weir_loop_stats *stats);

#endif /* WEIR_METRICS */

#if WEIR_TRACE

/*
 * A trace: the last WEIR_TRACE_RECORDS things of note that each loop did, with their times.
 * weir_trace_start begins to write them down, on all loops of the bus and their lanes, and
 * weir_trace_stop ends that; what was written can be read until weir_close. Both on the bus's
 * own thread: 0, ENV_MEMORY (then no loop writes), or why the handle cannot be used.
 * Cost: 160 KiB for each loop, from the first start on, and some 30 ns for each record. Not
 * started, the loop pays a load and a branch where there would be one.
 */
enum {
	WEIR_TRACE_RECORDS = 4096 /* that are kept of each loop */
};

int weir_trace_start(weir_bus *bus);
int weir_trace_stop(weir_bus *bus);

enum weir_trace_kind {
	WEIR_TRACE_POLL = 1, /* a poll was measured: .value nanoseconds */
	WEIR_TRACE_TIER,     /* from tier .from to tier .value, for .reason */
	WEIR_TRACE_MOVE,     /* handed by loop .from to loop .value */
	WEIR_TRACE_SLEEP,  /* the loop goes to sleep, for .value nanoseconds at most, */
	WEIR_TRACE_WAKE,   /* and is awake again after .value nanoseconds */
	WEIR_TRACE_TIMERS, /* .value timers were due */
	WEIR_TRACE_VERDICT /* the verdict .value was given; one of a further loop is written
				there, and again where it ends the turn, by the loop */
};

typedef struct weir_trace_record {
	uint64_t at; /* records are numbered from 0 on, each loop's for itself */
	uint64_t when_ns;
	uint64_t consumer; /* its number, as in weir_consumer; 0: the loop itself, or one that
			      has left */
	int64_t value;
	const char *reason; /* "" if it has none */
	uint32_t kind;      /* enum weir_trace_kind */
	uint32_t from;
	uint32_t loop;
	uint32_t unused;
} weir_trace_record;

/*
 * Copies up to count records of a loop, in their order, from number `from` on or, where that was
 * written over, from the oldest that is left: records[0].at less from is how many were lost.
 * The next call goes on behind the last one's .at. loop is 0 for the bus's own, 1 to .loops
 * for a further one; lanes follow, in the order in which they were needed.
 * Returns how many were copied, 0: there are none yet; USAGE_INVAL (no such loop),
 * GONE_FORKED. Any thread, as long as the bus is open; the loop is not disturbed.
 */
int weir_trace_read(weir_bus *bus, uint32_t loop, uint64_t from,
	weir_trace_record *records, size_t count);

/* The record as one line without an end, for people: "12.345678901 loop 0: #7 monitor -> warn,
 * overrun". Always ended, if size is not 0. Returns the length that the whole would need. */
int weir_trace_format(const weir_trace_record *record, char *buf, size_t size);

#endif /* WEIR_TRACE */

#if WEIR_METRICS
/*
 * From now on (on is 1), or not any more (0), the times of the loop's consumers are taken:
 * of each message from its commit to the handler, of each poll how long its consumer waited
 * for it, and of each call how long the handler took. weir_look_latency reads them, from
 * here or from another process. Up to 512 consumers of a loop; those that come later are
 * measured too, where there is room. Switched on again it begins with none.
 *
 * Returns how many are measured, or why the handle cannot be used; USAGE_INVAL for another
 * value of on. The bus's own thread; it waits for callbacks that run on further loops. Off, a message costs one branch for it, and a poll nothing;
 * on, some 20 ns for each reading of the clock, of which there are two to a poll and two to
 * a message, and 14 kB of memory for each consumer.
 */
int weir_measure(weir_bus *bus, int on);
#endif

/*
 * Functions that are called around polls, on the thread of the loop that polls; each may
 * be NULL. They must
 * not block, and have no say in what is polled.
 */
typedef struct weir_hooks {
	size_t size;
	void (*before_poll)(void *ctx, const weir_consumer *consumer);
	/* messages: what it did */
	void (*after_poll)(void *ctx, const weir_consumer *consumer, uint64_t messages);
	/* It was told in this poll that it should stop, see weir_should_yield. */
	void (*on_yield)(void *ctx, const weir_consumer *consumer);
	/* It has left the loop, from within a turn. */
	void (*on_completion)(void *ctx, const weir_consumer *consumer);
	/* Nobody will call these functions any more: ctx may go. On whichever thread found out;
	 * weir_close at the latest. */
	void (*reclaimed)(void *ctx);
	void *ctx;
} weir_hooks;

/*
 * Puts these hooks (which are copied) in the place of those that there were; NULL: none. They
 * are called from the next turn on. Any thread, also while the loop runs, and from a hook.
 * 0, USAGE_INVAL, USAGE_SIZE, ENV_MEMORY. A loop without hooks pays one load and one branch.
 */
int weir_hooks_set(weir_bus *bus, const weir_hooks *hooks);

/* ---- timers ------------------------------------------------------------------------------- */

typedef struct weir_timer weir_timer;

/* What a timer's callback is told. */
typedef struct weir_tick {
	uint64_t due_ns; /* when it was due; it is called at that time or later */
	uint64_t missed; /* of an interval: how many more have been due since then, and are left
			    out */
} weir_tick;

typedef int (*weir_timer_fn)(void *ctx, const weir_tick *tick);

/* An interval whose callback was late by a period or more. Its phase stays in each case. */
enum weir_late {
	WEIR_LATE_SKIP = 0, /* goes on with the next time; .missed says what was left out */
	WEIR_LATE_COALESCE, /* is called once for all; .missed says how many more those were */
	WEIR_LATE_BURST /* is called for each */
};

typedef struct weir_timer_opts {
	size_t size;
	uint64_t after_ns; /* from now to the first time; 0: .every_ns */
	uint64_t every_ns; /* from one time to the next; 0: once */
	weir_timer_fn on_tick;
	void *ctx;
	uint32_t late;   /* enum weir_late */
	uint32_t weight; /* 0: WEIR_WEIGHT_DEFAULT */
} weir_timer_opts;

/*
 * A timer: once, or again and again. It is never early; how late it is, the weights and what
 * else has something to do say. An interval does not drift.
 * C: weir_timer_start(bus, .every_ns = 1000000, .on_tick = f).
 * Errors: USAGE_INVAL (no callback, no time, an unknown .late, a weight above 64), AGAIN_QUOTA
 * (2^20 one-shots, or 32 different periods), ENV_MEMORY.
 * Cost: an insertion of some nanoseconds, and about 50 bytes for each one-shot.
 */
weir_timer *weir_timer_start_(weir_bus *bus, const weir_timer_opts *opts);

/* Fires after_ns from now, whether it has fired or not; an interval goes on from there. */
int weir_timer_again(weir_timer *timer, uint64_t after_ns);

/* Does not fire again until weir_timer_again. 0, also if it had fired. */
int weir_timer_cancel(weir_timer *timer);

/* Frees the handle. NULL is ignored. 0, USAGE_THREAD, GONE_FORKED. */
int weir_timer_close(weir_timer *timer);

const weir_error *weir_timer_why(const weir_timer *timer);

/* ---- descriptors ----------------------------------------------------------------------------- */

typedef struct weir_watch weir_watch;

enum weir_ready { WEIR_READABLE = 1u << 0, WEIR_WRITABLE = 1u << 1 };

/* fd can be read or written, has an error or was hung up: the call on it says which. */
typedef int (*weir_ready_fn)(void *ctx, int fd);

/* A descriptor that is ready, as it is selected. */
typedef struct weir_readiness {
	weir_watch *watch;
	void *ctx;
	int fd;
	uint32_t events; /* enum weir_ready, of those that it is watched for; of one that has an
			    error or was hung up, all of them */
} weir_readiness;

typedef struct weir_watch_opts {
	size_t size;
	int fd;                 /* stays the caller's, who closes it after the watch */
	uint32_t events;        /* enum weir_ready; 0: WEIR_READABLE */
	weir_ready_fn on_ready; /* NULL: it is selected */
	void *ctx;
	uint32_t weight; /* 0: WEIR_WEIGHT_DEFAULT */
} weir_watch_opts;

/*
 * Create: from here on the loop has an eye on fd. Calls on_ready once a turn as long as fd is
 * ready; without on_ready a turn only ends its wait then, and counts it as work. A descriptor
 * of a file is always ready.
 * C: weir_watch_fd(bus, fd, .on_ready = f).
 * Errors: USAGE_INVAL, ENV_OS (not a descriptor, or watched on this bus already), ENV_MEMORY.
 * Cost: one system call here, and one a turn for all watches of a bus.
 */
weir_watch *weir_watch_fd_(weir_bus *bus, const weir_watch_opts *opts);

/*
 * Select: fills in up to count of the descriptors that are watched on this bus and ready now,
 * with a callback or without, and calls nobody. Those that were selected come last in the
 * next call, so whoever asks for few passes nobody over. Each stays ready until what it is
 * ready for is done. Does not wait: weir_turn does.
 * Returns how many; USAGE_INVAL (no room is given), or why the bus cannot be used.
 * Cost: a system call for each 64 watches that it has to look at.
 */
int weir_watch_select(weir_bus *bus, weir_readiness *ready, size_t count);

/* Poll: calls on_ready now, out of its turn, if fd is ready. 0: it is not; 1: it is, and was
 * called; or the callback's value, if that is not 0. One system call. */
int weir_watch_poll(weir_watch *watch);

/* Frees the handle; before fd is closed. NULL is ignored. 0, USAGE_THREAD, GONE_FORKED. */
int weir_watch_close(weir_watch *watch);

const weir_error *weir_watch_why(const weir_watch *watch);

/* ---- tasks ------------------------------------------------------------------------------------- */

/* What a task's step answers. */
enum weir_step {
	WEIR_STEP_IDLE = 0, /* nothing to do until weir_task_wake */
	WEIR_STEP_MORE = 1, /* there is more to do: again, when it is its turn */
	WEIR_STEP_DONE = 2  /* it has ended, well */
			    /* < 0: it has ended with that error */
};

/* One step: as much as is good for the others. State is what ctx points to. */
typedef int (*weir_step_fn)(void *ctx);

/* A task's name: never used again for another one of this bus. 0 is nobody's. */
typedef uint64_t weir_task_id;

typedef struct weir_task_opts {
	size_t size;
	weir_step_fn step;
	void *ctx;
	uint32_t weight; /* 0: WEIR_WEIGHT_DEFAULT */
	uint32_t urgent; /* 1: as for an interrupt: once it is woken it takes its step before
			    anybody else is polled, whatever they weigh. It belongs to no
			    round; keep its steps short */
} weir_task_opts;

/*
 * A task on the bus's loop; its first step comes with its first turn. Returns its name, or 0:
 * then weir_why of the bus says why (USAGE_INVAL, ENV_MEMORY, AGAIN_QUOTA above 2^24 tasks).
 * C: weir_spawn(bus, step, .ctx = &state).
 * Cost: about 500 bytes; idle tasks cost nothing else.
 */
weir_task_id weir_spawn_(weir_bus *bus, const weir_task_opts *opts);

/*
 * There is something for the task to do: if it was idle it takes a step. Any thread. While
 * it waits for that turn further calls cost an atomic exchange. 0, or USAGE_INVAL if there is
 * no such task (it has ended and was joined).
 */
int weir_task_wake(weir_bus *bus, weir_task_id id);

/* 1 if the task has not ended, 0 if it has, USAGE_INVAL if there is none. */
int weir_task_lives(weir_bus *bus, weir_task_id id);

/* Ends a task from outside, between two steps: joined, it gives GONE_STOPPED. */
int weir_task_kill(weir_bus *bus, weir_task_id id);

/*
 * Turns the bus until the task has ended, and frees it. Returns 0 if it ended well, its error
 * if not, AGAIN_TIMEOUT after timeout_ms, GONE_STOPPED if the bus was stopped, USAGE_STATE from
 * within that task's own step, USAGE_INVAL if there is none, or what ended a turn.
 */
int weir_join(weir_bus *bus, weir_task_id id, int timeout_ms);

/* ---- from C ------------------------------------------------------------------------------------- */

#ifdef __cplusplus
}

static inline weir_timer *
weir_timer_start(weir_bus *bus, const weir_timer_opts &opts)
{
	weir_timer_opts sized = opts;
	sized.size = sizeof(sized);
	return weir_timer_start_(bus, &sized);
}

static inline weir_watch *
weir_watch_fd(weir_bus *bus, const weir_watch_opts &opts)
{
	weir_watch_opts sized = opts;
	sized.size = sizeof(sized);
	return weir_watch_fd_(bus, &sized);
}

static inline weir_task_id
weir_spawn(weir_bus *bus, const weir_task_opts &opts)
{
	weir_task_opts sized = opts;
	sized.size = sizeof(sized);
	return weir_spawn_(bus, &sized);
}
#else
#define weir_timer_start(bus, ...) \
	weir_timer_start_((bus), \
		&(weir_timer_opts){.size = sizeof(weir_timer_opts), __VA_ARGS__})
#define weir_watch_fd(bus, ...) \
	weir_watch_fd_((bus), \
		&(weir_watch_opts){.size = sizeof(weir_watch_opts), .fd = __VA_ARGS__})
#define weir_spawn(bus, ...) \
	weir_spawn_((bus), \
		&(weir_task_opts){.size = sizeof(weir_task_opts), .step = __VA_ARGS__})
#endif
#endif
