/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * weir_stall SCENARIO [SECONDS]   0 = the promise held
 * weir_stall --list
 *
 * One publisher, many readers, some of them slow: real processes over shared memory, or
 * threads over inproc (scenarios whose name ends in _inproc). The promise: who is healthy
 * loses nothing and is never detached; who is too slow is detached, and told exactly what
 * it missed; the books of everybody balance.
 *
 * A reader that stops does so inside its handler, and goes on when all is over, so that it
 * too can be asked for its books.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <weir/weir.h>

enum { READERS_MAX = 128, GROUPS_MAX = 4, HANG_S = 60, SIZE = 1024, EVENTS_KEPT = 256 };

/* What a reader does with its messages. */
enum way {
	HEALTHY, /* reads as fast as it comes */
	LATE,    /* sleeps `us` in each handler */
	STOPS,   /* after `us` messages, times its number in the group */
	HOLDS,   /* keeps all it may, and stops */
	LAGS     /* works `us` percent longer than the others for each message */
};

struct group {
	int count;
	enum way way;
	unsigned us;
	enum weir_policy policy;
};

static const struct scenario {
	const char *name;
	unsigned seconds, seconds_long;
	unsigned rate;    /* messages a second, 0: as fast as it goes */
	unsigned busy_ns; /* work that everybody does for each message */
	int hogs;         /* processes that only burn time beside it */
	bool slow_go;     /* every slow reader is detached at least once */
	bool threads;
	struct group groups[GROUPS_MAX];
} scenarios[] = {
	{"one_slower", 10, 60, .groups = {{1, LATE, 20}}},
	{"one_stopped", 4, 20, .slow_go = true,
		.groups = {{7, HEALTHY}, {1, STOPS, 20000}}},
	{"one_stopped_paced", 4, 20, .rate = 20000, .slow_go = true,
		.groups = {{7, HEALTHY}, {1, STOPS, 2000}}},
	{"all_stopped", 6, 20, .slow_go = true, .groups = {{8, STOPS, 20000}}},
	{"all_equally_slow", 5, 30, .groups = {{8, LATE, 1000}}},
	{"one_lags_by_a_fifth", 5, 30, .busy_ns = 2000,
		.groups = {{7, LAGS, 0}, {1, LAGS, 20}}},
	{"three_stop_at_one_place", 4, 20, .slow_go = true,
		.groups = {{7, HEALTHY}, {3, STOPS, 20000}}},
	{"three_stop_at_three_places", 4, 20, .slow_go = true,
		.groups = {{7, HEALTHY}, {1, STOPS, 20000}, {1, STOPS, 40000},
			{1, STOPS, 60000}}},
	{"three_stop_at_three_places_paced", 5, 20, .rate = 20000, .slow_go = true,
		.groups = {{7, HEALTHY}, {1, STOPS, 2000}, {1, STOPS, 4000},
			{1, STOPS, 6000}}},
	{"three_late", 5, 20, .slow_go = true, .groups = {{7, HEALTHY}, {3, LATE, 1000}}},
	{"one_very_late", 5, 20, .slow_go = true,
		.groups = {{7, HEALTHY}, {1, LATE, 10000}}},
	{"forty_healthy", 5, 60, .groups = {{40, HEALTHY}}},
	{"sixty_four_and_one_stopped_beside_hogs", 20, 600, .hogs = 2, .slow_go = true,
		.groups = {{64, HEALTHY}, {1, STOPS, 20000}}},
	{"a_hundred_stopped_one_holds", 6, 30, .slow_go = true,
		.groups = {{7, HEALTHY}, {100, STOPS, 5000}, {1, HOLDS, 5000}}},
	{"block_by_name", 4, 10, .groups = {{3, HEALTHY}, {1, LATE, 2000, WEIR_BLOCK}}},
	{"disconnect", 4, 10, .slow_go = true,
		.groups = {{7, HEALTHY}, {1, STOPS, 20000, WEIR_DISCONNECT}}},
	{"one_stopped_inproc", 4, 20, .slow_go = true, .threads = true,
		.groups = {{7, HEALTHY}, {1, STOPS, 20000}}},
	{"three_late_inproc", 5, 20, .slow_go = true, .threads = true,
		.groups = {{7, HEALTHY}, {3, LATE, 1000}}},
	{"all_equally_slow_inproc", 5, 30, .threads = true, .groups = {{8, LATE, 1000}}},
	{"forty_healthy_inproc", 5, 60, .threads = true, .groups = {{40, HEALTHY}}},
};

enum { SCENARIOS = sizeof(scenarios) / sizeof(scenarios[0]) };

/* One reader: what it is told, and what became of it. */
struct reader {
	struct group group;
	int number; /* in its group */
	pid_t pid;
	pthread_t thread;
	uint64_t seen, next; /* messages, and the number expected next */
	uint64_t ready, ended, evicted;
	weir_sub_stats stats;
	uint64_t detached, returned;         /* as it was told */
	uint64_t was_detached, was_returned; /* as the publisher saw it */
};

static struct shared {
	uint64_t over; /* who has stopped goes on */
	uint64_t wrong;
	char why[8][200];
	struct reader readers[READERS_MAX];
} * shared;

static const struct scenario *scene;
static const char *bus_name;
static char dir[64];
static int reader_count;

#define look(p)   __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define say(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

static void wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void
wrong(const char *fmt, ...)
{
	uint64_t n = __atomic_fetch_add(&shared->wrong, 1, __ATOMIC_ACQ_REL);
	va_list ap;

	va_start(ap, fmt);
	if (n < 8)
		vsnprintf(shared->why[n], sizeof(shared->why[n]), fmt, ap);
	va_end(ap);
}

static void
pause_us(unsigned us)
{
	struct timespec t = {us / 1000000, (long)(us % 1000000) * 1000};

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

static void
work_ns(uint64_t ns)
{
	uint64_t until = weir_now_ns() + ns;

	while (ns > 0 && weir_now_ns() < until)
		;
}

static bool
is_slow(const struct reader *r)
{
	return r->group.way == STOPS || r->group.way == HOLDS ||
		(r->group.way == LATE && r->group.policy != WEIR_BLOCK);
}

/* ---- a reader ------------------------------------------------------------------------------ */

/* Stands still until all is over: a stopped process, or a thread that waits. */
static void
stand_still(void)
{
	if (!scene->threads && !look(&shared->over))
		(void)raise(SIGSTOP);
	while (scene->threads && !look(&shared->over))
		pause_us(1000);
}

static void
behave(struct reader *r)
{
	unsigned us = r->group.us;

	switch (r->group.way) {
	case HEALTHY:
		work_ns(scene->busy_ns);
		break;
	case LATE:
		if (!look(&shared->over))
			pause_us(us);
		break;
	case STOPS:
	case HOLDS:
		if (r->seen == (uint64_t)us && !look(&shared->over))
			stand_still();
		break;
	case LAGS:
		work_ns(scene->busy_ns + scene->busy_ns * us / 100);
		break;
	}
}

static void
check_message(struct reader *r, const weir_msg *msg)
{
	uint64_t number;

	memcpy(&number, msg->data, sizeof(number));
	if (msg->seq != r->next + msg->lost || number != msg->seq)
		wrong("reader of way %d: message %llu says %llu, expected %llu + %llu",
			r->group.way, (unsigned long long)msg->seq,
			(unsigned long long)number, (unsigned long long)r->next,
			(unsigned long long)msg->lost);
	r->next = msg->seq + 1;
	r->seen++;
}

static int
on_msg(void *ctx, const weir_msg *msg)
{
	struct reader *r = ctx;

	check_message(r, msg);
	behave(r);
	return 0;
}

static void
take_events(struct reader *r, weir_bus *bus)
{
	weir_event event;

	while (weir_next_event(bus, &event) == 1) {
		r->detached += event.kind == WEIR_EV_DETACHED;
		r->returned += event.kind == WEIR_EV_RETURNED;
	}
}

/* As many messages kept as there may be segments for, then as all the others. */
static void
hold_some(struct reader *r, weir_sub *sub)
{
	int held = 0;

	while (held < WEIR_HOLDS_DEFAULT && !look(&shared->over)) {
		weir_msg msg;
		int rc = weir_peek(sub, &msg);

		if (rc <= 0)
			continue;
		check_message(r, &msg);
		if (r->seen % 500 == 1 && weir_hold(sub, &msg) == 0)
			held++;
		(void)weir_next(sub);
	}
	stand_still();
}

static void
check_books(const struct reader *r)
{
	const weir_sub_stats *s = &r->stats;

	if (s->delivered + s->held + s->lost + s->aborted + s->waiting != r->next ||
		s->delivered + s->held != r->seen || s->lost != s->lost_behind)
		wrong("books of a reader of way %d: %llu + %llu held + %llu lost + %llu "
		      "waiting of %llu, %llu seen",
			r->group.way, (unsigned long long)s->delivered,
			(unsigned long long)s->held, (unsigned long long)s->lost,
			(unsigned long long)s->waiting, (unsigned long long)r->next,
			(unsigned long long)r->seen);
}

static void
read_all(struct reader *r)
{
	char name[32];
	weir_bus *bus;
	weir_sub *sub;
	bool pulls = r->group.way == HOLDS, came = false;
	weir_msg msg;

	snprintf(name, sizeof(name), "%d", (int)(r - shared->readers));
	bus = weir_open(bus_name, .dir = dir, .node = name,
		.flags = WEIR_BUS_QUIET | WEIR_BUS_NO_SIGNALS, .attach_ms = 10000);
	sub = weir_subscribe(bus, "flow", .on_msg = pulls ? NULL : on_msg, .ctx = r,
		.policy = r->group.policy, .holds = 0);
	if (weir_sub_why(sub)->code)
		wrong("subscribe: %s", weir_sub_why(sub)->text);
	say(&r->ready, 1);
	if (pulls)
		hold_some(r, sub);
	for (int rc = 0; weir_sub_why(sub)->code == 0;) {
		if (pulls) {
			rc = weir_peek(sub, &msg);
			if (rc == 1) {
				check_message(r, &msg);
				(void)weir_next(sub);
			} else if (rc == -WEIR_E_GONE_END) {
				break;
			}
		} else {
			(void)weir_turn(bus, 20);
		}
		take_events(r, bus);
		came |= weir_publishers(sub) > 0;
		if (came && weir_publishers(sub) == 0)
			break;
	}
	r->stats.size = sizeof(r->stats);
	(void)weir_sub_get_stats(sub, &r->stats);
	check_books(r);
	/* It hears of all that was decided about it. */
	for (take_events(r, bus); !look(&shared->wrong) &&
		(r->detached != look(&r->was_detached) ||
			r->returned != look(&r->was_returned));
		take_events(r, bus))
		(void)weir_turn(bus, 20);
	(void)weir_close(bus);
	say(&r->ended, 1);
}

static void *
read_in_thread(void *arg)
{
	read_all(arg);
	return NULL;
}

/* ---- the publisher --------------------------------------------------------------------------- */

static struct {
	uint64_t detached[READERS_MAX], returned[READERS_MAX];
	int code[READERS_MAX];
	uint64_t stalled_ns[READERS_MAX];
} verdicts;

static void
on_event(void *ctx, const weir_event *event)
{
	int i = atoi(event->node);

	(void)ctx;
	if (i < 0 || i >= reader_count)
		return;
	if (event->kind == WEIR_EV_SUB_DETACHED) {
		say(&shared->readers[i].was_detached, ++verdicts.detached[i]);
		verdicts.code[i] = event->code;
		verdicts.stalled_ns[i] = event->stalled_ns;
	}
	verdicts.returned[i] += event->kind == WEIR_EV_SUB_RETURNED;
	say(&shared->readers[i].was_returned, verdicts.returned[i]);
}

static uint64_t
publish(weir_bus *bus, weir_pub *pub, unsigned seconds)
{
	uint64_t began = weir_now_ns(), until = began + seconds * 1000000000ull;
	uint64_t sent = 0;

	for (uint64_t now = began; now < until && !look(&shared->wrong);
		now = weir_now_ns()) {
		uint64_t due = scene->rate ? (now - began) * scene->rate / 1000000000 + 1
					   : sent + 64;

		for (; sent < due; sent++) {
			weir_claim_t claim;
			int rc = weir_claim(pub, SIZE, &claim);

			if (rc < 0) {
				wrong("claim %llu: %s", (unsigned long long)sent,
					weir_pub_why(pub)->text);
				return sent;
			}
			memcpy(claim.data, &sent, sizeof(sent));
			(void)weir_commit(pub, &claim);
		}
		if (scene->rate)
			pause_us(100);
		(void)weir_turn(bus, 0);
	}
	return sent;
}

static void
burn(void)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		;
}

static pid_t hogs[8];

static void
start_all(void)
{
	fflush(NULL);
	for (int i = 0; i < reader_count; i++) {
		struct reader *r = &shared->readers[i];

		if (scene->threads) {
			if (pthread_create(&r->thread, NULL, read_in_thread, r) != 0)
				abort();
			continue;
		}
		r->pid = fork();
		if (r->pid == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			read_all(r);
			_exit(0);
		}
	}
	for (int i = 0; i < scene->hogs; i++) {
		hogs[i] = fork();
		if (hogs[i] == 0)
			burn();
	}
}

/* Everybody goes on and reads to the end. */
static void
end_all(void)
{
	uint64_t until = weir_now_ns() + HANG_S * 1000000000ull;

	say(&shared->over, 1);
	for (int i = 0; i < scene->hogs; i++) {
		(void)kill(hogs[i], SIGKILL);
		(void)waitpid(hogs[i], NULL, 0);
	}
	for (int i = 0; i < reader_count; i++) {
		struct reader *r = &shared->readers[i];

		while (!look(&r->ended) && weir_now_ns() < until) {
			if (!scene->threads)
				(void)kill(r->pid, SIGCONT);
			pause_us(1000);
		}
		if (!look(&r->ended)) {
			wrong("reader %d does not end", i);
			return;
		}
		if (scene->threads)
			pthread_join(r->thread, NULL);
		else
			(void)waitpid(r->pid, NULL, 0);
	}
}

/* ---- what must be ------------------------------------------------------------------------------ */

static void
judge(uint64_t sent)
{
	for (int i = 0; i < reader_count; i++) {
		const struct reader *r = &shared->readers[i];
		bool off = r->group.policy == WEIR_DISCONNECT && verdicts.detached[i] > 0;

		printf("reader %3d way %d: %9llu delivered %9llu lost, detached %llu (%s, "
		       "%.1f ms), returned %llu\n",
			i, r->group.way, (unsigned long long)r->stats.delivered,
			(unsigned long long)r->stats.lost,
			(unsigned long long)verdicts.detached[i],
			verdicts.code[i] ? weir_err_name(verdicts.code[i]) : "-",
			(double)verdicts.stalled_ns[i] / 1e6,
			(unsigned long long)verdicts.returned[i]);
		if (!off && r->next != sent)
			wrong("reader %d ends at %llu of %llu", i,
				(unsigned long long)r->next, (unsigned long long)sent);
		if (r->group.way == LAGS)
			continue; /* whether it is, is what is to be seen */
		if (is_slow(r) && scene->slow_go) {
			if (verdicts.detached[i] == 0)
				wrong("reader %d is slow and was not detached", i);
		} else if (verdicts.detached[i] > 0 || r->stats.lost > 0) {
			wrong("reader %d was detached %llu times and lost %llu", i,
				(unsigned long long)verdicts.detached[i],
				(unsigned long long)r->stats.lost);
		}
	}
}

static int
run(unsigned seconds)
{
	weir_bus *bus;
	weir_pub *pub;
	weir_pub_stats stats = {.size = sizeof(stats)};
	uint64_t sent;

	for (int g = 0; g < GROUPS_MAX; g++)
		for (int n = 0; n < scene->groups[g].count; n++)
			shared->readers[reader_count++] =
				(struct reader){.group = scene->groups[g], .number = n};
	bus_name = scene->threads ? "inproc:flow" : "flow";
	start_all();
	bus = weir_open(bus_name, .dir = dir, .node = "publisher", .on_event = on_event,
		.flags = WEIR_BUS_QUIET | WEIR_BUS_NO_SIGNALS, .attach_ms = 10000);
	pub = weir_advertise(bus, "flow", .wait_ms = WEIR_FOREVER);
	if (weir_wait_subscribers(pub, reader_count, HANG_S * 1000) != reader_count)
		wrong("not all readers came: %s", weir_pub_why(pub)->text);
	sent = publish(bus, pub, seconds);
	(void)weir_turn(bus, 0);
	(void)weir_pub_get_stats(pub, &stats);
	say(&shared->over, 1);
	(void)weir_pub_close(pub);
	end_all();
	(void)weir_turn(bus, 0);
	judge(sent);
	(void)weir_close(bus);
	printf("%s: %llu messages in %u s, %llu waits of %.1f ms in all, %.1f ms charged, "
	       "%llu detached, %llu returned\n",
		scene->name, (unsigned long long)sent, seconds,
		(unsigned long long)stats.waits, (double)stats.wait_ns / 1e6,
		(double)stats.stalled_ns / 1e6, (unsigned long long)stats.detached,
		(unsigned long long)stats.returned);
	for (uint64_t i = 0; i < shared->wrong && i < 8; i++)
		fprintf(stderr, "wrong: %s\n", shared->why[i]);
	return shared->wrong != 0;
}

int
main(int argc, char **argv)
{
	int rc;

	for (int i = 0; i < SCENARIOS; i++) {
		if (argc > 1 && strcmp(argv[1], "--list") == 0)
			puts(scenarios[i].name);
		else if (argc > 1 && strcmp(argv[1], scenarios[i].name) == 0)
			scene = &scenarios[i];
	}
	if (argc > 1 && strcmp(argv[1], "--list") == 0)
		return 0;
	if (!scene) {
		fprintf(stderr, "usage: %s SCENARIO [SECONDS] | --list\n", argv[0]);
		return 2;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	snprintf(dir, sizeof(dir), "/tmp/weir-stall-XXXXXX");
	if (shared == MAP_FAILED || !mkdtemp(dir))
		return 2;
	rc = run(argc > 2                          ? (unsigned)atoi(argv[2])
			: getenv("WEIR_TEST_LONG") ? scene->seconds_long
						   : scene->seconds);
	(void)snprintf(dir + strlen(dir), 6, "/flow");
	(void)rmdir(dir);
	dir[strlen(dir) - 5] = 0;
	(void)rmdir(dir);
	return rc;
}
