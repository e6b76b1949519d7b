/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/os/region.h"

#include "bus/os/limit.h"
#include "tests/lib/child.h"
#include "tests/lib/fdleak.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define MIB ((uint64_t)1 << 20)

static uint64_t
page(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Bytes that the kernel has given to a file. */
static uint64_t
blocks_of(int fd)
{
	struct stat st;

	REQUIRE_EQ(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

/* ---- what it is --------------------------------------------------------------------- */

static void
takes_memory_only_as_reserved(void)
{
	struct wr_region region;
	struct weir_error err;

	REQUIRE_EQ(wr_region_create(&region, "imu", 64 * MIB, &err), 0);
	CHECK(region.mem && region.writable && region.fd >= 0);
	CHECK_EQ(region.bytes, 64 * MIB);
	CHECK_EQ(region.reserved, 0);
	CHECK_EQ(blocks_of(region.fd), 0);
	CHECK_EQ(wr_maps_count("memfd:weir:imu"), 1);

	CHECK_EQ(wr_region_reserve(&region, 8 * MIB, MIB, &err), 0);
	CHECK_EQ(region.reserved, MIB);
	CHECK_EQ(blocks_of(region.fd), MIB);
	/* Whole pages, and a page twice is one page. */
	CHECK_EQ(wr_region_reserve(&region, 8 * MIB + MIB - 1, 2, &err), 0);
	CHECK_EQ(region.reserved, MIB + page());
	CHECK_EQ(wr_region_reserve(&region, 8 * MIB, MIB, &err), 0);
	CHECK_EQ(region.reserved, MIB + page());
	/* The last byte. */
	CHECK_EQ(wr_region_reserve(&region, 64 * MIB - 1, 1, &err), 0);
	region.mem[64 * MIB - 1] = 1;
	CHECK_EQ(region.reserved, MIB + 2 * page());

	wr_region_drop(&region);
	CHECK(!region.mem && region.fd == -1 && !region.bytes);
	wr_region_drop(&region);
	CHECK_EQ(wr_maps_count("memfd:weir:imu"), 0);
}

static void
private_has_the_same_shape(void)
{
	struct wr_region region;
	struct weir_error err;

	REQUIRE_EQ(wr_region_private(&region, "imu", 64 * MIB, &err), 0);
	CHECK(region.mem && region.writable);
	CHECK_EQ(region.fd, -1);
	CHECK_EQ(region.bytes, 64 * MIB);
	CHECK_EQ(region.reserved, 0);
	CHECK_EQ(wr_region_reserve(&region, 3 * MIB, MIB, &err), 0);
	CHECK_EQ(region.reserved, MIB);
	for (uint64_t i = 0; i < MIB; i++)
		region.mem[3 * MIB + i] = (uint8_t)i;
	CHECK_EQ(region.mem[3 * MIB + 77], 77);
	CHECK_EQ(wr_region_lend(&region, &err), -WEIR_E_USAGE_STATE);
	wr_region_drop(&region);
	wr_region_drop(&region);
}

/* Is each page of the range in memory? */
static int
resident(uint8_t *mem, uint64_t bytes)
{
	unsigned char *there = calloc(1, bytes / page());
	int count = 0;

	REQUIRE(there);
	REQUIRE_EQ(mincore(mem, bytes, there), 0);
	for (uint64_t i = 0; i < bytes / page(); i++)
		count += there[i] & 1;
	free(there);
	return count;
}

static long
faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

/* Writes each page of the range; how many faults that took. */
static long
faults_of_writing(struct wr_region *region, uint64_t bytes)
{
	long before = faults();

	for (uint64_t at = 0; at < bytes; at += page())
		*(volatile uint8_t *)(region->mem + at) = 1;
	return faults() - before;
}

static void
reserved_memory_does_not_fault(void)
{
	static struct wr_region shared, alone;
	struct weir_error err;
	long first, second;

	REQUIRE_EQ(wr_region_create(&shared, "a", 4 * MIB, &err), 0);
	REQUIRE_EQ(wr_region_private(&alone, "b", 4 * MIB, &err), 0);
	CHECK_EQ(resident(alone.mem, 2 * MIB), 0);
	REQUIRE_EQ(wr_region_reserve(&shared, 0, 2 * MIB, &err), 0);
	REQUIRE_EQ(wr_region_reserve(&alone, 0, 2 * MIB, &err), 0);
	CHECK_EQ(resident(shared.mem, 2 * MIB), 2 * MIB / page());
	CHECK_EQ(resident(alone.mem, 2 * MIB), 2 * MIB / page());
	CHECK_EQ(resident(shared.mem + 2 * MIB, 2 * MIB), 0);
	CHECK_EQ(resident(alone.mem + 2 * MIB, 2 * MIB), 0);
	/* A sanitizer faults in its own memory for each access. */
	if (wr_test_slowness() == 1) {
		first = faults_of_writing(&shared, 2 * MIB);
		second = faults_of_writing(&alone, 2 * MIB);
		CHECK(first <= 1);
		CHECK(second <= 1);
	}
	wr_region_drop(&shared);
	wr_region_drop(&alone);
}

static void
peer_sees_what_is_written(void)
{
	struct wr_region ours, theirs;
	struct weir_error err;
	int fd;

	REQUIRE_EQ(wr_region_create(&ours, "a", MIB, &err), 0);
	fd = wr_region_lend(&ours, &err);
	REQUIRE(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	REQUIRE_EQ(wr_region_map(&theirs, fd, MIB, &err), 0);
	CHECK(!theirs.writable);
	CHECK_EQ(theirs.bytes, MIB);
	CHECK(theirs.mem != ours.mem);
	REQUIRE_EQ(wr_region_reserve(&ours, 0, page(), &err), 0);
	strcpy((char *)ours.mem, "hello");
	CHECK_STR((char *)theirs.mem, "hello");
	wr_region_populate(&theirs, 0, page());
	wr_region_populate(&theirs, 0, 8 * MIB);
	/* It outlives its maker. */
	wr_region_drop(&ours);
	CHECK_STR((char *)theirs.mem, "hello");
	CHECK_EQ(wr_region_reserve(&theirs, 0, page(), &err), -WEIR_E_USAGE_INVAL);
	wr_region_drop(&theirs);
}

static void
populate_spares_the_first_reading(void)
{
	struct wr_region ours, theirs;
	struct weir_error err;
	volatile uint8_t sum = 0;
	long before;

	REQUIRE_EQ(wr_region_create(&ours, "a", MIB, &err), 0);
	REQUIRE_EQ(wr_region_reserve(&ours, 0, MIB, &err), 0);
	REQUIRE_EQ(wr_region_map(&theirs, wr_region_lend(&ours, &err), MIB, &err), 0);
	wr_region_populate(&theirs, 0, MIB);
	before = faults();
	for (uint64_t at = 0; at < MIB; at += page())
		sum = (uint8_t)(sum + *(volatile uint8_t *)(theirs.mem + at));
	if (wr_test_slowness() == 1)
		CHECK(faults() - before <= 1);
	wr_region_drop(&ours);
	wr_region_drop(&theirs);
}

/* Every way in that the holder of the descriptor has. */
static void
nobody_else_can_write(void)
{
	struct wr_region region;
	struct weir_error err;
	char path[64];
	void *mem;
	int fd;

	REQUIRE_EQ(wr_region_create(&region, "a", MIB, &err), 0);
	REQUIRE_EQ(wr_region_reserve(&region, 0, MIB, &err), 0);
	region.mem[0] = 'a';
	/* As root even mode 0400 does not stop this. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", region.fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fd = dup(region.fd);
	REQUIRE(fd >= 0);

	mem = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(mem == MAP_FAILED && errno == EPERM);
	CHECK(write(fd, "x", 1) == -1 && errno == EPERM);
	CHECK(pwrite(fd, "x", 1, 100) == -1 && errno == EPERM);
	CHECK(ftruncate(fd, 0) == -1 && errno == EPERM);
	CHECK(ftruncate(fd, (off_t)(2 * MIB)) == -1 && errno == EPERM);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
		      (off_t)page()) == -1 &&
		errno == EPERM);
	CHECK(fallocate(fd, 0, (off_t)MIB, (off_t)page()) == -1 && errno == EPERM);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == -1 && errno == EPERM);

	mem = mmap(NULL, MIB, PROT_READ, MAP_SHARED, fd, 0);
	REQUIRE(mem != MAP_FAILED);
	CHECK(mprotect(mem, MIB, PROT_READ | PROT_WRITE) == -1 && errno == EACCES);
	CHECK(madvise(mem, MIB, MADV_REMOVE) == -1);
	CHECK_EQ(*(char *)mem, 'a');
	/* Its writer still can. */
	region.mem[0] = 'b';
	CHECK_EQ(*(char *)mem, 'b');
	munmap(mem, MIB);
	close(fd);
	wr_region_drop(&region);
}

static void
reopen_as_nobody(struct wr_outcome *out, void *arg)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", ((struct wr_region *)arg)->fd);
	wr_become(65534, 65534);
	out->rc = open(path, O_RDWR);
	out->value[0] = errno;
}

static void
another_user_cannot_even_open_it(void)
{
	struct wr_region region;
	struct weir_error err;
	struct wr_outcome out;

	if (geteuid() != 0)
		TEST_SKIP("only root can become another user");
	REQUIRE_EQ(wr_region_create(&region, "a", MIB, &err), 0);
	out = wr_in_child(reopen_as_nobody, &region);
	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.rc, -1);
	CHECK_EQ(out.value[0], EACCES);
	wr_region_drop(&region);
}

static void
look_for_memory(struct wr_outcome *out, void *arg)
{
	struct wr_region *region = arg;
	unsigned char there;

	out->rc = mincore(region->mem, page(), &there);
	out->value[0] = errno;
}

static void
forked_child_has_no_mapping(void)
{
	struct wr_region region[3];
	struct weir_error err;

	REQUIRE_EQ(wr_region_create(&region[0], "a", MIB, &err), 0);
	REQUIRE_EQ(wr_region_map(&region[1], wr_region_lend(&region[0], &err), MIB, &err),
		0);
	REQUIRE_EQ(wr_region_private(&region[2], "a", MIB, &err), 0);
	for (int i = 0; i < 3; i++) {
		struct wr_outcome out = wr_in_child(look_for_memory, &region[i]);

		CHECK_EQ(out.status, 0);
		CHECK_EQ(out.rc, -1);
		CHECK_EQ(out.value[0], ENOMEM);
		wr_region_drop(&region[i]);
	}
}

static void
ranges_are_checked(void)
{
	static const struct {
		uint64_t offset, bytes;
	} bad[] = {{MIB, 1}, {MIB - 1, 2}, {0, MIB + 1}, {UINT64_MAX, 1},
		{1, UINT64_MAX}, {UINT64_MAX, UINT64_MAX}, {MIB + 1, 0}};
	static const uint64_t sizes[] = {0, UINT64_MAX, (uint64_t)1 << 47};
	struct wr_region region, none = WR_REGION_NONE;
	struct weir_error err;

	REQUIRE_EQ(wr_region_create(&region, "a", MIB, &err), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQ(wr_region_reserve(&region, bad[i].offset, bad[i].bytes, &err),
			-WEIR_E_USAGE_INVAL);
	CHECK_EQ(wr_region_reserve(&region, MIB, 0, &err), 0);
	CHECK_EQ(wr_region_reserve(&region, 5, 0, NULL), 0);
	CHECK_EQ(region.reserved, 0);
	CHECK_EQ(blocks_of(region.fd), 0);
	wr_region_drop(&region);
	CHECK_EQ(wr_region_reserve(&none, 0, 1, &err), -WEIR_E_USAGE_INVAL);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		CHECK_EQ(wr_region_create(&region, "a", sizes[i], &err),
			-WEIR_E_USAGE_INVAL);
		CHECK_EQ(wr_region_private(&region, "a", sizes[i], &err),
			-WEIR_E_USAGE_INVAL);
	}
	/* A size is made whole pages; a label may be anything. */
	REQUIRE_EQ(wr_region_create(&region, NULL, 1, NULL), 0);
	CHECK_EQ(region.bytes, page());
	wr_region_drop(&region);
}

static volatile sig_atomic_t ticks;

static void
tick(int sig)
{
	(void)sig;
	ticks++;
}

static void
signals_do_not_stop_it(void)
{
	struct itimerval timer = {.it_interval.tv_usec = 500, .it_value.tv_usec = 500};
	struct sigaction action = {.sa_handler = tick};
	struct wr_region region;
	struct weir_error err;

	sigaction(SIGALRM, &action, NULL);
	REQUIRE_EQ(wr_region_create(&region, "a", 64 * MIB, &err), 0);
	setitimer(ITIMER_REAL, &timer, NULL);
	CHECK_EQ(wr_region_reserve(&region, 0, 64 * MIB, &err), 0);
	timer = (struct itimerval){0};
	setitimer(ITIMER_REAL, &timer, NULL);
	CHECK(ticks > 0);
	CHECK_EQ(region.reserved, 64 * MIB);
	wr_region_drop(&region);
}

/* ---- descriptors that a peer may send ------------------------------------------------ */

static int
memfd(const char *name, unsigned flags, uint64_t bytes, int seals)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);

	REQUIRE(fd >= 0);
	REQUIRE_EQ(ftruncate(fd, (off_t)bytes), 0);
	if (seals)
		REQUIRE_EQ(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/* The descriptor is refused, closed, and nothing is mapped. */
static void
refused(int fd, uint64_t announced, const char *what)
{
	struct wr_region region;
	struct weir_error err = {0};
	int rc;

	if (fd < 0)
		FAIL("no descriptor for %s", what);
	rc = wr_region_map(&region, fd, announced, &err);
	if (rc != -WEIR_E_PEER_BADFD || err.code != WEIR_E_PEER_BADFD)
		FAIL("%s: answered with %d (%s)", what, rc, err.text);
	CHECK(!region.mem && region.fd == -1 && err.text[0]);
	CHECK(fcntl(fd, F_GETFD) == -1 && errno == EBADF);
}

static void
bad_descriptors_are_refused(void)
{
	static struct wr_fds before;
	int good = F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE;
	char path[256];
	struct wr_region region;
	int fd, pipes[2];

	wr_fds_take(&before);
	refused(memfd("a", 0, MIB, 0), MIB, "no seals");
	refused(memfd("a", 0, MIB, F_SEAL_SHRINK), MIB, "only SHRINK");
	refused(memfd("a", 0, MIB, F_SEAL_FUTURE_WRITE), MIB, "only FUTURE_WRITE");
	refused(memfd("a", 0, MIB, F_SEAL_GROW | F_SEAL_SEAL), MIB, "other seals");
	refused(memfd("a", 0, MIB, good), MIB + page(), "smaller than announced");
	refused(memfd("a", 0, MIB, good), MIB - page(), "larger than announced");
	refused(memfd("a", 0, MIB, good), MIB - 1, "one byte more");
	refused(memfd("a", 0, 0, good), 0, "empty");
	refused(memfd("a", 0, MIB, good), 0, "announced as empty");
	refused(memfd("a", 0, MIB, good), UINT64_MAX, "announced as everything");

	fd = open(wr_tmpdir_path(path, sizeof(path), "file"), O_RDWR | O_CREAT, 0600);
	REQUIRE_EQ(ftruncate(fd, (off_t)MIB), 0);
	refused(fd, MIB, "a file");
	fd = open("/dev/shm", O_RDWR | O_TMPFILE, 0600);
	if (fd >= 0) {
		REQUIRE_EQ(ftruncate(fd, (off_t)MIB), 0);
		refused(fd, MIB, "a file on tmpfs");
	}
	refused(open(wr_tmpdir(), O_RDONLY | O_DIRECTORY), MIB, "a directory");
	refused(open("/dev/zero", O_RDWR), MIB, "/dev/zero");
	refused(open("/proc/self/stat", O_RDONLY), MIB, "a file of /proc");
	REQUIRE_EQ(pipe(pipes), 0);
	refused(pipes[0], MIB, "a pipe");
	close(pipes[1]);
	fd = memfd_create("a", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
	if (fd >= 0) {
		/* Its pages may not be there when they are touched. */
		REQUIRE_EQ(ftruncate(fd, (off_t)(2 * MIB)), 0);
		REQUIRE_EQ(fcntl(fd, F_ADD_SEALS, good), 0);
		refused(fd, 2 * MIB, "huge pages");
	}
	CHECK_EQ(wr_region_map(&region, -1, MIB, NULL), -WEIR_E_PEER_BADFD);
	CHECK_EQ(wr_region_map(&region, 4000, MIB, NULL), -WEIR_E_PEER_BADFD);

	/* Both kinds of protection against writing will do. */
	REQUIRE_EQ(wr_region_map(&region, memfd("a", 0, MIB, good), MIB, NULL), 0);
	wr_region_drop(&region);
	fd = memfd("a", 0, MIB, F_SEAL_SHRINK | F_SEAL_WRITE);
	REQUIRE_EQ(wr_region_map(&region, fd, MIB, NULL), 0);
	wr_region_drop(&region);
	CHECK_EQ(wr_fds_new(&before), 0);
}

/* ---- shortages ----------------------------------------------------------------------- */

/* What happens in a child under some shortage; the descriptors it leaves open count. */
static void
create_one(struct wr_outcome *out)
{
	static struct wr_fds before;
	struct wr_region region;
	int maps;

	wr_fds_take(&before);
	maps = wr_maps_count("memfd:weir:");
	out->rc = wr_region_create(&region, "a", 64 * MIB, &out->err);
	if (out->rc == 0)
		wr_region_drop(&region);
	out->value[0] = wr_fds_new(&before);
	out->value[1] = wr_maps_count("memfd:weir:") - maps;
}

static void
without_memfd(struct wr_outcome *out, void *arg)
{
	wr_refuse_call(SYS_memfd_create, *(int *)arg);
	create_one(out);
}

static void
without_seals(struct wr_outcome *out, void *arg)
{
	(void)arg;
	wr_refuse_call(SYS_fcntl, EPERM);
	out->rc = wr_region_create(&(struct wr_region){0}, "a", MIB, &out->err);
}

static void
without_fallocate(struct wr_outcome *out, void *arg)
{
	struct wr_region region;

	out->rc = wr_region_create(&region, "a", MIB, &out->err);
	if (out->rc)
		return;
	wr_refuse_call(SYS_fallocate, *(int *)arg);
	out->rc = wr_region_reserve(&region, 0, MIB, &out->err);
	out->value[0] = (int64_t)region.reserved;
}

static void
sandbox_is_named(void)
{
	static const int os[] = {ENOSYS, EPERM, EACCES};
	struct wr_outcome out;
	int no = ENOSPC;

	for (int i = 0; i < 3; i++) {
		out = wr_in_child(without_memfd, (void *)&os[i]);
		CHECK_EQ(out.status, 0);
		CHECK_EQ(out.rc, -WEIR_E_ENV_NOSYS);
		CHECK_EQ(out.err.code, WEIR_E_ENV_NOSYS);
		CHECK_EQ(out.err.os, os[i]);
		CHECK(strstr(out.err.text, "memfd_create") != NULL);
		CHECK_EQ(out.value[0], 0);
		CHECK_EQ(out.value[1], 0);
	}
	out = wr_in_child(without_seals, NULL);
	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.rc, -WEIR_E_ENV_NOSYS);
	CHECK(strstr(out.err.text, "F_ADD_SEALS") != NULL);

	out = wr_in_child(without_fallocate, &no);
	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.rc, -WEIR_E_ENV_MEMORY);
	CHECK_EQ(out.err.os, ENOSPC);
	CHECK_EQ(out.value[0], 0);
}

static void
with_rlimit(struct wr_outcome *out, int which, uint64_t bytes)
{
	struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};

	if (which != RLIMIT_NOFILE || getrlimit(RLIMIT_NOFILE, &limit) == 0)
		limit.rlim_cur = bytes;
	if (setrlimit((__rlimit_resource_t)which, &limit) != 0)
		_exit(99);
	create_one(out);
}

static void
with_small_files(struct wr_outcome *out, void *arg)
{
	(void)arg;
	with_rlimit(out, RLIMIT_FSIZE, MIB);
}

static void
with_few_files(struct wr_outcome *out, void *arg)
{
	(void)arg;
	with_rlimit(out, RLIMIT_NOFILE, 3);
}

static void
with_little_space(struct wr_outcome *out, void *arg)
{
	unsigned long long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	(void)arg;
	if (!f || fscanf(f, "%llu", &pages) != 1)
		_exit(99);
	fclose(f);
	with_rlimit(out, RLIMIT_AS, pages * page() + 16 * MIB);
}

static void
file_size_limit_raises_no_signal(void)
{
	struct wr_outcome out = wr_in_child(with_small_files, NULL);

	CHECK_EQ(out.status, 0); /* 128 + SIGXFSZ would be the kernel's answer. */
	CHECK_EQ(out.rc, -WEIR_E_ENV_FSIZE);
	CHECK_STR(out.err.differs, "needs 64.0 MiB, RLIMIT_FSIZE is 1.0 MiB");
	CHECK_EQ(out.value[0], 0);
}

static void
descriptors_run_out(void)
{
	struct wr_outcome out = wr_in_child(with_few_files, NULL);

	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.rc, -WEIR_E_ENV_FILES);
	CHECK_EQ(out.err.os, EMFILE);
}

static void
address_space_runs_out(void)
{
	struct wr_outcome out = wr_in_child(with_little_space, NULL);

	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.rc, -WEIR_E_ENV_MAPS);
	CHECK(strstr(out.err.differs, "RLIMIT_AS") != NULL);
	CHECK_EQ(out.value[0], 0);
}

static void
without_mappings(struct wr_outcome *out, void *arg)
{
	unsigned long max = 0;
	FILE *f = fopen("/proc/sys/vm/max_map_count", "r");
	struct wr_region region, other;
	uint8_t *mem;
	int fd;

	(void)arg;
	if (!f || fscanf(f, "%lu", &max) != 1 || max > 2000000)
		_exit(99);
	fclose(f);
	fd = memfd("a", 0, MIB, F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE);
	if (wr_region_create(&other, "b", MIB, &out->err) != 0)
		_exit(99);
	/* Every second page another protection: each becomes a mapping of its own. */
	mem = mmap(NULL, (max + 16) * page(), PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		_exit(99);
	for (unsigned long i = 0; i < max + 16; i += 2)
		if (mprotect(mem + i * page(), page(), PROT_READ) != 0)
			break;
	/* One may be left between two that cannot be parted. */
	while (mmap(NULL, page(), PROT_READ, MAP_SHARED, other.fd, 0) != MAP_FAILED)
		;
	out->rc = wr_region_create(&region, "a", 64 * MIB, &out->err);
	out->value[0] = wr_region_private(&region, "a", 64 * MIB, NULL);
	out->value[1] = wr_region_map(&region, fd, MIB, NULL);
	out->value[2] = fcntl(fd, F_GETFD);
}

static void
mappings_run_out(void)
{
	struct wr_outcome out = wr_in_child(without_mappings, NULL);

	if (out.status == 99)
		TEST_SKIP("vm.max_map_count is too large to be used up");
	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.rc, -WEIR_E_ENV_MAPS);
	CHECK(strstr(out.err.text, "max_map_count") != NULL);
	CHECK_EQ(out.value[0], -WEIR_E_ENV_MAPS);
	CHECK_EQ(out.value[1], -WEIR_E_ENV_MAPS);
	CHECK_EQ(out.value[2], -1);
}

static void
without_proc_lend(struct wr_outcome *out, void *arg)
{
	struct wr_region region, theirs;
	int fd;

	(void)arg;
	if (wr_region_create(&region, "a", MIB, &out->err) != 0)
		_exit(99);
	wr_refuse_call(SYS_openat, ENOENT);
	fd = wr_region_lend(&region, &out->err);
	out->rc = fd < 0 ? fd : wr_region_map(&theirs, fd, MIB, &out->err);
}

static void
lends_without_proc(void)
{
	struct wr_outcome out = wr_in_child(without_proc_lend, NULL);

	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.rc, 0);
}

/* ---- large pages --------------------------------------------------------------------------- */

/* What is asked for is there, with what is around it, whether large pages are to be had or
 * not; what is written stays, for a peer too; and nothing is taken twice. */
static void
P22_large_pages_hold_what_is_written(void)
{
	uint64_t large = wr_region_large_page(WR_LARGE_PAGE_FILE);
	struct weir_error err;

	if (large == 0)
		TEST_SKIP("the kernel knows no large pages");
	for (int shared = 0; shared < 2; shared++) {
		uint64_t bytes = 3 * large + 5 * page(), was;
		struct wr_region ours, theirs;

		if (shared)
			REQUIRE_EQ(wr_region_create(&ours, "large", bytes, &err), 0);
		else
			REQUIRE_EQ(wr_region_private(&ours, "large", bytes, &err), 0);
		REQUIRE(wr_region_enlarge(&ours, large));
		CHECK_EQ((uintptr_t)ours.mem % large, 0);
		CHECK_EQ(ours.bytes, bytes);
		REQUIRE_EQ(wr_region_reserve(&ours, 0, page(), &err), 0);
		CHECK_EQ(ours.reserved, large);
		CHECK_EQ(ours.large_bytes, ours.large_os ? 0 : large);
		CHECK_EQ(ours.large_os, wr_region_try_large(shared, WR_LARGE_PAGE_FILE));
		memset(ours.mem, 0x5a, large);
		REQUIRE_EQ(wr_region_reserve(&ours, page(), large - page(), &err), 0);
		CHECK_EQ(ours.reserved, large);
		/* One that lies in two of them takes the second; the end may be shorter. */
		REQUIRE_EQ(wr_region_reserve(&ours, large - page(), 2 * page(), &err), 0);
		CHECK_EQ(ours.reserved, 2 * large);
		REQUIRE_EQ(wr_region_reserve(&ours, 2 * large, bytes - 2 * large, &err),
			0);
		CHECK_EQ(ours.reserved, bytes);
		memset(ours.mem + large, 0xa5, bytes - large);
		was = ours.reserved;
		REQUIRE_EQ(wr_region_reserve(&ours, 0, bytes, &err), 0);
		CHECK_EQ(ours.reserved, was);
		for (uint64_t at = 0; at < bytes; at += page())
			CHECK_EQ(ours.mem[at], at < large ? 0x5a : 0xa5);
		CHECK_EQ(wr_region_reserve(&ours, bytes, 1, &err), -WEIR_E_USAGE_INVAL);
		if (shared) {
			int fd = wr_region_lend(&ours, &err);

			REQUIRE(fd >= 0);
			REQUIRE_EQ(wr_region_map(&theirs, fd, bytes, &err), 0);
			CHECK_MEM(theirs.mem, ours.mem, bytes);
			wr_region_drop(&theirs);
		}
		wr_region_drop(&ours);
	}
}

static void
P22_a_kernel_without_large_pages_is_told(void)
{
	char path[300];
	FILE *file;

	wr_tmpdir_path(path, sizeof(path), "pmd");
	CHECK_EQ(wr_region_large_page(path), 0);
	CHECK_EQ(wr_region_try_large(true, path), ENOSYS);
	CHECK_EQ(wr_region_try_large(false, path), ENOSYS);
	file = fopen(path, "w");
	REQUIRE(file != NULL);
	REQUIRE(fputs("garbage", file) >= 0);
	REQUIRE_EQ(fclose(file), 0);
	CHECK_EQ(wr_region_large_page(path), 0);
	file = fopen(path, "w");
	REQUIRE(file != NULL);
	REQUIRE(fputs("3000000\n", file) >= 0); /* no power of two */
	REQUIRE_EQ(fclose(file), 0);
	CHECK_EQ(wr_region_large_page(path), 0);
}

static const struct wr_test tests[] = {
	TEST(P22_large_pages_hold_what_is_written),
	TEST(P22_a_kernel_without_large_pages_is_told),
	TEST(takes_memory_only_as_reserved),
	TEST(private_has_the_same_shape),
	TEST(reserved_memory_does_not_fault),
	TEST(peer_sees_what_is_written),
	TEST(populate_spares_the_first_reading),
	TEST(nobody_else_can_write),
	TEST(another_user_cannot_even_open_it),
	TEST(forked_child_has_no_mapping),
	TEST(ranges_are_checked),
	TEST(signals_do_not_stop_it),
	TEST(bad_descriptors_are_refused),
	TEST(sandbox_is_named),
	TEST(file_size_limit_raises_no_signal),
	TEST(descriptors_run_out),
	TEST(address_space_runs_out),
	TEST(mappings_run_out),
	TEST(lends_without_proc),
	TEST_END,
};
const struct wr_suite wr_suite_region = {
	.name = "region", .tests = tests, .labels = "input"};
