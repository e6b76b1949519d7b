/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * doctor: what is wrong with the consumers of a bus and with the machine below them, as far
 * as that can be seen from outside, and what to try. It looks twice, so what it says is
 * about the time between.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/consumer.h"
#include "tools/tool.h"

enum {
	LOOK_MS = 1000,
	POLLS_ENOUGH = 20, /* of a consumer, or they say nothing about it */
	SLEEPS = 40,       /* of a millisecond each, */
	LATE_NS = 1000000, /* of which half come later than this: times are not kept */
	GOVERNOR_BYTES = 64, /* of its name */
	WHAT_BYTES = 320
};

static int for_ms;

/* What a consumer did between two looks. */
struct deed {
	const weir_look_consumer *c;
	uint64_t polls, messages, violations, yields;
};

struct report {
	struct json j;
	size_t found;
};

static void __attribute__((format(printf, 5, 6))) tell(struct report *r,
	const char *cause, const char *who, const char *advice, const char *fmt, ...)
{
	char what[WHAT_BYTES];
	va_list args;
	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	r->found++;
	if (tool.out == TOOL_TABLE) {
		printf("%s: %s\n  %s\n  try     %s\n", cause, who, what, advice);
		return;
	}
	json_object(&r->j, NULL);
	json_str(&r->j, "cause", cause);
	json_str(&r->j, "who", who);
	json_str(&r->j, "what", what);
	json_str(&r->j, "try", advice);
	json_end_object(&r->j);
}

/* ---- loops ------------------------------------------------------------------------------ */

static void
look_at_loop(struct report *r, const weir_look_loop *loop)
{
	char who[WEIR_NAME_MAX + 32];
	consumer_who(loop, who, sizeof(who));
	if (!loop->seen)
		tell(r, "not seen", who,
			"see whether it is stopped or runs another version: weir ls",
			"its loop cannot be looked at%s",
			loop->silent ? ", and it does not answer" : "");
	else if (loop->debug)
		tell(r, "debug build", who,
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

static void
look_at_consumer(struct report *r, const struct crowd *crowd, const struct deed *d)
{
	char who[2 * WEIR_NAME_MAX + 64];
	who_is(crowd, d->c, who, sizeof(who));
	if (d->polls < POLLS_ENOUGH)
		return;
	if (never_yields(d))
		tell(r, "does not yield", who,
			"hand it fewer messages a poll (.batch, .poll_us), call weir_consume "
			"for what they cost, or lower WEIR_BUDGET",
			"%" PRIu64 " of its last %" PRIu64
			" polls took longer than they may, "
			"with %.1f messages each, and no budget ended one",
			d->violations, d->polls, (double)d->messages / (double)d->polls);
	else if (d->yields * 2 > d->polls && d->violations * 20 < d->polls)
		tell(r, "yields too often", who,
			"raise WEIR_BUDGET (or poll_budget of weir_tiers), or let it count "
			"less with weir_consume",
			"%" PRIu64 " of its last %" PRIu64
			" polls were ended by the budget, "
			"after %.1f messages each, though hardly one took too long",
			d->yields, d->polls, (double)d->messages / (double)d->polls);
}

/* What it had done at the first look; NULL: it was not there. */
static const weir_look_consumer *
before_of(const weir_look_consumer *before, size_t count, const weir_look_consumer *c)
{
	for (size_t i = 0; i < count; i++) {
		if (before[i].node == c->node && before[i].number == c->number)
			return &before[i];
	}
	return NULL;
}

static void
look_at_consumers(struct report *r, const struct crowd *crowd,
	const weir_look_consumer *before, size_t count)
{
	for (size_t i = 0; i < crowd->consumer_count; i++) {
		const weir_look_consumer *c = &crowd->consumers[i];
		const weir_look_consumer *b = before_of(before, count, c);
		struct deed d = {.c = c};
		if (!b)
			continue;
		d.polls = c->polls - b->polls;
		d.messages = c->messages - b->messages;
		d.violations = c->violations - b->violations;
		d.yields = c->yields - b->yields;
		look_at_consumer(r, crowd, &d);
	}
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
look_at_machine(struct report *r)
{
	uint64_t late = lateness();
	char by[GOVERNOR_BYTES];
	governor(by, sizeof(by));
	if (late > LATE_NS)
		tell(r, "timers are late", "this machine",
			"switch power saving off (cpupower frequency-set -g performance, fewer "
			"idle states), a smaller timer slack, fewer programs on its cores, or "
			".idle = WEIR_IDLE_SPIN",
			"half of all sleeps of 1 ms ended %.2f ms late or more%s%s",
			(double)late / 1e6,
			by[0] ? "; the cores' speed is governed by " : "", by);
}

/* ---- all of it -------------------------------------------------------------------------------- */

static int
report(struct report *r, const char *bus)
{
	weir_look_consumer *before = NULL;
	struct crowd crowd = {0};
	int rc = consumers_take(&crowd, bus);
	size_t count = crowd.consumer_count;
	if (!rc && count) {
		before = malloc(count * sizeof(*before));
		if (before)
			memcpy(before, crowd.consumers, count * sizeof(*before));
		else
			count = 0;
	}
	look_close(&crowd.look);
	if (!rc) {
		uint64_t until_ns =
			weir_now_ns() + (uint64_t)(for_ms ? for_ms : LOOK_MS) * 1000000;
		(void)tool_wait(-1, until_ns);
		memset(&crowd, 0, sizeof(crowd));
		rc = consumers_take(&crowd, bus);
		for (size_t i = 0; !rc && i < crowd.loop_count; i++)
			look_at_loop(r, &crowd.loops[i]);
		if (!rc)
			look_at_consumers(r, &crowd, before, count);
		look_close(&crowd.look);
	}
	free(before);
	return rc;
}

static int
run(int argc, char **argv)
{
	struct report r = {.found = 0};
	const char *bus = argc ? argv[0] : tool_bus();
	int rc;
	if (argc > 1)
		return tool_usage("doctor takes a bus, and no '%s'", argv[1]);
	json_init(&r.j, stdout);
	if (tool.out == TOOL_JSON) {
		json_object(&r.j, NULL);
		json_str(&r.j, "bus", bus);
		json_array(&r.j, "findings");
	}
	rc = report(&r, bus);
	if (!rc)
		look_at_machine(&r);
	if (tool.out == TOOL_JSON) {
		json_end_array(&r.j);
		json_end_object(&r.j);
	}
	if (rc)
		return rc;
	if (!r.found)
		tool_say("nothing is wrong, as far as can be seen");
	return r.found ? TOOL_NO : TOOL_YES;
}

static const struct tool_opt opts[] = {
	{0, "for", OPT_MS, &for_ms, "how long it looks on; 1s unless it is said",
		"TIME", 0, 0},
	{0, 0, OPT_SET, 0, 0, 0, 0, 0},
};

const struct tool_verb verb_doctor = {"doctor", "[BUS]",
	"what is wrong with consumers and machine, and what to try", opts,
	"  Looks at the loops of all processes, without attaching, and measures how late this\n"
	"  machine's timers are. Causes: not seen, debug build, does not yield, yields too\n"
	"  often, timers are late.\n"
	"  Exit 1 if something was found.\n",
	run, 0, 0};
