/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The demo as a person sees it: a table that is redrawn, a line a second, the books. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tools/demo.h"
#include "tools/json.h"
#include "tools/text.h"
#include "tools/tool.h"

/* ---- numbers ------------------------------------------------------------------------ */

static double
seconds_between(uint64_t from, uint64_t to)
{
	return to > from ? (double)(to - from) / 1e9 : 0;
}

static double
elapsed(const struct demo *demo)
{
	return seconds_between(
		demo->start_ns, demo->end_ns ? demo->end_ns : weir_now_ns());
}

/* By the ruler, since the reports of five processes are not of the same moment. */
static uint64_t
published(const struct demo *demo)
{
	uint64_t reported = demo->child[DEMO_SOURCE].last.made.published;
	return demo->end_ns ? reported : demo->measure->claimed;
}

/* Keeps a report of about a second ago, so that rates are of the last second. */
static void
move_on(struct demo_child *child)
{
	if (child->last.time_ns - child->before.time_ns >= 1000000000)
		child->before = child->last;
}

static double
rate_of(const struct demo_child *child, uint64_t last, uint64_t before)
{
	double seconds = seconds_between(child->before.time_ns, child->last.time_ns);
	return child->before.time_ns && seconds > 0 ? (double)(last - before) / seconds
						    : 0;
}

static uint64_t
waiting_of(const struct demo *demo, const struct demo_child *child)
{
	uint64_t claimed = demo->child[DEMO_SOURCE].last.made.claimed;
	uint64_t passed = child->last.taken.passed;
	return claimed > passed ? claimed - passed : 0;
}

/*
 * Three counts that were made apart: the source's, by the messages that it committed; the
 * consumer's, by the messages that it saw; and the position, by the numbers in them.
 */
int
demo_balances(const struct demo *demo, const struct demo_child *child)
{
	const struct demo_made *made = &demo->child[DEMO_SOURCE].last.made;
	const struct demo_taken *taken = &child->last.taken;
	uint64_t accounted = taken->delivered + taken->lost + waiting_of(demo, child);
	return made->published == made->stated && accounted == made->published &&
		taken->passed == taken->delivered + taken->lost + taken->aborted;
}

static int
source_finished(const struct demo *demo)
{
	return demo->child[DEMO_SOURCE].last.phase == DEMO_FINAL;
}

static uint64_t
missed_by(const struct demo *demo, const struct demo_child *child)
{
	const struct demo_taken *taken = &child->last.taken;
	uint64_t missed = taken->lost > taken->holes ? taken->lost : taken->holes;
	missed += taken->damaged;
	/* A source that died did not say how much it had published at the end. */
	if (!source_finished(demo))
		return missed;
	missed += waiting_of(demo, child);
	return missed ? missed : !demo_balances(demo, child);
}

/* ---- the table ---------------------------------------------------------------------- */

/* One line, with what stood there before cleared away. */
static void line(struct demo *demo, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void
line(struct demo *demo, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	fputs("\033[K\n", stdout);
	demo->lines_drawn++;
}

static void
draw_consumer(struct demo *demo, struct demo_child *child)
{
	const struct demo_taken *taken = &child->last.taken;
	double rate = rate_of(child, taken->delivered, child->before.taken.delivered);
	uint64_t bad = taken->damaged + taken->holes;
	line(demo, "%-8s %12s %9s %7s %5s %5s %9s %9s", child->name,
		text_count(taken->delivered).s, text_rate(rate).s,
		text_count(taken->lag).s, text_count(taken->lost).s, text_count(bad).s,
		text_ns((double)taken->recent_p50).s,
		text_ns((double)taken->recent_p99).s);
	move_on(child);
}

void
demo_draw(struct demo *demo)
{
	struct demo_child *source = &demo->child[DEMO_SOURCE];
	const struct demo_made *made = &source->last.made;
	const char *bold = tool_color() ? "\033[1m" : "";
	const char *plain = tool_color() ? "\033[0m" : "";
	/* Without wrapping, a narrow terminal cuts lines and the count of them stays right. */
	printf("\033[?25l\033[?7l");
	if (demo->lines_drawn)
		printf("\033[%dA", demo->lines_drawn);
	demo->lines_drawn = 0;
	line(demo, "%s", "");
	line(demo, "%s%-8s %12s %9s %9s %9s%s", bold, "SOURCE", "PUBLISHED", "RATE",
		"BYTES", "TIME", plain);
	line(demo, "%-8s %12s %9s %9s %7.1f s", demo->kind, text_count(published(demo)).s,
		text_rate(rate_of(source, made->published, source->before.made.published))
			.s,
		text_bytes((double)made->bytes).s, elapsed(demo));
	move_on(source);
	line(demo, "%s", "");
	line(demo, "%s%-8s %12s %9s %7s %5s %5s %9s %9s%s", bold, "CONSUMER",
		"DELIVERED", "RATE", "LAG", "LOST", "BAD", "P50", "P99", plain);
	for (int i = 0; i < DEMO_CONSUMERS; i++)
		draw_consumer(demo, &demo->child[i]);
	line(demo, "%s", "");
	if (demo->child[0].last.taken.fact[0])
		line(demo, "The content says: %s", demo->child[0].last.taken.fact);
	else
		line(demo, "%s", "");
	line(demo, "'nap' looks every 20 ms on purpose: its lag and delay are its own.");
	printf("\033[?7h");
	fflush(stdout);
}

void
demo_draw_end(struct demo *demo)
{
	if (demo->live)
		printf("\033[?7h\033[?25h");
	fflush(stdout);
}

void
demo_line(struct demo *demo)
{
	struct demo_child *source = &demo->child[DEMO_SOURCE];
	const struct demo_made *made = &source->last.made;
	if (!demo->lines_drawn++)
		printf("%6s %12s %9s  %14s  %14s  %14s\n", "TIME", "PUBLISHED", "RATE",
			"each LAG/P99", "batch LAG/P99", "nap LAG/P99");
	printf("%4.0f s %12s %9s", elapsed(demo), text_count(published(demo)).s,
		text_rate(rate_of(source, made->published, source->before.made.published))
			.s);
	move_on(source);
	for (int i = 0; i < DEMO_CONSUMERS; i++) {
		const struct demo_taken *taken = &demo->child[i].last.taken;
		char cell[64];
		snprintf(cell, sizeof(cell), "%s/%s", text_count(taken->lag).s,
			text_ns((double)taken->recent_p99).s);
		printf("  %14s", cell);
	}
	putchar('\n');
	fflush(stdout);
}

/* ---- the books ---------------------------------------------------------------------- */

static void
verdict(const struct demo *demo, uint64_t missed)
{
	for (int i = 0; i < DEMO_CONSUMERS; i++) {
		const struct demo_child *child = &demo->child[i];
		uint64_t by = missed_by(demo, child);
		if (by && !demo_balances(demo, child))
			printf("%s: the books do not balance.\n", child->name);
		else if (by)
			printf("%s missed %s messages.\n", child->name, text_count(by).s);
	}
	if (!source_finished(demo))
		printf("The source did not come to its end, so the books cannot be closed.\n");
	else if (!missed)
		printf("The books balance: every consumer had every message, in order, intact.\n");
}

uint64_t
demo_summary(const struct demo *demo)
{
	const struct demo_made *made = &demo->child[DEMO_SOURCE].last.made;
	struct table t;
	static const char *const heads[] = {"CONSUMER", "PUBLISHED =", "DELIVERED +",
		"LOST +", "WAITING", "ABORTED", "P50", "P99"};
	uint64_t missed = 0;
	printf("\n%s messages, %s in %.1f s; the source waited %s times for room.\n\n",
		text_count(made->published).s, text_bytes((double)made->bytes).s,
		elapsed(demo), text_count(made->waits).s);
	table_init(&t, "lrrrrrrr");
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		table_add(&t, "%s", heads[i]);
	for (int i = 0; i < DEMO_CONSUMERS; i++) {
		const struct demo_child *child = &demo->child[i];
		const struct demo_taken *taken = &child->last.taken;
		missed += missed_by(demo, child);
		table_add(&t, "%s", child->name);
		table_add(&t, "%s", text_count(made->published).s);
		table_add(&t, "%s", text_count(taken->delivered).s);
		table_add(&t, "%s", text_count(taken->lost).s);
		table_add(&t, "%s", text_count(waiting_of(demo, child)).s);
		table_add(&t, "%s", text_count(taken->aborted).s);
		table_add(&t, "%s", text_ns((double)taken->p50).s);
		table_add(&t, "%s", text_ns((double)taken->p99).s);
	}
	table_print(&t, stdout, tool_color());
	putchar('\n');
	verdict(demo, missed);
	return missed;
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
	json_u64(j, "waiting", waiting_of(demo, child));
	json_u64(j, "held", taken->held);
	json_u64(j, "aborted", taken->aborted);
	json_u64(j, "holes", taken->holes);
	json_u64(j, "damaged", taken->damaged);
	json_u64(j, "missed", missed_by(demo, child));
	json_bool(j, "balanced", demo_balances(demo, child));
	json_bool(j, "finished", child->last.phase == DEMO_FINAL);
	json_u64(j, "p50_ns", taken->p50);
	json_u64(j, "p99_ns", taken->p99);
	json_u64(j, "max_ns", taken->max);
	json_end_object(j);
}

uint64_t
demo_summary_json(const struct demo *demo)
{
	const struct demo_child *source = &demo->child[DEMO_SOURCE];
	const struct demo_made *made = &source->last.made;
	uint64_t missed = 0;
	struct json j;
	json_init(&j, stdout);
	json_object(&j, NULL);
	json_object(&j, "source");
	json_str(&j, "kind", demo->kind);
	json_i64(&j, "pid", source->pid);
	json_real(&j, "seconds", elapsed(demo));
	json_u64(&j, "published", made->published);
	json_u64(&j, "bytes", made->bytes);
	json_u64(&j, "aborted", made->aborted);
	json_u64(&j, "waits", made->waits);
	json_end_object(&j);
	json_array(&j, "consumers");
	for (int i = 0; i < DEMO_CONSUMERS; i++) {
		missed += missed_by(demo, &demo->child[i]);
		consumer_json(&j, demo, &demo->child[i]);
	}
	json_end_array(&j);
	json_u64(&j, "missed", missed);
	json_str(&j, "fact", demo->child[0].last.taken.fact);
	json_bool(&j, "interrupted", demo->interrupted);
	json_end_object(&j);
	return missed;
}
