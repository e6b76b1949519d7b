/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The yardstick: a ring between two processes and nothing else. The sequence number is in
 * the slot, so a message costs the reader no other line; 1,024 slots (64 of 64 KiB); each
 * side keeps a copy of the other's index and looks at the real one only when that is used
 * up. No framing, no names, no waking, no death, one reader.
 */
#ifndef BENCH_RAW_RING_H
#define BENCH_RAW_RING_H

#include "bench/lib/gen.h"

extern const struct gen_bus raw_ring;

#endif
