/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What "weir top" says at length: of the row that is selected, and of itself. */
#ifndef TOOLS_TOP_PAGE_H
#define TOOLS_TOP_PAGE_H

#include <stdio.h>

#include "tools/top_look.h"

/* All that is known of what the row is about. */
void top_page_info(
	FILE *out, struct top_source *source, const struct top_view *view, size_t row);
/* Why consumers are where they are: the one of the row, or those of its loop or topic that
 * are above tier monitor. The words are those of "weir consumer why". */
void top_page_why(
	FILE *out, struct top_source *source, const struct top_view *view, size_t row);
/* The keys, and what the columns mean. */
void top_page_help(FILE *out);

#endif
