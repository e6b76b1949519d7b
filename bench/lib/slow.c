/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/lib/slow.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/lib/clock.h"
#include "bench/lib/crew.h"

enum { HELLO = 0, WARM = 1, MEASURED = 2, END = 3 };
enum { WATCHDOG_S = 60, READERS_MAX = 16 + SLOW_MAX, BURST = 64, TURNS = 2 };
enum {
	LOOK_NS = 1000000,    /* between two looks of the conductor */
	HELLO_NS = 1000000,   /* between two messages that only ask who is there */
	WARM_NS = 100000000,  /* flat out, before anything is measured */
	QUIET_NS = 20000000,  /* in which nobody reads: everybody has read that */
	SPREAD_NS = 20000000, /* from one's being stopped to the next one's */
	REST_NS = 260000000,  /* that one stays stopped after it was put out */
	GRACE_NS = 700000000, /* in which it should be back */
	TAIL_NS = 50000000,   /* after the last was put out */
	LATE_NS = 10000000,
	NAP_NS = 500000 /* shorter sleeps are saved up */
};

/* The first 16 bytes of every message. */
struct stamp {
	uint64_t seq_phase; /* sequence number, and the phase in the two lowest bits */
	uint64_t ticks;     /* when it was built */
};

/* One reader, in memory that all share. */
struct reader {
	/* writer: the reader */
	_Alignas(128) _Atomic uint64_t next; /* sequence number that is due */
	_Atomic int pid, there, stopped, ended, broken;
	_Atomic uint64_t warm;
	uint64_t measured;
	uint64_t in_time; /* of the measured ones, before the time was over */
	uint64_t missed;
	uint64_t sum; /* keeps the compiler from leaving the reading out */
	struct hist hist;
	/* writer: the publisher, of what it was told */
	_Alignas(128) _Atomic uint64_t out, back;
	_Atomic uint64_t out_at; /* ticks of the last time */
	double cost_ns;
	/* writer: the conductor */
	_Alignas(128) uint64_t behind;
};

struct run {
	const struct gen_bus *bus;
	struct slow_plan plan;
	int readers;
	/* writer: the publisher */
	_Alignas(128) _Atomic uint64_t begin; /* ticks; 0 = not yet */
	_Alignas(128) _Atomic uint64_t sent;  /* measured messages */
	_Atomic uint64_t next;
	uint64_t slow_gap; /* ticks a message, of SLOW_TENTH */
	struct slow_stall stalls[SLOW_STALLS_MAX];
	int stall_count;
	/* writer: the conductor */
	_Alignas(128) _Atomic uint64_t over; /* ticks; 0 = not yet */
	uint64_t sent_in_time;
	struct reader reader[READERS_MAX];
};

#define look(p)   atomic_load_explicit((p), memory_order_relaxed)
#define say(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)

static void
sleep_ns(uint64_t ns)
{
	nanosleep(&(struct timespec){.tv_sec = (time_t)(ns / 1000000000u),
			  .tv_nsec = (long)(ns % 1000000000u)},
		NULL);
}

static uint64_t
since(uint64_t ticks)
{
	return bench_ticks() - ticks;
}

/* ---- readers --------------------------------------------------------------------------- */

/* What a reader knows while it drains. */
struct reading {
	struct run *run;
	struct reader *reader;
	int number;   /* among the slow ones; < 0: healthy */
	int paced;    /* its latencies are wanted */
	int stalls;   /* so far */
	uint64_t due; /* ticks at which a slow one may read on */
};

/* The first one is stopped at the first message, another one some time after. */
static int
must_stall(const struct reading *r)
{
	const struct run *run = r->run;
	if (r->stalls > 0)
		return r->stalls < TURNS && look(&r->reader->back) >= (uint64_t)r->stalls;
	return since(look(&run->begin)) >= bench_ticks_of((double)r->number * SPREAD_NS);
}

static void
be_slow(struct reading *r)
{
	uint64_t now;
	switch (r->run->plan.way) {
	case SLOW_STALLED:
		if (!must_stall(r))
			break;
		r->stalls++;
		say(&r->reader->stopped, 1);
		(void)raise(SIGSTOP);
		say(&r->reader->stopped, 0);
		break;
	case SLOW_LATE:
		sleep_ns(LATE_NS);
		break;
	case SLOW_TENTH:
		/* What it did not use, because there was nothing, is not saved up. */
		now = bench_ticks();
		r->due = (int64_t)(r->due - now) < 0 ? now : r->due;
		r->due += r->run->slow_gap;
		if (bench_ns(r->due - now) > NAP_NS)
			sleep_ns((uint64_t)bench_ns(r->due - now));
		break;
	}
}

static int
read_message(void *ctx, const void *data, size_t len)
{
	struct reading *r = ctx;
	struct reader *reader = r->reader;
	const struct stamp *stamp = data;
	uint64_t seq = stamp->seq_phase >> 2;
	unsigned phase = stamp->seq_phase & 3;
	if (r->paced && phase == MEASURED)
		hist_add(&reader->hist, since(stamp->ticks));
	const volatile uint64_t *words = data;
	uint64_t sum = 0;
	for (size_t at = 0; at + 8 <= len; at += 64)
		sum += words[at / 8];
	reader->sum += sum;
	if (phase == MEASURED)
		reader->missed += seq - look(&reader->next);
	say(&reader->next, seq + 1);
	if (phase == HELLO) {
		say(&reader->there, 1);
	} else if (phase == WARM) {
		say(&reader->warm, look(&reader->warm) + 1);
	} else if (phase == MEASURED) {
		int over = look(&r->run->over) != 0;
		reader->measured++;
		reader->in_time += !over;
		if (r->number >= 0 && !over)
			be_slow(r);
	} else {
		say(&reader->ended, 1);
		return 1;
	}
	return 0;
}

/* Reads to the end. The bus may break with a slow reader, then that was its end. */
static int
read_all(struct run *run, int index, struct gen_side *side)
{
	struct reader *reader = &run->reader[index];
	struct reading mine = {.run = run,
		.reader = reader,
		.number = index - run->plan.healthy,
		.paced = run->plan.gap_ns > 0};
	bench_sleep_sharply();
	while (!look(&reader->ended)) {
		if (run->bus->drain(side, read_message, &mine) >= 0)
			continue;
		if (mine.number < 0)
			return -1;
		say(&reader->broken, 1);
		say(&reader->ended, 1);
	}
	return 0;
}

/* ---- the publisher --------------------------------------------------------------------- */

static int
put(struct run *run, struct gen_side *side, unsigned phase)
{
	size_t size = run->plan.plan.size;
	uint64_t seq = look(&run->next), ticks = bench_ticks();
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

static void
note(struct run *run, const struct gen_verdict *verdict)
{
	uint64_t now = bench_ticks();
	double ms = bench_ns(now - look(&run->begin)) / 1e6;
	int i = 0;
	while (i < run->readers && look(&run->reader[i].pid) != verdict->pid)
		i++;
	if (i == run->readers)
		return;
	struct reader *reader = &run->reader[i];
	if (verdict->back) {
		for (int s = 0; s < run->stall_count; s++)
			if (run->stalls[s].reader == i && isnan(run->stalls[s].back_ms))
				run->stalls[s].back_ms = ms;
		atomic_fetch_add(&reader->back, 1);
		return;
	}
	if (run->stall_count < SLOW_STALLS_MAX) {
		struct slow_stall *stall = &run->stalls[run->stall_count++];
		stall->reader = i;
		stall->at_ms = ms;
		stall->cost_ms = (verdict->cost_ns - reader->cost_ns) / 1e6;
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

static int
all_readers(struct run *run, _Atomic int *flag)
{
	size_t offset = (size_t)((char *)flag - (char *)&run->reader[0]);
	for (int i = 0; i < run->readers; i++)
		if (!look((_Atomic int *)(void *)((char *)&run->reader[i] + offset)))
			return 0;
	return 1;
}

/* The same message again and again, for some buses lose one, until all have seen one. */
static int
put_until(struct run *run, struct gen_side *side, unsigned phase, _Atomic int *flag,
	struct crew *crew)
{
	while (!all_readers(run, flag)) {
		if (atomic_load(&crew->board->failed) || put(run, side, phase) < 0)
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
			if (put(run, side, WARM) < 0)
				return -1;
	double took = (double)since(begin);
	double read = (double)settle(run) / run->readers;
	double gap = took / (read > 1 ? read : 1);
	if (run->plan.gap_ns > 0)
		gap = (double)bench_ticks_of(run->plan.gap_ns);
	run->slow_gap = (uint64_t)(gap * 10);
	return 0;
}

static int
put_measured(struct run *run, struct gen_side *side)
{
	if (put(run, side, MEASURED) < 0)
		return -1;
	say(&run->sent, look(&run->sent) + 1);
	return 0;
}

static int
publish_flat(struct run *run, struct gen_side *side)
{
	while (!look(&run->over)) {
		for (int i = 0; i < BURST && !look(&run->over); i++)
			if (put_measured(run, side) < 0)
				return -1;
		heed(run, side);
	}
	return 0;
}

/* Sleeps between messages, for it shares its core. What is due is caught up with. */
static int
publish_paced(struct run *run, struct gen_side *side)
{
	uint64_t gap = (uint64_t)run->plan.gap_ns;
	uint64_t due = bench_clock_ns(CLOCK_MONOTONIC);
	bench_sleep_sharply();
	while (!look(&run->over)) {
		due += gap;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME,
			&(struct timespec){.tv_sec = (time_t)(due / 1000000000u),
				.tv_nsec = (long)(due % 1000000000u)},
			NULL);
		if (put_measured(run, side) < 0)
			return -1;
		heed(run, side);
	}
	return 0;
}

static int
publish(struct run *run, struct gen_side *side, struct crew *crew)
{
	if (put_until(run, side, HELLO, &run->reader[0].there, crew) < 0 ||
		warm_up(run, side) < 0)
		return -1;
	atomic_store(&run->begin, bench_ticks());
	int rc = run->plan.gap_ns > 0 ? publish_paced(run, side)
				      : publish_flat(run, side);
	heed(run, side);
	return rc < 0 ? rc : put_until(run, side, END, &run->reader[0].ended, crew);
}

/* ---- the conductor --------------------------------------------------------------------- */

static int
is_past(uint64_t ticks, double ns)
{
	return since(ticks) >= bench_ticks_of(ns);
}

/* Whether there is nothing more to be seen of a slow reader. */
static int
is_settled(struct reader *reader)
{
	uint64_t out = look(&reader->out), at = look(&reader->out_at);
	if (out >= TURNS)
		return is_past(at, TAIL_NS);
	return out > 0 && look(&reader->back) < out && is_past(at, GRACE_NS);
}

static int
is_over(struct run *run)
{
	uint64_t begin = look(&run->begin);
	int settled = is_past(begin, run->plan.seconds * 1e9);
	for (int i = run->plan.healthy; i < run->readers; i++)
		settled = settled && is_settled(&run->reader[i]);
	return settled || is_past(begin, run->plan.seconds_max * 1e9);
}

/* Lets go on whom it is time for. */
static void
let_go(struct run *run, struct reader *reader)
{
	uint64_t out = look(&reader->out);
	if (!look(&reader->stopped))
		return;
	if (look(&run->over) ||
		(out > look(&reader->back) && out < TURNS &&
			is_past(look(&reader->out_at), REST_NS)))
		kill(look(&reader->pid), SIGCONT);
}

static int
conduct(struct run *run, struct crew *crew)
{
	bench_sleep_sharply();
	while (!all_readers(run, &run->reader[0].ended)) {
		sleep_ns(LOOK_NS);
		if (atomic_load(&crew->board->failed))
			return -1;
		if (!look(&run->begin))
			continue;
		if (!look(&run->over) && is_over(run)) {
			uint64_t next = look(&run->next);
			for (int i = 0; i < run->readers; i++) {
				uint64_t at = look(&run->reader[i].next);
				run->reader[i].behind = next > at ? next - at : 0;
			}
			run->sent_in_time = look(&run->sent);
			atomic_store(&run->over, bench_ticks());
		}
		for (int i = run->plan.healthy; i < run->readers; i++)
			let_go(run, &run->reader[i]);
	}
	return 0;
}

/* ---- a run ----------------------------------------------------------------------------- */

/* Worker 0 publishes, the last one conducts, the readers are between them. */
static int
work(struct crew *crew, int index, void *arg)
{
	struct run *run = arg;
	const struct gen_bus *bus = run->bus;
	const struct gen_plan *plan = &run->plan.plan;
	int conductor = index > run->readers, all = run->readers + 2;
	char why[256] = "";
	struct gen_side *side = NULL;
	bench_pin(-1);
	/* The publisher's end is there first: some buses want it so. */
	if (index > 0 && crew_meet(crew, all, 1) < 0)
		return -1;
	if (index > 0 && !conductor)
		say(&run->reader[index - 1].pid, getpid());
	if (!conductor) {
		side = bus->open(plan, index ? -1 : 0, index ? 0 : -1, why, sizeof why);
		if (!side)
			return crew_fail(crew, "%s: %s", bus->name, why);
	}
	if (index == 0 && crew_meet(crew, all, 1) < 0)
		return -1;
	if (index == 0 && bus->await && bus->await(side, run->readers) < 0)
		return crew_fail(crew, "%s: the readers did not arrive", bus->name);
	if (crew_meet(crew, all, 2) < 0)
		return -1;
	int rc = conductor   ? conduct(run, crew)
		: index == 0 ? publish(run, side, crew)
			     : read_all(run, index - 1, side);
	if (rc < 0)
		return crew_fail(crew, "%s: %s failed", bus->name,
			index ? "reading" : "publishing");
	if (crew_meet(crew, all, 3) < 0)
		return -1;
	if (side)
		bus->close(side);
	return 0;
}

static void
figures_of(struct run *run, struct slow_result *result)
{
	struct gen_result *figures = &result->figures;
	struct hist *hist = &run->reader[0].hist;
	uint64_t sent = look(&run->sent), delivered = 0, lost = 0;
	double seconds = bench_ns(look(&run->over) - look(&run->begin)) / 1e9;
	*figures = gen_nothing;
	for (int i = 0; i < run->plan.healthy; i++) {
		const struct reader *reader = &run->reader[i];
		delivered += reader->in_time;
		lost += sent - reader->measured;
		if (i > 0)
			hist_merge(hist, &reader->hist);
	}
	result->seconds = seconds;
	result->lost_share = (double)lost / (double)(sent ? sent : 1) / run->plan.healthy;
	figures->msgs_per_s = (double)run->sent_in_time / seconds;
	figures->delivered_per_s = (double)delivered / seconds;
	figures->lost = (double)lost;
	if (run->plan.gap_ns <= 0)
		return;
	figures->p50_ns = hist_quantile(hist, 0.5) * bench_ns_per_tick;
	figures->p99_ns = hist_quantile(hist, 0.99) * bench_ns_per_tick;
	figures->p999_ns = hist_quantile(hist, 0.999) * bench_ns_per_tick;
	figures->max_ns = bench_ns(hist->max);
}

static void
verdicts_of(struct run *run, struct slow_result *result)
{
	result->stall_count = run->stall_count;
	memcpy(result->stalls, run->stalls, sizeof run->stalls);
	for (int i = 0; i < run->readers; i++) {
		const struct reader *reader = &run->reader[i];
		int out = (int)look(&reader->out);
		if (i < run->plan.healthy) {
			result->healthy_out += out > 0;
			continue;
		}
		result->slow_out += out > 0;
		result->ends[i - run->plan.healthy] = (struct slow_end){.out = out,
			.back = (int)look(&reader->back),
			.broken = look(&reader->broken),
			.behind = (double)reader->behind,
			.missed = (double)reader->missed};
	}
}

int
slow_run(const struct gen_bus *bus, struct slow_plan plan, struct slow_result *result)
{
	struct crew crew;
	int rc = -1;
	memset(result, 0, sizeof *result);
	result->figures = gen_nothing;
	plan.plan.subscribers = plan.healthy + plan.slow;
	plan.plan.unpinned = 1;
	if (plan.plan.subscribers > READERS_MAX || plan.slow > SLOW_MAX)
		return -1;
	if (bus->prepare && bus->prepare(&plan.plan) < 0)
		return -1;
	struct run *run = crew_shared(sizeof *run);
	if (run && crew_init(&crew) == 0) {
		run->bus = bus;
		run->plan = plan;
		run->readers = plan.plan.subscribers;
		for (int i = 0; i < run->readers + 2; i++)
			if (crew_spawn(&crew, work, run) < 0)
				break;
		rc = crew_wait(&crew, bus->name, WATCHDOG_S);
	}
	if (rc == 0) {
		figures_of(run, result);
		verdicts_of(run, result);
	}
	crew_shared_free(run, sizeof *run);
	if (bus->discard)
		bus->discard(&plan.plan);
	return rc;
}
