/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tools/finding.h"

#include <stdarg.h>
#include <stdio.h>

#include "tools/tool.h"

enum { WHAT_BYTES = 400 };

/* The numbers that show it, as they are; null of what is not about the time between two looks. */
static void
evidence_json(struct json *j, const struct cause_found *found)
{
	if (!found) {
		json_null(j, "evidence");
		return;
	}
	json_object(j, "evidence");
	json_u64(j, "polls", found->polls);
	json_u64(j, "violations", found->violations);
	json_u64(j, "poll_ns", found->poll_ns);
	json_u64(j, "threshold_ns", found->limit_ns);
	json_u64(j, "stuck_ns", found->stuck_ns);
	json_u64(j, "gap_ns", found->gap_ns);
	json_u64(j, "turns", found->turns);
	json_u64(j, "delayed_ns", found->delayed_ns);
	json_u64(j, "throttles", found->throttles);
	json_u64(j, "throttled_ns", found->throttled_ns);
	json_u64(j, "minor_faults", found->minor);
	json_u64(j, "major_faults", found->major);
	json_end_object(j);
}

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
	evidence_json(&all->j, found);
	json_end_object(&all->j);
}
