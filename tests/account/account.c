/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * weir_account CASE   0 = the books balance, 1 = they do not, 2 = something else is wrong
 *
 * Publishers and readers in processes of their own do what they are told, and a looker
 * counts their books. At rest they are exact, and what the looker finds is what the reader
 * says of itself; while all moves, the sum is a number of claims that was published while
 * it was counted.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weir/look.h>
#include <weir/weir.h>

enum {
	SIZE = 1024,
	WINDOW = 1,    /* the smallest there is: four segments, 1 MiB */
	BEYOND = 4000, /* messages that no window holds */
	ACTORS = 8,
	LOOK_MS = 20000, /* nobody is silent, but the machine may be slow */
	LOOKS = 200,
	MANY = 300000, /* claims of each stream */
	PAUSE_US = 200
};

static char dir[64];
static pid_t owner;

static void __attribute__((noreturn, format(printf, 2, 3)))
die(int code, const char *fmt, ...)
{
	va_list ap;

	__builtin_va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	__builtin_va_end(ap);
	fputc('\n', stderr);
	exit(code);
}

#define must(x) ((x) ? (void)0 : die(2, "%s:%d: %s", __FILE__, __LINE__, #x))

/* ---- actors ------------------------------------------------------------------------------ */

/* What an actor is told to do, and how often. */
struct order {
	char what; /* see act_as_publisher, act_as_reader */
	uint64_t count;
};

/* And what it answers: a reader its own books. */
struct answer {
	uint64_t count;
	uint64_t publisher;
	uint32_t subscribers;
	weir_pub_stats pub;
	weir_sub_stats sub;
};

struct actor {
	pid_t pid;
	int to, from;
};

static struct actor actors[ACTORS];
static int actor_count;

static bool
is_told(int in)
{
	struct pollfd p = {.fd = in, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void
send_one(weir_pub *pub)
{
	static uint64_t number;
	char data[SIZE] = {0};

	memcpy(data, &number, sizeof(number));
	number++;
	if (weir_send(pub, data, sizeof(data)) < 0)
		die(2, "send: %s", weir_pub_why(pub)->text);
}

/* One claim of several, given back behind one that is committed: it counts. */
static void
give_back(weir_pub *pub)
{
	weir_claim_t claims[3];

	for (int i = 0; i < 3; i++)
		must(weir_claim(pub, SIZE, &claims[i]) == 0);
	must(weir_abort(pub, &claims[1]) == 0);
	claims[0].len = 10; /* what is left of its frame is no claim */
	must(weir_commit(pub, &claims[2]) == 0 && weir_commit(pub, &claims[0]) == 0);
}

/*
 * s N   sends N messages          b N   three claims, of which one is given back; N times
 * f     sends until it is told something else
 * n     says how many it has sent, and how many read
 */
static void
act_as_publisher(const weir_pub_opts *opts, int in, int out)
{
	weir_bus *bus = weir_open("account", .dir = dir, .node = opts->topic,
		.flags = WEIR_BUS_QUIET | WEIR_BUS_NO_SIGNALS, .attach_ms = LOOK_MS);
	weir_pub *pub = weir_advertise_(bus, opts);
	struct order order = {'n', 0};

	if (weir_pub_why(pub)->code)
		die(2, "advertise: %s", weir_pub_why(pub)->text);
	do {
		struct answer answer = {.pub = {.size = sizeof(answer.pub)}};

		for (uint64_t i = 0; i < order.count && order.what == 's'; i++)
			send_one(pub);
		for (uint64_t i = 0; i < order.count && order.what == 'b'; i++)
			give_back(pub);
		while (order.what == 'f' && !is_told(in))
			for (int i = 0; i < 64; i++)
				send_one(pub);
		must(weir_pub_get_stats(pub, &answer.pub) == 0);
		answer.publisher = answer.pub.publisher;
		answer.subscribers = (uint32_t)weir_subscribers(pub);
		answer.count = answer.pub.published + answer.pub.aborted;
		must(write(out, &answer, sizeof(answer)) == sizeof(answer));
	} while (read(in, &order, sizeof(order)) == sizeof(order));
	(void)weir_close(bus);
}

/* Passes one message, and may hold it. */
static bool
read_one(weir_sub *sub, weir_msg *hold)
{
	weir_msg msg;
	int rc = weir_peek(sub, &msg);

	if (rc <= 0)
		return false;
	if (hold) {
		must(weir_hold(sub, &msg) == 0);
		*hold = msg;
	}
	must(weir_next(sub) == 0);
	return true;
}

/*
 * r N   reads N messages, waiting   d   reads all that is there
 * h N   the same as r, and holds each   l   lets them go
 * f N   reads until told something else; each N-th message takes it a millisecond
 * p     peeks at one message more, without passing it
 * n     says what it has counted
 */
static void
act_as_reader(const weir_sub_opts *opts, int in, int out)
{
	weir_bus *bus = weir_open("account", .dir = dir, .node = "reader",
		.flags = WEIR_BUS_QUIET | WEIR_BUS_NO_SIGNALS, .attach_ms = LOOK_MS);
	weir_sub *sub = weir_subscribe_(bus, opts);
	struct order order = {'n', 0};
	weir_msg held[64], msg;
	int count = 0;

	if (weir_sub_why(sub)->code)
		die(2, "subscribe: %s", weir_sub_why(sub)->text);
	do {
		struct answer answer = {.sub = {.size = sizeof(answer.sub)}};
		bool holds = order.what == 'h';

		for (uint64_t i = 0; i < order.count && (order.what == 'r' || holds);)
			if (read_one(sub, holds ? &held[count] : NULL)) {
				i++;
				count += holds;
			}
		while (order.what == 'd' && read_one(sub, NULL))
			;
		if (order.what == 'p')
			while (weir_peek(sub, &msg) == 0)
				;
		while (order.what == 'l' && count > 0)
			must(weir_release(sub, &held[--count]) == 0);
		for (uint64_t i = 0; order.what == 'f' && !is_told(in); i++) {
			(void)read_one(sub, NULL);
			if (order.count && i % order.count == 0)
				usleep(1000);
		}
		must(weir_sub_get_stats(sub, &answer.sub) == 0);
		answer.count = answer.sub.delivered;
		must(write(out, &answer, sizeof(answer)) == sizeof(answer));
	} while (read(in, &order, sizeof(order)) == sizeof(order));
	(void)weir_close(bus);
}

static struct answer
hear(const struct actor *actor)
{
	struct answer answer;

	if (read(actor->from, &answer, sizeof(answer)) != sizeof(answer))
		die(2, "an actor has gone");
	return answer;
}

static struct actor *
start(const weir_pub_opts *pub, const weir_sub_opts *sub)
{
	struct actor *actor = &actors[actor_count++];
	int to[2], from[2];

	must(pipe(to) == 0 && pipe(from) == 0);
	fflush(NULL);
	actor->pid = fork();
	if (actor->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int i = 0; i < actor_count - 1; i++)
			close(actors[i].to); /* so that each ends when it is let go */
		close(to[1]);
		close(from[0]);
		if (pub)
			act_as_publisher(pub, to[0], from[1]);
		else
			act_as_reader(sub, to[0], from[1]);
		_exit(0);
	}
	close(to[0]);
	close(from[1]);
	actor->to = to[1];
	actor->from = from[0];
	(void)hear(actor);
	return actor;
}

/* What is given is given once more than the rest of the call says. */
#pragma GCC diagnostic ignored "-Woverride-init"
#define publisher(...) \
	start(&(weir_pub_opts){.size = sizeof(weir_pub_opts), \
		      .topic = "t", \
		      .window = WINDOW, \
		      .wait_ms = WEIR_FOREVER, \
		      __VA_ARGS__}, \
		NULL)
#define reader(...) \
	start(NULL, \
		&(weir_sub_opts){ \
			.size = sizeof(weir_sub_opts), .topic = ">", __VA_ARGS__})

static void
tell(const struct actor *actor, char what, uint64_t count)
{
	struct order order = {what, count};

	must(write(actor->to, &order, sizeof(order)) == sizeof(order));
}

static struct answer
ask(const struct actor *actor, char what, uint64_t count)
{
	tell(actor, what, count);
	return hear(actor);
}

/* The answer to the flood, which ends, and then the one to what it is told instead. */
static struct answer
stop_flood(const struct actor *actor, char what)
{
	(void)ask(actor, what, 0);
	return hear(actor);
}

/* The publisher has so many readers, and all of them stand. */
static void
await_readers(const struct actor *pub, uint32_t count)
{
	while (ask(pub, 'n', 0).subscribers != count)
		usleep(PAUSE_US);
}

static void
end_all(void)
{
	for (int i = 0; i < actor_count; i++)
		close(actors[i].to);
	for (int i = 0; i < actor_count; i++) {
		if (actors[i].pid <= 0)
			continue;
		(void)kill(actors[i].pid, SIGCONT);
		(void)waitpid(actors[i].pid, NULL, 0);
		actors[i].pid = 0;
	}
}

/* ---- the looker ------------------------------------------------------------------------------ */

static weir_look *
open_look(int refresh_ms)
{
	weir_error err = {0};
	weir_look *look = weir_look_open("account", dir, &err);

	if (!look)
		die(2, "look: %s", err.text);
	must(weir_look_refresh(look, refresh_ms) > 0);
	return look;
}

static uint64_t
sum_of(const weir_look_reader *r)
{
	return r->from + r->delivered + r->held + r->lost_behind + r->lost_conflated +
		r->lost_expired + r->lost_gone + r->aborted + r->waiting +
		r->aborted_ahead + r->gone_ahead;
}

static void
print(const weir_look_reader *r)
{
	printf("%" PRIx64 "/%" PRIu64 " %s from %" PRIu64 ": %" PRIu64 " delivered %" PRIu64
	       " held, lost %" PRIu64 " behind %" PRIu64 " conflated %" PRIu64
	       " expired %" PRIu64 " gone, %" PRIu64 " aborted, stands at %" PRIu64
	       ", %" PRIu64 " waiting %" PRIu64 " aborted %" PRIu64
	       " gone ahead, visible %" PRIu64 " to %" PRIu64 ", off by %" PRId64 "\n",
		r->node, r->subscription, r->counted ? "counted" : "NOT COUNTED",
		r->from, r->delivered, r->held, r->lost_behind, r->lost_conflated,
		r->lost_expired, r->lost_gone, r->aborted, r->standing, r->waiting,
		r->aborted_ahead, r->gone_ahead, r->visible_first, r->visible_last,
		r->off);
}

static void
check_balance(const weir_look_reader *r)
{
	uint64_t sum = sum_of(r);

	if (r->off != 0 || sum < r->visible_first || sum > r->visible_last) {
		print(r);
		die(1, "the books do not balance: their sum is %" PRIu64, sum);
	}
}

/* The one reader of the stream, which must have been counted. */
static weir_look_reader
only_reader(weir_look *look)
{
	const weir_look_reader *readers;
	size_t count;

	must(weir_look_account(look, ">", LOOK_MS) == 1);
	readers = weir_look_readers(look, &count);
	must(count == 1);
	print(&readers[0]);
	must(readers[0].counted);
	check_balance(&readers[0]);
	return readers[0];
}

/* Nothing moves: the sum is what was published, and each count is the reader's own. */
static weir_look_reader
exact(weir_look *look, const struct actor *pub, const struct actor *sub)
{
	weir_look_reader r = only_reader(look);
	uint64_t claimed = ask(pub, 'n', 0).count;
	weir_sub_stats own = ask(sub, 'n', 0).sub;

	if (sum_of(&r) != claimed || r.visible_first != claimed ||
		r.visible_last != claimed)
		die(1, "the sum is %" PRIu64 " of %" PRIu64 " claims", sum_of(&r),
			claimed);
	if (r.delivered != own.delivered || r.held != own.held ||
		r.lost_behind != own.lost_behind ||
		r.lost_conflated != own.lost_conflated ||
		r.lost_expired != own.lost_expired || r.lost_gone != own.lost_gone ||
		r.aborted != own.aborted)
		die(1, "the reader says something else of itself");
	return r;
}

/* ---- at rest ------------------------------------------------------------------------------------ */

/* Nobody ever waits for it, and it has more in front of it than any window holds. */
static void
at_rest_with_a_gap(void)
{
	struct actor *pub = publisher();
	struct actor *sub = reader(.stall_us = WEIR_NEVER);
	weir_look *look;
	weir_look_reader r;

	await_readers(pub, 1);
	look = open_look(LOOK_MS);
	(void)ask(pub, 's', 10);
	r = exact(look, pub, sub);
	must(r.waiting == 10 && r.waiting_bytes == 10 * SIZE && r.lost_behind == 0);
	(void)ask(sub, 'r', 3);
	must(exact(look, pub, sub).waiting == 7);

	/* It stands in a segment that it alone keeps; it has not seen yet what is gone. */
	(void)ask(pub, 's', BEYOND);
	r = exact(look, pub, sub);
	must(r.gone_ahead > 0 && r.lost_behind == 0 && !r.gates);
	(void)ask(sub, 'd', 0);
	must(exact(look, pub, sub).lost_behind == r.gone_ahead);
	must(exact(look, pub, sub).waiting == 0);
	(void)ask(pub, 's', BEYOND);
	(void)ask(sub, 'r', 500);
	r = exact(look, pub, sub);
	must(r.lost_behind > 0 && r.waiting > 0);
	weir_look_close(look);
}

static void
at_rest_latest(void)
{
	struct actor *pub = publisher();
	struct actor *sub = reader(.policy = WEIR_LATEST);
	weir_look *look;
	weir_look_reader r;

	await_readers(pub, 1);
	look = open_look(LOOK_MS);
	(void)ask(pub, 's', 100);
	must(exact(look, pub, sub).waiting == 100);
	(void)ask(sub, 'd', 0);
	r = exact(look, pub, sub);
	must(r.delivered == 1 && r.lost_conflated == 99 && r.waiting == 0);
	(void)ask(pub, 's', BEYOND);
	(void)ask(sub, 'd', 0);
	r = exact(look, pub, sub);
	must(r.delivered >= 2 && r.delivered + r.lost_conflated == 100 + BEYOND);
	must(r.policy == WEIR_LATEST && !r.gates && r.code == 0);
	weir_look_close(look);
}

static void
at_rest_latest_by_key(void)
{
	struct actor *pub = publisher();
	struct actor *sub = reader(.policy = WEIR_LATEST, .key_offset = 0, .key_size = 1);
	weir_look *look;
	weir_look_reader r;

	await_readers(pub, 1);
	look = open_look(LOOK_MS);
	(void)ask(pub, 's', 600); /* numbers 0 to 599: 256 keys in their lowest bytes */
	(void)ask(sub, 'd', 0);
	r = exact(look, pub, sub);
	must(r.delivered == 256 && r.lost_conflated == 600 - 256);
	weir_look_close(look);
}

static void
at_rest_expired(void)
{
	struct actor *pub = publisher(.ttl_ms = 1);
	struct actor *sub = reader(.policy = WEIR_DROP_OLDEST);
	weir_look *look;
	weir_look_reader r;
	uint64_t until;

	await_readers(pub, 1);
	look = open_look(LOOK_MS);
	(void)ask(pub, 's', 50);
	until = weir_now_ns() + 2000000;
	while (weir_now_ns() < until)
		usleep(PAUSE_US);
	must(exact(look, pub, sub).waiting == 50);
	(void)ask(sub, 'd', 0);
	r = exact(look, pub, sub);
	must(r.lost_expired == 50 && r.delivered == 0 && r.waiting == 0);
	weir_look_close(look);
}

static void
at_rest_held(void)
{
	struct actor *pub = publisher();
	struct actor *sub = reader(.holds = 2);
	weir_look *look;
	weir_look_reader r;

	await_readers(pub, 1);
	look = open_look(LOOK_MS);
	(void)ask(pub, 's', 20);
	(void)ask(sub, 'h', 5);
	r = exact(look, pub, sub);
	must(r.held == 5 && r.delivered == 0 && r.waiting == 15);
	(void)ask(sub, 'r', 5);
	r = exact(look, pub, sub);
	must(r.held == 5 && r.delivered == 5 && r.waiting == 10);
	(void)ask(sub, 'l', 0);
	r = exact(look, pub, sub);
	must(r.held == 0 && r.delivered == 10 && r.waiting == 10);
	weir_look_close(look);
}

static void
at_rest_given_back(void)
{
	struct actor *pub = publisher();
	struct actor *sub = reader(.policy = WEIR_BLOCK);
	weir_look *look;
	weir_look_reader r;

	await_readers(pub, 1);
	look = open_look(LOOK_MS);
	(void)ask(pub, 'b', 100);
	r = exact(look, pub, sub);
	must(r.waiting == 200 && r.aborted_ahead == 100 && r.aborted == 0);
	must(r.stall_ns == UINT64_MAX && r.gates);
	(void)ask(sub, 'r', 101);
	/* Where it stands, between two messages, what is given back may be on either side. */
	r = exact(look, pub, sub);
	must(r.delivered == 101 && r.waiting == 99 && r.aborted + r.aborted_ahead == 100);
	(void)ask(sub, 'd', 0);
	r = exact(look, pub, sub);
	must(r.delivered == 200 && r.aborted == 100 && r.waiting == 0);
	weir_look_close(look);
}

static void
at_rest_gone(void)
{
	struct actor *pub = publisher(.keep_messages = 100);
	uint64_t id = ask(pub, 's', 2 * BEYOND).publisher;
	struct actor *sub;
	weir_look *look;
	weir_look_reader r;

	sub = reader(.from = WEIR_FROM_SEQ, .from_publisher = id, .from_count = 5);
	await_readers(pub, 1);
	look = open_look(LOOK_MS);
	r = exact(look, pub, sub);
	must(r.from == 5 && r.lost_gone > 0 && r.waiting >= 100);
	must(r.lost_gone + r.lost_behind + r.waiting + 5 == 2 * BEYOND);
	(void)ask(sub, 'd', 0);
	must(exact(look, pub, sub).waiting == 0);
	weir_look_close(look);
}

/* ---- while all moves ------------------------------------------------------------------------------ */

static void
under_load(void)
{
	struct actor *pubs[2] = {publisher(), publisher(.topic = "u")};
	struct actor *subs[4] = {reader(.policy = WEIR_BLOCK),
		reader(.stall_us = WEIR_NEVER), reader(.policy = WEIR_LATEST),
		reader(.stall_us = WEIR_NEVER, .ttl_ms = 2)};
	uint64_t counted = 0, uncounted = 0, widest = 0, newest = 0;
	const weir_look_reader *readers;
	weir_look *look;
	size_t count;

	for (int i = 0; i < 2; i++)
		await_readers(pubs[i], 4);
	for (int i = 0; i < 4; i++)
		tell(subs[i], 'f', i == 0 ? 0 : 500);
	for (int i = 0; i < 2; i++)
		tell(pubs[i], 'f', 0);
	look = open_look(LOOK_MS);
	/* Until so much was published, and some of it in the middle of a look. */
	for (int i = 0; i < LOOKS || newest < MANY || widest == 0; i++) {
		must(weir_look_account(look, ">", LOOK_MS) == 8);
		readers = weir_look_readers(look, &count);
		newest = UINT64_MAX;
		for (size_t k = 0; k < count; k++) {
			const weir_look_reader *r = &readers[k];

			counted += r->counted;
			uncounted += !r->counted;
			if (!r->counted)
				continue;
			check_balance(r);
			if (r->visible_last - r->visible_first > widest)
				widest = r->visible_last - r->visible_first;
			if (r->visible_last < newest)
				newest = r->visible_last;
		}
	}
	printf("%" PRIu64 " times counted, %" PRIu64 " times not; at most %" PRIu64
	       " claims were published meanwhile\n",
		counted, uncounted, widest);
	must(counted > uncounted);
	for (int i = 0; i < 2; i++)
		(void)stop_flood(pubs[i], 'n');
	for (int i = 0; i < 4; i++)
		(void)stop_flood(subs[i], 'd');
	/* And exact when it is over. */
	must(weir_look_account(look, ">", LOOK_MS) == 8);
	readers = weir_look_readers(look, &count);
	for (size_t k = 0; k < count; k++) {
		print(&readers[k]);
		must(readers[k].counted);
		check_balance(&readers[k]);
		must(readers[k].visible_first == readers[k].visible_last);
	}
	weir_look_close(look);
}

static void
kill_actor(struct actor *actor)
{
	(void)kill(actor->pid, SIGKILL);
	(void)waitpid(actor->pid, NULL, 0);
	actor->pid = 0; /* its number is nobody's now */
}

/* A reader and a publisher die in full flight; the books of the others balance. */
static void
across_kills(void)
{
	struct actor *pubs[2] = {publisher(), publisher(.topic = "u")};
	struct actor *subs[3] = {reader(.policy = WEIR_BLOCK),
		reader(.stall_us = WEIR_NEVER), reader(.policy = WEIR_DROP_OLDEST)};
	const weir_look_reader *readers;
	uint64_t claimed;
	weir_look *look;
	size_t count;

	for (int i = 0; i < 2; i++)
		await_readers(pubs[i], 3);
	look = open_look(LOOK_MS);
	for (int i = 0; i < 3; i++)
		tell(subs[i], 'f', i == 1 ? 100 : 0);
	for (int i = 0; i < 2; i++)
		tell(pubs[i], 'f', 0);
	for (int i = 0; i < 20; i++) {
		(void)weir_look_account(look, ">", 1000);
		readers = weir_look_readers(look, &count);
		for (size_t k = 0; k < count; k++)
			if (readers[k].counted)
				check_balance(&readers[k]);
		if (i == 5)
			kill_actor(subs[0]);
		if (i == 10)
			kill_actor(pubs[1]);
	}
	claimed = stop_flood(pubs[0], 'n').count;
	for (int i = 1; i < 3; i++)
		(void)stop_flood(subs[i], 'd');
	await_readers(pubs[0], 2);
	/* What a killed publisher had published is read to its end, and its stream is gone. */
	for (int i = 1; i < 3; i++)
		while (ask(subs[i], 'd', 0).sub.streams != 1)
			usleep(PAUSE_US);
	must(weir_look_refresh(look, LOOK_MS) == 3);
	must(weir_look_account(look, ">", LOOK_MS) == 2);
	readers = weir_look_readers(look, &count);
	for (size_t k = 0; k < count; k++) {
		print(&readers[k]);
		must(readers[k].counted);
		check_balance(&readers[k]);
		if (sum_of(&readers[k]) != claimed)
			die(1, "the sum is %" PRIu64 " of %" PRIu64,
				sum_of(&readers[k]), claimed);
	}
	weir_look_close(look);
}

/* A stopped reader shows nothing to who comes later; its publisher has seen its words. */
static void
stopped_and_left_behind(void)
{
	struct actor *pub = publisher();
	struct actor *sub = reader(.stall_us = WEIR_NEVER);
	weir_look *look;
	weir_look_reader r;

	await_readers(pub, 1);
	(void)ask(pub, 's', 10);
	(void)ask(sub, 'r', 4);
	(void)kill(sub->pid, SIGSTOP);
	(void)ask(pub, 's', BEYOND);
	look = open_look(100);
	r = only_reader(look);
	must(r.delivered == 4 && r.gone_ahead > 0);
	must(sum_of(&r) == 10 + BEYOND);
	(void)kill(sub->pid, SIGCONT);
	(void)ask(sub, 'd', 0);
	must(weir_look_refresh(look, LOOK_MS) == 2);
	must(exact(look, pub, sub).lost_behind == r.gone_ahead);
	weir_look_close(look);
}

/* No row, no gate, no memory, and nobody is woken for it. */
static void
looking_changes_nothing(void)
{
	struct actor *pub = publisher();
	struct actor *sub = reader(.quota = 1 << 20);
	struct answer before, after;
	weir_look_reader first, last;
	weir_look *look;

	await_readers(pub, 1);
	(void)ask(pub, 's', 100);
	(void)ask(sub, 'r', 40);
	before = ask(pub, 'n', 0);
	look = open_look(LOOK_MS);
	first = only_reader(look);
	for (int i = 0; i < 50; i++)
		last = only_reader(look);
	after = ask(pub, 'n', 0);
	must(after.subscribers == 1 && after.pub.subscribers == 1);
	must(after.pub.reserved_bytes == before.pub.reserved_bytes);
	must(after.pub.rings == before.pub.rings && after.pub.rolls == before.pub.rolls);
	must(after.pub.detached == before.pub.detached);
	must(last.gates == first.gates && last.gates == 1);
	must(sum_of(&last) == sum_of(&first) && last.standing == first.standing);
	weir_look_close(look);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{"N4_at_rest_with_a_gap", at_rest_with_a_gap},
	{"N4_at_rest_latest", at_rest_latest},
	{"N4_at_rest_latest_by_key", at_rest_latest_by_key},
	{"N4_at_rest_expired", at_rest_expired},
	{"N4_at_rest_held", at_rest_held},
	{"N4_at_rest_given_back", at_rest_given_back},
	{"N4_at_rest_gone", at_rest_gone},
	{"N4_under_load", under_load},
	{"N4_across_kills", across_kills},
	{"N4_stopped_and_left_behind", stopped_and_left_behind},
	{"N7_looking_changes_nothing", looking_changes_nothing},
};

static void
sweep(void)
{
	char path[80];

	if (getpid() != owner)
		return; /* an actor that gave up */
	for (int i = 0; i < actor_count; i++)
		if (actors[i].pid > 0)
			kill_actor(&actors[i]);
	(void)snprintf(path, sizeof(path), "%s/account", dir);
	(void)weir_look_clean("account", dir, 1, NULL);
	(void)rmdir(path);
	(void)rmdir(dir);
}

int
main(int argc, char **argv)
{
	(void)signal(SIGPIPE, SIG_IGN);
	(void)snprintf(dir, sizeof(dir), "/tmp/weir-account-XXXXXX");
	must(mkdtemp(dir) != NULL);
	owner = getpid();
	(void)atexit(sweep);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (argc > 1 && strcmp(argv[1], cases[i].name) == 0) {
			cases[i].run();
			end_all();
			return 0;
		}
	die(2, "usage: %s CASE", argv[0]);
}
