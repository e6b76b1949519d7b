/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/os/rank.h"

#include <errno.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

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

int
wr_rank_slack(uint64_t slack_ns)
{
	return prctl(PR_SET_TIMERSLACK, (unsigned long)slack_ns, 0, 0, 0) == 0 ? 0
									       : errno;
}
