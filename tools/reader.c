/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tools/reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/tool.h"

enum {
	SILENT_MS = 1000 /* how long those that do not answer are waited for */
};

static const char *const policies[] = {"drop-oldest", "latest", "disconnect", "block"};

void
reader_who(const weir_look_reader *reader, char *to, size_t size)
{
	snprintf(to, size, "%s[%" PRIu32 "]", reader->name, reader->pid);
}

static const char *
policy_of(const weir_look_reader *reader)
{
	size_t known = sizeof(policies) / sizeof(policies[0]);
	return reader->policy < known ? policies[reader->policy] : "?";
}

struct text
reader_policy(const weir_look_reader *reader)
{
	struct text text;
	snprintf(text.s, sizeof(text.s), "%s", policy_of(reader));
	return text;
}

static const char *
code_name(const weir_look_reader *reader)
{
	const char *name = reader->code ? weir_err_name(reader->code) : NULL;
	return name ? name : "?";
}

const char *
reader_state(const weir_look_reader *reader)
{
	if (reader->gates)
		return "waited for";
	if (reader->code)
		return code_name(reader);
	if (reader->over)
		return "put off";
	if (reader->policy == WEIR_LATEST)
		return "never waited for";
	return "catching up";
}

struct text
reader_budget(const weir_look_reader *reader)
{
	struct text text = {"as long as it takes"};
	if (reader->stall_ns == 0)
		snprintf(text.s, sizeof(text.s), "nothing");
	else if (reader->stall_ns != UINT64_MAX)
		snprintf(text.s, sizeof(text.s), "%.16s of any 100 ms",
			text_ns((double)reader->stall_ns).s);
	return text;
}

uint64_t
reader_lost(const weir_look_reader *reader)
{
	return reader->lost_behind + reader->lost_conflated + reader->lost_expired +
		reader->lost_gone;
}

uint64_t
reader_sum(const weir_look_reader *reader)
{
	return reader->from + reader->delivered + reader->held + reader_lost(reader) +
		reader->aborted + reader->waiting + reader->aborted_ahead +
		reader->gone_ahead;
}

void
reader_terms_json(struct json *j, const weir_look_reader *reader)
{
	char who[WEIR_NAME_MAX + 32];
	reader_who(reader, who, sizeof(who));
	json_str(j, "who", who);
	json_u64(j, "pid", reader->pid);
	json_u64(j, "subscription", reader->subscription);
	json_str(j, "policy", policy_of(reader));
	json_bool(j, "gating", reader->gates != 0);
	json_str(j, "why_not", reader->gates ? NULL : reader_state(reader));
	json_u64(j, "detached", reader->detached);
	json_u64(j, "quota_bytes", reader->quota_bytes);
	if (reader->stall_ns == UINT64_MAX)
		json_null(j, "stall_ns");
	else
		json_u64(j, "stall_ns", reader->stall_ns);
	json_u64(j, "stalled_ns", reader->stalled_ns);
}

/* A count that nobody has counted is null. */
static void
count_json(struct json *j, const char *key, const weir_look_reader *reader, uint64_t value)
{
	if (reader->counted)
		json_u64(j, key, value);
	else
		json_null(j, key);
}

void
reader_lag_json(struct json *j, const weir_look_reader *reader)
{
	count_json(j, "waiting", reader, reader->waiting);
	count_json(j, "waiting_bytes", reader, reader->waiting_bytes);
	count_json(j, "gone_ahead", reader, reader->gone_ahead);
	count_json(j, "segments", reader, reader->segments);
}

void
reader_books_json(struct json *j, const weir_look_reader *reader)
{
	count_json(j, "from", reader, reader->from);
	count_json(j, "delivered", reader, reader->delivered);
	count_json(j, "held", reader, reader->held);
	count_json(j, "lost_behind", reader, reader->lost_behind);
	count_json(j, "lost_conflated", reader, reader->lost_conflated);
	count_json(j, "lost_expired", reader, reader->lost_expired);
	count_json(j, "lost_gone", reader, reader->lost_gone);
	count_json(j, "aborted", reader, reader->aborted);
	count_json(j, "waiting", reader, reader->waiting);
	count_json(j, "aborted_ahead", reader, reader->aborted_ahead);
	count_json(j, "gone_ahead", reader, reader->gone_ahead);
	count_json(j, "sum", reader, reader_sum(reader));
	count_json(j, "published_first", reader, reader->visible_first);
	count_json(j, "published_last", reader, reader->visible_last);
	if (reader->counted) {
		json_bool(j, "balanced", reader->off == 0);
		json_i64(j, "off", reader->off);
	} else {
		json_null(j, "balanced");
		json_null(j, "off");
	}
}

int
reader_ask(struct look *look, const char *asked)
{
	size_t found = 0;
	for (size_t i = 0; i < look->stream_count; i++)
		found += text_topic_matches(asked, look->streams[i].topic) != 0;
	if (!found) {
		tool_complain("nobody publishes '%s' on bus '%s'; weir ls shows what is "
			      "there",
			asked, look->bus);
		return look_not_found(look);
	}
	return reader_ask_any(look, asked);
}

int
reader_ask_any(struct look *look, const char *asked)
{
	int rc = weir_look_account(look->handle, asked, tool_timeout(SILENT_MS));
	if (rc < 0)
		return tool_fail_code(rc, asked);
	look->readers = weir_look_readers(look->handle, &look->reader_count);
	return 0;
}

void
reader_each(const struct look *look, const char *asked, reader_fn fn, void *ctx)
{
	size_t index = 0;
	for (size_t i = 0; i < look->stream_count; i++) {
		const weir_look_stream *stream = &look->streams[i];
		size_t told = 0;
		if (!text_topic_matches(asked, stream->topic))
			continue;
		for (size_t k = 0; k < look->reader_count; k++) {
			if (look->readers[k].publisher != stream->publisher)
				continue;
			fn(ctx, stream, index, &look->readers[k]);
			told++;
		}
		if (!told)
			fn(ctx, stream, index, NULL);
		index++;
	}
}
