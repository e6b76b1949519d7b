/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the verbs about consumers share: who is on whose loop, and what each is shown with. */
#ifndef TOOLS_CONSUMER_H
#define TOOLS_CONSUMER_H

#include <stdio.h>

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
/* The same of a look that has been refreshed, without a word: < 0 on an error. */
int consumers_look(struct crowd *crowd, int silent_ms);
/* Says what cannot be shown; returns how many loops could not be seen. */
size_t consumers_unseen(const struct crowd *crowd);

const char *consumer_tier(uint32_t tier);
const char *consumer_state(const weir_look_consumer *c);
const weir_look_loop *consumer_loop(
	const struct crowd *crowd, const weir_look_consumer *c);
/* True if that is what it subscribes or its number, alone or behind "camera/", "4711/" or
 * "camera[4711]/". */
int consumer_is_meant(
	const struct crowd *crowd, const weir_look_consumer *c, const char *name);
/* True if the reader is that subscription, on one of its streams. */
int consumer_reads(const weir_look_consumer *c, const weir_look_reader *reader);
/* "name[pid]" of a loop. */
void consumer_who(const weir_look_loop *loop, char *to, size_t size);
struct behind consumer_behind(const struct crowd *crowd, const weir_look_consumer *c);
/* True if its tier has ever changed: then the last time. */
int consumer_changed(
	const struct crowd *crowd, const weir_look_consumer *c, weir_look_change *last);

/*
 * What the verbs "consumer info" and "consumer why" are: [BUS] NAME|NUMBER, and of each that
 * is meant its text, or its fields in an object. Returns an exit code.
 */
typedef void (*consumer_text_fn)(
	FILE *out, struct crowd *crowd, const weir_look_consumer *c);
typedef void (*consumer_json_fn)(struct crowd *crowd, const weir_look_consumer *c);
int consumers_show(int argc, char **argv, const char *verb, consumer_text_fn text,
	consumer_json_fn fields);

/* Its fields, in an object that is open; last is NULL where its tier has never changed. */
void consumer_json(
	struct crowd *crowd, const weir_look_consumer *c, const weir_look_change *last);
void consumer_times_json(struct json *j, const char *key, const weir_look_times *times);
void consumer_change_json(struct json *j, const weir_look_change *change);

#endif
