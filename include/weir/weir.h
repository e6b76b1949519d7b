/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Weir: messages between processes, without a copy.
 *
 *	weir_bus *bus = weir_open("default");
 *	weir_pub *pub = weir_advertise(bus, "hello");
 *	weir_send(pub, "hi", 2);
 *	return weir_close(bus);
 *
 * Three handles. A bus is this process's attachment to a named meeting place; a publisher
 * is its stream on one topic; a subscription follows every stream that matches a pattern.
 *
 * A failed handle is a handle: weir_open, weir_advertise and weir_subscribe never return
 * NULL. A handle that failed carries its error, every call on it returns that error and
 * does nothing, and weir_run and weir_close print it on stderr once. So a small program
 * checks at the end; a careful one asks weir_why.
 *
 * Threads: a handle belongs to one thread at a time, the one that made it, until
 * weir_adopt moves it. Any other thread gets -WEIR_E_USAGE_THREAD, a forked child
 * -WEIR_E_GONE_FORKED, and nothing happens. Exceptions are named at the call
 * (weir_wake, weir_stop). Callbacks run in the owning thread, inside weir_turn or
 * weir_run; they may publish, and must not close the bus or read or close the
 * subscription that they are called for (USAGE_STATE).
 *
 * Order: what one publisher puts on one topic arrives in that order. Across publishers no
 * order is promised.
 *
 * Units: bytes, and nanoseconds or milliseconds as the name ends (_ns, _ms).
 */
#ifndef WEIR_WEIR_H
#define WEIR_WEIR_H

#include <stddef.h>
#include <stdint.h>
#include <weir/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_VERSION_MAJOR 0
#define WEIR_VERSION_MINOR 1
#define WEIR_VERSION_PATCH 0

typedef struct weir_bus weir_bus;
typedef struct weir_pub weir_pub;
typedef struct weir_sub weir_sub;

/* ---- limits ------------------------------------------------------------------------ */

#define WEIR_NAME_MAX        200         /* bytes in a bus, node, topic or type name */
#define WEIR_MESSAGE_DEFAULT (64u << 10) /* a topic's largest message */
#define WEIR_MESSAGE_MAX     (64u << 20) /* the most that a topic may ask for */
#define WEIR_WINDOW_DEFAULT  (16u << 20) /* bytes that a stream keeps for readers */
#define WEIR_ALIGN_MAX       4096u       /* largest payload alignment of a topic */
#define WEIR_CLAIMS_MAX      64          /* claims of one publisher open at once */
#define WEIR_HOLDS_DEFAULT   4 /* segments that a subscription may hold back */
#define WEIR_HOLDS_MAX       7
#define WEIR_PROCESSES_MAX   256   /* attachments (open buses) of one meeting place */
#define WEIR_TOPICS_MAX      10000 /* topics of one bus */
#define WEIR_SUBSCRIBERS_MAX 1024  /* subscriptions on one stream */
#define WEIR_ATTACH_MS       100   /* how long a call waits for a silent peer */
#define WEIR_CLOSE_MS        1000  /* how long close waits for late attachers */
#define WEIR_ROOM_MS         1000  /* how long a publisher waits for room */
#define WEIR_STALL_US        5000 /* of any 100 ms that a subscription may cost others */
#define WEIR_STALL_CAP_US    20000 /* and all subscriptions of a stream together */

#define WEIR_FOREVER (-1) /* a timeout that never ends */
#define WEIR_NEVER   (-2) /* for .wait_ms and .stall_us: nobody waits */

/* ---- messages ---------------------------------------------------------------------- */

/*
 * A message in place: data points into the publisher's memory, mapped read-only. It is
 * valid until the callback returns, or until weir_next passes it, unless held.
 * Copying this struct copies the view, not the message.
 */
typedef struct weir_msg {
	const void *data;
	size_t len;
	uint64_t seq;     /* counts the claims of this stream, from 0 */
	uint64_t time_ns; /* CLOCK_MONOTONIC at commit, 0 where the publisher has it off */
	uint64_t publisher; /* id of the stream: one publisher on one topic */
	uint64_t lost; /* claims that were missed between the last message and this one */
	const char *topic;  /* valid as long as the subscription */
	uint64_t opaque[2]; /* ours */
} weir_msg;

/*
 * Room for one message, in the publisher's memory. Write at data; lower len before commit
 * if less was written.
 */
typedef struct weir_claim_t {
	void *data;
	size_t len;
	uint64_t seq;    /* the number that the message will have */
	uint64_t opaque; /* ours */
} weir_claim_t;

/* ---- things that happen ------------------------------------------------------------- */

enum weir_event_kind {
	WEIR_EV_NODE_JOINED = 1, /* a process attached to the bus */
	WEIR_EV_NODE_LEFT,       /* it closed */
	WEIR_EV_NODE_DIED,       /* its process ended without closing */
	WEIR_EV_PUB_JOINED,      /* a stream that one of our subscriptions follows */
	WEIR_EV_PUB_LEFT,   /* its publisher closed; what was committed still arrives */
	WEIR_EV_PUB_DIED,   /* its process died; what was committed still arrives */
	WEIR_EV_SUB_JOINED, /* a subscription was admitted to one of our streams */
	WEIR_EV_SUB_LEFT,
	WEIR_EV_SUB_DIED,
	WEIR_EV_PENDING,  /* a peer did not answer in time: it is not admitted yet */
	WEIR_EV_ADMITTED, /* a pending peer answered: its admission is complete */
	WEIR_EV_REFUSED, /* a pair did not fit: another type, version, limit; see code */
	WEIR_EV_DENIED, /* somebody without permission was turned away and learnt nothing */
	WEIR_EV_PROTOCOL, /* a peer broke the protocol and was put out; see code */
	WEIR_EV_CUT, /* a stream ended, and what was published last cannot be reached: how
			       much that is, nobody knows; see code */
	WEIR_EV_SUB_DETACHED, /* one of our streams does not wait for that subscription any
				 more: it was too slow; code and stalled_ns say how */
	WEIR_EV_SUB_RETURNED, /* it has caught up: it is waited for again */
	WEIR_EV_DETACHED, /* the same, seen from the subscription: what it does not read
				 in time is written over, and counted */
	WEIR_EV_RETURNED, /* from here on nothing is lost any more */
	WEIR_EV_TIER, /* a consumer of ours is at another tier: tier, was_tier and why say
				   which and what led to it; topic is what it subscribes */
	WEIR_EV_ASKED /* somebody asked for something, see weir/control.h: pid, uid, topic
			 and why say who and for what; code is 0 if it was done */
};

typedef struct weir_event {
	enum weir_event_kind kind;
	int code;           /* positive WEIR_E_... where one applies, else 0 */
	uint32_t pid;       /* of the peer */
	uint32_t uid;       /* of the peer */
	uint64_t publisher; /* stream id, 0 = none */
	uint64_t stalled_ns; /* of WEIR_EV_SUB_DETACHED and WEIR_EV_DETACHED: how long the
				publisher has waited for this subscription, in all */
	uint64_t dropped;    /* events that were lost because nobody pulled them */
	uint32_t tier,
		was_tier; /* of WEIR_EV_TIER: 0 monitor, 1 warn, 2 yield, 3 isolate */
	char why[160]; /* of WEIR_EV_TIER, for people: "imu: monitor -> warn: ..."; of
			     WEIR_EV_ASKED: "kick, asked by uid 0: ..." */
	char node[WEIR_NAME_MAX + 1];  /* name of the peer */
	char topic[WEIR_NAME_MAX + 1]; /* "" = none */
} weir_event;

/* ---- callbacks ---------------------------------------------------------------------- */

/* One message. 0 = go on; anything else ends weir_turn and weir_run with that value. */
typedef int (*weir_msg_fn)(void *ctx, const weir_msg *msg);
/* Up to count messages of one stream, in order. Returns as weir_msg_fn does. */
typedef int (*weir_batch_fn)(void *ctx, const weir_msg *msgs, size_t count);
/* One event. */
typedef void (*weir_event_fn)(void *ctx, const weir_event *event);

/* ---- options: size first, zero means default, fields are only ever appended --------- */

enum weir_idle {
	WEIR_IDLE_ADAPTIVE = 0, /* spin a little where cores are free, then park */
	WEIR_IDLE_PARK,         /* sleep as soon as there is nothing */
	WEIR_IDLE_YIELD,        /* never sleep, give the core away between looks */
	WEIR_IDLE_SPIN /* never sleep, never yield: lowest latency, a whole core.
				   Who never sleeps costs publishers no look at its flag */
};

/* How the thread of a lane runs, where a consumer is that has been isolated; and that of a
 * callback that is left behind, until it returns (<weir/loop.h>: with NICE, one that spins runs
 * as with IDLE). */
enum weir_lane {
	WEIR_LANE_NICE = 0, /* with a low priority: nice 10 */
	WEIR_LANE_IDLE,     /* only when a core has nothing else to do: SCHED_IDLE */
	WEIR_LANE_SAME      /* as all other threads */
};

enum weir_bus_flags {
	WEIR_BUS_NO_THREAD = 1u << 0,  /* no steward thread: weir_turn does its work */
	WEIR_BUS_NO_SIGNALS = 1u << 1, /* weir_run and weir_ok leave signals alone */
	WEIR_BUS_QUIET = 1u << 2,      /* weir_run and weir_close print nothing */
	WEIR_BUS_PINNED = 1u << 3 /* callbacks want to be called by the same thread always: no
				     loop is ever given to another one */
};

/* What a loop waits for descriptors with. */
enum weir_io {
	WEIR_IO_AUTO = 0, /* epoll, and poll(2) where the kernel or a sandbox refuses that */
	WEIR_IO_EPOLL,
	WEIR_IO_POLL /* a wait costs what is watched, not what is ready; there is no weir_fd */
};

#define WEIR_CORE_ANY UINT32_MAX /* of .timers_core */

typedef struct weir_bus_opts {
	size_t size;
	const char *name;   /* of the bus; "inproc:NAME" stays within this process */
	const char *dir;    /* runtime directory; NULL: $WEIR_RUNTIME_DIR, then
				$XDG_RUNTIME_DIR/weir, then a private one under /tmp */
	const char *node;   /* our name for others; NULL: the program's */
	const char *group;  /* open the bus for this group; NULL: for its user alone */
	const char *users;  /* and for these users, "alice,bob"; NULL: nobody else */
	uint32_t attach_ms; /* 0: WEIR_ATTACH_MS */
	uint32_t close_ms;  /* 0: WEIR_CLOSE_MS */
	uint32_t idle;      /* enum weir_idle */
	uint32_t flags;     /* enum weir_bus_flags */
	weir_event_fn on_event; /* NULL: pull with weir_next_event */
	void *ctx;
	const char *tiers; /* how consumers that cost too much are treated: a profile,
			      "balanced", "aggressive", "permissive", "readme" or "off", see
			      <weir/loop.h>; NULL: "balanced". What the environment says about
			      it wins */
	const char *discipline; /* whose turn it is on the loop: "priority" (by weight; NULL),
				   "time" (by weight, and a poll counts as long as it took),
				   "classes" or "robin" (weights count for nothing) */
	uint32_t round_limit; /* polls that a round may have, the sum of all weights: a consumer
				 that would make it longer is refused; 0: no limit. The
				 usual limit is 400 */
	uint32_t core;  /* the thread is bound to core number .core - 1; 0: to none */
	uint32_t loops; /* further loops with a thread each (see <weir/loop.h>), at most 64, for subscriptions with
			   WEIR_MOVE_LOOPS; with .core each is bound to the next core */
	uint32_t lane;  /* enum weir_lane */
	uint32_t hard_us; /* a callback of a subscription with WEIR_MOVE_LANE that has not
			     returned by then is left behind, see <weir/loop.h>; 0:
			     WEIR_HARD_US */
	uint32_t tick_us; /* so often it is looked for those; 0: WEIR_TICK_US; sooner, while one
			     is suspect */
	uint32_t io;          /* enum weir_io; what the operator says (WEIR_IO) wins */
	uint32_t timers_core; /* a thread of its own keeps the loop's timers, bound to core
				 number .timers_core - 1; WEIR_CORE_ANY: to none; 0: the loop
				 keeps them itself */
	/* The rest is asked of the kernel: what it refuses is left out, and weir_tunings of
	 * <weir/conf.h> says so. Of the thread that opens the bus, which keeps it. */
	uint32_t large_pages; /* 1: streams take their memory in large pages (2 MiB, mostly) */
	uint32_t realtime; /* SCHED_FIFO with that priority, 1 to 99; 0: as it is */
	int32_t nice;      /* -20, the most important, to 19; 0: as it is */
	uint32_t slack_ns; /* sleeps may end so much later than they should; 0: as it is */
	/* And of the threads of lanes. */
	const char *lane_group; /* directory of a control group that they go into: a threaded one
				   (cgroup v2), or one of the controller cpu (v1); what it may
				   use is set there, for instance in its cpu.max. NULL: none */
} weir_bus_opts;

enum weir_stamp {
	WEIR_STAMP_EACH = 0, /* every message carries its own commit time */
	WEIR_STAMP_BATCH,    /* weir_commit_n reads the clock once for all of them */
	WEIR_STAMP_OFF       /* time_ns is 0 */
};

/* What becomes of a subscription for which its publisher has waited long enough. */
enum weir_policy {
	WEIR_DROP_OLDEST = 0, /* it reads on at its own pace; what is written over before it
				 comes to it is lost, and the next message says how much */
	WEIR_LATEST, /* it wants the newest message (of each key), and is never waited for */
	WEIR_DISCONNECT, /* its stream ends with -GONE_EVICTED, and so do its books of it: what
			    it had not read is in none of them */
	WEIR_BLOCK /* the publisher waits for it, however long that takes */
};

/* Where a subscription begins in a stream that was there before it. */
enum weir_from {
	WEIR_FROM_NEW = 0, /* with what is published from now on */
	WEIR_FROM_OLDEST,  /* with the oldest message that is still there */
	WEIR_FROM_LAST,    /* with the last .from_count messages */
	WEIR_FROM_SEQ /* with message .from_count of stream .from_publisher; with what is
			      published from now on, if that is still to come */
};

typedef struct weir_pub_opts {
	size_t size;
	const char *topic;   /* a.b.c, no patterns */
	size_t max_message;  /* 0: WEIR_MESSAGE_DEFAULT */
	size_t window;       /* 0: WEIR_WINDOW_DEFAULT, and at least four segments */
	size_t align;        /* of payloads, a power of two; 0: 16 */
	const char *type;    /* name of the type; NULL: opaque bytes */
	uint64_t type_hash;  /* compared with the subscriber's; 0: opaque bytes */
	const char *readers; /* who may subscribe, "alice,@group"; NULL: whoever may
				 attach to the bus */
	int32_t wait_ms;     /* for room; 0: WEIR_ROOM_MS; WEIR_FOREVER; WEIR_NEVER */
	uint32_t stamp;      /* enum weir_stamp */
	uint64_t keep_messages; /* history for who comes late: at least so many messages, */
	uint64_t keep_bytes; /* and bytes of log, 16 a message more than its payload;
				   0 and 0: the last message */
	uint32_t ttl_ms; /* readers pass over what is older; 0: nothing; needs a stamp */
	uint32_t stall_us; /* the most that all slow subscriptions together may hold it up in
			      any 100 ms; 0: WEIR_STALL_CAP_US */
} weir_pub_opts;

/*
 * May the callback of a subscription be called by other threads than the bus's own? Then still
 * by one at a time, in order, and what one call did is seen by the next. In it weir_hold and
 * weir_release of the subscription, weir_consume, weir_should_yield, weir_task_wake, weir_stop
 * and what may be called by any thread is allowed; a publisher of the bus is another thread's.
 * On the bus's own thread, a call on a subscription that is elsewhere waits until the callback
 * that is running has returned.
 */
enum weir_moves {
	WEIR_MOVE_LANE =
		1u << 0, /* when it is isolated (see <weir/loop.h>): it goes to a lane,
				     a thread of its own, and comes back when it behaves.
				     And a callback that does not return is left behind.
				     Without: it stays, with a quarter of its turns */
	WEIR_MOVE_LOOPS = 1u << 1, /* among the .loops of the bus: where there is least to do;
				      see weir_sub_move */
	WEIR_MOVE_BLOCKING = 1u << 2 /* its callback blocks, and is known to: it is in a lane
					from the start */
};

typedef struct weir_sub_opts {
	size_t size;
	const char *topic;  /* or a pattern: '*' is one token, '>' all the rest */
	weir_msg_fn on_msg; /* called by weir_turn and weir_run; NULL: pull */
	void *ctx;
	weir_batch_fn on_batch; /* instead of on_msg */
	const char *type;       /* NULL or hash 0: takes every type, as bytes */
	uint64_t type_hash;
	const char *writers; /* whose streams to accept; NULL: whoever may attach */
	uint32_t holds;      /* segments that may be held; 0: WEIR_HOLDS_DEFAULT */
	uint32_t batch;      /* most messages per poll; 0: 64 */
	uint32_t policy;     /* enum weir_policy */
	int32_t stall_us; /* how long its publisher may wait for it while others wait too, in
			     any 100 ms; 0: WEIR_STALL_US; WEIR_NEVER: not at all; at most what
			     the publisher allows */
	uint64_t quota; /* bytes of log that it may lag before it is waited for; 0, or more
			     than the window: the window; in whole segments, at least two */
	uint32_t from;   /* enum weir_from */
	uint32_t ttl_ms; /* messages older than that are passed over; 0: none */
	uint64_t from_count;
	uint64_t from_publisher;
	uint32_t key_offset; /* of WEIR_LATEST: where in a message its key is, */
	uint32_t key_size;   /* 1 to 8 bytes; 0: no keys, one newest message in all */
	uint32_t weight; /* of its callback among all on the loop: polls of each round, 1 to
				64; 0: 3. See <weir/loop.h> */
	uint32_t poll_us; /* a poll hands no further message on after so long; 0: no limit */
	uint32_t moves; /* enum weir_moves; 0: all is on the bus's own thread */
} weir_sub_opts;

/* ---- the bus ------------------------------------------------------------------------ */

/*
 * Attaches this process to a bus; creates the meeting place if it is the first. No daemon
 * is needed and nothing is left behind by a death.
 * C: weir_open("name", .node = "driver"). Elsewhere: weir_open_(&opts).
 * Never NULL; see the top of this file. Blocks at most .attach_ms for silent peers, which
 * are then pending (WEIR_EV_PENDING) and admitted when they answer.
 * Errors: USAGE_NAME USAGE_INVAL USAGE_SIZE AGAIN_QUOTA and all of ENV.
 * Cost: one thread (and one with .timers_core), three descriptors, and four descriptors for
 * each other process.
 */
weir_bus *weir_open_(const weir_bus_opts *opts);

/*
 * Closes the bus and everything on it, aborts open claims, waits (.close_ms) until the
 * readers that were admitted have what they need to drain, and frees the handle. NULL is
 * ignored. Returns 0, or what had failed on the bus, as a positive exit code fit for
 * main; prints the error on stderr unless WEIR_BUS_QUIET.
 */
int weir_close(weir_bus *bus);

/* The error that the handle carries, code 0 if none. Valid until the next call on it. */
const weir_error *weir_why(const weir_bus *bus);

/* Makes the calling thread the owner of the bus and of all its handles. The former owner
 * must have finished its last call on them. 0, or GONE_FORKED. */
int weir_adopt(weir_bus *bus);

/* ---- the loop: ours or yours --------------------------------------------------------- */

/*
 * Polls the subscriptions, and what else is on the loop, until weir_stop, SIGINT, SIGTERM, or a callback that returns
 * non-zero. SIGINT and SIGTERM are caught only while this runs, only where their
 * disposition is the default, and given back; WEIR_BUS_NO_SIGNALS leaves them alone.
 * Returns 0 when stopped, the callback's value, or a positive exit code after an error.
 */
int weir_run(weir_bus *bus);

/*
 * One turn: as many polls as there are subscriptions with something to do, each in its turn
 * (see <weir/loop.h>), events are delivered, and if there was nothing to do it waits up to
 * timeout_ms (0 = not at all, WEIR_FOREVER).
 * Returns how many messages and events were handled, the callback's value, or < 0.
 */
int weir_turn(weir_bus *bus, int timeout_ms);

/*
 * A descriptor that becomes readable when a turn has something to do: for poll, epoll,
 * libuv. Before waiting on it, call weir_arm until it returns 0. ENV_NOSYS where the loop
 * waits with poll(2), see enum weir_io.
 */
int weir_fd(weir_bus *bus);

/* Prepares for waiting on weir_fd: 0 = nothing is there, wait; 1 = there is, turn first.
 * A bus that never sleeps (WEIR_IDLE_YIELD, WEIR_IDLE_SPIN) always answers 1: nobody
 * would ring it. */
int weir_arm(weir_bus *bus);

/* False (0) once the bus has failed or was stopped. Catches SIGINT and SIGTERM like
 * weir_run, from the first call until weir_close. */
int weir_ok(weir_bus *bus);

/* Waits ms milliseconds while turning, or until stopped. 0, GONE_STOPPED, or < 0. */
int weir_sleep(weir_bus *bus, int ms);

/* Ends the present or next wait of a turn. Any thread, and signal handlers. */
int weir_wake(weir_bus *bus);

/* Asks weir_run, weir_sleep and weir_ok to end. Any thread, and signal handlers. */
int weir_stop(weir_bus *bus);

/* Takes the oldest event that no callback took: 1 = one, 0 = none. At most 1,024 are
 * kept; .dropped says how many were lost before this one. */
int weir_next_event(weir_bus *bus, weir_event *event);

/*
 * Peers that have not answered yet, by name, separated by ", ". Returns how many; writes
 * at most size bytes, always ended.
 */
int weir_pending(weir_bus *bus, char *names, size_t size);

/* ---- publishing ---------------------------------------------------------------------- */

/*
 * Opens a stream on a topic. When it returns, every subscription that existed then has
 * been admitted: there is no slow joiner. Peers that did not answer within the attach
 * deadline are pending.
 * C: weir_advertise(bus, "imu", .max_message = 4096).
 * Errors: USAGE_NAME USAGE_INVAL AGAIN_QUOTA, and ENV_MEMORY ENV_FILES ENV_FSIZE ENV_MAPS
 * ENV_NOSYS. Cost: one descriptor, and about 300 KiB once something is published.
 */
weir_pub *weir_advertise_(weir_bus *bus, const weir_pub_opts *opts);

/* Ends the stream: open claims are aborted, subscribers drain and then get END. Frees the
 * handle. Waits as weir_close does. */
int weir_pub_close(weir_pub *pub);

/* The error that the handle carries, code 0 if none. */
const weir_error *weir_pub_why(const weir_pub *pub);

/* Makes the calling thread the owner of this publisher alone. */
int weir_pub_adopt(weir_pub *pub);

/*
 * Gives room for len bytes, in place. Several claims may be open (WEIR_CLAIMS_MAX); they
 * may be committed in any order and become visible in the order of the claims.
 * Waits for room as .wait_ms says; weir_stop does not end that wait early by more than
 * its deadline.
 * Errors: USAGE_TOOBIG USAGE_THREAD AGAIN_FULL (weir_pub_why names who blocks)
 * AGAIN_CLAIMS ENV_MEMORY GONE_*.
 * Cost: no system call, no lock, no copy, except once per segment.
 */
int weir_claim(weir_pub *pub, size_t len, weir_claim_t *claim);

/* Publishes the claim, whole or shortened (claim->len). Wakes who sleeps. 0, USAGE_CLAIM
 * if it is not open or len grew. One release store; a system call only for a sleeper. */
int weir_commit(weir_pub *pub, weir_claim_t *claim);

/* Gives the claim back: nothing is published. 0, USAGE_CLAIM. */
int weir_abort(weir_pub *pub, weir_claim_t *claim);

/* count claims of len bytes each, all or none, and their commit with one wake-up and
 * (WEIR_STAMP_BATCH) one clock reading. count <= WEIR_CLAIMS_MAX. Errors as above. */
int weir_claim_n(weir_pub *pub, size_t len, weir_claim_t *claims, size_t count);
int weir_commit_n(weir_pub *pub, weir_claim_t *claims, size_t count);

/* The copying form: claim, copy, commit. 0, or the errors of weir_claim. */
int weir_send(weir_pub *pub, const void *data, size_t len);

/* How many subscriptions are admitted to this stream now and have said that they stand in
 * it: across processes that word comes a moment after weir_subscribe has returned. */
int weir_subscribers(weir_pub *pub);

/* Waits until at least count are admitted. Returns the number, or AGAIN_TIMEOUT. Turns
 * the bus meanwhile only with WEIR_BUS_NO_THREAD. */
int weir_wait_subscribers(weir_pub *pub, int count, int timeout_ms);

typedef struct weir_pub_stats {
	size_t size;         /* set to sizeof before the call */
	uint64_t publisher;  /* id of the stream */
	uint64_t published;  /* committed messages */
	uint64_t bytes;      /* their payload */
	uint64_t aborted;    /* claims given back after a later one was made */
	uint64_t waits;      /* times that a claim waited for room */
	uint64_t wait_ns;    /* spent there */
	uint64_t rolls;      /* segments begun */
	uint64_t moves;      /* fresh regions begun */
	uint64_t rings;      /* sleepers woken by this thread */
	uint64_t evicted;    /* subscriptions put out for breaking the protocol */
	uint64_t stalled_ns; /* of wait_ns, what slow subscriptions were charged for */
	uint64_t detached;   /* times that one was not waited for any more */
	uint64_t returned;   /* times that one was waited for again */
	uint64_t denied;     /* attach requests without permission */
	uint32_t subscribers;
	uint32_t segment_bytes;
	uint64_t window_bytes;
	uint64_t region_bytes;   /* address space; memory is used as first touched */
	uint64_t reserved_bytes; /* memory in use, */
	uint64_t large_bytes; /* and of that in large pages, see .large_pages of a bus */
} weir_pub_stats;
int weir_pub_get_stats(weir_pub *pub, weir_pub_stats *stats);

/* ---- subscribing --------------------------------------------------------------------- */

/*
 * Follows every stream that matches, present and future. When it returns, every message
 * that any live publisher publishes afterwards is delivered; peers that did not answer
 * within the attach deadline are pending.
 * C: weir_subscribe(bus, "imu", .on_msg = on_imu).
 * Errors: USAGE_NAME USAGE_INVAL USAGE_TYPE AGAIN_QUOTA ENV_*.
 */
weir_sub *weir_subscribe_(weir_bus *bus, const weir_sub_opts *opts);

/* Leaves: nobody waits for this reader any more. Held messages end. Frees the handle. */
int weir_unsubscribe(weir_sub *sub);

/* The error that the handle carries, code 0 if none. */
const weir_error *weir_sub_why(const weir_sub *sub);

/*
 * The next message, in place, without passing it: twice in a row gives the same one.
 * 1 = there is one, 0 = none now, -GONE_END once for each stream that ended and was
 * drained, -DATA_GAP instead where what was published last cannot be reached (WEIR_EV_CUT),
 * -PEER_PROTOCOL once for each stream that was given up. Streams take turns.
 * No system call.
 */
int weir_peek(weir_sub *sub, weir_msg *msg);

/* Passes the message that weir_peek gave; the view ends, unless it is held. 0, or
 * USAGE_STATE without a peek before. */
int weir_next(weir_sub *sub);

/* As weir_peek and weir_next, for up to count messages of one stream. Returns how many
 * there are; weir_next_n passes the first count of them. */
int weir_peek_n(weir_sub *sub, weir_msg *msgs, size_t count);
int weir_next_n(weir_sub *sub, size_t count);

/*
 * The copying form: waits up to timeout_ms for a message and copies it into buf. Returns
 * its length (0 is a message too), or -AGAIN_EMPTY, -GONE_END and the like as weir_peek, -GONE_STOPPED,
 * -DATA_TRUNC (the message stays, msg->len says what it needs). msg may be NULL; its data
 * is buf.
 */
int weir_recv(weir_sub *sub, void *buf, size_t size, int timeout_ms, weir_msg *msg);

/* Keeps the message past its turn, until weir_release. Its whole segment stays; at most
 * .holds segments. Only for the message that is being handled or was peeked.
 * 0, AGAIN_HOLDS, USAGE_STATE. */
int weir_hold(weir_sub *sub, const weir_msg *msg);

/* Lets a held message go. 0, or USAGE_STATE if it is not held. */
int weir_release(weir_sub *sub, const weir_msg *msg);

/* How many streams this subscription follows now. */
int weir_publishers(weir_sub *sub);

typedef struct weir_sub_stats {
	size_t size;        /* set to sizeof before the call */
	uint64_t delivered; /* messages passed, and not held any more */
	uint64_t bytes;     /* payload of what was passed */
	uint64_t lost; /* claims missed, of all streams: the sum of the next four */
	uint64_t lost_behind;    /* written over before it came to them */
	uint64_t lost_conflated; /* a newer one was there (WEIR_LATEST) */
	uint64_t lost_expired;   /* older than their time to live */
	uint64_t lost_gone;      /* asked for at the join, and not there any more */
	uint64_t aborted;        /* claims that their publishers gave back */
	uint64_t waiting; /* messages that are there and were not passed, by walking over
			       them */
	uint64_t held;    /* messages passed and held now */
	uint64_t streams; /* followed now */
	uint64_t ended;   /* streams drained to their end */
	uint64_t refused; /* streams of another type, or without permission */
} weir_sub_stats;
int weir_sub_get_stats(weir_sub *sub, weir_sub_stats *stats);

/* ---- the library --------------------------------------------------------------------- */

/* "0.1.0", and a line with compiler, options and what the kernel offers. */
const char *weir_version(void);
const char *weir_build(void);

/* CLOCK_MONOTONIC as messages are stamped with it, within 1 us. Any thread. */
uint64_t weir_now_ns(void);

#ifdef __cplusplus
}
#endif

#ifndef __cplusplus
/* Options are the tail of the call: the name first, then designated initialisers. */
#define weir_open(...) \
	weir_open_(&(weir_bus_opts){.size = sizeof(weir_bus_opts), .name = __VA_ARGS__})
#define weir_advertise(bus, ...) \
	weir_advertise_((bus), \
		&(weir_pub_opts){.size = sizeof(weir_pub_opts), .topic = __VA_ARGS__})
#define weir_subscribe(bus, ...) \
	weir_subscribe_((bus), \
		&(weir_sub_opts){.size = sizeof(weir_sub_opts), .topic = __VA_ARGS__})
#else
/* From C++ the options are an object: auto o = weir_sub_options("imu"); o.on_msg = f; */
static inline weir_bus_opts
weir_bus_options(const char *name)
{
	weir_bus_opts opts = weir_bus_opts();
	opts.size = sizeof(opts);
	opts.name = name;
	return opts;
}

static inline weir_pub_opts
weir_pub_options(const char *topic)
{
	weir_pub_opts opts = weir_pub_opts();
	opts.size = sizeof(opts);
	opts.topic = topic;
	return opts;
}

static inline weir_sub_opts
weir_sub_options(const char *topic)
{
	weir_sub_opts opts = weir_sub_opts();
	opts.size = sizeof(opts);
	opts.topic = topic;
	return opts;
}

static inline weir_bus *
weir_open(const weir_bus_opts &opts)
{
	return weir_open_(&opts);
}

static inline weir_pub *
weir_advertise(weir_bus *bus, const weir_pub_opts &opts)
{
	return weir_advertise_(bus, &opts);
}

static inline weir_sub *
weir_subscribe(weir_bus *bus, const weir_sub_opts &opts)
{
	return weir_subscribe_(bus, &opts);
}
#endif
#endif
