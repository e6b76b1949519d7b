/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WR_BINDINGS_C_TIERS_H
#define WR_BINDINGS_C_TIERS_H

#include "protocols/bus.h"

/* How the bus's consumers climb: by what the program asked for (NULL: "balanced"), and what
 * the environment says about it. USAGE_INVAL names what is wrong. */
int wr_bus_tiers_init(struct weir_bus *bus, const char *asked, struct weir_error *err);

#endif
