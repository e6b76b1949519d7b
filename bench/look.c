/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * bench-look: what does it cost a publisher that somebody looks at it? A publisher sends at an
 * even pace to two readers in another process, and the time that each send takes is counted
 * while nobody looks, while everything of the command that only looks does so at once, and
 * while the same looks at the twin: another bus with a publisher and readers just like these,
 * which is there all the time. What those that look take from everybody, time of the cores and
 * room in their caches, they take in the third as in the second; the difference between these
 * two is what looking touches. All windows of a case are of the same processes, in turns.
 * Exit 0: measured, whatever the figures are. Exit 1: a reader came, went, lost something, or
 * was not waited for any more. Exit 2: could not measure.
 */
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <weir/weir.h>

#include "bench/lib/cases.h"
#include "bench/lib/clock.h"
#include "bench/lib/crew.h"
#include "bench/lib/hist.h"
#include "bench/lib/row.h"
#include "bench/ours/bus.h"
#include "bench/ours/lookers.h"

enum { READERS = 2, SIZE = 256, LINE = 64, PER_S = 20000 };
enum {
	ARRIVE_MS = 10000,
	TURN_MS = 50,
	SETTLE_MS = 150,    /* before each window */
	TELL_EVERY = 64,    /* messages after which the publisher says how it stands */
	LATE_NS = 20000000, /* who is later than that does not catch up */
	WATCHDOG_S = 30
};

/* Two processes that send and two that read: this bus's, and its twin's. */
enum { BUSES = 2, WORKERS = 2 * BUSES };
static const char *const buses[BUSES] = {"look", "twin"};

/* What a window is beside. */
enum beside { NOBODY, HERE, THERE, KINDS };
static const char *const names[KINDS] = {
	"nobody looks", "all look at once", "all look at its twin"};

static struct bench_options options;

struct result {
	double p50_ns, p99_ns, p999_ns, max_ns, per_s;
	double cores, looks_per_s; /* of those that look */
};

/* How a bus stands, as its publisher and its readers know. */
struct stand {
	atomic_int subscribers;
	atomic_ullong detached, evicted, lost;
};

/* Where the publisher is. */
struct place {
	const char *name; /* of the case */
	/* It has a core that nobody else uses, and its readers never sleep, so that what is
	 * timed is the send and no system call: some 30 ns, of which the counter may step 10.
	 * So many are timed together. */
	int apart;
	int together; /* sends that are due at once, and timed as one */
};

struct run {
	struct place place;
	atomic_int ready, counting;
	struct stand stands[BUSES];
	_Alignas(128) struct hist sends;
};

/* ---- one bus --------------------------------------------------------------------------- */

static int
has_ended(const struct crew *crew)
{
	return atomic_load_explicit(&crew->board->flag, memory_order_relaxed);
}

/* It reads all of it, as consumers do: so that those that look are not the only ones whose
 * caches the publisher has to take a message from before it writes the next one there. */
static int
on_message(void *ctx, const weir_msg *msg)
{
	struct stand *stand = ctx;
	const volatile uint8_t *bytes = msg->data;
	if (msg->lost)
		atomic_fetch_add(&stand->lost, msg->lost);
	for (size_t i = 0; i < msg->len; i += LINE)
		(void)bytes[i];
	return 0;
}

static int
read_all(struct crew *crew, struct run *run, int which)
{
	int awake = run->place.apart && which == 0;
	weir_bus *bus = bench_open_bus(crew, buses[which], crew_directory(),
		awake ? WEIR_IDLE_YIELD : WEIR_IDLE_ADAPTIVE);
	if (!bus)
		return -1;
	for (int i = 0; i < READERS; i++) {
		weir_sub *sub = weir_subscribe(bus, i ? "*" : "t", .on_msg = on_message,
			.ctx = &run->stands[which]);
		if (weir_sub_why(sub)->code)
			return crew_fail(crew, "subscribe: %s", weir_sub_why(sub)->text);
	}
	atomic_fetch_add(&run->ready, 1);
	while (!has_ended(crew))
		weir_turn(bus, TURN_MS);
	weir_close(bus);
	return 0;
}

/* Who has a core spins on it, so that it is as warm for each send; who has none sleeps. */
static void
wait_until(uint64_t due, int spins)
{
	int64_t left = (int64_t)(due - bench_ticks());
	if (spins)
		bench_spin_until(due);
	else if (left > 0)
		nanosleep(&(struct timespec){.tv_nsec = (long)bench_ns((uint64_t)left)},
			NULL);
}

static void
tell(struct stand *stand, weir_pub *pub)
{
	weir_pub_stats stats = {.size = sizeof stats};
	weir_pub_get_stats(pub, &stats);
	atomic_store(&stand->subscribers, (int)stats.subscribers);
	atomic_store(&stand->detached, stats.detached);
	atomic_store(&stand->evicted, stats.evicted);
}

/* Sends so many. Returns the ticks of one of them, times `together`; 0: failed. */
static uint64_t
send_some(weir_pub *pub, int together)
{
	static char message[SIZE];
	uint64_t begin = bench_ticks();
	for (int i = 0; i < together; i++)
		if (weir_send(pub, message, sizeof message) < 0)
			return 0;
	return bench_ticks() - begin;
}

static int
send_all(struct crew *crew, struct run *run, int which, weir_pub *pub)
{
	int is_measured = which == 0, spins = is_measured && run->place.apart;
	uint64_t gap = bench_ticks_of(run->place.together * 1e9 / PER_S);
	uint64_t late = bench_ticks_of(LATE_NS), due = bench_ticks();
	for (uint64_t turn = 1; !has_ended(crew); turn++) {
		wait_until(due, spins);
		uint64_t ticks = send_some(pub, run->place.together);
		if (ticks == 0)
			return crew_fail(crew, "send: %s", weir_pub_why(pub)->text);
		if (is_measured &&
			atomic_load_explicit(&run->counting, memory_order_relaxed))
			hist_add(&run->sends, ticks);
		if (turn % TELL_EVERY == 0)
			tell(&run->stands[which], pub);
		due += gap;
		if ((int64_t)(bench_ticks() - due) > (int64_t)late)
			due = bench_ticks();
	}
	return 0;
}

/* The threads of the bus stay where all others are. */
static int
publish(struct crew *crew, struct run *run, int which)
{
	weir_bus *bus =
		bench_open_bus(crew, buses[which], crew_directory(), WEIR_IDLE_ADAPTIVE);
	if (!bus)
		return -1;
	weir_pub *pub = weir_advertise(bus, "t", .wait_ms = WEIR_FOREVER);
	if (weir_pub_why(pub)->code)
		return crew_fail(crew, "advertise: %s", weir_pub_why(pub)->text);
	if (weir_wait_subscribers(pub, READERS, ARRIVE_MS) < READERS)
		return crew_fail(crew, "the readers did not come");
	if (run->place.apart && which == 0)
		bench_pin(0);
	bench_sleep_sharply();
	tell(&run->stands[which], pub);
	atomic_fetch_add(&run->ready, 1);
	int rc = send_all(crew, run, which, pub);
	weir_close(bus);
	return rc;
}

static int
work(struct crew *crew, int index, void *arg)
{
	struct run *run = arg;
	int which = index / 2;
	return index % 2 ? publish(crew, run, which) : read_all(crew, run, which);
}

/* ---- windows --------------------------------------------------------------------------- */

static void
rest_ms(double ms)
{
	nanosleep(&(struct timespec){.tv_sec = (time_t)(ms / 1e3),
			  .tv_nsec = (long)(fmod(ms, 1e3) * 1e6)},
		NULL);
}

static void
count(struct run *run, struct result *result)
{
	double ms = options.quick ? 200 : options.full ? 1200 : 800;
	rest_ms(SETTLE_MS);
	memset(&run->sends, 0, sizeof run->sends);
	uint64_t begin = bench_clock_ns(CLOCK_MONOTONIC);
	atomic_store(&run->counting, 1);
	rest_ms(ms);
	atomic_store(&run->counting, 0);
	uint64_t end = bench_clock_ns(CLOCK_MONOTONIC);
	rest_ms(1); /* who was counting is done */
	const struct hist *h = &run->sends;
	double together = run->place.together, ns = bench_ns_per_tick / together;
	*result = (struct result){.p50_ns = hist_quantile(h, 0.5) * ns,
		.p99_ns = hist_quantile(h, 0.99) * ns,
		.p999_ns = hist_quantile(h, 0.999) * ns,
		.max_ns = (double)h->max * ns,
		.per_s = (double)h->count * together * 1e9 / (double)(end - begin)};
}

static int
window(struct run *run, enum beside beside, struct result *result)
{
	if (beside == NOBODY) {
		count(run, result);
		return 0;
	}
	struct lookers_use use;
	uint64_t begin = bench_clock_ns(CLOCK_MONOTONIC);
	struct lookers *lookers =
		lookers_begin(buses[beside == HERE ? 0 : 1], crew_directory());
	if (!lookers)
		return -1;
	count(run, result);
	if (lookers_end(lookers, &use) < 0)
		return -1;
	result->cores = use.cores;
	result->looks_per_s =
		use.looks * 1e9 / (double)(bench_clock_ns(CLOCK_MONOTONIC) - begin);
	return 0;
}

/* Whether all readers are there, are waited for, and have lost nothing, at both buses. */
static int
stands_still(struct run *run)
{
	int good = 1;
	for (int i = 0; i < BUSES; i++) {
		struct stand *s = &run->stands[i];
		if (atomic_load(&s->subscribers) == READERS && !atomic_load(&s->detached) &&
			!atomic_load(&s->evicted) && !atomic_load(&s->lost))
			continue;
		good = 0;
		bench_row_note("CHANGED at %s: %d readers of %d, %llu times one was not "
			       "waited for any more, %llu put out, %llu messages lost",
			buses[i], atomic_load(&s->subscribers), READERS,
			atomic_load(&s->detached), atomic_load(&s->evicted),
			atomic_load(&s->lost));
	}
	return good;
}

static int
is_ready(const struct crew *crew, struct run *run)
{
	uint64_t until =
		bench_clock_ns(CLOCK_MONOTONIC) + WATCHDOG_S * UINT64_C(1000000000);
	while (atomic_load(&run->ready) < WORKERS && !atomic_load(&crew->board->failed) &&
		bench_clock_ns(CLOCK_MONOTONIC) < until)
		rest_ms(1);
	return atomic_load(&run->ready) == WORKERS;
}

/* Who begins changes from turn to turn. */
static int
windows(struct crew *crew, struct run *run, struct result (*results)[BENCH_RUNS_MAX])
{
	if (!is_ready(crew, run))
		return BENCH_UNMEASURED;
	int rc = BENCH_GOOD;
	for (int turn = 0; turn < options.runs; turn++)
		for (int i = 0; i < KINDS; i++) {
			enum beside beside = (enum beside)((turn + i) % KINDS);
			if (window(run, beside, &results[beside][turn]) < 0)
				return BENCH_UNMEASURED;
			rc = bench_worse(
				rc, stands_still(run) ? BENCH_GOOD : BENCH_FAILED);
		}
	return rc;
}

static int
run_all(struct run *run, struct result (*results)[BENCH_RUNS_MAX])
{
	struct crew crew;
	if (crew_init(&crew) < 0)
		return BENCH_UNMEASURED;
	bench_pin(run->place.apart ? 1 : -1);
	int rc = BENCH_GOOD;
	for (int i = 0; i < WORKERS && rc == BENCH_GOOD; i++)
		rc = crew_spawn(&crew, work, run) < 0 ? BENCH_UNMEASURED : BENCH_GOOD;
	if (rc == BENCH_GOOD)
		rc = windows(&crew, run, results);
	atomic_store(&crew.board->flag, 1);
	if (crew_wait(&crew, "look", WATCHDOG_S) < 0)
		rc = bench_worse(rc, BENCH_UNMEASURED);
	bench_pin(-1);
	return rc;
}

/* ---- rows ------------------------------------------------------------------------------ */

typedef double (*figure_fn)(const struct result *);

static double
p50(const struct result *r)
{
	return r->p50_ns;
}

static double
p99(const struct result *r)
{
	return r->p99_ns;
}

static double
p999(const struct result *r)
{
	return r->p999_ns;
}

static double
most(const struct result *r)
{
	return r->max_ns;
}

static double
rate(const struct result *r)
{
	return r->per_s;
}

static double
cores(const struct result *r)
{
	return 100 * r->cores;
}

static double
looks(const struct result *r)
{
	return r->looks_per_s;
}

static void
gather(const struct result *results, figure_fn figure, double *values)
{
	for (int i = 0; i < options.runs; i++)
		values[i] = figure(&results[i]);
}

static double
median(const struct result *results, figure_fn figure)
{
	double values[BENCH_RUNS_MAX];
	gather(results, figure, values);
	return stat_median_of(values, options.runs).median;
}

static struct bench_row
row_of(const char *name, const char *work, const struct result *results)
{
	struct bench_row row = bench_row_of(name, "ours", work);
	row.size = SIZE;
	row.publishers = 1;
	row.subscribers = READERS;
	row.msgs_per_s = median(results, rate);
	row.p50_ns = median(results, p50);
	row.p99_ns = median(results, p99);
	row.p999_ns = median(results, p999);
	row.max_ns = median(results, most);
	row.runs = options.runs;
	return row;
}

static void
show(const char *name, const char *work, const struct result *results, const char *of,
	const struct result *reference, struct bench_goal goal)
{
	double over[BENCH_RUNS_MAX], under[BENCH_RUNS_MAX];
	struct bench_row row = row_of(name, work, results);
	if (reference) {
		gather(results, p50, over);
		gather(reference, p50, under);
		bench_row_ratio(&row, of, stat_ratio_of(over, under, options.runs));
	}
	bench_row_print(&row, goal);
}

static void
show_use(const char *name, const char *what, const char *unit,
	const struct result (*results)[BENCH_RUNS_MAX], figure_fn figure)
{
	for (int k = HERE; k < KINDS; k++) {
		char work[96];
		snprintf(work, sizeof work, "%s: %s", names[k], what);
		struct bench_row row = bench_row_of(name, "ours", work);
		row.value = median(results[k], figure);
		row.unit = unit;
		row.runs = options.runs;
		bench_row_print(&row, (struct bench_goal){0});
	}
}

static int
measure(const struct place place)
{
	const char *name = place.name;
	static struct result results[KINDS][BENCH_RUNS_MAX];
	const struct bench_goal none = {0}, goal = {GOAL_AT_MOST, 1.02, 0};
	struct run *run = crew_shared(sizeof *run);
	if (!run)
		return BENCH_UNMEASURED;
	run->place = place;
	int rc = run_all(run, results);
	crew_shared_free(run, sizeof *run);
	if (rc == BENCH_UNMEASURED)
		return rc;
	show(name, names[NOBODY], results[NOBODY], NULL, NULL, none);
	show(name, names[HERE], results[HERE], names[NOBODY], results[NOBODY], goal);
	show(name, names[HERE], results[HERE], names[THERE], results[THERE], goal);
	show(name, names[THERE], results[THERE], names[NOBODY], results[NOBODY], none);
	show_use(name, "they use, of a core", "%", results, cores);
	show_use(name, "of those that look once", "looks/s", results, looks);
	return rc;
}

static int
case_apart(void)
{
	return measure((struct place){"apart", 1, 16});
}

static int
case_shared(void)
{
	return measure((struct place){"shared", 0, 1});
}

int
main(int argc, char **argv)
{
	static const struct bench_case cases[] = {
		{"apart", case_apart, "the publisher has a core that nobody else uses"},
		{"shared", case_shared, "everybody shares both cores"},
		{NULL, NULL, NULL}};
	static const struct bench_program program = {.name = "bench-look",
		.cases = cases,
		.options = &options,
		.runs = 9,
		.runs_quick = 2,
		.runs_full = 21,
		.few = 9,
		.few_full = 21,
		.failed = "a reader came, went, lost something, or was not waited for"};

	return bench_main(&program, argc, argv);
}
