/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* conf: what is set, and by whom. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/conf.h>

#include "tools/json.h"
#include "tools/text.h"
#include "tools/tool.h"

enum { SETTINGS = 64 };

/* What is written in digits is a number, true and false are what they are. */
static void
put_value(struct json *j, const char *key, const char *value)
{
	if (value[0] && strspn(value, "0123456789") == strlen(value))
		json_u64(j, key, strtoull(value, NULL, 10));
	else if (!strcmp(value, "true") || !strcmp(value, "false"))
		json_bool(j, key, value[0] == 't');
	else
		json_str(j, key, value);
}

static void
put(struct json *j, const weir_setting *setting)
{
	json_object(j, NULL);
	json_str(j, "name", setting->name);
	put_value(j, "value", setting->value);
	json_str(j, "from", setting->from);
	json_str(j, "where", setting->where[0] ? setting->where : NULL);
	put_value(j, "built_in", setting->built_in);
	json_str(j, "possible", setting->possible);
	json_str(j, "variable", setting->variable);
	json_str(j, "about", setting->about);
	json_end_object(j);
}

static void
print_json(const weir_setting *settings, int count)
{
	struct json j;

	json_init(&j, stdout);
	if (tool.out == TOOL_JSON) {
		json_object(&j, NULL);
		json_array(&j, "settings");
	}
	for (int i = 0; i < count; i++)
		put(&j, &settings[i]);
	if (tool.out == TOOL_JSON) {
		json_end_array(&j);
		json_end_object(&j);
	}
}

static void
print_table(const weir_setting *settings, int count)
{
	struct table t;

	table_init(&t, "lrll");
	table_add(&t, "SETTING");
	table_add(&t, "VALUE");
	table_add(&t, "FROM");
	table_add(&t, "MEANS");
	for (int i = 0; i < count; i++) {
		table_add(&t, "%s", settings[i].name);
		table_add(&t, "%s", settings[i].value);
		table_add(&t, "%s",
			settings[i].where[0] ? settings[i].where : settings[i].from);
		table_add(&t, "%s", settings[i].about);
	}
	table_print(&t, stdout, tool_color());
}

static int
run(int argc, char **argv)
{
	weir_setting settings[SETTINGS];
	weir_error err = {0};
	int count;

	if (argc > 1)
		return tool_usage("conf takes one file, not '%s' too", argv[1]);
	if (argc == 1 && setenv("WEIR_CONF", argv[0], 1) != 0)
		return tool_usage("'%s' cannot be the name of a file", argv[0]);
	count = weir_settings(NULL, settings, sizeof(settings[0]), SETTINGS, &err);
	if (count < 0)
		return tool_fail(&err);
	count = count < SETTINGS ? count : SETTINGS;
	if (tool.out == TOOL_TABLE)
		print_table(settings, count);
	else
		print_json(settings, count);
	return TOOL_YES;
}

const struct tool_verb verb_conf = {"conf", "[FILE]",
	"what the operator has set, and where", NULL,
	"  Shows what a program would find that is started now. With FILE: as if WEIR_CONF\n"
	"  named that, so it is also a check of one. What is wrong is shown with its line.\n",
	run, 0, 0};
