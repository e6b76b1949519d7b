/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What is on the loop beside each other: weights, budgets, timers, descriptors, tasks. */
#include "tests/conform/rig.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <weir/conf.h>
#include <weir/loop.h>

#include "tests/lib/tmpdir.h"

static int
idle_step(void *ctx)
{
	(void)ctx;
	return WEIR_STEP_IDLE;
}

static int tick(void *ctx, const weir_tick *t);

/* ---- weights and budgets ------------------------------------------------------------------- */

enum { CLASSES = 4, PER_CLASS = 200 };

/* What a subscription's callback notes: one message a poll. */
struct counted {
	char name;
	int seen;
};

static char polled[4096];
static size_t polled_count;

static int
count_message(void *ctx, const weir_msg *msg)
{
	struct counted *counted = ctx;

	(void)msg;
	counted->seen++;
	if (polled_count < sizeof(polled))
		polled[polled_count++] = counted->name;
	return 0;
}

/* Four subscriptions of one loop, each with messages enough: while all have some, each gets
 * its part of every round, exactly. */
static void
K2_subscriptions_are_polled_by_weight(const char *name)
{
	static const unsigned weights[CLASSES] = {10, 6, 3, 1};
	struct counted counted[CLASSES];
	weir_bus *a = rig_bus(name), *b = rig_bus(name);
	weir_pub *pub = weir_advertise(a, "t");

	polled_count = 0;
	for (int i = 0; i < CLASSES; i++) {
		weir_sub *sub;

		counted[i] = (struct counted){.name = (char)('a' + i)};
		sub = weir_subscribe(b, "t", .on_msg = count_message,
			.ctx = &counted[i], .batch = 1, .weight = weights[i]);
		REQUIRE_EQ(weir_sub_why(sub)->code, 0);
	}
	REQUIRE_EQ(weir_wait_subscribers(pub, CLASSES, WEIR_FOREVER), CLASSES);
	for (int i = 0; i < PER_CLASS; i++)
		rig_send(pub, 8, (uint64_t)i);
	while (counted[0].seen < PER_CLASS)
		REQUIRE(weir_turn(b, 0) > 0);
	/* A round after the first, in which all had something to do: by its count of polls. */
	for (size_t round = 1; round < 8; round++) {
		int seen[CLASSES] = {0};

		for (size_t i = 0; i < 20; i++)
			seen[polled[round * 20 + i] - 'a']++;
		for (int i = 0; i < CLASSES; i++)
			CHECK_EQ(seen[i], weights[i]);
	}
	while (weir_turn(b, 0) > 0)
		;
	for (int i = 0; i < CLASSES; i++)
		CHECK_EQ(counted[i].seen, PER_CLASS);
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), 0);
}

static void
a_weight_changes_and_has_bounds(const char *name)
{
	struct counted counted[2] = {{'a', 0}, {'b', 0}};
	weir_bus *a = rig_bus(name), *b = rig_bus(name);
	weir_pub *pub = weir_advertise(a, "t");
	weir_sub *subs[2], *wrong;

	polled_count = 0;
	for (int i = 0; i < 2; i++)
		subs[i] = weir_subscribe(b, "t", .on_msg = count_message,
			.ctx = &counted[i], .batch = 1);
	REQUIRE_EQ(weir_wait_subscribers(pub, 2, WEIR_FOREVER), 2);
	CHECK_EQ(weir_sub_weigh(subs[0], 0), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_sub_weigh(subs[0], 65), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_sub_weigh(subs[0], 8), 0);
	CHECK_EQ(weir_sub_weigh(subs[1], 1), 0);
	for (int i = 0; i < 90; i++)
		rig_send(pub, 8, (uint64_t)i);
	while (counted[0].seen < 90)
		REQUIRE(weir_turn(b, 0) > 0);
	CHECK(counted[1].seen >= 9 && counted[1].seen <= 13);
	CHECK_EQ(weir_round(b), 9);
	while (weir_turn(b, 0) > 0)
		;
	CHECK_EQ(weir_round(b), 0);
	wrong = weir_subscribe(b, "u", .on_msg = count_message, .weight = 65);
	CHECK_EQ(weir_sub_why(wrong)->code, WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), 2);
}

/* A loop with a limit takes consumers as long as a round has room for them, of any kind; who
 * leaves makes room. */
static void
K2_a_declared_round_has_a_limit(const char *name)
{
	struct counted counted = {.name = 'a'};
	weir_sub *subs[41];
	weir_bus *bus = weir_open(name, .round_limit = 400, .attach_ms = 600000,
		.flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET);

	REQUIRE_EQ(weir_why(bus)->code, 0);
	for (int i = 0; i < 41; i++)
		subs[i] = weir_subscribe(bus, "t", .on_msg = count_message,
			.ctx = &counted, .weight = 10);
	CHECK_EQ(weir_sub_why(subs[39])->code, 0);
	CHECK_EQ(weir_sub_why(subs[40])->code, WEIR_E_AGAIN_QUOTA);
	CHECK(strstr(weir_sub_why(subs[40])->text, "10") != NULL);
	CHECK_EQ(weir_unsubscribe(subs[40]), 0);
	CHECK_EQ(weir_spawn(bus, idle_step, .weight = 1), 0);
	CHECK_EQ(weir_sub_weigh(subs[0], 11), -WEIR_E_AGAIN_QUOTA);
	CHECK_EQ(weir_sub_weigh(subs[0], 9), 0);
	CHECK(weir_spawn(bus, idle_step, .weight = 1) != 0);
	CHECK_EQ(weir_unsubscribe(subs[1]), 0);
	CHECK_EQ(weir_timer_why(weir_timer_start(bus, .after_ns = 1000000000,
					.on_tick = tick, .weight = 10))
			 ->code,
		0);
	CHECK_EQ(weir_spawn(bus, idle_step, .weight = 1), 0);
	(void)weir_close(bus); /* it carries the refusals */
}

/* Each discipline by its name: everybody gets all that is there for it. */
static void
K21_each_discipline_serves_everybody(const char *name)
{
	static const char *const disciplines[] = {"priority", "time", "classes", "robin"};

	for (int k = 0; k < 4; k++) {
		struct counted counted[CLASSES];
		weir_bus *a = rig_bus(name);
		weir_bus *b = weir_open(name, .discipline = disciplines[k],
			.attach_ms = 600000,
			.flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET);
		weir_pub *pub = weir_advertise(a, "t");

		REQUIRE_EQ(weir_why(b)->code, 0);
		polled_count = sizeof(polled);
		for (int i = 0; i < CLASSES; i++) {
			counted[i] = (struct counted){.name = 'a'};
			(void)weir_subscribe(b, "t", .on_msg = count_message,
				.ctx = &counted[i], .batch = 1,
				.weight = (uint32_t)i * 3 + 1);
		}
		REQUIRE_EQ(weir_wait_subscribers(pub, CLASSES, WEIR_FOREVER), CLASSES);
		for (int i = 0; i < 100; i++)
			rig_send(pub, 8, (uint64_t)i);
		while (weir_turn(b, 0) > 0)
			;
		for (int i = 0; i < CLASSES; i++)
			CHECK_EQ(counted[i].seen, 100);
		CHECK_EQ(weir_close(a), 0);
		CHECK_EQ(weir_close(b), 0);
	}
	CHECK_EQ(weir_close(weir_open(name, .discipline = "whim", .flags = WEIR_BUS_QUIET)),
		2);
}

/* The thread of the loop is bound to its core, if that is there. */
static void
P22_a_loop_is_bound_to_its_core(const char *name)
{
	cpu_set_t before, now;
	uint32_t core = 0;
	weir_bus *bus;

	REQUIRE_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
	while (!CPU_ISSET(core, &before))
		core++;
	bus = weir_open(name, .core = core + 1, .flags = WEIR_BUS_QUIET);
	CHECK_EQ(weir_why(bus)->code, 0);
	REQUIRE_EQ(sched_getaffinity(0, sizeof(now), &now), 0);
	CHECK_EQ(CPU_COUNT(&now), 1);
	CHECK(CPU_ISSET(core, &now));
	CHECK_EQ(weir_close(bus), 0);
	bus = weir_open(name, .core = 100000, .flags = WEIR_BUS_QUIET);
	CHECK_EQ(weir_why(bus)->code, WEIR_E_ENV_OS);
	CHECK_EQ(weir_close(bus), 1);
	REQUIRE_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
}

/* Takes its units, and asks whether it should stop. */
struct worker {
	weir_bus *bus;
	uint32_t units;
	int seen, told;
};

static int
consume(void *ctx, const weir_msg *msg)
{
	struct worker *worker = ctx;

	(void)msg;
	worker->seen++;
	worker->told += weir_consume(worker->bus, worker->units);
	CHECK_EQ(weir_should_yield(worker->bus), worker->told > 0);
	return 0;
}

/* Who has used its units up gets no further message in this poll, and all of them again in
 * the next. */
static void
P8_units_end_a_poll(const char *name)
{
	weir_bus *a = rig_bus(name), *b = rig_bus(name);
	struct worker worker = {.bus = b, .units = 500};
	weir_pub *pub = weir_advertise(a, "t");
	int polls = 0;

	(void)weir_subscribe(b, "t", .on_msg = consume, .ctx = &worker);
	REQUIRE_EQ(weir_wait_subscribers(pub, 1, WEIR_FOREVER), 1);
	for (int i = 0; i < 64; i++)
		rig_send(pub, 8, (uint64_t)i);
	while (worker.seen < 64) {
		int handled;

		worker.told = 0;
		handled = weir_turn(b, 0);
		CHECK(handled <= WEIR_BUDGET_DEFAULT / 500);
		CHECK_EQ(worker.told, handled == WEIR_BUDGET_DEFAULT / 500);
		polls += worker.told;
	}
	CHECK(polls > 10); /* a poll looks for more and more: the first ones for few */
	CHECK_EQ(weir_turn(b, 0), 0);
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), 0);
}

static int
work_long(void *ctx, const weir_msg *msg)
{
	struct worker *worker = ctx;
	uint64_t until_ns = weir_now_ns() + 300000;

	(void)msg;
	worker->seen++;
	while (weir_now_ns() < until_ns)
		;
	return 0;
}

/* A poll that has lasted for as long as it may ends with the message that is handled. */
static void
P1_time_ends_a_poll(const char *name)
{
	weir_bus *a = rig_bus(name), *b = rig_bus(name);
	struct worker worker = {.bus = b};
	weir_pub *pub = weir_advertise(a, "t");

	(void)weir_subscribe(b, "t", .on_msg = work_long, .ctx = &worker, .poll_us = 200);
	REQUIRE_EQ(weir_wait_subscribers(pub, 1, WEIR_FOREVER), 1);
	for (int i = 0; i < 5; i++)
		rig_send(pub, 8, (uint64_t)i);
	for (int i = 1; i <= 5; i++) {
		CHECK_EQ(weir_turn(b, 0), 1);
		CHECK_EQ(worker.seen, i);
	}
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), 0);
}

/* ---- tiers ------------------------------------------------------------------------------- */

/* A handler that takes as long as it is told to, by work or asleep. */
struct slow {
	uint64_t ns;
	bool sleeps;
	int seen;
};

static int
take_long(void *ctx, const weir_msg *msg)
{
	struct slow *slow = ctx;
	struct timespec rest = {.tv_nsec = (long)slow->ns};
	uint64_t until_ns = weir_now_ns() + slow->ns;

	(void)msg;
	slow->seen++;
	if (slow->sleeps)
		nanosleep(&rest, NULL);
	while (!slow->sleeps && weir_now_ns() < until_ns)
		;
	return 0;
}

/* What was told of tiers. */
struct told {
	int changes;
	uint32_t tier; /* of the one that is slow */
	int others;    /* changes of anybody else */
	char why[160];
};

static void
note_tier(void *ctx, const weir_event *event)
{
	struct told *told = ctx;

	if (event->kind != WEIR_EV_TIER)
		return;
	CHECK(event->tier <= 3 && event->was_tier <= 3 && event->tier != event->was_tier);
	if (strcmp(event->topic, "slow") != 0) {
		told->others++;
		return;
	}
	CHECK_EQ(event->was_tier, told->tier);
	CHECK(strstr(event->why, "slow") != NULL);
	told->changes++;
	told->tier = event->tier;
	memcpy(told->why, event->why, sizeof(told->why));
}

/* Feeds both and turns until the slow one is at the tier. */
static void
go_on_until(weir_bus *b, weir_pub *pubs[2], const struct told *told, uint32_t tier)
{
	while (told->tier != tier) {
		for (int k = 0; k < 2; k++)
			if (weir_subscribers(pubs[k]) > 0)
				rig_send(pubs[k], 8, 0);
		CHECK(weir_turn(b, 0) >= 0);
	}
}

/* Who takes too long climbs step by step, is told why, and has fewer turns; its neighbour has
 * all of its own. When it behaves it comes back. By work, and by sleeping in its handler. */
static void
P2_a_slow_consumer_climbs_and_comes_back(const char *name)
{
	for (int sleeps = 0; sleeps < 2; sleeps++) {
		struct told told = {0};
		struct slow slow = {.ns = 2000000, .sleeps = sleeps};
		struct counted quick = {.name = 'q'};
		weir_bus *a = rig_bus(name), *b;
		weir_pub *pubs[2];
		weir_sub *sub;

		polled_count = sizeof(polled);
		b = weir_open(name, .attach_ms = 600000, .on_event = note_tier,
			.ctx = &told, .flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET,
			.tiers = "balanced promotion_ms=1 demotion_ms=1 monitor.good_polls=3 "
				 "warn.good_polls=3 warn.min_ms=1 yield.good_polls=3 "
				 "yield.min_ms=1 isolate.good_polls=3 isolate.min_ms=1");
		REQUIRE_EQ(weir_why(b)->code, 0);
		pubs[0] = weir_advertise(a, "slow", .wait_ms = WEIR_NEVER);
		pubs[1] = weir_advertise(a, "quick", .wait_ms = WEIR_NEVER);
		sub = weir_subscribe(b, "slow", .on_msg = take_long, .ctx = &slow);
		(void)weir_subscribe(b, "quick", .on_msg = count_message, .ctx = &quick);
		REQUIRE_EQ(weir_wait_subscribers(pubs[0], 1, WEIR_FOREVER), 1);
		REQUIRE_EQ(weir_wait_subscribers(pubs[1], 1, WEIR_FOREVER), 1);
		CHECK_EQ(weir_sub_tier(sub), 0);
		for (uint32_t tier = 1; tier <= 3; tier++) {
			go_on_until(b, pubs, &told, tier);
			CHECK_EQ(weir_sub_tier(sub), tier);
			CHECK_EQ(told.changes, tier);
		}
		slow.ns = 1;
		slow.sleeps = false;
		go_on_until(b, pubs, &told, 0);
		CHECK_EQ(weir_sub_tier(sub), 0);
		CHECK_EQ(told.changes, 6);
		CHECK_EQ(told.others, 0);
		CHECK_EQ(weir_close(a), 0);
		CHECK_EQ(weir_close(b), 0);
	}
}

static void
P21_nobody_climbs_where_tiers_are_off(const char *name)
{
	struct told told = {0};
	struct slow slow = {.ns = 1500000};
	weir_bus *a = rig_bus(name), *b;
	weir_pub *pub;
	weir_sub *sub;

	b = weir_open(name, .attach_ms = 600000, .on_event = note_tier, .ctx = &told,
		.flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET, .tiers = "off");
	pub = weir_advertise(a, "slow");
	sub = weir_subscribe(b, "slow", .on_msg = take_long, .ctx = &slow, .batch = 1);
	REQUIRE_EQ(weir_wait_subscribers(pub, 1, WEIR_FOREVER), 1);
	for (int i = 0; i < 60; i++)
		rig_send(pub, 8, 0);
	while (slow.seen < 60)
		CHECK(weir_turn(b, 0) >= 0);
	CHECK_EQ(told.changes + told.others, 0);
	CHECK_EQ(weir_sub_tier(sub), 0);
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), 0);
}

/* What is wrong is named, and nothing of it is taken. */
static void
P20_settings_are_taken_whole_or_not_at_all(const char *name)
{
	static const char *const wrong[][2] = {{"brisk", "brisk"},
		{"balanced aggressive", "aggressive"},
		{"warn.violations=", "warn.violations"},
		{"warn.violations=x", "warn.violations"},
		{"poll_budget=1", "poll_budget"}, {"no.such=1", "no.such"},
		{"aggressive warn.violations=5000", "warn.violations"}};
	weir_bus *bus = rig_bus(name);
	weir_error err;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		memset(&err, 0, sizeof(err));
		CHECK_EQ(weir_tiers(bus, wrong[i][0], &err), -WEIR_E_USAGE_INVAL);
		CHECK(strstr(err.text, wrong[i][1]) != NULL);
		CHECK_EQ(weir_tiers(bus, wrong[i][0], NULL), -WEIR_E_USAGE_INVAL);
	}
	CHECK_EQ(weir_tiers(bus, NULL, &err), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_tiers(bus, "readme", &err), 0);
	CHECK_EQ(weir_tiers(bus, " permissive, age_ms=100 ", &err), 0);
	CHECK_EQ(weir_tiers(bus, "off", &err), 0);
	CHECK_EQ(weir_tiers(bus, "", &err), 0);
	CHECK_EQ(weir_close(bus), 0);
	bus = weir_open(name, .flags = WEIR_BUS_QUIET, .tiers = "brisk");
	CHECK_EQ(weir_why(bus)->code, WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_close(bus), 2);
}

static void
write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	REQUIRE(file != NULL);
	REQUIRE(fputs(text, file) >= 0);
	REQUIRE_EQ(fclose(file), 0);
}

/* The environment has the last word, and what it says wrong is refused by its name. */
static void
P7_the_environment_wins(const char *name)
{
	weir_bus *bus;

	setenv("WEIR_BUDGET", "100", 1);
	bus = weir_open(name, .flags = WEIR_BUS_QUIET, .tiers = "poll_budget=9000");
	REQUIRE_EQ(weir_why(bus)->code, 0);
	CHECK_EQ(weir_tiers(bus, "poll_budget=5000", NULL), 0);
	CHECK_EQ(weir_consume(bus, 99), 0);
	CHECK_EQ(weir_consume(bus, 1), 1);
	CHECK_EQ(weir_close(bus), 0);
	setenv("WEIR_BUDGET", "lots", 1);
	bus = weir_open(name, .flags = WEIR_BUS_QUIET);
	CHECK_EQ(weir_why(bus)->code, WEIR_E_USAGE_INVAL);
	CHECK(strstr(weir_why(bus)->text, "WEIR_BUDGET") != NULL);
	CHECK_EQ(weir_close(bus), 2);
	unsetenv("WEIR_BUDGET");
}

/* The setting of that name, as it is shown. */
static weir_setting
shown(weir_bus *bus, const char *name)
{
	weir_setting settings[32];
	weir_error err = {0};
	int count = weir_settings(bus, settings, sizeof(settings[0]), 32, &err);

	REQUIRE(count > 0 && count <= 32);
	for (int i = 0; i < count; i++)
		if (strcmp(settings[i].name, name) == 0)
			return settings[i];
	FAIL("there is no setting %s", name);
	return settings[0];
}

/* A file wins over the program and loses to the environment; each value says where it is from;
 * what is wrong in it is refused by its line, and a bus goes on with what it had. */
static void
P7_a_file_wins_over_the_program(const char *name)
{
	char path[300];
	weir_setting setting;
	weir_error err;
	weir_bus *bus;

	wr_tmpdir_path(path, sizeof(path), "run.conf");
	write_file(path, "# for this run\nbudget = 100\n");
	setenv("WEIR_CONF", path, 1);
	bus = weir_open(name, .flags = WEIR_BUS_QUIET,
		.tiers = "poll_budget=9000 threshold_ns=2000000");
	REQUIRE_EQ(weir_why(bus)->code, 0);
	CHECK_EQ(weir_consume(bus, 99), 0);
	CHECK_EQ(weir_consume(bus, 1), 1);
	setting = shown(bus, "budget");
	CHECK_STR(setting.value, "100");
	CHECK_STR(setting.from, "the file");
	CHECK(strstr(setting.where, "run.conf:2") != NULL);
	setting = shown(bus, "cpu_threshold_ns");
	CHECK_STR(setting.value, "2000000");
	CHECK_STR(setting.from, "the program");
	CHECK_STR(shown(bus, "tier_escalation").from, "built in");
	CHECK_STR(shown(NULL, "cpu_threshold_ns").from, "built in");

	write_file(path, "budget = 200\nbudgte = 300\n");
	CHECK_EQ(weir_tiers(bus, "poll_budget=5000", &err), -WEIR_E_USAGE_INVAL);
	CHECK(strstr(err.text, "run.conf:2") != NULL);
	CHECK_STR(shown(bus, "budget").value, "100");
	CHECK_EQ(weir_settings(NULL, &setting, sizeof(setting), 1, &err),
		-WEIR_E_USAGE_INVAL);
	write_file(path, "budget = 200\n");
	CHECK_EQ(weir_tiers(bus, "", &err), 0);
	CHECK_STR(shown(bus, "budget").value, "200");
	setenv("WEIR_BUDGET", "400", 1);
	CHECK_EQ(weir_tiers(bus, "", &err), 0);
	CHECK_STR(shown(bus, "budget").value, "400");
	CHECK_STR(shown(bus, "budget").where, "WEIR_BUDGET");
	unsetenv("WEIR_BUDGET");
	CHECK_EQ(weir_settings(bus, &setting, 1, 1, &err), -WEIR_E_USAGE_SIZE);
	CHECK_EQ(weir_settings(bus, NULL, sizeof(setting), 1, &err), -WEIR_E_USAGE_INVAL);
	CHECK(weir_settings(bus, NULL, sizeof(setting), 0, NULL) >= 3);
	CHECK_EQ(weir_close(bus), 0);

	write_file(path, "budget = lots\n");
	bus = weir_open(name, .flags = WEIR_BUS_QUIET);
	CHECK_EQ(weir_why(bus)->code, WEIR_E_USAGE_INVAL);
	CHECK(strstr(weir_why(bus)->text, "run.conf:1: budget is 'lots'") != NULL);
	CHECK(strstr(weir_why(bus)->hint, "2000") != NULL);
	CHECK_EQ(weir_close(bus), 2);
}

/* ---- looking ------------------------------------------------------------------------------ */

/* What hooks were told. */
struct seen {
	int before, after, messages, yields, ends, reclaimed;
	uint64_t number;
	bool inside; /* between before_poll and after_poll */
};

static void
see_before(void *ctx, const weir_consumer *consumer)
{
	struct seen *seen = ctx;

	CHECK(!seen->inside);
	seen->inside = true;
	seen->before++;
	seen->number = consumer->number;
	CHECK_STR(consumer->name, "t");
	CHECK_EQ(consumer->weight, 5);
}

static void
see_after(void *ctx, const weir_consumer *consumer, uint64_t messages)
{
	struct seen *seen = ctx;

	CHECK(seen->inside);
	seen->inside = false;
	seen->after++;
	seen->messages += (int)messages;
	CHECK_EQ(consumer->number, seen->number);
}

static void
see_yield(void *ctx, const weir_consumer *consumer)
{
	(void)consumer;
	((struct seen *)ctx)->yields++;
}

static void
see_end(void *ctx, const weir_consumer *consumer)
{
	(void)consumer;
	((struct seen *)ctx)->ends++;
}

static void
see_reclaimed(void *ctx)
{
	((struct seen *)ctx)->reclaimed++;
}

/* Hooks see each poll, and the books agree with them; taken away, they see none. */
static void
P11_hooks_see_each_poll(const char *name)
{
	struct seen seen = {0};
	weir_hooks hooks = {.size = sizeof(hooks),
		.before_poll = see_before,
		.after_poll = see_after,
		.on_yield = see_yield,
		.on_completion = see_end,
		.reclaimed = see_reclaimed,
		.ctx = &seen};
	weir_bus *a = rig_bus(name), *b = rig_bus(name);
	struct worker worker = {.bus = b, .units = WEIR_BUDGET_DEFAULT};
	weir_pub *pub = weir_advertise(a, "t");
	weir_consumer_stats turns = {.size = sizeof(turns)};
	weir_loop_stats loop = {.size = sizeof(loop)};
	weir_consumer consumer;
	weir_sub *sub;

	sub = weir_subscribe(b, "t", .on_msg = consume, .ctx = &worker, .weight = 5);
	REQUIRE_EQ(weir_wait_subscribers(pub, 1, WEIR_FOREVER), 1);
	CHECK_EQ(weir_hooks_set(b, &hooks), 0);
	for (int i = 0; i < 10; i++)
		rig_send(pub, 8, (uint64_t)i);
	while (worker.seen < 10)
		CHECK(weir_turn(b, 0) >= 0);
	CHECK_EQ(seen.messages, 10);
	CHECK(seen.before >= 10 && seen.before == seen.after);
	CHECK_EQ(seen.yields, 10);
	CHECK_EQ(weir_sub_consumer(sub, &consumer), 0);
	CHECK_EQ(consumer.number, seen.number);
	CHECK_EQ(weir_sub_get_turns(sub, &turns), 0);
	CHECK_EQ(turns.messages, 10);
	CHECK_EQ(turns.yields, 10);
	CHECK(turns.polls >= (uint64_t)seen.after);
	CHECK_EQ(weir_loop_get_stats(b, &loop), 0);
	CHECK_EQ(loop.messages, 10);
	CHECK(loop.polls >= turns.polls && loop.turns >= 10);

	CHECK_EQ(weir_hooks_set(b, NULL), 0);
	rig_send(pub, 8, 10);
	while (worker.seen < 11)
		CHECK(weir_turn(b, 0) >= 0);
	CHECK_EQ(seen.messages, 10);
	hooks.size = 1;
	CHECK_EQ(weir_hooks_set(b, &hooks), -WEIR_E_USAGE_SIZE);
	CHECK_EQ(weir_hooks_set(NULL, NULL), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), 0);
	CHECK_EQ(seen.reclaimed, 1);
}

/* Two sets of hooks are exchanged from another thread while a loop polls: each poll is told to
 * one of them, whole. */
struct exchange {
	weir_bus *bus;
	struct seen *seen;
	int over;
};

static void *
exchange_hooks(void *arg)
{
	struct exchange *exchange = arg;

	for (int i = 0; !__atomic_load_n(&exchange->over, __ATOMIC_ACQUIRE); i++) {
		weir_hooks hooks = {.size = sizeof(hooks),
			.before_poll = see_before,
			.after_poll = see_after,
			.reclaimed = see_reclaimed,
			.ctx = &exchange->seen[i % 2]};

		CHECK_EQ(weir_hooks_set(exchange->bus, i % 3 == 2 ? NULL : &hooks), 0);
		sched_yield();
	}
	return NULL;
}

static void
P11_hooks_are_exchanged_under_load(const char *name)
{
	struct seen seen[2] = {{0}, {0}};
	struct exchange exchange = {.seen = seen};
	struct counted counted = {.name = 'a'};
	weir_bus *a = rig_bus(name);
	weir_pub *pub = weir_advertise(a, "t");
	pthread_t thread;

	polled_count = sizeof(polled);
	exchange.bus = rig_bus(name);
	(void)weir_subscribe(exchange.bus, "t", .on_msg = count_message,
		.ctx = &counted, .weight = 5);
	REQUIRE_EQ(weir_wait_subscribers(pub, 1, WEIR_FOREVER), 1);
	REQUIRE_EQ(pthread_create(&thread, NULL, exchange_hooks, &exchange), 0);
	for (int i = 0; i < 20000 || seen[0].before < 100 || seen[1].before < 100; i++) {
		rig_send(pub, 8, (uint64_t)i);
		CHECK(weir_turn(exchange.bus, 0) >= 0);
	}
	__atomic_store_n(&exchange.over, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	CHECK_EQ(seen[0].before, seen[0].after);
	CHECK_EQ(seen[1].before, seen[1].after);
	CHECK_EQ(weir_close(exchange.bus), 0);
	CHECK_EQ(weir_close(a), 0);
}

/* ---- timers -------------------------------------------------------------------------------- */

struct clock {
	weir_timer *timer;
	int ticks;
	uint64_t due_ns[16], missed, missed_before; /* the last one */
	int stop_at;                                /* ends the loop */
	bool closes;
};

static int
tick(void *ctx, const weir_tick *t)
{
	struct clock *clock = ctx;

	CHECK(weir_now_ns() >= t->due_ns);
	if (clock->ticks < 16)
		clock->due_ns[clock->ticks] = t->due_ns;
	clock->ticks++;
	clock->missed_before = clock->missed;
	clock->missed += t->missed;
	if (clock->closes)
		CHECK_EQ(weir_timer_close(clock->timer), 0);
	return clock->ticks == clock->stop_at ? 7 : 0;
}

/* Who keeps the timers: the loop, or a thread of their own. */
static uint32_t timers_core;

static weir_bus *
clock_bus(const char *name)
{
	weir_bus *bus = weir_open(name, .timers_core = timers_core, .attach_ms = 600000,
		.flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET);

	REQUIRE_EQ(weir_why(bus)->code, 0);
	return bus;
}

static void
K40_a_timer_fires_once(const char *name)
{
	weir_bus *bus = clock_bus(name);
	struct clock clock = {.stop_at = 1};
	uint64_t began = weir_now_ns();
	weir_timer *timer = weir_timer_start(
		bus, .after_ns = 2000000, .on_tick = tick, .ctx = &clock);

	CHECK_EQ(weir_timer_why(timer)->code, 0);
	CHECK_EQ(weir_run(bus), 7);
	CHECK(weir_now_ns() >= began + 2000000);
	CHECK(clock.due_ns[0] >= began + 2000000);
	for (int i = 0; i < 5; i++)
		(void)weir_turn(bus, 1);
	CHECK_EQ(clock.ticks, 1);
	/* And again, when it is told to; not, when that is taken back. */
	clock.stop_at = 2;
	CHECK_EQ(weir_timer_again(timer, 1000), 0);
	CHECK_EQ(weir_run(bus), 7);
	CHECK_EQ(weir_timer_again(timer, 1000), 0);
	CHECK_EQ(weir_timer_cancel(timer), 0);
	CHECK_EQ(weir_timer_cancel(timer), 0);
	for (int i = 0; i < 5; i++)
		(void)weir_turn(bus, 1);
	CHECK_EQ(clock.ticks, 2);
	CHECK_EQ(weir_timer_close(timer), 0);
	CHECK_EQ(weir_timer_close(NULL), 0);
	CHECK_EQ(weir_close(bus), 0);
}

static void
K39_an_interval_does_not_drift(const char *name)
{
	weir_bus *bus = clock_bus(name);
	struct clock clock = {.stop_at = 10};

	(void)weir_timer_start(bus, .every_ns = 1000000, .on_tick = tick, .ctx = &clock);
	CHECK_EQ(weir_run(bus), 7);
	/* Whole periods apart, whatever was left out. */
	for (int i = 1; i < 10; i++)
		CHECK_EQ((clock.due_ns[i] - clock.due_ns[0]) % 1000000, 0);
	CHECK_EQ((clock.due_ns[9] - clock.due_ns[0]) / 1000000, 9 + clock.missed_before);
	CHECK_EQ(weir_close(bus), 0);
}

static void
K39_who_is_late_follows_its_rule(const char *name)
{
	static const uint32_t rules[] = {
		WEIR_LATE_SKIP, WEIR_LATE_COALESCE, WEIR_LATE_BURST};
	weir_bus *bus = clock_bus(name);
	struct clock clocks[3];
	uint64_t began = weir_now_ns();

	memset(clocks, 0, sizeof(clocks));
	for (int i = 0; i < 3; i++)
		(void)weir_timer_start(bus, .every_ns = 2000000, .on_tick = tick,
			.ctx = &clocks[i], .late = rules[i]);
	while (weir_now_ns() < began + 21000000)
		; /* ten periods and more, in which nobody turns */
	while (clocks[2].ticks < 10)
		(void)weir_turn(bus, 0);
	CHECK(clocks[0].ticks >= 1 && clocks[0].ticks < 10);
	CHECK(clocks[1].ticks >= 1 && clocks[1].ticks < 10);
	CHECK(clocks[0].missed >= 8);
	CHECK(clocks[1].missed >= 8);
	CHECK_EQ(clocks[2].missed, 0);
	for (int i = 1; i < 10; i++)
		CHECK_EQ(clocks[2].due_ns[i] - clocks[2].due_ns[i - 1], 2000000);
	CHECK_EQ(weir_close(bus), 0);
}

static void
a_timer_closes_itself(const char *name)
{
	weir_bus *bus = clock_bus(name);
	struct clock clock = {.closes = true, .stop_at = 1};

	clock.timer = weir_timer_start(
		bus, .every_ns = 1000000, .on_tick = tick, .ctx = &clock);
	CHECK_EQ(weir_run(bus), 7);
	for (int i = 0; i < 5; i++)
		(void)weir_turn(bus, 1);
	CHECK_EQ(clock.ticks, 1);
	CHECK_EQ(weir_close(bus), 0);
}

static void
a_timer_is_refused_by_name(const char *name)
{
	static const weir_timer_opts wrong[] = {
		{.size = sizeof(weir_timer_opts), .after_ns = 1},
		{.size = sizeof(weir_timer_opts), .on_tick = tick},
		{.size = sizeof(weir_timer_opts), .after_ns = 1, .on_tick = tick, .late = 3},
		{.size = sizeof(weir_timer_opts),
			.after_ns = 1,
			.on_tick = tick,
			.weight = 65},
	};
	static const char *const says[] = {"on_tick", "after_ns", "late 3", "weight 65"};
	weir_timer *lost;

	for (int i = 0; i < 4; i++) {
		weir_bus *bus = clock_bus(name);
		weir_timer *timer = weir_timer_start_(bus, &wrong[i]);

		CHECK_EQ(weir_timer_why(timer)->code, WEIR_E_USAGE_INVAL);
		CHECK(strstr(weir_timer_why(timer)->text, says[i]) != NULL);
		CHECK_EQ(weir_timer_again(timer, 1), -WEIR_E_USAGE_INVAL);
		CHECK_EQ(weir_close(bus), 2);
	}
	/* On no bus, it is its maker's to close. */
	lost = weir_timer_start_(NULL, &wrong[0]);
	CHECK_EQ(weir_timer_why(lost)->code, WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_timer_close(lost), 0);
}

/* Many that come, go and are moved, beside some that stay: who stays is called as often as it
 * should be, who has gone is not. */
static void
timers_come_and_go(const char *name)
{
	weir_bus *bus = clock_bus(name);
	struct clock stays = {0}, moves[32];
	weir_loop_stats stats = {.size = sizeof(stats)};
	int ticks;

	memset(moves, 0, sizeof(moves));
	(void)weir_timer_start(bus, .every_ns = 200000, .on_tick = tick, .ctx = &stays,
		.late = WEIR_LATE_BURST);
	for (int round = 0; round < 300; round++) {
		struct clock *clock = &moves[round % 32];

		if (!clock->timer)
			clock->timer = weir_timer_start(bus,
				.after_ns = 1 + (uint64_t)round * 1000, .on_tick = tick,
				.ctx = clock);
		else if (round % 3 == 0)
			CHECK_EQ(weir_timer_again(clock->timer, 1), 0);
		else
			CHECK_EQ(weir_timer_cancel(clock->timer), 0);
		ticks = clock->ticks;
		if (round % 7 == 0) {
			CHECK_EQ(weir_timer_close(clock->timer), 0);
			clock->timer = NULL;
		}
		CHECK(weir_turn(bus, 1) >= 0);
		CHECK(clock->timer || clock->ticks == ticks);
	}
	while (stays.ticks < 50)
		CHECK(weir_turn(bus, 10) >= 0);
	for (int i = 1; i < 16; i++)
		CHECK_EQ(stays.due_ns[i] - stays.due_ns[i - 1], 200000);
	CHECK_EQ(weir_loop_get_stats(bus, &stats), 0);
	CHECK(stats.timers >= 50);
	CHECK_EQ(weir_close(bus), 0); /* with those that are armed */
}

/* The cores of our thread of that name; false: there is none. */
static bool
cores_of(const char *thread, cpu_set_t *cores)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	bool found = false;

	REQUIRE(dir != NULL);
	while (!found && (entry = readdir(dir))) {
		char path[300], name[32] = "";
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		if (fgets(name, sizeof(name), file))
			name[strcspn(name, "\n")] = '\0';
		(void)fclose(file);
		found = strcmp(name, thread) == 0 &&
			sched_getaffinity(atoi(entry->d_name), sizeof(*cores), cores) == 0;
	}
	closedir(dir);
	return found;
}

/* On a core of their own, if there is one; and not on one that there is none of. */
static void
K38_timers_have_their_core(const char *name)
{
	uint32_t core = 0;
	cpu_set_t mine, theirs;
	weir_bus *bus;

	REQUIRE_EQ(sched_getaffinity(0, sizeof(mine), &mine), 0);
	while (!CPU_ISSET(core, &mine))
		core++;
	timers_core = core + 1;
	bus = clock_bus(name);
	REQUIRE(cores_of("weir-timers", &theirs));
	CHECK_EQ(CPU_COUNT(&theirs), 1);
	CHECK(CPU_ISSET(core, &theirs));
	CHECK_EQ(weir_close(bus), 0);
	CHECK(!cores_of("weir-timers", &theirs));
	K40_a_timer_fires_once(name);
	/* Where the loop is bound, they are not with it. */
	bus = weir_open(name, .core = core + 1, .timers_core = WEIR_CORE_ANY,
		.flags = WEIR_BUS_QUIET);
	REQUIRE(cores_of("weir-timers", &theirs));
	CHECK_EQ(CPU_COUNT(&theirs), CPU_COUNT(&mine));
	CHECK_EQ(weir_close(bus), 0);
	REQUIRE_EQ(sched_setaffinity(0, sizeof(mine), &mine), 0);
	bus = weir_open(name, .timers_core = 60000, .flags = WEIR_BUS_QUIET);
	CHECK_EQ(weir_why(bus)->code, WEIR_E_ENV_OS);
	CHECK(strstr(weir_why(bus)->text, "59999") != NULL);
	CHECK_EQ(weir_close(bus), 1);
}

/* The same, kept by a thread of their own. */
#define KEPT(fn) \
	static void K38_##fn##_kept(const char *name) \
	{ \
		timers_core = WEIR_CORE_ANY; \
		fn(name); \
	}
KEPT(K40_a_timer_fires_once)
KEPT(K39_an_interval_does_not_drift)
KEPT(K39_who_is_late_follows_its_rule)
KEPT(a_timer_closes_itself)
KEPT(a_timer_is_refused_by_name)
KEPT(timers_come_and_go)

/* ---- descriptors ------------------------------------------------------------------------------ */

static int
read_byte(void *ctx, int fd)
{
	int *got = ctx;
	char byte;

	CHECK_EQ(read(fd, &byte, 1), 1);
	(*got)++;
	return *got == 4 ? 7 : 0;
}

static void
K44_a_descriptor_is_called_as_long_as_it_is_ready(const char *name)
{
	weir_bus *bus = rig_bus(name);
	int ends[2], got = 0;
	weir_watch *watch, *twice;

	REQUIRE_EQ(pipe(ends), 0);
	watch = weir_watch_fd(bus, ends[0], .on_ready = read_byte, .ctx = &got);
	CHECK_EQ(weir_watch_why(watch)->code, 0);
	(void)weir_turn(bus, 0);
	CHECK_EQ(got, 0);
	CHECK_EQ(write(ends[1], "weir", 4), 4);
	CHECK_EQ(weir_run(bus), 7);
	CHECK_EQ(got, 4);
	twice = weir_watch_fd(bus, ends[0], .on_ready = read_byte, .ctx = &got);
	CHECK_EQ(weir_watch_why(twice)->code, WEIR_E_ENV_OS);
	CHECK_EQ(weir_watch_close(twice), 0);
	CHECK_EQ(weir_watch_close(watch), 0);
	CHECK_EQ(write(ends[1], "weir", 4), 4);
	for (int i = 0; i < 5; i++)
		(void)weir_turn(bus, 1);
	CHECK_EQ(got, 4);
	(void)weir_close(bus); /* it carries the refusal */
	close(ends[0]);
	close(ends[1]);
}

enum { PIPES = 100 };

/* Up to so many that are ready, none of which is called; whoever asks for few gets to all. */
static void
K44_the_ready_are_selected(const char *name)
{
	for (uint32_t io = WEIR_IO_EPOLL; io <= WEIR_IO_POLL; io++) {
		weir_bus *bus = weir_open(
			name, .io = io, .flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET);
		int ends[PIPES][2], seen[PIPES] = {0}, got = 0;
		weir_watch *watches[PIPES];
		weir_readiness ready[PIPES + 1];
		char byte;

		REQUIRE_EQ(weir_why(bus)->code, 0);
		CHECK_EQ(weir_watch_select(bus, ready, 8), 0);
		for (int i = 0; i < PIPES; i++) {
			REQUIRE_EQ(pipe(ends[i]), 0);
			watches[i] = weir_watch_fd(bus, ends[i][0],
				.on_ready = i % 2 ? read_byte : NULL,
				.ctx = i % 2 ? (void *)&got : (void *)&seen[i]);
			REQUIRE_EQ(weir_watch_why(watches[i])->code, 0);
		}
		CHECK_EQ(weir_watch_select(bus, ready, PIPES), 0);
		CHECK_EQ(weir_watch_poll(watches[1]), 0);
		for (int i = 0; i < PIPES; i += 4)
			CHECK_EQ(write(ends[i][1], "w", 1), 1);
		CHECK_EQ(weir_watch_select(bus, ready, PIPES + 1), PIPES / 4);
		CHECK_EQ(weir_watch_select(bus, NULL, 0), 0);
		CHECK_EQ(weir_watch_select(bus, NULL, 1), -WEIR_E_USAGE_INVAL);
		/* They stay ready; few at a time, each comes once in a round. */
		for (int times = 1; times <= 2; times++) {
			for (int round = 0; round < PIPES / 4; round += 5) {
				CHECK_EQ(weir_watch_select(bus, ready, 5), 5);
				for (int k = 0; k < 5; k++) {
					CHECK_EQ(ready[k].events, WEIR_READABLE);
					++*(int *)ready[k].ctx;
				}
			}
			for (int i = 0; i < PIPES; i += 2)
				CHECK_EQ(seen[i], i % 4 ? 0 : times);
		}
		/* A turn has an end when there is one, and calls those that want to be. */
		CHECK(weir_turn(bus, 3600 * 1000) > 0);
		for (int i = 0; i < PIPES; i += 4)
			CHECK_EQ(read(ends[i][0], &byte, 1), 1);
		CHECK_EQ(weir_watch_select(bus, ready, PIPES), 0);
		CHECK_EQ(write(ends[1][1], "www", 3), 3);
		CHECK_EQ(weir_watch_select(bus, ready, PIPES), 1);
		CHECK(ready[0].watch == watches[1] && ready[0].fd == ends[1][0]);
		CHECK_EQ(got, 0);
		/* Poll: out of its turn, if it is ready. */
		CHECK_EQ(weir_watch_poll(watches[1]), 1);
		CHECK_EQ(got, 1);
		got = 3;
		CHECK_EQ(weir_watch_poll(watches[1]), 7); /* what the callback says */
		CHECK_EQ(weir_watch_poll(watches[3]), 0);
		/* Hung up is ready for all that it is watched for. */
		CHECK_EQ(weir_watch_close(watches[1]), 0);
		close(ends[2][1]);
		CHECK_EQ(weir_watch_select(bus, ready, PIPES), 1);
		CHECK(ready[0].watch == watches[2]);
		CHECK_EQ(ready[0].events, WEIR_READABLE);
		CHECK_EQ(weir_close(bus), 0);
		for (int i = 0; i < PIPES; i++) {
			close(ends[i][0]);
			if (i != 2)
				close(ends[i][1]);
		}
	}
}

/* Each of the events that it is watched for, and no other. */
static void
K44_what_it_is_ready_for_is_told(const char *name)
{
	weir_bus *bus = rig_bus(name);
	weir_readiness ready[4];
	int both[2], mark;
	weir_watch *watch;

	REQUIRE_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, both), 0);
	watch = weir_watch_fd(
		bus, both[0], .events = WEIR_READABLE | WEIR_WRITABLE, .ctx = &mark);
	REQUIRE_EQ(weir_watch_why(watch)->code, 0);
	CHECK_EQ(weir_watch_select(bus, ready, 4), 1);
	CHECK_EQ(ready[0].events, WEIR_WRITABLE);
	CHECK(ready[0].ctx == &mark);
	CHECK_EQ(write(both[1], "w", 1), 1);
	CHECK_EQ(weir_watch_select(bus, ready, 4), 1);
	CHECK_EQ(ready[0].events, WEIR_READABLE | WEIR_WRITABLE);
	CHECK_EQ(weir_watch_close(watch), 0);
	CHECK_EQ(weir_watch_select(bus, ready, 4), 0);
	CHECK_EQ(weir_close(bus), 0);
	close(both[0]);
	close(both[1]);
}

/* ---- tasks ------------------------------------------------------------------------------------- */

struct stepper {
	weir_bus *bus;
	weir_task_id id;
	int steps, left, last;
	weir_task_id kills;
};

static int
step(void *ctx)
{
	struct stepper *s = ctx;

	s->steps++;
	if (s->kills)
		CHECK_EQ(weir_task_kill(s->bus, s->kills), 0);
	if (s->left == 0)
		return s->last;
	s->left--;
	return WEIR_STEP_MORE;
}

/* Each answer that a step may give. */
static void
K19_steps_answer(const char *name)
{
	static const struct {
		int last, joined;
	} ends[] = {{WEIR_STEP_DONE, 0}, {-WEIR_E_DATA_TRUNC, -WEIR_E_DATA_TRUNC},
		{17, -WEIR_E_USAGE_INVAL}};
	weir_bus *bus = rig_bus(name);

	for (int i = 0; i < 3; i++) {
		struct stepper s = {.left = 5, .last = ends[i].last};

		s.id = weir_spawn(bus, step, .ctx = &s);
		REQUIRE(s.id != 0);
		CHECK_EQ(weir_task_lives(bus, s.id), 1);
		CHECK_EQ(weir_join(bus, s.id, WEIR_FOREVER), ends[i].joined);
		CHECK_EQ(s.steps, 6);
		CHECK_EQ(weir_task_lives(bus, s.id), -WEIR_E_USAGE_INVAL);
		CHECK_EQ(weir_join(bus, s.id, 0), -WEIR_E_USAGE_INVAL);
	}
	CHECK_EQ(weir_close(bus), 0);
}

static void
K54_an_idle_task_takes_no_step_until_woken(const char *name)
{
	weir_bus *bus = rig_bus(name);
	struct stepper s = {.last = WEIR_STEP_IDLE};

	s.id = weir_spawn(bus, step, .ctx = &s);
	for (int i = 0; i < 10; i++)
		(void)weir_turn(bus, 0);
	CHECK_EQ(s.steps, 1);
	CHECK_EQ(weir_task_wake(bus, s.id), 0);
	CHECK_EQ(weir_task_wake(bus, s.id), 0);
	for (int i = 0; i < 10; i++)
		(void)weir_turn(bus, 0);
	CHECK_EQ(s.steps, 2);
	CHECK_EQ(weir_join(bus, s.id, 1), -WEIR_E_AGAIN_TIMEOUT);
	CHECK_EQ(weir_task_kill(bus, s.id), 0);
	CHECK_EQ(weir_task_lives(bus, s.id), 0);
	CHECK_EQ(weir_join(bus, s.id, 0), -WEIR_E_GONE_STOPPED);
	CHECK_EQ(weir_close(bus), 0);
}

/* A name is never another one's. */
static void
K10_names_are_not_used_again(const char *name)
{
	weir_bus *bus = rig_bus(name);
	struct stepper s = {.last = WEIR_STEP_DONE};
	weir_task_id before = 0;

	for (int i = 0; i < 100; i++) {
		weir_task_id id = weir_spawn(bus, step, .ctx = &s);

		CHECK(id != 0 && id != before);
		CHECK_EQ(weir_task_wake(bus, before), -WEIR_E_USAGE_INVAL);
		CHECK_EQ(weir_task_kill(bus, before), -WEIR_E_USAGE_INVAL);
		CHECK_EQ(weir_join(bus, id, WEIR_FOREVER), 0);
		before = id;
	}
	CHECK_EQ(s.steps, 100);
	CHECK_EQ(weir_task_wake(bus, 0), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_task_wake(bus, UINT64_MAX), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_close(bus), 0);
}

static void
a_task_kills_another_and_itself(const char *name)
{
	weir_bus *bus = rig_bus(name);
	struct stepper victim = {.left = 1 << 30};
	struct stepper killer = {.bus = bus, .last = WEIR_STEP_DONE};
	struct stepper self = {.bus = bus, .left = 1 << 30};

	victim.id = weir_spawn(bus, step, .ctx = &victim);
	killer.kills = victim.id;
	killer.id = weir_spawn(bus, step, .ctx = &killer);
	CHECK_EQ(weir_join(bus, killer.id, WEIR_FOREVER), 0);
	CHECK_EQ(weir_join(bus, victim.id, 0), -WEIR_E_GONE_STOPPED);
	self.kills = self.id = weir_spawn(bus, step, .ctx = &self);
	CHECK_EQ(weir_join(bus, self.id, WEIR_FOREVER), -WEIR_E_GONE_STOPPED);
	CHECK_EQ(self.steps, 1);
	CHECK_EQ(weir_close(bus), 0);
}

enum { WAKES = 20000 };

/* What one thread has put down, and another one's task has taken up. */
static struct {
	weir_bus *bus;
	weir_task_id id;
	uint64_t put, taken;
} mail;

static int
take_mail(void *ctx)
{
	uint64_t put = __atomic_load_n(&mail.put, __ATOMIC_ACQUIRE);

	(void)ctx;
	mail.taken = put;
	return put == WAKES ? WEIR_STEP_DONE : WEIR_STEP_IDLE;
}

static void *
post_mail(void *arg)
{
	(void)arg;
	for (int i = 0; i < WAKES; i++) {
		(void)__atomic_fetch_add(&mail.put, 1, __ATOMIC_RELEASE);
		(void)weir_task_wake(mail.bus, mail.id);
	}
	return NULL;
}

/* It sleeps without an end between two wakes, so one that is lost would show as a hang. */
static void
K41_a_wake_from_another_thread_is_not_lost(const char *name)
{
	pthread_t thread;

	mail.bus = rig_bus(name);
	mail.put = mail.taken = 0;
	mail.id = weir_spawn(mail.bus, take_mail);
	REQUIRE_EQ(pthread_create(&thread, NULL, post_mail, NULL), 0);
	CHECK_EQ(weir_join(mail.bus, mail.id, WEIR_FOREVER), 0);
	pthread_join(thread, NULL);
	CHECK_EQ(mail.taken, WAKES);
	CHECK_EQ(weir_close(mail.bus), 0);
}

/* Wakes the urgent one in each of its own steps, and finds that it has run by the next. */
struct alarm {
	weir_bus *bus;
	weir_task_id bell;
	int rung, answered, late;
};

static int
ring(void *ctx)
{
	struct alarm *alarm = ctx;

	alarm->late += alarm->answered != alarm->rung;
	alarm->rung++;
	CHECK_EQ(weir_task_wake(alarm->bus, alarm->bell), 0);
	return alarm->rung < 200 ? WEIR_STEP_MORE : WEIR_STEP_DONE;
}

static int
see(void *ctx)
{
	struct alarm *alarm = ctx;

	alarm->late += alarm->answered != alarm->rung;
	return alarm->rung < 200 ? WEIR_STEP_MORE : WEIR_STEP_DONE;
}

static int
answer(void *ctx)
{
	struct alarm *alarm = ctx;

	alarm->answered = alarm->rung;
	return WEIR_STEP_IDLE;
}

/* What is urgent is handled before the next poll of anybody, always. */
static void
K25_the_urgent_come_before_the_next_poll(const char *name)
{
	weir_bus *bus = rig_bus(name);
	struct alarm alarm = {.bus = bus};
	weir_task_id tasks[8];

	alarm.bell = weir_spawn(bus, answer, .ctx = &alarm, .urgent = 1);
	for (uint32_t i = 0; i < 7; i++)
		tasks[i] = weir_spawn(bus, see, .ctx = &alarm, .weight = 64 - i * 9);
	tasks[7] = weir_spawn(bus, ring, .ctx = &alarm, .weight = 1);
	for (int i = 7; i >= 0; i--)
		CHECK_EQ(weir_join(bus, tasks[i], WEIR_FOREVER), 0);
	CHECK_EQ(alarm.rung, 200);
	CHECK_EQ(alarm.answered, 200);
	CHECK_EQ(alarm.late, 0);
	/* It leaves like any other, idle or woken. */
	CHECK_EQ(weir_task_wake(bus, alarm.bell), 0);
	CHECK_EQ(weir_task_kill(bus, alarm.bell), 0);
	CHECK_EQ(weir_join(bus, alarm.bell, 0), -WEIR_E_GONE_STOPPED);
	CHECK_EQ(weir_spawn(bus, see, .ctx = &alarm, .urgent = 2), 0);
	(void)weir_close(bus);
}

static void
a_task_is_refused_by_name(const char *name)
{
	weir_bus *bus = rig_bus(name);

	CHECK_EQ(weir_spawn(bus, NULL), 0);
	CHECK_EQ(weir_why(bus)->code, WEIR_E_USAGE_INVAL);
	CHECK(strstr(weir_why(bus)->text, "step") != NULL);
	CHECK_EQ(weir_spawn_(NULL, NULL), 0);
	CHECK_EQ(weir_close(bus), 2);
}

/* ---- all of them ------------------------------------------------------------------------------- */

/* One loop with a subscription, a timer, a descriptor and a task; all of them go on. */
static void
K4_one_loop_runs_all_kinds(const char *name)
{
	struct counted counted = {.name = 'a'};
	weir_bus *a = rig_bus(name), *b = rig_bus(name);
	struct clock clock = {0};
	struct stepper s = {.left = 1 << 30};
	weir_pub *pub = weir_advertise(a, "t");
	int ends[2], got = 100;

	polled_count = sizeof(polled);
	REQUIRE_EQ(pipe(ends), 0);
	(void)weir_subscribe(b, "t", .on_msg = count_message, .ctx = &counted);
	(void)weir_timer_start(b, .every_ns = 1000000, .on_tick = tick, .ctx = &clock);
	(void)weir_watch_fd(b, ends[0], .on_ready = read_byte, .ctx = &got);
	s.id = weir_spawn(b, step, .ctx = &s);
	REQUIRE_EQ(weir_wait_subscribers(pub, 1, WEIR_FOREVER), 1);
	for (int i = 0; counted.seen < 100 || clock.ticks < 10 || got < 200; i++) {
		rig_send(pub, 8, (uint64_t)i);
		if (i < 100)
			CHECK_EQ(write(ends[1], "w", 1), 1);
		CHECK(weir_turn(b, 0) >= 0);
	}
	CHECK(s.steps > 100);
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), 0);
	close(ends[0]);
	close(ends[1]);
}

/* The same, where descriptors are waited for with poll(2). */
#define BY_POLL(fn) \
	static void K42_##fn##_by_poll(const char *name) \
	{ \
		setenv("WEIR_IO", "poll", 1); \
		fn(name); \
	}
BY_POLL(K40_a_timer_fires_once)
BY_POLL(K44_a_descriptor_is_called_as_long_as_it_is_ready)
BY_POLL(K41_a_wake_from_another_thread_is_not_lost)
BY_POLL(K4_one_loop_runs_all_kinds)

/* clang-format off */
#define TESTS(X) \
	X(K2_subscriptions_are_polled_by_weight) X(a_weight_changes_and_has_bounds) \
	X(K2_a_declared_round_has_a_limit) X(K21_each_discipline_serves_everybody) \
	X(P22_a_loop_is_bound_to_its_core) X(P8_units_end_a_poll) X(P1_time_ends_a_poll) \
	X(P2_a_slow_consumer_climbs_and_comes_back) X(P21_nobody_climbs_where_tiers_are_off) \
	X(P20_settings_are_taken_whole_or_not_at_all) X(P7_the_environment_wins) X(P7_a_file_wins_over_the_program) \
	X(P11_hooks_see_each_poll) \
	X(P11_hooks_are_exchanged_under_load) X(K40_a_timer_fires_once) \
	X(K39_an_interval_does_not_drift) X(K39_who_is_late_follows_its_rule) \
	X(a_timer_closes_itself) X(a_timer_is_refused_by_name) X(timers_come_and_go) \
	X(K38_timers_have_their_core) X(K38_K40_a_timer_fires_once_kept) \
	X(K38_K39_an_interval_does_not_drift_kept) \
	X(K38_K39_who_is_late_follows_its_rule_kept) X(K38_a_timer_closes_itself_kept) \
	X(K38_a_timer_is_refused_by_name_kept) X(K38_timers_come_and_go_kept) \
	X(K44_a_descriptor_is_called_as_long_as_it_is_ready) \
	X(K44_the_ready_are_selected) X(K44_what_it_is_ready_for_is_told) X(K19_steps_answer) \
	X(K54_an_idle_task_takes_no_step_until_woken) X(K10_names_are_not_used_again) \
	X(a_task_kills_another_and_itself) X(K41_a_wake_from_another_thread_is_not_lost) \
	X(a_task_is_refused_by_name) X(K25_the_urgent_come_before_the_next_poll) \
	X(K4_one_loop_runs_all_kinds) X(K42_K40_a_timer_fires_once_by_poll) \
	X(K42_K44_a_descriptor_is_called_as_long_as_it_is_ready_by_poll) \
	X(K42_K41_a_wake_from_another_thread_is_not_lost_by_poll) \
	X(K42_K4_one_loop_runs_all_kinds_by_poll)
/* clang-format on */

TESTS(CONFORM_STAMP)

static const struct wr_test tests[] = {TESTS(CONFORM_ENTRY) TEST_END};
const struct wr_suite wr_suite_consumers = {.name = "consumers", .tests = tests};
