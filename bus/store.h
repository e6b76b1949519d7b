/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A store is one region of a stream in this process: the memory, the numbers that say
 * where things are in it (private copies, checked once), and a count of who uses it here.
 * A stream has one store after the other when it moves to fresh regions.
 */
#ifndef WR_BUS_STORE_H
#define WR_BUS_STORE_H

#include "bus/geometry.h"
#include "bus/layout.h"
#include "bus/os/region.h"

struct wr_store {
	struct wr_region region;
	struct wr_stream_hdr *hdr; /* writable only in the publisher's process */
	uint8_t *segs;             /* segment 0 */
	uint32_t seg_bytes;
	uint32_t seg_count;
	uint32_t first;
	uint32_t align;
	uint32_t max_message;
	uint64_t first_ord;
	wr_a64 refs;
	_Atomic(struct wr_store *) following; /* where the stream goes on; holds a reference */
};

/* What a publisher writes into a new region's header. */
struct wr_store_plan {
	struct wr_geometry geo;
	uint64_t pins; /* segments that readers may hold back */
	uint64_t first_ord;
	uint64_t stream;
	uint64_t node;
	uint64_t type_hash;
	uint64_t ttl_ns;
	const char *topic;
	const char *type;    /* "" = opaque */
	bool open_to_all;    /* no list says who may read it */
	uint64_t large;      /* bytes of the pages that are asked for; 0: any */
	bool private_memory; /* inproc: no descriptor, nobody else maps it */
};

/* Makes a region and its header; reserves the header and nothing else. One reference. */
int wr_store_create(struct wr_store **out, const struct wr_store_plan *plan,
	struct weir_error *err);

/*
 * Maps a region that somebody else made; takes fd in every case. Every number of the
 * header is checked against the size announced and against the others.
 * PEER_BADFD, PEER_BADREGION, ENV_VERSION, ENV_MAPS.
 */
int wr_store_map(struct wr_store **out, int fd, uint64_t bytes, struct weir_error *err);

/* The check that wr_store_map makes, on any bytes: 0 or the error. */
int wr_store_check(
	const struct wr_stream_hdr *hdr, uint64_t bytes, struct weir_error *err);

struct wr_store *wr_store_ref(struct wr_store *store);
/* Unmaps with the last reference. NULL is ignored. */
void wr_store_unref(struct wr_store *store);

/* The stream goes on in `next`, whose reference is taken. Any thread, once per store. */
void wr_store_follow(struct wr_store *store, struct wr_store *next);

/* Somebody else writes it. */
static inline bool
wr_store_is_foreign(const struct wr_store *store)
{
	return !store->region.writable;
}

/* Its topic asked for history. */
static inline bool
wr_store_keeps(const struct wr_store *store)
{
	return store->hdr->keep_messages != 0 || store->hdr->keep_bytes != 0;
}

static inline uint8_t *
wr_store_seg(const struct wr_store *store, uint32_t index)
{
	return store->segs + (uint64_t)index * store->seg_bytes;
}

static inline struct wr_segment *
wr_store_seg_hdr(const struct wr_store *store, uint32_t index)
{
	return (struct wr_segment *)(void *)wr_store_seg(store, index);
}

#endif
