/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* errors and explain: the table of errors for a person. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tools/json.h"
#include "tools/text.h"
#include "tools/tool.h"

static const int codes[] = {
#define WEIR_ERR(name, number, family, exit, what, try) number,
#include <weir/err.def>
#undef WEIR_ERR
};

enum { CODES = sizeof(codes) / sizeof(codes[0]) };

static const char *
family_name(int code)
{
	static const char *const names[] = {
		"OK", "USAGE", "AGAIN", "GONE", "PEER", "ENV", "DATA"};
	return names[WEIR_FAMILY(code)];
}

static const char *
family_words(int code)
{
	static const char *const words[] = {"all is well",
		"the caller's mistake: nothing has changed, fix the program",
		"an ordinary answer about flow: nothing has changed, retry later",
		"the thing behind the handle is over: open it again",
		"another participant broke the protocol or died: the rest goes on",
		"the machine or its rules said no: an operator can help",
		"something is missing or damaged: never skipped in silence"};
	return words[WEIR_FAMILY(code)];
}

static void
put(struct json *j, int code)
{
	json_object(j, NULL);
	json_i64(j, "code", code);
	json_str(j, "name", weir_err_name(code));
	json_str(j, "family", family_name(code));
	json_i64(j, "exit", weir_err_exit(code));
	json_str(j, "text", weir_err_text(code));
	json_str(j, "hint", weir_err_hint(code));
	json_end_object(j);
}

static void
print_table(void)
{
	struct table t;
	table_init(&t, "rlrl");
	table_add(&t, "CODE");
	table_add(&t, "NAME");
	table_add(&t, "EXIT");
	table_add(&t, "MEANING");
	for (size_t i = 0; i < CODES; i++) {
		table_add(&t, "%d", codes[i]);
		table_add(&t, "%s", weir_err_name(codes[i]));
		table_add(&t, "%d", weir_err_exit(codes[i]));
		table_add(&t, "%s", weir_err_text(codes[i]));
	}
	table_print(&t, stdout, tool_color());
}

static int
run_errors(int argc, char **argv)
{
	if (argc)
		return tool_usage(
			"errors takes no '%s'; weir explain %s", argv[0], argv[0]);
	if (tool.out == TOOL_TABLE) {
		print_table();
		return TOOL_YES;
	}
	struct json j;
	json_init(&j, stdout);
	if (tool.out == TOOL_JSON) {
		json_object(&j, NULL);
		json_array(&j, "errors");
	}
	for (size_t i = 0; i < CODES; i++)
		put(&j, codes[i]);
	if (tool.out == TOOL_JSON) {
		json_end_array(&j);
		json_end_object(&j);
	}
	return TOOL_YES;
}

/* A code as it may be met: 201, -201, AGAIN_FULL, WEIR_E_AGAIN_FULL, in any case. */
static int
code_of(const char *word)
{
	const char *digits = word + (word[0] == '-');
	if (isdigit((unsigned char)digits[0])) {
		char *end;
		long value = strtol(digits, &end, 10);
		for (size_t i = 0; i < CODES && !*end; i++) {
			if (codes[i] == value)
				return codes[i];
		}
		return 0;
	}
	if (word[0] == '-')
		word++;
	if (!strncasecmp(word, "WEIR_E_", 7))
		word += 7;
	for (size_t i = 0; i < CODES; i++) {
		if (!strcasecmp(weir_err_name(codes[i]), word))
			return codes[i];
	}
	return 0;
}

static int
not_found(const char *word)
{
	const char *names[CODES + 1];
	char upper[64];
	for (size_t i = 0; i < CODES; i++)
		names[i] = weir_err_name(codes[i]);
	names[CODES] = NULL;
	size_t len = 0;
	for (; word[len] && len + 1 < sizeof(upper); len++)
		upper[len] = (char)toupper((unsigned char)word[len]);
	upper[len] = 0;
	const char *near = tool_nearest(upper, names);
	tool_complain("there is no error '%s'%s%s; weir errors lists them", word,
		near ? "; nearest is " : "", near ? near : "");
	return TOOL_NOTFOUND;
}

static int
run_explain(int argc, char **argv)
{
	if (argc != 1)
		return tool_usage(
			"explain takes one code, as in: weir explain AGAIN_FULL");
	int code = code_of(argv[0]);
	if (!code)
		return not_found(argv[0]);
	if (tool.out != TOOL_TABLE) {
		struct json j;
		json_init(&j, stdout);
		put(&j, code);
		return TOOL_YES;
	}
	printf("%s (%d, returned as -%d; the command exits with %d)\n\n",
		weir_err_name(code), code, code, weir_err_exit(code));
	printf("  means:  %s\n  try:    %s\n  family: %s, %s\n", weir_err_text(code),
		weir_err_hint(code), family_name(code), family_words(code));
	return TOOL_YES;
}

const struct tool_verb verb_errors = {"errors", "",
	"every error that Weir can answer with", NULL, NULL, run_errors, 0, 0};

const struct tool_verb verb_explain = {"explain", "CODE", "one error: meaning and advice",
	NULL, "  CODE is a number or a name: 201, AGAIN_FULL, WEIR_E_AGAIN_FULL.\n",
	run_explain, 0, 0};
