/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/peer.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus/errand.h"
#include "bus/peers.h"
#include "bus/window.h"

void
wr_peer_init(struct wr_peer *peer, int index, struct wr_peers *table)
{
	memset(peer, 0, sizeof(*peer));
	peer->index = index;
	peer->table = table;
	peer->fd = peer->pidfd = peer->bell_in = -1;
	peer->unsent_end = &peer->unsent;
	wr_bell_init(&peer->bell);
	pthread_mutex_init(&peer->send_lock, NULL);
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
drop_unsent(struct wr_peer *peer)
{
	while (peer->unsent) {
		struct wr_unsent *head = peer->unsent;

		peer->unsent = head->next;
		close_fd(&head->fd);
		free(head);
	}
	peer->unsent_end = &peer->unsent;
	peer->unsent_count = 0;
}

void
wr_peer_reset(struct wr_peer *peer)
{
	if (peer->state == WR_PEER_LOOKER)
		wr_errand_orphan(peer->table->node, peer);
	pthread_mutex_lock(&peer->send_lock);
	drop_unsent(peer);
	close_fd(&peer->fd);
	pthread_mutex_unlock(&peer->send_lock);
	close_fd(&peer->pidfd);
	if (peer->bell_in >= 0)
		wr_peers_unhear(peer->table, peer->bell_in);
	close_fd(&peer->bell_in);
	wr_bell_set(&peer->bell, -1);
	wr_window_give(peer->window);
	peer->window = NULL;
	peer->flag = NULL;
	peer->slots = NULL;
	while (peer->remotes)
		wr_peer_forget_remote(peer, peer->remotes->stream);
	free(peer->announced);
	peer->announced = NULL;
	peer->announced_count = peer->announced_size = 0;
	peer->links = NULL;
	peer->node = 0;
	peer->pid = peer->uid = 0;
	peer->name[0] = 0;
	peer->ours = peer->synced = peer->silent = peer->bye = false;
	peer->watched = 0;
	peer->retry_ns = 0;
	peer->retry_ms = 0;
	peer->state = WR_PEER_FREE;
}

void
wr_peer_take_socket(struct wr_peer *peer, int fd)
{
	pthread_mutex_lock(&peer->send_lock);
	drop_unsent(peer);
	close_fd(&peer->fd);
	peer->fd = fd;
	peer->watched = 0;
	pthread_mutex_unlock(&peer->send_lock);
}

/* Keeps a message for when the socket has room; a descriptor of it is our own copy. */
static int
queue(struct wr_peer *peer, const struct wr_wire *msg, int fd)
{
	struct wr_unsent *unsent;

	if (peer->unsent_count == WR_PEER_UNSENT_MAX)
		return -WEIR_E_AGAIN_QUOTA;
	unsent = calloc(1, sizeof(*unsent));
	if (!unsent)
		return -WEIR_E_ENV_MEMORY;
	unsent->msg = *msg;
	unsent->fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
	if (fd >= 0 && unsent->fd < 0) {
		free(unsent);
		return -WEIR_E_ENV_FILES;
	}
	*peer->unsent_end = unsent;
	peer->unsent_end = &unsent->next;
	peer->unsent_count++;
	return 0;
}

/* With the send lock. Not before what waits already. */
static int
send_in_turn(struct wr_peer *peer, struct wr_wire *msg, const int *fds)
{
	msg->magic = WR_WIRE_MAGIC;
	msg->layout = WR_LAYOUT;
	if (peer->fd < 0)
		return -WEIR_E_PEER_DIED;
	return peer->unsent ? -WEIR_E_AGAIN_FULL : wr_wire_send(peer->fd, msg, fds);
}

int
wr_peer_send_now(struct wr_peer *peer, struct wr_wire *msg, const int *fds)
{
	int rc;

	pthread_mutex_lock(&peer->send_lock);
	rc = send_in_turn(peer, msg, fds);
	pthread_mutex_unlock(&peer->send_lock);
	return rc;
}

int
wr_peer_send(struct wr_peer *peer, struct wr_wire *msg, const int *fds)
{
	int rc;

	pthread_mutex_lock(&peer->send_lock);
	rc = send_in_turn(peer, msg, fds);
	if (rc == -WEIR_E_AGAIN_FULL)
		rc = queue(peer, msg, wr_wire_fds(msg->kind) == 1 ? fds[0] : -1);
	pthread_mutex_unlock(&peer->send_lock);
	return rc;
}

void
wr_peer_flush(struct wr_peer *peer)
{
	pthread_mutex_lock(&peer->send_lock);
	while (peer->unsent && peer->fd >= 0) {
		struct wr_unsent *head = peer->unsent;

		if (wr_wire_send(peer->fd, &head->msg, &head->fd) == -WEIR_E_AGAIN_FULL)
			break;
		peer->unsent = head->next;
		if (!peer->unsent)
			peer->unsent_end = &peer->unsent;
		peer->unsent_count--;
		close_fd(&head->fd);
		free(head);
	}
	pthread_mutex_unlock(&peer->send_lock);
}

uint32_t
wr_peer_unsent(struct wr_peer *peer)
{
	uint32_t count;

	pthread_mutex_lock(&peer->send_lock);
	count = peer->unsent_count;
	pthread_mutex_unlock(&peer->send_lock);
	return count;
}

int
wr_peer_expect(struct wr_peer *peer, uint64_t stream)
{
	if (wr_peer_owes(peer, stream))
		return 0;
	if (peer->announced_count == peer->announced_size) {
		uint32_t size = peer->announced_size ? peer->announced_size * 2 : 16;
		uint64_t *grown = realloc(peer->announced, size * sizeof(*grown));

		if (!grown)
			return -WEIR_E_ENV_MEMORY;
		peer->announced = grown;
		peer->announced_size = size;
	}
	peer->announced[peer->announced_count++] = stream;
	return 0;
}

bool
wr_peer_answered(struct wr_peer *peer, uint64_t stream)
{
	for (uint32_t i = 0; i < peer->announced_count; i++)
		if (peer->announced[i] == stream) {
			peer->announced[i] = peer->announced[--peer->announced_count];
			return true;
		}
	return false;
}

bool
wr_peer_owes(const struct wr_peer *peer, uint64_t stream)
{
	for (uint32_t i = 0; i < peer->announced_count; i++)
		if (peer->announced[i] == stream)
			return true;
	return false;
}

bool
wr_peer_busy(const struct wr_peer *peer)
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

void
wr_peer_event(struct wr_node *node, const struct wr_peer *peer,
	enum weir_event_kind kind, int code, const char *topic, uint64_t stream)
{
	wr_node_event(node, kind, code, peer->name, (uint32_t)peer->creds.pid,
		(uint32_t)peer->creds.uid, topic, stream);
}

struct wr_remote *
wr_peer_find_remote(struct wr_peer *peer, uint64_t stream)
{
	struct wr_remote *remote = peer->remotes;

	while (remote && remote->stream != stream)
		remote = remote->next;
	return remote;
}

void
wr_peer_forget_remote(struct wr_peer *peer, uint64_t stream)
{
	for (struct wr_remote **at = &peer->remotes; *at; at = &(*at)->next)
		if ((*at)->stream == stream) {
			struct wr_remote *remote = *at;

			*at = remote->next;
			peer->remote_count--;
			free(remote);
			return;
		}
}

struct wr_link *
wr_peer_find_link(struct wr_peer *peer, uint64_t stream, uint64_t sub)
{
	struct wr_link *link = peer->links;

	while (link && (link->stream != stream || link->sub_id != sub))
		link = link->peer_next;
	return link;
}

void
wr_peer_unlist_link(struct wr_peer *peer, struct wr_link *link)
{
	for (struct wr_link **at = &peer->links; *at; at = &(*at)->peer_next)
		if (*at == link) {
			*at = link->peer_next;
			return;
		}
}
