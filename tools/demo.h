/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The demo is five processes: this one watches, one publishes a real stream, three consume
 * it. All but the first are the command itself with a hidden verb. They meet on a bus of
 * their own in a directory of their own, and report to the first through pipes.
 */
#ifndef TOOLS_DEMO_H
#define TOOLS_DEMO_H

#include <signal.h>
#include <stdint.h>
#include <weir/weir.h>

#include "tools/text.h"

enum {
	DEMO_CONSUMERS = 3,
	DEMO_CHILDREN = DEMO_CONSUMERS + 1, /* the last one is the source */
	DEMO_SOURCE = DEMO_CONSUMERS,
	DEMO_STREAMS_MAX = 3,
	DEMO_REPORT_MS = 100,
	DEMO_FACT = 104,
	DEMO_TOPIC = 16
};

/* The last consumer becomes slow for a while, the others are healthy. */
enum {
	DEMO_SLOW = DEMO_CONSUMERS - 1,
	DEMO_SLOW_MS = 5,     /* that its handler then takes for each message */
	DEMO_QUOTA = 1 << 20, /* bytes that it may lag, of each stream */
	DEMO_WINDOW = 2 << 20 /* that a stream keeps; the others may lag by all of it */
};

/* The parts of a run: until that one is slow, while it is, and after. */
enum demo_part { DEMO_BEFORE = 0, DEMO_DURING, DEMO_AFTER, DEMO_PARTS };

#define DEMO_BUS     "demo"
#define DEMO_PATTERN "demo.>"

#define DEMO_SLOW_COMMAND "slow" /* that the slow one knows: spin, block, sleep, off */

/* What stands before the content of each message, so that a consumer can check it. */
struct demo_head {
	uint64_t number; /* counts the messages of this topic from 0 */
	uint64_t sum;    /* of the content */
};

/* FNV-1a, 64 bits. */
uint64_t demo_sum(const void *data, size_t len);

enum demo_phase { DEMO_STARTING = 0, DEMO_READY, DEMO_RUNNING, DEMO_FINAL };

/* What the source has counted. */
struct demo_made {
	uint64_t claimed;   /* up to the newest message, by the numbers of the claims */
	uint64_t published; /* by the source's own count */
	uint64_t stated;    /* the same by the library's statistics */
	uint64_t aborted;   /* by the library's statistics */
	uint64_t bytes;
	uint64_t waits; /* for room, and how long in all */
	uint64_t wait_ns;
	uint64_t stalled_ns; /* of that, what slow consumers were charged for */
	uint64_t detached;   /* times that one was not waited for any more, */
	uint64_t returned;   /* and that one was again */
};

/* One stream, as a consumer was told of it. */
struct demo_stream {
	char topic[DEMO_TOPIC];
	uint64_t lost; /* by its messages, */
	uint64_t gaps; /* of which so many had something missing before them */
	uint64_t detached, returned;       /* how often, */
	uint64_t detached_ns, returned_ns; /* and when it heard of the last one */
	uint64_t stalled_ns; /* what it had cost the publisher, at the last detach */
	uint32_t code;       /* why, at the last detach: WEIR_E_... */
	uint32_t left;       /* it is not waited for now */
};

struct demo_delay {
	uint64_t count, p50, p99;
};

/* What a consumer has counted. */
struct demo_taken {
	uint64_t delivered;
	uint64_t bytes;
	uint64_t lost;   /* as its messages told it */
	uint64_t stated; /* the same by the library's statistics, of which: */
	uint64_t behind, conflated, expired, gone;
	uint64_t aborted;
	uint64_t held;
	uint64_t passed;  /* claims that lie behind it, by its positions */
	uint64_t lag;     /* claims before it, at the time of the report */
	uint64_t holes;   /* numbers that did not follow each other */
	uint64_t damaged; /* content that did not have its sum */
	uint64_t ended;   /* streams drained to their end */
	uint64_t recent_p50, recent_p99;
	uint64_t p50, p99, max;
	struct demo_delay part[DEMO_PARTS]; /* by the time of the commit */
	struct demo_stream stream[DEMO_STREAMS_MAX];
	char fact[DEMO_FACT]; /* something that it read in the content */
};

/* One line of a pipe; below PIPE_BUF, so each arrives whole. */
struct demo_report {
	uint32_t child;
	uint32_t phase;
	uint64_t time_ns;
	struct demo_made made;   /* of the source */
	struct demo_taken taken; /* of a consumer */
};

/*
 * A few words shared with all: how much has been published, since when, until when. It is
 * the ruler that lag and time are measured with, and no part of the bus. writer: source
 */
struct demo_ruler {
	volatile uint64_t claimed;
	volatile uint64_t start_ns; /* 0 until there is something */
	volatile uint64_t end_ns;   /* 0 until there is no more */
};
struct demo_ruler *demo_ruler_map(int fd, int writable);

/* When a run that began at start_ns comes to its second and its third part. */
uint64_t demo_slow_from(uint64_t start_ns, int seconds_ms);
uint64_t demo_slow_until(uint64_t start_ns, int seconds_ms);

/* What the children are told on their command line. */
struct demo_args {
	const char *dir;
	int index;
	int pipe;
	int ruler;
	int streams;
	int seconds_ms;
	double rate;
	const char *file; /* NULL: the live data of the machine; "-": stdin */
	int repeat;
};
int demo_args_parse(struct demo_args *args, int argc, char **argv);

/* Sends a report; one in passing is dropped where the pipe is full, the final one never.
 * Returns -1 if nobody reads any more. */
int demo_report_send(const struct demo_args *args, const struct demo_report *report);
/* Where demos make their directories. */
const char *demo_base(void);
/* When the watching process died, whoever notices clears the directory. */
void demo_clear(const char *dir);

/* ---- the watching side --------------------------------------------------------------- */

struct demo_child {
	const char *name;
	int pid;
	int pipe;     /* -1 once it has ended */
	int reaped;   /* its wait status is known */
	int given_up; /* it was ended by us */
	int status;
	struct demo_report last;
	struct demo_report before; /* one second earlier, for rates */
	struct demo_report said;   /* up to where the lines of what happened go */
};

struct demo {
	struct demo_child child[DEMO_CHILDREN];
	char dir[128];
	int ruler;
	const struct demo_ruler *measure; /* the ruler, mapped */
	const char *kind;                 /* "proc", "file", "stdin" */
	const char *what;                 /* what is published, for a person */
	double rate;
	int seconds_ms;
	int live; /* the table is redrawn in place */
	uint64_t start_ns;
	uint64_t end_ns;
	int interrupted;
	int lines_drawn;
	struct weir_look *look; /* at its loops; NULL until there is something to look at */
};

/* One of the two while it runs: the table, or one line. */
void demo_draw(struct demo *demo);
void demo_line(struct demo *demo);
/* Where lines are printed: one for each time that a stream stopped waiting for this child,
 * or waits for it again. */
void demo_happened(struct demo *demo, struct demo_child *child);
/* Seconds since the beginning, up to the end; and when something was, for a person. */
double demo_elapsed(const struct demo *demo);
struct text demo_since(const struct demo *demo, uint64_t time_ns);
/* The terminal as it was. */
void demo_draw_end(struct demo *demo);
/* The books; returns how many messages were missed or broken, over all consumers. What the
 * slow one lost and was told of is not missed. */
uint64_t demo_summary(const struct demo *demo);
uint64_t demo_summary_json(const struct demo *demo);

#endif
