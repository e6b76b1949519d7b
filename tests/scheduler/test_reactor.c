/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/reactor.h"

#include "bus/bell.h"
#include "tests/lib/fdleak.h"
#include "tests/lib/test.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <weir/weir.h>

enum { TASKS = 5 };

/* A task that notes when it was polled. */
struct worker {
	struct wr_task task;
	char name;
	wr_a64 work; /* what is there for it */
	int verdict;
	bool leaves; /* at its next poll */
	struct worker *expels;
};

static struct wr_reactor reactor;
static wr_a64 flag;
static char order[256];

static struct worker *
of_task(struct wr_task *task)
{
	return (struct worker *)(void *)((uint8_t *)task - offsetof(struct worker, task));
}

static int
poll_one(struct wr_task *task, int *verdict)
{
	struct worker *w = of_task(task);
	size_t len = strlen(order);

	if (len + 1 < sizeof(order))
		order[len] = w->name;
	if (w->leaves)
		wr_reactor_remove(&reactor, task);
	if (w->expels)
		wr_reactor_remove(&reactor, &w->expels->task);
	*verdict = w->verdict;
	if (wr_load_acquire(test_work, &w->work) == 0)
		return 0;
	wr_store_release(test_work, &w->work, 0);
	return 1;
}

static bool
is_ready(struct wr_task *task)
{
	return wr_load_acquire(test_work, &of_task(task)->work) != 0;
}

static bool
not_heavy(struct wr_task *task)
{
	(void)task;
	return false;
}

static void
make(struct worker *workers, unsigned count, uint32_t idle)
{
	memset(workers, 0, count * sizeof(*workers));
	memset(order, 0, sizeof(order));
	wr_store_release(test_flag, &flag, 0);
	REQUIRE_EQ(wr_reactor_init(&reactor, &flag, idle), 0);
	for (unsigned i = 0; i < count; i++) {
		workers[i].task = (struct wr_task){
			.poll = poll_one, .ready = is_ready, .heavy = not_heavy};
		workers[i].name = (char)('a' + i);
		wr_reactor_add(&reactor, &workers[i].task);
	}
}

/* How often a name was polled. */
static int
times(char name)
{
	int count = 0;

	for (const char *at = order; *at; at++)
		count += *at == name;
	return count;
}

static int
turn(void)
{
	int verdict;

	(void)wr_reactor_poll(&reactor, &verdict);
	return verdict;
}

/* ---- turns ------------------------------------------------------------------------------- */

static void
everybody_once_a_turn(void)
{
	struct worker w[TASKS];
	char first[TASKS + 1] = {0};

	make(w, TASKS, WEIR_IDLE_PARK);
	for (int i = 0; i < TASKS; i++) {
		order[0] = 0;
		memset(order, 0, sizeof(order));
		CHECK_EQ(turn(), 0);
		CHECK_EQ(strlen(order), TASKS);
		for (int k = 0; k < TASKS; k++)
			CHECK_EQ(times((char)('a' + k)), 1);
		first[i] = order[0];
	}
	/* Each begins once in as many turns. */
	for (int k = 0; k < TASKS; k++)
		CHECK(strchr(first, 'a' + k) != NULL);
	wr_reactor_fini(&reactor);
}

static void
work_is_counted(void)
{
	struct worker w[3];
	int verdict;

	make(w, 3, WEIR_IDLE_PARK);
	CHECK_EQ(wr_reactor_poll(&reactor, &verdict), 0);
	wr_store_release(test_work, &w[0].work, 1);
	wr_store_release(test_work, &w[2].work, 1);
	CHECK_EQ(wr_reactor_poll(&reactor, &verdict), 2);
	CHECK_EQ(verdict, 0);
	CHECK_EQ(wr_reactor_poll(&reactor, &verdict), 0);
	wr_reactor_fini(&reactor);
}

static void
a_verdict_ends_the_turn_and_starves_nobody(void)
{
	struct worker w[4];

	for (unsigned count = 1; count <= 4; count++) {
		make(w, count, WEIR_IDLE_PARK);
		for (unsigned i = 0; i < count; i++)
			w[i].verdict = 7;
		for (unsigned i = 0; i < 12; i++)
			CHECK_EQ(turn(), 7);
		CHECK_EQ(strlen(order), 12);
		for (unsigned i = 0; i < count; i++)
			CHECK_EQ(times((char)('a' + i)), 12 / (int)count);
		wr_reactor_fini(&reactor);
	}
}

static void
who_has_a_verdict_holds_up_nobody(void)
{
	struct worker w[3];

	make(w, 3, WEIR_IDLE_PARK);
	w[0].verdict = 7;
	for (int i = 0; i < 30; i++)
		(void)turn();
	CHECK(times('b') >= 10);
	CHECK(times('c') >= 10);
	CHECK(times('b') - times('c') <= 1 && times('c') - times('b') <= 1);
	wr_reactor_fini(&reactor);
}

static void
tasks_come_and_go(void)
{
	struct worker w[TASKS];

	make(w, TASKS, WEIR_IDLE_PARK);
	for (int gone = 0; gone < TASKS; gone++) {
		wr_reactor_remove(&reactor, &w[gone].task);
		CHECK_EQ(reactor.task_count, TASKS - 1 - gone);
		memset(order, 0, sizeof(order));
		(void)turn();
		CHECK_EQ(strlen(order), TASKS - 1 - gone);
		CHECK_EQ(times((char)('a' + gone)), 0);
	}
	CHECK(!reactor.tasks);
	(void)turn();
	wr_reactor_remove(&reactor, &w[0].task); /* it is not there */
	wr_reactor_add(&reactor, &w[3].task);
	wr_reactor_remove(&reactor, &w[0].task);
	CHECK_EQ(reactor.task_count, 1);
	memset(order, 0, sizeof(order));
	(void)turn();
	CHECK_STR(order, "d");
	wr_reactor_fini(&reactor);
}

static void
a_task_leaves_within_its_poll(void)
{
	for (int who = 0; who < 3; who++) {
		struct worker w[3];

		make(w, 3, WEIR_IDLE_PARK);
		w[who].leaves = true;
		(void)turn();
		CHECK_EQ(strlen(order), 3);
		memset(order, 0, sizeof(order));
		(void)turn();
		CHECK_EQ(strlen(order), 2);
		CHECK_EQ(times((char)('a' + who)), 0);
		wr_reactor_fini(&reactor);
	}
}

static void
a_task_expels_another(void)
{
	for (int who = 0; who < 4; who++)
		for (int whom = 0; whom < 4; whom++) {
			struct worker w[4];

			if (who == whom)
				continue;
			make(w, 4, WEIR_IDLE_PARK);
			w[who].expels = &w[whom];
			(void)turn();
			for (int k = 0; k < 4; k++)
				CHECK(k == whom || times((char)('a' + k)) >= 1);
			w[who].expels = NULL;
			memset(order, 0, sizeof(order));
			(void)turn();
			CHECK_EQ(strlen(order), 3);
			CHECK_EQ(times((char)('a' + whom)), 0);
			wr_reactor_fini(&reactor);
		}
}

/* ---- falling asleep ------------------------------------------------------------------------ */

static void
the_flag_is_odd_while_armed(void)
{
	struct worker w[2];

	make(w, 2, WEIR_IDLE_PARK);
	CHECK_EQ(wr_load_acquire(test_flag, &flag), 0);
	CHECK(wr_reactor_arm(&reactor));
	CHECK_EQ(wr_load_acquire(test_flag, &flag), 1);
	CHECK(wr_reactor_arm(&reactor)); /* armed twice is the same sleep */
	CHECK_EQ(wr_load_acquire(test_flag, &flag), 1);
	wr_reactor_disarm(&reactor);
	CHECK_EQ(wr_load_acquire(test_flag, &flag), 2);
	wr_reactor_disarm(&reactor);
	CHECK_EQ(wr_load_acquire(test_flag, &flag), 2);
	CHECK(wr_reactor_arm(&reactor));
	CHECK_EQ(wr_load_acquire(test_flag, &flag), 3);

	/* Who finds something does not sleep. */
	wr_reactor_disarm(&reactor);
	wr_store_release(test_work, &w[1].work, 1);
	CHECK(!wr_reactor_arm(&reactor));
	CHECK_EQ(wr_load_acquire(test_flag, &flag) % 2, 0);
	/* Sleeping may be about one task alone. */
	reactor.only = &w[0].task;
	CHECK(wr_reactor_arm(&reactor));
	reactor.only = &w[1].task;
	CHECK(!wr_reactor_arm(&reactor));
	wr_reactor_fini(&reactor);
}

/* Waits until the reactor sleeps, gives it work, and rings. */
struct ringer {
	struct worker *worker;
	int bell;
	bool sleeps; /* the idle policy raises the flag */
};

static void *
ring_when_asleep(void *arg)
{
	static const uint64_t one = 1;
	struct ringer *ringer = arg;

	while (ringer->sleeps && (wr_load_acquire(test_flag, &flag) & 1) == 0)
		wr_pause();
	wr_store_release(test_work, &ringer->worker->work, 1);
	CHECK_EQ(write(ringer->bell, &one, sizeof(one)), sizeof(one));
	return NULL;
}

static void
sleeps_until_rung(void)
{
	static const uint32_t policies[] = {
		WEIR_IDLE_ADAPTIVE, WEIR_IDLE_PARK, WEIR_IDLE_YIELD, WEIR_IDLE_SPIN};

	for (int i = 0; i < 4; i++) {
		struct epoll_event event = {.events = EPOLLIN | EPOLLET};
		struct worker w[2];
		struct ringer ringer = {
			.worker = &w[1], .bell = wr_bell_make(), .sleeps = i < 2};
		pthread_t thread;

		make(w, 2, policies[i]);
		REQUIRE_EQ(epoll_ctl(reactor.epoll_fd, EPOLL_CTL_ADD, ringer.bell, &event),
			0);
		for (int round = 0; round < 20; round++) {
			REQUIRE_EQ(
				pthread_create(&thread, NULL, ring_when_asleep, &ringer),
				0);
			while (!wr_reactor_idle(&reactor, WEIR_FOREVER))
				;
			pthread_join(thread, NULL);
			CHECK_EQ(wr_load_acquire(test_flag, &flag) % 2, 0);
			CHECK_EQ(turn(), 0);
			CHECK_EQ(wr_load_acquire(test_work, &w[1].work), 0);
		}
		CHECK(i >= 2 || reactor.epoch >= 40);
		CHECK(i < 2 || reactor.epoch == 0);
		wr_reactor_fini(&reactor);
		close(ringer.bell);
	}
}

static void
waits_no_longer_than_it_was_told(void)
{
	static const uint32_t policies[] = {
		WEIR_IDLE_ADAPTIVE, WEIR_IDLE_PARK, WEIR_IDLE_YIELD, WEIR_IDLE_SPIN};

	for (int i = 0; i < 4; i++) {
		struct worker w[1];

		make(w, 1, policies[i]);
		CHECK(!wr_reactor_idle(&reactor, 0));
		CHECK(!wr_reactor_idle(&reactor, 3)); /* it returns at all: the watchdog sees */
		wr_reactor_fini(&reactor);
	}
}

static void
who_was_stopped_does_not_wait(void)
{
	struct worker w[1];

	make(w, 1, WEIR_IDLE_PARK);
	wr_store_release(test_flag, &reactor.stopped, 1);
	CHECK(!wr_reactor_idle(&reactor, WEIR_FOREVER));
	wr_reactor_fini(&reactor);
}

static void *
wake_later(void *arg)
{
	struct timespec rest = {.tv_nsec = 2 * 1000 * 1000};

	(void)arg;
	nanosleep(&rest, NULL); /* so that it waits already, mostly; either way it must end */
	wr_reactor_wake(&reactor);
	return NULL;
}

/* A wake-up from elsewhere ends the wait of who never sleeps, too. */
static void
a_wake_ends_a_wait_that_never_sleeps(void)
{
	static const uint32_t policies[] = {WEIR_IDLE_YIELD, WEIR_IDLE_SPIN};

	for (int i = 0; i < 2; i++) {
		struct worker w[1];
		pthread_t thread;

		make(w, 1, policies[i]);
		REQUIRE_EQ(pthread_create(&thread, NULL, wake_later, NULL), 0);
		CHECK(!wr_reactor_idle(&reactor, 3600 * 1000));
		pthread_join(thread, NULL);
		/* Before the wait it counts for the next one, once. */
		wr_reactor_wake(&reactor);
		CHECK(!wr_reactor_idle(&reactor, 3600 * 1000));
		CHECK(!wr_reactor_idle(&reactor, 1));
		wr_reactor_fini(&reactor);
	}
}

static void
the_wait_takes_the_tokens(void)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	struct worker w[1];
	int bell = wr_bell_make();
	struct pollfd outer;
	uint64_t one = 1;

	make(w, 1, WEIR_IDLE_PARK);
	outer = (struct pollfd){.fd = reactor.epoll_fd, .events = POLLIN};
	REQUIRE_EQ(epoll_ctl(reactor.epoll_fd, EPOLL_CTL_ADD, bell, &event), 0);
	CHECK(wr_reactor_arm(&reactor));
	CHECK_EQ(poll(&outer, 1, 0), 0);
	CHECK_EQ(write(bell, &one, sizeof(one)), sizeof(one));
	CHECK_EQ(poll(&outer, 1, 0), 1);
	/* Whoever waited elsewhere has it taken here, before it looks at the tasks. */
	wr_reactor_rise(&reactor);
	CHECK_EQ(wr_load_acquire(test_flag, &flag), 2);
	CHECK_EQ(poll(&outer, 1, 0), 0);
	/* Not armed, nothing is taken: the token may be for a sleep to come. */
	CHECK_EQ(write(bell, &one, sizeof(one)), sizeof(one));
	wr_reactor_rise(&reactor);
	CHECK_EQ(poll(&outer, 1, 0), 1);
	wr_reactor_fini(&reactor);
	close(bell);
}

static void
leaves_no_descriptor(void)
{
	struct worker w[1];
	struct wr_fds before;

	wr_fds_take(&before);
	make(w, 1, WEIR_IDLE_ADAPTIVE);
	for (int i = 0; i < 3; i++)
		(void)wr_reactor_idle(&reactor, 1);
	wr_reactor_fini(&reactor);
	wr_reactor_fini(&reactor);
	CHECK_EQ(wr_fds_new(&before), 0);
}

static const struct wr_test tests[] = {TEST(everybody_once_a_turn),
	TEST(work_is_counted), TEST(a_verdict_ends_the_turn_and_starves_nobody),
	TEST(who_has_a_verdict_holds_up_nobody), TEST(tasks_come_and_go),
	TEST(a_task_leaves_within_its_poll), TEST(a_task_expels_another),
	TEST(the_flag_is_odd_while_armed),
	TEST(sleeps_until_rung, .labels = "concurrency"),
	TEST(waits_no_longer_than_it_was_told), TEST(who_was_stopped_does_not_wait),
	TEST(a_wake_ends_a_wait_that_never_sleeps, .labels = "concurrency"),
	TEST(the_wait_takes_the_tokens), TEST(leaves_no_descriptor), TEST_END};
const struct wr_suite wr_suite_reactor = {.name = "reactor", .tests = tests};
