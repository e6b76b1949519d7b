/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The yardstick for one to many: a ring that waits for its slowest reader, and nothing
 * else. The sequence number is in the slot, one cursor to each reader, the publisher keeps
 * the lowest it has seen and looks again when that is used up. 4,096 slots. Who finds
 * nothing yields a few times and then sleeps 50 us; nobody is woken, missed or given up.
 */
#ifndef BENCH_RAW_GATE_H
#define BENCH_RAW_GATE_H

#include "bench/lib/gen.h"

extern const struct gen_bus raw_gate;

#endif
