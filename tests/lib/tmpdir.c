/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tests/lib/tmpdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char variable[] = "WEIR_TEST_DIR";

const char *
wr_tmpdir(void)
{
	const char *dir = getenv(variable);

	return dir ? dir : "";
}

char *
wr_tmpdir_path(char *buf, size_t size, const char *name)
{
	snprintf(buf, size, "%s/%s", wr_tmpdir(), name);
	return buf;
}

int
wr_tmpdir_make(void)
{
	const char *base = getenv("TMPDIR");
	char path[4096];

	snprintf(path, sizeof(path), "%s/weir-test-XXXXXX", base && *base ? base : "/tmp");
	if (!mkdtemp(path))
		return -errno;
	if (setenv(variable, path, 1) || setenv("WEIR_RUNTIME_DIR", path, 1))
		return -errno;
	/* What this machine's operator has set is not what is tested. */
	if (setenv("WEIR_CONF", "/dev/null", 1))
		return -errno;
	return 0;
}

/* Visits what is in the directory; counts it, or removes it. Takes the descriptor. */
static int
walk(int fd, int remove_it)
{
	DIR *dir = fdopendir(fd);
	struct dirent *e;
	struct stat st;
	int count = 0, sub;

	if (!dir) {
		close(fd);
		return -errno;
	}
	while ((e = readdir(dir))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		count++;
		if (S_ISDIR(st.st_mode)) {
			if (remove_it)
				fchmodat(fd, e->d_name, 0700, 0);
			sub = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (sub >= 0)
				sub = walk(sub, remove_it);
			if (sub > 0)
				count += sub;
		}
		if (remove_it)
			unlinkat(fd, e->d_name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
	}
	closedir(dir);
	return count;
}

int
wr_tmpdir_count(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : walk(fd, 0);
}

void
wr_tmpdir_remove(const char *path)
{
	int fd;

	if (chmod(path, 0700))
		return;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		walk(fd, 1);
	rmdir(path);
}
