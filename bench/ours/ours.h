/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Weir under the generator, and what only Weir is asked: through <weir/weir.h> alone. */
#ifndef BENCH_OURS_OURS_H
#define BENCH_OURS_OURS_H

#include "bench/lib/gen.h"

extern const struct gen_bus ours;       /* defaults: a claim, a commit, a stamp each */
extern const struct gen_bus ours_batch; /* 16 claims, one commit, one stamp */
extern const struct gen_bus ours_flow;  /* readers under the default policy */
extern const struct gen_bus ours_host; /* the same, several of a process on its loops, */
extern const struct gen_bus ours_host_by_time; /* where a poll counts as long as it took */

/*
 * CPU nanoseconds of the publisher's thread per message, alone on core 0, with so many
 * subscriber processes on core 1. Asleep: all of them sleep between messages. Then *slept
 * is the share of messages that a subscriber slept for. 0 or -1.
 */
int ours_cost(const char *dir, int subscribers, int asleep, double *cpu_ns, double *slept);

/* Milliseconds of CPU a second of a process whose subscriber waits in weir_run. */
int ours_idle_cpu(const char *dir, double seconds, double *ms_per_s);

/* KiB resident for one more idle default topic that has a subscriber and a message:
 * the regions' pages and the private memory of both processes. */
int ours_idle_memory(const char *dir, double *kib);

/* Fresh processes attach to a bus of `nodes` processes, `count` times: from before
 * weir_open to the return of weir_subscribe with its publisher admitted. */
int ours_attach(const char *dir, int nodes, int count, struct gen_result *result);

/* A publisher that waits for a reader under WEIR_BLOCK, `count` times: from the SIGKILL
 * that ends the reader to the return of the claim. */
int ours_kill(const char *dir, int count, struct gen_result *result);

#endif
