/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Looking at a bus without touching it: who is there, which streams, and their messages,
 * read from the publishers' memory. A looker attaches no consumer, moves no gate and is
 * waited for by nobody; what it is too slow for, it misses, and says how much.
 * Every call belongs to one thread. The weir command is built on this.
 */
#ifndef WEIR_LOOK_H
#define WEIR_LOOK_H

#include <weir/options.h>
#include <weir/weir.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_look weir_look;

/* One process on the bus. */
typedef struct weir_look_node {
	uint64_t node;
	uint32_t pid;
	uint32_t uid;
	uint32_t silent; /* 1: it did not answer in time (stopped?); the rest is unknown */
	uint32_t streams;
	uint32_t subscriptions;
	char name[WEIR_NAME_MAX + 1];
} weir_look_node;

/* One publisher on one topic. */
typedef struct weir_look_stream {
	uint64_t publisher;
	uint64_t node;
	uint32_t pid;
	uint32_t subscribers;
	uint64_t claimed; /* messages claimed so far, walked in its memory */
	uint64_t last_ns; /* commit time of the newest message, 0 = none or off */
	uint64_t max_message;
	uint64_t type_hash;
	uint32_t segment_bytes;
	uint64_t window_bytes;
	uint64_t region_bytes;
	char topic[WEIR_NAME_MAX + 1];
	char type[WEIR_NAME_MAX + 1];
	uint64_t keep_messages; /* history that it was asked to keep, */
	uint64_t keep_bytes;    /* 0 and 0: the last message */
	uint64_t ttl_ns;        /* 0: none */
	uint64_t stall_cap_ns;  /* of all its readers together, in any 100 ms */
	uint32_t restricted;    /* 1: not whoever may attach may read it, but these: */
	char readers[WEIR_NAME_MAX + 1]; /* "1000,@100", by number */
} weir_look_stream;

/* One subscription of one process. */
typedef struct weir_look_sub {
	uint64_t node;
	uint32_t pid;
	uint32_t streams; /* that it follows */
	uint64_t delivered;
	uint64_t lost;
	char pattern[WEIR_NAME_MAX + 1];
} weir_look_sub;

/*
 * One subscription on one stream: what its publisher grants it, and its books.
 *
 * What it counts of itself begins at claim `from`. What lies ahead of it is counted by
 * walking over the stream, and so is the number of the claim at which it stands: the books
 * balance if its own sum leads there (off is 0). The walk also passes every claim that was
 * visible before it, and none that was not visible behind it:
 *
 *	visible_first <= from + delivered + held + lost + aborted
 *	                 + waiting + aborted_ahead + gone_ahead <= visible_last
 */
typedef struct weir_look_reader {
	uint64_t publisher; /* whose stream */
	uint64_t node;      /* whose subscription */
	uint64_t subscription;
	uint32_t pid;
	uint32_t policy; /* enum weir_policy */
	uint32_t gates;  /* 1: the publisher waits for it */
	uint32_t over;   /* 1: the stream has ended for it */
	int code; /* why it is not waited for, WEIR_E_PEER_...; 0: it never was, or has
			      not caught up with what it asked for */
	uint32_t detached;    /* how often the publisher stopped waiting for it */
	uint64_t quota_bytes; /* that it may lag before it is waited for */
	uint64_t stall_ns; /* that it may cost in any 100 ms; UINT64_MAX: as long as it takes */
	uint64_t stalled_ns; /* that it has cost */

	uint32_t counted; /* 1: its books were read, and the rest of this means something */
	int64_t off; /* 0: they balance; else how many claims too many it says it has passed */
	uint64_t from; /* number of the claim with which it began */
	uint64_t delivered;
	uint64_t held;
	uint64_t lost_behind; /* lost, by reason, as in weir_sub_stats */
	uint64_t lost_conflated;
	uint64_t lost_expired;
	uint64_t lost_gone;
	uint64_t aborted;       /* given back by the publisher */
	uint64_t standing;      /* number of the claim at which it stands, by walking */
	uint64_t waiting;       /* messages ahead of it, by walking */
	uint64_t waiting_bytes; /* their payload */
	uint64_t aborted_ahead; /* given back, and not come to */
	uint64_t gone_ahead; /* written over, and not come to: it will count them as lost */
	uint64_t segments;      /* ahead of the one in which it stands */
	uint64_t visible_first; /* claims of the stream that were visible before all this, */
	uint64_t visible_last;        /* and after it */
	char name[WEIR_NAME_MAX + 1]; /* of its node */
} weir_look_reader;

/* What a consumer of a loop is. */
enum weir_kind {
	WEIR_KIND_OTHER = 0,
	WEIR_KIND_SUBSCRIPTION, /* with a callback */
	WEIR_KIND_PULLED,       /* a subscription without one: it has no turns */
	WEIR_KIND_TIMER,
	WEIR_KIND_WATCH, /* of a descriptor */
	WEIR_KIND_TASK,
	WEIR_KIND_QUEUE, /* an end of a queue between threads */
	WEIR_KIND_EVENTS /* hands events to the program; the library's own */
};

/* One process's loop. */
typedef struct weir_look_loop {
	uint64_t node;
	uint32_t pid;
	uint32_t silent; /* 1: its process did not answer in time (stopped?) */
	uint32_t seen;   /* 1: its roster was read, and the rest means something */
	uint32_t debug; /* 1: its library was built for finding faults, not for speed */
	uint32_t active;    /* consumers that have something to do, */
	uint64_t consumers; /* of all that are shown, */
	uint64_t unseen;    /* and those that are not, for want of room */
	uint64_t round; /* polls: the weights of those that have something to do, as their
			   tiers leave them */
	uint64_t turns; /* the rest as in weir_loop_stats */
	uint64_t polls;
	uint64_t messages;
	uint64_t busy_ns;
	uint64_t idle_ns;
	uint64_t sleeps;
	uint64_t timers;
	uint64_t violations;
	char name[WEIR_NAME_MAX + 1]; /* of the node */
	uint64_t threshold_ns; /* that a poll may take before it counts against its consumer */
	uint64_t begun;  /* turns; more than have ended while the loop is in one */
	uint32_t thread; /* that has the loop, as the kernel numbers it */
} weir_look_loop;

/* One consumer on it. */
typedef struct weir_look_consumer {
	uint64_t node;
	uint32_t pid;
	uint32_t kind;         /* enum weir_kind */
	uint64_t number;       /* no other one of its loop has had it */
	uint64_t subscription; /* that it is, as in weir_look_reader, 0: none */
	uint32_t weight;
	uint32_t percent;  /* of its weight, that its tier leaves it */
	uint32_t tier;     /* 0 monitor to 3 isolate, */
	uint32_t active;   /* 1: it has something to do; 0: it is idle */
	uint64_t since_ns; /* and since when */
	uint64_t polls; /* the rest as in weir_consumer_stats, of one that always has something to
			   do as of its last 64th poll */
	uint64_t messages;
	uint64_t busy_ns;
	uint64_t violations;
	uint64_t yields;
	uint64_t promotions;
	uint64_t demotions;
	uint32_t measured; /* 1: its times are taken, see weir_measure */
	uint32_t place;    /* where on the roster it stands */
	uint32_t loop; /* that it is polled by: 0 the bus's own, 1 a further one, WEIR_LOOP_LANE
			  a lane */
	char name[WEIR_NAME_MAX + 1]; /* what it subscribes; "" for the others */
} weir_look_consumer;

/* How one came to another tier. */
typedef struct weir_look_change {
	uint64_t when_ns;
	uint64_t stayed_ns; /* at the tier that it left */
	uint32_t from;
	uint32_t to;
	char reason[16]; /* "overrun", "overdrawn", "stall", "lag", "age", "hard",
			    "overload", "operator", "lineage", "left"; "good": it
			    has behaved */
	char text[160];  /* for people: "monitor -> warn: a poll took 4 ms, ..." */
} weir_look_change;

/* Times of one thing, in nanoseconds; a quantile is at most 1/16 above the true one. */
typedef struct weir_look_times {
	uint64_t count;
	uint64_t p50_ns;
	uint64_t p99_ns;
	uint64_t p999_ns;
	uint64_t max_ns; /* exact */
} weir_look_times;

typedef struct weir_look_latencies {
	weir_look_times delivery; /* of a message, from its commit to the handler */
	weir_look_times wait;     /* of a consumer with something to do, for its poll */
	weir_look_times handler;  /* in one call */
} weir_look_latencies;

/*
 * Opens a look at the bus `name`; dir as in weir_bus_opts, NULL for the default.
 * On failure returns NULL and fills err (may be NULL): ENV_NOTFOUND where no such bus
 * exists, USAGE_NAME, ENV_*.
 */
weir_look *weir_look_open(const char *name, const char *dir, weir_error *err);
void weir_look_close(weir_look *look);

/*
 * Asks every process once who it is and what it has; waits at most timeout_ms for those
 * that are silent. Returns the number of processes, or < 0. The arrays below describe
 * that moment and stay valid until the next call.
 */
int weir_look_refresh(weir_look *look, int timeout_ms);
const weir_look_node *weir_look_nodes(const weir_look *look, size_t *count);
const weir_look_stream *weir_look_streams(const weir_look *look, size_t *count);
const weir_look_sub *weir_look_subs(const weir_look *look, size_t *count);

/*
 * Asks the publishers of all streams that match, as the last refresh found them, who reads
 * them, and counts the books of each. Waits at most timeout_ms for those that are silent.
 * Returns how many readers there are, or < 0 (USAGE_NAME, ENV_MEMORY). The array stays
 * valid until the next call.
 */
int weir_look_account(weir_look *look, const char *pattern, int timeout_ms);
const weir_look_reader *weir_look_readers(const weir_look *look, size_t *count);

#if WEIR_METRICS

/*
 * Reads who is on the loop of each process that the last refresh found, and how each of
 * them is doing, in memory that those processes show: none of them does anything for it but
 * hand out that memory, once. One that does not answer is seen all the same if it was looked
 * at before, or if the system lets this process look at it (/proc, the same user). Waits at
 * most timeout_ms for those that are silent. Returns how many consumers there are, or < 0
 * (ENV_MEMORY). The arrays stay valid until the next call.
 *
 * How far a subscription is behind, weir_look_account says.
 */
int weir_look_roster(weir_look *look, int timeout_ms);
const weir_look_loop *weir_look_loops(const weir_look *look, size_t *count);
const weir_look_consumer *weir_look_consumers(const weir_look *look, size_t *count);

/* The latest changes of its tier, of which four are kept, the last one first. Returns how
 * many there are and writes up to count of them; GONE_END if it has left its loop. */
int weir_look_changes(const weir_look *look, const weir_look_consumer *consumer,
	weir_look_change *changes, size_t count);

/* Its times so far. 0; AGAIN_EMPTY if they are not taken, GONE_END if it has left. */
int weir_look_latency(const weir_look *look, const weir_look_consumer *consumer,
	weir_look_latencies *latencies);

/* "subscription", "timer", ...; "?" for what this version does not know. */
const char *weir_look_kind_name(uint32_t kind);

/*
 * A look at the loop of one bus of this process, inproc: too. Only weir_look_roster and what
 * follows from it, and weir_look_nodes, say anything. On any thread; the bus is closed after
 * the look. On failure returns NULL and fills err (may be NULL): USAGE_INVAL, GONE_FORKED,
 * ENV_MEMORY.
 */
weir_look *weir_look_at(weir_bus *bus, weir_error *err);

#endif /* WEIR_METRICS */

/*
 * Follows every stream that matches the pattern from its newest message on (or from its
 * oldest live one), by copying. New streams are found by weir_look_refresh.
 */
int weir_look_follow(weir_look *look, const char *pattern, int from_oldest);

/*
 * Copies the next message of any followed stream into buf. Returns its length and fills
 * msg (data = buf, len = its whole length even where buf was too small: then DATA_TRUNC
 * and it is passed), -AGAIN_EMPTY when there is none now, -GONE_END once per ended
 * stream. Never waits, never rings, never writes.
 */
int weir_look_next(weir_look *look, void *buf, size_t size, weir_msg *msg);

/* The buses in a runtime directory, by name; returns how many there are and writes up to
 * count of them. */
int weir_look_buses(const char *dir, char (*names)[WEIR_NAME_MAX + 1], size_t count);

/*
 * What deaths left in the directory of a bus: sockets that nobody listens on. Returns how
 * many, and removes them if remove is 1. Never touches what lives.
 */
int weir_look_clean(const char *name, const char *dir, int remove, weir_error *err);

#ifdef __cplusplus
}
#endif
#endif
