/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Names of topics, patterns over them, and names of buses and nodes.
 *
 * A topic is 1 to WEIR_NAME_MAX bytes of UTF-8: tokens with dots between them, none empty,
 * without control characters and white space, and without '*' and '>'. In a pattern a
 * token may be '*', which stands for one token, and the last one '>', which stands for
 * one or more.
 *
 * Checking reads at most WEIR_NAME_MAX + 1 bytes, so an array of that size need not be
 * ended. All of it is linear in the length, allocates nothing, keeps nothing; any thread.
 */
#ifndef WR_BUS_TOPIC_H
#define WR_BUS_TOPIC_H

#include <stdbool.h>

/* Each: 0 or -WEIR_E_USAGE_NAME. */
int wr_topic_check(const char *name);
int wr_pattern_check(const char *pattern);

/* A bus or node name: as a topic, but no '/', since it may become a file's name. */
int wr_name_check(const char *name);

/* Does the topic match? Both must have passed their check; 1 or 0. */
int wr_pattern_match(const char *pattern, const char *topic);

/* A pattern that matches exactly the topic of the same spelling. */
bool wr_pattern_is_literal(const char *pattern);

#endif
