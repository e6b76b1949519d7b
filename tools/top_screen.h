/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * "weir top" on a terminal: draws the rows of tools/top.h, and heeds the keys. All that knows
 * of ncurses is behind this; what is built without it has no screen.
 */
#ifndef TOOLS_TOP_SCREEN_H
#define TOOLS_TOP_SCREEN_H

#include "tools/top_look.h"

/* Where it begins. */
struct top_start {
	int tab;      /* enum top_tab */
	int every_ms; /* between two looks */
};

/* True if there is a screen, and this terminal can show it. Else *why says what is missing. */
int top_screen_fits(const char **why);
/* Until somebody quits: TOOL_YES; or a signal comes: TOOL_INTERRUPTED. The terminal is then
 * as it was. */
int top_screen(struct top_source *source, const struct top_start *start);

#endif
