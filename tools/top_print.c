/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tools/top_print.h"

#include <stdio.h>
#include <stdlib.h>

#include "tools/consumer.h"
#include "tools/tool.h"

/* ---- tables --------------------------------------------------------------------------------- */

static void
print_whys(const struct top_view *view, const size_t *rows, size_t count)
{
	for (size_t i = 0; i < count && view->tab == TOP_CONSUMERS; i++) {
		const char *why = top_why(view, rows[i]);
		struct top_cell cell;
		top_cell(view, rows[i], 0, &cell);
		if (why)
			printf("  why %s?  %s\n", cell.text, why);
	}
}

/* True if there was anything to print. */
static int
print_tab(const struct top_look *look, int tab, int many)
{
	struct top_view view = {.look = look, .glyphs = &top_ascii, .tab = tab};
	const struct top_column *columns = top_columns(tab);
	char align[TOP_COLUMNS_MAX + 1] = {0};
	struct table t;
	size_t count, width = 0;
	size_t *rows = top_rows(&view, &count);
	if (!rows || !count) {
		free(rows);
		return 0;
	}
	for (; columns[width].head; width++)
		align[width] = columns[width].align;
	table_init(&t, align);
	for (size_t c = 0; c < width; c++)
		table_add(&t, "%s", columns[c].head);
	for (size_t i = 0; i < count; i++) {
		for (size_t c = 0; c < width; c++) {
			struct top_cell cell;
			top_cell(&view, rows[i], c, &cell);
			table_add(&t, "%s", cell.text);
		}
	}
	if (many)
		putchar('\n');
	table_print(&t, stdout, tool_color());
	print_whys(&view, rows, count);
	free(rows);
	return 1;
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static void
known_json(struct json *j, const char *key, double value)
{
	if (value < 0)
		json_null(j, key);
	else
		json_real(j, key, value);
}

static void
name_json(struct json *j, const char *key, const char *name)
{
	json_str(j, key, name[0] ? name : NULL);
}

static const char *
answers(int quiet)
{
	static const char *const words[] = {
		[TOP_ANSWERS] = "yes", [TOP_SILENT] = "silent", [TOP_STOPPED] = "stopped"};
	return words[quiet];
}

static void
topic_json(struct json *j, const struct top_look *look, size_t row)
{
	const struct top_topic *t = &look->topics[row];
	json_str(j, "topic", t->name);
	json_str(j, "answers", answers(t->quiet));
	known_json(j, "rate", t->rate);
	json_u64(j, "messages", t->messages);
	json_u64(j, "publishers", t->publishers);
	json_u64(j, "subscribers", t->subscribers);
	json_u64(j, "waiting", t->waiting);
	name_json(j, "behind", t->behind);
	json_u64(j, "lost", t->lost);
	if (t->last_ns)
		json_i64(j, "age_ns", (int64_t)(look->when_ns - t->last_ns));
	else
		json_null(j, "age_ns");
	name_json(j, "publisher", t->who);
}

static void
counted_json(struct json *j, const char *key, const struct top_consumer *c, uint64_t count)
{
	if (c->counted)
		json_u64(j, key, count);
	else
		json_null(j, key);
}

static void
times_json(struct json *j, const struct top_consumer *c)
{
	json_object(j, "latency");
	consumer_times_json(j, "delivery", &c->times.delivery);
	consumer_times_json(j, "wait", &c->times.wait);
	consumer_times_json(j, "handler", &c->times.handler);
	json_end_object(j);
}

static void
top_consumer_json(struct json *j, const struct top_look *look, size_t row)
{
	struct top_view view = {.look = look, .glyphs = &top_ascii, .tab = TOP_CONSUMERS};
	const struct top_consumer *c = &look->consumers[row];
	const struct top_loop *loop = &look->loops[c->loop];
	char who[WEIR_NAME_MAX + 32];
	consumer_who(&loop->is, who, sizeof(who));
	json_str(j, "who", who);
	json_u64(j, "pid", c->is.pid);
	json_u64(j, "number", c->is.number);
	json_str(j, "kind", weir_look_kind_name(c->is.kind));
	name_json(j, "name", c->is.name);
	json_str(j, "answers", answers(loop->quiet));
	json_str(j, "tier", consumer_tier(c->is.tier));
	json_u64(j, "weight", c->is.weight);
	json_u64(j, "percent", c->is.percent);
	known_json(j, "share_want", c->want);
	known_json(j, "share_got", c->got);
	known_json(j, "poll_ns", c->used_ns);
	json_u64(j, "threshold_ns", loop->is.threshold_ns);
	known_json(j, "rate", c->rate);
	counted_json(j, "waiting", c, c->waiting);
	counted_json(j, "lost", c, c->lost);
	json_str(j, "why", top_why(&view, row));
	if (c->measured)
		times_json(j, c);
	else
		json_null(j, "latency");
}

static void
loop_json(struct json *j, const struct top_look *look, size_t row)
{
	const struct top_loop *loop = &look->loops[row];
	char who[WEIR_NAME_MAX + 32];
	consumer_who(&loop->is, who, sizeof(who));
	json_str(j, "who", who);
	json_u64(j, "pid", loop->is.pid);
	json_str(j, "answers", answers(loop->quiet));
	json_str(j, "state", top_loop_state(loop));
	json_bool(j, "seen", loop->is.seen != 0);
	json_u64(j, "consumers", loop->is.consumers + loop->is.unseen);
	json_u64(j, "active", loop->is.active);
	json_u64(j, "round", loop->is.round);
	known_json(j, "polls_rate", loop->polls);
	known_json(j, "messages_rate", loop->messages);
	known_json(j, "asleep", loop->asleep);
	known_json(j, "sleeps_rate", loop->sleeps);
	known_json(j, "violations_rate", loop->over);
	json_u64(j, "threshold_ns", loop->is.threshold_ns);
}

typedef void (*row_json_fn)(struct json *j, const struct top_look *look, size_t row);

static const struct {
	int tab;
	const char *key, *one;
	row_json_fn fields;
} lists[] = {{TOP_TOPICS, "topics", "topic", topic_json},
	{TOP_CONSUMERS, "consumers", "consumer", top_consumer_json},
	{TOP_REACTORS, "reactors", "reactor", loop_json},
	{TOP_LATENCY, "consumers", "consumer", top_consumer_json}};

static void
list_json(struct json *j, const struct top_look *look, size_t list)
{
	struct top_view view = {
		.look = look, .glyphs = &top_ascii, .tab = lists[list].tab};
	size_t count;
	size_t *rows = top_rows(&view, &count);
	if (tool.out == TOOL_JSON)
		json_array(j, lists[list].key);
	for (size_t i = 0; rows && i < count; i++) {
		json_object(j, NULL);
		if (tool.out == TOOL_JSONL)
			json_str(j, "is", lists[list].one);
		lists[list].fields(j, look, rows[i]);
		json_end_object(j);
	}
	if (tool.out == TOOL_JSON)
		json_end_array(j);
	free(rows);
}

/* All tabs are three lists: the last one is of consumers, too. */
static void
print_json(const struct top_look *look, int tab)
{
	struct json j;
	json_init(&j, stdout);
	if (tool.out == TOOL_JSON) {
		json_object(&j, NULL);
		json_str(&j, "bus", look->bus);
	}
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		if (tab == lists[i].tab || (tab < 0 && lists[i].tab != TOP_LATENCY))
			list_json(&j, look, i);
	}
	if (tool.out == TOOL_JSON)
		json_end_object(&j);
}

/* ---- either --------------------------------------------------------------------------------- */

static void
say_quiet(const struct top_look *look)
{
	for (size_t i = 0; i < look->loop_count; i++) {
		const struct top_loop *loop = &look->loops[i];
		char who[WEIR_NAME_MAX + 32];
		consumer_who(&loop->is, who, sizeof(who));
		if (loop->quiet)
			tool_say("%s %s; %s", who,
				loop->quiet == TOP_STOPPED ? "is stopped"
							   : "does not answer",
				loop->is.seen ? "this is what its memory says"
					      : "it cannot be looked at");
		else if (!loop->is.seen)
			tool_say("%s does not show who is on its loop", who);
	}
}

void
top_print(const struct top_look *look, int tab)
{
	int printed = 0;
	if (tool.out != TOOL_TABLE) {
		print_json(look, tab);
		return;
	}
	for (int t = 0; t < TOP_TABS; t++) {
		if (tab < 0 || tab == t)
			printed += print_tab(look, t, printed);
	}
	if (tab == TOP_LATENCY && !printed)
		tool_say("nobody has times taken: a program calls weir_measure(bus, 1) for "
			 "that");
	else if (!printed)
		tool_say("there is nothing yet");
	say_quiet(look);
}
