/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The static table: who is polled when is laid down beforehand, one round of it, for
 * programs whose consumers are known and whose timing has to be.
 *
 * The round is made by Tijdeman's rule for the chairman of states (1980): after each poll
 * of it, each of n consumers has had its share to within 1 - 1/(2n - 2) polls, and no order
 * can promise less for all weights. Consumers that have nothing to do are passed over, so
 * nothing is wasted; who has no place in the table waits in a line, of which the first is
 * polled after each pass.
 */
#ifndef WR_SCHEDULER_TABLE_H
#define WR_SCHEDULER_TABLE_H

#include "scheduler/select.h"

struct wr_table {
	struct wr_select select;
	struct wr_turn **places; /* the caller's */
	uint32_t room, length;   /* places that there are, that the round has */
	uint32_t at;             /* the next of them; length: the guests' */
	uint32_t waiting;        /* turns with a place that wait */
	struct wr_ring guests;
};

extern const struct wr_discipline wr_table;

void wr_table_init(struct wr_table *table, struct wr_turn **places, uint32_t room);

/*
 * Lays the round down for these, by their weights; once, before any of them is added. The
 * order is made here, in n steps for each place. 0, or -WEIR_E_AGAIN_QUOTA: the weights are
 * more than there is room for, or there are more than 32,767 turns.
 */
int wr_table_fill(struct wr_table *table, struct wr_turn *const *turns, uint32_t n);

#endif
