/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Commands that others may give to a program (include/weir/control.h). */
#include <weir/control.h>

#include "bus/errand.h"
#include "protocols/bus.h"

int
weir_on_command(weir_bus *bus, const char *name, weir_command_fn fn, void *ctx)
{
	int rc = wr_handle_enter(&bus->handle);

	return rc < 0 ? rc : wr_command_set(&bus->node, name, fn, ctx);
}
