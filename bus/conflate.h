/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Which message is the newest of its key: what a reader needs that wants the latest value
 * of each of many things, and not all that led there.
 *
 * A key is up to eight bytes at a fixed place of each message. The reader looks ahead of
 * itself; whatever is not the newest of its key when its turn comes is passed over. Private
 * memory, about 64 bytes for each key ever seen. One thread.
 */
#ifndef WR_BUS_CONFLATE_H
#define WR_BUS_CONFLATE_H

#include "bus/walk.h"

struct wr_conflate {
	uint32_t offset, size; /* of the key in a message */
	void *keys;            /* a tree, by key */
	struct wr_walk ahead;  /* how far the messages were looked at */
};

/* NULL: no memory. size is 1 to 8. */
struct wr_conflate *wr_conflate_new(uint32_t offset, uint32_t size);
void wr_conflate_free(struct wr_conflate *c);

/*
 * Looks at the keys of what is visible from `here` on, as far as it was not looked at yet.
 * A message that is too short for its key has key 0; one for which there is no memory
 * counts as the newest.
 */
void wr_conflate_look_ahead(struct wr_conflate *c, const struct wr_walk *here);

/* True if no newer message with the key of this one was seen. */
bool wr_conflate_is_newest(
	const struct wr_conflate *c, const void *data, size_t len, uint64_t seq);

#endif
