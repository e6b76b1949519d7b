/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tools/why.h"

#include <inttypes.h>
#include <string.h>

/* What whoever wrote or runs the consumer can do about it. */
static const char *
advice(const char *reason)
{
	static const struct {
		const char *reason, *advice;
	} all[] = {
		{"overrun",
			"do less in each call: return when weir_should_yield says so, hand "
			"fewer messages on (.batch, .poll_us), or give the work to another "
			"thread; if it needs the time, raise threshold_ns (weir_tiers, "
			"WEIR_CPU_THRESHOLD_NS)"},
		{"overdrawn",
			"return when weir_consume answers 1; or raise poll_budget "
			"(weir_tiers, WEIR_BUDGET)"},
		{"stall",
			"let nobody wait for it: a larger .quota, a smaller .stall_us, or "
			".policy = WEIR_LATEST if the newest message is enough"},
		{"lag",
			"raise its weight, run several of it, or take .policy = "
			"WEIR_LATEST if the newest message is enough; weir topic lag "
			"shows how far it is behind"},
		{"age",
			"raise its weight, or age_ms (weir_tiers), or pass over what is "
			"old (.ttl_ms)"},
		{"hard", "find what its handler waits for: a lock, a file, an endless loop"},
		{"overload",
			"the machine has more to do than it can: nothing is wrong with "
			"this consumer"},
		{"operator", "somebody has set this by hand"},
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (!strcmp(all[i].reason, reason))
			return all[i].advice;
	}
	return NULL;
}

/* What led it up last, which is what is to be done something about. */
static const char *
advice_for(const weir_look_consumer *c, const weir_look_change *changes, int count)
{
	for (int i = 0; i < count && c->tier > 0; i++) {
		if (changes[i].to > changes[i].from)
			return advice(changes[i].reason);
	}
	return NULL;
}

static void
meaning(const weir_look_consumer *c, char *to, size_t size)
{
	if (c->kind == WEIR_KIND_PULLED)
		snprintf(to, size,
			"it is read by its owner, and has no turns that could be taken "
			"from it");
	else if (c->percent == 0)
		snprintf(to, size,
			"it is in a lane, a thread of its own, and takes nobody's turns");
	else if (c->percent < 100)
		snprintf(to, size,
			"it has %" PRIu32 " %% of its turns: of each round %.4g polls, not "
			"%" PRIu32,
			c->percent, (double)c->weight * c->percent / 100, c->weight);
	else
		snprintf(to, size,
			"it has all of its turns: %" PRIu32 " poll%s of each round",
			c->weight, c->weight == 1 ? "" : "s");
}

int
why_changes(const struct crowd *crowd, const weir_look_consumer *c,
	weir_look_change changes[WHY_CHANGES])
{
	int count = weir_look_changes(crowd->look.handle, c, changes, WHY_CHANGES);
	return count < 0 ? 0 : count < WHY_CHANGES ? count : WHY_CHANGES;
}

void
why_json(struct crowd *crowd, const weir_look_consumer *c)
{
	weir_look_change changes[WHY_CHANGES];
	int count = why_changes(crowd, c, changes);
	char means[160];
	meaning(c, means, sizeof(means));
	consumer_json(crowd, c, count ? &changes[0] : NULL);
	json_array(&crowd->j, "changes");
	for (int i = 0; i < count; i++) {
		json_object(&crowd->j, NULL);
		consumer_change_json(&crowd->j, &changes[i]);
		json_end_object(&crowd->j);
	}
	json_end_array(&crowd->j);
	json_str(&crowd->j, "means", means);
	json_str(&crowd->j, "try", advice_for(c, changes, count));
}

static void
why_counts(FILE *out, const struct crowd *crowd, const weir_look_consumer *c)
{
	struct behind b = consumer_behind(crowd, c);
	fprintf(out,
		"  so far  %s polls, %s messages, %s over a limit; up %s time%s, down %s\n",
		text_count(c->polls).s, text_count(c->messages).s,
		text_count(c->violations).s, text_count(c->promotions).s,
		c->promotions == 1 ? "" : "s", text_count(c->demotions).s);
	fprintf(out, "  now     %s", consumer_state(c));
	if (b.known)
		fprintf(out, ", %s message%s waiting for it", text_count(b.waiting).s,
			b.waiting == 1 ? "" : "s");
	fprintf(out, "%s\n",
		consumer_loop(crowd, c)->silent ? "; its process does not answer (stopped?)"
						: "");
}

void
why_state(FILE *out, struct crowd *crowd, const weir_look_consumer *c)
{
	weir_look_change changes[WHY_CHANGES];
	int count = why_changes(crowd, c, changes);
	uint64_t now_ns = weir_now_ns();
	char who[WEIR_NAME_MAX + 32], means[160];
	consumer_who(consumer_loop(crowd, c), who, sizeof(who));
	meaning(c, means, sizeof(means));
	fprintf(out, "%s %s%s%" PRIu64 " of %s: %s, since %s\n",
		weir_look_kind_name(c->kind), c->name, c->name[0] ? ", number " : "",
		c->number, who, consumer_tier(c->tier),
		text_ns((double)(now_ns - c->since_ns)).s);
	fprintf(out, "  means   %s\n", means);
	for (int i = 0; i < count; i++)
		fprintf(out, "  %s %s ago  %s\n", i ? "       " : "why    ",
			text_ns((double)(now_ns - changes[i].when_ns)).s,
			changes[i].text);
	if (!count)
		fprintf(out, "  why     nothing is held against it\n");
	why_counts(out, crowd, c);
}

void
why_try(FILE *out, struct crowd *crowd, const weir_look_consumer *c)
{
	weir_look_change changes[WHY_CHANGES];
	int count = why_changes(crowd, c, changes);
	const char *try = advice_for(c, changes, count);
	if (try)
		fprintf(out, "  try     %s\n", try);
}

void
why_text(FILE *out, struct crowd *crowd, const weir_look_consumer *c)
{
	why_state(out, crowd, c);
	why_try(out, crowd, c);
}
