/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bindings/c/signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>

#include "bus/atomic.h"

enum { WATCHERS_MAX = 64 };

static const int signals[] = {SIGINT, SIGTERM};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(weir_bus *) watchers[WATCHERS_MAX];
static unsigned watching;
static struct sigaction before[2];
static bool taken[2];

/* Async-signal-safe: weir_stop stores a word and writes to an eventfd. */
static void
on_signal(int number)
{
	int saved = errno;

	(void)number;
	for (int i = 0; i < WATCHERS_MAX; i++) {
		weir_bus *bus = wr_load_acquire(signal_watch, &watchers[i]);

		if (bus)
			(void)weir_stop(bus);
	}
	errno = saved;
}

static void
take(void)
{
	struct sigaction ours = {.sa_handler = on_signal};

	sigemptyset(&ours.sa_mask);
	for (int i = 0; i < 2; i++) {
		taken[i] = sigaction(signals[i], NULL, &before[i]) == 0 &&
			(before[i].sa_flags & SA_SIGINFO) == 0 &&
			before[i].sa_handler == SIG_DFL &&
			sigaction(signals[i], &ours, NULL) == 0;
	}
}

/* Gives a signal back unless the program has changed it meanwhile. */
static void
give_back(void)
{
	for (int i = 0; i < 2; i++) {
		struct sigaction now;

		if (taken[i] && sigaction(signals[i], NULL, &now) == 0 &&
			now.sa_handler == on_signal)
			(void)sigaction(signals[i], &before[i], NULL);
		taken[i] = false;
	}
}

/* The buses are the parent's; a forked child dies of these signals as it would have. */
static void
in_child(void)
{
	pthread_mutex_init(&lock, NULL);
	for (int i = 0; i < WATCHERS_MAX; i++)
		wr_store_release(signal_watch, &watchers[i], NULL);
	watching = 0;
	give_back();
}

static void
watch_forks(void)
{
	pthread_atfork(NULL, NULL, in_child);
}

int
wr_signals_watch(weir_bus *bus)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int rc = -WEIR_E_AGAIN_QUOTA;

	pthread_once(&once, watch_forks);
	pthread_mutex_lock(&lock);
	for (int i = 0; i < WATCHERS_MAX && rc < 0; i++) {
		if (wr_load_relaxed(signal_watch, &watchers[i]))
			continue;
		wr_store_release(signal_watch, &watchers[i], bus);
		rc = 0;
	}
	if (rc == 0 && watching++ == 0)
		take();
	pthread_mutex_unlock(&lock);
	return rc;
}

void
wr_signals_release(weir_bus *bus)
{
	pthread_mutex_lock(&lock);
	for (int i = 0; i < WATCHERS_MAX; i++) {
		if (wr_load_relaxed(signal_watch, &watchers[i]) != bus)
			continue;
		wr_store_release(signal_watch, &watchers[i], NULL);
		if (--watching == 0)
			give_back();
		break;
	}
	pthread_mutex_unlock(&lock);
}
