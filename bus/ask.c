/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The asking side of include/weir/control.h: a connection of its own for each request, so
 * that an answer belongs to its question and a look goes on undisturbed.
 */
#include <weir/control.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bus/look.h"
#include "bus/node.h"
#include "bus/os/clock.h"
#include "bus/os/sched.h"
#include "bus/rundir.h"
#include "bus/topic.h"

enum {
	GRACE_MS = 100 /* for the way of an answer that was given in the last moment */
};

static void
say(char *text, size_t size, const char *why)
{
	if (size > 0)
		(void)snprintf(text, size, "%s", why);
}

/* True if the kernel says that the process is stopped. */
static bool
is_stopped(int pid)
{
	char state = wr_sched_state((uint32_t)pid, (uint32_t)pid);

	return state == 'T' || state == 't';
}

static int
timed_out(int pid, char *text, size_t size)
{
	char why[160];

	(void)snprintf(why, sizeof(why),
		"process %d %s: nothing has been changed, and the request has expired: it "
		"is not carried out later",
		pid, is_stopped(pid) ? "is stopped" : "does not answer");
	say(text, size, why);
	return -WEIR_E_AGAIN_TIMEOUT;
}

/* Waits for the answer to that question. 0, or < 0 with the text filled. */
static int
await_answer(int fd, int pid, uint64_t token, uint64_t until_ns, struct wr_wire *msg,
	char *text, size_t size)
{
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		uint64_t now_ns = wr_now_ns();
		int fds[WR_WIRE_FDS];
		int rc;

		if (now_ns >= until_ns)
			return timed_out(pid, text, size);
		if (poll(&p, 1, (int)((until_ns - now_ns) / 1000000) + 1) <= 0)
			continue;
		rc = wr_wire_recv(fd, msg, fds);
		if (rc == -WEIR_E_GONE_END) {
			say(text, size,
				"it hung up: it has ended, or its library knows no "
				"requests");
			return kill(pid, 0) == 0 || errno == EPERM ? -WEIR_E_ENV_VERSION
								   : -WEIR_E_PEER_DIED;
		}
		if (rc < 0) {
			say(text, size, weir_err_text(-rc));
			return rc;
		}
		for (int i = 0; rc > 0 && i < wr_wire_fds(msg->kind); i++)
			close(fds[i]);
		if (rc > 0 && msg->kind == WR_WIRE_ANSWER && msg->stream == token)
			return 0;
	}
}

static int
converse(int fd, int pid, struct wr_wire *msg, int timeout_ms, char *text, size_t size)
{
	uint64_t now_ns = wr_now_ns();
	uint64_t token = wr_node_random();
	int rc;

	msg->magic = WR_WIRE_MAGIC;
	msg->layout = WR_LAYOUT;
	msg->kind = WR_WIRE_ASK;
	msg->stream = token;
	msg->count[0] = now_ns + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * 1000000;
	rc = wr_wire_send(fd, msg, NULL);
	if (rc < 0) {
		say(text, size, weir_err_text(-rc));
		return rc;
	}
	rc = await_answer(
		fd, pid, token, msg->count[0] + GRACE_MS * 1000000ull, msg, text, size);
	if (rc < 0)
		return rc;
	say(text, size, msg->name);
	return -(int)(msg->code & 0xffff);
}

static int
ask(weir_look *look, uint64_t node, struct wr_wire *msg, uint32_t *pid, int timeout_ms,
	char *text, size_t size)
{
	struct wr_creds creds = {0};
	int fd, rc;

	rc = look->within ? -WEIR_E_USAGE_STATE
			  : wr_rundir_connect(look->dirfd, node, &fd);
	if (rc < 0) {
		say(text, size,
			rc == -WEIR_E_PEER_DIED ? "there is no such process any more"
						: weir_err_text(-rc));
		return rc == -WEIR_E_PEER_DIED ? -WEIR_E_ENV_NOTFOUND : rc;
	}
	(void)wr_peer_creds(fd, &creds);
	*pid = (uint32_t)creds.pid;
	rc = converse(fd, creds.pid, msg, timeout_ms, text, size);
	close(fd);
	return rc;
}

int
weir_control_ask(weir_look *look, uint64_t node, uint64_t subscription,
	weir_control *control, int timeout_ms)
{
	struct wr_wire msg = {.sub = subscription};
	int rc;

	if (!look || !control)
		return -WEIR_E_USAGE_INVAL;
	if (control->size != sizeof(*control))
		return -WEIR_E_USAGE_SIZE;
	if (control->verb < WEIR_CONTROL_SET || control->verb > WEIR_CONTROL_KICK)
		return -WEIR_E_USAGE_INVAL;
	msg.code = control->verb;
	msg.gates = control->what;
	msg.window = control->weight;
	msg.seg_bytes = control->batch;
	msg.count[1] = control->poll_ns;
	rc = ask(look, node, &msg, &control->pid, timeout_ms, control->text,
		sizeof(control->text));
	if (rc < 0)
		return rc;
	control->skipped = msg.count[0];
	control->poll_ns = msg.count[1];
	control->weight = (uint32_t)msg.window;
	control->batch = msg.seg_bytes;
	return 0;
}

int
weir_control_command(weir_look *look, uint64_t node, const char *name,
	const char *argument, char *answer, size_t size, int timeout_ms)
{
	struct wr_wire msg = {.code = WR_ASK_COMMAND};
	uint32_t pid;

	if (!look || (!answer && size > 0))
		return -WEIR_E_USAGE_INVAL;
	if (!name || wr_name_check(name) < 0 ||
		(argument && strlen(argument) >= WR_NAME_BYTES))
		return -WEIR_E_USAGE_NAME;
	wr_name_copy(msg.name, name);
	wr_name_copy(msg.topic, argument ? argument : "");
	return ask(look, node, &msg, &pid, timeout_ms, answer, size);
}
