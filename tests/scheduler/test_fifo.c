/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* K29, K32: a stream with cursors: what it asks of memory, and how often it looks. */
#include "scheduler/fifo.h"

#include "tests/lib/test.h"

enum { CONSUMERS = 3 };

static struct wr_fifo fifo;
static struct wr_cursor cursors[CONSUMERS];
static wr_a64 members;

static void
make(bool growable, uint64_t capacity, uint32_t consumers)
{
	const struct wr_fifo_shape shape = {.item = 8,
		.capacity = capacity,
		.growable = growable,
		.consumers = consumers,
		.members = consumers > 1 ? &members : NULL,
		.fenced = true};

	wr_stat_set(&members, 0);
	REQUIRE_EQ(wr_fifo_init(&fifo, &shape, cursors), 0);
}

static int
put(uint64_t n)
{
	void *item;
	int rc = wr_fifo_claim(&fifo, &item);

	if (rc < 0)
		return rc;
	*(uint64_t *)item = n;
	wr_fifo_put(&fifo);
	return 0;
}

static void
take(unsigned consumer, uint64_t n)
{
	const uint64_t *item = wr_fifo_peek(&fifo, &cursors[consumer]);

	REQUIRE(item != NULL);
	CHECK_EQ(*item, n);
	wr_fifo_pass(&cursors[consumer]);
}

/* The other side's word is looked at only when what was known of it is used up. */
static void
K29_each_side_looks_once_for_many_items(void)
{
	make(false, 64, 1);
	for (uint64_t n = 0; n < 64; n++)
		CHECK_EQ(put(n), 0);
	CHECK_EQ(fifo.gate, 0);
	take(0, 0);
	CHECK_EQ(cursors[0].head, 64);
	for (uint64_t n = 1; n < 64; n++)
		take(0, n);
	CHECK_EQ(put(64), 0);
	CHECK_EQ(fifo.gate, 64);
	for (uint64_t n = 65; n < 128; n++)
		CHECK_EQ(put(n), 0);
	CHECK_EQ(fifo.gate, 64);
	wr_fifo_fini(&fifo);
}

/* A few items at a time walk through two segments, however long. */
static void
K32_a_growable_uses_its_segments_again(void)
{
	uint64_t segment;

	make(true, 1 << 20, 1);
	CHECK_EQ(wr_fifo_bytes(&fifo), 0);
	CHECK_EQ(put(0), 0);
	segment = wr_fifo_bytes(&fifo);
	take(0, 0);
	for (uint64_t n = 1; n < 100000; n++) {
		CHECK_EQ(put(n), 0);
		take(0, n);
	}
	CHECK(wr_fifo_bytes(&fifo) <= 2 * segment);
	wr_fifo_fini(&fifo);
}

/* Up to its limit and not an item further; then through all of them again. */
static void
K32_a_growable_grows_up_to_its_limit(void)
{
	static const uint64_t limits[] = {1, 15, 16, 17, 2047, 2048, 2049, 10000};

	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		uint64_t in = 0, out = 0;

		make(true, limits[i], 1);
		for (int lap = 0; lap < 4; lap++) {
			while (in - out < limits[i])
				CHECK_EQ(put(in++), 0);
			CHECK_EQ(put(in), -WEIR_E_AGAIN_FULL);
			CHECK_EQ(wr_fifo_waiting(&fifo, &cursors[0]), limits[i]);
			for (uint64_t k = 0; k < limits[i] * 2 / 3 + 1; k++)
				take(0, out++);
		}
		/* The table is an entry for each segment, and no segment is too many. */
		CHECK(wr_stat_get(&fifo.segments) <= (limits[i] >> fifo.segment_bits) + 2);
		wr_fifo_fini(&fifo);
	}
}

/* A claim that is given up and made again begins no second segment. */
static void
K32_a_claim_made_twice_begins_one_segment(void)
{
	void *a = NULL, *b = NULL;

	make(true, 1000, 1);
	CHECK_EQ(wr_fifo_claim(&fifo, &a), 0);
	CHECK_EQ(wr_fifo_claim(&fifo, &b), 0);
	CHECK(a == b);
	CHECK_EQ(wr_stat_get(&fifo.segments), 1);
	wr_fifo_fini(&fifo);
}

/* K31: only who is a member gates, and nobody at all is no gate. */
static void
K31_the_slowest_member_gates(void)
{
	uint64_t n;

	make(false, 4, CONSUMERS);
	for (n = 0; n < 10; n++)
		CHECK_EQ(put(n), 0);
	for (unsigned i = 0; i < 2; i++) {
		wr_fifo_join_at(&fifo, &cursors[i]);
		wr_stat_set(&members, wr_stat_get(&members) | 1u << i);
		wr_fifo_join_from(&fifo, &cursors[i]);
		CHECK(wr_fifo_peek(&fifo, &cursors[i]) == NULL);
	}
	while (put(n) == 0)
		n++;
	CHECK_EQ(n, 14);
	for (uint64_t k = 10; k < 14; k++)
		take(0, k);
	CHECK_EQ(put(n), -WEIR_E_AGAIN_FULL);
	take(1, 10);
	CHECK_EQ(put(n), 0);
	CHECK_EQ(put(n + 1), -WEIR_E_AGAIN_FULL);
	wr_stat_set(&members, 1);
	CHECK_EQ(put(n + 1), 0);
	wr_fifo_fini(&fifo);
}

/* K31: between its first look and the moment that it counts, the producer goes on. */
static void
K31_what_is_put_while_somebody_joins(void)
{
	uint64_t n;

	make(false, 4, CONSUMERS);
	CHECK_EQ(put(0), 0);
	wr_fifo_join_at(&fifo, &cursors[0]);
	for (n = 1; n < 10; n++)
		CHECK_EQ(put(n), 0);
	wr_stat_set(&members, 1);
	wr_fifo_join_from(&fifo, &cursors[0]);
	while (put(n) == 0)
		n++;
	CHECK_EQ(n, 14);
	for (uint64_t k = 10; k < 14; k++)
		take(0, k);
	wr_fifo_fini(&fifo);
}

static const struct wr_test tests[] = {TEST(K29_each_side_looks_once_for_many_items),
	TEST(K32_a_growable_uses_its_segments_again),
	TEST(K32_a_growable_grows_up_to_its_limit),
	TEST(K32_a_claim_made_twice_begins_one_segment),
	TEST(K31_the_slowest_member_gates), TEST(K31_what_is_put_while_somebody_joins),
	TEST_END};
const struct wr_suite wr_suite_fifo = {.name = "fifo", .tests = tests};
