/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/geometry.h"

#include "bus/error.h"
#include "bus/layout.h"

enum {
	SEG_BYTES_MIN = 256 << 10,
	SEG_MESSAGES = 4,
	SINGLE_ABOVE = 1 << 20, /* one message a segment above this */
	WINDOW_SEGS_MAX = 1 << (WR_PLACE_SEG_BITS - 1) /* half of what a place can name */
};

static uint64_t
page_round(uint64_t bytes)
{
	return (bytes + WR_PAGE - 1) & ~(uint64_t)(WR_PAGE - 1);
}

/* The first offset behind the segment header whose payload is aligned. */
static uint32_t
first_of(uint32_t align)
{
	uint32_t payload = (WR_SEG_FIRST + WR_FRAME + align - 1) & ~(align - 1);

	return payload - WR_FRAME;
}

static uint64_t
seg_bytes_of(uint32_t max_message, uint32_t align)
{
	uint64_t count = max_message > SINGLE_ABOVE ? 1 : SEG_MESSAGES;
	uint64_t need =
		first_of(align) + count * wr_extent(max_message, align) + WR_FRAME;

	return page_round(need > SEG_BYTES_MIN ? need : SEG_BYTES_MIN);
}

int
wr_geometry_sized(struct wr_geometry *geo, uint32_t max_message, uint32_t align,
	uint32_t seg_bytes, uint32_t window_segs)
{
	uint64_t need =
		(uint64_t)first_of(align) + wr_extent(max_message, align) + WR_FRAME;

	if (seg_bytes % WR_PAGE != 0 || need > seg_bytes || window_segs < 2)
		return -WEIR_E_USAGE_INVAL;
	*geo = (struct wr_geometry){
		.max_message = max_message,
		.align = align,
		.first = first_of(align),
		.seg_bytes = seg_bytes,
		.window_segs = window_segs,
		.window_bytes = (uint64_t)window_segs * seg_bytes,
	};
	return 0;
}

/*
 * The segments that hold `keep` messages, or bytes of log, whatever their sizes: what is
 * behind the first of them, and the one that is being written.
 */
static int
keep_of(struct wr_geometry *geo, const weir_pub_opts *opts, struct weir_error *err)
{
	uint64_t extent = wr_extent(geo->max_message, geo->align);
	uint64_t usable = geo->seg_bytes - geo->first - WR_FRAME;
	uint64_t a_seg = usable / extent; /* messages of the largest size */
	uint64_t segs = opts->keep_bytes / usable;

	if (opts->keep_messages / a_seg > segs)
		segs = opts->keep_messages / a_seg;
	if (opts->keep_messages || opts->keep_bytes)
		segs = segs < WINDOW_SEGS_MAX ? segs + 2 : WINDOW_SEGS_MAX;
	if (segs + geo->window_segs > WINDOW_SEGS_MAX)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"to keep %llu messages of up to %u bytes, or %llu bytes, takes more "
			"than %d segments",
			(unsigned long long)opts->keep_messages, geo->max_message,
			(unsigned long long)opts->keep_bytes, WINDOW_SEGS_MAX);
	geo->keep_segs = (uint32_t)segs;
	geo->keep_messages = opts->keep_messages;
	geo->keep_bytes = opts->keep_bytes;
	return 0;
}

int
wr_geometry_of(struct wr_geometry *geo, const weir_pub_opts *opts, struct weir_error *err)
{
	size_t max_message = opts->max_message ? opts->max_message : WEIR_MESSAGE_DEFAULT;
	size_t align = opts->align ? opts->align : WR_FRAME;
	uint64_t window = opts->window ? opts->window : WEIR_WINDOW_DEFAULT;
	uint64_t segs, seg_bytes;
	int rc;

	if (max_message > WEIR_MESSAGE_MAX)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"max_message %zu is above the limit of %u bytes", max_message,
			WEIR_MESSAGE_MAX);
	if (align < WR_FRAME || align > WEIR_ALIGN_MAX || (align & (align - 1)) != 0)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"align %zu is not a power of two from 16 to %u", align,
			WEIR_ALIGN_MAX);

	seg_bytes = seg_bytes_of((uint32_t)max_message, (uint32_t)align);
	segs = window / seg_bytes + (window % seg_bytes != 0);
	if (segs > WINDOW_SEGS_MAX)
		return wr_error_set(err, WEIR_E_USAGE_INVAL, 0,
			"window of %llu bytes is more than %d segments of %llu bytes",
			(unsigned long long)window, WINDOW_SEGS_MAX,
			(unsigned long long)seg_bytes);
	rc = wr_geometry_sized(geo, (uint32_t)max_message, (uint32_t)align,
		(uint32_t)seg_bytes, (uint32_t)(segs < 4 ? 4 : segs));
	return rc < 0 ? rc : keep_of(geo, opts, err);
}
