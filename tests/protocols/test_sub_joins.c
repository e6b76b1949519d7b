/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* N3 within one process, ten thousand times in each direction: nobody joins too late. */
#include "tests/lib/await.h"
#include "tests/lib/test.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <weir/weir.h>

enum {
	JOINS = 10000,
	AFTER = 3, /* messages that each newcomer must see without a gap */
	PUBS = 2
};

struct publisher {
	pthread_t thread;
	uint64_t id;    /* of its stream */
	uint64_t begun; /* messages whose sending has begun */
	uint32_t ready, over;
};

#define take(p)    __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define give(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

static weir_bus *
bus_of(void)
{
	weir_bus *bus =
		weir_open("inproc:joins", .flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET);

	REQUIRE_EQ(weir_why(bus)->code, 0);
	return bus;
}

/* Publishes without a pause; several claims are open at once, across segments too. */
static void *
publish(void *arg)
{
	struct publisher *self = arg;
	weir_bus *bus = bus_of();
	weir_pub *pub = weir_advertise(bus, "t", .stamp = WEIR_STAMP_OFF,
		.wait_ms = WEIR_FOREVER, .max_message = 60000);
	weir_pub_stats stats = {.size = sizeof(stats)};

	CHECK_EQ(weir_pub_get_stats(pub, &stats), 0);
	self->id = stats.publisher;
	give(&self->ready, 1u);
	while (!take(&self->over)) {
		weir_claim_t claims[4];

		/* A claim is published by its commit: what is open now comes after a join. */
		for (int i = 0; i < 4; i++)
			CHECK_EQ(weir_claim(pub, i == 1 ? 60000 : 8, &claims[i]), 0);
		for (int i = 3; i >= 0; i--) {
			memcpy(claims[i].data, &claims[i].seq, 8);
			if (i == 0)
				give(&self->begun, claims[0].seq);
			CHECK_EQ(weir_commit(pub, &claims[i]), 0);
		}
	}
	weir_close(bus);
	return NULL;
}

static struct publisher *
whose(struct publisher *pubs, uint64_t id)
{
	for (int i = 0; i < PUBS; i++)
		if (pubs[i].id == id)
			return &pubs[i];
	return NULL;
}

static void
N3_subscribers_join_under_load(void)
{
	static struct publisher pubs[PUBS];
	weir_bus *bus = bus_of();

	for (int i = 0; i < PUBS; i++) {
		REQUIRE_EQ(pthread_create(&pubs[i].thread, NULL, publish, &pubs[i]), 0);
		while (!take(&pubs[i].ready))
			;
	}
	for (int join = 0; join < JOINS; join++) {
		weir_sub *sub = weir_subscribe(bus, "t", .policy = WEIR_BLOCK);
		uint64_t begun[PUBS], next[PUBS] = {0};
		unsigned seen[PUBS] = {0}, done = 0;

		/* What begins from here on is promised, and so is what had begun: its group of
		 * claims was not yet committed to the end, or the next one is to come. */
		for (int i = 0; i < PUBS; i++)
			begun[i] = take(&pubs[i].begun);
		REQUIRE_EQ(weir_sub_why(sub)->code, 0);
		while (done < PUBS) {
			struct publisher *pub;
			uint64_t seq;
			weir_msg msg;
			int rc = weir_peek(sub, &msg);

			if (rc == 0) {
				sched_yield();
				continue;
			}
			pub = rc == 1 ? whose(pubs, msg.publisher) : NULL;
			REQUIRE(pub != NULL);
			memcpy(&seq, msg.data, 8);
			if (seq != msg.seq || msg.lost != 0)
				FAIL("message %llu says %llu, %llu lost",
					(unsigned long long)msg.seq,
					(unsigned long long)seq,
					(unsigned long long)msg.lost);
			if (seen[pub - pubs] == 0 && msg.seq > begun[pub - pubs] + 4)
				FAIL("join %d: first message %llu, begun %llu", join,
					(unsigned long long)msg.seq,
					(unsigned long long)begun[pub - pubs]);
			if (seen[pub - pubs] > 0 && msg.seq != next[pub - pubs])
				FAIL("join %d: message %llu, not %llu", join,
					(unsigned long long)msg.seq,
					(unsigned long long)next[pub - pubs]);
			next[pub - pubs] = msg.seq + 1;
			done += ++seen[pub - pubs] == AFTER;
			(void)weir_next(sub);
		}
		CHECK_EQ(weir_unsubscribe(sub), 0);
	}
	for (int i = 0; i < PUBS; i++)
		give(&pubs[i].over, 1u);
	for (int i = 0; i < PUBS; i++)
		pthread_join(pubs[i].thread, NULL);
	CHECK_EQ(weir_close(bus), 0);
}

struct listener {
	pthread_t thread;
	uint64_t ended;
	uint32_t ready, over;
};

/* Every stream comes whole: so many messages from its first on, and then its end. */
static void *
listen(void *arg)
{
	struct listener *self = arg;
	weir_bus *bus = bus_of();
	weir_sub *sub = weir_subscribe(bus, "t", .policy = WEIR_BLOCK);
	uint64_t publisher = 0, next = 0;

	give(&self->ready, 1u);
	while (!take(&self->over) || self->ended < JOINS) {
		weir_msg msg;
		int rc = weir_peek(sub, &msg);

		if (rc == 1) {
			if (next == 0)
				publisher = msg.publisher;
			if (msg.publisher != publisher || msg.seq != next || msg.lost != 0)
				FAIL("message %llu, not %llu", (unsigned long long)msg.seq,
					(unsigned long long)next);
			next++;
			(void)weir_next(sub);
		} else if (rc == -WEIR_E_GONE_END) {
			if (next != AFTER)
				FAIL("a stream of %llu messages",
					(unsigned long long)next);
			next = 0;
			give(&self->ended, self->ended + 1);
		} else if (rc == 0) {
			sched_yield();
		} else {
			FAIL("peek was answered with %d", rc);
		}
	}
	weir_close(bus);
	return NULL;
}

static void
N3_publishers_join_before_subscribers(void)
{
	static struct listener listeners[2];
	weir_bus *bus = bus_of();

	for (int i = 0; i < 2; i++) {
		REQUIRE_EQ(pthread_create(
				   &listeners[i].thread, NULL, listen, &listeners[i]),
			0);
		AWAIT(take(&listeners[i].ready));
	}
	for (uint64_t join = 1; join <= JOINS; join++) {
		weir_pub *pub = weir_advertise(bus, "t", .max_message = 8);

		REQUIRE_EQ(weir_pub_why(pub)->code, 0);
		CHECK_EQ(weir_subscribers(pub), 2);
		for (int i = 0; i < AFTER; i++)
			CHECK_EQ(weir_send(pub, "12345678", 8), 0);
		CHECK_EQ(weir_pub_close(pub), 0);
		for (int i = 0; i < 2; i++)
			AWAIT(take(&listeners[i].ended) >= join);
	}
	for (int i = 0; i < 2; i++)
		give(&listeners[i].over, 1u);
	for (int i = 0; i < 2; i++)
		pthread_join(listeners[i].thread, NULL);
	CHECK_EQ(weir_close(bus), 0);
}

static const struct wr_test tests[] = {TEST(N3_subscribers_join_under_load),
	TEST(N3_publishers_join_before_subscribers), TEST_END};
const struct wr_suite wr_suite_sub_joins = {
	.name = "sub_joins", .tests = tests, .labels = "concurrency", .watchdog_s = 300};
