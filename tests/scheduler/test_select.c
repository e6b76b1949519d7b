/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The table of polls, with two columns: the wheel, and class round robin. 48 consumers in
 * four classes, 9 of weight 10, 18 of 6, 10 of 3 and 11 of 1, make a round of 239 polls.
 * Rows T1 to T13 of it prove K2, K21 and K71; K1 is round robin.
 */
#include "scheduler/select.h"

#include <string.h>

#include "scheduler/rounds.h"
#include "tests/lib/test.h"
#include "tests/scheduler/rig.h"

enum { COLUMNS = 2, ROUND = 239, CONSUMERS = 48 };

static const enum rig_kind columns[COLUMNS] = {RIG_WHEEL, RIG_CLASS};
static const char *const column_names[COLUMNS] = {"wheel", "class round robin"};
static struct rig rig;

static void
make_table(enum rig_kind kind)
{
	rig_make(&rig, kind, rig_table, rig_weights, RIG_CLASSES);
}

/* Polls of each, in so many. */
static void
count_polls(unsigned polls, unsigned *of_each, unsigned *of_class)
{
	memset(of_each, 0, RIG_MAX * sizeof(*of_each));
	memset(of_class, 0, RIG_CLASSES * sizeof(*of_class));
	for (unsigned p = 0; p < polls; p++) {
		int i = rig_poll(&rig, 1);

		REQUIRE(i >= 0);
		of_each[i]++;
		of_class[rig.class[i]]++;
	}
}

/* In each of 200 rounds each ready one has exactly its weight, and nobody else any. */
static void
check_rounds(unsigned round)
{
	unsigned each[RIG_MAX], class[RIG_CLASSES];
	unsigned wrong = 0;

	for (unsigned r = 0; r < 200; r++) {
		count_polls(round, each, class);
		for (unsigned i = 0; i < rig.n; i++)
			wrong += each[i] != (rig.ready[i] ? rig_weight(&rig, i) : 0);
	}
	CHECK_EQ(wrong, 0);
}

/* K2, T1 */
static void
T1_each_has_its_weight_in_every_round(void)
{
	for (int c = 0; c < COLUMNS; c++) {
		make_table(columns[c]);
		CHECK_EQ(wr_select_round(rig.select), 4 * ROUND);
		check_rounds(ROUND);
	}
}

/* K2, T2 */
static void
T2_polls_of_one_are_evenly_apart(void)
{
	static const unsigned most[COLUMNS][RIG_CLASSES] = {
		{28, 42, 82, 239}, {25, 40, 82, 239}};
	static const unsigned least[COLUMNS][RIG_CLASSES] = {
		{0, 0, 0, 0}, {23, 39, 77, 239}};

	for (int c = 0; c < COLUMNS; c++) {
		unsigned last[RIG_MAX] = {0};
		unsigned lo[RIG_CLASSES] = {ROUND, ROUND, ROUND, ROUND};
		unsigned hi[RIG_CLASSES] = {0};

		make_table(columns[c]);
		for (unsigned now = 1; now <= 40 * ROUND; now++) {
			int i = rig_poll(&rig, 1);
			unsigned gap = now - last[i], k = rig.class[i];

			if (last[i] > 0) {
				lo[k] = gap < lo[k] ? gap : lo[k];
				hi[k] = gap > hi[k] ? gap : hi[k];
			}
			last[i] = now;
		}
		for (int k = 0; k < RIG_CLASSES; k++) {
			CHECK(lo[k] >= least[c][k]);
			CHECK(hi[k] <= most[c][k]);
		}
		wr_test_note("%s: polls apart %u-%u, %u-%u, %u-%u, %u-%u",
			column_names[c], lo[0], hi[0], lo[1], hi[1], lo[2], hi[2],
			lo[3], hi[3]);
	}
}

/* K2, T3 */
static void
T3_one_of_each_makes_a_round_of_20(void)
{
	static const unsigned one[RIG_CLASSES] = {1, 1, 1, 1};

	for (int c = 0; c < COLUMNS; c++) {
		rig_make(&rig, columns[c], one, rig_weights, RIG_CLASSES);
		CHECK_EQ(wr_select_round(rig.select), 4 * 20);
		check_rounds(20);
	}
}

/* The first so many of each class are ready, the others are found idle. */
static void
check_partly_ready(const unsigned *ready, unsigned round)
{
	for (int c = 0; c < COLUMNS; c++) {
		unsigned nth[RIG_CLASSES] = {0};

		make_table(columns[c]);
		for (unsigned i = 0; i < rig.n; i++) {
			unsigned k = rig.class[i];

			rig_ready(&rig, i, nth[k]++ < ready[k]);
		}
		for (unsigned p = 0; p < ROUND; p++)
			rig_poll(&rig, 1);
		CHECK_EQ(wr_select_round(rig.select), 4 * round);
		check_rounds(round);
	}
}

/* K2, T4: the round shrinks to those that are ready, and nothing is kept for the others. */
static void
T4_an_idle_class_costs_nothing(void)
{
	static const struct {
		unsigned ready[RIG_CLASSES], round;
	} rows[] = {{{0, 18, 10, 11}, 149}, {{9, 0, 10, 11}, 131},
		{{9, 18, 10, 0}, 228}, {{0, 0, 10, 11}, 41}, {{0, 0, 0, 11}, 11}};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++)
		check_partly_ready(rows[r].ready, rows[r].round);
}

/* K2, T5 */
static void
T5_a_partly_idle_class_too(void)
{
	static const struct {
		unsigned ready[RIG_CLASSES], round;
	} rows[] = {{{1, 18, 10, 11}, 159}, {{9, 1, 1, 1}, 100}, {{3, 6, 3, 4}, 79}};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++)
		check_partly_ready(rows[r].ready, rows[r].round);
}

/* K2, T6: the exact counts of each. The fluid share is 150.63, 180.75, 50.21 and 18.41. */
static void
T6_a_frame_of_400_polls(void)
{
	static const unsigned want[COLUMNS][RIG_CLASSES] = {
		{151, 181, 50, 18}, {150, 181, 50, 19}};
	unsigned each[RIG_MAX], class[RIG_CLASSES];

	for (int c = 0; c < COLUMNS; c++) {
		make_table(columns[c]);
		count_polls(400, each, class);
		for (int k = 0; k < RIG_CLASSES; k++)
			CHECK_EQ(class[k], want[c][k]);
	}
}

/* K2, T9 */
static void
T9_the_limit_of_a_round_is_400_polls(void)
{
	struct wr_rounds rounds;
	struct weir_error err;

	wr_rounds_init(&rounds, WR_ROUNDS_LIMIT);
	for (int k = 0; k < RIG_CLASSES; k++)
		for (unsigned i = 0; i < rig_table[k]; i++)
			CHECK_EQ(wr_rounds_admit(&rounds, rig_weights[k], NULL), 0);
	CHECK_EQ(rounds.polls, ROUND);
	for (int i = 0; i < 16; i++)
		CHECK_EQ(wr_rounds_admit(&rounds, 10, &err), 0);
	CHECK_EQ(rounds.polls, 399);
	CHECK_EQ(wr_rounds_admit(&rounds, 10, &err), -WEIR_E_AGAIN_QUOTA);
	CHECK(strstr(err.text, "409 polls, 9 too many") != NULL);
	CHECK_EQ(rounds.polls, 399);
	CHECK_EQ(wr_rounds_admit(&rounds, 1, &err), 0);
}

/* K2, T12: how far anybody is from its share at any time, in polls. */
static void
T12_nobody_is_far_from_its_share(void)
{
	static const double most[COLUMNS] = {1.1, 1.0};

	for (int c = 0; c < COLUMNS; c++) {
		unsigned had[RIG_MAX] = {0};
		double behind = 0, ahead = 0;

		make_table(columns[c]);
		for (unsigned now = 1; now <= 6 * ROUND; now++) {
			had[rig_poll(&rig, 1)]++;
			for (unsigned i = 0; i < rig.n; i++) {
				double share =
					(double)(now * rig_weight(&rig, i)) / ROUND;
				double lag = share - had[i];

				behind = lag > behind ? lag : behind;
				ahead = -lag > ahead ? -lag : ahead;
			}
		}
		CHECK(behind <= most[c] && ahead <= most[c]);
		wr_test_note("%s: at most %.3f polls behind, %.3f ahead",
			column_names[c], behind, ahead);
	}
}

/* ---- coming and going ------------------------------------------------------------------ */

/* One random consumer falls idle or has something to do again. Class round robin is told of
 * both at once, as its table has it; the wheel finds who is idle at its turn, so who is
 * ready again by then has not been away. Returns true if it came in. */
static bool
toggle(unsigned i)
{
	bool away = rig.turns[i].state == WR_TURN_AWAY, ready = !rig.ready[i];

	rig_ready(&rig, i, ready);
	if (!ready && rig.kind == RIG_CLASS)
		wr_select_remove(rig.select, &rig.turns[i]);
	return away;
}

/*
 * What two have had since both were in, by weight: 30 is a round. For any two that are
 * ready, [i][j] is what i has had more than j.
 */
static int more[RIG_MAX][RIG_MAX];

static void
forget_pairs(unsigned i)
{
	for (unsigned j = 0; j < rig.n; j++)
		more[i][j] = more[j][i] = 0;
}

/* Counts a poll; returns the largest difference that it made, in 30ths of a round. */
static int
count_pairs(unsigned i)
{
	int step = (int)(30 / rig_weight(&rig, i)), worst = 0;

	for (unsigned j = 0; j < rig.n; j++) {
		if (j == i || rig.turns[j].state == WR_TURN_AWAY)
			continue;
		more[i][j] += step;
		more[j][i] -= step;
		if (more[i][j] > worst && rig.ready[j])
			worst = more[i][j];
	}
	return worst;
}

/* What all consumers that are ready have of a poll, by weight; each since it became so. */
struct lags {
	double lag[RIG_MAX];
	double behind, ahead;
};

static void
count_lags(struct lags *lags, unsigned polled)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < rig.n; i++)
		sum += rig.ready[i] ? rig_weight(&rig, i) : 0;
	lags->lag[polled] -= 1;
	for (unsigned i = 0; i < rig.n; i++) {
		if (!rig.ready[i])
			continue;
		lags->lag[i] += (double)rig_weight(&rig, i) / sum;
		if (lags->lag[i] > lags->behind)
			lags->behind = lags->lag[i];
		if (-lags->lag[i] > lags->ahead)
			lags->ahead = -lags->lag[i];
	}
}

/* K2, T13 */
static void
T13_coming_and_going_gains_nothing(void)
{
	static const unsigned percent[] = {2, 10, 50};

	for (int c = 0; c < COLUMNS; c++) {
		for (size_t p = 0; p < 3; p++) {
			struct lags lags = {.behind = 0};
			int worst = 0;

			make_table(columns[c]);
			memset(more, 0, sizeof(more));
			rig.random = 1 + p;
			for (int slot = 0; slot < 24000; slot++) {
				unsigned who = (unsigned)rig_random(&rig, rig.n);
				int i, made;

				if (rig_random(&rig, 100) < percent[p]) {
					if (toggle(who))
						forget_pairs(who);
					lags.lag[who] = 0;
				}
				i = rig_poll(&rig, 1);
				REQUIRE(i >= 0);
				made = count_pairs((unsigned)i);
				worst = made > worst ? made : worst;
				count_lags(&lags, (unsigned)i);
			}
			if (columns[c] == RIG_WHEEL)
				CHECK(worst <= 30);
			else
				CHECK(lags.behind <= 2 && lags.ahead <= 6);
			wr_test_note("%s, %u %% of the slots: two differ by %.3f rounds at "
				     "most; %.2f polls behind, %.2f ahead",
				column_names[c], percent[p], worst / 30.0, lags.behind,
				lags.ahead);
		}
	}
}

/* K2: whoever leaves and comes back as if it were new gains nothing by it either, though its
 * first place may be in the present bucket. */
static void
newcomers_gain_nothing(void)
{
	int worst = 0;

	make_table(RIG_WHEEL);
	memset(more, 0, sizeof(more));
	for (int slot = 0; slot < 200000; slot++) {
		unsigned who = (unsigned)rig_random(&rig, rig.n);
		int i, made;

		if (rig_random(&rig, 100) < 20) {
			if (rig.turns[who].state == WR_TURN_AWAY)
				wr_turn_init(&rig.turns[who], rig_weight(&rig, who));
			if (toggle(who))
				forget_pairs(who);
		}
		i = rig_poll(&rig, 1);
		REQUIRE(i >= 0);
		made = count_pairs((unsigned)i);
		worst = made > worst ? made : worst;
	}
	CHECK(worst <= 30);
}

/* ---- the others ------------------------------------------------------------------------ */

/* K1 */
static void
K1_round_robin_knows_no_weights(void)
{
	static const unsigned want[RIG_CLASSES] = {45, 90, 50, 54};
	unsigned each[RIG_MAX], class[RIG_CLASSES];

	make_table(RIG_ROBIN);
	count_polls(ROUND, each, class);
	for (int k = 0; k < RIG_CLASSES; k++)
		CHECK_EQ(class[k], want[k]);
}

/* K21: one interface for all, which gives up to n at a time. */
static void
K21_every_discipline_selects_up_to_n(void)
{
	for (int kind = 0; kind < RIG_KINDS; kind++) {
		struct wr_turn *got[RIG_MAX];
		bool out[RIG_MAX] = {false};

		make_table((enum rig_kind)kind);
		CHECK_EQ(wr_select_many(rig.select, got, 0), 0);
		CHECK_EQ(wr_select_many(rig.select, got, 5), 5);
		for (int i = 0; i < 5; i++) {
			CHECK(!out[got[i] - rig.turns]);
			CHECK_EQ(got[i]->state, WR_TURN_OUT);
			out[got[i] - rig.turns] = true;
		}
		for (int i = 0; i < 5; i++)
			wr_select_put(rig.select, got[i], 1);
		CHECK_EQ(wr_select_many(rig.select, got, RIG_MAX), CONSUMERS);
		CHECK_EQ(wr_select_many(rig.select, got, RIG_MAX), 0);
		CHECK_EQ(rig.select->count, CONSUMERS);
	}
}

/* One thing after the other befalls one consumer after the other; the rig knows who has to
 * be in. */
static void
disturb(bool *in)
{
	unsigned i = (unsigned)rig_random(&rig, rig.n);
	struct wr_turn *turn = &rig.turns[i];
	int polled;

	switch (rig_random(&rig, 8)) {
	case 0:
		wr_select_remove(rig.select, turn);
		rig.ready[i] = in[i] = false;
		break;
	case 1:
		rig.ready[i] = false;
		break;
	case 2:
	case 3:
		rig_ready(&rig, i, in[i] = true);
		break;
	case 4:
		wr_select_weigh(rig.select, turn, 1 + (unsigned)rig_random(&rig, 64),
			(enum wr_factor)rig_random(&rig, 4));
		break;
	case 5:
		/* One that is out is removed, or found idle, or weighs something else. */
		polled = rig_next(&rig);
		if (polled < 0)
			break;
		wr_select_weigh(rig.select, &rig.turns[polled],
			1 + (unsigned)rig_random(&rig, 64), WR_FACTOR_100);
		wr_select_remove(rig.select, &rig.turns[polled]);
		rig.ready[polled] = in[polled] = false;
		break;
	default:
		polled = rig_poll(&rig, rig_random(&rig, 1000));
		CHECK(polled < 0 || in[polled]);
	}
}

/* Everybody that is ready comes, nobody else does, and none of them twice at a time. */
static void
check_members(const bool *in)
{
	struct wr_turn *got[RIG_MAX];
	size_t many = wr_select_many(rig.select, got, RIG_MAX);
	unsigned sum = 0, ready = 0, found = 0;
	bool seen[RIG_MAX] = {false};

	for (size_t i = 0; i < many; i++) {
		unsigned who = (unsigned)(got[i] - rig.turns);

		CHECK(!seen[who]);
		seen[who] = true;
		found += rig.ready[who];
		sum += wr_turn_quarters(got[i]);
	}
	for (unsigned i = 0; i < rig.n; i++)
		ready += rig.ready[i] && in[i];
	CHECK_EQ(found, ready);
	CHECK_EQ(rig.select->count, many);
	CHECK_EQ(rig.select->quarters, sum);
	for (size_t i = 0; i < many; i++)
		wr_select_put(rig.select, got[i], 1);
}

/* K27 */
static void
nobody_is_lost_or_there_twice(void)
{
	for (int kind = 0; kind < RIG_KINDS; kind++) {
		bool in[RIG_MAX];

		make_table((enum rig_kind)kind);
		memset(in, true, sizeof(in));
		rig.random = (uint64_t)kind;
		for (int step = 0; step < 100000; step++) {
			disturb(in);
			if (step % 64 == 0)
				check_members(in);
		}
	}
}

/* What befalls a turn that is not in changes nothing that is. */
static void
each_verb_fits_every_state(void)
{
	for (int kind = 0; kind < RIG_KINDS; kind++) {
		static const unsigned two[] = {2};
		static const unsigned weight[] = {3};
		struct wr_turn *turn = &rig.turns[0];

		rig_make(&rig, (enum rig_kind)kind, two, weight, 1);
		wr_select_add(rig.select, turn);
		CHECK_EQ(rig.select->count, 2);
		wr_select_remove(rig.select, turn);
		wr_select_remove(rig.select, turn);
		CHECK_EQ(rig.select->count, 1);
		wr_select_weigh(rig.select, turn, 64, WR_FACTOR_25);
		CHECK_EQ(wr_select_round(rig.select), 4 * 3);
		wr_select_add(rig.select, turn);
		CHECK_EQ(wr_select_round(rig.select), 4 * 3 + 64);
		CHECK_EQ(rig.select->count, 2);
		for (int i = 0; i < 2; i++)
			wr_select_remove(rig.select, &rig.turns[i]);
		CHECK(wr_select_next(rig.select) == NULL);
		CHECK_EQ(wr_select_round(rig.select), 0);
	}
}

/* P5: what a consumer carries for its turn is at most 24 bytes. */
static void
P5_a_turn_is_24_bytes(void)
{
	CHECK_EQ(sizeof(struct wr_turn), 24);
	wr_test_note("turn %zu B, wheel %zu, classes %zu, robin %zu, table %zu, group %zu",
		sizeof(struct wr_turn), sizeof(struct wr_wheel),
		sizeof(struct wr_classes), sizeof(struct wr_robin),
		sizeof(struct wr_table), sizeof(struct wr_group));
}

static void
weights_beyond_the_bounds_are_the_nearest_within(void)
{
	struct wr_turn turn;

	wr_turn_init(&turn, 0);
	CHECK_EQ(wr_turn_weight(&turn), 1);
	wr_turn_init(&turn, 1000);
	CHECK_EQ(wr_turn_weight(&turn), 64);
	CHECK_EQ(wr_turn_quarters(&turn), 256);
}

static const struct wr_test tests[] = {
	TEST(T1_each_has_its_weight_in_every_round),
	TEST(T2_polls_of_one_are_evenly_apart),
	TEST(T3_one_of_each_makes_a_round_of_20),
	TEST(T4_an_idle_class_costs_nothing),
	TEST(T5_a_partly_idle_class_too),
	TEST(T6_a_frame_of_400_polls),
	TEST(T9_the_limit_of_a_round_is_400_polls),
	TEST(T12_nobody_is_far_from_its_share),
	TEST(T13_coming_and_going_gains_nothing),
	TEST(newcomers_gain_nothing),
	TEST(K1_round_robin_knows_no_weights),
	TEST(K21_every_discipline_selects_up_to_n),
	TEST(nobody_is_lost_or_there_twice, .labels = "input"),
	TEST(each_verb_fits_every_state, .labels = "input"),
	TEST(P5_a_turn_is_24_bytes),
	TEST(weights_beyond_the_bounds_are_the_nearest_within),
	TEST_END,
};

const struct wr_suite wr_suite_select = {.name = "select", .tests = tests};
