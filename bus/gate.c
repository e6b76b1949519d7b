/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/gate.h"

#include <stdlib.h>

#include "bus/mutant.h"

static void
evict(struct wr_gate *gate, struct wr_row *row)
{
	if (row->gate) {
		row->gate = false;
		gate->detached++;
	}
	row->evicted = true;
	gate->evicted++;
}

struct wr_row *
wr_gate_find(struct wr_gate *gate, uint64_t node, uint64_t sub)
{
	for (uint32_t i = 0; i < gate->count; i++)
		if (gate->rows[i].node == node && gate->rows[i].sub == sub)
			return &gate->rows[i];
	return NULL;
}

int
wr_gate_add(struct wr_gate *gate, const struct wr_row *row)
{
	if (!WR_MUTANT(MEET_DUP) && wr_gate_find(gate, row->node, row->sub))
		return 0;
	if (gate->count == WEIR_SUBSCRIBERS_MAX)
		return -WEIR_E_AGAIN_QUOTA;
	if (gate->count == gate->capacity) {
		uint32_t capacity = gate->capacity ? gate->capacity * 2 : 8;
		struct wr_row *rows = realloc(gate->rows, capacity * sizeof(*rows));

		if (!rows)
			return -WEIR_E_ENV_MEMORY;
		gate->rows = rows;
		gate->capacity = capacity;
	}
	gate->rows[gate->count++] = *row;
	gate->pins += 1 + row->holds;
	if (!row->gate)
		gate->detached++;
	return 1;
}

bool
wr_gate_remove(struct wr_gate *gate, uint64_t node, uint64_t sub)
{
	struct wr_row *row = wr_gate_find(gate, node, sub);

	if (!row)
		return false;
	gate->pins -= 1 + row->holds;
	if (!row->gate)
		gate->detached--;
	gate->left++;
	*row = gate->rows[--gate->count];
	return true;
}

void
wr_gate_detach(struct wr_gate *gate, struct wr_row *row)
{
	if (!row->gate)
		return;
	row->gate = false;
	gate->detached++;
}

bool
wr_gate_attach(struct wr_gate *gate, struct wr_row *row, uint64_t oldest, uint64_t head)
{
	bool live = row->seen >= oldest && row->seen <= head;

	if (row->gate || row->evicted || (!live && !WR_MUTANT(REUSE_REGATE)))
		return false;
	row->gate = true;
	gate->detached--;
	return true;
}

uint64_t
wr_gate_read(struct wr_gate *gate, uint64_t head)
{
	uint64_t needed = head;

	for (uint32_t i = 0; i < gate->count; i++) {
		struct wr_row *row = &gate->rows[i];
		uint64_t cur;

		if (row->evicted)
			continue;
		cur = wr_load_acquire(roll_cur, &row->slot->cur); /* enter_cur -> roll_cur */
		if (cur == 0) {
			if (WR_MUTANT(ADMIT_CUR0))
				continue;
			cur = row->from;
		}
		if (cur > head || cur < row->seen) {
			evict(gate, row);
			continue;
		}
		row->seen = cur;
		if (row->gate && cur < needed)
			needed = cur;
	}
	return needed;
}

/* True if the row holds ord; counts its distinct holds on the way. */
static bool
holds(struct wr_gate *gate, struct wr_row *row, uint64_t ord)
{
	bool found = false;
	uint32_t held = 0;

	for (uint32_t k = 0; k < WEIR_HOLDS_MAX; k++) {
		/* hold_set -> roll_scan_hold: a hold stands before its cursor moves on */
		uint64_t hold = wr_load_acquire(roll_scan_hold, &row->slot->hold[k]);

		held += hold != 0;
		found |= hold == ord;
	}
	if (held > row->holds) {
		evict(gate, row);
		return false;
	}
	return found;
}

bool
wr_gate_pins(struct wr_gate *gate, uint64_t ord)
{
	for (uint32_t i = 0; i < gate->count; i++) {
		struct wr_row *row = &gate->rows[i];
		bool reads, held;

		if (row->evicted)
			continue;
		if (WR_MUTANT(REUSE_HOLDFIRST)) {
			held = holds(gate, row, ord);
			reads = wr_load_acquire(roll_scan_cur, &row->slot->cur) == ord;
		} else {
			/* enter_cur -> roll_scan_cur; a message goes from announced to held,
			 * never back, so announcements must be read first */
			reads = wr_load_acquire(roll_scan_cur, &row->slot->cur) == ord;
			held = holds(gate, row, ord);
		}
		if (WR_MUTANT(REUSE_NOPIN))
			reads = false;
		if (reads || held)
			return true;
	}
	return false;
}

void
wr_gate_fini(struct wr_gate *gate)
{
	free(gate->rows);
	*gate = (struct wr_gate){0};
}
