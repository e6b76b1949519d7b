/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * bench-compare: what became slower? OLD and NEW hold lines that benchmarks print with
 * --json, of one run or of several. A row is worse when the 95 % intervals of the two do not
 * overlap and NEW is on the wrong side. Exit 0: nothing is worse. 1: something is. 2: could
 * not compare. 3 or 5: a file is not there, or may not be read. 7: no memory.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/lib/row.h"
#include "bench/lib/stat.h"

enum {
	NOTHING_WORSE = 0,
	WORSE_FOUND = 1,
	NOT_COMPARED = 2,
	NOT_THERE = 3,
	DENIED = 5,
	NO_MEMORY = 7
};

enum { OLD, NEW };
enum form { TABLE, JSON, JSONL };
enum better { UNKNOWN, LESS, MORE };
enum verdict { WORSE, BETTER, SAME, SHOWN, ONLY_OLD, ONLY_NEW, VERDICTS };
enum { TOLD_MAX = 10 }; /* wrong lines of one file that are told */

static const struct {
	const char *key, *words;
} verdicts[VERDICTS] = {
	[WORSE] = {"worse", "WORSE"},
	[BETTER] = {"better", "better"},
	[SAME] = {"same", "same"},
	[SHOWN] = {"shown", "shown"},
	[ONLY_OLD] = {"only_old", "only old"},
	[ONLY_NEW] = {"only_new", "only new"},
};

/* Why a row is shown without a judgement. */
static const char NOT_MEASURED[] = "not measured", NO_INTERVAL[] = "no 95 % interval",
		  NO_SIDE[] = "neither more nor less is better",
		  NOT_OURS[] = "not Weir's";

/* What a line may have measured. The first that it has is its figure, and what its ratio
 * was taken of: where there is a latency, the rate was given. */
static const struct figure {
	const char *key;
	const char *unit; /* NULL: the line names it */
	enum better better;
} figures[] = {{"p50_ns", "ns", LESS}, {"value", NULL, UNKNOWN},
	{"delivered_per_s", "/s", MORE}, {"msgs_per_s", "/s", MORE}};
enum { FIGURES = sizeof figures / sizeof *figures };

/* The units that values have; "calls" alone are of checks that something is counted. */
static const struct {
	const char *name;
	enum better better;
} units[] = {{"ns", LESS}, {"us", LESS}, {"ms", LESS}, {"s", LESS}, {"ns CPU", LESS},
	{"ms/s", LESS}, {"B", LESS}, {"KiB", LESS}, {"MiB", LESS}, {"B/s", MORE},
	{"calls in 2 x 10^6", LESS}, {"in 10^6 messages", LESS}, {"a message", LESS},
	{"yes", MORE}};
enum { UNITS = sizeof units / sizeof *units };

struct side {
	double *values; /* one a line; NaN where it could not be measured */
	int count, room;
	int sure;      /* so many came with a 95 % interval of their own, */
	double lo, hi; /* and this covers all of those */
};

/* The lines of both files that measured the same. */
struct row {
	json_t *line; /* the first of them */
	const struct figure *figure;
	struct side sides[2];
	struct stat_median says[2]; /* lo and hi are NaN where there is no interval */
	enum verdict verdict;
	const char *because; /* it is only shown */
};

struct file {
	const char *path;
	int line;     /* the one that is read */
	int taken;    /* so many hold a result */
	int wrong;    /* so many are malformed, or of another machine */
	char *commit; /* of the first result; NULL: of several */
};

static struct file files[2];
static struct row *rows;
static int row_count, row_room;
static struct {
	char *name;
	const char *path;
	int line;
} machine; /* of the first result, and where that was */

static struct {
	int form;
	int any_machine, quiet;
} options;

/* ---- what goes wrong ----------------------------------------------------------------- */

__attribute__((format(printf, 1, 2))) static void
complain(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fflush(stdout); /* comes first on a terminal */
	fprintf(stderr, "bench-compare: ");
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}

/* The line that is read is wrong: where, and what. */
__attribute__((format(printf, 2, 3))) static void
wrong(struct file *file, const char *format, ...)
{
	char text[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (file->wrong++ < TOLD_MAX)
		complain("%s:%d: %s", file->path, file->line, text);
}

/* The memory, or the end. */
static void *
need(void *memory)
{
	if (memory)
		return memory;
	complain("out of memory");
	exit(NO_MEMORY);
}

/* The array with room for one more. */
static void *
grown(void *array, int count, int *room, size_t size)
{
	if (count < *room)
		return array;
	*room = *room ? 2 * *room : 16;
	return need(realloc(array, (size_t)*room * size));
}

/* ---- what a line has to hold --------------------------------------------------------- */

enum kind { TEXT, TEXT_OR_NULL, NUMBER, WHOLE };

/* Fields may be added; these are there. Those first are what was measured: of two lines
 * that agree in them, one can be held against the other. */
static const struct {
	const char *key;
	enum kind kind;
	int what;
} fields[] = {{"case", TEXT, 1}, {"peer", TEXT_OR_NULL, 1}, {"work", TEXT_OR_NULL, 1},
	{"size", NUMBER, 1}, {"publishers", NUMBER, 1}, {"subscribers", NUMBER, 1},
	{"wait", TEXT_OR_NULL, 1}, {"ratio_of", TEXT_OR_NULL, 1},
	{"unit", TEXT_OR_NULL, 1}, {"msgs_per_s", NUMBER, 0},
	{"delivered_per_s", NUMBER, 0}, {"lost", NUMBER, 0}, {"p50_ns", NUMBER, 0},
	{"p99_ns", NUMBER, 0}, {"p999_ns", NUMBER, 0}, {"max_ns", NUMBER, 0},
	{"value", NUMBER, 0}, {"ratio", NUMBER, 0}, {"lo", NUMBER, 0}, {"hi", NUMBER, 0},
	{"runs", WHOLE, 0}, {"machine", TEXT, 0}, {"commit", TEXT, 0}};
enum { FIELDS = sizeof fields / sizeof *fields };

/* What is printed as it is must not steer a terminal. */
static int
is_plain(const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++)
		if (*c < 0x20 || *c == 0x7f || (*c == 0xc2 && c[1] < 0xa0))
			return 0;
	return 1;
}

static int
fits(const json_t *value, enum kind kind)
{
	switch (kind) {
	case TEXT_OR_NULL:
		if (json_is_null(value))
			return 1;
		/* fall through */
	case TEXT:
		return json_is_string(value) && is_plain(json_string_value(value));
	case NUMBER:
		return json_is_null(value) || json_is_number(value);
	case WHOLE:
		return json_is_integer(value) && json_integer_value(value) >= 0;
	}
	return 0;
}

static const char *
text_of(const json_t *line, const char *key)
{
	return json_string_value(json_object_get(line, key));
}

/* NaN for null. */
static double
number_of(const json_t *line, const char *key)
{
	const json_t *value = json_object_get(line, key);
	return json_is_number(value) ? json_number_value(value) : NAN;
}

/* The result of the line, or NULL after telling what is wrong with it. */
static json_t *
parse(struct file *file, const char *text, size_t len)
{
	static const char *const wanted[] = {[TEXT] = "a text of printable characters",
		[TEXT_OR_NULL] = "a text of printable characters, or null",
		[NUMBER] = "a number, or null",
		[WHOLE] = "a whole number"};
	json_error_t error;
	json_t *line = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!line || !json_is_object(line)) {
		/* What it found there is not for a terminal. */
		char *found = strstr(error.text, " near ");
		if (found)
			*found = 0;
		wrong(file,
			"%s; expected one JSON object, as weir bench CASE --json prints it",
			line ? "no object" : error.text);
		json_decref(line);
		return NULL;
	}
	for (int i = 0; i < FIELDS; i++) {
		const json_t *value = json_object_get(line, fields[i].key);
		if (value && fits(value, fields[i].kind))
			continue;
		wrong(file, "\"%s\" is %s; expected %s", fields[i].key,
			value ? "something else" : "missing", wanted[fields[i].kind]);
		json_decref(line);
		return NULL;
	}
	double ratio = number_of(line, "ratio");
	if (number_of(line, "lo") > ratio || number_of(line, "hi") < ratio) {
		wrong(file,
			"\"ratio\" lies outside of its interval; expected lo <= ratio <= hi");
		json_decref(line);
		return NULL;
	}
	return line;
}

/* ---- reading ------------------------------------------------------------------------- */

static int
same_machine(struct file *file, const json_t *line)
{
	const char *name = text_of(line, "machine");
	if (!machine.name) {
		machine.name = need(strdup(name));
		machine.path = file->path;
		machine.line = file->line;
	}
	if (options.any_machine || strcmp(machine.name, name) == 0)
		return 1;
	wrong(file,
		"measured on \"%s\", but %s:%d on \"%s\": no comparison, unless with "
		"--any-machine",
		name, machine.path, machine.line, machine.name);
	return 0;
}

static int
measures_the_same(const json_t *a, const json_t *b)
{
	for (int i = 0; i < FIELDS; i++) {
		const json_t *x = json_object_get(a, fields[i].key);
		const json_t *y = json_object_get(b, fields[i].key);
		if (!fields[i].what)
			continue;
		if (json_is_number(x) && json_is_number(y)
				? json_number_value(x) != json_number_value(y)
				: !json_equal(x, y))
			return 0;
	}
	return 1;
}

static struct row *
row_of(json_t *line)
{
	for (int i = 0; i < row_count; i++)
		if (measures_the_same(rows[i].line, line))
			return &rows[i];
	rows = grown(rows, row_count, &row_room, sizeof *rows);
	rows[row_count] = (struct row){.line = json_incref(line)};
	return &rows[row_count++];
}

static const struct figure *
figure_of(const json_t *line)
{
	for (int i = 0; i < FIGURES; i++)
		if (isfinite(number_of(line, figures[i].key)))
			return &figures[i];
	return NULL;
}

static void
add(struct side *side, const struct row *row, const json_t *line)
{
	const char *key = text_of(line, "ratio_of") ? "ratio"
		: row->figure                       ? row->figure->key
						    : "value";
	double lo = number_of(line, "lo"), hi = number_of(line, "hi");
	side->values = grown(side->values, side->count, &side->room, sizeof(double));
	side->values[side->count] = number_of(line, key);
	if (!isnan(side->values[side->count++]) && isfinite(lo) && isfinite(hi) &&
		number_of(line, "runs") >= STAT_RUNS_MIN) {
		side->lo = side->sure && side->lo < lo ? side->lo : lo;
		side->hi = side->sure && side->hi > hi ? side->hi : hi;
		side->sure++;
	}
}

static void
take(int which, const char *text, size_t len)
{
	struct file *file = &files[which];
	json_t *line = parse(file, text, len);
	if (line && same_machine(file, line)) {
		const char *commit = text_of(line, "commit");
		struct row *row = row_of(line);
		if (!row->figure)
			row->figure = figure_of(line);
		add(&row->sides[which], row, line);
		if (!file->taken++) {
			file->commit = need(strdup(commit));
		} else if (file->commit && strcmp(file->commit, commit) != 0) {
			free(file->commit);
			file->commit = NULL;
		}
	}
	json_decref(line);
}

static int
unreadable(const char *path)
{
	int rc = errno == EACCES ? DENIED : NOT_THERE;
	complain("could not read %s: %s", path, strerror(errno));
	return rc;
}

/* 0, or the exit code after saying why. */
static int
read_file(int which)
{
	struct file *file = &files[which];
	FILE *from = fopen(file->path, "re");
	if (!from)
		return unreadable(file->path);
	char *text = NULL;
	size_t room = 0;
	ssize_t len;
	while ((len = getline(&text, &room, from)) >= 0) {
		file->line++;
		if (strspn(text, " \t\r\n") < (size_t)len)
			take(which, text, (size_t)len);
	}
	int rc = ferror(from) ? unreadable(file->path) : 0;
	free(text);
	fclose(from);
	if (file->wrong > TOLD_MAX)
		complain("%s: and %d lines more are wrong", file->path,
			file->wrong - TOLD_MAX);
	if (!rc && file->wrong)
		return NOT_COMPARED;
	if (!rc && !file->taken) {
		complain("%s: holds no result; expected lines of weir bench CASE --json",
			file->path);
		return NOT_COMPARED;
	}
	return rc;
}

/* ---- judging ------------------------------------------------------------------------- */

/* Several lines are several runs. While they are too few for an interval, that of each is
 * covered, if each has one. */
static struct stat_median
says(const struct side *side)
{
	struct stat_median m = stat_median_of(side->values, side->count);
	if (m.runs < STAT_RUNS_MIN) {
		int sure = m.runs > 0 && side->sure == m.runs;
		m.lo = sure ? side->lo : NAN;
		m.hi = sure ? side->hi : NAN;
	}
	return m;
}

static enum better
better_of(const struct row *row)
{
	const char *unit = text_of(row->line, "unit");
	if (!row->figure || row->figure->better != UNKNOWN || !unit)
		return row->figure ? row->figure->better : UNKNOWN;
	for (int i = 0; i < UNITS; i++)
		if (strcmp(units[i].name, unit) == 0)
			return units[i].better;
	return UNKNOWN;
}

/* A peer or the machine is no reason to refuse a change. A ratio is: a slower yardstick
 * makes everything else look good. */
static int
is_ours(const json_t *line)
{
	const char *peer = text_of(line, "peer");
	return text_of(line, "ratio_of") || (peer && strncmp(peer, "ours", 4) == 0);
}

static void
judge(struct row *row)
{
	const struct stat_median *old = &row->says[OLD], *new = &row->says[NEW];
	enum better better = better_of(row);
	row->says[OLD] = says(&row->sides[OLD]);
	row->says[NEW] = says(&row->sides[NEW]);
	if (!row->sides[OLD].count || !row->sides[NEW].count) {
		row->verdict = row->sides[OLD].count ? ONLY_OLD : ONLY_NEW;
		return;
	}
	row->because = !old->runs || !new->runs    ? NOT_MEASURED
		: !is_ours(row->line)              ? NOT_OURS
		: better == UNKNOWN                ? NO_SIDE
		: isnan(old->lo) || isnan(new->lo) ? NO_INTERVAL
						   : NULL;
	if (row->because)
		row->verdict = SHOWN;
	else if (new->lo > old->hi)
		row->verdict = better == LESS ? WORSE : BETTER;
	else if (new->hi < old->lo)
		row->verdict = better == LESS ? BETTER : WORSE;
	else
		row->verdict = SAME;
}

static int
count_of(enum verdict verdict)
{
	int count = 0;
	for (int i = 0; i < row_count; i++)
		count += rows[i].verdict == verdict;
	return count;
}

/* By how much NEW is more than OLD, 0.1 for a tenth; NaN if that cannot be said. */
static double
change_of(const struct row *row)
{
	return row->says[OLD].median > 0
		? row->says[NEW].median / row->says[OLD].median - 1
		: NAN;
}

static const char *
unit_of(const struct row *row)
{
	if (text_of(row->line, "ratio_of") || !row->figure)
		return NULL;
	return row->figure->unit ? row->figure->unit : text_of(row->line, "unit");
}

/* ---- the table ----------------------------------------------------------------------- */

static const char *
side_text(const struct row *row, int which, char *text, size_t size)
{
	const struct stat_median *m = &row->says[which];
	const char *unit = unit_of(row);
	char median[40], lo[40], hi[40];
	if (!m->runs)
		return "-";
	if (text_of(row->line, "ratio_of")) {
		snprintf(median, sizeof median, "%.3f", m->median);
		snprintf(lo, sizeof lo, "%.3f", m->lo);
		snprintf(hi, sizeof hi, "%.3f", m->hi);
	} else {
		bench_row_number(m->median, median, sizeof median);
		bench_row_number(m->lo, lo, sizeof lo);
		bench_row_number(m->hi, hi, sizeof hi);
	}
	int len = snprintf(text, size, "%s", median);
	if (!isnan(m->lo))
		len += snprintf(text + len, size - (size_t)len, " [%s-%s]", lo, hi);
	if (unit)
		snprintf(text + len, size - (size_t)len, "%s%s",
			*unit == '/' ? "" : " ", unit);
	return text;
}

static void
print_row(const struct row *row)
{
	const char *peer = text_of(row->line, "peer"), *work = text_of(row->line, "work");
	const char *of = text_of(row->line, "ratio_of");
	double size = number_of(row->line, "size"), change = change_of(row);
	char what[160], old[160], new[160];
	snprintf(what, sizeof what, "%s %s%s%s", peer ? peer : "", work ? work : "",
		of ? " / " : "", of ? of : "");
	printf("%-8s %-11s %-44s", verdicts[row->verdict].words,
		text_of(row->line, "case"), what);
	if (isfinite(size))
		printf(" %6.0f B", size);
	else
		printf("         ");
	printf("  %s -> %s", side_text(row, OLD, old, sizeof old),
		side_text(row, NEW, new, sizeof new));
	if (isfinite(change))
		printf("  %+.1f %%", 100 * change);
	if (row->because)
		printf("  (%s)", row->because);
	printf("\n");
}

static void
print_table(void)
{
	for (enum verdict v = WORSE; v < VERDICTS; v++)
		for (int i = 0; i < row_count; i++)
			if (rows[i].verdict == v)
				print_row(&rows[i]);
	for (enum verdict v = WORSE; v < VERDICTS; v++)
		printf("%s%d %s", v == WORSE ? "" : ", ", count_of(v),
			v == WORSE ? "worse" : verdicts[v].words);
	printf("\n");
}

/* ---- JSON ---------------------------------------------------------------------------- */

static json_t *
number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *
side_json(const struct row *row, int which)
{
	const struct stat_median *m = &row->says[which];
	if (!row->sides[which].count)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:i}", "median", number(m->median), "lo",
		number(m->lo), "hi", number(m->hi), "lines", row->sides[which].count);
}

static json_t *
row_json(const struct row *row)
{
	static const char *const sides[] = {
		[UNKNOWN] = NULL, [LESS] = "less", [MORE] = "more"};
	const char *figure = text_of(row->line, "ratio_of") ? "ratio"
		: row->figure                               ? row->figure->key
							    : NULL;
	json_t *out = json_pack("{s:s, s:s?}", "verdict", verdicts[row->verdict].key,
		"because", row->because);
	for (int i = 0; i < FIELDS; i++)
		if (fields[i].what && strcmp(fields[i].key, "unit") != 0)
			json_object_set(out, fields[i].key,
				json_object_get(row->line, fields[i].key));
	json_object_update_new(out,
		json_pack("{s:s?, s:s?, s:s?, s:o, s:o, s:o}", "figure", figure, "unit",
			unit_of(row), "better", sides[better_of(row)], "old",
			side_json(row, OLD), "new", side_json(row, NEW), "change",
			number(change_of(row))));
	return need(out);
}

static json_t *
file_json(const struct file *file)
{
	json_t *path = json_string(file->path); /* NULL: it is not UTF-8 */
	return json_pack("{s:o, s:s?, s:i}", "file", path ? path : json_null(),
		"commit", file->commit, "lines", file->taken);
}

static void
dump(json_t *value)
{
	json_dumpf(need(value), stdout, JSON_COMPACT | JSON_REAL_PRECISION(10));
	json_decref(value);
	printf("\n");
}

static void
print_json(void)
{
	json_t *all = json_array();
	for (enum verdict v = WORSE; v < VERDICTS; v++)
		for (int i = 0; i < row_count; i++) {
			if (rows[i].verdict != v)
				continue;
			if (options.form == JSONL)
				dump(row_json(&rows[i]));
			else
				json_array_append_new(all, row_json(&rows[i]));
		}
	if (options.form == JSONL) {
		json_decref(all);
		return;
	}
	json_t *out = need(json_pack("{s:o, s:o}", "old", file_json(&files[OLD]), "new",
		file_json(&files[NEW])));
	for (enum verdict v = WORSE; v < VERDICTS; v++)
		json_object_set_new(out, verdicts[v].key, json_integer(count_of(v)));
	json_object_set_new(out, "rows", all);
	dump(out);
}

/* ---- the whole ----------------------------------------------------------------------- */

static int
usage(FILE *to)
{
	fprintf(to,
		"usage: bench-compare [--any-machine] [-o table|json|jsonl] [-q] OLD NEW\n\n"
		"  OLD and NEW hold what benchmarks printed with --json, of one run or of\n"
		"  several, appended. Exit 0: nothing is worse; 1: something is.\n\n"
		"  --any-machine  compares what different machines measured\n"
		"  -o, --output   table, json (one object) or jsonl (one a row)\n"
		"      --json     short for -o json\n"
		"  -q, --quiet    no talk on stderr, only errors\n");
	return to == stderr ? NOT_COMPARED : NOTHING_WORSE;
}

static int
form_of(const char *word)
{
	static const char *const forms[] = {
		[TABLE] = "table", [JSON] = "json", [JSONL] = "jsonl"};
	for (int form = TABLE; form <= JSONL; form++)
		if (strcmp(forms[form], word) == 0)
			return form;
	complain("-o takes table, json or jsonl, not '%s'", word);
	return -1;
}

/* 0, or -1 with the exit code. */
static int
parse_options(int argc, char **argv, int *rc)
{
	static const struct option longs[] = {{"any-machine", no_argument, NULL, 'm'},
		{"output", required_argument, NULL, 'o'},
		{"json", no_argument, NULL, 'j'}, {"quiet", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	int c;
	opterr = 0;
	*rc = NOT_COMPARED;
	while ((c = getopt_long(argc, argv, "o:qh", longs, NULL)) != -1) {
		if (c == 'm')
			options.any_machine = 1;
		else if (c == 'j')
			options.form = JSON;
		else if (c == 'q')
			options.quiet = 1;
		else if (c == 'o' && (options.form = form_of(optarg)) < 0)
			return -1;
		else if (c == 'h' || c == '?') {
			*rc = usage(c == 'h' ? stdout : stderr);
			return -1;
		}
	}
	if (argc - optind != 2) {
		complain("takes two files, OLD and NEW");
		*rc = usage(stderr);
		return -1;
	}
	return 0;
}

static void
say_what_is_left_out(void)
{
	int without = 0, judged = count_of(WORSE) + count_of(BETTER) + count_of(SAME);
	for (int i = 0; i < row_count; i++)
		without += rows[i].because == NO_INTERVAL;
	if (options.quiet)
		return;
	if (without)
		complain("%d row%s no 95 %% interval on both sides; that takes %d runs or "
			 "more, or as many results appended",
			without, without == 1 ? " has" : "s have", STAT_RUNS_MIN);
	if (count_of(ONLY_OLD))
		complain("what is only in %s was not measured again: %d of its rows",
			files[OLD].path, count_of(ONLY_OLD));
	if (!judged)
		complain("no row was judged");
}

int
main(int argc, char **argv)
{
	int rc;
	if (parse_options(argc, argv, &rc) < 0)
		return rc;
	rc = 0;
	for (int which = OLD; which <= NEW; which++) {
		files[which].path = argv[optind + which];
		int got = read_file(which);
		rc = got > rc ? got : rc;
	}
	if (rc)
		return rc;
	for (int i = 0; i < row_count; i++)
		judge(&rows[i]);
	if (count_of(ONLY_OLD) + count_of(ONLY_NEW) == row_count) {
		complain("%s and %s have no row in common", files[OLD].path,
			files[NEW].path);
		return NOT_COMPARED;
	}
	if (options.form == TABLE)
		print_table();
	else
		print_json();
	if (fflush(stdout) != 0 || ferror(stdout)) {
		complain("could not write to stdout: %s", strerror(errno));
		return NOT_COMPARED;
	}
	say_what_is_left_out();
	return count_of(WORSE) ? WORSE_FOUND : NOTHING_WORSE;
}
