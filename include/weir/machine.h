/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A state machine as data: a table of edges, and a state. What may happen in which state is
 * read from the table, by people and by programs; what may not is refused, and changes
 * nothing. A task (<weir/loop.h>) whose context holds a machine is a process in the sense of
 * CSP: a state, and what it does with each message.
 *
 * Pure: no memory of its own, no clock, no thread. A machine belongs to one thread at a time;
 * tables may be shared.
 */
#ifndef WEIR_MACHINE_H
#define WEIR_MACHINE_H

#include <weir/error.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In state `from`, on message `on`: act, then be in state `to`. */
typedef struct weir_edge {
	uint32_t from, on, to;
	/* NULL: nothing is to be done. < 0: it cannot be; the state stays, and that is what
	 * weir_machine_send returns. */
	int (*act)(void *ctx, const void *data, size_t len);
} weir_edge;

typedef struct weir_machine {
	const weir_edge *edges; /* the caller's; checked by weir_machine_init */
	size_t count;
	uint32_t state;
	void *ctx; /* handed to act */
} weir_machine;

/*
 * A machine in its first state. USAGE_INVAL, and err (NULL: not wanted) says which edge, if
 * two edges of one state answer the same message, if there are none, or if none leads from
 * the first state. Costs time in proportion to the square of count: once.
 */
int weir_machine_init(weir_machine *machine, const weir_edge *edges, size_t count,
	uint32_t state, void *ctx, weir_error *err);

/*
 * A message arrives, with data that is handed to act. 0: the edge was taken. USAGE_STATE: there
 * is none in this state; or what act returned, if that was < 0. In both cases the state is
 * what it was. From within act it is answered with USAGE_STATE too: one message after the
 * other. Time in proportion to count.
 */
int weir_machine_send(
	weir_machine *machine, uint32_t message, const void *data, size_t len);

/* True (1) if the message has an edge in the present state. */
int weir_machine_takes(const weir_machine *machine, uint32_t message);

#ifdef __cplusplus
}
#endif
#endif
