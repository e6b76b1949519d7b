/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/writer.h"

#include "tests/bus/rig.h"

#include <errno.h>
#include <poll.h>

/* ---- claims and what becomes of them ------------------------------------------------------- */

static void
claim_n(struct rig *rig, weir_claim_t *claims, int count, size_t len)
{
	for (int i = 0; i < count; i++) {
		REQUIRE_EQ(wr_writer_claim(rig->w, len, &claims[i], NULL), 0);
		CHECK_EQ(claims[i].len, len);
		rig_fill(claims[i].data, len, claims[i].seq);
	}
}

static void
visible_in_the_order_of_the_claims(void)
{
	struct rig rig;
	weir_claim_t c[4];

	rig_make(&rig, 4, 0, false);
	rig_join(&rig, 1);
	claim_n(&rig, c, 4, 100);
	CHECK_EQ(wr_writer_commit(rig.w, &c[2]), 0);
	CHECK_EQ(wr_writer_commit(rig.w, &c[3]), 0);
	CHECK_EQ(rig_read(&rig, 0, NULL), -1);
	CHECK_EQ(wr_writer_commit(rig.w, &c[0]), 0);
	CHECK_EQ(rig_read(&rig, 0, NULL), 0);
	CHECK_EQ(rig_read(&rig, 0, NULL), -1);
	CHECK_EQ(wr_writer_commit(rig.w, &c[1]), 0);
	CHECK_EQ(rig_read(&rig, 0, NULL), 1);
	CHECK_EQ(rig_read(&rig, 0, NULL), 2);
	CHECK_EQ(rig_read(&rig, 0, NULL), 3);
	CHECK_EQ(rig_read(&rig, 0, NULL), -1);
	CHECK_EQ(rig.w->published, 4);
	CHECK_EQ(rig.w->bytes, 400);
	rig_free(&rig);
}

/* All ways to end four claims: each committed whole, shorter or aborted, in every order. */
static void
every_end_in_every_order(void)
{
	for (unsigned ways = 0; ways < 81; ways++)
		for (unsigned perm = 0; perm < 24; perm++) {
			struct rig rig;
			weir_claim_t c[4];
			unsigned left[4] = {0, 1, 2, 3}, p = perm;
			unsigned how[4] = {
				ways % 3, ways / 3 % 3, ways / 9 % 3, ways / 27};
			long long next = 0;

			rig_make(&rig, 4, 0, false);
			rig_join(&rig, 1);
			claim_n(&rig, c, 4, 90);
			for (unsigned n = 4; n > 0; n--) {
				unsigned at = p % n, which = left[at];

				p /= n;
				left[at] = left[n - 1];
				if (how[which] == 1)
					c[which].len = 20;
				if (how[which] == 2)
					CHECK_EQ(wr_writer_abort(rig.w, &c[which]), 0);
				else
					CHECK_EQ(wr_writer_commit(rig.w, &c[which]), 0);
			}
			/* One more, to see that the frontier is where it should be. */
			CHECK_EQ(rig_send(&rig, 33), 0);
			for (unsigned i = 0; i < 4; i++) {
				struct wr_view view = {0};

				if (how[i] == 2)
					continue;
				CHECK_EQ(wr_reader_peek(&rig.r[0], &view, 1), 1);
				CHECK_EQ(view.len, how[i] == 1 ? 20 : 90);
				CHECK_EQ(view.seq, i);
				next = rig_read(&rig, 0, NULL);
				CHECK_EQ(next, i);
			}
			CHECK_EQ(rig_read(&rig, 0, NULL), (long long)rig.w->seq - 1);
			CHECK_EQ(rig_read(&rig, 0, NULL), -1);
			CHECK_EQ(rig.r[0].passed + rig.r[0].aborted, rig.w->seq);
			CHECK_EQ(rig.w->open_free, -1);
			rig_free(&rig);
		}
}

static void
the_last_claim_gives_its_number_back(void)
{
	struct rig rig;
	weir_claim_t c[2];

	rig_make(&rig, 4, 0, false);
	claim_n(&rig, c, 2, 10);
	CHECK_EQ(wr_writer_abort(rig.w, &c[1]), 0);
	CHECK_EQ(rig.w->aborted, 0);
	CHECK_EQ(wr_writer_claim(rig.w, 10, &c[1], NULL), 0);
	CHECK_EQ(c[1].seq, 1);
	CHECK_EQ(wr_writer_abort(rig.w, &c[0]), 0);
	CHECK_EQ(rig.w->aborted, 1);
	CHECK_EQ(rig.w->seq, 2);
	CHECK_EQ(wr_writer_abort(rig.w, &c[1]), 0);
	CHECK_EQ(rig.w->seq, 1);
	rig_free(&rig);
}

static void
sizes_from_nothing_to_the_most(void)
{
	static const size_t sizes[] = {0, 1, 7, 8, 15, 16, 17, RIG_MAX - 1, RIG_MAX};
	struct rig rig;
	weir_claim_t claim;

	rig_make(&rig, 4, 0, false);
	rig_join(&rig, 1);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct wr_view view;

		CHECK_EQ(rig_send(&rig, sizes[i]), 0);
		REQUIRE_EQ(wr_reader_peek(&rig.r[0], &view, 1), 1);
		CHECK_EQ(view.len, sizes[i]);
		CHECK_EQ((uintptr_t)view.data % 16, 0);
		CHECK_EQ(rig_read(&rig, 0, NULL), i);
	}
	CHECK_EQ(wr_writer_claim(rig.w, RIG_MAX + 1, &claim, NULL), -WEIR_E_USAGE_TOOBIG);
	CHECK_EQ(wr_writer_claim(rig.w, SIZE_MAX, &claim, NULL), -WEIR_E_USAGE_TOOBIG);
	CHECK_EQ(rig.w->seq, 9);
	rig_free(&rig);
}

static void
claims_that_are_not_open(void)
{
	struct rig rig;
	weir_claim_t c[2], copy, none = {0};

	rig_make(&rig, 4, 0, false);
	claim_n(&rig, c, 2, 10);
	copy = c[0];
	c[0].len = 11;
	CHECK_EQ(wr_writer_commit(rig.w, &c[0]), -WEIR_E_USAGE_CLAIM);
	c[0].len = 10;
	CHECK_EQ(wr_writer_commit(rig.w, &c[0]), 0);
	CHECK_EQ(wr_writer_commit(rig.w, &c[0]), -WEIR_E_USAGE_CLAIM);
	CHECK_EQ(wr_writer_abort(rig.w, &c[0]), -WEIR_E_USAGE_CLAIM);
	CHECK_EQ(wr_writer_commit(rig.w, &copy), -WEIR_E_USAGE_CLAIM);
	/* The place is taken again: the old name of it is still no claim. */
	CHECK_EQ(wr_writer_claim(rig.w, 10, &c[0], NULL), 0);
	CHECK_EQ(wr_writer_commit(rig.w, &copy), -WEIR_E_USAGE_CLAIM);
	CHECK_EQ(wr_writer_commit(rig.w, &none), -WEIR_E_USAGE_CLAIM);
	none.opaque = UINT64_MAX;
	CHECK_EQ(wr_writer_commit(rig.w, &none), -WEIR_E_USAGE_CLAIM);
	CHECK_EQ(wr_writer_abort(rig.w, &none), -WEIR_E_USAGE_CLAIM);
	CHECK_EQ(wr_writer_abort(rig.w, &c[1]), 0);
	CHECK_EQ(wr_writer_commit(rig.w, &c[0]), 0);
	CHECK_EQ(rig.w->published, 2);
	rig_free(&rig);
}

static void
as_many_claims_as_stated_and_no_more(void)
{
	struct rig rig;
	weir_claim_t c[WEIR_CLAIMS_MAX], one;

	rig_make(&rig, 4, 0, false);
	claim_n(&rig, c, WEIR_CLAIMS_MAX, 8);
	CHECK_EQ(wr_writer_claim(rig.w, 8, &one, NULL), -WEIR_E_AGAIN_CLAIMS);
	CHECK_EQ(wr_writer_abort(rig.w, &c[17]), 0);
	CHECK_EQ(wr_writer_claim(rig.w, 8, &one, NULL), 0);
	rig_free(&rig);
}

/* ---- many at once ---------------------------------------------------------------------------- */

static void
many_are_all_or_none(void)
{
	struct rig rig;
	weir_claim_t c[WEIR_CLAIMS_MAX + 1];
	uint64_t seq;

	rig_make(&rig, 2, 0, false);
	rig_join(&rig, 1);
	CHECK_EQ(wr_writer_claim_n(rig.w, 8, c, WEIR_CLAIMS_MAX + 1, NULL),
		-WEIR_E_AGAIN_CLAIMS);
	CHECK_EQ(rig.w->seq, 0);
	CHECK_EQ(wr_writer_claim_n(rig.w, 2000, c, 2, NULL), -WEIR_E_USAGE_TOOBIG);
	CHECK_EQ(rig.w->seq, 0);
	CHECK_EQ(wr_writer_claim_n(rig.w, 8, c, 0, NULL), 0);
	CHECK_EQ(wr_writer_claim_n(rig.w, 8, c, WEIR_CLAIMS_MAX, NULL), 0);
	for (int i = 0; i < WEIR_CLAIMS_MAX; i++)
		rig_fill(c[i].data, 8, c[i].seq);
	CHECK_EQ(wr_writer_commit_n(rig.w, c, WEIR_CLAIMS_MAX), 0);
	CHECK_EQ(rig_drain(&rig, 0), WEIR_CLAIMS_MAX);

	/* Two segments hold six or seven of these: ten never fit, and nothing is left. */
	seq = rig.w->seq;
	CHECK_EQ(wr_writer_claim_n(rig.w, RIG_MAX, c, 10, NULL), -WEIR_E_AGAIN_CLAIMS);
	CHECK_EQ(rig.w->open_free, -1);
	CHECK_EQ(rig_read(&rig, 0, NULL), -1);
	CHECK_EQ(rig.r[0].seq, rig.w->seq);
	CHECK(rig.w->seq - seq <= 10);
	CHECK_EQ(rig_send(&rig, RIG_MAX), 0);
	CHECK_EQ(rig_read(&rig, 0, NULL), (long long)rig.w->seq - 1);
	rig_free(&rig);
}

static void
a_claim_named_twice_changes_nothing(void)
{
	struct rig rig;
	weir_claim_t c[3];

	rig_make(&rig, 4, 0, false);
	rig_join(&rig, 1);
	claim_n(&rig, c, 2, 10);
	c[2] = c[0];
	CHECK_EQ(wr_writer_commit_n(rig.w, c, 3), -WEIR_E_USAGE_CLAIM);
	CHECK_EQ(rig.w->published, 0);
	CHECK_EQ(rig_read(&rig, 0, NULL), -1);
	CHECK_EQ(wr_writer_commit_n(rig.w, c, 2), 0);
	CHECK_EQ(rig_drain(&rig, 0), 2);
	rig_free(&rig);
}

static uint64_t
stamp_of_next(struct rig *rig)
{
	struct wr_view view = {0};

	CHECK_EQ(wr_reader_peek(&rig->r[0], &view, 1), 1);
	CHECK_EQ(rig_read(rig, 0, NULL), (long long)view.seq);
	return view.time_ns;
}

static void
stamps_as_chosen(void)
{
	struct rig rig;
	weir_claim_t c[8];
	uint64_t before, first, last = 0;

	rig_make(&rig, 4, 0, false);
	rig_join(&rig, 1);
	before = wr_now_ns();
	for (int i = 0; i < 8; i++)
		CHECK_EQ(rig_send(&rig, 8), 0);
	for (int i = 0; i < 8; i++) {
		uint64_t stamp = stamp_of_next(&rig);

		CHECK(stamp >= last && stamp + 1000 >= before &&
			stamp <= wr_now_ns() + 1000);
		last = stamp;
	}
	rig.w->stamp = WEIR_STAMP_BATCH;
	CHECK_EQ(wr_writer_claim_n(rig.w, 8, c, 8, NULL), 0);
	for (int i = 0; i < 8; i++)
		rig_fill(c[i].data, 8, c[i].seq);
	CHECK_EQ(wr_writer_commit_n(rig.w, c, 8), 0);
	first = stamp_of_next(&rig);
	CHECK(first >= last);
	for (int i = 1; i < 8; i++)
		CHECK_EQ(stamp_of_next(&rig), first);
	rig.w->stamp = WEIR_STAMP_OFF;
	CHECK_EQ(rig_send(&rig, 8), 0);
	CHECK_EQ(stamp_of_next(&rig), 0);
	rig_free(&rig);
}

/* ---- room ---------------------------------------------------------------------------------------- */

static void
full_names_who_blocks(void)
{
	struct rig rig;
	struct weir_error err = {0};
	weir_claim_t claim;
	int rc;

	rig_make(&rig, 3, 0, false);
	rig_join(&rig, 1);
	while ((rc = rig_send(&rig, RIG_MAX)) == 0)
		;
	CHECK_EQ(rc, -WEIR_E_AGAIN_FULL);
	CHECK_EQ(rig.w->pool.head_ord, 3);
	CHECK_EQ(wr_room_wait(rig.w, 0, &err), -WEIR_E_AGAIN_FULL);
	CHECK(strstr(err.text, "'rig'") && strstr(err.text, "reader[4711]"));
	CHECK(strstr(err.text, "1 of 1"));
	CHECK_EQ(wr_room_wait(rig.w, wr_now_ns() + 2000000, &err), -WEIR_E_AGAIN_FULL);
	CHECK_EQ(rig.w->room.waits, 2);
	CHECK(rig.w->room.wait_ns >= 2000000);

	/* Room comes when the reader has left the oldest segment, not before. */
	CHECK_EQ(wr_writer_claim(rig.w, RIG_MAX, &claim, NULL), -WEIR_E_AGAIN_FULL);
	while (rig.r[0].ord == 1)
		CHECK(rig_read(&rig, 0, NULL) >= 0);
	CHECK_EQ(wr_room_wait(rig.w, UINT64_MAX, &err), 0);
	CHECK_EQ(rig_send(&rig, RIG_MAX), 0);
	rig_free(&rig);
}

static void
own_open_claim_keeps_its_segment(void)
{
	struct rig rig;
	weir_claim_t first;
	int rc;

	rig_make(&rig, 3, 0, false);
	REQUIRE_EQ(wr_writer_claim(rig.w, 100, &first, NULL), 0);
	rig_fill(first.data, 100, 0);
	while ((rc = rig_send(&rig, RIG_MAX)) == 0)
		;
	/* Nobody reads, and still nothing may be overwritten. */
	CHECK_EQ(rc, -WEIR_E_AGAIN_CLAIMS);
	CHECK(rig_says(first.data, 100, 0));
	CHECK_EQ(wr_writer_commit(rig.w, &first), 0);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(rig_send(&rig, RIG_MAX), 0);
	rig_free(&rig);
}

static void
without_readers_nothing_stops(void)
{
	struct rig rig;

	rig_make(&rig, 2, 0, false);
	for (int i = 0; i < 1000; i++)
		CHECK_EQ(rig_send(&rig, 500), 0);
	/* The first segments serve for ever: no memory is taken beyond them. */
	CHECK(rig.w->pool.zone->touched <= 3);
	rig_free(&rig);
}

/* ---- moving ---------------------------------------------------------------------------------------- */

static void
a_larger_window_is_granted_by_a_move(void)
{
	struct rig rig;
	int rc;

	rig_make(&rig, 2, 0, true);
	rig_join(&rig, 1);
	while ((rc = rig_send(&rig, RIG_MAX)) == 0)
		;
	CHECK_EQ(rc, -WEIR_E_AGAIN_FULL);
	CHECK_EQ(wr_writer_grow(rig.w, 6 * RIG_SEG), 0);
	CHECK_EQ(wr_room_wait(rig.w, UINT64_MAX, NULL), 0);
	while ((rc = rig_send(&rig, RIG_MAX)) == 0)
		;
	CHECK_EQ(rc, -WEIR_E_AGAIN_FULL);
	CHECK_EQ(rig.w->pool.head_ord, 6);
	CHECK_EQ(rig.w->pool.moves, 1);
	CHECK_EQ(rig.told, 1);
	for (uint64_t i = 0; i < rig.w->seq; i++)
		CHECK_EQ(rig_read(&rig, 0, NULL), i);
	CHECK_EQ(rig_read(&rig, 0, NULL), -1);
	/* Smaller than now is no change, absurd is refused. */
	CHECK_EQ(wr_writer_grow(rig.w, 1), 0);
	CHECK_EQ(rig.w->plan.geo.window_segs, 6);
	CHECK_EQ(wr_writer_grow(rig.w, UINT64_MAX), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(wr_writer_grow(rig.w, 1ull << 50), -WEIR_E_USAGE_INVAL);
	rig_free(&rig);
}

static void
more_readers_than_planned_move_the_stream(void)
{
	struct rig rig;
	int rc;

	rig_make(&rig, 2, 2, true);
	for (int i = 0; i < 4; i++)
		rig_join(&rig, 2);
	for (int i = 0; i < 8; i++) {
		CHECK_EQ(rig_send(&rig, RIG_MAX), 0);
		for (unsigned k = 0; k < 4; k++)
			CHECK_EQ(rig_read(&rig, k, NULL), i);
	}
	CHECK_EQ(rig.w->pool.moves, 1);
	CHECK_EQ(rig.told, 1);
	CHECK(rig.w->pool.zone->store->seg_count >= 2 + 4 * 3 + WR_SPARE_SEGS);
	CHECK(!rig.w->pool.zone->older); /* nobody stands there any more */
	while ((rc = rig_send(&rig, 10)) == 0)
		;
	CHECK_EQ(rc, -WEIR_E_AGAIN_FULL);
	rig_free(&rig);
}

/* The stream has outgrown its region while its window is full: it waits to move, and then
 * every reader is told before it meets the link. */
static void
a_full_window_delays_the_move(void)
{
	struct rig rig;
	int rc;

	rig_make(&rig, 2, 3, true);
	rig_join(&rig, 2);
	while ((rc = rig_send(&rig, RIG_MAX)) == 0)
		;
	CHECK_EQ(rc, -WEIR_E_AGAIN_FULL);
	rig_join(&rig, 2);
	CHECK_EQ(rig_send(&rig, RIG_MAX), -WEIR_E_AGAIN_FULL);
	CHECK_EQ(rig_send(&rig, RIG_MAX), -WEIR_E_AGAIN_FULL);
	CHECK_EQ(rig.w->pool.moves, 0);
	CHECK_EQ(rig.told, 0);
	rig_drain(&rig, 0);
	CHECK_EQ(rig_send(&rig, RIG_MAX), 0);
	CHECK_EQ(rig.w->pool.moves, 1);
	CHECK_EQ(rig.told, 1);
	CHECK_EQ(rig_drain(&rig, 0), 1);
	CHECK_EQ(rig_drain(&rig, 1), 1);
	rig_free(&rig);
}

/* Nothing is written where not all that are waited for can follow: the stream goes on in
 * the region that it has, and waits when that is full. */
static void
it_stays_until_all_are_told(void)
{
	struct rig rig;
	int rc;

	rig_make(&rig, 2, 0, true);
	rig_join(&rig, 1);
	rig.deaf = true;
	CHECK_EQ(wr_writer_grow(rig.w, 6 * RIG_SEG), 0);
	while ((rc = rig_send(&rig, RIG_MAX)) == 0)
		;
	CHECK_EQ(rc, -WEIR_E_AGAIN_FULL);
	CHECK_EQ(rig.w->pool.head_ord, 2);
	while (rig.told <= 1) /* it is tried again whenever it wakes up */
		CHECK_EQ(wr_room_wait(rig.w, wr_now_ns() + 20000000, NULL), rc);
	CHECK_EQ(rig_drain(&rig, 0), rig.w->seq);
	CHECK_EQ(wr_room_wait(rig.w, UINT64_MAX, NULL), 0);
	rig_send_until(&rig, 3, RIG_MAX);
	CHECK_EQ(rig.w->pool.moves, 0);
	while ((rc = rig_send(&rig, RIG_MAX)) == 0)
		;
	CHECK_EQ(rc, -WEIR_E_AGAIN_FULL);
	rig.deaf = false;
	CHECK_EQ(wr_room_wait(rig.w, UINT64_MAX, NULL), 0);
	CHECK_EQ(rig_send(&rig, RIG_MAX), 0);
	CHECK_EQ(rig.w->pool.moves, 1);
	CHECK(rig_drain(&rig, 0) > 0);
	CHECK_EQ(wr_reader_lost(&rig.r[0]), 0);
	CHECK_EQ(rig.r[0].passed, rig.w->published);
	rig_free(&rig);
}

/* Keeps something of each segment, as long as there are segments. */
static void
hold_until_full(struct rig *rig, uint64_t ords[RIG_READERS], struct wr_view *last)
{
	while (rig_send(rig, RIG_MAX) == 0)
		for (unsigned k = 0; k < rig->readers; k++) {
			struct wr_view view;

			REQUIRE_EQ(wr_reader_peek(&rig->r[k], &view, 1), 1);
			if (rig->r[k].ord % rig->readers == k && rig->r[k].ord != ords[k] &&
				wr_reader_hold(&rig->r[k], view.seq, &ords[k]) == 0 &&
				k == 0)
				*last = view;
			wr_reader_pass(&rig->r[k], &view, 1);
		}
}

/* The same where it is pins that leave no segment: one that is let go is enough. */
static void
it_stays_and_pins_are_let_go(void)
{
	uint64_t ords[RIG_READERS] = {0};
	struct wr_view kept = {0};
	struct rig rig;

	rig_make(&rig, 2, 2, true);
	for (int i = 0; i < 4; i++)
		rig_join(&rig, 2);
	rig.deaf = true;
	hold_until_full(&rig, ords, &kept);
	CHECK(rig.w->pool.head_ord - rig.w->pool.oldest + 1 < rig.w->pool.geo.window_segs);
	CHECK_EQ(wr_room_wait(rig.w, wr_now_ns() + 20000000, NULL), -WEIR_E_AGAIN_FULL);
	CHECK_EQ(wr_reader_release(&rig.r[0], kept.seq, ords[0]), 0);
	CHECK_EQ(wr_room_wait(rig.w, UINT64_MAX, NULL), 0);
	CHECK_EQ(rig_send(&rig, RIG_MAX), 0);
	CHECK_EQ(rig.w->pool.moves, 0);
	rig_free(&rig);
}

/* Readers that still stand in the region that was left hear of the end, of the pace and of
 * a wait for room. */
static void
words_are_said_in_every_region(void)
{
	struct rig rig;
	weir_claim_t open;

	rig_make(&rig, 4, 3, true);
	rig_join(&rig, 2);
	CHECK_EQ(wr_writer_claim(rig.w, 10, &open, NULL), 0);
	rig_fill(open.data, 10, open.seq);
	CHECK_EQ(wr_writer_grow(rig.w, 8 * RIG_SEG), 0);
	rig_send_until(&rig, 2, RIG_MAX);
	CHECK_EQ(rig.w->pool.moves, 1);
	CHECK(!wr_reader_heavy(&rig.r[0]));

	if (rig.w->heavy_ready) {
		/* A pace at which the sleepers fence. */
		rig.w->pace_ns = wr_now_ns();
		rig.w->pace_count = 1000;
		CHECK_EQ(rig_send(&rig, 8), 0);
		CHECK(!rig.w->fences);
		CHECK(wr_reader_heavy(&rig.r[0]));
		rig.w->pace_ns = 0;
		rig.w->pace_count = 1000;
		CHECK_EQ(rig_send(&rig, 8), 0);
		CHECK(rig.w->fences);
		CHECK(!wr_reader_heavy(&rig.r[0]));
	}
	CHECK(!wr_reader_ready(&rig.r[0]));
	wr_writer_end(rig.w);
	CHECK(wr_reader_ready(&rig.r[0]));
	CHECK_EQ(wr_load_acquire(test_word, &rig.r[0].store->hdr->closed), 1);
	rig_drain(&rig, 0);
	CHECK_EQ(wr_reader_peek(&rig.r[0], &(struct wr_view){0}, 1), -WEIR_E_AGAIN_EMPTY);
	CHECK_EQ(rig.r[0].seq, rig.w->seq);
	rig_free(&rig);
}

/* ---- the end, and waking ------------------------------------------------------------------------------ */

static void
end_gives_open_claims_back(void)
{
	struct rig rig;
	weir_claim_t c[3];

	rig_make(&rig, 4, 0, false);
	rig_join(&rig, 1);
	claim_n(&rig, c, 3, 10);
	CHECK_EQ(wr_writer_commit(rig.w, &c[1]), 0);
	wr_writer_end(rig.w);
	wr_writer_end(rig.w);
	CHECK_EQ(rig_read(&rig, 0, NULL), 1);
	CHECK_EQ(rig_read(&rig, 0, NULL), -WEIR_E_GONE_END);
	CHECK_EQ(rig_read(&rig, 0, NULL), -WEIR_E_AGAIN_EMPTY);
	CHECK_EQ(rig.r[0].aborted, 1);
	rig_free(&rig);
}

/* True if the bell has rung since the last look: an edge on an epoll set would say so. */
static bool
rang(struct rig *rig)
{
	struct pollfd probe = {.fd = rig->sub.bell_fd, .events = POLLIN};
	uint64_t count;

	if (poll(&probe, 1, 0) != 1)
		return false;
	REQUIRE_EQ(read(rig->sub.bell_fd, &count, sizeof(count)), sizeof(count));
	return true;
}

static void
a_sleep_is_rung_once(void)
{
	struct rig rig;
	weir_claim_t c[2];

	rig_make(&rig, 4, 0, false);
	rig_join(&rig, 1);
	CHECK_EQ(rig_send(&rig, 8), 0);
	CHECK(!rang(&rig)); /* it is awake */
	wr_store_release(test_flag, rig.sub.flag, 1);
	CHECK_EQ(rig_send(&rig, 8), 0);
	CHECK(rang(&rig));
	CHECK_EQ(rig_send(&rig, 8), 0);
	CHECK(!rang(&rig)); /* this sleep was rung */
	wr_store_release(test_flag, rig.sub.flag, 2);
	CHECK_EQ(rig_send(&rig, 8), 0);
	CHECK(!rang(&rig));
	/* Its next sleep, although nobody has seen it awake in between. */
	wr_store_release(test_flag, rig.sub.flag, 3);
	CHECK_EQ(rig_send(&rig, 8), 0);
	CHECK(rang(&rig));
	wr_store_release(test_flag, rig.sub.flag, 5);
	CHECK_EQ(rig_send(&rig, 8), 0);
	CHECK(rang(&rig));

	/* An abort uncovers what was committed behind it. */
	claim_n(&rig, c, 2, 8);
	CHECK_EQ(wr_writer_commit(rig.w, &c[1]), 0);
	wr_store_release(test_flag, rig.sub.flag, 7);
	CHECK_EQ(wr_writer_abort(rig.w, &c[0]), 0);
	CHECK(rang(&rig));
	/* So does the end. */
	wr_store_release(test_flag, rig.sub.flag, 9);
	wr_writer_end(rig.w);
	CHECK(rang(&rig));
	CHECK_EQ(rig.w->rings, 4);
	rig_free(&rig);
}

static void
relayed(void *ctx)
{
	++*(int *)ctx;
}

static void
a_few_are_rung_of_many_one_and_the_rest_relayed(void)
{
	enum { MANY = 40 };
	static wr_a64 flags[MANY];
	struct wr_bell bells[MANY];
	struct rig rig;
	int relays = 0;

	rig_make(&rig, 4, 0, false);
	rig.w->ops.relay = relayed;
	rig.w->ops.ctx = &relays;
	for (int i = 0; i < MANY; i++) {
		wr_bell_init(&bells[i]);
		wr_bell_set(&bells[i], wr_bell_make());
		CHECK_EQ(wr_writer_wake_add(rig.w, &flags[i], &bells[i]), 0);
		CHECK_EQ(wr_writer_wake_add(rig.w, &flags[i], &bells[i]), 0);
	}
	CHECK_EQ(wr_stat_get(&rig.w->wake_count), MANY);
	wr_store_release(test_flag, &flags[5], 1);
	wr_store_release(test_flag, &flags[25], 1);
	CHECK_EQ(rig_send(&rig, 8), 0);
	CHECK_EQ(rig.w->rings, 2);
	CHECK_EQ(relays, 0);

	for (int i = 0; i < MANY; i++)
		wr_store_release(test_flag, &flags[i], 3);
	CHECK_EQ(rig_send(&rig, 8), 0);
	CHECK_EQ(rig.w->rings, 3);
	CHECK_EQ(relays, 1);
	CHECK_EQ(wr_writer_relay(rig.w), MANY - 1);
	CHECK_EQ(wr_writer_relay(rig.w), 0);
	CHECK_EQ(rig_send(&rig, 8), 0);
	CHECK_EQ(relays, 1);

	/* A place that was left is looked at no more, and taken by the next. */
	wr_writer_wake_remove(rig.w, &bells[2]);
	wr_store_release(test_flag, &flags[2], 5);
	CHECK_EQ(wr_writer_relay(rig.w), 0);
	CHECK_EQ(wr_writer_wake_add(rig.w, &flags[2], &bells[2]), 0);
	CHECK_EQ(wr_stat_get(&rig.w->wake_count), MANY);
	CHECK_EQ(wr_writer_relay(rig.w), 1);
	for (int i = 0; i < MANY; i++)
		wr_bell_set(&bells[i], -1);
	rig_free(&rig);
}

static void
as_many_sleepers_as_processes(void)
{
	static wr_a64 flags[WR_WAKES_MAX + 1];
	struct rig rig;

	rig_make(&rig, 4, 0, false);
	for (int i = 0; i < WR_WAKES_MAX; i++)
		REQUIRE_EQ(wr_writer_wake_add(rig.w, &flags[i], rig.sub.bell), 0);
	CHECK_EQ(wr_writer_wake_add(rig.w, &flags[WR_WAKES_MAX], rig.sub.bell),
		-WEIR_E_AGAIN_QUOTA);
	CHECK_EQ(rig_send(&rig, 8), 0);
	rig_free(&rig);
}

static const struct wr_test tests[] = {TEST(visible_in_the_order_of_the_claims),
	TEST(every_end_in_every_order), TEST(the_last_claim_gives_its_number_back),
	TEST(sizes_from_nothing_to_the_most), TEST(claims_that_are_not_open),
	TEST(as_many_claims_as_stated_and_no_more), TEST(many_are_all_or_none),
	TEST(a_claim_named_twice_changes_nothing), TEST(stamps_as_chosen),
	TEST(full_names_who_blocks), TEST(own_open_claim_keeps_its_segment),
	TEST(without_readers_nothing_stops), TEST(a_larger_window_is_granted_by_a_move),
	TEST(more_readers_than_planned_move_the_stream),
	TEST(a_full_window_delays_the_move), TEST(it_stays_until_all_are_told),
	TEST(it_stays_and_pins_are_let_go), TEST(words_are_said_in_every_region),
	TEST(end_gives_open_claims_back), TEST(a_sleep_is_rung_once),
	TEST(a_few_are_rung_of_many_one_and_the_rest_relayed),
	TEST(as_many_sleepers_as_processes), TEST_END};
const struct wr_suite wr_suite_writer = {.name = "writer", .tests = tests};
