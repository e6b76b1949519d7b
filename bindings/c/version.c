/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <linux/membarrier.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <weir/weir.h>

#include "bus/atomic.h"
#include "bus/layout.h"
#include "bus/os/clock.h"

#define STR_(x) #x
#define STR(x)  STR_(x)

const char *
weir_version(void)
{
	return STR(WEIR_VERSION_MAJOR) "." STR(WEIR_VERSION_MINOR) "." STR(
		WEIR_VERSION_PATCH);
}

const char *
weir_build(void)
{
	static _Thread_local char line[256];

	(void)snprintf(line, sizeof(line),
		"weir %s, layout %d, %s %s, membarrier %s, pidfd %s%s%s",
		weir_version(), WR_LAYOUT,
#if defined(__clang__)
		"clang",
#else
		"gcc",
#endif
		__VERSION__, wr_heavy_register() ? "yes" : "no",
#if defined(SYS_pidfd_open)
		"yes",
#else
		"no",
#endif
#if defined(WR_MUTANTS)
		", mutants",
#else
		"",
#endif
#if defined(WR_POINTS)
		", points"
#else
		""
#endif
	);
	return line;
}

uint64_t
weir_now_ns(void)
{
	return wr_now_ns();
}
