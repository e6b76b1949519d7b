/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Processes of a test: a helper of the test program (test.h), started with a pipe each way
 * to talk by lines. They die with the thread that started them, and with the test.
 *
 *	struct wr_proc p;
 *	wr_proc_start(&p, "reader", "topic", "8", NULL);
 *	wr_proc_expect(&p, "ready");            REQUIREs this line
 *	wr_proc_say(&p, "go %d", 1000);
 *	wr_proc_stop(&p);  wr_proc_continue(&p);
 *	CHECK_EQ(wr_proc_wait(&p), 0);
 *
 * In the helper, the pipes are stdin and stdout:
 *	wr_helper_say("ready");  wr_helper_hear(line, sizeof(line));
 * Nothing here waits with a deadline: the watchdog of the test is the deadline.
 */
#ifndef WR_TESTS_LIB_PROC_H
#define WR_TESTS_LIB_PROC_H

#include <stddef.h>
#include <sys/types.h>

struct wr_proc {
	pid_t pid;  /* 0: not running any more */
	int in;     /* we write, its stdin */
	int out;    /* we read, its stdout */
	int status; /* as wr_proc_wait returned it */
	size_t have;
	char buf[4096];
};

/* Starts the helper; the arguments end with NULL. Fails the test if it cannot. */
void wr_proc_start(struct wr_proc *p, const char *helper, ...) __attribute__((sentinel));
void wr_proc_start_v(struct wr_proc *p, const char *helper, char *const *args);

/* Starts any program: argv[0] is its path. */
void wr_proc_exec(struct wr_proc *p, char *const *argv);

/* Writes a line to it; 0, or -errno (EPIPE when it is gone; no signal). */
int wr_proc_say(struct wr_proc *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Reads its next line, without the newline: its length, -1 when it has closed. */
int wr_proc_hear(struct wr_proc *p, char *line, size_t size);

/* Reads its next line and REQUIREs it to be this one. */
void wr_proc_expect(struct wr_proc *p, const char *line);

/* Ends its stdin, for helpers that read until then. */
void wr_proc_hush(struct wr_proc *p);

void wr_proc_signal(struct wr_proc *p, int sig);

/* SIGSTOP; returns when it has stopped (all its threads), 0 if it is dead instead. */
int wr_proc_stop(struct wr_proc *p);
void wr_proc_continue(struct wr_proc *p);

/* SIGKILL; returns when it is dead. */
void wr_proc_kill(struct wr_proc *p);

/* Waits for its end: the exit code, or 128 + the signal. Closes the pipes. */
int wr_proc_wait(struct wr_proc *p);

/* The helper's side. */
void wr_helper_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int wr_helper_hear(char *line, size_t size);

#endif
