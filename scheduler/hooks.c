/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/hooks.h"

#include <weir/error.h>

enum { GATHERED = 8 }; /* tables that wait before an exchange looks after them */

int
wr_hooks_init(struct wr_hooks *hooks)
{
	*hooks = (struct wr_hooks){.epoch = wr_epoch_new()};
	return hooks->epoch ? 0 : -WEIR_E_ENV_MEMORY;
}

/* From here on it is its owner's, who may free it: it is not touched behind the call, and
 * can be installed again from within it. */
static void
give_back(struct wr_epoch_deferred *deferred)
{
	struct wr_hook_table *table =
		(struct wr_hook_table *)(void *)((unsigned char *)deferred -
			offsetof(struct wr_hook_table, deferred));
	void (*reclaimed)(struct wr_hook_table *) = table->reclaimed;

	wr_store_release(hooks_free, &table->taken, 0);
	if (reclaimed)
		reclaimed(table);
}

int
wr_hooks_swap(
	struct wr_hooks *hooks, struct wr_hook_table *table, struct wr_hook_table **old)
{
	struct wr_hook_table *was;

	if (table && wr_exchange(hooks_free, &table->taken, 1) != 0)
		return -WEIR_E_USAGE_STATE;
	was = wr_exchange(hooks_table, &hooks->table, table);
	if (old)
		*old = was;
	if (was && wr_epoch_defer(hooks->epoch, &was->deferred, give_back) >= GATHERED)
		(void)wr_epoch_try(hooks->epoch);
	return 0;
}

unsigned
wr_hooks_reclaim(struct wr_hooks *hooks)
{
	return wr_epoch_try(hooks->epoch);
}

bool
wr_hooks_has(struct wr_hooks *hooks)
{
	return wr_hooks_look(hooks) != NULL;
}

void
wr_hooks_fini(struct wr_hooks *hooks)
{
	(void)wr_hooks_swap(hooks, NULL, NULL);
	wr_epoch_free(hooks->epoch);
	hooks->epoch = NULL;
}
