/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A bus of the process of a crew that opens one. */
#ifndef BENCH_OURS_BUS_H
#define BENCH_OURS_BUS_H

#include <weir/weir.h>

#include "bench/lib/crew.h"

/* Without a word on stderr and with signals left alone, idling so (enum weir_idle). NULL, and
 * the crew has failed with the reason. The caller closes it. */
weir_bus *bench_open_bus(
	struct crew *crew, const char *name, const char *dir, uint32_t idle);

#endif
