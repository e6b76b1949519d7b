/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/error.h"

#include "tests/lib/test.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static const struct {
	int code, family, exit;
	const char *name, *text, *hint;
} table[] = {
#define WEIR_ERR(name, number, family, exit, what, try) \
	{WEIR_E_##name, WEIR_##family, exit, #name, what, try},
#include <weir/err.def>
#undef WEIR_ERR
};
enum { ROWS = sizeof(table) / sizeof(table[0]) };

static void
table_is_complete(void)
{
	CHECK(ROWS > 30);
	for (size_t i = 0; i < ROWS; i++) {
		CHECK_STR(weir_err_name(table[i].code), table[i].name);
		CHECK_STR(weir_err_name(-table[i].code), table[i].name);
		CHECK_STR(weir_err_text(table[i].code), table[i].text);
		CHECK_STR(weir_err_hint(-table[i].code), table[i].hint);
		CHECK_EQ(weir_err_exit(-table[i].code), table[i].exit);
		CHECK_EQ(WEIR_FAMILY(table[i].code), table[i].family);
		CHECK_EQ(WEIR_FAMILY(-table[i].code), table[i].family);
		/* What a person reads is there, and fits its place. */
		CHECK(table[i].text[0] && table[i].hint[0]);
		CHECK(strlen(table[i].hint) < sizeof(((struct weir_error *)0)->hint));
		for (size_t k = 0; k < i; k++) {
			CHECK(table[i].code != table[k].code);
			CHECK(strcmp(table[i].name, table[k].name) != 0);
		}
	}
}

static void
unknown_codes_say_so(void)
{
	static const int codes[] = {1, 99, 100, 999, -999, INT_MAX, INT_MIN};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		CHECK_STR(weir_err_name(codes[i]), "UNKNOWN");
		CHECK(weir_err_text(codes[i])[0]);
		CHECK(weir_err_hint(codes[i])[0]);
		CHECK_EQ(weir_err_exit(codes[i]), 1);
	}
	CHECK_STR(weir_err_name(0), "NONE");
	CHECK_EQ(weir_err_exit(0), 0);
}

static void
four_lines(void)
{
	struct weir_error err;
	char buf[1024];
	int n;

	memset(&err, 'x', sizeof(err));
	CHECK_EQ(wr_error_set(&err, WEIR_E_AGAIN_FULL, 0, "%d of %d", 3, 4),
		-WEIR_E_AGAIN_FULL);
	CHECK_EQ(err.code, WEIR_E_AGAIN_FULL);
	CHECK_EQ(err.os, 0);
	n = weir_error_format(&err, NULL, buf, sizeof(buf));
	CHECK_STR(buf,
		"weir: error AGAIN_FULL: 3 of 4\n"
		"  try: wait longer (.wait_ms), enlarge .window, or see who blocks in the "
		"text\n");
	CHECK_EQ(n, strlen(buf));

	wr_error_where(&err, "bus %s", "default");
	wr_error_differs(&err, "needs %d", 7);
	wr_error_try(&err, "less");
	n = weir_error_format(&err, "./viewer", buf, sizeof(buf));
	CHECK_STR(buf,
		"./viewer: error AGAIN_FULL: 3 of 4\n  at: bus default\n"
		"  differs: needs 7\n  try: less\n");
	CHECK_EQ(n, strlen(buf));

	/* A new error keeps nothing of the old one. */
	wr_error_set(&err, WEIR_E_GONE_END, 0, NULL);
	wr_error_try(&err, "%s", "");
	weir_error_format(&err, "weir", buf, sizeof(buf));
	CHECK_STR(buf,
		"weir: error GONE_END: the stream has ended and everything in it "
		"was delivered\n");
}

static void
errno_in_words(void)
{
	struct weir_error err;

	CHECK_EQ(wr_error_set(&err, WEIR_E_ENV_OS, ENOENT, "bind"), -WEIR_E_ENV_OS);
	CHECK_EQ(err.os, ENOENT);
	CHECK_STR(err.text, "bind: No such file or directory");
	CHECK_EQ(wr_error_os(&err, EMFILE, "socket"), -WEIR_E_ENV_FILES);
	CHECK_STR(err.text, "socket: Too many open files");
}

static void
each_errno_has_its_code(void)
{
	static const struct {
		int os, code;
	} map[] = {{EMFILE, WEIR_E_ENV_FILES}, {ENFILE, WEIR_E_ENV_FILES},
		{ENOMEM, WEIR_E_ENV_MEMORY}, {ENOSPC, WEIR_E_ENV_MEMORY},
		{EFBIG, WEIR_E_ENV_FSIZE}, {EACCES, WEIR_E_ENV_DENIED},
		{EPERM, WEIR_E_ENV_DENIED}, {ENOSYS, WEIR_E_ENV_NOSYS},
		{EAGAIN, WEIR_E_ENV_THREADS}, {EIO, WEIR_E_ENV_OS}, {0, WEIR_E_ENV_OS},
		{-1, WEIR_E_ENV_OS}, {INT_MAX, WEIR_E_ENV_OS}};

	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		CHECK_EQ(wr_error_from_errno(map[i].os), map[i].code);
}

static void
nobody_to_tell(void)
{
	char buf[8] = "x";

	CHECK_EQ(wr_error_set(NULL, WEIR_E_ENV_OS, EIO, "%s", "x"), -WEIR_E_ENV_OS);
	CHECK_EQ(wr_error_os(NULL, ENOMEM, "x"), -WEIR_E_ENV_MEMORY);
	wr_error_where(NULL, "x");
	wr_error_differs(NULL, "x");
	wr_error_try(NULL, "x");
	wr_error_clear(NULL);
	CHECK_EQ(weir_error_format(NULL, NULL, buf, sizeof(buf)), 0);
	CHECK_STR(buf, "");
}

static void
no_error_prints_nothing(void)
{
	struct weir_error err;
	char buf[8] = "x";

	memset(&err, 'x', sizeof(err));
	wr_error_clear(&err);
	CHECK_EQ(err.code, 0);
	CHECK_EQ(weir_error_format(&err, "weir", buf, sizeof(buf)), 0);
	CHECK_STR(buf, "");
}

static void
long_texts_end_whole(void)
{
	struct weir_error err;
	char text[400];

	/* Two-byte characters, so that one of them lies across the end. */
	for (size_t i = 0; i + 1 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	text[sizeof(text) - 2] = '\0';
	for (int lead = 0; lead < 2; lead++) {
		wr_error_set(&err, WEIR_E_ENV_OS, 0, "%s%s", lead ? "" : "x", text);
		CHECK(strlen(err.text) >= sizeof(err.text) - 2);
		CHECK(strlen(err.text) % 2 == (lead ? 0u : 1u));
		wr_error_where(&err, "%s%s", lead ? "" : "x", text);
		CHECK(strlen(err.where) % 2 == (lead ? 0u : 1u));
	}
	/* The reason does not overrun it either. */
	wr_error_set(&err, WEIR_E_ENV_OS, ENOENT, "%s", text);
	CHECK(strlen(err.text) < sizeof(err.text));
}

static void
no_line_breaks_from_outside(void)
{
	struct weir_error err;

	wr_error_set(&err, WEIR_E_ENV_OS, 0, "a\nweir: error\x1b[2J\x7f");
	CHECK_STR(err.text, "a?weir: error?[2J?");
	wr_error_where(&err, "x\ry");
	CHECK_STR(err.where, "x?y");
}

static void
small_buffers(void)
{
	struct weir_error err;
	char whole[1024], buf[1024];
	int n;

	wr_error_set(&err, WEIR_E_ENV_OS, 0, "text");
	wr_error_where(&err, "here");
	n = weir_error_format(&err, "weir", whole, sizeof(whole));
	CHECK_EQ(weir_error_format(&err, "weir", NULL, 0), n);
	for (int size = 1; size <= n + 1; size++) {
		memset(buf, 'x', sizeof(buf));
		CHECK_EQ(weir_error_format(&err, "weir", buf, (size_t)size), n);
		CHECK_EQ(strlen(buf), size - 1);
		CHECK_MEM(buf, whole, (size_t)size - 1);
		CHECK_EQ(buf[size], 'x');
	}
}

static const struct wr_test tests[] = {
	TEST(table_is_complete),
	TEST(unknown_codes_say_so),
	TEST(four_lines),
	TEST(errno_in_words),
	TEST(each_errno_has_its_code),
	TEST(nobody_to_tell),
	TEST(no_error_prints_nothing),
	TEST(long_texts_end_whole),
	TEST(no_line_breaks_from_outside),
	TEST(small_buffers),
	TEST_END,
};
const struct wr_suite wr_suite_error = {
	.name = "error", .tests = tests, .labels = "input"};
