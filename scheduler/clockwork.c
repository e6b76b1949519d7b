/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "scheduler/clockwork.h"

#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <weir/error.h>

#include "bus/layout.h"
#include "bus/os/clock.h"

enum {
	ALARMS_MOST = 1 << 20,
	WHEEL_BYTES = (sizeof(struct wr_timers) + WR_LINE - 1) / WR_LINE * WR_LINE
};

void
wr_clockwork_init(struct wr_clockwork *cw, struct wr_poller *poller)
{
	*cw = (struct wr_clockwork){.poller = poller, .alarm_fd = -1};
	wr_intervals_init(&cw->intervals);
}

/* The wheel, and behind it the memory that it works in. */
static size_t
wheel_bytes(void)
{
	return WHEEL_BYTES + wr_timers_bytes(ALARMS_MOST);
}

void
wr_clockwork_fini(struct wr_clockwork *cw)
{
	if (cw->wheel)
		(void)munmap(cw->wheel, wheel_bytes());
	if (cw->alarm_fd >= 0)
		close(cw->alarm_fd);
	cw->wheel = NULL;
	cw->alarm_fd = -1;
}

/* Memory that is not touched is not used. */
static int
make_wheel(struct wr_clockwork *cw)
{
	void *memory = mmap(NULL, wheel_bytes(), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return -WEIR_E_ENV_MEMORY;
	cw->wheel = memory;
	return wr_timers_init(
		cw->wheel, (uint8_t *)memory + WHEEL_BYTES, ALARMS_MOST, wr_now_ns());
}

int
wr_clockwork_once(struct wr_clockwork *cw, struct wr_alarm *alarm, uint64_t at_ns)
{
	int rc = cw->wheel ? 0 : make_wheel(cw);

	if (rc < 0)
		return rc;
	if (alarm->id != 0 && wr_timers_rearm(cw->wheel, alarm->id, at_ns))
		return 0;
	(void)wr_clockwork_cancel(cw, alarm);
	alarm->id = wr_timers_arm(cw->wheel, at_ns, (uint64_t)(uintptr_t)alarm);
	return alarm->id != 0 ? 0 : -WEIR_E_AGAIN_QUOTA;
}

int
wr_clockwork_every(struct wr_clockwork *cw, struct wr_alarm *alarm, uint64_t first_ns,
	uint64_t period_ns, enum wr_interval_rule rule)
{
	(void)wr_clockwork_cancel(cw, alarm);
	alarm->interval.user = (uint64_t)(uintptr_t)alarm;
	return wr_intervals_arm(
		&cw->intervals, &alarm->interval, first_ns, period_ns, rule);
}

bool
wr_clockwork_cancel(struct wr_clockwork *cw, struct wr_alarm *alarm)
{
	wr_timer_id id = alarm->id;

	alarm->id = 0;
	if (alarm->interval.armed)
		return wr_intervals_cancel(&cw->intervals, &alarm->interval);
	return id != 0 && wr_timers_cancel(cw->wheel, id);
}

uint64_t
wr_clockwork_next_ns(const struct wr_clockwork *cw)
{
	uint64_t once = cw->wheel ? wr_timers_next_ns(cw->wheel) : WR_TIMER_NEVER;
	uint64_t again = wr_intervals_next_ns(&cw->intervals);

	return once < again ? once : again;
}

static struct wr_task *
fire(uint64_t user, uint64_t at_ns, uint64_t missed)
{
	struct wr_alarm *alarm = (struct wr_alarm *)(uintptr_t)user;

	if (alarm->fired++ == 0)
		alarm->due_ns = at_ns;
	alarm->missed += missed;
	return &alarm->task;
}

unsigned
wr_clockwork_due(
	struct wr_clockwork *cw, uint64_t now_ns, struct wr_task *tasks[WR_TIMERS_FIRE])
{
	struct wr_interval_due again[WR_TIMERS_FIRE / 2];
	struct wr_timer_due once[WR_TIMERS_FIRE];
	unsigned count, more = 0;

	count = wr_intervals_expire(&cw->intervals, now_ns, again, WR_TIMERS_FIRE / 2);
	for (unsigned i = 0; i < count; i++)
		tasks[i] = fire(again[i].interval->user, again[i].at_ns, again[i].missed);
	if (cw->wheel)
		more = wr_timers_expire(cw->wheel, now_ns, once, WR_TIMERS_FIRE - count);
	for (unsigned i = 0; i < more; i++) {
		struct wr_alarm *alarm = (struct wr_alarm *)(uintptr_t)once[i].user;

		alarm->id = 0;
		tasks[count + i] = fire(once[i].user, once[i].at_ns, 0);
	}
	return count + more;
}

/* A token; setting it anew takes what it had to say. */
static bool
make_alarm(struct wr_clockwork *cw)
{
	cw->alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (cw->alarm_fd < 0)
		return false;
	if (wr_poller_add(cw->poller, cw->alarm_fd, WR_TOKEN, NULL) == 0)
		return true;
	close(cw->alarm_fd);
	cw->alarm_fd = -1;
	return false;
}

void
wr_clockwork_stand_in(struct wr_clockwork *cw)
{
	uint64_t next_ns = wr_clockwork_next_ns(cw);
	struct itimerspec at = {.it_value = {.tv_sec = (time_t)(next_ns / 1000000000),
					.tv_nsec = (long)(next_ns % 1000000000)}};

	if (next_ns == WR_TIMER_NEVER || (cw->alarm_fd < 0 && !make_alarm(cw)))
		return;
	/* A time of zero would mean never. */
	if (next_ns == 0)
		at.it_value.tv_nsec = 1;
	(void)timerfd_settime(cw->alarm_fd, TFD_TIMER_ABSTIME, &at, NULL);
}
