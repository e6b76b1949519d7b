/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/rundir.h"

#include "bus/error.h"
#include "tests/lib/child.h"
#include "tests/lib/fdleak.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Users and groups of these tests; they need no entry in the user database. */
enum { ALICE = 4001, BOB = 4002, CAROL = 4003, PLANT = 5001 };

static void
only_root(void)
{
	if (geteuid() != 0)
		TEST_SKIP("only root can become another user");
}

/* A path below the test's directory. Eight can be in use at once. */
static const char *
below(const char *name)
{
	static char path[8][512];
	static int next;

	return wr_tmpdir_path(path[next++ & 7], sizeof(path[0]), name);
}

/* Opens; the descriptor, or the error. */
static int
open_as(const struct wr_rundir_opts *opts, struct weir_error *err)
{
	char path[600];
	int fd, rc = wr_rundir_open(opts, &fd, path, sizeof(path), err);

	if (rc) {
		CHECK_EQ(fd, -1);
		return rc;
	}
	CHECK(path[0]);
	return fd;
}

static int
open_bus(const char *dir)
{
	struct wr_rundir_opts opts = {.dir = dir, .bus = "bus"};
	struct weir_error err = {0};
	int fd = open_as(&opts, &err);

	if (fd < 0)
		FAIL("%s", err.text);
	REQUIRE(fd >= 0);
	return fd;
}

/* The mode of a path, with a 0 in front: 02770 and so on; -1 if it is not there. */
static int
mode_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 ? (int)(st.st_mode & 07777) : -1;
}

static int
listener(int dirfd, uint64_t node)
{
	struct weir_error err = {0};
	int fd, rc = wr_rundir_bind(dirfd, node, 0600, &fd, &err);

	if (rc)
		FAIL("bind: %s", err.text);
	REQUIRE_EQ(rc, 0);
	return fd;
}

/* Leaves what a death leaves: a name that nobody is behind. */
static void
leave(int dirfd, uint64_t node)
{
	close(listener(dirfd, node));
}

/* ---- which directory ----------------------------------------------------------------- */

static void
chosen_in_this_order(void)
{
	struct wr_rundir_opts opts = {.bus = "bus"};
	struct weir_error err;
	char path[512];
	int fd;

	REQUIRE_EQ(mkdir(below("env"), 0700), 0);
	REQUIRE_EQ(mkdir(below("xdg"), 0700), 0);
	REQUIRE_EQ(mkdir(below("asked"), 0700), 0);
	setenv("WEIR_RUNTIME_DIR", below("env"), 1);
	setenv("XDG_RUNTIME_DIR", below("xdg"), 1);

	opts.dir = below("asked");
	REQUIRE_EQ(wr_rundir_open(&opts, &fd, path, sizeof(path), &err), 0);
	close(fd);
	CHECK_STR(path, below("asked/bus"));
	CHECK_EQ(mode_of(below("asked/bus")), 0700);

	opts.dir = NULL;
	REQUIRE_EQ(wr_rundir_open(&opts, &fd, path, sizeof(path), &err), 0);
	close(fd);
	CHECK_STR(path, below("env/bus"));

	opts.dir = "";
	setenv("WEIR_RUNTIME_DIR", "", 1);
	REQUIRE_EQ(wr_rundir_open(&opts, &fd, path, sizeof(path), &err), 0);
	close(fd);
	CHECK_STR(path, below("xdg/weir/bus"));
	CHECK_EQ(mode_of(below("xdg/weir")), 0700);
	CHECK_EQ(wr_tmpdir_count(below("xdg")), 2);
	/* Where to write the path is up to the caller. */
	REQUIRE_EQ(wr_rundir_open(&opts, &fd, NULL, 0, NULL), 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}

static void
default_in_private_tmp(struct wr_outcome *out, void *arg)
{
	struct wr_rundir_opts opts = {.bus = "bus"};
	char path[512];
	int fd;

	(void)arg;
	if (unshare(CLONE_NEWNS) != 0 ||
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
		mount("none", "/tmp", "tmpfs", 0, "mode=1777") != 0)
		_exit(99);
	unsetenv("WEIR_RUNTIME_DIR");
	unsetenv("XDG_RUNTIME_DIR");
	wr_become(ALICE, ALICE);
	out->rc = wr_rundir_open(&opts, &fd, path, sizeof(path), &out->err);
	out->value[0] = strcmp(path, "/tmp/weir-4001/bus");
	out->value[1] = mode_of("/tmp/weir-4001");
	/* Somebody else was there first. */
	wr_rundir_remove(fd, 0);
	if (rmdir("/tmp/weir-4001/bus") != 0 || rmdir("/tmp/weir-4001") != 0 ||
		symlink("/", "/tmp/weir-4001") != 0)
		_exit(98);
	out->value[2] = wr_rundir_open(&opts, &fd, NULL, 0, &out->err);
}

static void
default_below_tmp(void)
{
	struct wr_outcome out;

	only_root();
	out = wr_in_child(default_in_private_tmp, NULL);
	if (out.status == 99)
		TEST_SKIP("no mount namespace of our own");
	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.rc, 0);
	CHECK_EQ(out.value[0], 0);
	CHECK_EQ(out.value[1], 0700);
	CHECK_EQ(out.value[2], -WEIR_E_ENV_UNSAFE);
	CHECK(strstr(out.err.text, "symbolic link") != NULL);
}

/* ---- what is refused ----------------------------------------------------------------- */

/* The directory is refused, with this code and a word of the text. */
static void
refused(const struct wr_rundir_opts *opts, int code, const char *word)
{
	static struct wr_fds before;
	struct weir_error err = {0};
	char all[1024];
	int rc;

	wr_fds_take(&before);
	rc = open_as(opts, &err);
	weir_error_format(&err, "weir", all, sizeof(all));
	if (rc != -code || err.code != code || !strstr(all, word))
		FAIL("%s: %d (expected %d, '%s')\n%s", opts->dir ? opts->dir : "-", rc,
			-code, word, all);
	CHECK_EQ(wr_fds_new(&before), 0);
}

static void
others_may_write(void)
{
	struct wr_rundir_opts opts = {.dir = below("dir"), .bus = "bus"};

	REQUIRE_EQ(mkdir(opts.dir, 0700), 0);
	REQUIRE_EQ(chmod(opts.dir, 0777), 0);
	refused(&opts, WEIR_E_ENV_UNSAFE, "mode 0777");
	refused(&opts, WEIR_E_ENV_UNSAFE, opts.dir);
	refused(&opts, WEIR_E_ENV_UNSAFE, "chmod o-w");
	opts.look = true;
	refused(&opts, WEIR_E_ENV_UNSAFE, "anybody");
	opts.look = false;
	REQUIRE_EQ(chmod(opts.dir, 0770), 0);
	refused(&opts, WEIR_E_ENV_UNSAFE, "chmod g-w");
	CHECK_EQ(mode_of(below("dir/bus")), -1);
	/* Sticky, nobody can exchange what is ours. */
	REQUIRE_EQ(chmod(opts.dir, 01777), 0);
	close(open_bus(opts.dir));
	REQUIRE_EQ(chmod(opts.dir, 0755), 0);
	close(open_bus(opts.dir));
}

static void
not_a_directory(void)
{
	struct wr_rundir_opts opts = {.dir = below("link"), .bus = "bus"};

	REQUIRE_EQ(mkdir(below("dir"), 0700), 0);
	REQUIRE_EQ(symlink("dir", opts.dir), 0);
	refused(&opts, WEIR_E_ENV_UNSAFE, "symbolic link");
	opts.dir = below("link/");
	refused(&opts, WEIR_E_ENV_UNSAFE, "symbolic link");
	opts.dir = below("link///");
	refused(&opts, WEIR_E_ENV_UNSAFE, "symbolic link");
	REQUIRE_EQ(symlink("nowhere", below("dangling")), 0);
	opts.dir = below("dangling");
	refused(&opts, WEIR_E_ENV_UNSAFE, "symbolic link");
	opts.dir = below("file");
	close(open(opts.dir, O_CREAT | O_WRONLY, 0600));
	refused(&opts, WEIR_E_ENV_UNSAFE, "not a directory");
	/* The same one level below. */
	opts.dir = below("dir");
	REQUIRE_EQ(symlink("..", below("dir/bus")), 0);
	refused(&opts, WEIR_E_ENV_UNSAFE, "symbolic link");
	REQUIRE_EQ(unlink(below("dir/bus")), 0);
	close(open(below("dir/bus"), O_CREAT | O_WRONLY, 0600));
	refused(&opts, WEIR_E_ENV_UNSAFE, "not a directory");
}

static void
no_directory(void)
{
	char path[5000];
	struct wr_rundir_opts opts = {.dir = below("a/b"), .bus = "bus"};

	refused(&opts, WEIR_E_ENV_NODIR, "No such file");
	refused(&opts, WEIR_E_ENV_NODIR, "chosen by the caller");
	opts.dir = "/proc/weir";
	refused(&opts, WEIR_E_ENV_NODIR, "WEIR_RUNTIME_DIR");
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	opts.dir = path;
	refused(&opts, WEIR_E_ENV_NODIR, "too long");
	path[300] = '\0';
	refused(&opts, WEIR_E_ENV_NODIR, "File name too long");
	setenv("WEIR_RUNTIME_DIR", below("no/where"), 1);
	opts.dir = NULL;
	refused(&opts, WEIR_E_ENV_NODIR, "chosen by $WEIR_RUNTIME_DIR");
	unsetenv("WEIR_RUNTIME_DIR");
	setenv("XDG_RUNTIME_DIR", below("no/where"), 1);
	refused(&opts, WEIR_E_ENV_NODIR, "chosen by $XDG_RUNTIME_DIR");
}

static void
bad_names(void)
{
	static const char *const bad[] = {"", ".", "..", "a/b", "../a", ".hidden",
		"a b", "*", ">", "a..b", "\x01", "/"};
	struct wr_rundir_opts opts = {0};

	refused(&opts, WEIR_E_USAGE_NAME, "");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		opts.bus = bad[i];
		refused(&opts, WEIR_E_USAGE_NAME, "cannot name a bus");
	}
	CHECK_EQ(wr_tmpdir_count(wr_tmpdir()), 0);
	opts.bus = "bus";
	opts.group = "no-such-group";
	refused(&opts, WEIR_E_USAGE_INVAL, "no-such-group");
	opts.group = NULL;
	opts.users = "no-such-user";
	refused(&opts, WEIR_E_USAGE_INVAL, "no-such-user");
}

static void
no_descriptors_left(struct wr_outcome *out, void *arg)
{
	struct rlimit limit = {4, 4};
	struct wr_rundir_opts opts = {.bus = "bus"};
	int fd;

	(void)arg;
	for (fd = 3; fd < 65536; fd++)
		close(fd);
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		_exit(99);
	out->rc = wr_rundir_open(&opts, &fd, NULL, 0, &out->err);
	if (fd != -1)
		_exit(98);
	limit.rlim_cur = 3;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		_exit(99);
	out->value[0] = wr_rundir_open(&opts, &fd, NULL, 0, NULL);
	out->value[1] = wr_rundir_bind(0, 1, 0600, &fd, NULL);
	out->value[2] = wr_rundir_connect(0, 1, &fd);
	out->value[3] = wr_rundir_scan(0, NULL, 1);
}

static void
descriptors_run_out(void)
{
	struct wr_outcome out = wr_in_child(no_descriptors_left, NULL);

	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.rc, -WEIR_E_ENV_FILES);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(out.value[i], -WEIR_E_ENV_FILES);
}

/* ---- whose it is --------------------------------------------------------------------- */

/* Somebody opens the bus; 0, or the error. */
struct visit {
	uid_t uid;
	gid_t groups[2];
	int groups_count;
	struct wr_rundir_opts opts;
};

static void
visit(struct wr_outcome *out, void *arg)
{
	const struct visit *v = arg;
	int dirfd, fd;

	if (setgroups((size_t)v->groups_count, v->groups) != 0 ||
		setresgid(v->uid, v->uid, v->uid) != 0 ||
		setresuid(v->uid, v->uid, v->uid) != 0)
		_exit(99);
	umask(v->uid == BOB ? 0 : 0077);
	out->rc = wr_rundir_open(&v->opts, &dirfd, NULL, 0, &out->err);
	if (out->rc || v->opts.look)
		return;
	out->value[0] = wr_rundir_bind(
		dirfd, v->uid, wr_rundir_socket_mode(&v->opts), &fd, &out->err);
	out->value[1] = wr_rundir_connect(dirfd, v->uid, &fd);
	out->value[2] = wr_rundir_connect(dirfd, 1, &fd);
}

static void
expect(const struct visit *v, int rc, const char *who)
{
	struct wr_outcome out = wr_in_child(visit, (void *)v);

	CHECK_EQ(out.status, 0);
	if (out.rc != rc || out.value[0] || out.value[1])
		FAIL("%s: open %d (expected %d), bind %lld, connect %lld: %s %s", who,
			out.rc, rc, (long long)out.value[0], (long long)out.value[1],
			out.err.text, out.err.differs);
	if (rc)
		CHECK(out.err.code == -rc && out.err.text[0]);
}

static const char *
shared_base(void)
{
	only_root();
	REQUIRE_EQ(chmod(wr_tmpdir(), 0755), 0);
	REQUIRE_EQ(mkdir(below("run"), 0700), 0);
	REQUIRE_EQ(chmod(below("run"), 01777), 0);
	return below("run");
}

static void
private_is_private(void)
{
	struct visit v = {.uid = ALICE, .opts = {.bus = "bus", .dir = shared_base()}};

	expect(&v, 0, "alice");
	CHECK_EQ(mode_of(below("run/bus")), 0700);
	CHECK_EQ(mode_of(below("run/bus/0000000000000fa1")), 0600);
	expect(&v, 0, "alice again");
	v.uid = BOB;
	expect(&v, -WEIR_E_ENV_UNSAFE, "bob");
	v.opts.group = "5001";
	v.groups[0] = PLANT;
	v.groups_count = 1;
	expect(&v, -WEIR_E_ENV_UNSAFE, "bob with a group");
	v.opts.group = NULL;
	v.opts.users = "4001";
	expect(&v, -WEIR_E_ENV_UNSAFE, "bob with a user");
	v.opts.users = NULL;
	v.opts.look = true;
	expect(&v, -WEIR_E_ENV_DENIED, "bob looking");
	/* Not even root walks into another user's bus by default. */
	v = (struct visit){.uid = 0, .opts = {.bus = "bus", .dir = below("run")}};
	expect(&v, -WEIR_E_ENV_UNSAFE, "root");
	v.opts.look = true;
	expect(&v, 0, "root looking");
}

static void
somebody_else_s_runtime_directory(void)
{
	struct visit v = {.uid = BOB, .opts = {.bus = "bus", .dir = below("alice")}};

	only_root();
	REQUIRE_EQ(chmod(wr_tmpdir(), 0755), 0);
	REQUIRE_EQ(mkdir(v.opts.dir, 0755), 0);
	REQUIRE_EQ(chown(v.opts.dir, ALICE, ALICE), 0);
	expect(&v, -WEIR_E_ENV_UNSAFE, "bob");
	v.uid = 0;
	expect(&v, -WEIR_E_ENV_UNSAFE, "root");
	v.uid = ALICE;
	expect(&v, 0, "alice");
	/* As su leaves it behind. */
	setenv("XDG_RUNTIME_DIR", v.opts.dir, 1);
	unsetenv("WEIR_RUNTIME_DIR");
	v.opts.dir = NULL;
	expect(&v, 0, "alice by XDG_RUNTIME_DIR");
	v.uid = BOB;
	expect(&v, -WEIR_E_ENV_UNSAFE, "bob by XDG_RUNTIME_DIR");
	v.uid = 0;
	expect(&v, -WEIR_E_ENV_UNSAFE, "root by XDG_RUNTIME_DIR");
	CHECK_EQ(wr_tmpdir_count(below("alice")), 5);
}

static void
opened_for_a_group(void)
{
	struct visit v = {.uid = ALICE,
		.groups = {PLANT},
		.groups_count = 1,
		.opts = {.bus = "bus", .dir = shared_base(), .group = "5001"}};
	struct stat st;

	expect(&v, 0, "alice");
	REQUIRE_EQ(stat(below("run/bus"), &st), 0);
	CHECK_EQ(st.st_mode & 07777, 02770);
	CHECK_EQ(st.st_gid, PLANT);
	REQUIRE_EQ(stat(below("run/bus/0000000000000fa1"), &st), 0);
	CHECK_EQ(st.st_mode & 07777, 0660);
	CHECK_EQ(st.st_gid, PLANT);
	v.uid = BOB;
	expect(&v, 0, "bob");
	/* Only by asking for it. */
	v.opts.group = NULL;
	expect(&v, -WEIR_E_ENV_UNSAFE, "bob without asking");
	v.opts.group = "5002";
	expect(&v, -WEIR_E_ENV_UNSAFE, "bob with another group");
	/* The owner need not ask again while somebody is there; nobody is: private. */
	v.uid = CAROL;
	v.groups_count = 0;
	v.opts.group = "5001";
	expect(&v, -WEIR_E_ENV_DENIED, "carol, who is no member");
	v.opts.look = true;
	expect(&v, -WEIR_E_ENV_DENIED, "carol looking");
	v = (struct visit){.uid = ALICE,
		.opts = {.bus = "other", .dir = below("run"), .group = "5001"}};
	expect(&v, -WEIR_E_ENV_DENIED, "alice, who is no member");
}

static void
opened_for_users(void)
{
	struct visit v = {.uid = ALICE,
		.opts = {.bus = "bus", .dir = shared_base(), .users = "4002"}};

	expect(&v, 0, "alice");
	CHECK_EQ(mode_of(below("run/bus")), 01777);
	CHECK_EQ(mode_of(below("run/bus/0000000000000fa1")), 0666);
	v.uid = BOB;
	expect(&v, -WEIR_E_ENV_UNSAFE, "bob, who does not mean alice");
	v.opts.users = "4001";
	expect(&v, 0, "bob, who means alice");
	CHECK_EQ(mode_of(below("run/bus/0000000000000fa2")), 0666);
}

static void
knock_as_bob(struct wr_outcome *out, void *arg)
{
	int fd;

	wr_become(BOB, BOB);
	out->rc = wr_rundir_connect(*(int *)arg, 7, &fd);
	out->value[0] = errno;
}

static void
modes_of_sockets_are_kept(void)
{
	static const struct {
		mode_t mode;
		int rc;
	} table[] = {{0600, -WEIR_E_ENV_DENIED}, {0660, -WEIR_E_ENV_DENIED}, {0666, 0}};
	struct wr_outcome out;
	int dirfd, fd;

	only_root();
	dirfd = open_bus(NULL);
	REQUIRE_EQ(fchmod(dirfd, 0755), 0);
	for (size_t i = 0; i < 3; i++) {
		umask(i % 2 ? 0 : 0777);
		REQUIRE_EQ(wr_rundir_bind(dirfd, 7, table[i].mode, &fd, NULL), 0);
		CHECK_EQ(mode_of(below("bus/0000000000000007")), table[i].mode);
		out = wr_in_child(knock_as_bob, &dirfd);
		CHECK_EQ(out.status, 0);
		CHECK_EQ(out.rc, table[i].rc);
		close(fd);
		wr_rundir_remove(dirfd, 7);
	}
	CHECK_EQ(umask(0022), 0777);
}

/* The owner changes who it is open for. */
static void
opened_wider_and_closed_again(void)
{
	struct wr_rundir_opts opts = {.bus = "bus"},
			      group = {.bus = "bus", .group = "5001"},
			      users = {.bus = "bus", .users = "4001"};
	struct weir_error err;
	int dirfd, fd;

	only_root();
	dirfd = open_as(&opts, &err);
	REQUIRE(dirfd >= 0);
	fd = listener(dirfd, 1);
	/* Wider while somebody is there: yes, it was asked for. */
	close(open_as(&group, &err));
	CHECK_EQ(mode_of(below("bus")), 02770);
	/* Who does not ask takes it as it is; in another way than it is: no. */
	close(open_as(&opts, &err));
	CHECK_EQ(mode_of(below("bus")), 02770);
	refused(&users, WEIR_E_ENV_UNSAFE, "mode 2770");
	group.group = "5002";
	refused(&group, WEIR_E_ENV_UNSAFE, "mode 2770");
	/* The last one has left, or died. */
	close(fd);
	close(open_as(&users, &err));
	CHECK_EQ(mode_of(below("bus")), 01777);
	close(open_as(&opts, &err));
	CHECK_EQ(mode_of(below("bus")), 0700);
	close(open_as(&group, &err));
	CHECK_EQ(mode_of(below("bus")), 02770);
	/* Whoever binds for others finds it open for them. */
	REQUIRE_EQ(fchmod(dirfd, 0700), 0);
	REQUIRE_EQ(wr_rundir_bind(dirfd, 2, 0660, &fd, &err), 0);
	CHECK_EQ(mode_of(below("bus")), 02770);
	close(fd);
	close(dirfd);
}

static void
other_modes(void)
{
	struct wr_rundir_opts opts = {.bus = "bus"};
	struct weir_error err;
	int dirfd = open_bus(NULL);

	/* Read by others is harmless and ended; written by others is not. */
	REQUIRE_EQ(fchmod(dirfd, 0755), 0);
	close(open_as(&opts, &err));
	CHECK_EQ(mode_of(below("bus")), 0700);
	REQUIRE_EQ(fchmod(dirfd, 0770), 0);
	refused(&opts, WEIR_E_ENV_UNSAFE, "mode 0770");
	REQUIRE_EQ(fchmod(dirfd, 0777), 0);
	refused(&opts, WEIR_E_ENV_UNSAFE, "could be written to by others");
	close(dirfd);
}

static void
umask_does_not_matter(void)
{
	struct wr_rundir_opts opts = {.bus = "bus", .dir = below("run")};
	struct weir_error err;

	umask(0277);
	close(open_as(&opts, &err));
	CHECK_EQ(mode_of(below("run")), 0700);
	CHECK_EQ(mode_of(below("run/bus")), 0700);
	opts = (struct wr_rundir_opts){
		.bus = "bus", .dir = below("open"), .users = "4001"};
	umask(0);
	close(open_as(&opts, &err));
	CHECK_EQ(mode_of(below("open")), 0755);
	umask(0277);
	opts.bus = "other";
	close(open_as(&opts, &err));
	CHECK_EQ(mode_of(below("open/other")), 01777);
	CHECK_EQ(umask(0022), 0277);
}

static void
looking_makes_nothing(void)
{
	struct wr_rundir_opts opts = {.bus = "bus", .look = true};
	struct weir_error err;
	int dirfd;

	refused(&opts, WEIR_E_ENV_NOTFOUND, "no bus 'bus'");
	opts.dir = below("no/where");
	refused(&opts, WEIR_E_ENV_NOTFOUND, "no bus 'bus'");
	CHECK_EQ(wr_tmpdir_count(wr_tmpdir()), 0);
	opts.dir = NULL;
	dirfd = open_bus(NULL);
	REQUIRE_EQ(fchmod(dirfd, 0755), 0);
	close(open_as(&opts, &err));
	CHECK_EQ(mode_of(below("bus")), 0755);
	close(dirfd);
}

static void
who_may_attach(void)
{
	struct wr_rundir_opts opts = {.group = "5001", .users = "4001,@5002"};
	struct wr_access list;
	char many[8 * WR_ACCESS_MAX] = "1";

	CHECK_EQ(wr_rundir_access(&opts, &list, NULL), 0);
	CHECK_EQ(list.count, 3);
	CHECK(wr_access_allows(&list, ALICE, NULL, 0));
	CHECK(wr_access_allows(&list, BOB, (gid_t[]){PLANT}, 1));
	CHECK(wr_access_allows(&list, BOB, (gid_t[]){5002}, 1));
	CHECK(!wr_access_allows(&list, BOB, NULL, 0));
	CHECK_EQ(wr_rundir_socket_mode(&opts), 0666);
	opts.users = NULL;
	CHECK_EQ(wr_rundir_access(&opts, &list, NULL), 0);
	CHECK_EQ(list.count, 1);
	CHECK_EQ(wr_rundir_socket_mode(&opts), 0660);
	for (int i = 1; i < WR_ACCESS_MAX; i++)
		strcat(many, ",1");
	opts.users = many;
	CHECK_EQ(wr_rundir_access(&opts, &list, NULL), -WEIR_E_USAGE_INVAL);
	opts = (struct wr_rundir_opts){0};
	CHECK_EQ(wr_rundir_access(&opts, &list, NULL), 0);
	CHECK_EQ(list.count, 0);
	CHECK_EQ(wr_rundir_socket_mode(&opts), 0600);
}

/* ---- sockets ------------------------------------------------------------------------- */

static void
meets_and_parts(void)
{
	int dirfd = open_bus(NULL), fd = listener(dirfd, 0xab), type = 0, theirs, ours;
	socklen_t len = sizeof(type);
	struct wr_creds creds;
	uint64_t node = 0;
	char buf[8];

	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CHECK_EQ(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len), 0);
	CHECK_EQ(type, SOCK_SEQPACKET);
	CHECK_EQ(wr_tmpdir_count(below("bus")), 1);
	CHECK_EQ(wr_rundir_scan(dirfd, &node, 1), 1);
	CHECK_EQ(node, 0xab);

	REQUIRE_EQ(wr_rundir_connect(dirfd, 0xab, &theirs), 0);
	CHECK_EQ(fcntl(theirs, F_GETFD), FD_CLOEXEC);
	CHECK(fcntl(theirs, F_GETFL) & O_NONBLOCK);
	/* Both ends know whom they talk to. */
	CHECK_EQ(wr_peer_creds(theirs, &creds), 0);
	CHECK_EQ(creds.pid, getpid());
	ours = accept(fd, NULL, NULL);
	REQUIRE(ours >= 0);
	CHECK_EQ(wr_peer_creds(ours, &creds), 0);
	CHECK_EQ(creds.uid, geteuid());
	CHECK_EQ(write(theirs, "hi", 2), 2);
	CHECK_EQ(read(ours, buf, sizeof(buf)), 2);

	CHECK_EQ(wr_rundir_remove(dirfd, 0xab), 0);
	CHECK_EQ(wr_rundir_remove(dirfd, 0xab), 0);
	CHECK_EQ(wr_rundir_scan(dirfd, NULL, 256), 0);
	CHECK_EQ(wr_tmpdir_count(below("bus")), 0);
	close(ours);
	close(theirs);
	close(fd);
	close(dirfd);
}

static void
nobody_there(void)
{
	int dirfd = open_bus(NULL), fd = 77;

	CHECK_EQ(wr_rundir_connect(dirfd, 1, &fd), -WEIR_E_PEER_DIED);
	CHECK_EQ(errno, ENOENT);
	CHECK_EQ(fd, -1);
	leave(dirfd, 1);
	CHECK_EQ(wr_rundir_connect(dirfd, 1, &fd), -WEIR_E_PEER_DIED);
	CHECK_EQ(errno, ECONNREFUSED);
	/* A name that is no socket. */
	wr_rundir_remove(dirfd, 1);
	close(openat(dirfd, "0000000000000001", O_CREAT | O_WRONLY, 0600));
	CHECK_EQ(wr_rundir_connect(dirfd, 1, &fd), -WEIR_E_PEER_DIED);
	CHECK_EQ(wr_rundir_scan(dirfd, NULL, 256), 0);
	CHECK_EQ(wr_rundir_sweep(dirfd, true), 0);
	CHECK_EQ(wr_tmpdir_count(below("bus")), 1);
	close(dirfd);
}

static void
does_not_wait_for_a_full_queue(void)
{
	int dirfd = open_bus(NULL), fd = listener(dirfd, 1), other, rc = 0, count = 0;

	/* As if it were stopped: it accepts nobody. */
	while (rc == 0 && count < 900) {
		rc = wr_rundir_connect(dirfd, 1, &other);
		count++;
	}
	CHECK_EQ(rc, -WEIR_E_PEER_PENDING);
	CHECK_EQ(errno, EAGAIN);
	/* All the others of a full bus can knock. */
	CHECK(count > WEIR_PROCESSES_MAX);
	/* It is not taken for dead. */
	CHECK_EQ(wr_rundir_sweep(dirfd, true), 0);
	CHECK_EQ(wr_rundir_scan(dirfd, NULL, 0), 1);
	close(fd);
	close(dirfd);
}

static void
names_are_not_taken_twice(void)
{
	int dirfd = open_bus(NULL), fd = listener(dirfd, 1), other;
	struct weir_error err;

	CHECK_EQ(wr_rundir_bind(dirfd, 1, 0600, &other, &err), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(other, -1);
	CHECK_EQ(wr_tmpdir_count(below("bus")), 1);
	CHECK_EQ(wr_rundir_connect(dirfd, 1, &other), 0);
	close(other);
	/* What a death left may be. */
	close(fd);
	fd = listener(dirfd, 1);
	CHECK_EQ(wr_rundir_connect(dirfd, 1, &other), 0);
	CHECK_EQ(wr_tmpdir_count(below("bus")), 1);
	close(other);
	close(fd);
	close(dirfd);
}

static void
long_paths(void)
{
	char dir[900];
	int dirfd, fd, other;

	snprintf(dir, sizeof(dir), "%s", wr_tmpdir());
	for (int i = 0; i < 3; i++) {
		strcat(dir, "/");
		memset(dir + strlen(dir), 'd' + i, 200);
		REQUIRE_EQ(mkdir(dir, 0700), 0);
	}
	dirfd = open_bus(dir);
	fd = listener(dirfd, 1);
	CHECK_EQ(wr_rundir_connect(dirfd, 1, &other), 0);
	CHECK_EQ(wr_rundir_sweep(dirfd, false), 0);
	close(other);
	close(fd);
	CHECK_EQ(wr_rundir_sweep(dirfd, true), 1);
	close(dirfd);
}

static void
meet_without_proc(struct wr_outcome *out, void *arg)
{
	char cwd[2][512];
	int dirfd = open_bus(NULL), fd, other;

	(void)arg;
	if (unshare(CLONE_NEWNS) != 0 ||
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
		umount2("/proc", MNT_DETACH) != 0 || !getcwd(cwd[0], sizeof(cwd[0])))
		_exit(99);
	umask(0777);
	out->rc = wr_rundir_bind(dirfd, 1, 0660, &fd, &out->err);
	out->value[0] = mode_of(below("bus/0000000000000001"));
	out->value[1] = wr_rundir_connect(dirfd, 1, &other);
	out->value[2] = wr_rundir_sweep(dirfd, true);
	close(fd);
	out->value[3] = wr_rundir_connect(dirfd, 1, &other);
	out->value[4] = wr_rundir_sweep(dirfd, true);
	/* The program's own directory and umask are as they were. */
	out->value[5] = getcwd(cwd[1], sizeof(cwd[1])) && !strcmp(cwd[0], cwd[1]);
	out->value[6] = umask(0);
}

static void
works_without_proc(void)
{
	struct wr_outcome out;

	only_root();
	out = wr_in_child(meet_without_proc, NULL);
	if (out.status == 99)
		TEST_SKIP("no mount namespace of our own");
	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.rc, 0);
	CHECK_EQ(out.value[0], 0660);
	CHECK_EQ(out.value[1], 0);
	CHECK_EQ(out.value[2], 0);
	CHECK_EQ(out.value[3], -WEIR_E_PEER_DIED);
	CHECK_EQ(out.value[4], 1);
	CHECK_EQ(out.value[5], 1);
	CHECK_EQ(out.value[6], 0777);
}

/* ---- what deaths leave --------------------------------------------------------------- */

static void
bind_and_die(struct wr_outcome *out, void *arg)
{
	int fd;

	out->rc = wr_rundir_bind(*(int *)arg, 2, 0600, &fd, &out->err);
	raise(SIGKILL);
}

static void
left_overs_are_told_from_the_living(void)
{
	int dirfd = open_bus(NULL), fd = listener(dirfd, 1);
	struct wr_outcome out = wr_in_child(bind_and_die, &dirfd);

	CHECK_EQ(out.status, 128 + SIGKILL);
	REQUIRE_EQ(out.rc, 0);
	CHECK_EQ(wr_rundir_scan(dirfd, NULL, 256), 2);
	CHECK_EQ(wr_rundir_sweep(dirfd, false), 1);
	CHECK_EQ(wr_rundir_scan(dirfd, NULL, 256), 2);
	CHECK_EQ(wr_rundir_sweep(dirfd, true), 1);
	CHECK_EQ(wr_rundir_scan(dirfd, NULL, 256), 1);
	CHECK_EQ(wr_rundir_sweep(dirfd, true), 0);
	/* Who lives was not bothered. */
	CHECK(accept(fd, NULL, NULL) == -1 && errno == EAGAIN);
	close(fd);
	close(dirfd);
}

static void
age(int dirfd, const char *name, long seconds)
{
	struct timespec now[2];

	clock_gettime(CLOCK_REALTIME, &now[0]);
	now[0].tv_sec -= seconds;
	now[1] = now[0];
	REQUIRE_EQ(utimensat(dirfd, name, now, 0), 0);
}

/* A death between bind and rename. */
static void
temporary_names_too(void)
{
	static const char name[] = ".0000000000000009.tmp";
	int dirfd = open_bus(NULL), fd = listener(dirfd, 9);

	REQUIRE_EQ(renameat(dirfd, "0000000000000009", dirfd, name), 0);
	CHECK_EQ(wr_rundir_scan(dirfd, NULL, 256), 0);
	/* Old, but somebody has it. */
	age(dirfd, name, 3600);
	CHECK_EQ(wr_rundir_sweep(dirfd, true), 0);
	close(fd);
	/* Nobody has it, but it is young; then it is old. */
	age(dirfd, name, 0);
	CHECK_EQ(wr_rundir_sweep(dirfd, true), 0);
	CHECK_EQ(wr_tmpdir_count(below("bus")), 1);
	/* It stands in nobody's way. */
	fd = listener(dirfd, 9);
	CHECK_EQ(wr_tmpdir_count(below("bus")), 1);
	close(fd);
	REQUIRE_EQ(renameat(dirfd, "0000000000000009", dirfd, name), 0);
	age(dirfd, name, 3600);
	CHECK_EQ(wr_rundir_sweep(dirfd, false), 1);
	CHECK_EQ(wr_rundir_sweep(dirfd, true), 1);
	CHECK_EQ(wr_tmpdir_count(below("bus")), 0);
	/* A clock that was set back makes nothing young for ever. */
	leave(dirfd, 9);
	REQUIRE_EQ(renameat(dirfd, "0000000000000009", dirfd, name), 0);
	age(dirfd, name, -3600);
	CHECK_EQ(wr_rundir_sweep(dirfd, true), 1);
	close(dirfd);
}

static void
other_names_are_left_alone(void)
{
	static const char *const names[] = {"000000000000000", "00000000000000001",
		"000000000000000A", "000000000000000g", ".0000000000000001", "default",
		".000000000000000g.tmp", ".0000000000000001.tmp2"};
	int dirfd = open_bus(NULL);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		leave(dirfd, 1);
		REQUIRE_EQ(renameat(dirfd, "0000000000000001", dirfd, names[i]), 0);
		age(dirfd, names[i], 3600);
	}
	REQUIRE_EQ(mkdirat(dirfd, "0000000000000002", 0700), 0);
	close(openat(dirfd, "0000000000000003", O_CREAT | O_WRONLY, 0600));
	REQUIRE_EQ(symlinkat("default", dirfd, "0000000000000004"), 0);
	CHECK_EQ(wr_rundir_scan(dirfd, NULL, 256), 0);
	CHECK_EQ(wr_rundir_sweep(dirfd, true), 0);
	CHECK_EQ(wr_tmpdir_count(below("bus")), 11);
	close(dirfd);
}

static void
full_bus(void)
{
	static uint64_t nodes[WEIR_PROCESSES_MAX];
	static int fds[WEIR_PROCESSES_MAX];
	unsigned char seen[WEIR_PROCESSES_MAX] = {0};
	int dirfd = open_bus(NULL), fd;
	struct weir_error err;

	/* Many more have died here. */
	for (uint64_t i = 0; i < 300; i++)
		leave(dirfd, 1000 + i);
	for (uint64_t i = 0; i < WEIR_PROCESSES_MAX; i++)
		fds[i] = listener(dirfd, i);
	CHECK_EQ(wr_rundir_bind(dirfd, 256, 0600, &fd, &err), -WEIR_E_AGAIN_QUOTA);
	CHECK_EQ(fd, -1);
	CHECK(strstr(err.text, "256") != NULL);
	CHECK_EQ(wr_rundir_connect(dirfd, 256, &fd), -WEIR_E_PEER_DIED);
	CHECK_EQ(wr_rundir_scan(dirfd, nodes, WEIR_PROCESSES_MAX), WEIR_PROCESSES_MAX);
	for (int i = 0; i < WEIR_PROCESSES_MAX; i++)
		if (nodes[i] < WEIR_PROCESSES_MAX)
			seen[nodes[i]]++;
	for (int i = 0; i < WEIR_PROCESSES_MAX; i++)
		CHECK_EQ(seen[i], 1);
	/* Fewer places than nodes: those are filled, and the rest is counted. */
	nodes[3] = 77777;
	CHECK_EQ(wr_rundir_scan(dirfd, nodes, 3), WEIR_PROCESSES_MAX);
	CHECK_EQ(nodes[3], 77777);
	/* One leaves, another comes. */
	close(fds[5]);
	fd = listener(dirfd, 256);
	CHECK_EQ(wr_rundir_sweep(dirfd, true), 301);
	CHECK_EQ(wr_rundir_scan(dirfd, NULL, 0), WEIR_PROCESSES_MAX);
	close(dirfd);
}

/* ---- buses --------------------------------------------------------------------------- */

static void
finds_buses(void)
{
	static const char *const bus[] = {"default", "lab", "a.b"};
	char names[4][WEIR_NAME_MAX + 1];
	struct wr_rundir_opts opts = {0};
	struct weir_error err;
	int dirfd, seen = 0;

	CHECK_EQ(wr_rundir_buses(below("no"), names, 4, &err), 0);
	CHECK_EQ(wr_rundir_buses(NULL, names, 4, &err), 0);
	REQUIRE_EQ(mkdir(below("empty"), 0700), 0);
	REQUIRE_EQ(mkdir(below(".hidden"), 0700), 0);
	close(open(below("file"), O_CREAT | O_WRONLY, 0600));
	for (int i = 0; i < 3; i++) {
		opts.bus = bus[i];
		dirfd = open_as(&opts, &err);
		REQUIRE(dirfd >= 0);
		leave(dirfd, 1);
		close(dirfd);
	}
	REQUIRE_EQ(symlink("lab", below("link")), 0);
	CHECK_EQ(wr_rundir_buses(NULL, names, 4, &err), 3);
	for (int i = 0; i < 3; i++)
		for (int k = 0; k < 3; k++)
			seen += !strcmp(names[i], bus[k]);
	CHECK_EQ(seen, 3);
	strcpy(names[1], "untouched");
	CHECK_EQ(wr_rundir_buses(NULL, names, 1, &err), 3);
	CHECK_STR(names[1], "untouched");
	CHECK_EQ(wr_rundir_buses(NULL, NULL, 0, NULL), 3);
	REQUIRE_EQ(chmod(wr_tmpdir(), 0777), 0);
	CHECK_EQ(wr_rundir_buses(NULL, NULL, 0, &err), -WEIR_E_ENV_UNSAFE);
}

/* ---- all at once --------------------------------------------------------------------- */

enum { COMERS = 4, ROUNDS = 150 };

static int wrong[COMERS];

/* Opens, is there, connects to itself, leaves a name behind or takes it away; again. */
static void *
comes_and_goes(void *arg)
{
	int *mine = arg;
	uint64_t first = (uint64_t)(mine - wrong + 1) << 32;

	for (uint64_t i = 0; i < ROUNDS; i++) {
		struct wr_rundir_opts opts = {.bus = "bus"};
		struct weir_error err = {0};
		int dirfd = -1, fd = -1, other = -1;

		if (wr_rundir_open(&opts, &dirfd, NULL, 0, &err) ||
			wr_rundir_bind(dirfd, first + i, 0600, &fd, &err) ||
			wr_rundir_connect(dirfd, first + i, &other)) {
			FAIL("round %d: %s", (int)i, err.text);
			++*mine;
		}
		close(other);
		close(fd);
		if (i % 2)
			wr_rundir_remove(dirfd, first + i);
		close(dirfd);
	}
	return NULL;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards enough */
static bool enough;

static bool
is_enough(bool set)
{
	bool was;

	pthread_mutex_lock(&lock);
	was = enough;
	enough |= set;
	pthread_mutex_unlock(&lock);
	return was;
}

static void *
sweeps(void *arg)
{
	int dirfd = open_bus(NULL);

	while (!is_enough(false))
		*(int *)arg += wr_rundir_sweep(dirfd, true);
	close(dirfd);
	return NULL;
}

static void
sweeping_disturbs_nobody(void)
{
	pthread_t comer[COMERS], sweeper;
	int swept = 0, dirfd;

	REQUIRE_EQ(pthread_create(&sweeper, NULL, sweeps, &swept), 0);
	for (int i = 0; i < COMERS; i++)
		REQUIRE_EQ(pthread_create(&comer[i], NULL, comes_and_goes, &wrong[i]), 0);
	for (int i = 0; i < COMERS; i++)
		pthread_join(comer[i], NULL);
	is_enough(true);
	pthread_join(sweeper, NULL);
	for (int i = 0; i < COMERS; i++)
		CHECK_EQ(wrong[i], 0);
	dirfd = open_bus(NULL);
	swept += wr_rundir_sweep(dirfd, true);
	/* Every second name was left behind; others were swept just before they went. */
	CHECK(swept >= COMERS * ROUNDS / 2);
	CHECK(swept <= COMERS * ROUNDS);
	CHECK_EQ(wr_tmpdir_count(below("bus")), 0);
	close(dirfd);
}

static const struct wr_test tests[] = {
	TEST(chosen_in_this_order),
	TEST(default_below_tmp),
	TEST(others_may_write),
	TEST(not_a_directory),
	TEST(no_directory),
	TEST(bad_names),
	TEST(descriptors_run_out),
	TEST(private_is_private),
	TEST(somebody_else_s_runtime_directory),
	TEST(opened_for_a_group),
	TEST(opened_for_users),
	TEST(modes_of_sockets_are_kept),
	TEST(opened_wider_and_closed_again),
	TEST(other_modes),
	TEST(umask_does_not_matter),
	TEST(looking_makes_nothing),
	TEST(who_may_attach),
	TEST(meets_and_parts),
	TEST(nobody_there),
	TEST(does_not_wait_for_a_full_queue),
	TEST(names_are_not_taken_twice),
	TEST(long_paths),
	TEST(works_without_proc),
	TEST(left_overs_are_told_from_the_living),
	TEST(temporary_names_too),
	TEST(other_names_are_left_alone),
	TEST(full_bus),
	TEST(finds_buses),
	TEST(sweeping_disturbs_nobody, .labels = "concurrency"),
	TEST_END,
};
const struct wr_suite wr_suite_rundir = {
	.name = "rundir", .tests = tests, .labels = "input"};
