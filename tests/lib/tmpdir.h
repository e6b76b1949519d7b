/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Each test has a directory of its own, mode 0700, which is also its WEIR_RUNTIME_DIR; the
 * runner makes it before and removes it, with all that is in it, after the test.
 */
#ifndef WR_TESTS_LIB_TMPDIR_H
#define WR_TESTS_LIB_TMPDIR_H

#include <stddef.h>

/* The directory of the running test. Helpers have it too. */
const char *wr_tmpdir(void);

/* Writes "<directory>/<name>" into buf and returns buf. */
char *wr_tmpdir_path(char *buf, size_t size, const char *name);

/* How many entries there are in a directory, below it and so on; < 0 if it is not there. */
int wr_tmpdir_count(const char *path);

/* For the runner. */
int wr_tmpdir_make(void);
void wr_tmpdir_remove(const char *path);

#endif
