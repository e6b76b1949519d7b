/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/error.h"
#include "scheduler/disciplines.h"
#include "scheduler/rounds.h"
#include "scheduler/sim_load.h"
#include "scheduler/sim_tiers.h"

enum {
	NAP_NS = 1000,
	PLACES_MAX = 16384, /* of a table: filling it takes their number times the turns */
	SWEEP_STEPS = 4096
};

struct consumer {
	uint64_t polls;
	uint8_t class;
	bool ready;
	bool uneven; /* it was not always ready, or had not all of its turns */
};

struct class
{
	weir_sim_class asked; /* with the weight that counts */
	uint32_t first;
	uint64_t polls, time_ns, gap_most;
};

struct weir_sim {
	struct wr_select *select; /* of the queue */
	union wr_turns queue;
	struct wr_referee referee;
	struct wr_sim_part *parts;
	struct wr_turn *turns;
	struct wr_turn **all; /* each of them, then the places of a table */
	struct wr_player *players;
	struct wr_group *groups;
	struct consumer *consumers;
	uint32_t count, ready, limit;
	struct class classes[WEIR_SIM_CLASSES_MAX];
	uint32_t class_count;
	struct wr_sim_load load;
	struct wr_sim_tiers tiers;
	bool climbing;
	uint64_t round;         /* polls, of everybody */
	uint64_t quarters;      /* and as they weigh now, */
	uint64_t quarters_most; /* and have weighed at most */
	uint32_t flips_ppm;
	bool random_costs;
	uint64_t random, now_ns, polls, flips;
};

static const struct wr_discipline *const disciplines[] = {
	&wr_wheel_polls, &wr_wheel_times, &wr_classes, &wr_robin, &wr_tree, &wr_table};

enum { DISCIPLINES = sizeof(disciplines) / sizeof(disciplines[0]) };

const char *
weir_sim_discipline(size_t i, const char **about)
{
	if (i >= DISCIPLINES)
		return NULL;
	if (about)
		*about = disciplines[i]->about;
	return disciplines[i]->name;
}

/* splitmix64 (Steele, Lea and Flood 2014): the same on every machine. */
uint64_t
wr_sim_random(struct weir_sim *sim, uint64_t below)
{
	uint64_t z = sim->random += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (z ^ z >> 31) % below;
}

uint64_t
weir_sim_now(const struct weir_sim *sim)
{
	return sim->now_ns;
}

struct wr_referee *
wr_sim_referee(struct weir_sim *sim)
{
	return &sim->referee;
}

struct wr_sim_tiers *
wr_sim_tiers_in(struct weir_sim *sim)
{
	return sim->climbing ? &sim->tiers : NULL;
}

unsigned
wr_sim_class_of(const struct weir_sim *sim, uint32_t i)
{
	return sim->consumers[i].class;
}

void
wr_sim_attach(struct weir_sim *sim, struct wr_sim_part *part)
{
	part->next = sim->parts;
	sim->parts = part;
}

/* ---- what happens to consumers ------------------------------------------------------------ */

void
wr_sim_ready(struct weir_sim *sim, uint32_t i, bool ready)
{
	struct consumer *consumer = &sim->consumers[i];

	sim->ready += (uint32_t)ready - (uint32_t)consumer->ready;
	consumer->ready = ready;
	if (!ready)
		return;
	wr_select_add(sim->select, &sim->turns[i]);
	wr_referee_added(&sim->referee, i);
}

void
wr_sim_remove(struct weir_sim *sim, uint32_t i)
{
	wr_sim_ready(sim, i, false);
	wr_select_remove(sim->select, &sim->turns[i]);
	wr_referee_removed(&sim->referee, i);
}

/*
 * How many turns may pass between two of one consumer: what its share makes of them, twice,
 * since an idle one is looked at and then woken; and all others once before and after.
 */
static void
set_bound(struct weir_sim *sim, uint32_t i)
{
	uint64_t own = wr_turn_quarters(&sim->turns[i]), all = sim->quarters_most;
	uint64_t steps;

	if (sim->select->by == &wr_wheel_times)
		return;
	if (sim->select->by == &wr_robin)
		own = all = 1;
	if (sim->select->by == &wr_tree)
		own *= sim->classes[sim->consumers[i].class].asked.weight;
	steps = 2 * ((all + own - 1) / own + sim->count);
	if (sim->select->by == &wr_tree)
		steps *= sim->count;
	if (steps > sim->players[i].bound)
		wr_referee_bound(&sim->referee, i,
			steps < UINT32_MAX ? (uint32_t)steps : UINT32_MAX);
}

/* Of one with another weight, and of all if everybody together never weighed as much. */
static void
set_bounds(struct weir_sim *sim, uint32_t i)
{
	if (sim->quarters <= sim->quarters_most) {
		set_bound(sim, i);
		return;
	}
	sim->quarters_most = sim->quarters;
	for (i = 0; i < sim->count; i++)
		set_bound(sim, i);
}

void
wr_sim_weigh(struct weir_sim *sim, uint32_t i, unsigned weight, enum wr_factor factor)
{
	sim->quarters -= wr_turn_quarters(&sim->turns[i]);
	wr_select_weigh(sim->select, &sim->turns[i], weight, factor);
	wr_referee_weighed(&sim->referee, i);
	sim->quarters += wr_turn_quarters(&sim->turns[i]);
	sim->consumers[i].uneven = true;
	set_bounds(sim, i);
}

void
wr_sim_factor(struct weir_sim *sim, uint32_t i, enum wr_factor factor)
{
	wr_sim_weigh(sim, i, wr_turn_weight(&sim->turns[i]), factor);
}

/* ---- a poll ------------------------------------------------------------------------------- */

static void
maybe_flip(struct weir_sim *sim)
{
	uint32_t i;

	if (sim->flips_ppm == 0 || wr_sim_random(sim, 1000000) >= sim->flips_ppm)
		return;
	i = (uint32_t)wr_sim_random(sim, sim->count);
	sim->consumers[i].uneven = true;
	sim->flips++;
	wr_sim_ready(sim, i, !sim->consumers[i].ready);
}

/* The next that is ready, out; -1: nobody is. */
static int64_t
take(struct weir_sim *sim, uint64_t *gap)
{
	struct wr_turn *turn;

	while ((turn = wr_select_next(sim->select))) {
		uint32_t i = (uint32_t)(turn - sim->turns);

		*gap = sim->referee.step + 1 - sim->players[i].seen;
		wr_referee_taken(&sim->referee, i);
		if (sim->consumers[i].ready)
			return i;
		wr_select_rest(sim->select, turn);
		wr_referee_rested(&sim->referee, i);
	}
	wr_referee_nobody(&sim->referee, sim->ready);
	return -1;
}

/* Nobody is ready: until the next timer, or a moment. */
static void
nap(struct weir_sim *sim)
{
	uint64_t next_ns = wr_sim_load_next_ns(&sim->load);

	for (struct wr_sim_part *part = sim->parts; part; part = part->next)
		if (part->slept)
			part->slept(part, sim);
	if (next_ns == UINT64_MAX || next_ns <= sim->now_ns)
		next_ns = sim->now_ns + NAP_NS;
	sim->now_ns = next_ns;
}

static uint64_t
cost_of(struct weir_sim *sim, uint32_t i)
{
	const struct consumer *consumer = &sim->consumers[i];
	uint64_t cost = wr_sim_load_cost(
		&sim->classes[consumer->class].asked, consumer->polls, sim->now_ns);

	return sim->random_costs ? 1 + wr_sim_random(sim, 2 * cost) : cost;
}

static void
account(struct weir_sim *sim, uint32_t i, uint64_t cost, uint64_t gap)
{
	struct class *class = &sim->classes[sim->consumers[i].class];

	sim->now_ns += cost;
	sim->polls++;
	sim->consumers[i].polls++;
	class->polls++;
	class->time_ns += cost;
	class->gap_most = gap > class->gap_most ? gap : class->gap_most;
}

/* Its poll is over. Who has been taken out meanwhile does not come back. */
static void
put_back(struct weir_sim *sim, uint32_t i, uint64_t cost)
{
	if (sim->turns[i].state != WR_TURN_OUT)
		return;
	wr_select_put(sim->select, &sim->turns[i], cost);
	wr_referee_polled(&sim->referee, i);
}

int64_t
weir_sim_poll(weir_sim *sim)
{
	uint64_t gap = 0, cost;
	int64_t taken;
	uint32_t i;

	for (struct wr_sim_part *part = sim->parts; part; part = part->next)
		if (part->step)
			part->step(part, sim, sim->now_ns);
	maybe_flip(sim);
	taken = take(sim, &gap);
	if (taken < 0) {
		nap(sim);
		return -WEIR_E_AGAIN_EMPTY;
	}
	i = (uint32_t)taken;
	cost = cost_of(sim, i);
	account(sim, i, cost, gap);
	for (struct wr_sim_part *part = sim->parts; part; part = part->next)
		if (part->polled)
			part->polled(part, sim, i, cost);
	put_back(sim, i, cost);
	if (sim->polls % SWEEP_STEPS == 0)
		wr_referee_sweep(&sim->referee);
	return taken;
}

/* ---- what became of it -------------------------------------------------------------------- */

int
weir_sim_class_result(const weir_sim *sim, size_t number, weir_sim_result *result)
{
	const struct class *class = &sim->classes[number];

	if (number >= sim->class_count)
		return -WEIR_E_USAGE_INVAL;
	if (result->size != sizeof(*result))
		return -WEIR_E_USAGE_SIZE;
	*result = (weir_sim_result){.size = sizeof(*result),
		.consumers = class->asked.consumers,
		.weight = (uint32_t) class->asked.weight,
		.polls = class->polls,
		.time_ns = class->time_ns,
		.gap_most = class->gap_most};
	for (uint32_t n = 0; sim->load.owed && n < result->consumers; n++)
		result->waiting += sim->load.owed[class->first + n];
	if (sim->climbing) {
		wr_sim_tiers_result(&sim->tiers, sim, (unsigned)number, result);
		return 0;
	}
	result->at_tier[0] = result->consumers;
	result->tier_polls[0] = result->polls;
	result->tier_ns[0] = result->consumers * sim->now_ns;
	return 0;
}

int
weir_sim_get_change(const weir_sim *sim, size_t number, weir_sim_change *change)
{
	const struct wr_sim_kept *kept;
	char name[32];

	if (change->size != sizeof(*change))
		return -WEIR_E_USAGE_SIZE;
	if (number >= sim->tiers.changes || number >= WEIR_SIM_CHANGES_MAX)
		return -WEIR_E_AGAIN_EMPTY;
	kept = &sim->tiers.kept[number];
	*change = (weir_sim_change){.size = sizeof(*change),
		.when_ns = kept->change.when_ns,
		.consumer = kept->consumer,
		.of_class = sim->consumers[kept->consumer].class,
		.from = kept->change.from,
		.to = kept->change.to};
	snprintf(name, sizeof(name), "consumer %" PRIu32, kept->consumer);
	(void)wr_tier_change_format(&kept->change, name, change->why, sizeof(change->why));
	return 0;
}

/* Jain, Chiu and Hawe 1984, over polls by weight. */
static double
jain_of(const struct weir_sim *sim)
{
	double sum = 0, squares = 0, n = 0;

	for (uint32_t i = 0; i < sim->count; i++) {
		const struct consumer *consumer = &sim->consumers[i];
		double had = (double)consumer->polls / wr_turn_weight(&sim->turns[i]);

		if (consumer->uneven)
			continue;
		sum += had;
		squares += had * had;
		n++;
	}
	return squares > 0 ? sum * sum / (n * squares) : 1;
}

int
weir_sim_summarize(weir_sim *sim, weir_sim_summary *summary)
{
	if (summary->size != sizeof(*summary))
		return -WEIR_E_USAGE_SIZE;
	wr_referee_sweep(&sim->referee);
	*summary = (weir_sim_summary){.size = sizeof(*summary),
		.polls = sim->polls,
		.time_ns = sim->now_ns,
		.round = sim->round,
		.over = sim->limit > 0 && sim->round > sim->limit ? sim->round - sim->limit
								  : 0,
		.flips = sim->flips,
		.timers = sim->load.fired,
		.changes = sim->tiers.changes,
		.checks = sim->referee.checks,
		.broken = sim->referee.broken,
		.ahead_most = (double)sim->referee.more_most /
			(WR_WHEEL_ROUND * WR_WHEEL_PARTS),
		.jain = jain_of(sim)};
	memcpy(summary->text, sim->referee.text, sizeof(summary->text));
	return 0;
}

/* ---- lifecycle ---------------------------------------------------------------------------- */

static const weir_sim_class table_of_48[] = {{.consumers = 9, .weight = 10},
	{.consumers = 18, .weight = 6}, {.consumers = 10, .weight = 3},
	{.consumers = 11, .weight = 1}};

/* The classes as they were asked for, with weights that count. */
static int
take_classes(struct weir_sim *sim, const weir_sim_options *options, weir_error *err)
{
	const weir_sim_class *classes = options->classes ? options->classes : table_of_48;
	size_t count = options->classes ? options->class_count : 4;
	uint64_t values[WEIR_SIM_CLASSES_MAX], all = 0;
	struct wr_weights weights;

	if (count < 1 || count > WEIR_SIM_CLASSES_MAX)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"%zu classes are not 1 to %d", count, WEIR_SIM_CLASSES_MAX);
	for (size_t i = 0; i < count; i++)
		values[i] = classes[i].weight;
	if (wr_weights_set(&weights, values, (uint32_t)count, err) < 0)
		return -WEIR_E_USAGE_INVAL;
	for (size_t i = 0; i < count; i++) {
		if (wr_sim_load_check(&classes[i], i + 1, err) < 0)
			return -WEIR_E_USAGE_INVAL;
		sim->classes[i] =
			(struct class){.asked = classes[i], .first = (uint32_t)all};
		sim->classes[i].asked.weight = weights.of[i];
		all += classes[i].consumers;
		sim->round += (uint64_t)classes[i].consumers * weights.of[i];
		if (all > WEIR_SIM_CONSUMERS_MAX)
			return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
				"%" PRIu64 " consumers are more than %d", all,
				WEIR_SIM_CONSUMERS_MAX);
	}
	if (all == 0)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"there is no consumer in any class");
	sim->class_count = (uint32_t)count;
	sim->count = (uint32_t)all;
	return 0;
}

static const struct wr_discipline *
find_discipline(const char *name, weir_error *err)
{
	for (size_t i = 0; i < DISCIPLINES; i++)
		if (!name || strcmp(name, disciplines[i]->name) == 0)
			return disciplines[i];
	wr_error_set(err, WEIR_E_USAGE_INVAL, 0, "there is no discipline '%s'", name);
	wr_error_try(err, "priority, time, classes, robin, tree or table");
	return NULL;
}

static int
get_memory(struct weir_sim *sim, const struct wr_discipline *by, weir_error *err)
{
	size_t places = by == &wr_table ? sim->round : 0;

	if (places > PLACES_MAX || (places > 0 && sim->count > INT16_MAX))
		return wr_error_set(err, WEIR_E_AGAIN_QUOTA, 0,
			"a table of %zu places is more than %d", places, PLACES_MAX);
	sim->turns = calloc(sim->count, sizeof(*sim->turns));
	sim->all = calloc(sim->count + places, sizeof(struct wr_turn *));
	sim->players = calloc(sim->count, sizeof(*sim->players));
	sim->consumers = calloc(sim->count, sizeof(*sim->consumers));
	if (by == &wr_tree)
		sim->groups = calloc(sim->class_count + 1, sizeof(*sim->groups));
	if (!sim->turns || !sim->all || !sim->players || !sim->consumers ||
		(by == &wr_tree && !sim->groups))
		return wr_error_set(err, WEIR_E_ENV_MEMORY, 0, NULL);
	return 0;
}

/* What decides beside the allocator, where it was asked for. */
static int
get_parts(struct weir_sim *sim, const char *settings, weir_error *err)
{
	bool timed = false;
	int rc = 0;

	for (uint32_t c = 0; c < sim->class_count; c++)
		timed |= sim->classes[c].asked.every_ns > 0;
	sim->climbing = settings && strcmp(settings, "off") != 0;
	if (timed)
		rc = wr_sim_load_init(&sim->load, sim->count, err);
	if (rc == 0 && sim->climbing)
		rc = wr_sim_tiers_init(&sim->tiers, settings, sim->count, err);
	return rc;
}

static void
make_consumers(struct weir_sim *sim)
{
	uint32_t i = 0;

	for (uint32_t c = 0; c < sim->class_count; c++)
		for (uint32_t nth = 0; nth < sim->classes[c].asked.consumers; nth++, i++) {
			sim->consumers[i].class = (uint8_t)c;
			sim->all[i] = &sim->turns[i];
			/* In a tree the group has the weight. */
			wr_turn_init(&sim->turns[i],
				sim->groups ? 1 : (unsigned)sim->classes[c].asked.weight);
			sim->quarters += wr_turn_quarters(&sim->turns[i]);
		}
}

/* Each class is a group of its own. */
static void
make_tree(struct weir_sim *sim)
{
	wr_tree_init(&sim->queue.tree, sim->groups, sim->class_count + 1);
	for (uint32_t c = 0; c < sim->class_count; c++)
		(void)wr_tree_group(&sim->queue.tree, WR_TREE_ROOT,
			(unsigned)sim->classes[c].asked.weight);
	for (uint32_t i = 0; i < sim->count; i++)
		wr_tree_place(
			&sim->queue.tree, &sim->turns[i], sim->consumers[i].class + 1u);
}

static void
make_select(struct weir_sim *sim, const struct wr_discipline *by)
{
	sim->select = &sim->queue.select;
	if (by == &wr_classes) {
		wr_classes_init(&sim->queue.classes);
	} else if (by == &wr_robin) {
		wr_robin_init(&sim->queue.robin);
	} else if (by == &wr_tree) {
		make_tree(sim);
	} else if (by == &wr_table) {
		wr_table_init(
			&sim->queue.table, sim->all + sim->count, (uint32_t)sim->round);
		(void)wr_table_fill(&sim->queue.table, sim->all, sim->count);
	} else {
		wr_wheel_init(&sim->queue.wheel, by);
	}
}

static void
begin(struct weir_sim *sim, const struct wr_discipline *by, uint64_t seed)
{
	make_consumers(sim);
	make_select(sim, by);
	wr_referee_init(&sim->referee, sim->select,
		by == &wr_wheel_polls ? &sim->queue.wheel.now : NULL,
		(const struct wr_turn *const *)sim->all, sim->players, sim->count, seed);
	set_bounds(sim, 0);
	for (uint32_t c = 0; c < sim->class_count && sim->load.timers; c++)
		wr_sim_load_arm(&sim->load, &sim->classes[c].asked, sim->classes[c].first);
	for (uint32_t i = 0; i < sim->count; i++) {
		bool timed = wr_sim_load_is_timed(&sim->load, i);

		wr_sim_ready(sim, i, !timed);
		sim->consumers[i].uneven = timed;
	}
	if (sim->load.timers)
		wr_sim_attach(sim, &sim->load.part);
	if (sim->climbing)
		wr_sim_tiers_begin(&sim->tiers, sim);
}

weir_sim *
weir_sim_open(const weir_sim_options *options, weir_error *err)
{
	const struct wr_discipline *by;
	struct weir_sim *sim;

	wr_error_clear(err);
	if (!options || options->size != sizeof(*options)) {
		wr_error_set(err, WEIR_E_USAGE_SIZE, 0, NULL);
		return NULL;
	}
	by = find_discipline(options->discipline, err);
	if (!by)
		return NULL;
	sim = calloc(1, sizeof(*sim));
	if (!sim) {
		wr_error_set(err, WEIR_E_ENV_MEMORY, 0, NULL);
		return NULL;
	}
	sim->limit = options->limit;
	sim->flips_ppm = options->flips_ppm;
	sim->random_costs = options->random_costs != 0;
	sim->random = options->seed;
	if (take_classes(sim, options, err) < 0 || get_memory(sim, by, err) < 0 ||
		get_parts(sim, options->tiers, err) < 0) {
		weir_sim_close(sim);
		return NULL;
	}
	begin(sim, by, options->seed);
	return sim;
}

void
weir_sim_close(weir_sim *sim)
{
	if (!sim)
		return;
	free(sim->turns);
	free(sim->all);
	free(sim->players);
	free(sim->consumers);
	free(sim->groups);
	wr_sim_load_fini(&sim->load);
	wr_sim_tiers_fini(&sim->tiers);
	free(sim);
}
