/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* From another terminal: the third consumer of a running demo becomes slow, or is fast again. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/control.h>

#include "tools/demo.h"
#include "tools/tool.h"

enum { ASK_MS = 1000 };

/* ---- which demo ----------------------------------------------------------------------------- */

/* True if a demo runs in there, or has left a bus there. */
static int
has_demo(const char *dir)
{
	char names[1][WEIR_NAME_MAX + 1];
	return weir_look_buses(dir, names, 1) > 0;
}

/* The directory of the demo that runs in this one; how many there are. */
static int
look_in(const char *base, char *dir, size_t size)
{
	char path[512];
	int count = 0;
	DIR *all = opendir(base);
	for (struct dirent *one; all && (one = readdir(all));) {
		if (strncmp(one->d_name, "weir-demo-", 10))
			continue;
		snprintf(path, sizeof(path), "%.200s/%.255s", base, one->d_name);
		if (!has_demo(path))
			continue;
		snprintf(dir, size, "%s", path);
		count++;
	}
	if (all)
		closedir(all);
	return count;
}

/* 0, or an exit code after saying why. */
static int
find_demo(char *dir, size_t size)
{
	int count = 0;
	if (tool.dir) {
		snprintf(dir, size, "%s", tool.dir);
		return 0;
	}
	const char *base = demo_base();
	count = look_in(base, dir, size);
	if (count == 1)
		return 0;
	if (count)
		tool_complain("%d demos run in %s: say which with --dir, as each shows it",
			count, base);
	else
		tool_complain("no demo runs in %s: weir demo starts one", base);
	return count ? TOOL_USAGE : TOOL_NOTFOUND;
}

/* ---- the verb ------------------------------------------------------------------------------- */

static int
ask(weir_look *look, const char *how)
{
	char answer[256] = "";
	size_t count;
	(void)weir_look_refresh(look, 300);
	const weir_look_node *nodes = weir_look_nodes(look, &count);
	/* One that does not say its name is asked all the same: only one knows the command. */
	int rc = -WEIR_E_ENV_NOTFOUND;
	for (size_t i = 0; i < count && rc == -WEIR_E_ENV_NOTFOUND; i++)
		rc = weir_control_command(look, nodes[i].node, DEMO_SLOW_COMMAND, how,
			answer, sizeof(answer), tool_timeout(ASK_MS));
	if (!rc) {
		printf("%s\n", answer);
		return TOOL_YES;
	}
	tool_complain("%s", answer[0] ? answer : weir_err_text(-rc));
	return weir_err_exit(-rc) ? weir_err_exit(-rc) : TOOL_NO;
}

static int
run(int argc, char **argv)
{
	char dir[512];
	weir_error err = {0};
	if (argc != 1)
		return tool_usage("demo slow takes one of spin, block, sleep and off");
	int rc = find_demo(dir, sizeof(dir));
	if (rc)
		return rc;
	weir_look *look = weir_look_open(DEMO_BUS, dir, &err);
	if (!look)
		return tool_fail(&err);
	rc = ask(look, argv[0]);
	weir_look_close(look);
	return rc;
}

const struct tool_verb verb_demo_slow = {"demo slow", "spin|block|sleep|off",
	"make the third consumer of a running demo slow, and fast again", NULL,
	"  spin: its handler burns a core in one call; block: it waits in a system call; sleep: it\n"
	"  takes 10 ms for each message; off: it behaves again. The demo ends all of them. Where\n"
	"  several demos run, --dir says which.\n",
	run, 0, 0};
