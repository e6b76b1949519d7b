/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Checks, in terms of CUnit where a test of it is running, and of exit codes in helpers. */
#include "tests/lib/test.h"
#include "tests/lib/run.h"

#include <CUnit/CUnit.h>
#include <CUnit/TestRun.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* CUnit counts without a lock; tests check from several threads. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#if defined(WR_TSAN)
const char *__tsan_default_options(void);

/* A child that was forked beside threads has none of them, and is told that it leaks
 * them. That a library leaves no thread is asked of /proc, by name. */
const char *
__tsan_default_options(void)
{
	return "report_thread_leaks=0";
}
#endif

static void
say(const char *kind, const char *file, int line, const char *text)
{
	fprintf(stderr, "%s:%d: %s%s\n", file, line, kind, text);
	fflush(stderr);
}

/* With the lock. */
static void
note_place(const struct wr_run *run, const char *file, int line)
{
	if (!run->place)
		return;
	run->place->file = file;
	run->place->line = line;
}

static int
count(int good, const char *file, int line, const char *text)
{
	struct wr_run *run = wr_run_now();
	char *copy = NULL;

	if (!good)
		say("failed: ", file, line, text);
	pthread_mutex_lock(&lock);
	note_place(run, file, line);
	if (!good)
		run->failed++;
	run->checked++;
	if (run->in_cunit) {
		/* CUnit keeps the text of a failure, until the process ends. */
		copy = good ? NULL : strdup(text);
		CU_assertImplementation(good ? CU_TRUE : CU_FALSE, (unsigned)line,
			copy ? copy : "", file, "", CU_FALSE);
		free(copy);
	}
	pthread_mutex_unlock(&lock);
	return good;
}

void
wr_test_here(const char *file, int line)
{
	pthread_mutex_lock(&lock);
	note_place(wr_run_now(), file, line);
	pthread_mutex_unlock(&lock);
}

int
wr_test_check(int good, const char *text, const char *file, int line)
{
	return count(good, file, line, text);
}

int
wr_test_eq(long long a, long long b, const char *text_a, const char *text_b,
	const char *file, int line)
{
	char text[512];

	if (a == b)
		return count(1, file, line, text_a);
	snprintf(text, sizeof(text), "%s is %lld (0x%llx), %s is %lld (0x%llx)", text_a,
		a, (unsigned long long)a, text_b, b, (unsigned long long)b);
	return count(0, file, line, text);
}

int
wr_test_str(const char *a, const char *b, const char *text_a, const char *text_b,
	const char *file, int line)
{
	char text[2048];

	if (a && b && !strcmp(a, b))
		return count(1, file, line, text_a);
	snprintf(text, sizeof(text), "%s is \"%.800s\", %s is \"%.800s\"", text_a,
		a ? a : "(null)", text_b, b ? b : "(null)");
	return count(0, file, line, text);
}

int
wr_test_mem(const void *a, const void *b, size_t size, const char *text_a,
	const char *text_b, const char *file, int line)
{
	const unsigned char *x = a, *y = b;
	char text[512];
	size_t i;

	for (i = 0; i < size && x[i] == y[i]; i++)
		;
	if (i == size)
		return count(1, file, line, text_a);
	snprintf(text, sizeof(text), "%s and %s differ at byte %zu of %zu: %02x, %02x",
		text_a, text_b, i, size, x[i], y[i]);
	return count(0, file, line, text);
}

void
wr_test_fail(const char *file, int line, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	count(0, file, line, text);
}

void
wr_test_end(void)
{
	struct wr_run *run = wr_run_now();

	fflush(NULL);
	if (run->in_cunit)
		longjmp(run->end, 1);
	_exit(1);
}

void
wr_test_skip(const char *fmt, ...)
{
	struct wr_run *run = wr_run_now();
	va_list ap;

	fputs("skipped: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	run->skipped = 1;
	if (run->in_cunit)
		wr_test_end();
	_exit(77);
}

void
wr_test_note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

int
wr_test_long(void)
{
	const char *value = getenv("WEIR_TEST_LONG");

	return value && *value && strcmp(value, "0") != 0;
}

unsigned
wr_test_slowness(void)
{
#if defined(WR_TEST_SLOWNESS)
	return WR_TEST_SLOWNESS;
#else
	return 1;
#endif
}
