/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * By which a steward hears. What it hears says what it is about: the door, a ring to be
 * relayed, or the socket or death of a peer by its place in the table.
 *
 * With epoll it is a set that descriptors are added to. Without, nothing is kept: poll(2)
 * wants a list at each wait, and the tables of door and peers are that list (bus/steward.c),
 * so none can be in it that was closed. Who would add one ends the wait instead.
 */
#ifndef WR_BUS_EAR_H
#define WR_BUS_EAR_H

#include <stdint.h>
#include <sys/epoll.h>
#include <unistd.h>

enum wr_about { WR_ABOUT_DOOR = 1, WR_ABOUT_RELAY, WR_ABOUT_SOCKET, WR_ABOUT_DEATH };

struct wr_ear {
	int epoll; /* -1: poll(2) */
	int poke;  /* an eventfd: the publisher or a caller wants something */
};

static inline uint64_t
wr_ear_mark(enum wr_about what, int index)
{
	return (uint64_t)what << 32 | (uint32_t)index;
}

static inline enum wr_about
wr_ear_what(uint64_t mark)
{
	return (enum wr_about)(mark >> 32);
}

static inline uint32_t
wr_ear_index(uint64_t mark)
{
	return (uint32_t)mark;
}

/* Ends the present or the next wait. Any thread. */
static inline void
wr_ear_poke(const struct wr_ear *ear)
{
	static const uint64_t one = 1;

	if (write(ear->poke, &one, sizeof(one)) < 0)
		return; /* full: it is awake */
}

/* Hears of a descriptor (EPOLL_CTL_ADD), or of other events of it (EPOLL_CTL_MOD). 0 or
 * -1 with errno set. */
static inline int
wr_ear_ctl(const struct wr_ear *ear, int op, int fd, uint32_t events,
	enum wr_about what, int index)
{
	struct epoll_event event = {
		.events = events, .data = {.u64 = wr_ear_mark(what, index)}};

	if (ear->epoll >= 0)
		return epoll_ctl(ear->epoll, op, fd, &event);
	wr_ear_poke(ear);
	return 0;
}

#endif
