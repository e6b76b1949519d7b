/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the loops of a bus have written down: weir_trace_start, weir_trace_read.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>
#include <weir/loop.h>

#include "protocols/bus.h"

int
weir_trace_start(weir_bus *bus)
{
	int rc = wr_handle_enter(&bus->handle);

	return rc < 0 ? rc : wr_crew_trace(&bus->crew, true);
}

int
weir_trace_stop(weir_bus *bus)
{
	int rc = wr_handle_enter(&bus->handle);

	return rc < 0 ? rc : wr_crew_trace(&bus->crew, false);
}

int
weir_trace_read(weir_bus *bus, uint32_t loop, uint64_t from, weir_trace_record *records,
	size_t count)
{
	struct wr_trace *trace;
	size_t copied;

	if (!bus || !bus->opened || (!records && count > 0))
		return -WEIR_E_USAGE_INVAL;
	/* In a child somebody may hold the lock for ever. */
	if (bus->handle.pid != getpid())
		return -WEIR_E_GONE_FORKED;
	trace = wr_crew_trace_of(&bus->crew, loop);
	if (!trace)
		return -WEIR_E_USAGE_INVAL;
	copied = wr_trace_read(trace, from, records, count < INT_MAX ? count : INT_MAX);
	for (size_t i = 0; i < copied; i++)
		records[i].loop = loop;
	return (int)copied;
}

/* ---- for people ------------------------------------------------------------------------------ */

/* What became of it, without who and when. */
static int
format_what(const weir_trace_record *record, char *buf, size_t size)
{
	double ms = (double)record->value / 1e6;

	switch (record->kind) {
	case WEIR_TRACE_POLL:
		return snprintf(buf, size, "a poll took %.3f ms", ms);
	case WEIR_TRACE_TIER:
		return snprintf(buf, size, "%s -> %s, %s", wr_tier_name(record->from),
			wr_tier_name((unsigned)record->value),
			record->reason ? record->reason : "");
	case WEIR_TRACE_MOVE:
		return snprintf(buf, size, "goes from loop %" PRIu32 " to %" PRId64,
			record->from, record->value);
	case WEIR_TRACE_SLEEP:
		return snprintf(buf, size, "sleeps for %.0f ms at most", ms);
	case WEIR_TRACE_WAKE:
		return snprintf(buf, size, "awake after %.3f ms", ms);
	case WEIR_TRACE_TIMERS:
		return snprintf(buf, size, "timers that fired: %" PRId64, record->value);
	case WEIR_TRACE_VERDICT:
		return snprintf(buf, size, "verdict %" PRId64, record->value);
	default:
		return snprintf(buf, size, "kind %" PRIu32 ", value %" PRId64,
			record->kind, record->value);
	}
}

int
weir_trace_format(const weir_trace_record *record, char *buf, size_t size)
{
	char who[32] = "", what[128];

	if (record->consumer)
		(void)snprintf(who, sizeof(who), "#%" PRIu64 " ", record->consumer);
	(void)format_what(record, what, sizeof(what));
	return snprintf(buf, size, "%" PRIu64 ".%09" PRIu64 " loop %" PRIu32 ": %s%s",
		record->when_ns / 1000000000, record->when_ns % 1000000000,
		record->loop, who, what);
}
