/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Why a consumer is at its tier, what that means for it, and what to try: the same words
 * wherever the command says it. */
#ifndef TOOLS_WHY_H
#define TOOLS_WHY_H

#include <stdio.h>

#include "tools/consumer.h"

enum { WHY_CHANGES = 8 /* more than are kept */ };

/* The latest changes of its tier, the last one first; how many. */
int why_changes(const struct crowd *crowd, const weir_look_consumer *c,
	weir_look_change changes[WHY_CHANGES]);

/* For people, several lines: how it is and why, what to try, and both. */
void why_state(FILE *out, struct crowd *crowd, const weir_look_consumer *c);
void why_try(FILE *out, struct crowd *crowd, const weir_look_consumer *c);
void why_text(FILE *out, struct crowd *crowd, const weir_look_consumer *c);
/* Its fields, in an object that is open. */
void why_json(struct crowd *crowd, const weir_look_consumer *c);

#endif
