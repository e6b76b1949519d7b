/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What an item costs on its way from thread to thread: a queue of Weir, one of a mutex and
 * two conditions, and ck_ring. Each is reached through the same calls. The side that is one
 * thread is on core 0, all of the other side on core 1; who finds nothing, or no room, spins
 * for a moment and yields, but under the mutex it waits.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <weir/queue.h>

#include "bench/lib/clock.h"
#include "bench/ours/queue.h"
#if __has_include(<ck_ring.h>)
#include <ck_ring.h>
#define HAVE_CK 1
#endif

enum { MANY = 4, SPINS = 64, SMALL = 1 << 10, LARGE = 1 << 20, LINE = 128 };

/* A queue under test. Who is 0 to MANY - 1 on the side that has many, and 0 on the other. */
struct peer {
	void *(*make)(int kind, int capacity);
	void (*discard)(void *queue);
	/* In the thread that puts or takes, first. May be NULL. */
	void (*enter)(void *queue, int puts, int who);
	int (*put)(void *queue, int who, uint64_t item);
	int (*take)(void *queue, int who, uint64_t *item);
};

/* ---- ours ------------------------------------------------------------------------------- */

struct ours {
	weir_queue *queue;
	weir_tx *tx[MANY];
	weir_rx *rx[MANY];
};

static void
ours_discard(void *queue)
{
	struct ours *o = queue;
	for (int i = 0; i < MANY; i++) {
		weir_tx_adopt(o->tx[i]);
		weir_tx_close(o->tx[i]);
		weir_rx_adopt(o->rx[i]);
		weir_rx_close(o->rx[i]);
	}
	weir_queue_close(o->queue);
	free(o);
}

static void *
ours_make(int kind, int capacity)
{
	struct ours *o = calloc(1, sizeof *o);
	if (!o)
		return NULL;
	o->queue = weir_queue_create(.kind = (uint32_t)kind, .item = sizeof(uint64_t),
		.capacity = (uint64_t)capacity, .ends = MANY);
	for (int i = 0; i < (kind == WEIR_SUB ? MANY : 1); i++)
		o->tx[i] = weir_queue_pub(o->queue);
	for (int i = 0; i < (kind == WEIR_PUB ? MANY : 1); i++)
		o->rx[i] = weir_queue_sub(o->queue);
	if (weir_queue_why(o->queue)->code == 0)
		return o;
	ours_discard(o);
	return NULL;
}

static void
ours_enter(void *queue, int puts, int who)
{
	struct ours *o = queue;
	if (puts)
		weir_tx_adopt(o->tx[who]);
	else
		weir_rx_adopt(o->rx[who]);
}

static int
ours_put(void *queue, int who, uint64_t item)
{
	return weir_tx_put(((struct ours *)queue)->tx[who], &item) == 0;
}

static int
ours_take(void *queue, int who, uint64_t *item)
{
	return weir_rx_take(((struct ours *)queue)->rx[who], item, NULL) == 1;
}

static const struct peer ours_peer = {
	ours_make, ours_discard, ours_enter, ours_put, ours_take};

/* ---- a mutex and two conditions ------------------------------------------------------------ */

struct locked {
	pthread_mutex_t lock;
	pthread_cond_t some, room;
	uint64_t head, tails[MANY], capacity;
	int readers;
	uint64_t items[];
};

static void *
locked_make(int kind, int capacity)
{
	struct locked *l = calloc(1, sizeof *l + (size_t)capacity * sizeof l->items[0]);
	if (!l)
		return NULL;
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->some, NULL);
	pthread_cond_init(&l->room, NULL);
	l->capacity = (uint64_t)capacity;
	l->readers = kind == WEIR_PUB ? MANY : 1;
	return l;
}

static void
locked_discard(void *queue)
{
	struct locked *l = queue;
	pthread_cond_destroy(&l->room);
	pthread_cond_destroy(&l->some);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

static int
is_full(const struct locked *l)
{
	for (int i = 0; i < l->readers; i++)
		if (l->head - l->tails[i] == l->capacity)
			return 1;
	return 0;
}

static int
locked_put(void *queue, int who, uint64_t item)
{
	struct locked *l = queue;
	(void)who;
	pthread_mutex_lock(&l->lock);
	while (is_full(l))
		pthread_cond_wait(&l->room, &l->lock);
	l->items[l->head++ % l->capacity] = item;
	if (l->readers > 1)
		pthread_cond_broadcast(&l->some);
	else
		pthread_cond_signal(&l->some);
	pthread_mutex_unlock(&l->lock);
	return 1;
}

static int
locked_take(void *queue, int who, uint64_t *item)
{
	struct locked *l = queue;
	pthread_mutex_lock(&l->lock);
	while (l->tails[who] == l->head)
		pthread_cond_wait(&l->some, &l->lock);
	*item = l->items[l->tails[who]++ % l->capacity];
	pthread_cond_signal(&l->room);
	pthread_mutex_unlock(&l->lock);
	return 1;
}

static const struct peer locked_peer = {
	locked_make, locked_discard, NULL, locked_put, locked_take};

/* ---- ck_ring ------------------------------------------------------------------------------------- */

/* It moves pointers, so the item is one. Of many to one there is no figure: a producer that
 * loses its core within a put holds up all others for as long. */
#ifdef HAVE_CK
struct ck {
	_Alignas(LINE) ck_ring_t ring;
	_Alignas(LINE) ck_ring_buffer_t items[];
};

static void *
ck_make(int kind, int capacity)
{
	size_t size = sizeof(struct ck) + (size_t)capacity * sizeof(ck_ring_buffer_t);
	struct ck *c = aligned_alloc(LINE, (size + LINE - 1) / LINE * LINE);
	(void)kind;
	if (c)
		ck_ring_init(&c->ring, (unsigned)capacity);
	return c;
}

static int
ck_put_spsc(void *queue, int who, uint64_t item)
{
	struct ck *c = queue;
	(void)who;
	/* Never NULL, which an empty ring could be taken for. */
	return ck_ring_enqueue_spsc(&c->ring, c->items, (void *)(uintptr_t)(item + 1));
}

static int
ck_take_spsc(void *queue, int who, uint64_t *item)
{
	struct ck *c = queue;
	void *pointer;
	(void)who;
	if (!ck_ring_dequeue_spsc(&c->ring, c->items, &pointer))
		return 0;
	*item = (uint64_t)(uintptr_t)pointer - 1;
	return 1;
}

static const struct peer ck_peer = {ck_make, free, NULL, ck_put_spsc, ck_take_spsc};
#endif

/* ---- threads ------------------------------------------------------------------------------------ */

struct subject;

struct helper {
	struct subject *subject;
	int who;
	pthread_t thread;
};

struct subject {
	const struct peer *peer;
	void *there, *back; /* back: items come again that way, one at a time */
	int kind;
	unsigned helpers;
	struct helper helper[MANY];
	_Alignas(LINE) atomic_uint_fast64_t batch; /* how many are begun */
	uint64_t items;                            /* of it; UINT64_MAX: the last */
	_Alignas(LINE) atomic_uint done;
};

static void
put(const struct peer *peer, void *queue, int who, uint64_t item)
{
	for (int i = 1; !peer->put(queue, who, item); i++)
		if (i % SPINS)
			bench_pause();
		else
			sched_yield();
}

static uint64_t
take(const struct peer *peer, void *queue, int who)
{
	uint64_t item;
	for (int i = 1; !peer->take(queue, who, &item); i++)
		if (i % SPINS)
			bench_pause();
		else
			sched_yield();
	return item;
}

/* A helper's part of a batch. */
static void
help(struct subject *s, int who, uint64_t items)
{
	if (s->kind == WEIR_SUB)
		for (uint64_t i = 0; i < items / MANY; i++)
			put(s->peer, s->there, who, i);
	else
		for (uint64_t i = 0; i < items; i++) {
			uint64_t item = take(s->peer, s->there, who);
			if (s->back)
				put(s->peer, s->back, 0, item);
		}
}

static void *
helper_main(void *arg)
{
	struct helper *h = arg;
	struct subject *s = h->subject;
	(void)bench_pin(1);
	if (s->peer->enter) {
		s->peer->enter(s->there, s->kind == WEIR_SUB, h->who);
		if (s->back)
			s->peer->enter(s->back, 1, 0);
	}
	for (uint64_t batch = 1;; batch++) {
		while (atomic_load_explicit(&s->batch, memory_order_acquire) < batch)
			sched_yield();
		if (s->items == UINT64_MAX)
			return NULL;
		help(s, h->who, s->items);
		atomic_fetch_add_explicit(&s->done, 1, memory_order_release);
	}
}

static void
begin(struct subject *s, uint64_t items)
{
	atomic_store_explicit(&s->done, 0, memory_order_relaxed);
	s->items = items;
	atomic_fetch_add_explicit(&s->batch, 1, memory_order_release);
}

static void
run(void *subject, uint64_t items)
{
	struct subject *s = subject;
	begin(s, items);
	for (uint64_t i = 0; i < items; i++) {
		if (s->kind == WEIR_SUB)
			(void)take(s->peer, s->there, 0);
		else
			put(s->peer, s->there, 0, i);
		if (s->back)
			(void)take(s->peer, s->back, 0);
	}
	while (atomic_load_explicit(&s->done, memory_order_acquire) < s->helpers)
		bench_pause();
}

static void
discard(void *subject)
{
	struct subject *s = subject;
	begin(s, UINT64_MAX);
	for (unsigned i = 0; i < s->helpers; i++)
		pthread_join(s->helper[i].thread, NULL);
	if (s->there)
		s->peer->discard(s->there);
	if (s->back)
		s->peer->discard(s->back);
	free(s);
}

static void *
make(const struct peer *peer, int kind, int capacity, int back, unsigned helpers)
{
	struct subject *s = aligned_alloc(LINE, sizeof *s);
	if (!s)
		return NULL;
	*s = (struct subject){.peer = peer, .kind = kind};
	s->there = peer->make(kind, capacity);
	s->back = back ? peer->make(kind, capacity) : NULL;
	for (; s->there && s->helpers < helpers; s->helpers++) {
		struct helper *h = &s->helper[s->helpers];
		h->subject = s;
		h->who = (int)s->helpers;
		if (pthread_create(&h->thread, NULL, helper_main, h) != 0)
			break;
	}
	if (s->there && s->helpers == helpers && (!back || s->back))
		return s;
	discard(s);
	return NULL;
}

/* One thread, nobody else: what the calls themselves cost. */
static void
run_alone(void *subject, uint64_t items)
{
	struct subject *s = subject;
	for (uint64_t i = 0; i < items; i++) {
		put(s->peer, s->there, 0, i);
		(void)take(s->peer, s->there, 0);
	}
}

/* ---- what is measured ------------------------------------------------------------------------------ */

#define MAKER(name, peer, kind, capacity, back, helpers) \
	static void *name(int count) \
	{ \
		(void)count; \
		return make(&(peer), (kind), (capacity), (back), (helpers)); \
	}

MAKER(make_alone, ours_peer, WEIR_LINK, SMALL, 0, 0)
MAKER(make_link, ours_peer, WEIR_LINK, SMALL, 0, 1)
MAKER(make_large, ours_peer, WEIR_LINK, LARGE, 0, 1)
MAKER(make_round, ours_peer, WEIR_LINK, SMALL, 1, 1)
MAKER(make_sub, ours_peer, WEIR_SUB, SMALL, 0, MANY)
MAKER(make_pub, ours_peer, WEIR_PUB, SMALL, 0, MANY)
MAKER(make_locked_alone, locked_peer, WEIR_LINK, SMALL, 0, 0)
MAKER(make_locked_link, locked_peer, WEIR_LINK, SMALL, 0, 1)
MAKER(make_locked_sub, locked_peer, WEIR_SUB, SMALL, 0, MANY)
MAKER(make_locked_pub, locked_peer, WEIR_PUB, SMALL, 0, MANY)

static const char alone[] = "put and take, one thread";
static const char link_work[] = "link: 1 to 1, an item";
static const char sub_work[] = "sub: 4 to 1, an item";
static const char pub_work[] = "pub: 1 to 4, an item";

const struct micro queue_alone = {"ours", alone, 0, make_alone, run_alone, discard};
const struct micro queue_link = {"ours", link_work, 0, make_link, run, discard};
const struct micro queue_link_large = {
	"ours", "link of 1 Mi: 1 to 1, an item", 0, make_large, run, discard};
const struct micro queue_round = {
	"ours", "link: there and back", 0, make_round, run, discard};
const struct micro queue_sub = {"ours", sub_work, 0, make_sub, run, discard};
const struct micro queue_pub = {"ours", pub_work, 0, make_pub, run, discard};

const struct micro queue_locked_alone = {
	"mutex", alone, 0, make_locked_alone, run_alone, discard};
const struct micro queue_locked_link = {
	"mutex", link_work, 0, make_locked_link, run, discard};
const struct micro queue_locked_sub = {
	"mutex", sub_work, 0, make_locked_sub, run, discard};
const struct micro queue_locked_pub = {
	"mutex", pub_work, 0, make_locked_pub, run, discard};

#ifdef HAVE_CK
MAKER(make_ck_alone, ck_peer, WEIR_LINK, SMALL, 0, 0)
MAKER(make_ck_link, ck_peer, WEIR_LINK, SMALL, 0, 1)

static const struct micro ck_alone = {
	"ck_ring", alone, 0, make_ck_alone, run_alone, discard};
static const struct micro ck_link = {"ck_ring", link_work, 0, make_ck_link, run, discard};
const struct micro *const queue_ck_alone = &ck_alone;
const struct micro *const queue_ck_link = &ck_link;
#else
const struct micro *const queue_ck_alone, *const queue_ck_link;
#endif
