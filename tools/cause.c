/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tools/cause.h"

#include <stddef.h>

enum {
	BEHIND_NS = 50000000, /* who needs longer for what waits for it is slow */
	GROUP = 8,       /* polls that a loop times together, within the limit of one */
	MINOR_NS = 4000, /* what a page fault costs at most: enter the kernel, clear a page */
	MAJOR_NS = 100000,   /* and at least, if the page comes from a fast disk */
	OFTEN = 20,          /* one poll of so many over the limit is no accident */
	GLANCES_ENOUGH = 10, /* fewer say nothing of how the time was divided */
	SMALL = 10           /* what has less than so little of the time is no cause */
};

/* How the time is divided; in the order of enum cause. */
struct parts {
	uint64_t ns[CAUSE_COUNT];
};

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Words of a stranger's memory may run backwards. */
static uint64_t
since(uint64_t now, uint64_t then)
{
	return now > then ? now - then : 0;
}

/* Takes up to `wanted` of what is left. */
static uint64_t
take(uint64_t *left, uint64_t wanted)
{
	uint64_t taken = least(*left, wanted);
	*left -= taken;
	return taken;
}

static uint64_t
share(uint64_t of, uint64_t part, uint64_t whole)
{
	return whole
		? (uint64_t)((double)of * (double)least(part, whole) / (double)whole)
		: 0;
}

int
cause_is_slow(const struct cause_look *then, const struct cause_look *now)
{
	uint64_t passed = since(now->passed, then->passed);
	double behind_ns;
	if (!then->waiting || !now->waiting || now->at_ns <= then->at_ns)
		return 0;
	if (!passed)
		return 1;
	behind_ns = (double)now->waiting * (double)(now->at_ns - then->at_ns) /
		(double)passed;
	return behind_ns >= BEHIND_NS;
}

/* The thread's, if it was the same one at both looks. A loop may have been given to another
 * one meanwhile: then only what all of them did can be compared. */
static const struct cause_vitals *
vitals_of(const struct cause_look *look, const struct cause_look *other)
{
	return look->thread && look->thread == other->thread ? &look->vitals
							     : &look->whole;
}

static uint64_t
delayed(const struct cause_vitals *then, const struct cause_vitals *now, uint64_t time_ns)
{
	/* The kernel adds a wait when it is over. */
	if (then->state == 'R' && now->state == 'R' && now->ran_ns == then->ran_ns)
		return time_ns;
	return since(now->delayed_ns, then->delayed_ns);
}

/* What the kernel kept from the thread. One whose group is throttled is also counted as ready
 * and without a core. */
static void
divide_kernel(struct parts *p, uint64_t *left, const struct cause_vitals *then,
	const struct cause_vitals *now)
{
	uint64_t throttled_ns = since(now->throttled_ns, then->throttled_ns);
	uint64_t delayed_ns = delayed(then, now, *left);
	p->ns[CAUSE_THROTTLED] = take(left, throttled_ns);
	p->ns[CAUSE_DESCHEDULED] = take(left, since(delayed_ns, throttled_ns));
}

/* How long the loop was in no turn, as far as glances tell. */
static uint64_t
outside(const struct cause_look *then, const struct cause_look *now)
{
	if (now->glances < GLANCES_ENOUGH)
		return 0;
	return share(now->at_ns - then->at_ns, since(now->glances, now->inside),
		now->glances);
}

/* What was spent outside the loop, what the loop measured, and what is left. */
static void
divide_loop(struct parts *p, uint64_t *left, const struct cause_look *then,
	const struct cause_look *now)
{
	uint64_t idle_ns = since(now->idle_ns, then->idle_ns);
	uint64_t own_ns = since(now->busy_ns, then->busy_ns);
	uint64_t all_ns = since(now->loop_busy_ns, then->loop_busy_ns);
	uint64_t own_polls = since(now->polls, then->polls);
	uint64_t all_polls = since(now->loop_polls, then->loop_polls);
	uint64_t outside_ns = outside(then, now);
	(void)take(left, idle_ns);
	p->ns[CAUSE_NOT_POLLING] = take(left, since(outside_ns, idle_ns));
	p->ns[CAUSE_SLOW_HANDLER] = take(left, own_ns);
	p->ns[CAUSE_POLLED_LATE] = take(left, since(all_ns, own_ns));
	own_ns = share(*left, own_polls, all_polls);
	p->ns[CAUSE_SLOW_HANDLER] += own_ns;
	p->ns[CAUSE_POLLED_LATE] += *left - own_ns;
}

/* Neighbours are held to the same limit; if its own polls are often over it, they are what
 * it is slow for. */
static void
blame_itself(struct parts *p, const struct cause_look *then, const struct cause_look *now)
{
	uint64_t polls = since(now->polls, then->polls);
	uint64_t violations = since(now->violations, then->violations);
	if (violations == 0 || violations * OFTEN < polls)
		return;
	p->ns[CAUSE_SLOW_HANDLER] += p->ns[CAUSE_POLLED_LATE];
	p->ns[CAUSE_POLLED_LATE] = 0;
}

/* A further loop is always turned, and does not sleep while there is something to do: who
 * does not take the time himself has neighbours that do. */
static void
divide_further(struct parts *p, uint64_t *left, const struct cause_look *then,
	const struct cause_look *now)
{
	p->ns[CAUSE_SLOW_HANDLER] = take(left, since(now->busy_ns, then->busy_ns));
	p->ns[CAUSE_POLLED_LATE] = *left;
	if (now->polls == then->polls) { /* it is in one call, or its neighbour is */
		p->ns[CAUSE_SLOW_HANDLER] += p->ns[CAUSE_POLLED_LATE];
		p->ns[CAUSE_POLLED_LATE] = 0;
	}
	blame_itself(p, then, now);
}

/*
 * What page faults have cost at most: for those that read no disk the kernel has no number, so
 * it is what the thread has spent in the kernel, and no more than they can have taken of it.
 */
static uint64_t
faults_ns(const struct cause_vitals *then, const struct cause_vitals *now)
{
	double minor_ns = (double)since(now->minor, then->minor) * MINOR_NS;
	double major_ns = (double)since(now->major, then->major) * MAJOR_NS;
	double system_ns = (double)since(now->system_ns, then->system_ns);
	double ns = (minor_ns < system_ns ? minor_ns : system_ns) + major_ns;
	return ns < 1e18 ? (uint64_t)ns : (uint64_t)1e18;
}

/* Handlers are what the time goes to, unless at least half of a handler's is page faults. */
static void
divide_faults(struct parts *p, const struct cause_vitals *then,
	const struct cause_vitals *now)
{
	uint64_t ns = faults_ns(then, now);
	if (!ns || ns < p->ns[CAUSE_SLOW_HANDLER] / 2)
		return;
	p->ns[CAUSE_PAGE_FAULTS] = p->ns[CAUSE_SLOW_HANDLER];
	p->ns[CAUSE_SLOW_HANDLER] = 0;
}

/* Who is in one handler all the time, or has a thread of its own, or is read by its owner, has
 * the rest for itself. */
static enum cause
whose_is_the_rest(const struct cause_look *then, const struct cause_look *now)
{
	if (now->stuck_ns || now->hard || now->apart)
		return CAUSE_SLOW_HANDLER;
	if (now->pulled)
		return CAUSE_NOT_POLLING;
	if (now->turns != then->turns)
		return CAUSE_NONE;
	return now->begun > now->turns ? CAUSE_SLOW_HANDLER : CAUSE_NOT_POLLING;
}

static void
divide(struct parts *p, const struct cause_look *then, const struct cause_look *now)
{
	uint64_t left = now->at_ns - then->at_ns;
	enum cause rest = whose_is_the_rest(then, now);
	divide_kernel(p, &left, vitals_of(then, now), vitals_of(now, then));
	if (now->further) {
		divide_further(p, &left, then, now);
	} else if (rest != CAUSE_NONE) {
		p->ns[rest] += left;
	} else {
		divide_loop(p, &left, then, now);
		blame_itself(p, then, now);
	}
	divide_faults(p, vitals_of(then, now), vitals_of(now, then));
}

static int
is_stopped(const struct cause_vitals *v)
{
	return v->state == 'T' || v->state == 't';
}

static enum cause
largest(const struct parts *p)
{
	enum cause cause = CAUSE_NONE;
	for (int i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++) {
		if (p->ns[i] > p->ns[cause])
			cause = (enum cause)i;
	}
	return cause;
}

struct cause_found
cause_of(const struct cause_look *then, const struct cause_look *now)
{
	struct parts p = {{0}};
	uint64_t polls = since(now->polls, then->polls);
	uint64_t time_ns = since(now->at_ns, then->at_ns);
	const struct cause_vitals *v = vitals_of(now, then), *u = vitals_of(then, now);
	struct cause_found f = {.time_ns = time_ns,
		.polls = polls,
		.violations = since(now->violations, then->violations),
		.turns = since(now->turns, then->turns),
		.poll_ns = polls ? since(now->busy_ns, then->busy_ns) / polls : 0,
		.gap_ns = polls ? time_ns / polls : 0,
		.delayed_ns = delayed(u, v, time_ns),
		.throttles = since(v->throttles, u->throttles),
		.throttled_ns = since(v->throttled_ns, u->throttled_ns),
		.minor = since(v->minor, u->minor),
		.major = since(v->major, u->major),
		.stuck_ns = now->stuck_ns,
		.limit_ns = now->limit_ns};
	if (!time_ns)
		return f;
	if (is_stopped(u) && is_stopped(v)) {
		p.ns[CAUSE_STOPPED] = time_ns;
	} else {
		divide(&p, then, now);
	}
	f.cause = largest(&p);
	if (p.ns[f.cause] < time_ns / SMALL)
		f.cause = CAUSE_NONE;
	f.part_ns = p.ns[f.cause];
	return f;
}

static const struct {
	const char *name, *advice;
} causes[CAUSE_COUNT] = {
	[CAUSE_NONE] = {"none", ""},
	[CAUSE_SLOW_HANDLER] = {"slow handler",
		"do less in each call: return when weir_should_yield says so, hand fewer "
		"messages on (.batch, .poll_us), or say that it blocks (.moves = "
		"WEIR_MOVE_BLOCKING); .policy = WEIR_LATEST if the newest message is "
		"enough"},
	[CAUSE_POLLED_LATE] = {"polled late",
		"nothing is wrong with its handler: raise its weight (weir consumer set), "
		"let it move to another loop (.loops, .moves = WEIR_MOVE_LOOPS), or let "
		"its neighbours do less in each call (weir consumer ls)"},
	[CAUSE_NOT_POLLING] = {"not polling",
		"let its owner call weir_run, or weir_turn and weir_next more often: what "
		"does it do meanwhile? A thread of its own for that, or for the loop "
		"(.loops)"},
	[CAUSE_STOPPED] = {"stopped",
		"let it go on: kill -CONT PID, or end the debugger that holds it"},
	[CAUSE_THROTTLED] = {"throttled",
		"a larger CPU quota for its control group (cpu.max, CPUQuota=, --cpus), or "
		"fewer threads in it"},
	[CAUSE_DESCHEDULED] = {"descheduled",
		"fewer programs on its cores, a core of its own (.core, taskset), or a "
		"better rank (.nice, .realtime)"},
	[CAUSE_PAGE_FAULTS] = {"page faults",
		"keep its memory: allocate before the loop, not in the handler; mlockall, "
		"larger pages, no madvise(MADV_DONTNEED); a machine that swaps needs more "
		"memory"},
};

const char *
cause_name(enum cause cause)
{
	return (unsigned)cause < CAUSE_COUNT ? causes[cause].name : "?";
}

const char *
cause_advice(enum cause cause)
{
	return (unsigned)cause < CAUSE_COUNT ? causes[cause].advice : "";
}
