/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/queue.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(offsetof(struct wr_end, sending) % WR_APART == 0, "a line of its own");
_Static_assert(
	offsetof(struct wr_end, wanted) - offsetof(struct wr_end, sending) == WR_APART,
	"what others look at is not what it writes all the time");
_Static_assert(sizeof(struct wr_end) % WR_APART == 0, "and so it is between two ends");
_Static_assert(WEIR_QUEUE_ENDS == 64, "a bit of a word for each");

static struct wr_flow *
flow_of(const struct wr_queue *q, uint32_t producer, uint32_t band)
{
	return &q->flows[producer * q->is.bands + band];
}

static struct wr_cursor *
cursor_of(const struct wr_queue *q, uint32_t producer, uint32_t band, uint32_t consumer)
{
	return &q->cursors[(producer * q->is.bands + band) * q->consumers + consumer];
}

static struct wr_cursor *
cursor_in(const struct wr_queue *q, const struct wr_flow *flow, uint32_t consumer)
{
	return &q->cursors[(uint64_t)(flow - q->flows) * q->consumers + consumer];
}

/* ---- made and unmade ------------------------------------------------------------------------ */

static void *
lines(size_t count, size_t size)
{
	size_t bytes = (count * size + WR_APART - 1) / WR_APART * WR_APART;
	void *memory = aligned_alloc(WR_APART, bytes);

	if (memory)
		memset(memory, 0, bytes);
	return memory;
}

static int
make_flow(struct wr_queue *q, uint32_t i)
{
	struct wr_flow *flow = &q->flows[i];
	const struct wr_fifo_shape shape = {.item = q->is.item,
		.capacity = q->is.capacity,
		.growable = q->is.backend == WEIR_GROWABLE,
		.consumers = q->consumers,
		.members = q->is.kind == WEIR_PUB ? &q->readers : NULL,
		.fenced = q->fenced};

	flow->lossy = q->is.backend == WEIR_RING;
	if (flow->lossy)
		return wr_lossy_init(&flow->ring, q->is.item, q->is.capacity);
	return wr_fifo_init(&flow->fifo, &shape, &q->cursors[i * q->consumers]);
}

static bool
make_flows(struct wr_queue *q)
{
	uint32_t count = q->producers * q->is.bands;

	q->flows = lines(count, sizeof(*q->flows));
	q->cursors = lines((size_t)count * q->consumers, sizeof(*q->cursors));
	if (!q->flows || !q->cursors)
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (make_flow(q, i) < 0)
			return false;
	return true;
}

/* A lossy stream's items are copied in and out: each end has room for one. */
static bool
make_copies(struct wr_queue *q)
{
	size_t item = (wr_fifo_stride(q->is.item) + WR_APART - 1) / WR_APART * WR_APART;
	char *at = q->copies = lines(q->producers + q->consumers, item);

	for (uint32_t i = 0; at && i < q->producers; i++, at += item)
		q->txs[i].stage = at;
	for (uint32_t i = 0; at && i < q->consumers; i++, at += item)
		q->rxs[i].copy = at;
	return q->copies != NULL;
}

static bool
make_ends(struct wr_queue *q)
{
	q->txs = lines(q->producers, sizeof(*q->txs));
	q->rxs = lines(q->consumers, sizeof(*q->rxs));
	if (!q->txs || !q->rxs)
		return false;
	return q->is.backend != WEIR_RING || make_copies(q);
}

static void
unmake(struct wr_queue *q)
{
	for (uint32_t i = 0; q->flows && i < q->producers * q->is.bands; i++) {
		wr_fifo_fini(&q->flows[i].fifo);
		wr_lossy_fini(&q->flows[i].ring);
	}
	free(q->flows);
	free(q->cursors);
	free(q->txs);
	free(q->rxs);
	free(q->copies);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

static uint64_t
power_above(uint64_t n)
{
	uint64_t power = 1;

	while (power < n)
		power *= 2;
	return power;
}

struct wr_queue *
wr_queue_make(const struct weir_queue_opts *opts)
{
	struct wr_queue *q = lines(1, sizeof(*q));

	if (!q)
		return NULL;
	q->is = *opts;
	if (opts->backend == WEIR_RING)
		q->is.capacity = power_above(opts->capacity);
	q->producers = opts->kind == WEIR_SUB ? opts->ends : 1;
	q->consumers = opts->kind == WEIR_PUB ? opts->ends : 1;
	q->fenced = !wr_heavy_register();
	q->refs = 1;
	pthread_mutex_init(&q->lock, NULL);
	if (make_flows(q) && make_ends(q))
		return q;
	unmake(q);
	return NULL;
}

/* Gives a reference back, and the lock with it. */
static void
unlock_and_drop(struct wr_queue *q)
{
	bool last = --q->refs == 0;

	pthread_mutex_unlock(&q->lock);
	if (last)
		unmake(q);
}

/* ---- who is told ------------------------------------------------------------------------------- */

static void
send_to(wr_a64 *told, struct wr_end *self, char *ends, size_t size)
{
	uint64_t mask;

	wr_store_relaxed(queue_sending, &self->sending, 1);
	/* Dekker twice: with want_fence about what we have just done, with retire_fence about
	 * who may still be sent. */
	wr_fence_sc(send_to_fence);
	mask = wr_load_acquire(queue_told, told);
	for (; mask; mask &= mask - 1) {
		struct wr_end *end =
			(void *)(ends + (size_t)__builtin_ctzll(mask) * size);

		if (wr_load_acquire(queue_wanted, &end->wanted) != 0)
			wr_reactor_send(end->reactor, end->task);
	}
	wr_store_release(queue_sending, &self->sending, 0);
}

void
wr_queue_send_readers(struct wr_queue *q, struct wr_end *self)
{
	send_to(&q->told_readers, self, (char *)q->rxs, sizeof(*q->rxs));
}

void
wr_queue_send_writers(struct wr_queue *q, struct wr_end *self)
{
	send_to(&q->told_writers, self, (char *)q->txs, sizeof(*q->txs));
}

static bool
is_writer(const struct wr_end *end)
{
	const struct wr_queue *q = end->queue;

	return end == &q->txs[end->index < q->producers ? end->index : 0].end;
}

void
wr_end_enlist(struct wr_end *end, struct wr_reactor *reactor, struct wr_task *task)
{
	struct wr_queue *q = end->queue;
	wr_a64 *told = is_writer(end) ? &q->told_writers : &q->told_readers;

	end->reactor = reactor;
	end->task = task;
	wr_store_relaxed(queue_wanted, &end->wanted, 0);
	pthread_mutex_lock(&q->lock);
	wr_store_release(queue_told, told, wr_stat_get(told) | 1ull << end->index);
	pthread_mutex_unlock(&q->lock);
	wr_fence_heavy(enlist_heavy);
	wr_reactor_tell(reactor, task);
}

/* Called with the lock: of the other side, who may be about to send. */
static void
wait_for_senders(struct wr_queue *q, bool writers)
{
	uint32_t count = writers ? q->consumers : q->producers;

	for (uint32_t i = 0; i < count; i++) {
		const struct wr_end *end = writers ? &q->rxs[i].end : &q->txs[i].end;

		while (wr_load_acquire(queue_sending, &end->sending) != 0)
			sched_yield();
	}
}

void
wr_end_retire(struct wr_end *end)
{
	struct wr_queue *q = end->queue;
	bool writer = is_writer(end);
	wr_a64 *told = writer ? &q->told_writers : &q->told_readers;

	if (!end->task)
		return;
	pthread_mutex_lock(&q->lock);
	wr_store_relaxed(queue_told, told, wr_stat_get(told) & ~(1ull << end->index));
	wr_fence_sc(retire_fence);
	wait_for_senders(q, writer);
	pthread_mutex_unlock(&q->lock);
	end->task = NULL;
	end->reactor = NULL;
}

void
wr_end_want(struct wr_end *end)
{
	wr_store_release(queue_wanted, &end->wanted, 1);
	wr_fence_sc(want_fence);
}

void
wr_end_unwant(struct wr_end *end)
{
	if (wr_stat_get(&end->wanted) != 0)
		wr_store_relaxed(queue_wanted, &end->wanted, 0);
}

/* ---- ends come and go ----------------------------------------------------------------------------- */

/* Called with the lock, when something about it has changed. */
static void
set_over(struct wr_queue *q)
{
	bool one_writer = q->is.kind != WEIR_SUB && q->had_writer;
	bool one_reader = q->is.kind != WEIR_PUB && q->had_reader;

	if (wr_stat_get(&q->writers) == 0 && (q->sealed || one_writer))
		wr_store_release(queue_ended, &q->ended, 1);
	if (wr_stat_get(&q->readers) == 0 && (q->sealed || one_reader))
		wr_store_release(queue_gone, &q->gone, 1);
}

/* Called with the lock. What it has changed may be what all wait for. */
static void
tell_all(struct wr_queue *q)
{
	struct wr_end nobody = {.queue = q};

	wr_fence_sc(all_fence);
	if (wr_stat_get(&q->told_readers) != 0)
		wr_queue_send_readers(q, &nobody);
	if (wr_stat_get(&q->told_writers) != 0)
		wr_queue_send_writers(q, &nobody);
}

void
wr_queue_seal(struct wr_queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->sealed = true;
	set_over(q);
	tell_all(q);
	unlock_and_drop(q);
}

/* The first place that nobody has, or count. */
static uint32_t
free_place(uint64_t taken, uint32_t count)
{
	uint64_t left = ~taken;
	uint32_t place = left ? (uint32_t)__builtin_ctzll(left) : WEIR_QUEUE_ENDS;

	return place < count ? place : count;
}

struct wr_tx *
wr_queue_pub(struct wr_queue *q)
{
	struct wr_tx *tx = NULL;
	uint64_t writers;
	uint32_t place;

	pthread_mutex_lock(&q->lock);
	writers = wr_stat_get(&q->writers);
	place = free_place(writers, q->producers);
	if (!q->sealed && place < q->producers &&
		!(q->had_writer && q->is.kind != WEIR_SUB)) {
		tx = &q->txs[place];
		tx->end.queue = q;
		tx->end.index = place;
		tx->flows = flow_of(q, place, 0);
		tx->put_before = wr_stat_get(&tx->put);
		tx->refused_before = wr_stat_get(&tx->refused);
		tx->unheard_before = wr_stat_get(&tx->unheard);
		q->had_writer = true;
		q->refs++;
		wr_store_release(queue_writers, &q->writers, writers | 1ull << place);
		if (place >= wr_stat_get(&q->places))
			wr_store_release(queue_places, &q->places, place + 1);
	}
	pthread_mutex_unlock(&q->lock);
	return tx;
}

static uint64_t
put_by_all(const struct wr_queue *q)
{
	uint64_t put = 0;

	for (uint32_t i = 0; i < q->producers; i++)
		put += wr_stat_get(&q->txs[i].put);
	return put;
}

static uint64_t
waiting_in(const struct wr_flow *flow, const struct wr_cursor *c, uint64_t *lost)
{
	*lost = 0;
	return flow->lossy ? wr_lossy_waiting(&flow->ring, c, lost)
			   : wr_fifo_waiting(&flow->fifo, c);
}

static uint64_t
waiting_for(const struct wr_queue *q, uint32_t consumer, uint64_t *lost)
{
	uint64_t waiting = 0;

	*lost = 0;
	for (uint32_t i = 0; i < q->producers * q->is.bands; i++) {
		const struct wr_flow *flow = &q->flows[i];
		uint64_t missed;

		waiting += waiting_in(flow, cursor_in(q, flow, consumer), &missed);
		*lost += missed;
	}
	return waiting;
}

/*
 * A consumer of a PUB joins: its cursors say where it may be, then its bit makes them count,
 * then they say where it is. In between the producer may have gone on without it; that is
 * what the second look at the head is for.
 */
static void
join(struct wr_queue *q, struct wr_rx *rx)
{
	for (uint32_t band = 0; band < q->is.bands; band++) {
		struct wr_flow *flow = flow_of(q, 0, band);
		struct wr_cursor *c = cursor_of(q, 0, band, rx->end.index);

		if (flow->lossy)
			wr_lossy_join(&flow->ring, c);
		else
			wr_fifo_join_at(&flow->fifo, c);
	}
	wr_store_release(fifo_members, &q->readers,
		wr_stat_get(&q->readers) | 1ull << rx->end.index);
	wr_fence_heavy(join_fence);
	for (uint32_t band = 0; band < q->is.bands; band++) {
		struct wr_flow *flow = flow_of(q, 0, band);
		struct wr_cursor *c = cursor_of(q, 0, band, rx->end.index);

		if (!flow->lossy)
			wr_fifo_join_from(&flow->fifo, c);
		rx->since += wr_stat_get(&c->pos);
	}
}

struct wr_rx *
wr_queue_sub(struct wr_queue *q)
{
	struct wr_rx *rx = NULL;
	uint32_t place;

	pthread_mutex_lock(&q->lock);
	place = free_place(wr_stat_get(&q->readers), q->consumers);
	if (!q->sealed && place < q->consumers &&
		!(q->had_reader && q->is.kind != WEIR_PUB)) {
		rx = &q->rxs[place];
		rx->end.queue = q;
		rx->end.index = place;
		rx->at = NULL;
		rx->since = 0;
		for (uint32_t band = 0; band < q->is.bands; band++)
			rx->folds[band] = (struct wr_fold){.flow = flow_of(q, 0, band),
				.cursor = cursor_of(q, 0, band, place)};
		wr_stat_set(&rx->taken, 0);
		wr_stat_set(&rx->lost, 0);
		q->had_reader = true;
		q->refs++;
		if (q->is.kind == WEIR_PUB)
			join(q, rx);
		else
			wr_store_release(fifo_members, &q->readers, 1);
	}
	pthread_mutex_unlock(&q->lock);
	return rx;
}

void
wr_tx_leave(struct wr_tx *tx)
{
	struct wr_queue *q = tx->end.queue;

	tx->open = NULL;
	pthread_mutex_lock(&q->lock);
	wr_store_release(queue_writers, &q->writers,
		wr_stat_get(&q->writers) & ~(1ull << tx->end.index));
	set_over(q);
	tell_all(q);
	unlock_and_drop(q);
}

void
wr_rx_leave(struct wr_rx *rx)
{
	struct wr_queue *q = rx->end.queue;
	uint64_t missed;

	pthread_mutex_lock(&q->lock);
	(void)waiting_for(q, rx->end.index, &missed);
	wr_store_release(fifo_members, &q->readers,
		wr_stat_get(&q->readers) & ~(1ull << rx->end.index));
	q->taken += wr_stat_get(&rx->taken);
	q->lost += wr_stat_get(&rx->lost);
	if (q->is.kind == WEIR_PUB)
		q->lost += missed;
	set_over(q);
	tell_all(q);
	unlock_and_drop(q);
}

/* ---- a consumer ----------------------------------------------------------------------------------- */

const void *
wr_rx_read_lossy(struct wr_rx *rx, struct wr_fold *fold)
{
	struct wr_cursor *c = fold->cursor;
	uint64_t lost = 0;
	bool found = wr_lossy_read(&fold->flow->ring, c, rx->copy, &lost);

	c->head += lost; /* that no item has told of yet */
	if (lost > 0)
		wr_stat_add(&rx->lost, lost);
	return found ? rx->copy : NULL;
}

void
wr_rx_turn(struct wr_rx *rx, struct wr_fold *fold)
{
	struct wr_queue *q = rx->end.queue;
	uint32_t band = (uint32_t)(fold - rx->folds);

	fold->run = 0;
	fold->producer++;
	if (fold->producer >= wr_load_acquire(queue_places, &q->places))
		fold->producer = 0;
	fold->flow = flow_of(q, fold->producer, band);
	fold->cursor = cursor_of(q, fold->producer, band, rx->end.index);
}

/* The most urgent band that has something, and in it who is next in turn. */
static const void *
read_any(struct wr_rx *rx)
{
	struct wr_queue *q = rx->end.queue;
	uint64_t places = wr_load_acquire(queue_places, &q->places);

	for (uint32_t band = 0; band < q->is.bands; band++) {
		struct wr_fold *fold = &rx->folds[band];

		for (uint64_t i = 0; i < places; i++) {
			const void *data = wr_rx_read(rx, fold);

			if (data) {
				rx->at = fold;
				return data;
			}
			wr_rx_turn(rx, fold);
		}
	}
	return NULL;
}

int
wr_rx_search(struct wr_rx *rx, struct weir_item *item)
{
	struct wr_queue *q = rx->end.queue;
	const void *data = read_any(rx);

	if (!data) {
		if (wr_load_acquire(queue_ended, &q->ended) == 0)
			return 0;
		/* What was put before the last producer left is seen from here on. */
		data = read_any(rx);
		if (!data)
			return -WEIR_E_GONE_END;
	}
	wr_rx_show(rx, data, item);
	return 1;
}

int
wr_queue_carry(struct wr_rx *rx, struct wr_tx *tx)
{
	uint32_t bands = tx->end.queue->is.bands;
	struct weir_item item;
	void *place;
	int rc = wr_rx_peek(rx, &item);

	if (rc <= 0)
		return rc;
	rc = wr_tx_claim(tx, item.band < bands ? item.band : bands, &place);
	if (rc < 0)
		return rc == -WEIR_E_AGAIN_FULL ? 0 : rc;
	wr_queue_copy(place, item.data, tx->end.queue->is.item);
	wr_tx_commit(tx);
	wr_rx_next(rx);
	return 1;
}

uint32_t
wr_rx_lag(const struct wr_rx *rx)
{
	const struct wr_queue *q = rx->end.queue;
	uint64_t most = 0;

	for (uint32_t i = 0; i < q->producers * q->is.bands; i++) {
		const struct wr_flow *flow = &q->flows[i];
		uint64_t waiting, lost;

		waiting = waiting_in(flow, cursor_in(q, flow, rx->end.index), &lost);
		most = waiting > most ? waiting : most;
	}
	return (uint32_t)(most * 1000 / q->is.capacity);
}

/* ---- books ---------------------------------------------------------------------------------------- */

void
wr_tx_books(const struct wr_tx *tx, struct weir_tx_stats *stats)
{
	stats->put = wr_stat_get(&tx->put) - tx->put_before;
	stats->refused = wr_stat_get(&tx->refused) - tx->refused_before;
	stats->unheard = wr_stat_get(&tx->unheard) - tx->unheard_before;
}

void
wr_rx_books(struct wr_rx *rx, struct weir_rx_stats *stats)
{
	struct wr_queue *q = rx->end.queue;
	uint64_t missed;

	stats->waiting = waiting_for(q, rx->end.index, &missed);
	stats->put = put_by_all(q) - rx->since;
	stats->taken = wr_stat_get(&rx->taken);
	stats->lost = wr_stat_get(&rx->lost) + missed;
}

static uint64_t
bytes_of(const struct wr_queue *q)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < q->producers * q->is.bands; i++)
		bytes += q->flows[i].lossy ? wr_lossy_bytes(&q->flows[i].ring)
					   : wr_fifo_bytes(&q->flows[i].fifo);
	return bytes;
}

void
wr_queue_books(struct wr_queue *q, struct weir_queue_stats *stats)
{
	uint64_t readers, waiting, missed;

	pthread_mutex_lock(&q->lock);
	*stats = (struct weir_queue_stats){.size = sizeof(*stats),
		.put = put_by_all(q),
		.taken = q->taken,
		.lost = q->lost,
		.capacity = q->is.capacity,
		.bytes = bytes_of(q),
		.streams = q->producers * q->is.bands};
	for (uint32_t i = 0; i < q->producers; i++) {
		stats->refused += wr_stat_get(&q->txs[i].refused);
		stats->unheard += wr_stat_get(&q->txs[i].unheard);
	}
	readers = wr_stat_get(&q->readers);
	for (uint32_t i = 0; i < q->consumers; i++) {
		bool here = (readers >> i & 1) != 0;

		if (!here && q->is.kind == WEIR_PUB)
			continue;
		waiting = waiting_for(q, i, &missed);
		stats->lost += missed;
		if (here || !q->had_reader)
			stats->waiting += waiting;
		else
			stats->left += waiting;
		if (here) {
			stats->taken += wr_stat_get(&q->rxs[i].taken);
			stats->lost += wr_stat_get(&q->rxs[i].lost);
		}
	}
	stats->producers = (uint32_t)__builtin_popcountll(wr_stat_get(&q->writers));
	stats->consumers = (uint32_t)__builtin_popcountll(readers);
	pthread_mutex_unlock(&q->lock);
}
