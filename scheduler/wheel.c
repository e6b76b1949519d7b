/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/wheel.h"

enum {
	ROUND_PARTS = WR_WHEEL_ROUND * WR_WHEEL_PARTS,
	LAP = WR_WHEEL_BUCKETS - 1, /* buckets; a whole circle ahead is here */
	LAPS_MAX = UINT16_MAX - 1,
	/* Of 65536: how far the first places of one weight are turned against those of the
	 * next, so that they do not all begin together. Chosen so that the table of 48
	 * consumers, which the tests have, keeps the gaps that are promised for it. */
	TURNED = 32417
};

#define AHEAD_MAX ((uint64_t)LAPS_MAX * LAP)

/* The strides of all paces, in parts, to the nearest. */
#define STRIDE(weight, quarters) \
	((4u * ROUND_PARTS + (weight) * (quarters) / 2u) / ((weight) * (quarters)))
#define OF_1(w)  STRIDE(w, 4u), STRIDE(w, 3u), STRIDE(w, 2u), STRIDE(w, 1u)
#define OF_4(w)  OF_1(w), OF_1((w) + 1u), OF_1((w) + 2u), OF_1((w) + 3u)
#define OF_16(w) OF_4(w), OF_4((w) + 4u), OF_4((w) + 8u), OF_4((w) + 12u)

static const uint32_t strides[WR_PACES] = {OF_16(1u), OF_16(17u), OF_16(33u), OF_16(49u)};

static struct wr_wheel *
wheel_of(struct wr_select *s)
{
	return (struct wr_wheel *)(void *)s;
}

static struct wr_ring *
bucket_of(struct wr_wheel *wheel, uint64_t bucket)
{
	return &wheel->buckets[bucket % WR_WHEEL_BUCKETS];
}

/* Into the bucket so many ahead of the present one, less than a circle. */
static void
append(struct wr_wheel *wheel, struct wr_turn *turn, uint64_t ahead)
{
	uint64_t bucket = wheel->now + ahead;

	wr_list_append(bucket_of(wheel, bucket), &turn->link);
	wheel->full[bucket / 64 % 2] |= 1ull << bucket % 64;
}

/* So many buckets ahead of the one that it is charged from, in which laps is 0. */
static void
place(struct wr_wheel *wheel, struct wr_turn *turn, uint64_t ahead)
{
	uint8_t late = (uint8_t)((uint8_t)wheel->now - turn->at);

	ahead = ahead > late ? ahead - late : 0;
	if (ahead > LAP) {
		turn->laps = (uint16_t)((ahead - 1) / LAP);
		ahead -= (uint64_t)turn->laps * LAP;
	}
	append(wheel, turn, ahead);
}

/* ---- forward ------------------------------------------------------------------------------ */

/* How far from `from` the next bucket is that may have somebody in it; 128: there is none. */
static unsigned
find_full(const uint64_t full[2], unsigned from)
{
	unsigned word = from / 64, bit = from % 64;

	if (full[word] >> bit)
		return (unsigned)__builtin_ctzll(full[word] >> bit);
	if (full[word ^ 1])
		return 64 - bit + (unsigned)__builtin_ctzll(full[word ^ 1]);
	if (full[word])
		return 128 - bit + (unsigned)__builtin_ctzll(full[word]);
	return WR_WHEEL_BUCKETS;
}

/* To the next bucket that has somebody in it; false if there is none. Bits are cleared
 * here, not when the last one leaves, so a remove need not know where it was. Not inline,
 * as the next one is not: the way of most decisions is shorter without them. */
static __attribute__((noinline)) bool
advance(struct wr_wheel *wheel)
{
	do {
		unsigned bucket = (unsigned)wheel->now % WR_WHEEL_BUCKETS, ahead;

		wheel->full[bucket / 64] &= ~(1ull << bucket % 64);
		ahead = find_full(wheel->full, (bucket + 1) % WR_WHEEL_BUCKETS);
		if (ahead == WR_WHEEL_BUCKETS)
			return false;
		wheel->now += 1 + ahead;
		wheel->shortest = UINT32_MAX;
	} while (wr_list_is_empty(bucket_of(wheel, wheel->now)));
	return true;
}

/* Laps that were counted in another quantum, in the present one. */
static void
recount(const struct wr_wheel *wheel, struct wr_turn *turn)
{
	int doubled = wheel->quantum_shift - turn->seat;
	uint64_t laps = turn->laps;

	laps = doubled > 0 ? laps >> (doubled < 16 ? doubled : 16)
			   : laps << (-doubled < 16 ? -doubled : 16);
	turn->laps = (uint16_t)(laps < LAPS_MAX ? laps : LAPS_MAX);
	turn->seat = wheel->quantum_shift;
}

static void
note_stride(struct wr_wheel *wheel, uint32_t stride)
{
	if (stride < wheel->shortest)
		wheel->shortest = stride;
}

/* Not yet: a lap further. */
static __attribute__((noinline)) void
pass_over(struct wr_wheel *wheel, struct wr_turn *turn)
{
	turn->laps--;
	if (wheel->select.by == &wr_wheel_times && turn->seat != wheel->quantum_shift)
		recount(wheel, turn);
	append(wheel, turn, LAP);
}

static struct wr_turn *
next(struct wr_select *s)
{
	struct wr_wheel *wheel = wheel_of(s);

	for (;;) {
		struct wr_turn *turn = wr_list_take(bucket_of(wheel, wheel->now));

		if (!turn) {
			if (!advance(wheel))
				return NULL;
			continue;
		}
		if (turn->laps > 0) {
			pass_over(wheel, turn);
			continue;
		}
		if (&turn->link == wheel->woken)
			wheel->woken = NULL;
		turn->at = (uint8_t)wheel->now;
		note_stride(wheel, strides[turn->pace]);
		return turn;
	}
}

/* ---- back --------------------------------------------------------------------------------- */

static void
put_poll(struct wr_select *s, struct wr_turn *turn, uint64_t cost)
{
	uint32_t parts = turn->part + strides[turn->pace];
	uint32_t ahead = parts / WR_WHEEL_PARTS;

	(void)cost;
	turn->part = (uint16_t)(parts - ahead * WR_WHEEL_PARTS);
	place(wheel_of(s), turn, ahead);
}

/* The quantum is at least the mean cost, and less than four times that: so it seldom
 * changes. When it does, those that wait keep their places. */
static void
follow_cost(struct wr_wheel *wheel, uint64_t cost)
{
	uint64_t mean;

	if (wheel->cost_sum == 0) {
		wheel->cost_sum = cost << 6;
		wheel->quantum_shift = (uint8_t)(64 - __builtin_clzll(cost));
		return;
	}
	wheel->cost_sum += cost - (wheel->cost_sum >> 6);
	mean = wheel->cost_sum >> 6;
	if (mean > 1ull << wheel->quantum_shift)
		wheel->quantum_shift++;
	else if (mean < 1ull << wheel->quantum_shift >> 2)
		wheel->quantum_shift--;
}

static void
put_time(struct wr_select *s, struct wr_turn *turn, uint64_t cost)
{
	struct wr_wheel *wheel = wheel_of(s);
	uint64_t parts, ahead;

	cost += cost == 0;
	if (cost >> WR_WHEEL_COST_BITS)
		cost = 1ull << WR_WHEEL_COST_BITS;
	follow_cost(wheel, cost);
	parts = strides[turn->pace] * cost;
	parts = (parts + (1ull << wheel->quantum_shift >> 1)) >> wheel->quantum_shift;
	parts += (uint64_t)turn->part + (parts == 0);
	ahead = parts / WR_WHEEL_PARTS;
	turn->part = (uint16_t)(parts - ahead * WR_WHEEL_PARTS);
	turn->seat = wheel->quantum_shift;
	place(wheel, turn, ahead < AHEAD_MAX ? ahead : AHEAD_MAX);
}

/* ---- come and go -------------------------------------------------------------------------- */

/*
 * True if a heavier one was served in the present bucket already: then whoever comes is not
 * served in it. A round later both would come to one bucket, where the lighter one stands
 * first, having been put there earlier, and would have had two polls to the heavier one's
 * round less one.
 */
static bool
is_late(const struct wr_wheel *wheel, const struct wr_turn *turn)
{
	return strides[turn->pace] > wheel->shortest;
}

/* The bits the other way round: 0, 1/2, 1/4, 3/4, 1/8 ... of 65536 (van der Corput 1935), so
 * that the first n of them lie evenly, for any n. */
static unsigned
reversed(unsigned n)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < 16; i++)
		bits |= (n >> i & 1u) << (15 - i);
	return bits;
}

/* Its first place: somewhere in the stride ahead, evenly among those of its weight. */
static void
seat(struct wr_wheel *wheel, struct wr_turn *turn)
{
	unsigned weight = wr_turn_weight(turn);
	unsigned nth = wheel->joined[weight - 1]++;
	uint64_t share = (reversed(nth) + weight * TURNED) % 65536u;
	uint64_t parts = strides[turn->pace] * share / 65536u;

	turn->part = (uint16_t)(parts % WR_WHEEL_PARTS);
	if (parts < WR_WHEEL_PARTS && is_late(wheel, turn))
		parts += WR_WHEEL_PARTS;
	place(wheel, turn, parts / WR_WHEEL_PARTS);
}

/* In front of the present bucket; the heaviest first, and of the same weight those that came
 * first. */
static void
wake(struct wr_wheel *wheel, struct wr_turn *turn)
{
	uint32_t stride = strides[turn->pace];

	turn->part = 0;
	if (is_late(wheel, turn)) {
		place(wheel, turn, 1);
		return;
	}
	if (wheel->woken && stride == wheel->shortest)
		wr_list_insert(wheel->woken, &turn->link);
	else
		wr_list_insert(bucket_of(wheel, wheel->now), &turn->link);
	wheel->woken = &turn->link;
	wheel->shortest = stride;
}

static void
add(struct wr_select *s, struct wr_turn *turn)
{
	bool fresh = turn->laps == WR_TURN_FRESH;

	turn->laps = 0;
	turn->at = (uint8_t)wheel_of(s)->now;
	if (fresh)
		seat(wheel_of(s), turn);
	else
		wake(wheel_of(s), turn);
}

static void
rest(struct wr_select *s, struct wr_turn *turn)
{
	(void)s, (void)turn;
}

static void
leave(struct wr_select *s, struct wr_turn *turn)
{
	struct wr_wheel *wheel = wheel_of(s);

	if (&turn->link == wheel->woken)
		wheel->woken = turn->link.prev == bucket_of(wheel, wheel->now)
			? NULL
			: turn->link.prev;
	wr_list_unlink(&turn->link);
	turn->laps = 0;
}

static void
weigh(struct wr_select *s, struct wr_turn *turn, uint8_t was)
{
	(void)s, (void)turn, (void)was;
}

void
wr_wheel_back(struct wr_wheel *wheel, struct wr_turn *turn)
{
	turn->state = WR_TURN_WAITING;
	wr_list_insert(bucket_of(wheel, wheel->now), &turn->link);
}

void
wr_wheel_init(struct wr_wheel *wheel, const struct wr_discipline *by)
{
	*wheel = (struct wr_wheel){.now = 0};
	wr_select_init(&wheel->select, by);
	wheel->shortest = UINT32_MAX;
	for (unsigned i = 0; i < WR_WHEEL_BUCKETS; i++)
		wr_list_init(&wheel->buckets[i]);
}

const struct wr_discipline wr_wheel_polls = {"priority",
	"by weight, exact in each round and evenly spread", add, next, put_poll, rest,
	leave, weigh};

const struct wr_discipline wr_wheel_times = {"time",
	"by weight, and what is shared is the time that polls take", add, next,
	put_time, rest, leave, weigh};
