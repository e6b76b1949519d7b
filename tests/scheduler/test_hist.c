/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The histogram beside the sorted values themselves. Row K12. */
#include "scheduler/hist.h"

#include "tests/lib/dice.h"
#include "tests/lib/test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct wr_hist hist, other;
static uint64_t seed = WR_DICE_SEED;

static uint64_t
rnd(uint64_t below)
{
	return wr_dice_roll(&seed, below);
}

static void
K12_each_value_has_its_cell(void)
{
	uint32_t last = 0;

	for (uint64_t ns = 0; ns < 32; ns++)
		CHECK_EQ(wr_hist_cell(ns), ns);
	/* Around each power of two: in order, without a hole, within bounds. */
	for (unsigned bit = 5; bit < 64; bit++)
		for (uint64_t part = 0; part < 16; part++) {
			uint64_t ns = (1ull << bit) + (part << (bit - 4));
			uint32_t cell = wr_hist_cell(ns);

			CHECK(cell < WR_HIST_CELLS);
			if (bit < WR_HIST_MOST_BITS) {
				CHECK_EQ(wr_hist_cell(ns - 1), cell - 1);
				CHECK(cell > last);
			} else {
				CHECK_EQ(cell, WR_HIST_CELLS - 1);
			}
			last = cell;
		}
	CHECK_EQ(wr_hist_cell(UINT64_MAX), WR_HIST_CELLS - 1);
}

static int
by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t
some_value(unsigned kind)
{
	switch (kind) {
	case 0:
		return rnd(40);
	case 1:
		return 1000 + rnd(100);
	case 2:
		return rnd(1ull << rnd(40));
	default:
		return rnd(100) ? 300 + rnd(50) : 5000000000 + rnd(1000000);
	}
}

/* Never less than the true quantile, and more by less than a sixteenth. */
static void
K12_quantiles_are_within_their_bound(void)
{
	enum { MANY = 49999 };
	static uint64_t values[MANY];
	static const double qs[] = {0, 0.01, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};

	for (unsigned kind = 0; kind < 4; kind++) {
		memset(&hist, 0, sizeof(hist));
		for (int i = 0; i < MANY; i++) {
			values[i] = some_value(kind);
			wr_hist_add(&hist, values[i]);
		}
		qsort(values, MANY, sizeof(values[0]), by_value);
		CHECK_EQ(wr_hist_count(&hist), MANY);
		CHECK_EQ(wr_hist_max(&hist), values[MANY - 1]);
		for (unsigned i = 0; i < sizeof(qs) / sizeof(qs[0]); i++) {
			double rank = qs[i] * MANY;
			unsigned at = rank > 1 ? (unsigned)(rank + 0.999999) - 1 : 0;
			uint64_t is = values[at], said = wr_hist_quantile(&hist, qs[i]);

			CHECK(said >= is);
			CHECK(said - is <= is / 16);
		}
	}
}

static void
K12_the_edges(void)
{
	memset(&hist, 0, sizeof(hist));
	CHECK_EQ(wr_hist_quantile(&hist, 0.5), 0);
	CHECK_EQ(wr_hist_count(&hist), 0);
	wr_hist_add(&hist, 12345);
	CHECK_EQ(wr_hist_quantile(&hist, 0), 12345);
	CHECK_EQ(wr_hist_quantile(&hist, 1), 12345);
	CHECK_EQ(wr_hist_quantile(&hist, -3), 12345);
	CHECK_EQ(wr_hist_quantile(&hist, 7), 12345);
	CHECK_EQ(wr_hist_quantile(&hist, (double)0 / 0.0), 12345);
	/* The value at which the share is reached. */
	wr_hist_add(&hist, 10);
	wr_hist_add(&hist, 20);
	CHECK_EQ(wr_hist_quantile(&hist, 0.33), 10);
	CHECK_EQ(wr_hist_quantile(&hist, 0.34), 20);
	CHECK_EQ(wr_hist_quantile(&hist, 0.66), 20);
	CHECK_EQ(wr_hist_quantile(&hist, 0.67), 12345);
	/* Longer than 18 minutes: counted, and the maximum is exact. */
	wr_hist_add(&hist, UINT64_MAX - 5);
	CHECK_EQ(wr_hist_count(&hist), 4);
	CHECK_EQ(wr_hist_quantile(&hist, 1), UINT64_MAX - 5);
	/* Switched off. */
	wr_hist_add(NULL, 5);
}

static void
K12_merged_is_as_if_counted_in_one(void)
{
	static struct wr_hist both;

	memset(&hist, 0, sizeof(hist));
	memset(&other, 0, sizeof(other));
	memset(&both, 0, sizeof(both));
	for (int i = 0; i < 10000; i++) {
		uint64_t ns = some_value(2);

		wr_hist_add(i % 3 ? &hist : &other, ns);
		wr_hist_add(&both, ns);
	}
	wr_hist_merge(&hist, &other);
	CHECK_MEM(&hist, &both, sizeof(hist));
}

enum { ADDS = 200000 };

static wr_a64 done;

static void *
add_often(void *arg)
{
	(void)arg;
	for (int i = 0; i < ADDS; i++)
		wr_hist_add(&hist, 1000 + (uint64_t)i % 64);
	wr_store_release(test_done, &done, 1);
	return NULL;
}

static void
K12_can_be_read_while_it_is_written(void)
{
	pthread_t thread;
	uint64_t last = 0;

	memset(&hist, 0, sizeof(hist));
	REQUIRE_EQ(pthread_create(&thread, NULL, add_often, NULL), 0);
	while (!wr_load_acquire(test_done, &done)) {
		uint64_t count = wr_hist_count(&hist);
		uint64_t median = wr_hist_quantile(&hist, 0.5);

		CHECK(count >= last);
		CHECK(median == 0 || (median >= 1000 && median <= 1063));
		last = count;
	}
	pthread_join(thread, NULL);
	CHECK_EQ(wr_hist_count(&hist), ADDS);
}

static const struct wr_test tests[] = {TEST(K12_each_value_has_its_cell),
	TEST(K12_quantiles_are_within_their_bound), TEST(K12_the_edges),
	TEST(K12_merged_is_as_if_counted_in_one),
	TEST(K12_can_be_read_while_it_is_written, .labels = "concurrency"), TEST_END};
const struct wr_suite wr_suite_hist = {.name = "hist", .tests = tests};
