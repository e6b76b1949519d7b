/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Queues between threads, ours through <weir/queue.h> and others, an item of 8 bytes at a
 * time; they hold 1,024. */
#ifndef BENCH_OURS_QUEUE_H
#define BENCH_OURS_QUEUE_H

#include "bench/micro/micro.h"

extern const struct micro queue_alone, queue_link, queue_link_large, queue_round,
	queue_sub, queue_pub;
extern const struct micro queue_locked_alone, queue_locked_link, queue_locked_sub,
	queue_locked_pub;
/* NULL: it was not there when this was built. */
extern const struct micro *const queue_ck_alone, *const queue_ck_link;

#endif
