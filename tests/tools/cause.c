/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Which cause doctor names, from two looks (row N8). */
#include "tools/cause.h"

#include <stdio.h>
#include <string.h>

static int failures;

#define MS      1000000ull
#define TIME_NS (1000 * MS)

/* One second of a consumer that is behind: what has happened in it. What is 0 has not. */
struct second {
	const char *what;
	enum cause want;
	uint64_t polls, busy, violations, stuck; /* times in ms */
	uint64_t turns, depth;                   /* depth: turns that it is in */
	uint64_t loop_polls, loop_busy, idle;
	uint64_t ran, delayed, throttled, minor, major, system;
	int outside; /* of a hundred glances, those that found it in no turn */
	int pulled, apart, hard;
	char state;
	uint32_t other_thread; /* 1: another thread has the loop at the second look */
};

static const struct second seconds[] = {
	{"a handler of 2 ms, all the time", CAUSE_SLOW_HANDLER, 500, 1000, 500, 0, 500,
		0, 500, 1000, 0, 990, .state = 'R'},
	{"the same in bits that are not measured, alone on its loop",
		CAUSE_SLOW_HANDLER, 9000, .turns = 9000, .loop_polls = 9000, .ran = 990,
		.outside = 20, .state = 'R'},
	{"a handler that sleeps", CAUSE_SLOW_HANDLER, 300, 980, 300, 0, 300, 0, 300,
		980, 20, 10, .state = 'S'},
	{"taken off its loop each time, and back by now", CAUSE_SLOW_HANDLER, .hard = 1,
		.turns = 300, .loop_polls = 300, .idle = 600, .ran = 990, .state = 'S'},
	{"its loop went on without it", CAUSE_SLOW_HANDLER, .stuck = 3000, .turns = 700,
		.loop_polls = 700, .idle = 990, .state = 'S'},
	{"its loop is inside one handler", CAUSE_SLOW_HANDLER, .depth = 1, .state = 'S'},
	{"in a lane of its own", CAUSE_SLOW_HANDLER, 100, 990, 100, .turns = 5,
		.idle = 990, .apart = 1, .state = 'S'},
	{"its neighbours take 900 ms, but its own polls are over the limit",
		CAUSE_SLOW_HANDLER, 50, 100, 50, 0, 50, 0, 500, 1000, 0, 990,
		.state = 'R'},

	{"a short poll in a round of 20 ms", CAUSE_POLLED_LATE, 50, 1, 0, 0, 50, 0,
		1000, 999, 0, 990, .state = 'R'},
	{"the same, where nothing is measured", CAUSE_POLLED_LATE, 50, .turns = 50,
		.loop_polls = 1000, .ran = 990, .state = 'R'},
	{"one poll of fifty over the limit is an accident", CAUSE_POLLED_LATE, 50, 2, 1,
		0, 50, 0, 1000, 990, 0, 990, .state = 'R'},

	{"its owner sleeps elsewhere", CAUSE_NOT_POLLING, .state = 'S'},
	{"its owner computes elsewhere", CAUSE_NOT_POLLING, .ran = 990, .state = 'R'},
	{"its owner turns the loop ten times", CAUSE_NOT_POLLING, 10, .turns = 10,
		.loop_polls = 10, .ran = 5, .outside = 98, .state = 'S'},
	{"it sleeps in the loop, and is not elsewhere", CAUSE_SLOW_HANDLER, 300, 400,
		300, 0, 300, 0, 300, 400, 550, 10, .outside = 58, .state = 'S'},
	{"it is read by its owner, who is elsewhere", CAUSE_NOT_POLLING, .pulled = 1,
		.turns = 3, .idle = 900, .state = 'S'},

	{"its process is stopped", CAUSE_STOPPED, .state = 'T'},
	{"it is traced, in its handler", CAUSE_STOPPED, .depth = 1, .state = 't'},

	{"throttled for 700 ms, which it also waits for a core", CAUSE_THROTTLED, 100,
		290, 100, 0, 100, 0, 100, 290, 0, 300, 690, 700, .state = 'R'},
	{"throttled for 300 ms, which are not counted twice", CAUSE_THROTTLED, 100, 250,
		100, 0, 100, 0, 100, 250, 400, 250, 350, 300, .state = 'R'},
	{"throttled by its threads together for longer than the time", CAUSE_THROTTLED,
		.ran = 100, .delayed = 900, .throttled = 3000, .state = 'R'},
	{"without a core for 700 ms", CAUSE_DESCHEDULED, 100, 290, 100, 0, 100, 0, 100,
		290, 0, 300, 700, .state = 'R'},
	{"without a core all the time: the kernel has not added it yet",
		CAUSE_DESCHEDULED, .depth = 1, .state = 'R'},
	{"throttled a little, and without a core for long", CAUSE_DESCHEDULED, 10, 90,
		10, 0, 10, 0, 10, 90, 0, 100, 900, 100, .state = 'R'},
	{"without a core for 200 ms is not why", CAUSE_SLOW_HANDLER, 400, 790, 400, 0,
		400, 0, 400, 790, 0, 800, 200, .state = 'R'},

	{"a handler that takes fresh pages", CAUSE_PAGE_FAULTS, 400, 990, 400, 0, 400,
		0, 400, 990, 0, 990, .minor = 900000, .system = 850, .state = 'R'},
	{"a handler that waits for a disk", CAUSE_PAGE_FAULTS, 100, 990, 100, 0, 100, 0,
		100, 990, 0, 10, .major = 8000, .state = 'D'},
	{"the same on a machine whose page faults take 3 us", CAUSE_PAGE_FAULTS, 400,
		990, 400, 0, 400, 0, 400, 990, 0, 990, .minor = 300000, .system = 910,
		.state = 'R'},
	{"page faults are not where it is: the kernel had little of it",
		CAUSE_SLOW_HANDLER, 400, 990, 400, 0, 400, 0, 400, 990, 0, 990,
		.minor = 200000, .system = 200, .state = 'R'},
	{"it calls the kernel for other things", CAUSE_SLOW_HANDLER, 400, 990, 400, 0,
		400, 0, 400, 990, 0, 990, .minor = 20000, .system = 900, .state = 'R'},
	{"some page faults are usual", CAUSE_SLOW_HANDLER, 500, 990, 500, 0, 500, 0,
		500, 990, 0, 990, .minor = 20000, .state = 'R'},
	{"page faults of neighbours are theirs", CAUSE_POLLED_LATE, 50, 1, 0, 0, 50, 0,
		1000, 990, 0, 990, .minor = 900000, .system = 850, .state = 'R'},
	{"page faults in a lane", CAUSE_PAGE_FAULTS, 100, 990, 100, .ran = 990,
		.apart = 1, .minor = 900000, .system = 850, .state = 'R'},

	{"another thread has the loop: what all did counts", CAUSE_DESCHEDULED, 10, 90,
		10, 0, 10, 0, 10, 90, 0, 100, 900, .other_thread = 1, .state = 'R'},
	{"its loop is idle for 950 ms: the rest is too little", CAUSE_NONE, 10, 40,
		.turns = 10, .loop_polls = 10, .loop_busy = 40, .idle = 950,
		.outside = 95, .state = 'S'},
	{"its loop is idle, and nothing is seen", CAUSE_NONE, .turns = 5, .idle = 1000,
		.outside = 100, .state = 'S'},
};

static void
fill(const struct second *s, struct cause_look *then, struct cause_look *now)
{
	const uint64_t base = 7000;
	*then = (struct cause_look){.at_ns = base * MS,
		.waiting = 10,
		.passed = base,
		.polls = base,
		.busy_ns = base,
		.violations = base,
		.pulled = s->pulled,
		.apart = s->apart,
		.turns = base,
		.begun = base + s->depth,
		.loop_polls = base,
		.loop_busy_ns = base,
		.idle_ns = base,
		.limit_ns = MS,
		.thread = 1,
		.vitals = {s->state, base, base, base, base, base, base, base}};
	*now = *then;
	now->at_ns += TIME_NS;
	now->waiting = 1000;
	now->polls += s->polls;
	now->busy_ns += s->busy * MS;
	now->violations += s->violations;
	now->stuck_ns = s->stuck * MS;
	now->hard = s->hard;
	now->glances = 100;
	now->inside = 100 - (uint64_t)s->outside;
	now->turns += s->turns;
	now->begun += s->turns;
	now->loop_polls += s->loop_polls;
	now->loop_busy_ns += s->loop_busy * MS;
	now->idle_ns += s->idle * MS;
	now->vitals.ran_ns += s->ran * MS;
	now->vitals.delayed_ns += s->delayed * MS;
	now->vitals.system_ns += s->system * MS;
	now->vitals.minor += s->minor;
	now->vitals.major += s->major;
	now->vitals.throttles += s->throttled / 10;
	now->vitals.throttled_ns += s->throttled * MS;
	then->whole = then->vitals;
	now->whole = now->vitals;
	if (s->other_thread) {
		now->thread = 2;
		now->vitals = (struct cause_vitals){.state = 'S'};
	}
}

static void
expect(int ok, const char *what, const char *got)
{
	if (ok)
		return;
	failures++;
	fprintf(stderr, "FAILED N8 %s: %s\n", what, got);
}

static void
N8_one_cause_each(void)
{
	int seen[CAUSE_COUNT] = {0};
	for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
		const struct second *s = &seconds[i];
		struct cause_look then, now;
		struct cause_found f;
		fill(s, &then, &now);
		f = cause_of(&then, &now);
		expect(f.cause == s->want, s->what, cause_name(f.cause));
		expect(f.time_ns == TIME_NS && f.part_ns <= TIME_NS, s->what, "its part");
		expect((f.part_ns > 0) == (f.cause != CAUSE_NONE), s->what, "no part");
		seen[s->want]++;
	}
	for (int i = 0; i < CAUSE_COUNT; i++)
		expect(seen[i] > 0, cause_name((enum cause)i), "no row is about it");
}

static int
slow(uint64_t waited, uint64_t waiting, uint64_t passed)
{
	struct cause_look then = {.at_ns = MS, .waiting = waited},
			  now = {.at_ns = MS + TIME_NS,
				  .waiting = waiting,
				  .passed = passed};
	return cause_is_slow(&then, &now);
}

static void
N8_who_is_slow(void)
{
	struct cause_look one = {.at_ns = MS, .waiting = 5, .passed = 5};
	expect(!slow(0, 0, 0), "nothing is there", "slow");
	expect(!slow(5, 0, 5), "it has caught up", "slow");
	expect(!slow(0, 5, 0), "these came just now", "slow");
	expect(slow(1, 1, 0), "it has read nothing", "not slow");
	expect(slow(100, 100, 1000), "it needs 100 ms for what waits", "not slow");
	expect(!slow(100, 100, 1000000), "it needs 0.1 ms for what waits", "slow");
	expect(!cause_is_slow(&one, &one), "no time has passed", "slow");
}

/* Too few glances are none. */
static void
N8_few_glances_say_nothing(void)
{
	struct second s = {.polls = 500,
		.busy = 800,
		.violations = 500,
		.turns = 500,
		.loop_polls = 500,
		.loop_busy = 800,
		.ran = 800,
		.outside = 90,
		.state = 'R'};
	struct cause_look then, now;
	fill(&s, &then, &now);
	expect(cause_of(&then, &now).cause == CAUSE_NOT_POLLING, "a hundred", "no glance");
	now.glances = 9;
	now.inside = 1;
	expect(cause_of(&then, &now).cause == CAUSE_SLOW_HANDLER, "nine", "counted");
}

/* What comes from a stranger's memory may be anything. */
static void
N8_garbage_names_something(void)
{
	uint64_t x = 88172645463325252ull;
	for (int i = 0; i < 200000; i++) {
		struct cause_look looks[2];
		struct cause_found f;
		for (size_t at = 0; at < sizeof(looks); at += sizeof(x)) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			uint64_t word = x >> (x & 63);
			memcpy((char *)looks + at, &word, sizeof(word));
		}
		f = cause_of(&looks[0], &looks[1]);
		(void)cause_is_slow(&looks[0], &looks[1]);
		if ((unsigned)f.cause >= CAUSE_COUNT || f.part_ns > f.time_ns) {
			expect(0, "garbage", cause_name(f.cause));
			return;
		}
	}
}

static void
N8_names(void)
{
	for (int i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++)
		for (int k = CAUSE_NONE; k <= CAUSE_COUNT; k++)
			expect(i == k ||
					strcmp(cause_name((enum cause)i),
						cause_name((enum cause)k)),
				"two causes of one name", cause_name((enum cause)i));
	expect(!strcmp(cause_name((enum cause)99), "?"), "no cause", "has a name");
	expect(!*cause_advice((enum cause)99), "no cause", "has advice");
}

int
main(void)
{
	N8_one_cause_each();
	N8_who_is_slow();
	N8_few_glances_say_nothing();
	N8_garbage_names_something();
	N8_names();
	return failures != 0;
}
