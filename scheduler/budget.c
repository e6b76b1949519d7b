/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/budget.h"

#include <weir/error.h>

static bool
is_size(uint32_t units)
{
	return units >= WR_BUDGET_MIN && units <= WR_BUDGET_MAX;
}

/* ---- the owner's form -------------------------------------------------------------------- */

int
wr_budget_init(struct wr_budget *b, uint32_t units)
{
	if (!is_size(units))
		return -WEIR_E_USAGE_INVAL;
	*b = (struct wr_budget){.left = units, .full = (uint16_t)units};
	return 0;
}

int
wr_budget_resize(struct wr_budget *b, uint32_t units)
{
	if (!is_size(units))
		return -WEIR_E_USAGE_INVAL;
	b->full = (uint16_t)units;
	b->left = units;
	return 0;
}

void
wr_budget_renew(struct wr_budget *b)
{
	*b = (struct wr_budget){.left = b->full,
		.full = b->full,
		.generation = (uint8_t)(b->generation + 1)};
}

void
wr_budget_escalate(struct wr_budget *b)
{
	if (b->tier < WR_BUDGET_TIER_MAX)
		b->tier++;
}

uint32_t
wr_budget_part(uint32_t units, uint32_t percent)
{
	uint64_t part = (uint64_t)units * percent / 100;

	if (part < WR_BUDGET_MIN)
		return WR_BUDGET_MIN;
	return part < WR_BUDGET_MAX ? (uint32_t)part : WR_BUDGET_MAX;
}

/* ---- the shared form ----------------------------------------------------------------------- */

/* One word, so that who looks never sees a generation with another's size. */
static uint32_t
about(uint32_t full, uint8_t generation)
{
	return full | (uint32_t)generation << 24;
}

static uint32_t
full_of(uint32_t word)
{
	return word & UINT16_MAX;
}

int
wr_budget_shared_init(struct wr_budget_shared *b, uint32_t units)
{
	if (!is_size(units))
		return -WEIR_E_USAGE_INVAL;
	wr_store_relaxed(budget_until, &b->until_ns, 0);
	wr_store_relaxed(budget_about, &b->about, about(units, 0));
	wr_store_relaxed(budget_fill, &b->left, units);
	return 0;
}

void
wr_budget_shared_fill(struct wr_budget_shared *b)
{
	uint32_t word = wr_load_relaxed(budget_about, &b->about);

	wr_store_relaxed(budget_fill, &b->left, full_of(word));
}

void
wr_budget_shared_renew(struct wr_budget_shared *b)
{
	uint32_t word = wr_load_relaxed(budget_about, &b->about);

	wr_store_relaxed(budget_until, &b->until_ns, 0);
	wr_store_relaxed(budget_about, &b->about,
		about(full_of(word), (uint8_t)((word >> 24) + 1)));
	wr_store_relaxed(budget_fill, &b->left, full_of(word));
}

void
wr_budget_shared_until(struct wr_budget_shared *b, uint64_t until_ns)
{
	wr_store_relaxed(budget_until, &b->until_ns, until_ns);
}

bool
wr_budget_shared_is_over(struct wr_budget_shared *b, uint64_t now_ns)
{
	uint64_t until_ns = wr_load_relaxed(budget_until, &b->until_ns);

	return wr_budget_shared_left(b) == 0 || (until_ns != 0 && now_ns >= until_ns);
}

uint32_t
wr_budget_shared_left(struct wr_budget_shared *b)
{
	int32_t left = (int32_t)wr_load_relaxed(budget_look, &b->left);

	return left > 0 ? (uint32_t)left : 0;
}

uint8_t
wr_budget_shared_generation(struct wr_budget_shared *b)
{
	return (uint8_t)(wr_load_relaxed(budget_about, &b->about) >> 24);
}
