/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* topic echo: prints messages without being a consumer. */
#include <string.h>

#include "tools/show.h"
#include "tools/text.h"
#include "tools/tool.h"
#include "tools/watch.h"

enum {
	LOOK_MS = 500 /* so often it is looked whether anybody reads what is printed */
};

static struct show show;
static uint64_t count_max;
static int from_oldest;

struct job {
	struct watch watch;
	uint64_t seen;
	uint64_t missed;
	uint64_t deadline_ns;
};

static int
done(const struct job *job)
{
	return count_max && job->seen == count_max;
}

static int
loop(struct job *job)
{
	while (!done(job)) {
		weir_msg msg;
		uint64_t now = weir_now_ns();
		uint64_t until = now + (uint64_t)LOOK_MS * 1000000;
		if (until > job->deadline_ns)
			until = job->deadline_ns;
		switch (watch_next(&job->watch, &msg, now)) {
		case WATCH_ONE:
			break;
		case WATCH_SIGNAL:
			return TOOL_INTERRUPTED;
		case WATCH_ERROR:
			return TOOL_NO;
		case WATCH_LATER:
			/* Nothing there: what was printed goes out before the wait. */
			if (!tool_flush() || tool_unread())
				return TOOL_YES;
			if (now >= job->deadline_ns)
				return count_max || !job->seen ? TOOL_NOBODY : TOOL_YES;
			if (watch_next(&job->watch, &msg, until) != WATCH_ONE)
				continue;
			break;
		}
		if (msg.lost)
			show_loss(&msg, &(struct show_losses){0});
		show_message(&show, &msg);
		job->missed += msg.lost;
		job->seen++;
	}
	return TOOL_YES;
}

static int
run(int argc, char **argv)
{
	if (argc != 1)
		return tool_usage("topic echo takes one topic or pattern; quote it");
	struct job job = {.deadline_ns = UINT64_MAX};
	show.with_topic = strpbrk(argv[0], "*>") != NULL;
	int rc = watch_open(&job.watch, argv[0], 1, from_oldest);
	if (!rc) {
		if (tool.timeout_ms >= 0)
			job.deadline_ns =
				weir_now_ns() + (uint64_t)tool.timeout_ms * 1000000;
		rc = loop(&job);
		tool_say("%s message%s seen, %s missed by looking too late",
			text_count(job.seen).s, job.seen == 1 ? "" : "s",
			text_count(job.missed).s);
	}
	watch_close(&job.watch);
	return rc;
}

static const struct tool_opt opts[] = {
	{'n', "count", OPT_U64, &count_max, "end after N messages", "N", 0, 0},
	{0, "oldest", OPT_SET, &from_oldest, "from the oldest message that still lives",
		0, 1, 0},
	{0, "raw", OPT_SET, &show.mode, "the bytes and nothing else", 0, SHOW_RAW, 0},
	{0, "hex", OPT_SET, &show.mode, "a line of hexadecimal digits a message", 0,
		SHOW_HEX, 0},
	{0, 0, OPT_SET, 0, 0, 0, 0, 0},
};

const struct tool_verb verb_topic_echo = {"topic echo", "PATTERN",
	"prints messages without attaching", opts,
	"  As weir sub prints them, but read from outside: nobody waits for this reader and\n"
	"  nobody counts it. What it is too slow for it misses, and says so.\n",
	run, 0, 0};
