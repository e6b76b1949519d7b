/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * K54: requests to a process that has a consumer. A helper has subscriptions on the topic "t",
 * tells of each message and each request by a line, and has handlers that stand still until they
 * hear one; the test publishes and asks.
 */
#include "tests/lib/child.h"
#include "tests/lib/dice.h"
#include "tests/lib/proc.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"
#include "tests/steward/stranger.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weir/control.h>

enum { LONG_MS = 50000, SHORT_MS = 60, BOB = 4002, CAROL = 4003, PLANT = 5001 };

/* ---- the process that is asked ----------------------------------------------------------------- */

struct own {
	int index;
	weir_sub *sub;
};

static void
tell_event(void *ctx, const weir_event *event)
{
	(void)ctx;
	if (event->kind == WEIR_EV_ASKED)
		wr_helper_say("asked %d %u %s", event->code, event->uid, event->why);
}

static int
take_message(void *ctx, const weir_msg *msg)
{
	struct own *own = ctx;
	char line[64];

	wr_helper_say("%d got %.*s lost %llu", own->index, (int)msg->len,
		(const char *)msg->data, (unsigned long long)msg->lost);
	if (msg->len == 5 && !memcmp(msg->data, "stuck", 5) && own->index == 0)
		(void)wr_helper_hear(line, sizeof(line));
	return 0;
}

static int
do_command(void *ctx, const char *argument, char *answer, size_t size)
{
	(void)ctx;
	snprintf(answer, size, "heard %s", argument);
	return strcmp(argument, "bad") ? 0 : -WEIR_E_USAGE_INVAL;
}

/* asked KIND DIR: "two" subscriptions with callbacks; one "pulled"; one in a "lane" */
static int
asked(int argc, char **argv)
{
	static struct own own[2] = {{.index = 0}, {.index = 1}};
	int pulled = !strcmp(argv[1], "pulled"), lane = !strcmp(argv[1], "lane");
	weir_bus *bus = weir_open("bus", .node = "asked", .on_event = tell_event,
		.attach_ms = LONG_MS, .round_limit = 20,
		.dir = argc > 2 ? argv[2] : NULL, .users = argc > 2 ? "4002,4003" : NULL,
		.flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET);
	int count = pulled || lane ? 1 : 2;
	char line[64];

	for (int i = 0; i < count; i++) {
		own[i].sub = weir_subscribe(bus, "t",
			.on_msg = pulled ? NULL : take_message, .ctx = &own[i],
			.weight = 2, .moves = lane ? WEIR_MOVE_BLOCKING : 0,
			.writers = i == 1 ? "4003" : NULL);
		if (weir_sub_why(own[i].sub)->code)
			return 2;
	}
	if (weir_on_command(bus, "try", do_command, NULL) < 0)
		return 3;
	wr_helper_say("ready");
	while (pulled && wr_helper_hear(line, sizeof(line)) >= 0) {
		char buf[64];

		wr_helper_say("recv %d",
			weir_recv(own[0].sub, buf, sizeof(buf), LONG_MS, NULL));
	}
	return weir_run(bus);
}

/* ---- who asks ------------------------------------------------------------------------------------- */

struct scene {
	struct wr_proc p;
	weir_bus *bus;
	weir_pub *pub;
	weir_look *look;
	uint64_t node;
	uint64_t sub[2]; /* in the order of their making */
	size_t subs;
};

static void
look_again(struct scene *s)
{
	const weir_look_consumer *all;
	size_t count;

	REQUIRE(weir_look_refresh(s->look, LONG_MS) > 0);
	REQUIRE(weir_look_roster(s->look, LONG_MS) >= 0);
	all = weir_look_consumers(s->look, &count);
	s->subs = 0;
	for (size_t i = 0; i < count; i++)
		if (all[i].subscription && s->subs < 2) {
			s->node = all[i].node;
			s->sub[s->subs++] = all[i].subscription;
		}
	if (s->subs == 2 && s->sub[0] > s->sub[1]) {
		uint64_t first = s->sub[1];

		s->sub[1] = s->sub[0];
		s->sub[0] = first;
	}
}

static void
begin_in(struct scene *s, const char *kind, const char *dir)
{
	wr_proc_start(&s->p, "asked", kind, dir, NULL);
	wr_proc_expect(&s->p, "ready");
	s->look = weir_look_open("bus", dir, NULL);
	REQUIRE(s->look != NULL);
	look_again(s);
}

static void
begin(struct scene *s, const char *kind)
{
	begin_in(s, kind, NULL);
	s->bus = weir_open("bus", .node = "test", .attach_ms = LONG_MS,
		.flags = WEIR_BUS_NO_SIGNALS);
	s->pub = weir_advertise(s->bus, "t");
	REQUIRE_EQ(weir_pub_why(s->pub)->code, 0);
	REQUIRE_EQ(weir_wait_subscribers(s->pub, (int)s->subs, WEIR_FOREVER), s->subs);
}

static void
end(struct scene *s)
{
	wr_proc_kill(&s->p);
	(void)wr_proc_wait(&s->p);
	weir_look_close(s->look);
	weir_close(s->bus);
}

static void
publish(struct scene *s, const char *text)
{
	REQUIRE_EQ(weir_send(s->pub, text, strlen(text)), 0);
}

static int
ask(struct scene *s, int which, weir_control *control, int ms)
{
	control->size = sizeof(*control);
	return weir_control_ask(s->look, s->node, s->sub[which], control, ms);
}

/* The next line begins so: of each request there is one, and no other line before it. */
static void
expect_begins(struct scene *s, const char *begins)
{
	char line[512];

	REQUIRE(wr_proc_hear(&s->p, line, sizeof(line)) >= 0);
	if (strncmp(line, begins, strlen(begins)) != 0)
		FAIL("'%s' does not begin with '%s'", line, begins);
}

/* One of the two has got it, the first one to be polled; returns which. */
static int
expect_got(struct scene *s, const char *text)
{
	char line[512], want[64];

	REQUIRE(wr_proc_hear(&s->p, line, sizeof(line)) >= 0);
	snprintf(want, sizeof(want), "%c got %s lost 0", line[0] == '1' ? '1' : '0', text);
	CHECK_STR(line, want);
	return line[0] == '1';
}

/* The first one stands still in its handler; returns 1 if the other one was polled before it. */
static int
stick(struct scene *s)
{
	int other;

	publish(s, "stuck");
	other = expect_got(s, "stuck");
	if (other)
		CHECK_EQ(expect_got(s, "stuck"), 0);
	return other;
}

static void
expect_asked(struct scene *s, int code, const char *what)
{
	char begins[64];

	snprintf(begins, sizeof(begins), "asked %d %u %s, asked by uid", code,
		geteuid(), what);
	expect_begins(s, begins);
}

static uint32_t
weight_shown(struct scene *s, int which)
{
	const weir_look_consumer *all;
	size_t count;

	REQUIRE(weir_look_roster(s->look, LONG_MS) >= 0);
	all = weir_look_consumers(s->look, &count);
	for (size_t i = 0; i < count; i++)
		if (all[i].node == s->node && all[i].subscription == s->sub[which])
			return all[i].weight;
	return 0;
}

/* ---- settings ---------------------------------------------------------------------------------------- */

static void
K54_a_setting_is_in_force_when_it_is_answered(void)
{
	struct scene s = {0};
	weir_control c = {.verb = WEIR_CONTROL_SET,
		.what = WEIR_CONTROL_WEIGHT | WEIR_CONTROL_POLL | WEIR_CONTROL_BATCH,
		.weight = 9,
		.batch = 7,
		.poll_ns = 3000000};

	begin(&s, "two");
	CHECK_EQ(ask(&s, 0, &c, LONG_MS), 0);
	CHECK_EQ(c.weight, 9);
	CHECK_EQ(c.batch, 7);
	CHECK_EQ(c.poll_ns, 3000000);
	CHECK_EQ(c.pid, s.p.pid);
	CHECK_EQ(weight_shown(&s, 0), 9);
	CHECK_EQ(weight_shown(&s, 1), 2);
	expect_asked(&s, 0, "set");

	/* One that is not named stays as it is. */
	c = (weir_control){
		.verb = WEIR_CONTROL_SET, .what = WEIR_CONTROL_BATCH, .batch = 3};
	CHECK_EQ(ask(&s, 0, &c, LONG_MS), 0);
	CHECK_EQ(c.weight, 9);
	CHECK_EQ(c.batch, 3);
	expect_asked(&s, 0, "set");
	end(&s);
}

static void
K54_what_is_refused_says_why_and_changes_nothing(void)
{
	struct scene s = {0};
	weir_control c = {.verb = WEIR_CONTROL_SET,
		.what = WEIR_CONTROL_WEIGHT | WEIR_CONTROL_BATCH,
		.weight = 30,
		.batch = 7};

	begin(&s, "two");
	CHECK_EQ(ask(&s, 0, &c, LONG_MS), -WEIR_E_AGAIN_QUOTA);
	CHECK(strstr(c.text, "16 of its 20 polls left") != NULL);
	expect_asked(&s, WEIR_E_AGAIN_QUOTA, "set");
	c = (weir_control){
		.verb = WEIR_CONTROL_SET, .what = WEIR_CONTROL_WEIGHT, .weight = 65};
	CHECK_EQ(ask(&s, 0, &c, LONG_MS), -WEIR_E_USAGE_INVAL);
	expect_asked(&s, WEIR_E_USAGE_INVAL, "set");
	c = (weir_control){.verb = WEIR_CONTROL_SET, .what = 256};
	CHECK_EQ(ask(&s, 0, &c, LONG_MS), -WEIR_E_USAGE_INVAL);
	expect_asked(&s, WEIR_E_USAGE_INVAL, "set");
	c = (weir_control){
		.verb = WEIR_CONTROL_SET, .what = WEIR_CONTROL_WEIGHT, .weight = 2};
	CHECK_EQ(ask(&s, 0, &c, LONG_MS), 0);
	CHECK_EQ(c.batch, 64);
	expect_asked(&s, 0, "set");

	c = (weir_control){.size = sizeof(c), .verb = WEIR_CONTROL_KICK};
	CHECK_EQ(weir_control_ask(s.look, s.node, 999999, &c, LONG_MS),
		-WEIR_E_ENV_NOTFOUND);
	expect_asked(&s, WEIR_E_ENV_NOTFOUND, "kick");
	CHECK_EQ(weir_control_ask(s.look, 12345, 1, &c, LONG_MS), -WEIR_E_ENV_NOTFOUND);
	c.verb = 99;
	CHECK_EQ(weir_control_ask(s.look, s.node, s.sub[0], &c, 0), -WEIR_E_USAGE_INVAL);
	end(&s);
}

/* It goes home for it, and back. */
static void
K54_one_in_a_lane_is_weighed_too(void)
{
	struct scene s = {0};
	weir_control c = {
		.verb = WEIR_CONTROL_SET, .what = WEIR_CONTROL_WEIGHT, .weight = 5};

	begin(&s, "lane");
	publish(&s, "a");
	expect_begins(&s, "0 got a lost 0");
	CHECK_EQ(ask(&s, 0, &c, LONG_MS), 0);
	CHECK_EQ(weight_shown(&s, 0), 5);
	expect_asked(&s, 0, "set");
	publish(&s, "b");
	expect_begins(&s, "0 got b lost 0");
	end(&s);
}

/* ---- a loop that stands still ---------------------------------------------------------------------------- */

/* In the box of the subscription when this returns: the answer to the second question came. */
static void
post(struct scene *s, struct stranger *st, uint32_t verb, int which)
{
	struct wr_wire msg = {.kind = WR_WIRE_ASK,
		.stream = 7,
		.sub = s->sub[which],
		.code = verb,
		.count = {weir_now_ns() + LONG_MS * 1000000ull, 0}};
	int kind;

	REQUIRE_EQ(stranger_connect(st, NULL, "bus", s->node), 0);
	REQUIRE_EQ(stranger_say(st, msg, NULL), 0);
	REQUIRE_EQ(stranger_say(st, (struct wr_wire){.kind = WR_WIRE_LOOK}, NULL), 0);
	do {
		kind = stranger_hear(st, &msg, NULL);
		REQUIRE(kind > 0 && kind != WR_WIRE_ANSWER);
	} while (kind != WR_WIRE_DONE);
}

static struct wr_wire
answer(struct stranger *st)
{
	struct wr_wire msg;

	REQUIRE_EQ(stranger_hear(st, &msg, NULL), WR_WIRE_ANSWER);
	CHECK_EQ(msg.stream, 7);
	return msg;
}

static void
K54_what_waits_is_skipped_and_told_exactly(void)
{
	struct scene s = {0};
	struct stranger st;
	struct wr_wire msg;
	int stuck, got = 0, heard = 0;

	begin(&s, "two");
	stuck = stick(&s);
	for (int i = 0; i < 5; i++)
		publish(&s, "x");
	post(&s, &st, WEIR_CONTROL_SKIP, 0);
	wr_proc_say(&s.p, "go");
	msg = answer(&st);
	CHECK_EQ(msg.code, 0);
	CHECK_EQ(msg.count[0], 5);
	/* The other one has them all. */
	for (int i = stuck; i < 7; i++) {
		char line[512];

		REQUIRE(wr_proc_hear(&s.p, line, sizeof(line)) >= 0);
		stuck += !strcmp(line, "1 got stuck lost 0");
		got += !strcmp(line, "1 got x lost 0");
		heard += !strncmp(line, "asked 0", 7);
	}
	CHECK_EQ(stuck, 1);
	CHECK_EQ(got, 5);
	CHECK_EQ(heard, 1);
	publish(&s, "y");
	for (int i = 0; i < 2; i++) {
		char line[512];

		REQUIRE(wr_proc_hear(&s.p, line, sizeof(line)) >= 0);
		CHECK_STR(line, line[0] == '0' ? "0 got y lost 5" : "1 got y lost 0");
	}
	stranger_vanish(&st);
	end(&s);
}

static void
K54_a_stuck_handler_leaves_everything_as_it_was(void)
{
	struct scene s = {0};
	weir_control c = {
		.verb = WEIR_CONTROL_SET, .what = WEIR_CONTROL_WEIGHT, .weight = 9};
	int got, timed_out = 0, tried = 0;
	char text[64];

	begin(&s, "two");
	got = stick(&s);
	CHECK_EQ(ask(&s, 0, &c, SHORT_MS), -WEIR_E_AGAIN_TIMEOUT);
	CHECK(strstr(c.text, "did not get to it") != NULL);
	/* A command is for such a process, too. */
	CHECK_EQ(weir_control_command(
			 s.look, s.node, "try", "it", text, sizeof(text), LONG_MS),
		0);
	CHECK_STR(text, "heard it");
	wr_proc_say(&s.p, "go");
	/* The other one's message, and an event for each, in whatever order they are polled. */
	for (int i = got; i < 3; i++) {
		char line[512];

		REQUIRE(wr_proc_hear(&s.p, line, sizeof(line)) >= 0);
		got += !strcmp(line, "1 got stuck lost 0");
		timed_out += strncmp(line, "asked 204 ", 10) == 0;
		tried += strncmp(line, "asked 0 ", 8) == 0;
	}
	CHECK_EQ(got, 1);
	CHECK_EQ(timed_out, 1);
	CHECK_EQ(tried, 1);
	CHECK_EQ(weight_shown(&s, 0), 2);
	end(&s);
}

static void
N5_a_stopped_process_does_not_do_it_later(void)
{
	struct scene s = {0};
	weir_control c = {
		.verb = WEIR_CONTROL_SET, .what = WEIR_CONTROL_WEIGHT, .weight = 9};

	begin(&s, "two");
	REQUIRE(wr_proc_stop(&s.p));
	CHECK_EQ(ask(&s, 0, &c, SHORT_MS), -WEIR_E_AGAIN_TIMEOUT);
	CHECK(strstr(c.text, "is stopped") != NULL);
	CHECK(strstr(c.text, "not carried out later") != NULL);
	wr_proc_continue(&s.p);
	expect_asked(&s, WEIR_E_AGAIN_TIMEOUT, "set");
	CHECK_EQ(weight_shown(&s, 0), 2);
	CHECK_EQ(ask(&s, 0, &c, LONG_MS), 0);
	expect_asked(&s, 0, "set");
	end(&s);
}

/* ---- disconnected -------------------------------------------------------------------------------------------- */

static void
K54_one_is_kicked_and_the_other_goes_on(void)
{
	struct scene s = {0};
	weir_control c = {.verb = WEIR_CONTROL_KICK};

	begin(&s, "two");
	publish(&s, "a");
	CHECK(expect_got(&s, "a") != expect_got(&s, "a"));
	CHECK_EQ(ask(&s, 0, &c, LONG_MS), 0);
	expect_asked(&s, 0, "kick");
	publish(&s, "b");
	expect_begins(&s, "1 got b lost 0");
	CHECK_EQ(ask(&s, 0, &c, LONG_MS), -WEIR_E_ENV_NOTFOUND);
	expect_asked(&s, WEIR_E_ENV_NOTFOUND, "kick");
	end(&s);
}

static void
K54_a_pulled_one_has_no_turns_and_is_told_that_it_was_kicked(void)
{
	struct scene s = {0};
	weir_control c = {
		.verb = WEIR_CONTROL_SET, .what = WEIR_CONTROL_WEIGHT, .weight = 9};
	char line[64];

	begin(&s, "pulled");
	CHECK_EQ(ask(&s, 0, &c, LONG_MS), -WEIR_E_USAGE_STATE);
	CHECK(strstr(c.text, "no turns") != NULL);
	c = (weir_control){.verb = WEIR_CONTROL_KICK};
	wr_proc_say(&s.p, "recv");
	CHECK_EQ(ask(&s, 0, &c, LONG_MS), 0);
	snprintf(line, sizeof(line), "recv %d", -WEIR_E_GONE_EVICTED);
	wr_proc_expect(&s.p, line);
	wr_proc_say(&s.p, "recv");
	wr_proc_expect(&s.p, line);
	end(&s);
}

/* ---- who may -------------------------------------------------------------------------------------------------- */

static void
ask_as(struct wr_outcome *out, void *arg)
{
	struct scene *s = arg;
	weir_control c = {.size = sizeof(c),
		.verb = WEIR_CONTROL_SET,
		.what = WEIR_CONTROL_WEIGHT,
		.weight = 3};
	weir_look *look;
	char text[64];

	wr_become((uid_t)s->subs, PLANT);
	look = weir_look_open("bus", s->p.buf, &out->err);
	if (!look)
		return;
	(void)weir_look_refresh(look, LONG_MS);
	out->value[0] = weir_control_ask(look, s->node, s->sub[0], &c, LONG_MS);
	out->value[1] = weir_control_ask(look, s->node, s->sub[1], &c, LONG_MS);
	out->value[2] = weir_control_command(
		look, s->node, "try", "it", text, sizeof(text), LONG_MS);
	out->value[3] = 1;
}

static void
K54_only_who_may(void)
{
	struct scene s = {0}, as;
	struct wr_outcome out;
	char dir[512];

	if (geteuid() != 0)
		TEST_SKIP("only root can become another user");
	REQUIRE_EQ(chmod(wr_tmpdir(), 0711), 0);
	wr_tmpdir_path(dir, sizeof(dir), "shared");
	REQUIRE_EQ(mkdir(dir, 0700), 0);
	REQUIRE_EQ(chmod(dir, 01777), 0);
	begin_in(&s, "two", dir);
	as = s;
	snprintf(as.p.buf, sizeof(as.p.buf), "%s", dir);
	as.subs = BOB; /* who is let in, and no more */
	out = wr_in_child(ask_as, &as);
	CHECK_EQ(out.value[3], 1);
	CHECK_EQ(out.value[0], -WEIR_E_ENV_DENIED);
	CHECK_EQ(out.value[1], -WEIR_E_ENV_DENIED);
	CHECK_EQ(out.value[2], -WEIR_E_ENV_DENIED);
	as.subs = CAROL; /* whom the second one names */
	out = wr_in_child(ask_as, &as);
	CHECK_EQ(out.value[3], 1);
	CHECK_EQ(out.value[0], -WEIR_E_ENV_DENIED);
	CHECK_EQ(out.value[1], 0);
	CHECK_EQ(out.value[2], -WEIR_E_ENV_DENIED);
	expect_begins(&s, "asked 508 4002 set, asked by uid 4002: refused");
	expect_begins(&s, "asked 508 4002 set, asked by uid 4002: refused");
	expect_begins(&s, "asked 508 4002 try, asked by uid 4002: refused");
	expect_begins(&s, "asked 508 4003 set, asked by uid 4003: refused");
	expect_begins(&s, "asked 0 4003 set, asked by uid 4003: weight 3");
	expect_begins(&s, "asked 508 4003 try, asked by uid 4003: refused");
	end(&s);
}

/* ---- commands, and garbage ---------------------------------------------------------------------------------------- */

static void
K54_commands_and_those_that_are_not(void)
{
	struct scene s = {0};
	char text[64];

	begin(&s, "two");
	CHECK_EQ(weir_control_command(
			 s.look, s.node, "try", "bad", text, sizeof(text), LONG_MS),
		-WEIR_E_USAGE_INVAL);
	CHECK_STR(text, "heard bad");
	expect_asked(&s, WEIR_E_USAGE_INVAL, "try");
	CHECK_EQ(weir_control_command(
			 s.look, s.node, "other", "", text, sizeof(text), LONG_MS),
		-WEIR_E_ENV_NOTFOUND);
	expect_asked(&s, WEIR_E_ENV_NOTFOUND, "other");
	end(&s);
}

static void
K54_garbage_is_answered_or_put_out(void)
{
	enum { TIMES = 300 };
	uint64_t dice = WR_DICE_SEED;
	struct scene s = {0};
	struct wr_wire msg;
	struct stranger st;
	char line[512];

	begin(&s, "two");
	for (int i = 0; i < TIMES; i++) {
		unsigned char *bytes = (unsigned char *)&msg;

		for (size_t k = 0; k < sizeof(msg); k++)
			bytes[k] = (unsigned char)wr_dice_roll(&dice, 256);
		msg.magic = WR_WIRE_MAGIC;
		msg.layout = WR_LAYOUT;
		msg.kind = WR_WIRE_ASK;
		REQUIRE_EQ(stranger_connect(&st, NULL, "bus", s.node), 0);
		(void)stranger_spit(&st, &msg, sizeof(msg), NULL, 0);
		stranger_vanish(&st);
	}
	/* A kind of request that this version does not know is refused, no more. */
	REQUIRE_EQ(stranger_connect(&st, NULL, "bus", s.node), 0);
	REQUIRE_EQ(stranger_say(&st,
			   (struct wr_wire){
				   .kind = WR_WIRE_ASK, .stream = 7, .code = 4000000000u},
			   NULL),
		0);
	CHECK_EQ(answer(&st).code, WEIR_E_USAGE_INVAL);
	stranger_vanish(&st);
	/* All the same it does its work. */
	publish(&s, "a");
	do
		REQUIRE(wr_proc_hear(&s.p, line, sizeof(line)) >= 0);
	while (!strncmp(line, "asked", 5));
	CHECK(strstr(line, " got a lost 0") != NULL);
	end(&s);
}

static const struct wr_test tests[] = {
	TEST(K54_a_setting_is_in_force_when_it_is_answered),
	TEST(K54_what_is_refused_says_why_and_changes_nothing),
	TEST(K54_one_in_a_lane_is_weighed_too),
	TEST(K54_what_waits_is_skipped_and_told_exactly),
	TEST(K54_a_stuck_handler_leaves_everything_as_it_was),
	TEST(N5_a_stopped_process_does_not_do_it_later),
	TEST(K54_one_is_kicked_and_the_other_goes_on),
	TEST(K54_a_pulled_one_has_no_turns_and_is_told_that_it_was_kicked),
	TEST(K54_only_who_may),
	TEST(K54_commands_and_those_that_are_not),
	TEST(K54_garbage_is_answered_or_put_out, .labels = "concurrency,input"),
	TEST_END,
};

static const struct wr_helper helpers[] = {HELPER(asked), HELPER_END};

const struct wr_suite wr_suite_control = {
	.name = "control", .tests = tests, .helpers = helpers, .labels = "concurrency"};
