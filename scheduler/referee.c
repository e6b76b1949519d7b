/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/referee.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "scheduler/wheel.h"

enum { ROUND_PARTS = WR_WHEEL_ROUND * WR_WHEEL_PARTS };

/* A new weight counts from the charge for the next poll on. Where that poll comes, and who
 * stands in front of it there, the old one has said; the one after it is the first that is
 * wholly the new one's. */
enum { SETTLING_POLLS = 2 };

void
wr_referee_breaks(struct wr_referee *referee, const char *fmt, ...)
{
	va_list args;
	int length;

	if (referee->broken++ > 0)
		return;
	length = snprintf(referee->text, sizeof(referee->text), "step %" PRIu64 ": ",
		referee->step);
	va_start(args, fmt);
	vsnprintf(referee->text + length, sizeof(referee->text) - (size_t)length, fmt,
		args);
	va_end(args);
}

static uint64_t
round_of(const struct wr_referee *referee)
{
	return *referee->now / WR_WHEEL_ROUND;
}

/* Its stride is a whole number of parts: only then is there something exact to say. */
static bool
is_exact(const struct wr_turn *turn)
{
	return 4 * ROUND_PARTS % wr_turn_quarters(turn) == 0;
}

static int64_t
stride_of(const struct wr_turn *turn)
{
	return 4 * ROUND_PARTS / (int64_t)wr_turn_quarters(turn);
}

/* Its polls of a round are a whole number. */
static bool
is_whole(const struct wr_turn *turn)
{
	return is_exact(turn) && wr_turn_quarters(turn) % 4 == 0;
}

/* ---- in and out --------------------------------------------------------------------------- */

static void
check_sums(struct wr_referee *referee)
{
	referee->checks++;
	if (referee->select->count != referee->in_count)
		wr_referee_breaks(referee,
			"%" PRIu32 " consumers are in, the queue counts %" PRIu32,
			referee->in_count, referee->select->count);
	if (referee->select->quarters != referee->in_quarters)
		wr_referee_breaks(referee,
			"they weigh %" PRIu32 " quarters, the queue counts %" PRIu32,
			referee->in_quarters, referee->select->quarters);
}

static void
begin_comparison(struct wr_referee *referee, const struct wr_player *player)
{
	uint32_t row = player->watched - 1u;

	if (player->watched == 0)
		return;
	for (uint32_t i = 0; i < referee->watched_count; i++)
		referee->more[row][i] = referee->more[i][row] = 0;
}

void
wr_referee_added(struct wr_referee *referee, uint32_t i)
{
	struct wr_player *player = &referee->players[i];

	if (player->in)
		return;
	player->in = true;
	player->out = false;
	player->settling = 0;
	player->seen = referee->step;
	player->polls = 0;
	if (referee->now)
		player->entered = player->round = round_of(referee);
	referee->in_count++;
	player->quarters = (uint16_t)wr_turn_quarters(referee->turns[i]);
	referee->in_quarters += player->quarters;
	begin_comparison(referee, player);
	check_sums(referee);
}

static void
leave(struct wr_referee *referee, uint32_t i)
{
	struct wr_player *player = &referee->players[i];

	player->in = player->out = false;
	referee->in_count--;
	referee->in_quarters -= player->quarters;
	check_sums(referee);
}

void
wr_referee_removed(struct wr_referee *referee, uint32_t i)
{
	if (referee->players[i].in)
		leave(referee, i);
}

void
wr_referee_rested(struct wr_referee *referee, uint32_t i)
{
	leave(referee, i);
}

void
wr_referee_weighed(struct wr_referee *referee, uint32_t i)
{
	struct wr_player *player = &referee->players[i];
	uint32_t quarters = wr_turn_quarters(referee->turns[i]);

	if (!player->in)
		return;
	referee->in_quarters += quarters - player->quarters;
	player->quarters = (uint16_t)quarters;
	player->settling = SETTLING_POLLS;
	check_sums(referee);
}

void
wr_referee_taken(struct wr_referee *referee, uint32_t i)
{
	struct wr_player *player = &referee->players[i];
	uint64_t gap = ++referee->step - player->seen;

	if (!player->in)
		wr_referee_breaks(
			referee, "consumer %" PRIu32 " is taken out and was not in", i);
	if (player->out)
		wr_referee_breaks(
			referee, "consumer %" PRIu32 " is taken out and was out", i);
	if (player->bound > 0 && gap > player->bound)
		wr_referee_breaks(referee,
			"consumer %" PRIu32 " has waited %" PRIu64
			" polls, more than %" PRIu32,
			i, gap, player->bound);
	player->seen = referee->step;
	player->out = true;
	check_sums(referee);
}

void
wr_referee_nobody(struct wr_referee *referee, uint32_t ready)
{
	referee->checks++;
	if (ready > 0)
		wr_referee_breaks(
			referee, "nobody is found, and %" PRIu32 " are ready", ready);
}

/* ---- polls -------------------------------------------------------------------------------- */

/* The first poll in a round ends the last one that it had polls in. Who came in it may have
 * been served early for the next, so that one does not count either. */
static void
check_round(struct wr_referee *referee, uint32_t i)
{
	struct wr_player *player = &referee->players[i];
	unsigned quarters = wr_turn_quarters(referee->turns[i]);
	unsigned least = quarters / 4, most = (quarters + 3) / 4;
	uint64_t round = round_of(referee);
	uint32_t polls = player->polls;

	if (round == player->round) {
		player->polls++;
		return;
	}
	if (round > player->round + 1 && least > 0)
		polls = 0;
	player->polls = 1;
	player->round = round;
	if (round < player->entered + 3 || !is_exact(referee->turns[i]))
		return;
	referee->checks++;
	if (polls < least || polls > most)
		wr_referee_breaks(referee,
			"consumer %" PRIu32 " had %" PRIu32
			" polls in a round, its weight is %u.%02u",
			i, polls, quarters / 4, quarters % 4 * 25);
}

/* Parts that the one may be ahead of the other. */
static int64_t
ahead_of(const struct wr_turn *a, const struct wr_turn *b)
{
	if (is_whole(a) && is_whole(b))
		return ROUND_PARTS;
	return stride_of(a) + stride_of(b) + 2 * WR_WHEEL_PARTS;
}

static void
compare(struct wr_referee *referee, uint32_t i)
{
	uint32_t row = referee->players[i].watched - 1u;
	const struct wr_turn *turn = referee->turns[i];
	int64_t step = stride_of(turn);

	for (uint32_t k = 0; k < referee->watched_count; k++) {
		uint32_t other = referee->watched[k];
		const struct wr_player *player = &referee->players[other];
		int64_t more;

		if (other == i || !player->in || player->settling)
			continue;
		more = referee->more[row][k] += step;
		referee->more[k][row] -= step;
		if (!is_exact(turn) || !is_exact(referee->turns[other]))
			continue;
		if (more > referee->more_most && is_whole(turn) &&
			is_whole(referee->turns[other]))
			referee->more_most = more;
		if (more > ahead_of(turn, referee->turns[other]))
			wr_referee_breaks(referee,
				"consumer %" PRIu32 " is %.3f rounds ahead of %" PRIu32,
				i, (double)more / ROUND_PARTS, other);
	}
	referee->checks++;
}

void
wr_referee_polled(struct wr_referee *referee, uint32_t i)
{
	struct wr_player *player = &referee->players[i];

	player->out = false;
	if (!referee->now)
		return;
	if (player->settling > 0) {
		player->settling--;
		player->entered = player->round = round_of(referee);
		player->polls = 0;
		begin_comparison(referee, player);
		return;
	}
	check_round(referee, i);
	if (player->watched > 0)
		compare(referee, i);
}

void
wr_referee_sweep(struct wr_referee *referee)
{
	for (uint32_t i = 0; i < referee->count; i++) {
		const struct wr_player *player = &referee->players[i];

		referee->checks++;
		if (player->in && player->bound > 0 &&
			referee->step - player->seen > player->bound)
			wr_referee_breaks(referee,
				"consumer %" PRIu32 " is in, and has waited %" PRIu64
				" polls, more than %" PRIu32,
				i, referee->step - player->seen, player->bound);
	}
}

/* ---- lifecycle ---------------------------------------------------------------------------- */

void
wr_referee_bound(struct wr_referee *referee, uint32_t i, uint32_t steps)
{
	referee->players[i].bound = steps;
}

void
wr_referee_init(struct wr_referee *referee, const struct wr_select *select,
	const uint64_t *now, const struct wr_turn *const *turns,
	struct wr_player *players, uint32_t count, uint64_t seed)
{
	uint32_t first = 0, apart = 1;

	*referee = (struct wr_referee){.select = select,
		.now = now,
		.turns = turns,
		.players = players,
		.count = count};
	for (uint32_t i = 0; i < count; i++)
		players[i] = (struct wr_player){.in = false};
	if (count > WR_REFEREE_WATCHED) {
		apart = count / WR_REFEREE_WATCHED;
		first = (uint32_t)(seed % apart);
	}
	for (uint32_t i = first;
		i < count && referee->watched_count < WR_REFEREE_WATCHED; i += apart) {
		referee->watched[referee->watched_count++] = i;
		players[i].watched = (uint8_t)referee->watched_count;
	}
}
