/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/exhibit.h"

#include <string.h>
#include <unistd.h>

#include "bus/admission.h"

static void
tell_node(struct wr_node *node, struct wr_peer *looker)
{
	struct wr_wire msg = {.kind = WR_WIRE_NODE, .node = node->id, .pid = node->pid};

	msg.count[0] = node->uid;
	memcpy(msg.name, node->name, sizeof(msg.name));
	(void)wr_peer_send(looker, &msg, NULL);
}

static void
tell_stream(struct wr_stream *stream, struct wr_peer *looker)
{
	struct wr_writer *w = &stream->writer;
	struct wr_wire msg = {.kind = WR_WIRE_STREAM,
		.node = stream->node->id,
		.stream = stream->id,
		.type_hash = w->plan.type_hash,
		.window = w->plan.geo.window_bytes,
		.seg_bytes = w->plan.geo.seg_bytes,
		.max_message = w->max_message,
		.pid = stream->node->pid};

	pthread_mutex_lock(&w->lock);
	msg.count[0] = w->gate.count;
	msg.bytes = w->pool.zone->store->region.bytes;
	pthread_mutex_unlock(&w->lock);
	memcpy(msg.topic, w->topic, sizeof(msg.topic));
	memcpy(msg.type, w->type, sizeof(msg.type));
	(void)wr_peer_send(looker, &msg, NULL);
}

static void
tell_sub(struct wr_node *node, struct wr_subscription *sub, struct wr_peer *looker)
{
	struct wr_wire msg = {
		.kind = WR_WIRE_SUB, .node = node->id, .sub = sub->id, .pid = node->pid};

	for (struct wr_link *link = sub->links; link; link = link->next) {
		const struct wr_slot *slot = &node->slots[link->slot];

		msg.slot++;
		msg.count[0] += wr_stat_get(&slot->passed);
		for (int why = 0; why < WR_LOSTS; why++)
			msg.count[1] += wr_stat_get(&slot->lost[why]);
	}
	memcpy(msg.topic, sub->pattern, sizeof(msg.topic));
	(void)wr_peer_send(looker, &msg, NULL);
}

static void
tell_all(struct wr_node *node, struct wr_peer *looker)
{
	struct wr_wire done = {.kind = WR_WIRE_DONE, .node = node->id};

	tell_node(node, looker);
	for (struct wr_stream *stream = node->streams; stream; stream = stream->next)
		if (wr_admission_permits(stream, looker))
			tell_stream(stream, looker);
	for (struct wr_subscription *sub = node->subs; sub; sub = sub->next)
		tell_sub(node, sub, looker);
	(void)wr_peer_send(looker, &done, NULL);
}

/* The region that the stream writes in now; nothing else, to anybody who may not. */
static void
show(struct wr_node *node, struct wr_peer *looker, uint64_t id)
{
	struct wr_stream *stream = wr_node_find_stream(node, id);
	struct wr_wire msg = {.kind = WR_WIRE_SHOWN, .stream = id};
	struct wr_wire nothing = {
		.kind = WR_WIRE_REFUSED, .stream = id, .code = WEIR_E_ENV_NOTFOUND};
	int fd = -1;

	if (stream && wr_admission_permits(stream, looker)) {
		struct wr_writer *w = &stream->writer;

		pthread_mutex_lock(&w->lock);
		msg.bytes = w->pool.zone->store->region.bytes;
		fd = wr_region_lend(&w->pool.zone->store->region, NULL);
		pthread_mutex_unlock(&w->lock);
	}
	if (fd < 0) {
		(void)wr_peer_send(looker, &nothing, NULL);
		return;
	}
	(void)wr_peer_send(looker, &msg, &fd);
	close(fd);
}

int
wr_exhibit(struct wr_node *node, struct wr_peer *looker, const struct wr_wire *msg)
{
	switch (msg->kind) {
	case WR_WIRE_LOOK:
		tell_all(node, looker);
		return 0;
	case WR_WIRE_SHOW:
		show(node, looker, msg->stream);
		return 0;
	default:
		return -WEIR_E_PEER_PROTOCOL;
	}
}
