/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/os/thread.h"

#include <signal.h>

int
wr_thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *arg)
{
	sigset_t all, before;
	int rc;

	/* It inherits the mask, so that there is no moment in which one could come. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc == 0)
		(void)pthread_setname_np(*thread, name);
	return rc;
}
