/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tools/slow.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/text.h"

enum { SHOWN_BYTES = 320 /* of what shows why */ };

/* ---- the first look, and glances ------------------------------------------------------------ */

static void
keep_loops(struct slow_before *before, const struct crowd *crowd)
{
	before->loops = calloc(crowd->loop_count + 1, sizeof(*before->loops));
	if (!before->loops)
		return;
	before->loop_count = crowd->loop_count;
	for (size_t i = 0; i < crowd->loop_count; i++)
		before->loops[i].node = crowd->loops[i].node;
}

void
slow_keep(struct slow_before *before, const struct crowd *crowd)
{
	size_t count = crowd->consumer_count;
	struct vitals_last last = {.pid = 0};
	keep_loops(before, crowd);
	before->consumers = calloc(count + 1, sizeof(*before->consumers));
	before->looks = calloc(count + 1, sizeof(*before->looks));
	if (!before->consumers || !before->looks)
		return;
	before->count = count;
	for (size_t i = 0; i < count; i++) {
		before->consumers[i] = crowd->consumers[i];
		if (!vitals_look(&before->looks[i], crowd, &crowd->consumers[i], NULL,
			    &last))
			before->looks[i].at_ns = 0;
	}
}

void
slow_drop(struct slow_before *before)
{
	free(before->consumers);
	free(before->looks);
	free(before->loops);
	*before = (struct slow_before){.count = 0};
}

static struct slow_loop *
loop_of(const struct slow_before *before, uint64_t node)
{
	for (size_t i = 0; i < before->loop_count; i++) {
		if (before->loops[i].node == node)
			return &before->loops[i];
	}
	return NULL;
}

void
slow_glance(struct slow_before *before, struct crowd *crowd)
{
	if (weir_look_roster(crowd->look.handle, 0) < 0)
		return;
	crowd->loops = weir_look_loops(crowd->look.handle, &crowd->loop_count);
	for (size_t i = 0; i < crowd->loop_count; i++) {
		const weir_look_loop *loop = &crowd->loops[i];
		struct slow_loop *seen = loop_of(before, loop->node);
		if (!seen || !loop->seen)
			continue;
		seen->glances++;
		seen->inside += loop->begun > loop->turns;
	}
}

/* ---- the second look ------------------------------------------------------------------------ */

const weir_look_consumer *
slow_before_of(struct slow_before *before, const weir_look_consumer *c,
	const struct cause_look **then)
{
	for (size_t tried = 0; tried < before->count; tried++) {
		size_t at = (before->next + tried) % before->count;
		const weir_look_consumer *b = &before->consumers[at];
		if (b->node != c->node || b->number != c->number)
			continue;
		before->next = at + 1;
		*then = &before->looks[at];
		return b;
	}
	return NULL;
}

struct cause_found
slow_why(struct slow_before *before, const struct crowd *crowd,
	const weir_look_consumer *c, const struct cause_look *then, struct cause_look *now)
{
	const struct slow_loop *loop = loop_of(before, c->node);
	if (!then->at_ns || !vitals_look(now, crowd, c, then, &before->last))
		return (struct cause_found){.cause = CAUSE_NONE};
	if (loop) {
		now->glances = loop->glances;
		now->inside = loop->inside;
	}
	if (!cause_is_slow(then, now))
		return (struct cause_found){.cause = CAUSE_NONE};
	return cause_of(then, now);
}

/* ---- what shows it --------------------------------------------------------------------------- */

/* The numbers that show why it is slow: what its handler does, */
static void
evidence_of_handler(const struct cause_found *f, double percent, char *to, size_t size)
{
	if (f->stuck_ns)
		snprintf(to, size, "its handler has not returned for %s",
			text_ns((double)f->stuck_ns).s);
	else if (f->poll_ns && f->limit_ns)
		snprintf(to, size,
			"a poll of it takes %s, %s is the limit; %" PRIu64
			" of %" PRIu64 " took longer, and %.0f %% of %s",
			text_ns((double)f->poll_ns).s, text_ns((double)f->limit_ns).s,
			f->violations, f->polls, percent, text_ns((double)f->time_ns).s);
	else
		snprintf(to, size, "its handler has taken %.0f %% of %s", percent,
			text_ns((double)f->time_ns).s);
}

/* how it is polled, */
static void
evidence_of_loop(
	const struct cause_found *f, double percent, int pulled, char *to, size_t size)
{
	struct text time = text_ns((double)f->time_ns);
	if (f->cause == CAUSE_POLLED_LATE)
		snprintf(to, size,
			"its turn comes every %s, and a poll of it takes %s; its "
			"neighbours have taken %.0f %% of %s",
			text_ns((double)(f->gap_ns ? f->gap_ns : f->time_ns)).s,
			f->poll_ns ? text_ns((double)f->poll_ns).s : "no time to speak of",
			percent, time.s);
	else if (pulled)
		snprintf(to, size,
			"its owner reads it, and was elsewhere for %.0f %% of %s",
			percent, time.s);
	else
		snprintf(to, size,
			"its owner has turned the loop %" PRIu64
			" times, and was elsewhere for %.0f %% of %s",
			f->turns, percent, time.s);
}

/* and what the kernel does. */
static void
evidence_of_kernel(const struct cause_found *f, double percent, char *to, size_t size)
{
	double seconds = (double)f->time_ns / 1e9;
	struct text time = text_ns((double)f->time_ns);
	if (f->cause == CAUSE_STOPPED)
		snprintf(to, size, "its process has been stopped for %s or longer",
			time.s);
	else if (f->cause == CAUSE_THROTTLED)
		snprintf(to, size,
			"its control group has been throttled %" PRIu64
			" times, for %.0f %% of %s",
			f->throttles, percent, time.s);
	else if (f->cause == CAUSE_DESCHEDULED)
		snprintf(to, size,
			"its thread was ready to run and had no core for %.0f %% of %s",
			percent, time.s);
	else
		snprintf(to, size,
			"its thread has %.0f page faults a second, %.0f of them from a "
			"disk, and its handler has taken %.0f %% of %s",
			(double)(f->minor + f->major) / seconds,
			(double)f->major / seconds, percent, time.s);
}

void
slow_tell(struct findings *all, const struct cause_found *f,
	const struct cause_look *now, const char *who)
{
	double percent = 100 * (double)f->part_ns / (double)f->time_ns;
	char shown[SHOWN_BYTES];
	if (f->cause == CAUSE_SLOW_HANDLER)
		evidence_of_handler(f, percent, shown, sizeof(shown));
	else if (f->cause == CAUSE_POLLED_LATE || f->cause == CAUSE_NOT_POLLING)
		evidence_of_loop(f, percent, now->pulled, shown, sizeof(shown));
	else
		evidence_of_kernel(f, percent, shown, sizeof(shown));
	finding_tell(all, f, cause_name(f->cause), who, cause_advice(f->cause),
		"%s message%s wait%s for it: %s", text_count(now->waiting).s,
		now->waiting == 1 ? "" : "s", now->waiting == 1 ? "s" : "", shown);
}
