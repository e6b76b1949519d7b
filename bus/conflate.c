/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/conflate.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

enum { AHEAD_MAX = 1 << 14 /* messages that one look goes over */ };

struct value {
	uint64_t key;
	uint64_t seq; /* of the newest message */
};

static int
by_key(const void *a, const void *b)
{
	uint64_t left = ((const struct value *)a)->key;
	uint64_t right = ((const struct value *)b)->key;

	return left < right ? -1 : left > right;
}

struct wr_conflate *
wr_conflate_new(uint32_t offset, uint32_t size)
{
	struct wr_conflate *c = calloc(1, sizeof(*c));

	if (c) {
		c->offset = offset;
		c->size = size;
	}
	return c;
}

void
wr_conflate_free(struct wr_conflate *c)
{
	if (!c)
		return;
	while (c->keys) {
		struct value *value = *(struct value **)c->keys;

		tdelete(value, &c->keys, by_key);
		free(value);
	}
	free(c);
}

static uint64_t
key_of(const struct wr_conflate *c, const void *data, size_t len)
{
	uint64_t key = 0;

	if (len >= c->size && len - c->size >= c->offset)
		memcpy(&key, (const uint8_t *)data + c->offset, c->size);
	return key;
}

/* Message seq of this key is there. */
static void
see(struct wr_conflate *c, uint64_t key, uint64_t seq)
{
	struct value wanted = {.key = key};
	struct value **there = tfind(&wanted, &c->keys, by_key);
	struct value *value;

	if (there) {
		if ((*there)->seq < seq)
			(*there)->seq = seq;
		return;
	}
	value = malloc(sizeof(*value));
	if (!value)
		return;
	*value = (struct value){key, seq};
	if (!tsearch(value, &c->keys, by_key))
		free(value);
}

void
wr_conflate_look_ahead(struct wr_conflate *c, const struct wr_walk *here)
{
	uint64_t word;

	/* Not behind us: what it borrows may be gone. */
	c->ahead.ours &= c->ahead.ord == here->ord;
	if (c->ahead.seq <= here->seq || !wr_walk_is_there(&c->ahead))
		c->ahead = *here;
	for (int i = 0; i < AHEAD_MAX && wr_walk_to_message(&c->ahead, &word) == 1; i++) {
		uint64_t key;

		wr_unkept_begin();
		key = key_of(c, wr_walk_frame(&c->ahead) + 1, wr_word_len(word));
		wr_unkept_end();
		if (!wr_walk_is_there(&c->ahead))
			return; /* what was copied may be of another message */
		see(c, key, c->ahead.seq);
		wr_walk_pass(&c->ahead, word);
	}
}

bool
wr_conflate_is_newest(
	const struct wr_conflate *c, const void *data, size_t len, uint64_t seq)
{
	struct value wanted = {.key = key_of(c, data, len)};
	struct value **there = tfind(&wanted, (void *const *)&c->keys, by_key);

	return !there || (*there)->seq <= seq;
}
