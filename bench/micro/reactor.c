/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What a loop costs around its handlers, with everything on: turns, budgets, books that
 * others see, tiers. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/micro/micro.h"
#include "bus/lines.h"
#include "scheduler/rest.h"

enum { IDLE = 100000, BATCH = 32 };

/* A told task whose work never ends. */
struct consumer {
	struct wr_task task;
	void (*handler)(struct consumer *consumer);
	uint64_t messages;
};

struct subject {
	struct wr_reactor reactor;
	struct wr_roster roster;
	struct wr_bell bell;
	struct wr_tier_rules rules;
	struct wr_hooks hooks;
	wr_a64 flag;
	struct consumer *consumers;
	size_t count;
	size_t next;
};

static void
handle(struct consumer *consumer)
{
	consumer->messages++;
}

static int
poll_one(struct wr_task *task, int *verdict)
{
	struct consumer *consumer = (struct consumer *)(void *)task;

	(void)verdict;
	consumer->messages++;
	return 1;
}

static int
poll_batch(struct wr_task *task, int *verdict)
{
	struct consumer *consumer = (struct consumer *)(void *)task;

	(void)verdict;
	for (int i = 0; i < BATCH; i++)
		consumer->handler(consumer);
	return BATCH;
}

static void
discard(void *subject)
{
	struct subject *s = subject;

	wr_reactor_fini(&s->reactor);
	wr_roster_close(&s->roster);
	if (s->hooks.epoch)
		wr_hooks_fini(&s->hooks);
	free(s->consumers);
	free(s);
}

/* The first of them are told that there is work, and never hear that there is none. */
static void *
make(size_t ready, size_t idle, int (*poll)(struct wr_task *task, int *verdict))
{
	struct subject *s = wr_lines_alloc(sizeof(*s));

	if (!s)
		return NULL;
	s->count = ready + idle;
	s->consumers = wr_lines_alloc(s->count * sizeof(*s->consumers));
	wr_bell_init(&s->bell);
	if (!s->consumers ||
		wr_reactor_init(&s->reactor, &s->flag, &s->bell, WEIR_IDLE_PARK) < 0 ||
		wr_tier_rules_of(&s->rules, wr_tier_profile("balanced"), NULL) < 0 ||
		wr_roster_open(&s->roster, 1, "bench", true, NULL) < 0) {
		free(s->consumers);
		free(s);
		return NULL;
	}
	wr_reactor_show(&s->reactor, &s->roster);
	wr_reactor_watch_over(&s->reactor, &s->rules);
	for (size_t i = 0; i < s->count; i++) {
		struct consumer *consumer = &s->consumers[i];

		consumer->task.poll = poll;
		consumer->handler = handle;
		(void)wr_reactor_add(&s->reactor, &consumer->task,
			micro_weight(i % ready, ready), NULL);
		if (i < ready)
			wr_reactor_tell(&s->reactor, &consumer->task);
	}
	return s;
}

static void *
make_polls(int count)
{
	return make((size_t)count, 0, poll_one);
}

static void *
make_batches(int count)
{
	return make((size_t)count, 0, poll_batch);
}

static void *
make_among_idle(int count)
{
	return make((size_t)count, IDLE, poll_one);
}

/* ---- everything on, everything off -------------------------------------------------------- */

static void
hook_before(void *ctx, uint64_t consumer)
{
	(void)ctx, (void)consumer;
}

static void
hook_after(void *ctx, uint64_t consumer, uint64_t messages, uint64_t ns)
{
	(void)ctx, (void)consumer, (void)messages, (void)ns;
}

static int
hook_all(struct subject *s)
{
	static struct wr_hook_table table = {
		.before_poll = hook_before, .after_poll = hook_after};

	if (wr_hooks_init(&s->hooks) < 0)
		return -1;
	return wr_reactor_hook(&s->reactor, &s->hooks) < 0 ||
			wr_hooks_swap(&s->hooks, &table, NULL) < 0
		? -1
		: 0;
}

/* Tiers, hooks that are called, and a trace that is written. */
static void *
make_all_on(int count)
{
	struct subject *s = make((size_t)count, 0, poll_one);
	int rc = s ? hook_all(s) : -1;

#if WEIR_TRACE
	if (rc == 0)
		rc = wr_trace_start(&s->reactor.trace);
#endif
	if (rc == 0)
		return s;
	if (s)
		discard(s);
	return NULL;
}

/* Turns and weights are what a loop is; the rest is off, but for what is compiled in. */
static void *
make_all_off(int count)
{
	struct subject *s = make((size_t)count, 0, poll_one);

	if (s)
		wr_reactor_watch_over(&s->reactor, NULL);
	return s;
}

/* Operations are what its polls did: polls, or messages. */
static void
run_loop(void *subject, uint64_t operations)
{
	struct subject *s = subject;
	uint64_t done = 0;
	int verdict;

	while (done < operations)
		done += (uint64_t)wr_reactor_poll(&s->reactor, &verdict);
}

/* The same calls, without a loop. */
static void
run_bare(void *subject, uint64_t operations)
{
	struct subject *s = subject;
	uint64_t done = 0;
	int verdict = 0;

	while (done < operations) {
		struct wr_task *task = &s->consumers[s->next].task;

		s->next = s->next + 1 < s->count ? s->next + 1 : 0;
		done += (uint64_t)task->poll(task, &verdict);
	}
}

/* ---- how soon who wakes is served ------------------------------------------------------- */

/* The three are the first of the table of 48. */
enum { SPARSE = 3, GAP_POLLS = 74 };

static struct {
	struct subject *s;
	uint64_t polls, told_at, next_at, dice;
	struct consumer *told; /* NULL: nobody is on the way */
	double *took;
	int done;
} wake;

static uint64_t
roll(uint64_t below)
{
	wake.dice = wake.dice * 6364136223846793005u + 1442695040888963407u;
	return (wake.dice >> 33) % below;
}

static int
poll_counted(struct wr_task *task, int *verdict)
{
	struct consumer *consumer = (struct consumer *)(void *)task;

	(void)verdict;
	if (consumer == wake.told) {
		wake.took[wake.done++] = (double)(wake.polls - wake.told_at);
		wake.told = NULL;
		wake.next_at = wake.polls + 1 + roll(GAP_POLLS);
		return 1;
	}
	wake.polls++;
	if (!wake.told && wake.polls >= wake.next_at) {
		wake.told = &wake.s->consumers[roll(SPARSE)];
		wake.told_at = wake.polls;
		wr_reactor_tell(&wake.s->reactor, &wake.told->task);
	}
	return 1;
}

int
micro_wake_polls(double *polls, int count)
{
	struct subject *s = make(48, 0, poll_counted);
	int verdict;

	if (!s)
		return -1;
	memset(&wake, 0, sizeof(wake));
	wake.s = s;
	wake.took = polls;
	wake.dice = 1;
	wake.next_at = 1000; /* by then the three are idle */
	for (int i = 0; i < SPARSE; i++)
		s->consumers[i].task.once = true;
	while (wake.done < count)
		(void)wr_reactor_poll(&s->reactor, &verdict);
	discard(s);
	return 0;
}

/* ---- what others do to know a poll's time ------------------------------------------------ */

static void *
make_nothing(int count)
{
	(void)count;
	return malloc(1);
}

static void
read_twice(clockid_t clock, uint64_t operations)
{
	struct timespec t;

	for (uint64_t i = 0; i < operations; i++) {
		(void)clock_gettime(clock, &t);
		(void)clock_gettime(clock, &t);
	}
}

static void
run_cpu_clock(void *subject, uint64_t operations)
{
	(void)subject;
	read_twice(CLOCK_THREAD_CPUTIME_ID, operations);
}

static void
run_clock(void *subject, uint64_t operations)
{
	(void)subject;
	read_twice(CLOCK_MONOTONIC, operations);
}

#define POLL     "a poll of a trivial handler, of "
#define BATCH_OF "a message of a trivial handler, 32 to a poll, of 48"

const struct micro micro_loop_48 = {"ours", POLL "48", 48, make_polls, run_loop, discard};
const struct micro micro_loop_4096 = {
	"ours", POLL "4,096", 4096, make_polls, run_loop, discard};
const struct micro micro_bare_48 = {"limit", POLL "48", 48, make_polls, run_bare, discard};
const struct micro micro_bare_4096 = {
	"limit", POLL "4,096", 4096, make_polls, run_bare, discard};
const struct micro micro_all_on_64 = {
	"ours", POLL "64, all on", 64, make_all_on, run_loop, discard};
const struct micro micro_all_off_64 = {
	"ours", POLL "64, all off", 64, make_all_off, run_loop, discard};
const struct micro micro_bare_64 = {"limit", POLL "64", 64, make_polls, run_bare, discard};
const struct micro micro_loop_batch = {
	"ours", BATCH_OF, 48, make_batches, run_loop, discard};
const struct micro micro_bare_batch = {
	"limit", BATCH_OF, 48, make_batches, run_bare, discard};
const struct micro micro_loop_among_idle = {
	"ours-among-100000-idle", POLL "48", 48, make_among_idle, run_loop, discard};
const struct micro micro_cpu_clock = {"limit", "CLOCK_THREAD_CPUTIME_ID, read twice", 0,
	make_nothing, run_cpu_clock, free};
const struct micro micro_clock = {
	"limit", "CLOCK_MONOTONIC, read twice", 0, make_nothing, run_clock, free};
