/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/window.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t **spare;
static size_t spare_count, spare_size;

static uint8_t *
map_zeroes(uint8_t *at, int prot)
{
	int fixed = at ? MAP_FIXED : 0;
	void *mem = mmap(at, WR_NODE_BYTES, prot,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

uint8_t *
wr_window_take(void)
{
	uint8_t *window = NULL;

	pthread_mutex_lock(&lock);
	if (spare_count > 0)
		window = spare[--spare_count];
	pthread_mutex_unlock(&lock);
	return window ? window : map_zeroes(NULL, PROT_READ);
}

int
wr_window_show(uint8_t *window, int fd)
{
	void *mem = mmap(window, WR_NODE_BYTES, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);

	return mem == MAP_FAILED ? -1 : madvise(window, WR_NODE_BYTES, MADV_DONTFORK);
}

int
wr_window_own(uint8_t *window)
{
	return map_zeroes(window, PROT_READ | PROT_WRITE) ? 0 : -1;
}

void
wr_window_give(uint8_t *window)
{
	if (!window)
		return;
	/* Without memory for the change it keeps showing what it shows: out of use. */
	if (!map_zeroes(window, PROT_READ))
		return;
	pthread_mutex_lock(&lock);
	if (spare_count == spare_size) {
		size_t size = spare_size ? spare_size * 2 : 64;
		uint8_t **grown = realloc(spare, size * sizeof(*grown));

		if (grown) {
			spare = grown;
			spare_size = size;
		}
	}
	if (spare_count < spare_size)
		spare[spare_count++] = window;
	pthread_mutex_unlock(&lock);
}

void
wr_window_forget(void)
{
	pthread_mutex_init(&lock, NULL);
	spare = NULL;
	spare_count = spare_size = 0;
}
