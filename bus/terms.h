/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a subscription asks of each stream that it joins, and what it is granted. The
 * publisher decides: a quota never exceeds its window, a budget never its cap.
 */
#ifndef WR_BUS_TERMS_H
#define WR_BUS_TERMS_H

#include <weir/weir.h>

struct wr_terms {
	uint64_t quota; /* bytes that it may lag before it is waited for; 0: the window */
	uint64_t from_count; /* of WEIR_FROM_LAST: messages; of WEIR_FROM_SEQ: the number */
	uint64_t from_stream; /* of WEIR_FROM_SEQ: in which stream */
	uint32_t from;        /* enum weir_from */
	uint32_t policy;      /* enum weir_policy */
	int32_t stall_us;     /* in any 100 ms; 0: 5 ms; WEIR_NEVER: none */
	uint32_t holds;
};

/* Where a reader begins. */
struct wr_begin {
	uint64_t place;
	uint64_t seq;   /* of the first claim to read; UINT64_MAX: those to come */
	uint64_t asked; /* at most seq: what lies between is not there any more */
};

#endif
