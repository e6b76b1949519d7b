/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Queues between threads: weir_queue_*, weir_tx_*, weir_rx_* and weir_link_*.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/look.h>
#include <weir/loop.h>
#include <weir/queue.h>

#include "bus/error.h"
#include "bus/lines.h"
#include "protocols/hung.h"
#include "scheduler/queue.h"

enum { ENDS_DEFAULT = 8, BATCH_DEFAULT = 64 };

struct weir_queue {
	struct wr_handle handle;
	struct wr_queue *queue;
};

struct weir_tx {
	struct wr_handle handle; /* USAGE_STATE: it is a link's */
	struct wr_tx *tx;
	uint32_t item, bands;
};

struct weir_rx {
	struct wr_hung hung; /* of no bus, unless it is on a loop */
	struct wr_task task;
	struct wr_rx *rx;
	uint32_t batch;
	bool told;    /* its end was handed out */
	bool *closed; /* where its poll wants to know */
	weir_item_fn on_item;
	weir_item_end_fn on_end;
	void *ctx;
};

struct weir_link {
	struct wr_hung hung; /* of no bus, unless it is on a loop */
	struct wr_task task;
	struct weir_rx *from; /* NULL: it is over */
	struct weir_tx *to;
	uint32_t batch;
	int over; /* 0, or why */
};

/* ---- create --------------------------------------------------------------------------------- */

/* Items of each stream that fit into the window: the places are a power of two, of which a
 * growable stream needs as many again for the segments that it has begun at both ends. */
static uint64_t
capacity_within(const weir_queue_opts *opts)
{
	uint64_t streams = (opts->kind == WEIR_SUB ? opts->ends : 1) * opts->bands;
	uint64_t place =
		wr_fifo_stride(opts->item) + (opts->backend == WEIR_RING ? 8 : 0);
	uint64_t room = opts->window / streams / place, places = 1;

	while (places * 2 <= room && places < WEIR_QUEUE_CAPACITY_MAX)
		places *= 2;
	if (opts->backend == WEIR_GROWABLE)
		places /= 2;
	return room >= 2 ? places : 0;
}

static void
set_defaults(weir_queue_opts *opts)
{
	if (opts->bands == 0)
		opts->bands = 1;
	if (opts->ends == 0)
		opts->ends = ENDS_DEFAULT;
	if (opts->capacity == 0 && opts->window == 0)
		opts->capacity = WEIR_QUEUE_CAPACITY;
}

static int
check_shape(const weir_queue_opts *opts, struct weir_error *err)
{
	if (opts->kind > WEIR_PUB)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"kind %u is not a choice", opts->kind);
	if (opts->backend > WEIR_RING)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"backend %u is not a choice", opts->backend);
	if (opts->item == 0 || opts->item > WEIR_QUEUE_ITEM_MAX)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"items of %u bytes, which may have 1 to %d", opts->item,
			WEIR_QUEUE_ITEM_MAX);
	if (opts->bands > WEIR_QUEUE_BANDS)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0, "%u bands are above %d",
			opts->bands, WEIR_QUEUE_BANDS);
	if (opts->ends > WEIR_QUEUE_ENDS)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0, "%u ends are above %d",
			opts->ends, WEIR_QUEUE_ENDS);
	if (opts->capacity > WEIR_QUEUE_CAPACITY_MAX)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"a capacity of %llu is above %d",
			(unsigned long long)opts->capacity, WEIR_QUEUE_CAPACITY_MAX);
	return 0;
}

static int
create(struct weir_queue *queue, const weir_queue_opts *opts)
{
	struct weir_error *err = &queue->handle.err;
	weir_queue_opts is;
	int rc;

	if (!opts)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0, "no options are given");
	if (opts->size != sizeof(*opts))
		return wr_error_set(err, WEIR_E_USAGE_SIZE, 0,
			"weir_queue_opts of %zu bytes, this library knows %zu",
			opts->size, sizeof(*opts));
	is = *opts;
	set_defaults(&is);
	rc = check_shape(&is, err);
	if (rc < 0)
		return rc;
	if (is.capacity == 0)
		is.capacity = capacity_within(&is);
	if (is.capacity == 0)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"a window of %llu bytes holds no two items of each stream",
			(unsigned long long)is.window);
	queue->queue = wr_queue_make(&is);
	if (!queue->queue)
		return wr_error_set(err, WEIR_E_ENV_MEMORY, 0, "no memory for the items");
	return 0;
}

weir_queue *
weir_queue_create_(const weir_queue_opts *opts)
{
	static struct weir_queue none = {.handle = WR_HANDLE_NONE};
	struct weir_queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return &none;
	wr_handle_init(&queue->handle);
	if (create(queue, opts) < 0) {
		wr_error_where(&queue->handle.err, "weir_queue_create");
		(void)wr_handle_fail(&queue->handle);
	}
	return queue;
}

/* Why a handle may not be closed here: 0, or < 0. What has failed may be. */
static int
refuse_close(struct wr_handle *handle)
{
	return handle->owner == wr_self() ? 0 : wr_handle_refuse(handle);
}

int
weir_queue_close(weir_queue *queue)
{
	int rc;

	if (!queue || queue->handle.pid == 0)
		return 0;
	rc = refuse_close(&queue->handle);
	if (rc < 0)
		return rc;
	if (queue->queue)
		wr_queue_seal(queue->queue);
	free(queue);
	return 0;
}

const weir_error *
weir_queue_why(const weir_queue *queue)
{
	return &queue->handle.err;
}

/* For calls that any thread may make: 0, or < 0 with err filled. */
static int
enter_queue(const struct weir_queue *queue, struct weir_error *err)
{
	int code = !queue                       ? WEIR_E_USAGE_INVAL
		: queue->handle.pid == 0        ? WEIR_E_ENV_MEMORY
		: queue->handle.pid != getpid() ? WEIR_E_GONE_FORKED
						: queue->handle.code;

	if (code == 0)
		return 0;
	return wr_error_set(err, code, 0,
		queue ? "the queue cannot be used: %s" : "no queue is given",
		weir_err_text(code));
}

int
weir_queue_get_stats(weir_queue *queue, weir_queue_stats *stats)
{
	int rc = enter_queue(queue, NULL);

	if (rc < 0)
		return rc;
	if (!stats || stats->size != sizeof(*stats))
		return stats ? -WEIR_E_USAGE_SIZE : -WEIR_E_USAGE_INVAL;
	wr_queue_books(queue->queue, stats);
	return 0;
}

/* ---- a producer's end -------------------------------------------------------------------------- */

static int
no_place(struct weir_error *err, const struct wr_queue *q, const char *what)
{
	return wr_error_set(err, WEIR_E_AGAIN_QUOTA, 0,
		"there is no place for another %s: the queue has as many as it can, or has "
		"had its only one (kind %u)",
		what, q->is.kind);
}

weir_tx *
weir_queue_pub(weir_queue *queue)
{
	static struct weir_tx none = {.handle = WR_HANDLE_NONE};
	struct weir_tx *tx = calloc(1, sizeof(*tx));
	int rc;

	if (!tx)
		return &none;
	wr_handle_init(&tx->handle);
	rc = enter_queue(queue, &tx->handle.err);
	if (rc == 0) {
		tx->tx = wr_queue_pub(queue->queue);
		tx->item = queue->queue->is.item;
		tx->bands = queue->queue->is.bands;
		if (!tx->tx)
			rc = no_place(&tx->handle.err, queue->queue, "producer");
	}
	if (rc < 0) {
		wr_error_where(&tx->handle.err, "weir_queue_pub");
		(void)wr_handle_fail(&tx->handle);
	}
	return tx;
}

static inline int
enter_tx(struct weir_tx *tx)
{
	return tx ? wr_handle_enter(&tx->handle) : -WEIR_E_USAGE_INVAL;
}

int
weir_tx_claim(weir_tx *tx, uint32_t band, void **item)
{
	int rc = enter_tx(tx);

	if (rc < 0)
		return rc;
	if (!item || band == 0 || band > tx->bands)
		return -WEIR_E_USAGE_INVAL;
	if (tx->tx->open)
		return -WEIR_E_USAGE_STATE;
	return wr_tx_claim(tx->tx, band, item);
}

int
weir_tx_commit(weir_tx *tx)
{
	int rc = enter_tx(tx);

	if (rc < 0)
		return rc;
	if (!tx->tx->open)
		return -WEIR_E_USAGE_CLAIM;
	wr_tx_commit(tx->tx);
	return 0;
}

int
weir_tx_abort(weir_tx *tx)
{
	int rc = enter_tx(tx);

	if (rc < 0)
		return rc;
	if (!tx->tx->open)
		return -WEIR_E_USAGE_CLAIM;
	tx->tx->open = NULL;
	return 0;
}

int
weir_tx_put_band(weir_tx *tx, uint32_t band, const void *item)
{
	void *place;
	int rc;

	if (!item)
		return -WEIR_E_USAGE_INVAL;
	rc = weir_tx_claim(tx, band, &place);
	if (rc < 0)
		return rc;
	wr_queue_copy(place, item, tx->item);
	wr_tx_commit(tx->tx);
	return 0;
}

int
weir_tx_put(weir_tx *tx, const void *item)
{
	return weir_tx_put_band(tx, tx ? tx->bands : 1, item);
}

int
weir_tx_adopt(weir_tx *tx)
{
	if (!tx)
		return -WEIR_E_USAGE_INVAL;
	if (tx->handle.code == WEIR_E_USAGE_STATE)
		return -WEIR_E_USAGE_STATE;
	return wr_handle_adopt(&tx->handle);
}

static void
free_tx(struct weir_tx *tx)
{
	if (tx->tx)
		wr_tx_leave(tx->tx);
	free(tx);
}

int
weir_tx_close(weir_tx *tx)
{
	int rc;

	if (!tx || tx->handle.pid == 0)
		return 0;
	rc = refuse_close(&tx->handle);
	if (rc < 0)
		return rc;
	if (tx->handle.code == WEIR_E_USAGE_STATE)
		return -WEIR_E_USAGE_STATE;
	free_tx(tx);
	return 0;
}

const weir_error *
weir_tx_why(const weir_tx *tx)
{
	return &tx->handle.err;
}

int
weir_tx_get_stats(weir_tx *tx, weir_tx_stats *stats)
{
	int rc = enter_tx(tx);

	if (rc < 0)
		return rc;
	if (!stats || stats->size != sizeof(*stats))
		return stats ? -WEIR_E_USAGE_SIZE : -WEIR_E_USAGE_INVAL;
	wr_tx_books(tx->tx, stats);
	return 0;
}

/* ---- a consumer's end, on a loop ------------------------------------------------------------------ */

static struct weir_rx *
rx_of_task(struct wr_task *task)
{
	return (struct weir_rx *)(void *)((uint8_t *)task -
		offsetof(struct weir_rx, task));
}

/* Hands items on, a batch at most. Returns how many, and the end counts as one. */
static int
hand_on(struct weir_rx *rx, int *verdict, const bool *closed)
{
	const struct wr_budget *budget = &rx->hung.bus->reactor.allowance.budget;
	weir_item item;
	uint32_t done = 0;
	int rc = 0;

	while (done < rx->batch && *verdict == 0 && (rc = wr_rx_peek(rx->rx, &item)) > 0) {
		done++;
		*verdict = rx->on_item(rx->ctx, &item);
		if (*closed)
			return (int)done;
		wr_rx_next(rx->rx);
		if (wr_budget_is_over(budget, 0))
			break;
	}
	if (rc == -WEIR_E_GONE_END && !rx->told) {
		rx->told = true;
		done++;
		if (rx->on_end)
			*verdict = rx->on_end(rx->ctx);
	}
	return (int)done;
}

static int
rx_poll(struct wr_task *task, int *verdict)
{
	struct weir_rx *rx = rx_of_task(task);
	bool closed = false;
	int done;

	rx->closed = &closed;
	wr_end_unwant(&rx->rx->end);
	done = hand_on(rx, verdict, &closed);
	if (done == 0) {
		wr_end_want(&rx->rx->end);
		done = hand_on(rx, verdict, &closed);
	}
	if (!closed)
		rx->closed = NULL;
	return done;
}

static void
rx_signs(struct wr_task *task, struct wr_tier_signs *signs)
{
	signs->lag = wr_rx_lag(rx_of_task(task)->rx);
}

static void
rx_leave(struct wr_hung *hung)
{
	struct weir_rx *rx = (struct weir_rx *)hung;

	wr_end_retire(&rx->rx->end);
	wr_reactor_remove(&hung->bus->reactor, &rx->task);
	wr_rx_leave(rx->rx);
	if (rx->closed)
		*rx->closed = true;
}

static int
go_on_loop(struct weir_rx *rx, const weir_rx_opts *opts)
{
	struct wr_reactor *reactor = &opts->bus->reactor;
	int rc;

	rx->batch = opts->batch ? opts->batch : BATCH_DEFAULT;
	rx->on_item = opts->on_item;
	rx->on_end = opts->on_end;
	rx->ctx = opts->ctx;
	rx->task.poll = rx_poll;
	rx->task.kind = WEIR_KIND_QUEUE;
	rx->task.signs = rx_signs;
	rx->hung.leave = rx_leave;
	rc = wr_reactor_add(reactor, &rx->task, opts->weight, &rx->hung.handle.err);
	if (rc < 0)
		return rc;
	wr_end_enlist(&rx->rx->end, reactor, &rx->task);
	return 0;
}

/* ---- a consumer's end --------------------------------------------------------------------------------- */

static int
check_rx(const weir_rx_opts *opts, struct weir_error *err)
{
	if (!opts)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0, "no options are given");
	if (opts->size != sizeof(*opts))
		return wr_error_set(err, WEIR_E_USAGE_SIZE, 0,
			"weir_rx_opts of %zu bytes, this library knows %zu", opts->size,
			sizeof(*opts));
	if (!opts->bus != !opts->on_item)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			opts->bus ? "a bus is given, and no on_item"
				  : "on_item is given, and no bus");
	if (opts->weight > WEIR_WEIGHT_MAX)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0, "weight %u is above %d",
			opts->weight, WEIR_WEIGHT_MAX);
	return enter_queue(opts->queue, err);
}

static int
open_rx(struct weir_rx *rx, const weir_rx_opts *opts)
{
	int rc = check_rx(opts, &rx->hung.handle.err);

	if (rc < 0)
		return rc;
	rx->rx = wr_queue_sub(opts->queue->queue);
	if (!rx->rx)
		return no_place(&rx->hung.handle.err, opts->queue->queue, "consumer");
	return opts->bus ? go_on_loop(rx, opts) : 0;
}

weir_rx *
weir_queue_sub_(const weir_rx_opts *opts)
{
	static struct weir_rx none = {.hung.handle = WR_HANDLE_NONE};
	struct weir_rx *rx = wr_lines_alloc(sizeof(*rx));
	weir_bus *bus = opts && opts->size == sizeof(*opts) ? opts->bus : NULL;
	int rc = 0;

	if (!rx)
		return &none;
	if (bus)
		rc = wr_hung_enter(&rx->hung, bus, opts);
	else
		wr_handle_init(&rx->hung.handle);
	if (rc == 0)
		rc = open_rx(rx, opts);
	if (rc < 0)
		wr_bus_blame(bus, &rx->hung.handle, "weir_queue_sub", NULL);
	return rx;
}

/* For calls of the program that read: not where a loop does it. */
static inline int
enter_rx(struct weir_rx *rx)
{
	int rc = rx ? wr_handle_enter(&rx->hung.handle) : -WEIR_E_USAGE_INVAL;

	return rc == 0 && rx->hung.bus ? -WEIR_E_USAGE_STATE : rc;
}

int
weir_rx_peek(weir_rx *rx, weir_item *item)
{
	int rc = enter_rx(rx);

	if (rc < 0)
		return rc;
	return item ? wr_rx_peek(rx->rx, item) : -WEIR_E_USAGE_INVAL;
}

int
weir_rx_next(weir_rx *rx)
{
	int rc = enter_rx(rx);

	if (rc < 0)
		return rc;
	if (!rx->rx->at)
		return -WEIR_E_USAGE_STATE;
	wr_rx_next(rx->rx);
	return 0;
}

int
weir_rx_take(weir_rx *rx, void *buf, weir_item *item)
{
	weir_item here;
	int rc = enter_rx(rx);

	if (rc == 0)
		rc = buf ? wr_rx_peek(rx->rx, &here) : -WEIR_E_USAGE_INVAL;
	if (rc <= 0)
		return rc;
	wr_queue_copy(buf, here.data, rx->rx->end.queue->is.item);
	here.data = buf;
	if (item)
		*item = here;
	wr_rx_next(rx->rx);
	return 1;
}

int
weir_rx_adopt(weir_rx *rx)
{
	if (!rx)
		return -WEIR_E_USAGE_INVAL;
	if (rx->hung.bus || rx->hung.handle.code == WEIR_E_USAGE_STATE)
		return -WEIR_E_USAGE_STATE;
	return wr_handle_adopt(&rx->hung.handle);
}

static void
free_rx(struct weir_rx *rx)
{
	if (rx->rx)
		wr_rx_leave(rx->rx);
	free(rx);
}

int
weir_rx_close(weir_rx *rx)
{
	int rc;

	if (!rx || rx->hung.handle.pid == 0)
		return 0;
	rc = refuse_close(&rx->hung.handle);
	if (rc < 0)
		return rc;
	if (rx->hung.handle.code == WEIR_E_USAGE_STATE)
		return -WEIR_E_USAGE_STATE;
	if (rx->hung.bus)
		return wr_hung_close(&rx->hung);
	free_rx(rx);
	return 0;
}

const weir_error *
weir_rx_why(const weir_rx *rx)
{
	return &rx->hung.handle.err;
}

int
weir_rx_get_stats(weir_rx *rx, weir_rx_stats *stats)
{
	int rc = rx ? wr_handle_enter(&rx->hung.handle) : -WEIR_E_USAGE_INVAL;

	if (rc < 0)
		return rc;
	if (!stats || stats->size != sizeof(*stats))
		return stats ? -WEIR_E_USAGE_SIZE : -WEIR_E_USAGE_INVAL;
	wr_rx_books(rx->rx, stats);
	return 0;
}

/* ---- link ------------------------------------------------------------------------------------------------ */

/* Carries on: at most so many. Returns how many, < 0 when it is over. */
static int
carry(struct weir_link *link, uint32_t most)
{
	uint32_t done = 0;
	int rc = 0;

	while (done < most && (rc = wr_queue_carry(link->from->rx, link->to->tx)) > 0)
		done++;
	return done > 0 ? (int)done : rc;
}

/* Both ends go: so does the end of the one queue, or that nobody is behind the other, get to
 * the far side. */
static void
let_go(struct weir_link *link, int over)
{
	link->over = over;
	if (!link->from)
		return;
	wr_end_retire(&link->from->rx->end);
	wr_end_retire(&link->to->tx->end);
	free_rx(link->from);
	free_tx(link->to);
	link->from = NULL;
	link->to = NULL;
}

static bool
is_over(int rc)
{
	return rc == -WEIR_E_GONE_END || rc == -WEIR_E_GONE_CLOSED;
}

/* Without memory for a segment it is as if there were no room: again, when something moves. */
static int
link_poll(struct wr_task *task, int *verdict)
{
	struct weir_link *link = (struct weir_link *)(void *)((uint8_t *)task -
		offsetof(struct weir_link, task));
	int done;

	(void)verdict;
	if (!link->from)
		return 0;
	wr_end_unwant(&link->from->rx->end);
	wr_end_unwant(&link->to->tx->end);
	done = carry(link, link->batch);
	if (done == 0) {
		wr_end_want(&link->from->rx->end);
		wr_end_want(&link->to->tx->end);
		done = carry(link, link->batch);
	}
	if (is_over(done))
		let_go(link, done);
	return done > 0 ? done : 0;
}

static void
link_leave(struct wr_hung *hung)
{
	struct weir_link *link = (struct weir_link *)hung;

	let_go(link, -WEIR_E_GONE_CLOSED);
	wr_reactor_remove(&hung->bus->reactor, &link->task);
}

static int
check_ends(const weir_link_opts *opts, struct weir_error *err)
{
	struct weir_rx *rx = opts->from;
	struct weir_tx *tx = opts->to;
	int rc;

	if (!rx || !tx)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0, "no %s's end is given",
			rx ? "producer" : "consumer");
	rc = enter_rx(rx);
	if (rc == 0)
		rc = enter_tx(tx);
	if (rc < 0)
		return wr_error_set(err,
			rc == -WEIR_E_USAGE_THREAD ? WEIR_E_USAGE_THREAD
						   : WEIR_E_USAGE_INVAL,
			0, "an end cannot be linked: %s", weir_err_text(rc));
	if (tx->tx->open)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0, "a claim is open");
	if (rx->rx->end.queue == tx->tx->end.queue)
		return wr_error_set(
			err, WEIR_E_USAGE_INVAL, 0, "both ends are of one queue");
	if (rx->rx->end.queue->is.item != tx->item)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"items of %u bytes do not go into a queue of items of %u",
			rx->rx->end.queue->is.item, tx->item);
	return 0;
}

static int
check_link(const weir_link_opts *opts, struct weir_error *err)
{
	if (!opts)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0, "no options are given");
	if (opts->size != sizeof(*opts))
		return wr_error_set(err, WEIR_E_USAGE_SIZE, 0,
			"weir_link_opts of %zu bytes, this library knows %zu",
			opts->size, sizeof(*opts));
	if (opts->weight > WEIR_WEIGHT_MAX)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0, "weight %u is above %d",
			opts->weight, WEIR_WEIGHT_MAX);
	return check_ends(opts, err);
}

static int
open_link(struct weir_link *link, const weir_link_opts *opts)
{
	int rc = check_link(opts, &link->hung.handle.err);

	if (rc < 0)
		return rc;
	link->from = opts->from;
	link->to = opts->to;
	link->from->hung.handle.code = WEIR_E_USAGE_STATE;
	link->to->handle.code = WEIR_E_USAGE_STATE;
	link->batch = opts->batch ? opts->batch : BATCH_DEFAULT;
	link->task.poll = link_poll;
	link->task.kind = WEIR_KIND_QUEUE;
	link->hung.leave = link_leave;
	if (!opts->bus)
		return 0;
	rc = wr_reactor_add(
		&opts->bus->reactor, &link->task, opts->weight, &link->hung.handle.err);
	if (rc < 0)
		return rc;
	wr_end_enlist(&link->from->rx->end, &opts->bus->reactor, &link->task);
	wr_end_enlist(&link->to->tx->end, &opts->bus->reactor, &link->task);
	return 0;
}

weir_link *
weir_queue_link_(const weir_link_opts *opts)
{
	static struct weir_link none = {.hung.handle = WR_HANDLE_NONE};
	struct weir_link *link = wr_lines_alloc(sizeof(*link));
	weir_bus *bus = opts && opts->size == sizeof(*opts) ? opts->bus : NULL;
	int rc = 0;

	if (!link)
		return &none;
	if (bus)
		rc = wr_hung_enter(&link->hung, bus, opts);
	else
		wr_handle_init(&link->hung.handle);
	if (rc == 0)
		rc = open_link(link, opts);
	if (rc < 0)
		wr_bus_blame(bus, &link->hung.handle, "weir_queue_link", NULL);
	return link;
}

int
weir_link_poll(weir_link *link, uint32_t most)
{
	int rc = link ? wr_handle_enter(&link->hung.handle) : -WEIR_E_USAGE_INVAL;

	if (rc < 0)
		return rc;
	if (link->over < 0 || link->hung.bus)
		return link->over < 0 ? link->over : -WEIR_E_USAGE_STATE;
	rc = carry(link, most < INT32_MAX ? most : INT32_MAX);
	if (is_over(rc))
		let_go(link, rc);
	return rc;
}

int
weir_link_close(weir_link *link)
{
	int rc;

	if (!link || link->hung.handle.pid == 0)
		return 0;
	rc = refuse_close(&link->hung.handle);
	if (rc < 0)
		return rc;
	if (!link->hung.bus)
		let_go(link, -WEIR_E_GONE_CLOSED);
	return wr_hung_close(&link->hung);
}

const weir_error *
weir_link_why(const weir_link *link)
{
	return &link->hung.handle.err;
}
