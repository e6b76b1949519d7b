/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The world in real threads, with random delays: in the bodies, and in a build with points
 * at every labelled step. Rounds are short; each ends by a close or by a death.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "tests/torture/world.h"
#include "tests/torture/wrap.h"

static _Thread_local struct dice here;

static void
delay(uint64_t how)
{
	struct timespec nap = {.tv_nsec = 20 * 1000};

	if (how % 4096 == 0)
		__real_nanosleep(&nap, NULL);
	else if (how % 256 == 0)
		__real_sched_yield();
	else if (how % 8 == 0)
		for (uint64_t i = 0; i < how / 4096 % 64; i++)
			wr_pause();
}

static void
rest(struct dice *dice)
{
	delay(roll_dice(dice));
}

#if defined(WR_POINTS)
static void
point(const char *label)
{
	uint64_t how;

	(void)label;
	how = roll_dice(&here);
	if (how % 16 == 0)
		delay(how >> 4);
}
#endif

static void *
publisher_thread(void *arg)
{
	struct world *world = arg;

	here.state = world->pub_dice.state + 1;
	publisher_body(world);
	if (world->abandon)
		give(&world->over, 1u);
	return NULL;
}

static void *
steward_thread(void *arg)
{
	struct world *world = arg;

	here.state = world->steward_dice.state + 1;
	steward_body(world);
	return NULL;
}

static void *
reader_thread(void *arg)
{
	struct reader *rd = arg;

	here.state = rd->dice.state + 1;
	reader_body(rd);
	return NULL;
}

#if !defined(WR_TSAN)
static void *
observer_thread(void *arg)
{
	struct world *world = arg;
	struct dice dice = {world->steward_dice.state + 2};

	here.state = dice.state + 1;
	observer_body(world, &dice);
	return NULL;
}
#endif

static void
start(pthread_t *thread, void *(*body)(void *), void *arg)
{
	if (pthread_create(thread, NULL, body, arg) != 0)
		torn("no thread");
}

static void
round_of(struct world *world, uint64_t seed)
{
	pthread_t publisher, steward, readers[READERS_MAX];
	struct dice dice = {seed};

	round_begins(seed);
	world_make(world, seed);
	world->rest = rest;
	world->abandon = chance(&dice, 2);
	world->claims = 100 + pick(&dice, CLAIMS_A_ROUND / 4);
	for (unsigned i = 0; i < world->reader_count; i++)
		start(&readers[i], reader_thread, &world->readers[i]);
	start(&steward, steward_thread, world);
	start(&publisher, publisher_thread, world);
#if !defined(WR_TSAN)
	/* It reads what may change under it, which is its right and no sanitizer's. */
	pthread_t observer;

	start(&observer, observer_thread, world);
	pthread_join(observer, NULL);
#endif
	pthread_join(publisher, NULL);
	pthread_join(steward, NULL);
	if (world->abandon)
		world_dies(world);
	for (unsigned i = 0; i < world->reader_count; i++)
		pthread_join(readers[i], NULL);
	world_check(world);
	world_free(world);
	moved_on();
}

void
scenario_threads(uint64_t seed)
{
	struct world *world = aligned_alloc(4096, (sizeof(*world) + 4095) / 4096 * 4096);

	if (!world)
		torn("no memory");
	sleep_forever = true;
#if defined(WR_POINTS)
	wr_point_hook = point;
#endif
	while (!time_is_up())
		round_of(world, seed++);
	free(world);
}
