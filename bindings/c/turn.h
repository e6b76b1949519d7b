/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WR_BINDINGS_C_TURN_H
#define WR_BINDINGS_C_TURN_H

#include "protocols/bus.h"

/* One turn of the bus's loop, as weir_turn, for calls that turn it themselves. Returns the
 * work done; *verdict is what a callback ended it with, or 0. The bus's own thread. */
int wr_bus_turn(struct weir_bus *bus, int timeout_ms, int *verdict);

#endif
