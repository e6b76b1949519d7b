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
 *	sleeps    its handler sleeps for 5 ms
 *	late      20 tasks of its loop sleep for 5 ms each time
 *	away      its owner is elsewhere
 *	short     its handler needs 0.3 ms, and its thread has not enough of a core
 *	pages     its handler takes memory from the kernel, and gives it back
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <weir/loop.h>

static int steps;

static int
end(void *ctx, int fd)
{
	char byte;
	(void)ctx;
	return read(fd, &byte, 1) == 0 ? 1 : 0;
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
	enum { PAGES = 2048, PAGE = 4096 };
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
sleep_often(void *ctx)
{
	(void)ctx;
	usleep(5000);
	return WEIR_STEP_MORE;
}

/* Whoever is not in its loop has to see by itself that it is to end. */
static void
be_elsewhere(void)
{
	char byte;
	say("ready");
	while (read(0, &byte, 1) > 0)
		;
}

/* True if it is one of those that ail. */
static int
ail(weir_bus *bus, const char *what)
{
	static uint64_t each_ns;
	weir_msg_fn handler = take;
	if (!strcmp(what, "sleeps"))
		handler = take_sleeping;
	else if (!strcmp(what, "pages"))
		handler = take_pages;
	else if (!strcmp(what, "short"))
		each_ns = 300000;
	else if (strcmp(what, "late") && strcmp(what, "away"))
		return 0;
	(void)weir_subscribe(
		bus, "ailing", .on_msg = handler, .ctx = &each_ns, .batch = 1);
	for (int i = 0; !strcmp(what, "late") && i < 20; i++)
		(void)weir_spawn(bus, sleep_often);
	if (!strcmp(what, "away"))
		be_elsewhere();
	return 1;
}

int
main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	weir_bus *bus =
		weir_open(argv[1], .node = "crowd", .tiers = "balanced promotion_ms=1");
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
