/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the tests of queues share. A conformance test is a function of a kind and a back end,
 * and is stamped once for each pair of them:
 *
 *	#define TESTS(X) X(K18_peek_twice_is_the_same)
 *	TESTS(QUEUE_STAMP)
 *	static const struct wr_test tests[] = {TESTS(QUEUE_ENTRY) TEST_END};
 *
 * Nothing here includes more than <weir/...>.
 */
#ifndef WR_TESTS_CONFORM_QUEUES_H
#define WR_TESTS_CONFORM_QUEUES_H

#include "tests/lib/test.h"

#include <string.h>
#include <weir/queue.h>

/* clang-format off */
#define QUEUE_STAMP(fn) \
	static void fn##_link_bounded(void) { fn(WEIR_LINK, WEIR_BOUNDED); } \
	static void fn##_link_growable(void) { fn(WEIR_LINK, WEIR_GROWABLE); } \
	static void fn##_link_ring(void) { fn(WEIR_LINK, WEIR_RING); } \
	static void fn##_sub_bounded(void) { fn(WEIR_SUB, WEIR_BOUNDED); } \
	static void fn##_sub_growable(void) { fn(WEIR_SUB, WEIR_GROWABLE); } \
	static void fn##_sub_ring(void) { fn(WEIR_SUB, WEIR_RING); } \
	static void fn##_pub_bounded(void) { fn(WEIR_PUB, WEIR_BOUNDED); } \
	static void fn##_pub_growable(void) { fn(WEIR_PUB, WEIR_GROWABLE); } \
	static void fn##_pub_ring(void) { fn(WEIR_PUB, WEIR_RING); }
#define QUEUE_ENTRY(fn) \
	TEST(fn##_link_bounded), TEST(fn##_link_growable), TEST(fn##_link_ring), \
	TEST(fn##_sub_bounded), TEST(fn##_sub_growable), TEST(fn##_sub_ring), \
	TEST(fn##_pub_bounded), TEST(fn##_pub_growable), TEST(fn##_pub_ring),
/* clang-format on */

enum { QUEUE_ENDS_MAX = 4 };

/* A queue with so many ends at the side that may have many, and one at the other. */
struct queue_rig {
	weir_queue *queue;
	weir_tx *tx[QUEUE_ENDS_MAX];
	weir_rx *rx[QUEUE_ENDS_MAX];
	unsigned txs, rxs;
};

static inline struct queue_rig
queue_open_as(const weir_queue_opts *opts, unsigned many)
{
	struct queue_rig rig = {.queue = weir_queue_create_(opts),
		.txs = opts->kind == WEIR_SUB ? many : 1,
		.rxs = opts->kind == WEIR_PUB ? many : 1};

	REQUIRE_EQ(weir_queue_why(rig.queue)->code, 0);
	for (unsigned i = 0; i < rig.rxs; i++) {
		rig.rx[i] = weir_queue_sub(rig.queue);
		REQUIRE_EQ(weir_rx_why(rig.rx[i])->code, 0);
	}
	for (unsigned i = 0; i < rig.txs; i++) {
		rig.tx[i] = weir_queue_pub(rig.queue);
		REQUIRE_EQ(weir_tx_why(rig.tx[i])->code, 0);
	}
	return rig;
}

/* Of items of 8 bytes. */
#define queue_open(kind_, backend_, many, ...) \
	queue_open_as(&(weir_queue_opts){.size = sizeof(weir_queue_opts), \
			      .kind = (kind_), \
			      .backend = (backend_), \
			      .item = sizeof(uint64_t), \
			      __VA_ARGS__}, \
		(many))

static inline void
queue_close(struct queue_rig *rig)
{
	for (unsigned i = 0; i < rig->txs; i++)
		CHECK_EQ(weir_tx_close(rig->tx[i]), 0);
	for (unsigned i = 0; i < rig->rxs; i++)
		CHECK_EQ(weir_rx_close(rig->rx[i]), 0);
	CHECK_EQ(weir_queue_close(rig->queue), 0);
}

static inline void
queue_put(weir_tx *tx, uint64_t n)
{
	REQUIRE_EQ(weir_tx_put(tx, &n), 0);
}

/* The next item has to be this one; it is passed. */
static inline void
queue_take(weir_rx *rx, uint64_t n)
{
	uint64_t got = ~n;

	REQUIRE_EQ(weir_rx_take(rx, &got, NULL), 1);
	REQUIRE_EQ(got, n);
}

static inline weir_rx_stats
queue_rx_stats(weir_rx *rx)
{
	weir_rx_stats stats = {.size = sizeof(stats)};

	CHECK_EQ(weir_rx_get_stats(rx, &stats), 0);
	return stats;
}

static inline weir_queue_stats
queue_stats(weir_queue *queue)
{
	weir_queue_stats stats = {.size = sizeof(stats)};

	CHECK_EQ(weir_queue_get_stats(queue, &stats), 0);
	return stats;
}

/* The next number of a generator (splitmix64, Steele et al. 2014). */
static inline uint64_t
queue_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

#endif
