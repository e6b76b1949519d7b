/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the kernel says of a thread, from files as it writes them (row N8): also of those that
 * are throttled, where no control group may be made to see it. */
#include "tools/vitals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MS 1000000ull

enum { PID = 42, FILES = 16, PATH_BYTES = 256 };

static int failures;
static char tree[] = "/tmp/weir-vitals-XXXXXX";
static char made[FILES * 8][PATH_BYTES];
static size_t made_count;

static void
expect(int ok, const char *what)
{
	if (ok)
		return;
	failures++;
	fprintf(stderr, "FAILED N8 %s\n", what);
}

static void
remember(const char *path)
{
	if (made_count < sizeof(made) / sizeof(made[0]))
		snprintf(made[made_count++], PATH_BYTES, "%s", path);
}

static void
put(const char *name, const char *text)
{
	char path[PATH_BYTES];
	FILE *f;
	snprintf(path, sizeof(path), "%s%s", tree, name);
	for (char *at = strchr(path + sizeof(tree), '/'); at; at = strchr(at + 1, '/')) {
		*at = 0;
		if (mkdir(path, 0700) == 0)
			remember(path);
		*at = '/';
	}
	f = fopen(path, "w");
	expect(f && fputs(text, f) >= 0 && fclose(f) == 0, path);
	remember(path);
}

static void
remove_all(void)
{
	while (made_count > 0)
		(void)remove(made[--made_count]);
	(void)rmdir(tree);
}

/* The name of the first thread is as nasty as it may be. */
static void
put_threads(void)
{
	put("/proc/42/task/42/stat",
		"42 (a) R 9 (b c) S 1 42 42 0 -1 4194304 2500 0 12 0 70 30 0 0 20 0 2 0 100 1 "
		"1\n");
	put("/proc/42/task/42/schedstat", "1000000000 812000000 77\n");
	put("/proc/42/task/43/stat",
		"43 (w) R 1 42 42 0 -1 4194304 500 0 3 0 70 20 0 0 20 0 2 0 100 1 1\n");
	put("/proc/42/task/43/schedstat", "5 6 7\n");
}

static void
put_groups(const char *text)
{
	put("/proc/42/task/42/cgroup", text);
	put("/proc/42/task/43/cgroup", text);
}

static void
N8_a_thread_and_all_of_them(void)
{
	struct cause_vitals one = vitals_take(tree, PID, PID),
			    all = vitals_take(tree, PID, 0);
	expect(one.state == 'S', "the state behind a nasty name");
	expect(one.minor == 2500 && one.major == 12, "page faults");
	expect(one.system_ns == 30ull * 1000000000 / (uint64_t)sysconf(_SC_CLK_TCK),
		"time in the kernel");
	expect(one.ran_ns == 1000000000 && one.delayed_ns == 812000000, "cores");
	expect(all.minor == 3000 && all.major == 15 && all.delayed_ns == 812000006,
		"all threads together");
	one = vitals_take(tree, PID + 1, PID + 1);
	expect(!one.state && !one.ran_ns && !one.minor, "nobody is there");
}

/* Version 2: its group and the one around it have quotas; what is elsewhere is not its own. */
static void
N8_throttled_by_its_groups(void)
{
	struct cause_vitals one, all;
	put_groups("0::/jobs.slice/one\n");
	put("/sys/fs/cgroup/jobs.slice/one/cpu.stat",
		"usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 20\nnr_throttled 14\n"
		"throttled_usec 700000\nnr_bursts 9\nburst_usec 9\n");
	put("/sys/fs/cgroup/jobs.slice/cpu.stat",
		"usage_usec 9\nnr_periods 20\nnr_throttled 2\nthrottled_usec 100000\n");
	put("/sys/fs/cgroup/cpu.stat", "usage_usec 77\nuser_usec 70\nsystem_usec 7\n");
	put("/sys/fs/cgroup/other/cpu.stat", "nr_throttled 500\nthrottled_usec 500\n");
	one = vitals_take(tree, PID, PID);
	expect(one.throttles == 16 && one.throttled_ns == 800 * MS, "both groups");
	all = vitals_take(tree, PID, 0);
	expect(all.throttles == 16 && all.throttled_ns == 800 * MS,
		"once for all threads");
}

/* From two looks to the cause: the thread had no core, and a quota is why. */
static void
N8_throttled_is_the_cause(void)
{
	struct cause_look then = {.at_ns = MS, .waiting = 900, .thread = PID}, now = then;
	struct cause_found f;
	then.vitals = vitals_take(tree, PID, PID);
	put("/proc/42/task/42/schedstat", "1050000000 1752000000 90\n");
	put("/sys/fs/cgroup/jobs.slice/one/cpu.stat",
		"usage_usec 5\nnr_periods 30\nnr_throttled 24\nthrottled_usec 1630000\n");
	now.at_ns += 1000 * MS;
	now.vitals = vitals_take(tree, PID, PID);
	f = cause_of(&then, &now);
	expect(f.cause == CAUSE_THROTTLED, cause_name(f.cause));
	expect(f.throttles == 10 && f.part_ns == 930 * MS && f.throttled_ns == 930 * MS,
		"the numbers of it");
}

/* In a container its own group is the outermost one that is seen. */
static void
N8_throttled_in_a_container(void)
{
	struct cause_vitals v;
	put_groups("0::/\n");
	put("/sys/fs/cgroup/cpu.stat",
		"usage_usec 77\nnr_throttled 7\nthrottled_usec 350000\n");
	v = vitals_take(tree, PID, PID);
	expect(v.throttles == 7 && v.throttled_ns == 350 * MS, "the container's quota");
	put_groups("0::/../beside\n");
	v = vitals_take(tree, PID, PID);
	expect(v.throttles == 0, "a group that cannot be looked at");
}

/* Version 1 counts nanoseconds. */
static void
N8_throttled_by_version_1(void)
{
	struct cause_vitals v;
	put_groups("9:memory:/m\n4:cpu,cpuacct:/jobs\n");
	put("/sys/fs/cgroup/cpu,cpuacct/jobs/cpu.stat",
		"nr_periods 20\nnr_throttled 3\nthrottled_time 90000000\n");
	v = vitals_take(tree, PID, PID);
	expect(v.throttles == 3 && v.throttled_ns == 90 * MS, "version 1");
}

int
main(void)
{
	if (!mkdtemp(tree))
		return 1;
	put_threads();
	N8_a_thread_and_all_of_them();
	N8_throttled_by_its_groups();
	N8_throttled_is_the_cause();
	N8_throttled_in_a_container();
	N8_throttled_by_version_1();
	remove_all();
	return failures != 0;
}
