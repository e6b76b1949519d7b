/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/walk.h"

#include "tests/bus/rig.h"

static uint64_t
place_of(const struct rig *rig, uint64_t ord)
{
	const struct wr_seg *seg = rig->w->pool.live[ord % rig->w->pool.live_size];

	return wr_place(ord, seg->index);
}

static const struct wr_store *
store_of(const struct rig *rig)
{
	return rig->w->pool.zone->store;
}

/* Walks to the end of what is visible: how many messages, each what it should be, from
 * number `seq` on; *rc is what ended it. */
static unsigned
walk_on(struct wr_walk *walk, uint64_t seq, int *rc)
{
	unsigned count = 0;
	uint64_t word;

	while ((*rc = wr_walk_to_message(walk, &word)) == 1) {
		CHECK(walk->seq >= seq);
		CHECK(rig_says(wr_walk_frame(walk) + 1, wr_word_len(word), walk->seq));
		CHECK(wr_walk_is_there(walk));
		seq = walk->seq + 1;
		wr_walk_pass(walk, word);
		count++;
	}
	return count;
}

static void
over_messages_and_into_the_next_segments(void)
{
	struct rig rig;
	struct wr_walk walk;
	int rc;

	rig_make(&rig, 6, 0, false);
	rig_join(&rig, 1); /* who keeps what was published */
	REQUIRE(wr_walk_stand(&walk, store_of(&rig), place_of(&rig, 1)));
	CHECK_EQ(walk.seq, 0);
	CHECK_EQ(walk_on(&walk, 0, &rc), 0);
	CHECK_EQ(rc, 0);
	rig_send_until(&rig, 4, 300);
	CHECK_EQ(walk_on(&walk, 0, &rc), rig.w->published);
	CHECK_EQ(rc, 0);
	CHECK_EQ(walk.ord, 4);
	/* It goes on where it stands. */
	for (int i = 0; i < 3; i++)
		CHECK_EQ(rig_send(&rig, 300), 0);
	CHECK_EQ(walk_on(&walk, rig.w->seq - 3, &rc), 3);
	CHECK_EQ(walk.seq, rig.w->seq);

	REQUIRE(wr_walk_stand(&walk, store_of(&rig), place_of(&rig, 3)));
	CHECK_EQ(walk.seq, rig.w->pool.live[3 % rig.w->pool.live_size]->base);
	CHECK_EQ(walk_on(&walk, walk.seq, &rc),
		rig.w->seq - rig.w->pool.live[3 % rig.w->pool.live_size]->base);
	rig_free(&rig);
}

/* Nobody is told of a walk: no word of a reader changes, and it holds nothing up. */
static void
a_walk_keeps_nothing(void)
{
	struct rig rig;
	struct wr_walk walk;
	uint64_t word;
	int rc;

	rig_make(&rig, 2, 0, false);
	CHECK_EQ(rig_send(&rig, 300), 0);
	CHECK_EQ(rig_send(&rig, 300), 0);
	REQUIRE(wr_walk_stand(&walk, store_of(&rig), place_of(&rig, 1)));
	REQUIRE_EQ(wr_walk_to_message(&walk, &word), 1);
	rig_send_until(&rig, 9, 300);
	CHECK(!wr_walk_is_there(&walk));
	CHECK_EQ(wr_walk_to_message(&walk, &word), -1);
	/* Unless who walks has announced the segment, and so keeps it itself. */
	walk.ours = true;
	CHECK(wr_walk_is_there(&walk));
	walk.ours = false;
	wr_walk_pass(&walk, word);
	CHECK_EQ(wr_walk_to_message(&walk, &word), -1);
	/* The same for one that has come to the end of what was visible. */
	REQUIRE(wr_walk_stand(&walk, store_of(&rig), place_of(&rig, 9)));
	(void)walk_on(&walk, 0, &rc);
	CHECK_EQ(rc, 0);
	rig_send_until(&rig, 19, 300);
	CHECK_EQ(wr_walk_to_message(&walk, &word), -1);
	rig_free(&rig);
}

static void
stands_only_where_there_is_something(void)
{
	struct rig rig;
	struct wr_walk walk, before;
	uint64_t old;

	rig_make(&rig, 2, 0, false);
	old = place_of(&rig, 1);
	rig_send_until(&rig, 5, 300);
	REQUIRE(wr_walk_stand(&walk, store_of(&rig), place_of(&rig, 5)));
	before = walk;
	CHECK(!wr_walk_stand(&walk, store_of(&rig), old));
	CHECK(!wr_walk_stand(&walk, store_of(&rig), 0));
	CHECK(!wr_walk_stand(&walk, store_of(&rig), wr_place(0, 0)));
	CHECK(!wr_walk_stand(&walk, store_of(&rig), wr_place(6, 0)));
	CHECK(!wr_walk_stand(
		&walk, store_of(&rig), wr_place(5, store_of(&rig)->seg_count)));
	CHECK(!wr_walk_stand(&walk, store_of(&rig), UINT64_MAX));
	CHECK_MEM(&walk, &before, sizeof(walk));
	rig_free(&rig);
}

static void
over_what_is_no_message(void)
{
	struct rig rig;
	weir_claim_t c[4];
	struct wr_walk walk;
	uint64_t word;

	rig_make(&rig, 4, 0, false);
	for (int i = 0; i < 4; i++) {
		REQUIRE_EQ(wr_writer_claim(rig.w, 200, &c[i], NULL), 0);
		rig_fill(c[i].data, 200, c[i].seq);
	}
	CHECK_EQ(wr_writer_commit(rig.w, &c[3]), 0);
	CHECK_EQ(wr_writer_abort(rig.w, &c[0]), 0);
	REQUIRE(wr_walk_stand(&walk, store_of(&rig), place_of(&rig, 1)));
	/* What is open hides what lies behind. */
	CHECK_EQ(wr_walk_to_message(&walk, &word), 0);
	CHECK_EQ(walk.seq, 1);
	c[1].len = 20; /* the rest of it becomes filling */
	CHECK_EQ(wr_writer_commit(rig.w, &c[1]), 0);
	REQUIRE_EQ(wr_walk_to_message(&walk, &word), 1);
	CHECK_EQ(walk.seq, 1);
	CHECK_EQ(wr_word_len(word), 20);
	wr_walk_pass(&walk, word);
	CHECK_EQ(wr_walk_to_message(&walk, &word), 0);
	CHECK_EQ(wr_writer_abort(rig.w, &c[2]), 0);
	REQUIRE_EQ(wr_walk_to_message(&walk, &word), 1);
	CHECK_EQ(walk.seq, 3);
	rig_free(&rig);
}

/* Into the next region as soon as it is known here, and not before. */
static void
into_the_next_region(void)
{
	for (int mapped = 0; mapped < 2; mapped++) {
		struct wr_store *first;
		struct rig rig;
		struct wr_walk walk;
		uint64_t seq, word;
		int rc;

		rig_make(&rig, 4, 3, mapped);
		rig_join(&rig, 1);
		first = mapped ? rig_map(store_of(&rig))
			       : wr_store_ref(rig.w->pool.zone->store);
		REQUIRE(wr_walk_stand(&walk, first, place_of(&rig, 1)));
		CHECK_EQ(rig_send(&rig, 300), 0);
		CHECK_EQ(wr_writer_grow(rig.w, 8 * RIG_SEG), 0);
		rig_send_until(&rig, 3, 300);
		REQUIRE_EQ(rig.w->pool.moves, 1);
		seq = rig.w->pool.live[2 % rig.w->pool.live_size]->base;
		if (mapped) {
			CHECK_EQ(walk_on(&walk, 0, &rc), seq);
			CHECK_EQ(rc, 0);
			CHECK_EQ(wr_walk_to_message(&walk, &word), 0);
			wr_store_follow(first, rig_map(store_of(&rig)));
			CHECK_EQ(walk_on(&walk, seq, &rc), rig.w->seq - seq);
		} else {
			CHECK_EQ(walk_on(&walk, 0, &rc), rig.w->seq);
		}
		CHECK_EQ(rc, 0);
		CHECK_EQ(walk.ord, 3);
		wr_store_unref(first);
		rig_free(&rig);
	}
}

/* What a stranger wrote there: a word that makes no sense where it is is none. */
static void
nonsense_is_not_followed(void)
{
	static const uint64_t words[] = {
		(uint64_t)WR_DATA << 60 | 17,                      /* not of frames */
		(uint64_t)WR_DATA << 60 | RIG_SEG,                 /* over the end */
		(uint64_t)WR_DATA << 60 | 0xfffffff0u,             /* far over it */
		(uint64_t)WR_DATA << 60 | (uint64_t)64 << 32 | 32, /* longer than its room */
		(uint64_t)WR_DATA << 60 | (RIG_SEG - WR_SEG_FIRST), /* no room for a roll */
	};
	struct rig rig;
	struct wr_walk walk;
	struct wr_frame *frame;
	uint64_t word;

	rig_make(&rig, 4, 0, false);
	CHECK_EQ(rig_send(&rig, 300), 0);
	REQUIRE(wr_walk_stand(&walk, store_of(&rig), place_of(&rig, 1)));
	frame = (struct wr_frame *)(void *)(rig.w->seg_mem + walk.off);
	CHECK(wr_walk_look(&walk, &word));
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		wr_store_release(test_word, &frame->word, words[i]);
		CHECK(!wr_walk_look(&walk, &word));
		CHECK_EQ(wr_walk_to_message(&walk, &word), 0);
	}
	/* A link to itself, to an older place, to one that is none: not followed for ever. */
	wr_store_release(test_word, &frame->stamp, place_of(&rig, 1));
	wr_store_release(test_word, &frame->word, wr_word(WR_ROLL, 0, WR_FRAME));
	CHECK_EQ(wr_walk_to_message(&walk, &word), -1);
	wr_store_release(test_word, &frame->stamp, wr_place(2, 1));
	CHECK_EQ(wr_walk_to_message(&walk, &word), -1);
	wr_store_release(test_word, &frame->stamp, UINT64_MAX);
	CHECK_EQ(wr_walk_to_message(&walk, &word), -1);
	rig_free(&rig);
}

static const struct wr_test tests[] = {TEST(over_messages_and_into_the_next_segments),
	TEST(a_walk_keeps_nothing), TEST(stands_only_where_there_is_something),
	TEST(over_what_is_no_message), TEST(into_the_next_region),
	TEST(nonsense_is_not_followed), TEST_END};
const struct wr_suite wr_suite_walk = {.name = "walk", .tests = tests, .labels = "input"};
