/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A benchmark program is a table of cases: what their options are, which of them run, and
 * what the program's exit code says of them.
 */
#ifndef BENCH_LIB_CASES_H
#define BENCH_LIB_CASES_H

/* What a case, and so the program, ends with. That something failed counts most. */
enum { BENCH_GOOD = 0, BENCH_FAILED = 1, BENCH_UNMEASURED = 2 };

enum { BENCH_RUNS_MAX = 101 };

struct bench_options {
	int json, quick, full;
	const char *peer; /* the only one that is wanted; NULL: all */
	const char *plot; /* a directory for pictures; NULL: none */
	int runs;         /* pairs where a ratio is near 1 */
	int few;          /* pairs where it is far from it */
};

struct bench_case {
	const char *name;
	int (*run)(void);
	const char *what;
};

struct bench_program {
	const char *name;
	const struct bench_case *cases; /* ends with one without a name */
	struct bench_options *options;  /* filled before the first case */
	int runs, runs_quick;           /* unless --runs says how many */
	int runs_full;                  /* of --full; 0: it has no fuller set */
	int few_full;                   /* the most that `few` is then */
	int has_peers;                  /* knows --peer */
	int draws;                      /* knows --plot */
	int few;                        /* the most that `few` is */
	const char *failed;             /* what it means that a case has failed */
};

static inline int
bench_worse(int a, int b)
{
	return a == BENCH_FAILED || b == BENCH_FAILED ? BENCH_FAILED : a > b ? a : b;
}

/* A row that says that a peer, which is optional, is not there, and why. */
int bench_absent(const char *name, const char *why);

/* Runs the cases that the arguments ask for. Returns the exit code. */
int bench_main(const struct bench_program *program, int argc, char **argv);

#endif
