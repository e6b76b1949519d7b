/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * bench-slow: what does one slow consumer cost the seven others and their publisher? Each
 * kind of slowness, wherever the handlers are, of Weir and of peers, in turns. Exit 0:
 * measured, whatever the figures are. Exit 1: with Weir a healthy one lost something or was
 * put out, or the slow one was not. Exit 2: could not measure.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/lib/beside.h"
#include "bench/lib/cases.h"
#include "bench/lib/clock.h"
#include "bench/lib/crew.h"
#include "bench/lib/draw.h"
#include "bench/lib/row.h"
#include "bench/lib/slow.h"
#include "bench/peer/peer.h"
#include "bench/raw/gate.h"
#include "bench/raw/loop.h"
#ifdef BENCH_OURS
#include "bench/ours/ours.h"
#endif

enum { HEALTHY = 7, SIZE = 1024, PACED_PER_S = 20000 };
enum {
	WINDOW = 4 << 20
}; /* paced, 0.2 s of messages; flat out it is what the bus has chosen */
enum { PATIENCE_S = 20 }; /* of a quick run, which may be one of many on the machine */

static struct bench_options options;

/* What a run is: two references, and four kinds of slowness. */
enum kind { NONE, HOG, FIRST_WAY, KINDS = FIRST_WAY + 4 };

static const struct {
	const char *name;
	int slow, hogs;
	enum slow_way way;
} kinds[KINDS] = {
	[NONE] = {"7 healthy", 0, 0, SLOW_STALLED},
	[HOG] = {"7 and a hog", 0, 1, SLOW_STALLED},
	[FIRST_WAY] = {"stalled", 1, 0, SLOW_STALLED},
	{"spins", 1, 0, SLOW_SPIN},
	{"10 ms each", 1, 0, SLOW_LATE},
	{"a tenth", 1, 0, SLOW_TENTH},
};

static const struct shape {
	const char *key; /* of the case */
	const char *name;
	enum slow_shape shape;
} shapes[] = {{"one", "one loop", SLOW_ONE}, {"several", "4 loops", SLOW_SEVERAL},
	{"processes", "processes", SLOW_PROCESSES}};

static const struct load {
	const char *key, *name;
	double gap_ns;
	double most_s; /* that a run waits for slow ones */
} loads[] = {{"flat", "flat out", 0, 2.5}, {"paced", "20,000/s", 1e9 / PACED_PER_S, 5}};
enum { LOADS = sizeof loads / sizeof *loads };

/* How long a run is, in seconds. */
static const struct length {
	double before, ours, peers, nats;
} quick_length = {0.05, 0.3, 0.3, 0.3}, core_length = {0.1, 0.8, 0.6, 0.8},
  full_length = {0.3, 1.2, 0.8, 1.2};

/* ---- who is measured ------------------------------------------------------------------- */

enum { BUSES_MAX = 9 };

/* A bus and what its runs gave. */
struct subject {
	const char *name;
	const struct gen_bus *bus;
	const char *absent; /* why it cannot be measured; NULL: it can */
	int ours;
	int variant;  /* of ours: in the full set, and where it is asked for by name */
	int one_loop; /* knows nothing else */
	int server;   /* has buffers of sockets and of a server to fill first */
	struct slow_result *results[LOADS][KINDS];
	struct slow_line line; /* of a run beside a stalled one, paced */
};

static struct subject subjects[BUSES_MAX];
static int subject_count;

static void
add(const char *name, const struct gen_bus *bus, const char *absent)
{
	if (options.peer && strcmp(options.peer, name) != 0)
		return;
	subjects[subject_count++] = (struct subject){.name = name,
		.bus = bus,
		.absent = absent,
		.ours = strncmp(name, "ours", 4) == 0,
		.variant = strcmp(name, "ours-time") == 0,
		.one_loop = strcmp(name, "loop") == 0,
		.server = strcmp(name, "nats") == 0 || strcmp(name, "jetstream") == 0};
}

static void
add_nats(void)
{
#ifdef BENCH_NATS
	const char *absent = nats_server() ? NULL : "nats-server is not installed";
	add("nats", &nats_core, absent);
	add("jetstream", &nats_jetstream, absent);
#else
	add("nats", NULL, "built without libnats");
	add("jetstream", NULL, "built without libnats");
#endif
}

static void
add_all(void)
{
	subject_count = 0;
#ifdef BENCH_OURS
	add("ours", &ours_host, NULL);
	add("ours-time", &ours_host_by_time, NULL);
#endif
	add("loop", &raw_loop, NULL);
	add("gate", &raw_gate, NULL);
#ifdef BENCH_NNG
	add("nng", &nng_pub, NULL);
#else
	add("nng", NULL, "built without libnng");
#endif
#ifdef BENCH_ZMQ
	add("zmq", &zmq_pub, NULL);
	add("nodrop", &zmq_nodrop, NULL);
#else
	add("zmq", NULL, "built without libzmq");
	add("nodrop", NULL, "built without libzmq");
#endif
	add_nats();
}

/* The core set has peers where one would have them, on one loop and in processes. */
static int
takes_part(const struct subject *subject, const struct shape *shape)
{
	if (subject->absent || (subject->one_loop && shape->shape != SLOW_ONE))
		return 0;
	if (subject->variant)
		return (options.full || options.peer) && shape->shape != SLOW_PROCESSES;
	return subject->ours || options.full || options.peer ||
		shape->shape != SLOW_SEVERAL;
}

static int
runs_of(const struct subject *subject)
{
	return subject->ours ? options.runs : options.few;
}

static int
is_wanted(enum kind kind)
{
	return !options.quick || kind == NONE || kind == FIRST_WAY;
}

static int
is_wanted_load(const struct load *load)
{
	return !options.quick || load->gap_ns > 0;
}

/* ---- runs ------------------------------------------------------------------------------ */

static void
run_once(struct subject *subject, const struct shape *shape, int load, enum kind kind,
	int run)
{
	const struct length *length = options.quick ? &quick_length
		: options.full                      ? &full_length
						    : &core_length;
	const struct gen_bus *bus = subject->bus;
	double least = subject->ours ? length->ours
		: subject->server    ? length->nats
				     : length->peers;
	struct slow_result *result = &subject->results[load][kind][run];
	int drawn = loads[load].gap_ns > 0 && kind == FIRST_WAY && run == 0;
	struct slow_plan plan = {
		.plan = {.size = SIZE,
			.wait = bus->idle,
			.dir = crew_directory(),
			.window = loads[load].gap_ns > 0 ? WINDOW : 0},
		.shape = shape->shape,
		.healthy = HEALTHY,
		.slow = kinds[kind].slow,
		.hogs = kinds[kind].hogs,
		.way = kinds[kind].way,
		.turns = 1,
		.gap_ns = loads[load].gap_ns,
		.before_s = length->before,
		.seconds = least,
		/* A bus that tells nothing has nothing that could be waited for. */
		.seconds_max = !bus->heed ? least
			: options.quick   ? PATIENCE_S
					  : loads[load].most_s,
		.line = drawn ? &subject->line : NULL,
	};
	for (int attempt = 0; attempt < 2; attempt++)
		if (slow_run(bus, plan, result) == 0)
			return;
	beside_nothing(result);
}

/* One run of each, so that all ratios of a cycle are of the same minute. */
static void
run_subject(struct subject *subject, const struct shape *shape, int run)
{
	for (int load = 0; load < LOADS; load++)
		for (int turn = 0; turn < KINDS; turn++) {
			enum kind kind = (enum kind)((turn + run) % KINDS);
			if (is_wanted(kind) && is_wanted_load(&loads[load]))
				run_once(subject, shape, load, kind, run);
		}
}

/* In cycle c one with fewer runs has its next one where they are spread evenly. */
static int
run_of(const struct subject *subject, int cycle)
{
	int runs = runs_of(subject);
	int run = cycle * runs / options.runs;
	return (cycle + 1) * runs / options.runs > run ? run : -1;
}

/* Who begins changes from cycle to cycle. */
static void
run_all(const struct shape *shape)
{
	for (int cycle = 0; cycle < options.runs; cycle++)
		for (int turn = 0; turn < subject_count; turn++) {
			struct subject *subject =
				&subjects[(turn + cycle) % subject_count];
			int run = run_of(subject, cycle);
			if (run >= 0 && takes_part(subject, shape))
				run_subject(subject, shape, run);
		}
}

static int
make_room(struct subject *subject)
{
	for (int load = 0; load < LOADS; load++)
		for (int kind = 0; kind < KINDS; kind++) {
			int runs = runs_of(subject);
			struct slow_result *room = calloc((size_t)runs, sizeof *room);
			if (!room)
				return -1;
			for (int i = 0; i < runs; i++)
				beside_nothing(&room[i]);
			subject->results[load][kind] = room;
		}
	return 0;
}

static void
give_back(struct subject *subject)
{
	for (int load = 0; load < LOADS; load++)
		for (int kind = 0; kind < KINDS; kind++)
			free(subject->results[load][kind]);
}

/* ---- rows ------------------------------------------------------------------------------ */

/* What the rows of one bus, shape, load and kind have in common. */
struct cell {
	const struct subject *subject;
	const struct shape *shape;
	const struct load *load;
	enum kind kind;
	const struct slow_result *results, *without, *hog;
	int runs;
};

static struct bench_row
row_of(const struct cell *c, const char *which, char *work, size_t size)
{
	snprintf(work, size, "%s, %s, %s%s%s", c->shape->name, kinds[c->kind].name,
		c->load->name, *which ? ": " : "", which);
	return beside_row(c->shape->key, c->subject->bus, work, SIZE,
		HEALTHY + kinds[c->kind].slow, beside_made(c->results, c->runs));
}

static void
put_rate(struct bench_row *row, const struct cell *c)
{
	row->msgs_per_s = beside_median(c->results, c->runs, beside_rate);
	row->delivered_per_s = beside_median(c->results, c->runs, beside_delivered);
}

static void
show_blocked(const struct cell *c)
{
	char work[96];
	struct bench_row row = row_of(c, "blocked", work, sizeof work);
	row.value = 100 * beside_median(c->results, c->runs, beside_blocked);
	row.unit = "%";
	bench_row_print(&row, (struct bench_goal){0});
}

/* What the ratios of the next rows are taken to. */
static void
show_reference(const struct cell *c)
{
	char work[96];
	struct bench_row row = row_of(c, "", work, sizeof work);
	put_rate(&row, c);
	row.lost = beside_lost(c->results, c->runs);
	beside_latencies(&row, c->results, c->runs);
	bench_row_print(&row, (struct bench_goal){0});
	show_blocked(c);
}

static void
show_rate(const struct cell *c)
{
	char work[96];
	struct bench_row row = row_of(c, "publisher", work, sizeof work);
	put_rate(&row, c);
	bench_row_ratio(&row, kinds[NONE].name,
		beside_ratio(c->results, c->without, c->runs, beside_rate));
	bench_row_print(&row,
		c->subject->ours ? (struct bench_goal){GOAL_AT_LEAST, 0.95, 0}
				 : (struct bench_goal){0});
	if (!c->hog)
		return;
	bench_row_ratio(&row, kinds[HOG].name,
		beside_ratio(c->results, c->hog, c->runs, beside_rate));
	bench_row_print(&row, (struct bench_goal){0});
}

static void
show_latency(const struct cell *c)
{
	char work[96];
	struct bench_row row = row_of(c, "latency of 7", work, sizeof work);
	beside_latencies(&row, c->results, c->runs);
	bench_row_ratio(&row, kinds[NONE].name,
		beside_ratio(c->results, c->without, c->runs, beside_p99));
	bench_row_print(&row, (struct bench_goal){0});

	row = row_of(c, "after the pause", work, sizeof work);
	beside_latencies_after(&row, c->results, c->runs);
	bench_row_ratio(&row, kinds[NONE].name,
		beside_ratio(c->results, c->without, c->runs, beside_p99_after));
	bench_row_print(&row,
		c->subject->ours ? (struct bench_goal){GOAL_AT_MOST, 1.2, 0}
				 : (struct bench_goal){0});
	if (!c->hog)
		return;
	bench_row_ratio(&row, kinds[HOG].name,
		beside_ratio(c->results, c->hog, c->runs, beside_p99_after));
	bench_row_print(&row, (struct bench_goal){0});
}

/* Per run, of those that have been made. */
static double
mean(const struct cell *c, double (*figure)(const struct slow_result *))
{
	double sum = 0;
	int made = 0;
	for (int i = 0; i < c->runs; i++) {
		double value = figure(&c->results[i]);
		sum += isnan(value) ? 0 : value;
		made += !isnan(value);
	}
	return made ? sum / made : NAN;
}

static double
slow_lost(const struct slow_result *r)
{
	return r->slow_lost;
}

static double
slow_untold(const struct slow_result *r)
{
	return r->slow_lost - r->slow_told;
}

static void
show_losses(const struct cell *c)
{
	char work[96];
	struct bench_row row = row_of(c, "lost by 7", work, sizeof work);
	row.lost = beside_lost(c->results, c->runs);
	row.value = beside_lost_share(c->results, c->runs);
	row.unit = "a message";
	bench_row_print(&row,
		c->subject->ours ? (struct bench_goal){GOAL_AT_MOST, 0, 0}
				 : (struct bench_goal){0});

	row = row_of(c, "lost by the slow one, and of that untold", work, sizeof work);
	row.lost = mean(c, slow_lost);
	row.value = mean(c, slow_untold);
	row.unit = "a run";
	bench_row_print(&row,
		c->subject->ours ? (struct bench_goal){GOAL_AT_MOST, 0, 0}
				 : (struct bench_goal){0});
}

/* Whether what is proven on the way holds in all of its runs. */
static int
verdict_of(const struct cell *c)
{
	for (int i = 0; i < c->runs; i++) {
		const struct slow_result *r = &c->results[i];
		if (isnan(r->figures.lost))
			continue;
		if (r->figures.lost > 0 || r->healthy_out > 0 ||
			(kinds[c->kind].slow && r->slow_out != kinds[c->kind].slow))
			return BENCH_FAILED;
	}
	return BENCH_GOOD;
}

static int
show_cell(const struct cell *c)
{
	char who[160];
	int rc = c->subject->ours ? verdict_of(c) : BENCH_GOOD;
	if (beside_made(c->results, c->runs) == 0) {
		bench_row_note("%s, %s, %s, %s: could not be measured", c->subject->name,
			c->shape->name, kinds[c->kind].name, c->load->name);
		return BENCH_UNMEASURED;
	}
	snprintf(who, sizeof who, "%s, %s, %s, %s", c->subject->name, c->shape->name,
		kinds[c->kind].name, c->load->name);
	if (c->subject->bus->heed)
		beside_say_stalls(
			who, c->results, c->runs, HEALTHY, kinds[c->kind].slow, 1);
	if (!kinds[c->kind].slow) {
		show_reference(c);
		return rc;
	}
	show_rate(c);
	show_blocked(c);
	if (c->load->gap_ns > 0)
		show_latency(c);
	show_losses(c);
	return rc;
}

static int
show(const struct subject *subject, const struct shape *shape)
{
	int rc = BENCH_GOOD;
	bench_row_note("%s: %s", subject->name, subject->bus->settings);
	for (int load = 0; load < LOADS; load++)
		for (int kind = 0; kind < KINDS; kind++) {
			struct slow_result *const *results = subject->results[load];
			struct cell c = {.subject = subject,
				.shape = shape,
				.load = &loads[load],
				.kind = (enum kind)kind,
				.results = results[kind],
				.without = results[NONE],
				.hog = kinds[kind].way == SLOW_SPIN ? results[HOG] : NULL,
				.runs = runs_of(subject)};
			if (is_wanted(c.kind) && is_wanted_load(c.load))
				rc = bench_worse(rc, show_cell(&c));
		}
	return rc;
}

/* ---- pictures -------------------------------------------------------------------------- */

static struct stat_median
p99_us(const struct slow_result *results, int runs)
{
	double p99 = beside_median(results, runs, beside_p99) / 1e3;
	return (struct stat_median){p99, p99, p99, runs};
}

static void
draw_load(const struct subject *subject, const struct shape *shape, int load)
{
	enum { WAYS = KINDS - FIRST_WAY };
	struct slow_result *const *results = subject->results[load];
	struct stat_median rates[WAYS], late[1 + WAYS];
	char name[64];
	int runs = runs_of(subject);
	late[0] = p99_us(results[NONE], runs);
	for (int way = 0; way < WAYS; way++) {
		const struct slow_result *with = results[FIRST_WAY + way];
		rates[way] = beside_ratio(with, results[NONE], runs, beside_rate);
		late[1 + way] = p99_us(with, runs);
	}
	snprintf(name, sizeof name, "rate-%s-%s", shape->key, loads[load].key);
	draw_bars(name, subject->name, rates, WAYS);
	if (loads[load].gap_ns <= 0)
		return;
	snprintf(name, sizeof name, "p99-%s", shape->key);
	draw_bars(name, subject->name, late, 1 + WAYS);
}

static void
draw(const struct subject *subject, const struct shape *shape)
{
	char name[64];
	for (int load = 0; load < LOADS; load++)
		draw_load(subject, shape, load);
	snprintf(name, sizeof name, "line-%s-%s", shape->key, subject->name);
	draw_line(name, &subject->line);
}

/* ---- the cases ------------------------------------------------------------------------- */

static int
measure(const struct shape *shape)
{
	int rc = BENCH_GOOD;
	if (draw_begin(options.plot) < 0)
		return BENCH_UNMEASURED;
	add_all();
	for (int i = 0; i < subject_count; i++)
		if (make_room(&subjects[i]) < 0)
			return BENCH_UNMEASURED;
	run_all(shape);
	for (int i = 0; i < subject_count; i++) {
		struct subject *subject = &subjects[i];
		if (subject->absent)
			(void)bench_absent(subject->name, subject->absent);
		if (takes_part(subject, shape)) {
			rc = bench_worse(rc, show(subject, shape));
			draw(subject, shape);
		}
		give_back(subject);
	}
	return subject_count ? rc : BENCH_UNMEASURED;
}

static int
case_one(void)
{
	return measure(&shapes[0]);
}

static int
case_several(void)
{
	return measure(&shapes[1]);
}

static int
case_processes(void)
{
	return measure(&shapes[2]);
}

int
main(int argc, char **argv)
{
	static const struct bench_case cases[] = {
		{"one", case_one, "all handlers on one loop of a process"},
		{"several", case_several, "on four loops of a process, two on each"},
		{"processes", case_processes, "each in a process of its own"},
		{NULL, NULL, NULL}};
	static const struct bench_program program = {.name = "bench-slow",
		.cases = cases,
		.options = &options,
		.runs = 2,
		.runs_quick = 1,
		.runs_full = 11,
		.few = 1,
		.few_full = 3,
		.has_peers = 1,
		.draws = 1,
		.failed = "a healthy one lost something or was put out, or the slow one was not"};

	int rc = bench_main(&program, argc, argv);
	draw_end("slow.gp");
	return rc;
}
