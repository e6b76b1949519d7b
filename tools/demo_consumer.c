/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A consuming process of the demo. The three differ in how they read: message by message,
 * in batches, and one that becomes slow for a while. That one may leave its loop, which goes on
 * with its reports while a callback does not return.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/control.h>
#include <weir/loop.h>

#include "tools/demo.h"
#include "tools/hist.h"
#include "tools/text.h"
#include "tools/tool.h"

/* How it is slow because somebody asked for it (weir demo slow). */
enum fault { OFF = 0, SPIN, BLOCK, SLEEP, FAULTS };

enum { ASKED_SLEEP_MS = 10, BLOCK_MS = 100 };

enum manner { EACH = 0, BATCH, SLOW };

/* It hears what happens to it between two batches: within 80 ms. */
enum { SLOW_BATCH = 16 };

/* One stream, as this consumer has it. */
struct track {
	uint64_t publisher;
	uint64_t number; /* that the next message must have */
	uint64_t passed; /* claims behind us */
	uint64_t fact_ns;
	struct demo_stream *told;
};

struct job {
	struct demo_args args;
	struct demo_ruler *ruler;
	weir_bus *bus;
	weir_sub *sub;
	int parent; /* whose end ends every fault */
	/* Of what follows: the callback of who is slow has another thread than the loop, and so
	 * has the steward. */
	pthread_mutex_t lock;
	enum fault fault;
	struct track track[DEMO_STREAMS_MAX];
	int tracks;
	struct demo_report report;
	struct hist all;
	struct hist part[DEMO_PARTS];
	struct hist recent;
	uint64_t recent_ns;   /* when the present second is whole */
	int recent_begun;     /* there has been one */
	uint64_t busy, total; /* of the processors, at the last fact */
	uint64_t octets;
	uint64_t faults;
	char cpu_text[24];
	char net_text[DEMO_FACT - 64];
	char vm_text[40];
	int orphan;
	int over; /* a stream has ended: the rest is read without delay */
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

/* A line of /proc/vmstat is "pgfault 123". */
static void
read_vm(struct job *job, const char *text, double seconds)
{
	const char *line = strstr(text, "\npgfault ");
	uint64_t faults = line ? strtoull(line + 9, NULL, 10) : 0;
	if (job->faults && faults >= job->faults)
		snprintf(job->vm_text, sizeof(job->vm_text), ", %.20s page faults",
			text_rate((double)(faults - job->faults) / seconds).s);
	job->faults = faults;
}

/* Once a second something is taken from the content of each stream, so that a person sees
 * that it is what it should be. */
static void
read_fact(struct job *job, struct track *track, const weir_msg *msg, uint64_t now)
{
	char copy[8192];
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
	else if (!strcmp(msg->topic, "demo.vm"))
		read_vm(job, copy, seconds);
	snprintf(job->report.taken.fact, DEMO_FACT, "%s%s%s", job->cpu_text,
		job->net_text, job->vm_text);
}

/* ---- one message -------------------------------------------------------------------- */

static struct track *
track_of(struct job *job, uint64_t publisher, const char *topic)
{
	for (int i = 0; i < job->tracks; i++) {
		if (job->track[i].publisher == publisher)
			return &job->track[i];
	}
	if (job->tracks == DEMO_STREAMS_MAX)
		return NULL;
	struct track *track = &job->track[job->tracks];
	track->publisher = publisher;
	track->told = &job->report.taken.stream[job->tracks++];
	snprintf(track->told->topic, DEMO_TOPIC, "%.*s", DEMO_TOPIC - 1, topic);
	return track;
}

static void
check(struct job *job, const weir_msg *msg, uint64_t now)
{
	struct demo_taken *taken = &job->report.taken;
	struct track *track = track_of(job, msg->publisher, msg->topic);
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
	track->told->lost += msg->lost;
	track->told->gaps += msg->lost != 0;
	if (job->args.index == EACH)
		read_fact(job, track, msg, now);
}

/* By the time of its commit: what was published while one was slow belongs there, whenever
 * it is read. */
static enum demo_part
part_of(const struct job *job, uint64_t time_ns)
{
	uint64_t start = job->ruler->start_ns;
	if (!start || time_ns < demo_slow_from(start, job->args.seconds_ms))
		return DEMO_BEFORE;
	return time_ns < demo_slow_until(start, job->args.seconds_ms) ? DEMO_DURING
								      : DEMO_AFTER;
}

static void
take(struct job *job, const weir_msg *msg, uint64_t now)
{
	struct demo_taken *taken = &job->report.taken;
	uint64_t age = now > msg->time_ns ? now - msg->time_ns : 0;
	hist_add(&job->all, age);
	hist_add(&job->part[part_of(job, msg->time_ns)], age);
	hist_add(&job->recent, age);
	taken->delivered++;
	taken->bytes += msg->len;
	taken->lost += msg->lost;
	check(job, msg, now);
}

/* From the steward's thread, whatever the handler does meanwhile. */
static int
on_slow(void *ctx, const char *how, char *answer, size_t size)
{
	static const char *const words[FAULTS] = {"off", "spin", "block", "sleep"};
	static const char *const does[FAULTS] = {"behaves again",
		"burns a core in one call, until off", "blocks in one call, until off",
		"takes 10 ms for each message"};
	struct job *job = ctx;
	for (int i = 0; i < FAULTS; i++) {
		if (strcmp(how, words[i]))
			continue;
		pthread_mutex_lock(&job->lock);
		job->fault = (enum fault)i;
		pthread_mutex_unlock(&job->lock);
		snprintf(answer, size, "slow[%d] %s", (int)getpid(), does[i]);
		return 0;
	}
	snprintf(answer, size, "'%.40s' is none of spin, block, sleep and off", how);
	return -WEIR_E_USAGE_INVAL;
}

static enum fault
asked_for(struct job *job)
{
	pthread_mutex_lock(&job->lock);
	enum fault fault = job->fault;
	pthread_mutex_unlock(&job->lock);
	return fault;
}

/* A stream has ended: who is slow hurries. */
static int
hurries(struct job *job)
{
	pthread_mutex_lock(&job->lock);
	int over = job->over;
	pthread_mutex_unlock(&job->lock);
	return over;
}

/* The fault lasts: it is asked for, and the demo goes on. */
static int
lasts(struct job *job, enum fault fault)
{
	return asked_for(job) == fault && !job->ruler->end_ns && getppid() == job->parent;
}

/* In the handler: one call that does not return while the fault lasts. */
static void
misbehave(struct job *job)
{
	while (lasts(job, SPIN)) {
		for (volatile int i = 0; i < 100000; i = i + 1)
			continue;
	}
	while (lasts(job, BLOCK))
		poll(NULL, 0, BLOCK_MS);
	if (lasts(job, SLEEP) && !hurries(job))
		poll(NULL, 0, ASKED_SLEEP_MS);
}

static int
on_msg(void *ctx, const weir_msg *msg)
{
	struct job *job = ctx;
	uint64_t now = weir_now_ns();
	pthread_mutex_lock(&job->lock);
	take(job, msg, now);
	pthread_mutex_unlock(&job->lock);
	if (job->args.index != SLOW)
		return 0;
	if (part_of(job, now) == DEMO_DURING && !hurries(job) && !job->ruler->end_ns)
		poll(NULL, 0, DEMO_SLOW_MS);
	if (asked_for(job) != OFF)
		misbehave(job);
	return 0;
}

static int
on_batch(void *ctx, const weir_msg *msgs, size_t count)
{
	struct job *job = ctx;
	uint64_t now = weir_now_ns();
	pthread_mutex_lock(&job->lock);
	for (size_t i = 0; i < count; i++)
		take(job, &msgs[i], now);
	pthread_mutex_unlock(&job->lock);
	return 0;
}

/* With the lock. */
static void
note_gate(struct job *job, const weir_event *event)
{
	uint64_t now = weir_now_ns();
	struct track *track = track_of(job, event->publisher, event->topic);
	if (!track)
		return;
	struct demo_stream *told = track->told;
	told->left = event->kind == WEIR_EV_DETACHED;
	if (!told->left) {
		told->returned++;
		told->returned_ns = now;
		return;
	}
	told->detached++;
	told->detached_ns = now;
	told->stalled_ns = event->stalled_ns;
	told->code = (uint32_t)event->code;
}

/* What it is told about itself, and about its streams. */
static void
on_event(void *ctx, const weir_event *event)
{
	struct job *job = ctx;
	pthread_mutex_lock(&job->lock);
	job->over |= event->kind == WEIR_EV_PUB_LEFT || event->kind == WEIR_EV_PUB_DIED;
	if (event->kind == WEIR_EV_DETACHED || event->kind == WEIR_EV_RETURNED)
		note_gate(job, event);
	pthread_mutex_unlock(&job->lock);
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

/* What the library says. While a callback does not return there is nothing new, and who asks
 * waits for it. */
static void
count_stated(struct job *job)
{
	weir_sub_stats stats = {.size = sizeof(stats)};
	struct demo_taken *taken = &job->report.taken;
	if (lasts(job, SPIN) || lasts(job, BLOCK) ||
		weir_sub_get_stats(job->sub, &stats) < 0)
		return;
	pthread_mutex_lock(&job->lock);
	taken->aborted = stats.aborted;
	taken->held = stats.held;
	taken->ended = stats.ended;
	taken->stated = stats.lost;
	taken->behind = stats.lost_behind;
	taken->conflated = stats.lost_conflated;
	taken->expired = stats.lost_expired;
	taken->gone = stats.lost_gone;
	pthread_mutex_unlock(&job->lock);
}

/* With the lock. */
static void
count_taken(struct job *job, uint64_t now, uint64_t claimed)
{
	struct demo_taken *taken = &job->report.taken;
	taken->passed = 0;
	for (int i = 0; i < job->tracks; i++)
		taken->passed += job->track[i].passed;
	taken->lag = claimed > taken->passed ? claimed - taken->passed : 0;
	taken->p50 = hist_at(&job->all, 0.5);
	taken->p99 = hist_at(&job->all, 0.99);
	taken->max = job->all.max;
	for (int i = 0; i < DEMO_PARTS; i++)
		taken->part[i] = (struct demo_delay){.count = job->part[i].count,
			.p50 = hist_at(&job->part[i], 0.5),
			.p99 = hist_at(&job->part[i], 0.99)};
	count_recent(job, now);
}

static void
report(struct job *job, enum demo_phase phase)
{
	uint64_t now = weir_now_ns();
	/* The ruler first: what is claimed after it cannot count as lag. */
	uint64_t claimed = job->ruler->claimed;
	count_stated(job);
	pthread_mutex_lock(&job->lock);
	count_taken(job, now, claimed);
	job->report.phase = phase;
	job->report.time_ns = now;
	if (demo_report_send(&job->args, &job->report) < 0)
		job->orphan = 1;
	pthread_mutex_unlock(&job->lock);
}

/* On the loop, whoever has it. */
static int
on_report(void *ctx, const weir_tick *tick)
{
	struct job *job = ctx;
	(void)tick;
	report(job, DEMO_RUNNING);
	return job->orphan;
}

/* ---- reading ------------------------------------------------------------------------- */

static weir_sub *
subscribe(struct job *job)
{
	weir_sub_opts opts = {.size = sizeof(opts), .topic = DEMO_PATTERN, .ctx = job};
	if (job->args.index == BATCH)
		opts.on_batch = on_batch;
	else
		opts.on_msg = on_msg;
	/* A sample that comes late is worth nothing, and the next one is on its way. Lines
	 * can wait, and each of them counts. */
	if (job->args.file && job->args.index != SLOW)
		opts.policy = WEIR_BLOCK;
	if (job->args.index == SLOW) {
		opts.quota = DEMO_QUOTA;
		opts.batch = SLOW_BATCH;
		opts.moves = WEIR_MOVE_LANE;
	}
	return weir_subscribe_(job->bus, &opts);
}

static int
goes_on(struct job *job)
{
	pthread_mutex_lock(&job->lock);
	int on = job->report.taken.ended < (uint64_t)job->args.streams && !job->orphan;
	pthread_mutex_unlock(&job->lock);
	return on;
}

static int
work(struct job *job)
{
	/* The others do not know it, so whoever asks them all comes to the slow one. */
	if (job->args.index == SLOW)
		(void)weir_on_command(job->bus, DEMO_SLOW_COMMAND, on_slow, job);
	job->sub = subscribe(job);
	if (weir_sub_why(job->sub)->code)
		return tool_fail(weir_sub_why(job->sub));
	report(job, DEMO_READY);
	(void)weir_timer_start(job->bus, .every_ns = DEMO_REPORT_MS * 1000000ull,
		.on_tick = on_report, .ctx = job);
	while (goes_on(job)) {
		if (weir_turn(job->bus, DEMO_REPORT_MS) < 0)
			return tool_fail(weir_why(job->bus));
		count_stated(job);
	}
	report(job, DEMO_FINAL);
	return 0;
}

static int
run(int argc, char **argv)
{
	static const char *const names[] = {"demo-each", "demo-batch", "demo-slow"};
	static struct job job;
	int rc = demo_args_parse(&job.args, argc, argv);
	if (rc)
		return rc;
	if (job.args.index < 0 || job.args.index >= DEMO_CONSUMERS)
		return TOOL_USAGE;
	signal(SIGINT, SIG_IGN);
	job.report.child = (uint32_t)job.args.index;
	job.parent = (int)getppid();
	pthread_mutex_init(&job.lock, NULL);
	job.ruler = demo_ruler_map(job.args.ruler, 0);
	if (!job.ruler)
		return TOOL_MEMORY;
	job.bus = weir_open(DEMO_BUS, .dir = job.args.dir, .node = names[job.args.index],
		.flags = WEIR_BUS_QUIET | WEIR_BUS_NO_SIGNALS, .on_event = on_event,
		.ctx = &job);
	rc = weir_why(job.bus)->code ? tool_fail(weir_why(job.bus)) : work(&job);
	int closing = weir_close(job.bus);
	if (job.orphan)
		demo_clear(job.args.dir);
	return rc ? rc : closing;
}

const struct tool_verb verb_demo_consumer = {
	"_demo-consumer", "", "", NULL, NULL, run, 1, 0};
