/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The meeting place on disk: a directory per bus, with one listening socket per node.
 *
 *	<runtime directory>/<bus>/<16 hex digits of the node>
 *
 * The runtime directory is the one that is asked for, else $WEIR_RUNTIME_DIR, else
 * $XDG_RUNTIME_DIR/weir, else /tmp/weir-<uid>. What others could tamper with is refused,
 * not repaired. A socket appears under its name only when it listens, so what refuses a
 * connection is what a death left behind; such left-overs disturb nobody.
 *
 * Everybody who can write to the directory of a bus can put a socket there: check the
 * credentials of the other end on both sides of a connection.
 *
 * No state but the descriptors; any thread. Nothing here waits for another process.
 */
#ifndef WR_BUS_RUNDIR_H
#define WR_BUS_RUNDIR_H

#include "bus/access.h"

#include <weir/error.h>
#include <weir/weir.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct wr_rundir_opts {
	const char *dir;   /* runtime directory; NULL or "": as above */
	const char *bus;   /* name of the bus */
	const char *group; /* open it for a group; NULL: not */
	const char *users; /* open it for users, "alice,bob"; NULL: not */
	bool look;         /* only if it is there; create and change nothing */
};

/*
 * Opens the directory of a bus, and makes it if it is not there:
 *
 *	0700   by default: its user's alone
 *	02770  for a group, which then owns it
 *	01777  for named users; who may connect is decided by credentials
 *
 * Its owner may open an existing bus wider, by asking; without asking, the owner takes it
 * as it is, or makes it private again if nobody lives in it. Anybody else must ask for
 * what the owner gave. On success *dirfd is the caller's and path_out names it.
 * USAGE_NAME USAGE_INVAL ENV_NODIR ENV_UNSAFE ENV_DENIED ENV_FILES ENV_OS; with .look
 * ENV_NOTFOUND.
 */
int wr_rundir_open(const struct wr_rundir_opts *opts, int *dirfd, char *path_out,
	size_t size, struct weir_error *err);

/* Who may attach to a bus that is opened so. USAGE_INVAL. */
int wr_rundir_access(const struct wr_rundir_opts *opts, struct wr_access *list,
	struct weir_error *err);

/* The mode of sockets on a bus that is opened so: 0600, 0660 or 0666. */
mode_t wr_rundir_socket_mode(const struct wr_rundir_opts *opts);

/*
 * Makes our socket, SOCK_SEQPACKET, close-on-exec and non-blocking, listening, visible
 * under the node's name when this returns. ENV_* ; AGAIN_QUOTA when WEIR_PROCESSES_MAX
 * nodes are there; USAGE_INVAL when the name is taken.
 */
int wr_rundir_bind(int dirfd, uint64_t node, mode_t mode, int *fd, struct weir_error *err);

/*
 * Connects to a node without waiting. 0, and errno is 0; or with errno as it came:
 * -PEER_DIED when nobody listens there, -PEER_PENDING when it does not accept (its queue
 * is full), -ENV_DENIED, -ENV_FILES, -ENV_OS.
 */
int wr_rundir_connect(int dirfd, uint64_t node, int *fd);

/*
 * The nodes that have a socket here. Writes at most max of them, in no order, and returns
 * how many there are; if they are more than max, left-overs are not counted. -ENV_*.
 */
int wr_rundir_scan(int dirfd, uint64_t *nodes, int max);

/* Takes a node's socket away. 0, also if it was not there; -ENV_*. */
int wr_rundir_remove(int dirfd, uint64_t node);

/*
 * Counts sockets that nobody is behind, and takes them away if remove is set. Asks the
 * kernel, not the processes: who lives notices nothing. -ENV_*.
 */
int wr_rundir_sweep(int dirfd, bool remove);

/*
 * The buses of a runtime directory that somebody lives in or left something in. Writes at
 * most max names, returns how many there are. -ENV_*; no directory is no bus.
 */
int wr_rundir_buses(const char *dir, char (*names)[WEIR_NAME_MAX + 1], size_t max,
	struct weir_error *err);

#endif
