/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tools/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/tool.h"

int
lines_init(struct lines *l, int fd, size_t max)
{
	*l = (struct lines){.fd = fd, .max = max, .buf = malloc(2 * max)};
	return l->buf ? 0 : -1;
}

void
lines_fini(struct lines *l)
{
	free(l->buf);
	l->buf = NULL;
}

/* Length of a line that is complete in the buffer, 0 if there is none. */
static size_t
complete(struct lines *l)
{
	const char *from = l->buf + l->at;
	const char *newline = memchr(from + l->scanned, '\n', l->have - l->scanned);
	if (newline && (size_t)(newline - from) < l->max)
		return (size_t)(newline - from) + 1;
	if (l->have >= l->max)
		return l->max;
	l->scanned = l->have;
	return l->ended ? l->have : 0;
}

static ssize_t
fill(struct lines *l)
{
	if (l->at + l->have == 2 * l->max) {
		memmove(l->buf, l->buf + l->at, l->have);
		l->at = 0;
	}
	char *end = l->buf + l->at + l->have;
	ssize_t got = read(l->fd, end, 2 * l->max - l->at - l->have);
	if (got > 0)
		l->have += (size_t)got;
	if (got == 0)
		l->ended = 1;
	return got;
}

enum lines_answer
lines_next(struct lines *l, uint64_t until_ns, const char **line, size_t *len)
{
	for (;;) {
		*len = complete(l);
		if (*len) {
			*line = l->buf + l->at;
			l->at += *len;
			l->have -= *len;
			l->scanned = 0;
			return LINES_ONE;
		}
		if (l->ended)
			return LINES_END;
		int rc = tool_wait(l->fd, until_ns);
		if (rc <= 0)
			return rc ? LINES_SIGNAL : LINES_LATER;
		if (fill(l) < 0 && errno != EAGAIN && errno != EINTR)
			return LINES_ERROR;
	}
}
