/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Messages between participants that run at the same time: threads over inproc, processes
 * over shared memory. What a participant does is a role, the same function for both; what
 * it found wrong is its answer.
 */
#include "tests/conform/rig.h"

#include "tests/lib/await.h"
#include "tests/lib/proc.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- roles -------------------------------------------------------------------------------- */

struct note {
	uint64_t from; /* which publisher, as the test numbers them */
	uint64_t n;    /* counts its messages */
	uint8_t load[112];
};

/* What a role is told, in words, so that it can be told to a process. */
struct part {
	const char *bus, *role, *topic;
	int who, count, others;
};

typedef int (*role_fn)(const struct part *part);

static void
note_fill(struct note *note, uint64_t from, uint64_t n)
{
	note->from = from;
	note->n = n;
	rig_fill(note->load, sizeof(note->load), from * 1000 + n);
}

static int
note_good(const struct note *note, size_t len)
{
	return len == sizeof(*note) &&
		rig_wrong(note->load, sizeof(note->load), note->from * 1000 + note->n) ==
		sizeof(note->load);
}

/* Takes time as a handler that works does, without sleeping. */
static void
dawdle(void)
{
	for (volatile int i = 0; i < 2000; i++)
		;
	sched_yield();
}

/* Sends its notes in place once everybody listens: who, from 0 to count. */
static int
writes(const struct part *part)
{
	weir_bus *bus = rig_bus(part->bus);
	weir_pub *pub = weir_advertise(
		bus, part->topic, .window = RIG_WINDOW, .wait_ms = WEIR_FOREVER);
	weir_claim_t claim;

	CHECK(weir_wait_subscribers(pub, part->others, WEIR_FOREVER) >= part->others);
	for (int n = 0; n < part->count; n++) {
		if (!CHECK(weir_claim(pub, sizeof(struct note), &claim) == 0))
			break;
		CHECK_EQ(claim.seq, n);
		note_fill(claim.data, (uint64_t)part->who, (uint64_t)n);
		CHECK_EQ(weir_commit(pub, &claim), 0);
	}
	CHECK_EQ(rig_pub_stats(pub).published, part->count);
	return weir_close(bus);
}

/* The same by copying. */
static int
sends(const struct part *part)
{
	weir_bus *bus = rig_bus(part->bus);
	weir_pub *pub = weir_advertise(
		bus, part->topic, .window = RIG_WINDOW, .wait_ms = WEIR_FOREVER);
	struct note note;

	CHECK(weir_wait_subscribers(pub, part->others, WEIR_FOREVER) >= part->others);
	for (int n = 0; n < part->count; n++) {
		note_fill(&note, (uint64_t)part->who, (uint64_t)n);
		CHECK_EQ(weir_send(pub, &note, sizeof(note)), 0);
	}
	return weir_close(bus);
}

/* What a reader has seen of each publisher. */
struct seen {
	uint64_t next[16];
	int streams, slow;
	uint64_t total;
};

static int
see(struct seen *seen, const weir_msg *msg)
{
	const struct note *note = msg->data;

	if (!note_good(note, msg->len) || note->from >= 16) {
		FAIL("message %" PRIu64 " is damaged", msg->seq);
		return 1;
	}
	if (note->n != seen->next[note->from] || msg->seq != note->n || msg->lost != 0) {
		FAIL("of publisher %" PRIu64 " came %" PRIu64 " (seq %" PRIu64
		     ", lost %" PRIu64 ") after %" PRIu64,
			note->from, note->n, msg->seq, msg->lost, seen->next[note->from]);
		return 1;
	}
	seen->next[note->from]++;
	seen->total++;
	if (seen->slow)
		dawdle();
	return 0;
}

static int
on_note(void *ctx, const weir_msg *msg)
{
	return see(ctx, msg);
}

/* Everything was seen once, from each of the publishers alike. */
static int
seen_all(const struct seen *seen, const struct part *part)
{
	CHECK_EQ(seen->total, (uint64_t)part->count * (uint64_t)part->others);
	for (int i = 0; i < part->others; i++)
		CHECK_EQ(seen->next[i], part->count);
	return seen->total != (uint64_t)part->count * (uint64_t)part->others;
}

/* Pulls in place until every one of the others has ended. */
static int
pulls_as(const struct part *part, int slow)
{
	weir_bus *bus = rig_bus(part->bus);
	weir_sub *sub = weir_subscribe(bus, part->topic, .policy = WEIR_BLOCK);
	struct seen seen = {.slow = slow};
	weir_msg msg;
	int ends = 0, wrong;

	while (ends < part->others) {
		int rc = weir_peek(sub, &msg);

		if (rc == 1 && see(&seen, &msg) == 0)
			CHECK_EQ(weir_next(sub), 0);
		else if (rc == -WEIR_E_GONE_END)
			ends++;
		else if (rc == 0)
			(void)weir_turn(bus, 20);
		else
			break;
	}
	CHECK_EQ(rig_sub_stats(sub).delivered, seen.total);
	CHECK_EQ(rig_sub_stats(sub).lost, 0);
	CHECK_EQ(rig_sub_stats(sub).ended, part->others);
	wrong = seen_all(&seen, part);
	return weir_close(bus) + wrong;
}

static int
pulls(const struct part *part)
{
	return pulls_as(part, 0);
}

static int
pulls_slowly(const struct part *part)
{
	return pulls_as(part, 1);
}

static int
receives(const struct part *part)
{
	weir_bus *bus = rig_bus(part->bus);
	weir_sub *sub = weir_subscribe(bus, part->topic, .policy = WEIR_BLOCK);
	struct seen seen = {0};
	struct note note;
	weir_msg msg;
	int ends = 0, wrong;

	while (ends < part->others) {
		int rc = weir_recv(sub, &note, sizeof(note), WEIR_FOREVER, &msg);

		ends += rc == -WEIR_E_GONE_END;
		if (rc >= 0 && see(&seen, &msg) != 0)
			break;
	}
	wrong = seen_all(&seen, part);
	return weir_close(bus) + wrong;
}

static int
is_called(const struct part *part)
{
	weir_bus *bus = rig_bus(part->bus);
	struct seen seen = {0};
	weir_sub *sub = weir_subscribe(bus, part->topic, .on_msg = on_note,
		.ctx = &seen, .policy = WEIR_BLOCK);
	int wrong;

	AWAIT_ON(bus, rig_sub_stats(sub).ended >= (uint64_t)part->others);
	wrong = seen_all(&seen, part);
	return weir_close(bus) + wrong;
}

static int
on_notes(void *ctx, const weir_msg *msgs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && msgs[i].publisher != msgs[0].publisher)
			FAIL("a batch holds messages of two streams");
		if (see(ctx, &msgs[i]) != 0)
			return 1;
	}
	return 0;
}

static int
is_called_in_batches(const struct part *part)
{
	weir_bus *bus = rig_bus(part->bus);
	struct seen seen = {0};
	weir_sub *sub = weir_subscribe(bus, part->topic, .on_batch = on_notes,
		.ctx = &seen, .policy = WEIR_BLOCK);
	int wrong;

	AWAIT_ON(bus, rig_sub_stats(sub).ended >= (uint64_t)part->others);
	wrong = seen_all(&seen, part);
	return weir_close(bus) + wrong;
}

/* The place of an address: the file that is mapped there, and where in it. In private
 * memory that is the address itself. */
struct place {
	uint64_t inode, at;
};

static struct place
place_of(const void *data)
{
	uint64_t address = (uint64_t)(uintptr_t)data, from, to, offset, inode;
	struct place place = {0, address};
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "re");

	while (maps && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %*s %" SCNu64,
			    &from, &to, &offset, &inode) != 4 ||
			address < from || address >= to)
			continue;
		if (strstr(line, "memfd:weir"))
			place = (struct place){inode, address - from + offset};
		break;
	}
	if (maps)
		fclose(maps);
	return place;
}

/* Tells for each message that it reads where it lies. */
static int
tells_places(const struct part *part)
{
	weir_bus *bus = rig_bus(part->bus);
	weir_pub *pub = weir_advertise(bus, "places");
	weir_sub *sub = weir_subscribe(bus, part->topic, .policy = WEIR_BLOCK);
	weir_msg msg;

	CHECK(weir_wait_subscribers(pub, 1, WEIR_FOREVER) >= 1);
	for (int n = 0; n < part->count;) {
		int rc = weir_peek(sub, &msg);
		struct place place;

		if (rc == 0)
			(void)weir_turn(bus, 20);
		if (rc < 0)
			break;
		if (rc == 0)
			continue;
		place = place_of(msg.data);
		CHECK_EQ(rig_wrong(msg.data, msg.len, (uint64_t)n), msg.len);
		CHECK_EQ(weir_send(pub, &place, sizeof(place)), 0);
		CHECK_EQ(weir_next(sub), 0);
		n++;
	}
	return weir_close(bus);
}

/* Reads nothing until it is told "go" on the topic that ends the wait, then leaves. */
static int
leaves_when_told(const struct part *part)
{
	weir_bus *bus = rig_bus(part->bus);
	weir_sub *sub = weir_subscribe(bus, part->topic, .policy = WEIR_BLOCK);
	weir_sub *go = weir_subscribe(bus, "go");
	char buf[8];

	CHECK_EQ(weir_recv(go, buf, sizeof(buf), WEIR_FOREVER, NULL), 2);
	CHECK_EQ(weir_unsubscribe(sub), 0);
	/* Stays attached: it is leaving the stream that frees the publisher. */
	while (weir_recv(go, buf, sizeof(buf), WEIR_FOREVER, NULL) >= 0)
		;
	return weir_close(bus);
}

static const struct {
	const char *name;
	role_fn play;
} roles[] = {
	{"writes", writes},
	{"sends", sends},
	{"pulls", pulls},
	{"pulls_slowly", pulls_slowly},
	{"receives", receives},
	{"is_called", is_called},
	{"is_called_in_batches", is_called_in_batches},
	{"tells_places", tells_places},
	{"leaves_when_told", leaves_when_told},
};

static int
play(const struct part *part)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (strcmp(roles[i].name, part->role) == 0)
			return roles[i].play(part);
	FAIL("no role is called '%s'", part->role);
	return 1;
}

static int
conform_party(int argc, char **argv)
{
	struct part part;

	REQUIRE_EQ(argc, 7);
	part = (struct part){
		argv[1], argv[2], argv[3], atoi(argv[4]), atoi(argv[5]), atoi(argv[6])};
	return play(&part);
}

/* ---- parties ----------------------------------------------------------------------------------- */

struct party {
	struct part part;
	pthread_t thread;
	struct wr_proc proc;
	int answer;
};

static void *
party_thread(void *arg)
{
	struct party *party = arg;

	party->answer = play(&party->part);
	return NULL;
}

static void
party_start(struct party *party, struct part part)
{
	char who[16], count[16], others[16];

	party->part = part;
	if (rig_is_inproc(part.bus)) {
		REQUIRE_EQ(pthread_create(&party->thread, NULL, party_thread, party), 0);
		return;
	}
	snprintf(who, sizeof(who), "%d", part.who);
	snprintf(count, sizeof(count), "%d", part.count);
	snprintf(others, sizeof(others), "%d", part.others);
	wr_proc_start(&party->proc, "conform_party", part.bus, part.role, part.topic,
		who, count, others, NULL);
}

static void
party_end(struct party *party)
{
	if (rig_is_inproc(party->part.bus))
		REQUIRE_EQ(pthread_join(party->thread, NULL), 0);
	else
		party->answer = wr_proc_wait(&party->proc);
	CHECK_EQ(party->answer, 0);
}

/* So many writers and readers at once, each message to each reader, in order. */
static void
crowd(const char *name, const char *writer, int writers, const char *const *readers,
	int reader_count, int count)
{
	struct party w[4], r[4];

	for (int i = 0; i < reader_count; i++)
		party_start(
			&r[i], (struct part){name, readers[i], "t", i, count, writers});
	for (int i = 0; i < writers; i++)
		party_start(&w[i],
			(struct part){name, writer, "t", i, count, reader_count});
	for (int i = 0; i < writers; i++)
		party_end(&w[i]);
	for (int i = 0; i < reader_count; i++)
		party_end(&r[i]);
}

static int
messages(int count)
{
	return count / (int)wr_test_slowness();
}

/* ---- order, and nothing lost -------------------------------------------------------------------- */

/* Far more than the window holds, and a reader that is much slower: the publisher waits,
 * and waits again. */
static void
order_under_back_pressure(const char *name)
{
	struct part part = {name, "pulls_slowly", "t", 0, 30000, 1};
	weir_bus *bus = rig_bus(name);
	weir_pub *pub =
		weir_advertise(bus, "t", .window = RIG_WINDOW, .wait_ms = WEIR_FOREVER);
	struct party reader;
	struct note note;

	party_start(&reader, part);
	CHECK_EQ(weir_wait_subscribers(pub, 1, WEIR_FOREVER), 1);
	for (int n = 0; n < part.count; n++) {
		note_fill(&note, 0, (uint64_t)n);
		REQUIRE_EQ(weir_send(pub, &note, sizeof(note)), 0);
	}
	CHECK(rig_pub_stats(pub).waits > 0);
	CHECK(rig_pub_stats(pub).wait_ns > 0);
	CHECK_EQ(rig_pub_stats(pub).published, part.count);
	CHECK_EQ(weir_close(bus), 0);
	party_end(&reader);
}

static void
K34_one_to_one(const char *name)
{
	static const char *const readers[] = {"pulls"};

	crowd(name, "writes", 1, readers, 1, messages(100000));
}

static void
K31_one_to_many(const char *name)
{
	static const char *const readers[] = {
		"pulls", "is_called", "receives", "is_called_in_batches"};

	crowd(name, "writes", 1, readers, 4, messages(20000));
}

/* The slowest one gates; the others lose nothing by it. */
static void
K31_one_to_many_and_one_is_slow(const char *name)
{
	static const char *const readers[] = {"pulls", "pulls_slowly", "is_called"};

	crowd(name, "writes", 1, readers, 3, messages(20000));
}

static void
K34_many_to_one(const char *name)
{
	static const char *const readers[] = {"is_called"};

	crowd(name, "writes", 4, readers, 1, messages(20000));
}

static void
K34_many_to_many(const char *name)
{
	static const char *const readers[] = {"pulls", "is_called_in_batches", "receives"};

	crowd(name, "writes", 3, readers, 3, messages(10000));
}

/* ---- in place, and by copying --------------------------------------------------------------------- */

/* All four combinations of the copying and the in-place forms give the same sequence. */
static void
K6_copying_gives_the_same_sequence(const char *name)
{
	static const char *const writers[] = {"sends", "writes"};
	static const char *const readers[] = {"receives", "is_called", "pulls"};

	for (int i = 0; i < 2; i++)
		for (int k = 0; k < 3; k++)
			crowd(name, writers[i], 1, &readers[k], 1, messages(5000));
}

/* Two participants, and the writer's own second bus: all see a message in one place. */
static void
K52_every_reader_sees_the_same_bytes(const char *name)
{
	enum { COUNT = 200, LEN = 20000 }; /* over several segments */
	struct part part = {name, "tells_places", "t", 0, COUNT, 1};
	struct rig rig = rig_open(name, .window = RIG_WINDOW, .wait_ms = WEIR_FOREVER);
	weir_sub *places = weir_subscribe(rig.a, "places");
	struct party parties[2];
	uint64_t first = 0;
	int elsewhere = 0;

	for (int i = 0; i < 2; i++)
		party_start(&parties[i], part);
	CHECK_EQ(weir_wait_subscribers(rig.pub, 3, WEIR_FOREVER), 3);
	for (int n = 0; n < COUNT; n++) {
		struct place written, told;
		weir_claim_t claim;
		weir_msg msg;

		REQUIRE_EQ(weir_claim(rig.pub, LEN, &claim), 0);
		rig_fill(claim.data, LEN, (uint64_t)n);
		written = place_of(claim.data);
		CHECK(rig_is_inproc(name) == (written.inode == 0));
		first = n == 0 ? written.at : first;
		elsewhere += written.at != first;
		REQUIRE_EQ(weir_commit(rig.pub, &claim), 0);
		REQUIRE_EQ(weir_peek(rig.sub, &msg), 1);
		told = place_of(msg.data);
		CHECK(told.inode == written.inode && told.at == written.at);
		REQUIRE_EQ(weir_next(rig.sub), 0);
		for (int i = 0; i < 2; i++) {
			int rc;

			/* With the last message, the first of them to tell is gone. */
			do
				rc = weir_recv(places, &told, sizeof(told),
					WEIR_FOREVER, NULL);
			while (rc == -WEIR_E_GONE_END);
			REQUIRE_EQ(rc, sizeof(told));
			CHECK_EQ(told.inode, written.inode);
			CHECK_EQ(told.at, written.at);
		}
	}
	CHECK(elsewhere > 0);
	CHECK(rig_pub_stats(rig.pub).rolls > 4);
	for (int i = 0; i < 2; i++)
		party_end(&parties[i]);
	rig_close(&rig);
}

/* Within one thread over inproc, and within one bus over either, even the address is the
 * same; and what the writer put there is what is read, without anything in between. */
static void
K5_written_and_read_in_place(const char *name)
{
	weir_bus *bus = rig_bus(name);
	weir_sub *subs[2] = {weir_subscribe(bus, "t"), weir_subscribe(bus, "*")};
	weir_pub *pub = weir_advertise(bus, "t");

	CHECK_EQ(weir_wait_subscribers(pub, 2, WEIR_FOREVER), 2);
	for (uint64_t n = 0; n < 1000; n++) {
		weir_claim_t claim;
		weir_msg msg;
		const void *written;

		REQUIRE_EQ(weir_claim(pub, 600, &claim), 0);
		written = claim.data;
		rig_fill(claim.data, 600, n);
		REQUIRE_EQ(weir_commit(pub, &claim), 0);
		for (int i = 0; i < 2; i++) {
			struct place a = place_of(written), b;

			REQUIRE_EQ(weir_peek(subs[i], &msg), 1);
			b = place_of(msg.data);
			CHECK(a.inode == b.inode && a.at == b.at);
			CHECK(!rig_is_inproc(name) || msg.data == written);
			CHECK_EQ(rig_wrong(msg.data, msg.len, n), 600);
			REQUIRE_EQ(weir_next(subs[i]), 0);
		}
	}
	CHECK_EQ(weir_close(bus), 0);
}

/* ---- topics ------------------------------------------------------------------------------------------ */

static void
wildcards_take_what_matches(const char *name)
{
	static const char *const topics[] = {"a", "a.b", "a.b.c", "a.x.c", "b.b", "ab"};
	static const struct {
		const char *pattern;
		const char *takes; /* one letter per topic */
	} want[] = {
		{"a", "y-----"},
		{"*", "y----y"},
		{"a.*", "-y----"},
		{"*.b", "-y--y-"},
		{"a.*.c", "--yy--"},
		{"a.>", "-yyy--"},
		{">", "yyyyyy"},
		{"*.*.c", "--yy--"},
		{"a.b.c", "--y---"},
	};
	enum { TOPICS = 6, PATTERNS = 9 };
	weir_bus *a = rig_bus(name), *b = rig_bus(name);
	weir_pub *pubs[TOPICS];
	weir_sub *subs[PATTERNS];
	char got[TOPICS + 1];
	weir_msg msg;

	/* Half of the publishers are there before, half come after. */
	for (int t = 0; t < TOPICS; t += 2)
		pubs[t] = weir_advertise(a, topics[t]);
	for (int p = 0; p < PATTERNS; p++)
		subs[p] = weir_subscribe(b, want[p].pattern);
	for (int t = 1; t < TOPICS; t += 2)
		pubs[t] = weir_advertise(a, topics[t]);
	for (int t = 0; t < TOPICS; t++)
		REQUIRE_EQ(weir_send(pubs[t], topics[t], strlen(topics[t])), 0);
	for (int p = 0; p < PATTERNS; p++) {
		memset(got, '-', TOPICS);
		got[TOPICS] = 0;
		while (weir_peek(subs[p], &msg) == 1) {
			for (int t = 0; t < TOPICS; t++) {
				if (strcmp(msg.topic, topics[t]) != 0)
					continue;
				CHECK_EQ(got[t], '-');
				got[t] = 'y';
				CHECK_EQ(msg.len, strlen(topics[t]));
				CHECK_MEM(msg.data, topics[t], msg.len);
			}
			REQUIRE_EQ(weir_next(subs[p]), 0);
		}
		CHECK_STR(got, want[p].takes);
	}
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), 0);
}

/* ---- room ----------------------------------------------------------------------------------------------- */

static void
leaving_lets_a_blocked_publisher_go_on(const char *name)
{
	struct part part = {name, "leaves_when_told", "t", 0, 0, 1};
	weir_bus *bus = rig_bus(name);
	weir_pub *pub =
		weir_advertise(bus, "t", .window = RIG_WINDOW, .wait_ms = WEIR_FOREVER);
	weir_pub *go = weir_advertise(bus, "go");
	struct party reader;
	int count;

	party_start(&reader, part);
	CHECK_EQ(weir_wait_subscribers(pub, 1, WEIR_FOREVER), 1);
	CHECK_EQ(weir_wait_subscribers(go, 1, WEIR_FOREVER), 1);
	count = (int)(rig_pub_stats(pub).window_bytes / 50000);
	REQUIRE_EQ(weir_send(go, "go", 2), 0);
	/* Three windows: nobody reads, so without its leaving this never ends. */
	for (int n = 0; n < count * 3; n++)
		rig_send(pub, 50000, (uint64_t)n);
	CHECK_EQ(weir_subscribers(pub), 0);
	CHECK_EQ(weir_close(bus), 0);
	party_end(&reader);
}

#define TESTS(X) \
	X(order_under_back_pressure) \
	X(K34_one_to_one) \
	X(K31_one_to_many) \
	X(K31_one_to_many_and_one_is_slow) \
	X(K34_many_to_one) \
	X(K34_many_to_many) \
	X(K6_copying_gives_the_same_sequence) \
	X(K52_every_reader_sees_the_same_bytes) \
	X(K5_written_and_read_in_place) \
	X(wildcards_take_what_matches) \
	X(leaving_lets_a_blocked_publisher_go_on)

TESTS(CONFORM_STAMP)
static const struct wr_test tests[] = {TESTS(CONFORM_ENTRY) TEST_END};
static const struct wr_helper helpers[] = {HELPER(conform_party), HELPER_END};

const struct wr_suite wr_suite_flow = {.name = "flow",
	.tests = tests,
	.helpers = helpers,
	.labels = "concurrency",
	.watchdog_s = 120};
