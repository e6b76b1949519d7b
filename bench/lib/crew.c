/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/lib/crew.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/lib/clock.h"

static char directory[128];
static int janitor_line = -1;
static pid_t janitor_pid;

void *
crew_shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (memory == MAP_FAILED) {
		fprintf(stderr, "bench: %zu bytes of shared memory: %s\n", size,
			strerror(errno));
		return NULL;
	}
	return memory;
}

void
crew_shared_free(void *memory, size_t size)
{
	if (memory)
		munmap(memory, size);
}

int
crew_init(struct crew *crew)
{
	memset(crew, 0, sizeof *crew);
	crew->board = crew_shared(sizeof *crew->board);
	if (!crew->board)
		return -1;
	if (pipe2(crew->alive, O_CLOEXEC) == 0)
		return 0;
	perror("bench: pipe");
	crew_shared_free(crew->board, sizeof *crew->board);
	return -1;
}

int
crew_spawn(struct crew *crew, crew_fn fn, void *arg)
{
	if (crew->count == CREW_MAX)
		return crew_fail(crew, "more than %d workers", CREW_MAX);
	fflush(NULL);
	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid < 0)
		return crew_fail(crew, "fork: %s", strerror(errno));
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		if (janitor_line >= 0)
			close(janitor_line);
		close(crew->alive[0]);
		int rc = fn(crew, crew->count, arg);
		fflush(NULL);
		_exit(rc == 0 ? 0 : 1);
	}
	crew->pids[crew->count++] = pid;
	return 0;
}

/* Reaps who has ended. Returns how many of them ended badly. */
static int
reap(struct crew *crew, int options)
{
	int bad = 0;
	for (int i = 0; i < crew->count; i++) {
		int status;
		if (!crew->pids[i] || waitpid(crew->pids[i], &status, options) <= 0)
			continue;
		crew->pids[i] = 0;
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			continue;
		bad++;
		if (WIFSIGNALED(status) && !atomic_exchange(&crew->board->failed, 1))
			snprintf(crew->board->text, sizeof crew->board->text,
				"worker %d ended by signal %d", i, WTERMSIG(status));
	}
	return bad;
}

int
crew_wait(struct crew *crew, const char *what, double seconds)
{
	enum { LOOK_MS = 200 };
	uint64_t deadline = bench_clock_ns(CLOCK_MONOTONIC) + (uint64_t)(seconds * 1e9);
	int bad = 0, late = 0;
	close(crew->alive[1]);
	for (;;) {
		struct pollfd line = {.fd = crew->alive[0], .events = POLLIN};
		int ended = poll(&line, 1, LOOK_MS) == 1;
		bad = reap(crew, ended ? 0 : WNOHANG);
		late = !ended && bench_clock_ns(CLOCK_MONOTONIC) > deadline;
		if (ended || bad || late)
			break;
	}
	for (int i = 0; i < crew->count; i++)
		if (crew->pids[i])
			kill(crew->pids[i], SIGKILL);
	bad = (bad || late || atomic_load(&crew->board->failed)) ? -1 : 0;
	char text[sizeof crew->board->text];
	memcpy(text, crew->board->text, sizeof text);
	text[sizeof text - 1] = 0;
	reap(crew, 0);
	if (late)
		fprintf(stderr, "bench: %s: not done after %.0f s, stopped\n", what,
			seconds);
	else if (bad)
		fprintf(stderr, "bench: %s: %s\n", what,
			text[0] ? text : "a worker failed");
	close(crew->alive[0]);
	crew_shared_free(crew->board, sizeof *crew->board);
	return bad;
}

int
crew_fail(struct crew *crew, const char *format, ...)
{
	if (!atomic_exchange(&crew->board->failed, 1)) {
		va_list args;
		va_start(args, format);
		vsnprintf(crew->board->text, sizeof crew->board->text, format, args);
		va_end(args);
	}
	return -1;
}

int
crew_meet(struct crew *crew, int all, int round)
{
	atomic_fetch_add(&crew->board->arrived, 1);
	while (atomic_load(&crew->board->arrived) < all * round) {
		if (atomic_load(&crew->board->failed))
			return -1;
		nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
	}
	return 0;
}

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

/* Lives in a session of its own, so that no signal for the bench reaches it, and removes
 * the directory when the bench is gone. */
static void
janitor(int line)
{
	char byte;
	setsid();
	while (read(line, &byte, 1) < 0 && errno == EINTR)
		;
	nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	_exit(0);
}

const char *
crew_directory(void)
{
	if (directory[0])
		return directory;
	const char *base = getenv("TMPDIR");
	snprintf(directory, sizeof directory, "%s/weir-bench-XXXXXX",
		base && strlen(base) < 60 ? base : "/tmp");
	int line[2];
	if (!mkdtemp(directory) || pipe2(line, O_CLOEXEC) < 0) {
		perror("bench: runtime directory");
		directory[0] = 0;
		return NULL;
	}
	fflush(NULL);
	janitor_pid = fork();
	if (janitor_pid == 0) {
		close(line[1]);
		janitor(line[0]);
	}
	close(line[0]);
	janitor_line = line[1];
	return directory;
}

void
crew_directory_remove(void)
{
	if (janitor_line < 0)
		return;
	close(janitor_line);
	janitor_line = -1;
	if (janitor_pid > 0)
		waitpid(janitor_pid, NULL, 0);
	directory[0] = 0;
}
