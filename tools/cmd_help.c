/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Help on a verb, on a word of the house, or on an error. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tools/json.h"
#include "tools/tool.h"

struct word {
	const char *name;
	const char *means;
};

static const struct word words[] = {
	{"bus", "a named meeting place of processes: a directory of sockets, no daemon"},
	{"topic", "a dotted name for one kind of message: imu, cam.front.raw"},
	{"pattern",
		"names several topics: '*' is one token, '>' at the end is all the rest;\n"
		"  quote it, or the shell will read it first"},
	{"node", "one process's attachment to a bus"},
	{"stream", "one publisher's log on one topic"},
	{"segment",
		"a fixed piece of a stream's memory; reused when every gating cursor has\n"
		"  passed it and nobody holds a message in it"},
	{"frame", "one message, with its header, in a segment"},
	{"position", "where a reader stands in a stream"},
	{"cursor", "a reader's published position"},
	{"gate", "the set of cursors that keep segments from reuse"},
	{"hold", "a message kept past its turn, until it is released"},
	{"claim", "room in the publisher's memory for one message; then commit or abort"},
	{"commit", "makes a claimed message visible to readers"},
	{"abort", "gives a claim back; readers pass over it"},
	{"seq", "counts the claims of one stream, from 0; gaps are counted, never silent"},
	{"window", "how many bytes a stream keeps for its readers"},
	{"steward", "the thread of each process that answers who attaches"},
	{"pending", "a peer that has not answered yet; it is admitted when it does"},
	{"lost", "claims that a reader did not get; it is told how many"},
};

enum { WORDS = sizeof(words) / sizeof(words[0]) };

static const struct word *
find_word(const char *name)
{
	for (size_t i = 0; i < WORDS; i++) {
		if (!strcasecmp(words[i].name, name))
			return &words[i];
	}
	return NULL;
}

static void
say_word(const struct word *word)
{
	if (tool.out == TOOL_TABLE) {
		printf("%s: %s\n", word->name, word->means);
		return;
	}
	struct json j;
	json_init(&j, stdout);
	json_object(&j, NULL);
	json_str(&j, "word", word->name);
	json_str(&j, "means", word->means);
	json_end_object(&j);
}

/* help NOUN, where verbs begin with it. */
static int
noun_help(const char *noun)
{
	int found = 0;
	size_t len = strlen(noun);
	for (int i = 0; tool_verbs[i]; i++) {
		const struct tool_verb *verb = tool_verbs[i];
		if (!strncmp(verb->name, noun, len) && verb->name[len] == ' ') {
			printf("  weir %s %s\n      %s\n", verb->name, verb->args,
				verb->about);
			found = 1;
		}
	}
	return found;
}

static int
run(int argc, char **argv)
{
	if (!argc) {
		tool_verbs_help();
		return TOOL_YES;
	}
	int used;
	const struct tool_verb *verb = tool_verb_find(argc, argv, &used);
	if (verb) {
		tool_verb_help(verb);
		return TOOL_YES;
	}
	const struct word *word = find_word(argv[0]);
	if (word)
		say_word(word);
	if (tool.out == TOOL_TABLE && noun_help(argv[0]))
		return TOOL_YES;
	if (word)
		return TOOL_YES;
	return verb_explain.run(1, argv);
}

const struct tool_verb verb_help = {"help", "[WORD]",
	"help on a verb, a word of the house, or an error", NULL, NULL, run, 0, 0};
