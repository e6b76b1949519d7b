/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/lib/slow.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/lib/clock.h"
#include "bench/lib/crew.h"

enum { HELLO = 0, WARM = 1, MEASURED = 2, END = 3 };
enum { WATCHDOG_S = 60, READERS_MAX = 16 + SLOW_MAX, BURST = 64 };
enum { YIELDS = 16, IDLE_NS = 50000 }; /* of who looks at several readers in turn */
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
	NAP_NS = 500000,    /* shorter sleeps are saved up */
	BLOCKED_NS = 100000 /* a claim and a commit that take longer were held up */
};

/* The first 16 bytes of every message. */
struct stamp {
	uint64_t seq_phase; /* sequence number, and the phase in the two lowest bits */
	uint64_t ticks;     /* when it was built; paced and measured: when it was due */
};

/* One reader, in memory that all share. */
struct reader {
	/* writer: the reader */
	_Alignas(128) _Atomic uint64_t next; /* sequence number that is due */
	_Atomic int pid, there, stopped, ended, broken;
	_Atomic uint64_t warm;
	_Atomic uint64_t measured;
	uint64_t missed;
	uint64_t sum; /* keeps the compiler from leaving the reading out */
	uint64_t told_before, told; /* of its losses, up to the measured ones and in all */
	struct hist hist, after;
	uint64_t line[SLOW_LINE_MS]; /* ticks */
	/* writer: the publisher, of what it was told */
	_Alignas(128) _Atomic uint64_t out, back;
	_Atomic uint64_t out_at; /* ticks of the last time */
	double cost_ns;
	/* writer: the conductor */
	_Alignas(128) uint64_t behind;
	uint64_t counted_from,
		counted; /* of the measured ones, when the time began and ended */
	sem_t goes_on;   /* of one that waits in the kernel */
};

struct run {
	const struct gen_bus *bus;
	struct slow_plan plan;
	int readers;
	/* writer: the publisher */
	_Alignas(128) _Atomic uint64_t begin; /* ticks; 0 = not yet */
	_Atomic uint64_t from; /* when the slow ones become slow; before begin */
	_Alignas(128) _Atomic uint64_t sent; /* measured messages */
	_Atomic uint64_t next;
	uint64_t slow_gap; /* ticks a message, of SLOW_TENTH */
	uint64_t blocked;  /* ticks */
	struct slow_stall stalls[SLOW_STALLS_MAX];
	int stall_count;
	/* writer: the conductor */
	_Alignas(128) _Atomic uint64_t over; /* ticks; 0 = not yet */
	uint64_t counted_at;                 /* ticks; 0 = not yet */
	uint64_t sent_from, sent_in_time;
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
	struct gen_side *side;
	int number;   /* among the slow ones; < 0: healthy */
	int paced;    /* its latencies are wanted */
	int stalls;   /* so far */
	uint64_t due; /* ticks at which a slow one may read on */
};

/* The readers of one process. */
struct host {
	struct run *run;
	struct reading readings[READERS_MAX];
	int count, loops;
};

/* The first one is stopped at the first message, another one some time after. */
static int
must_stall(const struct reading *r)
{
	const struct run *run = r->run;
	if (r->stalls > 0)
		return r->stalls < run->plan.turns &&
			look(&r->reader->back) >= (uint64_t)r->stalls;
	return since(look(&run->from)) >= bench_ticks_of((double)r->number * SPREAD_NS);
}

static void
stop(struct reading *r)
{
	if (r->run->plan.shape != SLOW_PROCESSES) {
		while (sem_wait(&r->reader->goes_on) < 0)
			;
		return;
	}
	say(&r->reader->stopped, 1);
	(void)raise(SIGSTOP);
	say(&r->reader->stopped, 0);
}

static void
be_slow(struct reading *r)
{
	uint64_t now = bench_ticks();
	if ((int64_t)(now - look(&r->run->from)) < 0)
		return;
	switch (r->run->plan.way) {
	case SLOW_STALLED:
		if (must_stall(r)) {
			r->stalls++;
			stop(r);
		}
		break;
	case SLOW_LATE:
		sleep_ns(LATE_NS);
		break;
	case SLOW_TENTH:
		/* What it did not use, because there was nothing, is not saved up. */
		r->due = (int64_t)(r->due - now) < 0 ? now : r->due;
		r->due += r->run->slow_gap;
		if (bench_ns(r->due - now) > NAP_NS)
			sleep_ns((uint64_t)bench_ns(r->due - now));
		break;
	case SLOW_SPIN:
		while (!look(&r->run->over))
			bench_pause();
		break;
	}
}

static void
take_time(struct reading *r, uint64_t due)
{
	const struct run *run = r->run;
	struct reader *reader = r->reader;
	uint64_t late = since(due), from = look(&run->from);
	uint64_t ms = (uint64_t)(bench_ns(due - look(&run->begin)) / 1e6);
	if (ms < SLOW_LINE_MS && late > reader->line[ms])
		reader->line[ms] = late;
	if ((int64_t)(due - from) < 0)
		return;
	hist_add(&reader->hist, late);
	if (bench_ns(due - from) >= SLOW_PAUSE_MS * 1e6)
		hist_add(&reader->after, late);
}

static uint64_t
told(const struct reading *r)
{
	return r->run->bus->told ? r->run->bus->told(r->side) : 0;
}

static void
end(struct reading *r)
{
	r->reader->told = told(r);
	say(&r->reader->ended, 1);
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
		take_time(r, stamp->ticks);
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
		if (r->number >= 0)
			reader->told_before = told(r);
	} else if (phase == MEASURED) {
		say(&reader->measured, look(&reader->measured) + 1);
		if (r->number >= 0 && !look(&r->run->over))
			be_slow(r);
	} else {
		if (!look(&reader->ended))
			end(r);
		return 1;
	}
	return 0;
}

/* The bus may break with a slow reader, then that was its end. 0, or -1: with a healthy one. */
static int
broke(struct reading *r)
{
	if (r->number < 0)
		return -1;
	say(&r->reader->broken, 1);
	end(r);
	return 0;
}

static int
read_alone(struct reading *r)
{
	bench_sleep_sharply();
	while (!look(&r->reader->ended))
		if (r->run->bus->drain(r->side, read_message, r) < 0 && broke(r) < 0)
			return -1;
	return 0;
}

/* Lets the bus call all of them. */
static int
read_served(struct host *host)
{
	const struct gen_bus *bus = host->run->bus;
	int left = 1;
	for (int i = 0; i < host->count; i++)
		bus->serve(host->readings[i].side, read_message, &host->readings[i]);
	while (left) {
		if (bus->drain(host->readings[0].side, NULL, NULL) < 0)
			return -1;
		left = 0;
		for (int i = 0; i < host->count; i++)
			left += !look(&host->readings[i].reader->ended);
	}
	return 0;
}

/* One loop: looks at its readers in turn, and calls whoever has something. */
struct loop {
	struct host *host;
	pthread_t thread;
	int index, rc;
};

static int
read_round(const struct loop *loop, int *left)
{
	struct host *host = loop->host;
	int got = 0;
	*left = 0;
	for (int i = loop->index; i < host->count; i += host->loops) {
		struct reading *r = &host->readings[i];
		if (look(&r->reader->ended))
			continue;
		++*left;
		int count = host->run->bus->drain_now(r->side, read_message, r);
		if (count < 0 && broke(r) < 0)
			return -1;
		got += count > 0 ? count : 0;
	}
	return got;
}

static void *
read_in_turn(void *arg)
{
	struct loop *loop = arg;
	int left = 1, idle = 0;
	bench_sleep_sharply();
	while (left) {
		int got = read_round(loop, &left);
		if (got < 0) {
			loop->rc = -1;
			return NULL;
		}
		idle = got ? 0 : idle + 1;
		if (idle > YIELDS)
			sleep_ns(IDLE_NS);
		else if (idle)
			sched_yield();
	}
	return NULL;
}

static int
read_together(struct host *host)
{
	struct loop loops[SLOW_LOOPS];
	int rc = 0, started = 1;
	if (host->run->bus->serve)
		return read_served(host);
	for (int i = 0; i < host->loops; i++)
		loops[i] = (struct loop){.host = host, .index = i};
	while (started < host->loops &&
		pthread_create(&loops[started].thread, NULL, read_in_turn,
			&loops[started]) == 0)
		started++;
	if (started < host->loops)
		return -1;
	read_in_turn(&loops[0]);
	for (int i = 0; i < host->loops; i++) {
		if (i > 0)
			pthread_join(loops[i].thread, NULL);
		rc = loops[i].rc < 0 ? -1 : rc;
	}
	return rc;
}

/* ---- the publisher --------------------------------------------------------------------- */

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

static void
note(struct run *run, const struct gen_verdict *verdict)
{
	uint64_t now = bench_ticks();
	double ms = bench_ns(now - look(&run->begin)) / 1e6;
	/* Of several in one process it is not said which it was; that the healthy lose
	 * nothing is counted. */
	int i = run->plan.shape != SLOW_PROCESSES && run->plan.slow ? run->plan.healthy
								    : 0;
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

static int
publish(struct run *run, struct gen_side *side, struct crew *crew)
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

/* ---- the conductor --------------------------------------------------------------------- */

static int
is_past(uint64_t ticks, double ns)
{
	return (int64_t)(since(ticks) - bench_ticks_of(ns)) >= 0;
}

/* Whether there is nothing more to be seen of a slow reader. */
static int
is_settled(const struct run *run, struct reader *reader)
{
	uint64_t out = look(&reader->out), at = look(&reader->out_at);
	if (out >= (uint64_t)run->plan.turns)
		return is_past(at, TAIL_NS);
	return out > 0 && look(&reader->back) < out && is_past(at, GRACE_NS);
}

static int
is_over(struct run *run)
{
	uint64_t from = look(&run->from);
	int settled = is_past(from, run->plan.seconds * 1e9);
	for (int i = run->plan.healthy; i < run->readers; i++)
		settled = settled && is_settled(run, &run->reader[i]);
	return settled || is_past(from, run->plan.seconds_max * 1e9);
}

/* Lets go on whom it is time for. */
static void
let_go(struct run *run, struct reader *reader)
{
	uint64_t out = look(&reader->out);
	if (!look(&reader->stopped))
		return;
	if (look(&run->over) ||
		(out > look(&reader->back) && out < (uint64_t)run->plan.turns &&
			is_past(look(&reader->out_at), REST_NS)))
		kill(look(&reader->pid), SIGCONT);
}

static void
begin_to_count(struct run *run)
{
	run->sent_from = look(&run->sent);
	for (int i = 0; i < run->readers; i++)
		run->reader[i].counted_from = look(&run->reader[i].measured);
	run->counted_at = bench_ticks();
}

static void
end_the_time(struct run *run)
{
	uint64_t next = look(&run->next);
	for (int i = 0; i < run->readers; i++) {
		struct reader *reader = &run->reader[i];
		uint64_t at = look(&reader->next);
		reader->behind = next > at ? next - at : 0;
		reader->counted = look(&reader->measured) - reader->counted_from;
	}
	run->sent_in_time = look(&run->sent) - run->sent_from;
	atomic_store(&run->over, bench_ticks());
	for (int i = run->plan.healthy; i < run->readers; i++)
		sem_post(&run->reader[i].goes_on);
}

static int
conduct(struct run *run, struct crew *crew)
{
	bench_sleep_sharply();
	while (!all_readers(run, &run->reader[0].ended)) {
		sleep_ns(LOOK_NS);
		if (atomic_load(&crew->board->failed))
			return -1;
		if (!atomic_load(&run->begin))
			continue;
		if (!run->counted_at && is_past(look(&run->from), 0))
			begin_to_count(run);
		if (!look(&run->over) && is_over(run))
			end_the_time(run);
		for (int i = run->plan.healthy; i < run->readers; i++)
			let_go(run, &run->reader[i]);
	}
	return 0;
}

/* Takes a core's time as a slow one that spins does, and has nothing to do with the bus. */
static int
be_a_hog(struct run *run, struct crew *crew)
{
	bench_sleep_sharply();
	while (!look(&run->over)) {
		if (atomic_load(&crew->board->failed))
			return -1;
		if (atomic_load(&run->begin) && is_past(look(&run->from), 0))
			bench_pause();
		else
			sleep_ns(LOOK_NS);
	}
	return 0;
}

/* ---- a run ----------------------------------------------------------------------------- */

static int
hosts_of(const struct run *run)
{
	return run->plan.shape == SLOW_PROCESSES ? run->readers : 1;
}

static int
workers_of(const struct run *run)
{
	return 1 + hosts_of(run) + run->plan.hogs + 1;
}

/* The readers of this process, from `first` on. 0 or -1. */
static int
open_host(struct host *host, int first, char *why, size_t size)
{
	struct run *run = host->run;
	struct gen_plan plan = run->plan.plan;
	host->count = run->plan.shape == SLOW_PROCESSES ? 1 : run->readers;
	host->loops = run->plan.shape == SLOW_SEVERAL ? SLOW_LOOPS : 1;
	plan.together = host->count;
	plan.loops = host->loops;
	for (int i = 0; i < host->count; i++) {
		struct reading *r = &host->readings[i];
		r->run = run;
		r->reader = &run->reader[first + i];
		r->number = first + i - run->plan.healthy;
		r->paced = run->plan.gap_ns > 0;
		say(&r->reader->pid, getpid());
		r->side = run->bus->open(&plan, -1, 0, why, size);
		if (!r->side)
			return -1;
	}
	return 0;
}

static int
work_publish(struct crew *crew, struct run *run, int all)
{
	const struct gen_bus *bus = run->bus;
	char why[256] = "";
	struct gen_side *side = bus->open(&run->plan.plan, 0, -1, why, sizeof why);
	if (!side)
		return crew_fail(crew, "%s: %s", bus->name, why);
	/* The publisher's end is there first: some buses want it so. */
	if (crew_meet(crew, all, 1) < 0)
		return -1;
	if (bus->await && bus->await(side, run->readers) < 0)
		return crew_fail(crew, "%s: the readers did not arrive", bus->name);
	if (crew_meet(crew, all, 2) < 0)
		return -1;
	if (publish(run, side, crew) < 0)
		return crew_fail(crew, "%s: publishing failed", bus->name);
	if (crew_meet(crew, all, 3) < 0)
		return -1;
	bus->close(side);
	return 0;
}

static int
work_read(struct crew *crew, struct run *run, int all, int first)
{
	static struct host host; /* of this process */
	const struct gen_bus *bus = run->bus;
	char why[256] = "";
	host.run = run;
	if (crew_meet(crew, all, 1) < 0)
		return -1;
	if (open_host(&host, first, why, sizeof why) < 0)
		return crew_fail(crew, "%s: %s", bus->name, why);
	if (crew_meet(crew, all, 2) < 0)
		return -1;
	if ((host.count == 1 ? read_alone(&host.readings[0]) : read_together(&host)) < 0)
		return crew_fail(crew, "%s: reading failed", bus->name);
	if (crew_meet(crew, all, 3) < 0)
		return -1;
	for (int i = host.count - 1; i >= 0; i--)
		bus->close(host.readings[i].side);
	return 0;
}

/* Worker 0 publishes, then come the readers, then the hogs, and the last one conducts. */
static int
work(struct crew *crew, int index, void *arg)
{
	struct run *run = arg;
	int hosts = hosts_of(run), all = workers_of(run);
	bench_pin(-1);
	if (index == 0)
		return work_publish(crew, run, all);
	if (index <= hosts)
		return work_read(crew, run, all, index - 1);
	if (crew_meet(crew, all, 1) < 0 || crew_meet(crew, all, 2) < 0 ||
		(index < all - 1 ? be_a_hog : conduct)(run, crew) < 0)
		return -1;
	return crew_meet(crew, all, 3);
}

static void
latency_of(const struct hist *hist, struct slow_latency *latency)
{
	*latency = (struct slow_latency){NAN, NAN, NAN, NAN};
	if (hist->count == 0)
		return;
	latency->p50_ns = hist_quantile(hist, 0.5) * bench_ns_per_tick;
	latency->p99_ns = hist_quantile(hist, 0.99) * bench_ns_per_tick;
	latency->p999_ns = hist_quantile(hist, 0.999) * bench_ns_per_tick;
	latency->max_ns = bench_ns(hist->max);
}

static void
latencies_of(struct run *run, struct slow_result *result)
{
	struct gen_result *figures = &result->figures;
	struct reader *first = &run->reader[0];
	struct slow_latency all;
	result->after = (struct slow_latency){NAN, NAN, NAN, NAN};
	if (run->plan.gap_ns <= 0)
		return;
	for (int i = 1; i < run->plan.healthy; i++) {
		hist_merge(&first->hist, &run->reader[i].hist);
		hist_merge(&first->after, &run->reader[i].after);
	}
	latency_of(&first->after, &result->after);
	latency_of(&first->hist, &all);
	figures->p50_ns = all.p50_ns;
	figures->p99_ns = all.p99_ns;
	figures->p999_ns = all.p999_ns;
	figures->max_ns = all.max_ns;
}

static void
line_of(const struct run *run, struct slow_line *line)
{
	memset(line, 0, sizeof *line);
	line->slow_from_ms = bench_ns(look(&run->from) - look(&run->begin)) / 1e6;
	for (int ms = 0; ms < SLOW_LINE_MS; ms++)
		for (int i = 0; i < run->plan.healthy; i++)
			line->worst_ns[ms] = fmax(
				line->worst_ns[ms], bench_ns(run->reader[i].line[ms]));
}

static void
figures_of(struct run *run, struct slow_result *result)
{
	struct gen_result *figures = &result->figures;
	uint64_t sent = look(&run->sent), delivered = 0, lost = 0;
	double seconds = bench_ns(look(&run->over) - run->counted_at) / 1e9;
	for (int i = 0; i < run->readers; i++) {
		const struct reader *reader = &run->reader[i];
		uint64_t without = sent - look(&reader->measured);
		if (i < run->plan.healthy) {
			delivered += reader->counted;
			lost += without;
			continue;
		}
		result->slow_lost += (double)without;
		/* What ends the run may be lost too, and is not measured. */
		result->slow_told += fmin(
			(double)(reader->told - reader->told_before), (double)without);
	}
	result->seconds = seconds;
	result->lost_share = (double)lost / (double)(sent ? sent : 1) / run->plan.healthy;
	result->blocked = bench_ns(run->blocked) / 1e9 / seconds;
	*figures = gen_nothing;
	figures->msgs_per_s = (double)run->sent_in_time / seconds;
	figures->delivered_per_s = (double)delivered / seconds;
	figures->lost = (double)lost;
	latencies_of(run, result);
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
	result->after = (struct slow_latency){NAN, NAN, NAN, NAN};
	plan.plan.subscribers = plan.healthy + plan.slow;
	plan.plan.unpinned = 1;
	if (plan.plan.subscribers > READERS_MAX || plan.slow > SLOW_MAX)
		return -1;
	if (plan.shape != SLOW_PROCESSES && !bus->drain_now && !bus->serve)
		return -1;
	if (bus->prepare && bus->prepare(&plan.plan) < 0)
		return -1;
	struct run *run = crew_shared(sizeof *run);
	if (run && crew_init(&crew) == 0) {
		run->bus = bus;
		run->plan = plan;
		run->readers = plan.plan.subscribers;
		for (int i = 0; i < run->readers; i++)
			(void)sem_init(&run->reader[i].goes_on, 1, 0);
		for (int i = 0; i < workers_of(run); i++)
			if (crew_spawn(&crew, work, run) < 0)
				break;
		rc = crew_wait(&crew, bus->name, WATCHDOG_S);
	}
	if (rc == 0) {
		figures_of(run, result);
		verdicts_of(run, result);
		if (plan.line)
			line_of(run, plan.line);
	}
	crew_shared_free(run, sizeof *run);
	if (bus->discard)
		bus->discard(&plan.plan);
	return rc;
}
