/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * bench-core: the numbers of the bus beside the machine's limits, a raw ring and its peers,
 * in one run. Exit 0: measured, whatever came out, with each figure beside its goal.
 * Exit 1: the yardstick itself is off, or a proof has failed. Exit 2: could not measure.
 */
#include <errno.h>
#include <libgen.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/lib/cases.h"
#include "bench/lib/clock.h"
#include "bench/lib/crew.h"
#include "bench/lib/row.h"
#include "bench/limit/limit.h"
#include "bench/peer/peer.h"
#include "bench/raw/ring.h"
#ifdef BENCH_OURS
#include "bench/ours/ours.h"
#endif

static struct bench_options options;

/* ---- what is run, once -------------------------------------------------------------- */

/* One thing to run: a bus under the generator, or something that a function does. */
struct trial {
	const char *name;
	const char *work;
	const struct gen_bus *bus;
	struct gen_plan plan;
	double seconds, gap_ns;
	int count;
	int asleep;
	int (*run)(const struct trial *trial, struct gen_result *result);
};

static int
run_flat(const struct trial *t, struct gen_result *result)
{
	return gen_flat(t->bus, t->plan, t->seconds, result);
}

static int
run_pingpong(const struct trial *t, struct gen_result *result)
{
	return gen_pingpong(t->bus, t->plan, t->count, result);
}

static int
run_paced(const struct trial *t, struct gen_result *result)
{
	return gen_paced(t->bus, t->plan, t->gap_ns, t->count, result);
}

static int
run_futex(const struct trial *t, struct gen_result *result)
{
	return limit_futex(t->gap_ns, t->count, result);
}

/* A run that was disturbed so much that its watchdog ended it is tried once more. */
static int
run_trial(const struct trial *t, struct gen_result *result)
{
	for (int attempt = 0; attempt < 2; attempt++)
		if (t->run(t, result) == 0)
			return 0;
	*result = gen_nothing;
	return -1;
}

/* What does not work at all is not tried to the end. Returns how many runs there are. */
static int
run_often(const struct trial *t, struct gen_result *results, int runs)
{
	for (int i = 0; i < runs; i++)
		if (run_trial(t, &results[i]) < 0)
			return i;
	return runs;
}

/* ---- what several runs say ---------------------------------------------------------- */

static double
delivered_of(const struct gen_result *r)
{
	return r->delivered_per_s;
}

static double
p50_of(const struct gen_result *r)
{
	return r->p50_ns;
}

static double
value_of(const struct gen_result *r)
{
	return r->value;
}

static double
median_by(const struct gen_result *results, int runs, size_t offset)
{
	double values[BENCH_RUNS_MAX];
	for (int i = 0; i < runs; i++)
		memcpy(&values[i], (const char *)&results[i] + offset, sizeof values[i]);
	return stat_median_of(values, runs).median;
}

static struct bench_row
row_of(const char *name, const struct trial *t, const struct gen_result *results, int runs)
{
	struct bench_row row = bench_row_of(name, t->name, t->work);
	if (t->plan.size)
		row.size = (double)t->plan.size;
	if (t->plan.subscribers) {
		row.publishers = 1;
		row.subscribers = t->plan.subscribers;
	}
	row.wait = t->bus ? gen_wait_name(t->plan.wait) : NULL;
	row.msgs_per_s =
		median_by(results, runs, offsetof(struct gen_result, msgs_per_s));
	row.delivered_per_s =
		median_by(results, runs, offsetof(struct gen_result, delivered_per_s));
	row.p50_ns = median_by(results, runs, offsetof(struct gen_result, p50_ns));
	row.p99_ns = median_by(results, runs, offsetof(struct gen_result, p99_ns));
	row.p999_ns = median_by(results, runs, offsetof(struct gen_result, p999_ns));
	row.max_ns = median_by(results, runs, offsetof(struct gen_result, max_ns));
	row.value = median_by(results, runs, offsetof(struct gen_result, value));
	row.runs = 0;
	row.lost = NAN;
	for (int i = 0; i < runs; i++) {
		row.runs += isfinite(results[i].p50_ns) || isfinite(results[i].value) ||
			isfinite(results[i].delivered_per_s);
		if (isfinite(results[i].lost))
			row.lost = (isfinite(row.lost) ? row.lost : 0) + results[i].lost;
	}
	return row;
}

struct pairs {
	struct gen_result over[BENCH_RUNS_MAX], under[BENCH_RUNS_MAX];
	int runs;
};

/* The two take turns, and turns in who is first, so what drifts meets both alike. One
 * that does not work at all is left out, and the other is measured alone. */
static void
run_pairs(const struct trial *over, const struct trial *under, int runs, struct pairs *p)
{
	const struct trial *sides[2] = {under, over};
	struct gen_result *results[2] = {p->under, p->over};
	int broken[2] = {0, 0};
	for (p->runs = 0; p->runs < runs && !(broken[0] && broken[1]); p->runs++) {
		for (int turn = 0; turn < 2; turn++) {
			int side = turn ^ (p->runs & 1);
			results[side][p->runs] = gen_nothing;
			if (!broken[side])
				broken[side] = run_trial(sides[side],
						       &results[side][p->runs]) < 0;
		}
	}
}

static struct stat_median
ratio_by(const struct pairs *p, double (*figure)(const struct gen_result *))
{
	double over[BENCH_RUNS_MAX], under[BENCH_RUNS_MAX];
	for (int i = 0; i < p->runs; i++) {
		over[i] = figure(&p->over[i]);
		under[i] = figure(&p->under[i]);
	}
	return stat_ratio_of(over, under, p->runs);
}

/* Runs the pairs and prints a row for each of the two. Returns BENCH_GOOD or BENCH_UNMEASURED. */
static int
compare(const char *name, const struct trial *over, const struct trial *under, int runs,
	double (*figure)(const struct gen_result *), struct bench_goal goal,
	const char *unit, struct pairs *p)
{
	static struct pairs own;
	if (!p)
		p = &own;
	run_pairs(over, under, runs, p);
	struct bench_row low = row_of(name, under, p->under, p->runs);
	struct bench_row high = row_of(name, over, p->over, p->runs);
	struct stat_median ratio = ratio_by(p, figure);
	low.unit = high.unit = unit;
	bench_row_print(&low, (struct bench_goal){0});
	bench_row_ratio(&high, under->name, ratio);
	bench_row_print(&high, goal);
	return ratio.runs > 0 ? BENCH_GOOD : BENCH_UNMEASURED;
}

static struct trial
trial_of(const struct gen_bus *bus, const char *work,
	int (*run)(const struct trial *, struct gen_result *), size_t size,
	enum gen_wait wait)
{
	return (struct trial){.name = bus->name,
		.work = work,
		.bus = bus,
		.run = run,
		.plan = {.size = size,
			.subscribers = 1,
			.wait = wait,
			.dir = crew_directory()}};
}

/* ---- the limits ---------------------------------------------------------------------- */

/* Medians of the machine on which the peers' rows below were measured. */
static const double THEIR_HALF_TRIP_NS = 89.85; /* the report on peers, 1 */

static double half_trip_ns;

static int
find_half_trip(void)
{
	if (half_trip_ns > 0)
		return BENCH_GOOD;
	double trips[BENCH_RUNS_MAX];
	int runs = options.few;
	for (int i = 0; i < runs; i++)
		limit_line(100000, &trips[i]);
	struct stat_median m = stat_median_of(trips, runs);
	if (m.runs == 0)
		return BENCH_UNMEASURED;
	half_trip_ns = m.median / 2;
	struct bench_row row =
		bench_row_of("limit", "machine", "cache line, half round trip");
	row.value = half_trip_ns;
	row.unit = "ns";
	row.runs = m.runs;
	bench_row_print(&row, (struct bench_goal){0});
	return BENCH_GOOD;
}

static struct trial
futex_trial(double gap_ns)
{
	return (struct trial){.name = "futex",
		.run = run_futex,
		.gap_ns = gap_ns,
		.work = gap_ns < 1e6 ? "wake, gap 50 us" : "wake, gap 1 ms",
		.count = gap_ns < 1e6   ? 2000
			: options.quick ? 200
					: 400};
}

/*
 * The raw ring is what the figures are held against, so it must itself be near the limit:
 * 3.3 half round trips of a line, measured in turns.
 */
static int
check_raw(void)
{
	static const double RAW_LIMIT = 3.3;
	struct trial raw = trial_of(&raw_ring, "one-way", run_pingpong, 64, GEN_SPIN);
	raw.count = 50000;
	static struct gen_result results[BENCH_RUNS_MAX];
	double halves[BENCH_RUNS_MAX], p50s[BENCH_RUNS_MAX];
	int runs = 0;
	for (int i = 0; i < options.runs; i++, runs++) {
		if (limit_line(50000, &halves[i]) < 0 || run_trial(&raw, &results[i]) < 0)
			break;
		halves[i] /= 2;
		p50s[i] = results[i].p50_ns;
	}
	struct stat_median ratio = stat_ratio_of(p50s, halves, runs);
	struct bench_row row = row_of("limit", &raw, results, runs);
	bench_row_ratio(&row, "half round trip of a line", ratio);
	bench_row_print(&row, (struct bench_goal){GOAL_AT_MOST, RAW_LIMIT, 0});
	if (ratio.runs == 0)
		return BENCH_UNMEASURED;
	if (ratio.median <= RAW_LIMIT)
		return BENCH_GOOD;
	fprintf(stderr,
		"bench-core: the raw ring takes %.2f half round trips of a line, more "
		"than %.1f: its figures are no yardstick here\n",
		ratio.median, RAW_LIMIT);
	return BENCH_FAILED;
}

static int
case_limit(void)
{
	int rc = find_half_trip();
	for (size_t i = 0; i < limit_cost_count; i++) {
		struct bench_row row =
			bench_row_of("limit", "machine", limit_costs[i].name);
		row.value = limit_costs[i].ns();
		row.unit = "ns";
		bench_row_print(&row, (struct bench_goal){0});
	}
	static const size_t sizes[] = {64, 1 << 10, 64 << 10, 1 << 20};
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct bench_row row =
			bench_row_of("limit", "machine", "memcpy, one core, hot");
		row.size = (double)sizes[i];
		row.value = limit_copy(sizes[i]);
		row.unit = "B/s";
		bench_row_print(&row, (struct bench_goal){0});
	}
	for (int i = 0; i < 2; i++) {
		struct trial futex = futex_trial(i ? 1e6 : 5e4);
		struct gen_result result;
		run_trial(&futex, &result);
		struct bench_row row = row_of("limit", &futex, &result, 1);
		bench_row_print(&row, (struct bench_goal){0});
	}
	int raw = check_raw();
	return raw > rc ? raw : rc;
}

/* ---- the peers ----------------------------------------------------------------------- */

/*
 * What the peers did where they were first measured: the report on peers, sections 3 (1 to 1)
 * and 5 (1 to 8), messages delivered a second, 64 B, 1 KiB, 64 KiB.
 */
static const struct {
	const char *name;
	double size;
	double per_s;
} peer_rows[] = {{"zmq-push", 64, 3.66e6}, {"zmq-push", 1 << 10, 591.3e3},
	{"zmq-push", 64 << 10, 24.6e3}, {"nng-push", 64, 57.5e3},
	{"nng-push", 1 << 10, 42.2e3}, {"nng-push", 64 << 10, 22.2e3},
	{"zmq-nodrop", 64, 3.97e6}, {"zmq-nodrop", 1 << 10, 604.8e3}};

/*
 * A peer that is slower than half its row was set up badly, and a ratio to it says
 * nothing. On a slower machine the row is scaled by the half round trip of a line; a
 * faster one asks for no more than the row.
 */
static int
check_peer(const char *name, size_t size, double per_s)
{
	if (!isfinite(per_s) || find_half_trip() != BENCH_GOOD)
		return BENCH_UNMEASURED;
	double speed = THEIR_HALF_TRIP_NS / half_trip_ns;
	double scale = speed < 1 ? speed : 1;
	for (size_t i = 0; i < sizeof peer_rows / sizeof *peer_rows; i++) {
		if (strcmp(peer_rows[i].name, name) != 0 ||
			peer_rows[i].size != (double)size)
			continue;
		double row = peer_rows[i].per_s;
		int slow = per_s < row * scale / 2;
		bench_row_note(
			"%s %zu B: %.0f/s is %.2f of its row in the report on peers "
			"(%.0f/s, where the half round trip is %.1f ns; here %.1f ns, so "
			"the row counts %.2f): %s",
			name, size, per_s, per_s / row, row, THEIR_HALF_TRIP_NS,
			half_trip_ns, scale,
			slow ? "SLOWER than half of it, BENCH_FAILED" : "good");
		if (slow)
			fprintf(stderr,
				"bench-core: %s, %zu B, is slower than half its row\n",
				name, size);
		return slow ? BENCH_FAILED : BENCH_GOOD;
	}
	return BENCH_GOOD;
}

static int
run_peer(const char *name, const struct trial *t, int runs)
{
	static struct gen_result results[BENCH_RUNS_MAX];
	runs = run_often(t, results, runs);
	struct bench_row row = row_of(name, t, results, runs);
	bench_row_print(&row, (struct bench_goal){0});
	if (runs == 0)
		return BENCH_UNMEASURED;
	return check_peer(t->bus->name, t->plan.size, row.delivered_per_s);
}

static struct trial
flat_trial(const struct gen_bus *bus, size_t size, enum gen_wait wait)
{
	struct trial t = trial_of(bus, "throughput", run_flat, size, wait);
	t.seconds = options.quick ? 0.1 : 0.2;
	return t;
}

static struct trial
fanout_trial(const struct gen_bus *bus, size_t size)
{
	struct trial t = trial_of(bus, "fan-out, 2 cores", run_flat, size, bus->idle);
	t.plan.subscribers = 8;
	t.plan.unpinned = 1;
	t.seconds = options.quick ? 0.2 : 0.4;
	return t;
}

static void
say_settings(const struct gen_bus *bus)
{
	bench_row_note("%s: %s", bus->name, bus->settings);
}

/* ---- the cases ----------------------------------------------------------------------- */

static int
case_latency(void)
{
	int rc = BENCH_GOOD;
	struct trial raw = trial_of(&raw_ring, "one-way", run_pingpong, 64, GEN_SPIN);
	raw.count = options.quick ? 20000 : 50000;
#ifdef BENCH_OURS
	struct trial we = trial_of(&ours, "one-way", run_pingpong, 64, GEN_SPIN);
	we.count = raw.count;
	rc = compare("latency", &we, &raw, options.runs, p50_of,
		(struct bench_goal){GOAL_AT_MOST, 1.25, 1.1}, NULL, NULL);
#else
	struct gen_result result;
	run_trial(&raw, &result);
	struct bench_row row = row_of("latency", &raw, &result, 1);
	bench_row_print(&row, (struct bench_goal){0});
	(void)p50_of, (void)value_of, (void)compare;
#endif
	return rc;
}

static int
case_parked(void)
{
	int rc = BENCH_GOOD;
#ifdef BENCH_OURS
	static const double gaps[] = {5e4, 1e6};
	for (int i = 0; i < 2; i++) {
		struct trial futex = futex_trial(gaps[i]);
		struct trial we =
			trial_of(&ours, i ? "one-way, gap 1 ms" : "one-way, gap 50 us",
				run_paced, 64, GEN_PARK);
		we.gap_ns = gaps[i];
		we.count = futex.count;
		rc = bench_worse(rc,
			compare("parked", &we, &futex, options.runs, p50_of,
				(struct bench_goal){GOAL_AT_MOST, 1.2, 0}, NULL, NULL));
	}
#endif
	return rc;
}

static int
case_throughput(void)
{
	static const size_t sizes[] = {64, 1 << 10, 64 << 10};
	int rc = BENCH_GOOD;
	say_settings(&raw_ring);
#ifdef BENCH_OURS
	static const double least[] = {1.0, 0.9, 1.0}, aims[] = {1.3, 0, 0};
	say_settings(&ours);
	say_settings(&ours_batch);
	for (int i = 0; i < 3; i++) {
		struct trial raw = flat_trial(&raw_ring, sizes[i], GEN_SPIN);
		struct trial we = flat_trial(&ours, sizes[i], ours.idle);
		struct trial batch = flat_trial(&ours_batch, sizes[i], ours_batch.idle);
		rc = bench_worse(rc,
			compare("throughput", &we, &raw, options.runs, delivered_of,
				(struct bench_goal){GOAL_AT_LEAST, least[i], aims[i]},
				NULL, NULL));
		rc = bench_worse(rc,
			compare("throughput", &batch, &raw, options.few, delivered_of,
				(struct bench_goal){0}, NULL, NULL));
	}
#else
	for (int i = 0; i < 3; i++) {
		struct trial raw = flat_trial(&raw_ring, sizes[i], GEN_SPIN);
		static struct gen_result results[BENCH_RUNS_MAX];
		int runs = run_often(&raw, results, options.few);
		struct bench_row row = row_of("throughput", &raw, results, runs);
		bench_row_print(&row, (struct bench_goal){0});
	}
#endif
	return rc;
}

static int
case_peers(void)
{
	static const size_t sizes[] = {64, 1 << 10, 64 << 10};
	int rc = BENCH_GOOD;
	const struct gen_bus *const peers[] = {
#ifdef BENCH_ZMQ
		&zmq_push,
#endif
#ifdef BENCH_NNG
		&nng_push,
#endif
		NULL};
	for (int i = 0; peers[i]; i++) {
		say_settings(peers[i]);
#ifdef BENCH_OURS
		static struct pairs p;
		struct trial we = flat_trial(&ours, 64, ours.idle);
		struct trial peer = flat_trial(peers[i], 64, peers[i]->idle);
		double goal = strncmp(peers[i]->name, "zmq", 3) == 0 ? 4 : 100;
		peer.seconds = 0.4;
		rc = bench_worse(rc,
			compare("throughput", &we, &peer, options.few, delivered_of,
				(struct bench_goal){GOAL_AT_LEAST, goal, 0}, NULL, &p));
		rc = bench_worse(rc,
			check_peer(peers[i]->name, 64,
				row_of("", &peer, p.under, p.runs).delivered_per_s));
		int first = 1;
#else
		int first = 0;
#endif
		for (int size = first; size < 3; size++) {
			struct trial t =
				flat_trial(peers[i], sizes[size], peers[i]->idle);
			t.seconds = 0.4;
			rc = bench_worse(
				rc, run_peer("throughput", &t, options.quick ? 2 : 5));
		}
	}
	return rc;
}

static int
case_fanout(void)
{
	int rc = BENCH_GOOD;
#ifdef BENCH_ZMQ
	static const size_t sizes[] = {64, 1 << 10};
	say_settings(&zmq_nodrop);
	for (int i = 0; i < 2; i++) {
		struct trial peer = fanout_trial(&zmq_nodrop, sizes[i]);
#ifdef BENCH_OURS
		static struct pairs p;
		struct trial we = fanout_trial(&ours, sizes[i]);
		rc = bench_worse(rc,
			compare("fanout", &we, &peer, options.few, delivered_of,
				(struct bench_goal){GOAL_AT_LEAST, i ? 10 : 20, 0},
				NULL, &p));
		rc = bench_worse(rc,
			check_peer(zmq_nodrop.name, sizes[i],
				row_of("", &peer, p.under, p.runs).delivered_per_s));
#else
		rc = bench_worse(rc, run_peer("fanout", &peer, options.few));
#endif
	}
#else
	(void)fanout_trial;
#endif
#ifdef BENCH_OURS
	/* The same idle policy as in the fan-out above. */
	struct trial parked =
		trial_of(&ours, "parked, 1 to 1, gap 50 us", run_paced, 64, GEN_PARK);
	struct trial we = trial_of(&ours, "1 to 8, 10,000/s", run_paced, 64, ours.idle);
	parked.name = "ours-parked";
	parked.gap_ns = 5e4;
	parked.count = 2000;
	we.plan.subscribers = 8;
	we.plan.unpinned = 1;
	we.gap_ns = 1e5;
	we.count = options.quick ? 1000 : 3000;
	rc = bench_worse(rc,
		compare("fanout", &we, &parked, options.runs, p50_of,
			(struct bench_goal){GOAL_AT_MOST, 2, 0}, NULL, NULL));
#endif
	return rc;
}

#ifdef BENCH_OURS
static double least_slept;

static int
run_cost(const struct trial *t, struct gen_result *result)
{
	double slept;
	*result = gen_nothing;
	if (ours_cost(t->plan.dir, t->plan.subscribers, t->asleep, &result->value,
		    &slept) < 0)
		return -1;
	if (t->asleep && slept < least_slept)
		least_slept = slept;
	return 0;
}

static int
case_cost(void)
{
	int rc = BENCH_GOOD;
	for (int asleep = 0; asleep < 2; asleep++) {
		struct trial one = {.name = "ours-1",
			.run = run_cost,
			.asleep = asleep,
			.bus = &ours,
			.work = asleep ? "publish to sleepers" : "publish to readers awake",
			.plan = {.size = 64,
				.subscribers = 1,
				.dir = crew_directory(),
				.wait = asleep ? GEN_PARK : GEN_YIELD}};
		struct trial many = one;
		many.name = "ours-64";
		many.plan.subscribers = 64;
		least_slept = 1;
		rc = bench_worse(rc,
			compare("cost", &many, &one, options.runs, value_of,
				(struct bench_goal){GOAL_AT_MOST, asleep ? 2 : 1.2, 0},
				"ns CPU", NULL));
		if (asleep)
			bench_row_note("the subscribers slept before at least %.1f %% of the "
				       "messages",
				100 * least_slept);
	}
	return rc;
}

static int
case_idle(void)
{
	double values[BENCH_RUNS_MAX];
	int runs = options.quick ? 1 : 3;
	struct bench_row row = bench_row_of("idle", "ours", "a parked subscriber's CPU");
	for (int i = 0; i < runs; i++)
		if (ours_idle_cpu(crew_directory(), options.quick ? 2 : 5, &values[i]) < 0)
			values[i] = NAN;
	struct stat_median m = stat_median_of(values, runs);
	row.value = m.median;
	row.unit = "ms/s";
	row.wait = gen_wait_name(GEN_ADAPTIVE);
	row.runs = m.runs;
	bench_row_print(&row, (struct bench_goal){GOAL_AT_MOST, 0.1, 0});

	struct bench_row memory =
		bench_row_of("idle", "ours", "a default topic's memory");
	struct stat_median k = {0};
	for (int i = 0; i < runs; i++)
		if (ours_idle_memory(crew_directory(), &values[i]) < 0)
			values[i] = NAN;
	k = stat_median_of(values, runs);
	memory.value = k.median;
	memory.unit = "KiB";
	memory.runs = k.runs;
	bench_row_print(&memory, (struct bench_goal){GOAL_AT_MOST, 600, 0});
	return m.runs && k.runs ? BENCH_GOOD : BENCH_UNMEASURED;
}

static int
case_attach(void)
{
	struct gen_result result;
	struct bench_row row = bench_row_of("attach", "ours", "open to first admission");
	int count = options.quick ? 50 : 200;
	int rc = ours_attach(crew_directory(), 8, count, &result);
	row.publishers = 8;
	row.subscribers = 1;
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

/* A program of its own, because its calls are wrapped when it is linked. */
static int
case_inplace(void)
{
	char self[512], path[600];
	ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
	if (len < 0)
		return BENCH_UNMEASURED;
	self[len] = 0;
	snprintf(path, sizeof path, "%s/bench-inplace", dirname(self));
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		execl(path, path, options.json ? "--json" : "--table", (char *)NULL);
		fprintf(stderr, "bench-core: %s: %s\n", path, strerror(errno));
		_exit(BENCH_UNMEASURED);
	}
	int status;
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return BENCH_UNMEASURED;
	return WEXITSTATUS(status);
}
#endif

static const struct bench_case cases[] = {
	{"limit", case_limit, "the machine's limits, and the raw ring held against them"},
	{"latency", case_latency, "one way, 64 B, spinning"},
	{"parked", case_parked, "one way, 64 B, the reader sleeps"},
	{"throughput", case_throughput, "1 to 1, lossless, beside the raw ring"},
	{"peers", case_peers, "1 to 1, lossless, beside ZeroMQ and nng"},
	{"fanout", case_fanout, "1 to 8 on two cores, lossless; latency at 10,000/s"},
#ifdef BENCH_OURS
	{"cost", case_cost, "the publisher's CPU with 1 and 64 subscribers"},
	{"idle", case_idle, "CPU of a parked subscriber, memory of an idle topic"},
	{"attach", case_attach, "time to attach to a bus of 8 processes"},
	{"inplace", case_inplace, "no copy, no call, no fault between claim and handler"},
#endif
	{0},
};

int
main(int argc, char **argv)
{
	static const struct bench_program program = {.name = "bench-core",
		.cases = cases,
		.options = &options,
		.runs = 15,
		.runs_quick = 3,
		.few = 7,
		.failed = "the yardstick is off, or a proof has failed"};

	return bench_main(&program, argc, argv);
}
