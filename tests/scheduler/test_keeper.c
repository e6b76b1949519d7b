/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Timers that a thread of their own keeps. Row K38. */
#include "scheduler/keeper.h"

#include "bus/os/core.h"
#include "scheduler/rest.h"
#include "tests/lib/dice.h"
#include "tests/lib/fdleak.h"
#include "tests/lib/test.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <weir/weir.h>

enum { MANY = 300, STORM = 3000, ROUNDS = 3000 };

static struct wr_reactor reactor;
static struct wr_keeper keeper;
static wr_a64 flag;
static struct wr_bell bell;

/* An alarm that counts what it was told, and when it may be told at the earliest. */
struct counted {
	struct wr_alarm alarm;
	uint64_t earliest_ns;
	uint64_t told;
};

static uint64_t told_in_all;

static int
poll_counted(struct wr_task *task, int *verdict)
{
	struct counted *counted = (struct counted *)(void *)wr_alarm_of(task);
	uint64_t fired, due_ns;

	(void)verdict;
	wr_keeper_enter(&keeper);
	fired = counted->alarm.fired;
	due_ns = counted->alarm.due_ns;
	counted->alarm.fired = counted->alarm.missed = 0;
	wr_keeper_leave(&keeper, &counted->alarm);
	CHECK(fired == 0 || wr_now_ns() >= due_ns);
	CHECK(fired == 0 || due_ns >= counted->earliest_ns);
	counted->told += fired;
	told_in_all += fired;
	return fired > 0;
}

static void
begin(uint32_t idle)
{
	wr_store_release(test_flag, &flag, 0);
	wr_bell_init(&bell);
	REQUIRE_EQ(wr_reactor_init(&reactor, &flag, &bell, idle), 0);
	wr_bell_set(&bell, wr_bell_make());
	REQUIRE_EQ(wr_bell_watch(&reactor.poller, bell.fd), 0);
	REQUIRE_EQ(wr_keeper_start(&keeper, &reactor, WR_CORE_ANY), 0);
}

static void
finish(void)
{
	wr_keeper_stop(&keeper);
	wr_reactor_fini(&reactor);
	wr_bell_set(&bell, -1);
}

static struct counted *
more(void)
{
	struct counted *counted = aligned_alloc(
		WR_LINE, (sizeof(*counted) + WR_LINE - 1) / WR_LINE * WR_LINE);

	REQUIRE(counted != NULL);
	memset(counted, 0, sizeof(*counted));
	counted->alarm.task.poll = poll_counted;
	REQUIRE_EQ(wr_reactor_add(&reactor, &counted->alarm.task, 1, NULL), 0);
	return counted;
}

static void
less(struct counted *counted)
{
	(void)wr_keeper_cancel(&keeper, &counted->alarm);
	wr_reactor_remove(&reactor, &counted->alarm.task);
	free(counted);
}

static int
turn(void)
{
	int verdict;

	return wr_reactor_poll(&reactor, &verdict);
}

/* None is early and none is lost, however the loop waits; most arms are earlier than what the
 * keeper sleeps for. */
static void
K38_each_is_told_once_and_none_early(void)
{
	static const uint32_t policies[] = {
		WEIR_IDLE_ADAPTIVE, WEIR_IDLE_PARK, WEIR_IDLE_YIELD, WEIR_IDLE_SPIN};

	for (int p = 0; p < 4; p++) {
		struct counted *all[MANY];
		uint64_t told = 0, now_ns;
		uint64_t dice = WR_DICE_SEED + (unsigned)p;

		begin(policies[p]);
		now_ns = wr_now_ns();
		for (int i = 0; i < MANY; i++) {
			all[i] = more();
			all[i]->earliest_ns = now_ns + wr_dice_roll(&dice, 20000000);
			CHECK_EQ(wr_keeper_once(
					 &keeper, &all[i]->alarm, all[i]->earliest_ns),
				0);
		}
		while (told < MANY) {
			(void)wr_reactor_idle(&reactor, 3600 * 1000);
			(void)turn();
			told = 0;
			for (int i = 0; i < MANY; i++)
				told += all[i]->told;
		}
		for (int i = 0; i < MANY; i++) {
			CHECK_EQ(all[i]->told, 1);
			less(all[i]);
		}
		finish();
	}
}

/* Whoever else is on the loop, and how many were told between two of its polls. */
struct busy {
	struct wr_task task;
	uint64_t polls, told, worst;
};

static int
poll_busy(struct wr_task *task, int *verdict)
{
	struct busy *busy = (struct busy *)(void *)task;

	(void)verdict;
	if (told_in_all - busy->told > busy->worst)
		busy->worst = told_in_all - busy->told;
	busy->told = told_in_all;
	busy->polls++;
	return 1;
}

static uint32_t
out_now(void)
{
	uint32_t out;

	pthread_mutex_lock(&keeper.lock);
	out = keeper.out;
	pthread_mutex_unlock(&keeper.lock);
	return out;
}

/* Thousands at once: no more than a bounded number is on the loop at a time, and whoever else
 * is there is polled in between. */
static void
K38_a_storm_from_the_keeper_is_bounded(void)
{
	static struct counted *all[STORM];
	struct busy busy = {.task = {.poll = poll_busy}};

	told_in_all = 0;
	begin(WEIR_IDLE_PARK);
	REQUIRE_EQ(wr_reactor_add(&reactor, &busy.task, 1, NULL), 0);
	wr_reactor_tell(&reactor, &busy.task);
	for (int i = 0; i < STORM; i++) {
		all[i] = more();
		REQUIRE_EQ(wr_keeper_once(&keeper, &all[i]->alarm, 1), 0);
	}
	while (told_in_all < STORM) {
		CHECK(out_now() < 2 * WR_TIMERS_FIRE);
		(void)turn();
	}
	CHECK(busy.polls >= STORM / WR_TIMERS_FIRE / 3);
	CHECK(busy.worst <= 3 * WR_TIMERS_FIRE);
	for (int i = 0; i < STORM; i++) {
		CHECK_EQ(all[i]->told, 1);
		less(all[i]);
	}
	wr_reactor_remove(&reactor, &busy.task);
	finish();
}

/* At whatever moment: what was cancelled is not told, and its memory may go. */
static void
K38_a_cancelled_one_is_never_told(void)
{
	uint64_t dice = WR_DICE_SEED + 11;

	begin(WEIR_IDLE_PARK);
	for (int round = 0; round < ROUNDS; round++) {
		struct counted *one = more();
		uint64_t now_ns = wr_now_ns(), told;
		uint64_t until_ns = now_ns + wr_dice_roll(&dice, 60000);

		one->earliest_ns = now_ns;
		REQUIRE_EQ(wr_keeper_once(&keeper, &one->alarm,
				   now_ns + wr_dice_roll(&dice, 40000)),
			0);
		while (wr_now_ns() < until_ns)
			if (wr_dice_roll(&dice, 8) == 0)
				(void)turn();
		(void)wr_keeper_cancel(&keeper, &one->alarm);
		told = one->told;
		CHECK(told <= 1);
		if (round % 2) {
			(void)turn();
			(void)turn();
			CHECK_EQ(one->told, told);
		}
		less(one);
	}
	CHECK_EQ(keeper.out, 0);
	finish();
}

/* Moved while it may be firing: it is told once for each time that it was armed and let be, and
 * an interval goes on in its phase. */
static void
K38_armed_again_in_the_middle(void)
{
	struct counted *one, *often;
	uint64_t dice = WR_DICE_SEED + 13;
	uint64_t armed = 0, first_ns;

	begin(WEIR_IDLE_PARK);
	one = more();
	often = more();
	first_ns = often->earliest_ns = wr_now_ns() + 100000;
	REQUIRE_EQ(wr_keeper_every(
			   &keeper, &often->alarm, first_ns, 100000, WR_INTERVAL_BURST),
		0);
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t at_ns = wr_now_ns() + wr_dice_roll(&dice, 30000);

		REQUIRE_EQ(wr_keeper_once(&keeper, &one->alarm, at_ns), 0);
		armed++;
		if (round % 3 == 0)
			(void)turn();
	}
	do {
		(void)wr_reactor_idle(&reactor, 3600 * 1000);
		(void)turn();
	} while (one->alarm.id != 0 || often->told < 100);
	CHECK(one->told >= 1 && one->told <= armed);
	/* Each period once: as many as have passed. */
	(void)wr_keeper_cancel(&keeper, &often->alarm);
	CHECK(often->told <= (wr_now_ns() - first_ns) / 100000 + 1);
	less(one);
	less(often);
	finish();
}

static void
K38_a_keeper_comes_and_goes(void)
{
	struct wr_fds before;

	wr_fds_take(&before);
	for (int i = 0; i < 20; i++) {
		struct counted *one;

		begin(WEIR_IDLE_PARK);
		one = more();
		/* Far away, long ago, or not at all when it ends. */
		if (i % 3)
			CHECK_EQ(wr_keeper_once(&keeper, &one->alarm,
					 i % 3 == 1 ? UINT64_MAX - 1 : 1),
				0);
		less(one);
		finish();
	}
	CHECK_EQ(wr_fds_new(&before), 0);
	REQUIRE_EQ(wr_reactor_init(&reactor, &flag, &bell, WEIR_IDLE_PARK), 0);
	CHECK_EQ(wr_keeper_start(&keeper, &reactor, WR_CORES_MAX - 1), -WEIR_E_ENV_OS);
	CHECK_EQ(errno, EINVAL);
	wr_reactor_fini(&reactor);
}

static const struct wr_test tests[] = {TEST(K38_each_is_told_once_and_none_early),
	TEST(K38_a_storm_from_the_keeper_is_bounded),
	TEST(K38_a_cancelled_one_is_never_told), TEST(K38_armed_again_in_the_middle),
	TEST(K38_a_keeper_comes_and_goes), TEST_END};
const struct wr_suite wr_suite_keeper = {
	.name = "keeper", .tests = tests, .labels = "concurrency"};
