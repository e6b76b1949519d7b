/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * P32: nobody is idle while work is pending. Consumers of every kind come and go, are given
 * work, are weighed anew and climb the tiers, by dice; and whatever happens
 *
 *   a reactor with pending work finds it: it does not fall asleep;
 *   a turn with pending work does some;
 *   each piece of work is done within as many turns as its weight and tier make of it;
 *   with none left it falls asleep, and asks nobody for more.
 */
#include "scheduler/rest.h"

#include "bus/bell.h"
#include "tests/lib/dice.h"
#include "tests/lib/test.h"

#include <string.h>
#include <weir/weir.h>

enum { MANY = 40, PATIENCE = 1500 };

enum kind { LOOKED_AT, TOLD, SENT, ALARM, URGENT, KINDS };

struct consumer {
	struct wr_alarm alarm; /* its task is the consumer */
	enum kind kind;
	int pending;    /* pieces of work that it has */
	int waited;     /* turns that the first of them has waited */
	bool overdraws; /* in every poll */
};

static struct wr_reactor reactor;
static struct wr_tier_rules rules;
static wr_a64 flag;
static struct wr_bell bell;
static struct consumer consumers[MANY];
static uint64_t dice;
static int done_now; /* pieces, in this turn */

static unsigned
roll(unsigned below)
{
	return (unsigned)wr_dice_roll(&dice, below);
}

static struct consumer *
of_task(struct wr_task *task)
{
	return (struct consumer *)(void *)task;
}

static int
poll_one(struct wr_task *task, int *verdict)
{
	struct consumer *consumer = of_task(task);

	reactor.allowance.overdrawn = consumer->overdraws;
	consumer->alarm.fired = 0;
	if (consumer->pending == 0)
		return 0;
	*verdict = roll(50) == 0;
	consumer->pending--;
	consumer->waited = 0;
	done_now++;
	return 1;
}

static bool
is_ready(struct wr_task *task)
{
	return of_task(task)->pending > 0;
}

/* ---- what may happen ------------------------------------------------------------------------ */

static void
give_work(struct consumer *consumer)
{
	struct wr_task *task = &consumer->alarm.task;

	if (!task->added)
		return;
	consumer->pending += 1 + (int)roll(3);
	if (consumer->kind == TOLD || consumer->kind == URGENT)
		wr_reactor_tell(&reactor, task);
	else if (consumer->kind == SENT)
		wr_reactor_send(&reactor, task);
	else if (consumer->kind == ALARM)
		CHECK_EQ(wr_clockwork_once(&reactor.clockwork, &consumer->alarm, 1), 0);
}

static void
come_or_go(struct consumer *consumer)
{
	struct wr_task *task = &consumer->alarm.task;

	if (!task->added) {
		CHECK_EQ(wr_reactor_add(&reactor, task, 1 + roll(12), NULL), 0);
		return;
	}
	if (consumer->kind == ALARM)
		(void)wr_clockwork_cancel(&reactor.clockwork, &consumer->alarm);
	wr_reactor_remove(&reactor, task);
	consumer->pending = consumer->waited = 0;
}

static void
happen(void)
{
	struct consumer *consumer = &consumers[roll(MANY)];

	switch (roll(20)) {
	case 0:
		come_or_go(consumer);
		break;
	case 1:
		if (consumer->alarm.task.added && consumer->kind != URGENT)
			CHECK_EQ(wr_reactor_weigh(
					 &reactor, &consumer->alarm.task, 1 + roll(12)),
				0);
		break;
	case 2:
		consumer->overdraws = !consumer->overdraws;
		break;
	case 3:
		wr_reactor_watch_over(&reactor, roll(4) ? &rules : NULL);
		break;
	default:
		give_work(consumer);
	}
}

/* ---- what has to be so ------------------------------------------------------------------------ */

static int
pending(void)
{
	int sum = 0;

	for (int i = 0; i < MANY; i++)
		sum += consumers[i].pending;
	return sum;
}

static void
check_awake(void)
{
	CHECK(wr_reactor_any_ready(&reactor));
	if (!wr_reactor_arm(&reactor))
		return;
	FAIL("it falls asleep, and %d pieces of work are there", pending());
	wr_reactor_disarm(&reactor);
}

static void
take_turn(void)
{
	bool any = pending() > 0;
	int verdict;

	if (any)
		check_awake();
	done_now = 0;
	for (int i = 0; i < MANY; i++)
		consumers[i].waited += consumers[i].pending > 0;
	(void)wr_reactor_poll(&reactor, &verdict);
	CHECK(!any || done_now > 0);
	for (int i = 0; i < MANY; i++)
		if (consumers[i].waited > PATIENCE)
			FAIL("consumer %d has waited %d turns", i, consumers[i].waited);
}

static void
make(const char *discipline, uint64_t seed)
{
	struct wr_tier_config config = *wr_tier_profile("readme");

	dice = WR_DICE_SEED + seed;
	memset(consumers, 0, sizeof(consumers));
	wr_store_release(test_flag, &flag, 0);
	wr_bell_init(&bell);
	REQUIRE_EQ(wr_reactor_init(&reactor, &flag, &bell, WEIR_IDLE_PARK), 0);
	REQUIRE_EQ(wr_reactor_discipline(&reactor, discipline), 0);
	config.promotion_ms = 0;
	REQUIRE_EQ(wr_tier_rules_of(&rules, &config, NULL), 0);
	wr_reactor_watch_over(&reactor, &rules);
	for (int i = 0; i < MANY; i++) {
		struct wr_task *task = &consumers[i].alarm.task;

		consumers[i].kind = (enum kind)(i % KINDS);
		task->poll = poll_one;
		task->ready = consumers[i].kind == LOOKED_AT ? is_ready : NULL;
		task->urgent = consumers[i].kind == URGENT;
		CHECK_EQ(wr_reactor_add(&reactor, task, 1 + roll(12), NULL), 0);
	}
}

static void
P32_nobody_is_idle_while_work_is_pending(void)
{
	static const char *const disciplines[] = {"priority", "time", "classes", "robin"};
	unsigned seeds = wr_test_long() ? 200 : 8;
	uint64_t climbed = 0;

	for (uint64_t seed = 0; seed < seeds; seed++) {
		make(disciplines[seed % 4], seed);
		for (int i = 0; i < 4000; i++) {
			happen();
			if (roll(3) == 0)
				take_turn();
		}
		/* What is left is done, and then nobody is asked any more. */
		for (int i = 0; i < MANY * PATIENCE && pending() > 0; i++)
			take_turn();
		CHECK_EQ(pending(), 0);
		for (int i = 0; i < 3; i++)
			take_turn();
		CHECK(!wr_reactor_any_ready(&reactor));
		CHECK(wr_reactor_arm(&reactor));
		wr_reactor_disarm(&reactor);
		for (int i = 0; i < MANY; i++)
			climbed += wr_stat_get(&consumers[i].alarm.task.stats.promotions);
		wr_reactor_fini(&reactor);
	}
	CHECK(climbed > 0);
}

static const struct wr_test tests[] = {
	TEST(P32_nobody_is_idle_while_work_is_pending, .watchdog_s = 300), TEST_END};

const struct wr_suite wr_suite_reactor_pending = {
	.name = "reactor_pending", .tests = tests};
