/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/tier_rules.h"

#include "bus/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000ull
#define US 1000ull

const uint32_t wr_tier_floors[WR_TIERS] = {0, 1000u << WR_TIER_POINT_BITS,
	2500u << WR_TIER_POINT_BITS, 5000u << WR_TIER_POINT_BITS};

static const char *const tier_names[WR_TIERS] = {"monitor", "warn", "yield", "isolate"};

const char *
wr_tier_name(unsigned tier)
{
	return tier < WR_TIERS ? tier_names[tier] : "unknown";
}

/* ---- profiles ----------------------------------------------------------------------------- */

struct profile {
	const char *name;
	struct wr_tier_config config;
};

/* Of a policy: violations, good polls, ms at least, us of a good poll. */
static const struct profile profiles[] = {
	{"balanced",
		{.poll_budget = 2000,
			.threshold_ns = 1000000,
			.promotion_ms = 100,
			.demotion_ms = 500,
			.escalation = 1,
			.policy = {{5, 100, 5000, 100}, {3, 75, 3000, 200},
				{2, 50, 2000, 500}, {0, 25, 250, 1000}}}},
	{"aggressive",
		{.poll_budget = 1000,
			.threshold_ns = 1000000,
			.promotion_ms = 50,
			.demotion_ms = 200,
			.escalation = 1,
			.policy = {{2, 30, 500, 50}, {3, 40, 750, 75},
				{3, 50, 1000, 100}, {0, 100, 250, 200}}}},
	{"permissive",
		{.poll_budget = 10000,
			.threshold_ns = 1000000,
			.promotion_ms = 1000,
			.demotion_ms = 2000,
			.escalation = 1,
			.policy = {{10, 10, 2000, 500}, {15, 15, 3000, 750},
				{20, 20, 5000, 1000}, {0, 25, 250, 2000}}}},
	{"readme",
		{.poll_budget = 2000,
			.threshold_ns = 1000000,
			.promotion_ms = 100,
			.demotion_ms = 500,
			.escalation = 1,
			.policy = {{3, 10, 5000, 100}, {2, 5, 3000, 200},
				{1, 3, 2000, 500}, {0, 0, 250, 1000}}}},
};

enum { PROFILES = sizeof(profiles) / sizeof(profiles[0]) };

const struct wr_tier_config *
wr_tier_profile(const char *name)
{
	for (unsigned i = 0; name && i < PROFILES; i++)
		if (strcmp(profiles[i].name, name) == 0)
			return &profiles[i].config;
	return NULL;
}

const char *
wr_tier_profile_of(const struct wr_tier_config *config)
{
	/* All fields are words of the same size: there is nothing between them. */
	for (unsigned i = 0; i < PROFILES; i++)
		if (memcmp(&profiles[i].config, config, sizeof(*config)) == 0)
			return profiles[i].name;
	return "custom";
}

/* ---- fields -------------------------------------------------------------------------------- */

struct field {
	const char *name;
	size_t offset;
	uint32_t least, most;
};

#define AT(member) offsetof(struct wr_tier_config, member)

enum { HOUR_MS = 3600000 };

/* From the last tier nothing leads up; and to be isolated takes a while. */
static const struct field fields[] = {
	{"poll_budget", AT(poll_budget), 100, 10000},
	{"threshold_ns", AT(threshold_ns), 1000, 4000000000},
	{"promotion_ms", AT(promotion_ms), 0, HOUR_MS},
	{"demotion_ms", AT(demotion_ms), 0, HOUR_MS},
	{"age_ms", AT(age_ms), 0, HOUR_MS},
	{"escalation", AT(escalation), 0, 1},
	{"monitor.violations", AT(policy[0].violations), 0, 1000},
	{"monitor.good_polls", AT(policy[0].good_polls), 0, 10000},
	{"monitor.min_ms", AT(policy[0].min_ms), 0, HOUR_MS},
	{"monitor.good_us", AT(policy[0].good_us), 1, 1000000},
	{"warn.violations", AT(policy[1].violations), 0, 1000},
	{"warn.good_polls", AT(policy[1].good_polls), 0, 10000},
	{"warn.min_ms", AT(policy[1].min_ms), 0, HOUR_MS},
	{"warn.good_us", AT(policy[1].good_us), 1, 1000000},
	{"yield.violations", AT(policy[2].violations), 0, 1000},
	{"yield.good_polls", AT(policy[2].good_polls), 0, 10000},
	{"yield.min_ms", AT(policy[2].min_ms), 0, HOUR_MS},
	{"yield.good_us", AT(policy[2].good_us), 1, 1000000},
	{"isolate.violations", AT(policy[3].violations), 0, 0},
	{"isolate.good_polls", AT(policy[3].good_polls), 0, 10000},
	{"isolate.min_ms", AT(policy[3].min_ms), 1, HOUR_MS},
	{"isolate.good_us", AT(policy[3].good_us), 1, 1000000},
};

enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

_Static_assert(FIELDS * sizeof(uint32_t) == sizeof(struct wr_tier_config),
	"each field of the configuration has its bounds");

static uint32_t
value_of(const struct wr_tier_config *config, const struct field *field)
{
	uint32_t value;

	memcpy(&value, (const char *)config + field->offset, sizeof(value));
	return value;
}

static int
check_field(const struct field *field, uint64_t value, struct weir_error *err)
{
	int rc;

	if (value >= field->least && value <= field->most)
		return 0;
	rc = wr_error_set(err, WEIR_E_USAGE_INVAL, 0, "%s is %llu, which is out of bounds",
		field->name, (unsigned long long)value);
	wr_error_where(err, "the tiers' configuration");
	wr_error_differs(err, "%u to %u are possible", field->least, field->most);
	wr_error_try(err, "the profile 'balanced' has %u",
		value_of(&profiles[0].config, field));
	return rc;
}

int
wr_tier_config_set(struct wr_tier_config *config, const char *name, uint64_t value,
	struct weir_error *err)
{
	for (unsigned i = 0; name && i < FIELDS; i++) {
		uint32_t word = (uint32_t)value;
		int rc;

		if (strcmp(fields[i].name, name) != 0)
			continue;
		rc = check_field(&fields[i], value, err);
		if (rc == 0)
			memcpy((char *)config + fields[i].offset, &word, sizeof(word));
		return rc;
	}
	(void)wr_error_set(err, WEIR_E_USAGE_INVAL, 0, "the tiers have no field '%s'",
		name ? name : "");
	wr_error_where(err, "the tiers' configuration");
	wr_error_try(err,
		"poll_budget, threshold_ns, promotion_ms, demotion_ms, age_ms, "
		"escalation, or a tier and one of violations, good_polls, "
		"min_ms, good_us: warn.violations");
	return -WEIR_E_USAGE_INVAL;
}

/* ---- as text ------------------------------------------------------------------------------- */

enum { WORD = 64 };

static int
set_field(struct wr_tier_config *config, char *word, struct weir_error *err)
{
	char *equals = strchr(word, '=');
	char *end;
	uint64_t value;

	*equals = 0;
	value = strtoull(equals + 1, &end, 10);
	if (equals[1] < '0' || equals[1] > '9' || *end)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"%s=%s: a whole number is needed", word, equals + 1);
	return wr_tier_config_set(config, word, value, err);
}

static int
set_word(struct wr_tier_config *config, char *word, bool first, struct weir_error *err)
{
	const struct wr_tier_config *profile;

	if (strchr(word, '='))
		return set_field(config, word, err);
	profile = first ? wr_tier_profile(word) : NULL;
	if (!profile)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"'%s' is neither a profile (balanced, aggressive, permissive, readme, "
			"off), which comes first, nor field=number",
			word);
	*config = *profile;
	return 0;
}

static int
set_words(struct wr_tier_config *config, const char *text, struct weir_error *err)
{
	bool first = true;

	for (text += strspn(text, " ,"); *text; text += strspn(text, " ,")) {
		size_t len = strcspn(text, " ,");
		char word[WORD];
		int rc;

		if (len >= sizeof(word))
			return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
				"'%.20s...' is no profile and no field", text);
		memcpy(word, text, len);
		word[len] = 0;
		rc = set_word(config, word, first, err);
		if (rc < 0)
			return rc;
		first = false;
		text += len;
	}
	return 0;
}

int
wr_tier_config_read(
	struct wr_tier_config *config, const char *text, struct weir_error *err)
{
	struct wr_tier_config all = *config;
	int rc = set_words(&all, text, err);

	if (rc == 0)
		*config = all;
	return rc;
}

/* ---- rules ---------------------------------------------------------------------------------- */

/* What k violations, each worth this, are the way to the next tier, and k - 1 are not. */
static uint32_t
worth_of(const struct wr_tier_config *config, unsigned tier)
{
	uint32_t violations = config->policy[tier].violations;
	uint32_t way;

	if (tier + 1 >= WR_TIERS || violations == 0 || !config->escalation)
		return 0;
	way = wr_tier_floors[tier + 1] - wr_tier_floors[tier];
	return (way + violations - 1) / violations;
}

int
wr_tier_rules_of(struct wr_tier_rules *rules, const struct wr_tier_config *config,
	struct weir_error *err)
{
	for (unsigned i = 0; i < FIELDS; i++) {
		int rc = check_field(&fields[i], value_of(config, &fields[i]), err);

		if (rc < 0)
			return rc;
	}
	*rules = (struct wr_tier_rules){.threshold_ns = config->threshold_ns,
		.promotion_ns = config->promotion_ms * MS,
		.demotion_ns = config->demotion_ms * MS,
		.age_ns = config->age_ms * MS,
		.poll_budget = config->poll_budget};
	for (unsigned tier = 0; tier < WR_TIERS; tier++) {
		const struct wr_tier_policy *policy = &config->policy[tier];

		rules->good_ns[tier] = policy->good_us * US;
		rules->min_ns[tier] = policy->min_ms * MS;
		rules->good_polls[tier] = policy->good_polls;
		rules->worth[tier] = worth_of(config, tier);
	}
	return 0;
}
