/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the machine can refuse, provoked for real and met through the public interface:
 * memory, address space, mappings, descriptors, file sizes, threads, system calls, and
 * namespaces. Each has its error, with a text that names what to change; no signal comes,
 * nothing stays behind, and what was there before goes on.
 */
#include <weir/weir.h>

#include "tests/lib/await.h"
#include "tests/lib/child.h"
#include "tests/lib/fdleak.h"
#include "tests/lib/proc.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"
#include "tests/steward/puppet.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

enum { FLAGS = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET };

#define MIB ((size_t)1 << 20)

static weir_bus *
open_bus(void)
{
	return weir_open("bus", .flags = FLAGS);
}

/* The bus still does its work: a topic of its own, there and back. */
static bool
works(weir_bus *bus)
{
	weir_sub *sub = weir_subscribe(bus, "still.works");
	weir_pub *pub = weir_advertise(bus, "still.works", .max_message = 64);
	char buf[8];
	bool good = weir_send(pub, "yes", 3) == 0 &&
		weir_recv(sub, buf, sizeof(buf), WEIR_FOREVER, NULL) == 3;

	(void)weir_pub_close(pub);
	(void)weir_unsubscribe(sub);
	return good;
}

static void
set_limit(int which, rlim_t value)
{
	struct rlimit limit = {value, value};

	if (setrlimit(which, &limit) != 0)
		_exit(99);
}

static size_t
space_in_use(void)
{
	unsigned long long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f || fscanf(f, "%llu", &pages) != 1)
		_exit(99);
	fclose(f);
	return (size_t)pages * 4096;
}

/* ---- address space and memory --------------------------------------------------------------- */

/* Values: of opening within too little, whether an open bus goes on; the text is the error
 * of a topic that is too large for what is left. */
static void
little_space(struct wr_outcome *out, void *arg)
{
	weir_bus *bus = open_bus(), *more;
	weir_pub *pub;

	(void)arg;
	if (weir_why(bus)->code || !works(bus))
		_exit(99);
	set_limit(RLIMIT_AS, space_in_use() + 64 * MIB);
	pub = weir_advertise(bus, "imu", .window = 512 * MIB);
	out->err = *weir_pub_why(pub);
	out->value[0] = works(bus);
	out->value[1] = weir_close(bus);
	set_limit(RLIMIT_AS, space_in_use() + MIB);
	more = open_bus();
	out->value[2] = weir_why(more)->code;
	out->value[3] = weir_close(more);
}

static void
address_space_runs_out(void)
{
	struct wr_outcome out = wr_in_child(little_space, NULL);

	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.err.code, WEIR_E_ENV_MAPS);
	CHECK(strstr(out.err.text, "no address space for") != NULL);
	CHECK(strstr(out.err.differs, "RLIMIT_AS is") != NULL);
	CHECK(strstr(out.err.where, "weir_advertise 'imu' on bus 'bus'") != NULL);
	CHECK(strstr(out.err.hint, "RLIMIT_AS") != NULL);
	CHECK_EQ(out.value[0], 1);
	CHECK_EQ(out.value[1], weir_err_exit(WEIR_E_ENV_MAPS));
	CHECK_EQ(out.value[2], WEIR_E_ENV_MAPS);
	CHECK_EQ(out.value[3], weir_err_exit(WEIR_E_ENV_MAPS));
}

/* Not even a handle can be had. */
static void
no_memory_at_all(struct wr_outcome *out, void *arg)
{
	weir_bus *bus = arg ? open_bus() : NULL;
	weir_sub *sub;
	weir_pub *pub;

	set_limit(RLIMIT_AS, space_in_use() + 16 * 4096);
	for (size_t size = MIB; size >= 16; size /= 2)
		while (malloc(size))
			;
	if (!bus)
		bus = open_bus();
	pub = weir_advertise(bus, "imu");
	sub = weir_subscribe(bus, "imu");
	out->err = *(arg ? weir_pub_why(pub) : weir_why(bus));
	out->value[0] = weir_send(pub, "x", 1);
	out->value[1] = weir_recv(sub, NULL, 0, 0, NULL);
	out->value[2] = weir_sub_why(sub)->code;
	out->value[3] = weir_unsubscribe(sub);
	out->value[4] = weir_pub_close(pub);
	out->value[5] = weir_turn(bus, 0);
	out->value[6] = weir_adopt(bus);
	out->value[7] = weir_close(bus);
}

static void
memory_runs_out(void)
{
	for (int opened = 0; opened < 2; opened++) {
		struct wr_outcome out =
			wr_in_child(no_memory_at_all, opened ? "opened" : NULL);

		CHECK_EQ(out.status, 0);
		CHECK_EQ(out.err.code, WEIR_E_ENV_MEMORY);
		CHECK(strstr(out.err.text, "no memory for a") != NULL);
		CHECK(out.err.hint[0]);
		CHECK_EQ(out.value[0], -WEIR_E_ENV_MEMORY);
		CHECK_EQ(out.value[1], -WEIR_E_ENV_MEMORY);
		CHECK_EQ(out.value[2], WEIR_E_ENV_MEMORY);
		CHECK_EQ(out.value[3], 0);
		CHECK_EQ(out.value[4], 0);
		CHECK_EQ(out.value[5], opened ? 0 : -WEIR_E_ENV_MEMORY);
		CHECK_EQ(out.value[6], opened ? 0 : -WEIR_E_ENV_MEMORY);
		CHECK_EQ(out.value[7], opened ? 0 : weir_err_exit(WEIR_E_ENV_MEMORY));
	}
}

/* ---- a memory cgroup ------------------------------------------------------------------------- */

static char cgroup[700];

/* A group below our own in the hierarchy: "memory" of v1, or the unified one of v2. */
static const char *
make_cgroup(bool v2)
{
	char line[512], *path;
	const char *limit = NULL;
	FILE *f = fopen("/proc/self/cgroup", "re");

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		path = strstr(line, ":memory:");
		if (!v2 && path) {
			snprintf(cgroup, sizeof(cgroup),
				"/sys/fs/cgroup/memory%s/weir-%d", path + 8, getpid());
			limit = "memory.limit_in_bytes";
		} else if (v2 && !strncmp(line, "0::", 3)) {
			snprintf(cgroup, sizeof(cgroup), "/sys/fs/cgroup%s/weir-%d",
				line + 3, getpid());
			limit = "memory.max";
		}
	}
	if (f)
		fclose(f);
	return limit && mkdir(cgroup, 0700) == 0 ? limit : NULL;
}

static bool
put(const char *file, unsigned long long number)
{
	char path[800], text[32];
	bool good;
	int fd, len;

	snprintf(path, sizeof(path), "%s/%s", cgroup, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	len = snprintf(text, sizeof(text), "%llu", number);
	good = fd >= 0 && write(fd, text, (size_t)len) == len;
	if (fd >= 0)
		close(fd);
	return good;
}

/* Publishes into a large window until something says no; the kernel would say SIGKILL. */
static void
fill_the_group(struct wr_outcome *out, void *arg)
{
	static char message[64 << 10];
	char buf[sizeof(message)];
	weir_sub *sub;
	weir_pub *pub;
	weir_bus *bus;
	int rc = 0;

	(void)arg;
	if (!put("cgroup.procs", (unsigned long long)getpid()))
		_exit(99);
	bus = open_bus();
	sub = weir_subscribe(bus, "imu");
	pub = weir_advertise(bus, "imu", .window = 256 * MIB, .wait_ms = WEIR_NEVER);
	while (rc == 0) {
		rc = weir_send(pub, message, sizeof(message));
		out->value[0] += rc == 0;
	}
	out->rc = rc;
	out->err = *weir_pub_why(pub);
	/* What was sent is there, and when it is read there is room again. */
	while (weir_recv(sub, buf, sizeof(buf), 0, NULL) > 0)
		out->value[1]++;
	out->value[2] = weir_send(pub, message, sizeof(message));
	out->value[3] = weir_close(bus);
}

static void
in_a_small_group(bool v2)
{
	const char *limit = make_cgroup(v2);
	struct wr_outcome out;

	if (!limit)
		TEST_SKIP("no cgroup %s can be made here", v2 ? "v2" : "v1 for memory");
	if (!put(limit, 32 * MIB)) {
		rmdir(cgroup);
		TEST_SKIP("cgroup %s does not limit memory here", v2 ? "v2" : "v1");
	}
	out = wr_in_child(fill_the_group, NULL);
	CHECK_EQ(rmdir(cgroup), 0);
	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.rc, -WEIR_E_ENV_MEMORY);
	CHECK(strstr(out.err.text, "not enough memory for") != NULL);
	CHECK(strstr(out.err.differs, "limit 32.0 MiB in ") != NULL);
	CHECK(strstr(out.err.differs, limit) != NULL);
	CHECK(strstr(out.err.where, "topic 'imu', bus 'bus'") != NULL);
	CHECK(strstr(out.err.hint, "cgroup") != NULL);
	CHECK(out.value[0] > 100);
	CHECK_EQ(out.value[1], out.value[0]);
	CHECK_EQ(out.value[2], 0);
	CHECK_EQ(out.value[3], 0);
}

static void
cgroup_v1(void)
{
	in_a_small_group(false);
}

static void
cgroup_v2(void)
{
	in_a_small_group(true);
}

/* ---- sizes of files, descriptors, mappings, threads -------------------------------------------- */

static void
small_files(struct wr_outcome *out, void *arg)
{
	weir_bus *bus = open_bus();
	weir_pub *pub;

	(void)arg;
	set_limit(RLIMIT_FSIZE, 8 * MIB);
	pub = weir_advertise(bus, "imu", .window = 64 * MIB);
	out->err = *weir_pub_why(pub);
	out->value[0] = works(bus); /* a small one, with its own window, is too large too */
	out->value[1] = weir_close(bus);
	set_limit(RLIMIT_FSIZE, 4096);
	bus = open_bus();
	out->value[2] = weir_why(bus)->code;
	out->value[3] = weir_close(bus);
}

static void
file_size_limit_raises_no_signal(void)
{
	struct wr_outcome out = wr_in_child(small_files, NULL);

	CHECK_EQ(out.status, 0); /* 128 + SIGXFSZ would be the kernel's way */
	CHECK_EQ(out.err.code, WEIR_E_ENV_FSIZE);
	CHECK(strstr(out.err.differs, "RLIMIT_FSIZE is 8.0 MiB") != NULL);
	CHECK(strstr(out.err.where, "weir_advertise 'imu' on bus 'bus'") != NULL);
	CHECK(strstr(out.err.hint, "RLIMIT_FSIZE") != NULL);
	CHECK_EQ(out.value[0], 0);
	CHECK_EQ(out.value[1], weir_err_exit(WEIR_E_ENV_FSIZE));
	CHECK_EQ(out.value[2], WEIR_E_ENV_FSIZE);
	CHECK_EQ(out.value[3], weir_err_exit(WEIR_E_ENV_FSIZE));
}

/*
 * With every number of descriptors from none to enough: it works or says ENV_FILES, and
 * keeps none of them. Values: the first number that is enough to open and to publish; how
 * many errors were others; how many descriptors were kept.
 */
static void
few_files(struct wr_outcome *out, void *arg)
{
	struct wr_fds *fds = malloc(sizeof(*fds));
	struct rlimit limit = {0, 4096};
	weir_bus *bus;
	weir_pub *pub;
	weir_sub *sub;

	(void)arg;
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){4096, 4096});
	bus = open_bus(); /* opens what is opened once in a process */
	(void)works(bus);
	(void)weir_close(bus);
	wr_fds_take(fds);
	out->value[0] = out->value[1] = -1;
	for (rlim_t files = 3; files < 64; files++) {
		limit.rlim_cur = files;
		setrlimit(RLIMIT_NOFILE, &limit);
		bus = open_bus();
		if (weir_why(bus)->code == 0) {
			if (out->value[0] < 0)
				out->value[0] = (int64_t)files;
			sub = weir_subscribe(bus, "imu");
			pub = weir_advertise(bus, "imu");
			if (weir_pub_why(pub)->code == 0 && out->value[1] < 0)
				out->value[1] = (int64_t)files;
			if (weir_pub_why(pub)->code == 0)
				out->value[2] += weir_send(pub, "x", 1) != 0 ||
					weir_recv(sub, &limit, sizeof(limit), 0, NULL) !=
						1;
			else
				out->value[2] +=
					weir_pub_why(pub)->code != WEIR_E_ENV_FILES;
			out->value[2] += weir_sub_why(sub)->code != 0;
		} else {
			out->value[2] += weir_why(bus)->code != WEIR_E_ENV_FILES;
			if (weir_why(bus)->code != WEIR_E_ENV_FILES)
				fprintf(stderr, "%d files: %s: %s\n", (int)files,
					weir_err_name(weir_why(bus)->code),
					weir_why(bus)->text);
			out->value[4] +=
				!weir_why(bus)->hint[0] || !weir_why(bus)->where[0];
		}
		(void)weir_close(bus);
		limit.rlim_cur = 4096;
		setrlimit(RLIMIT_NOFILE, &limit);
		out->value[3] += wr_fds_new(fds);
	}
	/* Opened with enough, then none is left. */
	bus = open_bus();
	sub = weir_subscribe(bus, "imu");
	while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
		;
	pub = weir_advertise(bus, "imu");
	out->err = *weir_pub_why(pub);
	for (int fd = 3; fd < 4096; fd++) {
		char path[40], name[40] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (readlink(path, name, sizeof(name) - 1) > 0 &&
			!strcmp(name, "/dev/null"))
			close(fd);
	}
	out->value[5] = works(bus);
	(void)weir_close(bus);
}

static void
descriptors_run_out(void)
{
	struct wr_outcome out = wr_in_child(few_files, NULL);

	CHECK_EQ(out.status, 0);
	CHECK(out.value[0] > 0);
	CHECK(out.value[1] >= out.value[0]);
	CHECK_EQ(out.value[2], 0);
	CHECK_EQ(out.value[3], 0);
	CHECK_EQ(out.value[4], 0);
	CHECK_EQ(out.err.code, WEIR_E_ENV_FILES);
	CHECK_EQ(out.err.os, EMFILE);
	CHECK(strstr(out.err.hint, "RLIMIT_NOFILE") != NULL);
	CHECK(strstr(out.err.where, "weir_advertise 'imu'") != NULL);
	CHECK_EQ(out.value[5], 1);
	CHECK_EQ(wr_tmpdir_count(wr_tmpdir()),
		1); /* the directory of the bus, and nothing in it */
}

static void
no_mappings(struct wr_outcome *out, void *arg)
{
	unsigned long max = 0;
	FILE *f = fopen("/proc/sys/vm/max_map_count", "re");
	weir_bus *bus = open_bus();
	weir_pub *pub, *before = weir_advertise(bus, "before");
	char *mem;

	(void)arg;
	if (!f || fscanf(f, "%lu", &max) != 1 || max > 2000000)
		_exit(99);
	fclose(f);
	mem = mmap(NULL, (max + 16) * 4096, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		_exit(99);
	for (unsigned long i = 0; i < max + 16; i += 2)
		if (mprotect(mem + i * 4096, 4096, PROT_READ) != 0)
			break;
	while (mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
		if (mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			MAP_FAILED)
			break;
	pub = weir_advertise(bus, "imu", .window = 256 * MIB);
	out->err = *weir_pub_why(pub);
	out->value[0] = weir_send(before, "x", 1);
	munmap(mem, (max + 16) * 4096);
	out->value[1] = works(bus);
}

static void
mappings_run_out(void)
{
	struct wr_outcome out = wr_in_child(no_mappings, NULL);

	if (out.status == 99)
		TEST_SKIP("vm.max_map_count is too large to be used up");
	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.err.code, WEIR_E_ENV_MAPS);
	CHECK(strstr(out.err.text, "max_map_count") != NULL);
	CHECK(strstr(out.err.hint, "vm.max_map_count") != NULL);
	CHECK_EQ(out.value[1], 1);
}

static void
no_threads(struct wr_outcome *out, void *arg)
{
	weir_bus *bus;

	(void)arg;
	wr_become(4001, 4001);
	set_limit(RLIMIT_NPROC, 1);
	bus = open_bus();
	out->err = *weir_why(bus);
	out->value[0] = weir_close(bus);
	bus = weir_open("bus", .flags = FLAGS | WEIR_BUS_NO_THREAD);
	out->value[1] = weir_why(bus)->code;
	out->value[2] = works(bus);
	out->value[3] = weir_close(bus);
}

static void
threads_run_out(void)
{
	struct wr_outcome out;

	if (geteuid() != 0)
		TEST_SKIP("only root can become another user");
	CHECK_EQ(chown(wr_tmpdir(), 4001, 4001), 0);
	out = wr_in_child(no_threads, NULL);
	CHECK_EQ(chown(wr_tmpdir(), 0, 0), 0);
	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.err.code, WEIR_E_ENV_THREADS);
	CHECK_EQ(out.err.os, EAGAIN);
	CHECK(strstr(out.err.text, "no thread for the steward") != NULL);
	CHECK(strstr(out.err.hint, "WEIR_BUS_NO_THREAD") != NULL);
	CHECK_EQ(out.value[0], weir_err_exit(WEIR_E_ENV_THREADS));
	CHECK_EQ(out.value[1], 0);
	CHECK_EQ(out.value[2], 1);
	CHECK_EQ(out.value[3], 0);
}

/* ---- the runtime directory ----------------------------------------------------------------------- */

static void
check_dir(const char *dir, int code, const char *text, const char *where)
{
	weir_bus *bus = weir_open("bus", .dir = dir, .flags = FLAGS);
	const weir_error *err = weir_why(bus);

	CHECK_EQ(err->code, code);
	if (!strstr(err->text, text))
		FAIL("the text is \"%s\", without \"%s\"", err->text, text);
	CHECK(strstr(err->where, where) != NULL);
	CHECK(err->hint[0]);
	CHECK_EQ(weir_close(bus), weir_err_exit(code));
}

static void
runtime_directories(void)
{
	char dir[600], path[700];
	int fd;

	wr_tmpdir_path(dir, sizeof(dir), "none/deeper");
	check_dir(dir, WEIR_E_ENV_NODIR, "none/deeper cannot be made", "weir_open 'bus'");
	wr_tmpdir_path(dir, sizeof(dir), "file");
	fd = open(dir, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	check_dir(dir, WEIR_E_ENV_UNSAFE, "is not a directory", "weir_open 'bus'");
	wr_tmpdir_path(dir, sizeof(dir), "link");
	CHECK_EQ(symlink("/tmp", dir), 0);
	check_dir(dir, WEIR_E_ENV_UNSAFE, "is a symbolic link", "weir_open 'bus'");
	wr_tmpdir_path(dir, sizeof(dir), "open");
	CHECK_EQ(mkdir(dir, 0700), 0);
	CHECK_EQ(chmod(dir, 0777), 0);
	check_dir(dir, WEIR_E_ENV_UNSAFE, "can be written to by anybody",
		"weir_open 'bus'");
	CHECK_EQ(chmod(dir, 0770), 0);
	check_dir(dir, WEIR_E_ENV_UNSAFE, "can be written to by its group",
		"weir_open 'bus'");
	CHECK_EQ(chmod(dir, 0700), 0);
	if (geteuid() == 0) {
		CHECK_EQ(chown(dir, 4002, 4002), 0);
		check_dir(dir, WEIR_E_ENV_UNSAFE, "belongs to somebody else",
			"weir_open 'bus'");
		CHECK_EQ(chown(dir, 0, 0), 0);
	}
	/* The directory of the bus itself, made by somebody else or open to others. */
	snprintf(path, sizeof(path), "%s/bus", dir);
	CHECK_EQ(mkdir(path, 0700), 0);
	CHECK_EQ(chmod(path, 0777), 0);
	check_dir(dir, WEIR_E_ENV_UNSAFE, "could be written to by others",
		"weir_open 'bus'");
	CHECK_EQ(rmdir(path), 0);
	CHECK_EQ(symlink("/tmp", path), 0);
	check_dir(dir, WEIR_E_ENV_UNSAFE, "is a symbolic link", "weir_open 'bus'");
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(weir_close(weir_open("bus", .dir = dir, .flags = FLAGS)), 0);
}

/* ---- sandboxes ------------------------------------------------------------------------------------- */

/* Refuses getsockopt(SO_PEERPIDFD) and nothing else of it, as old kernels do. */
static void
refuse_peer_pidfd(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getsockopt, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SO_PEERPIDFD, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOPROTOOPT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		_exit(99);
}

static void
without_memfd(struct wr_outcome *out, void *arg)
{
	weir_bus *bus;

	wr_refuse_call(SYS_memfd_create, *(int *)arg);
	bus = open_bus();
	out->err = *weir_why(bus);
	out->rc = weir_close(bus);
	/* Within the process it is not needed. */
	bus = weir_open("inproc:bus", .flags = FLAGS);
	out->value[0] = works(bus);
	out->value[1] = weir_close(bus);
}

static void
sandbox_without_memfd_create(void)
{
	for (int i = 0; i < 2; i++) {
		int os = i ? EPERM : ENOSYS;
		struct wr_outcome out = wr_in_child(without_memfd, &os);

		CHECK_EQ(out.status, 0);
		CHECK_EQ(out.err.code, WEIR_E_ENV_NOSYS);
		CHECK_EQ(out.err.os, os);
		CHECK(strstr(out.err.text, "memfd_create is refused") != NULL);
		CHECK(strstr(out.err.where, "weir_open 'bus'") != NULL);
		CHECK(strstr(out.err.hint, "allow the call") != NULL);
		CHECK_EQ(out.rc, weir_err_exit(WEIR_E_ENV_NOSYS));
		CHECK_EQ(out.value[0], 1);
		CHECK_EQ(out.value[1], 0);
	}
}

/* A puppet in a sandbox: the first argument says which. */
static int
sandboxed(int argc, char **argv)
{
	char exe[] = "/proc/self/exe", option[] = "--helper", name[] = "puppet";
	char *const args[] = {exe, option, name, NULL};

	if (argc > 1 && !strcmp(argv[1], "membarrier"))
		wr_refuse_call(SYS_membarrier, EPERM);
	if (argc > 1 && strstr(argv[1], "pidfd_open"))
		wr_refuse_call(SYS_pidfd_open, ENOSYS);
	if (argc > 1 && strstr(argv[1], "peerpidfd"))
		refuse_peer_pidfd();
	execv(exe, args);
	return 96;
}

/* Fences do what the barrier would have done. */
static void
sandbox_without_membarrier(void)
{
	for (int i = 0; i < 3; i++) {
		struct wr_proc a, b;

		wr_proc_start(&a, "sandboxed", i == 1 ? "none" : "membarrier", NULL);
		wr_proc_start(&b, "sandboxed", i == 0 ? "none" : "membarrier", NULL);
		puppet_ok(&a, "open 0 bus%d", i);
		puppet_ok(&b, "open 0 bus%d", i);
		puppet_ok(&a, "pub 0 0 imu");
		puppet_ok(&b, "sub 0 0 imu whole");
		/* One by one, so that the reader sleeps in between and is woken. */
		for (int n = 1; n <= 200; n++) {
			puppet_tell(&b, "recv 0 1");
			CHECK_EQ(puppet_number(&a, "send 0 1"), n);
			CHECK_STR(puppet_hear(&b), "1 in order");
		}
		puppet_end(&a);
		puppet_end(&b);
	}
}

/* Either of the two ways to a process descriptor is enough. */
static void
sandbox_without_one_pidfd_call(void)
{
	static const char *const which[] = {"pidfd_open", "peerpidfd"};

	for (int i = 0; i < 2; i++) {
		struct wr_proc a, b;

		wr_proc_start(&a, "sandboxed", which[i], NULL);
		puppet_start(&b, "open 0 bus%d", i);
		puppet_ok(&a, "open 0 bus%d", i);
		puppet_ok(&a, "sub 0 0 imu whole");
		puppet_ok(&b, "pub 0 0 imu");
		CHECK_EQ(puppet_number(&b, "send 0 5"), 5);
		CHECK_STR(puppet_ask(&a, "recv 0 5"), "5 in order");
		wr_proc_kill(&b);
		CHECK_STR(puppet_ask(&a, "drain 0"), "0 in order");
		CHECK(strncmp(puppet_ask(&a, "event 0 NODE_DIED"), "NODE_DIED", 9) == 0);
		puppet_end(&a);
	}
}

/* Without both, nobody's death could be told from silence: the meeting is refused. */
static void
sandbox_without_pidfd(void)
{
	struct wr_proc a, b, c;
	const char *event;

	puppet_start(&b, "open 0 bus node=outside");
	wr_proc_start(&a, "sandboxed", "pidfd_open,peerpidfd", NULL);
	puppet_ok(&a, "open 0 bus node=inside");
	event = puppet_ask(&a, "event 0 REFUSED");
	CHECK(strncmp(event, "REFUSED ENV_NOSYS ", 18) == 0);
	CHECK(strstr(event, " outside ") != NULL);
	puppet_ok(&a, "pub 0 0 imu");
	puppet_ok(&b, "sub 0 0 imu");
	CHECK_EQ(puppet_number(&b, "pubs 0"), 0);
	/* Who comes later is not let in either, and knows who it is that does not answer. */
	puppet_start(&c, "open 0 bus attach=50");
	CHECK(strncmp(puppet_ask(&c, "pending 0"), "1 ", 2) == 0);
	puppet_ok(&c, "pub 0 0 imu");
	CHECK_EQ(puppet_number(&c, "subs 0"), 1);
	CHECK_EQ(puppet_number(&c, "send 0 3"), 3);
	CHECK_STR(puppet_ask(&b, "recv 0 3"), "3 in order");
	puppet_end(&a);
	puppet_end(&b);
	puppet_end(&c);
}

/* ---- another pid namespace ------------------------------------------------------------------------- */

static int
in_another_namespace(int argc, char **argv)
{
	char exe[] = "/proc/self/exe", option[] = "--helper", name[] = "puppet";
	char *const args[] = {exe, option, name, NULL};
	int status;
	pid_t pid;

	(void)argc;
	(void)argv;
	if (unshare(CLONE_NEWPID) != 0)
		return 77;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execv(exe, args);
		_exit(96);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 95;
}

static void
another_pid_namespace(void)
{
	struct wr_proc a, b;
	const char *event;

	if (geteuid() != 0)
		TEST_SKIP("only root can make a pid namespace here");
	puppet_start(&b, "open 0 bus node=outside");
	puppet_ok(&b, "sub 0 0 imu");
	wr_proc_start(&a, "in_another_namespace", NULL);
	if (wr_proc_say(&a, "open 0 bus node=inside") != 0)
		TEST_SKIP("no pid namespace can be made here");
	CHECK_STR(puppet_hear(&a), "ok");
	event = puppet_ask(&a, "event 0 REFUSED");
	CHECK(strncmp(event, "REFUSED ENV_PIDNS 0 ", 20) == 0);
	CHECK(strstr(event, " outside ") != NULL);
	/* Neither waits for the other from here on. */
	puppet_ok(&a, "pub 0 0 imu");
	CHECK_EQ(puppet_number(&a, "subs 0"), 0);
	puppet_ok(&b, "pub 0 0 odo");
	CHECK_EQ(puppet_number(&b, "pubs 0"), 0);
	puppet_end(&a);
	puppet_end(&b);
}

/* ---- short of something when others come ------------------------------------------------------------ */

/* A subscriber that cannot map the stream says so and stands in nobody's way. */
static int
little_room_for_others(int argc, char **argv)
{
	struct rlimit limit;
	weir_event event = {0};
	weir_bus *bus;
	weir_sub *sub;
	char line[16];

	(void)argc;
	(void)argv;
	bus = open_bus();
	sub = weir_subscribe(bus, "imu");
	/* For the words of a node, not for a stream. */
	limit.rlim_cur = limit.rlim_max = space_in_use() + 8 * MIB;
	setrlimit(RLIMIT_AS, &limit);
	wr_helper_say("ready");
	event = await_event(bus, WEIR_EV_REFUSED);
	wr_helper_say("%s %s %d", weir_err_name(event.code), event.topic,
		weir_publishers(sub));
	(void)wr_helper_hear(line, sizeof(line));
	return weir_close(bus);
}

static void
subscriber_without_room(void)
{
	struct wr_proc a, b;

	wr_proc_start(&b, "little_room_for_others", NULL);
	wr_proc_expect(&b, "ready");
	puppet_start(&a, "open 0 bus attach=600000");
	puppet_ok(&a, "pub 0 0 imu");
	wr_proc_expect(&b, "ENV_MAPS imu 0");
	CHECK_EQ(puppet_number(&a, "send 0 1000000"), 1000000);
	CHECK_EQ(puppet_number(&a, "subs 0"), 0);
	wr_proc_hush(&b);
	CHECK_EQ(wr_proc_wait(&b), 0);
	puppet_end(&a);
}

/* Processor time of a process so far, in clock ticks. */
static long
ticks(pid_t pid)
{
	char path[64], text[1024], *rest;
	long user = -1, system = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f && fgets(text, sizeof(text), f) && (rest = strrchr(text, ')')))
		(void)sscanf(rest + 1,
			" %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user,
			&system);
	if (f)
		fclose(f);
	return user + system;
}

/*
 * With room for so few descriptors that it can meet nobody, it says what it lacks, blames
 * nobody else, does not spin, and meets who is there as soon as there is room.
 */
static void
node_without_descriptors(void)
{
	for (int spare = 0; spare < 8; spare++) {
		struct timespec half = {.tv_nsec = 500 * 1000 * 1000};
		struct wr_proc a, b;
		const char *event;
		long before;
		bool met;

		puppet_start(&a, "open 0 bus%d node=poor", spare);
		puppet_ok(&a, "pub 0 0 imu");
		(void)puppet_ask(&a, "turn 0 1");
		puppet_ok(&a, "spare %d", spare);
		puppet_start(&b, "open 0 bus%d attach=100 node=rich", spare);
		puppet_ok(&b, "sub 0 0 imu");
		met = puppet_number(&b, "pending 0") == 0;
		if (!met) {
			before = ticks(a.pid);
			nanosleep(&half, NULL);
			if (ticks(a.pid) - before > 25)
				FAIL("with %d to spare it used %ld ticks in half a second",
					spare, ticks(a.pid) - before);
		}
		puppet_ok(&a, "spare -1");
		/* Whatever it was told before, it blames itself. */
		do {
			event = puppet_ask(&a, "event 0");
			CHECK(strncmp(event, "PROTOCOL", 8) != 0);
			if (!strncmp(event, "REFUSED", 7))
				CHECK(strncmp(event, "REFUSED ENV_FILES ", 18) == 0);
		} while (strncmp(event, "SUB_JOINED", 10) != 0);
		CHECK_EQ(puppet_number(&a, "subs 0"), 1);
		CHECK_EQ(puppet_number(&a, "send 0 5"), 5);
		CHECK_STR(puppet_ask(&b, "recv 0 5"), "5 in order");
		puppet_end(&a);
		puppet_end(&b);
	}
}

static const struct wr_test tests[] = {
	TEST(address_space_runs_out),
	TEST(memory_runs_out),
	TEST(cgroup_v1),
	TEST(cgroup_v2),
	TEST(file_size_limit_raises_no_signal),
	TEST(descriptors_run_out),
	TEST(mappings_run_out),
	TEST(threads_run_out),
	TEST(runtime_directories),
	TEST(sandbox_without_memfd_create),
	TEST(sandbox_without_membarrier),
	TEST(sandbox_without_one_pidfd_call),
	TEST(sandbox_without_pidfd),
	TEST(another_pid_namespace),
	TEST(subscriber_without_room),
	TEST(node_without_descriptors),
	TEST_END,
};
static const struct wr_helper helpers[] = {HELPER(sandboxed),
	HELPER(in_another_namespace), HELPER(little_room_for_others), HELPER_END};

const struct wr_suite wr_suite_shortage = {
	.name = "shortage", .tests = tests, .helpers = helpers};
