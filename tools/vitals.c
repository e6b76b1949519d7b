/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "tools/vitals.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/loop.h>

enum {
	FILE_BYTES = 1024, /* of a small file of the kernel's */
	PATH_BYTES = 4096,
	ISOLATE = 3 /* the last tier */
};

/* ---- small files -------------------------------------------------------------------------- */

static int
read_small(const char *path, char *to, size_t size)
{
	FILE *f = fopen(path, "re");
	size_t got = f ? fread(to, 1, size - 1, f) : 0;
	if (f)
		fclose(f);
	to[got] = 0;
	return got > 0;
}

/* State, page faults and time in the kernel are the first, 8th, 10th and 13th field behind the
 * name, which may contain anything. */
static void
add_stat(struct cause_vitals *v, const char *path)
{
	char text[FILE_BYTES], state;
	uint64_t minor, major, system;
	long ticks = sysconf(_SC_CLK_TCK);
	const char *end;
	if (!read_small(path, text, sizeof(text)) || !(end = strrchr(text, ')')))
		return;
	if (sscanf(end + 1,
		    " %c %*d %*d %*d %*d %*d %*u %" SCNu64 " %*u %" SCNu64
		    " %*u %*u %" SCNu64,
		    &state, &minor, &major, &system) != 4)
		return;
	v->state = state;
	v->minor += minor;
	v->major += major;
	v->system_ns += system * (1000000000 / (uint64_t)(ticks > 0 ? ticks : 100));
}

static void
add_schedstat(struct cause_vitals *v, const char *path)
{
	char text[FILE_BYTES];
	uint64_t ran_ns, delayed_ns;
	if (!read_small(path, text, sizeof(text)) ||
		sscanf(text, "%" SCNu64 " %" SCNu64, &ran_ns, &delayed_ns) != 2)
		return;
	v->ran_ns += ran_ns;
	v->delayed_ns += delayed_ns;
}

/* ---- control groups ------------------------------------------------------------------------ */

static uint64_t
number_behind(const char *text, const char *key)
{
	const char *at = strstr(text, key);
	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* A group without the controller, or without a quota, says nothing of being throttled. */
static void
add_group(struct cause_vitals *v, const char *root, const char *group)
{
	char path[2 * PATH_BYTES + 64], text[FILE_BYTES];
	snprintf(path, sizeof(path), "%s%s/cpu.stat", root, group);
	if (!read_small(path, text, sizeof(text)))
		return;
	v->throttles += number_behind(text, "nr_throttled ");
	v->throttled_ns += number_behind(text, "throttled_usec ") * 1000;
	v->throttled_ns += number_behind(text, "throttled_time "); /* of version 1 */
}

/* A group, and all that it is in, for each may have a quota: the outermost one that is seen too,
 * which in a container is its own. What is not below what is mounted here cannot be looked at. */
static void
add_path(struct cause_vitals *v, const char *root, char *group)
{
	char *slash;
	if (strstr(group, "/.."))
		return;
	while ((slash = strrchr(group, '/'))) {
		if (slash[1])
			add_group(v, root, group);
		*slash = 0;
	}
	add_group(v, root, "");
}

/* "0::PATH" of version 2, "N:cpu:PATH" or "N:cpu,cpuacct:PATH" of version 1, where those are
 * mounted by custom. */
static void
add_line(struct cause_vitals *v, const char *root, char *line)
{
	static const char *const trees[][2] = {{"0::", "/sys/fs/cgroup"},
		{"0::", "/sys/fs/cgroup/unified"}, {":cpu:", "/sys/fs/cgroup/cpu"},
		{":cpu,cpuacct:", "/sys/fs/cgroup/cpu,cpuacct"}};
	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
		char group[PATH_BYTES], tree[PATH_BYTES];
		const char *at = strstr(line, trees[i][0]);
		if (!at || (trees[i][0][0] == '0' && at != line))
			continue;
		snprintf(group, sizeof(group), "%s", at + strlen(trees[i][0]));
		snprintf(tree, sizeof(tree), "%s%s", root, trees[i][1]);
		add_path(v, tree, group);
	}
}

static void
add_groups(struct cause_vitals *v, const char *root, char *text)
{
	char *rest = text, *line;
	while ((line = strsep(&rest, "\n")))
		add_line(v, root, line);
}

/* ---- threads ----------------------------------------------------------------------------- */

/* Threads are mostly in the same groups as the thread before them, which count once; *last is
 * what the kernel said of those. */
static void
add_thread(struct cause_vitals *v, const char *root, uint32_t pid, uint32_t tid,
	char last[PATH_BYTES])
{
	char path[PATH_BYTES + 64], groups[PATH_BYTES];
	snprintf(path, sizeof(path), "%s/proc/%" PRIu32 "/task/%" PRIu32 "/stat", root,
		pid, tid);
	add_stat(v, path);
	snprintf(path, sizeof(path), "%s/proc/%" PRIu32 "/task/%" PRIu32 "/schedstat",
		root, pid, tid);
	add_schedstat(v, path);
	snprintf(path, sizeof(path), "%s/proc/%" PRIu32 "/task/%" PRIu32 "/cgroup",
		root, pid, tid);
	if (!read_small(path, groups, sizeof(groups)) || !strcmp(groups, last))
		return;
	memcpy(last, groups, sizeof(groups));
	add_groups(v, root, groups);
}

struct cause_vitals
vitals_take(const char *root, uint32_t pid, uint32_t tid)
{
	struct cause_vitals v = {.state = 0};
	char path[PATH_BYTES + 64], last[PATH_BYTES] = "";
	const struct dirent *entry;
	DIR *dir;
	if (tid) {
		add_thread(&v, root, pid, tid, last);
		return v;
	}
	snprintf(path, sizeof(path), "%s/proc/%" PRIu32 "/task", root, pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		tid = (uint32_t)strtoul(entry->d_name, NULL, 10);
		if (tid)
			add_thread(&v, root, pid, tid, last);
	}
	if (dir)
		closedir(dir);
	return v;
}

/* ---- consumers ------------------------------------------------------------------------------- */

static int
add_books(struct cause_look *look, const struct crowd *crowd, const weir_look_consumer *c)
{
	int counted = 0;
	for (size_t i = 0; i < crowd->look.reader_count; i++) {
		const weir_look_reader *r = &crowd->look.readers[i];
		if (r->node != c->node || r->subscription != c->subscription || !r->counted)
			continue;
		look->waiting += r->waiting + r->gone_ahead;
		look->passed += r->delivered + r->lost_conflated + r->lost_expired;
		counted++;
	}
	return counted;
}

static int
is_hard(const struct crowd *crowd, const weir_look_consumer *c)
{
	weir_look_change last;
	return c->tier >= ISOLATE && consumer_changed(crowd, c, &last) &&
		!strcmp(last.reason, "hard");
}

/* For how long its handler has not returned, of one whose loop went on without it: each poll
 * of who is isolated is shown when it is over, and it had none. */
static uint64_t
stuck_ns(const struct cause_look *look, const weir_look_consumer *c,
	const struct cause_look *before)
{
	if (!before || c->tier < ISOLATE || look->turns == before->turns ||
		look->polls != before->polls || look->passed != before->passed)
		return 0;
	if (look->hard && c->since_ns < look->at_ns)
		return look->at_ns - c->since_ns;
	return look->at_ns - before->at_ns;
}

static void
ask_kernel(struct cause_look *look, uint32_t pid, struct vitals_last *last)
{
	if (last->pid != pid) {
		last->pid = pid;
		last->whole = vitals_take("", pid, 0);
	}
	look->vitals = look->whole = last->whole;
	if (!look->thread)
		return;
	if (last->owner != pid || last->tid != look->thread) {
		last->owner = pid;
		last->tid = look->thread;
		last->one = vitals_take("", pid, look->thread);
	}
	look->vitals = last->one;
}

int
vitals_look(struct cause_look *look, const struct crowd *crowd,
	const weir_look_consumer *c, const struct cause_look *before,
	struct vitals_last *last)
{
	const weir_look_loop *loop = consumer_loop(crowd, c);
	if (!loop || !c->subscription)
		return 0;
	*look = (struct cause_look){.at_ns = weir_now_ns(),
		.polls = c->polls,
		.busy_ns = c->busy_ns,
		.violations = c->violations,
		.pulled = c->kind == WEIR_KIND_PULLED,
		.apart = c->loop == WEIR_LOOP_LANE,
		.further = c->loop && c->loop != WEIR_LOOP_LANE,
		.turns = loop->turns,
		.begun = loop->begun,
		.loop_polls = loop->polls,
		.loop_busy_ns = loop->busy_ns,
		.idle_ns = loop->idle_ns,
		.limit_ns = loop->threshold_ns};
	if (!add_books(look, crowd, c) || !look->waiting)
		return 0;
	look->hard = is_hard(crowd, c);
	look->stuck_ns = stuck_ns(look, c, before);
	look->thread = c->loop ? 0 : loop->thread;
	ask_kernel(look, c->pid, last);
	return 1;
}
