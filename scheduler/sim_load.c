/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/sim_load.h"

#include <inttypes.h>
#include <stdlib.h>

#include "bus/error.h"
#include "scheduler/timers.h"

/* So that the time of very long runs is a number still. */
#define MOST_NS 60000000000ull

enum { COST_NS = 1000 };

/* ---- costs ------------------------------------------------------------------------------ */

int
wr_sim_load_check(const weir_sim_class *class, size_t nth, struct weir_error *err)
{
	if (class->cost_ns > MOST_NS || class->burst_ns > MOST_NS ||
		class->bad_ns > MOST_NS || class->every_ns > MOST_NS)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"a poll of class %zu costs, or comes after, more than a minute",
			nth);
	if (class->burst_polls > class->burst_every)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"a burst of %" PRIu32
			" polls of class %zu is longer than the %" PRIu32 " that it is of",
			class->burst_polls, nth, class->burst_every);
	if (class->bad_until_ns > 0 && class->bad_until_ns <= class->bad_from_ns)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"class %zu behaves again before it misbehaves", nth);
	return 0;
}

uint64_t
wr_sim_load_cost(const weir_sim_class *class, uint64_t nth, uint64_t now_ns)
{
	if (class->bad_ns > 0 && now_ns >= class->bad_from_ns &&
		(class->bad_until_ns == 0 || now_ns < class->bad_until_ns))
		return class->bad_ns;
	if (class->burst_polls > 0 &&
		nth % class->burst_every >= class->burst_every - class->burst_polls)
		return class->burst_ns ? class->burst_ns : COST_NS;
	return class->cost_ns ? class->cost_ns : COST_NS;
}

/* ---- timers ----------------------------------------------------------------------------- */

static struct wr_sim_load *
of_part(struct wr_sim_part *part)
{
	return (struct wr_sim_load *)(void *)part;
}

/* As many at a time as a turn of a reactor takes. */
static void
fire(struct wr_sim_part *part, struct weir_sim *sim, uint64_t now_ns)
{
	struct wr_sim_load *load = of_part(part);
	struct wr_interval_due due[WR_TIMERS_FIRE];
	unsigned count;

	if (wr_intervals_next_ns(&load->intervals) > now_ns)
		return;
	count = wr_intervals_expire(&load->intervals, now_ns, due, WR_TIMERS_FIRE);
	load->fired += count;
	for (unsigned d = 0; d < count; d++) {
		uint32_t i = (uint32_t)due[d].interval->user;

		load->owed[i] += load->owed[i] < UINT32_MAX;
		wr_sim_ready(sim, i, true);
	}
}

static void
polled(struct wr_sim_part *part, struct weir_sim *sim, uint32_t i, uint64_t cost_ns)
{
	struct wr_sim_load *load = of_part(part);

	(void)cost_ns;
	if (!wr_sim_load_is_timed(load, i))
		return;
	load->owed[i] -= load->owed[i] > 0;
	if (load->owed[i] == 0)
		wr_sim_ready(sim, i, false);
}

int
wr_sim_load_init(struct wr_sim_load *load, uint32_t consumers, struct weir_error *err)
{
	load->part = (struct wr_sim_part){.step = fire, .polled = polled};
	wr_intervals_init(&load->intervals);
	load->timers = calloc(consumers, sizeof(*load->timers));
	load->owed = calloc(consumers, sizeof(*load->owed));
	return load->timers && load->owed
		? 0
		: wr_error_set(err, WEIR_E_ENV_MEMORY, 0, NULL);
}

/* One after the other, evenly over the period, so that there is no storm at its begin. */
void
wr_sim_load_arm(struct wr_sim_load *load, const weir_sim_class *class, uint32_t first)
{
	for (uint32_t n = 0; class->every_ns > 0 && n < class->consumers; n++) {
		struct wr_interval *timer = &load->timers[first + n];
		uint64_t share = class->every_ns / class->consumers;

		timer->user = first + n;
		(void)wr_intervals_arm(&load->intervals, timer, share * n,
			class->every_ns, WR_INTERVAL_BURST);
	}
}

void
wr_sim_load_fini(struct wr_sim_load *load)
{
	free(load->timers);
	free(load->owed);
}

uint64_t
wr_sim_load_next_ns(const struct wr_sim_load *load)
{
	return load->timers ? wr_intervals_next_ns(&load->intervals) : UINT64_MAX;
}
