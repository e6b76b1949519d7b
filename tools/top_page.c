/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tools/top_page.h"

#include <inttypes.h>
#include <string.h>

#include "tools/info.h"
#include "tools/reader.h"
#include "tools/tool.h"
#include "tools/why.h"

/* ---- topics --------------------------------------------------------------------------------- */

static void
stream_text(FILE *out, const struct look *look, const weir_look_stream *stream)
{
	char who[WEIR_NAME_MAX + 32];
	look_who(look, stream->node, stream->pid, who, sizeof(who));
	fprintf(out, "  from    %s: %s messages, window %s, at most %s each%s%s\n", who,
		text_count(stream->claimed).s, text_bytes((double)stream->window_bytes).s,
		text_bytes((double)stream->max_message).s,
		stream->type[0] ? ", type " : "", stream->type);
}

static void
reader_text(FILE *out, const weir_look_reader *reader)
{
	char who[WEIR_NAME_MAX + 32];
	reader_who(reader, who, sizeof(who));
	fprintf(out, "  to      %s: %s, %s", who, reader_policy(reader).s,
		reader_state(reader));
	if (reader->counted)
		fprintf(out, ", %s delivered, %s waiting, %s lost",
			text_count(reader->delivered).s, text_count(reader->waiting).s,
			text_count(reader_lost(reader)).s);
	if (reader->stalled_ns)
		fprintf(out, ", has held others up for %s",
			text_ns((double)reader->stalled_ns).s);
	fputc('\n', out);
}

static void
topic_text(FILE *out, const struct look *look, const struct top_topic *topic)
{
	fprintf(out,
		"topic %s: %s messages, %" PRIu32 " publisher%s, %" PRIu32
		" subscriber%s\n",
		topic->name, text_count(topic->messages).s, topic->publishers,
		topic->publishers == 1 ? "" : "s", topic->subscribers,
		topic->subscribers == 1 ? "" : "s");
	if (topic->quiet)
		fprintf(out, "  now     %s %s; this is what it said last\n", topic->who,
			topic->quiet == TOP_STOPPED ? "is stopped" : "does not answer");
	for (size_t i = 0; i < look->stream_count; i++) {
		const weir_look_stream *stream = &look->streams[i];
		if (strcmp(stream->topic, topic->name) != 0)
			continue;
		stream_text(out, look, stream);
		for (size_t k = 0; k < look->reader_count; k++) {
			if (look->readers[k].publisher == stream->publisher)
				reader_text(out, &look->readers[k]);
		}
	}
}

/* ---- loops ---------------------------------------------------------------------------------- */

static void
loop_text(FILE *out, const struct top_loop *loop)
{
	const weir_look_loop *l = &loop->is;
	char who[WEIR_NAME_MAX + 32];
	consumer_who(l, who, sizeof(who));
	fprintf(out, "loop of %s: %s\n", who, top_loop_state(loop));
	if (!l->seen) {
		fprintf(out, "  seen    not: it does not show who is on it\n");
		return;
	}
	fprintf(out, "  on it   %s consumers, %s of them active; a round has %s polls\n",
		text_count(l->consumers + l->unseen).s, text_count(l->active).s,
		text_count(l->round).s);
	fprintf(out, "  so far  %s turns, %s polls, %s messages, %s timers that fired\n",
		text_count(l->turns).s, text_count(l->polls).s,
		text_count(l->messages).s, text_count(l->timers).s);
	fprintf(out, "  asleep  %s in %s sleeps\n", text_ns((double)l->idle_ns).s,
		text_count(l->sleeps).s);
	fprintf(out, "  budget  a poll may take %s; %s were over a limit\n",
		text_ns((double)l->threshold_ns).s, text_count(l->violations).s);
	if (l->debug)
		fprintf(out, "  built   for finding faults, not for speed\n");
}

/* ---- a row ---------------------------------------------------------------------------------- */

/* Of the consumers of a row those that are meant; how many. */
static size_t
each(FILE *out, struct top_source *source, const struct top_view *view, size_t row,
	consumer_text_fn text)
{
	const struct top_look *look = view->look;
	size_t told = 0;
	int one = view->tab == TOP_CONSUMERS || view->tab == TOP_LATENCY;
	for (size_t i = 0; i < look->consumer_count; i++) {
		const struct top_consumer *c = &look->consumers[i];
		const weir_look_consumer *found;
		int meant = one                     ? i == row
			: view->tab == TOP_REACTORS ? c->loop == row && c->is.tier
						    : c->is.tier &&
				text_topic_matches(c->is.name, look->topics[row].name);
		if (!meant)
			continue;
		found = top_find(source, c);
		if (told++)
			fputc('\n', out);
		if (found)
			text(out, &source->crowd, found);
		else
			fprintf(out, "it has left\n");
	}
	return told;
}

void
top_page_info(
	FILE *out, struct top_source *source, const struct top_view *view, size_t row)
{
	if (view->tab == TOP_TOPICS)
		topic_text(out, &source->crowd.look, &view->look->topics[row]);
	else if (view->tab == TOP_REACTORS)
		loop_text(out, &view->look->loops[row]);
	else
		(void)each(out, source, view, row, info_text);
}

void
top_page_why(FILE *out, struct top_source *source, const struct top_view *view, size_t row)
{
	if (!each(out, source, view, row, why_text))
		fprintf(out, "nothing is held against anybody here\n");
}

void
top_page_help(FILE *out)
{
	fputs("weir top only looks: it is nobody's consumer, and nothing waits for it.\n"
	      "\n"
	      "  t c r l  topics, consumers, reactors, latency; Tab goes to the next\n"
	      "  up down  select a line, also j k, PgUp PgDn, Home End\n"
	      "  Enter    all that is known of it; Esc goes back\n"
	      "  w        why it is at its tier, and what to try\n"
	      "  s S      sort by the next column; the other way round\n"
	      "  f        show only lines with a word in them; Esc shows all again\n"
	      "  p        pause: what is shown stays as it is\n"
	      "  q        quit\n"
	      "\n"
	      "  TIER     monitor, warn, yield, isolate; an arrow for 10 s after a change\n"
	      "  WEIGHT   polls of each round; its tier leaves it a part of them, or it is\n"
	      "           in a lane, a thread of its own\n"
	      "  WANT GOT its share of the polls by weight, and what it had\n"
	      "  A POLL   what it took on an average, if it found something, where that was\n"
	      "           measured: of those that are suspected of taking too long\n"
	      "  USED     how much that is of what a poll may take (LIMIT)\n"
	      "  LAG LOST messages that wait for it, and that it will never have\n"
	      "  P50 P99  from the commit of a message to the handler, where a program has\n"
	      "           that measured: weir_measure(bus, 1)\n"
	      "  OVER     polls over a limit, a second\n"
	      "  STATE    a loop turns, is asleep, or stands: somebody has something to do\n"
	      "           and is not polled; stopped: by a signal or a debugger\n",
		out);
}
