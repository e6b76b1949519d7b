/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/geometry.h"

#include "bus/layout.h"
#include "tests/lib/test.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

static struct wr_geometry
geometry(size_t max_message, size_t window, size_t align)
{
	weir_pub_opts opts = {.size = sizeof(opts),
		.max_message = max_message,
		.window = window,
		.align = align};
	struct wr_geometry geo = {0};

	CHECK_EQ(wr_geometry_of(&geo, &opts, NULL), 0);
	return geo;
}

static uint32_t
fit(const struct wr_geometry *geo)
{
	return (geo->seg_bytes - WR_FRAME - geo->first) /
		wr_extent(geo->max_message, geo->align);
}

static void
defaults(void)
{
	struct wr_geometry geo = geometry(0, 0, 0);

	CHECK_EQ(geo.max_message, 64 * KIB);
	CHECK_EQ(geo.align, 16);
	CHECK(fit(&geo) >= 4);
	CHECK(geo.seg_bytes >= 256 * KIB && geo.seg_bytes <= 256 * KIB + 2 * WR_PAGE);
	CHECK(geo.window_bytes >= 16 * MIB);
	CHECK(geo.window_bytes < 16 * MIB + geo.seg_bytes);
	CHECK_EQ(geo.window_bytes, (uint64_t)geo.window_segs * geo.seg_bytes);
}

static void
small_messages_share_a_quarter_mebibyte(void)
{
	struct wr_geometry geo = geometry(64, 0, 0);

	CHECK_EQ(geo.seg_bytes, 256 * KIB);
	CHECK_EQ(geo.window_segs, 64);
	geo = geometry(1, 0, 0);
	CHECK_EQ(geo.seg_bytes, 256 * KIB);
}

static void
four_messages_a_segment_up_to_a_mebibyte(void)
{
	struct wr_geometry geo;

	for (size_t size = 64 * KIB; size <= MIB; size += 37 * KIB + 5) {
		geo = geometry(size, 0, 0);
		CHECK_EQ(fit(&geo), 4);
		CHECK(geo.seg_bytes < 4 * size + 2 * WR_PAGE);
	}
	geo = geometry(MIB, 0, 0);
	CHECK_EQ(fit(&geo), 4);
}

static void
one_message_a_segment_above(void)
{
	struct wr_geometry geo = geometry(MIB + 1, 0, 0);

	CHECK_EQ(fit(&geo), 1);
	CHECK(geo.seg_bytes < MIB + 2 * WR_PAGE);
	geo = geometry(WEIR_MESSAGE_MAX, 0, 0);
	CHECK_EQ(fit(&geo), 1);
	CHECK_EQ(geo.window_segs, 4);
	CHECK(geo.window_bytes >= 4 * (uint64_t)WEIR_MESSAGE_MAX);
	geo = geometry(WEIR_MESSAGE_MAX, 0, WEIR_ALIGN_MAX);
	CHECK_EQ(fit(&geo), 1);
}

static void
window_is_at_least_four_segments(void)
{
	struct wr_geometry geo = geometry(64, 1, 0);

	CHECK_EQ(geo.window_segs, 4);
	geo = geometry(8 * MIB, 0, 0);
	CHECK_EQ(geo.window_segs, 4);
	geo = geometry(2 * MIB, 0, 0);
	CHECK(geo.window_segs >= 7 && geo.window_segs <= 8);
	geo = geometry(64, 100 * MIB, 0);
	CHECK_EQ(geo.window_segs, 400);
	geo = geometry(64, 100 * MIB + 1, 0);
	CHECK_EQ(geo.window_segs, 401);
}

static void
payloads_are_aligned(void)
{
	for (size_t align = 16; align <= WEIR_ALIGN_MAX; align *= 2) {
		struct wr_geometry geo = geometry(1000, 0, align);

		CHECK(geo.first >= WR_SEG_FIRST);
		CHECK_EQ((geo.first + WR_FRAME) % align, 0);
		for (uint32_t len = 0; len < 3000; len += 17) {
			CHECK_EQ(wr_extent(len, geo.align) % align, 0);
			CHECK(wr_extent(len, geo.align) >= len + WR_FRAME);
		}
		CHECK_EQ(geo.seg_bytes % WR_PAGE, 0);
		CHECK(fit(&geo) >= 4);
	}
}

static int
refusal(const weir_pub_opts *opts)
{
	struct wr_geometry geo;
	struct weir_error err = {0};
	int rc = wr_geometry_of(&geo, opts, &err);

	CHECK_EQ(err.code, -rc);
	return rc;
}

static int
refused(size_t max_message, size_t window, size_t align)
{
	weir_pub_opts opts = {.size = sizeof(opts),
		.max_message = max_message,
		.window = window,
		.align = align};

	return refusal(&opts);
}

static void
refuses_what_is_out_of_bounds(void)
{
	CHECK_EQ(refused(WEIR_MESSAGE_MAX + 1, 0, 0), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(refused(SIZE_MAX, 0, 0), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(refused(0, 0, 8), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(refused(0, 0, 24), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(refused(0, 0, WEIR_ALIGN_MAX * 2), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(refused(0, (size_t)1 << 50, 0), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(refused(0, SIZE_MAX, 0), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(refused(WEIR_MESSAGE_MAX, 0, WEIR_ALIGN_MAX), 0);
}

static void
sized_refuses_what_does_not_fit(void)
{
	struct wr_geometry geo;

	/* 64 of header, 16 of roll frame and 16 of frame leave 4,000. */
	CHECK_EQ(wr_geometry_sized(&geo, 4000, 16, 4096, 2), 0);
	CHECK_EQ(fit(&geo), 1);
	CHECK_EQ(wr_geometry_sized(&geo, 4001, 16, 4096, 2), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(wr_geometry_sized(&geo, 100, 16, 4000, 2), -WEIR_E_USAGE_INVAL);
	CHECK_EQ(wr_geometry_sized(&geo, 100, 16, 4096, 1), -WEIR_E_USAGE_INVAL);
}

static void
region_is_window_pins_and_spare(void)
{
	struct wr_geometry geo = geometry(64, 0, 0);

	CHECK_EQ(wr_geometry_segs(&geo, 0), 64 + WR_SPARE_SEGS);
	CHECK_EQ(wr_geometry_segs(&geo, 160), 64 + 160 + WR_SPARE_SEGS);
}

/* ---- history ------------------------------------------------------------------------------- */

static struct wr_geometry
keeping(size_t max_message, uint64_t messages, uint64_t bytes)
{
	weir_pub_opts opts = {.size = sizeof(opts),
		.max_message = max_message,
		.keep_messages = messages,
		.keep_bytes = bytes};
	struct wr_geometry geo = {0};

	CHECK_EQ(wr_geometry_of(&geo, &opts, NULL), 0);
	CHECK_EQ(geo.keep_messages, messages);
	CHECK_EQ(geo.keep_bytes, bytes);
	return geo;
}

static void
history_lies_beside_the_window(void)
{
	struct wr_geometry plain = geometry(64, 0, 0), geo;

	geo = keeping(64, 0, 0);
	CHECK_EQ(geo.keep_segs, 0);
	CHECK_EQ(wr_geometry_live(&geo), plain.window_segs);
	for (size_t size = 16; size <= 8 * MIB; size *= 3)
		for (uint64_t messages = 1; messages < 3000; messages = messages * 3 + 1) {
			geo = keeping(size, messages, 0);
			/* However the messages lie: the first of them behind others in its
			 * segment, and the head as good as empty. */
			CHECK((uint64_t)(geo.keep_segs - 1) * fit(&geo) >= messages);
			CHECK((uint64_t)geo.keep_segs * fit(&geo) <=
				messages + 2 * (uint64_t)fit(&geo));
			CHECK_EQ(wr_geometry_segs(&geo, 5),
				wr_geometry_live(&geo) + 5 + WR_SPARE_SEGS);
		}
	for (uint64_t bytes = 1; bytes < 100 * MIB; bytes = bytes * 7 + 1) {
		geo = keeping(1000, 0, bytes);
		CHECK((geo.keep_segs - 1) *
				(uint64_t)(geo.seg_bytes - geo.first - WR_FRAME) >=
			bytes);
	}
	/* Of both the larger one. */
	geo = keeping(64, 1, 50 * MIB);
	CHECK_EQ(geo.keep_segs, keeping(64, 0, 50 * MIB).keep_segs);
	geo = keeping(64, 1000000, 1);
	CHECK_EQ(geo.keep_segs, keeping(64, 1000000, 0).keep_segs);
}

static int
keep_refused(size_t max_message, uint64_t messages, uint64_t bytes)
{
	weir_pub_opts opts = {.size = sizeof(opts),
		.max_message = max_message,
		.keep_messages = messages,
		.keep_bytes = bytes};

	return refusal(&opts);
}

static void
more_history_than_places_is_refused(void)
{
	for (size_t size = 64; size <= 8 * MIB; size *= 8) {
		CHECK_EQ(keep_refused(size, UINT64_MAX, 0), -WEIR_E_USAGE_INVAL);
		CHECK_EQ(keep_refused(size, UINT64_MAX - 1, 0), -WEIR_E_USAGE_INVAL);
		CHECK_EQ(keep_refused(size, UINT64_MAX / 2, 0), -WEIR_E_USAGE_INVAL);
		CHECK_EQ(keep_refused(size, 0, UINT64_MAX), -WEIR_E_USAGE_INVAL);
		CHECK_EQ(keep_refused(size, 0, 1ull << 50), -WEIR_E_USAGE_INVAL);
	}
	CHECK_EQ(keep_refused(2 * MIB, 500000, 0), 0);
	CHECK_EQ(keep_refused(2 * MIB, 1 << 19, 0), -WEIR_E_USAGE_INVAL);
}

/* The extremes of the layout's packed words. */
static void
words_and_places_keep_their_parts(void)
{
	uint64_t word = wr_word(WR_MOVE, WEIR_MESSAGE_MAX, UINT32_MAX - 15);

	CHECK_EQ(wr_word_kind(word), WR_MOVE);
	CHECK_EQ(wr_word_len(word), WEIR_MESSAGE_MAX);
	CHECK_EQ(wr_word_extent(word), UINT32_MAX - 15);
	CHECK(wr_word(WR_OPEN, 0, 0) != 0);
	CHECK_EQ(wr_place_ord(wr_place(1ull << 43, 0xfffff)), 1ll << 43);
	CHECK_EQ(wr_place_seg(wr_place(1ull << 43, 0xfffff)), 0xfffff);
}

static const struct wr_test tests[] = {TEST(defaults),
	TEST(small_messages_share_a_quarter_mebibyte),
	TEST(four_messages_a_segment_up_to_a_mebibyte),
	TEST(one_message_a_segment_above), TEST(window_is_at_least_four_segments),
	TEST(payloads_are_aligned), TEST(refuses_what_is_out_of_bounds),
	TEST(sized_refuses_what_does_not_fit), TEST(region_is_window_pins_and_spare),
	TEST(history_lies_beside_the_window), TEST(more_history_than_places_is_refused),
	TEST(words_and_places_keep_their_parts), TEST_END};
const struct wr_suite wr_suite_geometry = {.name = "geometry", .tests = tests};
