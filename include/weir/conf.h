/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the operator has a say in. A setting has a value in each of four layers at the most,
 * and the last of them that says anything counts:
 *
 *	built in  <  the program  <  the file  <  the environment
 *
 * The file is the one that WEIR_CONF names, and else /etc/weir/weir.conf and then
 * $XDG_CONFIG_HOME/weir/weir.conf (or $HOME/.config/weir/weir.conf), whose lines win:
 *
 *	# a setting a line
 *	budget = 500
 *	tier_escalation = false
 *
 * It is read when a bus is opened, and again by weir_tiers. What cannot be understood is
 * refused by the name of the file and the line, or of the variable: then the bus does not
 * open, or goes on with what it had. Files that are not there say nothing.
 */
#ifndef WEIR_CONF_H
#define WEIR_CONF_H

#include <weir/weir.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A setting, with what counts now, and who said so. */
typedef struct weir_setting {
	const char *name;     /* in a file: "budget" */
	const char *variable; /* in the environment: "WEIR_BUDGET" */
	const char *about;    /* one line, for people */
	const char *from; /* "built in", "the program", "the file" or "the environment" */
	char value[24];   /* as it is written: "2000", "true" */
	char built_in[24];
	char possible[80]; /* "a whole number from 100 to 10000" */
	char where[160];   /* "/etc/weir/weir.conf:3", "WEIR_BUDGET", or "" */
} weir_setting;

/*
 * Fills in up to count settings: those in force on a bus, or, where bus is NULL, those that
 * one would have that was opened now without any of its own. The strings that are pointed to
 * live as long as the program. size is sizeof(weir_setting).
 * Returns how many settings there are; USAGE_INVAL (what the file or the environment says is
 * refused, and err, which may be NULL, says which and why), ENV_OS or ENV_FILES (a file cannot
 * be read), USAGE_SIZE, or why the bus cannot be used. The bus's thread; with NULL any, but
 * not while another one changes the environment. With NULL a few system calls.
 */
int weir_settings(weir_bus *bus, weir_setting *settings, size_t size, size_t count,
	weir_error *err);

/* ---- what is asked of the kernel ------------------------------------------------------- */

enum weir_outcome {
	WEIR_APPLIED = 1,
	WEIR_REFUSED,    /* without the right, or the means; .os says why */
	WEIR_UNSUPPORTED /* there is no such thing on this machine */
};

/* An option of weir_open that is the kernel's to grant, and what has become of it. */
typedef struct weir_tuning {
	const char *option; /* "core", "timers_core", "large_pages", "slack_ns", "nice",
			       "realtime", "lane_group" */
	int64_t asked;      /* the value that it was given; 0 of a text */
	uint32_t outcome;   /* enum weir_outcome */
	int os;             /* errno behind it, 0 if it is applied */
	char text[120]; /* for people: "realtime 50: refused, Operation not permitted" */
} weir_tuning;

/*
 * Fills in up to count of the options that were asked for when the bus was opened, in the
 * order above. A bus does not open without the core that it asked for; all else it goes on
 * without. size is sizeof(weir_tuning).
 * Returns how many were asked for; USAGE_INVAL (no room is given), USAGE_SIZE, or why the bus
 * cannot be used. The bus's thread.
 */
int weir_tunings(weir_bus *bus, weir_tuning *tunings, size_t size, size_t count);

#ifdef __cplusplus
}
#endif
#endif
