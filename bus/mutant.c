/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/mutant.h"

#if defined(WR_MUTANTS)
#include <stdlib.h>
#include <string.h>

enum wr_mutant wr_mutant_on;

__attribute__((constructor)) static void
choose(void)
{
	static const char *const names[] = {
		"NONE",
#define WR_MUTANT_DEF(name) #name,
#include "bus/mutant.def"
#undef WR_MUTANT_DEF
	};
	const char *wanted = getenv("WEIR_MUTANT");

	for (int i = 0; wanted && i < WR_MUTANT_COUNT; i++)
		if (strcmp(wanted, names[i]) == 0)
			wr_mutant_on = (enum wr_mutant)i;
}
#endif
