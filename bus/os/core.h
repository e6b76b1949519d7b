/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * On which core a thread runs. A set of cores is as large as it has to be, so machines with
 * more than the 1,024 of a cpu_set_t, or than the 64 of a word, are like all others.
 */
#ifndef WR_BUS_OS_CORE_H
#define WR_BUS_OS_CORE_H

#include <pthread.h>
#include <stdbool.h>

enum { WR_CORES_MAX = 1 << 16 };

/* The thread runs on this core alone. 0, or an errno: EINVAL if there is no such core for
 * us, ENOMEM. */
int wr_core_bind(pthread_t thread, unsigned core);

/*
 * The calling thread runs on that core, and then wherever it may, as before. So when this
 * returns the core was there, and what it owed has happened: timers of threads that sleep on
 * it have gone off, however long a hypervisor had kept it. Some 20 us where the core is free,
 * else until there is a turn on it. 0, or an errno as above; then it may not have been there.
 */
int wr_core_visit(unsigned core);

#endif
