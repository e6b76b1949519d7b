/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What stewards say to each other: fixed-size messages over SOCK_SEQPACKET, at most two
 * descriptors each. Every kind uses the same struct, so there is nothing to parse; what a
 * kind does not use is zero. Whatever does not fit is refused whole, its descriptors
 * closed.
 */
#ifndef WR_BUS_WIRE_H
#define WR_BUS_WIRE_H

#include "bus/audit.h"
#include "bus/terms.h"

#define WR_WIRE_MAGIC 0x52494557u /* "WEIR" */

enum { WR_WIRE_FDS = 2 };

enum wr_wire_kind {
	WR_WIRE_HELLO = 1, /* who I am; fds: my words, the bell that rings me */
	WR_WIRE_SYNC,      /* you have been told of all my streams */
	WR_WIRE_ANNOUNCE,  /* I have this stream */
	WR_WIRE_ANNOUNCED, /* whoever wants it here is admitted to it */
	WR_WIRE_ATTACH,    /* admit my subscription to your stream */
	WR_WIRE_ATTACHED,  /* its row stands; begin at place; fd: the region */
	WR_WIRE_REFUSED,  /* it is not admitted; code says why, as far as it may know */
	WR_WIRE_MAPPED,   /* I have the region */
	WR_WIRE_DETACH,   /* my subscription reads your stream no more */
	WR_WIRE_DETACHED, /* its row is gone; its slot is yours again */
	WR_WIRE_MOVED,    /* my stream goes on in another region; fd: that one. To every
			      subscription of yours that reads it; with a sub, to one
			      that is about to hear ATTACHED */
	WR_WIRE_VERDICT, /* your subscription is not waited for by my stream any more, or
			      is again (gates); over: its stream has ended for it */
	WR_WIRE_ENDED,   /* my stream has ended */
	WR_WIRE_BYE,     /* I leave; everything of mine is ended and detached */
	WR_WIRE_LOOK,    /* I am no node: tell me what there is */
	WR_WIRE_NODE,    /* to a looker: who I am */
	WR_WIRE_STREAM,  /* to a looker: one of my streams */
	WR_WIRE_SUB,     /* to a looker: one of my subscriptions */
	WR_WIRE_DONE,    /* to a looker: that was all */
	WR_WIRE_SHOW, /* from a looker: the region of this stream, please; of none: your
			      words */
	WR_WIRE_SHOWN, /* to a looker; fd: the region */
	WR_WIRE_READERS, /* from a looker: who reads this stream? Answered with its regions,
			      the readers, and DONE */
	WR_WIRE_READER, /* to a looker: one of them */
	WR_WIRE_CALL, /* from a looker: the roster of your loop, please. REFUSED: there is
			      none */
	WR_WIRE_ROSTER, /* to a looker; fd: the roster */
	WR_WIRE_ASK, /* from a looker: do this with a subscription of yours, or this command,
			before count[0]; see include/weir/control.h. code: which */
	WR_WIRE_ANSWER, /* to a looker: what became of it; name says it in words */
	WR_WIRE_KINDS
};

/* The code of an ASK: enum weir_control_verb, or a command of the program; whoever does not know
 * one answers so. */
enum { WR_ASK_COMMAND = 16 };

struct wr_wire {
	uint32_t magic;
	uint16_t layout;
	uint16_t kind;
	uint64_t node;
	uint64_t stream;
	uint64_t sub;
	struct wr_begin begin;
	struct wr_terms terms;
	uint64_t bytes; /* of the region */
	uint64_t window;
	uint64_t type_hash;
	uint64_t count[2];
	struct wr_books books;
	uint32_t seg_bytes;
	uint32_t max_message;
	uint32_t slot; /* of ATTACHED: the seat of the row */
	uint32_t pid;
	uint32_t code;
	uint32_t gates, over;
	uint32_t detached;
	char name[WR_NAME_BYTES];
	char topic[WR_NAME_BYTES];
	char type[WR_NAME_BYTES];
};
_Static_assert(sizeof(struct wr_wire) == 896, "the same on every machine");

/* How many descriptors a kind carries. */
int wr_wire_fds(uint16_t kind);

/*
 * Checks what arrived: size, magic, kind, number of descriptors, ended names, and the
 * bounds of every number that is used as an index or a size. 0, PEER_PROTOCOL, or
 * ENV_VERSION for another layout. msg has size bytes.
 */
int wr_wire_check(const void *bytes, size_t size, int fd_count);

/* Sends one message with its descriptors, which stay the caller's. 0; -AGAIN_FULL if the
 * socket takes no more now; -PEER_DIED. Never waits. */
int wr_wire_send(int fd, const struct wr_wire *msg, const int *fds);

/*
 * Takes one message. 1 and the descriptors are the caller's; 0 nothing now;
 * -GONE_END the other side has closed; -PEER_PROTOCOL, -ENV_VERSION garbage, nothing kept;
 * -ENV_FILES its descriptors could not be taken.
 */
int wr_wire_recv(int fd, struct wr_wire *msg, int fds[WR_WIRE_FDS]);

#endif
