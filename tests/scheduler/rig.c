/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tests/scheduler/rig.h"

#include <string.h>

#include "tests/lib/test.h"

const unsigned rig_weights[RIG_CLASSES] = {10, 6, 3, 1};
const unsigned rig_table[RIG_CLASSES] = {9, 18, 10, 11};
const unsigned rig_chart[16] = {1773, 1773, 115, 712, 1576, 1401, 1773, 1576, 1401, 712,
	1773, 1174, 1401, 1576, 887, 2000};

uint64_t
rig_random(struct rig *rig, uint64_t below)
{
	uint64_t z = rig->random += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (z ^ z >> 31) % below;
}

static void
make_queue(struct rig *rig)
{
	switch (rig->kind) {
	case RIG_CLASS:
		wr_classes_init(&rig->is.classes);
		break;
	case RIG_TIME:
		wr_wheel_init(&rig->is.wheel, &wr_wheel_times);
		break;
	case RIG_ROBIN:
		wr_robin_init(&rig->is.robin);
		break;
	case RIG_TABLE:
		wr_table_init(&rig->is.table, rig->places,
			sizeof(rig->places) / sizeof(rig->places[0]));
		break;
	case RIG_TREE:
		wr_tree_init(&rig->is.tree, rig->groups, 4);
		break;
	default:
		wr_wheel_init(&rig->is.wheel, &wr_wheel_polls);
	}
}

static void
fill_table(struct rig *rig)
{
	struct wr_turn *all[RIG_MAX];

	for (unsigned i = 0; i < rig->n; i++)
		all[i] = &rig->turns[i];
	REQUIRE_EQ(wr_table_fill(&rig->is.table, all, rig->n), 0);
}

void
rig_make(struct rig *rig, enum rig_kind kind, const unsigned *counts,
	const unsigned *weights, unsigned classes)
{
	memset(rig, 0, sizeof(*rig));
	rig->kind = kind;
	rig->select = &rig->is.select;
	make_queue(rig);
	for (unsigned c = 0; c < classes; c++)
		for (unsigned i = 0; i < counts[c]; i++) {
			REQUIRE(rig->n < RIG_MAX);
			rig->class[rig->n] = c;
			wr_turn_init(&rig->turns[rig->n++], weights[c]);
		}
	if (kind == RIG_TABLE)
		fill_table(rig);
	for (unsigned i = 0; i < rig->n; i++)
		rig_ready(rig, i, true);
}

void
rig_ready(struct rig *rig, unsigned i, bool ready)
{
	rig->ready[i] = ready;
	if (ready)
		wr_select_add(rig->select, &rig->turns[i]);
}

int
rig_next(struct rig *rig)
{
	struct wr_turn *turn;

	while ((turn = wr_select_next(rig->select))) {
		long i = turn - rig->turns;

		REQUIRE(i >= 0 && i < (long)rig->n);
		if (rig->ready[i])
			return (int)i;
		wr_select_rest(rig->select, turn);
	}
	return -1;
}

int
rig_poll(struct rig *rig, uint64_t cost)
{
	int i = rig_next(rig);

	if (i >= 0)
		wr_select_put(rig->select, &rig->turns[i], cost);
	return i;
}
