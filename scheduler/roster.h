/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Who is on a loop, and how is each of them doing, as others see it? The roster is a region
 * of its own, which observers map read-only: they see a process that does not answer, even
 * one that is stopped, and it does nothing for them.
 *
 * Without metrics (WEIR_METRICS) there is none.
 *
 * Each consumer has a place: a line of counters, and a line that says who it is. It counts
 * in its own memory, beside what its poll touches anyway, and what it has counted is copied
 * to its place when it has nothing more to do, and every 64th poll if it always has: to
 * count in the place itself would cost each poll a look into another page. What few have is
 * kept apart, so that a hundred thousand tasks cost two lines each: a sheet for who has a
 * name, or has changed its tier, and times for who is measured. Who finds no place, because
 * all are taken or there is no memory, is counted, and not shown.
 *
 * The loop's thread is the only writer; of the place of a consumer that is elsewhere
 * (scheduler/crew.h) the thread that has it, which takes and gives back nothing here. What belongs together is written between two steps
 * of `steps` (odd while it changes, a sequence lock), and a place that another consumer has
 * by now has another number. Observers believe nothing: indices are checked, and texts are
 * made of numbers by who reads them.
 */
#ifndef WR_SCHEDULER_ROSTER_H
#define WR_SCHEDULER_ROSTER_H

#include <weir/options.h>

#include "bus/layout.h"
#include "bus/os/region.h"
#include "scheduler/hist.h"
#include "scheduler/stats.h"
#include "scheduler/tiers.h"

/* Which loop has a consumer. In a lane it has whole turns; a lane and a further loop have a
 * thread of their own, beside the home loop's. */
enum wr_where { WR_AT_HOME = 0, WR_AT_FURTHER, WR_IN_LANE };

#if WEIR_METRICS

enum {
	WR_ROSTER_LAYOUT = 2, /* changes with every incompatible change of what is shown */
	WR_PLACES = 1 << 17,
	WR_SHEETS = 1 << 13,
	WR_TIMES = 1 << 9,
	WR_CHANGES = 4 /* of its tier that are kept, the latest ones */
};

#define WR_ROSTER_MAGIC 0x315453524f524957ull /* "WIRORST1" */
#define WR_ROSTER_LABEL "weir-roster"

/* ---- what is shown --------------------------------------------------------------------- */

struct wr_place {
	struct wr_consumer_stats stats;
	struct {
		_Alignas(WR_STATS_LINE) wr_a64 steps;
		wr_a64 number; /* of the consumer; 0: nobody is here */
		wr_a64 about; /* kind, tier, weight of 16 bits; per cent of it and where, of 8 */
		wr_a64 since_ns;     /* at this tier */
		wr_a64 active;       /* 1: it has something to do */
		wr_a64 subscription; /* that it is, by its number in its node; else 0 */
		wr_a64 sheet;        /* index and one; 0: none */
		wr_a64 times;        /* the same */
	};
};
_Static_assert(sizeof(struct wr_place) == 2 * WR_STATS_LINE, "two lines");

enum {
	WR_NAME_WORDS = WR_NAME_BYTES / 8,
	WR_CHANGE_WORDS = sizeof(struct wr_tier_change) / 8
};
_Static_assert(WR_CHANGE_WORDS * 8 == sizeof(struct wr_tier_change), "whole words");

struct wr_sheet {
	_Alignas(WR_STATS_LINE) wr_a64 changed; /* how often, in all */
	wr_a64 changes[WR_CHANGES][WR_CHANGE_WORDS];
	wr_a64 name[WR_NAME_WORDS];
};

struct wr_roster_hdr {
	/* written once */
	uint64_t magic;
	uint32_t layout;
	uint32_t header_bytes; /* offset of the first place */
	uint64_t node;
	uint64_t bytes;
	uint32_t pid, uid;
	uint32_t debug;           /* 1: not built for speed */
	char name[WR_NAME_BYTES]; /* of the node */

	/* writer: the loop's thread, as of all that follows */
	struct wr_reactor_stats stats;
	_Alignas(WR_STATS_LINE) wr_a64 consumers; /* on the loop, */
	wr_a64 unseen;                            /* and of them without a place */
	wr_a64 places, sheets, times;             /* no index is larger than these */
	wr_a64 limit_ns; /* that a poll may take; a longer one counts against its consumer */
	wr_a64 begun;  /* turns; more than have ended while the loop is in one */
	wr_a64 thread; /* that has the loop, as the kernel numbers it */
};
_Static_assert(sizeof(struct wr_roster_hdr) <= WR_PAGE, "the header is a page");

#define WR_ROSTER_SHEETS (WR_PAGE + (uint64_t)WR_PLACES * sizeof(struct wr_place))
#define WR_ROSTER_TIMES \
	(WR_ROSTER_SHEETS + (uint64_t)WR_SHEETS * sizeof(struct wr_sheet))
#define WR_ROSTER_BYTES \
	((WR_ROSTER_TIMES + (uint64_t)WR_TIMES * sizeof(struct wr_latency) + WR_PAGE - 1) & \
		~(uint64_t)(WR_PAGE - 1))

/* ---- the loop's side --------------------------------------------------------------------- */

/* Equal pieces of the region, given out one by one. */
struct wr_shelf {
	uint8_t *at;
	uint32_t bytes, most;
	uint32_t used, ready; /* that were ever given out; that have memory */
	uint32_t *free;       /* given back */
	uint32_t free_count;
	wr_a64 *shown; /* how many were used */
};

struct wr_roster {
	struct wr_region region;
	struct wr_roster_hdr *hdr;
	struct wr_shelf places, sheets, times;
	bool measuring;
};

/* What a consumer has of it; in its task. */
struct wr_entry {
	struct wr_place *place;     /* NULL: it is not shown */
	struct wr_latency *latency; /* NULL: it is not measured */
	struct wr_sheet *sheet;     /* NULL: none */
	uint64_t ready_ns; /* while it is: since when it waits for a poll; 0: not known */
};

/* Who it is. */
struct wr_about {
	uint64_t number, subscription, since_ns;
	const char *name; /* NULL: it has none */
	uint16_t kind;    /* enum weir_kind */
	uint16_t tier, weight;
	uint8_t percent; /* of its weight, that its tier leaves it */
	uint8_t where;   /* enum wr_where */
};

/* Shared with observers, or for this process alone. On an error (those of wr_region_create)
 * the roster holds nothing and may be used: nobody is shown. */
int wr_roster_open(struct wr_roster *r, uint64_t node, const char *name, bool shared,
	struct weir_error *err);
void wr_roster_close(struct wr_roster *r);

/* A consumer comes onto the loop, having counted nothing, and leaves it. roster may be NULL. A
 * few hundred nanoseconds, and some microseconds where the region grows. */
void wr_roster_enter(
	struct wr_roster *r, struct wr_entry *entry, const struct wr_about *about);
void wr_roster_leave(struct wr_roster *r, struct wr_entry *entry);

/* So much it has counted. A few nanoseconds. */
void wr_roster_count(struct wr_entry *entry, const struct wr_consumer_stats *stats);

/* It is another one now; and: it has changed its tier (roster NULL: on another loop). */
void wr_roster_say(struct wr_entry *entry, const struct wr_about *about);
void wr_roster_note(struct wr_roster *r, struct wr_entry *entry,
	const struct wr_about *about, const struct wr_tier_change *change);

/* Its times are taken from now on, from none; or are not any more. False: it is not
 * measured, for want of room. */
bool wr_roster_measure(struct wr_roster *r, struct wr_entry *entry, bool on);

/* A poll may take so long from now on. */
void wr_roster_limit(struct wr_roster *r, uint64_t limit_ns);

/* The calling thread has the loop from now on. A roster that was not opened: nothing happens. */
void wr_roster_thread(struct wr_roster *r);

/* A turn begins. Two loads and a store; r may be NULL. */
static inline void
wr_roster_turn(struct wr_roster *r)
{
	if (r)
		wr_stat_add(&r->hdr->begun, 1);
}

/* It has something to do now; it has not any more, and these are its polls so far: the rest of
 * what it counts is told where it changes. */
static inline void
wr_entry_rouse(struct wr_entry *entry)
{
	if (entry->place)
		wr_stat_set(&entry->place->active, 1);
}

static inline void
wr_entry_lay_down(struct wr_entry *entry, struct wr_consumer_stats *stats)
{
	if (!entry->place)
		return;
	wr_stat_set(&entry->place->stats.polls, wr_stat_get(&stats->polls));
	wr_stat_set(&entry->place->stats.messages, wr_stat_get(&stats->messages));
	wr_stat_set(&entry->place->active, 0);
}

/* ---- an observer's side, on whichever thread ------------------------------------------------ */

/* One consumer, as it was at one moment. */
struct wr_seen {
	struct wr_about about; /* name is the one below */
	struct wr_stats_read stats;
	uint64_t changed;
	bool active;
	uint32_t times; /* index and one, 0: it is not measured */
	char name[WR_NAME_BYTES];
	struct wr_tier_change changes[WR_CHANGES]; /* the latest first */
	uint32_t kept;                             /* of these */
};

/* True if this is the roster of that node, of WR_ROSTER_BYTES. */
bool wr_roster_is(const void *mem, uint64_t node);

/* How many places are to be looked at; how many consumers have none. */
uint32_t wr_roster_places(const void *mem);
uint64_t wr_roster_unseen(const void *mem);
/* True if its process runs a library that was not built for speed. */
bool wr_roster_debug(const void *mem);
struct wr_stats_read wr_roster_loop(const void *mem);
/* How long a poll may take. */
uint64_t wr_roster_limit_ns(const void *mem);
/* Turns that have begun, and the thread that has the loop. */
uint64_t wr_roster_begun(const void *mem);
uint32_t wr_roster_thread_of(const void *mem);

/* False: nobody is there, or it changed each time that we looked. */
bool wr_roster_see(const void *mem, uint32_t place, struct wr_seen *seen);
/* The same, if it is that consumer still. */
bool wr_roster_find(
	const void *mem, uint32_t place, uint64_t number, struct wr_seen *seen);

/* The times of one that was seen; NULL: it is not measured. */
const struct wr_latency *wr_roster_times(const void *mem, const struct wr_seen *seen);

#endif

#endif
