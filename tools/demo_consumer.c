/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A consuming process of the demo. The three differ in how they read. */
#include <ctype.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/demo.h"
#include "tools/hist.h"
#include "tools/text.h"
#include "tools/tool.h"

enum manner { EACH = 0, BATCH, NAP };

/* One stream, as this consumer has it. */
struct track {
	uint64_t publisher;
	uint64_t number; /* that the next message must have */
	uint64_t passed; /* claims behind us */
	uint64_t fact_ns;
};

struct job {
	struct demo_args args;
	struct demo_ruler *ruler;
	weir_bus *bus;
	weir_sub *sub;
	struct track track[DEMO_STREAMS_MAX];
	int tracks;
	struct demo_report report;
	struct hist all;
	struct hist recent;
	uint64_t report_ns;
	uint64_t recent_ns;   /* when the present second is whole */
	int recent_begun;     /* there has been one */
	uint64_t busy, total; /* of the processors, at the last fact */
	uint64_t octets;
	char cpu_text[24];
	char net_text[DEMO_FACT - 24];
	int orphan;
};

/* ---- what the content says ------------------------------------------------------------ */

/* "cpu  user nice system idle iowait ..." is the first line of /proc/stat. */
static void
read_stat(struct job *job, const char *text)
{
	unsigned long long field[8] = {0};
	int got = sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &field[0],
		&field[1], &field[2], &field[3], &field[4], &field[5], &field[6],
		&field[7]);
	if (got < 4)
		return;
	uint64_t total = 0;
	for (int i = 0; i < 8; i++)
		total += field[i];
	uint64_t busy = total - field[3] - field[4];
	if (job->total && total > job->total)
		snprintf(job->cpu_text, sizeof(job->cpu_text), "cpu %.0f %% busy",
			100.0 * (double)(busy - job->busy) / (double)(total - job->total));
	job->busy = busy;
	job->total = total;
}

/* "  eth0: received ... (8 fields) sent ..." after two lines of heads. */
static void
read_net(struct job *job, const char *text, double seconds)
{
	uint64_t octets = 0;
	for (const char *colon = strchr(text, ':'); colon;
		colon = strchr(colon + 1, ':')) {
		unsigned long long in, out;
		if (sscanf(colon + 1, "%llu %*u %*u %*u %*u %*u %*u %*u %llu", &in,
			    &out) == 2)
			octets += in + out;
	}
	if (job->octets && octets >= job->octets)
		snprintf(job->net_text, sizeof(job->net_text), ", network %.20s/s",
			text_bytes((double)(octets - job->octets) / seconds).s);
	job->octets = octets;
}

/* Once a second something is taken from the content of each stream, so that a person sees
 * that it is what it should be. */
static void
read_fact(struct job *job, struct track *track, const weir_msg *msg, uint64_t now)
{
	char copy[4096];
	size_t len = msg->len - sizeof(struct demo_head);
	double seconds = (double)(now - track->fact_ns) / 1e9;
	if (seconds < 1)
		return;
	track->fact_ns = now;
	len = len < sizeof(copy) - 1 ? len : sizeof(copy) - 1;
	memcpy(copy, (const char *)msg->data + sizeof(struct demo_head), len);
	copy[len] = 0;
	if (!strcmp(msg->topic, "demo.stat"))
		read_stat(job, copy);
	else if (!strcmp(msg->topic, "demo.net"))
		read_net(job, copy, seconds);
	snprintf(job->report.taken.fact, DEMO_FACT, "%s%s", job->cpu_text, job->net_text);
}

/* ---- one message -------------------------------------------------------------------- */

static struct track *
track_of(struct job *job, uint64_t publisher)
{
	for (int i = 0; i < job->tracks; i++) {
		if (job->track[i].publisher == publisher)
			return &job->track[i];
	}
	if (job->tracks == DEMO_STREAMS_MAX)
		return NULL;
	struct track *track = &job->track[job->tracks++];
	track->publisher = publisher;
	return track;
}

static void
check(struct job *job, const weir_msg *msg, uint64_t now)
{
	struct demo_taken *taken = &job->report.taken;
	struct track *track = track_of(job, msg->publisher);
	struct demo_head head;
	if (!track || msg->len < sizeof(head)) {
		taken->damaged++;
		return;
	}
	memcpy(&head, msg->data, sizeof(head));
	const char *content = (const char *)msg->data + sizeof(head);
	size_t len = msg->len - sizeof(head);
	if (demo_sum(content, len) != head.sum)
		taken->damaged++;
	if (head.number > track->number)
		taken->holes += head.number - track->number;
	else if (head.number < track->number)
		taken->damaged++; /* twice, or out of order */
	track->number = head.number + 1;
	track->passed = msg->seq + 1;
	if (job->args.index == EACH)
		read_fact(job, track, msg, now);
}

static void
take(struct job *job, const weir_msg *msg, uint64_t now)
{
	struct demo_taken *taken = &job->report.taken;
	uint64_t age = now > msg->time_ns ? now - msg->time_ns : 0;
	hist_add(&job->all, age);
	hist_add(&job->recent, age);
	taken->delivered++;
	taken->bytes += msg->len;
	taken->lost += msg->lost;
	check(job, msg, now);
}

static int
on_msg(void *ctx, const weir_msg *msg)
{
	take(ctx, msg, weir_now_ns());
	return 0;
}

static int
on_batch(void *ctx, const weir_msg *msgs, size_t count)
{
	uint64_t now = weir_now_ns();
	for (size_t i = 0; i < count; i++)
		take(ctx, &msgs[i], now);
	return 0;
}

/* ---- reports ------------------------------------------------------------------------ */

/* Of the last whole second; of all, until there has been one. */
static void
count_recent(struct job *job, uint64_t now)
{
	struct demo_taken *taken = &job->report.taken;
	const struct hist *from = job->recent_begun ? &job->recent : &job->all;
	if (!job->recent_ns)
		job->recent_ns = now + 1000000000;
	if (now < job->recent_ns && job->recent_begun)
		return;
	taken->recent_p50 = hist_at(from, 0.5);
	taken->recent_p99 = hist_at(from, 0.99);
	if (now < job->recent_ns)
		return;
	job->recent_ns = now + 1000000000;
	job->recent_begun = 1;
	hist_clear(&job->recent);
}

static void
count(struct job *job, uint64_t now)
{
	struct demo_taken *taken = &job->report.taken;
	weir_sub_stats stats = {.size = sizeof(stats)};
	/* The ruler first: what is claimed after it cannot count as lag. */
	uint64_t claimed = job->ruler->claimed;
	if (weir_sub_get_stats(job->sub, &stats) >= 0) {
		taken->aborted = stats.aborted;
		taken->held = stats.held;
		taken->ended = stats.ended;
	}
	taken->passed = 0;
	for (int i = 0; i < job->tracks; i++)
		taken->passed += job->track[i].passed;
	taken->lag = claimed > taken->passed ? claimed - taken->passed : 0;
	taken->p50 = hist_at(&job->all, 0.5);
	taken->p99 = hist_at(&job->all, 0.99);
	taken->max = job->all.max;
	count_recent(job, now);
}

static void
report(struct job *job, enum demo_phase phase)
{
	uint64_t now = weir_now_ns();
	if (phase == DEMO_RUNNING && now < job->report_ns)
		return;
	job->report_ns = now + (uint64_t)DEMO_REPORT_MS * 1000000;
	count(job, now);
	job->report.phase = phase;
	job->report.time_ns = now;
	if (demo_report_send(&job->args, &job->report) < 0)
		job->orphan = 1;
}

/* ---- the three manners ---------------------------------------------------------------- */

/* All that is there, now. */
static int
drain(struct job *job)
{
	for (;;) {
		weir_msg msg;
		int rc = weir_peek(job->sub, &msg);
		if (rc == 0)
			return 0;
		if (rc == -WEIR_E_GONE_END || rc == -WEIR_E_DATA_GAP)
			continue;
		if (rc < 0)
			return tool_fail_code(rc, "reading");
		take(job, &msg, weir_now_ns());
		weir_next(job->sub);
	}
}

static int
turn(struct job *job)
{
	if (job->args.index != NAP) {
		int rc = weir_turn(job->bus, DEMO_REPORT_MS);
		return rc < 0 ? tool_fail(weir_why(job->bus)) : 0;
	}
	/* Its nap is its own: it looks at what has come when it wakes. */
	poll(NULL, 0, DEMO_NAP_MS);
	report(job, DEMO_RUNNING);
	int rc = weir_turn(job->bus, 0);
	return rc < 0 ? tool_fail(weir_why(job->bus)) : drain(job);
}

static int
work(struct job *job)
{
	weir_sub_opts opts = {.size = sizeof(opts), .topic = DEMO_PATTERN, .ctx = job};
	if (job->args.index == EACH)
		opts.on_msg = on_msg;
	if (job->args.index == BATCH)
		opts.on_batch = on_batch;
	job->sub = weir_subscribe_(job->bus, &opts);
	if (weir_sub_why(job->sub)->code)
		return tool_fail(weir_sub_why(job->sub));
	report(job, DEMO_READY);
	while (job->report.taken.ended < (uint64_t)job->args.streams && !job->orphan) {
		int rc = turn(job);
		if (rc)
			return rc;
		weir_sub_stats stats = {.size = sizeof(stats)};
		weir_sub_get_stats(job->sub, &stats);
		job->report.taken.ended = stats.ended;
		report(job, DEMO_RUNNING);
	}
	report(job, DEMO_FINAL);
	return 0;
}

static int
run(int argc, char **argv)
{
	static const char *const names[] = {"demo-each", "demo-batch", "demo-nap"};
	static struct job job;
	int rc = demo_args_parse(&job.args, argc, argv);
	if (rc)
		return rc;
	if (job.args.index < 0 || job.args.index >= DEMO_CONSUMERS)
		return TOOL_USAGE;
	signal(SIGINT, SIG_IGN);
	job.report.child = (uint32_t)job.args.index;
	job.ruler = demo_ruler_map(job.args.ruler, 0);
	if (!job.ruler)
		return TOOL_MEMORY;
	job.bus = weir_open(DEMO_BUS, .dir = job.args.dir, .node = names[job.args.index],
		.flags = WEIR_BUS_QUIET | WEIR_BUS_NO_SIGNALS);
	rc = weir_why(job.bus)->code ? tool_fail(weir_why(job.bus)) : work(&job);
	int closing = weir_close(job.bus);
	if (job.orphan)
		demo_clear(job.args.dir);
	return rc ? rc : closing;
}

const struct tool_verb verb_demo_consumer = {
	"_demo-consumer", "", "", NULL, NULL, run, 1, 0};
