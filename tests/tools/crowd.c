/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A process with consumers to look at: crowd BUS WHAT. It says a line when it is so far, and
 * lives until its stdin ends.
 *
 *	idle N    one task that always has something to do, and N that never have again
 *	slow T    a subscription to 'slow' whose handler takes 2 ms until it is at tier T
 *	batches   a subscription whose polls take 2 ms, of 20 messages
 *	eager     a subscription that uses its budget up with each message
 *	times     a subscription to 'timed' that has had 50 messages while it was measured
 *
 * A subscription to 'ailing', which somebody else publishes, that is slow because
 *
 *	burns     its handler computes for 3 ms
 *	sleeps    its handler sleeps for 5 ms
 *	stuck     its handler does not return, and its loop goes on without it
 *	further   its handler computes for 3 ms, on a further loop; its own one sleeps
 *	late      40 tasks of its loop compute for 0.5 ms each, which is not too long
 *	away      its owner is elsewhere, and never turns its loop
 *	seldom    its owner is elsewhere for 20 ms between two turns
 *	unread    its owner turns the loop, and never takes a message
 *	short     its handler needs 0.3 ms, and its thread has not enough of a core
 *	pages     its handler takes memory from the kernel, and gives it back
 *
 * or is not: 'well', whose handler needs 0.01 ms.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <weir/loop.h>

static int steps;
static int ended;

static int
end(void *ctx, int fd)
{
	char byte;
	(void)ctx;
	ended = read(fd, &byte, 1) == 0;
	return ended;
}

static int
rest_at_once(void *ctx)
{
	(void)ctx;
	steps++;
	return WEIR_STEP_IDLE;
}

static int
go_on(void *ctx)
{
	(void)ctx;
	usleep(1000);
	return WEIR_STEP_MORE;
}

static int
take(void *ctx, const weir_msg *msg)
{
	uint64_t until_ns = weir_now_ns() + *(uint64_t *)ctx;
	(void)msg;
	while (weir_now_ns() < until_ns)
		;
	return 0;
}

static weir_bus *own;
static weir_pub *source;

/* Its poll has no units left after each message. */
static int
take_dearly(void *ctx, const weir_msg *msg)
{
	(void)ctx, (void)msg;
	(void)weir_consume(own, WEIR_BUDGET_DEFAULT);
	return 0;
}

/* There is always something to read. */
static int
go_on_feeding(void *ctx)
{
	(void)ctx;
	for (int i = 0; i < 40 && weir_send(source, "x", 1) >= 0; i++)
		;
	return WEIR_STEP_MORE;
}

static void
flood(weir_bus *bus, weir_bus *other, weir_msg_fn handler)
{
	static uint64_t each_ns = 100000;
	source = weir_advertise(other, "flood", .wait_ms = WEIR_NEVER);
	(void)weir_subscribe(
		bus, "flood", .on_msg = handler, .ctx = &each_ns, .batch = 20);
	(void)weir_wait_subscribers(source, 1, WEIR_FOREVER);
	(void)weir_spawn(bus, go_on_feeding);
}

static void
say(const char *line)
{
	puts(line);
	fflush(stdout);
}

static void
idle(weir_bus *bus, int count)
{
	(void)weir_spawn(bus, go_on);
	for (int i = 0; i < count; i++)
		(void)weir_spawn(bus, rest_at_once);
	while (steps < count)
		(void)weir_turn(bus, 0);
}

static void
feed(weir_bus *bus, weir_bus *other, const char *topic, uint64_t ns, int tier, int count)
{
	static uint64_t long_ns;
	weir_pub *pub = weir_advertise(other, topic, .wait_ms = WEIR_NEVER);
	weir_sub *sub = weir_subscribe(
		bus, topic, .on_msg = take, .ctx = &long_ns, .weight = 10);
	long_ns = ns;
	(void)weir_wait_subscribers(pub, 1, WEIR_FOREVER);
	for (int i = 0; i < count || weir_sub_tier(sub) != tier; i++) {
		(void)weir_send(pub, "x", 1);
		(void)weir_turn(bus, 0);
	}
}

static int
take_pages(void *ctx, const weir_msg *msg)
{
	enum { PAGES = 1024, PAGE = 4096 };
	static char *mem;
	(void)ctx, (void)msg;
	if (!mem)
		mem = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED || madvise(mem, (size_t)PAGES * PAGE, MADV_NOHUGEPAGE) < 0)
		abort();
	for (size_t i = 0; i < PAGES; i++)
		mem[i * PAGE] = 1;
	return madvise(mem, (size_t)PAGES * PAGE, MADV_DONTNEED);
}

static int
take_sleeping(void *ctx, const weir_msg *msg)
{
	(void)ctx, (void)msg;
	usleep(5000);
	return 0;
}

static int
take_for_ever(void *ctx, const weir_msg *msg)
{
	char byte;
	(void)ctx, (void)msg;
	while (read(0, &byte, 1) > 0)
		;
	return 0;
}

static int
compute_often(void *ctx)
{
	static uint64_t half_ms = 500000;
	(void)ctx;
	(void)take(&half_ms, NULL);
	return WEIR_STEP_MORE;
}

/* Until stdin ends; each turn of the loop, if there are any, comes after so many us. */
static void
be_elsewhere(weir_bus *bus, unsigned us)
{
	char byte;
	say("ready");
	for (; us && !ended; usleep(us))
		(void)weir_turn(bus, 0);
	while (!us && read(0, &byte, 1) > 0)
		;
}

/* True if it is one of those. */
static int
ail(weir_bus *bus, const char *what)
{
	static uint64_t each_ns;
	weir_msg_fn handler = take;
	unsigned moves = !strcmp(what, "stuck") ? WEIR_MOVE_LANE
		: !strcmp(what, "further")      ? WEIR_MOVE_LOOPS
						: 0;
	if (!strcmp(what, "burns") || !strcmp(what, "further"))
		each_ns = 3000000;
	else if (!strcmp(what, "short"))
		each_ns = 300000;
	else if (!strcmp(what, "well"))
		each_ns = 10000;
	else if (!strcmp(what, "sleeps"))
		handler = take_sleeping;
	else if (!strcmp(what, "stuck"))
		handler = take_for_ever;
	else if (!strcmp(what, "pages"))
		handler = take_pages;
	else if (!strcmp(what, "unread"))
		handler = NULL;
	else if (strcmp(what, "late") && strcmp(what, "away") && strcmp(what, "seldom"))
		return 0;
	(void)weir_subscribe(bus, "ailing", .on_msg = handler, .ctx = &each_ns,
		.batch = 1, .moves = moves);
	for (int i = 0; !strcmp(what, "late") && i < 40; i++)
		(void)weir_spawn(bus, compute_often);
	if (!strcmp(what, "away"))
		be_elsewhere(bus, 0);
	if (!strcmp(what, "seldom"))
		be_elsewhere(bus, 20000);
	return 1;
}

int
main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	weir_bus *bus = weir_open(argv[1], .node = "crowd",
		.tiers = "balanced promotion_ms=1", .loops = !strcmp(argv[2], "further"));
	weir_bus *other = weir_open(argv[1], .node = "feeder");
	int number = argc > 3 ? atoi(argv[3]) : 0;
	own = bus;
	(void)weir_watch_fd(bus, 0, .on_ready = end);
	if (ail(bus, argv[2]))
		;
	else if (!strcmp(argv[2], "idle"))
		idle(bus, number);
	else if (!strcmp(argv[2], "slow"))
		feed(bus, other, "slow", 2000000, number, 0);
	else if (!strcmp(argv[2], "batches"))
		flood(bus, other, take);
	else if (!strcmp(argv[2], "eager"))
		flood(bus, other, take_dearly);
	else if (weir_measure(bus, 1) >= 0)
		feed(bus, other, "timed", 100000, 0, 50);
	say("ready");
	(void)weir_run(bus); /* until end answers 1 */
	(void)weir_close(other);
	return weir_close(bus);
}
