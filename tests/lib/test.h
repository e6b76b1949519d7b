/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * All that a test needs to know. tests/<room>/test_<file>.c looks like this, and needs no
 * other registration: the build finds the file, ctest gets one entry per test.
 *
 *	#include "tests/lib/test.h"
 *
 *	static void
 *	wraps_at_the_end(void)
 *	{
 *		CHECK_EQ(1 + 1, 2);
 *	}
 *
 *	static const struct wr_test tests[] = {
 *		TEST(wraps_at_the_end),
 *		TEST(survives_a_kill, .labels = "concurrency", .watchdog_s = 120),
 *		TEST_END
 *	};
 *	const struct wr_suite wr_suite_<file> = {.name = "<file>", .tests = tests};
 *
 * Each test runs in a process of its own, with a private WEIR_RUNTIME_DIR that is removed
 * afterwards (tmpdir.h); all processes it started end with it. No test asserts a maximum
 * duration: the watchdog ends a hang and names the test, and the line that was reached last;
 * who waits for what another does, waits with await.h.
 *
 * Labels in use: "concurrency" and "input" (bad input); these also run under the
 * sanitizers in .ci/run, so give them to the suites that should.
 */
#ifndef WR_TESTS_LIB_TEST_H
#define WR_TESTS_LIB_TEST_H

#include <stddef.h>
#include <stdint.h>

struct wr_test {
	const char *name;
	void (*run)(void);
	const char *labels; /* "a,b"; NULL: those of the suite. "alone": beside no other test */
	unsigned watchdog_s; /* 0: that of the suite, or 60 */
};

/* A program of a test: weir_tests --helper NAME args. argv[0] is the name. */
struct wr_helper {
	const char *name;
	int (*main)(int argc, char **argv);
};

struct wr_suite {
	const char *name;
	const struct wr_test *tests;     /* ends with TEST_END */
	const struct wr_helper *helpers; /* ends with HELPER_END; NULL: none */
	const char *labels;
	unsigned watchdog_s;
};

/* clang-format off */
#define TEST(fn, ...)   {.name = #fn, .run = fn, __VA_ARGS__}
#define TEST_END        {.name = NULL}
#define HELPER(fn)      {.name = #fn, .main = fn}
#define HELPER_END      {.name = NULL}
/* clang-format on */

/* A check that fails is printed and counted, and the test goes on. Both sides of CHECK_EQ
 * are compared as 64-bit integers; pointers go through CHECK. Any thread may check. */
#define CHECK(x) wr_test_check(!!(x), #x, __FILE__, __LINE__)
#define CHECK_EQ(a, b) \
	wr_test_eq((long long)(a), (long long)(b), #a, #b, __FILE__, __LINE__)
#define CHECK_STR(a, b)       wr_test_str((a), (b), #a, #b, __FILE__, __LINE__)
#define CHECK_MEM(a, b, size) wr_test_mem((a), (b), (size), #a, #b, __FILE__, __LINE__)
#define FAIL(...)             wr_test_fail(__FILE__, __LINE__, __VA_ARGS__)

/* Ends the test where the rest would make no sense. Thread of the test only; in a helper
 * it ends the helper with exit 1. */
#define REQUIRE(x) \
	do { \
		if (!wr_test_check(!!(x), #x, __FILE__, __LINE__)) \
			wr_test_end(); \
	} while (0)
#define REQUIRE_EQ(a, b) \
	do { \
		if (!wr_test_eq((long long)(a), (long long)(b), #a, #b, __FILE__, \
			    __LINE__)) \
			wr_test_end(); \
	} while (0)

/* Ends the test as skipped, which ctest shows as such; why is a whole reason. A test that
 * has already failed stays failed. */
#define TEST_SKIP(...) wr_test_skip(__VA_ARGS__)

/* Says where it is, for the watchdog: what waits without checking does. Any thread. */
void wr_test_here(const char *file, int line);

/* Prints a line of the test's own, for whoever reads the log. */
void wr_test_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* 1 if the run was asked to be long (./dev test --long, or WEIR_TEST_LONG=1). */
int wr_test_long(void);

/* How much slower this build is to be taken to be: 1, more under a sanitizer. */
unsigned wr_test_slowness(void);

/* What the macros call. */
int wr_test_check(int good, const char *text, const char *file, int line);
int wr_test_eq(long long a, long long b, const char *text_a, const char *text_b,
	const char *file, int line);
int wr_test_str(const char *a, const char *b, const char *text_a, const char *text_b,
	const char *file, int line);
int wr_test_mem(const void *a, const void *b, size_t size, const char *text_a,
	const char *text_b, const char *file, int line);
void wr_test_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void wr_test_end(void) __attribute__((noreturn));
void wr_test_skip(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif
