/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the driver and the processes that it kills know in common: one anonymous shared
 * page, which outlives every death. Each process says there what it is doing, and a
 * publisher what became of each of its claims, so that readers can tell a message that
 * was lost from one that never was.
 *
 * Every word has one writer: its process, or the driver.
 */
#ifndef WR_TESTS_KILL_PAGE_H
#define WR_TESTS_KILL_PAGE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <weir/weir.h>

enum {
	SLOTS = 11,    /* processes at a time */
	STREAMS = 32,  /* books of a slot's streams, used in turn */
	FATES = 32768, /* claims of a stream that its books go back to */
	REPORTS = 16,
	WINDOW = 1 << 20,
	MESSAGE_MIN = 16, /* the header alone */
	MESSAGE_MAX = 64 << 10
};

/* What a process is doing. The order is that of the table that is printed. */
enum state {
	S_JOIN, /* opening, advertising, subscribing */
	S_IDLE, /* between two things, or waiting for messages */
	S_CLAIM,
	S_WAIT, /* for room */
	S_WRITE,
	S_COMMIT,
	S_ABORT,
	S_BATCH_CLAIM,
	S_BATCH_WRITE,
	S_BATCH_COMMIT,
	S_READ,    /* inside a batch of messages, or in the callback */
	S_HOLD,    /* with messages held, one in hand */
	S_RELEASE, /* looks at a held message a last time, and lets it go */
	S_LEAVE,
	STATES
};

enum role {
	R_SINGLE, /* publishes one message at a time, on two topics */
	R_CLAIMS, /* several claims open, committed in any order, aborted, shortened */
	R_BATCH,
	R_LARGE,    /* up to 64 KiB */
	R_GUEST,    /* joins, publishes a little, leaves, joins again */
	R_CALLBACK, /* sleeps until on_msg is called */
	R_PULL,     /* all topics, never sleeps */
	R_HOLDER,
	R_VISITOR,  /* joins, reads a little, leaves, joins again */
	R_SURVIVOR, /* is never killed: publishes and reads to the end */
	ROLES
};

/* What became of a claim. */
enum fate { F_NONE, F_OPEN, F_ABORTED, F_COMMITTED };

/* The books of one stream, written by its publisher. */
struct books {
	uint64_t key;       /* whose these are now, 0 = being changed */
	uint64_t publisher; /* id of the stream, 0 = not advertised yet */
	uint64_t incarnation;
	uint64_t before_ns; /* when it began to advertise */
	uint64_t claimed;
	uint64_t top;    /* 1 + the highest number that was committed, 0 = none */
	uint64_t strict; /* everybody who was there has been admitted */
	uint32_t fate[FATES];
};

struct slot {
	/* of the driver */
	uint64_t incarnation;
	uint64_t dying; /* the last incarnation that was sent SIGKILL */
	pid_t pid;

	/* of the process */
	uint64_t state;
	uint64_t progress;
	uint64_t streams; /* begun in this slot, over all incarnations */
	uint64_t messages;
	uint64_t holes;
	uint64_t ends;
	uint64_t pause_ns; /* longest time without a message, of the survivor */
	struct books books[STREAMS];
};

struct page {
	uint64_t stop; /* 1: publishers end; 2: readers drain and end */
	uint64_t violations;
	char report[REPORTS][300];
	struct slot slot[SLOTS];
};

extern struct page *page;
extern const char *const state_names[STATES];
extern const char *const role_names[ROLES];

#define peek_word(p)   __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define say_word(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define add_word(p, v) say_word((p), *(p) + (v))

/* One more thing that must not be; the first ones are kept to be printed. */
void violation(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A small generator of our own: the same numbers from the same seed everywhere. */
uint64_t chance(uint64_t *rng);
static inline uint64_t
below(uint64_t *rng, uint64_t n)
{
	return chance(rng) % n;
}

/* ---- messages --------------------------------------------------------------------------- */

/* Every message begins with this; what follows is made from key and seq. */
struct header {
	uint32_t key;
	uint32_t sum; /* over everything else */
	uint64_t seq;
};

void message_write(void *data, size_t len, uint64_t key, uint64_t seq);
bool message_is_whole(const void *data, size_t len, struct header *header);

/* ---- the publisher's books ---------------------------------------------------------------- */

struct books *books_begin(struct slot *slot);
void books_note(struct books *b, uint64_t seq, enum fate fate);

/* ---- a reader's ----------------------------------------------------------------------------- */

/* What one subscription has seen of each stream. */
struct seen {
	uint64_t key;
	uint64_t publisher;
	uint64_t next;
};

struct reader {
	const char *who;
	struct slot *slot;
	uint64_t since_ns; /* its subscription stood then */
	uint64_t last_ns;
	struct seen seen[SLOTS * STREAMS];
};

/* Checks a message against the books of its publisher. */
void reader_check(struct reader *r, const weir_msg *msg);
/* Once more, before it is let go: the bytes alone. */
void reader_recheck(struct reader *r, const weir_msg *msg);
/* The stream has ended: everything that was committed must have been seen. */
void reader_end(struct reader *r, uint64_t publisher);
void reader_end_all(struct reader *r);

/* What a role does, in a process of its own. */
void role_run(enum role role, struct slot *slot, const char *dir, uint64_t rng);

/* True once `stop` is at least that. */
bool asked_to(uint64_t stop);

#endif
