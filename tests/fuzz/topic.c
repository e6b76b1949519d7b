/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Names and patterns: a pattern, a zero byte, a topic. What passes its check must be what
 * the header of bus/topic.h says, and match as a plain recursive matcher says.
 */
#include "bus/topic.h"

#include "tests/fuzz/fuzz.h"

#include <weir/weir.h>

/* The first token of s into token; returns what is behind its dot, NULL if no dot. */
static const char *
split(const char *s, char *token)
{
	const char *dot = strchr(s, '.');
	size_t len = dot ? (size_t)(dot - s) : strlen(s);

	memcpy(token, s, len);
	token[len] = '\0';
	return dot ? dot + 1 : NULL;
}

static bool
matches(const char *pattern, const char *topic)
{
	char p[WEIR_NAME_MAX + 1], t[WEIR_NAME_MAX + 1];

	if (!pattern || !topic)
		return !pattern && !topic;
	pattern = split(pattern, p);
	topic = split(topic, t);
	if (!strcmp(p, ">"))
		return !pattern;
	return (!strcmp(p, "*") || !strcmp(p, t)) && matches(pattern, topic);
}

/* What every name that is accepted has in common. */
static void
inspect(const char *name, bool pattern)
{
	char token[WEIR_NAME_MAX + 1];
	const char *rest = name;

	MUST(strlen(name) >= 1 && strlen(name) <= WEIR_NAME_MAX);
	for (const char *at = name; *at; at++)
		MUST((unsigned char)*at > ' ' && *at != 0x7f);
	while (rest) {
		rest = split(rest, token);
		MUST(token[0]);
		if (strpbrk(token, "*>"))
			MUST(pattern && token[1] == '\0' && (token[0] == '*' || !rest));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = 0, more;
	char *pattern, *topic;

	while (len < size && data[len])
		len++;
	more = len < size ? size - len - 1 : 0;
	pattern = malloc(len + 1);
	topic = malloc(more + 1);
	MUST(pattern && topic);
	memcpy(pattern, data, len);
	pattern[len] = '\0';
	if (more)
		memcpy(topic, data + len + 1, more);
	topic[more] = '\0';

	if (wr_pattern_check(pattern) == 0)
		inspect(pattern, true);
	if (wr_topic_check(topic) == 0) {
		inspect(topic, false);
		MUST(wr_pattern_check(topic) == 0);
		MUST(wr_pattern_is_literal(topic));
	}
	if (wr_name_check(topic) == 0)
		MUST(wr_topic_check(topic) == 0 && !strchr(topic, '/') && topic[0] != '.');
	if (wr_pattern_check(pattern) == 0 && wr_topic_check(topic) == 0) {
		MUST(wr_pattern_match(pattern, topic) == matches(pattern, topic));
		if (wr_pattern_is_literal(pattern))
			MUST(wr_pattern_match(pattern, topic) == !strcmp(pattern, topic));
	} else {
		/* Nonsense may match or not, and that is all that it may do. */
		int answer = wr_pattern_match(pattern, topic);

		MUST(answer == 0 || answer == 1);
		(void)wr_pattern_is_literal(pattern);
	}
	free(pattern);
	free(topic);
	return 0;
}
