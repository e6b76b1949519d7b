/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The readers of a process: each alone, or several that are called in turn. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "bench/lib/slow_run.h"

enum { YIELDS = 16, IDLE_NS = 50000 }; /* of who looks at several readers in turn */
enum {
	SPREAD_NS = 20000000, /* from one's being stopped to the next one's */
	LATE_NS = 10000000,
	NAP_NS = 500000 /* shorter sleeps are saved up */
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

int
slow_open_host(struct host *host, struct run *run, int first, char *why, size_t size)
{
	struct gen_plan plan = run->plan.plan;
	host->run = run;
	host->count = run->plan.shape == SLOW_PROCESSES ? 1 : run->readers;
	host->loops = run->plan.shape == SLOW_SEVERAL ? SLOW_LOOPS : 1;
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
		/* Before anything is published: its own threads may call at once. */
		if (host->count > 1 && run->bus->serve)
			run->bus->serve(r->side, read_message, r);
	}
	return 0;
}

int
slow_read(struct host *host)
{
	return host->count == 1 ? read_alone(&host->readings[0]) : read_together(host);
}
