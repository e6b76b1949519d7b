/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/gate.h"

#include <stdlib.h>

#include "bus/mutant.h"

static void
evict(struct wr_gate *gate, struct wr_row *row)
{
	wr_gate_detach(gate, row);
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

/* There are as many as rows. */
static uint32_t
take_seat(struct wr_gate *gate)
{
	uint32_t i = 0, bit;

	while (gate->seats[i] == UINT64_MAX)
		i++;
	bit = (uint32_t)__builtin_ctzll(~gate->seats[i]);
	gate->seats[i] |= 1ull << bit;
	return i * 64 + bit;
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
	gate->rows[gate->count] = *row;
	gate->rows[gate->count++].seat = take_seat(gate);
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
	gate->seats[row->seat / 64] &= ~(1ull << row->seat % 64);
	*row = gate->rows[--gate->count];
	return true;
}

void
wr_gate_detach(struct wr_gate *gate, struct wr_row *row)
{
	if (!row->gate)
		return;
	row->gate = row->blocks = false;
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
wr_gate_read(struct wr_gate *gate, uint64_t head, uint32_t window)
{
	uint64_t needed = head;

	gate->blockers = 0;
	gate->blocked_up_to = 0;
	for (uint32_t i = 0; i < gate->count; i++) {
		struct wr_row *row = &gate->rows[i];
		uint64_t cur;

		row->blocks = false;
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
		if (!row->gate)
			continue;
		if (cur < needed)
			needed = cur;
		if (head - cur + 1 < (row->quota ? row->quota : window))
			continue;
		row->blocks = true;
		gate->blockers++;
		if (cur > gate->blocked_up_to)
			gate->blocked_up_to = cur;
	}
	return needed;
}

void
wr_gate_read_progress(struct wr_gate *gate)
{
	for (uint32_t i = 0; i < gate->count; i++)
		if (gate->rows[i].gate)
			gate->rows[i].progress = wr_stat_get(&gate->rows[i].slot->passed);
}

/* What a row keeps from reuse: the segment that it reads in, then those that it holds. */
struct words {
	uint64_t cur;
	uint64_t hold[WEIR_HOLDS_MAX];
};

/* Loads each word once; false if the row holds more than it was granted. */
static bool
load_words(const struct wr_row *row, struct words *words)
{
	uint32_t held = 0;

	/* enter_cur -> roll_scan_cur; a message goes from announced to held, never back, so
	 * announcements must be read first. */
	if (!WR_MUTANT(REUSE_HOLDFIRST))
		words->cur = wr_load_acquire(roll_scan_cur, &row->slot->cur);
	for (uint32_t k = 0; k < WEIR_HOLDS_MAX; k++) {
		/* hold_set -> roll_scan_hold: a hold stands before its cursor moves on */
		words->hold[k] = wr_load_acquire(roll_scan_hold, &row->slot->hold[k]);
		held += words->hold[k] != 0;
	}
	if (WR_MUTANT(REUSE_HOLDFIRST))
		words->cur = wr_load_acquire(roll_scan_cur, &row->slot->cur);
	if (WR_MUTANT(REUSE_NOPIN))
		words->cur = 0;
	return held <= row->holds;
}

static bool
names(const struct words *words, uint64_t ord)
{
	bool found = words->cur == ord;

	for (uint32_t k = 0; k < WEIR_HOLDS_MAX; k++)
		found |= words->hold[k] == ord;
	return found;
}

void
wr_gate_mark(struct wr_gate *gate, struct wr_pin *pins, uint32_t count)
{
	for (uint32_t i = 0; i < gate->count; i++) {
		struct wr_row *row = &gate->rows[i];
		struct words words = {0};

		if (row->evicted)
			continue;
		if (!load_words(row, &words)) {
			evict(gate, row);
			continue;
		}
		for (uint32_t k = 0; k < count; k++)
			pins[k].pinned |= names(&words, pins[k].ord);
	}
}

bool
wr_gate_pins(struct wr_gate *gate, uint64_t ord)
{
	struct wr_pin pin = {.ord = ord};

	wr_gate_mark(gate, &pin, 1);
	return pin.pinned;
}

void
wr_gate_fini(struct wr_gate *gate)
{
	free(gate->rows);
	*gate = (struct wr_gate){0};
}
