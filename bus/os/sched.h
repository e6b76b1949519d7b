/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Whether a thread could run. A thread that is ready and has no core looks, to whoever
 * waits for it, like one that does not want to go on; the kernel knows the difference.
 *
 * Where /proc does not tell (no /proc, another pid namespace, a kernel without the
 * counters), nothing is known, and nobody is excused.
 */
#ifndef WR_BUS_OS_SCHED_H
#define WR_BUS_OS_SCHED_H

#include <stdint.h>

/* What was seen of a thread when it last had another turn than before, or slept. All zero:
 * nothing yet. */
struct wr_sched_probe {
	uint32_t pid, tid;
	uint64_t at_ns;
	uint64_t ran_ns;    /* that it has run, ever */
	uint64_t waited_ns; /* that it was ready to and did not, ever */
	uint64_t turns;     /* how often it was given a core */
	uint64_t told_ns;   /* what has been answered since, or too much before */
	uint64_t asked_ns;  /* when it was asked last */
};

/*
 * How long the thread was ready to run and had no core since the last call with this
 * probe, also because a hypervisor kept the core to itself; never more than that time. 0 at
 * the first call for this thread, or where nothing is known. The kernel tells what a thread
 * has run at its tick: one answer may be wrong by that, the sum of many is not. Reads one or two small files of /proc: about 10 us. Any thread.
 */
uint64_t wr_sched_waited(
	struct wr_sched_probe *probe, uint32_t pid, uint32_t tid, uint64_t now_ns);

/* What the kernel says that a thread is at: 'R' runs or is ready to, 'S' and 'D' wait for something,
 * 'T' and 't' are stopped, as proc(5) has them; 0 where nothing is known. A small file of /proc,
 * some 5 us. Any thread. */
char wr_sched_state(uint32_t pid, uint32_t tid);

/* The core that it runs on, or ran on last; -1 where nothing is known. As above. */
int wr_sched_core(uint32_t pid, uint32_t tid);

/* The number of the calling thread, as the kernel knows it. */
uint32_t wr_sched_self(void);

#endif
