/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tools/opt.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"

enum {
	NAMES_MAX = 48 /* long options of one verb and the globals together */
};

const struct tool_opt tool_globals[] = {
	{'b', "bus", OPT_STR, &tool.bus, "the bus ($WEIR_BUS, else \"default\")",
		"NAME", 0, 0},
	{0, "dir", OPT_STR, &tool.dir, "the runtime directory", "DIR", 0, 0},
	{'o', "output", OPT_WORD, &tool.out, "table, json (one object) or jsonl (lines)",
		"FORM", 0, "table|json|jsonl"},
	{0, "json", OPT_SET, &tool.out, "short for -o json", 0, TOOL_JSON, 0},
	{0, "color", OPT_WORD, &tool.color, "bold and colours (auto; $NO_COLOR: never)",
		"WHEN", 0, "auto|never|always"},
	{'q', "quiet", OPT_SET, &tool.quiet, "no talk on stderr, only errors", 0, 1, 0},
	{'v', "verbose", OPT_SET, &tool.verbose, "more of it", 0, 1, 0},
	{0, "timeout", OPT_MS, &tool.timeout_ms, "give up after (500ms, 2s, 1m)", "T",
		0, 0},
	{'h', "help", OPT_SET, &tool.help, "help on the verb", 0, 1, 0},
	{0, 0, OPT_SET, 0, 0, 0, 0, 0},
};

static int
parse_u64(const char *text, uint64_t *to)
{
	if (!isdigit((unsigned char)text[0]))
		return -1;
	char *end;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (errno || *end)
		return -1;
	*to = value;
	return 0;
}

/* The power of two that a unit stands for; *rest passes it. */
static unsigned
unit_shift(const char *unit, const char **rest)
{
	unsigned shift = 0;
	switch (*unit) {
	case 'k':
	case 'K':
		shift = 10;
		break;
	case 'M':
		shift = 20;
		break;
	case 'G':
		shift = 30;
		break;
	default:
		break;
	}
	unit += shift != 0;
	if (shift && !strcmp(unit, "iB"))
		unit += 2;
	else if (!strcmp(unit, "B"))
		unit++;
	*rest = unit;
	return shift;
}

static int
parse_size(const char *text, uint64_t *to)
{
	if (!isdigit((unsigned char)text[0]))
		return -1;
	char *end;
	const char *rest;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	unsigned shift = unit_shift(end, &rest);
	if (errno || *rest || value > UINT64_MAX >> shift)
		return -1;
	*to = (uint64_t)value << shift;
	return 0;
}

static int
parse_real(const char *text, double *to, const char **rest)
{
	/* strtod would also take "inf", "nan", hexadecimals and leading blanks. */
	if (!isdigit((unsigned char)text[0]) && text[0] != '.')
		return -1;
	if (text[0] == '0' && (text[1] | 32) == 'x')
		return -1;
	char *end;
	double value = strtod(text, &end);
	if (end == text || !isfinite(value))
		return -1;
	*to = value;
	*rest = end;
	return 0;
}

static int
parse_ms(const struct tool_opt *opt, const char *text)
{
	double value;
	const char *unit;
	if (parse_real(text, &value, &unit) < 0)
		return -1;
	if (!strcmp(unit, "ms") || (!*unit && opt->value))
		value *= 1;
	else if (!strcmp(unit, "s") || !*unit)
		value *= 1e3;
	else if (!strcmp(unit, "m") || !strcmp(unit, "min"))
		value *= 6e4;
	else
		return -1;
	if (value > 2e9)
		return -1;
	*(int *)opt->to = (int)value;
	return 0;
}

static int
parse_us(const struct tool_opt *opt, const char *text)
{
	double value;
	const char *unit;
	if (opt->words && !strcmp(text, opt->words)) {
		*(int *)opt->to = opt->value;
		return 0;
	}
	if (parse_real(text, &value, &unit) < 0)
		return -1;
	if (!strcmp(unit, "ms"))
		value *= 1e3;
	else if (*unit && strcmp(unit, "us") != 0)
		return -1;
	/* 0 would mean the default. */
	if (value < 1 || value > 2e9)
		return -1;
	*(int *)opt->to = (int)value;
	return 0;
}

static int
parse_word(const char *text, const char *words, int *to)
{
	size_t len = strlen(text);
	for (int i = 0; *words; i++) {
		size_t step = strcspn(words, "|");
		if (step == len && !memcmp(words, text, len)) {
			*to = i;
			return 0;
		}
		words += step + (words[step] == '|');
	}
	return -1;
}

static int
store(const struct tool_opt *opt, const char *text)
{
	const char *rest = "";
	switch (opt->kind) {
	case OPT_SET:
		*(int *)opt->to = opt->value;
		return 0;
	case OPT_STR:
		*(const char **)opt->to = text;
		return 0;
	case OPT_U64:
		return parse_u64(text, opt->to);
	case OPT_SIZE:
		return parse_size(text, opt->to);
	case OPT_MS:
		return parse_ms(opt, text);
	case OPT_US:
		return parse_us(opt, text);
	case OPT_REAL:
		return parse_real(text, opt->to, &rest) < 0 || *rest ? -1 : 0;
	case OPT_WORD:
		return parse_word(text, opt->words, opt->to);
	}
	return -1;
}

static const char *
expected(const struct tool_opt *opt)
{
	switch (opt->kind) {
	case OPT_U64:
		return "a whole number";
	case OPT_SIZE:
		return "a size such as 4096, 64k or 16M";
	case OPT_MS:
		return "a time such as 500ms, 2s or 1m";
	case OPT_US:
		return opt->words ? "a time such as 500us or 5ms, or none"
				  : "a time such as 500us or 5ms";
	case OPT_REAL:
		return "a number such as 1000 or 0.5";
	case OPT_WORD:
		return opt->words;
	case OPT_SET:
	case OPT_STR:
		break;
	}
	return "text";
}

static const struct tool_opt *
find_in(const struct tool_opt *opts, char letter, const char *name, size_t len)
{
	for (; opts && opts->name; opts++) {
		if (name && strlen(opts->name) == len && !memcmp(opts->name, name, len))
			return opts;
		if (!name && opts->letter == letter)
			return opts;
	}
	return NULL;
}

static const struct tool_opt *
find(const struct tool_opt *own, char letter, const char *name, size_t len)
{
	const struct tool_opt *opt = find_in(own, letter, name, len);
	return opt ? opt : find_in(tool_globals, letter, name, len);
}

static int
unknown(const struct tool_opt *own, const char *word)
{
	const char *names[NAMES_MAX + 1];
	int count = 0;
	for (const struct tool_opt *opt = own; opt && opt->name && count < NAMES_MAX;
		opt++)
		names[count++] = opt->name;
	for (const struct tool_opt *opt = tool_globals; opt->name && count < NAMES_MAX;
		opt++)
		names[count++] = opt->name;
	names[count] = NULL;
	const char *near = word[1] == '-' ? tool_nearest(word + 2, names) : NULL;
	if (near)
		tool_usage("unknown option '%s'; did you mean --%s?", word, near);
	else
		tool_usage("unknown option '%s'; see --help (data that begins with '-' "
			   "comes after --)",
			word);
	return -1;
}

static int
store_or_say(const struct tool_opt *opt, const char *word, const char *text)
{
	if (opt->kind != OPT_SET && !text) {
		tool_usage("%s needs %s", word, expected(opt));
		return -1;
	}
	if (store(opt, text) < 0) {
		tool_usage("%s: '%s' is not %s", word, text, expected(opt));
		return -1;
	}
	return 0;
}

/* --name, --name value, --name=value */
static int
take_long(const struct tool_opt *own, int argc, char **argv, int *at)
{
	char *word = argv[*at];
	size_t len = strcspn(word + 2, "=");
	char *text = word[2 + len] ? word + 3 + len : NULL;
	const struct tool_opt *opt = find(own, 0, word + 2, len);
	if (!opt)
		return unknown(own, word);
	if (opt->kind == OPT_SET && text) {
		tool_usage("--%s takes no value", opt->name);
		return -1;
	}
	if (opt->kind != OPT_SET && !text && *at + 1 < argc)
		text = argv[++*at];
	return store_or_say(opt, word, text);
}

/* -q, -qv, -n5, -n 5 */
static int
take_short(const struct tool_opt *own, int argc, char **argv, int *at)
{
	char *word = argv[*at];
	for (char *letter = word + 1; *letter; letter++) {
		const struct tool_opt *opt = find(own, *letter, NULL, 0);
		if (!opt)
			return unknown(own, word);
		char *text = NULL;
		if (opt->kind != OPT_SET) {
			if (letter[1])
				text = letter + 1;
			else if (*at + 1 < argc)
				text = argv[++*at];
		}
		if (store_or_say(opt, word, text) < 0)
			return -1;
		if (text)
			break;
	}
	return 0;
}

/* "-" is stdin, and a negative number is a number. */
static int
is_operand(const char *word)
{
	return word[0] != '-' || !word[1] || isdigit((unsigned char)word[1]);
}

int
tool_opt_parse(const struct tool_opt *own, int argc, char **argv, int only_first)
{
	int operands = 0;
	int options = 1;
	for (int i = 0; i < argc; i++) {
		char *word = argv[i];
		int rc = 0;
		if (!options || is_operand(word)) {
			if (only_first)
				return i;
			argv[operands++] = word;
		} else if (!strcmp(word, "--")) {
			options = 0;
		} else if (word[1] == '-') {
			rc = take_long(own, argc, argv, &i);
		} else {
			rc = take_short(own, argc, argv, &i);
		}
		if (rc < 0)
			return -1;
	}
	return only_first ? argc : operands;
}

void
tool_opt_help(const struct tool_opt *opts)
{
	for (; opts && opts->name; opts++) {
		char left[64];
		char letter[5] = "    ";
		if (opts->letter)
			snprintf(letter, sizeof(letter), "-%c, ", opts->letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, opts->name,
			opts->arg ? " " : "", opts->arg ? opts->arg : "");
		printf("  %-26s %s\n", left, opts->help);
	}
}
