/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/lib/draw.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/lib/row.h"

enum { FILES_MAX = 64 };

static const char *directory;
/* That have been begun: a file of an earlier run is not gone on with. */
static char begun[FILES_MAX][64];
static int begun_count;

int
draw_begin(const char *dir)
{
	if (!dir || directory)
		return 0;
	if (mkdir(dir, 0777) < 0 && errno != EEXIST) {
		fprintf(stderr, "bench: %s: %s\n", dir, strerror(errno));
		return -1;
	}
	directory = dir;
	return 0;
}

static FILE *
open_file(const char *name)
{
	char path[512];
	const char *mode = "we";
	if (!directory)
		return NULL;
	for (int i = 0; i < begun_count; i++)
		if (strcmp(begun[i], name) == 0)
			mode = "ae";
	if (*mode == 'w' && begun_count < FILES_MAX)
		snprintf(begun[begun_count++], sizeof begun[0], "%s", name);
	snprintf(path, sizeof path, "%s/%s.dat", directory, name);
	FILE *file = fopen(path, mode);
	if (!file)
		fprintf(stderr, "bench: %s: %s\n", path, strerror(errno));
	return file;
}

static void
put(FILE *file, double value)
{
	if (isfinite(value))
		fprintf(file, " %.6g", value);
	else
		fprintf(file, " NaN");
}

void
draw_bars(const char *name, const char *who, const struct stat_median *values, int count)
{
	FILE *file = open_file(name);
	if (!file)
		return;
	fprintf(file, "%s", who);
	for (int i = 0; i < count; i++) {
		put(file, values[i].median);
		put(file, values[i].lo);
		put(file, values[i].hi);
	}
	fprintf(file, "\n");
	fclose(file);
}

void
draw_line(const char *name, const struct slow_line *line)
{
	FILE *file = open_file(name);
	if (!file)
		return;
	for (int ms = 0; ms < SLOW_LINE_MS; ms++)
		if (line->worst_ns[ms] > 0)
			fprintf(file, "%.1f %.3f\n", ms - line->slow_from_ms,
				line->worst_ns[ms] / 1e3);
	fclose(file);
}

/* Where the program lies. */
static int
beside_program(const char *script, char *path, size_t size)
{
	char self[400];
	ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
	if (len <= 0)
		return -1;
	self[len] = 0;
	char *slash = strrchr(self, '/');
	if (!slash)
		return -1;
	*slash = 0;
	snprintf(path, size, "%s/%s", self, script);
	return access(path, R_OK);
}

void
draw_end(const char *script)
{
	char path[512];
	int status = 0;
	if (!directory)
		return;
	if (beside_program(script, path, sizeof path) < 0) {
		bench_row_note("no pictures, but their data: %s is not there", script);
		return;
	}
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		execlp("gnuplot", "gnuplot", "-c", path, directory, (char *)NULL);
		_exit(127);
	}
	if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
		WEXITSTATUS(status) == 0)
		bench_row_note("pictures are in %s", directory);
	else if (WEXITSTATUS(status) == 127)
		bench_row_note("no pictures, but their data in %s: gnuplot is not installed "
			       "(gnuplot-nox)",
			directory);
	else
		bench_row_note("no pictures, but their data in %s: gnuplot has failed",
			directory);
}
