/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/timers.h"

#include <string.h>
#include <weir/error.h>

enum {
	DIGIT = 6,
	DIGIT_MASK = WR_TIMER_SLOTS - 1,
	HEAP_ARITY = 4,
	AHEAD = 6,
	SLACK = 64
};

#define NONE UINT32_MAX

static uint64_t
tick_of(uint64_t ns)
{
	return ns >> WR_TIMER_TICK_BITS;
}

/* ---- timers and their names --------------------------------------------------------------- */

static wr_timer_id
name_of(const struct wr_timers *t, uint32_t index)
{
	return (uint64_t)t->timers[index].use << 32 | index;
}

/* The timer that is armed under this name, or NULL. */
static struct wr_timer *
armed_by(struct wr_timers *t, wr_timer_id id)
{
	uint32_t index = (uint32_t)id, use = (uint32_t)(id >> 32);

	if (index >= t->timers_used || t->timers[index].use != use || !(use & 1))
		return NULL;
	return &t->timers[index];
}

static uint32_t
take_timer(struct wr_timers *t)
{
	uint32_t index = t->timer_free;

	if (index != NONE) {
		t->timer_free = (uint32_t)t->timers[index].at_ns;
	} else if (t->timers_used < t->timers_most) {
		index = t->timers_used++;
		t->timers[index] = (struct wr_timer){0};
	} else {
		return NONE;
	}
	t->timers[index].use++;
	t->armed++;
	return index;
}

static void
give_timer(struct wr_timers *t, struct wr_timer *timer)
{
	timer->use++;
	timer->at_ns = t->timer_free;
	t->timer_free = (uint32_t)(timer - t->timers);
	t->armed--;
}

/* Stamps come round after 2^32 entries. An entry so old that its stamp is its timer's again
 * does no harm: before the deadline it is put there anew, and the other one is stale from
 * then on; at the deadline one of the two fires, and that is the end of both. */
static bool
is_stale(const struct wr_timers *t, const struct wr_timer_entry *entry)
{
	const struct wr_timer *timer = &t->timers[entry->timer];

	return timer->stamp != entry->stamp || !(timer->use & 1);
}

/* ---- the heap of the present tick ----------------------------------------------------------- */

static bool
is_before(const struct wr_timer_entry *a, const struct wr_timer_entry *b)
{
	if (a->at_ns != b->at_ns)
		return a->at_ns < b->at_ns;
	return (int32_t)(a->stamp - b->stamp) < 0;
}

static void
sift_up(struct wr_timer_entry *heap, uint32_t place, struct wr_timer_entry entry)
{
	while (place > 0) {
		uint32_t above = (place - 1) / HEAP_ARITY;

		if (!is_before(&entry, &heap[above]))
			break;
		heap[place] = heap[above];
		place = above;
	}
	heap[place] = entry;
}

static void
sift_down(struct wr_timer_entry *heap, uint32_t count, uint32_t place,
	struct wr_timer_entry entry)
{
	for (;;) {
		uint32_t first = place * HEAP_ARITY + 1, least = first;

		if (first >= count)
			break;
		for (uint32_t i = first + 1; i < count && i < first + HEAP_ARITY; i++)
			if (is_before(&heap[i], &heap[least]))
				least = i;
		if (!is_before(&heap[least], &entry))
			break;
		heap[place] = heap[least];
		place = least;
	}
	heap[place] = entry;
}

static void
heap_pop(struct wr_timers *t)
{
	struct wr_timer_entry last = t->heap[--t->heap_count];

	if (t->heap_count > 0)
		sift_down(t->heap, t->heap_count, 0, last);
}

/* It is full, so more than half of it is stale: there are twice as many places as timers. */
static void
heap_sort_out(struct wr_timers *t)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < t->heap_count; i++)
		if (!is_stale(t, &t->heap[i]))
			sift_up(t->heap, kept++, t->heap[i]);
	t->heap_count = kept;
}

static void
heap_push(struct wr_timers *t, struct wr_timer_entry entry)
{
	if (t->heap_count == t->heap_most)
		heap_sort_out(t);
	sift_up(t->heap, t->heap_count++, entry);
}

/* ---- slots ------------------------------------------------------------------------------------ */

/* Where an entry of a later tick lies. It stays true while the present moves towards it. */
static uint32_t
place_of(const struct wr_timers *t, uint64_t tick)
{
	uint32_t level = (63u - (uint32_t)__builtin_clzll(tick ^ t->tick)) / DIGIT;

	return level << DIGIT | (uint32_t)(tick >> (level * DIGIT) & DIGIT_MASK);
}

/* The slot of a level in which the present lies. */
static uint32_t
present_of(const struct wr_timers *t, uint32_t level)
{
	return level << DIGIT | (uint32_t)(t->tick >> (level * DIGIT) & DIGIT_MASK);
}

static uint32_t
take_chunk(struct wr_timers *t)
{
	uint32_t chunk = t->chunk_free;

	if (chunk != NONE)
		t->chunk_free = t->chunks[chunk].next;
	else if (t->chunks_used < t->chunks_most)
		chunk = t->chunks_used++;
	return chunk;
}

static void
give_chunk(struct wr_timers *t, uint32_t chunk)
{
	t->chunks[chunk].next = t->chunk_free;
	t->chunk_free = chunk;
}

static void
append(struct wr_timers *t, uint32_t place, struct wr_timer_entry entry)
{
	struct wr_timer_slot *slot = &t->slots[place];
	struct wr_timer_chunk *last = &t->chunks[slot->last];

	if (slot->first == NONE || last->count == WR_TIMER_CHUNK) {
		uint32_t chunk = take_chunk(t);

		if (slot->first == NONE)
			slot->first = chunk;
		else
			last->next = chunk;
		slot->last = chunk;
		last = &t->chunks[chunk];
		last->next = NONE;
		last->count = 0;
		t->occupied[place >> DIGIT] |= 1ull << (place & DIGIT_MASK);
	}
	last->entries[last->count++] = entry;
	slot->entries++;
	t->entries++;
}

/* Takes the oldest chunk out of a slot; the caller gives it back. */
static uint32_t
detach_chunk(struct wr_timers *t, uint32_t place)
{
	struct wr_timer_slot *slot = &t->slots[place];
	uint32_t chunk = slot->first;

	slot->first = t->chunks[chunk].next;
	slot->entries -= t->chunks[chunk].count;
	t->entries -= t->chunks[chunk].count;
	if (slot->first == NONE)
		t->occupied[place >> DIGIT] &= ~(1ull << (place & DIGIT_MASK));
	return chunk;
}

/* The oldest chunk of a slot: what is not stale goes to its end. */
static void
sort_out(struct wr_timers *t, uint32_t place)
{
	uint32_t chunk = detach_chunk(t, place);
	struct wr_timer_chunk from = t->chunks[chunk];

	give_chunk(t, chunk);
	for (uint32_t i = 0; i < from.count; i++)
		if (!is_stale(t, &from.entries[i]))
			append(t, place, from.entries[i]);
}

/* The hand goes round the slots that hold something; each is sorted out as far as it was
 * full when the hand came to it. */
static void
sort_out_next(struct wr_timers *t)
{
	uint32_t count;

	while (t->hand_left == 0 || t->slots[t->hand].entries == 0) {
		uint32_t level = t->hand >> DIGIT;
		uint64_t later = t->occupied[level] & -(2ull << (t->hand & DIGIT_MASK));

		if (later != 0)
			t->hand = level << DIGIT | (uint32_t)__builtin_ctzll(later);
		else
			t->hand = (level + 1) % WR_TIMER_LEVELS << DIGIT;
		t->hand_left = t->slots[t->hand].entries;
	}
	count = t->chunks[t->slots[t->hand].first].count;
	t->hand_left -= count < t->hand_left ? count : t->hand_left;
	sort_out(t, t->hand);
}

/* Every stale entry of every slot. What is left fits: there are chunks for twice as many. */
static void
sort_out_all(struct wr_timers *t)
{
	for (uint32_t place = 0; place < WR_TIMER_PLACES; place++) {
		uint32_t left = t->slots[place].entries;

		while (left > 0) {
			uint32_t count = t->chunks[t->slots[place].first].count;

			left -= count < left ? count : left;
			sort_out(t, place);
		}
	}
}

/* Puts an entry where its time says. The hand has seen to it that there is a chunk, unless
 * entries move down behind it for a long while; then everything is sorted out. */
static void
put(struct wr_timers *t, struct wr_timer_entry entry)
{
	uint64_t tick = tick_of(entry.at_ns);

	if (tick <= t->tick) {
		heap_push(t, entry);
		return;
	}
	if (t->chunk_free == NONE && t->chunks_used == t->chunks_most)
		sort_out_all(t);
	append(t, place_of(t, tick), entry);
}

/* A new entry for a timer, at its deadline. */
static void
enter(struct wr_timers *t, struct wr_timer *timer)
{
	timer->stamp = t->stamp++;
	put(t,
		(struct wr_timer_entry){.at_ns = timer->at_ns,
			.timer = (uint32_t)(timer - t->timers),
			.stamp = timer->stamp});
}

/* Each timer has one entry that counts, so more than twice as many are half stale. A whole
 * round takes a fifteenth as many calls as there are entries. */
static void
keep_bounded(struct wr_timers *t)
{
	if (t->entries > 2 * t->armed + SLACK)
		sort_out_next(t);
}

/* ---- what is due -------------------------------------------------------------------------------- */

static void
prefetch(const struct wr_timers *t, uint32_t timer)
{
	__builtin_prefetch(&t->timers[timer]);
	__builtin_prefetch(&t->users[timer]);
}

/* One chunk of a slot that the present has reached: down to where its entries belong.
 * Entries of the present tick are looked at, the others are only moved. */
static uint32_t
move_down(struct wr_timers *t, uint32_t place)
{
	uint32_t chunk = detach_chunk(t, place);
	struct wr_timer_chunk from = t->chunks[chunk];

	give_chunk(t, chunk);
	for (uint32_t i = 0; i < from.count; i++) {
		struct wr_timer_entry *entry = &from.entries[i];
		struct wr_timer *timer = &t->timers[entry->timer];

		if (tick_of(entry->at_ns) > t->tick) {
			put(t, *entry);
			continue;
		}
		if (i + AHEAD < from.count)
			prefetch(t, from.entries[i + AHEAD].timer);
		if (is_stale(t, entry))
			continue;
		if (timer->at_ns > entry->at_ns)
			enter(t, timer);
		else
			heap_push(t, *entry);
	}
	return from.count;
}

/* Brings all of the present tick into the heap. False: not all of it yet. */
static bool
settle(struct wr_timers *t, uint32_t *moves)
{
	for (uint32_t level = WR_TIMER_LEVELS; level-- > 0;) {
		uint32_t place = present_of(t, level);

		while (t->slots[place].first != NONE) {
			if (*moves >= WR_TIMERS_MOVE)
				return false;
			*moves += move_down(t, place) + 1;
		}
	}
	return true;
}

static bool
is_settled(const struct wr_timers *t)
{
	for (uint32_t level = 0; level < WR_TIMER_LEVELS; level++)
		if (t->slots[present_of(t, level)].first != NONE)
			return false;
	return true;
}

/* The first tick after the present one at which a slot begins that holds something. Slots
 * of a lower level end before the next one of a higher level begins. */
static bool
next_tick(const struct wr_timers *t, uint64_t *tick)
{
	for (uint32_t level = 0; level < WR_TIMER_LEVELS; level++) {
		uint32_t shift = level * DIGIT;
		uint64_t digit = t->tick >> shift & DIGIT_MASK;
		uint64_t later = t->occupied[level] & -(2ull << digit);

		if (later == 0)
			continue;
		*tick = (t->tick >> shift & ~(uint64_t)DIGIT_MASK) << shift |
			(uint64_t)__builtin_ctzll(later) << shift;
		return true;
	}
	return false;
}

/* The first of the heap, which is due, comes out: it fires, or its deadline has moved. */
static unsigned
fire_first(struct wr_timers *t, struct wr_timer_due *due)
{
	struct wr_timer_entry entry = t->heap[0];
	struct wr_timer *timer = &t->timers[entry.timer];

	heap_pop(t);
	if (is_stale(t, &entry))
		return 0;
	if (timer->at_ns > entry.at_ns) {
		enter(t, timer);
		return 0;
	}
	*due = (struct wr_timer_due){.id = name_of(t, entry.timer),
		.user = t->users[entry.timer],
		.at_ns = timer->at_ns};
	give_timer(t, timer);
	return 1;
}

unsigned
wr_timers_expire(
	struct wr_timers *t, uint64_t now_ns, struct wr_timer_due *due, unsigned most)
{
	unsigned fired = 0;
	uint32_t moves = 0;
	uint64_t tick;

	while (fired < most && settle(t, &moves)) {
		while (fired < most && t->heap_count > 0 && t->heap[0].at_ns <= now_ns)
			fired += fire_first(t, &due[fired]);
		if (fired == most)
			break;
		if (!next_tick(t, &tick) || tick > tick_of(now_ns)) {
			if (tick_of(now_ns) > t->tick)
				t->tick = tick_of(now_ns);
			break;
		}
		t->tick = tick;
	}
	return fired;
}

uint64_t
wr_timers_next_ns(const struct wr_timers *t)
{
	uint64_t tick;

	if (t->armed == 0)
		return WR_TIMER_NEVER;
	if (!is_settled(t))
		return t->tick << WR_TIMER_TICK_BITS;
	if (t->heap_count > 0)
		return t->heap[0].at_ns;
	return next_tick(t, &tick) ? tick << WR_TIMER_TICK_BITS : WR_TIMER_NEVER;
}

/* ---- arming ----------------------------------------------------------------------------------------- */

wr_timer_id
wr_timers_arm(struct wr_timers *t, uint64_t at_ns, uint64_t user)
{
	uint32_t index = take_timer(t);

	if (index == NONE)
		return 0;
	t->timers[index].at_ns = at_ns;
	t->users[index] = user;
	enter(t, &t->timers[index]);
	keep_bounded(t);
	return name_of(t, index);
}

bool
wr_timers_rearm(struct wr_timers *t, wr_timer_id id, uint64_t at_ns)
{
	struct wr_timer *timer = armed_by(t, id);
	uint64_t was_ns;

	if (!timer)
		return false;
	was_ns = timer->at_ns;
	timer->at_ns = at_ns;
	if (at_ns < was_ns) {
		enter(t, timer);
		keep_bounded(t);
	}
	return true;
}

bool
wr_timers_cancel(struct wr_timers *t, wr_timer_id id)
{
	struct wr_timer *timer = armed_by(t, id);

	if (!timer)
		return false;
	give_timer(t, timer);
	return true;
}

/* ---- memory ------------------------------------------------------------------------------------------ */

/* Stale ones included there are fewer than 2.2 entries a timer, and a slot has one chunk
 * that is not full yet. With few timers there are no more chunks than entries. */
static uint32_t
chunks_for(uint32_t most)
{
	uint32_t entries = most * 2 + most / 2 + SLACK;
	uint32_t full = entries / WR_TIMER_CHUNK + WR_TIMER_PLACES;

	return (entries < full ? entries : full) + 2;
}

static size_t
lines(size_t bytes)
{
	return (bytes + 63) & ~(size_t)63;
}

size_t
wr_timers_bytes(uint32_t most)
{
	if (most == 0 || most > WR_TIMERS_MOST)
		return 0;
	return chunks_for(most) * sizeof(struct wr_timer_chunk) +
		lines(most * sizeof(struct wr_timer)) + lines(most * sizeof(uint64_t)) +
		lines(2 * (size_t)most * sizeof(struct wr_timer_entry));
}

int
wr_timers_init(struct wr_timers *t, void *memory, uint32_t most, uint64_t now_ns)
{
	unsigned char *at = memory;

	if (!memory || wr_timers_bytes(most) == 0)
		return -WEIR_E_USAGE_INVAL;
	*t = (struct wr_timers){.tick = tick_of(now_ns),
		.timers_most = most,
		.timer_free = NONE,
		.heap_most = 2 * most,
		.chunks_most = chunks_for(most),
		.chunk_free = NONE};
	for (uint32_t place = 0; place < WR_TIMER_PLACES; place++)
		t->slots[place] = (struct wr_timer_slot){.first = NONE};
	t->chunks = (struct wr_timer_chunk *)(void *)at;
	at += t->chunks_most * sizeof(struct wr_timer_chunk);
	t->timers = (struct wr_timer *)(void *)at;
	at += lines(most * sizeof(struct wr_timer));
	t->users = (uint64_t *)(void *)at;
	at += lines(most * sizeof(uint64_t));
	t->heap = (struct wr_timer_entry *)(void *)at;
	return 0;
}

uint32_t
wr_timers_chunks(const struct wr_timers *t)
{
	uint32_t count = t->chunks_used;

	for (uint32_t chunk = t->chunk_free; chunk != NONE; chunk = t->chunks[chunk].next)
		count--;
	return count;
}
