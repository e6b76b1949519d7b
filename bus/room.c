/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/room.h"

#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>

#include "bus/error.h"
#include "bus/mutant.h"
#include "bus/writer.h"

enum {
	PAUSES = 200,           /* looks for room with a pause between, about 10 us */
	YIELDS = 4,             /* then with the core given away */
	PARK_NS = 100000000,    /* no wait sleeps longer without a look, */
	NAP_NS = 200000,        /* or than that where no bell can be heard */
	SAID_LATE_NS = 2000000, /* that a loop may be late to say what kept it */
	NOT_ASLEEP_NS =
		2000000 /* between two claims of who never waits: the most that counts */
};

void
wr_room_init(struct wr_room *room, uint64_t cap_ns)
{
	*room = (struct wr_room){.poller.fd = -1};
	wr_stall_init(&room->stall, cap_ns, wr_now_ns());
}

void
wr_room_fini(struct wr_writer *w)
{
	if (w->room.poller.fd < 0)
		return;
	if (w->ops.unwatch)
		w->ops.unwatch(w->ops.ctx, &w->room.poller);
	wr_poller_fini(&w->room.poller);
}

bool
wr_room_kept_by_claim(const struct wr_writer *w)
{
	uint64_t unsettled = wr_pool_unsettled(&w->pool)->ord;

	return unsettled < w->pool.head_ord &&
		(w->gate.blockers > 0 ? w->gate.blocked_up_to >= unsettled
				      : wr_pool_full(&w->pool));
}

/* A stream that cannot move, because readers were not told where to, has what is left of
 * its present region: when that is used up, those readers block. */
static void
mark_untold(struct wr_writer *w, uint64_t needed)
{
	wr_pool_reclaim(&w->pool, &w->gate, needed, w->gate.detached == 0);
	if (wr_pool_has_room(&w->pool))
		return;
	for (uint32_t i = 0; i < w->gate.count; i++) {
		struct wr_row *row = &w->gate.rows[i];

		if (!row->gate || row->local || row->told >= w->next->first_ord)
			continue;
		w->gate.blockers += !row->blocks;
		row->blocks = true;
	}
	/* Whoever lets a segment go makes room there. */
	w->gate.blocked_up_to = w->pool.head_ord;
}

uint64_t
wr_room_read(struct wr_writer *w)
{
	uint64_t needed =
		wr_gate_read(&w->gate, w->pool.head_ord, w->plan.geo.window_segs);

	if (w->untold)
		mark_untold(w, needed);
	return needed;
}

/* ---- who pays ---------------------------------------------------------------------------- */

static struct wr_excuse
excuse(void *ctx, struct wr_row *row)
{
	uint32_t tid = (uint32_t)wr_stat_get(&row->slot->tid);
	uint64_t said_ns = wr_stat_get(&row->slot->hindered_ns);
	uint64_t now_ns = wr_now_ns(), since_ns = now_ns - row->asked_ns;
	struct wr_excuse excuse = {
		.no_core_ns = wr_sched_waited(&row->probe, row->pid, tid, now_ns)};
	uint64_t rest_ns =
		since_ns > excuse.no_core_ns ? since_ns - excuse.no_core_ns : 0;

	(void)ctx;
	if (row->asked_ns != 0 && said_ns > row->said_ns)
		excuse.hindered_ns = said_ns - row->said_ns;
	/* No more than passed, and once: it may have had no core while it was with others. */
	if (excuse.hindered_ns > rest_ns)
		excuse.hindered_ns = rest_ns;
	row->said_ns += excuse.hindered_ns;
	/* A loop says it now and then, so a little may count at the next question. */
	if (said_ns > row->said_ns + SAID_LATE_NS || row->asked_ns == 0)
		row->said_ns = said_ns;
	row->asked_ns = now_ns;
	return excuse;
}

/* Tells how long it has waited since the last look. What is more than it meant to sleep, it
 * was not scheduled: that is nobody's time. */
static void
tell_time(struct wr_room *room, struct wr_stall_view *view)
{
	view->since_ns = room->last_ns ? view->now_ns - room->last_ns : 0;
	view->took_ns = view->since_ns < room->asked_ns ? view->since_ns : room->asked_ns;
	room->last_ns = view->now_ns;
}

void
wr_room_say_charge(struct wr_writer *w, const struct wr_row *row)
{
	uint64_t overspent = !row->gate && wr_account_overspent(&row->account);

	for (struct wr_zone *zone = w->pool.zone; zone; zone = zone->older) {
		struct wr_told *said = wr_stream_told(zone->store->hdr, row->seat);

		if (wr_stat_get(&said->charged_ns) != row->account.told_ns)
			wr_stat_set(&said->charged_ns, row->account.told_ns);
		if (wr_stat_get(&said->overspent) != overspent)
			wr_stat_set(&said->overspent, overspent);
	}
}

void
wr_room_say_charges(struct wr_writer *w)
{
	for (uint32_t i = 0; i < w->gate.count; i++)
		wr_room_say_charge(w, &w->gate.rows[i]);
}

static void
detach(struct wr_writer *w, struct wr_row *row, enum wr_blame blame, uint64_t now)
{
	wr_gate_detach(&w->gate, row);
	wr_account_detached(&row->account, blame, now);
	w->room.detaches++;
	if (w->ops.verdict)
		w->ops.verdict(w->ops.ctx, w, row);
}

/* One look, with the cursors read afresh: charges, and detaches whom it must. */
static void
look(struct wr_writer *w)
{
	struct wr_stall_view view = {
		.now_ns = wr_now_ns(),
		.published = w->published,
		.excuse = excuse,
	};

	tell_time(&w->room, &view);
	pthread_mutex_lock(&w->lock);
	view.head = w->pool.head_ord;
	(void)wr_room_read(w);
	wr_gate_read_progress(&w->gate);
	if (wr_stall_look(&w->room.stall, &w->gate, &view) > 0)
		for (uint32_t i = 0; i < w->gate.count; i++)
			if (w->gate.rows[i].blame != WR_BLAME_NONE)
				detach(w, &w->gate.rows[i], w->gate.rows[i].blame,
					view.now_ns);
	wr_room_say_charges(w);
	w->room.asked_ns = wr_stall_pause_ns(&w->room.stall, &w->gate);
	pthread_mutex_unlock(&w->lock);
}

void
wr_room_over(struct wr_writer *w)
{
	if (w->room.last_ns == 0)
		return;
	w->room.last_ns = 0;
	wr_stall_over(&w->room.stall, &w->gate);
}

/* ---- out and back at a rollover ------------------------------------------------------------ */

bool
wr_room_is_near(const struct wr_writer *w, const struct wr_row *row)
{
	uint64_t quota = row->quota ? row->quota : w->plan.geo.window_segs;

	return row->seen >= w->pool.oldest && row->seen <= w->pool.head_ord &&
		(w->pool.head_ord - row->seen) * 4 <= quota;
}

static bool
takes_back(struct wr_writer *w, struct wr_row *row, uint64_t now)
{
	uint64_t lost = wr_stat_get(&row->slot->lost[WR_LOST_BEHIND]);

	return row->policy != WEIR_LATEST && !row->gone &&
		wr_account_may_return(&row->account, &w->room.stall,
			wr_room_is_near(w, row), lost, now) &&
		wr_gate_attach(&w->gate, row, w->pool.oldest, w->pool.head_ord);
}

uint64_t
wr_room_admit(struct wr_writer *w, uint64_t needed)
{
	uint64_t now = 0;
	bool changed = false;

	for (uint32_t i = 0; i < w->gate.count; i++) {
		struct wr_row *row = &w->gate.rows[i];
		bool never = row->blocks && row->account.budget_ns == 0;

		if (row->evicted || (row->gate && !never))
			continue;
		now = now ? now : wr_now_ns();
		if (never) {
			detach(w, row, WR_BLAME_BUDGET, now);
			changed = true;
		} else if (takes_back(w, row, now)) {
			w->room.returns++;
			wr_room_say_charge(w, row);
			if (w->ops.verdict)
				w->ops.verdict(w->ops.ctx, w, row);
			changed = true;
		}
	}
	return changed ? wr_room_read(w) : needed;
}

/* ---- sleeping ---------------------------------------------------------------------------------- */

/* True if a claim would now find another segment, or another reason why not. */
static bool
room_there(struct wr_writer *w)
{
	bool there;

	pthread_mutex_lock(&w->lock);
	(void)wr_room_read(w);
	there = w->gate.blockers == 0 || wr_room_kept_by_claim(w);
	pthread_mutex_unlock(&w->lock);
	return there;
}

/* Says in every region that readers may still stand in that we wait (odd) or do not, and
 * who is to ring: those that leave a segment up to there. */
static void
say(struct wr_writer *w, uint64_t up_to)
{
	for (struct wr_zone *zone = w->pool.zone; zone; zone = zone->older) {
		wr_store_relaxed(room_up_to, &zone->store->hdr->room_up_to, up_to);
		wr_store_release(
			room_raise, &zone->store->hdr->room_wanted, w->room.epoch);
	}
}

/* Only by epoll: poll(2) would take the tokens of the loop, which hears the same bells. */
static bool
hears(struct wr_writer *w)
{
	struct wr_poller *poller = &w->room.poller;

	if (poller->fd < 0 && wr_poller_init(poller, WR_IO_EPOLL) == 0 &&
		w->ops.watch && w->ops.watch(w->ops.ctx, poller) < 0)
		wr_poller_fini(poller);
	return poller->fd >= 0;
}

static void
rest(struct wr_writer *w, bool hears, uint64_t ns)
{
	struct pollfd rung = {.fd = w->room.poller.fd, .events = POLLIN};
	struct timespec most = {.tv_nsec = (long)ns};
	void *nobody;

	if (WR_MUTANT(ADMIT_WAITLOCKED)) {
		pthread_mutex_lock(&w->lock);
		(void)wr_poller_wait(&w->room.poller, &nobody, 1, -1);
		pthread_mutex_unlock(&w->lock);
	} else if (hears) {
		/* epoll_wait knows milliseconds only. */
		if (ppoll(&rung, 1, &most, NULL) > 0)
			(void)wr_poller_wait(&w->room.poller, &nobody, 1, 0);
	} else {
		most.tv_nsec = ns < NAP_NS ? (long)ns : NAP_NS;
		nanosleep(&most, NULL);
	}
}

/*
 * Asks to be rung, and looks whether that came too late. Who blocks may have moved on and
 * block still: then it must be told to ring where it stands now.
 */
static bool
room_came(struct wr_writer *w)
{
	uint64_t said;
	bool there;

	w->room.epoch++;
	do {
		said = w->gate.blocked_up_to;
		say(w, said);
		/* Dekker with enter_fence and hold_fence: either the reader sees that we
		 * wait, or we see where it stands now. */
		if (!WR_MUTANT(ROOM_NOPFENCE))
			wr_fence_sc(room_fence);
		WR_POINT(room_recheck);
		there = !WR_MUTANT(ROOM_CHECKFIRST) && room_there(w);
	} while (!there && w->gate.blocked_up_to > said);
	return there;
}

/* Sleeps until a reader rings, the steward nudges, or ns have passed. */
static void
park(struct wr_writer *w, uint64_t ns)
{
	bool rung = hears(w);

	if (WR_MUTANT(ROOM_CHECKFIRST) && room_there(w))
		return;
	if (!room_came(w))
		rest(w, rung, ns);
	WR_POINT(room_lower);
	w->room.epoch++;
	say(w, 0);
}

static void
name_blockers(struct wr_writer *w, struct weir_error *err)
{
	char names[160] = "";
	size_t used = 0;
	unsigned blockers = 0;

	pthread_mutex_lock(&w->lock);
	for (uint32_t i = 0; i < w->gate.count; i++) {
		const struct wr_row *row = &w->gate.rows[i];

		if (!row->blocks)
			continue;
		if (blockers++ < 4)
			used += (size_t)snprintf(names + used, sizeof(names) - used,
				"%s%.30s[%u]", used ? ", " : "", row->name, row->pid);
		if (used >= sizeof(names))
			used = sizeof(names) - 1;
	}
	pthread_mutex_unlock(&w->lock);
	wr_error_set(err, WEIR_E_AGAIN_FULL, 0,
		"no room on '%s': %u of %u subscribers block: %s", w->topic, blockers,
		w->gate.count, names[0] ? names : "none by now");
}

/* Looks for room for a moment, with a pause between. */
static bool
spin(struct wr_writer *w)
{
	for (int i = 0; i < PAUSES; i++) {
		wr_pause();
		if (room_there(w))
			return true;
	}
	return false;
}

/* Then with the core given away, which may last: on a busy machine longer than a reader
 * takes for a segment. So it is between two looks, as any other waiting. */
static bool
give_way(struct wr_writer *w)
{
	bool there = false;

	for (int i = 0; i < YIELDS && !there; i++) {
		sched_yield();
		there = room_there(w);
	}
	look(w);
	return there || room_there(w);
}

static uint64_t
ns_until(const struct wr_writer *w, uint64_t now, uint64_t deadline_ns)
{
	uint64_t left_ns = deadline_ns - now;
	uint64_t ns = left_ns < w->room.asked_ns ? left_ns : w->room.asked_ns;

	return ns < PARK_NS ? ns : PARK_NS;
}

int
wr_room_wait(struct wr_writer *w, uint64_t deadline_ns, struct weir_error *err)
{
	uint64_t began = wr_now_ns();
	uint64_t now;
	bool there;

	w->room.waits++;
	there = deadline_ns ? spin(w) : false;
	if (!there) {
		look(w);
		there = room_there(w) || (deadline_ns && give_way(w));
	}
	while (!there && (now = wr_now_ns()) < deadline_ns) {
		park(w, ns_until(w, now, deadline_ns));
		if (w->ops.meanwhile)
			w->ops.meanwhile(w->ops.ctx);
		wr_writer_tell_again(w);
		look(w);
		there = room_there(w);
	}
	/* Who never waits tries again instead: its waiting goes on. For others it is over. */
	if (!deadline_ns)
		w->room.asked_ns = NOT_ASLEEP_NS;
	else if (!there)
		w->room.last_ns = 0;
	w->room.wait_ns += wr_now_ns() - began;
	if (there)
		return 0;
	name_blockers(w, err);
	return -WEIR_E_AGAIN_FULL;
}
