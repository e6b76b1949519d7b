/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bus/store.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus/error.h"

static uint64_t
region_bytes(const struct wr_geometry *geo, uint64_t segs)
{
	return WR_STREAM_HEADER + segs * geo->seg_bytes;
}

static void
header_write(struct wr_stream_hdr *hdr, const struct wr_store_plan *plan, uint64_t segs)
{
	const struct wr_geometry *geo = &plan->geo;

	hdr->magic = WR_STREAM_MAGIC;
	hdr->layout = WR_LAYOUT;
	hdr->header_bytes = WR_STREAM_HEADER;
	hdr->stream = plan->stream;
	hdr->node = plan->node;
	hdr->region_bytes = region_bytes(geo, segs);
	hdr->window_bytes = geo->window_bytes;
	hdr->type_hash = plan->type_hash;
	hdr->ttl_ns = plan->ttl_ns;
	hdr->open_to_all = plan->open_to_all;
	hdr->keep_messages = plan->geo.keep_messages;
	hdr->keep_bytes = plan->geo.keep_bytes;
	hdr->first_ord = plan->first_ord;
	hdr->seg_bytes = geo->seg_bytes;
	hdr->seg_count = (uint32_t)segs;
	hdr->first = geo->first;
	hdr->align = geo->align;
	hdr->max_message = geo->max_message;
	hdr->pid = (uint32_t)getpid();
	wr_name_copy(hdr->topic, plan->topic);
	wr_name_copy(hdr->type, plan->type);
}

/* Copies the numbers that are used from here on; shared memory is not asked again. */
static void
adopt(struct wr_store *store)
{
	const struct wr_stream_hdr *hdr = store->hdr;

	store->segs = store->region.mem + hdr->header_bytes;
	store->seg_bytes = hdr->seg_bytes;
	store->seg_count = hdr->seg_count;
	store->first = hdr->first;
	store->align = hdr->align;
	store->max_message = hdr->max_message;
	store->first_ord = hdr->first_ord;
	wr_store_relaxed(store_refs, &store->refs, 1);
}

int
wr_store_create(
	struct wr_store **out, const struct wr_store_plan *plan, struct weir_error *err)
{
	uint64_t segs = wr_geometry_segs(&plan->geo, plan->pins);
	uint64_t bytes;
	struct wr_store *store;
	int rc;

	if (segs >= 1u << WR_PLACE_SEG_BITS)
		segs = (1u << WR_PLACE_SEG_BITS) - 1;
	bytes = region_bytes(&plan->geo, segs);
	store = calloc(1, sizeof(*store));
	if (!store)
		return wr_error_set(
			err, WEIR_E_ENV_MEMORY, 0, "no memory for a stream's books");

	rc = plan->private_memory
		? wr_region_private(&store->region, plan->topic, bytes, err)
		: wr_region_create(&store->region, plan->topic, bytes, err);
	if (rc < 0)
		goto fail_store;
	if (plan->large > 0)
		(void)wr_region_enlarge(&store->region, plan->large);
	rc = wr_region_reserve(&store->region, 0, WR_STREAM_HEADER, err);
	if (rc < 0)
		goto fail_region;

	store->hdr = (struct wr_stream_hdr *)(void *)store->region.mem;
	header_write(store->hdr, plan, segs);
	adopt(store);
	*out = store;
	return 0;

fail_region:
	wr_region_drop(&store->region);
fail_store:
	free(store);
	return rc;
}

static bool
ends(const char *text)
{
	return memchr(text, 0, WR_NAME_BYTES) != NULL;
}

int
wr_store_check(const struct wr_stream_hdr *hdr, uint64_t bytes, struct weir_error *err)
{
	uint64_t seg_bytes = hdr->seg_bytes;
	uint64_t align = hdr->align;
	const char *wrong = NULL;

	if (bytes < WR_STREAM_HEADER || hdr->magic != WR_STREAM_MAGIC)
		return wr_error_set(
			err, WEIR_E_PEER_BADREGION, 0, "this is no stream's region");
	if (hdr->layout != WR_LAYOUT) {
		wr_error_set(err, WEIR_E_ENV_VERSION, 0, "the stream has layout %u",
			hdr->layout);
		wr_error_differs(err, "layout %u, this program reads %d", hdr->layout,
			WR_LAYOUT);
		return -WEIR_E_ENV_VERSION;
	}
	if (hdr->header_bytes != WR_STREAM_HEADER || hdr->region_bytes != bytes)
		wrong = "sizes";
	else if (align < WR_FRAME || align > WEIR_ALIGN_MAX || (align & (align - 1)) != 0)
		wrong = "alignment";
	else if (seg_bytes == 0 || seg_bytes % WR_PAGE != 0 || hdr->seg_count == 0 ||
		hdr->seg_count >= 1u << WR_PLACE_SEG_BITS ||
		seg_bytes * hdr->seg_count != bytes - WR_STREAM_HEADER)
		wrong = "segments";
	else if (hdr->max_message > WEIR_MESSAGE_MAX || hdr->first < WR_SEG_FIRST ||
		(hdr->first + WR_FRAME) % align != 0 || hdr->first >= seg_bytes ||
		(uint64_t)hdr->first + wr_extent(hdr->max_message, hdr->align) + WR_FRAME >
			seg_bytes)
		wrong = "frames";
	else if (hdr->first_ord == 0)
		wrong = "first ordinal";
	else if (!ends(hdr->topic) || !ends(hdr->type))
		wrong = "names";
	if (wrong)
		return wr_error_set(err, WEIR_E_PEER_BADREGION, 0,
			"a stream's header contradicts itself: %s", wrong);
	return 0;
}

int
wr_store_map(struct wr_store **out, int fd, uint64_t bytes, struct weir_error *err)
{
	struct wr_store *store = calloc(1, sizeof(*store));
	struct wr_stream_hdr copy;
	int rc;

	if (!store) {
		close(fd);
		return wr_error_set(
			err, WEIR_E_ENV_MEMORY, 0, "no memory for a stream's books");
	}
	if (bytes < WR_STREAM_HEADER) {
		close(fd);
		free(store);
		return wr_error_set(err, WEIR_E_PEER_BADREGION, 0,
			"a region of %llu bytes is too small", (unsigned long long)bytes);
	}
	rc = wr_region_map(&store->region, fd, bytes, err);
	if (rc < 0)
		goto fail_store;

	/* Its owner may go on writing: check a copy, and use the copy. */
	memcpy(&copy, store->region.mem, sizeof(copy));
	rc = wr_store_check(&copy, bytes, err);
	if (rc < 0)
		goto fail_region;
	store->hdr = &copy;
	adopt(store);
	store->hdr = (struct wr_stream_hdr *)(void *)store->region.mem;
	*out = store;
	return 0;

fail_region:
	wr_region_drop(&store->region);
fail_store:
	free(store);
	return rc;
}

struct wr_store *
wr_store_ref(struct wr_store *store)
{
	wr_fetch_add(store_refs, &store->refs, 1);
	return store;
}

void
wr_store_unref(struct wr_store *store)
{
	while (store && wr_fetch_sub_acq_rel(store_refs, &store->refs, 1) == 1) {
		struct wr_store *next = wr_load_relaxed(move_adopt, &store->following);

		wr_region_drop(&store->region);
		free(store);
		store = next;
	}
}

void
wr_store_follow(struct wr_store *store, struct wr_store *next)
{
	/* -> move_adopt in the reader: the numbers of the store before the pointer */
	wr_store_release(move_follow, &store->following, next);
}
