/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tools/look.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/tool.h"

enum {
	SILENT_MS = 300 /* how long a process that does not answer is waited for */
};

int
look_refresh(struct look *look, int silent_ms)
{
	int rc = weir_look_refresh(look->handle, silent_ms);
	if (rc < 0)
		return rc;
	look->looked_ns = weir_now_ns();
	look->nodes = weir_look_nodes(look->handle, &look->node_count);
	look->streams = weir_look_streams(look->handle, &look->stream_count);
	look->subs = weir_look_subs(look->handle, &look->sub_count);
	return 0;
}

int
look_peers(struct look *look, int silent_ms)
{
	int rc = look_refresh(look, silent_ms);
	return rc < 0 ? tool_fail_code(rc, "looking at the bus") : 0;
}

int
look_open(struct look *look, const char *bus, int may_be_gone)
{
	weir_error err = {0};
	*look = (struct look){.bus = bus};
	look->handle = weir_look_open(bus, tool.dir, &err);
	if (!look->handle && may_be_gone && err.code == WEIR_E_ENV_NOTFOUND)
		return -1;
	if (!look->handle)
		return tool_fail(&err);
	tool_catch(NULL);
	return look_peers(look, tool_timeout(SILENT_MS));
}

void
look_close(struct look *look)
{
	free(look->marks);
	look->marks = NULL;
	if (look->handle)
		weir_look_close(look->handle);
	look->handle = NULL;
}

int
look_again(struct look *look)
{
	free(look->marks);
	look->marks = calloc(look->stream_count + 1, sizeof(*look->marks));
	look->mark_count = look->marks ? look->stream_count : 0;
	for (size_t i = 0; i < look->mark_count; i++) {
		look->marks[i].publisher = look->streams[i].publisher;
		look->marks[i].claimed = look->streams[i].claimed;
	}
	look->marked_ns = look->looked_ns;
	return look_peers(look, tool_timeout(SILENT_MS));
}

int
look_twice(struct look *look, int sample_ms)
{
	if (!sample_ms || !look->stream_count)
		return 0;
	if (tool_wait(-1, weir_now_ns() + (uint64_t)sample_ms * 1000000) < 0)
		return TOOL_INTERRUPTED;
	return look_again(look);
}

double
look_rate(const struct look *look, const weir_look_stream *stream)
{
	double seconds = (double)(look->looked_ns - look->marked_ns) / 1e9;
	for (size_t i = 0; i < look->mark_count; i++) {
		const struct look_mark *mark = &look->marks[i];
		if (mark->publisher == stream->publisher && seconds > 0)
			return (double)(stream->claimed - mark->claimed) / seconds;
	}
	return 0;
}

int
look_not_found(const struct look *look)
{
	int rc = TOOL_NOTFOUND;
	for (size_t i = 0; i < look->node_count; i++) {
		const weir_look_node *node = &look->nodes[i];
		if (!node->silent)
			continue;
		tool_complain("process %" PRIu32
			      " does not answer (stopped?), and may have it",
			node->pid);
		rc = TOOL_NOBODY;
	}
	return rc;
}

void
look_who(const struct look *look, uint64_t node, uint32_t pid, char *to, size_t size)
{
	const char *name = "?";
	for (size_t i = 0; i < look->node_count; i++) {
		if (look->nodes[i].node == node)
			name = look->nodes[i].name;
	}
	snprintf(to, size, "%s[%" PRIu32 "]", name, pid);
}

int
look_buses(look_name **names)
{
	int count = weir_look_buses(tool.dir, NULL, 0);
	*names = NULL;
	if (count <= 0)
		return count;
	*names = calloc((size_t)count, sizeof(**names));
	if (!*names)
		return -WEIR_E_ENV_MEMORY;
	/* Buses come and go between the two calls. */
	int again = weir_look_buses(tool.dir, *names, (size_t)count);
	return again < count ? again : count;
}
