/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A look at a bus (include/weir/look.h), as its parts share it: bus/look.c asks who is
 * there and reads messages, bus/account.c asks who reads what and counts their books, and
 * bindings/c/roster.c reads who is on whose loop.
 * All of it belongs to the looker's thread.
 */
#ifndef WR_BUS_LOOK_H
#define WR_BUS_LOOK_H

#include <weir/look.h>

#include "bus/store.h"
#include "bus/walk.h"
#include "bus/wire.h"

/* A connection to one process. */
struct looked {
	uint64_t node;
	int fd;
	bool done;  /* it has told everything since the last question */
	bool told;  /* who it is */
	bool asked; /* for its words */
	struct wr_region words;
	bool called; /* for its roster, */
	bool mute;   /* which it does not show */
	struct wr_region roster;
	weir_look_node info;
};

/* A stream that is mapped, and where we read in it. */
struct tap {
	uint64_t stream;
	uint64_t node;
	char topic[WR_NAME_BYTES];
	struct wr_store *store;    /* the newest region that is known, */
	struct wr_store **regions; /* and all of them, the oldest first */
	size_t region_count;
	bool followed;
	bool asked; /* for a newer region */
	bool alone; /* its publisher has hung up: what is there is all */
	bool ended;
	bool seen;    /* in the present refresh */
	bool telling; /* its publisher was asked who reads it, and has not said all */
	uint64_t oldest_told; /* first ordinal of the oldest region that it named */
	uint64_t visible;     /* claims, before it was asked */
	struct wr_walk at;
	uint64_t lost;
};

/* A reader of some stream, and how far it has been counted. */
struct account {
	weir_look_reader reader;
	uint32_t slot;
	struct wr_books told; /* as its publisher saw them */
	bool here;            /* named by the last answer */
	bool kept; /* counted from what was told: it stands if it is told once more */
	uint64_t kept_ord;
};

struct weir_look {
	int dirfd;
	char pattern[WR_NAME_BYTES];
	bool following;
	bool from_oldest;
	struct looked *looked;
	size_t looked_count;
	weir_look_node *nodes;
	size_t node_count;
	weir_look_stream *streams;
	size_t stream_count;
	weir_look_sub *subs;
	size_t sub_count;
	struct tap **taps;
	size_t tap_count;
	size_t turn;
	struct account *accounts;
	size_t account_count;
	weir_look_reader *readers;
	size_t reader_count;
	weir_look_loop *loops; /* bindings/c/roster.c */
	size_t loop_count;
	weir_look_consumer *consumers;
	size_t consumer_count;
	struct weir_bus *within; /* the one bus that this is about; NULL: whoever is there */
};

struct looked *wr_look_find(weir_look *look, uint64_t node);
/* Connects to a node, if that is possible and has not been done. */
void wr_look_meet(weir_look *look, uint64_t node);
void wr_look_ask(struct looked *looked, enum wr_wire_kind kind, uint64_t stream);
/* Hears everybody who has something to say, within ms. */
void wr_look_hear(weir_look *look, int ms);
struct tap *wr_look_tap(const weir_look *look, uint64_t stream);
/* Grows an array by one; false without memory. */
bool wr_look_grow(void *array, size_t count, size_t size);

/* Asks for the rosters that are not there yet, and waits for those of who has answered the
 * last refresh, at most timeout_ms. */
void wr_look_call(weir_look *look, int timeout_ms);

/* One reader is named (bus/account.c). */
void wr_account_told(weir_look *look, const struct wr_wire *msg);

#endif
