/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tools/consumer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/tool.h"

enum { SILENT_MS = 300 /* how long those that do not answer are waited for */ };

static const char *const tiers[] = {"monitor", "warn", "yield", "isolate"};

const char *
consumer_tier(uint32_t tier)
{
	return tier < sizeof(tiers) / sizeof(tiers[0]) ? tiers[tier] : "?";
}

const char *
consumer_state(const weir_look_consumer *c)
{
	return c->active ? "active" : "idle";
}

const weir_look_loop *
consumer_loop(const struct crowd *crowd, const weir_look_consumer *c)
{
	for (size_t i = 0; i < crowd->loop_count; i++) {
		if (crowd->loops[i].node == c->node)
			return &crowd->loops[i];
	}
	return NULL;
}

void
consumer_who(const weir_look_loop *loop, char *to, size_t size)
{
	snprintf(to, size, "%s[%" PRIu32 "]", loop->name[0] ? loop->name : "?", loop->pid);
}

/* What it subscribes, or the number that its loop has given it. */
static int
is_called(const weir_look_consumer *c, const char *name)
{
	char number[24];
	snprintf(number, sizeof(number), "%" PRIu64, c->number);
	return (*name && !strcmp(name, c->name)) || !strcmp(name, number);
}

/* "camera", "4711" or "camera[4711]" before the slash. */
static int
is_at(const struct crowd *crowd, const weir_look_consumer *c, const char *where, size_t len)
{
	const weir_look_loop *loop = consumer_loop(crowd, c);
	char who[WEIR_NAME_MAX + 32], pid[24];
	consumer_who(loop, who, sizeof(who));
	snprintf(pid, sizeof(pid), "%" PRIu32, c->pid);
	return (strlen(loop->name) == len && !memcmp(loop->name, where, len)) ||
		(strlen(pid) == len && !memcmp(pid, where, len)) ||
		(strlen(who) == len && !memcmp(who, where, len));
}

int
consumer_is_meant(const struct crowd *crowd, const weir_look_consumer *c, const char *name)
{
	const char *slash = strchr(name, '/');
	if (is_called(c, name))
		return 1;
	return slash && is_at(crowd, c, name, (size_t)(slash - name)) &&
		is_called(c, slash + 1);
}

int
consumer_reads(const weir_look_consumer *c, const weir_look_reader *reader)
{
	return c->subscription && reader->node == c->node &&
		reader->subscription == c->subscription;
}

struct behind
consumer_behind(const struct crowd *crowd, const weir_look_consumer *c)
{
	struct behind b = {0, 0};
	if (!c->subscription)
		return b;
	b.known = 1;
	for (size_t i = 0; i < crowd->look.reader_count; i++) {
		const weir_look_reader *reader = &crowd->look.readers[i];
		if (!consumer_reads(c, reader))
			continue;
		b.known &= reader->counted != 0;
		b.waiting += reader->waiting;
	}
	return b;
}

int
consumers_look(struct crowd *crowd, int silent_ms)
{
	int rc = weir_look_roster(crowd->look.handle, silent_ms);
	if (rc < 0)
		return rc;
	crowd->loops = weir_look_loops(crowd->look.handle, &crowd->loop_count);
	crowd->consumers =
		weir_look_consumers(crowd->look.handle, &crowd->consumer_count);
	rc = weir_look_account(crowd->look.handle, ">", silent_ms);
	if (rc < 0)
		return rc;
	crowd->look.readers =
		weir_look_readers(crowd->look.handle, &crowd->look.reader_count);
	return 0;
}

int
consumers_take(struct crowd *crowd, const char *bus)
{
	int rc = look_open(&crowd->look, bus, 0);
	if (rc)
		return rc;
	rc = consumers_look(crowd, tool_timeout(SILENT_MS));
	return rc < 0 ? tool_fail_code(rc, "looking at the loops") : 0;
}

size_t
consumers_unseen(const struct crowd *crowd)
{
	size_t unseen = 0;
	for (size_t i = 0; i < crowd->loop_count; i++) {
		const weir_look_loop *loop = &crowd->loops[i];
		char who[WEIR_NAME_MAX + 32];
		consumer_who(loop, who, sizeof(who));
		if (!loop->seen && loop->silent)
			tool_complain("%s does not answer (stopped?), and may not be "
				      "looked at without that",
				who);
		else if (!loop->seen)
			tool_complain("%s does not show who is on its loop", who);
		else if (loop->silent)
			tool_say("%s does not answer (stopped?); this is what its memory "
				 "says",
				who);
		if (loop->unseen)
			tool_say("%s has %s more consumers, which are not shown", who,
				text_count(loop->unseen).s);
		unseen += !loop->seen;
	}
	return unseen;
}

int
consumer_changed(
	const struct crowd *crowd, const weir_look_consumer *c, weir_look_change *last)
{
	return weir_look_changes(crowd->look.handle, c, last, 1) > 0;
}

/* ---- one consumer as JSON --------------------------------------------------------------- */

void
consumer_times_json(struct json *j, const char *key, const weir_look_times *times)
{
	json_object(j, key);
	json_u64(j, "count", times->count);
	json_u64(j, "p50_ns", times->p50_ns);
	json_u64(j, "p99_ns", times->p99_ns);
	json_u64(j, "p999_ns", times->p999_ns);
	json_u64(j, "max_ns", times->max_ns);
	json_end_object(j);
}

static void
latency_json(struct crowd *crowd, const weir_look_consumer *c)
{
	weir_look_latencies l;
	if (weir_look_latency(crowd->look.handle, c, &l) < 0) {
		json_null(&crowd->j, "latency");
		return;
	}
	json_object(&crowd->j, "latency");
	consumer_times_json(&crowd->j, "delivery", &l.delivery);
	consumer_times_json(&crowd->j, "wait", &l.wait);
	consumer_times_json(&crowd->j, "handler", &l.handler);
	json_end_object(&crowd->j);
}

void
consumer_change_json(struct json *j, const weir_look_change *change)
{
	json_str(j, "from", consumer_tier(change->from));
	json_str(j, "to", consumer_tier(change->to));
	json_str(j, "reason", change->reason);
	json_str(j, "text", change->text);
	json_u64(j, "when_ns", change->when_ns);
	json_i64(j, "ago_ns", (int64_t)(weir_now_ns() - change->when_ns));
	json_u64(j, "stayed_ns", change->stayed_ns);
}

void
consumer_json(
	struct crowd *crowd, const weir_look_consumer *c, const weir_look_change *last)
{
	const weir_look_loop *loop = consumer_loop(crowd, c);
	struct behind b = consumer_behind(crowd, c);
	struct json *j = &crowd->j;
	char who[WEIR_NAME_MAX + 32];
	consumer_who(loop, who, sizeof(who));
	json_str(j, "who", who);
	json_u64(j, "pid", c->pid);
	json_u64(j, "number", c->number);
	json_str(j, "kind", weir_look_kind_name(c->kind));
	json_str(j, "name", c->name[0] ? c->name : NULL);
	json_u64(j, "weight", c->weight);
	json_u64(j, "percent", c->percent);
	json_str(j, "tier", consumer_tier(c->tier));
	json_u64(j, "tier_since_ns", c->since_ns);
	json_str(j, "state", consumer_state(c));
	json_u64(j, "polls", c->polls);
	json_u64(j, "messages", c->messages);
	json_u64(j, "busy_ns", c->busy_ns);
	json_u64(j, "violations", c->violations);
	json_u64(j, "yields", c->yields);
	json_u64(j, "promotions", c->promotions);
	json_u64(j, "demotions", c->demotions);
	if (b.known)
		json_u64(j, "waiting", b.waiting);
	else
		json_null(j, "waiting");
	if (last) {
		json_object(j, "changed");
		consumer_change_json(j, last);
		json_end_object(j);
	} else {
		json_null(j, "changed");
	}
	latency_json(crowd, c);
}

/* ---- those that are meant ------------------------------------------------------------------ */

static void
show_one(struct crowd *crowd, const weir_look_consumer *c, consumer_text_fn text,
	consumer_json_fn fields)
{
	crowd->shown++;
	if (tool.out == TOOL_TABLE) {
		text(stdout, crowd, c);
		return;
	}
	json_object(&crowd->j, NULL);
	fields(crowd, c);
	json_end_object(&crowd->j);
}

static void
show_meant(struct crowd *crowd, const char *asked, consumer_text_fn text,
	consumer_json_fn fields)
{
	json_init(&crowd->j, stdout);
	if (tool.out == TOOL_JSON) {
		json_object(&crowd->j, NULL);
		json_str(&crowd->j, "bus", crowd->look.bus);
		json_str(&crowd->j, "asked", asked);
		json_array(&crowd->j, "consumers");
	}
	for (size_t i = 0; i < crowd->consumer_count; i++) {
		if (consumer_is_meant(crowd, &crowd->consumers[i], asked))
			show_one(crowd, &crowd->consumers[i], text, fields);
	}
	if (tool.out == TOOL_JSON) {
		json_end_array(&crowd->j);
		json_end_object(&crowd->j);
	}
}

int
consumers_show(int argc, char **argv, const char *verb, consumer_text_fn text,
	consumer_json_fn fields)
{
	if (argc < 1 || argc > 2)
		return tool_usage("consumer %s takes a bus, if it is not that of -b, and "
				  "the name or number of a consumer; quote it",
			verb);
	const char *asked = argv[argc - 1];
	struct crowd crowd = {0};
	int rc = consumers_take(&crowd, argc == 2 ? argv[0] : tool_bus());
	if (!rc) {
		size_t unseen = consumers_unseen(&crowd);
		show_meant(&crowd, asked, text, fields);
		if (!crowd.shown) {
			tool_complain("there is no consumer '%s' on bus '%s'; weir "
				      "consumer ls shows who is there",
				asked, crowd.look.bus);
			rc = unseen ? TOOL_NOBODY : TOOL_NOTFOUND;
		}
	}
	look_close(&crowd.look);
	return rc;
}
