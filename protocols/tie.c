/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "protocols/tie.h"

#include "protocols/bus.h"

struct weir_bus *
wr_tie_to(struct weir_bus *bus, struct wr_tie *tie, const struct wr_tie_kind *kind)
{
	if (!wr_bus_is_ours(bus))
		return NULL;
	*tie = (struct wr_tie){.kind = kind, .next = bus->ties};
	bus->ties = tie;
	return bus;
}

void
wr_tie_undo(struct weir_bus *bus, struct wr_tie *tie)
{
	struct wr_tie **at = &bus->ties;

	while (*at != tie)
		at = &(*at)->next;
	*at = tie->next;
}

void
wr_ties_close(struct weir_bus *bus, enum wr_tie_turn turn)
{
	for (struct wr_tie *tie = bus->ties; tie;) {
		if (tie->kind->turn != turn) {
			tie = tie->next;
			continue;
		}
		/* Others may go with it: from the beginning again. */
		tie->kind->close(tie);
		tie = bus->ties;
	}
}

void
wr_ties_adopt(struct weir_bus *bus)
{
	for (struct wr_tie *tie = bus->ties; tie; tie = tie->next)
		tie->kind->adopt(tie);
}
