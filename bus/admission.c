/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/admission.h"

#include <string.h>
#include <unistd.h>

#include "bus/legacy.h"
#include "bus/mutant.h"

bool
wr_admission_permits(const struct wr_stream *stream, const struct wr_peer *peer)
{
	return stream->open_to_all || wr_access_admits(&stream->readers, &peer->creds);
}

/* ---- announcing -------------------------------------------------------------------------- */

void
wr_admission_announce(struct wr_peer *peer, struct wr_stream *stream)
{
	const struct wr_writer *w = &stream->writer;
	struct wr_wire msg = {.kind = WR_WIRE_ANNOUNCE,
		.stream = stream->id,
		.type_hash = w->plan.type_hash,
		.max_message = w->max_message};

	/* Who may not read it does not learn that it exists. */
	if (!wr_admission_permits(stream, peer)) {
		stream->denied++;
		wr_peer_event(stream->node, peer, WEIR_EV_DENIED, WEIR_E_ENV_DENIED,
			w->topic, stream->id);
		return;
	}
	memcpy(msg.topic, w->topic, sizeof(msg.topic));
	memcpy(msg.type, w->type, sizeof(msg.type));
	if (wr_peer_expect(peer, stream->id) == 0)
		(void)wr_peer_send(peer, &msg, NULL);
}

void
wr_admission_announce_left(struct wr_peer *peer, const struct wr_legacy *left)
{
	struct wr_wire msg = {.kind = WR_WIRE_ANNOUNCE,
		.stream = left->stream,
		.type_hash = left->type_hash,
		.over = 1};

	memcpy(msg.topic, left->topic, sizeof(msg.topic));
	memcpy(msg.type, left->type, sizeof(msg.type));
	(void)wr_peer_send(peer, &msg, NULL);
}

void
wr_admission_announce_all(struct wr_node *node, struct wr_peer *peer)
{
	struct wr_wire sync = {.kind = WR_WIRE_SYNC};

	for (struct wr_stream *stream = node->streams; stream; stream = stream->next)
		wr_admission_announce(peer, stream);
	for (struct wr_legacy *left = node->legacies; left; left = left->next)
		wr_admission_announce_left(peer, left);
	(void)wr_peer_send(peer, &sync, NULL);
}

/* ---- rows -------------------------------------------------------------------------------- */

/* The answer to ATTACH, sent while the writer's lock keeps the head where it is. */
struct admission {
	struct wr_peer *peer;
	const struct wr_wire *asked;
};

static int
send_region(struct admission *a, enum wr_wire_kind kind, const struct wr_begin *begin,
	const struct wr_store *store, uint32_t seat, bool over)
{
	struct wr_wire msg = {.kind = (uint16_t)kind,
		.stream = a->asked->stream,
		.sub = a->asked->sub,
		.begin = *begin,
		.slot = seat,
		.over = over,
		.bytes = store->region.bytes};
	int fd = wr_region_lend(&store->region, NULL);
	int rc;

	if (fd < 0)
		return fd;
	rc = wr_peer_send(a->peer, &msg, &fd);
	close(fd);
	return rc;
}

/*
 * A claim that is open in a region that the stream has left: it begins there, and needs
 * all that came after it. That is said first, so that whoever is admitted has it.
 */
static int
reply_attached(
	void *ctx, const struct wr_begin *begin, struct wr_store *store, uint32_t seat)
{
	struct admission *a = ctx;
	const struct wr_begin nowhere = {0};
	struct wr_store *later = store;
	int rc = 0;

	while (rc >= 0 && (later = wr_load_acquire(move_adopt, &later->following)))
		rc = send_region(a, WR_WIRE_MOVED, &nowhere, later, 0, false);
	return rc < 0 ? rc : send_region(a, WR_WIRE_ATTACHED, begin, store, seat, false);
}

static int
reply_nothing(
	void *ctx, const struct wr_begin *begin, struct wr_store *store, uint32_t seat)
{
	(void)ctx;
	(void)begin;
	(void)store;
	(void)seat;
	return 0;
}

static void
refuse(struct wr_peer *peer, const struct wr_wire *asked, int code)
{
	struct wr_wire msg = {.kind = WR_WIRE_REFUSED,
		.stream = asked->stream,
		.sub = asked->sub,
		.code = (uint32_t)code};

	(void)wr_peer_send(peer, &msg, NULL);
}

/* There is no row: nobody writes there any more. */
static void
hand_on(struct admission *a, const struct wr_legacy *left)
{
	struct wr_begin begin;

	if (!wr_legacy_begin(left, &a->asked->terms, &begin) ||
		send_region(a, WR_WIRE_ATTACHED, &begin, left->store, 0, true) < 0)
		refuse(a->peer, a->asked, WEIR_E_ENV_NOTFOUND);
}

void
wr_admission_attach(struct wr_node *node, struct wr_peer *peer, const struct wr_wire *msg)
{
	struct wr_stream *stream = wr_node_find_stream(node, msg->stream);
	struct admission admission = {.peer = peer, .asked = msg};
	struct wr_row row = {.node = peer->node,
		.sub = msg->sub,
		.slot = &peer->slots[msg->slot],
		.slot_index = msg->slot,
		.bell = &peer->bell,
		.pid = peer->pid,
		.uid = peer->uid};
	const struct wr_legacy *left;
	int rc;

	left = stream ? NULL : wr_legacy_find(node, msg->stream);
	if (left) {
		hand_on(&admission, left);
		return;
	}
	/* Unknown and not permitted get the same answer. */
	if (!stream || !wr_admission_permits(stream, peer)) {
		if (stream)
			stream->denied++;
		refuse(peer, msg, WEIR_E_ENV_NOTFOUND);
		return;
	}
	memcpy(row.name, peer->name, sizeof(row.name));
	if (WR_MUTANT(ADMIT_REPLYFIRST)) {
		pthread_mutex_lock(&stream->writer.lock);
		(void)reply_attached(&admission,
			&(struct wr_begin){wr_place(stream->writer.pool.head_ord,
						   stream->writer.pool.head->index),
				UINT64_MAX, UINT64_MAX},
			stream->writer.pool.head->zone->store, 0);
		pthread_mutex_unlock(&stream->writer.lock);
		usleep(1000);
	}
	rc = wr_stream_admit(stream, &row, &msg->terms, peer->flag,
		WR_MUTANT(ADMIT_REPLYFIRST) ? reply_nothing : reply_attached, &admission);
	if (rc < 0)
		refuse(peer, msg, -rc);
}

void
wr_admission_mapped(struct wr_node *node, struct wr_peer *peer, const struct wr_wire *msg)
{
	struct wr_stream *stream = wr_node_find_stream(node, msg->stream);

	if (stream && wr_stream_mapped(stream, peer->node, msg->sub))
		wr_peer_event(node, peer, WEIR_EV_SUB_JOINED, 0, stream->writer.topic,
			stream->id);
}

/* Removes a row; who was never told that it came is not told that it went. */
static bool
dismiss(struct wr_stream *stream, uint64_t node, uint64_t sub)
{
	struct wr_writer *w = &stream->writer;
	const struct wr_row *row;
	bool came;

	pthread_mutex_lock(&w->lock);
	row = wr_gate_find(&w->gate, node, sub);
	came = row && row->mapped;
	pthread_mutex_unlock(&w->lock);
	return wr_stream_dismiss(stream, node, sub) && came;
}

void
wr_admission_detach(struct wr_node *node, struct wr_peer *peer, const struct wr_wire *msg)
{
	struct wr_stream *stream = wr_node_find_stream(node, msg->stream);
	struct wr_wire ack = {
		.kind = WR_WIRE_DETACHED, .stream = msg->stream, .sub = msg->sub};

	if (stream && dismiss(stream, peer->node, msg->sub))
		wr_peer_event(node, peer, WEIR_EV_SUB_LEFT, 0, stream->writer.topic,
			stream->id);
	WR_POINT(detach_ack);
	(void)wr_peer_send(peer, &ack, NULL);
}

/* ---- moving ------------------------------------------------------------------------------ */

static bool
is_waited_for(const struct wr_gate *gate, uint64_t node)
{
	for (uint32_t i = 0; i < gate->count; i++)
		if (gate->rows[i].node == node && gate->rows[i].gate)
			return true;
	return false;
}

/* Whose reader it is: the bell of a row is its peer's. */
static struct wr_peer *
peer_of(const struct wr_row *row)
{
	return (struct wr_peer *)(void *)((uint8_t *)row->bell -
		offsetof(struct wr_peer, bell));
}

static void
node_is_told(struct wr_gate *gate, uint64_t node, uint64_t first_ord)
{
	for (uint32_t i = 0; i < gate->count; i++)
		if (gate->rows[i].node == node)
			gate->rows[i].told = first_ord;
}

int
wr_admission_tell(struct wr_node *node, struct wr_writer *w, const struct wr_store *store)
{
	struct wr_wire msg = {.kind = WR_WIRE_MOVED,
		.stream = w->plan.stream,
		.bytes = store->region.bytes};
	int fd = wr_region_lend(&store->region, NULL);
	uint64_t full = 0; /* the node that took nothing last */
	int rc = 0;

	if (fd < 0)
		fd = store->region.fd;
	for (uint32_t i = 0; i < w->gate.count; i++) {
		const struct wr_row *row = &w->gate.rows[i];
		struct wr_peer *peer;
		int sent;

		if (row->node == node->id || row->node == full ||
			row->told >= store->first_ord)
			continue;
		peer = peer_of(row);
		WR_POINT(move_send);
		sent = is_waited_for(&w->gate, row->node)
			? wr_peer_send_now(peer, &msg, &fd)
			: wr_peer_send(peer, &msg, &fd);
		if (sent == -WEIR_E_AGAIN_FULL) {
			full = row->node;
			rc = sent;
		} else {
			node_is_told(&w->gate, row->node, store->first_ord);
		}
	}
	if (fd != store->region.fd)
		close(fd);
	return rc;
}

void
wr_admission_verdict(uint64_t stream, const struct wr_row *row, int code)
{
	struct wr_wire msg = {.kind = WR_WIRE_VERDICT,
		.stream = stream,
		.sub = row->sub,
		.code = (uint32_t)code,
		.gates = row->gate,
		.over = row->gone};

	msg.count[0] = row->account.spent_ns;
	(void)wr_peer_send(peer_of(row), &msg, NULL);
}

/* ---- partings ---------------------------------------------------------------------------- */

bool
wr_admission_stands(struct wr_node *node, const struct wr_peer *peer)
{
	bool stands = false;

	for (struct wr_stream *stream = node->streams; stream; stream = stream->next) {
		struct wr_writer *w = &stream->writer;

		pthread_mutex_lock(&w->lock);
		for (uint32_t i = 0; i < w->gate.count; i++)
			stands |= w->gate.rows[i].node == peer->node;
		pthread_mutex_unlock(&w->lock);
	}
	return stands;
}

void
wr_admission_suspend(struct wr_node *node, const struct wr_peer *peer)
{
	for (struct wr_stream *stream = node->streams; stream; stream = stream->next) {
		struct wr_writer *w = &stream->writer;

		pthread_mutex_lock(&w->lock);
		for (uint32_t i = 0; i < w->gate.count; i++)
			if (w->gate.rows[i].node == peer->node)
				wr_gate_detach(&w->gate, &w->gate.rows[i]);
		pthread_mutex_unlock(&w->lock);
		wr_bell_ring(node->bell);
	}
}

void
wr_admission_revoke(
	struct wr_node *node, const struct wr_peer *peer, enum weir_event_kind how)
{
	enum weir_event_kind kind =
		how == WEIR_EV_NODE_DIED ? WEIR_EV_SUB_DIED : WEIR_EV_SUB_LEFT;

	if (WR_MUTANT(ADMIT_NOREAP))
		return;
	for (struct wr_stream *stream = node->streams; stream; stream = stream->next) {
		struct wr_writer *w = &stream->writer;

		for (;;) {
			uint64_t sub = 0;
			bool found = false;

			pthread_mutex_lock(&w->lock);
			for (uint32_t i = 0; i < w->gate.count && !found; i++) {
				found = w->gate.rows[i].node == peer->node;
				sub = w->gate.rows[i].sub;
			}
			pthread_mutex_unlock(&w->lock);
			if (!found)
				break;
			WR_POINT(reap_row);
			if (dismiss(stream, peer->node, sub))
				wr_peer_event(node, peer, kind, 0, w->topic, stream->id);
		}
	}
}
