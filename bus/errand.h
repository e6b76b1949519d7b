/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What others ask of our subscriptions (include/weir/control.h). The steward checks who asks
 * and for what, and puts the errand into the box of the subscription, whose thread takes it
 * between two polls; nothing of the subscription is touched from the steward's thread.
 *
 * An errand has an end. What lies in the box then is taken out and refused; what was taken is
 * looked at once more before it is done. So an errand is done in time or not at all, however
 * long its process or its loop stood still.
 *
 * Each one ends with an answer and one event, in wr_errand_answer.
 */
#ifndef WR_BUS_ERRAND_H
#define WR_BUS_ERRAND_H

#include <weir/control.h>

#include "bus/peer.h"

enum { WR_ERRANDS_MAX = 64, WR_COMMANDS_MAX = 16 };

struct wr_errand {
	struct wr_errand *next; /* in the box, or in the hands of who took it */
	struct wr_errand *all;  /* of the node, under its lock */
	struct wr_subscription *sub;
	struct wr_peer *looker; /* NULL: it has hung up; under the lock */
	uint64_t token;         /* the looker's own number for it */
	uint64_t expires_ns;
	struct wr_creds creds;
	struct weir_control control; /* as asked; and what is in force, when it is answered */
};

struct wr_command {
	struct wr_command *next;
	weir_command_fn fn;
	void *ctx;
	char name[WR_NAME_BYTES];
};

/* A looker has asked (WR_WIRE_ASK). Whatever is wrong with it is answered; a peer that asks is
 * no worse than one that does not. With the node's lock held. */
void wr_errand_hear(
	struct wr_node *node, struct wr_peer *looker, const struct wr_wire *msg);

/* The looker has hung up. With the lock held. */
void wr_errand_orphan(struct wr_node *node, const struct wr_peer *looker);

/* Refuses those whose time is over; returns in how many milliseconds the next one's is, at
 * most next_ms. With the lock held. */
int wr_errand_tend(struct wr_node *node, int next_ms);

/* What lies in the box goes to the end of that list. With the lock of the inbox held. */
void wr_errand_move(struct wr_subscription *sub, struct wr_errand **to);

/* True if there is still time to do it. Any thread. */
bool wr_errand_is_due(const struct wr_errand *errand);

/* It is done (code 0) or refused (positive WEIR_E_...), and gone; control.text says more. Without
 * the lock. */
void wr_errand_answer(struct wr_node *node, struct wr_errand *errand, int code);

/* The subscription closes: whoever asked for these is told so. Its thread, without the lock. */
void wr_errand_refuse_all(struct wr_node *node, struct wr_errand *errand);

/* 0; USAGE_NAME, AGAIN_QUOTA, ENV_MEMORY. Without the lock. */
int wr_command_set(struct wr_node *node, const char *name, weir_command_fn fn, void *ctx);

/* All of them, when the node ends. */
void wr_command_drop_all(struct wr_node *node);

#endif
