/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Threads of the library's own. */
#ifndef WR_BUS_OS_THREAD_H
#define WR_BUS_OS_THREAD_H

#include <pthread.h>

/* Starts one under that name, of at most 15 bytes, in which no signal is handled: those are
 * for the program's own threads. 0, or the errno of pthread_create. */
int wr_thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *arg);

#endif
