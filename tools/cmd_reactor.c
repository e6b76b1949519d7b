/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* reactor simulate and reactor round: allocator, timers and tiers in virtual time, on the
 * library's own simulation. No bus is touched. */
#include <stdio.h>
#include <stdlib.h>
#include <weir/sim.h>

#include "tools/classes.h"
#include "tools/json.h"
#include "tools/text.h"
#include "tools/tool.h"

enum {
	POLLS_MAX = 100000000, /* of a run: some ten seconds */
	SHOWN_MAX = 1000000,   /* of those that are printed one by one */
	COLUMNS = 60,          /* polls in a line of the picture */
	TOLD_MAX = 20          /* changes of tiers that are told to a person */
};

static const char *classes_text;
static const char *discipline;
static uint64_t rounds = 1;
static uint64_t sim_rounds;
static int time_ms;
static const char *tiers;
static uint64_t consumers;
static uint64_t seed = 1;
static uint64_t limit;
static double flips;
static int random_costs;

enum { ROUNDS = 100 }; /* of a simulation, unless it is told how long */

static const char *const tier_names[] = {"monitor", "warn", "yield", "isolate"};

/* ---- classes ------------------------------------------------------------------------ */

static weir_sim_class classes[WEIR_SIM_CLASSES_MAX];
static size_t class_count;

static int
choose_classes(void)
{
	if (classes_text && consumers)
		return tool_usage("--classes says how many consumers there are: not "
				  "--consumers as well");
	if (classes_text)
		return classes_take(classes_text, classes, &class_count);
	if (consumers > WEIR_SIM_CONSUMERS_MAX)
		return tool_usage("--consumers: at most %d", WEIR_SIM_CONSUMERS_MAX);
	classes_spread(consumers ? consumers : 48, classes, &class_count);
	return 0;
}

/* ---- a run -------------------------------------------------------------------------- */

static weir_sim *
start(weir_sim_options *options, int *rc)
{
	*rc = choose_classes();
	if (*rc)
		return NULL;
	options->size = sizeof(*options);
	options->discipline = discipline;
	options->classes = classes;
	options->class_count = class_count;
	weir_error err;
	weir_sim *sim = weir_sim_open(options, &err);
	if (!sim)
		*rc = tool_fail(&err);
	return sim;
}

/* How many polls so many rounds are; 0 after saying that they are too many. */
static uint64_t
polls_of(weir_sim *sim, uint64_t count, uint64_t most)
{
	weir_sim_summary summary = {.size = sizeof(summary)};
	(void)weir_sim_summarize(sim, &summary);
	if (count < 1 || count > most / summary.round) {
		tool_usage("--rounds: 1 to %llu rounds of %llu polls",
			(unsigned long long)(most / summary.round),
			(unsigned long long)summary.round);
		return 0;
	}
	return count * summary.round;
}

/* ---- round -------------------------------------------------------------------------- */

static void
print_polls(const int64_t *polls, uint64_t count)
{
	struct json j;
	json_init(&j, stdout);
	json_object(&j, NULL);
	json_array(&j, "polls");
	for (uint64_t p = 0; p < count; p++)
		json_i64(&j, NULL, polls[p]);
	json_end_array(&j);
	json_end_object(&j);
}

static void
print_lines(const int64_t *polls, uint64_t count)
{
	struct json j;
	json_init(&j, stdout);
	for (uint64_t p = 0; p < count; p++) {
		json_object(&j, NULL);
		json_u64(&j, "poll", p);
		json_i64(&j, "consumer", polls[p]);
		json_end_object(&j);
	}
}

/* A line for each consumer, a column for each poll. */
static void
print_picture(const int64_t *polls, uint64_t count)
{
	for (uint64_t from = 0; from < count; from += COLUMNS) {
		uint64_t until = from + COLUMNS < count ? from + COLUMNS : count;
		printf("%spolls %llu to %llu\n", from ? "\n" : "",
			(unsigned long long)from, (unsigned long long)until - 1);
		int64_t consumer = 0;
		for (size_t c = 0; c < class_count; c++) {
			for (uint32_t n = 0; n < classes[c].consumers; n++, consumer++) {
				printf("%4lld x%-3llu ", (long long)consumer,
					(unsigned long long)classes[c].weight);
				for (uint64_t p = from; p < until; p++)
					putchar(polls[p] == consumer ? '#' : '.');
				putchar('\n');
			}
		}
	}
}

static int
run_round(int argc, char **argv)
{
	if (argc)
		return tool_usage("reactor round takes no '%s'", argv[0]);
	int rc;
	weir_sim_options options = {.limit = 0};
	weir_sim *sim = start(&options, &rc);
	if (!sim)
		return rc;
	uint64_t count = polls_of(sim, rounds, SHOWN_MAX);
	int64_t *polls = count ? malloc(count * sizeof(*polls)) : NULL;
	if (polls) {
		for (uint64_t p = 0; p < count; p++)
			polls[p] = weir_sim_poll(sim);
		if (tool.out == TOOL_JSON)
			print_polls(polls, count);
		else if (tool.out == TOOL_JSONL)
			print_lines(polls, count);
		else
			print_picture(polls, count);
	}
	free(polls);
	weir_sim_close(sim);
	return polls ? TOOL_YES : count ? TOOL_MEMORY : TOOL_USAGE;
}

/* ---- simulate ----------------------------------------------------------------------- */

struct outcome {
	weir_sim *sim;
	weir_sim_summary all;
	weir_sim_result of[WEIR_SIM_CLASSES_MAX];
};

/* The nth change of a tier; 0: it is not kept. */
static int
get_change(const struct outcome *o, size_t nth, weir_sim_change *change)
{
	change->size = sizeof(*change);
	return weir_sim_get_change(o->sim, nth, change) == 0;
}

static double
percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

static uint64_t
weight_of(const weir_sim_result *result)
{
	return (uint64_t)result->consumers * result->weight;
}

static void
print_tiers_json(struct json *j, const weir_sim_result *r)
{
	json_array(j, "tiers");
	for (size_t t = 0; t < 4; t++) {
		json_object(j, NULL);
		json_str(j, "tier", tier_names[t]);
		json_u64(j, "consumers", r->at_tier[t]);
		json_u64(j, "time_ns", r->tier_ns[t]);
		json_u64(j, "polls", r->tier_polls[t]);
		json_end_object(j);
	}
	json_end_array(j);
}

static void
print_class_json(struct json *j, const struct outcome *o, const weir_sim_result *r)
{
	json_object(j, NULL);
	json_u64(j, "consumers", r->consumers);
	json_u64(j, "weight", r->weight);
	json_real(j, "ideal_percent", percent(weight_of(r), o->all.round));
	json_u64(j, "polls", r->polls);
	json_real(j, "poll_percent", percent(r->polls, o->all.polls));
	json_u64(j, "time_ns", r->time_ns);
	json_real(j, "time_percent", percent(r->time_ns, o->all.time_ns));
	json_u64(j, "gap_most", r->gap_most);
	json_u64(j, "waiting", r->waiting);
	json_u64(j, "violations", r->violations);
	json_u64(j, "promotions", r->promotions);
	json_u64(j, "demotions", r->demotions);
	print_tiers_json(j, r);
	json_end_object(j);
}

static void
print_changes_json(struct json *j, const struct outcome *o)
{
	weir_sim_change change;
	json_array(j, "transitions");
	for (size_t n = 0; get_change(o, n, &change); n++) {
		json_object(j, NULL);
		json_u64(j, "at_ns", change.when_ns);
		json_u64(j, "consumer", change.consumer);
		json_u64(j, "class", change.of_class);
		json_str(j, "from", tier_names[change.from]);
		json_str(j, "to", tier_names[change.to]);
		json_str(j, "why", change.why);
		json_end_object(j);
	}
	json_end_array(j);
}

static void
print_json(const struct outcome *o)
{
	struct json j;
	json_init(&j, stdout);
	json_object(&j, NULL);
	json_str(&j, "discipline", discipline ? discipline : "priority");
	json_u64(&j, "seed", seed);
	if (time_ms)
		json_null(&j, "rounds");
	else
		json_u64(&j, "rounds", sim_rounds ? sim_rounds : ROUNDS);
	json_str(&j, "tiers", tiers ? tiers : "off");
	json_u64(&j, "round", o->all.round);
	if (limit)
		json_u64(&j, "limit", limit);
	else
		json_null(&j, "limit");
	json_u64(&j, "over", o->all.over);
	json_u64(&j, "polls", o->all.polls);
	json_u64(&j, "time_ns", o->all.time_ns);
	json_u64(&j, "flips", o->all.flips);
	json_u64(&j, "timers", o->all.timers);
	json_u64(&j, "changes", o->all.changes);
	json_real(&j, "ahead_rounds", o->all.ahead_most);
	json_u64(&j, "jain_ppm", (uint64_t)(o->all.jain * 1e6));
	json_u64(&j, "checks", o->all.checks);
	json_u64(&j, "broken", o->all.broken);
	json_str(&j, "why", o->all.broken ? o->all.text : NULL);
	json_array(&j, "classes");
	for (size_t c = 0; c < class_count; c++)
		print_class_json(&j, o, &o->of[c]);
	json_end_array(&j);
	print_changes_json(&j, o);
	json_end_object(&j);
}

static void
print_table(const struct outcome *o)
{
	static const char *const heads[] = {"CONSUMERS", "WEIGHT", "IDEAL", "POLLS",
		"OF ALL", "OF TIME", "LONGEST WAIT"};
	struct table t;
	table_init(&t, "rrrrrrr");
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		table_add(&t, "%s", heads[i]);
	for (size_t c = 0; c < class_count; c++) {
		const weir_sim_result *r = &o->of[c];
		table_add(&t, "%u", r->consumers);
		table_add(&t, "%u", r->weight);
		table_add(&t, "%.3f %%", percent(weight_of(r), o->all.round));
		table_add(&t, "%s", text_count(r->polls).s);
		table_add(&t, "%.3f %%", percent(r->polls, o->all.polls));
		table_add(&t, "%.3f %%", percent(r->time_ns, o->all.time_ns));
		table_add(&t, "%s", text_count(r->gap_most).s);
	}
	table_print(&t, stdout, tool_color());
}

/* How much of its time each class was at each tier, and who is there now. */
static void
print_tiers(const struct outcome *o)
{
	static const char *const heads[] = {"CONSUMERS", "WEIGHT", "MONITOR", "WARN",
		"YIELD", "ISOLATE", "UP", "DOWN", "IN THE END"};
	struct table t;
	table_init(&t, "rrrrrrrrl");
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		table_add(&t, "%s", heads[i]);
	for (size_t c = 0; c < class_count; c++) {
		const weir_sim_result *r = &o->of[c];
		table_add(&t, "%u", r->consumers);
		table_add(&t, "%u", r->weight);
		for (size_t i = 0; i < 4; i++)
			table_add(&t, "%.1f %%",
				percent(r->tier_ns[i], o->all.time_ns * r->consumers));
		table_add(&t, "%s", text_count(r->promotions).s);
		table_add(&t, "%s", text_count(r->demotions).s);
		table_add(&t, "%u, %u, %u, %u", r->at_tier[0], r->at_tier[1],
			r->at_tier[2], r->at_tier[3]);
	}
	putchar('\n');
	table_print(&t, stdout, tool_color());
}

static void
print_changes(const struct outcome *o)
{
	weir_sim_change change;
	if (o->all.changes)
		putchar('\n');
	for (size_t n = 0; n < TOLD_MAX && get_change(o, n, &change); n++)
		printf("%10.3f ms  %s\n", (double)change.when_ns / 1e6, change.why);
	if (o->all.changes > TOLD_MAX)
		printf("and %s more, see -o json\n",
			text_count(o->all.changes - TOLD_MAX).s);
}

static void
say_outcome(const struct outcome *o)
{
	tool_say("%s, seed %llu: %s polls in rounds of %s",
		discipline ? discipline : "priority", (unsigned long long)seed,
		text_count(o->all.polls).s, text_count(o->all.round).s);
	if (o->all.flips)
		tool_say("somebody fell idle or came back %s times",
			text_count(o->all.flips).s);
	if (o->all.timers)
		tool_say("timers fired %s times", text_count(o->all.timers).s);
	if (o->all.changes)
		tool_say("tiers changed %s times", text_count(o->all.changes).s);
	if (o->all.ahead_most > 0)
		tool_say("nobody was more than %.3f rounds ahead of another",
			o->all.ahead_most);
	if (limit && !o->all.over)
		tool_say("%llu polls of the limit are left",
			(unsigned long long)(limit - o->all.round));
	if (o->all.over)
		tool_complain("a round of %llu polls is %llu more than the limit of %llu",
			(unsigned long long)o->all.round,
			(unsigned long long)o->all.over, (unsigned long long)limit);
	if (o->all.broken)
		tool_complain("%llu promises were not kept, the first at %s",
			(unsigned long long)o->all.broken, o->all.text);
	else
		tool_say("%s checks, all kept", text_count(o->all.checks).s);
}

static int
report(weir_sim *sim)
{
	struct outcome o = {.sim = sim, .all.size = sizeof(o.all)};
	(void)weir_sim_summarize(sim, &o.all);
	for (size_t c = 0; c < class_count; c++) {
		o.of[c].size = sizeof(o.of[c]);
		(void)weir_sim_class_result(sim, c, &o.of[c]);
	}
	if (tool.out == TOOL_TABLE) {
		print_table(&o);
		if (tiers) {
			print_tiers(&o);
			print_changes(&o);
		}
	} else {
		print_json(&o);
	}
	say_outcome(&o);
	return o.all.broken || o.all.over ? TOOL_NO : TOOL_YES;
}

/* As long as it was asked to. 0, or TOOL_USAGE after saying that this is too long. */
static int
run_polls(weir_sim *sim)
{
	uint64_t most = POLLS_MAX, until_ns = (uint64_t)time_ms * 1000000;
	if (!time_ms)
		most = polls_of(sim, sim_rounds ? sim_rounds : ROUNDS, POLLS_MAX);
	if (!most)
		return TOOL_USAGE;
	tool_catch(NULL);
	for (uint64_t p = 0; p < most && !tool_caught(); p++) {
		if (time_ms && weir_sim_now(sim) >= until_ns)
			return 0;
		(void)weir_sim_poll(sim);
	}
	if (time_ms && !tool_caught())
		tool_complain("it ends after %d polls, at %s", POLLS_MAX,
			text_ns((double)weir_sim_now(sim)).s);
	return 0;
}

static int
run_simulate(int argc, char **argv)
{
	if (argc)
		return tool_usage("reactor simulate takes no '%s'", argv[0]);
	if (flips > 100)
		return tool_usage("--flips is a part of 100 polls");
	if (limit > UINT32_MAX)
		return tool_usage("--limit: at most %u", UINT32_MAX);
	if (time_ms && sim_rounds)
		return tool_usage("--time says how long: not --rounds as well");
	int rc;
	weir_sim_options options = {.limit = (uint32_t)limit,
		.flips_ppm = (uint32_t)(flips * 1e4 + 0.5),
		.random_costs = (uint32_t)random_costs,
		.seed = seed,
		.tiers = tiers};
	weir_sim *sim = start(&options, &rc);
	if (!sim)
		return rc;
	rc = run_polls(sim);
	if (!rc)
		rc = report(sim);
	weir_sim_close(sim);
	return tool_caught() ? TOOL_INTERRUPTED : rc;
}

/* ---- the verbs ---------------------------------------------------------------------- */

static const struct tool_opt simulate_opts[] = {
	{0, "consumers", OPT_U64, &consumers,
		"so many, of weights 10, 6, 3 and 1; 48 without it", "N", 0, 0},
	{0, "classes", OPT_STR, &classes_text,
		"or these: 9x10,18x6 or 9x10@5us, with a cost; and more", "C,...", 0, 0},
	{0, "rounds", OPT_U64, &sim_rounds, "how long, in rounds; 100", "N", 0, 0},
	{0, "time", OPT_MS, &time_ms, "or in virtual time", "T", 0, 0},
	{0, "tiers", OPT_STR, &tiers, "who is slow climbs by these, as balanced; off",
		"RULES", 0, 0},
	{0, "discipline", OPT_STR, &discipline, "who is next; priority", "NAME", 0, 0},
	{0, "limit", OPT_U64, &limit, "polls that a round may have; no limit", "N", 0, 0},
	{0, "flips", OPT_REAL, &flips, "how often somebody falls idle or comes back; 0",
		"%", 0, 0},
	{0, "random-costs", OPT_SET, &random_costs,
		"a poll costs anything up to twice its cost", 0, 1, 0},
	{0, "seed", OPT_U64, &seed, "the same seed, the same run; 1", "N", 0, 0},
	{0, 0, OPT_SET, 0, 0, 0, 0, 0},
};

static const struct tool_opt round_opts[] = {
	{0, "classes", OPT_STR, &classes_text,
		"how many of which weight: 9x10,18x6,10x3,11x1", "C,...", 0, 0},
	{0, "rounds", OPT_U64, &rounds, "how many; 1", "N", 0, 0},
	{0, "discipline", OPT_STR, &discipline, "who is next; priority", "NAME", 0, 0},
	{0, 0, OPT_SET, 0, 0, 0, 0, 0},
};

#define DISCIPLINES \
	"  NAME is priority, time, classes, robin, tree or table; man weir says what each is.\n"

const struct tool_verb verb_reactor_simulate = {"reactor simulate", "",
	"what if: shares, rounds and waits of consumers, in virtual time", simulate_opts,
	"  Allocator, timers and tiers of a reactor, the same code, over consumers that are\n"
	"  only numbers. Each step is checked; it ends with 1 if a promise was broken, or the\n"
	"  round is longer than the limit. LONGEST WAIT is in polls, since its last one.\n"
	"\n"
	"  A class is COUNTxWEIGHT, and behind that @COST for a poll of it, /TIME if it has\n"
	"  something to do only so often, +COST/N if one of N polls costs that, and\n"
	"  ~COST:FROM-UNTIL if each does from then until then: 3x6@5us/1ms+2ms/50,1x1~3ms:1s-2s.\n"
	"\n" DISCIPLINES,
	run_simulate, 0, 0};

const struct tool_verb verb_reactor_round = {"reactor round", "",
	"who is polled when: the order of the polls of a round", round_opts,
	"  A line for each consumer, counted through the classes from 0, and a column for\n"
	"  each poll; with -o json their numbers in order.\n"
	"\n" DISCIPLINES,
	run_round, 0, 0};
