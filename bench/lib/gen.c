/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/lib/gen.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/lib/clock.h"
#include "bench/lib/crew.h"

enum { WARM = 0, MEASURED = 1, END = 2 };
enum { WATCHDOG_S = 20, BURST = 64 };

/* The first 16 bytes of every message. */
struct stamp {
	uint64_t seq_phase; /* sequence number, and the phase in the two lowest bits */
	uint64_t ticks;     /* when it was built; 0 where nobody asks */
};

struct reading {
	uint64_t next; /* sequence number that is due */
	uint64_t lost;
	uint64_t measured;   /* messages of the measured phase */
	uint64_t begin, end; /* ticks of its first message and of the end mark */
	uint64_t sum;        /* keeps the compiler from leaving the reading out */
	uint64_t ended;
	struct hist *hist; /* of latencies, NULL = not wanted */
};

/* How long, how fast, how often. */
struct pace {
	double seconds;
	double gap_ns;
	int count;
};

/* Shared between the workers of a run and the parent. */
struct run {
	const struct gen_bus *bus;
	struct gen_plan plan;
	struct pace pace;
	uint64_t sent;
	uint64_t begin, end;
	struct reading readings[CREW_MAX];
	struct hist hist;    /* writer: worker 0 in a ping-pong */
	struct hist hists[]; /* writer: each subscriber */
};

const struct gen_result gen_nothing = {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};

const char *
gen_wait_name(enum gen_wait wait)
{
	static const char *const names[] = {"spin", "yield", "park", "adaptive"};
	return names[wait];
}

static inline void
build(void *data, size_t len, uint64_t seq, unsigned phase, uint64_t ticks)
{
	struct stamp *stamp = data;
	stamp->seq_phase = seq << 2 | phase;
	stamp->ticks = ticks;
	memset(stamp + 1, (int)seq, len - sizeof *stamp);
}

static int
read_message(void *ctx, const void *data, size_t len)
{
	struct reading *r = ctx;
	const struct stamp *stamp = data;
	uint64_t seq = stamp->seq_phase >> 2;
	unsigned phase = stamp->seq_phase & 3;
	if (r->hist && phase == MEASURED)
		hist_add(r->hist, bench_ticks() - stamp->ticks);
	const volatile uint64_t *words = data;
	uint64_t sum = 0;
	for (size_t at = 0; at + 8 <= len; at += 64)
		sum += words[at / 8];
	r->sum += sum;
	r->lost += seq - r->next;
	r->next = seq + 1;
	if (phase == MEASURED) {
		if (r->measured++ == 0)
			r->begin = bench_ticks();
	} else if (phase == END) {
		r->end = bench_ticks();
		r->ended = 1;
		return 1;
	}
	return 0;
}

static int
put(const struct gen_bus *bus, struct gen_side *side, size_t size, uint64_t seq,
	unsigned phase, int timed)
{
	uint64_t ticks = timed ? bench_ticks() : 0;
	void *data = bus->claim(side);
	if (!data)
		return -1;
	build(data, size, seq, phase, ticks);
	return bus->commit(side);
}

/* Publisher: a warm-up that laps the bus's memory, then the measured time, then an end
 * mark. */
static int
publish_flat(struct run *run, struct gen_side *side)
{
	const struct gen_bus *bus = run->bus;
	size_t size = run->plan.size;
	uint64_t seq = 0;
	uint64_t due = bench_ticks() + bench_ticks_of(run->pace.seconds * 0.25e9);
	while ((int64_t)(bench_ticks() - due) < 0)
		for (int i = 0; i < BURST; i++)
			if (put(bus, side, size, seq++, WARM, 0) < 0)
				return -1;
	run->begin = bench_ticks();
	due = run->begin + bench_ticks_of(run->pace.seconds * 1e9);
	uint64_t first = seq;
	while ((int64_t)(bench_ticks() - due) < 0)
		for (int i = 0; i < BURST; i++)
			if (put(bus, side, size, seq++, MEASURED, 0) < 0)
				return -1;
	run->end = bench_ticks();
	run->sent = seq - first;
	return put(bus, side, size, seq, END, 0);
}

static int
publish_paced(struct run *run, struct gen_side *side)
{
	const struct gen_bus *bus = run->bus;
	size_t size = run->plan.size;
	int warm = run->pace.count / 10 + 1;
	uint64_t gap = bench_ticks_of(run->pace.gap_ns);
	uint64_t due = bench_ticks() + gap;
	uint64_t due_ns = bench_clock_ns(CLOCK_MONOTONIC) + (uint64_t)run->pace.gap_ns;
	uint64_t seq = 0;
	bench_sleep_sharply();
	for (int i = 0; i < warm + run->pace.count + 1; i++) {
		/* Pinned, the publisher has a core to itself and spins, as the limit does;
		 * unpinned it would take a core from the readers, so it sleeps. */
		if (run->plan.unpinned) {
			struct timespec at = {.tv_sec = (time_t)(due_ns / 1000000000u),
				.tv_nsec = (long)(due_ns % 1000000000u)};
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
			due_ns += (uint64_t)run->pace.gap_ns;
		} else {
			bench_spin_until(due);
			due = bench_ticks() + gap;
		}
		unsigned phase = i < warm            ? WARM
			: i < warm + run->pace.count ? MEASURED
						     : END;
		if (i == warm)
			run->begin = bench_ticks();
		if (put(bus, side, size, seq++, phase, 1) < 0)
			return -1;
	}
	run->end = bench_ticks();
	run->sent = (uint64_t)run->pace.count;
	return 0;
}

static int
work_of(struct crew *crew, int index, struct run *run,
	int (*publish)(struct run *, struct gen_side *))
{
	const struct gen_bus *bus = run->bus;
	int all = run->plan.subscribers + 1;
	char why[256] = "";
	bench_pin(run->plan.unpinned ? -1 : index > 0);
	/* The publisher's end is there first: some buses want it so. */
	if (index > 0 && crew_meet(crew, all, 1) < 0)
		return -1;
	struct gen_side *side =
		bus->open(&run->plan, index ? -1 : 0, index ? 0 : -1, why, sizeof why);
	if (!side)
		return crew_fail(crew, "%s: %s", bus->name, why);
	if (index == 0 && crew_meet(crew, all, 1) < 0)
		return -1;
	if (index == 0 && bus->await && bus->await(side, run->plan.subscribers) < 0)
		return crew_fail(crew, "%s: the readers did not arrive", bus->name);
	if (crew_meet(crew, all, 2) < 0)
		return -1;
	if (index == 0) {
		if (publish(run, side) < 0 || (bus->flush && bus->flush(side) < 0))
			return crew_fail(crew, "%s: publishing failed", bus->name);
	} else {
		struct reading *reading = &run->readings[index - 1];
		struct reading mine = {.hist = reading->hist};
		while (!mine.ended)
			if (bus->drain(side, read_message, &mine) < 0)
				return crew_fail(crew, "%s: reading failed", bus->name);
		*reading = mine;
	}
	if (crew_meet(crew, all, 3) < 0)
		return -1;
	bus->close(side);
	return 0;
}

static int
work_flat(struct crew *crew, int index, void *arg)
{
	return work_of(crew, index, arg, publish_flat);
}

static int
work_paced(struct crew *crew, int index, void *arg)
{
	return work_of(crew, index, arg, publish_paced);
}

/* Worker 0 sends and waits for the echo of worker 1. */
static int
work_pingpong(struct crew *crew, int index, void *arg)
{
	struct run *run = arg;
	const struct gen_bus *bus = run->bus;
	size_t size = run->plan.size;
	char why[256] = "";
	bench_pin(index);
	struct gen_side *side = bus->open(&run->plan, index, !index, why, sizeof why);
	if (!side)
		return crew_fail(crew, "%s: %s", bus->name, why);
	if (crew_meet(crew, 2, 1) < 0)
		return -1;
	if (bus->await && bus->await(side, 1) < 0)
		return crew_fail(crew, "%s: the reader did not arrive", bus->name);
	if (crew_meet(crew, 2, 2) < 0)
		return -1;
	int warm = run->pace.count / 10 + 1;
	struct reading mine = {0};
	for (uint64_t seq = 0; seq < (uint64_t)(warm + run->pace.count); seq++) {
		uint64_t begin = bench_ticks();
		if (index == 0 && put(bus, side, size, seq, WARM, 0) < 0)
			return crew_fail(crew, "%s: publishing failed", bus->name);
		while (mine.next <= seq)
			if (bus->drain(side, read_message, &mine) < 0)
				return crew_fail(crew, "%s: reading failed", bus->name);
		if (index == 1 && put(bus, side, size, seq, WARM, 0) < 0)
			return crew_fail(crew, "%s: publishing failed", bus->name);
		if (index == 0 && seq >= (uint64_t)warm)
			hist_add(&run->hist, bench_ticks() - begin);
	}
	run->readings[index] = mine;
	if (crew_meet(crew, 2, 3) < 0)
		return -1;
	bus->close(side);
	return 0;
}

static void
latencies(const struct hist *hist, double share, struct gen_result *result)
{
	result->p50_ns = hist_quantile(hist, 0.5) * bench_ns_per_tick * share;
	result->p99_ns = hist_quantile(hist, 0.99) * bench_ns_per_tick * share;
	result->p999_ns = hist_quantile(hist, 0.999) * bench_ns_per_tick * share;
	result->max_ns = (double)hist->max * bench_ns_per_tick * share;
}

static void
rates(const struct run *run, struct gen_result *result)
{
	uint64_t begin = UINT64_MAX, end = 0, delivered = 0;
	result->lost = 0;
	for (int i = 0; i < run->plan.subscribers; i++) {
		const struct reading *r = &run->readings[i];
		begin = r->begin < begin ? r->begin : begin;
		end = r->end > end ? r->end : end;
		delivered += r->measured;
		result->lost += (double)r->lost;
	}
	result->msgs_per_s = (double)run->sent / bench_ns(run->end - run->begin) * 1e9;
	result->delivered_per_s = (double)delivered / bench_ns(end - begin) * 1e9;
}

enum work { FLAT, PACED, PINGPONG };

static int
run_work(const struct gen_bus *bus, struct gen_plan plan, enum work work,
	struct pace pace, struct gen_result *result)
{
	static const crew_fn fns[] = {work_flat, work_paced, work_pingpong};
	int hists = work == PACED ? plan.subscribers : 0;
	size_t size = sizeof(struct run) + (size_t)hists * sizeof(struct hist);
	*result = gen_nothing;
	if (bus->prepare && bus->prepare(&plan) < 0)
		return -1;
	struct run *run = crew_shared(size);
	struct crew crew;
	int rc = -1;
	if (run && crew_init(&crew) == 0) {
		run->bus = bus;
		run->plan = plan;
		run->pace = pace;
		for (int i = 0; i < hists; i++)
			run->readings[i].hist = &run->hists[i];
		for (int i = 0; i <= plan.subscribers; i++)
			if (crew_spawn(&crew, fns[work], run) < 0)
				break;
		rc = crew_wait(&crew, bus->name, WATCHDOG_S);
	}
	if (rc == 0 && work != PINGPONG)
		rates(run, result);
	if (rc == 0 && work == PINGPONG)
		latencies(&run->hist, 0.5, result);
	if (rc == 0 && work == PACED) {
		for (int i = 1; i < hists; i++)
			hist_merge(&run->hists[0], &run->hists[i]);
		latencies(&run->hists[0], 1, result);
	}
	crew_shared_free(run, size);
	if (bus->discard)
		bus->discard(&plan);
	return rc;
}

int
gen_flat(const struct gen_bus *bus, struct gen_plan plan, double seconds,
	struct gen_result *result)
{
	return run_work(bus, plan, FLAT, (struct pace){.seconds = seconds}, result);
}

int
gen_pingpong(const struct gen_bus *bus, struct gen_plan plan, int count,
	struct gen_result *result)
{
	return run_work(bus, plan, PINGPONG, (struct pace){.count = count}, result);
}

int
gen_paced(const struct gen_bus *bus, struct gen_plan plan, double gap_ns, int count,
	struct gen_result *result)
{
	return run_work(bus, plan, PACED,
		(struct pace){.gap_ns = gap_ns, .count = count}, result);
}
