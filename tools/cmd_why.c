/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* consumer why: why a consumer is at its tier, and what to try. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/consumer.h"
#include "tools/tool.h"

enum { CHANGES = 8 /* more than are kept */ };

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

static int
changes_of(const struct crowd *crowd, const weir_look_consumer *c,
	weir_look_change *changes)
{
	int count = weir_look_changes(crowd->look.handle, c, changes, CHANGES);
	return count < 0 ? 0 : count < CHANGES ? count : CHANGES;
}

static void
why_json(struct crowd *crowd, const weir_look_consumer *c)
{
	weir_look_change changes[CHANGES];
	int count = changes_of(crowd, c, changes);
	char means[160];
	meaning(c, means, sizeof(means));
	json_object(&crowd->j, NULL);
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
	json_end_object(&crowd->j);
}

static void
why_counts(const struct crowd *crowd, const weir_look_consumer *c)
{
	struct behind b = consumer_behind(crowd, c);
	printf("  so far  %s polls, %s messages, %s over a limit; up %s time%s, down %s\n",
		text_count(c->polls).s, text_count(c->messages).s,
		text_count(c->violations).s, text_count(c->promotions).s,
		c->promotions == 1 ? "" : "s", text_count(c->demotions).s);
	printf("  now     %s", consumer_state(c));
	if (b.known)
		printf(", %s message%s waiting for it", text_count(b.waiting).s,
			b.waiting == 1 ? "" : "s");
	printf("%s\n",
		consumer_loop(crowd, c)->silent ? "; its process does not answer (stopped?)"
						: "");
}

static void
why_text(struct crowd *crowd, const weir_look_consumer *c)
{
	weir_look_change changes[CHANGES];
	int count = changes_of(crowd, c, changes);
	const char *try = advice_for(c, changes, count);
	uint64_t now_ns = weir_now_ns();
	char who[WEIR_NAME_MAX + 32], means[160];
	consumer_who(consumer_loop(crowd, c), who, sizeof(who));
	meaning(c, means, sizeof(means));
	printf("%s %s%s%" PRIu64 " of %s: %s, since %s\n", weir_look_kind_name(c->kind),
		c->name, c->name[0] ? ", number " : "", c->number, who,
		consumer_tier(c->tier), text_ns((double)(now_ns - c->since_ns)).s);
	printf("  means   %s\n", means);
	for (int i = 0; i < count; i++)
		printf("  %s %s ago  %s\n", i ? "       " : "why    ",
			text_ns((double)(now_ns - changes[i].when_ns)).s,
			changes[i].text);
	if (!count)
		printf("  why     nothing is held against it\n");
	why_counts(crowd, c);
	if (try)
		printf("  try     %s\n", try);
}

static int
is_meant(const weir_look_consumer *c, const char *asked)
{
	char number[24];
	snprintf(number, sizeof(number), "%" PRIu64, c->number);
	return !strcmp(number, asked) || (c->name[0] && !strcmp(c->name, asked));
}

static void
explain(struct crowd *crowd, const char *asked)
{
	int text = tool.out == TOOL_TABLE;
	json_init(&crowd->j, stdout);
	if (tool.out == TOOL_JSON) {
		json_object(&crowd->j, NULL);
		json_str(&crowd->j, "bus", crowd->look.bus);
		json_str(&crowd->j, "asked", asked);
		json_array(&crowd->j, "consumers");
	}
	for (size_t i = 0; i < crowd->consumer_count; i++) {
		if (!is_meant(&crowd->consumers[i], asked))
			continue;
		crowd->shown++;
		if (text)
			why_text(crowd, &crowd->consumers[i]);
		else
			why_json(crowd, &crowd->consumers[i]);
	}
	if (tool.out == TOOL_JSON) {
		json_end_array(&crowd->j);
		json_end_object(&crowd->j);
	}
}

static int
run(int argc, char **argv)
{
	if (argc < 1 || argc > 2)
		return tool_usage("consumer why takes a bus, if it is not that of -b, and "
				  "the name or number of a consumer; quote it");
	const char *asked = argv[argc - 1];
	struct crowd crowd = {0};
	int rc = consumers_take(&crowd, argc == 2 ? argv[0] : tool_bus());
	if (!rc) {
		size_t unseen = consumers_unseen(&crowd);
		explain(&crowd, asked);
		if (!crowd.shown) {
			tool_complain("there is no consumer '%s' on bus '%s'; weir "
				      "consumer ls shows who is there",
				asked, crowd.look.bus);
			rc = unseen ? TOOL_NOBODY : TOOL_NOTFOUND;
		}
	}
	look_close(&crowd.look);
	return rc;
}

const struct tool_verb verb_consumer_why = {"consumer why", "[BUS] NAME|NUMBER",
	"why a consumer is at its tier, and what to try", NULL,
	"  NAME is what it subscribes, NUMBER that of consumer ls. With the latest changes of\n"
	"  its tier, the last one first.\n"
	"  Exit 3 if there is no such consumer, 4 if a loop could not be looked at.\n",
	run, 0, 0};
