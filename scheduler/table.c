/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/table.h"

#include <weir/error.h>

static struct wr_table *
table_of(struct wr_select *s)
{
	return (struct wr_table *)(void *)s;
}

static void
wait_for_turn(struct wr_table *table, struct wr_turn *turn)
{
	if (turn->seat)
		table->waiting++;
	else
		wr_list_append(&table->guests, &turn->link);
}

static void
add(struct wr_select *s, struct wr_turn *turn)
{
	turn->laps = 0;
	wait_for_turn(table_of(s), turn);
}

static void
put(struct wr_select *s, struct wr_turn *turn, uint64_t cost)
{
	(void)cost;
	wait_for_turn(table_of(s), turn);
}

/* From where it stands to its end the table has at most one place for each. */
static struct wr_turn *
next(struct wr_select *s)
{
	struct wr_table *table = table_of(s);

	while (table->waiting > 0 || !wr_list_is_empty(&table->guests)) {
		struct wr_turn *turn;

		if (table->at == table->length || table->waiting == 0) {
			table->at = 0;
			turn = wr_list_take(&table->guests);
			if (turn)
				return turn;
			continue;
		}
		turn = table->places[table->at++];
		if (turn->state != WR_TURN_WAITING)
			continue;
		table->waiting--;
		return turn;
	}
	return NULL;
}

static void
rest(struct wr_select *s, struct wr_turn *turn)
{
	(void)s, (void)turn;
}

static void
leave(struct wr_select *s, struct wr_turn *turn)
{
	if (turn->seat)
		table_of(s)->waiting--;
	else
		wr_list_unlink(&turn->link);
}

static void
weigh(struct wr_select *s, struct wr_turn *turn, uint8_t was)
{
	(void)s, (void)turn, (void)was;
}

/* ---- the round ---------------------------------------------------------------------------- */

/*
 * Who comes at the place `at`, counted from 1: of those that without it would fall behind
 * by more than 1/k of a poll, k = 2n - 2, the one whose next poll is due first. Its polls
 * so far are counted in part; all is multiplied out, so that nothing is rounded.
 */
static struct wr_turn *
chair(struct wr_turn *const *turns, uint32_t n, uint64_t at, uint64_t length)
{
	uint64_t k = n > 1 ? 2ull * n - 2 : 1;
	struct wr_turn *best = NULL;

	for (uint32_t i = 0; i < n; i++) {
		struct wr_turn *turn = turns[i];
		uint64_t weight = wr_turn_weight(turn);
		uint64_t had = turn->part;

		if (weight * at * k < (had * k + (n > 1)) * length)
			continue;
		if (!best ||
			(had * k + k - 1) * wr_turn_weight(best) <
				(best->part * k + k - 1) * weight)
			best = turn;
	}
	return best;
}

int
wr_table_fill(struct wr_table *table, struct wr_turn *const *turns, uint32_t n)
{
	uint64_t length = 0;

	if (n > INT16_MAX)
		return -WEIR_E_AGAIN_QUOTA;
	for (uint32_t i = 0; i < n; i++)
		length += wr_turn_weight(turns[i]);
	if (length > table->room)
		return -WEIR_E_AGAIN_QUOTA;
	for (uint32_t i = 0; i < n; i++) {
		turns[i]->part = 0;
		turns[i]->seat = 1;
	}
	for (uint32_t at = 0; at < length; at++) {
		struct wr_turn *turn = chair(turns, n, at + 1, length);

		table->places[at] = turn;
		turn->part++;
	}
	table->length = (uint32_t)length;
	table->at = 0;
	return 0;
}

void
wr_table_init(struct wr_table *table, struct wr_turn **places, uint32_t room)
{
	*table = (struct wr_table){.places = places, .room = room};
	wr_select_init(&table->select, &wr_table);
	wr_list_init(&table->guests);
}

const struct wr_discipline wr_table = {"table",
	"a round laid down beforehand, for consumers that are known", add, next, put,
	rest, leave, weigh};
