/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Takes looks at a bus for "weir top", one after the other, from outside: it attaches to
 * nothing, and a process that is stopped is waited for no longer than it is told.
 */
#ifndef TOOLS_TOP_LOOK_H
#define TOOLS_TOP_LOOK_H

#include "tools/consumer.h"
#include "tools/top.h"

struct top_source {
	struct crowd crowd; /* as it was at the last look: consumers of `now` are found here */
	struct top_look looks[2];
	struct top_look *now, *before; /* NULL: there has been none */
	int silent_ms; /* how long those that do not answer are waited for, twice a look */
};

/* Opens it and looks once. 0, or an exit code after saying why; to be closed in both cases. */
int top_open(struct top_source *source, const char *bus, int silent_ms);
void top_close(struct top_source *source);
/* Looks again, and compares. Says nothing: 0, or < 0, and then the last look stays. */
int top_again(struct top_source *source);

/* The consumer that a look shows, as the library shows it; NULL: it is not there any more. */
const weir_look_consumer *top_find(
	const struct top_source *source, const struct top_consumer *c);

#endif
