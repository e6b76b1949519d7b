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

enum { START_MS = 5000, TURN_MS = 1000, MAX_PENDING = 16 << 20 };

/* The server of one run. */
struct server {
	pid_t pid;
	char config[200], ports[200]; /* files */
	char url[64];
};

struct gen_side {
	natsConnection *connection;
	natsSubscription *in;
	size_t size;
	char data[]; /* publishing copies it */
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
write_config(const struct server *server, const char *dir)
{
	FILE *file = fopen(server->config, "we");
	if (!file)
		return -1;
	fprintf(file,
		"listen: \"127.0.0.1:-1\"\nports_file_dir: \"%s\"\nmax_pending: %d\n",
		dir, MAX_PENDING);
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
nats_prepare(struct gen_plan *plan)
{
	struct server *server = calloc(1, sizeof *server);
	const char *program = nats_server();
	if (!server || !program) {
		free(server);
		return -1;
	}
	plan->bus = server;
	snprintf(server->config, sizeof server->config, "%s/nats.conf", plan->dir);
	if (write_config(server, plan->dir) < 0) {
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

/* ---- its clients ----------------------------------------------------------------------- */

/* libnats 3.4.1 reads memory that it has freed if messages come while a subscription is
 * destroyed. The process ends now, and with it the connection. */
static void
nats_side_close(struct gen_side *side)
{
	free(side);
}

static struct gen_side *
nats_open(const struct gen_plan *plan, int out, int in, char *why, size_t size)
{
	const struct server *server = plan->bus;
	struct gen_side *side = calloc(1, sizeof *side + plan->size);
	natsOptions *options = NULL;
	(void)out;
	if (!side)
		return NULL;
	side->size = plan->size;
	natsStatus s = natsOptions_Create(&options);
	if (s == NATS_OK)
		s = natsOptions_SetURL(options, server->url);
	/* Whom the server has put out is out. */
	if (s == NATS_OK)
		s = natsOptions_SetAllowReconnect(options, false);
	if (s == NATS_OK)
		s = natsConnection_Connect(&side->connection, options);
	if (s == NATS_OK && in >= 0)
		s = natsConnection_SubscribeSync(&side->in, side->connection, "bench");
	/* What was flushed has arrived at the server. */
	if (s == NATS_OK)
		s = natsConnection_Flush(side->connection);
	natsOptions_Destroy(options);
	if (s == NATS_OK)
		return side;
	snprintf(why, size, "%s", natsStatus_GetText(s));
	nats_side_close(side);
	return NULL;
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

/* Being told once that messages were dropped is no end. */
static int
nats_drain(struct gen_side *side, gen_read_fn fn, void *ctx)
{
	natsMsg *msg = NULL;
	natsStatus s = natsSubscription_NextMsg(&msg, side->in, TURN_MS);
	if (s == NATS_TIMEOUT || s == NATS_SLOW_CONSUMER)
		return 0;
	if (s != NATS_OK)
		return -1;
	fn(ctx, natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg));
	natsMsg_Destroy(msg);
	return 1;
}

const struct gen_bus nats_core = {.name = "nats",
	.settings = "nats-server on the loopback device, max_pending 16 MiB (what Weir's window "
		    "is) before a slow client is put out, libnats with its defaults",
	.idle = GEN_PARK,
	.prepare = nats_prepare,
	.discard = nats_discard,
	.open = nats_open,
	.claim = nats_claim,
	.commit = nats_commit,
	.drain = nats_drain,
	.close = nats_side_close};
