/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What is known from outside of a consumer and of what it runs on: its books and its place
 * on the roster, which a look reads, and what the kernel says of its thread. The process
 * does nothing for it, and may be stopped. What it means, tools/cause.h says.
 */
#ifndef TOOLS_VITALS_H
#define TOOLS_VITALS_H

#include "tools/cause.h"
#include "tools/consumer.h"

/*
 * What the kernel says of that thread, or of all threads of the process together if tid is
 * 0, and of the control groups above it. What it does not say, or does not let
 * us see, stays 0. Reads some small files of /proc and /sys, below root (""): about 50 us, and
 * 20 for each further thread.
 */
struct cause_vitals vitals_take(const char *root, uint32_t pid, uint32_t tid);

/* What the kernel has said last within one look, and of whom. The consumers of a process come
 * one after the other, so it is asked once for all of them. Zeroes: nothing yet. */
struct vitals_last {
	uint32_t pid;   /* that `whole` is of; 0: none */
	uint32_t owner; /* the process of the thread that `one` is of, */
	uint32_t tid;   /* and that thread; 0: none */
	struct cause_vitals whole, one;
};

/* One look at a consumer. `before` is the look before it, NULL: this is the first one. `last` is
 * of this look at everybody. False: it does not read, or nothing waits for it, or its books could
 * not be counted. */
int vitals_look(struct cause_look *look, const struct crowd *crowd,
	const weir_look_consumer *c, const struct cause_look *before,
	struct vitals_last *last);

#endif
