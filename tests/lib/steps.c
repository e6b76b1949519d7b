/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tests/lib/steps.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child tells while it is traced: how many operations it has begun. */
static volatile uint32_t *begun;

static void
do_traced(void (*operation)(void *ctx), void *ctx, unsigned times)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(77);
	(void)raise(SIGSTOP);
	for (unsigned i = 0; i < times; i++) {
		*begun = i + 1;
		operation(ctx);
	}
	*begun = times + 1;
	_exit(0);
}

/* Step by step, until it ends. */
static int
follow(pid_t child, unsigned times, uint32_t *steps)
{
	int status;

	while (waitpid(child, &status, 0) == child) {
		uint32_t at = *begun;

		if (WIFEXITED(status))
			return WEXITSTATUS(status) == 0 && at == times + 1 ? 0 : -1;
		if (!WIFSTOPPED(status))
			return -1;
		if (at > times) {
			(void)ptrace(PTRACE_CONT, child, NULL, NULL);
			continue;
		}
		if (at > 0)
			steps[at - 1]++;
		if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) < 0)
			return -1;
	}
	return -1;
}

int
wr_steps_count(void (*operation)(void *ctx), void *ctx, unsigned times, uint32_t *steps)
{
	void *page = mmap(NULL, sizeof(*begun), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child;
	int rc;

	if (page == MAP_FAILED)
		return -1;
	begun = page;
	for (unsigned i = 0; i < times; i++)
		steps[i] = 0;
	child = fork();
	if (child == 0)
		do_traced(operation, ctx, times);
	rc = child > 0 ? follow(child, times, steps) : -1;
	(void)munmap(page, sizeof(*begun));
	return rc;
}

uint32_t
wr_steps_most(const uint32_t *steps, unsigned times)
{
	uint32_t most = 0;

	for (unsigned i = 0; i < times; i++)
		most = steps[i] > most ? steps[i] : most;
	return most;
}
