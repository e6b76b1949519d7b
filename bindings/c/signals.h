/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * SIGINT and SIGTERM for programs that leave them at their default: caught while a loop
 * of ours runs, given back afterwards.
 */
#ifndef WR_BINDINGS_SIGNALS_H
#define WR_BINDINGS_SIGNALS_H

#include <weir/weir.h>

/* The bus is stopped by SIGINT and SIGTERM from now on, where their disposition is the
 * default. Counted: each watch has its release. 0, or AGAIN_QUOTA when 64 buses watch. */
int wr_signals_watch(weir_bus *bus);
void wr_signals_release(weir_bus *bus);

#endif
