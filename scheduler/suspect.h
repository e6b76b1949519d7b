/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Is that handler stuck? A loop whose thread is in the same poll for longer than the hard
 * budget may be in a handler that spins or waits, and may also be a good one that had no core.
 * To tell them apart:
 *
 *   it spins   if its thread has run for four fifths of that time in this poll, and goes on;
 *   it waits   if its thread waited in the kernel at each look, or at each for that time;
 *   else it could have run and did not: it is excused, for now.
 *
 * Nothing is held against anybody when the one who looks was late itself, between two looks or
 * within one: then the machine was (stopped, suspended, in a debugger, taken away by its
 * hypervisor). A hypervisor may also take one core and leave the others, and what it took looks
 * like work of the thread that is on it. So each look waits until the cores have answered, and
 * what was run in more than half of the hard budget without a look does not count: it might
 * have been taken, and nobody have seen that.
 *
 * Where the hard budget is a millisecond or less, one look may be wrong by what the kernel counts
 * in ticks: of who spins, two in a row have to say the same. Who waits is looked at once more
 * from the core that it sleeps on, before anything is done.
 *
 * Pure: time and what was seen come in.
 */
#ifndef WR_SCHEDULER_SUSPECT_H
#define WR_SCHEDULER_SUSPECT_H

#include <stdbool.h>
#include <stdint.h>

enum {
	WR_SUSPECT_LATE_NS = 750000, /* that a look may be late */
	WR_SUSPECT_SURE_NS = 1000000,
	/* So often within the hard budget it is looked at who is past it, and who was found. */
	WR_SUSPECT_SOON = 8,
	WR_SUSPECT_AT_ONCE = 16
};

enum wr_finding {
	WR_FOUND_NOTHING = 0,
	WR_FOUND_LONG, /* it has taken half of its budget: it should come to an end */
	WR_FOUND_SPINNING,
	WR_FOUND_WAITING,
	WR_FOUND_NO_CORE /* its time is over, and it is excused */
};

struct wr_suspect {
	uint64_t word;      /* of the lease, at the last look */
	uint64_t since_ns;  /* when that was seen first */
	uint64_t looked_ns; /* the last look, */
	uint64_t gap_ns;    /* so long after the one before */
	uint64_t asked_ns; /* since when it is known what its thread does; 0: not yet */
	uint64_t sure_ns; /* since when nobody can have taken its core unseen for long, */
	uint64_t ran_ns;       /* what it had run by then, */
	uint64_t last_ran_ns;  /* and by the last look */
	enum wr_finding found; /* by the last look: that it spins, or waits */
	uint32_t times;        /* that the same was found, in a row */
	uint64_t waits_ns; /* since when it waited at each look; 0: at the last it did not */
};

/* What was seen of the thread of who is suspect. */
struct wr_evidence {
	uint64_t ran_ns; /* that it has run, ever */
	bool waits;
	uint64_t taken_ns; /* when all of it had been seen, and its core was there */
};

/* A look, planned so long after the last one; now_ns is when the word had been seen. `handler`
 * says that it is that of a handler. True if it is the same poll as at the last look: then
 * evidence is wanted. */
bool wr_suspect_look(struct wr_suspect *s, uint64_t word, bool handler, uint64_t now_ns,
	uint64_t planned_ns);

/* It is another poll, word is not 0, and its thread has run so much, ever, as was read right
 * after the word. Without it the first evidence is what later evidence is compared with, and
 * who spins is found so much later. */
void wr_suspect_begins(struct wr_suspect *s, uint64_t ran_ns);

/* What follows from it; now_ns as in the look. */
enum wr_finding wr_suspect_judge(struct wr_suspect *s,
	const struct wr_evidence *evidence, uint64_t now_ns, uint64_t hard_ns);

/* How long until it should be looked at again, one whose poll was the same as at the look
 * before: until half of its time, and all of it, has passed; then soon. */
uint64_t wr_suspect_wait_ns(const struct wr_suspect *s, uint64_t now_ns, uint64_t hard_ns);

#endif
