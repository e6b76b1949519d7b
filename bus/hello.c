/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/hello.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bus/topic.h"
#include "bus/window.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

enum { LOST_MAX = 8 }; /* of one process, that hung up and live on */

int
wr_hello_say(struct wr_peers *peers, struct wr_peer *peer)
{
	struct wr_node *node = peers->node;
	struct wr_wire msg = {.kind = WR_WIRE_HELLO, .node = node->id, .pid = node->pid};
	int fds[2];
	int rc = wr_peers_bell(peers, peer);

	if (rc < 0)
		return rc;
	memcpy(msg.name, node->name, sizeof(msg.name));
	fds[0] = wr_region_lend(&node->region, NULL);
	fds[1] = peer->bell_in;
	if (fds[0] < 0)
		return fds[0];
	rc = wr_peer_send(peer, &msg, fds);
	close(fds[0]);
	return rc;
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
is_fickle(const struct wr_peers *peers, pid_t pid)
{
	int lost = 0;

	for (int i = 0; peers->at[i]; i++)
		lost += peers->at[i]->state == WR_PEER_LOST &&
			peers->at[i]->creds.pid == pid;
	return lost >= LOST_MAX;
}

/* Two nodes that found each other at the same time keep the connection that the one with
 * the smaller number made. Returns the peer that goes on, or NULL: hang up. */
static struct wr_peer *
merge(struct wr_peers *peers, struct wr_peer *guest, uint64_t node)
{
	struct wr_peer *known = wr_peers_find(peers, node);
	int fd;

	if (!known || known == guest)
		return guest;
	if (known->state != WR_PEER_CONNECTING ||
		(known->fd >= 0 && peers->node->id < node))
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

struct wr_peer *
wr_hello_hear(struct wr_peers *peers, struct wr_peer *peer, const struct wr_wire *msg,
	const int *fds, int *wrong)
{
	struct wr_peer *from = peer;
	bool answer = peer->state == WR_PEER_GUEST;
	bool reached = peer->state == WR_PEER_CONNECTING && peer->node == msg->node;

	*wrong = 0;
	if ((!answer && !reached) || msg->node == 0 || msg->node == peers->node->id ||
		wr_name_check(msg->name) < 0 || is_fickle(peers, peer->creds.pid)) {
		*wrong = -WEIR_E_PEER_PROTOCOL;
		goto refuse;
	}
	if (!is_bell(fds[1])) {
		*wrong = -WEIR_E_PEER_BADFD;
		goto refuse;
	}
	if (answer) {
		struct wr_peer *going = merge(peers, peer, msg->node);

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
		*wrong = wr_hello_say(peers, peer);
	if (peer->pidfd < 0 || *wrong < 0) {
		if (*wrong == -WEIR_E_PEER_DIED)
			*wrong = 0; /* before our answer: that is no fault of its */
		if (peer != from)
			wr_peer_reset(peer); /* the caller knows the guest only */
		return NULL;
	}
	peer->state = WR_PEER_UP;
	peer->since_ns = wr_now_ns();
	return peer;

refuse:
	close(fds[0]);
	close(fds[1]);
	return NULL;
}
