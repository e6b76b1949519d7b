/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The reading side: a subscription as a stream of views, batches, holds and ends. */
#include "tests/conform/rig.h"

/* ---- head and tail ---------------------------------------------------------------------- */

static void
K18_peek_twice_is_the_same(const char *name)
{
	struct rig rig = rig_open(name);
	weir_msg first, again;

	CHECK_EQ(weir_peek(rig.sub, &first), 0);
	CHECK_EQ(weir_next(rig.sub), -WEIR_E_USAGE_STATE);
	for (uint64_t n = 0; n < 50; n++)
		rig_send(rig.pub, 40, n);
	for (uint64_t n = 0; n < 50; n++) {
		REQUIRE_EQ(weir_peek(rig.sub, &first), 1);
		REQUIRE_EQ(weir_peek(rig.sub, &again), 1);
		CHECK(first.data == again.data && first.len == again.len);
		CHECK(first.seq == again.seq && first.time_ns == again.time_ns);
		CHECK(first.publisher == again.publisher);
		CHECK_EQ(again.seq, n);
		CHECK_STR(again.topic, "t");
		CHECK_EQ(rig_wrong(again.data, again.len, n), 40);
		REQUIRE_EQ(weir_next(rig.sub), 0);
		/* Passed once is passed. */
		CHECK_EQ(weir_next(rig.sub), -WEIR_E_USAGE_STATE);
	}
	CHECK_EQ(weir_peek(rig.sub, &first), 0);
	rig_close(&rig);
}

/* What next does not pass is still there, whatever came meanwhile. */
static void
K18_next_then_peek_is_the_following(const char *name)
{
	struct rig rig = rig_open(name);
	weir_msg msg;

	rig_send(rig.pub, 8, 0);
	REQUIRE_EQ(weir_peek(rig.sub, &msg), 1);
	rig_send(rig.pub, 8, 1);
	REQUIRE_EQ(weir_peek(rig.sub, &msg), 1);
	CHECK_EQ(msg.seq, 0);
	REQUIRE_EQ(weir_next(rig.sub), 0);
	REQUIRE_EQ(weir_peek(rig.sub, &msg), 1);
	CHECK_EQ(msg.seq, 1);
	CHECK_EQ(rig_wrong(msg.data, 8, 1), 8);
	REQUIRE_EQ(weir_next(rig.sub), 0);
	CHECK_EQ(weir_peek(rig.sub, &msg), 0);
	rig_close(&rig);
}

/* Taking k of n leaves the other n - k, in order, for every k. */
static void
K18_next_n_passes_the_first(const char *name)
{
	struct rig rig = rig_open(name);
	weir_msg msgs[64];
	uint64_t sent = 0, at = 0;

	for (size_t k = 1; k <= 20; k++) {
		int got;

		while (sent < at + 20)
			rig_send(rig.pub, 24, sent++);
		got = weir_peek_n(rig.sub, msgs, 20);
		REQUIRE(got >= 1 && got <= 20);
		for (int i = 0; i < got; i++) {
			CHECK_EQ(msgs[i].seq, at + (uint64_t)i);
			CHECK_EQ(rig_wrong(msgs[i].data, 24, at + (uint64_t)i), 24);
		}
		CHECK_EQ(weir_next_n(rig.sub, 0), -WEIR_E_USAGE_STATE);
		CHECK_EQ(weir_next_n(rig.sub, (size_t)got + 1), -WEIR_E_USAGE_STATE);
		if ((size_t)got < k)
			continue;
		REQUIRE_EQ(weir_next_n(rig.sub, k), 0);
		at += k;
	}
	CHECK(at > 100);
	CHECK_EQ(weir_peek_n(rig.sub, msgs, 0), -WEIR_E_USAGE_INVAL);
	rig_close(&rig);
}

/* ---- batches ------------------------------------------------------------------------------ */

/*
 * A batch is one piece of memory: each message lies behind the one before it, at a
 * distance that its size explains, and no batch reaches over the end of a segment. The
 * messages of one segment all come from one batch where there is room for them.
 */
static void
batches_of(const char *name, size_t len, size_t align)
{
	struct rig rig = rig_open(
		name, .window = RIG_WINDOW, .align = align, .wait_ms = WEIR_NEVER);
	size_t unit = align ? align : 16, segment = rig_pub_stats(rig.pub).segment_bytes;
	weir_msg msgs[64];
	uint64_t sent = 0, taken = 0, before;
	weir_claim_t claim;
	int batches = 0, split = 0;

	for (int lap = 0; lap < 4; lap++) {
		while (weir_claim(rig.pub, len, &claim) == 0) {
			rig_fill(claim.data, len, sent++);
			REQUIRE_EQ(weir_commit(rig.pub, &claim), 0);
		}
		before = taken;
		while (taken < sent) {
			int got = weir_peek_n(rig.sub, msgs, 64);

			REQUIRE(got > 0);
			for (int i = 0; i < got; i++) {
				size_t step = i == 0
					? 0
					: (size_t)((const uint8_t *)msgs[i].data -
						  (const uint8_t *)msgs[i - 1].data);

				CHECK_EQ(rig_wrong(msgs[i].data, msgs[i].len, taken), len);
				CHECK_EQ((uintptr_t)msgs[i].data % unit, 0);
				CHECK(i == 0 || (step >= len && step <= len + 16 + unit));
				taken++;
			}
			CHECK((size_t)((const uint8_t *)msgs[got - 1].data + len -
				      (const uint8_t *)msgs[0].data) < segment);
			split += got < 64;
			batches++;
			REQUIRE_EQ(weir_next_n(rig.sub, (size_t)got), 0);
		}
		CHECK(taken > before);
	}
	/* Less than 64 only at the end of a segment or of what there was. */
	CHECK_EQ(rig_sub_stats(rig.sub).delivered, sent);
	CHECK((uint64_t)split <= rig_pub_stats(rig.pub).rolls + 4);
	CHECK(rig_pub_stats(rig.pub).rolls >= 4);
	CHECK(batches > 4);
	rig_close(&rig);
}

static void
K80_a_batch_is_one_piece(const char *name)
{
	batches_of(name, 4096 - 16, 0); /* a page with its header */
	batches_of(name, 1000, 0);
	batches_of(name, 4096, 4096);
}

/* ---- streams that end ------------------------------------------------------------------------ */

static void
end_comes_once_per_stream(const char *name)
{
	struct rig rig = rig_open(name);
	weir_pub *other = weir_advertise(rig.a, "t");
	uint64_t ids[2] = {
		rig_pub_stats(rig.pub).publisher, rig_pub_stats(other).publisher};
	uint64_t ended[2] = {0, 0};
	int messages = 0, ends = 0;
	weir_msg msg;

	CHECK(ids[0] != ids[1]);
	CHECK_EQ(weir_publishers(rig.sub), 2);
	for (uint64_t n = 0; n < 30; n++) {
		rig_send(rig.pub, 16, n);
		rig_send(other, 16, n);
	}
	CHECK_EQ(weir_pub_close(rig.pub), 0);
	CHECK_EQ(weir_pub_close(other), 0);
	while (ends < 2) {
		int rc = weir_peek(rig.sub, &msg);

		if (rc == 0)
			continue; /* the word of the end is on its way */
		if (rc == 1) {
			messages++;
			CHECK(msg.publisher == ids[0] ? !ended[0] : !ended[1]);
			REQUIRE_EQ(weir_next(rig.sub), 0);
			continue;
		}
		REQUIRE_EQ(rc, -WEIR_E_GONE_END);
		CHECK(msg.publisher == ids[0] || msg.publisher == ids[1]);
		ended[msg.publisher == ids[1]]++;
		ends++;
	}
	CHECK_EQ(messages, 60);
	CHECK(ended[0] == 1 && ended[1] == 1);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(weir_peek(rig.sub, &msg), 0);
	CHECK_EQ(weir_publishers(rig.sub), 0);
	CHECK_EQ(rig_sub_stats(rig.sub).ended, 2);
	CHECK_EQ(rig_sub_stats(rig.sub).delivered, 60);
	rig_close(&rig);
}

/* The name of a message's topic stays as long as the subscription, also when the stream
 * that it came from is over. */
static void
topic_outlives_its_stream(const char *name)
{
	struct rig rig = rig_open_as(name,
		&(weir_pub_opts){.size = sizeof(weir_pub_opts), .topic = "a.b"},
		&(weir_sub_opts){.size = sizeof(weir_sub_opts), .topic = "a.*"});
	char buf[8];
	weir_msg msg, end;
	int rc;

	rig_send(rig.pub, 8, 0);
	REQUIRE_EQ(weir_recv(rig.sub, buf, sizeof(buf), 0, &msg), 8);
	CHECK_STR(msg.topic, "a.b");
	CHECK_EQ(weir_pub_close(rig.pub), 0);
	while ((rc = weir_peek(rig.sub, &end)) == 0)
		;
	CHECK_EQ(rc, -WEIR_E_GONE_END);
	/* AddressSanitizer sees it; without, the freed memory may still hold the name. */
	CHECK_STR(msg.topic, "a.b");
	rig_close(&rig);
}

/* ---- copying ----------------------------------------------------------------------------------- */

static void
recv_says_what_is_there(const char *name)
{
	struct rig rig = rig_open(name);
	uint8_t buf[64];
	weir_msg msg;

	CHECK_EQ(weir_recv(rig.sub, buf, sizeof(buf), 0, &msg), -WEIR_E_AGAIN_EMPTY);
	CHECK_EQ(weir_recv(rig.sub, buf, sizeof(buf), 1, NULL), -WEIR_E_AGAIN_EMPTY);
	rig_send(rig.pub, 64, 0);
	rig_send(rig.pub, 0, 1);
	/* Too small a buffer leaves the message where it is. */
	CHECK_EQ(weir_recv(rig.sub, buf, 63, 0, &msg), -WEIR_E_DATA_TRUNC);
	CHECK_EQ(msg.len, 64);
	CHECK_EQ(weir_recv(rig.sub, buf, 64, WEIR_FOREVER, &msg), 64);
	CHECK(msg.data == buf);
	CHECK_EQ(rig_wrong(buf, 64, 0), 64);
	CHECK_EQ(weir_recv(rig.sub, NULL, 0, WEIR_FOREVER, &msg), 0);
	CHECK_EQ(msg.seq, 1);
	CHECK_EQ(weir_recv(rig.sub, NULL, 8, 0, &msg), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_stop(rig.b), 0);
	CHECK_EQ(weir_recv(rig.sub, buf, 64, WEIR_FOREVER, &msg), -WEIR_E_GONE_STOPPED);
	rig_close(&rig);
}

/* ---- holds ------------------------------------------------------------------------------------------ */

/* One message of each segment is held; the quota counts segments, not messages; and what
 * is held stays as it is while the window goes round and round above it. */
static void
holds_reach_over_segments(const char *name)
{
	struct rig rig = rig_open_as(name,
		&(weir_pub_opts){.size = sizeof(weir_pub_opts),
			.topic = "t",
			.max_message = 64 << 10,
			.window = RIG_WINDOW,
			.wait_ms = WEIR_NEVER},
		&(weir_sub_opts){.size = sizeof(weir_sub_opts), .topic = "t", .holds = 2});
	enum { LEN = 30000 };
	const int each = (int)(rig_pub_stats(rig.pub).segment_bytes / (LEN + 16));
	weir_msg held[4], msg;
	uint64_t sent = 0, taken = 0;

	for (int i = 0; i < each * 3; i++)
		rig_send(rig.pub, LEN, sent++);
	for (int k = 0; k < 2; k++) {
		REQUIRE_EQ(weir_peek(rig.sub, &held[2 * k]), 1);
		CHECK_EQ(weir_hold(rig.sub, &held[2 * k]), 0);
		rig_take(rig.sub, LEN, taken++);
		REQUIRE_EQ(weir_peek(rig.sub, &held[2 * k + 1]), 1);
		CHECK_EQ(weir_hold(rig.sub, &held[2 * k + 1]), 0);
		/* Twice is counted twice. */
		CHECK_EQ(weir_hold(rig.sub, &held[2 * k + 1]), 0);
		CHECK_EQ(weir_release(rig.sub, &held[2 * k + 1]), 0);
		rig_take(rig.sub, LEN, taken++);
		CHECK_EQ(rig_sub_stats(rig.sub).held, 2 * (k + 1));
		while (taken < (uint64_t)((k + 1) * each))
			rig_take(rig.sub, LEN, taken++);
	}
	/* A third segment is one too many. */
	REQUIRE_EQ(weir_peek(rig.sub, &msg), 1);
	CHECK_EQ(weir_hold(rig.sub, &msg), -WEIR_E_AGAIN_HOLDS);
	CHECK_EQ(rig_sub_stats(rig.sub).held, 4);
	/* Ten windows go by. */
	for (int i = 0; i < each * 40; i++) {
		rig_send(rig.pub, LEN, sent++);
		rig_take(rig.sub, LEN, taken++);
	}
	for (int k = 0; k < 2; k++)
		for (uint64_t i = 0; i < 2; i++)
			CHECK_EQ(rig_wrong(held[2 * k + (int)i].data, LEN,
					 (uint64_t)(k * each) + i),
				LEN);
	CHECK_EQ(weir_release(rig.sub, &held[0]), 0);
	REQUIRE_EQ(weir_peek(rig.sub, &msg), 1);
	CHECK_EQ(weir_hold(rig.sub, &msg), -WEIR_E_AGAIN_HOLDS);
	/* The last of a segment gives its place back. */
	CHECK_EQ(weir_release(rig.sub, &held[1]), 0);
	CHECK_EQ(weir_release(rig.sub, &held[1]), -WEIR_E_USAGE_STATE);
	CHECK_EQ(weir_hold(rig.sub, &msg), 0);
	CHECK_EQ(weir_release(rig.sub, &msg), 0);
	CHECK_EQ(weir_release(rig.sub, &held[2]), 0);
	CHECK_EQ(weir_release(rig.sub, &held[3]), 0);
	CHECK_EQ(rig_sub_stats(rig.sub).held, 0);
	/* Only what is at hand can be held. */
	REQUIRE_EQ(weir_peek(rig.sub, &msg), 1);
	REQUIRE_EQ(weir_next(rig.sub), 0);
	CHECK_EQ(weir_hold(rig.sub, &msg), -WEIR_E_USAGE_STATE);
	rig_close(&rig);
}

/* What is held outlives even the stream. */
static void
held_message_outlives_its_stream(const char *name)
{
	struct rig rig = rig_open(name);
	weir_msg msg, end;
	int rc;

	rig_send(rig.pub, 5000, 9);
	REQUIRE_EQ(weir_peek(rig.sub, &msg), 1);
	REQUIRE_EQ(weir_hold(rig.sub, &msg), 0);
	REQUIRE_EQ(weir_next(rig.sub), 0);
	CHECK_EQ(weir_close(rig.a), 0);
	while ((rc = weir_peek(rig.sub, &end)) == 0)
		;
	CHECK_EQ(rc, -WEIR_E_GONE_END);
	CHECK_EQ(rig_wrong(msg.data, msg.len, 9), 5000);
	CHECK_STR(msg.topic, "t");
	CHECK_EQ(weir_release(rig.sub, &msg), 0);
	CHECK_EQ(weir_publishers(rig.sub), 0);
	CHECK_EQ(weir_close(rig.b), 0);
}

/* ---- with no loop at all ----------------------------------------------------------------------------- */

/* Nothing but peek and next: no turn, no run, no descriptor of the loop. */
static void
K33_polled_without_a_reactor(const char *name)
{
	struct rig rig = rig_open(name, .window = RIG_WINDOW, .wait_ms = WEIR_NEVER);
	uint64_t sent = 0, taken = 0;
	weir_msg msg;

	for (int lap = 0; lap < 200; lap++) {
		for (int i = 0; i < 50; i++)
			rig_send(rig.pub, 1000, sent++);
		while (taken < sent)
			rig_take(rig.sub, 1000, taken++);
		CHECK_EQ(weir_peek(rig.sub, &msg), 0);
	}
	CHECK_EQ(rig_sub_stats(rig.sub).delivered, 10000);
	CHECK(rig_pub_stats(rig.pub).rolls > 8);
	rig_close(&rig);
}

#define TESTS(X) \
	X(K18_peek_twice_is_the_same) \
	X(K18_next_then_peek_is_the_following) \
	X(K18_next_n_passes_the_first) \
	X(K80_a_batch_is_one_piece) \
	X(end_comes_once_per_stream) \
	X(topic_outlives_its_stream) \
	X(recv_says_what_is_there) \
	X(holds_reach_over_segments) \
	X(held_message_outlives_its_stream) \
	X(K33_polled_without_a_reactor)

TESTS(CONFORM_STAMP)
static const struct wr_test tests[] = {TESTS(CONFORM_ENTRY) TEST_END};

const struct wr_suite wr_suite_view = {
	.name = "view", .tests = tests, .labels = "concurrency"};
