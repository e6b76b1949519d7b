/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Classes of a simulated load, as people write them on a command line. */
#ifndef TOOLS_CLASSES_H
#define TOOLS_CLASSES_H

#include <weir/sim.h>

/*
 * Classes apart by commas, each COUNTxWEIGHT, and behind that in any order
 *
 *	@COST                 what a poll costs
 *	/TIME                 a timer gives each of them a poll to do so often
 *	+COST/N, +COST*K/N    the last, or the last K, of every N polls of each cost this
 *	~COST:FROM-UNTIL      from then until then each poll costs this; either may be left out
 *
 * A cost and a time is a whole number with ns, us, ms or s. 0, or TOOL_USAGE after saying what
 * is wrong.
 */
int classes_take(
	const char *text, weir_sim_class classes[WEIR_SIM_CLASSES_MAX], size_t *count);

/* So many consumers of the four usual weights, in the proportions of the table of 48. */
void classes_spread(uint64_t consumers, weir_sim_class classes[WEIR_SIM_CLASSES_MAX],
	size_t *count);

#endif
