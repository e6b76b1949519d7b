/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "bus/os/region.h"

#include "bus/error.h"
#include "bus/os/limit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef TMPFS_MAGIC
#define TMPFS_MAGIC 0x01021994
#endif

/* What makes the region safe to map for others, and what makes that final. */
#define SEALS_NEEDED (F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE)
#define SEALS_SET    (SEALS_NEEDED | F_SEAL_GROW | F_SEAL_SEAL)

/*
 * Before Linux 6.18 fallocate gives up, and undoes what it did, when a signal arrives. In
 * steps of this size (about 200 us) a program with a busy timer still gets on.
 */
#define STEP ((uint64_t)1 << 20)

/* No mapping of ours is larger; it keeps sums of offsets far from overflow. */
#define REGION_MAX ((uint64_t)1 << 46)

static uint64_t
page_bytes(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

static int
check_size(uint64_t *bytes, struct weir_error *err)
{
	uint64_t page = page_bytes();

	if (*bytes == 0 || *bytes > REGION_MAX)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"a region of %" PRIu64 " bytes is not possible", *bytes);
	*bytes = (*bytes + page - 1) & ~(page - 1);
	return 0;
}

static int
map_failed(struct weir_error *err, int os, uint64_t bytes)
{
	char size[32];

	if (os != ENOMEM)
		return wr_error_set(err, wr_error_from_errno(os), os,
			"mmap of a region of %s failed",
			wr_limit_bytes(bytes, size, sizeof(size)));
	return wr_error_set(err, WEIR_E_ENV_MAPS, os,
		"mmap of a region of %s failed: vm.max_map_count, RLIMIT_AS or RLIMIT_DATA "
		"is reached",
		wr_limit_bytes(bytes, size, sizeof(size)));
}

/* The newest form first: kernels may be told to refuse memfds that can be executed. */
static int
make_memfd(const char *label, struct weir_error *err)
{
	char name[200];
	int fd, os;

	snprintf(name, sizeof(name), "weir:%s", label ? label : "");
	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd >= 0)
		return fd;
	os = errno;
	if (os == ENOSYS || os == EPERM || os == EACCES)
		return wr_error_set(err, WEIR_E_ENV_NOSYS, os,
			"memfd_create is refused by the kernel or a sandbox");
	return wr_error_os(err, os, "memfd_create failed");
}

static int
set_size(int fd, uint64_t bytes, struct weir_error *err)
{
	int rc = wr_limit_fsize(bytes, err);

	if (rc)
		return rc;
	if (ftruncate(fd, (off_t)bytes) != 0)
		return wr_error_os(err, errno, "ftruncate of a memfd failed");
	return 0;
}

static int
seal(int fd, struct weir_error *err)
{
	int os;

	if (fcntl(fd, F_ADD_SEALS, SEALS_SET) == 0)
		return 0;
	os = errno;
	if (os == EINVAL)
		return wr_error_set(err, WEIR_E_ENV_NOSYS, os,
			"fcntl(F_ADD_SEALS): F_SEAL_FUTURE_WRITE needs Linux 5.1");
	if (os == EPERM || os == ENOSYS)
		return wr_error_set(err, WEIR_E_ENV_NOSYS, os,
			"fcntl(F_ADD_SEALS) is refused by the kernel or a sandbox");
	return wr_error_os(err, os, "fcntl(F_ADD_SEALS) failed");
}

int
wr_region_create(struct wr_region *region, const char *label, uint64_t bytes,
	struct weir_error *err)
{
	void *mem;
	int fd, rc;

	*region = WR_REGION_NONE;
	rc = check_size(&bytes, err);
	if (rc)
		return rc;
	rc = wr_limit_space(bytes, err);
	if (rc)
		return rc;
	fd = make_memfd(label, err);
	if (fd < 0)
		return fd;
	rc = set_size(fd, bytes, err);
	if (rc)
		goto fail_fd;
	mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED) {
		rc = map_failed(err, errno, bytes);
		goto fail_fd;
	}
	if (madvise(mem, bytes, MADV_DONTFORK) != 0) {
		rc = wr_error_os(err, errno, "madvise(MADV_DONTFORK) failed");
		goto fail_map;
	}
	rc = seal(fd, err);
	if (rc)
		goto fail_map;
	/* Another user cannot reopen it for writing; a user of ours can, to no avail. */
	(void)fchmod(fd, 0400);
	region->mem = mem;
	region->bytes = bytes;
	region->fd = fd;
	region->writable = true;
	return 0;
fail_map:
	munmap(mem, bytes);
fail_fd:
	close(fd);
	return rc;
}

int
wr_region_private(struct wr_region *region, const char *label, uint64_t bytes,
	struct weir_error *err)
{
	void *mem;
	int rc;

	(void)label; /* Anonymous memory bears no name. */
	*region = WR_REGION_NONE;
	rc = check_size(&bytes, err);
	if (rc)
		return rc;
	rc = wr_limit_space(bytes, err);
	if (rc)
		return rc;
	mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		return map_failed(err, errno, bytes);
	if (madvise(mem, bytes, MADV_DONTFORK) != 0) {
		rc = wr_error_os(err, errno, "madvise(MADV_DONTFORK) failed");
		munmap(mem, bytes);
		return rc;
	}
	/* A huge page would take memory that was not asked for. */
	(void)madvise(mem, bytes, MADV_NOHUGEPAGE);
	region->mem = mem;
	region->bytes = bytes;
	region->writable = true;
	return 0;
}

/* Is [offset, offset + bytes) inside? Then widens it to whole pages. */
static bool
whole_pages(const struct wr_region *region, uint64_t *offset, uint64_t *bytes)
{
	uint64_t page = page_bytes(), end;

	if (*bytes > region->bytes || *offset > region->bytes - *bytes)
		return false;
	if (*bytes == 0)
		return true;
	end = (*offset + *bytes + page - 1) & ~(page - 1);
	*offset &= ~(page - 1);
	*bytes = end - *offset;
	return true;
}

static int
allocate(int fd, uint64_t offset, uint64_t bytes, struct weir_error *err)
{
	while (bytes) {
		uint64_t step = bytes < STEP ? bytes : STEP;
		char size[32];

		if (fallocate(fd, 0, (off_t)offset, (off_t)step) != 0) {
			if (errno == EINTR)
				continue;
			return wr_error_set(err, wr_error_from_errno(errno), errno,
				"fallocate of %s failed",
				wr_limit_bytes(step, size, sizeof(size)));
		}
		offset += step;
		bytes -= step;
	}
	return 0;
}

/* Without MADV_POPULATE_WRITE (Linux before 5.14): write each page's first byte back. */
static void
touch(uint8_t *mem, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes; at += page_bytes()) {
		volatile uint8_t *byte = mem + at;

		*byte = *byte;
	}
}

static int
populate(const struct wr_region *region, uint64_t offset, uint64_t bytes,
	struct weir_error *err)
{
	uint8_t *mem = region->mem + offset;
	int os;

	do
		os = madvise(mem, bytes, MADV_POPULATE_WRITE) == 0 ? 0 : errno;
	while (os == EINTR || os == EAGAIN);
	if (os == 0)
		return 0;
	if (os == EINVAL) {
		/* Shared pages are there already and may fault in lazily. */
		if (region->fd < 0)
			touch(mem, bytes);
		return 0;
	}
	if (os == EFAULT || os == ENOMEM)
		return wr_error_set(err, WEIR_E_ENV_MEMORY, os,
			"madvise(MADV_POPULATE_WRITE) failed");
	return wr_error_os(err, os, "madvise(MADV_POPULATE_WRITE) failed");
}

/* What is there now, also after a part failed or was reserved twice. */
static void
count_reserved(struct wr_region *region, uint64_t bytes)
{
	struct stat st;

	if (region->fd >= 0 && fstat(region->fd, &st) == 0)
		region->reserved = (uint64_t)st.st_blocks * 512;
	else
		region->reserved += bytes;
	if (region->reserved > region->bytes)
		region->reserved = region->bytes;
}

static int
reserve_pages(struct wr_region *region, uint64_t offset, uint64_t bytes,
	struct weir_error *err)
{
	int rc = wr_limit_memory(bytes, err);

	if (rc)
		return rc;
	if (region->fd >= 0)
		rc = allocate(region->fd, offset, bytes, err);
	if (!rc)
		rc = populate(region, offset, bytes, err);
	count_reserved(region, rc ? 0 : bytes);
	return rc;
}

/* What is there in small pages is made large, as far as it goes. */
static void
collapse(struct wr_region *region, uint64_t offset, uint64_t end)
{
	for (; offset + region->large <= end; offset += region->large) {
		if (madvise(region->mem + offset, region->large, MADV_COLLAPSE) == 0)
			region->large_bytes += region->large;
		else
			region->large_os = errno;
	}
}

/* The same with what is around it, up to whole large pages. False: not to be had. */
static bool
reserve_large(struct wr_region *region, uint64_t offset, uint64_t bytes)
{
	uint64_t end = (offset + bytes + region->large - 1) & ~(region->large - 1);

	offset &= ~(region->large - 1);
	offset = offset < region->ready ? region->ready & ~(region->large - 1) : offset;
	end = end < region->bytes ? end : region->bytes;
	if (reserve_pages(region, offset, end - offset, NULL) < 0)
		return false;
	collapse(region, offset, end);
	if (offset <= region->ready)
		region->ready = end;
	return true;
}

int
wr_region_reserve(struct wr_region *region, uint64_t offset, uint64_t bytes,
	struct weir_error *err)
{
	if (!region->mem || !region->writable || !whole_pages(region, &offset, &bytes))
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"no range of %" PRIu64 " bytes at %" PRIu64
			" can be reserved in a region of %" PRIu64 " bytes%s",
			bytes, offset, region->bytes,
			region->writable ? "" : " that is not ours");
	if (!bytes)
		return 0;
	if (region->large && offset + bytes <= region->ready)
		return 0;
	if (region->large && reserve_large(region, offset, bytes))
		return 0;
	return reserve_pages(region, offset, bytes, err);
}

/* ---- large pages ------------------------------------------------------------------------------- */

/* Moves the mapping to where its large pages are those of the memory: a new one could not be
 * written through any more. */
bool
wr_region_enlarge(struct wr_region *region, uint64_t page)
{
	uint64_t space = region->bytes + page;
	uint8_t *hole, *there;

	if (page == 0 || wr_limit_space(space, NULL) < 0)
		return false;
	hole = mmap(NULL, space, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		-1, 0);
	if (hole == MAP_FAILED)
		return false;
	there = hole + (page - (uintptr_t)hole % page) % page;
	if (mremap(region->mem, region->bytes, region->bytes,
		    MREMAP_MAYMOVE | MREMAP_FIXED, there) == MAP_FAILED) {
		(void)munmap(hole, space);
		return false;
	}
	if (there > hole)
		(void)munmap(hole, (size_t)(there - hole));
	(void)munmap(
		there + region->bytes, space - region->bytes - (size_t)(there - hole));
	(void)madvise(there, region->bytes, MADV_HUGEPAGE);
	region->mem = there;
	region->large = page;
	return true;
}

uint64_t
wr_region_large_page(const char *file)
{
	unsigned long long bytes = 0;
	FILE *from = fopen(file, "re");

	if (!from)
		return 0;
	if (fscanf(from, "%llu", &bytes) != 1 || (bytes & (bytes - 1)) != 0)
		bytes = 0;
	(void)fclose(from);
	return bytes;
}

int
wr_region_try_large(bool shared, const char *file)
{
	uint64_t page = wr_region_large_page(file);
	struct wr_region region;
	int rc;

	if (page == 0)
		return ENOSYS;
	rc = shared ? wr_region_create(&region, "large", page, NULL)
		    : wr_region_private(&region, "large", page, NULL);
	if (rc < 0)
		return ENOMEM;
	rc = wr_region_enlarge(&region, page) &&
			wr_region_reserve(&region, 0, page, NULL) == 0
		? region.large_os
		: ENOMEM;
	wr_region_drop(&region);
	/* The call is younger than the rest. */
	return rc == EINVAL ? ENOSYS : rc;
}

/* Is it what a region of an honest peer is? Else says what it is instead. */
static int
inspect(int fd, uint64_t announced, struct weir_error *err)
{
	struct stat st;
	struct statfs fs;
	int seals;

	if (fstat(fd, &st) != 0 || fstatfs(fd, &fs) != 0)
		return wr_error_set(err, WEIR_E_PEER_BADFD, errno,
			"a peer's descriptor cannot be examined");
	if (!S_ISREG(st.st_mode) || (unsigned long)fs.f_type != TMPFS_MAGIC) {
		wr_error_set(err, WEIR_E_PEER_BADFD, 0,
			"a peer's descriptor is not a memfd");
		wr_error_differs(err,
			"file type %o on file system %lx; expected a "
			"regular file on tmpfs (%lx)",
			(unsigned)(st.st_mode & S_IFMT), (unsigned long)fs.f_type,
			(unsigned long)TMPFS_MAGIC);
		return -WEIR_E_PEER_BADFD;
	}
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 ||
		(seals & (F_SEAL_FUTURE_WRITE | F_SEAL_WRITE)) == 0) {
		wr_error_set(err, WEIR_E_PEER_BADFD, 0, "a peer's memory is not sealed");
		wr_error_differs(err, "seals 0x%x; expected at least 0x%x",
			seals < 0 ? 0u : (unsigned)seals, (unsigned)SEALS_NEEDED);
		return -WEIR_E_PEER_BADFD;
	}
	/* Only now: before the seal was seen, the size could still have changed. */
	if (fstat(fd, &st) != 0 || announced == 0 || announced > REGION_MAX ||
		(uint64_t)st.st_size != announced) {
		wr_error_set(err, WEIR_E_PEER_BADFD, 0,
			"a peer's memory has another size than it said");
		wr_error_differs(err, "%" PRIu64 " bytes; announced %" PRIu64,
			(uint64_t)st.st_size, announced);
		return -WEIR_E_PEER_BADFD;
	}
	return 0;
}

int
wr_region_check(int fd, uint64_t announced, struct weir_error *err)
{
	return inspect(fd, announced, err);
}

int
wr_region_map(struct wr_region *region, int fd, uint64_t announced, struct weir_error *err)
{
	void *mem;
	int rc;

	*region = WR_REGION_NONE;
	rc = inspect(fd, announced, err);
	if (rc)
		goto fail_fd;
	rc = wr_limit_space(announced, err);
	if (rc)
		goto fail_fd;
	mem = mmap(NULL, announced, PROT_READ, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED) {
		rc = map_failed(err, errno, announced);
		goto fail_fd;
	}
	if (madvise(mem, announced, MADV_DONTFORK) != 0) {
		rc = wr_error_os(err, errno, "madvise(MADV_DONTFORK) failed");
		munmap(mem, announced);
		goto fail_fd;
	}
	region->mem = mem;
	region->bytes = announced;
	region->fd = fd;
	return 0;
fail_fd:
	if (fd >= 0)
		close(fd);
	return rc;
}

void
wr_region_populate(const struct wr_region *region, uint64_t offset, uint64_t bytes)
{
	if (region->mem && bytes && whole_pages(region, &offset, &bytes))
		(void)madvise(region->mem + offset, bytes, MADV_POPULATE_READ);
}

int
wr_region_lend(const struct wr_region *region, struct weir_error *err)
{
	char path[40];
	int fd;

	if (region->fd < 0)
		return wr_error_set(err, WEIR_E_USAGE_STATE, 0,
			"a private region has no descriptor");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", region->fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fd = fcntl(region->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return wr_error_os(err, errno, "no descriptor to lend");
	return fd;
}

void
wr_region_drop(struct wr_region *region)
{
	if (region->mem)
		munmap(region->mem, region->bytes);
	if (region->fd >= 0)
		close(region->fd);
	*region = WR_REGION_NONE;
}
