/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What this library was built with: 1, or 0 for a part that it lacks. Of such a part neither
 * the calls nor the types are declared, so that a program that needs it does not compile; one
 * that can do without asks with #if. An installed header says what was installed beside it.
 */
#ifndef WEIR_OPTIONS_H
#define WEIR_OPTIONS_H

/* What consumers and loops have done is counted: weir_sub_get_turns, weir_loop_get_stats. */
#ifndef WEIR_METRICS
#define WEIR_METRICS 1
#endif

/* A loop can write down what it does: weir_trace_start. */
#ifndef WEIR_TRACE
#define WEIR_TRACE 1
#endif

#endif
