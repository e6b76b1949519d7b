/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>

#include "tools/json.h"
#include "tools/tool.h"

static int with_build;

static int
run(int argc, char **argv)
{
	if (argc)
		return tool_usage("version takes no '%s'", argv[0]);
	if (tool.out == TOOL_TABLE) {
		printf("weir %s\n", weir_version());
		if (with_build)
			printf("%s\n", weir_build());
		return TOOL_YES;
	}
	struct json j;
	json_init(&j, stdout);
	json_object(&j, NULL);
	json_str(&j, "version", weir_version());
	json_str(&j, "build", weir_build());
	json_end_object(&j);
	return TOOL_YES;
}

static const struct tool_opt opts[] = {
	{0, "build", OPT_SET, &with_build, "compiler, options, what the kernel offers",
		0, 1, 0},
	{0, 0, OPT_SET, 0, 0, 0, 0, 0},
};

const struct tool_verb verb_version = {"version", "[--build]",
	"the version, and how it was built", opts, NULL, run, 0, 0};
