/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* K21: a round that is laid down beforehand. */
#include "scheduler/table.h"

#include <math.h>
#include <weir/error.h>

#include "tests/lib/test.h"
#include "tests/scheduler/rig.h"

static struct rig rig;

static void
make(void)
{
	rig_make(&rig, RIG_TABLE, rig_table, rig_weights, RIG_CLASSES);
}

/* Tijdeman's bound: nobody is ever further than 1 - 1/(2n - 2) polls from its share. */
static void
nobody_is_a_poll_from_its_share(void)
{
	unsigned had[RIG_MAX] = {0};
	double worst = 0;

	make();
	CHECK_EQ(rig.is.table.length, 239);
	for (unsigned now = 1; now <= 3 * 239; now++) {
		had[rig_poll(&rig, 1)]++;
		for (unsigned i = 0; i < rig.n; i++) {
			double off = fabs(now * rig_weight(&rig, i) / 239.0 - had[i]);

			worst = off > worst ? off : worst;
		}
	}
	CHECK(worst <= 1 - 1 / 94.0 + 1e-9);
	wr_test_note("at most %.4f polls from its share; the bound is %.4f", worst,
		1 - 1 / 94.0);
}

static void
rounds_are_the_same(void)
{
	int first[239];

	make();
	for (int p = 0; p < 239; p++)
		first[p] = rig_poll(&rig, 1);
	for (int p = 0; p < 10 * 239; p++)
		CHECK_EQ(rig_poll(&rig, 1), first[p % 239]);
}

/* Who is idle is passed over, and the others keep their order. */
static void
idle_places_are_passed_over(void)
{
	unsigned had[RIG_MAX] = {0};

	make();
	for (unsigned i = 0; i < 9; i++)
		rig.ready[i] = false;
	for (int p = 0; p < 149; p++)
		had[rig_poll(&rig, 1)]++;
	for (unsigned i = 0; i < rig.n; i++)
		CHECK_EQ(had[i], i < 9 ? 0 : rig_weight(&rig, i));
}

/* Who came later has no place, and is polled once a round. */
static void
a_guest_is_polled_once_a_round(void)
{
	struct wr_turn guests[2];
	unsigned visits[2] = {0}, others = 0;

	make();
	for (int i = 0; i < 2; i++) {
		wr_turn_init(&guests[i], 5);
		wr_select_add(rig.select, &guests[i]);
	}
	for (int p = 0; p < 10 * 240; p++) {
		struct wr_turn *turn = wr_select_next(rig.select);

		if (turn == &guests[0] || turn == &guests[1])
			visits[turn - guests]++;
		else
			others++;
		wr_select_put(rig.select, turn, 1);
	}
	CHECK_EQ(visits[0], 5);
	CHECK_EQ(visits[1], 5);
	CHECK_EQ(others, 2390);
	for (unsigned i = 0; i < rig.n; i++)
		wr_select_remove(rig.select, &rig.turns[i]);
	CHECK(wr_select_next(rig.select) == &guests[0]);
	wr_select_rest(rig.select, &guests[0]);
	wr_select_remove(rig.select, &guests[1]);
	CHECK(wr_select_next(rig.select) == NULL);
}

static void
what_does_not_fit_is_refused(void)
{
	struct wr_turn *places[8], turns[3];
	struct wr_turn *const all[3] = {&turns[0], &turns[1], &turns[2]};
	struct wr_table table;

	wr_table_init(&table, places, 8);
	for (int i = 0; i < 3; i++)
		wr_turn_init(&turns[i], 3);
	CHECK_EQ(wr_table_fill(&table, all, 3), -WEIR_E_AGAIN_QUOTA);
	CHECK_EQ(turns[0].seat, 0);
	CHECK_EQ(wr_table_fill(&table, all, 2), 0);
	CHECK_EQ(wr_table_fill(&table, all, 0), 0);
	CHECK(wr_select_next(&table.select) == NULL);
}

static const struct wr_test tests[] = {
	TEST(nobody_is_a_poll_from_its_share),
	TEST(rounds_are_the_same),
	TEST(idle_places_are_passed_over),
	TEST(a_guest_is_polled_once_a_round),
	TEST(what_does_not_fit_is_refused, .labels = "input"),
	TEST_END,
};

const struct wr_suite wr_suite_table = {.name = "table", .tests = tests};
