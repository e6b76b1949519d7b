/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* bench-parts: bench/micro/sched_parts.c as a program. */
#include <stddef.h>

#include "bench/lib/cases.h"
#ifdef BENCH_OURS
#include "bench/micro/sched_parts.h"
#endif

static struct bench_options options;

#ifdef BENCH_OURS
static int
case_parts(void)
{
	return sched_parts(options.runs, options.few);
}
#endif

static const struct bench_case cases[] = {
#ifdef BENCH_OURS
	{"parts", case_parts, "budgets, tiers, hooks and timers of a reactor"},
#endif
	{NULL, NULL, NULL}};

int
main(int argc, char **argv)
{
	static const struct bench_program program = {.name = "bench-parts",
		.cases = cases,
		.options = &options,
		.runs = 61,
		.runs_quick = 11,
		.few = 7,
		.failed = "something could not be"};

	return bench_main(&program, argc, argv);
}
