/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/lib/cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/lib/clock.h"
#include "bench/lib/crew.h"
#include "bench/lib/row.h"

#define OTHERS_MAX 0.08 /* of the cores: more, and the figures are theirs too */

static int
usage(const struct bench_program *program, FILE *to)
{
	fprintf(to, "usage: %s [--json] [--case NAME] [--quick%s] [--runs N]%s%s\n\n",
		program->name, program->runs_full ? "|--full" : "",
		program->has_peers ? " [--peer NAME]" : "",
		program->draws ? " [--plot DIR]" : "");
	for (const struct bench_case *c = program->cases; c->name; c++)
		fprintf(to, "  %-11s %s\n", c->name, c->what);
	return to == stderr ? BENCH_UNMEASURED : BENCH_GOOD;
}

/* 0, or what is wrong: 'h' for help, '?' for what is not known. */
static int
parse(const struct bench_program *program, int argc, char **argv, const char **only)
{
	struct bench_options *options = program->options;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			options->json = 1;
		else if (strcmp(argv[i], "--quick") == 0)
			options->quick = 1;
		else if (strcmp(argv[i], "--full") == 0 && program->runs_full)
			options->full = 1;
		else if (strcmp(argv[i], "--peer") == 0 && i + 1 < argc &&
			program->has_peers)
			options->peer = argv[++i];
		else if (strcmp(argv[i], "--plot") == 0 && i + 1 < argc && program->draws)
			options->plot = argv[++i];
		else if (strcmp(argv[i], "--case") == 0 && i + 1 < argc)
			*only = argv[++i];
		else if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc)
			options->runs = atoi(argv[++i]);
		else
			return strcmp(argv[i], "--help") == 0 ? 'h' : '?';
	}
	if (options->quick && options->full)
		return '?';
	if (options->runs <= 0)
		options->runs = options->quick ? program->runs_quick
			: options->full        ? program->runs_full
					       : program->runs;
	if (options->runs > BENCH_RUNS_MAX)
		options->runs = BENCH_RUNS_MAX;
	int few = options->full ? program->few_full : program->few;
	options->few = options->runs < few ? options->runs : few;
	return 0;
}

int
bench_absent(const char *name, const char *why)
{
	char work[96];
	snprintf(work, sizeof work, "not measured: %s", why);
	struct bench_row row = bench_row_of(name, name, work);
	row.runs = 0;
	bench_row_print(&row, (struct bench_goal){0});
	return BENCH_GOOD;
}

static int
run(const struct bench_program *program, const struct bench_case *c)
{
	struct bench_load before = bench_load_now();
	int rc = c->run();
	double others = bench_load_of_others(&before);
	if (others > OTHERS_MAX)
		bench_row_note("%s: others took %.0f %% of the two cores meanwhile; "
			       "measure again when they are quiet",
			c->name, 100 * others);
	if (rc == BENCH_UNMEASURED)
		fprintf(stderr, "%s: %s: could not be measured\n", program->name, c->name);
	else if (rc == BENCH_FAILED)
		fprintf(stderr, "%s: %s: %s\n", program->name, c->name, program->failed);
	return rc;
}

int
bench_main(const struct bench_program *program, int argc, char **argv)
{
	const char *only = NULL;
	int wrong = parse(program, argc, argv, &only);
	if (wrong)
		return usage(program, wrong == 'h' ? stdout : stderr);
	bench_clock_init();
	bench_row_begin(program->options->json);
	if (bench_cores() < 2) {
		fprintf(stderr, "%s: needs two cores, and may use %d\n", program->name,
			bench_cores());
		return BENCH_UNMEASURED;
	}
	if (!crew_directory())
		return BENCH_UNMEASURED;
	bench_row_note("machine: %s; commit %s", bench_machine(), bench_commit());
	int rc = BENCH_GOOD, found = 0;
	for (const struct bench_case *c = program->cases; c->name; c++) {
		if (only && strcmp(c->name, only) != 0)
			continue;
		found = 1;
		rc = bench_worse(rc, run(program, c));
	}
	crew_directory_remove();
	return found ? rc : usage(program, stderr);
}
