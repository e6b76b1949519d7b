/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The reading end of pub/sub: one subscription, the streams that it follows, and whose
 * turn it is among them. A subscription with a callback is polled by the reactor; one
 * without is pulled by its owner. Both read in place.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/look.h>
#include <weir/loop.h>

#include "bus/errand.h"
#include "bus/error.h"
#include "bus/lines.h"
#include "bus/topic.h"
#include "protocols/bus.h"
#include "scheduler/rest.h"

#define POLL_MOST_NS 10000000000ull /* that somebody may ask for */

enum { BATCH = 64, MOVES = WEIR_MOVE_LANE | WEIR_MOVE_LOOPS | WEIR_MOVE_BLOCKING };

/* A topic that was met; messages point to it as long as the subscription lives. */
struct name {
	struct name *next;
	char topic[WR_NAME_BYTES];
};

struct weir_sub {
	struct wr_handle handle;
	struct wr_task task;
	struct wr_roamer roams;
	struct wr_reactor *reactor;  /* which polls the task */
	struct weir_bus *bus;        /* NULL if it is another thread's */
	struct wr_subscription *sub; /* NULL once the handle has failed */
	weir_msg_fn on_msg;
	weir_batch_fn on_batch;
	void *ctx;
	int batch; /* the most that one poll hands on */
	int burst; /* what it looks for: grows while there is more, see sub_poll */
	uint64_t poll_ns;  /* how long a poll hands messages on; 0: no limit */
	uint64_t until_ns; /* this one */
	bool busy;         /* inside a callback of ours, which has the views */
	uint64_t alias; /* as whom its callback runs while its loop may be taken; 0: never */
	struct wr_lease *lease; /* of the loop that is let go of for this poll; NULL: it is not */
	struct wr_budget *budget; /* of this poll */
	bool kicked;              /* off all streams, because somebody asked for that */
	struct wr_errand *errands; /* asked of it; done between two polls */

	/* the streams, and where the next turn begins */
	struct wr_link **links;
	uint32_t count, capacity, turn;
	struct name *names;

	/* what was peeked last: views of one link, until passed */
	struct wr_link *at;
	struct wr_view views[BATCH];
	int view_count;

	weir_sub_stats past; /* of links that ended */
	uint64_t ended;
	struct wr_tie tie;
};

static const struct wr_tie_kind tied; /* how its bus closes it */

static struct weir_sub *
of_task(struct wr_task *task)
{
	return (struct weir_sub *)(void *)((uint8_t *)task -
		offsetof(struct weir_sub, task));
}

/* ---- whose it is ---------------------------------------------------------------------------- */

static struct weir_sub *
of_roamer(struct wr_roamer *roamer)
{
	return (struct weir_sub *)(void *)((uint8_t *)roamer -
		offsetof(struct weir_sub, roams));
}

/* From here on it is this thread's: a loop of its bus has it. */
static void
sub_arrives(struct wr_roamer *roamer)
{
	struct weir_sub *sub = of_roamer(roamer);

	sub->reactor = roamer->at->reactor;
	(void)wr_handle_adopt(&sub->handle);
	for (uint32_t i = 0; i < sub->count; i++)
		wr_reader_adopt(&sub->links[i]->reader);
}

static void
sub_tiered(struct wr_task *task, const struct wr_tier_change *change)
{
	wr_roamer_tiered(&of_task(task)->roams, change);
}

/* True on a thread that one of its bus's further loops has. */
static bool
is_crew(const struct weir_sub *sub)
{
	const struct wr_loop *loop = wr_loop_here();

	return loop && loop->crew == &sub->bus->crew;
}

/* True in a callback of its own whose loop may have been taken: then nothing but the
 * subscription itself is to be touched. */
static bool
is_let_go(const struct weir_sub *sub)
{
	return wr_lease_here && wr_lease_here->task == &sub->task;
}

/* As wr_handle_enter, for who only looks at what any thread may see. */
static int
look_in(struct weir_sub *sub)
{
	if (is_let_go(sub) || !sub->roams.away || is_crew(sub))
		return wr_handle_enter(&sub->handle);
	return wr_handle_enter(&sub->bus->handle);
}

/* As wr_handle_enter; one that is elsewhere comes home for it. */
static int
enter(struct weir_sub *sub)
{
	int rc = look_in(sub);

	if (rc < 0 || is_let_go(sub) || !sub->roams.away || is_crew(sub))
		return rc;
	wr_roamer_recall(&sub->roams);
	return wr_handle_enter(&sub->handle);
}

/* ---- streams come and go ------------------------------------------------------------------ */

/* The name under which messages of a topic are handed out: it outlives the stream. */
static const char *
name_of(struct weir_sub *sub, const char *topic)
{
	struct name *name = sub->names;

	while (name && strcmp(name->topic, topic) != 0)
		name = name->next;
	if (name)
		return name->topic;
	name = calloc(1, sizeof(*name));
	if (!name)
		return NULL;
	wr_name_copy(name->topic, topic);
	name->next = sub->names;
	sub->names = name;
	return name->topic;
}

/* A place for one more link, or no memory. */
static bool
make_place(struct weir_sub *sub)
{
	uint32_t capacity = sub->capacity ? sub->capacity * 2 : 8;
	struct wr_link **links;

	if (sub->count < sub->capacity)
		return true;
	links = realloc(sub->links, capacity * sizeof(*links));
	if (!links)
		return false;
	sub->links = links;
	sub->capacity = capacity;
	return true;
}

static void
take_inbox(struct weir_sub *sub)
{
	struct wr_link *link = wr_sub_take_inbox(sub->sub, &sub->errands);

	while (link) {
		struct wr_link *next = link->inbox;

		link->said = name_of(sub, link->topic);
		wr_reader_adopt(&link->reader);
		if (link->said && make_place(sub))
			sub->links[sub->count++] = link;
		else
			wr_link_leave(link); /* it gates: better gone than in everybody's way */
		link = next;
	}
}

/* From here on nothing is attached to it any more. */
static void
leave_table(struct weir_sub *sub)
{
	struct wr_node *node = &sub->bus->node;

	pthread_mutex_lock(node->lock);
	wr_node_remove_sub(node, sub->sub);
	if (node->ops->withdraw)
		node->ops->withdraw(node, sub->sub);
	pthread_mutex_unlock(node->lock);
	take_inbox(sub);
}

/* Adds what one stream's reader has counted, each on its own. */
static void
add_books(weir_sub_stats *stats, const struct wr_reader *reader)
{
	stats->delivered += reader->delivered;
	stats->bytes += reader->bytes;
	stats->lost += wr_reader_lost(reader);
	stats->lost_behind += reader->lost[WR_LOST_BEHIND];
	stats->lost_conflated += reader->lost[WR_LOST_CONFLATED];
	stats->lost_expired += reader->lost[WR_LOST_EXPIRED];
	stats->lost_gone += reader->lost[WR_LOST_GONE];
	stats->aborted += reader->aborted;
	stats->held += reader->kept_passed;
}

static void
drop_link(struct weir_sub *sub, struct wr_link *link)
{
	uint32_t i = 0;

	while (sub->links[i] != link)
		i++;
	sub->links[i] = sub->links[--sub->count];
	add_books(&sub->past, &link->reader);
	if (sub->at == link)
		sub->at = NULL;
	wr_link_leave(link);
}

static bool
holds_any(const struct wr_link *link)
{
	for (uint32_t k = 0; k < link->reader.holds; k++)
		if (link->reader.held[k].count > 0)
			return true;
	return false;
}

/* A stream that gave its last answer; it stays while a message of it is held. */
static void
end_link(struct weir_sub *sub, struct wr_link *link, int rc)
{
	sub->ended++;
	if (rc == -WEIR_E_PEER_PROTOCOL)
		wr_node_event(&sub->bus->node, WEIR_EV_PROTOCOL, WEIR_E_PEER_PROTOCOL,
			link->name, link->pid, 0, link->topic, link->stream);
	if (rc == -WEIR_E_DATA_GAP)
		wr_node_event(&sub->bus->node, WEIR_EV_CUT, WEIR_E_DATA_GAP, link->name,
			link->pid, 0, link->topic, link->stream);
	if (!holds_any(link))
		drop_link(sub, link);
}

/* ---- what others ask of it ------------------------------------------------------------------ */

/* What is wrong with it, by what it says of itself; 0. */
static int
check_errand(const struct weir_control *control, char *text, size_t size)
{
	const uint32_t known =
		WEIR_CONTROL_WEIGHT | WEIR_CONTROL_POLL | WEIR_CONTROL_BATCH;

	if (control->what == 0 || (control->what & ~known) != 0)
		(void)snprintf(text, size, "it knows no such setting");
	else if ((control->what & WEIR_CONTROL_WEIGHT) != 0 &&
		(control->weight < 1 || control->weight > WR_WEIGHT_MAX))
		(void)snprintf(text, size, "a weight of %u is not 1 to %d",
			control->weight, WR_WEIGHT_MAX);
	else if ((control->what & WEIR_CONTROL_BATCH) != 0 &&
		(control->batch < 1 || control->batch > BATCH))
		(void)snprintf(text, size, "a batch of %u is not 1 to %d",
			control->batch, BATCH);
	else if ((control->what & WEIR_CONTROL_POLL) != 0 &&
		control->poll_ns > POLL_MOST_NS)
		(void)snprintf(text, size, "no poll hands messages on for more than 10 s");
	else
		return 0;
	return WEIR_E_USAGE_INVAL;
}

static int
weigh(struct weir_sub *sub, unsigned weight, char *text, size_t size)
{
	const struct wr_rounds *rounds = &sub->reactor->rounds;
	unsigned was = wr_turn_weight(&sub->task.turn);
	int rc = wr_reactor_weigh(sub->reactor, &sub->task, weight);

	if (rc < 0)
		(void)snprintf(text, size,
			"the round has %u of its %u polls left; weight %u needs %u more "
			"than its %u",
			rounds->limit > rounds->polls ? rounds->limit - rounds->polls : 0,
			rounds->limit, weight, weight - was, was);
	else
		wr_roamer_weighed(&sub->roams);
	return -rc;
}

/* All of it, or nothing. At home. */
static int
do_set(struct weir_sub *sub, struct weir_control *control)
{
	char *text = control->text;
	int code = check_errand(control, text, sizeof(control->text));

	if (code == 0 && (control->what & WEIR_CONTROL_WEIGHT) != 0)
		code = weigh(sub, control->weight, text, sizeof(control->text));
	if (code == 0 && (control->what & WEIR_CONTROL_BATCH) != 0)
		sub->batch = (int)control->batch;
	if (code == 0 && (control->what & WEIR_CONTROL_POLL) != 0)
		sub->poll_ns = control->poll_ns;
	control->weight = wr_turn_weight(&sub->task.turn);
	control->batch = (uint32_t)sub->batch;
	control->poll_ns = sub->poll_ns;
	if (code == 0)
		(void)snprintf(text, sizeof(control->text),
			"weight %u, batch %u, poll budget %llu us", control->weight,
			control->batch, (unsigned long long)(control->poll_ns / 1000));
	return code;
}

static int
do_skip(struct weir_sub *sub, struct weir_control *control)
{
	for (uint32_t i = 0; i < sub->count; i++)
		control->skipped += wr_reader_skip(&sub->links[i]->reader);
	(void)snprintf(control->text, sizeof(control->text),
		"%llu messages passed over", (unsigned long long)control->skipped);
	return 0;
}

/* Its streams end, as they do for who is too slow; those in which it holds messages stay until
 * it has let go of them. */
static int
do_kick(struct weir_sub *sub, struct weir_control *control)
{
	leave_table(sub);
	sub->kicked = true;
	for (uint32_t i = sub->count; i-- > 0;) {
		struct wr_link *link = sub->links[i];

		sub->ended += !link->reader.over;
		link->reader.over = true;
		if (!holds_any(link))
			drop_link(sub, link);
	}
	(void)snprintf(control->text, sizeof(control->text), "off all its streams%s",
		sub->count > 0 ? " but those of which it holds messages" : "");
	return 0;
}

static int
do_errand(struct weir_sub *sub, struct weir_control *control)
{
	if (sub->kicked) {
		(void)snprintf(control->text, sizeof(control->text),
			"it has been disconnected already");
		return WEIR_E_GONE_EVICTED;
	}
	switch (control->verb) {
	case WEIR_CONTROL_SET:
		return do_set(sub, control);
	case WEIR_CONTROL_SKIP:
		return do_skip(sub, control);
	default:
		return do_kick(sub, control);
	}
}

/*
 * What was asked, between two polls. False: it has gone home for one of them, whose turns the
 * home loop's round counts, and is not to be touched any more.
 */
static bool
do_errands(struct weir_sub *sub)
{
	while (sub->errands) {
		struct wr_errand *errand = sub->errands;
		int code;

		if (errand->control.verb == WEIR_CONTROL_SET &&
			sub->reactor != &sub->bus->reactor) {
			wr_roamer_goes_home(&sub->roams);
			return false;
		}
		sub->errands = errand->next;
		if (wr_errand_is_due(errand)) {
			code = do_errand(sub, &errand->control);
		} else {
			code = WEIR_E_AGAIN_TIMEOUT;
			(void)snprintf(errand->control.text, sizeof(errand->control.text),
				"its time was over; nothing was done");
		}
		wr_errand_answer(&sub->bus->node, errand, code);
	}
	return true;
}

/* ---- messages --------------------------------------------------------------------------------- */

static void
msg_of(const struct wr_link *link, const struct wr_view *view, weir_msg *msg)
{
	msg->data = view->data;
	msg->len = view->len;
	msg->seq = view->seq;
	msg->time_ns = view->time_ns;
	msg->publisher = link->stream;
	msg->lost = view->lost;
	msg->topic = link->said;
	msg->opaque[0] = (uint64_t)(uintptr_t)link;
	msg->opaque[1] = link->reader.ord;
}

/* Finds the next stream with something to say, in turn. Returns as wr_reader_peek does,
 * and in *which whose answer it is. */
static int
peek_next_link(struct weir_sub *sub, int count, struct wr_link **which)
{
	take_inbox(sub);
	for (uint32_t i = 0; i < sub->count; i++) {
		struct wr_link *link = sub->links[(sub->turn + i) % sub->count];
		int rc = wr_reader_peek(&link->reader, sub->views, count);

		if (rc == 0 || rc == -WEIR_E_AGAIN_EMPTY)
			continue;
		sub->turn = (sub->turn + i + 1) % sub->count;
		*which = link;
		return rc;
	}
	return 0;
}

/* It comes to what was asked of it when its owner asks for messages. */
static bool
pulled_is_kicked(struct weir_sub *sub)
{
	take_inbox(sub);
	if (sub->errands)
		(void)do_errands(sub);
	return sub->kicked;
}

static int
kicked_answer(weir_msg *msg)
{
	memset(msg, 0, sizeof(*msg));
	return -WEIR_E_GONE_EVICTED;
}

static int
peek_n(struct weir_sub *sub, weir_msg *msgs, int count)
{
	struct wr_link *link;
	int rc;

	if (!sub->at && sub->sub->pulled && pulled_is_kicked(sub))
		return kicked_answer(msgs);
	if (sub->at) {
		link = sub->at;
		rc = wr_reader_peek(&link->reader, sub->views, count);
	} else {
		rc = peek_next_link(sub, count, &link);
	}
	sub->view_count = rc > 0 ? rc : 0;
	sub->at = rc > 0 ? link : NULL;
	for (int i = 0; i < rc; i++)
		msg_of(link, &sub->views[i], &msgs[i]);
	if (rc < 0) {
		memset(&msgs[0], 0, sizeof(msgs[0]));
		msgs[0].publisher = link->stream;
		msgs[0].topic = link->said;
		end_link(sub, link, rc);
	}
	return rc;
}

int
weir_peek_n(weir_sub *sub, weir_msg *msgs, size_t count)
{
	int rc = enter(sub);

	if (rc < 0)
		return rc;
	if (!msgs || count == 0)
		return -WEIR_E_USAGE_INVAL;
	if (sub->busy)
		return -WEIR_E_USAGE_STATE;
	return peek_n(sub, msgs, count < BATCH ? (int)count : BATCH);
}

int
weir_peek(weir_sub *sub, weir_msg *msg)
{
	return weir_peek_n(sub, msg, 1);
}

int
weir_next_n(weir_sub *sub, size_t count)
{
	int rc = enter(sub);

	if (rc < 0)
		return rc;
	if (sub->busy || !sub->at || count == 0 || count > (size_t)sub->view_count)
		return -WEIR_E_USAGE_STATE;
	wr_reader_pass(&sub->at->reader, sub->views, (int)count);
	wr_reader_say(&sub->at->reader);
	sub->at = NULL;
	return 0;
}

int
weir_next(weir_sub *sub)
{
	return weir_next_n(sub, 1);
}

/* One look of weir_recv: a message copied, or why not. */
static int
recv_once(struct weir_sub *sub, void *buf, size_t size, weir_msg *msg)
{
	int rc = peek_n(sub, msg, 1);

	if (rc <= 0)
		return rc == 0 ? -WEIR_E_AGAIN_EMPTY : rc;
	if (msg->len > size)
		return -WEIR_E_DATA_TRUNC;
	if (msg->len > 0)
		memcpy(buf, msg->data, msg->len);
	msg->data = buf;
	wr_reader_pass(&sub->at->reader, sub->views, 1);
	wr_reader_say(&sub->at->reader);
	sub->at = NULL;
	return (int)msg->len;
}

int
weir_recv(weir_sub *sub, void *buf, size_t size, int timeout_ms, weir_msg *msg)
{
	uint64_t deadline = timeout_ms > 0 ? wr_deadline_ns((uint32_t)timeout_ms) : 0;
	struct wr_reactor *reactor;
	weir_msg own;
	int rc = enter(sub);

	if (rc < 0)
		return rc;
	if (!buf && size > 0)
		return -WEIR_E_USAGE_INVAL;
	if (sub->busy)
		return -WEIR_E_USAGE_STATE;
	reactor = &sub->bus->reactor;
	for (;;) {
		int left_ms = timeout_ms;

		rc = recv_once(sub, buf, size, msg ? msg : &own);
		if (rc != -WEIR_E_AGAIN_EMPTY || timeout_ms == 0)
			return rc;
		if (wr_load_acquire(loop_stopped, &reactor->stopped))
			return -WEIR_E_GONE_STOPPED;
		if (deadline) {
			uint64_t now = wr_now_ns();

			if (now >= deadline)
				return rc;
			left_ms = (int)((deadline - now) / 1000000) + 1;
		}
		if ((sub->bus->flags & WEIR_BUS_NO_THREAD) != 0)
			(void)sub->bus->node.ops->turn(&sub->bus->node, 0);
		reactor->only = &sub->task;
		(void)wr_reactor_idle(reactor, left_ms);
		reactor->only = NULL;
	}
}

/* ---- holds -------------------------------------------------------------------------------------- */

static struct wr_link *
link_of(struct weir_sub *sub, const weir_msg *msg)
{
	for (uint32_t i = 0; i < sub->count; i++)
		if ((uint64_t)(uintptr_t)sub->links[i] == msg->opaque[0])
			return sub->links[i];
	return NULL;
}

int
weir_hold(weir_sub *sub, const weir_msg *msg)
{
	struct wr_link *link;
	uint64_t ord;
	int rc = enter(sub);

	if (rc < 0)
		return rc;
	if (!msg)
		return -WEIR_E_USAGE_INVAL;
	link = link_of(sub, msg);
	if (!link || link != sub->at || link->reader.ord != msg->opaque[1])
		return -WEIR_E_USAGE_STATE;
	return wr_reader_hold(&link->reader, msg->seq, &ord);
}

int
weir_release(weir_sub *sub, const weir_msg *msg)
{
	struct wr_link *link;
	int rc = enter(sub);

	if (rc < 0)
		return rc;
	if (!msg)
		return -WEIR_E_USAGE_INVAL;
	link = link_of(sub, msg);
	if (!link)
		return -WEIR_E_USAGE_STATE;
	rc = wr_reader_release(&link->reader, msg->seq, msg->opaque[1]);
	if (rc == 0 && link->reader.over && !holds_any(link))
		drop_link(sub, link);
	return rc;
}

/* ---- the reactor's side ----------------------------------------------------------------------------- */

/* True if this poll should hand no further message on. */
static bool
is_over(const struct weir_sub *sub)
{
	return wr_budget_is_over(sub->budget, 0) ||
		(sub->lease && wr_lease_hurries(sub->lease)) ||
		(sub->until_ns != 0 && wr_now_ns() >= sub->until_ns);
}

#if WEIR_METRICS

/* The loop's clock is the loop's. */
static uint64_t
handler_clock(struct weir_sub *sub)
{
	return sub->lease ? wr_now_ns() : wr_clock_now(&sub->reactor->meter.clock);
}

/* While it is measured: so many messages come to the handler now; and: it has returned. */
static uint64_t
clock_in(struct weir_sub *sub, const weir_msg *msgs, int count)
{
	struct wr_latency *latency = sub->task.entry.latency;
	uint64_t now_ns;

	if (__builtin_expect(latency == NULL, 1))
		return 0;
	now_ns = handler_clock(sub);
	for (int i = 0; i < count; i++)
		if (msgs[i].time_ns != 0)
			wr_hist_add(&latency->delivery,
				now_ns > msgs[i].time_ns ? now_ns - msgs[i].time_ns : 0);
	return now_ns;
}

static void
clock_out(struct weir_sub *sub, uint64_t began_ns)
{
	struct wr_latency *latency = sub->task.entry.latency;

	if (__builtin_expect(latency == NULL, 1) || began_ns == 0)
		return;
	wr_hist_add(&latency->handler, handler_clock(sub) - began_ns);
}

#else

#define clock_in(sub, msgs, count) ((uint64_t)0)
#define clock_out(sub, began_ns)   ((void)(began_ns))

#endif

/* Hands one peeked batch of a link to the callback. Returns how many were handled. */
static int
dispatch(struct weir_sub *sub, struct wr_link *link, int count, int *verdict)
{
	weir_msg msgs[BATCH];
	uint64_t began_ns;
	int done = 0;

	for (int i = 0; i < count; i++)
		msg_of(link, &sub->views[i], &msgs[i]);
	sub->at = link;
	sub->busy = true;
	if (sub->on_batch) {
		began_ns = clock_in(sub, msgs, count);
		*verdict = sub->on_batch(sub->ctx, msgs, (size_t)count);
		clock_out(sub, began_ns);
		wr_reader_pass(&link->reader, sub->views, count);
		done = count;
	}
	while (done < count && *verdict == 0) {
		began_ns = clock_in(sub, &msgs[done], 1);
		*verdict = sub->on_msg(sub->ctx, &msgs[done]);
		clock_out(sub, began_ns);
		wr_reader_pass(&link->reader, &sub->views[done], 1);
		done++;
		if (is_over(sub))
			break;
	}
	wr_reader_say(&link->reader);
	sub->busy = false;
	sub->at = NULL;
	return done;
}

/*
 * Hands on what there is, as much as one poll may.
 *
 * To see whether a second message is there costs a miss on the line that the publisher
 * writes next, before the first one is handled. So a lone message is handled alone, and
 * the look goes further as long as that pays.
 */
static int
read_on(struct weir_sub *sub, int *verdict)
{
	int work = 0;

	sub->until_ns = sub->poll_ns ? wr_now_ns() + sub->poll_ns : 0;
	for (uint32_t left = sub->count; left > 0 && work < sub->batch &&
		*verdict == 0 && (work == 0 || !is_over(sub));
		left--) {
		struct wr_link *link = NULL;
		int wanted =
			sub->batch - work < sub->burst ? sub->batch - work : sub->burst;
		int rc = peek_next_link(sub, wanted, &link);

		if (rc == 0)
			break;
		if (rc < 0) {
			end_link(sub, link, rc);
			continue;
		}
		sub->burst = rc < wanted ? rc : sub->burst * 2;
		if (sub->burst > sub->batch)
			sub->burst = sub->batch;
		work += dispatch(sub, link, rc, verdict);
	}
	return work;
}

/* The loop is let go of: from here on only the subscription is ours. The callback runs as
 * nobody's but its own, so that whatever belongs to the loop is refused to it, always. */
static struct wr_lease *
let_go(struct weir_sub *sub)
{
	struct wr_reactor *reactor = sub->reactor;
	struct wr_lease *lease = reactor->post->lease;

	sub->lease = lease;
	sub->budget = &lease->allowance.budget;
	sub->handle.owner = wr_self_number = sub->alias;
	wr_lease_begin(lease, &sub->task, reactor->allowance.budget.full);
	return lease;
}

/* The loop is ours again, as before. */
static void
take_again(struct weir_sub *sub, const struct wr_lease *lease, uint64_t self)
{
	struct wr_reactor *reactor = sub->reactor;

	sub->handle.owner = self;
	sub->lease = NULL;
	reactor->allowance.overdrawn |= lease->allowance.overdrawn;
	reactor->allowance.yields |= lease->allowance.yields;
}

/* Reads while the loop may be taken by others. If it was, the subscription is not on it any
 * more, and goes where it belongs. */
static int
read_let_go(struct weir_sub *sub, int *verdict)
{
	struct wr_post *post = sub->reactor->post;
	uint64_t self = wr_self_number;
	struct wr_lease *lease = let_go(sub);
	int work = read_on(sub, verdict);

	wr_self_number = self;
	if (wr_lease_end(lease)) {
		take_again(sub, lease, self);
		if (*verdict != 0)
			wr_roamer_tells(&sub->roams, verdict);
		return work;
	}
	sub->lease = NULL;
	wr_post_await_left();
	wr_roamer_returns(&sub->roams, *verdict);
	*verdict = wr_post_regain(post, lease);
	return work;
}

static int
sub_poll(struct wr_task *task, int *verdict)
{
	struct weir_sub *sub = of_task(task);
	int work;

	/* A turn within a callback of ours leaves to the outer one what is ours. */
	if (sub->busy)
		return 0;
	take_inbox(sub);
	if ((sub->errands && !do_errands(sub)) ||
		(sub->roams.moves != 0 && wr_roamer_hands_on(&sub->roams)))
		return 0;
	if (sub->alias != 0 && sub->reactor->post)
		return read_let_go(sub, verdict);
	sub->budget = &sub->reactor->allowance.budget;
	work = read_on(sub, verdict);
	if (*verdict != 0 && sub->roams.moves != 0)
		wr_roamer_tells(&sub->roams, verdict);
	return work;
}

static bool
sub_ready(struct wr_task *task)
{
	struct weir_sub *sub = of_task(task);

	/* Nobody pulls while weir_run runs, so what waits there keeps nobody awake. */
	if (sub->busy || (!sub->on_msg && !sub->on_batch && sub->bus->in_run))
		return false;
	if (sub->errands || wr_load_acquire(inbox_count, &sub->sub->inbox_count) != 0)
		return true;
	for (uint32_t i = 0; i < sub->count; i++)
		if (wr_reader_ready(&sub->links[i]->reader))
			return true;
	return false;
}

static bool
sub_heavy(struct wr_task *task)
{
	struct weir_sub *sub = of_task(task);

	for (uint32_t i = 0; i < sub->count; i++)
		if (wr_reader_heavy(&sub->links[i]->reader))
			return true;
	return false;
}

/* Of its streams the one that is worst off; and what it was charged in all of them. Those that
 * wait for it are told what its neighbours took. */
static void
sub_signs(struct wr_task *task, struct wr_tier_signs *signs)
{
	struct weir_sub *sub = of_task(task);

	if (sub->sub->terms.policy == WEIR_LATEST)
		return; /* it passes over what is old, and is never waited for */
	for (uint32_t i = 0; i < sub->count; i++) {
		struct wr_reader *reader = &sub->links[i]->reader;
		uint32_t lag = wr_reader_lag(reader, sub->sub->terms.quota);
		uint64_t age_ns = wr_reader_age_ns(reader, signs->now_ns);

		signs->lag = lag > signs->lag ? lag : signs->lag;
		signs->age_ns = age_ns > signs->age_ns ? age_ns : signs->age_ns;
		signs->stall_ns += wr_reader_charged_ns(reader);
		signs->overspent |= wr_reader_overspent(reader);
		if (signs->hindered_ns > 0 && lag > 0)
			wr_reader_hindered(reader, signs->hindered_ns);
	}
}

/* ---- opening and closing ------------------------------------------------------------------------------ */

static int
check_terms(const weir_sub_opts *opts, struct weir_error *err)
{
	if (opts->policy > WEIR_BLOCK)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"policy %u is not a choice", opts->policy);
	if (opts->from > WEIR_FROM_SEQ)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"from %u is not a choice", opts->from);
	if (opts->stall_us < 0 && opts->stall_us != WEIR_NEVER)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"stall_us %d is neither a time nor WEIR_NEVER; to be waited for "
			"without end, ask for .policy = WEIR_BLOCK",
			opts->stall_us);
	if (opts->weight > WR_WEIGHT_MAX)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0, "weight %u is above %d",
			opts->weight, WR_WEIGHT_MAX);
	if (opts->key_size > 8)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"a key of %u bytes is larger than 8", opts->key_size);
	if (opts->key_size > 0 && opts->policy != WEIR_LATEST)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"a key is given, but the policy is not WEIR_LATEST");
	return 0;
}

static int
check_options(const weir_sub_opts *opts, struct weir_error *err)
{
	if (opts->size != sizeof(*opts))
		return wr_error_set(err, WEIR_E_USAGE_SIZE, 0,
			"weir_sub_opts of %zu bytes, this library knows %zu",
			opts->size, sizeof(*opts));
	if (!opts->topic || wr_pattern_check(opts->topic) < 0)
		return wr_error_set(err, WEIR_E_USAGE_NAME, 0,
			"'%s' is not a topic or pattern",
			opts->topic ? opts->topic : "(null)");
	if (opts->type && strlen(opts->type) > WEIR_NAME_MAX)
		return wr_error_set(
			err, WEIR_E_USAGE_NAME, 0, "the type's name is too long");
	if (opts->holds > WEIR_HOLDS_MAX)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"holds %u is above the limit of %d", opts->holds, WEIR_HOLDS_MAX);
	if (opts->on_msg && opts->on_batch)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"both on_msg and on_batch are given");
	if ((opts->moves & ~(uint32_t)MOVES) != 0)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"moves %#x are not all known", opts->moves);
	if (opts->moves != 0 && !opts->on_msg && !opts->on_batch)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"who pulls runs on no loop: .moves needs a callback");
	return check_terms(opts, err);
}

static struct wr_subscription *
subscription_new(struct wr_node *node, const weir_sub_opts *opts, struct weir_error *err)
{
	struct wr_subscription *sub = calloc(1, sizeof(*sub));

	if (!sub) {
		wr_error_set(err, WEIR_E_ENV_MEMORY, 0, "no memory for a subscription");
		return NULL;
	}
	sub->node = node;
	sub->terms = (struct wr_terms){.quota = opts->quota,
		.from_count = opts->from_count,
		.from_stream = opts->from_publisher,
		.from = opts->from,
		.policy = opts->policy,
		.stall_us = opts->stall_us,
		.holds = opts->holds ? opts->holds : WEIR_HOLDS_DEFAULT};
	sub->pulled = !opts->on_msg && !opts->on_batch;
	sub->ttl_ns = (uint64_t)opts->ttl_ms * 1000000;
	sub->key_offset = opts->key_offset;
	sub->key_size = opts->key_size;
	sub->open_to_all = !opts->writers;
	sub->type_hash = opts->type ? opts->type_hash : 0;
	wr_name_copy(sub->pattern, opts->topic);
	wr_name_copy(sub->type, opts->type ? opts->type : "");
	pthread_mutex_init(&sub->inbox_lock, NULL);
	if (wr_access_parse(&sub->writers, opts->writers, err) < 0) {
		free(sub);
		return NULL;
	}
	pthread_mutex_lock(node->lock);
	sub->id = node->next_id++;
	pthread_mutex_unlock(node->lock);
	return sub;
}

static void
subscription_leave(struct weir_sub *sub)
{
	struct wr_node *node = &sub->bus->node;

	leave_table(sub);
	wr_errand_refuse_all(node, sub->errands);
	sub->errands = NULL;
	while (sub->count > 0)
		drop_link(sub, sub->links[0]);
	pthread_mutex_destroy(&sub->sub->inbox_lock);
	free(sub->sub->had);
	free(sub->sub);
	sub->sub = NULL;
}

static int
subscription_open(struct weir_sub *sub, const weir_sub_opts *opts, struct weir_error *err)
{
	struct wr_node *node = &sub->bus->node;
	int rc = check_options(opts, err);

	if (rc < 0)
		return rc;
	sub->sub = subscription_new(node, opts, err);
	if (!sub->sub)
		return -err->code;
	rc = node->ops->subscribe(
		node, sub->sub, wr_deadline_ns(sub->bus->attach_ms), err);
	if (rc < 0) {
		subscription_leave(sub);
		return rc;
	}
	take_inbox(sub);
	/* One publisher of another type is an event; none of the right one is an error. */
	if (sub->count == 0 && sub->sub->refused > 0 &&
		wr_pattern_is_literal(opts->topic) && sub->sub->type_hash != 0 &&
		sub->sub->type_refused) {
		wr_error_set(err, WEIR_E_USAGE_TYPE, 0,
			"topic '%s' carries another type than '%s'", opts->topic,
			opts->type);
		wr_error_differs(err, "published as '%s' %016llx, subscribed as %016llx",
			sub->sub->refused_type, (unsigned long long)sub->sub->refused_hash,
			(unsigned long long)opts->type_hash);
		subscription_leave(sub);
		return -WEIR_E_USAGE_TYPE;
	}
	return 0;
}

/* Off the loop, and off all streams. */
static void
reactor_part(struct weir_sub *sub)
{
	wr_roamer_fini(&sub->roams);
	wr_reactor_remove(&sub->bus->reactor, &sub->task);
	subscription_leave(sub);
}

/* From here on it is polled, and its owner may pull. */
static int
reactor_join(struct weir_sub *sub, const weir_sub_opts *opts, struct weir_error *err)
{
	int rc;

	sub->on_msg = opts->on_msg;
	sub->on_batch = opts->on_batch;
	sub->ctx = opts->ctx;
	sub->batch = opts->batch > 0 && opts->batch < BATCH ? (int)opts->batch : BATCH;
	sub->burst = 1;
	sub->poll_ns = (uint64_t)opts->poll_us * 1000;
	sub->task.poll = opts->on_msg || opts->on_batch ? sub_poll : NULL;
	sub->task.ready = sub_ready;
	sub->task.heavy = sub_heavy;
	sub->task.signs = sub_signs;
	sub->task.tiered = opts->moves ? sub_tiered : NULL;
	sub->task.name = sub->sub->pattern;
	sub->task.subscription = sub->sub->id;
	sub->task.kind = sub->task.poll ? WEIR_KIND_SUBSCRIPTION : WEIR_KIND_PULLED;
	sub->task.clocked = true;
	sub->roams.arrives = sub_arrives;
	sub->reactor = &sub->bus->reactor;
	if ((opts->moves & WEIR_MOVE_LANE) != 0)
		sub->alias = wr_self_other();
	rc = wr_reactor_add(sub->reactor, &sub->task, opts->weight, err);
	if (rc < 0) {
		subscription_leave(sub);
		return rc;
	}
	rc = wr_roamer_init(&sub->roams, &sub->bus->crew, &sub->task, opts->moves);
	if (rc < 0) {
		wr_error_set(err, -rc, 0,
			"no thread for a lane, or for who finds a handler that does not return");
		reactor_part(sub);
	}
	return rc;
}

weir_sub *
weir_subscribe_(weir_bus *bus, const weir_sub_opts *opts)
{
	static struct weir_sub none = {.handle = WR_HANDLE_NONE};
	struct weir_sub *sub = wr_lines_alloc(sizeof(*sub));
	int rc;

	if (!sub)
		return &none;
	rc = wr_bus_enter(bus, opts, &sub->handle);
	sub->bus = wr_tie_to(bus, &sub->tie, &tied);
	if (rc == 0)
		rc = subscription_open(sub, opts, &sub->handle.err);
	if (rc == 0)
		rc = reactor_join(sub, opts, &sub->handle.err);
	if (rc < 0)
		wr_bus_blame(
			bus, &sub->handle, "weir_subscribe", opts ? opts->topic : NULL);
	return sub;
}

int
weir_unsubscribe(weir_sub *sub)
{
	if (!sub || sub->handle.pid == 0)
		return 0;
	if (is_let_go(sub))
		return -WEIR_E_USAGE_STATE; /* from its own callback */
	if (sub->roams.away)
		(void)enter(sub);
	/* Whatever its code says: one that has failed is closed too, by its owner. */
	if (sub->handle.owner != wr_self())
		return wr_handle_refuse(&sub->handle);
	if (!sub->bus) {
		free(sub);
		return 0;
	}
	if (sub->busy)
		return -WEIR_E_USAGE_STATE;
	wr_tie_undo(sub->bus, &sub->tie);
	if (sub->sub)
		reactor_part(sub);
	while (sub->names) {
		struct name *name = sub->names;

		sub->names = name->next;
		free(name);
	}
	free(sub->links);
	free(sub);
	return 0;
}

static struct weir_sub *
of_tie(struct wr_tie *tie)
{
	return (struct weir_sub *)(void *)((uint8_t *)tie -
		offsetof(struct weir_sub, tie));
}

static void
close_tied(struct wr_tie *tie)
{
	of_tie(tie)->busy = false;
	(void)weir_unsubscribe(of_tie(tie));
}

static void
adopt_tied(struct wr_tie *tie)
{
	struct weir_sub *sub = of_tie(tie);

	if (sub->roams.away)
		return; /* it becomes this thread's when it comes home */
	(void)wr_handle_adopt(&sub->handle);
	for (uint32_t i = 0; i < sub->count; i++)
		wr_reader_adopt(&sub->links[i]->reader);
}

static const struct wr_tie_kind tied = {WR_TIE_READS, close_tied, adopt_tied};

int
weir_sub_weigh(weir_sub *sub, unsigned weight)
{
	int rc = enter(sub);

	if (rc == 0 && (is_let_go(sub) || is_crew(sub)))
		rc = -WEIR_E_USAGE_THREAD;
	if (rc < 0)
		return rc;
	if (weight < 1 || weight > WR_WEIGHT_MAX)
		return -WEIR_E_USAGE_INVAL;
	if (!sub->task.poll)
		return 0;
	rc = wr_reactor_weigh(sub->reactor, &sub->task, weight);
	wr_roamer_weighed(&sub->roams);
	return rc;
}

int
weir_sub_move(weir_sub *sub, uint32_t loop)
{
	int rc = look_in(sub);

	if (rc == 0 && (is_let_go(sub) || is_crew(sub)))
		rc = -WEIR_E_USAGE_THREAD;
	return rc < 0 ? rc : wr_roamer_move(&sub->roams, loop);
}

int
weir_sub_loop(weir_sub *sub)
{
	int rc = look_in(sub);
	uint64_t place = rc < 0 ? 0 : wr_stat_get(&sub->roams.place);

	if (rc < 0)
		return rc;
	return place > sub->bus->crew.plan.loops ? WEIR_LOOP_LANE : (int)place;
}

int
weir_sub_tier(weir_sub *sub)
{
	int rc = look_in(sub);

	return rc < 0 ? rc : (int)wr_task_shown(&sub->task).tier;
}

int
weir_sub_consumer(weir_sub *sub, weir_consumer *consumer)
{
	int rc = look_in(sub);

	if (rc < 0)
		return rc;
	if (!consumer)
		return -WEIR_E_USAGE_INVAL;
	*consumer = wr_task_shown(&sub->task);
	return 0;
}

#if WEIR_METRICS
int
weir_sub_get_turns(weir_sub *sub, weir_consumer_stats *stats)
{
	const struct wr_consumer_stats *counted;
	int rc = look_in(sub);

	if (rc < 0)
		return rc;
	if (!stats)
		return -WEIR_E_USAGE_INVAL;
	if (stats->size != sizeof(*stats))
		return -WEIR_E_USAGE_SIZE;
	counted = &sub->task.stats;
	*stats = (weir_consumer_stats){.size = sizeof(*stats),
		.polls = wr_stat_get(&counted->polls),
		.messages = wr_stat_get(&counted->messages),
		.busy_ns = wr_stat_get(&counted->busy_ns),
		.violations = wr_stat_get(&counted->violations),
		.yields = wr_stat_get(&counted->yields),
		.promotions = wr_stat_get(&counted->promotions),
		.demotions = wr_stat_get(&counted->demotions)};
	return 0;
}
#endif

const weir_error *
weir_sub_why(const weir_sub *sub)
{
	return &sub->handle.err;
}

int
weir_publishers(weir_sub *sub)
{
	int rc = enter(sub);

	if (rc < 0)
		return rc;
	take_inbox(sub);
	return (int)sub->count;
}

int
weir_sub_get_stats(weir_sub *sub, weir_sub_stats *stats)
{
	int rc = enter(sub);

	if (rc < 0)
		return rc;
	if (!stats)
		return -WEIR_E_USAGE_INVAL;
	if (stats->size != sizeof(*stats))
		return -WEIR_E_USAGE_SIZE;
	take_inbox(sub);
	*stats = sub->past;
	stats->size = sizeof(*stats);
	stats->held = 0; /* what was held in streams that are gone was let go with them */
	stats->streams = sub->count;
	stats->ended = sub->ended;
	for (uint32_t i = 0; i < sub->count; i++) {
		add_books(stats, &sub->links[i]->reader);
		stats->waiting += wr_reader_waiting(&sub->links[i]->reader, UINT64_MAX);
	}
	pthread_mutex_lock(sub->bus->node.lock);
	stats->refused = sub->sub->refused;
	pthread_mutex_unlock(sub->bus->node.lock);
	return 0;
}
