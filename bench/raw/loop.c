/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/raw/loop.h"

#include "bench/raw/gate.h"

enum { HANDLERS_MAX = 64 };

/* Of this process: its end of the ring, which all its readers share. */
static struct {
	struct gen_side *side;
	int opened, handlers;
	gen_read_fn fns[HANDLERS_MAX];
	void *ctxs[HANDLERS_MAX];
} loop;

static struct gen_side *
loop_open(const struct gen_plan *plan, int out, int in, char *why, size_t size)
{
	struct gen_plan one = *plan;
	one.subscribers = 1;
	if (!loop.opened)
		loop.side = raw_gate.open(&one, out, in, why, size);
	loop.opened += loop.side != NULL;
	return loop.side;
}

static void
loop_close(struct gen_side *side)
{
	if (--loop.opened == 0)
		raw_gate.close(side);
}

static void *
loop_claim(struct gen_side *side)
{
	return raw_gate.claim(side);
}

static int
loop_commit(struct gen_side *side)
{
	return raw_gate.commit(side);
}

static int
loop_prepare(struct gen_plan *plan)
{
	return plan->subscribers <= HANDLERS_MAX ? raw_gate.prepare(plan) : -1;
}

static void
loop_discard(struct gen_plan *plan)
{
	raw_gate.discard(plan);
}

static void
loop_serve(struct gen_side *side, gen_read_fn fn, void *ctx)
{
	(void)side;
	loop.fns[loop.handlers] = fn;
	loop.ctxs[loop.handlers++] = ctx;
}

static int
call_all(void *ctx, const void *data, size_t len)
{
	(void)ctx;
	for (int i = 0; i < loop.handlers; i++)
		(void)loop.fns[i](loop.ctxs[i], data, len);
	return 0;
}

static int
loop_drain(struct gen_side *side, gen_read_fn fn, void *ctx)
{
	(void)fn, (void)ctx;
	return raw_gate.drain(side, call_all, NULL);
}

const struct gen_bus raw_loop = {.name = "loop",
	.settings =
		"one thread takes a message from a ring of 4096 slots, for which the "
		"publisher waits, and calls all handlers in order; it finds nothing: yields "
		"16 times, then sleeps 50 us",
	.idle = GEN_YIELD,
	.prepare = loop_prepare,
	.discard = loop_discard,
	.open = loop_open,
	.claim = loop_claim,
	.commit = loop_commit,
	.drain = loop_drain,
	.serve = loop_serve,
	.close = loop_close};
