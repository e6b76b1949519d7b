/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/bell.h"

#include "tests/lib/fdleak.h"
#include "tests/lib/test.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>

/* A sleeper's side: an epoll set that watches the bell's edges. */
static int
watch(int fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int set = epoll_create1(EPOLL_CLOEXEC);

	REQUIRE(set >= 0);
	REQUIRE_EQ(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), 0);
	return set;
}

static bool
token(int set)
{
	struct epoll_event event;

	return epoll_wait(set, &event, 1, 0) == 1;
}

static void
a_ring_is_one_token(void)
{
	struct wr_bell bell;
	int fd = wr_bell_make(), set;

	wr_bell_init(&bell);
	set = watch(fd);
	wr_bell_set(&bell, fd);
	CHECK(!token(set));
	wr_bell_ring(&bell);
	CHECK(token(set));
	CHECK(!token(set));
	wr_bell_ring(&bell);
	wr_bell_ring(&bell);
	CHECK(token(set));
	CHECK(!token(set));
	wr_bell_set(&bell, -1);
	close(set);
}

/* A counter that nobody ever reads fills up after 2^64 rings; a full one still rings. */
static void
a_full_bell_still_rings(void)
{
	static const uint64_t nearly = UINT64_MAX - 1;
	struct wr_bell bell;
	int fd = wr_bell_make(), set;

	wr_bell_init(&bell);
	set = watch(fd);
	wr_bell_set(&bell, fd);
	REQUIRE_EQ(write(fd, &nearly, sizeof(nearly)), sizeof(nearly));
	wr_bell_ring(&bell); /* does not wait */
	CHECK(token(set));
	wr_bell_set(&bell, -1);
	close(set);
}

static void
an_epoch_is_rung_once(void)
{
	struct wr_bell bell;
	int fd = wr_bell_make(), set;

	wr_bell_init(&bell);
	set = watch(fd);
	wr_bell_set(&bell, fd);
	CHECK(wr_bell_ring_epoch(&bell, 1));
	CHECK(token(set));
	CHECK(!wr_bell_ring_epoch(&bell, 1));
	CHECK(!token(set));
	CHECK(wr_bell_ring_epoch(&bell, 5));
	CHECK(token(set));
	wr_bell_set(&bell, -1);
	close(set);
}

static void *
ring(void *arg)
{
	uint64_t rang = 0;

	for (uint64_t epoch = 1; epoch < 20001; epoch += 2)
		rang += wr_bell_ring_epoch(arg, epoch);
	return (void *)(uintptr_t)rang;
}

/* Publishers of one process share a node's bell: together they ring an epoch at least once. */
static void
ringers_share_a_book(void)
{
	struct wr_bell bell;
	pthread_t threads[2];
	uint64_t rang = 0;

	wr_bell_init(&bell);
	for (int i = 0; i < 2; i++)
		REQUIRE_EQ(pthread_create(&threads[i], NULL, ring, &bell), 0);
	for (int i = 0; i < 2; i++) {
		void *count;

		pthread_join(threads[i], &count);
		rang += (uint64_t)(uintptr_t)count;
	}
	CHECK(rang >= 10000 && rang <= 20000);
}

static void
silent_without_a_descriptor(void)
{
	struct wr_bell bell;
	struct wr_fds before;

	wr_fds_take(&before);
	wr_bell_init(&bell);
	wr_bell_ring(&bell);
	CHECK(wr_bell_ring_epoch(&bell, 1));
	wr_bell_set(&bell, wr_bell_make());
	/* A new descriptor is another sleeper: nothing was rung for it. */
	CHECK(wr_bell_ring_epoch(&bell, 1));
	wr_bell_set(&bell, wr_bell_make());
	wr_bell_set(&bell, -1);
	wr_bell_set(&bell, -1);
	CHECK_EQ(wr_fds_new(&before), 0);
}

static const struct wr_test tests[] = {TEST(a_ring_is_one_token),
	TEST(a_full_bell_still_rings), TEST(an_epoch_is_rung_once),
	TEST(ringers_share_a_book, .labels = "concurrency"),
	TEST(silent_without_a_descriptor), TEST_END};
const struct wr_suite wr_suite_bell = {.name = "bell", .tests = tests};
