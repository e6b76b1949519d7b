/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What a bus costs while nothing flows, and how long it takes to join one. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weir/weir.h>

#include "bench/lib/clock.h"
#include "bench/ours/bus.h"
#include "bench/ours/ours.h"

enum { WATCHDOG_S = 30, ARRIVE_MS = 10000 };

static int
ignore(void *ctx, const weir_msg *msg)
{
	(void)msg;
	*(int *)ctx += 1;
	return 0;
}

/* ---- CPU ----------------------------------------------------------------------------- */

struct cpu_run {
	const char *dir;
	double seconds, ms_per_s;
	pid_t reader;
};

static int
work_cpu(struct crew *crew, int index, void *arg)
{
	struct cpu_run *run = arg;
	int got = 0;
	weir_bus *bus = bench_open_bus(crew, "bench-idle", run->dir, WEIR_IDLE_ADAPTIVE);
	if (!bus)
		return -1;
	if (index == 1) {
		weir_sub *sub =
			weir_subscribe(bus, "idle", .on_msg = ignore, .ctx = &got);
		if (weir_sub_why(sub)->code)
			return crew_fail(crew, "subscribe: %s", weir_sub_why(sub)->text);
		run->reader = getpid();
		if (crew_meet(crew, 2, 1) < 0)
			return -1;
		while (!atomic_load(&crew->board->flag))
			weir_turn(bus, WEIR_FOREVER);
		weir_close(bus);
		return 0;
	}
	weir_pub *pub = weir_advertise(bus, "idle");
	if (crew_meet(crew, 2, 1) < 0)
		return -1;
	if (weir_wait_subscribers(pub, 1, ARRIVE_MS) < 1 || weir_send(pub, "x", 1) < 0)
		return crew_fail(crew, "the subscriber did not come");
	nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
	uint64_t cpu = bench_process_cpu_ns(run->reader);
	uint64_t begin = bench_clock_ns(CLOCK_MONOTONIC);
	double whole;
	nanosleep(&(struct timespec){.tv_sec = (time_t)run->seconds,
			  .tv_nsec = (long)(modf(run->seconds, &whole) * 1e9)},
		NULL);
	cpu = bench_process_cpu_ns(run->reader) - cpu;
	run->ms_per_s = (double)cpu / 1e6 /
		((double)(bench_clock_ns(CLOCK_MONOTONIC) - begin) / 1e9);
	atomic_store(&crew->board->flag, 1);
	if (weir_send(pub, "x", 1) < 0)
		return crew_fail(crew, "publishing failed");
	weir_close(bus);
	return 0;
}

int
ours_idle_cpu(const char *dir, double seconds, double *ms_per_s)
{
	struct crew crew;
	struct cpu_run *run = crew_shared(sizeof *run);
	int rc = -1;
	*ms_per_s = NAN;
	if (run && crew_init(&crew) == 0) {
		run->dir = dir;
		run->seconds = seconds;
		for (int i = 0; i < 2; i++)
			crew_spawn(&crew, work_cpu, run);
		rc = crew_wait(&crew, "idle CPU", seconds + WATCHDOG_S);
		*ms_per_s = rc == 0 ? run->ms_per_s : NAN;
	}
	crew_shared_free(run, sizeof *run);
	return rc;
}

/* ---- memory -------------------------------------------------------------------------- */

enum { TOPICS = 16, FILES_MAX = 4 * TOPICS + 32 };

/* What one process has: private pages, and pages of each memfd that it knows. */
struct footprint {
	double private_kib;
	int count;
	struct {
		ino_t inode;
		double kib;
	} files[FILES_MAX];
};

static void
add_file(struct footprint *f, ino_t inode, double kib)
{
	for (int i = 0; i < f->count; i++)
		if (f->files[i].inode == inode) {
			if (kib > f->files[i].kib)
				f->files[i].kib = kib;
			return;
		}
	if (f->count < FILES_MAX) {
		f->files[f->count].inode = inode;
		f->files[f->count++].kib = kib;
	}
}

/* Regions whose descriptor is open: all their pages, mapped or not. */
static void
count_descriptors(struct footprint *f)
{
	DIR *dir = opendir("/proc/self/fd");
	if (!dir)
		return;
	for (struct dirent *entry; (entry = readdir(dir));) {
		char path[300], target[64];
		struct stat st;
		snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
		ssize_t len = readlink(path, target, sizeof target - 1);
		if (len < 7 || memcmp(target, "/memfd:", 7) != 0 || stat(path, &st) < 0)
			continue;
		add_file(f, st.st_ino, (double)st.st_blocks / 2);
	}
	closedir(dir);
}

/* Private pages, and regions of which only the mapping is left. */
static void
count_mappings(struct footprint *f)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	char line[512];
	unsigned long inode = 0;
	int region = 0;
	double kib, rss[FILES_MAX];
	ino_t inodes[FILES_MAX];
	int count = 0;
	if (!file)
		return;
	while (fgets(line, sizeof line, file)) {
		if (sscanf(line, "%*x-%*x %*s %*x %*x:%*x %lu", &inode) == 1)
			region = strstr(line, "/memfd:") != NULL;
		else if (sscanf(line, "Anonymous: %lf kB", &kib) == 1)
			f->private_kib += kib;
		else if (region && sscanf(line, "Rss: %lf kB", &kib) == 1) {
			int i = 0;
			while (i < count && inodes[i] != inode)
				i++;
			if (i == count && count < FILES_MAX) {
				inodes[count] = inode;
				rss[count++] = 0;
			}
			if (i < count)
				rss[i] += kib;
		}
	}
	for (int i = 0; i < count; i++)
		add_file(f, inodes[i], rss[i]);
	fclose(file);
}

struct memory_run {
	const char *dir;
	struct footprint before[2], after[2]; /* writer: each worker */
};

static void
look(struct footprint *f)
{
	memset(f, 0, sizeof *f);
	count_descriptors(f);
	count_mappings(f);
}

static double
sum_of(const struct footprint both[2])
{
	static struct footprint all;
	all = both[0];
	for (int i = 0; i < both[1].count; i++)
		add_file(&all, both[1].files[i].inode, both[1].files[i].kib);
	double sum = both[0].private_kib + both[1].private_kib;
	for (int i = 0; i < all.count; i++)
		sum += all.files[i].kib;
	return sum;
}

/* One topic more is there from the start, so that what is paid once is not counted. */
static int
work_memory(struct crew *crew, int index, void *arg)
{
	struct memory_run *run = arg;
	weir_pub *pubs[TOPICS + 1];
	int got = 0;
	weir_bus *bus =
		bench_open_bus(crew, "bench-memory", run->dir, WEIR_IDLE_ADAPTIVE);
	if (!bus)
		return -1;
	weir_sub *sub = NULL;
	if (index == 1) {
		sub = weir_subscribe(bus, "memory.*", .on_msg = ignore, .ctx = &got);
		if (weir_sub_why(sub)->code)
			return crew_fail(crew, "subscribe: %s", weir_sub_why(sub)->text);
	}
	if (crew_meet(crew, 2, 1) < 0)
		return -1;
	for (int i = 0; i <= TOPICS; i++) {
		char topic[32];
		snprintf(topic, sizeof topic, "memory.%d", i);
		if (index == 0) {
			pubs[i] = weir_advertise(bus, topic);
			if (weir_pub_why(pubs[i])->code)
				return crew_fail(crew, "advertise: %s",
					weir_pub_why(pubs[i])->text);
			if (weir_wait_subscribers(pubs[i], 1, ARRIVE_MS) < 1 ||
				weir_send(pubs[i], "x", 1) < 0)
				return crew_fail(crew, "the subscriber did not come");
		}
		while (index == 1 && got <= i)
			if (weir_turn(bus, ARRIVE_MS) < 0)
				return crew_fail(crew, "turn: %s", weir_why(bus)->text);
		if (i == 0 || i == TOPICS) {
			if (crew_meet(crew, 2, i ? 4 : 2) < 0)
				return -1;
			look(i ? &run->after[index] : &run->before[index]);
			if (crew_meet(crew, 2, i ? 5 : 3) < 0)
				return -1;
		}
	}
	weir_close(bus);
	return 0;
}

int
ours_idle_memory(const char *dir, double *kib)
{
	struct crew crew;
	struct memory_run *run = crew_shared(sizeof *run);
	int rc = -1;
	*kib = NAN;
	if (run && crew_init(&crew) == 0) {
		run->dir = dir;
		for (int i = 0; i < 2; i++)
			crew_spawn(&crew, work_memory, run);
		rc = crew_wait(&crew, "idle memory", WATCHDOG_S);
		if (rc == 0)
			*kib = (sum_of(run->after) - sum_of(run->before)) / TOPICS;
	}
	crew_shared_free(run, sizeof *run);
	return rc;
}

/* ---- attach -------------------------------------------------------------------------- */

enum { SAMPLES_MAX = 1000 };

struct attach_run {
	const char *dir;
	int nodes, count;
	uint64_t ticks[SAMPLES_MAX]; /* 0 = that one failed; writer: each joiner */
};

static int
join(struct attach_run *run, int sample)
{
	int got = 0;
	uint64_t begin = bench_ticks();
	weir_bus *bus = weir_open("bench-attach", .dir = run->dir,
		.flags = WEIR_BUS_QUIET | WEIR_BUS_NO_SIGNALS);
	weir_sub *sub = weir_subscribe(bus, "node.0", .on_msg = ignore, .ctx = &got);
	while (weir_sub_why(sub)->code == 0 && weir_publishers(sub) == 0)
		if (weir_turn(bus, 1) < 0)
			break;
	uint64_t end = bench_ticks();
	if (weir_sub_why(sub)->code == 0 && weir_publishers(sub) > 0)
		run->ticks[sample] = end - begin;
	weir_close(bus);
	return 0;
}

static int
work_attach(struct crew *crew, int index, void *arg)
{
	struct attach_run *run = arg;
	int all = run->nodes + 1;
	if (index < run->nodes) {
		char topic[32];
		snprintf(topic, sizeof topic, "node.%d", index);
		weir_bus *bus = bench_open_bus(
			crew, "bench-attach", run->dir, WEIR_IDLE_ADAPTIVE);
		if (!bus)
			return -1;
		weir_pub *pub = weir_advertise(bus, topic);
		if (weir_pub_why(pub)->code)
			return crew_fail(crew, "advertise: %s", weir_pub_why(pub)->text);
		if (crew_meet(crew, all, 1) < 0)
			return -1;
		while (!atomic_load(&crew->board->flag) &&
			!atomic_load(&crew->board->failed))
			weir_turn(bus, 100);
		weir_close(bus);
		return 0;
	}
	/* The joiners are fresh processes: this one never opens a bus itself. */
	if (crew_meet(crew, all, 1) < 0)
		return -1;
	for (int i = 0; i < run->count; i++) {
		pid_t parent = getpid(), pid = fork();
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(getppid() == parent ? join(run, i) : 1);
		}
		if (pid < 0 || waitpid(pid, NULL, 0) < 0)
			return crew_fail(crew, "no process could be started");
	}
	atomic_store(&crew->board->flag, 1);
	return 0;
}

int
ours_attach(const char *dir, int nodes, int count, struct gen_result *result)
{
	struct crew crew;
	struct attach_run *run = crew_shared(sizeof *run);
	struct hist *hist = calloc(1, sizeof *hist);
	int rc = -1;
	*result = gen_nothing;
	if (run && hist && crew_init(&crew) == 0) {
		run->dir = dir;
		run->nodes = nodes;
		run->count = count < SAMPLES_MAX ? count : SAMPLES_MAX;
		for (int i = 0; i <= nodes; i++)
			if (crew_spawn(&crew, work_attach, run) < 0)
				break;
		rc = crew_wait(&crew, "attach", WATCHDOG_S);
		for (int i = 0; rc == 0 && i < run->count; i++)
			if (run->ticks[i])
				hist_add(hist, run->ticks[i]);
		if (hist->count < (uint64_t)run->count / 2 + 1)
			rc = -1;
	}
	if (rc == 0) {
		result->p50_ns = hist_quantile(hist, 0.5) * bench_ns_per_tick;
		result->p99_ns = hist_quantile(hist, 0.99) * bench_ns_per_tick;
		result->p999_ns = hist_quantile(hist, 0.999) * bench_ns_per_tick;
		result->max_ns = bench_ns(hist->max);
	}
	free(hist);
	crew_shared_free(run, sizeof *run);
	return rc;
}
