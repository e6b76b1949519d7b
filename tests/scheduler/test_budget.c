/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The sixteen-byte budget. Rows P5, P8, P9, P17, P32. */
#include "scheduler/budget.h"

#include "tests/lib/test.h"

#include <pthread.h>
#include <stddef.h>
#include <weir/error.h>

static void
P8_is_sixteen_bytes_as_laid_out(void)
{
	CHECK_EQ(sizeof(struct wr_budget), 16);
	CHECK_EQ(sizeof(struct wr_budget_shared), 16);
	CHECK_EQ(offsetof(struct wr_budget, until_ns), 0);
	CHECK_EQ(offsetof(struct wr_budget, left), 8);
	CHECK_EQ(offsetof(struct wr_budget, full), 12);
	CHECK_EQ(offsetof(struct wr_budget, tier), 14);
	CHECK_EQ(offsetof(struct wr_budget, generation), 15);
}

static void
P9_the_last_unit_is_told(void)
{
	struct wr_budget b;

	REQUIRE_EQ(wr_budget_init(&b, WR_BUDGET_DEFAULT), 0);
	for (int i = 0; i < WR_BUDGET_DEFAULT - 1; i++)
		CHECK(!wr_budget_consume(&b, 1));
	CHECK(!wr_budget_is_over(&b, 0));
	CHECK(wr_budget_consume(&b, 1));
	CHECK(wr_budget_is_over(&b, 0));
}

/* A counter that wraps says so twice, and then gives four thousand million units. */
static void
P9_does_not_wrap_below_nothing(void)
{
	struct wr_budget b;
	struct wr_budget_shared shared;
	int told = 0, told_shared = 0;

	REQUIRE_EQ(wr_budget_init(&b, 100), 0);
	REQUIRE_EQ(wr_budget_shared_init(&shared, 100), 0);
	for (int i = 0; i < 1000; i++) {
		told += wr_budget_consume(&b, 1);
		told_shared += wr_budget_shared_consume(&shared, 1);
	}
	CHECK_EQ(told, 901);
	CHECK_EQ(told_shared, 901);
	CHECK_EQ(b.left, 0);
	CHECK_EQ(wr_budget_shared_left(&shared), 0);
	wr_budget_fill(&b);
	wr_budget_shared_fill(&shared);
	CHECK(wr_budget_consume(&b, UINT32_MAX));
	CHECK(wr_budget_consume(&b, UINT32_MAX));
	CHECK(wr_budget_shared_consume(&shared, UINT32_MAX));
	CHECK(wr_budget_shared_consume(&shared, UINT32_MAX));
	CHECK_EQ(b.left, 0);
	CHECK_EQ(wr_budget_shared_left(&shared), 0);
}

static void
P9_takes_several_units_at_once(void)
{
	struct wr_budget b;
	struct wr_budget_shared shared;

	REQUIRE_EQ(wr_budget_init(&b, 100), 0);
	REQUIRE_EQ(wr_budget_shared_init(&shared, 100), 0);
	CHECK(!wr_budget_consume(&b, 0));
	CHECK(!wr_budget_shared_consume(&shared, 0));
	CHECK(!wr_budget_consume(&b, 99));
	CHECK(!wr_budget_shared_consume(&shared, 99));
	CHECK_EQ(wr_budget_shared_left(&shared), 1);
	CHECK(wr_budget_consume(&b, 2));
	CHECK(wr_budget_shared_consume(&shared, 2));
	CHECK(wr_budget_consume(&b, 0));
	CHECK(wr_budget_shared_consume(&shared, 0));
}

static void
P8_filling_revives_and_keeps_its_size(void)
{
	struct wr_budget b;

	REQUIRE_EQ(wr_budget_init(&b, 4000), 0);
	for (int i = 0; i < 3; i++) {
		CHECK(wr_budget_consume(&b, 4000));
		/* To what it was made with, not to some default. */
		wr_budget_fill(&b);
		CHECK_EQ(b.left, 4000);
	}
	CHECK_EQ(wr_budget_resize(&b, 300), 0);
	CHECK_EQ(b.left, 300);
	CHECK(wr_budget_consume(&b, 300));
	wr_budget_fill(&b);
	CHECK_EQ(b.left, 300);
}

static void
P8_renewing_is_for_somebody_else(void)
{
	struct wr_budget b;
	struct wr_budget_shared shared;

	REQUIRE_EQ(wr_budget_init(&b, 500), 0);
	REQUIRE_EQ(wr_budget_shared_init(&shared, 500), 0);
	for (int tier = 1; tier <= 5; tier++) {
		wr_budget_escalate(&b);
		CHECK_EQ(b.tier, tier < 3 ? tier : 3);
	}
	b.until_ns = 7;
	CHECK(!wr_budget_is_over(&b, 6));
	CHECK(wr_budget_is_over(&b, 7));
	wr_budget_shared_until(&shared, 7);
	CHECK(!wr_budget_shared_is_over(&shared, 6));
	CHECK(wr_budget_shared_is_over(&shared, 7));
	for (int i = 1; i <= 300; i++) {
		CHECK(wr_budget_consume(&b, 500));
		CHECK(wr_budget_shared_consume(&shared, 500));
		wr_budget_renew(&b);
		wr_budget_shared_renew(&shared);
		CHECK_EQ(b.generation, (uint8_t)i);
		CHECK_EQ(wr_budget_shared_generation(&shared), (uint8_t)i);
		CHECK_EQ(b.tier, 0);
		CHECK_EQ(b.left, 500);
		CHECK_EQ(wr_budget_shared_left(&shared), 500);
		CHECK(!wr_budget_is_over(&b, UINT64_MAX));
		CHECK(!wr_budget_shared_is_over(&shared, UINT64_MAX));
	}
}

static void
P8_sizes_out_of_bounds_are_refused(void)
{
	static const uint32_t bad[] = {0, 1, 99, 10001, 65636, UINT32_MAX};
	struct wr_budget b;
	struct wr_budget_shared shared;

	REQUIRE_EQ(wr_budget_init(&b, 100), 0);
	REQUIRE_EQ(wr_budget_shared_init(&shared, 10000), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_EQ(wr_budget_init(&b, bad[i]), -WEIR_E_USAGE_INVAL);
		CHECK_EQ(wr_budget_resize(&b, bad[i]), -WEIR_E_USAGE_INVAL);
		CHECK_EQ(wr_budget_shared_init(&shared, bad[i]), -WEIR_E_USAGE_INVAL);
	}
	CHECK_EQ(b.left, 100);
	CHECK_EQ(wr_budget_shared_left(&shared), 10000);
}

/* A large budget for an important consumer stays within the bounds: it is cut, not refused
 * where it is used. */
static void
P32_a_tiers_part_stays_within_the_bounds(void)
{
	CHECK_EQ(wr_budget_part(2000, 100), 2000);
	CHECK_EQ(wr_budget_part(2000, 75), 1500);
	CHECK_EQ(wr_budget_part(2000, 50), 1000);
	CHECK_EQ(wr_budget_part(2000, 25), 500);
	CHECK_EQ(wr_budget_part(100, 25), 100);
	CHECK_EQ(wr_budget_part(10000, 400), 10000);
	CHECK_EQ(wr_budget_part(UINT32_MAX, UINT32_MAX), 10000);
}

/* ---- threads ------------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 200, UNITS = 1000, TRIES = UNITS };

static struct wr_budget_shared common;
static pthread_barrier_t gate;

struct taker {
	pthread_t thread;
	uint64_t went_on, told;
};

static void *
take(void *arg)
{
	struct taker *taker = arg;

	for (int round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&gate);
		for (int i = 0; i < TRIES; i++)
			if (wr_budget_shared_consume(&common, 1))
				taker->told++;
			else
				taker->went_on++;
		if (pthread_barrier_wait(&gate) == PTHREAD_BARRIER_SERIAL_THREAD) {
			CHECK_EQ(wr_budget_shared_left(&common), 0);
			wr_budget_shared_fill(&common);
		}
	}
	return NULL;
}

/* Of a budget of n, n - 1 go on, whoever they are; all others are told. */
static void
P9_is_exact_under_threads(void)
{
	struct taker takers[THREADS] = {0};
	uint64_t went_on = 0, told = 0;

	REQUIRE_EQ(wr_budget_shared_init(&common, UNITS), 0);
	pthread_barrier_init(&gate, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		REQUIRE_EQ(pthread_create(&takers[i].thread, NULL, take, &takers[i]), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(takers[i].thread, NULL);
		went_on += takers[i].went_on;
		told += takers[i].told;
	}
	CHECK_EQ(went_on, ROUNDS * (UNITS - 1));
	CHECK_EQ(told, ROUNDS * (THREADS * TRIES - UNITS + 1));
	pthread_barrier_destroy(&gate);
}

static const struct wr_test tests[] = {TEST(P8_is_sixteen_bytes_as_laid_out),
	TEST(P9_the_last_unit_is_told), TEST(P9_does_not_wrap_below_nothing),
	TEST(P9_takes_several_units_at_once), TEST(P8_filling_revives_and_keeps_its_size),
	TEST(P8_renewing_is_for_somebody_else), TEST(P8_sizes_out_of_bounds_are_refused),
	TEST(P32_a_tiers_part_stays_within_the_bounds),
	TEST(P9_is_exact_under_threads, .labels = "concurrency"), TEST_END};
const struct wr_suite wr_suite_budget = {.name = "budget", .tests = tests};
