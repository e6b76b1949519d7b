/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/access.h"

#include "tests/lib/child.h"
#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Users that are neither root nor, in these tests, ourselves. */
enum { ALICE = 4001, BOB = 4002, PLANT = 5001, OFFICE = 5002 };

static void
lists_are_written_by_number(void)
{
	struct wr_access list;
	char text[32];

	REQUIRE_EQ(wr_access_parse(&list, NULL, NULL), 0);
	wr_access_format(&list, text, sizeof(text));
	CHECK_STR(text, "");
	REQUIRE_EQ(wr_access_parse(&list, "root,@5001,4001", NULL), 0);
	wr_access_format(&list, text, sizeof(text));
	CHECK_STR(text, "0,@5001,4001");
	wr_access_format(&list, text, 13);
	CHECK_STR(text, "0,@5001,4001");
	wr_access_format(&list, text, 12);
	CHECK_STR(text, "0,@5001,...");
	wr_access_format(&list, text, 11);
	CHECK_STR(text, "0,...");
	for (size_t size = 1; size < sizeof(text); size++) {
		memset(text, 'x', sizeof(text));
		wr_access_format(&list, text, size);
		CHECK(memchr(text, 0, size) != NULL);
		CHECK(size == sizeof(text) || text[size] == 'x');
	}
}

static void
names_and_numbers(void)
{
	struct wr_access list;
	struct weir_error err;

	CHECK_EQ(wr_access_parse(&list, "root,@root,4001,@5001,daemon", &err), 0);
	REQUIRE_EQ(list.count, 5);
	CHECK_EQ(list.entry[0].id, 0);
	CHECK(!list.entry[0].group);
	CHECK_EQ(list.entry[1].id, 0);
	CHECK(list.entry[1].group);
	CHECK_EQ(list.entry[2].id, ALICE);
	CHECK_EQ(list.entry[3].id, PLANT);
	CHECK(list.entry[3].group);
	CHECK(list.entry[4].id != 0);
	CHECK_EQ(wr_access_parse(&list, " 4001 , @5001", &err), 0);
	CHECK_EQ(list.count, 2);
	CHECK_EQ(wr_access_parse(&list, "", &err), 0);
	CHECK_EQ(list.count, 0);
	CHECK_EQ(wr_access_parse(&list, NULL, NULL), 0);
	CHECK_EQ(list.count, 0);
}

static void
errors_name_the_entry(void)
{
	static const struct {
		const char *text, *named;
	} bad[] = {{"root,nosuchuser", "there is no user 'nosuchuser'"},
		{"@nosuchgroup", "there is no group 'nosuchgroup'"},
		{",", "there is no user ''"}, {"root,", "there is no user ''"},
		{",root", "there is no user ''"}, {"root,,bin", "there is no user ''"},
		{"@", "there is no group ''"}, {" ", "there is no user ''"},
		{"4294967295", "there is no user '4294967295'"},
		{"@4294967296", "there is no group '4294967296'"},
		{"99999999999999999999999", "there is no user '99999999999999999999999'"},
		{"-1", "there is no user '-1'"}, {"0x10", "there is no user '0x10'"},
		{"@@root", "there is no group '@root'"},
		{"root daemon", "there is no user 'root daemon'"}};
	struct wr_access list;
	struct weir_error err;
	char text[1024];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_EQ(wr_access_parse(&list, bad[i].text, &err), -WEIR_E_USAGE_INVAL);
		CHECK_STR(err.text, bad[i].named);
		CHECK(strstr(err.where, bad[i].text) != NULL);
		/* Nobody is let in by half a list. */
		CHECK_EQ(list.count, 0);
	}
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	CHECK_EQ(wr_access_parse(&list, text, &err), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(wr_access_parse(&list, text, NULL), -WEIR_E_USAGE_INVAL);
}

static void
list_is_bounded(void)
{
	char text[8 * (WR_ACCESS_MAX + 2)] = "";
	struct wr_access list;
	struct weir_error err;

	for (int i = 0; i < WR_ACCESS_MAX; i++)
		sprintf(text + strlen(text), "%s%d", i ? "," : "", 4000 + i);
	CHECK_EQ(wr_access_parse(&list, text, &err), 0);
	CHECK_EQ(list.count, WR_ACCESS_MAX);
	strcat(text, ",9999");
	CHECK_EQ(wr_access_parse(&list, text, &err), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(list.count, 0);
}

static void
who_is_let_in(void)
{
	static const gid_t plant[] = {1, PLANT}, office[] = {OFFICE}, alice[] = {ALICE};
	struct wr_access list;

	REQUIRE_EQ(wr_access_parse(&list, "4001,@5001", NULL), 0);
	CHECK(wr_access_allows(&list, ALICE, NULL, 0));
	CHECK(!wr_access_allows(&list, BOB, NULL, 0));
	CHECK(wr_access_allows(&list, BOB, plant, 2));
	CHECK(!wr_access_allows(&list, BOB, plant, 1));
	CHECK(!wr_access_allows(&list, BOB, office, 1));
	/* A number is a user's or a group's, never either. */
	CHECK(!wr_access_allows(&list, BOB, alice, 1));
	CHECK(!wr_access_allows(&list, PLANT, NULL, 0));
	/* Root and ourselves need no entry. */
	CHECK(wr_access_allows(&list, 0, NULL, 0));
	CHECK(wr_access_allows(&list, geteuid(), NULL, 0));
	list.count = 0;
	CHECK(!wr_access_allows(&list, ALICE, plant, 2));
	CHECK(wr_access_allows(&list, geteuid(), NULL, 0));
	CHECK(!wr_access_allows(NULL, ALICE, plant, 2));
	CHECK(wr_access_allows(NULL, 0, NULL, 0));
}

static void
main_group_and_others(void)
{
	struct wr_creds creds = {.uid = BOB, .gid = PLANT};
	struct wr_access list;

	REQUIRE_EQ(wr_access_parse(&list, "@5001", NULL), 0);
	CHECK(wr_access_admits(&list, &creds));
	creds.gid = OFFICE;
	CHECK(!wr_access_admits(&list, &creds));
	creds.gids[0] = 1;
	creds.gids[1] = PLANT;
	creds.gids_count = 2;
	CHECK(wr_access_admits(&list, &creds));
	creds.gids_count = 1;
	CHECK(!wr_access_admits(&list, &creds));
	CHECK(!wr_access_admits(NULL, &creds));
}

static void
as_alice(struct wr_outcome *out, void *arg)
{
	(void)arg;
	wr_become(ALICE, ALICE);
	out->value[0] = wr_access_allows(NULL, ALICE, NULL, 0);
	out->value[1] = wr_access_allows(NULL, BOB, NULL, 0);
	out->value[2] = wr_access_allows(NULL, 0, NULL, 0);
}

static void
ourselves_is_who_we_are_now(void)
{
	struct wr_outcome out;

	if (geteuid() != 0)
		TEST_SKIP("only root can become another user");
	out = wr_in_child(as_alice, NULL);
	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.value[0], 1);
	CHECK_EQ(out.value[1], 0);
	CHECK_EQ(out.value[2], 1);
}

/* ---- peers --------------------------------------------------------------------------- */

static void
our_own_socket(void)
{
	struct wr_creds creds;
	gid_t gids[65536];
	int pair[2], count;

	REQUIRE_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	memset(&creds, 0xff, sizeof(creds));
	CHECK_EQ(wr_peer_creds(pair[0], &creds), 0);
	CHECK_EQ(creds.pid, getpid());
	CHECK_EQ(creds.uid, geteuid());
	CHECK_EQ(creds.gid, getegid());
	count = getgroups(65536, gids);
	CHECK_EQ(creds.gids_count, count < WR_GROUPS_MAX ? count : WR_GROUPS_MAX);
	close(pair[0]);
	close(pair[1]);
}

/* Connects to the address as somebody else, in some groups, and says a byte. */
struct caller {
	int listener;
	int groups;
};

static void
call_as_bob(struct wr_outcome *out, void *arg)
{
	const struct caller *caller = arg;
	struct sockaddr_un addr;
	socklen_t len = sizeof(addr);
	gid_t gids[1024];
	int fd;

	for (int i = 0; i < caller->groups; i++)
		gids[i] = (gid_t)(PLANT + i);
	if (setgroups((size_t)caller->groups, gids) != 0 ||
		setresgid(BOB, BOB, BOB) != 0 || setresuid(BOB, BOB, BOB) != 0)
		_exit(99);
	fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	if (getsockname(caller->listener, (struct sockaddr *)&addr, &len) != 0 ||
		connect(fd, (struct sockaddr *)&addr, len) != 0)
		_exit(98);
	out->value[0] = getpid();
}

static void
another_user_calls(int groups)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct caller caller = {.groups = groups};
	struct wr_creds creds;
	struct wr_access list;
	struct wr_outcome out;
	int fd;

	caller.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	/* An address of the kernel's choice, without a file. */
	REQUIRE_EQ(bind(caller.listener, (struct sockaddr *)&addr, sizeof(sa_family_t)),
		0);
	REQUIRE_EQ(listen(caller.listener, 4), 0);
	out = wr_in_child(call_as_bob, &caller);
	REQUIRE_EQ(out.status, 0);
	fd = accept4(caller.listener, NULL, NULL, SOCK_CLOEXEC);
	REQUIRE(fd >= 0);
	/* Who it was is known though it is gone. */
	CHECK_EQ(wr_peer_creds(fd, &creds), 0);
	CHECK_EQ(creds.pid, out.value[0]);
	CHECK_EQ(creds.uid, BOB);
	CHECK_EQ(creds.gid, BOB);
	CHECK_EQ(creds.gids_count, groups < WR_GROUPS_MAX ? groups : WR_GROUPS_MAX);
	for (uint32_t i = 0; i < creds.gids_count; i++)
		CHECK_EQ(creds.gids[i], PLANT + i);
	REQUIRE_EQ(wr_access_parse(&list, "@5001", NULL), 0);
	CHECK_EQ(wr_access_admits(&list, &creds), groups > 0);
	REQUIRE_EQ(wr_access_parse(&list, "4002", NULL), 0);
	CHECK(wr_access_admits(&list, &creds));
	close(fd);
	close(caller.listener);
}

static void
groups_of_a_peer(void)
{
	if (geteuid() != 0)
		TEST_SKIP("only root can become another user");
	another_user_calls(0);
	another_user_calls(1);
	another_user_calls(WR_GROUPS_MAX);
	another_user_calls(WR_GROUPS_MAX + 1);
	another_user_calls(1000);
}

static void
sockets_without_a_peer(void)
{
	struct wr_creds creds;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	CHECK_EQ(wr_peer_creds(-1, &creds), -WEIR_E_ENV_OS);
	CHECK_EQ(errno, EBADF);
	CHECK_EQ(wr_peer_creds(fd, &creds), -WEIR_E_ENV_OS);
	CHECK_EQ(errno, ENOTCONN);
	close(fd);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	CHECK_EQ(wr_peer_creds(fd, &creds), -WEIR_E_ENV_OS);
	close(fd);
}

static const struct wr_test tests[] = {
	TEST(names_and_numbers),
	TEST(errors_name_the_entry),
	TEST(list_is_bounded),
	TEST(who_is_let_in),
	TEST(main_group_and_others),
	TEST(ourselves_is_who_we_are_now),
	TEST(lists_are_written_by_number),
	TEST(our_own_socket),
	TEST(groups_of_a_peer),
	TEST(sockets_without_a_peer),
	TEST_END,
};
const struct wr_suite wr_suite_access = {
	.name = "access", .tests = tests, .labels = "input"};
