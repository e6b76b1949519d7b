/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the operator has a say in, as a program may see it: weir_settings.
 */
#include <stdio.h>
#include <weir/conf.h>

#include "bus/error.h"
#include "conf/file.h"
#include "protocols/bus.h"

static void
show(const struct wr_settings *settings, unsigned which, weir_setting *shown)
{
	enum wr_setting setting = (enum wr_setting)which;

	*shown = (weir_setting){.name = wr_setting_name(setting),
		.variable = wr_setting_variable(setting),
		.about = wr_setting_about(setting),
		.from = wr_layer_name((enum wr_layer)settings->layers[which])};
	wr_setting_format(setting, wr_settings_get(settings, setting), shown->value);
	wr_setting_format(setting, wr_setting_built_in(setting), shown->built_in);
	wr_setting_bounds(setting, shown->possible);
	snprintf(shown->where, sizeof(shown->where), "%s", settings->where[which]);
}

/* As a bus would have them. */
static int
read_all(struct wr_settings *settings, struct weir_error *err)
{
	int rc;

	wr_settings_init(settings);
	rc = wr_conf_load(settings, err);
	return rc < 0 ? rc : wr_settings_getenv(settings, err);
}

int
weir_settings(weir_bus *bus, weir_setting *settings, size_t size, size_t count,
	weir_error *err)
{
	struct wr_settings all;
	int rc;

	if (size != sizeof(*settings))
		return wr_error_set(err, WEIR_E_USAGE_SIZE, 0,
			"a weir_setting of %zu bytes, this library knows %zu", size,
			sizeof(*settings));
	if (!settings && count > 0)
		return wr_error_set(
			err, WEIR_E_USAGE_INVAL, 0, "no room for settings is given");
	rc = bus ? wr_handle_enter(&bus->handle) : read_all(&all, err);
	if (rc < 0)
		return rc;
	if (bus)
		all = bus->settings;
	for (unsigned i = 0; i < WR_SETTINGS && i < count; i++)
		show(&all, i, &settings[i]);
	return WR_SETTINGS;
}
