/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/reader.h"

#include "tests/bus/rig.h"

#include <stdlib.h>

/* ---- peek, pass, batches --------------------------------------------------------------------- */

static void
peek_passes_nothing(void)
{
	struct rig rig;
	struct wr_view one, again, batch[8];

	rig_make(&rig, 4, 0, false);
	rig_join(&rig, 1);
	CHECK_EQ(wr_reader_peek(&rig.r[0], &one, 1), 0);
	CHECK(!wr_reader_ready(&rig.r[0]));
	for (int i = 0; i < 5; i++)
		CHECK_EQ(rig_send(&rig, 50), 0);
	CHECK(wr_reader_ready(&rig.r[0]));
	CHECK_EQ(wr_reader_peek(&rig.r[0], &one, 1), 1);
	CHECK_EQ(wr_reader_peek(&rig.r[0], &again, 1), 1);
	CHECK(one.data == again.data && one.seq == again.seq);
	CHECK_EQ(wr_reader_peek(&rig.r[0], batch, 8), 5);
	for (int i = 0; i < 5; i++) {
		CHECK_EQ(batch[i].seq, i);
		CHECK(rig_says(batch[i].data, 50, (uint64_t)i));
	}
	wr_reader_pass(&rig.r[0], batch, 3);
	CHECK_EQ(wr_reader_peek(&rig.r[0], &one, 1), 1);
	CHECK_EQ(one.seq, 3);
	CHECK_EQ(rig.r[0].passed, 3);
	CHECK_EQ(rig.r[0].bytes, 150);
	CHECK_EQ(wr_stat_get(&rig.sub.slots[0].passed), 3);
	rig_free(&rig);
}

static void
a_batch_lies_in_one_segment(void)
{
	struct rig rig;
	struct wr_view views[64];
	uint64_t seen = 0;

	rig_make(&rig, 4, 0, false);
	rig_join(&rig, 1);
	rig_send_until(&rig, 3, 500);
	while (seen < rig.w->seq) {
		int count = wr_reader_peek(&rig.r[0], views, 64);

		REQUIRE(count > 0);
		for (int i = 0; i < count; i++) {
			const uint8_t *data = views[i].data;

			CHECK(data > rig.r[0].seg && data + 500 < rig.r[0].seg + RIG_SEG);
			CHECK_EQ(views[i].seq, seen++);
		}
		wr_reader_pass(&rig.r[0], views, count);
	}
	rig_free(&rig);
}

static void
begins_at_what_is_not_committed_yet(void)
{
	struct rig rig;
	weir_claim_t open;

	rig_make(&rig, 4, 0, false);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(rig_send(&rig, 50), 0);
	CHECK_EQ(wr_writer_claim(rig.w, 50, &open, NULL), 0);
	rig_fill(open.data, 50, open.seq);
	CHECK_EQ(rig_send(&rig, 50), 0);
	rig_join(&rig, 1);
	CHECK_EQ(rig.r[0].seq, 10);
	CHECK_EQ(rig_read(&rig, 0, NULL), -1);
	CHECK_EQ(wr_writer_commit(rig.w, &open), 0);
	CHECK_EQ(rig_read(&rig, 0, NULL), 10);
	CHECK_EQ(rig_read(&rig, 0, NULL), 11);
	rig_free(&rig);
}

/* The claim that is open in an older segment is committed after the join: it is promised. */
static void
begins_in_the_segment_of_the_oldest_open_claim(void)
{
	for (int mapped = 0; mapped < 2; mapped++) {
		struct rig rig;
		weir_claim_t open;
		uint64_t seq;

		rig_make(&rig, 6, 3, mapped);
		CHECK_EQ(rig_send(&rig, 50), 0);
		CHECK_EQ(wr_writer_claim(rig.w, 50, &open, NULL), 0);
		rig_fill(open.data, 50, open.seq);
		rig_send_until(&rig, 2, 800);
		/* The third segment lies in another region. */
		CHECK_EQ(wr_writer_grow(rig.w, 8 * RIG_SEG), 0);
		rig_send_until(&rig, 4, 800);
		CHECK_EQ(rig.w->pool.moves, 1);
		rig_join(&rig, 1);
		CHECK_EQ(rig.r[0].seq, 1);
		seq = rig.w->seq;
		CHECK_EQ(wr_writer_commit(rig.w, &open), 0);
		for (uint64_t i = 1; i < seq; i++)
			CHECK_EQ(rig_read(&rig, 0, NULL), i);
		CHECK_EQ(rig_read(&rig, 0, NULL), -1);
		rig_free(&rig);
	}
}

/* ---- holds ---------------------------------------------------------------------------------------- */

static void
a_hold_outlives_its_segment(void)
{
	struct rig rig;
	struct wr_view view;
	uint64_t ord;

	rig_make(&rig, 2, 0, false);
	rig_join(&rig, 1);
	CHECK_EQ(rig_send(&rig, 200), 0);
	REQUIRE_EQ(wr_reader_peek(&rig.r[0], &view, 1), 1);
	CHECK_EQ(wr_reader_hold(&rig.r[0], view.seq, &ord), 0);
	CHECK_EQ(ord, 1);
	wr_reader_pass(&rig.r[0], &view, 1);
	for (int i = 1; i < 200; i++) {
		CHECK_EQ(rig_send(&rig, 700), 0);
		CHECK_EQ(rig_read(&rig, 0, NULL), i);
	}
	CHECK(rig_says(view.data, 200, 0));
	CHECK_EQ(rig.w->pool.limbo_count, 1);
	CHECK_EQ(wr_reader_release(&rig.r[0], view.seq, ord), 0);
	CHECK_EQ(wr_reader_release(&rig.r[0], view.seq, ord), -WEIR_E_USAGE_STATE);
	/* From here on its memory may serve again. */
	for (int i = 200; i < 220; i++) {
		CHECK_EQ(rig_send(&rig, 700), 0);
		CHECK_EQ(rig_read(&rig, 0, NULL), i);
	}
	CHECK_EQ(rig.w->pool.limbo_count, 0);
	CHECK(rig.w->pool.free_count >= 1);
	rig_free(&rig);
}

static void
holds_count_segments(void)
{
	struct rig rig;
	uint64_t ord, kept[3], first = 0;
	struct wr_view view;
	unsigned count = 0;

	rig_make(&rig, 8, 0, false);
	rig_join(&rig, 2);
	rig_send_until(&rig, 4, 900);
	while (count < 2) {
		REQUIRE_EQ(wr_reader_peek(&rig.r[0], &view, 1), 1);
		/* As many messages of one segment as one likes are one hold. */
		CHECK_EQ(wr_reader_hold(&rig.r[0], view.seq, &ord), 0);
		CHECK_EQ(wr_reader_hold(&rig.r[0], view.seq, &ord), 0);
		first = count == 0 ? view.seq : first;
		kept[count++] = ord;
		while (rig.r[0].ord == ord) {
			wr_reader_pass(&rig.r[0], &view, 1);
			REQUIRE_EQ(wr_reader_peek(&rig.r[0], &view, 1), 1);
		}
	}
	CHECK_EQ(wr_reader_hold(&rig.r[0], view.seq, &ord), -WEIR_E_AGAIN_HOLDS);
	CHECK_EQ(wr_reader_release(&rig.r[0], first, kept[0]), 0);
	CHECK_EQ(wr_reader_hold(&rig.r[0], view.seq, &ord), -WEIR_E_AGAIN_HOLDS);
	CHECK_EQ(wr_reader_release(&rig.r[0], first, kept[0]), 0);
	CHECK_EQ(wr_reader_hold(&rig.r[0], view.seq, &ord), 0);
	CHECK_EQ(wr_reader_release(&rig.r[0], view.seq, 99), -WEIR_E_USAGE_STATE);
	rig_free(&rig);
}

/* Nothing that readers hold stops a publisher: the region has room for all of it. */
static void
holders_stop_nobody(void)
{
	struct rig rig;
	struct wr_view kept[4][2];

	rig_make(&rig, 2, 0, false);
	for (int i = 0; i < 4; i++)
		rig_join(&rig, 2);
	for (int lap = 0; lap < 2; lap++) {
		for (unsigned i = 0; i < 4; i++) {
			uint64_t ord, before = rig.w->pool.head_ord;

			/* Each holds in another segment. */
			while (rig.w->pool.head_ord == before) {
				CHECK_EQ(rig_send(&rig, 900), 0);
				for (unsigned k = 0; k < 4; k++) {
					if (k == i && rig.w->pool.head_ord != before) {
						REQUIRE_EQ(wr_reader_peek(&rig.r[k],
								   &kept[k][lap], 1),
							1);
						CHECK_EQ(wr_reader_hold(&rig.r[k],
								 kept[k][lap].seq, &ord),
							0);
					}
					CHECK(rig_read(&rig, k, NULL) >= 0);
				}
			}
		}
	}
	for (int i = 0; i < 500; i++) {
		CHECK_EQ(rig_send(&rig, 900), 0);
		for (unsigned k = 0; k < 4; k++)
			CHECK(rig_read(&rig, k, NULL) >= 0);
	}
	for (int i = 0; i < 4; i++)
		for (int lap = 0; lap < 2; lap++)
			CHECK(rig_says(kept[i][lap].data, 900, kept[i][lap].seq));
	CHECK_EQ(rig.w->pool.moves, 0);
	CHECK_EQ(rig.w->pool.limbo_count, 8);
	CHECK_EQ(rig.w->gate.evicted, 0);
	rig_free(&rig);
}

/* ---- overrun ----------------------------------------------------------------------------------------- */

static void
a_gap_is_exact(void)
{
	struct rig rig;
	uint64_t lost = 0, oldest_base;
	long long seq;

	rig_make(&rig, 3, 0, false);
	rig_join(&rig, 1);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(rig_send(&rig, 300), 0);
	CHECK_EQ(rig_read(&rig, 0, NULL), 0);
	CHECK_EQ(rig_read(&rig, 0, NULL), 1);
	rig_detach(&rig, 0);
	rig_send_until(&rig, 20, 300);
	oldest_base = rig.w->pool.live[rig.w->pool.oldest % rig.w->pool.live_size]->base;

	/* What it had begun to read it may read to the end: that segment is kept. */
	for (seq = rig_read(&rig, 0, &lost); lost == 0; seq = rig_read(&rig, 0, &lost))
		CHECK(seq >= 2);
	CHECK_EQ(seq, oldest_base);
	CHECK_EQ((long long)(rig.r[0].passed + lost), seq + 1);
	CHECK_EQ(wr_reader_lost(&rig.r[0]), lost);
	wr_reader_say(&rig.r[0]);
	CHECK_EQ(wr_stat_get(&rig.sub.slots[0].lost[WR_LOST_BEHIND]), lost);
	rig_drain(&rig, 0);
	CHECK_EQ(rig.r[0].passed + wr_reader_lost(&rig.r[0]), rig.w->seq);

	/* Caught up, it may gate again, and loses nothing from then on. */
	CHECK_EQ(rig_send(&rig, 300), 0);
	rig_send_until(&rig, 21, 300);
	CHECK(wr_gate_attach(
		&rig.w->gate, rig.row[0], rig.w->pool.oldest, rig.w->pool.head_ord));
	rig_drain(&rig, 0);
	for (int i = 0; i < 200; i++) {
		lost = 0;
		CHECK_EQ(rig_send(&rig, 300), 0);
		CHECK(rig_read(&rig, 0, &lost) >= 0);
		CHECK_EQ(lost, 0);
	}
	rig_free(&rig);
}

static void
late_for_every_segment_and_back(void)
{
	struct rig rig;
	struct wr_view view;
	uint64_t said;

	rig_make(&rig, 3, 0, false);
	rig_join(&rig, 1);
	rig_detach(&rig, 0);
	rig_send_until(&rig, 9, 900);
	/* Both hints name segments that are gone by the time they are entered: as if the
	 * publisher had gone on between every two of its steps. */
	wr_store_release(test_word, &rig.r[0].store->hdr->oldest, wr_place(4, 0));
	wr_store_release(test_word, &rig.r[0].store->hdr->head, wr_place(5, 1));
	while (wr_reader_peek(&rig.r[0], &view, 1) == 1)
		wr_reader_pass(&rig.r[0], &view, 1);
	CHECK(rig.r[0].astray);
	CHECK(wr_reader_ready(&rig.r[0]));
	said = wr_load_acquire(test_cur, &rig.sub.slots[0].cur);
	CHECK_EQ(said, 5);
	/* The segment that it left is somebody else's now, and is not looked at. */
	rig_send_until(&rig, 20, 900);
	wr_store_release(test_word, &rig.r[0].store->hdr->oldest, wr_place(4, 0));
	wr_store_release(test_word, &rig.r[0].store->hdr->head, wr_place(5, 1));
	CHECK_EQ(wr_reader_peek(&rig.r[0], &view, 1), 0);
	CHECK_EQ(wr_load_acquire(test_cur, &rig.sub.slots[0].cur), said);
	rig_send_until(&rig, 21, 900);
	REQUIRE_EQ(wr_reader_peek(&rig.r[0], &view, 1), 1);
	CHECK(!rig.r[0].astray);
	CHECK_EQ(rig.r[0].passed + view.lost, view.seq);
	CHECK(rig_says(view.data, view.len, view.seq));
	CHECK_EQ(rig.w->gate.evicted, 0);
	rig_free(&rig);
}

/* What it stands in is its own, also when it was retired: it looks ahead of itself there,
 * and takes what it finds behind it for newer. */
static void
the_latest_from_within_a_retired_segment(void)
{
	for (uint32_t key_size = 0; key_size <= 8; key_size += 8) {
		struct rig rig;
		struct rig_start start;
		struct wr_terms terms = {.policy = WEIR_LATEST, .holds = 1};
		struct wr_reader_opts opts = {.policy = WEIR_LATEST,
			.holds = 1,
			.begin = UINT64_MAX,
			.asked = UINT64_MAX,
			.key_offset = RIG_MAX,
			.key_size = key_size};
		weir_claim_t claim;
		uint64_t lost = 0;

		rig_make(&rig, 3, 0, false);
		(void)rig_admit_as(&rig, &terms, &start);
		REQUIRE_EQ(wr_reader_init(&rig.r[0], start.store, &rig.sub.slots[0],
				   start.begin.place, &opts),
			0);
		wr_store_unref(start.store);
		/* Its own segment is full, the last one is begun and empty. */
		rig_send_until(&rig, 7, 800);
		rig.w->off = rig.w->end;
		REQUIRE_EQ(wr_writer_claim(rig.w, 800, &claim, NULL), 0);
		CHECK_EQ(wr_writer_abort(rig.w, &claim), 0);
		CHECK_EQ(rig.w->pool.head_ord, 8);
		/* By key it cannot see over the gap: first the newest of what is its own. */
		if (key_size > 0) {
			CHECK_EQ(rig_read(&rig, 0, &lost), 3);
			CHECK_EQ(lost, 3);
		}
		CHECK_EQ(rig_read(&rig, 0, &lost), rig.w->seq - 1);
		CHECK_EQ(lost, rig.w->seq - 1 - (key_size > 0 ? 4 : 0));
		CHECK_EQ(rig_read(&rig, 0, NULL), -1);
		/* And nobody knows whether a newer one of each key was in what was taken. */
		CHECK((rig.r[0].lost[WR_LOST_BEHIND] > 0) == (key_size > 0));
		rig_free(&rig);
	}
}

/* ---- moves ---------------------------------------------------------------------------------------------- */

static void
a_move_between_admission_and_beginning(void)
{
	for (int mapped = 0; mapped < 2; mapped++) {
		struct rig rig;
		struct rig_start start;
		struct wr_store *first;

		rig_make(&rig, 4, 3, mapped);
		CHECK_EQ(rig_send(&rig, 900), 0);
		rig_admit(&rig, 1, &start);
		first = start.store;
		CHECK_EQ(wr_load_acquire(test_word, &first->refs), mapped ? 1 : 2);
		CHECK_EQ(wr_writer_grow(rig.w, 6 * RIG_SEG), 0);
		rig_send_until(&rig, 3, 900);
		CHECK_EQ(rig.w->pool.moves, 1);
		CHECK_EQ(rig_begin(&rig, 0, 1, &start), 0);
		CHECK(rig.r[0].store->first_ord > 1);
		/* The region that it walked through is not its any more; this one is. */
		CHECK(wr_load_acquire(test_word, &rig.r[0].store->refs) >= 1);
		CHECK_EQ(rig_read(&rig, 0, NULL), -1);
		for (int i = 0; i < 50; i++) {
			CHECK_EQ(rig_send(&rig, 900), 0);
			CHECK(rig_read(&rig, 0, NULL) >= 0);
		}
		rig_free(&rig);
	}
}

/* Its publisher is dead, and so nothing comes any more: there is an end to it, by name. */
static void
a_region_that_never_comes(void)
{
	for (int overrun = 0; overrun < 2; overrun++) {
		struct rig rig;
		long long n;

		rig_make(&rig, 2, 3, true);
		rig_join(&rig, 1);
		rig.newest[0] = NULL;
		if (overrun) {
			rig_detach(&rig, 0);
			rig_send_until(&rig, 4, 900);
		}
		CHECK_EQ(wr_writer_grow(rig.w, 6 * RIG_SEG), 0);
		rig_send_until(&rig, overrun ? 20 : 3, 900);
		CHECK_EQ(rig.w->pool.moves, 1);
		while ((n = rig_read(&rig, 0, NULL)) >= 0)
			;
		CHECK_EQ(n, -1);
		CHECK_EQ(rig.r[0].astray, overrun);
		wr_reader_bereave(&rig.r[0]);
		CHECK(wr_reader_ready(&rig.r[0]));
		CHECK_EQ(rig_read(&rig, 0, NULL), -WEIR_E_DATA_GAP);
		CHECK(!wr_reader_ready(&rig.r[0]));
		CHECK_EQ(rig_read(&rig, 0, NULL), -WEIR_E_AGAIN_EMPTY);
		rig_free(&rig);
	}
}

static void
pins_are_kept_across_a_move(void)
{
	for (int mapped = 0; mapped < 2; mapped++) {
		struct rig rig;
		struct wr_view kept;
		uint64_t ord;

		rig_make(&rig, 3, 3, mapped);
		rig_join(&rig, 2);
		CHECK_EQ(rig_send(&rig, 900), 0);
		REQUIRE_EQ(wr_reader_peek(&rig.r[0], &kept, 1), 1);
		CHECK_EQ(wr_reader_hold(&rig.r[0], kept.seq, &ord), 0);
		wr_reader_pass(&rig.r[0], &kept, 1);
		rig_join(&rig, 2); /* more than the region was made for */
		for (int i = 1; i < 100; i++) {
			CHECK_EQ(rig_send(&rig, 900), 0);
			CHECK_EQ(rig_read(&rig, 0, NULL), i);
			CHECK_EQ(rig_read(&rig, 1, NULL), i);
		}
		CHECK_EQ(rig.w->pool.moves, 1);
		CHECK(rig.w->pool.zone->older); /* it lives until its last pin goes */
		CHECK(rig_says(kept.data, 900, 0));
		CHECK_EQ(wr_reader_release(&rig.r[0], kept.seq, ord), 0);
		rig_send_until(&rig, rig.w->pool.head_ord + 2, 900);
		CHECK(!rig.w->pool.zone->older);
		rig_free(&rig);
	}
}

static void
a_region_that_has_not_come_yet_is_waited_for(void)
{
	struct rig rig;
	struct wr_store *own;
	struct wr_store *newest;

	rig_make(&rig, 4, 3, true);
	rig_join(&rig, 1);
	newest = rig.newest[0];
	rig.newest[0] = NULL; /* its steward is slow */
	CHECK_EQ(wr_writer_grow(rig.w, 6 * RIG_SEG), 0);
	rig_send_until(&rig, 3, 900);
	while (rig_read(&rig, 0, NULL) >= 0)
		;
	CHECK_EQ(rig.r[0].ord, 1);
	CHECK(!wr_reader_ready(&rig.r[0]));
	own = rig_map(rig.w->pool.zone->store);
	wr_store_follow(newest, own);
	CHECK(wr_reader_ready(&rig.r[0]));
	rig_drain(&rig, 0);
	CHECK_EQ(rig.r[0].passed, rig.w->seq);
	rig_free(&rig);
}

/* ---- ends ------------------------------------------------------------------------------------------------- */

static void
what_lies_behind_a_dead_claim_is_delivered(void)
{
	struct rig rig;
	weir_claim_t open[3];

	rig_make(&rig, 4, 0, false);
	rig_join(&rig, 1);
	CHECK_EQ(rig_send(&rig, 100), 0);
	CHECK_EQ(wr_writer_claim(rig.w, 123, &open[0], NULL), 0);
	CHECK_EQ(rig_send(&rig, 100), 0);
	CHECK_EQ(wr_writer_claim(rig.w, 0, &open[1], NULL), 0);
	CHECK_EQ(rig_send(&rig, 100), 0);
	CHECK_EQ(rig_read(&rig, 0, NULL), 0);
	CHECK_EQ(rig_read(&rig, 0, NULL), -1);
	CHECK_EQ(rig_send(&rig, 100), 0);
	CHECK_EQ(wr_writer_claim(rig.w, RIG_MAX, &open[2], NULL), 0);
	wr_reader_bereave(&rig.r[0]);
	CHECK(wr_reader_ready(&rig.r[0]));
	CHECK_EQ(rig_read(&rig, 0, NULL), 2);
	CHECK_EQ(rig_read(&rig, 0, NULL), 4);
	CHECK_EQ(rig_read(&rig, 0, NULL), 5);
	CHECK_EQ(rig_read(&rig, 0, NULL), -WEIR_E_GONE_END);
	CHECK_EQ(rig.r[0].aborted, 3);
	CHECK_EQ(rig.r[0].seq, 7);
	CHECK(!wr_reader_ready(&rig.r[0]));
	rig_free(&rig);
}

static void
dead_claims_across_segments(void)
{
	struct rig rig;
	weir_claim_t open[4];
	unsigned opened = 0, read = 0;
	uint64_t sent = 0;
	long long rc;

	rig_make(&rig, 8, 0, false);
	rig_join(&rig, 1);
	for (int i = 0; i < 24; i++) {
		if (i % 6 == 3) {
			CHECK_EQ(wr_writer_claim(rig.w, 777, &open[opened++], NULL), 0);
		} else {
			CHECK_EQ(rig_send(&rig, 900), 0);
			sent++;
		}
	}
	CHECK(rig.w->pool.head_ord > 3);
	wr_reader_bereave(&rig.r[0]);
	while ((rc = rig_read(&rig, 0, NULL)) >= 0)
		read++;
	CHECK_EQ(rc, -WEIR_E_GONE_END);
	CHECK_EQ(read, sent);
	CHECK_EQ(rig.r[0].aborted, opened);
	rig_free(&rig);
}

/* ---- a publisher that lies ---------------------------------------------------------------------------------- */

static struct wr_frame *
frame(struct rig *rig, uint32_t off)
{
	return (struct wr_frame *)(void *)(rig->w->seg_mem + off);
}

/* One frame after a good message; whatever it is, the stream is given up or stands still,
 * and nothing outside the region is touched (which ASan would see: it ends there). */
static int
fed(uint64_t word, uint64_t stamp, bool dead)
{
	struct rig rig;
	struct wr_view view = {0};
	int rc, tries = 0;

	rig_make(&rig, 3, 1, false);
	rig_join(&rig, 1);
	CHECK_EQ(rig_send(&rig, 100), 0);
	CHECK_EQ(rig_read(&rig, 0, NULL), 0);
	wr_store_release(test_word, &frame(&rig, rig.w->off)->stamp, stamp);
	wr_store_release(test_word, &frame(&rig, rig.w->off)->word, word);
	if (dead)
		wr_reader_bereave(&rig.r[0]);
	do {
		rc = wr_reader_peek(&rig.r[0], &view, 1);
		if (rc == 1) {
			const uint8_t *data = view.data;

			CHECK(data >= rig.r[0].seg && view.len <= RIG_MAX &&
				data + view.len <= rig.r[0].seg + RIG_SEG);
			wr_reader_pass(&rig.r[0], &view, 1);
		}
	} while (rc == 1 && ++tries < 100000);
	if (rc < 0)
		CHECK_EQ(wr_reader_peek(&rig.r[0], &view, 1), -WEIR_E_AGAIN_EMPTY);
	rig_free(&rig);
	return rc;
}

static void
lies_about_one_frame(void)
{
	const int bad = -WEIR_E_PEER_PROTOCOL;

	/* Extents. */
	CHECK_EQ(fed(wr_word(WR_DATA, 8, 8), 0, false), bad);
	CHECK_EQ(fed(wr_word(WR_DATA, 8, 40), 0, false), bad);
	CHECK_EQ(fed(wr_word(WR_DATA, 8, RIG_SEG), 0, false), bad);
	CHECK_EQ(fed(wr_word(WR_DATA, 8, UINT32_MAX - 15), 0, false), bad);
	/* Lengths. */
	CHECK_EQ(fed(wr_word(WR_DATA, 33, 48), 0, false), bad);
	CHECK_EQ(fed(wr_word(WR_DATA, RIG_MAX + 1, 2048), 0, false), bad);
	CHECK_EQ(fed(wr_word(WR_DATA, 0x0fffffff, 32), 0, false), bad);
	/* Up to the very end of the segment, where only a roll frame may lie. */
	CHECK_EQ(fed(wr_word(WR_DATA, 8, RIG_SEG - 64 - 128), 0, false), bad);
	CHECK_EQ(fed(wr_word(WR_FILL, 0, RIG_SEG - 64 - 128), 0, false), bad);
	CHECK_EQ(fed(wr_word(WR_ABORTED, 0, RIG_SEG - 64 - 128), 0, false), bad);
	/* Kinds. */
	CHECK_EQ(fed(wr_word(0, 0, 16), 0, false), bad);
	CHECK_EQ(fed(wr_word(WR_OPEN, 0, 16), 0, false), bad);
	CHECK_EQ(fed(wr_word(7, 0, 16), 0, false), bad);
	CHECK_EQ(fed(wr_word(15, 0, 16), 0, false), bad);
	/* Where it goes on. */
	CHECK_EQ(fed(wr_word(WR_ROLL, 0, 16), 0, false), bad);
	CHECK_EQ(fed(wr_word(WR_ROLL, 0, 16), wr_place(1, 0), false), bad);
	CHECK_EQ(fed(wr_word(WR_ROLL, 0, 16), wr_place(3, 1), false), bad);
	CHECK_EQ(fed(wr_word(WR_ROLL, 0, 16), wr_place(2, 999), false), bad);
	CHECK_EQ(fed(wr_word(WR_ROLL, 0, 16), UINT64_MAX, false), bad);
	CHECK_EQ(fed(wr_word(WR_MOVE, 0, 16), 0, false), bad);
	/* A segment that never was: it stands astray, and a region that never comes. */
	CHECK_EQ(fed(wr_word(WR_ROLL, 0, 16), wr_place(2, 2), false), 0);
	CHECK_EQ(fed(wr_word(WR_MOVE, 0, 16), wr_place(2, 0), false), 0);
	/* Marks, once it is dead. */
	CHECK_EQ(fed(wr_word(WR_OPEN, 8, 0), 0, false), 0);
	CHECK_EQ(fed(wr_word(WR_OPEN, RIG_MAX + 1, 0), 0, true), bad);
	CHECK_EQ(fed(wr_word(WR_DATA, 8, 0), 0, true), bad);
	CHECK_EQ(fed(wr_word(15, 8, 0), 0, true), bad);
	CHECK_EQ(fed(wr_word(WR_OPEN, 8, 0), 0, true), -WEIR_E_GONE_END);
}

/* Segments and header full of garbage, while it reads. */
static void
garbage_everywhere(void)
{
	unsigned given_up = 0;

	for (unsigned seed = 1; seed <= 2000; seed++) {
		struct rig rig;
		struct wr_view views[8];
		struct wr_stream_hdr *hdr;
		int rc = 0;

		srandom(seed);
		rig_make(&rig, 3, 1, false);
		rig_join(&rig, 2);
		rig_send_until(&rig, 3, 600);
		hdr = rig.w->pool.zone->store->hdr;
		for (int step = 0; step < 60 && rc >= 0; step++) {
			uint8_t *seg = wr_store_seg(
				rig.w->pool.zone->store, (uint32_t)random() % 3);
			uint64_t word = (uint64_t)random() << 33 ^ (uint64_t)random();

			/* Sometimes something that nearly makes sense. */
			if (random() % 2)
				word = wr_word((enum wr_kind)(random() % 8),
					(uint32_t)random() % 1200,
					(uint32_t)random() % 300 * 16);
			if (random() % 8 == 0)
				word = wr_place(
					(uint64_t)random() % 8, (uint32_t)random() % 9);
			if (random() % 16 == 0)
				wr_store_release(test_word,
					random() % 2 ? &hdr->oldest : &hdr->head, word);
			else if (random() % 2)
				memcpy(seg + (uint32_t)random() % (RIG_SEG / 8) * 8,
					&word, 8);
			else if (!rig.r[0].astray) /* just where it looks next */
				memcpy(rig.w->pool.zone->store->segs +
						(rig.r[0].seg -
							rig.w->pool.zone->store->segs) +
						rig.r[0].off,
					&word, 8);
			if (random() % 32 == 0)
				wr_reader_bereave(&rig.r[0]);
			rc = wr_reader_peek(&rig.r[0], views, 8);
			for (int i = 0; i < rc; i++) {
				const uint8_t *data = views[i].data;

				CHECK(data >= rig.r[0].seg && views[i].len <= RIG_MAX &&
					data + views[i].len <= rig.r[0].seg + RIG_SEG);
			}
			if (rc > 0)
				wr_reader_pass(&rig.r[0], views, 1 + (int)(random() % rc));
		}
		given_up += rc == -WEIR_E_PEER_PROTOCOL;
		rig_free(&rig);
	}
	CHECK(given_up > 200);
	wr_test_note("%u of 2000 streams were given up", given_up);
}

static void
a_place_that_is_none_is_refused(void)
{
	static const uint64_t places[] = {0, 1, UINT64_MAX};
	struct wr_reader_opts opts = {
		.begin = UINT64_MAX, .asked = UINT64_MAX, .holds = 1};
	struct rig rig;
	struct wr_reader r;
	struct wr_store *store;
	uint64_t refs;

	rig_make(&rig, 3, 1, false);
	store = rig.w->pool.zone->store;
	refs = wr_load_acquire(test_word, &store->refs);
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(wr_reader_init(&r, store, &rig.sub.slots[0], places[i], &opts),
			-WEIR_E_PEER_PROTOCOL);
	CHECK_EQ(wr_reader_init(&r, store, &rig.sub.slots[0], wr_place(2, 1), &opts),
		-WEIR_E_PEER_PROTOCOL);
	CHECK_EQ(wr_load_acquire(test_word, &store->refs), refs);
	rig_free(&rig);
}

static const struct wr_test tests[] = {TEST(peek_passes_nothing),
	TEST(a_batch_lies_in_one_segment), TEST(begins_at_what_is_not_committed_yet),
	TEST(begins_in_the_segment_of_the_oldest_open_claim),
	TEST(a_hold_outlives_its_segment), TEST(holds_count_segments),
	TEST(holders_stop_nobody), TEST(a_gap_is_exact),
	TEST(late_for_every_segment_and_back),
	TEST(the_latest_from_within_a_retired_segment),
	TEST(a_move_between_admission_and_beginning), TEST(a_region_that_never_comes),
	TEST(pins_are_kept_across_a_move),
	TEST(a_region_that_has_not_come_yet_is_waited_for),
	TEST(what_lies_behind_a_dead_claim_is_delivered),
	TEST(dead_claims_across_segments), TEST(lies_about_one_frame),
	TEST(garbage_everywhere), TEST(a_place_that_is_none_is_refused), TEST_END};
const struct wr_suite wr_suite_reader = {
	.name = "reader", .tests = tests, .labels = "input", .watchdog_s = 120};
