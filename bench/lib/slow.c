/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/lib/slow.h"

#include <math.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "bench/lib/slow_run.h"

enum { WATCHDOG_S = 60 };
enum {
	LOOK_NS = 1000000,    /* between two looks of the conductor */
	REST_NS = 260000000,  /* that one stays stopped after it was put out */
	GRACE_NS = 700000000, /* in which it should be back */
	TAIL_NS = 50000000    /* after the last was put out */
};

/* ---- the conductor --------------------------------------------------------------------- */

/* Whether there is nothing more to be seen of a slow reader. */
static int
is_settled(const struct run *run, struct reader *reader)
{
	uint64_t out = look(&reader->out), at = look(&reader->out_at);
	if (out >= (uint64_t)run->plan.turns)
		return is_past(at, TAIL_NS);
	return out > 0 && look(&reader->back) < out && is_past(at, GRACE_NS);
}

static int
is_over(struct run *run)
{
	uint64_t from = look(&run->from);
	int settled = is_past(from, run->plan.seconds * 1e9);
	for (int i = run->plan.healthy; i < run->readers; i++)
		settled = settled && is_settled(run, &run->reader[i]);
	return settled || is_past(from, run->plan.seconds_max * 1e9);
}

/* Lets go on whom it is time for. */
static void
let_go(struct run *run, struct reader *reader)
{
	uint64_t out = look(&reader->out);
	if (!look(&reader->stopped))
		return;
	if (look(&run->over) ||
		(out > look(&reader->back) && out < (uint64_t)run->plan.turns &&
			is_past(look(&reader->out_at), REST_NS)))
		kill(look(&reader->pid), SIGCONT);
}

/* Where all begins with the slow ones, the time does too; else with what there is now. */
static void
begin_to_count(struct run *run)
{
	run->counted_at = look(&run->begin);
	if (run->plan.before_s <= 0)
		return;
	run->sent_from = look(&run->sent);
	for (int i = 0; i < run->readers; i++)
		run->reader[i].counted_from = look(&run->reader[i].measured);
	run->counted_at = bench_ticks();
}

static void
end_the_time(struct run *run)
{
	uint64_t next = look(&run->next);
	for (int i = 0; i < run->readers; i++) {
		struct reader *reader = &run->reader[i];
		uint64_t at = look(&reader->next);
		reader->behind = next > at ? next - at : 0;
		reader->counted = look(&reader->measured) - reader->counted_from;
	}
	run->sent_in_time = look(&run->sent) - run->sent_from;
	atomic_store(&run->over, bench_ticks());
	for (int i = run->plan.healthy; i < run->readers; i++)
		sem_post(&run->reader[i].goes_on);
}

static int
conduct(struct run *run, struct crew *crew)
{
	bench_sleep_sharply();
	while (!all_readers(run, &run->reader[0].ended)) {
		sleep_ns(LOOK_NS);
		if (atomic_load(&crew->board->failed))
			return -1;
		if (!atomic_load(&run->begin))
			continue;
		if (!run->counted_at && is_past(look(&run->from), 0))
			begin_to_count(run);
		if (!look(&run->over) && is_over(run))
			end_the_time(run);
		for (int i = run->plan.healthy; i < run->readers; i++)
			let_go(run, &run->reader[i]);
	}
	return 0;
}

/* Takes a core's time as a slow one that spins does, and has nothing to do with the bus. */
static int
be_a_hog(struct run *run, struct crew *crew)
{
	bench_sleep_sharply();
	while (!look(&run->over)) {
		if (atomic_load(&crew->board->failed))
			return -1;
		if (atomic_load(&run->begin) && is_past(look(&run->from), 0))
			bench_pause();
		else
			sleep_ns(LOOK_NS);
	}
	return 0;
}

/* ---- a run ----------------------------------------------------------------------------- */

static int
hosts_of(const struct run *run)
{
	return run->plan.shape == SLOW_PROCESSES ? run->readers : 1;
}

static int
workers_of(const struct run *run)
{
	return 1 + hosts_of(run) + run->plan.hogs + 1;
}

static int
work_publish(struct crew *crew, struct run *run, int all)
{
	const struct gen_bus *bus = run->bus;
	char why[256] = "";
	struct gen_side *side = bus->open(&run->plan.plan, 0, -1, why, sizeof why);
	if (!side)
		return crew_fail(crew, "%s: %s", bus->name, why);
	/* The publisher's end is there first: some buses want it so. */
	if (crew_meet(crew, all, 1) < 0)
		return -1;
	if (bus->await && bus->await(side, run->readers) < 0)
		return crew_fail(crew, "%s: the readers did not arrive", bus->name);
	if (crew_meet(crew, all, 2) < 0)
		return -1;
	if (slow_publish(run, side, crew) < 0)
		return crew_fail(crew, "%s: publishing failed", bus->name);
	if (crew_meet(crew, all, 3) < 0)
		return -1;
	bus->close(side);
	return 0;
}

static int
work_read(struct crew *crew, struct run *run, int all, int first)
{
	static struct host host; /* of this process */
	const struct gen_bus *bus = run->bus;
	char why[256] = "";
	if (crew_meet(crew, all, 1) < 0)
		return -1;
	if (slow_open_host(&host, run, first, why, sizeof why) < 0)
		return crew_fail(crew, "%s: %s", bus->name, why);
	if (crew_meet(crew, all, 2) < 0)
		return -1;
	if (slow_read(&host) < 0)
		return crew_fail(crew, "%s: reading failed", bus->name);
	if (crew_meet(crew, all, 3) < 0)
		return -1;
	for (int i = host.count - 1; i >= 0; i--)
		bus->close(host.readings[i].side);
	return 0;
}

/* Worker 0 publishes, then come the readers, then the hogs, and the last one conducts. */
static int
work(struct crew *crew, int index, void *arg)
{
	struct run *run = arg;
	int hosts = hosts_of(run), all = workers_of(run);
	bench_pin(-1);
	if (index == 0)
		return work_publish(crew, run, all);
	if (index <= hosts)
		return work_read(crew, run, all, index - 1);
	if (crew_meet(crew, all, 1) < 0 || crew_meet(crew, all, 2) < 0 ||
		(index < all - 1 ? be_a_hog : conduct)(run, crew) < 0)
		return -1;
	return crew_meet(crew, all, 3);
}

static void
latency_of(const struct hist *hist, struct slow_latency *latency)
{
	*latency = (struct slow_latency){NAN, NAN, NAN, NAN};
	if (hist->count == 0)
		return;
	latency->p50_ns = hist_quantile(hist, 0.5) * bench_ns_per_tick;
	latency->p99_ns = hist_quantile(hist, 0.99) * bench_ns_per_tick;
	latency->p999_ns = hist_quantile(hist, 0.999) * bench_ns_per_tick;
	latency->max_ns = bench_ns(hist->max);
}

static void
latencies_of(struct run *run, struct slow_result *result)
{
	struct gen_result *figures = &result->figures;
	struct reader *first = &run->reader[0];
	struct slow_latency all;
	result->after = (struct slow_latency){NAN, NAN, NAN, NAN};
	if (run->plan.gap_ns <= 0)
		return;
	for (int i = 1; i < run->plan.healthy; i++) {
		hist_merge(&first->hist, &run->reader[i].hist);
		hist_merge(&first->after, &run->reader[i].after);
	}
	latency_of(&first->after, &result->after);
	latency_of(&first->hist, &all);
	figures->p50_ns = all.p50_ns;
	figures->p99_ns = all.p99_ns;
	figures->p999_ns = all.p999_ns;
	figures->max_ns = all.max_ns;
}

static void
line_of(const struct run *run, struct slow_line *line)
{
	memset(line, 0, sizeof *line);
	line->slow_from_ms = bench_ns(look(&run->from) - look(&run->begin)) / 1e6;
	for (int ms = 0; ms < SLOW_LINE_MS; ms++)
		for (int i = 0; i < run->plan.healthy; i++)
			line->worst_ns[ms] = fmax(
				line->worst_ns[ms], bench_ns(run->reader[i].line[ms]));
}

static void
figures_of(struct run *run, struct slow_result *result)
{
	struct gen_result *figures = &result->figures;
	uint64_t sent = look(&run->sent), delivered = 0, lost = 0;
	double seconds = bench_ns(look(&run->over) - run->counted_at) / 1e9;
	for (int i = 0; i < run->readers; i++) {
		const struct reader *reader = &run->reader[i];
		uint64_t without = sent - look(&reader->measured);
		if (i < run->plan.healthy) {
			delivered += reader->counted;
			lost += without;
			continue;
		}
		result->slow_lost += (double)without;
		/* What ends the run may be lost too, and is not measured. */
		result->slow_told += fmin(
			(double)(reader->told - reader->told_before), (double)without);
	}
	result->seconds = seconds;
	result->lost_share = (double)lost / (double)(sent ? sent : 1) / run->plan.healthy;
	result->blocked = bench_ns(run->blocked) / 1e9 / seconds;
	*figures = gen_nothing;
	figures->msgs_per_s = (double)run->sent_in_time / seconds;
	figures->delivered_per_s = (double)delivered / seconds;
	figures->lost = (double)lost;
	latencies_of(run, result);
}

static void
verdicts_of(struct run *run, struct slow_result *result)
{
	result->stall_count = run->stall_count;
	memcpy(result->stalls, run->stalls, sizeof run->stalls);
	for (int i = 0; i < run->readers; i++) {
		const struct reader *reader = &run->reader[i];
		int out = (int)look(&reader->out);
		if (i < run->plan.healthy) {
			result->healthy_out += out > 0;
			continue;
		}
		result->slow_out += out > 0;
		result->ends[i - run->plan.healthy] = (struct slow_end){.out = out,
			.back = (int)look(&reader->back),
			.broken = look(&reader->broken),
			.behind = (double)reader->behind,
			.missed = (double)reader->missed};
	}
}

int
slow_run(const struct gen_bus *bus, struct slow_plan plan, struct slow_result *result)
{
	struct crew crew;
	int rc = -1;
	memset(result, 0, sizeof *result);
	result->figures = gen_nothing;
	result->after = (struct slow_latency){NAN, NAN, NAN, NAN};
	plan.plan.subscribers = plan.healthy + plan.slow;
	plan.plan.unpinned = 1;
	if (plan.plan.subscribers > READERS_MAX || plan.slow > SLOW_MAX)
		return -1;
	if (plan.shape != SLOW_PROCESSES && !bus->drain_now && !bus->serve)
		return -1;
	if (bus->prepare && bus->prepare(&plan.plan) < 0)
		return -1;
	struct run *run = crew_shared(sizeof *run);
	if (run && crew_init(&crew) == 0) {
		run->bus = bus;
		run->plan = plan;
		run->readers = plan.plan.subscribers;
		for (int i = 0; i < run->readers; i++)
			(void)sem_init(&run->reader[i].goes_on, 1, 0);
		for (int i = 0; i < workers_of(run); i++)
			if (crew_spawn(&crew, work, run) < 0)
				break;
		rc = crew_wait(&crew, bus->name, WATCHDOG_S);
	}
	if (rc == 0) {
		figures_of(run, result);
		verdicts_of(run, result);
		if (plan.line)
			line_of(run, plan.line);
	}
	crew_shared_free(run, sizeof *run);
	if (bus->discard)
		bus->discard(&plan.plan);
	return rc;
}
