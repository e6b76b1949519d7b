/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A function in a forked child: for what a process can do only once, such as giving up
 * its user, or setting a filter on its system calls. Checks made in the child are lost;
 * it reports through the outcome, which the test then checks.
 */
#ifndef WR_TESTS_LIB_CHILD_H
#define WR_TESTS_LIB_CHILD_H

#include <weir/error.h>

#include <stdint.h>
#include <sys/types.h>

struct wr_outcome {
	int status; /* how it ended: exit code, or 128 + the signal */
	int rc;
	struct weir_error err;
	int64_t value[8];
};

typedef void (*wr_child_fn)(struct wr_outcome *out, void *arg);

/* Runs fn in a child and waits for its end. */
struct wr_outcome wr_in_child(wr_child_fn fn, void *arg);

/* Becomes another user with one group and no others; ends the child with 99 if not. */
void wr_become(uid_t uid, gid_t gid);

/* From now on the system call answers with errno os; ends the child with 99 if not. */
void wr_refuse_call(long number, int os);

#endif
