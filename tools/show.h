/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Messages and events as sub and topic echo print them. */
#ifndef TOOLS_SHOW_H
#define TOOLS_SHOW_H

#include <weir/weir.h>

#include "tools/opt.h"

enum show_mode { SHOW_TEXT = 0, SHOW_RAW, SHOW_HEX };

struct show {
	int mode;
	int with_topic; /* text and hex lines begin with the topic */
};

/*
 * One message on stdout: with -o json or jsonl as an object on a line; raw as its bytes
 * and nothing else; hex as a line of digits; text as itself and a newline, with bytes
 * that are not UTF-8 or could steer a terminal written \xNN.
 */
void show_message(const struct show *show, const weir_msg *msg);

/* Why messages were lost, as far as that is known. */
struct show_losses {
	uint64_t behind, conflated, expired, gone;
};
/* " (2 left behind, 1 expired)", or "" where nothing is known. */
void show_reasons(const struct show_losses *losses, char *to, size_t size);

/* What a verb that shows messages says on stderr when msg->lost or its first message of a
 * publisher tells that some were not seen. */
void show_loss(const weir_msg *msg, const struct show_losses *losses);

/* One event on stderr. */
void show_event(const weir_event *event);

#endif
