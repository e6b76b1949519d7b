/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The publishing side: claims, their sizes and stamps, room, and the books. */
#include "tests/conform/rig.h"

#include <stdio.h>
#include <unistd.h>

/* ---- several claims open ---------------------------------------------------------------- */

/* A fixed sequence of numbers that look random. */
static uint32_t
next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 16;
}

/* After every commit exactly those are there that no open claim lies before. */
static void
commits_become_visible_in_claim_order(const char *name)
{
	struct rig rig = rig_open(name);
	uint32_t random = 7;

	for (uint64_t round = 0; round < 200; round++) {
		enum { OPEN = 16 };
		weir_claim_t claims[OPEN];
		int order[OPEN], done[OPEN] = {0}, visible = 0;
		weir_msg msg;

		for (int i = 0; i < OPEN; i++) {
			REQUIRE_EQ(weir_claim(rig.pub, 100, &claims[i]), 0);
			CHECK_EQ(claims[i].seq, round * OPEN + (uint64_t)i);
			rig_fill(claims[i].data, 100, claims[i].seq);
			order[i] = i;
		}
		for (int i = OPEN - 1; i > 0; i--) {
			int k = (int)(next_random(&random) % (uint32_t)(i + 1)),
			    was = order[i];

			order[i] = order[k];
			order[k] = was;
		}
		for (int i = 0; i < OPEN; i++) {
			REQUIRE_EQ(weir_commit(rig.pub, &claims[order[i]]), 0);
			done[order[i]] = 1;
			while (visible < OPEN && done[visible]) {
				REQUIRE_EQ(weir_peek(rig.sub, &msg), 1);
				CHECK_EQ(msg.seq, round * OPEN + (uint64_t)visible);
				rig_take(rig.sub, 100, msg.seq);
				visible++;
			}
			CHECK_EQ(weir_peek(rig.sub, &msg), 0);
		}
		CHECK_EQ(visible, OPEN);
	}
	rig_close(&rig);
}

static void
aborted_is_never_seen(const char *name)
{
	struct rig rig = rig_open(name);
	weir_claim_t claims[6];
	weir_msg msg;

	/* The last one made goes as if it had never been. */
	REQUIRE_EQ(weir_claim(rig.pub, 10, &claims[0]), 0);
	CHECK_EQ(weir_abort(rig.pub, &claims[0]), 0);
	CHECK_EQ(rig_pub_stats(rig.pub).aborted, 0);
	/* Others leave a gap in the numbers, which is counted and is no loss. */
	for (uint64_t i = 0; i < 6; i++) {
		REQUIRE_EQ(weir_claim(rig.pub, 10 * i, &claims[i]), 0);
		CHECK_EQ(claims[i].seq, i);
		rig_fill(claims[i].data, 10 * i, i);
	}
	CHECK_EQ(weir_commit(rig.pub, &claims[4]), 0);
	CHECK_EQ(weir_abort(rig.pub, &claims[0]), 0);
	CHECK_EQ(weir_commit(rig.pub, &claims[5]), 0);
	CHECK_EQ(weir_abort(rig.pub, &claims[3]), 0);
	CHECK_EQ(weir_commit(rig.pub, &claims[1]), 0);
	CHECK_EQ(weir_abort(rig.pub, &claims[2]), 0);
	for (int n = 0; n < 6; n++) {
		if (n == 0 || n == 2 || n == 3)
			continue;
		REQUIRE_EQ(weir_peek(rig.sub, &msg), 1);
		CHECK_EQ(msg.seq, n);
		CHECK_EQ(msg.lost, 0);
		rig_take(rig.sub, (size_t)n * 10, (uint64_t)n);
	}
	CHECK_EQ(weir_peek(rig.sub, &msg), 0);
	CHECK_EQ(rig_pub_stats(rig.pub).aborted, 3);
	CHECK_EQ(rig_sub_stats(rig.sub).aborted, 3);
	CHECK_EQ(rig_sub_stats(rig.sub).lost, 0);
	rig_close(&rig);
}

static void
a_claim_is_closed_once(const char *name)
{
	struct rig rig = rig_open(name);
	weir_claim_t claim, copy;
	weir_msg msg;

	REQUIRE_EQ(weir_claim(rig.pub, 32, &claim), 0);
	copy = claim;
	/* It cannot grow, and stays open when that is tried. */
	claim.len = 33;
	CHECK_EQ(weir_commit(rig.pub, &claim), -WEIR_E_USAGE_CLAIM);
	claim.len = 32;
	rig_fill(claim.data, 32, 0);
	CHECK_EQ(weir_commit(rig.pub, &claim), 0);
	CHECK_EQ(weir_commit(rig.pub, &claim), -WEIR_E_USAGE_CLAIM);
	CHECK_EQ(weir_commit(rig.pub, &copy), -WEIR_E_USAGE_CLAIM);
	CHECK_EQ(weir_abort(rig.pub, &copy), -WEIR_E_USAGE_CLAIM);
	rig_take(rig.sub, 32, 0);
	CHECK_EQ(weir_peek(rig.sub, &msg), 0);
	CHECK_EQ(rig_pub_stats(rig.pub).published, 1);
	rig_close(&rig);
}

/* Shorter by anything from nothing to all, with and without a claim behind it. */
static void
shorter_commits(const char *name)
{
	struct rig rig = rig_open(name, .max_message = 1024);
	uint64_t n = 0;

	for (size_t cut = 0; cut <= 1024; cut += 13) {
		for (int behind = 0; behind < 2; behind++) {
			weir_claim_t claim, next;

			REQUIRE_EQ(weir_claim(rig.pub, 1024, &claim), 0);
			if (behind)
				REQUIRE_EQ(weir_claim(rig.pub, 64, &next), 0);
			rig_fill(claim.data, 1024 - cut, n);
			claim.len = 1024 - cut;
			REQUIRE_EQ(weir_commit(rig.pub, &claim), 0);
			rig_take(rig.sub, 1024 - cut, n++);
			if (behind) {
				rig_fill(next.data, 64, n);
				REQUIRE_EQ(weir_commit(rig.pub, &next), 0);
				rig_take(rig.sub, 64, n++);
			}
			rig_send(rig.pub, 8, n);
			rig_take(rig.sub, 8, n++);
		}
	}
	CHECK_EQ(rig_sub_stats(rig.sub).bytes, rig_pub_stats(rig.pub).bytes);
	CHECK_EQ(rig_sub_stats(rig.sub).delivered, n);
	rig_close(&rig);
}

static void
claims_by_the_dozen(const char *name)
{
	struct rig rig = rig_open(name, .wait_ms = WEIR_NEVER);
	weir_claim_t claims[WEIR_CLAIMS_MAX + 1];
	uint64_t n = 0;
	weir_msg msg;

	for (size_t count = 1; count <= WEIR_CLAIMS_MAX; count++) {
		REQUIRE_EQ(weir_claim_n(rig.pub, count * 9, claims, count), 0);
		for (size_t i = 0; i < count; i++) {
			CHECK_EQ(claims[i].seq, n + i);
			CHECK_EQ(claims[i].len, count * 9);
			rig_fill(claims[i].data, count * 9, n + i);
		}
		CHECK_EQ(weir_peek(rig.sub, &msg), 0);
		REQUIRE_EQ(weir_commit_n(rig.pub, claims, count), 0);
		for (size_t i = 0; i < count; i++)
			rig_take(rig.sub, count * 9, n++);
	}
	/* All or none: too many, and too many beside one that is open. */
	CHECK_EQ(weir_claim_n(rig.pub, 1, claims, WEIR_CLAIMS_MAX + 1),
		-WEIR_E_AGAIN_CLAIMS);
	REQUIRE_EQ(weir_claim(rig.pub, 1, &claims[WEIR_CLAIMS_MAX]), 0);
	CHECK_EQ(weir_claim_n(rig.pub, 1, claims, WEIR_CLAIMS_MAX), -WEIR_E_AGAIN_CLAIMS);
	CHECK_EQ(weir_claim_n(rig.pub, 1, claims, WEIR_CLAIMS_MAX - 1), 0);
	CHECK_EQ(weir_claim(rig.pub, 1, &claims[0]), -WEIR_E_AGAIN_CLAIMS);
	CHECK_EQ(weir_pub_why(rig.pub)->code, WEIR_E_AGAIN_CLAIMS);
	CHECK_EQ(weir_abort(rig.pub, &claims[WEIR_CLAIMS_MAX]), 0);
	rig_close(&rig);
}

/* ---- sizes and places ------------------------------------------------------------------------ */

static void
sizes_of(const char *name, size_t max)
{
	struct rig rig = rig_open(name, .max_message = max, .wait_ms = WEIR_NEVER);
	const size_t sizes[] = {0, 1, 15, 16, 17, max / 2, max - 1, max};
	weir_claim_t claim;

	for (uint64_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		rig_send(rig.pub, sizes[i], i);
		rig_take(rig.sub, sizes[i], i);
		CHECK_EQ(weir_claim(rig.pub, max + 1, &claim), -WEIR_E_USAGE_TOOBIG);
	}
	CHECK_EQ(weir_claim(rig.pub, SIZE_MAX, &claim), -WEIR_E_USAGE_TOOBIG);
	CHECK_EQ(weir_claim_n(rig.pub, max + 1, &claim, 1), -WEIR_E_USAGE_TOOBIG);
	CHECK_EQ(weir_pub_why(rig.pub)->code, WEIR_E_USAGE_TOOBIG);
	CHECK(strstr(weir_pub_why(rig.pub)->differs, "'t'") != NULL);
	/* Nothing has changed. */
	rig_send(rig.pub, max, 99);
	rig_take(rig.sub, max, 99);
	CHECK_EQ(rig_pub_stats(rig.pub).published, 9);
	rig_close(&rig);
}

static void
sizes_from_nothing_to_the_largest(const char *name)
{
	sizes_of(name, 64);
	sizes_of(name, 1000);
	sizes_of(name, WEIR_MESSAGE_DEFAULT);
	sizes_of(name, 1 << 20);
	sizes_of(name, (1 << 20) + 1);
}

/* The largest message there is; more of them than the window holds. */
static void
messages_of_64_mib(const char *name)
{
	struct rig rig =
		rig_open(name, .max_message = WEIR_MESSAGE_MAX, .wait_ms = WEIR_NEVER);
	weir_claim_t claim;
	weir_msg msg;

	for (uint64_t n = 0; n < 6; n++) {
		uint64_t *words;

		REQUIRE_EQ(weir_claim(rig.pub, WEIR_MESSAGE_MAX, &claim), 0);
		words = claim.data;
		for (size_t i = 0; i < WEIR_MESSAGE_MAX / 8; i += 512)
			words[i] = n << 32 | i;
		words[WEIR_MESSAGE_MAX / 8 - 1] = n;
		REQUIRE_EQ(weir_commit(rig.pub, &claim), 0);
		REQUIRE_EQ(weir_peek(rig.sub, &msg), 1);
		REQUIRE_EQ(msg.len, WEIR_MESSAGE_MAX);
		words = (uint64_t *)(uintptr_t)msg.data;
		for (size_t i = 0; i < WEIR_MESSAGE_MAX / 8; i += 512)
			if (words[i] != (n << 32 | i))
				FAIL("word %zu of message %llu is wrong", i,
					(unsigned long long)n);
		CHECK_EQ(words[WEIR_MESSAGE_MAX / 8 - 1], n);
		REQUIRE_EQ(weir_next(rig.sub), 0);
	}
	CHECK_EQ(weir_claim(rig.pub, (size_t)WEIR_MESSAGE_MAX + 1, &claim),
		-WEIR_E_USAGE_TOOBIG);
	rig_close(&rig);
}

static void
payloads_are_aligned(const char *name)
{
	for (size_t align = 16; align <= WEIR_ALIGN_MAX; align *= 2) {
		struct rig rig = rig_open(name, .align = align, .max_message = 5000);

		for (uint64_t n = 0; n < 200; n++) {
			size_t len = (size_t)(n * 37 % 5001);
			weir_claim_t claim;
			weir_msg msg;

			REQUIRE_EQ(weir_claim(rig.pub, len, &claim), 0);
			CHECK_EQ((uintptr_t)claim.data % align, 0);
			rig_fill(claim.data, len, n);
			REQUIRE_EQ(weir_commit(rig.pub, &claim), 0);
			REQUIRE_EQ(weir_peek(rig.sub, &msg), 1);
			CHECK_EQ((uintptr_t)msg.data % align, 0);
			rig_take(rig.sub, len, n);
		}
		rig_close(&rig);
	}
}

/* ---- time -------------------------------------------------------------------------------------- */

enum { STAMP_NS = 1000 }; /* as near to CLOCK_MONOTONIC as the header promises */

static void
time_of_commit(const char *name)
{
	struct rig rig = rig_open(name);
	uint64_t last = 0, outside = 0;

	for (int n = 0; n < 2000; n++) {
		uint64_t before = weir_now_ns(), after;
		weir_msg msg;

		rig_send(rig.pub, 8, (uint64_t)n);
		after = weir_now_ns();
		REQUIRE_EQ(weir_peek(rig.sub, &msg), 1);
		outside += msg.time_ns + STAMP_NS < before ||
			msg.time_ns > after + STAMP_NS;
		CHECK(msg.time_ns >= last);
		last = msg.time_ns;
		REQUIRE_EQ(weir_next(rig.sub), 0);
	}
	CHECK_EQ(outside, 0);
	rig_close(&rig);
}

static void
one_time_for_a_batch_or_none(const char *name)
{
	struct rig batch = rig_open(name, .stamp = WEIR_STAMP_BATCH);
	weir_claim_t claims[20];
	weir_msg msgs[20];
	uint64_t before = weir_now_ns(), after;
	weir_bus *bus = rig_bus(name);
	weir_pub *off = weir_advertise(bus, "off", .stamp = WEIR_STAMP_OFF);
	weir_sub *sub = weir_subscribe(bus, "off");

	REQUIRE_EQ(weir_claim_n(batch.pub, 8, claims, 20), 0);
	REQUIRE_EQ(weir_commit_n(batch.pub, claims, 20), 0);
	after = weir_now_ns();
	REQUIRE_EQ(weir_peek_n(batch.sub, msgs, 20), 20);
	for (int i = 0; i < 20; i++)
		CHECK_EQ(msgs[i].time_ns, msgs[0].time_ns);
	CHECK(msgs[0].time_ns + STAMP_NS >= before && msgs[0].time_ns <= after + STAMP_NS);
	/* More than the pace is looked at after, so that it is not a matter of luck. */
	for (int n = 0; n < 200; n++) {
		rig_send(off, 8, (uint64_t)n);
		REQUIRE_EQ(weir_peek(sub, msgs), 1);
		CHECK_EQ(msgs[0].time_ns, 0);
		REQUIRE_EQ(weir_next(sub), 0);
	}
	CHECK_EQ(weir_close(bus), 0);
	rig_close(&batch);
}

/* ---- room ---------------------------------------------------------------------------------------- */

/* Who does not read is named, at once or after the deadline; what was refused has changed
 * nothing; and room is there again as soon as a segment was read. */
static void
full_names_the_blocker(const char *name)
{
	static const int32_t waits[] = {WEIR_NEVER, 30};

	for (int i = 0; i < 2; i++) {
		weir_bus *a = rig_bus(name);
		weir_bus *b = weir_open(name, .node = "sleepyhead", .attach_ms = 600000,
			.flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET);
		weir_pub *pub = weir_advertise(
			a, "t", .window = RIG_WINDOW, .wait_ms = waits[i]);
		weir_sub *sub = weir_subscribe(b, "t", .policy = WEIR_BLOCK);
		weir_sub *reads = weir_subscribe(a, "t");
		char pid[32];
		uint64_t sent = 0, began, full;
		weir_claim_t claim;
		int rc;

		snprintf(pid, sizeof(pid), "sleepyhead[%d]", (int)getpid());
		CHECK_EQ(weir_wait_subscribers(pub, 2, WEIR_FOREVER), 2);
		for (;;) {
			began = weir_now_ns();
			rc = weir_claim(pub, 50000, &claim);
			if (rc < 0)
				break;
			rig_fill(claim.data, 50000, sent);
			REQUIRE_EQ(weir_commit(pub, &claim), 0);
			rig_take(reads, 50000, sent++);
		}
		CHECK_EQ(rc, -WEIR_E_AGAIN_FULL);
		if (waits[i] > 0)
			CHECK(weir_now_ns() - began >= 30 * 1000000ull);
		CHECK_EQ(weir_pub_why(pub)->code, WEIR_E_AGAIN_FULL);
		CHECK(strstr(weir_pub_why(pub)->text, "'t'") != NULL);
		CHECK(strstr(weir_pub_why(pub)->text, "1 of 2 subscribers") != NULL);
		CHECK(strstr(weir_pub_why(pub)->text, pid) != NULL);
		CHECK_EQ(sent, rig_pub_stats(pub).published);
		CHECK((sent + 1) * 50000 > rig_pub_stats(pub).window_bytes / 2);
		full = sent;
		CHECK_EQ(weir_claim(pub, 50000, &claim), -WEIR_E_AGAIN_FULL);
		CHECK_EQ(rig_pub_stats(pub).published, full);
		for (uint64_t n = 0; n < full; n++)
			rig_take(sub, 50000, n);
		rig_send(pub, 50000, sent);
		rig_take(sub, 50000, sent);
		rig_take(reads, 50000, sent);
		CHECK_EQ(weir_close(a), 0);
		CHECK_EQ(weir_close(b), 0);
	}
}

/* An open claim of one's own keeps its segment too, and is not called a reader. */
static void
own_claim_in_the_way(const char *name)
{
	struct rig rig = rig_open(name, .window = RIG_WINDOW, .wait_ms = WEIR_NEVER);
	weir_claim_t oldest, claim;
	uint64_t sent = 1;
	weir_msg msg;
	int rc;

	REQUIRE_EQ(weir_claim(rig.pub, 100, &oldest), 0);
	rig_fill(oldest.data, 100, 0);
	while ((rc = weir_claim(rig.pub, 50000, &claim)) == 0) {
		rig_fill(claim.data, 50000, sent++);
		REQUIRE_EQ(weir_commit(rig.pub, &claim), 0);
	}
	CHECK_EQ(rc, -WEIR_E_AGAIN_CLAIMS);
	CHECK_EQ(weir_peek(rig.sub, &msg), 0);
	CHECK_EQ(weir_commit(rig.pub, &oldest), 0);
	rig_take(rig.sub, 100, 0);
	for (uint64_t n = 1; n < sent; n++)
		rig_take(rig.sub, 50000, n);
	rig_send(rig.pub, 50000, sent);
	rig_take(rig.sub, 50000, sent);
	rig_close(&rig);
}

/* ---- the books ------------------------------------------------------------------------------------- */

/* Every claim is either published or aborted, and at rest every reader has seen, of what
 * was claimed, exactly that; each side counts on its own. */
static void
books_are_exact_at_rest(const char *name)
{
	struct rig rig = rig_open(name, .window = RIG_WINDOW);
	weir_sub *second = weir_subscribe(rig.a, ">");
	uint64_t published = 0, aborted = 0, bytes = 0, claimed = 0;
	uint32_t random = 1;
	weir_pub_stats p;
	weir_msg msg;

	CHECK_EQ(weir_wait_subscribers(rig.pub, 2, WEIR_FOREVER), 2);
	for (int round = 0; round < 3000; round++) {
		size_t len = next_random(&random) % 3000;
		weir_claim_t claims[3];

		REQUIRE_EQ(weir_claim_n(rig.pub, len, claims, 3), 0);
		claimed += 3;
		/* The last of them is committed, so that an abort leaves its number. */
		for (int i = 0; i < 2; i++) {
			if (next_random(&random) % 4 == 0) {
				CHECK_EQ(weir_abort(rig.pub, &claims[i]), 0);
				aborted++;
				continue;
			}
			claims[i].len = len / 2;
			bytes += len / 2;
			CHECK_EQ(weir_commit(rig.pub, &claims[i]), 0);
			published++;
		}
		CHECK_EQ(weir_commit(rig.pub, &claims[2]), 0);
		published++;
		bytes += len;
		while (weir_peek(rig.sub, &msg) == 1)
			CHECK_EQ(weir_next(rig.sub), 0);
		while (weir_peek(second, &msg) == 1)
			CHECK_EQ(weir_next(second), 0);
	}
	p = rig_pub_stats(rig.pub);
	CHECK_EQ(p.published, published);
	CHECK_EQ(p.aborted, aborted);
	CHECK_EQ(p.bytes, bytes);
	CHECK_EQ(p.published + p.aborted, claimed);
	CHECK_EQ(msg.seq, claimed - 1);
	for (int i = 0; i < 2; i++) {
		weir_sub_stats s = rig_sub_stats(i ? second : rig.sub);

		CHECK_EQ(s.delivered + s.lost, published);
		CHECK_EQ(s.lost, 0);
		CHECK_EQ(s.aborted, aborted);
		CHECK_EQ(s.bytes, bytes);
		CHECK_EQ(s.held, 0);
		CHECK_EQ(s.streams, 1);
		CHECK_EQ(s.refused, 0);
	}
	CHECK(aborted > 0 && p.rolls > 8);
	rig_close(&rig);
}

/* What a queue was asked for is what it says of itself at run time. */
static void
K35_properties_at_run_time(const char *name)
{
	static const size_t sizes[] = {0, 100, 64 << 10, 1 << 20, 8 << 20};
	static const size_t windows[] = {0, 1, 32u << 20, 100u << 20};

	for (int i = 0; i < 5; i++) {
		for (int k = 0; k < 4; k++) {
			weir_bus *bus = rig_bus(name);
			weir_pub *pub = weir_advertise(bus, "t",
				.max_message = sizes[i], .window = windows[k]);
			size_t max = sizes[i] ? sizes[i] : WEIR_MESSAGE_DEFAULT;
			size_t window = windows[k] ? windows[k] : WEIR_WINDOW_DEFAULT;
			weir_pub_stats s = rig_pub_stats(pub);
			weir_sub *sub;

			CHECK(s.publisher != 0);
			CHECK(s.segment_bytes >= (max > 1 << 20 ? max : 4 * max));
			CHECK(s.segment_bytes >= 256 << 10);
			CHECK(s.window_bytes >= window);
			CHECK(s.window_bytes >= 4ull * s.segment_bytes);
			CHECK(s.window_bytes < window + s.segment_bytes ||
				s.window_bytes == 4ull * s.segment_bytes);
			CHECK(s.region_bytes > s.window_bytes);
			CHECK(s.reserved_bytes <= s.region_bytes);
			CHECK_EQ(s.subscribers, 0);
			sub = weir_subscribe(bus, "t");
			CHECK_EQ(weir_wait_subscribers(pub, 1, WEIR_FOREVER), 1);
			CHECK_EQ(rig_pub_stats(pub).subscribers, 1);
			CHECK_EQ(rig_sub_stats(sub).streams, 1);
			rig_send(pub, max, 1);
			rig_take(sub, max, 1);
			CHECK_EQ(rig_pub_stats(pub).bytes, max);
			CHECK_EQ(weir_close(bus), 0);
		}
	}
}

#define TESTS(X) \
	X(commits_become_visible_in_claim_order) \
	X(aborted_is_never_seen) \
	X(a_claim_is_closed_once) \
	X(shorter_commits) \
	X(claims_by_the_dozen) \
	X(sizes_from_nothing_to_the_largest) \
	X(messages_of_64_mib) \
	X(payloads_are_aligned) \
	X(time_of_commit) \
	X(one_time_for_a_batch_or_none) \
	X(full_names_the_blocker) \
	X(own_claim_in_the_way) \
	X(books_are_exact_at_rest) \
	X(K35_properties_at_run_time)

TESTS(CONFORM_STAMP)
static const struct wr_test tests[] = {TESTS(CONFORM_ENTRY) TEST_END};

const struct wr_suite wr_suite_claim = {
	.name = "claim", .tests = tests, .labels = "concurrency", .watchdog_s = 120};
