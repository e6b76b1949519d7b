/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/tiers.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- points --------------------------------------------------------------------------------- */

enum {
	POINT_BITS = WR_TIER_POINT_BITS,
	ONE = 256, /* a violation, in weights */
	WEIGHT_MOST = ONE << 16,
	STALL_SHIFT = 11,    /* 2^19 ns are one */
	LAG_MUCH_SHIFT = 15, /* 2^23 ns */
	LAG_SOME_SHIFT = 17, /* 2^25 ns */
	AGE_SHIFT = 15,
	KEPT_SHIFT = 5, /* of what neighbours took, a 32nd is taken to be waited for */
	LAG_SOME = 500, /* thousandths of the quota */
	LAG_MUCH = 750,
	LAG_CAUGHT_UP = 100,
	TAKES_TIMES = 4 /* what others do: too much; publishers compare readers so, too */
};

enum {
	DECAY_STEPS = 32, /* of a half-life */
	DECAY_STEP_NS = WR_TIER_HALF_LIFE_NS / DECAY_STEPS
};

/* flags */
enum {
	BAD = 1,
	MOVED = 2,
	WAS_SOME = 4,
	WAS_MUCH = 8,
	WAS_OLD = 16,
	RETURNED = 32,
	UNMEASURED = 64, /* polls since the last look at lag and age */
	HINDERED = 128   /* at that look */
};

/* Below these a consumer may come back from a tier. */
static const uint32_t ceilings[WR_TIERS] = {
	0, 400u << POINT_BITS, 1000u << POINT_BITS, 400u << POINT_BITS};
#define PENALTY_MOST (7500u << POINT_BITS)

_Static_assert(DECAY_STEP_NS *DECAY_STEPS == WR_TIER_HALF_LIFE_NS, "a half-life is whole");

/* 2^16 * 2^(-i/32) */
static const uint32_t decay[DECAY_STEPS] = {65536, 64132, 62757, 61413, 60097, 58809,
	57549, 56316, 55109, 53928, 52773, 51642, 50535, 49452, 48393, 47356, 46341,
	45348, 44376, 43425, 42495, 41584, 40693, 39821, 38968, 38133, 37316, 36516,
	35734, 34968, 34219, 33486};

/* In whole steps; what is left of the time counts the next time. */
static uint32_t
decayed(uint32_t penalty, uint64_t steps)
{
	if (steps >= 32 * DECAY_STEPS)
		return 0;
	return (uint32_t)((uint64_t)penalty * decay[steps % DECAY_STEPS] >> 16) >>
		steps / DECAY_STEPS;
}

static uint64_t
since(uint64_t then_ns, uint64_t now_ns)
{
	return now_ns > then_ns ? now_ns - then_ns : 0;
}

static void
decay_to(struct wr_tier *t, uint64_t now_ns)
{
	uint64_t steps = since(t->decayed_ns, now_ns) / DECAY_STEP_NS;

	if (t->penalty == 0 || steps == 0)
		return;
	t->penalty = decayed(t->penalty, steps);
	t->decayed_ns += steps * DECAY_STEP_NS;
}

uint32_t
wr_tier_penalty(const struct wr_tier *t, uint64_t now_ns)
{
	return decayed(t->penalty, since(t->decayed_ns, now_ns) / DECAY_STEP_NS) >>
		POINT_BITS;
}

/* ---- how bad it was ---------------------------------------------------------------------------- */

struct verdict {
	uint64_t weight; /* in 256ths of a violation; 0: none */
	enum wr_tier_why why;
};

static void
weigh_in(struct verdict *verdict, uint64_t *most, uint64_t weight, enum wr_tier_why why)
{
	verdict->weight += weight;
	if (weight > *most) {
		*most = weight;
		verdict->why = why;
	}
}

/* What a fair loop would have taken for what it had itself, its neighbours' part and all. */
static uint64_t
due_ns(const struct wr_tier *t, const struct wr_tier_signs *signs)
{
	return (t->own_ns + signs->poll_ns) * signs->round / signs->part;
}

/* True if it is known how much of the time was its own, and that there was somebody else. */
static bool
is_shared(const struct wr_tier *t, const struct wr_tier_signs *signs)
{
	return signs->poll_ns > 0 && !(t->flags & UNMEASURED) &&
		signs->round > signs->part && signs->part > 0;
}

/* It took so many times what its neighbours took, by weight. */
static bool
takes_from_others(const struct wr_tier *t, const struct wr_tier_signs *signs)
{
	uint64_t gap_ns = since(t->looked_ns, signs->now_ns);
	uint64_t own_ns = t->own_ns + signs->poll_ns;

	return is_shared(t, signs) &&
		own_ns * (signs->round - signs->part) >=
		since(own_ns, gap_ns) * signs->part * TAKES_TIMES;
}

bool
wr_tier_is_hindered(const struct wr_tier *t)
{
	return (t->flags & HINDERED) != 0;
}

bool
wr_tier_asks_for_measures(const struct wr_tier_signs *signs)
{
	return signs->stall_ns > 0 || signs->lag > LAG_SOME;
}

uint64_t
wr_tier_hindered_ns(const struct wr_tier *t, const struct wr_tier_signs *signs)
{
	uint64_t gap_ns = since(t->looked_ns, signs->now_ns), due;

	if (gap_ns < WR_TIER_LAG_LOOK_NS || !is_shared(t, signs))
		return 0;
	due = due_ns(t, signs);
	if (due * 2 >= gap_ns)
		return 0;
	return gap_ns - due < WR_TIER_LAG_GAP_NS ? gap_ns - due : WR_TIER_LAG_GAP_NS;
}

uint64_t
wr_tier_kept_behind_ns(const struct wr_tier_signs *signs)
{
	return signs->lag > LAG_MUCH ? signs->hindered_ns >> KEPT_SHIFT : 0;
}

static void
add_own(struct wr_tier *t, uint64_t poll_ns)
{
	uint64_t own_ns = t->own_ns + poll_ns;

	t->own_ns = own_ns < UINT32_MAX ? (uint32_t)own_ns : UINT32_MAX;
}

/* Only what was so at the last look as well was so meanwhile. */
static void
weigh_lag(struct wr_tier *t, const struct wr_tier_rules *rules,
	const struct wr_tier_signs *signs, struct verdict *verdict, uint64_t *most)
{
	uint64_t gap_ns = since(t->looked_ns, signs->now_ns);
	uint8_t was, is = 0;
	bool hindered = signs->hindered_ns > 0;
	bool alone = signs->round <= signs->part;
	bool counts = alone ? t->tier == WR_TIER_MONITOR : takes_from_others(t, signs);

	add_own(t, signs->poll_ns);
	if (gap_ns < WR_TIER_LAG_LOOK_NS)
		return;
	if (signs->poll_ns > 0)
		t->flags &= (uint8_t)~UNMEASURED;
	was = t->flags;
	t->looked_ns = signs->now_ns;
	t->own_ns = 0;
	gap_ns = gap_ns < WR_TIER_LAG_GAP_NS ? gap_ns : WR_TIER_LAG_GAP_NS;
	is |= signs->lag > LAG_SOME ? WAS_SOME : 0;
	is |= signs->lag > LAG_MUCH ? WAS_MUCH : 0;
	is |= rules->age_ns != 0 && signs->age_ns > rules->age_ns ? WAS_OLD : 0;
	is |= hindered ? HINDERED : 0;
	t->flags = (uint8_t)((was & ~(WAS_SOME | WAS_MUCH | WAS_OLD | HINDERED)) | is);
	if (hindered)
		return;
	if (counts && (is & was & WAS_MUCH))
		weigh_in(verdict, most, gap_ns >> LAG_MUCH_SHIFT, WR_TIER_WHY_LAG);
	else if (counts && (is & was & WAS_SOME))
		weigh_in(verdict, most, gap_ns >> LAG_SOME_SHIFT, WR_TIER_WHY_LAG);
	if (is & was & WAS_OLD)
		weigh_in(verdict, most, gap_ns >> AGE_SHIFT, WR_TIER_WHY_AGE);
}

static struct verdict
weigh(struct wr_tier *t, const struct wr_tier_rules *rules,
	const struct wr_tier_signs *signs)
{
	struct verdict verdict = {0};
	uint64_t most = 0;

	if (signs->poll_ns > rules->threshold_ns)
		weigh_in(&verdict, &most, ONE, WR_TIER_WHY_OVERRUN);
	else if (signs->overdrawn)
		weigh_in(&verdict, &most, ONE, WR_TIER_WHY_OVERDRAWN);
	weigh_in(&verdict, &most, signs->stall_ns >> STALL_SHIFT, WR_TIER_WHY_STALL);
	weigh_lag(t, rules, signs, &verdict, &most);
	if (verdict.weight > WEIGHT_MOST)
		verdict.weight = WEIGHT_MOST;
	return verdict;
}

/* ---- up and down ---------------------------------------------------------------------------------- */

void
wr_tier_init(struct wr_tier *t, uint64_t now_ns)
{
	*t = (struct wr_tier){.changed_ns = now_ns,
		.looked_ns = now_ns,
		.decayed_ns = now_ns,
		.flags = UNMEASURED};
}

void
wr_tier_measured(struct wr_tier *t, bool measured)
{
	t->flags &= (uint8_t)~UNMEASURED;
	t->flags |= measured ? 0 : UNMEASURED;
}

static void
enter_isolation(struct wr_tier *t, const struct wr_tier_rules *rules, uint64_t now_ns)
{
	bool relapse = (t->flags & RETURNED) &&
		since(t->returned_ns, now_ns) < WR_TIER_RELAPSE_NS;
	uint64_t first_ns = rules->min_ns[WR_TIER_ISOLATE];

	if (t->isolations < UINT8_MAX)
		t->isolations++;
	if (!relapse)
		t->dwell_ns = first_ns;
	else if (t->dwell_ns * 2 <= WR_TIER_DWELL_MOST_NS)
		t->dwell_ns *= 2;
	else if (t->dwell_ns < WR_TIER_DWELL_MOST_NS)
		t->dwell_ns = WR_TIER_DWELL_MOST_NS;
}

static void
change_tier(struct wr_tier *t, const struct wr_tier_rules *rules, unsigned tier,
	enum wr_tier_why why, const struct wr_tier_signs *signs,
	struct wr_tier_change *change)
{
	*change = (struct wr_tier_change){.when_ns = signs->now_ns,
		.poll_ns = signs->poll_ns,
		.stall_ns = signs->stall_ns,
		.age_ns = signs->age_ns,
		.limit_ns = why == WR_TIER_WHY_AGE ? rules->age_ns : rules->threshold_ns,
		.stayed_ns = since(t->changed_ns, signs->now_ns),
		.penalty = t->penalty >> POINT_BITS,
		.lag = signs->lag,
		.row = t->row,
		.good = t->good,
		.from = t->tier,
		.to = (uint8_t)tier,
		.why = (uint8_t)why};
	if (t->tier == WR_TIER_ISOLATE) {
		t->returned_ns = signs->now_ns;
		t->flags |= RETURNED;
	}
	if (tier == WR_TIER_ISOLATE) {
		enter_isolation(t, rules, signs->now_ns);
		change->dwell_ns = t->dwell_ns;
	}
	t->tier = (uint8_t)tier;
	t->changed_ns = signs->now_ns;
	t->flags |= MOVED;
	t->good = t->row = 0;
}

static bool
may_promote(const struct wr_tier *t, const struct wr_tier_rules *rules, uint64_t now_ns)
{
	return rules->worth[t->tier] != 0 && t->penalty >= wr_tier_floors[t->tier + 1] &&
		(!(t->flags & MOVED) ||
			since(t->changed_ns, now_ns) >= rules->promotion_ns);
}

static bool
book_violation(struct wr_tier *t, const struct wr_tier_rules *rules,
	const struct wr_tier_signs *signs, struct verdict verdict,
	struct wr_tier_change *change)
{
	bool in_row = (t->flags & BAD) &&
		since(t->bad_ns, signs->now_ns) < WR_TIER_HALF_LIFE_NS;
	uint64_t penalty;

	if (in_row)
		t->decayed_ns = signs->now_ns;
	else
		t->row = 0;
	decay_to(t, signs->now_ns);
	if (t->penalty == 0)
		t->decayed_ns = signs->now_ns;
	penalty = t->penalty > wr_tier_floors[t->tier] ? t->penalty
						       : wr_tier_floors[t->tier];
	penalty += verdict.weight * rules->worth[t->tier] / ONE;
	t->penalty = penalty < PENALTY_MOST ? (uint32_t)penalty : PENALTY_MOST;
	if (t->row < UINT16_MAX)
		t->row++;
	t->good = 0;
	t->bad_ns = signs->now_ns;
	t->flags |= BAD;
	if (!may_promote(t, rules, signs->now_ns))
		return false;
	change_tier(t, rules, t->tier + 1u, verdict.why, signs, change);
	t->penalty = wr_tier_floors[t->tier];
	return true;
}

static bool
may_return(const struct wr_tier *t, const struct wr_tier_rules *rules,
	const struct wr_tier_signs *signs)
{
	bool isolated = t->tier == WR_TIER_ISOLATE;
	uint64_t min_ns = isolated ? t->dwell_ns : rules->min_ns[t->tier];

	return t->good >= rules->good_polls[t->tier] && t->penalty < ceilings[t->tier] &&
		since(t->changed_ns, signs->now_ns) >= min_ns &&
		since(t->bad_ns, signs->now_ns) >= rules->demotion_ns &&
		!(t->flags & (WAS_SOME | WAS_MUCH | WAS_OLD)) &&
		(!isolated || signs->lag <= LAG_CAUGHT_UP);
}

static bool
book_good(struct wr_tier *t, const struct wr_tier_rules *rules,
	const struct wr_tier_signs *signs, struct wr_tier_change *change)
{
	decay_to(t, signs->now_ns);
	t->flags &= (uint8_t)~BAD;
	t->row = 0;
	if (t->good < UINT16_MAX)
		t->good++;
	if (t->tier == WR_TIER_MONITOR || !may_return(t, rules, signs))
		return false;
	change_tier(t, rules, t->tier - 1u, WR_TIER_WHY_GOOD, signs, change);
	return true;
}

/* Publishers waited for it, and it has taken much more than its part of the time. To keep others
 * behind counts against who was warned for what it did itself: a healthy one that catches up has
 * the loop to itself now and then, while the others have nothing to do. */
static bool
is_culprit(const struct wr_tier *t, const struct wr_tier_rules *rules,
	const struct wr_tier_signs *signs)
{
	bool held =
		signs->overspent || (signs->keeps_behind && t->tier != WR_TIER_MONITOR);

	return held && t->tier != WR_TIER_ISOLATE && rules->worth[t->tier] != 0 &&
		takes_from_others(t, signs);
}

/* Whatever the points say. */
static void
move_to(struct wr_tier *t, const struct wr_tier_rules *rules, unsigned tier,
	enum wr_tier_why why, const struct wr_tier_signs *signs,
	struct wr_tier_change *change)
{
	bool up = tier > t->tier;

	decay_to(t, signs->now_ns);
	change_tier(t, rules, tier, why, signs, change);
	/* A handler that does not return is no matter of points: its dwell is what it serves. */
	if (why != WR_TIER_WHY_HARD && !(up && t->penalty > wr_tier_floors[tier]))
		t->penalty = wr_tier_floors[tier];
	t->decayed_ns = signs->now_ns;
	if (up && why != WR_TIER_WHY_HARD)
		t->bad_ns = signs->now_ns;
}

bool
wr_tier_look(struct wr_tier *t, const struct wr_tier_rules *rules,
	const struct wr_tier_signs *signs, struct wr_tier_change *change)
{
	bool culprit = is_culprit(t, rules, signs);
	struct verdict verdict = weigh(t, rules, signs);

	if (culprit) {
		move_to(t, rules, WR_TIER_ISOLATE, WR_TIER_WHY_LEFT, signs, change);
		t->flags |= BAD;
		return true;
	}
	if (verdict.weight > 0)
		return book_violation(t, rules, signs, verdict, change);
	if (signs->poll_ns > rules->good_ns[t->tier])
		return false;
	return book_good(t, rules, signs, change);
}

bool
wr_tier_move(struct wr_tier *t, const struct wr_tier_rules *rules, unsigned tier,
	enum wr_tier_why why, uint64_t now_ns, struct wr_tier_change *change)
{
	const struct wr_tier_signs signs = {.now_ns = now_ns};

	if (tier >= WR_TIERS || tier == t->tier)
		return false;
	move_to(t, rules, tier, why, &signs, change);
	return true;
}

bool
wr_tier_inherit(struct wr_tier *t, const struct wr_tier *maker, uint64_t now_ns,
	struct wr_tier_change *change)
{
	*t = *maker;
	t->good = 0;
	t->isolations = 0;
	t->changed_ns = t->looked_ns = now_ns;
	t->flags &= (uint8_t) ~(WAS_SOME | WAS_MUCH | WAS_OLD);
	*change = (struct wr_tier_change){.when_ns = now_ns,
		.penalty = t->penalty >> POINT_BITS,
		.dwell_ns = t->tier == WR_TIER_ISOLATE ? t->dwell_ns : 0,
		.from = WR_TIER_MONITOR,
		.to = t->tier,
		.why = WR_TIER_WHY_LINEAGE};
	return t->tier != WR_TIER_MONITOR;
}

unsigned
wr_tier_percent(unsigned tier, bool has_lane)
{
	static const uint8_t percent[WR_TIERS] = {100, 75, 50, 25};

	if (tier >= WR_TIERS || (tier == WR_TIER_ISOLATE && has_lane))
		return 0;
	return percent[tier];
}

enum wr_factor
wr_tier_factor(unsigned tier)
{
	return tier == WR_TIER_MONITOR  ? WR_FACTOR_100
		: tier == WR_TIER_WARN  ? WR_FACTOR_75
		: tier == WR_TIER_YIELD ? WR_FACTOR_50
					: WR_FACTOR_25;
}

/* ---- for people ------------------------------------------------------------------------------------- */

static const char *const why_names[WR_TIER_WHYS] = {[WR_TIER_WHY_NONE] = "none",
	[WR_TIER_WHY_GOOD] = "good",
	[WR_TIER_WHY_OVERRUN] = "overrun",
	[WR_TIER_WHY_OVERDRAWN] = "overdrawn",
	[WR_TIER_WHY_STALL] = "stall",
	[WR_TIER_WHY_LAG] = "lag",
	[WR_TIER_WHY_AGE] = "age",
	[WR_TIER_WHY_HARD] = "hard",
	[WR_TIER_WHY_OVERLOAD] = "overload",
	[WR_TIER_WHY_OPERATOR] = "operator",
	[WR_TIER_WHY_LINEAGE] = "lineage",
	[WR_TIER_WHY_LEFT] = "left"};

const char *
wr_tier_why_name(unsigned why)
{
	return why < WR_TIER_WHYS ? why_names[why] : "unknown";
}

enum { TIME_LEN = 32, CAUSE_LEN = 160 };

/* Three digits and a unit: "1.84 ms". In whole numbers: a loop may wait for this. */
static const char *
time_text(uint64_t ns, char *buf)
{
	static const struct {
		uint64_t ns;
		const char *name;
	} units[] = {{1000000000, "s"}, {1000000, "ms"}, {1000, "us"}, {1, "ns"}};
	unsigned i = 0;
	uint64_t unit, scale, scaled;

	while (units[i].ns > 1 && ns < units[i].ns)
		i++;
	unit = units[i].ns;
	scale = ns % unit == 0 || ns >= 100 * unit ? 1 : ns >= 10 * unit ? 10 : 100;
	scaled = ns / unit * scale + (ns % unit * scale + unit / 2) / unit;
	if (scale == 1)
		snprintf(buf, TIME_LEN, "%" PRIu64 " %s", scaled, units[i].name);
	else
		snprintf(buf, TIME_LEN, "%" PRIu64 ".%0*" PRIu64 " %s", scaled / scale,
			scale == 10 ? 1 : 2, scaled % scale, units[i].name);
	return buf;
}

static const char *
ordinal(unsigned n)
{
	if (n % 100 / 10 == 1)
		return "th";
	return n % 10 == 1 ? "st" : n % 10 == 2 ? "nd" : n % 10 == 3 ? "rd" : "th";
}

static void
cause_of_time(const struct wr_tier_change *c, char *buf, size_t size)
{
	char took[TIME_LEN], limit[TIME_LEN];

	time_text(c->limit_ns, limit);
	if (c->why == WR_TIER_WHY_OVERRUN)
		snprintf(buf, size, "a poll took %s, more than %s, the %u%s in a row",
			time_text(c->poll_ns, took), limit, c->row, ordinal(c->row));
	else if (c->why == WR_TIER_WHY_STALL)
		snprintf(buf, size, "others waited %s for it",
			time_text(c->stall_ns, took));
	else
		snprintf(buf, size, "its oldest unread message is %s old, more than %s",
			time_text(c->age_ns, took), limit);
}

static void
cause_text(const struct wr_tier_change *c, char *buf, size_t size)
{
	char limit[TIME_LEN];

	switch (c->why) {
	case WR_TIER_WHY_OVERRUN:
	case WR_TIER_WHY_STALL:
	case WR_TIER_WHY_AGE:
		cause_of_time(c, buf, size);
		break;
	case WR_TIER_WHY_OVERDRAWN:
		snprintf(buf, size, "it went on after its budget, the %u%s time in a row",
			c->row, ordinal(c->row));
		break;
	case WR_TIER_WHY_LAG:
		snprintf(buf, size, "it lags by %u.%u %% of its quota", c->lag / 10,
			c->lag % 10);
		break;
	case WR_TIER_WHY_GOOD:
		snprintf(buf, size, "%u good polls in a row", c->good);
		break;
	case WR_TIER_WHY_HARD:
		if (c->limit_ns > 0)
			snprintf(buf, size, "its handler did not return within %s",
				time_text(c->limit_ns, limit));
		else
			snprintf(buf, size, "its handler did not return");
		break;
	case WR_TIER_WHY_OVERLOAD:
		snprintf(buf, size, "the system is overloaded");
		break;
	case WR_TIER_WHY_LEFT:
		snprintf(buf, size, "publishers waited for it, and it held its loop up");
		break;
	case WR_TIER_WHY_LINEAGE:
		snprintf(buf, size, "it was made by one that is there");
		break;
	default:
		snprintf(buf, size, "an operator said so");
	}
}

int
wr_tier_change_format(
	const struct wr_tier_change *change, const char *name, char *buf, size_t size)
{
	char cause[CAUSE_LEN], stayed[TIME_LEN], dwell[TIME_LEN], rest[CAUSE_LEN] = "";

	cause_text(change, cause, sizeof(cause));
	if (change->dwell_ns > 0)
		snprintf(rest, sizeof(rest), "; for %s at least",
			time_text(change->dwell_ns, dwell));
	return snprintf(buf, size, "%s%s%s -> %s: %s (penalty %u, after %s)%s",
		name ? name : "", name ? ": " : "", wr_tier_name(change->from),
		wr_tier_name(change->to), cause, change->penalty,
		time_text(change->stayed_ns, stayed), rest);
}
