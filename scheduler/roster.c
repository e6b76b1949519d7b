/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/roster.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus/os/sched.h"

enum {
	TRIES = 64,          /* at a place that changes */
	GROW_MOST = 1 << 20, /* bytes of memory that are taken at once */
	FIELD = 16           /* bits of each part of `about` */
};

/* Whether this library was built for finding faults. */
#if !defined(__OPTIMIZE__) || defined(__SANITIZE_ADDRESS__) || \
	defined(__SANITIZE_THREAD__) || defined(WR_MUTANTS)
#define DEBUG_BUILD 1
#else
#define DEBUG_BUILD 0
#endif

/* ---- pieces of the region ---------------------------------------------------------------- */

static bool
shelf_init(struct wr_shelf *s, uint8_t *at, size_t bytes, uint32_t most, wr_a64 *shown)
{
	*s = (struct wr_shelf){
		.at = at, .bytes = (uint32_t)bytes, .most = most, .shown = shown};
	s->free = calloc(most, sizeof(*s->free));
	return s->free != NULL;
}

/* Memory for as many again as there are, so that a hundred thousand ask a few dozen times. */
static bool
grow(struct wr_roster *r, struct wr_shelf *s)
{
	uint32_t page = (WR_PAGE + s->bytes - 1) / s->bytes;
	uint32_t more = s->ready > page ? s->ready : page;
	uint32_t most = GROW_MOST / s->bytes;

	more = more < most ? more : most;
	more = more < s->most - s->ready ? more : s->most - s->ready;
	if (more == 0 ||
		wr_region_reserve(&r->region,
			(uint64_t)(s->at - r->region.mem) + (uint64_t)s->ready * s->bytes,
			(uint64_t)more * s->bytes, NULL) < 0)
		return false;
	s->ready += more;
	return true;
}

/* One that is all zero, or was given back; NULL: there is none. */
static void *
take(struct wr_roster *r, struct wr_shelf *s)
{
	if (!r->hdr)
		return NULL;
	if (s->free_count > 0)
		return s->at + (size_t)s->free[--s->free_count] * s->bytes;
	if (s->used == s->ready && !grow(r, s))
		return NULL;
	wr_stat_set(s->shown, s->used + 1);
	return s->at + (size_t)s->used++ * s->bytes;
}

static uint32_t
index_of(const struct wr_shelf *s, const void *piece)
{
	return (uint32_t)((size_t)((const uint8_t *)piece - s->at) / s->bytes);
}

static void
give(struct wr_shelf *s, const void *piece)
{
	s->free[s->free_count++] = index_of(s, piece);
}

/* ---- a life ---------------------------------------------------------------------------------- */

static int
describe(struct wr_roster *r, uint64_t node, const char *name)
{
	uint8_t *mem = r->region.mem;
	struct wr_roster_hdr *hdr = (struct wr_roster_hdr *)(void *)mem;

	if (!shelf_init(&r->places, mem + WR_PAGE, sizeof(struct wr_place), WR_PLACES,
		    &hdr->places) ||
		!shelf_init(&r->sheets, mem + WR_ROSTER_SHEETS, sizeof(struct wr_sheet),
			WR_SHEETS, &hdr->sheets) ||
		!shelf_init(&r->times, mem + WR_ROSTER_TIMES, sizeof(struct wr_latency),
			WR_TIMES, &hdr->times))
		return -WEIR_E_ENV_MEMORY;
	hdr->magic = WR_ROSTER_MAGIC;
	hdr->layout = WR_ROSTER_LAYOUT;
	hdr->header_bytes = WR_PAGE;
	hdr->node = node;
	hdr->bytes = WR_ROSTER_BYTES;
	hdr->pid = (uint32_t)getpid();
	hdr->uid = (uint32_t)geteuid();
	hdr->debug = DEBUG_BUILD;
	wr_name_copy(hdr->name, name);
	r->hdr = hdr;
	return 0;
}

int
wr_roster_open(struct wr_roster *r, uint64_t node, const char *name, bool shared,
	struct weir_error *err)
{
	int rc;

	*r = (struct wr_roster){.region = WR_REGION_NONE};
	rc = shared
		? wr_region_create(&r->region, WR_ROSTER_LABEL, WR_ROSTER_BYTES, err)
		: wr_region_private(&r->region, WR_ROSTER_LABEL, WR_ROSTER_BYTES, err);
	if (rc == 0)
		rc = wr_region_reserve(&r->region, 0, WR_PAGE, err);
	if (rc == 0)
		rc = describe(r, node, name);
	if (rc < 0)
		wr_roster_close(r);
	return rc;
}

void
wr_roster_close(struct wr_roster *r)
{
	free(r->places.free);
	free(r->sheets.free);
	free(r->times.free);
	wr_region_drop(&r->region);
	*r = (struct wr_roster){.region = WR_REGION_NONE};
}

/* ---- writing ----------------------------------------------------------------------------------- */

static void
open_place(struct wr_place *place)
{
	wr_store_relaxed(roster_odd, &place->steps, wr_stat_get(&place->steps) + 1);
	wr_fence_release(roster_fence); /* -> look_roster_fence */
}

static void
close_place(struct wr_place *place)
{
	wr_store_release(roster_even, &place->steps, wr_stat_get(&place->steps) + 1);
}

static void
put_words(wr_a64 *to, const void *from, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t word;

		memcpy(&word, (const uint8_t *)from + i * sizeof(word), sizeof(word));
		wr_stat_set(&to[i], word);
	}
}

static void
put_about(struct wr_place *place, const struct wr_about *about)
{
	wr_stat_set(&place->number, about->number);
	wr_stat_set(&place->subscription, about->subscription);
	wr_stat_set(&place->since_ns, about->since_ns);
	wr_stat_set(&place->about,
		(uint64_t)about->kind | (uint64_t)about->tier << FIELD |
			(uint64_t)about->weight << 2 * FIELD |
			(uint64_t)about->percent << 3 * FIELD |
			(uint64_t)about->where << (4 * FIELD - 8));
}

static void
put_stats(struct wr_consumer_stats *to, const struct wr_stats_read *from)
{
	const uint64_t *word = from->words;

#define PUT(name, what) wr_stat_set(&to->name, *word++);
	WR_CONSUMER_STATS(PUT)
#undef PUT
}

/* Filled before its place shows it. */
static void
add_sheet(struct wr_roster *r, struct wr_entry *entry, const char *name)
{
	char padded[WR_NAME_BYTES];

	if (entry->sheet)
		return;
	entry->sheet = take(r, &r->sheets);
	if (!entry->sheet)
		return;
	wr_name_copy(padded, name ? name : "");
	put_words(entry->sheet->name, padded, WR_NAME_WORDS);
	wr_stat_set(&entry->sheet->changed, 0);
}

static void
put_sheet(struct wr_roster *r, struct wr_entry *entry)
{
	wr_stat_set(&entry->place->sheet,
		entry->sheet ? index_of(&r->sheets, entry->sheet) + 1 : 0);
}

static void
count_in(struct wr_roster *r, const struct wr_entry *entry, uint64_t step)
{
	if (!r || !r->hdr)
		return;
	wr_stat_add(&r->hdr->consumers, step);
	if (!entry->place)
		wr_stat_add(&r->hdr->unseen, step);
}

void
wr_roster_enter(struct wr_roster *r, struct wr_entry *entry, const struct wr_about *about)
{
	static const struct wr_stats_read zero;
	struct wr_place *place = r ? take(r, &r->places) : NULL;

	*entry = (struct wr_entry){.place = place};
	count_in(r, entry, 1);
	if (!place)
		return;
	if (about->name)
		add_sheet(r, entry, about->name);
	open_place(place);
	put_about(place, about);
	put_sheet(r, entry);
	put_stats(&place->stats, &zero);
	wr_stat_set(&place->active, 0);
	wr_stat_set(&place->times, 0);
	close_place(place);
	if (r->measuring)
		(void)wr_roster_measure(r, entry, true);
}

void
wr_roster_leave(struct wr_roster *r, struct wr_entry *entry)
{
	struct wr_place *place = entry->place;

	(void)wr_roster_measure(r, entry, false);
	count_in(r, entry, UINT64_MAX);
	if (!place)
		return;
	open_place(place);
	wr_stat_set(&place->number, 0);
	wr_stat_set(&place->sheet, 0);
	close_place(place);
	if (entry->sheet)
		give(&r->sheets, entry->sheet);
	entry->sheet = NULL;
	entry->place = NULL;
	give(&r->places, place);
}

void
wr_roster_count(struct wr_entry *entry, const struct wr_consumer_stats *stats)
{
	struct wr_stats_read counted;

	if (!entry->place)
		return;
	counted = wr_stats_of_consumer(stats);
	put_stats(&entry->place->stats, &counted);
}

void
wr_roster_say(struct wr_entry *entry, const struct wr_about *about)
{
	if (!entry->place)
		return;
	open_place(entry->place);
	put_about(entry->place, about);
	close_place(entry->place);
}

void
wr_roster_note(struct wr_roster *r, struct wr_entry *entry,
	const struct wr_about *about, const struct wr_tier_change *change)
{
	if (!entry->place)
		return;
	if (r)
		add_sheet(r, entry, about->name);
	open_place(entry->place);
	put_about(entry->place, about);
	if (r)
		put_sheet(r, entry);
	if (entry->sheet) {
		uint64_t changed = wr_stat_get(&entry->sheet->changed);

		put_words(entry->sheet->changes[changed % WR_CHANGES], change,
			WR_CHANGE_WORDS);
		wr_stat_set(&entry->sheet->changed, changed + 1);
	}
	close_place(entry->place);
}

void
wr_roster_thread(struct wr_roster *r)
{
	if (r->hdr)
		wr_stat_set(&r->hdr->thread, wr_sched_self());
}

bool
wr_roster_measure(struct wr_roster *r, struct wr_entry *entry, bool on)
{
	struct wr_latency *had = entry->latency, *has = NULL;

	if (on && !had && r && entry->place)
		has = take(r, &r->times);
	if (has)
		wr_latency_clear(has);
	if (on && had)
		return true;
	entry->latency = has;
	entry->ready_ns = 0;
	if (has || had) {
		open_place(entry->place);
		wr_stat_set(&entry->place->times, has ? index_of(&r->times, has) + 1 : 0);
		close_place(entry->place);
	}
	if (had)
		give(&r->times, had);
	return has != NULL;
}

void
wr_roster_limit(struct wr_roster *r, uint64_t limit_ns)
{
	wr_stat_set(&r->hdr->limit_ns, limit_ns);
}

/* ---- reading ------------------------------------------------------------------------------------ */

static const struct wr_roster_hdr *
header(const void *mem)
{
	return mem;
}

static uint32_t
at_most(const wr_a64 *word, uint32_t most)
{
	uint64_t value = wr_stat_get(word);

	return value < most ? (uint32_t)value : most;
}

bool
wr_roster_is(const void *mem, uint64_t node)
{
	struct wr_roster_hdr hdr;

	/* Its owner may go on writing: what is looked at is a copy. */
	memcpy(&hdr, mem, offsetof(struct wr_roster_hdr, stats));
	return hdr.magic == WR_ROSTER_MAGIC && hdr.layout == WR_ROSTER_LAYOUT &&
		hdr.header_bytes == WR_PAGE && hdr.node == node &&
		hdr.bytes == WR_ROSTER_BYTES;
}

uint32_t
wr_roster_places(const void *mem)
{
	return at_most(&header(mem)->places, WR_PLACES);
}

uint64_t
wr_roster_unseen(const void *mem)
{
	return wr_stat_get(&header(mem)->unseen);
}

bool
wr_roster_debug(const void *mem)
{
	return header(mem)->debug != 0;
}

struct wr_stats_read
wr_roster_loop(const void *mem)
{
	return wr_stats_of_reactor(&header(mem)->stats);
}

uint64_t
wr_roster_limit_ns(const void *mem)
{
	return wr_stat_get(&header(mem)->limit_ns);
}

uint64_t
wr_roster_begun(const void *mem)
{
	return wr_stat_get(&header(mem)->begun);
}

uint32_t
wr_roster_thread_of(const void *mem)
{
	return (uint32_t)wr_stat_get(&header(mem)->thread);
}

static void
take_words(void *to, const wr_a64 *from, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t word = wr_stat_get(&from[i]);

		memcpy((uint8_t *)to + i * sizeof(word), &word, sizeof(word));
	}
}

static void
take_about(struct wr_seen *seen, const struct wr_place *place)
{
	uint64_t about = wr_stat_get(&place->about);

	seen->about = (struct wr_about){.number = wr_stat_get(&place->number),
		.subscription = wr_stat_get(&place->subscription),
		.since_ns = wr_stat_get(&place->since_ns),
		.name = seen->name,
		.kind = (uint16_t)about,
		.tier = (uint16_t)(about >> FIELD),
		.weight = (uint16_t)(about >> 2 * FIELD),
		.percent = (uint8_t)(about >> 3 * FIELD),
		.where = (uint8_t)(about >> (4 * FIELD - 8))};
	seen->active = wr_stat_get(&place->active) != 0;
	seen->times = at_most(&place->times, WR_TIMES);
}

static void
take_sheet(struct wr_seen *seen, const void *mem, uint64_t index)
{
	const struct wr_sheet *sheet =
		(const struct wr_sheet *)(const void *)((const uint8_t *)mem +
			WR_ROSTER_SHEETS);

	seen->name[0] = 0;
	seen->changed = 0;
	seen->kept = 0;
	if (index == 0 || index > at_most(&header(mem)->sheets, WR_SHEETS))
		return;
	sheet += index - 1;
	take_words(seen->name, sheet->name, WR_NAME_WORDS);
	seen->name[WR_NAME_BYTES - 1] = 0;
	seen->changed = wr_stat_get(&sheet->changed);
	while (seen->kept < WR_CHANGES && seen->kept < seen->changed) {
		uint64_t at = (seen->changed - 1 - seen->kept) % WR_CHANGES;

		take_words(&seen->changes[seen->kept++], sheet->changes[at],
			WR_CHANGE_WORDS);
	}
}

bool
wr_roster_see(const void *mem, uint32_t place, struct wr_seen *seen)
{
	const struct wr_place *at =
		(const struct wr_place *)(const void *)((const uint8_t *)mem + WR_PAGE) +
		place;

	if (place >= wr_roster_places(mem))
		return false;
	for (int tries = 0; tries < TRIES; tries++) {
		uint64_t steps = wr_load_acquire(look_roster, &at->steps);

		if ((steps & 1) != 0) {
			wr_pause();
			continue;
		}
		take_about(seen, at);
		seen->stats = wr_stats_of_consumer(&at->stats);
		take_sheet(seen, mem, wr_stat_get(&at->sheet));
		wr_fence_acquire(look_roster_fence); /* roster_fence -> */
		if (wr_stat_get(&at->steps) == steps)
			return seen->about.number != 0;
	}
	return false;
}

bool
wr_roster_find(const void *mem, uint32_t place, uint64_t number, struct wr_seen *seen)
{
	return wr_roster_see(mem, place, seen) && seen->about.number == number;
}

const struct wr_latency *
wr_roster_times(const void *mem, const struct wr_seen *seen)
{
	const struct wr_latency *times =
		(const struct wr_latency *)(const void *)((const uint8_t *)mem +
			WR_ROSTER_TIMES);

	if (seen->times == 0 || seen->times > at_most(&header(mem)->times, WR_TIMES))
		return NULL;
	return &times[seen->times - 1];
}
