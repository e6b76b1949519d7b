/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The tree: groups in groups. A group has a weight among its brothers, whatever it holds;
 * a consumer has one in its group. So a consumer's share is the product of the shares on
 * the way down to it, and what an idle member leaves goes to its own group first (link
 * sharing, Floyd and Jacobson 1995).
 *
 * Each group is a wheel and has a turn in the wheel of the one above it. A decision costs
 * one of the wheel for each level. While a consumer is out so are the groups on the way to
 * it: another one of them is not found meanwhile.
 */
#ifndef WR_SCHEDULER_TREE_H
#define WR_SCHEDULER_TREE_H

#include "scheduler/wheel.h"

enum { WR_TREE_GROUPS_MAX = 256, WR_TREE_ROOT = 0 };

struct wr_group {
	struct wr_turn turn; /* among its brothers; its seat is the group above it */
	struct wr_wheel wheel;
};

struct wr_tree {
	struct wr_select select;
	struct wr_group *groups; /* the first is the root */
	uint32_t count, room;
};

extern const struct wr_discipline wr_tree;

/* The caller's memory for so many groups, of which the root takes one: 1 to
 * WR_TREE_GROUPS_MAX. */
void wr_tree_init(struct wr_tree *tree, struct wr_group *groups, uint32_t room);

/* Another group, for good. Returns its number; -1: there is no room, or nothing above. */
int wr_tree_group(struct wr_tree *tree, uint32_t above, unsigned weight);

/* The weight of a group, from its next charge on. Not of the root. */
void wr_tree_weigh(struct wr_tree *tree, uint32_t group, unsigned weight);

/* Where a consumer is, from its next coming on: only while it is away. Without it, or with
 * a group that is not there: in the root. */
void wr_tree_place(struct wr_tree *tree, struct wr_turn *turn, uint32_t group);

#endif
