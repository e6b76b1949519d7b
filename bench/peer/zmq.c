/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "bench/peer/peer.h"

enum { DRAIN_MAX = 64 };

struct gen_side {
	void *context;
	void *out, *in;
	size_t size;
	zmq_msg_t msg;
};

/* What the sockets of this process share: one I/O thread. */
static struct {
	void *context;
	int sides;
} shared;

static void
zmq_side_close(struct gen_side *side)
{
	if (side->out)
		zmq_close(side->out);
	if (side->in)
		zmq_close(side->in);
	if (side->context && --shared.sides == 0)
		zmq_ctx_term(side->context);
	free(side);
}

static void *
socket_of(struct gen_side *side, int type, int hwm_option, int hwm)
{
	void *socket = zmq_socket(side->context, type);
	int linger = 0;
	if (socket &&
		(zmq_setsockopt(socket, hwm_option, &hwm, sizeof hwm) < 0 ||
			zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger) < 0)) {
		zmq_close(socket);
		socket = NULL;
	}
	return socket;
}

static struct gen_side *
open_pair(const struct gen_plan *plan, int out, int in, int out_type, int in_type,
	int hwm, char *why, size_t size)
{
	char name[200];
	struct gen_side *side = calloc(1, sizeof *side);
	int rc = -1;
	if (side) {
		if (shared.sides == 0)
			shared.context = zmq_ctx_new();
		side->context = shared.context;
		shared.sides += side->context != NULL;
		side->size = plan->size;
		rc = side->context ? 0 : -1;
	}
	if (rc == 0 && out >= 0) {
		int yes = 1;
		side->out = socket_of(side, out_type, ZMQ_SNDHWM, hwm);
		snprintf(name, sizeof name, "ipc://%s/zmq-%d", plan->dir, out);
		if (!side->out ||
			(out_type == ZMQ_XPUB &&
				(zmq_setsockopt(side->out, ZMQ_XPUB_NODROP, &yes,
					 sizeof yes) < 0 ||
					zmq_setsockopt(side->out, ZMQ_XPUB_VERBOSE,
						&yes, sizeof yes) < 0)) ||
			zmq_bind(side->out, name) < 0)
			rc = -1;
	}
	if (rc == 0 && in >= 0) {
		side->in = socket_of(side, in_type, ZMQ_RCVHWM, hwm);
		snprintf(name, sizeof name, "ipc://%s/zmq-%d", plan->dir, in);
		if (!side->in || zmq_connect(side->in, name) < 0 ||
			(in_type == ZMQ_SUB &&
				zmq_setsockopt(side->in, ZMQ_SUBSCRIBE, "", 0) < 0))
			rc = -1;
	}
	if (rc == 0)
		return side;
	snprintf(why, size, "%s", zmq_strerror(zmq_errno()));
	if (side)
		zmq_side_close(side);
	return NULL;
}

enum { PUSH_HWM = 1000, NODROP_HWM = 1000 };

static struct gen_side *
push_open(const struct gen_plan *plan, int out, int in, char *why, size_t size)
{
	return open_pair(plan, out, in, ZMQ_PUSH, ZMQ_PULL, PUSH_HWM, why, size);
}

static struct gen_side *
nodrop_open(const struct gen_plan *plan, int out, int in, char *why, size_t size)
{
	return open_pair(plan, out, in, ZMQ_XPUB, ZMQ_SUB, NODROP_HWM, why, size);
}

static struct gen_side *
pub_open(const struct gen_plan *plan, int out, int in, char *why, size_t size)
{
	return open_pair(plan, out, in, ZMQ_PUB, ZMQ_SUB, NODROP_HWM, why, size);
}

/* A verbose XPUB is told of every subscription by a message. */
static int
nodrop_await(struct gen_side *side, int count)
{
	for (int i = 0; i < count; i++) {
		char buf[8];
		if (zmq_recv(side->out, buf, sizeof buf, 0) < 0)
			return -1;
	}
	return 0;
}

static void *
zmq_claim(struct gen_side *side)
{
	return zmq_msg_init_size(&side->msg, side->size) < 0 ? NULL
							     : zmq_msg_data(&side->msg);
}

static int
zmq_commit(struct gen_side *side)
{
	while (zmq_msg_send(&side->msg, side->out, 0) < 0)
		if (errno != EINTR)
			return -1;
	return 0;
}

/* What is there; the first one is waited for unless `flags` says otherwise. */
static int
receive(struct gen_side *side, int flags, gen_read_fn fn, void *ctx)
{
	int count = 0, ended = 0;
	while (count < DRAIN_MAX && !ended) {
		zmq_msg_t msg;
		zmq_msg_init(&msg);
		if (zmq_msg_recv(&msg, side->in, count ? ZMQ_DONTWAIT : flags) < 0) {
			int error = zmq_errno();
			zmq_msg_close(&msg);
			if (error == EINTR)
				continue;
			return error == EAGAIN ? count : -1;
		}
		ended = fn(ctx, zmq_msg_data(&msg), zmq_msg_size(&msg));
		zmq_msg_close(&msg);
		count++;
	}
	return count;
}

static int
zmq_drain(struct gen_side *side, gen_read_fn fn, void *ctx)
{
	return receive(side, 0, fn, ctx);
}

static int
zmq_drain_now(struct gen_side *side, gen_read_fn fn, void *ctx)
{
	return receive(side, ZMQ_DONTWAIT, fn, ctx);
}

const struct gen_bus zmq_push = {.name = "zmq-push",
	.settings = "libzmq, ipc, PUSH/PULL, 1 I/O thread, high-water marks 1000, blocking, "
		    "zmq_msg_send of a message built in place",
	.idle = GEN_PARK,
	.open = push_open,
	.claim = zmq_claim,
	.commit = zmq_commit,
	.drain = zmq_drain,
	.close = zmq_side_close};

const struct gen_bus zmq_pub = {.name = "zmq-pub",
	.settings = "libzmq, ipc, PUB and SUB, 1 I/O thread, high-water marks 1000, "
		    "zmq_msg_send of a message built in place",
	.idle = GEN_PARK,
	.open = pub_open,
	.claim = zmq_claim,
	.commit = zmq_commit,
	.drain = zmq_drain,
	.drain_now = zmq_drain_now,
	.close = zmq_side_close};

const struct gen_bus zmq_nodrop = {.name = "zmq-nodrop",
	.settings = "libzmq, ipc, XPUB with ZMQ_XPUB_NODROP and SUB, 1 I/O thread, high-water "
		    "marks 1000, blocking, zmq_msg_send of a message built in place",
	.idle = GEN_PARK,
	.open = nodrop_open,
	.await = nodrop_await,
	.claim = zmq_claim,
	.commit = zmq_commit,
	.drain = zmq_drain,
	.drain_now = zmq_drain_now,
	.close = zmq_side_close};
