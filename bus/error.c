/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The table of errors in words, and the making of one error for a person. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "bus/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct row {
	int code;
	int exit;
	const char *name;
	const char *text;
	const char *hint;
};

static const struct row table[] = {
	{WEIR_E_NONE, 0, "NONE", "no error", ""},
#define WEIR_ERR(name, number, family, exit, what, try) \
	{number, exit, #name, what, try},
#include <weir/err.def>
#undef WEIR_ERR
};

static const struct row unknown = {-1, 1, "UNKNOWN", "an unknown error code",
	"the code comes from a newer version of Weir, or was overwritten"};

static const struct row *
row_of(int code)
{
	/* Codes are accepted as returned or plain; negating as unsigned takes INT_MIN. */
	unsigned plain = code < 0 ? 0u - (unsigned)code : (unsigned)code;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if ((unsigned)table[i].code == plain)
			return &table[i];
	return &unknown;
}

const char *
weir_err_name(int code)
{
	return row_of(code)->name;
}

const char *
weir_err_text(int code)
{
	return row_of(code)->text;
}

const char *
weir_err_hint(int code)
{
	return row_of(code)->hint;
}

int
weir_err_exit(int code)
{
	return row_of(code)->exit;
}

/*
 * Makes the string at buf fit for one line on a terminal. If it was cut, the character
 * that was cut through goes as a whole.
 */
static void
tidy(char *buf, int cut)
{
	size_t len = strlen(buf);

	if (cut) {
		size_t start = len;
		unsigned char lead;
		size_t want;

		while (start > 0 && ((unsigned char)buf[start - 1] & 0xc0) == 0x80)
			start--;
		if (start > 0) {
			lead = (unsigned char)buf[start - 1];
			want = lead >= 0xf0    ? 4
				: lead >= 0xe0 ? 3
				: lead >= 0xc0 ? 2
					       : 1;
			if (want > 1 && len - (start - 1) < want)
				buf[start - 1] = '\0';
		}
	}
	for (; *buf; buf++)
		if ((unsigned char)*buf < 0x20 || *buf == 0x7f)
			*buf = '?';
}

static void
format(char *buf, size_t size, const char *fmt, va_list args)
{
	int n = vsnprintf(buf, size, fmt, args);

	if (n < 0)
		buf[0] = '\0';
	tidy(buf, n >= 0 && (size_t)n >= size);
}

int
wr_error_set(struct weir_error *err, int code, int os, const char *fmt, ...)
{
	const struct row *row = row_of(code);

	if (!err)
		return -code;
	err->code = code;
	err->os = os;
	err->where[0] = '\0';
	err->differs[0] = '\0';
	if (fmt) {
		va_list args;

		va_start(args, fmt);
		format(err->text, sizeof(err->text), fmt, args);
		va_end(args);
	} else {
		snprintf(err->text, sizeof(err->text), "%s", row->text);
	}
	if (os) {
		char space[96];
		size_t len = strlen(err->text);
		int n = snprintf(err->text + len, sizeof(err->text) - len, ": %s",
			strerror_r(os, space, sizeof(space)));

		tidy(err->text, n >= 0 && (size_t)n >= sizeof(err->text) - len);
	}
	snprintf(err->hint, sizeof(err->hint), "%s", row->hint);
	return -code;
}

void
wr_error_where(struct weir_error *err, const char *fmt, ...)
{
	va_list args;

	if (!err)
		return;
	va_start(args, fmt);
	format(err->where, sizeof(err->where), fmt, args);
	va_end(args);
}

void
wr_error_differs(struct weir_error *err, const char *fmt, ...)
{
	va_list args;

	if (!err)
		return;
	va_start(args, fmt);
	format(err->differs, sizeof(err->differs), fmt, args);
	va_end(args);
}

void
wr_error_try(struct weir_error *err, const char *fmt, ...)
{
	va_list args;

	if (!err)
		return;
	va_start(args, fmt);
	format(err->hint, sizeof(err->hint), fmt, args);
	va_end(args);
}

void
wr_error_clear(struct weir_error *err)
{
	if (err)
		memset(err, 0, sizeof(*err));
}

int
wr_error_from_errno(int os)
{
	switch (os) {
	case EMFILE:
	case ENFILE:
		return WEIR_E_ENV_FILES;
	case ENOMEM:
	case ENOSPC:
	case EDQUOT:
		return WEIR_E_ENV_MEMORY;
	case EFBIG:
		return WEIR_E_ENV_FSIZE;
	case EACCES:
	case EPERM:
		return WEIR_E_ENV_DENIED;
	case ENOSYS:
		return WEIR_E_ENV_NOSYS;
	case EAGAIN: /* What pthread_create answers at the limit of processes. */
		return WEIR_E_ENV_THREADS;
	default:
		return WEIR_E_ENV_OS;
	}
}

int
wr_error_os(struct weir_error *err, int os, const char *call)
{
	return wr_error_set(err, wr_error_from_errno(os), os, "%s", call);
}

int
weir_error_format(const weir_error *err, const char *prefix, char *buf, size_t size)
{
	const char *text;

	if (!err || !err->code) {
		if (size)
			buf[0] = '\0';
		return 0;
	}
	text = err->text[0] ? err->text : weir_err_text(err->code);
	return snprintf(buf, size, "%s: error %s: %s\n%s%s%s%s%s%s%s%s%s",
		prefix ? prefix : "weir", weir_err_name(err->code), text,
		err->where[0] ? "  at: " : "", err->where, err->where[0] ? "\n" : "",
		err->differs[0] ? "  differs: " : "", err->differs,
		err->differs[0] ? "\n" : "", err->hint[0] ? "  try: " : "", err->hint,
		err->hint[0] ? "\n" : "");
}
