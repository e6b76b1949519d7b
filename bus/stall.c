/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/stall.h"

#include "bus/gate.h"

enum {
	SLOWER = 4, /* times, than the best: it does not count among the others */
	BEHIND_ENOUGH = 20000000, /* ns behind, or its speed says nothing */
	FIRST_BEST = 20000000,    /* ns of waiting, and the best is known, if roughly */
	BEHIND_LITTLE = 1000000,  /* ns behind, or it says nothing about the best */
	PAUSE_FIRST = 100000,    /* ns between two looks when somebody begins to pay, */
	PAUSE_CHARGED = 1000000, /* later, */
	PAUSE_FREE = 10000000    /* and while nobody does */
};

#define BEST_KEPT 0.9 /* of the best speed, from one comparison to the next */
#define FIRST_BURST \
	0.0625 /* of the first pace, which no reader keeps; until the best is known */
#define DWELL_FIRST_NS 250000000ull
#define DWELL_MOST_NS  60000000000ull
#define RELAPSE_NS     600000000000ull

/* ---- the last 100 ms ---------------------------------------------------------------------- */

void
wr_slide_add(struct wr_slide *slide, uint64_t now_ns, uint64_t ns)
{
	uint64_t tenth = now_ns / WR_STALL_TENTH_NS;

	if (tenth > slide->newest + WR_STALL_TENTHS)
		slide->newest = tenth - WR_STALL_TENTHS - 1;
	while (slide->newest < tenth)
		slide->ns[++slide->newest % (WR_STALL_TENTHS + 1)] = 0;
	slide->ns[slide->newest % (WR_STALL_TENTHS + 1)] += (uint32_t)ns;
}

uint64_t
wr_slide_forgive(struct wr_slide *slide, uint64_t ns)
{
	uint64_t left = ns;

	for (uint64_t age = 0; age <= WR_STALL_TENTHS && age <= slide->newest; age++) {
		uint32_t *there =
			&slide->ns[(slide->newest - age) % (WR_STALL_TENTHS + 1)];
		uint32_t back = left < *there ? (uint32_t)left : *there;

		*there -= back;
		left -= back;
	}
	return ns - left;
}

uint64_t
wr_slide_sum(const struct wr_slide *slide, uint64_t now_ns)
{
	uint64_t tenth = now_ns / WR_STALL_TENTH_NS;
	uint64_t sum = 0;

	for (uint64_t age = 0; age <= WR_STALL_TENTHS && age <= slide->newest; age++)
		if (slide->newest - age + WR_STALL_TENTHS >= tenth)
			sum += slide->ns[(slide->newest - age) % (WR_STALL_TENTHS + 1)];
	return sum;
}

/* ---- who pays -------------------------------------------------------------------------------- */

/* True while the rule of the fast path holds: all who do not block, and are not known to be
 * slow, stand at the head, and there is at least one of them. */
static bool
others_wait(const struct wr_gate *gate, uint64_t head)
{
	bool any = false;

	for (uint32_t i = 0; i < gate->count; i++) {
		const struct wr_row *row = &gate->rows[i];

		if (!row->gate || row->blocks || row->account.slow)
			continue;
		if (row->seen < head)
			return false;
		any = true;
	}
	return any;
}

static bool
is_charged(const struct wr_row *row)
{
	return row->gate && row->account.budget_ns != WR_STALL_FOREVER;
}

/* Messages a second, of a reader while it was behind. */
static double
speed(const struct wr_account *account)
{
	return (double)(account->progress - account->behind_from) * 1e9 /
		(double)account->behind_ns;
}

/* It works its way through what there is, and not much slower than the publisher put it
 * there. */
static bool
keeps_pace(const struct wr_account *account, const struct wr_stall *stall)
{
	return account->behind_ns > 0 && account->progress > account->behind_from &&
		speed(account) * 2 >= stall->best;
}

/* One row: what it did since the last look. Returns what it is charged for that time. */
static uint64_t
look_at(struct wr_row *row, const struct wr_stall *stall,
	const struct wr_stall_view *view, bool pays)
{
	struct wr_account *account = &row->account;
	bool blocked = account->blocked;
	bool moved = row->seen != account->place || row->progress != account->progress;

	/* While the publisher waits nothing is added: who stood at the head and does not move
	 * has nothing to do. */
	if (moved || account->place < view->head)
		account->busy_ns += view->since_ns;
	/* What it did before the comparison began says nothing about now; nor does what it
	 * passed between two waits, or on its way to the head. */
	if (account->behind_ns == 0)
		account->behind_from = account->progress;
	if (view->since_ns > 0 && row->seen < view->head)
		account->behind_ns += view->since_ns;
	else
		account->behind_from += row->progress - account->progress;
	account->place = row->seen;
	account->progress = row->progress;
	account->blocked = row->blocks;
	if (moved)
		account->still_ns = account->idle_ns = 0;
	else if (blocked)
		account->still_ns += view->took_ns;
	if (!moved && row->seen < view->head)
		account->idle_ns += view->took_ns;
	/* It blocked when the time began: what made it end, if anything, was its moving on. */
	if (!blocked || !pays || !is_charged(row) || keeps_pace(account, stall))
		return 0;
	account->spent_ns += view->took_ns;
	wr_slide_add(&account->spent, view->now_ns, view->took_ns);
	return view->took_ns;
}

/* ---- verdicts ------------------------------------------------------------------------------------ */

/* With a budget and a patience that are `part` of what they are, if so much is added. */
static enum wr_blame
blame_of(const struct wr_stall *stall, const struct wr_gate *gate,
	const struct wr_row *row, uint64_t now_ns, unsigned part, uint64_t more_ns)
{
	const struct wr_account *account = &row->account;
	uint64_t spent = (wr_slide_sum(&account->spent, now_ns) + more_ns) * part;
	uint64_t share = stall->cap_ns / 2 / (gate->count - gate->detached);

	if (account->still_ns * part > WR_STALL_STOPPED_NS)
		return WR_BLAME_STOPPED;
	if (spent > account->budget_ns)
		return WR_BLAME_BUDGET;
	if (wr_slide_sum(&stall->spent, now_ns) * part > stall->cap_ns && spent > share)
		return WR_BLAME_CAP;
	return WR_BLAME_NONE;
}

/* So much of what it was charged was not due. */
static void
take_back(struct wr_stall *stall, struct wr_account *account, uint64_t ns)
{
	ns = wr_slide_forgive(&account->spent, ns);
	account->spent_ns -= ns;
	stall->spent_ns -= wr_slide_forgive(&stall->spent, ns);
}

/* Of what others kept it from, what it is excused for: what it was charged, and up to one
 * budget of the last 100 ms. */
static uint64_t
excused_for_others(struct wr_account *account, uint64_t ns, uint64_t now_ns)
{
	uint64_t had_ns = wr_slide_sum(&account->shared, now_ns);
	uint64_t left_ns = account->budget_ns > had_ns ? account->budget_ns - had_ns : 0;
	uint64_t spent_ns = wr_slide_sum(&account->spent, now_ns);

	left_ns = left_ns < spent_ns ? left_ns : spent_ns;
	ns = ns < left_ns ? ns : left_ns;
	wr_slide_add(&account->shared, now_ns, ns);
	return ns;
}

/*
 * Asks what the reader could not help, and takes it back from all its accounts, and from the
 * stream's what it was charged of that. Each question is about the time since the last one, so
 * what is answered must count wherever it matters.
 */
static void
forgive(struct wr_stall *stall, struct wr_row *row, const struct wr_stall_view *view)
{
	struct wr_account *account = &row->account;
	struct wr_excuse excuse;
	uint64_t ns;

	if (!view->excuse)
		return;
	excuse = view->excuse(view->ctx, row);
	ns = excuse.no_core_ns +
		excused_for_others(account, excuse.hindered_ns, view->now_ns);
	account->still_ns -= ns < account->still_ns ? ns : account->still_ns;
	account->idle_ns -= ns < account->idle_ns ? ns : account->idle_ns;
	account->behind_ns -= ns < account->behind_ns ? ns : account->behind_ns;
	take_back(stall, account, ns);
}

/* What it was charged and its loop does not know. */
static uint64_t
untold(const struct wr_account *account)
{
	return account->spent_ns > account->told_ns ? account->spent_ns - account->told_ns
						    : 0;
}

/* Takes back what it could not help since it was asked about last. */
static void
acquit(struct wr_stall *stall, struct wr_row *row, const struct wr_stall_view *view)
{
	struct wr_account *account = &row->account;

	forgive(stall, row, view);
	/* It works as fast as the others, and had no core: nothing was due. */
	if (row->blocks && keeps_pace(account, stall))
		take_back(stall, account, wr_slide_sum(&account->spent, view->now_ns));
}

static enum wr_blame
judge(struct wr_stall *stall, const struct wr_gate *gate, struct wr_row *row,
	const struct wr_stall_view *view)
{
	struct wr_account *account = &row->account;
	bool watched = account->watched;

	if (!row->blocks || !is_charged(row))
		return WR_BLAME_NONE;
	if (account->budget_ns == 0)
		return WR_BLAME_BUDGET;
	/* From when it is charged, or the look before a third of its patience is spent, its
	 * thread is looked at, so that there is something to compare with when it matters;
	 * until a wait begins in which neither is so. */
	account->watched = (watched && view->since_ns > 0) || untold(account) > 0 ||
		blame_of(stall, gate, row, view->now_ns, 3, PAUSE_CHARGED) !=
			WR_BLAME_NONE;
	if (account->watched && !watched && view->excuse) {
		(void)view->excuse(view->ctx, row);
		return WR_BLAME_NONE;
	}
	if (blame_of(stall, gate, row, view->now_ns, 1, 0) == WR_BLAME_NONE)
		return WR_BLAME_NONE;
	acquit(stall, row, view);
	return blame_of(stall, gate, row, view->now_ns, 1, 0);
}

/* ---- what its loop is told ----------------------------------------------------------------------- */

/*
 * Who has most to be told, and has been looked at before: what it was charged since then it
 * may have been unable to help. One at a look, for it costs one to ask; of many who hold up
 * their publisher together each is told by its detach at the latest.
 */
static void
tell_one(struct wr_stall *stall, struct wr_gate *gate, const struct wr_stall_view *view)
{
	struct wr_row *most = NULL;

	for (uint32_t i = 0; i < gate->count; i++) {
		struct wr_row *row = &gate->rows[i];

		if (row->account.watched && untold(&row->account) >= WR_STALL_TELL_NS &&
			(!most || untold(&row->account) > untold(&most->account)))
			most = row;
	}
	if (!most)
		return;
	acquit(stall, most, view);
	if (untold(&most->account) >= WR_STALL_TELL_NS)
		most->account.told_ns = most->account.spent_ns;
}

/* ---- who shields nobody ------------------------------------------------------------------------ */

/* How fast the publisher was since the last comparison, waits and all; as before, if it
 * stood still since. */
static void
take_pace(struct wr_stall *stall, const struct wr_stall_view *view)
{
	uint64_t since_ns = view->now_ns - stall->pace_ns;

	if (view->published > stall->pace_from && since_ns > 0)
		stall->pace = (double)(view->published - stall->pace_from) * 1e9 /
			(double)since_ns;
}

/*
 * What it can do at least: all that it did, in the time in which it may have been at work.
 * A look may come late by the time between two. So who waits for others most of the time is
 * known to be faster than it goes with them.
 */
static double
at_least(const struct wr_account *account, const struct wr_stall *stall, uint64_t now_ns)
{
	uint64_t all_ns = now_ns - stall->began_ns;
	uint64_t between_ns =
		all_ns > stall->compared_ns ? all_ns - stall->compared_ns : 0;
	uint64_t done = account->progress - account->worked_from;

	return (double)done * 1e9 /
		(double)(account->busy_ns + between_ns + PAUSE_CHARGED);
}

/*
 * The best of those that were behind. Who stood at the head all the time has kept up with
 * the publisher, and is at least as fast as that was on the whole.
 */
static double
best_speed(const struct wr_stall *stall, const struct wr_gate *gate, uint64_t head,
	uint64_t now_ns)
{
	double best = 0;

	for (uint32_t i = 0; i < gate->count; i++) {
		const struct wr_row *row = &gate->rows[i];
		double there, least;

		if (!row->gate)
			continue;
		there = row->account.behind_ns > BEHIND_LITTLE ? speed(&row->account)
			: row->seen == head                    ? stall->pace
							       : 0;
		least = at_least(&row->account, stall, now_ns);
		there = least > there ? least : there;
		best = there > best ? there : best;
	}
	return best;
}

static bool
is_slower(const struct wr_account *account, double best)
{
	return account->behind_ns > BEHIND_ENOUGH && speed(account) * SLOWER < best;
}

/* From here on, for all rows. */
static void
begin_comparison(struct wr_stall *stall, struct wr_gate *gate, uint64_t now_ns)
{
	stall->began_ns = now_ns;
	stall->compared_ns = 0;
	for (uint32_t i = 0; i < gate->count; i++) {
		struct wr_account *account = &gate->rows[i].account;

		account->behind_ns = account->busy_ns = 0;
		account->behind_from = account->worked_from = account->progress;
	}
}

static void
compare(struct wr_stall *stall, struct wr_gate *gate, const struct wr_stall_view *view)
{
	double best;

	take_pace(stall, view);
	stall->pace_ns = view->now_ns;
	stall->pace_from = view->published;
	best = best_speed(stall, gate, view->head, view->now_ns);
	stall->best = stall->compared ? stall->best * BEST_KEPT : 0;
	stall->best = best > stall->best ? best : stall->best;
	stall->compared = true;
	for (uint32_t i = 0; i < gate->count; i++) {
		struct wr_row *row = &gate->rows[i];
		struct wr_account *account = &row->account;

		/* Who could not run is not slow. A verdict stands. */
		if (!row->blame && is_slower(account, best))
			forgive(stall, row, view);
		account->slow = row->gate && is_slower(account, best);
	}
	begin_comparison(stall, gate, view->now_ns);
}

/* Who has not moved for a while, though there is something to read, is slower than anybody
 * that stands at the head. */
static void
notice_idle(struct wr_stall *stall, struct wr_gate *gate, const struct wr_stall_view *view)
{
	for (uint32_t i = 0; i < gate->count; i++) {
		struct wr_row *row = &gate->rows[i];
		struct wr_account *account = &row->account;

		if (!row->gate || row->blame || account->slow ||
			account->idle_ns <= BEHIND_ENOUGH)
			continue;
		forgive(stall, row, view);
		account->slow = account->idle_ns > BEHIND_ENOUGH;
	}
}

/* True if somebody stands at the head. */
static bool
any_at_head(const struct wr_gate *gate, uint64_t head)
{
	for (uint32_t i = 0; i < gate->count; i++)
		if (gate->rows[i].gate && gate->rows[i].seen == head)
			return true;
	return false;
}

/* ---- a look --------------------------------------------------------------------------------------- */

void
wr_stall_init(struct wr_stall *stall, uint64_t cap_ns, uint64_t now_ns)
{
	*stall = (struct wr_stall){.cap_ns = cap_ns, .pace_ns = now_ns};
}

unsigned
wr_stall_look(
	struct wr_stall *stall, struct wr_gate *gate, const struct wr_stall_view *view)
{
	bool paying = others_wait(gate, view->head);
	uint64_t most = 0;
	unsigned blamed = 0;

	for (uint32_t i = 0; i < gate->count; i++) {
		/* Only what was so at both ends of the time was so all the time. */
		uint64_t paid =
			look_at(&gate->rows[i], stall, view, paying && stall->paying);

		if (paid > most)
			most = paid;
	}
	if (stall->began_ns == 0)
		begin_comparison(stall, gate, view->now_ns);
	if (view->since_ns == 0 && !stall->compared) {
		take_pace(stall, view);
		stall->best = stall->pace * FIRST_BURST;
	}
	stall->paying = paying;
	stall->waited_ns += view->since_ns;
	stall->spent_ns += most;
	wr_slide_add(&stall->spent, view->now_ns, most);

	tell_one(stall, gate, view);
	for (uint32_t i = 0; i < gate->count; i++) {
		struct wr_row *row = &gate->rows[i];

		row->blame = judge(stall, gate, row, view);
		blamed += row->blame != WR_BLAME_NONE;
	}
	if (any_at_head(gate, view->head))
		notice_idle(stall, gate, view);
	stall->compared_ns += view->since_ns;
	if (!stall->compared && stall->compared_ns >= FIRST_BEST)
		stall->best = best_speed(stall, gate, view->head, view->now_ns);
	if (stall->compared_ns >= WR_STALL_COMPARE_NS)
		compare(stall, gate, view);
	return blamed;
}

/*
 * A wait may be over before the second of two looks a millisecond apart. Then whoever was
 * given anything has moved by that look, and would seem to have worked all the time: at the
 * pace of whom it waits for. So the first looks are close, and each may tell who has done
 * its work and waits.
 */
uint64_t
wr_stall_pause_ns(const struct wr_stall *stall, const struct wr_gate *gate)
{
	bool others = false, charged = false;

	for (uint32_t i = 0; i < gate->count; i++) {
		const struct wr_row *row = &gate->rows[i];

		others |= row->gate && !row->blocks;
		charged |= row->blocks && is_charged(row);
	}
	if (!others || !charged)
		return PAUSE_FREE;
	if (stall->waited_ns < PAUSE_FIRST)
		return PAUSE_FIRST;
	return stall->waited_ns < PAUSE_CHARGED ? stall->waited_ns : PAUSE_CHARGED;
}

void
wr_stall_over(struct wr_stall *stall, struct wr_gate *gate)
{
	stall->paying = false;
	stall->waited_ns = 0;
	for (uint32_t i = 0; i < gate->count; i++)
		gate->rows[i].account.blocked = false;
}

/* ---- out and back ---------------------------------------------------------------------------------- */

void
wr_account_detached(struct wr_account *account, enum wr_blame blame, uint64_t now_ns)
{
	bool relapse = account->left_ns != 0 && now_ns - account->left_ns < RELAPSE_NS;
	uint64_t dwell_ns = relapse ? account->dwell_ns * 2 : DWELL_FIRST_NS;

	account->dwell_ns = dwell_ns < DWELL_MOST_NS ? dwell_ns : DWELL_MOST_NS;
	account->left_ns = now_ns;
	account->blame = blame;
	account->detaches++;
	if (account->told_ns < account->spent_ns)
		account->told_ns = account->spent_ns;
	account->still_ns = account->idle_ns = 0;
	account->behind_ns = 0;
	account->slow = false;
}

bool
wr_account_overspent(const struct wr_account *account)
{
	return (account->blame == WR_BLAME_BUDGET || account->blame == WR_BLAME_CAP) &&
		account->budget_ns > 0;
}

bool
wr_account_may_return(struct wr_account *account, const struct wr_stall *stall,
	bool caught_up, uint64_t lost, uint64_t now_ns)
{
	bool jumped = lost != account->lost;

	account->lost = lost;
	return caught_up && !jumped && now_ns - account->left_ns >= account->dwell_ns &&
		account->budget_ns > 0 &&
		wr_slide_sum(&account->spent, now_ns) <= account->budget_ns / 2 &&
		wr_slide_sum(&stall->spent, now_ns) <= stall->cap_ns / 2;
}
