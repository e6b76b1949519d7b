/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the operator wrote in a file: which one counts, and what is refused. Row P7. */
#include "conf/file.h"

#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct wr_settings settings;
static struct weir_error err;

static int
read_text(const char *text)
{
	memset(&err, 0, sizeof(err));
	return wr_conf_read(&settings, text, strlen(text), "some.conf", &err);
}

static uint64_t
budget(void)
{
	return wr_settings_get(&settings, WR_SETTING_BUDGET);
}

static void
P7_a_setting_a_line(void)
{
	static const char *const same[] = {"budget=500", "budget = 500\n",
		"  budget\t=\t500  \r\n", "# all of it\n\n \t\nbudget = 500 # units\n#"};

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		wr_settings_init(&settings);
		CHECK_EQ(read_text(same[i]), 0);
		CHECK_EQ(budget(), 500);
		CHECK_EQ(settings.layers[WR_SETTING_BUDGET], WR_LAYER_FILE);
	}
	CHECK_STR(settings.where[WR_SETTING_BUDGET], "some.conf:4");
	wr_settings_init(&settings);
	CHECK_EQ(read_text(""), 0);
	CHECK_EQ(read_text("tier_escalation = off\ncpu_threshold_ns = 5000\n"), 0);
	CHECK_EQ(wr_settings_get(&settings, WR_SETTING_TIER_ESCALATION), 0);
	CHECK_EQ(wr_settings_get(&settings, WR_SETTING_CPU_THRESHOLD_NS), 5000);
	CHECK_EQ(settings.layers[WR_SETTING_BUDGET], WR_LAYER_BUILT_IN);
}

/* By file and line, with what would do; and nothing of the file is taken. */
static void
P7_a_file_is_refused_by_its_line(void)
{
	static const struct {
		const char *line, *says, *differs, *hint;
	} wrong[] = {{"budget = lots", "some.conf:2: budget is 'lots'", "100 to 10000",
			     "2000"},
		{"budget = 99", "some.conf:2: budget is '99'", "100 to 10000", "2000"},
		{"budget =", "some.conf:2: budget is ''", "100 to 10000", "2000"},
		{"tier_escalation = maybe", "some.conf:2: tier_escalation is 'maybe'",
			"true or false", "true"},
		{"budgte = 500", "some.conf:2: a setting's name is 'budgte'", "", "budget"},
		{"= 500", "some.conf:2: a setting's name is ''", "", "budget"},
		{"budget 500", "some.conf:2: there is no =", "", "NAME = VALUE"},
		{"[loop]", "some.conf:2: there is no =", "", "NAME = VALUE"},
		{"cpu_threshold_ns = 7000", "cpu_threshold_ns stands in line 1", "", ""},
		{"budget = \x1b[31m", "budget is '?[31m'", "", ""}};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char text[200];

		snprintf(text, sizeof(text), "cpu_threshold_ns = 5000\n%s\n",
			wrong[i].line);
		wr_settings_init(&settings);
		CHECK_EQ(read_text(text), -WEIR_E_USAGE_INVAL);
		CHECK_EQ(err.code, WEIR_E_USAGE_INVAL);
		CHECK(strstr(err.text, wrong[i].says) != NULL);
		CHECK_STR(err.where, "some.conf:2");
		CHECK(strstr(err.differs, wrong[i].differs) != NULL);
		CHECK(strstr(err.hint, wrong[i].hint) != NULL);
		CHECK_EQ(wr_settings_get(&settings, WR_SETTING_CPU_THRESHOLD_NS), 1000000);
		CHECK_EQ(wr_conf_read(&settings, text, strlen(text), "some.conf", NULL),
			-WEIR_E_USAGE_INVAL);
	}
}

/* Whatever bytes a file has, nothing worse happens than that it is refused. */
static void
P7_any_bytes_are_no_harm(void)
{
	char text[2000];
	uint32_t dice = 7;

	wr_settings_init(&settings);
	memset(text, 'x', sizeof(text));
	CHECK_EQ(wr_conf_read(&settings, text, sizeof(text), "some.conf", &err),
		-WEIR_E_USAGE_INVAL);
	CHECK(strstr(err.text, "255 bytes") != NULL);
	memset(text, '\n', sizeof(text));
	CHECK_EQ(wr_conf_read(&settings, text, sizeof(text), "some.conf", &err), 0);
	CHECK_EQ(wr_conf_read(&settings, "\0", 1, "some.conf", &err), -WEIR_E_USAGE_INVAL);
	for (int round = 0; round < 2000; round++) {
		static const char alphabet[] = "budget=# \n\t\r0159x\0\xff";

		for (size_t i = 0; i < 40; i++) {
			dice = dice * 1664525 + 1013904223;
			text[i] = alphabet[(dice >> 16) % (sizeof(alphabet) - 1)];
		}
		(void)wr_conf_read(&settings, text, 40, "some.conf", &err);
		CHECK(budget() >= 100 && budget() <= 10000);
	}
	/* A path of any length, too. */
	memset(text, '/', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	CHECK_EQ(wr_conf_read(&settings, "x", 1, text, &err), -WEIR_E_USAGE_INVAL);
	CHECK(strstr(err.text, ":1: ") != NULL);
}

/* built in < the program < the file < the environment, of each setting on its own. */
static void
P7_a_file_stands_between_program_and_environment(void)
{
	wr_settings_init(&settings);
	REQUIRE_EQ(wr_settings_set(
			   &settings, WR_LAYER_PROGRAM, WR_SETTING_BUDGET, 300, &err),
		0);
	CHECK_EQ(read_text("budget = 500\n"), 0);
	CHECK_EQ(budget(), 500);
	REQUIRE_EQ(setenv("WEIR_BUDGET", "700", 1), 0);
	CHECK_EQ(wr_settings_getenv(&settings, &err), 0);
	CHECK_EQ(budget(), 700);
	CHECK_STR(settings.where[WR_SETTING_BUDGET], "WEIR_BUDGET");
	CHECK_EQ(read_text("budget = 500\ntier_escalation = no"), 0);
	CHECK_EQ(budget(), 700);
	CHECK_STR(settings.where[WR_SETTING_BUDGET], "WEIR_BUDGET");
	CHECK_STR(settings.where[WR_SETTING_TIER_ESCALATION], "some.conf:2");
}

/* ---- which file ------------------------------------------------------------------------------- */

static void
put_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	REQUIRE(file != NULL);
	REQUIRE(fputs(text, file) >= 0);
	REQUIRE_EQ(fclose(file), 0);
}

static int
load(void)
{
	wr_settings_init(&settings);
	memset(&err, 0, sizeof(err));
	return wr_conf_load(&settings, &err);
}

static void
P7_the_file_that_is_named_counts(void)
{
	char path[300], home[300];

	wr_tmpdir_path(path, sizeof(path), "one.conf");
	put_file(path, "# for a run\nbudget = 500\n");
	REQUIRE_EQ(setenv("WEIR_CONF", path, 1), 0);
	CHECK_EQ(load(), 0);
	CHECK_EQ(budget(), 500);
	CHECK(strstr(settings.where[WR_SETTING_BUDGET], "one.conf:2") != NULL);

	/* A user's own counts only where none is named. */
	wr_tmpdir_path(home, sizeof(home), "weir");
	REQUIRE_EQ(mkdir(home, 0700), 0);
	wr_tmpdir_path(home, sizeof(home), "weir/weir.conf");
	put_file(home, "budget = 800\n");
	REQUIRE_EQ(setenv("XDG_CONFIG_HOME", wr_tmpdir(), 1), 0);
	CHECK_EQ(load(), 0);
	CHECK_EQ(budget(), 500);
	REQUIRE_EQ(setenv("WEIR_CONF", "", 1), 0);
	CHECK_EQ(load(), 0);
	CHECK_EQ(budget(), 800);

	wr_tmpdir_path(home, sizeof(home), ".config");
	REQUIRE_EQ(mkdir(home, 0700), 0);
	wr_tmpdir_path(home, sizeof(home), ".config/weir");
	REQUIRE_EQ(mkdir(home, 0700), 0);
	wr_tmpdir_path(home, sizeof(home), ".config/weir/weir.conf");
	put_file(home, "budget = 900\n");
	REQUIRE_EQ(setenv("HOME", wr_tmpdir(), 1), 0);
	REQUIRE_EQ(setenv("XDG_CONFIG_HOME", "not/absolute", 1), 0);
	CHECK_EQ(load(), 0);
	CHECK_EQ(budget(), 900);
	REQUIRE_EQ(setenv("HOME", "/nowhere/at/all", 1), 0);
	CHECK_EQ(load(), 0);
	CHECK_EQ(budget(), 2000);
}

/* Who names a file means it. */
static void
P7_a_named_file_has_to_be_there(void)
{
	char path[300], text[20000];

	wr_tmpdir_path(path, sizeof(path), "none.conf");
	REQUIRE_EQ(setenv("WEIR_CONF", path, 1), 0);
	CHECK_EQ(load(), -WEIR_E_ENV_OS);
	CHECK_EQ(err.code, WEIR_E_ENV_OS);
	CHECK(strstr(err.text, "none.conf") != NULL);
	CHECK(err.hint[0] != '\0');
	REQUIRE_EQ(setenv("WEIR_CONF", wr_tmpdir(), 1), 0); /* a directory */
	CHECK_EQ(load(), -WEIR_E_USAGE_INVAL);
	CHECK(strstr(err.text, "not a file") != NULL);
	/* Nobody writes to it, and nobody waits for it. */
	REQUIRE_EQ(mkfifo(path, 0600), 0);
	REQUIRE_EQ(setenv("WEIR_CONF", path, 1), 0);
	CHECK_EQ(load(), -WEIR_E_USAGE_INVAL);
	REQUIRE_EQ(unlink(path), 0);
	memset(text, '\n', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	put_file(path, text);
	CHECK_EQ(load(), -WEIR_E_USAGE_INVAL);
	CHECK(strstr(err.text, "16 KiB") != NULL);
	REQUIRE_EQ(setenv("WEIR_CONF", "/dev/zero", 1), 0);
	CHECK_EQ(load(), -WEIR_E_USAGE_INVAL);
	REQUIRE_EQ(setenv("WEIR_CONF", "/dev/null", 1), 0);
	CHECK_EQ(load(), 0);
	CHECK_EQ(budget(), 2000);
}

static const struct wr_test tests[] = {TEST(P7_a_setting_a_line),
	TEST(P7_a_file_is_refused_by_its_line), TEST(P7_any_bytes_are_no_harm),
	TEST(P7_a_file_stands_between_program_and_environment),
	TEST(P7_the_file_that_is_named_counts), TEST(P7_a_named_file_has_to_be_there),
	TEST_END};
const struct wr_suite wr_suite_file = {.name = "file", .tests = tests, .labels = "input"};
