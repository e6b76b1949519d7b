/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Who is on a loop, as others see it. Rows K54, K12, P14, P18, P24. */
#include "scheduler/roster.h"

#include "tests/lib/test.h"

#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <weir/look.h>

enum { NODE = 77 };

static struct wr_roster roster;

static void
open_roster(bool shared)
{
	REQUIRE_EQ(wr_roster_open(&roster, NODE, "watched", shared, NULL), 0);
}

static struct wr_about
somebody(uint64_t number, const char *name)
{
	return (struct wr_about){.number = number,
		.subscription = name ? 9 : 0,
		.since_ns = 1000 + number,
		.name = name,
		.kind = WEIR_KIND_SUBSCRIPTION,
		.tier = WR_TIER_WARN,
		.weight = 64,
		.percent = 75};
}

static struct wr_tier_change
some_change(unsigned i)
{
	return (struct wr_tier_change){.when_ns = 100 + i,
		.poll_ns = i,
		.from = (uint8_t)(i % 4),
		.to = (uint8_t)((i + 1) % 4),
		.why = WR_TIER_WHY_OVERRUN};
}

/* The place of that consumer, as an observer finds it; WR_PLACES: nobody has that number. */
static uint32_t
find(uint64_t number, struct wr_seen *seen)
{
	uint32_t place = 0;

	while (place < wr_roster_places(roster.hdr) &&
		!wr_roster_find(roster.hdr, place, number, seen))
		place++;
	return place < wr_roster_places(roster.hdr) ? place : WR_PLACES;
}

static void
K54_what_is_written_is_seen(void)
{
	struct wr_consumer_stats stats = {.polls = 0};
	struct wr_about about = somebody(5, "imu.*");
	struct wr_entry entry;
	struct wr_seen seen;

	open_roster(false);
	CHECK(wr_roster_is(roster.hdr, NODE));
	CHECK(!wr_roster_is(roster.hdr, NODE + 1));
	wr_roster_enter(&roster, &entry, &about);
	REQUIRE(find(5, &seen) < WR_PLACES);
	CHECK_EQ(seen.about.kind, WEIR_KIND_SUBSCRIPTION);
	CHECK_EQ(seen.about.tier, WR_TIER_WARN);
	CHECK_EQ(seen.about.weight, 64);
	CHECK_EQ(seen.about.percent, 75);
	CHECK_EQ(seen.about.subscription, 9);
	CHECK_EQ(seen.about.since_ns, 1005);
	CHECK_STR(seen.name, "imu.*");
	CHECK(!seen.active && seen.times == 0 && seen.kept == 0);

	wr_entry_rouse(&entry);
	wr_stat_set(&stats.polls, 3);
	wr_stat_set(&stats.demotions, 2);
	wr_roster_count(&entry, &stats);
	about.tier = WR_TIER_YIELD;
	about.percent = 50;
	wr_roster_say(&entry, &about);
	REQUIRE(find(5, &seen) < WR_PLACES);
	CHECK(seen.active);
	CHECK_EQ(seen.about.tier, WR_TIER_YIELD);
	CHECK_EQ(seen.about.percent, 50);
	CHECK_EQ(seen.stats.words[0], 3);
	CHECK_EQ(seen.stats.words[7], 2);
	CHECK_EQ(wr_stat_get(&roster.hdr->consumers), 1);

	wr_roster_leave(&roster, &entry);
	CHECK_EQ(find(5, &seen), WR_PLACES);
	CHECK_EQ(wr_stat_get(&roster.hdr->consumers), 0);
	CHECK(entry.place == NULL);
	wr_roster_close(&roster);
}

/* Who comes to stand where another stood has nothing of it: no count, no name, no change. */
static void
K54_a_place_used_again_is_another_s(void)
{
	struct wr_about first = somebody(1, "first"), second = somebody(2, NULL);
	struct wr_tier_change change = some_change(0);
	struct wr_entry a, b;
	struct wr_seen seen;
	uint32_t place;

	open_roster(false);
	wr_roster_enter(&roster, &a, &first);
	wr_stat_add(&a.place->stats.polls, 7);
	wr_entry_rouse(&a);
	wr_roster_note(&roster, &a, &first, &change);
	CHECK(wr_roster_measure(&roster, &a, true));
	place = find(1, &seen);
	wr_roster_leave(&roster, &a);
	wr_roster_enter(&roster, &b, &second);
	CHECK(!wr_roster_find(roster.hdr, place, 1, &seen));
	REQUIRE(wr_roster_find(roster.hdr, place, 2, &seen));
	CHECK_EQ(seen.stats.words[0], 0);
	CHECK_STR(seen.name, "");
	CHECK(!seen.active && seen.times == 0 && seen.kept == 0 && seen.changed == 0);
	/* Its first change gives it a sheet, which is the former one's. */
	wr_roster_note(&roster, &b, &second, &change);
	REQUIRE(wr_roster_find(roster.hdr, place, 2, &seen));
	CHECK_EQ(seen.changed, 1);
	CHECK_STR(seen.name, "");
	wr_roster_leave(&roster, &b);
	wr_roster_close(&roster);
}

/* The latest four, the last one first. */
static void
P31_the_last_changes_are_kept(void)
{
	struct wr_about about = somebody(1, "x");
	struct wr_entry entry;
	struct wr_seen seen;

	open_roster(false);
	wr_roster_enter(&roster, &entry, &about);
	for (unsigned i = 0; i < 7; i++) {
		struct wr_tier_change change = some_change(i);

		wr_roster_note(&roster, &entry, &about, &change);
		REQUIRE(find(1, &seen) < WR_PLACES);
		CHECK_EQ(seen.changed, i + 1);
		CHECK_EQ(seen.kept, i + 1 < WR_CHANGES ? i + 1 : WR_CHANGES);
		for (unsigned k = 0; k < seen.kept; k++) {
			CHECK_EQ(seen.changes[k].when_ns, 100 + i - k);
			CHECK_EQ(seen.changes[k].from, (i - k) % 4);
			CHECK_EQ(seen.changes[k].why, WR_TIER_WHY_OVERRUN);
		}
	}
	wr_roster_close(&roster);
}

/* A hundred thousand stand there; who comes when all places are taken is counted. */
static void
K54_beyond_the_last_place_is_counted(void)
{
	static struct wr_entry entries[WR_PLACES + 3];
	struct wr_consumer_stats stats = {.polls = 0};
	struct wr_seen seen;

	open_roster(true);
	for (uint32_t i = 0; i < WR_PLACES + 3; i++) {
		struct wr_about about = somebody(i + 1, NULL);

		wr_roster_enter(&roster, &entries[i], &about);
		wr_stat_set(&stats.polls, i);
		wr_roster_count(&entries[i], &stats);
	}
	CHECK_EQ(wr_stat_get(&roster.hdr->consumers), WR_PLACES + 3);
	CHECK_EQ(wr_roster_unseen(roster.hdr), 3);
	CHECK_EQ(wr_roster_places(roster.hdr), WR_PLACES);
	REQUIRE(wr_roster_see(roster.hdr, 100000, &seen));
	CHECK_EQ(seen.stats.words[0], seen.about.number - 1);
	CHECK(!wr_roster_see(roster.hdr, WR_PLACES, &seen));
	/* One goes, and the next to come is shown. */
	wr_roster_leave(&roster, &entries[WR_PLACES + 2]);
	CHECK_EQ(wr_roster_unseen(roster.hdr), 2);
	wr_roster_leave(&roster, &entries[5]);
	wr_roster_enter(&roster, &entries[5], &(struct wr_about){.number = WR_PLACES + 9});
	REQUIRE(wr_roster_see(roster.hdr, 5, &seen));
	CHECK_EQ(seen.about.number, WR_PLACES + 9);
	CHECK_EQ(wr_roster_unseen(roster.hdr), 2);
	wr_roster_close(&roster);
}

/* Without a roster, or with one that holds nothing, nobody is shown. */
static void
K54_without_a_roster(void)
{
	struct wr_consumer_stats stats = {.polls = 1};
	struct wr_roster none = {.region = WR_REGION_NONE};
	struct wr_about about = somebody(1, "x");
	struct wr_tier_change change = some_change(1);

	for (int i = 0; i < 2; i++) {
		struct wr_roster *r = i == 0 ? NULL : &none;
		struct wr_entry entry;

		wr_roster_enter(r, &entry, &about);
		CHECK(entry.place == NULL);
		wr_roster_count(&entry, &stats);
		wr_entry_rouse(&entry);
		wr_roster_note(r, &entry, &about, &change);
		wr_roster_say(&entry, &about);
		CHECK(!wr_roster_measure(r, &entry, true));
		wr_roster_leave(r, &entry);
	}
}

static void
K12_times_begin_with_none(void)
{
	struct wr_about about = somebody(1, "x");
	const struct wr_latency *times;
	struct wr_entry entry;
	struct wr_seen seen;

	open_roster(false);
	wr_roster_enter(&roster, &entry, &about);
	CHECK(entry.latency == NULL);
	for (int i = 0; i < 2; i++) {
		CHECK(wr_roster_measure(&roster, &entry, true));
		CHECK(wr_roster_measure(&roster, &entry, true)); /* it is already */
		REQUIRE(find(1, &seen) < WR_PLACES);
		times = wr_roster_times(roster.hdr, &seen);
		REQUIRE(times != NULL);
		CHECK_EQ(wr_hist_count(&times->wait), 0);
		CHECK_EQ(wr_hist_max(&times->wait), 0);
		wr_hist_add(&entry.latency->wait, 1000);
		CHECK_EQ(wr_hist_count(&times->wait), 1);
		CHECK_EQ(wr_hist_max(&times->wait), 1000);
		CHECK(!wr_roster_measure(&roster, &entry, false));
		REQUIRE(find(1, &seen) < WR_PLACES);
		CHECK(wr_roster_times(roster.hdr, &seen) == NULL);
	}
	wr_roster_close(&roster);
}

/* What an observer reads may be anything at all. */
static void
K54_garbage_is_not_believed(void)
{
	struct wr_about about = somebody(1, "x");
	struct wr_entry entry;
	struct wr_seen seen;

	open_roster(false);
	wr_roster_enter(&roster, &entry, &about);
	for (uint64_t bad = 1; bad != 0; bad <<= 1) {
		wr_stat_set(&entry.place->sheet, bad + 3);
		wr_stat_set(&entry.place->times, bad + 3);
		REQUIRE(wr_roster_see(roster.hdr, 0, &seen));
		CHECK_EQ(seen.kept, 0);
		CHECK(wr_roster_times(roster.hdr, &seen) == NULL);
	}
	wr_stat_set(&entry.place->sheet, 1);
	wr_stat_set(&entry.sheet->changed, UINT64_MAX);
	for (unsigned i = 0; i < WR_NAME_WORDS; i++)
		wr_stat_set(&entry.sheet->name[i], UINT64_MAX);
	REQUIRE(wr_roster_see(roster.hdr, 0, &seen));
	CHECK_EQ(seen.kept, WR_CHANGES);
	CHECK_EQ(strlen(seen.name), WR_NAME_BYTES - 1);
	wr_stat_set(&roster.hdr->places, UINT64_MAX);
	CHECK_EQ(wr_roster_places(roster.hdr), WR_PLACES);
	/* It stopped, or died, in the middle of a step. */
	wr_stat_set(&entry.place->steps, 1);
	CHECK(!wr_roster_see(roster.hdr, 0, &seen));
	for (int i = 0; i < 4; i++) {
		struct wr_roster_hdr hdr;

		memcpy(&hdr, roster.hdr, sizeof(hdr));
		hdr.magic ^= i == 0;
		hdr.layout ^= i == 1;
		hdr.header_bytes ^= i == 2;
		hdr.bytes ^= i == 3;
		CHECK(!wr_roster_is(&hdr, NODE));
	}
	wr_roster_close(&roster);
}

/* Two that take turns at one place, each with its own name and its own tier. */
static struct wr_entry turning;
static wr_a64 turns;

static void
next_one(int sig)
{
	struct wr_about about = somebody(1, "aaaa");

	(void)sig;
	if (wr_stat_get(&turns) % 2 == 1) {
		about = somebody(2, "bbbb");
		about.tier = WR_TIER_ISOLATE;
		about.since_ns = 2222;
	}
	wr_roster_leave(&roster, &turning);
	wr_roster_enter(&roster, &turning, &about);
	wr_stat_add(&turns, 1);
}

/* They do so in the middle of the observer's look, wherever a signal finds it. */
static void
K54_what_belongs_together_is_seen_together(void)
{
	struct itimerval often = {.it_interval.tv_usec = 30, .it_value.tv_usec = 30};
	struct itimerval never = {.it_value.tv_usec = 0};
	struct wr_about first = somebody(1, "aaaa");
	uint64_t mixed = 0;

	open_roster(false);
	wr_roster_enter(&roster, &turning, &first);
	REQUIRE(signal(SIGALRM, next_one) != SIG_ERR);
	REQUIRE_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
	while (wr_stat_get(&turns) < 5000) {
		struct wr_seen seen;
		bool first_one;

		if (!wr_roster_see(roster.hdr, 0, &seen))
			continue;
		first_one = seen.about.number == 1;
		mixed += strcmp(seen.name, first_one ? "aaaa" : "bbbb") != 0 ||
			seen.about.tier != (first_one ? WR_TIER_WARN : WR_TIER_ISOLATE) ||
			seen.about.since_ns != (first_one ? 1001 : 2222);
	}
	REQUIRE_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
	CHECK_EQ(mixed, 0);
	wr_roster_close(&roster);
}

static void
P24_how_long_a_poll_may_take_is_seen(void)
{
	open_roster(true);
	CHECK_EQ(wr_roster_limit_ns(roster.hdr), 0);
	wr_roster_limit(&roster, 1500000);
	CHECK_EQ(wr_roster_limit_ns(roster.hdr), 1500000);
	wr_roster_close(&roster);
}

static void
P18_sizes(void)
{
	CHECK_EQ(sizeof(struct wr_place), 128);
	CHECK_EQ(sizeof(struct wr_place) % 64, 0);
	CHECK(sizeof(struct wr_roster_hdr) <= 4096);
	CHECK_EQ(offsetof(struct wr_roster_hdr, stats) % 64, 0);
	CHECK_EQ(offsetof(struct wr_roster_hdr, consumers) % 64, 0);
	wr_test_note(
		"a place %zu B, a sheet %zu B, times %zu B, in all %llu kB of addresses",
		sizeof(struct wr_place), sizeof(struct wr_sheet),
		sizeof(struct wr_latency), (unsigned long long)(WR_ROSTER_BYTES >> 10));
}

static const struct wr_test tests[] = {TEST(K54_what_is_written_is_seen),
	TEST(K54_a_place_used_again_is_another_s), TEST(P31_the_last_changes_are_kept),
	TEST(K54_beyond_the_last_place_is_counted), TEST(K54_without_a_roster),
	TEST(K12_times_begin_with_none), TEST(K54_garbage_is_not_believed),
	TEST(K54_what_belongs_together_is_seen_together, .labels = "concurrency"),
	TEST(P24_how_long_a_poll_may_take_is_seen), TEST(P18_sizes), TEST_END};
const struct wr_suite wr_suite_roster = {.name = "roster", .tests = tests};
