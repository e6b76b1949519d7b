/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/crew.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/weir.h>

#include "bus/error.h"
#include "bus/lines.h"
#include "bus/os/core.h"
#include "bus/os/rank.h"
#include "bus/os/thread.h"
#include "scheduler/rest.h"

enum {
	WINDOW_NS = 10000000, /* between two looks at the load */
	DWELL_NS = 100000000, /* nobody moves sooner again, to even it out */
	UNEVEN = 5,           /* times the difference is more than the load: a fifth */
	LOOKS = 3             /* of which two must have seen it */
};

static _Thread_local struct wr_loop *here;

struct wr_loop *
wr_loop_here(void)
{
	return here;
}

static struct wr_loop *
loop_at(struct wr_crew *crew, uint64_t index)
{
	return index == 0 ? &crew->home : &crew->workers[index]->loop;
}

static bool
is_lane(const struct wr_crew *crew, uint64_t index)
{
	return index > crew->plan.loops;
}

/* ---- from hand to hand ---------------------------------------------------------------------- */

static struct wr_roamer *
of_tenant(struct wr_ring *link)
{
	return (struct wr_roamer *)(void *)((uint8_t *)link -
		offsetof(struct wr_roamer, tenant));
}

static struct wr_loop *
of_desk(struct wr_task *task)
{
	return (struct wr_loop *)(void *)((uint8_t *)task -
		offsetof(struct wr_loop, desk));
}

/* Out of the hands of its loop, whose reactor does not have it any more. */
static void
leave_hands(struct wr_roamer *roamer)
{
	wr_list_unlink(&roamer->tenant);
	if (roamer->at->index == 0) {
		roamer->away = true;
		roamer->crew->away++;
	}
	roamer->at = NULL;
}

/* Onto the desk of that loop. Not to be touched from here on. */
static void
put_on_desk(struct wr_roamer *roamer, struct wr_loop *loop)
{
	roamer->next = NULL;
	pthread_mutex_lock(&loop->lock);
	*loop->arrived_end = roamer;
	loop->arrived_end = &roamer->next;
	pthread_cond_signal(&loop->came);
	pthread_mutex_unlock(&loop->lock);
	wr_reactor_send(loop->reactor, &loop->desk);
}

static void
hand(struct wr_roamer *roamer, struct wr_loop *loop)
{
	wr_trace(&roamer->at->reactor->trace, WEIR_TRACE_MOVE, roamer->at->index,
		roamer->task->number, loop->index);
	wr_reactor_lend(roamer->at->reactor, roamer->task);
	leave_hands(roamer);
	put_on_desk(roamer, loop);
}

/* Hands all of them to the home loop: each that it waits for, or simply all. */
static void
let_go(struct wr_loop *loop, bool all)
{
	struct wr_ring *link = loop->tenants.next;

	while (link != &loop->tenants) {
		struct wr_roamer *roamer = of_tenant(link);

		link = link->next;
		if (all || wr_stat_get(&roamer->recalled) != 0)
			hand(roamer, &loop->crew->home);
	}
}

static void
keep(struct wr_loop *loop, struct wr_roamer *roamer)
{
	roamer->at = loop;
	if (loop->index == 0) {
		roamer->away = false;
		loop->crew->away--;
	}
	if (roamer->verdict != 0) {
		roamer->next = loop->crew->told;
		loop->crew->told = roamer;
	}
	wr_list_append(&loop->tenants, &roamer->tenant);
	roamer->arrives(roamer);
	wr_reactor_take(loop->reactor, roamer->task);
}

/* Takes what lies on its desk. Returns how many those were. */
static int
take_arrived(struct wr_loop *loop)
{
	struct wr_roamer *roamer;
	int count = 0;

	pthread_mutex_lock(&loop->lock);
	roamer = loop->arrived;
	loop->arrived = NULL;
	loop->arrived_end = &loop->arrived;
	pthread_mutex_unlock(&loop->lock);
	for (; roamer; count++) {
		struct wr_roamer *next = roamer->next;

		keep(loop, roamer);
		roamer = next;
	}
	return count;
}

/* Each verdict ends a turn. */
static int
home_desk_poll(struct wr_task *task, int *verdict)
{
	struct wr_loop *home = of_desk(task);
	struct wr_crew *crew = home->crew;
	int count = take_arrived(home);

	if (!crew->told)
		return count;
	*verdict = crew->told->verdict;
	crew->told->verdict = 0;
	crew->told = crew->told->next;
	if (crew->told)
		wr_reactor_tell(home->reactor, task);
	return count;
}

/* With the lock. */
static void
take_rules(struct wr_worker *worker, const struct wr_crew *crew)
{
	if (worker->rules_seen == crew->rules_number)
		return;
	worker->rules_seen = crew->rules_number;
	worker->rules = crew->rules;
	wr_reactor_watch_over(&worker->reactor, crew->watched ? &worker->rules : NULL);
}

static int
worker_desk_poll(struct wr_task *task, int *verdict)
{
	struct wr_loop *loop = of_desk(task);
	struct wr_crew *crew = loop->crew;
	int count = take_arrived(loop);

	(void)verdict;
	pthread_mutex_lock(&crew->lock);
	take_rules((struct wr_worker *)loop, crew);
	pthread_mutex_unlock(&crew->lock);
	let_go(loop, wr_stat_get(&crew->gathered) != 0);
	return count;
}

/* ---- who belongs where -------------------------------------------------------------------------- */

/* With the lock. */
static void
leave_place(struct wr_crew *crew, const struct wr_roamer *roamer)
{
	uint64_t index = wr_stat_get(&roamer->place);

	crew->weights[index] -= roamer->counted;
	crew->belongs[index]--;
}

/* With the lock. */
static void
take_place(struct wr_crew *crew, struct wr_roamer *roamer, uint64_t index)
{
	wr_stat_set(&roamer->place, index);
	crew->weights[index] += roamer->counted;
	crew->belongs[index]++;
}

/* With the lock. */
static void
belong(struct wr_crew *crew, struct wr_roamer *roamer, uint64_t index)
{
	leave_place(crew, roamer);
	take_place(crew, roamer, index);
}

static void
move_to(struct wr_roamer *roamer, uint64_t index)
{
	pthread_mutex_lock(&roamer->crew->lock);
	belong(roamer->crew, roamer, index);
	pthread_mutex_unlock(&roamer->crew->lock);
}

/* The loop whose own have the least weight. With the lock. */
static uint32_t
lightest(const struct wr_crew *crew)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i <= crew->plan.loops; i++)
		if (crew->weights[i] < crew->weights[best])
			best = i;
	return best;
}

/* Starts one more. Its index; 0 if it cannot be. With the lock. */
static uint32_t add_lane(struct wr_crew *crew);

/* A lane of its own, as long as there are that many; else the one with the fewest. 0 if there
 * is none. With the lock. */
static uint32_t
lane_for_one(struct wr_crew *crew)
{
	uint32_t first = crew->plan.loops + 1;
	uint32_t best = 0, added;

	for (uint32_t i = first; i < crew->count; i++)
		if (best == 0 || crew->belongs[i] < crew->belongs[best])
			best = i;
	if ((best != 0 && crew->belongs[best] == 0) ||
		crew->count - first >= WEIR_LANES_MAX)
		return best;
	added = add_lane(crew);
	return added ? added : best;
}

/* With the lock. */
static void
go_to_lane(struct wr_crew *crew, struct wr_roamer *roamer)
{
	uint32_t lane = lane_for_one(crew);

	roamer->from = (uint32_t)wr_stat_get(&roamer->place);
	if (lane != 0)
		belong(crew, roamer, lane);
}

void
wr_roamer_tiered(struct wr_roamer *roamer, const struct wr_tier_change *change)
{
	struct wr_crew *crew = roamer->crew;
	uint64_t place = wr_stat_get(&roamer->place);

	if ((roamer->moves & WEIR_MOVE_BLOCKING) != 0 ||
		(roamer->moves & WEIR_MOVE_LANE) == 0)
		return;
	pthread_mutex_lock(&crew->lock);
	if (is_lane(crew, place) && change->to < WR_TIER_ISOLATE) {
		belong(crew, roamer, roamer->from);
	} else if (!is_lane(crew, place) && change->to == WR_TIER_ISOLATE) {
		go_to_lane(crew, roamer);
	}
	pthread_mutex_unlock(&crew->lock);
}

/* A handler that does not return is to be found from now on, on whatever loop it runs. */
static int
guard(struct wr_crew *crew)
{
	int rc = wr_post_watch(&crew->home.post);

	for (uint32_t i = 1; i <= crew->plan.loops && rc == 0; i++)
		rc = wr_post_watch(&crew->workers[i]->loop.post);
	return rc;
}

int
wr_roamer_init(struct wr_roamer *roamer, struct wr_crew *crew, struct wr_task *task,
	uint32_t moves)
{
	uint32_t place = 0;
	int rc = (moves & (WEIR_MOVE_LANE | WEIR_MOVE_BLOCKING)) == WEIR_MOVE_LANE
		? guard(crew)
		: 0;

	*roamer = (struct wr_roamer){
		.task = task, .crew = crew, .arrives = roamer->arrives};
	if (moves == 0)
		return 0;
	pthread_mutex_lock(&crew->lock);
	if ((moves & WEIR_MOVE_BLOCKING) != 0)
		place = lane_for_one(crew);
	else if ((moves & WEIR_MOVE_LOOPS) != 0)
		place = lightest(crew);
	roamer->counted = wr_turn_weight(&task->turn);
	take_place(crew, roamer, place);
	pthread_mutex_unlock(&crew->lock);
	roamer->moves = moves;
	roamer->at = &crew->home;
	wr_list_append(&crew->home.tenants, &roamer->tenant);
	return (moves & WEIR_MOVE_BLOCKING) != 0 && place == 0 ? -WEIR_E_ENV_THREADS : rc;
}

void
wr_roamer_fini(struct wr_roamer *roamer)
{
	struct wr_roamer **told;

	if (roamer->moves == 0)
		return;
	for (told = &roamer->crew->told; *told; told = &(*told)->next)
		if (*told == roamer) {
			*told = roamer->next;
			break;
		}
	wr_list_unlink(&roamer->tenant);
	pthread_mutex_lock(&roamer->crew->lock);
	leave_place(roamer->crew, roamer);
	pthread_mutex_unlock(&roamer->crew->lock);
}

void
wr_roamer_weighed(struct wr_roamer *roamer)
{
	struct wr_crew *crew = roamer->crew;

	if (roamer->moves == 0)
		return;
	pthread_mutex_lock(&crew->lock);
	leave_place(crew, roamer);
	roamer->counted = wr_turn_weight(&roamer->task->turn);
	take_place(crew, roamer, wr_stat_get(&roamer->place));
	pthread_mutex_unlock(&crew->lock);
}

bool
wr_roamer_hands_on(struct wr_roamer *roamer)
{
	struct wr_crew *crew = roamer->crew;
	uint64_t place = wr_stat_get(&roamer->place);
	struct wr_loop *loop;

	if (place == roamer->at->index)
		return false;
	pthread_mutex_lock(&crew->lock);
	loop = loop_at(crew, place);
	pthread_mutex_unlock(&crew->lock);
	hand(roamer, loop);
	return true;
}

void
wr_roamer_tells(struct wr_roamer *roamer, int *verdict)
{
	if (roamer->at->index == 0)
		return;
	wr_trace(&roamer->at->reactor->trace, WEIR_TRACE_VERDICT, 0,
		roamer->task->number, *verdict);
	roamer->verdict = *verdict;
	*verdict = 0;
	hand(roamer, &roamer->crew->home);
}

/* Who is waited for at home goes there, or is sent there by the desk that it comes to. */
void
wr_roamer_returns(struct wr_roamer *roamer, int verdict)
{
	struct wr_crew *crew = roamer->crew;
	struct wr_loop *loop = &crew->home;

	pthread_mutex_lock(&crew->lock);
	if (roamer->task->tier.tier == WR_TIER_ISOLATE &&
		!is_lane(crew, wr_stat_get(&roamer->place)))
		go_to_lane(crew, roamer);
	if (verdict == 0)
		loop = loop_at(crew, wr_stat_get(&roamer->place));
	pthread_mutex_unlock(&crew->lock);
	roamer->verdict = verdict;
	put_on_desk(roamer, loop);
}

void
wr_roamer_goes_home(struct wr_roamer *roamer)
{
	hand(roamer, &roamer->crew->home);
}

int
wr_roamer_move(struct wr_roamer *roamer, uint32_t index)
{
	struct wr_crew *crew = roamer->crew;

	if ((roamer->moves & WEIR_MOVE_LOOPS) == 0 ||
		(roamer->moves & WEIR_MOVE_BLOCKING) != 0)
		return -WEIR_E_USAGE_STATE;
	if (index > crew->plan.loops)
		return -WEIR_E_USAGE_INVAL;
	pthread_mutex_lock(&crew->lock);
	if (is_lane(crew, wr_stat_get(&roamer->place)))
		roamer->from = index;
	else
		belong(crew, roamer, index);
	pthread_mutex_unlock(&crew->lock);
	return 0;
}

/* ---- back home ------------------------------------------------------------------------------------ */

/* Each of the others looks at its desk. */
static void
call_all(struct wr_crew *crew)
{
	pthread_mutex_lock(&crew->lock);
	for (uint32_t i = 1; i < crew->count; i++)
		wr_reactor_send(&crew->workers[i]->reactor, &crew->workers[i]->loop.desk);
	pthread_mutex_unlock(&crew->lock);
}

/* Waits until somebody is on the home loop's desk, and takes it. False if nobody has come by
 * then; 0: however long it takes. */
static bool
wait_for_one(struct wr_loop *home, uint64_t deadline_ns)
{
	struct timespec until = {.tv_sec = (time_t)(deadline_ns / 1000000000),
		.tv_nsec = (long)(deadline_ns % 1000000000)};
	int rc = 0;

	pthread_mutex_lock(&home->lock);
	while (!home->arrived && rc == 0)
		rc = deadline_ns == 0
			? pthread_cond_wait(&home->came, &home->lock)
			: pthread_cond_timedwait(&home->came, &home->lock, &until);
	pthread_mutex_unlock(&home->lock);
	return take_arrived(home) > 0;
}

void
wr_roamer_recall(struct wr_roamer *roamer)
{
	if (!roamer->away)
		return;
	wr_stat_set(&roamer->recalled, 1);
	call_all(roamer->crew);
	while (roamer->away)
		(void)wait_for_one(&roamer->crew->home, 0);
	wr_stat_set(&roamer->recalled, 0);
}

bool
wr_crew_gather(struct wr_crew *crew, uint64_t deadline_ns)
{
	if (crew->away == 0)
		return true;
	wr_stat_set(&crew->gathered, 1);
	call_all(crew);
	while (crew->away > 0 && wait_for_one(&crew->home, deadline_ns))
		;
	wr_stat_set(&crew->gathered, 0);
	return crew->away == 0;
}

/* ---- an even load ---------------------------------------------------------------------------------- */

/* Of those that may go, the one that comes closest to half of the difference, and does not
 * turn it round. */
static struct wr_roamer *
who_goes(struct wr_loop *loop, uint64_t gap, uint64_t now_ns)
{
	struct wr_roamer *best = NULL;
	uint64_t best_off = UINT64_MAX;

	for (struct wr_ring *link = loop->tenants.next; link != &loop->tenants;
		link = link->next) {
		struct wr_roamer *roamer = of_tenant(link);
		uint64_t part = wr_turn_quarters(&roamer->task->turn);
		uint64_t off = part * 2 > gap ? part * 2 - gap : gap - part * 2;

		if ((roamer->moves & WEIR_MOVE_LOOPS) == 0 || part >= gap ||
			off >= best_off || roamer->task->turn.state == WR_TURN_AWAY ||
			wr_stat_get(&roamer->place) != loop->index ||
			now_ns - roamer->moved_ns < DWELL_NS)
			continue;
		best = roamer;
		best_off = off;
	}
	return best;
}

static uint32_t
least_loaded(struct wr_crew *crew)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i <= crew->plan.loops; i++)
		if (wr_stat_get(&loop_at(crew, i)->load) <
			wr_stat_get(&loop_at(crew, best)->load))
			best = i;
	return best;
}

/* Once a window: what it had to do, and whether that is more than its part. */
static void
look_at_load(struct wr_loop *loop, uint64_t now_ns)
{
	struct wr_crew *crew = loop->crew;
	uint64_t load = loop->load_sum / loop->load_turns;
	uint32_t least = least_loaded(crew);
	uint64_t other = wr_stat_get(&loop_at(crew, least)->load);
	uint64_t gap = load > other ? load - other : 0;
	struct wr_roamer *roamer;

	wr_stat_set(&loop->load, load);
	loop->window_ns = now_ns;
	loop->load_sum = loop->load_turns = 0;
	loop->uneven = (loop->uneven << 1 | (gap * UNEVEN > load)) & ((1u << LOOKS) - 1);
	if (least == loop->index || __builtin_popcount(loop->uneven) < LOOKS - 1)
		return;
	roamer = who_goes(loop, gap, now_ns);
	if (!roamer)
		return;
	roamer->moved_ns = now_ns;
	wr_stat_add(&loop_at(crew, least)->load, wr_turn_quarters(&roamer->task->turn));
	move_to(roamer, least);
}

void
wr_crew_turned(struct wr_loop *loop)
{
	uint64_t now_ns;

	if (loop->crew->plan.loops == 0 || is_lane(loop->crew, loop->index))
		return;
	now_ns = wr_clock_now(&loop->reactor->meter.clock);
	loop->load_sum += wr_select_round(&loop->reactor->queue.select);
	loop->load_turns++;
	if (now_ns - loop->window_ns >= WINDOW_NS)
		look_at_load(loop, now_ns);
}

void
wr_crew_rests(struct wr_loop *loop)
{
	wr_stat_set(&loop->load, 0);
	loop->load_sum = loop->load_turns = 0;
	loop->uneven = 0;
}

/* ---- the threads of the others ------------------------------------------------------------------------ */

/* Where something of it is refused the lane runs as the others do. */
static void
take_low_priority(const struct wr_crew *crew)
{
	if (crew->lane_group)
		(void)wr_rank_group(crew->lane_group);
	if (crew->plan.lane == WEIR_LANE_IDLE)
		(void)wr_rank_idle();
	else if (crew->plan.lane == WEIR_LANE_NICE)
		(void)wr_rank_nice(WR_LANE_NICE);
}

static struct wr_loop *
of_post(struct wr_post *post)
{
	return (struct wr_loop *)(void *)((uint8_t *)post -
		offsetof(struct wr_loop, post));
}

static void
worker_turn(struct wr_post *post)
{
	struct wr_loop *loop = of_post(post);
	int verdict = 0;
	int work = wr_reactor_poll(loop->reactor, &verdict);

	wr_crew_turned(loop);
	if (work > 0 || wr_reactor_linger(loop->reactor))
		return;
	wr_crew_rests(loop);
	let_go(loop, true);
	wr_reactor_park(loop->reactor, -1);
}

static bool
loop_over(struct wr_post *post)
{
	return wr_load_acquire(loop_stopped, &post->reactor->stopped) != 0 ||
		post->verdict != 0;
}

static void
worker_arrives(struct wr_post *post)
{
	struct wr_loop *loop = of_post(post);

	here = loop;
	for (struct wr_ring *link = loop->tenants.next; link != &loop->tenants;
		link = link->next)
		of_tenant(link)->arrives(of_tenant(link));
}

static void
home_turn(struct wr_post *post)
{
	const struct wr_crew_plan *plan = &of_post(post)->crew->plan;

	post->verdict = plan->turn(plan->ctx);
}

static void
home_arrives(struct wr_post *post)
{
	const struct wr_crew_plan *plan = &of_post(post)->crew->plan;

	here = NULL;
	plan->arrives(plan->ctx);
}

static void
loop_left(struct wr_post *post, struct wr_task *task, uint64_t now_ns)
{
	struct wr_loop *loop = of_post(post);
	struct wr_ring *link = loop->tenants.next;

	while (of_tenant(link)->task != task)
		link = link->next;
	wr_reactor_give_up(loop->reactor, task, now_ns, now_ns - post->suspect.since_ns,
		post->hard_ns);
	leave_hands(of_tenant(link));
}

static const struct wr_post_kind home_post = {
	home_turn, loop_over, loop_left, home_arrives};
static const struct wr_post_kind worker_post = {
	worker_turn, loop_over, loop_left, worker_arrives};

static void *
worker_main(void *arg)
{
	struct wr_worker *worker = arg;
	struct wr_loop *loop = &worker->loop;

	here = loop;
	wr_post_adopt(&loop->post);
	if (worker->lane)
		take_low_priority(loop->crew);
	else if (worker->core)
		(void)wr_core_bind(pthread_self(), worker->core - 1);
	while (!loop_over(&loop->post)) {
		worker_turn(&loop->post);
		(void)wr_post_turned(&loop->post);
	}
	wr_post_unwatch(&loop->post);
	return NULL;
}

static void
loop_init(struct wr_loop *loop, struct wr_crew *crew, struct wr_reactor *reactor,
	uint32_t index)
{
	pthread_condattr_t by_uptime;

	loop->crew = crew;
	loop->index = index;
	loop->reactor = reactor;
	wr_list_init(&loop->tenants);
	loop->arrived_end = &loop->arrived;
	pthread_mutex_init(&loop->lock, NULL);
	pthread_condattr_init(&by_uptime);
	pthread_condattr_setclock(&by_uptime, CLOCK_MONOTONIC);
	pthread_cond_init(&loop->came, &by_uptime);
	pthread_condattr_destroy(&by_uptime);
	wr_post_init(&loop->post, index == 0 ? &home_post : &worker_post, reactor);
	loop->post.hard_ns = crew->plan.hard_ns;
	loop->post.tick_ns = crew->plan.tick_ns;
	loop->post.lane = crew->plan.lane;
	if (!is_lane(crew, index) && crew->plan.hard_ns != WR_HARD_OFF)
		reactor->post = &loop->post;
	loop->desk.urgent = loop->desk.once = loop->desk.unseen = true;
	loop->desk.poll = index == 0 ? home_desk_poll : worker_desk_poll;
	(void)wr_reactor_add(reactor, &loop->desk, 0, NULL);
}

static void
loop_fini(struct wr_loop *loop)
{
	loop->reactor->post = NULL;
	wr_reactor_remove(loop->reactor, &loop->desk);
	pthread_cond_destroy(&loop->came);
	pthread_mutex_destroy(&loop->lock);
}

/* Its loop, and what wakes it. */
static int
worker_init(struct wr_worker *worker, struct wr_crew *crew, uint32_t index,
	struct weir_error *err)
{
	struct wr_reactor *home = crew->home.reactor;
	int fd = wr_bell_make();
	int rc;

	wr_bell_init(&worker->bell);
	wr_bell_set(&worker->bell, fd);
	rc = wr_reactor_init(&worker->reactor, &worker->flag, &worker->bell,
		worker->lane ? WEIR_IDLE_PARK : crew->plan.idle);
	if (rc == 0 && !home->poller.epoll)
		rc = wr_reactor_listen(&worker->reactor, WR_IO_POLL);
	if (rc < 0 || fd < 0 || wr_bell_watch(&worker->reactor.poller, fd) < 0)
		return wr_error_set(err, WEIR_E_ENV_FILES, errno,
			"no descriptor for loop %u of a bus", index);
	if (crew->plan.discipline)
		(void)wr_reactor_discipline(&worker->reactor, crew->plan.discipline);
	worker->reactor.where = worker->lane ? WR_IN_LANE : WR_AT_FURTHER;
	worker->reactor.changed = home->changed;
	worker->reactor.ctx = home->ctx;
	loop_init(&worker->loop, crew, &worker->reactor, index);
	worker->loop.post.core = worker->core;
	take_rules(worker, crew);
#if WEIR_TRACE
	/* Without memory for that it runs all the same. */
	if (crew->traced)
		(void)wr_trace_start(&worker->reactor.trace);
#endif
	if (home->hooks && wr_reactor_hook(&worker->reactor, home->hooks) < 0)
		return wr_error_set(err, WEIR_E_ENV_MEMORY, 0, "no memory for a loop");
	return 0;
}

static void
worker_fini(struct wr_worker *worker)
{
	if (worker->loop.reactor)
		loop_fini(&worker->loop);
	wr_reactor_fini(&worker->reactor);
	wr_bell_set(&worker->bell, -1);
	pthread_mutex_destroy(&worker->bell.lock);
	free(worker);
}

static int
worker_start(struct wr_worker *worker, struct weir_error *err)
{
	int rc = wr_thread_start(&worker->thread,
		worker->lane ? "weir-lane" : "weir-loop", worker_main, worker);

	worker->runs = rc == 0;
	return rc == 0 ? 0
		       : wr_error_set(err, WEIR_E_ENV_THREADS, rc,
				 "no thread for loop %u of a bus", worker->loop.index);
}

static struct wr_worker *
worker_new(struct wr_crew *crew, uint32_t index, struct weir_error *err)
{
	struct wr_worker *worker = wr_lines_alloc(sizeof(*worker));
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (!worker) {
		(void)wr_error_set(err, WEIR_E_ENV_MEMORY, 0, "no memory for a loop");
		return NULL;
	}
	worker->lane = is_lane(crew, index);
	if (crew->plan.core)
		worker->core = (crew->plan.core - 1 + index) % (uint32_t)cores + 1;
	if (worker_init(worker, crew, index, err) == 0)
		return worker;
	worker_fini(worker);
	return NULL;
}

static uint32_t
add_lane(struct wr_crew *crew)
{
	struct wr_worker *worker = worker_new(crew, crew->count, NULL);

	if (!worker)
		return 0;
	if (worker_start(worker, NULL) < 0) {
		worker_fini(worker);
		return 0;
	}
	crew->workers[crew->count] = worker;
	return crew->count++;
}

/* ---- beginning and end ---------------------------------------------------------------------------------- */

int
wr_crew_init(struct wr_crew *crew, struct wr_reactor *home,
	const struct wr_crew_plan *plan, struct weir_error *err)
{
	int rc;

	crew->plan = *plan;
	pthread_mutex_init(&crew->lock, NULL);
	loop_init(&crew->home, crew, home, 0);
	crew->home.post.core = plan->core;
	crew->rules_number = 1;
	crew->watched = home->rules != NULL;
	if (home->rules)
		crew->rules = *home->rules;
	for (crew->count = 1; crew->count <= plan->loops; crew->count++) {
		crew->workers[crew->count] = worker_new(crew, crew->count, err);
		if (!crew->workers[crew->count])
			break;
	}
	/* They look at each other, so all are there before the first one runs. */
	rc = crew->count <= plan->loops ? -err->code : 0;
	for (uint32_t i = 1; i < crew->count && rc == 0; i++)
		rc = worker_start(crew->workers[i], err);
	if (rc < 0)
		wr_crew_fini(crew);
	return rc;
}

void
wr_crew_fini(struct wr_crew *crew)
{
	wr_post_unwatch(&crew->home.post);
	for (uint32_t i = 1; i < crew->count; i++) {
		struct wr_worker *worker = crew->workers[i];

		wr_store_release(loop_stopped, &worker->reactor.stopped, 1);
		wr_bell_ring(&worker->bell);
	}
	for (uint32_t i = 1; i < crew->count; i++)
		if (crew->workers[i]->runs)
			(void)pthread_join(crew->workers[i]->thread, NULL);
	for (uint32_t i = 1; i < crew->count; i++)
		worker_fini(crew->workers[i]);
	crew->count = 0;
	free(crew->lane_group);
	crew->lane_group = NULL;
	loop_fini(&crew->home);
	pthread_mutex_destroy(&crew->lock);
}

static void *
try_group(void *dir)
{
	return (void *)(intptr_t)wr_rank_group(dir);
}

int
wr_crew_group(struct wr_crew *crew, const char *dir)
{
	char *own = strdup(dir);
	void *os = NULL;
	pthread_t thread;
	int rc = own ? wr_thread_start(&thread, "weir-rank", try_group, own) : ENOMEM;

	if (rc == 0) {
		(void)pthread_join(thread, &os);
		rc = (int)(intptr_t)os;
	}
	if (rc != 0) {
		free(own);
		return rc;
	}
	crew->lane_group = own;
	return 0;
}

void
wr_crew_watch_over(struct wr_crew *crew, const struct wr_tier_rules *rules)
{
	pthread_mutex_lock(&crew->lock);
	crew->rules_number++;
	crew->watched = rules != NULL;
	if (rules)
		crew->rules = *rules;
	pthread_mutex_unlock(&crew->lock);
	call_all(crew);
}

/* ---- what they write down ------------------------------------------------------------------------------- */

#if WEIR_TRACE
/* With the lock. */
static void
stop_traces(struct wr_crew *crew)
{
	crew->traced = false;
	for (uint32_t i = 0; i < crew->count; i++)
		wr_trace_stop(&loop_at(crew, i)->reactor->trace);
}

int
wr_crew_trace(struct wr_crew *crew, bool on)
{
	int rc = 0;

	pthread_mutex_lock(&crew->lock);
	crew->traced = on;
	for (uint32_t i = 0; on && rc == 0 && i < crew->count; i++)
		rc = wr_trace_start(&loop_at(crew, i)->reactor->trace);
	if (!on || rc < 0)
		stop_traces(crew);
	pthread_mutex_unlock(&crew->lock);
	return rc;
}

struct wr_trace *
wr_crew_trace_of(struct wr_crew *crew, uint32_t index)
{
	struct wr_trace *trace = NULL;

	pthread_mutex_lock(&crew->lock);
	if (index < crew->count)
		trace = &loop_at(crew, index)->reactor->trace;
	pthread_mutex_unlock(&crew->lock);
	return trace;
}
#endif
