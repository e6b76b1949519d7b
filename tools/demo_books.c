/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The books of the demo: what was published, and what became of it with each consumer. */
#include <inttypes.h>
#include <stdio.h>

#include "tools/demo.h"
#include "tools/json.h"
#include "tools/text.h"
#include "tools/tool.h"

/* ---- who has what --------------------------------------------------------------------- */

static uint64_t
waiting_of(const struct demo *demo, const struct demo_child *child)
{
	uint64_t claimed = demo->child[DEMO_SOURCE].last.made.claimed;
	uint64_t passed = child->last.taken.passed;
	return claimed > passed ? claimed - passed : 0;
}

static int
is_slow(const struct demo *demo, const struct demo_child *child)
{
	return child == &demo->child[DEMO_SLOW];
}

/*
 * Counts that were made apart: the source's, by the messages that it committed; the
 * consumer's, by the messages that it saw, and what they told it of others; the position,
 * by the numbers in them; and the library's, by reason.
 */
static int
balances(const struct demo *demo, const struct demo_child *child)
{
	const struct demo_made *made = &demo->child[DEMO_SOURCE].last.made;
	const struct demo_taken *taken = &child->last.taken;
	uint64_t accounted = taken->delivered + taken->lost + waiting_of(demo, child);
	uint64_t reasons =
		taken->behind + taken->conflated + taken->expired + taken->gone;
	return made->published == made->stated && accounted == made->published &&
		taken->passed == taken->delivered + taken->lost + taken->aborted &&
		taken->lost == taken->stated && taken->lost == reasons;
}

static int
source_finished(const struct demo *demo)
{
	return demo->child[DEMO_SOURCE].last.phase == DEMO_FINAL;
}

/* What it had to have and has not. The slow one may lose, but only what it was told of: the
 * numbers in its messages say whether it was. */
static uint64_t
missed_by(const struct demo *demo, const struct demo_child *child)
{
	const struct demo_taken *taken = &child->last.taken;
	uint64_t missed = taken->lost > taken->holes ? taken->lost : taken->holes;
	if (is_slow(demo, child))
		missed -= taken->lost < taken->holes ? taken->lost : taken->holes;
	missed += taken->damaged;
	/* A source that died did not say how much it had published at the end. */
	if (!source_finished(demo))
		return missed;
	missed += waiting_of(demo, child);
	return missed ? missed : !balances(demo, child);
}

static uint64_t
healthy_missed(const struct demo *demo)
{
	uint64_t missed = 0;
	for (int i = 0; i < DEMO_CONSUMERS; i++) {
		if (i != DEMO_SLOW)
			missed += missed_by(demo, &demo->child[i]);
	}
	return missed;
}

static uint64_t
all_missed(const struct demo *demo)
{
	return healthy_missed(demo) + missed_by(demo, &demo->child[DEMO_SLOW]);
}

/* ---- for a person ---------------------------------------------------------------------- */

static void
heads(struct table *t, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		table_add(t, "%s", names[i]);
}

/* "34,337 behind" */
static void
add_reasons(struct table *t, const struct demo_taken *taken)
{
	const struct {
		uint64_t count;
		const char *name;
	} reasons[] = {{taken->behind, "behind"}, {taken->conflated, "conflated"},
		{taken->expired, "expired"}, {taken->gone, "gone"}};
	char words[128] = "";
	size_t used = 0;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (reasons[i].count && used < sizeof(words))
			used += (size_t)snprintf(words + used, sizeof(words) - used,
				"%s%s %s", used ? ", " : "",
				text_count(reasons[i].count).s, reasons[i].name);
	}
	table_add(t, "%s", used ? words : "-");
}

static void
print_books(const struct demo *demo)
{
	static const char *const names[] = {"CONSUMER", "PUBLISHED =", "DELIVERED +",
		"LOST +", "WAITING", "ABORTED", "LOST BY REASON"};
	const struct demo_made *made = &demo->child[DEMO_SOURCE].last.made;
	struct table t;
	table_init(&t, "lrrrrrl");
	heads(&t, names, sizeof(names) / sizeof(names[0]));
	for (int i = 0; i < DEMO_CONSUMERS; i++) {
		const struct demo_child *child = &demo->child[i];
		const struct demo_taken *taken = &child->last.taken;
		table_add(&t, "%s", child->name);
		table_add(&t, "%s", text_count(made->published).s);
		table_add(&t, "%s", text_count(taken->delivered).s);
		table_add(&t, "%s", text_count(taken->lost).s);
		table_add(&t, "%s", text_count(waiting_of(demo, child)).s);
		table_add(&t, "%s", text_count(taken->aborted).s);
		add_reasons(&t, taken);
	}
	table_print(&t, stdout, tool_color());
}

static void
add_delay(struct table *t, const struct demo_delay *delay, uint64_t value)
{
	table_add(t, "%s", delay->count ? text_ns((double)value).s : "-");
}

/* From the commit to the handler, of what was committed in each part of the run. */
static void
print_delays(const struct demo *demo)
{
	static const char *const names[] = {"CONSUMER", "P50 BEFORE", "DURING", "AFTER",
		"P99 BEFORE", "DURING", "AFTER"};
	struct table t;
	table_init(&t, "lrrrrrr");
	heads(&t, names, sizeof(names) / sizeof(names[0]));
	for (int i = 0; i < DEMO_CONSUMERS; i++) {
		const struct demo_delay *part = demo->child[i].last.taken.part;
		table_add(&t, "%s", demo->child[i].name);
		for (int p = 0; p < DEMO_PARTS; p++)
			add_delay(&t, &part[p], part[p].p50);
		for (int p = 0; p < DEMO_PARTS; p++)
			add_delay(&t, &part[p], part[p].p99);
	}
	table_print(&t, stdout, tool_color());
}

/* What befell the slow one, stream by stream. */
static void
print_streams(const struct demo *demo)
{
	static const char *const names[] = {"SLOW ON", "LEFT AT", "TIMES", "WHY",
		"STALLED", "LOST", "GAPS", "BACK AT"};
	const struct demo_taken *taken = &demo->child[DEMO_SLOW].last.taken;
	struct table t;
	table_init(&t, "lrrlrrrr");
	heads(&t, names, sizeof(names) / sizeof(names[0]));
	for (int i = 0; i < DEMO_STREAMS_MAX; i++) {
		const struct demo_stream *told = &taken->stream[i];
		if (!told->topic[0])
			continue;
		table_add(&t, "%s", told->topic);
		table_add(&t, "%s", demo_since(demo, told->detached_ns).s);
		table_add(&t, "%s", text_count(told->detached).s);
		table_add(&t, "%s", told->detached ? weir_err_name((int)told->code) : "-");
		table_add(&t, "%s", text_ns((double)told->stalled_ns).s);
		table_add(&t, "%s", text_count(told->lost).s);
		table_add(&t, "%s", text_count(told->gaps).s);
		table_add(&t, "%s",
			told->left ? "-" : demo_since(demo, told->returned_ns).s);
	}
	table_print(&t, stdout, tool_color());
}

static void
verdict(const struct demo *demo, uint64_t missed)
{
	const struct demo_child *slow = &demo->child[DEMO_SLOW];
	for (int i = 0; i < DEMO_CONSUMERS; i++) {
		const struct demo_child *child = &demo->child[i];
		uint64_t by = missed_by(demo, child);
		if (by && !balances(demo, child))
			printf("%s: the books do not balance.\n", child->name);
		else if (by)
			printf("%s missed %s messages.\n", child->name, text_count(by).s);
	}
	if (!source_finished(demo))
		printf("The source did not come to its end, so the books cannot be closed.\n");
	else if (missed)
		printf("The healthy ones lost %s.\n",
			healthy_missed(demo) ? "something: that must not be" : "nothing");
	else if (slow->last.taken.lost)
		printf("The books balance: the healthy ones lost nothing; "
		       "%s was told of all it lost.\n",
			slow->name);
	else
		printf("The books balance: every consumer had every message, in order, intact.\n");
}

uint64_t
demo_summary(const struct demo *demo)
{
	const struct demo_made *made = &demo->child[DEMO_SOURCE].last.made;
	uint64_t missed = all_missed(demo);
	printf("\n%s messages, %s in %.1f s.\nThe source waited %s times for room, %s in all.\n\n",
		text_count(made->published).s, text_bytes((double)made->bytes).s,
		demo_elapsed(demo), text_count(made->waits).s,
		text_ns((double)made->wait_ns).s);
	print_books(demo);
	putchar('\n');
	print_delays(demo);
	putchar('\n');
	if (demo->child[DEMO_SLOW].last.taken.stream[0].topic[0]) {
		print_streams(demo);
		putchar('\n');
	}
	verdict(demo, missed);
	return missed;
}

/* ---- for a program --------------------------------------------------------------------- */

static void
delay_json(struct json *j, const char *name, const struct demo_delay *delay)
{
	json_object(j, name);
	json_u64(j, "messages", delay->count);
	if (delay->count) {
		json_u64(j, "p50_ns", delay->p50);
		json_u64(j, "p99_ns", delay->p99);
	} else {
		json_null(j, "p50_ns");
		json_null(j, "p99_ns");
	}
	json_end_object(j);
}

static void
when_json(struct json *j, const char *name, uint64_t time_ns)
{
	if (time_ns)
		json_u64(j, name, time_ns);
	else
		json_null(j, name);
}

static void
stream_json(struct json *j, const struct demo_stream *told)
{
	json_object(j, NULL);
	json_str(j, "topic", told->topic);
	json_u64(j, "lost", told->lost);
	json_u64(j, "gaps", told->gaps);
	json_u64(j, "detached", told->detached);
	json_u64(j, "returned", told->returned);
	json_bool(j, "waited_for", !told->left);
	json_str(j, "why", told->detached ? weir_err_name((int)told->code) : NULL);
	json_u64(j, "stalled_ns", told->stalled_ns);
	when_json(j, "detached_ns", told->detached_ns);
	when_json(j, "returned_ns", told->returned_ns);
	json_end_object(j);
}

static void
streams_json(struct json *j, const struct demo_taken *taken)
{
	json_array(j, "streams");
	for (int i = 0; i < DEMO_STREAMS_MAX; i++) {
		if (taken->stream[i].topic[0])
			stream_json(j, &taken->stream[i]);
	}
	json_end_array(j);
}

static void
consumer_json(struct json *j, const struct demo *demo, const struct demo_child *child)
{
	const struct demo_taken *taken = &child->last.taken;
	json_object(j, NULL);
	json_str(j, "name", child->name);
	json_i64(j, "pid", child->pid);
	json_u64(j, "published", demo->child[DEMO_SOURCE].last.made.published);
	json_u64(j, "delivered", taken->delivered);
	json_u64(j, "lost", taken->lost);
	json_u64(j, "lost_behind", taken->behind);
	json_u64(j, "lost_conflated", taken->conflated);
	json_u64(j, "lost_expired", taken->expired);
	json_u64(j, "lost_gone", taken->gone);
	json_u64(j, "waiting", waiting_of(demo, child));
	json_u64(j, "held", taken->held);
	json_u64(j, "aborted", taken->aborted);
	json_u64(j, "holes", taken->holes);
	json_u64(j, "damaged", taken->damaged);
	json_u64(j, "missed", missed_by(demo, child));
	json_bool(j, "slow", is_slow(demo, child));
	json_bool(j, "balanced", balances(demo, child));
	json_bool(j, "finished", child->last.phase == DEMO_FINAL);
	json_u64(j, "p50_ns", taken->p50);
	json_u64(j, "p99_ns", taken->p99);
	json_u64(j, "max_ns", taken->max);
	delay_json(j, "before", &taken->part[DEMO_BEFORE]);
	delay_json(j, "during", &taken->part[DEMO_DURING]);
	delay_json(j, "after", &taken->part[DEMO_AFTER]);
	streams_json(j, taken);
	json_end_object(j);
}

uint64_t
demo_summary_json(const struct demo *demo)
{
	const struct demo_child *source = &demo->child[DEMO_SOURCE];
	const struct demo_made *made = &source->last.made;
	uint64_t missed = all_missed(demo);
	struct json j;
	json_init(&j, stdout);
	json_object(&j, NULL);
	json_object(&j, "source");
	json_str(&j, "kind", demo->kind);
	json_i64(&j, "pid", source->pid);
	json_real(&j, "seconds", demo_elapsed(demo));
	json_u64(&j, "published", made->published);
	json_u64(&j, "bytes", made->bytes);
	json_u64(&j, "aborted", made->aborted);
	json_u64(&j, "waits", made->waits);
	json_u64(&j, "wait_ns", made->wait_ns);
	json_u64(&j, "stalled_ns", made->stalled_ns);
	json_u64(&j, "detached", made->detached);
	json_u64(&j, "returned", made->returned);
	when_json(&j, "start_ns", demo->start_ns);
	json_end_object(&j);
	json_array(&j, "consumers");
	for (int i = 0; i < DEMO_CONSUMERS; i++)
		consumer_json(&j, demo, &demo->child[i]);
	json_end_array(&j);
	json_u64(&j, "missed", missed);
	json_u64(&j, "healthy_missed", healthy_missed(demo));
	json_u64(&j, "quota_bytes", DEMO_QUOTA);
	json_real(&j, "slow_from", (double)demo_slow_from(0, demo->seconds_ms) / 1e9);
	json_real(&j, "slow_until", (double)demo_slow_until(0, demo->seconds_ms) / 1e9);
	json_str(&j, "fact", demo->child[0].last.taken.fact);
	json_bool(&j, "interrupted", demo->interrupted);
	json_end_object(&j);
	return missed;
}
