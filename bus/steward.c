/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/steward.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bus/ear.h"
#include "bus/errand.h"
#include "bus/error.h"
#include "bus/mutant.h"
#include "bus/os/thread.h"
#include "bus/parley.h"

enum {
	TURN_EVENTS = 64,
	HEARD_MAX = 2 + 2 * WR_PEERS, /* poke and door, and of each peer socket and death */
	TURN_MESSAGES = 256,     /* of one connection, before others have their turn */
	IDLE_MS = 1000,          /* no sleep of the steward is longer */
	LOST_NS_MAX = 1000000000 /* who hung up and left nothing here is waited for */
};

/* ---- peers that go ------------------------------------------------------------------------ */

static bool
is_dead(const struct wr_peer *peer)
{
	struct pollfd p = {.fd = peer->pidfd, .events = POLLIN};

	return peer->pidfd >= 0 && poll(&p, 1, 0) == 1 && (p.revents & POLLIN) != 0;
}

static void
buried(struct wr_steward *s, struct wr_peer *peer)
{
	wr_door_bury(&s->door, peer->node);
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
		wr_door_retry(peer);
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
	wr_door_turned_away(s->node, peer, code);
	if (peer->state == WR_PEER_UP)
		wr_parley_gone(s->node, peer, WEIR_EV_NODE_LEFT);
	else
		wr_peer_reset(peer);
}

/* ---- peers that speak ---------------------------------------------------------------------- */

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
			(void)wr_ear_ctl(&s->ear, EPOLL_CTL_MOD, from->fd, EPOLLIN,
				WR_ABOUT_SOCKET, from->index);
			peer = from;
		}
		if (msg.kind == WR_WIRE_HELLO && peer->pidfd >= 0)
			(void)wr_ear_ctl(&s->ear, EPOLL_CTL_ADD, peer->pidfd, EPOLLIN,
				WR_ABOUT_DEATH, peer->index);
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

/* Waits for room to send what is queued, and for what the peer has to say. */
static void
watch_socket(struct wr_steward *s, struct wr_peer *peer)
{
	uint32_t unsent = wr_peer_unsent(peer);
	uint32_t events = unsent == 0           ? EPOLLIN
		: peer->state == WR_PEER_LOOKER ? EPOLLOUT
						: EPOLLIN | EPOLLOUT;

	if (unsent == WR_PEER_UNSENT_MAX) {
		put_out(s, peer, WEIR_E_PEER_PROTOCOL);
		return;
	}
	if (events == peer->watched)
		return;
	peer->watched = events;
	(void)wr_ear_ctl(
		&s->ear, EPOLL_CTL_MOD, peer->fd, events, WR_ABOUT_SOCKET, peer->index);
}

/* What is due by the clock, and sockets that have something to be sent. Returns in how
 * many milliseconds it is due again. */
static int
keep_house(struct wr_steward *s)
{
	uint64_t now = wr_now_ns();
	int next_ms = wr_door_tend(&s->door, IDLE_MS);

	next_ms = wr_errand_tend(s->node, next_ms);
	wr_parley_tell_left(&s->peers);

	for (int i = 0; s->peers.at[i]; i++) {
		struct wr_peer *peer = s->peers.at[i];

		if (peer->state == WR_PEER_LOST && now - peer->since_ns > LOST_NS_MAX &&
			!wr_parley_bound(s->node, peer))
			/* it lives, without us */
			wr_parley_gone(s->node, peer, WEIR_EV_NODE_LEFT);
		else if (peer->state != WR_PEER_FREE && peer->fd >= 0)
			watch_socket(s, peer);
	}
	return next_ms;
}

/* ---- a turn -------------------------------------------------------------------------------- */

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

static void
handle(struct wr_steward *s, uint64_t mark)
{
	struct wr_peer *peer = s->peers.at[wr_ear_index(mark) % WR_PEERS];

	switch (wr_ear_what(mark)) {
	case WR_ABOUT_DOOR:
		wr_door_answer(&s->door);
		break;
	case WR_ABOUT_RELAY:
		relay_rings(s);
		break;
	case WR_ABOUT_SOCKET:
		wr_peer_flush(peer);
		hear(s, peer);
		break;
	case WR_ABOUT_DEATH:
		mourn(s, peer);
		break;
	}
}

/* One more of those that are heard, if it is open. */
static unsigned
add(struct pollfd *fds, uint64_t *marks, unsigned count, unsigned room, int fd,
	uint32_t events, enum wr_about what, int index)
{
	if (fd < 0 || count == room)
		return 0;
	fds[count] = (struct pollfd){.fd = fd, .events = (short)events};
	if (marks)
		marks[count] = wr_ear_mark(what, index);
	return 1;
}

static int
hear_by_epoll(struct wr_steward *s, uint64_t *marks, int timeout_ms)
{
	struct epoll_event events[TURN_EVENTS];
	int count = epoll_wait(s->ear.epoll, events, TURN_EVENTS, timeout_ms);

	for (int i = 0; i < count; i++)
		marks[i] = events[i].data.u64;
	return count < 0 ? 0 : count;
}

unsigned
wr_steward_hears(struct wr_steward *s, struct pollfd *fds, uint64_t *marks, unsigned room)
{
	unsigned count = 0;

	pthread_mutex_lock(s->node->lock);
	count += add(fds, marks, count, room, s->ear.poke, POLLIN, WR_ABOUT_RELAY, 0);
	if (wr_door_listens(&s->door))
		count += add(fds, marks, count, room, s->door.listen_fd, POLLIN,
			WR_ABOUT_DOOR, 0);
	for (int i = 0; s->peers.at[i]; i++) {
		struct wr_peer *peer = s->peers.at[i];
		uint32_t events = peer->watched ? peer->watched : POLLIN;

		count += add(
			fds, marks, count, room, peer->fd, events, WR_ABOUT_SOCKET, i);
		count += add(fds, marks, count, room, peer->pidfd, POLLIN,
			WR_ABOUT_DEATH, i);
	}
	pthread_mutex_unlock(s->node->lock);
	return count;
}

/* What was closed meanwhile is found so by who handles it. */
static int
hear_by_poll(struct wr_steward *s, uint64_t *marks, int timeout_ms)
{
	struct pollfd fds[HEARD_MAX];
	unsigned count = wr_steward_hears(s, fds, marks, HEARD_MAX);
	uint64_t pokes;
	int heard = 0;

	if (poll(fds, count, timeout_ms) <= 0)
		return 0;
	if (fds[0].revents && read(s->ear.poke, &pokes, sizeof(pokes)) < 0)
		(void)0; /* another turn has taken them */
	for (unsigned i = 0; i < count; i++)
		if (fds[i].revents)
			marks[heard++] = marks[i];
	return heard;
}

int
wr_steward_turn(struct wr_steward *s, int timeout_ms, int *next_ms)
{
	uint64_t marks[HEARD_MAX];
	int count = s->ear.epoll >= 0 ? hear_by_epoll(s, marks, timeout_ms)
				      : hear_by_poll(s, marks, timeout_ms);

	pthread_mutex_lock(s->node->lock);
	for (int i = 0; i < count; i++)
		handle(s, marks[i]);
	*next_ms = keep_house(s);
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(s->node->lock);
	return count;
}

bool
wr_steward_wait(struct wr_steward *s, uint64_t deadline_ns)
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
	(void)wr_steward_turn(s, left_ms < due_ms ? left_ms : due_ms, &due_ms);
	pthread_mutex_lock(s->node->lock);
	return true;
}

void
wr_steward_poke(struct wr_steward *s)
{
	wr_ear_poke(&s->ear);
}

void
wr_steward_relay(struct wr_steward *s)
{
	if (wr_exchange(wake_relay, &s->relay_pending, 1) == 0)
		wr_steward_poke(s);
}

/* ---- lifecycle ------------------------------------------------------------------------------ */

/* 0, or -1 with errno. */
static int
listen_up(struct wr_steward *s)
{
	enum wr_io io = s->node->io;

	if (io == WR_IO_POLL)
		return 0;
	s->ear.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->ear.epoll < 0)
		return io == WR_IO_AUTO && wr_poller_refused(errno) ? 0 : -1;
	return wr_ear_ctl(&s->ear, EPOLL_CTL_ADD, s->ear.poke, EPOLLIN | EPOLLET,
		WR_ABOUT_RELAY, 0);
}

int
wr_steward_init(struct wr_steward *s, struct weir_error *err)
{
	pthread_condattr_t attr;
	int rc;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &attr);
	pthread_condattr_destroy(&attr);
	s->ear = (struct wr_ear){.epoll = -1};
	s->ear.poke = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->ear.poke >= 0 && listen_up(s) == 0)
		return 0;
	rc = wr_poller_refused(errno) ? WEIR_E_ENV_NOSYS : wr_error_from_errno(errno);
	rc = wr_error_set(err, rc, errno, "no descriptors for the steward");
	wr_steward_fini(s);
	return rc;
}

void
wr_steward_fini(struct wr_steward *s)
{
	if (s->ear.epoll >= 0)
		close(s->ear.epoll);
	if (s->ear.poke >= 0)
		close(s->ear.poke);
	s->ear.epoll = s->ear.poke = -1;
	pthread_cond_destroy(&s->changed);
}

static void *
run(void *arg)
{
	struct wr_steward *s = arg;
	int next_ms = IDLE_MS;

	while (!wr_load_acquire(steward_stop, &s->stopping))
		(void)wr_steward_turn(s, next_ms, &next_ms);
	return NULL;
}

int
wr_steward_start(struct wr_steward *s, struct weir_error *err)
{
	int rc = wr_thread_start(&s->thread, "weir-steward", run, s);

	if (rc != 0)
		return wr_error_set(
			err, WEIR_E_ENV_THREADS, rc, "no thread for the steward");
	s->has_thread = true;
	return 0;
}

void
wr_steward_stop(struct wr_steward *s)
{
	if (!s->has_thread)
		return;
	wr_store_release(steward_stop, &s->stopping, 1);
	wr_steward_poke(s);
	pthread_join(s->thread, NULL);
	s->has_thread = false;
}
