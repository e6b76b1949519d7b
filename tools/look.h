/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the verbs that look at a bus share. Looking never attaches. */
#ifndef TOOLS_LOOK_H
#define TOOLS_LOOK_H

#include <weir/look.h>

#include "tools/json.h"

typedef char look_name[WEIR_NAME_MAX + 1];

/* What a stream had claimed at an earlier look, to know its rate. */
struct look_mark {
	uint64_t publisher;
	uint64_t claimed;
};

struct look {
	const char *bus;
	weir_look *handle;
	const weir_look_node *nodes;
	size_t node_count;
	const weir_look_stream *streams;
	size_t stream_count;
	const weir_look_sub *subs;
	size_t sub_count;
	const weir_look_reader *readers; /* by reader_ask */
	size_t reader_count;
	struct look_mark *marks; /* of the look before this one */
	size_t mark_count;
	uint64_t marked_ns;
	uint64_t looked_ns;
};

/* Opens a look and takes the first one. Returns 0, or an exit code after saying why; with
 * may_be_gone it is not said that there is no such bus, and the answer is -1. */
int look_open(struct look *look, const char *bus, int may_be_gone);
void look_close(struct look *look);
/* Asks all processes again, waiting so long for those that are silent. Says nothing: < 0. */
int look_refresh(struct look *look, int silent_ms);
/* The same, and an exit code after saying why. */
int look_peers(struct look *look, int silent_ms);
/* The same, remembering the look before it, so that there are rates. */
int look_again(struct look *look);
/* Waits sample_ms and looks again; 0: does nothing. */
int look_twice(struct look *look, int sample_ms);
/* Claims a second between the last two looks, 0 if unknown. */
double look_rate(const struct look *look, const weir_look_stream *stream);

/* The exit code where nothing was found: TOOL_NOTFOUND, or TOOL_NOBODY after naming those
 * that did not answer, who may have it. */
int look_not_found(const struct look *look);

/* "name[pid]" of a node. */
void look_who(const struct look *look, uint64_t node, uint32_t pid, char *to, size_t size);

/* All buses of the runtime directory, to be freed; how many, or < 0. */
int look_buses(look_name **names);

#endif
