/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/relief.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <weir/loop.h>

#include "bus/handle.h"
#include "bus/mutant.h"
#include "bus/os/core.h"
#include "bus/os/rank.h"
#include "bus/os/thread.h"

struct spare {
	struct spare *next;
	struct wr_post *post; /* that it is to take over; NULL: it waits for one */
	struct wr_lease *lease;
	pthread_cond_t called;
	bool ends;  /* it is to wait no longer */
	bool bound; /* to a core: it is of no use to another post */
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a post has come, or was granted to somebody */
	pthread_cond_t woken;   /* for the sentinel */
	struct wr_post *posts;
	struct spare *idle; /* threads that wait for a post */
	uint32_t idle_count, spares, stuck;
	uint32_t coming; /* of the spares: they have not yet begun to wait */
	bool runs;       /* there is a sentinel */
	bool rises;      /* who is ranked lower can be given back what it had */
	wr_a64 parked;   /* the sentinel sleeps until somebody wakes it */
} relief = {.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
	.woken = PTHREAD_COND_INITIALIZER};

/* ---- forks --------------------------------------------------------------------------------- */

static void
before_fork(void)
{
	pthread_mutex_lock(&relief.lock);
}

static void
after_fork(void)
{
	pthread_mutex_unlock(&relief.lock);
}

/* None of the threads is there, and no bus of the parent's can be used. */
static void
in_child(void)
{
	pthread_mutex_init(&relief.lock, NULL);
	pthread_cond_init(&relief.changed, NULL);
	pthread_cond_init(&relief.woken, NULL);
	relief.posts = NULL;
	relief.idle = NULL;
	relief.idle_count = relief.spares = relief.stuck = relief.coming = 0;
	relief.runs = false;
	wr_stat_set(&relief.parked, 0);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
begin(void)
{
	relief.rises = wr_thread_can_rise();
	pthread_atfork(before_fork, after_fork, in_child);
}

/* ---- from thread to thread ----------------------------------------------------------------- */

/* The post is that lease's thread's; what was seen was of another one. With the lock. */
static void
give(struct wr_post *post, struct wr_lease *lease)
{
	post->lease = lease;
	if (!WR_MUTANT(RELIEF_OLDSUSPECT))
		post->suspect = (struct wr_suspect){.looked_ns = post->suspect.looked_ns};
}

/* It is the first claimant's. With the lock. */
static void
grant(struct wr_post *post)
{
	struct wr_claimant *first = post->claimants;

	post->claimants = first->next;
	wr_store_relaxed(relief_count, &post->wanted, wr_stat_get(&post->wanted) - 1);
	give(post, first->lease);
	first->granted = true;
	pthread_cond_broadcast(&relief.changed);
}

/* With the lock. */
static void
claim(struct wr_post *post, struct wr_claimant *claimant)
{
	struct wr_claimant **end = &post->claimants;

	while (*end)
		end = &(*end)->next;
	*end = claimant;
	wr_store_relaxed(relief_count, &post->wanted, wr_stat_get(&post->wanted) + 1);
	pthread_cond_broadcast(&relief.changed);
}

static void
wait_for_grant(const struct wr_claimant *claimant)
{
	while (!claimant->granted)
		pthread_cond_wait(&relief.changed, &relief.lock);
}

/* As whose thread it is by now. */
static void
arrive(struct wr_post *post)
{
	wr_self_number = post->self;
	post->kind->arrives(post);
}

/* A verdict of a turn is for who has called the loop: its own thread. */
static int
take_verdict(struct wr_post *post)
{
	int verdict = post->verdict;

	post->verdict = 0;
	return verdict;
}

void
wr_post_await_left(void)
{
	if (WR_MUTANT(RELIEF_NOTLEFT))
		return;
	/* From taking it to giving it to somebody the sentinel has the lock. */
	pthread_mutex_lock(&relief.lock);
	pthread_mutex_unlock(&relief.lock);
}

int
wr_post_regain(struct wr_post *post, struct wr_lease *lease)
{
	struct wr_claimant claimant = {.lease = lease};

	pthread_mutex_lock(&relief.lock);
	relief.stuck--;
	wr_stat_set(&post->stats.stuck, wr_stat_get(&post->stats.stuck) - 1);
	wr_thread_raise(&lease->thread);
	claim(post, &claimant);
	wr_reactor_wake(post->reactor);
	if (!WR_MUTANT(RELIEF_NORING))
		(void)wr_bell_ring(post->reactor->bell);
	if (!WR_MUTANT(RELIEF_BARGE))
		wait_for_grant(&claimant);
	post->abroad--;
	pthread_cond_broadcast(&relief.changed);
	pthread_mutex_unlock(&relief.lock);
	arrive(post);
	if (lease == &post->own)
		return take_verdict(post);
	return WR_MUTANT(RELIEF_NOVERDICT) ? 0 : post->verdict;
}

/* What a turn of somebody else leaves in it is not ours. */
int
wr_post_serve(struct wr_post *post)
{
	struct wr_reactor *r = post->reactor;
	struct wr_budget budget = r->allowance.budget;
	struct wr_claimant claimant = {.lease = &post->own};
	bool hooked = r->hooked;

	pthread_mutex_lock(&relief.lock);
	if (post->claimants) {
		claim(post, &claimant);
		grant(post);
		wait_for_grant(&claimant);
	}
	pthread_mutex_unlock(&relief.lock);
	arrive(post);
	r->allowance.budget = budget;
	r->hooked = hooked;
	return take_verdict(post);
}

/* The last time, and the longest. */
static void
note_time(wr_a64 *last_ns, wr_a64 *most_ns, uint64_t ns)
{
	wr_stat_set(last_ns, ns);
	if (ns > wr_stat_get(most_ns))
		wr_stat_set(most_ns, ns);
}

/* ---- spares --------------------------------------------------------------------------------- */

/* Turns it until somebody else is to have it. */
static void
stand_in(struct wr_post *post)
{
	while (!post->kind->over(post) &&
		(wr_stat_get(&post->wanted) == 0 || WR_MUTANT(RELIEF_STAYS)))
		post->kind->turn(post);
	pthread_mutex_lock(&relief.lock);
	while (!post->claimants)
		pthread_cond_wait(&relief.changed, &relief.lock);
	grant(post);
	pthread_mutex_unlock(&relief.lock);
}

static void
take_over(struct spare *spare)
{
	struct wr_post *post = spare->post;
	uint64_t self = wr_self();

	note_time(&post->stats.passed_ns, &post->stats.passed_most_ns,
		wr_now_ns() - post->decided_ns);
	if (post->core)
		spare->bound = wr_core_bind(pthread_self(), post->core - 1) == 0;
	arrive(post);
	stand_in(post);
	wr_self_number = self;
}

/* With the lock. False: more of them wait than are wanted. */
static bool
stay(struct spare *spare)
{
	if (relief.idle_count >= WR_SPARES || !relief.posts || spare->bound)
		return false;
	spare->post = NULL;
	spare->next = relief.idle;
	relief.idle = spare;
	relief.idle_count++;
	while (!spare->post && !spare->ends)
		pthread_cond_wait(&spare->called, &relief.lock);
	return spare->post != NULL;
}

static void *
spare_main(void *arg)
{
	struct spare *spare = arg;

	spare->lease = wr_lines_alloc(sizeof(*spare->lease));
	pthread_mutex_lock(&relief.lock);
	relief.coming--;
	if (spare->lease)
		wr_lease_init(spare->lease, false);
	while (spare->lease && stay(spare)) {
		pthread_mutex_unlock(&relief.lock);
		take_over(spare);
		pthread_mutex_lock(&relief.lock);
	}
	relief.spares--;
	pthread_cond_broadcast(&relief.changed);
	pthread_mutex_unlock(&relief.lock);
	pthread_cond_destroy(&spare->called);
	free(spare->lease);
	free(spare);
	return NULL;
}

/* One more, that will wait for a post; where there is no thread there is none. With the lock. */
static bool
add_spare(void)
{
	struct spare *spare = calloc(1, sizeof(*spare));
	pthread_t thread;

	if (!spare)
		return false;
	pthread_cond_init(&spare->called, NULL);
	if (wr_thread_start(&thread, "weir-spare", spare_main, spare) != 0) {
		pthread_cond_destroy(&spare->called);
		free(spare);
		relief.coming += WR_MUTANT(RELIEF_SPAREONCE);
		return false;
	}
	(void)pthread_detach(thread);
	relief.spares++;
	relief.coming++;
	return true;
}

/* ---- the sentinel ----------------------------------------------------------------------------- */

/* Who spins has used what it was granted, and gets what is left: with a nice value its slices
 * would make others late whenever the cores are busy. */
static void
lower(struct wr_post *post, struct wr_lease *lease, bool spins)
{
	if (post->lane != WEIR_LANE_SAME && relief.rises)
		(void)wr_thread_lower(&lease->thread,
			spins || post->lane == WEIR_LANE_IDLE, WR_LANE_NICE);
}

/* To who waits for it anyway, or to a spare. With the lock. */
static void
pass_on(struct wr_post *post)
{
	struct spare *spare = relief.idle;

	if (post->claimants) {
		grant(post);
		return;
	}
	relief.idle = spare->next;
	relief.idle_count--;
	give(post, spare->lease);
	spare->post = post;
	pthread_cond_signal(&spare->called);
}

static void
take_away(struct wr_post *post, uint64_t now_ns)
{
	struct wr_lease *lease = post->lease;
	struct wr_relief_stats *stats = &post->stats;
	uint64_t decided_ns;
	bool spins = post->suspect.found != WR_FOUND_WAITING;

	if ((!post->claimants && !relief.idle && !WR_MUTANT(RELIEF_HALFWAY)) ||
		relief.stuck >= WEIR_STUCK_MAX) {
		wr_stat_add(&stats->saturated, 1);
		return;
	}
	if (!spins && !WR_MUTANT(RELIEF_SLEEPSON) &&
		!wr_thread_waits_there(&lease->thread)) {
		post->suspect.times = 0;
		return;
	}
	decided_ns = wr_now_ns();
	if (!wr_lease_take(lease, post->suspect.word))
		return;
	post->decided_ns = decided_ns;
	post->abroad++;
	relief.stuck++;
	wr_stat_add(&stats->handoffs, 1);
	wr_stat_add(&stats->stuck, 1);
	note_time(&stats->found_ns, &stats->found_most_ns,
		now_ns - post->suspect.since_ns);
	/* Who spins is lowered first: else it may keep its core for the rest of its slice. */
	if (spins)
		lower(post, lease, true);
	post->kind->left(post, lease->task, now_ns);
	pass_on(post);
	if (!spins)
		lower(post, lease, false);
}

/* Returns how soon it should be looked at again, if it is suspect; else UINT64_MAX. With the
 * lock. The clock is read behind what it is about: so no poll is taken for an older one. */
static uint64_t
look_at(struct wr_post *post, uint64_t tick_ns)
{
	struct wr_lease *lease = post->lease;
	uint64_t word = wr_lease_seen(lease);
	uint64_t now_ns = wr_now_ns();
	struct wr_evidence evidence;
	enum wr_finding found;

	if (!wr_suspect_look(&post->suspect, word,
		    (word & WR_LEASE_MASK) == WR_LEASE_HANDLER, now_ns, tick_ns)) {
		if (post->suspect.word != 0)
			wr_suspect_begins(
				&post->suspect, wr_thread_ran_ns(&lease->thread));
		return UINT64_MAX;
	}
	evidence.ran_ns = wr_thread_ran_ns(&lease->thread);
	evidence.waits = wr_thread_waits(&lease->thread);
	/* It waits for each core on which a thread of this process runs: one that a hypervisor
	 * has taken makes this look long. */
	if (!WR_MUTANT(RELIEF_NOASK))
		wr_fence_heavy_call();
	evidence.taken_ns = wr_now_ns();
	found = wr_suspect_judge(&post->suspect, &evidence, now_ns, post->hard_ns);
	if (found == WR_FOUND_LONG)
		wr_lease_hint(lease, word);
	else if (found == WR_FOUND_NO_CORE)
		wr_stat_add(&post->stats.excused, 1);
	else if (found != WR_FOUND_NOTHING)
		take_away(post, now_ns);
	return wr_suspect_wait_ns(&post->suspect, now_ns, post->hard_ns);
}

static bool
all_sleep(void)
{
	for (struct wr_post *post = relief.posts; post; post = post->next)
		if ((wr_lease_seen(post->lease) & WR_LEASE_MASK) != WR_LEASE_ASLEEP)
			return false;
	return true;
}

/* Until a loop wakes. With the lock, which is let go of meanwhile. */
static void
park(void)
{
	wr_store_relaxed(relief_park, &relief.parked, 1);
	/* Dekker with relief_fence: we see that a loop has woken, or it sees that we sleep. */
	wr_fence_sc(relief_parks);
	while (wr_stat_get(&relief.parked) != 0 && relief.posts && all_sleep())
		pthread_cond_wait(&relief.woken, &relief.lock);
	wr_store_relaxed(relief_park, &relief.parked, 0);
}

/* Between two looks while nobody is suspect. */
static uint64_t
shortest_tick(void)
{
	uint64_t tick_ns = UINT64_MAX;

	for (struct wr_post *post = relief.posts; post; post = post->next)
		if (post->tick_ns < tick_ns)
			tick_ns = post->tick_ns;
	return tick_ns;
}

/* As many spares as should wait: not at once when one is called, which would keep its post
 * waiting, and again at each look as long as a thread is refused. */
static void
make_up_spares(void)
{
	while (relief.idle_count + relief.coming < WR_SPARES && add_spare())
		;
}

/* Returns how long it is until the next look. */
static uint64_t
look_at_all(uint64_t tick_ns)
{
	uint64_t next_ns = shortest_tick();

	make_up_spares();
	for (struct wr_post *post = relief.posts; post; post = post->next) {
		uint64_t wait_ns = look_at(post, tick_ns);

		if (wait_ns < next_ns)
			next_ns = wait_ns;
	}
	return next_ns;
}

static void *
sentinel_main(void *arg)
{
	uint64_t tick_ns = 0;

	(void)arg;
	(void)wr_rank_slack(1);
	pthread_mutex_lock(&relief.lock);
	while (relief.posts) {
		struct timespec rest;

		tick_ns = look_at_all(tick_ns);
		if (all_sleep()) {
			park();
			continue;
		}
		pthread_mutex_unlock(&relief.lock);
		rest = (struct timespec){.tv_nsec = (long)tick_ns};
		nanosleep(&rest, NULL);
		pthread_mutex_lock(&relief.lock);
	}
	relief.runs = false;
	pthread_cond_broadcast(&relief.changed);
	pthread_mutex_unlock(&relief.lock);
	return NULL;
}

void
wr_post_sleeps(struct wr_post *post)
{
	wr_lease_sleeps(post->lease, true);
}

void
wr_post_wakes(struct wr_post *post)
{
	wr_lease_sleeps(post->lease, false);
	wr_fence_sc(relief_fence);
	if (__builtin_expect(wr_load_relaxed(relief_parked, &relief.parked) == 0, 1))
		return;
	pthread_mutex_lock(&relief.lock);
	wr_stat_set(&relief.parked, 0);
	pthread_cond_signal(&relief.woken);
	pthread_mutex_unlock(&relief.lock);
}

/* ---- posts come and go ------------------------------------------------------------------------- */

void
wr_post_init(struct wr_post *post, const struct wr_post_kind *kind,
	struct wr_reactor *reactor)
{
	post->kind = kind;
	post->reactor = reactor;
	post->self = wr_self();
	post->lease = &post->own;
	wr_lease_init(&post->own, false);
}

void
wr_post_adopt(struct wr_post *post)
{
	pthread_mutex_lock(&relief.lock);
	post->self = wr_self();
	wr_thread_look_init(&post->own.thread);
	pthread_mutex_unlock(&relief.lock);
}

/* The threads that there have to be while there is a post. With the lock. */
static int
start_threads(void)
{
	pthread_t thread;

	while (relief.spares < WR_SPARES)
		if (!add_spare())
			return -WEIR_E_ENV_THREADS;
	if (relief.runs)
		return 0;
	if (wr_thread_start(&thread, "weir-sentinel", sentinel_main, NULL) != 0)
		return -WEIR_E_ENV_THREADS;
	(void)pthread_detach(thread);
	relief.runs = true;
	return 0;
}

/* With the lock. */
static void
unlink_post(const struct wr_post *post)
{
	struct wr_post **at = &relief.posts;

	while (*at && *at != post)
		at = &(*at)->next;
	if (*at)
		*at = post->next;
}

/* The last one: all threads end. With the lock. */
static void
end_threads(void)
{
	struct spare *spare;

	for (spare = relief.idle; spare; spare = spare->next) {
		spare->ends = true;
		pthread_cond_signal(&spare->called);
	}
	relief.idle = NULL;
	relief.idle_count = 0;
	wr_stat_set(&relief.parked, 0);
	pthread_cond_signal(&relief.woken);
	while (!relief.posts && (relief.runs || relief.spares > 0))
		pthread_cond_wait(&relief.changed, &relief.lock);
}

int
wr_post_watch(struct wr_post *post)
{
	int rc;

	if (post->watched || post->hard_ns == WR_HARD_OFF)
		return 0;
	pthread_once(&once, begin);
	pthread_mutex_lock(&relief.lock);
	post->next = relief.posts;
	relief.posts = post;
	rc = start_threads();
	post->watched = rc == 0;
	if (rc < 0)
		unlink_post(post);
	wr_stat_set(&relief.parked, 0);
	pthread_cond_signal(&relief.woken);
	if (!WR_MUTANT(RELIEF_NOTTOLD))
		pthread_cond_broadcast(&relief.changed);
	pthread_mutex_unlock(&relief.lock);
	return rc;
}

void
wr_post_unwatch(struct wr_post *post)
{
	pthread_mutex_lock(&relief.lock);
	while (post->watched && post->abroad > 0) {
		if (!post->claimants) {
			pthread_cond_wait(&relief.changed, &relief.lock);
			continue;
		}
		pthread_mutex_unlock(&relief.lock);
		(void)wr_post_serve(post);
		pthread_mutex_lock(&relief.lock);
	}
	if (post->watched)
		unlink_post(post);
	post->watched = false;
	if (!relief.posts)
		end_threads();
	pthread_mutex_unlock(&relief.lock);
}
