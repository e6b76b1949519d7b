/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Lanes in a control group of their own (FEATURES P31): its limits are theirs alone. */
#include <errno.h>
#include <limits.h>
#include <mntent.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weir/conf.h>
#include <weir/loop.h>

#include "tests/conform/rig.h"
#include "tests/lib/await.h"

enum { V1 = 1, V2 = 2 };

struct group {
	int version;
	char name[64];
	char dir[PATH_MAX];
	bool limited; /* to two hundredths of a core */
};

struct burner {
	atomic_bool noted, over;
	char groups[2048]; /* of the thread that called it */
};

static bool
write_in(const struct group *group, const char *name, const char *text)
{
	char path[PATH_MAX + 64];
	FILE *file;
	bool done;

	(void)snprintf(path, sizeof(path), "%s/%s", group->dir, name);
	file = fopen(path, "we");
	if (!file)
		return false;
	done = fputs(text, file) >= 0;
	return fclose(file) == 0 && done;
}

static void
read_whole(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	size_t len = file ? fread(text, 1, size - 1, file) : 0;

	text[len] = '\0';
	if (file)
		(void)fclose(file);
}

static bool
is_tree(const struct mntent *mount, int version)
{
	if (version == V2)
		return strcmp(mount->mnt_type, "cgroup2") == 0;
	return strcmp(mount->mnt_type, "cgroup") == 0 && hasmntopt(mount, "cpu") != NULL;
}

static bool
find_tree(struct group *group)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *mount;
	bool found = false;

	while (mounts && !found && (mount = getmntent(mounts)) != NULL) {
		found = is_tree(mount, group->version);
		if (found)
			(void)snprintf(group->dir, sizeof(group->dir), "%s/%s",
				mount->mnt_dir, group->name);
	}
	if (mounts)
		(void)endmntent(mounts);
	return found;
}

/* Skips the test where nobody lets us make a group. */
static void
group_make(struct group *group, int version)
{
	*group = (struct group){.version = version};
	(void)snprintf(group->name, sizeof(group->name), "weir-test-%d", (int)getpid());
	if (!find_tree(group))
		TEST_SKIP("no control groups of version %d are mounted", version);
	if (mkdir(group->dir, 0755) < 0)
		TEST_SKIP("%s: %s", group->dir, strerror(errno));
	if (version == V2 && !write_in(group, "cgroup.type", "threaded")) {
		(void)rmdir(group->dir);
		TEST_SKIP("%s cannot be threaded", group->dir);
	}
	group->limited = version == V1 ? write_in(group, "cpu.cfs_quota_us", "2000")
				       : write_in(group, "cpu.max", "2000 100000");
}

static bool
was_throttled(const struct group *group)
{
	char path[PATH_MAX + 64], text[1024], *number;

	(void)snprintf(path, sizeof(path), "%s/cpu.stat", group->dir);
	read_whole(path, text, sizeof(text));
	number = strstr(text, "nr_throttled ");
	return number && strncmp(number, "nr_throttled 0\n", 15) != 0;
}

static int
burn(void *ctx, const weir_msg *msg)
{
	struct burner *burner = ctx;

	(void)msg;
	if (!burner->noted)
		read_whole("/proc/thread-self/cgroup", burner->groups,
			sizeof(burner->groups));
	burner->noted = true;
	while (!burner->over)
		;
	return 0;
}

static int
count(void *ctx, const weir_msg *msg)
{
	(void)msg;
	++*(int *)ctx;
	return 0;
}

static weir_tuning
tuning_of(weir_bus *bus)
{
	weir_tuning tuning = {0};

	CHECK_EQ(weir_tunings(bus, &tuning, sizeof(tuning), 1), 1);
	CHECK_STR(tuning.option, "lane_group");
	return tuning;
}

/* Who burns in its lane is throttled there, and nobody else is. */
static void
lane_in(int version)
{
	struct burner burner = {0};
	struct group group;
	int delivered = 0;
	char own[2048];
	weir_bus *bus;
	weir_pub *pub;

	group_make(&group, version);
	bus = weir_open("inproc:bus", .lane_group = group.dir,
		.flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET);
	CHECK_EQ(tuning_of(bus).outcome, WEIR_APPLIED);
	pub = weir_advertise(bus, "t");
	(void)weir_subscribe(
		bus, "t", .on_msg = burn, .ctx = &burner, .moves = WEIR_MOVE_BLOCKING);
	(void)weir_subscribe(bus, "t", .on_msg = count, .ctx = &delivered);
	CHECK_EQ(weir_send(pub, "x", 1), 0);
	while (!burner.noted || delivered < 1)
		CHECK(weir_turn(bus, 1) >= 0);
	CHECK(strstr(burner.groups, group.name) != NULL);
	read_whole("/proc/thread-self/cgroup", own, sizeof(own));
	CHECK(strstr(own, group.name) == NULL);
	if (group.limited)
		AWAIT(was_throttled(&group));
	CHECK_EQ(weir_send(pub, "x", 1), 0);
	while (delivered < 2)
		CHECK(weir_turn(bus, 1) >= 0);
	burner.over = true;
	CHECK_EQ(weir_close(bus), 0);
	CHECK_EQ(rmdir(group.dir), 0); /* nobody is left in it */
	wr_test_note("limited: %s", group.limited ? "yes" : "no");
}

static void
P31_a_lane_runs_in_its_threaded_group(void)
{
	lane_in(V2);
}

static void
P31_a_lane_runs_in_its_group_of_version_1(void)
{
	lane_in(V1);
}

/* Without the group the lane is there all the same, and it is said why. */
static void
P31_a_group_that_there_is_not_is_left_out(void)
{
	struct burner burner = {.over = true};
	weir_bus *bus = weir_open("inproc:bus", .lane_group = "/nowhere/at/all",
		.flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET);
	weir_tuning tuning = tuning_of(bus);
	weir_pub *pub;

	CHECK_EQ(tuning.outcome, WEIR_REFUSED);
	CHECK_EQ(tuning.os, ENOENT);
	CHECK(strstr(tuning.text, "lane_group /nowhere/at/all: refused, ") == tuning.text);
	pub = weir_advertise(bus, "t");
	(void)weir_subscribe(
		bus, "t", .on_msg = burn, .ctx = &burner, .moves = WEIR_MOVE_BLOCKING);
	CHECK_EQ(weir_send(pub, "x", 1), 0);
	while (!burner.noted)
		CHECK(weir_turn(bus, 1) >= 0);
	CHECK_EQ(weir_close(bus), 0);
}

static const struct wr_test tests[] = {TEST(P31_a_lane_runs_in_its_threaded_group),
	TEST(P31_a_lane_runs_in_its_group_of_version_1),
	TEST(P31_a_group_that_there_is_not_is_left_out), TEST_END};
const struct wr_suite wr_suite_lane_group = {.name = "lane_group", .tests = tests};
