/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The generator: the same messages and the same reading for every bus. It builds each
 * message with one write into the memory that the bus gives it (or that is handed to its
 * send), and the reader reads one word per cache line and checks the sequence. Each bus
 * is reached through the same five calls, so the cost of the harness is the same for all.
 */
#ifndef BENCH_LIB_GEN_H
#define BENCH_LIB_GEN_H

#include <stddef.h>
#include <stdint.h>

#include "bench/lib/hist.h"

enum gen_wait { GEN_SPIN, GEN_YIELD, GEN_PARK, GEN_ADAPTIVE };

/* What is to run. Topic 0 goes from the publisher to the subscribers, topic 1 back. */
struct gen_plan {
	size_t size; /* bytes of a message, at least 16 */
	int subscribers;
	enum gen_wait wait;
	const char *dir; /* for sockets */
	int unpinned;    /* both cores for everybody */
	int loops;       /* of a process of readers, where the bus has loops; 0: one */
	size_t window; /* bytes that are kept for readers; 0: what the bus has chosen */
	void *bus;     /* what prepare has made for the processes to share */
};

struct gen_side; /* one process's end: handles of the bus under test */

/* One message in the reader. Non-zero ends the draining. */
typedef int (*gen_read_fn)(void *ctx, const void *data, size_t len);

/* What a bus tells its publisher about a slow reader. */
struct gen_verdict {
	int pid;         /* of the reader */
	int back;        /* it is waited for again; 0: not any more */
	const char *why; /* never NULL */
	double cost_ns;  /* that it has cost the publisher so far, in all */
};

struct gen_bus {
	const char *name;
	const char *settings; /* as chosen from its documentation, for the reader */
	enum gen_wait idle;   /* how its reader waits unless the plan can choose */
	/* In the parent, before the fork, and after the last process has ended. May be
	 * NULL. */
	int (*prepare)(struct gen_plan *plan);
	void (*discard)(struct gen_plan *plan);
	/* Opens what this process needs: out and in are topics, -1 = none. On failure
	 * returns NULL and writes the reason. */
	struct gen_side *(*open)(
		const struct gen_plan *plan, int out, int in, char *why, size_t size);
	/* Waits until `count` readers are there. 0 or -1. May be NULL. */
	int (*await)(struct gen_side *side, int count);
	/* Room for a message of the plan's size, and its sending. NULL or -1: failed. */
	void *(*claim)(struct gen_side *side);
	int (*commit)(struct gen_side *side);
	/* Sends what commit may have gathered. May be NULL. */
	int (*flush)(struct gen_side *side);
	/* Takes the next verdict: 1; 0 = there is none. NULL: it never tells. */
	int (*heed)(struct gen_side *side, struct gen_verdict *verdict);
	/* Hands what is there to fn; waits as the plan says if there is nothing.
	 * Returns how many messages there were, or < 0. */
	int (*drain)(struct gen_side *side, gen_read_fn fn, void *ctx);
	/* The same, but does not wait. NULL: only one reader of a process. */
	int (*drain_now)(struct gen_side *side, gen_read_fn fn, void *ctx);
	/* Of a bus that calls readers itself: from now on fn is called with what arrives for
	 * this one, by whatever thread, while drain of the first one is called. NULL: the
	 * generator drains each of them. */
	void (*serve)(struct gen_side *side, gen_read_fn fn, void *ctx);
	/* How many messages the bus has told this reader that it lost. NULL: it never tells. */
	uint64_t (*told)(struct gen_side *side);
	void (*close)(struct gen_side *side);
};

/* What came out of one run. */
struct gen_result {
	double msgs_per_s;      /* accepted from the publisher */
	double delivered_per_s; /* sum over the subscribers */
	double lost;
	double p50_ns, p99_ns, p999_ns, max_ns;
	double value; /* of a measurement that is none of those */
};

extern const struct gen_result gen_nothing; /* all NaN */

/* Flat out for about `seconds`, to all subscribers, losing nothing. 0 or -1. */
int gen_flat(const struct gen_bus *bus, struct gen_plan plan, double seconds,
	struct gen_result *result);
/* A message there and one back, `count` times; the latency is half of the round trip. */
int gen_pingpong(const struct gen_bus *bus, struct gen_plan plan, int count,
	struct gen_result *result);
/* A message each gap, count times; the latency is from before the claim to the reader. */
int gen_paced(const struct gen_bus *bus, struct gen_plan plan, double gap_ns, int count,
	struct gen_result *result);

const char *gen_wait_name(enum gen_wait wait);

#endif
