/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/steward.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus/admission.h"
#include "bus/error.h"
#include "bus/hello.h"
#include "bus/mutant.h"
#include "bus/parley.h"
#include "bus/remote.h"
#include "bus/rundir.h"

enum {
	TURN_EVENTS = 64,
	TURN_MESSAGES = 256, /* of one connection, before others have their turn */
	IDLE_MS = 1000,      /* no sleep of the steward is longer */
	RETRY_MS = 20,       /* between two tries to reach a node, at first */
	RETRY_MS_MAX = 1000, /* and in the end */
	DEAF_MS = 100,       /* without descriptors, between two looks for guests */
	GUEST_NS_MAX = 1000000000 /* who connects says hello within this */
};

struct wr_steward {
	struct wr_node *node;
	struct wr_peers peers;
	struct wr_access access; /* who may attach, besides our own user */
	int dirfd;
	int listen_fd;
	int epoll_fd;
	int relay_fd; /* an eventfd: the publisher or a caller wants something */
	uint64_t deaf_until_ns; /* no descriptor for a guest: nobody is accepted so long */
	wr_a64 relay_pending;
	wr_a64 stopping;
	bool has_thread;
	pthread_t thread;
	pthread_cond_t changed;  /* something that a caller may wait for has happened */
	struct wr_steward *next; /* of this process, for fork */
};

/* What an epoll event is about. */
enum about { ABOUT_LISTEN = 1, ABOUT_RELAY, ABOUT_SOCKET, ABOUT_PIDFD };

static uint64_t
about(enum about what, int index)
{
	return (uint64_t)what << 32 | (uint32_t)index;
}

static struct wr_steward *
steward_of(struct wr_node *node)
{
	return node->meeting;
}

static int
watch_fd(struct wr_steward *s, int fd, uint32_t events, uint64_t what)
{
	struct epoll_event event = {.events = events, .data = {.u64 = what}};

	return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

/* Wakes the steward's thread. Any thread. */
static void
poke(struct wr_steward *s)
{
	static const uint64_t one = 1;

	if (write(s->relay_fd, &one, sizeof(one)) < 0)
		return; /* full: it is awake */
}

/* ---- connections ------------------------------------------------------------------------ */

static void
event_refused(struct wr_steward *s, const struct wr_peer *peer, int code)
{
	enum weir_event_kind kind = WEIR_EV_REFUSED;

	if (code == WEIR_E_ENV_DENIED) {
		kind = WEIR_EV_DENIED;
		s->node->denied++;
	} else if (code == WEIR_E_PEER_PROTOCOL || code == WEIR_E_PEER_BADFD ||
		code == WEIR_E_PEER_BADREGION) {
		kind = WEIR_EV_PROTOCOL;
	}
	wr_peer_event(s->node, peer, kind, code, NULL, 0);
}

/* Who is not on the list is hung up on without a word. */
static bool
let_in(struct wr_steward *s, struct wr_peer *peer)
{
	if (wr_peer_creds(peer->fd, &peer->creds) == 0 &&
		wr_access_admits(&s->access, &peer->creds))
		return true;
	event_refused(s, peer, WEIR_E_ENV_DENIED);
	return false;
}

/* Who knocks cannot be let in, and would be heard again and again: not for a while. */
static void
turn_deaf(struct wr_steward *s, int os)
{
	struct epoll_event none = {.data = {.u64 = about(ABOUT_LISTEN, 0)}};

	if (s->deaf_until_ns == 0)
		wr_node_event(s->node, WEIR_EV_REFUSED, wr_error_from_errno(os), NULL,
			0, 0, NULL, 0);
	s->deaf_until_ns = wr_now_ns() + DEAF_MS * 1000000ull;
	(void)epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, s->listen_fd, &none);
}

static void
accept_guests(struct wr_steward *s)
{
	for (int i = 0; i < TURN_EVENTS; i++) {
		int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct wr_peer *peer;

		if (fd < 0) {
			if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR &&
				errno != ECONNABORTED)
				turn_deaf(s, errno);
			return;
		}
		peer = wr_peers_place(&s->peers);
		if (!peer) {
			close(fd);
			continue;
		}
		s->deaf_until_ns = 0;
		wr_peer_take_socket(peer, fd);
		if (!let_in(s, peer) ||
			watch_fd(s, fd, EPOLLIN, about(ABOUT_SOCKET, peer->index)) < 0) {
			wr_peer_reset(peer);
			continue;
		}
		peer->state = WR_PEER_GUEST;
		peer->since_ns = wr_now_ns();
	}
}

/* Reaches for it again, less and less often. */
static void
retry_later(struct wr_peer *peer)
{
	uint32_t ms = peer->retry_ms ? peer->retry_ms * 2 : RETRY_MS;

	peer->retry_ms = ms < RETRY_MS_MAX ? ms : RETRY_MS_MAX;
	peer->retry_ns = wr_now_ns() + peer->retry_ms * 1000000ull;
}

/* Tries to reach a node. False: it is not there any more. */
static bool
reach(struct wr_steward *s, struct wr_peer *peer)
{
	int fd;
	int rc = wr_rundir_connect(s->dirfd, peer->node, &fd);

	peer->retry_ns = 0;
	if (rc == -WEIR_E_PEER_DIED) {
		(void)wr_rundir_remove(s->dirfd, peer->node);
		return false;
	}
	if (rc < 0) {
		if (rc == -WEIR_E_ENV_DENIED)
			return false;
		retry_later(peer);
		return true;
	}
	wr_peer_take_socket(peer, fd);
	peer->ours = true;
	if (!let_in(s, peer) ||
		watch_fd(s, fd, EPOLLIN, about(ABOUT_SOCKET, peer->index)) < 0)
		return false;
	rc = wr_hello_say(&s->peers, peer);
	if (rc == -WEIR_E_PEER_DIED) {
		/* It has hung up already: it has no room for us now, or it is going. */
		wr_peer_take_socket(peer, -1);
		retry_later(peer);
		return true;
	}
	if (rc < 0)
		event_refused(s, peer, -rc);
	return rc == 0;
}

static void
meet_node(struct wr_steward *s, uint64_t node)
{
	struct wr_peer *peer;

	if (node == s->node->id || wr_peers_find(&s->peers, node))
		return;
	peer = wr_peers_place(&s->peers);
	if (!peer)
		return;
	peer->node = node;
	peer->state = WR_PEER_CONNECTING;
	peer->since_ns = wr_now_ns();
	(void)snprintf(peer->name, sizeof(peer->name), "node-%016llx",
		(unsigned long long)node);
	if (!reach(s, peer))
		wr_peer_reset(peer);
}

static bool
is_dead(const struct wr_peer *peer)
{
	struct pollfd p = {.fd = peer->pidfd, .events = POLLIN};

	return peer->pidfd >= 0 && poll(&p, 1, 0) == 1 && (p.revents & POLLIN) != 0;
}

static void
buried(struct wr_steward *s, struct wr_peer *peer)
{
	(void)wr_rundir_remove(s->dirfd, peer->node);
	wr_parley_gone(s->node, peer, WEIR_EV_NODE_DIED);
}

/* The other side of a connection has hung up. */
static void
hung_up(struct wr_steward *s, struct wr_peer *peer)
{
	switch (peer->state) {
	case WR_PEER_CONNECTING:
		/* It has closed what we opened: it died, or reaches for us itself. */
		wr_peer_take_socket(peer, -1);
		retry_later(peer);
		break;
	case WR_PEER_UP:
		if (peer->bye) {
			wr_parley_gone(s->node, peer, WEIR_EV_NODE_LEFT);
		} else if (is_dead(peer)) {
			buried(s, peer);
		} else {
			wr_peer_take_socket(peer, -1);
			wr_parley_lost(s->node, peer);
		}
		break;
	default:
		wr_peer_reset(peer);
		break;
	}
}

/* It broke the rules: whatever it had here ends. */
static void
put_out(struct wr_steward *s, struct wr_peer *peer, int code)
{
	event_refused(s, peer, code);
	if (peer->state == WR_PEER_UP)
		wr_parley_gone(s->node, peer, WEIR_EV_NODE_LEFT);
	else
		wr_peer_reset(peer);
}

static void
hear(struct wr_steward *s, struct wr_peer *peer)
{
	for (int i = 0; i < TURN_MESSAGES; i++) {
		struct wr_peer *from;
		struct wr_wire msg;
		int fds[WR_WIRE_FDS];
		int rc, wrong;

		if (peer->fd < 0)
			return;
		/* Who does not read our answers is not asked for more questions. */
		if (peer->state == WR_PEER_LOOKER && wr_peer_unsent(peer) > 0)
			return;
		rc = wr_wire_recv(peer->fd, &msg, fds);
		if (rc == 0)
			return;
		if (rc == -WEIR_E_GONE_END) {
			hung_up(s, peer);
			return;
		}
		if (rc < 0) {
			put_out(s, peer, -rc);
			return;
		}
		from = wr_parley_hear(&s->peers, peer, &msg, fds, &wrong);
		if (!from) {
			if (wrong < 0)
				put_out(s, peer, -wrong);
			else
				hung_up(s, peer);
			return;
		}
		if (from != peer) { /* a guest turned out to be who we were reaching for */
			struct epoll_event event = {.events = EPOLLIN,
				.data = {.u64 = about(ABOUT_SOCKET, from->index)}};

			(void)epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, from->fd, &event);
			peer = from;
		}
		if (msg.kind == WR_WIRE_HELLO && peer->pidfd >= 0)
			(void)watch_fd(s, peer->pidfd, EPOLLIN,
				about(ABOUT_PIDFD, peer->index));
	}
}

/* A process has ended. What it said before is heard first. */
static void
mourn(struct wr_steward *s, struct wr_peer *peer)
{
	uint64_t node = peer->node;

	if (!is_dead(peer))
		return;
	while (peer->state == WR_PEER_UP && peer->node == node && peer->fd >= 0) {
		struct pollfd p = {.fd = peer->fd, .events = POLLIN};

		if (poll(&p, 1, 0) != 1)
			break;
		hear(s, peer);
	}
	if (peer->node != node)
		return;
	if (peer->state == WR_PEER_LOST || peer->state == WR_PEER_UP)
		buried(s, peer);
}

/* ---- the steward's turn -------------------------------------------------------------------- */

static void
relay_rings(struct wr_steward *s)
{
	if (WR_MUTANT(WAKE_LATEDRAIN)) {
		for (struct wr_stream *stream = s->node->streams; stream;
			stream = stream->next)
			(void)wr_writer_relay(&stream->writer);
		(void)wr_exchange(wake_relay, &s->relay_pending, 0);
		return;
	}
	/* First the token, then the flags: what comes after the token rings again. */
	(void)wr_exchange(wake_relay, &s->relay_pending, 0);
	wr_fence_sc(relay_fence);
	for (struct wr_stream *stream = s->node->streams; stream; stream = stream->next)
		(void)wr_writer_relay(&stream->writer);
}

/* Waits for room to send what is queued, and for what the peer has to say. */
static void
watch_socket(struct wr_steward *s, struct wr_peer *peer)
{
	uint32_t unsent = wr_peer_unsent(peer);
	struct epoll_event event = {.events = unsent == 0 ? EPOLLIN
			: peer->state == WR_PEER_LOOKER   ? EPOLLOUT
							  : EPOLLIN | EPOLLOUT,
		.data = {.u64 = about(ABOUT_SOCKET, peer->index)}};

	if (unsent == WR_PEER_UNSENT_MAX) {
		put_out(s, peer, WEIR_E_PEER_PROTOCOL);
		return;
	}
	if (event.events == peer->watched)
		return;
	peer->watched = event.events;
	(void)epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, peer->fd, &event);
}

static int
sooner(int ms, uint64_t due_ns, uint64_t now)
{
	uint64_t left_ms = due_ns > now ? (due_ns - now) / 1000000 + 1 : 0;

	return left_ms < (uint64_t)ms ? (int)left_ms : ms;
}

/* What is due by the clock, and sockets that have something to be sent. */
static int
keep_house(struct wr_steward *s)
{
	uint64_t now = wr_now_ns();
	int next_ms = IDLE_MS;

	if (s->deaf_until_ns && now >= s->deaf_until_ns) {
		struct epoll_event listen = {
			.events = EPOLLIN, .data = {.u64 = about(ABOUT_LISTEN, 0)}};

		(void)epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, s->listen_fd, &listen);
	} else if (s->deaf_until_ns) {
		next_ms = sooner(next_ms, s->deaf_until_ns, now);
	}
	for (int i = 0; s->peers.at[i]; i++) {
		struct wr_peer *peer = s->peers.at[i];

		if (peer->state == WR_PEER_FREE)
			continue;
		if (peer->state == WR_PEER_GUEST && now - peer->since_ns > GUEST_NS_MAX) {
			wr_peer_reset(peer);
			continue;
		}
		if (peer->state == WR_PEER_CONNECTING && peer->retry_ns) {
			if (now >= peer->retry_ns && !reach(s, peer)) {
				wr_peer_reset(peer);
				continue;
			}
			if (peer->retry_ns)
				next_ms = sooner(next_ms, peer->retry_ns, now);
		}
		if (peer->state == WR_PEER_LOST && now - peer->since_ns > GUEST_NS_MAX &&
			!wr_parley_bound(s->node, peer)) {
			wr_parley_gone(s->node, peer,
				WEIR_EV_NODE_LEFT); /* it lives, without us */
			continue;
		}
		if (peer->fd >= 0)
			watch_socket(s, peer);
	}
	return next_ms;
}

static void
handle(struct wr_steward *s, const struct epoll_event *event)
{
	struct wr_peer *peer = s->peers.at[(uint32_t)event->data.u64 % WR_PEERS];

	switch (event->data.u64 >> 32) {
	case ABOUT_LISTEN:
		accept_guests(s);
		break;
	case ABOUT_RELAY:
		relay_rings(s);
		break;
	case ABOUT_SOCKET:
		wr_peer_flush(peer);
		hear(s, peer);
		break;
	case ABOUT_PIDFD:
		mourn(s, peer);
		break;
	default:
		break;
	}
}

/* Returns how many events there were; *next_ms is when the next turn is due. */
static int
turn(struct wr_steward *s, int timeout_ms, int *next_ms)
{
	struct epoll_event events[TURN_EVENTS];
	int count = epoll_wait(s->epoll_fd, events, TURN_EVENTS, timeout_ms);

	pthread_mutex_lock(s->node->lock);
	for (int i = 0; i < count; i++)
		handle(s, &events[i]);
	*next_ms = keep_house(s);
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(s->node->lock);
	return count < 0 ? 0 : count;
}

static void *
run(void *arg)
{
	struct wr_steward *s = arg;
	int next_ms = IDLE_MS;

	while (!wr_load_acquire(steward_stop, &s->stopping))
		(void)turn(s, next_ms, &next_ms);
	return NULL;
}

static int
steward_turn(struct wr_node *node, int timeout_ms)
{
	struct wr_steward *s = steward_of(node);
	int next_ms;

	return s->has_thread ? 0 : turn(s, timeout_ms, &next_ms);
}

/* ---- waiting for peers ------------------------------------------------------------------------ */

/* What a caller waits for; exactly one of them is set. */
struct wish {
	const struct wr_stream *stream;    /* everybody has answered its announcement */
	const struct wr_subscription *sub; /* it is attached to all that is known */
};

static bool
keeps_waiting(const struct wr_peer *peer, const struct wish *wish)
{
	if (peer->state == WR_PEER_CONNECTING)
		return true;
	if (peer->state != WR_PEER_UP)
		return false;
	if (wish->stream)
		return wr_peer_owes(peer, wish->stream->id);
	if (!peer->synced)
		return true;
	for (const struct wr_link *link = peer->links; wish->sub && link;
		link = link->peer_next)
		if (link->state == WR_LINK_ATTACHING && link->sub == wish->sub)
			return true;
	return false;
}

static bool
anybody_keeps_waiting(const struct wr_steward *s, const struct wish *wish)
{
	for (int i = 0; s->peers.at[i]; i++)
		if (!s->peers.at[i]->silent && keeps_waiting(s->peers.at[i], wish))
			return true;
	return false;
}

/* Waits for a change, at most until the deadline; with the lock held, which is given up
 * meanwhile. False: the deadline has passed. */
static bool
wait_for_change(struct wr_steward *s, uint64_t deadline_ns)
{
	struct timespec until = {.tv_sec = (time_t)(deadline_ns / 1000000000),
		.tv_nsec = (long)(deadline_ns % 1000000000)};
	uint64_t now = wr_now_ns();
	int left_ms, due_ms;

	if (now >= deadline_ns)
		return false;
	if (WR_MUTANT(MEET_SYNC)) {
		sched_yield(); /* the caller waits and nobody serves */
		return true;
	}
	if (s->has_thread)
		return pthread_cond_timedwait(&s->changed, s->node->lock, &until) == 0;
	left_ms = (int)((deadline_ns - now) / 1000000) + 1;
	due_ms = keep_house(s); /* who turned us away is reached for again meanwhile */
	pthread_mutex_unlock(s->node->lock);
	(void)turn(s, left_ms < due_ms ? left_ms : due_ms, &due_ms);
	pthread_mutex_lock(s->node->lock);
	return true;
}

/* Who has not answered by the deadline is pending: no later call waits for it. */
static void
wait_for_peers(struct wr_steward *s, const struct wish *wish, uint64_t deadline_ns)
{
	while (anybody_keeps_waiting(s, wish) && wait_for_change(s, deadline_ns))
		;
	for (int i = 0; s->peers.at[i]; i++) {
		struct wr_peer *peer = s->peers.at[i];

		if (peer->silent || !keeps_waiting(peer, wish))
			continue;
		peer->silent = true;
		wr_peer_event(s->node, peer, WEIR_EV_PENDING, WEIR_E_PEER_PENDING,
			wish->stream ? wish->stream->writer.topic : NULL, 0);
	}
}

/* ---- what the node asks for --------------------------------------------------------------------- */

static uint32_t
topics_known(const struct wr_steward *s)
{
	uint32_t count = s->node->stream_count;

	for (int i = 0; s->peers.at[i]; i++)
		for (const struct wr_remote *r = s->peers.at[i]->remotes; r; r = r->next)
			count++;
	return count;
}

static int
steward_advertise(struct wr_node *node, struct wr_stream *stream, uint64_t deadline_ns,
	struct weir_error *err)
{
	struct wr_steward *s = steward_of(node);
	struct wish wish = {.stream = stream};
	int rc = 0;

	pthread_mutex_lock(node->lock);
	if (topics_known(s) >= WEIR_TOPICS_MAX) {
		rc = wr_error_set(err, WEIR_E_AGAIN_QUOTA, 0, "bus '%s' has %d topics",
			node->bus, WEIR_TOPICS_MAX);
		goto out;
	}
	if (!WR_MUTANT(MEET_TABLELATE))
		wr_node_add_stream(node, stream);
	for (struct wr_subscription *sub = node->subs; sub; sub = sub->next)
		(void)wr_join_local(sub, stream, NULL);
	WR_POINT(announce_send);
	for (int i = 0; s->peers.at[i]; i++)
		if (s->peers.at[i]->state == WR_PEER_UP)
			wr_admission_announce(s->peers.at[i], stream);
	wait_for_peers(s, &wish, deadline_ns);
	if (WR_MUTANT(MEET_TABLELATE))
		wr_node_add_stream(node, stream);
out:
	pthread_mutex_unlock(node->lock);
	return rc;
}

/* True if every reader that was admitted has what it needs to go on without us. Who is
 * pending has been promised nothing. */
static bool
all_mapped(struct wr_steward *s, struct wr_stream *stream)
{
	struct wr_writer *w = &stream->writer;
	bool all = true;

	for (int i = 0; s->peers.at[i]; i++)
		if (s->peers.at[i]->state == WR_PEER_UP && !s->peers.at[i]->silent &&
			wr_peer_owes(s->peers.at[i], stream->id))
			return false;
	pthread_mutex_lock(&w->lock);
	for (uint32_t i = 0; i < w->gate.count; i++)
		all &= w->gate.rows[i].mapped || w->gate.rows[i].evicted;
	pthread_mutex_unlock(&w->lock);
	return all;
}

static void
steward_unadvertise(struct wr_node *node, struct wr_stream *stream, uint64_t deadline_ns)
{
	struct wr_steward *s = steward_of(node);
	struct wr_wire msg = {.kind = WR_WIRE_ENDED, .stream = stream->id};

	pthread_mutex_lock(node->lock);
	while (!all_mapped(s, stream) && wait_for_change(s, deadline_ns))
		;
	wr_node_remove_stream(node, stream);
	for (int i = 0; s->peers.at[i]; i++) {
		(void)wr_peer_answered(s->peers.at[i], stream->id);
		if (s->peers.at[i]->state == WR_PEER_UP)
			(void)wr_peer_send(s->peers.at[i], &msg, NULL);
	}
	for (struct wr_subscription *sub = node->subs; sub; sub = sub->next)
		for (struct wr_link *link = sub->links; link; link = link->next)
			if (link->local == stream) {
				link->local = NULL;
				wr_node_event(node, WEIR_EV_PUB_LEFT, 0, node->name,
					node->pid, node->uid, link->topic, stream->id);
			}
	pthread_mutex_unlock(node->lock);
	poke(s);
}

static int
steward_subscribe(struct wr_node *node, struct wr_subscription *sub,
	uint64_t deadline_ns, struct weir_error *err)
{
	struct wr_steward *s = steward_of(node);
	struct wish wish = {.sub = sub};
	int rc = 0;

	pthread_mutex_lock(node->lock);
	wr_node_add_sub(node, sub);
	for (struct wr_stream *stream = node->streams; stream && rc == 0;
		stream = stream->next)
		rc = wr_join_local(sub, stream, err);
	for (int i = 0; s->peers.at[i] && rc == 0; i++) {
		if (s->peers.at[i]->state != WR_PEER_UP)
			continue;
		for (struct wr_remote *r = s->peers.at[i]->remotes; r; r = r->next)
			wr_remote_attach(s->peers.at[i], r, sub);
	}
	if (rc == 0)
		wait_for_peers(s, &wish, deadline_ns);
	pthread_mutex_unlock(node->lock);
	return rc;
}

static void
steward_withdraw(struct wr_node *node, struct wr_subscription *sub)
{
	struct wr_steward *s = steward_of(node);

	for (int i = 0; s->peers.at[i]; i++)
		for (struct wr_link *link = s->peers.at[i]->links; link;
			link = link->peer_next)
			if (link->state == WR_LINK_ATTACHING && link->sub == sub)
				link->sub = NULL;
}

static void
steward_leave(struct wr_node *node, struct wr_link *link)
{
	wr_remote_leave(node, link);
}

static void
steward_moved(struct wr_node *node, struct wr_writer *w)
{
	wr_admission_moved(node, w);
	poke(steward_of(node)); /* to send what a socket would not take */
}

static void
steward_relay(struct wr_node *node)
{
	struct wr_steward *s = steward_of(node);

	if (wr_exchange(wake_relay, &s->relay_pending, 1) == 0)
		poke(s);
}

static int
steward_pending(struct wr_node *node, char *names, size_t size)
{
	struct wr_steward *s = steward_of(node);
	size_t used = 0;
	int count = 0;

	if (size > 0)
		names[0] = 0;
	pthread_mutex_lock(node->lock);
	for (int i = 0; s->peers.at[i]; i++) {
		const struct wr_peer *peer = s->peers.at[i];

		if (!peer->silent || !wr_peer_busy(peer))
			continue;
		if (used < size)
			used += (size_t)snprintf(names + used, size - used, "%s%s[%d]",
				count ? ", " : "", peer->name, peer->creds.pid);
		count++;
	}
	pthread_mutex_unlock(node->lock);
	return count;
}

static int
steward_watch(struct wr_node *node, int epoll_fd)
{
	struct wr_steward *s = steward_of(node);
	struct epoll_event level = {.events = EPOLLIN};
	int rc;

	if (wr_bell_watch(epoll_fd, node->bell_fd) < 0)
		return -1;
	if (!s->has_thread && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s->epoll_fd, &level) < 0)
		return -1;
	pthread_mutex_lock(node->lock);
	rc = wr_peers_watch(&s->peers, epoll_fd);
	pthread_mutex_unlock(node->lock);
	return rc;
}

static void
steward_unwatch(struct wr_node *node, int epoll_fd)
{
	pthread_mutex_lock(node->lock);
	wr_peers_unwatch(&steward_of(node)->peers, epoll_fd);
	pthread_mutex_unlock(node->lock);
}

/* ---- fork -------------------------------------------------------------------------------------- */

/*
 * A forked child holds copies of our sockets, and would keep our death from being seen.
 * It closes them before it does anything else.
 */
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct wr_steward *all;

static void
before_fork(void)
{
	pthread_mutex_lock(&all_lock);
	for (struct wr_steward *s = all; s; s = s->next)
		pthread_mutex_lock(s->node->lock);
}

static void
after_fork(void)
{
	for (struct wr_steward *s = all; s; s = s->next)
		pthread_mutex_unlock(s->node->lock);
	pthread_mutex_unlock(&all_lock);
}

static void
in_child(void)
{
	for (struct wr_steward *s = all; s; s = s->next) {
		close(s->listen_fd);
		close(s->epoll_fd);
		close(s->relay_fd);
		close(s->dirfd);
		close(s->node->bell_fd);
		close(s->node->region.fd);
		for (struct wr_stream *stream = s->node->streams; stream;
			stream = stream->next)
			for (struct wr_zone *z = stream->writer.pool.zone; z; z = z->older)
				close(z->store->region.fd);
		for (int i = 0; s->peers.at[i]; i++) {
			const int fds[] = {s->peers.at[i]->fd, s->peers.at[i]->pidfd,
				s->peers.at[i]->bell_in, s->peers.at[i]->bell.fd};

			for (int k = 0; k < 4; k++)
				if (fds[k] >= 0)
					close(fds[k]);
		}
	}
	all = NULL;
	after_fork();
}

static void
watch_forks(void)
{
	pthread_atfork(before_fork, after_fork, in_child);
}

static void
register_steward(struct wr_steward *s)
{
	pthread_once(&fork_once, watch_forks);
	pthread_mutex_lock(&all_lock);
	s->next = all;
	all = s;
	pthread_mutex_unlock(&all_lock);
}

static void
unregister_steward(struct wr_steward *s)
{
	pthread_mutex_lock(&all_lock);
	for (struct wr_steward **at = &all; *at; at = &(*at)->next)
		if (*at == s) {
			*at = s->next;
			break;
		}
	pthread_mutex_unlock(&all_lock);
}

/* ---- lifecycle ------------------------------------------------------------------------------------ */

static void
stop_thread(struct wr_steward *s)
{
	if (!s->has_thread)
		return;
	wr_store_release(steward_stop, &s->stopping, 1);
	poke(s);
	pthread_join(s->thread, NULL);
	s->has_thread = false;
}

static void
steward_free(struct wr_steward *s)
{
	wr_peers_fini(&s->peers);
	if (s->listen_fd >= 0)
		close(s->listen_fd);
	if (s->epoll_fd >= 0)
		close(s->epoll_fd);
	if (s->relay_fd >= 0)
		close(s->relay_fd);
	if (s->dirfd >= 0)
		close(s->dirfd);
	pthread_cond_destroy(&s->changed);
	free(s);
}

static bool
any_leaving(const struct wr_steward *s)
{
	for (int i = 0; s->peers.at[i]; i++) {
		struct wr_peer *peer = s->peers.at[i];

		if (peer->state == WR_PEER_UP && !peer->silent &&
			(peer->links || wr_peer_unsent(peer) > 0))
			return true;
	}
	return false;
}

/* Our socket goes, and everybody hears that we left. With the lock held. */
static void
take_leave(struct wr_steward *s)
{
	struct wr_wire bye = {.kind = WR_WIRE_BYE};

	(void)wr_rundir_remove(s->dirfd, s->node->id);
	for (int i = 0; s->peers.at[i]; i++)
		if (s->peers.at[i]->state == WR_PEER_UP)
			(void)wr_peer_send(s->peers.at[i], &bye, NULL);
}

static void
steward_close(struct wr_node *node, uint64_t deadline_ns)
{
	struct wr_steward *s = steward_of(node);

	pthread_mutex_lock(node->lock);
	while (any_leaving(s) && wait_for_change(s, deadline_ns))
		;
	take_leave(s);
	pthread_mutex_unlock(node->lock);
	stop_thread(s);
	unregister_steward(s);
	for (int i = 0; s->peers.at[i]; i++)
		while (s->peers.at[i]->links) {
			struct wr_link *link = s->peers.at[i]->links;

			s->peers.at[i]->links = link->peer_next;
			free(link);
		}
	steward_free(s);
}

static const struct wr_meeting_ops steward_ops = {
	.advertise = steward_advertise,
	.unadvertise = steward_unadvertise,
	.subscribe = steward_subscribe,
	.leave = steward_leave,
	.withdraw = steward_withdraw,
	.moved = steward_moved,
	.relay = steward_relay,
	.turn = steward_turn,
	.close = steward_close,
	.pending = steward_pending,
	.watch = steward_watch,
	.unwatch = steward_unwatch,
};

static int
start_thread(struct wr_steward *s, struct weir_error *err)
{
	sigset_t everything, before;
	int rc;

	sigfillset(&everything);
	pthread_sigmask(SIG_SETMASK, &everything, &before);
	rc = pthread_create(&s->thread, NULL, run, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0)
		return wr_error_set(
			err, WEIR_E_ENV_THREADS, rc, "no thread for the steward");
	(void)pthread_setname_np(s->thread, "weir-steward");
	s->has_thread = true;
	return 0;
}

static void
scan(struct wr_steward *s)
{
	uint64_t nodes[WEIR_PROCESSES_MAX];
	int count = wr_rundir_scan(s->dirfd, nodes, WEIR_PROCESSES_MAX);

	WR_POINT(arrive_scan);
	for (int i = 0; i < count && i < WEIR_PROCESSES_MAX; i++)
		meet_node(s, nodes[i]);
}

/* Everything that listens and waits, before anybody can find us. */
static int
set_up(struct wr_steward *s, const struct wr_rundir_opts *where, struct weir_error *err)
{
	pthread_condattr_t attr;
	char path[256];
	int rc;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &attr);
	pthread_condattr_destroy(&attr);

	rc = wr_rundir_access(where, &s->access, err);
	if (rc == 0)
		rc = wr_rundir_open(where, &s->dirfd, path, sizeof(path), err);
	if (rc < 0)
		return rc;
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->relay_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->epoll_fd < 0 || s->relay_fd < 0 ||
		watch_fd(s, s->relay_fd, EPOLLIN | EPOLLET, about(ABOUT_RELAY, 0)) < 0)
		return wr_error_set(err, wr_error_from_errno(errno), errno,
			"no descriptors for the steward");
	return 0;
}

/* Present first, then the scan: of two that arrive together at least one sees the other. */
static int
arrive(struct wr_steward *s, const struct wr_rundir_opts *where, struct weir_error *err)
{
	int rc;

	if (WR_MUTANT(MEET_SCANFIRST)) {
		scan(s);
		usleep(2000);
	}
	WR_POINT(arrive_present);
	rc = wr_rundir_bind(s->dirfd, s->node->id, wr_rundir_socket_mode(where),
		&s->listen_fd, err);
	if (rc < 0)
		return rc;
	if (watch_fd(s, s->listen_fd, EPOLLIN, about(ABOUT_LISTEN, 0)) < 0) {
		(void)wr_rundir_remove(s->dirfd, s->node->id);
		return wr_error_set(err, WEIR_E_ENV_OS, errno, "epoll_ctl");
	}
	if (!WR_MUTANT(MEET_SCANFIRST))
		scan(s);
	return 0;
}

int
wr_steward_open(struct wr_node *node, const struct wr_steward_opts *opts,
	struct weir_error *err)
{
	struct wr_rundir_opts where = {.dir = opts->dir,
		.bus = node->bus,
		.group = opts->group,
		.users = opts->users};
	struct wr_steward *s = calloc(1, sizeof(*s));
	struct wish nothing = {0};
	int rc;

	if (!s)
		return wr_error_set(
			err, WEIR_E_ENV_MEMORY, 0, "no memory for the steward");
	s->node = node;
	wr_peers_init(&s->peers, node);
	s->dirfd = s->listen_fd = s->epoll_fd = s->relay_fd = -1;
	node->meeting = s;
	node->ops = &steward_ops;
	rc = set_up(s, &where, err);
	if (rc < 0)
		goto fail;
	register_steward(s);
	pthread_mutex_lock(node->lock);
	rc = arrive(s, &where, err);
	/* The peers that are here are met by the caller: a thread that is only just being
	 * started would meet them later. */
	if (rc == 0)
		wait_for_peers(s, &nothing, opts->deadline_ns);
	pthread_mutex_unlock(node->lock);
	if (rc == 0 && opts->thread) {
		rc = start_thread(s, err);
		if (rc < 0) {
			pthread_mutex_lock(node->lock);
			take_leave(s);
			pthread_mutex_unlock(node->lock);
		}
	}
	if (rc < 0)
		goto fail_registered;
	return 0;

fail_registered:
	unregister_steward(s);
fail:
	steward_free(s);
	return rc;
}
