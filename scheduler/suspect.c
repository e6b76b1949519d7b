/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/suspect.h"

static void
begin(struct wr_suspect *s, uint64_t word, uint64_t now_ns)
{
	*s = (struct wr_suspect){.word = word, .since_ns = now_ns, .looked_ns = now_ns};
}

bool
wr_suspect_look(struct wr_suspect *s, uint64_t word, bool handler, uint64_t now_ns,
	uint64_t planned_ns)
{
	bool late = now_ns - s->looked_ns > planned_ns + WR_SUSPECT_LATE_NS;

	if (!handler || late || word != s->word) {
		begin(s, handler && !late ? word : 0, now_ns);
		return false;
	}
	s->looked_ns = now_ns;
	return true;
}

/* What it has run in this poll is its own, however long that took. */
static enum wr_finding
find(const struct wr_suspect *s, const struct wr_evidence *evidence, uint64_t now_ns,
	uint64_t hard_ns)
{
	uint64_t ran_ns = evidence->ran_ns - s->ran_ns;

	if (ran_ns >= hard_ns / 5 * 4)
		return WR_FOUND_SPINNING;
	if (s->waited)
		return WR_FOUND_WAITING;
	return ran_ns >= (now_ns - s->asked_ns) / 5 * 4 ? WR_FOUND_LONG
							: WR_FOUND_NO_CORE;
}

enum wr_finding
wr_suspect_judge(struct wr_suspect *s, const struct wr_evidence *evidence,
	uint64_t now_ns, uint64_t hard_ns)
{
	enum wr_finding found;

	if (s->asked_ns == 0) {
		s->asked_ns = now_ns;
		s->waited = true;
		s->ran_ns = evidence->ran_ns;
	}
	s->waited = s->waited && evidence->waits;
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
	s->times++;
	return hard_ns <= WR_SUSPECT_SURE_NS && s->times < 2 ? WR_FOUND_LONG : found;
}

uint64_t
wr_suspect_wait_ns(const struct wr_suspect *s, uint64_t now_ns, uint64_t hard_ns)
{
	uint64_t passed_ns = now_ns - s->since_ns;

	if (s->word == 0)
		return UINT64_MAX;
	if (passed_ns < hard_ns / 2)
		return hard_ns / 2 - passed_ns;
	return passed_ns < hard_ns ? hard_ns - passed_ns : hard_ns / WR_SUSPECT_SOON;
}
