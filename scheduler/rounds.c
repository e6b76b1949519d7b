/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/rounds.h"

#include <inttypes.h>

#include "bus/error.h"
#include "scheduler/turn.h"

const struct wr_weights wr_weights_default = {4, {10, 6, 3, 1}};

void
wr_rounds_init(struct wr_rounds *rounds, uint32_t limit)
{
	*rounds = (struct wr_rounds){.limit = limit};
}

int
wr_rounds_admit(struct wr_rounds *rounds, unsigned weight, struct weir_error *err)
{
	uint64_t polls = (uint64_t)rounds->polls + weight;

	if (weight < 1 || weight > WR_WEIGHT_MAX)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"a weight of %u is not 1 to %d", weight, WR_WEIGHT_MAX);
	if (polls > (rounds->limit ? rounds->limit : UINT32_MAX)) {
		wr_error_set(err, WEIR_E_AGAIN_QUOTA, 0,
			"one more consumer of weight %u makes a round of %" PRIu64
			" polls, %" PRIu64 " too many",
			weight, polls, polls - rounds->limit);
		wr_error_differs(err,
			"the limit is %" PRIu32 ", and %" PRIu32
			" consumers have %" PRIu32 " of it",
			rounds->limit, rounds->consumers, rounds->polls);
		wr_error_try(err,
			"give it a smaller weight, another reactor, or the "
			"reactor a higher limit");
		return -WEIR_E_AGAIN_QUOTA;
	}
	rounds->polls = (uint32_t)polls;
	rounds->consumers++;
	return 0;
}

void
wr_rounds_release(struct wr_rounds *rounds, unsigned weight)
{
	rounds->polls -= weight;
	rounds->consumers--;
}

static uint64_t
common_divisor(uint64_t a, uint64_t b)
{
	while (b > 0) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* What all values are divided by: 1 if none is too large as it is. */
static uint64_t
divisor_of(const uint64_t *values, uint32_t count)
{
	uint64_t divisor = 0, most = 0;

	for (uint32_t i = 0; i < count; i++) {
		divisor = common_divisor(divisor, values[i]);
		most = values[i] > most ? values[i] : most;
	}
	return most > WR_WEIGHT_MAX ? divisor : 1;
}

int
wr_weights_set(struct wr_weights *weights, const uint64_t *values, uint32_t count,
	struct weir_error *err)
{
	uint64_t divisor;

	if (count < 1 || count > WR_ROUNDS_CLASSES_MAX)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"%" PRIu32 " classes are not 1 to %d", count,
			WR_ROUNDS_CLASSES_MAX);
	for (uint32_t i = 0; i < count; i++)
		if (values[i] == 0)
			return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
				"the weight of class %" PRIu32 " is 0", i + 1);
	divisor = divisor_of(values, count);
	for (uint32_t i = 0; i < count; i++)
		if (values[i] / divisor > WR_WEIGHT_MAX)
			return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
				"the weight of class %" PRIu32 ", %" PRIu64
				", is more than %d also when all are divided by %" PRIu64,
				i + 1, values[i], WR_WEIGHT_MAX, divisor);
	weights->count = count;
	for (uint32_t i = 0; i < count; i++)
		weights->of[i] = (uint8_t)(values[i] / divisor);
	return 0;
}
