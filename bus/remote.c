/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/remote.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus/legacy.h"
#include "bus/mutant.h"
#include "bus/topic.h"

/* ---- announcements ------------------------------------------------------------------------ */

/* An announcement is answered when everybody here who wants the stream is admitted. */
static void
answer_announcement(struct wr_peer *peer, struct wr_remote *remote)
{
	struct wr_wire msg = {.kind = WR_WIRE_ANNOUNCED, .stream = remote->stream};

	if (!remote->unanswered || remote->attaching > 0)
		return;
	remote->unanswered = false;
	WR_POINT(announce_ack);
	(void)wr_peer_send(peer, &msg, NULL);
}

/* One attachment less to wait for, before an announcement can be answered. */
static void
attach_over(struct wr_peer *peer, uint64_t stream)
{
	struct wr_remote *remote = wr_peer_find_remote(peer, stream);

	if (!remote)
		return;
	if (remote->attaching > 0)
		remote->attaching--;
	answer_announcement(peer, remote);
}

int
wr_remote_announced(struct wr_node *node, struct wr_peer *peer, const struct wr_wire *msg)
{
	struct wr_remote *remote = wr_peer_find_remote(peer, msg->stream);

	if (msg->stream == 0 || wr_topic_check(msg->topic) < 0)
		return -WEIR_E_PEER_PROTOCOL;
	if (!remote) {
		if (peer->remote_count == WEIR_TOPICS_MAX)
			return -WEIR_E_PEER_PROTOCOL; /* more than a whole bus may have */
		remote = calloc(1, sizeof(*remote));
		if (!remote)
			return -WEIR_E_ENV_MEMORY;
		remote->stream = msg->stream;
		remote->type_hash = msg->type_hash;
		remote->left = msg->over != 0;
		memcpy(remote->topic, msg->topic, sizeof(remote->topic));
		memcpy(remote->type, msg->type, sizeof(remote->type));
		remote->next = peer->remotes;
		peer->remotes = remote;
		peer->remote_count++;
	}
	remote->unanswered = true;
	for (struct wr_subscription *sub = node->subs; sub; sub = sub->next)
		wr_remote_attach(peer, remote, sub);
	answer_announcement(peer, remote);
	return 0;
}

/* ---- links -------------------------------------------------------------------------------- */

void
wr_remote_attach(
	struct wr_peer *peer, struct wr_remote *remote, struct wr_subscription *sub)
{
	struct wr_wire msg = {
		.kind = WR_WIRE_ATTACH, .stream = remote->stream, .sub = sub->id};
	struct weir_error err = {0};
	struct wr_link *link;

	if (remote->left && !wr_legacy_wanted(sub, remote->stream))
		return;
	if (wr_peer_find_link(peer, remote->stream, sub->id) ||
		!wr_sub_wants(sub, remote->topic, remote->type, remote->type_hash,
			&peer->creds, peer->name))
		return;
	link = wr_link_new(sub, remote->stream, remote->topic, &err);
	if (!link) {
		wr_peer_event(sub->node, peer, WEIR_EV_REFUSED, err.code, remote->topic,
			remote->stream);
		return;
	}
	link->state = WR_LINK_ATTACHING;
	link->peer = peer;
	link->node = peer->node;
	link->pid = peer->pid;
	memcpy(link->name, peer->name, sizeof(link->name));
	link->peer_next = peer->links;
	peer->links = link;
	remote->attaching++;
	msg.slot = link->slot;
	msg.terms = sub->terms;
	WR_POINT(attach_send);
	(void)wr_peer_send(peer, &msg, NULL);
}

static void
detach(struct wr_peer *peer, struct wr_link *link)
{
	struct wr_wire msg = {
		.kind = WR_WIRE_DETACH, .stream = link->stream, .sub = link->sub_id};

	link->state = WR_LINK_LEAVING;
	link->sub = NULL;
	WR_POINT(detach_send);
	(void)wr_peer_send(peer, &msg, NULL);
}

static void
link_free(struct wr_node *node, struct wr_link *link)
{
	if (link->peer)
		wr_peer_unlist_link(link->peer, link);
	wr_store_unref(link->ahead);
	wr_node_slot_give(node, link->slot);
	free(link);
}

void
wr_remote_leave(struct wr_node *node, struct wr_link *link)
{
	detach(link->peer, link);
	if (WR_MUTANT(SLOT_NOACK))
		link_free(node, link);
}

/* The row stands: map the region, find the place, and hand the link to its thread. */
void
wr_remote_attached(
	struct wr_node *node, struct wr_peer *peer, const struct wr_wire *msg, int fd)
{
	struct wr_link *link = wr_peer_find_link(peer, msg->stream, msg->sub);
	struct wr_wire mapped = {
		.kind = WR_WIRE_MAPPED, .stream = msg->stream, .sub = msg->sub};
	struct weir_error err = {0};
	struct wr_reader_opts opts;
	struct wr_store *store;
	int rc;

	if (!link || link->state != WR_LINK_ATTACHING) {
		close(fd);
		return;
	}
	/* Nobody wants it any more; or another peer that keeps it was faster. */
	if (!link->sub || wr_sub_find_link(link->sub, link->stream)) {
		close(fd);
		detach(peer, link);
		attach_over(peer, msg->stream);
		return;
	}
	rc = wr_store_map(&store, fd, msg->bytes, &err);
	if (rc == 0) {
		if (link->ahead)
			wr_store_follow(store, link->ahead);
		else
			link->newest = store;
		link->ahead = NULL;
		opts = wr_sub_reader_opts(link->sub, &msg->begin, msg->slot, &peer->bell);
		rc = wr_reader_init(&link->reader, store, &node->slots[link->slot],
			msg->begin.place, &opts);
		wr_store_unref(store);
	}
	if (rc < 0) {
		wr_peer_event(node, peer, WEIR_EV_REFUSED, -rc, link->topic, link->stream);
		detach(peer, link);
	} else {
		(void)wr_peer_send(peer, &mapped, NULL);
		link->state = WR_LINK_ATTACHED;
		if (msg->over != 0) {
			wr_reader_bereave(&link->reader);
			wr_legacy_keep(node, link);
		}
		wr_link_attach(link);
		wr_peer_event(
			node, peer, WEIR_EV_PUB_JOINED, 0, link->topic, link->stream);
	}
	attach_over(peer, msg->stream);
}

void
wr_remote_refused(struct wr_node *node, struct wr_peer *peer, const struct wr_wire *msg)
{
	struct wr_link *link = wr_peer_find_link(peer, msg->stream, msg->sub);

	if (!link || link->state != WR_LINK_ATTACHING)
		return;
	if (link->sub) {
		link->sub->refused++;
		/* A stream that ended meanwhile is nobody's refusal. */
		if (msg->code != WEIR_E_ENV_NOTFOUND)
			wr_peer_event(node, peer, WEIR_EV_REFUSED, (int)msg->code,
				link->topic, link->stream);
	}
	link_free(node, link);
	attach_over(peer, msg->stream);
}

/* The stream goes on there: behind what the link has, or will have once it is attached. */
static void
extend(struct wr_link *link, struct wr_store *store)
{
	if (!link->newest)
		link->ahead = wr_store_ref(store);
	else if (store->first_ord > link->newest->first_ord)
		wr_store_follow(link->newest, wr_store_ref(store));
	else
		return; /* it was told when it was admitted */
	link->newest = store;
}

int
wr_remote_moved(
	struct wr_node *node, struct wr_peer *peer, const struct wr_wire *msg, int fd)
{
	struct wr_store *store;
	struct weir_error err = {0};
	int rc = wr_store_map(&store, fd, msg->bytes, &err);

	if (WEIR_FAMILY(rc) == WEIR_PEER)
		return rc;
	if (rc < 0) {
		/* We are short of something: its readers stay where they are, and the stream
		 * stands still for them. */
		wr_peer_event(node, peer, WEIR_EV_REFUSED, -rc, NULL, msg->stream);
		return 0;
	}
	for (struct wr_link *link = peer->links; link; link = link->peer_next) {
		/* For one that is about to be attached, or for all that are. */
		bool meant = msg->sub != 0
			? link->sub_id == msg->sub && link->state == WR_LINK_ATTACHING
			: link->state == WR_LINK_ATTACHED;

		if (link->stream != msg->stream || !meant)
			continue;
		extend(link, store);
		wr_node_nudge(node);
	}
	wr_store_unref(store);
	return 0;
}

void
wr_remote_verdict(struct wr_node *node, struct wr_peer *peer, const struct wr_wire *msg)
{
	struct wr_link *link = wr_peer_find_link(peer, msg->stream, msg->sub);

	/* One that has read to the end meanwhile is told all the same. */
	if (link && link->state != WR_LINK_ATTACHING)
		wr_link_verdict(link, node, msg->gates != 0,
			msg->over != 0 && link->state == WR_LINK_ATTACHED,
			(int)msg->code, msg->count[0]);
}

void
wr_remote_ended(struct wr_node *node, struct wr_peer *peer, const struct wr_wire *msg)
{
	for (struct wr_link *link = peer->links; link; link = link->peer_next) {
		if (link->stream != msg->stream || link->state != WR_LINK_ATTACHED)
			continue;
		wr_legacy_keep(node, link);
		wr_peer_event(node, peer, WEIR_EV_PUB_LEFT, 0, link->topic, link->stream);
		wr_node_nudge(node);
	}
	wr_peer_forget_remote(peer, msg->stream);
}

void
wr_remote_detached(struct wr_node *node, struct wr_peer *peer, const struct wr_wire *msg)
{
	struct wr_link *link = wr_peer_find_link(peer, msg->stream, msg->sub);

	if (link && link->state == WR_LINK_LEAVING)
		link_free(node, link);
}

void
wr_remote_bereave(struct wr_node *node, struct wr_peer *peer, enum weir_event_kind how)
{
	while (peer->links) {
		struct wr_link *link = peer->links;

		peer->links = link->peer_next;
		link->peer = NULL;
		if (link->state != WR_LINK_ATTACHED) {
			link_free(node, link);
			continue;
		}
		wr_reader_bereave(&link->reader);
		wr_legacy_keep(node, link);
		if (how == WEIR_EV_NODE_DIED)
			wr_peer_event(node, peer, WEIR_EV_PUB_DIED, 0, link->topic,
				link->stream);
		wr_node_nudge(node);
	}
}
