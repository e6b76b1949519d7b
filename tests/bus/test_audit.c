/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The books of a reader, counted from outside: N4. */
#include "bus/audit.h"

#include "tests/bus/rig.h"

/* All regions of the stream, the oldest first. */
struct regions {
	struct wr_store *at[8];
	struct wr_regions in;
};

static void
regions_of(const struct rig *rig, struct regions *regions)
{
	size_t count = 0;

	for (const struct wr_zone *zone = rig->w->pool.zone; zone; zone = zone->older)
		count++;
	REQUIRE(count <= 8);
	regions->in = (struct wr_regions){regions->at, count};
	for (const struct wr_zone *zone = rig->w->pool.zone; zone; zone = zone->older)
		regions->at[--count] = zone->store;
}

/* Counts reader i; what its books and the walk lead to must be all that is visible. */
static struct wr_audit
count(const struct rig *rig, unsigned i)
{
	struct regions regions;
	struct wr_books books;
	struct wr_audit audit;
	uint64_t visible = 0;

	regions_of(rig, &regions);
	REQUIRE(wr_books_take(&rig->sub.slots[i], &books));
	REQUIRE_EQ(wr_audit_walk(&audit, &books, &regions.in), 1);
	CHECK_EQ(audit.number, wr_books_number(&books));
	CHECK(wr_audit_stands(&rig->sub.slots[i], &books));
	CHECK(wr_audit_visible(&regions.in, &visible));
	CHECK_EQ(visible, audit.number + audit.waiting + audit.aborted + audit.passed);
	return audit;
}

static void
say(struct rig *rig, unsigned i)
{
	wr_reader_say(&rig->r[i]);
}

static void
N4_what_waits_is_walked(void)
{
	struct rig rig;
	struct wr_audit audit;
	weir_claim_t open;
	uint64_t seq;

	rig_make(&rig, 4, 0, false);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(rig_send(&rig, 100), 0); /* before it came */
	rig_join(&rig, 1);
	audit = count(&rig, 0);
	CHECK_EQ(audit.number, 3);
	CHECK_EQ(audit.waiting, 0);
	CHECK_EQ(audit.segments, 0);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(rig_send(&rig, 700), 0);
	audit = count(&rig, 0);
	CHECK_EQ(audit.number, 3);
	CHECK_EQ(audit.waiting, 10);
	CHECK_EQ(audit.bytes, 7000);
	CHECK_EQ(audit.segments, rig.w->pool.head_ord - 1);
	CHECK(!audit.borrowed);
	for (int i = 0; i < 4; i++)
		CHECK(rig_read(&rig, 0, NULL) >= 0);
	say(&rig, 0);
	audit = count(&rig, 0);
	CHECK_EQ(audit.number, 7);
	CHECK_EQ(audit.waiting, 6);
	/* An open claim is not visible, and hides what is committed behind it. */
	CHECK_EQ(wr_writer_claim(rig.w, 100, &open, NULL), 0);
	seq = open.seq;
	CHECK_EQ(rig_send(&rig, 100), 0);
	CHECK_EQ(count(&rig, 0).waiting, 6);
	CHECK_EQ(wr_writer_commit(rig.w, &open), 0);
	audit = count(&rig, 0);
	CHECK_EQ(audit.waiting, 8);
	CHECK_EQ(audit.number + audit.waiting, seq + 2);
	rig_free(&rig);
}

static void
N4_claims_given_back_are_counted_apart(void)
{
	struct rig rig;
	struct wr_audit audit;
	struct wr_books books;
	weir_claim_t claims[5];

	rig_make(&rig, 4, 0, false);
	rig_join(&rig, 1);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(wr_writer_claim(rig.w, 100, &claims[i], NULL), 0);
	CHECK_EQ(wr_writer_abort(rig.w, &claims[1]), 0);
	CHECK_EQ(wr_writer_abort(rig.w, &claims[2]), 0);
	claims[3].len = 20; /* the rest of its frame is filled, and is no claim */
	CHECK_EQ(wr_writer_commit(rig.w, &claims[3]), 0);
	CHECK_EQ(wr_writer_commit(rig.w, &claims[4]), 0);
	CHECK_EQ(wr_writer_commit(rig.w, &claims[0]), 0);
	audit = count(&rig, 0);
	CHECK_EQ(audit.waiting, 3);
	CHECK_EQ(audit.aborted, 2);
	for (int i = 0; i < 3; i++) {
		struct wr_view view;

		REQUIRE_EQ(wr_reader_peek(&rig.r[0], &view, 1), 1);
		wr_reader_pass(&rig.r[0], &view, 1);
	}
	say(&rig, 0);
	audit = count(&rig, 0);
	CHECK_EQ(audit.waiting, 0);
	CHECK_EQ(audit.aborted, 0);
	REQUIRE(wr_books_take(&rig.sub.slots[0], &books));
	CHECK_EQ(books.delivered, 3);
	CHECK_EQ(books.aborted, 2);
	rig_free(&rig);
}

static void
N4_what_is_held_is_not_delivered(void)
{
	struct rig rig;
	struct wr_books books;
	struct wr_view view;
	uint64_t ord;

	rig_make(&rig, 4, 0, false);
	rig_join(&rig, 1);
	CHECK_EQ(rig_send(&rig, 100), 0);
	REQUIRE_EQ(wr_reader_peek(&rig.r[0], &view, 1), 1);
	CHECK_EQ(wr_reader_hold(&rig.r[0], view.seq, &ord), 0);
	wr_reader_pass(&rig.r[0], &view, 1);
	say(&rig, 0);
	(void)count(&rig, 0);
	REQUIRE(wr_books_take(&rig.sub.slots[0], &books));
	CHECK_EQ(books.held, 1);
	CHECK_EQ(books.delivered, 0);
	CHECK_EQ(wr_reader_release(&rig.r[0], view.seq, ord), 0);
	(void)count(&rig, 0);
	REQUIRE(wr_books_take(&rig.sub.slots[0], &books));
	CHECK_EQ(books.held, 0);
	CHECK_EQ(books.delivered, 1);
	rig_free(&rig);
}

/* It stands in a segment that lives for its sake alone; what follows is gone, and it has
 * not come to that yet. */
static void
N4_who_was_left_behind_is_counted_too(void)
{
	struct rig rig;
	struct wr_audit audit;
	struct wr_books books;
	uint64_t oldest_base, left;

	rig_make(&rig, 3, 0, false);
	rig_join(&rig, 1);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(rig_send(&rig, 300), 0);
	CHECK_EQ(rig_read(&rig, 0, NULL), 0);
	say(&rig, 0);
	rig_detach(&rig, 0);
	rig_send_until(&rig, 20, 300);
	oldest_base = rig.w->pool.live[rig.w->pool.oldest % rig.w->pool.live_size]->base;
	audit = count(&rig, 0);
	CHECK(audit.borrowed);
	CHECK_EQ(audit.number, 1);
	CHECK(audit.passed > 0);
	left = oldest_base - audit.number - audit.passed;
	CHECK(left > 0 && left < 13); /* of its own segment */
	CHECK_EQ(audit.waiting, left + rig.w->seq - oldest_base);

	/* Once it has come there, it has counted them itself. */
	for (uint64_t i = 0; i < left; i++)
		CHECK(rig_read(&rig, 0, NULL) >= 0);
	CHECK_EQ(rig_read(&rig, 0, NULL), (long long)oldest_base);
	say(&rig, 0);
	REQUIRE(wr_books_take(&rig.sub.slots[0], &books));
	CHECK_EQ(books.lost[WR_LOST_BEHIND], audit.passed);
	audit = count(&rig, 0);
	CHECK_EQ(audit.passed, 0);
	CHECK_EQ(audit.number, oldest_base + 1);
	rig_drain(&rig, 0);
	say(&rig, 0);
	CHECK_EQ(count(&rig, 0).number, rig.w->seq);
	rig_free(&rig);
}

/* Entering a segment is said at once: the one that it left may be taken. */
static void
N4_the_place_is_never_one_that_was_left(void)
{
	struct rig rig;
	struct wr_view view;

	rig_make(&rig, 3, 0, false);
	rig_join(&rig, 1);
	rig_detach(&rig, 0);
	rig_send_until(&rig, 2, 900);
	while (rig.r[0].ord == 1) {
		REQUIRE_EQ(wr_reader_peek(&rig.r[0], &view, 1), 1);
		if (rig.r[0].ord == 1)
			wr_reader_pass(&rig.r[0], &view, 1);
	}
	/* Its handler has the message now, and takes its time. */
	rig_send_until(&rig, 20, 900);
	CHECK_EQ(count(&rig, 0).number, rig.r[0].seq);
	rig_free(&rig);
}

static void
N4_across_regions(void)
{
	struct rig rig;
	struct regions regions;
	struct wr_audit audit;

	rig_make(&rig, 3, 0, false);
	rig_join(&rig, 1);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(rig_send(&rig, 300), 0);
	CHECK_EQ(wr_writer_grow(rig.w, 8 * RIG_SEG), 0);
	rig_send_until(&rig, 6, 300);
	regions_of(&rig, &regions);
	CHECK_EQ(regions.in.count, 2);
	audit = count(&rig, 0);
	CHECK_EQ(audit.number, 0);
	CHECK_EQ(audit.waiting, rig.w->seq);
	CHECK_EQ(audit.segments, 5);
	rig_drain(&rig, 0);
	say(&rig, 0);
	CHECK_EQ(count(&rig, 0).number, rig.w->seq);
	rig_free(&rig);
}

/* A loss that is not counted shows, at rest and in whatever the publisher does. */
static void
N4_a_forgotten_loss_shows(void)
{
	struct rig rig;
	struct regions regions;
	struct wr_books books;
	struct wr_audit audit;

	rig_make(&rig, 3, 0, false);
	rig_join(&rig, 1);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(rig_send(&rig, 300), 0);
	rig_drain(&rig, 0);
	say(&rig, 0);
	regions_of(&rig, &regions);
	for (int why = 0; why < WR_LOSTS; why++) {
		wr_stat_set(&rig.sub.slots[0].lost[why], 1);
		REQUIRE(wr_books_take(&rig.sub.slots[0], &books));
		CHECK_EQ(wr_audit_walk(&audit, &books, &regions.in), 1);
		CHECK_EQ(wr_books_number(&books) - audit.number, why + 1);
	}
	rig_free(&rig);
}

/* What a reader says of itself is input. */
static void
what_it_says_is_checked(void)
{
	struct rig rig;
	struct regions regions;
	struct wr_books books, said;
	struct wr_audit audit;

	rig_make(&rig, 3, 0, false);
	rig_join(&rig, 1);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(rig_send(&rig, 300), 0);
	regions_of(&rig, &regions);
	REQUIRE(wr_books_take(&rig.sub.slots[0], &said));
	books = said;
	for (books.off = said.off + 1; books.off < said.off + 300; books.off++)
		CHECK_EQ(wr_audit_walk(&audit, &books, &regions.in),
			-WEIR_E_PEER_PROTOCOL);
	books.off = UINT64_MAX;
	CHECK_EQ(wr_audit_walk(&audit, &books, &regions.in), -WEIR_E_PEER_PROTOCOL);
	books.off = said.off;
	books.at = 0;
	CHECK_EQ(wr_audit_walk(&audit, &books, &regions.in), 0);
	books.at = wr_place(1, 4000);
	CHECK_EQ(wr_audit_walk(&audit, &books, &regions.in), 0);
	books.at = wr_place(7, 0);
	CHECK_EQ(wr_audit_walk(&audit, &books, &regions.in), 0);
	books.at = UINT64_MAX;
	CHECK_EQ(wr_audit_walk(&audit, &books, &regions.in), 0);

	/* Somebody who stopped in the middle of it, or never ends it. */
	wr_stat_add(&rig.sub.slots[0].steps, 1);
	CHECK(!wr_books_take(&rig.sub.slots[0], &books));
	wr_stat_add(&rig.sub.slots[0].steps, 1);
	CHECK(wr_books_take(&rig.sub.slots[0], &books));
	/* It has moved on since. */
	wr_stat_add(&rig.sub.slots[0].cur, 1);
	CHECK(!wr_audit_stands(&rig.sub.slots[0], &said));
	wr_stat_add(&rig.sub.slots[0].cur, UINT64_MAX);
	rig_free(&rig);
}

static const struct wr_test tests[] = {
	TEST(N4_what_waits_is_walked),
	TEST(N4_claims_given_back_are_counted_apart),
	TEST(N4_what_is_held_is_not_delivered),
	TEST(N4_who_was_left_behind_is_counted_too),
	TEST(N4_the_place_is_never_one_that_was_left),
	TEST(N4_across_regions),
	TEST(N4_a_forgotten_loss_shows),
	TEST(what_it_says_is_checked, .labels = "input"),
	TEST_END,
};
const struct wr_suite wr_suite_audit = {.name = "audit", .tests = tests};
