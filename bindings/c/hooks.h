/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WR_BINDINGS_C_HOOKS_H
#define WR_BINDINGS_C_HOOKS_H

#include "protocols/bus.h"

/* From here on hooks can be set. Ended by wr_hooks_fini, after the reactor. ENV_MEMORY. */
int wr_bus_hooks_init(struct weir_bus *bus);

#endif
