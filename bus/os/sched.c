/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/os/sched.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { STAT_MOST = 1024, STAT_STATE = 3, STAT_PROCESSOR = 39 };

static bool
read_file(uint32_t pid, uint32_t tid, const char *name, char *text, size_t size)
{
	char path[64];
	ssize_t got;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%u/task/%u/%s", pid, tid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	got = read(fd, text, size - 1);
	close(fd);
	if (got <= 0)
		return false;
	text[got] = 0;
	return true;
}

/* The field of that number, 3 or more as proc(5) counts them, of "4711 (name) R ...": the name
 * may contain anything. NULL where nothing is known. */
static const char *
field_of_stat(uint32_t pid, uint32_t tid, int number, char text[STAT_MOST])
{
	const char *at;

	if (!read_file(pid, tid, "stat", text, STAT_MOST))
		return NULL;
	at = strrchr(text, ')');
	for (int i = 2; at && i < number; i++)
		at = strchr(at + 1, ' ');
	return at ? at + 1 : NULL;
}

char
wr_sched_state(uint32_t pid, uint32_t tid)
{
	char text[STAT_MOST];
	const char *state = field_of_stat(pid, tid, STAT_STATE, text);

	return state ? *state : 0;
}

int
wr_sched_core(uint32_t pid, uint32_t tid)
{
	char text[STAT_MOST];
	const char *core = field_of_stat(pid, tid, STAT_PROCESSOR, text);

	return core ? atoi(core) : -1;
}

static uint64_t
minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static bool
read_counters(struct wr_sched_probe *probe)
{
	unsigned long long ran_ns, waited_ns, turns;
	char text[96];

	if (probe->tid == 0 ||
		!read_file(probe->pid, probe->tid, "schedstat", text, sizeof(text)) ||
		sscanf(text, "%llu %llu %llu", &ran_ns, &waited_ns, &turns) != 3)
		return false;
	probe->ran_ns = ran_ns;
	probe->waited_ns = waited_ns;
	probe->turns = turns;
	return true;
}

uint64_t
wr_sched_waited(struct wr_sched_probe *probe, uint32_t pid, uint32_t tid, uint64_t now_ns)
{
	const struct wr_sched_probe then = *probe;
	struct wr_sched_probe now = {
		.pid = pid, .tid = tid, .at_ns = now_ns, .asked_ns = now_ns};
	uint64_t idle, waited, more, since;
	bool same_turn;

	if (!read_counters(&now))
		return 0;
	*probe = now;
	if (then.at_ns == 0 || then.pid != pid || then.tid != tid ||
		now.waited_ns < then.waited_ns)
		return 0;
	since = now_ns - then.asked_ns;
	idle = minus(now_ns - then.at_ns, now.ran_ns - then.ran_ns);
	same_turn = now.turns == then.turns && wr_sched_state(pid, tid) == 'R';
	/* The kernel adds a wait when it is over. Who is ready and was given no core since
	 * has not slept: what it did not run it waited for its core, or had one that was
	 * not there. */
	waited = same_turn ? idle : now.waited_ns - then.waited_ns;
	more = minus(waited, then.told_ns);
	more = more < since ? more : since;
	if (same_turn) {
		*probe = then;
		probe->told_ns += more;
		probe->asked_ns = now_ns;
	} else {
		probe->told_ns = minus(then.told_ns, idle); /* it had run meanwhile */
	}
	return more;
}

uint32_t
wr_sched_self(void)
{
	return (uint32_t)syscall(SYS_gettid);
}
