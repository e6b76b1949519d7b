/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <fcntl.h>
#include <nats/nats.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/peer/peer.h"

enum { START_MS = 5000, TURN_MS = 1000, MAX_PENDING = 16 << 20, DRAIN_MAX = 64 };
enum { STREAM_BYTES = 256 << 20, STREAM_PENDING = 4096, STREAM_WAIT_MS = 60000 };

/* The server of one run. */
struct server {
	pid_t pid;
	char config[200], ports[200]; /* files */
	char url[64];
};

struct gen_side {
	natsConnection *connection;
	natsSubscription *in;
	jsCtx *stream;
	size_t size;
	uint64_t last, gaps; /* number in the stream, and how many were not seen */
	char data[];         /* publishing copies it */
};

/* ---- the server ------------------------------------------------------------------------ */

const char *
nats_server(void)
{
	static char found[300];
	char path[2048];
	const char *search = getenv("PATH");
	/* It is a daemon, and lies where they do, whether that is searched or not. */
	snprintf(path, sizeof path, "%s:/usr/sbin:/usr/local/sbin", search ? search : "");
	for (char *save = NULL, *dir = strtok_r(path, ":", &save); dir;
		dir = strtok_r(NULL, ":", &save)) {
		snprintf(found, sizeof found, "%s/nats-server", dir);
		if (access(found, X_OK) == 0)
			return found;
	}
	return NULL;
}

static int
write_config(const struct server *server, const struct gen_plan *plan, int streams)
{
	FILE *file = fopen(server->config, "we");
	if (!file)
		return -1;
	fprintf(file, "listen: \"127.0.0.1:-1\"\nports_file_dir: \"%s\"\n", plan->dir);
	if (streams)
		fprintf(file, "jetstream: {store_dir: \"%s\", max_mem: %d}\n",
			plan->dir, 2 * STREAM_BYTES);
	else
		fprintf(file, "max_pending: %d\n",
			plan->window ? (int)plan->window : MAX_PENDING);
	return fclose(file);
}

/* The port is any that was free; the server writes down which. */
static int
read_url(struct server *server)
{
	char text[1024];
	FILE *file = fopen(server->ports, "re");
	if (!file)
		return -1;
	size_t len = fread(text, 1, sizeof text - 1, file);
	fclose(file);
	text[len] = 0;
	const char *url = strstr(text, "nats://127.0.0.1:");
	if (!url || !strchr(url, '"'))
		return -1;
	snprintf(server->url, sizeof server->url, "%.*s", (int)strcspn(url, "\""), url);
	return 0;
}

static void
nats_discard(struct gen_plan *plan)
{
	struct server *server = plan->bus;
	if (server->pid > 0) {
		kill(server->pid, SIGTERM);
		waitpid(server->pid, NULL, 0);
	}
	unlink(server->config);
	unlink(server->ports);
	free(server);
	plan->bus = NULL;
}

static int
prepare(struct gen_plan *plan, int streams)
{
	struct server *server = calloc(1, sizeof *server);
	const char *program = nats_server();
	if (!server || !program) {
		free(server);
		return -1;
	}
	plan->bus = server;
	snprintf(server->config, sizeof server->config, "%s/nats.conf", plan->dir);
	if (write_config(server, plan, streams) < 0) {
		nats_discard(plan);
		return -1;
	}
	fflush(NULL);
	pid_t parent = getpid();
	server->pid = fork();
	if (server->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		int null = open("/dev/null", O_RDWR);
		for (int fd = 0; fd < 3; fd++)
			dup2(null, fd);
		if (getppid() == parent)
			execl(program, "nats-server", "-c", server->config, (char *)NULL);
		_exit(127);
	}
	snprintf(server->ports, sizeof server->ports, "%s/nats-server_%d.ports",
		plan->dir, server->pid);
	for (int ms = 0; ms < START_MS && server->pid > 0; ms++) {
		if (read_url(server) == 0)
			return 0;
		if (waitpid(server->pid, NULL, WNOHANG) == server->pid)
			server->pid = 0;
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	fprintf(stderr, "bench: %s does not start\n", program);
	nats_discard(plan);
	return -1;
}

static int
nats_prepare(struct gen_plan *plan)
{
	return prepare(plan, 0);
}

static int
stream_prepare(struct gen_plan *plan)
{
	return prepare(plan, 1);
}

/* ---- its clients ----------------------------------------------------------------------- */

/* libnats 3.4.1 reads memory that it has freed if messages come while a subscription is
 * destroyed. The process ends now, and with it the connection. */
static void
nats_side_close(struct gen_side *side)
{
	free(side);
}

/* The readers of a process share a connection, as its documentation wants it. */
static natsStatus
connect_to(const struct server *server, natsConnection **connection)
{
	static natsConnection *shared;
	natsOptions *options = NULL;
	*connection = shared;
	if (shared)
		return NATS_OK;
	natsStatus s = natsOptions_Create(&options);
	if (s == NATS_OK)
		s = natsOptions_SetURL(options, server->url);
	/* Whom the server has put out is out. */
	if (s == NATS_OK)
		s = natsOptions_SetAllowReconnect(options, false);
	if (s == NATS_OK)
		s = natsConnection_Connect(&shared, options);
	natsOptions_Destroy(options);
	*connection = shared;
	return s;
}

static struct gen_side *
side_of(const struct gen_plan *plan, natsStatus (*begin)(struct gen_side *, int in),
	int in, char *why, size_t size)
{
	struct gen_side *side = calloc(1, sizeof *side + plan->size);
	if (!side)
		return NULL;
	side->size = plan->size;
	natsStatus s = connect_to(plan->bus, &side->connection);
	if (s == NATS_OK)
		s = begin(side, in);
	/* What was flushed has arrived at the server. */
	if (s == NATS_OK)
		s = natsConnection_Flush(side->connection);
	if (s == NATS_OK)
		return side;
	snprintf(why, size, "%s", natsStatus_GetText(s));
	nats_side_close(side);
	return NULL;
}

static natsStatus
begin_core(struct gen_side *side, int in)
{
	return in < 0
		? NATS_OK
		: natsConnection_SubscribeSync(&side->in, side->connection, "bench");
}

static struct gen_side *
nats_open(const struct gen_plan *plan, int out, int in, char *why, size_t size)
{
	(void)out;
	return side_of(plan, begin_core, in, why, size);
}

static void *
nats_claim(struct gen_side *side)
{
	return side->data;
}

static int
nats_commit(struct gen_side *side)
{
	return natsConnection_Publish(side->connection, "bench", side->data,
		       (int)side->size) == NATS_OK
		? 0
		: -1;
}

/* Where a message lies in its stream is the fourth from the end of what it would be acknowledged
 * to, $JS.ACK.<stream>.<consumer>.<delivered>.<in stream>.<to consumer>.<time>.<pending>. */
static uint64_t
number_of(const natsMsg *msg)
{
	const char *reply = natsMsg_GetReply(msg);
	const char *at = reply ? reply + strlen(reply) : NULL;
	for (int dots = 0; at && at > reply && dots < 4;)
		dots += *--at == '.';
	return at && *at == '.' ? strtoull(at + 1, NULL, 10) : 0;
}

static void
count_gap(struct gen_side *side, const natsMsg *msg)
{
	uint64_t number = number_of(msg);
	if (number && side->last && number > side->last + 1)
		side->gaps += number - side->last - 1;
	side->last = number ? number : side->last;
}

/* Being told once that messages were dropped is no end. */
static int
take_one(struct gen_side *side, int wait_ms, gen_read_fn fn, void *ctx)
{
	natsMsg *msg = NULL;
	natsStatus s = natsSubscription_NextMsg(&msg, side->in, wait_ms);
	if (s == NATS_TIMEOUT || s == NATS_SLOW_CONSUMER)
		return 0;
	if (s != NATS_OK)
		return -1;
	if (side->stream)
		count_gap(side, msg);
	fn(ctx, natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg));
	natsMsg_Destroy(msg);
	return 1;
}

static int
nats_drain(struct gen_side *side, gen_read_fn fn, void *ctx)
{
	return take_one(side, TURN_MS, fn, ctx);
}

static int
nats_drain_now(struct gen_side *side, gen_read_fn fn, void *ctx)
{
	int count = 0, got = 1;
	while (got > 0 && count < DRAIN_MAX) {
		got = take_one(side, 0, fn, ctx);
		count += got > 0;
	}
	return got < 0 ? got : count;
}

/* What the client dropped; what the server did not send, nobody counts. */
static uint64_t
nats_told(struct gen_side *side)
{
	int64_t dropped = 0;
	(void)natsSubscription_GetDropped(side->in, &dropped);
	return (uint64_t)dropped;
}

/* ---- streams --------------------------------------------------------------------------- */

static natsStatus
make_stream(struct gen_side *side)
{
	static const char *subjects[] = {"bench"};
	jsStreamConfig config;
	jsErrCode error = 0;
	natsStatus s = jsStreamConfig_Init(&config);
	config.Name = "BENCH";
	config.Subjects = subjects;
	config.SubjectsLen = 1;
	config.Storage = js_MemoryStorage;
	config.MaxBytes = STREAM_BYTES;
	return s == NATS_OK ? js_AddStream(NULL, side->stream, &config, NULL, &error) : s;
}

/* The server sends on as the reader has read (flow control), and nobody acknowledges. */
static natsStatus
subscribe_to_stream(struct gen_side *side)
{
	jsSubOptions options;
	jsErrCode error = 0;
	natsStatus s = jsSubOptions_Init(&options);
	options.Stream = "BENCH";
	options.Config.DeliverPolicy = js_DeliverNew;
	options.Config.AckPolicy = js_AckNone;
	options.Config.FlowControl = true;
	options.Config.Heartbeat = INT64_C(5000000000);
	return s == NATS_OK ? js_SubscribeSync(&side->in, side->stream, "bench", NULL,
				      &options, &error)
			    : s;
}

static natsStatus
begin_stream(struct gen_side *side, int in)
{
	jsOptions options;
	natsStatus s = jsOptions_Init(&options);
	options.PublishAsync.MaxPending = STREAM_PENDING;
	options.PublishAsync.StallWait = STREAM_WAIT_MS;
	if (s == NATS_OK)
		s = natsConnection_JetStream(&side->stream, side->connection, &options);
	if (s != NATS_OK)
		return s;
	return in < 0 ? make_stream(side) : subscribe_to_stream(side);
}

static struct gen_side *
stream_open(const struct gen_plan *plan, int out, int in, char *why, size_t size)
{
	(void)out;
	return side_of(plan, begin_stream, in, why, size);
}

static int
stream_commit(struct gen_side *side)
{
	return js_PublishAsync(side->stream, "bench", side->data, (int)side->size,
		       NULL) == NATS_OK
		? 0
		: -1;
}

static uint64_t
stream_told(struct gen_side *side)
{
	return side->gaps;
}

const struct gen_bus nats_core = {.name = "nats",
	.settings =
		"nats-server on the loopback device, max_pending as large as Weir's window "
		"before a slow client is put out, a connection to each process, libnats "
		"with its defaults",
	.idle = GEN_PARK,
	.prepare = nats_prepare,
	.discard = nats_discard,
	.open = nats_open,
	.claim = nats_claim,
	.commit = nats_commit,
	.drain = nats_drain,
	.drain_now = nats_drain_now,
	.told = nats_told,
	.close = nats_side_close};

const struct gen_bus nats_jetstream = {.name = "jetstream",
	.settings =
		"nats-server on the loopback device, a stream of 256 MiB in its memory, "
		"js_PublishAsync with 4096 not yet acknowledged, push consumers with flow "
		"control and without acknowledgements, a connection to each process",
	.idle = GEN_PARK,
	.prepare = stream_prepare,
	.discard = nats_discard,
	.open = stream_open,
	.claim = nats_claim,
	.commit = stream_commit,
	.drain = nats_drain,
	.drain_now = nats_drain_now,
	.told = stream_told,
	.close = nats_side_close};
