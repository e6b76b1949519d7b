/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* topic lag: how far each reader is behind, and whether it is waited for. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/reader.h"
#include "tools/tool.h"

static int every_ms;
static uint64_t reports_max;

struct job {
	struct look look;
	const char *asked;
	struct json j;
	struct table table;
	size_t readers;
};

static void
each_json(void *ctx, const weir_look_stream *stream, size_t index,
	const weir_look_reader *reader)
{
	struct job *job = ctx;
	(void)index;
	if (!reader)
		return;
	json_object(&job->j, NULL);
	json_str(&job->j, "topic", stream->topic);
	json_id(&job->j, "publisher", stream->publisher);
	reader_terms_json(&job->j, reader);
	reader_lag_json(&job->j, reader);
	json_end_object(&job->j);
}

static void
print_json(struct job *job)
{
	json_init(&job->j, stdout);
	json_object(&job->j, NULL);
	json_str(&job->j, "bus", job->look.bus);
	json_str(&job->j, "asked", job->asked);
	json_array(&job->j, "readers");
	reader_each(&job->look, job->asked, each_json, job);
	json_end_array(&job->j);
	json_end_object(&job->j);
}

static void
each_row(void *ctx, const weir_look_stream *stream, size_t index,
	const weir_look_reader *reader)
{
	struct job *job = ctx;
	struct table *t = &job->table;
	char who[WEIR_NAME_MAX + 32];
	(void)index;
	if (!reader)
		return;
	job->readers++;
	reader_who(reader, who, sizeof(who));
	table_add(t, "%s", stream->topic);
	table_add(t, "%s", who);
	if (reader->counted) {
		table_add(t, "%s", text_count(reader->waiting).s);
		table_add(t, "%s", text_count(reader->gone_ahead).s);
		table_add(t, "%s", text_bytes((double)reader->waiting_bytes).s);
		table_add(t, "%s", text_count(reader->segments).s);
	} else {
		for (int i = 0; i < 4; i++)
			table_add(t, "?");
	}
	table_add(t, "%s", text_bytes((double)reader->quota_bytes).s);
	table_add(t, "%s", text_ns((double)reader->stalled_ns).s);
	table_add(t, "%" PRIu32, reader->detached);
	table_add(t, "%s", reader_state(reader));
}

static void
print_table(struct job *job)
{
	static const char *const heads[] = {"TOPIC", "READER", "WAITING", "OVERRUN",
		"BYTES", "SEGMENTS", "QUOTA", "STALLED", "DETACHED", "STATE"};
	table_init(&job->table, "llrrrrrrrl");
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		table_add(&job->table, "%s", heads[i]);
	job->readers = 0;
	reader_each(&job->look, job->asked, each_row, job);
	if (job->readers)
		table_print(&job->table, stdout, tool_color());
	else
		table_free(&job->table);
	if (!job->readers)
		tool_say("nobody reads there");
}

static int
report(struct job *job)
{
	int rc = reader_ask(&job->look, job->asked);
	if (rc)
		return rc;
	if (tool.out == TOOL_TABLE)
		print_table(job);
	else
		print_json(job);
	return 0;
}

/* Again and again, until there is nobody left to ask. */
static int
loop(struct job *job)
{
	uint64_t next = weir_now_ns();
	uint64_t deadline = UINT64_MAX;
	if (tool.timeout_ms >= 0)
		deadline = next + (uint64_t)tool.timeout_ms * 1000000;
	for (uint64_t reports = 0;;) {
		int rc = report(job);
		if (rc)
			return rc;
		if (!every_ms || ++reports == reports_max)
			return TOOL_YES;
		if (!tool_flush() || tool_unread())
			return TOOL_YES;
		next += (uint64_t)every_ms * 1000000;
		if (tool_wait(-1, next < deadline ? next : deadline) < 0)
			return TOOL_INTERRUPTED;
		if (weir_now_ns() >= deadline)
			return TOOL_YES;
		rc = look_again(&job->look);
		if (rc)
			return rc;
	}
}

static int
run(int argc, char **argv)
{
	if (argc != 1)
		return tool_usage("topic lag takes one topic or pattern; quote it");
	if (reports_max && !every_ms)
		return tool_usage("-n counts what --every repeats");
	struct job job = {.asked = argv[0]};
	int rc = look_open(&job.look, tool_bus(), 0);
	if (!rc)
		rc = loop(&job);
	look_close(&job.look);
	return rc;
}

static const struct tool_opt opts[] = {
	{0, "every", OPT_MS, &every_ms, "again and again, after this time", "T", 0, 0},
	{'n', "count", OPT_U64, &reports_max, "end after N reports", "N", 0, 0},
	{0, 0, OPT_SET, 0, 0, 0, 0, 0},
};

const struct tool_verb verb_topic_lag = {"topic lag", "PATTERN",
	"how far each reader is behind, and whether it is waited for", opts,
	"  WAITING messages are there for it; OVERRUN ones were written over before it came\n"
	"  to them. STALLED is how long it has held others up, in all, and STATE whether it\n"
	"  is waited for, or why not.\n",
	run, 0, 0};
