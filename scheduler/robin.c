/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/robin.h"

static struct wr_ring *
line_of(struct wr_select *s)
{
	return &((struct wr_robin *)(void *)s)->line;
}

static void
add(struct wr_select *s, struct wr_turn *turn)
{
	turn->laps = 0;
	wr_list_append(line_of(s), &turn->link);
}

static struct wr_turn *
next(struct wr_select *s)
{
	return wr_list_take(line_of(s));
}

static void
put(struct wr_select *s, struct wr_turn *turn, uint64_t cost)
{
	(void)cost;
	wr_list_append(line_of(s), &turn->link);
}

static void
rest(struct wr_select *s, struct wr_turn *turn)
{
	(void)s, (void)turn;
}

static void
leave(struct wr_select *s, struct wr_turn *turn)
{
	(void)s;
	wr_list_unlink(&turn->link);
}

static void
weigh(struct wr_select *s, struct wr_turn *turn, uint8_t was)
{
	(void)s, (void)turn, (void)was;
}

void
wr_robin_init(struct wr_robin *robin)
{
	wr_select_init(&robin->select, &wr_robin);
	wr_list_init(&robin->line);
}

const struct wr_discipline wr_robin = {"robin",
	"everybody once, in turn; weights do not count", add, next, put, rest, leave,
	weigh};
