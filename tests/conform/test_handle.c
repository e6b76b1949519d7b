/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Handles: whose they are, what a failed one does, and whether two sides mean the same. */
#include "tests/conform/rig.h"

#include "tests/lib/await.h"
#include "tests/lib/child.h"

#include <pthread.h>

/* ---- every call, and what all of them answer ------------------------------------------------ */

/* Calls everything that belongs to somebody and expects the same answer of each. */
static void
all_answer(struct rig *rig, weir_claim_t *claim, const weir_msg *held, int code)
{
	weir_pub_stats p = {.size = sizeof(p)};
	weir_sub_stats s = {.size = sizeof(s)};
	weir_claim_t other;
	weir_event event;
	weir_msg msg;
	char buf[16];

	CHECK_EQ(weir_claim(rig->pub, 1, &other), code);
	CHECK_EQ(weir_claim_n(rig->pub, 1, &other, 1), code);
	CHECK_EQ(weir_commit(rig->pub, claim), code);
	CHECK_EQ(weir_commit_n(rig->pub, claim, 1), code);
	CHECK_EQ(weir_abort(rig->pub, claim), code);
	CHECK_EQ(weir_send(rig->pub, "x", 1), code);
	CHECK_EQ(weir_subscribers(rig->pub), code);
	CHECK_EQ(weir_wait_subscribers(rig->pub, 1, 0), code);
	CHECK_EQ(weir_pub_get_stats(rig->pub, &p), code);
	CHECK_EQ(weir_peek(rig->sub, &msg), code);
	CHECK_EQ(weir_peek_n(rig->sub, &msg, 1), code);
	CHECK_EQ(weir_next(rig->sub), code);
	CHECK_EQ(weir_next_n(rig->sub, 1), code);
	CHECK_EQ(weir_recv(rig->sub, buf, sizeof(buf), 0, &msg), code);
	CHECK_EQ(weir_hold(rig->sub, held), code);
	CHECK_EQ(weir_release(rig->sub, held), code);
	CHECK_EQ(weir_publishers(rig->sub), code);
	CHECK_EQ(weir_sub_get_stats(rig->sub, &s), code);
	CHECK_EQ(weir_turn(rig->b, 0), code);
	CHECK_EQ(weir_sleep(rig->b, 0), code);
	CHECK_EQ(weir_fd(rig->b), code);
	CHECK_EQ(weir_arm(rig->b), code);
	CHECK_EQ(weir_ok(rig->b), 0);
	CHECK_EQ(weir_next_event(rig->b, &event), code);
	CHECK_EQ(weir_pending(rig->b, buf, sizeof(buf)), code);
}

/* And what would take something away. */
static void
all_refuse_to_end(struct rig *rig, int code)
{
	CHECK_EQ(weir_run(rig->b), code);
	CHECK_EQ(weir_pub_close(rig->pub), code);
	CHECK_EQ(weir_unsubscribe(rig->sub), code);
	CHECK_EQ(weir_close(rig->a), code);
	CHECK_EQ(weir_close(rig->b), code);
}

/* Two messages, one of them at hand, and a claim. */
static struct rig
busy_rig(const char *name, weir_claim_t *claim, weir_msg *msg)
{
	struct rig rig = rig_open(name);

	rig_send(rig.pub, 8, 0);
	rig_send(rig.pub, 8, 1);
	REQUIRE_EQ(weir_peek(rig.sub, msg), 1);
	REQUIRE_EQ(weir_claim(rig.pub, 8, claim), 0);
	rig_fill(claim->data, 8, 2);
	return rig;
}

/* Nothing has happened. */
static void
undisturbed(struct rig *rig, weir_claim_t *claim)
{
	claim->len = 8;
	CHECK_EQ(weir_commit(rig->pub, claim), 0);
	for (uint64_t n = 0; n < 3; n++)
		rig_take(rig->sub, 8, n);
	CHECK_EQ(rig_pub_stats(rig->pub).published, 3);
	CHECK_EQ(rig_sub_stats(rig->sub).delivered, 3);
	CHECK_EQ(weir_why(rig->a)->code, 0);
	CHECK_EQ(weir_why(rig->b)->code, 0);
}

/* ---- threads ----------------------------------------------------------------------------------- */

struct moved {
	struct rig rig;
	weir_claim_t claim;
	weir_msg msg;
};

static void *
stranger(void *arg)
{
	struct moved *moved = arg;
	weir_pub *pub;
	weir_sub *sub;

	all_answer(&moved->rig, &moved->claim, &moved->msg, -WEIR_E_USAGE_THREAD);
	all_refuse_to_end(&moved->rig, -WEIR_E_USAGE_THREAD);
	pub = weir_advertise(moved->rig.a, "other");
	sub = weir_subscribe(moved->rig.b, "other");
	CHECK_EQ(weir_pub_why(pub)->code, WEIR_E_USAGE_THREAD);
	CHECK_EQ(weir_sub_why(sub)->code, WEIR_E_USAGE_THREAD);
	CHECK_EQ(weir_send(pub, "x", 1), -WEIR_E_USAGE_THREAD);
	CHECK_EQ(weir_pub_close(pub), 0);
	CHECK_EQ(weir_unsubscribe(sub), 0);
	/* Any thread may do these. */
	CHECK_EQ(weir_wake(moved->rig.a), 0);
	return NULL;
}

static void *
heir(void *arg)
{
	struct moved *moved = arg;

	CHECK_EQ(weir_adopt(moved->rig.a), 0);
	CHECK_EQ(weir_adopt(moved->rig.b), 0);
	undisturbed(&moved->rig, &moved->claim);
	return NULL;
}

static void *
heir_of_the_publisher(void *arg)
{
	struct moved *moved = arg;

	CHECK_EQ(weir_pub_adopt(moved->rig.pub), 0);
	CHECK_EQ(weir_send(moved->rig.pub, "mine", 4), 0);
	CHECK_EQ(weir_turn(moved->rig.a, 0), -WEIR_E_USAGE_THREAD);
	return NULL;
}

static void
run_in_thread(void *(*fn)(void *), struct moved *moved)
{
	pthread_t thread;

	REQUIRE_EQ(pthread_create(&thread, NULL, fn, moved), 0);
	REQUIRE_EQ(pthread_join(thread, NULL), 0);
}

static void
other_threads_are_refused(const char *name)
{
	struct moved moved;

	moved.rig = busy_rig(name, &moved.claim, &moved.msg);
	run_in_thread(stranger, &moved);
	undisturbed(&moved.rig, &moved.claim);
	rig_close(&moved.rig);
}

/* What was refused before is the heir's right, and its former owner is the stranger. */
static void
adopted_handles_belong_to_the_heir(const char *name)
{
	struct moved moved;
	char buf[8];

	moved.rig = busy_rig(name, &moved.claim, &moved.msg);
	run_in_thread(heir, &moved);
	all_answer(&moved.rig, &moved.claim, &moved.msg, -WEIR_E_USAGE_THREAD);
	all_refuse_to_end(&moved.rig, -WEIR_E_USAGE_THREAD);
	CHECK_EQ(weir_adopt(moved.rig.a), 0);
	CHECK_EQ(weir_adopt(moved.rig.b), 0);
	/* A publisher may go alone. */
	run_in_thread(heir_of_the_publisher, &moved);
	CHECK_EQ(weir_send(moved.rig.pub, "x", 1), -WEIR_E_USAGE_THREAD);
	CHECK_EQ(weir_recv(moved.rig.sub, buf, 8, WEIR_FOREVER, NULL), 4);
	CHECK_EQ(weir_pub_adopt(moved.rig.pub), 0);
	CHECK_EQ(weir_send(moved.rig.pub, "x", 1), 0);
	rig_close(&moved.rig);
}

/* ---- fork -------------------------------------------------------------------------------------------- */

static void
in_the_child(struct wr_outcome *out, void *arg)
{
	struct moved *moved = arg;
	unsigned failed = 0;

	/* Checks made here are lost: what is not as it should be is counted. */
	failed += weir_send(moved->rig.pub, "x", 1) != -WEIR_E_GONE_FORKED;
	failed += weir_claim(moved->rig.pub, 1, &moved->claim) != -WEIR_E_GONE_FORKED;
	failed += weir_commit(moved->rig.pub, &moved->claim) != -WEIR_E_GONE_FORKED;
	failed += weir_abort(moved->rig.pub, &moved->claim) != -WEIR_E_GONE_FORKED;
	failed += weir_peek(moved->rig.sub, &moved->msg) != -WEIR_E_GONE_FORKED;
	failed += weir_next(moved->rig.sub) != -WEIR_E_GONE_FORKED;
	failed += weir_turn(moved->rig.b, 0) != -WEIR_E_GONE_FORKED;
	failed += weir_run(moved->rig.b) != -WEIR_E_GONE_FORKED;
	failed += weir_ok(moved->rig.b) != 0;
	failed += weir_adopt(moved->rig.b) != -WEIR_E_GONE_FORKED;
	failed += weir_pub_adopt(moved->rig.pub) != -WEIR_E_GONE_FORKED;
	failed += weir_pub_close(moved->rig.pub) != -WEIR_E_GONE_FORKED;
	failed += weir_unsubscribe(moved->rig.sub) != -WEIR_E_GONE_FORKED;
	failed += weir_close(moved->rig.a) != -WEIR_E_GONE_FORKED;
	failed += weir_close(moved->rig.b) != -WEIR_E_GONE_FORKED;
	out->value[0] = failed;
	out->value[1] = 1;
}

static void
a_forked_child_has_no_handles(const char *name)
{
	struct moved moved;
	struct wr_outcome out;

	moved.rig = busy_rig(name, &moved.claim, &moved.msg);
	out = wr_in_child(in_the_child, &moved);
	CHECK_EQ(out.status, 0);
	CHECK_EQ(out.value[1], 1);
	CHECK_EQ(out.value[0], 0);
	/* The child's end is not ours. */
	undisturbed(&moved.rig, &moved.claim);
	CHECK_EQ(weir_subscribers(moved.rig.pub), 1);
	rig_close(&moved.rig);
}

/* ---- failed handles -------------------------------------------------------------------------------- */

/* A handle that failed carries its error, and every call answers with that. */
static void
a_failed_handle_is_a_handle(const char *name)
{
	struct rig rig = {.a = weir_open("", .flags = WEIR_BUS_QUIET)};
	weir_claim_t claim = {0};
	weir_msg msg = {0};
	weir_bus *good;

	REQUIRE(rig.a != NULL);
	rig.b = rig.a;
	CHECK_EQ(weir_why(rig.a)->code, WEIR_E_USAGE_NAME);
	rig.pub = weir_advertise(rig.a, "t");
	rig.sub = weir_subscribe(rig.a, "t");
	REQUIRE(rig.pub && rig.sub);
	CHECK_EQ(weir_pub_why(rig.pub)->code, WEIR_E_USAGE_NAME);
	CHECK_EQ(weir_sub_why(rig.sub)->code, WEIR_E_USAGE_NAME);
	all_answer(&rig, &claim, &msg, -WEIR_E_USAGE_NAME);
	CHECK_EQ(weir_run(rig.a), weir_err_exit(WEIR_E_USAGE_NAME));
	CHECK_EQ(weir_close(rig.a), weir_err_exit(WEIR_E_USAGE_NAME));

	/* On a good bus only the one that failed has failed; the bus remembers for main. */
	good = rig_bus(name);
	rig.pub = weir_advertise(good, "no.patterns.*");
	rig.sub = weir_subscribe(good, "t");
	CHECK_EQ(weir_pub_why(rig.pub)->code, WEIR_E_USAGE_NAME);
	CHECK(strstr(weir_pub_why(rig.pub)->text, "no.patterns.*") != NULL);
	CHECK(strstr(weir_pub_why(rig.pub)->where, name) != NULL);
	CHECK_EQ(weir_send(rig.pub, "x", 1), -WEIR_E_USAGE_NAME);
	CHECK_EQ(weir_sub_why(rig.sub)->code, 0);
	CHECK_EQ(weir_peek(rig.sub, &msg), 0);
	CHECK_EQ(weir_why(good)->code, WEIR_E_USAGE_NAME);
	CHECK_EQ(weir_close(good), weir_err_exit(WEIR_E_USAGE_NAME));
	CHECK_EQ(weir_close(NULL), 0);
	CHECK_EQ(weir_pub_close(NULL), 0);
	CHECK_EQ(weir_unsubscribe(NULL), 0);
}

static void
options_are_checked(const char *name)
{
	static const weir_pub_opts wrong_pubs[] = {
		{.size = sizeof(weir_pub_opts), .topic = NULL},
		{.size = sizeof(weir_pub_opts), .topic = ""},
		{.size = sizeof(weir_pub_opts), .topic = "a..b"},
		{.size = sizeof(weir_pub_opts), .topic = ">"},
		{.size = sizeof(weir_pub_opts) - 8, .topic = "t"},
		{.size = sizeof(weir_pub_opts), .topic = "t", .align = 8},
		{.size = sizeof(weir_pub_opts), .topic = "t", .align = 48},
		{.size = sizeof(weir_pub_opts), .topic = "t", .align = 8192},
		{.size = sizeof(weir_pub_opts),
			.topic = "t",
			.max_message = (size_t)WEIR_MESSAGE_MAX + 1},
		{.size = sizeof(weir_pub_opts), .topic = "t", .wait_ms = -3},
		{.size = sizeof(weir_pub_opts), .topic = "t", .stamp = 3},
	};
	static const int pub_codes[] = {WEIR_E_USAGE_NAME, WEIR_E_USAGE_NAME,
		WEIR_E_USAGE_NAME, WEIR_E_USAGE_NAME, WEIR_E_USAGE_SIZE,
		WEIR_E_USAGE_INVAL, WEIR_E_USAGE_INVAL, WEIR_E_USAGE_INVAL,
		WEIR_E_USAGE_INVAL, WEIR_E_USAGE_INVAL, WEIR_E_USAGE_INVAL};
	weir_bus *bus = rig_bus(name);
	weir_pub_stats p = {.size = sizeof(p) - 8};
	weir_sub_stats s = {.size = sizeof(s) + 8};
	weir_sub *sub;

	for (int i = 0; i < 11; i++)
		CHECK_EQ(weir_pub_why(weir_advertise_(bus, &wrong_pubs[i]))->code,
			pub_codes[i]);
	sub = weir_subscribe(bus, "a.>.b");
	CHECK_EQ(weir_sub_why(sub)->code, WEIR_E_USAGE_NAME);
	sub = weir_subscribe(bus, "t", .holds = WEIR_HOLDS_MAX + 1);
	CHECK_EQ(weir_sub_why(sub)->code, WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_pub_get_stats(weir_advertise(bus, "t"), &p), -WEIR_E_USAGE_SIZE);
	CHECK_EQ(weir_sub_get_stats(weir_subscribe(bus, "t"), &s), -WEIR_E_USAGE_SIZE);
	CHECK(weir_close(bus) != 0);
}

/* ---- types ---------------------------------------------------------------------------------------------- */

/* Another hash or another name is another type; without one, everything fits. */
static void
types_are_compared(const char *name)
{
	static const struct {
		const char *type;
		uint64_t hash;
		int fits;
	} sides[] = {{"imu", 1, 1}, {"imu", 2, 0}, {"odo", 1, 0}, {NULL, 0, 1},
		{"imu", 0, 1}};
	weir_bus *a = rig_bus(name), *b = rig_bus(name);
	weir_pub *pub = weir_advertise(a, "t", .type = "imu", .type_hash = 1);
	weir_sub *good = NULL, *late;
	weir_event event;
	int fit = 0;

	for (int i = 0; i < 5; i++) {
		weir_sub *sub = weir_subscribe(
			b, "t", .type = sides[i].type, .type_hash = sides[i].hash);

		CHECK_EQ(weir_sub_why(sub)->code, sides[i].fits ? 0 : WEIR_E_USAGE_TYPE);
		fit += sides[i].fits;
		good = sides[i].fits ? sub : good;
		if (!sides[i].fits) {
			CHECK(strstr(weir_sub_why(sub)->differs, "imu") != NULL);
			CHECK_EQ(weir_recv(sub, NULL, 0, 0, NULL), -WEIR_E_USAGE_TYPE);
		}
	}
	CHECK_EQ(weir_wait_subscribers(pub, fit, WEIR_FOREVER), fit);
	rig_send(pub, 8, 0);
	rig_take(good, 8, 0);
	/* Where the publisher comes later, it is an event, and counted. */
	late = weir_subscribe(b, "later", .type = "imu", .type_hash = 2);
	CHECK_EQ(weir_sub_why(late)->code, 0);
	pub = weir_advertise(a, "later", .type = "imu", .type_hash = 1);
	CHECK_EQ(weir_pub_why(pub)->code, 0);
	event = await_event(b, WEIR_EV_REFUSED);
	while (strcmp(event.topic, "later") != 0)
		event = await_event(b, WEIR_EV_REFUSED);
	CHECK_EQ(event.code, WEIR_E_USAGE_TYPE);
	CHECK_EQ(rig_sub_stats(late).refused, 1);
	CHECK_EQ(rig_sub_stats(late).streams, 0);
	CHECK_EQ(weir_subscribers(pub), 0);
	CHECK_EQ(weir_close(a), 0);
	CHECK_EQ(weir_close(b), weir_err_exit(WEIR_E_USAGE_TYPE));
}

#define TESTS(X) \
	X(other_threads_are_refused) \
	X(adopted_handles_belong_to_the_heir) \
	X(a_forked_child_has_no_handles) \
	X(a_failed_handle_is_a_handle) \
	X(options_are_checked) \
	X(types_are_compared)

TESTS(CONFORM_STAMP)
static const struct wr_test tests[] = {TESTS(CONFORM_ENTRY) TEST_END};

const struct wr_suite wr_suite_handle = {
	.name = "handle", .tests = tests, .labels = "concurrency"};
