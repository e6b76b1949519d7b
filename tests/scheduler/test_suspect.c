/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Who is stuck in a handler, and who only looks like it (FEATURES N2, P1): the rules, in virtual
 * time.
 */
#include "scheduler/suspect.h"

#include "tests/lib/dice.h"
#include "tests/lib/test.h"

enum { US = 1000, HARD = 2000 * US, TICK = 250 * US, POLL = 4 + 1, OTHER_POLL = 8 + 1 };

static struct wr_suspect s;
static uint64_t now;
static struct wr_evidence evidence;

static void
make(void)
{
	s = (struct wr_suspect){0};
	now = 1000000000;
	evidence = (struct wr_evidence){.ran_ns = 77};
	(void)wr_suspect_look(&s, 0, false, now, TICK);
}

/* A tick, in which the thread runs for so long or waits; then a look at that word. */
static enum wr_finding
look(uint64_t word, uint64_t ran_ns, bool waits, uint64_t hard_ns)
{
	now += TICK;
	evidence.ran_ns += ran_ns;
	evidence.waits = waits;
	if (!wr_suspect_look(&s, word, (word & 3) == 1, now, TICK))
		return WR_FOUND_NOTHING;
	return wr_suspect_judge(&s, &evidence, now, hard_ns);
}

/* The first finding of so many looks that is neither nothing nor a hint; *looks: which. */
static enum wr_finding
find(uint64_t ran_ns, bool waits, uint64_t hard_ns, int *looks)
{
	enum wr_finding found = WR_FOUND_NOTHING;

	for (*looks = 1; *looks < 100; ++*looks) {
		found = look(POLL, ran_ns, waits, hard_ns);
		if (found != WR_FOUND_NOTHING && found != WR_FOUND_LONG)
			break;
	}
	return found;
}

static void
N2_who_spins_is_found_when_its_time_is_over(void)
{
	int looks;

	make();
	CHECK_EQ(find(TICK, false, HARD, &looks), WR_FOUND_SPINNING);
	CHECK_EQ(looks, 1 + HARD / TICK); /* since the first look */
}

/* Of a budget of four ticks the last two fifths of one would be missing, else. */
static void
N2_what_it_had_run_when_it_was_first_seen_is_where_it_begins(void)
{
	int looks;

	make();
	(void)look(POLL, 0, false, 4 * TICK);
	wr_suspect_begins(&s, evidence.ran_ns);
	CHECK_EQ(find(TICK, false, 4 * TICK, &looks), WR_FOUND_SPINNING);
	CHECK_EQ(looks, 4 + 1); /* two of them say so */
	/* What it had run before that is not of this poll. */
	make();
	evidence.ran_ns = 1000 * HARD;
	(void)look(POLL, 0, false, HARD);
	wr_suspect_begins(&s, evidence.ran_ns);
	CHECK_EQ(find(0, false, HARD, &looks), WR_FOUND_NO_CORE);
	/* Nor is it waiting that was seen only later, if it ran in between. */
	make();
	(void)look(POLL, 0, false, HARD);
	wr_suspect_begins(&s, evidence.ran_ns);
	(void)look(POLL, TICK, false, HARD);
	CHECK_EQ(find(0, true, HARD, &looks), WR_FOUND_NO_CORE);
}

static void
N2_who_waits_is_found_when_its_time_is_over(void)
{
	int looks;

	make();
	CHECK_EQ(find(0, true, HARD, &looks), WR_FOUND_WAITING);
	CHECK_EQ(looks, 1 + HARD / TICK);
}

/* Neither ran nor waited: it had no core. Nor has who ran for some of it. */
static void
N2_who_has_no_core_is_excused(void)
{
	int looks;

	make();
	CHECK_EQ(find(0, false, HARD, &looks), WR_FOUND_NO_CORE);
	make();
	CHECK_EQ(find(TICK / 2, false, HARD, &looks), WR_FOUND_NO_CORE);
	/* As soon as it runs again for long enough it is found. */
	CHECK_EQ(look(POLL, 0, false, HARD), WR_FOUND_NO_CORE);
	CHECK_EQ(look(POLL, (uint64_t)100 * TICK, false, HARD), WR_FOUND_SPINNING);
}

/* Whoever has a core only now and then is found when what it has run is too much. */
static void
N2_what_it_has_run_counts_however_long_that_took(void)
{
	uint64_t ran_ns = 0;

	make();
	(void)look(POLL, 0, false, HARD);
	(void)look(POLL, 0, false, HARD);
	while (look(POLL, TICK / 10, false, HARD) != WR_FOUND_SPINNING && ran_ns < HARD)
		ran_ns += TICK / 10;
	CHECK_EQ(ran_ns + TICK / 10, HARD / 5 * 4);
}

/* Once seen in neither state it is not one that waited all the time. */
static void
N2_who_waited_only_for_a_part_is_excused(void)
{
	int looks;

	make();
	CHECK_EQ(look(POLL, 0, true, HARD), WR_FOUND_NOTHING);
	CHECK_EQ(look(POLL, 0, false, HARD), WR_FOUND_NOTHING);
	CHECK_EQ(find(0, true, HARD, &looks), WR_FOUND_NO_CORE);
}

/* It ran for a moment, or could have, and then waits without end. */
static void
N2_who_waits_from_some_time_on_is_found(void)
{
	make();
	(void)look(POLL, 0, false, HARD);
	CHECK_EQ(look(POLL, TICK / 2, false, HARD), WR_FOUND_NOTHING);
	for (int i = 0; i < HARD / TICK; i++)
		CHECK(look(POLL, 0, true, HARD) != WR_FOUND_WAITING);
	CHECK_EQ(look(POLL, 0, true, HARD), WR_FOUND_WAITING);
}

/* A short hard budget, and the kernel's ticks: it takes two looks. */
static void
N2_a_short_time_is_confirmed(void)
{
	int looks;

	make();
	CHECK_EQ(find(TICK, false, HARD / 2, &looks), WR_FOUND_SPINNING);
	/* It was asked first one look after it was seen first. */
	CHECK_EQ(looks, 3 + HARD / 2 / TICK);
}

/* Both have to say the same: to have waited does not confirm that it spins. */
static void
N2_two_looks_confirm_the_same(void)
{
	make();
	for (int i = 0; i < HARD / 2 / TICK; i++)
		CHECK(look(POLL, 0, true, HARD / 2) < WR_FOUND_SPINNING);
	CHECK_EQ(look(POLL, 0, true, HARD / 2), WR_FOUND_WAITING);
	CHECK_EQ(look(POLL, HARD, false, HARD / 2), WR_FOUND_LONG);
	CHECK_EQ(look(POLL, TICK, false, HARD / 2), WR_FOUND_SPINNING);
}

/* What is known of less than half of its time is not evidence. */
static void
N2_it_is_not_judged_by_a_moment(void)
{
	make();
	(void)look(POLL, 0, false, 3 * TICK);
	now += 2 * TICK;
	CHECK_EQ(look(POLL, 0, true, 3 * TICK), WR_FOUND_LONG);
	CHECK_EQ(look(POLL, 0, false, 3 * TICK), WR_FOUND_LONG);
	CHECK_EQ(look(POLL, 0, false, 3 * TICK), WR_FOUND_NO_CORE);
}

/* Another poll, or none, begins anew. */
static void
N2_another_poll_begins_anew(void)
{
	int looks;

	make();
	for (int i = 0; i < HARD / TICK; i++)
		CHECK(look(POLL, TICK, false, HARD) < WR_FOUND_SPINNING);
	CHECK_EQ(look(OTHER_POLL, TICK, false, HARD), WR_FOUND_NOTHING);
	CHECK_EQ(find(TICK, false, HARD, &looks), WR_FOUND_SPINNING);
	CHECK_EQ(looks, 1 + HARD / TICK);
	CHECK_EQ(look(4, TICK, false, HARD), WR_FOUND_NOTHING);
	CHECK_EQ(wr_suspect_wait_ns(&s, now, HARD), UINT64_MAX);
}

/* Who looks was late itself: nothing that it saw before counts. */
static void
N2_a_late_look_drops_what_was_seen(void)
{
	int looks;

	make();
	for (int i = 0; i < HARD / TICK; i++)
		CHECK(look(POLL, TICK, false, HARD) < WR_FOUND_SPINNING);
	now += WR_SUSPECT_LATE_NS + 1;
	CHECK_EQ(look(POLL, (uint64_t)10 * TICK, false, HARD), WR_FOUND_NOTHING);
	CHECK_EQ(find(TICK, false, HARD, &looks), WR_FOUND_SPINNING);
	CHECK_EQ(looks, 1 + HARD / TICK);
}

/* It was late within the look: what the kernel said was not of the time that it was asked for. */
static void
N2_a_look_that_takes_too_long_is_none(void)
{
	int looks;

	make();
	for (int i = 0; i < HARD / TICK; i++)
		CHECK(look(POLL, TICK / 8, false, HARD) < WR_FOUND_SPINNING);
	evidence.taken_ns = now + TICK + WR_SUSPECT_LATE_NS + 1;
	CHECK_EQ(look(POLL, (uint64_t)10 * HARD, false, HARD), WR_FOUND_NOTHING);
	CHECK_EQ(wr_suspect_wait_ns(&s, now, HARD), UINT64_MAX);
	now = evidence.taken_ns;
	CHECK_EQ(find(TICK, false, HARD, &looks), WR_FOUND_SPINNING);
	CHECK_EQ(looks, 1 + HARD / TICK);
}

/* What it had run was told wrong, or it has no core now: until it goes on nobody is sure. */
static void
N2_who_does_not_go_on_is_not_found(void)
{
	const uint64_t hard_ns = WR_SUSPECT_SURE_NS;

	make();
	(void)look(POLL, 0, false, hard_ns);
	wr_suspect_begins(&s, evidence.ran_ns);
	CHECK(look(POLL, 2 * hard_ns, false, hard_ns) < WR_FOUND_SPINNING);
	for (int i = 0; i < 20; i++)
		CHECK(look(POLL, 0, false, hard_ns) < WR_FOUND_SPINNING);
	CHECK(look(POLL, TICK, false, hard_ns) < WR_FOUND_SPINNING);
	CHECK_EQ(look(POLL, TICK, false, hard_ns), WR_FOUND_SPINNING);
}

/* Between two looks that are far apart its core may have been gone: what it seems to have run
 * there says nothing. */
static void
N2_what_was_run_unseen_does_not_count(void)
{
	int looks;

	make();
	(void)look(POLL, 0, false, 4 * TICK);
	wr_suspect_begins(&s, evidence.ran_ns);
	now += 2 * TICK;
	CHECK_EQ(look(POLL, (uint64_t)100 * TICK, false, 4 * TICK), WR_FOUND_LONG);
	CHECK_EQ(find(TICK, false, 4 * TICK, &looks), WR_FOUND_SPINNING);
	CHECK_EQ(looks, 4 + 1); /* two of them say so */
}

/* A clock that the kernel refuses for once tells nothing. */
static void
N2_what_the_kernel_does_not_tell_is_not_held_against_anybody(void)
{
	make();
	for (int i = 0; i < HARD / TICK; i++)
		CHECK(look(POLL, TICK / 8, false, HARD) < WR_FOUND_SPINNING);
	evidence.ran_ns = 0;
	CHECK_EQ(look(POLL, 0, false, HARD), WR_FOUND_NO_CORE);
}

/* A look that was planned to be soon is not late because the kernel's sleep is longer. */
static void
N2_a_short_sleep_is_never_late(void)
{
	make();
	(void)look(POLL, TICK, false, HARD);
	now += 60 * US;
	CHECK(wr_suspect_look(&s, POLL, true, now, 1));
}

/* It is asked to end at half of its time. */
static void
N2_at_half_of_its_time_it_is_asked_to_end(void)
{
	make();
	for (int i = 0; i < HARD / 2 / TICK; i++)
		CHECK_EQ(look(POLL, TICK, false, HARD), WR_FOUND_NOTHING);
	for (int i = 0; i < HARD / 2 / TICK; i++)
		CHECK_EQ(look(POLL, TICK, false, HARD), WR_FOUND_LONG);
	CHECK_EQ(look(POLL, TICK, false, HARD), WR_FOUND_SPINNING);
}

/* The next look is when it matters. */
static void
it_is_looked_at_when_it_matters(void)
{
	make();
	(void)look(POLL, TICK, false, HARD);
	CHECK_EQ(wr_suspect_wait_ns(&s, now, HARD), HARD / 2);
	now += HARD / 2;
	CHECK_EQ(wr_suspect_wait_ns(&s, now, HARD), HARD / 2);
	now += HARD / 2;
	CHECK_EQ(wr_suspect_wait_ns(&s, now, HARD), HARD / WR_SUSPECT_SOON);
	/* When it was found once, and that has to be confirmed. */
	make();
	for (int i = 0; i < HARD / 2 / TICK + 2; i++)
		CHECK(look(POLL, TICK, false, HARD / 2) < WR_FOUND_SPINNING);
	CHECK_EQ(wr_suspect_wait_ns(&s, now, HARD / 2), HARD / 2 / WR_SUSPECT_AT_ONCE);
}

enum { SEEDS = 2000, SEEDS_LONG = 200000, SPAN = 200 };

/* One poll of a handler that wants so much of a core, in a machine that gives it one now and
 * then, looked at by somebody who is late now and then. True if it was found stuck. */
static bool
lives_through(uint64_t *seed, uint64_t wants_ns, uint64_t hard_ns)
{
	uint64_t ran_ns = 0;

	make();
	for (int i = 0; i < SPAN && ran_ns < wants_ns; i++) {
		bool has_core = wr_dice_roll(seed, 3) != 0;
		uint64_t late = wr_dice_roll(seed, 20) == 0 ? wr_dice_roll(seed, 20) : 0;
		uint64_t step_ns = has_core ? (1 + late) * TICK : 0;
		enum wr_finding found;

		step_ns = step_ns < wants_ns - ran_ns ? step_ns : wants_ns - ran_ns;
		ran_ns += step_ns;
		now += late * TICK;
		found = look(POLL, step_ns, false, hard_ns);
		if (found == WR_FOUND_SPINNING || found == WR_FOUND_WAITING)
			return true;
	}
	return false;
}

/* Seeds: nobody who needs less than four fifths of the hard budget of a core is ever found, whatever
 * the machine does; whoever never ends is, once it has a core. */
static void
P1_whatever_the_machine_does(void)
{
	int seeds = wr_test_long() ? SEEDS_LONG : SEEDS, found = 0;

	for (int i = 1; i <= seeds; i++) {
		uint64_t seed = (unsigned long long)i * WR_DICE_SEED;

		if (!CHECK(!lives_through(&seed, wr_dice_roll(&seed, HARD / 5 * 4), HARD)))
			return;
		found += lives_through(&seed, UINT64_MAX, HARD);
	}
	CHECK(found > seeds / 10 * 9);
}

static const struct wr_test tests[] = {TEST(N2_who_spins_is_found_when_its_time_is_over),
	TEST(N2_what_it_had_run_when_it_was_first_seen_is_where_it_begins),
	TEST(N2_who_waits_is_found_when_its_time_is_over),
	TEST(N2_who_has_no_core_is_excused),
	TEST(N2_what_it_has_run_counts_however_long_that_took),
	TEST(N2_who_waited_only_for_a_part_is_excused),
	TEST(N2_it_is_not_judged_by_a_moment), TEST(N2_a_short_time_is_confirmed),
	TEST(N2_two_looks_confirm_the_same),
	TEST(N2_who_waits_from_some_time_on_is_found),
	TEST(N2_another_poll_begins_anew), TEST(N2_a_late_look_drops_what_was_seen),
	TEST(N2_a_look_that_takes_too_long_is_none),
	TEST(N2_who_does_not_go_on_is_not_found),
	TEST(N2_what_was_run_unseen_does_not_count),
	TEST(N2_what_the_kernel_does_not_tell_is_not_held_against_anybody),
	TEST(N2_a_short_sleep_is_never_late),
	TEST(N2_at_half_of_its_time_it_is_asked_to_end),
	TEST(it_is_looked_at_when_it_matters), TEST(P1_whatever_the_machine_does),
	TEST_END};
const struct wr_suite wr_suite_suspect = {.name = "suspect", .tests = tests};
