/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Who may attach, who may read a topic, whose topics are accepted; with real users. Who is
 * refused learns nothing, and is counted. Root is let in everywhere, so the processes here
 * give that up.
 */
#include <weir/look.h>
#include <weir/weir.h>

#include "bus/bell.h"
#include "bus/node.h"
#include "bus/rundir.h"
#include "tests/lib/child.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"
#include "tests/steward/puppet.h"
#include "tests/steward/stranger.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* These need no entry in the user database. */
enum { ALICE = 4001, BOB = 4002, CAROL = 4003, PLANT = 5001, OTHERS = 5002 };

static char shared[512];

/* A runtime directory as /tmp is one: everybody may make a bus there. */
static const char *
everybody_s_directory(void)
{
	char begun[600];
	int fd;

	if (geteuid() != 0)
		TEST_SKIP("only root can become another user");
	REQUIRE_EQ(chmod(wr_tmpdir(), 0711), 0);
	wr_tmpdir_path(shared, sizeof(shared), "shared");
	REQUIRE_EQ(mkdir(shared, 0700), 0);
	REQUIRE_EQ(chmod(shared, 01777), 0);
	/* What puppets share about floods. */
	fd = open(wr_tmpdir_path(begun, sizeof(begun), "begun"), O_RDWR | O_CREAT, 0600);
	REQUIRE(fd >= 0);
	REQUIRE_EQ(fchmod(fd, 0666), 0);
	close(fd);
	return shared;
}

static void
start_as(struct wr_proc *p, uid_t uid, gid_t gid)
{
	puppet_start(p, "become %u %u", uid, gid);
}

/* ---- the bus ------------------------------------------------------------------------------ */

/* Without a word about it, a bus is its user's alone. */
static void
default_bus_is_its_user_s(void)
{
	const char *dir = everybody_s_directory(), *why;
	struct wr_proc alice, again, bob, root;
	char path[600];
	struct stat st;

	start_as(&alice, ALICE, PLANT);
	puppet_ok(&alice, "open 0 bus dir=%s", dir);
	puppet_ok(&alice, "pub 0 0 imu");
	snprintf(path, sizeof(path), "%s/bus", dir);
	REQUIRE_EQ(stat(path, &st), 0);
	CHECK_EQ(st.st_mode & 07777, 0700);
	CHECK_EQ(st.st_uid, ALICE);

	/* Also a member of the same group, and also by asking for it. */
	start_as(&bob, BOB, PLANT);
	CHECK_STR(puppet_ask(&bob, "open 0 bus dir=%s", dir), "ENV_UNSAFE");
	why = puppet_ask(&bob, "why b 0");
	CHECK(strstr(why, "belongs to somebody else") != NULL);
	CHECK(strstr(why, "owner uid 4001, mode 0700; we are uid 4002") != NULL);
	CHECK(strstr(why, "weir_open 'bus'") != NULL);
	CHECK(strstr(why, "WEIR_RUNTIME_DIR") != NULL);
	CHECK_STR(puppet_ask(&bob, "open 1 bus dir=%s group=%u", dir, PLANT),
		"ENV_UNSAFE");
	CHECK_STR(puppet_ask(&bob, "open 2 bus dir=%s users=%u", dir, ALICE),
		"ENV_UNSAFE");
	CHECK_STR(puppet_ask(&bob, "pub 0 0 imu"), "ENV_UNSAFE");
	CHECK_STR(puppet_ask(&bob, "close 0"), "closed 5");

	start_as(&again, ALICE, OTHERS);
	puppet_ok(&again, "open 0 bus dir=%s", dir);
	puppet_ok(&again, "sub 0 0 imu");
	CHECK_EQ(puppet_number(&alice, "send 0 3"), 3);
	CHECK_STR(puppet_ask(&again, "recv 0 3"), "3 in order");
	/* Another process came, and its subscription. */
	for (int events = 0; events < 2;)
		events += (int)puppet_number(&alice, "events 0");

	/* Root may look, but does not come in by accident into what is not its own. */
	puppet_start(&root, NULL);
	CHECK_STR(puppet_ask(&root, "open 0 bus dir=%s", dir), "ENV_UNSAFE");
	puppet_end(&alice);
	puppet_end(&again);
	puppet_end(&bob);
	puppet_end(&root);
}

static void
bus_of_a_group(void)
{
	const char *dir = everybody_s_directory();
	struct wr_proc alice, bob, carol;

	start_as(&alice, ALICE, PLANT);
	puppet_ok(&alice, "open 0 bus dir=%s group=%u node=alice", dir, PLANT);
	puppet_ok(&alice, "pub 0 0 imu");
	puppet_ok(&alice, "sub 0 0 odo whole");
	start_as(&bob, BOB, PLANT);
	/* It has to be meant by both. */
	CHECK_STR(puppet_ask(&bob, "open 1 bus dir=%s", dir), "ENV_UNSAFE");
	puppet_ok(&bob, "open 0 bus dir=%s group=%u node=bob", dir, PLANT);
	CHECK(strstr(puppet_ask(&alice, "event 0 NODE_JOINED"), " 4002 bob -") != NULL);
	puppet_ok(&bob, "sub 0 0 imu whole");
	puppet_ok(&bob, "pub 0 0 odo");
	CHECK_EQ(puppet_number(&alice, "send 0 100"), 100);
	CHECK_EQ(puppet_number(&bob, "send 0 100"), 100);
	CHECK_STR(puppet_ask(&bob, "recv 0 100"), "100 in order");
	CHECK_STR(puppet_ask(&alice, "recv 0 100"), "100 in order");

	start_as(&carol, CAROL, OTHERS);
	CHECK_STR(puppet_ask(&carol, "open 0 bus dir=%s", dir), "ENV_UNSAFE");
	CHECK(strncmp(puppet_ask(&carol, "open 1 bus dir=%s group=%u", dir, PLANT),
		      "ENV_", 4) == 0);
	CHECK(strncmp(puppet_ask(&carol, "why b 1"), "ENV_NONE", 8) != 0);
	CHECK_STR(puppet_ask(&carol, "open 2 bus dir=%s group=nosuchgroup", dir),
		"USAGE_INVAL");
	CHECK(strstr(puppet_ask(&carol, "why b 2"), "nosuchgroup") != NULL);

	/* Deaths are seen across users as well. */
	wr_proc_kill(&alice);
	CHECK_STR(puppet_ask(&bob, "drain 0"), "0 in order");
	CHECK(strncmp(puppet_ask(&bob, "event 0 NODE_DIED"), "NODE_DIED", 9) == 0);
	puppet_end(&bob);
	puppet_end(&carol);
}

/* Carol is on no list, and can reach the sockets: silent, as a node, and as a looker. */
static void
carol_knocks(struct wr_outcome *out, void *arg)
{
	uint64_t nodes[8];
	int count;

	(void)arg;
	wr_become(CAROL, OTHERS);
	count = stranger_nodes(shared, "bus", nodes, 8);
	out->value[0] = count;
	for (int i = 0; i < count; i++) {
		for (int speaks = 0; speaks < 3; speaks++) {
			struct stranger st;
			char buf[1024];
			struct pollfd p;
			ssize_t n;

			if (stranger_connect(&st, shared, "bus", nodes[i]) != 0)
				continue;
			out->value[1]++;
			stranger_words(&st);
			if (speaks == 1) {
				const int fds[2] = {st.words.fd, st.bell};

				(void)stranger_say(&st, stranger_hello(&st), fds);
			} else if (speaks == 2) {
				struct wr_wire look = {.kind = WR_WIRE_LOOK};

				(void)stranger_say(&st, look, NULL);
			}
			p = (struct pollfd){.fd = st.fd, .events = POLLIN};
			(void)poll(&p, 1, -1);
			while ((n = recv(st.fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
				out->value[2] += n;
			out->value[3] += n == 0 || errno == ECONNRESET;
			stranger_leave(&st);
		}
	}
}

/* Carol puts a socket of hers among the others; who reaches for it, hangs up. */
static void
carol_listens(struct wr_outcome *out, void *arg)
{
	struct wr_rundir_opts opts = {.dir = shared, .bus = "bus", .look = true};
	const int *go = arg;
	char path[600], byte = 0, buf[1024];
	int dirfd, fd, guest;
	struct pollfd p;
	ssize_t n;

	wr_become(CAROL, OTHERS);
	if (wr_rundir_open(&opts, &dirfd, path, sizeof(path), NULL) != 0 ||
		wr_rundir_bind(dirfd, 0xca401, 0666, &fd, &out->err) != 0)
		_exit(90);
	if (write(go[1], &byte, 1) != 1)
		_exit(91);
	p = (struct pollfd){.fd = fd, .events = POLLIN};
	(void)poll(&p, 1, -1);
	guest = accept4(fd, NULL, NULL, 0);
	out->value[0] = guest >= 0;
	p = (struct pollfd){.fd = guest, .events = POLLIN};
	(void)poll(&p, 1, -1);
	while ((n = recv(guest, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		out->value[1] += n;
	out->value[2] = n;
	(void)unlinkat(dirfd, "00000000000ca401", 0);
}

static void
bus_of_named_users(void)
{
	const char *dir = everybody_s_directory(), *event;
	struct wr_proc alice, bob, carol;
	struct wr_outcome out;
	char expected[100];

	start_as(&alice, ALICE, OTHERS);
	puppet_ok(&alice, "open 0 bus dir=%s users=%u node=alice", dir, BOB);
	puppet_ok(&alice, "pub 0 0 imu");
	start_as(&bob, BOB, PLANT);
	puppet_ok(&bob, "open 0 bus dir=%s users=%u node=bob", dir, ALICE);
	puppet_ok(&bob, "sub 0 0 imu whole");
	CHECK_EQ(puppet_number(&alice, "send 0 50"), 50);
	CHECK_STR(puppet_ask(&bob, "recv 0 50"), "50 in order");
	CHECK_STR(puppet_ask(&bob, "open 1 bus dir=%s users=nosuchuser", dir),
		"USAGE_INVAL");
	CHECK(strstr(puppet_ask(&bob, "why b 1"), "nosuchuser") != NULL);

	/* Carol can reach the sockets, and no more than that. */
	start_as(&carol, CAROL, OTHERS);
	CHECK_STR(puppet_ask(&carol, "open 0 bus dir=%s", dir), "ENV_UNSAFE");
	puppet_number(&alice, "events 0");
	out = wr_in_child(carol_knocks, NULL);
	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.value[0], 2); /* sockets that she sees */
	CHECK_EQ(out.value[1], 6); /* connections that she made */
	CHECK_EQ(out.value[2], 0); /* bytes that she was told */
	CHECK_EQ(out.value[3], 6); /* that were hung up on */
	snprintf(expected, sizeof(expected), " %u - -", CAROL);
	for (int i = 0; i < 3; i++) {
		event = puppet_ask(&alice, "event 0 DENIED");
		CHECK(strncmp(event, "DENIED ENV_DENIED ", 18) == 0);
		CHECK(strstr(event, expected) != NULL);
	}
	CHECK_EQ(puppet_number(&alice, "events 0"), 0);
	/* Also if she says that she means it, as long as the others do not. */
	puppet_ok(&carol, "open 1 bus dir=%s users=%u", dir, ALICE);
	puppet_ok(&carol, "sub 0 1 >");
	puppet_ok(&carol, "pub 0 1 imu");
	CHECK_EQ(puppet_number(&carol, "pubs 0"), 1); /* her own */
	CHECK_EQ(puppet_number(&carol, "subs 0"), 1);
	CHECK_EQ(puppet_number(&bob, "pubs 0"), 1);
	CHECK_EQ(puppet_number(&alice, "subs 0"), 1);
	puppet_end(&alice);
	puppet_end(&bob);
	puppet_end(&carol);
}

static void
who_listens_is_looked_at_too(void)
{
	const char *dir = everybody_s_directory();
	struct wr_proc alice, bob;
	struct wr_outcome out;
	int go[2], pid;
	char byte;

	start_as(&alice, ALICE, OTHERS);
	puppet_ok(&alice, "open 0 bus dir=%s users=%u", dir, BOB);
	puppet_ok(&alice, "pub 0 0 imu");
	start_as(&bob, BOB, PLANT);
	REQUIRE_EQ(pipe2(go, O_CLOEXEC), 0);
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0) {
		/* Bob comes as soon as carol listens. */
		if (read(go[0], &byte, 1) != 1 ||
			wr_proc_say(&bob, "open 0 bus dir=%s users=%u attach=600000",
				dir, ALICE))
			_exit(1);
		_exit(0);
	}
	out = wr_in_child(carol_listens, go);
	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.value[0], 1); /* somebody came */
	CHECK_EQ(out.value[1], 0); /* said nothing */
	CHECK_EQ(out.value[2], 0); /* and went */
	CHECK_STR(puppet_hear(&bob), "ok");
	CHECK_EQ(puppet_number(&bob, "pending 0"), 0);
	CHECK(strncmp(puppet_ask(&bob, "event 0 DENIED"), "DENIED ENV_DENIED", 17) == 0);
	puppet_ok(&bob, "sub 0 0 imu");
	CHECK_EQ(puppet_number(&alice, "send 0 5"), 5);
	CHECK_STR(puppet_ask(&bob, "recv 0 5"), "5 in order");
	puppet_end(&alice);
	puppet_end(&bob);
}

/* ---- topics --------------------------------------------------------------------------------- */

struct secret {
	uint64_t node;
	uint64_t stream;
};

/* Carol is on the bus, but not on the topic's list: all that she is told, as messages. */
static void
carol_pries(struct wr_outcome *out, void *arg)
{
	struct wr_wire msg, attach = {.kind = WR_WIRE_ATTACH, .sub = 1, .slot = 0};
	const struct secret *secret = arg;
	struct stranger st;
	int fds[2], kind;

	wr_become(CAROL, OTHERS);
	if (stranger_connect(&st, shared, "bus", secret->node) != 0)
		_exit(90);
	stranger_words(&st);
	fds[0] = st.words.fd;
	fds[1] = st.bell;
	(void)stranger_say(&st, stranger_hello(&st), fds);
	while ((kind = stranger_hear(&st, &msg, NULL)) != 0 && kind != WR_WIRE_SYNC) {
		out->value[0] += kind == WR_WIRE_ANNOUNCE;
		out->value[1] += strstr(msg.topic, "secret") != NULL;
	}
	/* She knows its number from somewhere; it is answered as one that there is not. */
	for (int i = 0; i < 2; i++) {
		attach.stream = secret->stream + (uint64_t)i;
		(void)stranger_say(&st, attach, NULL);
		kind = stranger_hear(&st, &msg, NULL);
		out->value[2 + i] = kind == WR_WIRE_REFUSED ? (int64_t)msg.code : -kind;
		out->value[1] += strstr(msg.topic, "secret") != NULL;
	}
	stranger_leave(&st);
	/* Looking shows no more. */
	if (stranger_connect(&st, shared, "bus", secret->node) != 0)
		_exit(90);
	msg = (struct wr_wire){.kind = WR_WIRE_LOOK};
	(void)stranger_say(&st, msg, NULL);
	while ((kind = stranger_hear(&st, &msg, NULL)) != 0 && kind != WR_WIRE_DONE) {
		out->value[4] += kind == WR_WIRE_STREAM;
		out->value[1] += strstr(msg.topic, "secret") != NULL;
	}
	msg = (struct wr_wire){.kind = WR_WIRE_SHOW, .stream = secret->stream};
	(void)stranger_say(&st, msg, NULL);
	kind = stranger_hear(&st, &msg, NULL);
	out->value[5] = kind == WR_WIRE_REFUSED ? (int64_t)msg.code : -kind;
	/* Nor who reads it, where it lies, and not that there is more to know. */
	msg = (struct wr_wire){.kind = WR_WIRE_READERS, .stream = secret->stream};
	(void)stranger_say(&st, msg, NULL);
	while ((kind = stranger_hear(&st, &msg, NULL)) != 0 && kind != WR_WIRE_DONE)
		out->value[6]++;
	stranger_leave(&st);
}

/* Finds the stream's number as somebody who may: alice's own uid, looking. */
static void
alice_looks(struct wr_outcome *out, void *arg)
{
	weir_error err;
	weir_look *look;
	const weir_look_stream *streams;
	size_t count;

	(void)arg;
	wr_become(ALICE, OTHERS);
	look = weir_look_open("bus", shared, &err);
	if (!look || weir_look_refresh(look, 10000) < 1)
		_exit(90);
	streams = weir_look_streams(look, &count);
	for (size_t i = 0; i < count; i++)
		if (!strcmp(streams[i].topic, "a.secret")) {
			char list[20];

			snprintf(list, sizeof(list), "%u", BOB);
			out->value[2] = streams[i].restricted &&
				!strcmp(streams[i].readers, list);
			out->value[0] = (int64_t)streams[i].node;
			out->value[1] = (int64_t)streams[i].publisher;
		}
	weir_look_close(look);
}

static void
readers_of_a_topic(void)
{
	const char *dir = everybody_s_directory(), *event;
	struct wr_proc alice, bob, carol;
	struct wr_outcome out;
	struct secret secret;
	char users[100];

	snprintf(users, sizeof(users), "users=%u,%u,%u", ALICE, BOB, CAROL);
	start_as(&alice, ALICE, OTHERS);
	puppet_ok(&alice, "open 0 bus dir=%s %s", dir, users);
	puppet_ok(&alice, "pub 0 0 a.secret readers=%u", BOB);
	puppet_ok(&alice, "pub 1 0 a.open");
	puppet_ok(&alice, "pub 2 0 a.plant readers=@%u", PLANT);
	start_as(&bob, BOB, PLANT);
	start_as(&carol, CAROL, OTHERS);
	puppet_ok(&bob, "open 0 bus dir=%s %s", dir, users);
	puppet_ok(&carol, "open 0 bus dir=%s %s", dir, users);
	puppet_ok(&bob, "sub 0 0 a.* whole");
	puppet_ok(&carol, "sub 0 0 a.* whole");
	CHECK_EQ(puppet_number(&bob, "pubs 0"), 3);
	CHECK_EQ(puppet_number(&carol, "pubs 0"), 1);
	/* Also who subscribed first. */
	puppet_ok(&alice, "pub 3 0 a.late readers=%u", BOB);
	CHECK_EQ(puppet_number(&alice, "subs 3"), 1);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(puppet_number(&alice, "send %d 10", i), 10);
	CHECK_STR(puppet_ask(&bob, "recv 0 40"), "40 in order");
	CHECK_STR(puppet_ask(&carol, "recv 0 10"), "10 in order");
	CHECK(strncmp(puppet_ask(&carol, "seen 0"), "10 delivered", 12) == 0);
	CHECK(strstr(puppet_ask(&carol, "seen 0"), " 0 refused") != NULL);
	event = puppet_ask(&alice, "event 0 DENIED");
	CHECK(strstr(event, "4003 ") != NULL && strstr(event, " a.") != NULL);
	CHECK(strstr(puppet_ask(&alice, "stats 0"), " 1 denied") != NULL);
	CHECK(strstr(puppet_ask(&alice, "stats 1"), " 0 denied") != NULL);

	out = wr_in_child(alice_looks, NULL);
	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.value[2], 1); /* K35: who may read it */
	secret = (struct secret){(uint64_t)out.value[0], (uint64_t)out.value[1]};
	REQUIRE(secret.stream != 0);
	out = wr_in_child(carol_pries, &secret);
	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.value[0], 1); /* a.open was announced to her */
	CHECK_EQ(out.value[1], 0); /* the other name was never said */
	CHECK_EQ(out.value[2], WEIR_E_ENV_NOTFOUND);
	CHECK_EQ(out.value[3], out.value[2]);
	CHECK_EQ(out.value[4], 1);
	CHECK_EQ(out.value[5], WEIR_E_ENV_NOTFOUND);
	CHECK_EQ(out.value[6], 0);
	CHECK(strstr(puppet_ask(&alice, "stats 0"), " 3 denied") != NULL);

	CHECK_STR(puppet_ask(&alice, "pub 4 0 x readers=nosuchuser"), "USAGE_INVAL");
	CHECK(strstr(puppet_ask(&alice, "why p 4"), "nosuchuser") != NULL);
	puppet_end(&alice);
	puppet_end(&bob);
	puppet_end(&carol);
}

static void
writers_of_a_topic(void)
{
	const char *dir = everybody_s_directory(), *event;
	struct wr_proc alice, bob, carol;
	char users[100];

	snprintf(users, sizeof(users), "users=%u,%u,%u", ALICE, BOB, CAROL);
	start_as(&alice, ALICE, OTHERS);
	start_as(&bob, BOB, PLANT);
	start_as(&carol, CAROL, OTHERS);
	puppet_ok(&alice, "open 0 bus dir=%s %s", dir, users);
	puppet_ok(&carol, "open 0 bus dir=%s %s node=carol", dir, users);
	puppet_ok(&carol, "pub 0 0 imu");
	puppet_ok(&bob, "open 0 bus dir=%s %s", dir, users);
	puppet_ok(&bob, "sub 0 0 imu writers=%u whole", ALICE);
	puppet_ok(&bob, "sub 1 0 imu whole");
	puppet_ok(&alice, "pub 0 0 imu");
	puppet_ok(&carol, "pub 1 0 imu");
	CHECK_EQ(puppet_number(&alice, "subs 0"), 2);
	CHECK_EQ(puppet_number(&carol, "subs 1"), 1);
	CHECK_EQ(puppet_number(&bob, "pubs 0"), 1);
	CHECK_EQ(puppet_number(&bob, "pubs 1"), 3);
	CHECK_EQ(puppet_number(&carol, "send 0 10"), 10);
	CHECK_EQ(puppet_number(&carol, "send 1 10"), 10);
	CHECK_EQ(puppet_number(&alice, "send 0 10"), 10);
	CHECK_STR(puppet_ask(&bob, "recv 0 10"), "10 in order");
	CHECK_STR(puppet_ask(&bob, "recv 1 30"), "30 in order");
	CHECK(strncmp(puppet_ask(&bob, "seen 0"), "10 delivered", 12) == 0);
	CHECK(strstr(puppet_ask(&bob, "seen 0"), " 2 refused") != NULL);
	event = puppet_ask(&bob, "event 0 DENIED");
	CHECK(strstr(event, " 4003 carol imu") != NULL);
	CHECK_STR(puppet_ask(&bob, "sub 2 0 imu writers=@nosuchgroup"), "USAGE_INVAL");
	CHECK(strstr(puppet_ask(&bob, "why s 2"), "nosuchgroup") != NULL);
	puppet_end(&alice);
	puppet_end(&bob);
	puppet_end(&carol);
}

static const struct wr_test tests[] = {
	TEST(default_bus_is_its_user_s),
	TEST(bus_of_a_group),
	TEST(bus_of_named_users),
	TEST(who_listens_is_looked_at_too),
	TEST(readers_of_a_topic),
	TEST(writers_of_a_topic),
	TEST_END,
};

const struct wr_suite wr_suite_permission = {
	.name = "permission", .tests = tests, .labels = "input"};
