/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "protocols/bus.h"

#include "bus/error.h"

int
wr_bus_enter(struct weir_bus *bus, const void *opts, struct wr_handle *handle)
{
	int rc;

	wr_handle_init(handle);
	if (!bus || !opts)
		return wr_error_set(&handle->err, WEIR_E_USAGE_INVAL, 0, "no %s given",
			bus ? "options are" : "bus is");
	rc = wr_handle_enter(&bus->handle);
	if (rc < 0)
		wr_error_set(&handle->err, -rc, 0, "the bus cannot be used: %s",
			weir_err_text(rc));
	return rc;
}

void
wr_bus_blame(struct weir_bus *bus, struct wr_handle *handle, const char *call,
	const char *topic)
{
	if (bus)
		wr_error_where(&handle->err, "%s '%s' on bus '%s'", call,
			topic ? topic : "", bus->node.bus);
	else
		wr_error_where(&handle->err, "%s", call);
	(void)wr_handle_fail(handle);
	if (wr_bus_is_ours(bus) && bus->handle.err.code == 0)
		bus->handle.err = handle->err;
}

bool
wr_bus_is_ours(const struct weir_bus *bus)
{
	return bus && bus->handle.owner == wr_self();
}
