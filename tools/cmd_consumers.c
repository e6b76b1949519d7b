/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* consumer ls: who is on the loop of each process, and how each is doing. */
#include <inttypes.h>
#include <stdio.h>

#include "tools/consumer.h"
#include "tools/tool.h"

enum which { WHICH_ALL = 0, WHICH_ACTIVE, WHICH_IDLE };

static int latency;
static int which;

/* ---- JSON ---------------------------------------------------------------------------------- */

static int
is_wanted(const weir_look_consumer *c)
{
	return which == WHICH_ALL || (which == WHICH_ACTIVE) == (c->active != 0);
}

static void
loop_json(struct crowd *crowd, const weir_look_loop *loop)
{
	struct json *j = &crowd->j;
	char who[WEIR_NAME_MAX + 32];
	consumer_who(loop, who, sizeof(who));
	json_object(j, NULL);
	json_str(j, "who", who);
	json_u64(j, "pid", loop->pid);
	json_id(j, "node", loop->node);
	json_bool(j, "silent", loop->silent != 0);
	json_bool(j, "seen", loop->seen != 0);
	json_u64(j, "consumers", loop->consumers);
	json_u64(j, "active", loop->active);
	json_u64(j, "idle", loop->consumers - loop->active);
	json_u64(j, "not_shown", loop->unseen);
	json_u64(j, "round", loop->round);
	json_u64(j, "turns", loop->turns);
	json_u64(j, "polls", loop->polls);
	json_u64(j, "messages", loop->messages);
	json_u64(j, "busy_ns", loop->busy_ns);
	json_u64(j, "idle_ns", loop->idle_ns);
	json_u64(j, "sleeps", loop->sleeps);
	json_u64(j, "timers", loop->timers);
	json_u64(j, "violations", loop->violations);
	json_end_object(j);
}

static void
each_json(struct crowd *crowd)
{
	for (size_t i = 0; i < crowd->consumer_count; i++) {
		const weir_look_consumer *c = &crowd->consumers[i];
		weir_look_change last;
		if (!is_wanted(c))
			continue;
		json_object(&crowd->j, NULL);
		consumer_json(crowd, c, consumer_changed(crowd, c, &last) ? &last : NULL);
		json_end_object(&crowd->j);
	}
}

static void
list_json(struct crowd *crowd)
{
	json_init(&crowd->j, stdout);
	if (tool.out == TOOL_JSONL) {
		each_json(crowd);
		return;
	}
	json_object(&crowd->j, NULL);
	json_str(&crowd->j, "bus", crowd->look.bus);
	json_array(&crowd->j, "loops");
	for (size_t i = 0; i < crowd->loop_count; i++)
		loop_json(crowd, &crowd->loops[i]);
	json_end_array(&crowd->j);
	json_array(&crowd->j, "consumers");
	each_json(crowd);
	json_end_array(&crowd->j);
	json_end_object(&crowd->j);
}

/* ---- tables --------------------------------------------------------------------------------- */

static void
loops_table(struct crowd *crowd)
{
	static const char *const heads[] = {"LOOP", "CONSUMERS", "ACTIVE", "ROUND",
		"TURNS", "POLLS", "MESSAGES", "BUSY", "ASLEEP", "SLEEPS", "TIMERS",
		"VIOLATIONS"};
	struct table *t = &crowd->table;
	table_init(t, "lrrrrrrrrrrr");
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		table_add(t, "%s", heads[i]);
	for (size_t i = 0; i < crowd->loop_count; i++) {
		const weir_look_loop *loop = &crowd->loops[i];
		char who[WEIR_NAME_MAX + 32];
		consumer_who(loop, who, sizeof(who));
		table_add(t, "%s", who);
		if (!loop->seen) {
			for (size_t k = 1; k < sizeof(heads) / sizeof(heads[0]); k++)
				table_add(t, "?");
			continue;
		}
		table_add(t, "%s", text_count(loop->consumers + loop->unseen).s);
		table_add(t, "%s", text_count(loop->active).s);
		table_add(t, "%s", text_count(loop->round).s);
		table_add(t, "%s", text_count(loop->turns).s);
		table_add(t, "%s", text_count(loop->polls).s);
		table_add(t, "%s", text_count(loop->messages).s);
		table_add(t, "%s", text_ns((double)loop->busy_ns).s);
		table_add(t, "%s", text_ns((double)loop->idle_ns).s);
		table_add(t, "%s", text_count(loop->sleeps).s);
		table_add(t, "%s", text_count(loop->timers).s);
		table_add(t, "%s", text_count(loop->violations).s);
	}
	table_print(t, stdout, tool_color());
}

/* "never", or "overrun 2.1 s ago" */
static void
changed_cell(struct crowd *crowd, const weir_look_consumer *c)
{
	weir_look_change last;
	if (consumer_changed(crowd, c, &last))
		table_add(&crowd->table, "%s %s ago", last.reason,
			text_ns((double)(weir_now_ns() - last.when_ns)).s);
	else
		table_add(&crowd->table, "never");
}

static void
times_cell(struct crowd *crowd, const weir_look_times *times)
{
	if (!times || !times->count)
		table_add(&crowd->table, "-");
	else
		table_add(&crowd->table, "%s / %s / %s / %s",
			text_ns((double)times->p50_ns).s,
			text_ns((double)times->p99_ns).s,
			text_ns((double)times->p999_ns).s,
			text_ns((double)times->max_ns).s);
}

static void
latency_cells(struct crowd *crowd, const weir_look_consumer *c)
{
	weir_look_latencies l;
	int there = weir_look_latency(crowd->look.handle, c, &l) == 0;
	times_cell(crowd, there ? &l.delivery : NULL);
	times_cell(crowd, there ? &l.wait : NULL);
	times_cell(crowd, there ? &l.handler : NULL);
}

static void
consumer_row(struct crowd *crowd, const weir_look_consumer *c)
{
	const weir_look_loop *loop = consumer_loop(crowd, c);
	struct behind b = consumer_behind(crowd, c);
	struct table *t = &crowd->table;
	char who[WEIR_NAME_MAX + 32];
	consumer_who(loop, who, sizeof(who));
	table_add(t, "%s", who);
	table_add(t, "%" PRIu64, c->number);
	table_add(t, "%s", weir_look_kind_name(c->kind));
	table_add(t, "%s", c->name[0] ? c->name : "-");
	table_add(t, "%" PRIu32, c->weight);
	table_add(t, "%s", consumer_tier(c->tier));
	table_add(t, "%s", consumer_state(c));
	if (latency) {
		latency_cells(crowd, c);
		return;
	}
	table_add(t, "%s", text_count(c->polls).s);
	table_add(t, "%s", text_count(c->messages).s);
	table_add(t, "%s",
		b.known                   ? text_count(b.waiting).s
			: c->subscription ? "?"
					  : "-");
	table_add(t, "%s", text_ns((double)c->busy_ns).s);
	table_add(t, "%s", text_count(c->violations).s);
	table_add(t, "%s", text_count(c->yields).s);
	table_add(t, "%s", text_count(c->promotions).s);
	table_add(t, "%s", text_count(c->demotions).s);
	changed_cell(crowd, c);
}

static void
consumers_table(struct crowd *crowd)
{
	static const char *const heads[] = {
		"LOOP", "NUMBER", "KIND", "NAME", "WEIGHT", "TIER", "STATE"};
	static const char *const counts[] = {"POLLS", "MESSAGES", "WAITING", "BUSY",
		"VIOLATIONS", "YIELDS", "UP", "DOWN", "CHANGED"};
	static const char *const times[] = {"DELIVERY 50/99/99.9/MAX",
		"WAIT 50/99/99.9/MAX", "HANDLER 50/99/99.9/MAX"};
	const char *const *rest = latency ? times : counts;
	size_t count = latency ? sizeof(times) / sizeof(times[0])
			       : sizeof(counts) / sizeof(counts[0]);
	table_init(&crowd->table, latency ? "lrllrllrrr" : "lrllrllrrrrrrrrl");
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		table_add(&crowd->table, "%s", heads[i]);
	for (size_t i = 0; i < count; i++)
		table_add(&crowd->table, "%s", rest[i]);
	for (size_t i = 0; i < crowd->consumer_count; i++) {
		if (!is_wanted(&crowd->consumers[i]))
			continue;
		consumer_row(crowd, &crowd->consumers[i]);
		crowd->shown++;
	}
	if (!crowd->shown) {
		table_free(&crowd->table);
		return;
	}
	printf("\n");
	table_print(&crowd->table, stdout, tool_color());
}

static void
say_how_many(const struct crowd *crowd)
{
	uint64_t all = 0, active = 0;
	for (size_t i = 0; i < crowd->loop_count; i++) {
		all += crowd->loops[i].consumers;
		active += crowd->loops[i].active;
	}
	tool_say("%s consumer%s on %s loop%s: %s active, %s idle", text_count(all).s,
		all == 1 ? "" : "s", text_count(crowd->loop_count).s,
		crowd->loop_count == 1 ? "" : "s", text_count(active).s,
		text_count(all - active).s);
}

/* ---- the verb ------------------------------------------------------------------------------- */

/* Asked for times, and there are none. */
static void
say_unmeasured(const struct crowd *crowd)
{
	for (size_t i = 0; i < crowd->consumer_count; i++) {
		if (crowd->consumers[i].measured)
			return;
	}
	tool_say("nobody has times taken: a program calls weir_measure(bus, 1) for that");
}

static int
run(int argc, char **argv)
{
	if (argc > 1)
		return tool_usage("consumer ls takes one bus, got '%s' too", argv[1]);
	struct crowd crowd = {0};
	int rc = consumers_take(&crowd, argc ? argv[0] : tool_bus());
	if (!rc) {
		size_t unseen = consumers_unseen(&crowd);
		if (tool.out != TOOL_TABLE) {
			list_json(&crowd);
		} else {
			loops_table(&crowd);
			consumers_table(&crowd);
			say_how_many(&crowd);
			if (latency)
				say_unmeasured(&crowd);
		}
		rc = unseen ? TOOL_NOBODY : TOOL_YES;
	}
	look_close(&crowd.look);
	return rc;
}

static const struct tool_opt opts[] = {
	{0, "state", OPT_WORD, &which, "only those that are so", "WORD", 0,
		"all|active|idle"},
	{0, "latency", OPT_SET, &latency, "their times, where a program measures them",
		0, 1, 0},
	{0, 0, OPT_SET, 0, 0, 0, 0, 0},
};

const struct tool_verb verb_consumer_ls = {"consumer ls", "[BUS]",
	"who is on the loop of each process, and how each is doing", opts,
	"  ACTIVE ones have something to do. WAITING messages are there for a subscription; UP\n"
	"  and DOWN are how often it came to a higher tier and back, CHANGED the last reason.\n"
	"  BUSY is measured of suspects only. Looking slows nobody, and a stopped process is\n"
	"  seen too. Exit 4 if a loop could not be looked at.\n",
	run, 0, 0};
