/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/bell.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "bus/mutant.h"

void
wr_bell_init(struct wr_bell *bell)
{
	pthread_mutex_init(&bell->lock, NULL);
	bell->fd = -1;
	wr_store_relaxed(wake_rung, &bell->rung, 0);
}

void
wr_bell_set(struct wr_bell *bell, int fd)
{
	pthread_mutex_lock(&bell->lock);
	if (bell->fd >= 0)
		close(bell->fd);
	bell->fd = fd;
	wr_store_relaxed(wake_rung, &bell->rung, 0);
	pthread_mutex_unlock(&bell->lock);
}

void
wr_bell_ring(struct wr_bell *bell)
{
	static const uint64_t one = 1;

	pthread_mutex_lock(&bell->lock);
	/* A full counter still leaves its token, so a refused write is no loss. */
	if (bell->fd >= 0 && write(bell->fd, &one, sizeof(one)) < 0)
		(void)0;
	pthread_mutex_unlock(&bell->lock);
}

bool
wr_bell_ring_epoch(struct wr_bell *bell, uint64_t epoch)
{
	if (WR_MUTANT(WAKE_BOOLRUNG)) {
		if (wr_exchange(wake_ring, &bell->rung, 1) != 0)
			return false;
	} else if (wr_exchange(wake_ring, &bell->rung, epoch) == epoch) {
		return false;
	}
	wr_bell_ring(bell);
	return true;
}

int
wr_bell_make(void)
{
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

int
wr_bell_watch(struct wr_poller *poller, int bell_fd)
{
	return wr_poller_add(poller, bell_fd, WR_TOKEN, NULL);
}
