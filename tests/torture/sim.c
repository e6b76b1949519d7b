/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The world in coroutines of one thread, which change at every labelled step as the seed
 * says: whatever goes wrong goes wrong again with the same seed, a lost wake-up is seen at
 * once because nobody can go on, and the publisher's process can die at every step. What
 * it cannot show is a store that waits in a processor's buffer; litmus.c does that.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "tests/torture/world.h"
#include "tests/torture/wrap.h"

#if defined(WR_POINTS)

enum {
	STACK_BYTES = 256 << 10,
	ACTORS_MAX = READERS_MAX + 3,
	IDLE_ROUNDS = 4000, /* turns of the steward alone after which nobody will wake */
	CLAIMS_MAX = 600
};

enum why { RUNS, LOCK, SLEEP, DONE };

struct actor {
	ucontext_t context;
	enum why why;
	pthread_mutex_t *lock;
	int fd;
	uint32_t weight; /* it is chosen once in so many times */
	uint64_t still;  /* it stands still until this step */
	bool service;    /* it never sleeps, so that it runs proves nothing */
	bool of_pub;     /* it dies with the publisher */
	struct world *world;
	struct reader *reader;
	void (*body)(struct actor *actor);
	uint8_t *stack;
};

static struct actor actors[ACTORS_MAX];
static unsigned actor_count;
static struct actor *present;
static ucontext_t scheduler;
static struct dice dice;
static uint32_t yields_one_in;
static uint64_t step_now;

/* The label at which the publisher dies, how often it is passed before, and whether. */
static const char *fatal;
static uint32_t fatal_after;
static bool moves_first; /* it counts from the next move on */
static bool fallen;

/* The label at which whoever passes it stands still while the others get on by far. */
static const char *slow;

extern const char __start_wr_points[], __stop_wr_points[];

static void
change(enum why why)
{
	struct actor *self = present;

	self->why = why;
	swapcontext(&self->context, &scheduler);
}

static void
point(const char *label)
{
	if (!present)
		return;
	if (moves_first && strcmp(label, "move_follow") == 0)
		moves_first = false;
	if (fatal && !moves_first && present->of_pub && !present->world->over &&
		strcmp(label, fatal) == 0 && fatal_after-- == 0) {
		fallen = true;
		change(DONE);
	}
	if (slow && strcmp(label, slow) == 0 && chance(&dice, 2)) {
		present->still = step_now + pick(&dice, 1500);
		change(RUNS);
		return;
	}
	if (!chance(&dice, yields_one_in))
		return;
	/* Now and then everybody else gets on by far. */
	if (chance(&dice, 30))
		present->still = step_now + pick(&dice, 300);
	change(RUNS);
}

/* One of the labels in the program, or of a few where much depends on the order. */
static const char *
any_label(const char *const *few, uint32_t count)
{
	uint32_t bytes = (uint32_t)(__stop_wr_points - __start_wr_points);
	const char *at = __start_wr_points + pick(&dice, bytes);

	if (chance(&dice, 3))
		return few[pick(&dice, count)];
	while (at > __start_wr_points && at[-1] != 0)
		at--;
	while (at < __stop_wr_points && *at == 0)
		at++; /* between two labels there may be more than one end */
	return at < __stop_wr_points ? at : few[0];
}

static const char *
label_to_die_at(void)
{
	static const char *const few[] = {"roll_link", "roll_link_done", "roll_head_done",
		"move_follow_done", "commit_len", "shrink_fill_done", "end_close"};

	return any_label(few, sizeof(few) / sizeof(few[0]));
}

static const char *
label_to_linger_at(void)
{
	static const char *const few[] = {"roll_scan_cur", "roll_scan_hold",
		"room_raise", "sleep_raise", "enter_check", "hold_set", "roll_retire",
		"roll_zero", "admit_lock"};

	return any_label(few, sizeof(few) / sizeof(few[0]));
}

static void
rest(struct dice *own)
{
	(void)own;
	if (present)
		change(RUNS);
}

static bool
on_rest(void)
{
	if (!present)
		return false;
	change(RUNS);
	return true;
}

static bool
on_lock(pthread_mutex_t *lock)
{
	if (!present)
		return false;
	while (pthread_mutex_trylock(lock) != 0) {
		present->lock = lock;
		change(LOCK);
	}
	return true;
}

static bool
on_wait(int fd)
{
	if (!present)
		return false;
	present->fd = fd;
	change(SLEEP);
	return true;
}

/* May it run? What it waits for is tried, not taken. */
static bool
can_run(struct actor *actor)
{
	struct pollfd probe = {.fd = actor->fd, .events = POLLIN};

	switch (actor->why) {
	case RUNS:
		return true;
	case LOCK:
		if (pthread_mutex_trylock(actor->lock) != 0)
			return false;
		pthread_mutex_unlock(actor->lock);
		return true;
	case SLEEP:
		/* An epoll set is readable while it has something to tell. */
		return poll(&probe, 1, 0) > 0;
	default:
		return false;
	}
}

static void
start_of_actor(unsigned low, unsigned high)
{
	struct actor *self = (struct actor *)((uintptr_t)high << 32 | low);

	self->body(self);
	for (;;)
		change(DONE);
}

static struct actor *
add(struct world *world, void (*body)(struct actor *), struct reader *reader)
{
	struct actor *actor = &actors[actor_count++];
	uint8_t *stack = actor->stack ? actor->stack : malloc(STACK_BYTES);
	uintptr_t self = (uintptr_t)actor;

	if (!stack)
		torn("no memory");
	*actor = (struct actor){
		.stack = stack, .world = world, .body = body, .reader = reader, .weight = 1};
	getcontext(&actor->context);
	actor->context.uc_stack.ss_sp = stack;
	actor->context.uc_stack.ss_size = STACK_BYTES;
	actor->context.uc_link = NULL;
	/* makecontext hands ints on. */
	makecontext(&actor->context, (void (*)(void))start_of_actor, 2,
		(unsigned)(self & 0xffffffffu), (unsigned)(self >> 32));
	return actor;
}

static void
be_publisher(struct actor *self)
{
	publisher_body(self->world);
}

static void
be_steward(struct actor *self)
{
	steward_body(self->world);
}

static void
be_reader(struct actor *self)
{
	reader_body(self->reader);
}

static void
be_observer(struct actor *self)
{
	struct dice own = {self->world->steward_dice.state + 2};

	observer_body(self->world, &own);
}

/* Who runs next: in the order of a throw of the dice, whoever can. NULL: nobody. */
static struct actor *
choose(void)
{
	unsigned from = pick(&dice, actor_count);

	for (unsigned i = 0; i < actor_count; i++) {
		struct actor *actor = &actors[(from + i) % actor_count];

		if (actor->still > step_now ||
			(actor->weight > 1 && !chance(&dice, actor->weight)))
			continue;
		if (can_run(actor))
			return actor;
	}
	for (unsigned i = 0; i < actor_count; i++)
		if (can_run(&actors[i]))
			return &actors[i];
	return NULL;
}

static void
kill_publisher(struct world *world)
{
	for (unsigned i = 0; i < actor_count; i++)
		if (actors[i].of_pub)
			actors[i].why = DONE;
	world_dies(world);
	tally("kills", 1);
}

static bool
only_service(const struct actor *chosen)
{
	return chosen->service;
}

static void
describe(const struct world *world, uint64_t seed)
{
	fprintf(stderr, "seed %llu: nobody can go on\n", (unsigned long long)seed);
	for (unsigned i = 0; i < actor_count; i++)
		fprintf(stderr, "  actor %u: %s\n", i,
			(const char *[]){"runs", "waits for a lock", "sleeps",
				"is done"}[actors[i].why]);
	for (unsigned i = 0; i < world->reader_count; i++) {
		const struct wr_reader *r = &world->readers[i].r;

		fprintf(stderr, "  reader %u: segment %llu offset %u sequence %llu\n", i,
			(unsigned long long)r->ord, r->off, (unsigned long long)r->seq);
	}
}

static bool
all_done(void)
{
	for (unsigned i = 0; i < actor_count; i++)
		if (actors[i].why != DONE)
			return false;
	return true;
}

static void
play(struct world *world, uint64_t seed, uint64_t kill_at)
{
	uint32_t idle = 0;

	for (uint64_t step = 0; !all_done(); step++) {
		struct actor *actor;

		step_now = step;
		if ((step == kill_at || fallen) && !world->dead && !world->over) {
			kill_publisher(world);
			fatal = NULL;
		}
		if (chance(&dice, 200))
			actors[pick(&dice, actor_count)].weight = 1u
				<< 3 * pick(&dice, 3);
		actor = choose();
		idle = actor && only_service(actor) ? idle + 1 : 0;
		if (!actor || idle > IDLE_ROUNDS) {
			describe(world, seed);
			torn("a wake-up was lost");
		}
		present = actor;
		swapcontext(&scheduler, &actor->context);
		present = NULL;
	}
}

static void
round_of(struct world *world, uint64_t seed)
{
	struct actor *actor;

	dice.state = seed ^ 0x5151515151515151ull;
	round_begins(seed);
	world_make(world, seed);
	world->rest = rest;
	world->claims = 40 + pick(&dice, CLAIMS_MAX);
	yields_one_in = 1 + pick(&dice, 3);
	actor_count = 0;
	actor = add(world, be_publisher, NULL);
	actor->of_pub = true;
	actor = add(world, be_steward, NULL);
	actor->of_pub = true;
	actor->service = true;
	if (chance(&dice, 2)) {
		actor = add(world, be_observer, NULL);
		actor->service = true;
	}
	for (unsigned i = 0; i < world->reader_count; i++)
		add(world, be_reader, &world->readers[i]);
	/* In some rounds the publisher outruns everybody and parks, in others it never does. */
	for (unsigned i = 0; i < actor_count; i++)
		actors[i].weight = 1u << 3 * pick(&dice, 3);
	fallen = false;
	fatal = chance(&dice, 2) ? label_to_die_at() : NULL;
	slow = chance(&dice, 2) ? label_to_linger_at() : NULL;
	moves_first = chance(&dice, 3);
	fatal_after = pick(&dice, 1u << pick(&dice, moves_first ? 2 : 12));
	play(world, seed, chance(&dice, 4) ? pick(&dice, 40000) : UINT64_MAX);
	world_check(world);
	world_free(world);
	moved_on();
}

void
scenario_sim(uint64_t seed)
{
	struct world *world = aligned_alloc(4096, (sizeof(*world) + 4095) / 4096 * 4096);

	if (!world)
		torn("no memory");
	wr_point_hook = point;
	wrap_lock = on_lock;
	wrap_wait = on_wait;
	wrap_rest = on_rest;
	while (!time_is_up())
		round_of(world, seed++);
	free(world);
}

#else

void
scenario_sim(uint64_t seed)
{
	(void)seed;
	torn("the simulator needs a build with points: weir_torture_planted");
}

#endif
