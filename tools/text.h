/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Numbers, bytes and tables as a person reads them. */
#ifndef TOOLS_TEXT_H
#define TOOLS_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Small texts are returned by value, to be used within one call of printf. */
struct text {
	char s[32];
};

struct text text_count(uint64_t value);   /* 24,012 */
struct text text_short(uint64_t value);   /* 24.0k */
struct text text_rate(double per_second); /* 2.00k/s */
struct text text_bytes(double bytes);     /* 3.1 MB (powers of ten) */
struct text text_ns(double ns);           /* 12 us */

/* Length of the UTF-8 sequence at p, of at most left bytes; 0 if it is not one. */
size_t text_utf8(const unsigned char *p, size_t left);
int text_is_utf8(const void *data, size_t len);

/*
 * Does the topic match the pattern, as the bus means it: dot-separated tokens, '*' is
 * one of them, '>' is one or more at the end.
 */
int text_topic_matches(const char *pattern, const char *topic);

/*
 * A table: cells are added from left to right, row by row, the first row is the header;
 * printing gives each column the width that it needs. align has one letter for each
 * column, 'l' or 'r'.
 */
struct table {
	const char *align;
	size_t columns;
	size_t count;
	size_t room;
	char **cells;
};
void table_init(struct table *t, const char *align);
void table_add(struct table *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Prints and frees it; bold: the header in bold. */
void table_print(struct table *t, FILE *out, int bold);
void table_free(struct table *t);

#endif
