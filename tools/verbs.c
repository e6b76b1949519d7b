/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The table of verbs, and the help that is made from it. */
#include <stdio.h>
#include <string.h>
#include <weir/options.h>

#include "tools/tool.h"

const struct tool_verb *const tool_verbs[] = {
	&verb_pub,
	&verb_sub,
	&verb_ls,
	&verb_topic_info,
	&verb_topic_account,
	&verb_topic_lag,
	&verb_topic_echo,
	&verb_topic_hz,
	&verb_topic_bw,
	&verb_topic_delay,
#if WEIR_METRICS
	&verb_top,
	&verb_consumer_ls,
	&verb_consumer_info,
	&verb_consumer_why,
	&verb_consumer_set,
	&verb_consumer_skip,
	&verb_consumer_kick,
	&verb_doctor,
#endif
	&verb_reactor_simulate,
	&verb_reactor_round,
	&verb_clean,
	&verb_demo_slow, /* before the shorter name */
	&verb_demo,
	&verb_bench,
	&verb_conf,
	&verb_errors,
	&verb_explain,
	&verb_version,
	&verb_help,
	&verb_demo_source,
	&verb_demo_consumer,
	NULL,
};

/* How many words of argv the name is made of, 0 if it is not them. */
static int
matches(const char *name, int argc, char **argv)
{
	const char *blank = strchr(name, ' ');
	if (!blank)
		return !strcmp(name, argv[0]);
	size_t len = (size_t)(blank - name);
	if (argc < 2 || strlen(argv[0]) != len || memcmp(name, argv[0], len))
		return 0;
	return strcmp(blank + 1, argv[1]) ? 0 : 2;
}

const struct tool_verb *
tool_verb_find(int argc, char **argv, int *words)
{
	for (int i = 0; tool_verbs[i]; i++) {
		*words = matches(tool_verbs[i]->name, argc, argv);
		if (*words)
			return tool_verbs[i];
	}
	return NULL;
}

void
tool_verb_help(const struct tool_verb *verb)
{
	printf("weir %s %s\n\n  %s.\n", verb->name, verb->args, verb->about);
	if (verb->more)
		printf("\n%s", verb->more);
	if (verb->opts) {
		printf("\nOptions:\n");
		tool_opt_help(verb->opts);
	}
	printf("\nEverywhere:\n");
	tool_opt_help(tool_globals);
}

void
tool_verbs_help(void)
{
	printf("weir [options] VERB [arguments]\n\n");
	for (int i = 0; tool_verbs[i]; i++) {
		const struct tool_verb *verb = tool_verbs[i];
		if (verb->hidden)
			continue;
		printf("  %-16s %s\n", verb->name, verb->about);
	}
	printf("\nEverywhere:\n");
	tool_opt_help(tool_globals);
	printf("\nTwo terminals to begin with:  weir sub hello   and   weir pub hello 'hi'\n"
	       "More: weir VERB --help, weir help WORD, weir explain CODE, man weir\n");
}
