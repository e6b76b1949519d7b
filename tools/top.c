/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "tools/top.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/consumer.h"
#include "tools/text.h"

/* ---- two looks ------------------------------------------------------------------------------ */

static int
by_topic(const void *a, const void *b)
{
	const struct top_topic *one = a, *other = b;
	return strcmp(one->name, other->name);
}

static int
by_loop(const void *a, const void *b)
{
	const struct top_consumer *one = a, *other = b;
	if (one->loop != other->loop)
		return one->loop < other->loop ? -1 : 1;
	return (one->is.number > other->is.number) - (one->is.number < other->is.number);
}

void
top_sort(struct top_look *look)
{
	if (look->topic_count)
		qsort(look->topics, look->topic_count, sizeof(*look->topics), by_topic);
	if (look->consumer_count)
		qsort(look->consumers, look->consumer_count, sizeof(*look->consumers),
			by_loop);
}

/* A second's worth of a count that only grows; not known where it does not. */
static double
per_second(uint64_t before, uint64_t now, double seconds)
{
	return now < before || seconds <= 0 ? TOP_UNKNOWN
					    : (double)(now - before) / seconds;
}

static size_t
find_loop(const struct top_look *look, uint64_t node)
{
	size_t i = 0;
	while (i < look->loop_count && look->loops[i].is.node != node)
		i++;
	return i;
}

/* The same consumer at the look before; NULL: it was not there. */
static const struct top_consumer *
find_consumer(const struct top_look *look, const struct top_consumer *c)
{
	struct top_consumer key = {.loop = find_loop(look, c->is.node)};
	key.is.number = c->is.number;
	if (!look->consumer_count || key.loop == look->loop_count)
		return NULL;
	return bsearch(&key, look->consumers, look->consumer_count,
		sizeof(*look->consumers), by_loop);
}

static void
compare_loop(const struct top_loop *before, struct top_loop *now, uint64_t ns)
{
	double seconds = (double)ns / 1e9;
	now->compared = before->is.seen && now->is.seen && ns > 0;
	now->goes_on = now->is.turns != before->is.turns;
	now->polls = per_second(before->is.polls, now->is.polls, seconds);
	now->messages = per_second(before->is.messages, now->is.messages, seconds);
	now->sleeps = per_second(before->is.sleeps, now->is.sleeps, seconds);
	now->over = per_second(before->is.violations, now->is.violations, seconds);
	now->asleep = per_second(before->is.idle_ns, now->is.idle_ns, (double)ns);
	/* A sleep is added when it ends: none while it lasts, then perhaps more than there was
	 * time between. */
	if (now->asleep > 1 || (!now->goes_on && !now->is.active))
		now->asleep = 1;
}

static void
compare_loops(const struct top_look *before, struct top_look *now)
{
	for (size_t i = 0; i < now->loop_count; i++) {
		struct top_loop *loop = &now->loops[i];
		size_t k = before ? find_loop(before, loop->is.node) : 0;
		loop->compared = loop->goes_on = 0;
		loop->polled = loop->parts = 0;
		loop->polls = loop->messages = loop->sleeps = TOP_UNKNOWN;
		loop->over = loop->asleep = TOP_UNKNOWN;
		if (before && k < before->loop_count)
			compare_loop(&before->loops[k], loop,
				now->when_ns - before->when_ns);
	}
}

/* How often it was polled in turn on the bus's own loop; one that is read by its owner or has
 * another loop never is. */
static uint64_t
turns_between(const struct top_consumer *before, const struct top_consumer *now)
{
	if (!before || now->is.kind == WEIR_KIND_PULLED || now->is.loop ||
		now->is.polls < before->is.polls)
		return 0;
	return now->is.polls - before->is.polls;
}

static void
compare_consumer(
	const struct top_consumer *before, struct top_consumer *now, double seconds)
{
	now->rate = now->used_ns = TOP_UNKNOWN;
	if (!before)
		return;
	uint64_t busy_ns = now->is.busy_ns - before->is.busy_ns;
	uint64_t polls = now->is.polls - before->is.polls;
	uint64_t messages = now->is.messages - before->is.messages;
	/* Polls that found nothing took no time: with fewer messages than polls, some did. */
	uint64_t worked = messages && messages < polls ? messages : polls;
	now->rate = per_second(before->is.messages, now->is.messages, seconds);
	if (now->is.busy_ns > before->is.busy_ns && now->is.polls > before->is.polls)
		now->used_ns = (double)busy_ns / (double)worked;
}

/* Of those that were polled at all: who had nothing to do wanted nothing. */
static void
share_out(const struct top_look *before, struct top_look *now)
{
	for (size_t i = 0; i < now->consumer_count; i++) {
		struct top_consumer *c = &now->consumers[i];
		const struct top_loop *loop = &now->loops[c->loop];
		uint64_t turns =
			turns_between(before ? find_consumer(before, c) : NULL, c);
		c->want = c->got = TOP_UNKNOWN;
		if (!turns)
			continue;
		c->want = (double)c->is.weight * c->is.percent / (double)loop->parts;
		c->got = (double)turns / (double)loop->polled;
	}
}

void
top_compare(const struct top_look *before, struct top_look *now)
{
	double seconds = before ? (double)(now->when_ns - before->when_ns) / 1e9 : 0;
	compare_loops(before, now);
	for (size_t i = 0; i < now->consumer_count; i++) {
		struct top_consumer *c = &now->consumers[i];
		const struct top_consumer *b = before ? find_consumer(before, c) : NULL;
		uint64_t turns = turns_between(b, c);
		compare_consumer(b, c, seconds);
		now->loops[c->loop].polled += turns;
		if (turns)
			now->loops[c->loop].parts +=
				(uint64_t)c->is.weight * c->is.percent;
	}
	share_out(before, now);
	for (size_t i = 0; i < now->topic_count; i++) {
		struct top_topic *topic = &now->topics[i];
		const struct top_topic *b = before && before->topic_count
			? bsearch(topic, before->topics, before->topic_count,
				  sizeof(*topic), by_topic)
			: NULL;
		topic->rate = b && !topic->quiet
			? per_second(b->messages, topic->messages, seconds)
			: TOP_UNKNOWN;
	}
}

/* ---- the columns ---------------------------------------------------------------------------- */

const struct top_glyphs top_ascii = {.up = "^",
	.down = "v",
	.full = "#",
	.empty = ".",
	.over = ">",
	.times = "x",
	.more = "~"};
const struct top_glyphs top_utf8 = {.up = "\xe2\x96\xb2",
	.down = "\xe2\x96\xbc",
	.full = "\xe2\x96\x88",
	.empty = "\xe2\x96\x91",
	.over = "\xe2\x96\xb6",
	.times = "\xc3\x97",
	.more = "\xe2\x80\xa6"};

enum { BAR = 4 /* places of a bar */ };

static const struct top_column topic_columns[] = {{"TOPIC", 'l', 0, 0, 12},
	{"RATE", 'r', 1, 0, 7}, {"MESSAGES", 'r', 1, 2, 8}, {"PUBS", 'r', 1, 0, 0},
	{"SUBS", 'r', 1, 0, 0}, {"LAG", 'r', 1, 0, 5}, {"LOST", 'r', 1, 0, 5},
	{"AGE", 'r', 1, 1, 7}, {"PUBLISHER", 'l', 0, 3, 0},
	{"FARTHEST BEHIND", 'l', 0, 4, 0}, {0}};
static const struct top_column consumer_columns[] = {{"CONSUMER", 'l', 0, 0, 16},
	{"TIER", 'l', 1, 0, 9}, {"WEIGHT", 'r', 1, 4, 0}, {"WANT", 'r', 1, 5, 0},
	{"GOT", 'r', 1, 3, 5}, {"A POLL", 'r', 1, 2, 7}, {"LIMIT", 'r', 1, 6, 0},
	{"USED", 'l', 1, 1, BAR + 1}, {"RATE", 'r', 1, 0, 7}, {"LAG", 'r', 1, 0, 5},
	{"LOST", 'r', 1, 0, 5}, {"P50", 'r', 1, 8, 7}, {"P99", 'r', 1, 7, 7}, {0}};
static const struct top_column loop_columns[] = {{"REACTOR", 'l', 0, 0, 16},
	{"STATE", 'l', 1, 0, 8}, {"CONSUMERS", 'r', 1, 0, 0}, {"ACTIVE", 'r', 1, 2, 0},
	{"ROUND", 'r', 1, 4, 0}, {"POLLS", 'r', 1, 0, 7}, {"MESSAGES", 'r', 1, 0, 8},
	{"ASLEEP", 'r', 1, 0, 0}, {"SLEEPS", 'r', 1, 3, 7}, {"OVER", 'r', 1, 1, 6},
	{"LIMIT", 'r', 1, 5, 0}, {0}};
static const struct top_column latency_columns[] = {{"CONSUMER", 'l', 0, 0, 16},
	{"TIER", 'l', 1, 5, 9}, {"MSG P50", 'r', 1, 0, 7}, {"MSG P99", 'r', 1, 0, 7},
	{"MSG MAX", 'r', 1, 3, 7}, {"WAIT P50", 'r', 1, 4, 7},
	{"WAIT P99", 'r', 1, 1, 7}, {"CALL P50", 'r', 1, 0, 7},
	{"CALL P99", 'r', 1, 0, 7}, {"CALL MAX", 'r', 1, 2, 7}, {0}};

static const struct {
	const char *name;
	const struct top_column *columns;
} tabs[TOP_TABS] = {[TOP_TOPICS] = {"topics", topic_columns},
	[TOP_CONSUMERS] = {"consumers", consumer_columns},
	[TOP_REACTORS] = {"reactors", loop_columns},
	[TOP_LATENCY] = {"latency", latency_columns}};

const char *
top_tab_name(int tab)
{
	return tabs[tab].name;
}

const struct top_column *
top_columns(int tab)
{
	return tabs[tab].columns;
}

/* ---- cells ---------------------------------------------------------------------------------- */

static void
put(struct top_cell *cell, double value, const char *text)
{
	cell->value = value;
	snprintf(cell->text, sizeof(cell->text), "%s", text);
}

static void
put_count(struct top_cell *cell, uint64_t count)
{
	put(cell, (double)count, text_short(count).s);
}

static void
put_rate(struct top_cell *cell, double rate)
{
	put(cell, rate, rate < 0 ? "-" : text_rate(rate).s);
}

static void
put_ns(struct top_cell *cell, double ns)
{
	put(cell, ns, ns < 0 ? "-" : text_ns(ns).s);
}

/* One of times that may never have been taken. */
static void
put_time(struct top_cell *cell, const weir_look_times *times, uint64_t ns)
{
	put_ns(cell, times->count ? (double)ns : TOP_UNKNOWN);
}

static void
put_share(struct top_cell *cell, double share)
{
	put(cell, share, "-");
	if (share >= 0)
		snprintf(cell->text, sizeof(cell->text), "%.1f%%", 100 * share);
}

static const char *
quiet_word(int quiet)
{
	return quiet == TOP_STOPPED ? "stopped" : "silent";
}

/* ---- cells of topics ------------------------------------------------------------------------ */

static void
topic_cell(const struct top_view *view, size_t row, size_t column, struct top_cell *cell)
{
	const struct top_topic *t = &view->look->topics[row];
	double age_ns = t->last_ns && t->last_ns <= view->look->when_ns
		? (double)(view->look->when_ns - t->last_ns)
		: TOP_UNKNOWN;
	switch (column) {
	case 0:
		put(cell, 0, t->name);
		break;
	case 1:
		put_rate(cell, t->rate);
		if (t->quiet)
			put(cell, TOP_UNKNOWN, quiet_word(t->quiet));
		break;
	case 2:
		put_count(cell, t->messages);
		break;
	case 3:
		put_count(cell, t->publishers);
		break;
	case 4:
		put_count(cell, t->subscribers);
		break;
	case 5:
		put_count(cell, t->waiting);
		break;
	case 6:
		put_count(cell, t->lost);
		break;
	case 7:
		put_ns(cell, age_ns);
		break;
	case 8:
		put(cell, 0, t->who[0] ? t->who : "nobody publishes");
		break;
	default:
		put(cell, 0, t->behind[0] ? t->behind : "-");
		break;
	}
}

/* ---- cells of consumers --------------------------------------------------------------------- */

static void
put_consumer(const struct top_view *view, const struct top_consumer *c,
	struct top_cell *cell)
{
	char who[WEIR_NAME_MAX + 32];
	consumer_who(&view->look->loops[c->loop].is, who, sizeof(who));
	if (c->is.name[0])
		snprintf(cell->text, sizeof(cell->text), "%s/%s", who, c->is.name);
	else
		snprintf(cell->text, sizeof(cell->text), "%s/%s %" PRIu64, who,
			weir_look_kind_name(c->is.kind), c->is.number);
}

/* 1: it has come to a higher tier just now; -1: it has come back from one. */
static int
trend(const struct top_view *view, const struct top_consumer *c)
{
	uint64_t since_ns = view->look->when_ns - c->last.when_ns;
	if (!c->changed || c->last.when_ns > view->look->when_ns ||
		since_ns > (uint64_t)TOP_TREND_MS * 1000000)
		return 0;
	return (c->last.to > c->last.from) - (c->last.to < c->last.from);
}

static void
put_tier(const struct top_view *view, const struct top_consumer *c, struct top_cell *cell)
{
	int goes = trend(view, c);
	cell->value = c->is.tier;
	snprintf(cell->text, sizeof(cell->text), "%s%s%s", consumer_tier(c->is.tier),
		goes ? " " : "",
		goes > 0           ? view->glyphs->up
			: goes < 0 ? view->glyphs->down
				   : "");
}

static void
put_weight(const struct top_view *view, const struct top_consumer *c, struct top_cell *cell)
{
	cell->value = (double)c->is.weight * c->is.percent;
	if (c->is.kind == WEIR_KIND_PULLED)
		put(cell, TOP_UNKNOWN, "-");
	else if (!c->is.percent)
		put(cell, 0, "lane");
	else if (c->is.percent == 100)
		snprintf(cell->text, sizeof(cell->text), "%" PRIu32, c->is.weight);
	else
		snprintf(cell->text, sizeof(cell->text), "%" PRIu32 "%s%" PRIu32 "%%",
			c->is.weight, view->glyphs->times, c->is.percent);
}

/* What of a limit is used: "##..", and with more than all of it "####>". */
static void
put_bar(const struct top_view *view, const struct top_consumer *c, struct top_cell *cell)
{
	double limit = (double)view->look->loops[c->loop].is.threshold_ns;
	double used = c->used_ns < 0 || limit <= 0 ? 0 : c->used_ns / limit;
	int full = used >= 1 ? BAR : (int)(used * BAR + 0.5);
	size_t at = 0;
	cell->value = c->used_ns < 0 ? TOP_UNKNOWN : used;
	cell->text[0] = 0;
	if (c->rate < 0 || c->is.kind == WEIR_KIND_PULLED)
		return;
	for (int i = 0; i < BAR; i++)
		at += (size_t)snprintf(cell->text + at, sizeof(cell->text) - at, "%s",
			i < full ? view->glyphs->full : view->glyphs->empty);
	if (used > 1)
		snprintf(cell->text + at, sizeof(cell->text) - at, "%s",
			view->glyphs->over);
}

/* What a subscription has not read, or has lost. */
static void
put_counted(const struct top_consumer *c, uint64_t count, struct top_cell *cell)
{
	if (c->counted)
		put_count(cell, count);
	else
		put(cell, TOP_UNKNOWN, c->is.subscription ? "?" : "-");
}

static void
consumer_cell(
	const struct top_view *view, size_t row, size_t column, struct top_cell *cell)
{
	const struct top_consumer *c = &view->look->consumers[row];
	const struct top_loop *loop = &view->look->loops[c->loop];
	switch (column) {
	case 0:
		put_consumer(view, c, cell);
		break;
	case 1:
		put_tier(view, c, cell);
		break;
	case 2:
		put_weight(view, c, cell);
		break;
	case 3:
		put_share(cell, c->want);
		break;
	case 4:
		put_share(cell, c->got);
		break;
	case 5:
		put_ns(cell, c->used_ns);
		break;
	case 6:
		put_ns(cell, (double)loop->is.threshold_ns);
		break;
	case 7:
		put_bar(view, c, cell);
		break;
	case 8:
		put_rate(cell, c->rate);
		if (loop->quiet)
			put(cell, TOP_UNKNOWN, quiet_word(loop->quiet));
		break;
	case 9:
		put_counted(c, c->waiting, cell);
		break;
	case 10:
		put_counted(c, c->lost, cell);
		break;
	case 11:
		put_time(cell, &c->times.delivery, c->times.delivery.p50_ns);
		break;
	default:
		put_time(cell, &c->times.delivery, c->times.delivery.p99_ns);
		break;
	}
}

/* ---- cells of times ------------------------------------------------------------------------- */

static void
latency_cell(const struct top_view *view, size_t row, size_t column, struct top_cell *cell)
{
	const struct top_consumer *c = &view->look->consumers[row];
	const weir_look_times *delivery = &c->times.delivery, *wait = &c->times.wait,
			      *call = &c->times.handler;
	const struct {
		const weir_look_times *of;
		uint64_t ns;
	} all[] = {{delivery, delivery->p50_ns}, {delivery, delivery->p99_ns},
		{delivery, delivery->max_ns}, {wait, wait->p50_ns}, {wait, wait->p99_ns},
		{call, call->p50_ns}, {call, call->p99_ns}, {call, call->max_ns}};
	if (column < 2)
		consumer_cell(view, row, column, cell);
	else
		put_time(cell, all[column - 2].of, all[column - 2].ns);
}

/* ---- cells of loops ------------------------------------------------------------------------- */

static const char *const loop_states[] = {
	"-", "asleep", "turns", "stands", "silent", "stopped", "not seen"};

static size_t
loop_state(const struct top_loop *loop)
{
	if (loop->quiet)
		return loop->quiet == TOP_STOPPED ? 5 : 4;
	if (!loop->is.seen)
		return 6;
	if (!loop->compared)
		return 0;
	if (loop->goes_on)
		return 2;
	return loop->is.active ? 3 : 1;
}

const char *
top_loop_state(const struct top_loop *loop)
{
	return loop_states[loop_state(loop)];
}

static void
loop_cell(const struct top_view *view, size_t row, size_t column, struct top_cell *cell)
{
	const struct top_loop *loop = &view->look->loops[row];
	if (column > 1 && !loop->is.seen) {
		put(cell, TOP_UNKNOWN, "?");
		return;
	}
	switch (column) {
	case 0:
		consumer_who(&loop->is, cell->text, sizeof(cell->text));
		break;
	case 1:
		put(cell, (double)loop_state(loop), top_loop_state(loop));
		break;
	case 2:
		put_count(cell, loop->is.consumers + loop->is.unseen);
		break;
	case 3:
		put_count(cell, loop->is.active);
		break;
	case 4:
		put_count(cell, loop->is.round);
		break;
	case 5:
		put_rate(cell, loop->polls);
		break;
	case 6:
		put_rate(cell, loop->messages);
		break;
	case 7:
		put_share(cell, loop->asleep);
		break;
	case 8:
		put_rate(cell, loop->sleeps);
		break;
	case 9:
		put_rate(cell, loop->over);
		break;
	default:
		put_ns(cell, (double)loop->is.threshold_ns);
		break;
	}
}

void
top_cell(const struct top_view *view, size_t row, size_t column, struct top_cell *cell)
{
	static void (*const cells[TOP_TABS])(const struct top_view *, size_t, size_t,
		struct top_cell *) = {[TOP_TOPICS] = topic_cell,
		[TOP_CONSUMERS] = consumer_cell,
		[TOP_REACTORS] = loop_cell,
		[TOP_LATENCY] = latency_cell};
	*cell = (struct top_cell){.value = 0};
	cells[view->tab](view, row, column, cell);
}

/* ---- which rows ----------------------------------------------------------------------------- */

static int
is_wanted(const struct top_view *view, size_t row)
{
	const struct top_column *columns = top_columns(view->tab);
	if (view->tab == TOP_LATENCY && !view->look->consumers[row].measured)
		return 0;
	if (!view->filter[0])
		return 1;
	for (size_t i = 0; columns[i].head; i++) {
		struct top_cell cell;
		top_cell(view, row, i, &cell);
		/* Numbers that happen to have a digit in them are not what is meant. */
		if ((columns[i].align == 'l' || cell.value < 0) &&
			strcasestr(cell.text, view->filter))
			return 1;
	}
	return 0;
}

struct key {
	size_t row;
	double value;
};

/* < 0: a comes first. */
static int
compare_keys(const void *a, const void *b, void *ctx)
{
	const struct top_view *view = ctx;
	const struct key *one = a, *other = b;
	int order = (one->value < other->value) - (one->value > other->value);
	if (!top_columns(view->tab)[view->sort].numeric && view->sort) {
		struct top_cell x, y;
		top_cell(view, one->row, (size_t)view->sort, &x);
		top_cell(view, other->row, (size_t)view->sort, &y);
		order = strcmp(x.text, y.text);
	} else if (!view->sort) {
		order = one->row < other->row ? -1 : one->row > other->row;
	}
	if (order)
		return view->reverse ? -order : order;
	return one->row < other->row ? -1 : one->row > other->row;
}

/* By values that are taken once: there may be a hundred thousand rows. */
static void
sort_rows(const struct top_view *view, size_t *rows, size_t count)
{
	struct key *keys = malloc((count + 1) * sizeof(*keys));
	if (!keys)
		return;
	for (size_t i = 0; i < count; i++) {
		struct top_cell cell;
		top_cell(view, rows[i], (size_t)view->sort, &cell);
		keys[i] = (struct key){.row = rows[i], .value = cell.value};
	}
	qsort_r(keys, count, sizeof(*keys), compare_keys, (void *)(uintptr_t)view);
	for (size_t i = 0; i < count; i++)
		rows[i] = keys[i].row;
	free(keys);
}

size_t *
top_rows(const struct top_view *view, size_t *count)
{
	const struct top_look *look = view->look;
	size_t all = view->tab == TOP_TOPICS ? look->topic_count
		: view->tab == TOP_REACTORS  ? look->loop_count
					     : look->consumer_count;
	size_t *rows = malloc((all + 1) * sizeof(*rows));
	*count = 0;
	if (!rows)
		return NULL;
	for (size_t i = 0; i < all; i++) {
		if (is_wanted(view, i))
			rows[(*count)++] = i;
	}
	if (view->sort || view->reverse)
		sort_rows(view, rows, *count);
	return rows;
}

/* ---- of a row ------------------------------------------------------------------------------- */

static const struct top_consumer *
consumer_of(const struct top_view *view, size_t row)
{
	int has = view->tab == TOP_CONSUMERS || view->tab == TOP_LATENCY;
	return has ? &view->look->consumers[row] : NULL;
}

uint32_t
top_tier(const struct top_view *view, size_t row)
{
	const struct top_consumer *c = consumer_of(view, row);
	uint32_t tier = c ? c->is.tier : 0;
	return tier < 3 ? tier : 3;
}

int
top_quiet(const struct top_view *view, size_t row)
{
	const struct top_consumer *c = consumer_of(view, row);
	if (view->tab == TOP_TOPICS)
		return view->look->topics[row].quiet;
	return view->look->loops[c ? c->loop : row].quiet;
}

uint64_t
top_id(const struct top_view *view, size_t row)
{
	const struct top_consumer *c = consumer_of(view, row);
	/* FNV-1a, 64 bits. */
	uint64_t id = 0xcbf29ce484222325;
	if (c)
		return c->is.node + c->is.number * 0x9e3779b97f4a7c15;
	if (view->tab == TOP_REACTORS)
		return view->look->loops[row].is.node;
	for (const char *p = view->look->topics[row].name; *p; p++)
		id = (id ^ (unsigned char)*p) * 0x100000001b3;
	return id;
}

const char *
top_why(const struct top_view *view, size_t row)
{
	const struct top_consumer *c = consumer_of(view, row);
	if (!c || !c->is.tier || !c->changed)
		return NULL;
	/* From which tier to which, the row says. */
	const char *colon = strstr(c->last.text, ": ");
	return colon ? colon + 2 : c->last.text;
}
