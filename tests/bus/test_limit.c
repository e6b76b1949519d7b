/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/os/limit.h"

#include "bus/os/region.h"
#include "tests/lib/child.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)

/* ---- a /proc and a cgroup tree made of files ----------------------------------------- */

/* Writes a file below the test's directory, with the directories above it. */
static void put(const char *name, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void
put(const char *name, const char *fmt, ...)
{
	char path[512];
	va_list ap;
	FILE *f;

	wr_tmpdir_path(path, sizeof(path), name);
	for (char *at = path + strlen(wr_tmpdir()) + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		REQUIRE(mkdir(path, 0700) == 0 || errno == EEXIST);
		*at = '/';
	}
	f = fopen(path, "w");
	REQUIRE(f);
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	REQUIRE_EQ(fclose(f), 0);
}

/* What the machine says about a need, asked in the made-up /proc. */
static int
ask(uint64_t need, struct weir_error *err)
{
	char proc[512];

	memset(err, 0, sizeof(*err));
	return wr_limit_memory_at(wr_tmpdir_path(proc, sizeof(proc), "proc"), need, err);
}

static void
put_v2_tree(void)
{
	put("proc/self/cgroup", "0::/user/app\n");
	put("proc/self/mountinfo",
		"21 1 0:19 / /proc rw - proc proc rw\n"
		"30 21 0:26 / %s/cg rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
		wr_tmpdir());
	put("proc/meminfo",
		"MemTotal: 99999999 kB\nMemAvailable: 9999999 kB\n"
		"SwapFree: 0 kB\n");
	put("cg/user/memory.max", "max\n");
	put("cg/user/memory.current", "0\n");
	put("cg/user/app/memory.max", "max\n");
	put("cg/user/app/memory.current", "0\n");
}

static void
v2_limit_of_our_own(void)
{
	struct weir_error err;
	char where[600];

	put_v2_tree();
	CHECK_EQ(ask(1000 * MIB, &err), 0);
	put("cg/user/app/memory.max", "%llu\n", 64ull * MIB);
	put("cg/user/app/memory.current", "%llu\n", 32ull * MIB);
	CHECK_EQ(ask(16 * MIB, &err), 0);
	CHECK_EQ(ask(31 * MIB, &err), 0);
	CHECK_EQ(ask(32 * MIB, &err), -WEIR_E_ENV_MEMORY);
	CHECK_EQ(err.code, WEIR_E_ENV_MEMORY);
	CHECK_STR(err.text, "not enough memory for 32.0 MiB");
	snprintf(where, sizeof(where),
		"needs 32.0 MiB, 31.0 MiB available, limit 64.0 MiB in "
		"%s/cg/user/app/memory.max",
		wr_tmpdir());
	where[sizeof(err.differs) - 1] = '\0';
	CHECK_STR(err.differs, where);
	/* Below the limit, and above it: the limit may have been lowered. */
	put("cg/user/app/memory.current", "%llu\n", 65ull * MIB);
	CHECK_EQ(ask(1, &err), -WEIR_E_ENV_MEMORY);
	CHECK_EQ(wr_limit_memory_at("/nonexistent", 64 * MIB, &err), 0);
}

static void
v2_limit_of_a_level_above(void)
{
	struct weir_error err;

	put_v2_tree();
	put("cg/user/app/memory.max", "%llu\n", 640ull * MIB);
	put("cg/user/memory.max", "%llu\n", 64ull * MIB);
	put("cg/user/memory.current", "%llu\n", 60ull * MIB);
	CHECK_EQ(ask(2 * MIB, &err), 0);
	CHECK_EQ(ask(4 * MIB, &err), -WEIR_E_ENV_MEMORY);
	CHECK(strstr(err.differs, "/cg/user/memory.max") != NULL);
	/* The file system's own root counts too, nothing above the mount does. */
	put("cg/memory.max", "%llu\n", 2ull * MIB);
	put("cg/memory.current", "0\n");
	CHECK_EQ(ask(2 * MIB, &err), -WEIR_E_ENV_MEMORY);
	CHECK(strstr(err.differs, "/cg/memory.max") != NULL);
	put("cg/memory.max", "max\n");
	put("memory.max", "0\n");
	put("memory.current", "0\n");
	CHECK_EQ(ask(2 * MIB, &err), 0);
}

static void
page_cache_counts_as_free(void)
{
	struct weir_error err;

	put_v2_tree();
	put("cg/user/app/memory.max", "%llu\n", 64ull * MIB);
	put("cg/user/app/memory.current", "%llu\n", 63ull * MIB);
	put("cg/user/app/memory.stat",
		"anon 1\nfile %llu\nshmem %llu\ninactive_anon %llu\n"
		"inactive_file %llu\nactive_file %llu\nslab 3\n",
		60ull * MIB, 40ull * MIB, 40ull * MIB, 10ull * MIB, 5ull * MIB);
	CHECK_EQ(ask(14 * MIB, &err), 0);
	/* Shared memory is in no list of files: it is not dropped. */
	CHECK_EQ(ask(17 * MIB, &err), -WEIR_E_ENV_MEMORY);
}

static void
put_v1_tree(const char *path, const char *root)
{
	put("proc/self/cgroup", "9:name=systemd:/\n5:cpu,memory:%s\n0::/elsewhere\n",
		path);
	put("proc/self/mountinfo",
		"30 21 0:26 / %s/v2 rw - cgroup2 cgroup2 rw\n"
		"31 21 0:27 / %s/cpu rw shared:3 - cgroup cgroup rw,cpuacct\n"
		"32 21 0:28 %s %s/my\\040cg rw shared:4 master:1 - cgroup cgroup "
		"rw,cpu,memory\n",
		wr_tmpdir(), wr_tmpdir(), root, wr_tmpdir());
	put("v2/elsewhere/memory.max", "1\n");
	put("v2/elsewhere/memory.current", "1\n");
}

static void
v1_beside_v2(void)
{
	struct weir_error err;

	put_v1_tree("/app", "/");
	CHECK_EQ(ask(64 * MIB, &err), 0);
	put("my cg/app/memory.limit_in_bytes", "9223372036854771712\n");
	put("my cg/app/memory.usage_in_bytes", "5\n");
	CHECK_EQ(ask(64 * MIB, &err), 0);
	put("my cg/app/memory.limit_in_bytes", "%llu\n", 8ull * MIB);
	CHECK_EQ(ask(6 * MIB, &err), 0);
	CHECK_EQ(ask(8 * MIB, &err), -WEIR_E_ENV_MEMORY);
	CHECK(strstr(err.differs, "/my cg/app/memory.limit_in_bytes") != NULL);
	put("my cg/app/memory.stat", "inactive_file 1\ntotal_inactive_file %llu\n",
		4ull * MIB);
	put("my cg/app/memory.usage_in_bytes", "%llu\n", 6ull * MIB);
	CHECK_EQ(ask(4 * MIB, &err), 0);
	put("my cg/memory.limit_in_bytes", "%llu\n", 2ull * MIB);
	put("my cg/memory.usage_in_bytes", "0\n");
	CHECK_EQ(ask(4 * MIB, &err), -WEIR_E_ENV_MEMORY);
}

/* In a container the mount shows a part of the tree only. */
static void
mounted_from_below(void)
{
	struct weir_error err;

	put_v1_tree("/docker/abc/inner", "/docker/abc");
	put("my cg/inner/memory.limit_in_bytes", "%llu\n", 8ull * MIB);
	put("my cg/inner/memory.usage_in_bytes", "0\n");
	CHECK_EQ(ask(8 * MIB, &err), -WEIR_E_ENV_MEMORY);
	CHECK(strstr(err.differs, "inner") != NULL);

	/* Our path lies outside of what is shown: then its top is what we have. */
	put_v1_tree("/docker/abcd", "/docker/abc");
	put("my cg/memory.limit_in_bytes", "%llu\n", 4ull * MIB);
	put("my cg/memory.usage_in_bytes", "0\n");
	CHECK_EQ(ask(4 * MIB, &err), -WEIR_E_ENV_MEMORY);
	put_v1_tree("/../../other", "/");
	CHECK_EQ(ask(4 * MIB, &err), -WEIR_E_ENV_MEMORY);
	CHECK_EQ(ask(2 * MIB, &err), 0);
}

static void
nonsense_is_no_limit(void)
{
	static const char *const self[] = {"", "\n", "0", "0:", "0::", ":::::\n",
		"x:y:z\n", "0::relative", "0::/a\n0::/b\n"};
	static const char *const mounts[] = {"", "\n", "-", " - ", "1 2 3 4 5 6 7",
		"1 2 3 / /x rw -", "1 2 3 / /x rw - cgroup2",
		"1 2 3 / /x rw - cgroup2 a", "1 2 3 / /x rw shared:1 cgroup2 a b\n",
		"1 2 3 /\\777 /x\\ rw - cgroup2 a b\n"};
	static const char *const numbers[] = {
		"", "x", "-", "max", "\n", "ffffffff", "99999999999999999999999"};
	struct weir_error err;

	put_v2_tree();
	for (size_t i = 0; i < sizeof(self) / sizeof(self[0]); i++) {
		put("proc/self/cgroup", "%s", self[i]);
		CHECK_EQ(ask(MIB, &err), 0);
	}
	put_v2_tree();
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		put("proc/self/mountinfo", "%s", mounts[i]);
		CHECK_EQ(ask(MIB, &err), 0);
	}
	put_v2_tree();
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		put("cg/user/app/memory.max", "%s", numbers[i]);
		CHECK_EQ(ask(MIB, &err), 0);
		put("proc/meminfo", "MemAvailable%s\n", numbers[i]);
		CHECK_EQ(ask(MIB, &err), 0);
	}
}

static void
machine_runs_out(void)
{
	struct weir_error err;

	put_v2_tree();
	put("proc/meminfo",
		"MemTotal: 99999 kB\nMemFree: 1 kB\n"
		"MemAvailable:    8192 kB\nSwapTotal: 0 kB\n"
		"SwapFree:   4096 kB\n");
	CHECK_EQ(ask(12 * MIB, &err), 0);
	CHECK_EQ(ask(12 * MIB + 1, &err), -WEIR_E_ENV_MEMORY);
	CHECK(strstr(err.differs, "12.0 MiB available in ") != NULL);
	CHECK(strstr(err.differs, "proc/meminfo") != NULL);
	/* The real one. */
	CHECK_EQ(wr_limit_memory(MIB, NULL), 0);
	CHECK_EQ(wr_limit_memory((uint64_t)1 << 60, &err), -WEIR_E_ENV_MEMORY);
}

/* ---- real memory cgroups ------------------------------------------------------------- */

/* A directory below our own memory cgroup; false where we may not or cannot make one. */
static bool
make_cgroup(char *dir, size_t size, const char **limit)
{
	char line[512], *path = NULL;
	FILE *f = fopen("/proc/self/cgroup", "r");

	*limit = NULL;
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		path = strstr(line, ":memory:");
		if (path) {
			snprintf(dir, size, "/sys/fs/cgroup/memory%s/weir-test-%d",
				path + 8, getpid());
			*limit = "memory.limit_in_bytes";
			break;
		}
		if (!strncmp(line, "0::", 3)) {
			snprintf(dir, size, "/sys/fs/cgroup%s/weir-test-%d", line + 3,
				getpid());
			*limit = "memory.max";
		}
	}
	if (f)
		fclose(f);
	return *limit && mkdir(dir, 0700) == 0;
}

static bool
put_number(const char *dir, const char *file, uint64_t number)
{
	char path[700];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	f = fopen(path, "w");
	if (!f)
		return false;
	fprintf(f, "%llu", (unsigned long long)number);
	return fclose(f) == 0;
}

static void
fill_a_cgroup(struct wr_outcome *out, void *arg)
{
	struct wr_region region, alone;

	/* Where we were before must not be what is asked after the move. */
	if (wr_limit_memory(1, NULL) ||
		!put_number(arg, "cgroup.procs", (uint64_t)getpid()))
		_exit(99);
	if (wr_region_create(&region, "a", 256 * MIB, &out->err) != 0 ||
		wr_region_private(&alone, "a", 256 * MIB, &out->err) != 0)
		_exit(98);
	out->value[0] = wr_limit_memory(256 * MIB, &out->err);
	out->value[1] = wr_region_reserve(&region, 0, 256 * MIB, NULL);
	out->value[2] = wr_region_reserve(&alone, 0, 256 * MIB, NULL);
	/* Bit by bit: without the check the kernel would kill on the way. */
	for (uint64_t at = 0; out->rc == 0 && at < region.bytes; at += MIB) {
		out->rc = wr_region_reserve(&region, at, MIB, NULL);
		out->value[3] = (int64_t)region.reserved;
	}
	out->value[4] = wr_region_reserve(&alone, 0, 64 * MIB, NULL);
}

static void
cgroup_is_asked_before_it_kills(void)
{
	char dir[600], inner[650];
	const char *file;
	struct wr_outcome out;
	bool made = false;

	if (!make_cgroup(dir, sizeof(dir), &file))
		TEST_SKIP("no memory cgroup can be made here");
	snprintf(inner, sizeof(inner), "%s/inner", dir);
	if (put_number(dir, file, 32 * MIB) && mkdir(inner, 0700) == 0) {
		made = true;
		out = wr_in_child(fill_a_cgroup, dir);
		CHECK_EQ(out.status, 0); /* 137 would be the kernel's way. */
		CHECK_EQ(out.value[0], -WEIR_E_ENV_MEMORY);
		CHECK(strstr(out.err.differs, "limit 32.0 MiB in ") != NULL);
		CHECK(strstr(out.err.differs, "/sys/fs/cgroup/") != NULL);
		CHECK_EQ(out.value[1], -WEIR_E_ENV_MEMORY);
		CHECK_EQ(out.value[2], -WEIR_E_ENV_MEMORY);
		CHECK_EQ(out.rc, -WEIR_E_ENV_MEMORY);
		/* And it was not refused long before it had to be. */
		CHECK(out.value[3] >= (int64_t)(16 * MIB));
		CHECK(out.value[3] < (int64_t)(32 * MIB));
		CHECK_EQ(out.value[4], -WEIR_E_ENV_MEMORY);
		wr_test_note("reserved %lld KiB of a limit of 32768",
			(long long)out.value[3] / 1024);

		/* The limit lies one level above. */
		out = wr_in_child(fill_a_cgroup, inner);
		CHECK_EQ(out.status, 0);
		CHECK_EQ(out.rc, -WEIR_E_ENV_MEMORY);
		CHECK(strstr(out.err.differs, "limit 32.0 MiB in ") != NULL);
		CHECK(out.value[3] >= (int64_t)(16 * MIB));
	}
	CHECK_EQ(rmdir(inner), made ? 0 : -1);
	CHECK_EQ(rmdir(dir), 0);
	if (!made)
		TEST_SKIP("the memory cgroup takes no limit");
}

/* ---- resource limits ----------------------------------------------------------------- */

static void
limit_to(struct wr_outcome *out, int which, uint64_t value)
{
	struct rlimit limit = {.rlim_cur = value, .rlim_max = value};

	(void)out;
	if (setrlimit((__rlimit_resource_t)which, &limit) != 0)
		_exit(99);
}

static void
small_files(struct wr_outcome *out, void *arg)
{
	(void)arg;
	limit_to(out, RLIMIT_FSIZE, MIB);
	out->value[0] = wr_limit_fsize(MIB, NULL);
	out->rc = wr_limit_fsize(MIB + 1, &out->err);
}

static void
few_files(struct wr_outcome *out, void *arg)
{
	(void)arg;
	/* Exactly ten are open, wherever the test came from. */
	for (int fd = 3; fd < 65536; fd++)
		close(fd);
	for (int fd = 0; fd < 10; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd)
			_exit(99);
	limit_to(out, RLIMIT_NOFILE, 16);
	out->value[0] = wr_limit_files(6, NULL);
	out->rc = wr_limit_files(7, &out->err);
}

static void
little_space(struct wr_outcome *out, void *arg)
{
	unsigned long long pages;
	FILE *f = fopen("/proc/self/statm", "r");

	(void)arg;
	if (!f || fscanf(f, "%llu", &pages) != 1)
		_exit(99);
	fclose(f);
	limit_to(out, RLIMIT_AS, pages * (uint64_t)sysconf(_SC_PAGESIZE) + 64 * MIB);
	out->value[0] = wr_limit_space(32 * MIB, NULL);
	out->rc = wr_limit_space(65 * MIB, &out->err);
}

static void
resource_limits(void)
{
	struct wr_outcome out = wr_in_child(small_files, NULL);

	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.value[0], 0);
	CHECK_EQ(out.rc, -WEIR_E_ENV_FSIZE);
	CHECK_STR(out.err.differs, "needs 1.0 MiB, RLIMIT_FSIZE is 1.0 MiB");

	out = wr_in_child(few_files, NULL);
	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.value[0], 0);
	CHECK_EQ(out.rc, -WEIR_E_ENV_FILES);
	CHECK_STR(out.err.differs, "needs 7, 10 are open, RLIMIT_NOFILE is 16");
	CHECK_STR(out.err.text, "no room for 7 file descriptors");

	out = wr_in_child(little_space, NULL);
	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.value[0], 0);
	CHECK_EQ(out.rc, -WEIR_E_ENV_MAPS);
	CHECK(strstr(out.err.differs, "RLIMIT_AS is ") != NULL);

	CHECK_EQ(wr_limit_space(MIB, NULL), 0);
	CHECK_EQ(wr_limit_files(1, NULL), 0);
}

/* ---- many threads, and a child of one of them ---------------------------------------- */

static void *
asks_often(void *arg)
{
	for (int i = 0; i < 10000; i++)
		*(int *)arg += wr_limit_memory(MIB, NULL) != 0;
	return NULL;
}

static void
ask_once(struct wr_outcome *out, void *arg)
{
	(void)arg;
	out->rc = wr_limit_memory(MIB, NULL);
}

/* The address sanitizer's own allocator may be left locked in a child of many threads. */
#if defined(__SANITIZE_ADDRESS__)
enum { CHILDREN = 0 };
#else
enum { CHILDREN = 1000 };
#endif

static void
nobody_waits_for_another(void)
{
	int refused[4] = {0};
	pthread_t thread[4];

	for (int i = 0; i < 4; i++)
		REQUIRE_EQ(pthread_create(&thread[i], NULL, asks_often, &refused[i]), 0);
	/* A child must not find a lock that nobody will ever let go. */
	for (unsigned i = 0; i < CHILDREN / wr_test_slowness(); i++) {
		struct wr_outcome out = wr_in_child(ask_once, NULL);

		CHECK_EQ(out.status, 0);
		CHECK_EQ(out.rc, 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(thread[i], NULL);
		CHECK_EQ(refused[i], 0);
	}
}

static void
sizes_in_words(void)
{
	char buf[32];

	CHECK_STR(wr_limit_bytes(0, buf, sizeof(buf)), "0 B");
	CHECK_STR(wr_limit_bytes(1023, buf, sizeof(buf)), "1023 B");
	CHECK_STR(wr_limit_bytes(1024, buf, sizeof(buf)), "1.0 KiB");
	CHECK_STR(wr_limit_bytes(16 * MIB, buf, sizeof(buf)), "16.0 MiB");
	CHECK_STR(wr_limit_bytes(UINT64_MAX, buf, sizeof(buf)), "16.0 EiB");
}

static const struct wr_test tests[] = {
	TEST(v2_limit_of_our_own),
	TEST(v2_limit_of_a_level_above),
	TEST(page_cache_counts_as_free),
	TEST(v1_beside_v2),
	TEST(mounted_from_below),
	TEST(nonsense_is_no_limit),
	TEST(machine_runs_out),
	TEST(cgroup_is_asked_before_it_kills),
	TEST(resource_limits),
	TEST(nobody_waits_for_another, .labels = "concurrency"),
	TEST(sizes_in_words),
	TEST_END,
};
const struct wr_suite wr_suite_limit = {
	.name = "limit", .tests = tests, .labels = "input"};
