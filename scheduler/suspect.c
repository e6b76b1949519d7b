/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/suspect.h"

#include "bus/mutant.h"

static void
begin(struct wr_suspect *s, uint64_t word, uint64_t now_ns)
{
	*s = (struct wr_suspect){.word = word, .since_ns = now_ns, .looked_ns = now_ns};
}

bool
wr_suspect_look(struct wr_suspect *s, uint64_t word, bool handler, uint64_t now_ns,
	uint64_t planned_ns)
{
	bool late = !WR_MUTANT(SUSPECT_NOTLATE) &&
		now_ns - s->looked_ns > planned_ns + WR_SUSPECT_LATE_NS;

	if (!handler || late || word != s->word) {
		begin(s, handler && !late ? word : 0, now_ns);
		return false;
	}
	s->gap_ns = now_ns - s->looked_ns;
	s->looked_ns = now_ns;
	return true;
}

void
wr_suspect_begins(struct wr_suspect *s, uint64_t ran_ns)
{
	s->asked_ns = s->sure_ns = s->waits_ns = s->since_ns;
	s->ran_ns = s->last_ran_ns = ran_ns;
}

/* What it has run in this poll is its own, however long that took. */
static enum wr_finding
find(const struct wr_suspect *s, const struct wr_evidence *evidence, uint64_t now_ns,
	uint64_t hard_ns)
{
	/* A kernel that does not tell has it at zero. */
	uint64_t ran_ns = evidence->ran_ns > s->ran_ns ? evidence->ran_ns - s->ran_ns : 0;

	if (s->waits_ns != 0 && now_ns - s->waits_ns >= hard_ns)
		return WR_FOUND_WAITING;
	if (ran_ns >= hard_ns / 5 * 4 || WR_MUTANT(SUSPECT_WALL))
		return WR_FOUND_SPINNING;
	return ran_ns >= (now_ns - s->sure_ns) / 5 * 4 ? WR_FOUND_LONG : WR_FOUND_NO_CORE;
}

/* What counts is from the first look that saw it wait. */
static void
note_state(struct wr_suspect *s, bool waits, uint64_t now_ns)
{
	if (!waits)
		s->waits_ns = 0;
	else if (s->waits_ns == 0 && !WR_MUTANT(SUSPECT_EVERRAN))
		s->waits_ns = now_ns;
}

/* Who has run for too long and did not go on since the last look has no core, or there was an
 * error in what it had run: that look says nothing new. */
static void
note_finding(struct wr_suspect *s, enum wr_finding found, bool went_on)
{
	if (found != s->found)
		s->times = 0;
	s->found = found;
	s->times += found == WR_FOUND_WAITING || went_on;
}

static uint32_t
looks_wanted(enum wr_finding found, uint64_t hard_ns)
{
	return found == WR_FOUND_SPINNING && hard_ns <= WR_SUSPECT_SURE_NS &&
			!WR_MUTANT(SUSPECT_ONCE)
		? 2
		: 1;
}

enum wr_finding
wr_suspect_judge(struct wr_suspect *s, const struct wr_evidence *evidence,
	uint64_t now_ns, uint64_t hard_ns)
{
	bool went_on = evidence->ran_ns > s->last_ran_ns;
	enum wr_finding found;

	s->last_ran_ns = evidence->ran_ns;
	if (evidence->taken_ns > now_ns + WR_SUSPECT_LATE_NS &&
		!WR_MUTANT(SUSPECT_LATEWITHIN)) {
		begin(s, 0, evidence->taken_ns);
		return WR_FOUND_NOTHING;
	}
	if (s->asked_ns == 0) {
		s->asked_ns = now_ns;
		s->waits_ns = s->since_ns;
	}
	if (s->sure_ns == 0 || (s->gap_ns > hard_ns / 2 && !WR_MUTANT(SUSPECT_UNSEEN))) {
		s->sure_ns = now_ns;
		s->ran_ns = evidence->ran_ns;
	}
	note_state(s, evidence->waits, now_ns);
	if (now_ns - s->since_ns < hard_ns / 2)
		return WR_FOUND_NOTHING;
	/* What is known of less than half of the time is not evidence. */
	if (now_ns - s->since_ns < hard_ns || now_ns - s->asked_ns < hard_ns / 2)
		return WR_FOUND_LONG;
	found = find(s, evidence, now_ns, hard_ns);
	if (found != WR_FOUND_SPINNING && found != WR_FOUND_WAITING) {
		s->times = 0;
		return found;
	}
	note_finding(s, found, went_on);
	return s->times < looks_wanted(found, hard_ns) ? WR_FOUND_LONG : found;
}

uint64_t
wr_suspect_wait_ns(const struct wr_suspect *s, uint64_t now_ns, uint64_t hard_ns)
{
	uint64_t passed_ns = now_ns - s->since_ns;

	if (s->word == 0)
		return UINT64_MAX;
	if (passed_ns < hard_ns / 2)
		return hard_ns / 2 - passed_ns;
	if (passed_ns < hard_ns)
		return hard_ns - passed_ns;
	return hard_ns / (s->times > 0 ? WR_SUSPECT_AT_ONCE : WR_SUSPECT_SOON);
}
