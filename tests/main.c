/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * weir_tests                            every test
 * weir_tests <suite> | <suite>/<test>   those
 * weir_tests --here <suite>/<test>      in this process, for a debugger
 * weir_tests --list | --list-ctest      their names; with watchdog and labels, for ctest
 * weir_tests --helper <name> [args]     the program that a test starts
 *
 * Each test runs in a child that is watched: the parent owns its directory and its
 * watchdog, and ends whatever it leaves running. Exits 1 if anything failed, 77 if
 * everything was skipped, 2 for a usage mistake. (CUnit's own runners return 0 whatever
 * happened, so the failures are counted here.)
 */
#include "tests/lib/run.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"

#include <CUnit/CUnit.h>
#include <CUnit/TestDB.h>
#include <CUnit/TestRun.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SUITE(name) extern const struct wr_suite wr_suite_##name;
#include "list.h"
#undef SUITE

static const struct wr_suite *const suites[] = {
#define SUITE(name) &wr_suite_##name,
#include "list.h"
#undef SUITE
	NULL,
};

enum { WATCHDOG_S = 60, EXIT_SKIPPED = 77 };

struct verdict {
	unsigned passed, failed, skipped;
};

static struct wr_run now;
static struct wr_place *place;
static const struct wr_test *running;

struct wr_run *
wr_run_now(void)
{
	return &now;
}

static unsigned
watchdog_of(const struct wr_suite *s, const struct wr_test *t)
{
	unsigned seconds = t->watchdog_s ? t->watchdog_s : s->watchdog_s;

	return (seconds ? seconds : WATCHDOG_S) * wr_test_slowness() *
		(wr_test_long() ? 20 : 1);
}

/* ---- in the child: one test, under CUnit -------------------------------------------- */

static void
run_test(void)
{
	/* Our own jump, because CUnit's is private to its assertions. */
	if (!setjmp(now.end))
		running->run();
}

static int
run_here(const struct wr_suite *s, const struct wr_test *t)
{
	CU_pSuite suite;
	CU_pTest test;
	unsigned failures;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	suite = CU_add_suite(s->name, NULL, NULL);
	test = suite ? CU_add_test(suite, t->name, run_test) : NULL;
	if (!test) {
		fprintf(stderr, "CUnit: %s\n", CU_get_error_msg());
		return 1;
	}
	now.place = place;
	now.in_cunit = 1;
	running = t;
	if (CU_run_test(suite, test) != CUE_SUCCESS)
		return 1;
	failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	fflush(NULL);
	if (failures || now.failed)
		return 1;
	if (now.skipped)
		return EXIT_SKIPPED;
	if (!now.checked) {
		fprintf(stderr, "%s/%s checked nothing\n", s->name, t->name);
		return 1;
	}
	return 0;
}

/* ---- in the parent ------------------------------------------------------------------- */

static double
seconds_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Waits for the end of the child, at most so long. 1 = it has ended. */
static int
await(pid_t pid, unsigned seconds, int *status)
{
	double end = seconds_now() + seconds, left;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (;;) {
		struct timespec ts;
		pid_t got = waitpid(pid, status, WNOHANG);

		if (got == pid)
			return 1;
		left = end - seconds_now();
		if (left <= 0)
			return 0;
		ts.tv_sec = (time_t)left;
		ts.tv_nsec = (long)((left - (double)ts.tv_sec) * 1e9);
		sigtimedwait(&set, NULL, &ts);
	}
}

/* Ends the group of the test, and whoever left it: orphans become ours. */
static void
sweep(pid_t group)
{
	char path[64], line[4096], *next;
	FILE *f;

	kill(-group, SIGKILL);
	for (;;) {
		snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
		f = fopen(path, "re");
		line[0] = '\0';
		if (f) {
			if (!fgets(line, sizeof(line), f))
				line[0] = '\0';
			fclose(f);
		}
		for (next = line; *next;) {
			long pid = strtol(next, &next, 10);

			if (pid <= 0)
				break;
			kill((pid_t)pid, SIGKILL);
			next += strspn(next, " ");
		}
		if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD)
			return;
	}
}

/* Runs one test in a child: 0, 1 or 77. */
static int
run_apart(const struct wr_suite *s, const struct wr_test *t)
{
	unsigned seconds = watchdog_of(s, t);
	pid_t parent = getpid(), pid;
	int status = 0, code = 1;

	if (wr_tmpdir_make()) {
		perror("mkdtemp");
		return 1;
	}
	place->file = NULL;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		sigset_t none;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		setpgid(0, 0);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		exit(run_here(s, t));
	}
	if (pid < 0) {
		perror("fork");
		wr_tmpdir_remove(wr_tmpdir());
		return 1;
	}
	setpgid(pid, pid);
	if (!await(pid, seconds, &status)) {
		fprintf(stderr,
			"%s/%s: the watchdog ended it after %u s, last check at %s:%d\n",
			s->name, t->name, seconds,
			place->file ? (const char *)place->file : "(none)", place->line);
	} else if (WIFSIGNALED(status)) {
		fprintf(stderr, "%s/%s: died of signal %d (%s), last check at %s:%d\n",
			s->name, t->name, WTERMSIG(status), strsignal(WTERMSIG(status)),
			place->file ? (const char *)place->file : "(none)", place->line);
	} else {
		code = WEXITSTATUS(status);
	}
	sweep(pid);
	wr_tmpdir_remove(wr_tmpdir());
	return code;
}

static int
matches(const char *what, const struct wr_suite *s, const struct wr_test *t)
{
	size_t len = strlen(s->name);

	if (!what)
		return 1;
	if (strncmp(what, s->name, len) != 0)
		return 0;
	return !what[len] || (what[len] == '/' && !strcmp(what + len + 1, t->name));
}

static void
run_all(const char *what, struct verdict *v)
{
	const struct wr_suite *const *s;
	const struct wr_test *t;

	for (s = suites; *s; s++) {
		for (t = (*s)->tests; t->name; t++) {
			const char *word = "ok";

			if (!matches(what, *s, t))
				continue;
			switch (run_apart(*s, t)) {
			case 0:
				v->passed++;
				break;
			case EXIT_SKIPPED:
				v->skipped++;
				word = "skipped";
				break;
			default:
				v->failed++;
				word = "FAILED";
			}
			printf("%-7s %s/%s\n", word, (*s)->name, t->name);
			fflush(stdout);
		}
	}
}

static int
list(int for_ctest)
{
	const struct wr_suite *const *s;
	const struct wr_test *t;

	for (s = suites; *s; s++) {
		for (t = (*s)->tests; t->name; t++) {
			const char *labels = t->labels ? t->labels : (*s)->labels;

			printf("%s/%s", (*s)->name, t->name);
			/* ctest is the second watchdog, for when this one is stopped. */
			if (for_ctest)
				printf("\t%u\t%s", watchdog_of(*s, t) + 60,
					labels ? labels : "");
			putchar('\n');
		}
	}
	return 0;
}

static int
help_out(int argc, char **argv)
{
	const struct wr_suite *const *s;
	const struct wr_helper *h;
	int code;

	for (s = suites; *s; s++) {
		for (h = (*s)->helpers; h && h->name; h++) {
			if (strcmp(h->name, argv[0]) != 0)
				continue;
			code = h->main(argc, argv);
			return now.failed ? 1 : code;
		}
	}
	fprintf(stderr, "no helper is called '%s'\n", argv[0]);
	return 2;
}

static int
debug(const char *what)
{
	const struct wr_suite *const *s;
	const struct wr_test *t;
	int code;

	for (s = suites; *s; s++) {
		for (t = (*s)->tests; t->name; t++) {
			if (!matches(what, *s, t))
				continue;
			if (wr_tmpdir_make())
				return 1;
			code = run_here(*s, t);
			wr_tmpdir_remove(wr_tmpdir());
			return code;
		}
	}
	fprintf(stderr, "no test is called '%s'; see --list\n", what);
	return 2;
}

int
main(int argc, char **argv)
{
	struct verdict v = {0, 0, 0};
	sigset_t set;

	if (argc > 2 && !strcmp(argv[1], "--helper"))
		return help_out(argc - 2, argv + 2);
	if (argc == 2 && !strcmp(argv[1], "--list"))
		return list(0);
	if (argc == 2 && !strcmp(argv[1], "--list-ctest"))
		return list(1);
	place = mmap(NULL, sizeof(*place), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (place == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	if (argc == 3 && !strcmp(argv[1], "--here"))
		return debug(argv[2]);
	if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
		fprintf(stderr,
			"usage: %s [SUITE[/TEST]] | --list | --here SUITE/TEST | "
			"--helper NAME [ARGS]\n",
			argv[0]);
		return 2;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	run_all(argc == 2 ? argv[1] : NULL, &v);
	if (!v.passed && !v.failed && !v.skipped) {
		fprintf(stderr, "no test is called '%s'; see --list\n",
			argc == 2 ? argv[1] : "");
		return 2;
	}
	printf("%u passed, %u failed, %u skipped\n", v.passed, v.failed, v.skipped);
	if (v.failed)
		return 1;
	return v.passed ? 0 : EXIT_SKIPPED;
}
