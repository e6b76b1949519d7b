/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* K30, K31, K34, K37: what each kind of queue is for, its four verbs, and queues on a loop. */
#include "tests/conform/queues.h"

#include "tests/lib/await.h"

#include <sys/resource.h>
#include <unistd.h>
#include <weir/loop.h>

enum { SMALL = 8 };

/* ---- SUB: many to one ------------------------------------------------------------------------ */

/* Whatever the others have, each producer gets its turn: at most a run of each before it. */
static void
K30_no_producer_starves(void)
{
	enum { EACH = 200, PRODUCERS = 4 };
	struct queue_rig rig =
		queue_open(WEIR_SUB, WEIR_BOUNDED, PRODUCERS, .capacity = EACH);
	uint64_t next[PRODUCERS] = {0}, run = 0, got;
	uint32_t last = PRODUCERS;
	weir_item item;

	for (unsigned i = 0; i < PRODUCERS; i++)
		for (uint64_t n = 0; n < EACH; n++)
			queue_put(rig.tx[i], n);
	for (unsigned n = 0; n < PRODUCERS * EACH; n++) {
		REQUIRE_EQ(weir_rx_take(rig.rx[0], &got, &item), 1);
		REQUIRE(item.producer < PRODUCERS);
		CHECK_EQ(got, next[item.producer]);
		next[item.producer]++;
		run = item.producer == last ? run + 1 : 1;
		if (item.producer != last && n > 0)
			CHECK_EQ(item.producer, (last + 1) % PRODUCERS);
		last = item.producer;
		CHECK(run <= WEIR_QUEUE_RUN);
	}
	for (unsigned i = 0; i < PRODUCERS; i++)
		CHECK_EQ(next[i], EACH);
	queue_close(&rig);
}

/* One that never stops putting does not keep another one's single item away. */
static void
K30_a_flood_delays_a_single_item_by_one_run(void)
{
	struct queue_rig rig = queue_open(WEIR_SUB, WEIR_RING, 2, .capacity = 64);
	unsigned before = 0;
	weir_item item;
	uint64_t got;

	for (uint64_t n = 0; n < 1000; n++)
		queue_put(rig.tx[0], n);
	CHECK_EQ(weir_rx_take(rig.rx[0], &got, &item), 1);
	queue_put(rig.tx[1], 5);
	do {
		queue_put(rig.tx[0], 0);
		REQUIRE_EQ(weir_rx_take(rig.rx[0], &got, &item), 1);
		before++;
	} while (item.producer == 0);
	CHECK(before <= WEIR_QUEUE_RUN + 1);
	CHECK_EQ(got, 5);
	queue_close(&rig);
}

static void
K30_a_full_stream_is_its_producers_own_matter(void)
{
	struct queue_rig rig = queue_open(WEIR_SUB, WEIR_BOUNDED, 2, .capacity = SMALL);
	uint64_t n;

	for (n = 0; n < SMALL; n++)
		queue_put(rig.tx[0], n);
	CHECK_EQ(weir_tx_put(rig.tx[0], &n), -WEIR_E_AGAIN_FULL);
	for (n = 0; n < SMALL; n++)
		queue_put(rig.tx[1], n);
	queue_close(&rig);
}

static void
K30_producers_come_and_go(void)
{
	weir_queue *queue = weir_queue_create(.kind = WEIR_SUB, .item = 8, .ends = 2,
		.capacity = SMALL);
	weir_rx *rx = weir_queue_sub(queue);
	weir_tx_stats stats = {.size = sizeof(stats)};

	for (uint64_t n = 0; n < 20; n++) {
		weir_tx *a = weir_queue_pub(queue), *b = weir_queue_pub(queue);
		weir_tx *c = weir_queue_pub(queue);

		CHECK_EQ(weir_tx_why(a)->code, 0);
		CHECK_EQ(weir_tx_why(b)->code, 0);
		CHECK_EQ(weir_tx_why(c)->code, WEIR_E_AGAIN_QUOTA);
		CHECK_EQ(weir_tx_close(c), 0);
		queue_put(a, n);
		CHECK_EQ(weir_tx_get_stats(a, &stats), 0);
		CHECK_EQ(stats.put, 1);
		CHECK_EQ(weir_tx_close(a), 0);
		/* What it put stays, in front of what who has its place now puts. */
		a = weir_queue_pub(queue);
		queue_put(a, n + 1000);
		CHECK_EQ(weir_tx_close(a), 0);
		CHECK_EQ(weir_tx_close(b), 0);
		queue_take(rx, n);
		queue_take(rx, n + 1000);
	}
	CHECK_EQ(queue_stats(queue).put, 40);
	CHECK_EQ(weir_rx_close(rx), 0);
	CHECK_EQ(weir_queue_close(queue), 0);
}

/* ---- PUB: one to many -------------------------------------------------------------------------- */

static void
K31_everybody_gets_every_item_in_order(void)
{
	for (uint32_t backend = WEIR_BOUNDED; backend <= WEIR_RING; backend++) {
		struct queue_rig rig = queue_open(WEIR_PUB, backend, 4, .capacity = 64);

		for (uint64_t n = 0; n < 1000; n += 50) {
			for (uint64_t i = 0; i < 50; i++)
				queue_put(rig.tx[0], n + i);
			for (unsigned k = 0; k < rig.rxs; k++)
				for (uint64_t i = 0; i < 50; i++)
					queue_take(rig.rx[k], n + i);
		}
		queue_close(&rig);
	}
}

static void
K31_the_slowest_gates_until_it_leaves(void)
{
	for (uint32_t backend = WEIR_BOUNDED; backend <= WEIR_GROWABLE; backend++) {
		struct queue_rig rig =
			queue_open(WEIR_PUB, backend, 3, .capacity = SMALL);
		uint64_t n;

		for (n = 0; n < SMALL; n++)
			queue_put(rig.tx[0], n);
		for (n = 0; n < SMALL; n++) {
			queue_take(rig.rx[0], n);
			queue_take(rig.rx[1], n);
		}
		CHECK_EQ(weir_tx_put(rig.tx[0], &n), -WEIR_E_AGAIN_FULL);
		queue_take(rig.rx[2], 0);
		queue_put(rig.tx[0], SMALL);
		CHECK_EQ(weir_tx_put(rig.tx[0], &n), -WEIR_E_AGAIN_FULL);
		CHECK_EQ(weir_rx_close(rig.rx[2]), 0);
		rig.rxs = 2;
		for (n = SMALL + 1; n < 2 * SMALL; n++)
			queue_put(rig.tx[0], n);
		for (n = SMALL; n < 2 * SMALL; n++) {
			queue_take(rig.rx[0], n);
			queue_take(rig.rx[1], n);
		}
		queue_close(&rig);
	}
}

/* A ring waits for nobody, and each is told what it has missed itself. */
static void
K31_a_ring_has_no_gate(void)
{
	struct queue_rig rig = queue_open(WEIR_PUB, WEIR_RING, 2, .capacity = SMALL);
	weir_item item;

	for (uint64_t n = 0; n < 100; n++) {
		queue_put(rig.tx[0], n);
		queue_take(rig.rx[0], n);
	}
	REQUIRE_EQ(weir_rx_peek(rig.rx[1], &item), 1);
	CHECK_EQ(*(const uint64_t *)item.data, 100 - SMALL);
	CHECK_EQ(item.lost, 100 - SMALL);
	CHECK_EQ(queue_rx_stats(rig.rx[0]).lost, 0);
	CHECK_EQ(queue_rx_stats(rig.rx[1]).lost, 100 - SMALL);
	queue_close(&rig);
}

static void
K31_who_joins_is_given_what_is_put_from_then_on(void)
{
	for (uint32_t backend = WEIR_BOUNDED; backend <= WEIR_RING; backend++) {
		struct queue_rig rig =
			queue_open(WEIR_PUB, backend, 1, .capacity = SMALL, .bands = 2);
		uint64_t random = backend;

		for (uint64_t n = 0; n < 500; n++) {
			weir_rx *late = weir_queue_sub(rig.queue);
			uint64_t some = 1 + queue_random(&random) % SMALL;
			weir_item item;

			REQUIRE_EQ(weir_rx_why(late)->code, 0);
			CHECK_EQ(weir_rx_peek(late, &item), 0);
			for (uint64_t i = 0; i < some; i++) {
				queue_put(rig.tx[0], n + i);
				queue_take(rig.rx[0], n + i);
			}
			for (uint64_t i = 0; i < some; i++)
				queue_take(late, n + i);
			CHECK_EQ(queue_rx_stats(late).put, some);
			CHECK_EQ(queue_rx_stats(late).taken, some);
			CHECK_EQ(weir_rx_close(late), 0);
		}
		queue_close(&rig);
	}
}

/* ---- growable ------------------------------------------------------------------------------------- */

static void
limit_memory(rlim_t bytes)
{
	struct rlimit limit;

	REQUIRE_EQ(getrlimit(RLIMIT_AS, &limit), 0);
	limit.rlim_cur = bytes;
	REQUIRE_EQ(setrlimit(RLIMIT_AS, &limit), 0);
}

/* A queue that cannot grow says so, keeps what it has, and grows when it can again. */
static void
K32_a_growable_without_memory_says_so(void)
{
	enum { ITEM = 1 << 20, MOST = 1000 };
	static uint8_t item[ITEM], got[ITEM];
	weir_queue *queue;
	weir_tx *tx;
	weir_rx *rx;
	int rc = 0, put = 0;

	if (wr_test_slowness() > 1)
		TEST_SKIP("a sanitizer needs all the address space that there is");
	queue = weir_queue_create(.backend = WEIR_GROWABLE, .item = ITEM,
		.capacity = MOST);
	tx = weir_queue_pub(queue);
	rx = weir_queue_sub(queue);
	limit_memory(256 << 20);
	for (; put < MOST && rc == 0; put += rc == 0) {
		item[0] = (uint8_t)put;
		rc = weir_tx_put(tx, item);
	}
	CHECK_EQ(rc, -WEIR_E_ENV_MEMORY);
	CHECK(put > 0);
	CHECK_EQ(weir_tx_put(tx, item), -WEIR_E_ENV_MEMORY);
	CHECK_EQ(queue_stats(queue).refused, 0);
	limit_memory(RLIM_INFINITY);
	CHECK_EQ(weir_tx_put(tx, item), 0);
	for (int n = 0; n <= put; n++) {
		REQUIRE_EQ(weir_rx_take(rx, got, NULL), 1);
		CHECK_EQ(got[0], (uint8_t)(n < put ? n : put));
	}
	CHECK_EQ(weir_rx_take(rx, got, NULL), 0);
	CHECK_EQ(weir_tx_close(tx), 0);
	CHECK_EQ(weir_rx_close(rx), 0);
	CHECK_EQ(weir_queue_close(queue), 0);
}

/* ---- link ---------------------------------------------------------------------------------------- */

/* Three queues in a row, polled by hand. */
struct chain {
	weir_queue *queue[3];
	weir_link *link[2];
	weir_tx *tx;
	weir_rx *rx;
};

static struct chain
chain_open(uint32_t backend, uint32_t bands, weir_bus *bus)
{
	struct chain c;
	weir_tx *tx = NULL;

	for (int i = 0; i < 3; i++) {
		c.queue[i] = weir_queue_create(.backend = backend, .item = 8,
			.capacity = SMALL, .bands = bands);
		tx = weir_queue_pub(c.queue[i]);
		if (i == 0)
			c.tx = tx;
		else
			c.link[i - 1] = weir_queue_link(c.rx, tx, .bus = bus);
		c.rx = weir_queue_sub(c.queue[i]);
	}
	CHECK_EQ(weir_link_why(c.link[0])->code, 0);
	CHECK_EQ(weir_link_why(c.link[1])->code, 0);
	return c;
}

static void
chain_close(struct chain *c)
{
	for (int i = 0; i < 2; i++)
		CHECK_EQ(weir_link_close(c->link[i]), 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(weir_queue_close(c->queue[i]), 0);
	CHECK_EQ(weir_tx_close(c->tx), 0);
	CHECK_EQ(weir_rx_close(c->rx), 0);
}

static void
K37_links_of_links_carry_on_in_order(void)
{
	for (uint32_t backend = WEIR_BOUNDED; backend <= WEIR_RING; backend++) {
		struct chain c = chain_open(backend, 1, NULL);

		for (uint64_t n = 0; n < 300; n += 5) {
			for (uint64_t i = 0; i < 5; i++)
				queue_put(c.tx, n + i);
			CHECK_EQ(weir_link_poll(c.link[0], 2), 2);
			CHECK_EQ(weir_link_poll(c.link[0], 100), 3);
			CHECK_EQ(weir_link_poll(c.link[0], 100), 0);
			CHECK_EQ(weir_link_poll(c.link[1], 100), 5);
			for (uint64_t i = 0; i < 5; i++)
				queue_take(c.rx, n + i);
		}
		chain_close(&c);
	}
}

/* Nothing is taken out of the first queue for which there is no room in the last. */
static void
K37_a_slow_end_of_a_chain_holds_up_its_beginning(void)
{
	struct chain c = chain_open(WEIR_BOUNDED, 1, NULL);
	uint64_t n = 0, put = 0;

	for (int i = 0; i < 100; i++) {
		if (weir_tx_put(c.tx, &put) == 0)
			put++;
		for (int k = 0; k < 2; k++)
			CHECK(weir_link_poll(c.link[k], 100) >= 0);
	}
	CHECK_EQ(put, 3 * SMALL);
	for (; n < 3 * SMALL; n++) {
		queue_take(c.rx, n);
		for (int k = 1; k >= 0; k--)
			CHECK(weir_link_poll(c.link[k], 100) >= 0);
	}
	CHECK_EQ(weir_rx_take(c.rx, &n, NULL), 0);
	chain_close(&c);
}

static void
K37_the_end_goes_through_links_after_all_items(void)
{
	struct chain c = chain_open(WEIR_BOUNDED, 1, NULL);
	uint64_t n = 0;

	for (; n < 3; n++)
		queue_put(c.tx, n);
	CHECK_EQ(weir_tx_close(c.tx), 0);
	c.tx = NULL;
	CHECK_EQ(weir_link_poll(c.link[0], 2), 2);
	CHECK_EQ(weir_link_poll(c.link[0], 100), 1);
	CHECK_EQ(weir_link_poll(c.link[1], 100), 3);
	CHECK_EQ(weir_link_poll(c.link[1], 100), 0);
	CHECK_EQ(weir_link_poll(c.link[0], 100), -WEIR_E_GONE_END);
	CHECK_EQ(weir_link_poll(c.link[0], 100), -WEIR_E_GONE_END);
	CHECK_EQ(weir_link_poll(c.link[1], 100), -WEIR_E_GONE_END);
	for (n = 0; n < 3; n++)
		queue_take(c.rx, n);
	CHECK_EQ(weir_rx_take(c.rx, &n, NULL), -WEIR_E_GONE_END);
	chain_close(&c);
}

static void
K37_that_nobody_is_left_goes_back_through_links(void)
{
	struct chain c = chain_open(WEIR_BOUNDED, 1, NULL);
	uint64_t n = 0;

	CHECK_EQ(weir_rx_close(c.rx), 0);
	c.rx = NULL;
	for (int k = 1; k >= 0; k--) {
		CHECK_EQ(weir_link_poll(c.link[k], 1), 0); /* finds out with an item */
	}
	queue_put(c.tx, n);
	CHECK_EQ(weir_link_poll(c.link[0], 1), 1);
	CHECK_EQ(weir_link_poll(c.link[1], 1), -WEIR_E_GONE_CLOSED);
	queue_put(c.tx, n);
	CHECK_EQ(weir_link_poll(c.link[0], 1), -WEIR_E_GONE_CLOSED);
	CHECK_EQ(weir_tx_put(c.tx, &n), -WEIR_E_GONE_CLOSED);
	chain_close(&c);
}

static void
K36_links_keep_bands(void)
{
	struct chain c = chain_open(WEIR_BOUNDED, 4, NULL);
	weir_item item;
	uint64_t got;

	for (uint32_t band = 4; band >= 1; band--)
		for (uint64_t n = 0; n < 2; n++)
			CHECK_EQ(weir_tx_put_band(c.tx, band, &n), 0);
	for (int k = 0; k < 2; k++)
		CHECK_EQ(weir_link_poll(c.link[k], 100), 8);
	for (uint32_t band = 1; band <= 4; band++)
		for (uint64_t n = 0; n < 2; n++) {
			CHECK_EQ(weir_rx_take(c.rx, &got, &item), 1);
			CHECK_EQ(got, n);
			CHECK_EQ(item.band, band);
		}
	chain_close(&c);
}

/* Many to many: what three put, each of three is given, in the order of each producer. */
static void
K34_a_sub_linked_to_a_pub_is_many_to_many(void)
{
	struct queue_rig in = queue_open(WEIR_SUB, WEIR_BOUNDED, 3, .capacity = SMALL);
	struct queue_rig out = queue_open(WEIR_PUB, WEIR_BOUNDED, 3, .capacity = SMALL);
	weir_link *link = weir_queue_link(in.rx[0], out.tx[0]);
	uint64_t next[3][3] = {{0}}, got;

	CHECK_EQ(weir_link_why(link)->code, 0);
	for (uint64_t n = 0; n < 400; n++) {
		for (unsigned i = 0; i < 3; i++)
			queue_put(in.tx[i], (uint64_t)i << 32 | n);
		CHECK_EQ(weir_link_poll(link, 100), 3);
		for (unsigned k = 0; k < 3; k++)
			while (weir_rx_take(out.rx[k], &got, NULL) == 1)
				CHECK_EQ(got & UINT32_MAX, next[k][got >> 32]++);
	}
	for (unsigned k = 0; k < 3; k++)
		for (unsigned i = 0; i < 3; i++)
			CHECK_EQ(next[k][i], 400);
	CHECK_EQ(weir_link_close(link), 0);
	in.rxs = 0;
	out.txs = 0;
	queue_close(&in);
	queue_close(&out);
}

static void
K37_what_cannot_be_linked_stays_whose_it_was(void)
{
	weir_queue *a = weir_queue_create(.item = 8), *b = weir_queue_create(.item = 4);
	weir_rx *rx = weir_queue_sub(a);
	weir_tx *same = weir_queue_pub(a), *other = weir_queue_pub(b);
	weir_tx *failed = weir_queue_pub(b);
	weir_tx *wrong[] = {same, other, failed, NULL};
	uint64_t n = 3;

	CHECK_EQ(weir_tx_why(failed)->code, WEIR_E_AGAIN_QUOTA);
	for (int i = 0; i < 4; i++) {
		weir_link *link = weir_queue_link(rx, wrong[i]);

		CHECK_EQ(weir_link_why(link)->code, WEIR_E_USAGE_INVAL);
		CHECK_EQ(weir_link_poll(link, 1), -WEIR_E_USAGE_INVAL);
		CHECK_EQ(weir_link_close(link), 0);
	}
	CHECK_EQ(weir_link_close(weir_queue_link(NULL, same)), 0);
	CHECK_EQ(weir_link_close(weir_queue_link_(NULL)), 0);
	CHECK_EQ(weir_link_close(NULL), 0);
	queue_put(same, n);
	queue_take(rx, n);
	CHECK_EQ(weir_tx_close(same), 0);
	CHECK_EQ(weir_tx_close(other), 0);
	CHECK_EQ(weir_tx_close(failed), 0);
	CHECK_EQ(weir_rx_close(rx), 0);
	CHECK_EQ(weir_queue_close(a), 0);
	CHECK_EQ(weir_queue_close(b), 0);
}

static void
K37_what_is_linked_is_the_links(void)
{
	struct chain c = chain_open(WEIR_BOUNDED, 1, NULL);
	weir_queue *queue = weir_queue_create(.item = 8);
	weir_tx *tx = weir_queue_pub(queue);
	weir_rx *rx = weir_queue_sub(queue);
	weir_link *link = weir_queue_link(rx, c.tx);
	weir_item item;
	uint64_t n = 1;

	CHECK_EQ(weir_link_why(link)->code, 0);
	CHECK_EQ(weir_rx_peek(rx, &item), -WEIR_E_USAGE_STATE);
	CHECK_EQ(weir_rx_adopt(rx), -WEIR_E_USAGE_STATE);
	CHECK_EQ(weir_rx_close(rx), -WEIR_E_USAGE_STATE);
	CHECK_EQ(weir_tx_put(c.tx, &n), -WEIR_E_USAGE_STATE);
	CHECK_EQ(weir_tx_adopt(c.tx), -WEIR_E_USAGE_STATE);
	CHECK_EQ(weir_tx_close(c.tx), -WEIR_E_USAGE_STATE);
	CHECK_EQ(weir_link_close(weir_queue_link(rx, c.tx)), 0);
	queue_put(tx, n);
	CHECK_EQ(weir_link_poll(link, 1), 1);
	CHECK_EQ(weir_link_close(link), 0);
	c.tx = NULL;
	CHECK_EQ(weir_tx_close(tx), 0);
	CHECK_EQ(weir_queue_close(queue), 0);
	chain_close(&c);
}

/* ---- on a loop -------------------------------------------------------------------------------------- */

static weir_bus *
bus_open(void)
{
	weir_bus *bus = weir_open("inproc:queues",
		.flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET, .idle = WEIR_IDLE_PARK);

	REQUIRE_EQ(weir_why(bus)->code, 0);
	return bus;
}

struct hearer {
	weir_bus *bus;
	weir_rx *rx;
	uint64_t next, ends;
	int verdict;
	int closes; /* itself, at this item + 1 */
};

static int
hear(void *ctx, const weir_item *item)
{
	struct hearer *h = ctx;
	weir_item other;

	CHECK_EQ(*(const uint64_t *)item->data, h->next);
	h->next++;
	CHECK_EQ(weir_rx_peek(h->rx, &other), -WEIR_E_USAGE_STATE);
	if (h->closes && h->next == (uint64_t)h->closes)
		CHECK_EQ(weir_rx_close(h->rx), 0);
	return h->verdict;
}

static int
hear_end(void *ctx)
{
	struct hearer *h = ctx;

	h->ends++;
	return h->verdict;
}

static void
K22_an_item_is_sent_polled_and_selected(void)
{
	weir_bus *bus = bus_open();
	weir_queue *queue = weir_queue_create(.item = 8);
	weir_tx *tx = weir_queue_pub(queue);
	struct hearer h = {.bus = bus};

	h.rx = weir_queue_sub(queue, .bus = bus, .on_item = hear, .on_end = hear_end,
		.ctx = &h, .weight = 7, .batch = 10);
	CHECK_EQ(weir_rx_why(h.rx)->code, 0);
	while (weir_turn(bus, 0) > 0)
		;
	CHECK_EQ(weir_round(bus), 0);
	for (uint64_t n = 0; n < 25; n++)
		queue_put(tx, n);     /* send */
	CHECK(weir_turn(bus, 0) > 0); /* poll: a batch each time */
	CHECK_EQ(h.next, 10);
	CHECK_EQ(weir_round(bus), 7); /* select: by its weight */
	while (weir_turn(bus, 0) > 0)
		;
	CHECK_EQ(h.next, 25);
	CHECK_EQ(weir_round(bus), 0);
	CHECK_EQ(weir_tx_close(tx), 0);
	while (weir_turn(bus, 0) > 0)
		;
	CHECK_EQ(h.ends, 1);
	CHECK_EQ(weir_turn(bus, 0), 0);
	CHECK_EQ(h.ends, 1);
	CHECK_EQ(weir_rx_close(h.rx), 0);
	CHECK_EQ(weir_queue_close(queue), 0);
	CHECK_EQ(weir_close(bus), 0);
}

struct faces {
	struct hearer item;
	int ticks, ready, fds[2];
};

static int
on_tick(void *ctx, const weir_tick *tick)
{
	(void)tick;
	((struct faces *)ctx)->ticks++;
	return 0;
}

static int
on_ready(void *ctx, int fd)
{
	char c;

	((struct faces *)ctx)->ready++;
	CHECK_EQ(read(fd, &c, 1), 1);
	return 0;
}

/* A queue, a timer and a descriptor are consumers of one loop by the same three faces: each is
 * sent something from outside, polled in its turn, and selected by its weight. */
static void
K22_queue_timer_and_descriptor_have_the_same_faces(void)
{
	weir_bus *bus = bus_open();
	struct faces f = {.item.bus = bus};
	weir_queue *queue = weir_queue_create(.item = 8);
	weir_tx *tx = weir_queue_pub(queue);

	f.item.rx = weir_queue_sub(
		queue, .bus = bus, .on_item = hear, .ctx = &f.item, .weight = 7);
	REQUIRE_EQ(pipe(f.fds), 0);
	weir_timer *timer = weir_timer_start(
		bus, .after_ns = 1, .on_tick = on_tick, .ctx = &f, .weight = 5);
	weir_watch *watch = weir_watch_fd(
		bus, f.fds[0], .on_ready = on_ready, .ctx = &f, .weight = 3);

	for (int i = 1; i <= 3; i++) {
		queue_put(tx, (uint64_t)i - 1);
		CHECK_EQ(write(f.fds[1], "x", 1), 1);
		CHECK_EQ(weir_timer_again(timer, 1), 0);
		AWAIT_ON(bus, f.item.next >= (uint64_t)i && f.ticks >= i && f.ready >= i);
	}
	while (weir_turn(bus, 0) > 0)
		;
	CHECK_EQ(weir_round(bus), 0);
	CHECK_EQ(weir_watch_close(watch), 0);
	close(f.fds[0]);
	close(f.fds[1]);
	CHECK_EQ(weir_tx_close(tx), 0);
	CHECK_EQ(weir_close(bus), 0); /* and what is on it, with it */
	CHECK_EQ(weir_queue_close(queue), 0);
}

static void
K22_a_verdict_ends_the_turn_and_loses_no_item(void)
{
	weir_bus *bus = bus_open();
	weir_queue *queue = weir_queue_create(.item = 8);
	weir_tx *tx = weir_queue_pub(queue);
	struct hearer h = {.bus = bus, .verdict = 42};

	h.rx = weir_queue_sub(
		queue, .bus = bus, .on_item = hear, .on_end = hear_end, .ctx = &h);
	for (uint64_t n = 0; n < 5; n++)
		queue_put(tx, n);
	CHECK_EQ(weir_tx_close(tx), 0);
	for (uint64_t n = 1; n <= 5; n++) {
		CHECK_EQ(weir_turn(bus, 0), 42);
		CHECK_EQ(h.next, n);
	}
	CHECK_EQ(weir_turn(bus, 0), 42);
	CHECK_EQ(h.ends, 1);
	CHECK_EQ(weir_turn(bus, 0), 0);
	CHECK_EQ(weir_queue_close(queue), 0);
	CHECK_EQ(weir_close(bus), 0);
}

static void
K22_an_end_may_close_within_its_own_callback(void)
{
	weir_bus *bus = bus_open();

	for (int closes = 1; closes <= 5; closes++) {
		weir_queue *queue = weir_queue_create(.item = 8);
		weir_tx *tx = weir_queue_pub(queue);
		struct hearer h = {.bus = bus, .closes = closes};
		uint64_t n;

		h.rx = weir_queue_sub(queue, .bus = bus, .on_item = hear, .ctx = &h);
		for (n = 0; n < 5; n++)
			queue_put(tx, n);
		while (weir_turn(bus, 0) > 0)
			;
		CHECK_EQ(h.next, closes);
		CHECK_EQ(weir_tx_put(tx, &n), -WEIR_E_GONE_CLOSED);
		CHECK_EQ(weir_tx_close(tx), 0);
		CHECK_EQ(weir_queue_close(queue), 0);
	}
	CHECK_EQ(weir_close(bus), 0);
}

/* weir_consume in a callback: no further item in this poll once the units are used up. */
static int
hear_dearly(void *ctx, const weir_item *item)
{
	struct hearer *h = ctx;

	(void)item;
	h->next++;
	(void)weir_consume(h->bus, WEIR_BUDGET_DEFAULT / 2);
	return 0;
}

static void
K22_a_poll_ends_with_its_budget(void)
{
	weir_bus *bus = bus_open();
	weir_queue *queue = weir_queue_create(.item = 8);
	weir_tx *tx = weir_queue_pub(queue);
	struct hearer h = {.bus = bus};

	h.rx = weir_queue_sub(queue, .bus = bus, .on_item = hear_dearly, .ctx = &h);
	for (uint64_t n = 0; n < 5; n++)
		queue_put(tx, n);
	CHECK_EQ(weir_turn(bus, 0), 2);
	CHECK_EQ(weir_turn(bus, 0), 2);
	CHECK_EQ(weir_turn(bus, 0), 1);
	CHECK_EQ(weir_tx_close(tx), 0);
	CHECK_EQ(weir_queue_close(queue), 0);
	CHECK_EQ(weir_close(bus), 0);
}

/* A link on a loop goes on when there are items, and again when there is room. */
static void
K37_a_link_on_a_loop_waits_for_items_and_for_room(void)
{
	weir_bus *bus = bus_open();
	struct chain c = chain_open(WEIR_BOUNDED, 1, bus);
	uint64_t put = 0, n = 0;

	CHECK_EQ(weir_link_poll(c.link[0], 1), -WEIR_E_USAGE_STATE);
	for (int round = 0; round < 50; round++) {
		while (weir_tx_put(c.tx, &put) == 0 || weir_turn(bus, 0) > 0)
			put += queue_stats(c.queue[0]).put > put;
		CHECK_EQ(put - n, 3 * SMALL);
		CHECK_EQ(weir_round(bus), 0); /* nobody turns in vain */
		for (int i = 0; i <= round % (3 * SMALL); i++) {
			queue_take(c.rx, n++);
			while (weir_turn(bus, 0) > 0)
				;
		}
	}
	CHECK_EQ(weir_tx_close(c.tx), 0);
	while (weir_turn(bus, 0) > 0)
		;
	for (; n < put; n++) {
		queue_take(c.rx, n);
		while (weir_turn(bus, 0) > 0)
			;
	}
	CHECK_EQ(weir_rx_take(c.rx, &n, NULL), -WEIR_E_GONE_END);
	c.tx = NULL;
	chain_close(&c);
	CHECK_EQ(weir_close(bus), 0);
}

static const struct wr_test tests[] = {TEST(K30_no_producer_starves),
	TEST(K30_a_flood_delays_a_single_item_by_one_run),
	TEST(K30_a_full_stream_is_its_producers_own_matter),
	TEST(K30_producers_come_and_go), TEST(K31_everybody_gets_every_item_in_order),
	TEST(K31_the_slowest_gates_until_it_leaves), TEST(K31_a_ring_has_no_gate),
	TEST(K31_who_joins_is_given_what_is_put_from_then_on),
	TEST(K32_a_growable_without_memory_says_so),
	TEST(K37_links_of_links_carry_on_in_order),
	TEST(K37_a_slow_end_of_a_chain_holds_up_its_beginning),
	TEST(K37_the_end_goes_through_links_after_all_items),
	TEST(K37_that_nobody_is_left_goes_back_through_links),
	TEST(K36_links_keep_bands), TEST(K34_a_sub_linked_to_a_pub_is_many_to_many),
	TEST(K37_what_cannot_be_linked_stays_whose_it_was),
	TEST(K37_what_is_linked_is_the_links),
	TEST(K22_an_item_is_sent_polled_and_selected),
	TEST(K22_queue_timer_and_descriptor_have_the_same_faces),
	TEST(K22_a_verdict_ends_the_turn_and_loses_no_item),
	TEST(K22_an_end_may_close_within_its_own_callback),
	TEST(K22_a_poll_ends_with_its_budget),
	TEST(K37_a_link_on_a_loop_waits_for_items_and_for_room), TEST_END};
const struct wr_suite wr_suite_queue_kinds = {.name = "queue_kinds", .tests = tests};
