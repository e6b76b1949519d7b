/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * One small stream and its readers in one process, for the tests of bus/: segments of a
 * page, a window of a few, and everything in plain sight.
 */
#ifndef WR_TESTS_BUS_RIG_H
#define WR_TESTS_BUS_RIG_H

#include "bus/node.h"
#include "tests/lib/payload.h"
#include "tests/lib/test.h"

#include <string.h>
#include <unistd.h>

enum { RIG_READERS = 8, RIG_SEG = 4096, RIG_MAX = 1000 };

struct rig {
	struct wr_node pub, sub;
	struct wr_stream stream;
	struct wr_writer *w;
	struct wr_reader r[RIG_READERS];
	struct wr_row *row[RIG_READERS]; /* valid until rows come or go */
	bool mapped;                     /* shared memory, which readers map again */
	struct wr_store *newest[RIG_READERS];
	unsigned readers;
	uint64_t told; /* calls of ops.moving */
	bool deaf;     /* that it refuses */
};

static inline struct wr_store *
rig_map(const struct wr_store *store)
{
	struct wr_store *own = NULL;

	REQUIRE_EQ(wr_store_map(&own, dup(store->region.fd), store->region.bytes, NULL),
		0);
	return own;
}

static inline int
rig_moving(void *ctx, struct wr_writer *w, const struct wr_store *store)
{
	struct rig *rig = ctx;

	(void)w;

	rig->told++;
	if (rig->deaf)
		return -WEIR_E_AGAIN_FULL;
	for (unsigned i = 0; i < rig->readers && rig->mapped; i++) {
		struct wr_store *own;

		if (!rig->newest[i])
			continue;
		own = rig_map(store);
		wr_store_follow(rig->newest[i], own);
		rig->newest[i] = own;
	}
	return 0;
}

/* window segments of a page each; pins: 0 = the usual. */
static inline void
rig_make(struct rig *rig, uint32_t window, uint64_t pins, bool mapped)
{
	struct wr_writer_opts opts = {
		.plan = {.pins = pins,
			.stream = 77,
			.node = 1,
			.topic = "rig",
			.type = "",
			.private_memory = !mapped},
		.ops = {.moving = rig_moving, .ctx = rig},
	};

	memset(rig, 0, sizeof(*rig));
	rig->mapped = mapped;
	REQUIRE_EQ(wr_node_init(&rig->pub, "rig", "pub", true, true, NULL), 0);
	REQUIRE_EQ(wr_node_init(&rig->sub, "rig", "sub", true, true, NULL), 0);
	REQUIRE_EQ(wr_geometry_sized(&opts.plan.geo, RIG_MAX, 16, RIG_SEG, window), 0);
	rig->w = &rig->stream.writer;
	REQUIRE_EQ(wr_writer_init(rig->w, &opts, NULL), 0);
	rig->stream.node = &rig->pub;
	rig->stream.id = 77;
}

static inline void
rig_free(struct rig *rig)
{
	for (unsigned i = 0; i < rig->readers; i++)
		if (rig->r[i].store)
			wr_reader_fini(&rig->r[i]);
	wr_writer_fini(rig->w);
	wr_node_fini(&rig->pub);
	wr_node_fini(&rig->sub);
}

struct rig_start {
	struct rig *rig;
	struct wr_begin begin;
	struct wr_store *store, *newest;
	uint32_t seat;
};

static inline int
rig_admitted(
	void *ctx, const struct wr_begin *begin, struct wr_store *store, uint32_t seat)
{
	struct rig_start *start = ctx;

	start->begin = *begin;
	start->seat = seat;
	start->store = start->rig->mapped ? rig_map(store) : wr_store_ref(store);
	start->newest = start->store;
	while (start->rig->mapped &&
		(store = wr_load_acquire(test_move, &store->following))) {
		struct wr_store *own = rig_map(store);

		wr_store_follow(start->newest, own);
		start->newest = own;
	}
	return 0;
}

static inline void
rig_find_rows(struct rig *rig)
{
	for (unsigned i = 0; i < rig->readers; i++)
		rig->row[i] = wr_gate_find(&rig->w->gate, rig->sub.id, i + 1);
}

/* Admits one more reader on these terms; it begins when rig_begin says so. */
static inline unsigned
rig_admit_as(struct rig *rig, const struct wr_terms *terms, struct rig_start *start)
{
	unsigned i = rig->readers++;
	struct wr_row row = {.node = rig->sub.id,
		.sub = i + 1,
		.slot = &rig->sub.slots[i],
		.bell = rig->sub.bell,
		.name = "reader",
		.pid = 4711};

	*start = (struct rig_start){.rig = rig};
	REQUIRE_EQ(wr_stream_admit(&rig->stream, &row, terms, rig->sub.flag,
			   rig_admitted, start),
		0);
	rig->newest[i] = start->newest;
	rig_find_rows(rig);
	return i;
}

/* One that is waited for without end: who pays for waiting is what other tests are about. */
static inline unsigned
rig_admit(struct rig *rig, uint32_t holds, struct rig_start *start)
{
	struct wr_terms terms = {.holds = holds, .policy = WEIR_BLOCK};

	return rig_admit_as(rig, &terms, start);
}

/* Is not waited for until the test says so: as if its dwell never ended. */
static inline void
rig_detach(struct rig *rig, unsigned i)
{
	wr_gate_detach(&rig->w->gate, rig->row[i]);
	rig->row[i]->account.left_ns = wr_now_ns();
	rig->row[i]->account.dwell_ns = UINT64_MAX;
}

static inline int
rig_begin(struct rig *rig, unsigned i, uint32_t holds, struct rig_start *start)
{
	struct wr_reader_opts opts = {.begin = start->begin.seq,
		.asked = start->begin.asked,
		.holds = holds,
		.seat = start->seat,
		.room_bell = rig->pub.bell};
	int rc = wr_reader_init(&rig->r[i], start->store, &rig->sub.slots[i],
		start->begin.place, &opts);

	wr_store_unref(start->store);
	return rc;
}

static inline unsigned
rig_join(struct rig *rig, uint32_t holds)
{
	struct rig_start start;
	unsigned i = rig_admit(rig, holds, &start);

	REQUIRE_EQ(rig_begin(rig, i, holds, &start), 0);
	return i;
}

static inline unsigned
rig_join_as(struct rig *rig, const struct wr_terms *terms)
{
	struct rig_start start;
	unsigned i = rig_admit_as(rig, terms, &start);
	struct wr_reader_opts opts = {.begin = start.begin.seq,
		.asked = start.begin.asked,
		.holds = terms->holds,
		.policy = terms->policy,
		.seat = start.seat,
		.room_bell = rig->pub.bell};

	REQUIRE_EQ(wr_reader_init(&rig->r[i], start.store, &rig->sub.slots[i],
			   start.begin.place, &opts),
		0);
	wr_store_unref(start.store);
	return i;
}

/* Publishes one message, whose content is its number. Returns as a claim does. */
static inline int
rig_send(struct rig *rig, size_t len)
{
	weir_claim_t claim;
	int rc = wr_writer_claim(rig->w, len, &claim, NULL);

	if (rc < 0)
		return rc;
	rig_fill(claim.data, len, claim.seq);
	return wr_writer_commit(rig->w, &claim);
}

/* Sends until the head's ordinal is ord; messages of len bytes. */
static inline void
rig_send_until(struct rig *rig, uint64_t ord, size_t len)
{
	while (rig->w->pool.head_ord < ord)
		REQUIRE_EQ(rig_send(rig, len), 0);
}

/* Reads and passes one message: its number, or < 0: what peek said (0 as -1). */
static inline long long
rig_read(struct rig *rig, unsigned i, uint64_t *lost)
{
	struct wr_view view;
	int rc = wr_reader_peek(&rig->r[i], &view, 1);

	if (rc <= 0)
		return rc == 0 ? -1 : rc;
	CHECK(rig_says(view.data, view.len, view.seq));
	if (lost)
		*lost = view.lost;
	wr_reader_pass(&rig->r[i], &view, 1);
	return (long long)view.seq;
}

/* Reads all that is there; the number of messages. */
static inline unsigned
rig_drain(struct rig *rig, unsigned i)
{
	unsigned count = 0;

	while (rig_read(rig, i, NULL) >= 0)
		count++;
	return count;
}

#endif
