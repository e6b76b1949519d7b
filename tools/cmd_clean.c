/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Removes what deaths left behind. Without --yes it only says what it would remove. */
#include <stdio.h>
#include <stdlib.h>

#include "tools/look.h"
#include "tools/tool.h"

static int yes;

struct job {
	struct json j;
	int found;
	int failed;
};

static void
clean_bus(struct job *job, const char *bus)
{
	weir_error err = {0};
	int count = weir_look_clean(bus, tool.dir, yes, &err);
	if (count < 0) {
		job->failed =
			err.code ? tool_fail(&err) : tool_fail_code(count, "cleaning");
		return;
	}
	job->found += count;
	if (tool.out != TOOL_TABLE) {
		json_object(&job->j, NULL);
		json_str(&job->j, "bus", bus);
		json_i64(&job->j, "dead", count);
		json_bool(&job->j, "removed", yes);
		json_end_object(&job->j);
	} else if (count) {
		printf("bus %s: %d dead socket%s%s\n", bus, count,
			count == 1 ? "" : "s", yes ? " removed" : "");
	}
}

static int
run(int argc, char **argv)
{
	if (argc)
		return tool_usage("clean takes no '%s'; -b names a bus", argv[0]);
	struct job job = {0};
	look_name *buses = NULL;
	int count = tool.bus ? 1 : look_buses(&buses);
	if (count < 0)
		return tool_fail_code(count, "listing the buses");
	json_init(&job.j, stdout);
	if (tool.out == TOOL_JSON) {
		json_object(&job.j, NULL);
		json_array(&job.j, "buses");
	}
	for (int i = 0; i < count; i++)
		clean_bus(&job, tool.bus ? tool.bus : buses[i]);
	if (tool.out == TOOL_JSON) {
		json_end_array(&job.j);
		json_end_object(&job.j);
	}
	free(buses);
	if (job.failed)
		return job.failed;
	if (!job.found)
		tool_say("nothing to clean");
	else if (!yes)
		tool_say("nothing was removed; weir clean --yes removes it");
	return job.found && !yes ? TOOL_NO : TOOL_YES;
}

static const struct tool_opt opts[] = {
	{'y', "yes", OPT_SET, &yes, "remove it", 0, 1, 0},
	{0, 0, OPT_SET, 0, 0, 0, 0, 0},
};

const struct tool_verb verb_clean = {"clean", "[--yes]",
	"removes what deaths left behind", opts,
	"  Sockets that nobody listens on, in all buses or the one of -b. What lives is never\n"
	"  touched. Nothing depends on this: a new start cleans its own bus, too.\n"
	"  Exit 1 if there is something to remove and --yes was not given.\n",
	run, 0, 0};
