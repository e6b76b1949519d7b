/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/ours/bus.h"

weir_bus *
bench_open_bus(struct crew *crew, const char *name, const char *dir, uint32_t idle)
{
	weir_bus *bus = weir_open(name, .dir = dir, .idle = idle,
		.flags = WEIR_BUS_QUIET | WEIR_BUS_NO_SIGNALS);
	if (weir_why(bus)->code == 0)
		return bus;
	crew_fail(crew, "open: %s", weir_why(bus)->text);
	weir_close(bus);
	return NULL;
}
