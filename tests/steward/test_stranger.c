/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a steward does with each thing that can be said to it, in each state of a
 * connection; and what it hands out, and when.
 */
#include "tests/steward/stranger.h"

#include "bus/bell.h"
#include "bus/node.h"
#include "bus/rundir.h"
#include "tests/lib/fdleak.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"
#include "tests/steward/puppet.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a stranger ------------------------------------------------------------------------- */

static int
open_dir(const char *dir, const char *bus)
{
	struct wr_rundir_opts opts = {.dir = dir, .bus = bus, .look = true};
	char path[600];
	int fd;

	return wr_rundir_open(&opts, &fd, path, sizeof(path), NULL) == 0 ? fd : -1;
}

int
stranger_nodes(const char *dir, const char *bus, uint64_t *nodes, int max)
{
	int dirfd = open_dir(dir, bus), count;

	if (dirfd < 0)
		return -1;
	count = wr_rundir_scan(dirfd, nodes, max);
	close(dirfd);
	return count;
}

int
stranger_connect(struct stranger *st, const char *dir, const char *bus, uint64_t node)
{
	int dirfd = open_dir(dir, bus), rc;

	*st = (struct stranger){.fd = -1, .bell = -1, .node = node};
	st->words = WR_REGION_NONE;
	if (dirfd < 0)
		return -ENOENT;
	do
		rc = wr_rundir_connect(dirfd, node, &st->fd);
	while (rc == -WEIR_E_PEER_PENDING);
	rc = rc < 0 ? -errno : 0;
	close(dirfd);
	return rc;
}

void
stranger_knock(struct stranger *st)
{
	uint64_t node;

	REQUIRE_EQ(stranger_nodes(NULL, "bus", &node, 1), 1);
	REQUIRE_EQ(stranger_connect(st, NULL, "bus", node), 0);
}

void
stranger_words(struct stranger *st)
{
	struct wr_node_hdr *hdr;

	st->id = wr_node_random();
	st->bell = wr_bell_make();
	REQUIRE_EQ(wr_region_create(&st->words, "stranger", WR_NODE_BYTES, NULL), 0);
	REQUIRE_EQ(wr_region_reserve(&st->words, 0, 2 * WR_PAGE, NULL), 0);
	hdr = (struct wr_node_hdr *)(void *)st->words.mem;
	hdr->magic = WR_NODE_MAGIC;
	hdr->layout = WR_LAYOUT;
	hdr->header_bytes = WR_PAGE;
	hdr->node = st->id;
	hdr->region_bytes = WR_NODE_BYTES;
	hdr->slots = WR_NODE_SLOTS;
	hdr->flag_offset = wr_node_flag_offset(st->id);
}

struct wr_wire
stranger_hello(const struct stranger *st)
{
	struct wr_wire msg = {.kind = WR_WIRE_HELLO, .node = st->id};

	snprintf(msg.name, sizeof(msg.name), "stranger");
	return msg;
}

int
stranger_spit(struct stranger *st, const void *bytes, size_t size, const int *fds,
	int fd_count)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * 64)];
	} control;
	struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
	size_t fd_bytes = (size_t)fd_count * sizeof(int);

	memset(&control, 0, sizeof(control));
	if (fd_count > 0) {
		struct cmsghdr *c;

		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(fd_bytes);
		c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(fd_bytes);
		memcpy(CMSG_DATA(c), fds, fd_bytes);
	}
	for (;;) {
		struct pollfd p = {.fd = st->fd, .events = POLLOUT};

		if (sendmsg(st->fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return 0;
		if (errno != EAGAIN && errno != ETOOMANYREFS && errno != EINTR)
			return -errno;
		(void)poll(&p, 1, 10);
	}
}

int
stranger_say(struct stranger *st, struct wr_wire msg, const int *fds)
{
	msg.magic = WR_WIRE_MAGIC;
	msg.layout = WR_LAYOUT;
	return stranger_spit(st, &msg, sizeof(msg), fds, wr_wire_fds(msg.kind));
}

int
stranger_hear(struct stranger *st, struct wr_wire *msg, int *fds)
{
	int own[WR_WIRE_FDS], rc;

	do {
		struct pollfd p = {.fd = st->fd, .events = POLLIN};

		(void)poll(&p, 1, -1);
		rc = wr_wire_recv(st->fd, msg, fds ? fds : own);
	} while (rc == 0);
	if (rc < 0) {
		CHECK_EQ(rc, -WEIR_E_GONE_END);
		return 0;
	}
	for (int i = 0; !fds && i < wr_wire_fds(msg->kind); i++)
		close(own[i]);
	return msg->kind;
}

int
stranger_hear_out(struct stranger *st)
{
	struct wr_wire msg;
	int count = 0;

	while (stranger_hear(st, &msg, NULL))
		count++;
	return count;
}

static void
introduce(struct stranger *st)
{
	int fds[2];

	stranger_words(st);
	fds[0] = st->words.fd;
	fds[1] = st->bell;
	REQUIRE_EQ(stranger_say(st, stranger_hello(st), fds), 0);
}

int
stranger_meet(struct stranger *st, struct wr_wire *announced)
{
	struct wr_wire msg;
	int count = 0;

	stranger_knock(st);
	introduce(st);
	REQUIRE_EQ(stranger_hear(st, &msg, NULL), WR_WIRE_HELLO);
	CHECK_EQ(msg.node, st->node);
	while (stranger_hear(st, &msg, NULL) == WR_WIRE_ANNOUNCE) {
		struct wr_wire ack = {.kind = WR_WIRE_ANNOUNCED, .stream = msg.stream};

		(void)stranger_say(st, ack, NULL);
		if (announced)
			*announced = msg;
		count++;
	}
	REQUIRE_EQ(msg.kind, WR_WIRE_SYNC);
	return count;
}

void
stranger_leave(struct stranger *st)
{
	const struct wr_wire bye = {.kind = WR_WIRE_BYE};

	if (st->fd >= 0)
		(void)stranger_say(st, bye, NULL);
	stranger_vanish(st);
}

void
stranger_vanish(struct stranger *st)
{
	if (st->fd >= 0)
		close(st->fd);
	if (st->bell >= 0)
		close(st->bell);
	st->fd = st->bell = -1;
	wr_region_drop(&st->words);
}

/* ---- the node under test ------------------------------------------------------------------ */

/* It still does its work: with a puppet that comes, and with this process. */
static void
still_serves(struct wr_proc *node)
{
	struct wr_proc b;

	puppet_start(&b, "open 0 bus attach=600000");
	CHECK_EQ(puppet_number(&b, "pending 0"), 0);
	puppet_ok(&b, "sub 0 0 alive whole");
	puppet_ok(node, "pub 15 0 alive");
	CHECK_EQ(puppet_number(node, "send 15 10"), 10);
	CHECK_STR(puppet_ask(&b, "recv 0 10"), "10 in order");
	CHECK_EQ(puppet_number(node, "unpub 15"), 0);
	CHECK_STR(puppet_ask(&b, "drain 0"), "0 in order");
	puppet_end(&b);
	CHECK(strncmp(puppet_ask(node, "event 0 NODE_LEFT"), "NODE_LEFT", 9) == 0);
}

/* ---- every message in every state ----------------------------------------------------------- */

/* Fills in descriptors for the kind: memory of ours, and a bell. */
static void
say_kind(struct stranger *st, enum wr_wire_kind kind)
{
	struct wr_wire msg = {.kind = (uint16_t)kind, .stream = 12345, .sub = 67};
	const int fds[2] = {st->words.fd, st->bell};

	if (kind == WR_WIRE_HELLO)
		msg = stranger_hello(st);
	snprintf(msg.topic, sizeof(msg.topic), "some.topic");
	(void)stranger_say(st, msg, fds);
}

/* What each kind must lead to: hung up on at once, or not. 'x' and '.' per state. */
static const struct {
	enum wr_wire_kind kind;
	char guest, up, looker;
} table[] = {
	{WR_WIRE_HELLO, '.', 'x', 'x'},
	{WR_WIRE_SYNC, 'x', '.', 'x'},
	{WR_WIRE_ANNOUNCE, 'x', '.', 'x'},
	{WR_WIRE_ANNOUNCED, 'x', '.', 'x'},
	{WR_WIRE_ATTACH, 'x', '.', 'x'},
	{WR_WIRE_ATTACHED, 'x', '.', 'x'}, /* nobody asked: the descriptor is dropped */
	{WR_WIRE_REFUSED, 'x', '.', 'x'},
	{WR_WIRE_MAPPED, 'x', '.', 'x'},
	{WR_WIRE_DETACH, 'x', '.', 'x'},
	{WR_WIRE_DETACHED, 'x', '.', 'x'},
	{WR_WIRE_MOVED, 'x', 'x', 'x'}, /* what is sent here is no stream's region */
	{WR_WIRE_VERDICT, 'x', '.', 'x'},
	{WR_WIRE_ENDED, 'x', '.', 'x'},
	{WR_WIRE_BYE, 'x', '.', 'x'},
	{WR_WIRE_LOOK, '.', 'x', '.'},
	{WR_WIRE_NODE, 'x', 'x', 'x'},
	{WR_WIRE_STREAM, 'x', 'x', 'x'},
	{WR_WIRE_SUB, 'x', 'x', 'x'},
	{WR_WIRE_DONE, 'x', 'x', 'x'},
	{WR_WIRE_SHOW, 'x', 'x', '.'},
	{WR_WIRE_SHOWN, 'x', 'x', 'x'},
	{WR_WIRE_READERS, 'x', 'x', '.'},
	{WR_WIRE_READER, 'x', 'x', 'x'},
	{WR_WIRE_CALL, 'x', 'x', '.'},
	{WR_WIRE_ROSTER, 'x', 'x', 'x'},
	{WR_WIRE_ASK, '.', 'x', '.'},
	{WR_WIRE_ANSWER, 'x', 'x', 'x'},
};

/* Was it hung up on for that? A question that is answered shows that it was not. */
static bool
was_hung_up(struct stranger *st, char state)
{
	struct wr_wire ask = {.kind = WR_WIRE_LOOK}, msg;
	int kind;

	if (state == 'u') { /* a node's question: may this be detached? it is answered */
		ask = (struct wr_wire){.kind = WR_WIRE_DETACH, .stream = 99, .sub = 99};
		(void)stranger_say(st, ask, NULL);
		do
			kind = stranger_hear(st, &msg, NULL);
		while (kind && (kind != WR_WIRE_DETACHED || msg.stream != 99));
		return kind == 0;
	}
	(void)stranger_say(st, ask, NULL);
	do
		kind = stranger_hear(st, &msg, NULL);
	while (kind && kind != WR_WIRE_DONE);
	return kind == 0;
}

/* Becomes a looker, and hears out the answer. */
static void
look(struct stranger *st)
{
	struct wr_wire msg = {.kind = WR_WIRE_LOOK};
	int kind;

	(void)stranger_say(st, msg, NULL);
	do
		kind = stranger_hear(st, &msg, NULL);
	while (kind && kind != WR_WIRE_DONE);
	CHECK_EQ(kind, WR_WIRE_DONE);
}

static void
every_message_in_every_state(void)
{
	static const char states[] = "gul";
	struct wr_fds *fds = malloc(sizeof(*fds));
	struct wr_proc node;

	CHECK_EQ(sizeof(table) / sizeof(table[0]), WR_WIRE_KINDS - 1);
	puppet_start(&node, "open 0 bus");
	wr_fds_take(fds);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		for (const char *state = states; *state; state++) {
			const char expected = *state == 'g' ? table[i].guest
				: *state == 'u'             ? table[i].up
							    : table[i].looker;
			struct stranger st;
			char now = *state;
			bool hung;

			if (*state == 'u') {
				CHECK_EQ(stranger_meet(&st, NULL), 0);
			} else {
				stranger_knock(&st);
				stranger_words(&st);
			}
			if (*state == 'l')
				look(&st);
			say_kind(&st, table[i].kind);
			if (*state == 'g' && table[i].kind == WR_WIRE_HELLO)
				now = 'u';
			else if (*state == 'g' && table[i].kind != WR_WIRE_LOOK)
				now = 'l';
			hung = was_hung_up(&st, now);
			if (hung != (expected == 'x'))
				FAIL("kind %d to a connection in state '%c': %s",
					table[i].kind, *state,
					hung ? "hung up" : "went on");
			CHECK_EQ(hung, expected == 'x');
			if (!hung)
				(void)puppet_ask(&node, "pending 0");
			stranger_leave(&st);
		}
	}
	CHECK_EQ(wr_fds_new(fds), 0);
	still_serves(&node);
	puppet_end(&node);
	free(fds);
}

/* ---- hello, step by step --------------------------------------------------------------------- */

/* Who has not been let in as a node hears nothing at all. */
static void
guests_hear_nothing(void)
{
	struct wr_proc node;
	struct stranger st;

	puppet_start(&node, "open 0 bus");
	puppet_ok(&node, "pub 0 0 imu");
	stranger_knock(&st);
	/* It says nothing, and is hung up on in the end. */
	CHECK_EQ(stranger_hear_out(&st), 0);
	stranger_leave(&st);
	still_serves(&node);
	puppet_end(&node);
}

enum hello_fault {
	OTHER_LAYOUT,
	OTHER_MAGIC,
	NO_NODE,
	OUR_OWN_NODE,
	NO_NAME,
	LONG_NAME,
	CONTROL_NAME,
	PIPE_FOR_WORDS,
	UNSEALED_WORDS,
	SMALL_WORDS,
	EMPTY_WORDS,
	WORDS_OF_ANOTHER,
	WORDS_WITHOUT_MAGIC,
	WORDS_OF_ANOTHER_LAYOUT,
	FLAG_OUTSIDE,
	PIPE_FOR_BELL,
	BLOCKING_BELL,
	MEMORY_FOR_BELL,
	ONE_DESCRIPTOR,
	NO_DESCRIPTOR,
	SURPLUS_DESCRIPTORS,
	TOO_SHORT,
	TOO_LONG,
	FAULTS
};

static const struct {
	const char *event; /* what the node's program is told */
} faults[FAULTS] = {
	[OTHER_LAYOUT] = {"REFUSED ENV_VERSION"},
	[OTHER_MAGIC] = {"PROTOCOL PEER_PROTOCOL"},
	[NO_NODE] = {"PROTOCOL PEER_PROTOCOL"},
	[OUR_OWN_NODE] = {"PROTOCOL PEER_PROTOCOL"},
	[NO_NAME] = {"PROTOCOL PEER_PROTOCOL"},
	[LONG_NAME] = {"PROTOCOL PEER_PROTOCOL"},
	[CONTROL_NAME] = {"PROTOCOL PEER_PROTOCOL"},
	[PIPE_FOR_WORDS] = {"PROTOCOL PEER_BADFD"},
	[UNSEALED_WORDS] = {"PROTOCOL PEER_BADFD"},
	[SMALL_WORDS] = {"PROTOCOL PEER_BADFD"},
	[EMPTY_WORDS] = {"PROTOCOL PEER_BADFD"},
	[WORDS_OF_ANOTHER] = {"PROTOCOL PEER_BADREGION"},
	[WORDS_WITHOUT_MAGIC] = {"PROTOCOL PEER_BADREGION"},
	[WORDS_OF_ANOTHER_LAYOUT] = {"REFUSED ENV_VERSION"},
	[FLAG_OUTSIDE] = {"PROTOCOL PEER_BADREGION"},
	[PIPE_FOR_BELL] = {"PROTOCOL PEER_BADFD"},
	[BLOCKING_BELL] = {"PROTOCOL PEER_BADFD"},
	[MEMORY_FOR_BELL] = {"PROTOCOL PEER_BADFD"},
	[ONE_DESCRIPTOR] = {"PROTOCOL PEER_PROTOCOL"},
	[NO_DESCRIPTOR] = {"PROTOCOL PEER_PROTOCOL"},
	[SURPLUS_DESCRIPTORS] = {"PROTOCOL PEER_PROTOCOL"},
	[TOO_SHORT] = {"PROTOCOL PEER_PROTOCOL"},
	[TOO_LONG] = {"PROTOCOL PEER_PROTOCOL"},
};

static void
say_wrong_hello(struct stranger *st, enum hello_fault fault)
{
	unsigned char bytes[sizeof(struct wr_wire) + 8] = {0};
	struct wr_node_hdr *hdr = (struct wr_node_hdr *)(void *)st->words.mem;
	struct wr_wire msg = stranger_hello(st);
	size_t size = sizeof(msg);
	int extra = -1, more = -1, fds[40], count = 2;

	fds[0] = st->words.fd;
	fds[1] = st->bell;
	msg.magic = WR_WIRE_MAGIC;
	msg.layout = WR_LAYOUT;
	switch (fault) {
	case OTHER_LAYOUT:
		msg.layout = WR_LAYOUT + 1;
		break;
	case OTHER_MAGIC:
		msg.magic ^= 1;
		break;
	case NO_NODE:
		msg.node = 0;
		break;
	case OUR_OWN_NODE:
		msg.node = st->node;
		break;
	case NO_NAME:
		msg.name[0] = 0;
		break;
	case LONG_NAME:
		memset(msg.name, 'n', sizeof(msg.name));
		break;
	case CONTROL_NAME:
		msg.name[3] = '\033';
		break;
	case PIPE_FOR_WORDS:
		REQUIRE(pipe2(&fds[2], O_CLOEXEC) == 0);
		fds[0] = extra = fds[2];
		more = fds[3];
		break;
	case UNSEALED_WORDS:
		fds[0] = extra =
			memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		REQUIRE(ftruncate(extra, WR_NODE_BYTES) == 0);
		break;
	case SMALL_WORDS:
	case EMPTY_WORDS:
		fds[0] = extra = memfd_create("small", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		REQUIRE(ftruncate(extra,
				fault == SMALL_WORDS ? WR_NODE_BYTES - 4096 : 0) == 0);
		REQUIRE(fcntl(extra, F_ADD_SEALS,
				F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0);
		break;
	case WORDS_OF_ANOTHER:
		hdr->node++;
		break;
	case WORDS_WITHOUT_MAGIC:
		hdr->magic = 0;
		break;
	case WORDS_OF_ANOTHER_LAYOUT:
		hdr->layout++;
		break;
	case FLAG_OUTSIDE:
		hdr->flag_offset = 0x7fffffff;
		break;
	case PIPE_FOR_BELL:
		REQUIRE(pipe2(&fds[2], O_CLOEXEC) == 0);
		extra = fds[2];
		fds[1] = more = fds[3];
		break;
	case BLOCKING_BELL:
		fds[1] = extra = eventfd(0, EFD_CLOEXEC);
		break;
	case MEMORY_FOR_BELL:
		fds[1] = st->words.fd;
		break;
	case ONE_DESCRIPTOR:
		count = 1;
		break;
	case NO_DESCRIPTOR:
		count = 0;
		break;
	case SURPLUS_DESCRIPTORS:
		for (count = 2; count < 40; count++)
			fds[count] = st->bell;
		break;
	case TOO_SHORT:
		size--;
		break;
	case TOO_LONG:
		size += 8;
		break;
	case FAULTS:
		break;
	}
	memcpy(bytes, &msg, sizeof(msg));
	CHECK_EQ(stranger_spit(st, bytes, size, fds, count), 0);
	if (extra >= 0)
		close(extra);
	if (more >= 0)
		close(more);
}

/* A hello that is not right is hung up on without an answer, and told to the program. */
static void
wrong_hellos(void)
{
	struct wr_proc node;
	int fds;

	puppet_start(&node, "open 0 bus");
	puppet_ok(&node, "pub 0 0 imu");
	fds = (int)puppet_number(&node, "fds");
	for (int fault = 0; fault < FAULTS; fault++) {
		struct stranger st;
		const char *event;

		stranger_knock(&st);
		stranger_words(&st);
		say_wrong_hello(&st, (enum hello_fault)fault);
		if (stranger_hear_out(&st) != 0)
			FAIL("hello with fault %d was answered", fault);
		event = puppet_ask(&node, "event 0");
		if (strncmp(event, faults[fault].event, strlen(faults[fault].event)) != 0)
			FAIL("hello with fault %d was told as \"%s\"", fault, event);
		stranger_leave(&st);
	}
	CHECK_EQ(puppet_number(&node, "events 0"), 0);
	CHECK_EQ(puppet_number(&node, "fds"), fds);
	still_serves(&node);
	puppet_end(&node);
}

/* ---- admission, step by step -------------------------------------------------------------------- */

static struct wr_wire
attach_to(const struct wr_wire *announced, uint64_t sub, uint32_t slot)
{
	return (struct wr_wire){.kind = WR_WIRE_ATTACH,
		.stream = announced->stream,
		.sub = sub,
		.slot = slot,
		.terms.holds = 4};
}

static void
admission(void)
{
	struct wr_wire announced, msg;
	struct wr_region region;
	struct wr_proc node;
	struct stranger st;
	int fd[2];

	puppet_start(&node, "open 0 bus node=maker close=600000");
	puppet_ok(&node, "pub 0 0 imu max=1000 type=imu.v1 hash=0x77");
	CHECK_EQ(stranger_meet(&st, &announced), 1);
	CHECK_STR(announced.topic, "imu");
	CHECK_STR(announced.type, "imu.v1");
	CHECK_EQ(announced.type_hash, 0x77);
	CHECK_EQ(announced.max_message, 1000);

	CHECK_EQ(stranger_say(&st, attach_to(&announced, 7, 3), NULL), 0);
	REQUIRE_EQ(stranger_hear(&st, &msg, fd), WR_WIRE_ATTACHED);
	CHECK_EQ(msg.stream, announced.stream);
	CHECK_EQ(msg.sub, 7);
	/* What is handed out can be read and nothing else. */
	CHECK_EQ(fcntl(fd[0], F_GETFL) & O_ACCMODE, O_RDONLY);
	REQUIRE_EQ(wr_region_map(&region, fd[0], msg.bytes, NULL), 0);
	CHECK(mprotect(region.mem, region.bytes, PROT_READ | PROT_WRITE) != 0);
	wr_region_drop(&region);

	/* It is admitted, and counts when it says that it is there. */
	CHECK(strstr(puppet_ask(&node, "stats 0"), " 1 subscribers") != NULL);
	CHECK_EQ(puppet_number(&node, "subs 0"), 0);
	/* Asked again, the answer is the same, and there is one row still. */
	CHECK_EQ(stranger_say(&st, attach_to(&announced, 7, 3), NULL), 0);
	REQUIRE_EQ(stranger_hear(&st, &msg, NULL), WR_WIRE_ATTACHED);
	CHECK(strstr(puppet_ask(&node, "stats 0"), " 1 subscribers") != NULL);
	CHECK_EQ(stranger_say(&st, attach_to(&announced, 8, 4), NULL), 0);
	REQUIRE_EQ(stranger_hear(&st, &msg, NULL), WR_WIRE_ATTACHED);
	msg = (struct wr_wire){
		.kind = WR_WIRE_MAPPED, .stream = announced.stream, .sub = 7};
	CHECK_EQ(stranger_say(&st, msg, NULL), 0);
	CHECK_EQ(puppet_number(&node, "wait 0 1 -1"), 1);
	CHECK(strncmp(puppet_ask(&node, "event 0 SUB_JOINED"), "SUB_JOINED", 10) == 0);

	/* What leaves without having come is not told. */
	msg = (struct wr_wire){
		.kind = WR_WIRE_DETACH, .stream = announced.stream, .sub = 8};
	CHECK_EQ(stranger_say(&st, msg, NULL), 0);
	REQUIRE_EQ(stranger_hear(&st, &msg, NULL), WR_WIRE_DETACHED);
	CHECK_EQ(puppet_number(&node, "events 0"), 0);
	CHECK_EQ(puppet_number(&node, "subs 0"), 1);

	/* A stream that there is not. */
	announced.stream++;
	CHECK_EQ(stranger_say(&st, attach_to(&announced, 9, 5), NULL), 0);
	REQUIRE_EQ(stranger_hear(&st, &msg, NULL), WR_WIRE_REFUSED);
	CHECK_EQ(msg.code, WEIR_E_ENV_NOTFOUND);

	stranger_leave(&st);
	puppet_end(&node);
}

/* Close waits for who was admitted and has not mapped the stream yet. */
static void
close_waits_for_mapped(void)
{
	struct wr_wire announced, msg;
	struct wr_proc node;
	struct stranger st;
	struct pollfd p;

	puppet_start(&node, "open 0 bus close=600000");
	puppet_ok(&node, "pub 0 0 imu");
	CHECK_EQ(stranger_meet(&st, &announced), 1);
	CHECK_EQ(stranger_say(&st, attach_to(&announced, 7, 3), NULL), 0);
	REQUIRE_EQ(stranger_hear(&st, &msg, NULL), WR_WIRE_ATTACHED);
	puppet_tell(&node, "unpub 0");
	/* If it did not wait, its next word would come now. */
	p = (struct pollfd){.fd = st.fd, .events = POLLIN};
	CHECK_EQ(poll(&p, 1, 300), 0);
	msg = (struct wr_wire){
		.kind = WR_WIRE_MAPPED, .stream = announced.stream, .sub = 7};
	CHECK_EQ(stranger_say(&st, msg, NULL), 0);
	REQUIRE_EQ(stranger_hear(&st, &msg, NULL), WR_WIRE_ENDED);
	CHECK_EQ(msg.stream, announced.stream);
	CHECK_STR(puppet_hear(&node), "0");
	CHECK_STR(puppet_ask(&node, "close 0"), "closed 0");
	CHECK_EQ(stranger_hear(&st, &msg, NULL), WR_WIRE_BYE);
	CHECK_EQ(stranger_hear_out(&st), 0);
	stranger_leave(&st);
	puppet_end(&node);
}

/* An announcement holds its caller up until it is answered, and no longer than that. */
static void
announcement_waits_for_its_answer(void)
{
	struct wr_wire msg;
	struct wr_proc node;
	struct stranger st;
	struct pollfd p;

	puppet_start(&node, "open 0 bus attach=600000");
	CHECK_EQ(stranger_meet(&st, NULL), 0);
	puppet_tell(&node, "pub 0 0 imu");
	REQUIRE_EQ(stranger_hear(&st, &msg, NULL), WR_WIRE_ANNOUNCE);
	CHECK_STR(msg.topic, "imu");
	p = (struct pollfd){.fd = node.out, .events = POLLIN};
	CHECK_EQ(poll(&p, 1, 300), 0);
	msg = (struct wr_wire){.kind = WR_WIRE_ANNOUNCED, .stream = msg.stream};
	CHECK_EQ(stranger_say(&st, msg, NULL), 0);
	CHECK_STR(puppet_hear(&node), "ok");
	/* The same with a subscriber: it waits for SYNC, and for the answer to its ATTACH. */
	msg = (struct wr_wire){.kind = WR_WIRE_SYNC};
	CHECK_EQ(stranger_say(&st, msg, NULL), 0);
	msg = (struct wr_wire){
		.kind = WR_WIRE_ANNOUNCE, .stream = 4711, .max_message = 100};
	snprintf(msg.topic, sizeof(msg.topic), "odo");
	CHECK_EQ(stranger_say(&st, msg, NULL), 0);
	REQUIRE_EQ(stranger_hear(&st, &msg, NULL), WR_WIRE_ANNOUNCED);
	puppet_tell(&node, "sub 0 0 odo");
	REQUIRE_EQ(stranger_hear(&st, &msg, NULL), WR_WIRE_ATTACH);
	CHECK_EQ(msg.stream, 4711);
	p = (struct pollfd){.fd = node.out, .events = POLLIN};
	CHECK_EQ(poll(&p, 1, 300), 0);
	msg = (struct wr_wire){.kind = WR_WIRE_REFUSED,
		.stream = 4711,
		.sub = msg.sub,
		.code = WEIR_E_AGAIN_QUOTA};
	CHECK_EQ(stranger_say(&st, msg, NULL), 0);
	CHECK_STR(puppet_hear(&node), "ok");
	CHECK(strncmp(puppet_ask(&node, "event 0 REFUSED"), "REFUSED AGAIN_QUOTA", 19) ==
		0);
	CHECK_EQ(puppet_number(&node, "pubs 0"), 0);
	stranger_leave(&st);
	puppet_end(&node);
}

static const struct wr_test tests[] = {
	TEST(every_message_in_every_state),
	TEST(guests_hear_nothing),
	TEST(wrong_hellos),
	TEST(admission),
	TEST(close_waits_for_mapped),
	TEST(announcement_waits_for_its_answer),
	TEST_END,
};

const struct wr_suite wr_suite_stranger = {
	.name = "stranger", .tests = tests, .labels = "concurrency,input"};
