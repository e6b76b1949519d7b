/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* K3: groups in groups. A share is the product of the shares on the way to it. */
#include "scheduler/tree.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/test.h"

enum { GROUPS = 8, LEAVES = 12 };

static struct wr_tree tree;
static struct wr_group groups[GROUPS];
static struct wr_turn leaves[LEAVES];
static bool ready[LEAVES];
static unsigned had[LEAVES];

static void
make(void)
{
	memset(ready, 0, sizeof(ready));
	wr_tree_init(&tree, groups, GROUPS);
}

static void
grow(unsigned leaf, int group, unsigned weight)
{
	REQUIRE(group >= 0);
	wr_turn_init(&leaves[leaf], weight);
	wr_tree_place(&tree, &leaves[leaf], (uint32_t)group);
	ready[leaf] = true;
	wr_select_add(&tree.select, &leaves[leaf]);
}

static int
poll_one(void)
{
	struct wr_turn *turn;

	while ((turn = wr_select_next(&tree.select))) {
		long i = turn - leaves;

		if (ready[i]) {
			wr_select_put(&tree.select, turn, 1);
			return (int)i;
		}
		wr_select_rest(&tree.select, turn);
	}
	return -1;
}

static void
count(unsigned polls)
{
	memset(had, 0, sizeof(had));
	for (unsigned p = 0; p < polls; p++) {
		int i = poll_one();

		REQUIRE(i >= 0);
		had[i]++;
	}
}

static void
check_had(unsigned leaf, unsigned want)
{
	if (abs((int)had[leaf] - (int)want) > 1)
		FAIL("leaf %u: %u polls, not %u to within one", leaf, had[leaf], want);
}

/* Two groups of 3 and 1; in the first 2 and 1, in the second 1, 1 and 4: a round of 24. */
static void
two_levels(void)
{
	int a, b;

	make();
	a = wr_tree_group(&tree, WR_TREE_ROOT, 3);
	b = wr_tree_group(&tree, WR_TREE_ROOT, 1);
	grow(0, a, 2);
	grow(1, a, 1);
	grow(2, b, 1);
	grow(3, b, 1);
	grow(4, b, 4);
}

/* K3 */
static void
K3_a_share_is_a_product(void)
{
	two_levels();
	for (int round = 0; round < 100; round++) {
		count(24);
		check_had(0, 12);
		check_had(1, 6);
		check_had(2, 1);
		check_had(3, 1);
		check_had(4, 4);
	}
	count(24000);
	check_had(0, 12000);
	check_had(1, 6000);
	check_had(2, 1000);
	check_had(3, 1000);
	check_had(4, 4000);
}

static void
K3_three_levels_and_leaves_beside_groups(void)
{
	int a, b;

	make();
	a = wr_tree_group(&tree, WR_TREE_ROOT, 2);
	b = wr_tree_group(&tree, (uint32_t)a, 3);
	grow(0, WR_TREE_ROOT, 2);
	grow(1, a, 1);
	grow(2, b, 1);
	grow(3, b, 5);
	/* 1/2, then 1/2 * 1/4, then 1/2 * 3/4 * 1/6 and 5/6: of 48 polls */
	count(4800);
	check_had(0, 2400);
	check_had(1, 600);
	check_had(2, 300);
	check_had(3, 1500);
}

/* What an idle member leaves goes to its own group first; a group without anybody costs
 * nothing. */
static void
K3_a_group_keeps_its_share(void)
{
	two_levels();
	count(24);
	ready[0] = false;
	count(10);
	count(2400);
	CHECK_EQ(had[0], 0);
	check_had(1, 1800);
	check_had(4, 400);
	ready[1] = false;
	count(10);
	count(600);
	check_had(2, 100);
	check_had(4, 400);
	CHECK_EQ(tree.select.count, 3);
	ready[0] = ready[1] = true;
	wr_select_add(&tree.select, &leaves[0]);
	wr_select_add(&tree.select, &leaves[1]);
	count(24);
	count(2400);
	check_had(0, 1200);
	check_had(1, 600);
}

/* A group of members that work seldom is not charged for finding them idle. */
static void
K3_looks_are_not_charged(void)
{
	two_levels();
	memset(had, 0, sizeof(had));
	for (int p = 0; p < 4000; p++) {
		int i;

		/* Each member of the first group is idle after each of its polls, until the
		 * other one has been polled. */
		i = poll_one();
		REQUIRE(i >= 0);
		had[i]++;
		if (i < 2) {
			ready[i] = false;
			ready[1 - i] = true;
			wr_select_add(&tree.select, &leaves[1 - i]);
		}
	}
	check_had(2, 4000 / 24);
	CHECK(abs((int)(had[0] + had[1]) - 3000) <= 2);
}

static void
groups_have_weights_of_their_own(void)
{
	two_levels();
	count(24);
	wr_tree_weigh(&tree, 1, 1);
	wr_tree_weigh(&tree, 99, 1);
	count(24);
	count(1200);
	check_had(0, 400);
	check_had(1, 200);
	check_had(4, 400);
}

/* One that is out is removed, and one of its brothers while it is out. */
static void
who_is_out_may_leave(void)
{
	struct wr_turn *turn;

	two_levels();
	turn = wr_select_next(&tree.select);
	REQUIRE(turn == &leaves[0] || turn == &leaves[1]);
	wr_select_remove(&tree.select, &leaves[turn == &leaves[0]]);
	wr_select_remove(&tree.select, turn);
	count(600);
	check_had(2, 100);
	check_had(4, 400);
	for (int i = 2; i < 5; i++)
		wr_select_remove(&tree.select, &leaves[i]);
	CHECK_EQ(tree.select.count, 0);
	CHECK(wr_select_next(&tree.select) == NULL);
	wr_select_add(&tree.select, &leaves[0]);
	CHECK_EQ(poll_one(), 0);
}

static void
a_group_that_cannot_be_is_refused(void)
{
	struct wr_turn turn;

	make();
	CHECK_EQ(wr_tree_group(&tree, 1, 1), -1);
	for (int i = 1; i < GROUPS; i++)
		CHECK_EQ(wr_tree_group(&tree, WR_TREE_ROOT, 1), i);
	CHECK_EQ(wr_tree_group(&tree, WR_TREE_ROOT, 1), -1);
	wr_turn_init(&turn, 3);
	wr_tree_place(&tree, &turn, GROUPS);
	CHECK_EQ(turn.seat, WR_TREE_ROOT);
}

static const struct wr_test tests[] = {
	TEST(K3_a_share_is_a_product),
	TEST(K3_three_levels_and_leaves_beside_groups),
	TEST(K3_a_group_keeps_its_share),
	TEST(K3_looks_are_not_charged),
	TEST(groups_have_weights_of_their_own),
	TEST(who_is_out_may_leave),
	TEST(a_group_that_cannot_be_is_refused, .labels = "input"),
	TEST_END,
};

const struct wr_suite wr_suite_tree = {.name = "tree", .tests = tests};
