/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The calls in which a thread of ours waits, taken over by the linker (--wrap): without
 * their timeouts, so that a wake-up that gets lost is a hang and not a delay; and in the
 * simulator as a change of coroutine.
 */
#include "tests/torture/wrap.h"

#include <sched.h>

_Atomic bool sleep_forever;
bool (*wrap_lock)(pthread_mutex_t *lock);
bool (*wrap_wait)(int fd);
bool (*wrap_rest)(void);
bool (*wrap_sleep)(const struct timespec *time);

int
__wrap_pthread_mutex_lock(pthread_mutex_t *lock)
{
	return wrap_lock && wrap_lock(lock) ? 0 : __real_pthread_mutex_lock(lock);
}

int
__wrap_epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms)
{
	int got = __real_epoll_wait(fd, events, max, 0);

	while (got == 0 && timeout_ms != 0 && wrap_wait && wrap_wait(fd))
		got = __real_epoll_wait(fd, events, max, 0);
	if (got != 0 || timeout_ms == 0)
		return got;
	return __real_epoll_wait(fd, events, max, sleep_forever ? -1 : timeout_ms);
}

/* Of one descriptor, as all who wait in the library do. */
int
__wrap_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *most,
	const sigset_t *mask)
{
	static const struct timespec none = {0, 0};
	int got = __real_ppoll(fds, count, &none, mask);

	while (got == 0 && wrap_wait && wrap_wait(fds[0].fd))
		got = __real_ppoll(fds, count, &none, mask);
	if (got != 0)
		return got;
	return __real_ppoll(fds, count, sleep_forever ? NULL : most, mask);
}

int
__wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
	if (wrap_sleep && wrap_sleep(time))
		return 0;
	return wrap_rest && wrap_rest() ? 0 : __real_nanosleep(time, left);
}

int
__wrap_sched_yield(void)
{
	return wrap_rest && wrap_rest() ? 0 : __real_sched_yield();
}
