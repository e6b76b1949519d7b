/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/sim.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bus/error.h"
#include "scheduler/classes.h"
#include "scheduler/robin.h"
#include "scheduler/rounds.h"
#include "scheduler/table.h"
#include "scheduler/tree.h"
#include "scheduler/wheel.h"

enum {
	COST_NS = 1000,
	PLACES_MAX = 16384, /* of a table: filling it takes their number times the turns */
	SWEEP_STEPS = 4096
};

struct consumer {
	uint64_t polls;
	uint8_t class;
	bool ready, flipped;
};

struct class
{
	uint32_t first, consumers, weight;
	uint64_t cost_ns;
	uint64_t polls, time_ns, gap_most;
};

struct weir_sim {
	struct wr_select *select;
	union {
		struct wr_wheel wheel;
		struct wr_classes classes;
		struct wr_robin robin;
		struct wr_table table;
		struct wr_tree tree;
	} is;
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
	uint64_t round;    /* polls, of everybody */
	uint64_t quarters; /* and as they weigh now */
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
wr_sim_now(const struct weir_sim *sim)
{
	return sim->now_ns;
}

const struct wr_referee *
wr_sim_referee(const struct weir_sim *sim)
{
	return &sim->referee;
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
set_bounds(struct weir_sim *sim)
{
	if (sim->select->by == &wr_wheel_times)
		return;
	for (uint32_t i = 0; i < sim->count; i++) {
		uint64_t own = wr_turn_quarters(&sim->turns[i]), all = sim->quarters;
		uint64_t steps;

		if (sim->select->by == &wr_robin)
			own = all = 1;
		if (sim->select->by == &wr_tree)
			own *= sim->classes[sim->consumers[i].class].weight;
		steps = 2 * ((all + own - 1) / own + sim->count);
		if (sim->select->by == &wr_tree)
			steps *= sim->count;
		if (steps > sim->players[i].bound)
			wr_referee_bound(&sim->referee, i,
				steps < UINT32_MAX ? (uint32_t)steps : UINT32_MAX);
	}
}

void
wr_sim_weigh(struct weir_sim *sim, uint32_t i, unsigned weight, enum wr_factor factor)
{
	sim->quarters -= wr_turn_quarters(&sim->turns[i]);
	wr_select_weigh(sim->select, &sim->turns[i], weight, factor);
	wr_referee_weighed(&sim->referee, i);
	sim->quarters += wr_turn_quarters(&sim->turns[i]);
	set_bounds(sim);
}

/* ---- a poll ------------------------------------------------------------------------------- */

static void
maybe_flip(struct weir_sim *sim)
{
	uint32_t i;

	if (sim->flips_ppm == 0 || wr_sim_random(sim, 1000000) >= sim->flips_ppm)
		return;
	i = (uint32_t)wr_sim_random(sim, sim->count);
	sim->consumers[i].flipped = true;
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
		sim->now_ns += COST_NS;
		return -WEIR_E_AGAIN_EMPTY;
	}
	i = (uint32_t)taken;
	cost = sim->classes[sim->consumers[i].class].cost_ns;
	if (sim->random_costs)
		cost = 1 + wr_sim_random(sim, 2 * cost);
	account(sim, i, cost, gap);
	wr_select_put(sim->select, &sim->turns[i], cost);
	wr_referee_polled(&sim->referee, i);
	if (sim->polls % SWEEP_STEPS == 0)
		wr_referee_sweep(&sim->referee);
	for (struct wr_sim_part *part = sim->parts; part; part = part->next)
		if (part->polled)
			part->polled(part, sim, i, cost);
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
		.consumers = class->consumers,
		.weight = class->weight,
		.polls = class->polls,
		.time_ns = class->time_ns,
		.gap_most = class->gap_most};
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

		if (consumer->flipped)
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
		.checks = sim->referee.checks,
		.broken = sim->referee.broken,
		.ahead_most = (double)sim->referee.more_most /
			(WR_WHEEL_ROUND * WR_WHEEL_PARTS),
		.jain = jain_of(sim)};
	memcpy(summary->text, sim->referee.text, sizeof(summary->text));
	return 0;
}

/* ---- lifecycle ---------------------------------------------------------------------------- */

static const weir_sim_class table_of_48[] = {
	{9, 10, 0}, {18, 6, 0}, {10, 3, 0}, {11, 1, 0}};

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
		sim->classes[i] = (struct class){.first = (uint32_t)all,
			.consumers = classes[i].consumers,
			.weight = weights.of[i],
			.cost_ns = classes[i].cost_ns ? classes[i].cost_ns : COST_NS};
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

static void
make_consumers(struct weir_sim *sim)
{
	uint32_t i = 0;

	for (uint32_t c = 0; c < sim->class_count; c++)
		for (uint32_t nth = 0; nth < sim->classes[c].consumers; nth++, i++) {
			sim->consumers[i].class = (uint8_t)c;
			sim->all[i] = &sim->turns[i];
			/* In a tree the group has the weight. */
			wr_turn_init(&sim->turns[i],
				sim->groups ? 1 : sim->classes[c].weight);
			sim->quarters += wr_turn_quarters(&sim->turns[i]);
		}
}

/* Each class is a group of its own. */
static void
make_tree(struct weir_sim *sim)
{
	wr_tree_init(&sim->is.tree, sim->groups, sim->class_count + 1);
	for (uint32_t c = 0; c < sim->class_count; c++)
		(void)wr_tree_group(&sim->is.tree, WR_TREE_ROOT, sim->classes[c].weight);
	for (uint32_t i = 0; i < sim->count; i++)
		wr_tree_place(&sim->is.tree, &sim->turns[i], sim->consumers[i].class + 1u);
}

static void
make_select(struct weir_sim *sim, const struct wr_discipline *by)
{
	/* Every discipline begins with its select. */
	sim->select = &sim->is.wheel.select;
	if (by == &wr_classes) {
		wr_classes_init(&sim->is.classes);
	} else if (by == &wr_robin) {
		wr_robin_init(&sim->is.robin);
	} else if (by == &wr_tree) {
		make_tree(sim);
	} else if (by == &wr_table) {
		wr_table_init(&sim->is.table, sim->all + sim->count, (uint32_t)sim->round);
		(void)wr_table_fill(&sim->is.table, sim->all, sim->count);
	} else {
		wr_wheel_init(&sim->is.wheel, by);
	}
}

static void
begin(struct weir_sim *sim, const struct wr_discipline *by, uint64_t seed)
{
	make_consumers(sim);
	make_select(sim, by);
	wr_referee_init(&sim->referee, sim->select,
		by == &wr_wheel_polls ? &sim->is.wheel.now : NULL,
		(const struct wr_turn *const *)sim->all, sim->players, sim->count, seed);
	set_bounds(sim);
	for (uint32_t i = 0; i < sim->count; i++)
		wr_sim_ready(sim, i, true);
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
	if (take_classes(sim, options, err) < 0 || get_memory(sim, by, err) < 0) {
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
	free(sim);
}
