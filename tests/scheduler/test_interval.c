/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Interval timers beside the simplest thing that does the same. Rows K9, K38, K39, K40. */
#include "scheduler/interval.h"

#include "tests/lib/dice.h"
#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>
#include <weir/error.h>

#define MS 1000000ull
#define S  1000000000ull

static struct wr_intervals all;
static uint64_t seed;

static uint64_t
rnd(uint64_t below)
{
	return wr_dice_roll(&seed, below);
}

static void
make(void)
{
	wr_intervals_init(&all);
	seed = WR_DICE_SEED;
}

/* ---- catching up ----------------------------------------------------------------------------- */

static void
K39_the_next_time_keeps_the_phase(void)
{
	/* Last, now, period: next. */
	static const uint64_t vectors[][4] = {{1, 2, 10, 11}, {7777, 7788, 100, 7877},
		{1, 1000, 10, 1001}, {7777, 8888, 100, 8977}, {1, 10000, 2100, 10501},
		/* And at the edges: exactly due, and exactly a period late. */
		{10, 10, 10, 20}, {10, 19, 10, 20}, {10, 20, 10, 30}, {10, 5, 10, 20}};

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		uint64_t next = 0, missed = 99;

		CHECK(wr_interval_after(
			vectors[i][0], vectors[i][1], vectors[i][2], &next, &missed));
		CHECK_EQ(next, vectors[i][3]);
		CHECK_EQ(missed, (next - vectors[i][0]) / vectors[i][2] - 1);
	}
}

static void
K39_does_not_skip_2_to_the_32(void)
{
	uint64_t next = 1, missed = 2, late = 1ull << 32;

	CHECK(wr_interval_after(5, 5 + late - 1, 1, &next, &missed));
	CHECK_EQ(missed, UINT32_MAX);
	CHECK_EQ(next, 5 + late);
	next = 1;
	CHECK(!wr_interval_after(5, 5 + late, 1, &next, &missed));
	CHECK_EQ(next, 1);
	CHECK(!wr_interval_after(5, 6, 0, &next, &missed));
	/* In a list the period begins anew. */
	struct wr_interval one = {0};
	struct wr_interval_due due[2];

	make();
	REQUIRE_EQ(wr_intervals_arm(&all, &one, 5, 1, WR_INTERVAL_SKIP), 0);
	REQUIRE_EQ(wr_intervals_expire(&all, 5 + late, due, 2), 1);
	CHECK_EQ(due[0].missed, UINT32_MAX);
	CHECK_EQ(one.at_ns, 5 + late + 1);
}

static void
K39_who_is_late_follows_its_rule(void)
{
	struct wr_interval skip = {0}, coalesce = {0}, burst = {0};
	struct wr_interval_due due[16];
	unsigned count[3] = {0};

	make();
	REQUIRE_EQ(wr_intervals_arm(&all, &skip, 10, 10, WR_INTERVAL_SKIP), 0);
	REQUIRE_EQ(wr_intervals_arm(&all, &coalesce, 10, 10, WR_INTERVAL_COALESCE), 0);
	REQUIRE_EQ(wr_intervals_arm(&all, &burst, 10, 10, WR_INTERVAL_BURST), 0);
	unsigned fired = wr_intervals_expire(&all, 45, due, 16);

	REQUIRE_EQ(fired, 6);
	for (unsigned i = 0; i < fired; i++) {
		if (due[i].interval == &burst) {
			CHECK_EQ(due[i].missed, 0);
			CHECK_EQ(due[i].at_ns, 10 + 10 * count[2]);
			count[2]++;
		} else {
			CHECK_EQ(due[i].missed, 3);
			CHECK_EQ(due[i].at_ns, 10);
			count[due[i].interval == &coalesce]++;
		}
	}
	CHECK_EQ(count[0], 1);
	CHECK_EQ(count[1], 1);
	CHECK_EQ(count[2], 4);
	CHECK_EQ(skip.at_ns, 50);
	CHECK_EQ(coalesce.at_ns, 50);
	CHECK_EQ(burst.at_ns, 50);
	CHECK_EQ(wr_intervals_next_ns(&all), 50);
}

/* ---- lists ------------------------------------------------------------------------------------- */

/* One move for each firing: nobody looks for a place while all come in time. */
static void
K39_a_list_fires_in_order_with_one_move_each(void)
{
	enum { MANY = 1000, ROUNDS = 50 };
	static struct wr_interval many[MANY];
	struct wr_interval_due due[64];
	uint64_t last = 0;
	unsigned came = 0;

	make();
	for (unsigned i = 0; i < MANY; i++) {
		many[i].user = i;
		REQUIRE_EQ(wr_intervals_arm(
				   &all, &many[i], MS + i * 1000, MS, WR_INTERVAL_SKIP),
			0);
	}
	CHECK_EQ(all.steps, 0);
	for (uint64_t now = MS; now < (ROUNDS + 1) * MS; now += 1000) {
		unsigned fired;

		do {
			fired = wr_intervals_expire(&all, now, due, 64);
			for (unsigned i = 0; i < fired; i++) {
				CHECK_EQ(due[i].interval->user, came % MANY);
				CHECK(due[i].at_ns >= last && due[i].at_ns <= now);
				CHECK_EQ(due[i].at_ns,
					(1 + came / MANY) * MS + came % MANY * 1000);
				last = due[i].at_ns;
				came++;
			}
		} while (fired == 64);
	}
	CHECK_EQ(came, MANY * ROUNDS);
	CHECK_EQ(all.steps, 0);
}

/* All are late by more than a period: who lies before the present in the period comes
 * first from then on, and looking for that place is done once. */
static void
K39_a_late_list_is_in_order_again(void)
{
	enum { MANY = 1000 };
	static struct wr_interval many[MANY];
	struct wr_interval_due due[MANY];
	uint64_t last = 0;

	make();
	for (unsigned i = 0; i < MANY; i++)
		REQUIRE_EQ(wr_intervals_arm(
				   &all, &many[i], MS + i * 1000, MS, WR_INTERVAL_SKIP),
			0);
	REQUIRE_EQ(wr_intervals_expire(&all, 20 * MS + 400500, due, MANY), MANY);
	CHECK(all.steps <= MANY);
	CHECK_EQ(wr_intervals_next_ns(&all), 20 * MS + 401000);
	REQUIRE_EQ(wr_intervals_expire(&all, 21 * MS + 400500, due, MANY), MANY);
	for (unsigned i = 0; i < MANY; i++) {
		CHECK(due[i].at_ns > last);
		CHECK_EQ(due[i].missed, 0);
		last = due[i].at_ns;
	}
}

static void
K40_refuses_what_it_cannot_hold(void)
{
	struct wr_interval some[WR_INTERVAL_LISTS + 2];

	memset(some, 0, sizeof(some));
	make();
	CHECK_EQ(wr_intervals_next_ns(&all), UINT64_MAX);
	CHECK_EQ(wr_intervals_arm(&all, &some[0], 0, 0, WR_INTERVAL_SKIP),
		-WEIR_E_USAGE_INVAL);
	CHECK_EQ(wr_intervals_arm(&all, &some[0], 0, 1, WR_INTERVAL_RULES),
		-WEIR_E_USAGE_INVAL);
	for (unsigned i = 0; i < WR_INTERVAL_LISTS; i++)
		REQUIRE_EQ(wr_intervals_arm(&all, &some[i], i, i + 1, WR_INTERVAL_SKIP),
			0);
	CHECK_EQ(wr_intervals_arm(&all, &some[0], 0, 1, WR_INTERVAL_SKIP),
		-WEIR_E_USAGE_INVAL);
	CHECK_EQ(wr_intervals_arm(&all, &some[WR_INTERVAL_LISTS], 0, 77, WR_INTERVAL_SKIP),
		-WEIR_E_AGAIN_QUOTA);
	/* An old period has its list; an empty list makes room for a new one. */
	CHECK_EQ(wr_intervals_arm(&all, &some[WR_INTERVAL_LISTS], 0, 5, WR_INTERVAL_SKIP),
		0);
	CHECK(wr_intervals_cancel(&all, &some[9]));
	CHECK(!wr_intervals_cancel(&all, &some[9]));
	CHECK_EQ(wr_intervals_arm(&all, &some[9], 3, 77, WR_INTERVAL_BURST), 0);
}

/* At the end of time: nothing that is not there fires, and nothing overflows. */
static void
K39_the_end_of_time(void)
{
	struct wr_interval one = {0};
	struct wr_interval_due due[4];

	make();
	CHECK_EQ(wr_intervals_expire(&all, UINT64_MAX, due, 4), 0);
	REQUIRE_EQ(wr_intervals_arm(&all, &one, UINT64_MAX, UINT64_MAX, WR_INTERVAL_SKIP),
		0);
	CHECK_EQ(wr_intervals_expire(&all, UINT64_MAX - 2, due, 4), 0);
	CHECK(wr_intervals_expire(&all, UINT64_MAX, due, 4) >= 1);
	CHECK(wr_intervals_cancel(&all, &one));
	CHECK_EQ(wr_intervals_expire(&all, UINT64_MAX, due, 4), 0);
	CHECK_EQ(wr_intervals_next_ns(&all), UINT64_MAX);
}

/* ---- beside a table ------------------------------------------------------------------------------- */

enum { MODEL = 60, OPS = 120000 };

struct model {
	bool armed;
	uint64_t at_ns, period_ns;
	enum wr_interval_rule rule;
};

static struct wr_interval intervals[MODEL];
static struct model models[MODEL];
static uint64_t now;

static void
arm_or_cancel(unsigned i)
{
	struct model *m = &models[i];

	if (m->armed) {
		CHECK(wr_intervals_cancel(&all, &intervals[i]));
		m->armed = false;
		return;
	}
	m->period_ns = 1 + rnd(5) * 1000;
	m->rule = (enum wr_interval_rule)rnd(WR_INTERVAL_RULES);
	m->at_ns = now + rnd(rnd(2) ? m->period_ns : 20000);
	m->armed = true;
	intervals[i].user = i;
	CHECK_EQ(wr_intervals_arm(&all, &intervals[i], m->at_ns, m->period_ns, m->rule),
		0);
}

static uint64_t
model_next(void)
{
	uint64_t next = UINT64_MAX;

	for (unsigned i = 0; i < MODEL; i++)
		if (models[i].armed && models[i].at_ns < next)
			next = models[i].at_ns;
	return next;
}

static void
fire(void)
{
	struct wr_interval_due due[MODEL];
	unsigned most = 1 + (unsigned)rnd(MODEL);
	unsigned fired = wr_intervals_expire(&all, now, due, most);

	for (unsigned i = 0; i < fired; i++) {
		struct model *m = &models[due[i].interval->user];

		CHECK(m->armed);
		CHECK_EQ(due[i].at_ns, m->at_ns);
		CHECK_EQ(due[i].at_ns, model_next());
		m->at_ns += m->period_ns;
		if (m->rule == WR_INTERVAL_BURST) {
			CHECK_EQ(due[i].missed, 0);
			continue;
		}
		for (uint64_t missed = 0;; missed++, m->at_ns += m->period_ns)
			if (m->at_ns > now) {
				CHECK_EQ(due[i].missed, missed);
				break;
			}
	}
	CHECK(fired == most || model_next() > now);
	CHECK_EQ(wr_intervals_next_ns(&all), model_next());
}

static void
K39_random_intervals_come_as_a_table_says(void)
{
	for (uint64_t run = 1; run <= 3; run++) {
		make();
		seed ^= run * 0x9e3779b97f4a7c15ull;
		now = 0;
		memset(models, 0, sizeof(models));
		memset(intervals, 0, sizeof(intervals));
		for (int i = 0; i < OPS; i++) {
			if (rnd(4) == 0)
				arm_or_cancel((unsigned)rnd(MODEL));
			now += rnd(rnd(50) ? 200 : 20000);
			fire();
		}
	}
}

static const struct wr_test tests[] = {TEST(K39_the_next_time_keeps_the_phase),
	TEST(K39_does_not_skip_2_to_the_32), TEST(K39_who_is_late_follows_its_rule),
	TEST(K39_a_list_fires_in_order_with_one_move_each),
	TEST(K39_a_late_list_is_in_order_again), TEST(K40_refuses_what_it_cannot_hold),
	TEST(K39_the_end_of_time), TEST(K39_random_intervals_come_as_a_table_says),
	TEST_END};
const struct wr_suite wr_suite_interval = {.name = "interval", .tests = tests};
