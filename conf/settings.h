/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What was asked for, by whom, and who wins? A setting has a value in each of four layers at
 * the most, and the last of them that says anything counts:
 *
 *   built in  <  the program  <  the file  <  the environment
 *
 * So an operator has the last word, whenever it is said: the order of calls plays no part.
 * What cannot be understood, or is out of bounds, is refused by the name under which it was
 * said, with what would do; nothing of it is taken, and nothing else that came with it. An
 * empty variable says nothing.
 *
 *   WEIR_BUDGET            units of weir_consume for each poll; 100 to 10000, 2000
 *   WEIR_CPU_THRESHOLD_NS  a poll may take so long; 1000 to 4000000000, 1000000
 *   WEIR_TIER_ESCALATION   whether a slow consumer climbs the tiers; true
 *   WEIR_IO                what a loop waits for descriptors with; auto, epoll, poll; auto
 *
 * How a file is read, and which: conf/file.h. Pure but for the last function. Any thread, one at a time for a set of settings.
 */
#ifndef WR_CONF_SETTINGS_H
#define WR_CONF_SETTINGS_H

#include <stdint.h>
#include <weir/error.h>

enum wr_setting {
	WR_SETTING_BUDGET = 0,
	WR_SETTING_CPU_THRESHOLD_NS,
	WR_SETTING_TIER_ESCALATION,
	WR_SETTING_IO,
	WR_SETTINGS
};

enum wr_layer {
	WR_LAYER_BUILT_IN = 0,
	WR_LAYER_PROGRAM,
	WR_LAYER_FILE,
	WR_LAYER_ENVIRONMENT,
	WR_LAYERS
};

enum {
	WR_SETTING_TEXT = 24,   /* bytes of a value, as it is written */
	WR_SETTING_BOUNDS = 80, /* and of what is possible */
	WR_SETTING_WHERE = 160
};

struct wr_settings {
	uint64_t values[WR_SETTINGS];
	uint8_t layers[WR_SETTINGS]; /* who said so: enum wr_layer, */
	/* and where: "/etc/weir/weir.conf:3", "WEIR_BUDGET", or "" */
	char where[WR_SETTINGS][WR_SETTING_WHERE];
};

void wr_settings_init(struct wr_settings *settings);

/* The value that counts; true is 1. */
uint64_t wr_settings_get(const struct wr_settings *settings, enum wr_setting setting);

/* Its name in a file, in the environment, and who has the say: "the program". Never NULL;
 * an unknown one is "unknown". */
const char *wr_setting_name(enum wr_setting setting);
const char *wr_setting_variable(enum wr_setting setting);
const char *wr_setting_about(enum wr_setting setting);
const char *wr_layer_name(enum wr_layer layer);

/* Which one has this name in a file; -1: none. */
int wr_setting_find(const char *name);

/* A value as it is written, "2000" or "true"; what is possible, "true or false"; and what
 * counts if nobody says anything. */
void wr_setting_format(
	enum wr_setting setting, uint64_t value, char text[WR_SETTING_TEXT]);
void wr_setting_bounds(enum wr_setting setting, char text[WR_SETTING_BOUNDS]);
uint64_t wr_setting_built_in(enum wr_setting setting);

/* This one as another set has it. */
void wr_settings_keep(struct wr_settings *settings, const struct wr_settings *from,
	enum wr_setting setting);

/* USAGE_INVAL if it is out of bounds, no setting, or no layer. err may be NULL. */
int wr_settings_set(struct wr_settings *settings, enum wr_layer layer,
	enum wr_setting setting, uint64_t value, struct weir_error *err);

/* A line of a file: the setting by its name, "budget", and what is written there. */
int wr_settings_put(struct wr_settings *settings, enum wr_layer layer, const char *name,
	const char *text, struct weir_error *err);

/* All variables that `look` finds, or, if one of them is refused, none. NULL: not set. */
int wr_settings_environment(struct wr_settings *settings,
	const char *(*look)(void *ctx, const char *variable), void *ctx,
	struct weir_error *err);

/* The same with this process's environment. Not while another thread changes that. */
int wr_settings_getenv(struct wr_settings *settings, struct weir_error *err);

#endif
