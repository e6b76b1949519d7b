/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/interval.h"

#include <stddef.h>
#include <weir/error.h>

#define NEVER UINT64_MAX

static uint64_t
sum_of(uint64_t at_ns, uint64_t period_ns)
{
	return at_ns > NEVER - 1 - period_ns ? NEVER - 1 : at_ns + period_ns;
}

bool
wr_interval_after(uint64_t last_ns, uint64_t now_ns, uint64_t period_ns,
	uint64_t *next_ns, uint64_t *missed)
{
	uint64_t late_ns = now_ns > last_ns ? now_ns - last_ns : 0;
	uint64_t periods = 0;

	if (period_ns == 0)
		return false;
	if (late_ns >= period_ns) {
		periods = late_ns / period_ns;
		if (periods > UINT32_MAX)
			return false;
	}
	*missed = periods;
	*next_ns = sum_of(last_ns + period_ns * periods, period_ns);
	return true;
}

/* ---- one list --------------------------------------------------------------------------------- */

static void
take_out(struct wr_interval_list *list, struct wr_interval *interval)
{
	if (list->beside == interval)
		list->beside = NULL;
	if (interval->prev)
		interval->prev->next = interval->next;
	else
		list->first = interval->next;
	if (interval->next)
		interval->next->prev = interval->prev;
	else
		list->last = interval->prev;
}

/* after = NULL: to the front. */
static void
put_after(struct wr_interval_list *list, struct wr_interval *after,
	struct wr_interval *interval)
{
	interval->prev = after;
	interval->next = after ? after->next : list->first;
	if (interval->prev)
		interval->prev->next = interval;
	else
		list->first = interval;
	if (interval->next)
		interval->next->prev = interval;
	else
		list->last = interval;
}

static bool
fits_behind(const struct wr_interval *after, uint64_t at_ns)
{
	return after && after->at_ns <= at_ns &&
		(!after->next || after->next->at_ns > at_ns);
}

/* By its time: at the end, or beside the last one that was not, or where looking from both
 * ends finds it. */
static void
put_in_order(struct wr_intervals *t, struct wr_interval_list *list,
	struct wr_interval *interval)
{
	struct wr_interval *front = list->first, *back = list->last;

	if (!back || back->at_ns <= interval->at_ns) {
		put_after(list, back, interval);
		return;
	}
	if (fits_behind(list->beside, interval->at_ns)) {
		put_after(list, list->beside, interval);
		list->beside = interval;
		return;
	}
	list->beside = interval;
	for (;; front = front->next, back = back->prev) {
		t->steps++;
		if (front->at_ns > interval->at_ns) {
			put_after(list, front->prev, interval);
			return;
		}
		if (back->at_ns <= interval->at_ns) {
			put_after(list, back, interval);
			return;
		}
	}
}

static void
note_first(struct wr_intervals *t, uint32_t index)
{
	const struct wr_interval *first = t->lists[index].first;

	t->first_ns[index] = first ? first->at_ns : NEVER;
}

/* ---- all of them ---------------------------------------------------------------------------------- */

void
wr_intervals_init(struct wr_intervals *t)
{
	*t = (struct wr_intervals){0};
	for (uint32_t i = 0; i < WR_INTERVAL_LISTS; i++)
		t->first_ns[i] = NEVER;
}

/* The list of this period and rule, or one that is free; WR_INTERVAL_LISTS: none is. */
static uint32_t
list_for(struct wr_intervals *t, uint64_t period_ns, enum wr_interval_rule rule)
{
	uint32_t empty = WR_INTERVAL_LISTS;

	for (uint32_t i = 0; i < t->lists_used; i++) {
		if (t->lists[i].period_ns == period_ns && t->lists[i].rule == rule)
			return i;
		if (t->lists[i].count == 0)
			empty = i;
	}
	if (empty == WR_INTERVAL_LISTS && t->lists_used < WR_INTERVAL_LISTS)
		empty = t->lists_used++;
	if (empty < WR_INTERVAL_LISTS)
		t->lists[empty] = (struct wr_interval_list){
			.period_ns = period_ns, .rule = (uint8_t)rule};
	return empty;
}

int
wr_intervals_arm(struct wr_intervals *t, struct wr_interval *interval,
	uint64_t first_ns, uint64_t period_ns, enum wr_interval_rule rule)
{
	uint32_t index;

	if (period_ns == 0 || (unsigned)rule >= WR_INTERVAL_RULES || interval->armed)
		return -WEIR_E_USAGE_INVAL;
	index = list_for(t, period_ns, rule);
	if (index == WR_INTERVAL_LISTS)
		return -WEIR_E_AGAIN_QUOTA;
	interval->at_ns = first_ns < NEVER ? first_ns : NEVER - 1;
	interval->list = (uint8_t)index;
	interval->armed = true;
	t->lists[index].count++;
	put_in_order(t, &t->lists[index], interval);
	note_first(t, index);
	return 0;
}

bool
wr_intervals_cancel(struct wr_intervals *t, struct wr_interval *interval)
{
	struct wr_interval_list *list = &t->lists[interval->list];

	if (!interval->armed)
		return false;
	interval->armed = false;
	take_out(list, interval);
	list->count--;
	note_first(t, interval->list);
	return true;
}

static uint32_t
earliest(const struct wr_intervals *t)
{
	uint32_t least = 0;

	for (uint32_t i = 1; i < t->lists_used; i++)
		if (t->first_ns[i] < t->first_ns[least])
			least = i;
	return least;
}

/* The first of a list, which is due, fires and goes where its next time says. */
static void
fire_first(struct wr_intervals *t, uint32_t index, uint64_t now_ns,
	struct wr_interval_due *due)
{
	struct wr_interval_list *list = &t->lists[index];
	struct wr_interval *interval = list->first;
	uint64_t next_ns, missed = 0;

	*due = (struct wr_interval_due){.interval = interval, .at_ns = interval->at_ns};
	next_ns = sum_of(interval->at_ns, list->period_ns);
	if (next_ns <= now_ns && list->rule != WR_INTERVAL_BURST &&
		!wr_interval_after(
			interval->at_ns, now_ns, list->period_ns, &next_ns, &missed)) {
		missed = UINT32_MAX;
		next_ns = sum_of(now_ns, list->period_ns);
	}
	due->missed = missed;
	take_out(list, interval);
	interval->at_ns = next_ns;
	put_in_order(t, list, interval);
	note_first(t, index);
}

unsigned
wr_intervals_expire(struct wr_intervals *t, uint64_t now_ns,
	struct wr_interval_due *due, unsigned most)
{
	unsigned fired = 0;

	while (fired < most) {
		uint32_t index = earliest(t);

		if (t->first_ns[index] > now_ns || t->first_ns[index] == NEVER)
			break;
		fire_first(t, index, now_ns, &due[fired++]);
	}
	return fired;
}

uint64_t
wr_intervals_next_ns(const struct wr_intervals *t)
{
	return t->first_ns[earliest(t)];
}
