/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a weir_bus is made of: a node (where the bytes are) and a reactor (whose turn it
 * is). bindings/c opens and closes it; the protocols hang their handles on it.
 */
#ifndef WR_PROTOCOLS_BUS_H
#define WR_PROTOCOLS_BUS_H

#include <weir/weir.h>

#include "bus/handle.h"
#include "bus/node.h"
#include "conf/settings.h"
#include "protocols/tie.h"
#include "scheduler/crew.h"
#include "scheduler/keeper.h"

struct weir_bus {
	struct wr_handle handle;
	struct wr_node node;
	struct wr_reactor reactor;
	struct wr_crew crew;      /* the loop of which that is, and further ones */
	struct wr_keeper *keeper; /* of its timers; NULL: the reactor keeps them */
#if WEIR_METRICS
	struct wr_roster roster; /* its consumers, as others see them */
#endif
	struct wr_hooks hooks;
	struct wr_settings settings; /* what is in force, and who said so */
	struct wr_tier_config tiers; /* what was asked for, */
	struct wr_tier_rules rules;  /* and what the reactor works with */
	struct wr_task events;       /* hands them to on_event */
	struct wr_tie *ties;         /* all handles but tasks */
	struct wr_ring watches; /* of those, the descriptors: who was selected is last */
	uint32_t watch_count;
	struct wr_actors *actors; /* NULL until the first is spawned */
	uint32_t attach_ms;
	uint32_t close_ms;
	uint64_t close_by_ns; /* of the whole bus, while it closes */
	uint32_t flags;
	struct weir_tuning *tunings; /* what was asked of the kernel; NULL: nothing was */
	uint32_t tuning_count;
	uint32_t io; /* enum weir_io, as the program asked */
	weir_event_fn on_event;
	void *ctx;
	bool opened;   /* node, reactor and meeting exist */
	bool signals;  /* we are among those that watch for SIGINT and SIGTERM */
	bool in_turn;  /* callbacks may be running */
	bool in_run;   /* inside weir_run: nobody pulls */
	bool answered; /* the error was printed */
};

static inline uint64_t
wr_deadline_ns(uint32_t ms)
{
	return wr_now_ns() + (uint64_t)ms * 1000000;
}

/* Ends every task of the bus; the bus's own thread. */
void wr_actors_close(struct weir_bus *bus);

/*
 * A handle begins on a bus, as its maker's: it is refused where there is no bus, where
 * there are no options, and where the bus cannot be used. 0, or < 0 with its err filled.
 */
int wr_bus_enter(struct weir_bus *bus, const void *opts, struct wr_handle *handle);

/* The handle has failed for good, with what its err says, in this call for this topic
 * (NULL if that is not known). Its bus answers for it in weir_run and weir_close. */
void wr_bus_blame(struct weir_bus *bus, struct wr_handle *handle, const char *call,
	const char *topic);

/* True if the bus is the calling thread's: then a list of it has the handle, and closing
 * it closes that. */
bool wr_bus_is_ours(const struct weir_bus *bus);

/* The reactor of the calling thread: the bus's own, or that of a further loop of it. */
static inline struct wr_reactor *
wr_bus_reactor_here(struct weir_bus *bus)
{
	struct wr_loop *loop = wr_loop_here();

	return loop && loop->crew == &bus->crew ? loop->reactor : &bus->reactor;
}

#endif
