/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * More sleepers than a publisher rings itself: its steward rings the rest. A real bus with
 * stewards; each subscriber has a thread and sleeps whenever it can. The next message comes
 * when most have the last one, while the steward may still be ringing for it; timeouts
 * are taken away, so that who is forgotten hangs.
 */
#include <pthread.h>
#include <stdlib.h>
#include <weir/weir.h>

#include "tests/torture/torture.h"

enum {
	SLEEPERS = 12,
	MOST = 9,  /* this many or more asleep are left to the steward */
	ROUND = 16 /* messages until everybody must have caught up */
};

struct sleeper {
	_Alignas(64) uint64_t got;
	uint64_t ready;
	uint32_t *over;
};

static weir_bus *
bus_of(const char *node)
{
	weir_bus *bus = weir_open("relay", .dir = scratch(), .node = node,
		.idle = WEIR_IDLE_PARK, .attach_ms = 600000,
		.flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET);

	if (weir_why(bus)->code)
		torn("weir_open: %s", weir_why(bus)->text);
	return bus;
}

static int
on_msg(void *ctx, const weir_msg *msg)
{
	struct sleeper *self = ctx;

	HOLDS(msg->lost == 0 && msg->seq == self->got, "message %llu after %llu",
		(unsigned long long)msg->seq, (unsigned long long)self->got);
	give(&self->got, msg->seq + 1);
	return 0;
}

static void *
sleep_much(void *arg)
{
	struct sleeper *self = arg;
	weir_bus *bus = bus_of("sleeper");
	weir_sub *sub = weir_subscribe(
		bus, "t", .on_msg = on_msg, .ctx = self, .policy = WEIR_BLOCK);

	if (weir_sub_why(sub)->code)
		torn("weir_subscribe: %s", weir_sub_why(sub)->text);
	give(&self->ready, 1u);
	while (!take(self->over))
		(void)weir_turn(bus, WEIR_FOREVER);
	weir_close(bus);
	return NULL;
}

/* How many have seen so many messages. */
static unsigned
have(struct sleeper *sleepers, uint64_t count)
{
	unsigned number = 0;

	for (int i = 0; i < SLEEPERS; i++)
		number += take(&sleepers[i].got) >= count;
	return number;
}

void
scenario_relay(uint64_t seed)
{
	static struct sleeper sleepers[SLEEPERS];
	pthread_t threads[SLEEPERS];
	struct dice dice = {seed};
	uint32_t over = 0;
	weir_bus *bus = bus_of("publisher");
	weir_pub *pub = weir_advertise(
		bus, "t", .stamp = WEIR_STAMP_OFF, .wait_ms = WEIR_FOREVER);
	weir_pub_stats stats = {.size = sizeof(stats)};
	uint64_t sent = 0;

	for (int i = 0; i < SLEEPERS; i++) {
		sleepers[i].over = &over;
		if (pthread_create(&threads[i], NULL, sleep_much, &sleepers[i]) != 0)
			torn("no thread");
		while (!take(&sleepers[i].ready))
			moved_on();
	}
	sleep_forever = true;
	while (!time_is_up()) {
		for (int i = 0; i < ROUND; i++) {
			unsigned enough = MOST + pick(&dice, SLEEPERS - MOST + 1);

			if (weir_send(pub, "x", 1) < 0)
				torn("weir_send: %s", weir_pub_why(pub)->text);
			sent++;
			while (have(sleepers, sent) < enough)
				;
			for (volatile uint32_t k = pick(&dice, 4000); k > 0; k--)
				;
		}
		while (have(sleepers, sent) < SLEEPERS)
			;
		moved_on();
	}
	(void)weir_pub_get_stats(pub, &stats);
	give(&over, 1u);
	(void)weir_send(pub, "x", 1);
	for (int i = 0; i < SLEEPERS; i++)
		pthread_join(threads[i], NULL);
	sleep_forever = false;
	weir_close(bus);
	tally("messages", sent);
	tally("rings of its own", stats.rings);
}
