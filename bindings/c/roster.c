/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Who is on whose loop, from outside (weir_look_roster) and from within (weir_look_at). What
 * is read is a stranger's memory: names are checked, and every text is made here.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/look.h>
#include <weir/loop.h>

#include "bus/error.h"
#include "bus/look.h"
#include "bus/topic.h"
#include "protocols/bus.h"

/* ---- where the rosters are ------------------------------------------------------------------ */

/* NULL: this one shows none, or none that can be read. */
static const void *
roster_of(const weir_look *look, const struct looked *looked)
{
	if (look->within)
		return look->within->roster.hdr;
	if (!looked->roster.mem || looked->roster.bytes != WR_ROSTER_BYTES ||
		!wr_roster_is(looked->roster.mem, looked->node))
		return NULL;
	return looked->roster.mem;
}

/* Of a process that does not answer, stopped perhaps: the one of its rosters that is this
 * node's. */
static void
borrow(const weir_look *look, struct looked *looked)
{
	for (unsigned nth = 0; !looked->roster.mem; nth++) {
		int fd = wr_region_borrow(looked->info.pid, WR_ROSTER_LABEL, nth);

		if (fd < 0)
			return;
		if (wr_region_map(&looked->roster, fd, WR_ROSTER_BYTES, NULL) < 0)
			continue;
		close(looked->roster.fd);
		looked->roster.fd = -1;
		if (!roster_of(look, looked))
			wr_region_drop(&looked->roster);
	}
}

static const void *
roster_of_node(const weir_look *look, uint64_t node)
{
	for (size_t i = 0; i < look->looked_count; i++)
		if (look->looked[i].node == node)
			return roster_of(look, &look->looked[i]);
	return NULL;
}

/* ---- reading one ------------------------------------------------------------------------------ */

static uint32_t
loop_of(const struct wr_seen *seen)
{
	if (seen->about.where == WR_IN_LANE)
		return WEIR_LOOP_LANE;
	return seen->about.where == WR_AT_FURTHER;
}

static weir_look_consumer
consumer_of(const weir_look_loop *loop, const struct wr_seen *seen, uint32_t place)
{
	weir_look_consumer c = {.node = loop->node,
		.pid = loop->pid,
		.kind = seen->about.kind,
		.number = seen->about.number,
		.subscription = seen->about.subscription,
		.weight = seen->about.weight,
		.percent = seen->about.percent,
		.tier = seen->about.tier,
		.active = seen->active,
		.since_ns = seen->about.since_ns,
		.measured = seen->times != 0,
		.place = place,
		.loop = loop_of(seen)};
	const uint64_t *word = seen->stats.words;

	c.polls = *word++;
	c.messages = *word++;
	c.busy_ns = *word++;
	c.violations = *word++;
	c.yields = *word++;
	word++; /* forfeits */
	c.promotions = *word++;
	c.demotions = *word++;
	if (wr_pattern_check(seen->name) == 0)
		memcpy(c.name, seen->name, sizeof(c.name) - 1);
	return c;
}

static void
fill_loop(weir_look_loop *loop, const void *roster)
{
	struct wr_stats_read stats = wr_roster_loop(roster);
	const uint64_t *word = stats.words;

	loop->seen = 1;
	loop->debug = wr_roster_debug(roster);
	loop->unseen = wr_roster_unseen(roster);
	loop->turns = *word++;
	loop->polls = *word++;
	loop->messages = *word++;
	loop->busy_ns = *word++;
	loop->idle_ns = *word++;
	loop->sleeps = *word++;
	loop->timers = *word++;
	loop->violations = *word++;
	loop->threshold_ns = wr_roster_limit_ns(roster);
	loop->begun = wr_roster_begun(roster);
	loop->thread = wr_roster_thread_of(roster);
}

/* Who does not answer says its name here. */
static void
name_loop(weir_look_loop *loop, const struct looked *looked, const void *roster)
{
	char name[WR_NAME_BYTES];

	memcpy(name, looked->info.name, sizeof(looked->info.name));
	name[sizeof(looked->info.name)] = 0;
	if (!name[0] && roster)
		memcpy(name, ((const struct wr_roster_hdr *)roster)->name, sizeof(name));
	name[sizeof(name) - 1] = 0;
	if (wr_name_check(name) == 0)
		memcpy(loop->name, name, sizeof(loop->name) - 1);
}

static bool
has_turns(const weir_look_consumer *c)
{
	return c->kind != WEIR_KIND_PULLED;
}

static int
read_consumers(weir_look *look, weir_look_loop *loop, const void *roster)
{
	uint32_t places = wr_roster_places(roster);
	uint64_t parts = 0;
	weir_look_consumer *grown = realloc(
		look->consumers, (look->consumer_count + places + 1) * sizeof(*grown));

	if (!grown)
		return -WEIR_E_ENV_MEMORY;
	look->consumers = grown;
	for (uint32_t place = 0; place < places; place++) {
		weir_look_consumer *c = &grown[look->consumer_count];
		struct wr_seen seen;

		if (!wr_roster_see(roster, place, &seen))
			continue;
		*c = consumer_of(loop, &seen, place);
		look->consumer_count++;
		loop->consumers++;
		loop->active += c->active;
		parts += c->active && has_turns(c) ? (uint64_t)c->weight * c->percent : 0;
	}
	loop->round = (parts + 99) / 100;
	return 0;
}

/* The loop as such; who is on it comes later. */
static int
list_loop(weir_look *look, struct looked *looked)
{
	const void *roster;
	weir_look_loop *loop;

	if (!look->within && !looked->mute)
		borrow(look, looked);
	if (!wr_look_grow(&look->loops, look->loop_count, sizeof(*loop)))
		return -WEIR_E_ENV_MEMORY;
	loop = &look->loops[look->loop_count++];
	roster = roster_of(look, looked);
	*loop = (weir_look_loop){
		.node = looked->node, .pid = looked->info.pid, .silent = !looked->done};
	name_loop(loop, looked, roster);
	if (roster)
		fill_loop(loop, roster);
	return 0;
}

/* For people: each time in the same order. */
static int
by_name(const void *a, const void *b)
{
	const weir_look_loop *one = a, *other = b;
	int order = strcmp(one->name, other->name);

	if (order != 0)
		return order;
	if (one->pid != other->pid)
		return one->pid < other->pid ? -1 : 1;
	return one->node < other->node ? -1 : one->node > other->node;
}

/* ---- the public face -------------------------------------------------------------------------- */

int
weir_look_roster(weir_look *look, int timeout_ms)
{
	int rc = 0;

	look->loop_count = look->consumer_count = 0;
	if (!look->within)
		wr_look_call(look, timeout_ms);
	for (size_t i = 0; i < look->looked_count && rc == 0; i++)
		if (look->looked[i].fd >= 0 || look->within)
			rc = list_loop(look, &look->looked[i]);
	if (rc == 0 && look->loop_count > 0)
		qsort(look->loops, look->loop_count, sizeof(*look->loops), by_name);
	for (size_t i = 0; i < look->loop_count && rc == 0; i++)
		if (look->loops[i].seen)
			rc = read_consumers(look, &look->loops[i],
				roster_of_node(look, look->loops[i].node));
	return rc < 0 ? rc : (int)look->consumer_count;
}

const weir_look_loop *
weir_look_loops(const weir_look *look, size_t *count)
{
	*count = look->loop_count;
	return look->loops;
}

const weir_look_consumer *
weir_look_consumers(const weir_look *look, size_t *count)
{
	*count = look->consumer_count;
	return look->consumers;
}

int
weir_look_changes(const weir_look *look, const weir_look_consumer *consumer,
	weir_look_change *changes, size_t count)
{
	const void *roster = roster_of_node(look, consumer->node);
	struct wr_seen seen;

	if (!roster || !wr_roster_find(roster, consumer->place, consumer->number, &seen))
		return -WEIR_E_GONE_END;
	for (uint32_t i = 0; i < seen.kept && i < count; i++) {
		const struct wr_tier_change *change = &seen.changes[i];
		const char *reason = wr_tier_why_name(change->why);

		changes[i] = (weir_look_change){.when_ns = change->when_ns,
			.stayed_ns = change->stayed_ns,
			.from = change->from,
			.to = change->to};
		memcpy(changes[i].reason, reason,
			strnlen(reason, sizeof(changes[i].reason) - 1));
		(void)wr_tier_change_format(
			change, NULL, changes[i].text, sizeof(changes[i].text));
	}
	return (int)seen.kept;
}

static weir_look_times
times_of(const struct wr_hist *hist)
{
	return (weir_look_times){.count = wr_hist_count(hist),
		.p50_ns = wr_hist_quantile(hist, 0.5),
		.p99_ns = wr_hist_quantile(hist, 0.99),
		.p999_ns = wr_hist_quantile(hist, 0.999),
		.max_ns = wr_hist_max(hist)};
}

int
weir_look_latency(const weir_look *look, const weir_look_consumer *consumer,
	weir_look_latencies *latencies)
{
	const void *roster = roster_of_node(look, consumer->node);
	const struct wr_latency *times;
	struct wr_seen seen, after;

	if (!roster || !wr_roster_find(roster, consumer->place, consumer->number, &seen))
		return -WEIR_E_GONE_END;
	times = wr_roster_times(roster, &seen);
	if (!times)
		return -WEIR_E_AGAIN_EMPTY;
	*latencies = (weir_look_latencies){.delivery = times_of(&times->delivery),
		.wait = times_of(&times->wait),
		.handler = times_of(&times->handler)};
	/* They may be another's by now. */
	if (!wr_roster_find(roster, consumer->place, consumer->number, &after))
		return -WEIR_E_GONE_END;
	return after.times == seen.times ? 0 : -WEIR_E_AGAIN_EMPTY;
}

const char *
weir_look_kind_name(uint32_t kind)
{
	static const char *const names[] = {[WEIR_KIND_OTHER] = "other",
		[WEIR_KIND_SUBSCRIPTION] = "subscription",
		[WEIR_KIND_PULLED] = "pulled",
		[WEIR_KIND_TIMER] = "timer",
		[WEIR_KIND_WATCH] = "watch",
		[WEIR_KIND_TASK] = "task",
		[WEIR_KIND_QUEUE] = "queue",
		[WEIR_KIND_EVENTS] = "events"};

	return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "?";
}

/* Room for a look at one loop; NULL without memory. */
static weir_look *
small_look(void)
{
	weir_look *look = calloc(1, sizeof(*look));

	if (!look)
		return NULL;
	look->dirfd = -1;
	look->looked = calloc(1, sizeof(*look->looked));
	look->nodes = calloc(1, sizeof(*look->nodes));
	if (look->looked && look->nodes)
		return look;
	weir_look_close(look);
	return NULL;
}

weir_look *
weir_look_at(weir_bus *bus, weir_error *err)
{
	weir_look *look;
	struct looked *self;

	if (!bus || !bus->opened) {
		wr_error_set(
			err, WEIR_E_USAGE_INVAL, 0, "there is no open bus to look at");
		return NULL;
	}
	if (bus->handle.pid != getpid()) {
		wr_error_set(err, WEIR_E_GONE_FORKED, 0, "the bus is the parent's");
		return NULL;
	}
	look = small_look();
	if (!look) {
		wr_error_set(err, WEIR_E_ENV_MEMORY, 0, "no memory for a look");
		return NULL;
	}
	look->within = bus;
	self = &look->looked[0];
	*self = (struct looked){.node = bus->node.id,
		.fd = -1,
		.done = true,
		.told = true,
		.words = WR_REGION_NONE,
		.roster = WR_REGION_NONE,
		.info = {.node = bus->node.id, .pid = bus->node.pid, .uid = bus->node.uid}};
	memcpy(self->info.name, bus->node.name, sizeof(self->info.name) - 1);
	look->nodes[0] = self->info;
	look->looked_count = look->node_count = 1;
	return look;
}

int
weir_measure(weir_bus *bus, int on)
{
	int rc = wr_handle_enter(&bus->handle);

	if (rc < 0)
		return rc;
	if (on != 0 && on != 1)
		return -WEIR_E_USAGE_INVAL;
	/* Each is measured where it is, and has its room from home; who is stuck is left out. */
	(void)wr_crew_gather(&bus->crew, wr_deadline_ns(bus->close_ms));
	return (int)wr_reactor_measure(&bus->reactor, on != 0);
}
