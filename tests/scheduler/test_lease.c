/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Of a thread and a sentinel exactly one has the loop (FEATURES N2, P33), in both forms.
 */
#include "scheduler/lease.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "tests/lib/await.h"
#include "tests/lib/test.h"

enum { ROUNDS = 300, POLLS = 2000 };

static struct wr_lease lease;

/* What the sentinel saw of a handler. */
static uint64_t
begin(void)
{
	wr_lease_begin(&lease, NULL, 100);
	return wr_lease_seen(&lease);
}

static void
N2_a_handler_that_returns_has_its_loop(void)
{
	for (int exchanges = 0; exchanges < 2; exchanges++) {
		uint64_t seen;

		wr_lease_init(&lease, exchanges);
		seen = begin();
		CHECK_EQ(seen & WR_LEASE_MASK, WR_LEASE_HANDLER);
		CHECK(wr_lease_here == &lease);
		CHECK(wr_lease_end(&lease));
		CHECK(wr_lease_here == NULL);
		/* Too late, and for another poll. */
		CHECK(!wr_lease_take(&lease, seen));
		(void)begin();
		CHECK(!wr_lease_take(&lease, seen));
		CHECK(wr_lease_end(&lease));
	}
}

static void
N2_a_loop_that_was_taken_is_not_its_threads(void)
{
	for (int exchanges = 0; exchanges < 2; exchanges++) {
		uint64_t seen;

		wr_lease_init(&lease, exchanges);
		seen = begin();
		CHECK(wr_lease_take(&lease, seen));
		CHECK(!wr_lease_end(&lease));
		/* It comes home: the next poll is like any other. */
		(void)begin();
		CHECK(wr_lease_end(&lease));
	}
}

static void
N2_a_hint_is_for_one_poll(void)
{
	uint64_t seen;

	wr_lease_init(&lease, false);
	seen = begin();
	CHECK(!wr_lease_hurries(&lease));
	wr_lease_hint(&lease, seen);
	CHECK(wr_lease_hurries(&lease));
	CHECK(wr_lease_end(&lease));
	(void)begin();
	CHECK(!wr_lease_hurries(&lease));
	CHECK(wr_lease_end(&lease));
}

/* The loop, as far as whose it is goes: a plain word. The thread sanitizer sees who touches it
 * without having it. */
static uint64_t loop;
static atomic_bool lost, ready;
static bool exchanged;

static void *
poll_until_lost(void *arg)
{
	(void)arg;
	wr_lease_init(&lease, exchanged);
	atomic_store(&ready, true);
	for (int i = 0; i < POLLS; i++) {
		loop++;
		wr_lease_begin(&lease, NULL, 100);
		if (i % 64 == 0)
			(void)sched_yield();
		if (!wr_lease_end(&lease)) {
			atomic_store(&lost, true);
			return NULL;
		}
	}
	return NULL;
}

static void
P33_one_of_two_has_the_loop(void)
{
	int taken = 0;

	for (int round = 0; round < ROUNDS; round++) {
		bool took = false;
		pthread_t thread;

		exchanged = round % 2 != 0;
		atomic_store(&lost, false);
		atomic_store(&ready, false);
		REQUIRE_EQ(pthread_create(&thread, NULL, poll_until_lost, NULL), 0);
		AWAIT(atomic_load(&ready));
		for (int look = 0; look < 200 && !took; look++) {
			uint64_t seen = wr_lease_seen(&lease);

			if ((seen & WR_LEASE_MASK) != WR_LEASE_HANDLER)
				continue;
			if (look % 3 == 0)
				wr_lease_hint(&lease, seen);
			took = wr_lease_take(&lease, seen);
			if (took)
				loop++;
		}
		REQUIRE_EQ(pthread_join(thread, NULL), 0);
		CHECK_EQ(atomic_load(&lost), took);
		taken += took;
	}
	CHECK(taken > 0);
}

static const struct wr_test tests[] = {TEST(N2_a_handler_that_returns_has_its_loop),
	TEST(N2_a_loop_that_was_taken_is_not_its_threads),
	TEST(N2_a_hint_is_for_one_poll), TEST(P33_one_of_two_has_the_loop), TEST_END};
const struct wr_suite wr_suite_lease = {
	.name = "lease", .tests = tests, .labels = "concurrency"};
