/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tools/top_look.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/reader.h"
#include "tools/text.h"
#include "tools/tool.h"

/* ---- processes ------------------------------------------------------------------------------ */

/* 'T' or 't': a signal or a debugger has stopped it. What the kernel says of another's
 * process anybody may read. */
static int
is_stopped(uint32_t pid)
{
	char path[32], line[256];
	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/stat", pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return 0;
	int got = fgets(line, sizeof(line), f) != NULL;
	fclose(f);
	/* Its name stands in brackets, and may have brackets in it. */
	const char *end = got ? strrchr(line, ')') : NULL;
	return end && (!strncmp(end, ") T", 3) || !strncmp(end, ") t", 3));
}

static int
quiet_of(uint32_t silent, uint32_t pid)
{
	return !silent ? TOP_ANSWERS : is_stopped(pid) ? TOP_STOPPED : TOP_SILENT;
}

/* ---- consumers and loops -------------------------------------------------------------------- */

/* All that its readers have counted, one for each of its streams. */
static void
take_readers(const struct crowd *crowd, struct top_consumer *c, int quiet)
{
	size_t found = 0;
	if (!c->is.subscription)
		return;
	c->counted = 1;
	for (size_t i = 0; i < crowd->look.reader_count; i++) {
		const weir_look_reader *reader = &crowd->look.readers[i];
		if (!consumer_reads(&c->is, reader))
			continue;
		found++;
		c->counted &= reader->counted != 0;
		c->waiting += reader->waiting;
		c->lost += reader_lost(reader);
	}
	/* Its publishers may be as silent as it is itself. */
	c->counted &= found > 0 || !quiet;
}

static int
take_consumers(const struct crowd *crowd, struct top_look *look)
{
	look->consumers = calloc(crowd->consumer_count + 1, sizeof(*look->consumers));
	if (!look->consumers)
		return -WEIR_E_ENV_MEMORY;
	for (size_t i = 0; i < crowd->consumer_count; i++) {
		struct top_consumer *c = &look->consumers[look->consumer_count];
		c->is = crowd->consumers[i];
		while (c->loop < look->loop_count &&
			look->loops[c->loop].is.node != c->is.node)
			c->loop++;
		if (c->loop == look->loop_count)
			continue;
		take_readers(crowd, c, look->loops[c->loop].quiet);
		if (c->is.promotions)
			c->changed = consumer_changed(crowd, &c->is, &c->last);
		if (c->is.measured)
			c->measured = weir_look_latency(crowd->look.handle, &c->is,
					      &c->times) == 0;
		look->consumer_count++;
	}
	return 0;
}

/* A process may be on a bus several times; the last of the loops is not asked. */
static int
has_process(const struct top_look *look, uint32_t pid)
{
	for (size_t i = 0; i + 1 < look->loop_count; i++) {
		if (look->loops[i].is.pid == pid)
			return 1;
	}
	return 0;
}

static int
take_loops(const struct crowd *crowd, struct top_look *look)
{
	look->loops = calloc(crowd->loop_count + 1, sizeof(*look->loops));
	if (!look->loops)
		return -WEIR_E_ENV_MEMORY;
	for (size_t i = 0; i < crowd->loop_count; i++) {
		struct top_loop *loop = &look->loops[look->loop_count++];
		loop->is = crowd->loops[i];
		loop->quiet = quiet_of(loop->is.silent, loop->is.pid);
		if (has_process(look, loop->is.pid))
			continue;
		look->processes++;
		look->quiet += loop->quiet != TOP_ANSWERS;
	}
	return 0;
}

/* ---- topics --------------------------------------------------------------------------------- */

static struct top_topic *
topic_named(struct top_look *look, const char *name)
{
	for (size_t i = 0; i < look->topic_count; i++) {
		if (!strcmp(look->topics[i].name, name))
			return &look->topics[i];
	}
	struct top_topic *topic = &look->topics[look->topic_count++];
	snprintf(topic->name, sizeof(topic->name), "%s", name);
	return topic;
}

static void
take_stream(const struct look *from, struct top_look *look, const weir_look_stream *stream)
{
	struct top_topic *topic = topic_named(look, stream->topic);
	if (!topic->publishers++) {
		topic->node = stream->node;
		look_who(from, stream->node, stream->pid, topic->who, sizeof(topic->who));
	}
	topic->messages += stream->claimed;
	if (stream->subscribers > topic->subscribers)
		topic->subscribers = stream->subscribers;
	if (stream->last_ns > topic->last_ns)
		topic->last_ns = stream->last_ns;
	for (size_t i = 0; i < from->reader_count; i++) {
		const weir_look_reader *reader = &from->readers[i];
		if (reader->publisher != stream->publisher)
			continue;
		topic->lost += reader_lost(reader);
		if (reader->waiting <= topic->waiting)
			continue;
		topic->waiting = reader->waiting;
		reader_who(reader, topic->behind, sizeof(topic->behind));
	}
}

/* What a process that is silent now said when it was not. */
static void
keep_topics(const struct top_look *before, struct top_look *look)
{
	for (size_t i = 0; before && i < before->topic_count; i++) {
		const struct top_topic *old = &before->topics[i];
		int quiet = TOP_ANSWERS;
		for (size_t k = 0; k < look->loop_count; k++) {
			if (old->node && look->loops[k].is.node == old->node)
				quiet = look->loops[k].quiet;
		}
		if (!quiet)
			continue;
		struct top_topic *topic = topic_named(look, old->name);
		if (topic->publishers)
			continue;
		*topic = *old;
		topic->quiet = quiet;
	}
}

static int
take_topics(const struct look *from, const struct top_look *before, struct top_look *look)
{
	size_t most = from->stream_count + from->sub_count +
		(before ? before->topic_count : 0) + 1;
	look->topics = calloc(most, sizeof(*look->topics));
	if (!look->topics)
		return -WEIR_E_ENV_MEMORY;
	for (size_t i = 0; i < from->stream_count; i++)
		take_stream(from, look, &from->streams[i]);
	keep_topics(before, look);
	/* What is subscribed, and nobody publishes. */
	for (size_t i = 0; i < from->sub_count; i++) {
		if (from->subs[i].streams)
			continue;
		struct top_topic *topic = topic_named(look, from->subs[i].pattern);
		topic->subscribers += !topic->publishers;
	}
	return 0;
}

/* ---- a look --------------------------------------------------------------------------------- */

static void
drop(struct top_look *look)
{
	free(look->topics);
	free(look->consumers);
	free(look->loops);
	*look = (struct top_look){.bus = NULL};
}

/* Copies what the library found, which is there only until it looks again. */
static int
take(struct top_source *source)
{
	struct top_look *next = source->now == &source->looks[0] ? &source->looks[1]
								 : &source->looks[0];
	drop(next);
	if (source->before == next)
		source->before = NULL;
	next->bus = source->crowd.look.bus;
	next->when_ns = weir_now_ns();
	int rc = take_loops(&source->crowd, next);
	if (!rc)
		rc = take_consumers(&source->crowd, next);
	if (!rc)
		rc = take_topics(&source->crowd.look, source->now, next);
	if (rc)
		return rc;
	source->before = source->now;
	source->now = next;
	top_sort(source->now);
	top_compare(source->before, source->now);
	return 0;
}

int
top_open(struct top_source *source, const char *bus, int silent_ms)
{
	*source = (struct top_source){.silent_ms = silent_ms};
	int rc = consumers_take(&source->crowd, bus);
	if (rc)
		return rc;
	rc = take(source);
	return rc < 0 ? tool_fail_code(rc, "looking at the bus") : 0;
}

int
top_again(struct top_source *source)
{
	int rc = look_refresh(&source->crowd.look, source->silent_ms);
	if (rc >= 0)
		rc = consumers_look(&source->crowd, source->silent_ms);
	return rc < 0 ? rc : take(source);
}

void
top_close(struct top_source *source)
{
	drop(&source->looks[0]);
	drop(&source->looks[1]);
	look_close(&source->crowd.look);
}

const weir_look_consumer *
top_find(const struct top_source *source, const struct top_consumer *c)
{
	for (size_t i = 0; i < source->crowd.consumer_count; i++) {
		const weir_look_consumer *found = &source->crowd.consumers[i];
		if (found->node == c->is.node && found->number == c->is.number)
			return found;
	}
	return NULL;
}
