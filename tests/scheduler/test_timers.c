/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The one-shot wheel beside the simplest thing that does the same: a list, searched. Rows
 * K9, K23, K38, K39, K40. The time is an argument, so a year takes a moment. */
#include "scheduler/timers.h"

#include "tests/lib/dice.h"
#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>
#include <weir/error.h>

#define US  1000ull
#define MS  1000000ull
#define S   1000000000ull
#define DAY (86400 * S)

#define TICK (1ull << WR_TIMER_TICK_BITS)

static struct wr_timers wheel;
static void *memory;
static uint64_t seed;

static uint64_t
rnd(uint64_t below)
{
	return wr_dice_roll(&seed, below);
}

static void
make(uint32_t most, uint64_t now_ns)
{
	size_t bytes = wr_timers_bytes(most);

	REQUIRE(bytes > 0);
	memory = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
	REQUIRE(memory);
	REQUIRE_EQ(wr_timers_init(&wheel, memory, most, now_ns), 0);
	seed = WR_DICE_SEED;
}

static void
spare(void)
{
	free(memory);
}

/* All that is due, one after the other. */
static unsigned
count_due(uint64_t now_ns)
{
	struct wr_timer_due due[WR_TIMERS_FIRE];
	unsigned count = 0;

	do
		count += wr_timers_expire(&wheel, now_ns, due, WR_TIMERS_FIRE);
	while (wr_timers_next_ns(&wheel) <= now_ns);
	return count;
}

/* ---- beside a list ----------------------------------------------------------------------- */

enum { LIST = 400, OPS = 150000 };

struct entry {
	wr_timer_id id;
	uint64_t at_ns, user;
};

static struct entry list[LIST], gone[LIST];
static unsigned listed, gone_next;
static uint64_t now, users;

static int
by_time(const void *a, const void *b)
{
	uint64_t x = ((const struct entry *)a)->at_ns,
		 y = ((const struct entry *)b)->at_ns;

	return (x > y) - (x < y);
}

/* From within a tick to years, now and then in the past. */
static uint64_t
some_deadline(void)
{
	static const uint64_t reach[] = {
		30 * US, TICK, 3 * MS, 200 * MS, 15 * S, 900 * S, DAY, 4000 * DAY};

	if (rnd(20) == 0)
		return now - rnd(now < MS ? now + 1 : MS);
	return now + rnd(reach[rnd(8)]);
}

static void
forget(unsigned i)
{
	gone[gone_next++ % LIST] = list[i];
	list[i] = list[--listed];
}

static void
arm_one(void)
{
	struct entry *e = &list[listed];

	if (listed == LIST) {
		CHECK_EQ(wr_timers_arm(&wheel, now, 0), 0);
		return;
	}
	e->at_ns = some_deadline();
	e->user = ++users;
	e->id = wr_timers_arm(&wheel, e->at_ns, e->user);
	CHECK(e->id != 0);
	listed++;
}

static void
change_one(void)
{
	unsigned i;

	if (listed == 0)
		return;
	i = (unsigned)rnd(listed);
	if (rnd(2)) {
		list[i].at_ns = some_deadline();
		CHECK(wr_timers_rearm(&wheel, list[i].id, list[i].at_ns));
	} else {
		CHECK(wr_timers_cancel(&wheel, list[i].id));
		forget(i);
	}
}

/* What was cancelled or has fired has no name any more. */
static void
touch_a_gone_one(void)
{
	const struct entry *e = &gone[rnd(LIST)];

	CHECK(!wr_timers_cancel(&wheel, e->id));
	CHECK(!wr_timers_rearm(&wheel, e->id, now));
}

static unsigned
place_in_list(uint64_t user)
{
	for (unsigned i = 0; i < listed; i++)
		if (list[i].user == user)
			return i;
	return listed;
}

/* Time passes, from a nanosecond to a year; what the list says is due comes, in order. */
static void
pass_time(void)
{
	static const uint64_t reach[] = {
		2, 20 * US, TICK, 5 * MS, 300 * MS, 20 * S, 2000 * S, 400 * DAY};
	struct wr_timer_due due[WR_TIMERS_FIRE];
	uint64_t earliest;

	now += rnd(reach[rnd(8)]);
	for (;;) {
		unsigned most = 1 + (unsigned)rnd(WR_TIMERS_FIRE), fired;

		qsort(list, listed, sizeof(list[0]), by_time);
		fired = wr_timers_expire(&wheel, now, due, most);
		for (unsigned i = 0; i < fired; i++) {
			unsigned at = place_in_list(due[i].user);

			REQUIRE(at < listed);
			CHECK_EQ(due[i].id, list[at].id);
			CHECK_EQ(due[i].at_ns, list[at].at_ns);
			CHECK(due[i].at_ns <= now);
			CHECK_EQ(due[i].at_ns, list[0].at_ns);
			forget(at);
			qsort(list, listed, sizeof(list[0]), by_time);
		}
		if (wr_timers_next_ns(&wheel) > now)
			break;
	}
	earliest = listed > 0 ? list[0].at_ns : WR_TIMER_NEVER;
	CHECK(earliest > now);
	CHECK(wr_timers_next_ns(&wheel) <= earliest);
}

static void
K39_random_timers_come_as_from_a_sorted_list(void)
{
	for (uint64_t run = 1; run <= 3; run++) {
		listed = gone_next = 0;
		memset(gone, 0, sizeof(gone));
		now = run == 1 ? 0 : rnd(DAY);
		make(LIST, now);
		seed ^= run * 0x9e3779b97f4a7c15ull;
		for (int i = 0; i < OPS; i++) {
			switch (rnd(8)) {
			case 0 ... 2:
				arm_one();
				break;
			case 3 ... 5:
				change_one();
				break;
			case 6:
				touch_a_gone_one();
				break;
			default:
				pass_time();
			}
		}
		CHECK_EQ(wheel.armed, listed);
		spare();
	}
}

/* ---- exactly when --------------------------------------------------------------------------- */

/* Sleeps as long as the wheel says, until that is the deadline itself. */
static void
sleep_until(uint64_t at_ns)
{
	struct wr_timer_due due[1];
	uint64_t next;
	unsigned wakes = 0;

	while ((next = wr_timers_next_ns(&wheel)) < at_ns && wakes < 100) {
		CHECK_EQ(wr_timers_expire(&wheel, next, due, 1), 0);
		wakes++;
	}
	CHECK_EQ(next, at_ns);
	CHECK(wakes <= WR_TIMER_LEVELS);
}

/* Around the first and the last tick of a slot of each level. */
static void
K9_a_timer_fires_at_its_nanosecond_and_not_before(void)
{
	struct wr_timer_due due[4];

	for (unsigned n = 0; n < 63 * 5 * 2; n++) {
		uint64_t begin = 12345 * TICK + 77;
		uint64_t at = begin + (1ull << n / 10) - 2 + n % 5;

		at = at > begin ? at : begin + 1;
		make(4, begin);
		REQUIRE(wr_timers_arm(&wheel, at, n) != 0);
		if (n % 10 < 5)
			sleep_until(at);
		CHECK_EQ(wr_timers_expire(&wheel, at - 1, due, 4), 0);
		CHECK_EQ(wr_timers_next_ns(&wheel), at);
		REQUIRE_EQ(wr_timers_expire(&wheel, at, due, 4), 1);
		CHECK_EQ(due[0].at_ns, at);
		CHECK_EQ(wr_timers_next_ns(&wheel), WR_TIMER_NEVER);
		spare();
	}
}

static void
K23_five_keys_within_one_tick_come_by_deadline(void)
{
	static const uint64_t keys_us[] = {30, 5, 20, 10, 15};
	static const uint64_t order_us[] = {5, 10, 15, 20, 30};
	struct wr_timer_due due[8];
	unsigned late[4] = {0}, came = 0;

	make(8, 0);
	for (int i = 0; i < 5; i++)
		REQUIRE(wr_timers_arm(&wheel, 7 * TICK + keys_us[i] * US, keys_us[i]) !=
			0);
	CHECK_EQ(wr_timers_next_ns(&wheel), 7 * TICK);
	/* Looked at every 700 ns: nobody is later than that. */
	for (uint64_t at = 7 * TICK; at < 8 * TICK; at += 700) {
		unsigned fired = wr_timers_expire(&wheel, at, due, 8);

		for (unsigned i = 0; i < fired; i++) {
			CHECK_EQ(due[i].user, order_us[came]);
			came++;
			late[(at - due[i].at_ns) / 200]++;
		}
	}
	CHECK_EQ(came, 5);
	wr_test_note("lateness of five timers, in steps of 200 ns: %u %u %u %u",
		late[0], late[1], late[2], late[3]);
	/* And all at once. */
	for (int i = 0; i < 5; i++)
		REQUIRE(wr_timers_arm(&wheel, 9 * TICK + keys_us[i] * US, keys_us[i]) !=
			0);
	REQUIRE_EQ(wr_timers_expire(&wheel, 10 * TICK, due, 8), 5);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(due[i].user, order_us[i]);
	spare();
}

static void
K39_equal_deadlines_come_as_they_were_armed(void)
{
	struct wr_timer_due due[100];

	make(100, 0);
	for (unsigned i = 0; i < 100; i++)
		REQUIRE(wr_timers_arm(&wheel, 5 * S, i) != 0);
	REQUIRE_EQ(wr_timers_expire(&wheel, 5 * S, due, 100), 100);
	for (unsigned i = 0; i < 100; i++)
		CHECK_EQ(due[i].user, i);
	spare();
}

static void
K9_time_that_goes_back_fires_nothing_early(void)
{
	struct wr_timer_due due[4];

	make(4, 10 * S);
	REQUIRE(wr_timers_arm(&wheel, 10 * S + 100, 1) != 0);
	REQUIRE(wr_timers_arm(&wheel, 12 * S, 2) != 0);
	CHECK_EQ(wr_timers_expire(&wheel, 11 * S, due, 4), 1);
	CHECK_EQ(wr_timers_expire(&wheel, 1 * S, due, 4), 0);
	REQUIRE(wr_timers_arm(&wheel, 2 * S, 3) != 0);
	CHECK_EQ(wr_timers_expire(&wheel, 2 * S - 1, due, 4), 0);
	CHECK_EQ(wr_timers_expire(&wheel, 2 * S, due, 4), 1);
	CHECK_EQ(wr_timers_expire(&wheel, 12 * S, due, 4), 1);
	CHECK_EQ(due[0].user, 2);
	spare();
}

static void
K9_the_end_of_time(void)
{
	struct wr_timer_due due[4];

	make(4, 0);
	CHECK_EQ(wr_timers_expire(&wheel, UINT64_MAX, due, 4), 0);
	spare();
	make(4, UINT64_MAX - 5 * S);
	REQUIRE(wr_timers_arm(&wheel, UINT64_MAX, 1) != 0);
	REQUIRE(wr_timers_arm(&wheel, 0, 2) != 0);
	CHECK_EQ(wr_timers_expire(&wheel, UINT64_MAX - 1, due, 4), 1);
	CHECK_EQ(due[0].user, 2);
	CHECK_EQ(wr_timers_expire(&wheel, UINT64_MAX, due, 4), 1);
	CHECK_EQ(due[0].user, 1);
	spare();
}

/* ---- names ------------------------------------------------------------------------------------ */

static void
K39_a_name_is_never_somebody_elses(void)
{
	struct wr_timer_due due[2];
	wr_timer_id first, second;

	make(1, 0);
	first = wr_timers_arm(&wheel, 10 * MS, 1);
	REQUIRE(first != 0);
	CHECK_EQ(wr_timers_arm(&wheel, 10 * MS, 9), 0);
	CHECK(wr_timers_cancel(&wheel, first));
	CHECK(!wr_timers_cancel(&wheel, first));
	second = wr_timers_arm(&wheel, 10 * MS, 2);
	REQUIRE(second != 0);
	CHECK(second != first);
	CHECK(!wr_timers_rearm(&wheel, first, 1 * MS));
	CHECK(!wr_timers_cancel(&wheel, first));
	/* Only the second one comes, though both have an entry for this time. */
	REQUIRE_EQ(wr_timers_expire(&wheel, 10 * MS, due, 2), 1);
	CHECK_EQ(due[0].user, 2);
	CHECK(!wr_timers_cancel(&wheel, second));
	CHECK(!wr_timers_cancel(&wheel, 0));
	CHECK(!wr_timers_cancel(&wheel, UINT64_MAX));
	CHECK(!wr_timers_rearm(&wheel, 1ull << 32 | 5, 0));
	spare();
}

static void
K40_refuses_what_it_cannot_hold(void)
{
	struct wr_timers t;
	uint64_t room[64];

	CHECK_EQ(wr_timers_bytes(0), 0);
	CHECK_EQ(wr_timers_bytes(WR_TIMERS_MOST + 1u), 0);
	CHECK(wr_timers_bytes(WR_TIMERS_MOST) > 0);
	CHECK_EQ(wr_timers_init(&t, room, 0, 0), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(wr_timers_init(&t, NULL, 1, 0), -WEIR_E_USAGE_INVAL);
}

/* ---- how much it keeps ------------------------------------------------------------------------- */

static uint32_t
chunks_at_most(uint32_t armed)
{
	return armed * 11 / 5 / WR_TIMER_CHUNK + WR_TIMER_PLACES;
}

/* Timers that are moved and cancelled without end leave a bounded lot behind, and the
 * wheel works on. */
static void
K39_stale_entries_are_bounded(void)
{
	enum { MANY = 20000, OFTEN = 2000000 };
	static wr_timer_id ids[MANY];
	static uint64_t at[MANY];
	uint32_t most = 0;

	make(MANY, 0);
	for (unsigned i = 0; i < MANY; i++)
		ids[i] = wr_timers_arm(&wheel, at[i] = 60 * S + rnd(60 * S), i);
	for (unsigned n = 0; n < OFTEN; n++) {
		unsigned i = (unsigned)rnd(MANY);

		if (n % 3 > 0) {
			/* Each time earlier than its entry lies: a new one. */
			at[i] -= at[i] > S ? S / 100 : 0;
			CHECK(wr_timers_rearm(&wheel, ids[i], at[i]));
		} else {
			CHECK(wr_timers_cancel(&wheel, ids[i]));
			at[i] = 60 * S + rnd(60 * S);
			ids[i] = wr_timers_arm(&wheel, at[i], i);
			REQUIRE(ids[i] != 0);
		}
		if (wheel.chunks_used > most)
			most = wheel.chunks_used;
	}
	CHECK(most <= chunks_at_most(MANY));
	wr_test_note("%u timers, %u moves: %u chunks, %u would be full", MANY, OFTEN,
		most, MANY / WR_TIMER_CHUNK);
	CHECK_EQ(count_due(200 * S), MANY);
	CHECK_EQ(wr_timers_chunks(&wheel), 0);
	spare();
}

/* Should there be no chunk left all the same, everything is sorted out, and nothing lost. */
static void
K39_without_a_chunk_left_all_is_sorted_out(void)
{
	enum { MANY = 3000 };
	static wr_timer_id ids[MANY];

	make(MANY, 0);
	for (unsigned i = 0; i < MANY - 500; i++)
		ids[i] = wr_timers_arm(&wheel, 40 * S + rnd(20 * S), i);
	for (unsigned i = 0; i < MANY - 500; i++)
		CHECK(wr_timers_rearm(&wheel, ids[i], 20 * S + rnd(20 * S)));
	wheel.chunks_most = wheel.chunks_used;
	for (unsigned i = MANY - 500; i < MANY; i++)
		REQUIRE(wr_timers_arm(&wheel, 1 * S + rnd(39 * S), i) != 0);
	CHECK_EQ(count_due(40 * S), MANY);
	CHECK_EQ(wr_timers_next_ns(&wheel), WR_TIMER_NEVER);
	spare();
}

/* The same within the present tick, and with a wheel of one timer. */
static void
K39_stale_entries_of_the_present_are_bounded(void)
{
	struct wr_timer_due due[64];
	wr_timer_id ids[50];

	make(50, 0);
	for (unsigned i = 0; i < 50; i++)
		ids[i] = wr_timers_arm(&wheel, TICK - 1, i);
	for (uint64_t n = 0; n < 100000; n++) {
		unsigned i = (unsigned)rnd(50);

		if (n % 2) {
			CHECK(wr_timers_rearm(&wheel, ids[i], TICK - 2 - n / 2));
		} else {
			CHECK(wr_timers_cancel(&wheel, ids[i]));
			ids[i] = wr_timers_arm(&wheel, TICK - 1, i);
		}
		CHECK(wheel.heap_count <= 100);
	}
	CHECK_EQ(wr_timers_expire(&wheel, TICK, due, 64), 50);
	spare();

	make(1, 0);
	for (uint64_t n = 0; n < 10000; n++) {
		ids[0] = wr_timers_arm(&wheel, rnd(DAY), n);
		CHECK(wr_timers_rearm(&wheel, ids[0], rnd(DAY)));
		CHECK(wr_timers_cancel(&wheel, ids[0]));
	}
	REQUIRE(wr_timers_arm(&wheel, DAY, 7) != 0);
	REQUIRE_EQ(wr_timers_expire(&wheel, DAY, due, 64), 1);
	CHECK_EQ(due[0].user, 7);
	spare();
}

/* ---- storms ------------------------------------------------------------------------------------- */

/* A hundred thousand for one moment, and what else comes up meanwhile: each call hands out
 * no more than it was asked to, and says that there is more. */
static void
K12_a_storm_is_handed_out_in_turns(void)
{
	enum { MANY = 100000 };
	struct wr_timer_due due[WR_TIMERS_FIRE];
	unsigned came = 0, turns = 0;

	make(MANY + 1, 0);
	for (unsigned i = 0; i < MANY; i++)
		REQUIRE(wr_timers_arm(&wheel, 3 * S, i) != 0);
	while (wr_timers_next_ns(&wheel) <= 3 * S) {
		unsigned fired = wr_timers_expire(&wheel, 3 * S, due, WR_TIMERS_FIRE);

		CHECK(fired <= WR_TIMERS_FIRE);
		for (unsigned i = 0; i < fired; i++)
			CHECK_EQ(due[i].user, came + i);
		came += fired;
		turns++;
	}
	CHECK_EQ(came, MANY);
	CHECK(turns >= MANY / WR_TIMERS_FIRE);
	/* To move so many down took turns in which none could fire yet. */
	CHECK(turns >
		MANY / WR_TIMERS_FIRE + MANY / (WR_TIMERS_MOVE + WR_TIMER_CHUNK) / 2);
	spare();
}

static void
K12_who_is_armed_in_a_storm_takes_its_turn(void)
{
	enum { MANY = 20000 };
	struct wr_timer_due due[WR_TIMERS_FIRE];
	unsigned fired = 0;

	make(MANY + 1, 0);
	for (unsigned i = 1; i <= MANY; i++)
		REQUIRE(wr_timers_arm(&wheel, 3 * S + i, i) != 0);
	while (fired == 0)
		fired = wr_timers_expire(&wheel, 4 * S, due, WR_TIMERS_FIRE);
	/* An earlier one now is the first of the next turn. */
	REQUIRE(wr_timers_arm(&wheel, 2 * S, 0) != 0);
	REQUIRE(wr_timers_expire(&wheel, 4 * S, due, WR_TIMERS_FIRE) > 1);
	CHECK_EQ(due[0].user, 0);
	CHECK_EQ(due[1].user, fired + 1);
	CHECK_EQ(count_due(4 * S), MANY - fired - (WR_TIMERS_FIRE - 1));
	spare();
}

/* ---- many, and for long ---------------------------------------------------------------------------- */

static void
K39_a_million_timers(void)
{
	enum { MANY = 1000000 };
	wr_timer_id *ids = malloc(MANY * sizeof(*ids));
	struct wr_timer_due due[WR_TIMERS_FIRE];
	uint64_t at = 0, last = 0;
	unsigned came = 0;

	make(MANY, 0);
	REQUIRE(ids);
	for (unsigned i = 0; i < MANY; i++) {
		ids[i] = wr_timers_arm(&wheel, rnd(59 * S), i);
		REQUIRE(ids[i] != 0);
	}
	for (unsigned i = 0; i < MANY; i += 2)
		CHECK(wr_timers_cancel(&wheel, ids[i]));
	for (unsigned i = 1; i < MANY; i += 4)
		CHECK(wr_timers_rearm(&wheel, ids[i], 59 * S + rnd(30 * S)));
	while (wheel.armed > 0) {
		unsigned fired = wr_timers_expire(&wheel, at, due, WR_TIMERS_FIRE);

		for (unsigned i = 0; i < fired; i++) {
			CHECK(due[i].user & 1);
			CHECK(due[i].at_ns >= last && due[i].at_ns <= at);
			last = due[i].at_ns;
		}
		came += fired;
		if (wr_timers_next_ns(&wheel) > at)
			at += 3 * MS;
	}
	CHECK_EQ(came, MANY / 2);
	CHECK(wheel.chunks_used <= chunks_at_most(MANY));
	free(ids);
	spare();
}

/* A thousand that arm themselves again and again, from seconds to days, for a year. Who
 * waits as long as the wheel says misses none. */
static void
K39_a_year_passes(void)
{
	enum { MANY = 1000 };
	static uint64_t period[MANY];
	struct wr_timer_due due[WR_TIMERS_FIRE];
	uint64_t came = 0, want = 0, at = 0, year = 365 * DAY;

	make(MANY, 0);
	for (unsigned i = 0; i < MANY; i++) {
		period[i] = i == 0 ? 7 * S : 3600 * S + rnd(9 * DAY);
		REQUIRE(wr_timers_arm(&wheel, period[i], i) != 0);
		want += year / period[i];
	}
	for (;;) {
		uint64_t next = wr_timers_next_ns(&wheel);

		at = next > at ? next : at;
		if (at > year)
			break;
		unsigned fired = wr_timers_expire(&wheel, at, due, WR_TIMERS_FIRE);

		for (unsigned i = 0; i < fired; i++) {
			CHECK_EQ(due[i].at_ns, at);
			REQUIRE(wr_timers_arm(&wheel, at + period[due[i].user],
					due[i].user) != 0);
		}
		came += fired;
	}
	CHECK_EQ(came, want);
	wr_test_note("%llu timers in a year", (unsigned long long)came);
	spare();
}

static const struct wr_test tests[] = {TEST(K39_random_timers_come_as_from_a_sorted_list),
	TEST(K9_a_timer_fires_at_its_nanosecond_and_not_before),
	TEST(K23_five_keys_within_one_tick_come_by_deadline),
	TEST(K39_equal_deadlines_come_as_they_were_armed),
	TEST(K9_time_that_goes_back_fires_nothing_early), TEST(K9_the_end_of_time),
	TEST(K39_a_name_is_never_somebody_elses), TEST(K40_refuses_what_it_cannot_hold),
	TEST(K39_stale_entries_are_bounded),
	TEST(K39_without_a_chunk_left_all_is_sorted_out),
	TEST(K39_stale_entries_of_the_present_are_bounded),
	TEST(K12_a_storm_is_handed_out_in_turns),
	TEST(K12_who_is_armed_in_a_storm_takes_its_turn), TEST(K39_a_million_timers),
	TEST(K39_a_year_passes), TEST_END};
const struct wr_suite wr_suite_timers = {.name = "timers", .tests = tests};
