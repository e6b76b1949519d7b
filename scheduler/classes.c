/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/classes.h"

static struct wr_classes *
classes_of(struct wr_select *s)
{
	return (struct wr_classes *)(void *)s;
}

static unsigned
index_of(const struct wr_turn *turn)
{
	return wr_turn_weight(turn) - 1;
}

/* The heaviest of the set, which must not be empty. */
static unsigned
heaviest(uint64_t set)
{
	return 63u - (unsigned)__builtin_clzll(set);
}

static void
count_in(struct wr_classes *all, const struct wr_turn *turn)
{
	struct wr_class *class = &all->classes[index_of(turn)];

	class->count++;
	class->quarters += wr_turn_quarters(turn);
	all->busy |= 1ull << index_of(turn);
}

/* By the pace that it had when it was counted. A class that is left empty keeps nothing. */
static void
count_out(struct wr_classes *all, const struct wr_turn *turn)
{
	struct wr_class *class = &all->classes[index_of(turn)];

	class->count--;
	class->quarters -= wr_turn_quarters(turn);
	if (class->count > 0)
		return;
	class->credit = 0;
	all->busy &= ~(1ull << index_of(turn));
}

static void
append(struct wr_classes *all, struct wr_turn *turn)
{
	wr_list_append(&all->classes[index_of(turn)].line, &turn->link);
}

static void
add(struct wr_select *s, struct wr_turn *turn)
{
	turn->laps = 0;
	count_in(classes_of(s), turn);
	append(classes_of(s), turn);
}

/* The class whose turn it is, of those with somebody waiting; NULL: there is none. Of two
 * with the same claim it is the heavier one's. */
static struct wr_class *
choose(struct wr_classes *all)
{
	struct wr_class *best = NULL;
	int64_t most = 0;

	for (uint64_t left = all->busy; left;) {
		unsigned i = heaviest(left);
		struct wr_class *class = &all->classes[i];
		int64_t claim = class->credit + class->quarters;

		left &= ~(1ull << i);
		if (wr_list_is_empty(&class->line) || (best && claim <= most))
			continue;
		best = class;
		most = claim;
	}
	return best;
}

/* In the class each has its turn; at less than its whole weight it needs several of them
 * for a poll. */
static struct wr_turn *
next(struct wr_select *s)
{
	struct wr_class *class = choose(classes_of(s));

	if (!class)
		return NULL;
	for (;;) {
		struct wr_turn *turn = wr_list_take(&class->line);

		turn->laps = (uint16_t)(turn->laps + 4u - (unsigned)wr_turn_factor(turn));
		if (turn->laps >= 4) {
			turn->laps = (uint16_t)(turn->laps - 4);
			return turn;
		}
		wr_list_append(&class->line, &turn->link);
	}
}

/* Every class that has somebody in gains its weight, and the polled one pays them all. */
static void
put(struct wr_select *s, struct wr_turn *turn, uint64_t cost)
{
	struct wr_classes *all = classes_of(s);

	(void)cost;
	for (uint64_t left = all->busy; left; left &= left - 1) {
		struct wr_class *class = &all->classes[__builtin_ctzll(left)];

		class->credit += class->quarters;
	}
	all->classes[index_of(turn)].credit -= s->quarters;
	append(all, turn);
}

static void
rest(struct wr_select *s, struct wr_turn *turn)
{
	count_out(classes_of(s), turn);
}

static void
leave(struct wr_select *s, struct wr_turn *turn)
{
	wr_list_unlink(&turn->link);
	count_out(classes_of(s), turn);
}

static void
weigh(struct wr_select *s, struct wr_turn *turn, uint8_t was)
{
	struct wr_classes *all = classes_of(s);
	struct wr_turn before = {.pace = was};

	count_out(all, &before);
	count_in(all, turn);
	if (turn->state != WR_TURN_WAITING || index_of(&before) == index_of(turn))
		return;
	wr_list_unlink(&turn->link);
	append(all, turn);
}

void
wr_classes_init(struct wr_classes *classes)
{
	*classes = (struct wr_classes){.busy = 0};
	wr_select_init(&classes->select, &wr_classes);
	for (unsigned i = 0; i < WR_WEIGHT_MAX; i++)
		wr_list_init(&classes->classes[i].line);
}

const struct wr_discipline wr_classes = {"classes",
	"round robin in each class, and smoothly by weight between classes", add, next,
	put, rest, leave, weigh};
