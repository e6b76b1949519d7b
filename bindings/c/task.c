/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Tasks on a bus's loop: weir_spawn, weir_join and what is between.
 *
 * They lie in blocks that stay where they are until the bus is closed, so that any thread
 * may wake one by its name, of whatever became of it. A name is a place and a generation,
 * so it names no other one that came to lie there later.
 */
#include <stdlib.h>
#include <unistd.h>
#include <weir/look.h>
#include <weir/loop.h>

#include "bindings/c/turn.h"
#include "bus/error.h"
#include "bus/lines.h"
#include "protocols/bus.h"

enum { BLOCK_BITS = 12, BLOCKS_MAX = 1 << 12, PLACE_BITS = 24 };

#define PLACES_MAX (1u << PLACE_BITS)

struct actor {
	struct wr_task task;
	struct weir_bus *bus;
	weir_step_fn step;
	void *ctx;
	wr_a64 id;     /* 0: nobody lies here */
	uint64_t uses; /* generations */
	uint32_t place;
	uint32_t next_free; /* place + 1 */
	int result;
	bool ended;
	bool stepping;
};

struct wr_actors {
	_Atomic(struct actor *) blocks[BLOCKS_MAX];
	uint32_t used;
	uint32_t free; /* place + 1 */
};

/* ---- names ---------------------------------------------------------------------------------- */

/* By any thread; NULL if nobody has had that name here. */
static struct actor *
place_of(const struct wr_actors *actors, weir_task_id id)
{
	uint32_t place = (uint32_t)(id & (PLACES_MAX - 1));
	struct actor *block;

	if (!actors || id == 0)
		return NULL;
	block = wr_load_acquire(task_block, &actors->blocks[place >> BLOCK_BITS]);
	return block ? &block[place & ((1u << BLOCK_BITS) - 1)] : NULL;
}

static struct actor *
find(const struct weir_bus *bus, weir_task_id id)
{
	struct actor *actor = place_of(bus->actors, id);

	return actor && wr_load_acquire(task_name, &actor->id) == id ? actor : NULL;
}

static struct actor *
take_place(struct wr_actors *actors)
{
	uint32_t place = actors->free ? actors->free - 1 : actors->used;
	uint32_t block = place >> BLOCK_BITS;
	struct actor *actor;

	if (place >= PLACES_MAX)
		return NULL;
	if (!wr_load_relaxed(task_block, &actors->blocks[block])) {
		struct actor *fresh = wr_lines_alloc(sizeof(*fresh) << BLOCK_BITS);

		if (!fresh)
			return NULL;
		wr_store_release(task_block, &actors->blocks[block], fresh);
	}
	actor = place_of(actors, place | PLACES_MAX);
	if (actors->free)
		actors->free = actor->next_free;
	else
		actors->used++;
	actor->place = place;
	return actor;
}

static void
free_place(struct weir_bus *bus, struct actor *actor)
{
	wr_store_release(task_name, &actor->id, 0);
	actor->next_free = bus->actors->free;
	bus->actors->free = actor->place + 1;
}

/* ---- its life --------------------------------------------------------------------------------- */

static void
end(struct actor *actor, int result)
{
	actor->ended = true;
	actor->result = result;
	wr_reactor_remove(&actor->bus->reactor, &actor->task);
}

static int
actor_poll(struct wr_task *task, int *verdict)
{
	struct actor *actor = (struct actor *)(void *)task;
	int step;

	(void)verdict;
	actor->stepping = true;
	step = actor->step(actor->ctx);
	actor->stepping = false;
	if (actor->ended)
		return 1; /* it has killed itself */
	if (step == WEIR_STEP_MORE)
		wr_reactor_tell(&actor->bus->reactor, task);
	else if (step != WEIR_STEP_IDLE)
		end(actor,
			step == WEIR_STEP_DONE ? 0
				: step < 0     ? step
					       : -WEIR_E_USAGE_INVAL);
	return 1;
}

static int
check_options(const weir_task_opts *opts, struct weir_error *err)
{
	if (opts->size != sizeof(*opts))
		return wr_error_set(err, WEIR_E_USAGE_SIZE, 0,
			"weir_task_opts of %zu bytes, this library knows %zu",
			opts->size, sizeof(*opts));
	if (!opts->step)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0, "no step is given");
	if (opts->urgent > 1)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"urgent %u is neither 0 nor 1", opts->urgent);
	if (opts->weight > WEIR_WEIGHT_MAX)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0, "weight %u is above %d",
			opts->weight, WEIR_WEIGHT_MAX);
	return 0;
}

static weir_task_id
spawn(struct weir_bus *bus, const weir_task_opts *opts, struct weir_error *err)
{
	struct actor *actor = take_place(bus->actors);

	if (!actor) {
		wr_error_set(err, WEIR_E_ENV_MEMORY, 0, "no memory for a task");
		return 0;
	}
	actor->bus = bus;
	actor->step = opts->step;
	actor->ctx = opts->ctx;
	actor->ended = false;
	actor->result = 0;
	actor->task.poll = actor_poll;
	actor->task.kind = WEIR_KIND_TASK;
	actor->task.once = true;
	actor->task.urgent = opts->urgent != 0;
	if (wr_reactor_add(&bus->reactor, &actor->task, opts->weight, err) < 0) {
		free_place(bus, actor);
		return 0;
	}
	wr_store_release(
		task_name, &actor->id, ++actor->uses << PLACE_BITS | actor->place);
	wr_reactor_tell(&bus->reactor, &actor->task);
	return wr_stat_get(&actor->id);
}

weir_task_id
weir_spawn_(weir_bus *bus, const weir_task_opts *opts)
{
	struct wr_handle call;
	weir_task_id id = 0;
	int rc = wr_bus_enter(bus, opts, &call);

	if (rc == 0)
		rc = check_options(opts, &call.err);
	if (rc == 0 && !bus->actors)
		bus->actors = calloc(1, sizeof(*bus->actors));
	if (rc == 0 && !bus->actors)
		rc = wr_error_set(&call.err, WEIR_E_ENV_MEMORY, 0, "no memory for tasks");
	if (rc == 0)
		id = spawn(bus, opts, &call.err);
	if (id == 0)
		wr_bus_blame(bus, &call, "weir_spawn", NULL);
	return id;
}

/* ---- calls by name ------------------------------------------------------------------------------ */

int
weir_task_wake(weir_bus *bus, weir_task_id id)
{
	struct actor *actor;

	if (!bus || !bus->opened)
		return -WEIR_E_USAGE_INVAL;
	if (bus->handle.pid != getpid())
		return -WEIR_E_GONE_FORKED;
	actor = find(bus, id);
	if (!actor)
		return -WEIR_E_USAGE_INVAL;
	wr_reactor_send(&bus->reactor, &actor->task);
	return 0;
}

int
weir_task_lives(weir_bus *bus, weir_task_id id)
{
	int rc = wr_handle_enter(&bus->handle);
	const struct actor *actor = rc < 0 ? NULL : find(bus, id);

	if (rc < 0)
		return rc;
	return actor ? !actor->ended : -WEIR_E_USAGE_INVAL;
}

int
weir_task_kill(weir_bus *bus, weir_task_id id)
{
	int rc = wr_handle_enter(&bus->handle);
	struct actor *actor = rc < 0 ? NULL : find(bus, id);

	if (rc < 0)
		return rc;
	if (!actor)
		return -WEIR_E_USAGE_INVAL;
	if (!actor->ended)
		end(actor, -WEIR_E_GONE_STOPPED);
	return 0;
}

int
weir_join(weir_bus *bus, weir_task_id id, int timeout_ms)
{
	uint64_t deadline = timeout_ms > 0 ? wr_deadline_ns((uint32_t)timeout_ms) : 0;
	int rc = wr_handle_enter(&bus->handle);
	struct actor *actor = rc < 0 ? NULL : find(bus, id);
	int verdict = 0;

	if (rc < 0)
		return rc;
	if (!actor)
		return -WEIR_E_USAGE_INVAL;
	if (actor->stepping)
		return -WEIR_E_USAGE_STATE;
	while (!actor->ended) {
		uint64_t now = timeout_ms > 0 ? wr_now_ns() : 0;

		if (timeout_ms == 0 || (timeout_ms > 0 && now >= deadline))
			return -WEIR_E_AGAIN_TIMEOUT;
		if (wr_load_acquire(loop_stopped, &bus->reactor.stopped))
			return -WEIR_E_GONE_STOPPED;
		(void)wr_bus_turn(bus,
			timeout_ms < 0 ? WEIR_FOREVER
				       : (int)((deadline - now) / 1000000) + 1,
			&verdict);
		if (verdict != 0)
			return verdict;
	}
	rc = actor->result;
	free_place(bus, actor);
	return rc;
}

void
wr_actors_close(struct weir_bus *bus)
{
	struct wr_actors *actors = bus->actors;

	if (!actors)
		return;
	bus->actors = NULL;
	for (uint32_t i = 0; i < actors->used; i++) {
		struct actor *actor = place_of(actors, i | PLACES_MAX);

		wr_reactor_remove(&bus->reactor, &actor->task);
	}
	for (uint32_t i = 0; i < BLOCKS_MAX; i++)
		free(wr_load_relaxed(task_block, &actors->blocks[i]));
	free(actors);
}
