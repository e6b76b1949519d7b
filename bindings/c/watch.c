/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Descriptors on a bus's loop: weir_watch_*.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <weir/look.h>
#include <weir/loop.h>

#include "bus/error.h"
#include "bus/lines.h"
#include "protocols/hung.h"

struct weir_watch {
	struct wr_hung hung;
	struct wr_task task;
	int fd;
	bool always; /* a file's: nobody tells when it is ready, since it is */
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
	*verdict = watch->on_ready(watch->ctx, watch->fd);
	return 1;
}

static void
leave(struct wr_hung *hung)
{
	struct weir_watch *watch = (struct weir_watch *)hung;

	if (!watch->always)
		wr_reactor_unwatch(&hung->bus->reactor, watch->fd);
	wr_reactor_remove(&hung->bus->reactor, &watch->task);
}

static int
check_options(const weir_watch_opts *opts, struct weir_error *err)
{
	if (opts->size != sizeof(*opts))
		return wr_error_set(err, WEIR_E_USAGE_SIZE, 0,
			"weir_watch_opts of %zu bytes, this library knows %zu",
			opts->size, sizeof(*opts));
	if (!opts->on_ready)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0, "no on_ready is given");
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
	uint32_t events = 0;
	int rc = check_options(opts, err);

	if (rc < 0)
		return rc;
	watch->fd = opts->fd;
	watch->on_ready = opts->on_ready;
	watch->ctx = opts->ctx;
	watch->task.poll = watch_poll;
	watch->task.kind = WEIR_KIND_WATCH;
	watch->task.once = true;
	watch->hung.leave = leave;
	if (opts->events == 0 || (opts->events & WEIR_READABLE) != 0)
		events |= EPOLLIN;
	if ((opts->events & WEIR_WRITABLE) != 0)
		events |= EPOLLOUT;
	rc = wr_reactor_add(reactor, &watch->task, opts->weight, err);
	if (rc < 0)
		return rc;
	rc = wr_reactor_watch(reactor, &watch->task, watch->fd, events);
	if (rc < 0) {
		wr_reactor_remove(reactor, &watch->task);
		return wr_error_set(
			err, -rc, errno, "descriptor %d cannot be watched", watch->fd);
	}
	watch->always = rc == WR_WATCH_ALWAYS;
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
