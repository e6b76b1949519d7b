/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The framework tested by itself: helpers of this suite fail, skip, hang and die, and the
 * tests look at what comes out of it. */
#include "tests/lib/await.h"
#include "tests/lib/fdleak.h"
#include "tests/lib/proc.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
echo(int argc, char **argv)
{
	char line[256];

	wr_helper_say("ready %d %s", argc, argc > 1 ? argv[1] : "");
	while (wr_helper_hear(line, sizeof(line)) >= 0)
		wr_helper_say("<%s>", line);
	return 7;
}

static int
bad_check(int argc, char **argv)
{
	CHECK_EQ(argc, -1);
	CHECK(argv == NULL);
	return 0;
}

static int
bad_require(int argc, char **argv)
{
	(void)argv;
	REQUIRE(argc < 0);
	wr_helper_say("went on");
	return 0;
}

static int
no_use(int argc, char **argv)
{
	(void)argc;
	TEST_SKIP("%s asks for it", argv[0]);
}

static void
helper_talks_and_exits(void)
{
	struct wr_proc p;
	char line[64];

	wr_proc_start(&p, "echo", "hi", NULL);
	wr_proc_expect(&p, "ready 2 hi");
	CHECK_EQ(wr_proc_say(&p, "a%d", 1), 0);
	wr_proc_expect(&p, "<a1>");
	wr_proc_say(&p, "b");
	wr_proc_say(&p, "c");
	wr_proc_expect(&p, "<b>");
	wr_proc_expect(&p, "<c>");
	wr_proc_hush(&p);
	CHECK_EQ(wr_proc_hear(&p, line, sizeof(line)), -1);
	CHECK_EQ(wr_proc_wait(&p), 7);
}

static void
helper_is_stopped_continued_and_killed(void)
{
	struct wr_proc p;
	char path[64], text[512];
	FILE *f;

	wr_proc_start(&p, "echo", NULL);
	wr_proc_expect(&p, "ready 1 ");
	CHECK(wr_proc_stop(&p));
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)p.pid);
	f = fopen(path, "re");
	REQUIRE(f && fgets(text, sizeof(text), f));
	fclose(f);
	CHECK(strstr(text, ") T "));
	wr_proc_continue(&p);
	wr_proc_say(&p, "x");
	wr_proc_expect(&p, "<x>");
	wr_proc_kill(&p);
	CHECK_EQ(p.status, 128 + SIGKILL);
	CHECK_EQ(wr_proc_wait(&p), 128 + SIGKILL);
}

static void
failing_check_exits_1(void)
{
	struct wr_proc p;

	wr_proc_start(&p, "bad_check", NULL);
	CHECK_EQ(wr_proc_wait(&p), 1);
	wr_proc_start(&p, "bad_require", NULL);
	CHECK_EQ(wr_proc_hear(&p, p.buf, 1), -1);
	CHECK_EQ(wr_proc_wait(&p), 1);
}

static void
skip_exits_77(void)
{
	struct wr_proc p;

	wr_proc_start(&p, "no_use", NULL);
	CHECK_EQ(wr_proc_wait(&p), 77);
}

/* The tests below are started by another test, with this variable set to their own name;
 * on their own they have nothing to show. */
static int
provoked(const char *name)
{
	const char *value = getenv("WEIR_TEST_PROVOKE");

	return value && !strcmp(value, name);
}

static void
provoke_fail(void)
{
	CHECK_STR(provoked("fail") ? "asked" : "not asked", "not asked");
}

static void
provoke_require(void)
{
	REQUIRE(!provoked("require"));
	CHECK(1);
}

static void
provoke_skip(void)
{
	if (provoked("skip"))
		TEST_SKIP("it was asked to");
	CHECK(1);
}

static void
provoke_nothing(void)
{
	if (!provoked("nothing"))
		CHECK(1);
}

static void
provoke_hang(void)
{
	CHECK(1);
	fprintf(stderr, "waits at line %d\n", __LINE__ + 1);
	AWAIT(!provoked("hang"));
}

static void
provoke_crash(void)
{
	CHECK(1);
	if (provoked("crash"))
		kill(getpid(), SIGKILL);
}

static void
provoke_orphan(void)
{
	struct wr_proc p;

	CHECK(1);
	if (!provoked("orphan"))
		return;
	wr_proc_start(&p, "echo", NULL);
	wr_proc_expect(&p, "ready 1 ");
	fprintf(stderr, "orphan %d in %s\n", (int)p.pid, wr_tmpdir());
}

/* Runs selftest/provoke_<name>, returns its exit code and what it said on stderr. */
static int
provoke(const char *name, char *said, size_t size)
{
	char log[4096], script[8192];
	char sh[] = "/bin/sh", c[] = "-c", exe[4096];
	char *argv[] = {sh, c, script, NULL};
	struct wr_proc p;
	ssize_t n;
	int fd, code;

	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	REQUIRE(n > 0);
	exe[n] = '\0';
	wr_tmpdir_path(log, sizeof(log), name);
	snprintf(script, sizeof(script),
		"WEIR_TEST_PROVOKE=%s '%.3000s' selftest/provoke_%s 2>'%.3000s'", name,
		exe, name, log);
	wr_proc_exec(&p, argv);
	wr_proc_hush(&p);
	code = wr_proc_wait(&p);
	fd = open(log, O_RDONLY | O_CLOEXEC);
	REQUIRE(fd >= 0);
	n = read(fd, said, size - 1);
	said[n > 0 ? n : 0] = '\0';
	close(fd);
	return code;
}

static void
runner_tells_what_happened(void)
{
	char said[8192];

	CHECK_EQ(provoke("fail", said, sizeof(said)), 1);
	CHECK(strstr(said, "\"asked\""));
	CHECK_EQ(provoke("require", said, sizeof(said)), 1);
	CHECK_EQ(provoke("skip", said, sizeof(said)), 77);
	CHECK(strstr(said, "skipped: it was asked to"));
	CHECK_EQ(provoke("nothing", said, sizeof(said)), 1);
	CHECK(strstr(said, "checked nothing"));
	CHECK_EQ(provoke("crash", said, sizeof(said)), 1);
	CHECK(strstr(said, "selftest/provoke_crash: died of signal"));
	CHECK(strstr(said, "test_selftest.c:"));
}

static void
watchdog_names_the_test(void)
{
	char said[8192], place[64];
	int line;

	CHECK_EQ(provoke("hang", said, sizeof(said)), 1);
	CHECK(strstr(said, "selftest/provoke_hang: the watchdog ended it after"));
	REQUIRE_EQ(sscanf(said, "waits at line %d", &line), 1);
	snprintf(place, sizeof(place), "test_selftest.c:%d\n", line);
	CHECK(strstr(said, place));
}

static void
nothing_outlives_a_test(void)
{
	char said[8192], dir[4096] = "";
	int pid = 0;

	CHECK_EQ(provoke("orphan", said, sizeof(said)), 0);
	REQUIRE(sscanf(said, "orphan %d in %4095s", &pid, dir) == 2);
	CHECK(kill(pid, 0) < 0);
	CHECK(access(dir, F_OK) < 0);
}

static void
directory_is_private_and_counted(void)
{
	char path[4096], sub[4096];
	struct stat st;

	REQUIRE(stat(wr_tmpdir(), &st) == 0);
	CHECK_EQ(st.st_mode & 0777, 0700);
	CHECK_STR(getenv("WEIR_RUNTIME_DIR"), wr_tmpdir());
	CHECK_EQ(wr_tmpdir_count(wr_tmpdir()), 0);
	CHECK_EQ(mkdir(wr_tmpdir_path(path, sizeof(path), "a"), 0700), 0);
	CHECK_EQ(mkdir(wr_tmpdir_path(sub, sizeof(sub), "a/b"), 0700), 0);
	CHECK_EQ(wr_tmpdir_count(wr_tmpdir()), 2);
	CHECK(wr_tmpdir_count("/nowhere/at/all") < 0);
	wr_tmpdir_remove(path);
	CHECK_EQ(wr_tmpdir_count(wr_tmpdir()), 0);
}

static void
leaked_descriptor_is_seen(void)
{
	struct wr_fds *fds = malloc(sizeof(*fds));
	int fd;

	REQUIRE(fds);
	wr_fds_take(fds);
	CHECK(fds->count >= 3);
	CHECK_EQ(wr_fds_new(fds), 0);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	REQUIRE(fd >= 0);
	CHECK_EQ(wr_fds_new(fds), 1);
	close(fd);
	CHECK_EQ(wr_fds_new(fds), 0);
	CHECK(wr_maps_count("[stack]") == 1);
	free(fds);
}

static const struct wr_test tests[] = {
	TEST(helper_talks_and_exits),
	TEST(helper_is_stopped_continued_and_killed),
	TEST(failing_check_exits_1),
	TEST(skip_exits_77),
	TEST(provoke_fail),
	TEST(provoke_require),
	TEST(provoke_skip),
	TEST(provoke_nothing),
	TEST(provoke_hang, .watchdog_s = 1),
	TEST(provoke_crash),
	TEST(provoke_orphan),
	TEST(runner_tells_what_happened),
	TEST(watchdog_names_the_test),
	TEST(nothing_outlives_a_test),
	TEST(directory_is_private_and_counted),
	TEST(leaked_descriptor_is_seen),
	TEST_END,
};
static const struct wr_helper helpers[] = {
	HELPER(echo),
	HELPER(bad_check),
	HELPER(bad_require),
	HELPER(no_use),
	HELPER_END,
};
const struct wr_suite wr_suite_selftest = {
	.name = "selftest",
	.tests = tests,
	.helpers = helpers,
};
