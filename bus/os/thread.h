/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Threads of the library's own, and a look at others of this process. */
#ifndef WR_BUS_OS_THREAD_H
#define WR_BUS_OS_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Starts one under that name, of at most 15 bytes, in which no signal is handled: those are
 * for the program's own threads. 0, or the errno of pthread_create. */
int wr_thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *arg);

/* By which one thread looks at another one, and ranks it. */
struct wr_thread_look {
	uint32_t tid;
	clockid_t clock;  /* of the time that it has run */
	int policy, nice; /* before it was ranked lower; -1: it was not */
};

/* At the calling thread. */
void wr_thread_look_init(struct wr_thread_look *look);

/* How long it has run, ever: also while it runs, but for what a hypervisor or an interrupt
 * took of that. A system call. */
uint64_t wr_thread_ran_ns(const struct wr_thread_look *look);

/* True if it waits for something in the kernel now: neither runs, nor could, nor has been
 * stopped. A small file of /proc, some 5 us. */
bool wr_thread_waits(const struct wr_thread_look *look);

/* True if it waits still when the calling thread has been where it ran last (wr_core_visit):
 * so not only because that core was not there to wake it. */
bool wr_thread_waits_there(const struct wr_thread_look *look);

/* It runs only where a core has nothing else to do, or with that nice value; 0, or the errno
 * with which that was refused. */
int wr_thread_lower(struct wr_thread_look *look, bool idle, int nice);
/* As it was before, if the process may do that. */
void wr_thread_raise(struct wr_thread_look *look);

/* Whether this process may give a thread back what it had before wr_thread_lower: the right
 * to do that (RLIMIT_NICE, CAP_SYS_NICE) is tried with a thread that is made for it. */
bool wr_thread_can_rise(void);

#endif
