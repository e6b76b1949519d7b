/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * weir_torture SCENARIO [SECONDS] [SEED]   0 = nothing broke
 * weir_torture --mutant NAME [TRIES]       0 = the scenarios that should catch it do
 * weir_torture --list                      the mutants and who is to catch them
 *
 * The second form needs the build with mutants (weir_torture_planted); it runs itself once
 * per scenario with WEIR_MUTANT set, and a run that fails, or hangs, has caught it.
 */
#include "tests/torture/torture.h"

#include "tests/lib/tmpdir.h"
#include "tests/torture/wrap.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	SECONDS = 10,
	SECONDS_TO_CATCH = 60,
	TRIES = 4,
	HANG_S = 10, /* nothing moved for so long: longer than any pause in here */
	TALLIES_MAX = 32,
	EXIT_TORN = 1,
	EXIT_USAGE = 2,
	EXIT_HUNG = 3,
	EXIT_SKIPPED = 77
};

static const struct {
	const char *name;
	void (*run)(uint64_t seed);
} scenarios[] = {
	{"sim", scenario_sim},
	{"threads", scenario_threads},
	{"overrun", scenario_overrun},
	{"fences", scenario_fences},
	{"modes", scenario_modes},
	{"room", scenario_room},
	{"relay", scenario_relay},
	{"handoff", scenario_handoff},
};

enum { SCENARIOS = sizeof(scenarios) / sizeof(scenarios[0]) };

/*
 * Who catches which mutant. "-" is one that no run here can show: why is said beside it.
 * Those that take processes which join and leave are in tests/kill/meet.c.
 */
static const struct {
	const char *mutant;
	const char *scenario;
	const char *why;
} catches[] = {
	{"REUSE_NORFENCE", "overrun", NULL},
	{"REUSE_NOPFENCE", "overrun", NULL},
	{"REUSE_LATECLEAR", "sim", NULL},
	{"REUSE_HOLDFIRST", "sim", NULL},
	{"REUSE_CURBEFOREHOLD", "sim", NULL},
	{"REUSE_NOVALID", "sim", NULL},
	{"REUSE_NOPIN", "sim", NULL},
	{"REUSE_REGATE", "sim", NULL},
	{"REUSE_HDRFIRST", "sim", NULL},
	{"REUSE_NOOPEN", "sim", NULL},
	{"WAKE_NORFENCE", "fences", NULL},
	{"WAKE_NOPFENCE", "fences", NULL},
	{"WAKE_CHECKFIRST", "sim", NULL},
	{"WAKE_BOOLRUNG", "sim", NULL},
	{"WAKE_DRAINBEFORE", "sim", NULL},
	{"WAKE_TREE", "sim", NULL},
	{"WAKE_LATEDRAIN", "relay", NULL},
	{"WAKE_MODENOFENCE", "modes", NULL},
	{"WAKE_MODEFIRST", "modes", NULL},
	{"FRAMES_NOZERO", "sim", NULL},
	{"FRAMES_ZEROATCOMMIT", "sim", NULL},
	{"FRAMES_SHRINK", "sim", NULL},
	{"FRAMES_SHRINKZERO", "sim", NULL},
	{"FRAMES_REWIND", "sim", NULL},
	{"FRAMES_NOMARKZERO", "sim", NULL},
	{"ROOM_NOPFENCE", "-",
		"the look for room behind that fence takes a lock, which is a full fence on x86; "
		"tests/model shows it"},
	{"ROOM_NORFENCE", "-",
		"a release makes no room, since pins lie outside the window; the fence of an entry "
		"is REUSE_NORFENCE's, and tests/model shows the pair"},
	{"ROOM_CHECKFIRST", "sim", NULL},
	{"ROOM_NORING", "sim", NULL},
	{"MOVE_LINKFIRST", "sim", NULL},
	{"BOOKS_FORGET", "sim", NULL},
	{"LEASE_NOAGAIN", "handoff", NULL},
	{"LEASE_NOLOOK", "handoff", NULL},
	{"SUSPECT_ONCE", "handoff", NULL},
	{"SUSPECT_NOTLATE", "-",
		"what was run between two distant looks does not count anyway, so handoff "
		"shows it within minutes only; suspect/N2_a_late_look_drops_what_was_seen "
		"shows it at once"},
	{"SUSPECT_LATEWITHIN", "-",
		"handoff shows it within some ten thousand rounds, which takes too long here; "
		"suspect/N2_a_look_that_takes_too_long_is_none shows it at once"},
	{"SUSPECT_UNSEEN", "-",
		"handoff shows it within a minute, which takes too long here; "
		"suspect/N2_what_was_run_unseen_does_not_count shows it at once"},
	{"SUSPECT_WALL", "handoff", NULL},
	{"SUSPECT_EVERRAN", "handoff", NULL},
	{"RELIEF_NOASK", "handoff", NULL},
	{"RELIEF_SLEEPSON", "handoff", NULL},
	{"RELIEF_SPAREONCE", "handoff", NULL},
	{"RELIEF_HALFWAY", "handoff", NULL},
	{"RELIEF_OLDSUSPECT", "handoff", NULL},
	{"RELIEF_NOTLEFT", "handoff", NULL},
	{"RELIEF_BARGE", "handoff", NULL},
	{"RELIEF_NORING", "handoff", NULL},
	{"RELIEF_STAYS", "handoff", NULL},
	{"RELIEF_NOVERDICT", "handoff", NULL},
	{"RELIEF_NOTTOLD", "handoff", NULL},
};

enum { CATCHES = sizeof(catches) / sizeof(catches[0]) };

static uint64_t began_ns, until_ns;
static uint64_t progress;
static bool has_scratch;
static uint64_t round_seed;
static struct {
	const char *name;
	uint64_t count;
} tallies[TALLIES_MAX];
static pthread_mutex_t tally_lock = PTHREAD_MUTEX_INITIALIZER;

/* Ends the process at once, and leaves nothing behind. */
static void __attribute__((noreturn)) leave(int code)
{
	fprintf(stderr, "the round's seed is %llu\n", (unsigned long long)round_seed);
	if (has_scratch)
		wr_tmpdir_remove(wr_tmpdir());
	_exit(code);
}

const char *
scratch(void)
{
	if (!has_scratch && wr_tmpdir_make() != 0)
		torn("no directory to meet in");
	has_scratch = true;
	return wr_tmpdir();
}

void
torn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("torn: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	leave(EXIT_TORN);
}

uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

bool
time_is_up(void)
{
	return now_ns() >= until_ns;
}

void
round_begins(uint64_t seed)
{
	round_seed = seed;
}

void
moved_on(void)
{
	(void)__atomic_fetch_add(&progress, 1, __ATOMIC_RELAXED);
}

void
tally(const char *name, uint64_t count)
{
	pthread_mutex_lock(&tally_lock);
	for (int i = 0; i < TALLIES_MAX; i++) {
		if (tallies[i].name && strcmp(tallies[i].name, name) != 0)
			continue;
		tallies[i].name = name;
		tallies[i].count += count;
		break;
	}
	pthread_mutex_unlock(&tally_lock);
}

void
pin_to(unsigned core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

/* A hang is a failure: says so, and where. */
static void *
watch(void *arg)
{
	uint64_t seen = 0, since = now_ns();

	(void)arg;
	for (;;) {
		struct timespec rest = {.tv_nsec = 100 * 1000 * 1000};
		uint64_t there = peep(&progress);

		if (there != seen) {
			seen = there;
			since = now_ns();
		} else if (now_ns() - since > (uint64_t)HANG_S * 1000000000u) {
			fprintf(stderr, "hung: nothing moved for %d s after %llu steps\n",
				HANG_S, (unsigned long long)seen);
			leave(EXIT_HUNG);
		}
		__real_nanosleep(&rest, NULL);
	}
	return NULL;
}

static int
run(const char *name, unsigned seconds, uint64_t seed)
{
	pthread_t watcher;

	for (int i = 0; i < SCENARIOS; i++) {
		if (strcmp(scenarios[i].name, name) != 0)
			continue;
		began_ns = now_ns();
		until_ns = began_ns + (uint64_t)seconds * 1000000000u;
		if (pthread_create(&watcher, NULL, watch, NULL) != 0)
			torn("no thread for the watchdog");
		printf("%s: seed %llu\n", name, (unsigned long long)seed);
		fflush(stdout);
		scenarios[i].run(seed);
		printf("%s: %.1f s", name, (double)(now_ns() - began_ns) / 1e9);
		for (int t = 0; t < TALLIES_MAX && tallies[t].name; t++)
			printf(", %s %llu", tallies[t].name,
				(unsigned long long)tallies[t].count);
		puts("");
		if (has_scratch)
			wr_tmpdir_remove(wr_tmpdir());
		return 0; /* not _exit: a sanitizer has its say at the end */
	}
	fprintf(stderr, "no scenario is called '%s'\n", name);
	return EXIT_USAGE;
}

/* ---- mutants ------------------------------------------------------------------------------ */

#if defined(WR_MUTANTS)
/* Runs ourselves under the mutant: true if that failed, as it must. */
static bool
is_caught(const char *self, const char *mutant, const char *scenario, int *status)
{
	char seconds[16];
	pid_t pid;

	snprintf(seconds, sizeof(seconds), "%d", SECONDS_TO_CATCH);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		setenv("WEIR_MUTANT", mutant, 1);
		execl(self, self, scenario, seconds, (char *)NULL);
		_exit(127);
	}
	if (pid < 0)
		torn("fork: %s", strerror(errno));
	while (waitpid(pid, status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(*status))
		return WEXITSTATUS(*status) == EXIT_TORN ||
			WEXITSTATUS(*status) == EXIT_HUNG;
	/* A crash is a failure too. */
	return WIFSIGNALED(*status) &&
		(WTERMSIG(*status) == SIGSEGV || WTERMSIG(*status) == SIGBUS ||
			WTERMSIG(*status) == SIGABRT);
}

static int
run_mutant(const char *self, const char *mutant, int tries)
{
	for (int i = 0; i < CATCHES; i++) {
		uint64_t start = now_ns();
		int status = 0;
		bool caught;

		if (strcmp(catches[i].mutant, mutant) != 0)
			continue;
		if (strcmp(catches[i].scenario, "-") == 0) {
			printf("%s: not shown here: %s\n", mutant, catches[i].why);
			return EXIT_SKIPPED;
		}
		/* A crowded machine may keep two threads from ever running at once. */
		caught = false;
		for (int k = 0; k < tries && !caught; k++)
			caught = is_caught(self, mutant, catches[i].scenario, &status);
		printf("%s: %s by %s after %.1f s\n", mutant,
			caught ? "caught" : "NOT CAUGHT", catches[i].scenario,
			(double)(now_ns() - start) / 1e9);
		return caught ? 0 : 1;
	}
	fprintf(stderr, "no row says who catches '%s'\n", mutant);
	return EXIT_USAGE;
}
#else
static int
run_mutant(const char *self, const char *mutant, int tries)
{
	(void)self;
	(void)tries;
	fprintf(stderr, "%s: this build has no mutants\n", mutant);
	return EXIT_USAGE;
}
#endif

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (int i = 0; i < CATCHES; i++)
			printf("%s %s\n", catches[i].mutant, catches[i].scenario);
		return 0;
	}
	if ((argc == 3 || argc == 4) && strcmp(argv[1], "--mutant") == 0)
		return run_mutant(
			"/proc/self/exe", argv[2], argc == 4 ? atoi(argv[3]) : TRIES);
	if (argc < 2 || argc > 4 || argv[1][0] == '-') {
		fprintf(stderr,
			"usage: %s SCENARIO [SECONDS] [SEED] | --mutant NAME [TRIES] | --list\n",
			argv[0]);
		return EXIT_USAGE;
	}
	return run(argv[1], argc > 2 ? (unsigned)atoi(argv[2]) : SECONDS,
		argc > 3 ? strtoull(argv[3], NULL, 0) : now_ns());
}
