/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The rows of weir top, made of two looks that are only numbers. Row P24. */
#include "tools/top.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/loop.h>

enum { SECOND = 1000000000 };

static int failures;

static void
expect(int good, const char *what, int line)
{
	if (good)
		return;
	printf("top.c:%d: %s\n", line, what);
	failures++;
}

#define EXPECT(condition) expect((condition), #condition, __LINE__)

static void
near(double got, double want, int line)
{
	if (got > want - 1e-9 && got < want + 1e-9)
		return;
	printf("top.c:%d: got %g, want %g\n", line, got, want);
	failures++;
}

#define NEAR(got, want) near((got), (want), __LINE__)

/* ---- two looks, a second apart -------------------------------------------------------------- */

/* Three consumers on loop a, of weights 10, 6 and 3; one on loop b, which is stopped. */
static struct top_loop loops[2][2];
static struct top_consumer consumers[2][5];
static struct top_topic topics[2][3];
static struct top_look before, now;

static struct top_consumer
consumer(uint64_t number, const char *name, uint32_t weight, uint64_t polls,
	uint64_t messages)
{
	struct top_consumer c = {.is = {.node = 1,
					 .pid = 11,
					 .kind = WEIR_KIND_SUBSCRIPTION,
					 .number = number,
					 .subscription = number,
					 .weight = weight,
					 .percent = 100,
					 .active = 1,
					 .polls = polls,
					 .messages = messages},
		.counted = 1};
	snprintf(c.is.name, sizeof(c.is.name), "%s", name);
	return c;
}

static struct top_topic
topic(const char *name, uint64_t messages)
{
	struct top_topic t = {.publishers = 1, .messages = messages};
	snprintf(t.name, sizeof(t.name), "%s", name);
	return t;
}

static struct top_loop
loop(uint64_t node, uint32_t pid, const char *name)
{
	struct top_loop l = {.is = {.node = node,
				     .pid = pid,
				     .seen = 1,
				     .active = 1,
				     .threshold_ns = 1000000}};
	snprintf(l.is.name, sizeof(l.is.name), "%s", name);
	return l;
}

static void
make_look(struct top_look *look, size_t i)
{
	*look = (struct top_look){.bus = "lab",
		.when_ns = (i + 5) * (uint64_t)SECOND,
		.loops = loops[i],
		.loop_count = 2,
		.consumers = consumers[i],
		.consumer_count = i ? 5 : 4,
		.topics = topics[i],
		.topic_count = i ? 3 : 2};
	loops[i][0] = loop(1, 11, "a");
	loops[i][1] = loop(2, 22, "b");
	consumers[i][0] = consumer(1, "quick", 10, 100 + i * 1000, 50 + i * 2000);
	consumers[i][1] = consumer(2, "slow.*", 6, 100 + i * 300, 40 + i * 600);
	consumers[i][2] = consumer(3, "third", 3, 100 + i * 300, 0);
	consumers[i][3] = consumer(1, "stopped", 3, 7, 7);
	consumers[i][3].is.node = 2;
	consumers[i][3].loop = 1;
	consumers[i][4] = consumer(4, "newcomer", 10, 10, 10);
	topics[i][0] = topic("t.b", 500 + i * 250);
	topics[i][1] = topic("t.a", 700 - i * 100);
	topics[i][2] = topic("t.c", 9);
}

static void
make_looks(void)
{
	make_look(&before, 0);
	make_look(&now, 1);
	loops[1][0].is.turns = 77;
	loops[1][0].is.polls = 1600;
	loops[1][0].is.idle_ns = SECOND / 4;
	loops[1][1].quiet = TOP_STOPPED;
	consumers[1][1].is.tier = 2;
	consumers[1][1].is.percent = 50;
	consumers[1][1].is.busy_ns = 600000000;
	consumers[1][1].lost = 12;
	consumers[1][1].waiting = 1870;
	consumers[1][1].changed = 1;
	consumers[1][1].last = (weir_look_change){.when_ns = 6 * (uint64_t)SECOND - 1,
		.from = 1,
		.to = 2,
		.reason = "overrun",
		.text = "warn -> yield: a poll took 2 ms, more than 1 ms"};
}

static void
compare(void)
{
	make_looks();
	top_sort(&before);
	top_sort(&now);
	top_compare(&before, &now);
}

/* ---- what lies between ---------------------------------------------------------------------- */

static void
P24_rates_are_differences_by_time(void)
{
	compare();
	NEAR(now.consumers[0].rate, 2000);
	NEAR(now.consumers[1].rate, 600);
	NEAR(now.consumers[2].rate, 0);
	NEAR(now.loops[0].polls, 1600);
	NEAR(now.loops[0].asleep, 0.25);
	NEAR(now.consumers[1].used_ns, 2000000);
	make_looks();
	consumers[1][1].is.messages = 40 + 100; /* so two of three polls found nothing */
	now.when_ns += SECOND;                  /* twice the time, half the rate */
	top_sort(&before);
	top_sort(&now);
	top_compare(&before, &now);
	NEAR(now.consumers[0].rate, 1000);
	NEAR(now.consumers[1].used_ns, 6000000);
}

static void
P24_what_is_not_known_is_not_nothing(void)
{
	compare();
	EXPECT(!strcmp(now.consumers[3].is.name, "newcomer"));
	EXPECT(now.consumers[3].rate < 0 && now.consumers[3].got < 0);
	EXPECT(now.consumers[0].used_ns < 0); /* nobody has measured it */
	EXPECT(!strcmp(now.topics[0].name, "t.a"));
	EXPECT(now.topics[0].rate < 0); /* its publisher began anew */
	NEAR(now.topics[1].rate, 250);
	EXPECT(now.topics[2].rate < 0);
	top_compare(NULL, &now);
	for (size_t i = 0; i < now.consumer_count; i++)
		EXPECT(now.consumers[i].rate < 0 && now.consumers[i].want < 0);
	EXPECT(now.loops[0].polls < 0 && !now.loops[0].compared);
	compare();
	top_compare(&now, &now); /* no time between */
	EXPECT(now.consumers[0].rate < 0);
}

/* Weights 10, half of 6, and 3 are 16; of 1,600 polls the three had 1,000, 300 and 300. */
static void
P24_shares_are_of_those_that_were_polled(void)
{
	compare();
	NEAR(now.consumers[0].want, 10.0 / 16);
	NEAR(now.consumers[1].want, 3.0 / 16);
	NEAR(now.consumers[2].want, 3.0 / 16);
	NEAR(now.consumers[0].got, 1000.0 / 1600);
	NEAR(now.consumers[1].got, 300.0 / 1600);
	EXPECT(now.consumers[4].want < 0); /* it was not polled at all */
	/* In a lane it takes nobody's turns. */
	make_looks();
	consumers[1][1].is.loop = WEIR_LOOP_LANE;
	top_compare(&before, &now);
	NEAR(now.consumers[0].want, 10.0 / 13);
	EXPECT(now.consumers[1].want < 0);
}

static void
P24_a_loop_that_stands_is_told_from_one_asleep(void)
{
	compare();
	EXPECT(!strcmp(top_loop_state(&now.loops[0]), "turns"));
	EXPECT(!strcmp(top_loop_state(&now.loops[1]), "stopped"));
	now.loops[1].quiet = TOP_SILENT;
	EXPECT(!strcmp(top_loop_state(&now.loops[1]), "silent"));
	now.loops[1].quiet = TOP_ANSWERS;
	EXPECT(!strcmp(top_loop_state(&now.loops[1]), "stands"));
	now.loops[1].is.active = 0;
	EXPECT(!strcmp(top_loop_state(&now.loops[1]), "asleep"));
	now.loops[1].compared = 0;
	EXPECT(!strcmp(top_loop_state(&now.loops[1]), "-"));
	now.loops[1].is.seen = 0;
	EXPECT(!strcmp(top_loop_state(&now.loops[1]), "not seen"));
}

/* ---- rows ----------------------------------------------------------------------------------- */

static int
column_called(int tab, const char *head)
{
	const struct top_column *columns = top_columns(tab);
	int i = 0;
	while (columns[i].head && strcmp(columns[i].head, head) != 0)
		i++;
	EXPECT(columns[i].head != NULL);
	return i;
}

/* The first letters of the names, in the order of the rows. */
static const char *
order(const struct top_view *view)
{
	static char letters[16];
	size_t count, at = 0;
	size_t *rows = top_rows(view, &count);
	for (size_t i = 0; rows && i < count; i++)
		letters[at++] = view->look->consumers[rows[i]].is.name[0];
	letters[at] = 0;
	free(rows);
	return letters;
}

#define ORDER(view, want) EXPECT(!strcmp(order(view), want))

static void
P24_sorted_by_any_column_both_ways(void)
{
	struct top_view view = {.look = &now, .glyphs = &top_ascii, .tab = TOP_CONSUMERS};
	compare();
	ORDER(&view, "qstns"); /* by name of the loop and number */
	view.reverse = 1;
	ORDER(&view, "sntsq");
	view.reverse = 0;
	view.sort = column_called(TOP_CONSUMERS, "RATE");
	ORDER(&view, "qstns"); /* those that are not known last */
	view.sort = column_called(TOP_CONSUMERS, "LAG");
	ORDER(&view, "sqtns"); /* the equal ones in the order of names */
	view.reverse = 1;
	ORDER(&view, "qtnss");
	view.reverse = 0;
	view.sort = column_called(TOP_CONSUMERS, "TIER");
	ORDER(&view, "sqtns");
	view.sort = column_called(TOP_CONSUMERS, "WEIGHT");
	ORDER(&view, "qnsts"); /* half of 6 is as much as 3 */
}

static void
P24_filtered_by_words(void)
{
	struct top_view view = {.look = &now, .glyphs = &top_ascii, .tab = TOP_CONSUMERS};
	compare();
	strcpy(view.filter, "A[11]/");
	ORDER(&view, "qstn");
	strcpy(view.filter, "yield");
	ORDER(&view, "s");
	strcpy(view.filter, "stopped"); /* one is called so, and is */
	ORDER(&view, "s");
	strcpy(view.filter, "2k"); /* a number that it has is not what is meant */
	ORDER(&view, "");
	strcpy(view.filter, "");
	view.tab = TOP_LATENCY; /* nobody is measured */
	ORDER(&view, "");
	now.consumers[2].measured = 1;
	ORDER(&view, "t");
}

static void
cell_is(const struct top_view *view, size_t row, const char *head, const char *want,
	int line)
{
	struct top_cell cell;
	top_cell(view, row, (size_t)column_called(view->tab, head), &cell);
	if (!strcmp(cell.text, want))
		return;
	printf("top.c:%d: %s is '%s', not '%s'\n", line, head, cell.text, want);
	failures++;
}

#define CELL(row, head, want) cell_is(&view, (row), head, want, __LINE__)

static void
P24_cells_are_for_people(void)
{
	struct top_view view = {.look = &now, .glyphs = &top_ascii, .tab = TOP_CONSUMERS};
	compare();
	CELL(1, "CONSUMER", "a[11]/slow.*");
	CELL(1, "TIER", "yield ^");
	CELL(1, "WEIGHT", "6x50%");
	CELL(1, "WANT", "18.8%");
	CELL(1, "A POLL", "2 ms");
	CELL(1, "LIMIT", "1 ms");
	CELL(1, "USED", "####>");
	CELL(1, "LAG", "1.87k");
	CELL(1, "LOST", "12");
	CELL(1, "P50", "-");
	CELL(0, "TIER", "monitor");
	CELL(0, "RATE", "2k/s");
	CELL(0, "USED", "....");
	CELL(3, "RATE", "-");
	CELL(3, "USED", "");
	CELL(4, "RATE", "stopped");
	now.consumers[1].used_ns = 500000;
	CELL(1, "USED", "##..");
	now.consumers[1].used_ns = 1000000;
	CELL(1, "USED", "####");
	now.consumers[1].used_ns = 1500000;
	CELL(1, "USED", "####>");
	now.consumers[1].is.percent = 0;
	CELL(1, "WEIGHT", "lane");
	now.consumers[0].counted = 0;
	CELL(0, "LAG", "?");
	now.consumers[0].is.subscription = 0;
	CELL(0, "LAG", "-");
	view.glyphs = &top_utf8;
	CELL(1, "TIER", "yield \xe2\x96\xb2");
}

static void
P24_a_trend_is_of_the_last_ten_seconds(void)
{
	struct top_view view = {.look = &now, .glyphs = &top_ascii, .tab = TOP_CONSUMERS};
	compare();
	now.when_ns = now.consumers[1].last.when_ns + (uint64_t)TOP_TREND_MS * 1000000;
	CELL(1, "TIER", "yield ^");
	now.when_ns++;
	CELL(1, "TIER", "yield");
	now.when_ns = now.consumers[1].last.when_ns;
	now.consumers[1].last.from = 3;
	CELL(1, "TIER", "yield v");
}

static void
P24_why_is_said_of_who_is_above_monitor(void)
{
	struct top_view view = {.look = &now, .glyphs = &top_ascii, .tab = TOP_CONSUMERS};
	compare();
	const char *why = top_why(&view, 1);
	EXPECT(why && !strcmp(why, "a poll took 2 ms, more than 1 ms"));
	EXPECT(!top_why(&view, 0) && top_tier(&view, 1) == 2 && !top_tier(&view, 0));
	EXPECT(top_quiet(&view, 4) == TOP_STOPPED && !top_quiet(&view, 0));
	now.consumers[1].is.tier = 0;
	EXPECT(!top_why(&view, 1));
	now.consumers[1].is.tier = 77; /* another's memory says what it wants */
	EXPECT(top_tier(&view, 1) == 3);
}

/* What is selected stays selected, wherever it stands. */
static void
P24_a_row_is_known_again(void)
{
	struct top_view view = {.look = &now, .glyphs = &top_ascii, .tab = TOP_CONSUMERS};
	struct top_view old = view;
	compare();
	old.look = &before;
	EXPECT(top_id(&view, 4) == top_id(&old, 3)); /* 'stopped', behind the newcomer */
	EXPECT(top_id(&view, 3) != top_id(&old, 3));
	view.tab = old.tab = TOP_TOPICS;
	EXPECT(top_id(&view, 0) == top_id(&old, 0));
	EXPECT(top_id(&view, 0) != top_id(&view, 1));
	for (int tab = 0; tab < TOP_TABS; tab++) {
		int width = 0;
		while (top_columns(tab)[width].head)
			width++;
		EXPECT(width < TOP_COLUMNS_MAX && top_columns(tab)[0].rank == 0);
	}
}

static void
P24_a_look_at_nothing(void)
{
	struct top_look none = {.bus = "lab", .when_ns = 1}, other = none;
	top_sort(&none);
	top_compare(&none, &other);
	for (int tab = 0; tab < TOP_TABS; tab++) {
		struct top_view view = {.look = &other, .glyphs = &top_ascii, .tab = tab};
		size_t count = 7;
		free(top_rows(&view, &count));
		EXPECT(count == 0);
	}
}

int
main(void)
{
	P24_rates_are_differences_by_time();
	P24_what_is_not_known_is_not_nothing();
	P24_shares_are_of_those_that_were_polled();
	P24_a_loop_that_stands_is_told_from_one_asleep();
	P24_sorted_by_any_column_both_ways();
	P24_filtered_by_words();
	P24_cells_are_for_people();
	P24_a_trend_is_of_the_last_ten_seconds();
	P24_why_is_said_of_who_is_above_monitor();
	P24_a_row_is_known_again();
	P24_a_look_at_nothing();
	return failures != 0;
}
