/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What every public handle begins with: whose it is, and what went wrong with it.
 * A handle belongs to one thread at a time; the check on the data path is one compare.
 */
#ifndef WR_BUS_HANDLE_H
#define WR_BUS_HANDLE_H

#include <stdint.h>
#include <weir/error.h>

/* Numbers threads from 1; a forked child's thread gets a number of its own. */
extern _Thread_local uint64_t wr_self_number __attribute__((tls_model("initial-exec")));
uint64_t wr_self_assign(void);

/* A number that is no thread's. */
uint64_t wr_self_other(void);

static inline uint64_t
wr_self(void)
{
	return wr_self_number ? wr_self_number : wr_self_assign();
}

struct wr_handle {
	uint64_t owner;
	int32_t pid;
	int32_t code; /* not 0: every call answers -code and does nothing */
	struct weir_error err;
};

/* The handle of who has no memory for a handle: static, nobody's, and closed by nothing.
 * It has no process, which tells it from all others. */
#define WR_HANDLE_NONE \
	{ \
		.code = WEIR_E_ENV_MEMORY, \
		.err = {.code = WEIR_E_ENV_MEMORY, \
			.text = "no memory for a handle", \
			.hint = "free memory, or raise the cgroup's limit or RLIMIT_AS" } \
	}

void wr_handle_init(struct wr_handle *handle);

/* The calling thread owns it from now on. 0 or GONE_FORKED. */
int wr_handle_adopt(struct wr_handle *handle);

/* Why the calling thread may not use it: GONE_FORKED, USAGE_THREAD, or what it carries. */
int wr_handle_refuse(struct wr_handle *handle);

/* 0 if the calling thread may use the handle, else the error. */
static inline int
wr_handle_enter(struct wr_handle *handle)
{
	/* A thread without a number owns nothing: owner is never 0. */
	if (__builtin_expect(handle->owner == wr_self_number && handle->code == 0, 1))
		return 0;
	return wr_handle_refuse(handle);
}

/* The handle has failed for good with what its err says. Returns -code. */
int wr_handle_fail(struct wr_handle *handle);

#endif
