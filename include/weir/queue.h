/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Queues between the threads of one process: items of one size, in order, without a lock.
 *
 *	weir_queue *queue = weir_queue_create(.kind = WEIR_LINK, .item = sizeof(int));
 *	weir_tx *tx = weir_queue_pub(queue);      (this thread puts)
 *	weir_rx *rx = weir_queue_sub(queue);      (and weir_rx_adopt in the one that takes)
 *
 * Four verbs. `create` makes a queue of a kind; `pub` gives a producer's end of it and
 * `sub` a consumer's; `link` joins a consumer's end of one to a producer's end of another,
 * so that items go on. Three kinds, by how many may be at each end:
 *
 *	WEIR_LINK   one producer, one consumer
 *	WEIR_SUB    many producers, one consumer, who takes from each in turn
 *	WEIR_PUB    one producer, many consumers, each of whom is given every item
 *
 * and what is many at both ends is a SUB that is linked to a PUB. Three back ends, by what
 * happens when a consumer does not keep up:
 *
 *	WEIR_BOUNDED    there is room for .capacity items; full, a put is refused
 *	WEIR_GROWABLE   the same, but memory comes as it is needed, and is used again
 *	WEIR_RING       the oldest is written over; who missed it is told exactly how much
 *
 * Order: what one producer puts into one band arrives in that order. Bands are there for
 * what is urgent: up to eight streams within a queue, 1 before 2 before 3.
 *
 * Books, of each consumer and each number counted on its own:
 * put = taken + waiting + lost.
 *
 * Threads: as everywhere, a handle is never NULL, carries its error, and belongs to the
 * thread that made it. An end moves to another thread by weir_tx_adopt or weir_rx_adopt
 * there, when the former owner has made its last call and has told so (by a join, or by
 * sending the handle through another queue). weir_queue_pub, weir_queue_sub and
 * weir_queue_get_stats may be called by any thread. A queue needs no bus and no loop: then
 * ends are polled explicitly. A consumer's end with .bus and .on_item is a consumer of that
 * bus's loop, like a timer or a descriptor (see <weir/loop.h>).
 *
 * Life: the memory goes with the last of the handles, of the queue and of its ends. Closing
 * the queue's own handle says that no further ends will be asked for. A consumer is told
 * the END when no producer's end is open and none can come: none can come to a LINK or PUB
 * that has had its producer, nor to any queue whose handle was closed. A producer is told
 * GONE_CLOSED in the same way.
 *
 * Data path: no system call but to wake a loop that sleeps, no lock, and no allocation but
 * a segment of a WEIR_GROWABLE. Between threads it is L. Lamport's queue (Proving the
 * correctness of multiprocess programs, 1977), in which each side keeps a copy of the
 * other's index and looks at the real one only when that is used up (J. Giacomoni and
 * others, FastForward, 2008; M. Torquati, Single-producer/single-consumer queues on shared
 * cache multi-core systems, 2010).
 */
#ifndef WEIR_QUEUE_H
#define WEIR_QUEUE_H

#include <weir/weir.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_queue weir_queue;
typedef struct weir_tx weir_tx;     /* a producer's end */
typedef struct weir_rx weir_rx;     /* a consumer's end */
typedef struct weir_link weir_link; /* what carries items from one queue to another */

enum weir_queue_kind { WEIR_LINK = 0, WEIR_SUB, WEIR_PUB };

enum weir_queue_backend { WEIR_BOUNDED = 0, WEIR_GROWABLE, WEIR_RING };

enum {
	WEIR_QUEUE_CAPACITY = 1024, /* items, unless .capacity or .window say */
	WEIR_QUEUE_CAPACITY_MAX = 1 << 24,
	WEIR_QUEUE_ITEM_MAX = 1 << 20, /* bytes */
	WEIR_QUEUE_BANDS = 8,          /* the most */
	WEIR_QUEUE_ENDS = 64, /* the most on the side of a queue that has many */
	WEIR_QUEUE_RUN = 16   /* items of one producer, before it is another's turn */
};

/* ---- create ------------------------------------------------------------------------------ */

typedef struct weir_queue_opts {
	size_t size;
	uint32_t kind;    /* enum weir_queue_kind */
	uint32_t backend; /* enum weir_queue_backend */
	uint32_t item;    /* bytes of each; 1 to WEIR_QUEUE_ITEM_MAX */
	uint32_t bands;   /* 0: 1 */
	uint32_t ends;    /* producers of a SUB, or consumers of a PUB, at once; 0: 8 */
	uint64_t capacity; /* items of each stream: of a SUB each producer, and in it each
			      band, has one; 0: as .window says, or WEIR_QUEUE_CAPACITY; of a
			      WEIR_RING the next power of two */
	uint64_t window; /* bytes that all items of the queue may take, so that they fit into
			    a cache; 0: no limit; used only where .capacity is 0 */
} weir_queue_opts;

/*
 * Makes a queue, with all the memory that it will need, unless it is WEIR_GROWABLE.
 * C: weir_queue_create(.kind = WEIR_SUB, .item = sizeof(struct job)).
 * Errors: USAGE_INVAL (an unknown kind or back end, a size out of its bounds, a window that
 * holds no two items of each stream), USAGE_SIZE, ENV_MEMORY.
 * Cost: streams * capacity * item bytes, where capacity is rounded up to a power of two and
 * item to 8 or 16 bytes; a WEIR_RING takes another 8 for each item.
 */
weir_queue *weir_queue_create_(const weir_queue_opts *opts);

/* No further ends. Frees the handle, and the queue with the last of its ends. NULL is
 * ignored. 0, USAGE_THREAD, GONE_FORKED. */
int weir_queue_close(weir_queue *queue);

const weir_error *weir_queue_why(const weir_queue *queue);

/* ---- pub: a producer's end ----------------------------------------------------------------- */

/*
 * A producer's end, of the calling thread. LINK and PUB have one in their life, a SUB as many
 * as .ends at once: the place of one that was closed is used again.
 * Any thread. Errors: USAGE_INVAL (no queue), AGAIN_QUOTA (no place), GONE_FORKED, ENV_MEMORY.
 * Cost: the handle; takes a lock of the queue, as all that opens and closes ends does.
 */
weir_tx *weir_queue_pub(weir_queue *queue);

/*
 * Puts a copy of the item, in the least urgent band, or in that one (1 is the most urgent).
 * 0; AGAIN_FULL: nothing has happened, but .refused counts it; GONE_CLOSED: no consumer is
 * there and none can come; USAGE_INVAL (no item, no such band); USAGE_STATE while a claim is
 * open; ENV_MEMORY (a WEIR_GROWABLE that cannot grow); USAGE_THREAD, GONE_FORKED.
 * Cost: a copy and a few nanoseconds; where somebody waits on a loop, a fence, and the wake.
 */
int weir_tx_put(weir_tx *tx, const void *item);
int weir_tx_put_band(weir_tx *tx, uint32_t band, const void *item);

/*
 * The same in place: *item is room for one, aligned to 8, or to 16 if it is 16 bytes or more;
 * commit puts it, abort gives it back. One claim is open at a time. (In a WEIR_RING, where a
 * reader may be overtaken at any moment, commit copies it to where it belongs.)
 * Errors: as weir_tx_put; of commit and abort: USAGE_CLAIM if there is no claim.
 */
int weir_tx_claim(weir_tx *tx, uint32_t band, void **item);
int weir_tx_commit(weir_tx *tx);
int weir_tx_abort(weir_tx *tx);

/* The calling thread owns the end from now on. 0, GONE_FORKED. */
int weir_tx_adopt(weir_tx *tx);

/* Ends it: what was put can still be taken; an open claim is aborted. Frees the handle. NULL
 * is ignored. 0, USAGE_THREAD, GONE_FORKED. */
int weir_tx_close(weir_tx *tx);

const weir_error *weir_tx_why(const weir_tx *tx);

typedef struct weir_tx_stats {
	size_t size;      /* set to sizeof before the call */
	uint64_t put;     /* items, by this end */
	uint64_t refused; /* AGAIN_FULL */
	uint64_t unheard; /* of those put, into a PUB that had no consumer */
} weir_tx_stats;
int weir_tx_get_stats(weir_tx *tx, weir_tx_stats *stats);

/* ---- sub: a consumer's end ------------------------------------------------------------------ */

/* An item at a consumer. */
typedef struct weir_item {
	const void *data;
	uint64_t lost; /* of a WEIR_RING: written over between the last item of the same
			  stream and this one */
	uint32_t band; /* 1 is the most urgent */
	uint32_t producer; /* which of a SUB, from 0; of an end that was closed the next one
			      has the number */
} weir_item;

/* An item; it is passed when this returns. 0 = go on; anything else ends weir_turn and
 * weir_run with that value. */
typedef int (*weir_item_fn)(void *ctx, const weir_item *item);
/* There will be none any more. Returns as weir_item_fn does. */
typedef int (*weir_item_end_fn)(void *ctx);

typedef struct weir_rx_opts {
	size_t size;
	weir_queue *queue;
	weir_bus *bus; /* on whose loop .on_item is called; NULL: it is polled explicitly */
	weir_item_fn on_item;
	weir_item_end_fn on_end; /* NULL: nobody wants to know */
	void *ctx;
	uint32_t weight; /* 0: 3, see <weir/loop.h> */
	uint32_t batch;  /* most items a poll; 0: 64 */
} weir_rx_opts;

/*
 * A consumer's end, of the calling thread. LINK and SUB have one in their life, a PUB as many
 * as .ends at once. That of a LINK or SUB finds all that was put before it came; of a PUB what
 * is put from now on. On a bus, which has to be the calling thread's, it moves with weir_adopt
 * of the bus, and is closed with it; items are not read by the program then (USAGE_STATE).
 * C: weir_queue_sub(queue), weir_queue_sub(queue, .bus = bus, .on_item = f).
 * Any thread. Errors: as weir_queue_pub, and USAGE_INVAL (.bus without .on_item or the other
 * way round, a weight above 64), USAGE_SIZE, USAGE_THREAD (the bus is another's).
 */
weir_rx *weir_queue_sub_(const weir_rx_opts *opts);

/*
 * The next item, in place, without passing it: twice in a row gives the same one. 1 = there is
 * one; 0 = none now; GONE_END = none now and never again; USAGE_INVAL (item is NULL);
 * USAGE_STATE (it is on a loop); USAGE_THREAD, GONE_FORKED. A few nanoseconds, no system call.
 */
int weir_rx_peek(weir_rx *rx, weir_item *item);

/* Passes the item that weir_rx_peek gave; the view ends. 0, or USAGE_STATE without one. */
int weir_rx_next(weir_rx *rx);

/* The copying form: the next item into buf, and about it into item, which may be NULL. 1, 0
 * or < 0 as weir_rx_peek. */
int weir_rx_take(weir_rx *rx, void *buf, weir_item *item);

/* The calling thread owns the end from now on: nothing is lost and nothing comes twice. 0,
 * GONE_FORKED, USAGE_STATE (it is on a loop: weir_adopt of the bus moves it). */
int weir_rx_adopt(weir_rx *rx);

/* Nobody waits for it any more; what it had not taken is lost. Frees the handle; also from
 * within its own .on_item, whose item ends with that. NULL is ignored. 0, USAGE_THREAD,
 * GONE_FORKED. */
int weir_rx_close(weir_rx *rx);

const weir_error *weir_rx_why(const weir_rx *rx);

typedef struct weir_rx_stats {
	size_t size;      /* set to sizeof before the call */
	uint64_t put;     /* that are this consumer's: since it came, or of all time */
	uint64_t taken;   /* passed */
	uint64_t waiting; /* there, and not passed */
	uint64_t lost;    /* written over before they were passed */
} weir_rx_stats;
int weir_rx_get_stats(weir_rx *rx, weir_rx_stats *stats);

/* ---- link: from queue to queue ----------------------------------------------------------------- */

typedef struct weir_link_opts {
	size_t size;
	weir_rx *from;   /* not on a loop */
	weir_tx *to;     /* of another queue, with items of the same size */
	weir_bus *bus;   /* on whose loop items are carried; NULL: by weir_link_poll */
	uint32_t weight; /* 0: 3, see <weir/loop.h> */
	uint32_t batch;  /* most items a poll; 0: 64 */
} weir_link_opts;

/*
 * From here on both ends are the link's: items go on, each once, in order and in the same band
 * (or the last there is). It takes no more than the second queue has room for, so a consumer
 * that is slow there holds up the first queue too. When the first ends so does the second.
 * Both ends have to be the calling thread's, and so has the bus, with which the link is closed.
 * C: weir_queue_link(rx, tx), weir_queue_link(rx, tx, .bus = bus).
 * Errors: USAGE_INVAL (an end is missing or has failed, or is on a loop or of a link, items of
 * different size, one queue at both ends), USAGE_SIZE, USAGE_THREAD, ENV_MEMORY. Then the ends
 * stay the caller's.
 * Cost: one copy an item.
 */
weir_link *weir_queue_link_(const weir_link_opts *opts);

/* Carries at most so many items. Returns how many, GONE_END when the first queue has ended and
 * everything has gone on, GONE_CLOSED when nobody is left behind the second; USAGE_STATE if a
 * bus does it; ENV_MEMORY, USAGE_THREAD, GONE_FORKED. */
int weir_link_poll(weir_link *link, uint32_t most);

/* Closes it with both of its ends. NULL is ignored. 0, USAGE_THREAD, GONE_FORKED. */
int weir_link_close(weir_link *link);

const weir_error *weir_link_why(const weir_link *link);

/* ---- what a queue has counted -------------------------------------------------------------------- */

typedef struct weir_queue_stats {
	size_t size;        /* set to sizeof before the call */
	uint64_t put;       /* by all producers */
	uint64_t refused;   /* AGAIN_FULL */
	uint64_t unheard;   /* put into a PUB that had no consumer */
	uint64_t taken;     /* by all consumers, of a PUB each item by each of them */
	uint64_t waiting;   /* of a PUB, for all its present consumers together */
	uint64_t lost;      /* written over, of a PUB by each consumer that missed it */
	uint64_t left;      /* never taken, since their consumer is gone */
	uint64_t capacity;  /* items of each stream */
	uint64_t bytes;     /* of memory that the items have now */
	uint32_t streams;   /* of items */
	uint32_t producers; /* ends that are open now */
	uint32_t consumers;
} weir_queue_stats;

/* Any thread. Exact when nobody puts or takes meanwhile:
 * LINK, SUB: put = taken + waiting + lost + left; PUB: for each consumer, see weir_rx_stats. */
int weir_queue_get_stats(weir_queue *queue, weir_queue_stats *stats);

/* ---- from C ------------------------------------------------------------------------------------- */

#ifdef __cplusplus
}

static inline weir_queue *
weir_queue_create(const weir_queue_opts &opts)
{
	weir_queue_opts sized = opts;
	sized.size = sizeof(sized);
	return weir_queue_create_(&sized);
}

static inline weir_rx *
weir_queue_sub(weir_queue *queue, const weir_rx_opts &opts = weir_rx_opts())
{
	weir_rx_opts sized = opts;
	sized.size = sizeof(sized);
	sized.queue = queue;
	return weir_queue_sub_(&sized);
}

static inline weir_link *
weir_queue_link(weir_rx *from, weir_tx *to, const weir_link_opts &opts = weir_link_opts())
{
	weir_link_opts sized = opts;
	sized.size = sizeof(sized);
	sized.from = from;
	sized.to = to;
	return weir_queue_link_(&sized);
}
#else
#define weir_queue_create(...) \
	weir_queue_create_( \
		&(weir_queue_opts){.size = sizeof(weir_queue_opts), __VA_ARGS__})
#define weir_queue_sub(...) \
	weir_queue_sub_( \
		&(weir_rx_opts){.size = sizeof(weir_rx_opts), .queue = __VA_ARGS__})
#define weir_queue_link(rx, ...) \
	weir_queue_link_(&(weir_link_opts){ \
		.size = sizeof(weir_link_opts), .from = (rx), .to = __VA_ARGS__})
#endif
#endif
