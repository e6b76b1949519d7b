/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/handle.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "bus/atomic.h"
#include "bus/hub.h"
#include "bus/node.h"
#include "bus/window.h"

_Thread_local uint64_t wr_self_number;

static wr_a64 last_number;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/*
 * Other threads may have been anywhere when they were left behind: what they had locked
 * stays locked in the child, so it begins anew with what is the process's own.
 */
static void
in_child(void)
{
	wr_window_forget();
	wr_node_forget();
	wr_hub_forget();
	wr_self_number = wr_fetch_add(self_number, &last_number, 1) + 1;
}

static void
watch_forks(void)
{
	pthread_atfork(NULL, NULL, in_child);
}

uint64_t
wr_self_assign(void)
{
	pthread_once(&once, watch_forks);
	wr_self_number = wr_fetch_add(self_number, &last_number, 1) + 1;
	return wr_self_number;
}

uint64_t
wr_self_other(void)
{
	return wr_fetch_add(self_number, &last_number, 1) + 1;
}

void
wr_handle_init(struct wr_handle *handle)
{
	memset(handle, 0, sizeof(*handle));
	handle->owner = wr_self();
	handle->pid = getpid();
}

int
wr_handle_adopt(struct wr_handle *handle)
{
	if (handle->pid == 0)
		return -handle->code;
	if (handle->pid != getpid())
		return -WEIR_E_GONE_FORKED;
	/* Where it is ours already others may be looking at whose it is. */
	if (handle->owner != wr_self())
		handle->owner = wr_self();
	return 0;
}

int
wr_handle_refuse(struct wr_handle *handle)
{
	if (handle->pid == 0)
		return -handle->code;
	if (handle->pid != getpid())
		return -WEIR_E_GONE_FORKED;
	if (handle->owner != wr_self())
		return -WEIR_E_USAGE_THREAD;
	return -handle->code;
}

int
wr_handle_fail(struct wr_handle *handle)
{
	handle->code = handle->err.code;
	return -handle->code;
}
