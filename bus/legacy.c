/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/legacy.h"

#include <stdlib.h>
#include <string.h>

#include "bus/error.h"
#include "bus/history.h"

/* ---- keeping -------------------------------------------------------------------------------- */

static void
free_legacy(struct wr_legacy *legacy)
{
	wr_store_unref(legacy->store);
	free(legacy);
}

/* The latest comes first; what is one too many of its topic goes. */
static void
put(struct wr_node *node, struct wr_legacy *legacy)
{
	struct wr_legacy **at = &node->legacies;
	int count = 0;

	legacy->next = node->legacies;
	node->legacies = legacy;
	while (*at) {
		struct wr_legacy *there = *at;

		if (strcmp(there->topic, legacy->topic) != 0 ||
			++count <= WR_LEGACIES_TOPIC) {
			at = &there->next;
			continue;
		}
		*at = there->next;
		free_legacy(there);
	}
}

static struct wr_store *
last_region(struct wr_link *link)
{
	struct wr_store *store = link->newest, *next;

	while (store && (next = wr_load_acquire(move_adopt, &store->following)))
		store = next;
	return store;
}

void
wr_legacy_keep(struct wr_node *node, struct wr_link *link)
{
	struct wr_store *store = last_region(link);
	struct wr_legacy *legacy;

	if (!store || !wr_store_keeps(store) || store->hdr->open_to_all == 0 ||
		wr_legacy_find(node, link->stream))
		return;
	legacy = calloc(1, sizeof(*legacy));
	if (!legacy)
		return; /* one holder less */
	legacy->stream = link->stream;
	legacy->type_hash = store->hdr->type_hash;
	legacy->store = wr_store_ref(store);
	wr_name_copy(legacy->topic, link->topic);
	wr_name_copy(legacy->type, store->hdr->type);
	put(node, legacy);
}

struct wr_legacy *
wr_legacy_find(struct wr_node *node, uint64_t stream)
{
	struct wr_legacy *legacy = node->legacies;

	while (legacy && legacy->stream != stream)
		legacy = legacy->next;
	return legacy;
}

void
wr_legacy_fini(struct wr_node *node)
{
	while (node->legacies) {
		struct wr_legacy *legacy = node->legacies;

		node->legacies = legacy->next;
		free_legacy(legacy);
	}
}

/* ---- handing on ------------------------------------------------------------------------------- */

bool
wr_legacy_begin(const struct wr_legacy *legacy, const struct wr_terms *terms,
	struct wr_begin *begin)
{
	return terms->from != WEIR_FROM_NEW &&
		wr_history_left(legacy->store, legacy->stream, terms, begin);
}

bool
wr_legacy_wanted(const struct wr_subscription *sub, uint64_t stream)
{
	return sub->terms.from != WEIR_FROM_NEW && !wr_sub_had(sub, stream);
}

int
wr_legacy_join(struct wr_subscription *sub, const struct wr_legacy *legacy,
	struct weir_error *err)
{
	struct wr_node *node = sub->node;
	struct wr_reader_opts opts;
	struct wr_begin begin;
	struct wr_link *link;
	int rc;

	if (!wr_legacy_wanted(sub, legacy->stream) ||
		!wr_sub_wants(sub, legacy->topic, legacy->type, legacy->type_hash, NULL,
			node->name) ||
		!wr_legacy_begin(legacy, &sub->terms, &begin))
		return 0;
	link = wr_link_new(sub, legacy->stream, legacy->topic, err);
	if (!link)
		return err ? -err->code : -WEIR_E_ENV_MEMORY;
	opts = wr_sub_reader_opts(sub, &begin, 0, NULL);
	rc = wr_reader_init(&link->reader, legacy->store, &node->slots[link->slot],
		begin.place, &opts);
	if (rc < 0) {
		wr_node_slot_give(node, link->slot);
		free(link);
		return wr_error_set(err, -rc, 0,
			"cannot read what is left of topic '%s'", legacy->topic);
	}
	wr_reader_bereave(&link->reader);
	link->newest = legacy->store;
	link->pid = node->pid;
	memcpy(link->name, node->name, sizeof(link->name));
	wr_link_attach(link);
	wr_node_event(node, WEIR_EV_PUB_JOINED, 0, node->name, node->pid, node->uid,
		legacy->topic, legacy->stream);
	return 0;
}
