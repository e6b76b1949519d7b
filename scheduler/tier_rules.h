/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * By which rules do consumers climb and come back? What an operator or a program asks for is
 * a configuration, in units that a person counts in; a look at a consumer works with rules,
 * which are made of it once. Four profiles come with it. Three have the figures that
 * Tokio-Pulse gives for its profiles, "readme" has those of its front page; what it declares
 * and never reads is not here, and instead of the two to ten seconds that its last tier lasts
 * at least there is the first dwell of an isolation.
 *
 * Pure; any thread, for nothing is kept.
 */
#ifndef WR_SCHEDULER_TIER_RULES_H
#define WR_SCHEDULER_TIER_RULES_H

#include <stdint.h>
#include <weir/error.h>

enum { WR_TIER_MONITOR = 0, WR_TIER_WARN, WR_TIER_YIELD, WR_TIER_ISOLATE, WR_TIERS };

struct wr_tier_policy {
	uint32_t violations; /* in a row that promote, 1 to 1000; 0: nothing does */
	uint32_t good_polls; /* in a row before it may come back, 0 to 10000 */
	uint32_t min_ms;  /* at this tier, before that; for isolate the first dwell */
	uint32_t good_us; /* a poll is good up to this */
};

struct wr_tier_config {
	uint32_t poll_budget;  /* units of consume for each poll */
	uint32_t threshold_ns; /* a longer poll is a violation */
	uint32_t promotion_ms; /* after another change, at least */
	uint32_t demotion_ms;  /* without a violation, before a demotion */
	uint32_t age_ms;       /* how old an unread message may be; 0: as it likes */
	uint32_t escalation;   /* 0: nobody is promoted, 1 */
	struct wr_tier_policy policy[WR_TIERS];
};

/* "balanced" (what is used unless something is said), "aggressive", "permissive", "readme";
 * NULL for any other name. */
const struct wr_tier_config *wr_tier_profile(const char *name);

/* The name of the profile that this is, field for field; "custom" if it is none. */
const char *wr_tier_profile_of(const struct wr_tier_config *config);

/*
 * Sets a field by its name: "poll_budget", ..., "warn.violations", "isolate.min_ms".
 * USAGE_INVAL, and nothing is changed, for a name that there is not or a value out of
 * bounds; err (NULL: not wanted) names both and says what to try.
 */
int wr_tier_config_set(struct wr_tier_config *config, const char *field, uint64_t value,
	struct weir_error *err);

/*
 * Sets what a text says: a profile, which comes first, and fields, "aggressive
 * warn.violations=4 age_ms=100", or fields alone; words apart by spaces or commas. All of it,
 * or USAGE_INVAL, and nothing is changed; err (NULL: not wanted) names the word.
 */
int wr_tier_config_read(
	struct wr_tier_config *config, const char *text, struct weir_error *err);

/* The same, once all fields are bounds-checked: what a look works with. */
struct wr_tier_rules {
	uint64_t threshold_ns, promotion_ns, demotion_ns, age_ns;
	uint64_t good_ns[WR_TIERS], min_ns[WR_TIERS];
	uint32_t good_polls[WR_TIERS];
	uint32_t worth[WR_TIERS]; /* of a violation; 0: nothing promotes */
	uint32_t poll_budget;
};

/* Makes rules, new ones or in the place of those that are in use: whole, or not at all.
 * USAGE_INVAL, and the rules are as before, where a field is out of bounds; err names it. */
int wr_tier_rules_of(struct wr_tier_rules *rules, const struct wr_tier_config *config,
	struct weir_error *err);

/* Where a tier begins, in points times 2^WR_TIER_POINT_BITS: fine enough that of a thousand
 * violations the last one promotes, and none before it. */
enum { WR_TIER_POINT_BITS = 16 };
extern const uint32_t wr_tier_floors[WR_TIERS];

const char *wr_tier_name(unsigned tier);

#endif
