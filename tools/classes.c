/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tools/classes.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"

/* Digits at *text, which passes them. -1: there are none, or too many. */
static int
take_number(const char **text, uint64_t most, uint64_t *to)
{
	if (!isdigit((unsigned char)**text))
		return -1;
	char *end;
	errno = 0;
	unsigned long long value = strtoull(*text, &end, 10);
	if (errno || value > most)
		return -1;
	*text = end;
	*to = value;
	return 0;
}

static int
take_time(const char **text, uint64_t least, uint64_t *to)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};
	uint64_t value;
	if (take_number(text, 1000000, &value) < 0 || value < least)
		return -1;
	for (size_t i = 0; i < 4; i++) {
		size_t len = strlen(units[i].name);
		if (strncmp(*text, units[i].name, len) != 0)
			continue;
		*text += len;
		*to = value * units[i].ns;
		return 0;
	}
	return -1;
}

/* The character at *text, which passes it; 0 if it is another one. */
static int
take_char(const char **text, char c)
{
	if (**text != c)
		return 0;
	++*text;
	return 1;
}

/* COST/N or COST*K/N. */
static int
take_burst(const char **text, weir_sim_class *class)
{
	uint64_t polls = 1, every;
	if (take_time(text, 1, &class->burst_ns) < 0)
		return -1;
	if (take_char(text, '*') && take_number(text, UINT32_MAX, &polls) < 0)
		return -1;
	if (!take_char(text, '/') || take_number(text, UINT32_MAX, &every) < 0)
		return -1;
	class->burst_polls = (uint32_t)polls;
	class->burst_every = (uint32_t)every;
	return polls > 0 && every > 0 ? 0 : -1;
}

/* COST, COST:FROM, COST:FROM-UNTIL or COST:-UNTIL. */
static int
take_bad(const char **text, weir_sim_class *class)
{
	if (take_time(text, 1, &class->bad_ns) < 0)
		return -1;
	if (!take_char(text, ':'))
		return 0;
	if (**text != '-' && take_time(text, 0, &class->bad_from_ns) < 0)
		return -1;
	return take_char(text, '-') ? take_time(text, 1, &class->bad_until_ns) : 0;
}

static int
take_habit(const char **text, weir_sim_class *class)
{
	if (take_char(text, '@'))
		return take_time(text, 1, &class->cost_ns);
	if (take_char(text, '/'))
		return take_time(text, 1, &class->every_ns);
	if (take_char(text, '+'))
		return take_burst(text, class);
	return take_char(text, '~') ? take_bad(text, class) : -1;
}

static int
take_class(const char **text, weir_sim_class *class)
{
	uint64_t count;
	memset(class, 0, sizeof(*class));
	if (take_number(text, WEIR_SIM_CONSUMERS_MAX, &count) < 0 ||
		!take_char(text, 'x') || take_number(text, UINT64_MAX, &class->weight) < 0)
		return -1;
	class->consumers = (uint32_t)count;
	while (**text && **text != ',')
		if (take_habit(text, class) < 0)
			return -1;
	return 0;
}

int
classes_take(const char *text, weir_sim_class classes[WEIR_SIM_CLASSES_MAX], size_t *count)
{
	const char *at = text;
	for (*count = 0; *count < WEIR_SIM_CLASSES_MAX;) {
		const char *begin = at;
		if (take_class(&at, &classes[*count]) < 0)
			return tool_usage(
				"--classes: '%s' is not COUNTxWEIGHT, as 9x10, or "
				"that with @COST, /TIME, +COST/N or ~COST:FROM-UNTIL, "
				"as 9x10@5us",
				begin);
		++*count;
		if (!*at)
			return 0;
		at++;
	}
	return tool_usage("--classes: there are more than %d", WEIR_SIM_CLASSES_MAX);
}

void
classes_spread(
	uint64_t consumers, weir_sim_class classes[WEIR_SIM_CLASSES_MAX], size_t *count)
{
	static const uint32_t of_48[] = {9, 18, 10, 11}, weights[] = {10, 6, 3, 1};
	uint64_t before = 0, all = 0;
	for (*count = 0; *count < 4; ++*count) {
		all += of_48[*count];
		uint64_t until = (consumers * all + 24) / 48;
		classes[*count] =
			(weir_sim_class){.consumers = (uint32_t)(until - before),
				.weight = weights[*count]};
		before = until;
	}
}
