/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Lines from a descriptor, without waiting longer than asked. */
#ifndef TOOLS_LINES_H
#define TOOLS_LINES_H

#include <stddef.h>
#include <stdint.h>

struct lines {
	int fd;
	int ended;
	size_t max; /* a longer line comes in pieces of this size */
	size_t at;
	size_t have;
	size_t scanned; /* bytes from at that hold no newline */
	char *buf;
};

/* 0, or -1 without memory. */
int lines_init(struct lines *l, int fd, size_t max);
void lines_fini(struct lines *l);

enum lines_answer { LINES_ONE, LINES_END, LINES_LATER, LINES_SIGNAL, LINES_ERROR };
/*
 * The next line, with its newline if it has one; valid until the next call. LINES_LATER:
 * the time (of weir_now_ns) has come first. LINES_ERROR: see errno.
 */
enum lines_answer lines_next(
	struct lines *l, uint64_t until_ns, const char **line, size_t *len);

#endif
