/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tests/lib/fdleak.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
by_fd(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

void
wr_fds_take(struct wr_fds *fds)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;
	struct stat st;
	int i;

	fds->count = 0;
	if (!dir)
		return;
	while ((e = readdir(dir)) && fds->count < WR_FDS_MAX) {
		int fd = atoi(e->d_name);

		if (e->d_name[0] != '.' && fd != dirfd(dir))
			fds->fd[fds->count++] = fd;
	}
	closedir(dir);
	qsort(fds->fd, (size_t)fds->count, sizeof(fds->fd[0]), by_fd);
	for (i = 0; i < fds->count; i++) {
		char path[64];

		/* By name: the thread sanitizer takes fstat for a use, and reports that a thread of the
		 * bus closes it later. */
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fds->fd[i]);
		fds->inode[i] = stat(path, &st) ? 0 : st.st_ino;
	}
}

static int
known(const struct wr_fds *fds, int fd, unsigned long long inode)
{
	int i;

	for (i = 0; i < fds->count; i++)
		if (fds->fd[i] == fd && fds->inode[i] == inode)
			return 1;
	return 0;
}

int
wr_fds_new(const struct wr_fds *before)
{
	struct wr_fds *now = malloc(sizeof(*now));
	int i, count = 0;

	if (!now)
		return -1;
	wr_fds_take(now);
	for (i = 0; i < now->count; i++) {
		char path[64], what[256];
		ssize_t n;

		if (known(before, now->fd[i], now->inode[i]))
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", now->fd[i]);
		n = readlink(path, what, sizeof(what) - 1);
		what[n > 0 ? n : 0] = '\0';
		fprintf(stderr, "descriptor %d is still open: %s\n", now->fd[i], what);
		count++;
	}
	free(now);
	return count;
}

int
wr_maps_count(const char *text)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[4400];
	int count = 0;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		if (strstr(line, text))
			count++;
	fclose(f);
	return count;
}
