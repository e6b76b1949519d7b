/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Tiers under virtual time. Rows P2, P13, P15, P18, P20, P31, P32. */
#include "scheduler/tiers.h"

#include "tests/lib/dice.h"
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#define US 1000ull
#define MS 1000000ull
#define S  1000000000ull

static const char *const profiles[] = {"balanced", "aggressive", "permissive", "readme"};
enum { PROFILES = 4 };

static struct wr_tier_rules rules;
static struct wr_tier tier;
static struct wr_tier_change change;
static uint64_t now;

static void
make(const char *profile)
{
	struct weir_error err;
	const struct wr_tier_config *config = wr_tier_profile(profile);

	REQUIRE(config);
	REQUIRE_EQ(wr_tier_rules_of(&rules, config, &err), 0);
	now = 1000 * S;
	wr_tier_init(&tier, now);
	memset(&change, 0, sizeof(change));
}

/* A poll that takes so long, and what is seen after it. */
static bool
poll_with(struct wr_tier_signs signs)
{
	now += signs.poll_ns;
	signs.now_ns = now;
	signs.hindered_ns = wr_tier_hindered_ns(&tier, &signs);
	return wr_tier_look(&tier, &rules, &signs, &change);
}

static bool
poll_for(uint64_t ns)
{
	return poll_with((struct wr_tier_signs){.poll_ns = ns});
}

/* Good polls of 10 us, one each millisecond, for so long; true if the tier changed. */
static bool
behave(uint64_t ns)
{
	uint64_t until = now + ns;

	while (now < until) {
		now += MS - 10 * US;
		if (poll_for(10 * US))
			return true;
	}
	return false;
}

/* Bad polls as fast as the rules let it climb. */
static void
climb_to(unsigned to)
{
	for (int i = 0; i < 10000 && tier.tier < to; i++)
		(void)poll_for(10 * MS);
	REQUIRE_EQ(tier.tier, to);
}

/* ---- up --------------------------------------------------------------------------------------- */

/* From where a tier begins: k - 1 violations do not promote, one more does. */
static void
check_kth(unsigned k, uint64_t gap_ns, const char *what)
{
	unsigned from = tier.tier;

	for (unsigned i = 1; i <= k; i++) {
		bool moved;

		now += gap_ns;
		moved = poll_for(2 * MS);
		if (moved != (i == k))
			FAIL("%s: violation %u of %u of tier %u %s", what, i, k, from,
				moved ? "promoted" : "did not promote");
		if (moved)
			break;
	}
	CHECK_EQ(tier.tier, from + 1);
	CHECK_EQ(change.from, from);
	CHECK_EQ(change.to, from + 1);
	CHECK_EQ(change.why, WR_TIER_WHY_OVERRUN);
	CHECK_EQ(change.row, k);
}

static void
P15_the_kth_violation_in_a_row_promotes(void)
{
	static const uint64_t gaps[] = {0, 3 * MS, 490 * MS};

	for (unsigned p = 0; p < PROFILES; p++)
		for (unsigned g = 0; g < 3; g++) {
			const struct wr_tier_config *config =
				wr_tier_profile(profiles[p]);

			make(profiles[p]);
			for (unsigned at = 0; at < WR_TIER_ISOLATE; at++) {
				/* Past the time that must lie between two promotions. */
				now += rules.promotion_ns;
				check_kth(config->policy[at].violations, gaps[g],
					profiles[p]);
			}
		}
}

static void
P20_the_readmes_table_is_followed(void)
{
	make("readme");
	CHECK_EQ(rules.poll_budget, 2000);
	CHECK_EQ(rules.threshold_ns, 1 * MS);
	check_kth(3, 0, "readme");
	now += rules.promotion_ns;
	check_kth(2, 0, "readme");
	now += rules.promotion_ns;
	check_kth(1, 0, "readme");
	/* From the last tier nothing leads up. */
	for (int i = 0; i < 1000; i++)
		CHECK(!poll_for(2 * MS));
}

static void
P15_any_k_is_exact(void)
{
	static const unsigned some[] = {1, 2, 3, 7, 64, 333, 999, 1000};

	for (unsigned i = 0; i < 8; i++) {
		struct wr_tier_config config = *wr_tier_profile("balanced");

		for (unsigned at = 0; at < WR_TIER_ISOLATE; at++)
			config.policy[at].violations = some[i];
		config.promotion_ms = 0;
		make("balanced");
		REQUIRE_EQ(wr_tier_rules_of(&rules, &config, NULL), 0);
		for (unsigned at = 0; at < WR_TIER_ISOLATE; at++)
			check_kth(some[i], 1 * MS, "custom");
	}
}

/* With a counter that wraps, 400 ms of nothing but polls of 50 ms left tier 0 for nobody. */
static void
P15_nothing_but_long_polls_is_noticed(void)
{
	make("balanced");
	for (int i = 0; i < 4; i++)
		CHECK(!poll_for(50 * MS));
	CHECK(poll_for(50 * MS));
	CHECK_EQ(tier.tier, WR_TIER_WARN);
	for (int i = 0; i < 3; i++)
		(void)poll_for(50 * MS);
	CHECK_EQ(tier.tier, WR_TIER_YIELD);
}

/* A threshold of 1 ms is 1 ms, not "more than one whole millisecond". */
static void
P15_the_threshold_is_to_the_nanosecond(void)
{
	make("aggressive");
	CHECK(!poll_for(1 * MS));
	CHECK(!poll_for(1 * MS));
	CHECK_EQ(wr_tier_penalty(&tier, now), 0);
	CHECK(!poll_for(1 * MS + 1));
	CHECK(poll_for(1999 * US));
}

static void
P31_there_is_a_least_time_between_promotions(void)
{
	uint64_t promoted;

	make("balanced");
	climb_to(WR_TIER_WARN);
	promoted = now;
	/* However much is added until then, there is a bound to it. */
	CHECK(!poll_with((struct wr_tier_signs){.poll_ns = 2 * MS, .stall_ns = 100 * S}));
	CHECK_EQ(wr_tier_penalty(&tier, now), 7500);
	while (tier.tier == WR_TIER_WARN)
		(void)poll_for(2 * MS);
	CHECK_EQ(now - promoted, 100 * MS);
	CHECK_EQ(tier.tier, WR_TIER_YIELD);
	/* It begins at its floor: what was done meanwhile does not count twice. */
	CHECK_EQ(wr_tier_penalty(&tier, now), 2500);
}

/* Nobody who is punished already is safe from more: there is no time without promotions but
 * that one, however many violations there are. */
static void
P32_persistent_violations_lead_to_the_last_tier(void)
{
	for (unsigned p = 0; p < PROFILES; p++) {
		uint64_t begin;

		make(profiles[p]);
		begin = now;
		climb_to(WR_TIER_ISOLATE);
		CHECK(now - begin <= 2 * rules.promotion_ns + 60 * 10 * MS);
	}
}

static void
P31_violations_far_apart_promote_nobody(void)
{
	make("balanced");
	for (int i = 0; i < 200; i++) {
		CHECK(!behave(1 * S));
		CHECK(!poll_for(2 * MS));
	}
	CHECK(wr_tier_penalty(&tier, now) < 300);
	/* Idle between them instead of good makes no difference. */
	for (int i = 0; i < 200; i++) {
		now += 1 * S;
		CHECK(!poll_for(2 * MS));
	}
}

/* Between good polls it takes more than k, but every second poll is too often. */
static void
P31_good_polls_between_do_not_hide_bad_ones(void)
{
	unsigned bad = 0;

	make("balanced");
	while (tier.tier == WR_TIER_MONITOR && bad < 20) {
		now += 20 * MS;
		(void)poll_for(10 * US);
		bad++;
		(void)poll_for(2 * MS);
	}
	CHECK_EQ(tier.tier, WR_TIER_WARN);
	CHECK(bad > 5 && bad < 8);
}

static void
P31_the_penalty_halves_in_500_ms(void)
{
	uint64_t begin;

	make("balanced");
	for (int i = 0; i < 4; i++)
		(void)poll_for(2 * MS);
	CHECK_EQ(wr_tier_penalty(&tier, now), 800);
	CHECK_EQ(wr_tier_penalty(&tier, now + 500 * MS), 400);
	CHECK_EQ(wr_tier_penalty(&tier, now + 1000 * MS), 200);
	CHECK_EQ(wr_tier_penalty(&tier, now + 250 * MS), 565);
	CHECK_EQ(wr_tier_penalty(&tier, now + 60 * S), 0);
	CHECK_EQ(wr_tier_penalty(&tier, UINT64_MAX), 0);
	/* However often it is looked at. */
	begin = now;
	while (now < begin + 500 * MS) {
		now += 990 * US;
		(void)poll_for(10 * US);
	}
	CHECK(wr_tier_penalty(&tier, now) >= 399 && wr_tier_penalty(&tier, now) <= 401);
}

/* ---- what else counts ---------------------------------------------------------------------------- */

static void
P2_a_stall_budget_leads_to_isolation(void)
{
	struct wr_tier_signs signs = {.poll_ns = 10 * US, .stall_ns = 525 * US};
	unsigned charged = 0;

	make("balanced");
	rules.promotion_ns = 0;
	while (tier.tier < WR_TIER_ISOLATE && charged < 100) {
		charged++;
		if (poll_with(signs))
			CHECK_EQ(change.why, WR_TIER_WHY_STALL);
	}
	/* 5.25 ms in ten pieces. */
	CHECK_EQ(charged, 10);
	/* All at once is one step, for nobody moves by two. */
	make("balanced");
	signs.stall_ns = 1 * S;
	CHECK(poll_with(signs));
	CHECK_EQ(tier.tier, WR_TIER_WARN);
	CHECK_EQ(change.stall_ns, 1 * S);
}

/* Milliseconds until it is warned; 1000 if it never is. */
static unsigned
until_warned(struct wr_tier_signs signs)
{
	unsigned ms = 0;

	make("balanced");
	rules.age_ns = 100 * MS;
	signs.poll_ns = 10 * US;
	while (ms < 1000) {
		now += 2 * MS - 10 * US;
		ms += 2;
		if (poll_with(signs))
			break;
	}
	return ms;
}

static void
P2_lag_and_age_count_by_their_time(void)
{
	unsigned ms;

	CHECK_EQ(until_warned((struct wr_tier_signs){.lag = 500}), 1000);
	CHECK_EQ(until_warned((struct wr_tier_signs){.age_ns = 100 * MS}), 1000);
	/* Five times 2^25, 2^23, 2^23 ns, and the first look counts nothing. */
	ms = until_warned((struct wr_tier_signs){.lag = 501});
	CHECK(ms >= 168 && ms <= 180);
	CHECK_EQ(change.why, WR_TIER_WHY_LAG);
	ms = until_warned((struct wr_tier_signs){.lag = 751});
	CHECK(ms >= 42 && ms <= 48);
	CHECK_EQ(change.why, WR_TIER_WHY_LAG);
	ms = until_warned((struct wr_tier_signs){.age_ns = 100 * MS + 1});
	CHECK(ms >= 42 && ms <= 48);
	CHECK_EQ(change.why, WR_TIER_WHY_AGE);
	CHECK_EQ(change.limit_ns, 100 * MS);
}

/* Far behind for so long, with two polls a millisecond of `poll_ns` each; the highest tier. */
static unsigned
lag_for(uint64_t ns, uint64_t poll_ns, uint32_t part, uint32_t round)
{
	uint64_t until = now + ns;
	unsigned highest = tier.tier;

	while (now < until) {
		now += MS / 2 - poll_ns;
		(void)poll_with((struct wr_tier_signs){
			.poll_ns = poll_ns, .lag = 1000, .part = part, .round = round});
		highest = tier.tier > highest ? tier.tier : highest;
	}
	return highest;
}

/* Of two of the same weight a fair part is half of the time: 250 us of two polls in each
 * millisecond. Who does not take four times what its neighbours do lags for other reasons:
 * what it reads has left the caches, to begin with. */
static void
P2_lag_counts_against_who_takes_from_others(void)
{
	make("balanced");
	CHECK_EQ(lag_for(3 * S, 120 * US, 4, 8), WR_TIER_MONITOR);
	make("balanced");
	CHECK_EQ(lag_for(3 * S, 350 * US, 4, 8), WR_TIER_MONITOR);
	make("balanced");
	CHECK_EQ(lag_for(3 * S, 400 * US, 4, 8), WR_TIER_ISOLATE);
	/* Of a weight that is a quarter of all. */
	make("balanced");
	CHECK_EQ(lag_for(3 * S, 280 * US, 3, 12), WR_TIER_MONITOR);
	make("balanced");
	CHECK_EQ(lag_for(3 * S, 290 * US, 3, 12), WR_TIER_ISOLATE);
	/* Who has no neighbours takes nothing from anybody. */
	make("balanced");
	CHECK_EQ(lag_for(3 * S, 400 * US, 4, 4), WR_TIER_WARN);
	make("balanced");
	CHECK_EQ(lag_for(3 * S, 400 * US, 0, 0), WR_TIER_WARN);
	/* While it is behind it stays, and then it comes back. */
	CHECK_EQ(lag_for(3 * S, 1 * US, 4, 8), WR_TIER_WARN);
	CHECK_EQ(tier.tier, WR_TIER_WARN);
	CHECK(behave(3 * S));
	CHECK_EQ(tier.tier, WR_TIER_MONITOR);
}

/* As long as its polls are not measured, nobody knows whose fault it is: that is asked for. */
static void
P2_who_lags_is_measured_first(void)
{
	make("balanced");
	for (int i = 0; i < 3000; i++) {
		now += MS;
		(void)poll_with(
			(struct wr_tier_signs){.lag = 1000, .part = 4, .round = 8});
	}
	CHECK_EQ(tier.tier, WR_TIER_MONITOR);
	CHECK(wr_tier_asks_for_measures(&(struct wr_tier_signs){.lag = 501}));
	CHECK(wr_tier_asks_for_measures(&(struct wr_tier_signs){.stall_ns = 1}));
	CHECK(!wr_tier_asks_for_measures(&(struct wr_tier_signs){.lag = 500}));
}

/* Who was left behind and takes more than its part need not climb: its neighbours wait. */
static void
P2_who_is_left_behind_and_takes_from_others_is_isolated_at_once(void)
{
	struct wr_tier_signs signs = {
		.poll_ns = 400 * US, .stall_ns = 600 * US, .part = 4, .round = 8};

	make("balanced");
	(void)lag_for(5 * MS, 400 * US, 4, 8);
	CHECK_EQ(tier.tier, WR_TIER_MONITOR);
	signs.overspent = true;
	now += 100 * US;
	CHECK(poll_with(signs));
	CHECK_EQ(tier.tier, WR_TIER_ISOLATE);
	CHECK_EQ(change.from, WR_TIER_MONITOR);
	CHECK_EQ(change.why, WR_TIER_WHY_LEFT);
	CHECK_EQ(change.dwell_ns, 250 * MS);
	CHECK(!poll_with(signs)); /* it is there */

	/* Its neighbour, which was left behind as well. */
	make("balanced");
	(void)lag_for(5 * MS, 50 * US, 4, 8);
	signs.poll_ns = 50 * US;
	now += 450 * US;
	CHECK(!poll_with(signs));
	CHECK_EQ(tier.tier, WR_TIER_MONITOR);

	/* Alone; not measured; or nobody climbs. */
	make("balanced");
	(void)lag_for(5 * MS, 400 * US, 4, 4);
	signs.poll_ns = 400 * US;
	signs.round = 4;
	CHECK(!poll_with(signs));
	make("balanced");
	signs.round = 8;
	signs.poll_ns = 0;
	now += MS;
	CHECK(!poll_with(signs));
	make("balanced");
	(void)lag_for(5 * MS, 400 * US, 4, 8);
	rules.worth[WR_TIER_MONITOR] = 0;
	signs.poll_ns = 400 * US;
	CHECK(!poll_with(signs));
	CHECK_EQ(tier.tier, WR_TIER_MONITOR);
}

/* Before it was warned for what it did itself it may be one that catches up, while the others
 * have nothing to do. */
static void
N1_who_keeps_others_behind_is_isolated_if_it_was_warned(void)
{
	struct wr_tier_signs signs = {
		.poll_ns = 400 * US, .keeps_behind = true, .part = 4, .round = 8};

	for (int warned = 0; warned < 2; warned++) {
		make("balanced");
		(void)lag_for(5 * MS, 400 * US, 4, 8);
		if (warned)
			CHECK(wr_tier_move(&tier, &rules, WR_TIER_WARN, WR_TIER_WHY_LAG,
				now, &change));
		now += 100 * US;
		(void)poll_with(signs);
		CHECK_EQ(tier.tier, warned ? WR_TIER_ISOLATE : WR_TIER_MONITOR);
	}
	CHECK_EQ(change.why, WR_TIER_WHY_LEFT);
}

/* What its neighbours took beyond their part: of a millisecond in which it had 50 us of two
 * equal ones, a fair loop would have needed 100. */
static void
N1_what_neighbours_took_is_known_while_it_is_measured(void)
{
	struct wr_tier_signs signs = {.poll_ns = 25 * US, .part = 4, .round = 8};

	make("balanced");
	CHECK(!wr_tier_is_hindered(&tier));
	(void)lag_for(5 * MS, 25 * US, 4, 8);
	CHECK(wr_tier_is_hindered(&tier));
	signs.now_ns = tier.looked_ns + 2 * MS;
	tier.own_ns = 75 * US;
	CHECK_EQ(wr_tier_hindered_ns(&tier, &signs), 1800 * US);
	/* No more than a little of a long time, in which it may have had nothing to do. */
	signs.now_ns = tier.looked_ns + 1000 * MS;
	CHECK_EQ(wr_tier_hindered_ns(&tier, &signs), WR_TIER_LAG_GAP_NS);
	/* Half of its part is enough; and nobody knows without neighbours, or unmeasured. */
	signs.now_ns = tier.looked_ns + 2 * MS;
	tier.own_ns = 475 * US;
	CHECK_EQ(wr_tier_hindered_ns(&tier, &signs), 0);
	tier.own_ns = 75 * US;
	signs.round = 4;
	CHECK_EQ(wr_tier_hindered_ns(&tier, &signs), 0);
	signs.round = 8;
	wr_tier_measured(&tier, false);
	CHECK_EQ(wr_tier_hindered_ns(&tier, &signs), 0);
}

/* It counts against those, of who is far behind for it; a little of it. */
static void
N1_who_is_kept_far_behind_is_waited_for(void)
{
	struct wr_tier_signs signs = {.hindered_ns = 3200 * US, .lag = 751};

	CHECK_EQ(wr_tier_kept_behind_ns(&signs), 100 * US);
	signs.lag = 750;
	CHECK_EQ(wr_tier_kept_behind_ns(&signs), 0);
}

/* Looked at every microsecond, lag is still the time that it lasted. */
static void
P2_lag_does_not_depend_on_how_often_one_looks(void)
{
	struct wr_tier_signs signs = {.lag = 900};
	uint64_t begin;

	make("balanced");
	begin = now;
	while (now - begin < S && tier.tier == WR_TIER_MONITOR) {
		now += 1 * US;
		(void)poll_with(signs);
	}
	CHECK(now - begin >= 42 * MS && now - begin <= 48 * MS);
	/* And who was not looked at for an hour has not lagged for an hour. */
	make("balanced");
	now += 5 * MS;
	(void)poll_with(signs);
	now += 3600 * S;
	(void)poll_with(signs);
	CHECK_EQ(wr_tier_penalty(&tier, now), 400);
	CHECK_EQ(tier.tier, WR_TIER_MONITOR);
}

/* Far behind at one look and at the head at the next: that is a burst. */
static void
P2_bursts_are_no_lag(void)
{
	make("balanced");
	for (int i = 0; i < 10000; i++) {
		now += 4 * MS;
		CHECK(!poll_with((struct wr_tier_signs){
			.poll_ns = 10 * US, .lag = i % 2 ? 900 : 0}));
	}
	CHECK_EQ(wr_tier_penalty(&tier, now), 0);
}

static void
P2_who_goes_on_after_its_budget_violates(void)
{
	make("balanced");
	for (int i = 0; i < 4; i++)
		CHECK(!poll_with(
			(struct wr_tier_signs){.poll_ns = 10 * US, .overdrawn = true}));
	CHECK(poll_with((struct wr_tier_signs){.poll_ns = 10 * US, .overdrawn = true}));
	CHECK_EQ(change.why, WR_TIER_WHY_OVERDRAWN);
}

/* ---- down ----------------------------------------------------------------------------------------- */

/* Each guard alone keeps it where it is. */
static void
P15_each_guard_of_a_demotion(void)
{
	enum { GOOD, LEAST, QUIET, PENALTY, NONE };

	for (unsigned guard = GOOD; guard <= NONE; guard++) {
		make("balanced");
		climb_to(WR_TIER_WARN);
		rules.good_polls[WR_TIER_WARN] = 10;
		rules.min_ns[WR_TIER_WARN] = 20 * MS;
		rules.demotion_ns = 30 * MS;
		tier.penalty = 399u << WR_TIER_POINT_BITS;
		if (guard == GOOD)
			rules.good_polls[WR_TIER_WARN] = 102;
		if (guard == LEAST)
			rules.min_ns[WR_TIER_WARN] = 101 * MS;
		if (guard == QUIET)
			rules.demotion_ns = 101 * MS;
		if (guard == PENALTY)
			tier.penalty = 500u << WR_TIER_POINT_BITS;
		CHECK_EQ(behave(100 * MS), guard == NONE);
		CHECK(guard == NONE || behave(100 * MS));
		CHECK_EQ(tier.tier, WR_TIER_MONITOR);
		CHECK_EQ(change.why, WR_TIER_WHY_GOOD);
	}
}

static void
P15_neither_good_nor_bad_is_neither(void)
{
	make("balanced");
	/* Between two violations it breaks no row. */
	for (int i = 0; i < 4; i++) {
		CHECK(!poll_for(2 * MS));
		CHECK(!poll_for(900 * US));
	}
	CHECK(poll_for(2 * MS));
	CHECK_EQ(change.row, 5);
	/* And it is no good poll: of 200 us in warn the limit is 200. */
	for (int i = 0; i < 10000; i++)
		CHECK(!poll_for(201 * US + 500 * US));
	CHECK_EQ(tier.good, 0);
	(void)poll_for(200 * US);
	CHECK_EQ(tier.good, 1);
}

static void
P32_good_behaviour_leads_back(void)
{
	for (unsigned p = 0; p < PROFILES; p++) {
		uint64_t most_ns = 0;

		make(profiles[p]);
		climb_to(WR_TIER_ISOLATE);
		/* What was done once is not held against it for ever. */
		for (int i = 0; i < 20000; i++)
			CHECK(!poll_for(2 * MS));
		for (unsigned at = 1; at < WR_TIERS; at++)
			most_ns += rules.min_ns[at] + rules.good_polls[at] * MS;
		most_ns += rules.demotion_ns + 8ull * WR_TIER_HALF_LIFE_NS;
		for (unsigned want = WR_TIER_ISOLATE; want-- > 0;) {
			CHECK(behave(most_ns));
			CHECK_EQ(tier.tier, want);
			CHECK_EQ(change.from, want + 1);
		}
		CHECK(!behave(10 * S));
	}
}

static void
P31_isolations_last_longer_each_time(void)
{
	uint64_t dwell = 250 * MS;

	make("balanced");
	for (int k = 0; k < 12; k++) {
		climb_to(WR_TIER_ISOLATE);
		CHECK_EQ(change.dwell_ns, dwell);
		CHECK_EQ(tier.isolations, k + 1);
		REQUIRE(behave(120 * S));
		CHECK_EQ(tier.tier, WR_TIER_YIELD);
		CHECK(change.stayed_ns >= dwell);
		dwell = dwell * 2 < 60 * S ? dwell * 2 : 60 * S;
	}
	/* Ten minutes later it is forgotten. */
	CHECK(behave(120 * S));
	CHECK(behave(120 * S));
	CHECK(!behave(600 * S));
	climb_to(WR_TIER_ISOLATE);
	CHECK_EQ(change.dwell_ns, 250 * MS);
}

static void
P31_an_isolated_one_comes_back_when_it_has_caught_up(void)
{
	make("balanced");
	climb_to(WR_TIER_ISOLATE);
	for (int i = 0; i < 5000; i++) {
		now += 1 * MS;
		CHECK(!poll_with((struct wr_tier_signs){.poll_ns = 10 * US, .lag = 101}));
	}
	CHECK(poll_with((struct wr_tier_signs){.poll_ns = 10 * US, .lag = 100}));
	CHECK_EQ(tier.tier, WR_TIER_YIELD);
}

/* Who changes between good and bad does not change tier with it. */
static void
P31_flapping_is_damped(void)
{
	unsigned changes = 0;

	make("balanced");
	for (int second = 0; second < 60; second++)
		for (int half = 0; half < 2; half++)
			for (int i = 0; i < 50; i++) {
				now += 10 * MS;
				changes += poll_for(half ? 10 * US : 2 * MS);
			}
	CHECK_EQ(tier.tier, WR_TIER_ISOLATE);
	CHECK(changes <= 3);
}

/* ---- said, not earned --------------------------------------------------------------------------------- */

static void
P32_to_the_last_tier_at_once_and_back_by_hand(void)
{
	make("balanced");
	CHECK(!wr_tier_move(&tier, &rules, WR_TIERS, WR_TIER_WHY_HARD, now, &change));
	CHECK(!wr_tier_move(&tier, &rules, 0, WR_TIER_WHY_OPERATOR, now, &change));
	CHECK(wr_tier_move(
		&tier, &rules, WR_TIER_ISOLATE, WR_TIER_WHY_HARD, now, &change));
	CHECK_EQ(change.from, WR_TIER_MONITOR);
	CHECK_EQ(change.why, WR_TIER_WHY_HARD);
	CHECK_EQ(change.dwell_ns, 250 * MS);
	CHECK_EQ(wr_tier_penalty(&tier, now), 0); /* its dwell is what it serves */
	now += 1 * MS;
	CHECK(wr_tier_move(&tier, &rules, 0, WR_TIER_WHY_OPERATOR, now, &change));
	CHECK_EQ(tier.tier, WR_TIER_MONITOR);
	CHECK_EQ(wr_tier_penalty(&tier, now), 0);
	/* From there on as if nothing had been, but for the least time between changes. */
	now += rules.promotion_ns;
	check_kth(5, 0, "by hand");
}

/* Where its maker is, with what is held against that; but it has behaved for no poll yet. */
static void
P32_lineage_is_inherited(void)
{
	struct wr_tier child;

	make("balanced");
	for (int i = 0; i < 3; i++)
		(void)poll_for(2 * MS);
	CHECK(!wr_tier_inherit(&child, &tier, now, &change));
	CHECK_EQ(wr_tier_penalty(&child, now), 600);
	tier = child;
	CHECK(!poll_for(2 * MS));
	CHECK(poll_for(2 * MS));
	climb_to(WR_TIER_ISOLATE);
	for (int i = 0; i < 20; i++)
		(void)poll_for(10 * US);
	CHECK(wr_tier_inherit(&child, &tier, now, &change));
	CHECK_EQ(child.tier, WR_TIER_ISOLATE);
	CHECK_EQ(child.good, 0);
	CHECK_EQ(child.changed_ns, now);
	CHECK_EQ(change.from, WR_TIER_MONITOR);
	CHECK_EQ(change.to, WR_TIER_ISOLATE);
	CHECK_EQ(change.why, WR_TIER_WHY_LINEAGE);
	CHECK_EQ(change.dwell_ns, 250 * MS);
}

static void
P7_escalation_can_be_switched_off(void)
{
	struct wr_tier_config config = *wr_tier_profile("aggressive");

	config.escalation = 0;
	make("aggressive");
	REQUIRE_EQ(wr_tier_rules_of(&rules, &config, NULL), 0);
	for (int i = 0; i < 1000; i++)
		CHECK(!poll_for(100 * MS));
}

static void
P32_factors_of_the_tiers(void)
{
	static const unsigned percent[] = {100, 75, 50, 25, 0, 0};

	for (unsigned i = 0; i < 6; i++) {
		CHECK_EQ(wr_tier_percent(i, false), percent[i]);
		CHECK_EQ(wr_tier_percent(i, true), i == WR_TIER_ISOLATE ? 0 : percent[i]);
	}
}

/* ---- rules ------------------------------------------------------------------------------------------- */

/* All that ships is taken, the last tier's policy too, and known again. */
static void
P31_every_profile_is_taken_and_known(void)
{
	struct wr_tier_config config;

	for (unsigned p = 0; p < PROFILES; p++) {
		struct wr_tier_rules made;
		struct weir_error err;

		config = *wr_tier_profile(profiles[p]);
		CHECK_EQ(wr_tier_rules_of(&made, &config, &err), 0);
		CHECK_STR(wr_tier_profile_of(&config), profiles[p]);
		config.policy[1].good_us++;
		CHECK_STR(wr_tier_profile_of(&config), "custom");
	}
	CHECK(!wr_tier_profile("custom"));
	CHECK(!wr_tier_profile(""));
	CHECK(!wr_tier_profile(NULL));
}

static void
P31_profiles_are_stricter_and_milder(void)
{
	const struct wr_tier_config *a = wr_tier_profile("aggressive");
	const struct wr_tier_config *b = wr_tier_profile("balanced");
	const struct wr_tier_config *p = wr_tier_profile("permissive");

	CHECK(a->poll_budget < b->poll_budget && b->poll_budget < p->poll_budget);
	CHECK(a->promotion_ms < b->promotion_ms && b->promotion_ms < p->promotion_ms);
	CHECK(a->policy[0].violations < b->policy[0].violations &&
		b->policy[0].violations < p->policy[0].violations);
	CHECK(a->policy[0].good_us < b->policy[0].good_us &&
		b->policy[0].good_us < p->policy[0].good_us);
}

/* Bounds of each field: the last good value is taken, the first bad one is refused by the
 * field's name, and nothing has changed. */
static void
P31_a_bad_field_is_refused_by_name(void)
{
	static const struct {
		const char *name;
		uint64_t good, bad;
	} bounds[] = {{"poll_budget", 100, 99}, {"poll_budget", 10000, 10001},
		{"threshold_ns", 1000, 999}, {"threshold_ns", 4000000000, 4000000001},
		{"promotion_ms", 3600000, 3600001}, {"demotion_ms", 3600000, 3600001},
		{"age_ms", 3600000, 3600001}, {"escalation", 1, 2},
		{"monitor.violations", 1000, 1001}, {"warn.violations", 1000, UINT32_MAX},
		{"yield.violations", 1000, 1ull << 32}, {"isolate.violations", 0, 1},
		{"monitor.good_polls", 10000, 10001},
		{"isolate.good_polls", 10000, 10001}, {"warn.min_ms", 3600000, 3600001},
		{"isolate.min_ms", 1, 0}, {"yield.good_us", 1, 0},
		{"yield.good_us", 1000000, 1000001}};

	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		struct wr_tier_config config = *wr_tier_profile("balanced"), before;
		struct weir_error err;

		CHECK_EQ(wr_tier_config_set(&config, bounds[i].name, bounds[i].good, &err),
			0);
		before = config;
		CHECK_EQ(wr_tier_config_set(&config, bounds[i].name, bounds[i].bad, &err),
			-WEIR_E_USAGE_INVAL);
		CHECK_MEM(&config, &before, sizeof(config));
		CHECK(strstr(err.text, bounds[i].name) != NULL);
		CHECK(err.differs[0] != '\0');
		CHECK(strstr(err.hint, "balanced") != NULL);
		CHECK_EQ(wr_tier_config_set(&config, bounds[i].name, bounds[i].bad, NULL),
			-WEIR_E_USAGE_INVAL);
	}
}

static void
P31_an_unknown_field_is_refused_by_name(void)
{
	static const char *const names[] = {"", "violations", "warn", "warn.",
		"warn.violation", "Warn.violations", NULL};
	struct wr_tier_config config = *wr_tier_profile("balanced");

	for (int i = 0; i < 7; i++) {
		struct weir_error err;

		CHECK_EQ(wr_tier_config_set(&config, names[i], 5, &err),
			-WEIR_E_USAGE_INVAL);
		CHECK(!names[i] || strstr(err.text, names[i]) != NULL);
		CHECK(strstr(err.hint, "warn.violations") != NULL);
	}
	CHECK_STR(wr_tier_profile_of(&config), "balanced");
}

/* While consumers are at work: whole, or not at all, and their state stays. */
static void
P31_rules_change_whole_or_not_at_all(void)
{
	struct wr_tier_config config = *wr_tier_profile("aggressive");
	struct wr_tier_rules before;
	struct weir_error err;

	make("balanced");
	for (int i = 0; i < 4; i++)
		CHECK(!poll_for(2 * MS));
	before = rules;
	config.policy[3].good_us = 0;
	CHECK_EQ(wr_tier_rules_of(&rules, &config, &err), -WEIR_E_USAGE_INVAL);
	CHECK(strstr(err.text, "isolate.good_us") != NULL);
	CHECK_MEM(&rules, &before, sizeof(rules));
	config.policy[3].good_us = 200;
	CHECK_EQ(wr_tier_rules_of(&rules, &config, &err), 0);
	CHECK_EQ(wr_tier_penalty(&tier, now), 800);
	/* A violation is worth half the way now. */
	CHECK(poll_for(2 * MS));
}

/* ---- for people ---------------------------------------------------------------------------------------- */

static void
P2_a_change_reads_as_a_line(void)
{
	char line[256];
	struct wr_tier_change c = {.when_ns = 5 * S,
		.poll_ns = 1840 * US,
		.stall_ns = 5250 * US,
		.age_ns = 2 * S + 500 * MS,
		.limit_ns = 1 * MS,
		.stayed_ns = 12345 * MS,
		.penalty = 1000,
		.lag = 807,
		.row = 5,
		.good = 75,
		.from = WR_TIER_MONITOR,
		.to = WR_TIER_WARN,
		.why = WR_TIER_WHY_OVERRUN};
	static const struct {
		uint8_t why;
		const char *text;
	} lines[] = {
		{WR_TIER_WHY_OVERRUN,
			"a poll took 1.84 ms, more than 1 ms, the 5th in a row"},
		{WR_TIER_WHY_OVERDRAWN,
			"it went on after its budget, the 5th time in a row"},
		{WR_TIER_WHY_STALL, "others waited 5.25 ms for it"},
		{WR_TIER_WHY_LAG, "it lags by 80.7 % of its quota"},
		{WR_TIER_WHY_AGE,
			"its oldest unread message is 2.50 s old, more than 1 ms"},
		{WR_TIER_WHY_GOOD, "75 good polls in a row"},
		{WR_TIER_WHY_HARD, "its handler did not return within 1 ms"},
		{WR_TIER_WHY_OVERLOAD, "the system is overloaded"},
		{WR_TIER_WHY_OPERATOR, "an operator said so"},
		{WR_TIER_WHY_LINEAGE, "it was made by one that is there"},
		{WR_TIER_WHY_LEFT, "publishers waited for it, and it held its loop up"},
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char want[256];
		int len = snprintf(want, sizeof(want),
			"prices: monitor -> warn: %s (penalty 1000, after 12.3 s)",
			lines[i].text);

		c.why = lines[i].why;
		CHECK_EQ(wr_tier_change_format(&c, "prices", line, sizeof(line)), len);
		CHECK_STR(line, want);
	}
	c.row = 12;
	c.why = WR_TIER_WHY_OVERRUN;
	c.to = WR_TIER_ISOLATE;
	c.dwell_ns = 250 * MS;
	wr_tier_change_format(&c, NULL, line, sizeof(line));
	CHECK_STR(line,
		"monitor -> isolate: a poll took 1.84 ms, more than 1 ms, the 12th in "
		"a row (penalty 1000, after 12.3 s); for 250 ms at least");
	CHECK(wr_tier_change_format(&c, NULL, line, 10) > 10);
	CHECK_EQ(strlen(line), 9);
	CHECK_STR(wr_tier_why_name(WR_TIER_WHY_STALL), "stall");
	CHECK_STR(wr_tier_why_name(99), "unknown");
	CHECK_STR(wr_tier_name(99), "unknown");
}

static void
P18_a_consumer_is_a_cache_line(void)
{
	CHECK_EQ(sizeof(struct wr_tier), 64);
}

/* ---- anything ----------------------------------------------------------------------------------------------- */

static uint64_t seed;

static uint64_t
rnd(uint64_t below)
{
	return wr_dice_roll(&seed, below);
}

static struct wr_tier_signs
some_signs(void)
{
	struct wr_tier_signs signs = {.poll_ns = rnd(4) ? rnd(300 * US) : rnd(3 * MS)};

	if (rnd(20) == 0)
		signs.stall_ns = rnd(rnd(5) ? 200 * US : UINT64_MAX);
	if (rnd(10) == 0)
		signs.lag = (uint32_t)rnd(rnd(5) ? 1001 : UINT32_MAX);
	if (rnd(10) == 0)
		signs.age_ns = rnd(UINT64_MAX);
	signs.overdrawn = rnd(50) == 0;
	return signs;
}

/* What holds whatever happens: tiers are those four, one step at a time and told; nobody
 * goes up in a look without a violation, or too soon after the last change, or comes back
 * before its time; the penalty has a bound. */
static void
P32_invariants_of_the_tiers(void)
{
	for (uint64_t run = 1; run <= 8; run++) {
		make(profiles[run % PROFILES]);
		rules.age_ns = 100 * MS;
		seed = run * 0x9e3779b97f4a7c15ull;
		for (int i = 0; i < 200000; i++) {
			struct wr_tier before = tier;
			struct wr_tier_signs signs = some_signs();
			bool bad = signs.poll_ns > rules.threshold_ns ||
				signs.overdrawn || signs.stall_ns > 0 ||
				signs.lag > 500 || signs.age_ns > rules.age_ns;

			now += rnd(rnd(100) ? 2 * MS : 5 * S);
			if (!poll_with(signs)) {
				CHECK_EQ(tier.tier, before.tier);
				continue;
			}
			CHECK_EQ(change.from, before.tier);
			CHECK_EQ(change.to, tier.tier);
			CHECK(tier.tier < WR_TIERS);
			CHECK(wr_tier_penalty(&tier, now) <= 7500);
			CHECK_EQ(tier.row, 0);
			CHECK_EQ(tier.good, 0);
			if (tier.tier > before.tier) {
				CHECK_EQ(tier.tier, before.tier + 1);
				CHECK(bad);
				CHECK(change.why != WR_TIER_WHY_GOOD);
				CHECK(before.flags == 0 || before.changed_ns == 1000 * S ||
					change.stayed_ns >= rules.promotion_ns);
			} else {
				CHECK_EQ(tier.tier, before.tier - 1);
				CHECK_EQ(change.why, WR_TIER_WHY_GOOD);
				CHECK(change.stayed_ns >=
					(before.tier == WR_TIER_ISOLATE
							? before.dwell_ns
							: rules.min_ns[before.tier]));
				CHECK(change.good >= rules.good_polls[before.tier]);
			}
		}
	}
}

static const struct wr_test tests[] = {TEST(P15_the_kth_violation_in_a_row_promotes),
	TEST(P20_the_readmes_table_is_followed), TEST(P15_any_k_is_exact),
	TEST(P15_nothing_but_long_polls_is_noticed),
	TEST(P15_the_threshold_is_to_the_nanosecond),
	TEST(P31_there_is_a_least_time_between_promotions),
	TEST(P32_persistent_violations_lead_to_the_last_tier),
	TEST(P31_violations_far_apart_promote_nobody),
	TEST(P31_good_polls_between_do_not_hide_bad_ones),
	TEST(P31_the_penalty_halves_in_500_ms),
	TEST(P2_a_stall_budget_leads_to_isolation),
	TEST(P2_lag_and_age_count_by_their_time),
	TEST(P2_lag_counts_against_who_takes_from_others),
	TEST(P2_who_lags_is_measured_first),
	TEST(P2_who_is_left_behind_and_takes_from_others_is_isolated_at_once),
	TEST(N1_who_keeps_others_behind_is_isolated_if_it_was_warned),
	TEST(N1_what_neighbours_took_is_known_while_it_is_measured),
	TEST(N1_who_is_kept_far_behind_is_waited_for),
	TEST(P2_lag_does_not_depend_on_how_often_one_looks), TEST(P2_bursts_are_no_lag),
	TEST(P2_who_goes_on_after_its_budget_violates),
	TEST(P15_each_guard_of_a_demotion), TEST(P15_neither_good_nor_bad_is_neither),
	TEST(P32_good_behaviour_leads_back), TEST(P31_isolations_last_longer_each_time),
	TEST(P31_an_isolated_one_comes_back_when_it_has_caught_up),
	TEST(P31_flapping_is_damped), TEST(P32_to_the_last_tier_at_once_and_back_by_hand),
	TEST(P32_lineage_is_inherited), TEST(P7_escalation_can_be_switched_off),
	TEST(P32_factors_of_the_tiers), TEST(P31_every_profile_is_taken_and_known),
	TEST(P31_profiles_are_stricter_and_milder),
	TEST(P31_a_bad_field_is_refused_by_name),
	TEST(P31_an_unknown_field_is_refused_by_name),
	TEST(P31_rules_change_whole_or_not_at_all), TEST(P2_a_change_reads_as_a_line),
	TEST(P18_a_consumer_is_a_cache_line), TEST(P32_invariants_of_the_tiers),
	TEST_END};
const struct wr_suite wr_suite_tiers = {.name = "tiers", .tests = tests};
