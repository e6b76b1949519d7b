/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * weir_kill [--kills N] [--seconds T] [--seed S]    0 = nothing broke
 *
 * Processes publish and read as fast as they can, and are killed and stopped at random.
 * Each is replaced at once; who lives on checks every message that it gets. The program
 * ends after N kills, or after T seconds with as many as there were.
 *
 * A kill is counted by what its victim was doing, as the victim's own last word says:
 * no cell of role and state that can be reached may stay empty, and nine of ten victims
 * must have been publishing, or inside a batch. So the driver looks whom it takes.
 */
#include "tests/kill/page.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <weir/look.h>

enum {
	KILLS = 10000,
	LONGER = 10,     /* times as many where the run was asked to be long */
	HANG_S = 60,     /* somebody has not moved for so long: it never will */
	IN_FLIGHT = 5,   /* killed and not yet dead: the others are the load */
	DELAY_US = 2000, /* the longest pause between two kills */
	STOP_MS = 50,    /* the longest stop */
	HUNT = 20000,    /* looks for a victim in a state that is rarely met */
	MET_ALL = 5000,  /* so many kills have met every state */
	SAMPLES = 4096,
	SLACK_FDS = 24 /* the peers of the moment: four descriptors for each */
};

/* Private memory that a survivor may have grown by; a sanitizer keeps what was freed. */
#if defined(__SANITIZE_ADDRESS__)
enum { SLACK_KIB = 512 << 10 };
#else
enum { SLACK_KIB = 4 << 10 };
#endif

static const enum role cast[SLOTS] = {R_SINGLE, R_CLAIMS, R_CLAIMS, R_BATCH, R_LARGE,
	R_GUEST, R_CALLBACK, R_PULL, R_HOLDER, R_VISITOR, R_SURVIVOR};

#define B(state)   (1u << (state))
#define ONE_BY_ONE (B(S_JOIN) | B(S_CLAIM) | B(S_WAIT) | B(S_WRITE) | B(S_COMMIT))

/* What each role can be caught in. */
static const uint32_t reachable[ROLES] = {
	[R_SINGLE] = ONE_BY_ONE,
	[R_CLAIMS] = ONE_BY_ONE | B(S_ABORT),
	[R_BATCH] = B(S_JOIN) | B(S_BATCH_CLAIM) | B(S_WAIT) | B(S_BATCH_WRITE) |
		B(S_BATCH_COMMIT),
	[R_LARGE] = ONE_BY_ONE,
	[R_GUEST] = ONE_BY_ONE | B(S_LEAVE),
	[R_CALLBACK] = B(S_JOIN) | B(S_IDLE) | B(S_READ),
	[R_PULL] = B(S_JOIN) | B(S_IDLE) | B(S_READ),
	[R_HOLDER] = B(S_JOIN) | B(S_IDLE) | B(S_READ) | B(S_HOLD) | B(S_RELEASE),
	[R_VISITOR] = B(S_JOIN) | B(S_IDLE) | B(S_READ) | B(S_LEAVE),
};

/* Publishing, or inside a batch. */
static const uint32_t busy = B(S_CLAIM) | B(S_WAIT) | B(S_WRITE) | B(S_COMMIT) |
	B(S_ABORT) | B(S_BATCH_CLAIM) | B(S_BATCH_WRITE) | B(S_BATCH_COMMIT) |
	B(S_READ) | B(S_HOLD);

static struct {
	uint64_t seed, rng;
	uint64_t wanted, kills, stops, killed_stopped;
	uint64_t until_ns;
	uint64_t count[ROLES][STATES];
	char dir[64];

	bool killed[SLOTS]; /* and not yet dead */
	int in_flight;
	int stopped; /* slot, -1 = none */
	uint64_t resume_ns;

	uint64_t began[SLOTS]; /* its progress when it was started */
	uint64_t moved[SLOTS], moved_ns[SLOTS];
	uint32_t samples;
	int fds[SAMPLES], anon_kib[SAMPLES], maps[SAMPLES];
} d;

static void
die(const char *what)
{
	fprintf(stderr, "weir_kill: %s: %s\n", what, strerror(errno));
	exit(2);
}

static uint64_t
now_ns(void)
{
	return weir_now_ns();
}

static void
pause_us(uint64_t us)
{
	struct timespec t = {.tv_sec = (time_t)(us / 1000000),
		.tv_nsec = (long)(us % 1000000 * 1000)};

	(void)nanosleep(&t, NULL);
}

/* ---- processes ---------------------------------------------------------------------------- */

static void
start(int i)
{
	struct slot *slot = &page->slot[i];
	uint64_t seed = d.seed * 1000003 + slot->incarnation * SLOTS + (uint64_t)i;
	pid_t parent = getpid();
	pid_t pid;

	say_word(&slot->incarnation, slot->incarnation + 1);
	say_word(&slot->state, S_JOIN);
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		role_run(cast[i], slot, d.dir, seed * 0x9e3779b97f4a7c15ull);
		_exit(0);
	}
	slot->pid = pid;
	d.began[i] = d.moved[i] = slot->progress;
	d.moved_ns[i] = now_ns();
}

static int
reap(int i)
{
	int status = 0;

	while (waitpid(page->slot[i].pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid");
	page->slot[i].pid = 0;
	return status;
}

/* It dies when it is next given a core, which may take a while; others go on meanwhile. */
static void
kill_slot(int i)
{
	struct slot *slot = &page->slot[i];

	say_word(&slot->dying, slot->incarnation);
	(void)kill(slot->pid, SIGKILL);
	d.killed[i] = true;
	d.in_flight++;
	if (i == d.stopped) {
		d.stopped = -1;
		d.killed_stopped++;
	}
}

static void
ended(int i, int status)
{
	page->slot[i].pid = 0;
	if (!d.killed[i] || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
		violation("%s ended by itself in state '%s': status %x",
			role_names[cast[i]],
			state_names[peek_word(&page->slot[i].state)], (unsigned)status);
		return;
	}
	d.killed[i] = false;
	d.in_flight--;
	d.count[cast[i]][peek_word(&page->slot[i].state)]++;
	d.kills++;
	start(i);
}

static void
replace_the_dead(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < SLOTS; i++)
			if (page->slot[i].pid == pid)
				ended(i, status);
}

static void
stop_slot(int i)
{
	(void)kill(page->slot[i].pid, SIGSTOP);
	d.stopped = i;
	d.stops++;
	d.resume_ns = now_ns() + (1 + below(&d.rng, STOP_MS)) * 1000000;
}

static void
resume(void)
{
	int i = d.stopped;

	if (i < 0)
		return;
	if (below(&d.rng, 2) == 0 && cast[i] != R_SURVIVOR) {
		kill_slot(i);
		return;
	}
	(void)kill(page->slot[i].pid, SIGCONT);
	d.moved_ns[i] = now_ns();
	d.stopped = -1;
}

/* ---- who is next ---------------------------------------------------------------------------- */

static uint64_t *
cell(int i)
{
	return &d.count[cast[i]][peek_word(&page->slot[i].state) % STATES];
}

static bool
is_busy(int i)
{
	return (busy & B(peek_word(&page->slot[i].state))) != 0;
}

static bool
may_go(int i)
{
	return cast[i] != R_SURVIVOR && !d.killed[i];
}

/* The states that a role can be in, and was not killed in yet. */
static uint32_t
unmet(enum role role)
{
	uint32_t states = 0;

	for (int s = 0; s < STATES; s++)
		if ((reachable[role] & B(s)) != 0 && d.count[role][s] == 0)
			states |= B(s);
	return states;
}

static bool
met_all(void)
{
	for (int r = 0; r < R_SURVIVOR; r++)
		if (unmet((enum role)r) != 0)
			return false;
	return true;
}

/* Whoever would always be killed earlier is let be until it comes to what it was not
 * killed in yet. */
static bool
is_spared(int i)
{
	return d.kills * 2 > d.wanted && unmet(cast[i]) != 0;
}

/* Whoever is met first in a state that the role was seldom killed in. */
static int
hunt(void)
{
	for (int tries = 0; tries < HUNT; tries++) {
		int i = (int)below(&d.rng, SLOTS);
		uint64_t state = peek_word(&page->slot[i].state);
		uint64_t rare = is_spared(i) ? 1 : 1 + d.kills / 500;

		if (may_go(i) && (reachable[cast[i]] & B(state)) != 0 && *cell(i) < rare)
			return i;
	}
	return -1;
}

static int
choose(void)
{
	bool hunts = below(&d.rng, d.kills * 2 > d.wanted && !met_all() ? 2 : 16) == 0;
	int i = hunts ? hunt() : -1;

	if (i >= 0)
		return i;
	for (int tries = 0; tries < HUNT; tries++) {
		i = (int)below(&d.rng, SLOTS);
		if (may_go(i) && is_busy(i) && !is_spared(i) &&
			page->slot[i].progress != d.began[i])
			return i;
	}
	return -1;
}

/* ---- what must not be ------------------------------------------------------------------------ */

/* Every process gets on, or did not come to it since it was started. */
static bool
all_move(void)
{
	uint64_t now = now_ns();

	for (int i = 0; i < SLOTS; i++) {
		const struct slot *slot = &page->slot[i];
		uint64_t there = peek_word(&slot->progress);

		if (!slot->pid || i == d.stopped)
			continue;
		if (there != d.moved[i]) {
			d.moved[i] = there;
			d.moved_ns[i] = now;
			continue;
		}
		if (now - d.moved_ns[i] < (uint64_t)HANG_S * 1000000000u)
			continue;
		violation("%s[%d] stands still in state '%s'", role_names[cast[i]],
			(int)slot->pid, state_names[peek_word(&slot->state)]);
		return false;
	}
	return true;
}

/*
 * What is left in a directory, removed. A name that a victim had not given its socket yet
 * is known to nobody: the next to come clears it up once it is old enough, as
 * weir_look_clean would.
 */
static int
clear_up(const char *path, int *unborn)
{
	DIR *dir = opendir(path);
	const struct dirent *e;
	int count = 0;

	*unborn = 0;
	while (dir && (e = readdir(dir))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (e->d_name[0] == '.')
			++*unborn;
		else
			count++;
		(void)unlinkat(dirfd(dir), e->d_name, 0);
	}
	if (dir)
		closedir(dir);
	return count;
}

static int
count_entries(const char *path)
{
	DIR *dir = opendir(path);
	int count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count - 2;
}

static int
count_lines(const char *path, const char *text, int *number)
{
	FILE *f = fopen(path, "r");
	char line[512];
	int count = 0;

	while (f && fgets(line, sizeof(line), f)) {
		const char *at = strstr(line, text);

		if (!at)
			continue;
		count++;
		if (number)
			*number = atoi(at + strlen(text));
	}
	if (f)
		fclose(f);
	return count;
}

/* What the one who lives on has open, and how large it is. */
static void
sample(void)
{
	int pid = (int)page->slot[SLOTS - 1].pid;
	uint32_t n = d.samples;
	char path[64];

	if (n == SAMPLES)
		return;
	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	d.fds[n] = count_entries(path);
	(void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
	(void)count_lines(path, "RssAnon:", &d.anon_kib[n]);
	(void)snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	d.maps[n] = count_lines(path, "memfd:weir", NULL);
	d.samples++;
}

static int
by_value(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static int
median(int *values, uint32_t count)
{
	if (count == 0)
		return 0;
	qsort(values, count, sizeof(*values), by_value);
	return values[count / 2];
}

/* The second quarter against the last one: the first is still learning. */
static void
check_flat(const char *what, int *values, int slack)
{
	uint32_t quarter = d.samples / 4;
	int early = median(values + quarter, quarter);
	int late = median(values + d.samples - quarter, quarter);

	printf("survivor: %s %d early, %d late\n", what, early, late);
	if (d.samples >= 16 && late > early + slack)
		violation("the survivor's %s grew from %d to %d", what, early, late);
}

/* Nothing of ours is left in the directory, and nothing in this process. */
static void
check_clean(void)
{
	weir_error err = {0};
	char path[96];
	int left = weir_look_clean("kill", d.dir, 0, &err), unborn;

	if (left != 0)
		violation("weir_look_clean finds %d: %s", left, err.text);
	(void)snprintf(path, sizeof(path), "%s/kill", d.dir);
	left = clear_up(path, &unborn);
	if (left > 0)
		violation("%d sockets are left in the directory of the bus", left);
	printf("%d victims of the last seconds had not named their socket yet\n", unborn);
	if (count_lines("/proc/self/maps", "memfd:weir", NULL) != 0)
		violation("the driver has memory of the bus mapped");
	if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD)
		violation("a child is left");
	(void)rmdir(path);
	if (rmdir(d.dir) < 0)
		violation("the runtime directory is not empty: %s", strerror(errno));
}

/* ---- the run ------------------------------------------------------------------------------------ */

/* A run that is long enough to meet every state goes on until it has, within reason. */
static bool
wants_more(void)
{
	return d.kills < d.wanted ||
		(d.wanted >= MET_ALL && d.kills < 2 * d.wanted && !met_all());
}

static void
kill_at_random(void)
{
	while (wants_more() && now_ns() < d.until_ns && page->violations == 0 &&
		all_move()) {
		int i;

		pause_us(below(&d.rng, DELAY_US));
		replace_the_dead();
		if (d.stopped >= 0 && now_ns() >= d.resume_ns)
			resume();
		if (d.in_flight >= IN_FLIGHT)
			continue;
		i = choose();
		if (i < 0)
			continue;
		if (i != d.stopped && d.stopped < 0 && below(&d.rng, 10) == 0)
			stop_slot(i);
		else
			kill_slot(i);
		if (d.kills % (1 + d.wanted / 512) == 0)
			sample();
	}
}

/* Those of the roles from first on end by themselves. */
static void
end(uint64_t stop, bool publishers)
{
	say_word(&page->stop, stop);
	for (int i = 0; i < SLOTS; i++) {
		bool first = cast[i] <= R_GUEST || cast[i] == R_VISITOR;
		uint64_t since = now_ns();
		int status = 0;

		if (first != publishers)
			continue;
		while (waitpid(page->slot[i].pid, &status, WNOHANG) == 0) {
			pause_us(1000);
			if (now_ns() - since < (uint64_t)HANG_S * 1000000000u)
				continue;
			violation("%s[%d] does not end, in state '%s'",
				role_names[cast[i]], (int)page->slot[i].pid,
				state_names[peek_word(&page->slot[i].state)]);
			(void)kill(page->slot[i].pid, SIGKILL);
			status = reap(i);
			break;
		}
		page->slot[i].pid = 0;
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			violation("%s ended with status %x", role_names[cast[i]], status);
	}
}

static void
give_up(void)
{
	for (int i = 0; i < SLOTS; i++)
		if (page->slot[i].pid) {
			(void)kill(page->slot[i].pid, SIGKILL);
			(void)reap(i);
		}
}

static void
print_table(void)
{
	uint64_t counted = 0, in_busy = 0;

	printf("%-9s", "killed in");
	for (int s = 0; s < STATES; s++)
		printf(" %8s", state_names[s]);
	puts("");
	for (int r = 0; r < R_SURVIVOR; r++) {
		printf("%-9s", role_names[r]);
		for (int s = 0; s < STATES; s++) {
			uint64_t n = d.count[r][s];

			counted += n;
			in_busy += (busy & B(s)) != 0 ? n : 0;
			if ((reachable[r] & B(s)) != 0) {
				printf(" %8llu", (unsigned long long)n);
			} else if (n) {
				printf(" (%6llu)", (unsigned long long)n);
			} else {
				printf(" %8s", ".");
			}
		}
		puts("");
	}
	printf("%llu of %llu kills (%.1f %%) while publishing or inside a batch\n",
		(unsigned long long)in_busy, (unsigned long long)counted,
		100.0 * (double)in_busy / (double)(counted ? counted : 1));
	/* A short run cannot meet every state. */
	if (!met_all() && d.kills >= MET_ALL)
		violation("a cell of role and state is empty");
	if (in_busy * 10 < counted * 9)
		violation("less than nine of ten were killed where it hurts");
}

static uint64_t
number(const char *text)
{
	return strtoull(text, NULL, 0);
}

static bool
options(int argc, char **argv)
{
	uint64_t seconds = 0;

	d.seed = (now_ns() ^ (uint64_t)getpid() << 40) % 1000000007;
	d.wanted = KILLS * (getenv("WEIR_TEST_LONG") ? LONGER : 1);
	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc)
			return false;
		if (strcmp(argv[i], "--kills") == 0)
			d.wanted = number(argv[i + 1]);
		else if (strcmp(argv[i], "--seconds") == 0)
			seconds = number(argv[i + 1]);
		else if (strcmp(argv[i], "--seed") == 0)
			d.seed = number(argv[i + 1]);
		else
			return false;
	}
	d.until_ns = seconds ? now_ns() + seconds * 1000000000u : UINT64_MAX;
	d.rng = d.seed * 0x9e3779b97f4a7c15ull + 1;
	return true;
}

static void
print_sums(uint64_t began_ns)
{
	double took = (double)(now_ns() - began_ns) / 1e9;
	uint64_t messages = 0, holes = 0, ends = 0;

	for (int i = 0; i < SLOTS; i++) {
		messages += page->slot[i].messages;
		holes += page->slot[i].holes;
		ends += page->slot[i].ends;
	}
	printf("%llu kills in %.1f s (%.0f/s), %llu of them stopped before, %llu stops\n",
		(unsigned long long)d.kills, took, (double)d.kills / took,
		(unsigned long long)d.killed_stopped, (unsigned long long)d.stops);
	printf("%llu messages checked, %llu numbers given back or lost open, %llu ends checked\n",
		(unsigned long long)messages, (unsigned long long)holes,
		(unsigned long long)ends);
	printf("survivor: longest time without a message %.1f ms\n",
		(double)page->slot[SLOTS - 1].pause_ns / 1e6);
}

int
main(int argc, char **argv)
{
	uint64_t began_ns = now_ns();
	uint64_t bad;

	if (!options(argc, argv)) {
		fprintf(stderr, "usage: %s [--kills N] [--seconds T] [--seed S]\n",
			argv[0]);
		return 2;
	}
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (page == MAP_FAILED)
		die("mmap");
	(void)snprintf(d.dir, sizeof(d.dir), "/tmp/weir-kill-XXXXXX");
	if (!mkdtemp(d.dir))
		die("mkdtemp");
	d.stopped = -1;
	printf("seed %llu; again: %s --kills %llu --seed %llu\n",
		(unsigned long long)d.seed, argv[0], (unsigned long long)d.wanted,
		(unsigned long long)d.seed);
	for (int i = SLOTS - 1; i >= 0; i--)
		start(i);
	kill_at_random();
	if (d.stopped >= 0)
		(void)kill(page->slot[d.stopped].pid, SIGCONT);
	while (d.in_flight > 0 && page->violations == 0) {
		pause_us(100);
		replace_the_dead();
	}
	if (page->violations == 0) {
		end(1, true);
		end(2, false);
	}
	if (page->violations > 0)
		give_up();
	check_clean();
	print_table();
	print_sums(began_ns);
	check_flat("descriptors", d.fds, SLACK_FDS);
	check_flat("KiB of private memory", d.anon_kib, SLACK_KIB);
	check_flat("mapped regions", d.maps, SLACK_FDS);
	bad = page->violations;
	for (uint64_t i = 0; i < bad && i < REPORTS; i++)
		fprintf(stderr, "violation: %s\n", page->report[i]);
	if (bad)
		fprintf(stderr, "%llu violations with seed %llu\n",
			(unsigned long long)bad, (unsigned long long)d.seed);
	return bad != 0;
}
