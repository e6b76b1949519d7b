/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/conflate.h"

#include "tests/bus/rig.h"

#include <stdlib.h>

/* A message whose key, of `size` bytes at `offset`, is the low end of `key`. */
static void
send_key(struct rig *rig, size_t len, uint32_t offset, uint32_t size, uint64_t key)
{
	weir_claim_t claim;

	REQUIRE_EQ(wr_writer_claim(rig->w, len, &claim, NULL), 0);
	memset(claim.data, 0x5a, len);
	if (offset + size <= len)
		memcpy((uint8_t *)claim.data + offset, &key, size);
	REQUIRE_EQ(wr_writer_commit(rig->w, &claim), 0);
}

static struct wr_walk
stand(const struct rig *rig, uint64_t ord)
{
	const struct wr_seg *seg = rig->w->pool.live[ord % rig->w->pool.live_size];
	struct wr_walk walk = {0};

	REQUIRE(wr_walk_stand(&walk, seg->zone->store, wr_place(ord, seg->index)));
	return walk;
}

/* Which of the messages from `walk` on are the newest of their keys: a bit each. */
static uint64_t
newest(const struct wr_conflate *c, struct wr_walk walk)
{
	uint64_t bits = 0, word;

	while (wr_walk_to_message(&walk, &word) == 1) {
		bool is = wr_conflate_is_newest(
			c, wr_walk_frame(&walk) + 1, wr_word_len(word), walk.seq);

		bits |= (uint64_t)is << walk.seq % 64;
		wr_walk_pass(&walk, word);
	}
	return bits;
}

static void
the_last_of_each_key_is_the_newest(void)
{
	static const uint64_t keys[] = {1, 2, 1, 3, 2, 1, 4};

	for (uint32_t size = 1; size <= 8; size++)
		for (uint32_t offset = 0; offset < 12; offset += 3) {
			struct wr_conflate *c = wr_conflate_new(offset, size);
			struct wr_walk begin;
			struct rig rig;

			REQUIRE(c != NULL);
			rig_make(&rig, 4, 0, false);
			begin = stand(&rig, 1);
			for (int i = 0; i < 7; i++)
				send_key(&rig, 24, offset, size,
					keys[i] << 8 * (size - 1));
			wr_conflate_look_ahead(c, &begin);
			CHECK_EQ(newest(c, begin), 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6);
			wr_conflate_free(c);
			rig_free(&rig);
		}
}

/* Bytes beside the key make no difference, bytes of it do. */
static void
the_key_is_all_that_counts(void)
{
	struct wr_conflate *c = wr_conflate_new(2, 3);
	uint8_t a[] = {0, 0, 1, 2, 3, 0, 0}, b[] = {9, 9, 1, 2, 3, 9, 9};
	struct wr_walk begin;
	struct rig rig;

	rig_make(&rig, 4, 0, false);
	begin = stand(&rig, 1);
	send_key(&rig, 7, 2, 3, 0x030201);
	wr_conflate_look_ahead(c, &begin);
	CHECK(wr_conflate_is_newest(c, a, 7, 0));
	CHECK(wr_conflate_is_newest(c, a, 7, 5));
	send_key(&rig, 7, 2, 3, 0x030201);
	wr_conflate_look_ahead(c, &begin);
	CHECK(!wr_conflate_is_newest(c, a, 7, 0));
	CHECK(!wr_conflate_is_newest(c, b, 7, 0));
	for (int i = 2; i < 5; i++) {
		uint8_t other[7];

		memcpy(other, a, 7);
		other[i] ^= 0x80;
		CHECK(wr_conflate_is_newest(c, other, 7, 0));
	}
	wr_conflate_free(c);
	rig_free(&rig);
}

static void
what_is_too_short_has_key_0(void)
{
	struct wr_conflate *c = wr_conflate_new(4, 8);
	static const uint8_t zeroes[12];
	struct wr_walk begin;
	struct rig rig;

	rig_make(&rig, 4, 0, false);
	begin = stand(&rig, 1);
	send_key(&rig, 11, 4, 8, 1); /* one byte too few */
	send_key(&rig, 12, 4, 8, 0);
	send_key(&rig, 0, 4, 8, 0);
	send_key(&rig, 12, 4, 8, 7);
	wr_conflate_look_ahead(c, &begin);
	CHECK_EQ(newest(c, begin), 1 << 2 | 1 << 3);
	CHECK(!wr_conflate_is_newest(c, zeroes, 12, 1));
	CHECK(!wr_conflate_is_newest(c, zeroes, 0, 1));
	CHECK(wr_conflate_is_newest(c, zeroes, 3, 2));
	wr_conflate_free(c);

	/* An offset that no message reaches, and no sum that overflows. */
	c = wr_conflate_new(UINT32_MAX, 8);
	wr_conflate_look_ahead(c, &begin);
	CHECK_EQ(newest(c, begin), 1 << 3);
	wr_conflate_free(c);
	rig_free(&rig);
}

/* It goes on where it was; and begins again where the reader has overtaken it. */
static void
looks_at_each_message_once(void)
{
	struct wr_conflate *c = wr_conflate_new(0, 8);
	struct wr_walk begin, later;
	uint64_t sent = 0, word;
	struct rig rig;

	rig_make(&rig, 8, 0, false);
	rig_join(&rig, 1); /* who keeps what was published */
	begin = stand(&rig, 1);
	for (int round = 0; round < 10; round++) {
		for (uint64_t key = 0; key < 5; key++, sent++)
			send_key(&rig, 24, 0, 8, key);
		wr_conflate_look_ahead(c, &begin);
		CHECK_EQ(c->ahead.seq, sent);
		for (uint64_t key = 0; key < 5; key++)
			for (uint64_t seq = 0; seq < sent; seq++)
				CHECK_EQ(wr_conflate_is_newest(c, &key, 8, seq),
					seq >= sent - 5 + key);
	}
	/* A key that is changed behind its back is not seen. */
	REQUIRE_EQ(wr_walk_to_message(&begin, &word), 1);
	wr_walk_pass(&begin, word);
	REQUIRE_EQ(wr_walk_to_message(&begin, &word), 1);
	memcpy((uint8_t *)(uintptr_t)(wr_walk_frame(&begin) + 1), &(uint64_t){77}, 8);
	later = stand(&rig, 1);
	wr_conflate_look_ahead(c, &later);
	CHECK(wr_conflate_is_newest(c, &(uint64_t){77}, 8, 0));
	rig_detach(&rig, 0);
	/* What was looked at is gone, the reader was left behind and stands further on. */
	while (rig.w->pool.head_ord < 40)
		send_key(&rig, 24, 0, 8, 2);
	later = stand(&rig, 38);
	wr_conflate_look_ahead(c, &later);
	while (wr_walk_to_message(&later, &word) == 1)
		wr_walk_pass(&later, word);
	CHECK_EQ(c->ahead.seq, later.seq);
	CHECK(!wr_conflate_is_newest(c, &(uint64_t){2}, 8, later.seq - 2));
	CHECK(wr_conflate_is_newest(c, &(uint64_t){2}, 8, later.seq - 1));
	wr_conflate_free(c);
	rig_free(&rig);
}

/* The walk ahead may lose its segment where the reader keeps its own: it begins anew. */
static void
who_looks_ahead_may_be_overrun(void)
{
	struct wr_conflate *c = wr_conflate_new(0, 8);
	struct rig rig;
	struct wr_walk begin, here;

	rig_make(&rig, 2, 0, false);
	begin = stand(&rig, 1);
	send_key(&rig, 24, 0, 8, 1);
	wr_conflate_look_ahead(c, &begin);
	while (rig.w->pool.head_ord < 9)
		send_key(&rig, 24, 0, 8, 1);
	wr_conflate_look_ahead(c, &begin); /* nothing to be had there any more */
	here = stand(&rig, 9);
	send_key(&rig, 24, 0, 8, 3);
	wr_conflate_look_ahead(c, &here);
	CHECK_EQ(c->ahead.seq, rig.w->seq);
	CHECK(!wr_conflate_is_newest(c, &(uint64_t){3}, 8, rig.w->seq - 2));
	wr_conflate_free(c);
	rig_free(&rig);
}

/* Any order of any keys, held against the obvious. */
static void
random_keys(void)
{
	enum { COUNT = 2000, KEYS = 300 };
	struct wr_conflate *c = wr_conflate_new(3, 2);
	uint64_t last[KEYS] = {0};
	static uint64_t key[COUNT];
	struct wr_walk begin;
	struct rig rig;

	srandom(3);
	rig_make(&rig, 40, 0, false);
	rig_join(&rig, 1);
	begin = stand(&rig, 1);
	for (uint64_t i = 0; i < COUNT; i++) {
		key[i] = (uint64_t)random() % KEYS;
		last[key[i]] = i;
		send_key(&rig, 8, 3, 2, key[i]);
		if (random() % 100 == 0)
			wr_conflate_look_ahead(c, &begin);
	}
	wr_conflate_look_ahead(c, &begin);
	for (uint64_t i = 0; i < COUNT; i++) {
		uint8_t data[8] = {0};

		memcpy(data + 3, &key[i], 2);
		CHECK_EQ(wr_conflate_is_newest(c, data, 8, i), last[key[i]] == i);
	}
	wr_conflate_free(c);
	wr_conflate_free(NULL);
	rig_free(&rig);
}

static const struct wr_test tests[] = {TEST(the_last_of_each_key_is_the_newest),
	TEST(the_key_is_all_that_counts), TEST(what_is_too_short_has_key_0),
	TEST(looks_at_each_message_once), TEST(who_looks_ahead_may_be_overrun),
	TEST(random_keys), TEST_END};
const struct wr_suite wr_suite_conflate = {
	.name = "conflate", .tests = tests, .labels = "input"};
