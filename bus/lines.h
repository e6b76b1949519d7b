/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Memory for what has cache lines of its own in it. Freed with free.
 */
#ifndef WR_BUS_LINES_H
#define WR_BUS_LINES_H

#include <stdlib.h>
#include <string.h>

#include "bus/layout.h"

/* Zeroed, and at the begin of a line; NULL: no memory. */
static inline void *
wr_lines_alloc(size_t size)
{
	void *memory;

	if (posix_memalign(&memory, WR_LINE, size) != 0)
		return NULL;
	return memset(memory, 0, size);
}

#endif
