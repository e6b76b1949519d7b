/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Publishes from the shell: an argument, a file, or the lines of stdin. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tools/json.h"
#include "tools/lines.h"
#include "tools/show.h"
#include "tools/text.h"
#include "tools/tool.h"

enum {
	ROOM_MS = 200, /* one wait for room; between two of them signals are looked at */
	PATIENCE = 5,  /* waits for room before it is said aloud */
	EXPANDED = 64  /* the longest that a {{word}} becomes */
};

#define NOT_GIVEN UINT64_MAX

static struct {
	uint64_t count;
	double rate;
	uint64_t wait_subs;
	uint64_t max_message;
	uint64_t window;
	uint64_t keep_messages;
	uint64_t keep_bytes;
	int ttl_ms;
	int stall_us;
	int verbatim;
} opt = {.count = NOT_GIVEN};

/* Where the messages come from: one text to repeat, or lines. */
struct source {
	char *data;
	size_t len;
	int expand; /* replace {{...}} */
	int is_lines;
	struct lines lines;
};

struct job {
	const char *topic;
	weir_bus *bus;
	weir_pub *pub;
	uint64_t deadline_ns; /* for everything that waits */
	uint64_t start_ns;
	uint64_t sent;
	uint64_t bytes;
	uint64_t unheard; /* of them, sent while nobody was subscribed */
	int consumers;    /* when the last message was sent */
	char *scratch;
	size_t scratch_size;
};

/* ---- where messages come from ------------------------------------------------------- */

static int
read_file(struct source *src, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0) {
		tool_complain("could not read %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return errno == EACCES ? TOOL_DENIED : TOOL_NOTFOUND;
	}
	size_t room = WEIR_MESSAGE_MAX + 1;
	if (S_ISREG(st.st_mode) && st.st_size < WEIR_MESSAGE_MAX)
		room = (size_t)st.st_size + 1;
	src->data = malloc(room);
	ssize_t got = 1;
	while (src->data && src->len < room && got > 0) {
		got = read(fd, src->data + src->len, room - src->len);
		src->len += got > 0 ? (size_t)got : 0;
	}
	int failed = got < 0 || !src->data;
	if (failed)
		tool_complain("could not read %s: %s", path, strerror(errno));
	close(fd);
	if (!failed && src->len > WEIR_MESSAGE_MAX)
		return tool_usage("%s is larger than a message can be (64 MiB)", path);
	return failed ? TOOL_NO : 0;
}

static size_t
largest(const struct source *src)
{
	if (opt.max_message)
		return (size_t)opt.max_message;
	size_t len = src->len + (src->expand ? EXPANDED : 0);
	return len > WEIR_MESSAGE_DEFAULT ? len : WEIR_MESSAGE_DEFAULT;
}

static int
source_open(struct source *src, const char *word)
{
	*src = (struct source){.expand = !opt.verbatim};
	if (word && word[0] == '@' && word[1]) {
		src->expand = 0;
		return read_file(src, word + 1);
	}
	if (word && strcmp(word, "-")) {
		src->data = strdup(word);
		src->len = strlen(word);
		return src->data ? 0 : TOOL_MEMORY;
	}
	src->is_lines = 1;
	/* One byte more than fits, so that a line that is too long is seen as such. */
	return lines_init(&src->lines, STDIN_FILENO, largest(src) + 2) < 0 ? TOOL_MEMORY
									   : 0;
}

static void
source_close(struct source *src)
{
	free(src->data);
	if (src->is_lines)
		lines_fini(&src->lines);
}

/* ---- {{seq}} {{now}} {{rand}} --------------------------------------------------------- */

static int
write_now(char *to, size_t size)
{
	struct timespec now;
	struct tm tm;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	size_t len = strftime(to, size, "%Y-%m-%dT%H:%M:%S", &tm);
	return (int)len + snprintf(to + len, size - len, ".%06ldZ", now.tv_nsec / 1000);
}

/* Writes what the word in braces stands for; 0 if it is no such word. */
static int
expand_word(const char *word, size_t len, uint64_t seq, char *to, size_t size)
{
	if (len == 3 && !memcmp(word, "seq", 3))
		return snprintf(to, size, "%" PRIu64, seq);
	if (len == 3 && !memcmp(word, "now", 3))
		return write_now(to, size);
	if (len == 4 && !memcmp(word, "rand", 4)) {
		uint32_t value = 0;
		(void)!getrandom(&value, sizeof(value), 0);
		return snprintf(to, size, "%" PRIu32, value);
	}
	return 0;
}

static int
reserve(struct job *job, size_t size)
{
	if (size <= job->scratch_size)
		return 0;
	char *larger = realloc(job->scratch, 2 * size);
	if (!larger)
		return -1;
	job->scratch = larger;
	job->scratch_size = 2 * size;
	return 0;
}

/* Replaces the words; *data and *len come to name the result. */
static int
expand(struct job *job, const char **data, size_t *len)
{
	const char *from = *data;
	const char *end = from + *len;
	size_t out = 0;
	if (!memmem(from, *len, "{{", 2))
		return 0;
	while (from < end) {
		if (reserve(job, out + EXPANDED + (size_t)(end - from)) < 0)
			return -1;
		const char *close = NULL;
		int done = 0;
		if (end - from >= 4 && from[0] == '{' && from[1] == '{')
			close = memmem(from + 2, (size_t)(end - from) - 2, "}}", 2);
		if (close)
			done = expand_word(from + 2, (size_t)(close - from) - 2,
				job->sent, job->scratch + out, EXPANDED);
		if (!done)
			job->scratch[out++] = *from++;
		if (done) {
			out += (size_t)done;
			from = close + 2;
		}
	}
	*data = job->scratch;
	*len = out;
	return 0;
}

/* ---- sending ------------------------------------------------------------------------ */

static int
out_of_time(const struct job *job)
{
	return weir_now_ns() >= job->deadline_ns;
}

/* Of what happens here only that somebody is not waited for any more, or is again. */
static void
tell_verdicts(const struct job *job)
{
	weir_event event;
	while (weir_next_event(job->bus, &event) == 1) {
		if (event.kind == WEIR_EV_SUB_DETACHED ||
			event.kind == WEIR_EV_SUB_RETURNED)
			show_event(&event);
	}
}

/* Sends one message, and waits for room as long as the command may last. */
static int
send_one(struct job *job, const char *data, size_t len)
{
	/* Who is there before it is sent gets it; who is counted afterwards may be gone. */
	job->consumers = weir_subscribers(job->pub);
	for (int waits = 1;; waits++) {
		int rc = weir_send(job->pub, data, len);
		if (rc >= 0)
			break;
		if (tool_caught())
			return TOOL_INTERRUPTED;
		if (rc != -WEIR_E_AGAIN_FULL || out_of_time(job))
			return tool_fail(weir_pub_why(job->pub));
		if (waits == PATIENCE)
			tool_say("waiting for room: %s", weir_pub_why(job->pub)->text);
	}
	tell_verdicts(job);
	job->unheard += job->consumers <= 0;
	job->sent++;
	job->bytes += len;
	return 0;
}

/* Waits for the turn of the next message. */
static int
pace(const struct job *job)
{
	if (opt.rate <= 0 || !job->sent)
		return tool_caught() ? TOOL_INTERRUPTED : 0;
	uint64_t after = (uint64_t)((double)job->sent * 1e9 / opt.rate);
	uint64_t due = job->start_ns + after;
	int rc = tool_wait(-1, due < job->deadline_ns ? due : job->deadline_ns);
	if (rc < 0)
		return TOOL_INTERRUPTED;
	return due < job->deadline_ns ? 0 : TOOL_NOBODY;
}

/* The next message of the source. 0 = one, -1 = no more, else an exit code. */
static int
next(struct job *job, struct source *src, const char **data, size_t *len)
{
	if (!src->is_lines) {
		*data = src->data;
		*len = src->len;
		return 0;
	}
	switch (lines_next(&src->lines, job->deadline_ns, data, len)) {
	case LINES_ONE:
		*len -= (*data)[*len - 1] == '\n';
		return 0;
	case LINES_END:
		return -1;
	case LINES_SIGNAL:
		return TOOL_INTERRUPTED;
	case LINES_LATER:
		tool_complain("no line on stdin within the timeout");
		return TOOL_NOBODY;
	case LINES_ERROR:
		break;
	}
	tool_complain("could not read stdin: %s", strerror(errno));
	return TOOL_NO;
}

static int
publish(struct job *job, struct source *src)
{
	uint64_t count = opt.count;
	if (count == NOT_GIVEN)
		count = src->is_lines ? 0 : 1;
	job->start_ns = weir_now_ns();
	while (!count || job->sent < count) {
		const char *data;
		size_t len;
		int rc = pace(job);
		if (!rc)
			rc = next(job, src, &data, &len);
		if (rc)
			return rc < 0 ? 0 : rc;
		if (src->expand && expand(job, &data, &len) < 0)
			return TOOL_MEMORY;
		rc = send_one(job, data, len);
		if (rc)
			return rc;
	}
	return 0;
}

static int
wait_for_subscribers(struct job *job)
{
	int want = (int)opt.wait_subs;
	int told = 0;
	for (;;) {
		int have = weir_wait_subscribers(job->pub, want, ROOM_MS);
		if (have >= want)
			return 0;
		if (have < 0 && have != -WEIR_E_AGAIN_TIMEOUT)
			return tool_fail_code(have, "waiting for consumers");
		if (tool_caught())
			return TOOL_INTERRUPTED;
		have = weir_subscribers(job->pub);
		if (out_of_time(job)) {
			tool_complain("%d of %d consumers on '%s' when the time was up",
				have, want, job->topic);
			return TOOL_NOBODY;
		}
		if (!told++)
			tool_say("waiting for %d consumers on '%s', %d so far", want,
				job->topic, have);
	}
}

/* ---- the verb ----------------------------------------------------------------------- */

static void
report_json(const struct job *job)
{
	struct json j;
	json_init(&j, stdout);
	json_object(&j, NULL);
	json_str(&j, "bus", tool_bus());
	json_str(&j, "topic", job->topic);
	json_u64(&j, "messages", job->sent);
	json_u64(&j, "bytes", job->bytes);
	json_i64(&j, "consumers", job->consumers);
	json_u64(&j, "unheard", job->unheard);
	json_end_object(&j);
}

static int
report(const struct job *job)
{
	if (tool.out != TOOL_TABLE)
		report_json(job);
	tool_say("%s message%s, %s -> %d consumer%s", text_count(job->sent).s,
		job->sent == 1 ? "" : "s", text_bytes((double)job->bytes).s,
		job->consumers, job->consumers == 1 ? "" : "s");
	if (!job->unheard)
		return 0;
	if (job->unheard < job->sent) {
		tool_say("%s of them were sent while nobody was subscribed",
			text_count(job->unheard).s);
		return 0;
	}
	tool_say("nobody is subscribed to '%s' on bus '%s'", job->topic, tool_bus());
	tool_say("try: weir sub %s in another terminal, or --wait-subs 1 here",
		job->topic);
	return TOOL_NOBODY;
}

static int
serve(struct job *job, struct source *src)
{
	job->pub = weir_advertise(job->bus, job->topic, .max_message = largest(src),
		.window = (size_t)opt.window, .wait_ms = ROOM_MS,
		.keep_messages = opt.keep_messages, .keep_bytes = opt.keep_bytes,
		.ttl_ms = (uint32_t)opt.ttl_ms, .stall_us = (uint32_t)opt.stall_us);
	if (weir_pub_why(job->pub)->code)
		return tool_fail(weir_pub_why(job->pub));
	int rc = opt.wait_subs ? wait_for_subscribers(job) : 0;
	if (rc)
		return rc;
	rc = publish(job, src);
	tell_verdicts(job);
	int unheard = report(job);
	return rc ? rc : unheard;
}

static int
run(int argc, char **argv)
{
	if (argc < 1)
		return tool_usage("pub needs a topic, as in: weir pub hello 'hi there'");
	if (argc > 2)
		return tool_usage("pub takes one DATA, got '%s' too; quote it", argv[2]);
	if (opt.wait_subs > WEIR_SUBSCRIBERS_MAX)
		return tool_usage("--wait-subs: at most %d", WEIR_SUBSCRIBERS_MAX);
	struct job job = {.topic = argv[0], .deadline_ns = UINT64_MAX};
	struct source src;
	int rc = source_open(&src, argc > 1 ? argv[1] : NULL);
	if (!rc)
		rc = tool_attach("weir-pub", NULL, NULL, &job.bus);
	if (!rc) {
		if (tool.timeout_ms >= 0)
			job.deadline_ns =
				weir_now_ns() + (uint64_t)tool.timeout_ms * 1000000;
		rc = serve(&job, &src);
		int closing = tool_detach(job.bus);
		rc = rc ? rc : closing;
	}
	free(job.scratch);
	source_close(&src);
	return rc;
}

static const struct tool_opt opts[] = {
	{'n', "count", OPT_U64, &opt.count, "messages (0 = without end; 1 for DATA)",
		"N", 0, 0},
	{'r', "rate", OPT_REAL, &opt.rate, "messages a second (flat out)", "HZ", 0, 0},
	{0, "wait-subs", OPT_U64, &opt.wait_subs, "first wait for N consumers", "N", 0, 0},
	{0, "verbatim", OPT_SET, &opt.verbatim, "leave {{...}} alone", 0, 1, 0},
	{0, "max-message", OPT_SIZE, &opt.max_message,
		"largest message of the topic (64k)", "SIZE", 0, 0},
	{0, "window", OPT_SIZE, &opt.window, "bytes kept for readers (16M)", "SIZE", 0, 0},
	{0, "keep", OPT_U64, &opt.keep_messages,
		"keep so many messages for who comes late (the last)", "N", 0, 0},
	{0, "keep-bytes", OPT_SIZE, &opt.keep_bytes, "and so much of log", "SIZE", 0, 0},
	{0, "ttl", OPT_MS, &opt.ttl_ms, "readers pass over what is older", "MS", 1, 0},
	{0, "stall", OPT_US, &opt.stall_us,
		"all slow readers may hold it up in any 100 ms (20ms)", "US", 0, 0},
	{0, 0, OPT_SET, 0, 0, 0, 0, 0},
};

const struct tool_verb verb_pub = {"pub", "TOPIC [DATA | - | @FILE]", "publishes", opts,
	"  DATA is one message. @FILE is the content of a file, as it is. Without them, or\n"
	"  with -, each line of stdin is a message.\n"
	"  In DATA and lines {{seq}} becomes the number of the message from 0, {{now}} the\n"
	"  time, {{rand}} a random number.\n"
	"  Says how many consumers there were; exit 4 if nobody was there.\n\n"
	"  weir pub hello 'hi there'\n"
	"  weir pub tick 'tick {{seq}} at {{now}}' -n 10 -r 2 --wait-subs 1\n"
	"  tail -f log | weir pub log\n",
	run, 0, 0};
