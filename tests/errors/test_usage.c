/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a caller can get wrong, through the public interface: each mistake has its code,
 * its text says what was given and where, and nothing has changed afterwards.
 */
#include <weir/look.h>
#include <weir/weir.h>

#include "tests/lib/fdleak.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FLAGS = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET };

/* An error as a person reads it: code, what, where; differs and advice where there are. */
static void
check_error(const weir_error *err, int code, const char *text, const char *where)
{
	char all[1100];

	CHECK_EQ(err->code, code);
	if (!strstr(err->text, text))
		FAIL("the text is \"%s\", without \"%s\"", err->text, text);
	if (!strstr(err->where, where))
		FAIL("the place is \"%s\", without \"%s\"", err->where, where);
	CHECK(err->text[0] && err->hint[0]);
	CHECK((size_t)weir_error_format(err, "test", all, sizeof(all)) < sizeof(all));
	CHECK(strncmp(all, "test: error ", 12) == 0);
	CHECK(strstr(all, weir_err_name(code)) != NULL);
	for (const char *c = all; *c; c++)
		CHECK((unsigned char)*c >= 0x20 || *c == '\n');
}

/* A bus that cannot be opened: everything on it answers the same and does nothing. */
static void
refuses_bus(const weir_bus_opts *opts, int code, const char *text, const char *where)
{
	weir_bus *bus = weir_open_(opts);
	weir_sub *sub;
	weir_pub *pub;
	weir_event event;

	REQUIRE(bus != NULL);
	check_error(weir_why(bus), code, text, where);
	CHECK_EQ(weir_turn(bus, 0), -code);
	CHECK_EQ(weir_fd(bus), -code);
	CHECK_EQ(weir_arm(bus), -code);
	CHECK_EQ(weir_ok(bus), 0);
	CHECK_EQ(weir_sleep(bus, 0), -code);
	CHECK_EQ(weir_wake(bus), -code);
	CHECK_EQ(weir_stop(bus), -code);
	CHECK_EQ(weir_next_event(bus, &event), -code);
	CHECK_EQ(weir_pending(bus, NULL, 0), -code);
	pub = weir_advertise(bus, "imu");
	sub = weir_subscribe(bus, "imu");
	CHECK_EQ(weir_pub_why(pub)->code, code);
	CHECK_EQ(weir_sub_why(sub)->code, code);
	CHECK_EQ(weir_send(pub, "x", 1), -code);
	CHECK_EQ(weir_recv(sub, NULL, 0, 0, NULL), -code);
	CHECK_EQ(weir_run(bus), weir_err_exit(code));
	CHECK_EQ(weir_close(bus), weir_err_exit(code));
}

static void
bus_options(void)
{
	char name[WEIR_NAME_MAX + 2];
	weir_bus_opts opts = {.size = sizeof(opts), .name = "bus", .flags = FLAGS};
	static const char *const names[] = {"", ".", "a..b", ".a", "a.", "a b", "a\nb",
		"a/b", "../up", "a\x7f", "\xff\xfe", "a*", "*", ">", "\xc2\xa0"};
	struct wr_fds *fds = malloc(sizeof(*fds));

	wr_fds_take(fds);
	refuses_bus(NULL, WEIR_E_USAGE_INVAL, "no options", "weir_open");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		opts.name = names[i];
		refuses_bus(&opts, WEIR_E_USAGE_NAME, "is not a bus name", "weir_open");
		opts.name = "bus";
		opts.node = names[i];
		refuses_bus(&opts, WEIR_E_USAGE_NAME, "is not a node name",
			"weir_open 'bus'");
		opts.node = NULL;
	}
	opts.name = NULL;
	refuses_bus(&opts, WEIR_E_USAGE_NAME, "(null)", "weir_open");
	memset(name, 'n', sizeof(name));
	name[WEIR_NAME_MAX + 1] = 0;
	opts.name = name;
	refuses_bus(&opts, WEIR_E_USAGE_NAME, "is not a bus name", "weir_open");
	opts.name = "inproc:";
	CHECK_EQ(weir_close(weir_open_(&opts)), 0); /* the bus of that name, within */
	opts.name = "bus";
	opts.size = 0;
	refuses_bus(&opts, WEIR_E_USAGE_SIZE, "weir_bus_opts of 0 bytes",
		"weir_open 'bus'");
	opts.size = sizeof(opts) - 1;
	refuses_bus(&opts, WEIR_E_USAGE_SIZE, "this library knows", "weir_open 'bus'");
	opts.size = sizeof(opts) + 8;
	refuses_bus(&opts, WEIR_E_USAGE_SIZE, "this library knows", "weir_open 'bus'");
	opts.size = sizeof(opts);
	opts.idle = WEIR_IDLE_SPIN + 1;
	refuses_bus(
		&opts, WEIR_E_USAGE_INVAL, "idle 4 is not a choice", "weir_open 'bus'");
	opts.idle = 0;
	opts.flags = FLAGS | 1u << 20;
	refuses_bus(&opts, WEIR_E_USAGE_INVAL, "flags 0x100006", "weir_open 'bus'");
	opts.flags = FLAGS;
	opts.group = "no-such-group";
	refuses_bus(&opts, WEIR_E_USAGE_INVAL, "no-such-group", "bus");
	opts.group = NULL;
	opts.users = "no-such-user";
	refuses_bus(&opts, WEIR_E_USAGE_INVAL, "no-such-user", "bus");
	opts.users = NULL;
	/* The longest name there is. */
	name[WEIR_NAME_MAX] = 0;
	opts.name = opts.node = name;
	CHECK_EQ(weir_close(weir_open_(&opts)), 0);
	CHECK_EQ(wr_fds_new(fds), 0);
	free(fds);
}

static void
refuses_pub(weir_bus *bus, const weir_pub_opts *opts, int code, const char *text,
	const char *where)
{
	weir_claim_t claim;
	weir_pub *pub = weir_advertise_(bus, opts);

	REQUIRE(pub != NULL);
	check_error(weir_pub_why(pub), code, text, where);
	CHECK_EQ(weir_claim(pub, 1, &claim), -code);
	CHECK_EQ(weir_claim_n(pub, 1, &claim, 1), -code);
	CHECK_EQ(weir_commit(pub, &claim), -code);
	CHECK_EQ(weir_abort(pub, &claim), -code);
	CHECK_EQ(weir_send(pub, "x", 1), -code);
	CHECK_EQ(weir_subscribers(pub), -code);
	CHECK_EQ(weir_wait_subscribers(pub, 1, 0), -code);
	CHECK_EQ(weir_pub_close(pub), 0);
}

static void
refuses_sub(weir_bus *bus, const weir_sub_opts *opts, int code, const char *text,
	const char *where)
{
	weir_sub *sub = weir_subscribe_(bus, opts);
	weir_msg msg = {0};

	REQUIRE(sub != NULL);
	check_error(weir_sub_why(sub), code, text, where);
	CHECK_EQ(weir_peek(sub, &msg), -code);
	CHECK_EQ(weir_next(sub), -code);
	CHECK_EQ(weir_recv(sub, NULL, 0, 0, &msg), -code);
	CHECK_EQ(weir_hold(sub, &msg), -code);
	CHECK_EQ(weir_release(sub, &msg), -code);
	CHECK_EQ(weir_publishers(sub), -code);
	CHECK_EQ(weir_unsubscribe(sub), 0);
}

static int
take(void *ctx, const weir_msg *msg)
{
	(void)ctx;
	(void)msg;
	return 0;
}

static int
take_batch(void *ctx, const weir_msg *msgs, size_t count)
{
	(void)ctx;
	(void)msgs;
	(void)count;
	return 0;
}

static void
publisher_options(const char *bus_name)
{
	static const char *const names[] = {"", ".", "a..b", ".a", "a.", "a b", "a\tb",
		"*", "a.*", ">", "a.>", "a\x1b[31m", "\xc0\x80"};
	weir_bus *bus = weir_open(bus_name, .flags = FLAGS);
	weir_pub_opts opts = {.size = sizeof(opts)};
	char name[WEIR_NAME_MAX + 2], type[WEIR_NAME_MAX + 2];
	weir_pub_stats stats = {.size = sizeof(stats) - 1};
	weir_pub *pub;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		opts.topic = names[i];
		refuses_pub(bus, &opts, WEIR_E_USAGE_NAME, "is not a topic",
			"weir_advertise '");
	}
	opts.topic = NULL;
	refuses_pub(bus, &opts, WEIR_E_USAGE_NAME, "(null)", "weir_advertise");
	memset(name, 't', sizeof(name));
	name[WEIR_NAME_MAX + 1] = 0;
	opts.topic = name;
	refuses_pub(bus, &opts, WEIR_E_USAGE_NAME, "is not a topic", "weir_advertise");
	name[WEIR_NAME_MAX] = 0;
	memset(type, 'y', sizeof(type));
	type[WEIR_NAME_MAX + 1] = 0;
	opts.type = type;
	refuses_pub(bus, &opts, WEIR_E_USAGE_NAME, "type's name is too long",
		"weir_advertise");
	type[WEIR_NAME_MAX] = 0;
	pub = weir_advertise_(bus, &opts); /* both as long as may be */
	CHECK_EQ(weir_pub_why(pub)->code, 0);
	CHECK_EQ(weir_pub_close(pub), 0);

	opts = (weir_pub_opts){.size = sizeof(opts), .topic = "imu"};
	opts.size--;
	refuses_pub(bus, &opts, WEIR_E_USAGE_SIZE, "weir_pub_opts of",
		"weir_advertise 'imu'");
	opts.size++;
	opts.max_message = (size_t)WEIR_MESSAGE_MAX + 1;
	refuses_pub(bus, &opts, WEIR_E_USAGE_INVAL, "max_message 67108865", "'imu'");
	opts.max_message = SIZE_MAX;
	refuses_pub(
		bus, &opts, WEIR_E_USAGE_INVAL, "above the limit of 67108864", "'imu'");
	opts.max_message = 0;
	opts.window = SIZE_MAX;
	refuses_pub(bus, &opts, WEIR_E_USAGE_INVAL, "window of 18446744073709551615",
		"'imu'");
	opts.window = 0;
	for (size_t align = 1; align < 3 * WEIR_ALIGN_MAX; align = align * 2 + 1) {
		opts.align = align;
		refuses_pub(bus, &opts, WEIR_E_USAGE_INVAL, "is not a power of two",
			"'imu'");
	}
	opts.align = 8;
	refuses_pub(bus, &opts, WEIR_E_USAGE_INVAL, "align 8", "'imu'");
	opts.align = WEIR_ALIGN_MAX * 2;
	refuses_pub(bus, &opts, WEIR_E_USAGE_INVAL, "align 8192", "'imu'");
	opts.align = 0;
	opts.stamp = WEIR_STAMP_OFF + 1;
	refuses_pub(bus, &opts, WEIR_E_USAGE_INVAL, "stamp 3", "'imu'");
	opts.stamp = 0;
	opts.wait_ms = -3;
	refuses_pub(bus, &opts, WEIR_E_USAGE_INVAL, "wait_ms -3", "'imu'");
	opts.wait_ms = 0;
	opts.readers = "root,no-such-user";
	refuses_pub(bus, &opts, WEIR_E_USAGE_INVAL, "no-such-user", "'imu'");
	opts.readers = NULL;
	refuses_pub(NULL, &opts, WEIR_E_USAGE_INVAL, "no bus is given", "weir_advertise");
	refuses_pub(bus, NULL, WEIR_E_USAGE_INVAL, "no options are given",
		"weir_advertise");

	pub = weir_advertise_(bus, &opts);
	CHECK_EQ(weir_pub_get_stats(pub, NULL), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_pub_get_stats(pub, &stats), -WEIR_E_USAGE_SIZE);
	CHECK_EQ(weir_send(pub, NULL, 1), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_send(pub, NULL, 0), 0);
	CHECK_EQ(weir_pub_close(NULL), 0);
	/* The bus answers for the first mistake, in its exit code and on stderr. */
	CHECK_EQ(weir_why(bus)->code, WEIR_E_USAGE_NAME);
	CHECK_EQ(weir_close(bus), weir_err_exit(WEIR_E_USAGE_NAME));
	CHECK_EQ(weir_close(NULL), 0);
}

static void
publishers(void)
{
	publisher_options("inproc:bus");
	publisher_options("bus");
}

static void
subscriber_options(const char *bus_name)
{
	static const char *const patterns[] = {"", ".", "a..b", "a.>.b", ">.a", "a*",
		"*a", "a.**", "a.>>", "a b", "a\r", "\xed\xa0\x80"};
	weir_bus *bus = weir_open(bus_name, .flags = FLAGS);
	weir_sub_opts opts = {.size = sizeof(opts)};
	weir_sub_stats stats = {.size = sizeof(stats) + 1};
	char name[WEIR_NAME_MAX + 2], text[100];
	weir_event event;
	weir_sub *sub;

	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		opts.topic = patterns[i];
		refuses_sub(bus, &opts, WEIR_E_USAGE_NAME, "is not a topic or pattern",
			"weir_subscribe '");
	}
	opts.topic = NULL;
	refuses_sub(bus, &opts, WEIR_E_USAGE_NAME, "(null)", "weir_subscribe");
	memset(name, 't', sizeof(name));
	name[WEIR_NAME_MAX + 1] = 0;
	opts.topic = name;
	refuses_sub(bus, &opts, WEIR_E_USAGE_NAME, "is not a topic", "weir_subscribe");
	opts.topic = "imu";
	opts.type = name;
	refuses_sub(bus, &opts, WEIR_E_USAGE_NAME, "type's name is too long", "'imu'");
	opts.type = NULL;
	opts.size = 4;
	refuses_sub(bus, &opts, WEIR_E_USAGE_SIZE, "weir_sub_opts of 4 bytes", "'imu'");
	opts.size = sizeof(opts);
	opts.holds = WEIR_HOLDS_MAX + 1;
	snprintf(text, sizeof(text), "holds %d is above the limit of %d",
		WEIR_HOLDS_MAX + 1, WEIR_HOLDS_MAX);
	refuses_sub(bus, &opts, WEIR_E_USAGE_INVAL, text, "'imu'");
	opts.holds = 0;
	opts.on_msg = take;
	opts.on_batch = take_batch;
	refuses_sub(bus, &opts, WEIR_E_USAGE_INVAL, "both on_msg and on_batch", "'imu'");
	opts.on_msg = NULL;
	opts.on_batch = NULL;
	opts.writers = "@no-such-group";
	refuses_sub(bus, &opts, WEIR_E_USAGE_INVAL, "no-such-group", "'imu'");
	opts.writers = NULL;
	refuses_sub(NULL, &opts, WEIR_E_USAGE_INVAL, "no bus is given", "weir_subscribe");
	refuses_sub(bus, NULL, WEIR_E_USAGE_INVAL, "no options are given",
		"weir_subscribe");

	sub = weir_subscribe_(bus, &opts);
	CHECK_EQ(weir_sub_get_stats(sub, NULL), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_sub_get_stats(sub, &stats), -WEIR_E_USAGE_SIZE);
	CHECK_EQ(weir_peek(sub, NULL), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_peek_n(sub, NULL, 4), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_next(sub), -WEIR_E_USAGE_STATE);
	CHECK_EQ(weir_recv(sub, NULL, 8, 0, NULL), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_hold(sub, NULL), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_release(sub, NULL), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_unsubscribe(NULL), 0);
	CHECK_EQ(weir_next_event(bus, NULL), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_pending(bus, NULL, 10), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(weir_pending(bus, NULL, 0), 0);
	CHECK_EQ(weir_next_event(bus, &event), 0);
	CHECK_EQ(weir_close(bus), weir_err_exit(WEIR_E_USAGE_NAME));
}

static void
subscribers(void)
{
	subscriber_options("inproc:bus");
	subscriber_options("bus");
}

/* ---- on the data path --------------------------------------------------------------------- */

static void
messages(const char *bus_name)
{
	weir_bus *bus = weir_open(bus_name, .flags = FLAGS);
	weir_sub *sub = weir_subscribe(bus, "imu");
	weir_pub *pub = weir_advertise(bus, "imu", .max_message = 1000);
	weir_claim_t claim, claims[WEIR_CLAIMS_MAX + 1];
	char buf[1000] = {0}, small[4];
	weir_msg msg, other;

	/* Too large is refused by name, and the next one goes through. */
	CHECK_EQ(weir_send(pub, buf, 1001), -WEIR_E_USAGE_TOOBIG);
	check_error(weir_pub_why(pub), WEIR_E_USAGE_TOOBIG, "a message of 1001 bytes",
		"weir_claim on topic 'imu'");
	CHECK_STR(weir_pub_why(pub)->differs, "topic 'imu' takes 1000 bytes");
	CHECK(strstr(weir_pub_why(pub)->hint, ".max_message") != NULL);
	CHECK_EQ(weir_claim(pub, SIZE_MAX, &claim), -WEIR_E_USAGE_TOOBIG);
	CHECK_EQ(weir_claim_n(pub, 1001, claims, 2), -WEIR_E_USAGE_TOOBIG);
	CHECK_EQ(weir_send(pub, buf, 1000), 0);
	CHECK_EQ(weir_send(pub, "hello", 5), 0);

	/* Too small a buffer: the message stays, and says what it needs. */
	CHECK_EQ(weir_recv(sub, buf, sizeof(buf), 0, &msg), 1000);
	CHECK_EQ(weir_recv(sub, small, sizeof(small), 0, &msg), -WEIR_E_DATA_TRUNC);
	CHECK_EQ(msg.len, 5);
	CHECK_EQ(weir_recv(sub, buf, msg.len, 0, &msg), 5);
	CHECK_EQ(weir_recv(sub, buf, sizeof(buf), 0, &msg), -WEIR_E_AGAIN_EMPTY);
	CHECK_EQ(weir_recv(sub, buf, sizeof(buf), 1, &msg), -WEIR_E_AGAIN_EMPTY);

	/* Claims are settled once. */
	CHECK_EQ(weir_claim(pub, 10, &claim), 0);
	CHECK_EQ(weir_commit(pub, &claim), 0);
	CHECK_EQ(weir_commit(pub, &claim), -WEIR_E_USAGE_CLAIM);
	CHECK_EQ(weir_abort(pub, &claim), -WEIR_E_USAGE_CLAIM);
	CHECK_EQ(weir_claim(pub, 10, &claim), 0);
	claim.len = 11;
	CHECK_EQ(weir_commit(pub, &claim), -WEIR_E_USAGE_CLAIM);
	claim.len = 10;
	CHECK_EQ(weir_commit(pub, &claim), 0);
	memset(&claim, 0x55, sizeof(claim));
	CHECK_EQ(weir_commit(pub, &claim), -WEIR_E_USAGE_CLAIM);
	CHECK_EQ(weir_abort(pub, &claim), -WEIR_E_USAGE_CLAIM);
	for (int i = 0; i < WEIR_CLAIMS_MAX; i++)
		CHECK_EQ(weir_claim(pub, 10, &claims[i]), 0);
	CHECK_EQ(weir_claim(pub, 10, &claims[WEIR_CLAIMS_MAX]), -WEIR_E_AGAIN_CLAIMS);
	check_error(weir_pub_why(pub), WEIR_E_AGAIN_CLAIMS, "too many claims",
		"topic 'imu'");
	CHECK_EQ(weir_commit_n(pub, claims, WEIR_CLAIMS_MAX), 0);
	CHECK(weir_claim_n(pub, 10, claims, WEIR_CLAIMS_MAX + 1) < 0);

	/* Passing without looking, and holding what is not at hand. */
	CHECK_EQ(weir_next(sub), -WEIR_E_USAGE_STATE);
	CHECK_EQ(weir_peek(sub, &msg), 1);
	CHECK_EQ(weir_next_n(sub, 2), -WEIR_E_USAGE_STATE);
	CHECK_EQ(weir_next_n(sub, 0), -WEIR_E_USAGE_STATE);
	other = msg;
	other.opaque[0] ^= 64;
	CHECK_EQ(weir_hold(sub, &other), -WEIR_E_USAGE_STATE);
	CHECK_EQ(weir_release(sub, &msg), -WEIR_E_USAGE_STATE);
	CHECK_EQ(weir_hold(sub, &msg), 0);
	CHECK_EQ(weir_next(sub), 0);
	CHECK_EQ(weir_next(sub), -WEIR_E_USAGE_STATE);
	CHECK_EQ(weir_release(sub, &msg), 0);
	CHECK_EQ(weir_release(sub, &msg), -WEIR_E_USAGE_STATE);
	/* None of these is the bus's failure. */
	CHECK_EQ(weir_why(bus)->code, 0);
	CHECK_EQ(weir_close(bus), 0);
}

static void
mistakes_with_messages(void)
{
	messages("inproc:bus");
	messages("bus");
}

/* ---- looking ---------------------------------------------------------------------------------- */

static void
looking(void)
{
	static const char *const names[] = {"", "a..b", "a/b", "a b", "*"};
	weir_error err;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		CHECK(weir_look_open(names[i], NULL, &err) == NULL);
		CHECK_EQ(err.code, WEIR_E_USAGE_NAME);
		CHECK_EQ(weir_look_clean(names[i], NULL, 0, &err), -WEIR_E_USAGE_NAME);
	}
	CHECK(weir_look_open(NULL, NULL, &err) == NULL);
	CHECK_EQ(err.code, WEIR_E_USAGE_NAME);
	CHECK(weir_look_open("nobody", NULL, &err) == NULL);
	check_error(&err, WEIR_E_ENV_NOTFOUND, "nobody", "");
	CHECK(weir_look_open("nobody", NULL, NULL) == NULL);
	CHECK_EQ(weir_look_buses(NULL, NULL, 0), 0);
	weir_look_close(NULL);
}

/* ---- the table ---------------------------------------------------------------------------------- */

static void
every_code_has_words(void)
{
	static const int codes[] = {
#define WEIR_ERR(name, number, family, exit, what, try) WEIR_E_##name,
#include <weir/err.def>
#undef WEIR_ERR
	};
	char all[1100];
	weir_error err = {0};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		CHECK(weir_err_name(codes[i])[0] && weir_err_text(codes[i])[0]);
		CHECK_STR(weir_err_name(-codes[i]), weir_err_name(codes[i]));
		CHECK(weir_err_hint(codes[i])[0]);
		CHECK_EQ(WEIR_FAMILY(-codes[i]), codes[i] / 100);
		for (size_t k = 0; k < i; k++)
			CHECK(codes[k] != codes[i]);
		err.code = codes[i];
		CHECK(weir_error_format(&err, NULL, all, sizeof(all)) > 0);
		CHECK(strstr(all, weir_err_text(codes[i])) != NULL);
	}
	CHECK_STR(weir_err_name(9999), "UNKNOWN");
	CHECK(weir_err_text(INT_MIN)[0] != 0);
	CHECK_EQ(weir_error_format(NULL, "x", all, sizeof(all)), 0);
	err = *weir_why(weir_open("inproc:x"));
	CHECK_EQ(weir_error_format(&err, "x", NULL, 0), 0);
}

static const struct wr_test tests[] = {
	TEST(bus_options),
	TEST(publishers),
	TEST(subscribers),
	TEST(mistakes_with_messages),
	TEST(looking),
	TEST(every_code_has_words),
	TEST_END,
};

const struct wr_suite wr_suite_usage = {
	.name = "usage", .tests = tests, .labels = "input"};
