/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Waiting for room, in one thread: who is waited for, until when, and who comes back. */
#include "bus/room.h"

#include "tests/bus/rig.h"

#include <stdlib.h>

#define MS 1000000ull

static unsigned outs, backs; /* verdicts */

static void
verdict(void *ctx, struct wr_writer *w, struct wr_row *row)
{
	(void)ctx;
	(void)w;
	outs += !row->gate;
	backs += row->gate;
}

static void
make(struct rig *rig, uint32_t window)
{
	rig_make(rig, window, 0, false);
	rig->w->ops.verdict = verdict;
	outs = backs = 0;
}

static unsigned
join(struct rig *rig, enum weir_policy policy, int32_t stall_us, uint64_t quota)
{
	const struct wr_terms terms = {
		.policy = policy, .stall_us = stall_us, .quota = quota, .holds = 1};

	return rig_join_as(rig, &terms);
}

/* Sends while reader i reads all that comes; -1: nobody. Returns what ended it. */
static int
fill(struct rig *rig, int i)
{
	int rc;

	while ((rc = rig_send(rig, RIG_MAX)) == 0)
		while (i >= 0 && rig_read(rig, (unsigned)i, NULL) >= 0)
			;
	return rc;
}

static uint64_t
spent(const struct rig *rig, unsigned i)
{
	return rig->row[i]->account.spent_ns;
}

static void
burn(uint64_t ns)
{
	uint64_t until = wr_now_ns() + ns;

	while (wr_now_ns() < until)
		;
}

/* ---- quotas ------------------------------------------------------------------------------ */

static void
a_reader_lags_by_its_quota_and_no_more(void)
{
	static const struct {
		uint64_t asked;
		uint64_t segs;
	} quotas[] = {{1, 2}, {RIG_SEG, 2}, {2 * RIG_SEG, 2}, {2 * RIG_SEG + 1, 3},
		{5 * RIG_SEG, 5}, {6 * RIG_SEG, 6}, {7 * RIG_SEG, 6}, {UINT64_MAX, 6},
		{0, 6}};

	for (unsigned i = 0; i < sizeof(quotas) / sizeof(quotas[0]); i++) {
		struct rig rig;

		make(&rig, 6);
		join(&rig, WEIR_BLOCK, 0, 0);
		join(&rig, WEIR_BLOCK, 0, quotas[i].asked);
		CHECK_EQ(fill(&rig, 0), -WEIR_E_AGAIN_FULL);
		CHECK_EQ(rig.w->pool.head_ord, quotas[i].segs);
		CHECK(rig.row[1]->blocks && !rig.row[0]->blocks);
		CHECK_EQ(wr_room_wait(rig.w, 0, NULL), -WEIR_E_AGAIN_FULL);
		CHECK_EQ(rig_drain(&rig, 1), rig.w->seq);
		CHECK_EQ(wr_room_wait(rig.w, 0, NULL), 0);
		CHECK_EQ(fill(&rig, 0), -WEIR_E_AGAIN_FULL);
		CHECK_EQ(rig.w->pool.head_ord, 2 * quotas[i].segs - 1);
		rig_drain(&rig, 1);
		CHECK_EQ(wr_reader_lost(&rig.r[1]), 0);
		CHECK_EQ(outs, 0);
		rig_free(&rig);
	}
}

static void
without_a_budget_nobody_waits(void)
{
	struct rig rig;

	make(&rig, 4);
	join(&rig, WEIR_DROP_OLDEST, WEIR_NEVER, 0);
	rig_send_until(&rig, 50, RIG_MAX);
	CHECK_EQ(rig.w->room.waits, 0);
	CHECK_EQ(outs, 1);
	CHECK_EQ(rig.w->room.stall.spent_ns, 0);
	rig_drain(&rig, 0);
	CHECK_EQ(rig.r[0].passed + wr_reader_lost(&rig.r[0]), rig.w->seq);
	/* Not later either. */
	for (int i = 0; i < 200; i++) {
		CHECK_EQ(rig_send(&rig, RIG_MAX), 0);
		rig_drain(&rig, 0);
	}
	rig_send_until(&rig, rig.w->pool.head_ord + 20, RIG_MAX);
	CHECK_EQ(rig.w->room.waits, 0);
	CHECK_EQ(outs, 1);
	CHECK_EQ(backs, 0);
	rig_free(&rig);
}

static void
who_wants_the_latest_is_never_waited_for(void)
{
	struct rig rig;

	make(&rig, 4);
	join(&rig, WEIR_LATEST, 0, 0);
	CHECK(!rig.row[0]->gate);
	rig_send_until(&rig, 50, RIG_MAX);
	CHECK_EQ(rig_read(&rig, 0, NULL), rig.w->seq - 1);
	for (int i = 0; i < 100; i++) {
		CHECK_EQ(rig_send(&rig, RIG_MAX), 0);
		rig_drain(&rig, 0);
	}
	CHECK(!rig.row[0]->gate);
	CHECK_EQ(rig.w->room.waits + outs + backs, 0);
	rig_free(&rig);
}

/* ---- whose time it is -------------------------------------------------------------------- */

static void
a_budget_is_waited_for_and_not_more(void)
{
	struct rig rig;

	make(&rig, 4);
	join(&rig, WEIR_DROP_OLDEST, 0, 0);
	join(&rig, WEIR_DROP_OLDEST, 3000, 0);
	CHECK_EQ(fill(&rig, 0), -WEIR_E_AGAIN_FULL);
	CHECK_EQ(wr_room_wait(rig.w, UINT64_MAX, NULL), 0);
	CHECK_EQ(outs, 1);
	CHECK(!rig.row[1]->gate && rig.row[0]->gate);
	CHECK_EQ(rig.row[1]->account.blame, WR_BLAME_BUDGET);
	CHECK(spent(&rig, 1) > 3 * MS);
	CHECK_EQ(spent(&rig, 0), 0);
	CHECK(rig.w->room.wait_ns >= 3 * MS);
	CHECK_EQ(rig_send(&rig, RIG_MAX), 0);
	rig_free(&rig);
}

/* Waits until reader i has been told more than that. */
static uint64_t
wait_until_told(struct rig *rig, unsigned i, uint64_t more_than)
{
	while (rig->row[i]->account.told_ns <= more_than)
		CHECK_EQ(wr_room_wait(rig->w, wr_now_ns() + MS, NULL), -WEIR_E_AGAIN_FULL);
	return rig->row[i]->account.told_ns;
}

/* Each in a place of its own, and only what it has not heard yet. */
static void
P2_a_reader_is_told_what_it_was_charged(void)
{
	struct rig rig;
	uint64_t told;

	make(&rig, 4);
	join(&rig, WEIR_DROP_OLDEST, 0, 0);
	join(&rig, WEIR_DROP_OLDEST, 20000, 0);
	CHECK_EQ(fill(&rig, 0), -WEIR_E_AGAIN_FULL);
	CHECK_EQ(wr_reader_charged_ns(&rig.r[1]), 0);
	told = wait_until_told(&rig, 1, 0);
	CHECK_EQ(wr_reader_charged_ns(&rig.r[1]), told);
	CHECK_EQ(wr_reader_charged_ns(&rig.r[1]), 0);
	CHECK(!wr_reader_overspent(&rig.r[1]));
	CHECK_EQ(wr_room_wait(rig.w, UINT64_MAX, NULL), 0);
	CHECK_EQ(outs, 1);
	CHECK_EQ(wr_reader_charged_ns(&rig.r[1]), spent(&rig, 1) - told);
	CHECK(wr_reader_overspent(&rig.r[1]));
	CHECK(!wr_reader_overspent(&rig.r[0]));
	CHECK_EQ(wr_reader_charged_ns(&rig.r[0]), 0);
	rig_free(&rig);
}

/* Who comes after it is charged for nothing that it did. */
static void
a_place_is_given_on_clean(void)
{
	struct rig rig;
	uint32_t seat;

	make(&rig, 4);
	join(&rig, WEIR_DROP_OLDEST, 0, 0);
	join(&rig, WEIR_DROP_OLDEST, 20000, 0);
	CHECK_EQ(fill(&rig, 0), -WEIR_E_AGAIN_FULL);
	(void)wait_until_told(&rig, 1, 0);
	seat = rig.row[1]->seat;
	CHECK(wr_stream_dismiss(&rig.stream, rig.sub.id, 2));
	join(&rig, WEIR_DROP_OLDEST, 20000, 0);
	CHECK_EQ(rig.row[2]->seat, seat);
	CHECK_EQ(wr_reader_charged_ns(&rig.r[2]), 0);
	CHECK_EQ(fill(&rig, 0), -WEIR_E_AGAIN_FULL);
	CHECK_EQ(wr_reader_charged_ns(&rig.r[2]), 0);
	rig_drain(&rig, 0);
	CHECK(wait_until_told(&rig, 2, 0) > 0);
	CHECK_EQ(wr_reader_charged_ns(&rig.r[2]), rig.row[2]->account.told_ns);
	rig_free(&rig);
}

/* A reader that is told so far, and the stream has moved since. */
static uint64_t
told_before_a_move(struct rig *rig)
{
	const struct wr_terms terms = {
		.policy = WEIR_DROP_OLDEST, .stall_us = 20000, .holds = 1};
	uint64_t told;

	rig_make(rig, 4, 0, true);
	for (int i = 0; i < 2; i++)
		rig_join_as(rig, &terms);
	CHECK_EQ(fill(rig, 0), -WEIR_E_AGAIN_FULL);
	told = wait_until_told(rig, 1, 0);
	CHECK_EQ(wr_writer_grow(rig->w, 8 * RIG_SEG), 0);
	while (rig->w->pool.moves == 0) {
		CHECK(rig_read(rig, 1, NULL) >= 0);
		(void)rig_send(rig, RIG_MAX);
	}
	return told;
}

/* In whichever region it stands: in the one that the stream has left, and in the next. */
static void
a_charge_is_told_across_a_move(void)
{
	struct rig rig;
	uint64_t first = told_before_a_move(&rig), second;

	CHECK_EQ(fill(&rig, 0), -WEIR_E_AGAIN_FULL);
	CHECK(rig.r[1].store != rig.newest[1]);
	CHECK_EQ(wr_reader_charged_ns(&rig.r[1]), first);
	second = wait_until_told(&rig, 1, first);
	CHECK_EQ(wr_reader_charged_ns(&rig.r[1]), second - first);
	second = wait_until_told(&rig, 1, second) - second;
	rig_drain(&rig, 1);
	CHECK(rig.r[1].store == rig.newest[1]);
	CHECK_EQ(wr_reader_charged_ns(&rig.r[1]), second);
	CHECK_EQ(wr_reader_charged_ns(&rig.r[0]), 0);
	rig_free(&rig);

	/* It moves on before it asks. */
	first = told_before_a_move(&rig);
	rig_drain(&rig, 1);
	CHECK(rig.r[1].store == rig.newest[1]);
	CHECK_EQ(wr_reader_charged_ns(&rig.r[1]), first);
	rig_free(&rig);
}

/* More time has passed than it slept: it was not running, and that is nobody's. */
static void
time_without_a_core_is_nobodys(void)
{
	struct rig rig;

	make(&rig, 4);
	join(&rig, WEIR_DROP_OLDEST, 0, 0);
	join(&rig, WEIR_DROP_OLDEST, 0, 0);
	CHECK_EQ(fill(&rig, 0), -WEIR_E_AGAIN_FULL);
	CHECK_EQ(wr_room_wait(rig.w, 0, NULL), -WEIR_E_AGAIN_FULL);
	CHECK_EQ(spent(&rig, 1), 0);
	for (uint64_t i = 1; i <= 2; i++) {
		uint64_t asked_ns = rig.w->room.asked_ns;

		burn(60 * MS);
		CHECK_EQ(wr_room_wait(rig.w, 0, NULL), -WEIR_E_AGAIN_FULL);
		CHECK(asked_ns <= 2 * MS);
		CHECK_EQ(spent(&rig, 1), i * asked_ns);
	}
	CHECK(rig.row[1]->gate);
	CHECK_EQ(outs, 0);
	rig_free(&rig);
}

/* Between two waits that ran out, the publisher did something else. */
static void
time_between_two_waits_is_nobodys(void)
{
	struct rig rig;

	make(&rig, 4);
	join(&rig, WEIR_DROP_OLDEST, 0, 0);
	join(&rig, WEIR_DROP_OLDEST, 20000, 0);
	CHECK_EQ(fill(&rig, 0), -WEIR_E_AGAIN_FULL);
	CHECK_EQ(wr_room_wait(rig.w, wr_now_ns() + 1, NULL), -WEIR_E_AGAIN_FULL);
	for (int i = 0; i < 4; i++) {
		uint64_t before = spent(&rig, 1), waited = rig.w->room.wait_ns;

		burn(10 * MS);
		CHECK_EQ(wr_room_wait(rig.w, wr_now_ns() + 1, NULL), -WEIR_E_AGAIN_FULL);
		CHECK(spent(&rig, 1) - before <= rig.w->room.wait_ns - waited);
		CHECK(spent(&rig, 1) - before <= MS);
	}
	rig_free(&rig);
}

static void
a_lone_reader_that_stands_still_is_not_waited_for_for_ever(void)
{
	struct rig rig;

	make(&rig, 4);
	join(&rig, WEIR_DROP_OLDEST, 0, 0);
	CHECK_EQ(fill(&rig, -1), -WEIR_E_AGAIN_FULL);
	CHECK_EQ(wr_room_wait(rig.w, UINT64_MAX, NULL), 0);
	CHECK_EQ(outs, 1);
	CHECK_EQ(rig.row[0]->account.blame, WR_BLAME_STOPPED);
	CHECK_EQ(spent(&rig, 0), 0);
	CHECK(rig.w->room.wait_ns >= WR_STALL_STOPPED_NS);
	rig_free(&rig);
}

/* ---- our own claims -------------------------------------------------------------------------- */

static void
an_open_claim_in_the_way_is_our_own_fault(void)
{
	weir_claim_t open;
	struct rig rig;

	make(&rig, 4);
	join(&rig, WEIR_DROP_OLDEST, 0, 0);
	join(&rig, WEIR_DROP_OLDEST, 0, 2 * RIG_SEG);
	join(&rig, WEIR_DROP_OLDEST, WEIR_NEVER, 0);
	REQUIRE_EQ(wr_writer_claim(rig.w, 100, &open, NULL), 0);
	rig_fill(open.data, 100, open.seq);
	for (int i = 0; i < 3; i++) {
		/* Nobody can read past the claim, and the quota of two is used up. */
		CHECK_EQ(fill(&rig, -1), -WEIR_E_AGAIN_CLAIMS);
		CHECK_EQ(rig.w->pool.head_ord, 2);
		/* There is nothing to wait for: a claim would say why. */
		CHECK_EQ(wr_room_wait(rig.w, UINT64_MAX, NULL), 0);
		burn(3 * MS);
	}
	CHECK_EQ(spent(&rig, 0) + spent(&rig, 1), 0);
	CHECK_EQ(rig.w->room.stall.spent_ns, 0);
	CHECK(rig.row[0]->gate && rig.row[1]->gate);
	CHECK_EQ(wr_writer_commit(rig.w, &open), 0);
	for (unsigned i = 0; i < 2; i++)
		CHECK_EQ(rig_drain(&rig, i), rig.w->seq);
	CHECK_EQ(rig_send(&rig, RIG_MAX), 0);
	rig_free(&rig);
}

/* Who stands before the claim is waited for until it has come to it. */
static void
who_stands_before_the_claim_is_waited_for(void)
{
	weir_claim_t open;
	struct rig rig;

	make(&rig, 4);
	join(&rig, WEIR_BLOCK, 0, 0);
	join(&rig, WEIR_BLOCK, 0, 0);
	rig_send_until(&rig, 2, RIG_MAX);
	REQUIRE_EQ(wr_writer_claim(rig.w, 100, &open, NULL), 0);
	rig_fill(open.data, 100, open.seq);
	rig_drain(&rig, 0);
	CHECK_EQ(fill(&rig, -1), -WEIR_E_AGAIN_FULL);
	CHECK_EQ(wr_room_wait(rig.w, wr_now_ns() + 3 * MS, NULL), -WEIR_E_AGAIN_FULL);
	rig_drain(&rig, 1);
	CHECK_EQ(rig.r[1].ord, 2);
	/* The first to come is room, and with it the claim is in the way. */
	CHECK_EQ(wr_room_wait(rig.w, UINT64_MAX, NULL), 0);
	CHECK_EQ(fill(&rig, -1), -WEIR_E_AGAIN_CLAIMS);
	CHECK_EQ(wr_writer_abort(rig.w, &open), 0);
	rig_drain(&rig, 0);
	rig_drain(&rig, 1);
	CHECK_EQ(rig_send(&rig, RIG_MAX), 0);
	rig_free(&rig);
}

/* ---- out and back ------------------------------------------------------------------------------ */

/* As if so much time had passed that nothing is held against it. */
static void
let_time_pass(struct rig *rig, unsigned i)
{
	rig->row[i]->account.spent = (struct wr_slide){0};
	rig->w->room.stall.spent = (struct wr_slide){0};
	if (rig->row[i]->account.left_ns)
		rig->row[i]->account.left_ns -= rig->row[i]->account.dwell_ns;
}

static void
back_by_reading_and_nothing_is_lost_after_that(void)
{
	uint64_t lost = 0, out, next = 0;
	struct rig rig;

	make(&rig, 8);
	join(&rig, WEIR_DROP_OLDEST, 0, 0);
	join(&rig, WEIR_DROP_OLDEST, 0, 0);
	CHECK_EQ(fill(&rig, 0), -WEIR_E_AGAIN_FULL);
	CHECK_EQ(wr_room_wait(rig.w, UINT64_MAX, NULL), 0);
	REQUIRE_EQ(outs, 1);
	out = rig.w->pool.head_ord;
	while (rig.w->pool.head_ord < out + 30) {
		CHECK_EQ(rig_send(&rig, RIG_MAX), 0);
		rig_drain(&rig, 0);
	}
	/* It reads what is left, and what it missed is what is not there. */
	for (long long seq; (seq = rig_read(&rig, 1, &lost)) >= 0;
		next = (uint64_t)seq + 1)
		CHECK_EQ(next + lost, seq);
	CHECK_EQ(next, rig.w->seq);
	lost = wr_reader_lost(&rig.r[1]);
	CHECK(lost > 0);
	CHECK_EQ(rig.r[1].passed + lost, rig.w->seq);

	/* It is at the head, and its dwell runs; then that is over. */
	while (rig.w->pool.head_ord < out + 34) {
		CHECK_EQ(rig_send(&rig, RIG_MAX), 0);
		CHECK_EQ(rig_drain(&rig, 0) + rig_drain(&rig, 1), 2);
		next++;
	}
	CHECK_EQ(backs, 0);
	CHECK(wr_reader_overspent(&rig.r[1]));
	let_time_pass(&rig, 1);
	while (rig.w->pool.head_ord < out + 36) {
		CHECK_EQ(rig_send(&rig, RIG_MAX), 0);
		CHECK_EQ(rig_drain(&rig, 0) + rig_drain(&rig, 1), 2);
		next++;
	}
	CHECK_EQ(backs, 1);
	CHECK(rig.row[1]->gate);
	CHECK(!wr_reader_overspent(&rig.r[1]));
	CHECK_EQ(rig.w->room.returns, 1);

	/* From here on it is waited for like everybody else. */
	CHECK_EQ(fill(&rig, 0), -WEIR_E_AGAIN_FULL);
	CHECK(rig.row[1]->blocks);
	for (; next < rig.w->seq; next++)
		CHECK_EQ(rig_read(&rig, 1, NULL), next);
	CHECK_EQ(wr_reader_lost(&rig.r[1]), lost);
	rig_free(&rig);
}

/* It reached the head, but by a jump: not by reading. */
static void
a_jump_is_no_catching_up(void)
{
	struct rig rig;

	make(&rig, 8);
	join(&rig, WEIR_DROP_OLDEST, 0, 0);
	rig_detach(&rig, 0);
	rig_send_until(&rig, 30, RIG_MAX);
	rig.row[0]->account.dwell_ns = 0;
	rig_drain(&rig, 0);
	CHECK(wr_reader_lost(&rig.r[0]) > 0);
	wr_reader_say(&rig.r[0]);
	rig_send_until(&rig, 31, RIG_MAX);
	CHECK_EQ(backs, 0);
	rig_drain(&rig, 0);
	rig_send_until(&rig, 32, RIG_MAX);
	CHECK_EQ(backs, 1);
	rig_free(&rig);
}

/* Its stream has ended for it: it may read what it likes, and is not waited for again. */
static void
who_was_put_off_does_not_come_back(void)
{
	for (int gone = 0; gone < 2; gone++) {
		struct rig rig;

		make(&rig, 8);
		join(&rig, WEIR_DISCONNECT, 0, 0);
		rig_detach(&rig, 0);
		rig.row[0]->account.dwell_ns = 0;
		rig.row[0]->gone = gone;
		for (int i = 0; i < 50; i++) {
			CHECK_EQ(rig_send(&rig, RIG_MAX), 0);
			rig_drain(&rig, 0);
		}
		CHECK_EQ(rig.row[0]->gate, !gone);
		CHECK_EQ(backs, !gone);
		rig_free(&rig);
	}
}

static void
near_is_a_quarter_of_what_it_may(void)
{
	struct rig rig;

	make(&rig, 8);
	join(&rig, WEIR_DROP_OLDEST, 0, 0);
	rig_detach(&rig, 0);
	rig_send_until(&rig, 20, RIG_MAX);
	for (uint64_t back = 0; back < 8; back++) {
		rig.row[0]->seen = 20 - back;
		rig.row[0]->quota = 0;
		CHECK_EQ(wr_room_is_near(rig.w, rig.row[0]), back <= 2);
		rig.row[0]->quota = 4;
		CHECK_EQ(wr_room_is_near(rig.w, rig.row[0]), back <= 1);
		rig.row[0]->quota = 3;
		CHECK_EQ(wr_room_is_near(rig.w, rig.row[0]), back == 0);
	}
	rig.row[0]->quota = 0;
	rig.row[0]->seen = 21;
	CHECK(!wr_room_is_near(rig.w, rig.row[0]));
	rig.row[0]->seen = 20;
	rig_free(&rig);
}

/* Out and back many times, wherever it stands: every number comes once or is missed, and
 * never while it is waited for. */
static void
out_and_back_at_random(void)
{
	uint64_t next = 0, lost = 0, lost_before = 0, came_back = 0;
	struct rig rig;

	srandom(11);
	make(&rig, 6);
	join(&rig, WEIR_BLOCK, 0, 0);
	join(&rig, WEIR_DROP_OLDEST, 0, 0);
	for (int round = 0; round < 60000; round++) {
		bool gates = rig.row[1]->gate;

		if (rig_send(&rig, (size_t)random() % RIG_MAX) < 0) {
			if (random() % 4 == 0 && gates) {
				wr_gate_detach(&rig.w->gate, rig.row[1]);
				wr_account_detached(&rig.row[1]->account,
					WR_BLAME_BUDGET, wr_now_ns());
				let_time_pass(&rig, 1);
			}
		} else if (!gates && rig.row[1]->gate) {
			came_back++;
			lost_before = wr_reader_lost(&rig.r[1]);
		}
		rig_drain(&rig, 0);
		/* It reads all, or nothing, or some, for a while. */
		for (long n = round / 100 % 3 * (random() % 30); n > 0; n--) {
			long long seq = rig_read(&rig, 1, &lost);

			if (seq < 0)
				break;
			CHECK_EQ(next + lost, seq);
			next = (uint64_t)seq + 1;
		}
		if (rig.row[1]->gate)
			CHECK_EQ(wr_reader_lost(&rig.r[1]), lost_before);
		let_time_pass(&rig, 1);
		wr_reader_say(&rig.r[1]);
	}
	CHECK(came_back > 20);
	CHECK_EQ(rig.w->gate.evicted, 0);
	rig_free(&rig);
}

/* ---- from far behind ------------------------------------------------------------------------------ */

static void
who_begins_far_behind_gates_when_it_has_caught_up(void)
{
	const struct wr_terms oldest = {.from = WEIR_FROM_OLDEST, .holds = 1};
	struct rig rig;
	uint64_t first;

	make(&rig, 8);
	join(&rig, WEIR_DROP_OLDEST, 0, 0);
	rig_detach(&rig, 0);
	rig_send_until(&rig, 20, RIG_MAX);
	rig_join_as(&rig, &oldest);
	CHECK(!rig.row[1]->gate);
	CHECK_EQ(rig.w->gate.detached, 2);
	CHECK_EQ(rig_send(&rig, RIG_MAX), 0);
	first = rig.r[1].seq;
	CHECK_EQ(first,
		rig.w->pool.live[rig.w->pool.oldest % rig.w->pool.live_size]->base);
	CHECK_EQ(rig_read(&rig, 1, NULL), first);
	rig_drain(&rig, 1);
	CHECK(!rig.row[1]->gate);
	rig_send_until(&rig, 21, RIG_MAX);
	CHECK(rig.row[1]->gate);
	CHECK_EQ(backs, 1);
	CHECK_EQ(outs, 0);
	CHECK_EQ(fill(&rig, -1), -WEIR_E_AGAIN_FULL);
	rig_drain(&rig, 1);
	CHECK_EQ(wr_reader_lost(&rig.r[1]), 0);

	/* Who asks for little begins near enough. */
	rig_join_as(&rig,
		&(struct wr_terms){.from = WEIR_FROM_LAST, .from_count = 2, .holds = 1});
	CHECK(rig.row[2]->gate);
	rig_free(&rig);
}

static const struct wr_test tests[] = {TEST(a_reader_lags_by_its_quota_and_no_more),
	TEST(without_a_budget_nobody_waits),
	TEST(who_wants_the_latest_is_never_waited_for),
	TEST(a_budget_is_waited_for_and_not_more),
	TEST(P2_a_reader_is_told_what_it_was_charged), TEST(a_place_is_given_on_clean),
	TEST(a_charge_is_told_across_a_move), TEST(time_without_a_core_is_nobodys),
	TEST(time_between_two_waits_is_nobodys),
	TEST(a_lone_reader_that_stands_still_is_not_waited_for_for_ever),
	TEST(an_open_claim_in_the_way_is_our_own_fault),
	TEST(who_stands_before_the_claim_is_waited_for),
	TEST(back_by_reading_and_nothing_is_lost_after_that),
	TEST(a_jump_is_no_catching_up), TEST(who_was_put_off_does_not_come_back),
	TEST(near_is_a_quarter_of_what_it_may), TEST(out_and_back_at_random),
	TEST(who_begins_far_behind_gates_when_it_has_caught_up), TEST_END};
const struct wr_suite wr_suite_room = {.name = "room", .tests = tests};
