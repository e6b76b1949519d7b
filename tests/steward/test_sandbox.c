/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A whole bus where epoll is not to be had: it is asked for poll(2), or a sandbox refuses
 * epoll. Row K42. */
#include "tests/lib/refuse.h"
#include "tests/steward/puppet.h"

#include <errno.h>
#include <linux/audit.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <weir/conf.h>
#include <weir/loop.h>

/* From here on this process, and what it starts, has no epoll. */
static void
refuse_epoll(void)
{
	refuse_call(SYS_epoll_create1, EPERM);
	REQUIRE_EQ(epoll_create1(0), -1);
}

/* Messages both ways, with waits in between that nothing but a bell ends; a window that is
 * full; a death that is seen. */
static void
two_processes_talk(const char *how)
{
	struct wr_proc a, b;

	puppet_start(&a, "open 0 bus %s", how);
	puppet_start(&b, "open 0 bus");
	puppet_ok(&b, "sub 0 0 imu block");
	puppet_ok(&a, "sub 1 0 odo");
	for (int round = 0; round < 5; round++) {
		puppet_ok(&a, "pub 0 0 imu max=1024 window=65536 wait=-1");
		puppet_tell(&b, "ends 0 1"); /* asleep, mostly, when it comes */
		CHECK_EQ(puppet_number(&a, "send 0 20000"), 20000);
		CHECK_EQ(puppet_number(&a, "unpub 0"), 0);
		CHECK_STR(puppet_hear(&b), "20000 in order");
		puppet_ok(&b, "pub 0 0 odo");
		CHECK_EQ(puppet_number(&b, "send 0 10"), 10);
		CHECK_EQ(puppet_number(&b, "unpub 0"), 0);
		CHECK_STR(puppet_ask(&a, "ends 1 1"), "10 in order");
	}
	wr_proc_kill(&b);
	CHECK(strncmp(puppet_ask(&a, "event 0 NODE_DIED"), "NODE_DIED", 9) == 0);
	CHECK_STR(puppet_ask(&a, "close 0"), "closed 0");
	puppet_end(&a);
}

static void
K42_two_processes_by_poll(void)
{
	REQUIRE_EQ(setenv("WEIR_IO", "poll", 1), 0);
	two_processes_talk("");
}

static void
K42_two_processes_by_poll_without_a_thread(void)
{
	REQUIRE_EQ(setenv("WEIR_IO", "poll", 1), 0);
	two_processes_talk("nothread");
}

static void
K42_two_processes_where_epoll_is_refused(void)
{
	refuse_epoll();
	two_processes_talk("");
}

static uint64_t
io_of(weir_bus *bus)
{
	weir_loop_stats stats = {.size = sizeof(stats)};

	CHECK_EQ(weir_loop_get_stats(bus, &stats), 0);
	return stats.io;
}

/* The program asks, the operator has the last word, and what is in force is told. */
static void
K42_it_is_a_choice(void)
{
	static const struct {
		uint32_t asked;
		const char *said;
		uint64_t io;
	} choices[] = {{WEIR_IO_AUTO, NULL, WEIR_IO_EPOLL},
		{WEIR_IO_EPOLL, NULL, WEIR_IO_EPOLL}, {WEIR_IO_POLL, NULL, WEIR_IO_POLL},
		{WEIR_IO_EPOLL, "poll", WEIR_IO_POLL},
		{WEIR_IO_POLL, "epoll", WEIR_IO_EPOLL},
		{WEIR_IO_POLL, "auto", WEIR_IO_EPOLL}};
	weir_bus *bus;

	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
		(void)unsetenv("WEIR_IO");
		if (choices[i].said)
			REQUIRE_EQ(setenv("WEIR_IO", choices[i].said, 1), 0);
		for (int k = 0; k < 2; k++) {
			bus = weir_open(k ? "inproc:bus" : "bus", .io = choices[i].asked);
			REQUIRE_EQ(weir_why(bus)->code, 0);
			CHECK_EQ(io_of(bus), choices[i].io);
			CHECK_EQ(weir_fd(bus) >= 0, choices[i].io == WEIR_IO_EPOLL);
			CHECK(weir_fd(bus) >= 0 || weir_fd(bus) == -WEIR_E_ENV_NOSYS);
			/* Once open, it stays what it is. */
			REQUIRE_EQ(setenv("WEIR_IO", "poll", 1), 0);
			CHECK_EQ(weir_tiers(bus, "", NULL), 0);
			CHECK_EQ(io_of(bus), choices[i].io);
			CHECK_EQ(weir_close(bus), 0);
			(void)unsetenv("WEIR_IO");
			if (choices[i].said)
				REQUIRE_EQ(setenv("WEIR_IO", choices[i].said, 1), 0);
		}
	}
	(void)unsetenv("WEIR_IO");
	bus = weir_open("bus", .io = 3, .flags = WEIR_BUS_QUIET);
	CHECK_EQ(weir_why(bus)->code, WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_close(bus), 2);
	REQUIRE_EQ(setenv("WEIR_IO", "select", 1), 0);
	bus = weir_open("bus", .flags = WEIR_BUS_QUIET);
	CHECK_EQ(weir_why(bus)->code, WEIR_E_USAGE_INVAL);
	CHECK_STR(weir_why(bus)->text, "WEIR_IO is 'select'");
	CHECK_STR(weir_why(bus)->differs, "auto, epoll or poll is possible");
	CHECK_EQ(weir_close(bus), 2);
}

/* By name it is refused, and why is told; else poll(2) takes its place. */
static void
K42_what_is_refused_is_told(void)
{
	weir_bus *bus;

	refuse_epoll();
	bus = weir_open("bus", .io = WEIR_IO_EPOLL, .flags = WEIR_BUS_QUIET);
	CHECK_EQ(weir_why(bus)->code, WEIR_E_ENV_NOSYS);
	CHECK(strstr(weir_why(bus)->text, "epoll") != NULL);
	CHECK_EQ(weir_close(bus), 1);
	bus = weir_open("bus");
	REQUIRE_EQ(weir_why(bus)->code, 0);
	CHECK_EQ(io_of(bus), WEIR_IO_POLL);
	CHECK_EQ(weir_close(bus), 0);
}

static const struct wr_test tests[] = {
	TEST(K42_two_processes_by_poll, .labels = "concurrency"),
	TEST(K42_two_processes_by_poll_without_a_thread, .labels = "concurrency"),
	TEST(K42_two_processes_where_epoll_is_refused), TEST(K42_it_is_a_choice),
	TEST(K42_what_is_refused_is_told), TEST_END};
const struct wr_suite wr_suite_sandbox = {
	.name = "sandbox", .tests = tests, .watchdog_s = 120};
