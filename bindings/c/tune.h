/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WR_BINDINGS_C_TUNE_H
#define WR_BINDINGS_C_TUNE_H

#include "protocols/bus.h"

/* Cores first, before anything is made: of the loop's thread, and, when they are kept apart,
 * of its timers. A bus does not open without them: ENV_OS, ENV_THREADS, ENV_MEMORY. */
int wr_bus_bind(struct weir_bus *bus, const weir_bus_opts *opts, struct weir_error *err);

/* Large pages, before there are streams. */
void wr_bus_enlarge(struct weir_bus *bus, const weir_bus_opts *opts);

/* How the loop's thread ranks, when no thread is to inherit it any more. */
void wr_bus_rank(struct weir_bus *bus, const weir_bus_opts *opts);

/* USAGE_INVAL for what no kernel would grant. */
int wr_tune_check(const weir_bus_opts *opts, struct weir_error *err);

/* Ends what was made for them. */
void wr_bus_untune(struct weir_bus *bus);

#endif
