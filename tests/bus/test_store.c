/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/store.h"

#include "tests/lib/fdleak.h"
#include "tests/lib/test.h"

#include <string.h>
#include <unistd.h>

static struct wr_store_plan
plan(bool private_memory)
{
	struct wr_store_plan p = {.pins = 5,
		.first_ord = 9,
		.stream = 42,
		.node = 7,
		.type_hash = 0xabc,
		.topic = "a.b",
		.type = "point",
		.private_memory = private_memory};

	REQUIRE_EQ(wr_geometry_sized(&p.geo, 1000, 16, 4096, 4), 0);
	return p;
}

static void
header_says_what_was_planned(void)
{
	struct wr_store_plan p = plan(false);
	struct wr_store *store;

	REQUIRE_EQ(wr_store_create(&store, &p, NULL), 0);
	CHECK_EQ(store->hdr->magic, WR_STREAM_MAGIC);
	CHECK_EQ(store->hdr->layout, WR_LAYOUT);
	CHECK_EQ(store->hdr->stream, 42);
	CHECK_EQ(store->hdr->node, 7);
	CHECK_EQ(store->hdr->type_hash, 0xabc);
	CHECK_EQ(store->hdr->first_ord, 9);
	CHECK_EQ(store->hdr->seg_count, 4 + 5 + WR_SPARE_SEGS);
	CHECK_EQ(store->hdr->pid, getpid());
	CHECK_STR(store->hdr->topic, "a.b");
	CHECK_STR(store->hdr->type, "point");
	CHECK_EQ(store->region.bytes,
		WR_STREAM_HEADER + (uint64_t)store->seg_count * 4096);
	CHECK_EQ(store->region.reserved, WR_STREAM_HEADER);
	CHECK(!wr_store_is_foreign(store));
	CHECK_EQ(wr_store_check(store->hdr, store->region.bytes, NULL), 0);
	wr_store_unref(store);
}

static void
another_mapping_sees_the_same(void)
{
	struct wr_store_plan p = plan(false);
	struct wr_store *store, *other;
	struct wr_fds before;

	wr_fds_take(&before);
	REQUIRE_EQ(wr_store_create(&store, &p, NULL), 0);
	REQUIRE_EQ(wr_store_map(&other, dup(store->region.fd), store->region.bytes, NULL),
		0);
	CHECK(wr_store_is_foreign(other));
	CHECK_EQ(other->seg_count, store->seg_count);
	CHECK_EQ(other->seg_bytes, 4096);
	CHECK_EQ(other->first_ord, 9);
	CHECK_EQ(other->max_message, 1000);
	CHECK(other->segs != store->segs);
	wr_store_release(test_word, &store->hdr->oldest, 1234);
	CHECK_EQ(wr_load_acquire(test_word, &other->hdr->oldest), 1234);
	wr_store_unref(other);
	wr_store_unref(store);
	CHECK_EQ(wr_fds_new(&before), 0);
}

static void
mapping_takes_the_descriptor_in_every_case(void)
{
	struct wr_store_plan p = plan(false);
	struct wr_store *store, *other;
	struct weir_error err;
	struct wr_fds before;

	REQUIRE_EQ(wr_store_create(&store, &p, NULL), 0);
	wr_fds_take(&before);
	CHECK_EQ(wr_store_map(&other, dup(store->region.fd), store->region.bytes - 4096,
			 &err),
		-WEIR_E_PEER_BADFD);
	CHECK_EQ(wr_store_map(&other, dup(store->region.fd), store->region.bytes + 4096,
			 &err),
		-WEIR_E_PEER_BADFD);
	CHECK_EQ(wr_store_map(&other, dup(store->region.fd), 16, &err),
		-WEIR_E_PEER_BADREGION);
	CHECK_EQ(wr_store_map(&other, dup(0), 1 << 20, &err), -WEIR_E_PEER_BADFD);
	CHECK_EQ(wr_fds_new(&before), 0);
	wr_store_unref(store);
}

/* Each field of the header on its own, with values that a liar would choose. */
static void
every_field_is_checked(void)
{
	struct wr_store_plan p = plan(true);
	struct wr_store *store;
	struct weir_error err;
	uint64_t bytes;

	REQUIRE_EQ(wr_store_create(&store, &p, NULL), 0);
	bytes = store->region.bytes;

#define WRONG(field, value, fault) \
	do { \
		struct wr_stream_hdr copy; \
		memcpy(&copy, store->hdr, sizeof(copy)); \
		copy.field = (value); \
		memset(&err, 0, sizeof(err)); \
		CHECK_EQ(wr_store_check(&copy, bytes, &err), -WEIR_E_##fault); \
		CHECK_EQ(err.code, WEIR_E_##fault); \
		CHECK(err.text[0] != 0); \
	} while (0)
	WRONG(magic, 0, PEER_BADREGION);
	WRONG(magic, WR_NODE_MAGIC, PEER_BADREGION);
	WRONG(layout, WR_LAYOUT + 1, ENV_VERSION);
	WRONG(layout, 0, ENV_VERSION);
	WRONG(header_bytes, 0, PEER_BADREGION);
	WRONG(header_bytes, WR_PAGE, PEER_BADREGION);
	WRONG(header_bytes, WR_STREAM_HEADER + WR_PAGE, PEER_BADREGION);
	WRONG(region_bytes, bytes - 1, PEER_BADREGION);
	WRONG(region_bytes, UINT64_MAX, PEER_BADREGION);
	WRONG(seg_bytes, 0, PEER_BADREGION);
	WRONG(seg_bytes, 4097, PEER_BADREGION);
	WRONG(seg_bytes, 8192, PEER_BADREGION);
	WRONG(seg_bytes, UINT32_MAX, PEER_BADREGION);
	WRONG(seg_count, 0, PEER_BADREGION);
	WRONG(seg_count, store->seg_count + 1, PEER_BADREGION);
	WRONG(seg_count, UINT32_MAX, PEER_BADREGION);
	WRONG(seg_count, 1u << WR_PLACE_SEG_BITS, PEER_BADREGION);
	WRONG(first, 0, PEER_BADREGION);
	WRONG(first, WR_SEG_FIRST + 1, PEER_BADREGION);
	WRONG(first, 4096, PEER_BADREGION);
	WRONG(first, UINT32_MAX, PEER_BADREGION);
	WRONG(first, UINT32_MAX - 15, PEER_BADREGION);
	WRONG(first, 3200, PEER_BADREGION);
	WRONG(align, 0, PEER_BADREGION);
	WRONG(align, 8, PEER_BADREGION);
	WRONG(align, 48, PEER_BADREGION);
	WRONG(align, WEIR_ALIGN_MAX * 2, PEER_BADREGION);
	WRONG(align, 1u << 31, PEER_BADREGION);
	WRONG(max_message, 4000 + 1, PEER_BADREGION);
	WRONG(max_message, WEIR_MESSAGE_MAX + 1, PEER_BADREGION);
	WRONG(max_message, UINT32_MAX, PEER_BADREGION);
	WRONG(first_ord, 0, PEER_BADREGION);
#undef WRONG
	CHECK_EQ(wr_store_check(store->hdr, bytes + 4096, &err), -WEIR_E_PEER_BADREGION);
	CHECK_EQ(wr_store_check(store->hdr, WR_STREAM_HEADER - 1, &err),
		-WEIR_E_PEER_BADREGION);

	struct wr_stream_hdr copy;

	memcpy(&copy, store->hdr, sizeof(copy));
	memset(copy.topic, 'x', sizeof(copy.topic));
	CHECK_EQ(wr_store_check(&copy, bytes, &err), -WEIR_E_PEER_BADREGION);
	memcpy(&copy, store->hdr, sizeof(copy));
	memset(copy.type, 'x', sizeof(copy.type));
	CHECK_EQ(wr_store_check(&copy, bytes, &err), -WEIR_E_PEER_BADREGION);
	wr_store_unref(store);
}

/* Any header that passes describes only memory inside the region. */
static void
what_passes_stays_inside(void)
{
	struct wr_store_plan p = plan(true);
	struct wr_store *store;
	uint64_t state = 88172645463325252ull;
	unsigned passed = 0;

	REQUIRE_EQ(wr_store_create(&store, &p, NULL), 0);
	for (int i = 0; i < 200000; i++) {
		struct wr_stream_hdr copy;
		uint32_t *fields[] = {&copy.seg_bytes, &copy.seg_count, &copy.first,
			&copy.align, &copy.max_message};

		memcpy(&copy, store->hdr, sizeof(copy));
		for (int k = 0; k < 2; k++) {
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			*fields[state % 5] = (uint32_t)(state >> 32) >> state / 5 % 32;
		}
		if (wr_store_check(&copy, store->region.bytes, NULL) < 0)
			continue;
		passed++;
		CHECK((uint64_t)copy.seg_count * copy.seg_bytes + WR_STREAM_HEADER ==
			store->region.bytes);
		CHECK((uint64_t)copy.first + WR_FRAME + copy.max_message + WR_FRAME <=
			copy.seg_bytes);
	}
	CHECK(passed > 0);
	wr_store_unref(store);
}

static void
the_last_reference_frees_the_chain(void)
{
	struct wr_store_plan p = plan(false);
	struct wr_store *one, *two;
	struct wr_fds before;

	wr_fds_take(&before);
	REQUIRE_EQ(wr_store_create(&one, &p, NULL), 0);
	REQUIRE_EQ(wr_store_create(&two, &p, NULL), 0);
	wr_store_follow(one, wr_store_ref(two));
	wr_store_ref(one);
	wr_store_unref(two); /* the first still leads to it */
	CHECK(wr_load_acquire(test_word, &one->following) == two);
	CHECK_EQ(wr_load_acquire(test_word, &two->refs), 1);
	wr_store_unref(one);
	CHECK_EQ(wr_maps_count("memfd:weir:a.b"), 2);
	wr_store_unref(one);
	CHECK_EQ(wr_maps_count("memfd:weir:a.b"), 0);
	CHECK_EQ(wr_fds_new(&before), 0);
	wr_store_unref(NULL);
}

static const struct wr_test tests[] = {TEST(header_says_what_was_planned),
	TEST(another_mapping_sees_the_same),
	TEST(mapping_takes_the_descriptor_in_every_case), TEST(every_field_is_checked),
	TEST(what_passes_stays_inside), TEST(the_last_reference_frees_the_chain),
	TEST_END};
const struct wr_suite wr_suite_store = {
	.name = "store", .tests = tests, .labels = "input"};
