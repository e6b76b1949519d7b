/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a bus asks of the kernel, and what becomes of it: cores, large pages, rank.
 */
#include "bindings/c/tune.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/conf.h>

#include "bus/error.h"
#include "bus/lines.h"
#include "bus/os/core.h"
#include "bus/os/rank.h"

enum { TUNINGS = 7, NICE_MIN = -20, NICE_MAX = 19, REALTIME_MAX = 99 };

int
wr_tune_check(const weir_bus_opts *opts, struct weir_error *err)
{
	if (opts->large_pages > 1)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"large_pages %u is neither 0 nor 1", opts->large_pages);
	if (opts->realtime > REALTIME_MAX)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"realtime %u is above %d", opts->realtime, REALTIME_MAX);
	if (opts->nice < NICE_MIN || opts->nice > NICE_MAX)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"nice %d is not from %d to %d", opts->nice, NICE_MIN, NICE_MAX);
	return 0;
}

/* ---- what becomes of it ------------------------------------------------------------------------ */

static enum weir_outcome
outcome_of(int os)
{
	return os == 0                             ? WEIR_APPLIED
		: os == ENOSYS || os == EOPNOTSUPP ? WEIR_UNSUPPORTED
						   : WEIR_REFUSED;
}

/* Without memory for it, it is not noted. */
static void
note_text(struct weir_bus *bus, const char *option, int64_t asked, const char *value,
	int os)
{
	static const char *const words[] = {"", "applied", "refused", "unsupported"};
	weir_tuning *tuning;
	char space[64];

	if (!bus->tunings)
		bus->tunings = calloc(TUNINGS, sizeof(*bus->tunings));
	if (!bus->tunings || bus->tuning_count == TUNINGS)
		return;
	tuning = &bus->tunings[bus->tuning_count++];
	*tuning = (weir_tuning){
		.option = option, .asked = asked, .outcome = outcome_of(os), .os = os};
	snprintf(tuning->text, sizeof(tuning->text), "%s %s: %s%s%s", option, value,
		words[tuning->outcome], os ? ", " : "",
		os ? strerror_r(os, space, sizeof(space)) : "");
}

static void
note(struct weir_bus *bus, const char *option, int64_t asked, int os)
{
	char value[24] = "any";

	if (asked != WEIR_CORE_ANY)
		snprintf(value, sizeof(value), "%lld", (long long)asked);
	note_text(bus, option, asked, value, os);
}

/* ---- cores ------------------------------------------------------------------------------------- */

static int
bind_loop(struct weir_bus *bus, uint32_t core, struct weir_error *err)
{
	int os = core == 0 ? 0 : wr_core_bind(pthread_self(), core - 1);

	if (os != 0)
		return wr_error_set(err, WEIR_E_ENV_OS, os,
			"the thread cannot be bound to core %u", core - 1);
	if (core != 0)
		note(bus, "core", core, 0);
	return 0;
}

static int
start_keeper(struct weir_bus *bus, uint32_t core, struct weir_error *err)
{
	struct wr_keeper *keeper = wr_lines_alloc(sizeof(*keeper));
	int rc;

	if (!keeper)
		return wr_error_set(err, WEIR_E_ENV_MEMORY, 0, "no memory for timers");
	rc = wr_keeper_start(keeper, &bus->reactor,
		core == WEIR_CORE_ANY ? WR_CORE_ANY : (int)(core - 1));
	if (rc == 0) {
		bus->keeper = keeper;
		return 0;
	}
	free(keeper);
	return rc == -WEIR_E_ENV_OS
		? wr_error_set(err, WEIR_E_ENV_OS, errno,
			  "timers cannot be bound to core %u", core - 1)
		: wr_error_set(err, -rc, errno, "no thread for timers");
}

/* Timers before the loop, so that they do not inherit its core. */
int
wr_bus_bind(struct weir_bus *bus, const weir_bus_opts *opts, struct weir_error *err)
{
	int rc = opts->timers_core == 0 ? 0 : start_keeper(bus, opts->timers_core, err);

	if (rc == 0)
		rc = bind_loop(bus, opts->core, err);
	if (rc == 0 && opts->timers_core != 0)
		note(bus, "timers_core", opts->timers_core, 0);
	return rc;
}

/* ---- the rest ------------------------------------------------------------------------------------ */

void
wr_bus_enlarge(struct weir_bus *bus, const weir_bus_opts *opts)
{
	int os;

	if (opts->large_pages == 0)
		return;
	os = wr_region_try_large(!bus->node.in_process, WR_LARGE_PAGE_FILE);
	note(bus, "large_pages", opts->large_pages, os);
	/* Refused now, it may be had later: the next stream asks again. */
	bus->node.large = wr_region_large_page(WR_LARGE_PAGE_FILE);
}

/* Who is real-time has neither slack nor nice, and would not be told so: those first. */
void
wr_bus_rank(struct weir_bus *bus, const weir_bus_opts *opts)
{
	if (opts->slack_ns != 0)
		note(bus, "slack_ns", opts->slack_ns, wr_rank_slack(opts->slack_ns));
	if (opts->nice != 0)
		note(bus, "nice", opts->nice, wr_rank_nice(opts->nice));
	if (opts->realtime != 0)
		note(bus, "realtime", opts->realtime,
			wr_rank_realtime((int)opts->realtime));
	if (opts->lane_group)
		note_text(bus, "lane_group", 0, opts->lane_group,
			wr_crew_group(&bus->crew, opts->lane_group));
}

void
wr_bus_untune(struct weir_bus *bus)
{
	if (bus->keeper) {
		wr_keeper_stop(bus->keeper);
		free(bus->keeper);
		bus->keeper = NULL;
	}
	free(bus->tunings);
	bus->tunings = NULL;
	bus->tuning_count = 0;
}

int
weir_tunings(weir_bus *bus, weir_tuning *tunings, size_t size, size_t count)
{
	int rc = wr_handle_enter(&bus->handle);

	if (rc < 0)
		return rc;
	if (size != sizeof(*tunings))
		return -WEIR_E_USAGE_SIZE;
	if (!tunings && count > 0)
		return -WEIR_E_USAGE_INVAL;
	for (uint32_t i = 0; i < bus->tuning_count && i < count; i++)
		tunings[i] = bus->tunings[i];
	return (int)bus->tuning_count;
}
