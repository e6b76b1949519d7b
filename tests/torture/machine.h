/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A machine in virtual time. The threads that the library starts on it are coroutines of the
 * one real thread, and a seed is the whole of what happens: who has a core, for how long, and
 * what fails. Where the library waits, asks for the time, or asks what another thread has run,
 * it asks the machine (the linker's --wrap); between two such calls, and between two labelled
 * steps, no time passes.
 *
 * Each thread has a core of its own, but not always: after a slice of random length it is
 * without one for a while. What is drawn is exponential, so there is no rhythm. Now and then
 * the whole machine stands still: the process is stopped, or the hypervisor has taken the
 * machine away, which the kernel then books as time that its threads have run. Or it takes
 * one core only, and the threads of the others see nothing of that but its effects.
 *
 * A wait with a time limit is one without here, unless the machine itself drew the limit: a
 * wake-up that is lost leaves nobody who can go on, which is said at once.
 */
#ifndef WR_TESTS_TORTURE_MACHINE_H
#define WR_TESTS_TORTURE_MACHINE_H

#include "tests/torture/torture.h"

/* Times are virtual nanoseconds; what is "about" is drawn with that mean. */
struct weather {
	uint32_t delays;   /* so many of 8 slices and wake-ups end with no core, */
	uint64_t delay_ns; /* about so long */
	uint64_t slice_ns; /* about so long a thread has its core */
	uint64_t pause_ns; /* about so long between two pauses of all; 0: there are none */
	uint64_t pause_is_ns; /* about so long they are */
	uint64_t take_ns; /* about so long until a core is taken from who is on it; 0: never */
	uint64_t taken_ns;       /* about so long */
	uint64_t booked_from_ns; /* half of those that are longer are booked on who ran */
	uint32_t untimely;       /* 0, or one look in so many has one in its midst */
	uint32_t late;           /* so many of 64 sleeps of a sentinel are */
	uint64_t late_ns;        /* about so long too long */
	uint64_t linger_ns;      /* about so long a thread stands still at one label */
	uint32_t refused;        /* so many of 8 threads cannot be started */
	bool misread; /* a look at what a thread has run may be wrong, never two */
};

struct actor;

/* Everything is forgotten, and this is what happens from now on, by that seed. */
void machine_begin(uint64_t seed);
void machine_weather(const struct weather *weather);

/* A thread of the program. */
struct actor *machine_add(void (*body)(void *arg), void *arg);

/* Runs until all threads have ended. */
void machine_run(void);

uint64_t machine_now_ns(void);
struct dice *machine_dice(void);

/* About so long. */
uint64_t machine_about(uint64_t mean_ns);

/* The calling thread. */
struct actor *machine_self(void);
/* What it has run, ever; a pause that was booked on it is not in here. */
uint64_t machine_ran_ns(const struct actor *actor);
/* At the last look that somebody had, it waited in the kernel. */
bool machine_was_seen_waiting(const struct actor *actor);
/* When somebody looked at it before that. */
uint64_t machine_look_before_ns(const struct actor *actor);

/* The calling thread works, and sleeps, for so long. */
void machine_work(uint64_t ns);
void machine_sleep(uint64_t ns);
/* It waits in the kernel until somebody lets it go on. */
void machine_block(void);
void machine_unblock(struct actor *actor);

/* How many threads were refused, and how many steps were done, since the program's start. */
uint64_t machine_refused(void);
uint64_t machine_steps(void);

#endif
