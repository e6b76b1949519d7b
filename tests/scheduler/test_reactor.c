/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/rest.h"

#include "bus/bell.h"
#include "tests/lib/fdleak.h"
#include "tests/lib/test.h"
#include "tests/lib/waiter.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weir/weir.h>

enum { TASKS = 5 };

/* A task that notes when it was polled. */
struct worker {
	struct wr_task task;
	char name;
	wr_a64 work; /* what is there for it */
	int verdict;
	bool goes_on; /* there is always more work */
	bool leaves;  /* at its next poll */
	struct worker *expels;
};

static struct wr_reactor reactor;
static wr_a64 flag;
static struct wr_bell bell;
static bool by_poll; /* it hears by poll(2) */
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
	if (!w->goes_on)
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
	if (count > 0)
		memset(workers, 0, count * sizeof(*workers));
	memset(order, 0, sizeof(order));
	wr_store_release(test_flag, &flag, 0);
	wr_bell_init(&bell);
	REQUIRE_EQ(wr_reactor_init(&reactor, &flag, &bell, idle), 0);
	if (by_poll)
		REQUIRE_EQ(wr_reactor_listen(&reactor, WR_IO_POLL), 0);
	CHECK_STR(wr_poller_name(&reactor.poller), by_poll ? "poll" : "epoll");
	for (unsigned i = 0; i < count; i++) {
		workers[i].task = (struct wr_task){
			.poll = poll_one, .ready = is_ready, .heavy = not_heavy};
		workers[i].name = (char)('a' + i);
		wr_reactor_add(&reactor, &workers[i].task, WR_WEIGHT_DEFAULT, NULL);
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

/* As if there were always more for all of them. */
static void
all_go_on(struct worker *workers, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		workers[i].goes_on = true;
		wr_store_release(test_work, &workers[i].work, 1);
	}
}

static void
everybody_once_a_turn(void)
{
	struct worker w[TASKS];

	make(w, TASKS, WEIR_IDLE_PARK);
	all_go_on(w, TASKS);
	for (int i = 0; i < TASKS; i++) {
		memset(order, 0, sizeof(order));
		CHECK_EQ(turn(), 0);
		CHECK_EQ(strlen(order), TASKS);
		for (int k = 0; k < TASKS; k++)
			CHECK_EQ(times((char)('a' + k)), 1);
	}
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
		all_go_on(w, count);
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
	all_go_on(w, 3);
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
	all_go_on(w, TASKS);
	for (int gone = 0; gone < TASKS; gone++) {
		wr_reactor_remove(&reactor, &w[gone].task);
		CHECK_EQ(reactor.task_count, TASKS - 1 - gone);
		memset(order, 0, sizeof(order));
		(void)turn();
		CHECK_EQ(strlen(order), TASKS - 1 - gone);
		CHECK_EQ(times((char)('a' + gone)), 0);
	}
	(void)turn();
	wr_reactor_remove(&reactor, &w[0].task); /* it is not there */
	wr_reactor_add(&reactor, &w[3].task, WR_WEIGHT_DEFAULT, NULL);
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
		all_go_on(w, 3);
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
			all_go_on(w, 4);
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

/* ---- weights ------------------------------------------------------------------------------- */

static void
K2_polls_are_by_weight(void)
{
	static const unsigned weights[] = {10, 6, 3, 1};
	struct worker w[4];
	int polls = 0;

	memset(w, 0, sizeof(w));
	make(w, 0, WEIR_IDLE_PARK);
	for (unsigned i = 0; i < 4; i++) {
		w[i].task = (struct wr_task){
			.poll = poll_one, .ready = is_ready, .heavy = not_heavy};
		w[i].name = (char)('a' + i);
		wr_reactor_add(&reactor, &w[i].task, weights[i], NULL);
	}
	all_go_on(w, 4);
	while (polls < 200) {
		int verdict;

		polls += wr_reactor_poll(&reactor, &verdict);
	}
	CHECK_EQ(polls, 200); /* four a turn */
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(times((char)('a' + i)), 10 * weights[i]);
	wr_reactor_fini(&reactor);
}

/* Who has nothing to do is found so once, and is polled again when there is something. */
static void
K54_the_idle_cost_no_poll(void)
{
	struct worker w[3];

	make(w, 3, WEIR_IDLE_PARK);
	(void)turn();
	CHECK_EQ(strlen(order), 3);
	wr_store_release(test_work, &w[1].work, 1);
	w[1].goes_on = true;
	memset(order, 0, sizeof(order));
	for (int i = 0; i < 20; i++)
		(void)turn();
	CHECK_EQ(times('b'), 20);
	CHECK_EQ(times('a') + times('c'), 0);
	wr_store_release(test_work, &w[2].work, 1);
	(void)turn();
	CHECK_EQ(times('c'), 1);
	wr_reactor_fini(&reactor);
}

/* ---- told and sent --------------------------------------------------------------------------- */

/* A told task: what it was polled for is counted. */
struct told {
	struct wr_task task;
	int polls, left; /* polls that find work */
	bool tells_itself;
};

static int
poll_told(struct wr_task *task, int *verdict)
{
	struct told *told = (struct told *)(void *)task;

	(void)verdict;
	told->polls++;
	if (told->tells_itself) {
		told->tells_itself = false;
		wr_reactor_tell(&reactor, task);
	}
	if (told->left == 0)
		return 0;
	told->left--;
	return 1;
}

static void
who_is_told_is_polled_until_it_finds_nothing(void)
{
	struct told told = {.task = {.poll = poll_told}};

	make(NULL, 0, WEIR_IDLE_PARK);
	wr_reactor_add(&reactor, &told.task, 1, NULL);
	(void)turn();
	CHECK_EQ(told.polls, 0);
	CHECK(!wr_reactor_any_ready(&reactor));
	told.left = 3;
	wr_reactor_tell(&reactor, &told.task);
	wr_reactor_tell(&reactor, &told.task);
	CHECK(wr_reactor_any_ready(&reactor));
	for (int i = 0; i < 10; i++)
		(void)turn();
	CHECK_EQ(told.polls, 4);
	CHECK(!wr_reactor_any_ready(&reactor));
	/* What comes while it is polled is not overlooked. */
	told.tells_itself = true;
	wr_reactor_tell(&reactor, &told.task);
	for (int i = 0; i < 10; i++)
		(void)turn();
	CHECK_EQ(told.polls, 6);
	wr_reactor_remove(&reactor, &told.task);
	CHECK(!wr_reactor_any_ready(&reactor));
	wr_reactor_fini(&reactor);
}

enum { SENDERS = 4, SENT_EACH = 5000 };

/* A told task that takes what was put there for it, however often it was sent. */
struct box {
	struct wr_task task;
	wr_a64 put;
	uint64_t taken;
};

static int
poll_box(struct wr_task *task, int *verdict)
{
	struct box *box = (struct box *)(void *)task;
	uint64_t put = wr_load_acquire(test_work, &box->put);
	int work = (int)(put - box->taken);

	(void)verdict;
	box->taken = put;
	return work;
}

static struct box boxes[3];

static void *
send_all(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < SENT_EACH; i++) {
		struct box *box = &boxes[i % 3];

		(void)wr_fetch_add(test_work, &box->put, 1);
		wr_reactor_send(&reactor, &box->task);
		if (i % 64 == 0)
			sched_yield(); /* so that it falls asleep in between */
	}
	return NULL;
}

/* It sleeps as long as there is nothing, without an end; whatever is sent wakes it. */
static void
K41_what_is_sent_wakes_a_sleeper(void)
{
	static const uint32_t policies[] = {
		WEIR_IDLE_ADAPTIVE, WEIR_IDLE_PARK, WEIR_IDLE_YIELD, WEIR_IDLE_SPIN};

	for (int p = 0; p < 4; p++) {
		int bell_fd = wr_bell_make();
		pthread_t threads[SENDERS];
		uint64_t taken = 0;

		memset(boxes, 0, sizeof(boxes));
		make(NULL, 0, policies[p]);
		wr_bell_set(&bell, bell_fd);
		REQUIRE_EQ(wr_bell_watch(&reactor.poller, bell_fd), 0);
		for (int i = 0; i < 3; i++) {
			boxes[i].task.poll = poll_box;
			wr_reactor_add(&reactor, &boxes[i].task, 1, NULL);
		}
		for (int i = 0; i < SENDERS; i++)
			REQUIRE_EQ(pthread_create(&threads[i], NULL, send_all, NULL), 0);
		while (taken < SENDERS * SENT_EACH) {
			(void)turn();
			taken = boxes[0].taken + boxes[1].taken + boxes[2].taken;
			if (taken < SENDERS * SENT_EACH)
				(void)wr_reactor_idle(&reactor, 3600 * 1000);
		}
		for (int i = 0; i < SENDERS; i++)
			pthread_join(threads[i], NULL);
		CHECK_EQ(taken, SENDERS * SENT_EACH);
		wr_reactor_fini(&reactor);
		wr_bell_set(&bell, -1);
	}
}

/* ---- alarms ------------------------------------------------------------------------------------ */

static struct wr_alarm alarms[3];
static char rang[64];

static int
poll_alarm(struct wr_task *task, int *verdict)
{
	struct wr_alarm *alarm = (struct wr_alarm *)(void *)task;
	int work = (int)alarm->fired;

	(void)verdict;
	CHECK(alarm->fired == 0 || wr_now_ns() >= alarm->due_ns);
	for (; alarm->fired > 0; alarm->fired--)
		rang[strlen(rang)] = (char)('0' + (alarm - alarms));
	return work;
}

static void
make_alarms(uint32_t idle)
{
	memset(alarms, 0, sizeof(alarms));
	memset(rang, 0, sizeof(rang));
	make(NULL, 0, idle);
	for (int i = 0; i < 3; i++) {
		alarms[i].task.poll = poll_alarm;
		wr_reactor_add(&reactor, &alarms[i].task, 1, NULL);
	}
}

/* Each once and none before its time, however it waits. */
static void
K9_alarms_wake_whoever_waits(void)
{
	static const uint32_t policies[] = {
		WEIR_IDLE_ADAPTIVE, WEIR_IDLE_PARK, WEIR_IDLE_YIELD, WEIR_IDLE_SPIN};

	for (int p = 0; p < 4; p++) {
		uint64_t began;

		make_alarms(policies[p]);
		began = wr_now_ns();
		CHECK_EQ(wr_clockwork_once(&reactor.clockwork, &alarms[0], began + 9000000),
			0);
		CHECK_EQ(wr_clockwork_once(&reactor.clockwork, &alarms[1], began + 3000000),
			0);
		CHECK_EQ(wr_clockwork_once(&reactor.clockwork, &alarms[2], began + 6000000),
			0);
		for (int k = 1; k <= 3; k++) {
			while (strlen(rang) < (size_t)k) {
				(void)wr_reactor_idle(&reactor, 3600 * 1000);
				(void)turn();
			}
			CHECK(wr_now_ns() >= began + (uint64_t)k * 3000000);
		}
		CHECK(strchr(rang, '0') && strchr(rang, '1') && strchr(rang, '2'));
		CHECK_EQ(wr_clockwork_next_ns(&reactor.clockwork), WR_TIMER_NEVER);
		wr_reactor_fini(&reactor);
	}
}

static void
an_alarm_is_moved_and_cancelled(void)
{
	uint64_t far = wr_now_ns() + 3600000000000ull;

	make_alarms(WEIR_IDLE_PARK);
	CHECK(!wr_clockwork_cancel(&reactor.clockwork, &alarms[0]));
	CHECK_EQ(wr_clockwork_once(&reactor.clockwork, &alarms[0], far), 0);
	CHECK_EQ(wr_clockwork_once(&reactor.clockwork, &alarms[1], far), 0);
	CHECK_EQ(wr_clockwork_once(&reactor.clockwork, &alarms[1], 1), 0); /* long ago */
	CHECK(wr_clockwork_cancel(&reactor.clockwork, &alarms[0]));
	CHECK(!wr_clockwork_cancel(&reactor.clockwork, &alarms[0]));
	while (!rang[0])
		(void)turn();
	CHECK_STR(rang, "1");
	CHECK(!wr_clockwork_cancel(&reactor.clockwork, &alarms[1]));
	/* The same alarm again, and as an interval instead. */
	CHECK_EQ(wr_clockwork_once(&reactor.clockwork, &alarms[1], far), 0);
	CHECK_EQ(wr_clockwork_every(&reactor.clockwork, &alarms[1], wr_now_ns(),
			 1000000, WR_INTERVAL_BURST),
		0);
	while (strlen(rang) < 5) {
		(void)wr_reactor_idle(&reactor, 3600 * 1000);
		(void)turn();
	}
	CHECK(wr_clockwork_cancel(&reactor.clockwork, &alarms[1]));
	CHECK_EQ(wr_clockwork_next_ns(&reactor.clockwork), WR_TIMER_NEVER);
	wr_reactor_fini(&reactor);
}

static int stormed;

static int
poll_storm(struct wr_task *task, int *verdict)
{
	struct wr_alarm *alarm = (struct wr_alarm *)(void *)task;
	int work = (int)alarm->fired;

	(void)verdict;
	stormed += work;
	alarm->fired = 0;
	return work;
}

/* A storm takes its turns among the others: a busy task goes on being polled. */
static void
K38_a_storm_of_alarms_starves_nobody(void)
{
	enum { STORM = 5000 };
	static struct wr_alarm storm[STORM];
	struct told busy = {.task = {.poll = poll_told}, .left = 1 << 30};
	int before = 0, worst = 0, verdict, seen = 0;

	make(NULL, 0, WEIR_IDLE_PARK);
	memset(storm, 0, sizeof(storm));
	memset(rang, 0, sizeof(rang));
	wr_reactor_add(&reactor, &busy.task, 10, NULL);
	wr_reactor_tell(&reactor, &busy.task);
	for (int i = 0; i < STORM; i++) {
		storm[i].task.poll = poll_storm;
		wr_reactor_add(&reactor, &storm[i].task, 1, NULL);
		REQUIRE_EQ(wr_clockwork_once(&reactor.clockwork, &storm[i], 1), 0);
	}
	stormed = 0;
	while (stormed < STORM) {
		before = busy.polls;
		seen = stormed;
		(void)wr_reactor_poll(&reactor, &verdict);
		if (busy.polls == before && stormed - seen > worst)
			worst = stormed - seen;
	}
	/* No turn hands out more than it may, and it was polled in between. */
	CHECK(worst <= WR_TIMERS_FIRE);
	CHECK(busy.polls >= STORM / WR_TIMERS_FIRE);
	wr_reactor_fini(&reactor);
}

/* ---- tiers ------------------------------------------------------------------------------------- */

/* Goes on after its budget as often as it is told to, and behaves from there on. */
struct greedy {
	struct wr_task task;
	int left;
};

static int
poll_greedy(struct wr_task *task, int *verdict)
{
	struct greedy *greedy = (struct greedy *)(void *)task;

	(void)verdict;
	reactor.allowance.overdrawn = greedy->left > 0;
	greedy->left -= greedy->left > 0;
	return 1;
}

static void
watch_over(struct wr_tier_rules *rules)
{
	struct wr_tier_config config = *wr_tier_profile("balanced");

	REQUIRE_EQ(wr_tier_config_read(&config,
			   "demotion_ms=0 warn.good_polls=1 warn.min_ms=0", NULL),
		0);
	REQUIRE_EQ(wr_tier_rules_of(rules, &config, NULL), 0);
	wr_reactor_watch_over(&reactor, rules);
}

/* However it came to a tier, its polls are measured there: else a task of which nothing but
 * its time is known would never be seen to behave. */
static void
P32_who_overdrew_comes_back(void)
{
	struct greedy greedy = {.task = {.poll = poll_greedy}, .left = 5};
	struct wr_tier_rules rules;

	make(NULL, 0, WEIR_IDLE_PARK);
	watch_over(&rules);
	wr_reactor_add(&reactor, &greedy.task, 4, NULL);
	wr_reactor_tell(&reactor, &greedy.task);
	for (int i = 0; i < 5; i++)
		(void)turn();
	CHECK_EQ(greedy.task.tier.tier, WR_TIER_WARN);
	CHECK_EQ(wr_select_round(&reactor.queue.select), 12);
	CHECK(greedy.task.measured > 0);
	while (greedy.task.tier.tier != WR_TIER_MONITOR) /* the watchdog sees */
		(void)turn();
	CHECK_EQ(wr_select_round(&reactor.queue.select), 16);
	wr_reactor_fini(&reactor);
}

/* Nobody is watched from there on: who had climbed has all of its turns again. */
static void
P32_switched_off_all_is_forgotten(void)
{
	struct greedy greedy = {.task = {.poll = poll_greedy}, .left = 5};
	struct wr_tier_rules rules;

	make(NULL, 0, WEIR_IDLE_PARK);
	watch_over(&rules);
	wr_reactor_add(&reactor, &greedy.task, 4, NULL);
	wr_reactor_tell(&reactor, &greedy.task);
	for (int i = 0; i < 5; i++)
		(void)turn();
	CHECK_EQ(wr_select_round(&reactor.queue.select), 12);
	wr_reactor_watch_over(&reactor, NULL);
	(void)turn();
	CHECK_EQ(greedy.task.tier.tier, WR_TIER_MONITOR);
	CHECK_EQ(wr_select_round(&reactor.queue.select), 16);
	wr_reactor_fini(&reactor);
}

/* Makes another one within its poll, before or after it has left. */
struct parent {
	struct wr_task task;
	struct greedy child;
	bool leaves;
};

static int
poll_parent(struct wr_task *task, int *verdict)
{
	struct parent *parent = (struct parent *)(void *)task;

	(void)verdict;
	if (parent->leaves)
		wr_reactor_remove(&reactor, task);
	wr_reactor_add(&reactor, &parent->child.task, 8, NULL);
	wr_reactor_remove(&reactor, task);
	return 1;
}

static uint8_t told_why;

static void
note_why(void *ctx, struct wr_task *task, const struct wr_tier_change *change)
{
	(void)ctx, (void)task;
	told_why = change->why;
}

/* What is held against a consumer is held against whom it makes: a slow one gains nothing by
 * leaving its work to another. Who is made outside of polls begins anew. */
static void
P32_a_child_begins_at_the_tier_of_its_maker(void)
{
	for (int leaves = 0; leaves < 2; leaves++) {
		struct parent parent = {
			.task = {.poll = poll_parent}, .leaves = leaves == 1};
		struct greedy other = {.task = {.poll = poll_greedy}};
		struct wr_tier_rules rules;
		struct wr_tier_change change;

		make(NULL, 0, WEIR_IDLE_PARK);
		watch_over(&rules);
		reactor.changed = note_why;
		told_why = WR_TIER_WHY_NONE;
		parent.child.task.poll = poll_greedy;
		wr_reactor_add(&reactor, &parent.task, 4, NULL);
		CHECK(wr_tier_move(&parent.task.tier, &rules, WR_TIER_YIELD,
			WR_TIER_WHY_OPERATOR, wr_now_ns(), &change));
		wr_reactor_tell(&reactor, &parent.task);
		(void)turn();
		CHECK_EQ(parent.child.task.tier.tier, WR_TIER_YIELD);
		CHECK_EQ(told_why, WR_TIER_WHY_LINEAGE);
		wr_reactor_tell(&reactor, &parent.child.task);
		CHECK_EQ(wr_select_round(&reactor.queue.select), 8 * 2);
		wr_reactor_add(&reactor, &other.task, 8, NULL);
		CHECK_EQ(other.task.tier.tier, WR_TIER_MONITOR);
		wr_reactor_fini(&reactor);
	}
}

/* Each of its polls takes so long; its publisher charges it for the waiting of others, or it
 * lags by so much of its quota. */
struct charged {
	struct wr_task task;
	uint64_t takes_ns, charge_ns;
	uint32_t lag;
};

static int
poll_charged(struct wr_task *task, int *verdict)
{
	uint64_t until_ns = wr_now_ns() + ((struct charged *)(void *)task)->takes_ns;

	(void)verdict;
	while (wr_now_ns() < until_ns)
		;
	return 1;
}

static void
add_charge(struct wr_task *task, struct wr_tier_signs *signs)
{
	signs->stall_ns += ((struct charged *)(void *)task)->charge_ns;
	signs->lag = ((struct charged *)(void *)task)->lag;
}

/* The two on one loop, which is watched by the rules. */
static void
make_charged(struct charged both[2], struct wr_tier_rules *rules)
{
	make(NULL, 0, WEIR_IDLE_PARK);
	watch_over(rules);
	reactor.changed = note_why;
	told_why = WR_TIER_WHY_NONE;
	for (int i = 0; i < 2; i++) {
		both[i].task.poll = poll_charged;
		both[i].task.signs = add_charge;
		wr_reactor_add(&reactor, &both[i].task, 3, NULL);
		wr_reactor_tell(&reactor, &both[i].task);
	}
}

/* The first one holds up the second, which shows it by its signs: it is isolated for that.
 * once_ns: what one look at the second counts at most. */
static void
isolates_who_holds_up(struct charged both[2], uint64_t once_ns)
{
	struct wr_tier_rules rules;

	make_charged(both, &rules);
	while (both[0].task.tier.tier != WR_TIER_ISOLATE) /* the watchdog sees */
		(void)turn();
	CHECK_EQ(told_why, WR_TIER_WHY_LEFT);
	CHECK_EQ(both[1].task.tier.tier, WR_TIER_MONITOR);
	CHECK(reactor.held_ns + reactor.kept_ns <= once_ns * 2); /* it begins anew */
	wr_reactor_fini(&reactor);
}

/* A publisher waits for one that waits for its neighbour's polls: the loop knows whom to hold
 * it against, and does so before the one that is charged has spent its budget. */
static void
N1_what_the_held_up_are_charged_counts_against_who_holds_them_up(void)
{
	struct charged both[2] = {
		{.takes_ns = 600000}, {.takes_ns = 10000, .charge_ns = 50000}};

	isolates_who_holds_up(both, 50000);
}

/* Where all come forward at the pace of the slowest their publisher charges nobody. */
static void
N1_who_keeps_its_neighbours_far_behind_is_isolated(void)
{
	struct charged both[2] = {
		{.takes_ns = 600000, .lag = 900}, {.takes_ns = 10000, .lag = 900}};

	isolates_who_holds_up(both, WR_TIER_LAG_GAP_NS / 32);
}

/* Who has kept up itself, or was not warned, may have had the loop while the others had nothing
 * to do. */
static void
N1_who_was_not_warned_keeps_nobody_behind(void)
{
	struct charged both[2] = {{.takes_ns = 600000}, {.takes_ns = 10000, .lag = 900}};
	struct wr_tier_rules rules;

	make_charged(both, &rules);
	for (int i = 0; i < 500; i++)
		(void)turn();
	CHECK_EQ(told_why, WR_TIER_WHY_NONE);
	CHECK_EQ(both[1].task.tier.tier, WR_TIER_MONITOR);
	wr_reactor_fini(&reactor);
}

/* It had more to do, and left before it came to it: nobody calls it any more. */
static void
K25_an_urgent_one_that_left_is_not_polled(void)
{
	struct told urgent = {.task = {.poll = poll_told, .urgent = true}, .left = 100};

	make(NULL, 0, WEIR_IDLE_PARK);
	wr_reactor_add(&reactor, &urgent.task, 1, NULL);
	wr_reactor_tell(&reactor, &urgent.task);
	(void)turn();
	CHECK_EQ(urgent.polls, 1);
	wr_reactor_remove(&reactor, &urgent.task);
	CHECK(!wr_reactor_any_ready(&reactor));
	(void)turn();
	CHECK_EQ(urgent.polls, 1);
	CHECK_EQ(reactor.told_count, 0);
	wr_reactor_fini(&reactor);
}

/* Who is urgent is in no round, so a tier takes nothing from one. */
static void
K25_an_urgent_one_weighs_nothing_at_any_tier(void)
{
	struct greedy urgent = {.task = {.poll = poll_greedy, .urgent = true}, .left = 5};
	struct wr_tier_rules rules;

	make(NULL, 0, WEIR_IDLE_PARK);
	watch_over(&rules);
	wr_reactor_add(&reactor, &urgent.task, 4, NULL);
	wr_reactor_tell(&reactor, &urgent.task);
	for (int i = 0; i < 5; i++)
		(void)turn();
	CHECK_EQ(urgent.task.tier.tier, WR_TIER_WARN);
	CHECK_EQ(wr_select_round(&reactor.queue.select), 0);
	wr_reactor_watch_over(&reactor, NULL);
	(void)turn();
	CHECK_EQ(urgent.task.tier.tier, WR_TIER_MONITOR);
	CHECK_EQ(wr_select_round(&reactor.queue.select), 0);
	wr_reactor_fini(&reactor);
}

/* ---- descriptors ------------------------------------------------------------------------------- */

struct piped {
	struct wr_task task;
	int fd, got;
};

static int
poll_pipe(struct wr_task *task, int *verdict)
{
	struct piped *piped = (struct piped *)(void *)task;
	char byte;

	(void)verdict;
	/* One byte a poll: what is left is told again. */
	if (read(piped->fd, &byte, 1) != 1)
		return 0;
	piped->got++;
	return 1;
}

static void
K44_a_descriptor_wakes_and_is_told_again(void)
{
	struct piped piped = {.task = {.poll = poll_pipe, .once = true}};
	int ends[2];

	REQUIRE_EQ(pipe(ends), 0);
	make(NULL, 0, WEIR_IDLE_PARK);
	piped.fd = ends[0];
	wr_reactor_add(&reactor, &piped.task, 1, NULL);
	REQUIRE_EQ(wr_reactor_watch(&reactor, &piped.task, ends[0], WR_CAN_READ), 0);
	(void)turn();
	CHECK_EQ(piped.got, 0);
	CHECK_EQ(write(ends[1], "weir", 4), 4);
	while (piped.got < 4) {
		(void)wr_reactor_idle(&reactor, 3600 * 1000);
		(void)turn();
	}
	wr_reactor_unwatch(&reactor, ends[0]);
	CHECK_EQ(write(ends[1], "weir", 4), 4);
	for (int i = 0; i < 10; i++)
		(void)turn();
	CHECK_EQ(piped.got, 4);
	wr_reactor_fini(&reactor);
	close(ends[0]);
	close(ends[1]);
}

static void
a_file_is_always_ready(void)
{
	struct told told = {.task = {.poll = poll_told}};
	FILE *file = tmpfile();

	REQUIRE(file != NULL);
	make(NULL, 0, WEIR_IDLE_PARK);
	wr_reactor_add(&reactor, &told.task, 1, NULL);
	CHECK_EQ(wr_reactor_watch(&reactor, &told.task, fileno(file), WR_CAN_READ),
		WR_WATCH_ALWAYS);
	(void)turn();
	CHECK_EQ(told.polls, 1);
	CHECK_EQ(wr_reactor_watch(&reactor, &told.task, -1, WR_CAN_READ), -WEIR_E_ENV_OS);
	wr_reactor_fini(&reactor);
	(void)fclose(file);
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
		struct worker w[2];
		struct ringer ringer = {
			.worker = &w[1], .bell = wr_bell_make(), .sleeps = i < 2};
		pthread_t thread;

		make(w, 2, policies[i]);
		REQUIRE_EQ(wr_bell_watch(&reactor.poller, ringer.bell), 0);
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
wake_later(void *waiter)
{
	await_waiter(waiter);
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
		struct wr_thread_look waiter;
		pthread_t thread;

		make(w, 1, policies[i]);
		wr_thread_look_init(&waiter);
		REQUIRE_EQ(pthread_create(&thread, NULL, wake_later, &waiter), 0);
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
	struct worker w[1];
	int token = wr_bell_make();
	struct pollfd outer;
	uint64_t one = 1;

	make(w, 1, WEIR_IDLE_PARK);
	outer = (struct pollfd){.fd = reactor.poller.fd, .events = POLLIN};
	REQUIRE_EQ(wr_bell_watch(&reactor.poller, token), 0);
	CHECK(wr_reactor_arm(&reactor));
	CHECK_EQ(poll(&outer, 1, 0), 0);
	CHECK_EQ(write(token, &one, sizeof(one)), sizeof(one));
	CHECK_EQ(poll(&outer, 1, 0), 1);
	/* Whoever waited elsewhere has it taken here, before it looks at the tasks. */
	wr_reactor_rise(&reactor);
	CHECK_EQ(wr_load_acquire(test_flag, &flag), 2);
	CHECK_EQ(poll(&outer, 1, 0), 0);
	/* Not armed, nothing is taken: the token may be for a sleep to come. */
	CHECK_EQ(write(token, &one, sizeof(one)), sizeof(one));
	wr_reactor_rise(&reactor);
	CHECK_EQ(poll(&outer, 1, 0), 1);
	wr_reactor_fini(&reactor);
	close(token);
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

/* ---- the same, by poll(2) ------------------------------------------------------------------ */

/* clang-format off */
#define BY_POLL(fn) \
	static void K42_##fn##_by_poll(void) { by_poll = true; fn(); }
/* clang-format on */

BY_POLL(K41_what_is_sent_wakes_a_sleeper)
BY_POLL(K9_alarms_wake_whoever_waits)
BY_POLL(K44_a_descriptor_wakes_and_is_told_again)
BY_POLL(a_file_is_always_ready)
BY_POLL(sleeps_until_rung)
BY_POLL(waits_no_longer_than_it_was_told)
BY_POLL(leaves_no_descriptor)

static const struct wr_test tests[] = {TEST(everybody_once_a_turn),
	TEST(work_is_counted), TEST(a_verdict_ends_the_turn_and_starves_nobody),
	TEST(who_has_a_verdict_holds_up_nobody), TEST(tasks_come_and_go),
	TEST(a_task_leaves_within_its_poll), TEST(a_task_expels_another),
	TEST(K2_polls_are_by_weight), TEST(K54_the_idle_cost_no_poll),
	TEST(who_is_told_is_polled_until_it_finds_nothing),
	TEST(K41_what_is_sent_wakes_a_sleeper, .labels = "concurrency"),
	TEST(K9_alarms_wake_whoever_waits), TEST(an_alarm_is_moved_and_cancelled),
	TEST(K38_a_storm_of_alarms_starves_nobody), TEST(P32_who_overdrew_comes_back),
	TEST(P32_switched_off_all_is_forgotten),
	TEST(P32_a_child_begins_at_the_tier_of_its_maker),
	TEST(N1_what_the_held_up_are_charged_counts_against_who_holds_them_up),
	TEST(N1_who_keeps_its_neighbours_far_behind_is_isolated),
	TEST(N1_who_was_not_warned_keeps_nobody_behind),
	TEST(K25_an_urgent_one_that_left_is_not_polled),
	TEST(K25_an_urgent_one_weighs_nothing_at_any_tier),
	TEST(K44_a_descriptor_wakes_and_is_told_again), TEST(a_file_is_always_ready),
	TEST(the_flag_is_odd_while_armed),
	TEST(sleeps_until_rung, .labels = "concurrency"),
	TEST(waits_no_longer_than_it_was_told), TEST(who_was_stopped_does_not_wait),
	TEST(a_wake_ends_a_wait_that_never_sleeps, .labels = "concurrency"),
	TEST(the_wait_takes_the_tokens), TEST(leaves_no_descriptor),
	TEST(K42_K41_what_is_sent_wakes_a_sleeper_by_poll, .labels = "concurrency"),
	TEST(K42_K9_alarms_wake_whoever_waits_by_poll),
	TEST(K42_K44_a_descriptor_wakes_and_is_told_again_by_poll),
	TEST(K42_a_file_is_always_ready_by_poll),
	TEST(K42_sleeps_until_rung_by_poll, .labels = "concurrency"),
	TEST(K42_waits_no_longer_than_it_was_told_by_poll),
	TEST(K42_leaves_no_descriptor_by_poll), TEST_END};
const struct wr_suite wr_suite_reactor = {.name = "reactor", .tests = tests};
