/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Which of many descriptors are ready? A poller hears them all, each under a mark of its
 * caller's, and waits for the first.
 *
 * Two back ends behind one interface: epoll, and poll(2) where epoll is not to be had,
 * because a sandbox or the kernel refuses it, or because it was asked for. What is promised
 * is the same for both:
 *
 *   level   a descriptor that can be read or written is heard in every wait as long as it
 *           can (WR_CAN_READ, WR_CAN_WRITE); one that was hung up or has an error as well
 *   token   an eventfd or timerfd is heard once for what was written to it since it was
 *           last heard (WR_TOKEN): the wait takes the token, nobody else has to
 *
 * and what is added by another thread in the middle of a wait is heard by it.
 *
 * They do it differently. To epoll a token is an edge, and nothing is read; poll(2) knows
 * levels only, so there the wait reads the token. Hence two rules for poll(2): a token
 * descriptor is heard by one poller, since each would take the tokens of the others; and
 * whatever is heard is removed before it is closed, since its number may be somebody else's
 * by the next wait. epoll forgets what is closed by itself. A wait costs it what is ready,
 * and poll(2) what is heard.
 *
 * Adding and removing: any thread. Waiting: one at a time.
 */
#ifndef WR_BUS_OS_POLLER_H
#define WR_BUS_OS_POLLER_H

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wr_io {
	WR_IO_AUTO = 0, /* epoll, and poll(2) if that is refused */
	WR_IO_EPOLL,
	WR_IO_POLL,
	WR_IOS
};

enum { WR_CAN_READ = POLLIN, WR_CAN_WRITE = POLLOUT, WR_TOKEN = 1 << 16 };

/* Of wr_poller_add: a file, which is ready at any time, and which nobody can wait for. */
enum { WR_POLLER_ALWAYS = 1 };

struct wr_polled;

struct wr_poller {
	int fd; /* of epoll; or an eventfd that ends a wait of poll(2); -1: it is not open */
	bool epoll;
	/* of poll(2) alone */
	pthread_mutex_t lock;
	struct wr_polled *polled;
	uint32_t count, size;
	uint32_t turn; /* who is looked at first in the next wait */
	unsigned (*also)(void *ctx, struct pollfd *fds, unsigned room);
	void *ctx;
};

/* 0, or -1 with errno set: then it is as if finished. */
int wr_poller_init(struct wr_poller *poller, enum wr_io io);
/* Once more is harmless. */
void wr_poller_fini(struct wr_poller *poller);

/* Hears a descriptor, under a mark: NULL, and it only ends a wait. 0, WR_POLLER_ALWAYS, or -1
 * with errno set (EEXIST: it is heard already). One system call, or none. */
int wr_poller_add(struct wr_poller *poller, int fd, unsigned events, void *mark);
/* False: it was not heard. One system call, or none. */
bool wr_poller_remove(struct wr_poller *poller, int fd);

/*
 * In poll(2) the descriptors that `also` names end a wait too, without a mark: up to `room`
 * of them, filled in at the beginning of each, without a lock of the poller's. (With epoll a
 * set of descriptors is one itself, and is added.)
 */
void wr_poller_hear_also(struct wr_poller *poller,
	unsigned (*also)(void *ctx, struct pollfd *fds, unsigned room), void *ctx);

/* Waits so long, -1 for ever; fills in up to `most` marks of what is ready, those that are
 * not NULL. Returns how many. It may end with none before the time. */
int wr_poller_wait(struct wr_poller *poller, void **marks, int most, int timeout_ms);

/* True if epoll was not to be had for a reason that poll(2) helps against. */
bool wr_poller_refused(int os);

/* "epoll" or "poll". */
const char *wr_poller_name(const struct wr_poller *poller);

#endif
