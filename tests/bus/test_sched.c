/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "bus/os/sched.h"

#include "bus/os/clock.h"
#include "tests/lib/await.h"
#include "tests/lib/test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ENOUGH_NS = 30000000 };

/* A thread that burns, or sleeps on a pipe, until it is told to end. */
struct worker {
	pthread_t thread;
	int core, nice;
	int pipe[2];
	bool sleeps;
	_Atomic uint32_t tid;
	_Atomic int over;
};

static void *
work(void *arg)
{
	struct worker *worker = arg;
	char byte;

	if (worker->core >= 0) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET((size_t)worker->core, &set);
		CHECK_EQ(pthread_setaffinity_np(pthread_self(), sizeof(set), &set), 0);
	}
	if (worker->nice)
		CHECK_EQ(setpriority(PRIO_PROCESS, wr_sched_self(), worker->nice), 0);
	worker->tid = wr_sched_self();
	while (!worker->over)
		if (worker->sleeps)
			(void)read(worker->pipe[0], &byte, 1);
	return NULL;
}

static void
start(struct worker *worker)
{
	if (worker->sleeps)
		REQUIRE_EQ(pipe(worker->pipe), 0);
	REQUIRE_EQ(pthread_create(&worker->thread, NULL, work, worker), 0);
	AWAIT(worker->tid != 0);
}

static void
end(struct worker *worker)
{
	worker->over = 1;
	if (worker->sleeps)
		CHECK_EQ(write(worker->pipe[1], "", 1), 1);
	CHECK_EQ(pthread_join(worker->thread, NULL), 0);
}

/* A core that we may use; the last of them, since tests begin at the first. */
static int
some_core(void)
{
	cpu_set_t set;
	int core = CPU_SETSIZE - 1;

	REQUIRE_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
	while (!CPU_ISSET((size_t)core, &set))
		core--;
	return core;
}

/* What the thread has run, as the kernel tells it; skips where it does not. */
static uint64_t
ran_ns(uint32_t tid)
{
	unsigned long long ran = 0, waited = 0;
	char path[64];
	FILE *file;

	(void)snprintf(
		path, sizeof(path), "/proc/%d/task/%u/schedstat", (int)getpid(), tid);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%llu %llu", &ran, &waited) != 2 || ran == 0)
		TEST_SKIP("the kernel keeps no schedstat of threads");
	(void)fclose(file);
	return ran;
}

static uint64_t
ask(struct wr_sched_probe *probe, const struct worker *worker)
{
	return wr_sched_waited(probe, (uint32_t)getpid(), worker->tid, wr_now_ns());
}

static void
spin_until(uint64_t ns)
{
	while (wr_now_ns() < ns)
		sched_yield();
}

/* Two that burn on one core: while one runs, the other one waits. */
static void
who_shares_a_core_waits_for_it(void)
{
	struct worker a = {.core = some_core()}, b = {.core = a.core};
	struct wr_sched_probe of_a = {0}, of_b = {0};
	uint64_t waited_a = 0, waited_b = 0, began;

	start(&a);
	start(&b);
	(void)ran_ns(a.tid);
	CHECK_EQ(ask(&of_a, &a), 0);
	CHECK_EQ(ask(&of_b, &b), 0);
	began = wr_now_ns();
	while (waited_a < ENOUGH_NS || waited_b < ENOUGH_NS) {
		uint64_t before_a = of_a.asked_ns, more = ask(&of_a, &a);

		/* Never more than the time since the last question. */
		CHECK(more <= of_a.asked_ns - before_a);
		waited_a += more;
		waited_b += ask(&of_b, &b);
		spin_until(wr_now_ns() + 100000);
	}
	CHECK(waited_a <= wr_now_ns() - began);
	CHECK(waited_b <= wr_now_ns() - began);
	end(&a);
	end(&b);
}

/*
 * A wait that is not over is known too: the kernel counts it only when it is. So it is asked
 * while a long one lasts, and again when it has ended, many times: what was told before
 * is not told again.
 */
static void
a_wait_is_told_once_and_while_it_lasts(void)
{
	struct worker burns = {.core = some_core()};
	struct worker waits = {.core = burns.core, .nice = 19};
	struct wr_sched_probe probe = {0};
	uint64_t waited = 0, lasting = 0, asked = 0, began;

	start(&waits);
	start(&burns);
	(void)ran_ns(burns.tid);
	(void)ask(&probe, &waits);
	began = wr_now_ns();
	for (int ended = 0; ended < 12;) {
		const struct wr_sched_probe before = probe;
		uint64_t more = ask(&probe, &waits);
		uint64_t since = probe.asked_ns - before.asked_ns;

		CHECK(more <= since);
		waited += more;
		asked += since;
		ended += probe.turns != before.turns && lasting > ENOUGH_NS / 2;
		lasting = probe.turns == before.turns ? lasting + since : 0;
		/* So rarely that the end of a wait and some running lie in one question: a
		 * kernel tells of the one at once, of the other at its tick. */
		spin_until(wr_now_ns() + 10000000);
	}
	CHECK(waited <= wr_now_ns() - began);
	CHECK(waited * 2 > asked); /* nearly all the time it is ready and does not run */
	end(&burns);
	end(&waits);
}

/*
 * Nobody runs and waits at the same time, however often it is asked: also not who has its
 * core for longer than the kernel takes to say so.
 */
static void
what_it_ran_it_did_not_wait(void)
{
	const uint64_t tick = 1000000000 / (uint64_t)sysconf(_SC_CLK_TCK);
	struct worker burns = {.core = some_core()};
	struct wr_sched_probe probe = {0};
	uint64_t waited = 0, ran = 0, began, before;

	start(&burns);
	before = ran_ns(burns.tid);
	began = wr_now_ns();
	(void)ask(&probe, &burns);
	while (ran < ENOUGH_NS * 5) {
		waited += ask(&probe, &burns);
		spin_until(wr_now_ns() + 1000000);
		ran = ran_ns(burns.tid) - before;
	}
	CHECK(waited + ran <= wr_now_ns() - began + 2 * tick);
	end(&burns);
}

static void
who_sleeps_does_not_wait(void)
{
	struct worker sleeps = {.core = -1, .sleeps = true};
	struct wr_sched_probe probe = {0};
	uint64_t ran = 0, before = 1;

	start(&sleeps);
	/* Until it has run to where it sleeps. */
	while (ran != before) {
		before = ran;
		spin_until(wr_now_ns() + 5000000);
		ran = ran_ns(sleeps.tid);
	}
	(void)ask(&probe, &sleeps);
	for (int i = 0; i < 10; i++) {
		spin_until(wr_now_ns() + 2000000);
		CHECK_EQ(ask(&probe, &sleeps), 0);
	}
	end(&sleeps);
}

/* What another thread has waited says nothing about this one. */
static void
another_thread_begins_anew(void)
{
	struct worker a = {.core = some_core()}, b = {.core = a.core};
	struct worker fresh = {.core = -1, .sleeps = true};
	struct wr_sched_probe probe = {0}, probe_b = {0};
	uint64_t waited = 0;

	start(&a);
	start(&b);
	(void)ran_ns(a.tid);
	while (waited < ENOUGH_NS)
		waited += ask(&probe, &a);
	while (ask(&probe_b, &b) == 0)
		;
	start(&fresh);
	CHECK_EQ(ask(&probe, &fresh), 0); /* it has waited less than the other one */
	spin_until(wr_now_ns() + 1000000);
	CHECK_EQ(ask(&probe, &b), 0); /* this one more */
	waited = 0;
	while (waited == 0)
		waited = ask(&probe, &b);
	end(&a);
	end(&b);
	end(&fresh);
}

/* Whatever the name of a thread is. */
static void
the_core_of_a_thread_is_known(void)
{
	static const char *const names[] = {"plain", "4 (R) S) 7 8", ") ) ) ) )"};
	struct worker burns = {.core = some_core()};

	start(&burns);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		REQUIRE_EQ(pthread_setname_np(burns.thread, names[i]), 0);
		CHECK_EQ(wr_sched_core((uint32_t)getpid(), burns.tid), burns.core);
		CHECK_EQ(wr_sched_state((uint32_t)getpid(), burns.tid), 'R');
	}
	CHECK_EQ(wr_sched_core((uint32_t)getppid(), burns.tid), -1);
	CHECK_EQ(wr_sched_state((uint32_t)getppid(), burns.tid), 0);
	end(&burns);
}

static void
of_nobody_nothing_is_known(void)
{
	struct worker a = {.core = some_core()}, b = {.core = a.core};
	struct wr_sched_probe probe = {0};
	uint32_t self = wr_sched_self();

	CHECK_EQ(self, gettid());
	start(&a);
	start(&b);
	for (int i = 0; i < 20; i++) {
		uint64_t now = wr_now_ns();

		CHECK_EQ(wr_sched_waited(&probe, (uint32_t)getpid(), 0, now), 0);
		CHECK_EQ(wr_sched_waited(&probe, 0x7ffffff0, 0x7ffffff0, now), 0);
		CHECK_EQ(wr_sched_waited(&probe, 0x7ffffff0, a.tid, now), 0);
		/* A thread of another process is none of this one. */
		CHECK_EQ(wr_sched_waited(&probe, (uint32_t)getppid(), a.tid, now), 0);
		spin_until(now + 1000000);
	}
	end(&a);
	end(&b);
}

static const struct wr_test tests[] = {TEST(who_shares_a_core_waits_for_it),
	TEST(a_wait_is_told_once_and_while_it_lasts), TEST(what_it_ran_it_did_not_wait),
	TEST(who_sleeps_does_not_wait), TEST(another_thread_begins_anew),
	TEST(the_core_of_a_thread_is_known), TEST(of_nobody_nothing_is_known), TEST_END};
const struct wr_suite wr_suite_sched = {.name = "sched", .tests = tests};
