/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tools/watch.h"

#include <stdlib.h>

#include "tools/text.h"
#include "tools/tool.h"

enum {
	REFRESH_MS = 500, /* how soon a new publisher is noticed */
	SILENT_MS = 50, /* how long a process that does not answer keeps us from reading */
	PAUSE_NS = 1000000
};

/* The buffer takes the largest message that any stream may send: what does not fit would
 * be passed. */
static int
make_room(struct watch *w)
{
	uint64_t largest = 0;
	size_t found = 0;
	for (size_t i = 0; i < w->look.stream_count; i++) {
		const weir_look_stream *stream = &w->look.streams[i];
		if (!text_topic_matches(w->pattern, stream->topic))
			continue;
		found++;
		if (stream->max_message > largest)
			largest = stream->max_message;
	}
	if (!found && !w->told++)
		tool_say("nobody publishes '%s' on bus '%s' yet", w->pattern, w->look.bus);
	if (!w->content || largest <= w->size)
		return 0;
	char *larger = realloc(w->buf, (size_t)largest);
	if (!larger) {
		tool_complain("not enough memory for messages of %s",
			text_bytes((double)largest).s);
		return TOOL_MEMORY;
	}
	w->buf = larger;
	w->size = (size_t)largest;
	return 0;
}

static int
refresh(struct watch *w, uint64_t now)
{
	w->refresh_ns = now + (uint64_t)REFRESH_MS * 1000000;
	int rc = look_peers(&w->look, SILENT_MS);
	return rc ? rc : make_room(w);
}

int
watch_open(struct watch *w, const char *pattern, int content, int from_oldest)
{
	*w = (struct watch){.pattern = pattern, .content = content, .pause_ns = PAUSE_NS};
	int rc = look_open(&w->look, tool_bus(), 0);
	if (rc)
		return rc;
	rc = weir_look_follow(w->look.handle, pattern, from_oldest);
	if (rc < 0)
		return tool_fail_code(rc, pattern);
	w->refresh_ns = weir_now_ns() + (uint64_t)REFRESH_MS * 1000000;
	return make_room(w);
}

void
watch_close(struct watch *w)
{
	look_close(&w->look);
	free(w->buf);
	w->buf = NULL;
}

enum watch_answer
watch_next(struct watch *w, weir_msg *msg, uint64_t until_ns)
{
	char none[1] = {0}; /* where only lengths and times are wanted */
	for (;;) {
		char *to = w->buf ? w->buf : none;
		int rc = weir_look_next(w->look.handle, to, w->size, msg);
		if (rc >= 0 || rc == -WEIR_E_DATA_TRUNC)
			return WATCH_ONE;
		if (rc == -WEIR_E_GONE_END)
			continue;
		if (rc != -WEIR_E_AGAIN_EMPTY) {
			tool_fail_code(rc, "reading a stream");
			return WATCH_ERROR;
		}
		uint64_t now = weir_now_ns();
		if (now >= w->refresh_ns) {
			if (refresh(w, now))
				return WATCH_ERROR;
			continue;
		}
		uint64_t pause = now + w->pause_ns;
		if (tool_wait(-1, pause < until_ns ? pause : until_ns) < 0)
			return WATCH_SIGNAL;
		if (now >= until_ns)
			return WATCH_LATER;
	}
}
