/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Starts the benchmark programs. They are programs of their own, so that the command links
 * none of the peers that they compare with. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/json.h"
#include "tools/tool.h"

static const char prefix[] = "bench-";

/* ../libexec/weir, seen from the command itself: so in a build tree and in any prefix. */
static int
libexec(char *dir, size_t size)
{
	char self[TOOL_PATH_MAX];
	snprintf(self, sizeof(self), "%s", tool.self);
	for (int up = 0; up < 2; up++) {
		char *slash = strrchr(self, '/');
		if (!slash)
			return -1;
		*slash = 0;
	}
	int len = snprintf(dir, size, "%s/libexec/weir", self);
	return len > 0 && (size_t)len < size ? 0 : -1;
}

static int
is_case(const struct dirent *entry)
{
	return !strncmp(entry->d_name, prefix, sizeof(prefix) - 1);
}

static void
print_case(struct json *j, const char *name)
{
	if (tool.out == TOOL_JSON) {
		json_str(j, NULL, name);
	} else if (tool.out == TOOL_JSONL) {
		json_object(j, NULL);
		json_str(j, "case", name);
		json_end_object(j);
	} else {
		printf("%s\n", name);
	}
}

static int
list(const char *dir)
{
	struct dirent **entries = NULL;
	int count = scandir(dir, &entries, is_case, alphasort);
	struct json j;
	json_init(&j, stdout);
	if (tool.out == TOOL_JSON) {
		json_object(&j, NULL);
		json_array(&j, "cases");
	}
	for (int i = 0; i < count; i++) {
		print_case(&j, entries[i]->d_name + sizeof(prefix) - 1);
		free(entries[i]);
	}
	free(entries);
	if (tool.out == TOOL_JSON) {
		json_end_array(&j);
		json_end_object(&j);
	}
	if (count > 0)
		return TOOL_YES;
	tool_complain("no benchmarks in %s; they are built from bench/ and installed with "
		      "the package",
		dir);
	return TOOL_NO;
}

static int
run(int argc, char **argv)
{
	char dir[TOOL_PATH_MAX];
	if (libexec(dir, sizeof(dir)) < 0)
		return tool_usage("cannot tell where this program lies: %s", tool.self);
	if (!argc)
		return list(dir);
	char path[TOOL_PATH_MAX + 256];
	if (strchr(argv[0], '/') || strlen(argv[0]) > 200)
		return tool_usage("'%s' is not the name of a benchmark", argv[0]);
	snprintf(path, sizeof(path), "%s/%s%s", dir, prefix, argv[0]);
	char *arg0 = argv[0];
	argv[0] = path;
	signal(SIGPIPE, SIG_DFL);
	execv(path, argv);
	argv[0] = arg0;
	if (errno != ENOENT) {
		tool_complain("could not start %s: %s", path, strerror(errno));
		return errno == EACCES ? TOOL_DENIED : TOOL_NO;
	}
	tool_complain("there is no benchmark '%s'; weir bench lists them", argv[0]);
	return TOOL_NOTFOUND;
}

const struct tool_verb verb_bench = {"bench", "[CASE [ARGUMENT...]]",
	"measures: starts a benchmark program, or lists them", NULL,
	"  What follows CASE, options too, goes to the benchmark.\n", run, 0, 1};
