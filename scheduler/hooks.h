/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Who wants to be told of each poll? A table of functions, which is exchanged by one atomic
 * pointer while reactors are polling. A table that was replaced is given back to its owner
 * when no reactor can be inside it any more, never before (bus/epoch.h): to free it at the
 * exchange would pull it away from under a call.
 *
 * A reactor enters once a turn and looks once a poll; all calls of a poll go to the table of
 * that look, so whoever is told of its begin is told of its end. Without a table that is one
 * load and one branch.
 *
 *	wr_hooks_enter(reader);
 *	for (each poll of the turn) {
 *		const struct wr_hook_table *table = wr_hooks_look(hooks);
 *
 *		wr_hook_before_poll(table, consumer);
 *		...
 *		wr_hook_after_poll(table, consumer, messages, ns);
 *	}
 *	wr_hooks_leave(reader);
 *
 * A hook may exchange the table. It must not block, and has no say in what is polled.
 */
#ifndef WR_SCHEDULER_HOOKS_H
#define WR_SCHEDULER_HOOKS_H

#include "bus/atomic.h"
#include "bus/epoch.h"

#include <stddef.h>

/* The caller's memory. Not written while it is installed, but for what is ours. */
struct wr_hook_table {
	/* Each may be NULL. On the reactor's thread; consumer is its id. */
	void (*before_poll)(void *ctx, uint64_t consumer);
	void (*after_poll)(void *ctx, uint64_t consumer, uint64_t messages, uint64_t ns);
	void (*on_yield)(void *ctx, uint64_t consumer);      /* it gave way by itself */
	void (*on_completion)(void *ctx, uint64_t consumer); /* it has ended */
	void *ctx;

	/* The table is the caller's again: nobody will call it. NULL: not wanted. On the
	 * thread that found out. */
	void (*reclaimed)(struct wr_hook_table *table);

	struct wr_epoch_deferred deferred; /* ours, as what follows */
	wr_a32 taken;                      /* installed, or not given back yet */
};

struct wr_hooks {
	_Atomic(struct wr_hook_table *) table;
	struct wr_epoch *epoch;
};

/* ENV_MEMORY if there is none. */
int wr_hooks_init(struct wr_hooks *hooks);

/* Gives back every table. All readers have parted. */
void wr_hooks_fini(struct wr_hooks *hooks);

/*
 * Installs a table, or none (NULL). *old, if wanted, is the table that was there, NULL for
 * none: to compare, for it may have been given back by now. USAGE_STATE, and nothing is
 * changed, if the table is installed already or has not been given back. Any thread; waits
 * for nobody.
 */
int wr_hooks_swap(struct wr_hooks *hooks, struct wr_hook_table *table,
	struct wr_hook_table **old);

/* Gives back what can be given back by now. Returns how many tables wait still. Any thread;
 * an exchange does it by itself when some have gathered. */
unsigned wr_hooks_reclaim(struct wr_hooks *hooks);

/* True if there is a table. */
bool wr_hooks_has(struct wr_hooks *hooks);

/* ---- a reactor ------------------------------------------------------------------------------ */

/* For one thread; NULL: no memory. */
static inline struct wr_epoch_reader *
wr_hooks_join(struct wr_hooks *hooks)
{
	return wr_epoch_join(hooks->epoch);
}

static inline void
wr_hooks_part(struct wr_epoch_reader *reader)
{
	wr_epoch_part(reader);
}

/* What is looked up between these may be called. Not across a sleep: what was replaced
 * before it would be kept for as long. */
static inline void
wr_hooks_enter(struct wr_epoch_reader *reader)
{
	wr_epoch_enter(reader);
}

static inline void
wr_hooks_leave(struct wr_epoch_reader *reader)
{
	wr_epoch_leave(reader);
}

/* The table for one poll; NULL: nobody wants to be told. */
static inline const struct wr_hook_table *
wr_hooks_look(struct wr_hooks *hooks)
{
	return wr_load_acquire(hooks_look, &hooks->table);
}

static inline void
wr_hook_before_poll(const struct wr_hook_table *table, uint64_t consumer)
{
	if (__builtin_expect(table != NULL, 0) && table->before_poll)
		table->before_poll(table->ctx, consumer);
}

static inline void
wr_hook_after_poll(const struct wr_hook_table *table, uint64_t consumer,
	uint64_t messages, uint64_t ns)
{
	if (__builtin_expect(table != NULL, 0) && table->after_poll)
		table->after_poll(table->ctx, consumer, messages, ns);
}

static inline void
wr_hook_on_yield(const struct wr_hook_table *table, uint64_t consumer)
{
	if (__builtin_expect(table != NULL, 0) && table->on_yield)
		table->on_yield(table->ctx, consumer);
}

static inline void
wr_hook_on_completion(const struct wr_hook_table *table, uint64_t consumer)
{
	if (__builtin_expect(table != NULL, 0) && table->on_completion)
		table->on_completion(table->ctx, consumer);
}

#endif
