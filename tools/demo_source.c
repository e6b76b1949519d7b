/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The publishing process of the demo. The content is read from the kernel straight into
 * the memory that the consumers see: one claim, one pread, one commit.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/demo.h"
#include "tools/lines.h"
#include "tools/tool.h"

enum {
	SPARE = 1024, /* a sample may be so much longer than the one before it */
	ADMISSION_MS = 30000
};

struct feed {
	const char *topic;
	const char *path;
	int fd;
	weir_pub *pub;
	uint64_t number;
	uint64_t claimed;
	size_t guess; /* how long the next sample will be */
};

struct job {
	struct demo_args args;
	struct demo_ruler *ruler;
	weir_bus *bus;
	struct feed feed[DEMO_STREAMS_MAX];
	struct lines lines;
	struct demo_report report;
	uint64_t start_ns;
	uint64_t ticks;
	uint64_t report_ns;
	int orphan; /* nobody reads our reports any more */
};

/* ---- reports ------------------------------------------------------------------------ */

static void
count_stated(struct job *job)
{
	struct demo_made *made = &job->report.made;
	made->stated = made->aborted = made->waits = made->wait_ns = 0;
	made->stalled_ns = made->detached = made->returned = 0;
	for (int i = 0; i < job->args.streams; i++) {
		weir_pub_stats stats = {.size = sizeof(stats)};
		if (weir_pub_get_stats(job->feed[i].pub, &stats) < 0)
			continue;
		made->stated += stats.published;
		made->aborted += stats.aborted;
		made->waits += stats.waits;
		made->wait_ns += stats.wait_ns;
		made->stalled_ns += stats.stalled_ns;
		made->detached += stats.detached;
		made->returned += stats.returned;
	}
}

static void
report(struct job *job, enum demo_phase phase)
{
	uint64_t now = weir_now_ns();
	if (phase == DEMO_RUNNING && now < job->report_ns)
		return;
	job->report_ns = now + (uint64_t)DEMO_REPORT_MS * 1000000;
	count_stated(job);
	job->report.phase = phase;
	job->report.time_ns = now;
	if (demo_report_send(&job->args, &job->report) < 0)
		job->orphan = 1;
}

/* ---- one message -------------------------------------------------------------------- */

/* Nothing is dropped: where there is no room it waits, until it is told to end. */
static int
claim(struct job *job, struct feed *feed, size_t len, weir_claim_t *to)
{
	for (;;) {
		int rc = weir_claim(feed->pub, sizeof(struct demo_head) + len, to);
		if (rc >= 0)
			break;
		if (rc != -WEIR_E_AGAIN_FULL)
			return tool_fail(weir_pub_why(feed->pub));
		report(job, DEMO_RUNNING);
		if (tool_caught() || job->orphan)
			return TOOL_INTERRUPTED;
	}
	return 0;
}

static int
commit(struct job *job, struct feed *feed, weir_claim_t *to, size_t len)
{
	struct demo_head head = {.number = feed->number++,
		.sum = demo_sum((char *)to->data + sizeof(head), len)};
	memcpy(to->data, &head, sizeof(head));
	to->len = sizeof(head) + len;
	uint64_t claimed = to->seq + 1;
	int rc = weir_commit(feed->pub, to);
	if (rc < 0)
		return tool_fail(weir_pub_why(feed->pub));
	struct demo_made *made = &job->report.made;
	made->claimed += claimed - feed->claimed;
	made->published++;
	made->bytes += sizeof(head) + len;
	feed->claimed = claimed;
	job->ruler->claimed = made->claimed;
	return 0;
}

static int
sample(struct job *job, struct feed *feed)
{
	weir_claim_t to;
	size_t most = WEIR_MESSAGE_DEFAULT - sizeof(struct demo_head);
	size_t room = feed->guess < most ? feed->guess : most;
	int rc = claim(job, feed, room, &to);
	if (rc)
		return rc;
	ssize_t got =
		pread(feed->fd, (char *)to.data + sizeof(struct demo_head), room, 0);
	if (got < 0) {
		weir_abort(feed->pub, &to);
		return 0;
	}
	feed->guess = (size_t)got + SPARE;
	return commit(job, feed, &to, (size_t)got);
}

static int
send_line(struct job *job, const char *line, size_t len)
{
	weir_claim_t to;
	int rc = claim(job, &job->feed[0], len, &to);
	if (rc)
		return rc;
	memcpy((char *)to.data + sizeof(struct demo_head), line, len);
	return commit(job, &job->feed[0], &to, len);
}

/* ---- the loops ---------------------------------------------------------------------- */

/* Waits for the next tick. 0 = now, else it is time to end. */
static int
tick(struct job *job)
{
	uint64_t due = job->start_ns;
	if (job->args.rate > 0)
		due += (uint64_t)((double)job->ticks * 1e9 / job->args.rate);
	job->ticks++;
	while (job->report_ns < due) {
		if (tool_wait(-1, job->report_ns) < 0)
			return -1;
		report(job, DEMO_RUNNING);
	}
	report(job, DEMO_RUNNING);
	if (tool_caught() || job->orphan)
		return -1;
	return job->args.rate > 0 && tool_wait(-1, due) < 0 ? -1 : 0;
}

static int
sample_loop(struct job *job)
{
	while (!tick(job)) {
		for (int i = 0; i < job->args.streams; i++) {
			int rc = sample(job, &job->feed[i]);
			if (rc)
				return rc == TOOL_INTERRUPTED ? 0 : rc;
		}
	}
	return 0;
}

/* The file once more, if that was asked for and it can be. */
static int
rewind_file(struct job *job)
{
	int fd = job->feed[0].fd;
	if (!job->args.repeat || !job->feed[0].number || lseek(fd, 0, SEEK_SET) < 0)
		return -1;
	job->lines.ended = 0;
	return 0;
}

static int
line_loop(struct job *job)
{
	while (!tick(job)) {
		const char *line;
		size_t len;
		enum lines_answer answer;
		do {
			answer = lines_next(&job->lines, job->report_ns, &line, &len);
			report(job, DEMO_RUNNING);
		} while (answer == LINES_LATER && !job->orphan);
		if (answer == LINES_END && !rewind_file(job))
			continue;
		if (answer == LINES_ERROR) {
			tool_complain("could not read the stream: %s", strerror(errno));
			return TOOL_NO;
		}
		if (answer != LINES_ONE)
			return 0;
		int rc = send_line(job, line, len);
		if (rc)
			return rc == TOOL_INTERRUPTED ? 0 : rc;
	}
	return 0;
}

/* ---- begin and end ------------------------------------------------------------------ */

static int
open_feed(struct job *job, struct feed *feed)
{
	if (!feed->path)
		feed->fd = STDIN_FILENO;
	else
		feed->fd = open(feed->path, O_RDONLY | O_CLOEXEC);
	if (feed->fd < 0) {
		tool_complain("could not read %s: %s", feed->path, strerror(errno));
		return errno == EACCES ? TOOL_DENIED : TOOL_NOTFOUND;
	}
	feed->guess = 16 * SPARE;
	feed->pub = weir_advertise(job->bus, feed->topic, .window = DEMO_WINDOW);
	if (weir_pub_why(feed->pub)->code)
		return tool_fail(weir_pub_why(feed->pub));
	int have = weir_wait_subscribers(feed->pub, DEMO_CONSUMERS, ADMISSION_MS);
	if (have < DEMO_CONSUMERS)
		return tool_fail_code(have, "waiting for the consumers of the demo");
	return 0;
}

static int
open_feeds(struct job *job)
{
	const char *file = job->args.file;
	if (!file) {
		job->feed[0] = (struct feed){.topic = "demo.stat", .path = "/proc/stat"};
		job->feed[1] =
			(struct feed){.topic = "demo.net", .path = "/proc/net/dev"};
		job->feed[2] = (struct feed){.topic = "demo.vm", .path = "/proc/vmstat"};
	} else if (!strcmp(file, "-")) {
		job->feed[0] = (struct feed){.topic = "demo.stdin"};
	} else {
		job->feed[0] = (struct feed){.topic = "demo.file", .path = file};
	}
	for (int i = 0; i < job->args.streams; i++) {
		int rc = open_feed(job, &job->feed[i]);
		if (rc)
			return rc;
	}
	size_t most = WEIR_MESSAGE_DEFAULT - sizeof(struct demo_head);
	return file && lines_init(&job->lines, job->feed[0].fd, most) < 0 ? TOOL_MEMORY
									  : 0;
}

static int
work(struct job *job)
{
	int rc = open_feeds(job);
	if (rc)
		return rc;
	report(job, DEMO_READY);
	job->ruler->start_ns = job->start_ns = weir_now_ns();
	rc = job->args.file ? line_loop(job) : sample_loop(job);
	job->ruler->end_ns = weir_now_ns();
	report(job, DEMO_FINAL);
	return rc;
}

static int
run(int argc, char **argv)
{
	struct job job = {.report_ns = 0};
	int rc = demo_args_parse(&job.args, argc, argv);
	if (rc)
		return rc;
	/* Ctrl-C reaches the whole group; the watching process says when we end. */
	signal(SIGINT, SIG_IGN);
	job.report.child = (uint32_t)job.args.index;
	job.ruler = demo_ruler_map(job.args.ruler, 1);
	if (!job.ruler)
		return TOOL_MEMORY;
	tool.bus = DEMO_BUS;
	tool.dir = job.args.dir;
	rc = tool_attach("demo-source", NULL, NULL, &job.bus);
	if (rc)
		return rc;
	rc = work(&job);
	int closing = tool_detach(job.bus);
	if (job.args.file)
		lines_fini(&job.lines);
	if (job.orphan)
		demo_clear(job.args.dir);
	return rc ? rc : closing;
}

const struct tool_verb verb_demo_source = {"_demo-source", "", "", NULL, NULL, run, 1, 0};
