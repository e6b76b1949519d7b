/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Options from tables: what an option is called, what it takes, and where it goes. */
#ifndef TOOLS_OPT_H
#define TOOLS_OPT_H

enum tool_kind {
	OPT_SET,  /* int: becomes .value */
	OPT_STR,  /* const char * */
	OPT_U64,  /* uint64_t: digits */
	OPT_SIZE, /* uint64_t: bytes, with k, M or G (powers of 1,024) */
	OPT_MS,   /* int: milliseconds, written 500ms, 2s, 1m, or plain seconds; plain
		     milliseconds with .value 1 */
	OPT_US,   /* int: microseconds, written 500us, 5ms, or plain; with .words also
		     that word, for .value */
	OPT_REAL, /* double, finite, not negative */
	OPT_WORD  /* int: index of the word in .words ("a|b|c") */
};

struct tool_opt {
	char letter; /* 0 = none */
	const char *name;
	enum tool_kind kind;
	void *to;
	const char *help;
	const char *arg; /* how the help calls its argument */
	int value;
	const char *words;
};

extern const struct tool_opt tool_globals[];

/*
 * Takes the options out of argv and moves the operands to its front; "--" ends options.
 * Own options are looked up before the global ones. Returns the number of operands, or
 * -1 after saying what is wrong. With only_first it stops at the first operand and
 * returns that operand's index.
 */
int tool_opt_parse(const struct tool_opt *own, int argc, char **argv, int only_first);

/* The lines of the help for one table. */
void tool_opt_help(const struct tool_opt *opts);

#endif
