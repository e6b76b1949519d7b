/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The waiting calls as the scenarios may take them over; false = do the real thing. */
#ifndef WR_TESTS_TORTURE_WRAP_H
#define WR_TESTS_TORTURE_WRAP_H

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <time.h>

struct wr_bell;
struct wr_clock;
struct wr_reactor;
struct wr_task;
struct wr_thread_look;

extern _Atomic bool sleep_forever;
extern bool (*wrap_lock)(pthread_mutex_t *lock);
/* Until something may be there to be heard on fd. */
extern bool (*wrap_wait)(int fd);
extern bool (*wrap_rest)(void);
/* A nanosleep; asked before wrap_rest. */
extern bool (*wrap_sleep)(const struct timespec *time);

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

/* Taken over by machine.c. */
int __real_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_join(pthread_t thread, void **result);
int __real_pthread_detach(pthread_t thread);
int __wrap_pthread_detach(pthread_t thread);
int __real_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock);
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock);
int __real_pthread_cond_signal(pthread_cond_t *cond);
int __wrap_pthread_cond_signal(pthread_cond_t *cond);
int __real_pthread_cond_broadcast(pthread_cond_t *cond);
int __wrap_pthread_cond_broadcast(pthread_cond_t *cond);
int __real_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);
int __real_wr_thread_start(
	pthread_t *thread, const char *name, void *(*run)(void *), void *arg);
int __wrap_wr_thread_start(
	pthread_t *thread, const char *name, void *(*run)(void *), void *arg);
void __real_wr_thread_look_init(struct wr_thread_look *look);
void __wrap_wr_thread_look_init(struct wr_thread_look *look);
uint64_t __real_wr_thread_ran_ns(const struct wr_thread_look *look);
uint64_t __wrap_wr_thread_ran_ns(const struct wr_thread_look *look);
bool __real_wr_thread_waits(const struct wr_thread_look *look);
bool __wrap_wr_thread_waits(const struct wr_thread_look *look);
bool __real_wr_thread_waits_there(const struct wr_thread_look *look);
bool __wrap_wr_thread_waits_there(const struct wr_thread_look *look);
void __real_wr_fence_heavy_call(void);
void __wrap_wr_fence_heavy_call(void);
int __real_wr_thread_lower(struct wr_thread_look *look, bool idle, int nice);
int __wrap_wr_thread_lower(struct wr_thread_look *look, bool idle, int nice);
void __real_wr_thread_raise(struct wr_thread_look *look);
void __wrap_wr_thread_raise(struct wr_thread_look *look);
bool __real_wr_thread_can_rise(void);
bool __wrap_wr_thread_can_rise(void);
int __real_wr_rank_slack(uint64_t ns);
int __wrap_wr_rank_slack(uint64_t ns);
int __real_wr_rank_idle(void);
int __wrap_wr_rank_idle(void);
int __real_wr_rank_nice(int nice);
int __wrap_wr_rank_nice(int nice);
int __real_wr_core_bind(pthread_t thread, unsigned core);
int __wrap_wr_core_bind(pthread_t thread, unsigned core);
void __real_wr_clock_init(struct wr_clock *clock);
void __wrap_wr_clock_init(struct wr_clock *clock);
void __real_wr_bell_ring(struct wr_bell *bell);
void __wrap_wr_bell_ring(struct wr_bell *bell);
bool __real_wr_bell_ring_epoch(struct wr_bell *bell, uint64_t epoch);
bool __wrap_wr_bell_ring_epoch(struct wr_bell *bell, uint64_t epoch);

/* Taken over by handoff.c. */
int __real_wr_reactor_poll(struct wr_reactor *r, int *verdict);
int __wrap_wr_reactor_poll(struct wr_reactor *r, int *verdict);
void __real_wr_reactor_give_up(struct wr_reactor *r, struct wr_task *task,
	uint64_t now_ns, uint64_t took_ns, uint64_t limit_ns);
void __wrap_wr_reactor_give_up(struct wr_reactor *r, struct wr_task *task,
	uint64_t now_ns, uint64_t took_ns, uint64_t limit_ns);

#endif
