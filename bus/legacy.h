/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a publisher left: a stream that is over, whose topic asked for history. Whoever has
 * it mapped as a reader keeps it, and hands it on to subscriptions that ask for the past.
 * There is nothing to gate and nothing to repair: nobody writes there any more.
 *
 * Only streams that everybody on the bus may read: the list of who may was their
 * publisher's, and went with it. What lies in regions that the stream had left is not
 * handed on. A node keeps at most WR_LEGACIES_TOPIC of a topic, the latest.
 *
 * With the node's lock held.
 */
#ifndef WR_BUS_LEGACY_H
#define WR_BUS_LEGACY_H

#include "bus/node.h"

enum { WR_LEGACIES_TOPIC = 8 };

struct wr_legacy {
	uint64_t stream;
	uint64_t type_hash;
	struct wr_store *store; /* a reference: the last region of the stream */
	bool told;              /* to the peers */
	char topic[WR_NAME_BYTES];
	char type[WR_NAME_BYTES];
	struct wr_legacy *next;
};

/* The stream of a link is over: keeps it, if there is a history to keep. */
void wr_legacy_keep(struct wr_node *node, struct wr_link *link);

struct wr_legacy *wr_legacy_find(struct wr_node *node, uint64_t stream);

/* Where a reader begins in it that asks for the past; false: there is nothing for it. */
bool wr_legacy_begin(const struct wr_legacy *legacy, const struct wr_terms *terms,
	struct wr_begin *begin);

/* Lets a subscription of this process read what it did not have yet. 0, or < 0 with err. */
int wr_legacy_join(struct wr_subscription *sub, const struct wr_legacy *legacy,
	struct weir_error *err);

/* True if a subscription asks for the past, and never read this stream. */
bool wr_legacy_wanted(const struct wr_subscription *sub, uint64_t stream);

void wr_legacy_fini(struct wr_node *node);

#endif
