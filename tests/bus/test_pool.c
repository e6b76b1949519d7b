/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/pool.h"

#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>

enum { WINDOW = 4, PINS = 3, SEGS = WINDOW + PINS + WR_SPARE_SEGS };

/* A pool with one row, whose words we write ourselves. */
struct box {
	struct wr_pool pool;
	struct wr_gate gate;
	struct wr_slot slot;
	struct wr_row *row;
	uint64_t seq;
};

static struct wr_geometry
geometry_of(uint32_t window)
{
	struct wr_geometry geo;

	REQUIRE_EQ(wr_geometry_sized(&geo, 100, 16, 4096, window), 0);
	return geo;
}

static struct wr_store *
store_of(uint64_t first_ord, uint32_t window)
{
	struct wr_store_plan plan = {.pins = PINS,
		.first_ord = first_ord,
		.topic = "pool",
		.type = "",
		.private_memory = true};
	struct wr_store *store;

	plan.geo = geometry_of(window);
	REQUIRE_EQ(wr_store_create(&store, &plan, NULL), 0);
	return store;
}

/* With a history of so many segments besides, for messages or bytes. */
static void
make_keeping(struct box *box, uint32_t segs, uint64_t messages, uint64_t bytes)
{
	struct wr_row row = {.node = 1,
		.sub = 1,
		.slot = &box->slot,
		.from = 1,
		.seen = 1,
		.holds = 2,
		.gate = true};

	struct wr_geometry geo;

	memset(box, 0, sizeof(*box));
	geo = geometry_of(WINDOW);
	geo.keep_segs = segs;
	geo.keep_messages = messages;
	geo.keep_bytes = bytes;
	REQUIRE_EQ(wr_pool_init(&box->pool, store_of(1, WINDOW + segs), &geo, NULL), 0);
	REQUIRE_EQ(wr_gate_add(&box->gate, &row), 1);
	box->row = wr_gate_find(&box->gate, 1, 1);
}

static void
make(struct box *box)
{
	make_keeping(box, 0, 0, 0);
}

static void
spare(struct box *box)
{
	wr_pool_fini(&box->pool);
	wr_gate_fini(&box->gate);
}

static void
stand(struct box *box, uint64_t ord)
{
	wr_store_release(test_cur, &box->slot.cur, ord);
}

/* One rollover from a head with so many messages and bytes of log, eager or not: 0, or why
 * not. */
static int
roll_from(struct box *box, bool eager, uint64_t messages, uint32_t bytes)
{
	uint64_t needed = wr_gate_read(&box->gate, box->pool.head_ord, WINDOW);
	struct wr_seg *seg;
	int why = 0;

	wr_stat_add(&box->pool.head->messages, messages); /* as commits do */
	wr_pool_reclaim(&box->pool, &box->gate, needed, eager);
	seg = wr_pool_take(&box->pool, &why, NULL);
	if (!seg)
		return why;
	box->seq += messages;
	wr_pool_advance(
		&box->pool, seg, box->seq, box->pool.head->zone->store->first + bytes);
	return 0;
}

/* As if each segment had messages: one that has none is no history. */
static int
roll(struct box *box, bool eager)
{
	return roll_from(box, eager, 10, 0);
}

static uint64_t
ord_of(const struct wr_zone *zone, uint32_t index)
{
	return wr_load_acquire(test_ord, &wr_store_seg_hdr(zone->store, index)->ord);
}

static void
begins_with_one_live_segment(void)
{
	struct box box;
	struct wr_stream_hdr *hdr;

	make(&box);
	hdr = box.pool.zone->store->hdr;
	CHECK_EQ(box.pool.head_ord, 1);
	CHECK_EQ(box.pool.oldest, 1);
	CHECK_EQ(ord_of(box.pool.zone, 0), 1);
	CHECK_EQ(wr_load_acquire(test_word, &hdr->head), wr_place(1, 0));
	CHECK_EQ(wr_load_acquire(test_word, &hdr->oldest), wr_place(1, 0));
	CHECK_EQ(box.pool.zone->touched, 1);
	spare(&box);
}

static void
links_head_to_head(void)
{
	struct box box;
	struct wr_frame *roll_frame;
	struct wr_seg *before;

	make(&box);
	before = box.pool.head;
	stand(&box, 1);
	CHECK_EQ(roll(&box, true), 0);
	roll_frame = (struct wr_frame *)(void *)(wr_store_seg(before->zone->store,
							 before->index) +
		before->zone->store->first);
	CHECK_EQ(wr_load_acquire(test_word, &roll_frame->word),
		wr_word(WR_ROLL, 0, WR_FRAME));
	CHECK_EQ(wr_load_acquire(test_word, &roll_frame->stamp),
		wr_place(2, box.pool.head->index));
	CHECK_EQ(wr_load_acquire(test_word,
			 &wr_store_seg_hdr(before->zone->store, box.pool.head->index)->base),
		10);
	spare(&box);
}

static void
a_gating_cursor_keeps_what_it_needs(void)
{
	struct box box;

	make(&box);
	stand(&box, 1);
	for (int i = 0; i < WINDOW - 1; i++)
		CHECK_EQ(roll(&box, true), 0);
	CHECK_EQ(roll(&box, true), -WEIR_E_AGAIN_FULL);
	CHECK_EQ(box.pool.oldest, 1);
	CHECK_EQ(ord_of(box.pool.zone, 0), 1);
	stand(&box, 3);
	CHECK_EQ(roll(&box, true), 0);
	CHECK_EQ(box.pool.oldest, 3);
	CHECK_EQ(roll(&box, true), 0);
	CHECK_EQ(roll(&box, true), -WEIR_E_AGAIN_FULL);
	spare(&box);
}

static void
without_haste_only_as_much_as_makes_room(void)
{
	struct box box;

	make(&box);
	for (int i = 0; i < WINDOW - 1; i++) {
		stand(&box, box.pool.head_ord);
		CHECK_EQ(roll(&box, false), 0);
		CHECK_EQ(box.pool.oldest, 1); /* late readers live from these */
	}
	for (int i = 0; i < 10; i++) {
		stand(&box, box.pool.head_ord);
		CHECK_EQ(roll(&box, false), 0);
		CHECK_EQ(box.pool.head_ord - box.pool.oldest + 1, WINDOW);
	}
	stand(&box, box.pool.head_ord);
	CHECK_EQ(roll(&box, true), 0);
	CHECK_EQ(box.pool.head_ord - box.pool.oldest + 1, 2);
	spare(&box);
}

static void
the_hottest_is_used_first(void)
{
	struct box box;
	uint32_t later;

	make(&box);
	/* Who keeps up lives in as few segments as there can be. */
	for (int i = 0; i < 100; i++) {
		stand(&box, box.pool.head_ord);
		CHECK_EQ(roll(&box, true), 0);
	}
	CHECK_EQ(box.pool.zone->touched, 2);
	/* Of two that come free at once the later one is the hotter. */
	stand(&box, box.pool.head_ord);
	CHECK_EQ(roll(&box, true), 0);
	CHECK_EQ(roll(&box, true), 0);
	later = box.pool.live[(box.pool.head_ord - 1) % box.pool.live_size]->index;
	stand(&box, box.pool.head_ord);
	CHECK_EQ(roll(&box, true), 0);
	CHECK_EQ(box.pool.head->index, later);
	spare(&box);
}

static void
an_ordinal_never_comes_back(void)
{
	struct box box;
	uint64_t last[SEGS] = {0};

	make(&box);
	srandom(7);
	for (int i = 0; i < 5000; i++) {
		uint64_t at = box.pool.head_ord;

		if (at > 2 && random() % 3)
			at -= (uint64_t)random() % 2;
		stand(&box, at < box.row->seen ? box.row->seen : at);
		(void)roll(&box, random() % 2);
		for (uint32_t s = 0; s < box.pool.zone->touched; s++) {
			uint64_t ord = ord_of(box.pool.zone, s);

			CHECK(ord == 0 || ord >= last[s]);
			if (ord)
				last[s] = ord;
		}
		/* What is live is one piece. */
		for (uint64_t ord = box.pool.oldest; ord <= box.pool.head_ord; ord++) {
			const struct wr_seg *seg =
				box.pool.live[ord % box.pool.live_size];

			CHECK_EQ(seg->ord, ord);
			CHECK_EQ(ord_of(seg->zone, seg->index), ord);
		}
	}
	CHECK_EQ(box.gate.evicted, 0);
	spare(&box);
}

static void
pinned_stays_out_of_the_pool(void)
{
	struct box box;

	make(&box);
	stand(&box, 1);
	CHECK_EQ(roll(&box, true), 0);
	/* It holds the first, and stands in the second, where it is not waited for. */
	wr_store_release(test_hold, &box.slot.hold[0], 1);
	stand(&box, 2);
	wr_gate_detach(&box.gate, box.row);
	for (int i = 0; i < 50; i++) {
		CHECK_EQ(roll(&box, true), 0);
		for (uint64_t ord = box.pool.oldest; ord <= box.pool.head_ord; ord++)
			CHECK(box.pool.live[ord % box.pool.live_size]->index != 0);
	}
	CHECK_EQ(box.pool.limbo_count, 2);
	CHECK_EQ(ord_of(box.pool.zone, 0), 0); /* retired: nobody else gets in */
	wr_store_release(test_hold, &box.slot.hold[0], 0);
	CHECK_EQ(roll(&box, true), 0);
	CHECK_EQ(box.pool.limbo_count, 1);
	stand(&box, box.pool.head_ord);
	CHECK_EQ(roll(&box, true), 0);
	CHECK_EQ(box.pool.limbo_count, 0);
	CHECK_EQ(box.gate.evicted, 0);
	spare(&box);
}

static void
open_claims_keep_their_segment(void)
{
	struct box box;
	struct wr_seg *first;

	make(&box);
	wr_gate_detach(&box.gate, box.row);
	stand(&box, 1);
	first = box.pool.head;
	wr_stat_set(&first->open, 1);
	CHECK(wr_pool_unsettled(&box.pool) == first);
	for (int i = 0; i < WINDOW - 1; i++)
		CHECK_EQ(roll(&box, true), 0);
	CHECK_EQ(roll(&box, true), -WEIR_E_AGAIN_FULL);
	CHECK_EQ(box.pool.oldest, 1);
	CHECK(wr_pool_unsettled(&box.pool) == first);
	wr_stat_set(&first->open, 0);
	CHECK(wr_pool_unsettled(&box.pool) == box.pool.head);
	CHECK_EQ(roll(&box, true), 0);
	spare(&box);
}

static void
pins_may_eat_the_region(void)
{
	struct wr_geometry geo;
	struct box box;
	struct wr_row more;
	struct wr_slot slots[SEGS];
	int rc = 0, pinned = 0;

	make(&box);
	memset(slots, 0, sizeof(slots));
	stand(&box, 1);
	wr_gate_detach(&box.gate, box.row);
	/* Each newcomer stays where it began; more of them than the region was made for. */
	for (int i = 0; i < SEGS && rc == 0; i++) {
		more = (struct wr_row){.node = 2 + (uint64_t)i,
			.sub = 1,
			.slot = &slots[i],
			.from = box.pool.head_ord,
			.seen = box.pool.head_ord,
			.holds = 0};
		REQUIRE_EQ(wr_gate_add(&box.gate, &more), 1);
		wr_store_release(test_cur, &slots[i].cur, box.pool.head_ord);
		pinned++;
		rc = roll(&box, true);
	}
	CHECK_EQ(rc, -WEIR_E_AGAIN_QUOTA);
	CHECK_EQ(box.pool.zone->touched, SEGS);

	/* In a fresh region it goes on; the old one stays until the last pin is gone. */
	geo = geometry_of(WINDOW);
	REQUIRE_EQ(wr_pool_move(&box.pool, store_of(box.pool.head_ord + 1, WINDOW), &geo),
		0);
	CHECK_EQ(roll(&box, true), 0);
	CHECK_EQ(box.pool.head->index, 0);
	CHECK_EQ(box.pool.moves, 1);
	CHECK(box.pool.zone->older);
	for (int i = 0; i < 20; i++)
		CHECK_EQ(roll(&box, true), 0);
	CHECK(box.pool.zone->older);
	for (int i = 0; i < pinned; i++)
		CHECK(wr_gate_remove(&box.gate, 2 + (uint64_t)i, 1));
	stand(&box, box.pool.head_ord);
	CHECK_EQ(roll(&box, true), 0);
	CHECK(!box.pool.zone->older);
	CHECK_EQ(box.pool.limbo_count, 0);
	spare(&box);
}

static void
a_larger_region_has_larger_books(void)
{
	struct wr_geometry geo;
	struct box box;

	make(&box);
	stand(&box, 1);
	for (int i = 0; i < WINDOW - 1; i++)
		CHECK_EQ(roll(&box, true), 0);
	CHECK_EQ(roll(&box, true), -WEIR_E_AGAIN_FULL);
	geo = geometry_of(40);
	REQUIRE_EQ(wr_pool_move(&box.pool, store_of(WINDOW + 1, 40), &geo), 0);
	for (int i = WINDOW; i < 40; i++)
		CHECK_EQ(roll(&box, true), 0);
	CHECK_EQ(roll(&box, true), -WEIR_E_AGAIN_FULL);
	for (uint64_t ord = 1; ord <= 40; ord++)
		CHECK_EQ(box.pool.live[ord % box.pool.live_size]->ord, ord);
	spare(&box);
}

/* ---- history ------------------------------------------------------------------------------- */

static uint64_t
kept_messages(const struct box *box)
{
	uint64_t sum = 0;

	for (uint64_t ord = box->pool.oldest; ord <= box->pool.head_ord; ord++)
		sum += wr_stat_get(&box->pool.live[ord % box->pool.live_size]->messages);
	return sum;
}

/* Whether everybody keeps up, nobody reads, or somebody is far behind and detached. */
static void
as_many_messages_as_asked_for(void)
{
	for (int eager = 0; eager < 2; eager++)
		for (uint64_t keep = 1; keep <= 30; keep++) {
			struct box box;
			uint64_t sent = 0;

			make_keeping(&box, (uint32_t)(keep / 10) + 2, keep, 0);
			wr_gate_detach(&box.gate, box.row);
			stand(&box, 1);
			for (int i = 0; i < 60; i++, sent += 10) {
				uint64_t there = kept_messages(&box);

				CHECK(there >= (sent < keep ? sent : keep));
				CHECK_EQ(roll(&box, eager), 0);
				CHECK(box.pool.oldest <= wr_pool_kept(&box.pool));
				/* And what is more than that goes, where nobody wants it. */
				if (eager)
					CHECK(kept_messages(&box) <= keep + 2 * 10);
			}
			spare(&box);
		}
}

static void
as_many_bytes_as_asked_for(void)
{
	for (uint64_t keep = 1000; keep <= 12000; keep += 500) {
		struct box box;

		make_keeping(&box, (uint32_t)(keep / 3000) + 2, 0, keep);
		for (int i = 0; i < 60; i++) {
			uint64_t bytes = 0;

			stand(&box, box.pool.head_ord);
			CHECK_EQ(roll_from(&box, true, 10, 3000), 0);
			for (uint64_t ord = box.pool.oldest; ord < box.pool.head_ord;
				ord++)
				bytes += box.pool.live[ord % box.pool.live_size]->bytes;
			CHECK(bytes >= keep || box.pool.oldest == 1);
			CHECK(bytes < keep + 2 * 3000 || bytes <= 2 * 3000);
		}
		spare(&box);
	}
}

/* What was asked for is the last message: it stays where the head has none, however many
 * segments of claims that were given back lie between. */
static void
the_last_message_is_kept(void)
{
	struct box box;

	make(&box);
	stand(&box, 1);
	CHECK_EQ(wr_pool_kept(&box.pool), 1);
	CHECK_EQ(roll_from(&box, true, 1, 0), 0);
	CHECK_EQ(wr_pool_kept(&box.pool), 1);
	stand(&box, 2);
	CHECK_EQ(roll_from(&box, true, 0, 0), 0);
	stand(&box, 3);
	CHECK_EQ(roll_from(&box, true, 0, 0), 0);
	CHECK_EQ(wr_pool_kept(&box.pool), 1);
	CHECK_EQ(box.pool.oldest, 1);
	wr_stat_set(&box.pool.head->messages, 1);
	CHECK_EQ(wr_pool_kept(&box.pool), 4);
	stand(&box, 4);
	CHECK_EQ(roll_from(&box, true, 0, 0), 0);
	CHECK_EQ(box.pool.oldest, 4);
	spare(&box);
}

/* Where there is no other room the publisher goes on. */
static void
history_yields_to_what_is_published(void)
{
	struct box box;

	make(&box);
	for (int i = 0; i < 50; i++) {
		stand(&box, box.pool.head_ord);
		CHECK_EQ(roll_from(&box, true, i == 0, 0), 0);
		CHECK(box.pool.head_ord - box.pool.oldest + 1 <= WINDOW);
	}
	spare(&box);
}

/* History never takes of the window: a reader may lag as far as without it. */
static void
history_is_besides_the_window(void)
{
	struct box box;

	make_keeping(&box, 5, 30, 0);
	for (int i = 0; i < 20; i++) {
		stand(&box, box.pool.head_ord);
		CHECK_EQ(roll(&box, true), 0);
	}
	stand(&box, box.pool.head_ord);
	for (int i = 0; i < WINDOW - 1; i++)
		CHECK_EQ(roll(&box, true), 0);
	CHECK(kept_messages(&box) >= 30);
	CHECK_EQ(box.gate.blockers, 0);
	(void)wr_gate_read(&box.gate, box.pool.head_ord, WINDOW);
	CHECK_EQ(box.gate.blockers, 1);
	spare(&box);
}

/* For who reads it late, as much as there is room for stays. */
static void
a_detached_row_finds_the_whole_window(void)
{
	struct box box;

	make(&box);
	wr_gate_detach(&box.gate, box.row);
	stand(&box, 1);
	for (int i = 0; i < 40; i++) {
		CHECK_EQ(roll(&box, false), 0);
		CHECK_EQ(box.pool.head_ord - box.pool.oldest + 1,
			i + 2 < WINDOW ? i + 2 : WINDOW);
	}
	spare(&box);
}

static const struct wr_test tests[] = {TEST(begins_with_one_live_segment),
	TEST(links_head_to_head), TEST(a_gating_cursor_keeps_what_it_needs),
	TEST(without_haste_only_as_much_as_makes_room), TEST(the_hottest_is_used_first),
	TEST(an_ordinal_never_comes_back), TEST(pinned_stays_out_of_the_pool),
	TEST(open_claims_keep_their_segment), TEST(pins_may_eat_the_region),
	TEST(a_larger_region_has_larger_books), TEST(as_many_messages_as_asked_for),
	TEST(as_many_bytes_as_asked_for), TEST(the_last_message_is_kept),
	TEST(history_yields_to_what_is_published), TEST(history_is_besides_the_window),
	TEST(a_detached_row_finds_the_whole_window), TEST_END};
const struct wr_suite wr_suite_pool = {.name = "pool", .tests = tests};
