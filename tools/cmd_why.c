/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* consumer why: why a consumer is at its tier, and what to try. */
#include "tools/tool.h"
#include "tools/why.h"

static int
run(int argc, char **argv)
{
	return consumers_show(argc, argv, "why", why_text, why_json);
}

const struct tool_verb verb_consumer_why = {"consumer why", "[BUS] NAME|NUMBER",
	"why a consumer is at its tier, and what to try", NULL,
	"  NAME is what it subscribes, NUMBER that of consumer ls. With the latest changes of\n"
	"  its tier, the last one first.\n"
	"  Exit 3 if there is no such consumer, 4 if a loop could not be looked at.\n",
	run, 0, 0};
