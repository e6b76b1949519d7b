/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/lib/beside.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench/lib/cases.h"

double
beside_rate(const struct slow_result *r)
{
	return r->figures.msgs_per_s;
}

double
beside_delivered(const struct slow_result *r)
{
	return r->figures.delivered_per_s;
}

double
beside_p99(const struct slow_result *r)
{
	return r->figures.p99_ns;
}

double
beside_p99_after(const struct slow_result *r)
{
	return r->after.p99_ns;
}

double
beside_blocked(const struct slow_result *r)
{
	return r->blocked;
}

static double
p50_of(const struct slow_result *r)
{
	return r->figures.p50_ns;
}

static double
p999_of(const struct slow_result *r)
{
	return r->figures.p999_ns;
}

static double
max_of(const struct slow_result *r)
{
	return r->figures.max_ns;
}

static double
p50_after(const struct slow_result *r)
{
	return r->after.p50_ns;
}

static double
p999_after(const struct slow_result *r)
{
	return r->after.p999_ns;
}

static double
max_after(const struct slow_result *r)
{
	return r->after.max_ns;
}

double
beside_median(const struct slow_result *results, int runs, beside_fn figure)
{
	double values[BENCH_RUNS_MAX];
	for (int i = 0; i < runs; i++)
		values[i] = figure(&results[i]);
	return stat_median_of(values, runs).median;
}

struct stat_median
beside_ratio(const struct slow_result *with, const struct slow_result *without,
	int runs, beside_fn figure)
{
	double over[BENCH_RUNS_MAX], under[BENCH_RUNS_MAX];
	for (int i = 0; i < runs; i++) {
		over[i] = figure(&with[i]);
		under[i] = figure(&without[i]);
	}
	return stat_ratio_of(over, under, runs);
}

void
beside_nothing(struct slow_result *result)
{
	memset(result, 0, sizeof *result);
	result->figures = gen_nothing;
	result->after = (struct slow_latency){NAN, NAN, NAN, NAN};
	result->lost_share = result->blocked = NAN;
	result->slow_lost = result->slow_told = NAN;
}

int
beside_made(const struct slow_result *results, int runs)
{
	int made = 0;
	for (int i = 0; i < runs; i++)
		made += !isnan(results[i].figures.lost);
	return made;
}

double
beside_lost(const struct slow_result *results, int runs)
{
	double lost = 0;
	for (int i = 0; i < runs; i++)
		lost += isnan(results[i].figures.lost) ? 0 : results[i].figures.lost;
	return beside_made(results, runs) ? lost : NAN;
}

double
beside_lost_share(const struct slow_result *results, int runs)
{
	double share = 0;
	int made = beside_made(results, runs);
	for (int i = 0; i < runs; i++)
		share += isnan(results[i].lost_share) ? 0 : results[i].lost_share;
	return made ? share / made : NAN;
}

struct bench_row
beside_row(const char *name, const struct gen_bus *bus, const char *work, double size,
	int readers, int runs)
{
	struct bench_row row = bench_row_of(name, bus->name, work);
	row.size = size;
	row.publishers = 1;
	row.subscribers = readers;
	row.wait = gen_wait_name(bus->idle);
	row.runs = runs;
	return row;
}

void
beside_latencies(struct bench_row *row, const struct slow_result *results, int runs)
{
	row->p50_ns = beside_median(results, runs, p50_of);
	row->p99_ns = beside_median(results, runs, beside_p99);
	row->p999_ns = beside_median(results, runs, p999_of);
	row->max_ns = beside_median(results, runs, max_of);
}

void
beside_latencies_after(struct bench_row *row, const struct slow_result *results, int runs)
{
	row->p50_ns = beside_median(results, runs, p50_after);
	row->p99_ns = beside_median(results, runs, beside_p99_after);
	row->p999_ns = beside_median(results, runs, p999_after);
	row->max_ns = beside_median(results, runs, max_after);
}

/* ---- what each stall was --------------------------------------------------------------- */

static void
say_never(const char *who, int run, const struct slow_result *r, int healthy, int slow,
	int turns)
{
	for (int i = 0; i < slow; i++) {
		const struct slow_end *end = &r->ends[i];
		char how[64];
		if (end->out >= turns)
			continue;
		snprintf(how, sizeof how, "%s",
			end->broken              ? "was put off by the bus"
				: end->out == 0  ? "was not put out"
				: end->back == 0 ? "did not come back"
						 : "was back, and not put out again");
		bench_row_note("%s, run %d: slow reader %d %s: after %.0f ms it was %.0f "
			       "messages behind and had lost %.0f",
			who, run, healthy + i + 1, how, 1e3 * r->seconds, end->behind,
			end->missed);
	}
}

void
beside_say_stalls(const char *who, const struct slow_result *with, int runs,
	int healthy, int slow, int turns)
{
	for (int run = 0; run < runs; run++) {
		const struct slow_result *r = &with[run];
		for (int i = 0; i < r->stall_count; i++) {
			const struct slow_stall *s = &r->stalls[i];
			char back[48] = "it did not come back", reader[48] = "a reader";
			if (isfinite(s->back_ms))
				snprintf(back, sizeof back, "back at %.0f ms", s->back_ms);
			if (s->reader >= 0)
				snprintf(reader, sizeof reader, "%s reader %d",
					s->reader < healthy ? "HEALTHY" : "slow",
					s->reader + 1);
			bench_row_note("%s, run %d: at %.0f ms %s was put out, %s; it cost "
				       "%.2f ms; %s",
				who, run + 1, s->at_ms, reader, s->why, s->cost_ms, back);
		}
		if (!isnan(r->figures.lost))
			say_never(who, run + 1, r, healthy, slow, turns);
	}
}
