/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* All that can be seen of one consumer. */
#ifndef TOOLS_INFO_H
#define TOOLS_INFO_H

#include <stdio.h>

#include "tools/consumer.h"

/* For people, several lines; and its fields, in an object that is open. */
void info_text(FILE *out, struct crowd *crowd, const weir_look_consumer *c);
void info_json(struct crowd *crowd, const weir_look_consumer *c);

#endif
