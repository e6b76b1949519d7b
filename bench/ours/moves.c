/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/ours/moves.h"

#include <linux/perf_event.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <weir/loop.h>

#include "bench/lib/clock.h"

enum { MESSAGES = 200000, SIZE = 64, BURST = 32 };

/* Of all threads that are made from here on; -1 where the machine or its owner refuses. */
static int
open_counter(void)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_HARDWARE,
		.size = sizeof attr,
		.config = PERF_COUNT_HW_CACHE_MISSES,
		.inherit = 1,
		.exclude_kernel = 1};
	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static double
read_counter(int fd)
{
	uint64_t count;
	return fd >= 0 && read(fd, &count, sizeof count) == sizeof count ? (double)count
									 : NAN;
}

static int
count_one(void *ctx, const weir_msg *msg)
{
	atomic_ullong *seen = ctx;
	const volatile uint64_t *word = msg->data;
	(void)*word;
	atomic_store_explicit(seen, atomic_load_explicit(seen, memory_order_relaxed) + 1,
		memory_order_release);
	return 0;
}

/* Publishes them, turning the bus's own loop, and waits until all have been read. */
static int
feed(weir_bus *bus, weir_pub *pub, weir_sub *sub, atomic_ullong *seen, int every)
{
	char payload[SIZE] = {0};
	unsigned long long sent = 0;
	while (atomic_load_explicit(seen, memory_order_acquire) < MESSAGES) {
		for (int i = 0; i < BURST && sent < MESSAGES; i++) {
			if (weir_send(pub, payload, sizeof payload) < 0)
				break;
			sent++;
			if (every > 0 && sent % (unsigned)every == 0 &&
				weir_sub_move(sub,
					(uint32_t)(sent / (unsigned)every % 2)) < 0)
				return -1;
		}
		if (weir_turn(bus, 0) < 0)
			return -1;
	}
	return 0;
}

int
moves_run(int every, struct moves_result *result)
{
	int counter = open_counter();
	atomic_ullong seen = 0;
	weir_bus *bus = weir_open("inproc:moves", .loops = 1, .tiers = "off",
		.flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET);
	weir_pub *pub = weir_advertise(bus, "t", .wait_ms = WEIR_NEVER);
	weir_sub *sub = weir_subscribe(bus, "t", .on_msg = count_one, .ctx = &seen,
		.policy = WEIR_BLOCK, .moves = WEIR_MOVE_LOOPS);
	uint64_t begin = bench_ticks();
	double before = read_counter(counter);
	int rc = weir_why(bus)->code == 0 && weir_sub_move(sub, 1) == 0 ? 0 : -1;
	if (rc == 0)
		rc = feed(bus, pub, sub, &seen, every);
	result->msgs_per_s = MESSAGES / bench_ns(bench_ticks() - begin) * 1e9;
	result->misses = (read_counter(counter) - before) / MESSAGES;
	if (counter >= 0)
		close(counter);
	return weir_close(bus) == 0 ? rc : -1;
}
