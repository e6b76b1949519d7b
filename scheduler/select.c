/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/select.h"

static uint8_t
pace_of(unsigned weight, enum wr_factor factor)
{
	if (weight < 1)
		weight = 1;
	if (weight > WR_WEIGHT_MAX)
		weight = WR_WEIGHT_MAX;
	return (uint8_t)((weight - 1) * 4 + ((unsigned)factor & 3u));
}

void
wr_turn_init(struct wr_turn *turn, unsigned weight)
{
	*turn = (struct wr_turn){
		.laps = WR_TURN_FRESH, .pace = pace_of(weight, WR_FACTOR_100)};
}

void
wr_select_init(struct wr_select *s, const struct wr_discipline *by)
{
	*s = (struct wr_select){.by = by};
}

static void
leave(struct wr_select *s, struct wr_turn *turn)
{
	turn->state = WR_TURN_AWAY;
	s->count--;
	s->quarters -= wr_turn_quarters(turn);
}

void
wr_select_add(struct wr_select *s, struct wr_turn *turn)
{
	if (turn->state != WR_TURN_AWAY)
		return;
	turn->state = WR_TURN_WAITING;
	s->count++;
	s->quarters += wr_turn_quarters(turn);
	s->by->add(s, turn);
}

void
wr_select_rest(struct wr_select *s, struct wr_turn *turn)
{
	leave(s, turn);
	s->by->rest(s, turn);
}

void
wr_select_remove(struct wr_select *s, struct wr_turn *turn)
{
	if (turn->state == WR_TURN_OUT) {
		wr_select_rest(s, turn);
	} else if (turn->state == WR_TURN_WAITING) {
		leave(s, turn);
		s->by->remove(s, turn);
	}
}

void
wr_select_weigh(struct wr_select *s, struct wr_turn *turn, unsigned weight,
	enum wr_factor factor)
{
	uint8_t was = turn->pace;

	if (turn->state == WR_TURN_AWAY) {
		turn->pace = pace_of(weight, factor);
		return;
	}
	s->quarters -= wr_turn_quarters(turn);
	turn->pace = pace_of(weight, factor);
	s->quarters += wr_turn_quarters(turn);
	s->by->weigh(s, turn, was);
}

size_t
wr_select_many(struct wr_select *s, struct wr_turn **turns, size_t n)
{
	size_t taken = 0;

	while (taken < n && (turns[taken] = wr_select_next(s)))
		taken++;
	return taken;
}
