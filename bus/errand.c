/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/errand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/os/clock.h"
#include "bus/topic.h"

#define MOST_NS 60000000000ull /* that an errand may have time */

static const char *const verbs[] = {"?", "set", "skip", "kick"};

/* ---- answers ------------------------------------------------------------------------------- */

/* One event: who asked for what, and what became of it. */
static void
tell(struct wr_node *node, const struct wr_creds *creds, const char *topic,
	const char *what, int code, const char *text)
{
	weir_event event = {.kind = WEIR_EV_ASKED,
		.code = code,
		.pid = (uint32_t)creds->pid,
		.uid = (uint32_t)creds->uid};

	(void)snprintf(event.node, sizeof(event.node), "%.*s", WEIR_NAME_MAX, node->name);
	(void)snprintf(event.topic, sizeof(event.topic), "%.*s", WEIR_NAME_MAX, topic);
	(void)snprintf(event.why, sizeof(event.why), "%.40s, asked by uid %u: %s%.90s",
		what, event.uid, code ? "refused, " : "", text);
	wr_node_tell(node, &event);
}

static void
reply(struct wr_peer *looker, uint64_t token, int code, const struct weir_control *control)
{
	struct wr_wire msg = {.kind = WR_WIRE_ANSWER,
		.stream = token,
		.code = (uint32_t)code,
		.count = {control->skipped, control->poll_ns},
		.window = control->weight,
		.seg_bytes = control->batch};

	(void)snprintf(msg.name, sizeof(msg.name), "%.*s", WEIR_NAME_MAX, control->text);
	(void)wr_peer_send(looker, &msg, NULL);
}

/* At once, by the steward. */
static void
refuse(struct wr_node *node, struct wr_peer *looker, const struct wr_wire *msg,
	const char *topic, int code, const char *text)
{
	struct weir_control control = {0};

	(void)snprintf(control.text, sizeof(control.text), "%s", text);
	reply(looker, msg->stream, code, &control);
	tell(node, &looker->creds, topic,
		msg->code <= WEIR_CONTROL_KICK ? verbs[msg->code] : "?", code, text);
}

static void
unlist(struct wr_node *node, const struct wr_errand *errand)
{
	for (struct wr_errand **at = &node->errands; *at; at = &(*at)->all)
		if (*at == errand) {
			*at = errand->all;
			node->errand_count--;
			return;
		}
}

/* With the lock held. */
static void
finish(struct wr_node *node, struct wr_errand *errand, int code)
{
	unlist(node, errand);
	if (errand->looker)
		reply(errand->looker, errand->token, code, &errand->control);
	tell(node, &errand->creds, errand->sub->pattern, verbs[errand->control.verb],
		code, errand->control.text);
	free(errand);
}

void
wr_errand_answer(struct wr_node *node, struct wr_errand *errand, int code)
{
	pthread_mutex_lock(node->lock);
	finish(node, errand, code);
	pthread_mutex_unlock(node->lock);
}

/* ---- who asks, and for what ------------------------------------------------------------------ */

static bool
may_command(const struct wr_peer *looker)
{
	return wr_access_admits(NULL, &looker->creds);
}

static bool
may_ask(const struct wr_subscription *sub, const struct wr_peer *looker)
{
	return wr_access_admits(
		sub && !sub->open_to_all ? &sub->writers : NULL, &looker->creds);
}

static void
post(struct wr_node *node, struct wr_peer *looker, struct wr_subscription *sub,
	const struct wr_wire *msg)
{
	struct wr_errand *errand = calloc(1, sizeof(*errand)), **end;
	uint64_t now_ns = wr_now_ns();

	if (!errand) {
		refuse(node, looker, msg, sub->pattern, WEIR_E_ENV_MEMORY,
			"no memory for a request");
		return;
	}
	errand->sub = sub;
	errand->looker = looker;
	errand->token = msg->stream;
	errand->creds = looker->creds;
	errand->expires_ns =
		msg->count[0] < now_ns + MOST_NS ? msg->count[0] : now_ns + MOST_NS;
	errand->control = (struct weir_control){.size = sizeof(errand->control),
		.verb = msg->code,
		.what = msg->gates,
		.weight = (uint32_t)msg->window,
		.batch = msg->seg_bytes,
		.poll_ns = msg->count[1]};
	errand->all = node->errands;
	node->errands = errand;
	node->errand_count++;
	pthread_mutex_lock(&sub->inbox_lock);
	for (end = &sub->box; *end; end = &(*end)->next)
		;
	*end = errand;
	wr_store_release(inbox_count, &sub->inbox_count, 1);
	pthread_mutex_unlock(&sub->inbox_lock);
	wr_node_nudge(node);
}

static void
hear_control(struct wr_node *node, struct wr_peer *looker, const struct wr_wire *msg)
{
	struct wr_subscription *sub = wr_node_find_sub(node, msg->sub);
	const char *topic = sub ? sub->pattern : "";

	if (!may_ask(sub, looker))
		refuse(node, looker, msg, topic, WEIR_E_ENV_DENIED,
			"only its own user, and whom its subscription names, may ask for "
			"that");
	else if (!sub)
		refuse(node, looker, msg, topic, WEIR_E_ENV_NOTFOUND,
			"there is no such subscription any more");
	else if (msg->code == WEIR_CONTROL_SET && sub->pulled)
		refuse(node, looker, msg, topic, WEIR_E_USAGE_STATE,
			"it is pulled by its owner: it has no turns");
	else if (node->errand_count >= WR_ERRANDS_MAX)
		refuse(node, looker, msg, topic, WEIR_E_AGAIN_FULL,
			"too many requests at once");
	else if (wr_now_ns() >= msg->count[0])
		refuse(node, looker, msg, topic, WEIR_E_AGAIN_TIMEOUT,
			"it came too late, and nothing was done");
	else
		post(node, looker, sub, msg);
}

static void
hear_command(struct wr_node *node, struct wr_peer *looker, const struct wr_wire *msg)
{
	struct wr_command *command = node->commands;
	struct weir_control control = {0};
	int code = 0;

	while (command && strcmp(command->name, msg->name) != 0)
		command = command->next;
	if (!may_command(looker)) {
		code = WEIR_E_ENV_DENIED;
		(void)snprintf(control.text, sizeof(control.text),
			"only its own user may give it commands");
	} else if (!command) {
		code = WEIR_E_ENV_NOTFOUND;
		(void)snprintf(control.text, sizeof(control.text),
			"it knows no command '%.100s'", msg->name);
	} else if (wr_now_ns() >= msg->count[0]) {
		code = WEIR_E_AGAIN_TIMEOUT;
		(void)snprintf(control.text, sizeof(control.text),
			"it came too late, and nothing was done");
	} else {
		code = -command->fn(
			command->ctx, msg->topic, control.text, sizeof(control.text));
		control.text[sizeof(control.text) - 1] = 0;
	}
	reply(looker, msg->stream, code, &control);
	tell(node, &looker->creds, "", msg->name, code, control.text);
}

void
wr_errand_hear(struct wr_node *node, struct wr_peer *looker, const struct wr_wire *msg)
{
	if (msg->code == WR_ASK_COMMAND)
		hear_command(node, looker, msg);
	else if (msg->code >= WEIR_CONTROL_SET && msg->code <= WEIR_CONTROL_KICK)
		hear_control(node, looker, msg);
	else
		refuse(node, looker, msg, "", WEIR_E_USAGE_INVAL,
			"its library does not know such a request");
}

/* ---- the time ---------------------------------------------------------------------------------- */

void
wr_errand_orphan(struct wr_node *node, const struct wr_peer *looker)
{
	for (struct wr_errand *errand = node->errands; errand; errand = errand->all)
		if (errand->looker == looker)
			errand->looker = NULL;
}

/* Takes it out of the box; false: its thread has it already. */
static bool
withdraw(struct wr_errand *errand)
{
	struct wr_subscription *sub = errand->sub;
	struct wr_errand **at;
	bool found;

	pthread_mutex_lock(&sub->inbox_lock);
	for (at = &sub->box; *at && *at != errand; at = &(*at)->next)
		;
	found = *at != NULL;
	if (found)
		*at = errand->next;
	pthread_mutex_unlock(&sub->inbox_lock);
	return found;
}

bool
wr_errand_is_due(const struct wr_errand *errand)
{
	return wr_now_ns() < errand->expires_ns;
}

int
wr_errand_tend(struct wr_node *node, int next_ms)
{
	uint64_t now_ns = node->errands ? wr_now_ns() : 0;
	struct wr_errand *next;

	for (struct wr_errand *errand = node->errands; errand; errand = next) {
		uint64_t left_ms;

		next = errand->all;
		if (now_ns < errand->expires_ns) {
			left_ms = (errand->expires_ns - now_ns) / 1000000 + 1;
			next_ms = left_ms < (uint64_t)next_ms ? (int)left_ms : next_ms;
		} else if (withdraw(errand)) {
			(void)snprintf(errand->control.text, sizeof(errand->control.text),
				"its loop did not get to it (a handler that does not "
				"return?); nothing was done, and nothing will be");
			finish(node, errand, WEIR_E_AGAIN_TIMEOUT);
		}
	}
	return next_ms;
}

/* ---- the subscription's side -------------------------------------------------------------------- */

void
wr_errand_move(struct wr_subscription *sub, struct wr_errand **to)
{
	while (*to)
		to = &(*to)->next;
	*to = sub->box;
	sub->box = NULL;
}

void
wr_errand_refuse_all(struct wr_node *node, struct wr_errand *errand)
{
	while (errand) {
		struct wr_errand *next = errand->next;

		(void)snprintf(errand->control.text, sizeof(errand->control.text),
			"the subscription was closed meanwhile");
		wr_errand_answer(node, errand, WEIR_E_GONE_CLOSED);
		errand = next;
	}
}

/* ---- commands ------------------------------------------------------------------------------------- */

static int
command_set(struct wr_node *node, const char *name, weir_command_fn fn, void *ctx)
{
	struct wr_command **at = &node->commands, *command;
	int count = 0;

	for (; *at && strcmp((*at)->name, name) != 0; at = &(*at)->next)
		count++;
	command = *at;
	if (!fn) {
		if (command)
			*at = command->next;
		free(command);
		return 0;
	}
	if (!command) {
		if (count == WR_COMMANDS_MAX)
			return -WEIR_E_AGAIN_QUOTA;
		command = calloc(1, sizeof(*command));
		if (!command)
			return -WEIR_E_ENV_MEMORY;
		wr_name_copy(command->name, name);
		*at = command;
	}
	command->fn = fn;
	command->ctx = ctx;
	return 0;
}

int
wr_command_set(struct wr_node *node, const char *name, weir_command_fn fn, void *ctx)
{
	int rc;

	if (!name || wr_name_check(name) < 0)
		return -WEIR_E_USAGE_NAME;
	pthread_mutex_lock(node->lock);
	rc = command_set(node, name, fn, ctx);
	pthread_mutex_unlock(node->lock);
	return rc;
}

void
wr_command_drop_all(struct wr_node *node)
{
	while (node->commands) {
		struct wr_command *command = node->commands;

		node->commands = command->next;
		free(command);
	}
}
