/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "bus/os/limit.h"

#include "bus/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Kept free below a cgroup's limit: the kernel charges in batches per CPU, and page
 * tables and the program's own next allocations are charged to the same account.
 */
#define SPARE ((uint64_t)1 << 20)

/* A v1 limit that was never set is the largest multiple of a page in a signed long. */
#define NO_LIMIT ((uint64_t)1 << 62)

/* Where the numbers of our memory cgroup are, and the text that this was found from. */
struct home {
	bool v2;
	bool known;         /* dir is valid */
	size_t floor;       /* length of the mount point: no level lies above it */
	char self[2048];    /* /proc/self/cgroup as it was */
	char dir[PATH_MAX]; /* our cgroup's directory */
};

/* Reads a small file whole. Returns its length, or -1 with errno. Always ends buf. */
static ssize_t
slurp(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;

	buf[0] = '\0';
	if (fd < 0)
		return -1;
	while (have + 1 < size) {
		ssize_t n = read(fd, buf + have, size - 1 - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	buf[have] = '\0';
	close(fd);
	return (ssize_t)have;
}

/* "<proc>/<name>", where it fits into PATH_MAX. */
static bool
in_proc(const char *proc, const char *name, char *path)
{
	return (size_t)snprintf(path, PATH_MAX, "%s/%s", proc, name) < PATH_MAX;
}

/* Is `word` one of the comma-separated words of list? */
static bool
has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	while (*list) {
		size_t n = strcspn(list, ",");

		if (n == len && !memcmp(list, word, len))
			return true;
		list += n;
		list += *list == ',';
	}
	return false;
}

/*
 * Our path in the hierarchy that accounts memory, from lines "id:controllers:path". A v1
 * memory controller wins: on a hybrid machine the v2 tree then accounts nothing.
 */
static bool
own_path(const char *self, char *path, size_t size, bool *v2)
{
	char line[2048];
	bool found = false;

	while (*self) {
		size_t n = strcspn(self, "\n");
		char *list, *where;

		if (n < sizeof(line)) {
			memcpy(line, self, n);
			line[n] = '\0';
			list = strchr(line, ':');
			where = list ? strchr(list + 1, ':') : NULL;
			if (where) {
				bool v1 = false, unified = where == list + 1;

				*where++ = '\0';
				v1 = has_word(list + 1, "memory");
				if ((v1 || (unified && !found)) &&
					(size_t)snprintf(path, size, "%s", where) < size) {
					found = true;
					*v2 = !v1;
					if (v1)
						return true;
				}
			}
		}
		self += n;
		self += *self == '\n';
	}
	return found;
}

/* mountinfo writes space, tab, newline and backslash as \ooo. */
static void
unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' &&
			s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + s[3] - '0');
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/* Is this line of mountinfo the hierarchy that we look for? Then its root and point. */
static bool
mount_of(char *line, bool v2, char **root, char **point)
{
	char *field[6], *rest = line, *type, *options;

	for (int i = 0; i < 6; i++) {
		field[i] = strsep(&rest, " ");
		if (!field[i] || !rest)
			return false;
	}
	/* Optional fields follow, up to a single "-". */
	if (strncmp(rest, "- ", 2) != 0) {
		rest = strstr(rest, " - ");
		if (!rest)
			return false;
		rest++;
	}
	rest += 2;
	type = strsep(&rest, " ");
	if (!rest || !strsep(&rest, " ") || !rest)
		return false;
	options = rest;
	if (v2 ? strcmp(type, "cgroup2") != 0
	       : (strcmp(type, "cgroup") != 0 || !has_word(options, "memory")))
		return false;
	unescape(field[3]);
	unescape(field[4]);
	*root = field[3];
	*point = field[4];
	return true;
}

/* Joins the mount point and what of our path lies below the mount's root. */
static bool
set_dir(struct home *home, const char *root, const char *point, const char *path)
{
	size_t n = strlen(root);
	const char *below = path;
	int len;

	if (n == 1 && root[0] == '/')
		n = 0;
	if (n > 0 && (strncmp(path, root, n) || (path[n] != '/' && path[n] != '\0')))
		below = ""; /* Another namespace's view: the mount point is all we see. */
	else
		below = path + n;
	if (strstr(below, "/.."))
		below = "";
	len = snprintf(home->dir, sizeof(home->dir), "%s%s", point, below);
	if (len < 0 || (size_t)len >= sizeof(home->dir))
		return false;
	while (len > 1 && home->dir[len - 1] == '/')
		home->dir[--len] = '\0';
	home->floor = strlen(point);
	return true;
}

/* Finds the directory of our memory cgroup; home->self holds proc's self/cgroup. */
static void
find_home(struct home *home, const char *proc)
{
	char path[1024];
	char file[PATH_MAX];
	char *line = NULL;
	size_t room = 0;
	FILE *mounts;

	home->known = false;
	if (!own_path(home->self, path, sizeof(path), &home->v2))
		return;
	if (!in_proc(proc, "self/mountinfo", file))
		return;
	mounts = fopen(file, "re");
	if (!mounts)
		return;
	while (!home->known && getline(&line, &room, mounts) > 0) {
		char *root, *point;

		line[strcspn(line, "\n")] = '\0';
		if (mount_of(line, home->v2, &root, &point))
			home->known = set_dir(home, root, point, path);
	}
	free(line);
	fclose(mounts);
}

/* One number of a file that holds one number. "max" and what is absent is no limit. */
static bool
number_in(const char *dir, const char *file, char *path, size_t size, uint64_t *number)
{
	char text[64], *end;
	unsigned long long n;

	if ((size_t)snprintf(path, size, "%s/%s", dir, file) >= size ||
		slurp(path, text, sizeof(text)) <= 0)
		return false;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (end == text || errno)
		return false;
	*number = n;
	return true;
}

/* The number behind a word at the start of a line ("inactive_file 123"), or 0. */
static uint64_t
field_of(const char *text, const char *word)
{
	size_t len = strlen(word);

	while (*text) {
		if (!strncmp(text, word, len) && (text[len] == ' ' || text[len] == ':'))
			return strtoull(text + len + 1, NULL, 10);
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return 0;
}

/* Page cache that the kernel can drop before it kills: files' pages, not shared memory. */
static uint64_t
droppable(const char *dir, bool v2)
{
	char path[PATH_MAX + 32], text[8192];

	if ((size_t)snprintf(path, sizeof(path), "%s/memory.stat", dir) >= sizeof(path) ||
		slurp(path, text, sizeof(text)) <= 0)
		return 0;
	if (v2)
		return field_of(text, "inactive_file") + field_of(text, "active_file");
	return field_of(text, "total_inactive_file") + field_of(text, "total_active_file");
}

char *
wr_limit_bytes(uint64_t bytes, char *buf, uint32_t size)
{
	static const char *const unit[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	unsigned scale = 0;
	double value = (double)bytes / 1024;

	if (bytes < 1024) {
		snprintf(buf, size, "%" PRIu64 " B", bytes);
		return buf;
	}
	while (value >= 1024 && scale < 5) {
		value /= 1024;
		scale++;
	}
	snprintf(buf, size, "%.1f %s", value, unit[scale]);
	return buf;
}

static int
short_of_memory(struct weir_error *err, uint64_t need, uint64_t have, const char *file,
	uint64_t limit)
{
	char a[32], b[32], c[32];

	wr_error_set(err, WEIR_E_ENV_MEMORY, 0, "not enough memory for %s",
		wr_limit_bytes(need, a, sizeof(a)));
	if (limit)
		wr_error_differs(err, "needs %s, %s available, limit %s in %s", a,
			wr_limit_bytes(have, b, sizeof(b)),
			wr_limit_bytes(limit, c, sizeof(c)), file);
	else
		wr_error_differs(err, "needs %s, %s available in %s", a,
			wr_limit_bytes(have, b, sizeof(b)), file);
	return -WEIR_E_ENV_MEMORY;
}

/* One level of the hierarchy. */
static int
check_level(const char *dir, bool v2, uint64_t need, struct weir_error *err)
{
	char path[PATH_MAX + 32], other[PATH_MAX + 32];
	uint64_t limit, used, have;

	if (!number_in(dir, v2 ? "memory.max" : "memory.limit_in_bytes", path,
		    sizeof(path), &limit) ||
		limit >= NO_LIMIT ||
		!number_in(dir, v2 ? "memory.current" : "memory.usage_in_bytes", other,
			sizeof(other), &used))
		return 0;
	have = limit > used ? limit - used : 0;
	if (have >= SPARE && have - SPARE >= need)
		return 0;
	have += droppable(dir, v2);
	if (have > limit)
		have = limit;
	have = have > SPARE ? have - SPARE : 0;
	if (have >= need)
		return 0;
	return short_of_memory(err, need, have, path, limit);
}

static int
check_levels(struct home *home, uint64_t need, struct weir_error *err)
{
	char dir[PATH_MAX];
	size_t len;

	if (!home->known)
		return 0;
	memcpy(dir, home->dir, sizeof(dir));
	for (len = strlen(dir);;) {
		int rc = check_level(dir, home->v2, need, err);

		if (rc || len <= home->floor)
			return rc;
		while (len > home->floor && dir[len - 1] != '/')
			len--;
		while (len > home->floor && dir[len - 1] == '/')
			len--;
		dir[len] = '\0';
	}
}

/*
 * Where our cgroup is changes only when somebody moves us, so it is kept; whether that
 * happened is seen by reading one small file. Where another thread is at it, or was when
 * this process was forked, the work is done on the side: nobody waits here.
 */
static void
recall_home(struct home *home)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards kept */
	static struct home kept;
	bool stale = true;

	if (pthread_mutex_trylock(&lock) == 0) {
		stale = strcmp(home->self, kept.self) != 0;
		if (!stale)
			*home = kept;
		pthread_mutex_unlock(&lock);
	}
	if (!stale)
		return;
	find_home(home, "/proc");
	if (pthread_mutex_trylock(&lock) == 0) {
		kept = *home;
		pthread_mutex_unlock(&lock);
	}
}

static int
check_cgroup(const char *proc, uint64_t need, struct weir_error *err)
{
	char path[PATH_MAX];
	struct home home;

	if (!in_proc(proc, "self/cgroup", path) ||
		slurp(path, home.self, sizeof(home.self)) <= 0)
		return 0;
	if (!strcmp(proc, "/proc"))
		recall_home(&home);
	else
		find_home(&home, proc);
	return check_levels(&home, need, err);
}

/* What the machine has left; swap counts, as the kernel may move pages there. */
static int
check_machine(const char *proc, uint64_t need, struct weir_error *err)
{
	char path[PATH_MAX], text[4096];
	uint64_t have;

	if (!in_proc(proc, "meminfo", path) || slurp(path, text, sizeof(text)) <= 0 ||
		!strstr(text, "MemAvailable:"))
		return 0;
	have = (field_of(text, "MemAvailable") + field_of(text, "SwapFree")) * 1024;
	if (have >= need)
		return 0;
	return short_of_memory(err, need, have, path, 0);
}

int
wr_limit_memory_at(const char *proc, uint64_t need, struct weir_error *err)
{
	int rc = check_cgroup(proc, need, err);

	return rc ? rc : check_machine(proc, need, err);
}

int
wr_limit_memory(uint64_t need, struct weir_error *err)
{
	return wr_limit_memory_at("/proc", need, err);
}

/* The limit that getrlimit gave, if it gave one. */
static uint64_t
soft(int rc, const struct rlimit *limit)
{
	return rc != 0 || limit->rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit->rlim_cur;
}

int
wr_limit_fsize(uint64_t bytes, struct weir_error *err)
{
	struct rlimit rlimit;
	uint64_t limit = soft(getrlimit(RLIMIT_FSIZE, &rlimit), &rlimit);
	char a[32], b[32];

	if (bytes <= limit)
		return 0;
	wr_error_set(err, WEIR_E_ENV_FSIZE, 0,
		"a region of %s is larger than a file may be",
		wr_limit_bytes(bytes, a, sizeof(a)));
	wr_error_differs(err, "needs %s, RLIMIT_FSIZE is %s", a,
		wr_limit_bytes(limit, b, sizeof(b)));
	return -WEIR_E_ENV_FSIZE;
}

/* How many descriptors are open; 0 where nobody can tell. */
static uint64_t
open_files(void)
{
	struct stat st;
	uint64_t count = 0;
	DIR *dir;

	/* Since Linux 6.2 the directory's size is the number. */
	if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
		return (uint64_t)st.st_size;
	dir = opendir("/proc/self/fd");
	if (!dir)
		return 0;
	for (struct dirent *e = readdir(dir); e; e = readdir(dir))
		count += e->d_name[0] != '.';
	closedir(dir);
	return count ? count - 1 : 0; /* One of them was the directory itself. */
}

int
wr_limit_files(uint64_t need, struct weir_error *err)
{
	struct rlimit rlimit;
	uint64_t limit = soft(getrlimit(RLIMIT_NOFILE, &rlimit), &rlimit);
	uint64_t used = open_files();

	if (used <= limit && limit - used >= need)
		return 0;
	wr_error_set(err, WEIR_E_ENV_FILES, 0,
		"no room for %" PRIu64 " file descriptor%s", need, need == 1 ? "" : "s");
	wr_error_differs(err,
		"needs %" PRIu64 ", %" PRIu64 " are open, RLIMIT_NOFILE is %" PRIu64,
		need, used, limit);
	return -WEIR_E_ENV_FILES;
}

int
wr_limit_space(uint64_t bytes, struct weir_error *err)
{
	struct rlimit rlimit;
	uint64_t limit = soft(getrlimit(RLIMIT_AS, &rlimit), &rlimit);
	uint64_t used = 0;
	char text[128], a[32], b[32], c[32];

	if (limit == UINT64_MAX)
		return 0;
	if (slurp("/proc/self/statm", text, sizeof(text)) > 0)
		used = strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
	if (used <= limit && limit - used >= bytes)
		return 0;
	wr_error_set(err, WEIR_E_ENV_MAPS, 0, "no address space for %s",
		wr_limit_bytes(bytes, a, sizeof(a)));
	wr_error_differs(err, "needs %s, %s in use, RLIMIT_AS is %s", a,
		wr_limit_bytes(used, b, sizeof(b)), wr_limit_bytes(limit, c, sizeof(c)));
	return -WEIR_E_ENV_MAPS;
}
