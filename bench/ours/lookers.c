/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/ours/lookers.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weir/options.h>

#include "bench/lib/clock.h"
#include "bench/lib/crew.h"

enum { WORDS_MAX = 8, PATIENCE_S = 20, LOOK_US = 2000, REST_US = 200000 };

/* The exits of one that looks once: yes; something was found; too slow a machine for it. */
enum { EXIT_FOUND = 1, EXIT_NOBODY = 4 };

static const struct verb {
	int again; /* it looks once, so it is begun again and again */
	const char *words[WORDS_MAX];
} verbs[] = {
	{0, {"topic", "echo", ">"}},
	{0, {"topic", "hz", ">", "--every", "100ms"}},
	{0, {"topic", "bw", ">", "--every", "100ms"}},
	{0, {"topic", "delay", ">", "--every", "100ms"}},
	{0, {"topic", "lag", ">", "--every", "100ms"}},
	{1, {"ls"}},
	{1, {"topic", "info", ">"}},
	{1, {"topic", "account", ">"}},
#if WEIR_METRICS
	{1, {"top", "--once", "--every", "200ms"}},
	{1, {"consumer", "ls"}},
	{1, {"consumer", "info", "t"}},
	{1, {"consumer", "why", "t"}},
	{1, {"doctor", "--for", "200ms"}},
#endif
};
enum { VERBS = sizeof verbs / sizeof *verbs };

/* What those that begin verbs again tell. */
struct told {
	atomic_int looks, failed; /* failed: exit status of one that failed, or 0 */
};

struct lookers {
	uint64_t begin_ns;
	double cpu_s;
	pid_t pids[VERBS];
	int outs[VERBS]; /* memory that their output goes to */
	struct told *told;
};

/* ../../bin/weir, seen from this program: so in a build tree and in any prefix. */
static int
command(char *path, size_t size)
{
	ssize_t len = readlink("/proc/self/exe", path, size - 1);
	path[len > 0 ? len : 0] = 0;
	for (int up = 0; up < 3; up++) {
		char *slash = strrchr(path, '/');
		if (!slash)
			return -1;
		*slash = 0;
	}
	if (strlen(path) + sizeof "/bin/weir" > size)
		return -1;
	strcat(path, "/bin/weir");
	return access(path, X_OK);
}

static void
become(const struct verb *verb, const char *path, const char *bus, const char *dir, int out)
{
	const char *argv[WORDS_MAX + 7] = {path};
	int argc = 1;
	for (int i = 0; i < WORDS_MAX && verb->words[i]; i++)
		argv[argc++] = verb->words[i];
	argv[argc++] = "--json";
	argv[argc++] = "--bus";
	argv[argc++] = bus;
	argv[argc++] = "--dir";
	argv[argc] = dir;
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (dup2(nothing, 0) == 0 && dup2(out, 1) == 1 && dup2(nothing, 2) == 2)
		execv(path, (char *const *)argv);
	_exit(127);
}

/* Forks a process that dies with this one. */
static pid_t
fork_bound(void)
{
	pid_t parent = getpid(), pid = fork();
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	return 0;
}

/* Until it is killed. */
static void
again(const struct verb *verb, const char *path, const char *bus, const char *dir,
	int out, struct told *told)
{
	for (;;) {
		int status = 0;
		pid_t pid = fork_bound();
		if (pid == 0)
			become(verb, path, bus, dir, out);
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			_exit(1);
		int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
		if (code > EXIT_FOUND && code != EXIT_NOBODY)
			atomic_store(&told->failed, code);
		atomic_fetch_add(&told->looks, code <= EXIT_FOUND);
		usleep(REST_US);
	}
}

static int
start(struct lookers *lookers, int which, const char *path, const char *bus,
	const char *dir)
{
	const struct verb *verb = &verbs[which];
	int out = memfd_create("look", MFD_CLOEXEC);
	lookers->outs[which] = out;
	lookers->pids[which] = out < 0 ? -1 : fork_bound();
	if (lookers->pids[which] == 0 && verb->again)
		again(verb, path, bus, dir, out, &lookers->told[which]);
	if (lookers->pids[which] == 0)
		become(verb, path, bus, dir, out);
	return lookers->pids[which] > 0 ? 0 : -1;
}

static int
has_seen(const struct lookers *lookers, int which)
{
	struct stat st;
	return fstat(lookers->outs[which], &st) == 0 && st.st_size > 0;
}

static void
complain(const struct verb *verb, const char *what)
{
	fprintf(stderr, "bench: weir");
	for (int i = 0; i < WORDS_MAX && verb->words[i]; i++)
		fprintf(stderr, " %s", verb->words[i]);
	fprintf(stderr, ": %s\n", what);
}

/* Who has seen nothing when the time is over is named. */
static int
await_all(const struct lookers *lookers)
{
	uint64_t until = lookers->begin_ns + PATIENCE_S * UINT64_C(1000000000);
	for (int i = 0; i < VERBS; i++) {
		while (!has_seen(lookers, i) && bench_clock_ns(CLOCK_MONOTONIC) < until)
			usleep(LOOK_US);
		if (!has_seen(lookers, i)) {
			complain(&verbs[i], "it has seen nothing");
			return -1;
		}
	}
	return 0;
}

/* Of all children that have been waited for. */
static double
cpu_of_children(void)
{
	struct rusage usage;
	getrusage(RUSAGE_CHILDREN, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

struct lookers *
lookers_begin(const char *bus, const char *dir)
{
	char path[4096];
	if (command(path, sizeof path) < 0) {
		fprintf(stderr, "bench: the command is not there: %s: %s\n", path,
			strerror(errno));
		return NULL;
	}
	struct lookers *lookers = calloc(1, sizeof *lookers);
	if (!lookers)
		return NULL;
	lookers->told = crew_shared(VERBS * sizeof *lookers->told);
	lookers->begin_ns = bench_clock_ns(CLOCK_MONOTONIC);
	lookers->cpu_s = cpu_of_children();
	int rc = lookers->told ? 0 : -1;
	for (int i = 0; i < VERBS; i++)
		lookers->outs[i] = -1;
	for (int i = 0; i < VERBS && rc == 0; i++)
		rc = start(lookers, i, path, bus, dir);
	if (rc == 0 && await_all(lookers) == 0)
		return lookers;
	struct lookers_use use;
	lookers_end(lookers, &use);
	return NULL;
}

/* Ends one. 0, or -1 if it did not do until now what it should. */
static int
end(struct lookers *lookers, int which)
{
	int status = 0, rc = 0;
	pid_t pid = lookers->pids[which];
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	if (pid > 0 && !WIFSIGNALED(status)) {
		complain(&verbs[which], "it has ended");
		rc = -1;
	}
	if (lookers->told && atomic_load(&lookers->told[which].failed)) {
		complain(&verbs[which], "it has failed");
		rc = -1;
	}
	if (lookers->outs[which] >= 0)
		close(lookers->outs[which]);
	return rc;
}

int
lookers_end(struct lookers *lookers, struct lookers_use *use)
{
	int rc = 0;
	*use = (struct lookers_use){0};
	for (int i = 0; i < VERBS; i++) {
		use->looks += lookers->told ? atomic_load(&lookers->told[i].looks) : 0;
		rc = end(lookers, i) < 0 ? -1 : rc;
	}
	use->cores = (cpu_of_children() - lookers->cpu_s) * 1e9 /
		(double)(bench_clock_ns(CLOCK_MONOTONIC) - lookers->begin_ns);
	crew_shared_free(lookers->told, VERBS * sizeof *lookers->told);
	free(lookers);
	return rc;
}
