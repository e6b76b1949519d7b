/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the scenarios of the torture share.
 *
 * A scenario runs the real code of bus/ and scheduler/ as hard as it can, and checks every
 * byte. In a build with mutants the same scenario must fail when a mutant is switched on
 * (WEIR_MUTANT); torture.c has the table of who is to be caught where.
 */
#ifndef WR_TESTS_TORTURE_TORTURE_H
#define WR_TESTS_TORTURE_TORTURE_H

#include <stdbool.h>
#include <stdint.h>

/* Words that threads of the torture tell each other, beside the protocol that is tested:
 * they order nothing that the protocol should order. */
#define peep(p)    __atomic_load_n((p), __ATOMIC_RELAXED)
#define poke(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define take(p)    __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define give(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

/* Something that was promised did not hold: says so and ends the process with 1. */
void torn(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

#define HOLDS(x, ...) \
	do { \
		if (!(x)) \
			torn(__VA_ARGS__); \
	} while (0)

/* A number generator that a seed repeats. */
struct dice {
	uint64_t state;
};

static inline uint64_t
mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ull;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static inline uint64_t
roll_dice(struct dice *dice)
{
	dice->state += 0x9e3779b97f4a7c15ull;
	return mix(dice->state);
}

/* 0 .. n - 1 */
static inline uint32_t
pick(struct dice *dice, uint32_t n)
{
	return (uint32_t)(roll_dice(dice) % n);
}

/* True once in n. */
static inline bool
chance(struct dice *dice, uint32_t n)
{
	return pick(dice, n) == 0;
}

uint64_t now_ns(void);

/* How long a scenario is to run, and whether that is over. */
bool time_is_up(void);

/* A round begins with this seed, which is told if it fails: run it alone with that one. */
void round_begins(uint64_t seed);

/* Something was delivered. When nothing moves for a while the watchdog calls it a hang,
 * which is a failure too. */
void moved_on(void);

/* Counts that the end of a scenario prints: names are constants. */
void tally(const char *name, uint64_t count);

/* A private directory, where buses meet; it goes with the process. */
const char *scratch(void);

/* Lets the calling thread run on one core alone; no matter if that is impossible. */
void pin_to(unsigned core);

/* How epoll_wait and friends behave under the scenario (wrap.c). */
extern _Atomic bool sleep_forever; /* timeouts are taken for infinite: a lost wake-up hangs */

/* The scenarios: they run until time_is_up. */
void scenario_sim(uint64_t seed);
void scenario_threads(uint64_t seed);
void scenario_overrun(uint64_t seed);
void scenario_fences(uint64_t seed);
void scenario_modes(uint64_t seed);
void scenario_room(uint64_t seed);
void scenario_relay(uint64_t seed);
void scenario_handoff(uint64_t seed);

#endif
