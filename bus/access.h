/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Who is let in: lists such as "alice,@plant,1000", and who sits behind a socket.
 * A list is made once, by name, and compared by number. Any thread.
 */
#ifndef WR_BUS_ACCESS_H
#define WR_BUS_ACCESS_H

#include <weir/error.h>

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define WR_ACCESS_MAX 64  /* entries of a list */
#define WR_GROUPS_MAX 256 /* groups of a peer that count, the lowest numbers first */

struct wr_access {
	uint32_t count;
	struct {
		uint32_t id;
		bool group;
	} entry[WR_ACCESS_MAX];
};

struct wr_creds {
	pid_t pid; /* 0: of a pid namespace that cannot be seen from here */
	uid_t uid;
	gid_t gid;
	uint32_t gids_count;
	gid_t gids[WR_GROUPS_MAX]; /* without gid */
};

/*
 * Reads a list: users by name or number, groups with '@' in front, commas between.
 * NULL and "" make the empty list. USAGE_INVAL names the entry that is not known.
 */
int wr_access_parse(struct wr_access *list, const char *text, struct weir_error *err);

/* Writes the list by number, "1000,@100"; what does not fit is "...". Always ended. */
void wr_access_format(const struct wr_access *list, char *to, size_t size);

/* A user's or group's number by name or number: 0, or -1 if there is none. */
int wr_access_user(const char *name, uid_t *uid);
int wr_access_group(const char *name, gid_t *gid);

/*
 * Root and our own effective user always; others if the list names them or one of their
 * groups. The empty list names nobody; NULL is the empty list.
 */
bool wr_access_allows(const struct wr_access *list, uid_t uid, const gid_t *gids,
	uint32_t gids_count);

/* The same for a peer, with its main group and the others. */
bool wr_access_admits(const struct wr_access *list, const struct wr_creds *creds);

/*
 * Who connected, or who listens, at the other end of a unix socket, as it was when the
 * connection was made (or listened for). 0 or -ENV_OS with errno.
 */
int wr_peer_creds(int fd, struct wr_creds *creds);

#endif
