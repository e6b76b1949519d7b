/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Tiers and timers in virtual time (N9, P32, K9), with a referee that checks each look; and
 * that referee itself, which has to see what is wrong.
 */
#include "scheduler/sim_load.h"
#include "scheduler/sim_tiers.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/dice.h"
#include "tests/lib/sim.h"

#define US 1000ull
#define MS 1000000ull
#define S  1000000000ull

static weir_sim_summary
summary_of(weir_sim *sim)
{
	weir_sim_summary summary = {.size = sizeof(summary)};

	REQUIRE_EQ(weir_sim_summarize(sim, &summary), 0);
	return summary;
}

static weir_sim_result
result_of(weir_sim *sim, size_t class)
{
	weir_sim_result result = {.size = sizeof(result)};

	REQUIRE_EQ(weir_sim_class_result(sim, class, &result), 0);
	return result;
}

static weir_sim_change
change_of(weir_sim *sim, size_t number)
{
	weir_sim_change change = {.size = sizeof(change)};

	REQUIRE_EQ(weir_sim_get_change(sim, number, &change), 0);
	return change;
}

static void
check_unbroken(weir_sim *sim, const char *what, uint64_t seed)
{
	weir_sim_summary summary = summary_of(sim);

	if (summary.broken > 0)
		FAIL("%s, seed %llu: %llu promises broken, the first at %s", what,
			(unsigned long long)seed, (unsigned long long)summary.broken,
			summary.text);
}

static void
poll_until(weir_sim *sim, uint64_t time_ns)
{
	while (weir_sim_now(sim) < time_ns)
		(void)weir_sim_poll(sim);
}

/* ---- every seed -------------------------------------------------------------------------- */

/* Of all kinds: steady ones, those with bursts, those that misbehave for a while or for ever,
 * and those that a timer wakes. */
static void
some_classes(weir_sim_class *classes, uint64_t *seed)
{
	for (int c = 0; c < 5; c++)
		classes[c] = (weir_sim_class){
			.consumers = 1 + (uint32_t)wr_dice_roll(seed, 12),
			.weight = 1 + wr_dice_roll(seed, 12),
			.cost_ns = 1 + wr_dice_roll(seed, 100 * US)};
	classes[1].burst_every = 2 + (uint32_t)wr_dice_roll(seed, 20);
	classes[1].burst_polls = 1 + (uint32_t)wr_dice_roll(seed, classes[1].burst_every);
	classes[1].burst_ns = wr_dice_roll(seed, 4 * MS);
	classes[2].bad_ns = MS + wr_dice_roll(seed, 3 * MS);
	classes[2].bad_from_ns = wr_dice_roll(seed, S);
	classes[2].bad_until_ns = classes[2].bad_from_ns + 1 + wr_dice_roll(seed, 2 * S);
	classes[3].every_ns = 1 + wr_dice_roll(seed, 20 * MS);
	classes[3].bad_ns = wr_dice_roll(seed, 3 * MS);
	classes[3].bad_from_ns = wr_dice_roll(seed, 3 * S);
}

/* P32: whatever the load, the profile and the discipline, each change is one that the rules
 * ask for, and none that they ask for is missing; and shares hold with the factors. */
static void
P32_tiers_keep_their_rules_under_every_seed(void)
{
	static const char *const settings[] = {"balanced", "aggressive", "permissive",
		"readme", "aggressive promotion_ms=0 demotion_ms=0 isolate.good_polls=0",
		"readme monitor.violations=1 warn.min_ms=0 yield.violations=40"};
	unsigned seeds = wr_test_long() ? 400 : 36;
	uint64_t changes = 0, fired = 0;
	const char *name;

	for (size_t d = 0; (name = weir_sim_discipline(d, NULL)); d++)
		for (uint64_t seed = d; seed < seeds; seed += 6) {
			uint64_t dice = WR_DICE_SEED + seed;
			weir_sim_class classes[5];
			weir_sim *sim;

			some_classes(classes, &dice);
			sim = sim_opened(&(weir_sim_options){.discipline = name,
				.classes = classes,
				.class_count = 5,
				.random_costs = seed % 3 == 0,
				.flips_ppm = seed % 2 ? 10000 : 0,
				.seed = seed,
				.tiers = settings[seed / 6 % 6]});
			for (int p = 0; p < 60000; p++)
				(void)weir_sim_poll(sim);
			check_unbroken(sim, name, seed);
			changes += summary_of(sim).changes;
			fired += summary_of(sim).timers;
			weir_sim_close(sim);
		}
	CHECK(changes > 1000);
	CHECK(fired > 1000);
}

/* N9: a seed is the whole of a run, with its reasons. */
static void
N9_a_seed_replays_the_tiers(void)
{
	static const weir_sim_class classes[] = {{.consumers = 20, .weight = 3},
		{.consumers = 4, .weight = 6, .bad_ns = 1500 * US},
		{.consumers = 4,
			.weight = 1,
			.every_ns = MS,
			.burst_ns = 4 * MS,
			.burst_polls = 5,
			.burst_every = 50}};
	weir_sim *sims[3];
	uint64_t changes;

	for (unsigned i = 0; i < 3; i++)
		sims[i] = sim_opened(&(weir_sim_options){.classes = classes,
			.class_count = 3,
			.random_costs = 1,
			.seed = 40 + i / 2,
			.tiers = "aggressive"});
	for (int p = 0; p < 20000; p++) {
		CHECK_EQ(weir_sim_poll(sims[0]), weir_sim_poll(sims[1]));
		(void)weir_sim_poll(sims[2]);
	}
	changes = summary_of(sims[0]).changes;
	CHECK(changes >= 12);
	CHECK_EQ(summary_of(sims[1]).changes, changes);
	for (size_t n = 0; n < changes; n++)
		CHECK_STR(change_of(sims[0], n).why, change_of(sims[1], n).why);
	CHECK(strcmp(change_of(sims[0], 0).why, change_of(sims[2], 0).why) != 0);
	for (unsigned i = 0; i < 3; i++)
		weir_sim_close(sims[i]);
}

/* ---- up, down, and what is left ------------------------------------------------------------ */

static const weir_sim_class one_is_bad[] = {
	{.consumers = 9, .weight = 4, .cost_ns = 20 * US},
	{.consumers = 1, .weight = 8, .cost_ns = 20 * US, .bad_ns = 2 * MS, .bad_until_ns = S}};

static weir_sim *
open_bad(const char *tiers)
{
	return sim_opened(&(weir_sim_options){
		.classes = one_is_bad, .class_count = 2, .tiers = tiers});
}

/* P15: found within sixteen of its polls, then the fifth violation in a row promotes, the
 * third and the second; and it is told why. */
static void
N9_who_is_slow_climbs_and_comes_back(void)
{
	static const char *const says[] = {"consumer 9: monitor -> warn: a poll took 2 ms, "
					   "more than 1 ms, the 5th in a row",
		"consumer 9: warn -> yield: a poll took 2 ms",
		"consumer 9: yield -> isolate: a poll took 2 ms",
		"consumer 9: isolate -> yield: ", "consumer 9: yield -> warn: ",
		"consumer 9: warn -> monitor: "};
	weir_sim *sim = open_bad("balanced");
	weir_sim_result had;
	uint64_t last_ns = 0;

	while (summary_of(sim).changes == 0)
		(void)weir_sim_poll(sim);
	had = result_of(sim, 1);
	CHECK_EQ(had.violations, 5);
	CHECK(had.polls > 5 && had.polls <= 5 + 16);
	CHECK_EQ(had.at_tier[1], 1);
	poll_until(sim, 20 * S);
	CHECK_EQ(summary_of(sim).changes, 6);
	for (size_t n = 0; n < 6; n++) {
		weir_sim_change change = change_of(sim, n);

		CHECK_EQ(change.consumer, 9);
		CHECK_EQ(change.of_class, 1);
		CHECK_EQ(change.to, n < 3 ? n + 1 : 5 - n);
		CHECK(change.when_ns >= last_ns);
		last_ns = change.when_ns;
		if (strncmp(change.why, says[n], strlen(says[n])) != 0)
			FAIL("'%s' does not begin with '%s'", change.why, says[n]);
	}
	had = result_of(sim, 1);
	CHECK_EQ(had.promotions, 3);
	CHECK_EQ(had.demotions, 3);
	CHECK_EQ(had.at_tier[0], 1);
	CHECK_EQ(had.tier_ns[0] + had.tier_ns[1] + had.tier_ns[2] + had.tier_ns[3],
		weir_sim_now(sim));
	CHECK_EQ(had.tier_polls[0] + had.tier_polls[1] + had.tier_polls[2] +
			had.tier_polls[3],
		had.polls);
	CHECK(had.tier_ns[1] >= 3 * S && had.tier_ns[2] >= 2 * S);
	CHECK_EQ(result_of(sim, 0).promotions, 0);
	CHECK_EQ(result_of(sim, 0).at_tier[0], 9);
	check_unbroken(sim, "balanced", 0);
	weir_sim_close(sim);
}

/* P32: at each tier it has 100, 75, 50 and 25 % of its turns, exactly. */
static void
P32_shares_follow_the_tier(void)
{
	static const char *const until[] = {"balanced monitor.violations=0",
		"balanced warn.violations=0", "balanced yield.violations=0", "balanced"};

	for (unsigned tier = 0; tier < 4; tier++) {
		weir_sim_class classes[2] = {one_is_bad[0], one_is_bad[1]};
		uint64_t others, own;
		weir_sim *sim;

		classes[1].bad_until_ns = 0;
		sim = sim_opened(&(weir_sim_options){
			.classes = classes, .class_count = 2, .tiers = until[tier]});
		poll_until(sim, 2 * S);
		CHECK_EQ(result_of(sim, 1).at_tier[tier], 1);
		others = result_of(sim, 0).polls;
		own = result_of(sim, 1).polls;
		/* 36 and 8, 6, 4 or 2 polls are a round. */
		for (unsigned p = 0; p < 100 * (36 + 8 - 2 * tier); p++)
			(void)weir_sim_poll(sim);
		others = result_of(sim, 0).polls - others;
		own = result_of(sim, 1).polls - own;
		CHECK(others >= 3598 && others <= 3602);
		CHECK(own + 1 >= 100 * (8 - 2 * tier) && own <= 100 * (8 - 2 * tier) + 1);
		check_unbroken(sim, until[tier], 0);
		weir_sim_close(sim);
	}
}

/* P31: who relapses is kept for longer, and nobody comes back before it was quiet for long
 * enough: here for longer than its penalty lasts. */
static void
P31_relapses_are_kept_for_longer(void)
{
	static const weir_sim_class classes[] = {{.consumers = 1,
		.weight = 1,
		.cost_ns = 100 * US,
		.burst_ns = 3 * MS,
		.burst_polls = 40,
		.burst_every = 40000}};
	static const char *const settings[] = {"readme promotion_ms=0 isolate.min_ms=1500",
		"readme promotion_ms=0 demotion_ms=3000"};
	static const char *const dwells[] = {"for 1.50 s at least", "for 3 s at least"};
	uint64_t isolated_ns = 0;

	for (unsigned k = 0; k < 2; k++) {
		unsigned isolations = 0;
		weir_sim *sim = sim_opened(&(weir_sim_options){
			.classes = classes, .class_count = 1, .tiers = settings[k]});

		for (int p = 0; p < 130000; p++)
			(void)weir_sim_poll(sim);
		for (size_t n = 0; n < summary_of(sim).changes; n++) {
			weir_sim_change change = change_of(sim, n);

			if (change.to == 3) {
				CHECK(k == 1 || isolations > 1 ||
					strstr(change.why, dwells[isolations]) != NULL);
				isolations++;
				isolated_ns = change.when_ns;
			}
			if (change.from == 3 && change.to == 2)
				CHECK(change.when_ns - isolated_ns >=
					(k == 0 && isolations == 1 ? 1500 : 3000) * MS);
		}
		CHECK(isolations >= 2);
		check_unbroken(sim, settings[k], 0);
		weir_sim_close(sim);
	}
}

/* P32: at once to the last tier and back by hand, and all of it forgotten where tiers are
 * switched off. */
static void
P32_by_hand_and_switched_off(void)
{
	weir_sim *sim = open_bad("balanced");
	struct wr_sim_tiers *tiers = wr_sim_tiers_in(sim);

	CHECK(!wr_sim_tiers_move(tiers, sim, 3, 4));
	CHECK(!wr_sim_tiers_move(tiers, sim, 3, 0));
	CHECK(wr_sim_tiers_move(tiers, sim, 3, 3));
	for (int p = 0; p < 100; p++)
		(void)weir_sim_poll(sim);
	CHECK_EQ(result_of(sim, 0).at_tier[3], 1);
	CHECK(strstr(change_of(sim, 0).why, "an operator said so") != NULL);
	CHECK(wr_sim_tiers_move(tiers, sim, 3, 0));
	CHECK(wr_sim_tiers_move(tiers, sim, 4, 2));
	poll_until(sim, S / 2);
	CHECK_EQ(result_of(sim, 1).at_tier[3], 1);
	wr_sim_tiers_switch(tiers, false);
	poll_until(sim, 3 * S / 4);
	CHECK_EQ(result_of(sim, 0).at_tier[0], 9);
	CHECK_EQ(result_of(sim, 1).at_tier[0], 1);
	CHECK_EQ(wr_select_round(wr_sim_referee(sim)->select), 4 * 44);
	wr_sim_tiers_switch(tiers, true);
	poll_until(sim, S);
	CHECK_EQ(result_of(sim, 1).at_tier[3], 1);
	check_unbroken(sim, "by hand", 0);
	weir_sim_close(sim);
}

/* ---- timers ------------------------------------------------------------------------------- */

/* K9: who is woken by a timer has a poll for each time, none is lost, and it costs the others
 * nothing but that. */
static void
K9_timers_wake_consumers(void)
{
	static const weir_sim_class classes[] = {{.consumers = 2, .weight = 10},
		{.consumers = 3, .weight = 1, .every_ns = 100 * US},
		{.consumers = 1000, .weight = 1, .every_ns = 50 * MS}};
	weir_sim *sim = sim_opened(
		&(weir_sim_options){.classes = classes, .class_count = 3, .seed = 5});
	uint64_t fired;

	poll_until(sim, S);
	fired = summary_of(sim).timers;
	CHECK(fired >= 3 * 10000 + 1000 * 20 - 10 && fired <= 3 * 10000 + 1000 * 20 + 10);
	CHECK_EQ(result_of(sim, 1).polls + result_of(sim, 1).waiting +
			result_of(sim, 2).polls + result_of(sim, 2).waiting,
		fired);
	CHECK(result_of(sim, 1).waiting <= 3);
	check_unbroken(sim, "timers", 5);
	weir_sim_close(sim);
}

/* Where there is nothing but timers time goes to the next one, and the books agree. */
static void
K9_nobody_is_polled_between_timers(void)
{
	static const weir_sim_class classes[] = {
		{.consumers = 4, .weight = 1, .every_ns = S, .cost_ns = 10 * US}};
	weir_sim *sim = sim_opened(&(weir_sim_options){
		.classes = classes, .class_count = 1, .tiers = "balanced"});
	int polls = 0, naps = 0;

	while (weir_sim_now(sim) < 100 * S) {
		if (weir_sim_poll(sim) >= 0)
			polls++;
		else
			naps++;
	}
	CHECK(polls >= 400 && polls <= 404);
	CHECK(naps >= 400 && naps <= 404);
	CHECK_EQ(result_of(sim, 0).time_ns, (uint64_t)polls * 10 * US);
	check_unbroken(sim, "naps", 0);
	weir_sim_close(sim);
}

/* ---- costs -------------------------------------------------------------------------------- */

static void
costs_follow_their_class(void)
{
	const weir_sim_class class = {.cost_ns = 5,
		.burst_ns = 70,
		.burst_polls = 2,
		.burst_every = 5,
		.bad_ns = 900,
		.bad_from_ns = 100,
		.bad_until_ns = 200};
	static const uint64_t want[] = {5, 5, 5, 70, 70, 5, 5, 5, 70, 70};

	for (uint64_t n = 0; n < 10; n++) {
		CHECK_EQ(wr_sim_load_cost(&class, n, 99), want[n]);
		CHECK_EQ(wr_sim_load_cost(&class, n, 100), 900);
		CHECK_EQ(wr_sim_load_cost(&class, n, 199), 900);
		CHECK_EQ(wr_sim_load_cost(&class, n, 200), want[n]);
	}
	CHECK_EQ(wr_sim_load_cost(&(weir_sim_class){.weight = 1}, 7, 7), 1000);
	CHECK_EQ(wr_sim_load_cost(&(weir_sim_class){.bad_ns = 3}, 0, UINT64_MAX), 3);
}

/* ---- the referee --------------------------------------------------------------------------- */

static struct wr_select queue;
static struct wr_referee books;
static struct wr_player player;
static struct wr_turn turn;
static struct wr_tier_player climber;
static struct wr_tier_referee referee;
static uint64_t now;

static void
begin_match(void)
{
	static const struct wr_turn *const all[] = {&turn};

	wr_turn_init(&turn, 4);
	wr_referee_init(&books, &queue, NULL, all, &player, 1, 0);
	now = 1000 * S;
	wr_tier_referee_init(&referee, &books, wr_tier_profile("balanced"), &climber, now);
}

/* A poll, and what came of it: the tier that it goes to, or -1. */
static void
tell(uint64_t poll_ns, int to)
{
	struct wr_tier_change change = {.from = climber.tier, .to = (uint8_t)to};

	now += 10 * MS;
	wr_tier_referee_looked(&referee, 0, now, poll_ns, to < 0 ? NULL : &change);
}

static void
tell_many(unsigned times, uint64_t poll_ns)
{
	while (times-- > 0)
		tell(poll_ns, -1);
}

static void
check_seen(const char *part)
{
	CHECK_EQ(books.broken, 1);
	if (!strstr(books.text, part))
		FAIL("'%s' does not say '%s'", books.text, part);
}

/* Up to isolation as the rules have it. */
static void
climb(void)
{
	begin_match();
	tell_many(4, 2 * MS);
	tell(2 * MS, 1);
	tell_many(9, 2 * MS);
	tell(2 * MS, 2);
	tell_many(9, 2 * MS);
	tell(2 * MS, 3);
	CHECK_EQ(books.broken, 0);
}

static void
the_referee_sees_who_climbs_too_soon_or_late(void)
{
	begin_match();
	tell_many(3, 2 * MS);
	tell(2 * MS, 1);
	check_seen("came to warn too soon, after 4 violations");
	begin_match();
	tell_many(5, 2 * MS);
	check_seen("still at monitor, after 5 violations");
	/* A violation that is none, and the least time after a promotion. */
	begin_match();
	tell_many(4, 2 * MS);
	tell(1 * MS, 1);
	check_seen("went from monitor to warn");
	begin_match();
	tell_many(4, 2 * MS);
	tell(2 * MS, 1);
	tell_many(2, 2 * MS);
	tell(2 * MS, 2);
	check_seen("came to yield too soon, after 3 violations");
	begin_match();
	tell_many(4, 2 * MS);
	tell(2 * MS, 2);
	check_seen("went from monitor to yield, and was at monitor");
}

static void
the_referee_sees_who_comes_back_too_soon_or_late(void)
{
	/* 250 ms, 25 good polls and 500 ms without a violation; then the penalty. */
	climb();
	tell_many(40, 10 * US);
	tell(10 * US, 2);
	check_seen("came to yield too soon");
	climb();
	tell_many(190, 10 * US);
	CHECK(books.broken > 1);
	books.broken = 1;
	check_seen("still at isolate");
	climb();
	tell_many(182, 10 * US);
	tell(10 * US, 2);
	CHECK_EQ(books.broken, 0);
	/* And from there two seconds. */
	tell_many(150, 10 * US);
	tell(10 * US, 1);
	check_seen("came to warn too soon");
}

static void
the_referee_sees_a_dwell_that_is_too_short(void)
{
	climb();
	tell_many(182, 10 * US);
	tell(10 * US, 2);
	/* A relapse: from here on it stays for half a second. */
	tell_many(9, 2 * MS);
	tell(2 * MS, 3);
	CHECK_EQ(books.broken, 0);
	CHECK_EQ(climber.dwell_ns, 500 * MS);
	climber.dwell_ns = 60 * S;
	tell_many(300, 10 * US);
	tell(10 * US, 2);
	check_seen("came to yield too soon");
}

static void
the_referee_sees_a_wrong_factor(void)
{
	climb();
	turn.pace = 3 * 4 + WR_FACTOR_25;
	wr_tier_referee_polled(&referee, 0);
	CHECK_EQ(books.broken, 0);
	turn.pace = 3 * 4 + WR_FACTOR_50;
	wr_tier_referee_polled(&referee, 0);
	check_seen("is at isolate and has 50 % of its turns");
	begin_match();
	wr_tier_referee_moved(&referee, 0, 2, now);
	wr_tier_referee_absolved(&referee, 0, now);
	turn.pace = 3 * 4 + WR_FACTOR_50;
	wr_tier_referee_polled(&referee, 0);
	check_seen("is at monitor and has 50 % of its turns");
}

/* ---- what cannot be -------------------------------------------------------------------- */

static void
check_refused(const weir_sim_class *class, const char *tiers, const char *part)
{
	weir_sim_options options = {.size = sizeof(options),
		.classes = class,
		.class_count = class != NULL,
		.tiers = tiers};
	weir_error err;

	CHECK(weir_sim_open(&options, NULL) == NULL);
	CHECK(weir_sim_open(&options, &err) == NULL);
	CHECK_EQ(err.code, WEIR_E_USAGE_INVAL);
	if (!strstr(err.text, part))
		FAIL("'%s' does not say '%s'", err.text, part);
}

static void
garbage_is_refused_by_name(void)
{
	static const weir_sim_class wrong[] = {
		{.consumers = 1, .weight = 1, .cost_ns = 60 * S + 1},
		{.consumers = 1, .weight = 1, .every_ns = UINT64_MAX},
		{.consumers = 1, .weight = 1, .burst_polls = 3, .burst_every = 2},
		{.consumers = 1, .weight = 1, .bad_from_ns = 7, .bad_until_ns = 7}};
	static const char *const says[] = {"more than a minute", "more than a minute",
		"burst of 3 polls of class 1", "behaves again before"};
	weir_sim_change change = {.size = sizeof(change)};
	weir_sim *sim;

	for (int i = 0; i < 4; i++)
		check_refused(&wrong[i], NULL, says[i]);
	check_refused(NULL, "brisk", "'brisk' is neither");
	check_refused(NULL, "balanced warn.violations=1001", "warn.violations is 1001");
	check_refused(NULL, "balanced off", "'off' is neither");
	sim = sim_opened(&(weir_sim_options){.tiers = "off"});
	CHECK_EQ(weir_sim_get_change(sim, 0, &change), -WEIR_E_AGAIN_EMPTY);
	change.size = 0;
	CHECK_EQ(weir_sim_get_change(sim, 0, &change), -WEIR_E_USAGE_SIZE);
	CHECK(wr_sim_tiers_in(sim) == NULL);
	weir_sim_close(sim);
}

/* Of very many changes the first are kept, and all are counted. */
static void
changes_that_are_not_kept_are_counted(void)
{
	static const weir_sim_class classes[] = {
		{.consumers = 2000, .weight = 1, .cost_ns = 2 * US}};
	weir_sim_change change = {.size = sizeof(change)};
	weir_sim *sim = sim_opened(&(weir_sim_options){.classes = classes,
		.class_count = 1,
		.tiers = "readme promotion_ms=0 threshold_ns=1000"});

	while (summary_of(sim).changes < 6000)
		for (int p = 0; p < 1000; p++)
			(void)weir_sim_poll(sim);
	CHECK_EQ(weir_sim_get_change(sim, WEIR_SIM_CHANGES_MAX - 1, &change), 0);
	CHECK_EQ(weir_sim_get_change(sim, WEIR_SIM_CHANGES_MAX, &change),
		-WEIR_E_AGAIN_EMPTY);
	check_unbroken(sim, "many", 0);
	weir_sim_close(sim);
}

static const struct wr_test tests[] = {
	TEST(P32_tiers_keep_their_rules_under_every_seed, .watchdog_s = 600),
	TEST(N9_a_seed_replays_the_tiers),
	TEST(N9_who_is_slow_climbs_and_comes_back),
	TEST(P32_shares_follow_the_tier),
	TEST(P31_relapses_are_kept_for_longer),
	TEST(P32_by_hand_and_switched_off),
	TEST(K9_timers_wake_consumers),
	TEST(K9_nobody_is_polled_between_timers),
	TEST(costs_follow_their_class),
	TEST(the_referee_sees_who_climbs_too_soon_or_late),
	TEST(the_referee_sees_who_comes_back_too_soon_or_late),
	TEST(the_referee_sees_a_dwell_that_is_too_short),
	TEST(the_referee_sees_a_wrong_factor),
	TEST(garbage_is_refused_by_name, .labels = "input"),
	TEST(changes_that_are_not_kept_are_counted),
	TEST_END,
};

const struct wr_suite wr_suite_sim_tiers = {.name = "sim_tiers", .tests = tests};
