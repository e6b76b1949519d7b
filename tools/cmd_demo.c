/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The main job on real input, watched: starts a source and three consumers, shows what
 * they report, and closes the books. Leaves nothing behind.
 */
#define _GNU_SOURCE
#include "tools/demo.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weir/look.h>

#include "tools/text.h"
#include "tools/tool.h"

enum {
	FRAME_MS = 200,
	LINE_MS = 1000,
	START_MS = 30000, /* a child that has not reported by then will not */
	DRAIN_MS = 30000, /* and one that has not drained by then never will */
	TABLE_LINES = 20  /* a terminal that is lower gets a line a second */
};

static struct {
	int seconds_ms;
	double rate;
	const char *file;
	int from_stdin;
	int repeat;
	int headless;
} opt = {.seconds_ms = 20000, .rate = 1000};

/* ---- the place and the processes ------------------------------------------------------ */

static int
make_place(struct demo *demo)
{
	const char *base = demo_base();
	snprintf(demo->dir, sizeof(demo->dir), "%s/weir-demo-XXXXXX", base);
	if (!mkdtemp(demo->dir)) {
		tool_complain(
			"could not make a directory in %s: %s", base, strerror(errno));
		return TOOL_DENIED;
	}
	demo->ruler = memfd_create("weir-demo", 0);
	if (demo->ruler < 0 || ftruncate(demo->ruler, sizeof(struct demo_ruler)) < 0) {
		tool_complain("could not make shared memory: %s", strerror(errno));
		return TOOL_MEMORY;
	}
	demo->measure = demo_ruler_map(demo->ruler, 0);
	return demo->measure ? 0 : TOOL_MEMORY;
}

static int
streams_of(const struct demo *demo)
{
	if (strcmp(demo->kind, "proc"))
		return 1;
	/* A kernel may be built without the third. */
	return access("/proc/vmstat", R_OK) ? 2 : 3;
}

/* In the child: becomes the hidden verb. Only what is allowed after fork. */
static void
become(char *const argv[])
{
	if (!opt.from_stdin) {
		int null = open("/dev/null", O_RDONLY);
		if (null > 0)
			dup2(null, STDIN_FILENO);
	}
	/* What a child says belongs on stderr; stdout is for the report alone. */
	dup2(STDERR_FILENO, STDOUT_FILENO);
	execv(tool.self, argv);
	_exit(127);
}

static int
spawn(struct demo *demo, int index)
{
	char number[6][24];
	int ends[2];
	struct demo_child *child = &demo->child[index];
	const char *file = opt.from_stdin ? "-" : opt.file ? opt.file : "";
	/* The reading end must not reach the children, or nobody would see that we died. */
	if (pipe(ends) < 0 || fcntl(ends[0], F_SETFD, FD_CLOEXEC) < 0) {
		tool_complain("could not make a pipe: %s", strerror(errno));
		return TOOL_MEMORY;
	}
	snprintf(number[0], sizeof(number[0]), "%d", index);
	snprintf(number[1], sizeof(number[1]), "%d", ends[1]);
	snprintf(number[2], sizeof(number[2]), "%d", demo->ruler);
	snprintf(number[3], sizeof(number[3]), "%d", streams_of(demo));
	snprintf(number[4], sizeof(number[4]), "%d", demo->seconds_ms);
	snprintf(number[5], sizeof(number[5]), "%f", demo->rate);
	char *argv[] = {(char *)"weir",
		(char *)(index == DEMO_SOURCE ? "_demo-source" : "_demo-consumer"),
		(char *)"--", demo->dir, number[0], number[1], number[2], number[3],
		number[4], number[5], (char *)file, (char *)(opt.repeat ? "1" : "0"),
		NULL};
	fflush(NULL);
	child->pid = fork();
	if (child->pid == 0)
		become(argv);
	close(ends[1]);
	child->pipe = ends[0];
	if (child->pid > 0)
		return 0;
	tool_complain("could not start a process: %s", strerror(errno));
	return TOOL_MEMORY;
}

static void
reap(struct demo_child *child)
{
	if (child->pid <= 0 || child->reaped)
		return;
	while (waitpid(child->pid, &child->status, 0) < 0 && errno == EINTR)
		continue;
	child->reaped = 1;
}

static void
end_child(struct demo_child *child, int number)
{
	if (child->pid > 0 && !child->reaped)
		kill(child->pid, number);
}

/* ---- reports ------------------------------------------------------------------------ */

static void
hear(struct demo *demo, struct demo_child *child)
{
	struct demo_report reports[16];
	ssize_t got = read(child->pipe, reports, sizeof(reports));
	if (got < 0)
		return;
	if (got == 0) {
		close(child->pipe);
		child->pipe = -1;
		reap(child);
		return;
	}
	child->last = reports[(size_t)got / sizeof(reports[0]) - 1];
	if (child == &demo->child[DEMO_SOURCE] && child->last.phase >= DEMO_READY &&
		!demo->start_ns)
		demo->start_ns = child->last.time_ns;
	if (child->last.phase == DEMO_FINAL && child == &demo->child[DEMO_SOURCE])
		demo->end_ns = child->last.time_ns;
	demo_happened(demo, child);
}

/* Hears what there is until the time has come. -1: a signal. */
static int
listen_until(struct demo *demo, uint64_t until)
{
	struct pollfd fds[DEMO_CHILDREN];
	for (int i = 0; i < DEMO_CHILDREN; i++) {
		fds[i].fd = demo->child[i].pipe;
		fds[i].events = POLLIN;
	}
	int rc = tool_wait_many(fds, DEMO_CHILDREN, until);
	for (int i = 0; i < DEMO_CHILDREN && rc > 0; i++) {
		if (fds[i].revents)
			hear(demo, &demo->child[i]);
	}
	return rc;
}

static int
all_have(const struct demo *demo, int first, int last, enum demo_phase phase)
{
	for (int i = first; i < last; i++) {
		if (demo->child[i].last.phase < (uint32_t)phase)
			return 0;
	}
	return 1;
}

/* True if somebody ended that should not have. */
static int
somebody_fell(const struct demo *demo)
{
	for (int i = 0; i < DEMO_CHILDREN; i++) {
		const struct demo_child *child = &demo->child[i];
		if (child->pid > 0 && child->pipe < 0 && child->last.phase != DEMO_FINAL)
			return 1;
	}
	return 0;
}

static int
all_ended(const struct demo *demo)
{
	for (int i = 0; i < DEMO_CHILDREN; i++) {
		if (demo->child[i].pipe >= 0)
			return 0;
	}
	return 1;
}

/* ---- the course of it ---------------------------------------------------------------- */

static int
await_ready(struct demo *demo, int first, int last)
{
	uint64_t deadline = weir_now_ns() + (uint64_t)START_MS * 1000000;
	while (!all_have(demo, first, last, DEMO_READY)) {
		if (listen_until(demo, deadline) < 0)
			return TOOL_INTERRUPTED;
		if (somebody_fell(demo) || weir_now_ns() >= deadline)
			return TOOL_NO;
	}
	return 0;
}

/* The consumers first: when the source advertises, all of them are there. */
static int
start(struct demo *demo)
{
	for (int i = 0; i < DEMO_CONSUMERS; i++) {
		int rc = spawn(demo, i);
		if (rc)
			return rc;
	}
	int rc = await_ready(demo, 0, DEMO_CONSUMERS);
	if (!rc)
		rc = spawn(demo, DEMO_SOURCE);
	return rc ? rc : await_ready(demo, DEMO_SOURCE, DEMO_CHILDREN);
}

static void
show(struct demo *demo)
{
	if (tool.out != TOOL_TABLE)
		return;
	if (demo->live)
		demo_draw(demo);
	else
		demo_line(demo);
}

static void
watch(struct demo *demo)
{
	uint64_t step = (uint64_t)(demo->live ? FRAME_MS : LINE_MS) * 1000000;
	uint64_t deadline = demo->start_ns + (uint64_t)demo->seconds_ms * 1000000;
	uint64_t next = demo->start_ns + step;
	while (!all_have(demo, DEMO_SOURCE, DEMO_CHILDREN, DEMO_FINAL)) {
		uint64_t now = weir_now_ns();
		if (now >= deadline || somebody_fell(demo))
			return;
		if (now >= next) {
			show(demo);
			next += step;
			if (!tool_flush())
				return;
		}
		if (listen_until(demo, next < deadline ? next : deadline) < 0) {
			demo->interrupted = tool_caught();
			return;
		}
	}
}

/* The source ends its streams, the consumers drain them. The first signal may have brought
 * us here; a second one ends the waiting, too. */
static void
drain(struct demo *demo)
{
	uint64_t deadline = weir_now_ns() + (uint64_t)DRAIN_MS * 1000000;
	end_child(&demo->child[DEMO_SOURCE], SIGTERM);
	/* A stopped process would hear it only when it goes on. */
	end_child(&demo->child[DEMO_SOURCE], SIGCONT);
	while (!all_ended(demo) && weir_now_ns() < deadline && tool_caught_count() < 2) {
		struct pollfd fds[DEMO_CHILDREN];
		for (int i = 0; i < DEMO_CHILDREN; i++) {
			fds[i].fd = demo->child[i].pipe;
			fds[i].events = POLLIN;
		}
		if (poll(fds, DEMO_CHILDREN, FRAME_MS) <= 0)
			continue;
		for (int i = 0; i < DEMO_CHILDREN; i++) {
			if (fds[i].revents)
				hear(demo, &demo->child[i]);
		}
	}
}

static void
finish(struct demo *demo)
{
	for (int i = 0; i < DEMO_CHILDREN; i++) {
		struct demo_child *child = &demo->child[i];
		if (child->pid > 0 && child->pipe >= 0) {
			child->given_up = 1;
			end_child(child, SIGKILL);
			close(child->pipe);
		}
		reap(child);
	}
	weir_look_close(demo->look);
	demo->look = NULL;
	if (demo->ruler >= 0)
		close(demo->ruler);
	if (demo->dir[0])
		demo_clear(demo->dir);
}

/* Says which child fell, and how; who was ended by us counts only if it had its time to
 * drain. 0 if none did. */
static int
blame(const struct demo *demo, int drained)
{
	int rc = 0;
	for (int i = 0; i < DEMO_CHILDREN; i++) {
		const struct demo_child *child = &demo->child[i];
		if (child->pid <= 0 || (child->last.phase == DEMO_FINAL && !child->status))
			continue;
		if (child->given_up && !drained)
			continue;
		if (child->given_up)
			tool_complain("%s[%d] did not come to its end", child->name,
				child->pid);
		else if (WIFSIGNALED(child->status))
			tool_complain("%s[%d] was killed by signal %d", child->name,
				child->pid, WTERMSIG(child->status));
		else
			tool_complain("%s[%d] ended early, exit %d", child->name,
				child->pid, WEXITSTATUS(child->status));
		if (!rc && WIFEXITED(child->status))
			rc = WEXITSTATUS(child->status);
		rc = rc ? rc : TOOL_NO;
	}
	return rc;
}

/* Rates are then of the whole time. */
static void
count_from_start(struct demo *demo)
{
	for (int i = 0; i < DEMO_CHILDREN; i++)
		demo->child[i].before = (struct demo_report){.time_ns = demo->start_ns};
}

static int
conduct(struct demo *demo)
{
	int rc = make_place(demo);
	if (!rc)
		rc = start(demo);
	if (rc) {
		finish(demo);
		int fallen = rc == TOOL_INTERRUPTED ? 0 : blame(demo, 0);
		return rc == TOOL_NO && fallen ? fallen : rc;
	}
	if (tool.out == TOOL_TABLE && !tool.quiet)
		printf("%s\nto three processes, for %g s; the third is slow from %g s to %g s.\n"
		       "Look at it from another terminal:\n"
		       "  weir --dir %s -b " DEMO_BUS " topic hz '>'\n"
		       "or make the third slow in another way:  weir demo slow spin\n",
			demo->what, demo->seconds_ms / 1e3,
			(double)demo_slow_from(0, demo->seconds_ms) / 1e9,
			(double)demo_slow_until(0, demo->seconds_ms) / 1e9, demo->dir);
	count_from_start(demo);
	watch(demo);
	drain(demo);
	count_from_start(demo);
	if (demo->live)
		demo_draw(demo);
	demo_draw_end(demo);
	finish(demo);
	int fallen = blame(demo, 1);
	uint64_t missed =
		tool.out == TOOL_TABLE ? demo_summary(demo) : demo_summary_json(demo);
	if (fallen || missed)
		return TOOL_NO;
	return demo->interrupted ? TOOL_INTERRUPTED : TOOL_YES;
}

/* ---- the verb ----------------------------------------------------------------------- */

static int
fits_table(void)
{
	struct winsize size;
	if (opt.headless || tool.out != TOOL_TABLE || !isatty(STDOUT_FILENO))
		return 0;
	const char *term = getenv("TERM");
	if (!term || !strcmp(term, "dumb"))
		return 0;
	return !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row >= TABLE_LINES;
}

static int
run(int argc, char **argv)
{
	static struct demo demo = {
		.child = {{.name = "each"}, {.name = "batch"}, {.name = "slow"},
			{.name = "source"}},
		.ruler = -1,
		.kind = "proc",
	};
	static char what[160];
	if (argc)
		return tool_usage("demo takes no '%s'", argv[0]);
	if (opt.file && opt.from_stdin)
		return tool_usage("--file or --stdin, not both");
	if (opt.repeat && !opt.file)
		return tool_usage("--repeat goes with --file");
	if (opt.file && access(opt.file, R_OK)) {
		tool_complain("could not read %s: %s", opt.file, strerror(errno));
		return errno == EACCES ? TOOL_DENIED : TOOL_NOTFOUND;
	}
	for (int i = 0; i < DEMO_CHILDREN; i++)
		demo.child[i].pipe = -1;
	if (opt.file || opt.from_stdin)
		demo.kind = opt.file ? "file" : "stdin";
	if (!opt.file && !opt.from_stdin)
		snprintf(what, sizeof(what),
			"/proc/stat, /proc/net/dev%s, %g times a second,",
			streams_of(&demo) > 2 ? ", /proc/vmstat" : "", opt.rate);
	else
		snprintf(what, sizeof(what), "The lines of %.60s,",
			opt.file ? opt.file : "stdin");
	demo.what = what;
	demo.rate = opt.rate;
	demo.seconds_ms = opt.seconds_ms;
	demo.live = fits_table();
	tool_catch(NULL);
	return conduct(&demo);
}

static const struct tool_opt opts[] = {
	{'s', "seconds", OPT_MS, &opt.seconds_ms, "how long (20)", "T", 0, 0},
	{'r', "rate", OPT_REAL, &opt.rate,
		"samples or lines a second (1000; 0 = flat out)", "HZ", 0, 0},
	{0, "file", OPT_STR, &opt.file, "the lines of this file", "F", 0, 0},
	{0, "repeat", OPT_SET, &opt.repeat, "the file again and again", 0, 1, 0},
	{0, "stdin", OPT_SET, &opt.from_stdin, "the lines of stdin", 0, 1, 0},
	{0, "headless", OPT_SET, &opt.headless, "a line a second instead of a table", 0,
		1, 0},
	{0, 0, OPT_SET, 0, 0, 0, 0, 0},
};

const struct tool_verb verb_demo = {"demo", "[--seconds T] [--headless]",
	"a real stream to three processes, one of them slow, with their books", opts,
	"  Publishes the machine's own live data, /proc/stat, /proc/net/dev and /proc/vmstat,\n"
	"  1,000 times a second to three consumer processes, on a bus of its own, and shows\n"
	"  rate, lag and latency. Each checks every message: its number and the sum of its\n"
	"  content. From a quarter of the time to three fifths of it the third takes 5 ms for\n"
	"  each message: it lags by more than its 1 MiB, is not waited for any more, is told\n"
	"  what it misses, and catches up when it is fast again.\n"
	"  weir demo slow, from another terminal, makes it slow in other ways; the table shows\n"
	"  the tier that its loop has it at.\n"
	"  Ends by itself, or early with Ctrl-C; then the books: published, delivered, lost,\n"
	"  aborted, waiting; and the latency before, during and after. Exit 1 if a healthy\n"
	"  consumer lost anything, or the books of one do not balance. Leaves nothing behind.\n",
	run, 0, 0};
