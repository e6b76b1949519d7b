/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/os/sched.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool
read_file(uint32_t pid, uint32_t tid, const char *name, char *text, size_t size)
{
	char path[64];
	ssize_t got;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%u/task/%u/%s", pid, tid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	got = read(fd, text, size - 1);
	close(fd);
	if (got <= 0)
		return false;
	text[got] = 0;
	return true;
}

/* "R": it runs, or is ready to. The name before the state may contain anything. */
static bool
is_ready(uint32_t pid, uint32_t tid)
{
	char text[512];
	const char *end;

	if (!read_file(pid, tid, "stat", text, sizeof(text)))
		return false;
	end = strrchr(text, ')');
	return end && end[1] == ' ' && end[2] == 'R';
}

uint64_t
wr_sched_waited(struct wr_sched_probe *probe, uint32_t pid, uint32_t tid, uint64_t now_ns)
{
	const struct wr_sched_probe before = *probe;
	const uint64_t since = now_ns - before.at_ns;
	unsigned long long ran_ns, waited_ns;
	char text[96];
	uint64_t waited;

	if (tid == 0 || !read_file(pid, tid, "schedstat", text, sizeof(text)) ||
		sscanf(text, "%llu %llu", &ran_ns, &waited_ns) != 2)
		return 0;
	*probe = (struct wr_sched_probe){pid, tid, now_ns, ran_ns, waited_ns};
	if (before.at_ns == 0 || before.pid != pid || before.tid != tid ||
		waited_ns < before.waited_ns)
		return 0;
	/* The kernel adds a wait when it is over, also what of it we have counted before.
	 * One that is not: it is ready, and has not run since. */
	waited = waited_ns - before.waited_ns;
	if (ran_ns == before.ran_ns && is_ready(pid, tid))
		waited = since;
	return waited < since ? waited : since;
}

uint32_t
wr_sched_self(void)
{
	return (uint32_t)syscall(SYS_gettid);
}
