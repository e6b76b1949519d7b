/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/meter.h"

#include <sys/resource.h>
#include <time.h>

void
wr_meter_init(struct wr_meter *m, uint64_t limit_ns)
{
	*m = (struct wr_meter){.limit_ns = limit_ns};
	wr_clock_init(&m->clock);
}

/* What the thread has run: exact, where getrusage tells what it had run by the last tick. */
static uint64_t
cpu_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static long
times_blocked(void)
{
	struct rusage used;

	(void)getrusage(RUSAGE_THREAD, &used);
	return used.ru_nvcsw;
}

void
wr_meter_begin(struct wr_meter *m, struct wr_meter_start *start)
{
	start->blocked = times_blocked();
	start->cpu_ns = cpu_ns();
	start->wall_ns = wr_clock_now(&m->clock);
}

uint64_t
wr_meter_end(struct wr_meter *m, const struct wr_meter_start *start)
{
	uint64_t wall_ns = wr_clock_now(&m->clock) - start->wall_ns;
	uint64_t ran_ns;

	m->apart_ns += wall_ns;
	if (wall_ns <= m->limit_ns || times_blocked() != start->blocked)
		return wall_ns;
	ran_ns = cpu_ns() - start->cpu_ns;
	return ran_ns < wall_ns ? ran_ns : wall_ns;
}

void
wr_meter_close_at(struct wr_meter *m, uint64_t now_ns)
{
	uint64_t took_ns = now_ns - m->began_ns;

	if (took_ns > m->apart_ns && took_ns - m->apart_ns > m->limit_ns)
		for (uint32_t i = 0; i < m->count; i++)
			if (m->group[i])
				m->group[i]->measured = WR_METER_MEASURED;
	m->began_ns = now_ns;
	m->apart_ns = 0;
	m->count = 0;
}

uint64_t
wr_meter_close(struct wr_meter *m)
{
	uint64_t now_ns = wr_clock_now(&m->clock);

	wr_meter_close_at(m, now_ns);
	return now_ns;
}

void
wr_meter_pause_at(struct wr_meter *m, uint64_t now_ns)
{
	if (m->began_ns == 0)
		return;
	wr_meter_close_at(m, now_ns);
	m->began_ns = 0;
}

void
wr_meter_pause(struct wr_meter *m)
{
	if (m->began_ns != 0)
		wr_meter_pause_at(m, wr_clock_now(&m->clock));
}

void
wr_meter_forget(struct wr_meter *m, const struct wr_task *task)
{
	for (uint32_t i = 0; i < m->count; i++)
		if (m->group[i] == task)
			m->group[i] = NULL;
}
