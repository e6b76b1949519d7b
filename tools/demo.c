/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What all processes of the demo share. */
#include "tools/demo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <weir/look.h>

#include "tools/tool.h"

uint64_t
demo_sum(const void *data, size_t len)
{
	const unsigned char *p = data;
	uint64_t sum = 0xcbf29ce484222325;
	for (size_t i = 0; i < len; i++)
		sum = (sum ^ p[i]) * 0x100000001b3;
	return sum;
}

struct demo_ruler *
demo_ruler_map(int fd, int writable)
{
	int access = PROT_READ | (writable ? PROT_WRITE : 0);
	void *at = mmap(NULL, sizeof(struct demo_ruler), access, MAP_SHARED, fd, 0);
	return at == MAP_FAILED ? NULL : at;
}

uint64_t
demo_slow_from(uint64_t start_ns, int seconds_ms)
{
	return start_ns + (uint64_t)seconds_ms * 1000000 / 4;
}

uint64_t
demo_slow_until(uint64_t start_ns, int seconds_ms)
{
	return start_ns + (uint64_t)seconds_ms * 1000000 / 5 * 3;
}

int
demo_args_parse(struct demo_args *args, int argc, char **argv)
{
	if (argc != 9)
		return tool_usage("this verb is for weir demo");
	*args = (struct demo_args){
		.dir = argv[0],
		.index = atoi(argv[1]),
		.pipe = atoi(argv[2]),
		.ruler = atoi(argv[3]),
		.streams = atoi(argv[4]),
		.seconds_ms = atoi(argv[5]),
		.rate = atof(argv[6]),
		.file = argv[7][0] ? argv[7] : NULL,
		.repeat = atoi(argv[8]),
	};
	fcntl(args->pipe, F_SETFD, FD_CLOEXEC);
	fcntl(args->pipe, F_SETFL, O_NONBLOCK);
	return 0;
}

int
demo_report_send(const struct demo_args *args, const struct demo_report *report)
{
	if (report->phase == DEMO_FINAL)
		fcntl(args->pipe, F_SETFL, 0);
	ssize_t sent = write(args->pipe, report, sizeof(*report));
	return sent < 0 && errno == EPIPE ? -1 : 0;
}

const char *
demo_base(void)
{
	const char *base = getenv("XDG_RUNTIME_DIR");
	if (!base || !*base || access(base, W_OK | X_OK) || strlen(base) > 60)
		return "/tmp";
	return base;
}

void
demo_clear(const char *dir)
{
	char path[160];
	weir_look_clean(DEMO_BUS, dir, 1, NULL);
	snprintf(path, sizeof(path), "%s/" DEMO_BUS, dir);
	rmdir(path);
	rmdir(dir);
}
