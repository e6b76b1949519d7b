/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The weir command: one file for each verb, tables of options, one exit code at the end. */
#include <stdio.h>
#include <string.h>

#include "tools/tool.h"

static int
unknown(int argc, char **argv)
{
	const char *names[32] = {0};
	int count = 0;
	for (int i = 0; tool_verbs[i] && count < 31; i++) {
		if (!tool_verbs[i]->hidden)
			names[count++] = tool_verbs[i]->name;
	}
	char words[128];
	snprintf(words, sizeof(words), "%s%s%s", argv[0], argc > 1 ? " " : "",
		argc > 1 ? argv[1] : "");
	if (!strcmp(argv[0], "topic"))
		return tool_usage(
			"topic needs one of info, account, lag, echo, hz, bw, delay, and a "
			"topic");
	if (!strcmp(argv[0], "reactor"))
		return tool_usage("reactor needs one of simulate, round");
	const char *near = tool_nearest(argv[0], names);
	if (!near)
		near = tool_nearest(words, names);
	if (near)
		return tool_usage(
			"there is no verb '%s'; did you mean '%s'?", argv[0], near);
	return tool_usage("there is no verb '%s'; weir help lists them", argv[0]);
}

static int
run(int argc, char **argv)
{
	int first = tool_opt_parse(NULL, argc, argv, 1);
	if (first < 0)
		return TOOL_USAGE;
	argc -= first;
	argv += first;
	if (!argc) {
		tool_verbs_help();
		return tool.help ? TOOL_YES : TOOL_USAGE;
	}
	int words;
	const struct tool_verb *verb = tool_verb_find(argc, argv, &words);
	if (!verb)
		return unknown(argc, argv);
	argc -= words;
	argv += words;
	int found = tool_opt_parse(verb->opts, argc, argv, verb->rest);
	if (found < 0)
		return TOOL_USAGE;
	if (tool.help) {
		tool_verb_help(verb);
		return TOOL_YES;
	}
	return verb->rest ? verb->run(argc - found, argv + found)
			  : verb->run(found, argv);
}

int
main(int argc, char **argv)
{
	tool_begin(argv[0]);
	return tool_end(run(argc - (argc > 0), argv + (argc > 0)));
}
