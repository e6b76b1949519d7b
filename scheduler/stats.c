/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/stats.h"

#define COUNT(name, what) +1
_Static_assert(0 WR_CONSUMER_STATS(COUNT) == WR_STATS_WORDS, "eight words");
_Static_assert(0 WR_REACTOR_STATS(COUNT) == WR_STATS_WORDS, "eight words");
#undef COUNT

#define NAME(name, what) #name,
#define WHAT(name, what) what,
static const char *const consumer_names[] = {WR_CONSUMER_STATS(NAME)};
static const char *const consumer_whats[] = {WR_CONSUMER_STATS(WHAT)};
static const char *const reactor_names[] = {WR_REACTOR_STATS(NAME)};
static const char *const reactor_whats[] = {WR_REACTOR_STATS(WHAT)};

static const char *
text_of(const char *const *texts, unsigned word)
{
	return word < WR_STATS_WORDS ? texts[word] : "";
}

const char *
wr_stats_consumer_name(unsigned word)
{
	return text_of(consumer_names, word);
}

const char *
wr_stats_consumer_what(unsigned word)
{
	return text_of(consumer_whats, word);
}

const char *
wr_stats_reactor_name(unsigned word)
{
	return text_of(reactor_names, word);
}

const char *
wr_stats_reactor_what(unsigned word)
{
	return text_of(reactor_whats, word);
}

struct wr_stats_read
wr_stats_of_consumer(const struct wr_consumer_stats *stats)
{
#define READ(name, what) wr_stat_get(&stats->name),
	return (struct wr_stats_read){{WR_CONSUMER_STATS(READ)}};
#undef READ
}

struct wr_stats_read
wr_stats_of_reactor(const struct wr_reactor_stats *stats)
{
#define READ(name, what) wr_stat_get(&stats->name),
	return (struct wr_stats_read){{WR_REACTOR_STATS(READ)}};
#undef READ
}

struct wr_stats_read
wr_stats_since(struct wr_stats_read now, struct wr_stats_read then)
{
	for (unsigned i = 0; i < WR_STATS_WORDS; i++)
		now.words[i] -= then.words[i];
	return now;
}
