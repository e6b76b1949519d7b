/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "conf/settings.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct key {
	const char *name, *variable, *about;
	uint64_t least, most, built_in;
	bool is_switch;
	const char *const *words; /* one of these, by its place; else a number or a switch */
};

static const char *const io_words[] = {"auto", "epoll", "poll", NULL};

static const struct key keys[WR_SETTINGS] = {
	[WR_SETTING_BUDGET] = {.name = "budget",
		.variable = "WEIR_BUDGET",
		.about = "units of weir_consume that a poll has",
		.least = 100,
		.most = 10000,
		.built_in = 2000},
	[WR_SETTING_CPU_THRESHOLD_NS] = {.name = "cpu_threshold_ns",
		.variable = "WEIR_CPU_THRESHOLD_NS",
		.about = "how long a poll may take",
		.least = 1000,
		.most = 4000000000,
		.built_in = 1000000},
	[WR_SETTING_TIER_ESCALATION] = {.name = "tier_escalation",
		.variable = "WEIR_TIER_ESCALATION",
		.about = "whether a slow consumer climbs the tiers",
		.most = 1,
		.built_in = 1,
		.is_switch = true},
	[WR_SETTING_IO] = {.name = "io",
		.variable = "WEIR_IO",
		.about = "what a loop waits for descriptors with",
		.most = 2,
		.words = io_words},
};

static const char *const layers[WR_LAYERS] = {
	"built in", "the program", "the file", "the environment"};

const char *
wr_setting_name(enum wr_setting setting)
{
	return (unsigned)setting < WR_SETTINGS ? keys[setting].name : "unknown";
}

const char *
wr_setting_variable(enum wr_setting setting)
{
	return (unsigned)setting < WR_SETTINGS ? keys[setting].variable : "unknown";
}

const char *
wr_setting_about(enum wr_setting setting)
{
	return (unsigned)setting < WR_SETTINGS ? keys[setting].about : "unknown";
}

int
wr_setting_find(const char *name)
{
	for (int i = 0; i < WR_SETTINGS; i++)
		if (strcmp(keys[i].name, name) == 0)
			return i;
	return -1;
}

const char *
wr_layer_name(enum wr_layer layer)
{
	return (unsigned)layer < WR_LAYERS ? layers[layer] : "unknown";
}

/* ---- as it is written ------------------------------------------------------------------------ */

void
wr_setting_format(enum wr_setting setting, uint64_t value, char text[WR_SETTING_TEXT])
{
	if ((unsigned)setting < WR_SETTINGS && keys[setting].words &&
		value <= keys[setting].most)
		snprintf(text, WR_SETTING_TEXT, "%s", keys[setting].words[value]);
	else if ((unsigned)setting < WR_SETTINGS && keys[setting].is_switch)
		snprintf(text, WR_SETTING_TEXT, "%s", value ? "true" : "false");
	else
		snprintf(text, WR_SETTING_TEXT, "%llu", (unsigned long long)value);
}

static void
list_words(const char *const *words, char *text, size_t size)
{
	size_t used = 0;

	for (unsigned i = 0; words[i] && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s",
			i == 0                 ? ""
				: words[i + 1] ? ", "
					       : " or ",
			words[i]);
}

/* What is possible, for a person. */
static void
format_bounds(const struct key *key, char *text, size_t size)
{
	if (key->words)
		list_words(key->words, text, size);
	else if (key->is_switch)
		snprintf(text, size, "true or false");
	else
		snprintf(text, size, "a whole number from %llu to %llu",
			(unsigned long long)key->least, (unsigned long long)key->most);
}

void
wr_setting_bounds(enum wr_setting setting, char text[WR_SETTING_BOUNDS])
{
	if ((unsigned)setting < WR_SETTINGS)
		format_bounds(&keys[setting], text, WR_SETTING_BOUNDS);
	else
		text[0] = '\0';
}

uint64_t
wr_setting_built_in(enum wr_setting setting)
{
	return (unsigned)setting < WR_SETTINGS ? keys[setting].built_in : 0;
}

/* ---- refusals ------------------------------------------------------------------------------ */

enum { SHOWN = 60 }; /* bytes of what was written, for a person */

/* As it was written, without what would harm a terminal. */
static const char *
shown(const char *text, char buf[SHOWN + 4])
{
	size_t len = 0;

	for (; len < SHOWN && text[len] != '\0'; len++)
		buf[len] = text[len] >= ' ' && text[len] <= '~' ? text[len] : '?';
	strcpy(buf + len, text[len] != '\0' ? "..." : "");
	return buf;
}

static int
refuse(struct weir_error *err, enum wr_layer layer, const char *name, const char *text)
{
	char buf[SHOWN + 4];

	if (err) {
		*err = (struct weir_error){.code = WEIR_E_USAGE_INVAL};
		snprintf(err->text, sizeof(err->text), "%s is '%s'", name,
			shown(text, buf));
		snprintf(err->where, sizeof(err->where), "%s", wr_layer_name(layer));
	}
	return -WEIR_E_USAGE_INVAL;
}

static int
refuse_value(struct weir_error *err, enum wr_layer layer, const struct key *key,
	const char *text)
{
	const char *name = layer == WR_LAYER_ENVIRONMENT ? key->variable : key->name;
	char bounds[WR_SETTING_BOUNDS], built_in[WR_SETTING_TEXT];
	int rc = refuse(err, layer, name, text);

	if (!err)
		return rc;
	format_bounds(key, bounds, sizeof(bounds));
	wr_setting_format((enum wr_setting)(key - keys), key->built_in, built_in);
	snprintf(err->differs, sizeof(err->differs), "%s is possible", bounds);
	snprintf(err->hint, sizeof(err->hint), "without it: %s", built_in);
	return rc;
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool
read_switch(const char *text, uint64_t *value)
{
	static const char *const words[2][4] = {
		{"false", "no", "off", "0"}, {"true", "yes", "on", "1"}};

	for (unsigned is = 0; is < 2; is++)
		for (unsigned i = 0; i < 4; i++)
			if (strcasecmp(text, words[is][i]) == 0) {
				*value = is;
				return true;
			}
	return false;
}

static bool
read_word(const char *const *words, const char *text, uint64_t *value)
{
	for (unsigned i = 0; words[i]; i++)
		if (strcasecmp(text, words[i]) == 0) {
			*value = i;
			return true;
		}
	return false;
}

/* Digits, and nothing but digits. */
static bool
read_number(const char *text, uint64_t *value)
{
	uint64_t sum = 0;

	for (const char *at = text; *at; at++) {
		if (*at < '0' || *at > '9' || sum > (UINT64_MAX - 9) / 10)
			return false;
		sum = sum * 10 + (uint64_t)(*at - '0');
	}
	*value = sum;
	return text[0] != '\0';
}

static int
read_text(enum wr_layer layer, const struct key *key, const char *text, uint64_t *value,
	struct weir_error *err)
{
	bool good = key->words   ? read_word(key->words, text, value)
		: key->is_switch ? read_switch(text, value)
				 : read_number(text, value);

	if (!good || *value < key->least || *value > key->most)
		return refuse_value(err, layer, key, text);
	return 0;
}

/* What a lower layer says does not matter any more. */
static void
take(struct wr_settings *settings, enum wr_layer layer, unsigned setting, uint64_t value)
{
	if ((uint8_t)layer < settings->layers[setting])
		return;
	settings->values[setting] = value;
	settings->layers[setting] = (uint8_t)layer;
	snprintf(settings->where[setting], WR_SETTING_WHERE, "%s",
		layer == WR_LAYER_ENVIRONMENT ? keys[setting].variable : "");
}

void
wr_settings_init(struct wr_settings *settings)
{
	*settings = (struct wr_settings){0};
	for (unsigned i = 0; i < WR_SETTINGS; i++)
		settings->values[i] = keys[i].built_in;
}

void
wr_settings_keep(struct wr_settings *settings, const struct wr_settings *from,
	enum wr_setting setting)
{
	settings->values[setting] = from->values[setting];
	settings->layers[setting] = from->layers[setting];
	memcpy(settings->where[setting], from->where[setting], WR_SETTING_WHERE);
}

uint64_t
wr_settings_get(const struct wr_settings *settings, enum wr_setting setting)
{
	return (unsigned)setting < WR_SETTINGS ? settings->values[setting] : 0;
}

int
wr_settings_set(struct wr_settings *settings, enum wr_layer layer,
	enum wr_setting setting, uint64_t value, struct weir_error *err)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	if ((unsigned)setting >= WR_SETTINGS || (unsigned)layer >= WR_LAYERS)
		return refuse(err, layer, wr_setting_name(setting), text);
	if (value < keys[setting].least || value > keys[setting].most)
		return refuse_value(err, layer, &keys[setting], text);
	take(settings, layer, setting, value);
	return 0;
}

/* "one of budget, ..." */
static void
name_all(char *text, size_t size)
{
	size_t used = (size_t)snprintf(text, size, "one of");

	for (unsigned i = 0; i < WR_SETTINGS && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s %s",
			i > 0 ? "," : "", keys[i].name);
}

int
wr_settings_put(struct wr_settings *settings, enum wr_layer layer, const char *name,
	const char *text, struct weir_error *err)
{
	int setting = (unsigned)layer < WR_LAYERS ? wr_setting_find(name) : -1;
	uint64_t value;

	if (setting >= 0) {
		if (read_text(layer, &keys[setting], text, &value, err) < 0)
			return -WEIR_E_USAGE_INVAL;
		take(settings, layer, (unsigned)setting, value);
		return 0;
	}
	(void)refuse(err, layer, "a setting's name", name);
	if (err)
		name_all(err->hint, sizeof(err->hint));
	return -WEIR_E_USAGE_INVAL;
}

/* ---- the environment ------------------------------------------------------------------------- */

int
wr_settings_environment(struct wr_settings *settings,
	const char *(*look)(void *ctx, const char *variable), void *ctx,
	struct weir_error *err)
{
	struct wr_settings all = *settings;

	for (unsigned i = 0; i < WR_SETTINGS; i++) {
		const char *text = look(ctx, keys[i].variable);
		uint64_t value;

		if (!text || text[0] == '\0')
			continue;
		if (read_text(WR_LAYER_ENVIRONMENT, &keys[i], text, &value, err) < 0)
			return -WEIR_E_USAGE_INVAL;
		take(&all, WR_LAYER_ENVIRONMENT, i, value);
	}
	*settings = all;
	return 0;
}

static const char *
look_in_environment(void *ctx, const char *variable)
{
	(void)ctx;
	return getenv(variable);
}

int
wr_settings_getenv(struct wr_settings *settings, struct weir_error *err)
{
	return wr_settings_environment(settings, look_in_environment, NULL, err);
}
