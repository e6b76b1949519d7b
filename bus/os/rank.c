/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/os/rank.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Reset on fork: who inherits it does not know of it, and would not give the core away. */
int
wr_rank_realtime(int priority)
{
	struct sched_param param = {.sched_priority = priority};

	return sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param) == 0
		? 0
		: errno;
}

/* Of a thread, whatever the standard says: in Linux each has its own. */
int
wr_rank_nice(int nice)
{
	return setpriority(PRIO_PROCESS, 0, nice) == 0 ? 0 : errno;
}

int
wr_rank_idle(void)
{
	static const struct sched_param none = {.sched_priority = 0};

	return sched_setscheduler(0, SCHED_IDLE, &none) == 0 ? 0 : errno;
}

/* Zero is who writes it, in both versions. */
static int
join(const char *dir, const char *threads)
{
	char path[PATH_MAX];
	int fd, os = 0;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, threads) >= sizeof(path))
		return ENAMETOOLONG;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (write(fd, "0", 1) != 1)
		os = errno;
	(void)close(fd);
	return os;
}

int
wr_rank_group(const char *dir)
{
	int os = join(dir, "cgroup.threads");

	return os == ENOENT ? join(dir, "tasks") : os;
}

int
wr_rank_slack(uint64_t slack_ns)
{
	return prctl(PR_SET_TIMERSLACK, (unsigned long)slack_ns, 0, 0, 0) == 0 ? 0
									       : errno;
}
