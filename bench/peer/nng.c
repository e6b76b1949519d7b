/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/peer/peer.h"

enum { BUFFERS = 128, PUB_BUFFERS = 8192, DRAIN_MAX = 64 };

struct gen_side {
	nng_socket out, in;
	int has_out, has_in;
	size_t size;
	nng_msg *msg;
};

static void
push_close(struct gen_side *side)
{
	if (side->has_out)
		nng_close(side->out);
	if (side->has_in)
		nng_close(side->in);
	free(side);
}

/* One of the two patterns. */
struct pattern {
	int (*open_out)(nng_socket *);
	int (*open_in)(nng_socket *);
	int send_buffer;
	int receive_buffer; /* 0: nng's */
	int subscribes;
};

static struct gen_side *
open_pattern(const struct pattern *pattern, const struct gen_plan *plan, int out,
	int in, char *why, size_t size)
{
	char name[200];
	struct gen_side *side = calloc(1, sizeof *side);
	if (!side)
		return NULL;
	side->size = plan->size;
	int rc = 0;
	if (out >= 0) {
		rc = pattern->open_out(&side->out);
		side->has_out = rc == 0;
		snprintf(name, sizeof name, "ipc://%s/nng-%d", plan->dir, out);
		if (rc == 0)
			rc = nng_socket_set_int(
				side->out, NNG_OPT_SENDBUF, pattern->send_buffer);
		if (rc == 0)
			rc = nng_listen(side->out, name, NULL, 0);
	}
	if (rc == 0 && in >= 0) {
		rc = pattern->open_in(&side->in);
		side->has_in = rc == 0;
		snprintf(name, sizeof name, "ipc://%s/nng-%d", plan->dir, in);
		if (rc == 0 && pattern->receive_buffer)
			rc = nng_socket_set_int(
				side->in, NNG_OPT_RECVBUF, pattern->receive_buffer);
		if (rc == 0 && pattern->subscribes)
			rc = nng_socket_set(side->in, NNG_OPT_SUB_SUBSCRIBE, "", 0);
		if (rc == 0)
			rc = nng_dial(side->in, name, NULL, 0);
	}
	if (rc == 0)
		return side;
	snprintf(why, size, "%s", nng_strerror(rc));
	push_close(side);
	return NULL;
}

static struct gen_side *
push_open(const struct gen_plan *plan, int out, int in, char *why, size_t size)
{
	static const struct pattern push = {nng_push0_open, nng_pull0_open, BUFFERS, 0, 0};
	return open_pattern(&push, plan, out, in, why, size);
}

static struct gen_side *
pub_open(const struct gen_plan *plan, int out, int in, char *why, size_t size)
{
	static const struct pattern pub = {
		nng_pub0_open, nng_sub0_open, PUB_BUFFERS, PUB_BUFFERS, 1};
	return open_pattern(&pub, plan, out, in, why, size);
}

/* nng 1.5.2 may wait forever in nng_close while its peers go too. The process ends now, and
 * with it the socket. */
static void
pub_close(struct gen_side *side)
{
	free(side);
}

static void *
push_claim(struct gen_side *side)
{
	return nng_msg_alloc(&side->msg, side->size) != 0 ? NULL
							  : nng_msg_body(side->msg);
}

static int
push_commit(struct gen_side *side)
{
	return nng_sendmsg(side->out, side->msg, 0) == 0 ? 0 : -1;
}

static int
push_drain(struct gen_side *side, gen_read_fn fn, void *ctx)
{
	nng_msg *msg;
	if (nng_recvmsg(side->in, &msg, 0) != 0)
		return -1;
	fn(ctx, nng_msg_body(msg), nng_msg_len(msg));
	nng_msg_free(msg);
	return 1;
}

static int
push_drain_now(struct gen_side *side, gen_read_fn fn, void *ctx)
{
	nng_msg *msg;
	int count = 0;
	while (count < DRAIN_MAX) {
		int rc = nng_recvmsg(side->in, &msg, NNG_FLAG_NONBLOCK);
		if (rc != 0)
			return rc == NNG_EAGAIN ? count : -1;
		fn(ctx, nng_msg_body(msg), nng_msg_len(msg));
		nng_msg_free(msg);
		count++;
	}
	return count;
}

const struct gen_bus nng_push = {.name = "nng-push",
	.settings = "libnng, ipc, push0/pull0, send-buffer 128, nng_sendmsg and nng_recvmsg "
		    "without a copy, blocking",
	.idle = GEN_PARK,
	.open = push_open,
	.claim = push_claim,
	.commit = push_commit,
	.drain = push_drain,
	.close = push_close};

const struct gen_bus nng_pub = {.name = "nng-pub",
	.settings = "libnng, ipc, pub0/sub0, send-buffer and receive-buffer 8192 (the most), "
		    "nng_sendmsg and nng_recvmsg without a copy, blocking",
	.idle = GEN_PARK,
	.open = pub_open,
	.claim = push_claim,
	.commit = push_commit,
	.drain = push_drain,
	.drain_now = push_drain_now,
	.close = pub_close};
