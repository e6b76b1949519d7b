/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A run of slow.h from within: what its processes share, and the three parts that they play.
 * The publisher (slow_publish.c) asks until everybody has read something, laps the memory of
 * the bus, publishes what is measured, and then the end mark until everybody has that. The
 * readers (slow_read.c) count, and one of them is slow. The conductor (slow.c) says when the
 * time begins and ends, and lets go on who was stopped.
 */
#ifndef BENCH_LIB_SLOW_RUN_H
#define BENCH_LIB_SLOW_RUN_H

#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "bench/lib/clock.h"
#include "bench/lib/crew.h"
#include "bench/lib/hist.h"
#include "bench/lib/slow.h"

enum { HELLO = 0, WARM = 1, MEASURED = 2, END = 3 };
enum { READERS_MAX = 16 + SLOW_MAX };

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

static inline void
sleep_ns(uint64_t ns)
{
	nanosleep(&(struct timespec){.tv_sec = (time_t)(ns / 1000000000u),
			  .tv_nsec = (long)(ns % 1000000000u)},
		NULL);
}

static inline uint64_t
since(uint64_t ticks)
{
	return bench_ticks() - ticks;
}

/* Whether that much has passed since then, which may be still to come. */
static inline int
is_past(uint64_t ticks, double ns)
{
	return (int64_t)(since(ticks) - bench_ticks_of(ns)) >= 0;
}

/* Whether all readers have set the flag that this one is of the first of them. */
static inline int
all_readers(struct run *run, _Atomic int *flag)
{
	size_t offset = (size_t)((char *)flag - (char *)&run->reader[0]);
	for (int i = 0; i < run->readers; i++)
		if (!look((_Atomic int *)(void *)((char *)&run->reader[i] + offset)))
			return 0;
	return 1;
}

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

/* Opens the readers of this process, from `first` on. 0, or -1 with the reason written. */
int slow_open_host(struct host *host, struct run *run, int first, char *why, size_t size);
/* Reads until the end of all of them. 0 or -1. */
int slow_read(struct host *host);

/* Publishes it all. 0 or -1. */
int slow_publish(struct run *run, struct gen_side *side, struct crew *crew);

#endif
