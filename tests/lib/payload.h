/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Payloads whose every byte follows from their number, so that no byte of another message,
 * and no byte at another place, is taken for one of theirs. */
#ifndef WR_TESTS_LIB_PAYLOAD_H
#define WR_TESTS_LIB_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline uint8_t
rig_byte(size_t i, uint64_t n)
{
	return (uint8_t)(n * 31 + i * 7 + (i >> 8));
}

static inline void
rig_fill(void *data, size_t len, uint64_t n)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)data)[i] = rig_byte(i, n);
}

/* The place of the first byte that is wrong; len if none is. */
static inline size_t
rig_wrong(const void *data, size_t len, uint64_t n)
{
	size_t i = 0;

	while (i < len && ((const uint8_t *)data)[i] == rig_byte(i, n))
		i++;
	return i;
}

static inline bool
rig_says(const void *data, size_t len, uint64_t n)
{
	return rig_wrong(data, len, n) == len;
}

#endif
