/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* "weir top --once": one look, on stdout, as tables or as JSON. */
#ifndef TOOLS_TOP_PRINT_H
#define TOOLS_TOP_PRINT_H

#include "tools/top.h"

/* tab: enum top_tab, or -1 for all of them. As -o says. */
void top_print(const struct top_look *look, int tab);

#endif
