/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Asks the process that has a consumer: other settings, to pass over what waits, or to
 * disconnect it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/control.h>

#include "tools/consumer.h"
#include "tools/tool.h"

enum { ASK_MS = 1000, UNSET = -1 };

static struct {
	uint64_t weight;
	uint64_t batch;
	int poll_us;
	int to;
} opt = {.poll_us = UNSET};

/* ---- whom ----------------------------------------------------------------------------------- */

static void
complain_many(const struct crowd *crowd, const char *name)
{
	tool_complain("'%s' is more than one consumer; say which:", name);
	for (size_t i = 0; i < crowd->consumer_count; i++) {
		const weir_look_consumer *c = &crowd->consumers[i];
		char who[WEIR_NAME_MAX + 32];
		if (!consumer_is_meant(crowd, c, name))
			continue;
		consumer_who(consumer_loop(crowd, c), who, sizeof(who));
		tool_complain("  %s/%" PRIu64 "  %s %s", who, c->number,
			weir_look_kind_name(c->kind), c->name);
	}
}

/* The one that is meant, or NULL and *rc after saying why. */
static const weir_look_consumer *
find(const struct crowd *crowd, const char *name, int *rc)
{
	const weir_look_consumer *found = NULL;
	size_t count = 0;
	for (size_t i = 0; i < crowd->consumer_count; i++) {
		if (!consumer_is_meant(crowd, &crowd->consumers[i], name))
			continue;
		found = &crowd->consumers[i];
		count++;
	}
	*rc = TOOL_USAGE;
	if (count > 1) {
		complain_many(crowd, name);
		return NULL;
	}
	if (!found) {
		tool_complain(
			"there is no consumer '%s'; weir consumer ls shows who is there",
			name);
		*rc = consumers_unseen(crowd) ? TOOL_NOBODY : TOOL_NOTFOUND;
		return NULL;
	}
	if (found->subscription)
		return found;
	tool_complain("'%s' is a %s: only subscriptions can be asked", name,
		weir_look_kind_name(found->kind));
	return NULL;
}

/* ---- what ----------------------------------------------------------------------------------- */

static void
tell_json(const char *name, const char *who, const weir_control *control, int rc)
{
	struct json j;
	json_init(&j, stdout);
	json_object(&j, NULL);
	json_str(&j, "name", name);
	json_str(&j, "who", who);
	json_str(&j, "error", rc < 0 ? weir_err_name(-rc) : NULL);
	json_str(&j, "text", control->text);
	if (!rc && control->verb == WEIR_CONTROL_SET) {
		json_u64(&j, "weight", control->weight);
		json_u64(&j, "batch", control->batch);
		json_u64(&j, "poll_budget_ns", control->poll_ns);
	}
	if (!rc && control->verb == WEIR_CONTROL_SKIP)
		json_u64(&j, "skipped", control->skipped);
	json_end_object(&j);
}

static int
ask_one(struct crowd *crowd, const weir_look_consumer *c, weir_control *control)
{
	char who[WEIR_NAME_MAX + 32];
	int rc = weir_control_ask(crowd->look.handle, c->node, c->subscription, control,
		tool_timeout(ASK_MS));
	consumer_who(consumer_loop(crowd, c), who, sizeof(who));
	if (tool.out != TOOL_TABLE)
		tell_json(c->name, who, control, rc);
	else if (!rc)
		printf("%s/%s: %s\n", who, c->name, control->text);
	if (!rc)
		return TOOL_YES;
	tool_complain("%s/%s: %s", who, c->name,
		control->text[0] ? control->text : weir_err_text(-rc));
	return weir_err_exit(-rc) ? weir_err_exit(-rc) : TOOL_NO;
}

static int
ask(int argc, char **argv, weir_control control)
{
	if (argc != 1)
		return tool_usage("one consumer is to be named, as weir consumer ls does");
	struct crowd crowd = {0};
	int rc = consumers_take(&crowd, tool_bus());
	if (!rc) {
		const weir_look_consumer *c = find(&crowd, argv[0], &rc);
		if (c)
			rc = ask_one(&crowd, c, &control);
	}
	look_close(&crowd.look);
	return rc;
}

/* ---- the verbs ------------------------------------------------------------------------------ */

static int
run_set(int argc, char **argv)
{
	weir_control control = {.size = sizeof(control), .verb = WEIR_CONTROL_SET};
	if (opt.weight > 64 || opt.batch > 64)
		return tool_usage("a weight and a batch are 1 to 64");
	if (opt.weight) {
		control.what |= WEIR_CONTROL_WEIGHT;
		control.weight = (uint32_t)opt.weight;
	}
	if (opt.batch) {
		control.what |= WEIR_CONTROL_BATCH;
		control.batch = (uint32_t)opt.batch;
	}
	if (opt.poll_us != UNSET) {
		control.what |= WEIR_CONTROL_POLL;
		control.poll_ns = (uint64_t)opt.poll_us * 1000;
	}
	if (!control.what)
		return tool_usage("nothing to set: --weight, --poll-budget or --batch");
	return ask(argc, argv, control);
}

static int
run_skip(int argc, char **argv)
{
	return ask(argc, argv,
		(weir_control){.size = sizeof(weir_control), .verb = WEIR_CONTROL_SKIP});
}

static int
run_kick(int argc, char **argv)
{
	return ask(argc, argv,
		(weir_control){.size = sizeof(weir_control), .verb = WEIR_CONTROL_KICK});
}

#define WHOM \
	"  NAME is what it subscribes or its number, as weir consumer ls shows them; where that\n" \
	"  is more than one, NODE/NAME, PID/NAME or NODE[PID]/NAME.\n" \
	"  The process itself does it, between two polls of its loop, and answers when it is\n" \
	"  done. What it has not begun within --timeout (1 s) it does not do later: a stopped\n" \
	"  process, or a handler that does not return, leaves everything as it was, exit 4.\n" \
	"  Allowed to root, to the user of that process, and to whom the subscription names in\n" \
	"  .writers. The process is told of each request by an event.\n"

static const struct tool_opt set_opts[] = {
	{0, "weight", OPT_U64, &opt.weight, "parts of a round, 1 to 64", "N", 0, 0},
	{0, "poll-budget", OPT_US, &opt.poll_us,
		"how long a poll hands messages on (0: no limit)", "T", 0, 0},
	{0, "batch", OPT_U64, &opt.batch, "messages of a poll at most, 1 to 64", "N", 0, 0},
	{0, 0, OPT_SET, 0, 0, 0, 0, 0},
};

static const struct tool_opt skip_opts[] = {
	{0, "to", OPT_WORD, &opt.to, "behind everything that waits now", "WORD", 0,
		"latest"},
	{0, 0, OPT_SET, 0, 0, 0, 0, 0},
};

const struct tool_verb verb_consumer_set = {"consumer set",
	"NAME [--weight N] [--poll-budget T] [--batch N]",
	"give a consumer of a running process other settings", set_opts,
	WHOM "  All of the settings come into force, or none: exit 7 if its loop's round has no\n"
	     "  room for the weight.\n",
	run_set, 0, 0};

const struct tool_verb verb_consumer_skip = {"consumer skip", "NAME [--to latest]",
	"let a consumer pass over what waits for it", skip_opts,
	WHOM "  What it passes over is counted as lost (behind), and its next message says how\n"
	     "  many.\n",
	run_skip, 0, 0};

const struct tool_verb verb_consumer_kick = {"consumer kick", "NAME",
	"disconnect a consumer; others are not touched", NULL,
	WHOM
	"  It is off all streams for good. A message that it holds stays until it lets go.\n",
	run_kick, 0, 0};
