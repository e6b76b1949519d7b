/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/os/clock.h"

#include "tests/lib/child.h"
#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define HOUR_NS ((uint64_t)3600 * 1000 * 1000 * 1000)

enum { STAMPS = 1000 * 1000 };

static int
ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/*
 * Stamps between two readings of CLOCK_MONOTONIC: a stamp is wrong by as much as it lies
 * outside of them, however long the thread was kept from running in between.
 */
static void
bracket(struct wr_clock *clock, uint64_t *wrong, int count)
{
	uint64_t last = 0;
	int backwards = 0;

	for (int i = 0; i < count; i++) {
		uint64_t before = wr_now_ns();
		uint64_t stamp = wr_clock_now(clock);
		uint64_t after = wr_now_ns();

		wrong[i] = stamp < before ? before - stamp
			: stamp > after   ? stamp - after
					  : 0;
		backwards += stamp < last;
		last = stamp;
	}
	CHECK_EQ(backwards, 0);
}

static void
judge(const struct wr_clock *clock, uint64_t *wrong, int count)
{
	int outside = 0;

	qsort(wrong, (size_t)count, sizeof(*wrong), ascending);
	for (int i = 0; i < count; i++)
		outside += wrong[i] >= 1000;
	wr_test_note("%s: p50 %llu ns, p99.9 %llu ns, worst %llu ns, %d of %d beyond 1 us",
		clock->plain ? "clock_gettime" : "counter",
		(unsigned long long)wrong[count / 2],
		(unsigned long long)wrong[(size_t)count * 999 / 1000],
		(unsigned long long)wrong[count - 1], outside, count);
	CHECK(wrong[count / 2] < 1000);
	CHECK(wrong[(size_t)count * 999 / 1000] < 1000);
}

static void
stays_within_a_microsecond(void)
{
	static uint64_t wrong[STAMPS];
	struct wr_clock clock;

	wr_clock_init(&clock);
	bracket(&clock, wrong, STAMPS);
	judge(&clock, wrong, STAMPS);
}

/* A fresh clock knows the counter least. */
static void
is_right_from_the_start(void)
{
	enum { CLOCKS = 200, EACH = 500 };
	static uint64_t wrong[CLOCKS * EACH];
	struct wr_clock clock;

	for (int i = 0; i < CLOCKS; i++) {
		wr_clock_init(&clock);
		bracket(&clock, wrong + i * EACH, EACH);
	}
	judge(&clock, wrong, CLOCKS * EACH);
}

/* Pauses of every length lie between messages; the clock is idle meanwhile. */
static void
is_right_after_a_pause(void)
{
	enum { ROUNDS = 300 };
	static uint64_t wrong[ROUNDS * 10];
	struct wr_clock clock;

	wr_clock_init(&clock);
	for (int i = 0; i < ROUNDS; i++) {
		struct timespec pause = {.tv_nsec = (1 + i * 37 % 3000) * 1000};

		nanosleep(&pause, NULL);
		bracket(&clock, wrong + i * 10, 10);
	}
	judge(&clock, wrong, ROUNDS * 10);
}

/* A clock that uses the counter, to be tampered with. */
static struct wr_clock *
running(void)
{
	static struct wr_clock clock;

	wr_clock_init(&clock);
	if (clock.plain)
		TEST_SKIP("the tick counter of this machine is not used");
	for (int i = 0; i < 1000; i++)
		wr_clock_now(&clock);
	return &clock;
}

/* The first measurement is short, and may have been disturbed. */
static void
learns_the_counter(void)
{
	static uint64_t wrong[100000];
	struct wr_clock *clock = running();
	uint64_t began;

	/* As if it had been wrong by 1 in 400: 2.5 us in each millisecond. */
	wr_clock_init(clock);
	clock->scale += clock->scale / 400;
	began = wr_now_ns();
	while (wr_now_ns() - began < 5000000)
		wr_clock_now(clock);
	bracket(clock, wrong, 100000);
	judge(clock, wrong, 100000);
	CHECK(!clock->plain);
}

static void
asks_the_kernel_each_millisecond(void)
{
	struct wr_clock *clock = running();
	uint64_t began = wr_now_ns(), oldest = 0;

	while (wr_now_ns() - began < 50000000) {
		uint64_t age = wr_clock_now(clock) - clock->anchor_ns;

		oldest = age > oldest ? age : oldest;
	}
	wr_test_note(
		"the oldest anchor was %llu us old", (unsigned long long)oldest / 1000);
	CHECK(oldest > 0);
	CHECK(oldest <= 1010000);
}

static void
kernel_clock_is_the_kernel_s(void)
{
	struct timespec t;
	uint64_t before, now;

	clock_gettime(CLOCK_MONOTONIC, &t);
	before = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	now = wr_now_ns();
	clock_gettime(CLOCK_MONOTONIC, &t);
	CHECK(before <= now);
	CHECK(now <= (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec);
}

static void
gives_the_counter_up_when_it_differs(void)
{
	static uint64_t wrong[1000];
	struct wr_clock *clock = running();

	/* As if the anchor had been 50 us off. */
	clock->anchor_ns -= 50000;
	/* A reading that was interrupted says nothing; the next one does. */
	for (int i = 0; i < 1000 && !clock->plain; i++)
		wr_clock_anchor(clock);
	CHECK(clock->plain);
	CHECK_EQ(clock->span_ticks, 0);
	bracket(clock, wrong, 1000);
	judge(clock, wrong, 1000);
	CHECK_EQ(wrong[999], 0);
}

static void
keeps_the_counter_for_a_small_difference(void)
{
	struct wr_clock *clock = running();

	clock->anchor_ns -= 2000;
	wr_clock_anchor(clock);
	CHECK(!clock->plain);
}

static void
never_runs_backwards(void)
{
	struct wr_clock *clock = running();
	uint64_t now, told;

	/* As if it had run far ahead, and the next anchor set it right. */
	told = wr_clock_now(clock);
	clock->last_ns = told + HOUR_NS;
	CHECK_EQ(wr_clock_now(clock), told + HOUR_NS);
	CHECK_EQ(wr_clock_anchor(clock), told + HOUR_NS);
	CHECK_EQ(wr_clock_now(clock), told + HOUR_NS);
	/* Time that has passed it goes on. */
	clock->last_ns = told + 500000;
	while (wr_clock_now(clock) == told + 500000)
		;
	CHECK(wr_clock_now(clock) > told + 500000);

	/* A counter that jumps back takes a new anchor, and time goes on. */
	told = wr_clock_now(clock);
	clock->anchor_ticks += 100;
	for (int i = 0; i < 1000; i++) {
		now = wr_clock_now(clock);
		CHECK(now >= told);
		told = now;
	}
}

static void
forgets_a_long_pause(void)
{
	static uint64_t wrong[20000];
	struct wr_clock *clock = running();

	/* As if the machine had slept for an hour: the counter went on, the clock not. */
	clock->anchor_ns -= HOUR_NS;
	clock->base_ns = clock->anchor_ns;
	wr_clock_anchor(clock);
	CHECK(!clock->plain);
	bracket(clock, wrong, 20000);
	judge(clock, wrong, 20000);
}

static void
counter_is_fatal(struct wr_outcome *out, void *arg)
{
	struct wr_clock clock;

	(void)arg;
	if (prctl(PR_SET_TSC, PR_TSC_SIGSEGV) != 0)
		_exit(99);
	wr_clock_init(&clock);
	/* The C library's own clock reads the counter too, and would fall into the trap. */
	prctl(PR_SET_TSC, PR_TSC_ENABLE);
	out->value[0] = clock.plain;
	out->value[1] = (int64_t)wr_clock_now(&clock);
}

static void
sandbox_may_forbid_the_counter(void)
{
	struct wr_outcome out = wr_in_child(counter_is_fatal, NULL);

	if (out.status == 99)
		TEST_SKIP("this machine cannot forbid its counter");
	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.value[0], 1);
	CHECK(out.value[1] > 0);
}

static const struct wr_test tests[] = {
	TEST(stays_within_a_microsecond),
	TEST(is_right_from_the_start),
	TEST(is_right_after_a_pause),
	TEST(learns_the_counter),
	TEST(asks_the_kernel_each_millisecond),
	TEST(kernel_clock_is_the_kernel_s),
	TEST(gives_the_counter_up_when_it_differs),
	TEST(keeps_the_counter_for_a_small_difference),
	TEST(never_runs_backwards),
	TEST(forgets_a_long_pause),
	TEST(sandbox_may_forbid_the_counter),
	TEST_END,
};
const struct wr_suite wr_suite_clock = {.name = "clock", .tests = tests};
