/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The publisher of a run, and what it is told about slow readers. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench/lib/slow_run.h"

enum { BURST = 64 };
enum {
	HELLO_NS = 1000000,  /* between two messages that only ask who is there */
	WARM_NS = 100000000, /* flat out, before anything is measured */
	QUIET_NS = 20000000, /* in which nobody reads: everybody has read that */
	BLOCKED_NS = 100000  /* a claim and a commit that take longer were held up */
};

static int
put(struct run *run, struct gen_side *side, unsigned phase, uint64_t ticks)
{
	size_t size = run->plan.plan.size;
	uint64_t seq = look(&run->next);
	struct stamp *stamp = run->bus->claim(side);
	if (!stamp)
		return -1;
	stamp->seq_phase = seq << 2 | phase;
	stamp->ticks = ticks;
	memset(stamp + 1, (int)seq, size - sizeof *stamp);
	if (run->bus->commit(side) < 0)
		return -1;
	say(&run->next, seq + 1);
	return 0;
}

/* The reader that is meant. Of several in one process it is not said which it was, so it
 * counts as the slow one; that the healthy lose nothing is counted. */
static int
reader_of(const struct run *run, const struct gen_verdict *verdict)
{
	int i = run->plan.shape != SLOW_PROCESSES && run->plan.slow ? run->plan.healthy
								    : 0;
	while (i < run->readers && look(&run->reader[i].pid) != verdict->pid)
		i++;
	return i;
}

static void
note_back(struct run *run, int reader, double ms)
{
	for (int s = 0; s < run->stall_count; s++) {
		struct slow_stall *stall = &run->stalls[s];
		if (stall->reader != reader || !isnan(stall->back_ms))
			continue;
		stall->back_ms = ms;
		return;
	}
}

static void
note(struct run *run, const struct gen_verdict *verdict)
{
	uint64_t now = bench_ticks();
	double ms = bench_ns(now - look(&run->begin)) / 1e6;
	int i = reader_of(run, verdict);
	int named = run->plan.shape == SLOW_PROCESSES ? i : -1;
	if (i == run->readers)
		return;
	struct reader *reader = &run->reader[i];
	if (verdict->back) {
		note_back(run, named, ms);
		atomic_fetch_add(&reader->back, 1);
		return;
	}
	if (run->stall_count < SLOW_STALLS_MAX) {
		struct slow_stall *stall = &run->stalls[run->stall_count++];
		stall->reader = named;
		stall->at_ms = ms;
		/* One that has cost less is another one of the process. */
		stall->cost_ms =
			(verdict->cost_ns - fmin(reader->cost_ns, verdict->cost_ns)) / 1e6;
		stall->back_ms = NAN;
		snprintf(stall->why, sizeof stall->why, "%s", verdict->why);
	}
	reader->cost_ns = verdict->cost_ns;
	say(&reader->out_at, now);
	atomic_fetch_add(&reader->out, 1);
}

static void
heed(struct run *run, struct gen_side *side)
{
	struct gen_verdict verdict;
	while (run->bus->heed && run->bus->heed(side, &verdict) == 1)
		note(run, &verdict);
}

/* The same message again and again, for some buses lose one, until all have seen one. */
static int
put_until(struct run *run, struct gen_side *side, unsigned phase, _Atomic int *flag,
	struct crew *crew)
{
	while (!all_readers(run, flag)) {
		if (atomic_load(&crew->board->failed) ||
			put(run, side, phase, bench_ticks()) < 0)
			return -1;
		if (run->bus->flush && run->bus->flush(side) < 0)
			return -1;
		heed(run, side);
		sleep_ns(HELLO_NS);
	}
	return 0;
}

/* Waits until the readers have what the bus has kept for them, however much it keeps. */
static uint64_t
settle(struct run *run)
{
	uint64_t before, read = 0;
	do {
		before = read;
		sleep_ns(QUIET_NS);
		read = 0;
		for (int i = 0; i < run->readers; i++)
			read += look(&run->reader[i].warm);
	} while (read != before);
	return read;
}

/* Laps the memory of the bus, and finds out what the healthy ones can read. */
static int
warm_up(struct run *run, struct gen_side *side)
{
	uint64_t begin = bench_ticks();
	while (since(begin) < bench_ticks_of(WARM_NS))
		for (int i = 0; i < BURST; i++)
			if (put(run, side, WARM, bench_ticks()) < 0)
				return -1;
	double took = (double)since(begin);
	double read = (double)settle(run) / run->readers;
	double gap = took / (read > 1 ? read : 1);
	if (run->plan.gap_ns > 0)
		gap = (double)bench_ticks_of(run->plan.gap_ns);
	run->slow_gap = (uint64_t)(gap * 10);
	return 0;
}

/* Counts the part of a call that took too long which lies in the measured time. */
static void
note_blocked(struct run *run, uint64_t began, uint64_t ended)
{
	uint64_t from = look(&run->from), over = look(&run->over);
	if (ended - began < bench_ticks_of(BLOCKED_NS))
		return;
	if ((int64_t)(from - began) > 0)
		began = from;
	if (over && (int64_t)(ended - over) > 0)
		ended = over;
	if ((int64_t)(ended - began) > 0)
		run->blocked += ended - began;
}

static int
put_measured(struct run *run, struct gen_side *side, uint64_t began, uint64_t stamp)
{
	if (put(run, side, MEASURED, stamp) < 0)
		return -1;
	say(&run->sent, look(&run->sent) + 1);
	note_blocked(run, began, bench_ticks());
	return 0;
}

static int
publish_flat(struct run *run, struct gen_side *side)
{
	while (!look(&run->over)) {
		for (int i = 0; i < BURST && !look(&run->over); i++) {
			uint64_t now = bench_ticks();
			if (put_measured(run, side, now, now) < 0)
				return -1;
		}
		heed(run, side);
	}
	return 0;
}

/* Sleeps between messages, for it shares its core. What is due is caught up with, also what
 * was due before the time was over. */
static int
publish_paced(struct run *run, struct gen_side *side)
{
	uint64_t begin = look(&run->begin);
	bench_sleep_sharply();
	for (double i = 1;; i++) {
		uint64_t due = begin + bench_ticks_of(i * run->plan.gap_ns);
		uint64_t now = bench_ticks(), over = look(&run->over);
		if (over && (int64_t)(due - over) > 0)
			return 0;
		if ((int64_t)(due - now) > 0) {
			sleep_ns((uint64_t)bench_ns(due - now));
			now = bench_ticks();
		}
		if (put_measured(run, side, now, due) < 0)
			return -1;
		heed(run, side);
	}
}

int
slow_publish(struct run *run, struct gen_side *side, struct crew *crew)
{
	if (put_until(run, side, HELLO, &run->reader[0].there, crew) < 0 ||
		warm_up(run, side) < 0)
		return -1;
	uint64_t begin = bench_ticks();
	say(&run->from, begin + bench_ticks_of(run->plan.before_s * 1e9));
	atomic_store(&run->begin, begin);
	int rc = run->plan.gap_ns > 0 ? publish_paced(run, side)
				      : publish_flat(run, side);
	heed(run, side);
	return rc < 0 ? rc : put_until(run, side, END, &run->reader[0].ended, crew);
}
