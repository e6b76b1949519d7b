/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* consumer info: all that can be seen of one consumer. */
#include "tools/info.h"
#include "tools/tool.h"

static int
run(int argc, char **argv)
{
	return consumers_show(argc, argv, "info", info_text, info_json);
}

const struct tool_verb verb_consumer_info = {"consumer info", "[BUS] NAME|NUMBER",
	"all that can be seen of a consumer", NULL,
	"  NAME is what it subscribes, NUMBER that of consumer ls. Where it is polled, its\n"
	"  tier with the latest reasons, how long its polls may take and do, what it has done,\n"
	"  what waits for it, what it lost and why, its times where a program measures them,\n"
	"  and its terms on each stream.\n"
	"  Exit 3 if there is no such consumer, 4 if a loop could not be looked at.\n",
	run, 0, 0};
