/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A program for a library without options: all that is polled is polled as ever. */
#include <stdio.h>
#include <weir/loop.h>

#if WEIR_METRICS || WEIR_TRACE
#error "the headers of this library offer what it has not"
#endif

static int seen, ticks, steps;

static int
see(void *ctx, const weir_msg *msg)
{
	(void)ctx, (void)msg;
	seen++;
	return 0;
}

static int
tick(void *ctx, const weir_tick *t)
{
	(void)ctx, (void)t;
	ticks++;
	return 0;
}

static int
step(void *ctx)
{
	(void)ctx;
	return ++steps < 3 ? WEIR_STEP_MORE : WEIR_STEP_DONE;
}

int
main(void)
{
	weir_bus *bus = weir_open("inproc:without");
	weir_sub *sub = weir_subscribe(bus, "t", .on_msg = see);
	weir_pub *pub = weir_advertise(bus, "t");
	weir_timer *timer = weir_timer_start(bus, .after_ns = 1000000, .on_tick = tick);
	weir_task_id task = weir_spawn(bus, step);
	int joined = weir_join(bus, task, WEIR_FOREVER);
	weir_consumer consumer;
	int shown = weir_sub_consumer(sub, &consumer);

	for (int i = 0; i < 10; i++)
		(void)weir_send(pub, "hi", 3);
	while ((seen < 10 || ticks < 1) && weir_turn(bus, 10) >= 0)
		;
	(void)weir_timer_close(timer);
	printf("%d messages, %d tick, %d steps\n", seen, ticks, steps);
	return weir_close(bus) || joined || shown || seen != 10 || steps != 3;
}
