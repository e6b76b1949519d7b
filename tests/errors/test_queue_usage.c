/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* K37: what a program may do wrong with a queue is answered, and nothing happens. */
#include "tests/conform/queues.h"
#include "tests/lib/child.h"

#include <pthread.h>
#include <weir/loop.h>

#define OPTS(...) \
	(&(weir_queue_opts){.size = sizeof(weir_queue_opts), .item = 8, __VA_ARGS__})

static int
ignore(void *ctx, const weir_item *item)
{
	(void)ctx;
	(void)item;
	return 0;
}

/* Everything that hangs on a queue that failed carries an error, and says so. */
static void
refuses(const weir_queue_opts *opts, int code)
{
	weir_queue *queue = weir_queue_create_(opts);
	weir_tx *tx = weir_queue_pub(queue);
	weir_rx *rx = weir_queue_sub(queue);
	weir_queue_stats stats = {.size = sizeof(stats)};
	weir_item item;
	uint64_t n = 0;

	REQUIRE(queue && tx && rx);
	CHECK_EQ(weir_queue_why(queue)->code, code);
	CHECK(weir_queue_why(queue)->text[0] != '\0');
	CHECK_EQ(weir_tx_why(tx)->code, code);
	CHECK_EQ(weir_rx_why(rx)->code, code);
	CHECK_EQ(weir_queue_get_stats(queue, &stats), -code);
	CHECK_EQ(weir_tx_put(tx, &n), -code);
	CHECK_EQ(weir_tx_commit(tx), -code);
	CHECK_EQ(weir_rx_peek(rx, &item), -code);
	CHECK_EQ(weir_rx_next(rx), -code);
	CHECK_EQ(weir_rx_take(rx, &n, NULL), -code);
	CHECK_EQ(weir_rx_close(rx), 0);
	CHECK_EQ(weir_tx_close(tx), 0);
	CHECK_EQ(weir_queue_close(queue), 0);
}

static void
K37_wrong_options_are_refused(void)
{
	weir_queue_opts wrong_size = *OPTS();

	wrong_size.size = 8;
	refuses(NULL, WEIR_E_USAGE_INVAL);
	refuses(&wrong_size, WEIR_E_USAGE_SIZE);
	refuses(OPTS(.kind = WEIR_PUB + 1), WEIR_E_USAGE_INVAL);
	refuses(OPTS(.backend = WEIR_RING + 1), WEIR_E_USAGE_INVAL);
	refuses(OPTS(.bands = WEIR_QUEUE_BANDS + 1), WEIR_E_USAGE_INVAL);
	refuses(OPTS(.ends = WEIR_QUEUE_ENDS + 1), WEIR_E_USAGE_INVAL);
	refuses(OPTS(.capacity = WEIR_QUEUE_CAPACITY_MAX + 1), WEIR_E_USAGE_INVAL);
	refuses(OPTS(.capacity = UINT64_MAX), WEIR_E_USAGE_INVAL);
	refuses(OPTS(.window = 1), WEIR_E_USAGE_INVAL);
	refuses(OPTS(.window = 127, .kind = WEIR_SUB, .ends = 8), WEIR_E_USAGE_INVAL);
	refuses(&(weir_queue_opts){.size = sizeof(weir_queue_opts)}, WEIR_E_USAGE_INVAL);
	refuses(&(weir_queue_opts){.size = sizeof(weir_queue_opts),
			.item = WEIR_QUEUE_ITEM_MAX + 1},
		WEIR_E_USAGE_INVAL);
}

static void
K37_nothing_where_something_belongs(void)
{
	weir_queue *queue = weir_queue_create(.item = 8, .bands = 2);
	weir_tx *tx = weir_queue_pub(queue);
	weir_rx *rx = weir_queue_sub(queue);
	weir_queue_stats stats = {.size = 1};
	weir_tx_stats tx_stats = {.size = 1};
	weir_rx_stats rx_stats = {.size = 1};
	weir_item item;
	uint64_t n = 0;
	void *place;

	CHECK_EQ(weir_tx_put(tx, NULL), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_tx_put(NULL, &n), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_tx_put_band(tx, 0, &n), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_tx_put_band(tx, 3, &n), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_tx_put_band(tx, UINT32_MAX, &n), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_tx_claim(tx, 1, NULL), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_tx_claim(NULL, 1, &place), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_tx_commit(NULL), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_tx_abort(NULL), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_tx_adopt(NULL), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_rx_peek(rx, NULL), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_rx_peek(NULL, &item), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_rx_next(NULL), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_rx_take(rx, NULL, &item), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_rx_take(NULL, &n, &item), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_rx_adopt(NULL), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_queue_get_stats(NULL, &stats), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_queue_get_stats(queue, NULL), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_queue_get_stats(queue, &stats), -WEIR_E_USAGE_SIZE);
	CHECK_EQ(weir_tx_get_stats(tx, NULL), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_tx_get_stats(tx, &tx_stats), -WEIR_E_USAGE_SIZE);
	CHECK_EQ(weir_rx_get_stats(rx, NULL), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_rx_get_stats(rx, &rx_stats), -WEIR_E_USAGE_SIZE);
	CHECK_EQ(weir_link_poll(NULL, 1), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_rx_peek(rx, &item), 0);
	CHECK_EQ(weir_queue_close(NULL), 0);
	CHECK_EQ(weir_tx_close(NULL), 0);
	CHECK_EQ(weir_rx_close(NULL), 0);
	CHECK_EQ(weir_link_close(NULL), 0);
	tx_stats.size = sizeof(tx_stats);
	CHECK_EQ(weir_tx_get_stats(tx, &tx_stats), 0);
	CHECK_EQ(tx_stats.put + tx_stats.refused, 0);
	CHECK_EQ(weir_tx_close(tx), 0);
	CHECK_EQ(weir_rx_close(rx), 0);
	CHECK_EQ(weir_queue_close(queue), 0);
	tx = weir_queue_pub(NULL);
	CHECK_EQ(weir_tx_why(tx)->code, WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_tx_close(tx), 0);
	rx = weir_queue_sub(NULL);
	CHECK_EQ(weir_rx_why(rx)->code, WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_rx_close(rx), 0);
	rx = weir_queue_sub_(NULL);
	CHECK_EQ(weir_rx_why(rx)->code, WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_rx_close(rx), 0);
}

static void
K37_there_are_as_many_ends_as_the_kind_has(void)
{
	for (uint32_t kind = WEIR_LINK; kind <= WEIR_PUB; kind++) {
		weir_queue *queue = weir_queue_create(.item = 8, .kind = kind, .ends = 3);
		unsigned txs = kind == WEIR_SUB ? 3 : 1, rxs = kind == WEIR_PUB ? 3 : 1;

		weir_tx *tx[5];
		weir_rx *rx[5];

		for (unsigned i = 0; i < 5; i++) {
			tx[i] = weir_queue_pub(queue);
			rx[i] = weir_queue_sub(queue);
			CHECK_EQ(weir_tx_why(tx[i])->code,
				i < txs ? 0 : WEIR_E_AGAIN_QUOTA);
			CHECK_EQ(weir_rx_why(rx[i])->code,
				i < rxs ? 0 : WEIR_E_AGAIN_QUOTA);
			/* The only one is not had twice, though it has left. */
			if (txs == 1)
				CHECK_EQ(weir_tx_close(tx[i]), 0);
			if (rxs == 1)
				CHECK_EQ(weir_rx_close(rx[i]), 0);
		}
		CHECK_EQ(queue_stats(queue).producers, txs == 1 ? 0 : txs);
		CHECK_EQ(queue_stats(queue).consumers, rxs == 1 ? 0 : rxs);
		for (unsigned i = 0; i < 5; i++) {
			if (txs > 1)
				CHECK_EQ(weir_tx_close(tx[i]), 0);
			if (rxs > 1)
				CHECK_EQ(weir_rx_close(rx[i]), 0);
		}
		CHECK_EQ(weir_queue_close(queue), 0);
	}
}

/* ---- another thread, another process --------------------------------------------------------------- */

struct all {
	weir_queue *queue;
	weir_tx *tx;
	weir_rx *rx;
	weir_link *link;
	weir_bus *bus;
};

/* How many of the calls on them do not answer with that code. */
static int
differ(const struct all *all, int code)
{
	weir_tx_stats tx_stats = {.size = sizeof(tx_stats)};
	weir_rx_stats rx_stats = {.size = sizeof(rx_stats)};
	weir_item item;
	uint64_t n = 0;
	void *place;
	int bad = 0;

	bad += weir_tx_put(all->tx, &n) != -code;
	bad += weir_tx_claim(all->tx, 1, &place) != -code;
	bad += weir_tx_commit(all->tx) != -code;
	bad += weir_tx_abort(all->tx) != -code;
	bad += weir_tx_get_stats(all->tx, &tx_stats) != -code;
	bad += weir_tx_close(all->tx) != -code;
	bad += weir_rx_peek(all->rx, &item) != -code;
	bad += weir_rx_next(all->rx) != -code;
	bad += weir_rx_take(all->rx, &n, NULL) != -code;
	bad += weir_rx_get_stats(all->rx, &rx_stats) != -code;
	bad += weir_rx_close(all->rx) != -code;
	bad += weir_link_poll(all->link, 1) != -code;
	bad += weir_link_close(all->link) != -code;
	bad += weir_queue_close(all->queue) != -code;
	return bad;
}

static void *
from_elsewhere(void *ctx)
{
	const struct all *all = ctx;
	weir_rx *told = weir_queue_sub(all->queue, .bus = all->bus, .on_item = ignore);
	weir_link *link = weir_queue_link(all->rx, all->tx);

	CHECK_EQ(weir_rx_why(told)->code, WEIR_E_USAGE_THREAD);
	CHECK_EQ(weir_rx_close(told), 0);
	CHECK_EQ(weir_link_why(link)->code, WEIR_E_USAGE_THREAD);
	CHECK_EQ(weir_link_close(link), 0);
	CHECK_EQ(differ(all, WEIR_E_USAGE_THREAD), 0);
	return NULL;
}

static struct all
make_all(void)
{
	weir_queue *one = weir_queue_create(.item = 8),
		   *two = weir_queue_create(.item = 8);
	struct all all = {.queue = weir_queue_create(.item = 8, .kind = WEIR_PUB)};

	all.tx = weir_queue_pub(all.queue);
	all.rx = weir_queue_sub(all.queue);
	all.link = weir_queue_link(weir_queue_sub(one), weir_queue_pub(two));
	all.bus = weir_open(
		"inproc:queues", .flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET);
	CHECK_EQ(weir_link_why(all.link)->code, 0);
	CHECK_EQ(weir_queue_close(one), 0);
	CHECK_EQ(weir_queue_close(two), 0);
	return all;
}

static void
unmake_all(const struct all *all)
{
	weir_item item;
	uint64_t n = 5;

	/* Nothing has happened. */
	CHECK_EQ(weir_rx_peek(all->rx, &item), 0);
	CHECK_EQ(weir_tx_put(all->tx, &n), 0);
	CHECK_EQ(weir_rx_take(all->rx, &n, NULL), 1);
	CHECK_EQ(weir_tx_close(all->tx), 0);
	CHECK_EQ(weir_rx_close(all->rx), 0);
	CHECK_EQ(weir_link_close(all->link), 0);
	CHECK_EQ(weir_queue_close(all->queue), 0);
	CHECK_EQ(weir_close(all->bus), 0);
}

static void
K37_another_thread_is_refused(void)
{
	struct all all = make_all();
	pthread_t thread;

	REQUIRE_EQ(pthread_create(&thread, NULL, from_elsewhere, &all), 0);
	pthread_join(thread, NULL);
	unmake_all(&all);
}

static void
in_the_child(struct wr_outcome *out, void *arg)
{
	const struct all *all = arg;
	weir_queue_stats stats = {.size = sizeof(stats)};
	weir_tx *tx = weir_queue_pub(all->queue);

	out->value[0] = differ(all, WEIR_E_GONE_FORKED);
	out->value[1] = weir_queue_get_stats(all->queue, &stats);
	out->value[2] = -weir_tx_why(tx)->code;
	out->value[3] = weir_tx_adopt(all->tx);
	out->value[4] = weir_rx_adopt(all->rx);
	out->value[5] = weir_tx_close(tx);
}

/* Whatever a forked child does, and that it ends, the parent's queue knows nothing of it. */
static void
K37_a_forked_child_is_refused(void)
{
	struct all all = make_all();
	struct wr_outcome out = wr_in_child(in_the_child, &all);

	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.value[0], 0);
	for (int i = 1; i <= 4; i++)
		CHECK_EQ(out.value[i], -WEIR_E_GONE_FORKED);
	CHECK_EQ(out.value[5], 0);
	unmake_all(&all);
}

/* ---- on a loop ----------------------------------------------------------------------------------------- */

static void
K37_a_loop_needs_a_callback_and_a_callback_a_loop(void)
{
	weir_queue *queue = weir_queue_create(.item = 8);
	weir_bus *bus = weir_open(
		"inproc:queues", .flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET);
	weir_rx *rx[] = {weir_queue_sub(queue, .bus = bus),
		weir_queue_sub(queue, .on_item = ignore),
		weir_queue_sub(queue, .bus = bus, .on_item = ignore,
			.weight = WEIR_WEIGHT_MAX + 1)};
	weir_link *link;
	weir_tx *tx;

	for (int i = 0; i < 3; i++) {
		CHECK_EQ(weir_rx_why(rx[i])->code, WEIR_E_USAGE_INVAL);
		CHECK_EQ(weir_rx_close(rx[i]), 0);
	}
	rx[0] = weir_queue_sub(queue, .bus = bus, .on_item = ignore);
	CHECK_EQ(weir_rx_why(rx[0])->code, 0); /* none of them took the place */
	CHECK_EQ(weir_rx_adopt(rx[0]), -WEIR_E_USAGE_STATE);
	CHECK_EQ(weir_rx_next(rx[0]), -WEIR_E_USAGE_STATE);
	tx = weir_queue_pub(queue);
	link = weir_queue_link(rx[0], tx);
	CHECK_EQ(weir_link_why(link)->code, WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_link_close(link), 0);
	CHECK_EQ(weir_tx_close(tx), 0);
	CHECK_EQ(weir_queue_close(queue), 0);
	(void)weir_close(bus); /* which answers for what failed on it */
}

static const struct wr_test tests[] = {TEST(K37_wrong_options_are_refused),
	TEST(K37_nothing_where_something_belongs),
	TEST(K37_there_are_as_many_ends_as_the_kind_has),
	TEST(K37_another_thread_is_refused), TEST(K37_a_forked_child_is_refused),
	TEST(K37_a_loop_needs_a_callback_and_a_callback_a_loop), TEST_END};
const struct wr_suite wr_suite_queue_usage = {
	.name = "queue_usage", .tests = tests, .labels = "input"};
