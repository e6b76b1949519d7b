/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* P24: what a loop writes down, and what its readers get of it. */
#include "scheduler/trace.h"

#include "tests/lib/test.h"

#include <pthread.h>

static struct wr_trace trace;
static weir_trace_record records[2 * WEIR_TRACE_RECORDS];

/* Record n says n in each of its fields. */
static void
note(uint64_t n)
{
	wr_trace(&trace, WEIR_TRACE_MOVE, (uint32_t)(n & 0xffff), n, -(int64_t)n);
}

/* True if it is that record, whole. */
static int
is_whole(const weir_trace_record *record)
{
	uint64_t n = record->at;

	return record->kind == WEIR_TRACE_MOVE && record->consumer == n &&
		record->value == -(int64_t)n && record->from == (n & 0xffff);
}

static void
P24_the_newest_are_kept_and_the_rest_is_known(void)
{
	enum { OVER = 1000, ALL = WEIR_TRACE_RECORDS + OVER };
	size_t count;

	CHECK_EQ(wr_trace_start(&trace), 0);
	for (uint64_t n = 0; n < ALL; n++)
		note(n);
	count = wr_trace_read(&trace, 0, records, ALL);
	REQUIRE_EQ(count, WEIR_TRACE_RECORDS);
	for (size_t i = 0; i < count; i++) {
		CHECK_EQ(records[i].at, OVER + i);
		CHECK(is_whole(&records[i]));
		CHECK(i == 0 || records[i].when_ns >= records[i - 1].when_ns);
	}
	/* In pieces it is the same. */
	CHECK_EQ(wr_trace_read(&trace, OVER + 5, records, 7), 7);
	CHECK_EQ(records[0].at, OVER + 5);
	CHECK_EQ(records[6].at, OVER + 11);
	CHECK_EQ(wr_trace_read(&trace, ALL - 2, records, 7), 2);
	wr_trace_fini(&trace);
}

/* One of the oldest is being written over just when it is read. What is copied has no gap in
 * it, and the next call begins behind the gap. */
static void
P24_a_gap_is_between_two_calls(void)
{
	enum { WORDS = 5, AT = WEIR_TRACE_RECORDS + 3 };
	struct wr_lossy *ring;

	CHECK_EQ(wr_trace_start(&trace), 0);
	for (uint64_t n = 0; n < 2 * WEIR_TRACE_RECORDS; n++)
		note(n);
	ring = wr_load_relaxed(test_ring, &trace.ring);
	wr_stat_set(&ring->places[(AT & ring->mask) * WORDS], 0);
	CHECK_EQ(wr_trace_read(&trace, AT - 3, records, 9), 3);
	for (int i = 0; i < 3; i++)
		CHECK(is_whole(&records[i]) && records[i].at == AT - 3 + (uint64_t)i);
	CHECK_EQ(wr_trace_read(&trace, AT, records, 9), 9);
	CHECK(records[0].at > AT);
	for (int i = 0; i < 9; i++)
		CHECK(is_whole(&records[i]));
	wr_trace_fini(&trace);
}

static void
P24_switched_off_nothing_is_written(void)
{
	note(0);
	CHECK_EQ(wr_trace_read(&trace, 0, records, 9), 0);
	CHECK_EQ(wr_trace_start(&trace), 0);
	CHECK_EQ(wr_trace_start(&trace), 0);
	note(0);
	note(1);
	wr_trace_stop(&trace);
	note(77);
	CHECK_EQ(wr_trace_read(&trace, 0, records, 9), 2);
	/* What follows another start has the numbers that follow. */
	CHECK_EQ(wr_trace_start(&trace), 0);
	note(2);
	REQUIRE_EQ(wr_trace_read(&trace, 0, records, 9), 3);
	for (int i = 0; i < 3; i++)
		CHECK(is_whole(&records[i]));
	wr_trace_fini(&trace);
}

static void
P24_nothing_is_read_that_was_not_written(void)
{
	static const uint64_t beyond[] = {
		2, 3, WEIR_TRACE_RECORDS, UINT64_MAX / 2, UINT64_MAX - 1, UINT64_MAX};

	CHECK_EQ(wr_trace_start(&trace), 0);
	note(0);
	note(1);
	for (size_t i = 0; i < sizeof(beyond) / sizeof(*beyond); i++)
		CHECK_EQ(wr_trace_read(&trace, beyond[i], records, 9), 0);
	CHECK_EQ(wr_trace_read(&trace, 0, records, 0), 0);
	CHECK_EQ(wr_trace_read(&trace, 1, records, 9), 1);
	wr_trace_fini(&trace);
}

/* ---- read while it is written ----------------------------------------------------------------- */

enum { WRITTEN = 300000, BATCH = 64 };

static wr_a64 written;

static void *
write_all(void *arg)
{
	(void)arg;
	for (uint64_t n = 0; n < WRITTEN; n++)
		note(n);
	wr_store_release(test_written, &written, 1);
	return NULL;
}

/* What was read and what was lost is what was written, and each of them is whole. */
static void
P24_a_reader_beside_the_loop_gets_whole_records_and_knows_its_losses(void)
{
	uint64_t next = 0, read = 0, lost = 0;
	pthread_t thread;
	bool over = false;

	CHECK_EQ(wr_trace_start(&trace), 0);
	REQUIRE_EQ(pthread_create(&thread, NULL, write_all, NULL), 0);
	while (!over || next < WRITTEN) {
		size_t count;

		over = wr_load_acquire(test_written, &written) != 0;
		count = wr_trace_read(&trace, next, records, BATCH);
		for (size_t i = 0; i < count; i++) {
			if (!is_whole(&records[i]) || records[i].at != records[0].at + i)
				FAIL("record %zu of a batch is not whole", i);
		}
		if (count == 0)
			continue;
		CHECK(records[0].at >= next);
		lost += records[0].at - next;
		read += count;
		next = records[count - 1].at + 1;
	}
	pthread_join(thread, NULL);
	CHECK_EQ(read + lost, WRITTEN);
	wr_test_note("%llu read, %llu lost", (unsigned long long)read,
		(unsigned long long)lost);
	wr_trace_fini(&trace);
}

static const struct wr_test tests[] = {TEST(P24_the_newest_are_kept_and_the_rest_is_known),
	TEST(P24_a_gap_is_between_two_calls), TEST(P24_switched_off_nothing_is_written),
	TEST(P24_nothing_is_read_that_was_not_written, .labels = "input"),
	TEST(P24_a_reader_beside_the_loop_gets_whole_records_and_knows_its_losses,
		.labels = "concurrency"),
	TEST_END};
const struct wr_suite wr_suite_trace = {.name = "trace", .tests = tests};
