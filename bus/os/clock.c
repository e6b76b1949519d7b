/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "bus/os/clock.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

enum {
	MEASURE_NS = 100 * 1000, /* the first measurement; good to about 1 in 2,000 */
	MEASURE_TRIES = 100 * 1000, /* a clock that stands still must not hold us up */
	SPAN_NS_FIRST = 200 * 1000, /* so an anchor holds 0.1 us at first */
	SPAN_NS_MAX = 1000 * 1000,
	TRUST_NS = 10 * 1000,            /* the counter may differ by this much */
	CHECK_NS_MAX = 16 * 1000 * 1000, /* after longer gaps a difference says nothing */
	PAIR_TRIES = 8
};

/* The clock's rate may be steered; measurements older than this are forgotten. */
#define BASE_NS_MAX ((uint64_t)1000 * 1000 * 1000)

/* Two readings further apart than this were torn by an interruption. */
#define PAIR_NS_MAX 1000

/* The same moment on both clocks. */
struct pair {
	uint64_t ticks;
	uint64_t ns;
	uint64_t width; /* in ticks: how sure */
};

/* What the process knows about its counter. */
static struct {
	bool good;
	uint64_t scale;
} counter;
static pthread_once_t counter_once = PTHREAD_ONCE_INIT;

uint64_t
wr_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The narrowest of a few tries; one is enough when it is narrow at once. */
static struct pair
take_pair(uint64_t narrow)
{
	struct pair best = {.width = UINT64_MAX};

	for (int i = 0; i < PAIR_TRIES && best.width > narrow; i++) {
		uint64_t before = wr_clock_ticks(), ns = wr_now_ns();
		uint64_t width = wr_clock_ticks() - before;

		if (width < best.width) {
			best.ticks = before + width / 2;
			best.ns = ns;
			best.width = width;
		}
	}
	return best;
}

static uint64_t
scale_of(uint64_t ns, uint64_t ticks)
{
	return (uint64_t)((double)ns / (double)ticks * 4294967296.0);
}

static uint64_t
ticks_of(uint64_t ns, uint64_t scale)
{
	return (uint64_t)((double)ns * 4294967296.0 / (double)scale);
}

/* Does the hardware say that its counter never changes its pace and never stops? */
static bool
counter_is_constant(void)
{
#if defined(__x86_64__) || defined(__i386__)
	unsigned a, b, c, d;
	int mode = PR_TSC_ENABLE;

	/* A sandbox may make reading it fatal. */
	if (prctl(PR_GET_TSC, &mode) == 0 && mode != PR_TSC_ENABLE)
		return false;
	/*
	 * The bit behind constant_tsc and nonstop_tsc in /proc/cpuinfo, which takes a
	 * large machine long to print.
	 */
	return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 1u << 8);
#elif defined(__aarch64__)
	return true;
#else
	return false;
#endif
}

/* Has the kernel itself given the counter up? It watches it better than we could. */
static bool
kernel_gave_it_up(void)
{
	static const char *const others[] = {"hpet", "acpi_pm", "jiffies", "pit"};
	char name[32];
	int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource",
		O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, name, sizeof(name) - 1);
	close(fd);
	if (n <= 0)
		return false;
	name[n] = '\0';
	name[strcspn(name, "\n")] = '\0';
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (!strcmp(name, others[i]))
			return true;
	return false;
}

static void
measure(void)
{
	struct pair from, to;

	if (!counter_is_constant() || kernel_gave_it_up())
		return;
	from = take_pair(0);
	to = from;
	for (int i = 0; i < MEASURE_TRIES && to.ns - from.ns < MEASURE_NS; i++)
		to = take_pair(0);
	if (to.ticks <= from.ticks || to.ns - from.ns < MEASURE_NS)
		return;
	counter.scale = scale_of(to.ns - from.ns, to.ticks - from.ticks);
	/* Slower than 1 MHz it is no help; the product of span and scale must fit too. */
	counter.good = counter.scale > 0 && counter.scale < (uint64_t)1000 << 32;
}

static void
set_anchor(struct wr_clock *clock, const struct pair *pair)
{
	clock->anchor_ticks = pair->ticks;
	clock->anchor_ns = pair->ns;
	clock->span_ticks = ticks_of(clock->span_ns, clock->scale);
}

void
wr_clock_init(struct wr_clock *clock)
{
	struct pair pair;

	memset(clock, 0, sizeof(*clock));
	pthread_once(&counter_once, measure);
	if (!counter.good) {
		clock->plain = true;
		return;
	}
	clock->scale = counter.scale;
	clock->span_ns = SPAN_NS_FIRST;
	pair = take_pair(0);
	clock->base_ticks = pair.ticks;
	clock->base_ns = pair.ns;
	set_anchor(clock, &pair);
}

/* Does the counter still tell the same time as the kernel? */
static bool
agrees(const struct wr_clock *clock, const struct pair *pair)
{
	int64_t ticks = (int64_t)(pair->ticks - clock->anchor_ticks);
	int64_t ns = (int64_t)(pair->ns - clock->anchor_ns);
	double differs;

	if (ns > CHECK_NS_MAX)
		return true;
	differs = (double)ticks * (double)clock->scale / 4294967296.0 - (double)ns;
	return differs < TRUST_NS && differs > -TRUST_NS;
}

/* Measures the scale again, over the time since the base. */
static void
refine(struct wr_clock *clock, const struct pair *pair)
{
	uint64_t ns = pair->ns - clock->base_ns;

	if (ns > BASE_NS_MAX) {
		/* From the anchor before, which lies a span or more back. */
		clock->base_ticks = clock->anchor_ticks;
		clock->base_ns = clock->anchor_ns;
		ns = pair->ns - clock->base_ns;
	}
	if (ns > BASE_NS_MAX) {
		/* A long pause, maybe a suspended machine: begin again. */
		clock->base_ticks = pair->ticks;
		clock->base_ns = pair->ns;
		clock->span_ns = SPAN_NS_FIRST;
	} else if (ns >= SPAN_NS_FIRST && pair->ticks > clock->base_ticks) {
		clock->scale = scale_of(ns, pair->ticks - clock->base_ticks);
		if (clock->span_ns < SPAN_NS_MAX)
			clock->span_ns += SPAN_NS_FIRST;
	}
}

uint64_t
wr_clock_anchor(struct wr_clock *clock)
{
	uint64_t ticks = UINT64_MAX, now;

	if (!clock->plain) {
		uint64_t narrow = ticks_of(PAIR_NS_MAX / 4, clock->scale);
		struct pair pair = take_pair(narrow);

		if (pair.width <= narrow * 4 && agrees(clock, &pair)) {
			refine(clock, &pair);
			set_anchor(clock, &pair);
			ticks = wr_clock_ticks() - clock->anchor_ticks;
		} else if (pair.width <= narrow * 4) {
			clock->plain = true;
			clock->span_ticks = 0;
		}
	}
	/* Without a good pair, or when it has aged already, the kernel tells the time. */
	if (ticks < clock->span_ticks)
		now = clock->anchor_ns + (ticks * clock->scale >> 32);
	else
		now = wr_now_ns();
	if (now < clock->last_ns)
		return clock->last_ns;
	clock->last_ns = now;
	return now;
}
