/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WR_TESTS_LIB_SIM_H
#define WR_TESTS_LIB_SIM_H

#include "tests/lib/test.h"

#include <weir/sim.h>

/* A simulation with these options, or the test has failed with the reason. */
static inline weir_sim *
sim_opened(const weir_sim_options *asked)
{
	weir_sim_options options = *asked;
	weir_error err;
	weir_sim *sim;

	options.size = sizeof(options);
	sim = weir_sim_open(&options, &err);
	if (!sim)
		FAIL("%s", err.text);
	REQUIRE(sim != NULL);
	return sim;
}

#endif
