/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Follows topics from outside: messages are read where they lie, nothing is attached. */
#ifndef TOOLS_WATCH_H
#define TOOLS_WATCH_H

#include "tools/look.h"

struct watch {
	struct look look;
	const char *pattern;
	char *buf;
	size_t size;
	int content;       /* 0: only lengths and times are wanted, nothing is copied */
	uint64_t pause_ns; /* between two looks that found nothing */
	uint64_t refresh_ns; /* when new publishers are looked for next */
	int told;
};

/* Returns 0, or an exit code after saying why. */
int watch_open(struct watch *w, const char *pattern, int content, int from_oldest);
void watch_close(struct watch *w);

enum watch_answer { WATCH_ONE, WATCH_LATER, WATCH_SIGNAL, WATCH_ERROR };
/* The next message, until the time (of weir_now_ns) has come. WATCH_ERROR: it was said. */
enum watch_answer watch_next(struct watch *w, weir_msg *msg, uint64_t until_ns);

#endif
