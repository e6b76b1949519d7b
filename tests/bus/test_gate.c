/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/gate.h"

#include "tests/lib/test.h"

#include <string.h>

enum { ROWS = 4, WINDOW = 64 };

static struct wr_slot slots[ROWS];

static struct wr_row
row_of(unsigned i, uint32_t holds)
{
	return (struct wr_row){.node = 10 + i,
		.sub = 1,
		.slot = &slots[i],
		.from = 5,
		.seen = 5,
		.holds = holds,
		.gate = true};
}

/* count rows that may hold two segments each, nobody has said where it stands. */
static void
make(struct wr_gate *gate, unsigned count)
{
	memset(gate, 0, sizeof(*gate));
	memset(slots, 0, sizeof(slots));
	for (unsigned i = 0; i < count; i++) {
		struct wr_row row = row_of(i, 2);

		REQUIRE_EQ(wr_gate_add(gate, &row), 1);
	}
}

static void
say(unsigned i, uint64_t cur)
{
	wr_store_release(test_cur, &slots[i].cur, cur);
}

static void
hold(unsigned i, unsigned k, uint64_t ord)
{
	wr_store_release(test_hold, &slots[i].hold[k], ord);
}

static void
rows_are_keyed(void)
{
	struct wr_gate gate;
	struct wr_row row;

	make(&gate, 3);
	CHECK_EQ(gate.count, 3);
	CHECK_EQ(gate.pins, 3 * 3);
	row = row_of(1, 7);
	CHECK_EQ(wr_gate_add(&gate, &row), 0);
	CHECK_EQ(gate.count, 3);
	CHECK_EQ(gate.pins, 9);
	row.sub = 2;
	CHECK_EQ(wr_gate_add(&gate, &row), 1);
	CHECK_EQ(gate.pins, 9 + 8);
	CHECK(wr_gate_find(&gate, 11, 1) != wr_gate_find(&gate, 11, 2));
	CHECK(!wr_gate_find(&gate, 99, 1));

	CHECK(wr_gate_remove(&gate, 11, 1));
	CHECK(!wr_gate_remove(&gate, 11, 1));
	CHECK_EQ(gate.pins, 9 + 8 - 3);
	CHECK_EQ(gate.left, 1);
	CHECK(wr_gate_find(&gate, 11, 2));
	CHECK(wr_gate_find(&gate, 10, 1));
	CHECK(wr_gate_find(&gate, 12, 1));
	wr_gate_fini(&gate);
}

static void
one_more_than_the_limit_is_refused(void)
{
	struct wr_gate gate = {0};
	struct wr_row row = row_of(0, 1);

	for (uint32_t i = 0; i < WEIR_SUBSCRIBERS_MAX; i++) {
		row.sub = i + 1;
		REQUIRE_EQ(wr_gate_add(&gate, &row), 1);
		REQUIRE_EQ(gate.rows[i].seat, i);
	}
	row.sub = WEIR_SUBSCRIBERS_MAX + 1;
	CHECK_EQ(wr_gate_add(&gate, &row), -WEIR_E_AGAIN_QUOTA);
	CHECK_EQ(gate.count, WEIR_SUBSCRIBERS_MAX);
	CHECK(wr_gate_remove(&gate, row.node, 500));
	CHECK_EQ(wr_gate_add(&gate, &row), 1);
	CHECK_EQ(wr_gate_find(&gate, row.node, row.sub)->seat, 499);
	CHECK_EQ(wr_gate_find(&gate, row.node, WEIR_SUBSCRIBERS_MAX)->seat,
		WEIR_SUBSCRIBERS_MAX - 1);
	wr_gate_fini(&gate);
}

static void
the_slowest_that_gates_is_needed(void)
{
	struct wr_gate gate;

	make(&gate, 3);
	/* Nobody has a cursor yet: they gate where they were told to begin. */
	CHECK_EQ(wr_gate_read(&gate, 9, WINDOW), 5);
	say(0, 8);
	say(1, 7);
	CHECK_EQ(wr_gate_read(&gate, 9, WINDOW), 5);
	say(2, 9);
	CHECK_EQ(wr_gate_read(&gate, 9, WINDOW), 7);
	wr_gate_detach(&gate, wr_gate_find(&gate, 11, 1));
	CHECK_EQ(gate.detached, 1);
	CHECK_EQ(wr_gate_read(&gate, 9, WINDOW), 8);
	wr_gate_detach(&gate, wr_gate_find(&gate, 11, 1));
	CHECK_EQ(gate.detached, 1);
	wr_gate_detach(&gate, wr_gate_find(&gate, 10, 1));
	wr_gate_detach(&gate, wr_gate_find(&gate, 12, 1));
	CHECK_EQ(wr_gate_read(&gate, 12, WINDOW), 12);
	CHECK_EQ(gate.evicted, 0);
	wr_gate_fini(&gate);
}

static void
backwards_is_put_out(void)
{
	struct wr_gate gate;

	make(&gate, 2);
	say(0, 8);
	say(1, 8);
	CHECK_EQ(wr_gate_read(&gate, 9, WINDOW), 8);
	say(0, 7);
	CHECK_EQ(wr_gate_read(&gate, 9, WINDOW), 8);
	CHECK_EQ(gate.evicted, 1);
	CHECK_EQ(gate.detached, 1);
	CHECK(wr_gate_find(&gate, 10, 1)->evicted);
	/* Its words count no more, whatever they say. */
	say(0, 5);
	hold(0, 0, 6);
	CHECK_EQ(wr_gate_read(&gate, 9, WINDOW), 8);
	CHECK(!wr_gate_pins(&gate, 5));
	CHECK(!wr_gate_pins(&gate, 6));
	CHECK_EQ(gate.evicted, 1);
	CHECK(!wr_gate_attach(&gate, wr_gate_find(&gate, 10, 1), 1, 9));
	CHECK(wr_gate_remove(&gate, 10, 1));
	CHECK_EQ(gate.detached, 0);
	wr_gate_fini(&gate);
}

static void
before_its_beginning_is_backwards(void)
{
	struct wr_gate gate;

	make(&gate, 1);
	say(0, 4);
	(void)wr_gate_read(&gate, 9, WINDOW);
	CHECK_EQ(gate.evicted, 1);
	wr_gate_fini(&gate);
}

static void
ahead_is_put_out(void)
{
	struct wr_gate gate;

	make(&gate, 2);
	say(0, 10);
	say(1, 9);
	CHECK_EQ(wr_gate_read(&gate, 9, WINDOW), 9);
	CHECK_EQ(gate.evicted, 1);
	say(1, UINT64_MAX);
	CHECK_EQ(wr_gate_read(&gate, 9, WINDOW), 9);
	CHECK_EQ(gate.evicted, 2);
	wr_gate_fini(&gate);
}

static void
pins_are_respected_gating_or_not(void)
{
	struct wr_gate gate;

	make(&gate, 2);
	say(0, 7);
	hold(0, 1, 6);
	say(1, 9);
	CHECK(wr_gate_pins(&gate, 7));
	CHECK(wr_gate_pins(&gate, 6));
	CHECK(wr_gate_pins(&gate, 9));
	CHECK(!wr_gate_pins(&gate, 8));
	wr_gate_detach(&gate, wr_gate_find(&gate, 10, 1));
	wr_gate_detach(&gate, wr_gate_find(&gate, 11, 1));
	CHECK(wr_gate_pins(&gate, 7));
	CHECK(wr_gate_pins(&gate, 6));
	CHECK(wr_gate_pins(&gate, 9));
	CHECK_EQ(gate.evicted, 0);
	wr_gate_fini(&gate);
}

static void
more_holds_than_granted_is_put_out(void)
{
	struct wr_gate gate;

	make(&gate, 1);
	say(0, 8);
	hold(0, 0, 5);
	hold(0, 1, 6);
	CHECK(wr_gate_pins(&gate, 5));
	CHECK_EQ(gate.evicted, 0);
	hold(0, WEIR_HOLDS_MAX - 1, 7);
	CHECK(!wr_gate_pins(&gate, 5));
	CHECK_EQ(gate.evicted, 1);
	wr_gate_fini(&gate);
}

static void
gates_again_only_in_a_live_segment(void)
{
	struct wr_gate gate;
	struct wr_row *row;

	make(&gate, 1);
	row = wr_gate_find(&gate, 10, 1);
	say(0, 6);
	(void)wr_gate_read(&gate, 9, WINDOW);
	CHECK(!wr_gate_attach(&gate, row, 5, 9)); /* it gates already */
	wr_gate_detach(&gate, row);
	CHECK(!wr_gate_attach(&gate, row, 7, 9));
	CHECK(!row->gate);
	CHECK_EQ(gate.detached, 1);
	CHECK(wr_gate_attach(&gate, row, 6, 9));
	CHECK(row->gate);
	CHECK_EQ(gate.detached, 0);
	CHECK_EQ(wr_gate_read(&gate, 9, WINDOW), 6);
	wr_gate_fini(&gate);
}

/* ---- who blocks ---------------------------------------------------------------------------- */

/* With one segment more it would be more than its quota behind. */
static void
who_lags_by_its_quota_blocks(void)
{
	for (uint32_t quota = 2; quota < 9; quota++)
		for (uint64_t cur = 5; cur <= 12; cur++) {
			struct wr_gate gate;
			struct wr_row *row;

			make(&gate, 1);
			row = wr_gate_find(&gate, 10, 1);
			row->quota = quota;
			say(0, cur);
			CHECK_EQ(wr_gate_read(&gate, 12, WINDOW), cur);
			CHECK_EQ(row->blocks, 12 - cur + 1 >= quota);
			CHECK_EQ(gate.blockers, row->blocks);
			CHECK_EQ(gate.blocked_up_to, row->blocks ? cur : 0);
			CHECK_EQ(row->seen, cur);
			/* Without one of its own it is the window. */
			row->quota = 0;
			(void)wr_gate_read(&gate, 12, quota);
			CHECK_EQ(row->blocks, 12 - cur + 1 >= quota);
			wr_gate_fini(&gate);
		}
}

static void
the_newest_blocker_says_who_is_to_ring(void)
{
	struct wr_gate gate;

	make(&gate, 4);
	wr_gate_find(&gate, 10, 1)->quota = 4;
	wr_gate_find(&gate, 11, 1)->quota = 6;
	wr_gate_find(&gate, 12, 1)->quota = 2;
	say(0, 17); /* 4 of 4 */
	say(1, 14); /* 7 of 6 */
	say(2, 20);
	say(3, 5); /* 16 of 64 */
	CHECK_EQ(wr_gate_read(&gate, 20, WINDOW), 5);
	CHECK_EQ(gate.blockers, 2);
	CHECK_EQ(gate.blocked_up_to, 17);
	CHECK(wr_gate_find(&gate, 10, 1)->blocks && wr_gate_find(&gate, 11, 1)->blocks);
	CHECK(!wr_gate_find(&gate, 12, 1)->blocks && !wr_gate_find(&gate, 13, 1)->blocks);
	/* A read says what is now. */
	say(0, 18);
	say(1, 20);
	(void)wr_gate_read(&gate, 20, WINDOW);
	CHECK_EQ(gate.blockers, 0);
	CHECK_EQ(gate.blocked_up_to, 0);
	wr_gate_fini(&gate);
}

/* Who is not waited for blocks nobody, and neither does who was put out. */
static void
who_does_not_gate_does_not_block(void)
{
	struct wr_gate gate;

	make(&gate, 3);
	say(0, 5);
	say(1, 6);
	say(2, 8);
	(void)wr_gate_read(&gate, 8, 3);
	CHECK_EQ(gate.blockers, 2);
	wr_gate_detach(&gate, wr_gate_find(&gate, 10, 1));
	CHECK(!wr_gate_find(&gate, 10, 1)->blocks);
	(void)wr_gate_read(&gate, 8, 3);
	CHECK_EQ(gate.blockers, 1);
	CHECK_EQ(gate.blocked_up_to, 6);
	say(1, 4);
	CHECK_EQ(wr_gate_read(&gate, 8, 3), 8);
	CHECK_EQ(gate.evicted, 1);
	CHECK_EQ(gate.blockers, 0);
	CHECK(!wr_gate_find(&gate, 11, 1)->blocks);
	/* Its cursor is read on all the same: where it stands decides whether it returns. */
	say(0, 7);
	(void)wr_gate_read(&gate, 8, 3);
	CHECK_EQ(wr_gate_find(&gate, 10, 1)->seen, 7);
	wr_gate_fini(&gate);
}

static void
progress_is_read_of_who_gates(void)
{
	struct wr_gate gate;

	make(&gate, 2);
	wr_stat_set(&slots[0].passed, 11);
	wr_stat_set(&slots[1].passed, 12);
	wr_gate_detach(&gate, wr_gate_find(&gate, 11, 1));
	wr_gate_read_progress(&gate);
	CHECK_EQ(wr_gate_find(&gate, 10, 1)->progress, 11);
	CHECK_EQ(wr_gate_find(&gate, 11, 1)->progress, 0);
	wr_gate_fini(&gate);
}

/* Rows that are admitted detached, as who comes from far behind, are counted as such. */
static void
a_row_may_begin_detached(void)
{
	struct wr_gate gate;
	struct wr_row late = row_of(3, 1);

	make(&gate, 1);
	late.gate = false;
	CHECK_EQ(wr_gate_add(&gate, &late), 1);
	CHECK_EQ(gate.detached, 1);
	say(0, 9);
	CHECK_EQ(wr_gate_read(&gate, 9, WINDOW), 9);
	say(3, 9);
	CHECK_EQ(wr_gate_read(&gate, 9, WINDOW), 9);
	CHECK(wr_gate_attach(&gate, wr_gate_find(&gate, 13, 1), 7, 9));
	CHECK_EQ(gate.detached, 0);
	CHECK(wr_gate_remove(&gate, 13, 1));
	CHECK_EQ(gate.detached, 0);
	CHECK_EQ(gate.pins, 3);
	wr_gate_fini(&gate);
}

static const struct wr_test tests[] = {TEST(rows_are_keyed),
	TEST(one_more_than_the_limit_is_refused),
	TEST(the_slowest_that_gates_is_needed), TEST(backwards_is_put_out),
	TEST(before_its_beginning_is_backwards), TEST(ahead_is_put_out),
	TEST(pins_are_respected_gating_or_not), TEST(more_holds_than_granted_is_put_out),
	TEST(gates_again_only_in_a_live_segment), TEST(who_lags_by_its_quota_blocks),
	TEST(the_newest_blocker_says_who_is_to_ring),
	TEST(who_does_not_gate_does_not_block), TEST(progress_is_read_of_who_gates),
	TEST(a_row_may_begin_detached), TEST_END};
const struct wr_suite wr_suite_gate = {.name = "gate", .tests = tests, .labels = "input"};
