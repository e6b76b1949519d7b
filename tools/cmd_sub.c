/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Subscribes, as a consumer like any other, and prints. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/reader.h"
#include "tools/show.h"
#include "tools/tool.h"

/* Between two turns it is looked whether anybody still reads what is printed. */
enum { TURN_MS = 500 };

static struct show show;
static uint64_t count_max;
static int until_end;

static struct {
	const char *from;
	const char *key;
	int policy;
	uint64_t quota;
	int stall_us;
	int ttl_ms;
} opt;

struct job {
	weir_bus *bus;
	weir_sub **subs;
	int sub_count;
	uint64_t seen;
	uint64_t bytes;
	struct show_losses told; /* losses that were told, or need not be */
	weir_sub_opts opts;
	uint64_t *known; /* publishers whose first message has come */
	size_t known_count;
	int done;
};

/* Adds up the losses of all subscriptions, by reason. */
static struct show_losses
losses_of(const struct job *job)
{
	struct show_losses all = {0};
	for (int i = 0; i < job->sub_count; i++) {
		weir_sub_stats stats = {.size = sizeof(stats)};
		if (weir_sub_get_stats(job->subs[i], &stats) < 0)
			continue;
		all.behind += stats.lost_behind;
		all.conflated += stats.lost_conflated;
		all.expired += stats.lost_expired;
		all.gone += stats.lost_gone;
	}
	return all;
}

static uint64_t
sum_of(const struct show_losses *losses)
{
	return losses->behind + losses->conflated + losses->expired + losses->gone;
}

/* What was lost since this was asked last: nothing, by reason, where that is not all and
 * only what was lost before this message. */
static struct show_losses
losses_before(struct job *job, const weir_msg *msg)
{
	struct show_losses all = losses_of(job);
	struct show_losses fresh = {all.behind - job->told.behind,
		all.conflated - job->told.conflated, all.expired - job->told.expired,
		all.gone - job->told.gone};
	job->told = all;
	return sum_of(&fresh) == msg->lost ? fresh : (struct show_losses){0};
}

/* A publisher's first message tells how much of its stream was before us. */
static void
greet(struct job *job, const weir_msg *msg, const struct show_losses *fresh)
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
	/* What was lost on the way counts as seen; what was asked for and is gone, as asked. */
	uint64_t before = msg->seq - (msg->lost < msg->seq ? msg->lost : msg->seq);
	if (fresh->gone)
		tool_complain("! %s: joined at seq %" PRIu64 "; %" PRIu64
			      " message%s from seq %" PRIu64
			      " on were asked for and are not there any more",
			msg->topic, before + fresh->gone, fresh->gone,
			fresh->gone == 1 ? "" : "s", before);
	else if (before || opt.from)
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
	struct show_losses fresh = {0};
	if (msg->lost)
		fresh = losses_before(job, msg);
	greet(job, msg, &fresh);
	/* Who asks for the newest alone need not be told each time that there were others;
	 * and what was gone at the join is told there. */
	if (msg->lost > fresh.gone && (msg->lost != fresh.conflated || tool.verbose))
		show_loss(msg, &fresh);
	show_message(&show, msg);
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
		weir_sub_opts sub_opts = job->opts;
		sub_opts.topic = argv[i];
		weir_sub *sub = weir_subscribe_(job->bus, &sub_opts);
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
	/* The last message may have come before what happened was told. */
	weir_event event;
	while (weir_next_event(job->bus, &event) == 1)
		show_event(&event);
	struct show_losses losses = losses_of(job);
	char why[160];
	show_reasons(&losses, why, sizeof(why));
	tool_say("%s message%s, %s, %s lost%s", text_count(job->seen).s,
		job->seen == 1 ? "" : "s", text_bytes((double)job->bytes).s,
		text_count(sum_of(&losses)).s, why);
}

/* ---- what is asked for ------------------------------------------------------------------ */

/* All of the text as a number of that base, up to the end; 0 if it is none. */
static int
number(const char *text, const char *end, int base, uint64_t *to)
{
	char *stopped;
	if (!isxdigit((unsigned char)text[0]))
		return 0;
	errno = 0;
	*to = strtoull(text, &stopped, base);
	return !errno && stopped == end;
}

static int
take_from(weir_sub_opts *opts)
{
	const char *text = opt.from;
	const char *colon = strchr(text, ':');
	const char *end = text + strlen(text);
	if (!strcmp(text, "new")) {
		opts->from = WEIR_FROM_NEW;
	} else if (!strcmp(text, "oldest")) {
		opts->from = WEIR_FROM_OLDEST;
	} else if (!strncmp(text, "last:", 5)) {
		opts->from = WEIR_FROM_LAST;
		if (!number(text + 5, end, 10, &opts->from_count))
			return 0;
	} else {
		opts->from = WEIR_FROM_SEQ;
		return colon && number(text, colon, 16, &opts->from_publisher) &&
			number(colon + 1, end, 10, &opts->from_count);
	}
	return 1;
}

static int
take_key(weir_sub_opts *opts)
{
	const char *colon = strchr(opt.key, ':');
	uint64_t offset, size;
	if (!colon || !number(opt.key, colon, 10, &offset) ||
		!number(colon + 1, colon + strlen(colon), 10, &size) ||
		offset > WEIR_MESSAGE_MAX || size < 1 || size > 8)
		return 0;
	opts->key_offset = (uint32_t)offset;
	opts->key_size = (uint32_t)size;
	return 1;
}

/* Returns 0, or an exit code after saying what is wrong. */
static int
take_terms(struct job *job)
{
	job->opts = (weir_sub_opts){.size = sizeof(job->opts),
		.on_msg = on_msg,
		.ctx = job,
		.policy = (uint32_t)opt.policy,
		.quota = opt.quota,
		.stall_us = opt.stall_us,
		.ttl_ms = (uint32_t)opt.ttl_ms};
	if (opt.from && !take_from(&job->opts))
		return tool_usage("--from: '%s' is not new, oldest, last:N, or "
				  "PUBLISHER:SEQ (the publisher as topic info names it)",
			opt.from);
	if (opt.key && !take_key(&job->opts))
		return tool_usage(
			"--key: '%s' is not OFFSET:SIZE, of 1 to 8 bytes", opt.key);
	if (opt.key && opt.policy != WEIR_LATEST)
		return tool_usage("--key needs --policy latest");
	return 0;
}

static int
run(int argc, char **argv)
{
	if (argc < 1)
		return tool_usage(
			"sub needs a topic or a pattern, as in: weir sub 'cam.*'");
	struct job job = {0};
	int wrong = take_terms(&job);
	if (wrong)
		return wrong;
	job.subs = calloc((size_t)argc, sizeof(*job.subs));
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
	{0, "from", OPT_STR, &opt.from,
		"where to begin: new, oldest, last:N, PUBLISHER:SEQ", "WHERE", 0, 0},
	{0, "policy", OPT_WORD, &opt.policy, "if too slow: " READER_POLICIES, "WORD", 0,
		READER_POLICIES},
	{0, "key", OPT_STR, &opt.key,
		"the latest of each key: where it is in a message", "OFFSET:SIZE", 0, 0},
	{0, "quota", OPT_SIZE, &opt.quota, "may lag so much before it is waited for",
		"BYTES", 0, 0},
	{0, "stall", OPT_US, &opt.stall_us,
		"may hold others up in any 100 ms (5ms; or none)", "US", WEIR_NEVER,
		"none"},
	{0, "ttl", OPT_MS, &opt.ttl_ms, "pass over what is older", "MS", 1, 0},
	{0, 0, OPT_SET, 0, 0, 0, 0, 0},
};

const struct tool_verb verb_sub = {"sub", "PATTERN...", "subscribes and prints", opts,
	"  '*' is one token of a topic, '>' all the rest: 'cam.*', '>'. Quote them.\n"
	"  Messages go to stdout; joins, ends and losses to stderr. --json prints one object\n"
	"  a message. Messages are printed as text; what is not is written \\xNN.\n"
	"  Who is too slow: drop-oldest loses what is written over, latest is never waited\n"
	"  for and sees the newest alone, disconnect ends there, block is waited for.\n\n"
	"  weir sub hello -n 1\n"
	"  weir sub 'cam.*' --json | jq .seq\n"
	"  weir sub log --from last:10\n",
	run, 0, 0};
