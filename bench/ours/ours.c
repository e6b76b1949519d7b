/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/ours/ours.h"

#include <stdio.h>
#include <stdlib.h>
#include <weir/weir.h>

enum { DRAIN_MAX = 64, BATCH = 16, ARRIVE_MS = 10000, TURN_MS = 1000 };
enum { HARD_US = 1000, TICK_US = 250 };

struct gen_side {
	weir_bus *bus;
	weir_pub *pub;
	weir_sub *sub;
	size_t size;
	int pull; /* the reader spins, so it looks for itself */
	gen_read_fn fn;
	void *ctx;
	size_t open, batch; /* claims in hand, and how many to gather */
	weir_claim_t claims[BATCH];
	weir_msg msgs[DRAIN_MAX];
	size_t wanted; /* of them */
	uint64_t told; /* messages that it was told it lost */
};

static const char *const topics[] = {"bench.there", "bench.back"};

static int
on_batch(void *ctx, const weir_msg *msgs, size_t count)
{
	struct gen_side *side = ctx;
	int ended = 0;
	for (size_t i = 0; i < count && !ended; i++)
		ended = side->fn(side->ctx, msgs[i].data, msgs[i].len);
	return ended;
}

static void
ours_close(struct gen_side *side)
{
	weir_close(side->bus);
	free(side);
}

static const uint32_t idles[] = {[GEN_SPIN] = WEIR_IDLE_SPIN,
	[GEN_YIELD] = WEIR_IDLE_YIELD,
	[GEN_PARK] = WEIR_IDLE_PARK,
	[GEN_ADAPTIVE] = WEIR_IDLE_ADAPTIVE};

/* The side, or NULL with the reason written, if something has failed. */
static struct gen_side *
whole(struct gen_side *side, const weir_error *error, char *why, size_t size)
{
	if (!error->code)
		return side;
	snprintf(why, size, "%s", error->text);
	ours_close(side);
	return NULL;
}

static struct gen_side *
open_side(const struct gen_plan *plan, int out, int in, size_t batch,
	enum weir_policy policy, char *why, size_t size)
{
	struct gen_side *side = calloc(1, sizeof *side);
	if (!side)
		return NULL;
	side->size = plan->size;
	side->wanted = 1;
	side->batch = batch;
	side->pull = plan->wait == GEN_SPIN;
	side->bus = weir_open("bench", .dir = plan->dir, .idle = idles[plan->wait],
		.flags = WEIR_BUS_QUIET | WEIR_BUS_NO_SIGNALS);
	const weir_error *error = weir_why(side->bus);
	if (!error->code && out >= 0) {
		side->pub = weir_advertise(side->bus, topics[out],
			.wait_ms = WEIR_FOREVER, .window = plan->window,
			.stamp = batch > 1 ? WEIR_STAMP_BATCH : WEIR_STAMP_EACH);
		error = weir_pub_why(side->pub);
	}
	if (!error->code && in >= 0) {
		side->sub = weir_subscribe(side->bus, topics[in], .policy = policy,
			.on_batch = side->pull ? NULL : on_batch, .ctx = side);
		error = weir_sub_why(side->sub);
	}
	return whole(side, error, why, size);
}

static struct gen_side *
ours_open(const struct gen_plan *plan, int out, int in, char *why, size_t size)
{
	return open_side(plan, out, in, 1, WEIR_BLOCK, why, size);
}

static struct gen_side *
batch_open(const struct gen_plan *plan, int out, int in, char *why, size_t size)
{
	return open_side(plan, out, in, BATCH, WEIR_BLOCK, why, size);
}

static struct gen_side *
flow_open(const struct gen_plan *plan, int out, int in, char *why, size_t size)
{
	return open_side(plan, out, in, 1, WEIR_DROP_OLDEST, why, size);
}

static int
on_message(void *ctx, const weir_msg *msg)
{
	struct gen_side *side = ctx;
	side->told += msg->lost;
	(void)side->fn(side->ctx, msg->data, msg->len);
	return 0;
}

/* The bus that the readers of this process share. */
static struct {
	weir_bus *bus;
	int sides;
} shared;

static struct gen_side *
open_host(const struct gen_plan *plan, const char *discipline, int out, int in,
	char *why, size_t size)
{
	if (out >= 0)
		return flow_open(plan, out, in, why, size);
	struct gen_side *side = calloc(1, sizeof *side);
	if (!side)
		return NULL;
	if (shared.sides++ == 0)
		shared.bus = weir_open("bench", .dir = plan->dir,
			.idle = idles[plan->wait],
			.flags = WEIR_BUS_QUIET | WEIR_BUS_NO_SIGNALS,
			.loops = plan->loops > 1 ? (uint32_t)plan->loops - 1 : 0,
			.hard_us = HARD_US, .tick_us = TICK_US, .discipline = discipline);
	side->bus = shared.bus;
	side->sub = weir_subscribe(side->bus, topics[in], .on_msg = on_message,
		.ctx = side,
		.moves = WEIR_MOVE_LANE | (plan->loops > 1 ? WEIR_MOVE_LOOPS : 0u));
	return whole(side,
		weir_why(side->bus)->code ? weir_why(side->bus) : weir_sub_why(side->sub),
		why, size);
}

static struct gen_side *
host_open(const struct gen_plan *plan, int out, int in, char *why, size_t size)
{
	return open_host(plan, "priority", out, in, why, size);
}

static struct gen_side *
host_open_by_time(const struct gen_plan *plan, int out, int in, char *why, size_t size)
{
	return open_host(plan, "time", out, in, why, size);
}

static void
host_serve(struct gen_side *side, gen_read_fn fn, void *ctx)
{
	side->ctx = ctx;
	side->fn = fn;
}

/* One alone has been told nothing yet of who is called. */
static int
host_drain(struct gen_side *side, gen_read_fn fn, void *ctx)
{
	if (fn)
		host_serve(side, fn, ctx);
	return weir_turn(side->bus, TURN_MS);
}

static uint64_t
host_told(struct gen_side *side)
{
	return side->told;
}

static void
host_close(struct gen_side *side)
{
	if (side->bus != shared.bus || --shared.sides == 0)
		weir_close(side->bus);
	free(side);
}

static int
ours_await(struct gen_side *side, int count)
{
	return weir_wait_subscribers(side->pub, count, ARRIVE_MS) >= count ? 0 : -1;
}

static void *
ours_claim(struct gen_side *side)
{
	return weir_claim(side->pub, side->size, &side->claims[0]) < 0
		? NULL
		: side->claims[0].data;
}

static int
ours_commit(struct gen_side *side)
{
	return weir_commit(side->pub, &side->claims[0]);
}

static void *
batch_claim(struct gen_side *side)
{
	if (side->open == 0 &&
		weir_claim_n(side->pub, side->size, side->claims, BATCH) < 0)
		return NULL;
	return side->claims[side->open].data;
}

static int
batch_commit(struct gen_side *side)
{
	if (++side->open < BATCH)
		return 0;
	side->open = 0;
	return weir_commit_n(side->pub, side->claims, BATCH);
}

static int
batch_flush(struct gen_side *side)
{
	size_t open = side->open;
	side->open = 0;
	for (size_t i = open; open && i < BATCH; i++)
		weir_abort(side->pub, &side->claims[i]);
	return open ? weir_commit_n(side->pub, side->claims, open) : 0;
}

static int
flow_heed(struct gen_side *side, struct gen_verdict *verdict)
{
	weir_event event;
	if (weir_turn(side->bus, 0) < 0)
		return 0;
	while (weir_next_event(side->bus, &event) == 1) {
		if (event.kind != WEIR_EV_SUB_DETACHED &&
			event.kind != WEIR_EV_SUB_RETURNED)
			continue;
		verdict->pid = (int)event.pid;
		verdict->back = event.kind == WEIR_EV_SUB_RETURNED;
		verdict->why = event.code ? weir_err_name(event.code) : "";
		verdict->cost_ns = (double)event.stalled_ns;
		return 1;
	}
	return 0;
}

static int
ours_drain(struct gen_side *side, gen_read_fn fn, void *ctx)
{
	if (!side->pull) {
		side->fn = fn;
		side->ctx = ctx;
		return weir_turn(side->bus, TURN_MS);
	}
	/* Looks for one message, and for more while there are more: a look too far costs a
	 * miss on the line that the publisher writes next. */
	int count = weir_peek_n(side->sub, side->msgs, side->wanted);
	if (count >= 0)
		side->wanted = count < (int)side->wanted ? 1 : side->wanted * 2;
	if (side->wanted > DRAIN_MAX)
		side->wanted = DRAIN_MAX;
	for (int i = 0; i < count; i++)
		if (fn(ctx, side->msgs[i].data, side->msgs[i].len))
			break;
	if (count > 0)
		weir_next_n(side->sub, (size_t)count);
	return count;
}

const struct gen_bus ours = {.name = "ours",
	.settings = "defaults (adaptive idling but for one-way spinning); lossless, "
		    ".wait_ms = WEIR_FOREVER, every message stamped",
	.idle = GEN_ADAPTIVE,
	.open = ours_open,
	.await = ours_await,
	.claim = ours_claim,
	.commit = ours_commit,
	.drain = ours_drain,
	.close = ours_close};

const struct gen_bus ours_batch = {.name = "ours-batch",
	.settings = "weir_claim_n and weir_commit_n of 16, WEIR_STAMP_BATCH",
	.idle = GEN_ADAPTIVE,
	.open = batch_open,
	.await = ours_await,
	.claim = batch_claim,
	.commit = batch_commit,
	.flush = batch_flush,
	.drain = ours_drain,
	.close = ours_close};

const struct gen_bus ours_flow = {.name = "ours",
	.settings = "defaults (adaptive idling, a window of 16 MiB, WEIR_DROP_OLDEST with a "
		    "budget of 5 ms in 100 ms), .wait_ms = WEIR_FOREVER, every message "
		    "stamped",
	.idle = GEN_ADAPTIVE,
	.open = flow_open,
	.await = ours_await,
	.claim = ours_claim,
	.commit = ours_commit,
	.heed = flow_heed,
	.drain = ours_drain,
	.close = ours_close};

/* They differ in what a poll counts as, and in nothing else. */
#define HOST(its_name, its_settings, its_open) \
	{ \
		.name = (its_name), .settings = (its_settings), .idle = GEN_ADAPTIVE, \
		.open = (its_open), .await = ours_await, .claim = ours_claim, \
		.commit = ours_commit, .heed = flow_heed, .drain = host_drain, \
		.serve = host_serve, .told = host_told, .close = host_close \
	}

const struct gen_bus ours_host = HOST("ours",
	"defaults (adaptive idling, WEIR_DROP_OLDEST with a budget of 5 ms in "
	"100 ms) but for a window of 4 MiB at 20,000/s; subscriptions may move "
	"(WEIR_MOVE_LANE, on several loops WEIR_MOVE_LOOPS too), .hard_us 1000, "
	".tick_us 250, .wait_ms = WEIR_FOREVER, every message stamped",
	host_open);

const struct gen_bus ours_host_by_time = HOST("ours-time",
	"as ours, and .discipline = \"time\": a poll counts as long as it took",
	host_open_by_time);
