/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/node.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "bus/errand.h"
#include "bus/error.h"
#include "bus/history.h"
#include "bus/legacy.h"
#include "bus/mutant.h"
#include "bus/topic.h"
#include "bus/window.h"

/* ---- bells that outlive their nodes ---------------------------------------------------- */

/*
 * A reader may ring a publisher that is just closing: bells of this process are used
 * again and never freed.
 */
struct spare_bell {
	struct wr_bell bell;
	struct spare_bell *next;
};

static pthread_mutex_t spare_lock = PTHREAD_MUTEX_INITIALIZER;
static struct spare_bell *spare_bells;

static struct wr_bell *
bell_take(void)
{
	struct spare_bell *spare;

	pthread_mutex_lock(&spare_lock);
	spare = spare_bells;
	if (spare)
		spare_bells = spare->next;
	pthread_mutex_unlock(&spare_lock);
	if (spare)
		return &spare->bell;
	spare = calloc(1, sizeof(*spare));
	if (spare)
		wr_bell_init(&spare->bell);
	return spare ? &spare->bell : NULL;
}

static void
bell_give(struct wr_bell *bell)
{
	struct spare_bell *spare = (struct spare_bell *)(void *)bell;

	if (!bell)
		return;
	wr_bell_set(bell, -1);
	pthread_mutex_lock(&spare_lock);
	spare->next = spare_bells;
	spare_bells = spare;
	pthread_mutex_unlock(&spare_lock);
}

void
wr_node_forget(void)
{
	pthread_mutex_init(&spare_lock, NULL);
	spare_bells = NULL;
}

/* ---- lifecycle --------------------------------------------------------------------------- */

uint64_t
wr_node_random(void)
{
	uint64_t number = 0;

	while (number == 0)
		if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != sizeof(number))
			number = (wr_now_ns() << 16 ^ (uint32_t)getpid()) *
				0x9e3779b97f4a7c15ull;
	return number;
}

/* The words of a node that others map: a region. Within a process: a window of our own. */
static int
words_make(struct wr_node *node, struct weir_error *err)
{
	int rc;

	if (node->in_process) {
		node->words = wr_window_take();
		if (!node->words || wr_window_own(node->words) < 0)
			return wr_error_set(
				err, WEIR_E_ENV_MAPS, 0, "no address space for a node");
		return 0;
	}
	rc = wr_region_create(&node->region, "weir-node", WR_NODE_BYTES, err);
	if (rc == 0)
		rc = wr_region_reserve(&node->region, 0, WR_PAGE, err);
	node->words = node->region.mem;
	return rc;
}

static void
words_describe(struct wr_node *node)
{
	struct wr_node_hdr *hdr = (struct wr_node_hdr *)(void *)node->words;

	hdr->magic = WR_NODE_MAGIC;
	hdr->layout = WR_LAYOUT;
	hdr->header_bytes = WR_PAGE;
	hdr->node = node->id;
	hdr->region_bytes = WR_NODE_BYTES;
	hdr->slots = WR_NODE_SLOTS;
	hdr->flag_offset = wr_node_flag_offset(node->id);
	hdr->pid = node->pid;
	hdr->uid = node->uid;
	hdr->sleeps = node->sleeps;
	memcpy(hdr->name, node->name, sizeof(hdr->name));
	node->flag = (wr_a64 *)(void *)(node->words + hdr->flag_offset);
	/* Sleeps are counted from a number of the node's own, so that who rings one node
	 * for the sleep of another has not rung it for a sleep to come. */
	wr_stat_set(node->flag, node->id & ~1ull);
	node->slots = (struct wr_slot *)(void *)(node->words + WR_PAGE);
}

int
wr_node_init(struct wr_node *node, const char *bus, const char *name, bool in_process,
	bool sleeps, struct weir_error *err)
{
	int rc;

	memset(node, 0, sizeof(*node));
	node->region = WR_REGION_NONE;
	node->bell_fd = -1;
	node->id = wr_node_random();
	node->next_id = 1;
	node->pid = (uint32_t)getpid();
	node->uid = (uint32_t)geteuid();
	node->in_process = in_process;
	node->sleeps = sleeps;
	wr_name_copy(node->bus, bus);
	wr_name_copy(node->name, name);
	pthread_mutex_init(&node->own_lock, NULL);
	pthread_mutex_init(&node->event_lock, NULL);
	node->lock = &node->own_lock;

	rc = words_make(node, err);
	if (rc < 0)
		goto fail;
	words_describe(node);
	node->slot_free = calloc(WR_NODE_SLOTS, sizeof(*node->slot_free));
	node->events = calloc(WR_EVENTS, sizeof(*node->events));
	node->bell = bell_take();
	if (!node->slot_free || !node->events || !node->bell) {
		rc = wr_error_set(err, WEIR_E_ENV_MEMORY, 0, "no memory for a node");
		goto fail;
	}
	node->bell_fd = wr_bell_make();
	if (node->bell_fd < 0) {
		rc = wr_error_set(err, WEIR_E_ENV_FILES, 0, "no descriptor for a bell");
		goto fail;
	}
	wr_bell_set(node->bell, node->bell_fd);
	return 0;

fail:
	wr_node_fini(node);
	return rc;
}

void
wr_node_fini(struct wr_node *node)
{
	wr_legacy_fini(node);
	wr_command_drop_all(node);
	bell_give(node->bell);
	node->bell = NULL;
	if (node->in_process)
		wr_window_give(node->words);
	else
		wr_region_drop(&node->region);
	node->words = NULL;
	free(node->slot_free);
	free(node->events);
	node->slot_free = NULL;
	node->events = NULL;
}

void
wr_node_nudge(struct wr_node *node)
{
	uint64_t epoch;

	wr_fence_sc(wake_fence);
	epoch = wr_load_relaxed(wake_look, node->flag);
	if ((epoch & 1) != 0)
		wr_bell_ring(node->bell);
}

/* ---- events ------------------------------------------------------------------------------ */

void
wr_node_tell(struct wr_node *node, const weir_event *event)
{
	pthread_mutex_lock(&node->event_lock);
	if (node->event_count == WR_EVENTS) {
		node->event_first = (node->event_first + 1) % WR_EVENTS;
		node->event_count--;
		node->event_dropped++;
	}
	node->events[(node->event_first + node->event_count++) % WR_EVENTS] = *event;
	wr_store_release(event_pending, &node->event_pending, node->event_count);
	pthread_mutex_unlock(&node->event_lock);
	wr_node_nudge(node);
}

void
wr_node_event(struct wr_node *node, enum weir_event_kind kind, int code, const char *peer,
	uint32_t pid, uint32_t uid, const char *topic, uint64_t publisher)
{
	weir_event event = {
		.kind = kind, .code = code, .pid = pid, .uid = uid, .publisher = publisher};

	if (peer)
		memcpy(event.node, peer, strnlen(peer, WEIR_NAME_MAX));
	if (topic)
		memcpy(event.topic, topic, strnlen(topic, WEIR_NAME_MAX));
	wr_node_tell(node, &event);
}

bool
wr_node_event_take(struct wr_node *node, weir_event *event)
{
	bool there;

	if (wr_load_acquire(event_pending, &node->event_pending) == 0)
		return false;
	pthread_mutex_lock(&node->event_lock);
	there = node->event_count > 0;
	if (there) {
		*event = node->events[node->event_first];
		event->dropped = node->event_dropped;
		node->event_dropped = 0;
		node->event_first = (node->event_first + 1) % WR_EVENTS;
		node->event_count--;
	}
	wr_store_release(event_pending, &node->event_pending, node->event_count);
	pthread_mutex_unlock(&node->event_lock);
	return there;
}

/* ---- slots --------------------------------------------------------------------------------- */

int
wr_node_slot_take(struct wr_node *node, struct weir_error *err)
{
	uint64_t per_page = WR_PAGE / sizeof(struct wr_slot);
	uint32_t slot = node->slot_next;
	int rc;

	if (node->slot_free_count > 0)
		return (int)node->slot_free[--node->slot_free_count];
	if (slot == WR_NODE_SLOTS)
		return wr_error_set(err, WEIR_E_AGAIN_QUOTA, 0,
			"a process reads at most %d streams", WR_NODE_SLOTS);
	if (!node->in_process && slot % per_page == 0) {
		rc = wr_region_reserve(&node->region,
			WR_PAGE + (uint64_t)slot * sizeof(struct wr_slot), WR_PAGE, err);
		if (rc < 0)
			return rc;
	}
	node->slot_next++;
	return (int)slot;
}

void
wr_node_slot_give(struct wr_node *node, uint32_t slot)
{
	wr_reader_slot_clear(&node->slots[slot]);
	node->slot_free[node->slot_free_count++] = slot;
}

/* ---- tables --------------------------------------------------------------------------------- */

void
wr_node_add_stream(struct wr_node *node, struct wr_stream *stream)
{
	stream->next = node->streams;
	node->streams = stream;
	node->stream_count++;
}

void
wr_node_remove_stream(struct wr_node *node, struct wr_stream *stream)
{
	for (struct wr_stream **at = &node->streams; *at; at = &(*at)->next)
		if (*at == stream) {
			*at = stream->next;
			node->stream_count--;
			return;
		}
}

struct wr_stream *
wr_node_find_stream(struct wr_node *node, uint64_t id)
{
	struct wr_stream *stream = node->streams;

	while (stream && stream->id != id)
		stream = stream->next;
	return stream;
}

void
wr_node_add_sub(struct wr_node *node, struct wr_subscription *sub)
{
	sub->next = node->subs;
	node->subs = sub;
}

void
wr_node_remove_sub(struct wr_node *node, struct wr_subscription *sub)
{
	for (struct wr_subscription **at = &node->subs; *at; at = &(*at)->next)
		if (*at == sub) {
			*at = sub->next;
			return;
		}
}

struct wr_subscription *
wr_node_find_sub(struct wr_node *node, uint64_t id)
{
	struct wr_subscription *sub = node->subs;

	while (sub && sub->id != id)
		sub = sub->next;
	return sub;
}

bool
wr_sub_wants(struct wr_subscription *sub, const char *topic, const char *type,
	uint64_t type_hash, const struct wr_creds *creds, const char *peer)
{
	struct wr_node *node = sub->node;

	if (!wr_pattern_match(sub->pattern, topic))
		return false;
	if (creds && !sub->open_to_all && !wr_access_admits(&sub->writers, creds)) {
		sub->refused++;
		node->denied++;
		wr_node_event(node, WEIR_EV_DENIED, WEIR_E_ENV_DENIED, peer,
			(uint32_t)creds->pid, (uint32_t)creds->uid, topic, 0);
		return false;
	}
	if (sub->type_hash != 0 && type_hash != 0 &&
		(sub->type_hash != type_hash || strcmp(sub->type, type) != 0)) {
		sub->refused++;
		sub->type_refused = true;
		sub->refused_hash = type_hash;
		wr_name_copy(sub->refused_type, type);
		wr_node_event(node, WEIR_EV_REFUSED, WEIR_E_USAGE_TYPE, peer,
			creds ? (uint32_t)creds->pid : node->pid,
			creds ? (uint32_t)creds->uid : node->uid, topic, 0);
		return false;
	}
	return true;
}

/* ---- links ------------------------------------------------------------------------------------ */

struct wr_link *
wr_link_new(struct wr_subscription *sub, uint64_t stream, const char *topic,
	struct weir_error *err)
{
	struct wr_link *link = calloc(1, sizeof(*link));
	int slot;

	if (!link) {
		wr_error_set(err, WEIR_E_ENV_MEMORY, 0,
			"no memory for a subscription's books");
		return NULL;
	}
	slot = wr_node_slot_take(sub->node, err);
	if (slot < 0) {
		free(link);
		return NULL;
	}
	link->sub = sub;
	link->sub_id = sub->id;
	link->stream = stream;
	link->slot = (uint32_t)slot;
	wr_name_copy(link->topic, topic);
	wr_stat_set(&sub->node->slots[slot].stream, stream);
	return link;
}

bool
wr_sub_had(const struct wr_subscription *sub, uint64_t stream)
{
	for (uint32_t i = 0; i < sub->had_count; i++)
		if (sub->had[i] == stream)
			return true;
	return false;
}

/* What it has read once it does not want again from who keeps it. */
static void
note_history(struct wr_subscription *sub, const struct wr_link *link)
{
	if (!wr_store_keeps(link->reader.store) || wr_sub_had(sub, link->stream))
		return;
	if (sub->had_count == sub->had_size) {
		uint32_t size = sub->had_size ? sub->had_size * 2 : 8;
		uint64_t *had = realloc(sub->had, size * sizeof(*had));

		if (!had)
			return;
		sub->had = had;
		sub->had_size = size;
	}
	sub->had[sub->had_count++] = link->stream;
}

void
wr_link_attach(struct wr_link *link)
{
	struct wr_subscription *sub = link->sub;
	struct wr_link **end;

	note_history(sub, link);

	link->next = sub->links;
	sub->links = link;

	pthread_mutex_lock(&sub->inbox_lock);
	for (end = &sub->inbox; *end; end = &(*end)->inbox)
		;
	link->inbox = NULL;
	*end = link;
	wr_store_release(inbox_count, &sub->inbox_count, 1);
	pthread_mutex_unlock(&sub->inbox_lock);
	wr_node_nudge(sub->node);
}

struct wr_link *
wr_sub_take_inbox(struct wr_subscription *sub, struct wr_errand **errands)
{
	struct wr_link *links;

	if (wr_load_acquire(inbox_count, &sub->inbox_count) == 0)
		return NULL;
	pthread_mutex_lock(&sub->inbox_lock);
	links = sub->inbox;
	sub->inbox = NULL;
	wr_errand_move(sub, errands);
	wr_store_release(inbox_count, &sub->inbox_count, 0);
	pthread_mutex_unlock(&sub->inbox_lock);
	return links;
}

void
wr_link_unlist(struct wr_link *link)
{
	for (struct wr_link **at = &link->sub->links; *at; at = &(*at)->next)
		if (*at == link) {
			*at = link->next;
			return;
		}
}

struct wr_link *
wr_sub_find_link(struct wr_subscription *sub, uint64_t stream)
{
	struct wr_link *link = sub->links;

	while (link && link->stream != stream)
		link = link->next;
	return link;
}

void
wr_link_leave(struct wr_link *link)
{
	struct wr_node *node = link->sub->node;

	pthread_mutex_lock(node->lock);
	wr_link_unlist(link);
	/* It may have read to the end before the steward has heard that there is one. */
	if (wr_reader_is_over(&link->reader))
		wr_legacy_keep(node, link);
	if (link->peer) {
		wr_reader_fini(&link->reader);
		node->ops->leave(node, link);
	} else {
		/* The row first: its publisher may be passing a verdict on the reader. */
		if (link->local && wr_stream_dismiss(link->local, node->id, link->sub->id))
			wr_node_event(link->local->node, WEIR_EV_SUB_LEFT, 0, node->name,
				node->pid, node->uid, link->topic, link->stream);
		wr_reader_fini(&link->reader);
		wr_node_slot_give(node, link->slot);
		free(link);
	}
	pthread_mutex_unlock(node->lock);
}

/* ---- admission ---------------------------------------------------------------------------------- */

/* What of the terms is granted. */
static void
grant(struct wr_row *row, const struct wr_writer *w, const struct wr_terms *terms)
{
	uint64_t segs = terms->quota / w->plan.geo.seg_bytes +
		(terms->quota % w->plan.geo.seg_bytes != 0);
	uint64_t budget_ns = WR_STALL_BUDGET_NS;

	if (terms->policy == WEIR_BLOCK)
		budget_ns = WR_STALL_FOREVER;
	else if (terms->stall_us != 0)
		budget_ns = terms->stall_us < 0 ? 0 : (uint64_t)terms->stall_us * 1000;
	if (budget_ns != WR_STALL_FOREVER && budget_ns > w->room.stall.cap_ns)
		budget_ns = w->room.stall.cap_ns;
	row->account.budget_ns = budget_ns;
	row->policy = terms->policy;
	row->holds = terms->holds;
	/* One that is read and one that is written, at least. */
	row->quota = segs == 0 || segs >= w->plan.geo.window_segs ? 0
		: segs < 2                                        ? 2
								  : (uint32_t)segs;
}

/* From far behind it would block at once: it is waited for when it has caught up. Who
 * wants the latest is never waited for. */
static bool
gates(const struct wr_writer *w, const struct wr_row *row, const struct wr_begin *begin)
{
	return row->policy != WEIR_LATEST &&
		(begin->seq == UINT64_MAX || wr_room_is_near(w, row));
}

int
wr_stream_admit(struct wr_stream *stream, const struct wr_row *row,
	const struct wr_terms *terms, const wr_a64 *flag, wr_admitted_fn admitted,
	void *ctx)
{
	struct wr_writer *w = &stream->writer;
	struct wr_row stands = *row;
	struct wr_begin begin;
	const struct wr_row *there;
	const struct wr_seg *seg;
	int added, rc;

	if (WR_MUTANT(ADMIT_NOLOCK)) {
		begin = wr_history_begin(&w->pool, stream->id, terms);
		sched_yield();
	}
	WR_POINT(admit_lock);
	pthread_mutex_lock(&w->lock);
	/* Not always the head: a claim that is open in an older segment will be published
	 * from now on. */
	if (!WR_MUTANT(ADMIT_NOLOCK))
		begin = wr_history_begin(&w->pool, stream->id, terms);
	stands.from = stands.seen = wr_place_ord(begin.place);
	grant(&stands, w, terms);
	stands.gate = gates(w, &stands, &begin);
	stands.told = w->pool.zone->store->first_ord; /* the answer says it */
	/* The row gates from here on, cursor or not: a reader that has been told where to
	 * begin must find it. */
	WR_POINT(admit_row);
	rc = added = wr_gate_add(&w->gate, &stands);
	if (rc == 0) {
		/* A row that stood and is not waited for may have been left behind. */
		stands.from = wr_gate_find(&w->gate, row->node, row->sub)->seen;
		if (stands.from < w->pool.oldest)
			stands.from = w->pool.oldest;
	}
	if (rc == 1 && flag)
		rc = wr_writer_wake_add(w, flag, row->bell);
	if (rc >= 0) {
		there = wr_gate_find(&w->gate, row->node, row->sub);
		wr_room_say_charge(w, there); /* not what somebody had there before */
		seg = w->pool.live[stands.from % w->pool.live_size];
		begin.place = wr_place(stands.from, seg->index);
		WR_POINT(admit_reply);
		rc = admitted(ctx, &begin, seg->zone->store, there->seat);
	}
	if (rc < 0 && added == 1)
		wr_gate_remove(&w->gate, row->node, row->sub);
	wr_stat_set(&w->pool.zone->store->hdr->stat_subscribers, w->gate.count);
	WR_POINT(admit_unlock);
	pthread_mutex_unlock(&w->lock);
	return rc < 0 ? rc : 0;
}

struct wr_reader_opts
wr_sub_reader_opts(const struct wr_subscription *sub, const struct wr_begin *begin,
	uint32_t seat, struct wr_bell *bell)
{
	return (struct wr_reader_opts){.begin = begin->seq,
		.asked = begin->asked,
		.ttl_ns = sub->ttl_ns,
		.holds = sub->terms.holds,
		.policy = sub->terms.policy,
		.key_offset = sub->key_offset,
		.key_size = sub->key_size,
		.seat = seat,
		.room_bell = bell};
}

/*
 * Readers that stand in the stream. One whose row was just made still walks to where it
 * begins: what is published now, it might take for what was there before it.
 */
static int
rows_that_read(const struct wr_gate *gate)
{
	int count = 0;

	for (uint32_t i = 0; i < gate->count; i++)
		count += gate->rows[i].mapped;
	return count;
}

bool
wr_stream_mapped(struct wr_stream *stream, uint64_t node, uint64_t sub)
{
	struct wr_writer *w = &stream->writer;
	struct wr_row *row;
	bool fresh;

	pthread_mutex_lock(&w->lock);
	row = wr_gate_find(&w->gate, node, sub);
	fresh = row && !row->mapped;
	if (fresh) {
		row->mapped = true;
		pthread_cond_broadcast(&stream->joined);
	}
	pthread_mutex_unlock(&w->lock);
	return fresh;
}

int
wr_stream_await_rows(struct wr_stream *stream, int count, uint64_t deadline_ns)
{
	struct timespec until = {.tv_sec = (time_t)(deadline_ns / 1000000000),
		.tv_nsec = (long)(deadline_ns % 1000000000)};
	struct wr_writer *w = &stream->writer;
	int rows;

	pthread_mutex_lock(&w->lock);
	while ((rows = rows_that_read(&w->gate)) < count &&
		pthread_cond_timedwait(&stream->joined, &w->lock, &until) == 0)
		;
	pthread_mutex_unlock(&w->lock);
	return rows;
}

static bool
node_reads(const struct wr_gate *gate, uint64_t node)
{
	for (uint32_t i = 0; i < gate->count; i++)
		if (gate->rows[i].node == node)
			return true;
	return false;
}

bool
wr_stream_dismiss(struct wr_stream *stream, uint64_t node, uint64_t sub)
{
	struct wr_writer *w = &stream->writer;
	struct wr_row *row;
	struct wr_bell *bell;
	bool stood;

	pthread_mutex_lock(&w->lock);
	row = wr_gate_find(&w->gate, node, sub);
	bell = row ? row->bell : NULL;
	WR_POINT(detach_row);
	stood = wr_gate_remove(&w->gate, node, sub);
	if (stood && !node_reads(&w->gate, node))
		wr_writer_wake_remove(w, bell);
	wr_stat_set(&w->pool.zone->store->hdr->stat_subscribers, w->gate.count);
	pthread_mutex_unlock(&w->lock);
	/* It may be this reader that the publisher waits for. */
	if (stood)
		wr_bell_ring(stream->node->bell);
	return stood;
}

/* ---- verdicts ------------------------------------------------------------------------------------ */

int
wr_row_code(const struct wr_row *row)
{
	static const int codes[WR_BLAMES] = {
		0, WEIR_E_PEER_SLOW, WEIR_E_PEER_CAP, WEIR_E_PEER_STOPPED};

	return row->gate ? 0 : codes[row->account.blame];
}

void
wr_link_verdict(struct wr_link *link, struct wr_node *node, bool gates, bool over,
	int code, uint64_t stalled_ns)
{
	weir_event event = {.kind = gates ? WEIR_EV_RETURNED : WEIR_EV_DETACHED,
		.code = code,
		.pid = link->pid,
		.publisher = link->stream,
		.stalled_ns = stalled_ns};

	if (over)
		wr_reader_put_off(&link->reader);
	memcpy(event.node, link->name, WEIR_NAME_MAX);
	memcpy(event.topic, link->topic, WEIR_NAME_MAX);
	wr_node_tell(node, &event);
}

void
wr_stream_verdict(struct wr_stream *stream, struct wr_row *row)
{
	struct wr_node *node = stream->node;
	weir_event event = {
		.kind = row->gate ? WEIR_EV_SUB_RETURNED : WEIR_EV_SUB_DETACHED,
		.code = wr_row_code(row),
		.pid = row->pid,
		.uid = row->uid,
		.publisher = stream->id,
		.stalled_ns = row->account.spent_ns};

	row->gone |= !row->gate && row->policy == WEIR_DISCONNECT;
	memcpy(event.node, row->name, WEIR_NAME_MAX);
	memcpy(event.topic, stream->writer.topic, WEIR_NAME_MAX);
	wr_node_tell(node, &event);
	if (row->local)
		wr_link_verdict(row->local, row->local->sub->node, row->gate, row->gone,
			event.code, event.stalled_ns);
	else if (node->ops->verdict)
		node->ops->verdict(node, stream->id, row, event.code);
}

/* What a reader of this process needs to begin. */
struct local_start {
	struct wr_begin begin;
	struct wr_store *store;
	uint32_t seat;
};

static int
start_local(void *ctx, const struct wr_begin *begin, struct wr_store *store, uint32_t seat)
{
	struct local_start *start = ctx;

	start->begin = *begin;
	start->store = wr_store_ref(store);
	start->seat = seat;
	return 0;
}

int
wr_join_local(
	struct wr_subscription *sub, struct wr_stream *stream, struct weir_error *err)
{
	struct wr_node *node = sub->node;
	struct wr_writer *w = &stream->writer;
	struct wr_row row = {.node = node->id,
		.sub = sub->id,
		.bell = node->bell,
		.pid = node->pid,
		.uid = node->uid};
	struct wr_reader_opts opts;
	struct local_start start = {.store = NULL};
	struct wr_link *link;
	int rc;

	if (wr_sub_find_link(sub, stream->id) ||
		!wr_sub_wants(sub, w->topic, w->type, w->plan.type_hash, NULL, node->name))
		return 0;
	link = wr_link_new(sub, stream->id, w->topic, err);
	if (!link)
		return err ? -err->code : -WEIR_E_ENV_MEMORY;
	row.slot = &node->slots[link->slot];
	row.slot_index = link->slot;
	row.local = link;
	link->node = stream->node->id;
	link->pid = stream->node->pid;
	memcpy(link->name, stream->node->name, sizeof(link->name));
	memcpy(row.name, node->name, sizeof(row.name));

	rc = wr_stream_admit(stream, &row, &sub->terms,
		node->sleeps ? node->flag : NULL, start_local, &start);
	if (rc < 0) {
		wr_error_set(err, -rc, 0, "topic '%s' has %d subscriptions", w->topic,
			WEIR_SUBSCRIBERS_MAX);
		goto fail_slot;
	}
	opts = wr_sub_reader_opts(sub, &start.begin, start.seat, stream->node->bell);
	rc = wr_reader_init(&link->reader, start.store, &node->slots[link->slot],
		start.begin.place, &opts);
	wr_store_unref(start.store);
	if (rc < 0) {
		wr_error_set(err, -rc, 0, "cannot read topic '%s'", w->topic);
		goto fail_row;
	}
	(void)wr_stream_mapped(stream, node->id, sub->id);
	link->local = stream;
	link->newest = link->reader.store;
	wr_link_attach(link);
	wr_node_event(node, WEIR_EV_PUB_JOINED, 0, stream->node->name, node->pid,
		node->uid, w->topic, stream->id);
	wr_node_event(stream->node, WEIR_EV_SUB_JOINED, 0, node->name, node->pid,
		node->uid, w->topic, stream->id);
	return 0;

fail_row:
	wr_stream_dismiss(stream, node->id, sub->id);
fail_slot:
	wr_node_slot_give(node, link->slot);
	free(link);
	return rc;
}
