/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Where in a stream a reader begins that asks for what was published before it came.
 */
#ifndef WR_BUS_HISTORY_H
#define WR_BUS_HISTORY_H

#include "bus/pool.h"
#include "bus/terms.h"
#include "bus/walk.h"

/*
 * With the writer's lock. From now on: the oldest segment in which something may still be
 * committed. Else the oldest live message, the last n, or a number: the earliest that is
 * there of what was asked for.
 */
struct wr_begin wr_history_begin(
	const struct wr_pool *pool, uint64_t stream, const struct wr_terms *terms);

/* The same in memory that a publisher left, where nothing comes any more; false: there is
 * nothing to begin with. Walks over what is there. */
bool wr_history_left(const struct wr_store *store, uint64_t stream,
	const struct wr_terms *terms, struct wr_begin *begin);

#endif
