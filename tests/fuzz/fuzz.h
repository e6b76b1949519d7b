/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A target is one file that defines this function: any bytes go in, and whatever must be
 * true of what comes out is a MUST. The sanitizers see the rest.
 */
#ifndef WR_TESTS_FUZZ_H
#define WR_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(x) \
	do { \
		if (!(x)) { \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #x); \
			abort(); \
		} \
	} while (0)

/* The input as a supply of numbers; zeroes when it is used up. */
struct wr_supply {
	const uint8_t *at;
	size_t left;
};

static inline uint64_t
wr_supply_take(struct wr_supply *s, size_t bytes)
{
	uint64_t value = 0;

	if (bytes > s->left)
		bytes = s->left;
	memcpy(&value, s->at, bytes);
	s->at += bytes;
	s->left -= bytes;
	return value;
}

#endif
