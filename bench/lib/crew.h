/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The processes of one run. The parent forks them, waits for them under a watchdog, and
 * they die with it. What they share is one board in anonymous shared memory. A worker that
 * fails says why once; the others then give up at their next meeting.
 */
#ifndef BENCH_LIB_CREW_H
#define BENCH_LIB_CREW_H

#include <stdatomic.h>
#include <stddef.h>
#include <sys/types.h>

enum { CREW_MAX = 96 };

struct crew_board {
	_Alignas(128) atomic_int arrived;
	_Alignas(128) atomic_int failed;
	_Alignas(128) atomic_int flag; /* free for the run */
	_Alignas(128) char text[400]; /* of the first failure; writer: who set failed */
};

struct crew {
	struct crew_board *board;
	pid_t pids[CREW_MAX]; /* 0 = reaped */
	int count;
	int alive[2]; /* a pipe that is at its end when the last worker is gone */
};

/* Runs in the worker. 0 = good. */
typedef int (*crew_fn)(struct crew *crew, int index, void *arg);

/* Memory that is zero and shared with workers forked later; NULL where there is none. */
void *crew_shared(size_t size);
void crew_shared_free(void *memory, size_t size);

int crew_init(struct crew *crew);
/* Forks a worker; its index is its order. */
int crew_spawn(struct crew *crew, crew_fn fn, void *arg);
/* Waits until all have ended well: 0. A failure, or `seconds` passed: the rest is
 * killed, the reason is printed on stderr, -1. Ends the crew. */
int crew_wait(struct crew *crew, const char *what, double seconds);

/* In a worker: says why the run has failed. Returns -1. */
int crew_fail(struct crew *crew, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* In a worker: waits until `all` workers have come here for the `round`-th time
 * (from 1). 0, or -1 if one has failed. */
int crew_meet(struct crew *crew, int all, int round);

/*
 * A private directory for sockets, removed when this process ends in whatever way. The
 * first call makes it. NULL with a message if that fails.
 */
const char *crew_directory(void);
/* Removes the directory now; at the end of main. */
void crew_directory_remove(void);

#endif
