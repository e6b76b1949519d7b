/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/door.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus/ear.h"
#include "bus/error.h"
#include "bus/hello.h"
#include "bus/mutant.h"

enum {
	TURN_GUESTS = 64,    /* accepted in one turn */
	RETRY_MS = 20,       /* between two tries to reach a node, at first */
	RETRY_MS_MAX = 1000, /* and in the end */
	DEAF_MS = 100,       /* without descriptors, between two looks for guests */
	GUEST_NS_MAX = 1000000000 /* who connects says hello within this */
};

void
wr_door_turned_away(struct wr_node *node, const struct wr_peer *peer, int code)
{
	enum weir_event_kind kind = WEIR_EV_REFUSED;

	if (code == WEIR_E_ENV_DENIED) {
		kind = WEIR_EV_DENIED;
		node->denied++;
	} else if (code == WEIR_E_PEER_PROTOCOL || code == WEIR_E_PEER_BADFD ||
		code == WEIR_E_PEER_BADREGION) {
		kind = WEIR_EV_PROTOCOL;
	}
	wr_peer_event(node, peer, kind, code, NULL, 0);
}

/* Takes a connection for the peer's. Who is not on the list is hung up on without a word;
 * false: then, or if we cannot hear it. */
static bool
let_in(struct wr_door *door, struct wr_peer *peer, int fd)
{
	wr_peer_take_socket(peer, fd);
	if (wr_peer_creds(fd, &peer->creds) < 0 ||
		!wr_access_admits(&door->access, &peer->creds)) {
		wr_door_turned_away(door->peers->node, peer, WEIR_E_ENV_DENIED);
		return false;
	}
	return wr_ear_ctl(door->ear, EPOLL_CTL_ADD, fd, EPOLLIN, WR_ABOUT_SOCKET,
		       peer->index) == 0;
}

/* ---- who knocks ------------------------------------------------------------------------- */

static int
hear_door(struct wr_door *door, int op, uint32_t events)
{
	return wr_ear_ctl(door->ear, op, door->listen_fd, events, WR_ABOUT_DOOR, 0);
}

/* Who knocks cannot be let in, and would be heard again and again: not for a while. */
static void
turn_deaf(struct wr_door *door, int os)
{
	if (door->deaf_until_ns == 0)
		wr_node_event(door->peers->node, WEIR_EV_REFUSED,
			wr_error_from_errno(os), NULL, 0, 0, NULL, 0);
	door->deaf_until_ns = wr_now_ns() + DEAF_MS * 1000000ull;
	(void)hear_door(door, EPOLL_CTL_MOD, 0);
}

bool
wr_door_listens(const struct wr_door *door)
{
	return door->listen_fd >= 0 &&
		(door->deaf_until_ns == 0 || wr_now_ns() >= door->deaf_until_ns);
}

void
wr_door_answer(struct wr_door *door)
{
	for (int i = 0; i < TURN_GUESTS; i++) {
		int fd = accept4(
			door->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct wr_peer *peer;

		if (fd < 0) {
			if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR &&
				errno != ECONNABORTED)
				turn_deaf(door, errno);
			return;
		}
		peer = wr_peers_place(door->peers);
		if (!peer) {
			close(fd);
			continue;
		}
		door->deaf_until_ns = 0;
		if (!let_in(door, peer, fd)) {
			wr_peer_reset(peer);
			continue;
		}
		peer->state = WR_PEER_GUEST;
		peer->since_ns = wr_now_ns();
	}
}

/* ---- whom we reach for ------------------------------------------------------------------- */

void
wr_door_retry(struct wr_peer *peer)
{
	uint32_t ms = peer->retry_ms ? peer->retry_ms * 2 : RETRY_MS;

	peer->retry_ms = ms < RETRY_MS_MAX ? ms : RETRY_MS_MAX;
	peer->retry_ns = wr_now_ns() + peer->retry_ms * 1000000ull;
}

/* Tries to reach a node. False: it is not there any more. */
static bool
reach(struct wr_door *door, struct wr_peer *peer)
{
	int fd;
	int rc = wr_rundir_connect(door->dirfd, peer->node, &fd);

	peer->retry_ns = 0;
	if (rc == -WEIR_E_PEER_DIED) {
		wr_door_bury(door, peer->node);
		return false;
	}
	if (rc < 0) {
		if (rc == -WEIR_E_ENV_DENIED)
			return false;
		wr_door_retry(peer);
		return true;
	}
	peer->ours = true;
	if (!let_in(door, peer, fd))
		return false;
	rc = wr_hello_say(door->peers, peer);
	if (rc == -WEIR_E_PEER_DIED) {
		/* It has hung up already: it has no room for us now, or it is going. */
		wr_peer_take_socket(peer, -1);
		wr_door_retry(peer);
		return true;
	}
	if (rc < 0)
		wr_door_turned_away(door->peers->node, peer, -rc);
	return rc == 0;
}

static void
meet_node(struct wr_door *door, uint64_t node)
{
	struct wr_peer *peer;

	if (node == door->peers->node->id || wr_peers_find(door->peers, node))
		return;
	peer = wr_peers_place(door->peers);
	if (!peer)
		return;
	peer->node = node;
	peer->state = WR_PEER_CONNECTING;
	peer->since_ns = wr_now_ns();
	(void)snprintf(peer->name, sizeof(peer->name), "node-%016llx",
		(unsigned long long)node);
	if (!reach(door, peer))
		wr_peer_reset(peer);
}

static void
scan(struct wr_door *door)
{
	uint64_t nodes[WEIR_PROCESSES_MAX];
	int count = wr_rundir_scan(door->dirfd, nodes, WEIR_PROCESSES_MAX);

	WR_POINT(arrive_scan);
	for (int i = 0; i < count && i < WEIR_PROCESSES_MAX; i++)
		meet_node(door, nodes[i]);
}

void
wr_door_bury(struct wr_door *door, uint64_t node)
{
	(void)wr_rundir_remove(door->dirfd, node);
}

/* ---- by the clock ------------------------------------------------------------------------- */

static int
sooner(int ms, uint64_t due_ns, uint64_t now)
{
	uint64_t left_ms = due_ns > now ? (due_ns - now) / 1000000 + 1 : 0;

	return left_ms < (uint64_t)ms ? (int)left_ms : ms;
}

int
wr_door_tend(struct wr_door *door, int next_ms)
{
	uint64_t now = wr_now_ns();

	if (door->deaf_until_ns && now >= door->deaf_until_ns)
		(void)hear_door(door, EPOLL_CTL_MOD, EPOLLIN);
	else if (door->deaf_until_ns)
		next_ms = sooner(next_ms, door->deaf_until_ns, now);
	for (int i = 0; door->peers->at[i]; i++) {
		struct wr_peer *peer = door->peers->at[i];

		if (peer->state == WR_PEER_GUEST && now - peer->since_ns > GUEST_NS_MAX)
			wr_peer_reset(peer);
		if (peer->state != WR_PEER_CONNECTING || !peer->retry_ns)
			continue;
		if (now >= peer->retry_ns && !reach(door, peer))
			wr_peer_reset(peer);
		else if (peer->retry_ns)
			next_ms = sooner(next_ms, peer->retry_ns, now);
	}
	return next_ms;
}

/* ---- lifecycle ---------------------------------------------------------------------------- */

int
wr_door_open(struct wr_door *door, struct wr_peers *peers,
	const struct wr_rundir_opts *where, struct weir_error *err)
{
	char path[256];
	int rc;

	*door = (struct wr_door){.peers = peers,
		.mode = wr_rundir_socket_mode(where),
		.dirfd = -1,
		.listen_fd = -1};
	rc = wr_rundir_access(where, &door->access, err);
	return rc < 0 ? rc : wr_rundir_open(where, &door->dirfd, path, sizeof(path), err);
}

/* Present first, then the scan: of two that arrive together at least one sees the other. */
int
wr_door_arrive(struct wr_door *door, const struct wr_ear *ear, struct weir_error *err)
{
	int rc;

	door->ear = ear;
	if (WR_MUTANT(MEET_SCANFIRST)) {
		scan(door);
		usleep(2000);
	}
	WR_POINT(arrive_present);
	rc = wr_rundir_bind(
		door->dirfd, door->peers->node->id, door->mode, &door->listen_fd, err);
	if (rc < 0)
		return rc;
	if (hear_door(door, EPOLL_CTL_ADD, EPOLLIN) < 0) {
		rc = wr_error_set(err, WEIR_E_ENV_OS, errno, "epoll_ctl");
		wr_door_leave(door);
		return rc;
	}
	if (!WR_MUTANT(MEET_SCANFIRST))
		scan(door);
	return 0;
}

void
wr_door_leave(struct wr_door *door)
{
	(void)wr_rundir_remove(door->dirfd, door->peers->node->id);
}

void
wr_door_close(struct wr_door *door)
{
	if (door->listen_fd >= 0)
		close(door->listen_fd);
	if (door->dirfd >= 0)
		close(door->dirfd);
	door->listen_fd = door->dirfd = -1;
}
