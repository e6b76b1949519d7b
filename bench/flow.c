/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * bench-flow: what slow readers cost the publisher and the healthy ones, beside peers under
 * the same load. Exit 0: measured, whatever the figures are. Exit 1: a healthy reader lost
 * something or was put out, or a slow one was not. Exit 2: could not measure.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/lib/beside.h"
#include "bench/lib/cases.h"
#include "bench/lib/clock.h"
#include "bench/lib/crew.h"
#include "bench/lib/row.h"
#include "bench/lib/slow.h"
#include "bench/peer/peer.h"
#include "bench/raw/gate.h"
#ifdef BENCH_OURS
#include "bench/ours/ours.h"
#endif

enum { HEALTHY = 7, SIZE = 1024, PACED_PER_S = 20000, TURNS = 2 };
static const double PEERS_S = 0.5, NATS_S = 1.2;
enum { PATIENCE_S = 20 }; /* of a quick run, which may be one of many on the machine */

static struct bench_options options;

static const struct scenario {
	const char *name; /* of the case for ours */
	const char *what;
	int slow;
	enum slow_way way;
} scenarios[] = {{"stalled", "1 stalled", 1, SLOW_STALLED},
	{"stalled3", "3 stalled", 3, SLOW_STALLED},
	{"late", "1 at 10 ms a message", 1, SLOW_LATE},
	{"tenth", "1 ten times slower", 1, SLOW_TENTH}};
enum { SCENARIOS = sizeof scenarios / sizeof *scenarios };

static const struct load {
	const char *name;
	double gap_ns;
	double most_s; /* that a run waits for slow ones */
} loads[] = {{"flat out", 0, 2.5}, {"20,000/s", 1e9 / PACED_PER_S, 5}};
enum { LOADS = sizeof loads / sizeof *loads };

/* ---- pairs ----------------------------------------------------------------------------- */

/* With the slow ones and without them. */
struct pairs {
	struct slow_result with[BENCH_RUNS_MAX], without[BENCH_RUNS_MAX];
	int runs;
};

static int
run_once(const struct gen_bus *bus, const struct scenario *scenario,
	const struct load *load, int slow, struct slow_result *result)
{
	double least = bus->heed ? 1 : PEERS_S;
	/* Buffers of two sockets and a server have to be full first. */
	if (strcmp(bus->name, "nats") == 0)
		least = NATS_S;
	if (options.quick)
		least = 0.3;
	struct slow_plan plan = {
		.plan = {.size = SIZE, .wait = bus->idle, .dir = crew_directory()},
		.healthy = HEALTHY,
		.slow = slow,
		.way = scenario->way,
		.turns = TURNS,
		.gap_ns = load->gap_ns,
		.seconds = least,
		/* A bus that tells nothing has nothing that could be waited for. */
		.seconds_max = !bus->heed ? least
			: options.quick   ? PATIENCE_S
					  : load->most_s};
	for (int attempt = 0; attempt < 2; attempt++)
		if (slow_run(bus, plan, result) == 0)
			return 0;
	return -1;
}

/* The two take turns, and turns in who is first, so what drifts meets both alike. */
static void
run_pairs(const struct gen_bus *bus, const struct scenario *scenario,
	const struct load *load, int runs, struct pairs *p)
{
	int broken = 0;
	for (p->runs = 0; p->runs < runs && !broken; p->runs += !broken)
		for (int turn = 0; turn < 2 && !broken; turn++) {
			int with = turn ^ (p->runs & 1);
			broken = run_once(bus, scenario, load, with ? scenario->slow : 0,
					 with ? &p->with[p->runs]
					      : &p->without[p->runs]) < 0;
		}
}

/* The seven alone: what the ratios of the next rows are taken to. */
static void
show_without(const char *name, const struct gen_bus *bus, const struct load *load,
	const struct pairs *p)
{
	char work[80];
	snprintf(work, sizeof work, "%d healthy, %s", HEALTHY, load->name);
	struct bench_row row = beside_row(name, bus, work, SIZE, HEALTHY, p->runs);
	row.msgs_per_s = beside_median(p->without, p->runs, beside_rate);
	row.delivered_per_s = beside_median(p->without, p->runs, beside_delivered);
	row.lost = beside_lost(p->without, p->runs);
	beside_latencies(&row, p->without, p->runs);
	bench_row_print(&row, (struct bench_goal){0});
}

/* A row each for the publisher's rate, what the healthy got, how late, and what they lost;
 * so that each ratio has the side of its own figure. */
static void
show_with(const char *name, const struct gen_bus *bus, const char *what, int slow,
	const struct load *load, const struct pairs *p, int judged)
{
	const struct bench_goal none = {0};
	char work[96];
	snprintf(work, sizeof work, "beside %s, %s: publisher", what, load->name);
	struct bench_row row = beside_row(name, bus, work, SIZE, HEALTHY + slow, p->runs);
	row.msgs_per_s = beside_median(p->with, p->runs, beside_rate);
	bench_row_ratio(&row, "7 healthy",
		beside_ratio(p->with, p->without, p->runs, beside_rate));
	bench_row_print(&row, judged ? (struct bench_goal){GOAL_AT_LEAST, 0.95, 0} : none);

	snprintf(work, sizeof work, "beside %s, %s: delivered to 7", what, load->name);
	row = beside_row(name, bus, work, SIZE, HEALTHY + slow, p->runs);
	row.delivered_per_s = beside_median(p->with, p->runs, beside_delivered);
	bench_row_ratio(&row, "7 healthy",
		beside_ratio(p->with, p->without, p->runs, beside_delivered));
	bench_row_print(&row, none);

	if (load->gap_ns > 0) {
		snprintf(work, sizeof work, "beside %s, %s: p99 of 7", what, load->name);
		row = beside_row(name, bus, work, SIZE, HEALTHY + slow, p->runs);
		beside_latencies(&row, p->with, p->runs);
		bench_row_ratio(&row, "7 healthy",
			beside_ratio(p->with, p->without, p->runs, beside_p99));
		bench_row_print(&row,
			judged ? (struct bench_goal){GOAL_AT_MOST, 1.2, 0} : none);
	}

	snprintf(work, sizeof work, "beside %s, %s: lost by 7", what, load->name);
	row = beside_row(name, bus, work, SIZE, HEALTHY + slow, p->runs);
	row.lost = beside_lost(p->with, p->runs);
	row.value = beside_lost_share(p->with, p->runs);
	row.unit = "a message";
	bench_row_print(&row, judged ? (struct bench_goal){GOAL_AT_MOST, 0, 0} : none);
}

/* In how many of the runs it was exactly the slow ones who were put out. */
static int
show_exactly(const char *name, const struct gen_bus *bus,
	const struct scenario *scenario, const struct load *load, const struct pairs *p)
{
	char work[96];
	int exact = 0, well = 1;
	double costs[BENCH_RUNS_MAX * SLOW_STALLS_MAX];
	int stalls = 0;
	for (int i = 0; i < p->runs; i++) {
		const struct slow_result *with = &p->with[i];
		exact += with->slow_out == scenario->slow && with->healthy_out == 0;
		well = well && with->figures.lost == 0 &&
			p->without[i].figures.lost == 0 && p->without[i].healthy_out == 0;
		for (int s = 0; s < with->stall_count; s++)
			costs[stalls++] = with->stalls[s].cost_ms;
	}
	snprintf(work, sizeof work, "beside %s, %s: exactly the slow put out",
		scenario->what, load->name);
	struct bench_row row =
		beside_row(name, bus, work, SIZE, HEALTHY + scenario->slow, p->runs);
	row.value = p->runs ? (double)exact / p->runs : NAN;
	row.unit = "yes";
	bench_row_print(&row, (struct bench_goal){GOAL_AT_LEAST, 1, 0});

	snprintf(work, sizeof work, "beside %s, %s: cost until put out", scenario->what,
		load->name);
	row = beside_row(name, bus, work, SIZE, HEALTHY + scenario->slow, stalls);
	row.value = stat_median_of(costs, stalls).median;
	row.unit = "ms";
	bench_row_print(&row, (struct bench_goal){0});
	return exact == p->runs && well ? BENCH_GOOD : BENCH_FAILED;
}

static int
measure(const char *name, const struct gen_bus *bus, const struct scenario *scenario,
	int runs)
{
	static struct pairs p;
	int rc = BENCH_GOOD;
	for (int i = 0; i < LOADS; i++) {
		const struct load *load = &loads[i];
		char who[160];
		run_pairs(bus, scenario, load, runs, &p);
		snprintf(who, sizeof who, "%s beside %s, %s", bus->name, scenario->what,
			load->name);
		if (bus->heed)
			beside_say_stalls(
				who, p.with, p.runs, HEALTHY, scenario->slow, TURNS);
		show_without(name, bus, load, &p);
		show_with(name, bus, scenario->what, scenario->slow, load, &p,
			bus->heed != NULL);
		if (bus->heed)
			rc = bench_worse(rc, show_exactly(name, bus, scenario, load, &p));
		if (p.runs == 0)
			rc = bench_worse(rc, BENCH_UNMEASURED);
	}
	return rc;
}

/* ---- the cases ------------------------------------------------------------------------- */

#ifdef BENCH_OURS
static int
measure_ours(int which)
{
	bench_row_note("%s: %s", ours_flow.name, ours_flow.settings);
	return measure(scenarios[which].name, &ours_flow, &scenarios[which], options.runs);
}

static int
case_stalled(void)
{
	return measure_ours(0);
}

static int
case_stalled3(void)
{
	return measure_ours(1);
}

static int
case_late(void)
{
	return measure_ours(2);
}

static int
case_tenth(void)
{
	return measure_ours(3);
}

static int
case_kill(void)
{
	struct gen_result result;
	int count = options.quick ? 10 : 100;
	int rc = ours_kill(crew_directory(), count, &result);
	struct bench_row row =
		bench_row_of("kill", "ours", "SIGKILL of who is waited for to claim");
	row.publishers = row.subscribers = 1;
	row.runs = rc == 0 ? count : 0;
	row.p50_ns = result.p50_ns;
	row.p99_ns = result.p99_ns;
	row.p999_ns = result.p999_ns;
	row.max_ns = result.max_ns;
	row.value = result.p50_ns / 1e6;
	row.unit = "ms";
	bench_row_print(&row, (struct bench_goal){GOAL_AT_MOST, 1, 0});
	return rc == 0 ? BENCH_GOOD : BENCH_UNMEASURED;
}
#endif

static int
measure_peer(const char *name, const struct gen_bus *bus)
{
	int rc = BENCH_GOOD;
	bench_row_note("%s: %s", bus->name, bus->settings);
	for (int i = 0; i < SCENARIOS; i++)
		rc = bench_worse(rc, measure(name, bus, &scenarios[i], options.few));
	return rc;
}

static int
case_gate(void)
{
	return measure_peer("gate", &raw_gate);
}

static int
case_nng(void)
{
#ifdef BENCH_NNG
	return measure_peer("nng", &nng_pub);
#else
	return bench_absent("nng", "built without libnng");
#endif
}

static int
case_zmq(void)
{
#ifdef BENCH_ZMQ
	return measure_peer("zmq", &zmq_pub);
#else
	return bench_absent("zmq", "built without libzmq");
#endif
}

static int
case_nodrop(void)
{
#ifdef BENCH_ZMQ
	return measure_peer("nodrop", &zmq_nodrop);
#else
	return bench_absent("nodrop", "built without libzmq");
#endif
}

static int
case_nats(void)
{
#ifdef BENCH_NATS
	if (!nats_server())
		return bench_absent("nats", "nats-server is not installed");
	return measure_peer("nats", &nats_core);
#else
	return bench_absent("nats", "built without libnats");
#endif
}

static const struct bench_case cases[] = {
#ifdef BENCH_OURS
	{"stalled", case_stalled, "1 stalled beside 7 healthy; flat out, and at 20,000/s"},
	{"stalled3", case_stalled3, "3 stalled"},
	{"late", case_late, "1 at 10 ms a message"},
	{"tenth", case_tenth, "1 ten times slower than the others"},
	{"kill", case_kill, "a reader that is waited for is killed"},
#endif
	{"gate", case_gate, "all four, on a plain ring that waits for its slowest reader"},
	{"nng", case_nng, "all four, on nng PUB"},
	{"zmq", case_zmq, "all four, on ZeroMQ PUB"},
	{"nodrop", case_nodrop, "all four, on ZeroMQ XPUB with ZMQ_XPUB_NODROP"},
	{"nats", case_nats, "all four, on NATS core"},
	{0},
};

int
main(int argc, char **argv)
{
	static const struct bench_program program = {.name = "bench-flow",
		.cases = cases,
		.options = &options,
		.runs = 11,
		.runs_quick = 2,
		.few = 3,
		.failed = "a healthy reader lost something or was put out, or a slow one was not"};

	return bench_main(&program, argc, argv);
}
