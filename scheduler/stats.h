/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What has a consumer, and what has a reactor done so far? Eight counters each, in a cache
 * line of their own: whoever looks at one takes no other's line away, and the owner's stores
 * are plain ones. They only grow. A reader gets each word as it is at that moment; two of
 * them need not belong together.
 *
 * Built without metrics there are no counters, and what would count does nothing: it names its
 * counter only, and so needs none.
 *
 * Nothing is reset from outside, for that would be a second writer: who wants to know what
 * happened since then keeps what there was then, and takes the difference.
 */
#ifndef WR_SCHEDULER_STATS_H
#define WR_SCHEDULER_STATS_H

#include <string.h>
#include <weir/options.h>

#include "bus/atomic.h"

#if WEIR_METRICS

/* What is counted: name, and what it says. */
#define WR_CONSUMER_STATS(X) \
	X(polls, "polls") \
	X(messages, "messages delivered") \
	X(busy_ns, "nanoseconds in its handler, where they were measured") \
	X(violations, "polls over a limit") \
	X(yields, "times that it gave way by itself") \
	X(forfeits, "turns that it lost for what it took before") \
	X(promotions, "times that it came to a higher tier") \
	X(demotions, "times that it came back to a lower tier")

#define WR_REACTOR_STATS(X) \
	X(turns, "turns of the loop") \
	X(polls, "polls") \
	X(messages, "messages delivered") \
	X(busy_ns, "nanoseconds in handlers, where they were measured") \
	X(idle_ns, "nanoseconds asleep") \
	X(sleeps, "times that it slept") \
	X(timers, "timers that fired") \
	X(violations, "polls over a limit")

enum { WR_STATS_WORDS = 8, WR_STATS_LINE = 64 };

#define WR_STATS_WORD(name, what) wr_a64 name;
struct wr_consumer_stats {
	_Alignas(WR_STATS_LINE) struct {
		WR_CONSUMER_STATS(WR_STATS_WORD)
	};
};
struct wr_reactor_stats {
	_Alignas(WR_STATS_LINE) struct {
		WR_REACTOR_STATS(WR_STATS_WORD)
	};
};
#undef WR_STATS_WORD

_Static_assert(sizeof(struct wr_consumer_stats) == WR_STATS_LINE, "a line, and no more");
_Static_assert(sizeof(struct wr_reactor_stats) == WR_STATS_LINE, "a line, and no more");
_Static_assert(_Alignof(struct wr_consumer_stats) == WR_STATS_LINE, "of its own");
_Static_assert(_Alignof(struct wr_reactor_stats) == WR_STATS_LINE, "of its own");

/* The same words, as a reader has them, in the order of the lists above. */
struct wr_stats_read {
	uint64_t words[WR_STATS_WORDS];
};

/* The owner. */
#define WR_COUNT(word, more) wr_stat_add((word), (more))

/* From none; the owner. */
#define wr_stats_clear(stats) ((void)memset((stats), 0, sizeof(*(stats))))

/* A poll is over; ns is 0 where it was not measured. The owner. */
static inline void
wr_stats_poll(struct wr_consumer_stats *consumer, struct wr_reactor_stats *reactor,
	uint64_t messages, uint64_t ns)
{
	wr_stat_add(&consumer->polls, 1);
	wr_stat_add(&consumer->messages, messages);
	wr_stat_add(&reactor->polls, 1);
	wr_stat_add(&reactor->messages, messages);
	if (ns == 0)
		return;
	wr_stat_add(&consumer->busy_ns, ns);
	wr_stat_add(&reactor->busy_ns, ns);
}

/* Any thread. */
struct wr_stats_read wr_stats_of_consumer(const struct wr_consumer_stats *stats);
struct wr_stats_read wr_stats_of_reactor(const struct wr_reactor_stats *stats);

/* What was added since. */
struct wr_stats_read wr_stats_since(struct wr_stats_read now, struct wr_stats_read then);

/* Names and meanings of the words; "" beyond the last. */
const char *wr_stats_consumer_name(unsigned word);
const char *wr_stats_consumer_what(unsigned word);
const char *wr_stats_reactor_name(unsigned word);
const char *wr_stats_reactor_what(unsigned word);

#else

#define WR_COUNT(word, more)                           ((void)sizeof(more))
#define wr_stats_clear(stats)                          ((void)0)
#define wr_stats_poll(consumer, reactor, messages, ns) ((void)sizeof((messages) + (ns)))

#endif

#endif
