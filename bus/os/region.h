/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A piece of memory with one writer. Shared: a sealed memfd, writable through the mapping
 * of the process that made it and through nothing else, not even /proc; others map it
 * read-only. Private: anonymous memory of the same shape, for one process.
 *
 * The size is address space. Memory is taken by wr_region_reserve alone, range by range;
 * only reserved ranges may be touched, and touching those cannot fail: a shortage is an
 * error at reserve, never a signal later. Neither mapping survives a fork into the child.
 *
 * A region belongs to whoever holds the struct; reserve may be called by one thread while
 * others use ranges that are reserved already. On error nothing is left behind.
 */
#ifndef WR_BUS_OS_REGION_H
#define WR_BUS_OS_REGION_H

#include <weir/error.h>

#include <stdbool.h>
#include <stdint.h>

struct wr_region {
	uint8_t *mem;
	uint64_t bytes;    /* address space, whole pages */
	uint64_t reserved; /* memory behind it; kept by its writer alone */
	int fd;            /* -1 for a private region */
	bool writable;
	/* where large pages were asked for, see wr_region_enlarge */
	uint64_t large;       /* bytes of one; 0: they were not */
	uint64_t ready;       /* all before here is reserved */
	uint64_t large_bytes; /* of what is reserved, in large pages */
	int large_os;         /* why the last one was refused, 0: none was */
};

/* A region that holds nothing; dropping it does nothing. */
#define WR_REGION_NONE ((struct wr_region){.fd = -1})

/*
 * Makes a shared region of at least `bytes` bytes; label is what /proc/<pid>/maps shows.
 * Reserves nothing. ENV_NOSYS (names the refused call) ENV_FILES ENV_FSIZE ENV_MAPS
 * ENV_MEMORY ENV_OS USAGE_INVAL.
 */
int wr_region_create(struct wr_region *region, const char *label, uint64_t bytes,
	struct weir_error *err);

/* The same shape in private memory. ENV_MAPS ENV_MEMORY USAGE_INVAL. */
int wr_region_private(struct wr_region *region, const char *label, uint64_t bytes,
	struct weir_error *err);

/*
 * Takes memory for a range and faults it in for this process. The range grows to whole
 * pages; reserving a page twice is harmless. ENV_MEMORY ENV_OS; USAGE_INVAL for a range
 * outside, or a region that is not ours.
 */
int wr_region_reserve(struct wr_region *region, uint64_t offset, uint64_t bytes,
	struct weir_error *err);

/*
 * From here on memory is taken in large pages, where the kernel gives them; before anything
 * is reserved. Each range that is reserved grows to whole large pages, or to the end; where
 * there is none to be had it is reserved as ever, and large_os says why. The size of one is
 * the caller's word, wr_region_large_page. False: there is no address space, all is as it
 * was. Costs the kernel's copying of each, some 0.1 ms, at its first use.
 */
bool wr_region_enlarge(struct wr_region *region, uint64_t page);

/* Bytes of a large page, as the kernel says in that file; 0: it knows none. */
#define WR_LARGE_PAGE_FILE "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"
uint64_t wr_region_large_page(const char *file);

/* Takes and gives back one large page of that kind of memory. 0; ENOSYS: there is no such
 * thing here; or why the kernel refuses it. */
int wr_region_try_large(bool shared, const char *file);

/*
 * Is this what a peer may send: a memfd of exactly `announced` bytes that can neither
 * shrink nor be written to through anything new? 0 or PEER_BADFD. The descriptor stays
 * the caller's.
 */
int wr_region_check(int fd, uint64_t announced, struct weir_error *err);

/*
 * Maps what a peer sent, read-only. The descriptor is ours from here on, also on error.
 * It must be a memfd of exactly `announced` bytes that can neither shrink nor be written
 * to through anything new: else PEER_BADFD. ENV_MAPS ENV_OS.
 */
int wr_region_map(
	struct wr_region *region, int fd, uint64_t announced, struct weir_error *err);

/*
 * Faults a range in for reading, so that the first lap costs no faults. A hint: ranges
 * that the writer has not reserved are left alone by asking only for what it announced.
 */
void wr_region_populate(const struct wr_region *region, uint64_t offset, uint64_t bytes);

/*
 * A descriptor to send to a peer, read-only where /proc is there to make one; the caller
 * closes it after sending. < 0: ENV_FILES, ENV_OS.
 */
int wr_region_lend(const struct wr_region *region, struct weir_error *err);

/* Unmaps and closes. Twice is harmless. */
void wr_region_drop(struct wr_region *region);

#endif
