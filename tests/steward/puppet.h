/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A process of a test that does with a bus what it is told, line by line, and answers each
 * line with one: what a test needs where it matters who does a thing, and when.
 *
 *	struct wr_proc p;
 *	puppet_start(&p, "open 0 bus");
 *	puppet_ok(&p, "pub 0 0 imu max=4096");
 *	CHECK_EQ(puppet_number(&p, "send 0 100"), 100);
 *	CHECK_STR(puppet_ask(&p, "recv 0 100"), "100 in order");
 *
 * Handles are numbers that the test gives. What a call refuses is answered by the name of
 * the error, "AGAIN_FULL". The commands:
 *
 *	open B NAME [nothread] [node=] [group=] [users=] [dir=] [attach=] [close=]
 *	close B                              its exit code
 *	pub P B TOPIC [max=] [window=] [wait=] [type=] [hash=] [readers=] [keep=]
 *	sub S B PATTERN [type=] [hash=] [writers=] [holds=] [from=] [count=] [of=] [whole]
 *	    [gaps]
 *	                                     from: enum weir_from, as a number
 *	                                     whole: every stream has to begin with 0
 *	                                     gaps: what is left out is counted, not wrong
 *	unpub P, unsub S
 *	send P N                             N messages, numbered on; how many in all
 *	flood P                              until the next line comes; how many in all
 *	claim P I, commit P I, abort P I     claim number I; the message's number
 *	wait P N MS                          weir_wait_subscribers
 *	subs P, pubs S                       how many
 *	recv S N                             reads N messages: "N in order", or what is wrong
 *	first S                              the number of the first message that came
 *	drain S                              reads until END: "N in order"
 *	ends S N                             until N streams have ended
 *	churn S B PATTERN N [floods=]        joins and leaves N times beside floods
 *	burst B TOPIC N M                    N streams after each other, M messages each
 *	pubs-of B TOPIC N, tell-all B        N publishers TOPIC.0, ...; one message of each
 *	hear S N                             N such messages: "N heard"
 *	turn B MS                            weir_turn
 *	pending B                            "N names"
 *	event B [KIND]                       waits for one: "KIND code pid uid node topic"
 *	events B                             how many are there now; takes them
 *	stats P, seen S                      counters
 *	moves P                              how often it has moved to a fresh region
 *	why (b|p|s) N                        "NAME|text|where|differs|hint"
 *	become UID GID                       gives up being root
 *	spare N                              leaves itself room for N descriptors more
 *	fds, maps                            how many the process has
 *
 * Messages carry their publisher's number for them, so that a reader knows what is next.
 */
#ifndef WR_TESTS_STEWARD_PUPPET_H
#define WR_TESTS_STEWARD_PUPPET_H

#include "tests/lib/proc.h"

/* Starts one and, unless the line is NULL, has it do that: "ok" is expected. */
void puppet_start(struct wr_proc *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Says a line; returns the answer, valid until eight more have come. */
const char *puppet_ask(struct wr_proc *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The answer has to be "ok": else the test ends. */
void puppet_ok(struct wr_proc *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The number that the answer begins with. */
long long puppet_number(struct wr_proc *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Says a line without waiting; puppet_hear takes the answer later. */
void puppet_tell(struct wr_proc *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
const char *puppet_hear(struct wr_proc *p);

/* Ends it in order: closes what is open, and expects exit code 0. */
void puppet_end(struct wr_proc *p);

#endif
