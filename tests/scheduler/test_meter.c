/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "scheduler/meter.h"

#include "tests/lib/test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum { MS = 1000000, LIMIT = MS };

static struct wr_meter meter;
static struct wr_task tasks[WR_METER_GROUP];

static void
make(void)
{
	memset(tasks, 0, sizeof(tasks));
	wr_meter_init(&meter, LIMIT);
}

static void
spin_ns(uint64_t ns)
{
	uint64_t until_ns = wr_now_ns() + ns;

	while (wr_now_ns() < until_ns)
		;
}

/* A turn in which each is polled once; the one that takes long, if any. */
static void
turn(int slow, uint64_t ns)
{
	wr_meter_open(&meter);
	for (int i = 0; i < WR_METER_GROUP; i++) {
		if (i == slow)
			spin_ns(ns);
		if (wr_meter_count(&meter, &tasks[i]))
			(void)wr_meter_close(&meter);
	}
}

static unsigned
suspects(void)
{
	unsigned count = 0;

	for (int i = 0; i < WR_METER_GROUP; i++)
		count += tasks[i].measured > 0;
	return count;
}

static void
who_was_in_a_group_that_took_too_long_is_suspect(void)
{
	int turns = 0;

	make();
	while (suspects() == 0) {
		turn(3, 2 * MS);
		turns++;
	}
	CHECK(turns <= 16);
	CHECK(tasks[3].measured > 0 && tasks[3].measured <= WR_METER_MEASURED);
}

/* A thread that is thrown off its core for long may look like that: not all of many tries. */
static void
quick_polls_make_no_suspects(void)
{
	int clean = 0;

	for (int try = 0; try < 100; try++) {
		make();
		for (int i = 0; i < 32; i++)
			turn(-1, 0);
		clean += suspects() == 0;
	}
	CHECK(clean >= 50);
}

/* What passes while the reactor waits is nobody's time. */
static void
a_pause_is_nobodys(void)
{
	make();
	for (int i = 0; i < 16; i++) {
		wr_meter_open(&meter);
		(void)wr_meter_count(&meter, &tasks[0]);
		wr_meter_pause(&meter);
		spin_ns(2 * MS);
	}
	CHECK_EQ(suspects(), 0);
	CHECK_EQ(meter.began_ns, 0);
}

/* Of one that wakes up for one poll each time a part is seen. */
static void
who_sleeps_between_is_seen_too(void)
{
	int wakes = 0;

	make();
	while (suspects() == 0 && wakes < 100) {
		wr_meter_open(&meter);
		spin_ns(2 * MS);
		(void)wr_meter_count(&meter, &tasks[0]);
		wr_meter_pause(&meter);
		wakes++;
	}
	CHECK(wakes <= WR_METER_GROUP);
}

static void
who_has_left_is_not_touched(void)
{
	make();
	while (meter.count == 0)
		(void)(wr_meter_open(&meter), wr_meter_count(&meter, &tasks[0]));
	wr_meter_forget(&meter, &tasks[0]);
	(void)wr_meter_count(&meter, &tasks[1]);
	spin_ns(2 * MS);
	(void)wr_meter_close(&meter);
	CHECK_EQ(tasks[0].measured, 0);
	CHECK(tasks[1].measured > 0);
}

/* ---- one poll --------------------------------------------------------------------------- */

static void
work_and_sleep_count(void)
{
	struct timespec rest = {.tv_nsec = 3 * MS};
	struct wr_meter_start start;

	make();
	wr_meter_begin(&meter, &start);
	nanosleep(&rest, NULL);
	CHECK(wr_meter_end(&meter, &start) >= 3 * MS);
	wr_meter_begin(&meter, &start);
	while (wr_now_ns() < start.wall_ns + 200 * MS)
		; /* more than what other threads of the machine take of it */
	CHECK(wr_meter_end(&meter, &start) >= 3 * MS);
}

static _Atomic int over;

static void *
burn(void *arg)
{
	CHECK_EQ(sched_setaffinity(0, sizeof(cpu_set_t), arg), 0);
	while (!over)
		;
	return NULL;
}

/* Two on one core: the half that the other one had does not count. */
static void
P1_waiting_for_a_core_does_not_count(void)
{
	struct wr_meter_start start;
	pthread_t thread;
	cpu_set_t all, one;
	uint64_t took_ns = 0, wall_ns = 1;
	int core = CPU_SETSIZE - 1;

	make();
	REQUIRE_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
	while (!CPU_ISSET((size_t)core, &all))
		core--;
	CPU_ZERO(&one);
	CPU_SET((size_t)core, &one);
	over = 0;
	REQUIRE_EQ(pthread_create(&thread, NULL, burn, &one), 0);
	REQUIRE_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
	for (int i = 0; i < 50 && took_ns * 10 >= wall_ns * 9; i++) {
		wr_meter_begin(&meter, &start);
		while (wr_now_ns() < start.wall_ns + 50 * MS)
			;
		took_ns = wr_meter_end(&meter, &start);
		wall_ns = wr_now_ns() - start.wall_ns;
	}
	CHECK(took_ns * 10 < wall_ns * 9);
	over = 1;
	pthread_join(thread, NULL);
	REQUIRE_EQ(sched_setaffinity(0, sizeof(all), &all), 0);
}

static const struct wr_test tests[] = {
	TEST(who_was_in_a_group_that_took_too_long_is_suspect),
	TEST(quick_polls_make_no_suspects), TEST(a_pause_is_nobodys),
	TEST(who_sleeps_between_is_seen_too), TEST(who_has_left_is_not_touched),
	TEST(work_and_sleep_count), TEST(P1_waiting_for_a_core_does_not_count), TEST_END};
const struct wr_suite wr_suite_meter = {.name = "meter", .tests = tests};
