/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * doctor: what is wrong with the consumers of a bus and with the machine below them, as far
 * as that can be seen from outside, and what to try. It looks twice, so what it says is
 * about the time between.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/consumer.h"
#include "tools/finding.h"
#include "tools/slow.h"
#include "tools/tool.h"

enum {
	LOOK_MS = 1000,
	POLLS_ENOUGH = 20, /* of a consumer, or they say nothing about it */
	SLEEPS = 40,       /* of a millisecond each, */
	LATE_NS = 1000000, /* of which half come later than this: times are not kept */
	GLANCE_NS = 10000000, /* from one glance at the loops to the next */
	GOVERNOR_BYTES = 64   /* of its name */
};

static int for_ms;

/* What a consumer did between two looks. */
struct deed {
	uint64_t polls, messages, violations, yields;
};

#define tell(all, cause, who, advice, ...) \
	finding_tell((all), NULL, (cause), (who), (advice), __VA_ARGS__)

/* ---- loops ------------------------------------------------------------------------------ */

static void
look_at_loop(struct findings *all, const weir_look_loop *loop)
{
	char who[WEIR_NAME_MAX + 32];
	consumer_who(loop, who, sizeof(who));
	if (!loop->seen)
		tell(all, "not seen", who,
			"see whether it is stopped or runs another version: weir ls",
			"its loop cannot be looked at%s",
			loop->silent ? ", and it does not answer" : "");
	else if (loop->debug)
		tell(all, "debug build", who,
			"link it with a release build: ./dev build --preset release",
			"its library was built for finding faults, and costs several times "
			"what a release build does");
}

/* ---- consumers --------------------------------------------------------------------------- */

static void
who_is(const struct crowd *crowd, const weir_look_consumer *c, char *to, size_t size)
{
	const weir_look_loop *loop = consumer_loop(crowd, c);
	char who[WEIR_NAME_MAX + 32] = "?";
	if (loop)
		consumer_who(loop, who, sizeof(who));
	snprintf(to, size, "%s %" PRIu64 "%s%s", who, c->number, c->name[0] ? " " : "",
		c->name);
}

/* Polls over the limit that nothing ended sooner, though each did a lot. */
static int
never_yields(const struct deed *d)
{
	return d->violations * 20 >= d->polls && d->yields * 2 <= d->violations &&
		d->messages > d->polls;
}

/* What is wrong with its budget; false: nothing. */
static int
look_at_budget(struct findings *all, const struct deed *d, const char *who)
{
	if (d->polls < POLLS_ENOUGH)
		return 0;
	if (never_yields(d)) {
		tell(all, "does not yield", who,
			"hand it fewer messages a poll (.batch, .poll_us), call weir_consume "
			"for what they cost, or lower WEIR_BUDGET",
			"%" PRIu64 " of its last %" PRIu64
			" polls took longer than they may, "
			"with %.1f messages each, and no budget ended one",
			d->violations, d->polls, (double)d->messages / (double)d->polls);
		return 1;
	}
	if (d->yields * 2 <= d->polls || d->violations * 20 >= d->polls)
		return 0;
	tell(all, "yields too often", who,
		"raise WEIR_BUDGET (or poll_budget of weir_tiers), or let it count "
		"less with weir_consume",
		"%" PRIu64 " of its last %" PRIu64 " polls were ended by the budget, "
		"after %.1f messages each, though hardly one took too long",
		d->yields, d->polls, (double)d->messages / (double)d->polls);
	return 1;
}

/* Why it is slow, if it is: one cause. Where the budget is why its handler, or that of its
 * neighbours, takes so long, that is said instead. */
static void
look_at_consumer(struct findings *all, const struct crowd *crowd,
	struct slow_before *before, const weir_look_consumer *c)
{
	const struct cause_look *then;
	const weir_look_consumer *b = slow_before_of(before, c, &then);
	char who[2 * WEIR_NAME_MAX + 64];
	struct cause_look now;
	if (!b)
		return;
	struct deed d = {.polls = c->polls - b->polls,
		.messages = c->messages - b->messages,
		.violations = c->violations - b->violations,
		.yields = c->yields - b->yields};
	struct cause_found found = slow_why(before, crowd, c, then, &now);
	who_is(crowd, c, who, sizeof(who));
	if (found.cause <= CAUSE_POLLED_LATE && look_at_budget(all, &d, who))
		return;
	if (found.cause != CAUSE_NONE)
		slow_tell(all, &found, &now, who);
}

/* ---- the machine ---------------------------------------------------------------------------- */

static int
by_size(const void *a, const void *b)
{
	const uint64_t *one = a, *other = b;
	return (*one > *other) - (*one < *other);
}

/* How late a sleep of a millisecond ends, in the middle of several. */
static uint64_t
lateness(void)
{
	static const struct timespec ms = {.tv_nsec = 1000000};
	uint64_t late[SLEEPS];
	for (int i = 0; i < SLEEPS; i++) {
		uint64_t began = weir_now_ns();
		(void)nanosleep(&ms, NULL);
		late[i] = weir_now_ns() - began - (uint64_t)ms.tv_nsec;
	}
	qsort(late, SLEEPS, sizeof(late[0]), by_size);
	return late[SLEEPS / 2];
}

/* "" where the kernel does not say. */
static void
governor(char *to, int size)
{
	FILE *f = fopen("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "re");
	if (!f || !fgets(to, size, f))
		to[0] = 0;
	if (f)
		fclose(f);
	to[strcspn(to, "\n")] = 0;
}

static void
look_at_machine(struct findings *all)
{
	uint64_t late = lateness();
	char by[GOVERNOR_BYTES];
	governor(by, sizeof(by));
	if (late > LATE_NS)
		tell(all, "timers are late", "this machine",
			"switch power saving off (cpupower frequency-set -g performance, fewer "
			"idle states), a smaller timer slack, fewer programs on its cores, or "
			".idle = WEIR_IDLE_SPIN",
			"half of all sleeps of 1 ms ended %.2f ms late or more%s%s",
			(double)late / 1e6,
			by[0] ? "; the cores' speed is governed by " : "", by);
}

/* ---- all of it -------------------------------------------------------------------------------- */

/* The first look, and glances until it is time for the second one. */
static int
look_on(struct slow_before *before, const char *bus)
{
	struct crowd crowd = {0};
	int rc = consumers_take(&crowd, bus);
	uint64_t now_ns = weir_now_ns();
	uint64_t until_ns = now_ns + (uint64_t)(for_ms ? for_ms : LOOK_MS) * 1000000;
	if (!rc)
		slow_keep(before, &crowd);
	while (!rc && now_ns < until_ns) {
		uint64_t next_ns = now_ns + GLANCE_NS;
		if (tool_wait(-1, next_ns < until_ns ? next_ns : until_ns) < 0)
			rc = TOOL_INTERRUPTED;
		slow_glance(before, &crowd);
		now_ns = weir_now_ns();
	}
	look_close(&crowd.look);
	return rc;
}

static int
look_then(struct findings *all, struct slow_before *before, const char *bus)
{
	struct crowd crowd = {0};
	int rc = consumers_take(&crowd, bus);
	for (size_t i = 0; !rc && i < crowd.loop_count; i++)
		look_at_loop(all, &crowd.loops[i]);
	for (size_t i = 0; !rc && i < crowd.consumer_count; i++)
		look_at_consumer(all, &crowd, before, &crowd.consumers[i]);
	look_close(&crowd.look);
	return rc;
}

static int
report(struct findings *all, const char *bus)
{
	struct slow_before before = {.count = 0};
	int rc = look_on(&before, bus);
	if (!rc)
		rc = look_then(all, &before, bus);
	slow_drop(&before);
	return rc;
}

static int
run(int argc, char **argv)
{
	struct findings all = {.count = 0};
	const char *bus = argc ? argv[0] : tool_bus();
	int rc;
	if (argc > 1)
		return tool_usage("doctor takes a bus, and no '%s'", argv[1]);
	json_init(&all.j, stdout);
	if (tool.out == TOOL_JSON) {
		json_object(&all.j, NULL);
		json_str(&all.j, "bus", bus);
		json_array(&all.j, "findings");
	}
	rc = report(&all, bus);
	if (!rc)
		look_at_machine(&all);
	if (tool.out == TOOL_JSON) {
		json_end_array(&all.j);
		json_end_object(&all.j);
	}
	if (rc)
		return rc;
	if (!all.count)
		tool_say("nothing is wrong, as far as can be seen");
	return all.count ? TOOL_NO : TOOL_YES;
}

static const struct tool_opt opts[] = {
	{0, "for", OPT_MS, &for_ms, "how long it looks on; 1s unless it is said",
		"TIME", 0, 0},
	{0, 0, OPT_SET, 0, 0, 0, 0, 0},
};

const struct tool_verb verb_doctor = {"doctor", "[BUS]",
	"what is wrong with consumers and machine, and what to try", opts,
	"  Looks at the loops of all processes, twice and without attaching, and measures how\n"
	"  late this machine's timers are. Of each consumer that is behind it names one cause:\n"
	"  slow handler, polled late, not polling, stopped, throttled, descheduled, page faults.\n"
	"  The others: not seen, debug build, does not yield, yields too often, timers are late.\n"
	"  Exit 1 if something was found.\n",
	run, 0, 0};
