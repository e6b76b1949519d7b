/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/tree.h"

static struct wr_tree *
tree_of(struct wr_select *s)
{
	return (struct wr_tree *)(void *)s;
}

static struct wr_group *
above(struct wr_tree *tree, const struct wr_turn *turn)
{
	return &tree->groups[turn->seat];
}

static bool
is_group(const struct wr_tree *tree, const struct wr_turn *turn)
{
	uintptr_t at = (uintptr_t)turn, first = (uintptr_t)tree->groups;

	return at >= first && at < first + tree->count * sizeof(struct wr_group);
}

static bool
is_root(const struct wr_tree *tree, const struct wr_group *group)
{
	return group == tree->groups;
}

/* A turn that somebody outside keeps the state of goes into the wheel of its group. */
static void
enter(struct wr_group *group, struct wr_turn *turn)
{
	group->wheel.select.count++;
	wr_wheel_polls.add(&group->wheel.select, turn);
}

/* The group has somebody: it waits too, and all above it, as far as they do not yet. */
static void
wake_up(struct wr_tree *tree, struct wr_group *group)
{
	for (; !is_root(tree, group); group = above(tree, &group->turn)) {
		if (group->turn.state != WR_TURN_AWAY)
			return;
		group->turn.state = WR_TURN_WAITING;
		enter(above(tree, &group->turn), &group->turn);
	}
}

static void
add(struct wr_select *s, struct wr_turn *turn)
{
	struct wr_tree *tree = tree_of(s);
	struct wr_group *group = above(tree, turn);

	enter(group, turn);
	wake_up(tree, group);
}

static struct wr_turn *
next(struct wr_select *s)
{
	struct wr_tree *tree = tree_of(s);
	struct wr_group *group = tree->groups;

	for (;;) {
		struct wr_turn *turn = wr_wheel_polls.next(&group->wheel.select);

		if (!turn || !is_group(tree, turn))
			return turn;
		turn->state = WR_TURN_OUT;
		group = (struct wr_group *)(void *)turn;
	}
}

/* Charged at every level: all groups above it were out. */
static void
put(struct wr_select *s, struct wr_turn *turn, uint64_t cost)
{
	struct wr_tree *tree = tree_of(s);

	for (;;) {
		struct wr_group *group = above(tree, turn);

		turn->state = WR_TURN_WAITING;
		wr_wheel_polls.put(&group->wheel.select, turn, cost);
		if (is_root(tree, group) || group->turn.state != WR_TURN_OUT)
			return;
		turn = &group->turn;
	}
}

/* A turn that was out has left its group. If that has others it goes back to where it was,
 * uncharged, and so do those above it, which were out as well; else it leaves too. */
static void
rest(struct wr_select *s, struct wr_turn *turn)
{
	struct wr_tree *tree = tree_of(s);
	struct wr_group *group = above(tree, turn);

	group->wheel.select.count--;
	while (!is_root(tree, group)) {
		struct wr_group *over = above(tree, &group->turn);

		if (group->wheel.select.count > 0) {
			wr_wheel_back(&over->wheel, &group->turn);
		} else {
			group->turn.state = WR_TURN_AWAY;
			over->wheel.select.count--;
		}
		group = over;
	}
}

/* One that was waiting has left. A group that is out has somebody out, and stays. */
static void
leave(struct wr_select *s, struct wr_turn *turn)
{
	struct wr_tree *tree = tree_of(s);
	struct wr_group *group = above(tree, turn);

	wr_wheel_polls.remove(&group->wheel.select, turn);
	group->wheel.select.count--;
	while (group->wheel.select.count == 0 && !is_root(tree, group)) {
		struct wr_group *over = above(tree, &group->turn);

		wr_wheel_polls.remove(&over->wheel.select, &group->turn);
		group->turn.state = WR_TURN_AWAY;
		over->wheel.select.count--;
		group = over;
	}
}

static void
weigh(struct wr_select *s, struct wr_turn *turn, uint8_t was)
{
	(void)s, (void)turn, (void)was;
}

/* ---- groups ------------------------------------------------------------------------------- */

void
wr_tree_init(struct wr_tree *tree, struct wr_group *groups, uint32_t room)
{
	*tree = (struct wr_tree){.groups = groups, .count = 1, .room = room};
	wr_select_init(&tree->select, &wr_tree);
	wr_turn_init(&groups->turn, 1);
	wr_wheel_init(&groups->wheel, &wr_wheel_polls);
}

int
wr_tree_group(struct wr_tree *tree, uint32_t over, unsigned weight)
{
	struct wr_group *group = &tree->groups[tree->count];

	if (over >= tree->count || tree->count >= tree->room ||
		tree->count >= WR_TREE_GROUPS_MAX)
		return -1;
	wr_turn_init(&group->turn, weight);
	group->turn.seat = (uint8_t)over;
	wr_wheel_init(&group->wheel, &wr_wheel_polls);
	return (int)tree->count++;
}

void
wr_tree_weigh(struct wr_tree *tree, uint32_t group, unsigned weight)
{
	struct wr_turn fresh;

	if (group >= tree->count)
		return;
	wr_turn_init(&fresh, weight);
	tree->groups[group].turn.pace = fresh.pace;
}

void
wr_tree_place(struct wr_tree *tree, struct wr_turn *turn, uint32_t group)
{
	if (turn->state == WR_TURN_AWAY)
		turn->seat = (uint8_t)(group < tree->count ? group : WR_TREE_ROOT);
}

const struct wr_discipline wr_tree = {"tree",
	"groups in groups: a share is the product of the shares on the way to it", add,
	next, put, rest, leave, weigh};
