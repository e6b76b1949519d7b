/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Subscribes, as a consumer like any other, and prints. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/show.h"
#include "tools/text.h"
#include "tools/tool.h"

/* Between two turns it is looked whether anybody still reads what is printed. */
enum { TURN_MS = 500 };

static struct show show;
static uint64_t count_max;
static int until_end;

struct job {
	weir_bus *bus;
	weir_sub **subs;
	int sub_count;
	uint64_t seen;
	uint64_t bytes;
	uint64_t lost;
	uint64_t *known; /* publishers whose first message has come */
	size_t known_count;
	int done;
};

/* A publisher's first message tells how much of its stream was before us. */
static void
greet(struct job *job, const weir_msg *msg)
{
	for (size_t i = 0; i < job->known_count; i++) {
		if (job->known[i] == msg->publisher)
			return;
	}
	uint64_t *more = realloc(job->known, (job->known_count + 1) * sizeof(*more));
	if (!more)
		return;
	job->known = more;
	job->known[job->known_count++] = msg->publisher;
	uint64_t before = msg->seq - (msg->lost < msg->seq ? msg->lost : msg->seq);
	if (before)
		tool_say("  %s: joined at seq %" PRIu64 "; %" PRIu64
			 " earlier message%s not seen",
			msg->topic, before, before, before == 1 ? "" : "s");
}

static int
on_msg(void *ctx, const weir_msg *msg)
{
	struct job *job = ctx;
	if (job->done)
		return 1;
	greet(job, msg);
	if (msg->lost)
		show_loss(msg);
	show_message(&show, msg);
	job->lost += msg->lost;
	job->seen++;
	job->bytes += msg->len;
	job->done = count_max && job->seen == count_max;
	return job->done;
}

static void
on_event(void *ctx, const weir_event *event)
{
	(void)ctx;
	show_event(event);
}

/* True if there were streams and all of them are drained to their end. */
static int
all_ended(const struct job *job)
{
	uint64_t ended = 0;
	uint64_t streams = 0;
	for (int i = 0; i < job->sub_count; i++) {
		weir_sub_stats stats = {.size = sizeof(stats)};
		if (weir_sub_get_stats(job->subs[i], &stats) < 0)
			return 0;
		ended += stats.ended;
		streams += stats.streams;
	}
	return ended && !streams;
}

static int
loop(struct job *job)
{
	uint64_t deadline = UINT64_MAX;
	if (tool.timeout_ms >= 0)
		deadline = weir_now_ns() + (uint64_t)tool.timeout_ms * 1000000;
	while (!job->done) {
		uint64_t now = weir_now_ns();
		if (tool_caught())
			return TOOL_INTERRUPTED;
		if (now >= deadline)
			return count_max || !job->seen ? TOOL_NOBODY : TOOL_YES;
		uint64_t left_ms = (deadline - now) / 1000000 + 1;
		int rc = weir_turn(job->bus, left_ms < TURN_MS ? (int)left_ms : TURN_MS);
		if (rc < 0 && rc != -WEIR_E_GONE_STOPPED)
			return tool_fail(weir_why(job->bus));
		if (!tool_flush() || tool_unread())
			return TOOL_YES;
		if (until_end && all_ended(job))
			return count_max ? TOOL_NOBODY : TOOL_YES;
	}
	return TOOL_YES;
}

static int
subscribe(struct job *job, int argc, char **argv)
{
	int publishers = 0;
	for (int i = 0; i < argc; i++) {
		weir_sub *sub =
			weir_subscribe(job->bus, argv[i], .on_msg = on_msg, .ctx = job);
		if (weir_sub_why(sub)->code)
			return tool_fail(weir_sub_why(sub));
		job->subs[job->sub_count++] = sub;
		publishers += weir_publishers(sub);
	}
	tool_say("listening to '%s'%s on bus '%s', %d publisher%s so far", argv[0],
		argc > 1 ? " and more" : "", tool_bus(), publishers,
		publishers == 1 ? "" : "s");
	return 0;
}

static void
summary(const struct job *job)
{
	tool_say("%s message%s, %s, %s lost", text_count(job->seen).s,
		job->seen == 1 ? "" : "s", text_bytes((double)job->bytes).s,
		text_count(job->lost).s);
}

static int
run(int argc, char **argv)
{
	if (argc < 1)
		return tool_usage(
			"sub needs a topic or a pattern, as in: weir sub 'cam.*'");
	struct job job = {.subs = calloc((size_t)argc, sizeof(*job.subs))};
	if (!job.subs)
		return TOOL_MEMORY;
	show.with_topic = argc > 1 || strpbrk(argv[0], "*>");
	int rc = tool_attach("weir-sub", on_event, &job, &job.bus);
	if (!rc) {
		rc = subscribe(&job, argc, argv);
		if (!rc) {
			rc = loop(&job);
			summary(&job);
		}
		int closing = tool_detach(job.bus);
		rc = rc ? rc : closing;
	}
	free(job.subs);
	free(job.known);
	return rc;
}

static const struct tool_opt opts[] = {
	{'n', "count", OPT_U64, &count_max, "end after N messages", "N", 0, 0},
	{'e', "until-end", OPT_SET, &until_end, "end when the last publisher has gone",
		0, 1, 0},
	{0, "raw", OPT_SET, &show.mode, "the bytes and nothing else", 0, SHOW_RAW, 0},
	{0, "hex", OPT_SET, &show.mode, "a line of hexadecimal digits a message", 0,
		SHOW_HEX, 0},
	{0, 0, OPT_SET, 0, 0, 0, 0, 0},
};

const struct tool_verb verb_sub = {"sub", "PATTERN...", "subscribes and prints", opts,
	"  '*' is one token of a topic, '>' all the rest: 'cam.*', '>'. Quote them.\n"
	"  Messages go to stdout; joins, ends and losses to stderr. --json prints one object\n"
	"  a message. Messages are printed as text; what is not is written \\xNN.\n\n"
	"  weir sub hello -n 1\n"
	"  weir sub 'cam.*' --json | jq .seq\n",
	run, 0, 0};
