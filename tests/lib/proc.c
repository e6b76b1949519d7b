/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tests/lib/proc.h"
#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGS_MAX = 32 };

/* In the child, between fork and exec: only calls that are safe there. */
static void
become(char *const *argv, int in, int out, pid_t parent)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0)
		_exit(127);
	execv(argv[0], argv);
	_exit(127);
}

void
wr_proc_exec(struct wr_proc *p, char *const *argv)
{
	int to[2] = {-1, -1}, from[2] = {-1, -1};
	pid_t parent = getpid();

	memset(p, 0, sizeof(*p));
	REQUIRE(pipe2(to, O_CLOEXEC) == 0);
	REQUIRE(pipe2(from, O_CLOEXEC) == 0);
	/* A helper that died is told by EPIPE, not by a signal that ends the test. */
	signal(SIGPIPE, SIG_IGN);
	fflush(NULL);
	p->pid = fork();
	REQUIRE(p->pid >= 0);
	if (p->pid == 0)
		become(argv, to[0], from[1], parent);
	close(to[0]);
	close(from[1]);
	p->in = to[1];
	p->out = from[0];
}

void
wr_proc_start_v(struct wr_proc *p, const char *helper, char *const *args)
{
	char *argv[ARGS_MAX + 4];
	char exe[] = "/proc/self/exe", option[] = "--helper";
	char *name = strdup(helper);
	int n = 0;

	REQUIRE(name);
	argv[n++] = exe;
	argv[n++] = option;
	argv[n++] = name;
	while (*args && n < ARGS_MAX + 3)
		argv[n++] = *args++;
	argv[n] = NULL;
	wr_proc_exec(p, argv);
	free(name);
}

void
wr_proc_start(struct wr_proc *p, const char *helper, ...)
{
	char *args[ARGS_MAX + 1];
	va_list ap;
	int n = 0;

	va_start(ap, helper);
	while (n < ARGS_MAX && (args[n] = va_arg(ap, char *)))
		n++;
	va_end(ap);
	args[n] = NULL;
	wr_proc_start_v(p, helper, args);
}

static int
write_all(int fd, const char *buf, size_t len)
{
	while (len) {
		ssize_t n = write(fd, buf, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

int
wr_proc_say(struct wr_proc *p, const char *fmt, ...)
{
	char line[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	if (n < 0 || n >= (int)sizeof(line) - 1)
		return -EMSGSIZE;
	line[n] = '\n';
	return write_all(p->in, line, (size_t)n + 1);
}

int
wr_proc_hear(struct wr_proc *p, char *line, size_t size)
{
	for (;;) {
		char *end = memchr(p->buf, '\n', p->have);
		ssize_t n;

		if (end) {
			size_t len = (size_t)(end - p->buf), all = len + 1;

			if (len >= size)
				len = size - 1;
			memcpy(line, p->buf, len);
			line[len] = '\0';
			p->have -= all;
			memmove(p->buf, p->buf + all, p->have);
			return (int)len;
		}
		REQUIRE(p->have < sizeof(p->buf));
		n = read(p->out, p->buf + p->have, sizeof(p->buf) - p->have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		p->have += (size_t)n;
	}
}

void
wr_proc_expect(struct wr_proc *p, const char *line)
{
	char got[4096];

	if (wr_proc_hear(p, got, sizeof(got)) < 0) {
		FAIL("helper %d closed where \"%s\" was expected", (int)p->pid, line);
		wr_test_end();
	}
	if (strcmp(got, line) != 0) {
		FAIL("helper %d said \"%s\" where \"%s\" was expected", (int)p->pid,
			got, line);
		wr_test_end();
	}
}

void
wr_proc_hush(struct wr_proc *p)
{
	if (p->in >= 0)
		close(p->in);
	p->in = -1;
}

void
wr_proc_signal(struct wr_proc *p, int sig)
{
	if (p->pid > 0)
		kill(p->pid, sig);
}

int
wr_proc_stop(struct wr_proc *p)
{
	siginfo_t info;

	if (p->pid <= 0)
		return 0;
	kill(p->pid, SIGSTOP);
	/* Its end stays to be collected by wr_proc_wait. */
	do {
		memset(&info, 0, sizeof(info));
	} while (waitid(P_PID, (id_t)p->pid, &info, WSTOPPED | WEXITED | WNOWAIT) &&
		errno == EINTR);
	if (info.si_code != CLD_STOPPED)
		return 0;
	waitid(P_PID, (id_t)p->pid, &info, WSTOPPED);
	return 1;
}

void
wr_proc_continue(struct wr_proc *p)
{
	wr_proc_signal(p, SIGCONT);
}

void
wr_proc_kill(struct wr_proc *p)
{
	wr_proc_signal(p, SIGKILL);
	wr_proc_wait(p);
}

int
wr_proc_wait(struct wr_proc *p)
{
	int status = 0;

	if (p->pid <= 0)
		return p->status;
	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		;
	p->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	p->pid = 0;
	wr_proc_hush(p);
	close(p->out);
	return p->status;
}

void
wr_helper_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

int
wr_helper_hear(char *line, size_t size)
{
	size_t len;

	if (!fgets(line, (int)size, stdin))
		return -1;
	len = strcspn(line, "\n");
	line[len] = '\0';
	return (int)len;
}
