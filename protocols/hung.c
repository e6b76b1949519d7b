/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "protocols/hung.h"

#include <stdlib.h>

static struct wr_hung *
of_tie(struct wr_tie *tie)
{
	return (struct wr_hung *)(void *)((uint8_t *)tie - offsetof(struct wr_hung, tie));
}

static void
close_tied(struct wr_tie *tie)
{
	(void)wr_hung_close(of_tie(tie));
}

static void
adopt_tied(struct wr_tie *tie)
{
	(void)wr_handle_adopt(&of_tie(tie)->handle);
}

static const struct wr_tie_kind kind = {WR_TIE_ON_THE_LOOP, close_tied, adopt_tied};

int
wr_hung_enter(struct wr_hung *hung, struct weir_bus *bus, const void *opts)
{
	int rc = wr_bus_enter(bus, opts, &hung->handle);

	hung->bus = wr_tie_to(bus, &hung->tie, &kind);
	return rc;
}

int
wr_hung_close(struct wr_hung *hung)
{
	if (!hung || hung->handle.pid == 0)
		return 0;
	if (hung->handle.owner != wr_self())
		return wr_handle_refuse(&hung->handle);
	if (hung->bus) {
		wr_tie_undo(hung->bus, &hung->tie);
		if (hung->handle.code == 0)
			hung->leave(hung);
	}
	free(hung);
	return 0;
}
