/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* On which core a thread runs. Rows P22, N2. */
#include "bus/os/core.h"

#include "bus/os/clock.h"
#include "tests/lib/await.h"
#include "tests/lib/test.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>

/* Each core that there is for us, by its number, and no other: whatever the number, a set of
 * cores is large enough for it. */
static void
P22_a_thread_is_bound_to_a_core_of_any_number(void)
{
	static const unsigned numbers[] = {
		0, 1, 63, 64, 65, 255, 1023, 1024, 1025, 4096, WR_CORES_MAX - 1};
	cpu_set_t before, now;

	REQUIRE_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		bool ours = numbers[i] < CPU_SETSIZE && CPU_ISSET(numbers[i], &before);

		CHECK_EQ(wr_core_bind(pthread_self(), numbers[i]), ours ? 0 : EINVAL);
		REQUIRE_EQ(sched_getaffinity(0, sizeof(now), &now), 0);
		CHECK(ours ? CPU_COUNT(&now) == 1 && CPU_ISSET(numbers[i], &now)
			   : CPU_EQUAL(&now, &before));
		REQUIRE_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
	}
	CHECK_EQ(wr_core_bind(pthread_self(), WR_CORES_MAX), EINVAL);
	CHECK_EQ(wr_core_bind(pthread_self(), (unsigned)-1), EINVAL);
}

enum { KEPT_NS = 20000000 };

/* Keeps its core to itself, as a hypervisor might, for a while from when it is told to. */
struct keeper {
	unsigned core;
	_Atomic bool there, keeps, over;
};

static void *
keep(void *arg)
{
	struct keeper *keeper = arg;
	uint64_t until_ns;

	CHECK_EQ(wr_core_bind(pthread_self(), keeper->core), 0);
	keeper->there = true;
	while (!keeper->keeps)
		;
	until_ns = wr_now_ns() + KEPT_NS;
	while (wr_now_ns() < until_ns)
		;
	keeper->over = true;
	return NULL;
}

/* Who comes to visit a core has been on it when it goes: not before who keeps it lets go. And
 * it may then run wherever it might before. */
static void
N2_who_visits_a_core_has_been_there(void)
{
	const struct sched_param rank = {.sched_priority = 1};
	struct keeper keeper = {0};
	cpu_set_t before, now;
	pthread_attr_t attr;
	pthread_t thread;
	unsigned cores = 0;

	REQUIRE_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
	for (unsigned core = 0; core < CPU_SETSIZE; core++) {
		if (!CPU_ISSET(core, &before))
			continue;
		CHECK_EQ(wr_core_visit(core), 0);
		keeper.core = core;
		cores++;
	}
	CHECK_EQ(wr_core_visit(WR_CORES_MAX), EINVAL);
	REQUIRE_EQ(sched_getaffinity(0, sizeof(now), &now), 0);
	CHECK(CPU_EQUAL(&now, &before));
	if (cores < 2)
		TEST_SKIP("there is one core only");
	pthread_attr_init(&attr);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &rank);
	/* From a core that is not kept. */
	CPU_CLR(keeper.core, &now);
	REQUIRE_EQ(sched_setaffinity(0, sizeof(now), &now), 0);
	if (pthread_create(&thread, &attr, keep, &keeper) != 0)
		TEST_SKIP("no thread may have a core to itself");
	AWAIT(keeper.there);
	keeper.keeps = true;
	CHECK_EQ(wr_core_visit(keeper.core), 0);
	CHECK(keeper.over);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	REQUIRE_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
}

static const struct wr_test tests[] = {TEST(P22_a_thread_is_bound_to_a_core_of_any_number),
	TEST(N2_who_visits_a_core_has_been_there), TEST_END};
const struct wr_suite wr_suite_core = {.name = "core", .tests = tests};
