/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * How large the pieces of a stream are, from what its topic asks for.
 *
 *   segment  four of the largest message, at least 256 KiB; above a largest message of
 *            1 MiB, one message a segment
 *   window   what readers may lag behind: at least 16 MiB, and at least four segments
 *   keep     what the topic's history may fill, besides
 *   region   window and keep, what the admitted readers can pin, and three
 */
#ifndef WR_BUS_GEOMETRY_H
#define WR_BUS_GEOMETRY_H

#include <stdint.h>
#include <weir/weir.h>

struct wr_geometry {
	uint32_t max_message;
	uint32_t align;
	uint32_t first;     /* offset of a segment's first frame */
	uint32_t seg_bytes; /* a multiple of the page */
	uint32_t window_segs;
	uint32_t keep_segs; /* that what is to be kept can fill */
	uint64_t window_bytes;
	uint64_t keep_messages; /* retained for who comes late, */
	uint64_t keep_bytes;    /* and of log; 0 and 0: the last message */
};

/* Segments for `pins` that readers may hold back besides the window. */
enum { WR_SPARE_SEGS = 3 };

/*
 * Fills geo from a topic's options (0 = default). USAGE_INVAL where a number is out of
 * its bounds; err may be NULL.
 */
int wr_geometry_of(
	struct wr_geometry *geo, const weir_pub_opts *opts, struct weir_error *err);

/* As above with the segment size given: tests use small ones. */
int wr_geometry_sized(struct wr_geometry *geo, uint32_t max_message, uint32_t align,
	uint32_t seg_bytes, uint32_t window_segs);

/* Segments that are live at a time, at the most. */
static inline uint32_t
wr_geometry_live(const struct wr_geometry *geo)
{
	return geo->window_segs + geo->keep_segs;
}

/* Segments of a region that serves `pins` pinned segments. */
static inline uint64_t
wr_geometry_segs(const struct wr_geometry *geo, uint64_t pins)
{
	return (uint64_t)wr_geometry_live(geo) + pins + WR_SPARE_SEGS;
}

#endif
