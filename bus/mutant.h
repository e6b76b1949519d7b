/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Planted bugs: a build with WR_MUTANTS can switch one on by name (WEIR_MUTANT in the
 * environment), and the torture must then fail. In every other build WR_MUTANT is 0 and
 * the compiler drops the branch.
 */
#ifndef WR_BUS_MUTANT_H
#define WR_BUS_MUTANT_H

enum wr_mutant {
	WR_MUTANT_NONE = 0,
#define WR_MUTANT_DEF(name) WR_MUTANT_##name,
#include "bus/mutant.def"
#undef WR_MUTANT_DEF
	WR_MUTANT_COUNT
};

#if defined(WR_MUTANTS)
extern enum wr_mutant wr_mutant_on;
#define WR_MUTANT(name) (wr_mutant_on == WR_MUTANT_##name)
#else
#define WR_MUTANT(name) 0
#endif

#endif
