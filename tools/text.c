/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "tools/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers ------------------------------------------------------------------------ */

struct text
text_count(uint64_t value)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, value);
	struct text out = {{0}};
	size_t at = 0;
	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			out.s[at++] = ',';
		out.s[at++] = digits[i];
	}
	return out;
}

/* Three digits and a unit, of units that are a thousand apart. */
static struct text
scaled(double value, const char *const *units, size_t count)
{
	struct text out;
	size_t unit = 0;
	while (value >= 999.5 && unit + 1 < count) {
		value /= 1000;
		unit++;
	}
	int decimals = value >= 99.95 || value == (double)(long)value ? 0
		: value >= 9.995                                      ? 1
								      : 2;
	snprintf(out.s, sizeof(out.s), "%.*f%s", decimals, value, units[unit]);
	return out;
}

struct text
text_short(uint64_t value)
{
	static const char *const units[] = {"", "k", "M", "G", "T", "P", "E"};
	return scaled((double)value, units, 7);
}

struct text
text_rate(double per_second)
{
	static const char *const units[] = {"/s", "k/s", "M/s", "G/s"};
	return scaled(per_second, units, 4);
}

struct text
text_bytes(double bytes)
{
	static const char *const units[] = {" B", " kB", " MB", " GB", " TB"};
	return scaled(bytes, units, 5);
}

struct text
text_ns(double ns)
{
	static const char *const units[] = {" ns", " us", " ms", " s"};
	return scaled(ns, units, 4);
}

/* ---- bytes -------------------------------------------------------------------------- */

static int
continues(const unsigned char *p, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return 1;
}

size_t
text_utf8(const unsigned char *p, size_t left)
{
	if (!left)
		return 0;
	if (p[0] < 0x80)
		return 1;
	size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || left < len || !continues(p, len))
		return 0;
	/* Overlong forms, surrogates, and what lies beyond U+10FFFF. */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f))
		return 0;
	if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

int
text_is_utf8(const void *data, size_t len)
{
	const unsigned char *p = data;
	while (len) {
		size_t step = text_utf8(p, len);
		if (!step)
			return 0;
		p += step;
		len -= step;
	}
	return 1;
}

int
text_topic_matches(const char *pattern, const char *topic)
{
	for (;;) {
		size_t want = strcspn(pattern, ".");
		size_t have = strcspn(topic, ".");
		if (want == 1 && pattern[0] == '>')
			return have > 0;
		int any = want == 1 && pattern[0] == '*';
		if (!any && (want != have || memcmp(pattern, topic, want)))
			return 0;
		if (!pattern[want] || !topic[have])
			return pattern[want] == topic[have];
		pattern += want + 1;
		topic += have + 1;
	}
}

/* ---- tables ------------------------------------------------------------------------- */

void
table_init(struct table *t, const char *align)
{
	*t = (struct table){.align = align, .columns = strlen(align)};
}

void
table_add(struct table *t, const char *fmt, ...)
{
	if (t->count == t->room) {
		size_t room = t->room ? 2 * t->room : 64;
		char **cells = realloc(t->cells, room * sizeof(*cells));
		if (!cells)
			abort();
		t->cells = cells;
		t->room = room;
	}
	va_list args;
	va_start(args, fmt);
	char *cell;
	if (vasprintf(&cell, fmt, args) < 0)
		abort();
	va_end(args);
	t->cells[t->count++] = cell;
}

static int
width_of(const struct table *t, size_t column)
{
	size_t width = 0;
	for (size_t i = column; i < t->count; i += t->columns) {
		size_t len = strlen(t->cells[i]);
		width = len > width ? len : width;
	}
	return (int)width;
}

static void
print_row(const struct table *t, FILE *out, size_t row, const int *widths)
{
	for (size_t c = 0; c < t->columns; c++) {
		const char *cell = t->cells[row * t->columns + c];
		if (c)
			fputs("  ", out);
		if (t->align[c] == 'r')
			fprintf(out, "%*s", widths[c], cell);
		else if (c + 1 < t->columns)
			fprintf(out, "%-*s", widths[c], cell);
		else
			fputs(cell, out);
	}
}

void
table_print(struct table *t, FILE *out, int bold)
{
	int widths[16];
	for (size_t c = 0; c < t->columns; c++)
		widths[c] = width_of(t, c);
	for (size_t row = 0; row * t->columns < t->count; row++) {
		int marked = bold && row == 0;
		fputs(marked ? "\033[1m" : "", out);
		print_row(t, out, row, widths);
		fputs(marked ? "\033[0m\n" : "\n", out);
	}
	table_free(t);
}

void
table_free(struct table *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i]);
	free(t->cells);
	t->cells = NULL;
	t->count = 0;
}
