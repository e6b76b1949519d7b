/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Descriptors on a bus's loop: weir_watch_*. The loop hears which are ready; who selects or
 * polls them by himself asks the kernel anew, so he is told what is, and not what was.
 */
#include <errno.h>
#include <stdlib.h>
#include <weir/loop.h>

#include "bus/error.h"
#include "bus/lines.h"
#include "protocols/hung.h"

enum { AT_ONCE = 64 }; /* that one call looks at */

struct weir_watch {
	struct wr_hung hung;
	struct wr_task task;
	struct wr_ring among; /* the watches of the bus */
	int fd;
	uint32_t events; /* enum weir_ready */
	bool always;     /* a file's: nobody tells when it is ready, since it is */
	weir_ready_fn on_ready;
	void *ctx;
};

static struct weir_watch *
of_task(struct wr_task *task)
{
	return (struct weir_watch *)(void *)((uint8_t *)task -
		offsetof(struct weir_watch, task));
}

/* Idle afterwards: the kernel tells again, as long as there is something. */
static int
watch_poll(struct wr_task *task, int *verdict)
{
	struct weir_watch *watch = of_task(task);

	if (watch->always)
		wr_reactor_tell(&watch->hung.bus->reactor, task);
	if (watch->on_ready)
		*verdict = watch->on_ready(watch->ctx, watch->fd);
	return 1;
}

static void
leave(struct wr_hung *hung)
{
	struct weir_watch *watch = (struct weir_watch *)hung;

	wr_list_unlink(&watch->among);
	hung->bus->watch_count--;
	if (!watch->always)
		wr_reactor_unwatch(&hung->bus->reactor, watch->fd);
	wr_reactor_remove(&hung->bus->reactor, &watch->task);
}

/* Its events as the kernel calls them, and back. What is wrong with a descriptor shows
 * whatever is done with it. */
static int
kernels(uint32_t events)
{
	return ((events & WEIR_READABLE) != 0 ? WR_CAN_READ : 0) |
		((events & WEIR_WRITABLE) != 0 ? WR_CAN_WRITE : 0);
}

static uint32_t
ours(const struct weir_watch *watch, int events)
{
	uint32_t is = ((events & WR_CAN_READ) != 0 ? (uint32_t)WEIR_READABLE : 0) |
		((events & WR_CAN_WRITE) != 0 ? (uint32_t)WEIR_WRITABLE : 0);

	return events != 0 && is == 0 ? watch->events : is & watch->events;
}

static int
check_options(const weir_watch_opts *opts, struct weir_error *err)
{
	if (opts->size != sizeof(*opts))
		return wr_error_set(err, WEIR_E_USAGE_SIZE, 0,
			"weir_watch_opts of %zu bytes, this library knows %zu",
			opts->size, sizeof(*opts));
	if ((opts->events & ~(uint32_t)(WEIR_READABLE | WEIR_WRITABLE)) != 0)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"events %#x are not all known", opts->events);
	if (opts->weight > WEIR_WEIGHT_MAX)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0, "weight %u is above %d",
			opts->weight, WEIR_WEIGHT_MAX);
	return 0;
}

static int
watch_open(struct weir_watch *watch, const weir_watch_opts *opts, struct weir_error *err)
{
	struct wr_reactor *reactor = &watch->hung.bus->reactor;
	int rc = check_options(opts, err);

	if (rc < 0)
		return rc;
	watch->fd = opts->fd;
	watch->on_ready = opts->on_ready;
	watch->ctx = opts->ctx;
	watch->task.poll = watch_poll;
	watch->task.once = true;
	watch->hung.leave = leave;
	watch->events = opts->events ? opts->events : WEIR_READABLE;
	rc = wr_reactor_add(reactor, &watch->task, opts->weight, err);
	if (rc < 0)
		return rc;
	rc = wr_reactor_watch(
		reactor, &watch->task, watch->fd, (uint32_t)kernels(watch->events));
	if (rc < 0) {
		wr_reactor_remove(reactor, &watch->task);
		return wr_error_set(
			err, -rc, errno, "descriptor %d cannot be watched", watch->fd);
	}
	watch->always = rc == WR_WATCH_ALWAYS;
	wr_list_append(&watch->hung.bus->watches, &watch->among);
	watch->hung.bus->watch_count++;
	return 0;
}

weir_watch *
weir_watch_fd_(weir_bus *bus, const weir_watch_opts *opts)
{
	static struct weir_watch none = {.hung.handle = WR_HANDLE_NONE};
	struct weir_watch *watch = wr_lines_alloc(sizeof(*watch));
	int rc;

	if (!watch)
		return &none;
	rc = wr_hung_enter(&watch->hung, bus, opts);
	if (rc == 0)
		rc = watch_open(watch, opts, &watch->hung.handle.err);
	if (rc < 0)
		wr_bus_blame(bus, &watch->hung.handle, "weir_watch_fd", NULL);
	return watch;
}

/* ---- select and poll --------------------------------------------------------------------------- */

static struct weir_watch *
of_among(struct wr_ring *link)
{
	return (struct weir_watch *)(void *)((uint8_t *)link -
		offsetof(struct weir_watch, among));
}

/* Some of the watches, and what the kernel says of them. */
struct glance {
	struct weir_watch *watches[AT_ONCE];
	struct pollfd fds[AT_ONCE];
};

/* Looks at so many from there on; returns where the next one is. */
static struct wr_ring *
glance_at(struct glance *glance, struct wr_ring *link, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++, link = link->next) {
		glance->watches[i] = of_among(link);
		glance->fds[i] = (struct pollfd){.fd = glance->watches[i]->fd,
			.events = (short)kernels(glance->watches[i]->events)};
	}
	(void)poll(glance->fds, count, 0);
	return link;
}

/* Puts it down, and behind the others. */
static weir_readiness
select_one(struct weir_bus *bus, struct weir_watch *watch, int events)
{
	wr_list_unlink(&watch->among);
	wr_list_append(&bus->watches, &watch->among);
	return (weir_readiness){.watch = watch,
		.ctx = watch->ctx,
		.fd = watch->fd,
		.events = ours(watch, events)};
}

int
weir_watch_select(weir_bus *bus, weir_readiness *ready, size_t count)
{
	int rc = wr_handle_enter(&bus->handle);
	struct wr_ring *next = bus->watches.next;
	uint32_t left = bus->watch_count;
	struct glance glance;
	size_t found = 0;

	if (rc == 0 && !ready && count > 0)
		rc = -WEIR_E_USAGE_INVAL;
	if (rc < 0)
		return rc;
	while (left > 0 && found < count) {
		uint32_t some = left < AT_ONCE ? left : AT_ONCE;

		left -= some;
		next = glance_at(&glance, next, some);
		for (uint32_t i = 0; i < some && found < count; i++)
			if (glance.fds[i].revents)
				ready[found++] = select_one(
					bus, glance.watches[i], glance.fds[i].revents);
	}
	return (int)found;
}

int
weir_watch_poll(weir_watch *watch)
{
	int rc = wr_handle_enter(&watch->hung.handle);
	struct glance glance;

	if (rc < 0)
		return rc;
	(void)glance_at(&glance, &watch->among, 1);
	if (!glance.fds[0].revents)
		return 0;
	rc = watch->on_ready ? watch->on_ready(watch->ctx, watch->fd) : 0;
	return rc != 0 ? rc : 1;
}

int
weir_watch_close(weir_watch *watch)
{
	return wr_hung_close(watch ? &watch->hung : NULL);
}

const weir_error *
weir_watch_why(const weir_watch *watch)
{
	return &watch->hung.handle.err;
}
