/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The epoll set by which a steward hears. Each event in it says what it is about: the
 * door, a ring to be relayed, or the socket or death of a peer by its place in the table.
 */
#ifndef WR_BUS_EAR_H
#define WR_BUS_EAR_H

#include <stdint.h>
#include <sys/epoll.h>

enum wr_about { WR_ABOUT_DOOR = 1, WR_ABOUT_RELAY, WR_ABOUT_SOCKET, WR_ABOUT_DEATH };

/* Hears of a descriptor (EPOLL_CTL_ADD), or of other events of it (EPOLL_CTL_MOD). 0 or
 * -1 with errno set. */
static inline int
wr_ear_ctl(int ear, int op, int fd, uint32_t events, enum wr_about what, int index)
{
	struct epoll_event event = {.events = events,
		.data = {.u64 = (uint64_t)what << 32 | (uint32_t)index}};

	return epoll_ctl(ear, op, fd, &event);
}

static inline enum wr_about
wr_ear_what(const struct epoll_event *event)
{
	return (enum wr_about)(event->data.u64 >> 32);
}

static inline uint32_t
wr_ear_index(const struct epoll_event *event)
{
	return (uint32_t)event->data.u64;
}

#endif
