/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/history.h"

#include "tests/bus/rig.h"

enum { STREAM = 77, LEN = 900 /* four in a segment */ };

static struct wr_begin
begin(const struct rig *rig, enum weir_from from, uint64_t count)
{
	const struct wr_terms terms = {
		.from = from, .from_count = count, .from_stream = STREAM};
	struct wr_begin there = wr_history_begin(&rig->w->pool, STREAM, &terms);

	CHECK(there.asked <= there.seq);
	CHECK(wr_place_ord(there.place) >= rig->w->pool.oldest);
	CHECK(wr_place_ord(there.place) <= rig->w->pool.head_ord);
	return there;
}

static uint64_t
base_of(const struct rig *rig, uint64_t ord)
{
	return rig->w->pool.live[ord % rig->w->pool.live_size]->base;
}

/* Eleven segments were begun and the last five are there, the head with two messages. */
static void
make(struct rig *rig)
{
	rig_make(rig, 5, 0, false);
	rig_join(rig, 1);
	rig_detach(rig, 0); /* for its sake nothing is retired before it must be */
	rig_send_until(rig, 11, LEN);
	CHECK_EQ(rig_send(rig, LEN), 0);
	REQUIRE_EQ(rig->w->pool.oldest, 7);
	REQUIRE_EQ(rig->w->seq, 42);
	REQUIRE_EQ(base_of(rig, 7), 24);
}

/* Reads from there as who joins with these terms does: the number of the first message,
 * what was missed before it, and that all that follows comes. */
static void
reads(struct rig *rig, const struct wr_begin *there, uint64_t first, uint64_t lost)
{
	struct wr_reader_opts opts = {
		.begin = there->seq, .asked = there->asked, .holds = 1};
	unsigned i = rig->readers++;
	uint64_t missed = UINT64_MAX;

	REQUIRE_EQ(wr_reader_init(&rig->r[i], rig->w->pool.zone->store,
			   &rig->sub.slots[i], there->place, &opts),
		0);
	CHECK_EQ(rig_send(rig, LEN), 0);
	CHECK_EQ(rig_read(rig, i, &missed), first);
	CHECK_EQ(missed, lost);
	CHECK_EQ(rig->r[i].lost[WR_LOST_GONE], lost);
	CHECK_EQ(wr_reader_lost(&rig->r[i]), lost);
	CHECK_EQ(wr_stat_get(&rig->sub.slots[i].from), first - lost);
	for (uint64_t n = first + 1; n < rig->w->seq; n++)
		CHECK_EQ(rig_read(rig, i, NULL), n);
	CHECK_EQ(rig_read(rig, i, NULL), -1);
}

static void
from_now_on(void)
{
	struct wr_begin there;
	weir_claim_t open;
	struct rig rig;

	make(&rig);
	there = begin(&rig, WEIR_FROM_NEW, 5);
	CHECK_EQ(wr_place_ord(there.place), 11);
	CHECK_EQ(there.seq, UINT64_MAX);
	reads(&rig, &there, 42, 0);
	/* A claim that is open will be published from now on. */
	REQUIRE_EQ(wr_writer_claim(rig.w, LEN, &open, NULL), 0);
	rig_fill(open.data, LEN, open.seq);
	rig_send_until(&rig, 13, LEN);
	there = begin(&rig, WEIR_FROM_NEW, 0);
	CHECK_EQ(wr_place_ord(there.place), 11);
	CHECK_EQ(wr_writer_commit(rig.w, &open), 0);
	there = begin(&rig, WEIR_FROM_NEW, 0);
	CHECK_EQ(wr_place_ord(there.place), 13);
	rig_free(&rig);
}

static void
from_the_oldest(void)
{
	struct wr_begin there;
	struct rig rig;

	rig_make(&rig, 5, 0, false);
	there = begin(&rig, WEIR_FROM_OLDEST, 0);
	reads(&rig, &there, 0, 0);
	rig_free(&rig);

	make(&rig);
	there = begin(&rig, WEIR_FROM_OLDEST, 0);
	CHECK_EQ(wr_place_ord(there.place), 7);
	CHECK_EQ(there.seq, 24);
	reads(&rig, &there, 24, 0);
	rig_free(&rig);
}

static void
the_last_n(void)
{
	struct rig rig;

	for (uint64_t n = 1; n <= 18; n++) {
		struct wr_begin there;

		make(&rig);
		there = begin(&rig, WEIR_FROM_LAST, n);
		CHECK_EQ(there.seq, 42 - n);
		reads(&rig, &there, 42 - n, 0);
		rig_free(&rig);
	}
	make(&rig);
	CHECK_EQ(begin(&rig, WEIR_FROM_LAST, 0).seq, UINT64_MAX);
	rig_free(&rig);
}

/* Asked for, published once, and not there any more: that many are missed, and no more
 * than ever were. */
static void
the_last_n_of_fewer(void)
{
	struct wr_begin there;
	struct rig rig;

	make(&rig);
	there = begin(&rig, WEIR_FROM_LAST, 30);
	reads(&rig, &there, 24, 12);
	rig_free(&rig);
	make(&rig);
	there = begin(&rig, WEIR_FROM_LAST, UINT64_MAX);
	reads(&rig, &there, 24, 24);
	rig_free(&rig);

	rig_make(&rig, 5, 0, false);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(rig_send(&rig, LEN), 0);
	there = begin(&rig, WEIR_FROM_LAST, 30);
	reads(&rig, &there, 0, 0);
	rig_free(&rig);
}

/* Counted are messages: claims that were given back are none. */
static void
the_last_n_between_aborted_claims(void)
{
	for (uint64_t n = 1; n <= 6; n++) {
		weir_claim_t c[12];
		struct rig rig;
		struct wr_begin there;
		struct wr_reader_opts opts = {.holds = 1};
		unsigned count = 0;

		rig_make(&rig, 6, 0, false);
		rig_join(&rig, 1);
		for (int i = 0; i < 12; i++) {
			REQUIRE_EQ(wr_writer_claim(rig.w, LEN, &c[i], NULL), 0);
			rig_fill(c[i].data, LEN, c[i].seq);
		}
		/* Every other one, and of the second segment all: six of twelve, three. */
		for (int i = 0; i < 12; i++)
			if (i % 2 == 0 || (i >= 4 && i < 8))
				CHECK_EQ(wr_writer_abort(rig.w, &c[i]), 0);
			else
				CHECK_EQ(wr_writer_commit(rig.w, &c[i]), 0);
		REQUIRE_EQ(rig.w->published, 4);
		there = begin(&rig, WEIR_FROM_LAST, n);
		opts.begin = there.seq;
		opts.asked = there.asked;
		CHECK_EQ(there.asked, there.seq); /* all that ever were are there */
		REQUIRE_EQ(wr_reader_init(&rig.r[1], rig.w->pool.zone->store,
				   &rig.sub.slots[1], there.place, &opts),
			0);
		rig.readers = 2;
		count = rig_drain(&rig, 1);
		CHECK_EQ(count, n < 4 ? n : 4);
		CHECK_EQ(wr_reader_lost(&rig.r[1]), 0);
		rig_free(&rig);
	}
}

/* A claim that is open hides what is behind it, and comes itself when it is committed. */
static void
the_last_n_around_an_open_claim(void)
{
	for (uint64_t n = 1; n <= 6; n++) {
		weir_claim_t c[6];
		struct rig rig;
		struct wr_begin there;
		struct wr_reader_opts opts = {.holds = 1};
		uint64_t first = n < 3 ? 3 : n < 5 ? 5 - n : 0;
		long long seq;

		rig_make(&rig, 6, 0, false);
		rig_join(&rig, 1);
		for (int i = 0; i < 6; i++) {
			REQUIRE_EQ(wr_writer_claim(rig.w, LEN, &c[i], NULL), 0);
			rig_fill(c[i].data, LEN, c[i].seq);
		}
		for (int i = 0; i < 6; i++)
			if (i != 3)
				CHECK_EQ(wr_writer_commit(rig.w, &c[i]), 0);
		there = begin(&rig, WEIR_FROM_LAST, n);
		opts.begin = there.seq;
		opts.asked = there.asked;
		REQUIRE_EQ(wr_reader_init(&rig.r[1], rig.w->pool.zone->store,
				   &rig.sub.slots[1], there.place, &opts),
			0);
		rig.readers = 2;
		CHECK_EQ(wr_writer_commit(rig.w, &c[3]), 0);
		/* The last n that are published, and what is published from now on. */
		seq = rig_read(&rig, 1, NULL);
		CHECK(seq >= 0 && (uint64_t)seq <= first);
		for (uint64_t i = (uint64_t)seq + 1; i < 6; i++)
			CHECK_EQ(rig_read(&rig, 1, NULL), i);
		CHECK_EQ(rig_read(&rig, 1, NULL), -1);
		CHECK_EQ(wr_reader_lost(&rig.r[1]), 0);
		rig_free(&rig);
	}
}

static void
a_number_that_is_there(void)
{
	for (uint64_t seq = 24; seq <= 42; seq++) {
		struct wr_begin there;
		struct rig rig;

		make(&rig);
		there = begin(&rig, WEIR_FROM_SEQ, seq);
		reads(&rig, &there, seq, 0);
		rig_free(&rig);
	}
}

static void
a_number_that_is_gone(void)
{
	static const uint64_t gone[] = {0, 1, 23};

	for (unsigned i = 0; i < 3; i++) {
		struct wr_begin there;
		struct rig rig;

		make(&rig);
		there = begin(&rig, WEIR_FROM_SEQ, gone[i]);
		CHECK_EQ(there.asked, gone[i]);
		reads(&rig, &there, 24, 24 - gone[i]);
		rig_free(&rig);
	}
}

/* Nothing is missed of what is to come. */
static void
a_number_that_is_to_come(void)
{
	static const uint64_t coming[] = {43, 1000, UINT64_MAX - 1, UINT64_MAX};

	for (unsigned i = 0; i < 4; i++) {
		struct wr_begin there;
		struct rig rig;

		make(&rig);
		there = begin(&rig, WEIR_FROM_SEQ, coming[i]);
		CHECK_EQ(wr_place_ord(there.place), 11);
		reads(&rig, &there, 42, 0);
		rig_free(&rig);
	}
}

static void
a_number_of_another_stream(void)
{
	const struct wr_terms terms = {
		.from = WEIR_FROM_SEQ, .from_count = 30, .from_stream = STREAM + 1};
	struct wr_begin there;
	struct rig rig;

	make(&rig);
	there = wr_history_begin(&rig.w->pool, STREAM, &terms);
	CHECK_EQ(there.seq, UINT64_MAX);
	reads(&rig, &there, 42, 0);
	rig_free(&rig);
}

/* The number names a claim that was given back: with the next message. */
static void
a_number_that_was_given_back(void)
{
	struct wr_begin there;
	weir_claim_t c[3];
	struct rig rig;

	rig_make(&rig, 5, 0, false);
	for (int i = 0; i < 3; i++) {
		REQUIRE_EQ(wr_writer_claim(rig.w, LEN, &c[i], NULL), 0);
		rig_fill(c[i].data, LEN, c[i].seq);
	}
	CHECK_EQ(wr_writer_abort(rig.w, &c[1]), 0);
	CHECK_EQ(wr_writer_commit(rig.w, &c[0]), 0);
	CHECK_EQ(wr_writer_commit(rig.w, &c[2]), 0);
	there = begin(&rig, WEIR_FROM_SEQ, 1);
	CHECK_EQ(there.seq, 1);
	rig.readers = 1;
	REQUIRE_EQ(wr_reader_init(&rig.r[0], rig.w->pool.zone->store, &rig.sub.slots[0],
			   there.place,
			   &(struct wr_reader_opts){.begin = 1, .asked = 1, .holds = 1}),
		0);
	CHECK_EQ(rig_read(&rig, 0, NULL), 2);
	CHECK_EQ(rig.r[0].aborted, 1);
	CHECK_EQ(wr_reader_lost(&rig.r[0]), 0);
	rig_free(&rig);
}

/* The claim that is open lies in an older segment than the number. */
static void
a_number_behind_an_open_claim(void)
{
	struct wr_begin there;
	weir_claim_t open;
	struct rig rig;
	uint64_t seq;

	make(&rig);
	REQUIRE_EQ(wr_writer_claim(rig.w, LEN, &open, NULL), 0);
	rig_fill(open.data, LEN, open.seq);
	rig_send_until(&rig, 13, LEN);
	there = begin(&rig, WEIR_FROM_SEQ, rig.w->seq - 1);
	CHECK_EQ(wr_place_ord(there.place), 11);
	CHECK_EQ(wr_writer_commit(rig.w, &open), 0);
	/* It is settled: from here on the number is the beginning. */
	there = begin(&rig, WEIR_FROM_SEQ, rig.w->seq - 1);
	seq = rig.w->seq - 1;
	reads(&rig, &there, seq, 0);
	rig_free(&rig);
}

static const struct wr_test tests[] = {TEST(from_now_on), TEST(from_the_oldest),
	TEST(the_last_n), TEST(the_last_n_of_fewer),
	TEST(the_last_n_between_aborted_claims), TEST(the_last_n_around_an_open_claim),
	TEST(a_number_that_is_there), TEST(a_number_that_is_gone),
	TEST(a_number_that_is_to_come), TEST(a_number_of_another_stream),
	TEST(a_number_that_was_given_back), TEST(a_number_behind_an_open_claim),
	TEST_END};
const struct wr_suite wr_suite_history = {.name = "history", .tests = tests};
