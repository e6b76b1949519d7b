/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * weir_meet SCENARIO [SECONDS] [SEED]   0 = nothing broke
 * weir_meet --mutant NAME               0 = the scenario that should catch it does
 *
 *	storm	readers join and leave streams at full load, streams come and go
 *	pairs	two nodes arrive at the same instant, publish and subscribe
 *	death	a reader that everybody waits for is killed
 *	twice	a request to attach that is heard twice
 *
 * The promise: what is published after weir_subscribe has returned arrives, and when
 * weir_advertise has returned, every subscription that was there has been admitted.
 *
 * The build with mutants also waits at labelled steps of joining, at random, so that what
 * may happen in between does.
 */
#include "protocols/bus.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	SECONDS = 10,
	SECONDS_TO_CATCH = 60,
	HANG_S = 20,
	HANG_PLANTED_S = 8, /* of a fault that is to be caught, which may mean: hang */
	PROCESSES = 8,
	STREAMS = 2,
	WINDOW = 1 << 20,
	FLASHES = 4, /* messages of a stream that is soon gone */
	UNREAD = 128,
	VISIT = 50,
	FREED = 200,       /* messages: more than a window of them */
	ATTACH_MS = 10000, /* nobody is stopped here: nobody may be pending */
	EXIT_TORN = 1,
	EXIT_USAGE = 2,
	EXIT_HUNG = 3
};

static struct shared {
	uint64_t stop;
	uint64_t progress[PROCESSES];
	uint64_t joins;
	uint64_t claimed[STREAMS]; /* the number that each of the two is about to claim */
	uint64_t flashed; /* streams that came, and that were seen from end to end */
	uint64_t seen;
	uint64_t arrived[2]; /* rounds of the pair: at the door, joined, heard */
	uint64_t joined[2];
	uint64_t heard[2];
	uint64_t stuck; /* rounds that the reader that does not read has begun */
} * shared;

static char dir[64];
static int self;
static uint64_t rng;

#define look(p)   __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define say(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define count(p)  __atomic_fetch_add((p), 1, __ATOMIC_ACQ_REL)

static void torn(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

static void
torn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("torn: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	_exit(EXIT_TORN);
}

static uint64_t
below(uint64_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (rng >> 11) % n;
}

static void
pause_us(uint64_t us)
{
	struct timespec t = {.tv_nsec = (long)(us * 1000)};

	(void)nanosleep(&t, NULL);
}

static void
moved_on(void)
{
	say(&shared->progress[self], shared->progress[self] + 1);
}

static bool
is_over(void)
{
	return look(&shared->stop) != 0;
}

/* ---- delays ------------------------------------------------------------------------------ */

#if defined(WR_POINTS)
static void
dawdle(const char *label)
{
	static const char *const steps[] = {"admit_lock", "enter_cur", "announce_send",
		"announce_ack", "attach_send", "arrive_scan", "reap_row"};
	static __thread uint64_t own;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (strcmp(label, steps[i]) != 0)
			continue;
		if (own == 0)
			own = wr_now_ns() | 1;
		own = own * 6364136223846793005ull + 1442695040888963407ull;
		if (own >> 61 == 0)
			pause_us((own >> 32) % 3000);
		return;
	}
}
#endif

/* ---- handles that must not fail ------------------------------------------------------------- */

static void
check_bus(weir_bus *bus)
{
	weir_event event;

	while (weir_next_event(bus, &event) > 0)
		if (event.kind == WEIR_EV_PENDING || event.kind == WEIR_EV_PROTOCOL ||
			event.kind == WEIR_EV_REFUSED || event.kind == WEIR_EV_DENIED ||
			event.kind == WEIR_EV_CUT)
			torn("process %d: event %d, %s, of %s[%u] on '%s'", self,
				(int)event.kind, weir_err_name(event.code), event.node,
				event.pid, event.topic);
}

static weir_bus *
open_bus(const char *node, enum weir_idle idle)
{
	weir_bus *bus = weir_open("meet", .dir = dir, .node = node, .idle = idle,
		.attach_ms = ATTACH_MS, .flags = WEIR_BUS_QUIET | WEIR_BUS_NO_SIGNALS);

	if (weir_why(bus)->code)
		torn("open: %s", weir_why(bus)->text);
	return bus;
}

static weir_pub *
advertise(weir_bus *bus, const char *topic)
{
	weir_pub *pub =
		weir_advertise(bus, topic, .window = WINDOW, .wait_ms = WEIR_FOREVER);

	if (weir_pub_why(pub)->code)
		torn("advertise: %s", weir_pub_why(pub)->text);
	return pub;
}

static weir_sub *
subscribe(weir_bus *bus, const char *pattern)
{
	weir_sub *sub = weir_subscribe(bus, pattern, .policy = WEIR_BLOCK);

	if (weir_sub_why(sub)->code)
		torn("subscribe: %s", weir_sub_why(sub)->text);
	return sub;
}

static void
publish(weir_pub *pub, size_t len)
{
	weir_claim_t c;
	int rc = weir_claim(pub, len, &c);

	if (rc < 0)
		torn("claim: %s: %s", weir_err_text(rc), weir_pub_why(pub)->text);
	memcpy(c.data, &c.seq, sizeof(c.seq));
	rc = weir_commit(pub, &c);
	if (rc < 0)
		torn("commit: %s", weir_err_text(rc));
}

static void
close_bus(weir_bus *bus)
{
	check_bus(bus);
	if (weir_close(bus) != 0)
		torn("process %d: close failed", self);
}

/* ---- storm: joins at full load ----------------------------------------------------------------- */

/* Publishes one of the two streams for as long as it lasts. */
static void
storm_source(int which)
{
	char topic[] = "storm.a";
	weir_bus *bus = open_bus("source", WEIR_IDLE_ADAPTIVE);
	weir_pub_stats stats = {.size = sizeof(stats)};
	weir_pub *pub;

	topic[6] = (char)('a' + which);
	pub = advertise(bus, topic);
	for (uint64_t n = 0; !is_over(); n++) {
		say(&shared->claimed[which], n);
		publish(pub, 16 + below(which ? 60000 : 8000));
		if (n % 64 == 0) {
			moved_on();
			check_bus(bus);
			(void)weir_pub_get_stats(pub, &stats);
			if (stats.evicted)
				torn("'%s' put out %llu readers, who broke no rule",
					topic, (unsigned long long)stats.evicted);
		}
	}
	close_bus(bus);
}

/* Reads a little of one stream, from just after it joined. */
static void
visit(weir_bus *bus, int which)
{
	char topic[] = "storm.a";
	uint64_t next = UINT64_MAX, claimed;
	weir_sub *sub;
	weir_msg msg;

	topic[6] = (char)('a' + which);
	sub = subscribe(bus, topic);
	claimed = look(&shared->claimed[which]);
	if (weir_publishers(sub) != 1 && !is_over())
		torn("'%s' has a publisher, and who subscribed follows %d", topic,
			weir_publishers(sub));
	count(&shared->joins);
	for (int left = (int)below(VISIT); left > 0 && !is_over();) {
		int rc = weir_peek(sub, &msg);
		uint64_t seq;

		if (rc == -WEIR_E_GONE_END && is_over())
			break;
		if (rc < 0)
			torn("peek on '%s': %s", topic, weir_err_text(rc));
		if (rc == 0) {
			(void)weir_turn(bus, 20);
			continue;
		}
		memcpy(&seq, msg.data, sizeof(seq));
		if (seq != msg.seq || msg.lost)
			torn("'%s': message %llu arrived as %llu, %llu lost", topic,
				(unsigned long long)seq, (unsigned long long)msg.seq,
				(unsigned long long)msg.lost);
		/* The one that was being published may have been too early for us. */
		if (next == UINT64_MAX && seq > claimed + 1)
			torn("'%s': %llu was published after subscribe, and %llu came first",
				topic, (unsigned long long)claimed + 1,
				(unsigned long long)seq);
		if (next != UINT64_MAX && seq != next)
			torn("'%s': %llu after %llu", topic, (unsigned long long)seq,
				(unsigned long long)next - 1);
		next = seq + 1;
		left--;
		if (weir_next(sub) < 0)
			torn("next");
	}
	if (weir_unsubscribe(sub) < 0)
		torn("unsubscribe");
	moved_on();
}

static void
storm_visitor(void)
{
	while (!is_over()) {
		weir_bus *bus = open_bus("visitor", WEIR_IDLE_ADAPTIVE);
		int which = (int)below(2);

		/* One after the other: the slot of the one stream is that of the next. */
		for (int i = (int)below(40); i >= 0 && !is_over(); i--, which ^= 1) {
			visit(bus, which);
			check_bus(bus);
		}
		close_bus(bus);
	}
}

/* Streams that come, say something, and go. */
static void
storm_flash(void)
{
	weir_bus *bus = open_bus("flash", WEIR_IDLE_ADAPTIVE);

	while (!is_over()) {
		weir_pub *pub;

		/* The witness may have others to read: an ended stream waits for it. */
		while (look(&shared->flashed) > look(&shared->seen) + UNREAD && !is_over())
			pause_us(100);
		pub = advertise(bus, "flash");
		count(&shared->flashed);
		for (int i = 0; i < FLASHES; i++)
			publish(pub, 64);
		if (weir_pub_close(pub) < 0)
			torn("close of a publisher");
		check_bus(bus);
		moved_on();
	}
	close_bus(bus);
}

/* Was there before all of them, so it sees each of them whole. */
static void
storm_witness(void)
{
	struct {
		uint64_t publisher, next;
	} streams[UNREAD * 2] = {{0}};
	weir_bus *bus = open_bus("witness", WEIR_IDLE_ADAPTIVE);
	weir_sub *sub = subscribe(bus, "flash");

	say(&shared->seen, 1);
	while (look(&shared->stop) < 2 || look(&shared->seen) <= look(&shared->flashed)) {
		weir_msg msg;
		int rc = weir_peek(sub, &msg), at = 0;

		if (rc == 0) {
			(void)weir_turn(bus, 20);
			continue;
		}
		while (at < UNREAD * 2 - 1 && streams[at].publisher != msg.publisher)
			at++;
		for (int i = 0;
			streams[at].publisher != msg.publisher && i < UNREAD * 2; i++)
			if (streams[i].publisher == 0)
				at = i;
		if (rc == -WEIR_E_GONE_END) {
			if (streams[at].next != FLASHES)
				torn("a stream of %d messages ended after %llu",
					FLASHES, (unsigned long long)streams[at].next);
			memset(&streams[at], 0, sizeof(streams[at]));
			count(&shared->seen);
			moved_on();
			continue;
		}
		if (rc < 0)
			torn("peek on 'flash': %s", weir_err_text(rc));
		if (msg.seq != streams[at].next)
			torn("'flash': %llu instead of %llu", (unsigned long long)msg.seq,
				(unsigned long long)streams[at].next);
		streams[at].publisher = msg.publisher;
		streams[at].next++;
		if (weir_next(sub) < 0)
			torn("next");
	}
	close_bus(bus);
}

/* ---- pairs: two that arrive together -------------------------------------------------------------- */

/* Waits until the other one is in that round too; false: it is over. */
static bool
meet_at(uint64_t *rounds, int me, uint64_t round)
{
	say(&rounds[me], round);
	for (uint64_t tries = 0; look(&rounds[!me]) < round; tries++) {
		if (is_over())
			return false;
		if (tries > 1000)
			sched_yield();
	}
	return true;
}

/* The other one has published to us. The watchdog ends a wait for what does not come. */
static bool
hear(weir_sub *sub, int me, uint64_t round)
{
	char buf[64];
	int rc;

	do {
		rc = weir_recv(sub, buf, sizeof(buf), 20, NULL);
	} while (rc == -WEIR_E_AGAIN_EMPTY && !is_over());
	if (rc < 0 && !is_over())
		torn("pair %d, round %llu: the other has published, and: %s", me,
			(unsigned long long)round, weir_err_text(rc));
	return rc >= 0;
}

static void
pair(int me)
{
	static const char *const topics[] = {"pair.a", "pair.b"};

	for (uint64_t round = 1; meet_at(shared->arrived, me, round); round++) {
		weir_bus *bus = open_bus("pair", WEIR_IDLE_ADAPTIVE);
		weir_pub *pub;
		weir_sub *sub;

		if (below(2)) {
			pub = advertise(bus, topics[me]);
			sub = subscribe(bus, topics[!me]);
		} else {
			sub = subscribe(bus, topics[!me]);
			pub = advertise(bus, topics[me]);
		}
		if (meet_at(shared->joined, me, round)) {
			publish(pub, 64);
			if (hear(sub, me, round) && meet_at(shared->heard, me, round)) {
				count(&shared->joins);
				moved_on();
			}
		}
		close_bus(bus);
	}
}

/* ---- death: the one that all wait for -------------------------------------------------------------- */

static void
death_source(void)
{
	weir_bus *bus = open_bus("source", WEIR_IDLE_ADAPTIVE);
	weir_pub *pub = advertise(bus, "death");

	while (!is_over()) {
		publish(pub, 16 << 10);
		moved_on();
	}
	close_bus(bus);
}

/* Joins, and reads nothing. */
static void
death_stuck(void)
{
	weir_bus *bus = open_bus("stuck", WEIR_IDLE_ADAPTIVE);

	/* Waited for without end: only its death frees the publisher. */
	(void)weir_subscribe(bus, "death", .policy = WEIR_BLOCK);
	count(&shared->stuck);
	for (;;)
		pause();
}

/* ---- twice ---------------------------------------------------------------------------------------------- */

static int
answer(void *ctx, const struct wr_begin *begin, struct wr_store *store, uint32_t seat)
{
	uint64_t *places = ctx;

	(void)store;
	(void)seat;
	places[0] = places[1];
	places[1] = begin->place;
	return 0;
}

/* The same reader asks twice, as after an answer that it did not hear. */
static void
twice(void)
{
	for (uint64_t round = 0; !is_over(); round++) {
		weir_bus *bus = open_bus("twice", WEIR_IDLE_ADAPTIVE);
		weir_pub *pub = advertise(bus, "twice");
		struct wr_stream *stream = bus->node.streams;
		struct wr_slot slot;
		struct wr_row row = {.node = 1 + round, .sub = 7, .slot = &slot};
		struct wr_terms terms = {.policy = WEIR_BLOCK};
		uint64_t places[2] = {0, 0};

		memset(&slot, 0, sizeof(slot));
		for (int i = 0; i < 2; i++) {
			if (wr_stream_admit(stream, &row, &terms, NULL, answer, places) < 0)
				torn("not admitted");
			publish(pub, 60000);
		}
		if (stream->writer.gate.count != 1 || places[0] != places[1])
			torn("one reader that asked twice has %u rows",
				stream->writer.gate.count);
		if (!wr_stream_dismiss(stream, row.node, row.sub) ||
			weir_subscribers(pub) != 0)
			torn("who left is still waited for");
		for (int i = 0; i < 64; i++)
			publish(pub, 60000);
		moved_on();
		close_bus(bus);
	}
}

/* ---- the driver -------------------------------------------------------------------------------------------- */

enum part {
	P_SOURCE_A,
	P_SOURCE_B,
	P_VISITOR,
	P_FLASH,
	P_WITNESS,
	P_PAIR_A,
	P_PAIR_B,
	P_DEATH,
	P_STUCK,
	P_TWICE,
	P_NEXT,
	P_END
};

static const struct scenario {
	const char *name;
	enum part parts[PROCESSES + 1];
} scenarios[] = {
	{"storm", {P_WITNESS, P_SOURCE_A, P_SOURCE_B, P_VISITOR, P_VISITOR, P_FLASH, P_END}},
	{"pairs", {P_PAIR_A, P_PAIR_B, P_END}},
	{"death", {P_DEATH, P_STUCK, P_END}},
	{"twice", {P_TWICE, P_END}},
};

/* Who catches which mutant. */
static const struct {
	const char *mutant;
	const char *scenario;
} catches[] = {
	{"ADMIT_NOLOCK", "storm"},
	{"ADMIT_REPLYFIRST", "storm"},
	{"ADMIT_CUR0", "storm"},
	{"ADMIT_WAITLOCKED", "death"},
	{"ADMIT_NOREAP", "death"},
	{"MEET_SCANFIRST", "pairs"},
	{"MEET_TABLELATE", "storm"},
	{"MEET_SYNC", "pairs"},
	{"MEET_DUP", "twice"},
	{"SLOT_NOACK", "storm"},
};

static pid_t pids[PROCESSES];

static void
play(enum part part)
{
	switch (part) {
	case P_SOURCE_A:
	case P_SOURCE_B:
		storm_source(part == P_SOURCE_B);
		break;
	case P_VISITOR:
		while (!is_over() &&
			(look(&shared->claimed[0]) == 0 || look(&shared->claimed[1]) == 0))
			pause_us(100);
		storm_visitor();
		break;
	case P_FLASH:
		while (look(&shared->seen) == 0)
			pause_us(100);
		storm_flash();
		break;
	case P_WITNESS:
		storm_witness();
		break;
	case P_PAIR_A:
	case P_PAIR_B:
		pair(part == P_PAIR_B);
		break;
	case P_DEATH:
		death_source();
		break;
	case P_STUCK:
		death_stuck();
		break;
	case P_TWICE:
		twice();
		break;
	case P_NEXT:
		close_bus(open_bus("next", WEIR_IDLE_ADAPTIVE));
		break;
	case P_END:
		break;
	}
}

static void
begin(const struct scenario *s, int i, uint64_t seed)
{
	pid_t parent = getpid();

	fflush(NULL);
	pids[i] = fork();
	if (pids[i] < 0)
		torn("fork: %s", strerror(errno));
	if (pids[i] != 0)
		return;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	self = i;
	rng = (seed * PROCESSES + (uint64_t)i) * 0x9e3779b97f4a7c15ull | 1;
#if defined(WR_POINTS)
	wr_point_hook = dawdle;
#endif
	play(s->parts[i]);
	_exit(0);
}

static void
end_with(int code)
{
	for (int i = 0; i < PROCESSES; i++)
		if (pids[i] > 0) {
			(void)kill(pids[i], SIGKILL);
			(void)waitpid(pids[i], NULL, 0);
		}
	(void)snprintf(dir + strlen(dir), 6, "/meet");
	if (code == 0 && rmdir(dir) < 0) {
		fprintf(stderr, "torn: %s: %s\n", dir, strerror(errno));
		code = EXIT_TORN;
	}
	dir[strlen(dir) - 5] = 0;
	(void)rmdir(dir);
	exit(code);
}

/* Reaps who has ended; how many still live. */
static int
alive(void)
{
	int living = 0;

	for (int i = 0; i < PROCESSES; i++) {
		int status;

		if (pids[i] <= 0)
			continue;
		if (waitpid(pids[i], &status, WNOHANG) == 0) {
			living++;
			continue;
		}
		pids[i] = 0;
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			continue;
		if (!WIFEXITED(status))
			fprintf(stderr, "torn: process %d ended with status %x\n", i,
				(unsigned)status);
		end_with(EXIT_TORN);
	}
	return living;
}

static uint64_t
sum_of_progress(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < PROCESSES; i++)
		sum += look(&shared->progress[i]);
	return sum;
}

/* A process that gets nowhere is a failure, whatever the others do. */
static void
check_hang(void)
{
	static uint64_t moved[PROCESSES], since[PROCESSES];
	uint64_t now = wr_now_ns();
	int most_s = getenv("WEIR_MUTANT") ? HANG_PLANTED_S : HANG_S;

	for (int i = 0; i < PROCESSES; i++) {
		uint64_t there = look(&shared->progress[i]);

		if (pids[i] <= 0 || there != moved[i] || since[i] == 0) {
			moved[i] = there;
			since[i] = now;
		} else if (now - since[i] > (uint64_t)most_s * 1000000000u) {
			fprintf(stderr, "hung: process %d did not move for %d s\n", i,
				most_s);
			end_with(EXIT_HUNG);
		}
	}
}

/*
 * When the publisher waits for the reader that does not read, that one dies; when the
 * publisher has gone on, the next one comes.
 */
static void
kill_the_stuck(const struct scenario *s, uint64_t seed)
{
	static uint64_t last, still;
	uint64_t there = look(&shared->progress[0]);

	moved_on(); /* for the stuck one: it is not to move */
	if (pids[1] <= 0) {
		if (there > last + FREED)
			begin(s, 1, seed + shared->joins);
		return;
	}
	if (look(&shared->stuck) <= shared->joins)
		return;
	still = there == last ? still + 1 : 0;
	last = there;
	if (still < 5)
		return;
	still = 0;
	(void)kill(pids[1], SIGKILL);
	(void)waitpid(pids[1], NULL, 0);
	pids[1] = 0;
	shared->joins++;
}

static void
run(const struct scenario *s, unsigned seconds, uint64_t seed, uint64_t least)
{
	uint64_t until_ns = wr_now_ns() + seconds * 1000000000ull;
	int parts = 0;

	printf("%s: seed %llu\n", s->name, (unsigned long long)seed);
	for (; s->parts[parts] != P_END; parts++)
		begin(s, parts, seed);
	while (alive() > 0 && (wr_now_ns() < until_ns || look(&shared->joins) < least)) {
		pause_us(2000);
		check_hang();
		if (s->parts[1] == P_STUCK) {
			self = 1;
			kill_the_stuck(s, seed);
		}
	}
	say(&shared->stop, 1);
	if (s->parts[1] == P_STUCK && pids[1] > 0) {
		(void)kill(pids[1], SIGKILL);
		(void)waitpid(pids[1], NULL, 0);
		pids[1] = 0;
	}
	/* The witness goes last, when nothing more can come. */
	while (alive() > (s->parts[0] == P_WITNESS)) {
		pause_us(2000);
		check_hang();
	}
	say(&shared->stop, 2);
	while (alive() > 0) {
		pause_us(2000);
		check_hang();
	}
	/* Who was killed last had nobody left to clear up behind it but the next to come. */
	if (s->parts[1] == P_STUCK) {
		static const struct scenario next = {"next", {P_NEXT, P_END}};

		begin(&next, 0, seed);
		while (alive() > 0)
			pause_us(2000);
	}
	printf("%s: %u s, %llu joins, %llu streams that came and went, %llu steps\n",
		s->name, seconds, (unsigned long long)shared->joins,
		(unsigned long long)shared->flashed,
		(unsigned long long)sum_of_progress());
	end_with(0);
}

static const struct scenario *
find(const char *name)
{
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		if (strcmp(scenarios[i].name, name) == 0)
			return &scenarios[i];
	return NULL;
}

/* Runs ourselves under the mutant: that must fail. */
static int
run_mutant(const char *mutant, const char *scenario)
{
	uint64_t began = wr_now_ns();
	char seconds[16];
	bool caught;
	int status = 0;
	pid_t pid;

	(void)snprintf(seconds, sizeof(seconds), "%d", SECONDS_TO_CATCH);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		(void)setenv("WEIR_MUTANT", mutant, 1);
		execl("/proc/self/exe", "weir_meet", scenario, seconds, (char *)NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	caught = WIFEXITED(status) &&
		(WEXITSTATUS(status) == EXIT_TORN || WEXITSTATUS(status) == EXIT_HUNG);
	printf("%s: %s by %s after %.1f s\n", mutant, caught ? "caught" : "NOT CAUGHT",
		scenario, (double)(wr_now_ns() - began) / 1e9);
	return caught ? 0 : 1;
}

int
main(int argc, char **argv)
{
	const struct scenario *s;

#if defined(WR_MUTANTS)
	if (argc == 3 && strcmp(argv[1], "--mutant") == 0)
		for (size_t i = 0; i < sizeof(catches) / sizeof(catches[0]); i++)
			if (strcmp(catches[i].mutant, argv[2]) == 0)
				return run_mutant(argv[2], catches[i].scenario);
#else
	(void)catches;
	(void)run_mutant;
#endif
	s = argc >= 2 ? find(argv[1]) : NULL;
	if (!s || argc > 5) {
		fprintf(stderr,
			"usage: %s SCENARIO [SECONDS] [SEED] [JOINS] | --mutant NAME\n",
			argv[0]);
		return EXIT_USAGE;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	(void)snprintf(dir, sizeof(dir), "/tmp/weir-meet-XXXXXX");
	if (shared == MAP_FAILED || !mkdtemp(dir))
		torn("no memory or no directory: %s", strerror(errno));
	run(s, argc > 2 ? (unsigned)atoi(argv[2]) : SECONDS,
		argc > 3 ? strtoull(argv[3], NULL, 0) : wr_now_ns() % 1000000007,
		argc > 4 ? strtoull(argv[4], NULL, 0) : 0);
	return 0;
}
