/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The demo while it runs: a table that is redrawn, or a line a second. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <weir/look.h>
#include <weir/options.h>

#include "tools/consumer.h"
#include "tools/demo.h"
#include "tools/text.h"
#include "tools/tool.h"

/* ---- numbers ------------------------------------------------------------------------ */

static double
seconds_between(uint64_t from, uint64_t to)
{
	return to > from ? (double)(to - from) / 1e9 : 0;
}

double
demo_elapsed(const struct demo *demo)
{
	return seconds_between(
		demo->start_ns, demo->end_ns ? demo->end_ns : weir_now_ns());
}

struct text
demo_since(const struct demo *demo, uint64_t time_ns)
{
	struct text t = {"-"};
	if (time_ns)
		snprintf(t.s, sizeof(t.s), "%.1f s",
			seconds_between(demo->start_ns, time_ns));
	return t;
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

static int
is_left(const struct demo_taken *taken)
{
	int left = 0;
	for (int i = 0; i < DEMO_STREAMS_MAX; i++)
		left |= taken->stream[i].left != 0;
	return left;
}

/* Its tier, as its loop shows it: also of one whose handler does not return, and reports
 * nothing. "": it is the first one, or none is shown. */
static const char *
tier_of(struct demo *demo, const struct demo_child *child)
{
#if WEIR_METRICS
	size_t count;
	if (!demo->look) {
		demo->look = weir_look_open(DEMO_BUS, demo->dir, NULL);
		if (demo->look)
			(void)weir_look_refresh(demo->look, 0);
	}
	if (!demo->look || weir_look_roster(demo->look, 0) < 0)
		return "";
	const weir_look_consumer *all = weir_look_consumers(demo->look, &count);
	for (size_t i = 0; i < count; i++) {
		if (all[i].pid == (uint32_t)child->pid && all[i].subscription)
			return all[i].tier > 0 ? consumer_tier(all[i].tier) : "";
	}
#else
	(void)demo, (void)child;
#endif
	return "";
}

static void
draw_consumer(struct demo *demo, struct demo_child *child)
{
	const struct demo_taken *taken = &child->last.taken;
	double rate = rate_of(child, taken->delivered, child->before.taken.delivered);
	uint64_t untold = taken->holes > taken->lost ? taken->holes - taken->lost : 0;
	uint64_t bad = taken->damaged + untold;
	const char *tier = child == &demo->child[DEMO_SLOW] ? tier_of(demo, child) : "";
	int left = is_left(taken);
	/* With its tier it has to fit into a line. */
	const char *state = left && *tier ? "left/"
		: left                    ? "left behind"
		: *tier                   ? ""
					  : "waited for";
	line(demo, "%-8s %11s %8s %6s %7s %3s %8s %8s  %s%s", child->name,
		text_count(taken->delivered).s, text_rate(rate).s,
		text_count(taken->lag).s, text_count(taken->lost).s, text_count(bad).s,
		text_ns((double)taken->recent_p50).s,
		text_ns((double)taken->recent_p99).s, state, tier);
	move_on(child);
}

#define STREAM_ROW "%-11s %7s %5s  %-12s %8s %9s %5s %8s"

static void
draw_streams(struct demo *demo)
{
	const struct demo_taken *taken = &demo->child[DEMO_SLOW].last.taken;
	for (int i = 0; i < DEMO_STREAMS_MAX; i++) {
		const struct demo_stream *told = &taken->stream[i];
		if (!told->detached) {
			line(demo, "%s", "");
			continue;
		}
		line(demo, STREAM_ROW, told->topic, demo_since(demo, told->detached_ns).s,
			text_count(told->detached).s, weir_err_name((int)told->code),
			text_ns((double)told->stalled_ns).s, text_count(told->lost).s,
			text_count(told->gaps).s,
			told->left ? "-" : demo_since(demo, told->returned_ns).s);
	}
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
		text_bytes((double)made->bytes).s, demo_elapsed(demo));
	move_on(source);
	line(demo, "%s", "");
	line(demo, "%s%-8s %11s %8s %6s %7s %3s %8s %8s  %s%s", bold, "CONSUMER",
		"DELIVERED", "RATE", "LAG", "LOST", "BAD", "P50", "P99", "STATE", plain);
	for (int i = 0; i < DEMO_CONSUMERS; i++)
		draw_consumer(demo, &demo->child[i]);
	line(demo, "%s", "");
	line(demo, "%s" STREAM_ROW "%s", bold, "SLOW ON", "LEFT AT", "TIMES", "WHY",
		"STALLED", "LOST", "GAPS", "BACK AT", plain);
	draw_streams(demo);
	line(demo, "%s", "");
	if (demo->child[0].last.taken.fact[0])
		line(demo, "The content says: %s", demo->child[0].last.taken.fact);
	else
		line(demo, "%s", "");
	line(demo,
		"'slow' takes %d ms for each message from %.1f s to %.1f s, on purpose.",
		DEMO_SLOW_MS, (double)demo_slow_from(0, demo->seconds_ms) / 1e9,
		(double)demo_slow_until(0, demo->seconds_ms) / 1e9);
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
			"each LAG/P99", "batch LAG/P99", "slow LAG/P99");
	printf("%4.0f s %12s %9s", demo_elapsed(demo), text_count(published(demo)).s,
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

static void
say_stream(const struct demo *demo, const struct demo_child *child, int i)
{
	const struct demo_stream *told = &child->last.taken.stream[i];
	const struct demo_stream *said = &child->said.taken.stream[i];
	if (told->detached > said->detached)
		printf("%6s  %s: %s no longer waits for it: %s, stalled %s\n",
			demo_since(demo, told->detached_ns).s, child->name, told->topic,
			weir_err_name((int)told->code),
			text_ns((double)told->stalled_ns).s);
	if (told->returned > said->returned && !told->left)
		printf("%6s  %s: %s waits for it again; lost %s, as %s messages told it\n",
			demo_since(demo, told->returned_ns).s, child->name, told->topic,
			text_count(told->lost).s, text_count(told->gaps).s);
}

void
demo_happened(struct demo *demo, struct demo_child *child)
{
	if (tool.out != TOOL_TABLE || demo->live || child == &demo->child[DEMO_SOURCE])
		return;
	for (int i = 0; i < DEMO_STREAMS_MAX; i++)
		say_stream(demo, child, i);
	child->said = child->last;
}
