/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/atomic.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(WR_POINTS)
void (*wr_point_hook)(const char *label);
#endif

#if defined(WR_TSAN)
wr_a64 wr_fence_word;
#endif

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool registered;

static long
membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0);
}

static void
register_once(void)
{
	long offered = membarrier(MEMBARRIER_CMD_QUERY);

	registered = offered > 0 && (offered & MEMBARRIER_CMD_GLOBAL_EXPEDITED) &&
		membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) == 0;
}

bool
wr_heavy_register(void)
{
	pthread_once(&once, register_once);
	return registered;
}

void
wr_fence_heavy_call(void)
{
	/* A publisher that registered fences nothing itself, so a refusal here would lose
	 * a wake-up; the call cannot fail once QUERY has offered it. */
	wr_fence_plain();
	(void)membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED);
	wr_fence_plain();
}
