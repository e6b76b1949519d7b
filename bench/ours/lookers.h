/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Everything of the command that only looks at a bus, at once: those that look on until they
 * are ended, and those that look once, each of them again and again.
 */
#ifndef BENCH_OURS_LOOKERS_H
#define BENCH_OURS_LOOKERS_H

struct lookers;

/* Starts them, at the bus of that name in that directory, and waits until each of them has
 * seen something. What they print is kept in memory, and not shown. NULL with a message: the
 * command does not lie where it is built and installed, or somebody saw nothing. */
struct lookers *lookers_begin(const char *bus, const char *dir);

/* What they used of a core since they were begun, 0 to 1 for each core, start included. */
struct lookers_use {
	double cores;
	int looks; /* of those that look once, how often in all */
};

/* Ends them. 0, or -1 with a message: one that should have looked on has ended by itself, or
 * one that looks once has failed. */
int lookers_end(struct lookers *lookers, struct lookers_use *use);

#endif
