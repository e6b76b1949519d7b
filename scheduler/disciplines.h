/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The memory of any discipline, for who chooses one when it runs. Each begins with its
 * select, so that is the same whichever it is.
 */
#ifndef WR_SCHEDULER_DISCIPLINES_H
#define WR_SCHEDULER_DISCIPLINES_H

#include "scheduler/classes.h"
#include "scheduler/robin.h"
#include "scheduler/table.h"
#include "scheduler/tree.h"
#include "scheduler/wheel.h"

union wr_turns {
	struct wr_select select;
	struct wr_wheel wheel; /* priority, and time */
	struct wr_classes classes;
	struct wr_robin robin;
	struct wr_table table;
	struct wr_tree tree;
};

#endif
