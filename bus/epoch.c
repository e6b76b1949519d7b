/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/epoch.h"

#include "bus/atomic.h"

#include <pthread.h>
#include <stdlib.h>

#if defined(WR_CK)
#include <ck_names.h>

#include <ck_epoch.h>
#endif

/* ---- the library, or what stands for it ----------------------------------------------------- */

#if defined(WR_CK)

#define LINE 64

/* The library keeps a record for each reader, for as long as its epoch lives. */
struct wr_epoch_reader {
	ck_epoch_record_t record;
	struct wr_epoch *epoch;
	struct wr_epoch_reader *next; /* of all there ever were */
};

struct wr_epoch {
	ck_epoch_t ck;
	struct wr_epoch_reader *readers;
	struct wr_epoch_reader *defers;  /* its record holds what is deferred */
	struct wr_epoch_deferred *ready; /* may run */
	pthread_mutex_t lock;            /* guards all of it but what readers do */
	unsigned waiting;
	wr_a64 seen; /* for the thread sanitizer, which cannot see the library's edges */
};

_Static_assert(sizeof(ck_epoch_entry_t) <= sizeof(uintptr_t[2]), "an entry has its room");

static ck_epoch_entry_t *
entry_of(struct wr_epoch_deferred *deferred)
{
	return (ck_epoch_entry_t *)(void *)deferred->room;
}

static struct wr_epoch_deferred *
deferred_of(ck_epoch_entry_t *entry)
{
	unsigned char *room = (unsigned char *)entry;

	return (struct wr_epoch_deferred *)(void *)(room -
		offsetof(struct wr_epoch_deferred, room));
}

/* What a reader did is done before what was deferred runs. The library's own steps say so
 * to the machine; this says it to the thread sanitizer. */
static void
tell_sanitizer(struct wr_epoch *epoch)
{
#if defined(WR_TSAN)
	(void)wr_fetch_sub_acq_rel(epoch_seen, &epoch->seen, 0);
#else
	(void)epoch;
#endif
}

static struct wr_epoch_reader *
new_reader(struct wr_epoch *epoch)
{
	struct wr_epoch_reader *reader =
		aligned_alloc(LINE, (sizeof(*reader) + LINE - 1) & ~(size_t)(LINE - 1));

	if (!reader)
		return NULL;
	reader->epoch = epoch;
	reader->next = epoch->readers;
	epoch->readers = reader;
	ck_epoch_register(&epoch->ck, &reader->record, reader);
	return reader;
}

static struct wr_epoch_reader *
take_reader(struct wr_epoch *epoch)
{
	ck_epoch_record_t *record = ck_epoch_recycle(&epoch->ck, NULL);

	return record ? (struct wr_epoch_reader *)(void *)record : new_reader(epoch);
}

/* The library found that nobody can see it any more: kept until the lock is free again. */
static void
is_safe(ck_epoch_entry_t *entry)
{
	struct wr_epoch_deferred *deferred = deferred_of(entry);
	struct wr_epoch *epoch = (struct wr_epoch *)(void *)deferred->next;

	deferred->next = epoch->ready;
	epoch->ready = deferred;
	epoch->waiting--;
}

static void
hand_over(struct wr_epoch *epoch, struct wr_epoch_deferred *deferred)
{
	deferred->next = (struct wr_epoch_deferred *)(void *)epoch;
	ck_epoch_call(&epoch->defers->record, entry_of(deferred), is_safe);
}

static void
find_safe(struct wr_epoch *epoch)
{
	(void)ck_epoch_poll(&epoch->defers->record);
	tell_sanitizer(epoch);
}

/* Nobody is inside: all of it. */
static void
find_all(struct wr_epoch *epoch)
{
	ck_epoch_barrier(&epoch->defers->record);
	tell_sanitizer(epoch);
}

static bool
start(struct wr_epoch *epoch)
{
	ck_epoch_init(&epoch->ck);
	epoch->defers = new_reader(epoch);
	return epoch->defers != NULL;
}

void
wr_epoch_enter(struct wr_epoch_reader *reader)
{
	ck_epoch_begin(&reader->record, NULL);
}

void
wr_epoch_leave(struct wr_epoch_reader *reader)
{
	tell_sanitizer(reader->epoch);
	(void)ck_epoch_end(&reader->record, NULL);
}

static void
put_back(struct wr_epoch_reader *reader)
{
	ck_epoch_unregister(&reader->record);
}

bool
wr_epoch_can(void)
{
	return true;
}

#else

struct wr_epoch_reader {
	struct wr_epoch *epoch;
	struct wr_epoch_reader *next;
};

struct wr_epoch {
	struct wr_epoch_reader *readers;
	struct wr_epoch_deferred *kept;
	struct wr_epoch_deferred *ready;
	pthread_mutex_t lock;
	unsigned waiting;
};

static struct wr_epoch_reader *
take_reader(struct wr_epoch *epoch)
{
	struct wr_epoch_reader *reader = malloc(sizeof(*reader));

	if (!reader)
		return NULL;
	*reader = (struct wr_epoch_reader){.epoch = epoch, .next = epoch->readers};
	epoch->readers = reader;
	return reader;
}

static void
hand_over(struct wr_epoch *epoch, struct wr_epoch_deferred *deferred)
{
	deferred->next = epoch->kept;
	epoch->kept = deferred;
}

static void
find_safe(struct wr_epoch *epoch)
{
	(void)epoch;
}

static void
find_all(struct wr_epoch *epoch)
{
	epoch->ready = epoch->kept;
	epoch->kept = NULL;
	epoch->waiting = 0;
}

static bool
start(struct wr_epoch *epoch)
{
	(void)epoch;
	return true;
}

void
wr_epoch_enter(struct wr_epoch_reader *reader)
{
	(void)reader;
}

void
wr_epoch_leave(struct wr_epoch_reader *reader)
{
	(void)reader;
}

static void
put_back(struct wr_epoch_reader *reader)
{
	(void)reader;
}

bool
wr_epoch_can(void)
{
	return false;
}

#endif

/* ---- what is the same for both ---------------------------------------------------------------- */

/* Without the lock: what runs may defer again. */
static void
run_all(struct wr_epoch_deferred *ready)
{
	while (ready) {
		struct wr_epoch_deferred *next = ready->next;

		ready->run(ready);
		ready = next;
	}
}

struct wr_epoch *
wr_epoch_new(void)
{
	struct wr_epoch *epoch = calloc(1, sizeof(*epoch));

	if (!epoch)
		return NULL;
	if (!start(epoch)) {
		free(epoch);
		return NULL;
	}
	pthread_mutex_init(&epoch->lock, NULL);
	return epoch;
}

void
wr_epoch_free(struct wr_epoch *epoch)
{
	if (!epoch)
		return;
	while (epoch->waiting > 0) {
		struct wr_epoch_deferred *ready;

		find_all(epoch);
		ready = epoch->ready;
		epoch->ready = NULL;
		run_all(ready);
	}
	while (epoch->readers) {
		struct wr_epoch_reader *next = epoch->readers->next;

		free(epoch->readers);
		epoch->readers = next;
	}
	pthread_mutex_destroy(&epoch->lock);
	free(epoch);
}

struct wr_epoch_reader *
wr_epoch_join(struct wr_epoch *epoch)
{
	struct wr_epoch_reader *reader;

	pthread_mutex_lock(&epoch->lock);
	reader = take_reader(epoch);
	pthread_mutex_unlock(&epoch->lock);
	return reader;
}

void
wr_epoch_part(struct wr_epoch_reader *reader)
{
	struct wr_epoch *epoch = reader->epoch;

	pthread_mutex_lock(&epoch->lock);
	put_back(reader);
	pthread_mutex_unlock(&epoch->lock);
}

unsigned
wr_epoch_defer(struct wr_epoch *epoch, struct wr_epoch_deferred *deferred,
	void (*run)(struct wr_epoch_deferred *deferred))
{
	unsigned waiting;

	deferred->run = run;
	pthread_mutex_lock(&epoch->lock);
	waiting = ++epoch->waiting;
	hand_over(epoch, deferred);
	pthread_mutex_unlock(&epoch->lock);
	return waiting;
}

unsigned
wr_epoch_try(struct wr_epoch *epoch)
{
	struct wr_epoch_deferred *ready;
	unsigned waiting;

	pthread_mutex_lock(&epoch->lock);
	find_safe(epoch);
	ready = epoch->ready;
	epoch->ready = NULL;
	waiting = epoch->waiting;
	pthread_mutex_unlock(&epoch->lock);
	run_all(ready);
	return waiting;
}
