/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tests/steward/puppet.h"

#include <weir/weir.h>

#include "tests/lib/child.h"
#include "tests/lib/fdleak.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- the test's side ----------------------------------------------------------------- */

static const char *
answer(struct wr_proc *p)
{
	static char lines[8][4096];
	static int next;
	char *line = lines[next++ & 7];

	if (wr_proc_hear(p, line, sizeof(lines[0])) < 0) {
		FAIL("the puppet ended without an answer");
		wr_test_end();
	}
	return line;
}

static void
say(struct wr_proc *p, const char *fmt, va_list ap)
{
	char line[3000];
	int n = vsnprintf(line, sizeof(line), fmt, ap);

	REQUIRE(n > 0 && n < (int)sizeof(line));
	REQUIRE_EQ(wr_proc_say(p, "%s", line), 0);
}

void
puppet_tell(struct wr_proc *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(p, fmt, ap);
	va_end(ap);
}

const char *
puppet_hear(struct wr_proc *p)
{
	return answer(p);
}

const char *
puppet_ask(struct wr_proc *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(p, fmt, ap);
	va_end(ap);
	return answer(p);
}

static void
expect_ok(struct wr_proc *p, const char *fmt)
{
	const char *got = answer(p);

	if (strcmp(got, "ok") != 0) {
		FAIL("the puppet answered \"%s\" to \"%s\"", got, fmt);
		wr_test_end();
	}
}

void
puppet_ok(struct wr_proc *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(p, fmt, ap);
	va_end(ap);
	expect_ok(p, fmt);
}

long long
puppet_number(struct wr_proc *p, const char *fmt, ...)
{
	const char *got;
	va_list ap;
	char *end;
	long long n;

	va_start(ap, fmt);
	say(p, fmt, ap);
	va_end(ap);
	got = answer(p);
	n = strtoll(got, &end, 10);
	if (end == got) {
		FAIL("the puppet answered \"%s\" to \"%s\"", got, fmt);
		wr_test_end();
	}
	return n;
}

void
puppet_start(struct wr_proc *p, const char *fmt, ...)
{
	va_list ap;

	wr_proc_start(p, "puppet", NULL);
	if (!fmt)
		return;
	va_start(ap, fmt);
	say(p, fmt, ap);
	va_end(ap);
	expect_ok(p, fmt);
}

void
puppet_end(struct wr_proc *p)
{
	wr_proc_hush(p);
	CHECK_EQ(wr_proc_wait(p), 0);
}

/* ---- the puppet's side --------------------------------------------------------------- */

enum { HANDLES = 16, CLAIMS = 16, WORDS = 24, SOURCES = 256 };

/* What a message holds: enough to see that it is whole and whose it is. */
struct load {
	uint64_t number;
	uint64_t check;
};

/* What a subscription has had of one publisher. */
struct source {
	uint64_t publisher;
	uint64_t next;
};

static weir_bus *buses[HANDLES];
static weir_pub *pubs[HANDLES];
static uint64_t numbers[HANDLES];
static weir_claim_t claims[HANDLES][CLAIMS];
static weir_sub *subs[HANDLES];
static int bus_of_sub[HANDLES];
static uint64_t first_number[HANDLES];
static struct source sources[HANDLES][SOURCES];
static int source_count[HANDLES];
static bool may_miss[HANDLES]; /* claims that were given back are left out, and counted */
static int missed[HANDLES];
static bool from_zero[HANDLES]; /* every stream has to begin with number 0 */
static bool alone[HANDLES];     /* a bus without thread */

static char *words[WORDS];
static int word_count;

/* What a flood has begun to send, for readers of any process: one number per publisher. */
static _Atomic uint64_t *
begun(void)
{
	static _Atomic uint64_t *shared;
	char path[600];
	int fd;

	if (shared)
		return shared;
	fd = open(wr_tmpdir_path(path, sizeof(path), "begun"),
		O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0 || ftruncate(fd, 4096) != 0)
		_exit(98);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (shared == MAP_FAILED)
		_exit(98);
	return shared;
}

static int
handle(int word)
{
	int n = word < word_count ? atoi(words[word]) : -1;

	if (n < 0 || n >= HANDLES) {
		fprintf(stderr, "puppet: '%s' needs a handle\n", words[0]);
		_exit(97);
	}
	return n;
}

/* The value of "name=value" among the words; NULL if it is not there. */
static const char *
option(const char *name)
{
	size_t len = strlen(name);

	for (int i = 1; i < word_count; i++)
		if (!strncmp(words[i], name, len) && words[i][len] == '=')
			return words[i] + len + 1;
	return NULL;
}

static long long
number_of(const char *name)
{
	const char *value = option(name);

	return value ? strtoll(value, NULL, 0) : 0;
}

static bool
flag(const char *name)
{
	for (int i = 1; i < word_count; i++)
		if (!strcmp(words[i], name))
			return true;
	return false;
}

static void
tell_error(int code)
{
	wr_helper_say("%s", weir_err_name(code));
}

static void
tell_handle(const weir_error *err)
{
	if (err->code)
		tell_error(err->code);
	else
		wr_helper_say("ok");
}

static void
tell(int rc)
{
	if (rc < 0)
		tell_error(rc);
	else
		wr_helper_say("%d", rc);
}

static void
do_open(void)
{
	int b = handle(1);
	weir_bus_opts opts = {.size = sizeof(opts),
		.name = words[2],
		.node = option("node"),
		.group = option("group"),
		.users = option("users"),
		.dir = option("dir"),
		.attach_ms = (uint32_t)number_of("attach"),
		.close_ms = (uint32_t)number_of("close"),
		.flags = WEIR_BUS_NO_SIGNALS | WEIR_BUS_QUIET};

	alone[b] = flag("nothread");
	if (alone[b])
		opts.flags |= WEIR_BUS_NO_THREAD;
	buses[b] = weir_open_(&opts);
	tell_handle(weir_why(buses[b]));
}

static void
forget(int b)
{
	for (int i = 0; i < HANDLES; i++)
		if (subs[i] && bus_of_sub[i] == b)
			subs[i] = NULL;
}

static void
do_close(void)
{
	int b = handle(1);

	wr_helper_say("closed %d", weir_close(buses[b]));
	buses[b] = NULL;
	forget(b);
}

static void
do_pub(void)
{
	int p = handle(1);
	weir_pub_opts opts = {.size = sizeof(opts),
		.topic = words[3],
		.max_message = (size_t)number_of("max"),
		.window = (size_t)number_of("window"),
		.wait_ms = (int32_t)number_of("wait"),
		.type = option("type"),
		.type_hash = (uint64_t)number_of("hash"),
		.readers = option("readers"),
		.keep_messages = (uint64_t)number_of("keep")};

	numbers[p] = 0;
	pubs[p] = weir_advertise_(buses[handle(2)], &opts);
	tell_handle(weir_pub_why(pubs[p]));
}

static weir_sub *
subscribe(int s, int b, const char *pattern)
{
	weir_sub_opts opts = {.size = sizeof(opts),
		.topic = pattern,
		.type = option("type"),
		.type_hash = (uint64_t)number_of("hash"),
		.writers = option("writers"),
		.holds = (uint32_t)number_of("holds"),
		.from = (uint32_t)number_of("from"),
		.from_count = (uint64_t)number_of("count"),
		.from_publisher = (uint64_t)number_of("of"),
		.policy = WEIR_BLOCK};

	source_count[s] = 0;
	first_number[s] = UINT64_MAX;
	from_zero[s] = flag("whole");
	may_miss[s] = flag("gaps");
	missed[s] = 0;
	bus_of_sub[s] = b;
	return weir_subscribe_(buses[b], &opts);
}

static void
do_sub(void)
{
	int s = handle(1);

	subs[s] = subscribe(s, handle(2), words[3]);
	tell_handle(weir_sub_why(subs[s]));
}

static int
send_next(int p)
{
	struct load load = {numbers[p], ~numbers[p]};
	int rc;

	/* Begun before it is sent: who reads this afterwards gets every later message. */
	atomic_store(&begun()[p], numbers[p] + 1);
	rc = weir_send(pubs[p], &load, sizeof(load));
	numbers[p] += rc == 0;
	return rc;
}

static void
do_send(void)
{
	int p = handle(1), rc = 0;

	for (int n = atoi(words[2]); n > 0 && rc == 0; n--)
		rc = send_next(p);
	if (rc < 0)
		tell_error(rc);
	else
		wr_helper_say("%" PRIu64, numbers[p]);
}

static bool
line_waits(void)
{
	struct pollfd in = {.fd = 0, .events = POLLIN};

	return poll(&in, 1, 0) == 1;
}

static void
do_flood(void)
{
	int p = handle(1), rc = 0;

	while (rc == 0 && !line_waits())
		for (int i = 0; i < 256 && rc == 0; i++)
			rc = send_next(p);
	if (rc < 0)
		tell_error(rc);
	else
		wr_helper_say("%" PRIu64, numbers[p]);
}

static void
do_claim(void)
{
	int p = handle(1), i = handle(2);
	int rc = weir_claim(pubs[p], sizeof(struct load), &claims[p][i]);
	struct load load = {numbers[p], ~numbers[p]};

	if (rc < 0) {
		tell_error(rc);
		return;
	}
	memcpy(claims[p][i].data, &load, sizeof(load));
	wr_helper_say("%" PRIu64, numbers[p]++);
}

/* How a message differs from what it has to be; NULL if not. */
static const char *
judge(int s, const weir_msg *msg, const void *data)
{
	static char wrong[200];
	struct source *from = NULL;
	struct load load;

	memcpy(&load, data, sizeof(load));
	for (int i = 0; i < source_count[s] && !from; i++)
		if (sources[s][i].publisher == msg->publisher)
			from = &sources[s][i];
	if (!from && source_count[s] < SOURCES) {
		from = &sources[s][source_count[s]++];
		*from = (struct source){msg->publisher, from_zero[s] ? 0 : load.number};
		if (first_number[s] == UINT64_MAX)
			first_number[s] = load.number;
	}
	snprintf(wrong, sizeof(wrong),
		"number %" PRIu64 " where %" PRIu64 " was next, seq %" PRIu64 ", len %zu",
		load.number, from ? from->next : 0, msg->seq, msg->len);
	if (!from || msg->len != sizeof(load) || load.check != ~load.number)
		return wrong;
	if (may_miss[s] && load.number > from->next) {
		missed[s] += (int)(load.number - from->next);
		from->next = load.number;
	}
	if (load.number != from->next)
		return wrong;
	from->next++;
	return NULL;
}

static void
forget_source(int s, uint64_t publisher)
{
	for (int i = 0; i < source_count[s]; i++)
		if (sources[s][i].publisher == publisher)
			sources[s][i--] = sources[s][--source_count[s]];
}

/* Reads so many messages, or until a stream ends. */
static int
read_messages(int s, int want, const char **wrong, int *rc)
{
	unsigned char buf[64];
	weir_msg msg;
	int have = 0;

	*wrong = NULL;
	*rc = 0;
	while (have < want && !*wrong) {
		*rc = weir_recv(subs[s], buf, sizeof(buf), WEIR_FOREVER, &msg);
		if (*rc == -WEIR_E_GONE_END)
			forget_source(s, msg.publisher);
		if (*rc < 0)
			break;
		have++;
		*rc = 0;
		*wrong = judge(s, &msg, buf);
	}
	return have;
}

/* What was read, as the answer to a line. */
static void
tell_read(int s, int have, const char *wrong, int rc)
{
	if (wrong)
		wr_helper_say("%d, then %s", have, wrong);
	else if (rc < 0)
		wr_helper_say("%d, then %s", have, weir_err_name(rc));
	else if (may_miss[s])
		wr_helper_say("%d in order, %d left out", have, missed[s]);
	else
		wr_helper_say("%d in order", have);
}

static void
do_recv(void)
{
	const char *wrong;
	int rc, s = handle(1), have = read_messages(s, atoi(words[2]), &wrong, &rc);

	tell_read(s, have, wrong, rc);
}

static void
do_drain(void)
{
	const char *wrong;
	int rc, s = handle(1), have = read_messages(s, INT32_MAX, &wrong, &rc);

	tell_read(s, have, wrong, rc == -WEIR_E_GONE_END ? 0 : rc);
}

/* Reads until so many streams have ended, each from its number 0 on. */
static void
do_ends(void)
{
	int s = handle(1), want = atoi(words[2]), ends = 0, have = 0, rc = 0;
	const char *wrong = NULL;

	while (ends < want && !wrong) {
		have += read_messages(s, INT32_MAX, &wrong, &rc);
		if (!wrong && rc != -WEIR_E_GONE_END)
			wrong = weir_err_name(rc);
		ends += rc == -WEIR_E_GONE_END;
	}
	tell_read(s, have, wrong, 0);
}

/* Streams that come and go: each finds its reader there, sends, and ends. */
static void
do_burst(void)
{
	weir_bus *bus = buses[handle(1)];
	int rounds = atoi(words[3]), each = atoi(words[4]), rc = 0, round;

	for (round = 0; round < rounds && rc == 0; round++) {
		weir_pub_opts opts = {.size = sizeof(opts), .topic = words[2]};
		weir_pub *pub = weir_advertise_(bus, &opts);

		rc = -weir_pub_why(pub)->code;
		if (rc == 0 && weir_subscribers(pub) != 1)
			rc = -WEIR_E_AGAIN_TIMEOUT;
		for (uint64_t n = 0; n < (uint64_t)each && rc == 0; n++) {
			struct load load = {n, ~n};

			rc = weir_send(pub, &load, sizeof(load));
		}
		(void)weir_pub_close(pub);
	}
	if (rc < 0)
		wr_helper_say("round %d: %s", round, weir_err_name(rc));
	else
		wr_helper_say("%d ended", round);
}

/* Joins beside floods: from what had been begun when subscribe returned, nothing may be
 * missing. The publishers' handles are those of the puppets that flood: 0, 1, ... */
static void
do_churn(void)
{
	int s = handle(1), b = handle(2), rounds = atoi(words[4]), floods = 1;
	const char *wrong = NULL;
	int round, rc = 0;

	if (option("floods"))
		floods = (int)number_of("floods");
	for (round = 0; round < rounds && !wrong && rc == 0; round++) {
		uint64_t before[8];

		subs[s] = subscribe(s, b, words[3]);
		rc = -weir_sub_why(subs[s])->code;
		for (int i = 0; i < floods; i++)
			before[i] = atomic_load(&begun()[i]);
		if (rc == 0 && weir_publishers(subs[s]) != floods)
			wrong = "a publisher was not there";
		if (rc == 0 && !wrong)
			(void)read_messages(s, 20 * floods, &wrong, &rc);
		if (!wrong && rc == 0 && floods == 1 && first_number[s] > before[0]) {
			static char text[100];

			snprintf(text, sizeof(text),
				"first was %" PRIu64 ", but %" PRIu64 " had been begun",
				first_number[s], before[0]);
			wrong = text;
		}
		(void)weir_unsubscribe(subs[s]);
		subs[s] = NULL;
	}
	if (wrong)
		wr_helper_say("round %d: %s", round, wrong);
	else if (rc < 0)
		wr_helper_say("round %d: %s", round, weir_err_name(rc));
	else
		wr_helper_say("%d joined", round);
}

static const char *const kinds[] = {"NONE", "NODE_JOINED", "NODE_LEFT", "NODE_DIED",
	"PUB_JOINED", "PUB_LEFT", "PUB_DIED", "SUB_JOINED", "SUB_LEFT", "SUB_DIED",
	"PENDING", "ADMITTED", "REFUSED", "DENIED", "PROTOCOL", "CUT"};

static void
do_event(void)
{
	const char *kind = word_count > 2 ? words[2] : NULL;
	weir_bus *bus = buses[handle(1)];
	weir_event event;
	int rc;

	for (;;) {
		rc = weir_next_event(bus, &event);
		if (rc == 1 && (!kind || !strcmp(kinds[event.kind], kind)))
			break;
		if (rc < 0) {
			tell_error(rc);
			return;
		}
		if (rc == 0)
			(void)weir_turn(bus, 20);
	}
	wr_helper_say("%s %s %u %u %s %s", kinds[event.kind],
		event.code ? weir_err_name(event.code) : "-", event.pid, event.uid,
		*event.node ? event.node : "-", *event.topic ? event.topic : "-");
}

static void
do_events(void)
{
	weir_event event;
	int count = 0;

	while (weir_next_event(buses[handle(1)], &event) == 1)
		count++;
	wr_helper_say("%d", count);
}

static void
do_pending(void)
{
	char names[600];
	int rc = weir_pending(buses[handle(1)], names, sizeof(names));

	if (rc < 0)
		tell_error(rc);
	else
		wr_helper_say("%d %s", rc, names);
}

static void
do_stats(void)
{
	weir_pub_stats st = {.size = sizeof(st)};
	int rc = weir_pub_get_stats(pubs[handle(1)], &st);

	if (rc < 0)
		tell_error(rc);
	else
		wr_helper_say("%" PRIu64 " published %" PRIu64 " denied %" PRIu64
			      " evicted %u subscribers",
			st.published, st.denied, st.evicted, st.subscribers);
}

static void
do_moves(void)
{
	weir_pub_stats st = {.size = sizeof(st)};
	int rc = weir_pub_get_stats(pubs[handle(1)], &st);

	tell(rc < 0 ? rc : (int)st.moves);
}

static void
do_seen(void)
{
	weir_sub_stats st = {.size = sizeof(st)};
	int rc = weir_sub_get_stats(subs[handle(1)], &st);

	if (rc < 0)
		tell_error(rc);
	else
		wr_helper_say("%" PRIu64 " delivered %" PRIu64 " lost %" PRIu64
			      " aborted %" PRIu64 " streams %" PRIu64 " ended %" PRIu64
			      " refused",
			st.delivered, st.lost, st.aborted, st.streams, st.ended,
			st.refused);
}

static void
do_why(void)
{
	int n = handle(2);
	const weir_error *err = *words[1] == 'b' ? weir_why(buses[n])
		: *words[1] == 'p'               ? weir_pub_why(pubs[n])
						 : weir_sub_why(subs[n]);

	wr_helper_say("%s|%s|%s|%s|%s", weir_err_name(err->code), err->text, err->where,
		err->differs, err->hint);
}

/* Only counted: what another thread opens and closes meanwhile is not touched. */
static void
do_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = -3; /* two names of directories, and this one */

	if (!dir)
		_exit(98);
	while (readdir(dir))
		count++;
	closedir(dir);
	wr_helper_say("%d", count);
}

static void
do_commit(void)
{
	tell(weir_commit(pubs[handle(1)], &claims[handle(1)][handle(2)]));
}

static void
do_abort(void)
{
	tell(weir_abort(pubs[handle(1)], &claims[handle(1)][handle(2)]));
}

static void
do_unpub(void)
{
	tell(weir_pub_close(pubs[handle(1)]));
}

static void
do_unsub(void)
{
	tell(weir_unsubscribe(subs[handle(1)]));
	subs[handle(1)] = NULL;
}

static void
do_wait(void)
{
	tell(weir_wait_subscribers(pubs[handle(1)], atoi(words[2]), atoi(words[3])));
}

static void
do_subs(void)
{
	tell(weir_subscribers(pubs[handle(1)]));
}

static void
do_pubs(void)
{
	tell(weir_publishers(subs[handle(1)]));
}

static void
do_first(void)
{
	wr_helper_say("%" PRIu64, first_number[handle(1)]);
}

static void
do_maps(void)
{
	wr_helper_say("%d", wr_maps_count(""));
}

static void
do_become(void)
{
	wr_become((uid_t)atoi(words[1]), (gid_t)atoi(words[2]));
	wr_helper_say("ok");
}

enum { CROWD = 16384 };
static weir_pub *crowd[CROWD];
static int crowd_count;

/* Many topics at once, which belong to no handle: "t.0", "t.1", ... */
static void
do_pubs_of(void)
{
	char topic[64];
	int rc = 0;

	for (int want = atoi(words[3]); crowd_count < want && rc == 0; crowd_count++) {
		snprintf(topic, sizeof(topic), "%s.%d", words[2], crowd_count);
		crowd[crowd_count] = weir_advertise(buses[handle(1)], topic, .window = 1);
		rc = -weir_pub_why(crowd[crowd_count])->code;
	}
	tell(rc < 0 ? rc : crowd_count);
}

static void
do_tell_all(void)
{
	int told = 0;

	while (told < crowd_count && weir_send(crowd[told], "all", 3) == 0)
		told++;
	wr_helper_say("%d", told);
}

static void
do_hear(void)
{
	int s = handle(1), want = atoi(words[2]), heard = 0;
	char buf[8];

	while (heard < want &&
		weir_recv(subs[s], buf, sizeof(buf), WEIR_FOREVER, NULL) == 3)
		heard++;
	wr_helper_say("%d heard", heard);
}

static void
do_turn(void)
{
	tell(weir_turn(buses[handle(1)], atoi(words[2])));
}

/* So many descriptors more than are open, and no more; < 0: as many as there may be. */
static void
do_spare(void)
{
	struct wr_fds *fds = malloc(sizeof(*fds));
	struct rlimit limit;

	if (!fds || getrlimit(RLIMIT_NOFILE, &limit) != 0)
		_exit(98);
	limit.rlim_cur = limit.rlim_max;
	if (atoi(words[1]) >= 0) {
		/* The highest number counts, so the holes below it are filled first. */
		while (wr_fds_take(fds), fds->fd[fds->count - 1] >= fds->count)
			if (open("/dev/null", O_RDONLY | O_CLOEXEC) < 0)
				_exit(98);
		limit.rlim_cur = (rlim_t)(fds->count + atoi(words[1]));
	}
	wr_helper_say("%s", setrlimit(RLIMIT_NOFILE, &limit) ? "no" : "ok");
	free(fds);
}

static const struct {
	const char *word;
	void (*act)(void);
	int words; /* that it needs, itself among them */
} acts[] = {
	{"open", do_open, 3},
	{"close", do_close, 2},
	{"pub", do_pub, 4},
	{"sub", do_sub, 4},
	{"unpub", do_unpub, 2},
	{"unsub", do_unsub, 2},
	{"send", do_send, 3},
	{"flood", do_flood, 2},
	{"claim", do_claim, 3},
	{"commit", do_commit, 3},
	{"abort", do_abort, 3},
	{"wait", do_wait, 4},
	{"subs", do_subs, 2},
	{"pubs", do_pubs, 2},
	{"recv", do_recv, 3},
	{"first", do_first, 2},
	{"drain", do_drain, 2},
	{"ends", do_ends, 3},
	{"burst", do_burst, 5},
	{"churn", do_churn, 5},
	{"turn", do_turn, 3},
	{"pending", do_pending, 2},
	{"event", do_event, 2},
	{"events", do_events, 2},
	{"stats", do_stats, 2},
	{"seen", do_seen, 2},
	{"moves", do_moves, 2},
	{"why", do_why, 3},
	{"become", do_become, 3},
	{"fds", do_fds, 1},
	{"spare", do_spare, 2},
	{"pubs-of", do_pubs_of, 4},
	{"tell-all", do_tell_all, 2},
	{"hear", do_hear, 3},
	{"maps", do_maps, 1},
};

/* Splits in place; false where the line is not known. */
static bool
obey(char *line)
{
	char *rest = line;

	for (word_count = 0; word_count < WORDS;) {
		char *word = strsep(&rest, " ");

		if (!word)
			break;
		if (*word)
			words[word_count++] = word;
	}
	for (size_t i = 0; word_count > 0 && i < sizeof(acts) / sizeof(acts[0]); i++) {
		if (strcmp(words[0], acts[i].word) != 0 || word_count < acts[i].words)
			continue;
		acts[i].act();
		return true;
	}
	return word_count == 0;
}

/* Buses without a thread live by turns of this loop. */
static void
wait_for_line(void)
{
	for (;;) {
		struct pollfd fds[1 + HANDLES] = {{.fd = 0, .events = POLLIN}};
		nfds_t count = 1;
		int most_ms = -1;

		for (int b = 0; b < HANDLES; b++) {
			if (!buses[b] || !alone[b] || weir_why(buses[b])->code)
				continue;
			(void)weir_turn(buses[b], 0);
			(void)weir_arm(buses[b]); /* 1 for messages that nobody pulls now */
			fds[count++] = (struct pollfd){weir_fd(buses[b]), POLLIN, 0};
			if (fds[count - 1].fd < 0)
				most_ms = 1; /* by poll(2) there is none: it looks */
		}
		if (poll(fds, count, most_ms) > 0 && fds[0].revents)
			return;
	}
}

static int
puppet(int argc, char **argv)
{
	static char line[4096];

	(void)argc;
	(void)argv;
	/* Without a buffer, so that poll sees every line that was not read yet. */
	setvbuf(stdin, NULL, _IONBF, 0);
	for (;;) {
		wait_for_line();
		if (wr_helper_hear(line, sizeof(line)) < 0)
			break;
		if (!obey(line)) {
			fprintf(stderr, "puppet: what is '%s'?\n", words[0]);
			return 97;
		}
	}
	for (int b = 0; b < HANDLES; b++)
		if (buses[b])
			(void)weir_close(buses[b]);
	return 0;
}

/* ---- that it judges ------------------------------------------------------------------ */

static void
says_what_is_wrong(void)
{
	struct wr_proc p;

	puppet_start(&p, "open 0 inproc:bus");
	puppet_ok(&p, "sub 0 0 a.>");
	puppet_ok(&p, "pub 0 0 a.b");
	CHECK_EQ(puppet_number(&p, "send 0 3"), 3);
	CHECK_STR(puppet_ask(&p, "recv 0 3"), "3 in order");
	/* A message that is left out is seen. */
	CHECK_EQ(puppet_number(&p, "claim 0 0"), 3);
	CHECK_EQ(puppet_number(&p, "abort 0 0"), 0);
	CHECK_EQ(puppet_number(&p, "send 0 1"), 5);
	CHECK(strstr(puppet_ask(&p, "recv 0 1"), "number 4 where 3 was next") != NULL);
	CHECK_STR(puppet_ask(&p, "pub 1 0 .."), "USAGE_NAME");
	CHECK_STR(puppet_ask(&p, "send 1 1"), "USAGE_NAME");
	CHECK(strncmp(puppet_ask(&p, "why p 1"), "USAGE_NAME|", 11) == 0);
	CHECK_STR(puppet_ask(&p, "close 0"), "closed 2");
	puppet_end(&p);
}

static const struct wr_test tests[] = {TEST(says_what_is_wrong), TEST_END};
static const struct wr_helper helpers[] = {HELPER(puppet), HELPER_END};

const struct wr_suite wr_suite_puppet = {
	.name = "puppet", .tests = tests, .helpers = helpers, .labels = "concurrency"};
