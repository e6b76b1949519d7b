/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* topic info: who publishes, who subscribes, and on what terms. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/reader.h"
#include "tools/tool.h"

static void
stream_json(struct json *j, const struct look *look, const weir_look_stream *stream)
{
	char who[WEIR_NAME_MAX + 32];
	look_who(look, stream->node, stream->pid, who, sizeof(who));
	json_object(j, NULL);
	json_str(j, "topic", stream->topic);
	json_id(j, "publisher", stream->publisher);
	json_str(j, "who", who);
	json_u64(j, "pid", stream->pid);
	json_str(j, "type", stream->type[0] ? stream->type : NULL);
	json_id(j, "type_hash", stream->type_hash);
	json_u64(j, "subscribers", stream->subscribers);
	json_u64(j, "messages", stream->claimed);
	json_real(j, "rate", look_rate(look, stream));
	if (stream->last_ns)
		json_i64(j, "age_ns", (int64_t)(look->looked_ns - stream->last_ns));
	else
		json_null(j, "age_ns");
	json_u64(j, "max_message", stream->max_message);
	json_u64(j, "segment_bytes", stream->segment_bytes);
	json_u64(j, "window_bytes", stream->window_bytes);
	json_u64(j, "region_bytes", stream->region_bytes);
	json_u64(j, "keep_messages", stream->keep_messages);
	json_u64(j, "keep_bytes", stream->keep_bytes);
	if (stream->ttl_ns)
		json_u64(j, "ttl_ns", stream->ttl_ns);
	else
		json_null(j, "ttl_ns");
	json_u64(j, "stall_cap_ns", stream->stall_cap_ns);
	json_str(j, "allowed", stream->restricted ? stream->readers : NULL);
	json_null(j, "priority");
	json_array(j, "readers");
	for (size_t i = 0; i < look->reader_count; i++) {
		if (look->readers[i].publisher != stream->publisher)
			continue;
		json_object(j, NULL);
		reader_terms_json(j, &look->readers[i]);
		json_end_object(j);
	}
	json_end_array(j);
	json_end_object(j);
}

static void
sub_json(struct json *j, const struct look *look, const weir_look_sub *sub)
{
	char who[WEIR_NAME_MAX + 32];
	look_who(look, sub->node, sub->pid, who, sizeof(who));
	json_object(j, NULL);
	json_str(j, "pattern", sub->pattern);
	json_str(j, "who", who);
	json_u64(j, "pid", sub->pid);
	json_u64(j, "streams", sub->streams);
	json_u64(j, "delivered", sub->delivered);
	json_u64(j, "lost", sub->lost);
	json_end_object(j);
}

static void
print_terms(const weir_look_stream *stream)
{
	if (stream->keep_messages || stream->keep_bytes)
		printf("  keeps     %s messages, %s B of log, at least\n",
			text_count(stream->keep_messages).s,
			text_count(stream->keep_bytes).s);
	else
		printf("  keeps     the last message\n");
	if (stream->ttl_ns)
		printf("  ttl       %s\n", text_ns((double)stream->ttl_ns).s);
	else
		printf("  ttl       none\n");
	printf("  stalls    %s of any 100 ms at most, by all readers together\n",
		text_ns((double)stream->stall_cap_ns).s);
	if (stream->restricted)
		printf("  rights    read by %s, write by its publisher\n",
			stream->readers[0] ? stream->readers : "nobody else");
	else
		printf("  rights    read by whoever may attach, write by its publisher\n");
	printf("  priority  none, all streams are equal\n");
}

static void
print_reader(const weir_look_reader *reader)
{
	char who[WEIR_NAME_MAX + 32];
	reader_who(reader, who, sizeof(who));
	printf("  reader    %s: %s, quota %s B, may cost %s; %s\n", who,
		reader_policy(reader).s, text_count(reader->quota_bytes).s,
		reader_budget(reader).s, reader_state(reader));
}

static void
print_stream(const struct look *look, const weir_look_stream *stream)
{
	char who[WEIR_NAME_MAX + 32];
	look_who(look, stream->node, stream->pid, who, sizeof(who));
	printf("publisher   %s, stream 0x%" PRIx64 "\n", who, stream->publisher);
	printf("  type      %s", stream->type[0] ? stream->type : "opaque bytes");
	if (stream->type_hash)
		printf(" (0x%016" PRIx64 ")", stream->type_hash);
	printf("\n  messages  %s, %s now", text_count(stream->claimed).s,
		text_rate(look_rate(look, stream)).s);
	if (stream->last_ns && look->looked_ns >= stream->last_ns)
		printf(", the last %s ago",
			text_ns((double)(look->looked_ns - stream->last_ns)).s);
	printf("\n  readers   %" PRIu32 "\n", stream->subscribers);
	printf("  memory    messages to %s B, window %s B, segments of %s B, region %s B\n",
		text_count(stream->max_message).s, text_count(stream->window_bytes).s,
		text_count(stream->segment_bytes).s, text_count(stream->region_bytes).s);
	print_terms(stream);
	for (size_t i = 0; i < look->reader_count; i++) {
		if (look->readers[i].publisher == stream->publisher)
			print_reader(&look->readers[i]);
	}
}

static void
print_sub(const struct look *look, const weir_look_sub *sub)
{
	char who[WEIR_NAME_MAX + 32];
	look_who(look, sub->node, sub->pid, who, sizeof(who));
	printf("subscriber  %s, to '%s'\n", who, sub->pattern);
	printf("  messages  %s delivered, %s lost, from %" PRIu32 " stream%s\n",
		text_count(sub->delivered).s, text_count(sub->lost).s, sub->streams,
		sub->streams == 1 ? "" : "s");
}

/* Does the subscription concern what was asked for, be that a topic or a pattern? */
static int
concerns(const weir_look_sub *sub, const char *asked)
{
	return text_topic_matches(sub->pattern, asked) ||
		text_topic_matches(asked, sub->pattern) || !strcmp(sub->pattern, asked);
}

static size_t
each_stream(const struct look *look, const char *asked, struct json *j)
{
	size_t found = 0;
	for (size_t i = 0; i < look->stream_count; i++) {
		const weir_look_stream *stream = &look->streams[i];
		if (!text_topic_matches(asked, stream->topic))
			continue;
		found++;
		if (j) {
			stream_json(j, look, stream);
			continue;
		}
		if (strcmp(asked, stream->topic))
			printf("topic       %s\n", stream->topic);
		print_stream(look, stream);
	}
	return found;
}

static size_t
each_sub(const struct look *look, const char *asked, struct json *j)
{
	size_t found = 0;
	for (size_t i = 0; i < look->sub_count; i++) {
		const weir_look_sub *sub = &look->subs[i];
		if (!concerns(sub, asked))
			continue;
		found++;
		if (j)
			sub_json(j, look, sub);
		else
			print_sub(look, sub);
	}
	return found;
}

static size_t
print(const struct look *look, const char *asked)
{
	struct json j;
	if (tool.out == TOOL_TABLE)
		return each_stream(look, asked, NULL) + each_sub(look, asked, NULL);
	json_init(&j, stdout);
	json_object(&j, NULL);
	json_str(&j, "bus", look->bus);
	json_str(&j, "asked", asked);
	json_array(&j, "publishers");
	size_t found = each_stream(look, asked, &j);
	json_end_array(&j);
	json_array(&j, "subscribers");
	found += each_sub(look, asked, &j);
	json_end_array(&j);
	json_end_object(&j);
	return found;
}

static int
run(int argc, char **argv)
{
	enum { SAMPLE_MS = 200 };
	if (argc != 1)
		return tool_usage("topic info takes one topic or pattern");
	struct look look;
	int rc = look_open(&look, tool_bus(), 0);
	if (!rc)
		rc = look_twice(&look, SAMPLE_MS);
	if (!rc && look.stream_count)
		rc = reader_ask_any(&look, argv[0]);
	if (!rc && !print(&look, argv[0])) {
		tool_complain(
			"there is no topic '%s' on bus '%s'; weir ls shows what is there",
			argv[0], look.bus);
		rc = look_not_found(&look);
	}
	look_close(&look);
	return rc;
}

const struct tool_verb verb_topic_info = {"topic info", "TOPIC",
	"who publishes, who subscribes, how much", NULL, NULL, run, 0, 0};
