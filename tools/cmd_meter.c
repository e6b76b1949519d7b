/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * topic hz, bw and delay: measure streams without attaching. Rates come from the numbers
 * and times that the publisher wrote, so they stay right where this process looks too
 * late to see each message.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/hist.h"
#include "tools/text.h"
#include "tools/tool.h"
#include "tools/watch.h"

enum {
	HEADER_EVERY = 20,     /* lines between two headers */
	DELAY_PAUSE_NS = 50000 /* delay looks this often, since its own waiting is in it */
};

enum kind { HZ, BW, DELAY };

static uint64_t reports_max;
static int every_ms = 1000;

/* One stream, and what was seen of it in the present interval. */
struct meter {
	uint64_t publisher;
	char topic[WEIR_NAME_MAX + 1];
	uint64_t last_seq; /* of the message before this interval, then of the newest */
	uint64_t last_ns;
	int begun; /* the two above are known */
	uint64_t from_seq;
	uint64_t from_ns;
	uint64_t seen;
	uint64_t missed;
	uint64_t bytes;
	uint64_t len_min, len_max;
	uint64_t gaps; /* intervals between neighbours */
	double gap_sum, gap_squares, gap_min, gap_max;
	struct hist delays;
};

struct job {
	enum kind kind;
	struct watch watch;
	struct meter *meters;
	size_t count;
	uint64_t reports;
	uint64_t lines;
	uint64_t total;
};

/* ---- taking ------------------------------------------------------------------------- */

static struct meter *
meter_of(struct job *job, const weir_msg *msg)
{
	for (size_t i = 0; i < job->count; i++) {
		if (job->meters[i].publisher == msg->publisher)
			return &job->meters[i];
	}
	struct meter *more = realloc(job->meters, (job->count + 1) * sizeof(*more));
	if (!more)
		return NULL;
	job->meters = more;
	struct meter *m = &more[job->count++];
	*m = (struct meter){.publisher = msg->publisher};
	snprintf(m->topic, sizeof(m->topic), "%s", msg->topic);
	return m;
}

static void
take_gap(struct meter *m, double gap)
{
	if (!m->gaps || gap < m->gap_min)
		m->gap_min = gap;
	if (!m->gaps || gap > m->gap_max)
		m->gap_max = gap;
	m->gap_sum += gap;
	m->gap_squares += gap * gap;
	m->gaps++;
}

static void
take(struct meter *m, const weir_msg *msg, uint64_t now)
{
	uint64_t at = msg->time_ns ? msg->time_ns : now;
	if (!m->begun) {
		m->begun = 1;
		m->from_seq = msg->seq;
		m->from_ns = at;
	} else {
		if (msg->seq == m->last_seq + 1 && at >= m->last_ns)
			take_gap(m, (double)(at - m->last_ns));
		m->missed += msg->lost;
	}
	if (!m->seen || msg->len < m->len_min)
		m->len_min = msg->len;
	if (msg->len > m->len_max)
		m->len_max = msg->len;
	if (msg->time_ns)
		hist_add(&m->delays, now > at ? now - at : 0);
	m->bytes += msg->len;
	m->seen++;
	m->last_seq = msg->seq;
	m->last_ns = at;
}

static void
next_interval(struct meter *m)
{
	m->from_seq = m->last_seq;
	m->from_ns = m->last_ns;
	m->seen = m->missed = m->bytes = m->len_min = m->len_max = m->gaps = 0;
	m->gap_sum = m->gap_squares = m->gap_min = m->gap_max = 0;
	hist_clear(&m->delays);
}

static double
rate_of(const struct meter *m)
{
	if (m->last_ns <= m->from_ns)
		return NAN;
	return (double)(m->last_seq - m->from_seq) * 1e9 /
		(double)(m->last_ns - m->from_ns);
}

static double
gap_mean(const struct meter *m)
{
	return m->gaps ? m->gap_sum / (double)m->gaps : NAN;
}

static double
gap_deviation(const struct meter *m)
{
	double mean = gap_mean(m);
	double square = m->gaps ? m->gap_squares / (double)m->gaps - mean * mean : NAN;
	return square > 0 ? sqrt(square) : square <= 0 ? 0 : NAN;
}

/* ---- telling ------------------------------------------------------------------------ */

static void
report_json(const struct job *job, const struct meter *m)
{
	struct json j;
	json_init(&j, stdout);
	json_object(&j, NULL);
	json_str(&j, "topic", m->topic);
	json_id(&j, "publisher", m->publisher);
	json_u64(&j, "seen", m->seen);
	json_u64(&j, "missed", m->missed);
	json_real(&j, "rate", rate_of(m));
	if (job->kind == HZ) {
		json_real(&j, "mean_ns", gap_mean(m));
		json_real(&j, "min_ns", m->gaps ? m->gap_min : NAN);
		json_real(&j, "max_ns", m->gaps ? m->gap_max : NAN);
		json_real(&j, "stddev_ns", gap_deviation(m));
	} else if (job->kind == BW) {
		double mean = m->seen ? (double)m->bytes / (double)m->seen : NAN;
		json_real(&j, "bytes_per_second", mean * rate_of(m));
		json_real(&j, "mean_len", mean);
		json_u64(&j, "min_len", m->len_min);
		json_u64(&j, "max_len", m->len_max);
	} else {
		json_u64(&j, "stamped", m->delays.count);
		json_u64(&j, "p50_ns", hist_at(&m->delays, 0.5));
		json_u64(&j, "p99_ns", hist_at(&m->delays, 0.99));
		json_u64(&j, "max_ns", m->delays.max);
	}
	json_end_object(&j);
}

static struct text
or_dash(struct text text, double value)
{
	return isfinite(value) ? text : (struct text){"-"};
}

static struct text
gap_text(double ns)
{
	return or_dash(text_ns(isfinite(ns) ? ns : 0), ns);
}

static void
header(const struct job *job)
{
	static const char *const heads[][4] = {
		[HZ] = {"MEAN", "MIN", "MAX", "STDDEV"},
		[BW] = {"BYTES", "MEAN", "MIN", "MAX"},
		[DELAY] = {"P50", "P99", "MAX", "SEEN"},
	};
	const char *const *h = heads[job->kind];
	printf("%-24s %9s %9s %9s %9s %9s\n", "TOPIC", "RATE", h[0], h[1], h[2], h[3]);
}

static void
report_line(struct job *job, const struct meter *m)
{
	struct text cell[4];
	double rate = rate_of(m);
	double mean = (double)m->bytes / (double)m->seen;
	if (job->lines++ % HEADER_EVERY == 0)
		header(job);
	if (job->kind == HZ) {
		cell[0] = gap_text(gap_mean(m));
		cell[1] = gap_text(m->gaps ? m->gap_min : NAN);
		cell[2] = gap_text(m->gaps ? m->gap_max : NAN);
		cell[3] = gap_text(gap_deviation(m));
	} else if (job->kind == BW) {
		double flow = isfinite(rate) ? mean * rate : 0;
		cell[0] = or_dash(text_bytes(flow), rate);
		snprintf(cell[0].s + strlen(cell[0].s), 3, isfinite(rate) ? "/s" : "");
		cell[1] = text_bytes(mean);
		cell[2] = text_bytes((double)m->len_min);
		cell[3] = text_bytes((double)m->len_max);
	} else {
		cell[0] = gap_text(
			m->delays.count ? (double)hist_at(&m->delays, 0.5) : NAN);
		cell[1] = gap_text(
			m->delays.count ? (double)hist_at(&m->delays, 0.99) : NAN);
		cell[2] = gap_text(m->delays.count ? (double)m->delays.max : NAN);
		cell[3] = text_count(m->seen);
	}
	printf("%-24s %9s %9s %9s %9s %9s\n", m->topic,
		or_dash(text_rate(isfinite(rate) ? rate : 0), rate).s, cell[0].s,
		cell[1].s, cell[2].s, cell[3].s);
	if (m->missed)
		tool_say("%s: %s messages were not looked at in time", m->topic,
			text_count(m->missed).s);
}

static void
report(struct job *job)
{
	uint64_t seen = 0;
	for (size_t i = 0; i < job->count; i++) {
		struct meter *m = &job->meters[i];
		seen += m->seen;
		if (!m->seen)
			continue;
		if (tool.out == TOOL_TABLE)
			report_line(job, m);
		else
			report_json(job, m);
		next_interval(m);
	}
	job->reports += seen > 0;
	job->total += seen;
	if (!seen && job->count)
		tool_say("no new messages");
}

/* ---- the verbs ---------------------------------------------------------------------- */

/* Takes messages until the time has come. Returns -1 to go on, else the exit code. */
static int
interval(struct job *job, uint64_t until)
{
	for (;;) {
		weir_msg msg;
		switch (watch_next(&job->watch, &msg, until)) {
		case WATCH_ONE:
			break;
		case WATCH_LATER:
			return -1;
		case WATCH_SIGNAL:
			return TOOL_INTERRUPTED;
		case WATCH_ERROR:
			return TOOL_NO;
		}
		uint64_t now = weir_now_ns();
		struct meter *m = meter_of(job, &msg);
		if (!m)
			return TOOL_MEMORY;
		take(m, &msg, now);
		/* A stream that is faster than this loop never lets it come to an end. */
		if (now >= until)
			return tool_caught() ? TOOL_INTERRUPTED : -1;
	}
}

static int
loop(struct job *job)
{
	uint64_t every = (uint64_t)every_ms * 1000000;
	uint64_t next = weir_now_ns() + every;
	uint64_t deadline = UINT64_MAX;
	if (tool.timeout_ms >= 0)
		deadline = weir_now_ns() + (uint64_t)tool.timeout_ms * 1000000;
	for (;; next += every) {
		int rc = interval(job, next < deadline ? next : deadline);
		report(job);
		if (rc >= 0)
			return rc;
		if (!tool_flush() || tool_unread())
			return TOOL_YES;
		if (reports_max && job->reports >= reports_max)
			return TOOL_YES;
		if (weir_now_ns() >= deadline)
			return reports_max || !job->total ? TOOL_NOBODY : TOOL_YES;
	}
}

static int
meter(enum kind kind, const char *name, int argc, char **argv)
{
	if (argc != 1)
		return tool_usage("topic %s takes one topic or pattern; quote it", name);
	if (!every_ms)
		return tool_usage("--every: more than nothing");
	struct job job = {.kind = kind};
	int rc = watch_open(&job.watch, argv[0], 0, 0);
	if (kind == DELAY)
		job.watch.pause_ns = DELAY_PAUSE_NS;
	if (!rc)
		rc = loop(&job);
	watch_close(&job.watch);
	free(job.meters);
	return rc;
}

static int
run_hz(int argc, char **argv)
{
	return meter(HZ, "hz", argc, argv);
}

static int
run_bw(int argc, char **argv)
{
	return meter(BW, "bw", argc, argv);
}

static int
run_delay(int argc, char **argv)
{
	return meter(DELAY, "delay", argc, argv);
}

static const struct tool_opt opts[] = {
	{'n', "count", OPT_U64, &reports_max, "end after N reports", "N", 0, 0},
	{0, "every", OPT_MS, &every_ms, "time between two reports (1s)", "T", 0, 0},
	{0, 0, OPT_SET, 0, 0, 0, 0, 0},
};

const struct tool_verb verb_topic_hz = {"topic hz", "PATTERN",
	"messages a second, without attaching", opts,
	"  The rate is taken from the publisher's own numbers and times. MEAN, MIN, MAX and\n"
	"  STDDEV are of the times between neighbours.\n",
	run_hz, 0, 0};
const struct tool_verb verb_topic_bw = {"topic bw", "PATTERN",
	"bytes a second, without attaching", opts,
	"  MEAN, MIN and MAX are of the lengths of messages.\n", run_bw, 0, 0};
const struct tool_verb verb_topic_delay = {"topic delay", "PATTERN",
	"age of messages when seen, without attaching", opts,
	"  From the commit to the look. This process looks every 50 us, and that is in it.\n",
	run_delay, 0, 0};
