/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A queue within one process: the kinds and back ends of <weir/queue.h>, without handles.
 *
 * It is made of streams, one for each producer and each of its bands, and of a cursor for each
 * consumer in each stream. So there is never more than one producer in a stream: many of them
 * need no read-modify-write to keep out of each other's way, and what a producer's death or
 * delay holds up is its own. Whoever consumes merges: the most urgent band that has something,
 * and in it each producer in turn, for at most WEIR_QUEUE_RUN items.
 *
 * Who waits. An end may be a task of a reactor. Before it goes idle it says that it wants to be
 * sent, fences and looks once more; who has put or passed something fences and looks who wants
 * to be sent (Dekker). The fence is there only while some end on the other side has a task.
 * An end that takes its task away waits until nobody is about to send it: who sends says so
 * before it looks.
 *
 * Ends come and go under the lock of the queue; nothing that moves an item takes it.
 */
#ifndef WR_SCHEDULER_QUEUE_H
#define WR_SCHEDULER_QUEUE_H

#include <pthread.h>
#include <string.h>
#include <weir/queue.h>

#include "scheduler/lossy.h"
#include "scheduler/reactor.h"

struct wr_queue;

struct wr_flow {
	bool lossy;
	struct wr_fifo fifo;
	struct wr_lossy ring;
};

/* What both sides' ends have. */
struct wr_end {
	struct wr_queue *queue; /* NULL: nobody's */
	struct wr_reactor *reactor;
	struct wr_task *task; /* NULL: nobody is sent */
	uint32_t index;
	_Alignas(WR_APART) wr_a64 sending; /* writer: this end's thread */
	_Alignas(WR_APART) wr_a64 wanted; /* writer: this end's thread, read by the others */
};

struct wr_tx {
	struct wr_end end;
	struct wr_flow *flows;        /* [band], its own */
	struct wr_flow *open;         /* what is claimed in, or NULL */
	void *stage;                  /* of a lossy stream: the item, until it is put */
	wr_a64 put, refused, unheard; /* of all who have had this place */
	uint64_t put_before, refused_before, unheard_before; /* by the former ones */
};

struct wr_rx {
	struct wr_end end;
	struct wr_fold *at; /* whose item was peeked, or NULL */
	void *copy;         /* of a lossy stream: the item that was peeked */
	uint64_t since;     /* items of a PUB that were put before it came */
	wr_a64 taken, lost; /* by this one */
	struct wr_fold {
		struct wr_flow *flow; /* of the producer whose turn it is */
		struct wr_cursor *cursor;
		uint32_t producer;
		uint32_t run; /* items of it, so far */
	} folds[WEIR_QUEUE_BANDS];
};

struct wr_queue {
	/* Fixed once it is made. */
	struct weir_queue_opts is;
	uint32_t producers, consumers; /* at most, at once */
	bool fenced;                   /* nobody runs a heavy fence for us */
	struct wr_flow *flows;         /* [producer][band] */
	struct wr_cursor *cursors;     /* [producer][band][consumer] */
	struct wr_tx *txs;
	struct wr_rx *rxs;
	char *copies; /* memory of stages and copies */

	/* Written when an end comes or goes, a bit for each. */
	_Alignas(WR_APART) wr_a64 writers;
	wr_a64 readers;
	wr_a64 told_writers; /* that have a task */
	wr_a64 told_readers;
	wr_a64 places; /* producers that there have been at once */
	wr_a64 ended;  /* 1: no producer is there, and none can come */
	wr_a64 gone;   /* 1: the same of consumers */

	_Alignas(WR_APART) pthread_mutex_t lock;
	uint32_t refs;
	bool sealed; /* no further ends */
	bool had_writer, had_reader;
	uint64_t taken, lost; /* by those who have left */
};

/* NULL if there is no memory. One reference is the caller's. The capacity of a WEIR_RING is
 * rounded up to a power of two. */
struct wr_queue *wr_queue_make(const struct weir_queue_opts *opts);

/* No further ends, and the caller's reference is given back. */
void wr_queue_seal(struct wr_queue *q);

/* An end, NULL if there is no place. Each has a reference. Any thread. */
struct wr_tx *wr_queue_pub(struct wr_queue *q);
struct wr_rx *wr_queue_sub(struct wr_queue *q);
void wr_tx_leave(struct wr_tx *tx);
void wr_rx_leave(struct wr_rx *rx);

/* Copies one item from one queue to another: 1 = done, 0 = none is there or there is no room;
 * < 0 as wr_rx_peek and wr_tx_claim. */
int wr_queue_carry(struct wr_rx *rx, struct wr_tx *tx);

/* From here on, while it wants to be sent, the task is sent when there is something for that
 * end: items, or room. The reactor's thread; the task has been added. */
void wr_end_enlist(struct wr_end *end, struct wr_reactor *reactor, struct wr_task *task);
/* Nobody will send it. The reactor's thread. Waits for who is about to. */
void wr_end_retire(struct wr_end *end);

/* It is going idle: who says so looks once more. */
void wr_end_want(struct wr_end *end);
/* It was polled. */
void wr_end_unwant(struct wr_end *end);

/* How far it is behind, in thousandths of what the fullest of its streams can hold. */
uint32_t wr_rx_lag(const struct wr_rx *rx);

void wr_tx_books(const struct wr_tx *tx, struct weir_tx_stats *stats);
void wr_rx_books(struct wr_rx *rx, struct weir_rx_stats *stats);
void wr_queue_books(struct wr_queue *q, struct weir_queue_stats *stats);

/* ---- the data path ------------------------------------------------------------------------------- */

/* Sends the tasks of those who are told and want it. self is who has done something. */
void wr_queue_send_readers(struct wr_queue *q, struct wr_end *self);
void wr_queue_send_writers(struct wr_queue *q, struct wr_end *self);

/* The item of another producer, or of a less urgent band: as wr_rx_peek. */
int wr_rx_search(struct wr_rx *rx, struct weir_item *item);
/* The item of a lossy stream, in rx->copy. */
const void *wr_rx_read_lossy(struct wr_rx *rx, struct wr_fold *fold);
/* It is the next producer's turn. */
void wr_rx_turn(struct wr_rx *rx, struct wr_fold *fold);

/*
 * Orders a step that others wait for before the look at who they are. An end that enlists, or
 * a consumer that joins, runs the heavy side.
 */
static inline void
wr_queue_order(const struct wr_queue *q)
{
	if (__builtin_expect(q->fenced, 0))
		wr_fence_sc(queue_fence);
	else
		wr_fence_light(queue_light);
}

/* As <weir/queue.h> says, which goes for the next three too. band is 1 to bands. */
static inline int
wr_tx_claim(struct wr_tx *tx, uint32_t band, void **item)
{
	struct wr_flow *flow = &tx->flows[band - 1];
	int rc = 0;

	if (__builtin_expect(wr_load_relaxed(queue_gone, &tx->end.queue->gone) != 0, 0))
		return -WEIR_E_GONE_CLOSED;
	if (flow->lossy)
		*item = tx->stage;
	else
		rc = wr_fifo_claim(&flow->fifo, item);
	if (__builtin_expect(rc == 0, 1))
		tx->open = flow;
	else if (rc == -WEIR_E_AGAIN_FULL)
		wr_stat_add(&tx->refused, 1);
	return rc;
}

static inline void
wr_tx_commit(struct wr_tx *tx)
{
	struct wr_queue *q = tx->end.queue;
	struct wr_flow *flow = tx->open;

	if (flow->lossy)
		wr_lossy_put(&flow->ring, tx->stage);
	else
		wr_fifo_put(&flow->fifo);
	tx->open = NULL;
	wr_stat_add(&tx->put, 1);
	if (q->is.kind == WEIR_PUB && wr_load_relaxed(fifo_members, &q->readers) == 0)
		wr_stat_add(&tx->unheard, 1);
	wr_queue_order(q);
	if (__builtin_expect(wr_load_relaxed(queue_told, &q->told_readers) != 0, 0))
		wr_queue_send_readers(q, &tx->end);
}

/* The next item of the producer whose turn it is; NULL if there is none. */
static inline const void *
wr_rx_read(struct wr_rx *rx, struct wr_fold *fold)
{
	if (fold->flow->lossy)
		return wr_rx_read_lossy(rx, fold);
	return wr_fifo_peek(&fold->flow->fifo, fold->cursor);
}

/* About the item that was peeked. */
static inline void
wr_rx_show(const struct wr_rx *rx, const void *data, struct weir_item *item)
{
	const struct wr_fold *fold = rx->at;

	item->data = data;
	item->lost = fold->flow->lossy ? fold->cursor->head : 0;
	item->band = (uint32_t)(fold - rx->folds) + 1;
	item->producer = fold->producer;
}

static inline int
wr_rx_peek(struct wr_rx *rx, struct weir_item *item)
{
	const void *data;

	if (__builtin_expect(rx->at != NULL, 0)) {
		data = rx->at->flow->lossy ? rx->copy : wr_rx_read(rx, rx->at);
	} else {
		data = wr_rx_read(rx, &rx->folds[0]);
		if (__builtin_expect(!data, 0))
			return wr_rx_search(rx, item);
		rx->at = &rx->folds[0];
	}
	wr_rx_show(rx, data, item);
	return 1;
}

static inline void
wr_rx_next(struct wr_rx *rx)
{
	struct wr_queue *q = rx->end.queue;
	struct wr_fold *fold = rx->at;

	if (fold->flow->lossy)
		fold->cursor->head = 0;
	wr_fifo_pass(fold->cursor);
	rx->at = NULL;
	wr_stat_add(&rx->taken, 1);
	if (++fold->run >= WEIR_QUEUE_RUN)
		wr_rx_turn(rx, fold);
	wr_queue_order(q);
	if (__builtin_expect(wr_load_relaxed(queue_told, &q->told_writers) != 0, 0))
		wr_queue_send_writers(q, &rx->end);
}

/* An item is copied, of whatever size; what is a word is so often that it is not called for. */
static inline void
wr_queue_copy(void *to, const void *from, uint32_t bytes)
{
	if (bytes == sizeof(uint64_t))
		memcpy(to, from, sizeof(uint64_t));
	else
		memcpy(to, from, bytes);
}

#endif
