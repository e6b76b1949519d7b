/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* K29, K30, K31, K53: queues between threads that really run. */
#include "tests/conform/queues.h"

#include "tests/lib/await.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <weir/loop.h>

enum { THREADS = 4, CAPACITY = 64, MOVES = 20 };

static uint64_t
items(void)
{
	return (wr_test_long() ? 2000000 : 200000) / wr_test_slowness();
}

/* An item that shows if it was torn. */
struct shape {
	uint64_t producer, n, more[5], check;
};

static void
shape_fill(struct shape *s, uint64_t producer, uint64_t n)
{
	s->producer = producer;
	s->n = n;
	for (int i = 0; i < 5; i++)
		s->more[i] = n * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)i;
	s->check = ~n ^ producer;
}

static int
shape_is_whole(const struct shape *s)
{
	int good = s->check == (~s->n ^ s->producer);

	for (int i = 0; i < 5; i++)
		good &= s->more[i] == s->n * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)i;
	return good;
}

struct side {
	weir_queue *queue;
	weir_tx *tx;
	weir_rx *rx;
	uint64_t id, count;
	uint64_t next[THREADS]; /* of each producer */
	uint64_t got, lost;
	uint32_t backend;
	unsigned pause;     /* on the average, items between two yields */
	atomic_uint *moves; /* goes on until there were so many of them; NULL: does not */
};

/* Puts its items, and closes its end. count is then how many they were. */
static void *
produce(void *ctx)
{
	struct side *s = ctx;
	uint64_t random = s->id;
	struct shape shape;
	uint64_t n;

	CHECK_EQ(weir_tx_adopt(s->tx), 0);
	for (n = 0; n < s->count || (s->moves && *s->moves < MOVES); n++) {
		int rc;

		shape_fill(&shape, s->id, n);
		while ((rc = weir_tx_put(s->tx, &shape)) == -WEIR_E_AGAIN_FULL)
			sched_yield();
		CHECK_EQ(rc, 0);
		if (s->pause && queue_random(&random) % s->pause == 0)
			sched_yield();
	}
	s->count = n;
	CHECK_EQ(weir_tx_close(s->tx), 0);
	return NULL;
}

/* One item: whole, and the next of its producer but for what was lost. */
static void
check_item(struct side *s, const weir_item *item)
{
	const struct shape *shape = item->data;

	if (!shape_is_whole(shape) || shape->producer >= THREADS) {
		FAIL("item %llu of producer %llu is torn", (unsigned long long)shape->n,
			(unsigned long long)shape->producer);
		return;
	}
	if (shape->n != s->next[shape->producer] + item->lost)
		FAIL("item %llu, %llu lost, after %llu of producer %llu",
			(unsigned long long)shape->n, (unsigned long long)item->lost,
			(unsigned long long)s->next[shape->producer],
			(unsigned long long)shape->producer);
	s->next[shape->producer] = shape->n + 1;
	s->got++;
	s->lost += item->lost;
}

/* Takes until the end. */
static void *
consume(void *ctx)
{
	struct side *s = ctx;
	uint64_t random = s->id;
	weir_item item;
	int rc;

	CHECK_EQ(weir_rx_adopt(s->rx), 0);
	while ((rc = weir_rx_peek(s->rx, &item)) >= 0) {
		if (rc == 0) {
			sched_yield();
			continue;
		}
		check_item(s, &item);
		CHECK_EQ(weir_rx_next(s->rx), 0);
		if (s->pause && queue_random(&random) % s->pause == 0)
			sched_yield();
	}
	CHECK_EQ(rc, -WEIR_E_GONE_END);
	CHECK_EQ(s->lost, queue_rx_stats(s->rx).lost);
	CHECK_EQ(queue_rx_stats(s->rx).taken, s->got);
	CHECK_EQ(weir_rx_close(s->rx), 0);
	return NULL;
}

/* So many at the side that may have many, each in its thread; the queue's handle is closed as
 * soon as all ends are there. */
static void
run(uint32_t kind, uint32_t backend, unsigned many, unsigned pause)
{
	struct queue_rig rig =
		queue_open_as(&(weir_queue_opts){.size = sizeof(weir_queue_opts),
				      .kind = kind,
				      .backend = backend,
				      .item = sizeof(struct shape),
				      .capacity = CAPACITY},
			many);
	struct side sides[2 * THREADS] = {0};
	pthread_t threads[2 * THREADS];
	unsigned count = 0;

	for (unsigned i = 0; i < rig.txs; i++)
		sides[count++] = (struct side){.tx = rig.tx[i],
			.id = i,
			.count = items() / rig.txs,
			.pause = pause};
	for (unsigned i = 0; i < rig.rxs; i++)
		sides[count++] =
			(struct side){.rx = rig.rx[i], .id = 100 + i, .pause = pause};
	CHECK_EQ(weir_queue_close(rig.queue), 0);
	for (unsigned i = 0; i < count; i++)
		REQUIRE_EQ(pthread_create(&threads[i], NULL,
				   sides[i].tx ? produce : consume, &sides[i]),
			0);
	for (unsigned i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = rig.txs; i < count; i++) {
		/* The last item is never written over, so each loss was told of. */
		CHECK_EQ(sides[i].got + sides[i].lost, items() / rig.txs * rig.txs);
		if (backend != WEIR_RING)
			CHECK_EQ(sides[i].lost, 0);
		for (unsigned p = 0; p < rig.txs; p++)
			CHECK_EQ(sides[i].next[p], items() / rig.txs);
	}
}

static void
K29_two_threads(uint32_t kind, uint32_t backend)
{
	run(kind, backend, 1, 0);
	run(kind, backend, 1, 7);
}

/* K30: of each producer in order, all arrive once. K31: each consumer is given all. */
static void
K34_many_threads(uint32_t kind, uint32_t backend)
{
	unsigned many = kind == WEIR_LINK ? 1 : THREADS;

	run(kind, backend, many, 50);
	run(kind, backend, many, 0);
}

/* ---- consumers that come and go ------------------------------------------------------------------ */

static void *
come_and_go(void *ctx)
{
	struct side *s = ctx;
	uint64_t random = s->id;

	for (;;) {
		weir_rx *rx = weir_queue_sub(s->queue);
		uint64_t stay = queue_random(&random) % 300, expect = 0, got = 0;
		weir_item item;
		int rc = 0;

		CHECK_EQ(weir_rx_why(rx)->code, 0);
		for (; got < stay && (rc = weir_rx_peek(rx, &item)) >= 0;
			got += (uint64_t)rc) {
			const struct shape *shape = item.data;

			if (rc == 0) {
				sched_yield();
				continue;
			}
			if (!shape_is_whole(shape))
				FAIL("item %llu is torn", (unsigned long long)shape->n);
			if (got > 0 && shape->n != expect + item.lost)
				FAIL("item %llu after %llu", (unsigned long long)shape->n,
					(unsigned long long)expect);
			expect = shape->n + 1;
			CHECK_EQ(weir_rx_next(rx), 0);
		}
		s->got += got;
		CHECK_EQ(weir_rx_close(rx), 0);
		if (rc == -WEIR_E_GONE_END)
			return NULL;
	}
}

static void
K31_consumers_come_and_go_while_items_are_put(void)
{
	for (uint32_t backend = WEIR_BOUNDED; backend <= WEIR_RING; backend++) {
		weir_queue *queue = weir_queue_create(.kind = WEIR_PUB,
			.backend = backend, .item = sizeof(struct shape), .capacity = 8);
		struct side sides[3] = {
			{.tx = weir_queue_pub(queue), .count = items(), .pause = 100},
			{.queue = queue, .id = 1}, {.queue = queue, .id = 2}};
		pthread_t threads[3];

		for (int i = 0; i < 3; i++)
			REQUIRE_EQ(pthread_create(&threads[i], NULL,
					   i == 0 ? produce : come_and_go, &sides[i]),
				0);
		for (int i = 0; i < 3; i++)
			pthread_join(threads[i], NULL);
		CHECK_EQ(queue_stats(queue).put, items());
		CHECK_EQ(weir_queue_close(queue), 0);
	}
}

/* ---- a consumer that moves ------------------------------------------------------------------------- */

/* Holds the end for some items, then sends it on, through a queue of its own. */
struct holder {
	weir_rx *in; /* where the end comes from */
	weir_tx *out;
	struct side *side; /* whoever has the end has this */
	atomic_uint *moves;
};

static void *
hold_and_pass_on(void *ctx)
{
	struct holder *h = ctx;
	uint64_t random = 5;
	int ended = 0;

	CHECK_EQ(weir_rx_adopt(h->in), 0);
	CHECK_EQ(weir_tx_adopt(h->out), 0);
	while (!ended) {
		uint64_t stay = 1 + queue_random(&random) % 200;
		weir_rx *rx;
		weir_item item;
		int rc;

		while ((rc = weir_rx_take(h->in, &rx, NULL)) == 0)
			sched_yield();
		if (rc < 0)
			break;
		CHECK_EQ(weir_rx_peek(rx, &item), -WEIR_E_USAGE_THREAD);
		CHECK_EQ(weir_rx_adopt(rx), 0);
		(*h->moves)++;
		while (stay > 0 && (rc = weir_rx_peek(rx, &item)) >= 0) {
			if (rc == 0) {
				sched_yield();
				continue;
			}
			check_item(h->side, &item);
			/* Now and then it goes with an item that was peeked only. */
			if (--stay == 0 && queue_random(&random) % 2) {
				h->side->got--;
				h->side->lost -= item.lost;
				h->side->next[((const struct shape *)item.data)->producer] -=
					1 + item.lost;
				break;
			}
			CHECK_EQ(weir_rx_next(rx), 0);
		}
		ended = rc == -WEIR_E_GONE_END;
		if (ended)
			CHECK_EQ(weir_rx_close(rx), 0);
		else
			CHECK_EQ(weir_tx_put(h->out, &rx), 0);
	}
	CHECK_EQ(weir_tx_close(h->out), 0);
	CHECK_EQ(weir_rx_close(h->in), 0);
	return NULL;
}

static void
K53_a_consumer_moves_between_threads_under_load(uint32_t kind, uint32_t backend)
{
	unsigned many = kind == WEIR_SUB ? 2 : 1;
	struct queue_rig rig =
		queue_open_as(&(weir_queue_opts){.size = sizeof(weir_queue_opts),
				      .kind = kind,
				      .backend = backend,
				      .item = sizeof(struct shape),
				      .capacity = CAPACITY},
			many);
	weir_queue *there = weir_queue_create(.item = sizeof(weir_rx *), .capacity = 2);
	weir_queue *back = weir_queue_create(.item = sizeof(weir_rx *), .capacity = 2);
	struct side seen = {0}, makers[2] = {{0}};
	atomic_uint moves = 0;
	struct holder holders[2] = {
		{.side = &seen, .moves = &moves}, {.side = &seen, .moves = &moves}};
	uint64_t put = 0;
	pthread_t threads[4];

	holders[0].in = weir_queue_sub(there);
	holders[0].out = weir_queue_pub(back);
	holders[1].in = weir_queue_sub(back);
	holders[1].out = weir_queue_pub(there);
	CHECK_EQ(weir_tx_put(holders[1].out, &rig.rx[0]), 0);
	CHECK_EQ(weir_queue_close(rig.queue), 0);
	CHECK_EQ(weir_queue_close(there), 0);
	CHECK_EQ(weir_queue_close(back), 0);
	for (unsigned i = 0; i < rig.txs; i++) {
		makers[i] = (struct side){.tx = rig.tx[i],
			.id = i,
			.count = items() / 2,
			.pause = 30,
			.moves = &moves};
		REQUIRE_EQ(pthread_create(&threads[2 + i], NULL, produce, &makers[i]), 0);
	}
	for (int i = 0; i < 2; i++)
		REQUIRE_EQ(
			pthread_create(&threads[i], NULL, hold_and_pass_on, &holders[i]),
			0);
	for (unsigned i = 0; i < 2 + rig.txs; i++)
		pthread_join(threads[i], NULL);
	for (unsigned p = 0; p < rig.txs; p++) {
		CHECK_EQ(seen.next[p], makers[p].count);
		put += makers[p].count;
	}
	CHECK_EQ(seen.got + seen.lost, put);
	if (backend != WEIR_RING)
		CHECK_EQ(seen.lost, 0);
	wr_test_note("%u moves, %llu items", moves, (unsigned long long)put);
}

/* ---- consumers on loops ----------------------------------------------------------------------------- */

static weir_bus *
bus_open(uint32_t idle)
{
	weir_bus *bus = weir_open("inproc:queues",
		.flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET, .idle = idle);

	REQUIRE_EQ(weir_why(bus)->code, 0);
	return bus;
}

static int
on_item(void *ctx, const weir_item *item)
{
	check_item(ctx, item);
	return 0;
}

static int
on_end(void *ctx)
{
	((struct side *)ctx)->count = 1;
	return 0;
}

/* Waits for ever: only what is put, and the end, may wake it. */
static void *
turn_until_the_end(void *ctx)
{
	struct side *s = ctx;
	weir_bus *bus = bus_open(WEIR_IDLE_PARK);

	s->rx = weir_queue_sub(
		s->queue, .bus = bus, .on_item = on_item, .on_end = on_end, .ctx = s);
	CHECK_EQ(weir_rx_why(s->rx)->code, 0);
	while (s->count == 0)
		CHECK(weir_turn(bus, WEIR_FOREVER) >= 0);
	CHECK_EQ(weir_close(bus), 0);
	return NULL;
}

/* A wake-up that is lost shows as a hang: the producer waits until each item was taken. */
static void
K22_no_wake_up_is_lost(uint32_t kind, uint32_t backend)
{
	weir_queue *queue = weir_queue_create(.kind = kind, .backend = backend,
		.item = sizeof(struct shape), .capacity = CAPACITY);
	weir_tx *tx = weir_queue_pub(queue);
	struct side side = {.queue = queue};
	uint64_t rounds = items() / 20, random = 3;
	struct shape shape;
	pthread_t thread;

	REQUIRE_EQ(pthread_create(&thread, NULL, turn_until_the_end, &side), 0);
	AWAIT(queue_stats(queue).consumers > 0);
	for (uint64_t n = 0; n < rounds; n++) {
		shape_fill(&shape, 0, n);
		CHECK_EQ(weir_tx_put(tx, &shape), 0);
		while (queue_stats(queue).taken <= n)
			for (uint64_t i = queue_random(&random) % 200; i > 0; i--)
				__asm__ volatile("");
	}
	CHECK_EQ(weir_tx_close(tx), 0);
	CHECK_EQ(weir_queue_close(queue), 0);
	pthread_join(thread, NULL);
	CHECK_EQ(side.got, rounds);
	CHECK_EQ(side.lost, 0);
}

/* Where it joined is where its first item says. */
static int
on_item_of_late(void *ctx, const weir_item *item)
{
	struct side *s = ctx;

	if (s->got == 0)
		s->next[0] = ((const struct shape *)item->data)->n - item->lost;
	check_item(s, item);
	return 0;
}

/* Ends go on and off a loop while others put: nobody is sent who has left. */
static void
K31_ends_leave_a_loop_while_items_are_put(void)
{
	weir_queue *queue = weir_queue_create(.kind = WEIR_PUB, .backend = WEIR_RING,
		.item = sizeof(struct shape), .capacity = 8);
	struct side maker = {.tx = weir_queue_pub(queue), .count = items(), .pause = 10};
	weir_bus *bus = bus_open(WEIR_IDLE_ADAPTIVE);
	uint64_t got = 0, turns = 0;
	pthread_t thread;

	REQUIRE_EQ(pthread_create(&thread, NULL, produce, &maker), 0);
	for (; queue_stats(queue).producers > 0; turns++) {
		struct side side = {.count = 0};
		weir_rx *rx = weir_queue_sub(queue, .bus = bus,
			.on_item = on_item_of_late, .on_end = on_end, .ctx = &side);

		CHECK_EQ(weir_rx_why(rx)->code, 0);
		for (uint64_t i = turns % 4; i > 0; i--)
			CHECK(weir_turn(bus, 0) >= 0);
		got += side.got;
		CHECK_EQ(weir_rx_close(rx), 0);
	}
	pthread_join(thread, NULL);
	CHECK(turns > 10 && got > 0);
	CHECK_EQ(weir_close(bus), 0);
	CHECK_EQ(weir_queue_close(queue), 0);
}

/* Threads that put, a link on a loop in the middle, threads that take. */
static void
K34_many_to_many_over_a_loop(void)
{
	struct queue_rig in =
		queue_open_as(&(weir_queue_opts){.size = sizeof(weir_queue_opts),
				      .kind = WEIR_SUB,
				      .item = sizeof(struct shape),
				      .capacity = CAPACITY},
			3);
	struct queue_rig out =
		queue_open_as(&(weir_queue_opts){.size = sizeof(weir_queue_opts),
				      .kind = WEIR_PUB,
				      .item = sizeof(struct shape),
				      .capacity = CAPACITY},
			2);
	weir_bus *bus = bus_open(WEIR_IDLE_PARK);
	weir_link *link = weir_queue_link(in.rx[0], out.tx[0], .bus = bus);
	struct side sides[5] = {0};
	pthread_t threads[5];

	CHECK_EQ(weir_link_why(link)->code, 0);
	CHECK_EQ(weir_queue_close(in.queue), 0);
	for (unsigned i = 0; i < 5; i++) {
		sides[i] = (struct side){.tx = i < 3 ? in.tx[i] : NULL,
			.rx = i < 3 ? NULL : out.rx[i - 3],
			.id = i,
			.count = items() / 4,
			.pause = 20};
		REQUIRE_EQ(pthread_create(&threads[i], NULL, i < 3 ? produce : consume,
				   &sides[i]),
			0);
	}
	while (queue_stats(out.queue).producers > 0)
		CHECK(weir_turn(bus, WEIR_FOREVER) >= 0);
	for (unsigned i = 0; i < 5; i++)
		pthread_join(threads[i], NULL);
	for (unsigned k = 3; k < 5; k++)
		for (unsigned p = 0; p < 3; p++)
			CHECK_EQ(sides[k].next[p], items() / 4);
	CHECK_EQ(weir_queue_close(out.queue), 0);
	CHECK_EQ(weir_close(bus), 0);
}

#define TESTS(X) \
	X(K29_two_threads) \
	X(K34_many_threads) \
	X(K53_a_consumer_moves_between_threads_under_load) \
	X(K22_no_wake_up_is_lost)

TESTS(QUEUE_STAMP)

static const struct wr_test tests[] = {
	TESTS(QUEUE_ENTRY) TEST(K31_consumers_come_and_go_while_items_are_put),
	TEST(K31_ends_leave_a_loop_while_items_are_put),
	TEST(K34_many_to_many_over_a_loop), TEST_END};
const struct wr_suite wr_suite_queue_threads = {.name = "queue_threads",
	.tests = tests,
	.labels = "concurrency",
	.watchdog_s = 300};
