/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The open descriptors of this process, before and after. */
#ifndef WR_TESTS_LIB_FDLEAK_H
#define WR_TESTS_LIB_FDLEAK_H

enum { WR_FDS_MAX = 4096 };

struct wr_fds {
	int count;
	int fd[WR_FDS_MAX]; /* ascending */
	unsigned long long inode[WR_FDS_MAX];
};

/* Takes the list as it is now. */
void wr_fds_take(struct wr_fds *fds);

/* How many descriptors are open now that were not in the list; each is printed with what
 * it is. */
int wr_fds_new(const struct wr_fds *before);

/* How many lines of /proc/self/maps hold this text, "memfd:weir" for instance. */
int wr_maps_count(const char *text);

#endif
