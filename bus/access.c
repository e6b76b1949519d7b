/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "bus/access.h"

#include "bus/error.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

/* Longest entry: no system has longer names. */
enum { ENTRY_MAX = 256 };

/* The name services want room that they cannot name in advance; beyond this they err. */
enum { LOOKUP_MAX = 1 << 20 };

/* A number, whole and small enough for an id; -1 means "no id" to the kernel. */
static bool
number_of(const char *text, uint32_t *number)
{
	uint64_t n = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		n = n * 10 + (uint64_t)(*text - '0');
		if (n >= UINT32_MAX)
			return false;
	}
	*number = (uint32_t)n;
	return true;
}

int
wr_access_user(const char *name, uid_t *uid)
{
	struct passwd entry, *found = NULL;
	uint32_t number;

	if (number_of(name, &number)) {
		*uid = number;
		return 0;
	}
	for (size_t room = 1024; room <= LOOKUP_MAX; room *= 4) {
		char *space = malloc(room);
		int rc;

		if (!space)
			return -1;
		rc = getpwnam_r(name, &entry, space, room, &found);
		if (found)
			*uid = entry.pw_uid;
		free(space);
		if (rc != ERANGE)
			break;
	}
	return found ? 0 : -1;
}

int
wr_access_group(const char *name, gid_t *gid)
{
	struct group entry, *found = NULL;
	uint32_t number;

	if (number_of(name, &number)) {
		*gid = number;
		return 0;
	}
	for (size_t room = 1024; room <= LOOKUP_MAX; room *= 4) {
		char *space = malloc(room);
		int rc;

		if (!space)
			return -1;
		rc = getgrnam_r(name, &entry, space, room, &found);
		if (found)
			*gid = entry.gr_gid;
		free(space);
		if (rc != ERANGE)
			break;
	}
	return found ? 0 : -1;
}

static int
add(struct wr_access *list, const char *name, const char *text, struct weir_error *err)
{
	bool group = name[0] == '@';
	uint32_t id;
	int rc;

	if (list->count == WR_ACCESS_MAX) {
		wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"the access list has more than %d entries", WR_ACCESS_MAX);
		wr_error_where(err, "access list '%.120s'", text);
		wr_error_try(err, "put the users into a group and name it, @group");
		return -WEIR_E_USAGE_INVAL;
	}
	rc = group ? wr_access_group(name + 1, &id) : wr_access_user(name, &id);
	if (rc) {
		wr_error_set(err, WEIR_E_USAGE_INVAL, 0, "there is no %s '%.100s'",
			group ? "group" : "user", group ? name + 1 : name);
		wr_error_where(err, "access list '%.120s'", text);
		wr_error_try(err,
			"name users, @groups, or their numbers, with commas "
			"between");
		return -WEIR_E_USAGE_INVAL;
	}
	list->entry[list->count].id = id;
	list->entry[list->count].group = group;
	list->count++;
	return 0;
}

int
wr_access_parse(struct wr_access *list, const char *text, struct weir_error *err)
{
	const char *at = text;

	list->count = 0;
	if (!text || !*text)
		return 0;
	for (;;) {
		char name[ENTRY_MAX];
		size_t n = strcspn(at, ","), skip = 0, len = n;
		int rc;

		while (skip < len && at[skip] == ' ')
			skip++;
		while (len > skip && at[len - 1] == ' ')
			len--;
		if (len - skip >= sizeof(name)) {
			wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
				"an entry of the access list is too long");
			wr_error_where(err, "access list '%.120s'", text);
			return -WEIR_E_USAGE_INVAL;
		}
		memcpy(name, at + skip, len - skip);
		name[len - skip] = '\0';
		rc = add(list, name, text, err);
		if (rc) {
			list->count = 0; /* Half a list would let half of them in. */
			return rc;
		}
		at += n;
		if (!*at)
			return 0;
		at++;
	}
}

bool
wr_access_allows(
	const struct wr_access *list, uid_t uid, const gid_t *gids, uint32_t gids_count)
{
	if (uid == 0 || uid == geteuid())
		return true;
	if (!list)
		return false;
	for (uint32_t i = 0; i < list->count; i++) {
		if (!list->entry[i].group) {
			if (list->entry[i].id == uid)
				return true;
			continue;
		}
		for (uint32_t k = 0; k < gids_count; k++)
			if (list->entry[i].id == gids[k])
				return true;
	}
	return false;
}

bool
wr_access_admits(const struct wr_access *list, const struct wr_creds *creds)
{
	return wr_access_allows(list, creds->uid, &creds->gid, 1) ||
		wr_access_allows(list, creds->uid, creds->gids, creds->gids_count);
}

/* A peer of more groups than we keep: the whole list for a moment, then its beginning. */
static int
many_groups(int fd, socklen_t bytes, struct wr_creds *creds)
{
	gid_t *all = malloc(bytes);
	int rc = -1;

	if (!all)
		return -1;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, all, &bytes) == 0) {
		creds->gids_count = (uint32_t)(bytes / sizeof(gid_t));
		if (creds->gids_count > WR_GROUPS_MAX)
			creds->gids_count = WR_GROUPS_MAX;
		memcpy(creds->gids, all, creds->gids_count * sizeof(gid_t));
		rc = 0;
	}
	free(all);
	return rc;
}

int
wr_peer_creds(int fd, struct wr_creds *creds)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	creds->gids_count = 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return -WEIR_E_ENV_OS;
	if (cred.uid == (uid_t)-1) {
		errno = ENOTCONN; /* A socket without a peer has nobody's credentials. */
		return -WEIR_E_ENV_OS;
	}
	creds->pid = cred.pid;
	creds->uid = cred.uid;
	creds->gid = cred.gid;
	len = sizeof(creds->gids);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, creds->gids, &len) == 0) {
		creds->gids_count = (uint32_t)(len / sizeof(gid_t));
		return 0;
	}
	if (errno == ERANGE)
		return many_groups(fd, len, creds) == 0 ? 0 : -WEIR_E_ENV_OS;
	/* Linux before 4.13 cannot tell: then only the main group counts. */
	return errno == ENOPROTOOPT ? 0 : -WEIR_E_ENV_OS;
}

void
wr_access_format(const struct wr_access *list, char *to, size_t size)
{
	size_t at = 0;

	if (size > 0)
		to[0] = 0;
	for (uint32_t i = 0; i < list->count; i++) {
		char one[32];
		int len = snprintf(one, sizeof(one), "%s%s%u", i ? "," : "",
			list->entry[i].group ? "@" : "", list->entry[i].id);
		bool last = i + 1 == list->count;

		/* Behind whatever is not the last one "..." must still fit. */
		if (at + (size_t)len + (last ? 1 : 5) > size) {
			(void)snprintf(to + at, size - at, "%s...", i ? "," : "");
			return;
		}
		memcpy(to + at, one, (size_t)len + 1);
		at += (size_t)len;
	}
}
