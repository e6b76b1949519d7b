/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the runner and the checks share; tests do not include this. */
#ifndef WR_TESTS_LIB_RUN_H
#define WR_TESTS_LIB_RUN_H

#include <setjmp.h>

/* Where the test was last heard of; shared with the process that watches it. The strings
 * are constants of the program and lie at the same address in both. */
struct wr_place {
	const char *volatile file;
	volatile int line;
};

struct wr_run {
	struct wr_place *place; /* NULL in a helper */
	int in_cunit; /* a test runs; else a helper, where checks end in exit 1 */
	int skipped;
	unsigned checked;
	unsigned failed;
	jmp_buf end;
};

struct wr_run *wr_run_now(void);

#endif
