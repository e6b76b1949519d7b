/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Handlers that do not return (FEATURES N2, P1, P29, P33): their loop goes on in another
 * thread, they keep theirs and their message, and come back when they behave.
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weir/look.h>
#include <weir/loop.h>

#include "tests/conform/rig.h"
#include "tests/lib/await.h"

enum { HARD_US = 1000, TICK_US = 250, SIBLINGS = 3, VERDICT = 42, RETURNED = -1 };

/* Tiers that change within milliseconds, and polls that are good if they return within a
 * second. */
#define QUICK \
	"balanced threshold_ns=4000000000 promotion_ms=1 demotion_ms=1 " \
	"isolate.good_polls=3 isolate.min_ms=1 isolate.good_us=1000000 " \
	"yield.good_polls=3 yield.min_ms=1 yield.good_us=1000000 " \
	"warn.good_polls=3 warn.min_ms=1 warn.good_us=1000000"

enum way { BEHAVES, SPINS, WAITS, PUBLISHES, LOCKED };

/* A consumer that does not return, once, when its way is not BEHAVES. */
struct stuck {
	_Atomic enum way way;
	atomic_int inside;  /* 1: it is stuck */
	atomic_bool freed;  /* it may return */
	atomic_ullong next; /* number that is to come */
	atomic_int wrong; /* messages that changed while it was stuck, or came twice */
	weir_bus *bus;
	weir_sub *sub;
	weir_pub *pub; /* of the bus: it may not use it */
	sem_t gate;
	pthread_mutex_t *lock; /* of its own, held meanwhile */
	atomic_int policy; /* by which its thread was scheduled, just before it returned */
	atomic_int loop, tier; /* where it is */
	atomic_int after; /* and was when it was called first after it had been stuck */
};

struct sibling {
	atomic_ullong next;
	atomic_int wrong;
	weir_pub *pub;      /* of its own bus; NULL: it has none */
	atomic_int verdict; /* that it gives, once */
	struct crowd *crowd;
};

/* The handlers of one loop. */
struct crowd {
	weir_bus *a, *b; /* publishes; and is run by a thread */
	weir_pub *pub;
	struct stuck stuck[SIBLINGS];
	struct sibling siblings[SIBLINGS];
	atomic_bool inside; /* a sibling is running */
	uint64_t sent;
	uint32_t flags;
	uint32_t loops; /* 1: all are on a further loop */
	uint32_t lane;
	uint32_t close_ms; /* 0: as long as it takes */
	pthread_t turns;
	atomic_bool ends;
	atomic_int verdicts;
	int policy, nice; /* of the thread that turned, at its end */
};

static uint64_t
number_of(const weir_msg *msg)
{
	uint64_t number;

	memcpy(&number, msg->data, sizeof(number));
	return number;
}

static void
be_stuck(struct stuck *stuck, enum way way)
{
	uint64_t n = 0;

	atomic_store(&stuck->inside, 1);
	if (way == WAITS)
		while (sem_wait(&stuck->gate) != 0)
			;
	while (way == SPINS && !atomic_load(&stuck->freed))
		(void)weir_should_yield(stuck->bus);
	while (way == PUBLISHES && !atomic_load(&stuck->freed))
		if (weir_send(stuck->pub, &n, sizeof(n)) != -WEIR_E_USAGE_THREAD)
			atomic_fetch_add(&stuck->wrong, 1);
	if (way == LOCKED) {
		pthread_mutex_lock(stuck->lock);
		while (sem_wait(&stuck->gate) != 0)
			;
		pthread_mutex_unlock(stuck->lock);
	}
	atomic_store(&stuck->policy, sched_getscheduler(0));
}

static int
on_stuck(void *ctx, const weir_msg *msg)
{
	struct stuck *stuck = ctx;
	uint64_t number = number_of(msg);
	enum way way = atomic_exchange(&stuck->way, BEHAVES);

	if (number != atomic_load(&stuck->next))
		atomic_fetch_add(&stuck->wrong, 1);
	if (atomic_load(&stuck->after) == RETURNED)
		atomic_store(&stuck->after, weir_sub_loop(stuck->sub));
	if (way != BEHAVES) {
		be_stuck(stuck, way);
		if (number_of(msg) != number)
			atomic_fetch_add(&stuck->wrong, 1);
		if (weir_hold(stuck->sub, msg) != 0 || weir_release(stuck->sub, msg) != 0)
			atomic_fetch_add(&stuck->wrong, 1);
	}
	atomic_store(&stuck->next, number + 1);
	if (way != BEHAVES) {
		atomic_store(&stuck->after, RETURNED);
		atomic_store(&stuck->inside, 0);
	}
	return 0;
}

/* One at a time among themselves, whichever thread it is; of several loops balance may give some
 * to each. */
static int
on_sibling(void *ctx, const weir_msg *msg)
{
	struct sibling *sibling = ctx;
	uint64_t number = number_of(msg);

	if (atomic_exchange(&sibling->crowd->inside, true) && sibling->crowd->loops == 0)
		atomic_fetch_add(&sibling->wrong, 1);
	if (number != atomic_load(&sibling->next) || msg->lost != 0)
		atomic_fetch_add(&sibling->wrong, 1);
	/* It may use the bus, and what is the bus's, as always. */
	if (sibling->pub &&
		(weir_send(sibling->pub, &number, sizeof(number)) != 0 ||
			weir_round(sibling->crowd->b) < 0))
		atomic_fetch_add(&sibling->wrong, 1);
	atomic_store(&sibling->next, number + 1);
	atomic_store(&sibling->crowd->inside, false);
	return atomic_exchange(&sibling->verdict, 0);
}

static uint32_t
roams(const struct crowd *crowd)
{
	return crowd->loops > 0 ? WEIR_MOVE_LOOPS : 0;
}

/* On the loop that all are on. */
static void
place(const struct crowd *crowd, weir_sub *sub)
{
	if (crowd->loops > 0)
		REQUIRE_EQ(weir_sub_move(sub, crowd->loops), 0);
}

static void
crowd_open(struct crowd *crowd, const char *name, uint32_t stuck, const char *tiers)
{
	crowd->a = rig_bus(name);
	crowd->b = weir_open(name, .attach_ms = 600000, .loops = crowd->loops,
		.tiers = tiers, .hard_us = HARD_US, .tick_us = TICK_US,
		.close_ms = crowd->close_ms ? crowd->close_ms : 600000,
		.lane = crowd->lane,
		.flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET | crowd->flags);
	REQUIRE_EQ(weir_why(crowd->b)->code, 0);
	crowd->pub = weir_advertise(crowd->a, "t", .wait_ms = WEIR_FOREVER);
	for (uint32_t i = 0; i < stuck; i++) {
		crowd->stuck[i].bus = crowd->b;
		crowd->stuck[i].pub = weir_advertise(crowd->b, "none");
		sem_init(&crowd->stuck[i].gate, 0, 0);
		/* It loses what it is not waited for: only its order counts then. */
		crowd->stuck[i].sub = weir_subscribe(crowd->b, "t", .on_msg = on_stuck,
			.ctx = &crowd->stuck[i], .moves = WEIR_MOVE_LANE | roams(crowd));
		place(crowd, crowd->stuck[i].sub);
	}
	for (int i = 0; i < SIBLINGS; i++) {
		crowd->siblings[i].crowd = crowd;
		place(crowd,
			weir_subscribe(crowd->b, "t", .on_msg = on_sibling,
				.ctx = &crowd->siblings[i], .moves = roams(crowd)));
	}
	/* Elsewhere than at home what is the bus's is another thread's. */
	if (crowd->loops == 0)
		crowd->siblings[0].pub = weir_advertise(crowd->b, "answers");
	REQUIRE_EQ(weir_wait_subscribers(crowd->pub, (int)stuck + SIBLINGS, WEIR_FOREVER),
		(int)stuck + SIBLINGS);
}

static void
send_one(struct crowd *crowd)
{
	REQUIRE_EQ(weir_send(crowd->pub, &crowd->sent, sizeof(crowd->sent)), 0);
	crowd->sent++;
}

/* All siblings have read all. */
static bool
siblings_have_read(struct crowd *crowd)
{
	for (int i = 0; i < SIBLINGS; i++)
		if (atomic_load(&crowd->siblings[i].next) != crowd->sent)
			return false;
	return true;
}

/* Turns the bus, and says where they are who get stuck. */
static void *
turn_bus(void *arg)
{
	struct crowd *crowd = arg;

	REQUIRE_EQ(weir_adopt(crowd->b), 0);
	while (!atomic_load(&crowd->ends)) {
		int rc = weir_turn(crowd->b, 10);

		if (rc == VERDICT)
			atomic_fetch_add(&crowd->verdicts, 1);
		else if (rc < 0)
			atomic_fetch_add(&crowd->siblings[0].wrong, 1);
		for (int i = 0; i < SIBLINGS && crowd->stuck[i].sub; i++) {
			atomic_store(&crowd->stuck[i].loop,
				weir_sub_loop(crowd->stuck[i].sub));
			atomic_store(&crowd->stuck[i].tier,
				weir_sub_tier(crowd->stuck[i].sub));
		}
	}
	crowd->policy = sched_getscheduler(0);
	crowd->nice = getpriority(PRIO_PROCESS, (id_t)gettid());
	return NULL;
}

static void
crowd_run(struct crowd *crowd)
{
	atomic_store(&crowd->ends, false);
	REQUIRE_EQ(pthread_create(&crowd->turns, NULL, turn_bus, crowd), 0);
}

static void
crowd_stop(struct crowd *crowd)
{
	atomic_store(&crowd->ends, true);
	REQUIRE_EQ(pthread_join(crowd->turns, NULL), 0);
	REQUIRE_EQ(weir_adopt(crowd->b), 0);
}

static void
crowd_close(struct crowd *crowd)
{
	for (int i = 0; i < SIBLINGS; i++) {
		CHECK_EQ(atomic_load(&crowd->stuck[i].wrong), 0);
		CHECK_EQ(atomic_load(&crowd->siblings[i].wrong), 0);
	}
	CHECK_EQ(weir_close(crowd->b), 0);
	CHECK_EQ(weir_close(crowd->a), 0);
}

static weir_handoffs
handoffs(struct crowd *crowd)
{
	weir_handoffs all = {.size = sizeof(all)};

	REQUIRE_EQ(weir_loop_handoffs(crowd->b, crowd->loops, &all), 0);
	return all;
}

static void
let_return(struct stuck *stuck)
{
	atomic_store(&stuck->freed, true);
	sem_post(&stuck->gate);
	AWAIT(atomic_load(&stuck->inside) == 0);
}

/* The siblings read so many, one after the other. */
static void
siblings_go_on(struct crowd *crowd, int count)
{
	while (count-- > 0) {
		send_one(crowd);
		AWAIT(siblings_have_read(crowd));
	}
}

/* It behaves: it is back on its loop, at the first tier, some time. */
static void
come_back(struct crowd *crowd, struct stuck *stuck)
{
	while (atomic_load(&stuck->loop) != 0 || atomic_load(&stuck->tier) != 0)
		siblings_go_on(crowd, 1);
}

/* Stuck in that way: the siblings read what comes. */
static void
left_behind(const char *name, enum way way, bool comes_back)
{
	struct crowd crowd = {0};
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct stuck *stuck = &crowd.stuck[0];

	crowd_open(&crowd, name, 1, QUICK);
	stuck->lock = &lock;
	crowd_run(&crowd);
	siblings_go_on(&crowd, 1);
	atomic_store(&stuck->way, way);
	send_one(&crowd);
	AWAIT(atomic_load(&stuck->inside) == 1);
	siblings_go_on(&crowd, 100);
	CHECK_EQ(atomic_load(&stuck->inside), 1);
	CHECK_EQ(handoffs(&crowd).handoffs, 1);
	CHECK_EQ(handoffs(&crowd).stuck, 1);
	let_return(stuck);
	AWAIT(handoffs(&crowd).stuck == 0);
	if (comes_back)
		come_back(&crowd, stuck);
	AWAIT(atomic_load(&stuck->next) == crowd.sent);
	crowd_stop(&crowd);
	CHECK_EQ(atomic_load(&stuck->after), WEIR_LOOP_LANE);
	CHECK_EQ(handoffs(&crowd).handoffs, 1);
	crowd_close(&crowd);
}

static void
N2_who_spins_is_left_behind_and_comes_back(const char *name)
{
	left_behind(name, SPINS, true);
}

static void
N2_who_waits_in_the_kernel_is_left_behind_and_comes_back(const char *name)
{
	left_behind(name, WAITS, true);
}

static void
N2_who_publishes_without_end_is_left_behind(const char *name)
{
	left_behind(name, PUBLISHES, false);
}

static void
N2_who_holds_a_lock_is_left_behind(const char *name)
{
	left_behind(name, LOCKED, false);
}

/* Whether this process may rank a thread back: tried, and not what the library says of it. */
static void *
try_to_rise(void *answer)
{
	static const struct sched_param none = {.sched_priority = 0};

	REQUIRE_EQ(sched_setscheduler(0, SCHED_IDLE, &none), 0);
	*(bool *)answer = sched_setscheduler(0, SCHED_OTHER, &none) == 0;
	return NULL;
}

/* While it spins it has only what the cores have left, so nobody else is late by it; then its
 * thread is what it was. Where that could not be given back, or its program wants it the same as
 * the others, it is left as it is. */
static void
N2_who_spins_has_only_what_cores_have_left(const char *name)
{
	static const uint32_t lanes[] = {WEIR_LANE_NICE, WEIR_LANE_IDLE, WEIR_LANE_SAME};
	int nice = getpriority(PRIO_PROCESS, 0);
	bool rises = false;
	pthread_t thread;

	REQUIRE_EQ(pthread_create(&thread, NULL, try_to_rise, &rises), 0);
	REQUIRE_EQ(pthread_join(thread, NULL), 0);
	for (size_t i = 0; i < sizeof(lanes) / sizeof(lanes[0]); i++) {
		struct crowd crowd = {.lane = lanes[i]};

		crowd_open(&crowd, name, 1, QUICK);
		crowd_run(&crowd);
		atomic_store(&crowd.stuck[0].way, SPINS);
		send_one(&crowd);
		AWAIT(atomic_load(&crowd.stuck[0].inside) == 1);
		siblings_go_on(&crowd, 1);
		REQUIRE_EQ(handoffs(&crowd).stuck, 1);
		let_return(&crowd.stuck[0]);
		AWAIT(handoffs(&crowd).stuck == 0);
		crowd_stop(&crowd);
		CHECK_EQ(atomic_load(&crowd.stuck[0].policy),
			rises && lanes[i] != WEIR_LANE_SAME ? SCHED_IDLE : SCHED_OTHER);
		CHECK_EQ(crowd.policy, SCHED_OTHER);
		CHECK_EQ(crowd.nice, nice);
		crowd_close(&crowd);
	}
}

/* One after the other, so that who took over is left behind as well; they return in that
 * order, or in the other one. */
static void
N2_several_are_left_behind_one_after_the_other(const char *name)
{
	for (int backwards = 0; backwards < 2; backwards++) {
		struct crowd crowd = {0};

		crowd_open(&crowd, name, SIBLINGS, QUICK);
		crowd_run(&crowd);
		siblings_go_on(&crowd, 1);
		for (int i = 0; i < SIBLINGS; i++) {
			atomic_store(&crowd.stuck[i].way, i % 2 ? SPINS : WAITS);
			siblings_go_on(&crowd, 10);
			AWAIT(atomic_load(&crowd.stuck[i].inside) == 1);
			siblings_go_on(&crowd, 10);
			CHECK_EQ(handoffs(&crowd).handoffs, (uint64_t)i + 1);
		}
		for (int i = 0; i < SIBLINGS; i++) {
			let_return(&crowd.stuck[backwards ? SIBLINGS - 1 - i : i]);
			siblings_go_on(&crowd, 10);
		}
		AWAIT(handoffs(&crowd).stuck == 0);
		for (int i = 0; i < SIBLINGS; i++)
			AWAIT(atomic_load(&crowd.stuck[i].next) == crowd.sent);
		crowd_stop(&crowd);
		crowd_close(&crowd);
	}
}

/* The first has returned, so the loop is its own thread's again, while the second is in a poll of
 * it still: who is made now is not made by that one, and begins at the first tier. */
static void
P32_who_is_made_beside_a_stuck_one_begins_anew(const char *name)
{
	struct crowd crowd = {0};
	weir_sub *made;

	crowd_open(&crowd, name, 2, QUICK);
	crowd_run(&crowd);
	siblings_go_on(&crowd, 1);
	for (int i = 0; i < 2; i++) {
		atomic_store(&crowd.stuck[i].way, WAITS);
		siblings_go_on(&crowd, 10);
		AWAIT(atomic_load(&crowd.stuck[i].inside) == 1);
		siblings_go_on(&crowd, 10);
	}
	let_return(&crowd.stuck[0]);
	AWAIT(handoffs(&crowd).stuck == 1);
	crowd_stop(&crowd);
	made = weir_subscribe(crowd.b, "new", .on_msg = on_sibling, .ctx = crowd.siblings);
	CHECK_EQ(weir_sub_why(made)->code, 0);
	CHECK_EQ(weir_sub_tier(made), 0);
	let_return(&crowd.stuck[1]);
	crowd_close(&crowd);
}

/* The same on a loop that has a thread of the library's, twice. */
static void
N2_a_further_loop_is_taken_over_too(const char *name)
{
	struct crowd crowd = {.loops = 1};

	crowd_open(&crowd, name, 2, QUICK);
	crowd_run(&crowd);
	siblings_go_on(&crowd, 20);
	for (int i = 0; i < 2; i++) {
		AWAIT(atomic_load(&crowd.stuck[i].next) == crowd.sent);
		atomic_store(&crowd.stuck[i].way, i ? WAITS : SPINS);
		siblings_go_on(&crowd, 20);
		AWAIT(atomic_load(&crowd.stuck[i].inside) == 1);
		siblings_go_on(&crowd, 20);
	}
	CHECK(handoffs(&crowd).handoffs > 0);
	for (int i = 0; i < 2; i++) {
		let_return(&crowd.stuck[i]);
		siblings_go_on(&crowd, 20);
	}
	AWAIT(handoffs(&crowd).stuck == 0);
	for (int i = 0; i < 2; i++)
		AWAIT(atomic_load(&crowd.stuck[i].next) == crowd.sent);
	crowd_stop(&crowd);
	crowd_close(&crowd);
}

/* What a sibling says in the other thread ends the turn of the loop's own. */
static void
a_verdict_given_meanwhile_is_not_lost(const char *name)
{
	struct crowd crowd = {0};

	crowd_open(&crowd, name, 1, QUICK);
	crowd_run(&crowd);
	siblings_go_on(&crowd, 1);
	atomic_store(&crowd.stuck[0].way, WAITS);
	siblings_go_on(&crowd, 10);
	AWAIT(handoffs(&crowd).stuck == 1);
	atomic_store(&crowd.siblings[1].verdict, VERDICT);
	send_one(&crowd);
	AWAIT(atomic_load(&crowd.siblings[1].next) == crowd.sent);
	CHECK_EQ(atomic_load(&crowd.verdicts), 0);
	let_return(&crowd.stuck[0]);
	AWAIT(atomic_load(&crowd.verdicts) == 1);
	siblings_go_on(&crowd, 10);
	crowd_stop(&crowd);
	crowd_close(&crowd);
}

/* The starvation that the hand-off is against: without it, all wait for who is stuck. */
static void
P33_a_loop_that_is_pinned_starves_with_who_is_stuck(const char *name)
{
	struct crowd crowd = {.flags = WEIR_BUS_PINNED}, witness = {0};

	crowd_open(&crowd, name, 1, QUICK);
	crowd_open(&witness, "inproc:witness", 1, QUICK);
	crowd_run(&crowd);
	crowd_run(&witness);
	siblings_go_on(&crowd, 1);
	atomic_store(&crowd.stuck[0].way, WAITS);
	send_one(&crowd);
	AWAIT(atomic_load(&crowd.stuck[0].inside) == 1);
	send_one(&crowd);
	/* What begins later elsewhere is found meanwhile. */
	atomic_store(&witness.stuck[0].way, WAITS);
	siblings_go_on(&witness, 2);
	AWAIT(handoffs(&witness).stuck == 1);
	CHECK(!siblings_have_read(&crowd));
	CHECK_EQ(handoffs(&crowd).handoffs, 0);
	let_return(&crowd.stuck[0]);
	siblings_go_on(&crowd, 10);
	crowd_stop(&crowd);
	crowd_close(&crowd);
	let_return(&witness.stuck[0]);
	crowd_stop(&witness);
	crowd_close(&witness);
}

/* A callback that runs in a lane and does not return: closing says so, and can be repeated. */
static void
closing_while_one_is_stuck_says_so(const char *name)
{
	struct crowd crowd = {.close_ms = 100};

	crowd_open(&crowd, name, 0, QUICK);
	sem_init(&crowd.stuck[0].gate, 0, 0);
	atomic_store(&crowd.stuck[0].way, WAITS);
	crowd.stuck[0].sub = weir_subscribe(crowd.b, "t", .on_msg = on_stuck,
		.ctx = &crowd.stuck[0], .moves = WEIR_MOVE_BLOCKING);
	REQUIRE_EQ(weir_wait_subscribers(crowd.pub, 1 + SIBLINGS, WEIR_FOREVER),
		1 + SIBLINGS);
	crowd_run(&crowd);
	siblings_go_on(&crowd, 1);
	AWAIT(atomic_load(&crowd.stuck[0].inside) == 1);
	crowd_stop(&crowd);
	CHECK_EQ(weir_close(crowd.b), -WEIR_E_AGAIN_TIMEOUT);
	CHECK_EQ(weir_close(crowd.b), -WEIR_E_AGAIN_TIMEOUT);
	let_return(&crowd.stuck[0]);
	crowd_close(&crowd);
}

/* A child has none of our threads: the bus is of no use to it, and one of its own has threads of
 * its own. */
static bool
child_does_well(weir_bus *bus)
{
	weir_bus *own;
	weir_sub *sub;

	if (weir_turn(bus, 0) != -WEIR_E_GONE_FORKED)
		return false;
#if defined(WR_TSAN)
	return true; /* the sanitizer allows no threads in a child that was forked beside some */
#endif
	own = weir_open("inproc:child", .flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET);
	sub = weir_subscribe(own, "t", .on_msg = on_stuck, .moves = WEIR_MOVE_LANE);
	return weir_sub_why(sub)->code == 0 && weir_close(own) == 0;
}

static void
a_fork_while_one_is_stuck_leaves_both_well(const char *name)
{
	struct crowd crowd = {0};
	pid_t child;
	int status;

	crowd_open(&crowd, name, 1, QUICK);
	crowd_run(&crowd);
	siblings_go_on(&crowd, 1);
	atomic_store(&crowd.stuck[0].way, SPINS);
	siblings_go_on(&crowd, 10);
	AWAIT(handoffs(&crowd).stuck == 1);
	child = fork();
	if (child == 0)
		_exit(child_does_well(crowd.b) ? 0 : 1);
	REQUIRE_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	siblings_go_on(&crowd, 10);
	let_return(&crowd.stuck[0]);
	siblings_go_on(&crowd, 10);
	crowd_stop(&crowd);
	crowd_close(&crowd);
}

/* clang-format off */
#define TESTS(X) \
	X(N2_who_spins_is_left_behind_and_comes_back) \
	X(N2_who_waits_in_the_kernel_is_left_behind_and_comes_back) \
	X(N2_who_publishes_without_end_is_left_behind) X(N2_who_holds_a_lock_is_left_behind) \
	X(N2_who_spins_has_only_what_cores_have_left) \
	X(N2_several_are_left_behind_one_after_the_other) \
	X(P32_who_is_made_beside_a_stuck_one_begins_anew) \
	X(N2_a_further_loop_is_taken_over_too) X(a_verdict_given_meanwhile_is_not_lost) X(P33_a_loop_that_is_pinned_starves_with_who_is_stuck) \
	X(closing_while_one_is_stuck_says_so) X(a_fork_while_one_is_stuck_leaves_both_well)
/* clang-format on */

TESTS(CONFORM_STAMP)

static const struct wr_test tests[] = {TESTS(CONFORM_ENTRY) TEST_END};
const struct wr_suite wr_suite_handoff = {
	.name = "handoff", .tests = tests, .labels = "concurrency", .watchdog_s = 60};
