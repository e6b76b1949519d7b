/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Requests to a process on the bus: a consumer of it has other settings, passes over what
 * waits for it, or is disconnected; or a command that the program has a handler for.
 *
 * A request goes to the steward of the process that has the consumer, who checks it and
 * leaves it to the thread whose loop has the consumer: that does it between two polls. It is
 * answered when it is in force. Each request, done or refused, is one event there
 * (WEIR_EV_ASKED) that says who asked.
 *
 * Time: a request carries its own end, by a clock that all processes of a machine share. What
 * has not been begun by then is not done later, neither by a process that was stopped and goes
 * on nor by a loop whose handler returns: who is told AGAIN_TIMEOUT may take it that nothing
 * has changed, unless the process was stopped in the very moment in which it did it.
 *
 * Who may: root and whoever the process runs as; and, for a consumer, whoever its subscription
 * names in .writers. Commands: only root and whoever the process runs as.
 */
#ifndef WEIR_CONTROL_H
#define WEIR_CONTROL_H

#include <weir/look.h>

#ifdef __cplusplus
extern "C" {
#endif

enum weir_control_verb {
	WEIR_CONTROL_SET = 1, /* other settings, see .what */
	WEIR_CONTROL_SKIP, /* what waits now is passed over: lost_behind, and the next message
			      says how many (.lost) */
	WEIR_CONTROL_KICK /* off all streams for good; its calls answer GONE_EVICTED. What it
			      holds stays until it lets go of it */
};

/* Bits of .what: these settings, and no others. */
enum weir_control_what {
	WEIR_CONTROL_WEIGHT = 1,
	WEIR_CONTROL_POLL = 2,
	WEIR_CONTROL_BATCH = 4
};

typedef struct weir_control {
	size_t size;
	uint32_t verb;   /* enum weir_control_verb */
	uint32_t what;   /* of WEIR_CONTROL_SET: enum weir_control_what, together */
	uint32_t weight; /* 1 to 64 */
	uint32_t batch;  /* messages that a poll hands on at most, 1 to 64 */
	uint64_t poll_ns; /* how long a poll hands messages on, 0: no limit; up to 10 s */
	/* answers: of WEIR_CONTROL_SET the three above are what is in force now */
	uint64_t skipped; /* of WEIR_CONTROL_SKIP: messages that were passed over */
	uint32_t pid;     /* of the process that was asked */
	char text[256];   /* for people: what was done, or why not */
} weir_control;

/*
 * Asks the process of `node` for something about its subscription (weir_look_consumer has
 * both). Waits at most timeout_ms, and a tenth of a second for the answer's way.
 * 0: it is in force. Else nothing has changed: ENV_DENIED, ENV_NOTFOUND (no such process or
 * subscription), AGAIN_QUOTA (the round has no room for the weight; the text says how much is
 * left), AGAIN_FULL (too many requests at once), AGAIN_TIMEOUT (the text says whether the
 * process is stopped or its loop does not get to it), USAGE_STATE (a pulled subscription has
 * no turns), USAGE_INVAL, USAGE_SIZE, GONE_CLOSED, PEER_DIED, ENV_VERSION (its library knows
 * no requests). The look's thread; control stays the caller's.
 */
int weir_control_ask(weir_look *look, uint64_t node, uint64_t subscription,
	weir_control *control, int timeout_ms);

/*
 * Asks a process for a command. answer (may be NULL if size is 0) takes what its handler
 * wrote, or why it was not called; it is always ended. 0 or what the handler returned;
 * ENV_NOTFOUND (no such process or command), ENV_DENIED, AGAIN_TIMEOUT, USAGE_NAME, PEER_DIED,
 * ENV_VERSION. The look's thread.
 */
int weir_control_command(weir_look *look, uint64_t node, const char *name,
	const char *argument, char *answer, size_t size, int timeout_ms);

/*
 * Does a command. Called on the steward's thread (with WEIR_BUS_NO_THREAD on whoever turns the
 * bus), also while the program's own threads are stuck, and with the steward's lock held: it
 * may call nothing of Weir and wait for nothing; it sets a flag and returns. argument is ended
 * and comes from outside; answer takes up to size bytes for people. Returns 0 or -WEIR_E_....
 */
typedef int (*weir_command_fn)(void *ctx, const char *argument, char *answer, size_t size);

/*
 * From here on `name` is a command of this process; NULL for fn: no more, and when that
 * returns fn is not running. The bus's thread; allocates. 0; USAGE_NAME, AGAIN_QUOTA (16
 * commands), ENV_MEMORY. On a bus within the process nobody can ask for it.
 */
int weir_on_command(weir_bus *bus, const char *name, weir_command_fn fn, void *ctx);

#ifdef __cplusplus
}
#endif
#endif
