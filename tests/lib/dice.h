/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Numbers that are the same in every run: xorshift (Marsaglia 2003). */
#ifndef WR_TESTS_LIB_DICE_H
#define WR_TESTS_LIB_DICE_H

#include <stdint.h>

#define WR_DICE_SEED 88172645463325252ull

/* The next one, 0 to below - 1. *seed is not 0. */
static inline uint64_t
wr_dice_roll(uint64_t *seed, uint64_t below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed % below;
}

#endif
