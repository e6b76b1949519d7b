/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Asking before taking. Some shortages are not answered with an error by the kernel: a
 * memory cgroup kills, RLIMIT_FSIZE raises SIGXFSZ. So these checks come first, and turn
 * them into errors that name the limit. They look at one moment: what another process
 * takes between the check and the use is beyond them.
 *
 * Each returns 0 or -WEIR_E_ENV_..., fills err (may be NULL), never waits, and may be
 * called by any thread. Cost: reading a few files of /proc and the cgroup, tens of
 * microseconds. A limit that cannot be read (no /proc, no cgroup) is no limit.
 */
#ifndef WR_BUS_OS_LIMIT_H
#define WR_BUS_OS_LIMIT_H

#include <weir/error.h>

#include <stdint.h>

/*
 * May this process take `need` more bytes of memory? Looks at every level of its memory
 * cgroup (v2 or v1) that is visible, and at what the machine has left. Page cache that
 * the kernel can drop counts as available. -ENV_MEMORY.
 */
int wr_limit_memory(uint64_t need, struct weir_error *err);

/* The same from the files of another /proc, whose mountinfo may name any directories. */
int wr_limit_memory_at(const char *proc, uint64_t need, struct weir_error *err);

/* May a file of this size exist? -ENV_FSIZE. */
int wr_limit_fsize(uint64_t bytes, struct weir_error *err);

/* Is there room for `need` more descriptors? -ENV_FILES. */
int wr_limit_files(uint64_t need, struct weir_error *err);

/* Is there room for `bytes` more of address space? -ENV_MAPS. */
int wr_limit_space(uint64_t bytes, struct weir_error *err);

/* "16.0 MiB" into buf, for messages. Returns buf. */
char *wr_limit_bytes(uint64_t bytes, char *buf, uint32_t size);

#endif
