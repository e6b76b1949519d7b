/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Hooks: each call arrives once, and a table stays while anybody may be in it. Rows P11, P12,
 * P13, P16, P31. */
#include "scheduler/hooks.h"

#include "tests/lib/test.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <weir/error.h>

static struct wr_hooks hooks;

/* ---- one thread --------------------------------------------------------------------------- */

struct counts {
	unsigned before, after, yields, completions;
	uint64_t consumer, messages, ns;
};

static void
count_before(void *ctx, uint64_t consumer)
{
	struct counts *counts = ctx;

	counts->before++;
	counts->consumer = consumer;
}

static void
count_after(void *ctx, uint64_t consumer, uint64_t messages, uint64_t ns)
{
	struct counts *counts = ctx;

	counts->after++;
	counts->consumer = consumer;
	counts->messages = messages;
	counts->ns = ns;
}

static void
count_yield(void *ctx, uint64_t consumer)
{
	struct counts *counts = ctx;

	counts->yields++;
	counts->consumer = consumer;
}

static void
count_completion(void *ctx, uint64_t consumer)
{
	struct counts *counts = ctx;

	counts->completions++;
	counts->consumer = consumer;
}

static unsigned given_back;

static void
note_given_back(struct wr_hook_table *table)
{
	(void)table;
	given_back++;
}

static struct wr_hook_table
table_for(struct counts *counts)
{
	return (struct wr_hook_table){.before_poll = count_before,
		.after_poll = count_after,
		.on_yield = count_yield,
		.on_completion = count_completion,
		.ctx = counts,
		.reclaimed = note_given_back};
}

static void
call_all(uint64_t consumer)
{
	const struct wr_hook_table *table = wr_hooks_look(&hooks);

	wr_hook_before_poll(table, consumer);
	wr_hook_after_poll(table, consumer, 7, 900);
	wr_hook_on_yield(table, consumer);
	wr_hook_on_completion(table, consumer);
}

static void
P12_each_call_reaches_its_hook_once(void)
{
	struct counts counts = {0};
	struct wr_hook_table table = table_for(&counts);

	REQUIRE_EQ(wr_hooks_init(&hooks), 0);
	CHECK(!wr_hooks_has(&hooks));
	CHECK_EQ(wr_hooks_swap(&hooks, &table, NULL), 0);
	CHECK(wr_hooks_has(&hooks));
	call_all(42);
	CHECK_EQ(counts.before, 1);
	CHECK_EQ(counts.after, 1);
	CHECK_EQ(counts.yields, 1);
	CHECK_EQ(counts.completions, 1);
	CHECK_EQ(counts.consumer, 42);
	CHECK_EQ(counts.messages, 7);
	CHECK_EQ(counts.ns, 900);
	wr_hooks_fini(&hooks);
}

static void
P13_no_table_and_no_function_is_nothing(void)
{
	struct wr_hook_table empty = {0};

	REQUIRE_EQ(wr_hooks_init(&hooks), 0);
	call_all(1);
	CHECK_EQ(wr_hooks_swap(&hooks, NULL, NULL), 0);
	CHECK_EQ(wr_hooks_swap(&hooks, &empty, NULL), 0);
	call_all(1);
	wr_hooks_fini(&hooks);
	CHECK_EQ(wr_epoch_can() ? empty.taken : 0, 0);
}

static void
P31_replacing_returns_the_old_and_calls_the_new(void)
{
	struct counts a = {0}, b = {0};
	struct wr_hook_table first = table_for(&a), second = table_for(&b),
			     *old = &second;

	REQUIRE_EQ(wr_hooks_init(&hooks), 0);
	given_back = 0;
	CHECK_EQ(wr_hooks_swap(&hooks, &first, &old), 0);
	CHECK(old == NULL);
	call_all(1);
	CHECK_EQ(wr_hooks_swap(&hooks, &second, &old), 0);
	CHECK(old == &first);
	call_all(2);
	CHECK_EQ(a.before, 1);
	CHECK_EQ(b.before, 1);
	CHECK_EQ(wr_hooks_swap(&hooks, NULL, &old), 0);
	CHECK(old == &second);
	CHECK(!wr_hooks_has(&hooks));
	call_all(3);
	CHECK_EQ(b.before, 1);
	CHECK_EQ(wr_hooks_swap(&hooks, NULL, &old), 0);
	CHECK(old == NULL);
	wr_hooks_fini(&hooks);
	CHECK_EQ(given_back, 2);
}

static void
P11_a_table_is_installed_once_at_a_time(void)
{
	struct counts counts = {0};
	struct wr_hook_table table = table_for(&counts), *old;

	REQUIRE_EQ(wr_hooks_init(&hooks), 0);
	CHECK_EQ(wr_hooks_swap(&hooks, &table, NULL), 0);
	CHECK_EQ(wr_hooks_swap(&hooks, &table, &old), -WEIR_E_USAGE_STATE);
	call_all(1);
	CHECK_EQ(counts.before, 1);
	CHECK_EQ(wr_hooks_swap(&hooks, NULL, NULL), 0);
	CHECK_EQ(wr_hooks_swap(&hooks, &table, NULL), -WEIR_E_USAGE_STATE);
	if (wr_epoch_can()) {
		CHECK_EQ(wr_hooks_reclaim(&hooks), 0);
		CHECK_EQ(wr_hooks_swap(&hooks, &table, NULL), 0);
	}
	wr_hooks_fini(&hooks);
}

/* ---- given back, and not before ---------------------------------------------------------------- */

static void
try_often(void)
{
	for (int i = 0; i < 10; i++)
		(void)wr_hooks_reclaim(&hooks);
}

static void
P11_a_table_stays_until_every_reader_has_left(void)
{
	struct counts counts = {0};
	struct wr_hook_table table = table_for(&counts);
	struct wr_epoch_reader *one, *two, *idle;

	if (!wr_epoch_can())
		TEST_SKIP("built without Concurrency Kit: tables are given back at the end");
	REQUIRE_EQ(wr_hooks_init(&hooks), 0);
	given_back = 0;
	one = wr_hooks_join(&hooks);
	two = wr_hooks_join(&hooks);
	idle = wr_hooks_join(&hooks);
	REQUIRE(one && two && idle);
	CHECK_EQ(wr_hooks_swap(&hooks, &table, NULL), 0);
	wr_hooks_enter(one);
	wr_hooks_enter(two);
	CHECK(wr_hooks_look(&hooks) == &table);
	CHECK_EQ(wr_hooks_swap(&hooks, NULL, NULL), 0);
	try_often();
	CHECK_EQ(given_back, 0);
	wr_hooks_leave(one);
	try_often();
	CHECK_EQ(given_back, 0);
	/* Who comes in now cannot see it, and who left is somebody else when it is back. */
	wr_hooks_enter(one);
	try_often();
	CHECK_EQ(given_back, 0);
	wr_hooks_leave(two);
	wr_hooks_leave(one);
	CHECK_EQ(wr_hooks_reclaim(&hooks), 0);
	CHECK_EQ(given_back, 1);
	/* Readers that are not inside hold nothing up. */
	CHECK_EQ(wr_hooks_swap(&hooks, &table, NULL), 0);
	CHECK_EQ(wr_hooks_swap(&hooks, NULL, NULL), 0);
	CHECK_EQ(wr_hooks_reclaim(&hooks), 0);
	CHECK_EQ(given_back, 2);
	wr_hooks_part(one);
	wr_hooks_part(two);
	wr_hooks_part(idle);
	wr_hooks_fini(&hooks);
}

/* Without anybody asking for it, tables do not gather without end. */
static void
P11_exchanges_give_back_by_themselves(void)
{
	enum { MANY = 1000 };
	static struct wr_hook_table tables[MANY];
	struct counts counts = {0};

	REQUIRE_EQ(wr_hooks_init(&hooks), 0);
	given_back = 0;
	for (unsigned i = 0; i < MANY; i++) {
		tables[i] = table_for(&counts);
		CHECK_EQ(wr_hooks_swap(&hooks, &tables[i], NULL), 0);
		if (wr_epoch_can())
			CHECK(given_back + 10 > i);
	}
	wr_hooks_fini(&hooks);
	CHECK_EQ(given_back, MANY);
}

/* From within a poll, and from within what is told that a table is back. */
static struct wr_hook_table other;

static void
exchange_in_poll(void *ctx, uint64_t consumer)
{
	(void)consumer;
	CHECK_EQ(wr_hooks_swap(&hooks, ctx, NULL), 0);
	(void)wr_hooks_reclaim(&hooks);
}

static void
install_again(struct wr_hook_table *table)
{
	if (given_back++ == 0)
		CHECK_EQ(wr_hooks_swap(&hooks, table, NULL), 0);
}

static void
P11_a_hook_may_exchange_the_table(void)
{
	struct counts counts = {0};
	struct wr_hook_table table = {.before_poll = exchange_in_poll,
		.ctx = &other,
		.reclaimed = install_again};
	struct wr_epoch_reader *reader;

	REQUIRE_EQ(wr_hooks_init(&hooks), 0);
	given_back = 0;
	other = table_for(&counts);
	other.reclaimed = NULL;
	reader = wr_hooks_join(&hooks);
	REQUIRE(reader);
	CHECK_EQ(wr_hooks_swap(&hooks, &table, NULL), 0);
	wr_hooks_enter(reader);
	call_all(1);
	/* The rest of that poll went to the table of its begin. */
	CHECK_EQ(counts.after, 0);
	call_all(2);
	CHECK_EQ(counts.before, 1);
	CHECK_EQ(given_back, 0);
	wr_hooks_leave(reader);
	wr_hooks_part(reader);
	(void)wr_hooks_reclaim(&hooks);
	CHECK_EQ(given_back, wr_epoch_can());
	CHECK(wr_hooks_look(&hooks) == (wr_epoch_can() ? &table : &other));
	wr_hooks_fini(&hooks);
}

/* ---- under load ------------------------------------------------------------------------------------ */

enum { READERS = 8, SWAPPERS = 2, SWAPS = 4000, ALIVE = 0x600d };

/* What dies with its table. */
struct life {
	struct wr_hook_table table;
	uint64_t alive;
	wr_a64 calls;
};

static wr_a64 stop, born, dead, called;

static void
is_alive(void *ctx, uint64_t consumer)
{
	struct life *life = ctx;

	CHECK_EQ(life->alive, ALIVE);
	(void)wr_fetch_add(test_calls, &life->calls, consumer);
}

static void
bury(struct wr_hook_table *table)
{
	struct life *life = (struct life *)(void *)table;

	(void)wr_fetch_add(test_called, &called, life->calls);
	life->alive = 0;
	free(life);
	(void)wr_fetch_add(test_dead, &dead, 1);
}

static void *
poll_on(void *arg)
{
	struct wr_epoch_reader *reader = wr_hooks_join(&hooks);
	uint64_t *polls = arg;

	CHECK(reader);
	while (reader && !wr_load_acquire(test_stop, &stop)) {
		wr_hooks_enter(reader);
		for (int i = 0; i < 16; i++) {
			const struct wr_hook_table *table = wr_hooks_look(&hooks);

			wr_hook_before_poll(table, 1);
			wr_hook_on_yield(table, 1);
			*polls += table ? 2 : 0;
		}
		wr_hooks_leave(reader);
	}
	if (reader)
		wr_hooks_part(reader);
	return NULL;
}

/* So many at a time: who exchanges waits for readers to leave, or it would be done before
 * any of them has. */
static void
let_some_die(void)
{
	enum { LIVES = 64 };

	while (wr_epoch_can() &&
		wr_load_relaxed(test_born, &born) >
			wr_load_relaxed(test_dead, &dead) + LIVES) {
		(void)wr_hooks_reclaim(&hooks);
		sched_yield();
	}
}

static void *
swap_often(void *arg)
{
	unsigned swaps = SWAPS / wr_test_slowness();

	(void)arg;
	for (unsigned i = 0; i < swaps; i++) {
		struct life *life = calloc(1, sizeof(*life));

		if (!life || i % 16 == 0) {
			free(life);
			CHECK_EQ(wr_hooks_swap(&hooks, NULL, NULL), 0);
			continue;
		}
		life->alive = ALIVE;
		life->table = (struct wr_hook_table){.before_poll = is_alive,
			.on_yield = is_alive,
			.ctx = life,
			.reclaimed = bury};
		(void)wr_fetch_add(test_born, &born, 1);
		CHECK_EQ(wr_hooks_swap(&hooks, &life->table, NULL), 0);
		let_some_die();
	}
	return NULL;
}

/* Tables come and go while eight threads poll: none is used when it is dead, none is lost,
 * and every call has gone to one of them. */
static void
P11_exchanged_under_load(void)
{
	pthread_t readers[READERS], swappers[SWAPPERS];
	uint64_t polls[READERS * 8] = {0}, sum = 0; /* a cache line each */

	REQUIRE_EQ(wr_hooks_init(&hooks), 0);
	for (int i = 0; i < READERS; i++)
		REQUIRE_EQ(pthread_create(&readers[i], NULL, poll_on, &polls[8 * i]), 0);
	for (int i = 0; i < SWAPPERS; i++)
		REQUIRE_EQ(pthread_create(&swappers[i], NULL, swap_often, NULL), 0);
	for (int i = 0; i < SWAPPERS; i++)
		pthread_join(swappers[i], NULL);
	wr_store_release(test_stop, &stop, 1);
	for (int i = 0; i < READERS; i++) {
		pthread_join(readers[i], NULL);
		sum += polls[8 * i];
	}
	wr_test_note("%llu tables, %llu given back meanwhile, %llu calls",
		(unsigned long long)born, (unsigned long long)dead,
		(unsigned long long)sum);
	wr_hooks_fini(&hooks);
	CHECK_EQ(dead, born);
	CHECK_EQ(called, sum);
}

enum { CROWD = 256 };

static void *
come_and_go(void *arg)
{
	struct wr_epoch_reader *reader;

	(void)arg;
	for (int i = 0; i < 20; i++) {
		reader = wr_hooks_join(&hooks);
		CHECK(reader);
		if (!reader)
			break;
		wr_hooks_enter(reader);
		wr_hook_before_poll(wr_hooks_look(&hooks), 1);
		wr_hooks_leave(reader);
		wr_hooks_part(reader);
	}
	return NULL;
}

/* More threads than any machine that this runs on has cores. */
static void
P16_256_threads_register_poll_and_leave(void)
{
	pthread_t crowd[CROWD];
	struct life *life = calloc(1, sizeof(*life));

	REQUIRE(life);
	life->alive = ALIVE;
	life->table = (struct wr_hook_table){
		.before_poll = is_alive, .ctx = life, .reclaimed = bury};
	REQUIRE_EQ(wr_hooks_init(&hooks), 0);
	CHECK_EQ(wr_hooks_swap(&hooks, &life->table, NULL), 0);
	for (int i = 0; i < CROWD; i++)
		REQUIRE_EQ(pthread_create(&crowd[i], NULL, come_and_go, NULL), 0);
	for (int i = 0; i < CROWD; i++)
		pthread_join(crowd[i], NULL);
	CHECK_EQ(wr_hooks_swap(&hooks, NULL, NULL), 0);
	if (wr_epoch_can())
		CHECK_EQ(wr_hooks_reclaim(&hooks), 0);
	wr_hooks_fini(&hooks);
	CHECK_EQ(called, CROWD * 20);
}

static const struct wr_test tests[] = {TEST(P12_each_call_reaches_its_hook_once),
	TEST(P13_no_table_and_no_function_is_nothing),
	TEST(P31_replacing_returns_the_old_and_calls_the_new),
	TEST(P11_a_table_is_installed_once_at_a_time),
	TEST(P11_a_table_stays_until_every_reader_has_left, .labels = "concurrency"),
	TEST(P11_exchanges_give_back_by_themselves),
	TEST(P11_a_hook_may_exchange_the_table),
	TEST(P11_exchanged_under_load, .labels = "concurrency", .watchdog_s = 120),
	TEST(P16_256_threads_register_poll_and_leave, .labels = "concurrency",
		.watchdog_s = 120),
	TEST_END};
const struct wr_suite wr_suite_hooks = {.name = "hooks", .tests = tests};
