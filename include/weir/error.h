/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The errors that calls answer with: codes, families, and the text made for a person. */
#ifndef WEIR_ERROR_H
#define WEIR_ERROR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Calls return >= 0 for good (often a count) and -WEIR_E_... otherwise. */
enum weir_err {
#define WEIR_ERR(name, number, family, exit, what, try) WEIR_E_##name = number,
#include <weir/err.def>
#undef WEIR_ERR
	WEIR_E_NONE = 0
};

/* What a caller can do about it, without knowing every code. */
enum weir_family {
	WEIR_OK = 0,
	WEIR_USAGE = 1, /* fix the program */
	WEIR_AGAIN = 2, /* ordinary: retry later */
	WEIR_GONE = 3,  /* open it again */
	WEIR_PEER = 4,  /* somebody else broke or died; we go on */
	WEIR_ENV = 5,   /* an operator must act */
	WEIR_DATA = 6   /* something is missing or damaged */
};

/* The family of a code, given as returned (negative) or plain. */
#define WEIR_FAMILY(code) ((enum weir_family)(((code) < 0 ? -(code) : (code)) / 100))

/*
 * What went wrong, for a person: four lines. Filled where a call fails; the strings are
 * complete, need no freeing, and are empty where nothing applies.
 */
typedef struct weir_error {
	int code;          /* positive WEIR_E_..., 0 = no error */
	int os;            /* errno behind it, 0 = none */
	char text[256];    /* what, with names and numbers */
	char where[160];   /* which bus, topic, peer, call */
	char differs[160]; /* what was found against what was expected */
	char hint[200];    /* what to try */
} weir_error;

/*
 * The constant's name ("AGAIN_FULL"), its meaning, its advice, and the exit code that the
 * weir command gives it. Any thread, no cost, never NULL; an unknown code says so.
 */
const char *weir_err_name(int code);
const char *weir_err_text(int code);
const char *weir_err_hint(int code);
int weir_err_exit(int code);

/*
 * Writes the error as up to four lines, each "prefix: ...\n", into buf (always ended).
 * Returns the length that the whole would need, as snprintf does. Any thread.
 */
int weir_error_format(const weir_error *err, const char *prefix, char *buf, size_t size);

#ifdef __cplusplus
}
#endif
#endif
