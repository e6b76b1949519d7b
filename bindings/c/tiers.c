/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * How consumers of a bus's loop are watched: weir_tiers, and the event of each change.
 */
#include "bindings/c/tiers.h"

#include <string.h>
#include <weir/loop.h>

#include "bus/error.h"
#include "conf/file.h"

/* ---- what was asked for ---------------------------------------------------------------------- */

/* What is built in is not the program's word, whoever repeats it. */
static int
program_says(struct wr_settings *settings, enum wr_setting setting, uint64_t value,
	struct weir_error *err)
{
	if (value == wr_setting_built_in(setting))
		return 0;
	return wr_settings_set(settings, WR_LAYER_PROGRAM, setting, value, err);
}

/* The operator has the last word. */
static int
heed_operator(const struct weir_bus *bus, struct wr_tier_config *config,
	struct wr_settings *settings, struct weir_error *err)
{
	int rc;

	wr_settings_init(settings);
	rc = program_says(settings, WR_SETTING_IO, bus->io, err);
	if (rc == 0)
		rc = program_says(settings, WR_SETTING_BUDGET, config->poll_budget, err);
	if (rc == 0)
		rc = program_says(settings, WR_SETTING_CPU_THRESHOLD_NS,
			config->threshold_ns, err);
	if (rc == 0)
		rc = program_says(
			settings, WR_SETTING_TIER_ESCALATION, config->escalation, err);
	if (rc == 0)
		rc = wr_conf_load(settings, err);
	if (rc == 0)
		rc = wr_settings_getenv(settings, err);
	if (rc < 0)
		return rc;
	config->poll_budget = (uint32_t)wr_settings_get(settings, WR_SETTING_BUDGET);
	config->threshold_ns =
		(uint32_t)wr_settings_get(settings, WR_SETTING_CPU_THRESHOLD_NS);
	config->escalation =
		(uint32_t)wr_settings_get(settings, WR_SETTING_TIER_ESCALATION);
	return 0;
}

/* Whole, or not at all. */
static int
put_in_force(struct weir_bus *bus, const char *asked, struct weir_error *err)
{
	struct wr_tier_config config = bus->tiers;
	struct wr_settings settings;
	struct wr_tier_rules rules;
	bool off = strcmp(asked, "off") == 0;
	int rc = off ? 0 : wr_tier_config_read(&config, asked, err);

	if (rc == 0)
		rc = heed_operator(bus, &config, &settings, err);
	if (rc == 0)
		rc = wr_tier_rules_of(&rules, &config, err);
	if (rc < 0)
		return rc;
	/* By what it hears was settled when it was opened. */
	if (bus->opened)
		wr_settings_keep(&settings, &bus->settings, WR_SETTING_IO);
	bus->tiers = config;
	bus->settings = settings;
	bus->rules = rules;
	wr_reactor_watch_over(&bus->reactor, off ? NULL : &bus->rules);
	if (bus->opened)
		wr_crew_watch_over(&bus->crew, bus->reactor.rules);
	return 0;
}

/* ---- what happens ------------------------------------------------------------------------------ */

static void
changed(void *ctx, struct wr_task *task, const struct wr_tier_change *change)
{
	struct weir_bus *bus = ctx;
	weir_event event = {.kind = WEIR_EV_TIER,
		.pid = bus->node.pid,
		.uid = bus->node.uid,
		.stalled_ns = change->stall_ns,
		.tier = change->to,
		.was_tier = change->from};

	memcpy(event.node, bus->node.name, strnlen(bus->node.name, WEIR_NAME_MAX));
	if (task->name)
		memcpy(event.topic, task->name, strnlen(task->name, WEIR_NAME_MAX));
	(void)wr_tier_change_format(change, task->name, event.why, sizeof(event.why));
	wr_node_tell(&bus->node, &event);
}

int
wr_bus_tiers_init(struct weir_bus *bus, const char *asked, struct weir_error *err)
{
	bus->tiers = *wr_tier_profile("balanced");
	bus->reactor.changed = changed;
	bus->reactor.ctx = bus;
	return put_in_force(bus, asked ? asked : "balanced", err);
}

int
weir_tiers(weir_bus *bus, const char *settings, weir_error *err)
{
	int rc = wr_handle_enter(&bus->handle);

	if (rc == 0 && !settings)
		rc = wr_error_set(err, WEIR_E_USAGE_INVAL, 0, "no settings are given");
	return rc < 0 ? rc : put_in_force(bus, settings, err);
}
