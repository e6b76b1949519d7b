/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the processes do while they live. Each says in the shared page what it is about
 * to do, before it does it.
 */
#include "tests/kill/page.h"

#include "bus/writer.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	CLAIMS = 6, /* open at once */
	BATCH_MAX = 32,
	HOLD_MAX = 12,
	GUEST_MESSAGES = 1000,
	VISIT_MESSAGES = 5000,
	TURN_MS = 50
};

static struct slot *me;
static weir_bus *bus;
static uint64_t rng;

static void
now_in(enum state state)
{
	say_word(&me->state, state);
}

/* The linker sends the library's wait for room through here. */
int __real_wr_room_wait(struct wr_writer *w, uint64_t deadline, struct weir_error *err);
int __wrap_wr_room_wait(struct wr_writer *w, uint64_t deadline, struct weir_error *err);

int
__wrap_wr_room_wait(struct wr_writer *w, uint64_t deadline, struct weir_error *err)
{
	uint64_t before = me ? me->state : S_IDLE;
	int rc;

	if (me)
		now_in(S_WAIT);
	rc = __real_wr_room_wait(w, deadline, err);
	if (me)
		now_in((enum state)before);
	return rc;
}

/* ---- publishers --------------------------------------------------------------------------- */

struct stream {
	weir_pub *pub;
	struct books *books;
	const char *topic;
};

static void
check(int rc, const char *what, const weir_error *why)
{
	if (rc >= 0)
		return;
	violation("%s[%d]: %s: %s %s %s", "publisher", (int)getpid(), what,
		weir_err_text(rc), why->where, why->text);
	_exit(1);
}

static void
join(enum weir_idle idle, const char *dir, const char *node)
{
	now_in(S_JOIN);
	bus = weir_open("kill", .dir = dir, .node = node, .idle = idle,
		.flags = WEIR_BUS_QUIET | WEIR_BUS_NO_SIGNALS);
	if (weir_why(bus)->code) {
		violation("%s: open: %s", node, weir_why(bus)->text);
		_exit(1);
	}
}

static struct stream
stream_open(const char *topic)
{
	struct stream s = {.books = books_begin(me), .topic = topic};
	weir_pub_stats stats = {.size = sizeof(stats)};

	now_in(S_JOIN);
	s.pub = weir_advertise(bus, topic, .window = WINDOW, .wait_ms = WEIR_FOREVER);
	if (weir_pub_why(s.pub)->code) {
		violation("advertise %s: %s", topic, weir_pub_why(s.pub)->text);
		_exit(1);
	}
	check(weir_pub_get_stats(s.pub, &stats), "stats", weir_pub_why(s.pub));
	say_word(&s.books->publisher, stats.publisher);
	say_word(&s.books->strict, weir_pending(bus, NULL, 0) == 0);
	return s;
}

static size_t
some_size(void)
{
	switch (below(&rng, 16)) {
	case 0:
		return MESSAGE_MIN + below(&rng, MESSAGE_MAX / 4);
	case 1:
	case 2:
		return MESSAGE_MIN + below(&rng, 2048);
	case 3:
		return MESSAGE_MIN;
	default:
		return MESSAGE_MIN + below(&rng, 200);
	}
}

static void
claim(struct stream *s, size_t len, weir_claim_t *c)
{
	now_in(S_CLAIM);
	check(weir_claim(s->pub, len, c), "claim", weir_pub_why(s->pub));
	books_note(s->books, c->seq, F_OPEN);
	now_in(S_WRITE);
}

static void
commit(struct stream *s, weir_claim_t *c)
{
	uint64_t seq = c->seq;

	message_write(c->data, c->len, s->books->key, seq);
	now_in(S_COMMIT);
	check(weir_commit(s->pub, c), "commit", weir_pub_why(s->pub));
	books_note(s->books, seq, F_COMMITTED);
	add_word(&me->progress, 1);
	now_in(S_IDLE);
}

static void
give_back(struct stream *s, weir_claim_t *c)
{
	books_note(s->books, c->seq, F_ABORTED);
	now_in(S_ABORT);
	check(weir_abort(s->pub, c), "abort", weir_pub_why(s->pub));
	now_in(S_IDLE);
}

static void
publish_one(struct stream *s, size_t len)
{
	weir_claim_t c;

	claim(s, len, &c);
	commit(s, &c);
}

static void
single(struct stream *s)
{
	publish_one(&s[below(&rng, 2)], some_size());
}

/* Opens a few, then ends them in any order, some of them shorter, some not at all. */
static void
claims(struct stream *s)
{
	weir_claim_t open[CLAIMS];
	int count = 1 + (int)below(&rng, CLAIMS);

	for (int i = 0; i < count; i++)
		claim(s, some_size(), &open[i]);
	while (count > 0) {
		int which = (int)below(&rng, (uint64_t)count);
		weir_claim_t *c = &open[which];

		now_in(S_WRITE);
		if (below(&rng, 5) == 0) {
			give_back(s, c);
		} else {
			if (below(&rng, 3) == 0)
				c->len = MESSAGE_MIN +
					below(&rng, c->len - MESSAGE_MIN + 1);
			commit(s, c);
		}
		open[which] = open[--count];
	}
}

static void
batch(struct stream *s)
{
	weir_claim_t c[BATCH_MAX];
	size_t count = 1 + below(&rng, BATCH_MAX);
	uint64_t first;

	now_in(S_BATCH_CLAIM);
	check(weir_claim_n(s->pub, MESSAGE_MIN + below(&rng, 300), c, count), "claim_n",
		weir_pub_why(s->pub));
	first = c[0].seq;
	for (size_t i = 0; i < count; i++)
		books_note(s->books, first + i, F_OPEN);
	now_in(S_BATCH_WRITE);
	for (size_t i = 0; i < count; i++)
		message_write(c[i].data, c[i].len, s->books->key, c[i].seq);
	now_in(S_BATCH_COMMIT);
	check(weir_commit_n(s->pub, c, count), "commit_n", weir_pub_why(s->pub));
	for (size_t i = 0; i < count; i++)
		books_note(s->books, first + i, F_COMMITTED);
	add_word(&me->progress, count);
	now_in(S_IDLE);
}

static void
large(struct stream *s)
{
	publish_one(s,
		below(&rng, 2) ? MESSAGE_MAX - below(&rng, 9)
			       : MESSAGE_MIN + below(&rng, MESSAGE_MAX - MESSAGE_MIN));
}

static void
leave(void)
{
	now_in(S_LEAVE);
	if (weir_close(bus) != 0)
		violation("[%d]: close failed", (int)getpid());
	now_in(S_IDLE);
}

static void
publisher(const char *dir, const char *name, const char *first, const char *second,
	void (*once)(struct stream *))
{
	struct stream s[2];

	join(WEIR_IDLE_ADAPTIVE, dir, name);
	s[0] = stream_open(first);
	if (second)
		s[1] = stream_open(second);
	while (!asked_to(1))
		once(s);
	leave();
}

static void
guest(const char *dir)
{
	while (!asked_to(1)) {
		struct stream s;

		join(WEIR_IDLE_ADAPTIVE, dir, "guest");
		s = stream_open("kill.d");
		for (int i = 0; i < GUEST_MESSAGES; i++)
			publish_one(&s, MESSAGE_MIN + below(&rng, 8192));
		now_in(S_LEAVE);
		if (weir_pub_close(s.pub) < 0)
			violation("guest: close of a publisher failed");
		leave();
	}
}

/* ---- subscribers ---------------------------------------------------------------------------- */

static weir_sub *
follow(struct reader *r, const char *pattern, weir_msg_fn on_msg)
{
	weir_sub *sub;

	now_in(S_JOIN);
	r->slot = me;
	/* Whoever is stopped is waited for: here nobody may miss anything. */
	sub = weir_subscribe(
		bus, pattern, .on_msg = on_msg, .ctx = r, .policy = WEIR_BLOCK);
	if (weir_sub_why(sub)->code) {
		violation("%s: subscribe: %s", r->who, weir_sub_why(sub)->text);
		_exit(1);
	}
	r->since_ns = weir_pending(bus, NULL, 0) == 0 ? weir_now_ns() : UINT64_MAX;
	now_in(S_IDLE);
	return sub;
}

static int
on_msg(void *ctx, const weir_msg *msg)
{
	struct reader *r = ctx;

	now_in(S_READ);
	reader_check(r, msg);
	reader_recheck(r, msg);
	now_in(S_IDLE);
	return 0;
}

/* Reads one batch. Returns how many there were; -1 = a stream ended. */
static int
pull(struct reader *r, weir_sub *sub)
{
	weir_msg msgs[BATCH_MAX];
	int rc = weir_peek_n(sub, msgs, 1 + below(&rng, BATCH_MAX));

	if (rc == -WEIR_E_GONE_END) {
		reader_end(r, msgs[0].publisher);
		return -1;
	}
	if (rc < 0) {
		violation("%s: peek: %s", r->who, weir_err_text(rc));
		return -1;
	}
	if (rc == 0)
		return 0;
	now_in(S_READ);
	for (int i = 0; i < rc; i++)
		reader_check(r, &msgs[i]);
	for (int i = 0; i < rc; i++)
		reader_recheck(r, &msgs[i]);
	if (weir_next_n(sub, (size_t)rc) < 0)
		violation("%s: next_n failed", r->who);
	now_in(S_IDLE);
	return rc;
}

static void
books_close(struct reader *r, weir_sub *sub)
{
	weir_sub_stats stats = {.size = sizeof(stats)};

	if (weir_sub_get_stats(sub, &stats) == 0 && stats.lost)
		violation("%s: lost %llu", r->who, (unsigned long long)stats.lost);
	if (asked_to(2) && weir_publishers(sub) == 0)
		reader_end_all(r);
}

/* All that is to be read has been read. */
static bool
drained(weir_sub *sub)
{
	return asked_to(2) && weir_publishers(sub) == 0;
}

static void
callback(const char *dir)
{
	struct reader *r = calloc(1, sizeof(*r));
	weir_sub *sub;

	r->who = "callback";
	join(WEIR_IDLE_PARK, dir, r->who);
	sub = follow(r, "kill.a", on_msg);
	while (!drained(sub))
		(void)weir_turn(bus, TURN_MS);
	books_close(r, sub);
	leave();
	free(r);
}

static void
puller(const char *dir)
{
	struct reader *r = calloc(1, sizeof(*r));
	weir_sub *sub;

	r->who = "pull";
	join(WEIR_IDLE_YIELD, dir, r->who);
	sub = follow(r, "kill.>", NULL);
	while (!drained(sub))
		if (pull(r, sub) == 0)
			sched_yield();
	books_close(r, sub);
	leave();
	free(r);
}

/* Lets one of the held messages go. */
static void
let_go(struct reader *r, weir_sub *sub, weir_msg *held, int *count)
{
	int which = (int)below(&rng, (uint64_t)*count);

	now_in(S_RELEASE);
	reader_recheck(r, &held[which]);
	if (weir_release(sub, &held[which]) < 0)
		violation("holder: release failed");
	held[which] = held[--*count];
	now_in(*count ? S_HOLD : S_IDLE);
}

static void
holder(const char *dir)
{
	struct reader *r = calloc(1, sizeof(*r));
	weir_msg held[HOLD_MAX], msg;
	weir_sub *sub;
	int count = 0;

	r->who = "holder";
	join(WEIR_IDLE_ADAPTIVE, dir, r->who);
	sub = follow(r, "kill.*", NULL);
	while (!drained(sub)) {
		int rc = weir_peek(sub, &msg);

		if (rc == -WEIR_E_GONE_END)
			reader_end(r, msg.publisher);
		if (rc <= 0) {
			if (count)
				let_go(r, sub, held, &count);
			else if (rc == 0)
				(void)weir_turn(bus, 1);
			continue;
		}
		now_in(S_READ);
		reader_check(r, &msg);
		if (count < HOLD_MAX && below(&rng, 8) == 0 && weir_hold(sub, &msg) == 0)
			held[count++] = msg;
		if (weir_next(sub) < 0)
			violation("holder: next failed");
		now_in(count ? S_HOLD : S_IDLE);
		if (count == HOLD_MAX || (count && below(&rng, 16) == 0))
			let_go(r, sub, held, &count);
	}
	books_close(r, sub);
	leave();
	free(r);
}

static void
visitor(const char *dir)
{
	static const char *const patterns[] = {"kill.a", "*.b", "calm.*"};

	while (!asked_to(1)) {
		struct reader *r = calloc(1, sizeof(*r));
		weir_sub *sub;
		int left = VISIT_MESSAGES;

		r->who = "visitor";
		join(WEIR_IDLE_ADAPTIVE, dir, r->who);
		sub = follow(r, patterns[below(&rng, 3)], NULL);
		while (left > 0 && !asked_to(1)) {
			int rc = pull(r, sub);

			left -= rc > 0 ? rc : 0;
			if (rc == 0)
				(void)weir_turn(bus, 1);
		}
		books_close(r, sub);
		now_in(S_LEAVE);
		if (weir_unsubscribe(sub) < 0)
			violation("visitor: unsubscribe failed");
		leave();
		free(r);
	}
}

static void
survivor(const char *dir)
{
	struct reader *r = calloc(1, sizeof(*r));
	struct stream s;
	weir_sub *sub;

	r->who = "survivor";
	join(WEIR_IDLE_ADAPTIVE, dir, r->who);
	sub = follow(r, "kill.>", on_msg);
	s = stream_open("calm.a");
	while (!drained(sub)) {
		(void)weir_turn(bus, TURN_MS);
		if (s.pub && asked_to(1)) {
			(void)weir_pub_close(s.pub);
			s.pub = NULL;
		}
		if (s.pub)
			publish_one(&s, some_size());
	}
	books_close(r, sub);
	leave();
	free(r);
}

void
role_run(enum role role, struct slot *slot, const char *dir, uint64_t seed)
{
	me = slot;
	rng = seed;
	switch (role) {
	case R_SINGLE:
		publisher(dir, "single", "kill.a", "kill.b", single);
		break;
	case R_CLAIMS:
		publisher(dir, "claims", "kill.a", NULL, claims);
		break;
	case R_BATCH:
		publisher(dir, "batch", "kill.c", NULL, batch);
		break;
	case R_LARGE:
		publisher(dir, "large", "kill.a", NULL, large);
		break;
	case R_GUEST:
		guest(dir);
		break;
	case R_CALLBACK:
		callback(dir);
		break;
	case R_PULL:
		puller(dir);
		break;
	case R_HOLDER:
		holder(dir);
		break;
	case R_VISITOR:
		visitor(dir);
		break;
	case R_SURVIVOR:
		survivor(dir);
		break;
	default:
		break;
	}
}
