/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/rest.h"
#include "tests/torture/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	MESSAGE_MAX = 1000,
	SEG_BYTES = 4096,
	OPEN_MAX = 8,
	PEEK_MAX = 8,
	HOLD_SEGS = 2,
	LOOKS = 64
};

#define NOT_GATED UINT64_MAX

/* ---- contents ------------------------------------------------------------------------------ */

/*
 * What a message says follows from its number. Much of it looks like frames, so whoever
 * takes old payload for a header is not stopped by luck.
 */
static uint64_t
content(uint64_t seq, uint32_t i)
{
	uint64_t h = mix(seq * 0x100000001b3ull + i + 1);

	switch (i == 0 ? 0 : seq & 3) {
	case 1:
		return wr_word((enum wr_kind)(1 + h % 4), (uint32_t)(h >> 8 & 0x3f),
			(uint32_t)(16 * (1 + (h >> 16) % 8)));
	case 2:
		return wr_word(WR_OPEN, (uint32_t)(h >> 8 & 0x3f), 0);
	default:
		return h;
	}
}

static void
fill(uint8_t *data, uint32_t len, uint64_t seq)
{
	uint32_t i;

	for (i = 0; i + 8 <= len; i += 8) {
		uint64_t word = content(seq, i / 8);

		memcpy(data + i, &word, 8);
	}
	if (i < len) {
		uint64_t word = content(seq, i / 8);

		memcpy(data + i, &word, len - i);
	}
}

/* The first byte that differs, len if none does. */
static uint32_t
differs(const uint8_t *data, uint32_t len, uint64_t seq)
{
	for (uint32_t i = 0; i < len; i += 8) {
		uint64_t word = content(seq, i / 8);

		if (memcmp(data + i, &word, len - i < 8 ? len - i : 8) != 0)
			return i;
	}
	return len;
}

/* ---- the world ------------------------------------------------------------------------------ */

static struct reader *
of_task(struct wr_task *task)
{
	return (struct reader *)(void *)((uint8_t *)task - offsetof(struct reader, task));
}

static int
task_poll(struct wr_task *task, int *verdict)
{
	(void)task;
	(void)verdict;
	return 0;
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

/* The region as a reader of another process has it. */
static struct wr_store *
map_again(const struct wr_store *store)
{
	struct weir_error err;
	struct wr_store *own;

	if (wr_store_map(&own, dup(store->region.fd), store->region.bytes, &err) < 0)
		torn("wr_store_map: %s", err.text);
	return own;
}

/* As the steward: every admitted reader gets the new region before it can need it. Now and
 * then one takes nothing. */
static int
on_moving(void *ctx, struct wr_writer *w, const struct wr_store *store)
{
	struct world *world = ctx;
	int rc = 0;

	(void)w;
	for (unsigned i = 0; i < world->reader_count; i++) {
		struct reader *rd = &world->readers[i];
		struct wr_store *own;

		if (!rd->joined || !world->foreign ||
			rd->tail->first_ord >= store->first_ord)
			continue;
		if (chance(&world->pub_dice, 8)) {
			rc = -WEIR_E_AGAIN_FULL;
			continue;
		}
		own = map_again(store);
		wr_store_follow(rd->tail, own);
		rd->tail = own;
	}
	return rc;
}

static int
on_watch(void *ctx, struct wr_poller *poller)
{
	struct world *world = ctx;

	return wr_bell_watch(poller, world->node.bell_fd);
}

static void
on_relay(void *ctx)
{
	struct world *world = ctx;

	give(&world->relay_wanted, 1u);
}

static void
writer_make(struct world *world, struct dice *dice)
{
	struct wr_writer_opts opts = {
		.plan = {.pins = 1 + pick(dice, 12),
			.stream = 1 + roll_dice(dice) % 1000,
			.node = world->node.id,
			.topic = "t",
			.type = "",
			.private_memory = !world->foreign},
		.stamp = WEIR_STAMP_OFF,
		.ops = {.moving = on_moving, .watch = on_watch, .ctx = world},
	};
	struct weir_error err;

	if (chance(dice, 2))
		opts.ops.relay = on_relay;
	if (wr_geometry_sized(&opts.plan.geo, MESSAGE_MAX, chance(dice, 4) ? 64 : 16,
		    SEG_BYTES, 2 + pick(dice, 4)) < 0)
		torn("geometry");
	if (wr_writer_init(&world->stream.writer, &opts, &err) < 0)
		torn("wr_writer_init: %s", err.text);
	world->stream.node = &world->node;
	world->stream.id = opts.plan.stream;
}

static void
reader_make(struct world *world, unsigned index, struct dice *dice)
{
	struct reader *rd = &world->readers[index];
	struct weir_error err;
	uint32_t idle = chance(dice, 2) ? WEIR_IDLE_PARK : WEIR_IDLE_ADAPTIVE;

	memset(rd, 0, sizeof(*rd));
	rd->world = world;
	rd->index = index;
	rd->dice.state = roll_dice(dice);
	rd->immune = index == 0 && !chance(dice, 3);
	rd->gated_from = NOT_GATED;
	rd->sub = index + 1;
	if (wr_node_init(&rd->node, "t", "reader", true, true, &err) < 0)
		torn("wr_node_init: %s", err.text);
	if (wr_reactor_init(&rd->reactor, rd->node.flag, rd->node.bell, idle) < 0)
		torn("wr_reactor_init");
	(void)wr_bell_watch(&rd->reactor.poller, rd->node.bell_fd);
	rd->task = (struct wr_task){
		.poll = task_poll, .ready = task_ready, .heavy = task_heavy};
	wr_reactor_add(&rd->reactor, &rd->task, WR_WEIGHT_DEFAULT, NULL);
	rd->keeps_one_in = 1u << pick(dice, 5);
	rd->wish = WISH_JOIN;
}

void
world_make(struct world *world, uint64_t seed)
{
	struct dice dice = {seed};
	struct weir_error err;

	memset(world, 0, sizeof(*world));
	world->foreign = chance(&dice, 2);
	world->reader_count = 1 + pick(&dice, READERS_MAX);
	world->pub_dice.state = roll_dice(&dice);
	world->steward_dice.state = roll_dice(&dice);
	world->claims = CLAIMS_A_ROUND;
	if (wr_node_init(&world->node, "t", "pub", true, true, &err) < 0)
		torn("wr_node_init: %s", err.text);
	writer_make(world, &dice);
	world->first = wr_store_ref(world->stream.writer.pool.zone->store);
	for (unsigned i = 0; i < world->reader_count; i++)
		reader_make(world, i, &dice);
}

void
world_free(struct world *world)
{
	for (unsigned i = 0; i < world->reader_count; i++) {
		struct reader *rd = &world->readers[i];

		if (rd->start) {
			/* Its steward died while it let it in. */
			if (rd->r.store)
				wr_reader_fini(&rd->r);
			wr_store_unref(rd->start);
		}
		wr_reactor_fini(&rd->reactor);
		wr_node_fini(&rd->node);
	}
	/* A publisher that died may have left its own lock taken. */
	pthread_mutex_init(&world->stream.writer.lock, NULL);
	wr_writer_fini(&world->stream.writer);
	wr_store_unref(world->first);
	wr_node_fini(&world->node);
}

void
world_dies(struct world *world)
{
	give(&world->dead, 1u);
	give(&world->over, 1u);
	give(&world->steward_gone, 1u);
	for (unsigned i = 0; i < world->reader_count; i++) {
		struct reader *rd = &world->readers[i];

		wr_reader_bereave(&rd->r);
		wr_node_nudge(&rd->node);
	}
}

/* ---- the publisher --------------------------------------------------------------------------- */

struct open {
	weir_claim_t claim;
	uint32_t len; /* that was claimed */
};

struct pub {
	struct world *world;
	struct wr_writer *w;
	struct dice *dice;
	struct open open[OPEN_MAX];
	unsigned count;
};

/* Says, before it is so, how far everything will be settled without claim i. */
static void
foretell(struct pub *pub, unsigned i)
{
	uint64_t lowest = pub->w->seq;

	for (unsigned k = 0; k < pub->count; k++)
		if (k != i && pub->open[k].claim.seq < lowest)
			lowest = pub->open[k].claim.seq;
	give(&pub->world->settled, lowest);
}

static void
forget(struct pub *pub, unsigned i)
{
	pub->open[i] = pub->open[--pub->count];
}

static void
commit_one(struct pub *pub, unsigned i)
{
	struct open *open = &pub->open[i];

	HOLDS(differs(open->claim.data, open->len, open->claim.seq) == open->len,
		"claim %llu changed before it was committed",
		(unsigned long long)open->claim.seq);
	if (chance(pub->dice, 3))
		open->claim.len = pick(pub->dice, open->len + 1);
	foretell(pub, i);
	pub->world->cut = 1;
	poke(&pub->world->fate[open->claim.seq], 2 + (uint32_t)open->claim.len);
	if (wr_writer_commit(pub->w, &open->claim) < 0)
		torn("a commit of an open claim was refused");
	pub->world->cut = 0;
	forget(pub, i);
}

static void
abort_one(struct pub *pub, unsigned i)
{
	weir_claim_t *claim = &pub->open[i].claim;
	uint64_t before = pub->w->seq;

	foretell(pub, i);
	poke(&pub->world->fate[claim->seq], 1);
	if (wr_writer_abort(pub->w, claim) < 0)
		torn("an abort of an open claim was refused");
	if (pub->w->seq != before)
		poke(&pub->world->fate[claim->seq], 0);
	forget(pub, i);
}

static unsigned
oldest_open(const struct pub *pub)
{
	unsigned at = 0;

	for (unsigned i = 1; i < pub->count; i++)
		if (pub->open[i].claim.seq < pub->open[at].claim.seq)
			at = i;
	return at;
}

static void
wait_for_room(struct pub *pub)
{
	if (wr_room_wait(pub->w, UINT64_MAX, NULL) < 0)
		torn("a wait without deadline ended");
	tally("waits", 1);
}

static void
claim_some(struct pub *pub, unsigned want)
{
	weir_claim_t claims[OPEN_MAX];
	uint32_t len = pick(pub->dice, chance(pub->dice, 4) ? MESSAGE_MAX + 1 : 100);
	int rc;

	give(&pub->world->settled, pub->w->seq + want);
	while ((rc = wr_writer_claim_n(pub->w, len, claims, want, NULL)) < 0) {
		if (rc == -WEIR_E_AGAIN_FULL)
			wait_for_room(pub);
		else if (rc == -WEIR_E_AGAIN_CLAIMS && pub->count > 0)
			commit_one(pub, oldest_open(pub));
		else if (rc == -WEIR_E_AGAIN_CLAIMS && want > 1)
			want = 1;
		else
			torn("a claim was answered with %d", rc);
		give(&pub->world->settled, pub->w->seq + want);
	}
	for (unsigned i = 0; i < want; i++) {
		fill(claims[i].data, len, claims[i].seq);
		pub->open[pub->count++] = (struct open){claims[i], len};
	}
	foretell(pub, OPEN_MAX);
}

static void
commit_many(struct pub *pub, unsigned from)
{
	weir_claim_t claims[OPEN_MAX];
	unsigned count = pub->count - from;

	give(&pub->world->settled, pub->w->seq);
	pub->world->cut = count;
	for (unsigned i = 0; i < count; i++) {
		claims[i] = pub->open[from + i].claim;
		poke(&pub->world->fate[claims[i].seq], 2 + (uint32_t)claims[i].len);
	}
	if (wr_writer_commit_n(pub->w, claims, count) < 0)
		torn("a commit of %u open claims was refused", count);
	pub->world->cut = 0;
	pub->count = from;
}

static void
publisher_step(struct pub *pub)
{
	uint32_t what = pick(pub->dice, 100);
	unsigned from = pub->count;

	if (pub->count == 0 || (what < 50 && pub->count < OPEN_MAX)) {
		claim_some(pub, 1);
		if (!chance(pub->dice, 3))
			commit_one(pub, pub->count - 1);
	} else if (what < 60 && pub->count + 4 <= OPEN_MAX) {
		claim_some(pub, 1 + pick(pub->dice, 4));
		if (pub->count > from && chance(pub->dice, 2))
			commit_many(pub, from < pub->count ? from : 0);
	} else if (what < 85) {
		commit_one(pub, pick(pub->dice, pub->count));
	} else if (what < 99) {
		abort_one(pub, pick(pub->dice, pub->count));
	} else if (chance(pub->dice, 50)) {
		(void)wr_writer_grow(pub->w, pub->w->plan.geo.window_bytes + SEG_BYTES);
	}
}

void
publisher_body(struct world *world)
{
	struct pub pub = {
		.world = world, .w = &world->stream.writer, .dice = &world->pub_dice};

	while (pub.w->seq + 2 * OPEN_MAX < world->claims) {
		publisher_step(&pub);
		world->rest(pub.dice);
	}
	if (world->abandon)
		return; /* dead, with its claims open */
	while (pub.count > 0 && chance(pub.dice, 2))
		commit_one(&pub, 0);
	give(&world->settled, pub.w->seq);
	wr_writer_end(pub.w);
	give(&world->over, 1u);
}

/* ---- the steward's part ------------------------------------------------------------------------ */

static int
on_admitted(void *ctx, const struct wr_begin *begin, struct wr_store *store, uint32_t seat)
{
	struct reader *rd = ctx;

	(void)seat;
	rd->begin = *begin;
	rd->start = rd->world->foreign ? map_again(store) : wr_store_ref(store);
	rd->tail = rd->start;
	/* It may begin in a region that the stream has left. */
	while (rd->world->foreign &&
		(store = wr_load_acquire(move_adopt, &store->following))) {
		struct wr_store *own = map_again(store);

		wr_store_follow(rd->tail, own);
		rd->tail = own;
	}
	rd->joined = 1;
	poke(&rd->gated_from, wr_place_ord(begin->place));
	return 0;
}

static void
admit(struct world *world, struct reader *rd)
{
	struct wr_row row = {.node = rd->node.id,
		.sub = rd->sub,
		.bell = rd->node.bell,
		.name = "reader"};
	/* Verdicts come from the dice (judge), not from the clock. */
	struct wr_terms terms = {.holds = HOLD_SEGS, .policy = WEIR_BLOCK};
	struct wr_reader_opts opts;
	int slot = wr_node_slot_take(&rd->node, NULL);
	int rc;

	if (slot < 0)
		torn("no slot");
	rd->slot_index = (uint32_t)slot;
	rd->slot = &rd->node.slots[slot];
	row.slot = rd->slot;
	rc = wr_stream_admit(&world->stream, &row, &terms, rd->node.flag, on_admitted, rd);
	if (rc < 0)
		torn("admission was answered with %d", rc);
	opts = (struct wr_reader_opts){.begin = rd->begin.seq,
		.asked = rd->begin.asked,
		.holds = HOLD_SEGS,
		.room_bell = world->node.bell};
	rc = wr_reader_init(&rd->r, rd->start, rd->slot, rd->begin.place, &opts);
	if (rc < 0)
		torn("wr_reader_init was answered with %d", rc);
	wr_store_unref(rd->start);
	rd->start = NULL;
	HOLDS(rd->r.seq <= take(&world->settled),
		"a slow joiner: begins at %llu of %llu", (unsigned long long)rd->r.seq,
		(unsigned long long)take(&world->settled));
	rd->began = rd->r.seq;
	tally("joins", 1);
}

static void
serve(struct world *world, struct reader *rd)
{
	switch (take(&rd->wish)) {
	case WISH_JOIN:
		admit(world, rd);
		give(&rd->wish, (uint32_t)WISH_NONE);
		break;
	case WISH_LEAVE:
		pthread_mutex_lock(&world->stream.writer.lock);
		rd->joined = 0;
		poke(&rd->gated_from, NOT_GATED);
		pthread_mutex_unlock(&world->stream.writer.lock);
		HOLDS(wr_stream_dismiss(&world->stream, rd->node.id, rd->sub),
			"no row to dismiss");
		give(&rd->wish, (uint32_t)WISH_NONE);
		break;
	default:
		break;
	}
}

/* A verdict about one reader, as the policy of back-pressure may find it at any rollover. */
static void
judge(struct world *world, struct dice *dice)
{
	struct wr_writer *w = &world->stream.writer;
	struct reader *rd = &world->readers[pick(dice, world->reader_count)];
	struct wr_row *row;
	bool detached = false;

	if (rd->immune)
		return;
	pthread_mutex_lock(&w->lock);
	row = wr_gate_find(&w->gate, rd->node.id, rd->sub);
	if (row && row->gate) {
		wr_gate_detach(&w->gate, row);
		row->account.left_ns = wr_now_ns();
		row->account.dwell_ns = UINT64_MAX; /* until the dice say so */
		poke(&rd->gated_from, NOT_GATED);
		detached = true;
	} else if (row && wr_gate_attach(&w->gate, row, w->pool.oldest, w->pool.head_ord)) {
		poke(&rd->gated_from, row->seen);
	}
	pthread_mutex_unlock(&w->lock);
	/* The publisher may be waiting for that one alone. */
	if (detached)
		wr_bell_ring(world->node.bell);
}

void
steward_body(struct world *world)
{
	struct dice *dice = &world->steward_dice;
	uint64_t judged = 0;

	while (!take(&world->over)) {
		if (take(&world->relay_wanted)) {
			give(&world->relay_wanted, 0u);
			(void)wr_writer_relay(&world->stream.writer);
		}
		for (unsigned i = 0; i < world->reader_count; i++)
			serve(world, &world->readers[i]);
		/* Only while something moves: a verdict must not heal what is stuck. */
		if (peep(&world->delivered) != judged && chance(dice, 4)) {
			judged = peep(&world->delivered);
			judge(world, dice);
		}
		world->rest(dice);
	}
	give(&world->steward_gone, 1u);
}

/* ---- a reader ------------------------------------------------------------------------------------ */

/* The segment that a view lies in still is what it was: live, or retired and pinned. */
static void
check_place(const struct reader *rd, const struct wr_segment *seg, uint64_t ord)
{
	uint64_t now = wr_stat_get(&seg->ord);

	HOLDS(now == ord || now == 0, "reader %u: segment %llu became %llu while in use",
		rd->index, (unsigned long long)ord, (unsigned long long)now);
}

static void
check_view(const struct reader *rd, const struct wr_view *view)
{
	uint32_t fate, at;

	HOLDS(view->seq < CLAIMS_A_ROUND, "reader %u: message %llu", rd->index,
		(unsigned long long)view->seq);
	fate = peep(&rd->world->fate[view->seq]);
	HOLDS(fate == 2 + view->len,
		"reader %u: message %llu of %u bytes, its fate was %u", rd->index,
		(unsigned long long)view->seq, view->len, fate);
	at = differs(view->data, view->len, view->seq);
	HOLDS(at == view->len, "reader %u: message %llu of %u bytes differs at %u",
		rd->index, (unsigned long long)view->seq, view->len, at);
}

static void
check_held(const struct reader *rd, const struct held *held)
{
	check_place(rd, held->seg, held->ord);
	check_view(rd, &held->view);
}

static void
let_go(struct reader *rd, unsigned i)
{
	check_held(rd, &rd->held[i]);
	if (wr_reader_release(&rd->r, rd->held[i].view.seq, rd->held[i].ord) < 0)
		torn("a release of a held message was refused");
	rd->held[i] = rd->held[--rd->held_count];
}

static void
keep(struct reader *rd, const struct wr_view *view)
{
	uint64_t ord;
	int rc;

	if (rd->held_count == HELD_MAX)
		return;
	rc = wr_reader_hold(&rd->r, view->seq, &ord);
	if (rc == -WEIR_E_AGAIN_HOLDS && rd->held_count > 0)
		return;
	HOLDS(rc == 0, "a hold was answered with %d", rc);
	rd->held[rd->held_count++] = (struct held){.ord = ord,
		.view = *view,
		.seg = (const struct wr_segment *)(const void *)rd->r.seg};
	tally("holds", 1);
}

/* What was skipped before the first view of a batch is accounted for, exactly. */
static void
check_order(struct reader *rd, const struct wr_view *view)
{
	uint64_t skipped = view->seq - rd->next;
	uint64_t aborted = rd->r.aborted - rd->aborted;
	uint64_t gated = peep(&rd->gated_from);

	HOLDS(view->seq >= rd->next, "reader %u: message %llu after %llu", rd->index,
		(unsigned long long)view->seq, (unsigned long long)rd->next);
	HOLDS(skipped == view->lost + aborted, "reader %u: skipped %llu, lost %llu + %llu",
		rd->index, (unsigned long long)skipped, (unsigned long long)view->lost,
		(unsigned long long)aborted);
	if (view->lost == 0)
		return;
	HOLDS(!rd->immune, "reader %u was never detached and lost %llu", rd->index,
		(unsigned long long)view->lost);
	HOLDS(gated == NOT_GATED || rd->r.ord <= gated,
		"reader %u lost %llu up to segment %llu, waited for since %llu",
		rd->index, (unsigned long long)view->lost,
		(unsigned long long)rd->r.ord, (unsigned long long)gated);
	tally("gaps", 1);
}

static void
read_some(struct reader *rd, const struct wr_view *views, int count)
{
	const struct wr_segment *seg = (const struct wr_segment *)(const void *)rd->r.seg;
	int passed = 1 + (int)pick(&rd->dice, (uint32_t)count);

	check_order(rd, &views[0]);
	for (int i = 0; i < passed; i++) {
		HOLDS(views[i].seq == views[0].seq + (uint64_t)i, "a batch out of order");
		check_view(rd, &views[i]);
		if (chance(&rd->dice, rd->keeps_one_in))
			keep(rd, &views[i]);
	}
	rd->world->rest(&rd->dice);
	for (int i = 0; i < passed; i++)
		check_view(rd, &views[i]);
	check_place(rd, seg, rd->r.ord);
	wr_reader_pass(&rd->r, views, passed);
	rd->next = views[passed - 1].seq + 1;
	rd->aborted = rd->r.aborted;
	poke(&rd->world->delivered, peep(&rd->world->delivered) + 1);
	moved_on();
}

/* Waits until the steward has done it; false if it never will. */
static bool
wished(struct reader *rd)
{
	struct world *world = rd->world;

	for (;;) {
		bool gone = take(&world->steward_gone) != 0;

		if (take(&rd->wish) == WISH_NONE)
			return true;
		if (gone)
			return false;
		world->rest(&rd->dice);
	}
}

static bool
join(struct reader *rd)
{
	if (!wished(rd))
		return false;
	rd->next = rd->began;
	rd->aborted = 0;
	return true;
}

/* Leaves and comes back; what it held ends when it leaves. */
static bool
rejoin(struct reader *rd)
{
	bool there;

	while (rd->held_count > 0)
		let_go(rd, 0);
	give(&rd->wish, (uint32_t)WISH_LEAVE);
	there = wished(rd);
	wr_reader_fini(&rd->r);
	if (!there)
		return false;
	wr_node_slot_give(&rd->node, rd->slot_index);
	give(&rd->wish, (uint32_t)WISH_JOIN);
	return join(rd);
}

static void
reader_end(struct reader *rd)
{
	const struct wr_writer *w = &rd->world->stream.writer;

	if (!take(&rd->world->dead)) {
		HOLDS(rd->r.seq == w->seq, "reader %u ends at %llu, the stream at %llu",
			rd->index, (unsigned long long)rd->r.seq,
			(unsigned long long)w->seq);
		HOLDS(rd->r.passed + wr_reader_lost(&rd->r) + rd->r.aborted ==
				w->seq - rd->began,
			"reader %u: %llu passed, %llu lost, %llu aborted of %llu",
			rd->index, (unsigned long long)rd->r.passed,
			(unsigned long long)wr_reader_lost(&rd->r),
			(unsigned long long)rd->r.aborted,
			(unsigned long long)(w->seq - rd->began));
	}
	rd->passed = rd->r.passed;
	rd->ended = true;
	tally("delivered", rd->passed);
	while (rd->held_count > 0)
		let_go(rd, 0);
	wr_reader_fini(&rd->r);
}

void
reader_body(struct reader *rd)
{
	struct world *world = rd->world;
	struct wr_view views[PEEK_MAX];
	bool there = join(rd);

	while (there) {
		int rc = wr_reader_peek(&rd->r, views, 1 + (int)pick(&rd->dice, PEEK_MAX));

		if (rc > 0) {
			read_some(rd, views, rc);
		} else if (rc == -WEIR_E_GONE_END) {
			break;
		} else if (rc < 0) {
			torn("reader %u: peek was answered with %d at %llu, offset %u",
				rd->index, rc, (unsigned long long)rd->r.ord, rd->r.off);
		} else if (chance(&rd->dice, 2)) {
			(void)wr_reactor_idle(&rd->reactor, WEIR_FOREVER);
		} else {
			world->rest(&rd->dice);
		}
		if (rd->held_count > 0 && chance(&rd->dice, 4))
			check_held(rd, &rd->held[pick(&rd->dice, rd->held_count)]);
		if (rd->held_count > 0 && chance(&rd->dice, 6))
			let_go(rd, pick(&rd->dice, rd->held_count));
		if (!rd->immune && chance(&rd->dice, 500))
			there = rejoin(rd);
	}
	if (there)
		reader_end(rd);
}

/* ---- an observer ----------------------------------------------------------------------------------- */

/* Bases that were seen lately: later ordinals begin at later numbers. */
struct sights {
	uint64_t ord[LOOKS], base[LOOKS];
};

static void
check_sight(struct sights *sights, uint64_t ord, uint64_t base)
{
	for (int i = 0; i < LOOKS; i++) {
		uint64_t there = sights->ord[i];

		if (there == 0)
			continue;
		HOLDS((there > ord || sights->base[i] <= base) &&
				(there < ord || sights->base[i] >= base),
			"an observer saw %llu begin at %llu, and %llu at %llu",
			(unsigned long long)ord, (unsigned long long)base,
			(unsigned long long)there, (unsigned long long)sights->base[i]);
	}
	sights->ord[ord % LOOKS] = ord;
	sights->base[ord % LOOKS] = base;
}

static uint64_t
word_of(const uint8_t *copy, uint32_t off)
{
	uint64_t word;

	memcpy(&word, copy + off, sizeof(word));
	return word;
}

/* Copies the committed frames of a segment; the offset behind the last of them. */
static uint32_t
copy_frames(const struct wr_store *store, uint32_t index, uint8_t *copy)
{
	const uint8_t *mem = wr_store_seg(store, index);
	uint32_t off = store->first;

	while (off + WR_FRAME <= store->seg_bytes) {
		const struct wr_frame *frame =
			(const struct wr_frame *)(const void *)(mem + off);
		uint64_t word = wr_load_acquire(look_len, &frame->word);
		uint32_t extent = wr_word_extent(word);

		if (extent == 0 || extent % WR_FRAME != 0 ||
			extent > store->seg_bytes - off)
			break;
		memcpy(copy + off, mem + off, extent);
		memcpy(copy + off, &word, sizeof(word));
		off += extent;
		if (wr_word_kind(word) == WR_ROLL || wr_word_kind(word) == WR_MOVE)
			break; /* behind it lies what is old */
	}
	return off;
}

static void
check_frames(struct world *world, const struct wr_store *store, const uint8_t *copy,
	uint32_t end, uint64_t seq)
{
	for (uint32_t off = store->first; off < end;) {
		uint64_t word = word_of(copy, off);
		uint32_t len = wr_word_len(word);

		if (wr_word_kind(word) == WR_DATA) {
			HOLDS(seq < CLAIMS_A_ROUND && peep(&world->fate[seq]) == 2 + len,
				"an observer took %llu with %u bytes, its fate was %u",
				(unsigned long long)seq, len,
				seq < CLAIMS_A_ROUND ? world->fate[seq] : 0);
			HOLDS(differs(copy + off + WR_FRAME, len, seq) == len,
				"an observer took %llu, which differs",
				(unsigned long long)seq);
		}
		seq += wr_word_kind(word) == WR_DATA || wr_word_kind(word) == WR_ABORTED;
		off += wr_word_extent(word);
	}
}

void
observer_body(struct world *world, struct dice *dice)
{
	struct wr_store *store = wr_store_ref(world->first);
	struct sights sights = {{0}, {0}};
	uint8_t copy[SEG_BYTES];

	while (!take(&world->over)) {
		uint64_t head = wr_load_acquire(look_head, &store->hdr->head);
		uint32_t index = chance(dice, 2) ? wr_place_seg(head)
						 : pick(dice, store->seg_count);
		const struct wr_segment *seg = wr_store_seg_hdr(store, index);
		uint64_t ord = wr_load_acquire(look_ord, &seg->ord);
		struct wr_store *next = wr_load_acquire(look_move, &store->following);

		if (ord != 0) {
			uint32_t end = copy_frames(store, index, copy);
			uint64_t base = wr_load_relaxed(look_base, &seg->base);

			wr_fence_acquire(look_fence);
			if (wr_load_relaxed(look_check, &seg->ord) == ord) {
				check_sight(&sights, ord, base);
				check_frames(world, store, copy, end, base);
				tally("looks", 1);
			}
		}
		if (next && chance(dice, 16)) {
			wr_store_ref(next);
			wr_store_unref(store);
			store = next;
		}
		world->rest(dice);
	}
	wr_store_unref(store);
}

/* ---- afterwards --------------------------------------------------------------------------------------- */

static void
check_pool(const struct world *world)
{
	const struct wr_pool *pool = &world->stream.writer.pool;
	const struct wr_gate *gate = &world->stream.writer.gate;
	uint32_t detached = 0, live = 0, limbo = 0;
	uint64_t pins = 0;

	for (uint64_t ord = pool->oldest; ord <= pool->head_ord; ord++)
		live += pool->live[ord % pool->live_size]->zone == pool->zone;
	for (uint32_t i = 0; i < pool->limbo_count; i++)
		limbo += pool->limbo[i]->zone == pool->zone;
	HOLDS(pool->zone->used == live + limbo,
		"%u segments used, %u live, %u in limbo", pool->zone->used, live, limbo);
	HOLDS(pool->zone->touched == live + limbo + pool->free_count,
		"%u segments touched, %u live, %u in limbo, %u free",
		pool->zone->touched, live, limbo, pool->free_count);
	for (uint32_t i = 0; i < gate->count; i++) {
		detached += !gate->rows[i].gate;
		pins += 1 + gate->rows[i].holds;
	}
	HOLDS(detached == gate->detached && pins == gate->pins,
		"the gate's books are wrong");
	HOLDS(gate->evicted == 0, "an honest reader was put out");
}

void
world_check(struct world *world)
{
	const struct reader *rd = &world->readers[0];
	uint64_t committed = 0;

	tally("rounds", 1);
	tally("claims", world->stream.writer.seq);
	tally("rolls", world->stream.writer.pool.rolls);
	tally("moves", world->stream.writer.pool.moves);
	if (!world->dead)
		check_pool(world);
	if (!rd->ended || !rd->immune)
		return; /* its publisher died before it came; or it may have lost some */
	for (uint64_t seq = rd->began; seq < CLAIMS_A_ROUND; seq++)
		committed += world->fate[seq] >= 2;
	/* One commit may have been cut short between its fate and its word. */
	HOLDS(rd->passed <= committed && committed - rd->passed <= world->cut,
		"reader 0 had %llu of %llu messages", (unsigned long long)rd->passed,
		(unsigned long long)committed);
}
