/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Whatever is said to a steward, and however much of it: it spoils nothing but what belongs
 * to whoever says it. Beside every one of these an honest pair exchanges messages.
 */
#include <weir/loop.h>
#include <weir/weir.h>

#include "bus/bell.h"
#include "bus/geometry.h"
#include "bus/node.h"
#include "bus/store.h"
#include "tests/lib/await.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"
#include "tests/steward/puppet.h"
#include "tests/steward/stranger.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the honest ----------------------------------------------------------------------------- */

struct honest {
	struct wr_proc node; /* what the strangers talk to; it floods a topic */
	struct wr_proc reader;
};

/* The strangers reach the node by the only socket: the reader has none that lasts. */
static uint64_t
node_of(struct honest *h)
{
	uint64_t nodes[2];

	puppet_start(&h->node, "open 0 bus node=honest");
	REQUIRE_EQ(stranger_nodes(NULL, "bus", nodes, 2), 1);
	puppet_start(&h->reader, "open 0 bus attach=600000");
	puppet_ok(&h->node, "pub 0 0 load");
	puppet_ok(&h->reader, "sub 0 0 load whole");
	puppet_tell(&h->reader, "drain 0");
	/* What it opens once and keeps, it opens now. */
	(void)puppet_ask(&h->node, "turn 0 20");
	return nodes[0];
}

static void
stop_flood(struct honest *h)
{
	const char *sent;
	char expected[100];

	puppet_tell(&h->node, "stats 0");
	sent = puppet_hear(&h->node);
	snprintf(expected, sizeof(expected), "%s in order", sent);
	CHECK(strncmp(puppet_hear(&h->node), sent, strlen(sent)) == 0);
	CHECK_EQ(puppet_number(&h->node, "unpub 0"), 0);
	CHECK_STR(puppet_hear(&h->reader), expected);
}

/* Everybody who comes now is served. */
static void
serves_who_comes(struct honest *h)
{
	struct wr_proc b;

	puppet_start(&b, "open 0 bus attach=600000");
	CHECK_EQ(puppet_number(&b, "pending 0"), 0);
	puppet_ok(&h->node, "pub 15 0 alive");
	puppet_ok(&b, "sub 0 0 alive whole");
	CHECK_EQ(puppet_number(&h->node, "wait 15 1 -1"), 1);
	CHECK_EQ(puppet_number(&h->node, "send 15 10"), 10);
	CHECK_STR(puppet_ask(&b, "recv 0 10"), "10 in order");
	puppet_ok(&b, "pub 0 0 back");
	puppet_ok(&h->node, "sub 15 0 back whole");
	CHECK_EQ(puppet_number(&b, "send 0 10"), 10);
	CHECK_STR(puppet_ask(&h->node, "recv 15 10"), "10 in order");
	puppet_end(&b);
	CHECK_STR(puppet_ask(&h->node, "drain 15"), "0 in order");
	CHECK_EQ(puppet_number(&h->node, "unsub 15"), 0);
	CHECK_EQ(puppet_number(&h->node, "unpub 15"), 0);
}

static void
end_honest(struct honest *h)
{
	puppet_end(&h->node);
	puppet_end(&h->reader);
}

/* What may wait for a peer that does not read, and some. A sanitizer keeps books of its own
 * about every allocation, up to seven bytes for one. */
static long
most_growth_kib(void)
{
	return (64 << 10) * (wr_test_slowness() > 1 ? 8L : 1L);
}

/* Resident memory of a process, in KiB. */
static long
resident(pid_t pid)
{
	char path[64], line[256];
	long kib = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		(void)sscanf(line, "VmRSS: %ld", &kib);
	if (f)
		fclose(f);
	return kib;
}

static void
connect_to(struct stranger *st, uint64_t node)
{
	REQUIRE_EQ(stranger_connect(st, NULL, "bus", node), 0);
}

static void
greet(struct stranger *st, uint64_t node)
{
	struct wr_wire msg;
	int fds[2], kind;

	connect_to(st, node);
	stranger_words(st);
	fds[0] = st->words.fd;
	fds[1] = st->bell;
	CHECK_EQ(stranger_say(st, stranger_hello(st), fds), 0);
	do
		kind = stranger_hear(st, &msg, NULL);
	while (kind && kind != WR_WIRE_SYNC);
	CHECK_EQ(kind, WR_WIRE_SYNC);
}

/*
 * In the end it has as many descriptors as before: also for strangers that hung up without
 * a word, although their process lives on.
 */
static void
settles_at(struct honest *h, int fds)
{
	int now;

	do {
		(void)puppet_ask(&h->node, "turn 0 50");
		now = (int)puppet_number(&h->node, "fds");
	} while (now != fds);
	CHECK_EQ(now, fds);
}

/* ---- noise ------------------------------------------------------------------------------------ */

static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* A number as they are found at the edges. */
static uint64_t
edge(uint64_t *state)
{
	static const uint64_t edges[] = {0, 1, 2, 7, 8, 9, 4095, 4096, 16383, 16384,
		65535, 0x7fffffff, 0x80000000, 0xffffffff, (uint64_t)1 << 50,
		((uint64_t)1 << 50) + 1, (uint64_t)1 << 63, UINT64_MAX};
	uint64_t r = next_random(state);

	return r % 4 == 0 ? r : edges[r / 4 % (sizeof(edges) / sizeof(edges[0]))];
}

struct junk {
	int fd[6];
	struct wr_region sealed;
};

static void
make_junk(struct junk *j)
{
	REQUIRE_EQ(pipe2(j->fd, O_CLOEXEC), 0);
	j->fd[2] = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	REQUIRE_EQ(ftruncate(j->fd[2], 1 << 20), 0);
	REQUIRE_EQ(wr_region_create(&j->sealed, "junk", 1 << 20, NULL), 0);
	REQUIRE_EQ(wr_region_reserve(&j->sealed, 0, 1 << 20, NULL), 0);
	j->fd[3] = j->sealed.fd;
	j->fd[4] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	j->fd[5] = open("/dev/null", O_RDWR | O_CLOEXEC);
}

static void
drop_junk(struct junk *j)
{
	for (int i = 0; i < 6; i++)
		if (i != 3)
			close(j->fd[i]);
	wr_region_drop(&j->sealed);
}

/* One message: of any kind, with any numbers; sometimes bytes that are no message. */
static void
babble(struct stranger *st, uint64_t *state, const struct junk *junk, uint64_t stream)
{
	unsigned char bytes[sizeof(struct wr_wire) + 64];
	struct wr_wire msg = {.magic = WR_WIRE_MAGIC, .layout = WR_LAYOUT};
	size_t size = sizeof(msg);
	int fds[6], count;

	msg.kind = (uint16_t)(next_random(state) % WR_WIRE_KINDS);
	msg.node = next_random(state) % 2 ? st->id : edge(state);
	msg.stream = next_random(state) % 2 ? stream : edge(state);
	msg.sub = edge(state);
	msg.begin.place = edge(state);
	msg.begin.seq = edge(state);
	msg.begin.asked = edge(state);
	msg.terms.quota = edge(state);
	msg.terms.from_count = edge(state);
	msg.terms.from = (uint32_t)(next_random(state) % 6);
	msg.terms.policy = (uint32_t)(next_random(state) % 6);
	msg.terms.stall_us = (int32_t)edge(state);
	msg.bytes = next_random(state) % 2 ? 1 << 20 : edge(state);
	msg.window = edge(state);
	msg.type_hash = edge(state);
	msg.max_message = (uint32_t)edge(state);
	msg.slot = next_random(state) % 2 ? 3 : (uint32_t)edge(state);
	msg.terms.holds = (uint32_t)(next_random(state) % 10);
	msg.code = (uint32_t)edge(state);
	snprintf(msg.name, sizeof(msg.name), "stranger");
	snprintf(msg.topic, sizeof(msg.topic), "noise.%d", (int)(next_random(state) % 8));
	memcpy(bytes, &msg, sizeof(msg));
	memset(bytes + sizeof(msg), 0, 64);
	count = wr_wire_fds(msg.kind);
	switch (next_random(state) % 8) {
	case 0: /* some bytes are others */
		for (int i = 0; i < 5; i++)
			bytes[next_random(state) % sizeof(msg)] =
				(unsigned char)next_random(state);
		break;
	case 1: /* other size */
		size = 1 + next_random(state) % sizeof(bytes);
		break;
	case 2: /* other descriptors */
		count = (int)(next_random(state) % 6);
		break;
	default:
		break;
	}
	for (int i = 0; i < count; i++)
		fds[i] = junk->fd[next_random(state) % 6];
	(void)stranger_spit(st, bytes, size, fds, count);
}

static void
noise(void)
{
	int rounds = wr_test_long() ? 20000 : 600;
	uint64_t state = 88172645463325252ull, node;
	int fds;
	struct honest h;
	struct junk junk;

	make_junk(&junk);
	node = node_of(&h);
	/* Subscriptions, so that what is announced is asked for. */
	puppet_ok(&h.node, "sub 0 0 noise.*");
	puppet_ok(&h.node, "sub 1 0 *.3");
	fds = (int)puppet_number(&h.node, "fds");
	puppet_tell(&h.node, "flood 0");
	for (int round = 0; round < rounds; round++) {
		uint64_t stream = next_random(&state) | 1;
		struct stranger st;

		connect_to(&st, node);
		stranger_words(&st);
		if (round % 3) {
			const int own[2] = {st.words.fd, st.bell};

			(void)stranger_say(&st, stranger_hello(&st), own);
		}
		for (int i = 0; i < 30; i++)
			babble(&st, &state, &junk, stream);
		stranger_vanish(&st);
	}
	stop_flood(&h);
	serves_who_comes(&h);
	settles_at(&h, fds - 1); /* the flood's stream has ended */
	end_honest(&h);
	drop_junk(&junk);
}

/* ---- too many ----------------------------------------------------------------------------------- */

/* Who says nothing is hung up on after a second; until then others come and go. */
static void
half_open_connections(void)
{
	enum { MANY = 100 };
	static struct stranger st[MANY];
	struct honest h;
	uint64_t node = node_of(&h);
	int fds = (int)puppet_number(&h.node, "fds");

	puppet_tell(&h.node, "flood 0");
	for (int i = 0; i < MANY; i++)
		connect_to(&st[i], node);
	stop_flood(&h);
	serves_who_comes(&h);
	for (int i = 0; i < MANY; i++) {
		CHECK_EQ(stranger_hear_out(&st[i]), 0);
		stranger_leave(&st[i]);
	}
	CHECK_EQ(puppet_number(&h.node, "fds"), fds - 1); /* the flood's stream has ended */
	end_honest(&h);
}

/* More guests than there is room for. Who comes honestly waits its turn and is let in. */
static void
more_guests_than_seats(void)
{
	enum { MANY = 400 };
	static struct stranger st[MANY];
	struct honest h;
	uint64_t node = node_of(&h);

	for (int i = 0; i < MANY; i++)
		connect_to(&st[i], node);
	serves_who_comes(&h);
	for (int i = 0; i < MANY; i++) {
		CHECK_EQ(stranger_hear_out(&st[i]), 0);
		stranger_leave(&st[i]);
	}
	end_honest(&h);
}

/* Hello and good-bye, without the good-bye, from one process that lives on. */
static void
hello_flood(void)
{
	struct wr_wire msg;
	struct honest h;
	uint64_t node = node_of(&h);
	int fds = (int)puppet_number(&h.node, "fds");

	puppet_tell(&h.node, "flood 0");
	for (int i = 0; i < 1000; i++) {
		struct stranger st;
		int words[2];

		connect_to(&st, node);
		stranger_words(&st);
		words[0] = st.words.fd;
		words[1] = st.bell;
		(void)stranger_say(&st, stranger_hello(&st), words);
		/* Some go before they are answered, some are let in first. */
		if (i % 2)
			(void)stranger_hear(&st, &msg, NULL);
		stranger_vanish(&st);
	}
	stop_flood(&h);
	serves_who_comes(&h);
	settles_at(&h, fds - 1);
	end_honest(&h);
}

/* Questions without end, and the answers are not read. */
static void
questions_without_end(void)
{
	struct wr_wire look = {
		.magic = WR_WIRE_MAGIC, .layout = WR_LAYOUT, .kind = WR_WIRE_LOOK};
	struct honest h;
	uint64_t node = node_of(&h);
	struct stranger st;
	long before;

	for (int i = 1; i < 14; i++)
		puppet_ok(&h.node, "pub %d 0 t.%d", i, i);
	before = resident(h.node.pid);
	puppet_tell(&h.node, "flood 0");
	connect_to(&st, node);
	for (int i = 0; i < 20000; i++) {
		struct pollfd p = {.fd = st.fd, .events = POLLOUT};

		/* It may stop listening to us: that is its answer. */
		if (send(st.fd, &look, sizeof(look), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
			(errno != EAGAIN || poll(&p, 1, 100) == 0))
			break;
	}
	stop_flood(&h);
	serves_who_comes(&h);
	CHECK(resident(h.node.pid) - before < most_growth_kib());
	stranger_vanish(&st); /* a word would not get through */
	end_honest(&h);
}

/* The same from a node: what it asks is answered, and it does not read the answers. */
static void
requests_without_end(void)
{
	struct wr_wire ask = {.kind = WR_WIRE_DETACH, .stream = 1, .sub = 1};
	struct honest h;
	uint64_t node = node_of(&h);
	struct stranger st;
	long before = resident(h.node.pid);

	puppet_tell(&h.node, "flood 0");
	greet(&st, node);
	ask.magic = WR_WIRE_MAGIC;
	ask.layout = WR_LAYOUT;
	for (int i = 0; i < 400000; i++) {
		struct pollfd p = {.fd = st.fd, .events = POLLOUT};

		if (send(st.fd, &ask, sizeof(ask), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
			(errno != EAGAIN || poll(&p, 1, 100) == 0))
			break;
	}
	stop_flood(&h);
	serves_who_comes(&h);
	CHECK(resident(h.node.pid) - before < most_growth_kib());
	stranger_vanish(&st); /* a word would not get through */
	end_honest(&h);
}

/* Streams without end. More than a bus may have is more than one process may have. */
static void
announcements_without_end(void)
{
	struct wr_wire msg = {.kind = WR_WIRE_ANNOUNCE, .max_message = 100};
	struct honest h;
	uint64_t node = node_of(&h);
	struct stranger st;
	int rc = 0, said = 0;

	greet(&st, node);
	for (uint64_t i = 1; rc == 0 && i <= 3 * WEIR_TOPICS_MAX; i++) {
		char buf[1024];

		msg.stream = i;
		snprintf(msg.topic, sizeof(msg.topic), "t.%d", (int)i);
		rc = stranger_say(&st, msg, NULL);
		said += rc == 0;
		while (recv(st.fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
			;
	}
	CHECK(rc == -EPIPE || rc == -ECONNRESET);
	CHECK(said >= WEIR_TOPICS_MAX);
	CHECK(strncmp(puppet_ask(&h.node, "event 0 PROTOCOL"), "PROTOCOL PEER_PROTOCOL",
		      22) == 0);
	stranger_leave(&st);
	serves_who_comes(&h);
	end_honest(&h);
}

/* ---- as a publisher --------------------------------------------------------------------------------- */

enum bad_stream {
	A_PIPE,
	UNSEALED,
	TOO_SMALL,
	OTHER_SIZE,
	NO_HEADER,
	OTHER_LAYOUT,
	NO_SEGMENTS,
	SEGMENTS_OUTSIDE,
	BAD_ALIGNMENT,
	BAD_PLACE,
	BAD_SEAT,
	BAD_STREAMS
};

static const char *const bad_answers[BAD_STREAMS] = {
	[A_PIPE] = "PEER_BADFD",
	[UNSEALED] = "PEER_BADFD",
	[TOO_SMALL] = "PEER_BADREGION",
	[OTHER_SIZE] = "PEER_BADFD",
	[NO_HEADER] = "PEER_BADREGION",
	[OTHER_LAYOUT] = "ENV_VERSION",
	[NO_SEGMENTS] = "PEER_BADREGION",
	[SEGMENTS_OUTSIDE] = "PEER_BADREGION",
	[BAD_ALIGNMENT] = "PEER_BADREGION",
	[BAD_PLACE] = "PEER_PROTOCOL",
	[BAD_SEAT] = "PEER_PROTOCOL",
};

/* A stream as an honest publisher makes it, then spoilt. */
static struct wr_store *
make_stream(void)
{
	weir_pub_opts opts = {.size = sizeof(opts), .topic = "bad"};
	struct wr_store_plan plan = {
		.pins = 4, .first_ord = 1, .stream = 4711, .topic = "bad", .type = ""};
	struct wr_store *store;

	REQUIRE_EQ(wr_geometry_of(&plan.geo, &opts, NULL), 0);
	REQUIRE_EQ(wr_store_create(&store, &plan, NULL), 0);
	return store;
}

static void
answer_badly(struct stranger *st, const struct wr_wire *asked, enum bad_stream how)
{
	struct wr_store *store = make_stream();
	struct wr_wire msg = {.kind = WR_WIRE_ATTACHED,
		.stream = asked->stream,
		.sub = asked->sub,
		.begin = {wr_place(1, 0), UINT64_MAX, UINT64_MAX},
		.bytes = store->region.bytes};
	int fd = store->region.fd, pipes[2] = {-1, -1}, own = -1;

	switch (how) {
	case A_PIPE:
		REQUIRE_EQ(pipe2(pipes, O_CLOEXEC), 0);
		fd = pipes[0];
		break;
	case UNSEALED:
		own = fd = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		REQUIRE_EQ(ftruncate(fd, (off_t)msg.bytes), 0);
		break;
	case TOO_SMALL:
		msg.bytes = 100;
		break;
	case OTHER_SIZE:
		msg.bytes += 4096;
		break;
	case NO_HEADER:
		store->hdr->magic = 0;
		break;
	case OTHER_LAYOUT:
		store->hdr->layout++;
		break;
	case NO_SEGMENTS:
		store->hdr->seg_count = 0;
		break;
	case SEGMENTS_OUTSIDE:
		store->hdr->seg_count *= 2;
		break;
	case BAD_ALIGNMENT:
		store->hdr->align = 24;
		break;
	case BAD_PLACE:
		msg.begin.place = wr_place(1, store->seg_count);
		break;
	case BAD_SEAT:
		wr_stat_set(&wr_store_seg_hdr(store, 0)->ord, 1); /* nothing else is wrong */
		msg.slot = WEIR_SUBSCRIBERS_MAX;
		break;
	case BAD_STREAMS:
		break;
	}
	CHECK_EQ(stranger_say(st, msg, &fd), 0);
	if (own >= 0)
		close(own);
	if (pipes[0] >= 0) {
		close(pipes[0]);
		close(pipes[1]);
	}
	wr_store_unref(store);
}

static void
bad_regions(void)
{
	struct honest h;
	uint64_t node = node_of(&h);
	int fds;

	puppet_ok(&h.node, "sub 0 0 bad");
	puppet_number(&h.node, "events 0");
	fds = (int)puppet_number(&h.node, "fds");
	for (int how = 0; how < BAD_STREAMS; how++) {
		struct wr_wire msg = {
			.kind = WR_WIRE_ANNOUNCE, .stream = 4711, .max_message = 64};
		struct stranger st;
		const char *event;

		greet(&st, node);
		snprintf(msg.topic, sizeof(msg.topic), "bad");
		CHECK_EQ(stranger_say(&st, msg, NULL), 0);
		REQUIRE_EQ(stranger_hear(&st, &msg, NULL), WR_WIRE_ATTACH);
		answer_badly(&st, &msg, (enum bad_stream)how);
		/* It is told, not read, and left. */
		do
			event = puppet_ask(&h.node, "event 0");
		while (strncmp(event, "REFUSED", 7) != 0 &&
			strncmp(event, "PROTOCOL", 8) != 0);
		if (!strstr(event, bad_answers[how]))
			FAIL("stream with fault %d was told as \"%s\"", how, event);
		CHECK_EQ(puppet_number(&h.node, "pubs 0"), 0);
		stranger_leave(&st);
	}
	serves_who_comes(&h);
	settles_at(&h, fds);
	end_honest(&h);
}

/* Its stream has no message, ever; it is admitted in the last seat. */
static struct wr_store *
publish_nothing(struct stranger *st)
{
	struct wr_wire msg = {.kind = WR_WIRE_ANNOUNCE,
		.stream = 4711,
		.topic = "bad",
		.max_message = 64};
	struct wr_store *store = make_stream();
	int fd = store->region.fd;

	wr_stat_set(&wr_store_seg_hdr(store, 0)->ord, 1);
	wr_stat_set(&store->hdr->head, wr_place(1, 0));
	CHECK_EQ(stranger_say(st, msg, NULL), 0);
	REQUIRE_EQ(stranger_hear(st, &msg, NULL), WR_WIRE_ATTACH);
	msg = (struct wr_wire){.kind = WR_WIRE_ATTACHED,
		.stream = msg.stream,
		.sub = msg.sub,
		.slot = WEIR_SUBSCRIBERS_MAX - 1,
		.begin = {wr_place(1, 0), UINT64_MAX, UINT64_MAX},
		.bytes = store->region.bytes};
	CHECK_EQ(stranger_say(st, msg, &fd), 0);
	REQUIRE_EQ(stranger_hear(st, &msg, NULL), WR_WIRE_MAPPED);
	return store;
}

static int
count_one(void *ctx, const weir_msg *msg)
{
	(void)msg;
	++*(uint64_t *)ctx;
	return 0;
}

/*
 * Whatever it says that it has waited for a consumer: that one climbs, and misses nothing of
 * the honest; nobody else on its loop is concerned.
 */
static void
charges_that_lie(void)
{
	static const uint64_t lies[] = {999999999, 1, 1ull << 63, 0, UINT64_MAX};
	weir_bus *bus = weir_open("bus", .flags = WEIR_BUS_QUIET | WEIR_BUS_NO_SIGNALS,
		.tiers = "balanced");
	uint64_t both = 0, one = 0, sent = 0, node;
	weir_sub *reads_both =
		weir_subscribe(bus, "*", .on_msg = count_one, .ctx = &both);
	weir_sub *reads_one =
		weir_subscribe(bus, "good", .on_msg = count_one, .ctx = &one);
	weir_pub *pub = weir_advertise(bus, "good");
	struct wr_store *store;
	struct stranger st;
	bool climbed = false;

	REQUIRE_EQ(stranger_nodes(NULL, "bus", &node, 1), 1);
	greet(&st, node);
	store = publish_nothing(&st);
	AWAIT_ON(bus, weir_publishers(reads_both) == 2);
	for (; !climbed || sent<20000; climbed |= weir_sub_tier(reads_both)> 0) {
		wr_stat_set(
			&wr_stream_told(store->hdr, WEIR_SUBSCRIBERS_MAX - 1)->charged_ns,
			lies[sent * 5 / 20000 % 5]);
		REQUIRE_EQ(weir_send(pub, &sent, sizeof(sent)), 0);
		sent++;
		REQUIRE(weir_turn(bus, 0) >= 0);
	}
	AWAIT_ON(bus, one >= sent && both >= sent);
	CHECK_EQ(both, sent);
	CHECK_EQ(one, sent);
	CHECK_EQ(weir_sub_tier(reads_one), 0);
	wr_store_unref(store);
	stranger_leave(&st);
	CHECK_EQ(weir_close(bus), 0);
}

/* ---- as a subscriber ---------------------------------------------------------------------------------- */

/* Admitted, mapped and counted; returns the stream, which is the caller's. */
static struct wr_store *
attach(struct stranger *st, uint64_t node, uint32_t slot)
{
	struct wr_wire msg, asked = {.kind = WR_WIRE_ATTACH, .sub = 1, .slot = slot};
	struct wr_store *store;
	int fds[2], kind;

	connect_to(st, node);
	stranger_words(st);
	fds[0] = st->words.fd;
	fds[1] = st->bell;
	CHECK_EQ(stranger_say(st, stranger_hello(st), fds), 0);
	do {
		kind = stranger_hear(st, &msg, NULL);
		if (kind == WR_WIRE_ANNOUNCE && !strcmp(msg.topic, "load"))
			asked.stream = msg.stream;
	} while (kind && kind != WR_WIRE_SYNC);
	CHECK_EQ(stranger_say(st, asked, NULL), 0);
	REQUIRE_EQ(stranger_hear(st, &msg, fds), WR_WIRE_ATTACHED);
	REQUIRE_EQ(wr_store_map(&store, fds[0], msg.bytes, NULL), 0);
	msg = (struct wr_wire){.kind = WR_WIRE_MAPPED, .stream = asked.stream, .sub = 1};
	CHECK_EQ(stranger_say(st, msg, NULL), 0);
	return store;
}

static struct wr_slot *
slot_of(struct stranger *st, uint32_t index)
{
	return (struct wr_slot *)(void *)(st->words.mem + WR_PAGE) + index;
}

/*
 * A cursor that runs ahead, or back, is a lie: its owner is put out of the gate, and nobody
 * waits for it. The window is 1 MiB, the messages are more.
 */
static void
cursors_that_lie(void)
{
	struct honest h;
	uint64_t node = node_of(&h);
	struct stranger ahead, back;
	struct wr_store *streams[2];
	uint64_t head;

	CHECK_EQ(puppet_number(&h.node, "unpub 0"), 0);
	CHECK_STR(puppet_hear(&h.reader), "0 in order");
	puppet_ok(&h.node, "pub 0 0 load max=1024 window=65536 wait=-1");
	streams[0] = attach(&ahead, node, 0);
	streams[1] = attach(&back, node, 1);
	CHECK_EQ(puppet_number(&h.node, "wait 0 3 -1"), 3);
	puppet_tell(&h.reader, "drain 0");

	wr_store_release(enter_cur, &slot_of(&ahead, 0)->cur, UINT64_MAX);
	puppet_tell(&h.node, "send 0 400000");
	/* At first it follows honestly: it is waited for, so it was seen beyond the first. */
	do {
		head = wr_place_ord(wr_load_acquire(overrun_head, &streams[1]->hdr->head));
		wr_store_release(enter_cur, &slot_of(&back, 1)->cur, head);
	} while (head < 8);
	wr_store_release(enter_cur, &slot_of(&back, 1)->cur, 1);

	CHECK_STR(puppet_hear(&h.node), "400000");
	CHECK(strstr(puppet_ask(&h.node, "stats 0"), " 2 evicted 3 subscribers") != NULL);
	CHECK_EQ(puppet_number(&h.node, "unpub 0"), 0);
	CHECK_STR(puppet_hear(&h.reader), "400000 in order");
	for (int i = 0; i < 2; i++)
		wr_store_unref(streams[i]);
	stranger_leave(&ahead);
	stranger_leave(&back);
	serves_who_comes(&h);
	end_honest(&h);
}

/* It is admitted, never reads, and hangs up: the publisher does not wait for it for ever. */
static void
who_hung_up_holds_nobody_up(void)
{
	struct honest h;
	uint64_t node = node_of(&h);
	struct stranger st;

	CHECK_EQ(puppet_number(&h.node, "unpub 0"), 0);
	CHECK_STR(puppet_hear(&h.reader), "0 in order");
	puppet_ok(&h.node, "pub 0 0 load max=1024 window=65536 wait=-1");
	wr_store_unref(attach(&st, node, 0));
	CHECK_EQ(puppet_number(&h.node, "wait 0 2 -1"), 2);
	puppet_tell(&h.reader, "drain 0");
	puppet_tell(&h.node, "send 0 100000");
	stranger_vanish(&st);
	CHECK_STR(puppet_hear(&h.node), "100000");
	CHECK_EQ(puppet_number(&h.node, "unpub 0"), 0);
	CHECK_STR(puppet_hear(&h.reader), "100000 in order");
	end_honest(&h);
}

static const struct wr_test tests[] = {
	TEST(noise, .watchdog_s = 120),
	TEST(half_open_connections),
	TEST(more_guests_than_seats),
	TEST(hello_flood),
	TEST(questions_without_end),
	TEST(requests_without_end),
	TEST(announcements_without_end),
	TEST(bad_regions),
	TEST(charges_that_lie),
	TEST(cursors_that_lie),
	TEST(who_hung_up_holds_nobody_up),
	TEST_END,
};

const struct wr_suite wr_suite_garbage = {
	.name = "garbage", .tests = tests, .labels = "input"};
