/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Settings: who wins, and what is refused. Row P7. */
#include "conf/settings.h"

#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>

static struct wr_settings settings;
static struct weir_error err;

/* An environment of a test: what each variable says, NULL = it is not set. */
struct environment {
	const char *budget, *threshold, *escalation;
};

static const char *
look(void *ctx, const char *variable)
{
	const struct environment *env = ctx;

	if (strcmp(variable, "WEIR_BUDGET") == 0)
		return env->budget;
	if (strcmp(variable, "WEIR_CPU_THRESHOLD_NS") == 0)
		return env->threshold;
	return strcmp(variable, "WEIR_TIER_ESCALATION") == 0 ? env->escalation : NULL;
}

static int
apply(struct environment env)
{
	memset(&err, 0, sizeof(err));
	return wr_settings_environment(&settings, look, &env, &err);
}

static void
check(uint64_t budget, uint64_t threshold, uint64_t escalation)
{
	CHECK_EQ(wr_settings_get(&settings, WR_SETTING_BUDGET), budget);
	CHECK_EQ(wr_settings_get(&settings, WR_SETTING_CPU_THRESHOLD_NS), threshold);
	CHECK_EQ(wr_settings_get(&settings, WR_SETTING_TIER_ESCALATION), escalation);
}

static void
P7_nothing_set_is_what_is_built_in(void)
{
	wr_settings_init(&settings);
	check(2000, 1000000, 1);
	CHECK_EQ(apply((struct environment){0}), 0);
	CHECK_EQ(apply((struct environment){"", "", ""}), 0);
	check(2000, 1000000, 1);
	CHECK_EQ(settings.layers[WR_SETTING_BUDGET], WR_LAYER_BUILT_IN);
}

static void
P7_each_variable_is_read(void)
{
	static const char *const on[] = {"true", "TRUE", "yes", "on", "1"};
	static const char *const off[] = {"false", "False", "no", "off", "0"};

	wr_settings_init(&settings);
	CHECK_EQ(apply((struct environment){"100", "1000", "false"}), 0);
	check(100, 1000, 0);
	CHECK_EQ(apply((struct environment){"10000", "4000000000", "true"}), 0);
	check(10000, 4000000000, 1);
	CHECK_EQ(apply((struct environment){.budget = "0000003000"}), 0);
	check(3000, 4000000000, 1);
	for (int i = 0; i < 5; i++) {
		CHECK_EQ(apply((struct environment){.escalation = off[i]}), 0);
		check(3000, 4000000000, 0);
		CHECK_EQ(apply((struct environment){.escalation = on[i]}), 0);
		check(3000, 4000000000, 1);
	}
}

/* By the name of the variable, with what would do; and nothing is taken, not even what was
 * good beside it. */
static void
refused(struct environment env, const char *variable)
{
	wr_settings_init(&settings);
	CHECK_EQ(apply(env), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(err.code, WEIR_E_USAGE_INVAL);
	CHECK(strstr(err.text, variable) == err.text);
	CHECK_STR(err.where, "the environment");
	CHECK(strstr(err.differs, "possible") != NULL);
	CHECK(strstr(err.hint, "without it: ") == err.hint);
	check(2000, 1000000, 1);
}

static void
P7_garbage_is_refused_by_name(void)
{
	static const char *const numbers[] = {"x", " ", "-1", "+200", "2000 ", " 2000",
		"2e3", "0x800", "2000.0", "2,000", "99", "10001",
		"18446744073709551616", "18446744073709553616",
		"99999999999999999999999999999999", "\x1b[31m", "true"};
	static const char *const switches[] = {
		"2", "-1", "tru", "truee", " true", "y", "01"};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		refused((struct environment){numbers[i], "5000", "false"}, "WEIR_BUDGET");
	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
		refused((struct environment){"300", "5000", switches[i]},
			"WEIR_TIER_ESCALATION");
	refused((struct environment){"300", "999", "no"}, "WEIR_CPU_THRESHOLD_NS");
	refused((struct environment){"300", "4000000001", "no"}, "WEIR_CPU_THRESHOLD_NS");
	refused((struct environment){"300", "1ms", "no"}, "WEIR_CPU_THRESHOLD_NS");
	CHECK_STR(err.text, "WEIR_CPU_THRESHOLD_NS is '1ms'");
	CHECK_STR(err.differs, "a whole number from 1000 to 4000000000 is possible");
	CHECK_STR(err.hint, "without it: 1000000");
	/* What could harm a terminal is not shown as it is, nor is more than a piece of it. */
	refused((struct environment){.budget = "\x1b[31mred"}, "WEIR_BUDGET");
	CHECK_STR(err.text, "WEIR_BUDGET is '?[31mred'");
	char large[5000];

	memset(large, '9', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	refused((struct environment){.budget = large}, "WEIR_BUDGET");
	CHECK(strstr(err.text, "999...'") != NULL);
	CHECK_EQ(wr_settings_environment(
			 &settings, look, &(struct environment){.budget = "x"}, NULL),
		-WEIR_E_USAGE_INVAL);
}

/* Every order in which the layers may speak. */
static void
P7_the_last_layer_wins_whoever_speaks_first(void)
{
	for (unsigned order = 0; order < 64; order++) {
		unsigned said = 0;

		wr_settings_init(&settings);
		for (unsigned turn = 0; turn < 3; turn++) {
			unsigned layer = 1 + (order >> 2 * turn) % 4;

			if (layer >= WR_LAYERS)
				continue;
			said = layer > said ? layer : said;
			CHECK_EQ(wr_settings_set(&settings, (enum wr_layer)layer,
					 WR_SETTING_BUDGET, 1000 * layer, &err),
				0);
		}
		check(said ? 1000 * said : 2000, 1000000, 1);
		CHECK_EQ(settings.layers[WR_SETTING_BUDGET], said);
	}
	/* A layer may think again. */
	CHECK_EQ(wr_settings_set(
			 &settings, WR_LAYER_ENVIRONMENT, WR_SETTING_BUDGET, 700, &err),
		0);
	check(700, 1000000, 1);
}

static void
P7_a_files_lines_are_read_and_refused(void)
{
	wr_settings_init(&settings);
	CHECK_EQ(wr_settings_put(&settings, WR_LAYER_FILE, "budget", "500", &err), 0);
	CHECK_EQ(wr_settings_put(&settings, WR_LAYER_FILE, "tier_escalation", "no", &err),
		0);
	check(500, 1000000, 0);
	CHECK_EQ(wr_settings_put(&settings, WR_LAYER_FILE, "budget", "many", &err),
		-WEIR_E_USAGE_INVAL);
	CHECK_STR(err.text, "budget is 'many'");
	CHECK_STR(err.where, "the file");
	CHECK_EQ(wr_settings_put(&settings, WR_LAYER_FILE, "budgte", "500", &err),
		-WEIR_E_USAGE_INVAL);
	CHECK(strstr(err.text, "budgte") != NULL);
	CHECK(strstr(err.hint, "budget") != NULL);
	CHECK_EQ(wr_settings_put(&settings, WR_LAYERS, "budget", "500", &err),
		-WEIR_E_USAGE_INVAL);
	check(500, 1000000, 0);
}

static void
P7_a_program_is_refused_what_is_out_of_bounds(void)
{
	wr_settings_init(&settings);
	CHECK_EQ(wr_settings_set(&settings, WR_LAYER_PROGRAM, WR_SETTING_BUDGET, 99, &err),
		-WEIR_E_USAGE_INVAL);
	CHECK_STR(err.text, "budget is '99'");
	CHECK_EQ(wr_settings_set(&settings, WR_LAYER_PROGRAM, WR_SETTINGS, 1, &err),
		-WEIR_E_USAGE_INVAL);
	CHECK_EQ(wr_settings_set(&settings, WR_LAYERS, WR_SETTING_BUDGET, 500, &err),
		-WEIR_E_USAGE_INVAL);
	check(2000, 1000000, 1);
	CHECK_EQ(wr_settings_get(&settings, WR_SETTINGS), 0);
	CHECK_STR(wr_setting_name(WR_SETTINGS), "unknown");
	CHECK_STR(wr_setting_variable(WR_SETTING_BUDGET), "WEIR_BUDGET");
	CHECK_STR(wr_layer_name(WR_LAYERS), "unknown");
}

static void
P7_the_processs_environment_is_read(void)
{
	wr_settings_init(&settings);
	REQUIRE_EQ(setenv("WEIR_BUDGET", "400", 1), 0);
	REQUIRE_EQ(unsetenv("WEIR_CPU_THRESHOLD_NS"), 0);
	REQUIRE_EQ(setenv("WEIR_TIER_ESCALATION", "off", 1), 0);
	CHECK_EQ(wr_settings_getenv(&settings, &err), 0);
	check(400, 1000000, 0);
	REQUIRE_EQ(setenv("WEIR_BUDGET", "40", 1), 0);
	CHECK_EQ(wr_settings_getenv(&settings, &err), -WEIR_E_USAGE_INVAL);
	check(400, 1000000, 0);
}

static const struct wr_test tests[] = {TEST(P7_nothing_set_is_what_is_built_in),
	TEST(P7_each_variable_is_read),
	TEST(P7_garbage_is_refused_by_name, .labels = "input"),
	TEST(P7_the_last_layer_wins_whoever_speaks_first),
	TEST(P7_a_files_lines_are_read_and_refused, .labels = "input"),
	TEST(P7_a_program_is_refused_what_is_out_of_bounds),
	TEST(P7_the_processs_environment_is_read), TEST_END};
const struct wr_suite wr_suite_settings = {.name = "settings", .tests = tests};
