/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Loops that go from thread to thread, on a machine in virtual time (machine.h): the crews, the
 * sentinel, the spares and the leases are the real ones, and so are the reactors; consumers do
 * with them what a subscription does. Their handlers take random times; some spin or wait for
 * long, and some until they are let go.
 *
 * A round is a few storms, in which threads have no core, the machine stands still, the
 * sentinel is late and threads cannot be started; and after each a calm, in which none of that
 * happens and nothing is published. What must hold:
 *
 *   always    one thread at most turns a loop; one at most is in a consumer; messages come in
 *             their order, each once; nobody is left behind who has run for less than four
 *             fifths of the hard budget in this poll, unless it was seen waiting in the kernel,
 *             nor sooner than after the hard budget, nor by one look where it takes two
 *   by the end of a calm   whoever is not stuck has read all, every handler that has returned
 *             has its loop behind it, every verdict has come home; unless a callback that is
 *             stuck is in the way of that for a reason that the library says: as many are as
 *             may be, they share a lane, or the verdict waits for a thread that is stuck
 *   at the end   all books balance, and no thread is left
 *
 * What the kernel books on a thread while a hypervisor has its core cannot be told from a spin,
 * where that is shorter than what the sentinel takes for lateness: here it does not happen.
 */
#include <stdio.h>
#include <string.h>
#include <weir/loop.h>

#include "bus/handle.h"
#include "scheduler/crew.h"
#include "scheduler/rest.h"
#include "tests/torture/machine.h"
#include "tests/torture/wrap.h"

enum {
	US = 1000,
	MS = 1000 * US,
	BUSES = 2,
	LOOPS_MOST = 2,
	POSTS_MAX = 64,     /* also those of crews for which there was no thread */
	CONSUMERS_MAX = 24, /* of all buses: more than can be left behind */
	BATCH = 4,
	VERDICTS_MAX = 4096,
	CALM_NS = 500 * MS, /* is enough for everything that is left to do */
	FULL_NS = 20 * MS
};

enum way { WORKS, SPINS, ASKS, WAITS, NAPS, SPINS_ON, WAITS_ON, WAYS };

struct bus {
	struct wr_crew crew;
	struct wr_reactor reactor;
	wr_a64 flag;
	struct wr_bell bell;
	struct wr_tier_rules rules;
	struct wr_crew_plan plan;
	struct actor *home;
	uint64_t given; /* verdicts, which are numbered from 1 */
	uint64_t received;
	bool came[VERDICTS_MAX];
	bool lax; /* nobody is isolated: who was left behind comes back at once */
	bool open, ends;
};

struct consumer {
	struct wr_task task;
	struct wr_roamer roams;
	struct bus *bus;
	struct wr_reactor *reactor; /* in whose hands it is */
	uint32_t moves;
	uint64_t sent, read;
	bool busy;           /* a thread is in it: */
	struct actor *actor; /* this one, */
	uint32_t loop;       /* of this loop, */
	bool endless, freed; /* until it is let go */
	bool let_go, taken;  /* its loop */
	uint64_t began_ns, ran_ns;
};

/* What is known of a loop that can be taken over. */
struct ghost {
	struct bus *bus; /* NULL: it is not yet in use */
	struct wr_post *post;
	struct actor *turner;
	uint64_t handoffs, returning; /* ... who have not got their loop back */
};

#define OPEN_NS ((uint64_t)60 * 1000 * MS) /* since the beginning of all time */
#define ALIASES ((uint64_t)1 << 40)        /* as whom handlers run */

static struct bus buses[BUSES];
static struct consumer consumers[CONSUMERS_MAX];
static struct ghost ghosts[POSTS_MAX];
static unsigned bus_count, consumer_count, ghost_count;
static uint64_t hard_ns;
static uint64_t usual_ns; /* what a handler takes */
static uint32_t trouble;  /* one in so many messages is */
static uint32_t fatal;    /* one in so many of those lasts until it is let go */
static bool calm;
static bool cores_go; /* in this round */

/* ---- what must always hold ------------------------------------------------------------------ */

static struct ghost *
ghost_of(struct wr_post *post)
{
	unsigned i = 0;

	while (i < ghost_count && ghosts[i].post != post)
		i++;
	HOLDS(i < POSTS_MAX, "too many loops");
	if (i == ghost_count)
		ghosts[ghost_count++] = (struct ghost){.post = post};
	return &ghosts[i];
}

static void
enter_loop(struct wr_post *post)
{
	struct ghost *ghost = ghost_of(post);

	HOLDS(!ghost->turner, "%llu ns: two threads turn a loop",
		(unsigned long long)machine_now_ns());
	ghost->turner = machine_self();
}

static void
leave_loop(struct wr_post *post)
{
	struct ghost *ghost = ghost_of(post);

	HOLDS(ghost->turner == machine_self(),
		"%llu ns: a loop was turned by another thread",
		(unsigned long long)machine_now_ns());
	ghost->turner = NULL;
}

int
__wrap_wr_reactor_poll(struct wr_reactor *r, int *verdict)
{
	bool guarded = machine_self() && r->post;
	int work;

	if (guarded) {
		HOLDS(wr_self_number == r->post->self,
			"a loop has not the number that it had");
		enter_loop(r->post);
	}
	work = __real_wr_reactor_poll(r, verdict);
	if (guarded)
		leave_loop(r->post);
	return work;
}

static struct consumer *
of_task(struct wr_task *task)
{
	return (struct consumer *)(void *)((uint8_t *)task -
		offsetof(struct consumer, task));
}

/* Its loop has been taken from it. */
static void
must_be_stuck(const struct consumer *c)
{
	uint64_t now_ns = machine_now_ns();
	uint64_t ran_ns = machine_ran_ns(c->actor) - c->ran_ns;

	HOLDS(c->let_go && !c->taken, "%llu ns: a loop was taken that is not let go of",
		(unsigned long long)now_ns);
	HOLDS(now_ns - c->began_ns >= hard_ns,
		"%llu ns: left behind after %llu ns of %llu", (unsigned long long)now_ns,
		(unsigned long long)(now_ns - c->began_ns), (unsigned long long)hard_ns);
	/* What a core that is gone seems to run goes unseen for half of it at most. */
	HOLDS(ran_ns + (cores_go ? hard_ns / 2 : 0) >= hard_ns / 5 * 4 ||
			machine_was_seen_waiting(c->actor),
		"%llu ns: left behind having run %llu ns of %llu",
		(unsigned long long)now_ns, (unsigned long long)ran_ns,
		(unsigned long long)hard_ns);
	HOLDS(hard_ns > WR_SUSPECT_SURE_NS ||
			machine_look_before_ns(c->actor) >= c->began_ns + hard_ns,
		"%llu ns: left behind after one look", (unsigned long long)now_ns);
}

void
__wrap_wr_reactor_give_up(struct wr_reactor *r, struct wr_task *task, uint64_t now_ns,
	uint64_t took_ns, uint64_t limit_ns)
{
	struct consumer *c = of_task(task);

	if (machine_self()) {
		must_be_stuck(c);
		c->taken = true;
		ghost_of(r->post)->handoffs++;
		enter_loop(r->post);
	}
	__real_wr_reactor_give_up(r, task, now_ns, took_ns, limit_ns);
	if (machine_self())
		leave_loop(r->post);
}

/* ---- consumers -------------------------------------------------------------------------------- */

static enum way
draw_way(void)
{
	if (calm || !chance(machine_dice(), trouble))
		return WORKS;
	if (chance(machine_dice(), fatal))
		return SPINS_ON + pick(machine_dice(), 2);
	return SPINS + pick(machine_dice(), 4);
}

/* Works for so long, bit by bit; if it asks, until it should return. */
static void
spin(const struct consumer *c, uint64_t ns, bool asks)
{
	while (ns > 0 && !c->freed &&
		!(asks && wr_lease_here && wr_lease_hurries(wr_lease_here))) {
		uint64_t bit_ns = 1 + machine_about(100 * US);

		bit_ns = bit_ns < ns ? bit_ns : ns;
		machine_work(bit_ns);
		ns -= bit_ns;
	}
}

static void
nap_and_work(const struct consumer *c)
{
	for (uint32_t bits = 1 + pick(machine_dice(), 6); bits > 0; bits--) {
		spin(c, machine_about(hard_ns / 8), false);
		machine_sleep(machine_about(hard_ns / 4));
	}
}

static void
be_endless(struct consumer *c, enum way way)
{
	c->freed = false;
	c->endless = true;
	if (chance(machine_dice(), 2))
		spin(c, machine_about(hard_ns / 4), false);
	if (way == SPINS_ON)
		spin(c, UINT64_MAX, false);
	else
		while (!c->freed)
			machine_block();
	c->endless = c->freed = false;
}

/* Half of those that are too long end about when that is found. */
static uint64_t
draw_long_ns(void)
{
	return chance(machine_dice(), 2) ? machine_about(2 * hard_ns)
					 : hard_ns + machine_about(hard_ns / 4);
}

static void
handle(struct consumer *c, enum way way)
{
	switch (way) {
	case SPINS:
	case ASKS:
		spin(c, draw_long_ns(), way == ASKS);
		break;
	case WAITS:
		machine_sleep(draw_long_ns());
		break;
	case NAPS:
		nap_and_work(c);
		break;
	case SPINS_ON:
	case WAITS_ON:
		be_endless(c, way);
		break;
	default:
		machine_work(machine_about(usual_ns));
	}
}

/* Some of its messages, each to one call of its handler. */
static int
read_on(struct consumer *c, int *verdict)
{
	/* Whose loop cannot be taken from it behaves. */
	bool may_fail = (c->moves & (WEIR_MOVE_LANE | WEIR_MOVE_BLOCKING)) != 0;
	int work = 0;

	HOLDS(!c->busy, "%llu ns: two threads are in a consumer",
		(unsigned long long)machine_now_ns());
	c->busy = true;
	while (c->read < c->sent && work < BATCH && *verdict == 0) {
		uint64_t next = c->read;

		handle(c, may_fail ? draw_way() : WORKS);
		HOLDS(c->read == next, "a message was handed out twice");
		c->read = next + 1;
		work++;
		if (chance(machine_dice(), 64) && c->bus->given + 1 < VERDICTS_MAX)
			*verdict = (int)++c->bus->given;
		if (wr_lease_here && wr_lease_hurries(wr_lease_here))
			break;
	}
	c->busy = false;
	return work;
}

static void
let_go(struct consumer *c, struct wr_post *post, struct wr_lease *lease)
{
	c->began_ns = machine_now_ns();
	c->ran_ns = machine_ran_ns(c->actor);
	c->let_go = true;
	leave_loop(post);
	wr_self_number = ALIASES + (uint64_t)(c - consumers);
	wr_lease_begin(lease, &c->task, c->reactor->allowance.budget.full);
}

/* As a subscription: what is not its own it does not touch before it has the loop again. */
static int
read_let_go(struct consumer *c, int *verdict)
{
	struct wr_post *post = c->reactor->post;
	struct wr_lease *lease = post->lease;
	uint64_t self = wr_self_number;
	int work;

	let_go(c, post, lease);
	work = read_on(c, verdict);
	wr_self_number = self;
	if (wr_lease_end(lease)) {
		HOLDS(!c->taken, "%llu ns: two have a loop",
			(unsigned long long)machine_now_ns());
		c->let_go = false;
		enter_loop(post);
		if (*verdict != 0)
			wr_roamer_tells(&c->roams, verdict);
		return work;
	}
	wr_post_await_left();
	HOLDS(c->taken && !c->roams.at,
		"%llu ns: a consumer is still on the loop that was taken",
		(unsigned long long)machine_now_ns());
	c->let_go = c->taken = false;
	ghost_of(post)->returning++;
	wr_roamer_returns(&c->roams, *verdict);
	*verdict = wr_post_regain(post, lease);
	ghost_of(post)->returning--;
	enter_loop(post);
	return work;
}

static int
on_poll(struct wr_task *task, int *verdict)
{
	struct consumer *c = of_task(task);
	int work;

	if (c->moves != 0 && wr_roamer_hands_on(&c->roams))
		return 0;
	c->actor = machine_self();
	c->loop = c->moves ? c->roams.at->index : 0;
	if ((c->moves & WEIR_MOVE_LANE) != 0 && c->reactor->post)
		return read_let_go(c, verdict);
	work = read_on(c, verdict);
	if (*verdict != 0 && c->moves != 0)
		wr_roamer_tells(&c->roams, verdict);
	return work;
}

static bool
is_ready(struct wr_task *task)
{
	return of_task(task)->read < of_task(task)->sent;
}

static void
on_tier(struct wr_task *task, const struct wr_tier_change *change)
{
	wr_roamer_tiered(&of_task(task)->roams, change);
}

/* By whoever has the loop, which nobody turns meanwhile. */
static void
on_arrival(struct wr_roamer *roamer)
{
	struct consumer *c = of_task(roamer->task);
	struct wr_post *post = roamer->at->reactor->post;

	HOLDS(!post || !ghost_of(post)->turner || ghost_of(post)->turner == machine_self(),
		"%llu ns: somebody arrives at a loop that another one turns",
		(unsigned long long)machine_now_ns());
	c->reactor = roamer->at->reactor;
}

/* ---- a bus's own thread ------------------------------------------------------------------------- */

static int
turn_once(struct bus *bus)
{
	struct wr_loop *home = &bus->crew.home;
	int verdict = 0;
	int work = wr_reactor_poll(&bus->reactor, &verdict);

	wr_crew_turned(home);
	if (work > 0 || verdict != 0)
		return verdict;
	wr_crew_rests(home);
	(void)wr_reactor_idle(&bus->reactor, -1);
	(void)wr_reactor_poll(&bus->reactor, &verdict);
	return verdict;
}

static int
turn_for_another(void *ctx)
{
	return turn_once(ctx);
}

static void
arrive(void *ctx)
{
	(void)ctx;
}

static void
receive(struct bus *bus, int verdict)
{
	if (verdict == 0)
		return;
	HOLDS(verdict > 0 && (uint64_t)verdict <= bus->given && !bus->came[verdict],
		"%llu ns: verdict %d came twice", (unsigned long long)machine_now_ns(),
		verdict);
	bus->came[verdict] = true;
	bus->received++;
}

static void
turn(struct bus *bus)
{
	receive(bus, turn_once(bus));
	receive(bus, wr_post_turned(&bus->crew.home.post));
}

/* Tiers that change within milliseconds, for polls that are good whatever they take: who is
 * isolated was left behind. */
static void
draw_rules(struct wr_tier_rules *rules)
{
	struct wr_tier_config config = *wr_tier_profile("balanced");

	(void)wr_tier_config_read(&config,
		"threshold_ns=4000000000 promotion_ms=1 demotion_ms=1 isolate.good_polls=3 "
		"isolate.min_ms=1 isolate.good_us=1000000 yield.good_polls=3 yield.min_ms=1 "
		"yield.good_us=1000000 warn.good_polls=3 warn.min_ms=1 warn.good_us=1000000",
		NULL);
	(void)wr_tier_rules_of(rules, &config, NULL);
}

static void
open_loops(struct bus *bus)
{
	struct weir_error err;
	int fd = wr_bell_make();

	wr_bell_init(&bus->bell);
	wr_bell_set(&bus->bell, fd);
	if (wr_reactor_init(&bus->reactor, &bus->flag, &bus->bell, bus->plan.idle) < 0 ||
		wr_bell_watch(&bus->reactor.poller, fd) < 0)
		torn("no descriptors");
	if (!bus->lax)
		wr_reactor_watch_over(&bus->reactor, &bus->rules);
	if (wr_crew_init(&bus->crew, &bus->reactor, &bus->plan, &err) == 0)
		return;
	wr_reactor_fini(&bus->reactor);
	wr_bell_set(&bus->bell, -1);
	machine_sleep(MS);
	open_loops(bus);
}

/* Some leases are of the form that exchanges. */
static void
know_posts(struct bus *bus)
{
	bool exchanges = chance(machine_dice(), 2);

	for (uint32_t i = 0; i <= bus->plan.loops; i++) {
		struct wr_post *post = wr_crew_post(&bus->crew, i);

		post->own.exchanges |= exchanges;
		ghost_of(post)->bus = bus;
	}
}

static void
subscribe(struct consumer *c)
{
	struct bus *bus = c->bus;

	for (;;) {
		c->task = (struct wr_task){
			.poll = on_poll, .ready = is_ready, .tiered = on_tier};
		c->roams.arrives = on_arrival;
		c->reactor = &bus->reactor;
		(void)wr_reactor_add(&bus->reactor, &c->task, 0, NULL);
		if (wr_roamer_init(&c->roams, &bus->crew, &c->task, c->moves) == 0)
			return;
		wr_roamer_fini(&c->roams);
		wr_reactor_remove(&bus->reactor, &c->task);
		machine_sleep(MS);
	}
}

static void
close_loops(struct bus *bus)
{
	(void)wr_crew_gather(&bus->crew, 0);
	for (unsigned i = 0; i < consumer_count; i++)
		if (consumers[i].bus == bus) {
			wr_roamer_fini(&consumers[i].roams);
			wr_reactor_remove(&bus->reactor, &consumers[i].task);
		}
	wr_crew_fini(&bus->crew);
	wr_reactor_fini(&bus->reactor);
	wr_bell_set(&bus->bell, -1);
}

static void
check_books(const struct ghost *ghost)
{
	struct wr_post *post = ghost->post;
	const struct wr_relief_stats *stats = &post->stats;

	HOLDS(wr_stat_get(&stats->handoffs) == ghost->handoffs,
		"%llu hand-offs were counted, and there were %llu",
		(unsigned long long)wr_stat_get(&stats->handoffs),
		(unsigned long long)ghost->handoffs);
	HOLDS(wr_stat_get(&stats->stuck) == 0 && post->abroad == 0 && !post->claimants &&
			wr_stat_get(&post->wanted) == 0 && post->lease == &post->own,
		"a loop did not come home");
	tally("hand-offs", ghost->handoffs);
	tally("excused", wr_stat_get(&stats->excused));
	tally("saturated", wr_stat_get(&stats->saturated));
}

static void
be_home(void *arg)
{
	struct bus *bus = arg;

	bus->home = machine_self();
	open_loops(bus);
	know_posts(bus);
	for (unsigned i = 0; i < consumer_count; i++)
		if (consumers[i].bus == bus)
			subscribe(&consumers[i]);
	bus->open = true;
	while (!bus->ends)
		turn(bus);
	for (unsigned i = 0; i < ghost_count; i++)
		if (ghosts[i].bus == bus)
			check_books(&ghosts[i]);
	close_loops(bus);
}

/* ---- what happens to them ----------------------------------------------------------------------- */

static void
publish(void)
{
	for (unsigned i = 0; i < consumer_count; i++)
		if (chance(machine_dice(), 2))
			consumers[i].sent++;
	for (unsigned i = 0; i < bus_count; i++) {
		uint64_t epoch = wr_stat_get(&buses[i].flag);

		if ((epoch & 1) != 0)
			(void)wr_bell_ring_epoch(&buses[i].bell, epoch);
	}
}

/* Until it is let go, which may be for ever. */
static bool
is_stuck(const struct consumer *c)
{
	return c->endless && !c->freed;
}

static void
let_return(struct consumer *c)
{
	if (!is_stuck(c))
		return;
	c->freed = true;
	machine_unblock(c->actor);
}

static void
draw_weather(struct weather *weather)
{
	struct dice *dice = machine_dice();

	*weather = (struct weather){.delays = pick(dice, 6),
		.delay_ns = (uint64_t)(100 * US) << pick(dice, 7),
		.slice_ns = (uint64_t)(100 * US) << pick(dice, 6),
		.pause_ns = chance(dice, 2) ? (uint64_t)MS << pick(dice, 5) : 0,
		.take_ns = chance(dice, 2) ? (uint64_t)(200 * US) << pick(dice, 6) : 0,
		.taken_ns = (uint64_t)(800 * US) << pick(dice, 5),
		.booked_from_ns = 4 * MS,
		.pause_is_ns = (uint64_t)(100 * US) << pick(dice, 8),
		.late = pick(dice, 8),
		.late_ns = (uint64_t)MS << pick(dice, 6),
		.linger_ns = chance(dice, 4) ? 0 : (uint64_t)(4 * US) << 2 * pick(dice, 5),
		.refused = chance(dice, 3) ? 1 + pick(dice, 8) : 0,
		.misread = hard_ns <= WR_SUSPECT_SURE_NS && chance(dice, 2)};
	/* Of a pause within a look only one who had no core for long, and now has, can suffer. */
	if (!chance(dice, 4))
		return;
	weather->untimely = 2;
	weather->pause_is_ns = 16 * MS;
	weather->delays = 4;
	weather->delay_ns = hard_ns;
}

static void
storm(void)
{
	uint64_t gap_ns = (uint64_t)(50 * US) << pick(machine_dice(), 5);
	struct weather weather;

	calm = false;
	draw_weather(&weather);
	cores_go |= weather.take_ns > 0;
	machine_weather(&weather);
	for (uint32_t left = 10 + pick(machine_dice(), 40); left > 0; left--) {
		publish();
		machine_sleep(machine_about(gap_ns));
		if (chance(machine_dice(), 16))
			let_return(&consumers[pick(machine_dice(), consumer_count)]);
	}
}

/* ---- what holds when it is calm ------------------------------------------------------------------- */

static bool
is_stuck_home(const struct bus *bus)
{
	for (unsigned i = 0; i < consumer_count; i++)
		if (is_stuck(&consumers[i]) && consumers[i].actor == bus->home)
			return true;
	return false;
}

/* A callback that is stuck has the lane that it belongs to, or is still in. */
static bool
shares_lane(const struct consumer *c)
{
	const struct wr_loop *at = c->roams.at;
	uint64_t place = wr_stat_get(&c->roams.place);

	for (unsigned i = 0; c->moves != 0 && i < consumer_count; i++) {
		uint32_t loop = consumers[i].loop;

		if (is_stuck(&consumers[i]) && consumers[i].bus == c->bus &&
			loop > c->bus->plan.loops &&
			(loop == place || (at && loop == at->index)))
			return true;
	}
	return false;
}

/* NULL, or who is not as well as could be. */
static const char *
what_is_left(void)
{
	for (unsigned i = 0; i < consumer_count; i++) {
		const struct consumer *c = &consumers[i];
		bool waits = c->bus->received < c->bus->given && is_stuck_home(c->bus);

		if (!is_stuck(c) && c->read < c->sent && !shares_lane(c) && !waits)
			return "messages that nobody reads";
	}
	for (unsigned i = 0; i < ghost_count; i++)
		if (ghosts[i].bus && ghosts[i].returning > 0)
			return "handlers that have returned and did not come home";
	for (unsigned i = 0; i < bus_count; i++)
		if (buses[i].received < buses[i].given && !is_stuck_home(&buses[i]))
			return "verdicts that did not come home";
	return NULL;
}

/* As many are left behind as may be. */
static bool
is_full(uint64_t *saturated)
{
	uint64_t stuck = 0;

	*saturated = 0;
	for (unsigned i = 0; i < ghost_count; i++) {
		if (!ghosts[i].bus)
			continue;
		stuck += wr_stat_get(&ghosts[i].post->stats.stuck);
		*saturated += wr_stat_get(&ghosts[i].post->stats.saturated);
	}
	return stuck >= WEIR_STUCK_MAX;
}

static void
describe(void)
{
	for (unsigned i = 0; i < consumer_count; i++) {
		const struct consumer *c = &consumers[i];

		fprintf(stderr, "  consumer %u: %llu of %llu, moves %u, tier %u, %s%s%s\n",
			i, (unsigned long long)c->read, (unsigned long long)c->sent,
			c->moves, c->task.tier.tier,
			c->busy ? "in its handler" : "waits for its turn",
			is_stuck(c) ? ", stuck" : "", c->taken ? ", left behind" : "");
	}
	for (unsigned i = 0; i < ghost_count; i++)
		if (ghosts[i].bus)
			fprintf(stderr,
				"  loop %u: %s, %llu stuck, saturated %llu, verdict %d\n",
				i, ghosts[i].turner ? "is turned" : "is not turned",
				(unsigned long long)wr_stat_get(
					&ghosts[i].post->stats.stuck),
				(unsigned long long)wr_stat_get(
					&ghosts[i].post->stats.saturated),
				ghosts[i].post->verdict);
}

static void
wait_for_calm(void)
{
	static const struct weather fine = {.slice_ns = 10 * MS};
	uint64_t until_ns = machine_now_ns() + CALM_NS;
	uint64_t full_ns = machine_now_ns() + FULL_NS;
	uint64_t before, now;
	const char *left;

	calm = true;
	machine_weather(&fine);
	(void)is_full(&before);
	while ((left = what_is_left())) {
		if (is_full(&now) && now > before && machine_now_ns() > full_ns)
			return;
		if (machine_now_ns() >= until_ns)
			describe();
		HOLDS(machine_now_ns() < until_ns, "%llu ns: %s",
			(unsigned long long)machine_now_ns(), left);
		machine_sleep(MS / 2);
	}
}

static void
wait_until_open(void)
{
	for (unsigned i = 0; i < bus_count; i++)
		while (!buses[i].open) {
			HOLDS(machine_now_ns() < OPEN_NS, "a bus is never opened");
			machine_sleep(MS);
		}
}

static void
be_weather(void *arg)
{
	struct weather weather;

	(void)arg;
	draw_weather(&weather);
	cores_go |= weather.take_ns > 0;
	weather.refused = pick(machine_dice(), 5);
	machine_weather(&weather);
	wait_until_open();
	for (uint32_t storms = 1 + pick(machine_dice(), 3); storms > 0; storms--) {
		storm();
		wait_for_calm();
	}
	/* Whoever gets stuck in what it still had to read is let go as well. */
	for (unsigned i = 0; i < consumer_count; i++)
		let_return(&consumers[i]);
	wait_for_calm();
	for (unsigned i = 0; i < bus_count; i++) {
		HOLDS(buses[i].received == buses[i].given, "a verdict was lost");
		buses[i].ends = true;
		wr_reactor_wake(&buses[i].reactor);
		wr_bell_ring(&buses[i].bell);
	}
}

/* ---- rounds --------------------------------------------------------------------------------------- */

static void
draw_bus(struct bus *bus)
{
	struct dice *dice = machine_dice();

	memset(bus, 0, sizeof(*bus));
	draw_rules(&bus->rules);
	bus->lax = chance(dice, 8);
	bus->plan = (struct wr_crew_plan){
		.loops = chance(dice, 2) ? 0 : pick(dice, 1 + LOOPS_MOST),
		.idle = chance(dice, 24) ? WEIR_IDLE_YIELD : WEIR_IDLE_PARK,
		.lane = pick(dice, 3),
		.core = chance(dice, 4),
		.hard_ns = hard_ns,
		.tick_ns = (uint64_t)(250 * US) << pick(dice, 4),
		.turn = turn_for_another,
		.arrives = arrive,
		.ctx = bus};
}

static void
draw_consumer(struct consumer *c)
{
	static const uint32_t moves[] = {0, WEIR_MOVE_LOOPS, WEIR_MOVE_BLOCKING,
		WEIR_MOVE_LANE, WEIR_MOVE_LANE | WEIR_MOVE_LOOPS};

	memset(c, 0, sizeof(*c));
	c->bus = &buses[pick(machine_dice(), bus_count)];
	c->moves = chance(machine_dice(), 2) ? WEIR_MOVE_LANE
					     : moves[pick(machine_dice(), 5)];
}

static void
round_of(uint64_t seed)
{
	struct dice *dice = machine_dice();

	round_begins(seed);
	machine_begin(seed);
	cores_go = false;
	hard_ns = (uint64_t)(500 * US) << pick(dice, 4);
	usual_ns = (uint64_t)(2 * US) << pick(dice, 6);
	trouble = 4u << pick(dice, 5);
	fatal = 1 + pick(dice, 4);
	ghost_count = 0;
	memset(ghosts, 0, sizeof(ghosts));
	bus_count = chance(dice, 3) ? BUSES : 1;
	consumer_count = chance(dice, 12) ? CONSUMERS_MAX : 2 + pick(dice, 6);
	for (unsigned i = 0; i < bus_count; i++)
		draw_bus(&buses[i]);
	for (unsigned i = 0; i < consumer_count; i++)
		draw_consumer(&consumers[i]);
	for (unsigned i = 0; i < bus_count; i++)
		(void)machine_add(be_home, &buses[i]);
	(void)machine_add(be_weather, NULL);
	machine_run();
	moved_on();
	tally("rounds", 1);
}

void
scenario_handoff(uint64_t seed)
{
	while (!time_is_up())
		round_of(seed++);
	tally("steps", machine_steps());
	tally("threads refused", machine_refused());
}
