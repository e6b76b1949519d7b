/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What publishing costs the publisher's thread as subscribers are added. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <weir/weir.h>

#include "bench/lib/clock.h"
#include "bench/lib/crew.h"
#include "bench/lib/stat.h"
#include "bench/ours/ours.h"

enum { SIZE = 64, END = 1, TURN_MS = 1000, ARRIVE_MS = 10000, WATCHDOG_S = 30 };
/* Awake: bursts with time between them for 64 readers to come by on their one core. */
enum { BURSTS = 400, BURST = 64, BURST_GAP_NS = 200000 };
/* Asleep: one message, then time for 64 readers to wake, read and sleep again. */
enum { SINGLES = 120, SINGLE_GAP_NS = 3000000, WARM = 10 };
/* Before: a few segments, so that their memory is there, and the region has grown to what
 * so many readers may pin. */
enum { LARGE = 16 << 10, LARGES = 96, LARGE_GAP_NS = 1000000 };

struct cost_run {
	const char *dir;
	int subscribers, asleep;
	double cpu_ns;
	double slept[CREW_MAX]; /* share of messages; writer: each subscriber */
};

struct reader {
	uint64_t messages;
	uint64_t sum;
	int ended;
};

static int
on_batch(void *ctx, const weir_msg *msgs, size_t count)
{
	struct reader *reader = ctx;
	for (size_t i = 0; i < count; i++) {
		const volatile uint64_t *words = msgs[i].data;
		reader->sum += words[0];
		reader->messages++;
		reader->ended |= words[1] == END;
	}
	return 0;
}

static long
sleeps_so_far(void)
{
	struct rusage usage;
	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

static int
subscribe(struct crew *crew, int index, struct cost_run *run, weir_bus *bus)
{
	struct reader reader = {0};
	weir_sub *sub = weir_subscribe(bus, "bench.cost", .on_batch = on_batch,
		.ctx = &reader, .policy = WEIR_BLOCK);
	if (weir_sub_why(sub)->code)
		return crew_fail(crew, "subscribe: %s", weir_sub_why(sub)->text);
	if (crew_meet(crew, run->subscribers + 1, 2) < 0)
		return -1;
	long before = sleeps_so_far();
	while (!reader.ended)
		if (weir_turn(bus, TURN_MS) < 0)
			return crew_fail(crew, "turn: %s", weir_why(bus)->text);
	run->slept[index - 1] =
		(double)(sleeps_so_far() - before) / (double)(reader.messages + 1);
	return 0;
}

static int
put(weir_pub *pub, size_t size, uint64_t seq, uint64_t end)
{
	weir_claim_t claim;
	int rc = weir_claim(pub, size, &claim);
	if (rc < 0)
		return rc;
	uint64_t *words = claim.data;
	words[0] = seq;
	words[1] = end;
	memset(words + 2, (int)seq, size - 16);
	return weir_commit(pub, &claim);
}

/* Reading the thread's clock is a system call that its own reading partly contains. */
static double
clock_cost_ns(void)
{
	enum { TIMES = 200 };
	uint64_t sum = 0;
	for (int i = 0; i < TIMES; i++) {
		uint64_t begin = bench_clock_ns(CLOCK_THREAD_CPUTIME_ID);
		sum += bench_clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin;
	}
	return (double)sum / TIMES;
}

/* The mean of what nothing interrupted: a host that takes the core away, or an interrupt,
 * is charged to the thread too. Rollovers stay in: they are two or three times a burst. */
static double
mean_of(const double *values, int count)
{
	double limit = 10 * stat_median_of(values, count).median, sum = 0;
	int within = 0;
	for (int i = 0; i < count; i++)
		if (values[i] <= limit) {
			sum += values[i];
			within++;
		}
	return sum / within;
}

static int
publish(struct crew *crew, struct cost_run *run, weir_bus *bus)
{
	weir_pub *pub = weir_advertise(bus, "bench.cost", .wait_ms = WEIR_FOREVER);
	if (weir_pub_why(pub)->code)
		return crew_fail(crew, "advertise: %s", weir_pub_why(pub)->text);
	if (crew_meet(crew, run->subscribers + 1, 1) < 0)
		return -1;
	if (weir_wait_subscribers(pub, run->subscribers, ARRIVE_MS) < run->subscribers)
		return crew_fail(crew, "only %d subscribers came", weir_subscribers(pub));
	if (crew_meet(crew, run->subscribers + 1, 2) < 0)
		return -1;
	for (int i = 0; i < LARGES; i++) {
		bench_spin_until(bench_ticks() + bench_ticks_of(LARGE_GAP_NS));
		if (put(pub, LARGE, 0, 0) < 0)
			return crew_fail(crew, "publishing failed");
	}
	int rounds = run->asleep ? SINGLES : BURSTS, burst = run->asleep ? 1 : BURST;
	uint64_t gap = bench_ticks_of(run->asleep ? SINGLE_GAP_NS : BURST_GAP_NS);
	double cpu[BURSTS], clock = clock_cost_ns();
	for (int round = -WARM; round < rounds; round++) {
		/* The publisher has its core to itself: it spins, as where latency is
		 * measured, or its caches would be somebody else's after each gap. */
		bench_spin_until(bench_ticks() + gap);
		uint64_t begin = bench_clock_ns(CLOCK_THREAD_CPUTIME_ID);
		for (int i = 0; i < burst; i++)
			if (put(pub, SIZE, 0, 0) < 0)
				return crew_fail(crew, "publishing failed");
		if (round >= 0)
			cpu[round] =
				(double)(bench_clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin);
	}
	run->cpu_ns = (mean_of(cpu, rounds) - clock) / burst;
	return put(pub, SIZE, 0, END) < 0 ? crew_fail(crew, "publishing failed") : 0;
}

static int
work(struct crew *crew, int index, void *arg)
{
	struct cost_run *run = arg;
	bench_pin(index > 0);
	if (index > 0 && crew_meet(crew, run->subscribers + 1, 1) < 0)
		return -1;
	weir_bus *bus = weir_open("bench-cost", .dir = run->dir,
		.idle = run->asleep ? WEIR_IDLE_PARK : WEIR_IDLE_YIELD,
		.flags = WEIR_BUS_QUIET | WEIR_BUS_NO_SIGNALS);
	if (weir_why(bus)->code)
		return crew_fail(crew, "open: %s", weir_why(bus)->text);
	int rc = index ? subscribe(crew, index, run, bus) : publish(crew, run, bus);
	if (rc == 0)
		rc = crew_meet(crew, run->subscribers + 1, 3);
	weir_close(bus);
	return rc;
}

int
ours_cost(const char *dir, int subscribers, int asleep, double *cpu_ns, double *slept)
{
	struct crew crew;
	struct cost_run *run = crew_shared(sizeof *run);
	int rc = -1;
	*cpu_ns = *slept = NAN;
	if (run && subscribers < CREW_MAX && crew_init(&crew) == 0) {
		run->dir = dir;
		run->subscribers = subscribers;
		run->asleep = asleep;
		for (int i = 0; i <= subscribers; i++)
			if (crew_spawn(&crew, work, run) < 0)
				break;
		rc = crew_wait(&crew, "publisher's cost", WATCHDOG_S);
	}
	if (rc == 0) {
		*cpu_ns = run->cpu_ns;
		*slept = INFINITY;
		for (int i = 0; i < subscribers; i++)
			*slept = run->slept[i] < *slept ? run->slept[i] : *slept;
	}
	crew_shared_free(run, sizeof *run);
	return rc;
}
