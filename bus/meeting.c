/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/meeting.h"

#include <stdlib.h>

#include "bus/admission.h"
#include "bus/error.h"
#include "bus/fork.h"
#include "bus/legacy.h"
#include "bus/mutant.h"
#include "bus/remote.h"
#include "bus/wish.h"

static struct wr_steward *
steward_of(struct wr_node *node)
{
	return node->meeting;
}

/* ---- streams ------------------------------------------------------------------------------ */

static uint32_t
topics_known(const struct wr_peers *peers)
{
	uint32_t count = peers->node->stream_count;

	for (int i = 0; peers->at[i]; i++)
		for (const struct wr_remote *r = peers->at[i]->remotes; r; r = r->next)
			count++;
	return count;
}

static int
meeting_advertise(struct wr_node *node, struct wr_stream *stream, uint64_t deadline_ns,
	struct weir_error *err)
{
	struct wr_steward *s = steward_of(node);
	struct wr_wish wish = {.stream = stream};
	int rc = 0;

	pthread_mutex_lock(node->lock);
	if (topics_known(&s->peers) >= WEIR_TOPICS_MAX) {
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
	wr_wish_await(s, &wish, deadline_ns);
	if (WR_MUTANT(MEET_TABLELATE))
		wr_node_add_stream(node, stream);
out:
	pthread_mutex_unlock(node->lock);
	return rc;
}

/* True if every reader that was admitted has what it needs to go on without us. Who is
 * pending has been promised nothing. */
static bool
all_mapped(const struct wr_peers *peers, struct wr_stream *stream)
{
	struct wr_writer *w = &stream->writer;
	bool all = true;

	for (int i = 0; peers->at[i]; i++)
		if (peers->at[i]->state == WR_PEER_UP && !peers->at[i]->silent &&
			wr_peer_owes(peers->at[i], stream->id))
			return false;
	pthread_mutex_lock(&w->lock);
	for (uint32_t i = 0; i < w->gate.count; i++)
		all &= w->gate.rows[i].mapped || w->gate.rows[i].evicted;
	pthread_mutex_unlock(&w->lock);
	return all;
}

static void
meeting_unadvertise(struct wr_node *node, struct wr_stream *stream, uint64_t deadline_ns)
{
	struct wr_steward *s = steward_of(node);
	struct wr_wire msg = {.kind = WR_WIRE_ENDED, .stream = stream->id};

	pthread_mutex_lock(node->lock);
	while (!all_mapped(&s->peers, stream) && wr_steward_wait(s, deadline_ns))
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
				wr_legacy_keep(node, link);
				wr_node_event(node, WEIR_EV_PUB_LEFT, 0, node->name,
					node->pid, node->uid, link->topic, stream->id);
			}
	pthread_mutex_unlock(node->lock);
	wr_steward_poke(s);
}

static int
meeting_moving(struct wr_node *node, struct wr_writer *w, const struct wr_store *store)
{
	int rc = wr_admission_tell(node, w, store);

	wr_steward_poke(steward_of(node)); /* to send what a socket would not take */
	return rc;
}

static void
meeting_verdict(struct wr_node *node, uint64_t stream, const struct wr_row *row, int code)
{
	wr_admission_verdict(stream, row, code);
	wr_steward_poke(steward_of(node)); /* to send what a socket would not take */
}

/* ---- subscriptions ------------------------------------------------------------------------ */

static int
meeting_subscribe(struct wr_node *node, struct wr_subscription *sub,
	uint64_t deadline_ns, struct weir_error *err)
{
	struct wr_steward *s = steward_of(node);
	struct wr_wish wish = {.sub = sub};
	int rc = 0;

	pthread_mutex_lock(node->lock);
	wr_node_add_sub(node, sub);
	for (struct wr_stream *stream = node->streams; stream && rc == 0;
		stream = stream->next)
		rc = wr_join_local(sub, stream, err);
	for (struct wr_legacy *left = node->legacies; left && rc == 0; left = left->next)
		rc = wr_legacy_join(sub, left, err);
	for (int i = 0; s->peers.at[i] && rc == 0; i++) {
		if (s->peers.at[i]->state != WR_PEER_UP)
			continue;
		for (struct wr_remote *r = s->peers.at[i]->remotes; r; r = r->next)
			wr_remote_attach(s->peers.at[i], r, sub);
	}
	if (rc == 0)
		wr_wish_await(s, &wish, deadline_ns);
	pthread_mutex_unlock(node->lock);
	return rc;
}

static void
meeting_withdraw(struct wr_node *node, struct wr_subscription *sub)
{
	struct wr_steward *s = steward_of(node);

	for (int i = 0; s->peers.at[i]; i++)
		for (struct wr_link *link = s->peers.at[i]->links; link;
			link = link->peer_next)
			if (link->state == WR_LINK_ATTACHING && link->sub == sub)
				link->sub = NULL;
}

static void
meeting_leave(struct wr_node *node, struct wr_link *link)
{
	wr_remote_leave(node, link);
}

/* ---- its service -------------------------------------------------------------------------- */

static void
meeting_relay(struct wr_node *node)
{
	wr_steward_relay(steward_of(node));
}

static int
meeting_turn(struct wr_node *node, int timeout_ms)
{
	struct wr_steward *s = steward_of(node);
	int next_ms;

	return s->has_thread ? 0 : wr_steward_turn(s, timeout_ms, &next_ms);
}

static int
meeting_pending(struct wr_node *node, char *names, size_t size)
{
	int count;

	pthread_mutex_lock(node->lock);
	count = wr_wish_pending(&steward_of(node)->peers, names, size);
	pthread_mutex_unlock(node->lock);
	return count;
}

static unsigned
steward_hears(void *ctx, struct pollfd *fds, unsigned room)
{
	return wr_steward_hears(ctx, fds, NULL, room);
}

/* Without a thread of its own the steward is turned by who waits. */
static int
watch_steward(struct wr_steward *s, struct wr_poller *poller)
{
	if (s->ear.epoll >= 0)
		return wr_poller_add(poller, s->ear.epoll, WR_CAN_READ, NULL);
	wr_poller_hear_also(poller, steward_hears, s);
	return 0;
}

static int
meeting_watch(struct wr_node *node, struct wr_poller *poller)
{
	struct wr_steward *s = steward_of(node);
	int rc;

	if (wr_bell_watch(poller, node->bell_fd) < 0)
		return -1;
	if (!s->has_thread && watch_steward(s, poller) < 0)
		return -1;
	pthread_mutex_lock(node->lock);
	rc = wr_peers_watch(&s->peers, poller);
	pthread_mutex_unlock(node->lock);
	return rc;
}

static void
meeting_unwatch(struct wr_node *node, struct wr_poller *poller)
{
	pthread_mutex_lock(node->lock);
	wr_peers_unwatch(&steward_of(node)->peers, poller);
	pthread_mutex_unlock(node->lock);
}

/* ---- closing ------------------------------------------------------------------------------ */

static void
meeting_free(struct wr_steward *s)
{
	wr_peers_fini(&s->peers);
	wr_steward_fini(s);
	wr_door_close(&s->door);
	free(s);
}

static bool
any_leaving(const struct wr_peers *peers)
{
	for (int i = 0; peers->at[i]; i++) {
		struct wr_peer *peer = peers->at[i];

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

	wr_door_leave(&s->door);
	for (int i = 0; s->peers.at[i]; i++)
		if (s->peers.at[i]->state == WR_PEER_UP)
			(void)wr_peer_send(s->peers.at[i], &bye, NULL);
}

static void
meeting_close(struct wr_node *node, uint64_t deadline_ns)
{
	struct wr_steward *s = steward_of(node);

	pthread_mutex_lock(node->lock);
	while (any_leaving(&s->peers) && wr_steward_wait(s, deadline_ns))
		;
	take_leave(s);
	pthread_mutex_unlock(node->lock);
	wr_steward_stop(s);
	wr_fork_unwatch(s);
	for (int i = 0; s->peers.at[i]; i++)
		while (s->peers.at[i]->links) {
			struct wr_link *link = s->peers.at[i]->links;

			s->peers.at[i]->links = link->peer_next;
			wr_store_unref(link->ahead);
			free(link);
		}
	meeting_free(s);
}

/* ---- opening ------------------------------------------------------------------------------ */

static const struct wr_meeting_ops meeting_ops = {
	.advertise = meeting_advertise,
	.unadvertise = meeting_unadvertise,
	.subscribe = meeting_subscribe,
	.leave = meeting_leave,
	.withdraw = meeting_withdraw,
	.moving = meeting_moving,
	.verdict = meeting_verdict,
	.relay = meeting_relay,
	.turn = meeting_turn,
	.close = meeting_close,
	.pending = meeting_pending,
	.watch = meeting_watch,
	.unwatch = meeting_unwatch,
};

/* Appears on the bus and meets who is there. The peers that are here are met by the caller:
 * a thread that is only just being started would meet them later. */
static int
arrive(struct wr_steward *s, uint64_t deadline_ns, struct weir_error *err)
{
	const struct wr_wish to_meet = {0};
	int rc;

	pthread_mutex_lock(s->node->lock);
	rc = wr_door_arrive(&s->door, &s->ear, err);
	if (rc == 0)
		wr_wish_await(s, &to_meet, deadline_ns);
	pthread_mutex_unlock(s->node->lock);
	return rc;
}

int
wr_meeting_open(struct wr_node *node, const struct wr_meeting_opts *opts,
	struct weir_error *err)
{
	struct wr_rundir_opts where = {.dir = opts->dir,
		.bus = node->bus,
		.group = opts->group,
		.users = opts->users};
	struct wr_steward *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return wr_error_set(
			err, WEIR_E_ENV_MEMORY, 0, "no memory for the steward");
	s->node = node;
	node->meeting = s;
	node->ops = &meeting_ops;
	wr_peers_init(&s->peers, node);
	rc = wr_door_open(&s->door, &s->peers, &where, err);
	if (rc < 0)
		goto fail_door;
	rc = wr_steward_init(s, err);
	if (rc < 0)
		goto fail_door;
	wr_fork_watch(s);
	rc = arrive(s, opts->deadline_ns, err);
	if (rc < 0)
		goto fail_steward;
	if (opts->thread)
		rc = wr_steward_start(s, err);
	if (rc < 0)
		goto fail_arrived;
	return 0;

fail_arrived:
	pthread_mutex_lock(node->lock);
	take_leave(s);
	pthread_mutex_unlock(node->lock);
fail_steward:
	wr_fork_unwatch(s);
	wr_steward_fini(s);
fail_door:
	wr_door_close(&s->door);
	wr_peers_fini(&s->peers);
	free(s);
	return rc;
}
