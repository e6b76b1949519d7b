/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* K32: a stream that writes over its oldest, at the moments that threads meet. */
#include "scheduler/lossy.h"

#include "tests/lib/test.h"

enum { PLACES = 8 };

static struct wr_lossy ring;
static struct wr_cursor cursor;

static void
make(void)
{
	cursor = (struct wr_cursor){0};
	REQUIRE_EQ(wr_lossy_init(&ring, 8, PLACES), 0);
}

static void
put(uint64_t from, uint64_t to)
{
	for (; from < to; from++)
		wr_lossy_put(&ring, &from);
}

/* The next item and what was lost before it; UINT64_MAX if there is none. */
static uint64_t
take(uint64_t *lost)
{
	uint64_t item;

	*lost = 0;
	if (!wr_lossy_read(&ring, &cursor, &item, lost))
		return UINT64_MAX;
	wr_fifo_pass(&cursor);
	return item;
}

static wr_a64 *
number_of(uint64_t pos)
{
	return &ring.places[pos % PLACES * 2];
}

static void
K32_exactly_the_newest_are_kept(void)
{
	uint64_t lost;

	for (uint64_t over = 0; over < 20; over++) {
		make();
		put(0, PLACES + over);
		CHECK_EQ(wr_lossy_waiting(&ring, &cursor, &lost), PLACES);
		CHECK_EQ(lost, over);
		for (uint64_t n = over; n < PLACES + over; n++) {
			CHECK_EQ(take(&lost), n);
			CHECK_EQ(lost, n == over ? over : 0);
		}
		CHECK_EQ(take(&lost), UINT64_MAX);
		CHECK_EQ(lost, 0);
		wr_lossy_fini(&ring);
	}
}

/* The producer has stored the number and not yet the head, and the consumer is quick. */
static void
K32_an_item_may_be_seen_before_its_head(void)
{
	uint64_t lost;

	make();
	put(0, 3);
	wr_stat_set(&ring.head, 2);
	for (uint64_t n = 0; n < 3; n++) {
		CHECK_EQ(take(&lost), n);
		CHECK_EQ(lost, 0);
	}
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(take(&lost), UINT64_MAX);
		CHECK_EQ(lost, 0);
		CHECK_EQ(wr_lossy_waiting(&ring, &cursor, &lost), 0);
		CHECK_EQ(lost, 0);
	}
	wr_stat_set(&ring.head, 3);
	put(3, 4);
	CHECK_EQ(take(&lost), 3);
	CHECK_EQ(lost, 0);
	wr_lossy_fini(&ring);
}

/* The producer stands within an item. */
static void
K32_an_item_that_is_being_written_is_not_read(void)
{
	uint64_t lost;

	make();
	put(0, 2);
	wr_stat_set(number_of(2), 0); /* it begins with number 2, */
	CHECK_EQ(take(&lost), 0);
	CHECK_EQ(take(&lost), 1);
	CHECK_EQ(take(&lost), UINT64_MAX);
	put(2, PLACES + 2);
	wr_stat_set(number_of(PLACES + 2), 0); /* and with what lies where 2 did */
	CHECK_EQ(take(&lost), 3);
	CHECK_EQ(lost, 1);
	wr_lossy_fini(&ring);
}

/* Who is overtaken in the middle of everything tries newer ones, and gives up in the end. */
static void
K32_who_finds_nothing_whole_gives_up(void)
{
	uint64_t lost;

	make();
	put(0, 2 * PLACES);
	for (uint64_t n = PLACES; n < 2 * PLACES - 1; n++)
		wr_stat_set(number_of(n), 0);
	CHECK_EQ(take(&lost), 2 * PLACES - 1);
	CHECK_EQ(lost, 2 * PLACES - 1);
	put(2 * PLACES, 3 * PLACES);
	for (uint64_t n = 0; n < PLACES; n++)
		wr_stat_set(number_of(n), 0);
	CHECK_EQ(take(&lost), UINT64_MAX);
	CHECK_EQ(wr_stat_get(&cursor.pos), 2 * PLACES + lost);
	wr_lossy_fini(&ring);
}

static const struct wr_test tests[] = {TEST(K32_exactly_the_newest_are_kept),
	TEST(K32_an_item_may_be_seen_before_its_head),
	TEST(K32_an_item_that_is_being_written_is_not_read),
	TEST(K32_who_finds_nothing_whole_gives_up), TEST_END};
const struct wr_suite wr_suite_lossy = {.name = "lossy", .tests = tests};
