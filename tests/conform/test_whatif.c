/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * N9: what a simulation says of a load is what a loop does with it. Half of the consumers are
 * subscriptions with messages enough, half are tasks; hooks write down who was polled, in its
 * order; and of each round every consumer has had as many polls as simulated, or one more or
 * less. With tiers too: one that burns its time climbs as far, for the same reason, and is
 * left the same share.
 */
#include "tests/conform/rig.h"
#include "tests/lib/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <weir/loop.h>
#include <weir/sim.h>

enum { CONSUMERS_MAX = 48, POLLS_MAX = 8000, NUMBERS = 256, NOBODY = -1 };

static const weir_sim_class table[] = {{.consumers = 9, .weight = 10},
	{.consumers = 18, .weight = 6}, {.consumers = 10, .weight = 3},
	{.consumers = 11, .weight = 1}};

/* Who was polled, counted as a simulation counts them. */
struct record {
	int polled[POLLS_MAX];
	int count;
};

static struct record measured, simulated;
static int running;           /* whose callback was called in this poll */
static int index_of[NUMBERS]; /* by the number that its loop has given it */

/* ---- a loop ----------------------------------------------------------------------------------- */

struct consumer {
	int index;
	uint64_t burns_ns;
};

static struct consumer consumers[CONSUMERS_MAX];

static uint64_t
cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void
work(const struct consumer *consumer)
{
	uint64_t until_ns = consumer->burns_ns ? cpu_ns() + consumer->burns_ns : 0;

	running = consumer->index;
	while (until_ns > 0 && cpu_ns() < until_ns)
		;
}

static int
take_message(void *ctx, const weir_msg *msg)
{
	(void)msg;
	work(ctx);
	return 0;
}

static int
take_step(void *ctx)
{
	work(ctx);
	return WEIR_STEP_MORE;
}

static void
before(void *ctx, const weir_consumer *consumer)
{
	(void)ctx, (void)consumer;
	running = NOBODY;
}

static void
after(void *ctx, const weir_consumer *consumer, uint64_t messages)
{
	(void)ctx, (void)messages;
	REQUIRE(consumer->number < NUMBERS);
	if (running != NOBODY)
		index_of[consumer->number] = running;
	if (measured.count < POLLS_MAX && index_of[consumer->number] != NOBODY)
		measured.polled[measured.count++] = index_of[consumer->number];
}

static void
set_hooks(weir_bus *bus)
{
	static const weir_hooks hooks = {
		.size = sizeof(hooks), .before_poll = before, .after_poll = after};

	measured.count = 0;
	for (int i = 0; i < NUMBERS; i++)
		index_of[i] = NOBODY;
	REQUIRE_EQ(weir_hooks_set(bus, &hooks), 0);
}

/* The subscription of consumer i, or its task. Returns how many subscriptions there are. */
static int
make_consumers(weir_bus *bus, const weir_sim_class *classes, size_t count)
{
	int made = 0, subs = 0;

	for (size_t c = 0; c < count; c++)
		for (uint32_t n = 0; n < classes[c].consumers; n++, made++) {
			struct consumer *own = &consumers[made];
			uint32_t weight = (uint32_t)classes[c].weight;

			*own = (struct consumer){
				.index = made, .burns_ns = classes[c].bad_ns};
			if (made % 2 == 0) {
				weir_sub *sub = weir_subscribe(bus, "slow",
					.on_msg = take_message, .ctx = own, .batch = 1,
					.weight = weight);

				REQUIRE_EQ(weir_sub_why(sub)->code, 0);
				subs++;
			} else {
				REQUIRE(weir_spawn(bus, take_step, .ctx = own,
						.weight = weight) != 0);
			}
		}
	return subs;
}

/* Writes down so many polls. Messages are there for all of them. */
static void
measure(weir_bus *bus, int polls)
{
	while (measured.count < polls)
		REQUIRE(weir_turn(bus, 0) >= 0);
}

/* ---- a simulation ------------------------------------------------------------------------------ */

static weir_sim *
open_sim(const weir_sim_options *asked)
{
	simulated.count = 0;
	return sim_opened(asked);
}

static void
simulate(weir_sim *sim, int polls)
{
	while (simulated.count < polls)
		simulated.polled[simulated.count++] = (int)weir_sim_poll(sim);
}

/* In each round of so many polls, from those polls of each record on: one more or less; and in
 * all of them together no more than that at both ends. */
static void
compare(const char *what, int count, int round, int rounds, int from, int sim_from)
{
	int ahead[CONSUMERS_MAX] = {0};

	for (int r = 0; r < rounds; r++) {
		int more[CONSUMERS_MAX] = {0};

		for (int p = r * round; p < (r + 1) * round; p++) {
			more[measured.polled[from + p]]++;
			more[simulated.polled[sim_from + p]]--;
		}
		for (int i = 0; i < count; i++) {
			ahead[i] += more[i];
			if (abs(more[i]) > 1 || abs(ahead[i]) > 2)
				FAIL("%s, round %d: consumer %d had %d polls more than "
				     "simulated, %d so far",
					what, r, i, more[i], ahead[i]);
		}
	}
}

/* ---- polls ---------------------------------------------------------------------------------------- */

static void
N9_simulated_is_measured(const char *name)
{
	enum { ROUND = 239, ROUNDS = 20 };
	static const char *const disciplines[] = {"priority", "classes", "robin"};

	for (int k = 0; k < 3; k++) {
		weir_bus *a = rig_bus(name);
		weir_bus *b = weir_open(name, .discipline = disciplines[k],
			.attach_ms = 600000,
			.flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET);
		weir_pub *pub = weir_advertise(a, "slow");
		weir_sim *sim = open_sim(&(weir_sim_options){
			.discipline = disciplines[k], .classes = table, .class_count = 4});
		int subs;

		REQUIRE_EQ(weir_why(b)->code, 0);
		subs = make_consumers(b, table, 4);
		REQUIRE_EQ(weir_wait_subscribers(pub, subs, WEIR_FOREVER), subs);
		/* As many as the heaviest takes, and some. */
		for (int i = 0; i < 10 * (ROUNDS + 3); i++)
			rig_send(pub, 8, (uint64_t)i);
		set_hooks(b);
		measure(b, ROUND * (ROUNDS + 1));
		simulate(sim, ROUND * (ROUNDS + 1));
		/* In the first one they come in. */
		compare(disciplines[k], 48, ROUND, ROUNDS, ROUND, ROUND);
		weir_sim_close(sim);
		CHECK_EQ(weir_close(a), 0);
		CHECK_EQ(weir_close(b), 0);
	}
}

/* ---- tiers ----------------------------------------------------------------------------------------- */

/* What became of the one that burns its time: of the loop, or of the simulation. */
struct outcome {
	uint32_t tier;
	int changes;
	int polls; /* that there were until it came to its tier, of everybody */
	char why[3][200];
};

static void
note_change(struct outcome *outcome, uint32_t tier, const char *why, int polls)
{
	REQUIRE(outcome->changes < 3);
	snprintf(outcome->why[outcome->changes++], sizeof(outcome->why[0]), "%s", why);
	outcome->tier = tier;
	outcome->polls = polls;
}

static void
on_event(void *ctx, const weir_event *event)
{
	if (event->kind == WEIR_EV_TIER)
		note_change(ctx, event->tier, event->why, measured.count);
}

/* Until it is where the rules let it climb to, and so many polls from there on. */
static struct outcome
measure_tiers(const char *name, const weir_sim_class *classes, const char *tiers,
	uint32_t tier, int polls)
{
	struct outcome outcome = {.tier = 0};
	weir_bus *a = rig_bus(name);
	weir_bus *b = weir_open(name, .attach_ms = 600000, .tiers = tiers,
		.on_event = on_event, .ctx = &outcome,
		.flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET);
	weir_pub *pub = weir_advertise(a, "slow");
	int subs;

	REQUIRE_EQ(weir_why(b)->code, 0);
	subs = make_consumers(b, classes, 2);
	REQUIRE_EQ(weir_wait_subscribers(pub, subs, WEIR_FOREVER), subs);
	for (int i = 0; i < 1000; i++)
		rig_send(pub, 8, (uint64_t)i);
	set_hooks(b);
	while (outcome.tier < tier)
		REQUIRE(weir_turn(b, 0) >= 0);
	measure(b, outcome.polls + polls);
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), 0);
	return outcome;
}

static struct outcome
simulate_tiers(const weir_sim_class *classes, const char *tiers, uint32_t tier, int polls)
{
	struct outcome outcome = {.tier = 0};
	weir_sim_change change = {.size = sizeof(change)};
	weir_sim *sim = open_sim(&(weir_sim_options){
		.classes = classes, .class_count = 2, .tiers = tiers});

	while (outcome.tier < tier) {
		simulate(sim, simulated.count + 1);
		if (weir_sim_get_change(sim, (size_t)outcome.changes, &change) == 0)
			note_change(&outcome, change.to, change.why, simulated.count);
	}
	simulate(sim, outcome.polls + polls);
	weir_sim_close(sim);
	return outcome;
}

/* The 5th in a row, the 3rd, the 2nd: as far as it says so, the same in both. */
static void
check_reasons(const struct outcome *had, const struct outcome *said, int changes)
{
	static const char *const steps[] = {"monitor -> warn: a poll took ",
		"warn -> yield: a poll took ", "yield -> isolate: a poll took "};
	static const char *const rows[] = {
		"the 5th in a row", "the 3rd in a row", "the 2nd in a row"};

	CHECK_EQ(had->changes, changes);
	CHECK_EQ(said->changes, changes);
	for (int i = 0; i < changes; i++) {
		CHECK(strstr(had->why[i], steps[i]) && strstr(said->why[i], steps[i]));
		CHECK(strstr(had->why[i], rows[i]) && strstr(said->why[i], rows[i]));
	}
}

static void
N9_simulated_tiers_are_measured(const char *name)
{
	enum { ROUNDS = 15 };
	static const char *const tiers[] = {"",
		"balanced promotion_ms=0 warn.violations=0",
		"balanced promotion_ms=0 yield.violations=0", "balanced promotion_ms=0"};
	/* One that burns its time, three that do not. */
	static const weir_sim_class classes[] = {
		{.consumers = 1, .weight = 4, .bad_ns = 1500000},
		{.consumers = 3, .weight = 4}};

	for (uint32_t tier = 1; tier <= 3; tier++) {
		/* The first round with the new weight begins anywhere. */
		int round = 16 - (int)tier, polls = round * (ROUNDS + 2);
		struct outcome had =
			measure_tiers(name, classes, tiers[tier], tier, polls);
		struct outcome said = simulate_tiers(classes, tiers[tier], tier, polls);

		check_reasons(&had, &said, (int)tier);
		compare(tiers[tier], 4, round, ROUNDS, had.polls + round,
			said.polls + round);
		/* It is found in a group of eight polls; which one that is may differ. */
		wr_test_note("at tier %u after %d polls, simulated %d", tier, had.polls,
			said.polls);
		CHECK(abs(had.polls - said.polls) <= 4 * 8);
	}
}

#define TESTS(X) X(N9_simulated_is_measured) X(N9_simulated_tiers_are_measured)

TESTS(CONFORM_STAMP)
static const struct wr_test tests[] = {TESTS(CONFORM_ENTRY) TEST_END};

const struct wr_suite wr_suite_whatif = {
	.name = "whatif", .tests = tests, .watchdog_s = 120};
