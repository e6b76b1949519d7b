/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Waiting for descriptors: what is promised, of each back end. Row K42. */
#include "bus/os/poller.h"

#include "bus/bell.h"
#include "tests/lib/fdleak.h"
#include "tests/lib/test.h"
#include "tests/lib/waiter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FOREVER_MS = 3600 * 1000 };

static struct wr_poller poller;
static void *heard[256];

static void
open_as(enum wr_io io)
{
	REQUIRE_EQ(wr_poller_init(&poller, io), 0);
	CHECK_STR(wr_poller_name(&poller), io == WR_IO_POLL ? "poll" : "epoll");
}

/* Waits until something is heard, however long that takes. */
static int
listen(int most)
{
	int count;

	do
		count = wr_poller_wait(&poller, heard, most, FOREVER_MS);
	while (count == 0);
	return count;
}

/* What is heard now, without waiting: the second look is behind whatever was added. */
static int
look(void)
{
	(void)wr_poller_wait(&poller, heard, 0, 0);
	return wr_poller_wait(&poller, heard, 256, 0);
}

static void
ring(int fd)
{
	static const uint64_t one = 1;

	CHECK_EQ(write(fd, &one, sizeof(one)), sizeof(one));
}

/* As long as it can be read it is heard again; not before, and not after. */
static void
a_level_is_heard_as_long_as_it_lasts(enum wr_io io)
{
	int ends[2], mark;
	char byte;

	open_as(io);
	REQUIRE_EQ(pipe(ends), 0);
	CHECK_EQ(wr_poller_add(&poller, ends[0], WR_CAN_READ, &mark), 0);
	CHECK_EQ(look(), 0);
	CHECK_EQ(write(ends[1], "w", 1), 1);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(listen(8), 1);
		CHECK(heard[0] == &mark);
	}
	CHECK_EQ(read(ends[0], &byte, 1), 1);
	CHECK_EQ(look(), 0);
	close(ends[1]);
	CHECK_EQ(listen(8), 1); /* hung up */
	CHECK(wr_poller_remove(&poller, ends[0]));
	CHECK(!wr_poller_remove(&poller, ends[0]));
	CHECK_EQ(look(), 0);
	close(ends[0]);
	wr_poller_fini(&poller);
}

static void
room_to_write_is_heard(enum wr_io io)
{
	int ends[2], mark;
	char chunk[4096] = {0};

	open_as(io);
	REQUIRE_EQ(pipe2(ends, O_NONBLOCK), 0);
	while (write(ends[1], chunk, sizeof(chunk)) > 0)
		;
	CHECK_EQ(wr_poller_add(&poller, ends[1], WR_CAN_WRITE, &mark), 0);
	CHECK_EQ(look(), 0);
	while (read(ends[0], chunk, sizeof(chunk)) > 0)
		;
	CHECK_EQ(listen(8), 1);
	CHECK(wr_poller_remove(&poller, ends[1]));
	close(ends[0]);
	close(ends[1]);
	wr_poller_fini(&poller);
}

/* Once for all that was written since, whoever does not read it. */
static void
a_token_is_heard_once(enum wr_io io)
{
	int fd = wr_bell_make(), mark;

	open_as(io);
	CHECK_EQ(wr_poller_add(&poller, fd, WR_TOKEN, &mark), 0);
	CHECK_EQ(look(), 0);
	for (int i = 0; i < 3; i++) {
		ring(fd);
		ring(fd);
		CHECK_EQ(listen(8), 1);
		CHECK(heard[0] == &mark);
		CHECK_EQ(look(), 0);
	}
	CHECK(wr_poller_remove(&poller, fd));
	ring(fd);
	CHECK_EQ(look(), 0);
	close(fd);
	wr_poller_fini(&poller);
}

static void
wrong_ones_are_refused(enum wr_io io)
{
	FILE *file = tmpfile();
	int fd = wr_bell_make(), mark;

	open_as(io);
	REQUIRE(file != NULL);
	CHECK_EQ(wr_poller_add(&poller, fileno(file), WR_CAN_READ, &mark),
		WR_POLLER_ALWAYS);
	CHECK_EQ(wr_poller_add(&poller, -1, WR_CAN_READ, &mark), -1);
	CHECK_EQ(errno, EBADF);
	CHECK_EQ(wr_poller_add(&poller, fd, WR_TOKEN, &mark), 0);
	CHECK_EQ(wr_poller_add(&poller, fd, WR_TOKEN, &mark), -1);
	CHECK_EQ(errno, EEXIST);
	CHECK_EQ(look(), 0);
	wr_poller_fini(&poller);
	wr_poller_fini(&poller);
	close(fd);
	(void)fclose(file);
}

/* More of them are ready than a wait takes: each is heard in its turn. */
static void
nobody_is_passed_over(enum wr_io io)
{
	enum { MANY = 150 };
	int fds[MANY], times[MANY] = {0};

	open_as(io);
	for (int i = 0; i < MANY; i++) {
		int ends[2];

		REQUIRE_EQ(pipe(ends), 0);
		close(ends[1]); /* hung up: ready for ever */
		fds[i] = ends[0];
		REQUIRE_EQ(wr_poller_add(&poller, fds[i], WR_CAN_READ, &times[i]), 0);
	}
	for (int waits = 0; waits < 60; waits++) {
		int count = listen(10);

		CHECK(count <= 10);
		for (int i = 0; i < count; i++)
			++*(int *)heard[i];
	}
	for (int i = 0; i < MANY; i++) {
		CHECK(times[i] >= 2);
		close(fds[i]);
	}
	wr_poller_fini(&poller);
}

/* ---- from other threads --------------------------------------------------------------------- */

static int bell_fd;
static struct wr_thread_look waiter;

static void *
add_and_ring(void *arg)
{
	await_waiter(&waiter);
	CHECK_EQ(wr_poller_add(&poller, bell_fd, WR_TOKEN, arg), 0);
	ring(bell_fd);
	return NULL;
}

static void
what_is_added_in_a_wait_is_heard_by_it(enum wr_io io)
{
	for (int round = 0; round < 20; round++) {
		pthread_t thread;
		int mark;

		open_as(io);
		bell_fd = wr_bell_make();
		wr_thread_look_init(&waiter);
		REQUIRE_EQ(pthread_create(&thread, NULL, add_and_ring, &mark), 0);
		CHECK_EQ(listen(8), 1);
		CHECK(heard[0] == &mark);
		pthread_join(thread, NULL);
		CHECK(wr_poller_remove(&poller, bell_fd));
		close(bell_fd);
		wr_poller_fini(&poller);
	}
}

static bool over;

/* Comes and goes under the eyes of who waits; its number is a pipe's then, with a word in it
 * that is for somebody else. */
static void *
come_and_go(void *arg)
{
	for (int i = 0; i < 2000; i++) {
		int fd = wr_bell_make(), ends[2];
		char word[8];

		CHECK_EQ(wr_poller_add(&poller, fd, WR_TOKEN, arg), 0);
		ring(fd);
		CHECK(wr_poller_remove(&poller, fd));
		close(fd);
		REQUIRE_EQ(pipe(ends), 0);
		CHECK_EQ(write(ends[1], "8 bytes", 8), 8);
		CHECK_EQ(read(ends[0], word, 8), 8);
		CHECK_STR(word, "8 bytes");
		close(ends[0]);
		close(ends[1]);
	}
	__atomic_store_n(&over, true, __ATOMIC_RELEASE);
	ring(bell_fd);
	return NULL;
}

static void
what_is_removed_is_not_touched(enum wr_io io)
{
	pthread_t thread;
	int mark, end;

	over = false;
	open_as(io);
	bell_fd = wr_bell_make();
	CHECK_EQ(wr_poller_add(&poller, bell_fd, WR_TOKEN, &end), 0);
	REQUIRE_EQ(pthread_create(&thread, NULL, come_and_go, &mark), 0);
	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE))
		(void)wr_poller_wait(&poller, heard, 8, FOREVER_MS);
	pthread_join(thread, NULL);
	close(bell_fd);
	wr_poller_fini(&poller);
}

static unsigned
one_more(void *ctx, struct pollfd *fds, unsigned room)
{
	CHECK(room > 300);
	fds[0] = (struct pollfd){.fd = *(int *)ctx, .events = POLLIN};
	return 1;
}

/* By poll(2) others may be named when the wait begins; they end it, and are not touched. */
static void
K42_others_end_a_wait_by_poll(void)
{
	uint64_t token;
	int fd = wr_bell_make();

	open_as(WR_IO_POLL);
	wr_poller_hear_also(&poller, one_more, &fd);
	CHECK_EQ(look(), 0);
	ring(fd);
	CHECK_EQ(wr_poller_wait(&poller, heard, 8, FOREVER_MS), 0);
	CHECK_EQ(read(fd, &token, sizeof(token)), sizeof(token));
	wr_poller_fini(&poller);
	close(fd);
}

static void
leaves_no_descriptor(enum wr_io io)
{
	struct wr_fds before;

	wr_fds_take(&before);
	open_as(io);
	(void)look();
	wr_poller_fini(&poller);
	CHECK_EQ(wr_fds_new(&before), 0);
}

/* clang-format off */
#define TESTS(X) \
	X(a_level_is_heard_as_long_as_it_lasts) X(room_to_write_is_heard) \
	X(a_token_is_heard_once) X(wrong_ones_are_refused) X(nobody_is_passed_over) \
	X(what_is_added_in_a_wait_is_heard_by_it) X(what_is_removed_is_not_touched) \
	X(leaves_no_descriptor)
#define STAMP(fn) \
	static void K42_##fn##_by_epoll(void) { fn(WR_IO_EPOLL); } \
	static void K42_##fn##_by_poll(void) { fn(WR_IO_POLL); }
#define ENTRY(fn) TEST(K42_##fn##_by_epoll), TEST(K42_##fn##_by_poll),
/* clang-format on */

TESTS(STAMP)

static const struct wr_test tests[] = {
	TESTS(ENTRY) TEST(K42_others_end_a_wait_by_poll), TEST_END};
const struct wr_suite wr_suite_poller = {
	.name = "poller", .tests = tests, .labels = "concurrency"};
