/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The publishing end of pub/sub: a handle on a stream of the node. The data path goes
 * straight down to bus/writer; waiting for room happens here, because how long is the
 * caller's choice.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bus/error.h"
#include "bus/mutant.h"
#include "bus/topic.h"
#include "protocols/bus.h"

struct weir_pub {
	struct wr_handle handle;
	struct weir_bus *bus;     /* NULL if it is another thread's */
	struct wr_stream *stream; /* NULL once the handle has failed */
	int32_t wait_ms;
	struct wr_tie tie;
};

static const struct wr_tie_kind tied; /* how its bus closes it */

/* ---- opening and closing ---------------------------------------------------------------- */

static void
relay(void *ctx)
{
	struct wr_node *node = ctx;

	node->ops->relay(node);
}

static int
watch(void *ctx, struct wr_poller *poller)
{
	struct wr_node *node = ctx;

	/* By poll(2) a bell is heard by one poller, and that is the loop's. */
	return node->io == WR_IO_POLL ? -1 : node->ops->watch(node, poller);
}

static void
unwatch(void *ctx, struct wr_poller *poller)
{
	struct wr_node *node = ctx;

	if (node->ops->unwatch)
		node->ops->unwatch(node, poller);
}

static void
meanwhile(void *ctx)
{
	struct wr_node *node = ctx;

	(void)node->ops->turn(node, 0);
}

static int
moving(void *ctx, struct wr_writer *w, const struct wr_store *store)
{
	struct wr_node *node = ctx;

	return node->ops->moving ? node->ops->moving(node, w, store) : 0;
}

static void
verdict(void *ctx, struct wr_writer *w, struct wr_row *row)
{
	(void)ctx;
	wr_stream_verdict(wr_stream_of(w), row);
}

static int
check_options(const weir_pub_opts *opts, struct weir_error *err)
{
	if (opts->size != sizeof(*opts))
		return wr_error_set(err, WEIR_E_USAGE_SIZE, 0,
			"weir_pub_opts of %zu bytes, this library knows %zu",
			opts->size, sizeof(*opts));
	if (!opts->topic || wr_topic_check(opts->topic) < 0)
		return wr_error_set(err, WEIR_E_USAGE_NAME, 0, "'%s' is not a topic",
			opts->topic ? opts->topic : "(null)");
	if (opts->type && strlen(opts->type) > WEIR_NAME_MAX)
		return wr_error_set(
			err, WEIR_E_USAGE_NAME, 0, "the type's name is too long");
	if (opts->stamp > WEIR_STAMP_OFF)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"stamp %u is not a choice", opts->stamp);
	if (opts->ttl_ms > 0 && opts->stamp == WEIR_STAMP_OFF)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"ttl_ms %u needs the time of each message, and stamps are off",
			opts->ttl_ms);
	if (opts->wait_ms < WEIR_NEVER)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"wait_ms %d is neither a time nor a choice", opts->wait_ms);
	return 0;
}

static int
stream_open(struct weir_pub *pub, const weir_pub_opts *opts, struct weir_error *err)
{
	struct wr_node *node = &pub->bus->node;
	struct wr_writer_opts wopts = {.stamp = opts->stamp,
		.cap_ns = (uint64_t)opts->stall_us * 1000,
		.ops = {.moving = moving,
			.verdict = verdict,
			.relay = node->ops->relay &&
					(pub->bus->flags & WEIR_BUS_NO_THREAD) == 0
				? relay
				: NULL,
			.watch = watch,
			.unwatch = unwatch,
			.meanwhile = (pub->bus->flags & WEIR_BUS_NO_THREAD) != 0 ? meanwhile
										 : NULL,
			.ctx = node}};
	struct wr_stream *stream = NULL;
	pthread_condattr_t attr;
	int rc = check_options(opts, err);

	if (rc < 0)
		return rc;
	rc = wr_geometry_of(&wopts.plan.geo, opts, err);
	if (rc < 0)
		return rc;
	/* The writer's lines are aligned, so its memory must be. */
	if (posix_memalign((void **)&stream, WR_LINE, sizeof(*stream)) != 0)
		return wr_error_set(
			err, WEIR_E_ENV_MEMORY, 0, "no memory for a publisher");
	memset(stream, 0, sizeof(*stream));
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&stream->joined, &attr);
	pthread_condattr_destroy(&attr);
	stream->node = node;
	stream->id = wr_node_random();
	stream->open_to_all = !opts->readers;
	rc = wr_access_parse(&stream->readers, opts->readers, err);
	if (rc < 0)
		goto fail_stream;
	wopts.plan.stream = stream->id;
	wopts.plan.node = node->id;
	wopts.plan.topic = opts->topic;
	wopts.plan.type = opts->type;
	wopts.plan.type_hash = opts->type_hash;
	wopts.plan.ttl_ns = (uint64_t)opts->ttl_ms * 1000000;
	wopts.plan.open_to_all = stream->open_to_all;
	wopts.plan.private_memory = node->in_process;
	wopts.plan.large = node->large;
	rc = wr_writer_init(&stream->writer, &wopts, err);
	if (rc < 0)
		goto fail_stream;
	rc = node->ops->advertise(node, stream, wr_deadline_ns(pub->bus->attach_ms), err);
	if (rc < 0)
		goto fail_writer;
	pub->stream = stream;
	pub->wait_ms = opts->wait_ms ? opts->wait_ms : WEIR_ROOM_MS;
	return 0;

fail_writer:
	wr_writer_fini(&stream->writer);
fail_stream:
	free(stream);
	return rc;
}

weir_pub *
weir_advertise_(weir_bus *bus, const weir_pub_opts *opts)
{
	static struct weir_pub none = {.handle = WR_HANDLE_NONE};
	struct weir_pub *pub = calloc(1, sizeof(*pub));
	int rc;

	if (!pub)
		return &none;
	rc = wr_bus_enter(bus, opts, &pub->handle);
	pub->bus = wr_tie_to(bus, &pub->tie, &tied);
	if (rc == 0)
		rc = stream_open(pub, opts, &pub->handle.err);
	if (rc < 0)
		wr_bus_blame(
			bus, &pub->handle, "weir_advertise", opts ? opts->topic : NULL);
	return pub;
}

static void
stream_close(struct weir_pub *pub)
{
	struct wr_stream *stream = pub->stream;
	struct weir_bus *bus = pub->bus;
	struct wr_node *node = &bus->node;

	wr_writer_end(&stream->writer);
	node->ops->unadvertise(node, stream,
		bus->close_by_ns ? bus->close_by_ns : wr_deadline_ns(bus->close_ms));
	wr_writer_fini(&stream->writer);
	free(stream);
	pub->stream = NULL;
}

int
weir_pub_close(weir_pub *pub)
{
	if (!pub || pub->handle.pid == 0)
		return 0;
	/* Whatever its code says: one that has failed is closed too, by its owner. */
	if (pub->handle.owner != wr_self())
		return wr_handle_refuse(&pub->handle);
	if (!pub->bus) {
		free(pub);
		return 0;
	}
	wr_tie_undo(pub->bus, &pub->tie);
	if (pub->stream)
		stream_close(pub);
	free(pub);
	return 0;
}

static struct weir_pub *
of_tie(struct wr_tie *tie)
{
	return (struct weir_pub *)(void *)((uint8_t *)tie -
		offsetof(struct weir_pub, tie));
}

/* It may have gone to another thread, which is done with it by now. */
static void
close_tied(struct wr_tie *tie)
{
	of_tie(tie)->handle.owner = wr_self();
	(void)weir_pub_close(of_tie(tie));
}

static void
adopt_tied(struct wr_tie *tie)
{
	(void)wr_handle_adopt(&of_tie(tie)->handle);
}

static const struct wr_tie_kind tied = {WR_TIE_WRITES, close_tied, adopt_tied};

const weir_error *
weir_pub_why(const weir_pub *pub)
{
	return &pub->handle.err;
}

int
weir_pub_adopt(weir_pub *pub)
{
	return wr_handle_adopt(&pub->handle);
}

/* ---- the data path ------------------------------------------------------------------------ */

/* A claim that could not be made: says why, or waits for room and tries again. */
static WR_COLD int
claim_slow(weir_pub *pub, size_t len, weir_claim_t *claims, size_t count, int rc)
{
	struct wr_writer *w = &pub->stream->writer;
	struct weir_error *err = &pub->handle.err;
	uint64_t deadline = 0;

	if (pub->wait_ms == WEIR_FOREVER)
		deadline = UINT64_MAX;
	else if (pub->wait_ms > 0)
		deadline = wr_deadline_ns((uint32_t)pub->wait_ms);
	while (rc == -WEIR_E_AGAIN_FULL) {
		rc = wr_room_wait(w, deadline, err);
		if (rc == 0)
			rc = wr_writer_claim_n(w, len, claims, count, err);
		else
			break;
	}
	if (rc == -WEIR_E_USAGE_TOOBIG) {
		wr_error_set(err, WEIR_E_USAGE_TOOBIG, 0, "a message of %zu bytes", len);
		wr_error_differs(
			err, "topic '%s' takes %u bytes", w->topic, w->max_message);
	} else if (rc == -WEIR_E_AGAIN_CLAIMS) {
		wr_error_set(err, WEIR_E_AGAIN_CLAIMS, 0, NULL);
	}
	if (rc < 0)
		wr_error_where(err, "weir_claim on topic '%s', bus '%s'", w->topic,
			pub->bus->node.bus);
	return rc;
}

int
weir_claim(weir_pub *pub, size_t len, weir_claim_t *claim)
{
	int rc = wr_handle_enter(&pub->handle);

	if (rc < 0)
		return rc;
	rc = wr_writer_claim(&pub->stream->writer, len, claim, &pub->handle.err);
	if (__builtin_expect(rc < 0, 0))
		return claim_slow(pub, len, claim, 1, rc);
	return rc;
}

int
weir_claim_n(weir_pub *pub, size_t len, weir_claim_t *claims, size_t count)
{
	int rc = wr_handle_enter(&pub->handle);

	if (rc < 0)
		return rc;
	rc = wr_writer_claim_n(&pub->stream->writer, len, claims, count, &pub->handle.err);
	if (__builtin_expect(rc < 0, 0))
		return claim_slow(pub, len, claims, count, rc);
	return rc;
}

int
weir_commit(weir_pub *pub, weir_claim_t *claim)
{
	int rc = wr_handle_enter(&pub->handle);

	return rc < 0 ? rc : wr_writer_commit(&pub->stream->writer, claim);
}

int
weir_commit_n(weir_pub *pub, weir_claim_t *claims, size_t count)
{
	int rc = wr_handle_enter(&pub->handle);

	return rc < 0 ? rc : wr_writer_commit_n(&pub->stream->writer, claims, count);
}

int
weir_abort(weir_pub *pub, weir_claim_t *claim)
{
	int rc = wr_handle_enter(&pub->handle);

	return rc < 0 ? rc : wr_writer_abort(&pub->stream->writer, claim);
}

int
weir_send(weir_pub *pub, const void *data, size_t len)
{
	weir_claim_t claim;
	int rc;

	if (!data && len > 0)
		return -WEIR_E_USAGE_INVAL;
	rc = weir_claim(pub, len, &claim);
	if (rc < 0)
		return rc;
	if (len > 0)
		memcpy(claim.data, data, len);
	return weir_commit(pub, &claim);
}

/* ---- who listens ------------------------------------------------------------------------------ */

enum { AWAIT_NS = 20 * 1000 * 1000 }; /* between two looks at whether we were stopped */

int
weir_subscribers(weir_pub *pub)
{
	int rc = wr_handle_enter(&pub->handle);

	return rc < 0 ? rc : wr_stream_await_rows(pub->stream, 0, 0);
}

int
weir_wait_subscribers(weir_pub *pub, int count, int timeout_ms)
{
	uint64_t deadline =
		timeout_ms < 0 ? UINT64_MAX : wr_deadline_ns((uint32_t)timeout_ms);
	int rc = wr_handle_enter(&pub->handle);
	struct wr_node *node;
	bool serve;

	if (rc < 0)
		return rc;
	node = &pub->bus->node;
	serve = (pub->bus->flags & WEIR_BUS_NO_THREAD) != 0;
	while ((rc = wr_stream_await_rows(pub->stream, count, 0)) < count) {
		uint64_t now = wr_now_ns();

		if (wr_load_acquire(loop_stopped, &pub->bus->reactor.stopped))
			return -WEIR_E_GONE_STOPPED;
		if (now >= deadline)
			return wr_error_set(&pub->handle.err, WEIR_E_AGAIN_TIMEOUT, 0,
				"%d of %d subscribers came to '%s' in %d ms", rc, count,
				pub->stream->writer.topic, timeout_ms);
		if (serve)
			(void)node->ops->turn(node, 1);
		else
			(void)wr_stream_await_rows(pub->stream, count,
				deadline - now > AWAIT_NS ? now + AWAIT_NS : deadline);
	}
	return rc;
}

int
weir_pub_get_stats(weir_pub *pub, weir_pub_stats *stats)
{
	int rc = wr_handle_enter(&pub->handle);
	const struct wr_writer *w;

	if (rc < 0)
		return rc;
	if (!stats)
		return -WEIR_E_USAGE_INVAL;
	if (stats->size != sizeof(*stats))
		return -WEIR_E_USAGE_SIZE;
	w = &pub->stream->writer;
	pthread_mutex_lock(&pub->stream->writer.lock);
	*stats = (weir_pub_stats){
		.size = sizeof(*stats),
		.publisher = pub->stream->id,
		.published = w->published,
		.bytes = w->bytes,
		.aborted = w->aborted,
		.waits = w->room.waits,
		.wait_ns = w->room.wait_ns,
		.rolls = w->pool.rolls,
		.moves = w->pool.moves,
		.rings = w->rings,
		.evicted = w->gate.evicted,
		.stalled_ns = w->room.stall.spent_ns,
		.detached = w->room.detaches,
		.returned = w->room.returns,
		.denied = pub->stream->denied,
		.subscribers = w->gate.count,
		.segment_bytes = w->plan.geo.seg_bytes,
		.window_bytes = w->plan.geo.window_bytes,
		.region_bytes = w->pool.zone->store->region.bytes,
		.reserved_bytes = w->pool.zone->store->region.reserved,
		.large_bytes = w->pool.zone->store->region.large_bytes,
	};
	pthread_mutex_unlock(&pub->stream->writer.lock);
	return 0;
}
