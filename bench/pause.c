/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What does a handler that does not return cost the others of its loop? Seven subscriptions
 * of one loop read a message that one of them sends on for ever, so the loop always has
 * something to do and no other thread feeds it. An eighth one spins, or waits in the kernel,
 * for 30 ms, once. The pause is the longest time between two calls of one of the seven. Each
 * run is a bus of its own.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include <weir/loop.h>

#include "bench/lib/cases.h"
#include "bench/lib/row.h"

enum {
	SIBLINGS = 7,
	HARD_US = 1000,
	TICK_US = 250,
	HANDOFF_US = 50, /* that the hand-off itself may take */
	STUCK_MS = 30,
	WARM_MS = 20,
	DWELL_MS = 250,
	BACK_MS = 200,     /* and so long after its dwell it should be back */
	WATCHED_MS = 2000, /* for the sentinel's share of a core */
};

#define SENTINEL "weir-sentinel"
#define DOZER    "bench-dozer"

static struct bench_options options;

struct sibling {
	uint64_t last_ns, most_ns;
	struct subject *subject;
	atomic_bool sends;
};

struct subject {
	weir_bus *bus;
	weir_pub *pub;
	weir_sub *slow;
	pthread_t thread;
	struct sibling siblings[SIBLINGS];
	atomic_bool measures; /* pauses count */
	atomic_bool trips; /* the next call of the slow one does not return for a while */
	bool spins;
	atomic_ullong returned_ns;
	atomic_bool ends;
	atomic_int loop; /* that the slow one belongs to */
};

/* What one run gives. */
struct outcome {
	double pause_us, found_us, passed_us, back_ms;
};

static int
on_message(void *ctx, const weir_msg *msg)
{
	struct sibling *sibling = ctx;
	struct subject *subject = sibling->subject;
	uint64_t now_ns = weir_now_ns();
	uint64_t pause_ns = sibling->last_ns ? now_ns - sibling->last_ns : 0;

	(void)msg;
	sibling->last_ns = now_ns;
	if (atomic_load_explicit(&subject->measures, memory_order_relaxed) &&
		pause_ns > sibling->most_ns)
		sibling->most_ns = pause_ns;
	return atomic_load_explicit(&sibling->sends, memory_order_relaxed)
		? weir_send(subject->pub, "x", 1)
		: 0;
}

static int
on_slow(void *ctx, const weir_msg *msg)
{
	struct subject *subject = ctx;
	struct timespec rest = {.tv_nsec = STUCK_MS * 1000000L};
	uint64_t until_ns = weir_now_ns() + STUCK_MS * 1000000ull;

	(void)msg;
	if (!atomic_load_explicit(&subject->trips, memory_order_relaxed))
		return 0;
	atomic_store(&subject->trips, false);
	while (subject->spins && weir_now_ns() < until_ns)
		;
	if (!subject->spins)
		(void)nanosleep(&rest, NULL);
	atomic_store(&subject->returned_ns, weir_now_ns());
	return 0;
}

static void *
turn(void *arg)
{
	struct subject *subject = arg;

	(void)weir_adopt(subject->bus);
	(void)weir_send(subject->pub, "x", 1);
	while (!atomic_load(&subject->ends) && weir_turn(subject->bus, 1000) >= 0)
		atomic_store(&subject->loop, weir_sub_loop(subject->slow));
	return NULL;
}

static void
rest_ms(unsigned ms)
{
	(void)usleep(ms * 1000);
}

/* A thread turns it when this returns. */
static int
subject_begin(struct subject *subject, uint32_t tick_us)
{
	subject->bus = weir_open("inproc:pause", .hard_us = HARD_US, .tick_us = tick_us,
		.idle = WEIR_IDLE_PARK, .flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET);
	subject->pub = weir_advertise(subject->bus, "t", .wait_ms = WEIR_FOREVER);
	for (int i = 0; i < SIBLINGS; i++) {
		subject->siblings[i].subject = subject;
		atomic_store(&subject->siblings[i].sends, i == 0);
		(void)weir_subscribe(subject->bus, "t", .on_msg = on_message,
			.ctx = &subject->siblings[i]);
	}
	subject->slow = weir_subscribe(subject->bus, "t", .on_msg = on_slow,
		.ctx = subject, .moves = WEIR_MOVE_LANE);
	if (weir_why(subject->bus)->code != 0)
		return -1;
	return pthread_create(&subject->thread, NULL, turn, subject) == 0 ? 0 : -1;
}

static int
subject_end(struct subject *subject)
{
	atomic_store(&subject->ends, true);
	(void)weir_wake(subject->bus);
	(void)pthread_join(subject->thread, NULL);
	(void)weir_adopt(subject->bus);
	return weir_close(subject->bus) == 0 ? 0 : -1;
}

static void
trip(struct subject *subject, weir_handoffs *handoffs)
{
	rest_ms(WARM_MS);
	atomic_store(&subject->measures, true);
	atomic_store(&subject->trips, true);
	do {
		rest_ms(1);
		(void)weir_loop_handoffs(subject->bus, 0, handoffs);
	} while (handoffs->handoffs == 0);
	rest_ms(STUCK_MS / 2);
	atomic_store(&subject->measures, false);
	while (atomic_load(&subject->returned_ns) == 0)
		rest_ms(1);
}

/* Waits until it is on its loop again. */
static double
back_ms(struct subject *subject)
{
	while (atomic_load(&subject->loop) != WEIR_LOOP_LANE)
		rest_ms(1);
	while (atomic_load(&subject->loop) != 0)
		rest_ms(1);
	return (double)(weir_now_ns() - atomic_load(&subject->returned_ns)) / 1e6;
}

static int
run_once(bool spins, struct outcome *outcome)
{
	struct subject subject = {.spins = spins};
	weir_handoffs handoffs = {.size = sizeof(handoffs)};
	uint64_t most_ns = 0;
	int rc;

	if (subject_begin(&subject, TICK_US) < 0)
		return -1;
	trip(&subject, &handoffs);
	outcome->back_ms = back_ms(&subject);
	rc = subject_end(&subject);
	for (int i = 0; i < SIBLINGS; i++)
		if (subject.siblings[i].most_ns > most_ns)
			most_ns = subject.siblings[i].most_ns;
	outcome->pause_us = (double)most_ns / 1e3;
	outcome->found_us = (double)handoffs.found_ns / 1e3;
	outcome->passed_us = (double)handoffs.passed_ns / 1e3;
	return rc;
}

/* ---- rows -------------------------------------------------------------------------------- */

static void
print(const char *name, const char *work, const char *unit, const double *values,
	int runs, double goal)
{
	struct bench_row row = bench_row_of(name, "ours", work);

	row.unit = unit;
	bench_row_median(row, stat_median_of(values, runs), goal);
}

static int
measure(const char *name, bool spins)
{
	double pause[BENCH_RUNS_MAX], found[BENCH_RUNS_MAX], passed[BENCH_RUNS_MAX];
	double back[BENCH_RUNS_MAX];

	for (int i = 0; i < options.runs; i++) {
		struct outcome outcome;

		if (run_once(spins, &outcome) < 0)
			return BENCH_UNMEASURED;
		pause[i] = outcome.pause_us;
		found[i] = outcome.found_us;
		passed[i] = outcome.passed_us;
		back[i] = outcome.back_ms;
	}
	print(name, "pause of the others", "us", pause, options.runs,
		HARD_US + 2 * TICK_US + HANDOFF_US);
	print(name, "from when it was seen first to the verdict", "us", found,
		options.runs, 0);
	print(name, "the hand-off itself", "us", passed, options.runs, HANDOFF_US);
	print(name, "back on its loop after it returned", "ms", back, options.runs,
		DWELL_MS + BACK_MS);
	return BENCH_GOOD;
}

static int
case_spin(void)
{
	return measure("spin", true);
}

static int
case_block(void)
{
	return measure("block", false);
}

/* ---- the sentinel itself ------------------------------------------------------------------- */

/* What the thread of that name has run, ever; 0: there is none. */
static uint64_t
ran_ns_of(const char *thread)
{
	char path[300], name[32];
	uint64_t ran_ns = 0;
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	FILE *file;

	while (tasks && (entry = readdir(tasks))) {
		unsigned long long ns = 0;

		(void)snprintf(
			path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		name[0] = 0;
		(void)fgets(name, sizeof(name), file);
		(void)fclose(file);
		if (strncmp(name, thread, strlen(thread)) != 0)
			continue;
		(void)snprintf(path, sizeof(path), "/proc/self/task/%s/schedstat",
			entry->d_name);
		file = fopen(path, "r");
		if (file && fscanf(file, "%llu", &ns) == 1)
			ran_ns = ns;
		if (file)
			(void)fclose(file);
	}
	if (tasks)
		(void)closedir(tasks);
	return ran_ns;
}

/* Its share of a core, in percent. */
static double
share(const char *thread)
{
	uint64_t ran_ns = ran_ns_of(thread), began_ns = weir_now_ns();

	rest_ms(WATCHED_MS);
	return 100.0 * (double)(ran_ns_of(thread) - ran_ns) /
		(double)(weir_now_ns() - began_ns);
}

/* Wakes as often as a sentinel, and looks at nothing: what this machine takes for waking. */
static void *
doze(void *arg)
{
	const struct timespec tick = {.tv_nsec = WEIR_TICK_US * 1000L};
	const atomic_bool *ends = arg;

	(void)prctl(PR_SET_NAME, DOZER);
	(void)prctl(PR_SET_TIMERSLACK, 1ul);
	while (!atomic_load(ends))
		(void)nanosleep(&tick, NULL);
	return NULL;
}

static int
share_of_waking(double *percent)
{
	atomic_bool ends = false;
	pthread_t thread;

	if (pthread_create(&thread, NULL, doze, &ends) != 0)
		return -1;
	rest_ms(WARM_MS);
	*percent = share(DOZER);
	atomic_store(&ends, true);
	return pthread_join(thread, NULL) == 0 ? 0 : -1;
}

static int
case_sentinel(void)
{
	int runs = options.few;
	double busy[BENCH_RUNS_MAX], bare[BENCH_RUNS_MAX], parked[BENCH_RUNS_MAX];

	for (int i = 0; i < runs; i++) {
		struct subject subject = {0};

		if (subject_begin(&subject, 0) < 0)
			return BENCH_UNMEASURED;
		rest_ms(WARM_MS);
		busy[i] = share(SENTINEL);
		if (share_of_waking(&bare[i]) < 0)
			return BENCH_UNMEASURED;
		/* It sends the message on no more: the loop sleeps. */
		atomic_store(&subject.siblings[0].sends, false);
		rest_ms(WARM_MS);
		parked[i] = share(SENTINEL);
		if (subject_end(&subject) < 0)
			return BENCH_UNMEASURED;
	}
	print("sentinel", "of a core, while a loop is busy", "%", busy, runs, 1);
	print("sentinel", "of a core, a thread that only wakes as often", "%", bare,
		runs, 0);
	print("sentinel", "of a core, while all loops sleep", "%", parked, runs, 0);
	return BENCH_GOOD;
}

int
main(int argc, char **argv)
{
	static const struct bench_case cases[] = {
		{"spin", case_spin, "a handler that spins for 30 ms"},
		{"block", case_block, "a handler that waits in the kernel for 30 ms"},
		{"sentinel", case_sentinel, "what looking for them costs"},
		{NULL, NULL, NULL}};
	static const struct bench_program program = {.name = "bench-pause",
		.cases = cases,
		.options = &options,
		.runs = 21,
		.runs_quick = 3,
		.few = 3,
		.failed = "a bus did not close"};

	return bench_main(&program, argc, argv);
}
