/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Filling a struct weir_error: what, where, what differs, what to try.
 *
 *	return wr_error_set(err, WEIR_E_ENV_OS, errno, "%s failed", "bind");
 *
 * Every function takes err = NULL and then only computes its result. The strings that
 * reach a person are made printable here: control characters become '?', and a text that
 * is too long ends at a whole character. Any thread; no allocation.
 */
#ifndef WR_BUS_ERROR_H
#define WR_BUS_ERROR_H

#include <weir/error.h>

#define WR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/*
 * Starts an error: code and text, its hint from the table; where and differs become
 * empty. os is the errno behind it and is appended to the text in words, 0 = none.
 * fmt may be NULL: the table's text. Returns -code.
 */
int wr_error_set(struct weir_error *err, int code, int os, const char *fmt, ...)
	WR_PRINTF(4, 5);

/* Add to a started error: which bus, topic, peer; found against expected; what to try. */
void wr_error_where(struct weir_error *err, const char *fmt, ...) WR_PRINTF(2, 3);
void wr_error_differs(struct weir_error *err, const char *fmt, ...) WR_PRINTF(2, 3);
void wr_error_try(struct weir_error *err, const char *fmt, ...) WR_PRINTF(2, 3);

/* No error. */
void wr_error_clear(struct weir_error *err);

/* The ENV code (positive) that fits the errno of a failed system call. */
int wr_error_from_errno(int os);

/* A failed system call in one line: wr_error_from_errno(os), "call: reason". */
int wr_error_os(struct weir_error *err, int os, const char *call);

#endif
