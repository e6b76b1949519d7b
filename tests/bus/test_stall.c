/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Who pays for a stall, with time as an argument: nothing here waits. */
#include "bus/stall.h"

#include "bus/gate.h"
#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS = 64, NOBODY = 99 };

#define US 1000ull
#define MS 1000000ull
#define S  1000000000ull

/* A stream at head 10 whose publisher waits, and readers whose words we write. */
struct box {
	struct wr_stall stall;
	struct wr_gate gate;
	struct wr_slot slot;
	uint64_t now, head, published;
	uint64_t unscheduled[ROWS]; /* what the next question about it will be answered: no core, */
	uint64_t hindered[ROWS]; /* or its loop was with others */
	unsigned asked[ROWS];
	bool tells; /* there is somebody to ask */
};

static void
make(struct box *box, unsigned rows)
{
	memset(box, 0, sizeof(*box));
	box->now = 1000 * S;
	box->head = 10;
	box->published = 1000;
	wr_stall_init(&box->stall, WR_STALL_CAP_NS, box->now);
	for (unsigned i = 0; i < rows; i++) {
		struct wr_row row = {.node = i + 1,
			.sub = 1,
			.slot = &box->slot,
			.seen = box->head,
			.gate = true,
			.account.budget_ns = WR_STALL_BUDGET_NS};

		REQUIRE_EQ(wr_gate_add(&box->gate, &row), 1);
	}
}

static struct wr_row *
row(struct box *box, unsigned i)
{
	return &box->gate.rows[i];
}

/* It stands so far behind, and the publisher can go on or not. */
static void
stand(struct box *box, unsigned i, uint64_t behind, bool blocks)
{
	row(box, i)->seen = box->head - behind;
	row(box, i)->blocks = blocks;
}

static struct wr_excuse
excuse(void *ctx, struct wr_row *about)
{
	struct box *box = ctx;
	long i = about - box->gate.rows;
	struct wr_excuse excuse = {
		.no_core_ns = box->unscheduled[i], .hindered_ns = box->hindered[i]};

	box->unscheduled[i] = box->hindered[i] = 0;
	box->asked[i]++;
	return excuse;
}

/* So much later, of which the publisher waited took. */
static unsigned
look_later(struct box *box, uint64_t ns, uint64_t took)
{
	struct wr_stall_view view = {.since_ns = took > 0 ? ns : 0,
		.took_ns = took,
		.head = box->head,
		.published = box->published,
		.excuse = box->tells ? excuse : NULL,
		.ctx = box};

	box->now += ns;
	view.now_ns = box->now;
	return wr_stall_look(&box->stall, &box->gate, &view);
}

static unsigned
look(struct box *box, uint64_t took)
{
	return look_later(box, took, took);
}

static uint64_t
spent(const struct box *box, unsigned i)
{
	return wr_slide_sum(&box->gate.rows[i].account.spent, box->now);
}

static void
spare(struct box *box)
{
	wr_gate_fini(&box->gate);
}

/* ---- the last 100 ms --------------------------------------------------------------------- */

struct entry {
	uint64_t at, ns;
};

static uint64_t
since(const struct entry *log, int count, uint64_t from)
{
	uint64_t sum = 0;

	while (count-- > 0 && log[count].at >= from)
		sum += log[count].ns;
	return sum;
}

static void
a_slide_is_never_less_than_any_100_ms(void)
{
	static struct entry log[20000];
	struct wr_slide slide = {0};
	uint64_t now = 0;

	srandom(1);
	for (int i = 0; i < 20000; i++) {
		uint64_t sum, step = (uint64_t)random() % (10 * MS);

		/* Mostly close together, now and then far apart, at times exactly so. */
		if (random() % 50 == 0)
			step = (uint64_t)random() % (3 * S);
		if (random() % 10 == 0)
			step = (uint64_t)(random() % 13) * 10 * MS;
		now += step;
		log[i] = (struct entry){now, (uint64_t)random() % MS};
		wr_slide_add(&slide, now, log[i].ns);
		now += (uint64_t)random() % 3 ? 0 : (uint64_t)random() % (120 * MS);
		sum = wr_slide_sum(&slide, now);
		CHECK(sum >= since(log, i + 1, now < 100 * MS ? 0 : now - 100 * MS + 1));
		CHECK(sum <= since(log, i + 1, now < 110 * MS ? 0 : now - 110 * MS));
	}
}

static void
a_slide_is_forgiven_from_its_end(void)
{
	struct wr_slide slide = {0};
	uint64_t now = 5 * S;

	wr_slide_forgive(&slide, 3 * MS);
	CHECK_EQ(wr_slide_sum(&slide, now), 0);
	wr_slide_add(&slide, now, 5 * MS);
	wr_slide_add(&slide, now + 80 * MS, 3 * MS);
	wr_slide_forgive(&slide, 2 * MS);
	CHECK_EQ(wr_slide_sum(&slide, now + 80 * MS), 6 * MS);
	/* When the older part has gone, what is left is of the newer one. */
	CHECK_EQ(wr_slide_sum(&slide, now + 120 * MS), 1 * MS);
	wr_slide_forgive(&slide, 4 * MS);
	CHECK_EQ(wr_slide_sum(&slide, now + 80 * MS), 2 * MS);
	wr_slide_forgive(&slide, 100 * MS);
	CHECK_EQ(wr_slide_sum(&slide, now + 80 * MS), 0);
	wr_slide_add(&slide, now + 80 * MS, 1);
	CHECK_EQ(wr_slide_sum(&slide, now + 80 * MS), 1);
}

/* ---- fast path ----------------------------------------------------------------------------- */

static void
a_budget_is_spent_to_the_nanosecond(void)
{
	struct box box;

	make(&box, 3);
	stand(&box, 2, 4, true);
	CHECK_EQ(look_later(&box, 7 * MS, 0), 0);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(look(&box, MS), 0);
	CHECK_EQ(spent(&box, 2), WR_STALL_BUDGET_NS);
	CHECK_EQ(look(&box, 1), 1);
	CHECK_EQ(row(&box, 2)->blame, WR_BLAME_BUDGET);
	CHECK_EQ(row(&box, 0)->blame, WR_BLAME_NONE);
	CHECK_EQ(row(&box, 1)->blame, WR_BLAME_NONE);
	CHECK_EQ(spent(&box, 0) + spent(&box, 1), 0);
	CHECK_EQ(box.stall.spent_ns, WR_STALL_BUDGET_NS + 1);
	CHECK_EQ(row(&box, 2)->account.spent_ns, WR_STALL_BUDGET_NS + 1);
	spare(&box);
}

/* In any 100 ms: what is longer ago is not held against it. */
static void
a_budget_comes_back_with_time(void)
{
	struct box box;

	make(&box, 2);
	stand(&box, 1, 4, true);
	for (int i = 0; i < 200; i++) {
		CHECK_EQ(look_later(&box, 0, 0), 0);
		for (int k = 0; k < 4; k++)
			CHECK_EQ(look(&box, MS), 0);
		wr_stall_over(&box.stall, &box.gate);
		box.now += 110 * MS;
		/* It did move on, or it would have stopped. */
		row(&box, 1)->progress++;
	}
	CHECK_EQ(row(&box, 1)->account.spent_ns, 800 * MS);
	spare(&box);
}

static void
only_while_all_others_stand_at_the_head(void)
{
	struct box box;

	make(&box, 3);
	stand(&box, 2, 4, true);
	(void)look_later(&box, 0, 0);
	/* Not at the end of the time, then not at its beginning. */
	stand(&box, 1, 1, false);
	(void)look(&box, MS);
	CHECK_EQ(spent(&box, 2), 0);
	stand(&box, 1, 0, false);
	(void)look(&box, MS);
	CHECK_EQ(spent(&box, 2), 0);
	(void)look(&box, MS);
	CHECK_EQ(spent(&box, 2), MS);
	/* Time between two waits is not waiting. */
	wr_stall_over(&box.stall, &box.gate);
	(void)look_later(&box, 50 * MS, 0);
	CHECK_EQ(spent(&box, 2), MS);
	(void)look(&box, MS);
	CHECK_EQ(spent(&box, 2), 2 * MS);
	/* Who blocks only now did not make the publisher wait until now. */
	stand(&box, 1, 4, true);
	(void)look(&box, MS);
	CHECK_EQ(spent(&box, 1), 0);
	CHECK_EQ(spent(&box, 2), 3 * MS);
	(void)look(&box, MS);
	CHECK_EQ(spent(&box, 1), MS);
	/* And who has moved on at last did until then. */
	stand(&box, 2, 3, false);
	(void)look(&box, 0);
	stand(&box, 2, 0, false);
	(void)look(&box, MS);
	CHECK_EQ(spent(&box, 2), 4 * MS);
	spare(&box);
}

static void
a_lone_reader_sets_the_pace(void)
{
	struct box box;

	make(&box, 1);
	stand(&box, 0, 4, true);
	for (int i = 0; i < 100000; i++) {
		row(&box, 0)->progress++;
		CHECK_EQ(look(&box, i ? 10 * MS : 0), 0);
	}
	CHECK_EQ(box.stall.spent_ns, 0);
	spare(&box);
}

static void
nobody_pays_when_all_are_behind(void)
{
	struct box box;

	make(&box, 4);
	for (int i = 0; i < 1000; i++) {
		for (unsigned k = 0; k < 4; k++) {
			stand(&box, k, 1 + k, k == 3);
			row(&box, k)->progress += 10;
		}
		CHECK_EQ(look(&box, i ? MS : 0), 0);
	}
	CHECK_EQ(box.stall.spent_ns, 0);
	/* The same where each of them blocks. */
	for (int i = 0; i < 1000; i++) {
		for (unsigned k = 0; k < 4; k++) {
			stand(&box, k, 4, true);
			row(&box, k)->progress += 10;
		}
		CHECK_EQ(look(&box, i ? MS : 0), 0);
	}
	CHECK_EQ(box.stall.spent_ns, 0);
	spare(&box);
}

/* Who is not waited for neither pays nor is waiting. */
static void
who_does_not_gate_does_not_count(void)
{
	struct box box;

	make(&box, 3);
	stand(&box, 2, 4, true);
	stand(&box, 0, 9, false);
	wr_gate_detach(&box.gate, row(&box, 0));
	(void)look_later(&box, 0, 0);
	(void)look(&box, MS);
	CHECK_EQ(spent(&box, 2), MS);
	wr_gate_detach(&box.gate, row(&box, 1));
	(void)look(&box, MS);
	(void)look(&box, MS);
	CHECK_EQ(spent(&box, 2), MS);
	spare(&box);
}

static void
the_stream_is_charged_once_for_the_same_time(void)
{
	struct box box;

	make(&box, 4);
	for (unsigned k = 1; k < 4; k++)
		stand(&box, k, 4, true);
	(void)look_later(&box, 0, 0);
	(void)look(&box, 2 * MS);
	for (unsigned k = 1; k < 4; k++)
		CHECK_EQ(spent(&box, k), 2 * MS);
	CHECK_EQ(wr_slide_sum(&box.stall.spent, box.now), 2 * MS);
	spare(&box);
}

/* ---- stop path ------------------------------------------------------------------------------- */

static void
who_does_not_move_has_stopped(void)
{
	struct box box;

	make(&box, 1);
	stand(&box, 0, 4, true);
	(void)look_later(&box, 0, 0);
	for (int i = 0; i < 50; i++)
		CHECK_EQ(look(&box, 10 * MS), 0);
	CHECK_EQ(look(&box, 1), 1);
	CHECK_EQ(row(&box, 0)->blame, WR_BLAME_STOPPED);
	CHECK_EQ(box.stall.spent_ns, 0);
	spare(&box);
}

static void
message_by_message_is_moving(void)
{
	struct box box;

	make(&box, 1);
	stand(&box, 0, 4, true);
	(void)look_later(&box, 0, 0);
	for (int i = 0; i < 6000; i++) {
		if (i % 45 == 0)
			row(&box, 0)->progress++;
		CHECK_EQ(look(&box, 10 * MS), 0);
	}
	/* From segment to segment without a message for it: also that is moving. */
	for (int i = 0; i < 6000; i++) {
		if (i % 45 == 0) {
			box.head++;
			stand(&box, 0, 4, true);
		}
		CHECK_EQ(look(&box, 10 * MS), 0);
	}
	spare(&box);
}

/* It is waiting that counts, in however many waits. */
static void
stopped_over_many_waits(void)
{
	struct box box;

	make(&box, 1);
	stand(&box, 0, 4, true);
	for (int i = 0; i < 50; i++) {
		CHECK_EQ(look_later(&box, 5 * S, 0), 0);
		CHECK_EQ(look(&box, 10 * MS), 0);
		wr_stall_over(&box.stall, &box.gate);
	}
	CHECK_EQ(look_later(&box, 5 * S, 0), 0);
	CHECK_EQ(look(&box, MS), 1);
	CHECK_EQ(row(&box, 0)->blame, WR_BLAME_STOPPED);
	spare(&box);
}

static void
who_stands_still_and_does_not_block_may(void)
{
	struct box box;

	make(&box, 2);
	stand(&box, 0, 4, true);
	stand(&box, 1, 3, false);
	for (int i = 0; i < 200; i++) {
		row(&box, 0)->progress++;
		CHECK_EQ(look(&box, i ? 10 * MS : 0), 0);
	}
	/* Nor is that held against it once it blocks. */
	stand(&box, 1, 3, true);
	CHECK_EQ(look(&box, 10 * MS), 0);
	CHECK_EQ(look(&box, 10 * MS), 0);
	spare(&box);
}

/* ---- group path -------------------------------------------------------------------------------- */

/* Two that stand still in different places: of two, the one that blocks is charged only
 * when the other no longer counts among those who wait. */
static unsigned
first_blamed(struct box *box, uint64_t most)
{
	for (uint64_t waited = 0; waited < most; waited += MS)
		if (look(box, MS) > 0)
			for (unsigned i = 0; i < box->gate.count; i++)
				if (row(box, i)->blame != WR_BLAME_NONE)
					return i;
	return NOBODY;
}

static void
slow_ones_shield_nobody_where_it_is_paced(void)
{
	struct box box;

	make(&box, 4);
	/* 20,000 messages a second; two keep up with that. */
	box.now += S;
	box.published += 20000;
	stand(&box, 2, 4, true);
	stand(&box, 3, 2, false);
	(void)look_later(&box, 0, 0);
	for (int i = 0; i < 99; i++) {
		/* They move, if slowly: only the comparison tells them from the others. */
		row(&box, 2)->progress += i % 10 == 0;
		row(&box, 3)->progress += i % 10 == 0;
		CHECK_EQ(look(&box, MS), 0);
	}
	CHECK_EQ(box.stall.spent_ns, 0);
	CHECK_EQ(first_blamed(&box, 20 * MS), 2);
	CHECK_EQ(row(&box, 2)->blame, WR_BLAME_BUDGET);
	CHECK(row(&box, 3)->account.slow && row(&box, 2)->account.slow);
	CHECK(!row(&box, 0)->account.slow && !row(&box, 1)->account.slow);
	/* The next one is judged by what is known by now. */
	wr_gate_detach(&box.gate, row(&box, 2));
	wr_account_detached(&row(&box, 2)->account, WR_BLAME_BUDGET, box.now);
	stand(&box, 3, 4, true);
	CHECK_EQ(first_blamed(&box, 20 * MS), 3);
	CHECK_EQ(row(&box, 3)->blame, WR_BLAME_BUDGET);
	spare(&box);
}

/* Who blocks and works at half of what the best can is let be; at a quarter it pays. */
static void
who_keeps_pace_is_not_charged(void)
{
	for (int slower = 0; slower < 2; slower++) {
		struct box box;

		make(&box, 3);
		stand(&box, 2, 4, true);
		(void)look_later(&box, 0, 0);
		/* A comparison first: two drain 1,000 in a millisecond. */
		for (int i = 0; i < 100; i++) {
			for (unsigned k = 0; k < 2; k++) {
				stand(&box, k, 1, false);
				row(&box, k)->progress += 1000;
			}
			row(&box, 2)->progress += slower ? 250 : 500;
			CHECK_EQ(look(&box, MS), 0);
		}
		/* Then they wait for the third. */
		for (unsigned k = 0; k < 2; k++)
			stand(&box, k, 0, false);
		for (int i = 0; i < 5; i++) {
			row(&box, 2)->progress += slower ? 250 : 500;
			CHECK_EQ(look(&box, MS), 0);
		}
		CHECK_EQ(spent(&box, 2) > 0, slower);
		spare(&box);
	}
}

/* Who has held all others up from the beginning sets the pace at which they are seen to
 * work. They wait for it most of the time, so it is not what they can do. */
static void
the_pace_of_who_holds_all_up_is_not_the_best(void)
{
	for (int together = 0; together < 2; together++) {
		struct box box;
		unsigned blamed = 0;

		make(&box, 3);
		box.now += S; /* it was idle at first */
		for (int wait = 0; wait < 20 && !blamed; wait++) {
			/* The others are done with a segment in 2 ms of 10, or, when they are as
			 * fast, in all of them. */
			for (unsigned k = 0; k < 3; k++)
				stand(&box, k, k == 2 ? 4 : 1, k == 2);
			(void)look_later(&box, 100 * US, 0);
			for (int i = 0; i < 10; i++) {
				for (unsigned k = 0; k < 2; k++) {
					row(&box, k)->progress += together ? 100
						: i < 2                    ? 500
									   : 0;
					stand(&box, k, i < (together ? 9 : 1), false);
				}
				row(&box, 2)->progress += 100;
				blamed += look(&box, MS);
			}
			box.published += 1000;
			box.head++;
			wr_stall_over(&box.stall, &box.gate);
		}
		CHECK_EQ(blamed > 0, !together);
		spare(&box);
	}
}

/* The same where the others are so fast that no look finds them behind. */
static void
who_is_never_seen_at_work_is_faster(void)
{
	struct box box;
	unsigned blamed = 0;

	make(&box, 3);
	box.now += S;
	for (int wait = 0; wait < 40 && !blamed; wait++) {
		stand(&box, 2, 4, true);
		(void)look_later(&box, 300 * US, 0);
		for (int i = 0; i < 10; i++) {
			row(&box, 2)->progress += 100;
			blamed += look(&box, MS);
		}
		for (unsigned k = 0; k < 2; k++)
			row(&box, k)->progress += 1000;
		box.published += 1000;
		box.head++;
		for (unsigned k = 0; k < 2; k++)
			stand(&box, k, 0, false);
		wr_stall_over(&box.stall, &box.gate);
	}
	CHECK(blamed > 0);
	CHECK_EQ(row(&box, 2)->blame, WR_BLAME_BUDGET);
	spare(&box);
}

/*
 * A wait that lasts as long as the pause between two looks: whoever was given a segment has
 * moved by the next one, and it is the slow one that makes it end. The others have done
 * their part in a tenth of that time, or work as long as it does.
 */
static void
who_frees_as_often_as_one_looks_is_told_from_the_equal(void)
{
	for (int equal = 0; equal < 2; equal++) {
		const uint64_t wait_ns = 1 * MS;
		uint64_t works_ns = equal ? wait_ns : wait_ns / 10;
		struct box box;
		unsigned blamed = 0;

		make(&box, 3);
		box.now += S;
		for (int wait = 0; wait < 400 && !blamed; wait++) {
			uint64_t at = 0;

			stand(&box, 0, 1, false);
			stand(&box, 1, 1, false);
			stand(&box, 2, 4, true);
			blamed += look_later(&box, 60 * US, 0);
			while (at < wait_ns && !blamed) {
				uint64_t pause = wr_stall_pause_ns(&box.stall, &box.gate);
				uint64_t ns = pause < wait_ns - at ? pause : wait_ns - at;

				at += ns;
				for (unsigned k = 0; k < 2; k++) {
					uint64_t done = at < works_ns ? at : works_ns;

					row(&box, k)->progress = 1000 * (uint64_t)wait +
						1000 * done / works_ns;
					stand(&box, k, at < works_ns, false);
				}
				row(&box, 2)->progress = 1000 * (uint64_t)wait + at / US;
				blamed += look(&box, ns);
			}
			box.published += 1000;
			box.head++;
			wr_stall_over(&box.stall, &box.gate);
		}
		CHECK_EQ(blamed, !equal);
		CHECK_EQ(row(&box, 2)->blame, equal ? WR_BLAME_NONE : WR_BLAME_BUDGET);
		spare(&box);
	}
}

/* Who does not move at all shields nobody for longer than 20 ms. */
static void
stopped_ones_shield_nobody_for_long(void)
{
	for (uint64_t used = 0; used < 100 * MS; used += 10 * MS) {
		struct box box;

		make(&box, 4);
		box.now += S;
		box.published += 20000;
		box.stall.compared_ns = used;
		stand(&box, 2, 4, true);
		stand(&box, 3, 2, false);
		(void)look_later(&box, 0, 0);
		for (int i = 0; i < 20; i++)
			CHECK_EQ(look(&box, MS), 0);
		CHECK_EQ(first_blamed(&box, 9 * MS), 2);
		CHECK_EQ(row(&box, 2)->blame, WR_BLAME_BUDGET);
		CHECK(row(&box, 3)->account.slow);
		spare(&box);
	}
}

/* Flat out everybody is behind; the healthy drain 4 times faster, and more. */
static void
slow_ones_shield_nobody_flat_out(void)
{
	struct box box;

	make(&box, 4);
	stand(&box, 2, 4, true);
	stand(&box, 3, 2, false);
	(void)look_later(&box, 0, 0);
	for (int i = 0; i < 100; i++) {
		for (unsigned k = 0; k < 2; k++) {
			stand(&box, k, 1, false);
			row(&box, k)->progress += 900;
		}
		row(&box, 2)->progress += 100;
		row(&box, 3)->progress += 200;
		CHECK_EQ(look(&box, MS), 0);
	}
	CHECK_EQ(box.stall.spent_ns, 0);
	CHECK(row(&box, 2)->account.slow && row(&box, 3)->account.slow);
	/* Now the healthy have come to the head, and wait. */
	for (unsigned k = 0; k < 2; k++)
		stand(&box, k, 0, false);
	CHECK_EQ(first_blamed(&box, 20 * MS), 2);
	spare(&box);
}

static void
a_quarter_as_fast_still_counts(void)
{
	for (int slower = 0; slower < 2; slower++) {
		struct box box;

		make(&box, 3);
		stand(&box, 2, 4, true);
		(void)look_later(&box, 0, 0);
		for (int i = 0; i < 100; i++) {
			stand(&box, 0, 1, false);
			stand(&box, 1, 1, false);
			row(&box, 0)->progress += 400;
			row(&box, 1)->progress += slower ? 99 : 100;
			row(&box, 2)->progress += 350;
			CHECK_EQ(look(&box, MS), 0);
		}
		CHECK_EQ(row(&box, 1)->account.slow, slower);
		CHECK(!row(&box, 0)->account.slow && !row(&box, 2)->account.slow);
		/* The next comparison begins from nothing: it has become as fast. */
		for (int i = 0; i < 100; i++) {
			for (unsigned k = 0; k < 3; k++)
				row(&box, k)->progress += 400;
			CHECK_EQ(look(&box, MS), 0);
		}
		CHECK(!row(&box, 1)->account.slow);
		spare(&box);
	}
}

/* Compared is how fast they drain while they are behind and the publisher waits: not what
 * they do at any other time. */
static void
what_is_passed_at_other_times_does_not_count(void)
{
	struct box box;

	make(&box, 3);
	for (unsigned k = 0; k < 3; k++)
		row(&box, k)->account.budget_ns = WR_STALL_FOREVER;
	for (int wait = 0; wait < 10; wait++) {
		for (unsigned k = 0; k < 3; k++)
			row(&box, k)->progress += 100000;
		box.published += 100000;
		/* One is behind all the time that the publisher waits, the other now and
		 * then; both drain at the same speed. */
		stand(&box, 2, 4, true);
		stand(&box, 1, 1, false);
		(void)look_later(&box, S, 0);
		for (int i = 0; i < 10; i++) {
			row(&box, 2)->progress += 100;
			row(&box, 1)->progress += i < 2 ? 100 : 0;
			stand(&box, 1, i < 2, false);
			(void)look(&box, MS);
		}
		wr_stall_over(&box.stall, &box.gate);
	}
	CHECK_EQ(box.stall.compared_ns, 0); /* there was one */
	CHECK(!row(&box, 2)->account.slow);
	CHECK(!row(&box, 1)->account.slow);
	spare(&box);
}

/* Each comparison is about its own time, and so is the pace of who stands at the head. */
static void
comparisons_begin_anew(void)
{
	struct box box;

	make(&box, 3);
	for (unsigned k = 0; k < 3; k++)
		row(&box, k)->account.budget_ns = WR_STALL_FOREVER;
	/* The second one is behind all the time, at first beside one that never is. */
	stand(&box, 2, 4, true);
	stand(&box, 1, 1, false);
	(void)look_later(&box, 0, 0);
	for (int i = 0; i < 200; i++) {
		bool later = i >= 100;

		stand(&box, 0, later, false);
		stand(&box, 1, !later || i < 122, false);
		row(&box, 0)->progress += 400;
		row(&box, 1)->progress += 400;
		row(&box, 2)->progress += 400;
		(void)look(&box, MS);
	}
	CHECK_EQ(box.stall.compared_ns, 0);
	CHECK(!row(&box, 1)->account.slow);
	spare(&box);

	make(&box, 2);
	row(&box, 1)->account.budget_ns = WR_STALL_FOREVER;
	stand(&box, 1, 4, true);
	for (int round = 0; round < 2; round++) {
		/* 20,000 messages in a second, then 100. */
		wr_stall_over(&box.stall, &box.gate);
		box.published += round ? 100 : 20000;
		(void)look_later(&box, S, 0);
		for (int i = 0; i < 100; i++) {
			row(&box, 1)->progress += i % 20 == 0;
			(void)look(&box, MS);
		}
		CHECK_EQ(box.stall.compared_ns, 0);
		CHECK_EQ(row(&box, 1)->account.slow, round == 0);
	}
	spare(&box);
}

static void
who_was_behind_for_a_moment_says_nothing(void)
{
	struct box box;

	make(&box, 3);
	stand(&box, 2, 4, true);
	(void)look_later(&box, 0, 0);
	for (int i = 0; i < 100; i++) {
		stand(&box, 0, 1, false);
		row(&box, 0)->progress += 1000;
		row(&box, 2)->progress += 900;
		/* Behind for 20 ms, without a message. */
		stand(&box, 1, i < 20, false);
		(void)look(&box, MS);
	}
	CHECK(!row(&box, 1)->account.slow);
	spare(&box);
}

/* ---- who could not run ------------------------------------------------------------------------------ */

static void
asked_only_about_who_pays(void)
{
	struct box box;

	make(&box, 3);
	box.tells = true;
	stand(&box, 2, 4, true);
	(void)look_later(&box, 0, 0);
	CHECK_EQ(box.asked[2], 0);
	/* From the first charge on: so that there is something to compare with. */
	(void)look(&box, 100 * US);
	CHECK_EQ(box.asked[2], 1);
	/* Then when it matters: half a millisecond for its loop, its budget for the verdict. */
	for (int i = 0; i < 3; i++)
		(void)look(&box, 100 * US);
	CHECK_EQ(box.asked[2], 1);
	(void)look(&box, 100 * US);
	CHECK_EQ(box.asked[2], 2);
	while (look(&box, 100 * US) == 0)
		;
	CHECK(box.asked[2] <= 2 + WR_STALL_BUDGET_NS / WR_STALL_TELL_NS);
	CHECK_EQ(box.asked[0] + box.asked[1], 0);
	spare(&box);
}

/* Many hold it up together: to ask about all of them at each look would hold it up too. */
static void
of_many_one_is_asked_about_at_a_look(void)
{
	struct box box;
	unsigned asked = 0, told = 0;

	make(&box, ROWS);
	box.tells = true;
	box.stall.cap_ns = S;
	for (unsigned i = 1; i < ROWS; i++) {
		stand(&box, i, 4, true);
		row(&box, i)->account.budget_ns = S;
	}
	(void)look_later(&box, 0, 0);
	(void)look(&box, MS);
	for (unsigned i = 1; i < ROWS; i++)
		asked += box.asked[i];
	CHECK_EQ(asked, ROWS - 1);
	for (unsigned n = 1; n < ROWS; n++) {
		(void)look(&box, 100 * US);
		for (unsigned i = 1; i < ROWS; i++)
			told += box.asked[i];
		CHECK_EQ(told, asked + n);
		told = 0;
	}
	for (unsigned i = 1; i < ROWS; i++)
		CHECK(row(&box, i)->account.told_ns > 0);
	spare(&box);
}

static void
time_without_a_core_is_given_back(void)
{
	struct box box;

	make(&box, 2);
	box.tells = true;
	stand(&box, 1, 4, true);
	(void)look_later(&box, 0, 0);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(look(&box, MS), 0);
	box.unscheduled[1] = 2 * MS;
	CHECK_EQ(look(&box, MS), 0);
	CHECK_EQ(spent(&box, 1), 4 * MS);
	CHECK_EQ(wr_slide_sum(&box.stall.spent, box.now), 4 * MS);
	CHECK_EQ(row(&box, 1)->account.still_ns, 4 * MS);
	/* Not enough of it does not save it. */
	CHECK_EQ(look(&box, MS), 0);
	box.unscheduled[1] = MS / 2;
	CHECK_EQ(look(&box, MS), 1);
	spare(&box);
}

/* Two of one loop, and one of them is slow: as long as it takes to put that one out, the other
 * is excused by their loop. */
static void
N1_who_shares_a_loop_with_a_slow_one_outlasts_it(void)
{
	struct box box;
	unsigned out = 0;

	make(&box, 3);
	box.tells = true;
	stand(&box, 1, 4, true);
	stand(&box, 2, 4, true);
	(void)look_later(&box, 0, 0);
	for (int i = 0; i < 20 && !out; i++) {
		box.hindered[2] += MS;
		out = look(&box, MS);
	}
	CHECK_EQ(out, 1);
	CHECK_EQ(row(&box, 1)->blame, WR_BLAME_BUDGET);
	CHECK_EQ(row(&box, 2)->blame, WR_BLAME_NONE);
	CHECK(spent(&box, 2) <= 2 * MS);
	spare(&box);
}

/* A loop that always says so, true or not, buys one budget more of any 100 ms. */
static void
N1_neighbours_excuse_for_one_budget_and_no_longer(void)
{
	struct box box;
	uint64_t waited = 0;

	make(&box, 2);
	box.tells = true;
	box.stall.cap_ns = 100 * MS;
	stand(&box, 1, 4, true);
	(void)look_later(&box, 0, 0);
	while (waited < 100 * MS && row(&box, 1)->blame == WR_BLAME_NONE) {
		box.hindered[1] = box.asked[1] ? MS : 0;
		(void)look(&box, MS);
		waited += MS;
	}
	CHECK_EQ(row(&box, 1)->blame, WR_BLAME_BUDGET);
	CHECK(waited > 9 * MS);
	CHECK(waited <= 11 * MS);
	spare(&box);

	/* So does one that has never moved; and whom nobody waits for has nothing to excuse. */
	make(&box, 2);
	box.tells = true;
	row(&box, 1)->account.budget_ns = 0;
	stand(&box, 1, 4, true);
	box.hindered[1] = 1000 * MS;
	(void)look_later(&box, 0, 0);
	CHECK_EQ(row(&box, 1)->blame, WR_BLAME_BUDGET);
	spare(&box);
}

/* It needed its core for as long as the others did theirs, and had to wait for one: what it
 * was charged while that was not known is taken back, all of it. */
static void
who_keeps_pace_once_excused_is_acquitted(void)
{
	struct box box;

	make(&box, 3);
	box.tells = true;
	box.stall.compared = true;
	box.stall.best = 1e6; /* a thousand a millisecond */
	stand(&box, 1, 4, true);
	(void)look_later(&box, 0, 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(look(&box, MS), 0);
	CHECK_EQ(spent(&box, 1), 3 * MS);
	/* At work for 3 ms of 6, half as fast as the best; by the clock, a quarter. */
	row(&box, 1)->progress += 1500;
	box.unscheduled[1] = 3 * MS;
	for (int i = 0; i < 3; i++)
		CHECK_EQ(look(&box, MS), 0);
	CHECK_EQ(spent(&box, 1), 0);
	CHECK_EQ(wr_slide_sum(&box.stall.spent, box.now), 0);
	/* From here on it does nothing with its core, and is as fast as anybody no longer. */
	for (int i = 0; i < 3; i++)
		CHECK_EQ(look(&box, MS), 0);
	while (row(&box, 1)->blame == WR_BLAME_NONE)
		(void)look(&box, MS);
	CHECK_EQ(row(&box, 1)->blame, WR_BLAME_BUDGET);
	CHECK(spent(&box, 1) <= 6 * MS);
	spare(&box);
}

static void
who_was_kept_from_running_has_not_stopped(void)
{
	struct box box;

	make(&box, 1);
	box.tells = true;
	stand(&box, 0, 4, true);
	(void)look_later(&box, 0, 0);
	for (int i = 0; i < 1000; i++) {
		box.unscheduled[0] += 10 * MS;
		CHECK_EQ(look(&box, 10 * MS), 0);
	}
	CHECK(box.asked[0] > 10);
	/* From here on it could run and does not. */
	for (int i = 0; i < 49; i++)
		(void)look(&box, 10 * MS);
	for (int i = 0; i < 51 && row(&box, 0)->blame == WR_BLAME_NONE; i++)
		(void)look(&box, 10 * MS);
	CHECK_EQ(row(&box, 0)->blame, WR_BLAME_STOPPED);
	spare(&box);
}

/* A budget below the time between two looks, or a share of the cap that is: nobody is put
 * out before it could be asked about. */
static void
nobody_is_blamed_unasked(void)
{
	struct box box;

	make(&box, 2);
	box.tells = true;
	row(&box, 1)->account.budget_ns = 100 * US;
	stand(&box, 1, 4, true);
	(void)look_later(&box, 0, 0);
	for (int i = 0; i < 1000; i++) {
		box.unscheduled[1] = MS; /* it never gets a core */
		CHECK(box.asked[1] > 0);
		CHECK_EQ(look(&box, MS), 0);
	}
	CHECK_EQ(look(&box, MS), 1);
	CHECK_EQ(row(&box, 1)->blame, WR_BLAME_BUDGET);
	spare(&box);

	/* Others have used the cap up, and a share of it is half a millisecond. */
	make(&box, 21);
	box.tells = true;
	wr_slide_add(&box.stall.spent, box.now, WR_STALL_CAP_NS + MS);
	stand(&box, 1, 4, true);
	(void)look_later(&box, 0, 0);
	for (int i = 0; i < 20; i++) {
		box.unscheduled[1] = MS;
		CHECK(box.asked[1] > 0);
		CHECK_EQ(look(&box, MS), 0);
	}
	CHECK_EQ(look(&box, MS), 1);
	CHECK_EQ(row(&box, 1)->blame, WR_BLAME_CAP);
	spare(&box);
}

/* Half a millisecond or more at a time; the rest when it is detached. Who is not charged is
 * told nothing. */
static void
P2_its_loop_is_told_what_it_was_charged(void)
{
	struct box box;
	struct wr_account *account;
	uint64_t told = 0;

	make(&box, 3);
	box.tells = true;
	account = &row(&box, 2)->account;
	stand(&box, 2, 4, true);
	(void)look_later(&box, 0, 0);
	for (int i = 0; i < 49; i++) {
		CHECK_EQ(look(&box, 100 * US), 0);
		CHECK(account->told_ns == told ||
			account->told_ns >= told + WR_STALL_TELL_NS);
		CHECK(account->told_ns <= account->spent_ns);
		CHECK(account->spent_ns - account->told_ns < WR_STALL_TELL_NS);
		told = account->told_ns;
	}
	CHECK(told > 4 * MS);
	while (look(&box, 100 * US) == 0)
		;
	wr_account_detached(account, row(&box, 2)->blame, box.now);
	CHECK_EQ(account->told_ns, account->spent_ns);
	CHECK_EQ(row(&box, 0)->account.told_ns + row(&box, 1)->account.told_ns, 0);
	spare(&box);
}

/* It had no core as long as it was waited for. And what turns out later to be so is taken
 * back from what it is told next. */
static void
P2_what_it_could_not_help_it_is_not_told(void)
{
	struct box box;
	struct wr_account *account;

	make(&box, 3);
	box.tells = true;
	account = &row(&box, 2)->account;
	for (int wait = 0; wait < 100; wait++) {
		uint64_t at = 0;

		stand(&box, 2, 4, true);
		(void)look_later(&box, 20 * MS, 0);
		while (at < 4 * MS) {
			uint64_t ns = wr_stall_pause_ns(&box.stall, &box.gate);

			box.unscheduled[2] += ns;
			CHECK_EQ(look(&box, ns), 0);
			at += ns;
		}
		stand(&box, 2, 0, false);
		wr_stall_over(&box.stall, &box.gate);
	}
	CHECK_EQ(account->told_ns, 0);
	stand(&box, 2, 4, true);
	(void)look_later(&box, 0, 0);
	for (int i = 0; i < 3; i++)
		(void)look(&box, MS);
	CHECK(account->told_ns > 2 * MS);
	for (uint64_t told = account->told_ns, i = 0; i < 2; i++) {
		box.unscheduled[2] = 2 * MS;
		(void)look(&box, MS);
		CHECK_EQ(account->told_ns, told);
	}
	spare(&box);
}

/* Whichever question finds it out, the comparison or the verdict: it is given back once,
 * everywhere. */
static void
excused_in_one_place_is_excused_in_all(void)
{
	struct box box;

	/* The comparison finds that it could not run: its account hears of it. */
	make(&box, 3);
	box.tells = true;
	box.now += S;
	box.published += 20000;
	stand(&box, 2, 4, true);
	stand(&box, 1, 1, false);
	(void)look_later(&box, 0, 0);
	for (int i = 0; i < 95; i++) {
		row(&box, 1)->progress += i % 10 == 0;
		row(&box, 2)->progress += i % 10 == 0;
		CHECK_EQ(look(&box, MS), 0);
	}
	stand(&box, 1, 0, false);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(look(&box, MS), 0);
	CHECK_EQ(spent(&box, 2), 3 * MS);
	CHECK(box.asked[2] > 0);
	box.unscheduled[2] = 98 * MS;
	CHECK_EQ(look(&box, MS), 0);
	CHECK_EQ(box.stall.compared_ns, 0);
	CHECK(!row(&box, 2)->account.slow);
	CHECK_EQ(spent(&box, 2), 0);
	CHECK(row(&box, 2)->account.still_ns <= 2 * MS);
	spare(&box);

	/* The verdict does: the comparison hears of it. */
	make(&box, 3);
	box.tells = true;
	box.now += S;
	box.published += 20000;
	stand(&box, 2, 4, true);
	(void)look_later(&box, 0, 0);
	for (int i = 0; i < 99; i++) {
		box.unscheduled[2] += MS;
		CHECK_EQ(look(&box, MS), 0);
	}
	box.unscheduled[2] = 0;
	CHECK_EQ(look(&box, 100 * US), 0);
	CHECK_EQ(look(&box, 900 * US), 0);
	CHECK_EQ(box.stall.compared_ns, 0);
	CHECK(!row(&box, 2)->account.slow);
	spare(&box);
}

/* However long it had no core: others' stalls are not forgiven for it. */
static void
the_stream_gets_back_no_more_than_the_account_had(void)
{
	struct box box;

	make(&box, 3);
	box.tells = true;
	stand(&box, 1, 4, true);
	(void)look_later(&box, 0, 0);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(look(&box, MS), 0);
	stand(&box, 1, 0, false);
	stand(&box, 2, 4, true);
	(void)look_later(&box, 0, 0);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(look(&box, MS), 0);
	CHECK_EQ(wr_slide_sum(&box.stall.spent, box.now), 10 * MS);
	box.unscheduled[2] = 5 * S;
	CHECK_EQ(look(&box, MS), 0);
	CHECK_EQ(spent(&box, 2), 0);
	CHECK_EQ(wr_slide_sum(&box.stall.spent, box.now), 5 * MS);
	spare(&box);
}

static struct wr_excuse
excuse_after_the_verdict(void *ctx, struct wr_row *about)
{
	(void)ctx;
	return (struct wr_excuse){.no_core_ns = about->blame ? 5 * MS : 0};
}

/* What it is detached for is what it was charged for: nothing is given back any more. */
static void
a_verdict_stands(void)
{
	struct box box;
	unsigned blamed = 0;

	make(&box, 3);
	box.stall.cap_ns = 100 * MS;
	row(&box, 2)->account.budget_ns = 20 * MS;
	stand(&box, 2, 4, true);
	for (uint64_t took = 0; !blamed; took = MS) {
		struct wr_stall_view view = {.now_ns = box.now += took,
			.since_ns = took,
			.took_ns = took,
			.head = box.head,
			.published = box.published,
			.excuse = excuse_after_the_verdict};

		blamed = wr_stall_look(&box.stall, &box.gate, &view);
	}
	CHECK_EQ(row(&box, 2)->blame, WR_BLAME_BUDGET);
	CHECK_EQ(row(&box, 2)->account.spent_ns, 21 * MS);
	CHECK_EQ(box.stall.spent_ns, 21 * MS);
	spare(&box);
}

/* ---- budgets that are none ---------------------------------------------------------------------------- */

static void
with_no_budget_the_first_look_is_the_last(void)
{
	struct box box;

	make(&box, 1);
	box.tells = true;
	row(&box, 0)->account.budget_ns = 0;
	CHECK_EQ(look_later(&box, 0, 0), 0);
	stand(&box, 0, 4, true);
	CHECK_EQ(look_later(&box, 0, 0), 1);
	CHECK_EQ(row(&box, 0)->blame, WR_BLAME_BUDGET);
	CHECK(!wr_account_may_return(
		&row(&box, 0)->account, &box.stall, true, 0, box.now + 100 * S));
	spare(&box);
}

static void
without_end_it_never_is(void)
{
	struct box box;

	make(&box, 3);
	row(&box, 2)->account.budget_ns = WR_STALL_FOREVER;
	stand(&box, 2, 4, true);
	(void)look_later(&box, 0, 0);
	for (int i = 0; i < 100000; i++)
		CHECK_EQ(look(&box, 10 * MS), 0);
	CHECK_EQ(box.stall.spent_ns, 0);
	CHECK_EQ(row(&box, 2)->account.told_ns, 0);
	spare(&box);
}

/* ---- the cap ---------------------------------------------------------------------------------------------- */

/*
 * So many readers, each within its budget, hold the publisher up now and then, one after
 * the other. What a stream waits in any 100 ms stays within its bound: the cap, and
 * then what each of those that are left may still take, half of its share. Nobody goes
 * who took less, and nobody more when the rest is within the cap.
 */
static void
readers_take_turns(unsigned turns, uint64_t each)
{
	static struct entry log[100000];
	uint64_t most = 0, round;
	struct box box;
	int looks = 0;

	make(&box, turns + 1);
	for (round = box.now; round < 1000 * S + 20 * S; round += 200 * MS) {
		box.now = box.now > round ? box.now : round;
		for (unsigned who = 1; who <= turns; who++) {
			if (!row(&box, who)->gate)
				continue;
			stand(&box, who, 4, true);
			row(&box, who)->progress++;
			(void)look_later(&box, 0, 0);
			for (uint64_t done = 0; done < each && row(&box, who)->gate;
				done += MS) {
				uint64_t share = WR_STALL_CAP_NS / 2 /
					(box.gate.count - box.gate.detached);
				unsigned blamed = look(&box, MS);
				uint64_t sum;

				log[looks++] = (struct entry){box.now, MS};
				sum = since(log, looks, box.now - 100 * MS + 1);
				most = sum > most ? sum : most;
				if (blamed == 0)
					continue;
				CHECK_EQ(row(&box, who)->blame, WR_BLAME_CAP);
				CHECK(spent(&box, who) > share);
				CHECK(wr_slide_sum(&box.stall.spent, box.now) >
					WR_STALL_CAP_NS);
				wr_gate_detach(&box.gate, row(&box, who));
			}
			stand(&box, who, 0, false);
			(void)look_later(&box, 0, 0);
			wr_stall_over(&box.stall, &box.gate);
		}
	}
	/* Those that are left take what the cap allows. */
	CHECK_EQ((turns - box.gate.detached) * each, WR_STALL_CAP_NS);
	CHECK(row(&box, 0)->gate);
	CHECK(most <= WR_STALL_CAP_NS * 3 / 2 + turns * MS);
	wr_test_note("%u readers of %llu ms: at most %llu ms in 100 ms, %u go", turns,
		(unsigned long long)(each / MS), (unsigned long long)(most / MS),
		box.gate.detached);
	spare(&box);
}

/* Of four that gate each has an equal share of the cap, and half of that it may take. */
static void
half_a_share_is_everybodys(void)
{
	struct box box;

	make(&box, 5);
	wr_gate_detach(&box.gate, row(&box, 4));
	wr_slide_add(&box.stall.spent, box.now, WR_STALL_CAP_NS + 1);
	stand(&box, 1, 4, true);
	(void)look_later(&box, 0, 0);
	CHECK_EQ(look(&box, WR_STALL_CAP_NS / 8), 0);
	CHECK_EQ(look(&box, 1), 1);
	CHECK_EQ(row(&box, 1)->blame, WR_BLAME_CAP);
	spare(&box);

	/* Up to the cap there are no shares. */
	make(&box, 5);
	wr_slide_add(&box.stall.spent, box.now, WR_STALL_CAP_NS - 4 * MS);
	stand(&box, 1, 4, true);
	(void)look_later(&box, 0, 0);
	CHECK_EQ(look(&box, 4 * MS), 0);
	CHECK_EQ(look(&box, 1), 1);
	CHECK_EQ(row(&box, 1)->blame, WR_BLAME_CAP);
	spare(&box);
}

static void
all_together_have_a_cap(void)
{
	readers_take_turns(8, 4 * MS);
	readers_take_turns(12, 4 * MS);
	readers_take_turns(40, 2 * MS);
	readers_take_turns(60, 1 * MS);
}

/* ---- out and back -------------------------------------------------------------------------------------------- */

static void
an_account_outlives_a_detach(void)
{
	struct box box;

	make(&box, 2);
	stand(&box, 1, 4, true);
	(void)look_later(&box, 0, 0);
	while (look(&box, MS) == 0)
		;
	wr_gate_detach(&box.gate, row(&box, 1));
	wr_account_detached(&row(&box, 1)->account, row(&box, 1)->blame, box.now);
	CHECK(wr_gate_attach(&box.gate, row(&box, 1), 1, 10));
	stand(&box, 1, 4, true);
	CHECK_EQ(look_later(&box, 0, 0), 1);
	CHECK(row(&box, 1)->account.spent_ns > WR_STALL_BUDGET_NS);
	CHECK_EQ(row(&box, 1)->account.detaches, 1);
	spare(&box);
}

static void
the_dwell_doubles_with_each_relapse(void)
{
	struct wr_account account = {.budget_ns = WR_STALL_BUDGET_NS,
		.still_ns = WR_STALL_STOPPED_NS,
		.slow = true};
	uint64_t now = 5 * S, dwell = 250 * MS;

	wr_account_detached(&account, WR_BLAME_STOPPED, now);
	CHECK(account.still_ns == 0 && !account.slow);
	CHECK_EQ(account.dwell_ns, dwell);
	CHECK_EQ(account.blame, WR_BLAME_STOPPED);
	for (int i = 0; i < 20; i++) {
		now += 599 * S;
		dwell = dwell * 2 < 60 * S ? dwell * 2 : 60 * S;
		wr_account_detached(&account, WR_BLAME_BUDGET, now);
		CHECK_EQ(account.dwell_ns, dwell);
	}
	CHECK_EQ(account.dwell_ns, 60 * S);
	now += 600 * S;
	wr_account_detached(&account, WR_BLAME_BUDGET, now);
	CHECK_EQ(account.dwell_ns, 250 * MS);
	CHECK_EQ(account.detaches, 22);
}

static void
back_when_it_has_caught_up_by_reading(void)
{
	struct wr_stall stall;
	struct wr_account account = {.budget_ns = 4 * MS};
	uint64_t now = 5 * S, after;

	wr_stall_init(&stall, 20 * MS, now);
	wr_account_detached(&account, WR_BLAME_BUDGET, now);
	after = now + 250 * MS;
	CHECK(!wr_account_may_return(&account, &stall, true, 0, after - 1));
	CHECK(!wr_account_may_return(&account, &stall, false, 0, after));
	CHECK(wr_account_may_return(&account, &stall, true, 0, after));
	/* It jumped: it is at the head, and not because it read. */
	CHECK(!wr_account_may_return(&account, &stall, true, 700, after));
	CHECK(wr_account_may_return(&account, &stall, true, 700, after));
	CHECK(!wr_account_may_return(&account, &stall, false, 701, after));
	CHECK(wr_account_may_return(&account, &stall, true, 701, after));

	/* Half of its budget, and of the cap, must be there. */
	wr_slide_add(&account.spent, after, 2 * MS);
	CHECK(wr_account_may_return(&account, &stall, true, 701, after));
	wr_slide_add(&account.spent, after, 1);
	CHECK(!wr_account_may_return(&account, &stall, true, 701, after));
	after += 120 * MS;
	wr_slide_add(&stall.spent, after, 10 * MS);
	CHECK(wr_account_may_return(&account, &stall, true, 701, after));
	wr_slide_add(&stall.spent, after, 1);
	CHECK(!wr_account_may_return(&account, &stall, true, 701, after));
	CHECK(wr_account_may_return(&account, &stall, true, 701, after + 120 * MS));
}

/* Who came late and never was put out has no dwell to serve. */
static void
a_newcomer_serves_no_dwell(void)
{
	struct wr_stall stall;
	struct wr_account account = {.budget_ns = WR_STALL_BUDGET_NS};

	wr_stall_init(&stall, WR_STALL_CAP_NS, 7);
	CHECK(!wr_account_may_return(&account, &stall, false, 0, 7));
	CHECK(wr_account_may_return(&account, &stall, true, 0, 7));
}

static void
looks_are_close_only_while_somebody_pays(void)
{
	struct box box;
	uint64_t calm;

	make(&box, 2);
	stand(&box, 0, 4, true);
	stand(&box, 1, 4, true);
	calm = wr_stall_pause_ns(&box.stall, &box.gate);
	stand(&box, 1, 0, false);
	CHECK(wr_stall_pause_ns(&box.stall, &box.gate) < calm);
	CHECK(wr_stall_pause_ns(&box.stall, &box.gate) * 2 <= WR_STALL_BUDGET_NS);
	row(&box, 0)->account.budget_ns = WR_STALL_FOREVER;
	CHECK_EQ(wr_stall_pause_ns(&box.stall, &box.gate), calm);
	spare(&box);
}

/* ---- a day in a second ------------------------------------------------------------------------------------------ */

enum { PER_SEG = 64, WINDOW = 16, NEVER_LATER_MS = 3 };

enum kind { HEALTHY, STARVED, LATE, STOPS, KINDS };

/* A reader of the simulation: its place counts messages. */
struct actor {
	enum kind kind;
	uint64_t at, lost, behind_since, until, ready_since;
	bool still, ready;
};

struct world {
	struct box box;
	struct actor actors[ROWS];
	unsigned count;
	uint64_t sent;
	uint64_t blamed[KINDS];
	struct entry log[256]; /* charged to the stream, a circle */
	unsigned logged;
};

static struct wr_excuse
starved(void *ctx, struct wr_row *about)
{
	struct world *world = ctx;
	long i = about - world->box.gate.rows;
	struct actor *actor = &world->actors[i];
	uint64_t ns = world->box.unscheduled[i];

	if (actor->ready)
		ns += world->box.now - actor->ready_since;
	actor->ready_since = world->box.now;
	world->box.unscheduled[i] = 0;
	return (struct wr_excuse){.no_core_ns = world->box.asked[i]++ ? ns : 0};
}

static void
read_some(struct actor *actor, uint64_t count, uint64_t sent)
{
	actor->at += count < sent - actor->at ? count : sent - actor->at;
}

/* What one reader does in a millisecond. */
static void
act(struct world *world, unsigned i)
{
	struct actor *actor = &world->actors[i];
	uint64_t now = world->box.now, sent = world->sent;
	uint64_t oldest = sent > WINDOW * PER_SEG ? sent - WINDOW * PER_SEG : 0;

	if (!row(&world->box, i)->gate && actor->at < oldest) {
		actor->lost += oldest - actor->at;
		actor->at = oldest;
	}
	if (actor->at == sent)
		actor->behind_since = now;
	switch (actor->kind) {
	case STARVED:
		if (actor->ready && now >= actor->until) {
			world->box.unscheduled[i] += now - actor->ready_since;
			actor->ready = false;
			actor->at = sent;
		} else if (!actor->ready && random() % 500 == 0) {
			actor->ready = true;
			actor->ready_since = now;
			actor->until = now + (uint64_t)(random() % 400) * MS;
		}
		if (actor->ready)
			return;
		/* fall through */
	case HEALTHY:
		if (random() % 2 || now - actor->behind_since >= (NEVER_LATER_MS - 1) * MS)
			actor->at = sent;
		break;
	case LATE:
		read_some(actor, 1 + (uint64_t)random() % 3, sent);
		break;
	default:
		if (now >= actor->until && random() % 1000 == 0) {
			actor->still = !actor->still;
			actor->until = now + (uint64_t)(random() % 3000) * MS;
		}
		if (!actor->still)
			read_some(actor, 500, sent);
	}
}

static void
see_all(struct world *world)
{
	world->box.head = world->sent / PER_SEG + 1;
	for (unsigned i = 0; i < world->count; i++) {
		struct wr_row *r = row(&world->box, i);

		r->seen = world->actors[i].at / PER_SEG + 1;
		r->progress = world->actors[i].at - world->actors[i].lost;
		r->blocks = r->gate && world->box.head - r->seen + 1 >= WINDOW;
	}
}

static bool
is_blocked(struct world *world)
{
	if (world->sent % PER_SEG != PER_SEG - 1)
		return false;
	see_all(world);
	for (unsigned i = 0; i < world->count; i++) {
		struct wr_row *r = row(&world->box, i);

		if (r->blocks)
			return true;
		if (!r->gate &&
			wr_account_may_return(&r->account, &world->box.stall,
				(world->box.head - r->seen) * 4 <= WINDOW,
				world->actors[i].lost, world->box.now))
			(void)wr_gate_attach(&world->box.gate, r, 1, world->box.head);
	}
	return false;
}

/* A look while it waits; 1 ms of waiting behind it, or none. */
static void
world_looks(struct world *world, uint64_t took)
{
	struct box *box = &world->box;
	struct wr_stall_view view = {.now_ns = box->now,
		.since_ns = took,
		.took_ns = took,
		.head = box->head,
		.published = world->sent,
		.excuse = starved,
		.ctx = world};
	uint64_t before = box->stall.spent_ns, sum = 0;

	(void)wr_stall_look(&box->stall, &box->gate, &view);
	world->log[world->logged++ % 256] =
		(struct entry){box->now, box->stall.spent_ns - before};
	for (unsigned i = 0; i < 256; i++)
		if (world->log[i].at + 100 * MS > box->now)
			sum += world->log[i].ns;
	/* What was excused is not of that sum, but was waited. */
	for (unsigned i = 0; i < world->count; i++)
		if (world->actors[i].kind == STARVED)
			sum = 0;
	CHECK(sum <= WR_STALL_CAP_NS * 3 / 2 + world->count * MS);
	for (unsigned i = 0; i < world->count; i++) {
		struct wr_row *r = row(box, i);

		if (r->blame == WR_BLAME_NONE)
			continue;
		world->blamed[world->actors[i].kind]++;
		wr_gate_detach(&box->gate, r);
		wr_account_detached(&r->account, r->blame, box->now);
	}
}

static void
live(struct world *world, uint64_t hours, unsigned per_ms)
{
	uint64_t until = world->box.now + hours * 3600 * S;
	bool waiting = false;

	while (world->box.now < until) {
		bool blocked = false;

		for (unsigned n = 0; n < per_ms && !blocked; n++) {
			blocked = is_blocked(world);
			world->sent += !blocked;
		}
		if (blocked)
			world_looks(world, waiting ? MS : 0);
		else if (waiting)
			wr_stall_over(&world->box.stall, &world->box.gate);
		waiting = blocked;
		world->box.now += MS;
		for (unsigned i = 0; i < world->count; i++)
			act(world, i);
	}
}

/* So many of each kind, for an hour or more, at so many messages a millisecond. */
static void
live_with(const unsigned kinds[KINDS], unsigned per_ms, uint64_t seed)
{
	static struct world world;

	memset(&world, 0, sizeof(world));
	srandom((unsigned)seed);
	for (unsigned k = 0; k < KINDS; k++)
		for (unsigned n = 0; n < kinds[k]; n++)
			world.actors[world.count++].kind = (enum kind)k;
	make(&world.box, world.count);
	for (unsigned i = 0; i < world.count; i++)
		row(&world.box, i)->seen = 1;
	live(&world, wr_test_long() ? 24 : 1, per_ms);
	CHECK_EQ(world.blamed[HEALTHY], 0);
	CHECK_EQ(world.blamed[STARVED], 0);
	for (unsigned i = 0; i < world.count; i++)
		if (world.actors[i].kind != STARVED) /* its first millisecond is told */
			CHECK((row(&world.box, i)->account.told_ns > 0) ==
				(world.actors[i].kind != HEALTHY));
	for (unsigned k = LATE; k < KINDS; k++)
		CHECK((world.blamed[k] > 0) == (kinds[k] > 0));
	wr_test_note("%u readers, %u a ms: %llu sent, %llu of %llu ms waited for, blamed: "
		     "%llu late, %llu stop",
		world.count, per_ms, (unsigned long long)world.sent,
		(unsigned long long)(world.box.stall.spent_ns / MS),
		(unsigned long long)((world.box.now - 1000 * S) / MS),
		(unsigned long long)world.blamed[LATE],
		(unsigned long long)world.blamed[STOPS]);
	spare(&world.box);
}

static void
the_healthy_are_never_blamed(void)
{
	live_with((const unsigned[KINDS]){3, 0, 1, 0}, 40, 1);
	live_with((const unsigned[KINDS]){3, 0, 0, 3}, 40, 2);
	live_with((const unsigned[KINDS]){3, 0, 1, 4}, 100, 3);
	live_with((const unsigned[KINDS]){1, 0, 2, 2}, 100, 4);
}

static void
who_gets_no_core_is_never_blamed(void)
{
	live_with((const unsigned[KINDS]){2, 2, 0, 0}, 40, 5);
	live_with((const unsigned[KINDS]){2, 2, 1, 2}, 40, 6);
}

static const struct wr_test tests[] = {TEST(a_slide_is_never_less_than_any_100_ms),
	TEST(a_slide_is_forgiven_from_its_end),
	TEST(a_budget_is_spent_to_the_nanosecond), TEST(a_budget_comes_back_with_time),
	TEST(only_while_all_others_stand_at_the_head), TEST(a_lone_reader_sets_the_pace),
	TEST(nobody_pays_when_all_are_behind), TEST(who_does_not_gate_does_not_count),
	TEST(the_stream_is_charged_once_for_the_same_time),
	TEST(who_does_not_move_has_stopped), TEST(message_by_message_is_moving),
	TEST(stopped_over_many_waits), TEST(who_stands_still_and_does_not_block_may),
	TEST(slow_ones_shield_nobody_where_it_is_paced),
	TEST(who_keeps_pace_is_not_charged),
	TEST(the_pace_of_who_holds_all_up_is_not_the_best),
	TEST(who_is_never_seen_at_work_is_faster),
	TEST(who_frees_as_often_as_one_looks_is_told_from_the_equal),
	TEST(stopped_ones_shield_nobody_for_long),
	TEST(slow_ones_shield_nobody_flat_out), TEST(a_quarter_as_fast_still_counts),
	TEST(what_is_passed_at_other_times_does_not_count),
	TEST(comparisons_begin_anew), TEST(who_was_behind_for_a_moment_says_nothing),
	TEST(asked_only_about_who_pays), TEST(of_many_one_is_asked_about_at_a_look),
	TEST(P2_its_loop_is_told_what_it_was_charged),
	TEST(P2_what_it_could_not_help_it_is_not_told),
	TEST(time_without_a_core_is_given_back),
	TEST(N1_who_shares_a_loop_with_a_slow_one_outlasts_it),
	TEST(N1_neighbours_excuse_for_one_budget_and_no_longer),
	TEST(who_keeps_pace_once_excused_is_acquitted),
	TEST(who_was_kept_from_running_has_not_stopped), TEST(nobody_is_blamed_unasked),
	TEST(excused_in_one_place_is_excused_in_all),
	TEST(the_stream_gets_back_no_more_than_the_account_had), TEST(a_verdict_stands),
	TEST(with_no_budget_the_first_look_is_the_last), TEST(without_end_it_never_is),
	TEST(half_a_share_is_everybodys), TEST(all_together_have_a_cap),
	TEST(an_account_outlives_a_detach), TEST(the_dwell_doubles_with_each_relapse),
	TEST(back_when_it_has_caught_up_by_reading), TEST(a_newcomer_serves_no_dwell),
	TEST(looks_are_close_only_while_somebody_pays),
	TEST(the_healthy_are_never_blamed), TEST(who_gets_no_core_is_never_blamed),
	TEST_END};
const struct wr_suite wr_suite_stall = {.name = "stall", .tests = tests};
