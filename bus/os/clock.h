/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * CLOCK_MONOTONIC, plain and fast.
 *
 * A wr_clock reads the processor's tick counter and converts it, from an anchor that it
 * took on CLOCK_MONOTONIC at most about a millisecond ago. It stays within 1 us of
 * CLOCK_MONOTONIC and never runs backwards. Where the counter cannot be trusted, and from
 * the moment that it disagrees by more than 10 us, it is clock_gettime itself.
 *
 * A wr_clock belongs to one thread at a time. wr_now_ns may be called by any, also in a
 * signal handler.
 */
#ifndef WR_BUS_OS_CLOCK_H
#define WR_BUS_OS_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct wr_clock {
	uint64_t anchor_ticks;
	uint64_t anchor_ns;
	uint64_t scale;      /* nanoseconds a tick, times 2^32 */
	uint64_t span_ticks; /* how long the anchor holds; 0: always ask the kernel */
	uint64_t last_ns;    /* the latest time that was told */
	uint64_t base_ticks; /* an older anchor: the scale is measured from there */
	uint64_t base_ns;
	uint64_t span_ns;
	bool plain; /* the counter is not used */
};

/* Now, in nanoseconds of CLOCK_MONOTONIC. */
uint64_t wr_now_ns(void);

/* The first one of a process measures the counter for about 100 us. */
void wr_clock_init(struct wr_clock *clock);

/* A new anchor, and the time. wr_clock_now calls it when it is due. */
uint64_t wr_clock_anchor(struct wr_clock *clock);

/* The processor's counter; 0 where Weir knows none. */
static inline uint64_t
wr_clock_ticks(void)
{
#if defined(__x86_64__) || defined(__i386__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t ticks;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
	return ticks;
#else
	return 0;
#endif
}

static inline uint64_t
wr_clock_now(struct wr_clock *clock)
{
	/* A counter that ran backwards gives a huge number here, and a new anchor. */
	uint64_t ticks = wr_clock_ticks() - clock->anchor_ticks;
	uint64_t now;

	if (__builtin_expect(ticks >= clock->span_ticks, 0))
		return wr_clock_anchor(clock);
	now = clock->anchor_ns + (ticks * clock->scale >> 32);
	if (__builtin_expect(now < clock->last_ns, 0))
		return clock->last_ns;
	clock->last_ns = now;
	return now;
}

#endif
