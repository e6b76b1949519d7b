/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The waiting calls as the scenarios may take them over; false = do the real thing. */
#ifndef WR_TESTS_TORTURE_WRAP_H
#define WR_TESTS_TORTURE_WRAP_H

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <time.h>

extern _Atomic bool sleep_forever;
extern bool (*wrap_lock)(pthread_mutex_t *lock);
/* Until something may be there to be heard on fd. */
extern bool (*wrap_wait)(int fd);
extern bool (*wrap_rest)(void);

int __real_pthread_mutex_lock(pthread_mutex_t *lock);
int __real_epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms);
int __real_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *most,
	const sigset_t *mask);
int __real_nanosleep(const struct timespec *time, struct timespec *left);
int __real_sched_yield(void);

int __wrap_pthread_mutex_lock(pthread_mutex_t *lock);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms);
int __wrap_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *most,
	const sigset_t *mask);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left);
int __wrap_sched_yield(void);

#endif
