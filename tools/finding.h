/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What doctor has found, one after the other: as lines for people, or as objects. */
#ifndef TOOLS_FINDING_H
#define TOOLS_FINDING_H

#include <stddef.h>

#include "tools/cause.h"
#include "tools/json.h"

struct findings {
	struct json j; /* inside an array */
	size_t count;
};

/* One more: what it is called, of whom it is said, what to try, and what has been seen.
 * `found` is NULL of what is not about the time between two looks. */
void finding_tell(struct findings *all, const struct cause_found *found,
	const char *cause, const char *who, const char *advice, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));

#endif
