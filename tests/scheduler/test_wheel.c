/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The wheel, beyond the table of test_select: weights and factors of all kinds, time as
 * what is shared (K71, and T7 to T11b of the table), and consumers that come and go by the
 * rules of a load (K2, K12).
 */
#include "scheduler/wheel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/test.h"
#include "tests/scheduler/rig.h"

enum { ROUND = 239 };

static struct rig rig;

static void
make_table(enum rig_kind kind)
{
	rig_make(&rig, kind, rig_table, rig_weights, RIG_CLASSES);
}

/* ---- weights and factors --------------------------------------------------------------- */

/* K2: 64 consumers, of all weights. In a thousand rounds each has its weight a thousand
 * times; those whose stride is not a whole number of parts may be one poll off. */
static void
every_weight_is_kept(void)
{
	unsigned had[WR_WEIGHT_MAX] = {0}, counts[WR_WEIGHT_MAX], weights[WR_WEIGHT_MAX];
	unsigned exact = 0;

	for (unsigned i = 0; i < WR_WEIGHT_MAX; i++) {
		counts[i] = 1;
		weights[i] = i + 1;
	}
	rig_make(&rig, RIG_WHEEL, counts, weights, WR_WEIGHT_MAX);
	for (;;) {
		int i = rig_poll(&rig, 1);

		if (rig.is.wheel.now >= 1000 * WR_WHEEL_ROUND)
			break;
		had[i]++;
	}
	for (unsigned w = 1; w <= WR_WEIGHT_MAX; w++) {
		bool whole = WR_WHEEL_ROUND * WR_WHEEL_PARTS % w == 0;
		unsigned off = (unsigned)abs((int)had[w - 1] - (int)(1000 * w));

		CHECK(off <= (whole ? 0 : 1));
		exact += off == 0;
	}
	wr_test_note(
		"%u of 64 weights exact over 1,000 rounds, none off by more than a poll",
		exact);
}

/* T10 by polls, and P32: a tier takes three quarters, half or a quarter of a weight. */
static void
T10_a_factor_takes_its_part(void)
{
	static const double want[4] = {4.184, 3.171, 2.137, 1.080};
	static const double like[4] = {4.184, 4.228, 4.274, 4.320};
	static const unsigned quarters[4] = {956, 946, 936, 926};
	static const enum rig_kind kinds[] = {RIG_WHEEL, RIG_CLASS, RIG_TIME};

	for (int k = 0; k < 3; k++)
		for (unsigned f = 0; f < 4; f++) {
			unsigned had[RIG_MAX] = {0};

			make_table(kinds[k]);
			wr_select_weigh(rig.select, &rig.turns[0], 10, (enum wr_factor)f);
			CHECK_EQ(wr_select_round(rig.select), quarters[f]);
			for (int p = 0; p < 400000; p++)
				had[rig_poll(&rig, 1000)]++;
			CHECK(fabs(had[0] / 4000.0 - want[f]) < 0.002);
			CHECK(fabs(had[1] / 4000.0 - like[f]) < 0.002);
		}
}

/* A quarter of weight 1 is a poll in four rounds: further than the circle goes. */
static void
strides_beyond_the_circle_are_kept(void)
{
	static const unsigned counts[] = {2, 1}, weights[] = {1, 10};
	unsigned had[3] = {0};

	rig_make(&rig, RIG_WHEEL, counts, weights, 2);
	wr_select_weigh(rig.select, &rig.turns[0], 1, WR_FACTOR_25);
	wr_select_weigh(rig.select, &rig.turns[1], 1, WR_FACTOR_50);
	for (int p = 0; p < 10750; p++)
		had[rig_poll(&rig, 1)]++;
	CHECK(abs((int)had[0] - 250) <= 1);
	CHECK(abs((int)had[1] - 500) <= 1);
	CHECK(abs((int)had[2] - 10000) <= 2);
}

/* Who was out while others had their turns is not late for the next circle: it comes in the
 * present bucket. */
static void
long_out_is_not_lost(void)
{
	static const unsigned counts[] = {1, 1}, weights[] = {64, 10};
	struct wr_turn *heavy = &rig.turns[0];

	rig_make(&rig, RIG_WHEEL, counts, weights, 2);
	for (int polls = 2; polls < 40; polls++) {
		while (wr_select_next(rig.select) != heavy)
			wr_select_put(rig.select, &rig.turns[1], 1);
		for (int p = 0; p < polls; p++)
			CHECK_EQ(rig_poll(&rig, 1), 1);
		wr_select_put(rig.select, heavy, 1);
		CHECK_EQ(rig_poll(&rig, 1), 0);
	}
}

/* ---- many ------------------------------------------------------------------------------ */

enum { MANY = 100000 };

static struct wr_wheel crowd;
static struct wr_turn *many, *before;

static void
make_crowd(unsigned n)
{
	free(many);
	free(before);
	many = calloc(n, sizeof(*many));
	before = calloc(n, sizeof(*before));
	REQUIRE(many && before);
	wr_wheel_init(&crowd, &wr_wheel_polls);
	for (unsigned i = 0; i < n; i++) {
		wr_turn_init(&many[i], rig_weights[i % RIG_CLASSES]);
		wr_select_add(&crowd.select, &many[i]);
	}
}

/* Turns that a decision has written to. */
static unsigned
touched_by_a_decision(unsigned n)
{
	unsigned touched = 0;
	struct wr_turn *turn;

	memcpy(before, many, n * sizeof(*many));
	turn = wr_select_next(&crowd.select);
	wr_select_put(&crowd.select, turn, 1);
	for (unsigned i = 0; i < n; i++)
		touched += memcmp(&before[i], &many[i], sizeof(*many)) != 0;
	return touched;
}

/* P17, K2: a decision writes to the one that is polled and to its neighbours before and
 * after, among ten as among 100,000. */
static void
P17_a_decision_touches_four_turns_at_most(void)
{
	static const unsigned sizes[] = {10, 1000, MANY};

	for (int s = 0; s < 3; s++) {
		unsigned most = 0;

		make_crowd(sizes[s]);
		for (int p = 0; p < 300; p++) {
			unsigned touched = touched_by_a_decision(sizes[s]);

			most = touched > most ? touched : most;
		}
		CHECK(most <= 4);
		wr_test_note("%u consumers: %u turns", sizes[s], most);
	}
}

/* K54: 100,000 that are idle are in no list. They are never looked at again, and the round of
 * those that are ready is what it is without them. */
static void
K54_idle_ones_cost_nothing(void)
{
	unsigned had[20] = {0}, left = MANY - 20;

	make_crowd(MANY);
	while (left > 0) {
		struct wr_turn *turn = wr_select_next(&crowd.select);

		if (turn - many < 20) {
			wr_select_put(&crowd.select, turn, 1);
			continue;
		}
		wr_select_rest(&crowd.select, turn);
		left--;
	}
	CHECK_EQ(crowd.select.count, 20);
	CHECK_EQ(wr_select_round(&crowd.select), 4 * 5 * 20);
	memcpy(before, many, MANY * sizeof(*many));
	for (int p = 0; p < 100 * 5 * 20; p++) {
		struct wr_turn *turn = wr_select_next(&crowd.select);

		REQUIRE(turn && turn - many < 20);
		had[turn - many]++;
		wr_select_put(&crowd.select, turn, 1);
	}
	for (int i = 0; i < 20; i++)
		CHECK_EQ(had[i], 100 * rig_weights[i % RIG_CLASSES]);
	CHECK_MEM(many + 20, before + 20, (MANY - 20) * sizeof(*many));
}

/* ---- time ------------------------------------------------------------------------------ */

static uint64_t cost_of[RIG_MAX];
static uint64_t time_of[RIG_MAX];
static unsigned polls_of[RIG_MAX];

/* Polls until so many are over or so much time, which is returned. A cost varies between
 * nothing and twice itself if they are random. */
static uint64_t
spend(unsigned polls, uint64_t time, bool random)
{
	uint64_t spent = 0;

	memset(time_of, 0, sizeof(time_of));
	memset(polls_of, 0, sizeof(polls_of));
	for (unsigned p = 0; p < polls && spent < time; p++) {
		int i = rig_next(&rig);
		uint64_t cost = cost_of[i];

		cost = random ? 1 + rig_random(&rig, 2 * cost) : cost;
		wr_select_put(rig.select, &rig.turns[i], cost);
		time_of[i] += cost;
		polls_of[i]++;
		spent += cost;
	}
	return spent;
}

/* How far from the ideal share of time a class is at most, in hundredths of the whole. */
static double
class_error(uint64_t spent)
{
	double time[RIG_CLASSES] = {0}, share[RIG_CLASSES] = {0}, sum = 0, worst = 0;

	for (unsigned i = 0; i < rig.n; i++) {
		time[rig.class[i]] += (double)time_of[i];
		share[rig.class[i]] += rig_weight(&rig, i);
		sum += rig_weight(&rig, i);
	}
	for (int k = 0; k < RIG_CLASSES; k++) {
		double off = fabs(time[k] / (double)spent - share[k] / sum) * 100;

		worst = off > worst ? off : worst;
	}
	return worst;
}

/* How far a consumer is from its ideal share at most, in parts of that; what one poll more
 * or less makes is allowed for. */
static double
consumer_error(uint64_t spent, bool but_one_poll)
{
	double sum = 0, worst = 0;

	for (unsigned i = 0; i < rig.n; i++)
		sum += rig_weight(&rig, i);
	for (unsigned i = 0; i < rig.n; i++) {
		double ideal = (double)spent * rig_weight(&rig, i) / sum;
		double off = fabs((double)time_of[i] - ideal);

		if (but_one_poll)
			off -= off > (double)cost_of[i] ? (double)cost_of[i] : off;
		worst = off / ideal > worst ? off / ideal : worst;
	}
	return worst;
}

static void
class_costs(const unsigned *costs)
{
	for (unsigned i = 0; i < rig.n; i++)
		cost_of[i] = costs[rig.class[i]] * 1000ull;
}

/* How long 200 rounds take: the mean cost of a poll is that of shares of time. */
static uint64_t
rounds_of_time(unsigned rounds)
{
	double sum = 0, polls = 0;

	for (unsigned i = 0; i < rig.n; i++) {
		sum += rig_weight(&rig, i);
		polls += rig_weight(&rig, i) / (double)cost_of[i];
	}
	return (uint64_t)(rounds * sum * (sum / polls));
}

/* K71, T7: where polls are counted, an expensive class takes the time of the others. */
static void
T7_polls_are_not_time(void)
{
	static const unsigned costs[] = {1, 5, 1, 1};
	static const double want[] = {13.41, 80.48, 4.47, 1.64};
	static const enum rig_kind kinds[] = {RIG_WHEEL, RIG_CLASS};

	for (int c = 0; c < 2; c++) {
		double time[RIG_CLASSES] = {0};
		uint64_t spent;

		make_table(kinds[c]);
		class_costs(costs);
		spent = spend(200 * ROUND, UINT64_MAX, false);
		for (unsigned i = 0; i < rig.n; i++)
			time[rig.class[i]] += 100.0 * (double)time_of[i] / (double)spent;
		for (int k = 0; k < RIG_CLASSES; k++)
			CHECK(fabs(time[k] - want[k]) < 0.005);
	}
}

/* K71, T8: by time, every class has its share of it again. */
static void
T8_time_is_shared_by_weight(void)
{
	static const unsigned rows[][RIG_CLASSES] = {
		{1, 5, 1, 1}, {1, 1, 1, 20}, {3, 1, 7, 2}};

	for (int r = 0; r < 3; r++) {
		uint64_t spent;
		double class, one, sure;

		make_table(RIG_TIME);
		class_costs(rows[r]);
		spent = spend(200000, UINT64_MAX, false);
		class = class_error(spent);
		CHECK(class <= 0.1);
		make_table(RIG_TIME);
		spent = spend(UINT32_MAX, rounds_of_time(200), false);
		one = consumer_error(spent, false);
		sure = consumer_error(spent, true);
		CHECK(sure <= 0.02);
		wr_test_note("costs %u, %u, %u, %u: classes off by %.3f %% of the time at "
			     "most; over 200 rounds one consumer by %.2f %% of its share, "
			     "%.2f %% beyond one poll",
			rows[r][0], rows[r][1], rows[r][2], rows[r][3], class,
			100 * one, 100 * sure);
	}
}

/* K71, T11: the 16 heights of the chart as costs, in one class. */
static void
T11_the_chart_in_one_class(void)
{
	static const unsigned counts[] = {16}, weights[] = {3};

	for (int random = 0; random < 2; random++) {
		uint64_t spent;
		double least = 100, most = 0;

		rig_make(&rig, RIG_TIME, counts, weights, 1);
		for (unsigned i = 0; i < 16; i++)
			cost_of[i] = rig_chart[i] * 10ull;
		spent = spend(400000, UINT64_MAX, random == 1);
		for (unsigned i = 0; i < 16; i++) {
			double share = 100 * (double)time_of[i] / (double)spent;

			least = share < least ? share : least;
			most = share > most ? share : most;
		}
		CHECK(consumer_error(spent, false) <= 0.08);
		wr_test_note("%s costs: each has %.3f to %.3f %%; %u polls for the cheapest, "
			     "%u for the dearest",
			random ? "random" : "constant", least, most, polls_of[2],
			polls_of[15]);
	}
}

/* K71, T11b: each of the 48 with one of the costs of the chart. */
static void
T11b_the_chart_in_the_table(void)
{
	for (int random = 0; random < 2; random++) {
		uint64_t spent;
		double class, one;

		make_table(RIG_TIME);
		rig.random = 1;
		for (unsigned i = 0; i < rig.n; i++)
			cost_of[i] = rig_chart[rig_random(&rig, 16)] * 10ull;
		spent = spend(400000, UINT64_MAX, random == 1);
		class = class_error(spent);
		one = consumer_error(spent, false);
		CHECK(class <= 0.1);
		CHECK(one <= (random ? 0.05 : 0.02));
		wr_test_note("%s costs: classes off by %.3f %% of the time at most, a "
			     "consumer by %.2f %% of its share",
			random ? "random" : "constant", class, 100 * one);
		make_table(RIG_TIME);
		spent = spend(UINT32_MAX, rounds_of_time(200), random == 1);
		one = consumer_error(spent, false);
		CHECK(random || one <= 0.02);
		wr_test_note("over 200 rounds a consumer by %.2f %%", 100 * one);
	}
}

/* A poll that costs nothing, or hours, is a poll all the same: nobody starves. */
static void
extreme_costs_starve_nobody(void)
{
	static const uint64_t costs[] = {0, 1, 1000, 1ull << 35, UINT64_MAX};
	unsigned had[RIG_MAX] = {0};

	make_table(RIG_TIME);
	for (int p = 0; p < 200000; p++) {
		int i = rig_poll(&rig, costs[rig_random(&rig, 5)]);

		REQUIRE(i >= 0);
		had[i]++;
	}
	for (unsigned i = 0; i < rig.n; i++)
		CHECK(had[i] > 0);
}

/* The mean cost changes a thousandfold, up and down, and shares stay what they are. */
static void
the_quantum_follows_the_cost(void)
{
	make_table(RIG_TIME);
	for (int phase = 0; phase < 4; phase++) {
		uint64_t spent;

		for (unsigned i = 0; i < rig.n; i++)
			cost_of[i] = phase % 2 ? 1000000 : 1000;
		(void)spend(4 * ROUND, UINT64_MAX, false);
		spent = spend(100 * ROUND, UINT64_MAX, false);
		CHECK(consumer_error(spent, true) <= 0.02);
		CHECK(1ull << rig.is.wheel.quantum_shift >= cost_of[0]);
		CHECK(1ull << rig.is.wheel.quantum_shift < 8 * cost_of[0]);
	}
}

/* ---- loads ----------------------------------------------------------------------------- */

enum { SLOTS = 40000, BACKLOG = 1000000000 };

/* A load: some always have something to do, others get messages by its rule. */
struct load {
	const char *name;
	unsigned backlogged[RIG_CLASSES]; /* the last so many of each class */
	double rate;                      /* messages a slot, of each of the others */
	unsigned all_every;               /* or: one to everybody, each so many slots */
};

static int pending[RIG_MAX];
static int woken_at[RIG_MAX];
static unsigned waits[RIG_CLASSES][SLOTS];
static unsigned wait_count[RIG_CLASSES];

static int
by_value(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return (x > y) - (x < y);
}

static unsigned
wait_at(int class, double share)
{
	unsigned n = wait_count[class];

	if (n == 0)
		return 0;
	qsort(waits[class], n, sizeof(waits[0][0]), by_value);
	return waits[class][(unsigned)(share * (n - 1))];
}

static void
receive(unsigned i, int slot)
{
	if (pending[i]++ > 0)
		return;
	woken_at[i] = slot;
	rig_ready(&rig, i, true);
}

static void
arrive(const struct load *load, int slot)
{
	for (unsigned i = 0; i < rig.n; i++) {
		if (pending[i] >= BACKLOG / 2)
			continue;
		if (load->all_every ? slot % (int)load->all_every == 0
				    : (double)rig_random(&rig, 1u << 30) <
					load->rate * (1u << 30))
			receive(i, slot);
	}
}

static void
work(int i, int slot)
{
	unsigned class = rig.class[i];

	polls_of[i]++;
	if (woken_at[i] >= 0 && wait_count[class] < SLOTS)
		waits[class][wait_count[class]++] = (unsigned)(slot - woken_at[i]);
	woken_at[i] = -1;
	rig.ready[i] = --pending[i] > 0;
	wr_select_put(rig.select, &rig.turns[i], 1);
}

static void
begin(const struct load *load)
{
	unsigned nth[RIG_CLASSES] = {0};

	make_table(RIG_WHEEL);
	rig.random = 3;
	memset(polls_of, 0, sizeof(polls_of));
	memset(wait_count, 0, sizeof(wait_count));
	for (unsigned i = 0; i < rig.n; i++) {
		unsigned k = rig.class[i];

		nth[k]++;
		rig.ready[i] = nth[k] > rig_table[k] - load->backlogged[k];
		pending[i] = rig.ready[i] ? BACKLOG : 0;
		woken_at[i] = -1;
	}
}

/* Jain's index of the polls by weight of those that always have something to do, and how
 * many rounds the luckiest of them has had more than the least lucky. */
static void
judge(const struct load *load)
{
	double sum = 0, squares = 0, least = INFINITY, most = 0, n = 0, jain = 1;

	for (unsigned i = 0; i < rig.n; i++) {
		double had = (double)polls_of[i] / rig_weight(&rig, i);

		if (pending[i] < BACKLOG / 2)
			continue;
		sum += had;
		squares += had * had;
		n++;
		least = had < least ? had : least;
		most = had > most ? had : most;
	}
	if (n > 0)
		jain = sum * sum / (n * squares);
	CHECK(jain >= 0.9999);
	CHECK(n == 0 || most - least <= 1 + 1e-9);
	wr_test_note("%s: Jain %.6f, %.2f rounds apart; class 1 waits p50 %u, p99 %u, most "
		     "%u polls; class 4 at most %u",
		load->name, jain, n > 0 ? most - least : 0.0, wait_at(0, 0.5),
		wait_at(0, 0.99), wait_at(0, 1), wait_at(3, 1));
}

static void
run_load(const struct load *load)
{
	begin(load);
	for (int slot = 0; slot < SLOTS; slot++) {
		int i;

		arrive(load, slot);
		i = rig_next(&rig);
		if (i >= 0)
			work(i, slot);
	}
	judge(load);
}

/* K2, K12 */
static void
K12_loads_that_come_and_go(void)
{
	static const struct load loads[] = {{"all always", {9, 18, 10, 11}, 0, 0},
		{"45 always, three of class 1 seldom", {6, 18, 10, 11}, 0.005, 0},
		{"one to all every 60 polls", {0, 0, 0, 0}, 0, 60},
		{"half always, half now and then", {4, 9, 5, 5}, 0.008, 0},
		{"five of class 4 on and off fast", {9, 18, 10, 6}, 0.05, 0},
		{"95 % load, nobody always", {0, 0, 0, 0}, 0.95 / 48, 0}};

	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
		run_load(&loads[i]);
		if (i != 1)
			continue;
		CHECK_EQ(wait_at(0, 0.5), 0);
		CHECK(wait_at(0, 0.99) <= 20);
	}
}

/* P1, P33: the five that go and come as fast as they can have no more than their weight. */
static void
P1_going_and_coming_gains_nothing(void)
{
	unsigned greedy = 0, honest = 0;

	make_table(RIG_WHEEL);
	memset(polls_of, 0, sizeof(polls_of));
	for (int slot = 0; slot < 100 * ROUND; slot++) {
		int i;

		/* The last of each class is idle at every other look. */
		for (unsigned g = 0; g < rig.n; g++)
			if (g + 1 == rig.n || rig.class[g + 1] != rig.class[g])
				rig_ready(&rig, g, !rig.ready[g]);
		i = rig_poll(&rig, 1);
		REQUIRE(i >= 0);
		polls_of[i]++;
	}
	for (unsigned g = 0; g + 1 < rig.n; g++) {
		if (rig.class[g + 1] == rig.class[g])
			continue;
		greedy = polls_of[g];
		honest = polls_of[g - 1];
		CHECK(greedy <= honest + rig_weight(&rig, g));
	}
}

static const struct wr_test tests[] = {
	TEST(every_weight_is_kept),
	TEST(T10_a_factor_takes_its_part),
	TEST(strides_beyond_the_circle_are_kept),
	TEST(long_out_is_not_lost),
	TEST(P17_a_decision_touches_four_turns_at_most),
	TEST(K54_idle_ones_cost_nothing),
	TEST(T7_polls_are_not_time),
	TEST(T8_time_is_shared_by_weight),
	TEST(T11_the_chart_in_one_class),
	TEST(T11b_the_chart_in_the_table),
	TEST(extreme_costs_starve_nobody, .labels = "input"),
	TEST(the_quantum_follows_the_cost),
	TEST(K12_loads_that_come_and_go),
	TEST(P1_going_and_coming_gains_nothing),
	TEST_END,
};

const struct wr_suite wr_suite_wheel = {.name = "wheel", .tests = tests};
