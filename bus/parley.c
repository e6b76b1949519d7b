/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/parley.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bus/error.h"
#include "bus/exhibit.h"
#include "bus/mutant.h"
#include "bus/topic.h"
#include "bus/window.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

struct wr_peer *
wr_parley_find(struct wr_steward *s, uint64_t node)
{
	for (int i = 0; i < WR_PEERS; i++)
		if (s->peers[i] && s->peers[i]->state != WR_PEER_FREE &&
			s->peers[i]->node == node)
			return s->peers[i];
	return NULL;
}

struct wr_peer *
wr_parley_free(struct wr_steward *s)
{
	for (int i = 0; i < WR_PEERS; i++) {
		if (!s->peers[i]) {
			s->peers[i] = malloc(sizeof(*s->peers[i]));
			if (s->peers[i])
				wr_peer_init(s->peers[i], i);
		}
		if (!s->peers[i] || s->peers[i]->state == WR_PEER_FREE)
			return s->peers[i];
	}
	return NULL;
}

bool
wr_parley_busy(const struct wr_peer *peer)
{
	if (peer->state == WR_PEER_CONNECTING)
		return true;
	if (peer->state != WR_PEER_UP)
		return false;
	if (!peer->synced || peer->announced_count > 0)
		return true;
	for (const struct wr_link *link = peer->links; link; link = link->peer_next)
		if (link->state == WR_LINK_ATTACHING && link->sub)
			return true;
	return false;
}

/* ---- hello -------------------------------------------------------------------------------- */

int
wr_parley_hello(struct wr_steward *s, struct wr_peer *peer)
{
	struct wr_node *node = s->node;
	struct wr_wire msg = {.kind = WR_WIRE_HELLO, .node = node->id, .pid = node->pid};
	int fds[2];
	int rc;

	if (peer->bell_in < 0) {
		peer->bell_in = wr_bell_make();
		if (peer->bell_in < 0)
			return -WEIR_E_ENV_FILES;
		for (int i = 0; i < s->watch_count; i++)
			(void)wr_parley_watch_bell(s->watches[i], peer->bell_in);
	}
	memcpy(msg.name, node->name, sizeof(msg.name));
	fds[0] = wr_region_lend(&node->region, NULL);
	fds[1] = peer->bell_in;
	if (fds[0] < 0)
		return fds[0];
	rc = wr_peer_send(peer, &msg, fds);
	close(fds[0]);
	return rc;
}

/* Streams first, then the mark that these were all. */
static void
announce_all(struct wr_steward *s, struct wr_peer *peer)
{
	struct wr_wire sync = {.kind = WR_WIRE_SYNC};

	for (struct wr_stream *stream = s->node->streams; stream; stream = stream->next)
		wr_parley_announce(peer, stream);
	(void)wr_peer_send(peer, &sync, NULL);
}

/*
 * A descriptor for the process at the other end. Its death is a fact only here: a hang-up
 * may come from the living. The number of the process is looked up while the connection
 * stands, so it cannot be somebody else's.
 */
static int
peer_pidfd(struct wr_peer *peer)
{
	struct pollfd hup = {.fd = peer->fd};
	int fd = -1;
	socklen_t size = sizeof(fd);

	if (getsockopt(peer->fd, SOL_SOCKET, SO_PEERPIDFD, &fd, &size) == 0)
		return fd;
	fd = (int)syscall(SYS_pidfd_open, peer->creds.pid, 0);
	if (fd < 0)
		return -1;
	if (poll(&hup, 1, 0) == 1 && (hup.revents & POLLHUP) != 0) {
		close(fd);
		errno = ESRCH;
		return -1;
	}
	return fd;
}

static int
show_words(struct wr_peer *peer, int fd)
{
	struct wr_node_hdr hdr;
	int rc = wr_region_check(fd, WR_NODE_BYTES, NULL);

	if (rc == 0) {
		peer->window = wr_window_take();
		if (!peer->window || wr_window_show(peer->window, fd) < 0)
			rc = -WEIR_E_ENV_MAPS;
	}
	close(fd);
	if (rc < 0)
		return rc;
	/* Its owner may go on writing: check a copy, and use the copy. */
	memcpy(&hdr, peer->window, sizeof(hdr));
	if (hdr.magic == WR_NODE_MAGIC && hdr.layout != WR_LAYOUT)
		return -WEIR_E_ENV_VERSION;
	if (hdr.magic != WR_NODE_MAGIC || hdr.node != peer->node ||
		hdr.flag_offset != wr_node_flag_offset(peer->node) ||
		hdr.header_bytes != WR_PAGE)
		return -WEIR_E_PEER_BADREGION;
	if (hdr.sleeps)
		peer->flag =
			(const wr_a64 *)(const void *)(peer->window + hdr.flag_offset);
	peer->slots = (const struct wr_slot *)(const void *)(peer->window + WR_PAGE);
	return 0;
}

/* Ringing must never wait, so what we ring is an eventfd and nothing else. */
static bool
is_bell(int fd)
{
	char path[40], name[40];
	ssize_t size;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	size = readlink(path, name, sizeof(name) - 1);
	if (size < 0)
		return true; /* no /proc here to ask */
	name[size] = 0;
	return strstr(name, "eventfd") != NULL && (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;
}

/* A process that hung up on us so often without a word is not talked to any more. */
static bool
is_fickle(const struct wr_steward *s, pid_t pid)
{
	int lost = 0;

	for (int i = 0; i < WR_PEERS && s->peers[i]; i++)
		lost += s->peers[i]->state == WR_PEER_LOST &&
			s->peers[i]->creds.pid == pid;
	return lost >= WR_LOST_MAX;
}

/* Two nodes that found each other at the same time keep the connection that the one with
 * the smaller number made. Returns the peer that goes on, or NULL: hang up. */
static struct wr_peer *
merge(struct wr_steward *s, struct wr_peer *guest, uint64_t node)
{
	struct wr_peer *known = wr_parley_find(s, node);
	int fd;

	if (!known || known == guest)
		return guest;
	if (known->state != WR_PEER_CONNECTING || (known->fd >= 0 && s->node->id < node))
		return NULL;
	pthread_mutex_lock(&guest->send_lock);
	fd = guest->fd;
	guest->fd = -1;
	pthread_mutex_unlock(&guest->send_lock);
	wr_peer_take_socket(known, fd);
	known->creds = guest->creds;
	known->ours = false;
	known->retry_ns = 0;
	wr_peer_reset(guest);
	return known;
}

static struct wr_peer *
on_hello(struct wr_steward *s, struct wr_peer *peer, const struct wr_wire *msg,
	int *fds, int *wrong)
{
	struct wr_node *node = s->node;
	struct wr_peer *from = peer;
	bool answer = peer->state == WR_PEER_GUEST;
	bool reached = peer->state == WR_PEER_CONNECTING && peer->node == msg->node;

	*wrong = 0;
	if ((!answer && !reached) || msg->node == 0 || msg->node == node->id ||
		wr_name_check(msg->name) < 0 || is_fickle(s, peer->creds.pid)) {
		*wrong = -WEIR_E_PEER_PROTOCOL;
		goto refuse;
	}
	if (!is_bell(fds[1])) {
		*wrong = -WEIR_E_PEER_BADFD;
		goto refuse;
	}
	if (answer) {
		struct wr_peer *going = merge(s, peer, msg->node);

		if (!going)
			goto refuse;
		peer = going;
	}
	peer->node = msg->node;
	peer->pid = (uint32_t)peer->creds.pid;
	peer->uid = (uint32_t)peer->creds.uid;
	memcpy(peer->name, msg->name, sizeof(peer->name));
	wr_bell_set(&peer->bell, fds[1]);
	if (peer->creds.pid == 0)
		*wrong = -WEIR_E_ENV_PIDNS;
	else if ((peer->pidfd = peer_pidfd(peer)) < 0)
		*wrong = errno == ESRCH                      ? 0
			: errno == EMFILE || errno == ENFILE ? -WEIR_E_ENV_FILES
							     : -WEIR_E_ENV_NOSYS;
	if (peer->pidfd < 0)
		close(fds[0]);
	else if ((*wrong = show_words(peer, fds[0])) == 0 && answer)
		*wrong = wr_parley_hello(s, peer);
	if (peer->pidfd < 0 || *wrong < 0) {
		if (*wrong == -WEIR_E_PEER_DIED)
			*wrong = 0; /* before our answer: that is no fault of its */
		if (peer != from)
			wr_peer_reset(peer); /* the caller knows the guest only */
		return NULL;
	}
	peer->state = WR_PEER_UP;
	peer->since_ns = wr_now_ns();
	announce_all(s, peer);
	wr_node_event(node, WEIR_EV_NODE_JOINED, 0, peer->name, peer->pid, peer->uid,
		NULL, 0);
	return peer;

refuse:
	close(fds[0]);
	close(fds[1]);
	return NULL;
}

/* ---- our streams, their subscriptions ------------------------------------------------------- */

static bool
may_read(const struct wr_stream *stream, const struct wr_peer *peer)
{
	return stream->open_to_all || wr_access_admits(&stream->readers, &peer->creds);
}

void
wr_parley_announce(struct wr_peer *peer, struct wr_stream *stream)
{
	const struct wr_writer *w = &stream->writer;
	struct wr_wire msg = {.kind = WR_WIRE_ANNOUNCE,
		.stream = stream->id,
		.type_hash = w->plan.type_hash,
		.max_message = w->max_message};

	/* Who may not read it does not learn that it exists. */
	if (!may_read(stream, peer)) {
		stream->denied++;
		wr_node_event(stream->node, WEIR_EV_DENIED, WEIR_E_ENV_DENIED,
			peer->name, peer->pid, peer->uid, w->topic, stream->id);
		return;
	}
	memcpy(msg.topic, w->topic, sizeof(msg.topic));
	memcpy(msg.type, w->type, sizeof(msg.type));
	if (wr_peer_expect(peer, stream->id) == 0)
		(void)wr_peer_send(peer, &msg, NULL);
}

/* The answer to ATTACH, sent while the writer's lock keeps the head where it is. */
struct admission {
	struct wr_peer *peer;
	const struct wr_wire *asked;
};

static int
send_region(struct admission *a, enum wr_wire_kind kind, uint64_t place,
	const struct wr_store *store)
{
	struct wr_wire msg = {.kind = (uint16_t)kind,
		.stream = a->asked->stream,
		.sub = a->asked->sub,
		.place = place,
		.bytes = store->region.bytes};
	int fd = wr_region_lend(&store->region, NULL);
	int rc;

	if (fd < 0)
		return fd;
	rc = wr_peer_send(a->peer, &msg, &fd);
	close(fd);
	return rc;
}

static int
reply_attached(void *ctx, uint64_t place, struct wr_store *store)
{
	struct admission *a = ctx;
	int rc = send_region(a, WR_WIRE_ATTACHED, place, store);

	/* A claim that is open in a region that the stream has left: it begins there. */
	while (rc >= 0 && (store = wr_load_acquire(move_adopt, &store->following)))
		rc = send_region(a, WR_WIRE_MOVED, 0, store);
	return rc;
}

static int
reply_nothing(void *ctx, uint64_t place, struct wr_store *store)
{
	(void)ctx;
	(void)place;
	(void)store;
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

static void
on_attach(struct wr_steward *s, struct wr_peer *peer, const struct wr_wire *msg)
{
	struct wr_stream *stream = wr_node_find_stream(s->node, msg->stream);
	struct admission admission = {.peer = peer, .asked = msg};
	struct wr_row row = {.node = peer->node,
		.sub = msg->sub,
		.slot = &peer->slots[msg->slot],
		.bell = &peer->bell,
		.holds = msg->holds,
		.pid = peer->pid,
		.uid = peer->uid};
	int rc;

	/* Unknown and not permitted get the same answer. */
	if (!stream || !may_read(stream, peer)) {
		if (stream)
			stream->denied++;
		refuse(peer, msg, WEIR_E_ENV_NOTFOUND);
		return;
	}
	memcpy(row.name, peer->name, sizeof(row.name));
	if (WR_MUTANT(ADMIT_REPLYFIRST)) {
		pthread_mutex_lock(&stream->writer.lock);
		(void)reply_attached(&admission,
			wr_place(stream->writer.pool.head_ord,
				stream->writer.pool.head->index),
			stream->writer.pool.head->zone->store);
		pthread_mutex_unlock(&stream->writer.lock);
		usleep(1000);
	}
	rc = wr_stream_admit(stream, &row, peer->flag,
		WR_MUTANT(ADMIT_REPLYFIRST) ? reply_nothing : reply_attached, &admission);
	if (rc < 0)
		refuse(peer, msg, -rc);
}

static void
on_mapped(struct wr_steward *s, struct wr_peer *peer, const struct wr_wire *msg)
{
	struct wr_stream *stream = wr_node_find_stream(s->node, msg->stream);

	if (stream && wr_stream_mapped(stream, peer->node, msg->sub))
		wr_node_event(s->node, WEIR_EV_SUB_JOINED, 0, peer->name, peer->pid,
			peer->uid, stream->writer.topic, stream->id);
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

static void
on_detach(struct wr_steward *s, struct wr_peer *peer, const struct wr_wire *msg)
{
	struct wr_stream *stream = wr_node_find_stream(s->node, msg->stream);
	struct wr_wire ack = {
		.kind = WR_WIRE_DETACHED, .stream = msg->stream, .sub = msg->sub};

	if (stream && dismiss(stream, peer->node, msg->sub))
		wr_node_event(s->node, WEIR_EV_SUB_LEFT, 0, peer->name, peer->pid,
			peer->uid, stream->writer.topic, stream->id);
	WR_POINT(detach_ack);
	(void)wr_peer_send(peer, &ack, NULL);
}

/* ---- their streams, our subscriptions --------------------------------------------------------- */

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

void
wr_parley_attach(struct wr_steward *s, struct wr_peer *peer, struct wr_remote *remote,
	struct wr_subscription *sub)
{
	struct wr_wire msg = {
		.kind = WR_WIRE_ATTACH, .stream = remote->stream, .sub = sub->id};
	struct weir_error err = {0};
	struct wr_link *link;

	if (wr_peer_find_link(peer, remote->stream, sub->id) ||
		!wr_sub_wants(sub, remote->topic, remote->type, remote->type_hash,
			&peer->creds, peer->name))
		return;
	link = wr_link_new(sub, remote->stream, remote->topic, &err);
	if (!link) {
		wr_node_event(s->node, WEIR_EV_REFUSED, err.code, peer->name, peer->pid,
			peer->uid, remote->topic, remote->stream);
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
	msg.holds = sub->holds;
	WR_POINT(attach_send);
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

static int
on_announce(struct wr_steward *s, struct wr_peer *peer, const struct wr_wire *msg)
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
		memcpy(remote->topic, msg->topic, sizeof(remote->topic));
		memcpy(remote->type, msg->type, sizeof(remote->type));
		remote->next = peer->remotes;
		peer->remotes = remote;
		peer->remote_count++;
	}
	remote->unanswered = true;
	for (struct wr_subscription *sub = s->node->subs; sub; sub = sub->next)
		wr_parley_attach(s, peer, remote, sub);
	answer_announcement(peer, remote);
	return 0;
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
link_free(struct wr_steward *s, struct wr_link *link)
{
	if (link->peer)
		wr_peer_unlist_link(link->peer, link);
	wr_node_slot_give(s->node, link->slot);
	free(link);
}

void
wr_parley_leave(struct wr_steward *s, struct wr_link *link)
{
	if (WR_MUTANT(SLOT_NOACK)) {
		detach(link->peer, link);
		link_free(s, link);
		return;
	}
	detach(link->peer, link);
}

/* The row stands: map the region, find the place, and hand the link to its thread. */
static void
on_attached(struct wr_steward *s, struct wr_peer *peer, const struct wr_wire *msg, int fd)
{
	struct wr_link *link = wr_peer_find_link(peer, msg->stream, msg->sub);
	struct wr_wire mapped = {
		.kind = WR_WIRE_MAPPED, .stream = msg->stream, .sub = msg->sub};
	struct weir_error err = {0};
	struct wr_store *store;
	int rc;

	if (!link || link->state != WR_LINK_ATTACHING) {
		close(fd);
		return;
	}
	if (!link->sub) {
		close(fd);
		detach(peer, link);
		attach_over(peer, msg->stream);
		return;
	}
	rc = wr_store_map(&store, fd, msg->bytes, &err);
	if (rc == 0) {
		rc = wr_reader_init(&link->reader, store, &s->node->slots[link->slot],
			msg->place, link->sub->holds, &peer->bell);
		link->newest = store;
		wr_store_unref(store);
	}
	if (rc < 0) {
		wr_node_event(s->node, WEIR_EV_REFUSED, -rc, peer->name, peer->pid,
			peer->uid, link->topic, link->stream);
		detach(peer, link);
	} else {
		(void)wr_peer_send(peer, &mapped, NULL);
		link->state = WR_LINK_ATTACHED;
		wr_link_attach(link);
		wr_node_event(s->node, WEIR_EV_PUB_JOINED, 0, peer->name, peer->pid,
			peer->uid, link->topic, link->stream);
	}
	attach_over(peer, msg->stream);
}

static void
on_refused(struct wr_steward *s, struct wr_peer *peer, const struct wr_wire *msg)
{
	struct wr_link *link = wr_peer_find_link(peer, msg->stream, msg->sub);

	if (!link || link->state != WR_LINK_ATTACHING)
		return;
	if (link->sub) {
		link->sub->refused++;
		/* A stream that ended meanwhile is nobody's refusal. */
		if (msg->code != WEIR_E_ENV_NOTFOUND)
			wr_node_event(s->node, WEIR_EV_REFUSED, (int)msg->code, peer->name,
				peer->pid, peer->uid, link->topic, link->stream);
	}
	link_free(s, link);
	attach_over(peer, msg->stream);
}

static int
on_moved(struct wr_steward *s, struct wr_peer *peer, const struct wr_wire *msg, int fd)
{
	struct wr_store *store;
	struct weir_error err = {0};
	int rc = wr_store_map(&store, fd, msg->bytes, &err);

	if (WEIR_FAMILY(rc) == WEIR_PEER)
		return rc;
	if (rc < 0) {
		/* We are short of something: its readers stay where they are, and the stream
		 * stands still for them. */
		wr_node_event(s->node, WEIR_EV_REFUSED, -rc, peer->name, peer->pid,
			peer->uid, NULL, msg->stream);
		return 0;
	}
	for (struct wr_link *link = peer->links; link; link = link->peer_next) {
		if (link->stream != msg->stream || link->state != WR_LINK_ATTACHED)
			continue;
		if (msg->sub != 0 && msg->sub != link->sub_id)
			continue; /* for one that was just admitted; the others have it */
		if (store->first_ord <= link->newest->first_ord)
			continue; /* it was told when it was admitted */
		wr_store_follow(link->newest, wr_store_ref(store));
		link->newest = store;
		wr_node_nudge(link->sub->node);
	}
	wr_store_unref(store);
	return 0;
}

static void
on_ended(struct wr_steward *s, struct wr_peer *peer, const struct wr_wire *msg)
{
	for (struct wr_link *link = peer->links; link; link = link->peer_next) {
		if (link->stream != msg->stream || link->state != WR_LINK_ATTACHED)
			continue;
		wr_node_event(s->node, WEIR_EV_PUB_LEFT, 0, peer->name, peer->pid,
			peer->uid, link->topic, link->stream);
		wr_node_nudge(s->node);
	}
	wr_peer_forget_remote(peer, msg->stream);
}

/* ---- partings --------------------------------------------------------------------------------- */

static void
dismiss_rows(struct wr_steward *s, struct wr_peer *peer, enum weir_event_kind how)
{
	enum weir_event_kind kind =
		how == WEIR_EV_NODE_DIED ? WEIR_EV_SUB_DIED : WEIR_EV_SUB_LEFT;

	if (WR_MUTANT(ADMIT_NOREAP))
		return;
	for (struct wr_stream *stream = s->node->streams; stream; stream = stream->next) {
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
				wr_node_event(s->node, kind, 0, peer->name, peer->pid,
					peer->uid, w->topic, stream->id);
		}
	}
}

void
wr_parley_gone(struct wr_steward *s, struct wr_peer *peer, enum weir_event_kind how)
{
	bool known = peer->state == WR_PEER_UP || peer->state == WR_PEER_LOST;

	dismiss_rows(s, peer, how);
	while (peer->links) {
		struct wr_link *link = peer->links;

		peer->links = link->peer_next;
		link->peer = NULL;
		if (link->state != WR_LINK_ATTACHED) {
			link_free(s, link);
			continue;
		}
		wr_reader_bereave(&link->reader);
		if (how == WEIR_EV_NODE_DIED)
			wr_node_event(s->node, WEIR_EV_PUB_DIED, 0, peer->name,
				peer->pid, peer->uid, link->topic, link->stream);
		wr_node_nudge(s->node);
	}
	if (known)
		wr_node_event(s->node, how, 0, peer->name, peer->pid, peer->uid, NULL, 0);
	wr_peer_reset(peer);
}

bool
wr_parley_bound(struct wr_steward *s, const struct wr_peer *peer)
{
	bool bound = peer->links != NULL;

	for (struct wr_stream *stream = s->node->streams; stream; stream = stream->next) {
		struct wr_writer *w = &stream->writer;

		pthread_mutex_lock(&w->lock);
		for (uint32_t i = 0; i < w->gate.count; i++)
			bound |= w->gate.rows[i].node == peer->node;
		pthread_mutex_unlock(&w->lock);
	}
	return bound;
}

void
wr_parley_lost(struct wr_steward *s, struct wr_peer *peer)
{
	peer->state = WR_PEER_LOST;
	peer->since_ns = wr_now_ns();
	for (struct wr_stream *stream = s->node->streams; stream; stream = stream->next) {
		struct wr_writer *w = &stream->writer;

		pthread_mutex_lock(&w->lock);
		for (uint32_t i = 0; i < w->gate.count; i++)
			if (w->gate.rows[i].node == peer->node)
				wr_gate_detach(&w->gate, &w->gate.rows[i]);
		pthread_mutex_unlock(&w->lock);
		wr_bell_ring(s->node->bell);
	}
}

/* ---- messages ----------------------------------------------------------------------------------- */

static void
on_sync(struct wr_peer *peer)
{
	peer->synced = true;
}

int
wr_parley_watch_bell(int epoll_fd, int bell_fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, bell_fd, &event);
}

/* Who was pending and has nothing open any more is admitted. */
static void
heard_from(struct wr_steward *s, struct wr_peer *peer)
{
	if (!peer->silent || wr_parley_busy(peer))
		return;
	peer->silent = false;
	wr_node_event(s->node, WEIR_EV_ADMITTED, 0, peer->name, peer->pid, peer->uid,
		NULL, 0);
}

struct wr_peer *
wr_parley_message(struct wr_steward *s, struct wr_peer *peer, const struct wr_wire *msg,
	int *fds, int *wrong)
{
	struct wr_link *link;

	*wrong = 0;
	if (msg->kind == WR_WIRE_HELLO)
		return on_hello(s, peer, msg, fds, wrong);
	if (peer->state == WR_PEER_LOOKER ||
		(peer->state == WR_PEER_GUEST && msg->kind == WR_WIRE_LOOK)) {
		peer->state = WR_PEER_LOOKER;
		*wrong = wr_exhibit(s, peer, msg);
		for (int i = 0; i < wr_wire_fds(msg->kind); i++)
			close(fds[i]);
		return *wrong < 0 ? NULL : peer;
	}
	if (peer->state != WR_PEER_UP) {
		*wrong = -WEIR_E_PEER_PROTOCOL;
		for (int i = 0; i < wr_wire_fds(msg->kind); i++)
			close(fds[i]);
		return NULL;
	}
	switch (msg->kind) {
	case WR_WIRE_SYNC:
		on_sync(peer);
		break;
	case WR_WIRE_ANNOUNCE:
		*wrong = on_announce(s, peer, msg);
		break;
	case WR_WIRE_ANNOUNCED:
		(void)wr_peer_answered(peer, msg->stream);
		break;
	case WR_WIRE_ATTACH:
		on_attach(s, peer, msg);
		break;
	case WR_WIRE_ATTACHED:
		on_attached(s, peer, msg, fds[0]);
		break;
	case WR_WIRE_REFUSED:
		on_refused(s, peer, msg);
		break;
	case WR_WIRE_MAPPED:
		on_mapped(s, peer, msg);
		break;
	case WR_WIRE_DETACH:
		on_detach(s, peer, msg);
		break;
	case WR_WIRE_DETACHED:
		link = wr_peer_find_link(peer, msg->stream, msg->sub);
		if (link && link->state == WR_LINK_LEAVING)
			link_free(s, link);
		break;
	case WR_WIRE_MOVED:
		*wrong = on_moved(s, peer, msg, fds[0]);
		break;
	case WR_WIRE_ENDED:
		on_ended(s, peer, msg);
		break;
	case WR_WIRE_BYE:
		peer->bye = true;
		break;
	default:
		*wrong = -WEIR_E_PEER_PROTOCOL;
		for (int i = 0; i < wr_wire_fds(msg->kind); i++)
			close(fds[i]);
		break;
	}
	if (*wrong < 0)
		return NULL;
	heard_from(s, peer);
	return peer;
}
