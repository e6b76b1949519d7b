/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Who reads the streams of a bus, and the books of each, from outside
 * (weir_look_account). Its publisher says who there is and what it grants; the books are
 * read in the words of the reader's own node and counted against the stream's memory.
 * A node that is stopped shows nothing: then the books are those that the publisher saw.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "bus/look.h"
#include "bus/os/clock.h"
#include "bus/topic.h"

enum {
	PAUSE_MS_MAX = 20,
	ROUNDS = 64, /* of questions, for readers that could not be counted */
	TRIES = 64   /* at one that moves, in a round */
};

/* ---- who there is -------------------------------------------------------------------- */

static struct account *
find(weir_look *look, const struct wr_wire *msg)
{
	for (size_t i = 0; i < look->account_count; i++) {
		struct account *a = &look->accounts[i];

		if (a->reader.publisher == msg->stream && a->reader.node == msg->node &&
			a->reader.subscription == msg->sub)
			return a;
	}
	return NULL;
}

void
wr_account_told(weir_look *look, const struct wr_wire *msg)
{
	struct account *a = find(look, msg);
	weir_look_reader *r;

	if (!a) {
		if (!wr_look_grow(&look->accounts, look->account_count, sizeof(*a)))
			return;
		a = &look->accounts[look->account_count++];
		memset(a, 0, sizeof(*a));
	}
	a->here = true;
	if (a->reader.counted)
		return;
	r = &a->reader;
	r->publisher = msg->stream;
	r->node = msg->node;
	r->subscription = msg->sub;
	r->pid = msg->pid;
	r->policy = msg->terms.policy;
	r->gates = msg->gates != 0;
	r->over = msg->over != 0;
	r->code = (int)(msg->code & 0xffff);
	r->detached = msg->detached;
	r->quota_bytes = msg->terms.quota;
	r->stall_ns = msg->count[0];
	r->stalled_ns = msg->count[1];
	memcpy(r->name, msg->name, sizeof(r->name) - 1);
	a->slot = msg->slot;
	a->told = msg->books;
}

static bool
is_meant(const struct tap *tap, const char *pattern)
{
	return tap->seen && !tap->alone && tap->store &&
		wr_pattern_match(pattern, tap->topic);
}

/* Is there a reader of the stream that is still to be counted? */
static bool
is_open(const weir_look *look, uint64_t stream)
{
	for (size_t i = 0; i < look->account_count; i++)
		if (look->accounts[i].reader.publisher == stream &&
			!look->accounts[i].reader.counted)
			return true;
	return false;
}

/* How many publishers have not said all. */
static size_t
telling(weir_look *look)
{
	size_t count = 0;

	for (size_t i = 0; i < look->tap_count; i++)
		count += look->taps[i]->telling;
	return count;
}

/* The node of a reader, where it shows its words or will. */
static struct looked *
home_of(weir_look *look, const struct account *a)
{
	struct looked *home = wr_look_find(look, a->reader.node);

	if (home && !home->words.mem && (home->fd < 0 || !home->told))
		return NULL;
	return home;
}

/* How many nodes have not shown their words. */
static size_t
showing(weir_look *look)
{
	size_t count = 0;

	for (size_t i = 0; i < look->account_count; i++) {
		const struct looked *home = home_of(look, &look->accounts[i]);

		count += home && home->asked && !home->words.mem && home->done;
	}
	return count;
}

static void
await(weir_look *look, size_t (*left)(weir_look *), uint64_t deadline_ns)
{
	while (left(look) > 0) {
		uint64_t now = wr_now_ns();

		if (now >= deadline_ns)
			return;
		wr_look_hear(look, (int)((deadline_ns - now) / 1000000) + 1);
	}
}

/* A stream is asked for in the first round, and again while a reader of it is open. */
static void
ask_who(weir_look *look, const char *pattern, int round, uint64_t deadline_ns)
{
	for (size_t i = 0; i < look->account_count; i++)
		look->accounts[i].here = false;
	for (size_t i = 0; i < look->tap_count; i++) {
		struct tap *tap = look->taps[i];
		struct looked *from = wr_look_find(look, tap->node);

		if (!is_meant(tap, pattern) || !from || tap->telling ||
			(round > 0 && !is_open(look, tap->stream)))
			continue;
		tap->telling = true;
		tap->oldest_told = UINT64_MAX;
		wr_look_ask(from, WR_WIRE_READERS, tap->stream);
		tap->telling = from->fd >= 0; /* it has gone */
	}
	await(look, telling, deadline_ns);
}

/* Who has gone meanwhile and was not counted is nobody's reader any more. */
static void
forget_gone(weir_look *look)
{
	size_t kept = 0;

	for (size_t i = 0; i < look->account_count; i++) {
		const struct account *a = &look->accounts[i];
		const struct tap *tap = wr_look_tap(look, a->reader.publisher);

		if (a->here || a->reader.counted || (tap && tap->telling))
			look->accounts[kept++] = *a;
	}
	look->account_count = kept;
}

static void
ask_words(weir_look *look, uint64_t deadline_ns)
{
	for (size_t i = 0; i < look->account_count; i++) {
		struct looked *home;

		wr_look_meet(look, look->accounts[i].reader.node);
		home = wr_look_find(look, look->accounts[i].reader.node);
		if (!home || home->asked || home->fd < 0)
			continue;
		home->asked = true;
		wr_look_ask(home, WR_WIRE_SHOW, 0);
	}
	await(look, showing, deadline_ns);
}

/* ---- counting ------------------------------------------------------------------------- */

static void
fill(weir_look_reader *r, const struct wr_books *books, const struct wr_audit *audit,
	bool sound)
{
	uint64_t said = wr_books_number(books);

	r->from = books->from;
	r->delivered = books->delivered;
	r->held = books->held;
	r->lost_behind = books->lost[WR_LOST_BEHIND];
	r->lost_conflated = books->lost[WR_LOST_CONFLATED];
	r->lost_expired = books->lost[WR_LOST_EXPIRED];
	r->lost_gone = books->lost[WR_LOST_GONE];
	r->aborted = books->aborted;
	r->standing = sound ? audit->number : UINT64_MAX;
	r->waiting = audit->waiting;
	r->waiting_bytes = audit->bytes;
	r->aborted_ahead = audit->aborted;
	r->gone_ahead = audit->passed;
	r->segments = audit->segments;
	r->off = (int64_t)(said - r->standing);
}

/* Its sum leads to a claim that was visible while we looked, or how far that is off. */
static void
judge(weir_look_reader *r, uint64_t first, uint64_t last)
{
	uint64_t sum = r->from + r->delivered + r->held + r->lost_behind +
		r->lost_conflated + r->lost_expired + r->lost_gone + r->aborted +
		r->waiting + r->aborted_ahead + r->gone_ahead;

	r->visible_first = first;
	r->visible_last = last;
	if (r->off == 0 && sum < first)
		r->off = (int64_t)(sum - first);
	if (r->off == 0 && sum > last)
		r->off = (int64_t)(sum - last);
}

/* In the reader's own words. False: it moved each time that we looked. */
static bool
count_here(struct account *a, const struct wr_slot *slot, const struct wr_regions *in)
{
	for (int tries = 0; tries < TRIES; tries++) {
		struct wr_books books;
		struct wr_audit audit;
		uint64_t first, last;
		int rc;

		if (tries > 0)
			(void)sched_yield();
		if (!wr_audit_visible(in, &first) || !wr_books_take(slot, &books))
			continue;
		if (books.stream != a->reader.publisher)
			return false; /* it has left, and the slot is another's */
		rc = wr_audit_walk(&audit, &books, in);
		if (rc == 0 || (audit.borrowed && !wr_audit_stands(slot, &books)) ||
			!wr_audit_visible(in, &last))
			continue;
		fill(&a->reader, &books, &audit, rc > 0);
		judge(&a->reader, first, last);
		a->reader.counted = 1;
		return true;
	}
	return false;
}

/*
 * By what its publisher told of it. Where its segment lives for its sake alone, it must
 * have stood there until we had counted: that the publisher's next answer says.
 */
static void
count_told(struct account *a, const struct wr_regions *in, uint64_t first)
{
	struct wr_audit audit;
	uint64_t last;
	int rc;

	if (a->kept && a->told.cur == a->kept_ord) {
		a->reader.counted = 1;
		return;
	}
	a->kept = false;
	if (a->told.stream != a->reader.publisher)
		return;
	rc = wr_audit_walk(&audit, &a->told, in);
	if (rc == 0 || !wr_audit_visible(in, &last))
		return;
	fill(&a->reader, &a->told, &audit, rc > 0);
	judge(&a->reader, first, last);
	a->kept = true;
	a->kept_ord = wr_place_ord(a->told.at);
	a->reader.counted = !audit.borrowed;
}

/* Returns how many are still open. */
static size_t
count_all(weir_look *look)
{
	size_t open = 0;

	for (size_t i = 0; i < look->account_count; i++) {
		struct account *a = &look->accounts[i];
		const struct tap *tap = wr_look_tap(look, a->reader.publisher);
		const struct looked *home = wr_look_find(look, a->reader.node);
		struct wr_regions in;

		if (a->reader.counted || !tap)
			continue;
		in = (struct wr_regions){tap->regions, tap->region_count};
		if (home && home->words.mem)
			(void)count_here(a,
				(const struct wr_slot *)(const void *)(home->words.mem +
					WR_PAGE) +
					a->slot,
				&in);
		else
			count_told(a, &in, tap->visible);
		open += !a->reader.counted;
	}
	return open;
}

/* What was visible before the publishers are asked. */
static void
mark_visible(weir_look *look, const char *pattern)
{
	for (size_t i = 0; i < look->tap_count; i++) {
		struct tap *tap = look->taps[i];
		struct wr_regions in = {tap->regions, tap->region_count};

		tap->visible = 0;
		if (is_meant(tap, pattern))
			(void)wr_audit_visible(&in, &tap->visible);
	}
}

/* ---- the public face -------------------------------------------------------------------- */

static int
collect(weir_look *look)
{
	look->reader_count = 0;
	for (size_t i = 0; i < look->account_count; i++) {
		if (!wr_look_grow(
			    &look->readers, look->reader_count, sizeof(*look->readers)))
			return -WEIR_E_ENV_MEMORY;
		look->readers[look->reader_count++] = look->accounts[i].reader;
	}
	return (int)look->reader_count;
}

int
weir_look_account(weir_look *look, const char *pattern, int timeout_ms)
{
	uint64_t wait_ns = (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * 1000000;
	uint64_t deadline_ns = wr_now_ns() + wait_ns;

	if (!pattern || wr_pattern_check(pattern) < 0)
		return -WEIR_E_USAGE_NAME;
	look->account_count = 0;
	for (int round = 0; round < ROUNDS; round++) {
		mark_visible(look, pattern);
		ask_who(look, pattern, round, deadline_ns);
		forget_gone(look);
		/* Not all of the time: what the publishers tell is asked for once more. */
		ask_words(look, wr_now_ns() + wait_ns / 4);
		if (count_all(look) == 0 || wr_now_ns() >= deadline_ns)
			break;
		/* Who was stopped in the middle of a step has a moment to go on. */
		wr_look_hear(look, round < PAUSE_MS_MAX ? round : PAUSE_MS_MAX);
	}
	return collect(look);
}

const weir_look_reader *
weir_look_readers(const weir_look *look, size_t *count)
{
	*count = look->reader_count;
	return look->readers;
}
