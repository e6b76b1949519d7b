/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/lib/row.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "bench/lib/clock.h"
#include "bench_commit.h"

static int as_json;
static char machine[512];

struct bench_row
bench_row_of(const char *name, const char *peer, const char *work)
{
	return (struct bench_row){.name = name,
		.peer = peer,
		.work = work,
		.size = NAN,
		.publishers = NAN,
		.subscribers = NAN,
		.msgs_per_s = NAN,
		.delivered_per_s = NAN,
		.lost = NAN,
		.p50_ns = NAN,
		.p99_ns = NAN,
		.p999_ns = NAN,
		.max_ns = NAN,
		.value = NAN,
		.ratio = NAN,
		.lo = NAN,
		.hi = NAN,
		.runs = 1};
}

void
bench_row_ratio(struct bench_row *row, const char *of, struct stat_median ratio)
{
	row->ratio_of = of;
	row->ratio = ratio.median;
	row->lo = ratio.lo;
	row->hi = ratio.hi;
	row->runs = ratio.runs;
}

/* The processor as /proc/cpuinfo names it, without runs of blanks. */
static void
cpu_name(char *name, size_t size)
{
	snprintf(name, size, "unknown processor");
	FILE *file = fopen("/proc/cpuinfo", "re");
	if (!file)
		return;
	char line[256];
	while (fgets(line, sizeof line, file)) {
		char *colon = strchr(line, ':');
		if (!colon ||
			(strncmp(line, "model name", 10) != 0 &&
				strncmp(line, "CPU part", 8) != 0))
			continue;
		size_t n = 0;
		for (char *c = colon + 1; *c && n + 1 < size; c++)
			if (!isspace((unsigned char)*c))
				name[n++] = *c;
			else if (n && name[n - 1] != ' ')
				name[n++] = ' ';
		while (n && name[n - 1] == ' ')
			n--;
		name[n] = 0;
		break;
	}
	fclose(file);
}

void
bench_row_begin(int json)
{
	char cpu[96];
	struct utsname os;
	as_json = json;
	cpu_name(cpu, sizeof cpu);
	uname(&os);
	snprintf(machine, sizeof machine, "%s, %d cores, %s %s %s", cpu, bench_cores(),
		os.sysname, os.release, os.machine);
}

const char *
bench_machine(void)
{
	return machine;
}

const char *
bench_commit(void)
{
	const char *given = getenv("WEIR_COMMIT");
	return given && *given ? given : BENCH_COMMIT;
}

static void
put_text(const char *key, const char *text)
{
	printf("\"%s\":", key);
	if (!text) {
		printf("null");
		return;
	}
	putchar('"');
	for (const char *c = text; *c; c++) {
		if (*c == '"' || *c == '\\')
			printf("\\%c", *c);
		else if ((unsigned char)*c < 0x20)
			printf("\\u%04x", (unsigned)(unsigned char)*c);
		else
			putchar(*c);
	}
	putchar('"');
}

static void
put_number(const char *key, double value)
{
	if (isfinite(value))
		printf("\"%s\":%.10g", key, value);
	else
		printf("\"%s\":null", key);
}

static void
print_json(const struct bench_row *r)
{
	const struct {
		const char *key;
		double value;
	} counts[] = {{"size", r->size}, {"publishers", r->publishers},
		{"subscribers", r->subscribers}},
	  figures[] = {{"msgs_per_s", r->msgs_per_s},
		  {"delivered_per_s", r->delivered_per_s}, {"lost", r->lost},
		  {"p50_ns", r->p50_ns}, {"p99_ns", r->p99_ns}, {"p999_ns", r->p999_ns},
		  {"max_ns", r->max_ns}, {"value", r->value}},
	  ratios[] = {{"ratio", r->ratio}, {"lo", r->lo}, {"hi", r->hi}};
	printf("{");
	put_text("case", r->name), putchar(',');
	put_text("peer", r->peer), putchar(',');
	put_text("work", r->work), putchar(',');
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
		put_number(counts[i].key, counts[i].value), putchar(',');
	put_text("wait", r->wait), putchar(',');
	for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
		put_number(figures[i].key, figures[i].value), putchar(',');
	put_text("unit", r->unit), putchar(',');
	put_text("ratio_of", r->ratio_of), putchar(',');
	for (size_t i = 0; i < sizeof ratios / sizeof *ratios; i++)
		put_number(ratios[i].key, ratios[i].value), putchar(',');
	printf("\"runs\":%d,", r->runs);
	put_text("machine", machine), putchar(',');
	put_text("commit", bench_commit());
	printf("}\n");
}

const char *
bench_row_number(double value, char *buf, size_t size)
{
	static const struct {
		double from, unit;
		const char *suffix;
	} steps[] = {{1e9, 1e9, " G"}, {1e6, 1e6, " M"}, {1e4, 1e3, " k"}};
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		if (value >= steps[i].from) {
			snprintf(buf, size, "%.2f%s", value / steps[i].unit,
				steps[i].suffix);
			return buf;
		}
	snprintf(buf, size, "%.4g", value);
	return buf;
}

static void
goal_text(const struct bench_row *row, struct bench_goal goal, int met, char *buf,
	size_t size)
{
	char aim[48] = "";
	if (goal.aim > 0)
		snprintf(aim, sizeof aim, " (aim %g)", goal.aim);
	snprintf(buf, size, "goal %s %g%s%s%s: %s",
		goal.kind == GOAL_AT_MOST ? "<=" : ">=", goal.limit,
		row->ratio_of ? "" : " ", row->ratio_of || !row->unit ? "" : row->unit,
		aim,
		met < 0       ? "not measured"
			: met ? "met"
			      : "MISSED");
}

static void
print_table(const struct bench_row *r, const char *goal)
{
	char what[80], buf[40];
	snprintf(what, sizeof what, "%s %s", r->peer ? r->peer : "",
		r->work ? r->work : "");
	printf("%-11s %-44s", r->name, what);
	if (isfinite(r->size))
		printf(" %6.0f B", r->size);
	else
		printf("         ");
	if (isfinite(r->delivered_per_s))
		printf("  %s/s", bench_row_number(r->delivered_per_s, buf, sizeof buf));
	if (isfinite(r->p50_ns))
		printf("  p50 %.0f  p99 %.0f  p99.9 %.0f  max %.0f ns", r->p50_ns,
			r->p99_ns, r->p999_ns, r->max_ns);
	if (isfinite(r->value))
		printf("  %s %s", bench_row_number(r->value, buf, sizeof buf),
			r->unit ? r->unit : "");
	if (isfinite(r->lost) && r->lost > 0)
		printf("  LOST %.0f", r->lost);
	if (r->ratio_of)
		printf("  = %.3f [%.3f-%.3f] x %s", r->ratio, r->lo, r->hi, r->ratio_of);
	printf("  (%d run%s)", r->runs, r->runs == 1 ? "" : "s");
	if (goal)
		printf("  %s", goal);
	printf("\n");
}

int
bench_row_print(const struct bench_row *row, struct bench_goal goal)
{
	double figure = row->ratio_of  ? row->ratio
		: isfinite(row->value) ? row->value
				       : row->p50_ns;
	int met = !isfinite(figure)         ? -1
		: goal.kind == GOAL_AT_MOST ? figure <= goal.limit
					    : figure >= goal.limit;
	char text[160];
	goal_text(row, goal, met, text, sizeof text);
	if (as_json) {
		print_json(row);
		char bytes[32] = "";
		if (isfinite(row->size))
			snprintf(bytes, sizeof bytes, " %.0f B", row->size);
		if (goal.kind != GOAL_NONE)
			fprintf(stderr, "%s: %s %s%s%s%s: %.4g, %s\n", row->name,
				row->peer, row->work, bytes, row->ratio_of ? " / " : "",
				row->ratio_of ? row->ratio_of : "", figure, text);
	} else {
		print_table(row, goal.kind == GOAL_NONE ? NULL : text);
	}
	fflush(stdout);
	return goal.kind == GOAL_NONE || met == 1;
}

void
bench_row_median(struct bench_row row, struct stat_median m, double at_most)
{
	row.value = m.median;
	row.runs = m.runs;
	(void)bench_row_print(&row,
		(struct bench_goal){at_most > 0 ? GOAL_AT_MOST : GOAL_NONE, at_most, 0});
	bench_row_note(
		"%s, %s: %.2f to %.2f %s", row.peer, row.work, m.lo, m.hi, row.unit);
}

void
bench_row_note(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vfprintf(as_json ? stderr : stdout, format, args);
	va_end(args);
	fputc('\n', as_json ? stderr : stdout);
	fflush(stdout);
}
