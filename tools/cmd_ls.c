/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Lists buses, their topics and who is on them; looks, and attaches to nothing. */
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/look.h"
#include "tools/text.h"
#include "tools/tool.h"

static int sample_ms = 200;

struct job {
	const char *glob; /* NULL: all topics */
	struct json j;
	struct table topics;
	int many; /* more than one bus: the table names them */
	size_t found;
};

/* ---- one topic ---------------------------------------------------------------------- */

struct row {
	const char *topic; /* or the pattern of a subscription that follows nothing */
	uint64_t messages;
	uint64_t last_ns;
	double rate;
	size_t publishers;
	uint32_t subscribers;
	uint64_t lost;
	const weir_look_stream *first;
};

static struct row
row_of(const struct look *look, const char *topic)
{
	struct row row = {.topic = topic};
	for (size_t i = 0; i < look->stream_count; i++) {
		const weir_look_stream *stream = &look->streams[i];
		if (strcmp(stream->topic, topic))
			continue;
		if (!row.publishers++)
			row.first = stream;
		row.messages += stream->claimed;
		row.rate += look_rate(look, stream);
		if (stream->subscribers > row.subscribers)
			row.subscribers = stream->subscribers;
		if (stream->last_ns > row.last_ns)
			row.last_ns = stream->last_ns;
	}
	for (size_t i = 0; i < look->sub_count; i++) {
		const weir_look_sub *sub = &look->subs[i];
		if (!row.publishers && !strcmp(sub->pattern, topic))
			row.subscribers++;
		if (row.publishers && text_topic_matches(sub->pattern, topic))
			row.lost += sub->lost;
	}
	return row;
}

static void
row_json(struct job *job, const struct row *row)
{
	struct json *j = &job->j;
	json_object(j, NULL);
	json_str(j, "topic", row->topic);
	json_u64(j, "publishers", row->publishers);
	json_u64(j, "subscribers", row->subscribers);
	json_u64(j, "messages", row->messages);
	json_real(j, "rate", row->rate);
	json_u64(j, "lost", row->lost);
	if (row->last_ns)
		json_i64(j, "age_ns", (int64_t)(weir_now_ns() - row->last_ns));
	else
		json_null(j, "age_ns");
	json_str(j, "type", row->first && row->first->type[0] ? row->first->type : NULL);
	json_end_object(j);
}

static void
row_table(struct job *job, const struct look *look, const struct row *row)
{
	struct table *t = &job->topics;
	char who[WEIR_NAME_MAX + 32] = "nobody publishes";
	if (row->first)
		look_who(look, row->first->node, row->first->pid, who, sizeof(who));
	if (job->many)
		table_add(t, "%s", look->bus);
	table_add(t, "%s", row->topic);
	table_add(t, "%s", row->publishers ? text_count(row->messages).s : "-");
	table_add(t, "%s", row->publishers && sample_ms ? text_rate(row->rate).s : "-");
	table_add(t, "%zu", row->publishers);
	table_add(t, "%" PRIu32, row->subscribers);
	table_add(t, "%s", text_count(row->lost).s);
	table_add(t, "%s%s", who, row->publishers > 1 ? " ..." : "");
}

/* ---- one bus ------------------------------------------------------------------------ */

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names to list, sorted, each once: topics, and patterns that follow no stream. */
static size_t
names_of(const struct look *look, const char *glob, const char **names)
{
	size_t count = 0;
	for (size_t i = 0; i < look->stream_count; i++)
		names[count++] = look->streams[i].topic;
	for (size_t i = 0; i < look->sub_count; i++) {
		if (!look->subs[i].streams)
			names[count++] = look->subs[i].pattern;
	}
	if (count)
		qsort(names, count, sizeof(*names), by_name);
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		if (kept && !strcmp(names[kept - 1], names[i]))
			continue;
		if (!glob || !fnmatch(glob, names[i], 0))
			names[kept++] = names[i];
	}
	return kept;
}

static void
nodes_json(struct job *job, const struct look *look)
{
	struct json *j = &job->j;
	json_array(j, "nodes");
	for (size_t i = 0; i < look->node_count; i++) {
		const weir_look_node *node = &look->nodes[i];
		json_object(j, NULL);
		json_str(j, "name", node->name);
		json_u64(j, "pid", node->pid);
		json_u64(j, "uid", node->uid);
		json_bool(j, "silent", node->silent != 0);
		json_u64(j, "streams", node->streams);
		json_u64(j, "subscriptions", node->subscriptions);
		json_end_object(j);
	}
	json_end_array(j);
}

static void
list_bus_json(struct job *job, const struct look *look, const char **names, size_t count)
{
	struct json *j = &job->j;
	json_object(j, NULL);
	json_str(j, "bus", look->bus);
	nodes_json(job, look);
	json_array(j, "topics");
	for (size_t i = 0; i < count; i++) {
		struct row row = row_of(look, names[i]);
		row_json(job, &row);
	}
	json_end_array(j);
	json_end_object(j);
}

static void
say_nodes(const struct look *look)
{
	for (size_t i = 0; i < look->node_count; i++) {
		const weir_look_node *node = &look->nodes[i];
		char who[WEIR_NAME_MAX + 32] = "a process";
		if (node->pid)
			look_who(look, node->node, node->pid, who, sizeof(who));
		if (node->silent)
			tool_complain("bus %s: %s does not answer (stopped?), so what it has "
				      "is not listed",
				look->bus, who);
		else if (tool.verbose)
			tool_say("bus %s: %s has %" PRIu32 " streams, %" PRIu32
				 " subscriptions",
				look->bus, who, node->streams, node->subscriptions);
	}
}

static int
list_bus(struct job *job, const char *bus)
{
	struct look look;
	int rc = look_open(&look, bus, !tool.bus);
	if (rc < 0)
		return 0;
	if (!rc)
		rc = look_twice(&look, sample_ms);
	if (rc) {
		look_close(&look);
		return rc;
	}
	const char **names =
		calloc(look.stream_count + look.sub_count + 1, sizeof(*names));
	if (!names) {
		look_close(&look);
		return TOOL_MEMORY;
	}
	size_t count = names_of(&look, job->glob, names);
	say_nodes(&look);
	if (tool.out != TOOL_TABLE)
		list_bus_json(job, &look, names, count);
	for (size_t i = 0; i < count && tool.out == TOOL_TABLE; i++) {
		struct row row = row_of(&look, names[i]);
		row_table(job, &look, &row);
	}
	job->found += job->glob ? count : 1;
	free(names);
	look_close(&look);
	return 0;
}

/* ---- the verb ----------------------------------------------------------------------- */

static void
begin(struct job *job)
{
	static const char *const heads[] = {
		"TOPIC", "MESSAGES", "RATE", "PUBS", "SUBS", "LOST", "WHO"};
	json_init(&job->j, stdout);
	if (tool.out == TOOL_JSON) {
		json_object(&job->j, NULL);
		json_array(&job->j, "buses");
	}
	table_init(&job->topics, job->many ? "llrrrrrl" : "lrrrrrl");
	if (job->many)
		table_add(&job->topics, "BUS");
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		table_add(&job->topics, "%s", heads[i]);
}

static int
end(struct job *job, int rc)
{
	if (tool.out == TOOL_JSON) {
		json_end_array(&job->j);
		json_end_object(&job->j);
	}
	int rows = job->topics.count > job->topics.columns;
	if (tool.out == TOOL_TABLE && rows)
		table_print(&job->topics, stdout, tool_color());
	else
		table_free(&job->topics);
	if (rc)
		return rc;
	if (job->glob && !job->found) {
		tool_say("no topic matches '%s'", job->glob);
		return TOOL_NO;
	}
	if (tool.out != TOOL_TABLE)
		return TOOL_YES;
	if (!job->found)
		tool_say("no bus yet; weir pub and weir sub make one");
	else if (!rows)
		tool_say("no topics yet");
	return TOOL_YES;
}

static int
run(int argc, char **argv)
{
	if (argc > 1)
		return tool_usage("ls takes one pattern, got '%s' too; quote it", argv[1]);
	struct job job = {.glob = argc ? argv[0] : NULL};
	int one = tool.bus != NULL;
	look_name *buses = NULL;
	int count = one ? 1 : look_buses(&buses);
	if (count < 0)
		return tool_fail_code(count, "listing the buses");
	job.many = count > 1;
	begin(&job);
	int rc = 0;
	for (int i = 0; i < count; i++) {
		int failed = list_bus(&job, one ? tool_bus() : buses[i]);
		/* One bus of several that cannot be read does not hide the others. */
		rc = rc ? rc : failed;
	}
	free(buses);
	return end(&job, rc);
}

static const struct tool_opt opts[] = {
	{0, "sample", OPT_MS, &sample_ms,
		"time over which the rate is taken (200ms; 0 = none)", "T", 0, 0},
	{0, 0, OPT_SET, 0, 0, 0, 0, 0},
};

const struct tool_verb verb_ls = {"ls", "[GLOB]",
	"lists buses, topics, and who is there", opts,
	"  All buses of the runtime directory, or the one of -b. GLOB chooses topics: '*' and\n"
	"  '?' as in the shell. Looking attaches nothing and slows nobody.\n"
	"  Exit 1 if no topic matches GLOB.\n",
	run, 0, 0};
