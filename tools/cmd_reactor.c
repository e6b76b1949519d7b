/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* reactor simulate and reactor round: the allocator in virtual time, on the library's own
 * simulation. No bus is touched. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/sim.h>

#include "tools/json.h"
#include "tools/text.h"
#include "tools/tool.h"

enum {
	POLLS_MAX = 100000000, /* of a run: some ten seconds */
	SHOWN_MAX = 1000000,   /* of those that are printed one by one */
	COLUMNS = 60           /* polls in a line of the picture */
};

static const char *classes_text;
static const char *discipline;
static uint64_t rounds = 1;
static uint64_t sim_rounds = 100;
static uint64_t consumers;
static uint64_t seed = 1;
static uint64_t limit;
static double flips;
static int random_costs;

/* ---- classes ------------------------------------------------------------------------ */

static weir_sim_class classes[WEIR_SIM_CLASSES_MAX];
static size_t class_count;

/* Digits at *text, which passes them. -1: there are none, or too many. */
static int
take_number(const char **text, uint64_t most, uint64_t *to)
{
	if (!isdigit((unsigned char)**text))
		return -1;
	char *end;
	errno = 0;
	unsigned long long value = strtoull(*text, &end, 10);
	if (errno || value > most)
		return -1;
	*text = end;
	*to = value;
	return 0;
}

static int
take_cost(const char **text, uint64_t *to)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}};
	uint64_t value;
	if (take_number(text, 1000000, &value) < 0 || !value)
		return -1;
	for (size_t i = 0; i < 3; i++) {
		if (strncmp(*text, units[i].name, 2) != 0)
			continue;
		*text += 2;
		*to = value * units[i].ns;
		return 0;
	}
	return -1;
}

/* COUNTxWEIGHT, or COUNTxWEIGHT@COST. */
static int
take_class(const char **text, weir_sim_class *class)
{
	uint64_t count;
	class->cost_ns = 0;
	if (take_number(text, WEIR_SIM_CONSUMERS_MAX, &count) < 0 || **text != 'x')
		return -1;
	class->consumers = (uint32_t)count;
	++*text;
	if (take_number(text, UINT64_MAX, &class->weight) < 0)
		return -1;
	if (**text != '@')
		return 0;
	++*text;
	return take_cost(text, &class->cost_ns);
}

static int
take_classes(const char *text)
{
	const char *at = text;
	for (class_count = 0; class_count < WEIR_SIM_CLASSES_MAX;) {
		const char *begin = at;
		if (take_class(&at, &classes[class_count]) < 0 || (*at && *at != ','))
			return tool_usage("--classes: '%s' is not COUNTxWEIGHT, as 9x10, or "
					  "COUNTxWEIGHT@COST, as 9x10@5us",
				begin);
		class_count++;
		if (!*at)
			return 0;
		at++;
	}
	return tool_usage("--classes: there are more than %d", WEIR_SIM_CLASSES_MAX);
}

/* So many consumers, in the proportions of the table of 48. */
static void
spread(uint64_t count)
{
	static const uint32_t of_48[] = {9, 18, 10, 11}, weights[] = {10, 6, 3, 1};
	uint64_t before = 0, all = 0;
	for (class_count = 0; class_count < 4; class_count++) {
		all += of_48[class_count];
		uint64_t until = (count * all + 24) / 48;
		classes[class_count] = (weir_sim_class){
			(uint32_t)(until - before), weights[class_count], 0};
		before = until;
	}
}

static int
choose_classes(void)
{
	if (classes_text && consumers)
		return tool_usage("--classes says how many consumers there are: not "
				  "--consumers as well");
	if (classes_text)
		return take_classes(classes_text);
	if (consumers > WEIR_SIM_CONSUMERS_MAX)
		return tool_usage("--consumers: at most %d", WEIR_SIM_CONSUMERS_MAX);
	spread(consumers ? consumers : 48);
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
	weir_sim_summary all;
	weir_sim_result of[WEIR_SIM_CLASSES_MAX];
};

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
print_json(const struct outcome *o)
{
	struct json j;
	json_init(&j, stdout);
	json_object(&j, NULL);
	json_str(&j, "discipline", discipline ? discipline : "priority");
	json_u64(&j, "seed", seed);
	json_u64(&j, "rounds", sim_rounds);
	json_u64(&j, "round", o->all.round);
	if (limit)
		json_u64(&j, "limit", limit);
	else
		json_null(&j, "limit");
	json_u64(&j, "over", o->all.over);
	json_u64(&j, "polls", o->all.polls);
	json_u64(&j, "time_ns", o->all.time_ns);
	json_u64(&j, "flips", o->all.flips);
	json_real(&j, "ahead_rounds", o->all.ahead_most);
	json_u64(&j, "jain_ppm", (uint64_t)(o->all.jain * 1e6));
	json_u64(&j, "checks", o->all.checks);
	json_u64(&j, "broken", o->all.broken);
	json_str(&j, "why", o->all.broken ? o->all.text : NULL);
	json_array(&j, "classes");
	for (size_t c = 0; c < class_count; c++) {
		const weir_sim_result *r = &o->of[c];
		json_object(&j, NULL);
		json_u64(&j, "consumers", r->consumers);
		json_u64(&j, "weight", r->weight);
		json_real(&j, "ideal_percent", percent(weight_of(r), o->all.round));
		json_u64(&j, "polls", r->polls);
		json_real(&j, "poll_percent", percent(r->polls, o->all.polls));
		json_u64(&j, "time_ns", r->time_ns);
		json_real(&j, "time_percent", percent(r->time_ns, o->all.time_ns));
		json_u64(&j, "gap_most", r->gap_most);
		json_end_object(&j);
	}
	json_end_array(&j);
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

static void
say_outcome(const struct outcome *o)
{
	tool_say("%s, seed %llu: %s polls in rounds of %s",
		discipline ? discipline : "priority", (unsigned long long)seed,
		text_count(o->all.polls).s, text_count(o->all.round).s);
	if (o->all.flips)
		tool_say("somebody fell idle or came back %s times",
			text_count(o->all.flips).s);
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
	struct outcome o = {.all.size = sizeof(o.all)};
	(void)weir_sim_summarize(sim, &o.all);
	for (size_t c = 0; c < class_count; c++) {
		o.of[c].size = sizeof(o.of[c]);
		(void)weir_sim_class_result(sim, c, &o.of[c]);
	}
	if (tool.out == TOOL_TABLE)
		print_table(&o);
	else
		print_json(&o);
	say_outcome(&o);
	return o.all.broken || o.all.over ? TOOL_NO : TOOL_YES;
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
	int rc;
	weir_sim_options options = {.limit = (uint32_t)limit,
		.flips_ppm = (uint32_t)(flips * 1e4 + 0.5),
		.random_costs = (uint32_t)random_costs,
		.seed = seed};
	weir_sim *sim = start(&options, &rc);
	if (!sim)
		return rc;
	uint64_t count = polls_of(sim, sim_rounds, POLLS_MAX);
	tool_catch(NULL);
	for (uint64_t p = 0; p < count && !tool_caught(); p++)
		(void)weir_sim_poll(sim);
	rc = count ? report(sim) : TOOL_USAGE;
	weir_sim_close(sim);
	return tool_caught() ? TOOL_INTERRUPTED : rc;
}

/* ---- the verbs ---------------------------------------------------------------------- */

static const struct tool_opt simulate_opts[] = {
	{0, "consumers", OPT_U64, &consumers,
		"so many, of weights 10, 6, 3 and 1; 48 without it", "N", 0, 0},
	{0, "classes", OPT_STR, &classes_text,
		"or these: 9x10,18x6 or 9x10@5us, with a cost", "C,...", 0, 0},
	{0, "rounds", OPT_U64, &sim_rounds, "how long, in rounds; 100", "N", 0, 0},
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
	"  The allocator of a reactor, the same code, over consumers that are only numbers.\n"
	"  Each step is checked; it ends with 1 if a promise was broken, or the round is\n"
	"  longer than the limit. LONGEST WAIT is in polls, since its last one.\n"
	"\n" DISCIPLINES,
	run_simulate, 0, 0};

const struct tool_verb verb_reactor_round = {"reactor round", "",
	"who is polled when: the order of the polls of a round", round_opts,
	"  A line for each consumer, counted through the classes from 0, and a column for\n"
	"  each poll; with -o json their numbers in order.\n"
	"\n" DISCIPLINES,
	run_round, 0, 0};
