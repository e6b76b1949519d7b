/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* K32: what holds for every kind of queue on every back end. */
#include "tests/conform/queues.h"

#include "tests/lib/payload.h"

#include <malloc.h>

enum { SMALL = 8, MANY = 10000 };

/* ---- a queue is a stream: peek is its head, next its tail ------------------------------------ */

static void
K18_peek_twice_is_the_same(uint32_t kind, uint32_t backend)
{
	struct queue_rig rig = queue_open(kind, backend, 1, .capacity = SMALL);
	weir_item a, b;

	CHECK_EQ(weir_rx_peek(rig.rx[0], &a), 0);
	for (uint64_t n = 0; n < 3; n++)
		queue_put(rig.tx[0], n);
	for (int i = 0; i < 3; i++) {
		REQUIRE_EQ(weir_rx_peek(rig.rx[0], &a), 1);
		REQUIRE_EQ(weir_rx_peek(rig.rx[0], &b), 1);
		CHECK(a.data == b.data);
		CHECK_EQ(*(const uint64_t *)a.data, 0);
		CHECK_EQ(*(const uint64_t *)b.data, 0);
	}
	queue_close(&rig);
}

/* Whatever comes meanwhile: something more urgent, or so much that it is written over. */
static void
K18_peek_is_the_same_whatever_comes(uint32_t kind, uint32_t backend)
{
	struct queue_rig rig =
		queue_open(kind, backend, 1, .capacity = SMALL, .bands = 2);
	uint64_t n = 7;
	weir_item item;

	queue_put(rig.tx[0], n);
	REQUIRE_EQ(weir_rx_peek(rig.rx[0], &item), 1);
	n = 8;
	CHECK_EQ(weir_tx_put_band(rig.tx[0], 1, &n), 0);
	for (int i = 0; i < 5 * SMALL; i++)
		(void)weir_tx_put(rig.tx[0], &n);
	REQUIRE_EQ(weir_rx_peek(rig.rx[0], &item), 1);
	CHECK_EQ(*(const uint64_t *)item.data, 7);
	CHECK_EQ(item.band, 2);
	queue_take(rig.rx[0], 7);
	REQUIRE_EQ(weir_rx_peek(rig.rx[0], &item), 1);
	CHECK_EQ(item.band, 1);
	queue_close(&rig);
}

static void
K18_next_then_peek_is_the_next(uint32_t kind, uint32_t backend)
{
	struct queue_rig rig = queue_open(kind, backend, 1, .capacity = SMALL);
	weir_item item;

	for (uint64_t n = 0; n < 5; n++)
		queue_put(rig.tx[0], n);
	for (uint64_t n = 0; n < 5; n++) {
		REQUIRE_EQ(weir_rx_peek(rig.rx[0], &item), 1);
		CHECK_EQ(*(const uint64_t *)item.data, n);
		CHECK_EQ(weir_rx_next(rig.rx[0]), 0);
		CHECK_EQ(weir_rx_next(rig.rx[0]), -WEIR_E_USAGE_STATE);
	}
	CHECK_EQ(weir_rx_peek(rig.rx[0], &item), 0);
	queue_close(&rig);
}

/* ---- order, room, loss -------------------------------------------------------------------------- */

/* Each item once, in order, through every place and over every edge of the ring. */
static void
K32_order_no_loss_no_double(uint32_t kind, uint32_t backend)
{
	struct queue_rig rig = queue_open(kind, backend, 1, .capacity = SMALL - 1);
	uint64_t random = kind * 3 + backend, in = 0, out = 0;

	while (out < MANY) {
		for (uint64_t i = queue_random(&random) % SMALL; i > 0; i--)
			if (in - out < SMALL - 1)
				queue_put(rig.tx[0], in++);
		for (uint64_t i = queue_random(&random) % SMALL; i > 0; i--)
			if (out < in)
				queue_take(rig.rx[0], out++);
	}
	CHECK_EQ(queue_rx_stats(rig.rx[0]).lost, 0);
	queue_close(&rig);
}

/* Bounded and growable refuse exactly what is too much and count it; a ring keeps exactly the
 * newest, and says exactly how many there were before. */
static void
K32_full_is_exact(uint32_t kind, uint32_t backend)
{
	static const uint64_t capacities[] = {1, 2, 5, 8, 100, 1000};

	for (size_t i = 0; i < sizeof(capacities) / sizeof(*capacities); i++) {
		struct queue_rig rig =
			queue_open(kind, backend, 1, .capacity = capacities[i]);
		uint64_t capacity = queue_stats(rig.queue).capacity, n, first = 0;
		uint64_t over = 1 + i % 2 * 3 * capacity;
		weir_item item;

		CHECK(capacity >= capacities[i]);
		CHECK(backend == WEIR_RING ? capacity < 2 * capacities[i]
					   : capacity == capacities[i]);
		for (n = 0; n < capacity; n++)
			queue_put(rig.tx[0], n);
		for (; n < capacity + over; n++)
			CHECK_EQ(weir_tx_put(rig.tx[0], &n),
				backend == WEIR_RING ? 0 : -WEIR_E_AGAIN_FULL);
		CHECK_EQ(queue_stats(rig.queue).refused, backend == WEIR_RING ? 0 : over);
		CHECK_EQ(queue_rx_stats(rig.rx[0]).waiting, capacity);
		if (backend == WEIR_RING)
			first = over;
		CHECK_EQ(queue_rx_stats(rig.rx[0]).lost, first);
		REQUIRE_EQ(weir_rx_peek(rig.rx[0], &item), 1);
		CHECK_EQ(item.lost, first);
		for (n = first; n < first + capacity; n++)
			queue_take(rig.rx[0], n);
		CHECK_EQ(weir_rx_peek(rig.rx[0], &item), 0);
		queue_put(rig.tx[0], 77);
		REQUIRE_EQ(weir_rx_peek(rig.rx[0], &item), 1);
		CHECK_EQ(item.lost, 0);
		CHECK_EQ(queue_rx_stats(rig.rx[0]).lost, first);
		queue_close(&rig);
	}
}

static void
K32_items_of_any_size_are_whole_and_aligned(uint32_t kind, uint32_t backend)
{
	static const uint32_t sizes[] = {1, 3, 7, 8, 9, 15, 16, 17, 40, 100, 4096, 70000};
	static uint8_t in[70000], out[70001];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		uint32_t size = sizes[i];
		struct queue_rig rig =
			queue_open_as(&(weir_queue_opts){.size = sizeof(weir_queue_opts),
					      .kind = kind,
					      .backend = backend,
					      .item = size,
					      .capacity = 3},
				1);

		for (uint32_t n = 0; n < 20; n++) {
			weir_item item;

			rig_fill(in, size, n);
			CHECK_EQ(weir_tx_put(rig.tx[0], in), 0);
			REQUIRE_EQ(weir_rx_peek(rig.rx[0], &item), 1);
			CHECK_EQ((uintptr_t)item.data % (size >= 16 ? 16 : 8), 0);
			out[size] = 0xa5;
			CHECK_EQ(weir_rx_take(rig.rx[0], out, NULL), 1);
			CHECK_MEM(out, in, size);
			CHECK_EQ(out[size], 0xa5);
		}
		queue_close(&rig);
	}
}

static void
K32_claim_commit_abort(uint32_t kind, uint32_t backend)
{
	struct queue_rig rig = queue_open(kind, backend, 1, .capacity = SMALL);
	weir_item item;
	void *place;

	CHECK_EQ(weir_tx_commit(rig.tx[0]), -WEIR_E_USAGE_CLAIM);
	CHECK_EQ(weir_tx_abort(rig.tx[0]), -WEIR_E_USAGE_CLAIM);
	for (uint64_t n = 0; n < 3 * SMALL; n++) {
		REQUIRE_EQ(weir_tx_claim(rig.tx[0], 1, &place), 0);
		CHECK_EQ(weir_tx_claim(rig.tx[0], 1, &place), -WEIR_E_USAGE_STATE);
		CHECK_EQ(weir_tx_put(rig.tx[0], &n), -WEIR_E_USAGE_STATE);
		*(uint64_t *)place = ~n;
		CHECK_EQ(weir_tx_abort(rig.tx[0]), 0);
		CHECK_EQ(weir_rx_peek(rig.rx[0], &item), 0);
		REQUIRE_EQ(weir_tx_claim(rig.tx[0], 1, &place), 0);
		CHECK_EQ((uintptr_t)place % 8, 0);
		*(uint64_t *)place = n;
		CHECK_EQ(weir_rx_peek(rig.rx[0], &item), 0);
		CHECK_EQ(weir_tx_commit(rig.tx[0]), 0);
		queue_take(rig.rx[0], n);
	}
	CHECK_EQ(queue_stats(rig.queue).put, 3 * SMALL);
	queue_close(&rig);
}

/* ---- ends ---------------------------------------------------------------------------------------- */

static void
K32_the_end_comes_after_the_last_item(uint32_t kind, uint32_t backend)
{
	struct queue_rig rig = queue_open(kind, backend, 2, .capacity = SMALL);
	weir_item item;

	for (unsigned i = 0; i < rig.txs; i++)
		queue_put(rig.tx[i], i);
	for (unsigned i = 0; i < rig.txs; i++) {
		for (unsigned k = 0; k < rig.rxs; k++)
			CHECK_EQ(weir_rx_peek(rig.rx[k], &item), 1);
		CHECK_EQ(weir_tx_close(rig.tx[i]), 0);
	}
	for (unsigned k = 0; k < rig.rxs; k++) {
		for (unsigned i = 0; i < rig.txs; i++)
			queue_take(rig.rx[k], i);
		/* To a SUB another producer may come, until nobody can ask for an end. */
		CHECK_EQ(weir_rx_peek(rig.rx[k], &item),
			kind == WEIR_SUB ? 0 : -WEIR_E_GONE_END);
	}
	rig.txs = 0;
	CHECK_EQ(weir_queue_close(rig.queue), 0);
	rig.queue = NULL;
	for (unsigned k = 0; k < rig.rxs; k++)
		for (int again = 0; again < 2; again++)
			CHECK_EQ(weir_rx_peek(rig.rx[k], &item), -WEIR_E_GONE_END);
	queue_close(&rig);
}

static void
K32_who_puts_for_nobody_is_told(uint32_t kind, uint32_t backend)
{
	struct queue_rig rig = queue_open(kind, backend, 2, .capacity = SMALL);
	uint64_t n = 0;

	queue_put(rig.tx[0], n);
	for (unsigned k = 0; k < rig.rxs; k++)
		CHECK_EQ(weir_rx_close(rig.rx[k]), 0);
	rig.rxs = 0;
	/* To a PUB another consumer may come. */
	CHECK_EQ(weir_tx_put(rig.tx[0], &n), kind == WEIR_PUB ? 0 : -WEIR_E_GONE_CLOSED);
	CHECK_EQ(queue_stats(rig.queue).unheard, kind == WEIR_PUB);
	CHECK_EQ(queue_stats(rig.queue).left, kind != WEIR_PUB);
	CHECK_EQ(weir_queue_close(rig.queue), 0);
	rig.queue = NULL;
	CHECK_EQ(weir_tx_put(rig.tx[0], &n), -WEIR_E_GONE_CLOSED);
	queue_close(&rig);
}

/* The memory goes with the last handle, whichever that is; the sanitizers look. */
static void
K32_handles_close_in_any_order(uint32_t kind, uint32_t backend)
{
	for (int order = 0; order < 6; order++) {
		struct queue_rig rig = queue_open(kind, backend, 2, .capacity = SMALL);
		static const char *const orders[] = {
			"qtr", "qrt", "tqr", "trq", "rqt", "rtq"};

		queue_put(rig.tx[0], 1);
		for (const char *who = orders[order]; *who; who++) {
			if (*who == 'q')
				CHECK_EQ(weir_queue_close(rig.queue), 0);
			for (unsigned i = 0; *who == 't' && i < rig.txs; i++)
				CHECK_EQ(weir_tx_close(rig.tx[i]), 0);
			for (unsigned i = 0; *who == 'r' && i < rig.rxs; i++)
				CHECK_EQ(weir_rx_close(rig.rx[i]), 0);
		}
	}
}

/* ---- bands --------------------------------------------------------------------------------------- */

static void
K36_urgent_overtakes_and_a_band_is_in_order(uint32_t kind, uint32_t backend)
{
	struct queue_rig rig = queue_open(
		kind, backend, 1, .capacity = SMALL, .bands = WEIR_QUEUE_BANDS);
	uint64_t got, n;
	weir_item item;

	for (n = 0; n < SMALL; n++)
		for (uint32_t band = WEIR_QUEUE_BANDS; band >= 1; band--) {
			uint64_t put = band * 100 + n;

			CHECK_EQ(weir_tx_put_band(rig.tx[0], band, &put), 0);
		}
	CHECK_EQ(weir_rx_take(rig.rx[0], &got, &item), 1);
	CHECK_EQ(got, 100);
	for (uint32_t band = 1; band <= WEIR_QUEUE_BANDS; band++)
		for (n = band == 1; n < SMALL; n++) {
			REQUIRE_EQ(weir_rx_take(rig.rx[0], &got, &item), 1);
			CHECK_EQ(got, band * 100 + n);
			CHECK_EQ(item.band, band);
		}
	/* Within band 4, a band-1 item is next. */
	for (n = 0; n < 3; n++)
		CHECK_EQ(weir_tx_put_band(rig.tx[0], 4, &n), 0);
	queue_take(rig.rx[0], 0);
	n = 99;
	CHECK_EQ(weir_tx_put_band(rig.tx[0], 1, &n), 0);
	queue_take(rig.rx[0], 99);
	queue_take(rig.rx[0], 1);
	queue_take(rig.rx[0], 2);
	/* Each band has its own room. */
	for (n = 0; n < SMALL && backend != WEIR_RING; n++)
		CHECK_EQ(weir_tx_put_band(rig.tx[0], 4, &n), 0);
	if (backend != WEIR_RING)
		CHECK_EQ(weir_tx_put_band(rig.tx[0], 4, &n), -WEIR_E_AGAIN_FULL);
	CHECK_EQ(weir_tx_put_band(rig.tx[0], 5, &n), 0);
	queue_close(&rig);
}

/* ---- books and memory ---------------------------------------------------------------------------- */

static void
check_books(const struct queue_rig *rig, uint32_t kind)
{
	weir_queue_stats all = queue_stats(rig->queue);

	for (unsigned k = 0; k < rig->rxs; k++) {
		weir_rx_stats s = queue_rx_stats(rig->rx[k]);

		CHECK_EQ(s.put, all.put);
		CHECK_EQ(s.put, s.taken + s.waiting + s.lost);
	}
	if (kind != WEIR_PUB)
		CHECK_EQ(all.put, all.taken + all.waiting + all.lost + all.left);
}

static void
K32_books_balance_at_every_step(uint32_t kind, uint32_t backend)
{
	struct queue_rig rig =
		queue_open(kind, backend, 3, .capacity = SMALL, .bands = 2);
	uint64_t random = 1, put = 0, refused = 0, taken = 0, lost = 0;

	for (uint64_t n = 0; n < 3000; n++) {
		weir_tx *tx = rig.tx[queue_random(&random) % rig.txs];
		weir_rx *rx = rig.rx[queue_random(&random) % rig.rxs];
		uint32_t band = 1 + (uint32_t)(queue_random(&random) % 2);
		weir_item item;
		uint64_t buf;

		if (weir_tx_put_band(tx, band, &n) == 0)
			put++;
		else
			refused++;
		if (queue_random(&random) % 3 == 0 && weir_rx_take(rx, &buf, &item) == 1) {
			taken++;
			lost += item.lost;
		}
		check_books(&rig, kind);
	}
	for (unsigned k = 0; k < rig.rxs; k++) {
		weir_item item;
		uint64_t buf;

		while (weir_rx_take(rig.rx[k], &buf, &item) == 1) {
			taken++;
			lost += item.lost;
		}
		CHECK_EQ(queue_rx_stats(rig.rx[k]).waiting, 0);
	}
	check_books(&rig, kind);
	/* And with what was counted outside. */
	CHECK_EQ(queue_stats(rig.queue).put, put);
	CHECK_EQ(queue_stats(rig.queue).refused, refused);
	CHECK_EQ(queue_stats(rig.queue).taken, taken);
	CHECK_EQ(queue_stats(rig.queue).lost, lost);
	CHECK(backend == WEIR_RING ? lost > 0 && refused == 0 : lost == 0 && refused > 0);
	queue_close(&rig);
}

static void
K32_nothing_is_allocated_after_creation(uint32_t kind, uint32_t backend)
{
	struct queue_rig rig = queue_open(kind, backend, 2, .capacity = 4096);
	uint64_t bytes = queue_stats(rig.queue).bytes, most = bytes, buf;
	size_t before = mallinfo2().uordblks;

	for (uint64_t n = 0; n < 50000; n++) {
		(void)weir_tx_put(rig.tx[0], &n);
		for (unsigned k = 0; k < rig.rxs; k++)
			(void)weir_rx_take(rig.rx[k], &buf, NULL);
	}
	most = queue_stats(rig.queue).bytes;
	if (backend == WEIR_GROWABLE) {
		/* It has come by its capacity twelve times, and kept what it used. */
		CHECK_EQ(bytes, 0);
		CHECK(most > 0 && most < 4096 * sizeof(uint64_t) * 2);
	} else {
		CHECK_EQ(most, bytes);
		CHECK_EQ(mallinfo2().uordblks, before);
	}
	queue_close(&rig);
}

static void
K53_a_window_is_not_exceeded(uint32_t kind, uint32_t backend)
{
	static const uint64_t windows[] = {512, 4096, 32768, 100000, 1 << 20};

	for (size_t i = 0; i < sizeof(windows) / sizeof(*windows); i++)
		for (uint32_t bands = 1; bands <= 2; bands++) {
			struct queue_rig rig = queue_open(kind, backend, 2,
				.window = windows[i], .bands = bands, .ends = 2);
			weir_queue_stats stats = queue_stats(rig.queue);

			CHECK(stats.capacity >= 2);
			/* Not a fraction of it, either. */
			CHECK(stats.capacity * 8 * stats.streams * 6 >= windows[i]);
			for (uint64_t n = 0; n < 2 * stats.capacity; n++)
				for (unsigned k = 0; k < rig.txs; k++)
					for (uint32_t band = 1; band <= bands; band++)
						(void)weir_tx_put_band(
							rig.tx[k], band, &n);
			CHECK(queue_stats(rig.queue).bytes > 0);
			CHECK(queue_stats(rig.queue).bytes <= windows[i]);
			queue_close(&rig);
		}
}

#define TESTS(X) \
	X(K18_peek_twice_is_the_same) \
	X(K18_peek_is_the_same_whatever_comes) \
	X(K18_next_then_peek_is_the_next) \
	X(K32_order_no_loss_no_double) \
	X(K32_full_is_exact) \
	X(K32_items_of_any_size_are_whole_and_aligned) \
	X(K32_claim_commit_abort) \
	X(K32_the_end_comes_after_the_last_item) \
	X(K32_who_puts_for_nobody_is_told) \
	X(K32_handles_close_in_any_order) \
	X(K36_urgent_overtakes_and_a_band_is_in_order) \
	X(K32_books_balance_at_every_step) \
	X(K32_nothing_is_allocated_after_creation) \
	X(K53_a_window_is_not_exceeded)

TESTS(QUEUE_STAMP)

static const struct wr_test tests[] = {TESTS(QUEUE_ENTRY) TEST_END};
const struct wr_suite wr_suite_queue = {.name = "queue", .tests = tests};
