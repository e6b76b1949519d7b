/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * One stream, its readers and the steward's part, small enough that everything happens
 * all the time: 4 KiB segments, a window of a few, regions that are outgrown.
 *
 * Whoever runs a world (threads.c, sim.c) calls the three bodies, each in a thread or
 * coroutine of its own, and rest() wherever they have nothing to do.
 */
#ifndef WR_TESTS_TORTURE_WORLD_H
#define WR_TESTS_TORTURE_WORLD_H

#include "bus/node.h"
#include "scheduler/reactor.h"
#include "tests/torture/torture.h"

enum { READERS_MAX = 4, CLAIMS_A_ROUND = 1 << 16, HELD_MAX = 16, ORDS_MAX = 1 << 16 };

/* What a reader wants of the steward. */
enum wish { WISH_NONE, WISH_JOIN, WISH_LEAVE };

struct held {
	uint64_t ord;
	struct wr_view view;
	const struct wr_segment *seg;
};

struct world;

struct reader {
	struct world *world;
	unsigned index;
	struct dice dice;
	uint32_t keeps_one_in; /* messages */
	bool immune;           /* never detached: it must lose nothing */
	struct wr_node node;
	struct wr_reactor reactor;
	struct wr_task task;
	struct wr_slot *slot;
	struct wr_reader r;
	uint32_t wish;         /* enum wish; the reader sets, the steward clears */
	uint32_t joined;       /* its row stands; the steward's */
	struct wr_store *tail; /* the newest region that it knows; the publisher's process */
	uint64_t gated_from; /* ordinal since when it is waited for, ~0 = it is not */
	uint64_t sub;
	struct wr_begin begin;  /* where it was told to begin */
	struct wr_store *start; /* until it has begun */
	uint32_t slot_index;
	uint64_t began;   /* sequence that it started at */
	uint64_t next;    /* sequence that it expects */
	uint64_t aborted; /* of r, when it last read something */
	uint64_t passed;
	struct held held[HELD_MAX];
	unsigned held_count;
	bool ended;
};

struct world {
	struct wr_node node; /* the publisher's */
	struct wr_stream stream;
	struct reader readers[READERS_MAX];
	unsigned reader_count;
	bool foreign;    /* readers map the regions themselves */
	bool abandon;    /* the publisher stops with its claims open */
	uint32_t claims; /* of this round */
	uint32_t cut;    /* commits under way: a death cuts them short */
	struct wr_store *first;
	struct dice pub_dice, steward_dice;
	uint32_t over; /* the publisher has ended the stream, or is dead */
	uint32_t dead;
	uint32_t steward_gone;
	uint32_t relay_wanted;
	uint64_t delivered;
	uint64_t settled; /* no claim below this is open, or it is just being ended */
	/* What became of each claim: 0 open, 1 aborted, 2 + length committed. */
	uint32_t fate[CLAIMS_A_ROUND];
	void (*rest)(struct dice *dice);
};

/* A fresh world, in which nothing has happened yet. */
void world_make(struct world *world, uint64_t seed);
void world_free(struct world *world);

/* The bodies. */
void publisher_body(struct world *world);
void steward_body(struct world *world);
void reader_body(struct reader *reader);
/* An observer that never attached; until the world is over. */
void observer_body(struct world *world, struct dice *dice);

/* The publisher's process is no more: tells the readers, as their stewards would. */
void world_dies(struct world *world);

/* When every body has returned: are the books right? */
void world_check(struct world *world);

#endif
