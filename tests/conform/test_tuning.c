/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What a bus asks of the kernel: each option is applied, refused or unsupported, and told so.
 * Row P22. */
#include "tests/conform/rig.h"
#include "tests/lib/refuse.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <weir/conf.h>

enum { MOST = 8 };

/* What the bus says of the option; asked for, or the test ends. */
static weir_tuning
of_option(weir_bus *bus, const char *option)
{
	weir_tuning tunings[MOST];
	int count = weir_tunings(bus, tunings, sizeof(tunings[0]), MOST);

	REQUIRE(count > 0 && count <= MOST);
	for (int i = 0; i < count; i++)
		if (strcmp(tunings[i].option, option) == 0)
			return tunings[i];
	FAIL("nothing is said of %s", option);
	wr_test_end();
}

static void
check_outcome(weir_bus *bus, const char *option, enum weir_outcome outcome, int64_t asked)
{
	static const char *const words[] = {"", "applied", "refused", "unsupported"};
	weir_tuning tuning = of_option(bus, option);

	CHECK_EQ(tuning.outcome, outcome);
	CHECK_EQ(tuning.asked, asked);
	CHECK_EQ(tuning.os != 0, outcome != WEIR_APPLIED);
	CHECK(strstr(tuning.text, option) == tuning.text);
	CHECK(strstr(tuning.text, words[outcome]) != NULL);
}

/* Those that were asked for, in their order; what nobody asked for is not there. */
static void
P22_each_option_is_told(const char *name)
{
	static const char *const options[] = {
		"core", "timers_core", "large_pages", "slack_ns", "nice", "realtime"};
	weir_tuning tunings[MOST];
	uint32_t core = 0;
	cpu_set_t before;
	weir_bus *bus = rig_bus(name);

	CHECK_EQ(weir_tunings(bus, tunings, sizeof(tunings[0]), MOST), 0);
	CHECK_EQ(weir_close(bus), 0);
	REQUIRE_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
	while (!CPU_ISSET(core, &before))
		core++;
	bus = weir_open(name, .core = core + 1, .timers_core = WEIR_CORE_ANY,
		.large_pages = 1, .realtime = 1, .nice = 3, .slack_ns = 70000,
		.flags = WEIR_BUS_QUIET);
	REQUIRE_EQ(weir_why(bus)->code, 0);
	REQUIRE_EQ(weir_tunings(bus, tunings, sizeof(tunings[0]), MOST), 6);
	for (int i = 0; i < 6; i++) {
		CHECK_STR(tunings[i].option, options[i]);
		CHECK(tunings[i].outcome >= WEIR_APPLIED &&
			tunings[i].outcome <= WEIR_UNSUPPORTED);
		CHECK_EQ(tunings[i].os == 0, tunings[i].outcome == WEIR_APPLIED);
		wr_test_note("%s", tunings[i].text);
	}
	check_outcome(bus, "core", WEIR_APPLIED, core + 1);
	check_outcome(bus, "timers_core", WEIR_APPLIED, WEIR_CORE_ANY);
	check_outcome(bus, "nice", WEIR_APPLIED, 3);
	check_outcome(bus, "slack_ns", WEIR_APPLIED, 70000);
	/* And it is so. */
	CHECK_EQ((sched_getscheduler(0) & ~SCHED_RESET_ON_FORK) == SCHED_FIFO,
		of_option(bus, "realtime").outcome == WEIR_APPLIED);
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 3);
	CHECK_EQ(weir_tunings(bus, tunings, sizeof(tunings[0]), 2), 6);
	CHECK_EQ(weir_tunings(bus, tunings, 1, MOST), -WEIR_E_USAGE_SIZE);
	CHECK_EQ(weir_tunings(bus, NULL, sizeof(tunings[0]), 1), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_close(bus), 0);
}

/* A user without rights: the bus opens without what it may not have, and says so. */
static void
P22_what_is_refused_is_left_out(void)
{
	const struct rlimit none = {0, 0};
	int policy = sched_getscheduler(0);
	weir_bus *bus;

	REQUIRE_EQ(setrlimit(RLIMIT_RTPRIO, &none), 0);
	REQUIRE_EQ(setrlimit(RLIMIT_NICE, &none), 0);
	if (geteuid() == 0)
		REQUIRE_EQ(setresuid(65534, 65534, 65534), 0);
	/* Within the process: a runtime directory of ours is not that user's. */
	bus = weir_open("inproc:bus", .realtime = 50, .nice = -10, .slack_ns = 1000,
		.flags = WEIR_BUS_QUIET);
	REQUIRE_EQ(weir_why(bus)->code, 0);
	check_outcome(bus, "realtime", WEIR_REFUSED, 50);
	check_outcome(bus, "nice", WEIR_REFUSED, -10);
	check_outcome(bus, "slack_ns", WEIR_APPLIED, 1000);
	CHECK_EQ(prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0), 1000);
	CHECK_EQ(sched_getscheduler(0), policy);
	CHECK(getpriority(PRIO_PROCESS, 0) >= 0);
	CHECK_EQ(weir_close(bus), 0);
}

/* A kernel that has no such call. */
static void
P22_what_is_not_there_is_told_apart(const char *name)
{
	weir_bus *bus;

	refuse_call(SYS_sched_setscheduler, ENOSYS);
	bus = weir_open(name, .realtime = 1, .flags = WEIR_BUS_QUIET);
	REQUIRE_EQ(weir_why(bus)->code, 0);
	check_outcome(bus, "realtime", WEIR_UNSUPPORTED, 1);
	CHECK_EQ(weir_close(bus), 0);
}

/* Whether the kernel gives large pages or not: what is published arrives, through moves to
 * fresh regions too, and how much lies in them is told. */
static void
P22_streams_in_large_pages(const char *name)
{
	weir_bus *a = weir_open(name, .large_pages = 1, .attach_ms = 600000,
		.flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET);
	weir_bus *b = rig_bus(name);
	weir_pub_stats stats;
	weir_pub *pub;
	weir_sub *sub;

	REQUIRE_EQ(weir_why(a)->code, 0);
	pub = weir_advertise(a, "t", .window = 8 << 20);
	sub = weir_subscribe(b, "t", .policy = WEIR_BLOCK);
	REQUIRE_EQ(weir_pub_why(pub)->code, 0);
	REQUIRE_EQ(weir_wait_subscribers(pub, 1, WEIR_FOREVER), 1);
	for (uint64_t n = 0; n < 400; n++) {
		rig_send(pub, 60000, n);
		if (n >= 90)
			rig_take(sub, 60000, n - 90);
	}
	stats = rig_pub_stats(pub);
	CHECK_EQ(stats.large_bytes > 0,
		of_option(a, "large_pages").outcome == WEIR_APPLIED);
	CHECK(stats.large_bytes <= stats.reserved_bytes);
	CHECK(stats.reserved_bytes <= stats.region_bytes);
	for (uint64_t n = 310; n < 400; n++)
		rig_take(sub, 60000, n);
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), 0);
}

static void
P22_what_no_kernel_grants_is_refused_by_name(const char *name)
{
	static const struct {
		weir_bus_opts opts;
		const char *says;
	} wrong[] = {{{.realtime = 100}, "realtime 100"}, {{.nice = 20}, "nice 20"},
		{{.nice = -21}, "nice -21"}, {{.large_pages = 2}, "large_pages 2"}};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		weir_bus_opts opts = wrong[i].opts;
		weir_bus *bus;

		opts.size = sizeof(opts);
		opts.name = name;
		opts.flags = WEIR_BUS_QUIET;
		bus = weir_open_(&opts);
		CHECK_EQ(weir_why(bus)->code, WEIR_E_USAGE_INVAL);
		CHECK(strstr(weir_why(bus)->text, wrong[i].says) != NULL);
		CHECK_EQ(weir_close(bus), 2);
	}
}

/* clang-format off */
#define TESTS(X) \
	X(P22_each_option_is_told) \
	X(P22_what_is_not_there_is_told_apart) X(P22_streams_in_large_pages) \
	X(P22_what_no_kernel_grants_is_refused_by_name)
/* clang-format on */

TESTS(CONFORM_STAMP)

static const struct wr_test tests[] = {
	TESTS(CONFORM_ENTRY) TEST(P22_what_is_refused_is_left_out), TEST_END};
const struct wr_suite wr_suite_tuning = {.name = "tuning", .tests = tests};
