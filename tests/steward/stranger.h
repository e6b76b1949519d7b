/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A stranger talks to a node over its socket as another node would, but says what the test
 * wants: also what no honest node says. It belongs to one test; checks are made in it.
 */
#ifndef WR_TESTS_STEWARD_STRANGER_H
#define WR_TESTS_STEWARD_STRANGER_H

#include "bus/os/region.h"
#include "bus/wire.h"

#include <sys/types.h>

struct stranger {
	int fd;      /* -1: hung up */
	uint64_t id; /* of the node that it says it is */
	int bell;
	struct wr_region words;
	uint64_t node; /* whom it talks to */
};

/* The numbers of the nodes of a bus: how many there are. dir may be NULL. */
int stranger_nodes(const char *dir, const char *bus, uint64_t *nodes, int max);

/* Connects to that node; waits while its queue is full. 0 or -errno. */
int stranger_connect(struct stranger *st, const char *dir, const char *bus, uint64_t node);

/* The same to the only node of the bus "bus". Ends the test if it cannot. */
void stranger_knock(struct stranger *st);

/* Its words, its bell, and the message that introduces it. */
void stranger_words(struct stranger *st);
struct wr_wire stranger_hello(const struct stranger *st);

/* Sends; the descriptors are those that the kind takes. 0 or -errno. */
int stranger_say(struct stranger *st, struct wr_wire msg, const int *fds);

/* Sends any bytes with any descriptors. 0 or -errno. */
int stranger_spit(struct stranger *st, const void *bytes, size_t size, const int *fds,
	int fd_count);

/* Waits for the next message: its kind, its descriptors closed unless fds is given;
 * 0 when the other side has hung up. */
int stranger_hear(struct stranger *st, struct wr_wire *msg, int *fds);

/* Hears until the other side hangs up; how many messages came before. */
int stranger_hear_out(struct stranger *st);

/* Knocks, says hello, hears until SYNC, and wants none of the streams that are announced;
 * how many they were, the last of them in *announced unless that is NULL. */
int stranger_meet(struct stranger *st, struct wr_wire *announced);

/* Lets go of everything, with a word or without. Twice is harmless. */
void stranger_leave(struct stranger *st);
void stranger_vanish(struct stranger *st);

#endif
