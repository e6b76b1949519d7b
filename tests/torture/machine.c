/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tests/torture/machine.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>

#include "bus/bell.h"
#include "bus/handle.h"
#include "bus/os/clock.h"
#include "bus/os/thread.h"
#include "scheduler/lease.h"
#include "tests/torture/wrap.h"

#define NEVER UINT64_MAX

enum {
	ACTORS_MAX = 64,
	STACK_BYTES = 96 << 10,
	STEPS_MAX = 5000000, /* of a round: about ten times as many as there ever were */
	WAKE_NS = 2000,      /* from when somebody is woken until it runs, at least */
	LOOK_NS = 1000,      /* at what another one has run, */
	STATE_NS = 4000,     /* and whether it waits */
	VISIT_NS = 20000,    /* a visit to another core, */
	ANSWER_NS = 1000,    /* and the answer of one */
	SLEEP_OVER_NS = 50000, /* that the kernel lets a thread sleep too long */
	YIELD_NS = 200000,
	LOWERED = 4 /* times as long without a core, whoever is ranked lower */
};

enum why { RUNS, LOCK, COND, HEARS, SLEEPS, JOINS, DONE };

struct actor {
	ucontext_t context; /* where it begins, */
	jmp_buf here; /* and goes on: without the two system calls of swapcontext */
	bool begun;
	uint8_t *stack;
	void (*body)(void *arg);
	void *(*thread)(void *arg); /* instead, of one that the library started */
	void *arg;
	enum why why;
	uint64_t ready_ns;          /* it goes on then; NEVER: when it is called */
	uint64_t from_ns;           /* since when it has had a core in this step, */
	uint64_t step_ns;           /* which takes so long on it */
	uint64_t ran_ns, booked_ns; /* before this step; of which it has not run so much */
	uint64_t slice_ns;          /* until its core is given to somebody else */
	uint64_t gone_ns, back_ns; /* its core is not there between these, */
	bool seems_to_run;         /* and it is said to run all the same */
	uint64_t due_ns; /* while it sleeps: when it would go on, were it there */
	pthread_mutex_t *lock;
	const void *waits_for; /* a condition, or an actor */
	int fd;
	uint64_t looked_ns, looked_before_ns;
	bool sentinel, lowered, joinable, waited, misread;
	/* what is the thread's own */
	struct wr_lease *lease_here;
	uint64_t self_number;
};

static struct actor actors[ACTORS_MAX];
static unsigned count;
static struct actor *present;
static _Thread_local bool on_machine;
static jmp_buf main_here;
static struct dice dice;
static struct weather weather;
static uint64_t now_ns_, pause_at_ns, take_at_ns;
static uint64_t others_ns; /* nobody but the present one goes on before that */
static unsigned lockers;
static uint64_t steps, steps_before, refused; /* before this round */

uint64_t
machine_now_ns(void)
{
	return now_ns_;
}

struct dice *
machine_dice(void)
{
	return &dice;
}

uint64_t
machine_refused(void)
{
	return refused;
}

uint64_t
machine_steps(void)
{
	return steps;
}

struct actor *
machine_self(void)
{
	return present;
}

/* -ln of a number below 1, which is a line between two powers of two. */
uint64_t
machine_about(uint64_t mean_ns)
{
	uint64_t roll = roll_dice(&dice) | 1;
	uint64_t zeros = (uint64_t)__builtin_clzll(roll);
	uint64_t below = 1024 - ((roll << zeros) >> 53 & 1023);

	return mean_ns * ((zeros * 1024 + below) * 710 / 1024) / 1024;
}

uint64_t
machine_look_before_ns(const struct actor *actor)
{
	return actor->looked_before_ns;
}

/* ---- who has a core --------------------------------------------------------------------- */

static uint64_t
coreless_ns(const struct actor *actor)
{
	if (pick(&dice, 8) >= weather.delays)
		return 0;
	return machine_about(weather.delay_ns) * (actor->lowered ? LOWERED : 1);
}

/* What it is said to have run since its core is gone, in this step. */
static uint64_t
seemed_by_now(const struct actor *actor)
{
	uint64_t until_ns = now_ns_ < actor->back_ns ? now_ns_ : actor->back_ns;

	return actor->seems_to_run ? until_ns - actor->gone_ns : 0;
}

static uint64_t
ran_by_now(const struct actor *actor)
{
	uint64_t ran_ns = now_ns_ > actor->from_ns ? now_ns_ - actor->from_ns : 0;

	return actor->ran_ns + seemed_by_now(actor) +
		(ran_ns < actor->step_ns ? ran_ns : actor->step_ns);
}

static bool
runs_now(const struct actor *actor)
{
	return actor->why == RUNS && actor->from_ns <= now_ns_ &&
		actor->from_ns + actor->step_ns > now_ns_;
}

uint64_t
machine_ran_ns(const struct actor *actor)
{
	return ran_by_now(actor) - actor->booked_ns - seemed_by_now(actor);
}

bool
machine_was_seen_waiting(const struct actor *actor)
{
	return actor->waited;
}

/* Its next step takes so long on a core, which it has or not. */
static void
begin_step(struct actor *actor, uint64_t ns, uint64_t coreless)
{
	actor->ran_ns += actor->step_ns + seemed_by_now(actor);
	actor->booked_ns += seemed_by_now(actor);
	actor->seems_to_run = false;
	if (actor->slice_ns <= ns) {
		coreless += coreless_ns(actor);
		actor->slice_ns = machine_about(weather.slice_ns) + ns;
	}
	actor->slice_ns -= ns;
	actor->from_ns = now_ns_ + coreless;
	actor->step_ns = ns;
	actor->ready_ns = actor->from_ns + ns;
}

/* It can go on, a little later. */
static void
rouse(struct actor *actor, enum why why)
{
	lockers += why == LOCK;
	actor->why = why;
	begin_step(actor, 0, WAKE_NS + coreless_ns(actor));
	if (actor->ready_ns < others_ns)
		others_ns = actor->ready_ns;
}

static void
change(enum why why)
{
	struct actor *self = present;

	self->why = why;
	if (_setjmp(self->here) == 0)
		_longjmp(main_here, 1);
}

static void
pass(uint64_t ns, uint64_t coreless)
{
	if (++steps - steps_before > STEPS_MAX)
		torn("%llu ns: it goes on for ever", (unsigned long long)now_ns_);
	begin_step(present, ns, coreless);
	if (lockers == 0 && present->ready_ns < others_ns &&
		present->ready_ns < pause_at_ns && present->ready_ns < take_at_ns)
		now_ns_ = present->ready_ns;
	else
		change(RUNS);
}

static bool
is_free(pthread_mutex_t *lock)
{
	if (pthread_mutex_trylock(lock) != 0)
		return false;
	pthread_mutex_unlock(lock);
	return true;
}

static uint64_t
when(const struct actor *actor)
{
	if (actor->why == LOCK && !is_free(actor->lock))
		return NEVER;
	return actor->ready_ns;
}

/* Who goes on first; those who do at the same moment, in a random order. */
static struct actor *
soonest(void)
{
	unsigned from = pick(&dice, count);
	struct actor *first = NULL;
	uint64_t first_ns = NEVER;

	others_ns = NEVER;
	for (unsigned i = 0; i < count; i++) {
		struct actor *actor = &actors[(from + i) % count];
		uint64_t ns = actor->why == DONE ? NEVER : when(actor);

		ns = ns < now_ns_ ? now_ns_ : ns;
		if (ns < first_ns) {
			others_ns = first_ns;
			first = actor;
			first_ns = ns;
		} else if (ns < others_ns) {
			others_ns = ns;
		}
	}
	return first;
}

/* The next one after that. */
static void
draw_pause(uint64_t from_ns)
{
	pause_at_ns = weather.pause_ns > 0 ? from_ns + machine_about(weather.pause_ns)
					   : NEVER;
}

/* Everybody stands still. What runs may be said to have run all the time. */
static void
pause_all(void)
{
	uint64_t ns = machine_about(weather.pause_is_ns);
	bool booked = ns >= weather.booked_from_ns && chance(&dice, 2);

	now_ns_ = pause_at_ns;
	draw_pause(now_ns_ + ns);
	for (unsigned i = 0; i < count; i++) {
		struct actor *actor = &actors[i];
		bool runs = runs_now(actor);
		uint64_t ran_ns = runs ? now_ns_ - actor->from_ns : 0;

		if (actor->back_ns > now_ns_)
			actor->back_ns += ns;
		if (actor->ready_ns == NEVER || actor->why == DONE)
			continue;
		if (actor->why == SLEEPS || actor->why == HEARS) {
			if (actor->ready_ns < now_ns_ + ns)
				actor->ready_ns = now_ns_ + ns;
			continue;
		}
		actor->ran_ns += ran_ns + (runs && booked ? ns : 0);
		actor->booked_ns += runs && booked ? ns : 0;
		actor->step_ns -= ran_ns;
		actor->from_ns += ran_ns + ns;
		actor->ready_ns = actor->from_ns + actor->step_ns;
	}
	now_ns_ += ns;
}

/* The next one after that. */
static void
draw_taking(uint64_t from_ns)
{
	take_at_ns =
		weather.take_ns > 0 ? from_ns + machine_about(weather.take_ns) : NEVER;
}

/* Somebody's core is not there for a while: who runs on it seems to go on, and who sleeps on it
 * is not woken. */
static void
take_core(void)
{
	struct actor *actor = &actors[pick(&dice, count)];
	uint64_t ns = machine_about(weather.taken_ns);
	bool runs;

	if (now_ns_ < take_at_ns)
		now_ns_ = take_at_ns;
	draw_taking(now_ns_);
	if (actor->ready_ns == NEVER || actor->why == DONE || now_ns_ < actor->back_ns)
		return;
	runs = runs_now(actor);
	actor->gone_ns = now_ns_;
	actor->back_ns = now_ns_ + ns;
	if (actor->why == SLEEPS && actor->ready_ns < actor->back_ns) {
		actor->ready_ns = actor->back_ns;
	} else if (runs) {
		uint64_t ran_ns = now_ns_ - actor->from_ns;

		actor->seems_to_run = ns >= weather.booked_from_ns && chance(&dice, 2);
		actor->ran_ns += ran_ns;
		actor->step_ns -= ran_ns;
		actor->from_ns = actor->back_ns;
		actor->ready_ns = actor->back_ns + actor->step_ns;
	}
}

/* Until a core that is gone is back, and what it owes is done. */
static void
await_core(const struct actor *actor)
{
	uint64_t away_ns = actor->back_ns > now_ns_ ? actor->back_ns - now_ns_ : 0;

	pass(away_ns + VISIT_NS, coreless_ns(present));
}

static void __attribute__((noreturn)) go_on(struct actor *actor)
{
	if (actor->begun)
		_longjmp(actor->here, 1);
	actor->begun = true;
	setcontext(&actor->context);
	abort();
}

static void
give_core(struct actor *actor)
{
	if (now_ns_ < actor->ready_ns)
		now_ns_ = actor->ready_ns;
	lockers -= actor->why == LOCK;
	actor->why = RUNS;
	present = actor;
	wr_lease_here = actor->lease_here;
	wr_self_number = actor->self_number;
	on_machine = true;
	if (_setjmp(main_here) == 0)
		go_on(actor);
	on_machine = false;
	present->lease_here = wr_lease_here;
	present->self_number = wr_self_number;
	present = NULL;
}

static bool
all_done(void)
{
	for (unsigned i = 0; i < count; i++)
		if (actors[i].why != DONE)
			return false;
	return true;
}

void
machine_run(void)
{
	while (!all_done()) {
		struct actor *actor = soonest();

		if (!actor)
			torn("nobody can go on: a wake-up was lost");
		if (when(actor) > pause_at_ns && pause_at_ns <= take_at_ns)
			pause_all();
		else if (when(actor) > take_at_ns)
			take_core();
		else
			give_core(actor);
	}
	wr_lease_here = NULL;
}

/* ---- threads come and go ---------------------------------------------------------------- */

static void
start_of_actor(unsigned low, unsigned high)
{
	struct actor *self = (struct actor *)((uintptr_t)high << 32 | low);

	if (self->thread)
		(void)self->thread(self->arg);
	else
		self->body(self->arg);
	for (unsigned i = 0; i < count; i++)
		if (actors[i].why == JOINS && actors[i].waits_for == self)
			rouse(&actors[i], RUNS);
	self->ready_ns = NEVER;
	for (;;)
		change(DONE);
}

static struct actor *
vacant(void)
{
	for (unsigned i = 0; i < count; i++)
		if (actors[i].why == DONE && !actors[i].joinable)
			return &actors[i];
	if (count == ACTORS_MAX)
		torn("more threads than there could ever be");
	return &actors[count++];
}

static struct actor *
add(void)
{
	struct actor *actor = vacant();
	uint8_t *stack = actor->stack ? actor->stack : malloc(STACK_BYTES);
	uintptr_t self = (uintptr_t)actor;

	if (!stack)
		torn("no memory");
	*actor = (struct actor){.stack = stack, .joinable = true};
	getcontext(&actor->context);
	actor->context.uc_stack.ss_sp = stack;
	actor->context.uc_stack.ss_size = STACK_BYTES;
	/* makecontext hands ints on. */
	makecontext(&actor->context, (void (*)(void))start_of_actor, 2,
		(unsigned)(self & 0xffffffffu), (unsigned)(self >> 32));
	rouse(actor, RUNS);
	return actor;
}

struct actor *
machine_add(void (*body)(void *arg), void *arg)
{
	struct actor *actor = add();

	actor->body = body;
	actor->arg = arg;
	actor->joinable = false;
	return actor;
}

int
__wrap_wr_thread_start(
	pthread_t *thread, const char *name, void *(*run)(void *), void *arg)
{
	struct actor *actor;

	if (!on_machine)
		return __real_wr_thread_start(thread, name, run, arg);
	if (pick(&dice, 8) < weather.refused) {
		refused++;
		return EAGAIN;
	}
	actor = add();
	actor->thread = run;
	actor->arg = arg;
	actor->sentinel = strcmp(name, "weir-sentinel") == 0;
	*thread = (pthread_t)(actor - actors);
	return 0;
}

int
__wrap_pthread_detach(pthread_t thread)
{
	if (!on_machine)
		return __real_pthread_detach(thread);
	actors[thread].joinable = false;
	return 0;
}

int
__wrap_pthread_join(pthread_t thread, void **result)
{
	if (!on_machine)
		return __real_pthread_join(thread, result);
	while (actors[thread].why != DONE) {
		present->waits_for = &actors[thread];
		present->ready_ns = NEVER;
		change(JOINS);
	}
	actors[thread].joinable = false;
	return 0;
}

/* ---- waiting ------------------------------------------------------------------------------ */

void
machine_work(uint64_t ns)
{
	pass(ns, 0);
}

static void
sleep_until(uint64_t ns)
{
	begin_step(present, 0, 0);
	present->ready_ns = present->due_ns = ns;
	change(SLEEPS);
	begin_step(present, 0, WAKE_NS + coreless_ns(present));
	change(RUNS);
}

void
machine_sleep(uint64_t ns)
{
	sleep_until(now_ns_ + ns);
}

void
machine_block(void)
{
	sleep_until(NEVER);
}

void
machine_unblock(struct actor *actor)
{
	if (actor->why != SLEEPS || actor->ready_ns != NEVER)
		return;
	actor->ready_ns = actor->due_ns = now_ns_;
	others_ns = now_ns_;
}

static bool
on_sleep(const struct timespec *time)
{
	uint64_t ns = (uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_nsec;

	if (!on_machine)
		return false;
	if (present->sentinel && pick(&dice, 64) < weather.late)
		ns += machine_about(weather.late_ns);
	sleep_until(now_ns_ + ns + machine_about(SLEEP_OVER_NS));
	return true;
}

static bool
on_lock(pthread_mutex_t *lock)
{
	if (!on_machine)
		return false;
	pass(20, 0);
	while (pthread_mutex_trylock(lock) != 0) {
		present->lock = lock;
		rouse(present, LOCK);
		change(LOCK);
	}
	return true;
}

/* Of who looks again and again, and never sleeps. */
static bool
on_rest(void)
{
	if (!on_machine)
		return false;
	pass(YIELD_NS, 0);
	return true;
}

static bool
on_wait(int fd)
{
	if (!on_machine)
		return false;
	begin_step(present, 0, 0);
	present->fd = fd;
	present->ready_ns = NEVER;
	change(HEARS);
	return true;
}

/* Somebody has rung: who is to hear that? */
static void
wake_hearers(void)
{
	for (unsigned i = 0; i < count; i++) {
		struct pollfd probe = {.fd = actors[i].fd, .events = POLLIN};

		if (actors[i].why == HEARS && poll(&probe, 1, 0) > 0)
			rouse(&actors[i], RUNS);
	}
}

void
__wrap_wr_bell_ring(struct wr_bell *bell)
{
	__real_wr_bell_ring(bell);
	if (on_machine)
		wake_hearers();
}

bool
__wrap_wr_bell_ring_epoch(struct wr_bell *bell, uint64_t epoch)
{
	bool rang = __real_wr_bell_ring_epoch(bell, epoch);

	if (on_machine && rang)
		wake_hearers();
	return rang;
}

int
__wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock)
{
	if (!on_machine)
		return __real_pthread_cond_wait(cond, lock);
	begin_step(present, 0, 0);
	present->waits_for = cond;
	present->lock = lock;
	present->ready_ns = NEVER;
	pthread_mutex_unlock(lock);
	change(COND);
	while (pthread_mutex_trylock(lock) != 0) {
		rouse(present, LOCK);
		change(LOCK);
	}
	return 0;
}

/* One of those who wait, whichever; or all. */
static void
wake_waiters(const pthread_cond_t *cond, bool all)
{
	unsigned from = pick(&dice, count);

	for (unsigned i = 0; i < count; i++) {
		struct actor *actor = &actors[(from + i) % count];

		if (actor->why != COND || actor->waits_for != cond)
			continue;
		rouse(actor, LOCK);
		if (!all)
			break;
	}
}

int
__wrap_pthread_cond_signal(pthread_cond_t *cond)
{
	if (!on_machine)
		return __real_pthread_cond_signal(cond);
	wake_waiters(cond, chance(&dice, 16));
	return 0;
}

int
__wrap_pthread_cond_broadcast(pthread_cond_t *cond)
{
	if (!on_machine)
		return __real_pthread_cond_broadcast(cond);
	wake_waiters(cond, true);
	return 0;
}

/* ---- what the kernel tells ---------------------------------------------------------------- */

int
__wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
	uint64_t ns;

	if (!on_machine)
		return __real_clock_gettime(clock, time);
	ns = clock == CLOCK_THREAD_CPUTIME_ID ? ran_by_now(present) : now_ns_;
	time->tv_sec = (time_t)(ns / 1000000000u);
	time->tv_nsec = (long)(ns % 1000000000u);
	return 0;
}

/* The processor's counter knows nothing of our time. */
void
__wrap_wr_clock_init(struct wr_clock *clock)
{
	if (on_machine)
		*clock = (struct wr_clock){.plain = true};
	else
		__real_wr_clock_init(clock);
}

void
__wrap_wr_thread_look_init(struct wr_thread_look *look)
{
	if (on_machine)
		*look = (struct wr_thread_look){
			.tid = (uint32_t)(present - actors), .policy = -1};
	else
		__real_wr_thread_look_init(look);
}

uint64_t
__wrap_wr_thread_ran_ns(const struct wr_thread_look *look)
{
	struct actor *actor = &actors[look->tid];
	uint64_t ran_ns;

	if (!on_machine)
		return __real_wr_thread_ran_ns(look);
	/* The worst moment for a pause is that between two looks at the clock. */
	if (weather.untimely > 0 && runs_now(actor) && chance(&dice, weather.untimely))
		pause_at_ns = now_ns_;
	pass(LOOK_NS, 0);
	ran_ns = ran_by_now(actor);
	actor->misread = weather.misread && !actor->misread && chance(&dice, 8);
	return actor->misread ? ran_ns + pick(&dice, 4000000) : ran_ns;
}

/* What the kernel says; and what is true: its time to wake had not come. */
static bool
seems_to_wait(struct actor *actor)
{
	bool waits = actor->why != RUNS && actor->why != DONE;

	actor->looked_before_ns = actor->looked_ns;
	actor->looked_ns = now_ns_;
	actor->waited = waits && !(actor->why == SLEEPS && actor->due_ns <= now_ns_);
	return waits;
}

bool
__wrap_wr_thread_waits(const struct wr_thread_look *look)
{
	struct actor *actor = &actors[look->tid];

	if (!on_machine)
		return __real_wr_thread_waits(look);
	pass(STATE_NS, 0);
	return seems_to_wait(actor);
}

bool
__wrap_wr_thread_waits_there(const struct wr_thread_look *look)
{
	if (!on_machine)
		return __real_wr_thread_waits_there(look);
	do
		await_core(&actors[look->tid]);
	while (actors[look->tid].back_ns > now_ns_);
	return seems_to_wait(&actors[look->tid]);
}

/* Each core on which somebody runs answers when it is there. */
void
__wrap_wr_fence_heavy_call(void)
{
	uint64_t away_ns = 0;

	if (!on_machine) {
		__real_wr_fence_heavy_call();
		return;
	}
	for (unsigned i = 0; i < count; i++) {
		const struct actor *actor = &actors[i];

		if (actor != present && actor->why == RUNS &&
			actor->back_ns > now_ns_ + away_ns)
			away_ns = actor->back_ns - now_ns_;
	}
	pass(away_ns + ANSWER_NS, 0);
}

int
__wrap_wr_thread_lower(struct wr_thread_look *look, bool idle, int nice)
{
	if (!on_machine)
		return __real_wr_thread_lower(look, idle, nice);
	pass(LOOK_NS, coreless_ns(present));
	actors[look->tid].lowered = true;
	look->policy = 0;
	return 0;
}

void
__wrap_wr_thread_raise(struct wr_thread_look *look)
{
	if (!on_machine) {
		__real_wr_thread_raise(look);
	} else if (look->policy >= 0) {
		actors[look->tid].lowered = false;
		look->policy = -1;
	}
}

bool
__wrap_wr_thread_can_rise(void)
{
	return on_machine || __real_wr_thread_can_rise();
}

/* The real thread stays as it is ranked, and where it runs. */
int
__wrap_wr_rank_slack(uint64_t ns)
{
	return on_machine ? 0 : __real_wr_rank_slack(ns);
}

int
__wrap_wr_rank_idle(void)
{
	return on_machine ? 0 : __real_wr_rank_idle();
}

int
__wrap_wr_rank_nice(int nice)
{
	return on_machine ? 0 : __real_wr_rank_nice(nice);
}

int
__wrap_wr_core_bind(pthread_t thread, unsigned core)
{
	return on_machine ? 0 : __real_wr_core_bind(thread, core);
}

/* ---- beginning ------------------------------------------------------------------------------ */

#if defined(WR_POINTS)
/* The one at which whoever passes it stands still. */
static const char *slow;

/* A labelled step takes no time worth speaking of; now and then a page is not there. */
static void
point(const char *label)
{
	uint64_t roll;

	if (!on_machine)
		return;
	roll = roll_dice(&dice);
	pass((roll & 63) == 0 ? roll >> 8 & 0x3fff : 20 + (roll >> 8 & 127),
		weather.linger_ns > 0 && (roll >> 6 & 1) == 0 && strcmp(label, slow) == 0
			? machine_about(weather.linger_ns)
			: 0);
}

/* Where much depends on the order. */
static const char *
label_to_linger_at(void)
{
	static const char *const labels[] = {"lease_begin", "lease_end",
		"lease_end_done", "lease_look", "lease_see", "lease_heavy", "lease_again",
		"lease_taken_done", "lease_sleep", "relief_look", "relief_count_done",
		"relief_parks", "relief_fence", "loop_woken", "sleep_raise"};

	return labels[pick(&dice, sizeof(labels) / sizeof(labels[0]))];
}
#endif

void
machine_weather(const struct weather *next)
{
	weather = *next;
	draw_pause(now_ns_);
	draw_taking(now_ns_);
}

void
machine_begin(uint64_t seed)
{
	static const struct weather fine = {.slice_ns = 1000000};

	dice.state = seed;
	steps_before = steps;
	count = lockers = 0;
	now_ns_ = 1000000000;
#if defined(WR_POINTS)
	wr_point_hook = point;
	slow = chance(&dice, 3) ? "lease_again" : label_to_linger_at();
#endif
	machine_weather(&fine);
	wrap_lock = on_lock;
	wrap_wait = on_wait;
	wrap_sleep = on_sleep;
	wrap_rest = on_rest;
}
