/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the verbs about consumers share: who is on whose loop, and what each is shown with. */
#ifndef TOOLS_CONSUMER_H
#define TOOLS_CONSUMER_H

#include "tools/look.h"
#include "tools/text.h"

/* Everybody on a bus. */
struct crowd {
	struct look look;
	const weir_look_loop *loops;
	size_t loop_count;
	const weir_look_consumer *consumers;
	size_t consumer_count;
	struct json j;
	struct table table;
	size_t shown;
};

/* What a subscription has not read, in all its streams. */
struct behind {
	uint64_t waiting;
	int known;
};

/* Looks who is there, with the books of those that subscribe. 0, or an exit code after
 * saying why; to be closed with look_close(&crowd->look) in both cases. */
int consumers_take(struct crowd *crowd, const char *bus);
/* Says what cannot be shown; returns how many loops could not be seen. */
size_t consumers_unseen(const struct crowd *crowd);

const char *consumer_tier(uint32_t tier);
const char *consumer_state(const weir_look_consumer *c);
const weir_look_loop *consumer_loop(
	const struct crowd *crowd, const weir_look_consumer *c);
/* "name[pid]" of a loop. */
void consumer_who(const weir_look_loop *loop, char *to, size_t size);
struct behind consumer_behind(const struct crowd *crowd, const weir_look_consumer *c);
/* True if its tier has ever changed: then the last time. */
int consumer_changed(
	const struct crowd *crowd, const weir_look_consumer *c, weir_look_change *last);

/* Its fields, in an object that is open; last is NULL where its tier has never changed. */
void consumer_json(
	struct crowd *crowd, const weir_look_consumer *c, const weir_look_change *last);
void consumer_change_json(struct json *j, const weir_look_change *change);

#endif
