/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Handles belong to one thread of one process: another thread, or a forked child, is told
 * so and does nothing; what is handed over works as before.
 */
#include <weir/weir.h>

#include "tests/lib/child.h"
#include "tests/lib/proc.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"
#include "tests/steward/puppet.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FLAGS = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET };

struct handles {
	weir_bus *bus;
	weir_pub *pub;
	weir_sub *sub;
	weir_claim_t claim;
};

static void
open_handles(struct handles *h, const char *name, unsigned flags)
{
	h->bus = weir_open(name, .flags = FLAGS | flags);
	h->sub = weir_subscribe(h->bus, "imu");
	h->pub = weir_advertise(h->bus, "imu");
	REQUIRE_EQ(weir_why(h->bus)->code, 0);
	REQUIRE_EQ(weir_send(h->pub, "one", 3), 0);
	REQUIRE_EQ(weir_claim(h->pub, 3, &h->claim), 0);
}

/* How many of all calls answer with something else than this. */
static int
differ(struct handles *h, int rc)
{
	weir_pub_stats pub_stats = {.size = sizeof(pub_stats)};
	weir_sub_stats sub_stats = {.size = sizeof(sub_stats)};
	weir_claim_t claim;
	weir_event event;
	weir_msg msg = {0};
	char buf[8];
	int wrong = 0;

	wrong += weir_turn(h->bus, 0) != rc;
	wrong += weir_run(h->bus) != rc;
	wrong += weir_fd(h->bus) != rc;
	wrong += weir_arm(h->bus) != rc;
	wrong += weir_ok(h->bus) != 0;
	wrong += weir_sleep(h->bus, 0) != rc;
	wrong += weir_next_event(h->bus, &event) != rc;
	wrong += weir_pending(h->bus, buf, sizeof(buf)) != rc;
	wrong += weir_close(h->bus) != rc;
	wrong += weir_claim(h->pub, 3, &claim) != rc;
	wrong += weir_claim_n(h->pub, 3, &claim, 1) != rc;
	wrong += weir_commit(h->pub, &h->claim) != rc;
	wrong += weir_commit_n(h->pub, &h->claim, 1) != rc;
	wrong += weir_abort(h->pub, &h->claim) != rc;
	wrong += weir_send(h->pub, "x", 1) != rc;
	wrong += weir_subscribers(h->pub) != rc;
	wrong += weir_wait_subscribers(h->pub, 1, 0) != rc;
	wrong += weir_pub_get_stats(h->pub, &pub_stats) != rc;
	wrong += weir_pub_close(h->pub) != rc;
	wrong += weir_peek(h->sub, &msg) != rc;
	wrong += weir_peek_n(h->sub, &msg, 1) != rc;
	wrong += weir_next(h->sub) != rc;
	wrong += weir_next_n(h->sub, 1) != rc;
	wrong += weir_recv(h->sub, buf, sizeof(buf), WEIR_FOREVER, NULL) != rc;
	wrong += weir_hold(h->sub, &msg) != rc;
	wrong += weir_release(h->sub, &msg) != rc;
	wrong += weir_publishers(h->sub) != rc;
	wrong += weir_sub_get_stats(h->sub, &sub_stats) != rc;
	wrong += weir_unsubscribe(h->sub) != rc;
	return wrong;
}

/* New handles on that bus: they carry the error, and can be closed. */
static int
new_differ(struct handles *h, int code)
{
	weir_pub *pub = weir_advertise(h->bus, "odo");
	weir_sub *sub = weir_subscribe(h->bus, "odo");
	int wrong = 0;

	wrong += weir_pub_why(pub)->code != code;
	wrong += weir_sub_why(sub)->code != code;
	wrong += strstr(weir_pub_why(pub)->where, "weir_advertise 'odo'") == NULL;
	wrong += weir_send(pub, "x", 1) != -code;
	wrong += weir_recv(sub, NULL, 0, 0, NULL) != -code;
	wrong += weir_pub_close(pub) != 0;
	wrong += weir_unsubscribe(sub) != 0;
	return wrong;
}

/* Everything as it was: the open claim, and what was sent. */
static void
check_untouched(struct handles *h)
{
	char buf[8];

	memcpy(h->claim.data, "two", 3);
	CHECK_EQ(weir_commit(h->pub, &h->claim), 0);
	CHECK_EQ(weir_recv(h->sub, buf, sizeof(buf), WEIR_FOREVER, NULL), 3);
	CHECK_MEM(buf, "one", 3);
	CHECK_EQ(weir_recv(h->sub, buf, sizeof(buf), WEIR_FOREVER, NULL), 3);
	CHECK_MEM(buf, "two", 3);
	CHECK_EQ(weir_why(h->bus)->code, 0);
	CHECK_EQ(weir_close(h->bus), 0);
}

/* ---- threads ------------------------------------------------------------------------------ */

static void *
another_thread(void *arg)
{
	CHECK_EQ(differ(arg, -WEIR_E_USAGE_THREAD), 0);
	CHECK_EQ(new_differ(arg, WEIR_E_USAGE_THREAD), 0);
	return NULL;
}

static void
in_thread(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	REQUIRE_EQ(pthread_create(&thread, NULL, fn, arg), 0);
	REQUIRE_EQ(pthread_join(thread, NULL), 0);
}

static void
another_thread_does_nothing(void)
{
	static const char *const names[] = {"inproc:bus", "bus"};

	for (int i = 0; i < 2; i++) {
		struct handles h;

		open_handles(&h, names[i], 0);
		in_thread(another_thread, &h);
		check_untouched(&h);
	}
}

static void *
adopts_all(void *arg)
{
	struct handles *h = arg;

	CHECK_EQ(weir_adopt(h->bus), 0);
	CHECK_EQ(weir_send(h->pub, "x", 1), 0);
	CHECK_EQ(weir_abort(h->pub, &h->claim), 0);
	CHECK_EQ(weir_publishers(h->sub), 1);
	CHECK(weir_turn(h->bus, 0) >= 0);
	return NULL;
}

static void *
closes_after_adopting(void *arg)
{
	struct handles *h = arg;
	char buf[8];

	CHECK_EQ(weir_adopt(h->bus), 0);
	CHECK_EQ(weir_recv(h->sub, buf, sizeof(buf), WEIR_FOREVER, NULL), 3);
	CHECK_EQ(weir_close(h->bus), 0);
	return NULL;
}

static void
handed_over_and_back(void)
{
	static const char *const names[] = {"inproc:bus", "bus", "bus"};

	for (int i = 0; i < 3; i++) {
		struct handles h;
		char buf[8];

		open_handles(&h, names[i], i == 2 ? WEIR_BUS_NO_THREAD : 0);
		in_thread(adopts_all, &h);
		CHECK_EQ(weir_send(h.pub, "x", 1), -WEIR_E_USAGE_THREAD);
		CHECK_EQ(weir_adopt(h.bus), 0);
		CHECK_EQ(weir_recv(h.sub, buf, sizeof(buf), WEIR_FOREVER, NULL), 3);
		CHECK_EQ(weir_recv(h.sub, buf, sizeof(buf), WEIR_FOREVER, NULL), 1);
		CHECK_EQ(weir_send(h.pub, "end", 3), 0);
		in_thread(closes_after_adopting, &h);
	}
}

enum { MANY = 20000 };

static void *
publishes(void *arg)
{
	struct handles *h = arg;

	CHECK_EQ(weir_pub_adopt(h->pub), 0);
	for (int i = 0; i < MANY; i++)
		CHECK_EQ(weir_send(h->pub, &i, sizeof(i)), 0);
	/* The others are not ours. */
	CHECK_EQ(weir_turn(h->bus, 0), -WEIR_E_USAGE_THREAD);
	return NULL;
}

/* One thread publishes while the other one reads and turns. */
static void
publisher_in_a_thread_of_its_own(void)
{
	static const char *const names[] = {"inproc:bus", "bus"};

	for (int i = 0; i < 2; i++) {
		struct handles h;
		pthread_t thread;
		int n;

		open_handles(&h, names[i], 0);
		CHECK_EQ(weir_abort(h.pub, &h.claim), 0);
		CHECK_EQ(weir_recv(h.sub, &n, sizeof(n), WEIR_FOREVER, NULL), 3);
		REQUIRE_EQ(pthread_create(&thread, NULL, publishes, &h), 0);
		for (int want = 0; want < MANY; want++) {
			n = -1;
			if (weir_recv(h.sub, &n, sizeof(n), WEIR_FOREVER, NULL) !=
					sizeof(n) ||
				n != want) {
				FAIL("%d where %d was next", n, want);
				break;
			}
		}
		REQUIRE_EQ(pthread_join(thread, NULL), 0);
		CHECK_EQ(weir_send(h.pub, "x", 1), -WEIR_E_USAGE_THREAD);
		CHECK_EQ(weir_close(h.bus), 0);
	}
}

static void *
wakes_and_stops(void *arg)
{
	struct handles *h = arg;

	for (int i = 0; i < 100; i++)
		CHECK_EQ(weir_wake(h->bus), 0);
	CHECK_EQ(weir_stop(h->bus), 0);
	return NULL;
}

static void
anybody_wakes_and_stops(void)
{
	struct handles h;
	pthread_t thread;

	open_handles(&h, "bus", 0);
	REQUIRE_EQ(pthread_create(&thread, NULL, wakes_and_stops, &h), 0);
	CHECK_EQ(weir_run(h.bus), 0);
	REQUIRE_EQ(pthread_join(thread, NULL), 0);
	/* It stays stopped, and says so. */
	CHECK_EQ(weir_turn(h.bus, WEIR_FOREVER), -WEIR_E_GONE_STOPPED);
	CHECK_EQ(weir_sleep(h.bus, 1000000), -WEIR_E_GONE_STOPPED);
	CHECK_EQ(weir_ok(h.bus), 0);
	CHECK_EQ(weir_run(h.bus), 0);
	CHECK_EQ(weir_wait_subscribers(h.pub, 5, WEIR_FOREVER), -WEIR_E_GONE_STOPPED);
	/* What is there can be read; beyond it nobody waits. */
	CHECK_EQ(weir_commit(h.pub, &h.claim), 0);
	CHECK_EQ(weir_recv(h.sub, &(char[8]){0}, 8, WEIR_FOREVER, NULL), 3);
	CHECK_EQ(weir_recv(h.sub, &(char[8]){0}, 8, WEIR_FOREVER, NULL), 3);
	CHECK_EQ(weir_recv(h.sub, &(char[8]){0}, 8, WEIR_FOREVER, NULL),
		-WEIR_E_GONE_STOPPED);
	CHECK_EQ(weir_close(h.bus), 0);
}

/* ---- forks ----------------------------------------------------------------------------------- */

static void
forked_child(struct wr_outcome *out, void *arg)
{
	struct handles *h = arg;

	out->value[0] = differ(h, -WEIR_E_GONE_FORKED);
	out->value[1] = new_differ(h, WEIR_E_GONE_FORKED);
	out->value[2] = weir_adopt(h->bus);
	out->value[3] = weir_pub_adopt(h->pub);
	out->value[4] = weir_wake(h->bus);
	out->value[5] = weir_stop(h->bus);
}

static void
forked_child_does_nothing(void)
{
	static const char *const names[] = {"inproc:bus", "bus", "bus"};

	for (int i = 0; i < 3; i++) {
		struct wr_outcome out;
		struct handles h;

		open_handles(&h, names[i], i == 2 ? WEIR_BUS_NO_THREAD : 0);
		out = wr_in_child(forked_child, &h);
		CHECK_EQ(out.status, 0);
		CHECK_EQ(out.value[0], 0);
		CHECK_EQ(out.value[1], 0);
		CHECK_EQ(out.value[2], -WEIR_E_GONE_FORKED);
		CHECK_EQ(out.value[3], -WEIR_E_GONE_FORKED);
		CHECK_EQ(out.value[4], -WEIR_E_GONE_FORKED);
		CHECK_EQ(out.value[5], -WEIR_E_GONE_FORKED);
		check_untouched(&h);
	}
}

static void
child_with_a_bus_of_its_own(struct wr_outcome *out, void *arg)
{
	/* A thread that is made after a fork is more than ThreadSanitizer can do. */
	unsigned thread = wr_test_slowness() > 1 ? WEIR_BUS_NO_THREAD : 0;
	weir_bus *bus = weir_open("bus", .node = "child", .flags = FLAGS | thread);
	weir_sub *sub = weir_subscribe(bus, "imu");
	weir_pub *pub = weir_advertise(bus, "from.child");
	char buf[8];

	(void)arg;
	out->value[0] = weir_why(bus)->code;
	out->value[1] = weir_publishers(sub);
	out->value[2] = weir_send(pub, "hello", 5);
	out->value[3] = weir_recv(sub, buf, sizeof(buf), WEIR_FOREVER, NULL);
	out->value[4] = weir_close(bus);
}

/* The parent serves the child, which is a process like any other: parent and child run at
 * the same time here. */
static void *
answers_the_child(void *arg)
{
	struct handles *h = arg;

	CHECK_EQ(weir_adopt(h->bus), 0);
	CHECK_EQ(weir_abort(h->pub, &h->claim), 0);
	CHECK_EQ(weir_wait_subscribers(h->pub, 2, WEIR_FOREVER), 2);
	CHECK_EQ(weir_send(h->pub, "for you", 7), 0);
	return NULL;
}

static void
child_opens_its_own(void)
{
	struct wr_outcome out;
	struct handles h;
	pthread_t thread;
	weir_sub *sub;
	char buf[8];

	open_handles(&h, "bus", 0);
	sub = weir_subscribe(h.bus, "from.child");
	REQUIRE_EQ(pthread_create(&thread, NULL, answers_the_child, &h), 0);
	out = wr_in_child(child_with_a_bus_of_its_own, NULL);
	REQUIRE_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(weir_adopt(h.bus), 0);
	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.value[0], 0);
	CHECK_EQ(out.value[1], 1);
	CHECK_EQ(out.value[2], 0);
	CHECK_EQ(out.value[3], 7);
	CHECK_EQ(out.value[4], 0);
	CHECK_EQ(weir_recv(sub, buf, sizeof(buf), WEIR_FOREVER, NULL), 5);
	CHECK_EQ(weir_recv(sub, buf, sizeof(buf), WEIR_FOREVER, NULL), -WEIR_E_GONE_END);
	CHECK_EQ(weir_close(h.bus), 0);
}

/* Opens, forks a child that lives on, and is killed. */
static int
parent_of_a_survivor(int argc, char **argv)
{
	struct handles h;
	int line[2];
	char byte;

	(void)argc;
	(void)argv;
	open_handles(&h, "bus", 0);
	if (pipe(line) != 0)
		return 1;
	if (fork() == 0) {
		close(line[1]);
		signal(SIGPIPE, SIG_IGN);
		/* Until the pipe of the test ends. */
		while (read(0, &byte, 1) > 0)
			;
		_exit(0);
	}
	wr_helper_say("forked");
	for (;;)
		pause();
}

static void
death_is_seen_although_a_child_lives(void)
{
	struct wr_proc a, b;

	puppet_start(&b, "open 0 bus");
	puppet_ok(&b, "sub 0 0 imu");
	wr_proc_start(&a, "parent_of_a_survivor", NULL);
	wr_proc_expect(&a, "forked");
	wr_proc_signal(&a, SIGKILL);
	CHECK(strncmp(puppet_ask(&b, "event 0 NODE_DIED"), "NODE_DIED", 9) == 0);
	CHECK_EQ(wr_proc_wait(&a), 128 + SIGKILL);
	puppet_end(&b);
}

/* Within weir_ok the signals are ours; a child that is forked meanwhile has its own again. */
static void
signalled_child(struct wr_outcome *out, void *arg)
{
	struct handles *h = arg;
	char path[600];
	int fd;

	/* It takes the numbers that the parent's descriptors had. */
	fd = open(wr_tmpdir_path(path, sizeof(path), "file"), O_RDWR | O_CREAT, 0600);
	for (int i = 3; i < 64; i++)
		(void)dup2(fd, i);
	(void)weir_stop(h->bus);
	out->value[0] = lseek(fd, 0, SEEK_END);
	raise(SIGTERM);
	out->value[1] = 1;
}

static void
signals_of_a_child_are_its_own(void)
{
	struct wr_outcome out;
	struct handles h;

	h.bus = weir_open("bus", .flags = WEIR_BUS_QUIET);
	CHECK_EQ(weir_ok(h.bus), 1);
	out = wr_in_child(signalled_child, &h);
	CHECK_EQ(out.status, 128 + SIGTERM);
	CHECK_EQ(out.value[0], 0);
	CHECK_EQ(out.value[1], 0);
	/* The parent's are still the parent's. */
	CHECK_EQ(weir_ok(h.bus), 1);
	raise(SIGTERM);
	CHECK_EQ(weir_ok(h.bus), 0);
	CHECK_EQ(weir_close(h.bus), 0);
}

/* A bus within the process is within that process. */
static void
opens_the_same_name(struct wr_outcome *out, void *arg)
{
	weir_bus *bus = weir_open("inproc:bus", .flags = FLAGS);
	weir_sub *sub = weir_subscribe(bus, "imu");
	weir_pub *pub = weir_advertise(bus, "imu");

	(void)arg;
	out->value[0] = weir_publishers(sub);
	out->value[1] = weir_subscribers(pub);
	out->value[2] = weir_close(bus);
}

static void
inproc_is_not_shared_with_a_child(void)
{
	struct wr_outcome out;
	struct handles h;

	open_handles(&h, "inproc:bus", 0);
	out = wr_in_child(opens_the_same_name, NULL);
	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.value[0], 1);
	CHECK_EQ(out.value[1], 1);
	CHECK_EQ(out.value[2], 0);
	check_untouched(&h);
}

/* ---- forks at any moment ------------------------------------------------------------------------- */

static atomic_int stop_cycling;

static void *
opens_and_closes(void *arg)
{
	const char *name = arg;

	while (!atomic_load(&stop_cycling)) {
		weir_bus *bus = weir_open(name, .flags = FLAGS);
		weir_sub *sub = weir_subscribe(bus, "imu");
		weir_pub *pub = weir_advertise(bus, "imu");

		(void)sub;
		CHECK_EQ(weir_send(pub, "x", 1), 0);
		CHECK_EQ(weir_close(bus), 0);
	}
	return NULL;
}

static void
opens_something(struct wr_outcome *out, void *arg)
{
	weir_bus *bus = weir_open(arg, .flags = FLAGS);
	weir_sub *sub = weir_subscribe(bus, "imu");
	weir_pub *pub = weir_advertise(bus, "imu");
	char buf[8];

	out->value[0] = weir_send(pub, "y", 1);
	out->value[1] = weir_recv(sub, buf, sizeof(buf), WEIR_FOREVER, NULL);
	out->value[2] = weir_close(bus);
}

/* No lock of ours is taken in a child, wherever the other threads were when it was forked. */
static void
forks_at_any_moment(void)
{
	static char names[4][20] = {"inproc:a", "inproc:b", "bus", "inproc:child"};
	int rounds = wr_test_long() ? 2000 : 150;
	pthread_t threads[3];

	if (wr_test_slowness() > 1)
		TEST_SKIP("the sanitizers' own locks do not survive a fork");
	for (int i = 0; i < 3; i++)
		REQUIRE_EQ(pthread_create(&threads[i], NULL, opens_and_closes, names[i]),
			0);
	for (int round = 0; round < rounds; round++) {
		struct wr_outcome out = wr_in_child(opens_something,
			round % 4 == 3 ? (void *)(uintptr_t) "other" : names[3]);

		CHECK_EQ(out.status, 0);
		CHECK_EQ(out.value[0], 0);
		CHECK_EQ(out.value[1], 1);
		CHECK_EQ(out.value[2], 0);
	}
	atomic_store(&stop_cycling, 1);
	for (int i = 0; i < 3; i++)
		REQUIRE_EQ(pthread_join(threads[i], NULL), 0);
}

static const struct wr_test tests[] = {
	TEST(another_thread_does_nothing),
	TEST(handed_over_and_back),
	TEST(publisher_in_a_thread_of_its_own),
	TEST(anybody_wakes_and_stops),
	TEST(forked_child_does_nothing),
	TEST(child_opens_its_own),
	TEST(death_is_seen_although_a_child_lives),
	TEST(signals_of_a_child_are_its_own),
	TEST(inproc_is_not_shared_with_a_child),
	TEST(forks_at_any_moment, .labels = "fork", .watchdog_s = 120),
	TEST_END,
};
static const struct wr_helper helpers[] = {HELPER(parent_of_a_survivor), HELPER_END};

const struct wr_suite wr_suite_handles = {.name = "handles",
	.tests = tests,
	.helpers = helpers,
	.labels = "concurrency,input"};
