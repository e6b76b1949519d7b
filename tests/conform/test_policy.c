/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a subscription asks of its streams and gets: what becomes of it when it is slow,
 * where it begins, what it passes over; and that it is told exactly what it misses.
 *
 * All of a test is one thread: the publisher waits inside its claim, and whoever reads all
 * that there is between two claims keeps up.
 */
#include "tests/conform/rig.h"

#include "tests/lib/await.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MS 1000000ull

enum { LEN = 50000 /* five in a segment, twenty in the window */ };

/* ---- who takes part --------------------------------------------------------------------- */

/* A publisher, one that always reads all at once, and one that the test decides about. */
struct crew {
	weir_bus *a, *b, *c;
	weir_pub *pub;
	weir_sub *well, *slow;
	uint64_t sent, well_next;
	uint64_t next, lost, seen; /* of the slow one */
};

static weir_bus *
bus_of(const char *name, const char *node)
{
	weir_bus *bus = weir_open(name, .node = node, .attach_ms = 600000,
		.flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET);

	REQUIRE_EQ(weir_why(bus)->code, 0);
	return bus;
}

static struct crew
crew_open_as(const char *name, const weir_pub_opts *pub, const weir_sub_opts *slow)
{
	struct crew crew = {.a = bus_of(name, "speaker"),
		.b = bus_of(name, "slow"),
		.c = bus_of(name, "well")};

	crew.pub = weir_advertise_(crew.a, pub);
	REQUIRE_EQ(weir_pub_why(crew.pub)->code, 0);
	crew.well = weir_subscribe(crew.c, "t", .policy = WEIR_BLOCK);
	crew.slow = weir_subscribe_(crew.b, slow);
	REQUIRE_EQ(weir_sub_why(crew.well)->code, 0);
	REQUIRE_EQ(weir_sub_why(crew.slow)->code, 0);
	REQUIRE_EQ(weir_wait_subscribers(crew.pub, 2, WEIR_FOREVER), 2);
	return crew;
}

#define PUB(...) \
	(&(weir_pub_opts){.size = sizeof(weir_pub_opts), \
		.topic = "t", \
		.window = RIG_WINDOW, \
		.wait_ms = WEIR_FOREVER, \
		__VA_ARGS__})
/* The defaults above are what most tests want, not what all do. */
#pragma GCC diagnostic ignored "-Woverride-init"
#define SUB(...) \
	(&(weir_sub_opts){.size = sizeof(weir_sub_opts), .topic = "t", __VA_ARGS__})

static void
crew_close(struct crew *crew)
{
	weir_sub_stats s = rig_sub_stats(crew->well);

	/* Whatever became of the other one. */
	CHECK_EQ(s.lost, 0);
	CHECK_EQ(crew->well_next, crew->sent);
	CHECK_EQ(weir_close(crew->a), 0);
	CHECK_EQ(weir_close(crew->b), 0);
	CHECK_EQ(weir_close(crew->c), 0);
}

/* One message, and who is well takes it at once. */
static void
send_one(struct crew *crew, size_t len)
{
	weir_msg msg;

	rig_send(crew->pub, len, crew->sent++);
	REQUIRE_EQ(weir_peek(crew->well, &msg), 1);
	CHECK_EQ(msg.seq, crew->well_next++);
	CHECK_EQ(rig_wrong(msg.data, msg.len, msg.seq), len);
	CHECK_EQ(msg.lost, 0);
	CHECK_EQ(weir_next(crew->well), 0);
}

static void
send_many(struct crew *crew, int count)
{
	while (count-- > 0)
		send_one(crew, LEN);
}

/* The slow one takes one message, whose place among the others must be as it says. */
static int
take_one(struct crew *crew)
{
	weir_msg msg;
	int rc = weir_peek(crew->slow, &msg);

	if (rc != 1)
		return rc;
	CHECK_EQ(crew->next + msg.lost, msg.seq);
	CHECK_EQ(rig_wrong(msg.data, msg.len, msg.seq), msg.len);
	crew->next = msg.seq + 1;
	crew->lost += msg.lost;
	crew->seen++;
	CHECK_EQ(weir_next(crew->slow), 0);
	return 1;
}

static void
take_all(struct crew *crew)
{
	while (take_one(crew) == 1)
		;
}

/* Sends, in the face of one that does not read, until that is not waited for any more. */
static void
send_until_detached(struct crew *crew)
{
	while (rig_pub_stats(crew->pub).detached == 0)
		send_one(crew, LEN);
}

/* The next event of a kind, which must come. */
static void
no_event(weir_bus *bus, enum weir_event_kind kind)
{
	weir_event event;

	while (weir_next_event(bus, &event) == 1)
		CHECK(event.kind != kind);
}

static void
until_ns(uint64_t ns)
{
	AWAIT(weir_now_ns() > ns);
}

/* What was claimed since it joined is delivered, held, lost, given back, or waits. */
static void
check_books(weir_sub *sub, uint64_t claims)
{
	weir_sub_stats s = rig_sub_stats(sub);

	CHECK_EQ(s.delivered + s.held + s.lost + s.aborted + s.waiting, claims);
	CHECK_EQ(s.lost_behind + s.lost_conflated + s.lost_expired + s.lost_gone, s.lost);
}

/* ---- drop oldest ------------------------------------------------------------------------- */

/* Both sides hear that it was detached, and why, and how long it was waited for. */
static void
both_hear(struct crew *crew, int code, uint64_t stalled_ns)
{
	weir_event there = await_event(crew->a, WEIR_EV_SUB_DETACHED);
	weir_event here = await_event(crew->b, WEIR_EV_DETACHED);

	CHECK_EQ(there.code, code);
	CHECK_EQ(here.code, code);
	CHECK_STR(there.node, "slow");
	CHECK_STR(here.node, "speaker");
	CHECK_STR(there.topic, "t");
	CHECK_STR(here.topic, "t");
	CHECK_EQ(there.pid, getpid());
	CHECK_EQ(here.pid, getpid());
	CHECK_EQ(there.publisher, rig_pub_stats(crew->pub).publisher);
	CHECK_EQ(here.publisher, there.publisher);
	CHECK_EQ(here.stalled_ns, there.stalled_ns);
	CHECK(there.stalled_ns >= stalled_ns);
}

static void
N1_who_is_slow_loses_and_is_told(const char *name)
{
	struct crew crew = crew_open_as(name, PUB(), SUB());
	weir_pub_stats p;
	weir_sub_stats s;

	send_until_detached(&crew);
	p = rig_pub_stats(crew.pub);
	CHECK_EQ(p.detached, 1);
	CHECK(p.stalled_ns >= WEIR_STALL_US * 1000ull);
	CHECK(p.wait_ns >= p.stalled_ns);
	both_hear(&crew, WEIR_E_PEER_SLOW, WEIR_STALL_US * 1000ull);
	/* From here on it costs nobody anything. */
	send_many(&crew, 100);
	CHECK_EQ(rig_pub_stats(crew.pub).waits, p.waits);
	CHECK_EQ(rig_sub_stats(crew.slow).lost, 0); /* nobody has looked yet */

	/* It reads on where it stood, then comes the gap, then what is left. */
	for (int i = 0; i < 5; i++)
		REQUIRE_EQ(take_one(&crew), 1);
	CHECK_EQ(crew.lost, 0);
	REQUIRE_EQ(take_one(&crew), 1);
	CHECK(crew.lost > 0);
	take_all(&crew);
	CHECK_EQ(crew.next, crew.sent);
	CHECK_EQ(crew.seen + crew.lost, crew.sent);
	s = rig_sub_stats(crew.slow);
	CHECK_EQ(s.lost_behind, crew.lost);
	CHECK_EQ(s.lost, crew.lost);
	CHECK_EQ(s.delivered, crew.seen);
	/* At least what the window holds is there for it: three segments and the head. */
	CHECK(crew.seen >= 5 + 15);
	check_books(crew.slow, crew.sent);
	crew_close(&crew);
}

static void
N1_back_when_it_has_caught_up(const char *name)
{
	struct crew crew = crew_open_as(name, PUB(), SUB());
	uint64_t lost, out = 0;
	weir_event event;

	while (rig_pub_stats(crew.pub).detached == 0) {
		out = weir_now_ns();
		send_one(&crew, LEN);
	}
	(void)await_event(crew.b, WEIR_EV_DETACHED);
	send_many(&crew, 60);
	while (rig_pub_stats(crew.pub).returned == 0) {
		send_one(&crew, LEN);
		take_all(&crew);
	}
	CHECK(weir_now_ns() - out >= 250 * MS); /* its dwell */
	event = await_event(crew.a, WEIR_EV_SUB_RETURNED);
	CHECK_STR(event.node, "slow");
	CHECK_EQ(event.code, 0);
	event = await_event(crew.b, WEIR_EV_RETURNED);
	CHECK_EQ(event.publisher, rig_pub_stats(crew.pub).publisher);
	/* From here on nothing is lost any more. */
	lost = rig_sub_stats(crew.slow).lost;
	for (int i = 0; i < 300; i++) {
		send_one(&crew, LEN);
		if (i % 4 == 3)
			take_all(&crew);
	}
	take_all(&crew);
	CHECK_EQ(rig_sub_stats(crew.slow).lost, lost);
	CHECK_EQ(rig_pub_stats(crew.pub).detached, 1);
	CHECK_EQ(crew.seen + crew.lost, crew.sent);
	crew_close(&crew);
}

/* It blocks nobody but its publisher, which has nobody else: then it must stand still. */
static void
N1_who_stands_still_alone_has_stopped(const char *name)
{
	struct rig rig = rig_open(name, .window = RIG_WINDOW, .wait_ms = WEIR_FOREVER);
	uint64_t sent = 0;
	weir_pub_stats p;

	while (rig_pub_stats(rig.pub).detached == 0)
		rig_send(rig.pub, LEN, sent++);
	p = rig_pub_stats(rig.pub);
	CHECK(p.wait_ns >= 500 * MS);
	CHECK_EQ(p.stalled_ns, 0);
	CHECK_EQ(await_event(rig.a, WEIR_EV_SUB_DETACHED).code, WEIR_E_PEER_STOPPED);
	CHECK_EQ(await_event(rig.b, WEIR_EV_DETACHED).code, WEIR_E_PEER_STOPPED);
	rig_close(&rig);
}

static void
with_never_nobody_waits(const char *name)
{
	struct crew crew = crew_open_as(name, PUB(), SUB(.stall_us = WEIR_NEVER));

	send_many(&crew, 200);
	CHECK_EQ(rig_pub_stats(crew.pub).waits, 0);
	CHECK_EQ(rig_pub_stats(crew.pub).detached, 1);
	both_hear(&crew, WEIR_E_PEER_SLOW, 0);
	take_all(&crew);
	CHECK(crew.lost > 100);
	CHECK_EQ(crew.seen + crew.lost, crew.sent);
	CHECK_EQ(rig_sub_stats(crew.slow).lost_behind, crew.lost);
	crew_close(&crew);
}

/* A budget of its own, which the publisher bounds: more or less than what is usual. */
static void
a_budget_is_at_most_what_the_publisher_allows(const char *name)
{
	static const struct {
		uint32_t allowed_us;
		int32_t asked_us;
		uint64_t granted_us;
	} budgets[] = {{8000, 2000000000, 8000}, {24000, 2000000000, 24000},
		{0, 15000, 15000}, {0, 2000000000, WEIR_STALL_CAP_US}};

	for (int i = 0; i < 4; i++) {
		struct crew crew =
			crew_open_as(name, PUB(.stall_us = budgets[i].allowed_us),
				SUB(.stall_us = budgets[i].asked_us));

		send_until_detached(&crew);
		CHECK(rig_pub_stats(crew.pub).stalled_ns > budgets[i].granted_us * 1000);
		/* By its budget, not for having stopped. */
		both_hear(&crew, WEIR_E_PEER_SLOW, budgets[i].granted_us * 1000);
		crew_close(&crew);
	}
}

/* ---- block and disconnect ------------------------------------------------------------------- */

static void
block_is_waited_for_by_name(const char *name)
{
	struct crew crew =
		crew_open_as(name, PUB(.wait_ms = 700), SUB(.policy = WEIR_BLOCK));
	weir_claim_t claim;
	int rc;

	while ((rc = weir_claim(crew.pub, LEN, &claim)) == 0) {
		REQUIRE_EQ(weir_abort(crew.pub, &claim), 0);
		REQUIRE(crew.sent < 100);
		send_one(&crew, LEN);
	}
	CHECK_EQ(rc, -WEIR_E_AGAIN_FULL);
	CHECK(strstr(weir_pub_why(crew.pub)->text, "slow[") != NULL);
	CHECK(strstr(weir_pub_why(crew.pub)->text, "well[") == NULL);
	CHECK(rig_pub_stats(crew.pub).wait_ns >= 700 * MS);
	CHECK_EQ(rig_pub_stats(crew.pub).detached, 0);
	CHECK_EQ(rig_pub_stats(crew.pub).stalled_ns, 0);
	no_event(crew.a, WEIR_EV_SUB_DETACHED);
	take_all(&crew);
	send_many(&crew, 15);
	take_all(&crew);
	CHECK_EQ(crew.seen, crew.sent);
	CHECK_EQ(crew.lost, 0);
	crew_close(&crew);
}

/* Peeks until it says something else than that there is nothing now. */
static int
peek_until(weir_sub *sub, weir_msg *msg)
{
	int rc;

	AWAIT((rc = weir_peek(sub, msg)) != 0);
	return rc;
}

static void
disconnect_ends_the_stream_once(const char *name)
{
	struct crew crew = crew_open_as(name, PUB(), SUB(.policy = WEIR_DISCONNECT));
	weir_sub *again;
	weir_msg msg;
	int rc;

	for (int i = 0; i < 3; i++)
		send_one(&crew, LEN);
	REQUIRE_EQ(take_one(&crew), 1);
	send_until_detached(&crew);
	both_hear(&crew, WEIR_E_PEER_SLOW, WEIR_STALL_US * 1000ull);
	while ((rc = peek_until(crew.slow, &msg)) == 1)
		CHECK_EQ(weir_next(crew.slow), 0);
	CHECK_EQ(rc, -WEIR_E_GONE_EVICTED);
	CHECK_EQ(msg.publisher, rig_pub_stats(crew.pub).publisher);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(weir_peek(crew.slow, &msg), 0);
	CHECK_EQ(weir_publishers(crew.slow), 0);
	CHECK_EQ(weir_sub_why(crew.slow)->code, 0);
	/* Nobody else is harmed, and nobody keeps it from coming again. */
	send_many(&crew, 100);
	again = weir_subscribe(crew.b, "t");
	CHECK_EQ(weir_sub_why(again)->code, 0);
	CHECK_EQ(weir_publishers(again), 1);
	AWAIT(rig_pub_stats(crew.pub).subscribers == 2);
	CHECK_EQ(weir_wait_subscribers(crew.pub, 2, WEIR_FOREVER), 2);
	send_one(&crew, LEN);
	rig_take(again, LEN, crew.sent - 1);
	crew_close(&crew);
}

/* ---- waiting for room -------------------------------------------------------------------------- */

static void
full_after_a_second_names_who_blocks(const char *name)
{
	struct rig rig = rig_open_as(name, PUB(.wait_ms = 0), SUB(.policy = WEIR_BLOCK));
	uint64_t began = 0, waited;
	weir_claim_t claim;
	char who[64];
	int rc;

	do
		began = weir_now_ns();
	while ((rc = weir_claim(rig.pub, LEN, &claim)) == 0 &&
		weir_commit(rig.pub, &claim) == 0);
	waited = weir_now_ns() - began;
	CHECK_EQ(rc, -WEIR_E_AGAIN_FULL);
	CHECK(waited >= WEIR_ROOM_MS * MS);
	snprintf(who, sizeof(who), "1 of 1 subscribers block: ");
	CHECK(strstr(weir_pub_why(rig.pub)->text, who) != NULL);
	snprintf(who, sizeof(who), "[%d]", (int)getpid());
	CHECK(strstr(weir_pub_why(rig.pub)->text, who) != NULL);
	CHECK_EQ(rig_pub_stats(rig.pub).detached, 0);
	rig_close(&rig);
}

/* How many segments it may lag behind: what it asks for in whole segments, two at least,
 * and the window at most. */
static void
K35_a_quota_is_whole_segments(const char *name)
{
	static const struct {
		uint64_t tenths; /* of a segment */
		uint64_t segs;
	} quotas[] = {{0, 4}, {1, 2}, {10, 2}, {20, 2}, {21, 3}, {30, 3}, {31, 4},
		{40, 4}, {400, 4}};

	for (unsigned i = 0; i < sizeof(quotas) / sizeof(quotas[0]); i++) {
		struct rig first = rig_open(name, .window = RIG_WINDOW);
		uint64_t seg = rig_pub_stats(first.pub).segment_bytes;
		struct crew crew;
		weir_claim_t claim;

		rig_close(&first);
		crew = crew_open_as(name, PUB(.wait_ms = WEIR_NEVER),
			SUB(.policy = WEIR_BLOCK, .quota = seg * quotas[i].tenths / 10));
		for (int lap = 0; lap < 3; lap++) {
			uint64_t before = rig_pub_stats(crew.pub).rolls;

			while (weir_claim(crew.pub, LEN, &claim) == 0) {
				REQUIRE_EQ(weir_abort(crew.pub, &claim), 0);
				REQUIRE(crew.sent < 1000);
				send_one(&crew, LEN);
			}
			CHECK_EQ(rig_pub_stats(crew.pub).rolls - before,
				quotas[i].segs - 1);
			take_all(&crew);
		}
		CHECK_EQ(crew.lost, 0);
		CHECK_EQ(crew.seen, crew.sent);
		crew_close(&crew);
	}
}

/* ---- the latest ---------------------------------------------------------------------------------- */

/* The only message that there is for it is the newest, and it says how many were passed
 * over. */
static void
take_latest(weir_sub *sub, uint64_t sent, uint64_t *next)
{
	weir_msg msgs[8];

	REQUIRE_EQ(weir_peek_n(sub, msgs, 8), 1);
	CHECK_EQ(msgs[0].seq, sent - 1);
	CHECK_EQ(msgs[0].lost, sent - 1 - *next);
	CHECK_EQ(rig_wrong(msgs[0].data, msgs[0].len, sent - 1), msgs[0].len);
	CHECK_EQ(weir_next(sub), 0);
	CHECK_EQ(weir_peek(sub, msgs), 0);
	*next = sent;
}

static void
N1_the_latest_is_all_it_wants(const char *name)
{
	/* Within a segment, at its end, over one, over the window and many times that. */
	static const int counts[] = {1, 2, 3, 4, 5, 6, 9, 10, 11, 19, 20, 21, 40, 99, 1};
	struct crew crew = crew_open_as(name, PUB(), SUB(.policy = WEIR_LATEST));
	weir_claim_t claim;
	uint64_t next = 0, taken = 0;
	weir_sub_stats s;

	for (unsigned round = 0; round < 40; round++) {
		send_many(&crew, counts[round % 15]);
		if (round % 2) {
			/* The newest segment may have no message in it. */
			REQUIRE_EQ(weir_claim(crew.pub, LEN, &claim), 0);
			REQUIRE_EQ(weir_abort(crew.pub, &claim), 0);
		}
		take_latest(crew.slow, crew.sent, &next);
		taken++;
		s = rig_sub_stats(crew.slow);
		CHECK_EQ(s.delivered, taken);
		CHECK_EQ(s.lost_conflated, crew.sent - taken);
		CHECK_EQ(s.lost, s.lost_conflated);
		check_books(crew.slow, crew.sent);
	}
	CHECK_EQ(rig_pub_stats(crew.pub).waits, 0);
	CHECK_EQ(rig_pub_stats(crew.pub).detached, 0);
	crew_close(&crew);
}

/* What was peeked stays the next message until it is passed, whatever came meanwhile. */
static void
K18_the_latest_stays_while_it_is_read(const char *name)
{
	struct crew crew = crew_open_as(name, PUB(), SUB(.policy = WEIR_LATEST));
	weir_msg msg, again;
	char small[8];
	uint64_t next = 0;

	send_many(&crew, 3);
	REQUIRE_EQ(weir_peek(crew.slow, &msg), 1);
	CHECK_EQ(msg.seq, 2);
	for (int i = 0; i < 50; i++) {
		send_one(&crew, LEN);
		REQUIRE_EQ(weir_peek(crew.slow, &again), 1);
		CHECK_EQ(again.seq, 2);
		CHECK(again.data == msg.data);
		CHECK_EQ(rig_wrong(msg.data, msg.len, 2), LEN);
	}
	CHECK_EQ(weir_recv(crew.slow, small, sizeof(small), 0, &again),
		-WEIR_E_DATA_TRUNC);
	CHECK_EQ(again.seq, 2);
	CHECK_EQ(weir_peek(crew.slow, &again), 1);
	CHECK_EQ(weir_next(crew.slow), 0);
	next = 3;
	take_latest(crew.slow, crew.sent, &next);
	crew_close(&crew);
}

struct pouring {
	const char *name;
	pthread_t thread;
	int count;
	uint64_t keys;
};

/* Messages of any size, one after the other, whose first word is key and number. */
static void *
pour(void *arg)
{
	struct pouring *pouring = arg;
	weir_bus *bus = rig_bus(pouring->name);
	weir_pub *pub = weir_advertise(bus, "t", .window = RIG_WINDOW);

	CHECK_EQ(weir_wait_subscribers(pub, 1, WEIR_FOREVER), 1);
	for (int i = 0; i < pouring->count; i++) {
		uint64_t words[2] = {(uint64_t)i % pouring->keys, (uint64_t)i};
		weir_claim_t claim;

		REQUIRE_EQ(weir_claim(pub, 16 + (size_t)i * 7919 % 3000, &claim), 0);
		memcpy(claim.data, words, sizeof(words));
		CHECK_EQ(weir_commit(pub, &claim), 0);
	}
	CHECK_EQ(rig_pub_stats(pub).waits, 0);
	CHECK_EQ(weir_close(bus), 0);
	return NULL;
}

/* Beside a publisher that does not wait: one at a time, in order, and the last one comes. */
static void
the_latest_of_a_torrent(const char *name)
{
	struct pouring pouring = {.name = name, .count = 100000, .keys = 1};
	weir_bus *bus = rig_bus(name);
	weir_sub *sub = weir_subscribe(bus, "t", .policy = WEIR_LATEST);
	uint64_t next = 0, seen = 0, lost = 0;
	weir_msg msgs[64];
	int rc;

	REQUIRE_EQ(pthread_create(&pouring.thread, NULL, pour, &pouring), 0);
	while ((rc = weir_peek_n(sub, msgs, 64)) >= 0) {
		uint64_t words[2];

		if (rc == 0)
			continue;
		CHECK_EQ(rc, 1);
		memcpy(words, msgs[0].data, sizeof(words));
		CHECK_EQ(words[1], msgs[0].seq);
		CHECK_EQ(msgs[0].seq, next + msgs[0].lost);
		next = msgs[0].seq + 1;
		lost += msgs[0].lost;
		seen++;
		CHECK_EQ(weir_next(sub), 0);
	}
	CHECK_EQ(rc, -WEIR_E_GONE_END);
	CHECK_EQ(next, pouring.count);
	CHECK_EQ(rig_sub_stats(sub).lost_conflated, lost);
	CHECK_EQ(rig_sub_stats(sub).delivered, seen);
	CHECK_EQ(pthread_join(pouring.thread, NULL), 0);
	CHECK_EQ(weir_close(bus), 0);
}

/* ---- the latest of each key ----------------------------------------------------------------------- */

/* A message whose key, of `size` bytes at `offset`, is as given; the rest is its number. */
static void
send_key(struct crew *crew, size_t len, size_t offset, size_t size, uint64_t key)
{
	uint64_t n = crew->sent++;
	weir_claim_t claim;
	weir_msg msg;

	REQUIRE_EQ(weir_claim(crew->pub, len, &claim), 0);
	rig_fill(claim.data, len, n);
	memcpy((char *)claim.data + offset, &key, size);
	REQUIRE_EQ(weir_commit(crew->pub, &claim), 0);
	REQUIRE_EQ(weir_peek(crew->well, &msg), 1);
	REQUIRE_EQ(weir_next(crew->well), 0);
	crew->well_next++;
}

static void
the_latest_of_each_key_comes(const char *name)
{
	enum { KEYS = 200, ROUNDS = 7 };

	for (uint32_t size = 1; size <= 8; size++) {
		const uint32_t offset = size * 3;
		struct crew crew = crew_open_as(name, PUB(),
			SUB(.policy = WEIR_LATEST, .key_offset = offset,
				.key_size = size));
		uint64_t last[KEYS], seen = 0, lost = 0;
		weir_msg msgs[64];
		int got;

		for (int round = 0; round < ROUNDS; round++)
			for (uint64_t key = 0; key < KEYS; key++) {
				if ((key * 7 + (uint64_t)round) % 3 == 0 && round > 0)
					continue;
				last[key] = crew.sent;
				send_key(&crew, 40 + key % 50, offset, size,
					key << 8 * (size - 1));
			}
		/* Of each key once, and that is its newest, in the order of their numbers. */
		while ((got = weir_peek_n(crew.slow, msgs, 64)) > 0) {
			for (int i = 0; i < got; i++) {
				uint64_t key = 0;

				memcpy(&key, (const char *)msgs[i].data + offset, size);
				key >>= 8 * (size - 1);
				REQUIRE(key < KEYS);
				CHECK_EQ(msgs[i].seq, last[key]);
				last[key] = UINT64_MAX;
				lost += msgs[i].lost;
				seen++;
			}
			CHECK_EQ(weir_next_n(crew.slow, (size_t)got), 0);
		}
		CHECK_EQ(seen, KEYS);
		CHECK_EQ(lost, crew.sent - KEYS);
		CHECK_EQ(rig_sub_stats(crew.slow).lost_conflated, lost);
		CHECK_EQ(rig_sub_stats(crew.slow).delivered, KEYS);
		check_books(crew.slow, crew.sent);
		CHECK_EQ(rig_pub_stats(crew.pub).waits, 0);
		crew_close(&crew);
	}
}

/* Some are read, then more is published: what was seen of the keys goes on. */
static void
keys_that_change_while_they_are_read(const char *name)
{
	enum { KEYS = 50 };
	struct crew crew = crew_open_as(name, PUB(),
		SUB(.policy = WEIR_LATEST, .key_offset = 8, .key_size = 4));
	uint64_t last[KEYS], came[KEYS], seen = 0, lost = 0, random = 1;
	weir_msg msg;

	memset(came, 0xff, sizeof(came));
	for (int round = 0; round < 2000; round++) {
		uint64_t key;

		random = random * 6364136223846793005ull + 1442695040888963407ull;
		key = (random >> 33) % KEYS;
		last[key] = crew.sent;
		send_key(&crew, 100, 8, 4, key);
		if (round < KEYS * 10 || random >> 60 < 9)
			continue;
		REQUIRE_EQ(weir_peek(crew.slow, &msg), 1);
		memcpy(&key, (const char *)msg.data + 8, 4);
		key &= 0xffffffff;
		REQUIRE(key < KEYS);
		/* Nothing newer of its key was there. */
		CHECK_EQ(msg.seq, last[key]);
		came[key] = msg.seq;
		lost += msg.lost;
		seen++;
		CHECK_EQ(weir_next(crew.slow), 0);
	}
	while (weir_peek(crew.slow, &msg) == 1) {
		uint64_t key = 0;

		memcpy(&key, (const char *)msg.data + 8, 4);
		REQUIRE(key < KEYS);
		came[key] = msg.seq;
		lost += msg.lost;
		seen++;
		CHECK_EQ(weir_next(crew.slow), 0);
	}
	CHECK_MEM(came, last, sizeof(last));
	CHECK_EQ(seen + lost, crew.sent);
	CHECK_EQ(rig_sub_stats(crew.slow).lost_conflated, lost);
	crew_close(&crew);
}

static void
what_is_too_short_has_key_0(const char *name)
{
	struct crew crew = crew_open_as(name, PUB(),
		SUB(.policy = WEIR_LATEST, .key_offset = 10, .key_size = 4));
	weir_msg msg;

	send_one(&crew, 13);
	send_key(&crew, 14, 10, 4, 0);
	send_one(&crew, 0);
	send_key(&crew, 20, 10, 4, 9);
	send_one(&crew, 11);
	send_key(&crew, 14, 10, 4, 5);
	REQUIRE_EQ(weir_peek(crew.slow, &msg), 1);
	CHECK_EQ(msg.seq, 3);
	CHECK_EQ(msg.lost, 3);
	CHECK_EQ(weir_next(crew.slow), 0);
	REQUIRE_EQ(weir_peek(crew.slow, &msg), 1);
	CHECK_EQ(msg.seq, 4);
	CHECK_EQ(msg.len, 11);
	CHECK_EQ(weir_next(crew.slow), 0);
	REQUIRE_EQ(weir_peek(crew.slow, &msg), 1);
	CHECK_EQ(msg.seq, 5);
	CHECK_EQ(weir_next(crew.slow), 0);
	crew_close(&crew);
}

/* It is not waited for, so a value may be written over before it comes to it: of that
 * nobody can say that a newer one was there. */
static void
a_key_that_was_written_over_is_lost(const char *name)
{
	struct crew crew = crew_open_as(name, PUB(),
		SUB(.policy = WEIR_LATEST, .key_offset = 0, .key_size = 8));
	weir_sub_stats s;
	weir_msg msg;

	send_key(&crew, LEN, 0, 8, 1);
	for (int i = 0; i < 9; i++)
		send_key(&crew, LEN, 0, 8, 100 + (uint64_t)i);
	for (int i = 0; i < 100; i++)
		send_key(&crew, LEN, 0, 8, 2);
	while (weir_peek(crew.slow, &msg) == 1)
		CHECK_EQ(weir_next(crew.slow), 0);
	s = rig_sub_stats(crew.slow);
	/* The first segment is its own: five values of five keys. The next five went. */
	CHECK_EQ(s.delivered, 6);
	CHECK(s.lost_behind >= 5);
	CHECK_EQ(s.lost_behind + s.lost_conflated, crew.sent - 6);
	crew_close(&crew);
}

static void
the_latest_of_each_key_of_a_torrent(const char *name)
{
	enum { KEYS = 100 };
	struct pouring pouring = {.name = name, .count = 50000, .keys = KEYS};
	weir_bus *bus = rig_bus(name);
	weir_sub *sub = weir_subscribe(bus, "t", .policy = WEIR_LATEST, .key_size = 8);
	uint64_t next = 0, last[KEYS] = {0};
	weir_msg msgs[64];
	int rc;

	REQUIRE_EQ(pthread_create(&pouring.thread, NULL, pour, &pouring), 0);
	while ((rc = weir_peek_n(sub, msgs, 64)) >= 0) {
		for (int i = 0; i < rc; i++) {
			uint64_t words[2];

			memcpy(words, msgs[i].data, sizeof(words));
			CHECK_EQ(words[1], msgs[i].seq);
			CHECK_EQ(msgs[i].seq, next + msgs[i].lost);
			next = msgs[i].seq + 1;
			last[words[0] % KEYS] = words[1];
		}
		if (rc > 0)
			CHECK_EQ(weir_next_n(sub, (size_t)rc), 0);
	}
	CHECK_EQ(rc, -WEIR_E_GONE_END);
	CHECK_EQ(next, pouring.count);
	for (uint64_t key = 0; key < KEYS; key++)
		CHECK_EQ(last[key], (uint64_t)pouring.count - KEYS + key);
	CHECK_EQ(pthread_join(pouring.thread, NULL), 0);
	CHECK_EQ(weir_close(bus), 0);
}

/* ---- time to live --------------------------------------------------------------------------------- */

/* Of nine messages five are too old: as one gap before the first that is not. */
static void
ttl_of(const char *name, uint32_t pub_ms, uint32_t sub_ms)
{
	struct crew crew =
		crew_open_as(name, PUB(.ttl_ms = pub_ms), SUB(.ttl_ms = sub_ms));
	uint64_t ttl_ms = !pub_ms || (sub_ms && sub_ms < pub_ms) ? sub_ms : pub_ms;
	uint64_t sent_ns;
	weir_msg msgs[64];

	/* One that reads is not to be late: the well one has no time to live of its own. */
	for (int i = 0; i < 5; i++)
		rig_send(crew.pub, 100, crew.sent++);
	sent_ns = weir_now_ns();
	if (!pub_ms)
		while (weir_peek(crew.well, msgs) == 1)
			CHECK_EQ(weir_next(crew.well), 0);
	until_ns(sent_ns + ttl_ms * MS);
	for (int i = 0; i < 4; i++)
		rig_send(crew.pub, 100, crew.sent++);
	REQUIRE(weir_peek_n(crew.slow, msgs, 64) > 0);
	if (msgs[0].seq == 5) { /* on a machine that did not sleep meanwhile */
		CHECK_EQ(msgs[0].lost, 5);
		CHECK_EQ(rig_sub_stats(crew.slow).lost_expired, 5);
	}
	CHECK(msgs[0].seq >= 5);
	CHECK_EQ(msgs[0].lost, msgs[0].seq);
	CHECK_EQ(weir_next(crew.slow), 0);
	/* And what is there gets old where it lies. */
	until_ns(weir_now_ns() + ttl_ms * MS);
	CHECK_EQ(weir_peek(crew.slow, msgs), 0);
	CHECK_EQ(rig_sub_stats(crew.slow).delivered, 1);
	CHECK_EQ(rig_sub_stats(crew.slow).lost_expired, 8);
	CHECK_EQ(rig_sub_stats(crew.slow).lost, 8);
	check_books(crew.slow, crew.sent);
	CHECK_EQ(weir_close(crew.a), 0);
	CHECK_EQ(weir_close(crew.b), 0);
	CHECK_EQ(weir_close(crew.c), 0);
}

static void
what_is_too_old_is_passed_over(const char *name)
{
	ttl_of(name, 60, 0);
	ttl_of(name, 0, 60);
	ttl_of(name, 60, 600000);
	ttl_of(name, 600000, 60);
}

static void
K18_what_was_peeked_does_not_get_too_old(const char *name)
{
	struct rig rig = rig_open_as(name, PUB(), SUB(.ttl_ms = 200));
	weir_msg msg, again;

	do /* on a machine that sleeps it may be too late already */
		rig_send(rig.pub, 100, 0);
	while (weir_peek(rig.sub, &msg) != 1);
	rig_send(rig.pub, 100, 1);
	until_ns(msg.time_ns + 300 * MS);
	REQUIRE_EQ(weir_peek(rig.sub, &again), 1);
	CHECK_EQ(again.seq, msg.seq);
	CHECK(again.data == msg.data);
	CHECK_EQ(weir_next(rig.sub), 0);
	CHECK_EQ(weir_peek(rig.sub, &again), 0);
	CHECK_EQ(rig_sub_stats(rig.sub).delivered, 1);
	rig_close(&rig);
}

/* Without a stamp nobody knows how old it is. */
static void
without_stamps_nothing_gets_old(const char *name)
{
	struct rig rig =
		rig_open_as(name, PUB(.stamp = WEIR_STAMP_OFF), SUB(.ttl_ms = 1));

	rig_send(rig.pub, 100, 0);
	until_ns(weir_now_ns() + 5 * MS);
	rig_take(rig.sub, 100, 0);
	rig_close(&rig);
}

/* ---- history ----------------------------------------------------------------------------------------- */

/* Who comes late to a stream on which nobody listened, and what was kept of it. */
struct late {
	weir_bus *a, *b;
	weir_pub *pub;
	weir_sub *sub;
	uint64_t sent, stream;
};

static struct late
late_open(const char *name, const weir_pub_opts *opts, uint64_t count)
{
	struct late late = {.a = rig_bus(name), .b = rig_bus(name)};

	late.pub = weir_advertise_(late.a, opts);
	REQUIRE_EQ(weir_pub_why(late.pub)->code, 0);
	while (late.sent < count)
		rig_send(late.pub, LEN, late.sent++);
	late.stream = rig_pub_stats(late.pub).publisher;
	return late;
}

static void
late_join(struct late *late, const weir_sub_opts *opts)
{
	late->sub = weir_subscribe_(late->b, opts);
	REQUIRE_EQ(weir_sub_why(late->sub)->code, 0);
	CHECK_EQ(weir_wait_subscribers(late->pub, 1, WEIR_FOREVER), 1);
}

/* What it begins with, what it says it missed, and that all that follows comes. */
static void
late_reads(struct late *late, uint64_t first, uint64_t lost)
{
	weir_sub_stats s;
	weir_msg msg;

	rig_send(late->pub, LEN, late->sent++);
	REQUIRE_EQ(weir_peek(late->sub, &msg), 1);
	CHECK_EQ(msg.seq, first);
	CHECK_EQ(msg.lost, lost);
	for (uint64_t n = msg.seq; n < late->sent; n++)
		rig_take(late->sub, LEN, n);
	CHECK_EQ(weir_peek(late->sub, &msg), 0);
	s = rig_sub_stats(late->sub);
	CHECK_EQ(s.lost_gone, lost);
	CHECK_EQ(s.lost, lost);
	check_books(late->sub, late->sent - first + lost);
}

static void
late_close(struct late *late)
{
	CHECK_EQ(weir_close(late->a), 0);
	CHECK_EQ(weir_close(late->b), 0);
}

/* The number of the oldest message that is there. */
static uint64_t
oldest_of(struct late *late)
{
	weir_sub *sub = weir_subscribe(late->b, "t", .from = WEIR_FROM_OLDEST);
	weir_msg msg;

	REQUIRE_EQ(weir_peek(sub, &msg), 1);
	CHECK_EQ(msg.lost, 0);
	CHECK_EQ(weir_unsubscribe(sub), 0);
	AWAIT(rig_pub_stats(late->pub).subscribers == 0);
	return msg.seq;
}

static void
N20_from_oldest(const char *name)
{
	for (uint64_t count = 1; count < 200; count = count * 3 + 1) {
		struct late late = late_open(name, PUB(.keep_messages = 30), count);
		uint64_t first = oldest_of(&late);

		CHECK(first + 30 <= count || first == 0);
		late_join(&late, SUB(.from = WEIR_FROM_OLDEST));
		late_reads(&late, first, 0);
		late_close(&late);
	}
}

static void
N20_the_last_n(const char *name)
{
	for (uint64_t n = 1; n <= 31; n += 5) {
		struct late late = late_open(name, PUB(.keep_messages = 31), 100);

		late_join(&late, SUB(.from = WEIR_FROM_LAST, .from_count = n));
		late_reads(&late, 100 - n, 0);
		late_close(&late);
	}
}

/* More than there are: what is there, and how many of those are not any more. */
static void
N20_the_last_n_of_fewer(const char *name)
{
	struct late late = late_open(name, PUB(.keep_messages = 10), 100);
	uint64_t first = oldest_of(&late);

	late_join(&late, SUB(.from = WEIR_FROM_LAST, .from_count = 90));
	CHECK(first > 10);
	late_reads(&late, first, first - 10);
	late_close(&late);

	late = late_open(name, PUB(.keep_messages = 10), 4);
	late_join(&late, SUB(.from = WEIR_FROM_LAST, .from_count = 90));
	late_reads(&late, 0, 0);
	late_close(&late);
}

static void
N20_from_a_number(const char *name)
{
	struct late late = late_open(name, PUB(.keep_messages = 20), 100);
	uint64_t first = oldest_of(&late);
	const uint64_t asked[] = {0, 1, first - 1, first, first + 1, 99};

	late_close(&late);
	for (unsigned i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		uint64_t begins = asked[i] < first ? first : asked[i];

		late = late_open(name, PUB(.keep_messages = 20), 100);
		late_join(&late,
			SUB(.from = WEIR_FROM_SEQ, .from_count = asked[i],
				.from_publisher = late.stream));
		late_reads(&late, begins, begins - asked[i]);
		late_close(&late);
	}
}

/* A number that is to come, and one of another stream: with what is published from now
 * on. */
static void
N20_from_a_number_that_is_not_there(const char *name)
{
	struct late late = late_open(name, PUB(.keep_messages = 20), 100);

	late_join(&late,
		SUB(.from = WEIR_FROM_SEQ, .from_count = 100,
			.from_publisher = late.stream));
	late_reads(&late, 100, 0);
	late_close(&late);
	late = late_open(name, PUB(.keep_messages = 20), 100);
	late_join(&late,
		SUB(.from = WEIR_FROM_SEQ, .from_count = 1000000,
			.from_publisher = late.stream));
	late_reads(&late, 100, 0);
	late_close(&late);
	late = late_open(name, PUB(.keep_messages = 20), 100);
	late_join(&late,
		SUB(.from = WEIR_FROM_SEQ, .from_count = 95,
			.from_publisher = late.stream + 1));
	late_reads(&late, 100, 0);
	late_close(&late);
}

/* Of each of several streams what was asked for. */
static void
N20_several_publishers(const char *name)
{
	weir_bus *a = rig_bus(name), *b = rig_bus(name);
	weir_pub *pubs[3];
	uint64_t ids[3], next[3], seen = 0;
	weir_sub *last, *number;
	weir_msg msg;

	for (int i = 0; i < 3; i++) {
		pubs[i] = weir_advertise(a, "t", .keep_messages = 10);
		ids[i] = rig_pub_stats(pubs[i]).publisher;
		for (uint64_t n = 0; n < 20 + (uint64_t)i; n++)
			rig_send(pubs[i], 100, n);
	}
	last = weir_subscribe(b, "t", .from = WEIR_FROM_LAST, .from_count = 4);
	number = weir_subscribe(b, "t", .from = WEIR_FROM_SEQ, .from_count = 15,
		.from_publisher = ids[1]);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(weir_wait_subscribers(pubs[i], 2, WEIR_FOREVER), 2);
		next[i] = 16 + (uint64_t)i;
	}
	while (weir_peek(last, &msg) == 1) {
		int i = msg.publisher == ids[1] ? 1 : msg.publisher == ids[2] ? 2 : 0;

		CHECK_EQ(msg.seq, next[i]++);
		CHECK_EQ(msg.lost, 0);
		CHECK_EQ(weir_next(last), 0);
		seen++;
	}
	CHECK_EQ(seen, 12);
	for (uint64_t n = 15; n < 21; n++) {
		REQUIRE_EQ(weir_peek(number, &msg), 1);
		CHECK_EQ(msg.publisher, ids[1]);
		CHECK_EQ(msg.seq, n);
		CHECK_EQ(weir_next(number), 0);
	}
	CHECK_EQ(weir_peek(number, &msg), 0);
	rig_send(pubs[0], 100, 20);
	REQUIRE_EQ(weir_peek(number, &msg), 1);
	CHECK_EQ(msg.publisher, ids[0]);
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), 0);
}

/* Who comes late reads the segments that everybody reads, and no copy of them: within one
 * bus even the address is the same. */
static void
N20_history_is_read_in_place(const char *name)
{
	struct rig rig = rig_open(name, .window = RIG_WINDOW, .keep_messages = 10);
	weir_sub *early = weir_subscribe(rig.a, "t"), *late;
	const void *data[30];
	weir_msg msg;

	CHECK_EQ(weir_wait_subscribers(rig.pub, 2, WEIR_FOREVER), 2);
	for (uint64_t n = 0; n < 30; n++) {
		rig_send(rig.pub, LEN, n);
		rig_take(rig.sub, LEN, n);
		REQUIRE_EQ(weir_peek(early, &msg), 1);
		data[n] = msg.data;
		CHECK_EQ(weir_next(early), 0);
	}
	late = weir_subscribe(rig.a, "t", .from = WEIR_FROM_LAST, .from_count = 10);
	for (uint64_t n = 20; n < 30; n++) {
		REQUIRE_EQ(weir_peek(late, &msg), 1);
		CHECK_EQ(msg.seq, n);
		CHECK(msg.data == data[n]);
		CHECK_EQ(rig_wrong(msg.data, msg.len, n), LEN);
		CHECK_EQ(weir_next(late), 0);
	}
	CHECK_EQ(weir_peek(late, &msg), 0);
	rig_close(&rig);
}

/* A claim that is open when it joins is published from then on: it comes. */
static void
N20_the_last_n_and_a_claim_that_was_open(const char *name)
{
	struct late late = late_open(name, PUB(.keep_messages = 40), 30);
	weir_claim_t open;
	weir_msg msg;

	REQUIRE_EQ(weir_claim(late.pub, LEN, &open), 0);
	rig_fill(open.data, LEN, late.sent++);
	while (late.sent < 42)
		rig_send(late.pub, LEN, late.sent++);
	late_join(&late, SUB(.from = WEIR_FROM_LAST, .from_count = 2));
	CHECK_EQ(weir_peek(late.sub, &msg), 0);
	CHECK_EQ(weir_commit(late.pub, &open), 0);
	late_reads(&late, 30, 0);
	late_close(&late);
}

/* From far behind nobody waits for it; when it has caught up it is waited for, and from
 * then on it misses nothing. */
static void
N20_who_catches_up_is_waited_for(const char *name)
{
	struct crew crew =
		crew_open_as(name, PUB(.keep_messages = 200, .wait_ms = WEIR_NEVER),
			SUB(.policy = WEIR_BLOCK));
	weir_claim_t claim;
	weir_event event;

	for (int i = 0; i < 300; i++) {
		send_one(&crew, LEN);
		take_all(&crew);
	}
	CHECK_EQ(weir_unsubscribe(crew.slow), 0);
	AWAIT(rig_pub_stats(crew.pub).subscribers == 1);
	crew.slow = weir_subscribe(crew.b, "t", .from = WEIR_FROM_OLDEST);
	CHECK_EQ(weir_wait_subscribers(crew.pub, 2, WEIR_FOREVER), 2);
	/* It reads a little faster than is published. */
	REQUIRE_EQ(weir_peek(crew.slow, &(weir_msg){0}), 1);
	crew.next = crew.sent - 200;
	crew.seen = crew.lost = 0;
	for (weir_msg msg; weir_peek(crew.slow, &msg) == 1 && crew.seen == 0;) {
		CHECK(msg.seq <= crew.next && msg.lost == 0);
		crew.next = msg.seq;
		REQUIRE_EQ(take_one(&crew), 1);
	}
	while (rig_pub_stats(crew.pub).returned == 0) {
		send_one(&crew, LEN);
		(void)take_one(&crew);
		(void)take_one(&crew);
	}
	event = await_event(crew.b, WEIR_EV_RETURNED);
	CHECK_EQ(event.publisher, rig_pub_stats(crew.pub).publisher);
	CHECK_EQ(rig_pub_stats(crew.pub).detached, 0);
	/* It stops, and the publisher, which does not wait, is told so. */
	while (weir_claim(crew.pub, LEN, &claim) == 0) {
		REQUIRE_EQ(weir_abort(crew.pub, &claim), 0);
		REQUIRE(rig_sub_stats(crew.slow).waiting < 1000);
		send_one(&crew, LEN);
	}
	CHECK(strstr(weir_pub_why(crew.pub)->text, "slow[") != NULL);
	take_all(&crew);
	CHECK_EQ(crew.next, crew.sent);
	CHECK_EQ(crew.lost, 0);
	CHECK_EQ(rig_sub_stats(crew.slow).lost, 0);
	crew_close(&crew);
}

/* ---- what is kept ---------------------------------------------------------------------------------------- */

static void
N20_as_many_messages_as_asked_for(const char *name)
{
	/* More than the window holds, and of any size. */
	for (uint64_t keep = 1; keep < 5000; keep = keep * 4 + 1) {
		struct late late = late_open(name, PUB(.keep_messages = keep), 0);

		while (late.sent < 3 * keep + 500) {
			size_t len = late.sent * 7919 % (keep > 1000 ? 1000 : 65000);

			rig_send(late.pub, len, late.sent++);
		}
		CHECK(oldest_of(&late) + keep <= late.sent);
		late_close(&late);
	}
}

static void
N20_as_many_bytes_as_asked_for(const char *name)
{
	for (uint64_t keep = 1000; keep < 10 << 20; keep *= 5) {
		struct late late = late_open(name, PUB(.keep_bytes = keep), 0);
		uint64_t bytes = 0;
		weir_msg msg;

		for (uint64_t sent = 0; sent < 2 * keep + (2 << 20);) {
			size_t len = late.sent * 7919 % 65000;

			rig_send(late.pub, len, late.sent++);
			sent += len;
		}
		late_join(&late, SUB(.from = WEIR_FROM_OLDEST));
		while (weir_peek(late.sub, &msg) == 1) {
			bytes += msg.len + 16;
			CHECK_EQ(weir_next(late.sub), 0);
		}
		CHECK(bytes >= keep);
		late_close(&late);
	}
}

/* By default the last message is there, also behind a segment that has none. */
static void
N20_the_last_message_is_kept(const char *name)
{
	for (uint64_t count = 1; count < 30; count++) {
		struct late late = late_open(name, PUB(), count);
		weir_claim_t claims[20];
		weir_msg msg;

		REQUIRE_EQ(weir_claim(late.pub, 60000, &claims[0]), 0);
		REQUIRE_EQ(weir_abort(late.pub, &claims[0]), 0);
		CHECK(oldest_of(&late) <= late.sent - 1);
		/* Nor do claims that were given back put it out of the window. */
		REQUIRE_EQ(weir_claim_n(late.pub, LEN, claims, 8), 0);
		for (int i = 0; i < 8; i++)
			REQUIRE_EQ(weir_abort(late.pub, &claims[i]), 0);
		late_join(&late, SUB(.from = WEIR_FROM_LAST, .from_count = 1));
		REQUIRE_EQ(weir_peek(late.sub, &msg), 1);
		CHECK_EQ(msg.seq, count - 1);
		CHECK_EQ(msg.lost, 0);
		CHECK_EQ(rig_wrong(msg.data, msg.len, count - 1), LEN);
		late_close(&late);
	}
}

/* ---- the books ------------------------------------------------------------------------------------------- */

/* With claims that are given back, messages that are held, losses, and breaks in which one
 * does not read: at any time what went in is what came out, plus what is accounted for. */
static void
K11_what_went_in_came_out_or_is_counted(const char *name)
{
	struct crew crew = crew_open_as(name, PUB(), SUB(.stall_us = 100, .holds = 2));
	uint64_t random = 1, claims_made = 0, seen = 0, lost = 0, next = 0;
	weir_msg held[2];
	int holds = 0;

	for (int round = 0; round < 4000; round++) {
		uint64_t dice = (random = random * 6364136223846793005ull + 1) >> 40;
		weir_claim_t claims[3];
		weir_msg msg;

		REQUIRE_EQ(weir_claim_n(crew.pub, 3000 + dice % 9000, claims, 3), 0);
		claims_made += 3;
		for (int i = 0; i < 3; i++)
			rig_fill(claims[i].data, claims[i].len, claims[i].seq);
		for (int i = 0; i < 3; i++)
			if (i < 2 && (dice >> i) % 4 == 0)
				CHECK_EQ(weir_abort(crew.pub, &claims[i]), 0);
			else
				CHECK_EQ(weir_commit(crew.pub, &claims[i]), 0);
		while (weir_peek(crew.well, &msg) == 1)
			CHECK_EQ(weir_next(crew.well), 0);
		if (round / 150 % 2)
			continue;
		for (uint64_t n = dice % 20; n > 0 && weir_peek(crew.slow, &msg) == 1;
			n--) {
			CHECK(msg.seq >= next + msg.lost);
			CHECK_EQ(rig_wrong(msg.data, msg.len, msg.seq), msg.len);
			next = msg.seq + 1;
			lost += msg.lost;
			seen++;
			if (holds < 2 && dice % 7 == 0 && weir_hold(crew.slow, &msg) == 0)
				held[holds++] = msg;
			CHECK_EQ(weir_next(crew.slow), 0);
		}
		if (holds > 0 && dice % 5 == 0) {
			holds--;
			CHECK_EQ(rig_wrong(held[holds].data, held[holds].len,
					 held[holds].seq),
				held[holds].len);
			CHECK_EQ(weir_release(crew.slow, &held[holds]), 0);
		}
		if (round % 10 == 0) {
			weir_pub_stats p = rig_pub_stats(crew.pub);
			weir_sub_stats s = rig_sub_stats(crew.slow);

			CHECK_EQ(p.published + p.aborted, claims_made);
			CHECK_EQ(s.delivered + s.held, seen);
			CHECK_EQ(s.held, holds);
			CHECK(s.lost >= lost);
			CHECK_EQ(s.lost, s.lost_behind);
			/* What it has not come to is there, or will be found to be lost. */
			CHECK(seen + s.lost + s.aborted + s.waiting <= claims_made);
		}
	}
	while (holds > 0)
		CHECK_EQ(weir_release(crew.slow, &held[--holds]), 0);
	for (weir_msg msg; weir_peek(crew.slow, &msg) == 1;)
		CHECK_EQ(weir_next(crew.slow), 0);
	check_books(crew.slow, claims_made);
	check_books(crew.well, claims_made);
	CHECK_EQ(rig_sub_stats(crew.well).delivered, rig_pub_stats(crew.pub).published);
	CHECK_EQ(rig_sub_stats(crew.well).aborted, rig_pub_stats(crew.pub).aborted);
	CHECK(rig_sub_stats(crew.slow).lost > 0);
	crew.well_next = crew.sent;
	crew_close(&crew);
}

/* ---- wrong options ------------------------------------------------------------------------------------------ */

static void
sub_refused(weir_bus *bus, const weir_sub_opts *opts)
{
	weir_sub *sub = weir_subscribe_(bus, opts);
	weir_msg msg;

	CHECK_EQ(weir_sub_why(sub)->code, WEIR_E_USAGE_INVAL);
	CHECK(strlen(weir_sub_why(sub)->text) > 10);
	CHECK_EQ(weir_peek(sub, &msg), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_unsubscribe(sub), 0);
}

static void
pub_refused(weir_bus *bus, const weir_pub_opts *opts)
{
	weir_pub *pub = weir_advertise_(bus, opts);

	CHECK_EQ(weir_pub_why(pub)->code, WEIR_E_USAGE_INVAL);
	CHECK(strlen(weir_pub_why(pub)->text) > 10);
	CHECK_EQ(weir_send(pub, "", 0), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_pub_close(pub), 0);
}

static void
wrong_options_are_refused(const char *name)
{
	weir_bus *bus = rig_bus(name);

	sub_refused(bus, SUB(.policy = WEIR_BLOCK + 1));
	sub_refused(bus, SUB(.policy = UINT32_MAX));
	sub_refused(bus, SUB(.from = WEIR_FROM_SEQ + 1));
	sub_refused(bus, SUB(.from = UINT32_MAX));
	sub_refused(bus, SUB(.stall_us = WEIR_FOREVER));
	sub_refused(bus, SUB(.stall_us = -3));
	sub_refused(bus, SUB(.stall_us = INT32_MIN));
	sub_refused(bus, SUB(.policy = WEIR_LATEST, .key_size = 9));
	sub_refused(bus, SUB(.policy = WEIR_LATEST, .key_size = UINT32_MAX));
	sub_refused(bus, SUB(.key_size = 4));
	sub_refused(bus, SUB(.policy = WEIR_BLOCK, .key_size = 4));
	sub_refused(bus, SUB(.holds = WEIR_HOLDS_MAX + 1));
	pub_refused(bus, PUB(.ttl_ms = 1, .stamp = WEIR_STAMP_OFF));
	pub_refused(bus, PUB(.stamp = WEIR_STAMP_OFF + 1));
	pub_refused(bus, PUB(.wait_ms = WEIR_NEVER - 1));
	pub_refused(bus, PUB(.keep_messages = UINT64_MAX));
	pub_refused(bus, PUB(.max_message = 2 << 20, .keep_messages = UINT64_MAX));
	pub_refused(bus, PUB(.keep_bytes = UINT64_MAX));
	(void)weir_close(bus);
}

/* The largest and smallest that are good. */
static void
options_at_their_limits_are_taken(const char *name)
{
	static const uint64_t quotas[] = {1, 1 << 20, UINT64_MAX};

	for (int i = 0; i < 3; i++) {
		struct rig rig = rig_open_as(name,
			PUB(.stall_us = i ? UINT32_MAX : 1, .ttl_ms = i ? UINT32_MAX : 0),
			SUB(.stall_us = i ? INT32_MAX : 1, .quota = quotas[i],
				.ttl_ms = UINT32_MAX,
				.policy = i ? WEIR_LATEST : WEIR_BLOCK,
				.key_offset = UINT32_MAX, .key_size = i ? 8 : 0,
				.from = WEIR_FROM_LAST, .from_count = UINT64_MAX,
				.from_publisher = UINT64_MAX));

		rig_send(rig.pub, 100, 0);
		rig_take(rig.sub, 100, 0);
		rig_close(&rig);
	}
}

#define TESTS(X) \
	X(N1_who_is_slow_loses_and_is_told) \
	X(N1_back_when_it_has_caught_up) \
	X(N1_who_stands_still_alone_has_stopped) \
	X(with_never_nobody_waits) \
	X(a_budget_is_at_most_what_the_publisher_allows) \
	X(block_is_waited_for_by_name) \
	X(disconnect_ends_the_stream_once) \
	X(full_after_a_second_names_who_blocks) \
	X(K35_a_quota_is_whole_segments) \
	X(N1_the_latest_is_all_it_wants) \
	X(K18_the_latest_stays_while_it_is_read) \
	X(the_latest_of_a_torrent) \
	X(the_latest_of_each_key_comes) \
	X(keys_that_change_while_they_are_read) \
	X(what_is_too_short_has_key_0) \
	X(a_key_that_was_written_over_is_lost) \
	X(the_latest_of_each_key_of_a_torrent) \
	X(what_is_too_old_is_passed_over) \
	X(K18_what_was_peeked_does_not_get_too_old) \
	X(without_stamps_nothing_gets_old) \
	X(N20_from_oldest) \
	X(N20_the_last_n) \
	X(N20_the_last_n_of_fewer) \
	X(N20_from_a_number) \
	X(N20_from_a_number_that_is_not_there) \
	X(N20_several_publishers) \
	X(N20_history_is_read_in_place) \
	X(N20_the_last_n_and_a_claim_that_was_open) \
	X(N20_who_catches_up_is_waited_for) \
	X(N20_as_many_messages_as_asked_for) \
	X(N20_as_many_bytes_as_asked_for) \
	X(N20_the_last_message_is_kept) \
	X(K11_what_went_in_came_out_or_is_counted) \
	X(wrong_options_are_refused) \
	X(options_at_their_limits_are_taken)

TESTS(CONFORM_STAMP)
static const struct wr_test tests[] = {TESTS(CONFORM_ENTRY) TEST_END};

const struct wr_suite wr_suite_policy = {
	.name = "policy", .tests = tests, .labels = "concurrency", .watchdog_s = 120};
