/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "tools/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct tool tool = {.timeout_ms = -1};

static volatile sig_atomic_t signal_caught;
static volatile sig_atomic_t signal_count;
static weir_bus *volatile signal_bus;
static int signal_pipe[2] = {-1, -1};

/* ---- begin and end ------------------------------------------------------------------ */

/* A program started with a standard descriptor closed must not get a socket in its place,
 * so each one missing is opened the wrong way round: using it then fails by name. */
static void
fill_standard_fds(void)
{
	for (int fd = 0; fd < 3; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)!open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
	}
}

void
tool_begin(const char *argv0)
{
	fill_standard_fds();
	ssize_t len = readlink("/proc/self/exe", tool.self, sizeof(tool.self) - 1);
	if (len < 0)
		snprintf(tool.self, sizeof(tool.self), "%s", argv0);
	/* A reader that leaves is an answer from write, not a death: the bus is closed
	 * properly, and nobody reads that this process had died. */
	signal(SIGPIPE, SIG_IGN);
}

int
tool_unread(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO};
	return poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

/* Why stdout takes no more, as it was when that was seen first: what the bus does later
 * has errors of its own. */
static int stdout_errno;

static int
flush(void)
{
	if (fflush(stdout) == 0)
		return 0;
	if (!stdout_errno)
		stdout_errno = errno;
	return -1;
}

int
tool_flush(void)
{
	return flush() == 0 && !ferror(stdout);
}

int
tool_end(int rc)
{
	if (tool_flush())
		return rc;
	int why = stdout_errno ? stdout_errno : errno;
	if (why == EPIPE || tool_unread())
		return rc;
	tool_complain("could not write to stdout: %s", strerror(why));
	return rc ? rc : TOOL_NO;
}

/* ---- settings ----------------------------------------------------------------------- */

const char *
tool_bus(void)
{
	if (tool.bus)
		return tool.bus;
	const char *env = getenv("WEIR_BUS");
	return env && *env ? env : "default";
}

int
tool_timeout(int otherwise_ms)
{
	return tool.timeout_ms < 0 ? otherwise_ms : tool.timeout_ms;
}

int
tool_color(void)
{
	if (tool.color != TOOL_COLOR_AUTO)
		return tool.color == TOOL_COLOR_ALWAYS;
	const char *none = getenv("NO_COLOR");
	const char *term = getenv("TERM");
	return isatty(STDOUT_FILENO) && !(none && *none) && term && strcmp(term, "dumb");
}

/* ---- voice -------------------------------------------------------------------------- */

static void
speak(const char *fmt, va_list args)
{
	/* What stands in stdout's buffer comes first on a terminal. */
	(void)flush();
	flockfile(stderr);
	fputs("weir: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	funlockfile(stderr);
}

void
tool_say(const char *fmt, ...)
{
	if (tool.quiet)
		return;
	va_list args;
	va_start(args, fmt);
	speak(fmt, args);
	va_end(args);
}

void
tool_complain(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	speak(fmt, args);
	va_end(args);
}

int
tool_usage(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	speak(fmt, args);
	va_end(args);
	return TOOL_USAGE;
}

int
tool_fail(const weir_error *err)
{
	char text[1024];
	weir_error_format(err, "weir", text, sizeof(text));
	(void)flush();
	fputs(text, stderr);
	fprintf(stderr, "weir: more: weir explain %s\n", weir_err_name(err->code));
	return weir_err_exit(err->code);
}

int
tool_fail_code(int code, const char *doing)
{
	int plain = code < 0 ? -code : code;
	tool_complain("%s: %s", doing, weir_err_text(plain));
	fprintf(stderr, "weir: try: %s\nweir: more: weir explain %s\n",
		weir_err_hint(plain), weir_err_name(plain));
	return weir_err_exit(plain);
}

/* Edits (insert, delete, change a letter) that make a into b; rows of at most WORD. */
static unsigned
edits(const char *a, const char *b)
{
	enum { WORD = 32 };
	unsigned row[WORD + 1];
	size_t width = strlen(b);
	if (width > WORD)
		return WORD;
	for (unsigned j = 0; j <= width; j++)
		row[j] = j;
	for (unsigned i = 1; *a; a++, i++) {
		unsigned corner = row[0];
		row[0] = i;
		for (size_t j = 1; j <= width; j++) {
			unsigned change = corner + (*a != b[j - 1]);
			unsigned least =
				row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
			corner = row[j];
			row[j] = change < least ? change : least;
		}
	}
	return row[width];
}

const char *
tool_nearest(const char *word, const char *const *names)
{
	const char *best = NULL;
	unsigned least = strlen(word) < 3 ? 2 : 3;
	for (; *names; names++) {
		unsigned far = edits(word, *names);
		if (far < least) {
			least = far;
			best = *names;
		}
	}
	return best;
}

/* ---- signals ------------------------------------------------------------------------ */

static void
on_signal(int number)
{
	int saved = errno;
	signal_caught = number;
	if (signal_count < 100)
		signal_count++;
	if (signal_bus)
		weir_stop(signal_bus);
	(void)!write(signal_pipe[1], "", 1);
	errno = saved;
}

void
tool_catch(weir_bus *bus)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	signal_bus = bus;
	if (signal_pipe[0] >= 0 || pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct sigaction old;
		struct sigaction act = {.sa_handler = on_signal};
		if (!sigaction(numbers[i], NULL, &old) && old.sa_handler == SIG_DFL)
			sigaction(numbers[i], &act, NULL);
	}
}

int
tool_caught(void)
{
	return signal_caught;
}

int
tool_caught_count(void)
{
	return signal_count;
}

int
tool_wait_many(struct pollfd *fds, size_t count, uint64_t until_ns)
{
	struct pollfd all[TOOL_WAIT_MAX + 1];
	memcpy(all, fds, count * sizeof(*fds));
	all[count] = (struct pollfd){.fd = signal_pipe[0], .events = POLLIN};
	while (!signal_caught) {
		uint64_t now = weir_now_ns();
		uint64_t left = until_ns > now ? until_ns - now : 0;
		struct timespec wait = {
			(time_t)(left / 1000000000), (long)(left % 1000000000)};
		int rc = ppoll(
			all, count + 1, until_ns == UINT64_MAX ? NULL : &wait, NULL);
		memcpy(fds, all, count * sizeof(*fds));
		if (rc >= 0 && !signal_caught)
			return rc;
	}
	return -1;
}

int
tool_wait(int fd, uint64_t until_ns)
{
	struct pollfd one = {.fd = fd, .events = POLLIN};
	return tool_wait_many(&one, 1, until_ns);
}

/* ---- the bus ------------------------------------------------------------------------ */

int
tool_attach(const char *node, weir_event_fn on_event, void *ctx, weir_bus **bus)
{
	*bus = weir_open(tool_bus(), .dir = tool.dir, .node = node, .on_event = on_event,
		.ctx = ctx, .flags = WEIR_BUS_QUIET | WEIR_BUS_NO_SIGNALS);
	const weir_error *why = weir_why(*bus);
	if (why->code) {
		int rc = tool_fail(why);
		weir_close(*bus);
		*bus = NULL;
		return rc;
	}
	tool_catch(*bus);
	return 0;
}

int
tool_detach(weir_bus *bus)
{
	signal_bus = NULL;
	return weir_close(bus);
}
