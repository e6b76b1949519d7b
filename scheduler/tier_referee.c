/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/tier_referee.h"

#include <inttypes.h>

#define MS 1000000ull
#define US 1000ull

#define HALF_LIFE_NS 500000000.0
#define LN_2         0.6931471805599453
#define IN_ROW_NS    500000000ull
#define A_STEP       1.022 /* of a half-life's 32, and a little */
#define DWELL_MOST   60000000000ull
#define RELAPSE_NS   600000000000ull

enum { PENALTY_MOST = 7500, TENTHS = 10, AFTER_RETURN = 6 };

/* Points where a tier begins, and below which one may come back from it; and what is left of
 * the turns there. */
static const double floors[WR_TIERS + 1] = {0, 1000, 2500, 5000, 5000};
static const double ceilings[WR_TIERS] = {0, 400, 1000, 400};
static const unsigned percents[WR_TIERS] = {100, 75, 50, 25};

static uint64_t
since(uint64_t then_ns, uint64_t now_ns)
{
	return now_ns > then_ns ? now_ns - then_ns : 0;
}

/* ---- its own books --------------------------------------------------------------------- */

/* What is left of one after so many half-lives: whole ones by halves, the rest by the series
 * of the exponential function. */
static double
left_after(double lives)
{
	double whole = 1, left = 1;

	if (lives > 60)
		return 0;
	for (; lives >= 1; lives--)
		whole /= 2;
	for (int n = 16; n > 0; n--)
		left = 1 - lives * LN_2 / n * left;
	return whole * left;
}

static void
decay(struct wr_tier_player *player, uint64_t now_ns)
{
	player->penalty *=
		left_after((double)since(player->penalty_ns, now_ns) / HALF_LIFE_NS);
	player->penalty_ns = now_ns;
}

/* As high as that at least, and no higher than any may be. */
static double
within(double penalty, double least)
{
	penalty = penalty > least ? penalty : least;
	return penalty < PENALTY_MOST ? penalty : PENALTY_MOST;
}

static void
book_violation(struct wr_tier_player *player, const struct wr_tier_policy *policy,
	uint64_t now_ns)
{
	double from = floors[player->tier], way = floors[player->tier + 1] - from;

	if (player->in_row && since(player->bad_ns, now_ns) < IN_ROW_NS) {
		player->penalty_ns = now_ns;
	} else {
		player->row = 0;
		decay(player, now_ns);
	}
	player->penalty = within(player->penalty, from);
	if (policy->violations > 0)
		player->penalty =
			within(player->penalty + way / policy->violations, from);
	player->row++;
	player->bad++;
	player->good = 0;
	player->bad_ns = now_ns;
	player->in_row = true;
}

static void
book_good(struct wr_tier_player *player, uint64_t now_ns)
{
	decay(player, now_ns);
	player->in_row = false;
	player->row = 0;
	player->good++;
}

static void
enter_isolation(struct wr_tier_player *player, const struct wr_tier_policy *policy,
	uint64_t now_ns)
{
	uint64_t twice_ns = player->dwell_ns * 2;

	if (!player->returned || since(player->returned_ns, now_ns) >= RELAPSE_NS)
		player->dwell_ns = policy->min_ms * MS;
	else if (twice_ns < DWELL_MOST)
		player->dwell_ns = twice_ns;
	else if (player->dwell_ns < DWELL_MOST)
		player->dwell_ns = DWELL_MOST;
}

static void
enter(struct wr_tier_referee *referee, struct wr_tier_player *player, unsigned tier,
	uint64_t now_ns)
{
	if (player->tier == WR_TIER_ISOLATE) {
		player->returned = true;
		player->returned_ns = now_ns;
	}
	if (tier == WR_TIER_ISOLATE)
		enter_isolation(player, &referee->config.policy[tier], now_ns);
	player->tier = (uint8_t)tier;
	player->changed_ns = now_ns;
	player->moved = true;
	player->row = player->bad = player->good = 0;
	player->least = TENTHS;
}

/* ---- what the rules allow, and what they ask for ---------------------------------------- */

struct allowed {
	bool may, must;
};

static struct allowed
climbing(const struct wr_tier_referee *referee, const struct wr_tier_player *player,
	uint64_t now_ns)
{
	const struct wr_tier_config *config = &referee->config;
	uint64_t k = config->policy[player->tier].violations;
	struct allowed up = {0};

	if (!config->escalation || k == 0 || player->tier == WR_TIER_ISOLATE)
		return up;
	if (player->moved && since(player->changed_ns, now_ns) < config->promotion_ms * MS)
		return up;
	up.must = player->row >= k;
	up.may = (uint64_t)player->bad * TENTHS >= k * player->least;
	return up;
}

static struct allowed
returning(const struct wr_tier_referee *referee, const struct wr_tier_player *player,
	uint64_t now_ns)
{
	const struct wr_tier_policy *policy = &referee->config.policy[player->tier];
	uint64_t least_ns = player->tier == WR_TIER_ISOLATE ? player->dwell_ns
							    : policy->min_ms * MS;
	struct allowed back = {0};

	if (player->tier == WR_TIER_MONITOR || player->good < policy->good_polls ||
		since(player->changed_ns, now_ns) < least_ns ||
		since(player->bad_ns, now_ns) < referee->config.demotion_ms * MS)
		return back;
	/* It decays in 32 steps of a half-life there: one more or less than here. */
	back.may = player->penalty < ceilings[player->tier] * A_STEP + 1;
	back.must = player->penalty * A_STEP < ceilings[player->tier] - 1;
	return back;
}

/* ---- what it is told --------------------------------------------------------------------- */

static void
check_change(struct wr_tier_referee *referee, uint32_t i, struct allowed allowed,
	unsigned expected, const struct wr_tier_change *change)
{
	const struct wr_tier_player *player = &referee->players[i];

	referee->books->checks++;
	if (!change && allowed.must)
		wr_referee_breaks(referee->books,
			"consumer %" PRIu32 " is still at %s, after %" PRIu32
			" violations and %" PRIu32 " good polls in a row",
			i, wr_tier_name(player->tier), player->row, player->good);
	if (!change)
		return;
	if (change->from != player->tier || change->to != expected)
		wr_referee_breaks(referee->books,
			"consumer %" PRIu32 " went from %s to %s, and was at %s", i,
			wr_tier_name(change->from), wr_tier_name(change->to),
			wr_tier_name(player->tier));
	else if (!allowed.may)
		wr_referee_breaks(referee->books,
			"consumer %" PRIu32 " came to %s too soon, after %" PRIu32
			" violations and %" PRIu32 " good polls in a row",
			i, wr_tier_name(change->to), player->row, player->good);
}

void
wr_tier_referee_looked(struct wr_tier_referee *referee, uint32_t i, uint64_t now_ns,
	uint64_t poll_ns, const struct wr_tier_change *change)
{
	struct wr_tier_player *player = &referee->players[i];
	const struct wr_tier_policy *policy = &referee->config.policy[player->tier];
	struct allowed allowed = {0};
	unsigned expected = WR_TIERS;

	if (poll_ns > referee->config.threshold_ns) {
		book_violation(player, policy, now_ns);
		allowed = climbing(referee, player, now_ns);
		expected = player->tier + 1u;
	} else if (poll_ns <= policy->good_us * US) {
		book_good(player, now_ns);
		allowed = returning(referee, player, now_ns);
		expected = player->tier - 1u;
	}
	check_change(referee, i, allowed, expected, change);
	if (!change || change->to >= WR_TIERS)
		return;
	enter(referee, player, change->to, now_ns);
	if (change->to > change->from)
		player->penalty = floors[change->to];
	else if (change->to == WR_TIER_MONITOR)
		player->least = AFTER_RETURN;
}

void
wr_tier_referee_polled(struct wr_tier_referee *referee, uint32_t i)
{
	unsigned tier = referee->players[i].tier;
	unsigned percent = 100 - 25 * (unsigned)wr_turn_factor(referee->turns[i]);

	referee->books->checks++;
	if (percent != percents[tier])
		wr_referee_breaks(referee->books,
			"consumer %" PRIu32 " is at %s and has %u %% of its turns", i,
			wr_tier_name(tier), percent);
}

void
wr_tier_referee_moved(
	struct wr_tier_referee *referee, uint32_t i, unsigned tier, uint64_t now_ns)
{
	struct wr_tier_player *player = &referee->players[i];
	bool up = tier > player->tier;

	decay(player, now_ns);
	enter(referee, player, tier, now_ns);
	player->penalty = up ? within(player->penalty, floors[tier]) : floors[tier];
	player->least = up ? 0 : TENTHS;
	if (up)
		player->bad_ns = now_ns;
}

void
wr_tier_referee_absolved(struct wr_tier_referee *referee, uint32_t i, uint64_t now_ns)
{
	referee->players[i] = (struct wr_tier_player){
		.least = TENTHS, .penalty_ns = now_ns, .changed_ns = now_ns};
}

void
wr_tier_referee_init(struct wr_tier_referee *referee, struct wr_referee *books,
	const struct wr_tier_config *config, struct wr_tier_player *players,
	uint64_t now_ns)
{
	*referee = (struct wr_tier_referee){.books = books,
		.config = *config,
		.players = players,
		.turns = books->turns};
	for (uint32_t i = 0; i < books->count; i++)
		wr_tier_referee_absolved(referee, i, now_ns);
}
