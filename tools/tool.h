/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the verbs of the weir command share: its settings, its voice, its signals. */
#ifndef TOOLS_TOOL_H
#define TOOLS_TOOL_H

#include <stddef.h>
#include <stdint.h>
#include <weir/weir.h>

#include "tools/opt.h"

/* What the command answers with; see weir.1. */
enum tool_exit {
	TOOL_YES = 0,
	TOOL_NO = 1, /* also: something was found that needs a person */
	TOOL_USAGE = 2,
	TOOL_NOTFOUND = 3,
	TOOL_NOBODY = 4, /* nobody there, or the time ran out */
	TOOL_DENIED = 5,
	TOOL_MISFIT = 6,
	TOOL_MEMORY = 7,
	TOOL_INTERRUPTED = 130
};

enum { TOOL_PATH_MAX = 4096 };

enum tool_out { TOOL_TABLE = 0, TOOL_JSON, TOOL_JSONL };
enum tool_color { TOOL_COLOR_AUTO = 0, TOOL_COLOR_NEVER, TOOL_COLOR_ALWAYS };

/* The global options, and what the program knows about itself. */
struct tool {
	const char *bus; /* NULL where -b was not given */
	const char *dir; /* NULL: the library's default */
	int out;         /* enum tool_out */
	int color;       /* enum tool_color */
	int quiet;
	int verbose;
	int help;
	int timeout_ms;           /* -1 where --timeout was not given */
	char self[TOOL_PATH_MAX]; /* path of this program */
};
extern struct tool tool;

/*
 * One verb. A name of two words is a noun and a verb. The functions get the operands only;
 * options have been stored where the table points.
 */
struct tool_verb {
	const char *name;
	const char *args;  /* operands, as the help shows them */
	const char *about; /* one line, no full stop */
	const struct tool_opt *opts;
	const char *more; /* paragraphs of the help, may be NULL */
	int (*run)(int argc, char **argv);
	int hidden;
	int rest; /* what follows the first operand is not ours: no options in it */
};

/* All verbs, in the order of the help; ends with a name of NULL. */
extern const struct tool_verb *const tool_verbs[];
/* The verb that the words name; *words becomes how many of them it took. NULL: none. */
const struct tool_verb *tool_verb_find(int argc, char **argv, int *words);
/* Help on one verb, and the list of all. */
void tool_verb_help(const struct tool_verb *verb);
void tool_verbs_help(void);

/* First and last act of the program. tool_end gives the exit code: rc, unless what was
 * printed did not reach the other end. */
void tool_begin(const char *argv0);
int tool_end(int rc);

/* The bus that was asked for: -b, $WEIR_BUS, "default". */
const char *tool_bus(void);
/* The deadline of the command in milliseconds, or what applies where none was given. */
int tool_timeout(int otherwise_ms);

/* Talk on stderr, silenced by -q. The line ends itself. */
void tool_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* An error on stderr, never silenced. */
void tool_complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same, returning TOOL_USAGE. */
int tool_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Reports what a handle or a call carries; returns its exit code. */
int tool_fail(const weir_error *err);
/* The same where there is only a code. */
int tool_fail_code(int code, const char *doing);
/* "did you mean 'x'?" among names, or NULL; names ends with NULL. */
const char *tool_nearest(const char *word, const char *const *names);

/* Attaches to the bus under the name of the verb, and catches signals for it. Returns 0,
 * or the exit code after saying why. */
int tool_attach(const char *node, weir_event_fn on_event, void *ctx, weir_bus **bus);
/* Closes it. Returns 0 or an exit code. */
int tool_detach(weir_bus *bus);

/* From here on SIGINT, SIGTERM and SIGHUP ask for an orderly end, unless they were being
 * ignored. bus may be NULL. */
void tool_catch(weir_bus *bus);
/* The signal that came last, 0 = none; and how many have come. */
int tool_caught(void);
int tool_caught_count(void);
/* Waits until fd is readable (1), the time has come (0), or a signal came (-1). fd -1:
 * only for the other two. until_ns is of weir_now_ns, UINT64_MAX for ever. */
int tool_wait(int fd, uint64_t until_ns);
/* The same for several, of which those that are -1 are passed over; how many are ready. */
struct pollfd;
enum { TOOL_WAIT_MAX = 8 };
int tool_wait_many(struct pollfd *fds, size_t count, uint64_t until_ns);

/* True if stdout still takes what is written; flushes it. */
int tool_flush(void);
/* True if stdout is a pipe that nobody reads any more. */
int tool_unread(void);
/* True if bold and colours may be used on stdout: by --color, else by NO_COLOR, and where
 * stdout is a terminal. */
int tool_color(void);

extern const struct tool_verb verb_pub, verb_sub, verb_ls, verb_topic_info,
	verb_topic_account, verb_topic_lag, verb_topic_echo, verb_topic_hz,
	verb_topic_bw, verb_topic_delay, verb_consumer_ls, verb_consumer_info,
	verb_consumer_why, verb_consumer_set, verb_consumer_skip, verb_consumer_kick,
	verb_demo_slow, verb_doctor, verb_top, verb_reactor_simulate, verb_reactor_round,
	verb_clean, verb_errors, verb_explain, verb_version, verb_demo, verb_bench,
	verb_help, verb_conf, verb_demo_source, verb_demo_consumer;

#endif
