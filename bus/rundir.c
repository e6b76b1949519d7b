/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "bus/rundir.h"

#include "bus/error.h"
#include "bus/os/thread.h"
#include "bus/topic.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

/* The modes of a bus directory. */
enum { PRIVATE = 0700, GROUP = 02770, USERS = 01777 };

enum {
	NODE_DIGITS = 16,
	NAME_SIZE = 32,      /* of a socket's name, and of a temporary one */
	BACKLOG = 256,       /* every other process may knock at once */
	ENTRIES_MAX = 65536, /* a directory that somebody filled must not hold us up */
	FRESH_S = 10,        /* a temporary name this young may be about to listen */
	BIND_TRIES = 8
};

#define TEMPORARY ".tmp"

/* "uid 1000 (alice)". */
static const char *
person(uid_t uid, char *buf, size_t size)
{
	struct passwd entry, *found = NULL;
	char space[1024];

	if (getpwuid_r(uid, &entry, space, sizeof(space), &found) == 0 && found)
		snprintf(buf, size, "uid %u (%.40s)", uid, found->pw_name);
	else
		snprintf(buf, size, "uid %u", uid);
	return buf;
}

/* ---- the runtime directory ---------------------------------------------------------- */

/* Is it opened for others on purpose? */
static bool
on_purpose(const struct wr_rundir_opts *opts)
{
	return opts->group || opts->users;
}

/* Where the name of the runtime directory comes from, for messages. */
struct base {
	char path[PATH_MAX];
	const char *from;
};

static int
name_base(struct base *base, const char *dir, struct weir_error *err)
{
	const char *asked = dir, *own = getenv("WEIR_RUNTIME_DIR"),
		   *xdg = getenv("XDG_RUNTIME_DIR");
	struct stat st;
	size_t len;
	int n;

	if (asked && *asked) {
		base->from = "the caller";
		n = snprintf(base->path, sizeof(base->path), "%s", asked);
	} else if (own && *own) {
		base->from = "$WEIR_RUNTIME_DIR";
		n = snprintf(base->path, sizeof(base->path), "%s", own);
	} else if (xdg && *xdg) {
		base->from = "$XDG_RUNTIME_DIR/weir";
		n = snprintf(base->path, sizeof(base->path), "%s/weir", xdg);
		/* After su the variable may still name somebody else's. */
		if (stat(xdg, &st) == 0 && st.st_uid != geteuid()) {
			char a[64], b[64];

			wr_error_set(err, WEIR_E_ENV_UNSAFE, 0,
				"XDG_RUNTIME_DIR=%.120s belongs to somebody else", xdg);
			wr_error_differs(err, "owner %s; we are %s",
				person(st.st_uid, a, sizeof(a)),
				person(geteuid(), b, sizeof(b)));
			wr_error_try(err,
				"unset XDG_RUNTIME_DIR, or set "
				"WEIR_RUNTIME_DIR to a directory of yours");
			return -WEIR_E_ENV_UNSAFE;
		}
	} else {
		base->from = "default";
		n = snprintf(base->path, sizeof(base->path), "/tmp/weir-%u", geteuid());
	}
	if (n < 0 || (size_t)n >= sizeof(base->path)) {
		wr_error_set(err, WEIR_E_ENV_NODIR, ENAMETOOLONG,
			"the path of the runtime directory is too long");
		wr_error_where(err, "%s", base->from);
		return -WEIR_E_ENV_NODIR;
	}
	/* With a slash behind it a symbolic link would be followed. */
	for (len = strlen(base->path); len > 1 && base->path[len - 1] == '/'; len--)
		base->path[len - 1] = '\0';
	return 0;
}

/* A directory that cannot be used as it is: path, owner, mode, and what to do. */
static int
unsafe(struct weir_error *err, const char *what, const char *path, const struct stat *st)
{
	char a[64], b[64];

	wr_error_set(err, WEIR_E_ENV_UNSAFE, 0, "%.170s %s", path, what);
	wr_error_differs(err, "owner %s, mode %04o; we are %s",
		person(st->st_uid, a, sizeof(a)), (unsigned)st->st_mode & 07777,
		person(geteuid(), b, sizeof(b)));
	return -WEIR_E_ENV_UNSAFE;
}

static int
check_base(const struct wr_rundir_opts *opts, const struct base *base, int fd,
	struct weir_error *err)
{
	bool shared = on_purpose(opts) || opts->look;
	struct stat st;
	int rc = 0;

	if (fstat(fd, &st) != 0)
		return wr_error_os(err, errno, "fstat of the runtime directory failed");
	if (st.st_uid != geteuid() && st.st_uid != 0 && !shared) {
		rc = unsafe(err, "belongs to somebody else", base->path, &st);
		wr_error_try(err,
			"set WEIR_RUNTIME_DIR to a directory of yours, or open "
			"the bus for a group on purpose");
	} else if ((st.st_mode & S_IWOTH) && !(st.st_mode & S_ISVTX)) {
		rc = unsafe(err, "can be written to by anybody", base->path, &st);
		wr_error_try(err, "chmod o-w %.120s, or make it sticky (chmod +t)",
			base->path);
	} else if ((st.st_mode & S_IWGRP) && !(st.st_mode & S_ISVTX) && !shared) {
		rc = unsafe(err, "can be written to by its group", base->path, &st);
		wr_error_try(err,
			"chmod g-w %.120s, or open the bus for the group on "
			"purpose",
			base->path);
	}
	if (rc)
		wr_error_where(err, "bus %.60s, runtime directory chosen by %s",
			opts->bus ? opts->bus : "-", base->from);
	return rc;
}

static int
no_base(const struct wr_rundir_opts *opts, const struct base *base, int os,
	const char *what, struct weir_error *err)
{
	struct stat st;

	if ((os == ENOTDIR || os == ELOOP) && lstat(base->path, &st) == 0) {
		unsafe(err,
			S_ISLNK(st.st_mode) ? "is a symbolic link" : "is not a directory",
			base->path, &st);
		wr_error_try(err, "name the directory itself, not a link to it");
	} else if (opts->look && os == ENOENT) {
		wr_error_set(err, WEIR_E_ENV_NOTFOUND, os, "there is no bus '%.100s'",
			opts->bus ? opts->bus : "-");
	} else if (os == EMFILE || os == ENFILE || os == ENOMEM) {
		wr_error_os(err, os, what);
	} else {
		wr_error_set(err, WEIR_E_ENV_NODIR, os,
			"the runtime directory %.120s %s", base->path, what);
		if (os == EACCES)
			wr_error_try(err,
				"set WEIR_RUNTIME_DIR to a directory that you "
				"may enter, or have it opened for you (chmod a+x)");
	}
	wr_error_where(err, "bus %.60s, runtime directory chosen by %s",
		opts->bus ? opts->bus : "-", base->from);
	if ((os == ENOTDIR || os == ELOOP))
		return -WEIR_E_ENV_UNSAFE;
	if (opts->look && os == ENOENT)
		return -WEIR_E_ENV_NOTFOUND;
	if (os == EMFILE || os == ENFILE || os == ENOMEM)
		return -wr_error_from_errno(os);
	return -WEIR_E_ENV_NODIR;
}

/* Opens the runtime directory: a descriptor for names below it, or < 0. */
static int
open_base(const struct wr_rundir_opts *opts, struct base *base, struct weir_error *err)
{
	bool made = false;
	int fd, rc = name_base(base, opts->dir, err);

	if (rc)
		return rc;
	if (!opts->look) {
		made = mkdir(base->path, PRIVATE) == 0;
		if (!made && errno != EEXIST)
			return no_base(opts, base, errno, "cannot be made", err);
	}
	fd = open(base->path,
		(made ? O_RDONLY : O_PATH) | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return no_base(opts, base, errno, "cannot be opened", err);
	/* Those for whom the bus is meant must be able to come by. */
	if (made && fchmod(fd, on_purpose(opts) ? 0755 : PRIVATE) != 0) {
		rc = wr_error_os(err, errno, "fchmod of the runtime directory failed");
		close(fd);
		return rc;
	}
	rc = check_base(opts, base, fd, err);
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

/* ---- the directory of a bus --------------------------------------------------------- */

int
wr_rundir_access(const struct wr_rundir_opts *opts, struct wr_access *list,
	struct weir_error *err)
{
	int rc = wr_access_parse(list, opts->users, err);
	gid_t gid;

	if (rc || !opts->group)
		return rc;
	if (list->count == WR_ACCESS_MAX)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"more than %d users and groups", WR_ACCESS_MAX);
	if (wr_access_group(opts->group, &gid) != 0)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"there is no group '%.100s'", opts->group);
	list->entry[list->count].id = gid;
	list->entry[list->count].group = true;
	list->count++;
	return 0;
}

mode_t
wr_rundir_socket_mode(const struct wr_rundir_opts *opts)
{
	return opts->users ? 0666 : opts->group ? 0660 : 0600;
}

/* Does anybody live here? Where nobody can tell, somebody does. */
static bool
inhabited(int fd)
{
	int count = wr_rundir_scan(fd, NULL, 0);

	return count != 0;
}

static int
set_mode(int fd, mode_t mode, gid_t gid, const char *path, struct weir_error *err)
{
	/* The group first: changing it may clear bits of the mode. */
	if (mode == GROUP && fchown(fd, (uid_t)-1, gid) != 0) {
		int os = errno;

		wr_error_set(err, WEIR_E_ENV_DENIED, os,
			"%.120s cannot be given to group %u", path, gid);
		wr_error_try(err, "open it for a group that you are a member of");
		return -WEIR_E_ENV_DENIED;
	}
	if (fchmod(fd, mode) != 0)
		return wr_error_os(err, errno, "fchmod of the bus directory failed");
	return 0;
}

/* The directory is ours: gives it the mode that is asked for, where that is right. */
static int
settle_own(int fd, const struct stat *st, mode_t want, gid_t gid, const char *path,
	struct weir_error *err)
{
	mode_t mode = st->st_mode & 07777;
	bool opened = mode == GROUP || mode == USERS;

	if (mode == want && (want != GROUP || st->st_gid == gid))
		return 0;
	if (!opened && (mode & (S_IWGRP | S_IWOTH))) {
		unsafe(err, "could be written to by others", path, st);
		wr_error_try(err, "look at what is in it, then remove it");
		return -WEIR_E_ENV_UNSAFE;
	}
	if (!opened)
		return set_mode(fd, want, gid, path, err);
	if (want != PRIVATE && inhabited(fd)) {
		unsafe(err, "is open for others than asked for", path, st);
		wr_error_try(err,
			"ask for the same group or users as the processes that "
			"are on the bus, or stop them first");
		return -WEIR_E_ENV_UNSAFE;
	}
	if (want != PRIVATE)
		return set_mode(fd, want, gid, path, err);
	/*
	 * Once opened for others, by us. It becomes private again when nobody is left;
	 * who comes in just now either is seen here, or sees it (wr_rundir_bind).
	 */
	if (inhabited(fd))
		return 0;
	if (fchmod(fd, PRIVATE) != 0)
		return wr_error_os(err, errno, "fchmod of the bus directory failed");
	if (inhabited(fd))
		return set_mode(fd, mode, st->st_gid, path, err);
	return 0;
}

/* The directory is somebody else's: only as its owner means it, and as we asked. */
static int
settle_other(const struct wr_rundir_opts *opts, const struct stat *st, gid_t gid,
	const struct wr_access *list, const char *path, struct weir_error *err)
{
	mode_t mode = st->st_mode & 07777;

	if (opts->look)
		return 0;
	if (!on_purpose(opts)) {
		unsafe(err, "belongs to somebody else", path, st);
		wr_error_try(err,
			"set WEIR_RUNTIME_DIR to a directory of yours; if it is "
			"opened for a group or users, name them");
		return -WEIR_E_ENV_UNSAFE;
	}
	/* A member alone can give a directory to a group. */
	if (opts->group && mode == GROUP && st->st_gid == gid)
		return 0;
	if (mode == USERS && wr_access_allows(list, st->st_uid, NULL, 0))
		return 0;
	unsafe(err, "is not open as asked for", path, st);
	wr_error_try(err,
		"ask its owner to open it for you, and name the same group or "
		"users");
	return -WEIR_E_ENV_UNSAFE;
}

static int
open_bus(const struct wr_rundir_opts *opts, int base, const char *path,
	struct weir_error *err)
{
	mode_t want = opts->users ? USERS : opts->group ? GROUP : PRIVATE;
	struct wr_access list;
	struct stat st;
	gid_t gid = (gid_t)-1;
	bool made = false;
	int fd, rc = wr_rundir_access(opts, &list, err);

	if (rc)
		return rc;
	if (opts->group && wr_access_group(opts->group, &gid) != 0)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"there is no group '%.100s'", opts->group);
	if (!opts->look) {
		made = mkdirat(base, opts->bus, PRIVATE) == 0;
		if (!made && errno != EEXIST)
			return wr_error_set(err, WEIR_E_ENV_NODIR, errno,
				"%.150s cannot be made", path);
	}
	/* Who it belongs to is seen even where we may not enter. */
	if (fstatat(base, opts->bus, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		if (errno == ENOENT && opts->look)
			return wr_error_set(err, WEIR_E_ENV_NOTFOUND, 0,
				"there is no bus '%.100s'", opts->bus);
		return wr_error_set(err, WEIR_E_ENV_NODIR, errno,
			"%.150s cannot be examined", path);
	}
	if (!S_ISDIR(st.st_mode)) {
		unsafe(err,
			S_ISLNK(st.st_mode) ? "is a symbolic link" : "is not a directory",
			path, &st);
		wr_error_try(err, "look at it, then remove it");
		return -WEIR_E_ENV_UNSAFE;
	}
	if (st.st_uid != geteuid()) {
		rc = settle_other(opts, &st, gid, &list, path, err);
		if (rc)
			return rc;
	}
	fd = openat(base, opts->bus, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		rc = wr_error_set(err, wr_error_from_errno(errno), errno,
			"%.150s cannot be opened", path);
		return rc;
	}
	/* Judged again, now that nobody can exchange it any more. */
	if (fstat(fd, &st) != 0)
		rc = wr_error_os(err, errno, "fstat of the bus directory failed");
	else if (st.st_uid != geteuid())
		rc = settle_other(opts, &st, gid, &list, path, err);
	else if (made)
		rc = set_mode(fd, want, gid, path, err);
	else if (!opts->look)
		rc = settle_own(fd, &st, want, gid, path, err);
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

int
wr_rundir_open(const struct wr_rundir_opts *opts, int *dirfd, char *path_out,
	size_t size, struct weir_error *err)
{
	char path[PATH_MAX + WEIR_NAME_MAX + 2];
	struct base base;
	int fd, rc;

	*dirfd = -1;
	rc = wr_name_check(opts->bus);
	if (rc) {
		wr_error_set(err, WEIR_E_USAGE_NAME, 0, "'%.100s' cannot name a bus",
			opts->bus ? opts->bus : "");
		return rc;
	}
	fd = open_base(opts, &base, err);
	if (fd < 0)
		return fd;
	snprintf(path, sizeof(path), "%s/%s", base.path, opts->bus);
	rc = open_bus(opts, fd, path, err);
	close(fd);
	if (rc < 0) {
		if (err && !err->where[0])
			wr_error_where(err, "bus %.60s, runtime directory chosen by %s",
				opts->bus, base.from);
		return rc;
	}
	*dirfd = rc;
	if (path_out && size)
		snprintf(path_out, size, "%s", path);
	return 0;
}

/* ---- sockets in it ------------------------------------------------------------------ */

static void
socket_name(char *name, uint64_t node)
{
	snprintf(name, NAME_SIZE, "%016" PRIx64, node);
}

static bool
node_of(const char *name, size_t len, uint64_t *node)
{
	uint64_t value = 0;

	if (len != NODE_DIGITS)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (c >= '0' && c <= '9')
			value = value << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*node = value;
	return true;
}

/* ".<16 hex digits>.tmp" */
static bool
is_temporary(const char *name)
{
	uint64_t node;

	return name[0] == '.' && strlen(name) == 1 + NODE_DIGITS + strlen(TEMPORARY) &&
		node_of(name + 1, NODE_DIGITS, &node) &&
		!strcmp(name + 1 + NODE_DIGITS, TEMPORARY);
}

/* bind or connect to a name in a directory. */
struct at {
	int dirfd;
	int fd;
	const char *name;
	int (*call)(int fd, const struct sockaddr *addr, socklen_t len);
	int os;
};

static int
call_path(const struct at *at, const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (at->call(at->fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
		return 0;
	return errno;
}

/*
 * A thread with a working directory and a umask of its own: the program's are not ours to
 * change.
 */
static void *
call_from_inside(void *arg)
{
	struct at *at = arg;

	if (unshare(CLONE_FS) != 0 || fchdir(at->dirfd) != 0) {
		at->os = errno;
	} else {
		umask(0); /* The socket was given its mode before. */
		at->os = call_path(at, at->name);
	}
	return NULL;
}

static int
call_by_thread(struct at *at)
{
	pthread_t thread;
	int os = wr_thread_start(&thread, "weir-call", call_from_inside, at);

	if (os)
		return os;
	pthread_join(thread, NULL);
	return at->os;
}

/* Does /proc show our descriptors? */
static bool
proc_shows(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
		a.st_ino == b.st_ino;
}

/*
 * The address of a unix socket holds 107 bytes, a path may have 4,095: so the name is
 * taken relative to the directory, through /proc where it is there. 0 or errno.
 */
static int
call_at(int dirfd, int fd, const char *name,
	int (*call)(int fd, const struct sockaddr *addr, socklen_t len))
{
	struct at at = {.dirfd = dirfd, .fd = fd, .name = name, .call = call};
	char dir[32], path[32 + NAME_SIZE];
	int os;

	snprintf(dir, sizeof(dir), "/proc/self/fd/%d", dirfd);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	os = call_path(&at, path);
	if ((os == ENOENT || os == EACCES || os == ENOTDIR) && !proc_shows(dirfd, dir))
		os = call_by_thread(&at);
	return os;
}

static int
new_socket(int type)
{
	return socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/*
 * Is there a socket behind the name? A knock with a socket of another kind is turned away
 * by the kernel itself: EPROTOTYPE if somebody has it, ECONNREFUSED if nobody does.
 */
static bool
is_stale(int dirfd, const char *name)
{
	int fd = new_socket(SOCK_DGRAM), os;

	if (fd < 0)
		return false;
	os = call_at(dirfd, fd, name, connect);
	close(fd);
	return os == ECONNREFUSED;
}

/* Gives a bound socket its mode, if a umask took some. Never through a link. */
static int
fix_mode(int dirfd, const char *name, mode_t mode)
{
	int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	char path[40];
	int os = 0;

	if (fd < 0)
		return errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fstat(fd, &st) != 0)
		os = errno;
	else if (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid())
		os = EEXIST;
	else if ((st.st_mode & 0777) != mode && chmod(path, mode) != 0)
		os = errno;
	close(fd);
	return os;
}

/* Puts a listening socket into the directory. 0, or errno with *what the call. */
static int
place(int dirfd, int fd, const char *name, const char *temporary, mode_t mode,
	const char **what)
{
	int os;

	/* The mode of an unbound socket is that of its future name. */
	(void)fchmod(fd, mode);
	*what = "bind";
	os = call_at(dirfd, fd, temporary, bind);
	if (os == EADDRINUSE && is_stale(dirfd, temporary) &&
		unlinkat(dirfd, temporary, 0) == 0)
		os = call_at(dirfd, fd, temporary, bind);
	if (os)
		return os;
	*what = "chmod of the socket";
	os = fix_mode(dirfd, temporary, mode);
	if (!os) {
		*what = "listen";
		os = listen(fd, BACKLOG) == 0 ? 0 : errno;
	}
	if (!os) {
		*what = "rename of the socket";
		if (renameat2(dirfd, temporary, dirfd, name, RENAME_NOREPLACE) != 0)
			os = errno;
		if (os == EEXIST && is_stale(dirfd, name))
			os = renameat(dirfd, temporary, dirfd, name) == 0 ? 0 : errno;
		/* A file system or kernel that does not know the flag. */
		if (os == EINVAL || os == ENOSYS)
			os = renameat(dirfd, temporary, dirfd, name) == 0 ? 0 : errno;
	}
	if (os)
		(void)unlinkat(dirfd, temporary, 0);
	return os;
}

/* What visit does with one entry; a value other than 0 ends the walk. */
typedef int (*entry_fn)(int dirfd, const char *name, bool temporary, void *arg);

/* Calls fn for every socket name of ours. 0, fn's value, or -ENV_*. */
static int
visit(int dirfd, entry_fn fn, void *arg)
{
	/* A descriptor of its own has a position of its own. */
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	struct dirent *entry;
	DIR *dir;

	if (fd < 0)
		return -wr_error_from_errno(errno);
	dir = fdopendir(fd);
	if (!dir) {
		rc = -wr_error_from_errno(errno);
		close(fd);
		return rc;
	}
	for (int i = 0; rc == 0 && i < ENTRIES_MAX && (entry = readdir(dir)); i++) {
		bool temporary = is_temporary(entry->d_name);
		uint64_t node;

		if (entry->d_type != DT_SOCK && entry->d_type != DT_UNKNOWN)
			continue;
		if (temporary || node_of(entry->d_name, strlen(entry->d_name), &node))
			rc = fn(dirfd, entry->d_name, temporary, arg);
	}
	closedir(dir);
	return rc;
}

struct sweep {
	int count;
	bool remove;
};

static int
sweep_entry(int dirfd, const char *name, bool temporary, void *arg)
{
	struct sweep *sweep = arg;
	struct timespec now;
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISSOCK(st.st_mode))
		return 0;
	/* Between its making and its binding a name looks abandoned for a moment. */
	clock_gettime(CLOCK_REALTIME, &now);
	if (temporary && now.tv_sec >= st.st_mtim.tv_sec &&
		now.tv_sec - st.st_mtim.tv_sec < FRESH_S)
		return 0;
	if (!is_stale(dirfd, name))
		return 0;
	/* In a sticky directory others' left-overs are theirs, or the owner's, to remove. */
	if (sweep->remove && unlinkat(dirfd, name, 0) != 0) {
		if (errno == ENOENT)
			return 0;
		if (errno != EPERM && errno != EACCES)
			return -wr_error_from_errno(errno);
	}
	sweep->count++;
	return 0;
}

static int
sweep_temporary(int dirfd, const char *name, bool temporary, void *arg)
{
	struct sweep sweep = {.remove = true};

	(void)arg;
	return temporary ? sweep_entry(dirfd, name, temporary, &sweep) : 0;
}

int
wr_rundir_bind(int dirfd, uint64_t node, mode_t mode, int *fd, struct weir_error *err)
{
	char name[NAME_SIZE], temporary[NAME_SIZE];
	const char *what = "socket";
	struct stat st;
	int s = -1, os = ENOENT;

	*fd = -1;
	socket_name(name, node);
	snprintf(temporary, sizeof(temporary), ".%016" PRIx64 TEMPORARY, node);
	/* Somebody who cleans up may take the temporary name for a left-over. */
	for (int try = 0; os == ENOENT && try < BIND_TRIES; try++) {
		if (s >= 0)
			close(s);
		s = new_socket(SOCK_SEQPACKET);
		os = s < 0 ? errno : place(dirfd, s, name, temporary, mode, &what);
	}
	if (os) {
		if (s >= 0)
			close(s);
		if (os == EEXIST)
			return wr_error_set(err, WEIR_E_USAGE_INVAL, os,
				"another node is called %s", name);
		return wr_error_set(err, wr_error_from_errno(os), os,
			"%s of %s in the bus directory failed", what, name);
	}
	if (wr_rundir_scan(dirfd, NULL, WEIR_PROCESSES_MAX) > WEIR_PROCESSES_MAX) {
		(void)unlinkat(dirfd, name, 0);
		close(s);
		wr_error_set(err, WEIR_E_AGAIN_QUOTA, 0,
			"%d processes are on the bus already", WEIR_PROCESSES_MAX);
		return -WEIR_E_AGAIN_QUOTA;
	}
	/* The other half of settle_own: somebody took the bus for an empty one. */
	if ((mode & 0066) && fstat(dirfd, &st) == 0 && st.st_uid == geteuid() &&
		(st.st_mode & 07777) == PRIVATE)
		(void)fchmod(dirfd, mode & 0006 ? USERS : GROUP);
	/* Who died before its name was right is known to nobody: the next to come clears up. */
	(void)visit(dirfd, sweep_temporary, NULL);
	*fd = s;
	return 0;
}

int
wr_rundir_connect(int dirfd, uint64_t node, int *fd)
{
	char name[NAME_SIZE];
	int s, os;

	*fd = -1;
	socket_name(name, node);
	s = new_socket(SOCK_SEQPACKET);
	if (s < 0)
		return -wr_error_from_errno(errno);
	os = call_at(dirfd, s, name, connect);
	errno = os;
	if (os == 0) {
		*fd = s;
		return 0;
	}
	close(s);
	errno = os;
	switch (os) {
	case ECONNREFUSED:
	case ENOENT:
		return -WEIR_E_PEER_DIED;
	case EAGAIN:
		return -WEIR_E_PEER_PENDING;
	default:
		return -wr_error_from_errno(os);
	}
}

struct scan {
	uint64_t *nodes;
	int max;
	int count;
	bool probe;
};

static int
scan_entry(int dirfd, const char *name, bool temporary, void *arg)
{
	struct scan *scan = arg;
	uint64_t node;

	if (temporary || !node_of(name, strlen(name), &node))
		return 0;
	if (scan->probe && is_stale(dirfd, name))
		return 0;
	if (scan->nodes && scan->count < scan->max)
		scan->nodes[scan->count] = node;
	scan->count++;
	return 0;
}

int
wr_rundir_scan(int dirfd, uint64_t *nodes, int max)
{
	struct scan scan = {.nodes = nodes, .max = max};
	int rc = visit(dirfd, scan_entry, &scan);

	/* So many can only be there with left-overs; those count for nothing. */
	if (rc == 0 && scan.count > max) {
		scan.count = 0;
		scan.probe = true;
		rc = visit(dirfd, scan_entry, &scan);
	}
	return rc ? rc : scan.count;
}

int
wr_rundir_remove(int dirfd, uint64_t node)
{
	char name[NAME_SIZE];

	socket_name(name, node);
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	return -wr_error_from_errno(errno);
}

int
wr_rundir_sweep(int dirfd, bool remove)
{
	struct sweep sweep = {.remove = remove};
	int rc = visit(dirfd, sweep_entry, &sweep);

	return rc ? rc : sweep.count;
}

int
wr_rundir_buses(const char *dir, char (*names)[WEIR_NAME_MAX + 1], size_t max,
	struct weir_error *err)
{
	struct wr_rundir_opts opts = {.dir = dir, .look = true};
	struct dirent *entry;
	struct base base;
	size_t count = 0;
	DIR *list;
	int fd = open_base(&opts, &base, err);

	if (fd == -WEIR_E_ENV_NOTFOUND) {
		wr_error_clear(err);
		return 0;
	}
	if (fd < 0)
		return fd;
	{
		int readable = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		int os = errno;

		close(fd);
		if (readable < 0)
			return wr_error_set(err, wr_error_from_errno(os), os,
				"%.150s cannot be read", base.path);
		fd = readable;
	}
	list = fdopendir(fd);
	if (!list) {
		int os = errno;

		close(fd);
		return wr_error_os(err, os, "fdopendir failed");
	}
	for (int i = 0; i < ENTRIES_MAX && (entry = readdir(list)); i++) {
		int bus;

		if (wr_name_check(entry->d_name) != 0)
			continue;
		bus = openat(fd, entry->d_name,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (bus < 0)
			continue;
		if (wr_rundir_scan(bus, NULL, WEIR_PROCESSES_MAX) > 0) {
			if (names && count < max)
				memcpy(names[count], entry->d_name,
					strlen(entry->d_name) + 1);
			count++;
		}
		close(bus);
	}
	closedir(list);
	return (int)count;
}
