/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "protocols/hung.h"

#include <stdlib.h>

int
wr_hung_enter(struct wr_hung *hung, struct weir_bus *bus, const void *opts)
{
	int rc = wr_bus_enter(bus, opts, &hung->handle);

	if (wr_bus_is_ours(bus)) {
		hung->bus = bus;
		hung->next = bus->hung;
		bus->hung = hung;
	}
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
		struct wr_hung **at = &hung->bus->hung;

		while (*at != hung)
			at = &(*at)->next;
		*at = hung->next;
		if (hung->handle.code == 0)
			hung->leave(hung);
	}
	free(hung);
	return 0;
}

void
wr_hung_close_all(struct weir_bus *bus)
{
	while (bus->hung)
		(void)wr_hung_close(bus->hung);
}

void
wr_hung_adopt(struct weir_bus *bus)
{
	for (struct wr_hung *hung = bus->hung; hung; hung = hung->next)
		(void)wr_handle_adopt(&hung->handle);
}
