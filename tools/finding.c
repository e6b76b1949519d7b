/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tools/finding.h"

#include <stdarg.h>
#include <stdio.h>

#include "tools/tool.h"

enum { WHAT_BYTES = 400 };

static void
time_json(struct json *j, const struct cause_found *found)
{
	if (!found) {
		json_str(j, "part_ns", NULL);
		json_str(j, "time_ns", NULL);
		return;
	}
	json_u64(j, "part_ns", found->part_ns);
	json_u64(j, "time_ns", found->time_ns);
}

void
finding_tell(struct findings *all, const struct cause_found *found, const char *cause,
	const char *who, const char *advice, const char *fmt, ...)
{
	char what[WHAT_BYTES];
	va_list args;
	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	all->count++;
	if (tool.out == TOOL_TABLE) {
		printf("%s: %s\n  %s\n  try     %s\n", cause, who, what, advice);
		return;
	}
	json_object(&all->j, NULL);
	json_str(&all->j, "cause", cause);
	json_str(&all->j, "who", who);
	json_str(&all->j, "what", what);
	json_str(&all->j, "try", advice);
	time_json(&all->j, found);
	json_end_object(&all->j);
}
