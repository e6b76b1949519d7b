/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/sim_tiers.h"

#include <stdlib.h>
#include <string.h>

#include "bus/error.h"
#include "bus/lines.h"

/* A simulation begins at 0, which to the meter is no time. */
enum { DAWN_NS = 1 };

static struct wr_sim_tiers *
of_part(struct wr_sim_part *part)
{
	return (struct wr_sim_tiers *)(void *)part;
}

static uint64_t
time_of(const struct weir_sim *sim)
{
	return weir_sim_now(sim) + DAWN_NS;
}

/* ---- from one tier to another ------------------------------------------------------------ */

static void
keep(struct wr_sim_tiers *tiers, uint32_t i, const struct wr_tier_change *change)
{
	if (tiers->changes++ >= WEIR_SIM_CHANGES_MAX)
		return;
	tiers->kept[tiers->changes - 1] =
		(struct wr_sim_kept){.consumer = i, .change = *change};
	tiers->kept[tiers->changes - 1].change.when_ns -= DAWN_NS;
}

static void
count(struct wr_sim_tiers *tiers, struct weir_sim *sim, uint32_t i, unsigned from,
	unsigned to)
{
	struct wr_sim_tally *tally = &tiers->tallies[wr_sim_class_of(sim, i)];

	tally->at[from]--;
	tally->at[to]++;
	tally->time_ns[from] += weir_sim_now(sim);
	tally->time_ns[to] -= weir_sim_now(sim);
	wr_sim_factor(sim, i, wr_tier_factor(to));
}

static void
change_tier(struct wr_sim_tiers *tiers, struct weir_sim *sim, uint32_t i,
	const struct wr_tier_change *change)
{
	struct wr_sim_tally *tally = &tiers->tallies[wr_sim_class_of(sim, i)];

	if (change->to > change->from)
		tally->promotions++;
	else
		tally->demotions++;
	tiers->tasks[i].measured = WR_METER_MEASURED;
	count(tiers, sim, i, change->from, change->to);
	keep(tiers, i, change);
}

bool
wr_sim_tiers_move(
	struct wr_sim_tiers *tiers, struct weir_sim *sim, uint32_t i, unsigned tier)
{
	struct wr_tier_change change;

	if (!wr_tier_move(&tiers->tasks[i].tier, &tiers->rules, tier,
		    WR_TIER_WHY_OPERATOR, time_of(sim), &change))
		return false;
	wr_tier_referee_moved(&tiers->referee, i, tier, time_of(sim));
	change_tier(tiers, sim, i, &change);
	return true;
}

/* ---- around a poll ------------------------------------------------------------------------ */

static void
judge(struct wr_sim_tiers *tiers, struct weir_sim *sim, uint32_t i, uint64_t poll_ns)
{
	struct wr_task *task = &tiers->tasks[i];
	struct wr_tier_signs signs = {.now_ns = time_of(sim), .poll_ns = poll_ns};
	struct wr_tier_change change;
	bool changed;

	if (poll_ns > tiers->rules.threshold_ns)
		tiers->tallies[wr_sim_class_of(sim, i)].violations++;
	changed = wr_tier_look(&task->tier, &tiers->rules, &signs, &change);
	wr_tier_referee_looked(
		&tiers->referee, i, signs.now_ns, poll_ns, changed ? &change : NULL);
	if (changed)
		change_tier(tiers, sim, i, &change);
}

static void
absolve(struct wr_sim_tiers *tiers, struct weir_sim *sim, uint32_t i)
{
	struct wr_task *task = &tiers->tasks[i];

	count(tiers, sim, i, task->tier.tier, WR_TIER_MONITOR);
	task->measured = 0;
	wr_tier_init(&task->tier, time_of(sim));
	wr_tier_referee_absolved(&tiers->referee, i, time_of(sim));
}

/* Suspects stay suspects as long as they are not at the first tier. */
static void
look(struct wr_sim_tiers *tiers, struct weir_sim *sim, uint32_t i, uint64_t cost_ns)
{
	struct wr_task *task = &tiers->tasks[i];

	if (task->measured > 0) {
		tiers->meter.apart_ns += cost_ns;
		if (task->tier.tier == WR_TIER_MONITOR)
			task->measured--;
		judge(tiers, sim, i, cost_ns);
	} else if (wr_meter_count(&tiers->meter, task)) {
		wr_meter_close_at(&tiers->meter, time_of(sim));
	}
}

static void
polled(struct wr_sim_part *part, struct weir_sim *sim, uint32_t i, uint64_t cost_ns)
{
	struct wr_sim_tiers *tiers = of_part(part);
	unsigned tier = tiers->tasks[i].tier.tier;

	tiers->tallies[wr_sim_class_of(sim, i)].polls[tier]++;
	wr_tier_referee_polled(&tiers->referee, i);
	if (!tiers->off)
		look(tiers, sim, i, cost_ns);
	else if (tiers->tasks[i].measured > 0)
		absolve(tiers, sim, i);
}

/* What passes now is nobody's time; the turn is over. */
static void
slept(struct wr_sim_part *part, struct weir_sim *sim)
{
	of_part(part)->left = 0;
	wr_meter_pause_at(&of_part(part)->meter, time_of(sim));
}

/* A reactor opens its groups when a turn begins, which is as many polls as there are consumers
 * in its queue then. */
static void
step(struct wr_sim_part *part, struct weir_sim *sim, uint64_t now_ns)
{
	struct wr_sim_tiers *tiers = of_part(part);

	if (tiers->left > 0) {
		tiers->left--;
		return;
	}
	tiers->left = wr_sim_referee(sim)->select->count;
	tiers->left -= tiers->left > 0;
	wr_meter_open_at(&tiers->meter, now_ns + DAWN_NS);
}

void
wr_sim_tiers_switch(struct wr_sim_tiers *tiers, bool on)
{
	tiers->off = !on;
}

/* ---- what became of it -------------------------------------------------------------------- */

void
wr_sim_tiers_result(const struct wr_sim_tiers *tiers, const struct weir_sim *sim,
	unsigned class, weir_sim_result *result)
{
	const struct wr_sim_tally *tally = &tiers->tallies[class];

	for (unsigned tier = 0; tier < WR_TIERS; tier++) {
		result->at_tier[tier] = tally->at[tier];
		result->tier_polls[tier] = tally->polls[tier];
		result->tier_ns[tier] =
			tally->time_ns[tier] + tally->at[tier] * weir_sim_now(sim);
	}
	result->violations = tally->violations;
	result->promotions = tally->promotions;
	result->demotions = tally->demotions;
}

/* ---- lifecycle ---------------------------------------------------------------------------- */

int
wr_sim_tiers_init(struct wr_sim_tiers *tiers, const char *settings, uint32_t consumers,
	struct weir_error *err)
{
	struct wr_tier_config config = *wr_tier_profile("balanced");
	int rc = wr_tier_config_read(&config, settings, err);

	if (rc == 0)
		rc = wr_tier_rules_of(&tiers->rules, &config, err);
	if (rc < 0)
		return rc;
	tiers->part =
		(struct wr_sim_part){.step = step, .polled = polled, .slept = slept};
	tiers->referee.config = config;
	tiers->meter.limit_ns = tiers->rules.threshold_ns;
	tiers->tasks = wr_lines_alloc(consumers * sizeof(*tiers->tasks));
	tiers->players = calloc(consumers, sizeof(*tiers->players));
	tiers->kept = calloc(WEIR_SIM_CHANGES_MAX, sizeof(*tiers->kept));
	return tiers->tasks && tiers->players && tiers->kept
		? 0
		: wr_error_set(err, WEIR_E_ENV_MEMORY, 0, NULL);
}

void
wr_sim_tiers_begin(struct wr_sim_tiers *tiers, struct weir_sim *sim)
{
	const struct wr_tier_config config = tiers->referee.config;

	wr_tier_referee_init(&tiers->referee, wr_sim_referee(sim), &config,
		tiers->players, time_of(sim));
	for (uint32_t i = 0; i < wr_sim_referee(sim)->count; i++) {
		wr_tier_init(&tiers->tasks[i].tier, time_of(sim));
		tiers->tallies[wr_sim_class_of(sim, i)].at[WR_TIER_MONITOR]++;
	}
	wr_sim_attach(sim, &tiers->part);
}

void
wr_sim_tiers_fini(struct wr_sim_tiers *tiers)
{
	free(tiers->tasks);
	free(tiers->players);
	free(tiers->kept);
}
