/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* topic account: the books of every reader, and whether they balance. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/reader.h"
#include "tools/tool.h"

struct job {
	struct look look;
	struct json j;
	struct table table;
	uint64_t open; /* the stream whose object has been begun */
	size_t readers, wrong, unknown;
};

/* ---- JSON ---------------------------------------------------------------------------- */

static void
end_stream(struct job *job)
{
	if (!job->open)
		return;
	json_end_array(&job->j);
	json_end_object(&job->j);
	job->open = 0;
}

static void
begin_stream(struct job *job, const weir_look_stream *stream)
{
	char who[WEIR_NAME_MAX + 32];
	if (job->open == stream->publisher)
		return;
	end_stream(job);
	job->open = stream->publisher;
	look_who(&job->look, stream->node, stream->pid, who, sizeof(who));
	json_object(&job->j, NULL);
	json_str(&job->j, "topic", stream->topic);
	json_id(&job->j, "publisher", stream->publisher);
	json_str(&job->j, "who", who);
	json_u64(&job->j, "pid", stream->pid);
	json_array(&job->j, "readers");
}

static void
each_json(void *ctx, const weir_look_stream *stream, size_t index,
	const weir_look_reader *reader)
{
	struct job *job = ctx;
	(void)index;
	begin_stream(job, stream);
	if (!reader)
		return;
	json_object(&job->j, NULL);
	reader_terms_json(&job->j, reader);
	reader_books_json(&job->j, reader);
	json_end_object(&job->j);
}

static void
print_json(struct job *job, const char *asked)
{
	json_init(&job->j, stdout);
	json_object(&job->j, NULL);
	json_str(&job->j, "bus", job->look.bus);
	json_str(&job->j, "asked", asked);
	json_array(&job->j, "streams");
	reader_each(&job->look, asked, each_json, job);
	end_stream(job);
	json_end_array(&job->j);
	json_u64(&job->j, "readers", job->readers);
	json_u64(&job->j, "unbalanced", job->wrong);
	json_u64(&job->j, "unknown", job->unknown);
	json_end_object(&job->j);
}

/* ---- the table ------------------------------------------------------------------------- */

static void
count_cell(struct job *job, const weir_look_reader *reader, uint64_t value)
{
	table_add(&job->table, "%s", reader->counted ? text_count(value).s : "?");
}

static void
published_cell(struct job *job, const weir_look_reader *reader)
{
	uint64_t first = reader->visible_first, last = reader->visible_last;
	if (!reader->counted)
		table_add(&job->table, "?");
	else if (first == last)
		table_add(&job->table, "%s", text_count(last).s);
	else
		table_add(&job->table, "%s..%s", text_count(first).s, text_count(last).s);
}

static void
each_row(void *ctx, const weir_look_stream *stream, size_t index,
	const weir_look_reader *reader)
{
	struct job *job = ctx;
	char who[WEIR_NAME_MAX + 32];
	(void)index;
	if (!reader)
		return;
	reader_who(reader, who, sizeof(who));
	table_add(&job->table, "%s", stream->topic);
	table_add(&job->table, "%s", who);
	count_cell(job, reader, reader->from);
	count_cell(job, reader, reader->delivered);
	count_cell(job, reader, reader->held);
	count_cell(job, reader, reader->lost_behind);
	count_cell(job, reader, reader->lost_conflated);
	count_cell(job, reader, reader->lost_expired);
	count_cell(job, reader, reader->lost_gone);
	count_cell(job, reader, reader->aborted + reader->aborted_ahead);
	count_cell(job, reader, reader->waiting);
	count_cell(job, reader, reader->gone_ahead);
	count_cell(job, reader, reader_sum(reader));
	published_cell(job, reader);
	if (!reader->counted)
		table_add(&job->table, "unknown");
	else if (reader->off == 0)
		table_add(&job->table, "yes");
	else
		table_add(&job->table, "off by %" PRId64, reader->off);
}

static void
print_table(struct job *job, const char *asked)
{
	static const char *const heads[] = {"TOPIC", "READER", "FROM", "DELIVERED",
		"HELD", "BEHIND", "CONFLATED", "EXPIRED", "GONE", "ABORTED", "WAITING",
		"OVERRUN", "SUM", "PUBLISHED", "BALANCES"};
	table_init(&job->table, "llrrrrrrrrrrrrl");
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		table_add(&job->table, "%s", heads[i]);
	reader_each(&job->look, asked, each_row, job);
	if (job->readers)
		table_print(&job->table, stdout, tool_color());
	else
		table_free(&job->table);
}

/* ---- the verb -------------------------------------------------------------------------- */

static void
judge(struct job *job)
{
	for (size_t i = 0; i < job->look.reader_count; i++) {
		const weir_look_reader *reader = &job->look.readers[i];
		char who[WEIR_NAME_MAX + 32];
		reader_who(reader, who, sizeof(who));
		job->readers++;
		if (!reader->counted) {
			job->unknown++;
			tool_complain("the books of %s could not be read in time", who);
		} else if (reader->off) {
			job->wrong++;
			tool_complain("! the books of %s do not balance: they say %" PRIu64
				      " claims too %s",
				who,
				reader->off < 0 ? 0 - (uint64_t)reader->off
						: (uint64_t)reader->off,
				reader->off < 0 ? "few" : "many");
		}
	}
	if (!job->readers)
		tool_say("nobody reads there");
	else if (!job->wrong && !job->unknown)
		tool_say("the books of %s reader%s balance", text_count(job->readers).s,
			job->readers == 1 ? "" : "s");
}

static int
run(int argc, char **argv)
{
	if (argc != 1)
		return tool_usage("topic account takes one topic or pattern; quote it");
	struct job job = {0};
	int rc = look_open(&job.look, tool_bus(), 0);
	if (!rc)
		rc = reader_ask(&job.look, argv[0]);
	if (!rc) {
		judge(&job);
		if (tool.out == TOOL_TABLE)
			print_table(&job, argv[0]);
		else
			print_json(&job, argv[0]);
		rc = job.wrong ? TOOL_NO : job.unknown ? TOOL_NOBODY : TOOL_YES;
	}
	look_close(&job.look);
	return rc;
}

const struct tool_verb verb_topic_account = {"topic account", "PATTERN",
	"the books of each reader, and whether they balance", NULL,
	"  Of all claims since a reader began (FROM): delivered, held, lost (left BEHIND,\n"
	"  CONFLATED, EXPIRED, GONE before it came), given back (ABORTED), WAITING, and\n"
	"  written over before it comes to them (OVERRUN). Each is counted on its own;\n"
	"  WAITING and OVERRUN by walking over the stream. The SUM must be a number of\n"
	"  claims that was published while this was counted.\n"
	"  Exit 1 if somebody's books do not balance, 4 if they could not be read.\n",
	run, 0, 0};
