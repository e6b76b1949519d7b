/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/os/core.h"

#include <errno.h>
#include <sched.h>

int
wr_core_bind(pthread_t thread, unsigned core)
{
	size_t size;
	cpu_set_t *set;
	int rc;

	if (core >= WR_CORES_MAX)
		return EINVAL;
	set = CPU_ALLOC(core + 1);
	if (!set)
		return ENOMEM;
	size = CPU_ALLOC_SIZE(core + 1);
	CPU_ZERO_S(size, set);
	CPU_SET_S(core, size, set);
	rc = pthread_setaffinity_np(thread, size, set);
	CPU_FREE(set);
	return rc;
}

int
wr_core_visit(unsigned core)
{
	cpu_set_t before[WR_CORES_MAX / CPU_SETSIZE];
	int rc = pthread_getaffinity_np(pthread_self(), sizeof(before), before);

	if (rc == 0)
		rc = wr_core_bind(pthread_self(), core);
	if (rc == 0)
		rc = pthread_setaffinity_np(pthread_self(), sizeof(before), before);
	return rc;
}
