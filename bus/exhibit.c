/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/exhibit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus/admission.h"
#include "bus/errand.h"

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
	msg.count[1] = w->room.stall.cap_ns;
	msg.bytes = w->pool.zone->store->region.bytes;
	pthread_mutex_unlock(&w->lock);
	memcpy(msg.topic, w->topic, sizeof(msg.topic));
	memcpy(msg.type, w->type, sizeof(msg.type));
	if (!stream->open_to_all)
		wr_access_format(&stream->readers, msg.name, sizeof(msg.name));
	msg.over = !stream->open_to_all;
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

/* Our words, in which our subscriptions say how far they are. */
static void
show_words(struct wr_node *node, struct wr_peer *looker)
{
	struct wr_wire msg = {
		.kind = WR_WIRE_SHOWN, .node = node->id, .bytes = WR_NODE_BYTES};
	int fd = wr_region_lend(&node->region, NULL);

	if (fd < 0)
		return;
	(void)wr_peer_send(looker, &msg, &fd);
	close(fd);
}

/* Who is on our loop. */
static void
show_roster(struct wr_node *node, struct wr_peer *looker)
{
	struct wr_wire msg = {.kind = WR_WIRE_ROSTER, .node = node->id};
	struct wr_wire nothing = {.kind = WR_WIRE_REFUSED, .code = WEIR_E_ENV_NOTFOUND};
	int fd = node->roster ? wr_region_lend(node->roster, NULL) : -1;

	if (fd < 0) {
		(void)wr_peer_send(looker, &nothing, NULL);
		return;
	}
	msg.bytes = node->roster->bytes;
	(void)wr_peer_send(looker, &msg, &fd);
	close(fd);
}

/* ---- who reads a stream -------------------------------------------------------------- */

enum { REGIONS_MAX = 8 };

/* What is taken under the writer's lock, to be told without it. */
struct found {
	struct wr_row row;
	struct wr_books books;
};

static void
show_regions(struct wr_stream *stream, struct wr_peer *looker)
{
	struct wr_writer *w = &stream->writer;
	struct wr_wire msg[REGIONS_MAX];
	int fds[REGIONS_MAX], count = 0;

	pthread_mutex_lock(&w->lock);
	for (const struct wr_zone *zone = w->pool.zone; zone && count < REGIONS_MAX;
		zone = zone->older) {
		const struct wr_store *store = zone->store;

		fds[count] = wr_region_lend(&store->region, NULL);
		if (fds[count] < 0)
			break;
		msg[count] = (struct wr_wire){.kind = WR_WIRE_SHOWN,
			.stream = stream->id,
			.bytes = store->region.bytes};
		msg[count++].count[0] = store->first_ord;
	}
	pthread_mutex_unlock(&w->lock);
	while (count-- > 0) { /* the oldest first */
		(void)wr_peer_send(looker, &msg[count], &fds[count]);
		close(fds[count]);
	}
}

static void
tell_reader(struct wr_stream *stream, const struct found *found, struct wr_peer *looker)
{
	const struct wr_row *row = &found->row;
	const struct wr_geometry *geo = &stream->writer.plan.geo;
	struct wr_wire msg = {.kind = WR_WIRE_READER,
		.node = row->node,
		.stream = stream->id,
		.sub = row->sub,
		.terms = {.quota = row->quota ? (uint64_t)row->quota * geo->seg_bytes
					      : geo->window_bytes,
			.policy = row->policy,
			.holds = row->holds},
		.count = {row->account.budget_ns, row->account.spent_ns},
		.books = found->books,
		.slot = row->slot_index,
		.pid = row->pid,
		.code = (uint32_t)(row->evicted ? WEIR_E_PEER_PROTOCOL : wr_row_code(row)),
		.gates = row->gate,
		.over = row->gone || row->evicted,
		.detached = row->account.detaches};

	memcpy(msg.name, row->name, sizeof(msg.name));
	(void)wr_peer_send(looker, &msg, NULL);
}

static void
tell_readers(struct wr_node *node, struct wr_peer *looker, uint64_t id)
{
	struct wr_wire done = {.kind = WR_WIRE_DONE, .node = node->id, .stream = id};
	struct wr_stream *stream = wr_node_find_stream(node, id);
	struct found *found = NULL;
	uint32_t count = 0;

	if (stream && wr_admission_permits(stream, looker)) {
		struct wr_gate *gate = &stream->writer.gate;

		show_regions(stream, looker);
		pthread_mutex_lock(&stream->writer.lock);
		found = calloc(gate->count + 1, sizeof(*found));
		for (; found && count < gate->count; count++) {
			found[count].row = gate->rows[count];
			/* Its own node may be stopped, and show nothing. */
			if (!wr_books_take(gate->rows[count].slot, &found[count].books))
				found[count].books = (struct wr_books){0};
		}
		pthread_mutex_unlock(&stream->writer.lock);
	}
	for (uint32_t i = 0; i < count; i++)
		tell_reader(stream, &found[i], looker);
	free(found);
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
		if (msg->stream == 0)
			show_words(node, looker);
		else
			show(node, looker, msg->stream);
		return 0;
	case WR_WIRE_READERS:
		tell_readers(node, looker, msg->stream);
		return 0;
	case WR_WIRE_CALL:
		show_roster(node, looker);
		return 0;
	case WR_WIRE_ASK:
		wr_errand_hear(node, looker, msg);
		return 0;
	default:
		return -WEIR_E_PEER_PROTOCOL;
	}
}
