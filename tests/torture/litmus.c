/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The pairs of stores and loads that only a fence orders, one pair at a time: the real
 * functions, two threads, a core each, as tight as they go. What they look for is a store
 * that waits in a processor's buffer while a later load has been answered.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/rest.h"
#include "tests/torture/world.h"

enum {
	WORDS = 8,   /* of a message that are written and compared */
	FULL = 3900, /* one message fills a segment */
	SMALL = 64,
	SEG_BYTES = 4096,
	ROUND = 1 << 10 /* steps between two looks at the clock */
};

/* One publisher, one reader, in two threads. */
struct rig {
	struct wr_node pub, sub;
	struct wr_stream stream;
	struct wr_reader r;
	struct wr_reactor reactor;
	struct wr_task task;
	struct dice pub_dice, sub_dice;
	uint32_t len;                  /* of its messages */
	_Alignas(64) uint64_t ready;   /* the reader waits for this step */
	_Alignas(64) uint64_t done;    /* the publisher has finished this step */
	_Alignas(64) uint64_t checked; /* the reader has looked whether it was rung */
	uint32_t twice; /* a step has a second message, after that look */
	_Alignas(64) uint32_t over;
	void (*before_commit)(struct rig *rig);
};

static struct rig *
of_task(struct wr_task *task)
{
	return (struct rig *)(void *)((uint8_t *)task - offsetof(struct rig, task));
}

static bool
task_ready(struct wr_task *task)
{
	return wr_reader_ready(&of_task(task)->r);
}

static bool
task_heavy(struct wr_task *task)
{
	return wr_reader_heavy(&of_task(task)->r);
}

static int
watch(void *ctx, struct wr_poller *poller)
{
	struct rig *rig = ctx;

	return wr_bell_watch(poller, rig->pub.bell_fd);
}

struct start {
	struct wr_begin begin;
	struct wr_store *store;
};

static int
on_admitted(void *ctx, const struct wr_begin *begin, struct wr_store *store, uint32_t seat)
{
	(void)seat;
	*(struct start *)ctx = (struct start){*begin, wr_store_ref(store)};
	return 0;
}

static struct rig *
rig_make(uint64_t seed, uint32_t len, uint32_t window)
{
	struct rig *rig = aligned_alloc(4096, (sizeof(*rig) + 4095) / 4096 * 4096);
	struct wr_writer_opts opts = {
		.plan = {.topic = "t", .type = "", .private_memory = true},
		.stamp = WEIR_STAMP_OFF,
		.ops = {.watch = watch, .ctx = rig}};
	struct weir_error err;
	struct start start;

	if (!rig)
		torn("no memory");
	memset(rig, 0, sizeof(*rig));
	rig->len = len;
	rig->pub_dice.state = seed;
	rig->sub_dice.state = seed + 1;
	if (wr_node_init(&rig->pub, "t", "pub", true, true, &err) < 0 ||
		wr_node_init(&rig->sub, "t", "sub", true, true, &err) < 0 ||
		wr_geometry_sized(&opts.plan.geo, FULL, 16, SEG_BYTES, window) < 0 ||
		wr_writer_init(&rig->stream.writer, &opts, &err) < 0 ||
		wr_reactor_init(&rig->reactor, rig->sub.flag, rig->sub.bell,
			WEIR_IDLE_PARK) < 0)
		torn("a rig cannot be made");
	rig->stream.node = &rig->pub;
	rig->task = (struct wr_task){.ready = task_ready, .heavy = task_heavy};
	wr_reactor_add(&rig->reactor, &rig->task, WR_WEIGHT_DEFAULT, NULL);

	struct wr_row row = {.node = rig->sub.id,
		.sub = 1,
		.slot = &rig->sub.slots[0],
		.bell = rig->sub.bell};
	struct wr_terms terms = {.holds = 1, .policy = WEIR_BLOCK};
	struct wr_reader_opts begin;

	if (wr_stream_admit(
		    &rig->stream, &row, &terms, rig->sub.flag, on_admitted, &start) < 0)
		torn("the reader is not admitted");
	begin = (struct wr_reader_opts){.begin = start.begin.seq,
		.asked = start.begin.asked,
		.holds = 1,
		.room_bell = rig->pub.bell};
	if (wr_reader_init(&rig->r, start.store, &rig->sub.slots[0], start.begin.place,
		    &begin) < 0)
		torn("the reader cannot begin");
	wr_store_unref(start.store);
	return rig;
}

static void
rig_free(struct rig *rig)
{
	wr_reader_fini(&rig->r);
	wr_reactor_fini(&rig->reactor);
	wr_writer_fini(&rig->stream.writer);
	wr_node_fini(&rig->pub);
	wr_node_fini(&rig->sub);
	free(rig);
}

/* A moment, without the pause instruction: a virtual machine may take that for a chance to
 * run somebody else. */
static void
moment(void)
{
	for (int i = 0; i < 16; i++)
		__asm__ __volatile__("" ::: "memory");
}

static void
linger(struct dice *dice, uint32_t most)
{
	for (uint32_t i = pick(dice, most); i > 0; i--)
		moment();
}

static void
run_pair(struct rig *rig, void *(*publisher)(void *), void *(*reader)(void *))
{
	pthread_t threads[2];

	if (pthread_create(&threads[0], NULL, publisher, rig) != 0 ||
		pthread_create(&threads[1], NULL, reader, rig) != 0)
		torn("no thread");
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
}

static uint64_t
word(uint64_t seq, int i)
{
	return mix(seq * 31 + (uint64_t)i);
}

static void
publish(struct rig *rig)
{
	struct wr_writer *w = &rig->stream.writer;
	weir_claim_t claim;
	uint64_t *words;
	int rc;

	while ((rc = wr_writer_claim(w, rig->len, &claim, NULL)) == -WEIR_E_AGAIN_FULL)
		if (wr_room_wait(w, UINT64_MAX, NULL) < 0)
			torn("a wait without deadline ended");
	HOLDS(rc == 0, "a claim was answered with %d", rc);
	words = claim.data;
	for (int i = 0; i < WORDS; i++)
		words[i] = word(claim.seq, i);
	if (rig->before_commit)
		rig->before_commit(rig);
	(void)wr_writer_commit(w, &claim);
}

static void
compare(const struct rig *rig, const struct wr_view *view)
{
	const struct wr_segment *seg =
		(const struct wr_segment *)(const void *)rig->r.seg;
	const uint64_t *words = view->data;
	uint64_t ord = wr_stat_get(&seg->ord);

	HOLDS(ord == rig->r.ord || ord == 0, "segment %llu became %llu while in use",
		(unsigned long long)rig->r.ord, (unsigned long long)ord);
	for (int i = 0; i < WORDS; i++)
		HOLDS(words[i] == word(view->seq, i), "message %llu changed while in use",
			(unsigned long long)view->seq);
}

/* ---- overrun: the reader is never waited for and always late ------------------------------ */

static void *
outrun(void *arg)
{
	struct rig *rig = arg;

	pin_to(0);
	while (!time_is_up()) {
		for (int i = 0; i < ROUND; i++) {
			publish(rig);
			if (chance(&rig->pub_dice, 8))
				linger(&rig->pub_dice, 20);
		}
		HOLDS(rig->stream.writer.gate.evicted == 0,
			"an honest reader was put out");
		moved_on();
	}
	give(&rig->over, 1u);
	return NULL;
}

static void *
limp(void *arg)
{
	struct rig *rig = arg;
	struct wr_view view;
	uint64_t next = 0;

	pin_to(1);
	while (!take(&rig->over)) {
		int rc = wr_reader_peek(&rig->r, &view, 1);

		HOLDS(rc >= 0, "peek was answered with %d", rc);
		if (rc == 0)
			continue;
		HOLDS(view.seq == next + view.lost, "message %llu after %llu, %llu lost",
			(unsigned long long)view.seq, (unsigned long long)next,
			(unsigned long long)view.lost);
		compare(rig, &view);
		linger(&rig->sub_dice, 30);
		compare(rig, &view);
		wr_reader_pass(&rig->r, &view, 1);
		next = view.seq + 1;
		if (chance(&rig->sub_dice, 4))
			linger(&rig->sub_dice, 100);
	}
	/* Else nothing of it was put to the test. */
	HOLDS(wr_reader_lost(&rig->r) > 0, "nobody was outrun");
	tally("delivered", rig->r.passed);
	tally("lost", wr_reader_lost(&rig->r));
	return NULL;
}

#if defined(WR_POINTS)
enum { SWAMP_LINES = 1 << 18, SWAMP_STORES = 72 };

/*
 * A store becomes visible when those before it have: with as many before it as a core keeps
 * waiting, each to a line that is far away, that takes long, and loads behind it are done
 * meanwhile. So where a fence is missing between the two, it shows.
 */
static void
swamp(const char *label)
{
	static struct {
		_Alignas(64) wr_a64 word;
	} lines[SWAMP_LINES];
	static _Thread_local struct dice dice;

	if (strcmp(label, "enter_cur") != 0 && strcmp(label, "roll_retire") != 0)
		return;
	for (int i = 0; i < SWAMP_STORES; i++)
		wr_stat_set(&lines[pick(&dice, SWAMP_LINES)].word, 1);
}
#endif

void
scenario_overrun(uint64_t seed)
{
	struct rig *rig = rig_make(seed, FULL, 2);

#if defined(WR_POINTS)
	wr_point_hook = swamp;
#endif
	/* It does not come back either, however near it is: nobody waits for who wants but
	 * the latest. */
	wr_gate_detach(&rig->stream.writer.gate, &rig->stream.writer.gate.rows[0]);
	rig->stream.writer.gate.rows[0].policy = WEIR_LATEST;
	run_pair(rig, outrun, limp);
	rig_free(rig);
}

/* ---- falling asleep just as a message comes --------------------------------------------------- */

static void *
feed(void *arg)
{
	struct rig *rig = arg;

	pin_to(0);
	for (uint64_t step = 1; !take(&rig->over); step++) {
		while (take(&rig->ready) != step)
			if (take(&rig->over))
				return NULL;
		linger(&rig->pub_dice, 24);
		publish(rig);
		give(&rig->done, step);
		if (!rig->twice)
			continue;
		while (take(&rig->checked) != step)
			moment();
		publish(rig);
	}
	return NULL;
}

/*
 * The bell makes no sound here: whether it was rung for this sleep is read from its book,
 * so a step takes no system call.
 */
static void *
doze(void *arg)
{
	struct rig *rig = arg;
	struct wr_view view;
	uint64_t slept = 0;

	pin_to(1);
	for (uint64_t step = 1; step % ROUND != 0 || !time_is_up(); step++) {
		give(&rig->ready, step);
		(void)wr_reader_ready(&rig->r); /* the word's line is here too */
		linger(&rig->sub_dice, 24);
		if (wr_reactor_arm(&rig->reactor)) {
			while (take(&rig->done) != step)
				moment();
			HOLDS(wr_stat_get(&rig->sub.bell->rung) == rig->reactor.epoch,
				"nobody rang for message %llu",
				(unsigned long long)step - 1);
			slept++;
			wr_reactor_disarm(&rig->reactor);
		}
		while (take(&rig->done) != step)
			moment();
		give(&rig->checked, step);
		for (uint32_t i = 0; i <= rig->twice; i++) {
			while (wr_reader_peek(&rig->r, &view, 1) != 1)
				moment();
			wr_reader_pass(&rig->r, &view, 1);
		}
		if (step % ROUND == 0)
			moved_on();
	}
	give(&rig->over, 1u);
	tally("messages", rig->r.passed);
	tally("slept", slept);
	return NULL;
}

/* The flag's line is here too, so that who raises it has to ask for it. */
static void
look_once(struct rig *rig)
{
	(void)wr_stat_get(rig->sub.flag);
	linger(&rig->pub_dice, 6);
}

void
scenario_fences(uint64_t seed)
{
	struct rig *rig = rig_make(seed, SMALL, 8);

	wr_bell_set(rig->sub.bell, -1);
	rig->before_commit = look_once;
	/* The symmetric pair: the publisher fences for itself at every pace. */
	rig->stream.writer.heavy_ready = false;
	run_pair(rig, feed, doze);
	rig_free(rig);
}

/* ---- the same while the publisher changes who fences -------------------------------------------- */

/* Every commit finds that the pace has changed: the first of a step leaves the fence to
 * the sleeper, the second takes it back. */
static void
change_pace(struct rig *rig)
{
	struct wr_writer *w = &rig->stream.writer;

	look_once(rig);
	w->pace_count = UINT32_MAX - 1;
	w->pace_ns = w->fences ? wr_clock_now(&w->clock) : 0;
}

#if defined(WR_POINTS)
/* Time between the two looks of who falls asleep. */
static void
stretch(const char *label)
{
	static _Thread_local struct dice dice;

	if (strcmp(label, "sleep_raise") == 0 && chance(&dice, 2))
		linger(&dice, 40);
}
#endif

void
scenario_modes(uint64_t seed)
{
	struct rig *rig = rig_make(seed, SMALL, 8);

	wr_bell_set(rig->sub.bell, -1);
	rig->before_commit = change_pace;
	rig->twice = 1;
#if defined(WR_POINTS)
	wr_point_hook = stretch;
#endif
	run_pair(rig, feed, doze);
	rig_free(rig);
}

/* ---- waiting for room just as it is made ----------------------------------------------------------- */

static void *
crowd(void *arg)
{
	struct rig *rig = arg;

	pin_to(0);
	while (!time_is_up())
		for (int i = 0; i < ROUND; i++)
			publish(rig);
	wr_writer_end(&rig->stream.writer);
	tally("waits", rig->stream.writer.room.waits);
	return NULL;
}

static void *
dawdle(void *arg)
{
	struct rig *rig = arg;
	struct wr_view view;
	int rc;

	pin_to(1);
	while ((rc = wr_reader_peek(&rig->r, &view, 1)) >= 0) {
		if (rc == 0)
			continue;
		compare(rig, &view);
		/* About as long as the publisher looks for room before it sleeps. */
		linger(&rig->sub_dice, 1000);
		wr_reader_pass(&rig->r, &view, 1);
		moved_on();
	}
	tally("messages", rig->r.passed);
	return NULL;
}

void
scenario_room(uint64_t seed)
{
	struct rig *rig = rig_make(seed, FULL, 2);

	sleep_forever = true;
	run_pair(rig, crowd, dawdle);
	rig_free(rig);
}
