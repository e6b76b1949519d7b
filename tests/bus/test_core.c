/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* On which core a thread runs. Row P22. */
#include "bus/os/core.h"

#include "tests/lib/test.h"

#include <errno.h>
#include <sched.h>

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

static const struct wr_test tests[] = {
	TEST(P22_a_thread_is_bound_to_a_core_of_any_number), TEST_END};
const struct wr_suite wr_suite_core = {.name = "core", .tests = tests};
