/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tools/info.h"

#include <inttypes.h>
#include <string.h>
#include <weir/loop.h>

#include "tools/reader.h"
#include "tools/show.h"
#include "tools/tool.h"
#include "tools/why.h"

/* What a subscription has lost and what lies ahead of it, in all its streams together. */
struct sum {
	struct show_losses lost;
	uint64_t waiting_bytes;
	int known; /* all of them could be counted */
	size_t streams;
};

static struct sum
sum_of(const struct crowd *crowd, const weir_look_consumer *c)
{
	struct sum sum = {.known = c->subscription != 0};
	for (size_t i = 0; i < crowd->look.reader_count; i++) {
		const weir_look_reader *reader = &crowd->look.readers[i];
		if (!consumer_reads(c, reader))
			continue;
		sum.streams++;
		sum.known &= reader->counted != 0;
		sum.lost.behind += reader->lost_behind;
		sum.lost.conflated += reader->lost_conflated;
		sum.lost.expired += reader->lost_expired;
		sum.lost.gone += reader->lost_gone;
		sum.waiting_bytes += reader->waiting_bytes;
	}
	return sum;
}

static uint64_t
all_lost(const struct sum *sum)
{
	return sum->lost.behind + sum->lost.conflated + sum->lost.expired + sum->lost.gone;
}

static const weir_look_stream *
stream_of(const struct crowd *crowd, const weir_look_reader *reader)
{
	for (size_t i = 0; i < crowd->look.stream_count; i++) {
		if (crowd->look.streams[i].publisher == reader->publisher)
			return &crowd->look.streams[i];
	}
	return NULL;
}

/* "loop", "further loop", "lane", or "owner": read by the program, when it wants. */
static const char *
place_of(const weir_look_consumer *c)
{
	if (c->kind == WEIR_KIND_PULLED)
		return "owner";
	if (!c->loop)
		return "loop";
	return c->loop == WEIR_LOOP_LANE ? "lane" : "further loop";
}

/* ---- text ----------------------------------------------------------------------------------- */

static void
budget_text(FILE *out, const struct crowd *crowd, const weir_look_consumer *c)
{
	const weir_look_loop *loop = consumer_loop(crowd, c);
	fprintf(out, "  budget  a poll may take %s",
		text_ns((double)loop->threshold_ns).s);
	if (c->busy_ns)
		fprintf(out, "; its handler had %s in all, as far as that was measured",
			text_ns((double)c->busy_ns).s);
	fputc('\n', out);
}

static void
lost_text(FILE *out, const struct sum *sum)
{
	char why[160];
	if (!sum->known) {
		fprintf(out, "  lost    not known\n");
		return;
	}
	show_reasons(&sum->lost, why, sizeof(why));
	fprintf(out, "  lost    %s%s\n", text_count(all_lost(sum)).s, why);
}

static void
times_text(FILE *out, const char *what, const weir_look_times *times)
{
	if (!times->count)
		return;
	fprintf(out, "  %s %s, 99 of 100 within %s, 99.9 within %s, longest %s\n", what,
		text_ns((double)times->p50_ns).s, text_ns((double)times->p99_ns).s,
		text_ns((double)times->p999_ns).s, text_ns((double)times->max_ns).s);
}

static void
latency_text(FILE *out, const struct crowd *crowd, const weir_look_consumer *c)
{
	weir_look_latencies l;
	if (weir_look_latency(crowd->look.handle, c, &l) < 0) {
		fprintf(out,
			"  times   not taken: a program calls weir_measure(bus, 1) for that\n");
		return;
	}
	times_text(out, "times   of a message to its handler", &l.delivery);
	times_text(out, "        of waiting for its poll", &l.wait);
	times_text(out, "        of a call of its handler", &l.handler);
}

static void
stream_text(FILE *out, const struct crowd *crowd, const weir_look_reader *reader)
{
	const weir_look_stream *stream = stream_of(crowd, reader);
	char who[WEIR_NAME_MAX + 32] = "?";
	if (stream)
		look_who(&crowd->look, stream->node, stream->pid, who, sizeof(who));
	fprintf(out, "  reads   %s of %s: %s, %s, quota %s, may hold others up %s",
		stream ? stream->topic : "?", who, reader_policy(reader).s,
		reader_state(reader), text_bytes((double)reader->quota_bytes).s,
		reader_budget(reader).s);
	if (reader->stalled_ns)
		fprintf(out, ", has cost %s", text_ns((double)reader->stalled_ns).s);
	if (reader->detached)
		fprintf(out, ", left behind %" PRIu32 " time%s", reader->detached,
			reader->detached == 1 ? "" : "s");
	fputc('\n', out);
}

void
info_text(FILE *out, struct crowd *crowd, const weir_look_consumer *c)
{
	static const struct {
		const char *place, *words;
	} places[] = {{"loop", "on the loop of its process"},
		{"further loop", "on a further loop of its process"},
		{"lane", "in a lane, a thread of its own"},
		{"owner", "read by its program, when that wants"}};
	struct sum sum = sum_of(crowd, c);
	why_state(out, crowd, c);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (!strcmp(places[i].place, place_of(c)))
			fprintf(out, "  place   %s; weight %" PRIu32 "\n",
				places[i].words, c->weight);
	}
	budget_text(out, crowd, c);
	if (c->subscription)
		lost_text(out, &sum);
	if (sum.known && sum.waiting_bytes)
		fprintf(out, "  ahead   %s of messages\n",
			text_bytes((double)sum.waiting_bytes).s);
	latency_text(out, crowd, c);
	for (size_t i = 0; i < crowd->look.reader_count; i++) {
		if (consumer_reads(c, &crowd->look.readers[i]))
			stream_text(out, crowd, &crowd->look.readers[i]);
	}
	why_try(out, crowd, c);
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static void
sum_json(struct json *j, const struct sum *sum)
{
	if (!sum->known) {
		json_null(j, "waiting_bytes");
		json_null(j, "lost");
		return;
	}
	json_u64(j, "waiting_bytes", sum->waiting_bytes);
	json_object(j, "lost");
	json_u64(j, "all", all_lost(sum));
	json_u64(j, "behind", sum->lost.behind);
	json_u64(j, "conflated", sum->lost.conflated);
	json_u64(j, "expired", sum->lost.expired);
	json_u64(j, "gone", sum->lost.gone);
	json_end_object(j);
}

static void
stream_json(struct crowd *crowd, const weir_look_reader *reader)
{
	const weir_look_stream *stream = stream_of(crowd, reader);
	struct json *j = &crowd->j;
	json_object(j, NULL);
	json_str(j, "topic", stream ? stream->topic : NULL);
	json_id(j, "publisher", reader->publisher);
	reader_terms_json(j, reader);
	reader_lag_json(j, reader);
	json_end_object(j);
}

void
info_json(struct crowd *crowd, const weir_look_consumer *c)
{
	const weir_look_loop *loop = consumer_loop(crowd, c);
	struct json *j = &crowd->j;
	struct sum sum = sum_of(crowd, c);
	why_json(crowd, c);
	json_bool(j, "silent", loop->silent != 0);
	json_str(j, "place", place_of(c));
	json_u64(j, "threshold_ns", loop->threshold_ns);
	sum_json(j, &sum);
	json_array(j, "streams");
	for (size_t i = 0; i < crowd->look.reader_count; i++) {
		if (consumer_reads(c, &crowd->look.readers[i]))
			stream_json(crowd, &crowd->look.readers[i]);
	}
	json_end_array(j);
}
