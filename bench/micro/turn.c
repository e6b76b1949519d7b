/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What it costs to say whose turn it is. */
#include <stdlib.h>

#include "bench/micro/micro.h"
#include "bus/lines.h"
#include "scheduler/disciplines.h"

enum { IDLE = 100000 };

/* A consumer as a reactor has it: its turn on the first line, with what is called. */
struct consumer {
	_Alignas(64) struct wr_turn turn;
	void (*poll)(struct consumer *consumer);
	uint64_t polls;
};

struct subject {
	union wr_turns is;
	struct consumer *consumers, *next, *end;
};

static void
poll_nothing(struct consumer *consumer)
{
	consumer->polls++;
}

static void
discard(void *subject)
{
	struct subject *s = subject;

	free(s->consumers);
	free(s);
}

/* Ready ones in front, then those that are found idle at their first turn. */
static struct subject *
make(int count, int idle)
{
	struct subject *s = wr_lines_alloc(sizeof(*s));
	size_t all = (size_t)(count + idle);

	if (!s)
		return NULL;
	s->consumers = wr_lines_alloc(all * sizeof(*s->consumers));
	if (!s->consumers) {
		free(s);
		return NULL;
	}
	for (size_t i = 0; i < all; i++) {
		wr_turn_init(&s->consumers[i].turn,
			micro_weight(i % (size_t)count, (size_t)count));
		s->consumers[i].poll = poll_nothing;
	}
	s->next = s->consumers;
	s->end = s->consumers + count;
	return s;
}

/* With all of them in the queue that was made of it. NULL: there is no subject. */
static void *
add(struct subject *s, size_t count)
{
	for (size_t i = 0; s && i < count; i++)
		wr_select_add(&s->is.select, &s->consumers[i].turn);
	return s;
}

static void *
make_bare(int count)
{
	return make(count, 0);
}

static void *
make_wheel(int count)
{
	struct subject *s = make(count, 0);

	if (s)
		wr_wheel_init(&s->is.wheel, &wr_wheel_polls);
	return add(s, (size_t)count);
}

static void *
make_time(int count)
{
	struct subject *s = make(count, 0);

	if (s)
		wr_wheel_init(&s->is.wheel, &wr_wheel_times);
	return add(s, (size_t)count);
}

static void *
make_classes(int count)
{
	struct subject *s = make(count, 0);

	if (s)
		wr_classes_init(&s->is.classes);
	return add(s, (size_t)count);
}

static void *
make_robin(int count)
{
	struct subject *s = make(count, 0);

	if (s)
		wr_robin_init(&s->is.robin);
	return add(s, (size_t)count);
}

static void *
make_idle(int count)
{
	struct subject *s = make(count, IDLE);
	uint32_t left = IDLE;

	if (!s)
		return NULL;
	wr_wheel_init(&s->is.wheel, &wr_wheel_polls);
	(void)add(s, (size_t)count + IDLE);
	while (left > 0) {
		struct wr_turn *turn = wr_select_next(&s->is.select);

		if ((struct consumer *)(void *)turn < s->end) {
			wr_select_put(&s->is.select, turn, 1);
			continue;
		}
		wr_select_rest(&s->is.select, turn);
		left--;
	}
	return s;
}

static void
run_bare(void *subject, uint64_t operations)
{
	struct subject *s = subject;

	for (uint64_t i = 0; i < operations; i++) {
		struct consumer *consumer = s->next++;

		if (s->next == s->end)
			s->next = s->consumers;
		consumer->poll(consumer);
	}
}

static void
run_turn(void *subject, uint64_t operations)
{
	struct subject *s = subject;

	for (uint64_t i = 0; i < operations; i++)
		wr_select_put(&s->is.select, wr_select_next(&s->is.select), 1000);
}

static void
run_poll(void *subject, uint64_t operations)
{
	struct subject *s = subject;

	for (uint64_t i = 0; i < operations; i++) {
		struct wr_turn *turn = wr_select_next(&s->is.select);
		struct consumer *consumer = (struct consumer *)(void *)turn;

		consumer->poll(consumer);
		wr_select_put(&s->is.select, turn, 1000);
	}
}

#define CALL "a bare indirect call, round robin over an array of "
#define TURN "allocator decision, next and put, of "
#define POLL "allocator decision and an indirect call, of "

const struct micro micro_call_48 = {"limit", CALL "48", 48, make_bare, run_bare, discard};
const struct micro micro_call_4096 = {
	"limit", CALL "4,096", 4096, make_bare, run_bare, discard};
const struct micro micro_turn_48 = {"ours", TURN "48", 48, make_wheel, run_turn, discard};
const struct micro micro_turn_4096 = {
	"ours", TURN "4,096", 4096, make_wheel, run_turn, discard};
const struct micro micro_poll_48 = {"ours", POLL "48", 48, make_wheel, run_poll, discard};
const struct micro micro_poll_4096 = {
	"ours", POLL "4,096", 4096, make_wheel, run_poll, discard};
const struct micro micro_turn_time = {
	"ours-time", TURN "48", 48, make_time, run_turn, discard};
const struct micro micro_turn_classes = {
	"ours-classes", TURN "48", 48, make_classes, run_turn, discard};
const struct micro micro_turn_robin = {
	"ours-robin", TURN "48", 48, make_robin, run_turn, discard};
const struct micro micro_turn_idle = {
	"ours-among-100000-idle", TURN "48", 48, make_idle, run_turn, discard};
