/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* K2: how long a round may be, and weights as they are written. */
#include "scheduler/rounds.h"

#include <string.h>

#include "tests/lib/test.h"

/* The room that the table of 48 leaves of 400 polls. */
static void
what_is_left_of_400(void)
{
	static const struct {
		unsigned weight, fit;
	} rows[] = {{10, 16}, {6, 26}, {3, 53}, {1, 161}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wr_rounds rounds = {
			.limit = WR_ROUNDS_LIMIT, .polls = 239, .consumers = 48};
		unsigned fit = 0;

		while (wr_rounds_admit(&rounds, rows[i].weight, NULL) == 0)
			fit++;
		CHECK_EQ(fit, rows[i].fit);
		CHECK_EQ(rounds.consumers, 48 + fit);
	}
}

static void
a_refusal_says_by_how_much(void)
{
	struct wr_rounds rounds;
	struct weir_error err;

	wr_rounds_init(&rounds, 20);
	CHECK_EQ(wr_rounds_admit(&rounds, 15, &err), 0);
	CHECK_EQ(wr_rounds_admit(&rounds, 10, &err), -WEIR_E_AGAIN_QUOTA);
	CHECK_STR(err.text,
		"one more consumer of weight 10 makes a round of 25 polls, 5 too many");
	CHECK_STR(err.differs, "the limit is 20, and 1 consumers have 15 of it");
	CHECK_EQ(rounds.polls, 15);
	wr_rounds_release(&rounds, 15);
	CHECK_EQ(rounds.polls, 0);
	CHECK_EQ(wr_rounds_admit(&rounds, 20, &err), 0);
}

static void
without_a_limit_it_only_counts(void)
{
	struct wr_rounds rounds;

	wr_rounds_init(&rounds, 0);
	for (int i = 0; i < 100000; i++)
		CHECK_EQ(wr_rounds_admit(&rounds, 64, NULL), 0);
	CHECK_EQ(rounds.polls, 6400000);
	CHECK_EQ(wr_rounds_admit(&rounds, 0, NULL), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(wr_rounds_admit(&rounds, 65, NULL), -WEIR_E_USAGE_INVAL);
}

static void
check_weights(const uint64_t *values, uint32_t count, const uint8_t *want)
{
	struct wr_weights weights;

	CHECK_EQ(wr_weights_set(&weights, values, count, NULL), 0);
	CHECK_EQ(weights.count, count);
	CHECK_MEM(weights.of, want, count);
}

static void
weights_are_reduced_by_their_common_divisor(void)
{
	static const uint64_t large[] = {1000, 600, 300, 100};
	static const uint64_t small[] = {64, 32, 2};
	static const uint64_t one[] = {UINT64_MAX};

	check_weights(large, 4, (const uint8_t[]){10, 6, 3, 1});
	check_weights(small, 3, (const uint8_t[]){64, 32, 2});
	check_weights(one, 1, (const uint8_t[]){1});
	CHECK_MEM(wr_weights_default.of, ((const uint8_t[]){10, 6, 3, 1}), 4);
}

static void
weights_that_cannot_be_are_refused_by_name(void)
{
	static const uint64_t coprime[] = {7, 100};
	static const uint64_t still[] = {130, 2};
	static const uint64_t zero[] = {3, 0};
	struct wr_weights weights = {.count = 0};
	struct weir_error err;

	CHECK_EQ(wr_weights_set(&weights, coprime, 2, &err), -WEIR_E_USAGE_INVAL);
	CHECK(strstr(err.text, "class 2, 100, is more than 64") != NULL);
	CHECK_EQ(wr_weights_set(&weights, still, 2, &err), -WEIR_E_USAGE_INVAL);
	CHECK(strstr(err.text, "class 1, 130,") && strstr(err.text, "divided by 2"));
	CHECK_EQ(wr_weights_set(&weights, zero, 2, &err), -WEIR_E_USAGE_INVAL);
	CHECK_STR(err.text, "the weight of class 2 is 0");
	CHECK_EQ(wr_weights_set(&weights, zero, 0, &err), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(wr_weights_set(&weights, zero, 17, &err), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weights.count, 0);
}

static const struct wr_test tests[] = {
	TEST(what_is_left_of_400),
	TEST(a_refusal_says_by_how_much),
	TEST(without_a_limit_it_only_counts),
	TEST(weights_are_reduced_by_their_common_divisor),
	TEST(weights_that_cannot_be_are_refused_by_name, .labels = "input"),
	TEST_END,
};

const struct wr_suite wr_suite_rounds = {.name = "rounds", .tests = tests};
