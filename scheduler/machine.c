/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <weir/machine.h>

#include "bus/error.h"

/* While act runs the machine is in no state, and takes nothing. */
#define BUSY UINT32_MAX

static const weir_edge *
edge_of(const weir_machine *machine, uint32_t message)
{
	for (size_t i = 0; i < machine->count; i++)
		if (machine->edges[i].from == machine->state &&
			machine->edges[i].on == message)
			return &machine->edges[i];
	return NULL;
}

static int
check_edges(const weir_edge *edges, size_t count, struct weir_error *err)
{
	for (size_t i = 0; i < count; i++) {
		if (edges[i].from == BUSY || edges[i].to == BUSY)
			return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
				"edge %zu: %u is no state", i, BUSY);
		for (size_t k = 0; k < i; k++)
			if (edges[k].from == edges[i].from && edges[k].on == edges[i].on)
				return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
					"edges %zu and %zu both answer message %u in state %u",
					k, i, edges[i].on, edges[i].from);
	}
	return 0;
}

int
weir_machine_init(weir_machine *machine, const weir_edge *edges, size_t count,
	uint32_t state, void *ctx, weir_error *err)
{
	int rc;

	if (!machine || !edges || count == 0)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0, "no %s given",
			machine ? "edges are" : "machine is");
	rc = check_edges(edges, count, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < count; i++) {
		if (edges[i].from != state)
			continue;
		*machine = (weir_machine){
			.edges = edges, .count = count, .state = state, .ctx = ctx};
		return 0;
	}
	return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
		"no edge leads from state %u, which is the first", state);
}

int
weir_machine_send(weir_machine *machine, uint32_t message, const void *data, size_t len)
{
	const weir_edge *edge = edge_of(machine, message);
	uint32_t state = machine->state;
	int rc = 0;

	if (!edge)
		return -WEIR_E_USAGE_STATE;
	machine->state = BUSY;
	if (edge->act)
		rc = edge->act(machine->ctx, data, len);
	machine->state = rc < 0 ? state : edge->to;
	return rc < 0 ? rc : 0;
}

int
weir_machine_takes(const weir_machine *machine, uint32_t message)
{
	return edge_of(machine, message) != NULL;
}
