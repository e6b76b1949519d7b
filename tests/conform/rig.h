/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the conformance tests share. Every test is a function of the bus's name, and is
 * stamped once for each scheme: a suite lists its tests,
 *
 *	#define TESTS(X) X(K18_peek_twice_is_the_same) X(K18_next_then_peek)
 *	TESTS(CONFORM_STAMP)
 *	static const struct wr_test tests[] = {TESTS(CONFORM_ENTRY) TEST_END};
 *
 * and so has K18_peek_twice_is_the_same_inproc and K18_peek_twice_is_the_same_shm. A new
 * scheme is one more line in the two macros. Nothing here includes more than <weir/...>.
 */
#ifndef WR_TESTS_CONFORM_RIG_H
#define WR_TESTS_CONFORM_RIG_H

#include "tests/lib/payload.h"
#include "tests/lib/test.h"

#include <string.h>
#include <weir/weir.h>

/* clang-format off */
#define CONFORM_STAMP(fn) \
	static void fn##_inproc(void) { fn("inproc:bus"); } \
	static void fn##_shm(void) { fn("bus"); }
#define CONFORM_ENTRY(fn) TEST(fn##_inproc), TEST(fn##_shm),
/* clang-format on */

enum {
	RIG_WINDOW = 1 /* asks for the smallest there is, of four segments */
};

/* One publisher and one subscription, each with a bus of its own, in this thread. */
struct rig {
	weir_bus *a, *b;
	weir_pub *pub;
	weir_sub *sub;
};

static inline int
rig_is_inproc(const char *name)
{
	return strncmp(name, "inproc:", 7) == 0;
}

static inline weir_bus *
rig_bus(const char *name)
{
	/* Nobody is silent here, so on a crowded machine it is waited for. */
	weir_bus *bus = weir_open(name, .attach_ms = 600000,
		.flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET);

	REQUIRE_EQ(weir_why(bus)->code, 0);
	return bus;
}

static inline struct rig
rig_open_as(const char *name, const weir_pub_opts *pub, const weir_sub_opts *sub)
{
	struct rig rig = {.a = rig_bus(name), .b = rig_bus(name)};

	rig.pub = weir_advertise_(rig.a, pub);
	rig.sub = weir_subscribe_(rig.b, sub);
	REQUIRE_EQ(weir_pub_why(rig.pub)->code, 0);
	REQUIRE_EQ(weir_sub_why(rig.sub)->code, 0);
	/* The count follows when the subscriber has told that it has mapped the stream. */
	REQUIRE_EQ(weir_wait_subscribers(rig.pub, 1, WEIR_FOREVER), 1);
	return rig;
}

/* The options of the publisher follow the name. */
#define rig_open(name_, ...) \
	rig_open_as((name_), \
		&(weir_pub_opts){ \
			.size = sizeof(weir_pub_opts), .topic = "t", __VA_ARGS__}, \
		&(weir_sub_opts){.size = sizeof(weir_sub_opts), .topic = "t"})

static inline void
rig_close(struct rig *rig)
{
	CHECK_EQ(weir_close(rig->a), 0);
	CHECK_EQ(weir_close(rig->b), 0);
}

static inline void
rig_send(weir_pub *pub, size_t len, uint64_t n)
{
	weir_claim_t claim;

	REQUIRE_EQ(weir_claim(pub, len, &claim), 0);
	rig_fill(claim.data, len, n);
	REQUIRE_EQ(weir_commit(pub, &claim), 0);
}

/* The next message has to be number n, of this size; it is passed. */
static inline void
rig_take(weir_sub *sub, size_t len, uint64_t n)
{
	weir_msg msg;

	REQUIRE_EQ(weir_peek(sub, &msg), 1);
	CHECK_EQ(msg.len, len);
	CHECK_EQ(rig_wrong(msg.data, msg.len, n), msg.len);
	REQUIRE_EQ(weir_next(sub), 0);
}

static inline weir_pub_stats
rig_pub_stats(weir_pub *pub)
{
	weir_pub_stats stats = {.size = sizeof(stats)};

	CHECK_EQ(weir_pub_get_stats(pub, &stats), 0);
	return stats;
}

static inline weir_sub_stats
rig_sub_stats(weir_sub *sub)
{
	weir_sub_stats stats = {.size = sizeof(stats)};

	CHECK_EQ(weir_sub_get_stats(sub, &stats), 0);
	return stats;
}

#endif
