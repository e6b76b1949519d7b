/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Class round robin, beyond the table of test_select (K2). */
#include "scheduler/classes.h"

#include "tests/lib/test.h"
#include "tests/scheduler/rig.h"

enum { ROUND = 239 };

static struct rig rig;

static void
make(void)
{
	rig_make(&rig, RIG_CLASS, rig_table, rig_weights, RIG_CLASSES);
}

/* What is emptied keeps no balance: it begins again as it began. */
static void
an_emptied_class_keeps_nothing(void)
{
	int first[ROUND];

	make();
	for (int p = 0; p < ROUND; p++)
		first[p] = rig_poll(&rig, 1);
	for (int p = 0; p < 100; p++)
		(void)rig_poll(&rig, 1);
	for (unsigned i = 0; i < rig.n; i++)
		wr_select_remove(rig.select, &rig.turns[i]);
	CHECK_EQ(rig.is.classes.busy, 0);
	for (unsigned i = 0; i < rig.n; i++)
		wr_select_add(rig.select, &rig.turns[i]);
	for (int p = 0; p < ROUND; p++)
		CHECK_EQ(rig_poll(&rig, 1), first[p]);
}

/* A weight that changes moves its consumer to another class, at once and wherever it is. */
static void
a_new_weight_is_another_class(void)
{
	unsigned had = 0;
	int i;

	make();
	wr_select_weigh(rig.select, &rig.turns[0], 64, WR_FACTOR_100);
	CHECK_EQ(wr_select_round(rig.select), 4 * (ROUND - 10 + 64));
	for (int p = 0; p < ROUND - 10 + 64; p++)
		had += rig_poll(&rig, 1) == 0;
	CHECK_EQ(had, 64);
	i = rig_next(&rig);
	wr_select_weigh(rig.select, &rig.turns[i], 2, WR_FACTOR_100);
	wr_select_put(rig.select, &rig.turns[i], 1);
	had = 0;
	for (unsigned p = 0; p < 10 * wr_select_round(rig.select) / 4; p++)
		had += rig_poll(&rig, 1) == i;
	CHECK(had >= 19 && had <= 21);
}

static const struct wr_test tests[] = {
	TEST(an_emptied_class_keeps_nothing),
	TEST(a_new_weight_is_another_class),
	TEST_END,
};

const struct wr_suite wr_suite_classes = {.name = "classes", .tests = tests};
