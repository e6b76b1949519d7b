/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Who looks at a bus's loop from within: weir_hooks_set, weir_loop_get_stats.
 */
#include "bindings/c/hooks.h"

#include <stdlib.h>
#include <unistd.h>
#include <weir/loop.h>

#include "protocols/bus.h"

/* The hooks of a program, and the table by which the loop finds them. */
struct copy {
	struct wr_hook_table table; /* first: it is given back by its address */
	weir_hooks hooks;
};

/* ---- calls --------------------------------------------------------------------------------- */

static weir_consumer
consumer_of(uint64_t address)
{
	return wr_task_shown((const struct wr_task *)(uintptr_t)address);
}

static void
before_poll(void *ctx, uint64_t address)
{
	const weir_hooks *hooks = ctx;
	weir_consumer consumer = consumer_of(address);

	hooks->before_poll(hooks->ctx, &consumer);
}

static void
after_poll(void *ctx, uint64_t address, uint64_t messages, uint64_t ns)
{
	const weir_hooks *hooks = ctx;
	weir_consumer consumer = consumer_of(address);

	(void)ns;
	hooks->after_poll(hooks->ctx, &consumer, messages);
}

static void
on_yield(void *ctx, uint64_t address)
{
	const weir_hooks *hooks = ctx;
	weir_consumer consumer = consumer_of(address);

	hooks->on_yield(hooks->ctx, &consumer);
}

static void
on_completion(void *ctx, uint64_t address)
{
	const weir_hooks *hooks = ctx;
	weir_consumer consumer = consumer_of(address);

	hooks->on_completion(hooks->ctx, &consumer);
}

static void
reclaimed(struct wr_hook_table *table)
{
	struct copy *copy = (struct copy *)table;

	if (copy->hooks.reclaimed)
		copy->hooks.reclaimed(copy->hooks.ctx);
	free(copy);
}

/* ---- in and out ------------------------------------------------------------------------------ */

static struct copy *
copy_of(const weir_hooks *hooks)
{
	struct copy *copy = calloc(1, sizeof(*copy));

	if (!copy)
		return NULL;
	copy->hooks = *hooks;
	copy->table.ctx = &copy->hooks;
	copy->table.reclaimed = reclaimed;
	copy->table.before_poll = hooks->before_poll ? before_poll : NULL;
	copy->table.after_poll = hooks->after_poll ? after_poll : NULL;
	copy->table.on_yield = hooks->on_yield ? on_yield : NULL;
	copy->table.on_completion = hooks->on_completion ? on_completion : NULL;
	return copy;
}

int
weir_hooks_set(weir_bus *bus, const weir_hooks *hooks)
{
	struct copy *copy = NULL;

	if (!bus || !bus->opened)
		return -WEIR_E_USAGE_INVAL;
	if (hooks && hooks->size != sizeof(*hooks))
		return -WEIR_E_USAGE_SIZE;
	if (hooks) {
		copy = copy_of(hooks);
		if (!copy)
			return -WEIR_E_ENV_MEMORY;
	}
	return wr_hooks_swap(&bus->hooks, copy ? &copy->table : NULL, NULL);
}

int
wr_bus_hooks_init(struct weir_bus *bus)
{
	int rc = wr_hooks_init(&bus->hooks);

	if (rc < 0)
		return rc;
	rc = wr_reactor_hook(&bus->reactor, &bus->hooks);
	if (rc < 0)
		wr_hooks_fini(&bus->hooks);
	return rc;
}

#if WEIR_METRICS
/* ---- what was counted -------------------------------------------------------------------------- */

int
weir_loop_get_stats_of(weir_bus *bus, uint32_t loop, weir_loop_stats *stats)
{
	struct wr_reactor_stats *now;

	if (!bus || !bus->opened || !stats || loop > bus->crew.plan.loops)
		return -WEIR_E_USAGE_INVAL;
	if (stats->size != sizeof(*stats))
		return -WEIR_E_USAGE_SIZE;
	if (bus->handle.pid != getpid())
		return -WEIR_E_GONE_FORKED;
	now = wr_crew_reactor(&bus->crew, loop)->stats;
	stats->turns = wr_stat_get(&now->turns);
	stats->polls = wr_stat_get(&now->polls);
	stats->messages = wr_stat_get(&now->messages);
	stats->busy_ns = wr_stat_get(&now->busy_ns);
	stats->idle_ns = wr_stat_get(&now->idle_ns);
	stats->sleeps = wr_stat_get(&now->sleeps);
	stats->timers = wr_stat_get(&now->timers);
	stats->violations = wr_stat_get(&now->violations);
	stats->io = bus->reactor.poller.epoll ? WEIR_IO_EPOLL : WEIR_IO_POLL;
	return 0;
}

int
weir_loop_get_stats(weir_bus *bus, weir_loop_stats *stats)
{
	return weir_loop_get_stats_of(bus, 0, stats);
}

#endif
