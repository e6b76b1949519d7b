/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A kernel that refuses a system call, for this process and what it starts from here on. */
#ifndef WR_TESTS_LIB_REFUSE_H
#define WR_TESTS_LIB_REFUSE_H

#include "tests/lib/test.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

/* The call fails with that errno. Skips the test where no filter can be set. */
static inline void
refuse_call(unsigned number, int error)
{
	struct sock_filter steps[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	struct sock_fprog program = {
		.len = sizeof(steps) / sizeof(steps[0]), .filter = steps};

	REQUIRE_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		TEST_SKIP("no filter for system calls can be set here");
}

#endif
