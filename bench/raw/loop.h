/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The yardstick for handlers on one loop: a thread that takes a message from the ring of
 * gate.h, as its only reader, and calls all handlers with it, in order. Nobody is scheduled,
 * missed or given up: who does not return holds all of them up, and then the publisher.
 */
#ifndef BENCH_RAW_LOOP_H
#define BENCH_RAW_LOOP_H

#include "bench/lib/gen.h"

extern const struct gen_bus raw_loop;

#endif
